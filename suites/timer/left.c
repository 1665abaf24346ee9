// SPDX-License-Identifier: GPL-2.0-only
// timer_gettime(2): the time that is left, of timers that pend, were taken late, have fired, or lie very far ahead.
#include "clause.h"
#include "timer.h"

#define USERS "go:timer_settime glibc:timer_create jvm:profiler"

static const int all_clocks[] = {
	CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME, CLOCK_TAI, CLOCK_PROCESS_CPUTIME_ID, CLOCK_THREAD_CPUTIME_ID,
};

static long new_timer(int clock, int notify, int *id)
{
	struct sigevent e = event_of(notify, SIGUSR1);

	return timer_create_raw(clock, &e, id);
}

static bool is_pending(int sig)
{
	struct kernel_sigset pending = SIGSET_EMPTY;

	return !raw_syscall(__NR_rt_sigpending, &pending, ARCH_SIGSET_BYTES) && sigset_has(pending, sig);
}

static long take_signal(void)
{
	static const struct __kernel_timespec at_once = { 0, 0 };
	struct kernel_sigset set = SIGSET(SIGUSR1);

	return raw_syscall(NR_RT_SIGTIMEDWAIT, &set, NULL, &at_once, ARCH_SIGSET_BYTES);
}

// The expiration that the timer announces, as a time of its clock: the reading lies between before and after.
struct announced {
	long long not_before, not_after;
};

static struct announced next_expiration(int clock, int id)
{
	struct timer_setting left = { 0 };
	long long before = clock_ns(clock);

	timer_gettime_raw(id, &left);
	return (struct announced){ before + ns_of(left.value), clock_ns(clock) + ns_of(left.value) };
}

#define EXPECT_ANNOUNCED(clock, id, at) do {						\
	struct announced next_ = next_expiration(clock, id);				\
	EXPECT_LE(next_.not_before, at) TH_LOG("clock %d", clock);			\
	EXPECT_GE(next_.not_after, at) TH_LOG("clock %d", clock);			\
} while (0)

// Blocked, armed to expire at first and then each interval, and expired once.
#define ASSERT_PENDING(clock, id, first, interval) do {					\
	ASSERT_RET(0, timer_arm(id, TIMER_ABSTIME, first, interval));			\
	ASSERT_TRUE(is_cpu_clock(clock) ? burn_until(is_pending(SIGUSR1)) : wait_until(is_pending(SIGUSR1)));	\
} while (0)

static void next_is_told_while_one_pends(struct __test_metadata *_metadata, const int *clocks, int n)
{
	ASSERT_RET(0, raw_sigprocmask(SIG_BLOCK, SIGSET(SIGUSR1)));
	for (int c = 0; c < n; c++) {
		long long first;
		int id;

		ASSERT_RET(0, new_timer(clocks[c], SIGEV_SIGNAL, &id));
		first = clock_ns(clocks[c]) + MS;
		ASSERT_PENDING(clocks[c], id, first, 300 * SECOND);
		EXPECT_ANNOUNCED(clocks[c], id, first + 300 * SECOND);
		ASSERT_RET(SIGUSR1, take_signal());
		EXPECT_ANNOUNCED(clocks[c], id, first + 300 * SECOND);
		ASSERT_RET(0, timer_delete_raw(id));
	}
}

CLAUSE(a_timer_whose_signal_pends_tells_the_next_expiration,
       "timer_gettime(2): the time until the next timer expiration, also while the signal of an earlier one has yet to be taken"
       " [TMR-7]", .needed_by = USERS)
{
	next_is_told_while_one_pends(_metadata, all_clocks, 4);
}

CLAUSE(a_cpu_timer_whose_signal_pends_tells_the_next_expiration,
       "timer_gettime(2) CLOCK_PROCESS_CPUTIME_ID, CLOCK_THREAD_CPUTIME_ID: the time until the next timer expiration, also while"
       " the signal of an earlier one has yet to be taken [TMR-7]", .since = KERNEL(6, 12), .needed_by = USERS)
{
	next_is_told_while_one_pends(_metadata, all_clocks + 4, 2);
}

