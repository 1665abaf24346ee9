// SPDX-License-Identifier: GPL-2.0-only
// mincore(2) on huge pages: one entry for each small page of them, all alike.
#include "clause.h"

#include <fcntl.h>

#include "maps.h"
#include "mincore.h"

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25	/* 6.1 */
#endif

#define PMD_SIZE_FILE "/sys/kernel/mm/transparent_hugepage/hpage_pmd_size"
#define POOL_FILE "/proc/sys/vm/nr_hugepages"

static long number_in(const char *path)
{
	long number = -1;
	FILE *f = fopen(path, "re");

	if (f && fscanf(f, "%ld", &number) != 1)
		number = -1;
	if (f)
		fclose(f);
	return number;
}

static bool write_number(const char *path, long number)
{
	FILE *f = fopen(path, "we");

	return f && fprintf(f, "%ld", number) > 0 && fclose(f) == 0;
}

static size_t thp_size(void)
{
	long size = number_in(PMD_SIZE_FILE);

	return size > 0 ? size : 0;
}

// Three huge pages of room, aligned, the middle one a transparent huge page and resident; NULL if none is to be had.
static char *huge_page_between(size_t huge)
{
	char *room = mmap(NULL, 4 * huge, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	char *p = (char *)(((uintptr_t)room + huge - 1) & -huge) + huge;

	if (room == MAP_FAILED)
		return NULL;
	madvise(room, 4 * huge, MADV_NOHUGEPAGE);
	madvise(p, huge, MADV_HUGEPAGE);
	memset(p, 1, page_size());
	if (field_at(p, "AnonHugePages") < (long long)huge) {
		memset(p, 1, huge);
		madvise(p, huge, MADV_COLLAPSE);
	}
	return field_at(p, "AnonHugePages") == (long long)huge ? p : NULL;
}

#define HUGE_PAGE_OR_SKIP(p, huge)						\
	size_t huge = thp_size();						\
	char *p = huge_page_between(huge);					\
	if (!p)									\
		SKIP(return, "no transparent huge page is to be had")

static size_t residents(const unsigned char *vec, size_t pages)
{
	size_t n = 0;

	for (size_t i = 0; i < pages; i++)
		n += vec[i] & 1;
	return n;
}

CLAUSE(every_page_of_a_huge_page_is_resident,
       "mm/mincore.c mincore_pte_range (7.2): all pages that a huge page covers are resident once it is mapped,"
       " touched or not [MINC-6]", .needs = "thp file=/proc/self/smaps")
{
	HUGE_PAGE_OR_SKIP(p, huge);
	size_t pages = huge / page_size();
	unsigned char *vec = guarded(pages);

	EXPECT_RET(0, mincore_raw(p, huge, vec));
	EXPECT_EQ(pages, residents(vec, pages));
	EXPECT_EQ(NULL, memchr(vec, GUARD_BYTE, pages));
	EXPECT_INTACT(vec);
}

CLAUSE(a_range_may_begin_and_end_within_huge_pages,
       "mm/mincore.c mincore_pte_range (7.2): as many entries as pages asked for, also from the middle of a huge page"
       " [MINC-2]",
       .needs = "thp file=/proc/self/smaps")
{
	HUGE_PAGE_OR_SKIP(p, huge);
	size_t page = page_size();
	unsigned char *vec = guarded(40);

	EXPECT_RESIDENT("0011", p - 2 * page);
	EXPECT_RESIDENT("1100", p + huge - 2 * page);
	EXPECT_RESIDENT("1111", p + 5 * page);
	EXPECT_RESIDENT("1", p + huge - page);
	touch_pages(p + huge, "01");
	EXPECT_RESIDENT("1101", p + huge - 2 * page);
	EXPECT_RET(0, mincore_raw(p + 3 * page, 7 * page, vec));
	EXPECT_EQ(7, residents(vec, 7));
	EXPECT_UNTOUCHED(vec, 7, 40);
	EXPECT_INTACT(vec);
}

CLAUSE(a_huge_page_with_a_hole_stays_resident_around_it,
       "munmap(2) DESCRIPTION: exactly the pages of the range are unmapped, in a huge page too [MINC-3]",
       .needs = "thp file=/proc/self/smaps")
{
	HUGE_PAGE_OR_SKIP(p, huge);
	size_t page = page_size(), pages = huge / page;
	unsigned char *vec = guarded(pages);

	munmap(p + 3 * page, page);
	EXPECT_ERR(ENOMEM, mincore_raw(p, huge, vec));
	EXPECT_VEC("111......", vec, 9);
	EXPECT_UNTOUCHED(vec, 3, pages);
	EXPECT_RET(0, mincore_raw(p + 4 * page, huge - 4 * page, vec));
	EXPECT_EQ(pages - 4, residents(vec, pages - 4));
	EXPECT_INTACT(vec);
}

CLAUSE(pages_given_back_out_of_a_huge_page_are_not_resident,
       "madvise(2) MADV_DONTNEED: exactly the pages of the range are freed, in a huge page too [MINC-6]",
       .needs = "thp file=/proc/self/smaps")
{
	HUGE_PAGE_OR_SKIP(p, huge);
	size_t page = page_size(), pages = huge / page;
	unsigned char *vec = guarded(pages);

	memset(p, 1, huge);
	madvise(p, huge, MADV_NOHUGEPAGE);
	ASSERT_OK(raw_syscall(__NR_madvise, p + 2 * page, 5 * page, MADV_DONTNEED));
	EXPECT_RET(0, mincore_raw(p, huge, vec));
	EXPECT_VEC("110000011", vec, 9);
	EXPECT_EQ(pages - 5, residents(vec, pages));
	ASSERT_OK(raw_syscall(__NR_madvise, p, huge, MADV_DONTNEED));
	EXPECT_RET(0, mincore_raw(p, huge, vec));
	EXPECT_EQ(0, residents(vec, pages));
	EXPECT_INTACT(vec);
}

CLAUSE(a_huge_page_under_several_protections_stays_resident,
       "mprotect(2) DESCRIPTION: changes the protection of the range, and nothing of its contents [MINC-6]",
       .needs = "thp file=/proc/self/smaps")
{
	HUGE_PAGE_OR_SKIP(p, huge);
	size_t page = page_size(), pages = huge / page;
	unsigned char *vec = guarded(pages);

	ASSERT_OK(raw_syscall(__NR_mprotect, p + page, 2 * page, PROT_NONE));
	EXPECT_RET(0, mincore_raw(p, huge, vec));
	EXPECT_EQ(pages, residents(vec, pages));
	ASSERT_OK(raw_syscall(__NR_mprotect, p, huge, PROT_NONE));
	EXPECT_RET(0, mincore_raw(p, huge, vec));
	EXPECT_EQ(pages, residents(vec, pages));
	EXPECT_INTACT(vec);
}

CLAUSE(a_child_has_its_parents_huge_page,
       "fork(2): the child's memory has the parent's contents, huge or not [MINC-6]", .needs = "thp"
       " file=/proc/self/smaps")
{
	HUGE_PAGE_OR_SKIP(p, huge);

	IN_CHILD {
		EXPECT_RESIDENT("0011", p - 2 * page_size());
		EXPECT_RESIDENT("1100", p + huge - 2 * page_size());
		*(volatile char *)p = 7;
		EXPECT_RESIDENT("11", p);
	}
}

CLAUSE(huge_pages_only_read_are_resident,
       "mm/huge_memory.c do_huge_pmd_anonymous_page (7.2): a read maps a page of zeroes, huge or small; the page that"
       " was read is resident [MINC-6]", .needs = "file=/sys/kernel/mm/transparent_hugepage")
{
	size_t huge = thp_size();
	char *room = mmap(NULL, 2 * huge, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	char *p = (char *)(((uintptr_t)room + huge - 1) & -huge);
	unsigned char *vec = guarded(huge / page_size());
	size_t n;

	ASSERT_NE(MAP_FAILED, room);
	madvise(p, huge, MADV_HUGEPAGE);
	(void)*(volatile char *)(p + 5 * page_size());
	EXPECT_RET(0, mincore_raw(p, huge, vec));
	n = residents(vec, huge / page_size());
	EXPECT_EQ(1, vec[5] & 1);
	EXPECT_TRUE(n == 1 || n == huge / page_size()) TH_LOG("%zu pages are resident", n);
	EXPECT_INTACT(vec);
}

// The pool may be lent to another run meanwhile: what is taken back is two pages, whatever is there.
static void shrink_pool(bool lent)
{
	long pool = number_in(POOL_FILE);

	if (lent && pool >= 2)
		write_number(POOL_FILE, pool - 2);
}

// A pool of hugetlb pages is the administrator's; root lends the clause two pages and takes them back.
static char *hugetlb_pages(size_t *size, int sharing, bool *lent)
{
	const int flags = sharing | MAP_ANONYMOUS | MAP_HUGETLB;
	long pool;
	char *p;

	*size = thp_size();
	*lent = false;
	if (!*size)
		return NULL;
	p = mmap(NULL, 2 * *size, PROT_READ | PROT_WRITE, flags, -1, 0);
	if (p == MAP_FAILED && (pool = number_in(POOL_FILE)) >= 0 && (*lent = write_number(POOL_FILE, pool + 2)))
		p = mmap(NULL, 2 * *size, PROT_READ | PROT_WRITE, flags, -1, 0);
	if (p != MAP_FAILED && field_at(p, "KernelPageSize") == (long long)*size)
		return p;
	shrink_pool(*lent);
	return NULL;
}

static void return_hugetlb_pages(char *p, size_t size, bool lent)
{
	munmap(p, 2 * size);
	shrink_pool(lent);
}

static void check_hugetlb(struct __test_metadata *_metadata, int sharing)
{
	size_t page = page_size(), huge, pages;
	bool lent;
	char *p = hugetlb_pages(&huge, sharing, &lent);
	unsigned char *vec;

	if (!p)
		SKIP(return, "no hugetlb pages are to be had");
	pages = 2 * huge / page;
	vec = guarded(pages);
	EXPECT_RET(0, mincore_raw(p, 2 * huge, vec));
	EXPECT_EQ(0, residents(vec, pages));
	p[huge + 3 * page] = 1;
	EXPECT_RET(0, mincore_raw(p, 2 * huge, vec));
	EXPECT_EQ(0, residents(vec, pages / 2));
	EXPECT_EQ(pages / 2, residents(vec + pages / 2, pages / 2));
	EXPECT_RESIDENT("0011", p + huge - 2 * page);
	EXPECT_RESIDENT("111", p + huge + 7 * page);
	EXPECT_ERR(EINVAL, mincore_raw(p + 1, page, vec));
	EXPECT_INTACT(vec);
	return_hugetlb_pages(p, huge, lent);
}

CLAUSE(hugetlb_pages_of_ones_own_are_resident_once_touched,
       "mm/mincore.c mincore_hugetlb (7.2): all entries of a hugetlb page are 1 once it is there, and 0 before"
       " [MINC-6]",
       .config = "HUGETLB_PAGE", .needs = "file=/proc/self/smaps", .writes = POOL_FILE, .exclusive = 1)
{
	check_hugetlb(_metadata, MAP_PRIVATE);
}

CLAUSE(hugetlb_pages_that_are_shared_are_resident_once_touched,
       "mm/mincore.c mincore_hugetlb (7.2): all entries of a hugetlb page are 1 once it is there, and 0 before"
       " [MINC-6]",
       .config = "HUGETLB_PAGE", .needs = "file=/proc/self/smaps", .writes = POOL_FILE, .exclusive = 1)
{
	check_hugetlb(_metadata, MAP_SHARED);
}
