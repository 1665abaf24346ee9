// SPDX-License-Identifier: GPL-2.0-only
// timer_settime(2): when a timer expires, how often, and what its signal brings to whom.
#include "clause.h"
#include "guard.h"
#include "thread.h"
#include "timer.h"

#define USERS "go:timer_settime go:setThreadCPUProfiler glibc:timer_create"

static long new_timer(int clock, int notify, int sig, int *id)
{
	struct sigevent e = event_of(notify, sig);

	e.sigev_value.sival_ptr = (void *)0x1234;
	return timer_create_raw(clock, &e, id);
}

static const int wall_clocks[] = { CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME, CLOCK_TAI };

CLAUSE(a_relative_timer_never_expires_early,
       "timer_settime(2): the timer expires when its initial value has passed, measured by its clock; a signal of "
       "SI_TIMER brings the "
       "timer's ID and value [TMR-3] [SIGINFO-1]", .needed_by = USERS)
{
	static const long long delays[] = { 1, 100000, 3 * MS, 11 * MS };

	for (unsigned int c = 0; c < ARRAY_SIZE(wall_clocks); c++) {
		int id, sig = SIGRTMIN + c;

		ASSERT_RET(0, new_timer(wall_clocks[c], SIGEV_SIGNAL, sig, &id));
		for (unsigned int i = 0; i < ARRAY_SIZE(delays); i++) {
			long long before;

			caught_clock = CLOCK_MONOTONIC;
			ASSERT_RET(0, catch_signal(sig));
			before = clock_ns(CLOCK_MONOTONIC);
			ASSERT_RET(0, timer_arm(id, 0, delays[i], 0));
			ASSERT_TRUE(wait_until(caught[sig].count));
			EXPECT_GE(caught[sig].clock_at - before, delays[i]);
			EXPECT_EQ(SI_TIMER, caught[sig].code);
			EXPECT_EQ(id, caught[sig].timer);
			EXPECT_EQ(0x1234, caught[sig].value);
			EXPECT_EQ(0, caught[sig].overrun);
			EXPECT_EQ(1, caught[sig].count);
		}
	}
}

CLAUSE(an_absolute_timer_expires_when_its_clock_reads_the_value,
       "timer_settime(2) TIMER_ABSTIME: the value is a time of the timer's clock, and not before it the timer "
       "expires", .needed_by = USERS)
{
	for (unsigned int c = 0; c < ARRAY_SIZE(wall_clocks); c++) {
		struct timer_setting left;
		int id, sig = SIGRTMIN + c;
		long long at;

		caught_clock = wall_clocks[c];
		ASSERT_RET(0, catch_signal(sig));
		ASSERT_RET(0, new_timer(wall_clocks[c], SIGEV_SIGNAL, sig, &id));
		at = clock_ns(wall_clocks[c]) + 8 * MS;
		ASSERT_RET(0, timer_arm(id, TIMER_ABSTIME, at, 0));
		ASSERT_RET(0, timer_gettime_raw(id, &left));
		EXPECT_LE(ns_of(left.value), 8 * MS);	// what is left is relative
		ASSERT_TRUE(wait_until(caught[sig].count)) TH_LOG("clock %d", wall_clocks[c]);
		EXPECT_GE(caught[sig].clock_at, at) TH_LOG("clock %d", wall_clocks[c]);
	}
}

CLAUSE(an_absolute_time_that_has_passed_expires_at_once,
       "timer_settime(2): if the specified absolute time has already passed, the timer expires "
       "immediately", .needed_by = USERS)
{
	static const long long ago[] = { 1, MS, 100 * MS };

	for (unsigned int c = 0; c < ARRAY_SIZE(wall_clocks); c++) {
		int id, sig = SIGRTMIN + c;

		ASSERT_RET(0, new_timer(wall_clocks[c], SIGEV_SIGNAL, sig, &id));
		for (unsigned int i = 0; i < ARRAY_SIZE(ago); i++) {
			ASSERT_RET(0, catch_signal(sig));
			ASSERT_RET(0, timer_arm(id, TIMER_ABSTIME, clock_ns(wall_clocks[c]) - ago[i], 0));
			ASSERT_TRUE(wait_until(caught[sig].count)) TH_LOG("clock %d", wall_clocks[c]);
			EXPECT_EQ(1, caught[sig].count);
		}
	}
}

