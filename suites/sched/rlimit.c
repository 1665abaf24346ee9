// SPDX-License-Identifier: GPL-2.0-only
// prlimit64(2): limits of a process as runtimes read, raise and hand them on.
#include "clause.h"
#include "guard.h"
#include "sync.h"
#include "thread.h"

#include <fcntl.h>
#include <sys/resource.h>

#define USERS "go:rlimit_nofile jvm:os_init rust:posix_spawn"

struct limit {
	uint64_t soft, hard;
};

#define get_limit(pid, what, old) raw_syscall(__NR_prlimit64, pid, what, NULL, old)
#define set_limit(pid, what, new) raw_syscall(__NR_prlimit64, pid, what, new, NULL)

static struct limit limit_of(int what)
{
	struct limit l = { 0 };

	get_limit(0, what, &l);
	return l;
}

CLAUSE(prlimit_returns_what_was_set,
       "prlimit(2): sets the soft and hard limits and returns the previous ones in one call "
       "[RLM-1]", .needed_by = USERS)
{
	struct limit before = limit_of(RLIMIT_NOFILE), lower, *old = guarded(sizeof(*old));
	struct limit seen;

	ASSERT_GT(before.soft, 16);
	lower = (struct limit){ before.soft - 1, before.hard };
	EXPECT_RET(0, raw_syscall(__NR_prlimit64, 0, RLIMIT_NOFILE, &lower, old));
	EXPECT_INTACT(old);
	EXPECT_EQ(before.soft, old->soft);
	EXPECT_EQ(before.hard, old->hard);
	seen = limit_of(RLIMIT_NOFILE);
	EXPECT_EQ(lower.soft, seen.soft);
	EXPECT_EQ(lower.hard, seen.hard);
}

CLAUSE(prlimit_keeps_sixty_four_bits_and_infinity,
       "prlimit(2) BUGS: prlimit64 uses 64-bit limits on every architecture; RLIM64_INFINITY means no "
       "limit", .needed_by = USERS)
{
	struct limit before = limit_of(RLIMIT_FSIZE), l = { ~0ULL, before.hard }, seen;

	if (before.hard == ~0ULL) {
		EXPECT_RET(0, set_limit(0, RLIMIT_FSIZE, &l));
		seen = limit_of(RLIMIT_FSIZE);
		EXPECT_EQ(~0ULL, seen.soft);
		EXPECT_EQ(~0ULL, seen.hard);
	}
	if (before.hard >= 1 << 30) {
		l = (struct limit){ 1 << 29, 1 << 30 };
		EXPECT_RET(0, set_limit(0, RLIMIT_FSIZE, &l));
		seen = limit_of(RLIMIT_FSIZE);
		EXPECT_EQ(1 << 29, seen.soft);
		EXPECT_EQ(1 << 30, seen.hard);
	}
}

CLAUSE(prlimit_refuses_what_makes_no_sense,
       "prlimit(2) ERRORS EINVAL: the resource is not valid, or rlim_cur is greater than rlim_max; EFAULT for bad "
       "addresses; "
       "ESRCH for no such process", .needed_by = USERS)
{
	struct limit before = limit_of(RLIMIT_NOFILE), crossed = { 2, 1 }, seen;

	EXPECT_ERR(EINVAL, set_limit(0, RLIMIT_NOFILE, &crossed));
	EXPECT_ERR(EINVAL, get_limit(0, RLIM_NLIMITS, &seen));
	EXPECT_ERR(EINVAL, get_limit(0, -1, &seen));
	EXPECT_ERR(EFAULT, set_limit(0, RLIMIT_NOFILE, unmapped_page()));
	EXPECT_ERR(EFAULT, get_limit(0, RLIMIT_NOFILE, forbidden_page()));
	EXPECT_ERR(ESRCH, get_limit(0x3fffffff, RLIMIT_NOFILE, &seen));
	EXPECT_RET(0, raw_syscall(__NR_prlimit64, 0, RLIMIT_NOFILE, NULL, NULL));
	seen = limit_of(RLIMIT_NOFILE);
	EXPECT_EQ(before.soft, seen.soft);
	EXPECT_EQ(before.hard, seen.hard);
}

CLAUSE(each_resource_has_a_soft_limit_no_higher_than_its_hard_one,
       "prlimit(2): every resource has an associated soft and hard limit, and the hard limit is the ceiling of the "
       "soft one",
       .needed_by = USERS)
{
	for (int what = 0; what < RLIM_NLIMITS; what++) {
		struct limit *l = guarded(sizeof(*l));

		ASSERT_RET(0, get_limit(0, what, l));
		EXPECT_LE(l->soft, l->hard);
		EXPECT_INTACT(l);
	}
}

