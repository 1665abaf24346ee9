// SPDX-License-Identifier: GPL-2.0-only
// Each function of the vDSO beside the system call it stands for: values, results, clock by clock.
#include "clause.h"

#include <limits.h>

#include "calls.h"
#include "guard.h"

#ifndef CLOCK_TAI
#define CLOCK_TAI 11
#endif

static void expect_in_order(struct __test_metadata *_metadata, const int *clocks, int n)
{
	const void *f = function_named(VDSO_CLOCK_GETTIME);
	struct sandwich s;

	if (!f)
		ABSENT("this kernel gives the program no vDSO");
	for (int round = 0; round < 50; round++) {
		for (int i = 0; i < n; i++) {
			EXPECT_TRUE(is_in_order(f, clocks[i], &s)) {
				LOG_SANDWICH(clocks[i], s);
				return;
			}
		}
	}
}

CLAUSE(clocks_that_nobody_sets_lie_between_two_system_calls,
       "clock_gettime(2), vdso(7): the vDSO reads the same clock as the system call: a reading of CLOCK_MONOTONIC, "
       "_RAW or"
       " CLOCK_BOOTTIME is neither before one system call nor behind the next [VDS-10] [CLK-1]", .needed_by = USERS)
{
	expect_in_order(_metadata, (const int[]){ CLOCK_MONOTONIC, CLOCK_MONOTONIC_RAW, CLOCK_BOOTTIME }, 3);
}

CLAUSE(the_coarse_clock_lies_between_two_system_calls,
       "clock_gettime(2) CLOCK_MONOTONIC_COARSE: by the vDSO it is neither before one system call nor behind the next",
       .commit = "b71f9804f66c timekeeping: Prevent coarse clocks going backwards", .needed_by = USERS)
{
	expect_in_order(_metadata, (const int[]){ CLOCK_MONOTONIC_COARSE }, 1);
}

CLAUSE(cpu_clocks_lie_between_two_system_calls,
       "clock_gettime(2) CLOCK_PROCESS_CPUTIME_ID, CLOCK_THREAD_CPUTIME_ID: no vDSO can read them; it then asks the "
       "kernel and"
       " hands its answer on [VDS-9]", .needed_by = USERS)
{
	expect_in_order(_metadata, (const int[]){ CLOCK_PROCESS_CPUTIME_ID, CLOCK_THREAD_CPUTIME_ID,
						  process_cpu_clock(getpid(), CPU_SCHED), process_cpu_clock(0, CPU_SCHED),
						  thread_cpu_clock(getpid(), CPU_SCHED), thread_cpu_clock(0, CPU_SCHED) }, 6);
}

CLAUSE(clocks_that_may_be_set_lie_between_two_system_calls,
       "clock_gettime(2), vdso(7): a reading of CLOCK_REALTIME, its coarse one or CLOCK_TAI is neither before one "
       "system call nor"
       " behind the next, unless somebody sets the clock in between [VDS-10] "
       "[CLK-2]", .needed_by = "go:walltime " USERS)
{
	static const int clocks[] = { CLOCK_REALTIME, CLOCK_REALTIME_COARSE, CLOCK_TAI };
	FUNCTION_OR_ABSENT(f, VDSO_CLOCK_GETTIME);
	struct sandwich s;

	for (int round = 0; round < 50; round++) {
		for (unsigned int i = 0; i < ARRAY_SIZE(clocks); i++) {
			ASSERT_TRUE(holds_unless_set(is_in_order(f, clocks[i], &s))) LOG_SANDWICH(clocks[i], s);
		}
	}
}

CLAUSE(every_clock_id_gives_the_result_of_the_system_call,
       "clock_gettime(2) ERRORS: an id that the kernel does not know, or that the vDSO does not, gives what the system "
       "call gives;"
       " an error leaves the buffer alone [VDS-9] [incident 71]", .needed_by = USERS)
{
	const int odd[] = { INT_MAX, INT_MIN, 0x10000, 0x10001, 1 << 30, process_cpu_clock(0x1ffffff, CPU_SCHED), -13 };
	FUNCTION_OR_ABSENT(f, VDSO_CLOCK_GETTIME);

	for (int i = -8; i < 70 + (int)ARRAY_SIZE(odd); i++) {
		int clock = i < 70 ? i : odd[i - 70];
		timespec64 *fast = guarded(sizeof(*fast)), slow;
		int wanted = slow_gettime(clock, &slow);

		EXPECT_EQ(wanted, fast_gettime(f, clock, fast)) TH_LOG("clock %d", clock);
		if (wanted) {
			EXPECT_UNTOUCHED(fast, 0, sizeof(*fast)) TH_LOG("clock %d", clock);
		} else {
			EXPECT_TRUE(fast->tv_nsec >= 0 && fast->tv_nsec < SECOND) TH_LOG("clock %d", clock);
		}
		EXPECT_INTACT(fast);
		guard_free(fast);
	}
}