CLAUSE(an_interval_expires_again_and_again,
       "timer_settime(2): with a nonzero it_interval the timer is reloaded with it each time it expires, until it is "
       "disarmed [TMR-7]",
       .needed_by = USERS)
{
	for (unsigned int c = 0; c < ARRAY_SIZE(wall_clocks); c++) {
		struct timer_setting left;
		int id, sig = SIGRTMIN + c;
		long long before;

		ASSERT_RET(0, catch_signal(sig));
		ASSERT_RET(0, new_timer(wall_clocks[c], SIGEV_SIGNAL, sig, &id));
		before = clock_ns(CLOCK_MONOTONIC);
		ASSERT_RET(0, timer_arm(id, 0, MS, MS));
		ASSERT_TRUE(wait_until(caught[sig].count >= 6)) TH_LOG("clock %d", wall_clocks[c]);
		EXPECT_GE(clock_ns(CLOCK_MONOTONIC) - before, 6 * MS);
		ASSERT_RET(0, timer_gettime_raw(id, &left));
		EXPECT_EQ(MS, ns_of(left.interval));
		EXPECT_GT(ns_of(left.value), 0);
		EXPECT_LE(ns_of(left.value), MS);
		EXPECT_RET(0, timer_delete_raw(id));
	}
}

CLAUSE(a_timer_without_interval_expires_once_and_is_disarmed,
       "timer_settime(2): with a zero it_interval the timer expires just once; a disarmed timer shows "
       "zero", .needed_by = USERS)
{
	struct timer_setting left = { 0 };
	int id;

	ASSERT_RET(0, catch_signal(SIGUSR1));
	ASSERT_RET(0, new_timer(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGUSR1, &id));
	ASSERT_RET(0, timer_arm(id, 0, MS, 0));
	ASSERT_TRUE(wait_until(caught[SIGUSR1].count));
	let_pass(6 * MS);
	EXPECT_EQ(1, caught[SIGUSR1].count);
	ASSERT_RET(0, timer_gettime_raw(id, &left));
	EXPECT_EQ(0, ns_of(left.value));
	EXPECT_EQ(0, ns_of(left.interval));
}

CLAUSE(the_old_setting_comes_back_and_zero_disarms,
       "timer_settime(2): old_value gets the time left and the interval; a zero it_value disarms the timer, whatever "
       "the interval",
       .needed_by = USERS)
{
	struct timer_setting off = { timespec_of(5 * SECOND), timespec_of(0) }, *old = guarded(sizeof(*old));
	int id;

	for (unsigned int c = 0; c < ARRAY_SIZE(wall_clocks); c++) {
		ASSERT_RET(0, catch_signal(SIGUSR1));
		ASSERT_RET(0, new_timer(wall_clocks[c], SIGEV_SIGNAL, SIGUSR1, &id));
		ASSERT_RET(0, timer_arm(id, 0, 500 * SECOND, 3 * SECOND + 7));
		ASSERT_RET(0, raw_syscall(NR_TIMER_SETTIME, id, 0, &off, old));
		EXPECT_INTACT(old);
		EXPECT_EQ(3 * SECOND + 7, ns_of(old->interval));
		EXPECT_LE(ns_of(old->value), 500 * SECOND);
		EXPECT_GT(ns_of(old->value), 400 * SECOND);
		ASSERT_RET(0, timer_gettime_raw(id, old));
		EXPECT_EQ(0, ns_of(old->value));
		ASSERT_RET(0, timer_arm(id, 0, 2 * MS, 0));
		ASSERT_RET(0, raw_syscall(NR_TIMER_SETTIME, id, 0, &off, old));
		let_pass(4 * MS);
		EXPECT_LE(caught[SIGUSR1].count, ns_of(old->value) == 0);	// only one that had expired by then
	}
}

