// SPDX-License-Identifier: GPL-2.0-only
// Huge pages whose protection, place and owners change: other threads and processes, and who watches by userfaultfd.
#include "clause.h"

#include "../mm/uffd.h"
#include "thp.h"

#define HUGE_PAGES THP_ADVICE, .needs = "thp " SMAPS

// One huge page of an area of several: getting them all at once soils free memory at most once.
static struct area one_of(const struct area *all, int i)
{
	return (struct area){ .at = all->at + i * all->huge, .size = all->huge, .huge = all->huge };
}

static bool protect_all(const struct area *a, int protection)
{
	return !mprotect_raw(a->at, a->size, protection);
}

CLAUSE(a_protection_that_came_and_went_keeps_processes_apart,
       "fork(2) NOTES: copy-on-write: a huge page that parent and child share is written by each for itself, also"
       " when mprotect(2) has taken the right to write to all of it or to a part, and given it back",
       HUGE_PAGES)
{
	const int protections[] = { PROT_READ, PROT_NONE };
	struct area all;

	SKIP_UNLESS_HUGE(huge_area(&all, 4));
	for (int i = 0; i < 4; i++) {
		struct area a = one_of(&all, i);
		size_t size = i < 2 ? a.size : a.size / 2;
		int ends[2], status;
		pid_t child;
		char byte;

		fill(a.at, a.size, a.at, 1);
		IN_CHILD {
			ASSERT_RET(0, mprotect_raw(a.at, size, protections[i % 2]));
			ASSERT_RET(0, mprotect_raw(a.at, size, RW));
			fill(a.at, a.size, a.at, 2);
		}
		EXPECT_EQ(NOWHERE, wrong_at(a.at, a.size, a.at, 1));

		ASSERT_EQ(0, pipe(ends));
		child = fork();
		if (child == 0) {
			close(ends[1]);
			_exit(read(ends[0], &byte, 1) != 0 || wrong_at(a.at, a.size, a.at, 1) != NOWHERE);
		}
		ASSERT_GT(child, 0);
		EXPECT_RET(0, mprotect_raw(a.at, size, protections[i % 2]));
		EXPECT_RET(0, mprotect_raw(a.at, size, RW));
		fill(a.at, a.size, a.at, 3);
		close(ends[0]);
		close(ends[1]);
		ASSERT_EQ(child, waitpid(child, &status, 0));
		EXPECT_EQ(0, status);
	}
}

CLAUSE(what_one_process_gives_up_of_it_the_other_keeps,
       "fork(2), madvise(2) MADV_FREE, MADV_DONTNEED: a huge page that parent and child share, or a part of it, goes"
       " for the one that gave the advice, and holds its contents for the other [MAD-1] [MAD-2]",
       HUGE_PAGES, .needed_by = "go:sysUnused jemalloc:pages_purge_lazy")
{
	const struct { int advice, parts; } row[] = {
		{ MADV_FREE, 1 }, { MADV_FREE, 2 }, { MADV_DONTNEED, 2 }, { MADV_PAGEOUT, 1 },
	};
	struct area all;

	SKIP_UNLESS_HUGE(huge_area(&all, 4));
	for (int i = 0; i < 4; i++) {
		struct area a = one_of(&all, i);
		size_t size = a.size / row[i].parts;
		int ends[2], status;
		pid_t child;
		char byte;

		fill(a.at, a.size, a.at, 1);
		IN_CHILD {
			advise(a.at, size, row[i].advice);
			advise(a.at, size, MADV_PAGEOUT);
		}
		advise(a.at, a.size, MADV_PAGEOUT);
		EXPECT_EQ(NOWHERE, wrong_at(a.at, a.size, a.at, 1)) TH_LOG("the child's advice %d", row[i].advice);

		ASSERT_EQ(0, pipe(ends));
		child = fork();
		if (child == 0) {
			close(ends[1]);
			byte = read(ends[0], &byte, 1);
			advise(a.at, a.size, MADV_PAGEOUT);
			_exit(byte || wrong_at(a.at, a.size, a.at, 1) != NOWHERE);
		}
		ASSERT_GT(child, 0);
		advise(a.at, size, row[i].advice);
		advise(a.at, size, MADV_PAGEOUT);
		close(ends[0]);
		close(ends[1]);
		ASSERT_EQ(child, waitpid(child, &status, 0));
		EXPECT_EQ(0, status) TH_LOG("the parent's advice %d", row[i].advice);
	}
}

