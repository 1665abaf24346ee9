// SPDX-License-Identifier: GPL-2.0-only
// What a huge page holds that nobody has written: zeros, however it comes about and whoever had its memory before.
#include "clause.h"

#include "thp.h"

#define HUGE_PAGES THP_ADVICE, .needs = "thp " SMAPS

CLAUSE(untouched_memory_reads_as_zero,
       "mmap(2) MAP_ANONYMOUS: contents are initialised to zero: all of a huge page that is read before anything is "
       "written to it, whatever free memory held",
       THP_ADVICE, .needed_by = "jvm:CollectedHeap")
{
	struct area a;

	soil_free_memory();
	for (int i = 0; i < 4; i++) {
		SKIP_UNLESS_HUGE(map_unread(&a, 2));
		EXPECT_EQ(NOWHERE, nonzero_at(a.at, a.size));
		EXPECT_EQ(NOWHERE, nonzero_at(a.at, a.size));
		area_unmap(&a);
	}
}

#define DROP_CACHES "/proc/sys/vm/drop_caches"

CLAUSE(the_page_of_zeros_is_clean_each_time_it_is_made,
       "mmap(2) MAP_ANONYMOUS: contents are initialised to zero; mm/huge_memory.c get_huge_zero_page (5.10 to 7.2): "
       "the page of zeros that readers share is given back under pressure and made anew for the next of them",
       THP_ADVICE, .needs = "own_machine root thp file=" DROP_CACHES, .exclusive = 1, .needed_by = "jvm:CollectedHeap")
{
	const long long made = vmstat("thp_zero_page_alloc");

	for (int round = 0; round < 8; round++) {
		ASSERT_RET(0, setting_set(DROP_CACHES, "2"));	// what can be made anew: sysctl/vm.rst
		soil_free_memory();	// what was given back was clean
		IN_CHILD {		// a reader holds the page until its end
			struct area a;

			stay_on_this_cpu();
			soil_next_block();
			EXPECT_TRUE(!map_unread(&a, 1) || nonzero_at(a.at, a.size) == NOWHERE);
		}
	}
	if (vmstat("thp_zero_page_alloc") < made + 2)
		SKIP(return, "the kernel keeps its page of zeros, or shares none");
}

CLAUSE(the_rest_of_a_huge_page_is_zero_when_a_byte_is_written,
       "mmap(2) MAP_ANONYMOUS: contents are initialised to zero: all of a huge page but for the byte whose write "
       "brought it about, whatever free memory held",
       THP_ADVICE, .needed_by = "jvm:CollectedHeap")
{
	struct area a;

	for (int i = 0; i < 8; i++) {
		SKIP_UNLESS_HUGE(map_unread(&a, 1));
		a.at[a.size / 8 * i] = 1;
		a.at[a.size / 8 * i] = 0;
		EXPECT_EQ(NOWHERE, nonzero_at(a.at, a.size));
		memset(a.at, 0xa5, a.size);	// for the next one to find
		area_unmap(&a);
	}
}

CLAUSE(writing_where_others_only_read_shows_nowhere_else,
       "mmap(2) MAP_PRIVATE: updates are not visible to others: memory that was read before it is written is the "
       "writer's own then, with zeros around what is written",
       THP_ADVICE)
{
	const size_t page = page_size();
	struct area a, b;

	SKIP_UNLESS_HUGE(map_unread(&a, 2));
	SKIP_UNLESS_HUGE(map_unread(&b, 2));
	EXPECT_EQ(NOWHERE, nonzero_at(a.at, a.size));
	EXPECT_EQ(NOWHERE, nonzero_at(b.at, b.size));
	fill(a.at + a.huge / 2, page, a.at, 1);
	EXPECT_EQ(NOWHERE, nonzero_at(b.at, b.size));
	EXPECT_EQ(NOWHERE, nonzero_at(a.at, a.huge / 2));
	EXPECT_EQ(NOWHERE, wrong_at(a.at + a.huge / 2, page, a.at, 1));
	EXPECT_EQ(NOWHERE, nonzero_at(a.at + a.huge / 2 + page, a.size - a.huge / 2 - page));
	fill(a.at, a.size, a.at, 2);
	EXPECT_EQ(NOWHERE, nonzero_at(b.at, b.size));
	IN_CHILD {
		EXPECT_EQ(NOWHERE, nonzero_at(b.at, b.size));
		fill(b.at, b.size, b.at, 3);
	}
	EXPECT_EQ(NOWHERE, nonzero_at(b.at, b.size));
	area_unmap(&a);
	SKIP_UNLESS_HUGE(map_unread(&a, 2));
	EXPECT_EQ(NOWHERE, nonzero_at(a.at, a.size));
}

