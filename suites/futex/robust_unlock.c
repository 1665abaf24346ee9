// SPDX-License-Identifier: GPL-2.0-only
// FUTEX_ROBUST_UNLOCK (Linux 7.2): unlocking a word, clearing list_op_pending and waking, in one call.
#include "clause.h"
#include "actor.h"
#include "futex.h"
#include "guard.h"
#include "pi.h"
#include "robust.h"
#include "uapi.h"

// The pointer to clear is of the width of the ABI; the 32-bit one has a flag of its own.
#define UNLOCK (FUTEX_ROBUST_UNLOCK | (sizeof(long) == 4 ? FUTEX_ROBUST_LIST32 : 0))

static long robust_unlock_probe(void)
{
	uint32_t word = 0;
	void *pending = NULL;

	return futex_call(&word, FUTEX_WAKE_PRIVATE | UNLOCK, 1, NULL, &pending, 0);
}

#define NEEDS_ROBUST_UNLOCK .since = KERNEL(7, 2), .probe = robust_unlock_probe

static const int flags[] = { FUTEX_PRIVATE_FLAG, 0 };

CLAUSE(the_word_is_unlocked_the_pointer_cleared_and_a_waiter_woken,
       "Documentation/locking/robust-futex-ABI.rst Robust release: FUTEX_WAKE with FUTEX_ROBUST_UNLOCK sets the word "
       "to zero, clears list_op_pending, and goes on with the normal wake [GLC-4]",
       NEEDS_ROBUST_UNLOCK)
{
	FOR_EACH(f, flags) {
		struct robust_lock lock = { .word = 5 | FUTEX_WAITERS };
		void *pending = &lock;
		struct actor *first = actor_thread(), *second = actor_thread();

		ask(first, NR_FUTEX, &lock.word, FUTEX_WAIT | flags[f], lock.word, NULL, NULL, 0);
		ASSERT_TRUE(blocks(first));
		ask(second, NR_FUTEX, &lock.word, FUTEX_WAIT | flags[f], lock.word, NULL, NULL, 0);
		ASSERT_TRUE(blocks(second));
		EXPECT_RET(1, futex_call(&lock.word, FUTEX_WAKE | flags[f] | UNLOCK, 1, NULL, &pending, 0));
		EXPECT_WORD(0, &lock.word);
		EXPECT_EQ(NULL, pending);
		EXPECT_RET(0, answer(first));
		EXPECT_RET(1, futex_call(&lock.word, FUTEX_WAKE | flags[f], 9, NULL, NULL, 0));
		EXPECT_RET(0, answer(second));
	}
}

CLAUSE(without_a_waiter_the_word_is_unlocked_all_the_same,
       "Documentation/locking/robust-futex-ABI.rst Robust release: with nobody to wake the word becomes zero, the "
       "pointer is cleared, and the call returns 0",
       NEEDS_ROBUST_UNLOCK)
{
	FOR_EACH(f, flags) {
		uint32_t word = GETTID() | FUTEX_WAITERS;
		void *pending = &word;

		EXPECT_RET(0, futex_call(&word, FUTEX_WAKE | flags[f] | UNLOCK, 1, NULL, &pending, 0));
		EXPECT_WORD(0, &word);
		EXPECT_EQ(NULL, pending);
	}
}

