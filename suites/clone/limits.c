// SPDX-License-Identifier: GPL-2.0-only
// When no more tasks may be made: EAGAIN, without side effects; and how process IDs are given out.
#include "clone.h"
#include "guard.h"
#include "nobody.h"

#include <sys/resource.h>

#define USERS "go:newosproc glibc:pthread_create jvm:os_create_thread"
#define SOMEBODY (100000 + getpid())	/* a user who has no other process, so that the count is ours */

static void set_limit(long tasks)
{
	uint64_t limit[2] = { tasks, tasks };

	raw_syscall(__NR_prlimit64, 0, RLIMIT_NPROC, limit, NULL);
}

CLAUSE(more_tasks_than_the_limit_are_eagain_and_leave_nothing,
       "clone(2) ERRORS EAGAIN, getrlimit(2) RLIMIT_NPROC: a user without privilege who has as many tasks as the "
       "limit gets EAGAIN for processes and threads, nothing is written or made, and the same call succeeds once "
       "there is room [CLN-1] [CLN-13]",
       .needs = "root", .needed_by = USERS)
{
	if (!can_become(SOMEBODY, SOMEBODY))
		SKIP(return, "no other user to become here");
	IN_CHILD {
		static const unsigned long flags[] = { SIGCHLD, CLONE_VM | SIGCHLD, THREAD_FLAGS };
		int *slot = guarded(sizeof(*slot));

		ASSERT_TRUE(become(SOMEBODY, SOMEBODY));
		set_limit(1);
		for (int i = 0; i < 3; i++) {
			for (int round = 0; round < 3; round++)
				EXPECT_ERR(EAGAIN, raw_clone(flags[i] | CLONE_PARENT_SETTID, stack_top(), returns_zero, NULL,
							     slot, NULL, slot));
			EXPECT_UNTOUCHED(slot, 0, sizeof(*slot));
			EXPECT_TRUE(has_no_child());
		}
	}
	IN_CHILD {
		long pid;

		ASSERT_TRUE(become(SOMEBODY, SOMEBODY));
		set_limit(2);
		ASSERT_OK(pid = child_of(SIGCHLD, waits_for_ever, NULL));
		EXPECT_ERR(EAGAIN, child_of(SIGCHLD, returns_zero, NULL));
		EXPECT_ERR(EAGAIN, child_of(THREAD_FLAGS, returns_zero, NULL));
		kill_and_reap(pid);
		ASSERT_TRUE(wait_until((pid = child_of(SIGCHLD, returns_zero, NULL)) != -EAGAIN));
		EXPECT_RET(EXITED(0), end_of(pid));
	}
}

CLAUSE(root_is_above_the_limit,
       "getrlimit(2) RLIMIT_NPROC: the limit is not enforced for processes with CAP_SYS_ADMIN or "
       "CAP_SYS_RESOURCE, or real user ID 0 [CLN-1] [incident 57]",
       .needs = "root", .needed_by = USERS)
{
	IN_CHILD {
		struct thread t;
		long pid;

		set_limit(1);
		ASSERT_OK(pid = child_of(SIGCHLD, returns_zero, NULL));
		EXPECT_RET(EXITED(0), end_of(pid));
		ASSERT_OK(thread_start(&t, returns_zero, NULL));
		EXPECT_TRUE(thread_join(&t));
	}
}

CLAUSE(a_number_is_not_given_again_soon,
       "kernel/pid.c alloc_pid (5.10, 7.2): process IDs are given out in a circle: none comes twice in a row of "
       "calls far shorter than it [incident 56]",
       .commit = "5fdee8c4a5e1 pids: fix a race in pid generation that causes pids to be reused immediately",
       .needed_by = USERS)
{
	enum { CHILDREN = 100 };
	long pids[CHILDREN];

	for (int i = 0; i < CHILDREN; i++) {
		ASSERT_OK(pids[i] = raw_clone(CLONE_VM | CLONE_VFORK | SIGCHLD, stack_top(), returns_zero, NULL, NULL, NULL, NULL));
		ASSERT_RET(EXITED(0), end_of(pids[i]));
		for (int j = 0; j < i; j++)
			ASSERT_NE(pids[j], pids[i]);
	}
}
