// SPDX-License-Identifier: GPL-2.0-only
// mincore(2) on the caller's own file in the temporary directory, whatever file system that is.
#include "clause.h"

#include "mincore.h"
#include "own_file.h"

// Memory can be short, and a page go between two looks: it is read, or touched, again before each of so many.
#define TRIES 100

// Of a page never written some file systems read zeroes without a page.
static bool becomes_resident(int fd, const char *mapping, size_t page)
{
	char byte;
	int i = 0;

	do
		if (pread(fd, &byte, 1, page * page_size()) != 1)
			return false;
	while (is_resident(mapping + page * page_size()) != 1 && i++ < TRIES);
	return i < TRIES;
}

static bool is_resident_once_touched(char *mapping, size_t page)
{
	int i = 0;

	do
		*(volatile char *)(mapping + page * page_size()) = 1;
	while (is_resident(mapping + page * page_size()) != 1 && i++ < TRIES);
	return i < TRIES;
}

static bool is_resident_once_read(const char *mapping, size_t page)
{
	int i = 0;

	do
		(void)*(volatile const char *)(mapping + page * page_size());
	while (is_resident(mapping + page * page_size()) != 1 && i++ < TRIES);
	return i < TRIES;
}

CLAUSE(pages_of_a_sparse_file_never_read_are_not_resident,
       "mm/mincore.c mincore_page (7.2): a page that is not in the page cache is not resident, in shared and private"
       " mappings [MINC-6]")
{
	const int flags[] = { MAP_SHARED, MAP_PRIVATE };

	FILE_OR_SKIP(fd, 8);
	for (int i = 0; i < 2; i++) {
		char *p = small_pages_of(8, PROT_READ, flags[i], fd, 0);

		ASSERT_NE(NULL, p);
		EXPECT_RESIDENT("00000000", p);
	}
}

CLAUSE(pages_written_by_system_call_are_resident_in_every_mapping,
       "mm/mincore.c __mincore_unmapped_range (7.2): a page of the caller's own file that is in the page cache is"
       " resident though it was never touched, in private mappings as in shared ones [MINC-6]",
       .commit = "30bac164aca7 Revert \"Change mincore() to count \"mapped\" pages rather than \"cached\" pages\"")
{
	char bytes[256] = "written";
	char *shared, *private, *before;

	FILE_OR_SKIP(fd, 8);
	before = small_pages_of(8, PROT_READ, MAP_PRIVATE, fd, 0);
	for (size_t i = 0; i < 4 * page_size(); i += sizeof(bytes))
		ASSERT_EQ((ssize_t)sizeof(bytes), pwrite(fd, bytes, sizeof(bytes), i));
	shared = small_pages_of(8, PROT_READ, MAP_SHARED, fd, 0);
	private = small_pages_of(8, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	ASSERT_TRUE(before && shared && private);
	for (size_t i = 0; i < 4; i++) {
		EXPECT_TRUE(becomes_resident(fd, shared, i));
		EXPECT_TRUE(becomes_resident(fd, private, i));
		EXPECT_TRUE(becomes_resident(fd, before, i));
	}
}

CLAUSE(pages_read_by_system_call_are_resident,
       "mm/mincore.c mincore_page (7.2): no page-in operation would be required if the page were accessed, so read(2)"
       " makes it resident, also one that posix_fadvise(2) POSIX_FADV_DONTNEED had dropped [MINC-6]")
{
	char *p;

	FILE_OR_SKIP(fd, 8);
	p = small_pages_of(8, PROT_READ, MAP_PRIVATE, fd, 0);
	ASSERT_NE(NULL, p);
	ASSERT_EQ(1, pwrite(fd, "x", 1, 3 * page_size()));
	fsync(fd);
	posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	EXPECT_GE(is_resident(p + 3 * page_size()), 0);
	EXPECT_TRUE(becomes_resident(fd, p, 3));
}

CLAUSE(pages_touched_through_the_mapping_are_resident,
       "mincore(2) DESCRIPTION: a page that was faulted in is resident [MINC-6]")
{
	char *shared, *private;

	FILE_OR_SKIP(fd, 8);
	shared = small_pages_of(8, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	private = small_pages_of(8, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	ASSERT_TRUE(shared && private);
	EXPECT_TRUE(is_resident_once_touched(shared, 1));
	EXPECT_TRUE(is_resident_once_touched(private, 4));
	EXPECT_TRUE(is_resident_once_read(private, 6));
}

CLAUSE(the_owner_sees_the_cache_through_a_read_only_descriptor,
       "mm/mincore.c can_do_mincore (7.2): the owner of a file sees which pages are cached, however it was opened and"
       " whatever its mode [MINC-7]", .commit = "134fca9063ad mm/mincore.c: make mincore() more conservative")
{
	char *p;
	int read_only;

	FILE_OR_SKIP(fd, 8);
	ASSERT_EQ(0, fchmod(fd, 0400));
	ASSERT_EQ(1, pwrite(fd, "x", 1, 2 * page_size()));
	read_only = reopened_read_only(fd);
	if (read_only < 0)
		SKIP(return, "an unlinked file cannot be opened again through /proc here");
	close(fd);
	p = small_pages_of(8, PROT_READ, MAP_SHARED, read_only, 0);
	ASSERT_NE(NULL, p);
	EXPECT_RET(0, is_resident(p + 5 * page_size()));
	EXPECT_TRUE(becomes_resident(read_only, p, 2));
}

CLAUSE(truncated_pages_leave_and_regrown_ones_are_not_resident,
       "truncate(2) DESCRIPTION: the extra data is lost, from the page cache too [MINC-6]")
{
	char *p;

	FILE_OR_SKIP(fd, 4);
	p = small_pages_of(4, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ASSERT_NE(NULL, p);
	touch_pages(p, "1111");
	ASSERT_EQ(0, ftruncate(fd, 0));
	EXPECT_RESIDENT("0000", p);
	ASSERT_EQ(0, ftruncate(fd, 4 * page_size()));
	EXPECT_RESIDENT("0000", p);
	EXPECT_TRUE(is_resident_once_touched(p, 1));
}

static __attribute__((noinline)) long residency_of_this_code(void)
{
	return is_resident((void *)((uintptr_t)residency_of_this_code & -page_size()));
}

CLAUSE(code_that_runs_is_resident,
       "mincore(2) DESCRIPTION: the page that holds the instruction being executed needs no page-in")
{
	int i = 0;

	while (i < TRIES && residency_of_this_code() != 1)
		i++;
	EXPECT_LT(i, TRIES);
}
