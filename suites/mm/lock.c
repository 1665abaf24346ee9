// SPDX-License-Identifier: GPL-2.0-only
// mlock(2) and its kin: what is resident, what counts, what is refused to whom.
#include "clause.h"
#include "maps.h"
#include "mm.h"

#ifndef MLOCK_ONFAULT
#define MLOCK_ONFAULT 1
#endif
#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4	/* 5.7 */
#endif

#define mlock_raw(address, size)   raw_syscall(__NR_mlock, address, size)
#define munlock_raw(address, size) raw_syscall(__NR_munlock, address, size)

// Bytes that this process has locked, by VmLck of /proc/self/status.
static long locked_bytes(void)
{
	char text[4096], *line;

	if (read_text("/proc/self/status", text, sizeof(text)) <= 0 || !(line = strstr(text, "VmLck:")))
		abort();
	return 1024 * strtol(line + 6, NULL, 10);
}

static bool is_resident(const void *page)
{
	unsigned char entry = 0;

	return raw_syscall(__NR_mincore, page, 1, &entry) == 0 && entry & 1;
}

CLAUSE(locked_memory_is_resident_and_counted,
       "mlock(2) DESCRIPTION: all pages that contain a part of the range are resident when the call returns; proc(5)"
       " VmLck",
       .needed_by = "go:mlockGsignal dotnet:FlushProcessWriteBuffers",
       .needs = "cap=ipc_lock")
{
	char *p = pages(4);

	ASSERT_RET(0, mlock_raw(p + page_size() + 8, page_size()));
	EXPECT_FALSE(is_resident(p));
	EXPECT_TRUE(is_resident(p + page_size()));
	EXPECT_TRUE(is_resident(p + 2 * page_size()));
	EXPECT_EQ(2 * page_size(), locked_bytes());
	EXPECT_TRUE(are_zero(p, 4));
	EXPECT_RET(0, munlock_raw(p, 4 * page_size()));
	EXPECT_EQ(0, locked_bytes());
}

CLAUSE(locks_do_not_stack,
       "mlock(2) NOTES: memory locks do not stack: pages locked several times are unlocked by a single call to munlock",
       .needs = "cap=ipc_lock")
{
	char *p = pages(2);

	for (int i = 0; i < 3; i++)
		ASSERT_RET(0, mlock_raw(p, 2 * page_size()));
	EXPECT_EQ(2 * page_size(), locked_bytes());
	EXPECT_RET(0, munlock_raw(p, page_size()));
	EXPECT_EQ(page_size(), locked_bytes());
	EXPECT_RET(0, munlock_raw(p, 2 * page_size()));
	EXPECT_EQ(0, locked_bytes());
}

CLAUSE(unmapping_unlocks_memory,
       "munmap(2), mlock(2): what is not mapped any more is not locked, and what replaces it begins unlocked",
       .needs = "cap=ipc_lock")
{
	char *p = pages(4);

	ASSERT_RET(0, mlock_raw(p, 4 * page_size()));
	ASSERT_OK(munmap_raw(p, page_size()));
	EXPECT_EQ(3 * page_size(), locked_bytes());
	ASSERT_OK(mmap_raw(p + page_size(), page_size(), RW, ANONYMOUS | MAP_FIXED, -1, 0));
	EXPECT_EQ(2 * page_size(), locked_bytes());
}

CLAUSE(memory_locked_on_fault_is_resident_once_touched,
       "mlock2(2) MLOCK_ONFAULT: lock the pages that are resident, and the others when they are populated by a fault",
       .needs = "cap=ipc_lock")
{
	char *p = pages(3);

	ASSERT_RET(0, raw_syscall(__NR_mlock2, p, 3 * page_size(), MLOCK_ONFAULT));
	EXPECT_EQ(3 * page_size(), locked_bytes());
	EXPECT_FALSE(is_resident(p));
	p[page_size()] = 1;
	EXPECT_FALSE(is_resident(p));
	EXPECT_TRUE(is_resident(p + page_size()));
	EXPECT_ERR(EINVAL, raw_syscall(__NR_mlock2, p, page_size(), 2));
	EXPECT_ERR(EINVAL, raw_syscall(__NR_mlock2, p, page_size(), -1));
}

CLAUSE(locking_what_is_not_mapped_is_enomem,
       "mlock(2) ERRORS ENOMEM: some of the specified range does not correspond to mapped pages; EINVAL: addr + len"
       " overflows",
       .needs = "cap=ipc_lock")
{
	char *p = island(2, 1);

	EXPECT_ERR(ENOMEM, mlock_raw(p + 2 * page_size(), page_size()));
	EXPECT_ERR(ENOMEM, mlock_raw(p + page_size(), 2 * page_size()));
	EXPECT_ERR(ENOMEM, mlock_raw(p - page_size(), 1));
	EXPECT_ERR(ENOMEM, munlock_raw(p, 3 * page_size()));
	EXPECT_RET(0, mlock_raw(p, 0));
	EXPECT_RET(0, munlock_raw(p, 2 * page_size()));
	EXPECT_EQ(0, locked_bytes());
}

