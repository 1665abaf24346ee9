// SPDX-License-Identifier: GPL-2.0-only
// membarrier(2): the commands that restart critical sections of rseq(2), and those that reach the instruction stream.
#include "clause.h"
#include "../rseq/worker.h"

#include <linux/membarrier.h>
#include <sched.h>

#define USERS "tcmalloc:rseq_fence jvm:icache"

#define barrier(cmd)                 raw_syscall(__NR_membarrier, cmd, 0, 0)
#define barrier_on(cmd, flags, cpu)  raw_syscall(__NR_membarrier, cmd, flags, cpu)

static long query(void)
{
	return barrier(MEMBARRIER_CMD_QUERY);
}

static long query_rseq(void)
{
	return query() & MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ ? 0 : -ENOSYS;
}

#define MEMBARRIER_RSEQ .config = "MEMBARRIER RSEQ", .probe = query_rseq, .needed_by = USERS

// The worker's section must not see what is written after the barrier has returned.
#define EXPECT_RESTARTED(worker, call) do {			\
	worker_enters(worker);					\
	EXPECT_RET(0, call);					\
	(*(worker)->word)++;					\
	EXPECT_EQ(1, worker_result(worker));			\
} while (0)

CLAUSE(an_rseq_barrier_restarts_sections_that_run,
       "membarrier(2) MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ: when the call returns, every critical section that a "
       "thread of the process "
       "was in has been restarted: none goes on to see what is written next "
       "[RSQ-4]", .needs = "cpus=2", .timeout = 30, MEMBARRIER_RSEQ)
{
	struct worker w;

	NEEDS_A_SECTION;
	ASSERT_RET(0, barrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_RSEQ));
	ASSERT_RET(0, rseq_pin(0, rseq_cpu(0)));
	ASSERT_TRUE(worker_start(&w, 1));
	for (int round = 0; round < 8; round++)
		EXPECT_RESTARTED(&w, barrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ));
	EXPECT_TRUE(worker_stop(&w));
}

CLAUSE(an_rseq_barrier_on_a_cpu_restarts_the_section_there,
       "membarrier(2) MEMBARRIER_CMD_FLAG_CPU: restarts the critical section that runs on the CPU given, whichever the "
       "caller runs on "
       "[RSQ-4]", .needs = "cpus=2", .timeout = 30, MEMBARRIER_RSEQ)
{
	struct worker w;

	NEEDS_A_SECTION;
	ASSERT_RET(0, barrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_RSEQ));
	for (int n = 0; n < 2; n++) {
		ASSERT_TRUE(worker_start(&w, n));
		ASSERT_RET(0, rseq_pin(0, rseq_cpu(!n)));
		for (int round = 0; round < 5; round++)
			EXPECT_RESTARTED(&w, barrier_on(MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ, MEMBARRIER_CMD_FLAG_CPU, w.cpu));
		EXPECT_TRUE(worker_stop(&w));
	}
}

CLAUSE(a_barrier_reaches_other_processes_in_the_same_memory,
       "kernel/sched/membarrier.c membarrier_private_expedited (5.10, 7.2): the barrier is for every task that runs "
       "in the "
       "memory of the caller: one that clone(2) made with CLONE_VM alone is reached as a thread is, by a CPU's "
       "number too "
       "[RSQ-4]", .needs = "cpus=2", .timeout = 30, MEMBARRIER_RSEQ)
{
	struct worker w = { .area = rseq_area(), .word = rseq_words(), .request = 1, .cpu = rseq_cpu(1) };
	char *stack = guarded(THREAD_STACK);
	long child;

	NEEDS_A_SECTION;
	w.entered = w.word + 64;
	ASSERT_RET(0, barrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_RSEQ));
	ASSERT_RET(0, rseq_pin(0, rseq_cpu(0)));
	child = raw_clone(CLONE_VM | SIGCHLD, stack + THREAD_STACK, worker_runs, &w, NULL, NULL, NULL);
	ASSERT_OK(child);
	EXPECT_TRUE(wait_until(w.done) && w.result == 0);
	for (int round = 0; round < 8 && w.result >= 0; round++) {
		EXPECT_RESTARTED(&w, barrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ));
		EXPECT_RESTARTED(&w, barrier_on(MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ, MEMBARRIER_CMD_FLAG_CPU, w.cpu));
	}
	w.stop = 1;
	(*w.word)++;
	EXPECT_RET(child, raw_syscall(__NR_wait4, child, NULL, 0, NULL));
}

