// SPDX-License-Identifier: GPL-2.0-only
// futex_waitv(2): waiting for any of many words: which wake ends the wait, what it returns, what stays queued.
#include "clause.h"
#include "actor.h"
#include "futex.h"
#include "guard.h"
#include "waitv.h"

#define MAX FUTEX_WAITV_MAX

// A thread that waits on count entries.
static struct actor *waits_on(struct __test_metadata *_metadata, struct futex_waitv *entries, int count)
{
	struct actor *a = actor_thread();

	ask(a, WAITV(entries, count));
	ASSERT_TRUE(blocks(a));
	return a;
}

static int flag_of(unsigned int flags)
{
	return flags & FUTEX2_PRIVATE ? FUTEX_PRIVATE_FLAG : 0;
}

static const unsigned int both[] = { PRIVATE_U32, SHARED_U32 };

CLAUSE(the_index_of_the_word_that_was_woken_is_returned,
       "Documentation/userspace-api/futex2.rst: a wait that a wake ends returns the index of the woken futex, "
       "private or shared",
       NEEDS_WAITV)
{
	FOR_EACH(f, both)
		for (int i = 0; i < 5; i++) {
			struct futex_waitv entries[5];
			uint32_t words[5] = { 0, 1, 2, 3, 4 };
			struct actor *a;

			fill_entries(entries, words, 5, both[f]);
			a = waits_on(_metadata, entries, 5);
			EXPECT_RET(1, futex_call(&words[i], FUTEX_WAKE | flag_of(both[f]), 1, NULL, NULL, 0));
			EXPECT_RET(i, answer(a));
		}
}

CLAUSE(a_full_array_of_128_words_is_waited_on,
       "Documentation/userspace-api/futex2.rst: up to 128 entries: each of them ends the wait with its index",
       NEEDS_WAITV)
{
	static const int chosen[] = { 0, 1, 63, 64, 126, 127 };
	uint32_t *words = shared_memory(MAX * page_size());
	struct futex_waitv entries[MAX];

	FOR_EACH(f, both)
		FOR_EACH(i, chosen) {
			uint32_t *word = words + chosen[i] * page_size() / sizeof(*words);
			struct actor *a;

			for (int j = 0; j < MAX; j++)	// a page for each
				entries[j] = entry_of(words + j * page_size() / sizeof(*words), 0, both[f]);
			a = waits_on(_metadata, entries, MAX);
			EXPECT_RET(1, futex_call(word, FUTEX_WAKE | flag_of(both[f]), 1, NULL, NULL, 0));
			EXPECT_RET(chosen[i], answer(a));
		}
}

CLAUSE(a_single_word_is_enough,
       "Documentation/userspace-api/futex2.rst: nr_futexes may be 1: the wait returns index 0",
       NEEDS_WAITV)
{
	struct futex_waitv entry;
	uint32_t word = 0xfffffff0;
	struct actor *a;

	fill_entries(&entry, &word, 1, PRIVATE_U32);
	a = waits_on(_metadata, &entry, 1);
	EXPECT_RET(1, futex_wake(&word, 1));
	EXPECT_RET(0, answer(a));
}

CLAUSE(after_a_wake_no_other_word_has_a_waiter,
       "kernel/futex/waitwake.c futex_unqueue_multiple: a wait that has ended is queued on none of its words: wakes "
       "find nobody",
       NEEDS_WAITV)
{
	struct futex_waitv entries[4];
	uint32_t words[4] = { 0 };
	struct actor *a;

	for (int i = 0; i < 4; i++) {
		fill_entries(entries, words, 4, PRIVATE_U32);
		a = waits_on(_metadata, entries, 4);
		EXPECT_RET(1, futex_wake(&words[i], 9));
		EXPECT_RET(i, answer(a));
		for (int j = 0; j < 4; j++)
			EXPECT_RET(0, futex_wake(&words[j], 9));
	}
}

