// SPDX-License-Identifier: GPL-2.0-only
// futex(2): FUTEX_WAIT_REQUEUE_PI and FUTEX_CMP_REQUEUE_PI: waiters of a condition that wake with a PI lock.
#include "clause.h"
#include <limits.h>
#include <sched.h>

#include "actor.h"
#include "deadline.h"
#include "interrupt.h"
#include "pi.h"

// Starts count threads that wait on *condition, whose value is 0, one after another.
static bool start_waiters(struct actor **waiters, int count, uint32_t *condition, uint32_t *lock)
{
	for (int i = 0; i < count; i++) {
		waiters[i] = actor_thread();
		ask(waiters[i], WAIT_REQUEUE_PI(condition, 0, lock));
		if (!blocks(waiters[i]))
			return false;
	}
	return true;
}

CLAUSE(a_free_lock_goes_to_the_waiter_that_is_woken,
       "futex(2) FUTEX_CMP_REQUEUE_PI: wakes one waiter, which returns 0 and holds the PI lock; with nobody to "
       "follow its word is the TID alone [GLC-5]",
       NEEDS_PI, .needed_by = "glibc:pthread_cond_signal")
{
	struct actor *waiter;
	uint32_t condition = 0, lock = 0;

	ASSERT_TRUE(start_waiters(&waiter, 1, &condition, &lock));
	EXPECT_RET(1, raw_syscall(CMP_REQUEUE_PI(&condition, 1, 0, &lock, 0)));
	EXPECT_RET(0, answer(waiter));
	EXPECT_WORD(waiter->tid, &lock);
	EXPECT_WORD(0, &condition);
	EXPECT_RET(0, call_as(waiter, UNLOCK_PI(&lock)));
	EXPECT_WORD(0, &lock);
}

CLAUSE(a_lock_that_others_may_follow_to_is_marked,
       "kernel/futex/requeue.c futex_proxy_trylock_atomic: if the caller asks for more waiters to be requeued the "
       "lock is given with FUTEX_WAITERS set, and can be unlocked all the same [GLC-5]",
       NEEDS_PI)
{
	struct actor *waiter;
	uint32_t condition = 0, lock = 0;

	ASSERT_TRUE(start_waiters(&waiter, 1, &condition, &lock));
	EXPECT_RET(1, raw_syscall(CMP_REQUEUE_PI(&condition, 1, INT_MAX, &lock, 0)));
	EXPECT_RET(0, answer(waiter));
	EXPECT_WORD(waiter->tid | FUTEX_WAITERS, &lock);
	EXPECT_RET(0, call_as(waiter, UNLOCK_PI(&lock)));
	EXPECT_WORD(0, &lock);
}

CLAUSE(the_first_of_many_gets_a_free_lock_and_the_others_queue_for_it,
       "futex(2) FUTEX_CMP_REQUEUE_PI: wakes one waiter and moves the others to the PI lock, which goes from one to "
       "the next by their unlocks; returns how many were woken or moved [GLC-5]",
       NEEDS_PI, .needed_by = "glibc:pthread_cond_broadcast")
{
	struct actor *waiter[4];
	uint32_t condition = 0, lock = 0;

	ASSERT_TRUE(start_waiters(waiter, 4, &condition, &lock));
	EXPECT_RET(4, raw_syscall(CMP_REQUEUE_PI(&condition, 1, INT_MAX, &lock, 0)));
	for (int i = 0; i < 4; i++) {
		EXPECT_RET(0, answer(waiter[i]));
		EXPECT_WORD(waiter[i]->tid | FUTEX_WAITERS, &lock);
		for (int later = i + 1; later < 4; later++)
			EXPECT_TRUE(blocks(waiter[later]));
		EXPECT_RET(0, call_as(waiter[i], UNLOCK_PI(&lock)));
	}
	EXPECT_WORD(0, &lock);
}