// Clocks of their own since 6.17, where CONFIG_POSIX_AUX_CLOCKS has them.
static bool is_auxiliary(int clock)
{
	return clock >= 16 && clock < 24;
}

CLAUSE(every_resolution_is_that_of_the_system_call,
       "clock_getres(2): for each clock the same resolution or the same error by the vDSO as by the system call; an "
       "error leaves"
       " the buffer alone", .needed_by = "glibc:clock_getres jvm:os_init")
{
	FUNCTION_OR_ABSENT(f, VDSO_CLOCK_GETRES);

	for (int clock = -8; clock < 70; clock++) {
		if (is_auxiliary(clock))
			continue;
		timespec64 *fast = guarded(sizeof(*fast)), *slow = guarded(sizeof(*slow));
		int wanted = slow_getres(clock, slow);

		EXPECT_EQ(wanted, fast_getres(f, clock, fast)) TH_LOG("clock %d", clock);
		EXPECT_EQ(0, memcmp(fast, slow, sizeof(*fast))) TH_LOG("clock %d", clock);
		EXPECT_INTACT(fast);
		guard_free(fast);
		guard_free(slow);
	}
}

CLAUSE(an_auxiliary_clock_has_a_resolution_where_the_system_call_says_so,
       "clock_getres(2) ERRORS EINVAL: the vDSO knows a resolution of CLOCK_AUX and the ids behind it only where the "
       "kernel has"
       " these clocks", .needed_by = "glibc:clock_getres")
{
	FUNCTION_OR_ABSENT(f, VDSO_CLOCK_GETRES);
	timespec64 slow, fast;

	for (int clock = 16; clock < 24; clock++) {
		ASSERT_EQ(slow_getres(clock, &slow), fast_getres(f, clock, &fast)) TH_LOG("clock %d", clock);
		ASSERT_EQ(slow_getres(clock, NULL), fast_getres(f, clock, NULL)) TH_LOG("clock %d", clock);
	}
}

CLAUSE(a_resolution_may_be_asked_for_without_a_buffer,
       "clock_getres(2): if res is NULL nothing is stored; the result tells whether the clock is there",
       .needed_by = "glibc:clock_getres")
{
	FUNCTION_OR_ABSENT(f, VDSO_CLOCK_GETRES);

	for (int clock = -3; clock < 70; clock++) {
		if (is_auxiliary(clock))
			continue;
		EXPECT_EQ(slow_getres(clock, NULL), fast_getres(f, clock, NULL)) TH_LOG("clock %d", clock);
	}
}

struct old_readings {
	struct old_timeval tv;
	long long before, after;
};

static bool is_time_of_day(const void *f, struct old_readings *r)
{
	r->before = slow_ns(CLOCK_REALTIME) / 1000;
	if (fast_gettimeofday(f, &r->tv, NULL))
		return false;
	r->after = slow_ns(CLOCK_REALTIME) / 1000;
	return r->tv.usec >= 0 && r->tv.usec < 1000000 && r->before <= r->tv.sec * 1000000LL + r->tv.usec &&
	       r->tv.sec * 1000000LL + r->tv.usec <= r->after;
}

CLAUSE(the_time_of_day_is_the_realtime_clock_in_microseconds,
       "gettimeofday(2): seconds and microseconds since the Epoch: by the vDSO between two readings of CLOCK_REALTIME "
       "by the"
       " kernel, cut to microseconds", .needed_by = "go:walltime glibc:gettimeofday musl:gettimeofday")
{
	FUNCTION_OR_ABSENT(f, VDSO_GETTIMEOFDAY);
	struct old_readings r;

	for (int round = 0; round < 50; round++) {
		ASSERT_TRUE(holds_unless_set(is_time_of_day(f, &r)))
			TH_LOG("%lld us, %ld.%06ld, %lld us", r.before, r.tv.sec, r.tv.usec, r.after);
	}
}

