// SPDX-License-Identifier: GPL-2.0-only
// futex(2): deadlines of PI locks on their clocks, what a waiter that gives up leaves behind, signals that interrupt.
#include "clause.h"
#include "actor.h"
#include "deadline.h"
#include "guard.h"
#include "interrupt.h"
#include "pi.h"

// A lock that is held while waiter asks for it with a deadline on clock.
static void check_deadline(struct __test_metadata *_metadata, int op, int clock)
{
	struct actor *owner = actor_thread(), *waiter = actor_thread();
	struct __kernel_timespec deadline;
	uint32_t word = owner->tid;

	deadline = deadline_in(clock, 10 * MS);
	EXPECT_ERR(ETIMEDOUT, call_as(waiter, PI_CALL_(op, &word, &deadline)));
	EXPECT_TRUE(has_passed(clock, &deadline));

	deadline = deadline_in(clock, -1);
	EXPECT_ERR(ETIMEDOUT, call_as(waiter, PI_CALL_(op, &word, &deadline)));
	deadline = timespec_of(0);
	EXPECT_ERR(ETIMEDOUT, call_as(waiter, PI_CALL_(op, &word, &deadline)));
	EXPECT_EQ(owner->tid, load(&word) & FUTEX_TID_MASK);
	EXPECT_RET(0, call_as(owner, UNLOCK_PI(&word)));
	EXPECT_WORD(0, &word);
}

CLAUSE(lock_pi_waits_until_a_moment_of_the_realtime_clock,
       "futex(2) FUTEX_LOCK_PI: the timeout is absolute and measured against CLOCK_REALTIME: ETIMEDOUT not before "
       "it, at once when it has passed [GLC-5]",
       NEEDS_PI, .needed_by = "glibc:pthread_mutex_timedlock")
{
	check_deadline(_metadata, FUTEX_LOCK_PI_PRIVATE, CLOCK_REALTIME);
	check_deadline(_metadata, FUTEX_LOCK_PI, CLOCK_REALTIME);
}

CLAUSE(lock_pi2_waits_until_a_moment_of_the_monotonic_clock,
       "futex(2) FUTEX_LOCK_PI2: by default the absolute timeout is measured against CLOCK_MONOTONIC [GLC-5]",
       NEEDS_LOCK_PI2, .needed_by = "glibc:pthread_mutex_clocklock")
{
	check_deadline(_metadata, FUTEX_LOCK_PI2_PRIVATE, CLOCK_MONOTONIC);
	check_deadline(_metadata, FUTEX_LOCK_PI2, CLOCK_MONOTONIC);
}

CLAUSE(lock_pi2_waits_on_the_realtime_clock_if_told_so,
       "futex(2) FUTEX_LOCK_PI2: with FUTEX_CLOCK_REALTIME the timeout is measured against CLOCK_REALTIME [GLC-5]",
       NEEDS_LOCK_PI2)
{
	check_deadline(_metadata, FUTEX_LOCK_PI2_PRIVATE | FUTEX_CLOCK_REALTIME, CLOCK_REALTIME);
	check_deadline(_metadata, FUTEX_LOCK_PI2 | FUTEX_CLOCK_REALTIME, CLOCK_REALTIME);
}

CLAUSE(lock_pi2_is_a_lock_like_any_other,
       "futex(2) FUTEX_LOCK_PI2: apart from the clock it is the same as FUTEX_LOCK_PI: it takes a free lock, waits "
       "for a held one, and detects its own [GLC-5]",
       NEEDS_LOCK_PI2)
{
	struct actor *owner = actor_thread(), *waiter = actor_thread();
	uint32_t word = 0;

	EXPECT_RET(0, call_as(owner, LOCK_PI2(&word)));
	EXPECT_WORD(owner->tid, &word);
	EXPECT_ERR(EDEADLK, call_as(owner, LOCK_PI2(&word)));
	ask(waiter, LOCK_PI2(&word));
	ASSERT_TRUE(blocks(waiter));
	EXPECT_WORD(owner->tid | FUTEX_WAITERS, &word);
	EXPECT_RET(0, call_as(owner, UNLOCK_PI(&word)));
	EXPECT_RET(0, answer(waiter));
	EXPECT_WORD(waiter->tid | FUTEX_WAITERS, &word);
	word = FUTEX_TID_MASK;
	EXPECT_ERR(ESRCH, call_as(owner, LOCK_PI2(&word)));
	EXPECT_ERR(EINVAL, call_as(owner, LOCK_PI2((char *)&word + 2)));
	EXPECT_ERR(EFAULT, call_as(owner, LOCK_PI2(NULL)));
}

