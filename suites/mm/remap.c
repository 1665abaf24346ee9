// SPDX-License-Identifier: GPL-2.0-only
// mremap(2): growing, shrinking and moving, with contents, protection and neighbours as they were.
#include "clause.h"
#include "maps.h"
#include "mm.h"

#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4	/* 5.7 */
#endif

CLAUSE(a_mapping_grows_in_place_where_there_is_room,
       "mremap(2) DESCRIPTION: expands an existing mapping; without MREMAP_MAYMOVE at its address, the new part zero",
       .needed_by = "glibc:mremap_chunk musl:realloc")
{
	char *p = island(2, 8);

	mark_pages(p, 2, 'a');
	EXPECT_RET(p, mremap_raw(p, 2 * page_size(), 6 * page_size(), 0, 0));
	EXPECT_TRUE(are_marked(p, 2, 'a'));
	EXPECT_TRUE(are_zero(p + 2 * page_size(), 4));
	mark_pages(p, 6, 'k');
	EXPECT_TRUE(are_marked(p, 6, 'k'));
	EXPECT_FALSE(is_mapped(p + 6 * page_size()));
}

CLAUSE(without_room_and_leave_to_move_growing_is_enomem,
       "mremap(2) ERRORS ENOMEM: the memory area cannot be expanded at the current virtual address and MREMAP_MAYMOVE"
       " is not set; everything stays as it was", .needed_by = "glibc:mremap_chunk")
{
	char *p = pages(4);

	ASSERT_OK(mprotect_raw(p + 2 * page_size(), page_size(), PROT_NONE));
	mark_pages(p, 2, 'a');
	EXPECT_ERR(ENOMEM, mremap_raw(p, 2 * page_size(), 3 * page_size(), 0, 0));
	EXPECT_ERR(ENOMEM, mremap_raw(p, page_size(), 2 * page_size(), 0, 0));
	EXPECT_TRUE(are_marked(p, 2, 'a'));
	EXPECT_EQ(FORBIDDEN, touch(p + 2 * page_size(), READ));
}

CLAUSE(a_mapping_that_moves_takes_its_contents_along,
       "mremap(2) MREMAP_MAYMOVE: the kernel is permitted to relocate the mapping to a new virtual address; the old"
       " one is gone, the new part zero", .needed_by = "glibc:mremap_chunk musl:realloc jemalloc:pages_remap")
{
	char *p = pages(9), *to;

	ASSERT_OK(mprotect_raw(p + 8 * page_size(), page_size(), PROT_NONE));
	mark_pages(p, 8, 'a');
	to = (char *)mremap_raw(p, 8 * page_size(), 16 * page_size(), MREMAP_MAYMOVE, 0);
	ASSERT_OK((long)to);
	EXPECT_NE(p, to);
	EXPECT_TRUE(are_marked(to, 8, 'a'));
	EXPECT_TRUE(are_zero(to + 8 * page_size(), 8));
	EXPECT_EQ(NOT_THERE, touch(p, READ));
	EXPECT_EQ(NOT_THERE, touch(p + 8 * page_size() - 1, READ));
	EXPECT_EQ(FORBIDDEN, touch(p + 8 * page_size(), READ));
}

CLAUSE(shrinking_cuts_the_end_off,
       "mremap(2) DESCRIPTION: shrinks an existing mapping, whose address stays; what is cut off is not mapped any"
       " more",
       .needed_by = "glibc:mremap_chunk")
{
	char *p = pages(6);

	mark_pages(p, 6, 'a');
	EXPECT_RET(p, mremap_raw(p, 6 * page_size(), 2 * page_size(), 0, 0));
	EXPECT_TRUE(are_marked(p, 2, 'a'));
	for (int i = 2; i < 6; i++)
		EXPECT_FALSE(is_mapped(p + i * page_size()));
	EXPECT_RET(p, mremap_raw(p, 2 * page_size(), 1, MREMAP_MAYMOVE, 0));
	EXPECT_TRUE(are_marked(p, 1, 'a'));
	EXPECT_FALSE(is_mapped(p + page_size()));
}

CLAUSE(the_same_size_changes_nothing,
       "mremap(2) RETURN VALUE: a pointer to the new virtual memory area, the old one where nothing had to change")
{
	char *p = pages(3);

	mark_pages(p, 3, 'a');
	EXPECT_RET(p, mremap_raw(p, 3 * page_size(), 3 * page_size(), MREMAP_MAYMOVE, 0));
	EXPECT_RET(p, mremap_raw(p, 3 * page_size() - 1, 2 * page_size() + 1, 0, 0));
	EXPECT_TRUE(are_marked(p, 3, 'a'));
}