CLAUSE(a_cpu_that_is_not_there_has_no_sections,
       "kernel/sched/membarrier.c membarrier_private_expedited (5.10, 7.2): with FLAG_CPU a CPU that cannot be, or "
       "runs nothing of the "
       "process, is a success [RSQ-4]", MEMBARRIER_RSEQ)
{
	static const int cpus[] = { 0, 1, 100000, 0x7fffffff };

	ASSERT_RET(0, barrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_RSEQ));
	for (unsigned int i = 0; i < ARRAY_SIZE(cpus); i++) {
		EXPECT_RET(0, barrier_on(MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ, MEMBARRIER_CMD_FLAG_CPU, cpus[i]))
			TH_LOG("CPU %d", cpus[i]);
	}
}

AFTER_EXEC(is_refused_with_and_without_a_cpu)
{
	if (barrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ) != -EPERM)
		return 1;
	return barrier_on(MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ, MEMBARRIER_CMD_FLAG_CPU, 0) == -EPERM ? 0 : 2;
}

CLAUSE(an_rseq_barrier_needs_its_registration_with_a_cpu_too,
       "membarrier(2) ERRORS EPERM: without MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_RSEQ the command is refused, "
       "with FLAG_CPU as "
       "without [RSQ-4]", MEMBARRIER_RSEQ)
{
	IN_CHILD {
		execute_self(is_refused_with_and_without_a_cpu);
		_exit(126);
	}
}

CLAUSE(no_other_command_takes_a_cpu,
       "membarrier(2) ERRORS EINVAL: MEMBARRIER_CMD_FLAG_CPU goes with PRIVATE_EXPEDITED_RSEQ alone; a registration "
       "that was refused has "
       "not been made [RSQ-4]", MEMBARRIER_RSEQ)
{
	long mask = query();

	for (int command = 0; command < 1 << 10; command = command ? command << 1 : 1) {
		if (command && !(mask & command))
			continue;
		if (command != MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ) {
			EXPECT_ERR(EINVAL, barrier_on(command, MEMBARRIER_CMD_FLAG_CPU, 0)) TH_LOG("command %#x", command);
		}
	}
	EXPECT_ERR(EINVAL, barrier_on(MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ, MEMBARRIER_CMD_FLAG_CPU << 1, 0));
	EXPECT_ERR(EINVAL, barrier_on(MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ, ~0, 0));
	IN_CHILD {
		barrier_on(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, MEMBARRIER_CMD_FLAG_CPU, 0);
		EXPECT_ERR(EPERM, barrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED));
	}
}

static int issues_each(void *arg)
{
	long *results = arg;

	results[0] = raw_syscall(__NR_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ, 0, 0);
	results[1] = raw_syscall(__NR_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ, MEMBARRIER_CMD_FLAG_CPU, 0);
	return 0;
}

CLAUSE(a_child_of_fork_keeps_the_registration,
       "kernel/fork.c dup_mm, kernel/sched/membarrier.c (5.10, 7.2): threads made after the registration, and a child "
       "that copies the "
       "memory, may issue the barrier [RSQ-4]", MEMBARRIER_RSEQ)
{
	struct thread t;
	long results[2] = { 1, 1 };

	ASSERT_RET(0, barrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_RSEQ));
	ASSERT_OK(thread_start(&t, issues_each, results));
	ASSERT_TRUE(thread_join(&t));
	EXPECT_RET(0, results[0]);
	EXPECT_RET(0, results[1]);
	IN_CHILD
		EXPECT_RET(0, barrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ));
}

static long query_sync_core(void)
{
	return query() & MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE ? 0 : -ENOSYS;
}

struct counter {
	volatile int stop;
	volatile uint32_t rounds;
};

// Runs on another CPU all the while and must come to no harm.
static int counts(void *arg)
{
	struct counter *p = arg;

	while (!p->stop)
		p->rounds++;
	return 0;
}

CLAUSE(a_core_serialising_barrier_reaches_every_running_thread_and_ends,
       "membarrier(2) MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE: in addition to the ordering, every running thread of "
       "the process executes "
       "a core serialising instruction; the call returns 0 while they run on [JVM-6]", .needs = "cpus=2",
       .config = "MEMBARRIER ARCH_HAS_MEMBARRIER_SYNC_CORE", .probe = query_sync_core, .needed_by = USERS)
{
	struct counter p = { 0 };
	struct thread t;

	ASSERT_RET(0, barrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE));
	ASSERT_OK(thread_start(&t, counts, &p));
	ASSERT_TRUE(wait_until(p.rounds));
	for (int round = 0; round < 20; round++) {
		uint32_t before = p.rounds;

		EXPECT_RET(0, barrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE));
		EXPECT_TRUE(wait_until(p.rounds != before));
	}
	p.stop = 1;
	EXPECT_TRUE(thread_join(&t));
}
