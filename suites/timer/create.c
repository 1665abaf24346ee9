// SPDX-License-Identifier: GPL-2.0-only
// timer_create(2), timer_delete(2): clocks, notification, ids and their errors.
#include "clause.h"
#include "guard.h"
#include "nobody.h"
#include "thread.h"
#include "timer.h"

#include <sys/resource.h>

#define USERS "go:timer_create go:mOS glibc:timer_create jvm:profiler"

static const int clocks[] = {
	CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME, CLOCK_TAI, CLOCK_PROCESS_CPUTIME_ID, CLOCK_THREAD_CPUTIME_ID,
};

CLAUSE(every_clock_takes_every_way_to_notify,
       "timer_create(2): CLOCK_REALTIME, MONOTONIC, BOOTTIME, TAI and the CPU-time clocks of process and thread, each "
       "with "
       "SIGEV_SIGNAL, SIGEV_NONE, SIGEV_THREAD_ID and none given [TMR-2]", .needed_by = USERS)
{
	static const int ways[] = { SIGEV_SIGNAL, SIGEV_NONE, SIGEV_THREAD_ID, SIGEV_THREAD };

	for (unsigned int c = 0; c < ARRAY_SIZE(clocks); c++) {
		for (unsigned int w = 0; w < ARRAY_SIZE(ways); w++) {
			struct sigevent e = event_of(ways[w], SIGUSR1);
			int *id = guarded(sizeof(*id));

			ASSERT_RET(0, timer_create_raw(clocks[c], &e, id)) TH_LOG("clock %d way %d", clocks[c], ways[w]);
			EXPECT_INTACT(id);
			EXPECT_GE(*id, 0);
			EXPECT_RET(0, timer_delete_raw(*id));
			ASSERT_RET(0, timer_create_raw(clocks[c], NULL, id));
			EXPECT_RET(0, timer_delete_raw(*id));
			guard_free(id);
		}
	}
}

CLAUSE(every_signal_may_be_that_of_a_timer,
       "timer_create(2) SIGEV_SIGNAL, signal(7): sigev_signo is any signal there is, from 1 to the last real-time one, and that"
       " is the one that comes", .needed_by = USERS)
{
	const int last = 8 * ARCH_SIGSET_BYTES;
	struct kernel_sigset set = SIGSET(last);
	siginfo_t info = { 0 };

	ASSERT_RET(0, raw_sigprocmask(SIG_BLOCK, set));
	for (int sig = 1; sig <= last; sig++) {
		static const int ways[] = { SIGEV_SIGNAL, SIGEV_THREAD_ID };

		for (unsigned int w = 0; w < ARRAY_SIZE(ways); w++) {
			struct sigevent e = event_of(ways[w], sig);
			int id;

			ASSERT_RET(0, timer_create_raw(CLOCK_MONOTONIC, &e, &id)) TH_LOG("signal %d", sig);
			if (sig == last) {
				ASSERT_RET(0, timer_arm(id, 0, 1, 0));
				EXPECT_RET(sig, raw_syscall(NR_RT_SIGTIMEDWAIT, &set, &info, NULL, ARCH_SIGSET_BYTES));
				EXPECT_EQ(id, info.si_timerid);
			}
			EXPECT_RET(0, timer_delete_raw(id));
		}
	}
}

CLAUSE(ids_are_small_integers_and_no_two_live_ones_are_equal,
       "timer_create(2) NOTES: the kernel's timer ID is an int of the process, unique until the timer is deleted "
       "[TMR-1]",
       .needed_by = USERS)
{
	int id[16];

	for (int i = 0; i < 16; i++) {
		ASSERT_RET(0, timer_create_raw(CLOCK_MONOTONIC, NULL, &id[i]));
		for (int j = 0; j < i; j++)
			EXPECT_NE(id[j], id[i]);
	}
	for (int i = 0; i < 16; i++)
		EXPECT_RET(0, timer_delete_raw(id[i]));
	for (int i = 0; i < 16; i++)
		EXPECT_ERR(EINVAL, timer_delete_raw(id[i]));
}

