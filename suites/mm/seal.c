// SPDX-License-Identifier: GPL-2.0-only
// mseal(2), names of anonymous memory (prctl(2) PR_SET_VMA), and brk(2).
#include "clause.h"

#include <sys/prctl.h>

#include "maps.h"
#include "mm.h"

#ifndef __NR_mseal
#define __NR_mseal (__NR_futex_waitv + 13)	/* 6.10; the numbers follow on every architecture */
#endif
#ifndef PR_SET_VMA
#define PR_SET_VMA 0x53564d41
#define PR_SET_VMA_ANON_NAME 0
#endif

#define mseal_raw(address, size, flags) raw_syscall(__NR_mseal, address, size, flags)
#define name_raw(address, size, name) raw_syscall(__NR_prctl, PR_SET_VMA, PR_SET_VMA_ANON_NAME, address, size, name)
#define brk_raw(end) raw_syscall(__NR_brk, end)

static long seal_probe(void)
{
	return mseal_raw(pages(1), 0, 0);
}

CLAUSE(sealed_memory_cannot_be_changed,
       "mseal(2), Documentation/userspace-api/mseal.rst: munmap, mprotect, mremap and mmap with MAP_FIXED over sealed"
       " memory fail with EPERM; reading and writing go on",
       .since = KERNEL(6, 10), .config = "64BIT", .probe = seal_probe,
       .needs = "64bit", .needed_by = "v8:ThreadIsolation glibc:dl_mseal")
{
	char *p = pages(4), *to = pages(1);

	mark_pages(p, 4, 'a');
	ASSERT_RET(0, mseal_raw(p + page_size(), 2 * page_size(), 0));
	EXPECT_ERR(EPERM, munmap_raw(p + page_size(), page_size()));
	EXPECT_ERR(EPERM, munmap_raw(p, 4 * page_size()));
	EXPECT_ERR(EPERM, mprotect_raw(p + 2 * page_size(), page_size(), PROT_NONE));
	EXPECT_ERR(EPERM, mremap_raw(p + page_size(), page_size(), page_size(), MREMAP_MAYMOVE | MREMAP_FIXED, to));
	EXPECT_ERR(EPERM, mmap_raw(p + page_size(), page_size(), RW, ANONYMOUS | MAP_FIXED, -1, 0));
	EXPECT_TRUE(are_marked(p, 4, 'a'));
	EXPECT_EQ(NO_FAULT, touch(p + page_size() + 9, WRITE));
	EXPECT_RET(0, mseal_raw(p + page_size(), 2 * page_size(), 0));
	EXPECT_RET(0, munmap_raw(p + 3 * page_size(), page_size()));
	EXPECT_RET(0, mprotect_raw(p, page_size(), PROT_READ));
}

CLAUSE(seals_that_cannot_be_are_refused,
       "mseal(2) ERRORS: EINVAL for flags, an address that is not aligned and an overflow, ENOMEM for what is not"
       " mapped, and then nothing is sealed",
       .since = KERNEL(6, 10), .config = "64BIT", .probe = seal_probe, .needs = "64bit")
{
	char *p = island(2, 1);

	EXPECT_ERR(EINVAL, mseal_raw(p, page_size(), 1));
	EXPECT_ERR(EINVAL, mseal_raw(p + 1, page_size(), 0));
	EXPECT_ERR(EINVAL, mseal_raw(p, SIZE_MAX, 0));
	EXPECT_ERR(ENOMEM, mseal_raw(p, 3 * page_size(), 0));
	EXPECT_ERR(ENOMEM, mseal_raw(p - page_size(), 2 * page_size(), 0));
	EXPECT_RET(0, mseal_raw(p, 0, 0));
	EXPECT_RET(0, munmap_raw(p, 2 * page_size()));
}

CLAUSE(seals_are_inherited,
       "Documentation/userspace-api/mseal.rst: a child has the seals of its parent", .since = KERNEL(6, 10),
       .config = "64BIT", .probe = seal_probe, .needs = "64bit")
{
	char *p = pages(1);

	ASSERT_RET(0, mseal_raw(p, page_size(), 0));
	IN_CHILD {
		EXPECT_ERR(EPERM, munmap_raw(p, page_size()));
		EXPECT_ERR(EPERM, mprotect_raw(p, page_size(), PROT_NONE));
	}
}

static long name_probe(void)
{
	return name_raw(pages(1), page_size(), "osprim");
}

static bool has_name(const void *p, const char *name)
{
	struct mapping m;
	char text[96];

	snprintf(text, sizeof(text), "[anon:%s]\n", name);
	return find_mapping(0, p, &m) && strstr(m.text, text);
}