CLAUSE(values_outside_their_range_are_refused,
       "timer_settime(2) ERRORS EINVAL: new_value.it_value is negative or has nanoseconds outside 0 to 999999999; "
       "EFAULT for bad "
       "addresses; the timer keeps its setting [TMR-8]", .needed_by = USERS)
{
	static const struct timer_setting bad[] = {
		{ { 0, 0 }, { 0, 1000000000 } }, { { 0, 0 }, { 0, -1 } }, { { 0, 0 }, { -1, 0 } },
		{ { 0, 1000000000 }, { 1, 0 } }, { { 0, -1 }, { 1, 0 } }, { { -1, 0 }, { 1, 0 } },
	};
	struct timer_setting left;
	int id;

	ASSERT_RET(0, new_timer(CLOCK_MONOTONIC, SIGEV_NONE, 0, &id));
	ASSERT_RET(0, timer_arm(id, 0, 500 * SECOND, 0));
	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++) {
		EXPECT_ERR(EINVAL, raw_syscall(NR_TIMER_SETTIME, id, 0, &bad[i], NULL)) TH_LOG("row %u", i);
	}
	EXPECT_ERR(EINVAL, raw_syscall(NR_TIMER_SETTIME, id, 0, NULL, NULL));
	EXPECT_ERR(EFAULT, raw_syscall(NR_TIMER_SETTIME, id, 0, unmapped_page(), NULL));
	EXPECT_ERR(EFAULT, timer_gettime_raw(id, forbidden_page()));
	ASSERT_RET(0, timer_gettime_raw(id, &left));
	EXPECT_GT(ns_of(left.value), 400 * SECOND);
}

CLAUSE(a_silent_timer_can_be_read_and_goes_round,
       "timer_create(2) SIGEV_NONE: no notification; its progress is read by timer_gettime(2): falling to zero once, "
       "or round an interval",
       .needed_by = USERS)
{
	for (unsigned int c = 0; c < ARRAY_SIZE(wall_clocks); c++) {
		struct timer_setting left;
		int id;

		ASSERT_RET(0, new_timer(wall_clocks[c], SIGEV_NONE, 0, &id));
		ASSERT_RET(0, timer_arm(id, 0, 2 * MS, 0));
		let_pass(3 * MS);
		ASSERT_RET(0, timer_gettime_raw(id, &left));
		EXPECT_EQ(0, ns_of(left.value)) TH_LOG("clock %d", wall_clocks[c]);
		ASSERT_RET(0, timer_arm(id, 0, MS, 300 * SECOND));
		let_pass(2 * MS);
		ASSERT_RET(0, timer_gettime_raw(id, &left));
		EXPECT_GT(ns_of(left.value), 200 * SECOND) TH_LOG("clock %d", wall_clocks[c]);
		EXPECT_LE(ns_of(left.value), 300 * SECOND);
		EXPECT_EQ(300 * SECOND, ns_of(left.interval));
	}
}

struct receiver {
	volatile int tid, stop;
};

static int receive(void *arg)
{
	struct receiver *r = arg;

	r->tid = raw_syscall(__NR_gettid);
	while (!r->stop)
		raw_syscall(__NR_sched_yield);
	return 0;
}

CLAUSE(the_thread_asked_for_gets_the_signal_and_no_other,
       "timer_create(2) SIGEV_THREAD_ID: the signal is sent to the thread of that ID [TMR-3] "
       "[GLC-11]", .needed_by = USERS)
{
	struct receiver r[3] = { 0 };
	struct thread t[3];
	int id[3];

	for (int i = 0; i < 3; i++) {
		ASSERT_OK(thread_start(&t[i], receive, &r[i]));
		ASSERT_TRUE(wait_until(r[i].tid));
	}
	for (int i = 0; i < 3; i++) {
		struct sigevent e = event_of(SIGEV_THREAD_ID, SIGRTMIN + i);

		e.sigev_value.sival_ptr = (void *)(long)i;
		e.sigev_notify_thread_id = r[i].tid;
		ASSERT_RET(0, catch_signal(SIGRTMIN + i));
		ASSERT_RET(0, timer_create_raw(CLOCK_MONOTONIC, &e, &id[i]));
		for (int shot = 1; shot <= 5; shot++) {
			ASSERT_RET(0, timer_arm(id[i], 0, 200000, 0));
			ASSERT_TRUE(wait_until(caught[SIGRTMIN + i].count >= shot));
			EXPECT_EQ(r[i].tid, caught[SIGRTMIN + i].tid);
			EXPECT_EQ(i, caught[SIGRTMIN + i].value);
		}
	}
	for (int i = 0; i < 3; i++) {
		r[i].stop = 1;
		ASSERT_TRUE(thread_join(&t[i]));
		EXPECT_EQ(5, caught[SIGRTMIN + i].count);
	}
}