CLAUSE(clocks_that_cannot_drive_a_timer_are_refused,
       "timer_create(2) ERRORS: EINVAL for an unknown clock ID, EOPNOTSUPP for one the kernel knows but cannot create "
       "timers on "
       "(ENOTSUP), or for a CPU clock of nobody here", .needed_by = USERS)
{
	static const int known[] = { CLOCK_REALTIME_COARSE, CLOCK_MONOTONIC_COARSE, CLOCK_MONOTONIC_RAW };
	int *id = guarded(sizeof(*id));

	for (unsigned int i = 0; i < ARRAY_SIZE(known); i++)
		EXPECT_ERR(EOPNOTSUPP, timer_create_raw(known[i], NULL, id));
	EXPECT_ERR(EINVAL, timer_create_raw(63, NULL, id));
	EXPECT_ERR(EINVAL, timer_create_raw(10, NULL, id));	// SGI_CYCLE, removed
	EXPECT_ERR(EINVAL, timer_create_raw(process_cpu_clock(0x1ffffff, CPU_SCHED), NULL, id));
	EXPECT_ERR(EINVAL, timer_create_raw(thread_cpu_clock(getppid(), CPU_SCHED), NULL, id));
	EXPECT_INTACT(id);
}

CLAUSE(events_that_make_no_sense_are_refused,
       "timer_create(2) ERRORS EINVAL: sigev_notify, sigev_signo or sigev_notify_thread_id is invalid; the thread must "
       "be of this "
       "process [TMR-2] [incident "
       "84]", .commit = "cef31d9af908 posix-timer: Properly check sigevent->sigev_notify", .needed_by = USERS)
{
	static const struct { int notify, sig; } bad[] = {
		{ SIGEV_SIGNAL, 0 }, { SIGEV_SIGNAL, -1 }, { SIGEV_SIGNAL, 65 + 64 * (ARCH_SIGSET_BYTES > 8) },
		{ SIGEV_THREAD_ID, 0 }, { 3, SIGUSR1 }, { 5, SIGUSR1 }, { 8, SIGUSR1 }, { -1, SIGUSR1 },
		{ SIGEV_THREAD_ID | SIGEV_NONE, SIGUSR1 },
	};
	int *id = guarded(sizeof(*id));
	struct sigevent e;

	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++) {
		e = event_of(bad[i].notify, bad[i].sig);
		EXPECT_ERR(EINVAL, timer_create_raw(CLOCK_MONOTONIC, &e, id)) TH_LOG("notify %d signal %d", bad[i].notify, bad[i].sig);
	}
	e = event_of(SIGEV_THREAD_ID, SIGUSR1);
	e.sigev_notify_thread_id = getppid();
	EXPECT_ERR(EINVAL, timer_create_raw(CLOCK_MONOTONIC, &e, id));
	e.sigev_notify_thread_id = 0x3fffffff;
	EXPECT_ERR(EINVAL, timer_create_raw(CLOCK_MONOTONIC, &e, id));
	EXPECT_UNTOUCHED(id, 0, sizeof(*id));
}

CLAUSE(bad_addresses_are_efault_and_leave_no_timer,
       "timer_create(2): EFAULT when the event cannot be read or the id not written, and then no timer "
       "exists", .needs = "root", .needed_by = USERS)
{
	struct rlimit none = { 64, 64 };
	int id;

	// 64 queued signals of this user at most: a timer leaked by each failing call would use them up.
	if (!become_someone_new())
		SKIP(return, "no other user to become here");
	ASSERT_EQ(0, setrlimit(RLIMIT_SIGPENDING, &none));
	for (int i = 0; i < 200; i++) {
		ASSERT_ERR(EFAULT, timer_create_raw(CLOCK_MONOTONIC, NULL, unmapped_page()));
		ASSERT_ERR(EFAULT, timer_create_raw(CLOCK_MONOTONIC, unmapped_page(), &id));
	}
}

