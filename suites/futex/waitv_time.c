// SPDX-License-Identifier: GPL-2.0-only
// futex_waitv(2): absolute deadlines on two clocks, signals with and without SA_RESTART, and what they leave behind.
#include "clause.h"
#include "actor.h"
#include "deadline.h"
#include "guard.h"
#include "interrupt.h"
#include "waitv.h"

#define WORDS 3

// A thread and the words it waits on.
struct wait {
	struct actor *waiter;
	struct futex_waitv entries[WORDS];
	uint32_t words[WORDS];
};

static void prepare(struct wait *w)
{
	memset(w, 0, sizeof(*w));
	w->waiter = actor_thread();
	fill_entries(w->entries, w->words, WORDS, PRIVATE_U32);
}

static void expect_nobody_queued(struct __test_metadata *_metadata, struct wait *w)
{
	for (int i = 0; i < WORDS; i++)
		EXPECT_RET(0, futex_wake(&w->words[i], 9));
}

static void check_deadline(struct __test_metadata *_metadata, int clock)
{
	struct __kernel_timespec deadline;
	struct wait w;

	prepare(&w);
	deadline = deadline_in(clock, 10 * MS);
	EXPECT_ERR(ETIMEDOUT, call_as(w.waiter, WAITV_UNTIL(w.entries, WORDS, &deadline, clock)));
	EXPECT_TRUE(has_passed(clock, &deadline));
	deadline = deadline_in(clock, -1);
	EXPECT_ERR(ETIMEDOUT, call_as(w.waiter, WAITV_UNTIL(w.entries, WORDS, &deadline, clock)));
	deadline = timespec_of(0);
	EXPECT_ERR(ETIMEDOUT, call_as(w.waiter, WAITV_UNTIL(w.entries, WORDS, &deadline, clock)));
	expect_nobody_queued(_metadata, &w);
}

CLAUSE(the_wait_ends_at_a_moment_of_the_monotonic_clock,
       "Documentation/userspace-api/futex2.rst Timeout: an absolute timeout on CLOCK_MONOTONIC: ETIMEDOUT, not "
       "before it, at once when it has passed, and nothing stays queued",
       NEEDS_WAITV)
{
	check_deadline(_metadata, CLOCK_MONOTONIC);
}

CLAUSE(the_wait_ends_at_a_moment_of_the_realtime_clock,
       "Documentation/userspace-api/futex2.rst Timeout: an absolute timeout on CLOCK_REALTIME: ETIMEDOUT, not before "
       "it, at once when it has passed, and nothing stays queued",
       NEEDS_WAITV)
{
	check_deadline(_metadata, CLOCK_REALTIME);
}

CLAUSE(other_clocks_are_refused,
       "Documentation/userspace-api/futex2.rst Timeout: CLOCK_MONOTONIC and CLOCK_REALTIME are supported: every "
       "other clock is EINVAL",
       NEEDS_WAITV)
{
	static const int clocks[] = { CLOCK_PROCESS_CPUTIME_ID, CLOCK_THREAD_CPUTIME_ID, CLOCK_MONOTONIC_RAW,
				      CLOCK_REALTIME_COARSE, CLOCK_MONOTONIC_COARSE, CLOCK_BOOTTIME, CLOCK_REALTIME_ALARM,
				      CLOCK_BOOTTIME_ALARM, CLOCK_TAI, 10, 12, 64, 256, -1, INT_MIN, INT_MAX };
	struct __kernel_timespec past = timespec_of(1);
	struct wait w;

	prepare(&w);
	FOR_EACH(i, clocks)
		EXPECT_ERR(EINVAL, raw_syscall(WAITV_UNTIL(w.entries, WORDS, &past, clocks[i])));
	expect_nobody_queued(_metadata, &w);
}

CLAUSE(times_that_are_none_are_refused,
       "futex(2) ERRORS EINVAL: tv_sec less than zero or tv_nsec not less than 1,000,000,000, on either clock, even "
       "if a word differs; EFAULT for a timeout that cannot be read [GLC-7]",
       NEEDS_WAITV)
{
	struct wait w;

	prepare(&w);
	for (int differs = 0; differs < 2; differs++) {
		w.entries[0].val = differs;
		for (EACH_BAD_TIME(time)) {
			EXPECT_ERR(EINVAL, raw_syscall(WAITV_UNTIL(w.entries, WORDS, time, CLOCK_MONOTONIC)));
			EXPECT_ERR(EINVAL, raw_syscall(WAITV_UNTIL(w.entries, WORDS, time, CLOCK_REALTIME)));
		}
		EXPECT_ERR(EFAULT, raw_syscall(WAITV_UNTIL(w.entries, WORDS, forbidden_page(), CLOCK_MONOTONIC)));
	}
	expect_nobody_queued(_metadata, &w);
}

CLAUSE(a_deadline_beyond_all_time_is_none,
       "kernel/futex/syscalls.c futex_init_timeout: the largest moment that can be named is valid, and never comes",
       NEEDS_WAITV)
{
	static const int clocks[] = { CLOCK_MONOTONIC, CLOCK_REALTIME };

	FOR_EACH(i, clocks) {
		struct wait w;

		prepare(&w);
		ask(w.waiter, WAITV_UNTIL(w.entries, WORDS, &end_of_time, clocks[i]));
		EXPECT_TRUE(blocks(w.waiter));
		EXPECT_RET(1, futex_wake(&w.words[1], 9));
		EXPECT_RET(1, answer(w.waiter));
	}
}