CLAUSE(a_child_finds_it_wiped_or_without_it_where_that_was_asked,
       "madvise(2) MADV_WIPEONFORK, MADV_DONTFORK: of a huge page as of any memory, and of a part of one",
       HUGE_PAGES, .needed_by = "glibc:arc4random go:vgetrandom")
{
	const size_t page = page_size();
	struct area a;

	SKIP_UNLESS_HUGE(huge_area(&a, 2));
	fill(a.at, a.size, a.at, 1);
	ASSERT_RET(0, advise(a.at, a.huge, MADV_WIPEONFORK));
	ASSERT_RET(0, advise(a.at + a.huge + page, page, MADV_WIPEONFORK));
	ASSERT_RET(0, advise(a.at + a.huge + 3 * page, page, MADV_DONTFORK));
	IN_CHILD {
		EXPECT_EQ(NOWHERE, nonzero_at(a.at, a.huge));
		EXPECT_EQ(NOWHERE, wrong_at(a.at + a.huge, page, a.at, 1));
		EXPECT_EQ(NOWHERE, nonzero_at(a.at + a.huge + page, page));
		EXPECT_EQ(NOWHERE, wrong_at(a.at + a.huge + 2 * page, page, a.at, 1));
		EXPECT_FALSE(is_readable(a.at + a.huge + 3 * page));
		EXPECT_EQ(NOWHERE, wrong_at(a.at + a.huge + 4 * page, a.huge - 4 * page, a.at, 1));
	}
	EXPECT_EQ(NOWHERE, wrong_at(a.at, a.size, a.at, 1));
}

// A page of the area that the other thread touches, never the same twice in a row.
static char *spot(const struct area *a, int i)
{
	return a->at + (i * 37 % (a->size / page_size())) * page_size() + 8;
}

CLAUSE(a_protection_holds_for_every_thread_at_once,
       "mprotect(2) DESCRIPTION; mm/huge_memory.c change_huge_pmd (7.2): when the call has returned no thread's CPU"
       " goes by the old protection of a huge page [MAD-1]", HUGE_PAGES, .needed_by = "jvm:SafepointMechanism jvm:ZGC")
{
	struct toucher t = { 0 };
	struct area a;

	SKIP_UNLESS_HUGE(huge_area(&a, 1));
	ASSERT_TRUE(toucher_start(&t));
	for (int i = 0; i < 20; i++) {
		ASSERT_EQ(NO_FAULT, other_touches(&t, spot(&a, i), WRITE));
		ASSERT_TRUE(protect_all(&a, i % 2 ? PROT_READ : PROT_NONE));
		EXPECT_EQ(FORBIDDEN, other_touches(&t, spot(&a, i), WRITE));
		EXPECT_EQ(i % 2 ? NO_FAULT : FORBIDDEN, other_touches(&t, spot(&a, i), READ));
		ASSERT_TRUE(protect_all(&a, RW));
		EXPECT_EQ(NO_FAULT, other_touches(&t, spot(&a, i), WRITE));
	}
	EXPECT_TRUE(toucher_stop(&t));
}

CLAUSE(it_is_gone_for_every_thread_at_once,
       "madvise(2) MADV_DONTNEED, mremap(2), munmap(2): when the call has returned no thread's CPU reads or writes the"
       " huge page that was there [MAD-1]", HUGE_PAGES, .needed_by = "go:sysUnused jvm:ZGC")
{
	struct toucher t = { 0 };
	struct area all;

	SKIP_UNLESS_HUGE(huge_area(&all, 4));
	ASSERT_TRUE(toucher_start(&t));
	for (int i = 0; i < 2; i++) {
		struct area a = one_of(&all, 2 * i), to = one_of(&all, 2 * i + 1);
		int fault;

		fill(a.at, a.size, a.at, 1);
		ASSERT_EQ(NO_FAULT, other_touches(&t, spot(&a, i), WRITE));
		ASSERT_RET(to.at, mremap_raw(a.at, a.size, a.size, MREMAP_MAYMOVE | MREMAP_FIXED, to.at));
		EXPECT_EQ(NOT_THERE, other_touches(&t, spot(&a, i), i % 2 ? READ : WRITE));
		fault = other_touches(&t, spot(&to, i), READ);
		EXPECT_EQ(NO_FAULT, fault);
		EXPECT_EQ('w', t.byte);
		ASSERT_RET(0, advise(to.at, to.size, MADV_DONTNEED));
		EXPECT_EQ(NO_FAULT, other_touches(&t, spot(&to, i), READ));
		EXPECT_EQ(0, t.byte);
		ASSERT_EQ(NO_FAULT, other_touches(&t, spot(&to, i), WRITE));
		ASSERT_RET(0, munmap_raw(to.at, to.size));
		EXPECT_EQ(NOT_THERE, other_touches(&t, spot(&to, i), i % 2 ? WRITE : READ));
	}
	EXPECT_TRUE(toucher_stop(&t));
}