CLAUSE(taking_a_signal_late_does_not_shift_the_next_expiration,
       "timer_settime(2): an interval timer expires at its first time and each it_interval after it, by its clock, whenever"
       " its signals are taken [TMR-7] [TMR-9]", .needed_by = USERS)
{
	ASSERT_RET(0, raw_sigprocmask(SIG_BLOCK, SIGSET(SIGUSR1)));
	for (unsigned int c = 0; c < ARRAY_SIZE(all_clocks); c++) {
		long long first;
		int id;

		ASSERT_RET(0, new_timer(all_clocks[c], SIGEV_SIGNAL, &id));
		first = clock_ns(all_clocks[c]) + MS;
		ASSERT_PENDING(all_clocks[c], id, first, 300 * SECOND);
		let_run(all_clocks[c], 4 * MS);
		ASSERT_RET(SIGUSR1, take_signal());
		EXPECT_ANNOUNCED(all_clocks[c], id, first + 300 * SECOND);
		ASSERT_RET(0, timer_delete_raw(id));
	}
}

CLAUSE(a_timer_that_has_fired_once_shows_zero,
       "timer_gettime(2), timer_settime(2): a timer without interval that has expired is disarmed, and both of its values are"
       " zero; old_value says so too", .needed_by = USERS)
{
	for (unsigned int c = 0; c < ARRAY_SIZE(all_clocks); c++) {
		struct timer_setting left = { { 5, 5 }, { 5, 5 } }, old = left, off = { 0 };
		int id;

		ASSERT_RET(0, catch_signal(SIGUSR1));
		ASSERT_RET(0, new_timer(all_clocks[c], SIGEV_SIGNAL, &id));
		ASSERT_RET(0, timer_arm(id, 0, MS, 0));
		ASSERT_TRUE(is_cpu_clock(all_clocks[c]) ? burn_until(caught[SIGUSR1].count) : wait_until(caught[SIGUSR1].count));
		ASSERT_RET(0, timer_gettime_raw(id, &left));
		EXPECT_EQ(0, ns_of(left.value) + ns_of(left.interval)) TH_LOG("clock %d", all_clocks[c]);
		ASSERT_RET(0, raw_syscall(NR_TIMER_SETTIME, id, 0, &off, &old));
		EXPECT_EQ(0, ns_of(old.value) + ns_of(old.interval)) TH_LOG("clock %d", all_clocks[c]);
		ASSERT_RET(0, timer_delete_raw(id));
	}
}

CLAUSE(a_silent_cpu_timer_that_has_expired_shows_zero,
       "timer_create(2) SIGEV_NONE, timer_gettime(2): progress of a timer on a CPU clock can be read, too: without an interval it"
       " falls to zero", .needed_by = USERS)
{
	for (unsigned int c = 4; c < ARRAY_SIZE(all_clocks); c++) {
		struct timer_setting left = { 0 };
		int id;

		ASSERT_RET(0, new_timer(all_clocks[c], SIGEV_NONE, &id));
		ASSERT_RET(0, timer_arm(id, 0, 2 * MS, 0));
		// Before Linux 6.12 it was the next tick that saw it.
		ASSERT_TRUE(burn_until(!timer_gettime_raw(id, &left) && !ns_of(left.value))) TH_LOG("clock %d", all_clocks[c]);
		ASSERT_RET(0, timer_delete_raw(id));
	}
}