CLAUSE(a_deadline_that_has_passed_does_not_spoil_a_free_lock,
       "kernel/futex/pi.c futex_lock_pi: the timeout matters only to one who must wait: a free lock is taken",
       NEEDS_PI)
{
	struct __kernel_timespec past = timespec_of(0);
	uint32_t word = 0;

	EXPECT_RET(0, raw_syscall(LOCK_PI_UNTIL(&word, &past)));
	EXPECT_WORD(GETTID(), &word);
}

CLAUSE(a_deadline_beyond_all_time_is_none,
       "kernel/futex/syscalls.c futex_init_timeout: the largest moment that can be named is valid, and never comes",
       NEEDS_PI)
{
	struct actor *owner = actor_thread(), *waiter = actor_thread();
	uint32_t word = 0;

	ASSERT_RET(0, call_as(owner, LOCK_PI(&word)));
	ask(waiter, LOCK_PI_UNTIL(&word, &end_of_time));
	EXPECT_TRUE(blocks(waiter));
	EXPECT_RET(0, call_as(owner, UNLOCK_PI(&word)));
	EXPECT_RET(0, answer(waiter));
}

CLAUSE(lock_refuses_times_that_are_none,
       "futex(2) ERRORS EINVAL: tv_sec less than zero or tv_nsec not less than 1,000,000,000; even a free lock is "
       "not taken [GLC-7]",
       NEEDS_PI)
{
	uint32_t word = 0;

	for (EACH_BAD_TIME(time))
		EXPECT_ERR(EINVAL, raw_syscall(LOCK_PI_UNTIL(&word, time)));
	EXPECT_WORD(0, &word);
	EXPECT_ERR(EFAULT, raw_syscall(LOCK_PI_UNTIL(&word, forbidden_page())));
	EXPECT_WORD(0, &word);
}

CLAUSE(lock_pi2_refuses_times_that_are_none,
       "futex(2) ERRORS EINVAL: the timeout of FUTEX_LOCK_PI2 is checked like that of FUTEX_LOCK_PI [GLC-7]",
       NEEDS_LOCK_PI2)
{
	uint32_t word = 0;

	for (EACH_BAD_TIME(time))
		EXPECT_ERR(EINVAL, raw_syscall(LOCK_PI2_UNTIL(&word, time)));
	EXPECT_ERR(EFAULT, raw_syscall(LOCK_PI2_UNTIL(&word, forbidden_page())));
	EXPECT_WORD(0, &word);
}

CLAUSE(trylock_and_unlock_ignore_the_timeout,
       "futex(2) FUTEX_TRYLOCK_PI, FUTEX_UNLOCK_PI: the timeout argument is ignored, whatever it holds",
       NEEDS_PI)
{
	uint32_t word = 0;

	EXPECT_RET(0, raw_syscall(PI_CALL_(FUTEX_TRYLOCK_PI_PRIVATE, &word, forbidden_page())));
	EXPECT_RET(0, raw_syscall(PI_CALL_(FUTEX_UNLOCK_PI_PRIVATE, &word, forbidden_page())));
	EXPECT_RET(0, raw_syscall(PI_CALL_(FUTEX_TRYLOCK_PI_PRIVATE, &word, &bad_times[0])));
	EXPECT_RET(0, raw_syscall(PI_CALL_(FUTEX_UNLOCK_PI_PRIVATE, &word, &bad_times[0])));
	EXPECT_WORD(0, &word);
}