CLAUSE(a_held_lock_wakes_nobody_until_it_is_unlocked,
       "kernel/futex/requeue.c futex_requeue: while another thread holds the PI lock no waiter is woken; all are "
       "moved and get it by unlocks [GLC-5]",
       NEEDS_PI, .needed_by = "glibc:pthread_cond_broadcast")
{
	struct actor *owner = actor_thread(), *waiter[3];
	uint32_t condition = 0, lock = 0;

	ASSERT_RET(0, call_as(owner, LOCK_PI(&lock)));
	ASSERT_TRUE(start_waiters(waiter, 3, &condition, &lock));
	EXPECT_RET(3, raw_syscall(CMP_REQUEUE_PI(&condition, 1, INT_MAX, &lock, 0)));
	EXPECT_WORD(owner->tid | FUTEX_WAITERS, &lock);
	for (int i = 0; i < 3; i++)
		EXPECT_TRUE(blocks(waiter[i]));
	EXPECT_RET(0, call_as(owner, UNLOCK_PI(&lock)));
	for (int i = 0; i < 3; i++) {
		EXPECT_RET(0, answer(waiter[i]));
		EXPECT_WORD(waiter[i]->tid | FUTEX_WAITERS, &lock);
		EXPECT_RET(0, call_as(waiter[i], UNLOCK_PI(&lock)));
	}
	EXPECT_WORD(0, &lock);
}

CLAUSE(no_more_waiters_move_than_were_asked_for,
       "futex(2) FUTEX_CMP_REQUEUE_PI: val2 limits how many waiters are moved beside the one of val [GLC-5]",
       NEEDS_PI)
{
	struct actor *waiter[6], *owner;
	uint32_t condition = 0, lock = 0;

	ASSERT_TRUE(start_waiters(waiter, 6, &condition, &lock));
	EXPECT_RET(2, raw_syscall(CMP_REQUEUE_PI(&condition, 1, 1, &lock, 0)));	// one gets the lock, one waits for it
	EXPECT_RET(0, answer(waiter[0]));
	EXPECT_RET(1, raw_syscall(CMP_REQUEUE_PI(&condition, 1, 0, &lock, 0)));	// the lock is held from here on
	EXPECT_RET(2, raw_syscall(CMP_REQUEUE_PI(&condition, 1, 1, &lock, 0)));
	EXPECT_RET(1, raw_syscall(CMP_REQUEUE_PI(&condition, 1, 2, &lock, 0)));
	EXPECT_RET(0, raw_syscall(CMP_REQUEUE_PI(&condition, 1, 2, &lock, 0)));
	for (int i = 0; i < 6; i++) {
		owner = waiter[i];
		EXPECT_RET(0, answer(owner));
		EXPECT_RET(0, call_as(owner, UNLOCK_PI(&lock)));
	}
	EXPECT_WORD(0, &lock);
}

CLAUSE(nobody_to_requeue_leaves_the_lock_alone,
       "futex(2) RETURN VALUE: FUTEX_CMP_REQUEUE_PI without waiters returns 0, and neither takes nor marks the lock",
       NEEDS_PI)
{
	uint32_t condition = 7, values[] = { 0, GETTID(), FUTEX_TID_MASK, GETTID() | FUTEX_WAITERS };

	for (int i = 0; i < 4; i++) {
		uint32_t lock = values[i];

		EXPECT_RET(0, raw_syscall(CMP_REQUEUE_PI(&condition, 1, INT_MAX, &lock, 7)));
		EXPECT_WORD(values[i], &lock);
	}
}

CLAUSE(a_changed_condition_moves_nobody,
       "futex(2) ERRORS EAGAIN: FUTEX_CMP_REQUEUE_PI finds another value than val3 at uaddr: nobody is woken or "
       "moved and the lock stays [GLC-5]",
       NEEDS_PI, .needed_by = "glibc:pthread_cond_signal")
{
	struct actor *waiter;
	uint32_t condition = 0, lock = 0;

	ASSERT_TRUE(start_waiters(&waiter, 1, &condition, &lock));
	store(&condition, 1);
	EXPECT_ERR(EAGAIN, raw_syscall(CMP_REQUEUE_PI(&condition, 1, INT_MAX, &lock, 0)));
	EXPECT_WORD(0, &lock);
	EXPECT_TRUE(blocks(waiter));
	EXPECT_RET(1, raw_syscall(CMP_REQUEUE_PI(&condition, 1, 0, &lock, 1)));
	EXPECT_RET(0, answer(waiter));
}

