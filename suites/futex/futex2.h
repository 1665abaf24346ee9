// SPDX-License-Identifier: GPL-2.0-only
// futex_wake(2), futex_wait(2), futex_requeue(2) of Linux 6.7 as argument lists for raw_syscall(), ask() and call_as().
#ifndef FUTEX2_H
#define FUTEX2_H

#include "waitv.h"

#define ANY 0xffffffffUL

#define FUTEX2_WAKE(word, mask, count, flags) __NR_futex_wake, word, mask, count, flags
#define FUTEX2_WAIT(word, value, mask, flags) __NR_futex_wait, word, value, mask, flags, NULL, 0
#define FUTEX2_WAIT_UNTIL(word, value, mask, flags, deadline, clock) \
	__NR_futex_wait, word, value, mask, flags, deadline, clock
#define FUTEX2_REQUEUE(from_and_to, wake, requeue) __NR_futex_requeue, from_and_to, 0, wake, requeue

static inline long futex2_probe(void)
{
	uint32_t word = 0;

	return raw_syscall(FUTEX2_WAKE(&word, ANY, 1, PRIVATE_U32));
}

#define NEEDS_FUTEX2 .since = KERNEL(6, 7), .probe = futex2_probe

#endif
