// SPDX-License-Identifier: GPL-2.0-only
// futex(2): PI locks among threads: what the word holds, who may lock and unlock, to whom the lock goes.
#include "clause.h"
#include "actor.h"
#include "guard.h"
#include "pi.h"

static const uint32_t stale_bits[] = { 0, FUTEX_WAITERS, FUTEX_OWNER_DIED, FUTEX_WAITERS | FUTEX_OWNER_DIED };

#define EACH_STALE(bits) const uint32_t *bits = stale_bits; bits < stale_bits + 4; bits++

CLAUSE(a_free_lock_is_taken_with_the_callers_tid,
       "futex(2) FUTEX_LOCK_PI: if the word is 0, the kernel sets it to the caller's TID, and to nothing else "
       "[GLC-5]",
       NEEDS_PI, .needed_by = "glibc:pthread_mutex_lock musl:pthread_mutex_lock")
{
	struct actor *a = actor_thread();
	uint32_t word = 0;

	EXPECT_RET(0, call_as(a, LOCK_PI(&word)));
	EXPECT_WORD(a->tid, &word);
	word = 0;
	EXPECT_RET(0, call_as(a, LOCK_PI_SHARED(&word)));
	EXPECT_WORD(a->tid, &word);
}

CLAUSE(trylock_takes_a_free_lock,
       "futex(2) FUTEX_TRYLOCK_PI: tries to acquire the lock; a free one then holds the caller's TID [GLC-5]",
       NEEDS_PI, .needed_by = "glibc:pthread_mutex_trylock")
{
	struct actor *a = actor_thread();
	uint32_t word = 0;

	EXPECT_RET(0, call_as(a, TRYLOCK_PI(&word)));
	EXPECT_WORD(a->tid, &word);
	word = 0;
	EXPECT_RET(0, call_as(a, TRYLOCK_PI_SHARED(&word)));
	EXPECT_WORD(a->tid, &word);
}

CLAUSE(stale_bits_do_not_keep_a_lock_from_being_taken,
       "futex(2) FUTEX_TRYLOCK_PI: the kernel acquires a lock whose word has no owner but stale FUTEX_WAITERS and "
       "FUTEX_OWNER_DIED; the first is gone then, the second stays for user space to see [GLC-5]",
       NEEDS_PI)
{
	uint32_t word;

	for (EACH_STALE(bits)) {
		word = *bits;
		EXPECT_RET(0, raw_syscall(TRYLOCK_PI(&word)));
		EXPECT_WORD(GETTID() | (*bits & FUTEX_OWNER_DIED), &word);
		word = *bits;
		EXPECT_RET(0, raw_syscall(LOCK_PI(&word)));
		EXPECT_WORD(GETTID() | (*bits & FUTEX_OWNER_DIED), &word);
	}
}

CLAUSE(a_lock_of_ones_own_is_a_deadlock,
       "futex(2) ERRORS EDEADLK: FUTEX_LOCK_PI on a word already locked by the caller; the word stays [GLC-5]",
       NEEDS_PI, .needed_by = "glibc:pthread_mutex_lock")
{
	for (EACH_STALE(bits)) {
		uint32_t word = GETTID() | *bits;

		EXPECT_ERR(EDEADLK, raw_syscall(LOCK_PI(&word)));
		EXPECT_ERR(EDEADLK, raw_syscall(LOCK_PI_SHARED(&word)));
		EXPECT_WORD(GETTID() | *bits, &word);
	}
}

CLAUSE(trylock_on_ones_own_lock_is_a_deadlock,
       "futex(2) ERRORS EDEADLK: FUTEX_TRYLOCK_PI on a word already locked by the caller; the word stays [GLC-5]",
       NEEDS_PI, .needed_by = "glibc:pthread_mutex_trylock")
{
	for (EACH_STALE(bits)) {
		uint32_t word = GETTID() | *bits;

		EXPECT_ERR(EDEADLK, raw_syscall(TRYLOCK_PI(&word)));
		EXPECT_ERR(EDEADLK, raw_syscall(TRYLOCK_PI_SHARED(&word)));
		EXPECT_WORD(GETTID() | *bits, &word);
	}
}

