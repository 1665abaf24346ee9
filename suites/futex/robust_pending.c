// SPDX-License-Identifier: GPL-2.0-only
// Robust lists at a thread's death: list_op_pending in the windows of locking and unlocking that the list cannot cover.
#include "clause.h"
#include "actor.h"
#include "guard.h"
#include "pi.h"
#include "robust.h"

#define WAIT_SHARED(word, value) NR_FUTEX, word, FUTEX_WAIT, value, NULL, NULL, 0
#define WAKE_ALL(word)           NR_FUTEX, word, FUTEX_WAKE, 99, NULL, NULL, 0

// A thread with an operation pending on a lock that is not on its list.
struct dying {
	struct actor *owner;
	struct robust_list_head head;
	struct robust_lock lock, listed;
};

static void begin(struct __test_metadata *_metadata, struct dying *d, unsigned long entry_bits)
{
	memset(d, 0, sizeof(*d));
	d->owner = actor_thread();
	robust_init(&d->head);
	d->head.list_op_pending = tagged(&d->lock, entry_bits);
	ASSERT_RET(0, call_as(d->owner, SET_ROBUST_LIST(&d->head)));
}

static struct actor *waits_for(struct __test_metadata *_metadata, uint32_t *word)
{
	struct actor *waiter = actor_thread();

	ask(waiter, WAIT_SHARED(word, load(word)));
	ASSERT_TRUE(blocks(waiter));
	return waiter;
}

CLAUSE(a_lock_that_was_taken_and_not_yet_listed_is_released,
       "Documentation/locking/robust-futexes.rst: list_op_pending lets the kernel clean up if the thread dies after "
       "acquiring the lock, but before it could add it to the list [GLC-4]",
       .needed_by = "glibc:pthread_mutex_lock musl:pthread_mutex_lock")
{
	static const uint32_t bits[] = { 0, FUTEX_WAITERS, FUTEX_OWNER_DIED, FUTEX_WAITERS | FUTEX_OWNER_DIED };

	for (int i = 0; i < 4; i++) {
		struct dying d;

		begin(_metadata, &d, 0);
		store(&d.lock.word, d.owner->tid | bits[i]);
		ASSERT_TRUE(ends(d.owner));
		EXPECT_WORD((bits[i] & FUTEX_WAITERS) | FUTEX_OWNER_DIED, &d.lock.word);
	}
}

CLAUSE(a_waiter_for_a_lock_that_is_not_yet_listed_is_woken,
       "Documentation/locking/robust-futexes.rst: the lock of list_op_pending that the dead thread owns wakes one "
       "waiter, like a listed one [GLC-4]",
       .needed_by = "glibc:pthread_mutex_lock")
{
	struct actor *first, *second;
	struct dying d;

	begin(_metadata, &d, 0);
	store(&d.lock.word, d.owner->tid | FUTEX_WAITERS);
	first = waits_for(_metadata, &d.lock.word);
	second = waits_for(_metadata, &d.lock.word);
	ASSERT_TRUE(ends(d.owner));
	EXPECT_RET(0, answer(first));
	EXPECT_WORD(FUTEX_WAITERS | FUTEX_OWNER_DIED, &d.lock.word);
	EXPECT_RET(1, raw_syscall(WAKE_ALL(&d.lock.word)));
	EXPECT_RET(0, answer(second));
}

CLAUSE(an_operation_pending_before_the_lock_is_taken_writes_nothing,
       "Documentation/locking/robust-futexes.rst: list_op_pending is set before the lock is taken: if the thread "
       "dies then, the word, free or another's, stays [GLC-4]",
       .needed_by = "glibc:pthread_mutex_lock")
{
	uint32_t values[] = { 0, FUTEX_WAITERS, FUTEX_OWNER_DIED, FUTEX_OWNER_DIED | FUTEX_WAITERS, GETTID(),
			      GETTID() | FUTEX_WAITERS, GETTID() | FUTEX_OWNER_DIED };

	for (int i = 0; i < 7; i++) {
		struct dying d;

		begin(_metadata, &d, 0);
		store(&d.lock.word, values[i]);
		ASSERT_TRUE(ends(d.owner));
		EXPECT_WORD(values[i], &d.lock.word);
	}
}