CLAUSE(any_kind_of_wake_ends_the_wait,
       "kernel/futex/waitwake.c: FUTEX_WAKE, WAKE_BITSET with any mask, both words of WAKE_OP, REQUEUE and "
       "CMP_REQUEUE wake one who waits by futex_waitv",
       NEEDS_WAITV)
{
	uint32_t words[3] = { 0 }, other = 0;
	struct futex_waitv entries[3];
	struct actor *a;

	fill_entries(entries, words, 3, PRIVATE_U32);
	a = waits_on(_metadata, entries, 3);
	EXPECT_RET(1, futex_wake_bitset(&words[1], 1, 0x00010000));
	EXPECT_RET(1, answer(a));
	a = waits_on(_metadata, entries, 3);
	EXPECT_RET(1, futex_wake_op(&words[2], 1, 1, &other, FUTEX_OP(FUTEX_OP_ADD, 0, FUTEX_OP_CMP_EQ, 1)));
	EXPECT_RET(2, answer(a));
	a = waits_on(_metadata, entries, 3);
	EXPECT_RET(1, futex_wake_op(&other, 1, 1, &words[1], FUTEX_OP(FUTEX_OP_ADD, 0, FUTEX_OP_CMP_EQ, 0)));
	EXPECT_RET(1, answer(a));
	a = waits_on(_metadata, entries, 3);
	EXPECT_RET(1, futex_requeue(&words[0], 1, 9, &other));
	EXPECT_RET(0, answer(a));
	a = waits_on(_metadata, entries, 3);
	EXPECT_RET(1, futex_cmp_requeue(&words[2], 1, 9, &other, 0));
	EXPECT_RET(2, answer(a));
}

CLAUSE(a_word_that_was_requeued_keeps_its_index,
       "kernel/futex/requeue.c requeue_futex: FUTEX_REQUEUE moves one who waits by futex_waitv: a wake of the new "
       "word ends the wait with the index of the old, and so do wakes of the other words",
       NEEDS_WAITV)
{
	uint32_t words[3] = { 0 }, other = 0;
	struct futex_waitv entries[3];
	struct actor *a;

	for (int by_new = 0; by_new < 2; by_new++) {
		fill_entries(entries, words, 3, PRIVATE_U32);
		a = waits_on(_metadata, entries, 3);
		EXPECT_RET(1, futex_requeue(&words[1], 0, 9, &other));
		EXPECT_RET(0, futex_wake(&words[1], 9));
		EXPECT_RET(1, futex_wake(by_new ? &other : &words[2], 9));
		EXPECT_RET(by_new ? 1 : 2, answer(a));
		EXPECT_RET(0, futex_wake(&other, 9));
	}
}

