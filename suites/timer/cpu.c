// SPDX-License-Identifier: GPL-2.0-only
// CPU-time clocks and timers on them: of the calling thread, of others, of the process and of other processes.
#include "clause.h"

#include <linux/futex.h>

#include "thread.h"
#include "timer.h"

#define USERS "go:timer_create go:setThreadCPUProfiler jvm:thread_cpu_time"

static const int own_clocks[] = { CLOCK_THREAD_CPUTIME_ID, CLOCK_PROCESS_CPUTIME_ID };

CLAUSE(a_cpu_timer_keeps_firing_as_time_is_used,
       "timer_settime(2), clock_getres(2) CLOCK_THREAD_CPUTIME_ID: an interval timer on CPU time expires each time its "
       "interval has been "
       "consumed, until it is deleted, and never before [TMR-2] [TMR-7] [incident 79]",
       .needed_by = USERS)
{
	for (unsigned int c = 0; c < ARRAY_SIZE(own_clocks); c++) {
		struct sigevent e = event_of(SIGEV_THREAD_ID, SIGPROF);
		long long before;
		int id;

		ASSERT_RET(0, catch_signal(SIGPROF));
		ASSERT_RET(0, timer_create_raw(own_clocks[c], &e, &id));
		before = clock_ns(own_clocks[c]);
		ASSERT_RET(0, timer_arm(id, 0, 3 * MS, 3 * MS));
		for (int shot = 1; shot <= 4; shot++) {
			ASSERT_TRUE(burn_until(caught[SIGPROF].count >= shot)) TH_LOG("clock %d signal %d", own_clocks[c], shot);
			EXPECT_GE(clock_ns(own_clocks[c]) - before, shot * 3 * MS);
			EXPECT_EQ(SI_TIMER, caught[SIGPROF].code);
			EXPECT_EQ(id, caught[SIGPROF].timer);
		}
		EXPECT_RET(0, timer_delete_raw(id));
	}
}

CLAUSE(an_absolute_cpu_timer_expires_at_that_reading_of_its_clock,
       "timer_settime(2) TIMER_ABSTIME: the value is a reading of the CPU clock; one that has passed expires at "
       "once", .needed_by = USERS)
{
	for (unsigned int c = 0; c < ARRAY_SIZE(own_clocks); c++) {
		struct sigevent e = event_of(SIGEV_THREAD_ID, SIGPROF);
		long long at;
		int id;

		caught_clock = own_clocks[c];
		ASSERT_RET(0, catch_signal(SIGPROF));
		ASSERT_RET(0, timer_create_raw(own_clocks[c], &e, &id));
		at = clock_ns(own_clocks[c]) + 6 * MS;
		ASSERT_RET(0, timer_arm(id, TIMER_ABSTIME, at, 0));
		ASSERT_TRUE(burn_until(caught[SIGPROF].count));
		EXPECT_GE(caught[SIGPROF].clock_at, at);
		ASSERT_RET(0, catch_signal(SIGPROF));
		ASSERT_RET(0, timer_arm(id, TIMER_ABSTIME, 1, 0));
		EXPECT_TRUE(burn_until(caught[SIGPROF].count));
		EXPECT_RET(0, timer_delete_raw(id));
	}
}

static volatile int sleeper_may_end;

static int sleep_in_thread(void *arg)
{
	while (!sleeper_may_end)
		raw_syscall(NR_FUTEX, &sleeper_may_end, FUTEX_WAIT, 0, NULL, NULL, 0);
	return 0;
}

CLAUSE(a_reading_of_a_cpu_clock_that_has_passed_expires_at_once,
       "timer_settime(2): if the specified absolute time has already passed, the timer expires immediately: also on the clock of"
       " a thread or a process that sleeps, and uses no time", .needed_by = USERS)
{
	struct thread t;
	pid_t child = fork();
	int clocks[2];

	if (child == 0)
		for (;;)
			pause();
	ASSERT_OK(thread_start(&t, sleep_in_thread, NULL));
	ASSERT_TRUE(wait_until_blocked_in(t.known_as, NR_FUTEX));
	ASSERT_TRUE(wait_until(task_state(child) == 'S'));
	clocks[0] = thread_cpu_clock(t.known_as, CPU_SCHED);
	clocks[1] = process_cpu_clock(child, CPU_SCHED);
	for (unsigned int c = 0; c < ARRAY_SIZE(clocks); c++) {
		struct sigevent e = event_of(SIGEV_THREAD_ID, SIGPROF);

		for (int interval = 0; interval < 2; interval++) {
			int id;

			ASSERT_RET(0, catch_signal(SIGPROF));
			ASSERT_RET(0, timer_create_raw(clocks[c], &e, &id));
			ASSERT_RET(0, timer_arm(id, TIMER_ABSTIME, 1, interval * 1000 * SECOND));
			ASSERT_TRUE(wait_until(caught[SIGPROF].count)) TH_LOG("clock %u", c);
			EXPECT_EQ(1, caught[SIGPROF].count);
			ASSERT_RET(0, timer_delete_raw(id));
		}
	}
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	sleeper_may_end = 1;
	raw_syscall(NR_FUTEX, &sleeper_may_end, FUTEX_WAKE, 1, NULL, NULL, 0);
	ASSERT_TRUE(thread_join(&t));
}

