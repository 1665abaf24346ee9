// SPDX-License-Identifier: GPL-2.0-only
// clone(2) and clone3(2) into new namespaces, and clone3 into another control group.
#include "clone.h"
#include "nobody.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/stat.h>

#define USERS "go:fork_exec runc:containers"
#define AS_ROOT .needs = "root cap=sys_admin"

static struct seen {
	char link[64], groups[4096];
	long pid, ppid, inner;
	long long now;
	int parent_word, child_word;
} *seen;

static void begin(void)
{
	seen = shared_memory(sizeof(*seen));
}

static void read_link(const char *name, char *text, size_t size)
{
	char path[64] = "/proc/self/ns/";
	long n;

	strcat(path, name);
	n = raw_syscall(__NR_readlinkat, AT_FDCWD, path, text, size - 1);
	text[n > 0 ? n : 0] = 0;
}

static int reads_link(void *name)
{
	read_link(name, seen->link, sizeof(seen->link));
	return 0;
}

static const struct kind {
	const char *name;
	unsigned long flag;
} kinds[] = {
	{ "uts", CLONE_NEWUTS }, { "ipc", CLONE_NEWIPC }, { "mnt", CLONE_NEWNS }, { "net", CLONE_NEWNET }, { "user", CLONE_NEWUSER },
	{ "cgroup", CLONE_NEWCGROUP },
};

CLAUSE(a_child_of_a_flag_is_in_a_namespace_of_its_own,
       "clone(2) CLONE_NEWUTS, NEWIPC, NEWNS, NEWNET, NEWUSER, NEWCGROUP, namespaces(7): the child is in a new "
       "namespace of that kind, and the caller in the one it was; without the flag the child is in the caller's",
       AS_ROOT, .config = "UTS_NS IPC_NS NET_NS USER_NS CGROUPS", .needed_by = USERS)
{
	for (int i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		char before[64], after[64];
		long pid;

		begin();
		read_link(kinds[i].name, before, sizeof(before));
		ASSERT_OK(pid = child_of(SIGCHLD, reads_link, (void *)kinds[i].name));
		EXPECT_RET(EXITED(0), end_of(pid));
		EXPECT_STREQ(before, seen->link);
		ASSERT_OK(pid = child_of(kinds[i].flag | SIGCHLD, reads_link, (void *)kinds[i].name));
		EXPECT_RET(EXITED(0), end_of(pid));
		read_link(kinds[i].name, after, sizeof(after));
		EXPECT_STREQ(before, after);
		EXPECT_STRNE(before, seen->link);
	}
}

