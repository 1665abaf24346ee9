// SPDX-License-Identifier: GPL-2.0-only
// futex(2): FUTEX_WAIT_REQUEUE_PI that ends by a deadline or meets a signal, before it was moved to the lock and after.
#include "clause.h"
#include "actor.h"
#include "deadline.h"
#include "guard.h"
#include "interrupt.h"
#include "pi.h"

static void check_deadline(struct __test_metadata *_metadata, int op, int clock)
{
	struct actor *waiter = actor_thread();
	uint32_t condition = 0, lock = 0;
	struct __kernel_timespec deadline;

	deadline = deadline_in(clock, 10 * MS);
	EXPECT_ERR(ETIMEDOUT, call_as(waiter, NR_FUTEX, &condition, op, 0, &deadline, &lock, 0));
	EXPECT_TRUE(has_passed(clock, &deadline));
	deadline = deadline_in(clock, -1);
	EXPECT_ERR(ETIMEDOUT, call_as(waiter, NR_FUTEX, &condition, op, 0, &deadline, &lock, 0));
	EXPECT_WORD(0, &lock);
}

CLAUSE(the_wait_ends_at_a_moment_of_the_monotonic_clock,
       "futex(2) FUTEX_WAIT_REQUEUE_PI: the timeout is absolute, by default on CLOCK_MONOTONIC: ETIMEDOUT, not "
       "before it [GLC-5]",
       NEEDS_PI, .needed_by = "glibc:pthread_cond_clockwait")
{
	check_deadline(_metadata, FUTEX_WAIT_REQUEUE_PI_PRIVATE, CLOCK_MONOTONIC);
	check_deadline(_metadata, FUTEX_WAIT_REQUEUE_PI, CLOCK_MONOTONIC);
}

CLAUSE(the_wait_ends_at_a_moment_of_the_realtime_clock_if_told_so,
       "futex(2) FUTEX_CLOCK_REALTIME: with it the timeout of FUTEX_WAIT_REQUEUE_PI is measured against "
       "CLOCK_REALTIME [GLC-5]",
       NEEDS_PI, .needed_by = "glibc:pthread_cond_timedwait")
{
	check_deadline(_metadata, FUTEX_WAIT_REQUEUE_PI_PRIVATE | FUTEX_CLOCK_REALTIME, CLOCK_REALTIME);
	check_deadline(_metadata, FUTEX_WAIT_REQUEUE_PI | FUTEX_CLOCK_REALTIME, CLOCK_REALTIME);
}

CLAUSE(a_wait_that_timed_out_is_no_longer_queued,
       "kernel/futex/requeue.c handle_early_requeue_pi_wakeup: after ETIMEDOUT nothing of the waiter is found at the "
       "condition; those who wait on are moved as ever [GLC-5]",
       NEEDS_PI)
{
	struct actor *hasty = actor_thread(), *patient = actor_thread();
	struct __kernel_timespec past = timespec_of(1);
	uint32_t condition = 0, lock = 0;

	EXPECT_ERR(ETIMEDOUT, call_as(hasty, WAIT_REQUEUE_PI_UNTIL(&condition, 0, &past, &lock)));
	EXPECT_RET(0, raw_syscall(CMP_REQUEUE_PI(&condition, 1, 9, &lock, 0)));
	EXPECT_WORD(0, &lock);
	ask(patient, WAIT_REQUEUE_PI(&condition, 0, &lock));
	ASSERT_TRUE(blocks(patient));
	EXPECT_ERR(ETIMEDOUT, call_as(hasty, WAIT_REQUEUE_PI_UNTIL(&condition, 0, &past, &lock)));
	EXPECT_RET(1, raw_syscall(CMP_REQUEUE_PI(&condition, 1, 9, &lock, 0)));
	EXPECT_RET(0, answer(patient));
	EXPECT_WORD(patient->tid | FUTEX_WAITERS, &lock);
}

CLAUSE(a_deadline_counts_while_the_waiter_queues_for_the_lock,
       "kernel/futex/requeue.c futex_wait_requeue_pi [7]: a waiter that was moved and does not get the lock in time "
       "returns ETIMEDOUT, not before, and the lock stays with its owner [GLC-5]",
       NEEDS_PI)
{
	struct actor *owner = actor_thread(), *hasty = actor_thread(), *patient = actor_thread();
	uint32_t condition = 0, lock = 0;
	struct __kernel_timespec deadline;

	for (int others = 0; others < 2; others++) {
		ASSERT_RET(0, call_as(owner, LOCK_PI(&lock)));
		deadline = deadline_in(CLOCK_MONOTONIC, 10 * MS);
		ask(hasty, WAIT_REQUEUE_PI_UNTIL(&condition, 0, &deadline, &lock));
		wait_until(has_answered(hasty) || is_blocked_in(hasty->tid, NR_FUTEX));
		EXPECT_OK(raw_syscall(CMP_REQUEUE_PI(&condition, 1, 0, &lock, 0)));
		if (others) {
			ask(patient, LOCK_PI(&lock));
			ASSERT_TRUE(blocks(patient));
		}
		EXPECT_ERR(ETIMEDOUT, answer(hasty));
		EXPECT_TRUE(has_passed(CLOCK_MONOTONIC, &deadline));
		EXPECT_EQ(owner->tid, load(&lock) & FUTEX_TID_MASK);
		EXPECT_ERR(EPERM, call_as(hasty, UNLOCK_PI(&lock)));
		EXPECT_RET(0, call_as(owner, UNLOCK_PI(&lock)));
		if (others) {
			EXPECT_RET(0, answer(patient));
			EXPECT_RET(0, call_as(patient, UNLOCK_PI(&lock)));
		}
		EXPECT_WORD(0, &lock);
	}
}

