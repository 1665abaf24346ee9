// SPDX-License-Identifier: GPL-2.0-only
// futex(2) on words in huge pages: each word is its own futex, and stays it while small pages become huge and back.
#include "clause.h"

#include <fcntl.h>
#include <linux/mman.h>

#include "guard.h"
#include "maps.h"
#include "waiter.h"

#define POOL_FILE "/proc/sys/vm/nr_hugepages"

static const int private_or_not[] = { FUTEX_PRIVATE_FLAG, 0 };

static unsigned long number_in(const char *path)
{
	char text[64];

	return read_text(path, text, sizeof(text)) > 0 ? strtoul(text, NULL, 10) : 0;
}

// 0 where there is none, and where one is half a gigabyte (arm64 with pages of 64K).
static size_t thp_size(void)
{
	size_t size = number_in("/sys/kernel/mm/transparent_hugepage/hpage_pmd_size");

	return size <= 64 << 20 ? size : 0;
}

// Room for a huge page at an address that is a multiple of its size.
static char *aligned_room(size_t size)
{
	char *p = mmap(NULL, 2 * size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		abort();
	return (char *)(((unsigned long)p + size - 1) & -size);
}

static char *map_file(int fd, size_t size)
{
	char *p = mmap(aligned_room(size), size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0);

	return p == MAP_FAILED ? NULL : p;
}

static bool collapse(char *p, size_t size)
{
	for (int i = 0; i < 8; i++)
		if (!madvise(p, size, MADV_COLLAPSE))
			return true;
	return false;
}

// A huge page of this process's own, by advice or by request; NULL if none is to be had.
static char *huge_anonymous(size_t size)
{
	char *p = aligned_room(size);

	if (mprotect(p, size, PROT_READ | PROT_WRITE))
		return NULL;
	madvise(p, size, MADV_HUGEPAGE);
	memset(p, 0, size);
	if (field_at(p, "AnonHugePages") < (long long)size && !collapse(p, size))
		return NULL;
	return p;
}

// A file of one huge page; -1 if none is to be had.
static int huge_file(size_t size)
{
	int fd = memfd_create("huge", MFD_CLOEXEC);
	char *p;

	if (fd < 0 || ftruncate(fd, size) || !(p = map_file(fd, size)))
		return -1;
	memset(p, 0, size);
	return collapse(p, size) ? fd : -1;
}

static long wake(char *word, int flag)
{
	return futex_call(word, FUTEX_WAKE | flag, INT_MAX, NULL, NULL, 0);
}

#define SLEEPERS 5

// The pages of the huge one that have a waiter, all at the same place in the page.
static size_t page_of(int sleeper, size_t pages)
{
	const size_t chosen[SLEEPERS] = { 0, 1, 7, pages / 2, pages - 1 };

	return chosen[sleeper];
}

static bool has_waiter(size_t page, size_t pages)
{
	for (int i = 0; i < SLEEPERS; i++)
		if (page_of(i, pages) == page)
			return true;
	return false;
}

// Waiters in some of the pages of memory at `at`, wakes through `by`, which may be another mapping of the same.
static void check_every_page(struct __test_metadata *_metadata, char *at, char *by, size_t size, int flag)
{
	static const int order[SLEEPERS] = { 3, 0, 4, 1, 2 };
	size_t pages = size / page_size(), in_page = 132;
	struct waiter w[SLEEPERS];

	for (int i = 0; i < SLEEPERS; i++)
		ASSERT_TRUE(sleeps_on(&w[i], (uint32_t *)(at + page_of(i, pages) * page_size() + in_page), FUTEX_WAIT | flag));
	for (size_t page = 0; page < pages; page++)
		if (!has_waiter(page, pages))
			EXPECT_RET(0, wake(by + page * page_size() + in_page, flag));
	for (int i = 0; i < SLEEPERS; i++) {
		EXPECT_RET(0, wake(by + page_of(i, pages) * page_size() + in_page + 4, flag));
		EXPECT_TRUE(is_asleep(w[i].tid));
	}
	for (int i = 0; i < SLEEPERS; i++) {
		EXPECT_RET(1, wake(by + page_of(order[i], pages) * page_size() + in_page, flag));
		EXPECT_RET(0, waiter_result(&w[order[i]]));
		EXPECT_EQ(i + 1, count_returned(w, SLEEPERS));
	}
}

CLAUSE(words_of_a_huge_page_are_told_apart,
       "futex(2) DESCRIPTION, kernel/futex/core.c get_futex_key (7.2): each word of a transparent huge page is its "
       "own futex, private or shared [incident 25]",
       .needs = "thp", .needed_by = "jvm:TransparentHugePages go:sysHugePage")
{
	size_t size = thp_size();
	char *p = size ? huge_anonymous(size) : NULL;

	if (!p)
		SKIP(return, "no transparent huge page is to be had");
	FOR_EACH(f, private_or_not)
		check_every_page(_metadata, p, p, size, private_or_not[f]);
}

CLAUSE(words_of_a_huge_page_of_a_file_are_told_apart,
       "kernel/futex/core.c get_futex_key (7.2): the key of a file's word counts the small page within the huge one, "
       "in every mapping of the file [incident 25]",
       .needs = "thp", .commit = "13d60f4b6ab5 futex: Take hugepages into account when generating futex_key",
       .needed_by = "jvm:ZGC glibc:sem_open")
{
	size_t size = thp_size();
	int fd = size ? huge_file(size) : -1;
	char *one, *two;

	if (fd < 0)
		SKIP(return, "no huge page of a memfd is to be had (MADV_COLLAPSE is of 6.1)");
	one = map_file(fd, size);
	two = map_file(fd, size);
	check_every_page(_metadata, one, one, size, 0);
	check_every_page(_metadata, one, two, size, 0);
	check_every_page(_metadata, one, one, size, FUTEX_PRIVATE_FLAG);
}

// A pool of hugetlb pages is the administrator's; root lends the clause one and takes it back.
static void set_pool(unsigned long pages)
{
	int fd = open(POOL_FILE, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	dprintf(fd, "%lu\n", pages);
	close(fd);
}

static char *map_hugetlb(int fd, size_t size)
{
	char *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	int zero = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	bool there = p != MAP_FAILED && read(zero, p, 1) == 1;	// an error code where a store would be a SIGBUS

	close(zero);
	return there ? p : NULL;
}

CLAUSE(words_of_a_hugetlb_page_are_told_apart,
       "kernel/futex/core.c get_futex_key (7.2): the key of a word in a hugetlb page counts the small page within "
       "it, in every mapping of the file [incident 25]",
       .config = "HUGETLB_PAGE", .commit = "13d60f4b6ab5 futex: Take hugepages into account when generating futex_key",
       .writes = POOL_FILE, .exclusive = 1, .needed_by = "jvm:UseLargePages")
{
	unsigned long pool = number_in(POOL_FILE);
	int fd = memfd_create("huge", MFD_CLOEXEC | MFD_HUGETLB);
	char *one = NULL, *two = NULL;
	size_t size = thp_size();

	if (fd >= 0 && size && !ftruncate(fd, size)) {
		one = map_hugetlb(fd, size);
		if (!one) {
			set_pool(pool + 1);
			one = map_hugetlb(fd, size);
		}
		if (one)
			two = map_hugetlb(fd, size);
	}
	if (one && two && field_at(one, "KernelPageSize") == (long long)size) {
		check_every_page(_metadata, one, two, size, 0);
		check_every_page(_metadata, one, one, size, FUTEX_PRIVATE_FLAG);
		munmap(one, size);
		munmap(two, size);
	} else {
		size = 0;
	}
	close(fd);
	if (number_in(POOL_FILE) != pool)
		set_pool(pool);
	if (!size)
		SKIP(return, "no hugetlb page is to be had");
}

CLAUSE(a_waiter_is_found_when_its_page_has_become_huge,
       "kernel/futex/core.c get_futex_key (7.2): the key of a word does not depend on the size of the page it lies "
       "in: a waiter is found after its page was collapsed into a huge one",
       .needs = "thp", .since = KERNEL(6, 1), .needed_by = "jvm:TransparentHugePages go:sysHugePage")
{
	size_t size = thp_size();

	if (access("/sys/kernel/mm/transparent_hugepage", F_OK))
		SKIP(return, "this kernel has no transparent huge pages");
	for (int i = 0; i < 4; i++) {
		int flag = private_or_not[i & 1], fd = memfd_create("small", MFD_CLOEXEC);
		char *p = aligned_room(size), *by = p, *first = p + 3 * page_size() + 8, *last = p + size - 4;
		struct waiter w[2];

		if (!size)
			SKIP(return, "no huge page is to be had");
		ASSERT_EQ(0, ftruncate(fd, size));
		if (i & 2) {
			ASSERT_EQ(p, mmap(p, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0));
			by = flag ? p : map_file(fd, size);
		} else {
			ASSERT_EQ(0, mprotect(p, size, PROT_READ | PROT_WRITE));
			madvise(p, size, MADV_NOHUGEPAGE);
		}
		memset(p, 0, size);
		madvise(p, size, MADV_HUGEPAGE);
		ASSERT_TRUE(sleeps_on(&w[0], (uint32_t *)first, FUTEX_WAIT | flag));
		ASSERT_TRUE(sleeps_on(&w[1], (uint32_t *)last, FUTEX_WAIT | flag));
		if (!collapse(p, size))
			SKIP(return, "no huge page is to be had");
		EXPECT_RET(0, wake(by + 8, flag));
		EXPECT_RET(1, wake(by + (first - p), flag));
		EXPECT_RET(1, wake(by + (last - p), flag));
		EXPECT_TRUE(all_returned(w, 2, 0));
		close(fd);
	}
}

CLAUSE(a_waiter_is_found_when_its_huge_page_was_split,
       "kernel/futex/core.c get_futex_key (7.2): the key of a word does not depend on the size of the page it lies "
       "in: a waiter is found after its huge page was split by advice, protection or a hole",
       .needs = "thp", .needed_by = "jvm:TransparentHugePages go:sysUnused")
{
	size_t size = thp_size(), page = page_size();

	for (int i = 0; i < 4; i++) {
		int flag = private_or_not[i & 1], fd = size && i & 2 ? huge_file(size) : -1;
		char *p = fd >= 0 ? map_file(fd, size) : !size || i & 2 ? NULL : huge_anonymous(size), *last = p + size - 4;
		struct waiter w[2];

		if (!p)
			SKIP(return, "no huge page is to be had");
		ASSERT_TRUE(sleeps_on(&w[0], (uint32_t *)(p + 3 * page + 8), FUTEX_WAIT | flag));
		ASSERT_TRUE(sleeps_on(&w[1], (uint32_t *)last, FUTEX_WAIT | flag));
		ASSERT_EQ(0, mprotect(p + 4 * page, page, PROT_READ));
		ASSERT_EQ(0, madvise(p + 5 * page, page, MADV_DONTNEED));
		if (fd >= 0)
			ASSERT_EQ(0, fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 6 * page, page));
		EXPECT_TRUE(is_asleep(w[0].tid) && is_asleep(w[1].tid));
		EXPECT_RET(1, wake(p + 3 * page + 8, flag));
		EXPECT_RET(1, wake(last, flag));
		EXPECT_TRUE(all_returned(w, 2, 0));
		close(fd);
	}
}