// As a user of whom 32 signals may be queued, which a timer leaked by each of some calls would use up.
static bool become_one_of_few_signals(void)
{
	struct rlimit few = { 32, 32 };

	return become_someone_new() && !setrlimit(RLIMIT_SIGPENDING, &few);
}

CLAUSE(what_is_refused_uses_up_no_signal,
       "timer_create(2) ERRORS EAGAIN: RLIMIT_SIGPENDING counts the timers that there are: not those that were refused, for a"
       " bad clock, a bad event or a bad address [TMR-4]", .needs = "root", .needed_by = USERS)
{
	static const struct { int clock, notify, sig, tid, error; } refused[] = {
		{ CLOCK_MONOTONIC, SIGEV_SIGNAL, 0, 0, EINVAL },
		{ CLOCK_MONOTONIC, SIGEV_SIGNAL, 1 + 8 * ARCH_SIGSET_BYTES, 0, EINVAL },
		{ CLOCK_MONOTONIC, SIGEV_THREAD_ID, SIGUSR1, 0x3fffffff, EINVAL },
		{ CLOCK_THREAD_CPUTIME_ID, SIGEV_THREAD_ID, 0, 0, EINVAL },
		{ CLOCK_MONOTONIC, 8, SIGUSR1, 0, EINVAL },
		{ 63, SIGEV_SIGNAL, SIGUSR1, 0, EINVAL },
		{ CLOCK_MONOTONIC_RAW, SIGEV_SIGNAL, SIGUSR1, 0, EOPNOTSUPP },
		{ process_cpu_clock(0x1ffffff, CPU_SCHED), SIGEV_SIGNAL, SIGUSR1, 0, EINVAL },
	};
	int id;

	if (!become_one_of_few_signals())
		SKIP(return, "no other user to become here");
	for (unsigned int r = 0; r < ARRAY_SIZE(refused); r++) {
		struct sigevent e = event_of(refused[r].notify, refused[r].sig);

		if (refused[r].tid)
			e.sigev_notify_thread_id = refused[r].tid;
		for (int i = 0; i < 40; i++) {
			ASSERT_RET(-refused[r].error, timer_create_raw(refused[r].clock, &e, &id)) TH_LOG("row %u call %d", r, i);
		}
		ASSERT_RET(0, timer_create_raw(CLOCK_MONOTONIC, NULL, &id)) TH_LOG("after row %u", r);
		ASSERT_RET(0, timer_delete_raw(id));
	}
}

CLAUSE(a_timer_that_is_deleted_gives_its_signal_back,
       "timer_delete(2), timer_create(2) ERRORS EAGAIN: a deleted timer counts no longer, at the latest when the signal that was"
       " pending is taken: timers may come and go for ever [TMR-4] [TMR-10]", .needs = "root", .needed_by = USERS)
{
	static const int ways[] = { SIGEV_SIGNAL, SIGEV_THREAD_ID };
	static const struct __kernel_timespec at_once = { 0, 0 };
	struct kernel_sigset set = SIGSET(SIGUSR1), pending = SIGSET_EMPTY;

	if (!become_one_of_few_signals())
		SKIP(return, "no other user to become here");
	ASSERT_RET(0, raw_sigprocmask(SIG_BLOCK, set));
	for (int i = 0; i < 80; i++) {
		struct sigevent e = event_of(ways[i % 2], SIGUSR1);
		siginfo_t info;
		int id;

		ASSERT_RET(0, timer_create_raw(CLOCK_MONOTONIC, &e, &id)) TH_LOG("timer %d", i);
		ASSERT_RET(0, timer_arm(id, TIMER_ABSTIME, 1, i % 3 ? 0 : SECOND));
		ASSERT_TRUE(wait_until(!raw_syscall(__NR_rt_sigpending, &pending, ARCH_SIGSET_BYTES) && sigset_has(pending, SIGUSR1)));
		ASSERT_RET(0, timer_delete_raw(id));
		raw_syscall(NR_RT_SIGTIMEDWAIT, &set, &info, &at_once, ARCH_SIGSET_BYTES);	// Linux 6.13 and later drop it
	}
}