// A descriptor that answers a fault by SIGBUS, and watches the area for missing pages; or -errno.
static long watched(const struct area *a)
{
	long fd = agreed_uffd(UFFD_FEATURE_SIGBUS, NULL);
	long result = fd < 0 ? fd : watch(fd, a->at, a->size, UFFDIO_REGISTER_MODE_MISSING);

	return result < 0 ? result : fd;
}

#define WATCH_OR_SKIP(fd, area)									\
	long fd = watched(area);								\
	if (fd == -EPERM)									\
		SKIP(return, "vm.unprivileged_userfaultfd or a policy keeps it from this user");	\
	ASSERT_GE(fd, 0)

#define WATCHED .config = "USERFAULTFD", .probe = uffd_probe, .needed_by = "jvm:ZGC criu:lazy_pages"

CLAUSE(a_missing_page_is_told_though_a_huge_one_would_fit,
       "userfaultfd(2), ioctl_userfaultfd(2) UFFDIO_REGISTER_MODE_MISSING: a touch of a missing page is told, be it a"
       " read or a write, and no huge page fills it behind the back of who watches", WATCHED, .needs = "thp")
{
	struct area a;

	if (!map_unread(&a, 2))
		SKIP(return, "huge pages are very large, or there are none");
	WATCH_OR_SKIP(fd, &a);
	EXPECT_EQ(NO_FILE, touch(a.at, READ));
	EXPECT_EQ(NO_FILE, touch(a.at + a.huge / 2, WRITE));
	EXPECT_EQ(NO_FILE, touch(a.at + a.huge, WRITE));
	EXPECT_EQ(NO_FILE, touch(a.at + a.size - 1, READ));
	EXPECT_FALSE(is_readable(a.at + a.huge));
	ASSERT_RET(0, zero_in(fd, a.at + page_size(), page_size()));
	EXPECT_EQ(NO_FAULT, touch(a.at + page_size(), WRITE));
	EXPECT_EQ(NO_FILE, touch(a.at, READ));
	EXPECT_EQ(NO_FILE, touch(a.at + 2 * page_size(), READ));
	close(fd);
	EXPECT_EQ(NO_FAULT, touch(a.at, READ));
	EXPECT_EQ(NOWHERE, nonzero_at(a.at + a.huge, a.huge));
}

CLAUSE(collapsing_leaves_missing_pages_to_who_watches_them,
       "madvise(2) MADV_COLLAPSE, userfaultfd(2): pages of a watched range that are missing stay so, and are told when"
       " they are touched; those that are there keep their contents", .since = KERNEL(6, 1),
       .config = "USERFAULTFD TRANSPARENT_HUGEPAGE ADVISE_SYSCALLS", .probe = probe_collapse, .absent_errno = EINVAL,
       .needs = "thp", .needed_by = "jvm:ZGC criu:lazy_pages")
{
	const size_t page = page_size();
	struct area a;

	if (huge_page_size() > LARGEST_TOUCHED || !area_map(&a, 1))
		SKIP(return, "huge pages are very large");
	raw_syscall(__NR_prctl, PR_SET_THP_DISABLE, 1, 0, 0, 0);
	fill(a.at, page, a.at, 1);
	fill(a.at + a.size / 2, a.size / 2, a.at, 1);
	allow_huge_pages();
	WATCH_OR_SKIP(fd, &a);
	for (int i = 0; i < 3; i++)
		advise(a.at, a.size, MADV_COLLAPSE);
	EXPECT_EQ(NO_FILE, touch(a.at + page, READ));
	EXPECT_EQ(NO_FILE, touch(a.at + 5 * page + 16, WRITE));
	EXPECT_EQ(NO_FILE, touch(a.at + a.size / 2 - 1, READ));
	EXPECT_EQ(NOWHERE, wrong_at(a.at, page, a.at, 1));
	EXPECT_EQ(NOWHERE, wrong_at(a.at + a.size / 2, a.size / 2, a.at, 1));
}