CLAUSE(either_argument_of_gettimeofday_may_be_missing,
       "gettimeofday(2): if tv or tz is NULL that structure is not returned; the time zone is the one of the system "
       "call",
       .needed_by = "glibc:gettimeofday")
{
	FUNCTION_OR_ABSENT(f, VDSO_GETTIMEOFDAY);
	struct old_timeval *tv = guarded(sizeof(*tv));
	struct time_zone *fast = guarded(sizeof(*fast)), *slow = guarded(sizeof(*slow));

	ASSERT_RET(0, raw_syscall(__NR_gettimeofday, NULL, slow));
	EXPECT_EQ(0, fast_gettimeofday(f, NULL, NULL));
	EXPECT_EQ(0, fast_gettimeofday(f, NULL, fast));
	EXPECT_EQ(0, memcmp(fast, slow, sizeof(*fast)));
	EXPECT_EQ(0, fast_gettimeofday(f, tv, NULL));
	EXPECT_FALSE(is_untouched(tv, 0, sizeof(*tv)));
	memset(fast, GUARD_BYTE, sizeof(*fast));
	memset(tv, GUARD_BYTE, sizeof(*tv));
	EXPECT_EQ(0, fast_gettimeofday(f, tv, fast));
	EXPECT_EQ(0, memcmp(fast, slow, sizeof(*fast)));
	EXPECT_FALSE(is_untouched(tv, 0, sizeof(*tv)));
	EXPECT_INTACT(tv);
	EXPECT_INTACT(fast);
}

// It is that of the last tick: behind the fine clock for as long as a tick takes, or longer on a machine that was held.
static bool is_between(long long before, long long now, long long after)
{
	return before <= now && now <= after;
}

static bool is_time(const void *f, long *told)
{
	long long before = slow_ns(CLOCK_REALTIME_COARSE) / SECOND;
	long now = fast_time(f, told);

	return *told == now && is_between(before, now, slow_ns(CLOCK_REALTIME_COARSE) / SECOND);
}

CLAUSE(time_counts_the_seconds_of_the_realtime_clock,
       "time(2): the seconds since the Epoch, in the result and where tloc points; by the vDSO those of "
       "CLOCK_REALTIME_COARSE, so"
       " never ahead of another clock", .needed_by = "glibc:time musl:time")
{
	FUNCTION_OR_ABSENT(f, VDSO_TIME);
	long *told = guarded(sizeof(*told));

	for (int round = 0; round < 50; round++) {
		ASSERT_TRUE(holds_unless_set(is_time(f, told))) TH_LOG("%ld", *told);
	}
	EXPECT_INTACT(told);
	EXPECT_TRUE(holds_unless_set(fast_time(f, NULL) <= slow_ns(CLOCK_REALTIME) / SECOND));
	EXPECT_GT(fast_time(f, NULL), 0);
}

static bool is_in_order32(const void *f, int clock, struct sandwich *s)
{
	struct old_timespec t = { -1, -1 };

	s->before = slow_ns(clock);
	if (fast_gettime(f, clock, &t) || t.nsec < 0 || t.nsec >= SECOND)
		return false;
	s->fast = t.sec * SECOND + t.nsec;
	s->after = slow_ns(clock);
	return s->before <= s->fast && s->fast <= s->after;
}

CLAUSE(the_older_function_gives_the_same_clocks_with_shorter_seconds,
       "vdso(7), clock_gettime(2): where an ABI has a function with 32-bit seconds and one with 64, both read the same "
       "clocks and"
       " refuse the same ids [incident 72] [MUS-6]", .needed_by = "musl:clock_gettime glibc:clock_gettime go:nanotime")
{
	static const int clocks[] = { CLOCK_MONOTONIC, CLOCK_MONOTONIC_RAW, CLOCK_BOOTTIME, CLOCK_MONOTONIC_COARSE, CLOCK_REALTIME,
				      CLOCK_REALTIME_COARSE, CLOCK_TAI, CLOCK_PROCESS_CPUTIME_ID };
	FUNCTION_OR_ABSENT(f, VDSO_CLOCK_GETTIME32);
	timespec64 t;
	struct sandwich s;

	for (int round = 0; round < 20; round++) {
		for (unsigned int i = 0; i < ARRAY_SIZE(clocks); i++) {
			ASSERT_TRUE(holds_unless_set(is_in_order32(f, clocks[i], &s))) LOG_SANDWICH(clocks[i], s);
		}
	}
	for (int clock = -8; clock < 70; clock++) {
		struct old_timespec *old = guarded(sizeof(*old));
		int wanted = slow_gettime(clock, &t);

		EXPECT_EQ(wanted, fast_gettime(f, clock, old)) TH_LOG("clock %d", clock);
		EXPECT_TRUE(!wanted || is_untouched(old, 0, sizeof(*old))) TH_LOG("clock %d", clock);
		EXPECT_INTACT(old);
		guard_free(old);
	}
}
