// SPDX-License-Identifier: GPL-2.0-only
// CPU clocks of other processes, of the dead, over fork and exec.
#include "clause.h"

#include "clock.h"
#include "guard.h"
#include "thread.h"

#define USERS "glibc:clock_getcpuclockid jvm:os_current_thread_cpu_time"

// A child that burns until it is killed.
static pid_t burning_child(void)
{
	pid_t child = fork();

	if (child == 0)
		for (;;)
			burn_user();
	return child;
}

static void end(pid_t child)
{
	int status;

	kill(child, SIGKILL);
	waitpid(child, &status, 0);
}

CLAUSE(another_process_s_clock_moves_and_ours_does_not_with_it,
       "clock_getcpuclockid(3), clock_gettime(2): the clock of another process tells what that one has spent; none of "
       "it is the"
       " caller's, neither while it runs nor when it was waited for", .needed_by = USERS)
{
	long long last = 0, self, all;
	pid_t child = burning_child();

	ASSERT_LT(0, child);
	EXPECT_TRUE(wait_until(({
		long long now = clock_ns(process_cpu_clock(child, CPU_SCHED));

		ASSERT_GE(now, last);
		last = now;
		now >= 10 * MS;
	})));
	end(child);
	self = clock_ns(CLOCK_THREAD_CPUTIME_ID);
	all = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
	EXPECT_LE(self, all);
	EXPECT_LE(all, clock_ns(CLOCK_THREAD_CPUTIME_ID));
}

CLAUSE(a_stopped_process_spends_nothing,
       "clock_getcpuclockid(3), signal(7) SIGSTOP: the CPU clock of a stopped process stands still, and moves again "
       "when it goes on",
       .needed_by = USERS)
{
	long long at;
	int status;
	pid_t child = burning_child();

	ASSERT_LT(0, child);
	kill(child, SIGSTOP);
	ASSERT_EQ(child, waitpid(child, &status, WUNTRACED));
	EXPECT_TRUE(wait_until(task_state(child) == 'T'));
	// What it still spends on its way off the CPU may come late: time is the subject.
	EXPECT_TRUE(wait_until(({
		at = clock_ns(process_cpu_clock(child, CPU_SCHED));
		let_pass(5 * MS);
		at == clock_ns(process_cpu_clock(child, CPU_SCHED));
	})));
	kill(child, SIGCONT);
	EXPECT_TRUE(wait_until(clock_ns(process_cpu_clock(child, CPU_SCHED)) > at + MS));
	end(child);
}

static int do_nothing(void *arg)
{
	return 0;
}

static int wait_for_it(void *arg)
{
	while (!*(volatile int *)arg)
		raw_syscall(__NR_sched_yield);
	return 0;
}

CLAUSE(a_process_that_is_gone_has_no_clock,
       "clock_gettime(2) ERRORS EINVAL: the id is of a process or thread that does not exist; the buffer is not "
       "touched",
       .needed_by = USERS)
{
	timespec64 *t = guarded(sizeof(*t));
	pid_t child = burning_child();
	struct thread thread;

	ASSERT_LT(0, child);
	end(child);
	EXPECT_ERR(EINVAL, get_time(process_cpu_clock(child, CPU_SCHED), t));
	EXPECT_ERR(EINVAL, get_resolution(process_cpu_clock(child, CPU_SCHED), t));
	EXPECT_ERR(EINVAL, get_time(process_cpu_clock(0x1ffffff, CPU_SCHED), t));
	ASSERT_OK(thread_start(&thread, do_nothing, NULL));
	ASSERT_TRUE(thread_join(&thread));
	EXPECT_UNTOUCHED(t, 0, sizeof(*t));
	EXPECT_TRUE(wait_until(get_time(thread_cpu_clock(thread.known_as, CPU_SCHED), t) == -EINVAL));
	memset(t, GUARD_BYTE, sizeof(*t));
	EXPECT_ERR(EINVAL, get_time(thread_cpu_clock(thread.known_as, CPU_SCHED), t));
	EXPECT_UNTOUCHED(t, 0, sizeof(*t));
}

