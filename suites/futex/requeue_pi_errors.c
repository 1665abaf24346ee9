// SPDX-License-Identifier: GPL-2.0-only
// futex(2): what FUTEX_CMP_REQUEUE_PI and FUTEX_WAIT_REQUEUE_PI refuse, and that a refusal leaves the waiter whole.
#include "clause.h"
#include <limits.h>

#include "actor.h"
#include "futex.h"
#include "guard.h"
#include "interrupt.h"
#include "pi.h"

// One thread that waits on a condition for a lock.
struct wait {
	struct actor *waiter;
	uint32_t condition, lock;
};

static void begin_wait(struct __test_metadata *_metadata, struct wait *w)
{
	w->waiter = actor_thread();
	w->condition = w->lock = 0;
	ask(w->waiter, WAIT_REQUEUE_PI(&w->condition, 0, &w->lock));
	ASSERT_TRUE(blocks(w->waiter));
}

// The waiter is as it was: it is still there, and gets the lock when it is moved properly.
static void end_wait(struct __test_metadata *_metadata, struct wait *w)
{
	EXPECT_TRUE(blocks(w->waiter));
	store(&w->lock, 0);
	EXPECT_RET(1, raw_syscall(CMP_REQUEUE_PI(&w->condition, 1, 0, &w->lock, 0)));
	EXPECT_RET(0, answer(w->waiter));
	EXPECT_WORD(w->waiter->tid, &w->lock);
}

CLAUSE(one_waiter_and_no_other_number_may_be_woken,
       "futex(2) ERRORS EINVAL: FUTEX_CMP_REQUEUE_PI whose val is not 1 [GLC-5]",
       NEEDS_PI)
{
	static const int counts[] = { 0, 2, 3, INT_MAX, -1, INT_MIN };
	struct wait w;

	begin_wait(_metadata, &w);
	for (int i = 0; i < 6; i++) {
		EXPECT_ERR(EINVAL, raw_syscall(CMP_REQUEUE_PI(&w.condition, counts[i], 0, &w.lock, 0)));
		EXPECT_ERR(EINVAL, raw_syscall(CMP_REQUEUE_PI(&w.condition, counts[i], INT_MAX, &w.lock, 0)));
	}
	EXPECT_WORD(0, &w.lock);
	end_wait(_metadata, &w);
}

CLAUSE(a_negative_number_to_move_is_refused,
       "kernel/futex/requeue.c futex_requeue: FUTEX_CMP_REQUEUE_PI with a negative val2 is EINVAL [incident 28]",
       NEEDS_PI, .commit = "fbe0e839d1e2 futex: Prevent overflow by strengthen input validation")
{
	struct wait w;

	begin_wait(_metadata, &w);
	EXPECT_ERR(EINVAL, raw_syscall(CMP_REQUEUE_PI(&w.condition, 1, -1, &w.lock, 0)));
	EXPECT_ERR(EINVAL, raw_syscall(CMP_REQUEUE_PI(&w.condition, 1, INT_MIN, &w.lock, 0)));
	EXPECT_WORD(0, &w.lock);
	end_wait(_metadata, &w);
}

CLAUSE(condition_and_lock_must_be_two_words,
       "futex(2) ERRORS EINVAL: uaddr equals uaddr2 in FUTEX_CMP_REQUEUE_PI and in FUTEX_WAIT_REQUEUE_PI [GLC-5]",
       NEEDS_PI)
{
	uint32_t word = 0;

	EXPECT_ERR(EINVAL, raw_syscall(WAIT_REQUEUE_PI(&word, 0, &word)));
	EXPECT_ERR(EINVAL, raw_syscall(WAIT_REQUEUE_PI(&word, 1, &word)));
	EXPECT_ERR(EINVAL, raw_syscall(CMP_REQUEUE_PI(&word, 1, 0, &word, 0)));
	EXPECT_ERR(EINVAL, raw_syscall(NR_FUTEX, &word, FUTEX_WAIT_REQUEUE_PI, 0, NULL, &word, 0));
	EXPECT_ERR(EINVAL, raw_syscall(NR_FUTEX, &word, FUTEX_CMP_REQUEUE_PI, 1, 0, &word, 0));
	EXPECT_WORD(0, &word);
}

