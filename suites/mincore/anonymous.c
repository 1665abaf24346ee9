// SPDX-License-Identifier: GPL-2.0-only
// mincore(2) on private anonymous memory: not resident until touched, and what makes it so and ends it.
#include "clause.h"

#include <fcntl.h>

#include "mincore.h"

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22	/* 5.14 */
#define MADV_POPULATE_WRITE 23
#endif
#ifndef MADV_COLD
#define MADV_COLD 20		/* 5.4 */
#endif
#ifndef MLOCK_ONFAULT
#define MLOCK_ONFAULT 1
#endif

CLAUSE(untouched_memory_is_not_resident,
       "mincore(2) DESCRIPTION: a page that would cause a fault is not resident; a new private page is none before it"
       " is touched [MINC-6]")
{
	char *p = small_pages(16);

	ASSERT_NE(NULL, p);
	EXPECT_RESIDENT("0000000000000000", p);
	EXPECT_RESIDENT("0000000000000000", p);
}

CLAUSE(touched_memory_is_resident,
       "mincore(2) DESCRIPTION: the least significant bit of each byte is set if the page is resident [MINC-2]"
       " [MINC-6]")
{
	char *p = small_pages(16);

	ASSERT_NE(NULL, p);
	touch_pages(p, "1111111111111111");
	EXPECT_RESIDENT("1111111111111111", p);
}

CLAUSE(each_entry_is_about_its_own_page,
       "mincore(2) DESCRIPTION: the first byte of the vector is the first page's, and so on [MINC-2] [MINC-6]")
{
	const char *const touched[] = {
		"100000000000", "000000000001", "010101010101", "101010101010",
		"111111000000", "000000111111", "001000110001",
	};

	for (size_t i = 0; i < sizeof(touched) / sizeof(*touched); i++) {
		char *p = small_pages(12);

		ASSERT_NE(NULL, p);
		touch_pages(p, touched[i]);
		EXPECT_RESIDENT(touched[i], p);
	}
}

CLAUSE(a_range_may_begin_and_end_in_the_middle_of_a_mapping,
       "mincore(2) DESCRIPTION: the vector begins with the page at addr, not with the mapping's first [MINC-2]")
{
	const char touched[] = "0110100111";
	char *p = small_pages(10);

	ASSERT_NE(NULL, p);
	touch_pages(p, touched);
	for (size_t from = 0; from < 10; from++) {
		EXPECT_RESIDENT(touched + from, p + from * page_size());
		EXPECT_EQ(touched[from] - '0', is_resident(p + from * page_size()));
	}
}

CLAUSE(one_byte_anywhere_in_a_page_touches_it,
       "mincore(2) DESCRIPTION: residency is that of whole pages [MINC-6]")
{
	char *p = small_pages(3);

	ASSERT_NE(NULL, p);
	*(volatile char *)(p + page_size() - 1) = 1;
	EXPECT_RESIDENT("100", p);
	*(volatile char *)(p + 2 * page_size()) = 1;
	EXPECT_RESIDENT("101", p);
}