CLAUSE(fixed_moves_to_the_address_and_replaces_what_was_there,
       "mremap(2) MREMAP_FIXED: new_address is a page-aligned address to which the mapping must be moved; any previous"
       " mapping at the range is unmapped", .needed_by = "jvm:ZPhysicalMemory")
{
	char *p = pages(4), *to = pages(6);

	mark_pages(p, 4, 'a');
	mark_pages(to, 6, 'k');
	EXPECT_RET(to + page_size(), mremap_raw(p, 4 * page_size(), 4 * page_size(), MREMAP_MAYMOVE | MREMAP_FIXED,
						to + page_size()));
	EXPECT_TRUE(are_marked(to + page_size(), 4, 'a'));
	EXPECT_TRUE(are_marked(to, 1, 'k'));
	EXPECT_TRUE(are_marked(to + 5 * page_size(), 1, 'k' + 5));
	for (int i = 0; i < 4; i++)
		EXPECT_FALSE(is_mapped(p + i * page_size()));
}

CLAUSE(fixed_can_grow_and_shrink_on_the_way,
       "mremap(2) MREMAP_FIXED: moves old_size bytes, and what is there then has new_size")
{
	char *p = pages(6), *to = island(4, 4);

	munmap(to, 4 * page_size());
	mark_pages(p, 6, 'a');
	EXPECT_RET(to, mremap_raw(p, 2 * page_size(), 4 * page_size(), MREMAP_MAYMOVE | MREMAP_FIXED, to));
	EXPECT_TRUE(are_marked(to, 2, 'a'));
	EXPECT_TRUE(are_zero(to + 2 * page_size(), 2));
	EXPECT_FALSE(is_mapped(p + page_size()));
	EXPECT_TRUE(are_marked(p + 2 * page_size(), 4, 'a' + 2));
	EXPECT_RET(to, mremap_raw(p + 2 * page_size(), 4 * page_size(), page_size(), MREMAP_MAYMOVE | MREMAP_FIXED,
				  to));
	EXPECT_TRUE(are_marked(to, 1, 'a' + 2));
	EXPECT_TRUE(are_zero(to + 2 * page_size(), 2));
	for (int i = 2; i < 6; i++)
		EXPECT_FALSE(is_mapped(p + i * page_size()));
}

CLAUSE(the_middle_of_a_mapping_can_move,
       "mremap(2) DESCRIPTION: old_address and old_size may name a part of a mapping; the rest stays")
{
	char *p = pages(5), *to = pages(1);

	mark_pages(p, 5, 'a');
	EXPECT_RET(to, mremap_raw(p + 2 * page_size(), page_size(), page_size(), MREMAP_MAYMOVE | MREMAP_FIXED, to));
	EXPECT_TRUE(are_marked(to, 1, 'a' + 2));
	EXPECT_TRUE(are_marked(p, 2, 'a'));
	EXPECT_TRUE(are_marked(p + 3 * page_size(), 2, 'a' + 3));
	EXPECT_FALSE(is_mapped(p + 2 * page_size()));
}

CLAUSE(what_was_never_touched_moves_as_well,
       "mremap(2) DESCRIPTION: pages that a mapping does not have yet are zero behind the move as before")
{
	char *p = pages(64), *to = pages(64);

	p[7 * page_size()] = 'x';
	mark_pages(to, 64, 'a');
	ASSERT_RET(to, mremap_raw(p, 64 * page_size(), 64 * page_size(), MREMAP_MAYMOVE | MREMAP_FIXED, to));
	EXPECT_EQ('x', to[7 * page_size()]);
	EXPECT_TRUE(are_zero(to, 7));
	EXPECT_TRUE(are_zero(to + 8 * page_size(), 56));
}

CLAUSE(protection_moves_and_grows_with_the_mapping,
       "mremap(2) DESCRIPTION: changes place and size; the new part has the protection of the rest")
{
	char *p = pages(3), *to;

	mark_pages(p, 2, 'a');
	ASSERT_OK(mprotect_raw(p, 2 * page_size(), PROT_READ));
	to = (char *)mremap_raw(p, 2 * page_size(), 4 * page_size(), MREMAP_MAYMOVE, 0);
	ASSERT_OK((long)to);
	EXPECT_TRUE(are_marked(to, 2, 'a'));
	for (int i = 0; i < 4; i++)
		EXPECT_EQ(FORBIDDEN, touch(to + i * page_size(), WRITE));
	EXPECT_TRUE(are_zero(to + 2 * page_size(), 2));
}

