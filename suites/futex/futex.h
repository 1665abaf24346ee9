// SPDX-License-Identifier: GPL-2.0-only
// Typed raw calls of futex(2) for this suite; each returns the kernel's value or -errno.
#ifndef FUTEX_H
#define FUTEX_H

#include <linux/futex.h>

#include "sys.h"

#define futex_wait(word, value, timeout) \
	raw_syscall(NR_FUTEX, word, FUTEX_WAIT_PRIVATE, value, timeout, NULL, 0)
#define futex_wake(word, count) \
	raw_syscall(NR_FUTEX, word, FUTEX_WAKE_PRIVATE, count, NULL, NULL, 0)

#endif