CLAUSE(a_cpu_timer_goes_on_while_its_signal_is_ignored,
       "timer_settime(2), signal(7): an interval timer on a CPU clock whose signal is ignored delivers again once a handler is set",
       .needed_by = USERS)
{
	for (unsigned int c = 0; c < ARRAY_SIZE(own_clocks); c++) {
		struct sigevent e = event_of(SIGEV_SIGNAL, SIGPROF);
		int id;

		ASSERT_RET(0, raw_sigaction(SIGPROF, SIGNAL_IGNORE, 0));
		ASSERT_RET(0, timer_create_raw(own_clocks[c], &e, &id));
		ASSERT_RET(0, timer_arm(id, 0, MS, MS));
		for (int round = 0; round < 2; round++) {
			let_run(own_clocks[c], two_ticks());
			ASSERT_RET(0, catch_signal(SIGPROF));
			ASSERT_TRUE(burn_until(caught[SIGPROF].count >= 2)) TH_LOG("clock %d", own_clocks[c]);
			ASSERT_RET(0, raw_sigaction(SIGPROF, SIGNAL_IGNORE, 0));
		}
		EXPECT_RET(0, timer_delete_raw(id));
	}
}

CLAUSE(cpu_timers_tell_what_is_left_and_can_be_disarmed,
       "timer_gettime(2), timer_settime(2): a CPU timer's remaining time falls as its clock runs; old values come "
       "back", .needed_by = USERS)
{
	for (unsigned int c = 0; c < ARRAY_SIZE(own_clocks); c++) {
		struct timer_setting off = { { 0, 0 }, { 0, 0 } }, left, old;
		struct sigevent e = event_of(SIGEV_NONE, 0);
		long long before, used;
		int id;

		ASSERT_RET(0, timer_create_raw(own_clocks[c], &e, &id));
		ASSERT_RET(0, timer_arm(id, 0, 700 * SECOND, 9 * SECOND));
		before = clock_ns(own_clocks[c]);	// a clock may run on between two calls, where a hypervisor lets others run
		while ((used = clock_ns(own_clocks[c]) - before) < 4 * MS)
			burn_user();
		ASSERT_RET(0, timer_gettime_raw(id, &left));
		// One tick of rounding on either side: clock_getres(2) of these clocks may be a tick.
		EXPECT_LE(ns_of(left.value), 700 * SECOND - used + 20 * MS);
		EXPECT_GT(ns_of(left.value), 600 * SECOND);
		EXPECT_EQ(9 * SECOND, ns_of(left.interval));
		ASSERT_RET(0, raw_syscall(NR_TIMER_SETTIME, id, 0, &off, &old));
		EXPECT_EQ(9 * SECOND, ns_of(old.interval));
		EXPECT_LE(ns_of(old.value), ns_of(left.value));
		ASSERT_RET(0, timer_gettime_raw(id, &left));
		EXPECT_EQ(0, ns_of(left.value));
		EXPECT_RET(0, timer_delete_raw(id));
	}
}

static volatile int stop_burning;

static int burn_in_thread(void *arg)
{
	while (!stop_burning)
		burn_user();
	*(long long *)arg = clock_ns(CLOCK_THREAD_CPUTIME_ID);
	return 0;
}