CLAUSE(a_wait_for_a_condition_that_has_changed_returns_at_once,
       "futex(2) ERRORS EAGAIN: FUTEX_WAIT_REQUEUE_PI finds another value than val at uaddr; the lock is not touched "
       "[GLC-5]",
       NEEDS_PI, .needed_by = "glibc:pthread_cond_wait")
{
	uint32_t condition = 1, lock = 0;

	EXPECT_ERR(EAGAIN, raw_syscall(WAIT_REQUEUE_PI(&condition, 0, &lock)));
	EXPECT_WORD(0, &lock);
	EXPECT_RET(0, raw_syscall(CMP_REQUEUE_PI(&condition, 1, 0, &lock, 1)));
}

CLAUSE(moved_waiters_and_lockers_stand_in_one_queue,
       "Documentation/locking/rt-mutex.rst: a moved waiter queues for the lock behind those who came before, and "
       "before those who come after it [GLC-5]",
       NEEDS_PI)
{
	struct actor *owner = actor_thread(), *before = actor_thread(), *after = actor_thread(), *moved, *order[3];
	uint32_t condition = 0, lock = 0;

	ASSERT_RET(0, call_as(owner, LOCK_PI(&lock)));
	ASSERT_TRUE(start_waiters(&moved, 1, &condition, &lock));
	ask(before, LOCK_PI(&lock));
	ASSERT_TRUE(blocks(before));
	EXPECT_RET(1, raw_syscall(CMP_REQUEUE_PI(&condition, 1, 0, &lock, 0)));
	ask(after, LOCK_PI(&lock));
	ASSERT_TRUE(blocks(after));
	EXPECT_RET(0, call_as(owner, UNLOCK_PI(&lock)));
	order[0] = before, order[1] = moved, order[2] = after;
	for (int i = 0; i < 3; i++) {
		EXPECT_RET(0, answer(order[i]));
		EXPECT_WORD(order[i]->tid | FUTEX_WAITERS, &lock);
		EXPECT_RET(0, call_as(order[i], UNLOCK_PI(&lock)));
	}
}

CLAUSE(the_highest_waiter_is_moved_first,
       "kernel/futex/core.c __futex_queue: realtime waiters are served first, in the order of their priority, the "
       "others as they came: so do they get the lock [GLC-5]",
       NEEDS_PI, .needs = "cap=sys_nice")
{
	static const int priorities[] = { 0, 10, 30, 20 }, order[] = { 2, 3, 1, 0 };
	struct actor *waiter[4];
	uint32_t condition = 0, lock = 0;

	for (int i = 0; i < 4; i++) {
		struct sched_param param = { .sched_priority = priorities[i] };

		waiter[i] = actor_thread();
		if (priorities[i] && is_error(raw_syscall(__NR_sched_setscheduler, waiter[i]->tid, SCHED_FIFO, &param)))
			SKIP(return, "SCHED_FIFO is refused here");
		ask(waiter[i], WAIT_REQUEUE_PI(&condition, 0, &lock));
		ASSERT_TRUE(blocks(waiter[i]));
	}
	for (int i = 0; i < 4; i++) {
		EXPECT_RET(1, raw_syscall(CMP_REQUEUE_PI(&condition, 1, 0, &lock, 0)));
		EXPECT_RET(0, answer(waiter[order[i]]));
		EXPECT_WORD(waiter[order[i]]->tid, &lock);
		EXPECT_RET(0, call_as(waiter[order[i]], UNLOCK_PI(&lock)));
	}
}

CLAUSE(a_waiter_gets_the_lock_of_an_owner_that_died,
       "futex(2) Priority-inheritance futexes: a moved waiter is a waiter like others: it gets the dead owner's "
       "lock, and FUTEX_OWNER_DIED with its TID [GLC-5]",
       NEEDS_PI)
{
	struct actor *owner = actor_thread(), *waiter[2];
	uint32_t condition = 0, lock = 0;

	ASSERT_RET(0, call_as(owner, LOCK_PI(&lock)));
	ASSERT_TRUE(start_waiters(waiter, 2, &condition, &lock));
	EXPECT_RET(2, raw_syscall(CMP_REQUEUE_PI(&condition, 1, INT_MAX, &lock, 0)));
	ask(owner, __NR_exit, 0);
	EXPECT_RET(0, answer(waiter[0]));
	EXPECT_WORD(waiter[0]->tid | FUTEX_WAITERS | FUTEX_OWNER_DIED, &lock);
	EXPECT_RET(0, call_as(waiter[0], UNLOCK_PI(&lock)));
	EXPECT_RET(0, answer(waiter[1]));
	EXPECT_WORD(waiter[1]->tid | FUTEX_WAITERS, &lock);
}