CLAUSE(a_child_has_no_locks,
       "mlock(2) NOTES: memory locks are not inherited by a child created via fork",
       .needs = "cap=ipc_lock")
{
	char *p = pages(2);

	ASSERT_RET(0, mlock_raw(p, 2 * page_size()));
	IN_CHILD {
		EXPECT_EQ(0, locked_bytes());
		EXPECT_RET(0, madvise_raw(p, page_size(), MADV_DONTNEED));
	}
	EXPECT_EQ(2 * page_size(), locked_bytes());
}

CLAUSE(locking_everything_takes_a_reason,
       "mlockall(2) ERRORS EINVAL: unknown flags, no flags, or MCL_ONFAULT alone")
{
	EXPECT_ERR(EINVAL, raw_syscall(__NR_mlockall, 0));
	EXPECT_ERR(EINVAL, raw_syscall(__NR_mlockall, 4));
	EXPECT_ERR(EINVAL, raw_syscall(__NR_mlockall, 8));
	EXPECT_ERR(EINVAL, raw_syscall(__NR_mlockall, MCL_FUTURE | 0x100));
	EXPECT_EQ(0, locked_bytes());
}

CLAUSE(what_is_mapped_in_future_is_locked_where_that_was_asked,
       "mlockall(2) MCL_FUTURE: lock all pages which will become mapped; munlockall: unlock them and stop that",
       .needs = "cap=ipc_lock")
{
	IN_CHILD {
		char *p, *after;

		ASSERT_RET(0, raw_syscall(__NR_mlockall, MCL_FUTURE));
		p = (char *)mmap_raw(NULL, 3 * page_size(), RW, ANONYMOUS, -1, 0);
		ASSERT_OK((long)p);
		EXPECT_TRUE(is_resident(p) && is_resident(p + 2 * page_size()));
		EXPECT_EQ(3 * page_size(), locked_bytes());
		EXPECT_RET(0, raw_syscall(__NR_munlockall));
		after = (char *)mmap_raw(NULL, page_size(), RW, ANONYMOUS, -1, 0);
		EXPECT_EQ(0, locked_bytes());
		EXPECT_FALSE(is_resident(after));
	}
}

CLAUSE(what_is_mapped_in_future_is_locked_as_was_asked_last,
       "mlockall(2) MCL_CURRENT, MCL_FUTURE; mm/mlock.c apply_mlockall_flags (5.10, 7.2): each call says anew what"
       " holds for later mappings: one of MCL_CURRENT alone ends MCL_FUTURE", .needs = "cap=ipc_lock")
{
	const struct { int flags; bool locked, resident; } row[] = {
		{ MCL_FUTURE, true, true }, { MCL_CURRENT, false, false }, { MCL_CURRENT | MCL_FUTURE, true, true },
		{ MCL_FUTURE | MCL_ONFAULT, true, false }, { MCL_CURRENT | MCL_ONFAULT, false, false },
		{ MCL_FUTURE, true, true },
	};

	IN_CHILD {
		for (size_t i = 0; i < sizeof(row) / sizeof(*row); i++) {
			long before;
			char *p;

			ASSERT_RET(0, raw_syscall(__NR_mlockall, row[i].flags));
			before = locked_bytes();
			p = (char *)mmap_raw(NULL, 2 * page_size(), RW, ANONYMOUS, -1, 0);
			ASSERT_OK((long)p);
			EXPECT_EQ(row[i].resident, is_resident(p)) TH_LOG("row %zu", i);
			EXPECT_EQ(before + (row[i].locked ? 2 * (long)page_size() : 0), locked_bytes())
				TH_LOG("row %zu", i);
			EXPECT_EQ(row[i].locked ? -EINVAL : 0, madvise_raw(p, page_size(), MADV_DONTNEED));
			ASSERT_OK(munmap_raw(p, 2 * page_size()));
		}
	}
}

AFTER_EXEC(maps_without_locks)
{
	char *p = (char *)mmap_raw(NULL, page_size(), RW, ANONYMOUS, -1, 0);

	return !(locked_bytes() == 0 && !is_resident(p));
}