CLAUSE(a_mapping_of_a_file_goes_on_in_the_file,
       "mremap(2) DESCRIPTION: a mapping of a file that grows shows what follows in the file, wherever it has moved")
{
	int fd = memfd_create("osprim-mm", MFD_CLOEXEC);
	char *all, *p, *to;

	ASSERT_EQ(0, ftruncate(fd, 8 * page_size()));
	all = (char *)mmap_raw(NULL, 8 * page_size(), RW, MAP_SHARED, fd, 0);
	ASSERT_OK((long)all);
	mark_pages(all, 8, 'a');
	p = (char *)mmap_raw(NULL, 2 * page_size(), RW, MAP_SHARED, fd, 2 * page_size());
	ASSERT_OK((long)p);
	to = (char *)mremap_raw(p, 2 * page_size(), 5 * page_size(), MREMAP_MAYMOVE, 0);
	ASSERT_OK((long)to);
	EXPECT_TRUE(are_marked(to, 5, 'a' + 2));
	to[4 * page_size()] = 'z';
	EXPECT_EQ('z', all[6 * page_size()]);
}

CLAUSE(an_old_size_of_zero_maps_shared_memory_once_more,
       "mremap(2) NOTES: if old_size is zero and old_address refers to a shareable mapping, a new mapping of the same"
       " pages is created; EINVAL if it is private", .needed_by = "jvm:ZPhysicalMemory")
{
	char *shared = (char *)mmap_raw(NULL, 2 * page_size(), RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	char *p = pages(2), *again;

	mark_pages(shared, 2, 'a');
	again = (char *)mremap_raw(shared, 0, 2 * page_size(), MREMAP_MAYMOVE, 0);
	ASSERT_OK((long)again);
	EXPECT_NE(shared, again);
	EXPECT_TRUE(are_marked(again, 2, 'a'));
	again[page_size()] = 'z';
	EXPECT_EQ('z', shared[page_size()]);
	EXPECT_ERR(EINVAL, mremap_raw(p, 0, 2 * page_size(), MREMAP_MAYMOVE, 0));
}

CLAUSE(arguments_of_mremap_that_make_no_sense_are_einval,
       "mremap(2) ERRORS EINVAL: old_address is not page aligned, new_size is zero, an unknown flag, MREMAP_FIXED or"
       " MREMAP_DONTUNMAP without MREMAP_MAYMOVE, ranges that overlap, DONTUNMAP with another size")
{
	const size_t page = page_size();
	const int fixed = MREMAP_MAYMOVE | MREMAP_FIXED;
	char *p = pages(4), *to = pages(4);

	mark_pages(p, 4, 'a');
	mark_pages(to, 4, 'k');
	EXPECT_ERR(EINVAL, mremap_raw(p + 1, page, 2 * page, MREMAP_MAYMOVE, 0));
	EXPECT_ERR(EINVAL, mremap_raw(p, page, 0, MREMAP_MAYMOVE, 0));
	EXPECT_ERR(EINVAL, mremap_raw(p, page, 2 * page, 8, 0));
	EXPECT_ERR(EINVAL, mremap_raw(p, page, 2 * page, MREMAP_MAYMOVE | 0x100, 0));
	EXPECT_ERR(EINVAL, mremap_raw(p, page, page, MREMAP_FIXED, to));
	EXPECT_ERR(EINVAL, mremap_raw(p, page, page, fixed, to + 1));
	EXPECT_ERR(EINVAL, mremap_raw(p, 2 * page, 2 * page, fixed, p + page));
	EXPECT_ERR(EINVAL, mremap_raw(p + page, 2 * page, 2 * page, fixed, p));
	EXPECT_ERR(EINVAL, mremap_raw(p, page, page, fixed, (char *)-(uintptr_t)page));
	EXPECT_ERR(EINVAL, mremap_raw(p, page, page, MREMAP_DONTUNMAP, 0));
	EXPECT_ERR(EINVAL, mremap_raw(p, page, 2 * page, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, 0));
	EXPECT_TRUE(are_marked(p, 4, 'a'));
	EXPECT_TRUE(are_marked(to, 4, 'k'));
}

CLAUSE(what_is_not_mapped_cannot_grow,
       "mremap(2) ERRORS EFAULT: some address in the range is an invalid virtual memory address for this process, or"
       " the range spans mappings of different types")
{
	char *p = island(3, 2), *two = pages(4);

	EXPECT_ERR(EFAULT, mremap_raw(p - page_size(), page_size(), 2 * page_size(), MREMAP_MAYMOVE, 0));
	EXPECT_ERR(EFAULT, mremap_raw(p + 3 * page_size(), page_size(), 2 * page_size(), MREMAP_MAYMOVE, 0));
	EXPECT_ERR(EFAULT, mremap_raw(p, 4 * page_size(), 5 * page_size(), MREMAP_MAYMOVE, 0));
	mark_pages(two, 4, 'a');
	ASSERT_OK(mprotect_raw(two + 2 * page_size(), 2 * page_size(), PROT_READ));
	EXPECT_ERR(EFAULT, mremap_raw(two, 4 * page_size(), 6 * page_size(), MREMAP_MAYMOVE, 0));
	EXPECT_TRUE(are_marked(two, 4, 'a'));
}

CLAUSE(growing_beyond_rlimit_as_is_enomem,
       "mremap(2) ERRORS ENOMEM; getrlimit(2) RLIMIT_AS: affects mremap, which fails with ENOMEM upon exceeding it")
{
	char *p = pages(4);

	mark_pages(p, 4, 'a');
	IN_CHILD {
		ASSERT_TRUE(set_limit(RLIMIT_AS, page_size()));
		EXPECT_ERR(ENOMEM, mremap_raw(p, 4 * page_size(), 8 * page_size(), MREMAP_MAYMOVE, 0));
		EXPECT_TRUE(are_marked(p, 4, 'a'));
		EXPECT_RET(p, mremap_raw(p, 4 * page_size(), 2 * page_size(), 0, 0));
	}
}

CLAUSE(dontunmap_leaves_an_empty_mapping_behind,
       "mremap(2) MREMAP_DONTUNMAP (5.7): remaps to a new address but does not unmap the old one, whose private"
       " memory is zero from then on", .needed_by = "jvm:ZGC")
{
	char *p = pages(4), *to;

	mark_pages(p, 4, 'a');
	to = (char *)mremap_raw(p, 4 * page_size(), 4 * page_size(), MREMAP_MAYMOVE | MREMAP_DONTUNMAP, 0);
	ASSERT_OK((long)to);
	EXPECT_NE(p, to);
	EXPECT_TRUE(are_marked(to, 4, 'a'));
	EXPECT_TRUE(are_zero(p, 4));
	mark_pages(p, 4, 'k');
	EXPECT_TRUE(are_marked(to, 4, 'a'));
}

// Whether shared memory may stay behind: the source, or -errno.
static long dontunmap_shared(void)
{
	char *p = (char *)mmap_raw(NULL, page_size(), RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	return mremap_raw(p, page_size(), page_size(), MREMAP_MAYMOVE | MREMAP_DONTUNMAP, 0);
}

CLAUSE(dontunmap_leaves_shared_memory_at_both_addresses,
       "mm/mremap.c (5.13, 7.2) MREMAP_DONTUNMAP: a shared mapping that stays behind shows the same memory as before",
       .since = KERNEL(5, 13), .probe = dontunmap_shared, .absent_errno = EINVAL)
{
	char *p = (char *)mmap_raw(NULL, 2 * page_size(), RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0), *to;

	mark_pages(p, 2, 'a');
	to = (char *)mremap_raw(p, 2 * page_size(), 2 * page_size(), MREMAP_MAYMOVE | MREMAP_DONTUNMAP, 0);
	ASSERT_OK((long)to);
	EXPECT_TRUE(are_marked(to, 2, 'a'));
	EXPECT_TRUE(are_marked(p, 2, 'a'));
	*to = 'z';
	EXPECT_EQ('z', *p);
}

CLAUSE(other_threads_find_a_mapping_at_its_new_place_alone,
       "mremap(2) DESCRIPTION; mm/mremap.c move_page_tables (7.2): old translations are flushed on all CPUs before the"
       " call returns, so no store goes to the old place unseen")
{
	struct toucher t = { 0 };

	ASSERT_TRUE(toucher_start(&t));
	for (int i = 0; i < 30; i++) {
		char *p = island(1, 1), *to = pages(1);

		*p = 'a';
		ASSERT_EQ(NO_FAULT, other_touches(&t, p, READ));
		ASSERT_EQ('a', t.byte);
		ASSERT_RET(to, mremap_raw(p, page_size(), page_size(), MREMAP_MAYMOVE | MREMAP_FIXED, to));
		ASSERT_EQ(NOT_THERE, other_touches(&t, p, i % 2 ? READ : WRITE));
		ASSERT_EQ(NO_FAULT, other_touches(&t, to, READ));
		EXPECT_EQ('a', t.byte);
	}
	EXPECT_TRUE(toucher_stop(&t));
}

// What a mapping was advised, and the two letters of its VmFlags.
static const struct { int advice; const char *flag; } lasting[] = {
	{ MADV_WIPEONFORK, "wf" }, { MADV_DONTFORK, "dc" }, { MADV_DONTDUMP, "dd" }, { MADV_SEQUENTIAL, "sr" },
	{ MADV_RANDOM, "rr" }, { MADV_NOHUGEPAGE, "nh" }, { MADV_HUGEPAGE, "hg" },
};

CLAUSE(advice_moves_and_grows_with_the_mapping,
       "mremap(2) DESCRIPTION: changes place and size, and nothing else; madvise(2): what is advised for later holds"
       " until other advice is given, wherever the memory is by then, and for what it has grown by",
       .needs = "file=/proc/self/smaps", .needed_by = "glibc:mremap_chunk jemalloc:pages_remap")
{
	const int flags[] = { MREMAP_MAYMOVE, MREMAP_MAYMOVE | MREMAP_FIXED, MREMAP_MAYMOVE | MREMAP_DONTUNMAP };

	for (size_t i = 0; i < sizeof(lasting) / sizeof(*lasting); i++)
		for (int how = 0; how < 3; how++) {
			char *p = island(4, 1), *to = island(6, 1);
			size_t size = (flags[how] & MREMAP_DONTUNMAP ? 2 : 4) * page_size();

			mark_pages(p, 4, 'a');
			// EINVAL where there are no huge pages.
			if (madvise_raw(p + page_size(), 2 * page_size(), lasting[i].advice))
				continue;
			to = (char *)mremap_raw(p + page_size(), 2 * page_size(), size, flags[how], to + page_size());
			ASSERT_OK((long)to);
			EXPECT_TRUE(flag_at(to, lasting[i].flag))
				TH_LOG("%s is lost, flags %x", lasting[i].flag, flags[how]);
			EXPECT_TRUE(flag_at(to + size - page_size(), lasting[i].flag))
				TH_LOG("%s is not of what it grew by, flags %x", lasting[i].flag, flags[how]);
			EXPECT_TRUE(are_marked(to, 2, 'b'));
			EXPECT_EQ(lasting[i].advice == MADV_NOHUGEPAGE, flag_at(p, lasting[i].flag));
		}
}

CLAUSE(memory_to_be_wiped_or_left_out_is_so_at_its_new_place,
       "madvise(2) MADV_WIPEONFORK, MADV_DONTFORK: are of the memory, and hold when mremap(2) has moved it",
       .needed_by = "glibc:arc4random go:vgetrandom")
{
	char *wiped = pages(2), *gone = pages(2), *to = pages(2), *beside = pages(2);

	mark_pages(wiped, 2, 'a');
	mark_pages(gone, 2, 'k');
	ASSERT_RET(0, madvise_raw(wiped, 2 * page_size(), MADV_WIPEONFORK));
	ASSERT_RET(0, madvise_raw(gone, 2 * page_size(), MADV_DONTFORK));
	ASSERT_RET(to, mremap_raw(wiped, 2 * page_size(), 2 * page_size(), MREMAP_MAYMOVE | MREMAP_FIXED, to));
	ASSERT_RET(beside,
		   mremap_raw(gone, 2 * page_size(), 2 * page_size(), MREMAP_MAYMOVE | MREMAP_FIXED, beside));
	IN_CHILD {
		EXPECT_TRUE(are_zero(to, 2));
		EXPECT_FALSE(is_mapped(beside));
	}
	EXPECT_TRUE(are_marked(to, 2, 'a'));
	EXPECT_TRUE(are_marked(beside, 2, 'k'));
}
