// SPDX-License-Identifier: GPL-2.0-only
// futex(2): what each operation says to addresses that are odd, unmapped, forbidden, read-only or not the caller's.
#include "clause.h"
#include "guard.h"
#include "waiter.h"

static const struct __kernel_timespec at_once = { 0, 0 };
static const int private_or_not[] = { FUTEX_PRIVATE_FLAG, 0 };

// An operation that changes nothing and never blocks when its words are good: WAKE_OP adds 0.
struct harmless {
	const char *name;
	int op;
	long timeout_or_count;
	uint32_t value3;
};

static const struct harmless one_word[] = {
	{ "WAIT",        FUTEX_WAIT,        (long)&at_once, 0 },
	{ "WAIT_BITSET", FUTEX_WAIT_BITSET, (long)&at_once, FUTEX_BITSET_MATCH_ANY },
	{ "WAKE",        FUTEX_WAKE,        0,              0 },
	{ "WAKE_BITSET", FUTEX_WAKE_BITSET, 0,              FUTEX_BITSET_MATCH_ANY },
};

static const struct harmless two_words[] = {
	{ "REQUEUE",     FUTEX_REQUEUE,     1,              0 },
	{ "CMP_REQUEUE", FUTEX_CMP_REQUEUE, 1,              0 },
	{ "WAKE_OP",     FUTEX_WAKE_OP,     1,              FUTEX_OP(FUTEX_OP_ADD, 0, FUTEX_OP_CMP_EQ, 0) },
};

static long run(const struct harmless *h, int flag, const void *word, const void *word2)
{
	return futex_call(word, h->op | flag, 0, h->timeout_or_count, word2, h->value3);
}

// As EXPECT_ERR, and says which row of a table failed.
#define EXPECT_ROW(want, h, flag, call) do {							\
	char seen_[RESULT_TEXT];								\
	long row_ = (call);									\
	EXPECT_EQ(want, row_) {									\
		TH_LOG("%s%s: %s", (h)->name, (flag) ? "_PRIVATE" : "", result_text(seen_, row_));	\
	}											\
} while (0)

// The second page of a mapping whose file ends with the first; touching it would be a SIGBUS.
static void *beyond_end_of_file(int map)
{
	int fd = memfd_create("one page", MFD_CLOEXEC);
	char *p;

	if (fd < 0 || ftruncate(fd, page_size()))
		abort();
	p = mmap(NULL, 2 * page_size(), PROT_READ | PROT_WRITE, map, fd, 0);
	close(fd);
	if (p == MAP_FAILED)
		abort();
	return p + page_size();
}

// Memory that cannot be read, one kind per row; the last row is NULL.
#define UNREADABLE(places)				\
	void *places[] = {				\
		unmapped_page(),			\
		forbidden_page(),			\
		beyond_end_of_file(MAP_SHARED),		\
		beyond_end_of_file(MAP_PRIVATE),	\
		NULL,					\
	}

CLAUSE(a_word_off_its_alignment_is_refused,
       "futex(2) ERRORS EINVAL: uaddr or uaddr2 is not four-byte-aligned, for each operation [FUT-7]",
       .needed_by = "go:futex rust:futex_wait")
{
	uint32_t words[3] = { 0 };
	char *odd = (char *)words;

	for (int off = 1; off <= 3; off++)
		FOR_EACH(p, private_or_not) {
			FOR_EACH(i, one_word)
				EXPECT_ROW(-EINVAL, &one_word[i], private_or_not[p],
					   run(&one_word[i], private_or_not[p], odd + off, NULL));
			FOR_EACH(i, two_words) {
				EXPECT_ROW(-EINVAL, &two_words[i], private_or_not[p],
					   run(&two_words[i], private_or_not[p], odd + off, words + 2));
				EXPECT_ROW(-EINVAL, &two_words[i], private_or_not[p],
					   run(&two_words[i], private_or_not[p], words, odd + 4 + off));
			}
		}
	for (int i = 0; i < 3; i++)
		EXPECT_EQ(0, words[i]);
}

