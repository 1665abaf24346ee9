// SPDX-License-Identifier: GPL-2.0-only
// The executor's clock: by system call, because the vDSO is under test.
#include "executor.h"

#include <linux/time_types.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#ifdef SYS_clock_gettime64
#define CLOCK_GETTIME SYS_clock_gettime64
#else
#define CLOCK_GETTIME SYS_clock_gettime
#endif

long now_ms(void)
{
	static long long first = -1;
	struct __kernel_timespec t = { 0 };
	long long now;

	syscall(CLOCK_GETTIME, CLOCK_MONOTONIC, &t);
	now = t.tv_sec * 1000LL + t.tv_nsec / 1000000;
	if (first < 0)
		first = now;
	return now - first;
}