CLAUSE(memory_that_was_only_read_is_resident,
       "mm/mincore.c mincore_pte_range (7.2): a present entry is resident, the shared zero page of a read included"
       " [MINC-6]")
{
	char *p = small_pages(6), *read_only = small_pages_of(4, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ASSERT_NE(NULL, p);
	ASSERT_NE(NULL, read_only);
	read_pages(p, "010110");
	EXPECT_RESIDENT("010110", p);
	read_pages(read_only, "1001");
	EXPECT_RESIDENT("1001", read_only);
}

CLAUSE(asking_touches_nothing,
       "mincore(2) DESCRIPTION: reports residency; mm/mincore.c (7.2): and faults no page in, however often it is"
       " asked [MINC-6]")
{
	char *p = small_pages(8);

	ASSERT_NE(NULL, p);
	for (int i = 0; i < 50; i++)
		EXPECT_RET(0, is_resident(p + (i % 8) * page_size()));
	EXPECT_RESIDENT("00000000", p);
}

CLAUSE(pages_given_back_are_not_resident,
       "madvise(2) MADV_DONTNEED: the pages are freed, and later accesses see zero-filled ones [MINC-6]",
       .needed_by = "tcmalloc:ReleasePages")
{
	char *p = small_pages(8);

	ASSERT_NE(NULL, p);
	touch_pages(p, "11111111");
	ASSERT_OK(raw_syscall(__NR_madvise, p + 2 * page_size(), 3 * page_size(), MADV_DONTNEED));
	EXPECT_RESIDENT("11000111", p);
	touch_pages(p, "0001");
	EXPECT_RESIDENT("11010111", p);
	ASSERT_OK(raw_syscall(__NR_madvise, p, 8 * page_size(), MADV_DONTNEED));
	EXPECT_RESIDENT("00000000", p);
}

CLAUSE(pages_that_are_cold_stay_resident,
       "madvise(2) MADV_COLD: the pages become the first to be reclaimed when memory is short, and stay until then"
       " [MINC-6]")
{
	char *p = small_pages(6);

	ASSERT_NE(NULL, p);
	touch_pages(p, "111011");
	for (int i = 0; i < 3; i++)
		ASSERT_OK(raw_syscall(__NR_madvise, p, 6 * page_size(), MADV_COLD));
	EXPECT_RESIDENT("111011", p);
}

CLAUSE(pages_without_access_stay_resident,
       "mprotect(2) DESCRIPTION: changes protections, and no contents: a touched page stays resident under PROT_NONE"
       " [MINC-6]")
{
	char *p = small_pages(4);

	ASSERT_NE(NULL, p);
	touch_pages(p, "0110");
	for (int protection = PROT_NONE; protection <= PROT_READ; protection += PROT_READ) {
		ASSERT_OK(raw_syscall(__NR_mprotect, p, 4 * page_size(), protection));
		EXPECT_RESIDENT("0110", p);
	}
	ASSERT_OK(raw_syscall(__NR_mprotect, p, 4 * page_size(), PROT_READ | PROT_WRITE));
	EXPECT_RESIDENT("0110", p);
	EXPECT_EQ(2, p[page_size()]);
}

CLAUSE(a_new_mapping_over_old_pages_is_not_resident,
       "mmap(2) MAP_FIXED: the overlapped part of the existing mapping is discarded, with its pages [MINC-6]")
{
	char *p = small_pages(4);

	ASSERT_NE(NULL, p);
	touch_pages(p, "1111");
	ASSERT_NE(MAP_FAILED, mmap(p + page_size(), page_size(), PROT_READ | PROT_WRITE,
				   MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	EXPECT_RESIDENT("1011", p);
}

CLAUSE(locked_memory_is_resident,
       "mlock(2): all pages that contain a part of the range are guaranteed to be resident in RAM when the call returns"
       " successfully")
{
	char *p = small_pages(4);

	ASSERT_NE(NULL, p);
	if (is_error(raw_syscall(__NR_mlock, p + page_size(), page_size() + 1)))
		SKIP(return, "RLIMIT_MEMLOCK does not let two pages be locked");
	EXPECT_RESIDENT("0110", p);
	ASSERT_OK(raw_syscall(__NR_munlock, p, 4 * page_size()));
	EXPECT_RESIDENT("0110", p);
}

CLAUSE(memory_locked_on_fault_is_resident_once_touched,
       "mlock2(2) MLOCK_ONFAULT: locks pages that are resident, and the rest when they are populated by a page fault")
{
	char *p = small_pages(3);

	ASSERT_NE(NULL, p);
	touch_pages(p, "1");
	if (is_error(raw_syscall(__NR_mlock2, p, 3 * page_size(), MLOCK_ONFAULT)))
		SKIP(return, "RLIMIT_MEMLOCK does not let three pages be locked");
	EXPECT_RESIDENT("100", p);
	touch_pages(p, "001");
	EXPECT_RESIDENT("101", p);
}

CLAUSE(populated_memory_is_resident,
       "mmap(2) MAP_POPULATE: populate (prefault) page tables for a mapping")
{
	const int protections[] = { PROT_READ, PROT_READ | PROT_WRITE };
	const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE;

	for (int i = 0; i < 2; i++) {
		char *p = mmap(NULL, 6 * page_size(), protections[i], flags, -1, 0);

		ASSERT_NE(MAP_FAILED, p);
		EXPECT_RESIDENT("111111", p);
	}
}

static long populate_probe(void)
{
	return raw_syscall(__NR_madvise, small_pages(1), page_size(), MADV_POPULATE_WRITE);
}

CLAUSE(memory_populated_by_advice_is_resident,
       "madvise(2) MADV_POPULATE_READ, MADV_POPULATE_WRITE: prefault page tables, and fail where that cannot be done",
       .since = KERNEL(5, 14), .probe = populate_probe, .absent_errno = EINVAL)
{
	char *p = small_pages(6);

	ASSERT_NE(NULL, p);
	ASSERT_OK(raw_syscall(__NR_madvise, p, 2 * page_size(), MADV_POPULATE_READ));
	EXPECT_RESIDENT("110000", p);
	ASSERT_OK(raw_syscall(__NR_madvise, p + 4 * page_size(), 2 * page_size(), MADV_POPULATE_WRITE));
	EXPECT_RESIDENT("110011", p);
}

CLAUSE(a_child_has_its_parents_pages,
       "fork(2): the child's memory has the parent's contents; pages touched before are resident in both, and what"
       " one does later does not change the other [MINC-6]")
{
	char *p = small_pages(6);

	ASSERT_NE(NULL, p);
	touch_pages(p, "101100");
	IN_CHILD {
		EXPECT_RESIDENT("101100", p);
		touch_pages(p, "010011");
		EXPECT_RESIDENT("111111", p);
		madvise(p, 6 * page_size(), MADV_DONTNEED);
		EXPECT_RESIDENT("000000", p);
	}
	EXPECT_RESIDENT("101100", p);
	EXPECT_EQ(3, p[2 * page_size()]);
}

CLAUSE(memory_wiped_on_fork_is_not_resident_in_the_child,
       "madvise(2) MADV_WIPEONFORK: the child gets zero-filled memory in this range [MINC-6]")
{
	char *p = small_pages(4);

	ASSERT_NE(NULL, p);
	touch_pages(p, "1111");
	ASSERT_OK(raw_syscall(__NR_madvise, p + page_size(), 2 * page_size(), MADV_WIPEONFORK));
	IN_CHILD
		EXPECT_RESIDENT("1001", p);
	EXPECT_RESIDENT("1111", p);
}

CLAUSE(a_private_mapping_of_dev_zero_is_anonymous_memory,
       "mem(4), drivers/char/mem.c mmap_zero (7.2): a private mapping of /dev/zero is anonymous memory [MINC-6]",
       .needs = "file=/dev/zero")
{
	int fd = open("/dev/zero", O_RDWR);
	char *p;

	ASSERT_GE(fd, 0);
	p = small_pages_of(4, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	ASSERT_NE(NULL, p);
	EXPECT_RESIDENT("0000", p);
	touch_pages(p, "0100");
	read_pages(p, "0001");
	EXPECT_RESIDENT("0101", p);
	close(fd);
}
