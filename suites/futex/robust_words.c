// SPDX-License-Identifier: GPL-2.0-only
// Robust lists at a thread's death: which words are written, what they hold then, and who is woken.
#include "clause.h"
#include "actor.h"
#include "pi.h"
#include "robust.h"

#define WAIT_SHARED(word, value) NR_FUTEX, word, FUTEX_WAIT, value, NULL, NULL, 0
#define WAKE_ALL(word)           NR_FUTEX, word, FUTEX_WAKE, 99, NULL, NULL, 0

static const uint32_t bits[] = { 0, FUTEX_WAITERS, FUTEX_OWNER_DIED, FUTEX_WAITERS | FUTEX_OWNER_DIED };

// A thread that has one lock on its list, with the bits given beside its TID.
struct dying {
	struct actor *owner;
	struct robust_list_head head;
	struct robust_lock lock;
};

static void begin(struct __test_metadata *_metadata, struct dying *d, uint32_t with, unsigned long entry_bits)
{
	d->owner = actor_thread();
	robust_link(&d->head, &d->lock, 1, entry_bits);
	store(&d->lock.word, d->owner->tid | with);
	ASSERT_RET(0, call_as(d->owner, SET_ROBUST_LIST(&d->head)));
}

static struct actor *waits_for(struct __test_metadata *_metadata, uint32_t *word)
{
	struct actor *waiter = actor_thread();

	ask(waiter, WAIT_SHARED(word, load(word)));
	ASSERT_TRUE(blocks(waiter));
	return waiter;
}

CLAUSE(a_word_of_the_dead_keeps_the_waiters_bit_and_loses_its_tid,
       "kernel/futex/core.c handle_futex_death: the word of a dead owner becomes FUTEX_OWNER_DIED, with "
       "FUTEX_WAITERS if it was set, and a TID of 0 [GLC-4] [incident 29]",
       .needed_by = "glibc:pthread_mutex_lock musl:pthread_mutex_lock")
{
	struct robust_list_head head;
	struct robust_lock locks[4] = { { .word = 0 } };
	struct actor *owner = actor_thread();

	robust_link(&head, locks, 4, 0);
	for (int i = 0; i < 4; i++)
		locks[i].word = owner->tid | bits[i];
	ASSERT_RET(0, call_as(owner, SET_ROBUST_LIST(&head)));
	ASSERT_TRUE(ends(owner));
	for (int i = 0; i < 4; i++)
		EXPECT_WORD((bits[i] & FUTEX_WAITERS) | FUTEX_OWNER_DIED, &locks[i].word);
}

CLAUSE(words_of_others_and_of_nobody_stay_and_the_walk_goes_on,
       "Documentation/locking/robust-futex-ABI.rst: with an entry whose word does not have the exiting thread's TID "
       "the kernel does nothing, and goes on to the next [GLC-4]",
       .needed_by = "glibc:pthread_mutex_lock")
{
	struct robust_list_head head;
	struct robust_lock locks[17] = { { .word = 0 } };
	struct actor *owner = actor_thread();
	uint32_t others[] = { 0, GETTID(), owner->tid + 1, owner->tid ^ 0x20000000 };

	robust_link(&head, locks, 17, 0);
	for (int i = 0; i < 16; i++)
		locks[i].word = others[i / 4] | bits[i % 4];
	locks[16].word = owner->tid;
	ASSERT_RET(0, call_as(owner, SET_ROBUST_LIST(&head)));
	ASSERT_TRUE(ends(owner));
	for (int i = 0; i < 16; i++)
		EXPECT_WORD(others[i / 4] | bits[i % 4], &locks[i].word);
	EXPECT_WORD(FUTEX_OWNER_DIED, &locks[16].word);
}

CLAUSE(what_is_not_on_the_list_stays,
       "Documentation/locking/robust-futex-ABI.rst: improperly listed locks will not be cleaned up on exit: the "
       "kernel writes no word that the list does not lead to")
{
	struct robust_list_head head;
	struct robust_lock locks[3] = { { .word = 0 } };
	struct actor *owner = actor_thread();

	for (int i = 0; i < 3; i++)
		locks[i].word = owner->tid | FUTEX_WAITERS;
	locks[0].padding = locks[1].padding = owner->tid;
	robust_link(&head, &locks[1], 1, 0);
	ASSERT_RET(0, call_as(owner, SET_ROBUST_LIST(&head)));
	ASSERT_TRUE(ends(owner));
	EXPECT_WORD(owner->tid | FUTEX_WAITERS, &locks[0].word);
	EXPECT_WORD(FUTEX_OWNER_DIED | FUTEX_WAITERS, &locks[1].word);
	EXPECT_WORD(owner->tid | FUTEX_WAITERS, &locks[2].word);
	EXPECT_EQ(owner->tid, locks[1].padding);
	EXPECT_EQ((void *)&head.list, (void *)locks[1].entry.next);
	EXPECT_EQ((void *)&locks[1].entry, (void *)head.list.next);
	EXPECT_EQ(WORD_OFFSET, head.futex_offset);
}

