// SPDX-License-Identifier: GPL-2.0-only
// Huge pages as others see them: system calls, other processes, futexes, threads that drop and write side by side.
#include "clause.h"

#include <sys/uio.h>

#include "futexes.h"
#include "thp.h"
#include "thread.h"

#define HUGE_PAGES THP_ADVICE, .needs = "thp " SMAPS

// Ranges that begin and end inside pages of a huge page, or cross into the next.
#define RANGES(a, page) { { 8, 16 }, { (page) - 8, 16 }, { 3 * (page) - 8, 2 * (page) }, { (a).huge - 8, 16 }, \
	{ (a).huge - (page), 2 * (page) }, { (a).size - 16, 16 } }

struct range { size_t from, size; };

CLAUSE(system_calls_read_and_write_it_like_any_memory,
       "read(2), write(2): buffers in a huge page are read and written at every place, over the borders of its "
       "pages and into the next one, and nothing around them",
       HUGE_PAGES)
{
	const size_t page = page_size();
	char *copy = guarded(2 * page);
	struct area a;
	int ends[2];

	ASSERT_EQ(0, pipe(ends));
	SKIP_UNLESS_HUGE(huge_area(&a, 2));
	fill(a.at, a.size, a.at, 1);
	const struct range ranges[] = RANGES(a, page);
	for (unsigned int i = 0; i < COUNT(ranges); i++) {
		char *at = a.at + ranges[i].from;
		size_t size = ranges[i].size;

		EXPECT_RET(size, raw_syscall(__NR_write, ends[1], at, size));
		EXPECT_RET(size, raw_syscall(__NR_read, ends[0], copy, size));
		EXPECT_EQ(0, memcmp(copy, at, size));
		fill(copy, size, copy - ranges[i].from, 2);
		EXPECT_RET(size, raw_syscall(__NR_write, ends[1], copy, size));
		EXPECT_RET(size, raw_syscall(__NR_read, ends[0], at, size));
		EXPECT_EQ(NOWHERE, wrong_at(at, size, a.at, 2));
		EXPECT_EQ(NOWHERE, wrong_at(a.at, ranges[i].from, a.at, 1));
		EXPECT_EQ(NOWHERE, wrong_at(at + size, a.size - ranges[i].from - size, a.at, 1));
		fill(at, size, a.at, 1);
	}
	EXPECT_INTACT(copy);
}

static long probe_vm_readv(void)
{
	return raw_syscall(__NR_process_vm_readv, getpid(), NULL, 0, NULL, 0, 0);
}

CLAUSE(another_process_reads_and_writes_it_like_any_memory,
       "process_vm_readv(2), process_vm_writev(2): another process reads and writes any part of a huge page",
       .config = "CROSS_MEMORY_ATTACH", .probe = probe_vm_readv, .needs = "thp " SMAPS)
{
	const size_t page = page_size();
	char *copy = guarded(2 * page);
	pid_t owner = getpid();
	struct area a;

	SKIP_UNLESS_HUGE(huge_area(&a, 2));
	fill(a.at, a.size, a.at, 1);
	const struct range ranges[] = RANGES(a, page);
	for (unsigned int i = 0; i < COUNT(ranges); i++) {
		struct iovec here = { copy, ranges[i].size }, there = { a.at + ranges[i].from, ranges[i].size };

		EXPECT_RET(ranges[i].size, raw_syscall(__NR_process_vm_readv, owner, &here, 1, &there, 1, 0));
		EXPECT_EQ(NOWHERE, wrong_at(copy, ranges[i].size, copy - ranges[i].from, 1));
		fill(copy, ranges[i].size, copy - ranges[i].from, 2);
		EXPECT_RET(ranges[i].size, raw_syscall(__NR_process_vm_writev, owner, &here, 1, &there, 1, 0));
		EXPECT_EQ(NOWHERE, wrong_at(there.iov_base, ranges[i].size, a.at, 2));
		fill(there.iov_base, ranges[i].size, a.at, 1);
	}
	EXPECT_EQ(NOWHERE, wrong_at(a.at, a.size, a.at, 1));
	EXPECT_INTACT(copy);
}