CLAUSE(an_aligned_word_is_taken_anywhere_in_a_page,
       "futex(2) Arguments: futexes are four-byte integers that must be aligned on a four-byte boundary, no more",
       .needed_by = "go:futex")
{
	static const int offsets[] = { 0, 4, 8, 12, 60, 64, 1000, 2044, -4, -8 };
	char *page = private_memory(page_size());

	FOR_EACH(o, offsets)
		FOR_EACH(p, private_or_not) {
			uint32_t *word = (uint32_t *)(page + (offsets[o] + page_size()) % page_size());

			EXPECT_ROW(-ETIMEDOUT, &one_word[0], private_or_not[p], run(&one_word[0], private_or_not[p], word, NULL));
			EXPECT_ROW(-ETIMEDOUT, &one_word[1], private_or_not[p], run(&one_word[1], private_or_not[p], word, NULL));
			EXPECT_ROW(0, &one_word[2], private_or_not[p], run(&one_word[2], private_or_not[p], word, NULL));
			EXPECT_ROW(0, &two_words[0], private_or_not[p], run(&two_words[0], private_or_not[p], word, page));
			EXPECT_ROW(0, &two_words[2], private_or_not[p], run(&two_words[2], private_or_not[p], page, word));
		}
}

CLAUSE(a_wait_on_memory_that_cannot_be_read_faults,
       "futex(2) ERRORS EACCES, EFAULT: no read access to the memory of the word: unmapped, PROT_NONE, beyond the "
       "end of the file; a fault is an error code, never a signal [FUT-7]",
       .needed_by = "go:futexsleep")
{
	UNREADABLE(places);

	FOR_EACH(i, places)
		FOR_EACH(p, private_or_not)
			for (int op = 0; op < 2; op++)
				EXPECT_ROW(-EFAULT, &one_word[op], private_or_not[p],
					   run(&one_word[op], private_or_not[p], places[i], NULL));
}

CLAUSE(a_private_wake_does_not_touch_memory,
       "kernel/futex/core.c get_futex_key (7.2): a private key is the address alone, so waking one that is aligned "
       "and below TASK_SIZE never fails, mapped or not [FUT-6]",
       .needed_by = "go:futexwakeup")
{
	UNREADABLE(places);
	uint32_t word = 0;

	FOR_EACH(i, places) {
		EXPECT_RET(0, futex_wake(places[i], 1));
		EXPECT_RET(0, futex_wake(places[i], 0));
		EXPECT_RET(0, futex_wake(places[i], INT_MAX));
		EXPECT_RET(0, futex_wake_bitset(places[i], 1, 1));
		EXPECT_RET(0, futex_requeue(places[i], 1, 1, &word));
		EXPECT_RET(0, futex_requeue(&word, 1, 1, places[i]));
		EXPECT_RET(0, futex_requeue(places[i], 1, 1, places[i]));
		EXPECT_RET(0, futex_cmp_requeue(&word, 1, 1, places[i], 0));
	}
}

CLAUSE(cmp_requeue_reads_its_first_word,
       "futex(2) ERRORS EACCES, EFAULT: FUTEX_CMP_REQUEUE compares the word at uaddr, and so needs to read it",
       .needed_by = "glibc:pthread_cond_broadcast")
{
	UNREADABLE(places);
	uint32_t word = 0;

	FOR_EACH(i, places) {
		EXPECT_ERR(EFAULT, futex_cmp_requeue(places[i], 1, 1, &word, 0));
		EXPECT_ERR(EFAULT, futex_call(places[i], FUTEX_CMP_REQUEUE, 1, 1, &word, 0));
	}
}

CLAUSE(a_shared_operation_needs_memory_that_is_there,
       "futex(2) ERRORS EFAULT: uaddr or uaddr2 did not point to a valid user-space address; the identity of a "
       "shared word is its memory",
       .needed_by = "glibc:sem_post musl:__wake")
{
	UNREADABLE(places);
	uint32_t word = 0;

	FOR_EACH(i, places) {
		FOR_EACH(op, one_word)
			EXPECT_ROW(-EFAULT, &one_word[op], 0, run(&one_word[op], 0, places[i], NULL));
		FOR_EACH(op, two_words) {
			EXPECT_ROW(-EFAULT, &two_words[op], 0, run(&two_words[op], 0, places[i], &word));
			EXPECT_ROW(-EFAULT, &two_words[op], 0, run(&two_words[op], 0, &word, places[i]));
		}
	}
	EXPECT_EQ(0, word);
}

