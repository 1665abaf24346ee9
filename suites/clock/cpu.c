// SPDX-License-Identifier: GPL-2.0-only
// Clocks of CPU time: a thread's, a process's, by name and by id; what they count, and whom they belong to.
#include "clause.h"

#include "clock.h"
#include "guard.h"
#include "thread.h"

#define USERS "jvm:os_current_thread_cpu_time glibc:clock glibc:pthread_getcpuclockid cpython:time_process_time"

// Two clocks tell the same event: sched_clock and CLOCK_MONOTONIC are not steered alike.
#define SLACK(ns) ((ns) / 8 + 2 * MS)

CLAUSE(user_and_system_time_both_count,
       "clock_gettime(2) CLOCK_THREAD_CPUTIME_ID, CLOCK_PROCESS_CPUTIME_ID: CPU time spent in user mode and in the "
       "kernel moves both",
       .needed_by = USERS)
{
	EXPECT_TRUE(burn_until_it_moves(CLOCK_THREAD_CPUTIME_ID, 1 * MS, burn_user));
	EXPECT_TRUE(burn_until_it_moves(CLOCK_THREAD_CPUTIME_ID, 1 * MS, burn_system));
	EXPECT_TRUE(burn_until_it_moves(CLOCK_PROCESS_CPUTIME_ID, 1 * MS, burn_user));
	EXPECT_TRUE(burn_until_it_moves(CLOCK_PROCESS_CPUTIME_ID, 1 * MS, burn_system));
}

CLAUSE(no_cpu_time_passes_while_the_thread_sleeps,
       "clock_gettime(2) CLOCK_THREAD_CPUTIME_ID: time on the CPU alone: over a sleep the clock moves by no more than "
       "what passed beside"
       " the sleep", .needed_by = USERS)
{
	long long wall = clock_ns(CLOCK_MONOTONIC), cpu = clock_ns(CLOCK_THREAD_CPUTIME_ID), all = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
	long long passed;

	let_pass(20 * MS);	// time is the subject
	cpu = clock_ns(CLOCK_THREAD_CPUTIME_ID) - cpu;
	all = clock_ns(CLOCK_PROCESS_CPUTIME_ID) - all;
	passed = clock_ns(CLOCK_MONOTONIC) - wall;
	EXPECT_LE(cpu, passed - 20 * MS + SLACK(passed));
	EXPECT_LE(all, passed - 20 * MS + SLACK(passed));
}

CLAUSE(a_thread_spends_no_more_than_the_time_that_passes,
       "clock_gettime(2) CLOCK_THREAD_CPUTIME_ID: one thread is on one CPU at a time", .needed_by = USERS)
{
	long long wall = clock_ns(CLOCK_MONOTONIC), cpu = clock_ns(CLOCK_THREAD_CPUTIME_ID), passed;

	ASSERT_TRUE(burn_until_it_moves(CLOCK_THREAD_CPUTIME_ID, 5 * MS, burn_user));
	cpu = clock_ns(CLOCK_THREAD_CPUTIME_ID) - cpu;
	passed = clock_ns(CLOCK_MONOTONIC) - wall;
	EXPECT_GE(cpu, 5 * MS);
	EXPECT_LE(cpu, passed + SLACK(passed));
}

CLAUSE(the_clock_of_a_process_with_one_thread_is_that_thread_s,
       "clock_gettime(2) CLOCK_PROCESS_CPUTIME_ID: the CPU time of all threads in the process: of the only one, where "
       "there is only one",
       .needed_by = USERS)
{
	IN_CHILD {
		for (int turn = 0; turn < 50; turn++) {
			long long before = clock_ns(CLOCK_THREAD_CPUTIME_ID), all = clock_ns(CLOCK_PROCESS_CPUTIME_ID);

			ASSERT_LE(before, all);
			ASSERT_LE(all, clock_ns(CLOCK_THREAD_CPUTIME_ID));
			burn_user();
		}
	}
}