CLAUSE(a_wait_stands_in_the_queue_of_each_word,
       "kernel/futex/core.c __futex_queue: waits by FUTEX_WAIT and by futex_waitv on one word are woken in the order "
       "they came, each counted once",
       NEEDS_WAITV)
{
	struct actor *before = actor_thread(), *after = actor_thread(), *a;
	struct futex_waitv entries[2];
	uint32_t words[2] = { 0 };

	fill_entries(entries, words, 2, PRIVATE_U32);
	ask(before, NR_FUTEX, &words[1], FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
	ASSERT_TRUE(blocks(before));
	a = waits_on(_metadata, entries, 2);
	ask(after, NR_FUTEX, &words[1], FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
	ASSERT_TRUE(blocks(after));
	EXPECT_RET(1, futex_wake(&words[1], 1));
	EXPECT_RET(0, answer(before));
	EXPECT_RET(1, futex_wake(&words[1], 1));
	EXPECT_RET(1, answer(a));
	EXPECT_RET(1, futex_wake(&words[1], 9));
	EXPECT_RET(0, answer(after));
}

CLAUSE(many_waits_on_the_same_words_are_all_woken,
       "Documentation/userspace-api/futex2.rst: one wake of a word ends the waits of all threads that have it in "
       "their arrays, each with its own index",
       NEEDS_WAITV)
{
	struct futex_waitv entries[4][4];
	uint32_t words[4] = { 0 };
	struct actor *a[4];

	for (int i = 0; i < 4; i++) {
		for (int j = 0; j < 4; j++)
			entries[i][j] = entry_of(&words[(i + j) % 4], 0, PRIVATE_U32);
		a[i] = waits_on(_metadata, entries[i], 4);
	}
	EXPECT_RET(4, futex_wake(&words[3], INT_MAX));
	for (int i = 0; i < 4; i++)
		EXPECT_RET(3 - i, answer(a[i]));
}

CLAUSE(a_word_that_is_there_twice_ends_the_wait_once,
       "Documentation/userspace-api/futex2.rst: the same word may stand in the array more than once: the index "
       "returned is one of its entries",
       NEEDS_WAITV)
{
	uint32_t words[2] = { 0 };
	struct futex_waitv entries[] = { entry_of(&words[0], 0, PRIVATE_U32), entry_of(&words[1], 0, PRIVATE_U32),
					 entry_of(&words[0], 0, PRIVATE_U32) };
	struct actor *a = waits_on(_metadata, entries, 3);
	long index;

	EXPECT_RET(1, futex_wake(&words[0], 1));
	index = answer(a);
	EXPECT_TRUE(index == 0 || index == 2);
	EXPECT_RET(0, futex_wake(&words[0], 9));
}

CLAUSE(of_several_words_woken_at_once_one_index_is_returned,
       "kernel/futex/syscalls.c sys_futex_waitv: if more than one futex was woken by the same event, the index may "
       "refer to any one of them",
       NEEDS_WAITV)
{
	uint32_t words[5] = { 0 };
	struct futex_waitv entries[5];
	struct actor *a;
	long index;

	fill_entries(entries, words, 5, PRIVATE_U32);
	a = waits_on(_metadata, entries, 5);
	EXPECT_OK(futex_wake_op(&words[1], 1, 1, &words[3], FUTEX_OP(FUTEX_OP_ADD, 0, FUTEX_OP_CMP_EQ, 0)));
	index = answer(a);
	EXPECT_TRUE(index == 1 || index == 3);
	for (int i = 0; i < 5; i++)
		EXPECT_RET(0, futex_wake(&words[i], 9));
}

CLAUSE(private_and_shared_words_may_stand_in_one_array,
       "Documentation/userspace-api/futex2.rst: each entry says by FUTEX_PRIVATE_FLAG which it is: it is ended by a "
       "wake of its own kind and by no other",
       NEEDS_WAITV)
{
	uint32_t words[2] = { 0 };
	struct futex_waitv entries[] = { entry_of(&words[0], 0, PRIVATE_U32), entry_of(&words[1], 0, SHARED_U32) };
	struct actor *a = waits_on(_metadata, entries, 2);

	EXPECT_RET(0, futex_wake_shared(&words[0], 9));
	EXPECT_RET(0, futex_wake(&words[1], 9));
	EXPECT_RET(1, futex_wake_shared(&words[1], 9));
	EXPECT_RET(1, answer(a));
	a = waits_on(_metadata, entries, 2);
	EXPECT_RET(1, futex_wake(&words[0], 9));
	EXPECT_RET(0, answer(a));
}

CLAUSE(another_process_wakes_a_word_that_it_maps_elsewhere,
       "Documentation/userspace-api/futex2.rst: processes that do not share memory space may have different virtual "
       "addresses for the same futex: shared entries are found all the same",
       NEEDS_WAITV)
{
	int fd = raw_syscall(__NR_memfd_create, "words", 0);
	struct futex_waitv *entries;
	struct actor *other;
	uint32_t *here, *there;

	ASSERT_EQ(0, ftruncate(fd, page_size()));
	here = mmap(NULL, page_size(), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	there = mmap(NULL, page_size(), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, (void *)here);
	ASSERT_NE(MAP_FAILED, (void *)there);
	entries = shared_memory(3 * sizeof(*entries));
	fill_entries(entries, there, 3, SHARED_U32);
	other = actor_process();
	ask(other, WAITV(entries, 3));
	ASSERT_TRUE(blocks(other));
	EXPECT_RET(0, futex_wake_shared(&here[3], 9));
	EXPECT_RET(1, futex_wake_shared(&here[2], 9));
	EXPECT_RET(2, answer(other));
	ask(other, WAITV(entries, 3));
	ASSERT_TRUE(blocks(other));
	EXPECT_TRUE(is_killed(other));
	for (int i = 0; i < 3; i++)	// the dead wait for nothing
		EXPECT_RET(0, futex_wake_shared(&here[i], 9));
}

CLAUSE(if_any_word_differs_the_wait_does_not_begin,
       "Documentation/userspace-api/futex2.rst: if a word differs from its val the call undoes all the work done so "
       "far and returns EAGAIN: nothing stays queued",
       NEEDS_WAITV)
{
	static const int chosen[] = { 0, 1, 63, 126, 127 };
	struct futex_waitv entries[MAX];
	uint32_t words[MAX] = { 0 };

	FOR_EACH(f, both)
		FOR_EACH(i, chosen) {
			fill_entries(entries, words, MAX, both[f]);
			entries[chosen[i]].val = 1;
			EXPECT_ERR(EAGAIN, raw_syscall(WAITV(entries, MAX)));
			EXPECT_ERR(EAGAIN, raw_syscall(WAITV(entries, chosen[i] + 1)));
			for (int j = 0; j < MAX; j++)
				EXPECT_RET(0, futex_call(&words[j], FUTEX_WAKE | flag_of(both[f]), 9, NULL, NULL, 0));
		}
}

CLAUSE(all_32_bits_of_a_word_are_compared,
       "Documentation/userspace-api/futex2.rst: the value at uaddr is compared to val: one bit that differs is "
       "EAGAIN",
       NEEDS_WAITV)
{
	uint32_t word = 0xdeadbeef;
	struct futex_waitv entry;

	for (int bit = 0; bit < 32; bit++) {
		entry = entry_of(&word, word ^ (1u << bit), PRIVATE_U32);
		EXPECT_ERR(EAGAIN, raw_syscall(WAITV(&entry, 1)));
	}
	entry = entry_of(&word, word, PRIVATE_U32);
	struct actor *a = waits_on(_metadata, &entry, 1);

	EXPECT_RET(1, futex_wake(&word, 1));
	EXPECT_RET(0, answer(a));
}

CLAUSE(words_may_lie_in_pages_that_must_be_faulted_in,
       "kernel/futex/waitwake.c futex_wait_multiple_setup: a word whose page is not present is faulted in, after all "
       "entries were taken back, and the wait begins anew: each word is queued once",
       NEEDS_WAITV)
{
	struct futex_waitv entries[4];
	uint32_t *words;
	struct actor *a;

	FOR_EACH(f, both) {
		words = mmap(NULL, 4 * page_size(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		ASSERT_NE(MAP_FAILED, (void *)words);
		for (int i = 0; i < 4; i++)
			entries[i] = entry_of(words + i * page_size() / sizeof(*words), 0, both[f]);
		a = waits_on(_metadata, entries, 4);
		for (int i = 0; i < 4; i++) {
			EXPECT_RET(1, futex_call((void *)(uintptr_t)entries[i].uaddr, FUTEX_WAKE | flag_of(both[f]), 9, NULL,
						 NULL, 0));
			EXPECT_RET(i, answer(a));
			ask(a, WAITV(entries, 4));
			ASSERT_TRUE(blocks(a));
		}
	}
}

CLAUSE(stopping_and_continuing_does_not_end_the_wait,
       "signal(7): a stopped and continued process goes on in futex_waitv: a wake ends it with its index",
       NEEDS_WAITV)
{
	uint32_t *words = shared_memory(2 * sizeof(*words));
	struct futex_waitv *entries = shared_memory(2 * sizeof(*entries));
	struct actor *a = actor_process();

	fill_entries(entries, words, 2, SHARED_U32);
	ask(a, WAITV(entries, 2));
	ASSERT_TRUE(blocks(a));
	kill(a->tid, SIGSTOP);
	ASSERT_TRUE(wait_until(task_state(a->tid) == 'T'));
	kill(a->tid, SIGCONT);
	EXPECT_TRUE(blocks(a));
	EXPECT_RET(1, futex_wake_shared(&words[1], 9));
	EXPECT_RET(1, answer(a));
	EXPECT_TRUE(is_killed(a));
}