// No address is refused for a private wake that Go could name; above TASK_SIZE some ports refuse, others do not.
CLAUSE(addresses_of_the_kernel_fault,
       "futex(2) ERRORS EFAULT: a pointer argument did not point to a valid user-space address: the kernel's own do "
       "not",
       .needed_by = "go:futex")
{
	char *kernel = (char *)-page_size();
	uint32_t word = 0;

	FOR_EACH(p, private_or_not) {
		EXPECT_ROW(-EFAULT, &one_word[0], private_or_not[p], run(&one_word[0], private_or_not[p], kernel, NULL));
		EXPECT_ROW(-EFAULT, &one_word[1], private_or_not[p], run(&one_word[1], private_or_not[p], kernel, NULL));
		EXPECT_ROW(-EFAULT, &two_words[1], private_or_not[p], run(&two_words[1], private_or_not[p], kernel, &word));
		EXPECT_ROW(-EFAULT, &two_words[2], private_or_not[p], run(&two_words[2], private_or_not[p], &word, kernel));
	}
	EXPECT_ROW(-EFAULT, &one_word[2], 0, run(&one_word[2], 0, kernel, NULL));
	EXPECT_ROW(-EFAULT, &one_word[3], 0, run(&one_word[3], 0, kernel, NULL));
	EXPECT_ROW(-EFAULT, &two_words[0], 0, run(&two_words[0], 0, kernel, &word));
	EXPECT_ROW(-EFAULT, &two_words[0], 0, run(&two_words[0], 0, &word, kernel));
	EXPECT_EQ(0, word);
}

CLAUSE(wake_op_needs_to_write_its_second_word,
       "futex(2) ERRORS EACCES, EFAULT: FUTEX_WAKE_OP modifies the word at uaddr2; where it cannot, nobody is woken",
       .needed_by = "glibc:pthread_cond_signal")
{
	UNREADABLE(places);
	uint32_t *read_only = private_memory(page_size()), word = 0;
	struct waiter w;

	*read_only = 3;
	ASSERT_EQ(0, mprotect(read_only, page_size(), PROT_READ));
	ASSERT_TRUE(sleeps_on(&w, &word, FUTEX_WAIT_PRIVATE));
	FOR_EACH(i, places)
		EXPECT_ERR(EFAULT, futex_wake_op(&word, 1, 1, places[i], two_words[2].value3));
	EXPECT_ERR(EFAULT, futex_wake_op(&word, 1, 1, read_only, FUTEX_OP(FUTEX_OP_SET, 9, FUTEX_OP_CMP_EQ, 3)));
	EXPECT_EQ(3, *read_only);
	EXPECT_TRUE(is_asleep(w.tid));
	EXPECT_RET(1, futex_wake(&word, 1));
	EXPECT_RET(0, waiter_result(&w));
}

CLAUSE(wake_op_need_not_see_its_first_word,
       "kernel/futex/waitwake.c futex_wake_op (7.2): the private word at uaddr is only woken, never read",
       .needed_by = "glibc:pthread_cond_signal")
{
	UNREADABLE(places);
	uint32_t word = 0;

	FOR_EACH(i, places)
		EXPECT_RET(0, futex_wake_op(places[i], 1, 1, &word, FUTEX_OP(FUTEX_OP_ADD, 1, FUTEX_OP_CMP_EQ, 0)));
	EXPECT_EQ(ARRAY_SIZE(places), word);
}