CLAUSE(the_process_clock_is_the_sum_of_its_threads,
       "clock_getres(2) CLOCK_PROCESS_CPUTIME_ID: measures CPU time consumed by all threads in the process, those that "
       "have ended "
       "included", .needed_by = USERS)
{
	long long used = 0, before = clock_ns(CLOCK_PROCESS_CPUTIME_ID), own = clock_ns(CLOCK_THREAD_CPUTIME_ID);
	struct thread t;

	ASSERT_OK(thread_start(&t, burn_in_thread, &used));
	EXPECT_TRUE(wait_until(clock_ns(CLOCK_PROCESS_CPUTIME_ID) - before - (clock_ns(CLOCK_THREAD_CPUTIME_ID) - own) > 10 * MS));
	stop_burning = 1;
	ASSERT_TRUE(thread_join(&t));
	EXPECT_GE(used, 10 * MS - 5 * MS);
	EXPECT_GE(clock_ns(CLOCK_PROCESS_CPUTIME_ID) - before, used);
}

CLAUSE(a_process_timer_counts_threads_other_than_its_maker,
       "timer_create(2) CLOCK_PROCESS_CPUTIME_ID: expires by the time of all threads, though the thread that armed it "
       "sleeps",
       .needed_by = USERS)
{
	struct sigevent e = event_of(SIGEV_SIGNAL, SIGPROF);
	long long used = 0, before;
	struct thread t;
	int id;

	caught_clock = CLOCK_PROCESS_CPUTIME_ID;
	ASSERT_RET(0, catch_signal(SIGPROF));
	ASSERT_RET(0, timer_create_raw(CLOCK_PROCESS_CPUTIME_ID, &e, &id));
	ASSERT_OK(thread_start(&t, burn_in_thread, &used));
	before = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
	ASSERT_RET(0, timer_arm(id, 0, 8 * MS, 0));
	EXPECT_TRUE(wait_until(caught[SIGPROF].count));
	EXPECT_GE(caught[SIGPROF].clock_at - before, 8 * MS);
	stop_burning = 1;
	ASSERT_TRUE(thread_join(&t));
}

CLAUSE(another_threads_clock_can_be_read_and_timed,
       "clock_getcpuclockid(3), kernel/time/posix-cpu-timers.c: the clock ID made of a thread's ID reads that thread's "
       "CPU time, and a "
       "timer on it expires as that thread runs [JVM-7]", .needed_by = "jvm:thread_cpu_time")
{
	struct sigevent e = event_of(SIGEV_SIGNAL, SIGPROF);
	struct __kernel_timespec now;
	long long used = 0, seen;
	struct thread t;
	int id, clock;

	ASSERT_RET(0, catch_signal(SIGPROF));
	ASSERT_OK(thread_start(&t, burn_in_thread, &used));
	clock = thread_cpu_clock(t.known_as, CPU_SCHED);
	ASSERT_RET(0, timer_create_raw(clock, &e, &id));
	seen = clock_ns(clock);
	caught_clock = clock;
	ASSERT_RET(0, timer_arm(id, 0, 6 * MS, 0));
	EXPECT_TRUE(wait_until(caught[SIGPROF].count));
	EXPECT_GE(caught[SIGPROF].clock_at - seen, 6 * MS);
	stop_burning = 1;
	ASSERT_TRUE(thread_join(&t));
	EXPECT_GE(used, seen + 6 * MS);
	// The thread's word is cleared an instant before the task is released.
	EXPECT_TRUE(wait_until(raw_syscall(NR_CLOCK_GETTIME, clock, &now) == -EINVAL));
	EXPECT_RET(0, timer_delete_raw(id));
}

CLAUSE(another_processes_clock_can_be_read_and_timed,
       "clock_getcpuclockid(3), timer_create(2): the clock ID made of a process's ID reads its CPU time, and a timer "
       "on it expires as "
       "that process runs; once it is reaped the ID is EINVAL", .needed_by = "glibc:clock_getcpuclockid")
{
	struct sigevent e = event_of(SIGEV_SIGNAL, SIGPROF);
	struct __kernel_timespec now;
	pid_t child = fork();
	int id, clock;
	long long seen;

	if (child == 0)
		for (;;)
			burn_user();
	clock = process_cpu_clock(child, CPU_SCHED);
	ASSERT_RET(0, catch_signal(SIGPROF));
	ASSERT_RET(0, timer_create_raw(clock, &e, &id));
	seen = clock_ns(clock);
	caught_clock = clock;
	ASSERT_RET(0, timer_arm(id, 0, 6 * MS, 0));
	EXPECT_TRUE(wait_until(caught[SIGPROF].count));
	EXPECT_GE(caught[SIGPROF].clock_at - seen, 6 * MS);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	EXPECT_ERR(EINVAL, raw_syscall(NR_CLOCK_GETTIME, clock, &now));
	EXPECT_RET(0, timer_delete_raw(id));
}