CLAUSE(a_timer_whose_thread_has_gone_harms_nobody,
       "timer_create(2) SIGEV_THREAD_ID: when the thread has exited its signals go nowhere, and the process lives "
       "on", .needed_by = USERS)
{
	struct sigevent e = event_of(SIGEV_THREAD_ID, SIGUSR1);
	struct receiver r = { 0 };
	struct timer_setting left;
	struct thread t;
	int id;

	ASSERT_RET(0, catch_signal(SIGUSR1));
	ASSERT_OK(thread_start(&t, receive, &r));
	ASSERT_TRUE(wait_until(r.tid));
	e.sigev_notify_thread_id = r.tid;
	ASSERT_RET(0, timer_create_raw(CLOCK_MONOTONIC, &e, &id));
	r.stop = 1;
	ASSERT_TRUE(thread_join(&t));
	ASSERT_RET(0, timer_arm(id, 0, MS, MS));
	let_pass(5 * MS);
	EXPECT_EQ(0, caught[SIGUSR1].count);
	EXPECT_RET(0, timer_gettime_raw(id, &left));
	EXPECT_RET(0, timer_delete_raw(id));
}

CLAUSE(a_timer_goes_on_while_its_signal_is_ignored,
       "timer_settime(2), signal(7): an interval timer whose signal is ignored delivers again once a handler is "
       "set", .needed_by = USERS)
{
	int id;

	ASSERT_RET(0, raw_sigaction(SIGUSR1, SIGNAL_IGNORE, 0));
	ASSERT_RET(0, new_timer(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGUSR1, &id));
	ASSERT_RET(0, timer_arm(id, 0, MS, 2 * MS));
	let_pass(7 * MS);
	ASSERT_RET(0, catch_signal(SIGUSR1));
	EXPECT_TRUE(wait_until(caught[SIGUSR1].count >= 3));
	// And round again: a timer survives that more than once.
	ASSERT_RET(0, raw_sigaction(SIGUSR1, SIGNAL_IGNORE, 0));
	let_pass(5 * MS);
	ASSERT_RET(0, catch_signal(SIGUSR1));
	EXPECT_TRUE(wait_until(caught[SIGUSR1].count >= 3));
	EXPECT_RET(0, timer_delete_raw(id));
}

CLAUSE(a_deleted_timer_sends_nothing_later,
       "timer_delete(2): the timer is disarmed before it is deleted; a signal already pending is dropped or delivered "
       "once, no more "
       "[TMR-10]", .needed_by = USERS)
{
	int id;

	ASSERT_RET(0, catch_signal(SIGUSR1));
	ASSERT_RET(0, raw_sigprocmask(SIG_BLOCK, SIGSET(SIGUSR1)));
	ASSERT_RET(0, new_timer(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGUSR1, &id));
	ASSERT_RET(0, timer_arm(id, 0, MS, MS));
	let_pass(4 * MS);
	ASSERT_RET(0, timer_delete_raw(id));
	ASSERT_RET(0, raw_sigprocmask(SIG_UNBLOCK, SIGSET(SIGUSR1)));
	let_pass(4 * MS);
	EXPECT_LE(caught[SIGUSR1].count, 1);
	EXPECT_ERR(EINVAL, timer_delete_raw(id));
}

CLAUSE(deleting_while_it_fires_is_safe,
       "timer_delete(2): may come at any moment of the timer's life, also while it expires on another CPU [TMR-10] "
       "[incident 84]",
       .commit = "f90fff1e152d posix-cpu-timers: fix race between handle_posix_cpu_timers() and posix_cpu_timer_del()", .needed_by = USERS)
{
	static const int kinds[] = { CLOCK_MONOTONIC, CLOCK_THREAD_CPUTIME_ID, CLOCK_PROCESS_CPUTIME_ID };

	ASSERT_RET(0, catch_signal(SIGUSR1));
	for (int round = 0; round < 100; round++) {
		int id;

		ASSERT_RET(0, new_timer(kinds[round % 3], SIGEV_SIGNAL, SIGUSR1, &id));
		ASSERT_RET(0, timer_arm(id, 0, 1 + 1000 * (round % 50), 100000));
		burn_user();
		ASSERT_RET(0, timer_delete_raw(id));
	}
}