CLAUSE(one_waiter_is_woken_and_the_others_sleep_on,
       "Documentation/locking/robust-futexes.rst: the kernel wakes up one waiter of each lock of the dead thread "
       "[GLC-4]",
       .needed_by = "glibc:pthread_mutex_lock")
{
	struct actor *first, *others[2];
	struct dying d;

	begin(_metadata, &d, FUTEX_WAITERS, 0);
	first = waits_for(_metadata, &d.lock.word);
	for (int i = 0; i < 2; i++)
		others[i] = waits_for(_metadata, &d.lock.word);
	ASSERT_TRUE(ends(d.owner));
	EXPECT_RET(0, answer(first));
	EXPECT_RET(2, raw_syscall(WAKE_ALL(&d.lock.word)));
	EXPECT_RET(0, answer(others[0]));
	EXPECT_RET(0, answer(others[1]));
}

CLAUSE(a_waiter_of_every_lock_is_woken,
       "Documentation/locking/robust-futexes.rst: the kernel walks the whole list: each lock of the dead thread that "
       "has a waiter wakes one [GLC-4]")
{
	struct robust_list_head head;
	struct robust_lock locks[5] = { { .word = 0 } };
	struct actor *owner = actor_thread(), *waiters[5];

	robust_link(&head, locks, 5, 0);
	ASSERT_RET(0, call_as(owner, SET_ROBUST_LIST(&head)));
	for (int i = 0; i < 5; i++) {
		locks[i].word = owner->tid | FUTEX_WAITERS;
		waiters[i] = waits_for(_metadata, &locks[i].word);
	}
	ASSERT_TRUE(ends(owner));
	for (int i = 0; i < 5; i++) {
		EXPECT_RET(0, answer(waiters[i]));
		EXPECT_WORD(FUTEX_WAITERS | FUTEX_OWNER_DIED, &locks[i].word);
	}
}

CLAUSE(a_lock_that_died_before_wakes_again,
       "kernel/futex/core.c handle_futex_death: FUTEX_OWNER_DIED in the dead owner's word already, as after a death "
       "in a death, does not keep a waiter from being woken [GLC-4]")
{
	struct actor *waiter;
	struct dying d;

	begin(_metadata, &d, FUTEX_WAITERS | FUTEX_OWNER_DIED, 0);
	waiter = waits_for(_metadata, &d.lock.word);
	ASSERT_TRUE(ends(d.owner));
	EXPECT_RET(0, answer(waiter));
	EXPECT_WORD(FUTEX_WAITERS | FUTEX_OWNER_DIED, &d.lock.word);
}

CLAUSE(waiters_with_any_mask_are_woken,
       "kernel/futex/core.c handle_futex_death: the wake matches any bitset: one who waits by FUTEX_WAIT_BITSET is "
       "woken like others")
{
	struct actor *waiter = actor_thread();
	struct dying d;

	begin(_metadata, &d, FUTEX_WAITERS, 0);
	ask(waiter, NR_FUTEX, &d.lock.word, FUTEX_WAIT_BITSET, load(&d.lock.word), NULL, NULL, 0x00100000);
	ASSERT_TRUE(blocks(waiter));
	ASSERT_TRUE(ends(d.owner));
	EXPECT_RET(0, answer(waiter));
}

CLAUSE(without_the_waiters_bit_nobody_is_woken,
       "Documentation/locking/robust-futex-ABI.rst: the kernel attempts a wakeup if bit 31 is set in the word: "
       "without it, it marks the word and wakes nobody")
{
	struct actor *waiter;
	struct dying d;

	begin(_metadata, &d, 0, 0);
	waiter = waits_for(_metadata, &d.lock.word);
	ASSERT_TRUE(ends(d.owner));
	EXPECT_WORD(FUTEX_OWNER_DIED, &d.lock.word);
	EXPECT_RET(1, raw_syscall(WAKE_ALL(&d.lock.word)));
	EXPECT_RET(0, answer(waiter));
}