static int time_own_cpu(void *arg)
{
	struct sigevent e;
	int id;

	memset(&e, 0, sizeof(e));
	e.sigev_notify = SIGEV_THREAD_ID;
	e.sigev_signo = SIGRTMIN + 2;
	e.sigev_notify_thread_id = raw_syscall(__NR_gettid);
	if (raw_syscall(__NR_timer_create, CLOCK_THREAD_CPUTIME_ID, &e, &id))
		return 1;
	timer_arm(id, 0, MS, 0);
	*(volatile int *)arg = 1;
	while (!stop_burning)
		burn_user();
	return 0;
}

CLAUSE(tasks_made_while_cpu_timers_fire_have_working_timers_of_their_own,
       "timer_create(2) NOTES: a new task inherits no timer, nor anything of the parent's expiring ones: its own CPU "
       "timer fires [TMR-6] "
       "[incident 80]", .commit = "ca7752caeaa7 posix-cpu-timers: Clear task::posix_cputimers_work in copy_process()", .needed_by = USERS)
{
	struct sigevent e = event_of(SIGEV_THREAD_ID, SIGPROF);
	int id;

	ASSERT_RET(0, catch_signal(SIGPROF));
	ASSERT_RET(0, timer_create_raw(CLOCK_THREAD_CPUTIME_ID, &e, &id));
	ASSERT_RET(0, timer_arm(id, 0, 200000, 200000));
	for (int round = 0; round < 8; round++) {
		volatile int armed = 0;
		struct thread t;

		stop_burning = 0;
		ASSERT_RET(0, catch_signal(SIGRTMIN + 2));
		for (int i = 0; i < 10; i++)
			burn_user();	// an expiration is likely to be due now
		ASSERT_OK(thread_start(&t, time_own_cpu, (void *)&armed));
		EXPECT_TRUE(wait_until(caught[SIGRTMIN + 2].count)) TH_LOG("thread %d", round);
		EXPECT_EQ(t.known_as, caught[SIGRTMIN + 2].tid);
		stop_burning = 1;
		ASSERT_TRUE(thread_join(&t));
	}
	ASSERT_RET(0, timer_delete_raw(id));
}

CLAUSE(cpu_clocks_stand_still_while_the_thread_sleeps,
       "clock_getres(2): CPU-time clocks measure time consumed, so that of a sleeping thread does not move and its "
       "timer does not expire",
       .needed_by = USERS)
{
	struct sigevent e = event_of(SIGEV_THREAD_ID, SIGPROF);
	long long cpu, wall;
	int id;

	ASSERT_RET(0, catch_signal(SIGPROF));
	ASSERT_RET(0, timer_create_raw(CLOCK_THREAD_CPUTIME_ID, &e, &id));
	ASSERT_RET(0, timer_arm(id, 0, 1000 * SECOND, 0));
	cpu = clock_ns(CLOCK_THREAD_CPUTIME_ID);
	wall = clock_ns(CLOCK_MONOTONIC);
	let_pass(20 * MS);
	// The sleep itself took 20 ms; the thread ran for what is left at most.
	EXPECT_LE(clock_ns(CLOCK_THREAD_CPUTIME_ID) - cpu, clock_ns(CLOCK_MONOTONIC) - wall - 15 * MS);
	EXPECT_EQ(0, caught[SIGPROF].count);
}

CLAUSE(ids_of_no_task_are_refused,
       "clock_gettime(2) ERRORS EINVAL: a CPU clock of a process or thread that does not exist, or of a thread of "
       "another process",
       .needed_by = USERS)
{
	struct __kernel_timespec now;

	EXPECT_ERR(EINVAL, raw_syscall(NR_CLOCK_GETTIME, process_cpu_clock(0x1ffffff, CPU_SCHED), &now));
	EXPECT_ERR(EINVAL, raw_syscall(NR_CLOCK_GETTIME, thread_cpu_clock(0x1ffffff, CPU_SCHED), &now));
	EXPECT_ERR(EINVAL, raw_syscall(NR_CLOCK_GETTIME, thread_cpu_clock(getppid(), CPU_SCHED), &now));
	EXPECT_RET(0, raw_syscall(NR_CLOCK_GETTIME, process_cpu_clock(getppid(), CPU_SCHED), &now));
	EXPECT_RET(0, raw_syscall(NR_CLOCK_GETTIME, thread_cpu_clock(getpid(), CPU_SCHED), &now));
}