CLAUSE(unlock_without_waiters_clears_the_word,
       "kernel/futex/pi.c futex_unlock_pi: with no waiter in the kernel the owner's word becomes 0, stale bits and "
       "all [GLC-5]",
       NEEDS_PI, .needed_by = "glibc:pthread_mutex_unlock")
{
	for (EACH_STALE(bits)) {
		uint32_t word = GETTID() | *bits;

		EXPECT_RET(0, raw_syscall(UNLOCK_PI(&word)));
		EXPECT_WORD(0, &word);
		word = GETTID() | *bits;
		EXPECT_RET(0, raw_syscall(UNLOCK_PI_SHARED(&word)));
		EXPECT_WORD(0, &word);
	}
}

CLAUSE(only_the_owner_may_unlock,
       "futex(2) ERRORS EPERM: FUTEX_UNLOCK_PI by a thread that does not own the lock, be the word another's or "
       "nobody's; the word stays [GLC-5]",
       NEEDS_PI, .needed_by = "glibc:pthread_mutex_unlock")
{
	struct actor *a = actor_thread();
	uint32_t others[] = { GETTID(), a->tid + 1, FUTEX_TID_MASK, 0 };

	for (int i = 0; i < 4; i++)
		for (EACH_STALE(bits)) {
			uint32_t word = others[i] | *bits;

			EXPECT_ERR(EPERM, call_as(a, UNLOCK_PI(&word)));
			EXPECT_ERR(EPERM, call_as(a, UNLOCK_PI_SHARED(&word)));
			EXPECT_WORD(others[i] | *bits, &word);
		}
}

CLAUSE(neither_a_bystander_nor_a_waiter_may_unlock_a_contended_lock,
       "futex(2) FUTEX_UNLOCK_PI: must be called only by the owner, otherwise EPERM; the waiters sleep on and the "
       "lock is handed over as ever [GLC-5]",
       NEEDS_PI)
{
	struct actor *owner = actor_thread(), *waiter = actor_thread();
	uint32_t word = 0;

	ASSERT_RET(0, call_as(owner, LOCK_PI(&word)));
	ask(waiter, LOCK_PI(&word));
	ASSERT_TRUE(blocks(waiter));
	EXPECT_ERR(EPERM, raw_syscall(UNLOCK_PI(&word)));
	EXPECT_WORD(owner->tid | FUTEX_WAITERS, &word);
	EXPECT_TRUE(blocks(waiter));
	EXPECT_RET(0, call_as(owner, UNLOCK_PI(&word)));
	EXPECT_RET(0, answer(waiter));
	EXPECT_ERR(EPERM, call_as(owner, UNLOCK_PI(&word)));
	EXPECT_RET(0, call_as(waiter, UNLOCK_PI(&word)));
}

CLAUSE(a_waiter_sets_the_waiters_bit_and_no_other,
       "futex(2) FUTEX_LOCK_PI: if the word is not 0, the kernel sets FUTEX_WAITERS and waits; owner and "
       "FUTEX_OWNER_DIED stay [GLC-5]",
       NEEDS_PI)
{
	struct actor *owner = actor_thread();
	for (EACH_STALE(bits)) {
		struct actor *waiter = actor_thread();
		uint32_t *word = shared_memory(sizeof(*word));

		store(word, owner->tid | *bits);
		ask(waiter, LOCK_PI(word));
		EXPECT_TRUE(blocks(waiter));
		EXPECT_WORD(owner->tid | *bits | FUTEX_WAITERS, word);
		EXPECT_RET(0, call_as(owner, UNLOCK_PI(word)));
		EXPECT_RET(0, answer(waiter));
	}
}

