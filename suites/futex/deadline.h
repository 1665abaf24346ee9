// SPDX-License-Identifier: GPL-2.0-only
// Absolute deadlines on a clock, and whether they have passed; clocks are read by system call, never by the vDSO.
#ifndef DEADLINE_H
#define DEADLINE_H

#include "futex.h"

#define MS 1000000LL
#define SECOND 1000000000LL

static inline struct __kernel_timespec deadline_in(int clock, long long ns)
{
	return timespec_of(clock_ns(clock) + ns);
}

static inline bool has_passed(int clock, const struct __kernel_timespec *deadline)
{
	return clock_ns(clock) >= deadline->tv_sec * SECOND + deadline->tv_nsec;
}

// What no call may take for a time. A 32-bit ABI may leave the upper half of tv_nsec undefined: none relies on it.
static const struct __kernel_timespec bad_times[] = {
	{ .tv_sec = -1, .tv_nsec = 0 },
	{ .tv_sec = -1, .tv_nsec = 999999999 },
	{ .tv_sec = 0, .tv_nsec = -1 },
	{ .tv_sec = 0, .tv_nsec = 1000000000 },
	{ .tv_sec = 1, .tv_nsec = 0x7fffffff },
};

#define EACH_BAD_TIME(time) \
	const struct __kernel_timespec *time = bad_times; time < bad_times + sizeof(bad_times) / sizeof(*bad_times); time++

// The last moment that the structure can name.
static const struct __kernel_timespec end_of_time = { .tv_sec = INT64_MAX, .tv_nsec = 999999999 };

#endif
