// SPDX-License-Identifier: GPL-2.0-only
// Typed raw calls of the clock suite, ids of CPU clocks, and ways to spend CPU time; results are values or -errno.
#ifndef CLOCK_H
#define CLOCK_H

#include <string.h>
#include <time.h>

#include "clocks.h"
#include "sync.h"
#include "sys.h"

#define MS     1000000LL
#define SECOND 1000000000LL

#ifndef CLOCK_TAI
#define CLOCK_TAI 11
#endif
#ifndef CLOCK_AUX_FIRST
#define CLOCK_AUX_FIRST 16	// to 23: clocks of their own since 6.17
#define CLOCK_AUX_LAST_ID 23
#endif

typedef struct __kernel_timespec timespec64;

#define get_time(clock, t)       raw_syscall(NR_CLOCK_GETTIME, clock, t)
#define get_resolution(clock, t) raw_syscall(NR_CLOCK_GETRES, clock, t)
#define set_time(clock, t)       raw_syscall(NR_CLOCK_SETTIME, clock, t)

static inline long long ns_of(timespec64 t)
{
	return t.tv_sec * SECOND + t.tv_nsec;
}

static inline timespec64 timespec_of(long long ns)
{
	return (timespec64){ ns / SECOND, ns % SECOND };
}

// -1 if the clock cannot be read or its nanoseconds are out of range.
static inline long long clock_ns(int clock)
{
	timespec64 t = { -1, -1 };

	if (get_time(clock, &t) || t.tv_nsec < 0 || t.tv_nsec >= SECOND)
		return -1;
	return ns_of(t);
}

static inline void burn_user(void)
{
	for (volatile int i = 0; i < 20000; i++)
		;
}

static inline void burn_system(void)
{
	static char bytes[1 << 16];

	raw_syscall(__NR_getrandom, bytes, sizeof(bytes), 0);
}

// Spends CPU time until the clock has moved by so much; false if it does not.
static inline bool burn_until_it_moves(int clock, long long by, void (*burn)(void))
{
	long long from = clock_ns(clock);
	struct wait_until_state patience = { 0 };

	while (clock_ns(clock) < from + by) {
		for (int i = 0; i < 20 && clock_ns(clock) < from + by; i++)
			burn();
		if (clock_ns(clock) < from + by && !wait_a_little(&patience))
			return false;
	}
	return from >= 0;
}

// What a CPU clock shows once it stands: who runs is seen to move from one reading to the next.
static inline long long settled_ns(int clock)
{
	long long at = -1;

	return wait_until((at = clock_ns(clock)) == clock_ns(clock)) ? at : -1;
}

// Sleeps for so much of CLOCK_MONOTONIC: time is the subject.
static inline void let_pass(long long ns)
{
	timespec64 until = timespec_of(clock_ns(CLOCK_MONOTONIC) + ns);

	while (raw_syscall(NR_CLOCK_NANOSLEEP, CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == -EINTR)
		;
}

#endif