CLAUSE(an_unprivileged_process_may_lower_and_not_raise_its_hard_limit,
       "prlimit(2) ERRORS EPERM: an unprivileged process tried to raise the hard limit; lowering it is irreversible, "
       "and the soft "
       "limit may move up to it [RLM-1]", .as_nobody = 1, .needed_by = USERS)
{
	struct limit l = limit_of(RLIMIT_NOFILE), seen;

	ASSERT_GT(l.hard, 16);
	l.soft = 8;
	l.hard--;
	EXPECT_RET(0, set_limit(0, RLIMIT_NOFILE, &l));
	l.soft = l.hard;
	EXPECT_RET(0, set_limit(0, RLIMIT_NOFILE, &l));
	l.hard++;
	EXPECT_ERR(EPERM, set_limit(0, RLIMIT_NOFILE, &l));
	seen = limit_of(RLIMIT_NOFILE);
	EXPECT_EQ(l.hard - 1, seen.hard);
	EXPECT_EQ(l.hard - 1, seen.soft);
}

CLAUSE(the_limit_on_files_stops_at_exactly_its_number,
       "getrlimit(2) RLIMIT_NOFILE: one greater than the maximum file descriptor number; attempts to exceed it yield "
       "EMFILE",
       .needed_by = USERS)
{
	struct limit l = limit_of(RLIMIT_NOFILE);
	long fd;

	l.soft = 40;
	ASSERT_RET(0, set_limit(0, RLIMIT_NOFILE, &l));
	do
		fd = raw_syscall(__NR_dup, 0);
	while (fd >= 0 && fd < 39);
	EXPECT_RET(39, fd);
	EXPECT_ERR(EMFILE, raw_syscall(__NR_dup, 0));
	EXPECT_ERR(EBADF, raw_syscall(__NR_dup3, 0, 40, 0));
	l.soft = 41;
	EXPECT_RET(0, set_limit(0, RLIMIT_NOFILE, &l));
	EXPECT_RET(40, raw_syscall(__NR_dup, 0));
}

CLAUSE(the_hard_limit_on_files_stops_at_nr_open,
       "getrlimit(2) ERRORS EPERM: the caller tried to set the hard RLIMIT_NOFILE limit above the maximum defined by "
       "/proc/sys/fs/nr_open, privileged or not", .needs = "root", .needed_by = USERS)
{
	char text[32];
	struct limit l;

	ASSERT_GT(read_text("/proc/sys/fs/nr_open", text, sizeof(text)), 0);
	l.soft = 64;
	l.hard = strtoull(text, NULL, 10) + 1;
	EXPECT_ERR(EPERM, set_limit(0, RLIMIT_NOFILE, &l));
}

static int lower_to_100(void *arg)
{
	struct limit *l = arg;

	l->soft = 100;
	return raw_syscall(__NR_prlimit64, 0, RLIMIT_NOFILE, l, NULL);
}

CLAUSE(a_limit_set_by_one_thread_holds_for_all,
       "getrlimit(2): resource limits are per-process attributes shared by all of the threads in a process [RLM-1]",
       .needed_by = USERS)
{
	struct limit l = limit_of(RLIMIT_NOFILE), seen;
	struct thread t;

	ASSERT_OK(thread_start(&t, lower_to_100, &l));
	ASSERT_TRUE(thread_join(&t));
	seen = limit_of(RLIMIT_NOFILE);
	EXPECT_EQ(100, seen.soft);
}

AFTER_EXEC(exits_with_zero_if_files_are_limited_to_77)
{
	return limit_of(RLIMIT_NOFILE).soft != 77;
}

CLAUSE(limits_are_inherited_by_a_child_and_kept_over_exec,
       "getrlimit(2) NOTES: a child process created via fork(2) inherits its parent's resource limits, and they are "
       "preserved "
       "across execve(2) [RLM-1]", .needed_by = USERS)
{
	struct limit l = limit_of(RLIMIT_NOFILE);

	l.soft = 77;
	ASSERT_RET(0, set_limit(0, RLIMIT_NOFILE, &l));
	IN_CHILD {
		EXPECT_EQ(77, limit_of(RLIMIT_NOFILE).soft);
		execute_self(exits_with_zero_if_files_are_limited_to_77);
		_exit(126);
	}
	// And a child's change is the child's alone.
	IN_CHILD {
		l.soft = 66;
		EXPECT_RET(0, set_limit(0, RLIMIT_NOFILE, &l));
	}
	EXPECT_EQ(77, limit_of(RLIMIT_NOFILE).soft);
}

CLAUSE(limits_of_another_process_are_for_its_owner,
       "prlimit(2) ERRORS EPERM: the calling process did not have permission to set limits for the process specified "
       "by pid",
       .needs = "root", .needed_by = USERS)
{
	int root = getpid();

	IN_CHILD {
		struct limit seen;

		ASSERT_EQ(0, setresgid(65534, 65534, 65534));
		ASSERT_EQ(0, setresuid(65534, 65534, 65534));
		EXPECT_ERR(EPERM, get_limit(root, RLIMIT_NOFILE, &seen));
		EXPECT_RET(0, get_limit(getpid(), RLIMIT_NOFILE, &seen));
	}
}
