// SPDX-License-Identifier: GPL-2.0-only
// futex(2): words in pages that are not there yet, not there any more, or shared with a child until the next write.
//
// The kernel reads and writes words where it may not wait for a page. It must bring the page in and begin again: the
// call does what it does to a page that is at hand.
#include "clause.h"
#include <limits.h>

#include "actor.h"
#include "guard.h"
#include "pi.h"
#include "robust.h"

// One word in a page of its own, so that nothing else brings the page back.
static uint32_t *lone_word(void)
{
	uint32_t *word = mmap(NULL, page_size(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (word == MAP_FAILED)
		actor_die("mmap", -errno);
	return word;
}

// The page is thrown away: it is zero when it comes back.
static void drop(uint32_t *word)
{
	if (madvise(word, page_size(), MADV_DONTNEED))
		actor_die("madvise", -errno);
}

static void touch_not(uint32_t *word)
{
}

// A child has the same page until one of both writes to it. It lives until the clause ends.
static void share_with_a_child(uint32_t *word)
{
	actor_process();
}

// What becomes of the page of a word that is 0, just before the call.
static const struct { const char *name; void (*befalls)(uint32_t *word); } fates[] = {
	{ "never touched", touch_not }, { "thrown away", drop }, { "shared with a child", share_with_a_child },
};

#define FOR_EACH_FATE(f) for (unsigned int f = 0; f < sizeof(fates) / sizeof(*fates); f++)

// A word of value 0 to which fate f has come.
static uint32_t *fated_word(int f)
{
	uint32_t *word = lone_word();

	if (fates[f].befalls != touch_not)
		store(word, 0);
	fates[f].befalls(word);
	return word;
}

// As ASSERT_RET, and says which page it was.
#define ASSERT_FATE(f, want, call) do {								\
	char seen_[RESULT_TEXT];								\
	long fate_ = (call);									\
	ASSERT_EQ(want, fate_) {								\
		TH_LOG("in a page %s: %s", fates[f].name, result_text(seen_, fate_));		\
	}											\
} while (0)

CLAUSE(calls_that_read_a_word_bring_its_page_in,
       "kernel/futex/requeue.c futex_requeue, futex_wait_setup (5.10 to 7.2): a word in a page that is not present "
       "is read all the same: FUTEX_WAIT and FUTEX_CMP_REQUEUE compare it, and wake and move who waits there",
       .needed_by = "go:futexsleep glibc:pthread_cond_broadcast")
{
	const struct __kernel_timespec at_once = { 0, 0 };

	FOR_EACH_FATE(f) {
		for (int flag = 0; flag <= FUTEX_PRIVATE_FLAG; flag += FUTEX_PRIVATE_FLAG) {
			uint32_t *word = fated_word(f), second = 0;

			ASSERT_FATE(f, -ETIMEDOUT, raw_syscall(NR_FUTEX, word, FUTEX_WAIT | flag, 0, &at_once, NULL, 0));
			word = fated_word(f);
			ASSERT_FATE(f, -EAGAIN, raw_syscall(NR_FUTEX, word, FUTEX_WAIT | flag, 1, &at_once, NULL, 0));
			word = fated_word(f);
			ASSERT_FATE(f, 0, raw_syscall(NR_FUTEX, word, FUTEX_CMP_REQUEUE | flag, 1, 1, &second, 0));
			word = fated_word(f);
			ASSERT_FATE(f, -EAGAIN, raw_syscall(NR_FUTEX, word, FUTEX_CMP_REQUEUE | flag, 1, 1, &second, 1));
		}
	}
}

CLAUSE(waiters_outlive_the_page_of_their_word,
       "futex(2): the identity of a private word is its address: who waits is woken and moved though the page was "
       "thrown away or shared with a child meanwhile",
       .needed_by = "go:futexwakeup glibc:pthread_cond_broadcast")
{
	for (int f = 1; f < sizeof(fates) / sizeof(*fates); f++) {
		struct actor *waiter[3];
		uint32_t *word = lone_word(), second = 0;

		store(word, 0);
		for (int i = 0; i < 3; i++) {
			waiter[i] = actor_thread();
			ask(waiter[i], NR_FUTEX, word, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
			ASSERT_TRUE(blocks(waiter[i]));
		}
		fates[f].befalls(word);
		ASSERT_FATE(f, 1, raw_syscall(NR_FUTEX, word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0));
		ASSERT_FATE(f, 2, raw_syscall(NR_FUTEX, word, FUTEX_CMP_REQUEUE_PRIVATE, 1, 1, &second, 0));
		ASSERT_FATE(f, 1, raw_syscall(NR_FUTEX, &second, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0));
		for (int i = 0; i < 3; i++)
			ASSERT_FATE(f, 0, answer(waiter[i]));
	}
}

CLAUSE(wake_op_writes_into_any_page,
       "futex(2) FUTEX_WAKE_OP, kernel/futex/waitwake.c futex_wake_op (5.10 to 7.2): the second word is changed "
       "though its page is not present or must be copied first",
       .needed_by = "glibc:pthread_cond_signal")
{
	FOR_EACH_FATE(f) {
		for (int flag = 0; flag <= FUTEX_PRIVATE_FLAG; flag += FUTEX_PRIVATE_FLAG) {
			uint32_t first = 0, *word = fated_word(f);

			ASSERT_FATE(f, 0, raw_syscall(NR_FUTEX, &first, FUTEX_WAKE_OP | flag, 1, 1, word,
						      FUTEX_OP(FUTEX_OP_ADD, 7, FUTEX_OP_CMP_EQ, 0)));
			ASSERT_FATE(f, 7, load(word));
		}
	}
}

CLAUSE(a_free_pi_lock_is_taken_in_any_page,
       "futex(2) FUTEX_LOCK_PI, FUTEX_TRYLOCK_PI: the word is changed in user space's memory though its page is "
       "not present or must be copied first [GLC-5]",
       NEEDS_PI, .needed_by = "glibc:pthread_mutex_lock")
{
	FOR_EACH_FATE(f) {
		uint32_t *word = fated_word(f);

		ASSERT_FATE(f, 0, raw_syscall(LOCK_PI(word)));
		ASSERT_FATE(f, GETTID(), load(word));
		share_with_a_child(word);
		ASSERT_FATE(f, 0, raw_syscall(UNLOCK_PI(word)));
		ASSERT_FATE(f, 0, load(word));
		word = fated_word(f);
		ASSERT_FATE(f, 0, raw_syscall(TRYLOCK_PI(word)));
		ASSERT_FATE(f, GETTID(), load(word));
		word = fated_word(f);
		ASSERT_FATE(f, 0, raw_syscall(LOCK_PI_SHARED(word)));
		ASSERT_FATE(f, GETTID(), load(word));
		share_with_a_child(word);
		ASSERT_FATE(f, 0, raw_syscall(UNLOCK_PI_SHARED(word)));
		ASSERT_FATE(f, 0, load(word));
	}
}

CLAUSE(a_pi_lock_changes_hands_in_a_page_that_must_be_copied,
       "futex(2) FUTEX_LOCK_PI, FUTEX_UNLOCK_PI: a fork between the calls changes none of their results: the "
       "waiter marks the word, and the unlock hands the lock over [GLC-5]",
       NEEDS_PI, .needed_by = "glibc:pthread_mutex_unlock")
{
	for (int flag = 0; flag <= FUTEX_PRIVATE_FLAG; flag += FUTEX_PRIVATE_FLAG) {
		struct actor *owner = actor_thread(), *waiter = actor_thread();
		uint32_t *word = lone_word();

		ASSERT_RET(0, call_as(owner, PI_CALL_(FUTEX_LOCK_PI | flag, word, NULL)));
		actor_process();
		ask(waiter, PI_CALL_(FUTEX_LOCK_PI | flag, word, NULL));
		ASSERT_TRUE(blocks(waiter));
		EXPECT_WORD(owner->tid | FUTEX_WAITERS, word);
		actor_process();
		ASSERT_RET(0, call_as(owner, PI_CALL_(FUTEX_UNLOCK_PI | flag, word, NULL)));
		EXPECT_RET(0, answer(waiter));
		EXPECT_WORD(waiter->tid | FUTEX_WAITERS, word);
		actor_process();
		EXPECT_RET(0, call_as(waiter, PI_CALL_(FUTEX_UNLOCK_PI | flag, word, NULL)));
		EXPECT_WORD(0, word);
	}
}

CLAUSE(the_heir_of_a_dead_owner_gets_a_page_that_must_be_copied,
       "futex(2) Priority-inheritance futexes: the next waiter of a dead owner gets the lock, its TID and "
       "FUTEX_OWNER_DIED, also where a child was forked while it waited [GLC-5]",
       NEEDS_PI, .needed_by = "glibc:pthread_mutex_lock")
{
	for (int robust = 0; robust < 2; robust++) {
		struct actor *owner = actor_thread(), *waiter = actor_thread();
		struct robust_lock *lock = (void *)lone_word();
		struct robust_list_head head;

		robust_link(&head, lock, robust, PI_ENTRY);
		ASSERT_RET(0, call_as(owner, SET_ROBUST_LIST(&head)));
		ASSERT_RET(0, call_as(owner, LOCK_PI(&lock->word)));
		ask(waiter, LOCK_PI(&lock->word));
		ASSERT_TRUE(blocks(waiter));
		actor_process();
		ASSERT_TRUE(ends(owner));
		EXPECT_RET(0, answer(waiter));
		EXPECT_WORD(waiter->tid | FUTEX_WAITERS | FUTEX_OWNER_DIED, &lock->word);
	}
}

CLAUSE(a_requeue_to_a_pi_lock_takes_it_in_any_page,
       "futex(2) FUTEX_CMP_REQUEUE_PI: the waiter gets a free lock, and a held one is marked, though the word's "
       "page is not present or must be copied first [GLC-5]",
       NEEDS_PI, .needed_by = "glibc:pthread_cond_signal")
{
	FOR_EACH_FATE(f) {
		struct actor *waiter = actor_thread();
		uint32_t condition = 0, *lock = lone_word();

		if (fates[f].befalls != touch_not)
			store(lock, 0);
		ask(waiter, WAIT_REQUEUE_PI(&condition, 0, lock));
		ASSERT_TRUE(blocks(waiter));
		fates[f].befalls(lock);
		ASSERT_FATE(f, 1, raw_syscall(CMP_REQUEUE_PI(&condition, 1, 0, lock, 0)));
		ASSERT_FATE(f, 0, answer(waiter));
		ASSERT_FATE(f, waiter->tid, load(lock));
	}
}

CLAUSE(a_requeue_to_a_held_pi_lock_marks_it_in_a_page_that_must_be_copied,
       "futex(2) FUTEX_CMP_REQUEUE_PI: a fork between the calls changes none of their results: FUTEX_WAITERS is "
       "set, and the owner's unlock hands the lock to the waiter [GLC-5]",
       NEEDS_PI, .needed_by = "glibc:pthread_cond_broadcast")
{
	struct actor *owner = actor_thread(), *waiter = actor_thread();
	uint32_t condition = 0, *lock = lone_word();

	ASSERT_RET(0, call_as(owner, LOCK_PI(lock)));
	ask(waiter, WAIT_REQUEUE_PI(&condition, 0, lock));
	ASSERT_TRUE(blocks(waiter));
	actor_process();
	ASSERT_RET(1, raw_syscall(CMP_REQUEUE_PI(&condition, 1, 0, lock, 0)));
	EXPECT_WORD(owner->tid | FUTEX_WAITERS, lock);
	actor_process();
	ASSERT_RET(0, call_as(owner, UNLOCK_PI(lock)));
	EXPECT_RET(0, answer(waiter));
	EXPECT_WORD(waiter->tid | FUTEX_WAITERS, lock);
}