CLAUSE(a_shared_word_in_read_only_private_memory_is_refused,
       "kernel/futex/core.c get_futex_key (7.2): a read-only anonymous page will never change, so FUTEX_WAIT and "
       "FUTEX_WAKE without FUTEX_PRIVATE_FLAG refuse it with EFAULT")
{
	uint32_t *word = private_memory(2 * page_size());
	uint32_t *untouched = word + page_size() / sizeof(*word);

	*word = 7;
	ASSERT_EQ(0, mprotect(word, 2 * page_size(), PROT_READ));
	EXPECT_ERR(EFAULT, futex_wait_shared(word, 7, &at_once));
	EXPECT_ERR(EFAULT, futex_wake_shared(word, 1));
	EXPECT_ERR(EFAULT, futex_wait_shared(untouched, 0, &at_once));
	EXPECT_ERR(EFAULT, futex_wake_shared(untouched, 1));
}

CLAUSE(a_shared_word_in_a_file_mapped_read_only_works,
       "kernel/futex/core.c get_futex_key (7.2): a wait on a MAP_SHARED mapping attaches to the object, even through "
       "a read-only handle",
       .commit = "9ea71503a8ed futex: Fix regression with read only mappings", .needed_by = "glibc:sem_wait")
{
	int fd = memfd_create("word", MFD_CLOEXEC);
	uint32_t *writable, *read_only;
	struct waiter w;

	ASSERT_EQ(0, ftruncate(fd, page_size()));
	writable = mmap(NULL, page_size(), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	read_only = mmap(NULL, page_size(), PROT_READ, MAP_SHARED, fd, 0);
	ASSERT_TRUE(writable != MAP_FAILED && read_only != MAP_FAILED);
	*writable = 5;
	EXPECT_ERR(EAGAIN, futex_wait_shared(read_only, 4, NULL));
	ASSERT_TRUE(sleeps_on(&w, read_only, FUTEX_WAIT));
	EXPECT_RET(1, futex_wake_shared(writable, 1));
	EXPECT_RET(0, waiter_result(&w));
	ASSERT_TRUE(sleeps_on(&w, writable, FUTEX_WAIT));
	EXPECT_RET(1, futex_wake_shared(read_only, 1));
	EXPECT_RET(0, waiter_result(&w));
}

CLAUSE(calls_that_wake_and_move_take_words_mapped_read_only,
       "kernel/futex/core.c get_futex_key (5.10 to 7.2): only a word that the call writes must be writable: "
       "waiters are woken, moved and moved to through a read-only mapping of the file; the second word of "
       "FUTEX_WAKE_OP is written",
       .commit = "9ea71503a8ed futex: Fix regression with read only mappings", .needed_by = "glibc:pthread_cond_broadcast")
{
	const long add_1 = FUTEX_OP(FUTEX_OP_ADD, 1, FUTEX_OP_CMP_EQ, 0);
	int fd = memfd_create("words", MFD_CLOEXEC);
	uint32_t *writable, *read_only;

	ASSERT_EQ(0, ftruncate(fd, page_size()));
	writable = mmap(NULL, page_size(), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	read_only = mmap(NULL, page_size(), PROT_READ, MAP_SHARED, fd, 0);
	ASSERT_TRUE(writable != MAP_FAILED && read_only != MAP_FAILED);
	for (int compares = 0; compares < 2; compares++) {
		struct waiter w[2];

		ASSERT_TRUE(all_sleep_on(w, 2, &writable[0], FUTEX_WAIT));
		ASSERT_RET(1, futex_call(&read_only[0], compares ? FUTEX_CMP_REQUEUE : FUTEX_REQUEUE, 0, 1, &read_only[1], 0));
		ASSERT_RET(1, futex_wake_shared(&writable[1], 2));
		ASSERT_RET(1, futex_call(&read_only[0], FUTEX_WAKE_OP, 2, 0, &writable[2], add_1));
		EXPECT_EQ(compares + 1, writable[2]);
		EXPECT_TRUE(all_returned(w, 2, 0));
	}
	EXPECT_ERR(EFAULT, futex_call(&writable[0], FUTEX_WAKE_OP, 2, 0, &read_only[2], add_1));
	EXPECT_EQ(2, writable[2]);
}