CLAUSE(a_waiter_that_gives_up_leaves_the_lock_and_the_queue_in_order,
       "kernel/futex/pi.c futex_lock_pi cleanup: after ETIMEDOUT the owner still owns, the other waiters get the "
       "lock, and the one that gave up does not [GLC-5]",
       NEEDS_PI)
{
	struct actor *owner = actor_thread(), *hasty = actor_thread(), *patient = actor_thread();
	struct __kernel_timespec deadline;
	uint32_t word = 0;

	for (int hasty_first = 0; hasty_first < 2; hasty_first++) {
		ASSERT_RET(0, call_as(owner, LOCK_PI(&word)));
		if (!hasty_first) {
			ask(patient, LOCK_PI(&word));
			ASSERT_TRUE(blocks(patient));
		}
		deadline = deadline_in(CLOCK_REALTIME, 5 * MS);
		ask(hasty, LOCK_PI_UNTIL(&word, &deadline));
		if (hasty_first) {
			ask(patient, LOCK_PI(&word));
			ASSERT_TRUE(blocks(patient));
		}
		EXPECT_ERR(ETIMEDOUT, answer(hasty));
		EXPECT_WORD(owner->tid | FUTEX_WAITERS, &word);
		EXPECT_ERR(EPERM, call_as(hasty, UNLOCK_PI(&word)));
		EXPECT_TRUE(blocks(patient));
		EXPECT_RET(0, call_as(owner, UNLOCK_PI(&word)));
		EXPECT_RET(0, answer(patient));
		EXPECT_WORD(patient->tid | FUTEX_WAITERS, &word);
		EXPECT_RET(0, call_as(patient, UNLOCK_PI(&word)));
		EXPECT_WORD(0, &word);
	}
}

CLAUSE(a_waiter_that_gave_up_may_come_back,
       "kernel/futex/pi.c futex_lock_pi: after ETIMEDOUT the same thread can wait for the same lock again and get it",
       NEEDS_PI)
{
	struct actor *owner = actor_thread(), *waiter = actor_thread();
	struct __kernel_timespec past = timespec_of(0);
	uint32_t word = 0;

	ASSERT_RET(0, call_as(owner, LOCK_PI(&word)));
	for (int i = 0; i < 20; i++)
		EXPECT_ERR(ETIMEDOUT, call_as(waiter, LOCK_PI_UNTIL(&word, &past)));
	ask(waiter, LOCK_PI(&word));
	ASSERT_TRUE(blocks(waiter));
	EXPECT_RET(0, call_as(owner, UNLOCK_PI(&word)));
	EXPECT_RET(0, answer(waiter));
	EXPECT_WORD(waiter->tid | FUTEX_WAITERS, &word);
}

CLAUSE(a_signal_does_not_end_a_lock_call,
       "kernel/futex/pi.c futex_lock_pi: ERESTARTNOINTR: a handler runs, with SA_RESTART or without, and the call "
       "goes on by itself until it has the lock [GLC-5]",
       NEEDS_PI, .needed_by = "glibc:pthread_mutex_lock")
{
	struct actor *owner = actor_thread(), *waiter = actor_thread();
	uint32_t word = 0;

	for (int restart = 0; restart < 2; restart++) {
		ASSERT_OK(on_interrupt(restart ? SA_RESTART : 0));
		ASSERT_RET(0, call_as(owner, LOCK_PI(&word)));
		ask(waiter, LOCK_PI(&word));
		ASSERT_TRUE(blocks(waiter));
		for (int i = 0; i < 3; i++) {
			EXPECT_TRUE(is_interrupted(waiter));
			EXPECT_TRUE(blocks(waiter));
		}
		EXPECT_EQ(owner->tid, load(&word) & FUTEX_TID_MASK);
		EXPECT_RET(0, call_as(owner, UNLOCK_PI(&word)));
		EXPECT_RET(0, answer(waiter));
		EXPECT_EQ(waiter->tid, load(&word) & FUTEX_TID_MASK);
		EXPECT_RET(0, call_as(waiter, UNLOCK_PI(&word)));
	}
}

