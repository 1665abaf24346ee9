// SPDX-License-Identifier: GPL-2.0-only
// Deadlines of CLOCK_REALTIME when somebody sets the clock: on a machine of osprim's own.
#include "clause.h"

#include <linux/futex.h>
#include <time.h>

#include "sync.h"
#include "thread.h"

#define HOUR 3600

static uint32_t word;

struct waiter {
	struct thread thread;
	struct __kernel_timespec deadline;
	int op;
	volatile long result;
	volatile int done;
};

static int waits(void *arg)
{
	struct waiter *w = arg;

	w->result = raw_syscall(NR_FUTEX, &word, w->op, 0, &w->deadline, NULL, FUTEX_BITSET_MATCH_ANY);
	w->done = 1;
	return 0;
}

static struct __kernel_timespec later(int clock, long seconds)
{
	struct __kernel_timespec t = { 0, 0 };

	raw_syscall(NR_CLOCK_GETTIME, clock, &t);
	t.tv_sec += seconds;
	return t;
}

CLAUSE(a_step_of_the_clock_past_a_deadline_ends_the_wait,
       "futex(2) FUTEX_WAIT_BITSET FUTEX_CLOCK_REALTIME, clock_settime(2): the deadline is a time of day: a clock that is set beyond"
       " it ends the wait with ETIMEDOUT; waits until a moment of CLOCK_MONOTONIC, and until a later one, go on [GLC-6]",
       .needs = "own_machine cap=sys_time", .exclusive = 1, .needed_by = "glibc:timed_wait")
{
	static struct waiter w[3];
	struct __kernel_timespec ahead, back;
	bool has_ended;
	long set;

	w[0].op = w[1].op = FUTEX_WAIT_BITSET_PRIVATE | FUTEX_CLOCK_REALTIME;
	w[2].op = FUTEX_WAIT_BITSET_PRIVATE;
	w[0].deadline = later(CLOCK_REALTIME, HOUR);
	w[1].deadline = later(CLOCK_REALTIME, 10 * HOUR);
	w[2].deadline = later(CLOCK_MONOTONIC, HOUR);
	for (int i = 0; i < 3; i++) {
		ASSERT_OK(thread_start(&w[i].thread, waits, &w[i]));
		ASSERT_TRUE(wait_until_blocked_in(w[i].thread.known_as, NR_FUTEX));
	}
	ahead = later(CLOCK_REALTIME, 2 * HOUR);
	set = raw_syscall(NR_CLOCK_SETTIME, CLOCK_REALTIME, &ahead);
	has_ended = set == 0 && wait_until(w[0].done);
	back = later(CLOCK_REALTIME, -2 * HOUR);
	if (set == 0)
		raw_syscall(NR_CLOCK_SETTIME, CLOCK_REALTIME, &back);
	if (set == -EPERM)
		SKIP(return, "the clock may not be set here");
	EXPECT_RET(0, set);
	EXPECT_TRUE(has_ended);
	if (has_ended)
		EXPECT_RET(-ETIMEDOUT, w[0].result);
	EXPECT_FALSE(w[1].done);
	EXPECT_FALSE(w[2].done);
	// Who sleeps still is woken: how many are left says as much.
	EXPECT_RET(3 - has_ended, raw_syscall(NR_FUTEX, &word, FUTEX_WAKE_PRIVATE, 3, NULL, NULL, 0));
	for (int i = 0; i < 3; i++)
		ASSERT_TRUE(thread_join(&w[i].thread));
}
