// SPDX-License-Identifier: GPL-2.0-only
// Typed raw calls of futex(2) for this suite; each returns the kernel's value or -errno.
#ifndef FUTEX_H
#define FUTEX_H

#include <limits.h>
#include <linux/futex.h>
#include <time.h>

#include "sys.h"

#define FOR_EACH(i, array) for (unsigned int i = 0; i < sizeof(array) / sizeof(*(array)); i++)

// FUTEX_WAIT with FUTEX_PRIVATE_FLAG is FUTEX_WAIT_PRIVATE, and so on; without it the word is shared.
// The fourth argument is a timeout, or a second count for the requeue operations and FUTEX_WAKE_OP.
#define futex_call(word, op, value, timeout_or_count, word2, value3) \
	raw_syscall(NR_FUTEX, word, op, value, timeout_or_count, word2, value3)

// On private words.
#define futex_wait(word, value, timeout) \
	futex_call(word, FUTEX_WAIT_PRIVATE, value, timeout, NULL, 0)
#define futex_wake(word, count) \
	futex_call(word, FUTEX_WAKE_PRIVATE, count, NULL, NULL, 0)
#define futex_wait_bitset(word, value, deadline, bitset) \
	futex_call(word, FUTEX_WAIT_BITSET_PRIVATE, value, deadline, NULL, bitset)
#define futex_wake_bitset(word, count, bitset) \
	futex_call(word, FUTEX_WAKE_BITSET_PRIVATE, count, NULL, NULL, bitset)
#define futex_requeue(word, wake, move, word2) \
	futex_call(word, FUTEX_REQUEUE_PRIVATE, wake, move, word2, 0)
#define futex_cmp_requeue(word, wake, move, word2, expected) \
	futex_call(word, FUTEX_CMP_REQUEUE_PRIVATE, wake, move, word2, expected)
#define futex_wake_op(word, wake, wake2, word2, operation) \
	futex_call(word, FUTEX_WAKE_OP_PRIVATE, wake, wake2, word2, operation)

// On words of any process.
#define futex_wait_shared(word, value, timeout) \
	futex_call(word, FUTEX_WAIT, value, timeout, NULL, 0)
#define futex_wake_shared(word, count) \
	futex_call(word, FUTEX_WAKE, count, NULL, NULL, 0)

static inline long long clock_ns(int clock)
{
	struct __kernel_timespec now = { 0 };

	raw_syscall(NR_CLOCK_GETTIME, clock, &now);
	return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static inline struct __kernel_timespec timespec_of(long long ns)
{
	return (struct __kernel_timespec){ ns / 1000000000, ns % 1000000000 };
}

#endif
