// SPDX-License-Identifier: GPL-2.0-only
// madvise(2): MADV_DONTNEED and MADV_FREE, and what any advice refuses.
#include "clause.h"

#include <fcntl.h>

#include "maps.h"
#include "mm.h"

CLAUSE(dontneed_makes_private_anonymous_memory_zero,
       "madvise(2) MADV_DONTNEED: subsequent accesses result in zero-fill-on-demand pages for anonymous private"
       " mappings [MAD-1]", .needed_by = "go:sysUnused jemalloc:pages_purge_forced tcmalloc:ReleasePages")
{
	char *p = pages(16);

	for (int round = 0; round < 3; round++) {
		memset(p, 0xa5, 16 * page_size());
		ASSERT_RET(0, madvise_raw(p, 16 * page_size(), MADV_DONTNEED));
		EXPECT_TRUE(are_zero(p, 16));
	}
	mark_pages(p, 16, 'a');
	EXPECT_TRUE(are_marked(p, 16, 'a'));
}

CLAUSE(dontneed_changes_exactly_its_pages,
       "madvise(2) MADV_DONTNEED, DESCRIPTION: length is rounded up to a multiple of the page size; nothing else"
       " changes [MAD-1] [MAD-3]", .needed_by = "go:sysUnused")
{
	const struct { size_t length; int pages; } row[] = {
		{ 1, 1 }, { page_size() - 1, 1 }, { page_size(), 1 }, { page_size() + 1, 2 }, { 3 * page_size(), 3 },
	};

	for (size_t i = 0; i < sizeof(row) / sizeof(*row); i++) {
		char *p = pages(6);

		mark_pages(p, 6, 'a');
		ASSERT_RET(0, madvise_raw(p + page_size(), row[i].length, MADV_DONTNEED));
		EXPECT_TRUE(are_marked(p, 1, 'a'));
		EXPECT_TRUE(are_zero(p + page_size(), row[i].pages));
		EXPECT_TRUE(are_marked(p + (1 + row[i].pages) * page_size(), 5 - row[i].pages, 'b' + row[i].pages));
	}
}

CLAUSE(dontneed_gives_the_memory_back_at_once,
       "madvise(2) MADV_DONTNEED: the resident set size of the calling process is immediately reduced [MAD-1]"
       " [incident 92]", .needed_by = "go:sysUnused", .needs = "file=/proc/self/smaps")
{
	char *p = pages(32);

	mark_pages(p, 32, 'a');
	EXPECT_EQ(32 * (long long)page_size(), field_at(p, "Rss"));
	ASSERT_RET(0, madvise_raw(p + 8 * page_size(), 16 * page_size(), MADV_DONTNEED));
	EXPECT_EQ(16 * (long long)page_size(), field_at(p, "Rss"));
	ASSERT_RET(0, madvise_raw(p, 32 * page_size(), MADV_DONTNEED));
	EXPECT_EQ(0, field_at(p, "Rss"));
}

CLAUSE(dontneed_works_whatever_the_protection_is,
       "madvise(2) MADV_DONTNEED: is about contents; memory that cannot be read or written at the time is zero when it"
       " can be read again [MAD-1]", .needed_by = "go:sysFault jvm:uncommit_memory")
{
	const int protections[] = { PROT_NONE, PROT_READ, PROT_READ | PROT_EXEC };

	for (int i = 0; i < 3; i++) {
		char *p = pages(4);

		mark_pages(p, 4, 'a');
		ASSERT_OK(mprotect_raw(p, 4 * page_size(), protections[i]));
		EXPECT_RET(0, madvise_raw(p, 4 * page_size(), MADV_DONTNEED));
		ASSERT_OK(mprotect_raw(p, 4 * page_size(), PROT_READ));
		EXPECT_TRUE(are_zero(p, 4));
	}
}

CLAUSE(dontneed_brings_a_private_mapping_back_to_its_file,
       "madvise(2) MADV_DONTNEED: private file mappings show the up-to-date contents of the underlying file afterwards")
{
	int fd = file_of_pages(4, 'f');
	char *p = (char *)mmap_raw(NULL, 4 * page_size(), RW, MAP_PRIVATE, fd, 0);

	ASSERT_OK((long)p);
	mark_pages(p, 4, 'a');
	ASSERT_EQ(1, pwrite(fd, "n", 1, 3 * page_size()));
	ASSERT_RET(0, madvise_raw(p + page_size(), 3 * page_size(), MADV_DONTNEED));
	EXPECT_TRUE(are_marked(p, 1, 'a'));
	EXPECT_TRUE(are_marked(p + page_size(), 2, 'g'));
	EXPECT_EQ('n', p[3 * page_size()]);
	EXPECT_EQ('i', p[4 * page_size() - 1]);
}