CLAUSE(a_deadline_beyond_all_time_is_none,
       "kernel/futex/syscalls.c futex_init_timeout: the largest moment that can be named is valid, and never comes",
       NEEDS_PI)
{
	struct actor *waiter = actor_thread();
	uint32_t condition = 0, lock = 0;

	ask(waiter, WAIT_REQUEUE_PI_UNTIL(&condition, 0, &end_of_time, &lock));
	ASSERT_TRUE(blocks(waiter));
	EXPECT_RET(1, raw_syscall(CMP_REQUEUE_PI(&condition, 1, 0, &lock, 0)));
	EXPECT_RET(0, answer(waiter));
	EXPECT_WORD(waiter->tid, &lock);
}

CLAUSE(the_wait_refuses_times_that_are_none,
       "futex(2) ERRORS EINVAL: tv_sec less than zero or tv_nsec not less than 1,000,000,000 in "
       "FUTEX_WAIT_REQUEUE_PI, even when it would not wait; EFAULT for a timeout that cannot be read [GLC-7]",
       NEEDS_PI)
{
	uint32_t condition = 0, lock = 0;

	for (EACH_BAD_TIME(time)) {
		EXPECT_ERR(EINVAL, raw_syscall(WAIT_REQUEUE_PI_UNTIL(&condition, 0, time, &lock)));
		EXPECT_ERR(EINVAL, raw_syscall(WAIT_REQUEUE_PI_UNTIL(&condition, 1, time, &lock)));
	}
	EXPECT_ERR(EFAULT, raw_syscall(WAIT_REQUEUE_PI_UNTIL(&condition, 0, forbidden_page(), &lock)));
}

CLAUSE(a_signal_before_the_move_does_not_end_the_wait,
       "kernel/futex/requeue.c futex_wait_requeue_pi [3]: ERESTARTNOINTR: a handler runs, with SA_RESTART or "
       "without, and the wait goes on, to be moved as ever [GLC-5]",
       NEEDS_PI, .needed_by = "glibc:pthread_cond_wait")
{
	struct actor *waiter = actor_thread();
	uint32_t condition = 0, lock = 0;

	for (int restart = 0; restart < 2; restart++) {
		ASSERT_OK(on_interrupt(restart ? SA_RESTART : 0));
		ask(waiter, WAIT_REQUEUE_PI(&condition, 0, &lock));
		ASSERT_TRUE(blocks(waiter));
		for (int i = 0; i < 3; i++) {
			EXPECT_TRUE(is_interrupted(waiter));
			EXPECT_TRUE(blocks(waiter));
		}
		EXPECT_WORD(0, &lock);
		EXPECT_RET(1, raw_syscall(CMP_REQUEUE_PI(&condition, 1, 0, &lock, 0)));
		EXPECT_RET(0, answer(waiter));
		EXPECT_WORD(waiter->tid, &lock);
		EXPECT_RET(0, call_as(waiter, UNLOCK_PI(&lock)));
	}
}

CLAUSE(a_signal_before_the_move_lets_the_condition_be_compared_again,
       "kernel/futex/requeue.c futex_wait_requeue_pi [3]: the wait that goes on after a handler compares its word "
       "anew: EAGAIN if it has changed, without the lock",
       NEEDS_PI)
{
	struct actor *waiter = actor_thread();
	uint32_t condition = 0, lock = 0;

	ASSERT_OK(on_interrupt(0));
	ask(waiter, WAIT_REQUEUE_PI(&condition, 0, &lock));
	ASSERT_TRUE(blocks(waiter));
	store(&condition, 1);
	EXPECT_TRUE(is_interrupted(waiter));
	EXPECT_ERR(EAGAIN, answer(waiter));
	EXPECT_WORD(0, &lock);
	EXPECT_RET(0, raw_syscall(CMP_REQUEUE_PI(&condition, 1, 0, &lock, 1)));
}

CLAUSE(a_signal_after_the_move_is_eagain_without_the_lock,
       "kernel/futex/requeue.c futex_wait_requeue_pi [6]: a moved waiter that a signal interrupts returns EAGAIN "
       "after the handler, does not own the lock, and is out of its queue [GLC-5]",
       NEEDS_PI, .needed_by = "glibc:pthread_cond_wait")
{
	struct actor *owner = actor_thread(), *waiter = actor_thread();
	uint32_t condition = 0, lock = 0;

	for (int restart = 0; restart < 2; restart++) {
		ASSERT_OK(on_interrupt(restart ? SA_RESTART : 0));
		ASSERT_RET(0, call_as(owner, LOCK_PI(&lock)));
		ask(waiter, WAIT_REQUEUE_PI(&condition, 0, &lock));
		ASSERT_TRUE(blocks(waiter));
		ASSERT_RET(1, raw_syscall(CMP_REQUEUE_PI(&condition, 1, 0, &lock, 0)));
		EXPECT_TRUE(is_interrupted(waiter));
		EXPECT_ERR(EAGAIN, answer(waiter));
		EXPECT_EQ(owner->tid, load(&lock) & FUTEX_TID_MASK);
		EXPECT_ERR(EPERM, call_as(waiter, UNLOCK_PI(&lock)));
		EXPECT_RET(0, call_as(owner, UNLOCK_PI(&lock)));
		EXPECT_WORD(0, &lock);
	}
}