CLAUSE(a_waiter_whose_wake_the_dead_owes_is_woken,
       "kernel/futex/core.c handle_futex_death 1.: a thread that dies after it unlocked the word and before it could "
       "wake wakes one waiter all the same, and does not mark the word [GLC-4] [incident 31]",
       .commit = "ca16d5bee598 futex: Prevent robust futex exit race",
       .needed_by = "glibc:pthread_mutex_unlock musl:pthread_mutex_unlock")
{
	static const uint32_t unlocked[] = { 0, FUTEX_WAITERS, FUTEX_OWNER_DIED, FUTEX_OWNER_DIED | FUTEX_WAITERS };

	for (int i = 0; i < 4; i++) {
		struct actor *first, *second;
		struct dying d;

		begin(_metadata, &d, 0);
		store(&d.lock.word, unlocked[i]);
		first = waits_for(_metadata, &d.lock.word);
		second = waits_for(_metadata, &d.lock.word);
		ASSERT_TRUE(ends(d.owner));
		EXPECT_RET(0, answer(first));
		EXPECT_WORD(unlocked[i], &d.lock.word);
		EXPECT_RET(1, raw_syscall(WAKE_ALL(&d.lock.word)));
		EXPECT_RET(0, answer(second));
	}
}

CLAUSE(a_lock_that_another_holds_with_waiters_wakes_nobody,
       "kernel/futex/core.c handle_futex_death: state C: a pending operation on a lock that another thread owns, "
       "with FUTEX_WAITERS set, needs no wake: its owner will wake")
{
	struct actor *waiter;
	struct dying d;

	begin(_metadata, &d, 0);
	store(&d.lock.word, GETTID() | FUTEX_WAITERS);
	waiter = waits_for(_metadata, &d.lock.word);
	ASSERT_TRUE(ends(d.owner));
	EXPECT_WORD(GETTID() | FUTEX_WAITERS, &d.lock.word);
	EXPECT_RET(1, raw_syscall(WAKE_ALL(&d.lock.word)));
	EXPECT_RET(0, answer(waiter));
}

CLAUSE(a_lock_that_another_has_taken_unmarked_wakes_a_waiter,
       "kernel/futex/core.c handle_futex_death: state B: the woken thread dies while another has taken the lock "
       "without FUTEX_WAITERS: the next waiter is woken, to mark it; the word stays [GLC-4]",
       .since = KERNEL(7, 2))
{
	struct actor *first, *second;
	struct dying d;

	begin(_metadata, &d, 0);
	store(&d.lock.word, GETTID());
	first = waits_for(_metadata, &d.lock.word);
	second = waits_for(_metadata, &d.lock.word);
	ASSERT_TRUE(ends(d.owner));
	EXPECT_RET(0, answer(first));
	EXPECT_WORD(GETTID(), &d.lock.word);
	EXPECT_RET(1, raw_syscall(WAKE_ALL(&d.lock.word)));
	EXPECT_RET(0, answer(second));
}

CLAUSE(a_pending_pi_operation_wakes_nobody,
       "kernel/futex/core.c handle_futex_death: the additional wake is for locks that are not PI: with the lowest "
       "bit of list_op_pending set a free word wakes nobody, and an owned one is marked",
       .config = "FUTEX_PI", .probe = pi_probe)
{
	struct actor *waiter;
	struct dying d;

	begin(_metadata, &d, PI_ENTRY);
	waiter = waits_for(_metadata, &d.lock.word);
	ASSERT_TRUE(ends(d.owner));
	EXPECT_WORD(0, &d.lock.word);
	EXPECT_RET(1, raw_syscall(WAKE_ALL(&d.lock.word)));
	EXPECT_RET(0, answer(waiter));

	begin(_metadata, &d, PI_ENTRY);
	store(&d.lock.word, d.owner->tid | FUTEX_WAITERS);
	waiter = waits_for(_metadata, &d.lock.word);
	ASSERT_TRUE(ends(d.owner));
	EXPECT_WORD(FUTEX_WAITERS | FUTEX_OWNER_DIED, &d.lock.word);
	EXPECT_RET(1, raw_syscall(WAKE_ALL(&d.lock.word)));
	EXPECT_RET(0, answer(waiter));
}