CLAUSE(unlock_hands_the_lock_to_the_waiter,
       "Documentation/locking/pi-futex.rst Implementation: the waiter that gets the lock finds its own TID and "
       "FUTEX_WAITERS in the word [GLC-5]",
       NEEDS_PI, .needed_by = "glibc:pthread_mutex_unlock")
{
	struct actor *owner = actor_thread(), *waiter = actor_thread();
	uint32_t word = 0;

	for (int shared = 0; shared < 2; shared++) {
		int flag = shared ? 0 : FUTEX_PRIVATE_FLAG;

		ASSERT_RET(0, call_as(owner, PI_CALL_(FUTEX_LOCK_PI | flag, &word, NULL)));
		ask(waiter, PI_CALL_(FUTEX_LOCK_PI | flag, &word, NULL));
		ASSERT_TRUE(blocks(waiter));
		EXPECT_RET(0, call_as(owner, PI_CALL_(FUTEX_UNLOCK_PI | flag, &word, NULL)));
		EXPECT_RET(0, answer(waiter));
		EXPECT_WORD(waiter->tid | FUTEX_WAITERS, &word);
		EXPECT_RET(0, call_as(waiter, PI_CALL_(FUTEX_UNLOCK_PI | flag, &word, NULL)));
		EXPECT_WORD(0, &word);
	}
}

CLAUSE(equal_waiters_get_the_lock_one_by_one_in_the_order_they_came,
       "Documentation/locking/rt-mutex.rst: waiters of the same priority are queued in FIFO order [GLC-5]",
       NEEDS_PI)
{
	struct actor *owner = actor_thread(), *waiter[4];
	uint32_t word = 0;

	ASSERT_RET(0, call_as(owner, LOCK_PI(&word)));
	for (int i = 0; i < 4; i++) {
		waiter[i] = actor_thread();
		ask(waiter[i], LOCK_PI(&word));
		ASSERT_TRUE(blocks(waiter[i]));
	}
	EXPECT_RET(0, call_as(owner, UNLOCK_PI(&word)));
	for (int i = 0; i < 4; i++) {
		EXPECT_RET(0, answer(waiter[i]));
		EXPECT_WORD(waiter[i]->tid | FUTEX_WAITERS, &word);
		for (int later = i + 1; later < 4; later++)
			EXPECT_TRUE(blocks(waiter[later]));
		EXPECT_RET(0, call_as(waiter[i], UNLOCK_PI(&word)));
	}
	EXPECT_WORD(0, &word);
}

CLAUSE(trylock_on_a_held_lock_does_not_wait,
       "kernel/futex/pi.c futex_lock_pi: trylock on a lock that another thread holds is EAGAIN, with waiters and "
       "without, and changes neither owner nor queue [GLC-5]",
       NEEDS_PI, .needed_by = "glibc:pthread_mutex_trylock")
{
	struct actor *owner = actor_thread(), *waiter = actor_thread();
	uint32_t word = 0;

	ASSERT_RET(0, call_as(owner, LOCK_PI(&word)));
	EXPECT_ERR(EAGAIN, raw_syscall(TRYLOCK_PI(&word)));
	EXPECT_EQ(owner->tid, load(&word) & FUTEX_TID_MASK);
	EXPECT_ERR(EAGAIN, raw_syscall(TRYLOCK_PI(&word)));
	EXPECT_RET(0, call_as(owner, UNLOCK_PI(&word)));
	EXPECT_WORD(0, &word);

	ASSERT_RET(0, call_as(owner, LOCK_PI(&word)));
	ask(waiter, LOCK_PI(&word));
	ASSERT_TRUE(blocks(waiter));
	EXPECT_ERR(EAGAIN, raw_syscall(TRYLOCK_PI(&word)));
	EXPECT_WORD(owner->tid | FUTEX_WAITERS, &word);
	EXPECT_RET(0, call_as(owner, UNLOCK_PI(&word)));
	EXPECT_RET(0, answer(waiter));
	EXPECT_WORD(waiter->tid | FUTEX_WAITERS, &word);
}