CLAUSE(what_the_kernel_writes_where_others_only_read_shows_nowhere_else,
       "read(2), mmap(2) MAP_PRIVATE: a system call that writes to memory which was only read so far writes to the "
       "caller's own page, and leaves zeros around it",
       THP_ADVICE)
{
	const size_t page = page_size();
	char *line = "a line of text!";
	struct area a, b;
	int ends[2];

	ASSERT_EQ(0, pipe(ends));
	SKIP_UNLESS_HUGE(map_unread(&a, 1));
	SKIP_UNLESS_HUGE(map_unread(&b, 1));
	EXPECT_EQ(NOWHERE, nonzero_at(a.at, a.size));
	EXPECT_EQ(NOWHERE, nonzero_at(b.at, b.size));
	ASSERT_EQ(16, write(ends[1], line, 16));
	EXPECT_RET(16, raw_syscall(__NR_read, ends[0], a.at + 3 * page - 8, 16));
	EXPECT_EQ(0, memcmp(a.at + 3 * page - 8, line, 16));
	EXPECT_EQ(NOWHERE, nonzero_at(a.at, 3 * page - 8));
	EXPECT_EQ(NOWHERE, nonzero_at(a.at + 3 * page + 8, a.size - 3 * page - 8));
	EXPECT_EQ(NOWHERE, nonzero_at(b.at, b.size));
}

CLAUSE(the_kernel_reads_untouched_memory_as_zero,
       "write(2), mmap(2) MAP_ANONYMOUS: a system call reads zeros from memory that nobody touched, across the "
       "pages of a huge page",
       THP_ADVICE)
{
	const size_t page = page_size();
	char *copy = guarded(2 * page);
	struct area a;
	int ends[2];

	ASSERT_EQ(0, pipe(ends));
	SKIP_UNLESS_HUGE(map_unread(&a, 1));
	EXPECT_RET(2 * page, raw_syscall(__NR_write, ends[1], a.at + 5 * page + 8, 2 * page));
	EXPECT_RET(2 * page, raw_syscall(__NR_read, ends[0], copy, 2 * page));
	EXPECT_EQ(NOWHERE, nonzero_at(copy, 2 * page));
	EXPECT_INTACT(copy);
	EXPECT_EQ(NOWHERE, nonzero_at(a.at, a.size));
}

CLAUSE(dropped_memory_is_zero_when_it_comes_back_huge,
       "madvise(2) MADV_DONTNEED: memory dropped and touched again is zero, by reads and by writes, and huge pages "
       "that were dropped whole may come back [MAD-1]",
       HUGE_PAGES)
{
	struct area a;

	SKIP_UNLESS_HUGE(huge_area(&a, 2));
	for (int i = 0; i < 4; i++) {
		fill(a.at, a.size, a.at, 1);
		EXPECT_RET(0, advise(a.at, a.size, MADV_DONTNEED));
		if (i % 2)
			area_touch(&a);
		EXPECT_EQ(NOWHERE, nonzero_at(a.at, a.size));
	}
}

static long probe_populate(void)
{
	return probe_advice(MADV_POPULATE_WRITE);
}

#define SINCE_POPULATE .since = KERNEL(5, 14), .config = "ADVISE_SYSCALLS", .probe = probe_populate, \
	.absent_errno = EINVAL

CLAUSE(populate_write_makes_all_of_it_resident_and_zero,
       "madvise(2) MADV_POPULATE_WRITE: all pages of a range advised MADV_HUGEPAGE are there after success, "
       "writable and zero, and what was there before stays [MAD-6] [JVM-4]",
       SINCE_POPULATE, .needs = SMAPS, .needed_by = "jvm:os::pretouch_memory")
{
	const size_t page = page_size();
	struct area a;

	SKIP_UNLESS_HUGE(map_unread(&a, 2));
	fill(a.at + a.huge, page, a.at, 1);
	EXPECT_RET(0, advise(a.at, a.size, MADV_POPULATE_WRITE));
	EXPECT_EQ(a.size, resident_bytes(a.at, a.size) + field_of_range(a.at, a.size, "Swap"));
	EXPECT_EQ(NOWHERE, nonzero_at(a.at, a.huge));
	EXPECT_EQ(NOWHERE, wrong_at(a.at + a.huge, page, a.at, 1));
	EXPECT_EQ(NOWHERE, nonzero_at(a.at + a.huge + page, a.huge - page));
}

CLAUSE(populate_read_gives_zeros_that_can_be_written,
       "madvise(2) MADV_POPULATE_READ: populates a range advised MADV_HUGEPAGE as reads of it would: it reads as "
       "zero, and what is written then is the writer's own [MAD-6]",
       SINCE_POPULATE)
{
	const size_t page = page_size();
	struct area a, b;

	SKIP_UNLESS_HUGE(map_unread(&a, 1));
	SKIP_UNLESS_HUGE(map_unread(&b, 1));
	EXPECT_RET(0, advise(a.at, a.size, MADV_POPULATE_READ));
	EXPECT_RET(0, advise(b.at, b.size, MADV_POPULATE_READ));
	EXPECT_TRUE(has_page(a.at));
	EXPECT_TRUE(has_page(a.at + a.size - 1));
	fill(a.at + 2 * page, page, a.at, 1);
	EXPECT_EQ(NOWHERE, nonzero_at(a.at, 2 * page));
	EXPECT_EQ(NOWHERE, nonzero_at(a.at + 3 * page, a.size - 3 * page));
	EXPECT_EQ(NOWHERE, nonzero_at(b.at, b.size));
}
