// SPDX-License-Identifier: GPL-2.0-only
// cgroup v1 and v2, pids controller: how many tasks a group may have, and what who makes one too many is told.
#include "clause.h"

#include <fcntl.h>
#include <sched.h>

#include "group.h"
#include "guard.h"
#include "thread.h"

#define USERS "go:newosproc jvm:container glibc:pthread_create runc:containers"
#define PIDS .needs = "root", .config = "CGROUP_PIDS", .needed_by = USERS

#define MAKE_GROUP(g) do {										\
	if (!make_group(g, "pids"))									\
		SKIP(return, "no hierarchy with the pids controller in which a group can be made");	\
} while (0)

static bool write_to(const struct group *g, const char *name, const char *text)
{
	int fd = open(file_of(g, name), O_WRONLY | O_CLOEXEC);
	bool written = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

	if (fd >= 0)
		close(fd);
	return written;
}

static bool enter(const struct group *g)
{
	char pid[24];

	snprintf(pid, sizeof(pid), "%d", getpid());
	return write_to(g, "cgroup.procs", pid);
}

static long current(const struct group *g)
{
	char text[32];

	return read_text(file_of(g, "pids.current"), text, sizeof(text)) > 0 ? atol(text) : -1;
}

static int returns_zero(void *unused)
{
	return 0;
}

static int waits_for_ever(void *unused)
{
	for (;;)
		raw_syscall(NR_PPOLL, NULL, 0, NULL, NULL, 0);
	return 0;
}

static char stack[THREAD_STACK] __attribute__((aligned(16)));

static long make(unsigned long flags, int (*fn)(void *), int *word)
{
	return raw_clone(flags, stack + sizeof(stack), fn, NULL, word, NULL, word);
}

static const unsigned long kinds[] = {
	SIGCHLD, CLONE_VM | SIGCHLD, CLONE_VM | CLONE_VFORK | SIGCHLD, 0, THREAD_FLAGS,
};

static long reap(long pid)
{
	return raw_syscall(__NR_wait4, pid, NULL, 0x40000000 /* __WALL */, NULL);
}

CLAUSE(a_task_beyond_the_limit_is_eagain_and_leaves_nothing,
       "Documentation/admin-guide/cgroup-v2.rst PID, clone(2) ERRORS EAGAIN: fork and clone, of processes and of "
       "threads alike, fail with EAGAIN where the group would have more tasks than pids.max; nothing is made or "
       "written, and there is room again once a task has ended [CLN-1]", PIDS)
{
	struct group g = { 0 };

	MAKE_GROUP(&g);
	EXPECT_TRUE(write_to(&g, "pids.max", "2"));
	IN_CHILD {
		int *word = guarded(sizeof(*word));
		long pid;

		ASSERT_TRUE(enter(&g));
		EXPECT_EQ(1, current(&g));
		ASSERT_OK(pid = make(SIGCHLD, waits_for_ever, NULL));
		EXPECT_EQ(2, current(&g));
		for (unsigned int i = 0; i < ARRAY_SIZE(kinds); i++) {
			for (int again = 0; again < 3; again++)
				EXPECT_ERR(EAGAIN, make(kinds[i] | CLONE_PARENT_SETTID, returns_zero, word));
			EXPECT_UNTOUCHED(word, 0, sizeof(*word));
		}
		EXPECT_EQ(2, current(&g));
		EXPECT_RET(0, raw_syscall(__NR_kill, pid, SIGKILL));
		EXPECT_RET(pid, reap(pid));
		EXPECT_ERR(ECHILD, reap(-1));
		for (unsigned int i = 0; i + 1 < ARRAY_SIZE(kinds); i++) {
			ASSERT_TRUE(wait_until((pid = make(kinds[i], returns_zero, NULL)) != -EAGAIN));
			EXPECT_RET(pid, reap(pid));
		}
	}
	EXPECT_TRUE(wait_until(rmdir(g.path) == 0));	// the child may still be on its way out
}

CLAUSE(threads_count_as_processes_do,
       "Documentation/admin-guide/cgroup-v2.rst PID, cgroup-v1/pids.rst (7.2): pids.current is the number of tasks, "
       "each "
       "thread one of them; a limit below it ends nobody, and entering a full group is not refused", PIDS)
{
	struct group g = { 0 };

	MAKE_GROUP(&g);
	IN_CHILD {
		struct thread t;
		long tid;

		ASSERT_TRUE(enter(&g));
		ASSERT_OK(tid = thread_start(&t, waits_for_ever, NULL));
		EXPECT_EQ(2, current(&g));
		EXPECT_TRUE(write_to(&g, "pids.max", "1"));
		EXPECT_RET(0, raw_syscall(__NR_tgkill, getpid(), tid, 0));
		EXPECT_ERR(EAGAIN, make(SIGCHLD, returns_zero, NULL));
		EXPECT_ERR(EAGAIN, make(THREAD_FLAGS, returns_zero, NULL));
	}
	IN_CHILD {
		EXPECT_TRUE(wait_until(current(&g) == 0));
		EXPECT_TRUE(write_to(&g, "pids.max", "0"));
		ASSERT_TRUE(enter(&g));
		EXPECT_EQ(1, current(&g));
		EXPECT_ERR(EAGAIN, make(SIGCHLD, returns_zero, NULL));
		EXPECT_TRUE(write_to(&g, "pids.max", "max"));
		EXPECT_OK(reap(make(SIGCHLD, returns_zero, NULL)));
	}
	EXPECT_TRUE(wait_until(rmdir(g.path) == 0));
}

CLAUSE(the_limit_reads_back_and_nonsense_is_refused,
       "Documentation/admin-guide/cgroup-v2.rst pids.max: \"max\" at first; a number or \"max\" is taken and read "
       "back, "
       "anything else is EINVAL and changes nothing", PIDS)
{
	static const struct { const char *text, *reads; int error; } values[] = {
		{ "7", "7\n", 0 }, { "-1", "7\n", EINVAL }, { "many", "7\n", EINVAL }, { "0", "0\n", 0 }, { "max", "max\n", 0 },
		{ "1000", "1000\n", 0 }, { "9999999999", "1000\n", EINVAL },
	};
	struct group g = { 0 };
	int fd;

	MAKE_GROUP(&g);
	fd = open(file_of(&g, "pids.max"), O_RDWR | O_CLOEXEC);
	EXPECT_LE(0, fd);
	EXPECT_TRUE(reads(fd, "max\n"));
	for (unsigned int i = 0; i < ARRAY_SIZE(values); i++) {
		size_t length = strlen(values[i].text);

		errno = 0;
		EXPECT_EQ(values[i].error ? -1 : length, write(fd, values[i].text, length));
		EXPECT_EQ(values[i].error, errno);
		EXPECT_TRUE(reads(fd, values[i].reads));
	}
	close(fd);
	rmdir(g.path);
}