CLAUSE(new_namespaces_are_not_for_everyone,
       "clone(2) ERRORS EPERM: a new namespace of any kind but a user namespace needs CAP_SYS_ADMIN, and nothing "
       "is made without it",
       .needs = "root", .config = "UTS_NS IPC_NS NET_NS PID_NS CGROUPS", .needed_by = USERS)
{
	if (!can_become(NOBODY, NOBODY))
		SKIP(return, "no other user to become here");
	IN_CHILD {
		ASSERT_TRUE(become(NOBODY, NOBODY));
		for (int i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
			if (kinds[i].flag != CLONE_NEWUSER)
				EXPECT_ERR(EPERM, child_of(kinds[i].flag | SIGCHLD, returns_zero, NULL));
		EXPECT_ERR(EPERM, child_of(CLONE_NEWPID | SIGCHLD, returns_zero, NULL));
		EXPECT_TRUE(has_no_child());
	}
}

static int notes_ids(void *unused)
{
	seen->pid = raw_syscall(__NR_getpid);
	seen->ppid = raw_syscall(__NR_getppid);
	return 0;
}

CLAUSE(the_two_words_hold_the_tid_each_side_knows,
       "clone(2) CLONE_NEWPID with CLONE_PARENT_SETTID and CLONE_CHILD_SETTID: the parent's word and the result "
       "are the ID in the caller's pid namespace, the child's the one in its own, 1 [TID-2]",
       AS_ROOT, .config = "PID_NS", .needed_by = USERS)
{
	long pid;

	begin();
	pid = raw_clone(CLONE_NEWPID | CLONE_PARENT_SETTID | CLONE_CHILD_SETTID | SIGCHLD, stack_top(), notes_ids, NULL,
			&seen->parent_word, NULL, &seen->child_word);
	ASSERT_OK(pid);
	EXPECT_RET(EXITED(0), end_of(pid));
	EXPECT_EQ(pid, seen->parent_word);
	EXPECT_EQ(1, seen->child_word);
	EXPECT_EQ(1, seen->pid);
	EXPECT_EQ(0, seen->ppid);
	EXPECT_NE(1, pid);
}

static int leaves_and_ends(void *unused)
{
	seen->inner = child_of(SIGCHLD, waits_for_ever, NULL);
	return 0;
}

CLAUSE(the_end_of_the_first_process_ends_its_namespace,
       "pid_namespaces(7): when the init process of a namespace ends, all others in it are killed, and the end is"
       " told when they are gone",
       AS_ROOT, .config = "PID_NS", .needed_by = USERS)
{
	int fds[2];
	char byte;
	long pid;

	begin();
	ASSERT_RET(0, raw_syscall(__NR_pipe2, fds, 0));
	ASSERT_OK(pid = child_of(CLONE_NEWPID | SIGCHLD, leaves_and_ends, NULL));
	raw_syscall(__NR_close, fds[1]);
	EXPECT_RET(EXITED(0), end_of(pid));
	EXPECT_EQ(2, seen->inner);
	EXPECT_RET(0, raw_syscall(__NR_read, fds[0], &byte, 1));	// nobody of them has the other end any more
}

static long newtime_probe(void)
{
	struct clone_args args = { .flags = CLONE_NEWTIME, .exit_signal = SIGCHLD };
	long pid = raw_clone3(&args, sizeof(args), returns_zero, NULL);

	if (pid > 0)
		end_of(pid);
	return pid;
}

CLAUSE(a_child_of_clone3_may_be_in_a_new_time_namespace,
       "clone3(2), time_namespaces(7): CLONE_NEWTIME, a flag of clone3 alone, makes a child in a time namespace "
       "of its own; the caller stays, and so do its later children [incident 54]",
       AS_ROOT, .config = "TIME_NS", .probe = newtime_probe, .absent_errno = EINVAL, .needed_by = "go:fork_exec")
{
	struct clone_args args = { .flags = CLONE_NEWTIME, .exit_signal = SIGCHLD };
	char before[64], after[64];
	long pid;

	begin();
	read_link("time", before, sizeof(before));
	ASSERT_OK(pid = raw_clone3(&args, sizeof(args), reads_link, "time"));
	EXPECT_RET(EXITED(0), end_of(pid));
	read_link("time", after, sizeof(after));
	EXPECT_STREQ(before, after);
	EXPECT_STRNE(before, seen->link);
	EXPECT_STRNE("", seen->link);
	ASSERT_OK(pid = child_of(SIGCHLD, reads_link, "time"));
	EXPECT_RET(EXITED(0), end_of(pid));
	EXPECT_STREQ(before, seen->link);
}

static int reads_clock(void *unused)
{
	seen->now = monotonic_ns();
	return 0;
}

CLAUSE(a_child_sees_the_clock_of_the_time_namespace_it_is_made_in,
       "time_namespaces(7): after unshare(CLONE_NEWTIME) and a write to timens_offsets a child's CLOCK_MONOTONIC "
       "is ahead by the offset, the caller's is not [incident 54]",
       AS_ROOT, .config = "TIME_NS", .probe = newtime_probe, .absent_errno = EINVAL, .needed_by = "go:fork_exec")
{
	static const char offset[] = "monotonic 100000 0";
	long long before = monotonic_ns(), ahead = 100000LL * 1000000000;
	long pid, fd;

	begin();
	ASSERT_RET(0, raw_syscall(__NR_unshare, CLONE_NEWTIME));
	ASSERT_OK(fd = raw_syscall(__NR_openat, AT_FDCWD, "/proc/self/timens_offsets", O_WRONLY));
	ASSERT_RET(sizeof(offset) - 1, raw_syscall(__NR_write, fd, offset, sizeof(offset) - 1));
	ASSERT_OK(pid = child_of(SIGCHLD, reads_clock, NULL));
	EXPECT_RET(EXITED(0), end_of(pid));
	EXPECT_LE(before + ahead, seen->now);
	EXPECT_GE(monotonic_ns() + ahead, seen->now);
	EXPECT_LE(before, monotonic_ns());
}

// Makes a control group of version 2 and opens it; -1 where there is none to make one in.
static int new_group(char path[512])
{
	char line[1024], where[256], type[64];
	FILE *f = fopen("/proc/self/mounts", "re");
	int fd = -1;

	while (f && fd < 0 && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%*s %255s %63s", where, type) != 2 || strcmp(type, "cgroup2"))
			continue;
		snprintf(path, 512, "%s/osprim-clone-%d", where, getpid());
		if (!mkdir(path, 0755))
			fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	}
	if (f)
		fclose(f);
	return fd;
}

static int reads_groups(void *unused)
{
	read_text("/proc/self/cgroup", seen->groups, sizeof(seen->groups));
	return 0;
}

CLAUSE(a_child_is_made_in_the_group_that_is_given,
       "clone3(2) CLONE_INTO_CGROUP: the child is in the version 2 control group that the descriptor refers to "
       "when it starts, the caller stays where it was; a descriptor of none, or of another directory, is EBADF",
       AS_ROOT, .config = "CGROUPS", .probe = clone3_probe,
       .needed_by = "go:fork_exec glibc:posix_spawnattr_setcgroup_np")
{
	struct clone_args args = { .flags = CLONE_INTO_CGROUP, .exit_signal = SIGCHLD };
	char path[512], wanted[64], own[4096];
	int group = new_group(path);
	long pid;

	begin();
	snprintf(wanted, sizeof(wanted), "/osprim-clone-%d\n", getpid());
	args.cgroup = 9999;
	EXPECT_ERR(EBADF, raw_clone3(&args, sizeof(args), returns_zero, NULL));
	args.cgroup = open("/", O_RDONLY | O_DIRECTORY);
	EXPECT_ERR(EBADF, raw_clone3(&args, sizeof(args), returns_zero, NULL));
	EXPECT_TRUE(has_no_child());
	if (group < 0)
		SKIP(return, "no version 2 control group to make one in");
	args.cgroup = group;
	pid = raw_clone3(&args, sizeof(args), reads_groups, NULL);
	EXPECT_OK(pid);
	if (!is_error(pid)) {
		EXPECT_RET(EXITED(0), end_of(pid));
		EXPECT_NE(NULL, strstr(seen->groups, wanted));
	}
	EXPECT_OK(read_text("/proc/self/cgroup", own, sizeof(own)));
	EXPECT_EQ(NULL, strstr(own, wanted));
	EXPECT_TRUE(wait_until(!rmdir(path)));
}