CLAUSE(a_signal_does_not_move_the_deadline,
       "kernel/futex/pi.c futex_lock_pi: the call that goes on after a handler keeps its absolute deadline: "
       "ETIMEDOUT, not before [GLC-5]",
       NEEDS_PI)
{
	struct actor *owner = actor_thread(), *waiter = actor_thread();
	struct __kernel_timespec deadline;
	uint32_t word = 0;

	ASSERT_OK(on_interrupt(0));
	ASSERT_RET(0, call_as(owner, LOCK_PI(&word)));
	deadline = deadline_in(CLOCK_REALTIME, 20 * MS);
	ask(waiter, LOCK_PI_UNTIL(&word, &deadline));
	wait_until(has_answered(waiter) || is_blocked_in(waiter->tid, NR_FUTEX));
	EXPECT_TRUE(is_interrupted(waiter));
	EXPECT_ERR(ETIMEDOUT, answer(waiter));
	EXPECT_TRUE(has_passed(CLOCK_REALTIME, &deadline));
}

CLAUSE(stopping_and_continuing_a_waiter_does_not_end_its_call,
       "signal(7): a stopped and continued process goes on in FUTEX_LOCK_PI; it gets the lock when it is free",
       NEEDS_PI)
{
	struct actor *owner = actor_thread();
	uint32_t *word = shared_memory(sizeof(*word));
	struct actor *waiter = actor_process();

	ASSERT_RET(0, call_as(owner, LOCK_PI_SHARED(word)));
	ask(waiter, LOCK_PI_SHARED(word));
	ASSERT_TRUE(blocks(waiter));
	kill(waiter->tid, SIGSTOP);
	ASSERT_TRUE(wait_until(task_state(waiter->tid) == 'T'));
	kill(waiter->tid, SIGCONT);
	EXPECT_TRUE(blocks(waiter));
	EXPECT_RET(0, call_as(owner, UNLOCK_PI_SHARED(word)));
	EXPECT_RET(0, answer(waiter));
	EXPECT_EQ(waiter->tid, load(word) & FUTEX_TID_MASK);
	EXPECT_TRUE(is_killed(waiter));
}

CLAUSE(a_deadline_that_comes_with_the_unlock_leaves_no_doubt_about_the_owner,
       "kernel/futex/pi.c fixup_pi_owner: whether the unlock or the deadline wins, a call that returns 0 owns the "
       "lock, one that returns ETIMEDOUT does not, and the word agrees [GLC-5]",
       NEEDS_PI, .commit = "cdf71a10c7b6 futex: Prevent stale futex owner when interrupted/timeout")
{
	struct actor *waiter = actor_thread();
	struct __kernel_timespec deadline;
	uint32_t word = 0;
	long unlocked;

	for (int i = 0; i < 100; i++) {
		ASSERT_RET(0, raw_syscall(LOCK_PI(&word)));
		deadline = deadline_in(CLOCK_REALTIME, 100000);
		ask(waiter, LOCK_PI_UNTIL(&word, &deadline));
		while (clock_ns(CLOCK_REALTIME) < deadline.tv_sec * SECOND + deadline.tv_nsec - 50000 + i * 1000)
			;
		// A waiter that comes and goes between an unlock's two looks at the word is left to user space: futex_unlock_pi()
		// answers EAGAIN (5.10 to 7.2).
		do
			unlocked = raw_syscall(UNLOCK_PI(&word));
		while (unlocked == -EAGAIN);
		ASSERT_RET(0, unlocked);
		if (answer(waiter) == 0) {
			ASSERT_EQ(waiter->tid, load(&word) & FUTEX_TID_MASK);
			ASSERT_RET(0, call_as(waiter, UNLOCK_PI(&word)));
		} else {
			ASSERT_ERR(ETIMEDOUT, answer(waiter));
		}
		ASSERT_EQ(0, load(&word));
	}
}
