// SPDX-License-Identifier: GPL-2.0-only
// setpgid(2) and setsid(2): whom a shell or a runtime may move between fork and exec, and who may not become what.
#include "clone.h"
#include "sigaction.h"

#define USERS "go:fork_exec glibc:posix_spawn jvm:jspawnhelper"

static struct shared {
	volatile int go, ready;
	volatile long pid, results[8];
} *shared;

static void begin(void)
{
	shared = shared_memory(sizeof(*shared));
}

static long move(long pid, long group)
{
	return raw_syscall(__NR_setpgid, pid, group);
}

static long group_of(long pid)
{
	return raw_syscall(__NR_getpgid, pid);
}

static long session_of(long pid)
{
	return raw_syscall(__NR_getsid, pid);
}

static long new_session(void)
{
	return raw_syscall(__NR_setsid);
}

static int ready_pipe[2];

AFTER_EXEC(says_it_runs)
{
	if (write(atoi(argv[0]), "x", 1) != 1)
		return 1;
	return waits_for_ever(NULL);
}

static char end[16];

static int executes_when_told(void *unused)
{
	char *words[] = { "osprim", "--after-exec", "says_it_runs", end, NULL };

	wait_until(shared->go);
	raw_syscall(__NR_execve, "/proc/self/exe", words, environ);
	return 126;
}

CLAUSE(a_child_is_moved_until_it_executes,
       "setpgid(2) ERRORS EACCES: the process group of a child can be changed until it has performed an execve(2); "
       "afterwards the call is EACCES and the group stays, while the child may still move itself [VFK-6]",
       .needed_by = USERS)
{
	static const unsigned long kinds[] = { SIGCHLD, CLONE_VM | SIGCHLD };
	char byte;

	for (unsigned int i = 0; i < ARRAY_SIZE(kinds); i++) {
		long pid, own = group_of(0);

		begin();
		ASSERT_EQ(0, pipe(ready_pipe));
		snprintf(end, sizeof(end), "%d", ready_pipe[1]);
		ASSERT_OK(pid = child_of(kinds[i], executes_when_told, NULL));
		EXPECT_RET(0, move(pid, pid));
		EXPECT_RET(pid, group_of(pid));
		EXPECT_RET(0, move(pid, own));
		EXPECT_RET(own, group_of(pid));
		EXPECT_RET(0, move(pid, 0));	// 0 is its own number
		EXPECT_RET(pid, group_of(pid));
		shared->go = 1;
		ASSERT_EQ(1, read(ready_pipe[0], &byte, 1));
		EXPECT_ERR(EACCES, move(pid, own));
		EXPECT_ERR(EACCES, move(pid, pid));
		EXPECT_RET(pid, group_of(pid));
		kill_and_reap(pid);
		close(ready_pipe[0]);
		close(ready_pipe[1]);
	}
}

static int leads_a_session(void *unused)
{
	shared->results[0] = new_session();
	shared->results[1] = move(0, 0);		// a leader of a session stays
	shared->results[2] = new_session();		// and is that of no other
	shared->pid = child_of(SIGCHLD, waits_for_ever, NULL);
	shared->ready = 1;
	wait_until(shared->go);
	kill_and_reap(shared->pid);
	return 0;
}

CLAUSE(who_may_not_be_moved_stays_where_it_was,
       "setpgid(2) ERRORS: EINVAL for a number below 0 and for a thread that leads no process, ESRCH for who is neither "
       "the caller nor its child, EPERM for a session leader, a child in another session, a group that does not exist "
       "or is of another session; nothing is moved [VFK-6]",
       .needed_by = USERS)
{
	long pid, gone, own = group_of(0);
	struct thread t;

	begin();
	ASSERT_OK(pid = child_of(SIGCHLD, leads_a_session, NULL));
	ASSERT_TRUE(wait_until(shared->ready));
	ASSERT_OK(gone = child_of(SIGCHLD, returns_zero, NULL));
	ASSERT_RET(EXITED(0), end_of(gone));
	EXPECT_RET(pid, shared->results[0]);
	EXPECT_RET(-EPERM, shared->results[1]);
	EXPECT_RET(-EPERM, shared->results[2]);
	EXPECT_RET(pid, session_of(pid));
	EXPECT_RET(pid, session_of(shared->pid));
	EXPECT_RET(pid, group_of(shared->pid));
	EXPECT_ERR(EPERM, move(pid, pid));
	EXPECT_ERR(EPERM, move(pid, own));
	EXPECT_ERR(ESRCH, move(shared->pid, shared->pid));	// the child of a child
	EXPECT_ERR(ESRCH, move(raw_syscall(__NR_getppid), 0));
	EXPECT_ERR(ESRCH, move(gone, 0));
	EXPECT_ERR(EINVAL, move(0, -1));
	EXPECT_ERR(EPERM, move(0, gone));
	EXPECT_ERR(EPERM, move(0, pid));			// a group of another session
	EXPECT_ERR(ESRCH, group_of(gone));
	EXPECT_ERR(ESRCH, session_of(gone));
	EXPECT_RET(own, group_of(0));
	EXPECT_RET(pid, group_of(pid));
	ASSERT_OK(thread_start(&t, waits_for_ever, NULL));
	EXPECT_ERR(EINVAL, move(t.known_as, 0));
	shared->go = 1;
	EXPECT_RET(EXITED(0), end_of(pid));
}

static int asks_for_sessions(void *unused)
{
	long self = raw_syscall(__NR_getpid), before = session_of(0), parents = group_of(0);

	move(0, 0);
	shared->results[0] = new_session();		// a leader of a group
	shared->results[1] = session_of(0) == before && group_of(0) == self;
	shared->pid = child_of(SIGCHLD, waits_for_ever, NULL);
	shared->results[2] = move(0, parents);
	shared->results[3] = new_session();		// its number is still that of a group, in which its child is
	shared->results[4] = session_of(0) == before && group_of(0) == parents;
	kill_and_reap(shared->pid);
	shared->results[5] = new_session();
	shared->results[6] = session_of(0) == self && group_of(0) == self;
	return self;
}

CLAUSE(a_session_is_not_for_whose_number_is_that_of_a_group,
       "setsid(2) ERRORS EPERM: the process group ID of any process equals the caller's ID, so for a group's leader, and "
       "for one who left a group that others are still in; session and group stay; else the caller leads both",
       .needed_by = USERS)
{
	long pid;

	begin();
	ASSERT_OK(pid = child_of(SIGCHLD, asks_for_sessions, NULL));
	EXPECT_OK(end_of(pid));
	EXPECT_RET(-EPERM, shared->results[0]);
	EXPECT_EQ(1, shared->results[1]);
	EXPECT_RET(0, shared->results[2]);
	EXPECT_RET(-EPERM, shared->results[3]);
	EXPECT_EQ(1, shared->results[4]);
	EXPECT_RET(pid, shared->results[5]);
	EXPECT_EQ(1, shared->results[6]);
}
