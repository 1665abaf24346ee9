// SPDX-License-Identifier: GPL-2.0-only
// RLIMIT_NPROC and a change of user: a server that gives its rights up must not fail half-way.
#include "clause.h"

#include <sys/resource.h>

#include "hand.h"
#include "nobody.h"

#define SOMEBODY (200000 + getpid())	/* a user who has no other process, so that the count is ours */
#define USERS    "go:credentials go:AllThreadsSyscall glibc:setxid"

AFTER_EXEC(exits_with_4)
{
	return 4;
}

static long execute(void)
{
	static char *const words[] = { "osprim", "--after-exec", "exits_with_4", NULL };

	return raw_syscall(__NR_execve, "/proc/self/exe", words, environ);
}

static pid_t others[2];

// Two processes of that user, who live until they are ended.
static bool start_others(uid_t user)
{
	for (int i = 0; i < 2; i++) {
		int ends[2];
		char byte;

		if (pipe(ends))
			return false;
		others[i] = fork();
		if (others[i] == 0) {
			if (become(user, user) && write(ends[1], "x", 1) == 1)
				for (;;)
					pause();
			_exit(1);
		}
		close(ends[1]);
		if (read(ends[0], &byte, 1) != 1)
			return false;
		close(ends[0]);
	}
	return true;
}

static void end_others(void)
{
	for (int i = 0; i < 2; i++) {
		kill(others[i], SIGKILL);
		waitpid(others[i], NULL, 0);
	}
}

static void limit_to_one(void)
{
	uint64_t limit[2] = { 1, 1 };

	raw_syscall(__NR_prlimit64, 0, RLIMIT_NPROC, limit, NULL);
}

static bool all_are(uid_t user)
{
	uid_t ids[3] = { 0 };

	return !raw_syscall(NR_GETRESUID, &ids[0], &ids[1], &ids[2]) && ids[0] == user && ids[1] == user && ids[2] == user;
}

CLAUSE(a_change_of_user_is_never_refused_for_the_limit,
       "setuid(2) ERRORS EAGAIN (until 3.1): a user who has more processes than RLIMIT_NPROC allows is become all the "
       "same: no"
       " program goes on with rights that it meant to give up [CRD-1]", .needs = "root", .needed_by = USERS)
{
	uid_t user = SOMEBODY;

	if (!can_become(user, user))
		SKIP(return, "no other user to become here");
	if (start_others(user)) {
		IN_CHILD {
			limit_to_one();
			EXPECT_RET(0, raw_syscall(NR_SETRESUID, user, user, user));
			EXPECT_TRUE(all_are(user));
			EXPECT_ERR(EPERM, raw_syscall(NR_SETRESUID, 0, 0, 0));
			EXPECT_TRUE(all_are(user));
		}
	}
	end_others();
}

CLAUSE(the_exec_that_follows_is_refused_instead,
       "execve(2) ERRORS EAGAIN (since Linux 3.1): a process that changed its real user and exceeds RLIMIT_NPROC still "
       "when it executes:"
       " the call fails; and succeeds when the user has fewer processes by then", .needs = "root", .needed_by = USERS)
{
	uid_t user = SOMEBODY;
	int told[2], go[2], status = -1;
	pid_t child;
	char byte = 0;

	if (!can_become(user, user))
		SKIP(return, "no other user to become here");
	if (!start_others(user)) {
		end_others();
		SKIP(return, "no processes of another user here");
	}
	ASSERT_EQ(0, pipe(told));
	ASSERT_EQ(0, pipe(go));
	child = fork();
	if (child == 0) {
		limit_to_one();
		if (raw_syscall(NR_SETRESUID, user, user, user) || execute() != -EAGAIN || write(told[1], "x", 1) != 1 ||
		    read(go[0], &byte, 1) != 1)
			_exit(1);
		execute();
		_exit(2);
	}
	close(told[1]);
	EXPECT_EQ(1, read(told[0], &byte, 1));
	end_others();
	EXPECT_EQ(1, write(go[1], "x", 1));
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_EQ(4 << 8, status);
}
