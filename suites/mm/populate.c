// SPDX-License-Identifier: GPL-2.0-only
// madvise(2) that brings memory in or pushes it out: populate, cold, pageout, remove, guards, merging.
#include "clause.h"
#include "maps.h"
#include "mm.h"
#include "uapi.h"

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22	/* 5.14 */
#define MADV_POPULATE_WRITE 23
#endif
#ifndef MADV_DONTNEED_LOCKED
#define MADV_DONTNEED_LOCKED 24	/* 5.18 */
#endif

static long advice_probe(int advice)
{
	char *p = pages(1);
	long result = madvise_raw(p, page_size(), advice);

	munmap(p, page_size());
	return result;
}

static long populate_probe(void) { return advice_probe(MADV_POPULATE_WRITE); }
static long guard_probe(void) { return advice_probe(MADV_GUARD_INSTALL); }
static long locked_probe(void) { return advice_probe(MADV_DONTNEED_LOCKED); }
static long merge_probe(void) { return advice_probe(MADV_MERGEABLE); }

static char *file_pages(size_t n, int flags)
{
	int fd = memfd_create("osprim-mm", MFD_CLOEXEC);
	char *p;

	if (ftruncate(fd, n * page_size()))
		abort();
	p = (char *)mmap_raw(NULL, n * page_size(), RW, flags, fd, 0);
	close(fd);
	return p;
}

CLAUSE(populated_pages_are_there_and_keep_their_contents,
       "madvise(2) MADV_POPULATE_READ, MADV_POPULATE_WRITE: prefault page tables, triggering faults as reading or"
       " writing would; contents stay [MAD-6]", .since = KERNEL(5, 14), .probe = populate_probe, .absent_errno = EINVAL,
       .needed_by = "jvm:pretouch")
{
	for (int advice = MADV_POPULATE_READ; advice <= MADV_POPULATE_WRITE; advice++) {
		char *p = pages(8);

		mark_pages(p, 2, 'a');
		EXPECT_RET(0, madvise_raw(p, 6 * page_size(), advice));
		for (int i = 0; i < 8; i++)
			EXPECT_EQ(i < 6, has_page(p + i * page_size()));
		EXPECT_TRUE(are_marked(p, 2, 'a'));
		EXPECT_TRUE(are_zero(p + 2 * page_size(), 6));
	}
}

CLAUSE(populating_what_the_protection_forbids_is_einval,
       "madvise(2) ERRORS EINVAL: MADV_POPULATE_READ or MADV_POPULATE_WRITE, and the range includes ranges with"
       " insufficient permissions [MAD-6]", .since = KERNEL(5, 14), .probe = populate_probe, .absent_errno = EINVAL)
{
	char *p = pages(3);

	ASSERT_OK(mprotect_raw(p + page_size(), page_size(), PROT_READ));
	ASSERT_OK(mprotect_raw(p + 2 * page_size(), page_size(), PROT_NONE));
	EXPECT_RET(0, madvise_raw(p, 2 * page_size(), MADV_POPULATE_READ));
	EXPECT_ERR(EINVAL, madvise_raw(p + page_size(), page_size(), MADV_POPULATE_WRITE));
	EXPECT_ERR(EINVAL, madvise_raw(p + 2 * page_size(), page_size(), MADV_POPULATE_READ));
	EXPECT_ERR(EINVAL, madvise_raw(p, 3 * page_size(), MADV_POPULATE_READ));
}

CLAUSE(populating_beyond_the_end_of_a_file_is_efault,
       "madvise(2) ERRORS EFAULT: populating page tables failed because a SIGBUS would have been generated on actual"
       " memory access; ENOMEM where nothing is mapped [MAD-6]", .since = KERNEL(5, 14), .probe = populate_probe,
       .absent_errno = EINVAL)
{
	int fd = memfd_create("osprim-mm", MFD_CLOEXEC);
	char *p, *hole = island(1, 1);

	ASSERT_EQ(0, ftruncate(fd, page_size()));
	p = (char *)mmap_raw(NULL, 3 * page_size(), RW, MAP_SHARED, fd, 0);
	EXPECT_RET(0, madvise_raw(p, page_size(), MADV_POPULATE_WRITE));
	EXPECT_ERR(EFAULT, madvise_raw(p, 3 * page_size(), MADV_POPULATE_READ));
	EXPECT_ERR(EFAULT, madvise_raw(p + page_size(), page_size(), MADV_POPULATE_WRITE));
	EXPECT_ERR(ENOMEM, madvise_raw(hole, 2 * page_size(), MADV_POPULATE_WRITE));
	EXPECT_ERR(ENOMEM, madvise_raw(hole + page_size(), page_size(), MADV_POPULATE_READ));
}