CLAUSE(words_of_its_pages_are_futexes_of_their_own,
       "futex(2) DESCRIPTION: a futex is known by the address of its word: words at the same offset of different "
       "pages of a huge page are different futexes",
       HUGE_PAGES)
{
	struct area a;

	SKIP_UNLESS_HUGE(huge_area(&a, 1));
	expect_own_futexes(_metadata, a.at, a.size, true);
	expect_own_futexes(_metadata, a.at, a.size, false);
}

// Writes one page over and over and looks whether it finds there what it wrote.
struct writer {
	uint64_t *word;
	size_t words;
	volatile bool stop;
	volatile unsigned long rounds, lost;
};

static int writer_main(void *arg)
{
	struct writer *w = arg;

	for (uint64_t round = 1; !w->stop; round++) {
		for (size_t i = 0; i < w->words; i++)
			((volatile uint64_t *)w->word)[i] = round + i;
		for (size_t i = 0; i < w->words; i++)
			w->lost += ((volatile uint64_t *)w->word)[i] != round + i;
		w->rounds = round;
	}
	return 0;
}

CLAUSE(no_write_is_lost_while_another_thread_drops_pages_beside,
       "madvise(2) MADV_DONTNEED: drops the pages of its range alone, also while another thread writes to other "
       "pages of the same huge page and the huge page is taken apart [MAD-1]",
       HUGE_PAGES)
{
	const size_t page = page_size();

	for (int i = 0; i < 8; i++) {
		struct writer w = { 0 };
		struct thread t;
		struct area a;

		SKIP_UNLESS_HUGE(huge_area(&a, 1));
		fill(a.at, a.size, a.at, 1);
		w.word = (uint64_t *)(a.at + a.size / 2);
		w.words = page / sizeof(uint64_t);
		ASSERT_OK(thread_start(&t, writer_main, &w));
		ASSERT_TRUE(wait_until(w.rounds > 0));
		EXPECT_RET(0, advise(a.at + a.size / 2 - page, page, MADV_DONTNEED));
		EXPECT_RET(0, advise(a.at + a.size / 2 + page, page, i % 2 ? MADV_DONTNEED : MADV_FREE));
		EXPECT_EQ(NOWHERE, nonzero_at(a.at + a.size / 2 - page, page));
		w.stop = true;
		ASSERT_TRUE(thread_join(&t));
		EXPECT_EQ(0, w.lost);
		EXPECT_EQ(NOWHERE, wrong_at(a.at, a.size / 2 - page, a.at, 1));
		EXPECT_EQ(NOWHERE, wrong_at(a.at + a.size / 2 + 2 * page, a.size / 2 - 2 * page, a.at, 1));
		area_unmap(&a);
	}
}

CLAUSE(no_write_is_lost_while_another_thread_forks_and_drops,
       "fork(2) NOTES: copy-on-write: what a thread writes to a huge page while another forks stays the parent's, "
       "and the child keeps the page as it was at some moment of the fork",
       HUGE_PAGES)
{
	const size_t page = page_size();

	for (int i = 0; i < 4; i++) {
		struct writer w = { 0 };
		struct thread t;
		struct area a;

		SKIP_UNLESS_HUGE(huge_area(&a, 1));
		fill(a.at, a.size, a.at, 1);
		w.word = (uint64_t *)(a.at + a.size / 2);
		w.words = page / sizeof(uint64_t);
		ASSERT_OK(thread_start(&t, writer_main, &w));
		ASSERT_TRUE(wait_until(w.rounds > 0));
		IN_CHILD {
			EXPECT_EQ(NOWHERE, wrong_at(a.at, a.size / 2, a.at, 1));
			EXPECT_EQ(NOWHERE, wrong_at(a.at + a.size / 2 + page, a.size / 2 - page, a.at, 1));
			fill(a.at, a.size, a.at, 2);
		}
		w.stop = true;
		ASSERT_TRUE(thread_join(&t));
		EXPECT_EQ(0, w.lost);
		EXPECT_EQ(NOWHERE, wrong_at(a.at, a.size / 2, a.at, 1));
		EXPECT_EQ(NOWHERE, wrong_at(a.at + a.size / 2 + page, a.size / 2 - page, a.at, 1));
		area_unmap(&a);
	}
}