CLAUSE(locks_on_what_will_be_mapped_end_at_fork_and_exec,
       "mlockall(2) NOTES: the MCL_FUTURE and MCL_FUTURE | MCL_ONFAULT settings are not inherited by a child created"
       " via fork(2) and are cleared during an execve(2)", .needs = "cap=ipc_lock")
{
	const int flags[] = { MCL_FUTURE, MCL_FUTURE | MCL_ONFAULT, MCL_CURRENT | MCL_FUTURE };

	for (int i = 0; i < 3; i++) {
		IN_CHILD {
			ASSERT_RET(0, raw_syscall(__NR_mlockall, flags[i]));
			IN_CHILD {
				char *p = (char *)mmap_raw(NULL, page_size(), RW, ANONYMOUS, -1, 0);

				ASSERT_OK((long)p);
				EXPECT_FALSE(is_resident(p));
				EXPECT_EQ(0, locked_bytes());
				EXPECT_RET(0, madvise_raw(p, page_size(), MADV_DONTNEED));
			}
		}
		IN_CHILD {
			ASSERT_RET(0, raw_syscall(__NR_mlockall, flags[i]));
			execute_self(maps_without_locks);
			_exit(126);
		}
	}
}

CLAUSE(a_lock_on_fault_becomes_one_of_all_when_asked,
       "mlock(2) DESCRIPTION: all pages that contain a part of the range are resident when the call returns, also where"
       " it was locked on fault before; mlock2(2): and is locked on fault from then on, if that is asked later",
       .needs = "cap=ipc_lock")
{
	char *p = pages(4);

	ASSERT_RET(0, raw_syscall(__NR_mlock2, p, 4 * page_size(), MLOCK_ONFAULT));
	ASSERT_FALSE(is_resident(p));
	EXPECT_RET(0, mlock_raw(p, page_size()));
	EXPECT_TRUE(is_resident(p));
	EXPECT_FALSE(is_resident(p + page_size()));
	EXPECT_RET(0, raw_syscall(__NR_mlock2, p + 2 * page_size(), 2 * page_size(), 0));
	EXPECT_TRUE(is_resident(p + 2 * page_size()) && is_resident(p + 3 * page_size()));
	EXPECT_FALSE(is_resident(p + page_size()));
	EXPECT_EQ(4 * page_size(), locked_bytes());
	EXPECT_RET(0, raw_syscall(__NR_mlock2, p, 4 * page_size(), MLOCK_ONFAULT));
	EXPECT_FALSE(is_resident(p + page_size()));
	EXPECT_EQ(4 * page_size(), locked_bytes());
}

CLAUSE(a_mapping_can_be_locked_from_the_start,
       "mmap(2) MAP_LOCKED: mark the mapped region to be locked in the same way as mlock",
       .needs = "cap=ipc_lock")
{
	char *p = (char *)mmap_raw(NULL, 2 * page_size(), RW, ANONYMOUS | MAP_LOCKED, -1, 0);

	ASSERT_OK((long)p);
	EXPECT_TRUE(is_resident(p + page_size()));
	EXPECT_EQ(2 * page_size(), locked_bytes());
}

CLAUSE(locked_memory_stays_locked_where_it_grows_and_moves,
       "mremap(2) NOTES: if the range is locked, it continues to be locked, and the new part is resident",
       .needs = "cap=ipc_lock")
{
	char *p = island(2, 4), *to;

	ASSERT_RET(0, mlock_raw(p, 2 * page_size()));
	EXPECT_RET(p, mremap_raw(p, 2 * page_size(), 4 * page_size(), 0, 0));
	EXPECT_EQ(4 * page_size(), locked_bytes());
	EXPECT_TRUE(is_resident(p + 3 * page_size()));
	to = (char *)mremap_raw(p, 4 * page_size(), 12 * page_size(), MREMAP_MAYMOVE, 0);
	ASSERT_OK((long)to);
	EXPECT_EQ(12 * page_size(), locked_bytes());
	EXPECT_TRUE(is_resident(to + 11 * page_size()));
}

CLAUSE(a_lock_moves_and_what_stays_behind_has_none,
       "mremap(2) MREMAP_DONTUNMAP, NOTES: locked memory is locked at its new place; mm/mremap.c (5.10, 7.2): the"
       " mapping that is left is not", .needs = "file=/proc/self/smaps cap=ipc_lock")
{
	char *p = island(3, 1), *to;

	ASSERT_RET(0, mlock_raw(p, 3 * page_size()));
	to = (char *)mremap_raw(p, 3 * page_size(), 3 * page_size(), MREMAP_MAYMOVE | MREMAP_DONTUNMAP, 0);
	ASSERT_OK((long)to);
	EXPECT_TRUE(flag_at(to, "lo"));
	EXPECT_FALSE(flag_at(p, "lo"));
	EXPECT_ERR(EINVAL, madvise_raw(to, page_size(), MADV_DONTNEED));
	EXPECT_RET(0, madvise_raw(p, 3 * page_size(), MADV_DONTNEED));
	EXPECT_FALSE(is_resident(p));
	// VmLck is not compared: 6.18 and 7.2 count such memory twice.
	EXPECT_RET(0, munlock_raw(to, 3 * page_size()));
	EXPECT_RET(0, madvise_raw(to, 3 * page_size(), MADV_DONTNEED));
}

