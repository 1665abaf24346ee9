// SPDX-License-Identifier: GPL-2.0-only
// munmap(2): exactly the range goes, for every thread at once, and what it held does not come back.
#include "clause.h"
#include "maps.h"
#include "mm.h"

CLAUSE(the_middle_of_a_mapping_can_go,
       "munmap(2) DESCRIPTION: deletes the mappings for the address range; the rest of a mapping stays with its"
       " contents",
       .needed_by = "go:sysFree jvm:release_memory musl:free")
{
	char *p = pages(8);

	mark_pages(p, 8, 'a');
	ASSERT_RET(0, munmap_raw(p + 3 * page_size(), 2 * page_size()));
	EXPECT_TRUE(are_marked(p, 3, 'a'));
	EXPECT_TRUE(are_marked(p + 5 * page_size(), 3, 'a' + 5));
	EXPECT_FALSE(is_mapped(p + 3 * page_size()));
	EXPECT_FALSE(is_mapped(p + 4 * page_size()));
}

CLAUSE(a_touch_of_what_is_gone_is_segv_maperr,
       "munmap(2) DESCRIPTION: further references to addresses within the range generate invalid memory references;"
       " sigaction(2) SEGV_MAPERR")
{
	char *p = pages(3);

	mark_pages(p, 3, 'a');
	ASSERT_RET(0, munmap_raw(p + page_size(), page_size()));
	EXPECT_EQ(NOT_THERE, touch(p + page_size(), READ));
	EXPECT_EQ(NOT_THERE, touch(p + 2 * page_size() - 1, WRITE));
	EXPECT_EQ(NO_FAULT, touch(p + page_size() - 1, WRITE));
	EXPECT_EQ(NO_FAULT, touch(p + 2 * page_size(), WRITE));
	EXPECT_ERR(EFAULT, try_read(p + page_size()));
}

CLAUSE(holes_in_the_range_are_no_error,
       "munmap(2) NOTES, RETURN VALUE: it is not an error if the indicated range does not contain any mapped pages",
       .needed_by = "go:sysFree")
{
	char *p = island(5, 2);

	ASSERT_RET(0, munmap_raw(p + page_size(), page_size()));
	EXPECT_RET(0, munmap_raw(p + page_size(), page_size()));
	ASSERT_RET(0, munmap_raw(p + 3 * page_size(), page_size()));
	EXPECT_RET(0, munmap_raw(p - page_size(), 7 * page_size()));
	for (int i = 0; i < 5; i++)
		EXPECT_FALSE(is_mapped(p + i * page_size()));
	EXPECT_TRUE(is_mapped(p - 3 * page_size()));
	EXPECT_TRUE(is_mapped(p + 7 * page_size()));
}

