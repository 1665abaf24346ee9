// SPDX-License-Identifier: GPL-2.0-only
// Deadlines when somebody sets the clock: on a machine of osprim's own.
#include "clause.h"

#include <time.h>

#include "futex2.h"
#include "pi.h"
#include "sync.h"
#include "thread.h"

#define HOUR 3600

static uint32_t word;		// 0, and waited on
static uint32_t held;		// a PI lock of the first thread
static struct futex_waitv entry;

// A call that waits, and whether it ends when the time of day is set two hours ahead.
struct waiter {
	const char *name;
	bool ends;
	int clock;		// of its deadline; -1: it waits for an interval
	long hours;
	long nr, argument[6];
	int deadline_is;	// which argument
	struct thread thread;
	struct __kernel_timespec deadline;
	volatile long result;
	volatile int done;
};

#define ENDS(clock, hours) true, clock, hours
#define STAYS(clock, hours) false, clock, hours
#define DAY CLOCK_REALTIME
#define RUN CLOCK_MONOTONIC
#define WAIT(op)      NR_FUTEX, { (long)&word, op, 0, 0, (long)&held, FUTEX_BITSET_MATCH_ANY }, .deadline_is = 3
#define LOCK(op)      NR_FUTEX, { (long)&held, op }, .deadline_is = 3
#define WAITV2(clock) __NR_futex_waitv, { (long)&entry, 1, 0, 0, clock }, .deadline_is = 3
#define WAIT2(clock)  __NR_futex_wait, { (long)&word, 0, ANY, PRIVATE_U32, 0, clock }, .deadline_is = 4

static struct waiter waiters[] = {
	{ "WAIT_BITSET, realtime",          ENDS(DAY, 1),   WAIT(FUTEX_WAIT_BITSET_PRIVATE | FUTEX_CLOCK_REALTIME) },
	{ "WAIT_BITSET, realtime, later",   STAYS(DAY, 10), WAIT(FUTEX_WAIT_BITSET_PRIVATE | FUTEX_CLOCK_REALTIME) },
	{ "WAIT_BITSET, monotonic",         STAYS(RUN, 1),  WAIT(FUTEX_WAIT_BITSET_PRIVATE) },
	{ "WAIT",                           STAYS(-1, 1),   WAIT(FUTEX_WAIT_PRIVATE) },
	{ "WAIT, shared",                   STAYS(-1, 1),   WAIT(FUTEX_WAIT) },
	{ "LOCK_PI",                        ENDS(DAY, 1),   LOCK(FUTEX_LOCK_PI_PRIVATE) },
	{ "LOCK_PI, later",                 STAYS(DAY, 10), LOCK(FUTEX_LOCK_PI_PRIVATE) },
	{ "LOCK_PI2, realtime",             ENDS(DAY, 1),   LOCK(FUTEX_LOCK_PI2_PRIVATE | FUTEX_CLOCK_REALTIME) },
	{ "LOCK_PI2, monotonic",            STAYS(RUN, 1),  LOCK(FUTEX_LOCK_PI2_PRIVATE) },
	{ "WAIT_REQUEUE_PI, realtime",      ENDS(DAY, 1),   WAIT(FUTEX_WAIT_REQUEUE_PI_PRIVATE | FUTEX_CLOCK_REALTIME) },
	{ "WAIT_REQUEUE_PI, monotonic",     STAYS(RUN, 1),  WAIT(FUTEX_WAIT_REQUEUE_PI_PRIVATE) },
	{ "futex_waitv, realtime",          ENDS(DAY, 1),   WAITV2(DAY) },
	{ "futex_waitv, realtime, later",   STAYS(DAY, 10), WAITV2(DAY) },
	{ "futex_waitv, monotonic",         STAYS(RUN, 1),  WAITV2(RUN) },
	{ "futex_wait, realtime",           ENDS(DAY, 1),   WAIT2(DAY) },
	{ "futex_wait, monotonic",          STAYS(RUN, 1),  WAIT2(RUN) },
};

#define EACH(w) struct waiter *w = waiters; w < waiters + sizeof(waiters) / sizeof(*waiters); w++

static int waits(void *arg)
{
	struct waiter *w = arg;
	long *a = w->argument;

	a[w->deadline_is] = (long)&w->deadline;
	w->result = raw_syscall6(w->nr, a[0], a[1], a[2], a[3], a[4], a[5]);
	w->done = 1;
	return 0;
}

static struct __kernel_timespec later(int clock, long seconds)
{
	struct __kernel_timespec t = { 0, 0 };

	if (clock >= 0)
		raw_syscall(NR_CLOCK_GETTIME, clock, &t);
	t.tv_sec += seconds;
	return t;
}

static bool starts(struct waiter *w)
{
	w->deadline = later(w->clock, w->hours * HOUR);
	return thread_start(&w->thread, waits, w) > 0 &&
	       wait_until(w->done || is_blocked_in(w->thread.known_as, w->nr)) && (!w->done || w->result == -ENOSYS);
}

CLAUSE(a_step_of_the_clock_past_a_deadline_ends_the_wait,
       "futex(2) FUTEX_WAIT_BITSET FUTEX_CLOCK_REALTIME, FUTEX_LOCK_PI, clock_settime(2): the deadline is a time "
       "of day: a clock that is set beyond it ends the wait of every kind with ETIMEDOUT; waits for an interval, "
       "until a moment of CLOCK_MONOTONIC, and until a later one, go on [GLC-6]",
       .needs = "own_machine cap=sys_time", .exclusive = 1, .needed_by = "glibc:timed_wait")
{
	struct __kernel_timespec ahead, back;
	char seen[RESULT_TEXT];
	long set;

	entry = entry_of(&word, 0, PRIVATE_U32);
	raw_syscall(LOCK_PI(&held));
	for (EACH(w)) {
		ASSERT_TRUE(starts(w)) {
			TH_LOG("%s: %s", w->name, result_text(seen, w->result));
		}
	}
	ahead = later(CLOCK_REALTIME, 2 * HOUR);
	set = raw_syscall(NR_CLOCK_SETTIME, CLOCK_REALTIME, &ahead);
	for (EACH(w))
		if (w->ends && set == 0 && !wait_until(w->done))
			break;
	back = later(CLOCK_REALTIME, -2 * HOUR);
	if (set == 0)
		raw_syscall(NR_CLOCK_SETTIME, CLOCK_REALTIME, &back);
	if (set == -EPERM)
		SKIP(return, "the clock may not be set here");
	EXPECT_RET(0, set);
	for (EACH(w)) {
		if (w->done && w->result == -ENOSYS)
			continue;
		// Who has timed out is awake from that moment on, whether it has got to run or not.
		if (w->ends) {
			EXPECT_TRUE(w->done && w->result == -ETIMEDOUT) {
				TH_LOG("%s: %s", w->name, w->done ? result_text(seen, w->result) : "waits on");
			}
		} else {
			EXPECT_TRUE(!w->done && is_blocked_in(w->thread.known_as, w->nr)) {
				TH_LOG("%s: does not wait on", w->name);
			}
		}
	}
}