CLAUSE(users_may_lock_as_much_as_their_limit_says,
       "getrlimit(2) RLIMIT_MEMLOCK, mlock(2) ERRORS: ENOMEM for an unprivileged process that tried to lock more,"
       " EAGAIN from mmap and mremap, EPERM where the limit is 0 [MAP-8] [incident 2]",
       .as_nobody = 1, .needed_by = "go:mlockGsignal")
{
	char *p = pages(8), *locked = island(1, 8);
	struct rlimit limit;

	if (geteuid() == 0)
		SKIP(return, "root locks what it likes");
	if (getrlimit(RLIMIT_MEMLOCK, &limit) || limit.rlim_max < 4 * page_size())
		SKIP(return, "RLIMIT_MEMLOCK is below four pages");
	IN_CHILD {
		ASSERT_TRUE(set_limit(RLIMIT_MEMLOCK, 4 * page_size()));
		EXPECT_ERR(ENOMEM, mlock_raw(p, 5 * page_size()));
		EXPECT_RET(0, mlock_raw(p, 3 * page_size()));
		EXPECT_RET(0, mlock_raw(p, 4 * page_size()));
		EXPECT_ERR(ENOMEM, mlock_raw(p + 4 * page_size(), page_size()));
		EXPECT_ERR(EAGAIN, mmap_raw(NULL, page_size(), RW, ANONYMOUS | MAP_LOCKED, -1, 0));
		EXPECT_RET(0, munlock_raw(p, 4 * page_size()));
		EXPECT_RET(0, mlock_raw(locked, page_size()));
		EXPECT_ERR(EAGAIN, mremap_raw(locked, page_size(), 5 * page_size(), MREMAP_MAYMOVE, 0));
		EXPECT_RET(0, munlock_raw(locked, page_size()));
		ASSERT_TRUE(set_limit(RLIMIT_MEMLOCK, 0));
		EXPECT_ERR(EPERM, mlock_raw(p, page_size()));
		EXPECT_ERR(EPERM, mmap_raw(NULL, page_size(), RW, ANONYMOUS | MAP_LOCKED, -1, 0));
		EXPECT_ERR(EPERM, raw_syscall(__NR_mlockall, MCL_CURRENT));
		EXPECT_EQ(0, locked_bytes());
	}
}

CLAUSE(users_may_not_lock_all_if_that_is_more_than_their_limit,
       "mlockall(2) ERRORS ENOMEM: RLIMIT_MEMLOCK is nonzero, the process has no CAP_IPC_LOCK, and tried to lock more"
       " than the limit permits; brk(2), mmap(2): what MCL_FUTURE would lock beyond it is not mapped", .as_nobody = 1)
{
	struct rlimit limit;

	if (geteuid() == 0)
		SKIP(return, "root locks what it likes");
	if (getrlimit(RLIMIT_MEMLOCK, &limit) || limit.rlim_max < 4 * page_size())
		SKIP(return, "RLIMIT_MEMLOCK is below four pages");
	IN_CHILD {
		char *p = pages(64), *end;

		mark_pages(p, 64, 'a');
		ASSERT_TRUE(set_limit(RLIMIT_MEMLOCK, 4 * page_size()));
		EXPECT_ERR(ENOMEM, raw_syscall(__NR_mlockall, MCL_CURRENT));
		EXPECT_ERR(ENOMEM, raw_syscall(__NR_mlockall, MCL_CURRENT | MCL_FUTURE));
		EXPECT_ERR(ENOMEM, raw_syscall(__NR_mlockall, MCL_CURRENT | MCL_ONFAULT));
		EXPECT_EQ(0, locked_bytes());
		EXPECT_RET(0, madvise_raw(p, page_size(), MADV_DONTNEED));
		EXPECT_RET(0, raw_syscall(__NR_mlockall, MCL_FUTURE));
		EXPECT_ERR(EAGAIN, mmap_raw(NULL, 5 * page_size(), RW, ANONYMOUS, -1, 0));
		end = (char *)raw_syscall(__NR_brk, 0);
		EXPECT_RET(end, raw_syscall(__NR_brk, end + 6 * page_size()));
		EXPECT_OK(mmap_raw(NULL, 3 * page_size(), RW, ANONYMOUS, -1, 0));
		EXPECT_EQ(3 * page_size(), locked_bytes());
	}
}