CLAUSE(a_mask_chooses_whom_the_unlock_wakes,
       "Documentation/locking/robust-futex-ABI.rst Robust release: FUTEX_WAKE_BITSET takes FUTEX_ROBUST_UNLOCK too; "
       "a mask of 0 is EINVAL before anything is written",
       NEEDS_ROBUST_UNLOCK)
{
	struct actor *a = actor_thread();
	uint32_t word = 5;
	void *pending = &word;

	ask(a, NR_FUTEX, &word, FUTEX_WAIT_BITSET_PRIVATE, 5, NULL, NULL, 0x10);
	ASSERT_TRUE(blocks(a));
	EXPECT_ERR(EINVAL, futex_call(&word, FUTEX_WAKE_BITSET_PRIVATE | UNLOCK, 1, NULL, &pending, 0));
	EXPECT_WORD(5, &word);
	EXPECT_EQ((void *)&word, pending);
	EXPECT_RET(0, futex_call(&word, FUTEX_WAKE_BITSET_PRIVATE | UNLOCK, 1, NULL, &pending, 0x20));
	EXPECT_WORD(0, &word);
	EXPECT_EQ(NULL, pending);
	EXPECT_RET(1, futex_call(&word, FUTEX_WAKE_BITSET_PRIVATE | UNLOCK, 1, NULL, &pending, 0x30));
	EXPECT_RET(0, answer(a));
}

CLAUSE(a_pi_lock_is_handed_over_and_the_pointer_cleared,
       "Documentation/locking/robust-futex-ABI.rst Robust release: FUTEX_UNLOCK_PI takes FUTEX_ROBUST_UNLOCK: the "
       "lock goes to the waiter as ever; where the unlock fails the pointer stays [GLC-4] [GLC-5]",
       NEEDS_ROBUST_UNLOCK)
{
	struct actor *owner = actor_thread(), *waiter = actor_thread();
	uint32_t word = owner->tid;
	void *pending = &word;

	if (pi_probe() == -ENOSYS)
		ABSENT("no PI futexes");
	ask(waiter, LOCK_PI(&word));
	ASSERT_TRUE(blocks(waiter));
	EXPECT_ERR(EPERM, futex_call(&word, FUTEX_UNLOCK_PI_PRIVATE | UNLOCK, 0, NULL, &pending, 0));
	EXPECT_WORD(owner->tid | FUTEX_WAITERS, &word);
	EXPECT_EQ((void *)&word, pending);
	EXPECT_RET(0, call_as(owner, NR_FUTEX, &word, FUTEX_UNLOCK_PI_PRIVATE | UNLOCK, 0, NULL, &pending, 0));
	EXPECT_EQ(NULL, pending);
	EXPECT_RET(0, answer(waiter));
	EXPECT_WORD(waiter->tid | FUTEX_WAITERS, &word);
}

CLAUSE(the_32_bit_flag_clears_32_bits,
       "include/uapi/linux/futex.h FUTEX_ROBUST_LIST32: the pointer to clear is 32 bits wide: what stands behind it "
       "is not touched; a pointer of the ABI's own width is cleared whole",
       NEEDS_ROBUST_UNLOCK)
{
	// A 64-bit kernel that runs no 32-bit programs has no such pointers: futex_robust_list_clear_pending() of 7.2.
	const bool knows_32_bits = sizeof(long) == 4 || config_is_set("COMPAT") != 0;
	uint32_t pending[4] = { 1, 2, 3, 4 }, word = 5;
	long result;

	result = futex_call(&word, FUTEX_WAKE_PRIVATE | FUTEX_ROBUST_UNLOCK | FUTEX_ROBUST_LIST32, 1, NULL, &pending[1], 0);
	EXPECT_RET(knows_32_bits ? 0 : -EFAULT, result);
	EXPECT_WORD(0, &word);
	EXPECT_EQ(1, pending[0]);
	EXPECT_EQ(knows_32_bits ? 0 : 2, pending[1]);
	EXPECT_EQ(3, pending[2]);
	memset(pending, 0xff, sizeof(pending));
	EXPECT_RET(0, futex_call(&word, FUTEX_WAKE_PRIVATE | UNLOCK, 1, NULL, pending, 0));
	for (unsigned int i = 0; i < 4; i++)
		EXPECT_EQ(i < sizeof(long) / 4 ? 0 : 0xffffffff, pending[i]);
}