CLAUSE(mappings_of_every_kind_go_together,
       "munmap(2) DESCRIPTION: all pages containing a part of the range are unmapped, whatever they map")
{
	char *p = pages(6);
	int fd = memfd_create("osprim-mm", MFD_CLOEXEC);

	ASSERT_EQ(0, ftruncate(fd, page_size()));
	ASSERT_OK(mmap_raw(p + page_size(), page_size(), RW, MAP_SHARED | MAP_FIXED, fd, 0));
	ASSERT_OK(mmap_raw(p + 2 * page_size(), page_size(), PROT_READ, MAP_PRIVATE | MAP_FIXED, fd, 0));
	ASSERT_OK(mprotect_raw(p + 3 * page_size(), page_size(), PROT_NONE));
	ASSERT_OK(mmap_raw(p + 4 * page_size(), page_size(), RW, MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
	EXPECT_RET(0, munmap_raw(p, 6 * page_size()));
	for (int i = 0; i < 6; i++)
		EXPECT_FALSE(is_mapped(p + i * page_size()));
}

CLAUSE(unmapping_what_cannot_be_mapped_is_einval,
       "munmap(2) ERRORS EINVAL: addr is not aligned, length is 0, or the range leaves the address space; nothing goes",
       .needed_by = "go:munmap")
{
	char *p = pages(2);

	mark_pages(p, 2, 'a');
	EXPECT_ERR(EINVAL, munmap_raw(p + 1, page_size()));
	EXPECT_ERR(EINVAL, munmap_raw(p + page_size() - 1, page_size()));
	EXPECT_ERR(EINVAL, munmap_raw(p, 0));
	EXPECT_ERR(EINVAL, munmap_raw(p, SIZE_MAX));
	EXPECT_ERR(EINVAL, munmap_raw(p, SIZE_MAX - page_size() + 1));
	EXPECT_ERR(EINVAL, munmap_raw(p, -(uintptr_t)p));
	EXPECT_ERR(EINVAL, munmap_raw((void *)-(uintptr_t)page_size(), page_size()));
	EXPECT_TRUE(are_marked(p, 2, 'a'));
}

CLAUSE(unmapping_rounds_lengths_up_to_whole_pages,
       "munmap(2) DESCRIPTION: all pages containing a part of the indicated range are unmapped")
{
	char *p = pages(6);

	EXPECT_RET(0, munmap_raw(p + page_size(), 1));
	EXPECT_FALSE(is_mapped(p + page_size()));
	EXPECT_TRUE(is_mapped(p + 2 * page_size()));
	EXPECT_RET(0, munmap_raw(p + 3 * page_size(), page_size() + 1));
	EXPECT_FALSE(is_mapped(p + 3 * page_size()));
	EXPECT_FALSE(is_mapped(p + 4 * page_size()));
	EXPECT_TRUE(is_mapped(p + 5 * page_size()));
}

CLAUSE(memory_that_is_mapped_again_at_the_place_is_zero,
       "mmap(2) MAP_ANONYMOUS: the contents are initialized to zero, also where there was something else before"
       " [MAP-5]",
       .needed_by = "go:sysAlloc")
{
	char *p = pages(4);

	for (int i = 0; i < 20; i++) {
		mark_pages(p, 4, 'a');
		ASSERT_RET(0, munmap_raw(p, 4 * page_size()));
		ASSERT_RET(p, mmap_raw(p, 4 * page_size(), RW, ANONYMOUS | MAP_FIXED, -1, 0));
		EXPECT_TRUE(are_zero(p, 4));
	}
}

CLAUSE(other_threads_find_it_gone_before_the_call_returns,
       "munmap(2) DESCRIPTION; mm/mmu_gather.c (7.2): translations are flushed on all CPUs before the pages are freed",
       .needed_by = "go:sysFree jvm:ZGC")
{
	struct toucher t = { 0 };

	ASSERT_TRUE(toucher_start(&t));
	for (int i = 0; i < 50; i++) {
		char *p = island(1, 1);

		ASSERT_EQ(NO_FAULT, other_touches(&t, p, WRITE));
		ASSERT_RET(0, munmap_raw(p, page_size()));
		ASSERT_EQ(NOT_THERE, other_touches(&t, p, i % 2 ? READ : WRITE));
	}
	EXPECT_TRUE(toucher_stop(&t));
}

CLAUSE(other_threads_find_what_replaced_it,
       "mmap(2) MAP_FIXED: once the call has returned, every thread reads and writes the new mapping [MAP-4]",
       .needed_by = "go:sysMap jvm:ZPhysicalMemory")
{
	struct toucher t = { 0 };
	char *p = pages(1);

	ASSERT_TRUE(toucher_start(&t));
	for (int i = 0; i < 50; i++) {
		ASSERT_EQ(NO_FAULT, other_touches(&t, p, WRITE));
		ASSERT_RET(p, mmap_raw(p, page_size(), RW, ANONYMOUS | MAP_FIXED, -1, 0));
		ASSERT_EQ(NO_FAULT, other_touches(&t, p, READ));
		EXPECT_EQ(0, t.byte);
		*p = 'n';
		ASSERT_EQ(NO_FAULT, other_touches(&t, p, READ));
		EXPECT_EQ('n', t.byte);
	}
	EXPECT_TRUE(toucher_stop(&t));
}

CLAUSE(a_mapping_outlives_its_descriptor_and_the_file_outlives_the_mapping,
       "mmap(2) DESCRIPTION: after mmap has returned, the descriptor can be closed without invalidating the mapping;"
       " munmap(2): what was written to a shared mapping is in the file")
{
	int fd = memfd_create("osprim-mm", MFD_CLOEXEC), again = dup(fd);
	char *p, byte = 0;

	ASSERT_EQ(0, ftruncate(fd, 2 * page_size()));
	p = (char *)mmap_raw(NULL, 2 * page_size(), RW, MAP_SHARED, fd, 0);
	ASSERT_OK((long)p);
	close(fd);
	mark_pages(p, 2, 'a');
	ASSERT_RET(0, munmap_raw(p, 2 * page_size()));
	EXPECT_EQ(1, pread(again, &byte, 1, page_size()));
	EXPECT_EQ('b', byte);
}

CLAUSE(a_childs_memory_is_its_own_to_unmap,
       "munmap(2), fork(2): the child's mappings are copies; what one of the two unmaps, the other one keeps")
{
	char *p = pages(2), *shared = (char *)mmap_raw(NULL, page_size(), RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	mark_pages(p, 2, 'a');
	mark_pages(shared, 1, 's');
	IN_CHILD {
		ASSERT_RET(0, munmap_raw(p, 2 * page_size()));
		ASSERT_RET(0, munmap_raw(shared, page_size()));
		EXPECT_EQ(NOT_THERE, touch(p, READ));
	}
	EXPECT_TRUE(are_marked(p, 2, 'a'));
	EXPECT_TRUE(are_marked(shared, 1, 's'));
}