CLAUSE(a_pending_lock_that_is_listed_already_wakes_once,
       "kernel/futex/core.c exit_robust_list: a pending lock might already be on the list: it is not processed "
       "twice, and one waiter is woken [GLC-4]",
       .needed_by = "glibc:pthread_mutex_lock")
{
	struct actor *first, *second;
	struct dying d;

	begin(_metadata, &d, 0);
	robust_link(&d.head, &d.lock, 1, 0);
	d.head.list_op_pending = &d.lock.entry;
	store(&d.lock.word, d.owner->tid | FUTEX_WAITERS);
	first = waits_for(_metadata, &d.lock.word);
	second = waits_for(_metadata, &d.lock.word);
	ASSERT_TRUE(ends(d.owner));
	EXPECT_RET(0, answer(first));
	EXPECT_WORD(FUTEX_WAITERS | FUTEX_OWNER_DIED, &d.lock.word);
	EXPECT_RET(1, raw_syscall(WAKE_ALL(&d.lock.word)));
	EXPECT_RET(0, answer(second));
}

CLAUSE(a_listed_lock_that_is_not_pending_wakes_nobody_when_it_is_free,
       "kernel/futex/core.c handle_futex_death: a free word of the list, with no operation pending, is not the dead "
       "thread's business: nobody is woken")
{
	struct actor *waiter;
	struct dying d;

	begin(_metadata, &d, 0);
	robust_link(&d.head, &d.listed, 1, 0);
	waiter = waits_for(_metadata, &d.listed.word);
	ASSERT_TRUE(ends(d.owner));
	EXPECT_WORD(0, &d.listed.word);
	EXPECT_RET(1, raw_syscall(WAKE_ALL(&d.listed.word)));
	EXPECT_RET(0, answer(waiter));
}

CLAUSE(the_list_and_the_pending_operation_are_both_handled,
       "Documentation/locking/robust-futex-ABI.rst: on exit the kernel considers the address in list_op_pending and "
       "each word found by walking the list [GLC-4]",
       .needed_by = "glibc:pthread_mutex_lock")
{
	struct dying d;

	begin(_metadata, &d, 0);
	robust_link(&d.head, &d.listed, 1, 0);
	d.head.list_op_pending = &d.lock.entry;
	store(&d.listed.word, d.owner->tid);
	store(&d.lock.word, d.owner->tid | FUTEX_WAITERS);
	ASSERT_TRUE(ends(d.owner));
	EXPECT_WORD(FUTEX_OWNER_DIED, &d.listed.word);
	EXPECT_WORD(FUTEX_OWNER_DIED | FUTEX_WAITERS, &d.lock.word);
}

CLAUSE(a_pending_operation_on_nothing_does_not_keep_a_thread_from_ending,
       "Documentation/locking/robust-futex-ABI.rst: an invalid address in list_op_pending is passed over silently; "
       "the list has been handled before it")
{
	void *nowhere[] = { forbidden_page(), unmapped_page(), (void *)-4096L, (void *)2 };

	for (int i = 0; i < 4; i++) {
		struct dying d;

		begin(_metadata, &d, 0);
		robust_link(&d.head, &d.listed, 1, 0);
		d.head.list_op_pending = nowhere[i];
		store(&d.listed.word, d.owner->tid);
		EXPECT_TRUE(ends(d.owner));
		EXPECT_WORD(FUTEX_OWNER_DIED, &d.listed.word);
	}
}

CLAUSE(a_pending_pi_lock_goes_to_its_waiter,
       "kernel/futex/core.c futex_cleanup: a PI lock that was taken and not yet listed is marked through "
       "list_op_pending, and goes to its waiter with FUTEX_OWNER_DIED [GLC-4] [GLC-5]",
       .config = "FUTEX_PI", .probe = pi_probe, .needed_by = "glibc:pthread_mutex_lock")
{
	struct actor *waiter = actor_thread();
	struct dying d;

	begin(_metadata, &d, PI_ENTRY);
	ASSERT_RET(0, call_as(d.owner, LOCK_PI_SHARED(&d.lock.word)));
	ask(waiter, LOCK_PI_SHARED(&d.lock.word));
	ASSERT_TRUE(blocks(waiter));
	ask(d.owner, __NR_exit, 0);
	EXPECT_RET(0, answer(waiter));
	EXPECT_WORD(waiter->tid | FUTEX_WAITERS | FUTEX_OWNER_DIED, &d.lock.word);
}