CLAUSE(locks_of_one_owner_are_independent,
       "kernel/futex/pi.c futex_unlock_pi: a thread may hold several contended PI locks and give them back in any "
       "order; each goes to its own waiter",
       NEEDS_PI)
{
	struct actor *owner = actor_thread();
	static const int order[] = { 1, 2, 0 };
	struct actor *waiter[3];
	uint32_t words[3] = { 0 };

	for (int i = 0; i < 3; i++) {
		waiter[i] = actor_thread();
		ASSERT_RET(0, call_as(owner, LOCK_PI(&words[i])));
		ask(waiter[i], LOCK_PI(&words[i]));
		ASSERT_TRUE(blocks(waiter[i]));
	}
	for (int n = 0; n < 3; n++) {
		int i = order[n];

		EXPECT_RET(0, call_as(owner, UNLOCK_PI(&words[i])));
		EXPECT_RET(0, answer(waiter[i]));
		EXPECT_WORD(waiter[i]->tid | FUTEX_WAITERS, &words[i]);
		for (int later = n + 1; later < 3; later++)
			EXPECT_WORD(owner->tid | FUTEX_WAITERS, &words[order[later]]);
	}
}

CLAUSE(a_lock_may_lie_in_a_page_that_must_be_faulted_in,
       "kernel/futex/core.c fault_in_user_writeable: PI operations on a word whose page is not present, or is shared "
       "copy-on-write after a fork, fault it in and go on",
       NEEDS_PI)
{
	uint32_t *word = mmap(NULL, 2 * page_size(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint32_t *other = (void *)((char *)word + page_size());

	ASSERT_NE(MAP_FAILED, (void *)word);
	EXPECT_RET(0, raw_syscall(LOCK_PI(word)));
	EXPECT_WORD(GETTID(), word);
	EXPECT_RET(0, raw_syscall(TRYLOCK_PI_SHARED(other)));
	EXPECT_WORD(GETTID(), other);

	struct actor *copy = actor_process();	// both pages are read-only in both page tables now

	EXPECT_RET(0, raw_syscall(UNLOCK_PI(word)));
	EXPECT_RET(0, raw_syscall(UNLOCK_PI_SHARED(other)));
	EXPECT_WORD(0, word);
	EXPECT_WORD(0, other);
	EXPECT_ERR(EPERM, call_as(copy, UNLOCK_PI(word)));	// its copy still says the parent's TID
	EXPECT_TRUE(is_killed(copy));
}

#define STORM_THREADS 4
#define STORM_ROUNDS 100

struct storm {
	uint32_t word;
	volatile int inside, turns;
	volatile long bad;
};

// Takes and gives back the lock as libc does: by compare-and-swap, by the kernel when that fails.
static int storm_main(void *arg)
{
	struct storm *s = arg;
	uint32_t tid = raw_syscall(__NR_gettid), expected;
	long result = 0;

	for (int i = 0; i < STORM_ROUNDS; i++) {
		expected = 0;
		if (!__atomic_compare_exchange_n(&s->word, &expected, tid, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
			result = raw_syscall(LOCK_PI(&s->word));
		if (result || s->inside++ || (load(&s->word) & FUTEX_TID_MASK) != tid)
			break;
		s->turns++;
		if (i % 4 == 0)
			raw_syscall(__NR_sched_yield);
		s->inside--;
		expected = tid;
		if (!__atomic_compare_exchange_n(&s->word, &expected, 0, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
			result = raw_syscall(UNLOCK_PI(&s->word));
		if (result)
			break;
	}
	if (result)
		s->bad = result;
	return 0;
}

CLAUSE(a_storm_of_lockers_neither_overlaps_nor_loses_anyone,
       "Documentation/locking/pi-futex.rst: only a single owner may own a lock, and each locker gets its turn; the "
       "word is 0 when all are done [GLC-5]",
       NEEDS_PI)
{
	struct thread threads[STORM_THREADS];
	struct storm s = { 0 };

	for (int i = 0; i < STORM_THREADS; i++)
		ASSERT_OK(thread_start(&threads[i], storm_main, &s));
	for (int i = 0; i < STORM_THREADS; i++)
		ASSERT_TRUE(thread_join(&threads[i]));
	EXPECT_RET(0, s.bad);
	EXPECT_EQ(STORM_THREADS * STORM_ROUNDS, s.turns);
	EXPECT_WORD(0, &s.word);
}
