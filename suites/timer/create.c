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
