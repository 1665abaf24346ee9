// SPDX-License-Identifier: GPL-2.0-only
// Where mappings lie for huge pages, which get none by their kind, and guard pages inside of huge pages.
#include "clause.h"

#include "thp.h"

// A mapping of this size without any wish for an address.
static char *map_anywhere(size_t size, int flags)
{
	return mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | flags, -1, 0);
}

// The kernel aligns mappings from 6.7 on; there is nothing to ask it.
CLAUSE(a_mapping_of_whole_huge_pages_is_aligned_to_them,
       "mm/mmap.c __get_unmapped_area (6.12, 7.2): private anonymous memory of a length that is a multiple of a "
       "huge page, mapped without a hint by a 64-bit process, begins at a multiple of one",
       .since = KERNEL(6, 7), .config = "TRANSPARENT_HUGEPAGE", .needs = "thp 64bit",
       .commit = "efa7df3e3bb5 mm: align larger anonymous mappings on THP boundaries", .needed_by = "jvm:THPSupport")
{
	const size_t huge = huge_page_size(), page = page_size();

	for (unsigned int pages = 1; pages <= 4; pages++) {
		char *odd, *at;

		odd = map_anywhere(3 * page, 0);	// so that the next place is no multiple by chance
		at = map_anywhere(pages * huge, 0);
		ASSERT_NE(MAP_FAILED, odd);
		ASSERT_NE(MAP_FAILED, at);
		EXPECT_EQ(0, (uintptr_t)at % huge)
			TH_LOG("%u huge pages lie at %p", pages, at);
	}
}

CLAUSE(an_address_asked_for_is_kept,
       "mmap(2) DESCRIPTION: an address that is free and page-aligned is taken as asked for, aligned to huge pages "
       "or not",
       .needs = "thp")
{
	static const int flags[] = { MAP_PRIVATE | MAP_ANONYMOUS, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE };
	const size_t page = page_size();
	struct area a;

	ASSERT_TRUE(area_map(&a, 3));
	munmap(a.at, a.size);
	for (size_t offset = 0; offset <= 4 * page; offset += page) {
		char *wanted = a.at + offset;

		for (unsigned int i = 0; i < COUNT(flags); i++) {
			EXPECT_EQ(wanted, mmap(wanted, a.huge, PROT_READ, flags[i], -1, 0));
			munmap(wanted, a.huge);
		}
	}
}

static long probe_map_stack(void)
{
	char *at = map_anywhere(page_size(), MAP_STACK);

	return at != MAP_FAILED && flag_at(at, "nh") ? 0 : -ENOSYS;
}

#define SINCE_MAP_STACK .since = KERNEL(6, 7), .config = "TRANSPARENT_HUGEPAGE", .probe = probe_map_stack, \
	.needs = "thp " SMAPS

CLAUSE(a_stack_gets_no_huge_page,
       "include/linux/mman.h calc_vm_flag_bits (6.12, 7.2): memory mapped with MAP_STACK is as if advised "
       "MADV_NOHUGEPAGE: nh in VmFlags, and one touched byte takes one page [incident 91]",
       SINCE_MAP_STACK, .commit = "c4608d1bf7c6 mm: mmap: map MAP_STACK to VM_NOHUGEPAGE",
       .needed_by = "glibc:pthread_create jvm:os::create_thread")
{
	const size_t size = 4 * huge_page_size();
	char *at = map_anywhere(size, MAP_STACK);

	ASSERT_NE(MAP_FAILED, at);
	allow_huge_pages();
	EXPECT_TRUE(flag_at(at, "nh"));
	EXPECT_FALSE(flag_at(at, "hg"));
	at[size / 2] = 1;
	EXPECT_EQ(0, field_at(at, "AnonHugePages"));
	EXPECT_LE(resident_bytes(at, size), page_size());
}

CLAUSE(many_stacks_take_a_page_each,
       "include/linux/mman.h calc_vm_flag_bits (6.12, 7.2): stacks side by side, mapped with MAP_STACK and large "
       "enough for huge pages together, take the pages that were touched and no more [incident 91]",
       SINCE_MAP_STACK, .needed_by = "glibc:pthread_create jvm:os::create_thread")
{
	const size_t size = huge_page_size();
	char *stacks[16];

	allow_huge_pages();
	for (unsigned int i = 0; i < COUNT(stacks); i++) {
		stacks[i] = map_anywhere(size, MAP_STACK);
		ASSERT_NE(MAP_FAILED, stacks[i]);
	}
	for (unsigned int i = 0; i < COUNT(stacks); i++) {
		long long before = field_of_range(stacks[i], size, "Rss");

		stacks[i][size - 1] = 1;
		EXPECT_LE(field_of_range(stacks[i], size, "Rss"), before + page_size());
	}
	for (unsigned int i = 0; i < COUNT(stacks); i++) {
		// Stacks that lie side by side are one mapping, of stacks alone.
		EXPECT_LE(field_of_range(stacks[i], size, "Rss"), COUNT(stacks) * page_size());
	}
}

static long probe_guard(void)
{
	return probe_advice(MADV_GUARD_INSTALL);
}

#define SINCE_GUARD .since = KERNEL(6, 13), .config = "ADVISE_SYSCALLS", .probe = probe_guard, .absent_errno = EINVAL, \
	.needs = "thp " SMAPS