CLAUSE(dontneed_keeps_what_is_shared,
       "madvise(2) MADV_DONTNEED: for shared mappings subsequent accesses repopulate the contents from the underlying"
       " file or shared memory")
{
	int fd = file_of_pages(4, 'f');
	char *file = (char *)mmap_raw(NULL, 4 * page_size(), RW, MAP_SHARED, fd, 0);
	char *anonymous = (char *)mmap_raw(NULL, 4 * page_size(), RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	mark_pages(file, 4, 'a');
	mark_pages(anonymous, 4, 'k');
	EXPECT_RET(0, madvise_raw(file, 4 * page_size(), MADV_DONTNEED));
	EXPECT_RET(0, madvise_raw(anonymous, 4 * page_size(), MADV_DONTNEED));
	EXPECT_TRUE(are_marked(file, 4, 'a'));
	EXPECT_TRUE(are_marked(anonymous, 4, 'k'));
}

CLAUSE(dontneed_holds_for_every_thread,
       "madvise(2) MADV_DONTNEED; mm/madvise.c (7.2): translations are flushed on all CPUs before the call returns, so"
       " every thread reads zero and writes to the new page [MAD-1]", .needed_by = "go:sysUnused")
{
	struct toucher t = { 0 };
	char *p = pages(1);

	ASSERT_TRUE(toucher_start(&t));
	for (int i = 0; i < 50; i++) {
		ASSERT_EQ(NO_FAULT, other_touches(&t, p, WRITE));
		ASSERT_EQ('w', *p);
		ASSERT_RET(0, madvise_raw(p, page_size(), MADV_DONTNEED));
		ASSERT_EQ(NO_FAULT, other_touches(&t, p, i % 2 ? READ : WRITE));
		EXPECT_EQ(i % 2 ? 0 : 'w', *p);
		if (i % 2)
			EXPECT_EQ(0, t.byte);
	}
	EXPECT_TRUE(toucher_stop(&t));
}

CLAUSE(dontneed_of_locked_memory_is_einval,
       "madvise(2) ERRORS EINVAL: MADV_DONTNEED or MADV_FREE for a range that includes locked pages",
       .needs = "cap=ipc_lock")
{
	char *p = pages(3);

	mark_pages(p, 3, 'a');
	ASSERT_OK(raw_syscall(__NR_mlock, p + page_size(), page_size()));
	EXPECT_ERR(EINVAL, madvise_raw(p + page_size(), page_size(), MADV_DONTNEED));
	EXPECT_ERR(EINVAL, madvise_raw(p + page_size(), page_size(), MADV_FREE));
	EXPECT_TRUE(are_marked(p, 3, 'a'));
	ASSERT_OK(raw_syscall(__NR_munlock, p + page_size(), page_size()));
	EXPECT_RET(0, madvise_raw(p, 3 * page_size(), MADV_DONTNEED));
	EXPECT_TRUE(are_zero(p, 3));
}

CLAUSE(freed_pages_hold_the_old_contents_or_zeros,
       "madvise(2) MADV_FREE: the kernel can free the pages at any time until they are written; a read sees the old"
       " contents or zeros [MAD-2]", .needed_by = "go:sysUnused jemalloc:pages_purge_lazy jvm:G1")
{
	char *p = pages(16);

	mark_pages(p, 16, 'a');
	ASSERT_RET(0, madvise_raw(p + page_size(), 14 * page_size(), MADV_FREE));
	for (int i = 1; i < 15; i++)
		EXPECT_TRUE(are_marked(p + i * page_size(), 1, 'a' + i) || are_zero(p + i * page_size(), 1));
	EXPECT_TRUE(are_marked(p, 1, 'a'));
	EXPECT_TRUE(are_marked(p + 15 * page_size(), 1, 'a' + 15));
}

CLAUSE(what_is_written_after_free_stays,
       "madvise(2) MADV_FREE: once pages in the range have been written, the kernel cannot free them, and the data is"
       " not lost [MAD-2] [incident 94]", .needed_by = "go:sysUnused jemalloc:pages_purge_lazy")
{
	char *p = pages(64);

	for (int round = 0; round < 3; round++) {
		memset(p, 'o', 64 * page_size());
		ASSERT_RET(0, madvise_raw(p, 64 * page_size(), MADV_FREE));
		mark_pages(p, 64, 'A' + round);
		madvise_raw(p, 64 * page_size(), MADV_PAGEOUT);
		EXPECT_TRUE(are_marked(p, 64, 'A' + round));
	}
}

CLAUSE(what_others_write_after_free_stays_as_well,
       "madvise(2) MADV_FREE: once pages in the range have been written, the data is not lost: by another thread, by"
       " read(2), by a debugger through /proc/pid/mem [MAD-2]", .needs = "file=/proc/self/mem",
       .needed_by = "go:sysUnused jemalloc:pages_purge_lazy")
{
	struct toucher t = { 0 };
	char *p = pages(24);
	int ends[2], mem = open("/proc/self/mem", O_RDWR | O_CLOEXEC);

	ASSERT_GE(mem, 0);
	ASSERT_EQ(0, pipe(ends));
	ASSERT_TRUE(toucher_start(&t));
	for (int round = 0; round < 3; round++) {
		memset(p, 'o', 24 * page_size());
		ASSERT_EQ(NO_FAULT, other_touches(&t, p, WRITE));
		ASSERT_RET(0, madvise_raw(p, 24 * page_size(), MADV_FREE));
		for (int i = 0; i < 24; i += 3) {
			ASSERT_EQ(NO_FAULT, other_touches(&t, p + i * page_size(), WRITE));
			ASSERT_RET(1, raw_syscall(__NR_write, ends[1], "w", 1));
			ASSERT_RET(1, raw_syscall(__NR_read, ends[0], p + (i + 1) * page_size(), 1));
			ASSERT_EQ(1, pwrite64(mem, "w", 1, (uintptr_t)p + (i + 2) * page_size()));
		}
		madvise_raw(p, 24 * page_size(), MADV_PAGEOUT);
		for (int i = 0; i < 24; i++) {
			EXPECT_EQ('w', p[i * page_size()])
				TH_LOG("written by %s", i % 3 ? i % 3 == 1 ? "read" : "mem" : "a thread");
		}
	}
	EXPECT_TRUE(toucher_stop(&t));
}

CLAUSE(free_is_for_private_anonymous_memory_alone,
       "madvise(2) MADV_FREE, ERRORS EINVAL: can be applied only to private anonymous pages [MAD-2]")
{
	int fd = file_of_pages(1, 'f');
	char *private = (char *)mmap_raw(NULL, page_size(), RW, MAP_PRIVATE, fd, 0);
	char *shared = (char *)mmap_raw(NULL, page_size(), RW, MAP_SHARED, fd, 0);
	char *anonymous = (char *)mmap_raw(NULL, page_size(), RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	*anonymous = 's';
	EXPECT_ERR(EINVAL, madvise_raw(private, page_size(), MADV_FREE));
	EXPECT_ERR(EINVAL, madvise_raw(shared, page_size(), MADV_FREE));
	EXPECT_ERR(EINVAL, madvise_raw(anonymous, page_size(), MADV_FREE));
	EXPECT_EQ('f', *private);
	EXPECT_EQ('f', *shared);
	EXPECT_EQ('s', *anonymous);
}

static const int common_advice[] = {
	MADV_NORMAL, MADV_RANDOM, MADV_SEQUENTIAL, MADV_WILLNEED, MADV_DONTNEED, MADV_FREE, MADV_DONTFORK, MADV_DOFORK,
	MADV_DONTDUMP, MADV_DODUMP, MADV_WIPEONFORK, MADV_KEEPONFORK, MADV_COLD, MADV_PAGEOUT,
};

#define COMMON_ADVICE (sizeof(common_advice) / sizeof(*common_advice))

CLAUSE(unaligned_addresses_are_einval_for_every_advice,
       "madvise(2) ERRORS EINVAL: addr is not page-aligned, a length of 0 included [MAD-3]", .needed_by = "go:madvise")
{
	char *p = pages(2);

	mark_pages(p, 2, 'a');
	for (size_t i = 0; i < COMMON_ADVICE; i++) {
		EXPECT_ERR(EINVAL, madvise_raw(p + 1, page_size(), common_advice[i]));
		EXPECT_ERR(EINVAL, madvise_raw(p + page_size() - 8, 8, common_advice[i]));
		EXPECT_ERR(EINVAL, madvise_raw(p + 16, 0, common_advice[i]));
	}
	EXPECT_TRUE(are_marked(p, 2, 'a'));
}

CLAUSE(advice_that_nobody_knows_is_einval,
       "madvise(2) ERRORS EINVAL: advice is not a valid value, whatever the range is", .needed_by = "go:madvise")
{
	const int unknown[] = { 7, 50, 99, 1000, -1, INT32_MIN };
	char *p = island(2, 1);

	mark_pages(p, 2, 'a');
	for (size_t i = 0; i < sizeof(unknown) / sizeof(*unknown); i++) {
		EXPECT_ERR(EINVAL, madvise_raw(p, 2 * page_size(), unknown[i]));
		EXPECT_ERR(EINVAL, madvise_raw(p, 0, unknown[i]));
		EXPECT_ERR(EINVAL, madvise_raw(p + 2 * page_size(), page_size(), unknown[i]));
	}
	EXPECT_TRUE(are_marked(p, 2, 'a'));
}

CLAUSE(advice_for_no_bytes_succeeds,
       "mm/madvise.c do_madvise (5.10, 7.2): a length of 0 is no error, mapped or not, and changes nothing [MAD-3]")
{
	char *p = island(1, 1);

	mark_pages(p, 1, 'a');
	for (size_t i = 0; i < COMMON_ADVICE; i++) {
		EXPECT_RET(0, madvise_raw(p, 0, common_advice[i]));
		EXPECT_RET(0, madvise_raw(p + page_size(), 0, common_advice[i]));
	}
	EXPECT_TRUE(are_marked(p, 1, 'a'));
}

CLAUSE(a_length_that_overflows_is_einval,
       "mm/madvise.c do_madvise (5.10, 7.2): EINVAL if rounding the length up or adding it to the address overflows,"
       " and nothing is done", .needs = "native")
{
	char *p = pages(2);

	mark_pages(p, 2, 'a');
	EXPECT_ERR(EINVAL, madvise_raw(p, SIZE_MAX, MADV_DONTNEED));
	EXPECT_ERR(EINVAL, madvise_raw(p, SIZE_MAX - page_size() + 2, MADV_DONTNEED));
	EXPECT_ERR(EINVAL, madvise_raw(p, SIZE_MAX - page_size() + 1, MADV_DONTNEED));
	EXPECT_TRUE(are_marked(p, 2, 'a'));
}

CLAUSE(a_hole_is_enomem_and_the_rest_is_done,
       "madvise(2) ERRORS ENOMEM: addresses in the range are not currently mapped; mm/madvise.c (5.10, 7.2): the"
       " advice is applied to all parts that are [MAD-3]", .needed_by = "go:sysUnused")
{
	char *p = pages(7);

	mark_pages(p, 7, 'a');
	ASSERT_OK(munmap_raw(p + 2 * page_size(), page_size()));
	ASSERT_OK(munmap_raw(p + 4 * page_size(), page_size()));
	EXPECT_ERR(ENOMEM, madvise_raw(p, 6 * page_size(), MADV_DONTNEED));
	EXPECT_TRUE(are_zero(p, 2));
	EXPECT_TRUE(are_zero(p + 3 * page_size(), 1));
	EXPECT_TRUE(are_zero(p + 5 * page_size(), 1));
	EXPECT_TRUE(are_marked(p + 6 * page_size(), 1, 'a' + 6));
	EXPECT_ERR(ENOMEM, madvise_raw(p + 4 * page_size(), page_size(), MADV_DONTNEED));
	EXPECT_ERR(ENOMEM, madvise_raw(p + 2 * page_size(), page_size(), MADV_WILLNEED));
}

CLAUSE(advice_about_use_changes_no_contents,
       "madvise(2) MADV_NORMAL, RANDOM, SEQUENTIAL, WILLNEED, DONTDUMP, DODUMP, DOFORK, KEEPONFORK: expect a use of the"
       " memory, and leave its contents as they are")
{
	const int advice[] = {
		MADV_RANDOM, MADV_SEQUENTIAL, MADV_WILLNEED, MADV_NORMAL, MADV_DONTDUMP, MADV_DODUMP, MADV_DOFORK,
		MADV_KEEPONFORK, MADV_DONTFORK, MADV_WIPEONFORK,
	};
	char *p = pages(4);

	mark_pages(p, 4, 'a');
	for (size_t i = 0; i < sizeof(advice) / sizeof(*advice); i++) {
		long result = madvise_raw(p + page_size(), 2 * page_size(), advice[i]);

		// MADV_WILLNEED is for files alone where there is no swap, EBADF for others.
		EXPECT_RET(0, advice[i] == MADV_WILLNEED && result == -EBADF ? 0 : result);
		EXPECT_TRUE(are_marked(p, 4, 'a'));
		EXPECT_EQ(NO_FAULT, touch(p + page_size() + 9, WRITE));
	}
}
