// SPDX-License-Identifier: GPL-2.0-only
// sched_yield(2): it never fails, and a thread that spins with it lets its peer on the same CPU run.
#include "clause.h"
#include "sync.h"
#include "thread.h"

#include <sched.h>

#define USERS "go:osyield go:osyield_no_g jvm:Thread.yield v8:sched_yield"
#define ROUNDS 50

#define yield() raw_syscall(__NR_sched_yield)

CLAUSE(yield_returns_zero_whatever_the_registers_hold,
       "sched_yield(2) RETURN VALUE: on success 0; in the Linux implementation it always succeeds "
       "[YLD-1]", .needed_by = USERS)
{
	for (int i = 0; i < 100; i++) {
		EXPECT_RET(0, yield());
		EXPECT_RET(0, raw_syscall(__NR_sched_yield, -1L, -1L, -1L, -1L, -1L, -1L));
	}
}

struct court {
	volatile int turn;	// whose turn it is, 0 or 1
	volatile int rounds;
	volatile int failed;
	int policy;
};

// Plays its side: waits for its turn by yielding alone, and hands it over.
static int play(struct court *c, int side)
{
	while (c->rounds < ROUNDS) {
		while (c->turn != side && c->rounds < ROUNDS)
			if (yield() != 0)
				c->failed = 1;
		c->rounds++;
		c->turn = !side;
	}
	return 0;
}

static int play_second(void *arg)
{
	return play(arg, 1);
}

static void pin_to_one_cpu(void)
{
	unsigned long mask[1024 / sizeof(long)] = { 0 };
	unsigned int cpu = 0;

	raw_syscall(__NR_getcpu, &cpu, NULL, NULL);
	mask[cpu / (8 * sizeof(long))] = 1UL << cpu % (8 * sizeof(long));
	raw_syscall(__NR_sched_setaffinity, 0, sizeof(mask), mask);
}

CLAUSE(yield_lets_a_peer_on_the_same_cpu_make_progress,
       "sched_yield(2): the calling thread relinquishes the CPU, is moved to the end of the queue for its priority, "
       "and a new "
       "thread gets to run [YLD-2]", .needed_by = USERS)
{
	struct court c = { 0 };
	struct thread t;

	pin_to_one_cpu();
	ASSERT_OK(thread_start(&t, play_second, &c));
	play(&c, 0);
	ASSERT_TRUE(thread_join(&t));
	EXPECT_GE(c.rounds, ROUNDS);
	EXPECT_EQ(0, c.failed);
}

// Under SCHED_FIFO nothing but the yield hands the CPU over: with a yield that does nothing the peer never runs.
// The spinner gives up after a bounded number of yields, so that a broken kernel costs a verdict and not the machine.
static int yield_until_the_peer_has_run(struct court *c, int limit)
{
	int n = 0;

	while (!c->rounds && n < limit) {
		yield();
		n++;
	}
	return n;
}

static int run_once(void *arg)
{
	struct court *c = arg;

	c->rounds = 1;
	return 0;
}

CLAUSE(yield_of_a_fifo_thread_runs_its_equal_at_once,
       "sched(7) SCHED_FIFO: a thread calling sched_yield(2) is put at the end of the list of its priority",
       .needs = "root cap=sys_nice", .exclusive = 1, .needed_by = USERS)
{
	struct sched_param priority = { .sched_priority = 1 };
	struct court c = { 0 };
	struct thread t;
	long result;

	pin_to_one_cpu();
	result = raw_syscall(__NR_sched_setscheduler, 0, SCHED_FIFO, &priority);
	if (result == -EPERM)	// a cgroup without real-time runtime refuses even root (CONFIG_RT_GROUP_SCHED)
		SKIP(return, "this control group has no real-time runtime");
	ASSERT_RET(0, result);
	ASSERT_OK(thread_start(&t, run_once, &c));
	EXPECT_EQ(0, c.rounds);	// an equal does not preempt
	// The peer may wake on another CPU's queue for a moment; each yield gives it this one.
	EXPECT_LT(yield_until_the_peer_has_run(&c, 1000), 1000);
	priority.sched_priority = 0;
	raw_syscall(__NR_sched_setscheduler, 0, SCHED_OTHER, &priority);
	ASSERT_TRUE(thread_join(&t));
	EXPECT_EQ(1, c.rounds);
}
