// SPDX-License-Identifier: GPL-2.0-only
// timer_getoverrun(2): expirations that no signal of their own announced.
#include "clause.h"
#include "timer.h"

#include <limits.h>

#define USERS "go:timer_settime glibc:timer_getoverrun jvm:profiler"

static const struct __kernel_timespec at_once = { 0, 0 };

static long take_signal(int sig, siginfo_t *info)
{
	struct kernel_sigset set = SIGSET(sig);

	memset(info, 0xa5, sizeof(*info));
	return raw_syscall(NR_RT_SIGTIMEDWAIT, &set, info, &at_once, ARCH_SIGSET_BYTES);
}

static long new_timer(int clock, int sig, int *id)
{
	struct sigevent e;

	memset(&e, 0, sizeof(e));
	e.sigev_notify = SIGEV_SIGNAL;
	e.sigev_signo = sig;
	return timer_create_raw(clock, &e, id);
}

// What the count must be by the clock: it includes every interval that had ended before the signal was taken, and none
// that began after it. The first expiration is the signal itself.
#define EXPECT_OVERRUN(overrun, armed_before, armed_after, taken_before, taken_after, interval) do {		\
	EXPECT_GE(overrun, ((taken_before) - (armed_after) - (interval)) / (interval) - 1);			\
	EXPECT_LE(overrun, ((taken_after) - (armed_before) - (interval)) / (interval));				\
} while (0)

CLAUSE(a_late_signal_tells_how_many_expirations_it_stands_for,
       "timer_getoverrun(2): the overrun count is the number of expirations between the one that queued the signal and "
       "its delivery; "
       "si_overrun brings it and timer_getoverrun returns it [TMR-9]", .needed_by = USERS)
{
	static const int clocks[] = { CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME, CLOCK_TAI };

	ASSERT_RET(0, raw_sigprocmask(SIG_BLOCK, SIGSET(SIGUSR1)));
	for (unsigned int c = 0; c < ARRAY_SIZE(clocks); c++) {
		long long interval = MS, armed[2], taken[2];
		siginfo_t info;
		int id;

		ASSERT_RET(0, new_timer(clocks[c], SIGUSR1, &id));
		armed[0] = clock_ns(CLOCK_MONOTONIC);
		ASSERT_RET(0, timer_arm(id, 0, interval, interval));
		armed[1] = clock_ns(CLOCK_MONOTONIC);
		let_pass(8 * MS);
		taken[0] = clock_ns(CLOCK_MONOTONIC);
		ASSERT_RET(SIGUSR1, take_signal(SIGUSR1, &info));
		taken[1] = clock_ns(CLOCK_MONOTONIC);
		EXPECT_EQ(SI_TIMER, info.si_code);
		EXPECT_EQ(id, info.si_timerid);
		EXPECT_GE(info.si_overrun, 5);
		EXPECT_OVERRUN(info.si_overrun, armed[0], armed[1], taken[0], taken[1], interval);
		EXPECT_RET(info.si_overrun, timer_getoverrun_raw(id));
		EXPECT_RET(0, timer_delete_raw(id));
		take_signal(SIGUSR1, &info);
	}
}

CLAUSE(each_signal_counts_anew,
       "timer_getoverrun(2): the count is of the most recent signal; it starts from zero for each and is zero for one "
       "taken in time",
       .needed_by = USERS)
{
	siginfo_t info;
	int id;

	ASSERT_RET(0, raw_sigprocmask(SIG_BLOCK, SIGSET(SIGUSR1)));
	ASSERT_RET(0, new_timer(CLOCK_MONOTONIC, SIGUSR1, &id));
	ASSERT_RET(0, timer_arm(id, 0, MS, 0));
	let_pass(5 * MS);
	ASSERT_RET(SIGUSR1, take_signal(SIGUSR1, &info));
	EXPECT_EQ(0, info.si_overrun);	// without an interval nothing runs over
	EXPECT_RET(0, timer_getoverrun_raw(id));
	ASSERT_RET(0, timer_arm(id, 0, MS, 300 * SECOND));
	let_pass(3 * MS);
	ASSERT_RET(SIGUSR1, take_signal(SIGUSR1, &info));
	EXPECT_EQ(0, info.si_overrun);
	EXPECT_RET(0, timer_getoverrun_raw(id));
}