CLAUSE(anonymous_memory_can_be_named,
       "prctl(2) PR_SET_VMA_ANON_NAME: the name appears in /proc/pid/maps as [anon:name]; NULL takes it away;"
       " contents and neighbours do not change [VMA-1]",
       .since = KERNEL(5, 17), .config = "ANON_VMA_NAME", .probe = name_probe,
       .absent_errno = EINVAL, .needs = "file=/proc/self/smaps", .needed_by = "go:setVMAName glibc:__set_vma_name")
{
	char *p = pages(4);

	mark_pages(p, 4, 'a');
	EXPECT_RET(0, name_raw(p + page_size(), 2 * page_size(), " Go: heap"));
	EXPECT_TRUE(has_name(p + page_size(), " Go: heap"));
	EXPECT_TRUE(has_name(p + 2 * page_size(), " Go: heap"));
	EXPECT_FALSE(has_name(p, " Go: heap"));
	EXPECT_FALSE(has_name(p + 3 * page_size(), " Go: heap"));
	EXPECT_TRUE(are_marked(p, 4, 'a'));
	IN_CHILD
		EXPECT_TRUE(has_name(p + page_size(), " Go: heap"));
	ASSERT_OK(mmap_raw(p + page_size(), page_size(), RW, ANONYMOUS | MAP_FIXED, -1, 0));
	EXPECT_FALSE(has_name(p + page_size(), " Go: heap"));
	EXPECT_RET(0, name_raw(p, 4 * page_size(), NULL));
	EXPECT_FALSE(has_name(p + 2 * page_size(), " Go: heap"));
}

CLAUSE(names_that_cannot_be_are_einval,
       "prctl(2) PR_SET_VMA ERRORS: EINVAL for a name of 80 bytes or more, for what cannot be printed, and for"
       " brackets, backslash, dollar and backquote; EBADF for files [VMA-1]",
       .since = KERNEL(5, 17), .config = "ANON_VMA_NAME",
       .probe = name_probe, .absent_errno = EINVAL, .needed_by = "go:setVMAName")
{
	const char *const bad[] = { "a[b", "a]b", "a\\b", "a$b", "a`b", "a\nb", "a\x7f" "b", "\xc3\xa4" };
	char *p = pages(1), name[81];

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		EXPECT_ERR(EINVAL, name_raw(p, page_size(), bad[i]));
	memset(name, 'n', 80);
	name[80] = 0;
	EXPECT_ERR(EINVAL, name_raw(p, page_size(), name));
	name[79] = 0;
	EXPECT_RET(0, name_raw(p, page_size(), name));
	EXPECT_ERR(EFAULT, name_raw(p, page_size(), forbidden_page()));
	EXPECT_ERR(EINVAL, name_raw(p + 1, page_size(), "n"));
	EXPECT_ERR(ENOMEM, name_raw(unmapped_page(), page_size(), "n"));
}

CLAUSE(the_break_can_be_asked_for_and_never_fails,
       "brk(2) NOTES: the system call returns the new program break, or the current one on failure [MAP-9]",
       .needed_by = "go:sbrk0 musl:expand_heap glibc:sbrk")
{
	char *now = (char *)brk_raw(0);

	EXPECT_NE(NULL, now);
	EXPECT_RET(now, brk_raw(0));
	EXPECT_RET(now, brk_raw(1));
	EXPECT_RET(now, brk_raw(SIZE_MAX));
	EXPECT_RET(now, brk_raw(0));
}

CLAUSE(the_break_grows_by_zeros_and_shrinks,
       "brk(2) DESCRIPTION: increasing the program break allocates memory, which is zero; decreasing deallocates it",
       .needed_by = "glibc:sysmalloc musl:expand_heap")
{
	IN_CHILD {
		char *start = (char *)brk_raw(0), *from = (char *)(((uintptr_t)start + page_size() - 1) & -page_size());

		ASSERT_RET(from + 4 * page_size() + 100, brk_raw(from + 4 * page_size() + 100));
		EXPECT_TRUE(are_zero(from, 5));
		mark_pages(from, 5, 'a');
		EXPECT_RET(from + page_size() + 1, brk_raw(from + page_size() + 1));
		EXPECT_TRUE(are_marked(from, 2, 'a'));
		EXPECT_EQ(NOT_THERE, touch(from + 2 * page_size(), READ));
		EXPECT_RET(from + 4 * page_size(), brk_raw(from + 4 * page_size()));
		EXPECT_TRUE(are_zero(from + 2 * page_size(), 2));
		EXPECT_RET(start, brk_raw(start));
	}
}

CLAUSE(the_break_stops_at_other_mappings_and_limits,
       "brk(2) ERRORS ENOMEM; the system call then returns the current break: RLIMIT_DATA, and a mapping in the way",
       .needed_by = "musl:expand_heap glibc:sysmalloc")
{
	IN_CHILD {
		char *start = (char *)brk_raw(0), *from = (char *)(((uintptr_t)start + page_size() - 1) & -page_size());

		ASSERT_RET(from + 8 * page_size(), mmap_raw(from + 8 * page_size(), page_size(), PROT_READ,
							   ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0));
		EXPECT_RET(start, brk_raw(from + 10 * page_size()));
		EXPECT_RET(from + page_size(), brk_raw(from + page_size()));
		ASSERT_TRUE(set_limit(RLIMIT_DATA, page_size()));
		EXPECT_RET(from + page_size(), brk_raw(from + 4 * page_size()));
	}
}