// A thread that burns, then waits for leave to end; what its clock told when it had burnt.
struct worker {
	long long burn;
	volatile long long spent;
	uint32_t leave;
	struct thread t;
};

static int work(void *arg)
{
	struct worker *w = arg;

	while (clock_ns(CLOCK_THREAD_CPUTIME_ID) < w->burn)
		burn_user();
	w->spent = clock_ns(CLOCK_THREAD_CPUTIME_ID);
	while (!__atomic_load_n(&w->leave, __ATOMIC_SEQ_CST))
		raw_syscall(NR_FUTEX, &w->leave, 0, 0, NULL);
	return 0;
}

static bool worker_start(struct worker *w, long long burn)
{
	*w = (struct worker){ .burn = burn };
	return !is_error(thread_start(&w->t, work, w)) && wait_until(w->spent) && wait_until_blocked_in(w->t.known_as, NR_FUTEX) &&
	       settled_ns(thread_cpu_clock(w->t.known_as, CPU_SCHED)) >= burn;
}

static bool worker_end(struct worker *w)
{
	__atomic_store_n(&w->leave, 1, __ATOMIC_SEQ_CST);
	raw_syscall(NR_FUTEX, &w->leave, 1, 1, NULL);
	return thread_join(&w->t);
}

CLAUSE(the_process_clock_is_the_sum_of_its_threads,
       "clock_gettime(2) CLOCK_PROCESS_CPUTIME_ID: the CPU time consumed by all threads in the process, those that "
       "sleep included",
       .needed_by = USERS)
{
	struct worker w[2];
	long long sum, all;

	ASSERT_TRUE(worker_start(&w[0], 4 * MS));
	ASSERT_TRUE(worker_start(&w[1], 6 * MS));
	sum = clock_ns(CLOCK_THREAD_CPUTIME_ID) + clock_ns(thread_cpu_clock(w[0].t.known_as, CPU_SCHED)) +
	      clock_ns(thread_cpu_clock(w[1].t.known_as, CPU_SCHED));
	all = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
	EXPECT_GE(sum, 10 * MS);
	EXPECT_GE(all, sum);
	sum = clock_ns(CLOCK_THREAD_CPUTIME_ID) + clock_ns(thread_cpu_clock(w[0].t.known_as, CPU_SCHED)) +
	      clock_ns(thread_cpu_clock(w[1].t.known_as, CPU_SCHED));
	EXPECT_LE(all, sum);
	EXPECT_TRUE(worker_end(&w[0]));
	EXPECT_TRUE(worker_end(&w[1]));
}

CLAUSE(what_ended_threads_have_spent_is_kept,
       "clock_gettime(2) CLOCK_PROCESS_CPUTIME_ID: the process clock does not go back when a thread ends: its time "
       "stays counted",
       .needed_by = USERS)
{
	struct worker w;
	long long before, after, self;

	for (int turn = 0; turn < 3; turn++) {
		ASSERT_TRUE(worker_start(&w, 3 * MS));
		self = clock_ns(CLOCK_THREAD_CPUTIME_ID);
		before = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
		EXPECT_GE(before, self + (turn + 1) * 3 * MS);
		ASSERT_TRUE(worker_end(&w));
		self = clock_ns(CLOCK_THREAD_CPUTIME_ID);
		after = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
		EXPECT_GE(after, before);
		EXPECT_GE(after, self + (turn + 1) * 3 * MS);
	}
}

CLAUSE(a_sleeping_thread_s_clock_stands_still,
       "clock_getcpuclockid(3), clock_gettime(2): the clock of another thread tells its time alone: it stands while "
       "that thread sleeps,"
       " whatever the others spend", .needed_by = USERS)
{
	struct worker w;
	long long at, self;

	ASSERT_TRUE(worker_start(&w, 2 * MS));
	at = settled_ns(thread_cpu_clock(w.t.known_as, CPU_SCHED));
	self = clock_ns(CLOCK_THREAD_CPUTIME_ID);
	EXPECT_GE(at, w.spent);
	ASSERT_TRUE(burn_until_it_moves(CLOCK_THREAD_CPUTIME_ID, 3 * MS, burn_user));
	EXPECT_EQ(at, clock_ns(thread_cpu_clock(w.t.known_as, CPU_SCHED)));
	EXPECT_GE(clock_ns(CLOCK_THREAD_CPUTIME_ID), self + 3 * MS);
	EXPECT_TRUE(worker_end(&w));
}