CLAUSE(a_waiter_moves_to_the_lock_it_named_and_to_no_other,
       "futex(2) ERRORS EINVAL: FUTEX_CMP_REQUEUE_PI to another futex than the matching FUTEX_WAIT_REQUEUE_PI named, "
       "be it free or held [GLC-5]",
       NEEDS_PI)
{
	struct actor *owner = actor_thread();
	uint32_t other = 0;
	struct wait w;

	begin_wait(_metadata, &w);
	EXPECT_ERR(EINVAL, raw_syscall(CMP_REQUEUE_PI(&w.condition, 1, 0, &other, 0)));
	EXPECT_ERR(EINVAL, raw_syscall(CMP_REQUEUE_PI(&w.condition, 1, 9, &other, 0)));
	EXPECT_WORD(0, &other);
	ASSERT_RET(0, call_as(owner, LOCK_PI(&other)));
	EXPECT_ERR(EINVAL, raw_syscall(CMP_REQUEUE_PI(&w.condition, 1, 0, &other, 0)));
	EXPECT_WORD(owner->tid, &other);
	end_wait(_metadata, &w);
}

CLAUSE(the_second_waiter_is_checked_like_the_first,
       "kernel/futex/requeue.c futex_requeue: of two waiters that named different locks the second is not moved to "
       "the lock of the first: EINVAL, and it can still be moved to its own",
       NEEDS_PI)
{
	struct actor *owner = actor_thread(), *second = actor_thread();
	uint32_t other = 0;
	struct wait w;

	begin_wait(_metadata, &w);
	ask(second, WAIT_REQUEUE_PI(&w.condition, 0, &other));
	ASSERT_TRUE(blocks(second));
	ASSERT_RET(0, call_as(owner, LOCK_PI(&w.lock)));
	EXPECT_ERR(EINVAL, raw_syscall(CMP_REQUEUE_PI(&w.condition, 1, 9, &w.lock, 0)));
	EXPECT_TRUE(blocks(second));
	EXPECT_RET(1, raw_syscall(CMP_REQUEUE_PI(&w.condition, 1, 0, &other, 0)));
	EXPECT_RET(0, answer(second));
	EXPECT_WORD(second->tid, &other);
	EXPECT_RET(0, call_as(owner, UNLOCK_PI(&w.lock)));
	EXPECT_RET(0, answer(w.waiter));
}

