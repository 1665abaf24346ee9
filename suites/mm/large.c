// SPDX-License-Identifier: GPL-2.0-only
// Ranges that reach over several page tables: what holds for a page holds where one table ends and the next begins.
#include "clause.h"
#include "mm.h"

// What one page table of 8-byte entries maps; where entries are shorter it is a half of that.
#define SPAN (page_size() * page_size() / 8)
#define SPANS 4
#define MARKS (3 * SPANS)

// An area of SPANS spans between spare pages, its address a multiple of a span plus `skew` pages. It is never filled:
// only the pages around the ends of its tables are touched.
static char *area(int skew)
{
	size_t size = (SPANS + 2) * SPAN + 16 * page_size();
	long at = mmap_raw(NULL, size, RW, ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (is_error(at)) {
		puts("# mm: no room for an area");
		abort();
	}
	madvise((void *)at, size, MADV_NOHUGEPAGE);
	return (char *)(((uintptr_t)at + 8 * page_size() + SPAN - 1) & -SPAN) + skew * (long)page_size();
}

// Of each span the first page, one in the middle and the last one are touched.
static char *mark_of(char *p, int i)
{
	const size_t at[] = { 0, SPAN / 2, SPAN - page_size() };

	return p + i / 3 * SPAN + at[i % 3];
}

static void mark_area(char *p, char first)
{
	for (int i = 0; i < MARKS; i++)
		mark_pages(mark_of(p, i), 1, first + i);
}

static bool area_is_marked(char *p, char first)
{
	for (int i = 0; i < MARKS; i++)
		if (!are_marked(mark_of(p, i), 1, first + i))
			return false;
	return true;
}

static bool area_is_zero(char *p)
{
	for (int i = 0; i < MARKS; i++)
		if (!are_zero(mark_of(p, i), 1))
			return false;
	return true;
}

// The pages in front of the area and behind it, which no operation on the area may touch.
static void mark_neighbours(char *p)
{
	mark_pages(p - page_size(), 1, 'B');
	mark_pages(p + SPANS * SPAN, 1, 'E');
}

static bool neighbours_are_marked(char *p)
{
	return are_marked(p - page_size(), 1, 'B') && are_marked(p + SPANS * SPAN, 1, 'E');
}

CLAUSE(a_large_range_is_given_back_whole,
       "madvise(2) MADV_DONTNEED: all pages of the range, and no others, are zero on demand [MAD-1]",
       .needed_by = "go:sysUnused")
{
	for (int skew = 0; skew < 3; skew++) {
		char *p = area(skew);

		mark_area(p, 'a');
		mark_neighbours(p);
		ASSERT_RET(0, madvise_raw(p, SPANS * SPAN, MADV_DONTNEED));
		EXPECT_TRUE(area_is_zero(p));
		EXPECT_TRUE(neighbours_are_marked(p));
	}
}

CLAUSE(a_large_range_is_protected_whole,
       "mprotect(2) DESCRIPTION: all pages of the range, and no others, get the protection; contents stay",
       .needed_by = "jvm:ZGC v8:SetPermissions")
{
	for (int skew = 0; skew < 3; skew++) {
		char *p = area(skew);

		mark_area(p, 'a');
		mark_neighbours(p);
		ASSERT_OK(mprotect_raw(p, SPANS * SPAN, PROT_READ));
		for (int i = 0; i < MARKS; i++)
			EXPECT_EQ(FORBIDDEN, touch(mark_of(p, i), WRITE));
		EXPECT_TRUE(area_is_marked(p, 'a'));
		ASSERT_OK(mprotect_raw(p, SPANS * SPAN, PROT_NONE));
		for (int i = 0; i < MARKS; i++)
			EXPECT_EQ(FORBIDDEN, touch(mark_of(p, i), READ));
		mark_neighbours(p);
		ASSERT_OK(mprotect_raw(p, SPANS * SPAN, RW));
		EXPECT_TRUE(area_is_marked(p, 'a'));
		mark_area(p, 'k');
		EXPECT_TRUE(neighbours_are_marked(p));
	}
}

CLAUSE(a_large_range_moves_whole,
       "mremap(2) DESCRIPTION: every page of the range is at its place in the new one, and none at the old one; whole"
       " page tables may be moved at once", .needed_by = "glibc:mremap_chunk jvm:ZPhysicalMemory")
{
	const struct { int from, to; } skew[] = { { 0, 0 }, { 0, 1 }, { 1, 0 }, { 1, 1 }, { 2, 1 } };

	for (int i = 0; i < 5; i++) {
		char *p = area(skew[i].from), *to = area(skew[i].to);

		mark_area(p, 'a');
		mark_neighbours(p);
		mark_area(to, 'k');
		mark_neighbours(to);
		ASSERT_RET(to, mremap_raw(p, SPANS * SPAN, SPANS * SPAN, MREMAP_MAYMOVE | MREMAP_FIXED, to));
		EXPECT_TRUE(area_is_marked(to, 'a'));
		EXPECT_TRUE(are_zero(to + SPAN + 3 * page_size(), 1));
		EXPECT_TRUE(neighbours_are_marked(to));
		EXPECT_TRUE(neighbours_are_marked(p));
		for (int j = 0; j < MARKS; j++)
			EXPECT_FALSE(is_mapped(mark_of(p, j)));
		mark_area(to, 'q');
		EXPECT_TRUE(area_is_marked(to, 'q'));
		munmap(to, SPANS * SPAN);
	}
}

CLAUSE(a_large_range_is_unmapped_whole,
       "munmap(2) DESCRIPTION: all pages of the range, and no others, are gone; what is mapped there next is zero"
       " [MAP-5]",
       .needed_by = "go:sysFree")
{
	for (int skew = 0; skew < 3; skew++) {
		char *p = area(skew);

		mark_area(p, 'a');
		mark_neighbours(p);
		ASSERT_RET(0, munmap_raw(p, SPANS * SPAN));
		for (int i = 0; i < MARKS; i++)
			EXPECT_EQ(NOT_THERE, touch(mark_of(p, i), READ));
		EXPECT_TRUE(neighbours_are_marked(p));
		ASSERT_RET(p, mmap_raw(p, SPANS * SPAN, RW, ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0));
		EXPECT_TRUE(area_is_zero(p));
		EXPECT_TRUE(neighbours_are_marked(p));
	}
}

CLAUSE(a_large_range_is_copied_whole_for_a_child,
       "fork(2) DESCRIPTION: the child has a copy of every page, and writes to its own")
{
	char *p = area(1);

	mark_area(p, 'a');
	IN_CHILD {
		EXPECT_TRUE(area_is_marked(p, 'a'));
		EXPECT_TRUE(are_zero(p + SPAN + 3 * page_size(), 1));
		mark_area(p, 'k');
		ASSERT_RET(0, madvise_raw(p, SPANS * SPAN / 2, MADV_DONTNEED));
	}
	EXPECT_TRUE(area_is_marked(p, 'a'));
}

CLAUSE(a_large_range_is_wiped_whole_for_a_child,
       "madvise(2) MADV_WIPEONFORK: every page of the range is zero in the child")
{
	char *p = area(1);

	mark_area(p, 'a');
	mark_neighbours(p);
	ASSERT_RET(0, madvise_raw(p, SPANS * SPAN, MADV_WIPEONFORK));
	IN_CHILD {
		EXPECT_TRUE(area_is_zero(p));
		EXPECT_TRUE(neighbours_are_marked(p));
	}
	EXPECT_TRUE(area_is_marked(p, 'a'));
}

CLAUSE(a_large_range_is_replaced_whole,
       "mmap(2) MAP_FIXED: every page of the range is new and zero, and no other changes [MAP-4] [MAP-5]",
       .needed_by = "go:sysMap")
{
	char *p = area(2);

	mark_area(p, 'a');
	mark_neighbours(p);
	ASSERT_RET(p, mmap_raw(p, SPANS * SPAN, RW, ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0));
	EXPECT_TRUE(area_is_zero(p));
	EXPECT_TRUE(neighbours_are_marked(p));
}

CLAUSE(other_threads_find_a_large_range_where_it_is_now,
       "mremap(2), munmap(2), mprotect(2), madvise(2) MADV_DONTNEED; mm/mremap.c move_normal_pmd (7.2): when the call"
       " has returned no thread's CPU goes by what any page of the range was, whole page tables or not [MAD-1]",
       .commit = "eb66ae030829 mremap: properly flush TLB before releasing the page",
       .needed_by = "glibc:mremap_chunk jvm:ZGC go:sysFault")
{
	struct toucher t = { 0 };

	ASSERT_TRUE(toucher_start(&t));
	// One mark at a time: a translation that is used for others meanwhile may be forgotten by chance.
	for (int i = 0; i < 2 * MARKS; i++) {
		char *p = area(i % 2), *to = area(i % 2), *old = mark_of(p, i / 2), *new = mark_of(to, i / 2);

		mark_area(p, 'a');
		ASSERT_EQ(NO_FAULT, other_touches(&t, old, WRITE));
		ASSERT_RET(to, mremap_raw(p, SPANS * SPAN, SPANS * SPAN, MREMAP_MAYMOVE | MREMAP_FIXED, to));
		EXPECT_EQ(NOT_THERE, other_touches(&t, old, i % 4 < 2 ? READ : WRITE));
		ASSERT_EQ(NO_FAULT, other_touches(&t, new, WRITE));
		EXPECT_EQ('w', *new);
		ASSERT_OK(mprotect_raw(to, SPANS * SPAN, PROT_READ));
		EXPECT_EQ(FORBIDDEN, other_touches(&t, new, WRITE));
		ASSERT_OK(mprotect_raw(to, SPANS * SPAN, RW));
		ASSERT_EQ(NO_FAULT, other_touches(&t, new, WRITE));
		ASSERT_RET(0, madvise_raw(to, SPANS * SPAN, MADV_DONTNEED));
		ASSERT_EQ(NO_FAULT, other_touches(&t, new, READ));
		EXPECT_EQ(0, t.byte);
		ASSERT_EQ(NO_FAULT, other_touches(&t, new, WRITE));
		ASSERT_RET(0, munmap_raw(to, SPANS * SPAN));
		EXPECT_EQ(NOT_THERE, other_touches(&t, new, i % 4 < 2 ? WRITE : READ));
	}
	EXPECT_TRUE(toucher_stop(&t));
}