CLAUSE(writes_that_are_populated_stay_private,
       "madvise(2) MADV_POPULATE_WRITE: a private mapping gets pages of its own, and the file sees nothing [MAD-6]",
       .since = KERNEL(5, 14), .probe = populate_probe, .absent_errno = EINVAL)
{
	int fd = memfd_create("osprim-mm", MFD_CLOEXEC);
	char *p, in_file = 0;

	ASSERT_EQ(1, pwrite(fd, "f", 1, 0));
	p = (char *)mmap_raw(NULL, page_size(), RW, MAP_PRIVATE, fd, 0);
	ASSERT_RET(0, madvise_raw(p, page_size(), MADV_POPULATE_WRITE));
	EXPECT_EQ('f', *p);
	*p = 'p';
	ASSERT_EQ(1, pread(fd, &in_file, 1, 0));
	EXPECT_EQ('f', in_file);
}

CLAUSE(cold_and_paged_out_memory_keeps_its_contents,
       "madvise(2) MADV_COLD, MADV_PAGEOUT: deactivate or reclaim pages; this is nondestructive",
       .needed_by = "jemalloc:pages_purge jvm:ZGC")
{
	char *own = pages(8), *file = file_pages(8, MAP_SHARED), *private = file_pages(8, MAP_PRIVATE);
	char *shared = (char *)mmap_raw(NULL, 8 * page_size(), RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	char *all[] = { own, file, private, shared };

	for (int i = 0; i < 4; i++) {
		for (int advice = MADV_COLD; advice <= MADV_PAGEOUT; advice++) {
			mark_pages(all[i], 8, 'a' + advice);
			EXPECT_RET(0, madvise_raw(all[i], 8 * page_size(), advice));
			EXPECT_TRUE(are_marked(all[i], 8, 'a' + advice));
		}
	}
}

CLAUSE(cold_and_paged_out_memory_must_not_be_locked,
       "madvise(2) ERRORS EINVAL: MADV_COLD or MADV_PAGEOUT for a range that includes locked pages",
       .needs = "cap=ipc_lock")
{
	char *p = pages(2);

	ASSERT_OK(raw_syscall(__NR_mlock, p, page_size()));
	EXPECT_ERR(EINVAL, madvise_raw(p, page_size(), MADV_COLD));
	EXPECT_ERR(EINVAL, madvise_raw(p, page_size(), MADV_PAGEOUT));
	EXPECT_RET(0, madvise_raw(p + page_size(), page_size(), MADV_COLD));
}

CLAUSE(removing_shared_memory_makes_a_hole_for_everybody,
       "madvise(2) MADV_REMOVE: free up a given range of pages and its associated backing store, as punching a hole;"
       " subsequent accesses see zero", .needed_by = "jvm:ZPhysicalMemory")
{
	char *p = file_pages(6, MAP_SHARED), *again = (char *)mremap_raw(p, 0, 6 * page_size(), MREMAP_MAYMOVE, 0);

	mark_pages(p, 6, 'a');
	EXPECT_TRUE(are_marked(again, 6, 'a'));
	ASSERT_RET(0, madvise_raw(p + page_size(), 3 * page_size(), MADV_REMOVE));
	EXPECT_TRUE(are_marked(p, 1, 'a'));
	EXPECT_TRUE(are_zero(p + page_size(), 3));
	EXPECT_TRUE(are_zero(again + page_size(), 3));
	EXPECT_TRUE(are_marked(again + 4 * page_size(), 2, 'a' + 4));
	IN_CHILD
		EXPECT_TRUE(are_zero(p + page_size(), 3));
}

CLAUSE(what_is_private_cannot_be_removed,
       "madvise(2) ERRORS EINVAL, EACCES: MADV_REMOVE for a range that is not a shared writable mapping")
{
	char *own = pages(1), *private = file_pages(1, MAP_PRIVATE);

	*own = *private = 'p';
	EXPECT_ERR(EINVAL, madvise_raw(own, page_size(), MADV_REMOVE));
	EXPECT_ERR(EACCES, madvise_raw(private, page_size(), MADV_REMOVE));
	EXPECT_EQ('p', *own);
	EXPECT_EQ('p', *private);
}

CLAUSE(locked_memory_can_be_dropped_by_those_who_say_so,
       "madvise(2) MADV_DONTNEED_LOCKED: like MADV_DONTNEED, but also applies to locked ranges, which stay locked",
       .since = KERNEL(5, 18), .probe = locked_probe, .absent_errno = EINVAL,
       .needs = "cap=ipc_lock file=/proc/self/smaps")
{
	char *p = pages(4);

	mark_pages(p, 4, 'a');
	ASSERT_OK(raw_syscall(__NR_mlock, p + page_size(), 2 * page_size()));
	EXPECT_RET(0, madvise_raw(p, 4 * page_size(), MADV_DONTNEED_LOCKED));
	EXPECT_TRUE(are_zero(p, 4));
	EXPECT_TRUE(flag_at(p + page_size(), "lo"));
}

CLAUSE(a_guard_ends_in_sigsegv_until_it_is_removed,
       "madvise(2) MADV_GUARD_INSTALL, MADV_GUARD_REMOVE: accesses to guard regions are fatal SIGSEGV; removed ones"
       " are zero [MAD-7] [GLC-12]", .since = KERNEL(6, 13), .probe = guard_probe, .absent_errno = EINVAL,
       .needed_by = "glibc:allocate_stack v8:GuardRegion")
{
	char *p = pages(5);

	mark_pages(p, 5, 'a');
	ASSERT_RET(0, madvise_raw(p + page_size(), 2 * page_size(), MADV_GUARD_INSTALL));
	for (int i = 1; i < 3; i++) {
		EXPECT_EQ(SIGSEGV, touch(p + i * page_size(), READ) >> 16);
		EXPECT_EQ(SIGSEGV, touch(p + (i + 1) * page_size() - 1, WRITE) >> 16);
		EXPECT_ERR(EFAULT, try_read(p + i * page_size()));
	}
	EXPECT_TRUE(are_marked(p, 1, 'a'));
	EXPECT_TRUE(are_marked(p + 3 * page_size(), 2, 'a' + 3));
	EXPECT_RET(0, madvise_raw(p, 5 * page_size(), MADV_GUARD_REMOVE));
	EXPECT_TRUE(are_zero(p + page_size(), 2));
	EXPECT_TRUE(are_marked(p, 1, 'a'));
}

CLAUSE(a_guard_needs_no_mapping_of_its_own,
       "madvise(2) MADV_GUARD_INSTALL: the guard regions are part of the mapping, which is not split [MAD-7]",
       .since = KERNEL(6, 13), .probe = guard_probe, .absent_errno = EINVAL, .needs = "file=/proc/self/smaps")
{
	char *p = island(8, 1);
	struct mapping m;

	for (int i = 1; i < 8; i += 2)
		ASSERT_RET(0, madvise_raw(p + i * page_size(), page_size(), MADV_GUARD_INSTALL));
	ASSERT_TRUE(find_mapping(0, p + 3 * page_size(), &m));
	EXPECT_EQ((unsigned long)p, m.start);
	EXPECT_EQ((unsigned long)p + 8 * page_size(), m.end);
}

CLAUSE(a_guard_outlives_advice_protection_and_fork,
       "madvise(2) MADV_GUARD_INSTALL: MADV_DONTNEED, mprotect and fork leave guard regions in place; munmap removes"
       " them [MAD-7]", .since = KERNEL(6, 13), .probe = guard_probe, .absent_errno = EINVAL)
{
	char *p = pages(3);

	ASSERT_RET(0, madvise_raw(p + page_size(), page_size(), MADV_GUARD_INSTALL));
	ASSERT_RET(0, madvise_raw(p, 3 * page_size(), MADV_DONTNEED));
	EXPECT_EQ(SIGSEGV, touch(p + page_size(), READ) >> 16);
	ASSERT_OK(mprotect_raw(p, 3 * page_size(), PROT_READ));
	ASSERT_OK(mprotect_raw(p, 3 * page_size(), RW));
	EXPECT_EQ(SIGSEGV, touch(p + page_size(), WRITE) >> 16);
	IN_CHILD {
		EXPECT_EQ(SIGSEGV, touch(p + page_size(), READ) >> 16);
		EXPECT_EQ(NO_FAULT, touch(p + 2 * page_size(), WRITE));
	}
	ASSERT_OK(mmap_raw(p + page_size(), page_size(), RW, ANONYMOUS | MAP_FIXED, -1, 0));
	EXPECT_EQ(NO_FAULT, touch(p + page_size(), WRITE));
}

CLAUSE(memory_that_may_be_merged_keeps_its_contents,
       "madvise(2) MADV_MERGEABLE, MADV_UNMERGEABLE: identical pages may be merged into one that is copied when it is"
       " written; nobody sees it", .config = "KSM", .probe = merge_probe, .absent_errno = EINVAL)
{
	char *p = pages(8);

	memset(p, 'm', 8 * page_size());
	EXPECT_RET(0, madvise_raw(p, 8 * page_size(), MADV_MERGEABLE));
	p[3 * page_size()] = 'x';
	EXPECT_EQ('m', p[2 * page_size()]);
	EXPECT_EQ('m', p[4 * page_size()]);
	EXPECT_RET(0, madvise_raw(p, 8 * page_size(), MADV_UNMERGEABLE));
	EXPECT_EQ('x', p[3 * page_size()]);
	EXPECT_EQ('m', p[8 * page_size() - 1]);
}