CLAUSE(waiters_of_another_kind_are_not_moved,
       "futex(2) ERRORS EINVAL: FUTEX_CMP_REQUEUE_PI finds a waiter on uaddr that waits by FUTEX_WAIT, or by "
       "FUTEX_LOCK_PI [GLC-5]",
       NEEDS_PI)
{
	struct actor *owner = actor_thread(), *waiter = actor_thread();
	uint32_t word = 0, lock = 0;

	ask(waiter, NR_FUTEX, &word, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
	ASSERT_TRUE(blocks(waiter));
	EXPECT_ERR(EINVAL, raw_syscall(CMP_REQUEUE_PI(&word, 1, 0, &lock, 0)));
	EXPECT_ERR(EINVAL, raw_syscall(CMP_REQUEUE_PI(&word, 1, 9, &lock, 0)));
	EXPECT_WORD(0, &lock);
	EXPECT_RET(1, raw_syscall(NR_FUTEX, &word, FUTEX_WAKE_PRIVATE, 9, NULL, NULL, 0));
	EXPECT_RET(0, answer(waiter));

	ASSERT_RET(0, call_as(owner, LOCK_PI(&word)));
	ask(waiter, LOCK_PI(&word));
	ASSERT_TRUE(blocks(waiter));
	EXPECT_ERR(EINVAL, raw_syscall(CMP_REQUEUE_PI(&word, 1, 0, &lock, owner->tid | FUTEX_WAITERS)));
	EXPECT_WORD(0, &lock);
	EXPECT_RET(0, call_as(owner, UNLOCK_PI(&word)));
	EXPECT_RET(0, answer(waiter));
}

CLAUSE(a_lock_on_which_someone_waits_plainly_takes_nobody,
       "futex(2) ERRORS EINVAL: FUTEX_CMP_REQUEUE_PI finds a waiter on uaddr2 that waits by FUTEX_WAIT [GLC-5]",
       NEEDS_PI)
{
	struct actor *plain = actor_thread();
	struct wait w;

	begin_wait(_metadata, &w);
	ask(plain, NR_FUTEX, &w.lock, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
	ASSERT_TRUE(blocks(plain));
	EXPECT_ERR(EINVAL, raw_syscall(CMP_REQUEUE_PI(&w.condition, 1, 0, &w.lock, 0)));
	EXPECT_WORD(0, &w.lock);
	EXPECT_RET(1, raw_syscall(NR_FUTEX, &w.lock, FUTEX_WAKE_PRIVATE, 9, NULL, NULL, 0));
	EXPECT_RET(0, answer(plain));
	end_wait(_metadata, &w);
}

CLAUSE(plain_operations_refuse_waiters_that_want_a_lock,
       "kernel/futex/waitwake.c futex_wake, requeue.c futex_requeue: FUTEX_WAKE, WAKE_BITSET, WAKE_OP, REQUEUE and "
       "CMP_REQUEUE find a waiter in FUTEX_WAIT_REQUEUE_PI: EINVAL, and it waits on [GLC-5]",
       NEEDS_PI)
{
	unsigned int keep = FUTEX_OP(FUTEX_OP_ADD, 0, FUTEX_OP_CMP_NE, 0x7ff);
	uint32_t other = 0;
	struct wait w;

	begin_wait(_metadata, &w);
	EXPECT_ERR(EINVAL, raw_syscall(NR_FUTEX, &w.condition, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0));
	EXPECT_ERR(EINVAL, raw_syscall(NR_FUTEX, &w.condition, FUTEX_WAKE_BITSET_PRIVATE, 1, NULL, NULL, 1));
	EXPECT_ERR(EINVAL, raw_syscall(NR_FUTEX, &w.condition, FUTEX_WAKE_OP_PRIVATE, 1, 1, &other, keep));
	EXPECT_ERR(EINVAL, raw_syscall(NR_FUTEX, &other, FUTEX_WAKE_OP_PRIVATE, 1, 1, &w.condition, keep));
	EXPECT_ERR(EINVAL, raw_syscall(NR_FUTEX, &w.condition, FUTEX_REQUEUE_PRIVATE, 1, 1, &other, 0));
	EXPECT_ERR(EINVAL, raw_syscall(NR_FUTEX, &w.condition, FUTEX_REQUEUE_PRIVATE, 0, 1, &other, 0));
	EXPECT_ERR(EINVAL, raw_syscall(NR_FUTEX, &w.condition, FUTEX_CMP_REQUEUE_PRIVATE, 0, 1, &w.lock, 0));
	end_wait(_metadata, &w);
}

CLAUSE(a_lock_whose_owner_cannot_be_takes_nobody,
       "futex(2) ERRORS ESRCH: the thread ID at uaddr2 does not exist; EDEADLK: it is the waiter's own; in both "
       "cases nobody is moved [GLC-5]",
       NEEDS_PI)
{
	struct wait w;

	begin_wait(_metadata, &w);
	store(&w.lock, FUTEX_TID_MASK);
	EXPECT_ERR(ESRCH, raw_syscall(CMP_REQUEUE_PI(&w.condition, 1, 0, &w.lock, 0)));
	EXPECT_EQ(FUTEX_TID_MASK, load(&w.lock) & FUTEX_TID_MASK);
	store(&w.lock, w.waiter->tid);
	EXPECT_ERR(EDEADLK, raw_syscall(CMP_REQUEUE_PI(&w.condition, 1, 9, &w.lock, 0)));
	EXPECT_WORD(w.waiter->tid, &w.lock);
	end_wait(_metadata, &w);
}

CLAUSE(a_waiter_that_could_not_be_moved_still_hears_a_signal,
       "kernel/futex/requeue.c futex_requeue_pi_complete: a refused move leaves the waiter as if it had never been "
       "tried: a signal still reaches it, and the wait still compares anew",
       NEEDS_PI)
{
	struct wait w;

	ASSERT_OK(on_interrupt(0));
	begin_wait(_metadata, &w);
	store(&w.lock, FUTEX_TID_MASK);
	EXPECT_ERR(ESRCH, raw_syscall(CMP_REQUEUE_PI(&w.condition, 1, 0, &w.lock, 0)));
	EXPECT_TRUE(is_interrupted(w.waiter));
	EXPECT_TRUE(blocks(w.waiter));
	store(&w.condition, 1);
	EXPECT_TRUE(is_interrupted(w.waiter));
	EXPECT_ERR(EAGAIN, answer(w.waiter));
}

CLAUSE(a_move_that_would_close_a_ring_is_a_deadlock,
       "futex(2) ERRORS EDEADLK: while requeueing a waiter the kernel detects a deadlock: it is not moved, and all "
       "threads can go on [GLC-5]",
       NEEDS_PI)
{
	struct actor *owner = actor_thread(), *waiter = actor_thread();
	uint32_t condition = 0, lock = 0, held = 0;

	ASSERT_OK(on_interrupt(0));
	ASSERT_RET(0, call_as(owner, LOCK_PI(&lock)));
	ASSERT_RET(0, call_as(waiter, LOCK_PI(&held)));
	ask(waiter, WAIT_REQUEUE_PI(&condition, 0, &lock));
	ASSERT_TRUE(blocks(waiter));
	ask(owner, LOCK_PI(&held));
	ASSERT_TRUE(blocks(owner));
	EXPECT_ERR(EDEADLK, raw_syscall(CMP_REQUEUE_PI(&condition, 1, 0, &lock, 0)));
	EXPECT_TRUE(blocks(waiter));
	store(&condition, 1);
	EXPECT_TRUE(is_interrupted(waiter));
	EXPECT_ERR(EAGAIN, answer(waiter));
	EXPECT_RET(0, call_as(waiter, UNLOCK_PI(&held)));
	EXPECT_RET(0, answer(owner));
	EXPECT_RET(0, call_as(owner, UNLOCK_PI(&lock)));
	EXPECT_WORD(0, &lock);
}

CLAUSE(unreachable_words_are_efault,
       "futex(2) ERRORS EFAULT: uaddr or uaddr2 of FUTEX_WAIT_REQUEUE_PI and FUTEX_CMP_REQUEUE_PI does not point "
       "into memory of the caller, or the lock may not be written",
       NEEDS_PI)
{
	static const int flags[] = { 0, FUTEX_PRIVATE_FLAG };
	uint32_t *readable = shared_memory(page_size()), *words = shared_memory(page_size());
	void *bad[] = { NULL, unmapped_page(), forbidden_page() };	// last: what is mapped later may fill the hole

	ASSERT_EQ(0, mprotect(readable, page_size(), PROT_READ));
	for (int f = 0; f < 2; f++) {
		int wait = FUTEX_WAIT_REQUEUE_PI | flags[f], move = FUTEX_CMP_REQUEUE_PI | flags[f];

		for (int i = 0; i < 3; i++) {
			EXPECT_ERR(EFAULT, raw_syscall(NR_FUTEX, bad[i], wait, 0, NULL, words, 0));
			EXPECT_ERR(EFAULT, raw_syscall(NR_FUTEX, bad[i], move, 1, 0, words, 0));
			EXPECT_ERR(EFAULT, raw_syscall(NR_FUTEX, words, move, 1, 0, bad[i], 0));
		}
	}
	EXPECT_ERR(EFAULT, raw_syscall(NR_FUTEX, words, FUTEX_WAIT_REQUEUE_PI, 0, NULL, unmapped_page(), 0));
	EXPECT_ERR(EFAULT, raw_syscall(NR_FUTEX, words, FUTEX_WAIT_REQUEUE_PI, 0, NULL, readable, 0));
	EXPECT_ERR(EFAULT, raw_syscall(NR_FUTEX, words, FUTEX_CMP_REQUEUE_PI, 1, 0, readable, 0));
	EXPECT_WORD(0, words);
}

CLAUSE(misaligned_words_are_einval,
       "futex(2) ERRORS EINVAL: uaddr or uaddr2 of FUTEX_WAIT_REQUEUE_PI and FUTEX_CMP_REQUEUE_PI is not "
       "four-byte-aligned",
       NEEDS_PI)
{
	uint32_t words[4] = { 0 };

	for (int offset = 1; offset < 4; offset++) {
		char *crooked = (char *)&words[2] + offset;

		EXPECT_ERR(EINVAL, raw_syscall(WAIT_REQUEUE_PI(crooked, 0, &words[0])));
		EXPECT_ERR(EINVAL, raw_syscall(WAIT_REQUEUE_PI(&words[0], 0, crooked)));
		EXPECT_ERR(EINVAL, raw_syscall(CMP_REQUEUE_PI(crooked, 1, 0, &words[0], 0)));
		EXPECT_ERR(EINVAL, raw_syscall(CMP_REQUEUE_PI(&words[0], 1, 0, crooked, 0)));
	}
}