CLAUSE(a_silent_cpu_timer_goes_round_its_interval,
       "timer_create(2) SIGEV_NONE, timer_gettime(2): with an interval what is left on a CPU clock falls, and begins again at the"
       " interval each time", .since = KERNEL(6, 12), .needed_by = USERS)
{
	for (unsigned int c = 4; c < ARRAY_SIZE(all_clocks); c++) {
		long long first;
		int id;

		ASSERT_RET(0, new_timer(all_clocks[c], SIGEV_NONE, &id));
		first = clock_ns(all_clocks[c]) + MS;
		ASSERT_RET(0, timer_arm(id, TIMER_ABSTIME, first, 300 * SECOND));
		let_run(all_clocks[c], two_ticks());
		EXPECT_ANNOUNCED(all_clocks[c], id, first + 300 * SECOND);
		ASSERT_RET(0, timer_delete_raw(id));
	}
}

CLAUSE(relative_and_absolute_settings_follow_each_other,
       "timer_settime(2) TIMER_ABSTIME: each call says anew whether its value is relative; what is left, by timer_gettime and as"
       " old_value, is of the last", .needed_by = USERS)
{
	static const int absolute[] = { 0, 1, 0, 0, 1, 1, 0 };

	for (unsigned int c = 0; c < ARRAY_SIZE(all_clocks); c++) {
		int id;

		ASSERT_RET(0, new_timer(all_clocks[c], SIGEV_SIGNAL, &id));
		for (unsigned int i = 0; i < ARRAY_SIZE(absolute); i++) {
			long long ahead = (500 + 100 * i) * SECOND, before = clock_ns(all_clocks[c]), after;
			struct timer_setting old = { 0 };
			struct announced next;

			ASSERT_RET(0, timer_arm(id, absolute[i] ? TIMER_ABSTIME : 0, absolute[i] ? before + ahead : ahead, 0));
			after = absolute[i] ? before : clock_ns(all_clocks[c]);
			next = next_expiration(all_clocks[c], id);
			EXPECT_LE(next.not_before, after + ahead) TH_LOG("clock %d setting %u", all_clocks[c], i);
			EXPECT_GE(next.not_after, before + ahead) TH_LOG("clock %d setting %u", all_clocks[c], i);
			ASSERT_RET(0, raw_syscall(NR_TIMER_SETTIME, id, 0, &old, &old));
			EXPECT_LE(ns_of(old.value), ahead);
			EXPECT_GT(ns_of(old.value), ahead - 100 * SECOND);
		}
		ASSERT_RET(0, timer_delete_raw(id));
	}
}

CLAUSE(a_time_too_far_to_count_is_the_farthest_there_is,
       "timer_settime(2), kernel/time/posix-timers.c (5.10, 7.2), include/linux/ktime.h KTIME_MAX: any number of seconds is taken;"
       " a time beyond the 292 years that the kernel counts does not come round and expire", .needed_by = USERS)
{
	static const long long far[] = { 0x7fffffffffffffffLL, 0x7fffffffffffffffLL / SECOND, 9223372035LL, 0x100000000LL };

	ASSERT_RET(0, catch_signal(SIGUSR1));
	for (unsigned int c = 0; c < ARRAY_SIZE(all_clocks); c++) {
		int id;

		ASSERT_RET(0, new_timer(all_clocks[c], SIGEV_SIGNAL, &id));
		for (unsigned int i = 0; i < 2 * ARRAY_SIZE(far); i++) {
			struct timer_setting left, s = { { 0, 0 }, { far[i / 2], 999999999 } };

			ASSERT_RET(0, raw_syscall(NR_TIMER_SETTIME, id, i % 2 ? TIMER_ABSTIME : 0, &s, NULL));
			let_run(all_clocks[c], 500000);
			ASSERT_RET(0, timer_gettime_raw(id, &left));
			EXPECT_GT(left.value.tv_sec, 1000000000) TH_LOG("clock %d, %lld s", all_clocks[c], far[i / 2]);
		}
		EXPECT_EQ(0, caught[SIGUSR1].count) TH_LOG("clock %d", all_clocks[c]);
		ASSERT_RET(0, timer_delete_raw(id));
	}
}