CLAUSE(a_thread_s_clock_is_known_in_its_process_alone,
       "kernel/time/posix-cpu-timers.c pid_for_clock (7.2): the clock of a thread may be read by threads of its "
       "process, and by no"
       " other process, EINVAL; kind 3 is no clock", .needed_by = USERS)
{
	timespec64 *t = guarded(sizeof(*t));
	pid_t child = burning_child();

	ASSERT_LT(0, child);
	EXPECT_ERR(EINVAL, get_time(thread_cpu_clock(child, CPU_SCHED), t));
	EXPECT_ERR(EINVAL, get_time(thread_cpu_clock(getppid(), CPU_SCHED), t));
	EXPECT_ERR(EINVAL, get_time(thread_cpu_clock(0, 3), t));
	EXPECT_UNTOUCHED(t, 0, sizeof(*t));
	EXPECT_RET(0, get_time(thread_cpu_clock(getpid(), CPU_SCHED), t));
	end(child);
}

CLAUSE(a_thread_that_leads_no_process_has_no_process_clock,
       "kernel/time/posix-cpu-timers.c pid_for_clock (7.2): the clock of a process is named by the id of the process, "
       "not by that of one"
       " of its other threads", .needed_by = USERS)
{
	timespec64 t;
	struct thread thread;
	volatile int stop = 0;

	ASSERT_OK(thread_start(&thread, wait_for_it, (void *)&stop));
	EXPECT_ERR(EINVAL, get_time(process_cpu_clock(thread.known_as, CPU_SCHED), &t));
	EXPECT_RET(0, get_time(thread_cpu_clock(thread.known_as, CPU_SCHED), &t));
	stop = 1;
	ASSERT_TRUE(thread_join(&thread));
}

// How long there has been a child bounds what it can have spent; its parent had spent more before.
CLAUSE(a_child_starts_with_clocks_of_its_own_at_zero,
       "fork(2): the CPU time counters of the child are initialised to zero", .needed_by = USERS)
{
	long long before, spent;

	ASSERT_TRUE(burn_until_it_moves(CLOCK_PROCESS_CPUTIME_ID, 20 * MS, burn_user));
	spent = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
	before = clock_ns(CLOCK_MONOTONIC);
	IN_CHILD {
		long long all = clock_ns(CLOCK_PROCESS_CPUTIME_ID), thread = clock_ns(CLOCK_THREAD_CPUTIME_ID);
		long long lived = clock_ns(CLOCK_MONOTONIC) - before;

		EXPECT_GT(all, 0);
		EXPECT_LE(all, lived + lived / 8 + 2 * MS) TH_LOG("the parent had spent %lld", spent);
		EXPECT_LE(thread, lived + lived / 8 + 2 * MS) TH_LOG("the parent had spent %lld", spent);
	}
}

AFTER_EXEC(compare_with_before)
{
	return clock_ns(CLOCK_PROCESS_CPUTIME_ID) < atoll(argv[0]) || clock_ns(CLOCK_THREAD_CPUTIME_ID) < atoll(argv[1]);
}

CLAUSE(exec_keeps_what_was_spent,
       "execve(2), clock_gettime(2) CLOCK_PROCESS_CPUTIME_ID: the process goes on, and so do its CPU "
       "clocks", .needed_by = USERS)
{
	IN_CHILD {
		char all[32], thread[32];

		ASSERT_TRUE(burn_until_it_moves(CLOCK_PROCESS_CPUTIME_ID, 15 * MS, burn_user));
		snprintf(all, sizeof(all), "%lld", clock_ns(CLOCK_PROCESS_CPUTIME_ID));
		snprintf(thread, sizeof(thread), "%lld", clock_ns(CLOCK_THREAD_CPUTIME_ID));
		execute_self(compare_with_before, all, thread);
		_exit(KSFT_FAIL);
	}
}
