// SPDX-License-Identifier: GPL-2.0-only
// CLONE_SYSVSEM: whose end undoes the SEM_UNDO operations on System V semaphores.
#include "clone.h"

#include <sched.h>
#include <sys/prctl.h>
#include <sys/sem.h>

#define USERS "go:newosproc glibc:create_thread musl:__pthread_create"

#ifdef __NR_semtimedop_time64
#define NR_SEMTIMEDOP __NR_semtimedop_time64
#else
#define NR_SEMTIMEDOP __NR_semtimedop
#endif

static int set = -1;

static long add(int n)
{
	struct sembuf operation = { .sem_op = n, .sem_flg = SEM_UNDO | IPC_NOWAIT };

	return raw_syscall(NR_SEMTIMEDOP, set, &operation, 1, NULL);
}

static long value(void)
{
	return raw_syscall(__NR_semctl, set, 0, GETVAL, 0);
}

// A set of one semaphore in a namespace of its own, with which it goes whatever happens.
static bool make_set(void)
{
	if (raw_syscall(__NR_unshare, CLONE_NEWIPC))
		return false;
	set = raw_syscall(__NR_semget, IPC_PRIVATE, 1, 0600 | IPC_CREAT);
	return set >= 0 && value() == 0;
}

static struct shared {
	volatile int ready, go;
	volatile long result, pid;
} *shared;

static int adds_three(void *unused)
{
	shared->result = add(3);
	return 0;
}

static int ends_when_told(void *unused)
{
	shared->ready = 1;
	return !wait_until(shared->go);
}

static int adds_three_and_leaves_a_child(void *unused)
{
	shared->result = add(3);
	shared->pid = child_of(SIGCHLD, ends_when_told, NULL);
	return !wait_until(shared->ready);
}

#define SEMAPHORES .config = "SYSVIPC IPC_NS", .needs = "root cap=sys_admin", .needed_by = USERS

CLAUSE(adjustments_are_undone_at_the_end_of_the_last_who_shares_them,
       "clone(2) CLONE_SYSVSEM, semop(2): tasks made with the flag share one list of adjustments, which is undone when "
       "the last of them ends; without it the child has a list of its own, undone at its end [CLN-4]",
       SEMAPHORES)
{
	static const struct { unsigned long flags; int left; } kinds[] = {
		{ SIGCHLD, 0 }, { CLONE_VM | SIGCHLD, 0 }, { CLONE_SYSVSEM | SIGCHLD, 3 }, { CLONE_SYSVSEM | CLONE_VM | SIGCHLD, 3 },
		{ THREAD_FLAGS & ~CLONE_SYSVSEM, 0 }, { THREAD_FLAGS, 3 },
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(kinds); i++) {
		for (int had_one = 0; had_one < 2; had_one++) {
			IN_CHILD {
				long pid;

				ASSERT_TRUE(make_set());
				shared = shared_memory(sizeof(*shared));
				if (had_one) {	// whether the maker had a list before or not
					ASSERT_RET(0, add(1));
					ASSERT_RET(0, add(-1));
				}
				ASSERT_OK(pid = child_of(kinds[i].flags, adds_three, NULL));
				ASSERT_TRUE(wait_until(!task_state(pid) || end_of(pid) == EXITED(0)));	// a thread nobody waits for
				EXPECT_RET(0, shared->result);
				EXPECT_RET(kinds[i].left, value())
					TH_LOG("case %u, %d", i, had_one);
			}
		}
	}
}

CLAUSE(a_child_undoes_nothing_of_its_maker,
       "fork(2), semop(2): a child does not inherit semaphore adjustments: its end undoes nothing of its maker's, and what "
       "its maker did is undone when that ends, though the child lives",
       SEMAPHORES)
{
	long pid;

	ASSERT_TRUE(make_set());
	shared = shared_memory(sizeof(*shared));
	ASSERT_RET(0, add(5));
	ASSERT_OK(pid = child_of(SIGCHLD, returns_zero, NULL));
	ASSERT_RET(EXITED(0), end_of(pid));
	EXPECT_RET(5, value());
	ASSERT_RET(0, raw_syscall(__NR_prctl, PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0));
	ASSERT_OK(pid = child_of(SIGCHLD, adds_three_and_leaves_a_child, NULL));
	ASSERT_RET(EXITED(0), end_of(pid));
	EXPECT_RET(0, shared->result);
	EXPECT_RET(5, value());
	shared->go = 1;
	EXPECT_RET(EXITED(0), end_of(shared->pid));
	EXPECT_RET(5, value());
}