CLAUSE(a_running_thread_s_clock_is_seen_to_move_by_others,
       "clock_getcpuclockid(3), clock_gettime(2): the clock of a thread that runs moves for whoever reads it, and "
       "never back",
       .needed_by = USERS)
{
	struct worker w = { .burn = 4 * MS };
	long long last = 0;

	ASSERT_OK(thread_start(&w.t, work, &w));
	EXPECT_TRUE(wait_until(({
		long long now = clock_ns(thread_cpu_clock(w.t.known_as, CPU_SCHED));

		ASSERT_GE(now, last);
		last = now;
		now >= 4 * MS;
	})));
	EXPECT_TRUE(worker_end(&w));
}

CLAUSE(the_caller_s_clocks_have_names_and_ids,
       "uapi/linux/time.h, clock_getcpuclockid(3): id 0 means the caller, and its own pid and tid name the clocks that"
       " CLOCK_PROCESS_CPUTIME_ID and CLOCK_THREAD_CPUTIME_ID name", .needed_by = USERS)
{
	int process[] = { CLOCK_PROCESS_CPUTIME_ID, process_cpu_clock(0, CPU_SCHED), process_cpu_clock(getpid(), CPU_SCHED) };
	int thread[] = { CLOCK_THREAD_CPUTIME_ID, thread_cpu_clock(0, CPU_SCHED),
			 thread_cpu_clock(raw_syscall(__NR_gettid), CPU_SCHED) };
	struct worker w;
	long long last;

	ASSERT_TRUE(worker_start(&w, 2 * MS));
	last = clock_ns(CLOCK_THREAD_CPUTIME_ID);
	for (int i = 0; i < 12; i++) {
		long long now = clock_ns(thread[i % 3]);

		EXPECT_GE(now, last) TH_LOG("clock %d", thread[i % 3]);
		last = now;
	}
	last += 2 * MS;
	for (int i = 0; i < 12; i++) {
		long long now = clock_ns(process[i % 3]);

		EXPECT_GE(now, last) TH_LOG("clock %d", process[i % 3]);
		last = now;
	}
	EXPECT_TRUE(worker_end(&w));
}

CLAUSE(user_time_is_part_of_user_and_system_time,
       "kernel/time/posix-cpu-timers.c cpu_clock_sample (7.2): of the clocks by id, kind 0 is user and system time, "
       "kind 1 user time"
       " alone: never more; neither goes back", .needed_by = "go:setThreadCPUProfiler")
{
	long long last[2] = { 0 };

	for (int turn = 0; turn < 20; turn++) {
		long long user = clock_ns(process_cpu_clock(0, CPU_VIRT)), both = clock_ns(process_cpu_clock(0, CPU_PROF));
		long long thread_user = clock_ns(thread_cpu_clock(0, CPU_VIRT)), thread_both = clock_ns(thread_cpu_clock(0, CPU_PROF));

		EXPECT_GE(user, last[0]);
		EXPECT_GE(both, last[1]);
		EXPECT_LE(user, both);
		EXPECT_GE(thread_user, 0);
		EXPECT_LE(thread_user, thread_both);
		last[0] = user;
		last[1] = both;
		turn % 2 ? burn_user() : burn_system();
	}
	EXPECT_TRUE(burn_until_it_moves(process_cpu_clock(0, CPU_VIRT), 1, burn_user));
	EXPECT_TRUE(burn_until_it_moves(process_cpu_clock(0, CPU_PROF), 1, burn_user));
}