CLAUSE(too_many_timers_are_eagain,
       "timer_create(2) ERRORS EAGAIN: temporary error: RLIMIT_SIGPENDING limits the timers, each of which holds a "
       "queued signal in "
       "reserve; what it refuses leaves nothing behind [TMR-4]", .as_nobody = 1, .needed_by = USERS)
{
	struct rlimit none = { 0, 0 };
	int *id = guarded(sizeof(*id));

	ASSERT_EQ(0, setrlimit(RLIMIT_SIGPENDING, &none));
	EXPECT_ERR(EAGAIN, timer_create_raw(CLOCK_MONOTONIC, NULL, id));
	EXPECT_UNTOUCHED(id, 0, sizeof(*id));
}

CLAUSE(alarm_clocks_are_for_who_may_wake_the_machine,
       "timer_create(2) ERRORS EPERM: the clock is CLOCK_REALTIME_ALARM or CLOCK_BOOTTIME_ALARM and the caller lacks "
       "CAP_WAKE_ALARM; "
       "without a clock that can wake the machine there are none (EOPNOTSUPP)", .as_nobody = 1, .needed_by = USERS)
{
	static const int alarms[] = { CLOCK_REALTIME_ALARM, CLOCK_BOOTTIME_ALARM };
	int id;

	for (unsigned int i = 0; i < ARRAY_SIZE(alarms); i++) {
		long result = timer_create_raw(alarms[i], NULL, &id);

		EXPECT_TRUE(result == -EPERM || result == -EOPNOTSUPP) TH_LOG("clock %d: %ld", alarms[i], result);
	}
}

CLAUSE(without_an_event_the_signal_is_sigalrm_with_the_id,
       "timer_create(2): a null sevp means SIGEV_SIGNAL, SIGALRM and the timer ID as sival_int", .needed_by = USERS)
{
	int id[2];

	ASSERT_RET(0, catch_signal(SIGALRM));
	ASSERT_RET(0, timer_create_raw(CLOCK_MONOTONIC, NULL, &id[0]));
	ASSERT_RET(0, timer_create_raw(CLOCK_MONOTONIC, NULL, &id[1]));
	ASSERT_RET(0, timer_arm(id[1], 0, 1, 0));
	ASSERT_TRUE(wait_until(caught[SIGALRM].count));
	EXPECT_EQ(SI_TIMER, caught[SIGALRM].code);
	EXPECT_EQ(id[1], caught[SIGALRM].number);
	EXPECT_EQ(id[1], caught[SIGALRM].timer);
}

CLAUSE(unknown_ids_are_refused_by_every_call,
       "timer_settime(2), timer_gettime(2), timer_getoverrun(2), timer_delete(2) ERRORS EINVAL: timerid is invalid "
       "[TMR-8] [incident 64]",
       .needed_by = USERS)
{
	static const int unknown[] = { -1, 0x7fffffff, 12345 };
	struct timer_setting seen;

	for (unsigned int i = 0; i < ARRAY_SIZE(unknown); i++) {
		EXPECT_ERR(EINVAL, timer_arm(unknown[i], 0, SECOND, 0));
		EXPECT_ERR(EINVAL, timer_gettime_raw(unknown[i], &seen));
		EXPECT_ERR(EINVAL, timer_getoverrun_raw(unknown[i]));
		EXPECT_ERR(EINVAL, timer_delete_raw(unknown[i]));
	}
}

AFTER_EXEC(has_no_timer_of_this_id)
{
	struct timer_setting seen;

	return timer_gettime_raw(atoi(argv[0]), &seen) != -EINVAL;
}