static const int all_clocks[] = {
	CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME, CLOCK_TAI, CLOCK_PROCESS_CPUTIME_ID, CLOCK_THREAD_CPUTIME_ID,
};

static bool is_pending(int sig)
{
	struct kernel_sigset pending = SIGSET_EMPTY;

	return !raw_syscall(__NR_rt_sigpending, &pending, ARCH_SIGSET_BYTES) && sigset_has(pending, sig);
}

CLAUSE(expirations_on_a_cpu_clock_are_counted_too,
       "timer_getoverrun(2): of a timer on a CPU clock the count is the number of intervals that this clock has passed since the"
       " signal was queued [TMR-9]", .needed_by = USERS)
{
	ASSERT_RET(0, raw_sigprocmask(SIG_BLOCK, SIGSET(SIGUSR1)));
	for (unsigned int c = 4; c < ARRAY_SIZE(all_clocks); c++) {
		long long first, before, after;
		siginfo_t info;
		int id;

		ASSERT_RET(0, new_timer(all_clocks[c], SIGUSR1, &id));
		first = clock_ns(all_clocks[c]) + MS;
		ASSERT_RET(0, timer_arm(id, TIMER_ABSTIME, first, 500000));
		ASSERT_TRUE(burn_until(is_pending(SIGUSR1)));
		let_run(all_clocks[c], two_ticks());
		before = clock_ns(all_clocks[c]);
		ASSERT_RET(SIGUSR1, take_signal(SIGUSR1, &info));
		after = clock_ns(all_clocks[c]);
		EXPECT_GE(info.si_overrun, (before - first) / 500000 - 1) TH_LOG("clock %d", all_clocks[c]);
		EXPECT_LE(info.si_overrun, (after - first) / 500000) TH_LOG("clock %d", all_clocks[c]);
		EXPECT_RET(info.si_overrun, timer_getoverrun_raw(id));
		EXPECT_RET(0, timer_delete_raw(id));
		take_signal(SIGUSR1, &info);
	}
}

CLAUSE(a_new_setting_forgets_the_count,
       "timer_settime(2), timer_getoverrun(2): the count is of the signal taken last: when a timer that ran over is armed again"
       " and its signal taken in time, it is zero", .needed_by = USERS)
{
	ASSERT_RET(0, raw_sigprocmask(SIG_BLOCK, SIGSET(SIGUSR1)));
	for (unsigned int c = 0; c < ARRAY_SIZE(all_clocks); c++) {
		siginfo_t info;
		int id;

		ASSERT_RET(0, new_timer(all_clocks[c], SIGUSR1, &id));
		ASSERT_RET(0, timer_arm(id, 0, 200000, 200000));
		ASSERT_TRUE(c < 4 ? wait_until(is_pending(SIGUSR1)) : burn_until(is_pending(SIGUSR1)));
		let_run(all_clocks[c], 2 * MS);
		ASSERT_RET(SIGUSR1, take_signal(SIGUSR1, &info));
		EXPECT_GE(info.si_overrun, 5) TH_LOG("clock %d", all_clocks[c]);
		ASSERT_RET(0, timer_arm(id, 0, 0, 0));
		take_signal(SIGUSR1, &info);	// one that was queued meanwhile
		for (int interval = 0; interval < 2; interval++) {
			ASSERT_RET(0, timer_arm(id, 0, MS, interval * 300 * SECOND));
			ASSERT_TRUE(c < 4 ? wait_until(is_pending(SIGUSR1)) : burn_until(is_pending(SIGUSR1)));
			ASSERT_RET(SIGUSR1, take_signal(SIGUSR1, &info));
			EXPECT_EQ(0, info.si_overrun) TH_LOG("clock %d", all_clocks[c]);
			EXPECT_RET(0, timer_getoverrun_raw(id)) TH_LOG("clock %d", all_clocks[c]);
		}
		EXPECT_RET(0, timer_delete_raw(id));
	}
}