CLAUSE(a_killed_waiter_is_out_of_both_queues,
       "kernel/futex/requeue.c futex_wait_requeue_pi: a waiter that is killed, before or after it was moved, does "
       "not get the lock and does not keep it from others",
       NEEDS_PI)
{
	uint32_t *words = shared_memory(2 * sizeof(*words)), *condition = words, *lock = words + 1;
	struct actor *owner = actor_thread();

	for (int moved = 0; moved < 2; moved++) {
		struct actor *victim = actor_process();

		ASSERT_RET(0, call_as(owner, LOCK_PI_SHARED(lock)));
		ask(victim, NR_FUTEX, condition, FUTEX_WAIT_REQUEUE_PI, 0, NULL, lock, 0);
		ASSERT_TRUE(blocks(victim));
		if (moved)
			EXPECT_RET(1, raw_syscall(NR_FUTEX, condition, FUTEX_CMP_REQUEUE_PI, 1, 0, lock, 0));
		EXPECT_TRUE(is_killed(victim));
		EXPECT_RET(0, raw_syscall(NR_FUTEX, condition, FUTEX_CMP_REQUEUE_PI, 1, 9, lock, 0));
		EXPECT_WORD(owner->tid | (moved ? FUTEX_WAITERS : 0), lock);
		EXPECT_RET(0, call_as(owner, UNLOCK_PI_SHARED(lock)));
		EXPECT_WORD(0, lock);
	}
}

#define STORM_WAITERS 3
#define STORM_TICKETS 120

struct storm {
	uint32_t condition, lock;
	volatile int tickets, taken, finished;
	volatile long bad;
};

// A consumer as a condition variable over a PI mutex makes one; ends when all tickets are taken.
static int storm_main(void *arg)
{
	struct storm *s = arg;
	uint32_t tid = raw_syscall(__NR_gettid), seen;
	long result = raw_syscall(LOCK_PI(&s->lock));

	while (!result && !s->bad) {
		if ((load(&s->lock) & FUTEX_TID_MASK) != tid) {
			s->bad = -EOWNERDEAD;
		} else if (s->tickets) {
			s->tickets--;
			s->taken++;
		} else if (s->finished) {
			return raw_syscall(UNLOCK_PI(&s->lock));
		} else {
			seen = load(&s->condition);
			result = raw_syscall(UNLOCK_PI(&s->lock));
			if (!result)
				result = raw_syscall(WAIT_REQUEUE_PI(&s->condition, seen, &s->lock));
			if (result == -EAGAIN)
				result = raw_syscall(LOCK_PI(&s->lock));
		}
	}
	if (result)
		s->bad = result;
	return 0;
}

CLAUSE(a_storm_of_conditions_loses_no_waiter,
       "futex(2) FUTEX_WAIT_REQUEUE_PI: condition variables over it wake someone for every signal and all for a "
       "broadcast; each returns with the lock [GLC-5]",
       NEEDS_PI, .needed_by = "glibc:pthread_cond_wait")
{
	struct thread threads[STORM_WAITERS];
	struct storm s = { 0 };

	for (int i = 0; i < STORM_WAITERS; i++)
		ASSERT_OK(thread_start(&threads[i], storm_main, &s));
	for (int i = 0; i <= STORM_TICKETS; i++) {
		ASSERT_RET(0, raw_syscall(LOCK_PI(&s.lock)));
		s.tickets += i < STORM_TICKETS;
		s.finished = i == STORM_TICKETS;
		store(&s.condition, i + 1);
		int others = s.finished || i % 4 == 0 ? INT_MAX : 0;

		if (i % 2)	// with the lock held, and after it was given back
			ASSERT_OK(raw_syscall(CMP_REQUEUE_PI(&s.condition, 1, others, &s.lock, i + 1)));
		ASSERT_RET(0, raw_syscall(UNLOCK_PI(&s.lock)));
		if (i % 2 == 0)
			ASSERT_OK(raw_syscall(CMP_REQUEUE_PI(&s.condition, 1, others, &s.lock, i + 1)));
	}
	for (int i = 0; i < STORM_WAITERS; i++)
		ASSERT_TRUE(thread_join(&threads[i]));
	EXPECT_RET(0, s.bad);
	EXPECT_EQ(STORM_TICKETS, s.taken);
	EXPECT_WORD(0, &s.lock);
}