CLAUSE(a_word_that_differs_comes_before_a_deadline_that_has_passed,
       "Documentation/userspace-api/futex2.rst: the words are compared before the call waits: EAGAIN, whatever the "
       "deadline",
       NEEDS_WAITV)
{
	struct __kernel_timespec past = timespec_of(1);
	struct wait w;

	prepare(&w);
	w.entries[WORDS - 1].val = 1;
	EXPECT_ERR(EAGAIN, raw_syscall(WAITV_UNTIL(w.entries, WORDS, &past, CLOCK_MONOTONIC)));
	EXPECT_ERR(EAGAIN, raw_syscall(WAITV_UNTIL(w.entries, WORDS, &past, CLOCK_REALTIME)));
}

CLAUSE(a_wake_ends_a_wait_with_a_deadline,
       "Documentation/userspace-api/futex2.rst: a wake before the deadline returns the index, on either clock",
       NEEDS_WAITV)
{
	static const int clocks[] = { CLOCK_MONOTONIC, CLOCK_REALTIME };

	FOR_EACH(i, clocks) {
		struct __kernel_timespec deadline = deadline_in(clocks[i], 3600 * SECOND);
		struct wait w;

		prepare(&w);
		ask(w.waiter, WAITV_UNTIL(w.entries, WORDS, &deadline, clocks[i]));
		ASSERT_TRUE(blocks(w.waiter));
		EXPECT_RET(1, futex_wake(&w.words[2], 9));
		EXPECT_RET(2, answer(w.waiter));
	}
}

CLAUSE(a_handler_without_sa_restart_ends_the_wait,
       "signal(7): a handler without SA_RESTART interrupts futex_waitv, with a deadline or without: EINTR, and "
       "nothing stays queued",
       NEEDS_WAITV)
{
	struct __kernel_timespec deadline = deadline_in(CLOCK_MONOTONIC, 3600 * SECOND);

	ASSERT_OK(on_interrupt(0));
	for (int timed = 0; timed < 2; timed++) {
		struct wait w;

		prepare(&w);
		ask(w.waiter, WAITV_UNTIL(w.entries, WORDS, timed ? &deadline : NULL, CLOCK_MONOTONIC));
		ASSERT_TRUE(blocks(w.waiter));
		EXPECT_TRUE(is_interrupted(w.waiter));
		EXPECT_ERR(EINTR, answer(w.waiter));
		expect_nobody_queued(_metadata, &w);
	}
}

CLAUSE(a_handler_with_sa_restart_lets_the_wait_go_on,
       "Documentation/userspace-api/futex2.rst: a signal returns -ERESTARTSYS: with SA_RESTART the wait goes on "
       "after the handler, each word queued once, until it is woken",
       NEEDS_WAITV)
{
	struct __kernel_timespec deadline = deadline_in(CLOCK_MONOTONIC, 3600 * SECOND);

	ASSERT_OK(on_interrupt(SA_RESTART));
	for (int timed = 0; timed < 2; timed++) {
		struct wait w;

		prepare(&w);
		ask(w.waiter, WAITV_UNTIL(w.entries, WORDS, timed ? &deadline : NULL, CLOCK_MONOTONIC));
		ASSERT_TRUE(blocks(w.waiter));
		for (int i = 0; i < 3; i++) {
			EXPECT_TRUE(is_interrupted(w.waiter));
			EXPECT_TRUE(blocks(w.waiter));
		}
		EXPECT_RET(1, futex_wake(&w.words[1], 9));
		EXPECT_RET(1, answer(w.waiter));
		expect_nobody_queued(_metadata, &w);
	}
}

CLAUSE(a_wait_that_goes_on_compares_its_words_anew,
       "signal(7) SA_RESTART: the call is made again after the handler: a word that has changed by then is EAGAIN",
       NEEDS_WAITV)
{
	struct wait w;

	ASSERT_OK(on_interrupt(SA_RESTART));
	prepare(&w);
	ask(w.waiter, WAITV(w.entries, WORDS));
	ASSERT_TRUE(blocks(w.waiter));
	__atomic_store_n(&w.words[2], 1, __ATOMIC_SEQ_CST);
	EXPECT_TRUE(is_interrupted(w.waiter));
	EXPECT_ERR(EAGAIN, answer(w.waiter));
	expect_nobody_queued(_metadata, &w);
}

CLAUSE(a_wait_that_goes_on_keeps_its_deadline,
       "signal(7) SA_RESTART: the deadline is absolute: after a handler the wait still ends at it: ETIMEDOUT, not "
       "before",
       NEEDS_WAITV)
{
	struct __kernel_timespec deadline;
	struct wait w;

	ASSERT_OK(on_interrupt(SA_RESTART));
	prepare(&w);
	deadline = deadline_in(CLOCK_MONOTONIC, 20 * MS);
	ask(w.waiter, WAITV_UNTIL(w.entries, WORDS, &deadline, CLOCK_MONOTONIC));
	wait_until(has_answered(w.waiter) || is_blocked_in(w.waiter->tid, __NR_futex_waitv));
	EXPECT_TRUE(is_interrupted(w.waiter));
	EXPECT_ERR(ETIMEDOUT, answer(w.waiter));
	EXPECT_TRUE(has_passed(CLOCK_MONOTONIC, &deadline));
}
