// SPDX-License-Identifier: GPL-2.0-only
// mincore(2) as the question "is this mapped?": ENOMEM for holes, page by page, and for nothing else.
#include "clause.h"
#include "mincore.h"
#include "uapi.h"

#define PAGES 8

CLAUSE(hole_at_the_start_is_enomem_and_leaves_the_vector,
       "mincore(2) ERRORS ENOMEM: addr to addr + length contained unmapped memory [MINC-3]", .needed_by = "go:mincore")
{
	unsigned char *vec = guarded(PAGES);
	char *p = island(PAGES);

	ASSERT_NE(NULL, p);
	EXPECT_ERR(ENOMEM, mincore_raw(p - page_size(), page_size(), vec));
	EXPECT_ERR(ENOMEM, mincore_raw(p - page_size(), 1, vec));
	EXPECT_ERR(ENOMEM, mincore_raw(p - page_size(), PAGES * page_size(), vec));
	EXPECT_UNTOUCHED(vec, 0, PAGES);
	EXPECT_INTACT(vec);
}

CLAUSE(hole_at_the_end_is_enomem_though_all_before_is_mapped,
       "mincore(2) ERRORS ENOMEM: one byte beyond the mapping is enough [MINC-3]")
{
	unsigned char *vec = guarded(PAGES + 1);
	char *p = island(PAGES);

	ASSERT_NE(NULL, p);
	EXPECT_RET(0, mincore_raw(p, PAGES * page_size(), vec));
	EXPECT_ERR(ENOMEM, mincore_raw(p, PAGES * page_size() + 1, vec));
	EXPECT_ERR(ENOMEM, mincore_raw(p, (PAGES + 1) * page_size(), vec));
	EXPECT_ERR(ENOMEM, mincore_raw(p + (PAGES - 1) * page_size(), page_size() + 1, vec));
	EXPECT_UNTOUCHED(vec, PAGES, PAGES + 1);
	EXPECT_INTACT(vec);
}

CLAUSE(entries_before_a_hole_are_written_and_those_behind_are_not,
       "mm/mincore.c sys_mincore (7.2): entries are copied out mapping by mapping, so those before the first hole are"
       " there when the call says ENOMEM [MINC-3]")
{
	for (size_t hole = 0; hole < PAGES; hole++) {
		unsigned char *vec = guarded(PAGES);
		char *p = island(PAGES), wanted[PAGES + 1] = "10110101";

		ASSERT_NE(NULL, p);
		touch_pages(p, wanted);
		memset(wanted + hole, '.', PAGES - hole);
		munmap(p + hole * page_size(), page_size());
		EXPECT_ERR(ENOMEM, mincore_raw(p, PAGES * page_size(), vec));
		EXPECT_VEC(wanted, vec, PAGES);
		EXPECT_INTACT(vec);
	}
}

CLAUSE(only_the_first_hole_matters,
       "mm/mincore.c sys_mincore (7.2): the walk ends at the first hole; what comes behind is never reported [MINC-3]")
{
	unsigned char *vec = guarded(PAGES);
	char *p = island(PAGES);

	ASSERT_NE(NULL, p);
	touch_pages(p, "11111111");
	munmap(p + 2 * page_size(), page_size());
	munmap(p + 5 * page_size(), page_size());
	EXPECT_ERR(ENOMEM, mincore_raw(p, PAGES * page_size(), vec));
	EXPECT_VEC("11......", vec, PAGES);
	EXPECT_RET(0, mincore_raw(p + 3 * page_size(), 2 * page_size(), vec));
	EXPECT_RET(0, mincore_raw(p + 6 * page_size(), 2 * page_size(), vec));
}