CLAUSE(guard_pages_inside_a_huge_page_guard_and_the_rest_stays,
       "mm/madvise.c madvise_guard_install (7.2): pages of a huge page that become guard pages cannot be accessed, "
       "the rest keeps its contents; removed, they are zero, and the mapping was never split [MAD-7]",
       SINCE_GUARD)
{
	const size_t page = page_size();
	struct mapping m;
	struct area a;

	SKIP_UNLESS_HUGE(huge_area(&a, 2));
	fill(a.at, a.size, a.at, 1);
	EXPECT_RET(0, advise(a.at + page, 2 * page, MADV_GUARD_INSTALL));
	EXPECT_RET(0, advise(a.at + a.huge - page, 2 * page, MADV_GUARD_INSTALL));
	for (int round = 0; round < 2; round++) {	// installing what is installed changes nothing
		EXPECT_TRUE(is_readable(a.at));
		EXPECT_FALSE(is_readable(a.at + page));
		EXPECT_FALSE(is_readable(a.at + 2 * page));
		EXPECT_TRUE(is_readable(a.at + 3 * page));
		EXPECT_FALSE(is_readable(a.at + a.huge - page));
		EXPECT_FALSE(is_readable(a.at + a.huge));
		EXPECT_RET(0, advise(a.at + page, page, MADV_GUARD_INSTALL));
	}
	EXPECT_EQ(NOWHERE, wrong_at(a.at, page, a.at, 1));
	EXPECT_EQ(NOWHERE, wrong_at(a.at + 3 * page, a.huge - 4 * page, a.at, 1));
	EXPECT_EQ(NOWHERE, wrong_at(a.at + a.huge + page, a.huge - page, a.at, 1));
	ASSERT_TRUE(find_mapping(0, a.at, &m));
	EXPECT_EQ((unsigned long)a.at, m.start);
	EXPECT_EQ((unsigned long)a.at + a.size, m.end);
	EXPECT_RET(0, advise(a.at + page, page, MADV_GUARD_REMOVE));
	EXPECT_TRUE(is_readable(a.at + page));
	EXPECT_FALSE(is_readable(a.at + 2 * page));
	EXPECT_RET(0, advise(a.at + 2 * page, a.size - 2 * page, MADV_GUARD_REMOVE));
	EXPECT_EQ(NOWHERE, nonzero_at(a.at + page, 2 * page));
	EXPECT_EQ(NOWHERE, nonzero_at(a.at + a.huge - page, 2 * page));
	EXPECT_EQ(NOWHERE, wrong_at(a.at, page, a.at, 1));
	EXPECT_EQ(NOWHERE, wrong_at(a.at + 3 * page, a.huge - 4 * page, a.at, 1));
	EXPECT_EQ(NOWHERE, wrong_at(a.at + a.huge + page, a.huge - page, a.at, 1));
}

CLAUSE(guard_pages_survive_huge_pages_to_come,
       "mm/madvise.c madvise_guard_install (7.2): neither a touch of memory beside them nor MADV_HUGEPAGE or "
       "MADV_COLLAPSE brings guard pages back [MAD-7]",
       SINCE_GUARD)
{
	const size_t page = page_size();
	struct area a;
	long advised;

	ASSERT_TRUE(area_map(&a, 1));
	allow_huge_pages();
	EXPECT_RET(0, advise(a.at + page, page, MADV_GUARD_INSTALL));
	advised = advise(a.at, a.size, MADV_HUGEPAGE);
	EXPECT_TRUE(advised == 0 || advised == -EINVAL);	// a kernel without huge pages does not know the advice
	fill(a.at, page, a.at, 1);
	fill(a.at + 2 * page, a.size - 2 * page, a.at, 1);
	EXPECT_FALSE(is_readable(a.at + page));
	advise(a.at, a.size, MADV_COLLAPSE);
	EXPECT_FALSE(is_readable(a.at + page));
	EXPECT_EQ(NOWHERE, wrong_at(a.at, page, a.at, 1));
	EXPECT_EQ(NOWHERE, wrong_at(a.at + 2 * page, a.size - 2 * page, a.at, 1));
}

CLAUSE(guard_pages_drop_whole_huge_pages,
       "mm/madvise.c madvise_guard_install (7.2): guard pages over whole huge pages drop them: nothing of them is "
       "resident, and removed they are zero [MAD-7]",
       SINCE_GUARD)
{
	struct area a;

	SKIP_UNLESS_HUGE(huge_area(&a, 2));
	fill(a.at, a.size, a.at, 1);
	EXPECT_RET(0, advise(a.at, a.huge, MADV_GUARD_INSTALL));
	EXPECT_LE(resident_bytes(a.at, a.size), a.huge);
	EXPECT_FALSE(is_readable(a.at));
	EXPECT_FALSE(is_readable(a.at + a.huge - 1));
	EXPECT_EQ(NOWHERE, wrong_at(a.at + a.huge, a.huge, a.at, 1));
	EXPECT_RET(0, advise(a.at, a.size, MADV_GUARD_REMOVE));
	EXPECT_EQ(NOWHERE, nonzero_at(a.at, a.huge));
	EXPECT_EQ(NOWHERE, wrong_at(a.at + a.huge, a.huge, a.at, 1));
}