CLAUSE(timers_are_not_inherited_and_end_at_exec,
       "timer_create(2) NOTES: timers are not inherited by the child of a fork(2), and are disarmed and deleted during "
       "an execve(2) "
       "[TMR-5] [incident 64]", .needed_by = USERS)
{
	struct timer_setting seen;
	char text[16];
	int id;

	ASSERT_RET(0, timer_create_raw(CLOCK_MONOTONIC, NULL, &id));
	ASSERT_RET(0, timer_arm(id, 0, 1000 * SECOND, SECOND));
	IN_CHILD {
		EXPECT_ERR(EINVAL, timer_gettime_raw(id, &seen));
		EXPECT_ERR(EINVAL, timer_delete_raw(id));
	}
	IN_CHILD {
		int own;

		ASSERT_RET(0, timer_create_raw(CLOCK_MONOTONIC, NULL, &own));
		ASSERT_RET(0, timer_arm(own, 0, 1000 * SECOND, SECOND));
		snprintf(text, sizeof(text), "%d", own);
		execute_self(has_no_timer_of_this_id, text);
		_exit(126);
	}
	ASSERT_RET(0, timer_gettime_raw(id, &seen));
	EXPECT_EQ(1, seen.interval.tv_sec);
}

// What pends of the two: bit 0 the signal of a timer, bit 1 one that was sent.
static int pending_here(void)
{
	static const struct __kernel_timespec at_once = { 0, 0 };
	int seen = 0;

	for (int i = 0; i < 2; i++) {
		struct kernel_sigset set = SIGSET(SIGRTMIN + 1 + i);

		if (raw_syscall(NR_RT_SIGTIMEDWAIT, &set, NULL, &at_once, ARCH_SIGSET_BYTES) > 0)
			seen |= 1 << i;
	}
	return seen;
}

AFTER_EXEC(has_only_the_signal_that_was_sent)
{
	return pending_here() != 2;
}

CLAUSE(the_signal_of_a_timer_does_not_reach_the_next_program,
       "execve(2), timer_create(2) NOTES, kernel/signal.c flush_itimer_signals (5.10, 7.2): POSIX timers end at exec with what"
       " they had queued; a pending signal that was sent is kept [TMR-5]", .needed_by = USERS)
{
	static const int ways[] = { SIGEV_SIGNAL, SIGEV_THREAD_ID };
	const int of_timer = SIGRTMIN + 1, sent = SIGRTMIN + 2;

	for (int i = 0; i < 4; i++) {
		IN_CHILD {
			struct kernel_sigset set = sigset_with(SIGSET(of_timer), sent), pending = SIGSET_EMPTY;
			struct sigevent e = event_of(ways[i / 2], of_timer);
			int id;

			ASSERT_RET(0, raw_sigprocmask(SIG_BLOCK, set));
			ASSERT_RET(0, timer_create_raw(CLOCK_MONOTONIC, &e, &id));
			ASSERT_RET(0, timer_arm(id, 0, 1, i % 2 ? MS : 0));
			ASSERT_RET(0, raw_syscall(__NR_kill, getpid(), sent));
			ASSERT_TRUE(wait_until(!raw_syscall(__NR_rt_sigpending, &pending, ARCH_SIGSET_BYTES) &&
					       sigset_has(pending, of_timer)));
			execute_self(has_only_the_signal_that_was_sent);
			_exit(126);
		}
	}
}

static int make_timer(void *arg)
{
	struct sigevent e;

	memset(&e, 0, sizeof(e));
	e.sigev_notify = SIGEV_NONE;
	raw_syscall(__NR_timer_create, CLOCK_MONOTONIC, &e, arg);
	return 0;
}

CLAUSE(a_timer_belongs_to_the_process_and_outlives_its_maker,
       "timer_create(2): creates a new per-process timer, which any thread may use after its creator has "
       "gone", .needed_by = USERS)
{
	struct thread t;
	int id = -1;

	ASSERT_OK(thread_start(&t, make_timer, &id));
	ASSERT_TRUE(thread_join(&t));
	EXPECT_RET(0, timer_arm(id, 0, SECOND, 0));
	EXPECT_RET(0, timer_delete_raw(id));
}