CLAUSE(a_probe_page_by_page_finds_exactly_the_mapped_pages,
       "mincore(2) ERRORS ENOMEM: asked for one page at a time, it tells mapped pages from holes, resident or not"
       " [MINC-2] [MINC-3]",
       .needed_by = "go:mincore")
{
	const char mapped[] = "1101001110001011011111010000010111";
	size_t pages = sizeof(mapped) - 1;
	unsigned char *vec = guarded(1);
	char *p = island(pages);

	ASSERT_NE(NULL, p);
	touch_pages(p, "1110000001");
	for (size_t i = 0; i < pages; i++)
		if (mapped[i] == '0')
			munmap(p + i * page_size(), page_size());
	for (size_t i = 0; i < pages; i++) {
		EXPECT_RET(mapped[i] == '1' ? 0 : -ENOMEM, mincore_raw(p + i * page_size(), page_size(), vec))
			TH_LOG("page %zu", i);
	}
	EXPECT_INTACT(vec);
}

CLAUSE(a_hole_that_is_mapped_again_is_no_hole,
       "mincore(2) DESCRIPTION: the answer is about the mapping as it is at the call [MINC-3]")
{
	unsigned char *vec = guarded(3);
	char *p = island(3);

	ASSERT_NE(NULL, p);
	touch_pages(p, "111");
	munmap(p + page_size(), page_size());
	EXPECT_ERR(ENOMEM, mincore_raw(p, 3 * page_size(), vec));
	ASSERT_EQ(p + page_size(), mmap(p + page_size(), page_size(), PROT_READ | PROT_WRITE,
					MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	EXPECT_RET(0, mincore_raw(p, 3 * page_size(), vec));
	EXPECT_VEC("101", vec, 3);
}

CLAUSE(a_range_may_span_mappings_of_every_kind,
       "mincore(2) DESCRIPTION: the range is one of the address space; where one mapping ends and the next begins"
       " does not matter [MINC-2]")
{
	size_t page = page_size();
	const int fixed = MAP_FIXED | MAP_ANONYMOUS, locked = fixed | MAP_PRIVATE | MAP_LOCKED;
	unsigned char *vec = guarded(PAGES);
	char *p = island(PAGES);

	ASSERT_NE(NULL, p);
	ASSERT_NE(MAP_FAILED, mmap(p + 1 * page, page, PROT_READ, fixed | MAP_PRIVATE, -1, 0));
	ASSERT_NE(MAP_FAILED, mmap(p + 2 * page, page, PROT_NONE, fixed | MAP_PRIVATE | MAP_NORESERVE, -1, 0));
	ASSERT_NE(MAP_FAILED, mmap(p + 3 * page, 2 * page, PROT_READ | PROT_WRITE, fixed | MAP_SHARED, -1, 0));
	ASSERT_NE(MAP_FAILED, mmap(p + 6 * page, page, PROT_READ | PROT_WRITE, locked, -1, 0));
	madvise(p + 3 * page, 2 * page, MADV_NOHUGEPAGE);
	touch_pages(p, "1000101");
	read_pages(p, "01");
	EXPECT_RET(0, mincore_raw(p, PAGES * page, vec));
	EXPECT_VEC("11001010", vec, PAGES);
	for (size_t i = 0; i + 1 < PAGES; i++)
		EXPECT_RET(0, mincore_raw(p + i * page, 2 * page, vec));
	EXPECT_INTACT(vec);
}

CLAUSE(a_reservation_without_access_is_mapped_and_not_resident,
       "mincore(2) ERRORS ENOMEM: unmapped memory is an error, memory that may not be touched (PROT_NONE) is none"
       " [MINC-2]")
{
	char *p = small_pages_of(6, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	ASSERT_NE(NULL, p);
	EXPECT_RESIDENT("000000", p);
}

static long guard_probe(void)
{
	return raw_syscall(__NR_madvise, small_pages(1), page_size(), MADV_GUARD_INSTALL);
}

CLAUSE(guard_regions_are_mapped_and_not_resident,
       "madvise(2) MADV_GUARD_INSTALL: a guard region stays part of its mapping, and what it held is gone;"
       " mm/mincore.c: a marker is looked up like an empty entry [MINC-2]",
       .since = KERNEL(6, 13), .probe = guard_probe, .absent_errno = EINVAL)
{
	char *p = small_pages(6);

	ASSERT_NE(NULL, p);
	touch_pages(p, "111111");
	ASSERT_OK(raw_syscall(__NR_madvise, p + page_size(), 2 * page_size(), MADV_GUARD_INSTALL));
	EXPECT_RESIDENT("100111", p);
	ASSERT_OK(raw_syscall(__NR_madvise, p + page_size(), page_size(), MADV_GUARD_REMOVE));
	EXPECT_RESIDENT("100111", p);
	touch_pages(p, "01");
	EXPECT_RESIDENT("110111", p);
}

CLAUSE(munmap_makes_a_hole_of_exactly_its_pages,
       "munmap(2) DESCRIPTION: deletes the mappings for the range; every page that holds a byte of it [MINC-3]")
{
	size_t page = page_size();
	unsigned char *vec = guarded(1);
	char *p = island(4);

	ASSERT_NE(NULL, p);
	EXPECT_RET(0, raw_syscall(__NR_munmap, p + page, 1));
	EXPECT_RET(0, mincore_raw(p, page, vec));
	EXPECT_ERR(ENOMEM, mincore_raw(p + page, page, vec));
	EXPECT_RET(0, mincore_raw(p + 2 * page, page, vec));
	EXPECT_RET(0, raw_syscall(__NR_munmap, p + 2 * page, page + 1));
	EXPECT_ERR(ENOMEM, mincore_raw(p + 2 * page, page, vec));
	EXPECT_ERR(ENOMEM, mincore_raw(p + 3 * page, page, vec));
}

CLAUSE(pages_that_move_are_resident_where_they_went,
       "mremap(2) DESCRIPTION: the old range is no longer mapped, the new one holds its pages [MINC-3] [MINC-6]")
{
	unsigned char *vec = guarded(4);
	char *to = island(4), *from = island(4);

	ASSERT_NE(NULL, from);
	ASSERT_NE(NULL, to);
	touch_pages(from, "1011");
	ASSERT_RET(to, raw_syscall(__NR_mremap, from, 4 * page_size(), 4 * page_size(),
				   MREMAP_MAYMOVE | MREMAP_FIXED, to));
	EXPECT_ERR(ENOMEM, mincore_raw(from, page_size(), vec));
	EXPECT_RET(0, mincore_raw(to, 4 * page_size(), vec));
	EXPECT_VEC("1011", vec, 4);
}

CLAUSE(memory_kept_from_children_is_a_hole_in_them,
       "madvise(2) MADV_DONTFORK: the pages in this range are not made available to the child [MINC-3]")
{
	unsigned char *vec = guarded(3);
	char *p = island(3);

	ASSERT_NE(NULL, p);
	touch_pages(p, "111");
	ASSERT_OK(raw_syscall(__NR_madvise, p + page_size(), page_size(), MADV_DONTFORK));
	IN_CHILD {
		EXPECT_ERR(ENOMEM, mincore_raw(p, 3 * page_size(), vec));
		EXPECT_VEC("1..", vec, 3);
		EXPECT_RET(0, mincore_raw(p + 2 * page_size(), 1, vec));
	}
	EXPECT_RET(0, mincore_raw(p, 3 * page_size(), vec));
	EXPECT_VEC("111", vec, 3);
}

CLAUSE(asking_below_a_stack_does_not_grow_it,
       "mm/mincore.c do_mincore (7.2): the page below a mapping of MAP_GROWSDOWN is unmapped until it is touched"
       " [MINC-3]")
{
	size_t page = page_size(), pages = 600;
	unsigned char entry;
	char *p = mmap(NULL, pages * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	char *stack = p + (pages - 3) * page;

	ASSERT_NE(MAP_FAILED, p);
	munmap(p + page, (pages - 2) * page);
	ASSERT_EQ(stack, mmap(stack, page, PROT_READ | PROT_WRITE,
			      MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN, -1, 0));
	*(volatile char *)stack = 1;
	for (int i = 0; i < 2; i++) {
		EXPECT_ERR(ENOMEM, mincore_raw(stack - page, page, &entry));
		EXPECT_ERR(ENOMEM, mincore_raw(stack - 8 * page, 9 * page, &entry));
		EXPECT_RET(1, is_resident(stack));
	}
}