// What an unlocking process and the clause share.
struct race {
	struct robust_list_head head;
	struct robust_lock lock;
	volatile int turns;
};

// Locks and unlocks a robust lock without end, as a libc does, until it is killed.
static int race_main(void *arg)
{
	struct race *r = arg;
	uint32_t tid = raw_syscall(__NR_gettid), expected;

	raw_syscall(__NR_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	robust_init(&r->head);
	raw_syscall(SET_ROBUST_LIST(&r->head));
	for (;; r->turns++) {
		__atomic_store_n(&r->head.list_op_pending, &r->lock.entry, __ATOMIC_SEQ_CST);
		expected = 0;
		if (__atomic_compare_exchange_n(&r->lock.word, &expected, tid, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) {
			r->lock.entry.next = &r->head.list;
			__atomic_store_n(&r->head.list.next, &r->lock.entry, __ATOMIC_SEQ_CST);
			__atomic_store_n(&r->head.list_op_pending, NULL, __ATOMIC_SEQ_CST);

			__atomic_store_n(&r->head.list_op_pending, &r->lock.entry, __ATOMIC_SEQ_CST);
			__atomic_store_n(&r->head.list.next, &r->head.list, __ATOMIC_SEQ_CST);
			if (__atomic_exchange_n(&r->lock.word, 0, __ATOMIC_SEQ_CST) & FUTEX_WAITERS)
				raw_syscall(NR_FUTEX, &r->lock.word, FUTEX_WAKE, 1, NULL, NULL, 0);
		}
		__atomic_store_n(&r->head.list_op_pending, NULL, __ATOMIC_SEQ_CST);
	}
	return 0;
}

// Takes the lock as a libc does: marks it when it is held, waits, tries again.
static int heir_main(void *arg)
{
	struct race *r = arg;
	uint32_t tid = raw_syscall(__NR_gettid), word;

	for (;;) {
		word = load(&r->lock.word);
		if (!(word & FUTEX_TID_MASK)) {
			if (__atomic_compare_exchange_n(&r->lock.word, &word, tid | FUTEX_WAITERS, false, __ATOMIC_SEQ_CST,
							__ATOMIC_SEQ_CST))
				return 0;
		} else if ((word & FUTEX_WAITERS) ||
			   __atomic_compare_exchange_n(&r->lock.word, &word, word | FUTEX_WAITERS, false, __ATOMIC_SEQ_CST,
						       __ATOMIC_SEQ_CST)) {
			raw_syscall(WAIT_SHARED(&r->lock.word, word | FUTEX_WAITERS));
		}
	}
}

CLAUSE(a_process_killed_anywhere_in_lock_and_unlock_leaves_no_waiter_behind,
       "Documentation/locking/robust-futexes.rst: wherever between locking, listing, unlisting, unlocking and waking "
       "the owner is killed, a waiter gets the lock [GLC-4] [incident 31]",
       .commit = "ca16d5bee598 futex: Prevent robust futex exit race", .needed_by = "glibc:pthread_mutex_lock")
{
	for (int i = 0; i < 12; i++) {
		struct race *r = shared_memory(sizeof(*r));
		char *stack = shared_memory(THREAD_STACK);
		struct thread heir;
		int status;
		long child = raw_clone(SIGCHLD, stack + THREAD_STACK, race_main, r, NULL, NULL, NULL);

		ASSERT_OK(child);
		ASSERT_TRUE(wait_until(r->turns > 10));
		ASSERT_OK(thread_start(&heir, heir_main, r));
		for (volatile int spin = 0; spin < i * 1000; spin++)
			;
		kill(child, SIGKILL);
		ASSERT_EQ(child, waitpid(child, &status, 0));
		ASSERT_TRUE(thread_join(&heir));
		ASSERT_EQ(heir.known_as, load(&r->lock.word) & FUTEX_TID_MASK);
		munmap(r, sizeof(*r));
		munmap(stack, THREAD_STACK);
	}
}