CLAUSE(one_signal_at_a_time_is_queued_for_a_timer,
       "timer_create(2): while a timer's signal is pending no second one is queued for it, even of a real-time number, "
       "and signals of "
       "two timers do not hide each other", .needed_by = USERS)
{
	siginfo_t info;
	int id[2], seen[2];

	ASSERT_RET(0, raw_sigprocmask(SIG_BLOCK, SIGSET(SIGRTMIN + 1)));
	for (int i = 0; i < 2; i++) {
		ASSERT_RET(0, new_timer(CLOCK_MONOTONIC, SIGRTMIN + 1, &id[i]));
		ASSERT_RET(0, timer_arm(id[i], 0, MS, MS));
	}
	let_pass(5 * MS);
	for (int i = 0; i < 2; i++)
		ASSERT_RET(0, timer_arm(id[i], 0, 0, 0));	// disarmed: what is pending is all there will be
	for (int i = 0; i < 2; i++)
		seen[i] = take_signal(SIGRTMIN + 1, &info) == SIGRTMIN + 1 ? info.si_timerid : -1;
	EXPECT_ERR(EAGAIN, take_signal(SIGRTMIN + 1, &info));
	EXPECT_TRUE(seen[0] == -1 || seen[0] != seen[1]);	// since Linux 6.13 disarming drops them
}

CLAUSE(the_count_stops_at_its_largest_value,
       "timer_getoverrun(2) VERSIONS: the count is capped at DELAYTIMER_MAX (INT_MAX since Linux 4.19) and does not "
       "wrap "
       "[incident 84]", .commit = "78c9c4dfbf8c posix-timers: Sanitize overrun handling", .needed_by = USERS)
{
	struct wait_until_state patience = { 0 };
	siginfo_t info;
	long result;
	int id;

	ASSERT_RET(0, raw_sigprocmask(SIG_BLOCK, SIGSET(SIGUSR1)));
	ASSERT_RET(0, new_timer(CLOCK_REALTIME, SIGUSR1, &id));
	// It has been expiring each nanosecond (or tick) since 1970.
	ASSERT_RET(0, timer_arm(id, TIMER_ABSTIME, 1, 1));
	do
		result = take_signal(SIGUSR1, &info);
	while (result == -EAGAIN && wait_a_little(&patience));
	ASSERT_RET(SIGUSR1, result);
	EXPECT_EQ(INT_MAX, info.si_overrun);
	EXPECT_RET(INT_MAX, timer_getoverrun_raw(id));
	EXPECT_RET(0, timer_delete_raw(id));
}

CLAUSE(a_handler_sees_the_overrun_of_what_it_missed,
       "timer_getoverrun(2), sigaction(2) si_overrun: a handler that was blocked gets the count with its "
       "siginfo", .needed_by = USERS)
{
	int id;

	ASSERT_RET(0, catch_signal(SIGUSR1));
	ASSERT_RET(0, raw_sigprocmask(SIG_BLOCK, SIGSET(SIGUSR1)));
	ASSERT_RET(0, new_timer(CLOCK_MONOTONIC, SIGUSR1, &id));
	ASSERT_RET(0, timer_arm(id, 0, 2 * MS, 2 * MS));
	let_pass(11 * MS);
	ASSERT_RET(0, raw_sigprocmask(SIG_UNBLOCK, SIGSET(SIGUSR1)));
	EXPECT_GE(caught[SIGUSR1].count, 1);
	ASSERT_RET(0, raw_sigprocmask(SIG_BLOCK, SIGSET(SIGUSR1)));
	EXPECT_RET(caught[SIGUSR1].overrun, timer_getoverrun_raw(id));
	if (caught[SIGUSR1].count == 1)
		EXPECT_GE(caught[SIGUSR1].overrun, 4);
}