CLAUSE(waiters_for_the_locks_of_others_are_not_woken,
       "Documentation/locking/robust-futex-ABI.rst: an entry whose word has another TID wakes nobody at the thread's "
       "death, whatever its bits",
       .needed_by = "glibc:pthread_mutex_lock")
{
	for (int i = 0; i < 4; i++) {
		struct actor *waiter;
		struct dying d;

		begin(_metadata, &d, 0, 0);
		store(&d.lock.word, GETTID() | bits[i]);
		waiter = waits_for(_metadata, &d.lock.word);
		ASSERT_TRUE(ends(d.owner));
		EXPECT_WORD(GETTID() | bits[i], &d.lock.word);
		EXPECT_RET(1, raw_syscall(WAKE_ALL(&d.lock.word)));
		EXPECT_RET(0, answer(waiter));
	}
}

CLAUSE(an_entry_marked_as_pi_is_written_and_not_woken,
       "kernel/futex/core.c handle_futex_death: the lowest bit of a pointer to an entry says PI: its word is marked, "
       "and left to the PI code to wake",
       .config = "FUTEX_PI", .probe = pi_probe)
{
	struct actor *waiter;
	struct dying d;

	begin(_metadata, &d, FUTEX_WAITERS, PI_ENTRY);
	waiter = waits_for(_metadata, &d.lock.word);
	ASSERT_TRUE(ends(d.owner));
	EXPECT_WORD(FUTEX_WAITERS | FUTEX_OWNER_DIED, &d.lock.word);
	EXPECT_RET(1, raw_syscall(WAKE_ALL(&d.lock.word)));
	EXPECT_RET(0, answer(waiter));
}

CLAUSE(the_pi_mark_is_that_of_each_entry,
       "kernel/futex/core.c fetch_robust_entry: PI locks and others may follow each other in one list: each "
       "pointer's bit is that of the entry it leads to [GLC-4]",
       .needed_by = "glibc:pthread_mutex_lock")
{
	struct robust_list_head head;
	struct robust_lock locks[4] = { { .word = 0 } };
	struct actor *owner = actor_thread(), *waiters[4];

	robust_link(&head, locks, 4, 0);
	locks[0].entry.next = tagged(&locks[1], PI_ENTRY);
	locks[2].entry.next = tagged(&locks[3], PI_ENTRY);
	ASSERT_RET(0, call_as(owner, SET_ROBUST_LIST(&head)));
	for (int i = 0; i < 4; i++) {
		locks[i].word = owner->tid | FUTEX_WAITERS;
		waiters[i] = waits_for(_metadata, &locks[i].word);
	}
	ASSERT_TRUE(ends(owner));
	for (int i = 0; i < 4; i++) {
		EXPECT_WORD(FUTEX_WAITERS | FUTEX_OWNER_DIED, &locks[i].word);
		EXPECT_RET(i % 2, raw_syscall(WAKE_ALL(&locks[i].word)));
		EXPECT_RET(0, answer(waiters[i]));
	}
}

struct observer {
	uint32_t *word;
	uint32_t expected, seen;
	volatile long result;
};

// Reads the word as soon as it wakes.
static int observer_main(void *arg)
{
	struct observer *o = arg;

	o->result = raw_syscall(WAIT_SHARED(o->word, o->expected));
	o->seen = load(o->word);
	return 0;
}

CLAUSE(the_word_is_written_before_the_waiter_wakes,
       "kernel/futex/core.c handle_futex_death: a waiter that returns finds FUTEX_OWNER_DIED in the word already "
       "[GLC-4]",
       .needed_by = "glibc:pthread_mutex_lock")
{
	for (int i = 0; i < 20; i++) {
		struct thread thread;
		struct observer o;
		struct dying d;

		begin(_metadata, &d, FUTEX_WAITERS, 0);
		o = (struct observer){ .word = &d.lock.word, .expected = load(&d.lock.word) };
		ASSERT_OK(thread_start(&thread, observer_main, &o));
		ASSERT_TRUE(wait_until_blocked_in(thread.known_as, NR_FUTEX));
		ask(d.owner, __NR_exit, 0);
		ASSERT_TRUE(thread_join(&thread));
		ASSERT_RET(0, o.result);
		ASSERT_EQ(FUTEX_WAITERS | FUTEX_OWNER_DIED, o.seen);
	}
}