CLAUSE(other_operations_do_not_know_the_flag,
       "kernel/futex/syscalls.c do_futex: FUTEX_ROBUST_UNLOCK with another operation than FUTEX_WAKE, "
       "FUTEX_WAKE_BITSET and FUTEX_UNLOCK_PI is ENOSYS, and nothing is written",
       NEEDS_ROBUST_UNLOCK)
{
	static const int ops[] = { FUTEX_WAIT, FUTEX_REQUEUE, FUTEX_CMP_REQUEUE, FUTEX_WAKE_OP, FUTEX_LOCK_PI,
				   FUTEX_TRYLOCK_PI,
				   FUTEX_WAIT_BITSET, FUTEX_WAIT_REQUEUE_PI, FUTEX_CMP_REQUEUE_PI, FUTEX_LOCK_PI2 };
	uint32_t word = 5, pending[2] = { 6, 7 };

	FOR_EACH(i, ops)
		FOR_EACH(f, flags)
			EXPECT_ERR(ENOSYS, futex_call(&word, ops[i] | flags[f] | UNLOCK, 1, NULL, pending, 1));
	EXPECT_WORD(5, &word);
	EXPECT_EQ(6, pending[0]);
	EXPECT_EQ(7, pending[1]);
}

CLAUSE(what_cannot_be_written_is_efault_and_what_is_misaligned_einval,
       "futex(2) ERRORS EFAULT, EINVAL: the word or the pointer to clear is not in memory of the caller, or the word "
       "is not aligned: then the pointer stays",
       NEEDS_ROBUST_UNLOCK)
{
	uint32_t *readable = shared_memory(page_size()), words[2] = { 5, 5 };
	void *pending = words;

	ASSERT_EQ(0, mprotect(readable, page_size(), PROT_READ));
	FOR_EACH(f, flags) {
		int op = FUTEX_WAKE | flags[f] | UNLOCK;

		EXPECT_ERR(EFAULT, futex_call(forbidden_page(), op, 1, NULL, &pending, 0));
		EXPECT_ERR(EFAULT, futex_call(readable, op, 1, NULL, &pending, 0));
		for (int offset = 1; offset < 4; offset++)
			EXPECT_ERR(EINVAL, futex_call((char *)words + offset, op, 1, NULL, &pending, 0));
		EXPECT_EQ((void *)words, pending);
		EXPECT_WORD(5, &words[0]);
		EXPECT_ERR(EFAULT, futex_call(&words[1], op, 1, NULL, NULL, 0));
		EXPECT_ERR(EFAULT, futex_call(&words[1], op, 1, NULL, forbidden_page(), 0));
		EXPECT_ERR(EFAULT, futex_call(&words[1], op, 1, NULL, readable, 0));
	}
}

CLAUSE(a_thread_that_dies_after_the_unlock_owes_nothing,
       "Documentation/locking/robust-futex-ABI.rst Robust release: when the call has returned the kernel will not "
       "look at the lock any more, be the memory another's by then [GLC-4]",
       NEEDS_ROBUST_UNLOCK)
{
	struct actor *owner = actor_thread(), *waiter = actor_thread();
	struct robust_list_head head;
	struct robust_lock lock = { .word = 0 };

	robust_init(&head);
	head.list_op_pending = &lock.entry;
	store(&lock.word, owner->tid);
	ASSERT_RET(0, call_as(owner, SET_ROBUST_LIST(&head)));
	EXPECT_RET(0, call_as(owner, NR_FUTEX, &lock.word, FUTEX_WAKE | UNLOCK, 1, NULL, &head.list_op_pending, 0));
	EXPECT_EQ(NULL, (void *)head.list_op_pending);
	store(&lock.word, owner->tid);	// looks owned, and is none of the thread's business
	ask(waiter, NR_FUTEX, &lock.word, FUTEX_WAIT, owner->tid, NULL, NULL, 0);
	ASSERT_TRUE(blocks(waiter));
	ASSERT_TRUE(ends(owner));
	EXPECT_WORD(owner->tid, &lock.word);
	EXPECT_RET(1, futex_call(&lock.word, FUTEX_WAKE, 9, NULL, NULL, 0));
	EXPECT_RET(0, answer(waiter));
}
