// SPDX-License-Identifier: GPL-2.0-only
// cgroup v2, cpuset controller: what a thread asked for by sched_setaffinity(2) when its group's CPUs change.
#include "clause.h"
#include "sync.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/stat.h>
#include <unistd.h>

#define ROOT  "/sys/fs/cgroup"
#define GROUP ROOT "/osprim.cpuset"

// Returns true if the file took the text whole.
static bool put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool done = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

	close(fd);
	return done;
}

// The CPUs 0 and 1 that the child may run on, as bits.
static unsigned long cpus_of(pid_t child)
{
	unsigned long mask[1024 / (8 * sizeof(long))] = { 0 };

	raw_syscall(__NR_sched_getaffinity, child, sizeof(mask), mask);
	return mask[0] & 3;
}

CLAUSE(what_a_thread_asked_for_outlives_changes_of_its_cpuset,
       "Documentation/admin-guide/cgroup-v2.rst cpuset.cpus, kernel/sched/core.c __set_cpus_allowed_ptr (6.2, 7.2): a "
       "thread has those of the group's CPUs that it asked for, or all of them if it asked for none of these or for "
       "nothing",
       .since = KERNEL(6, 2), .config = "CPUSETS", .needs = "own_machine root cpus=2", .exclusive = 1,
       .commit = "8f9ea86fdf99 sched: Always preserve the user requested cpumask",
       .needed_by = "go:getproccount jvm:os_processor_count")
{
	static const struct { const char *cpus; unsigned long asked, other; } steps[] = {
		{ "0-1", 2, 3 }, { "0", 1, 1 }, { "0-1", 2, 3 }, { "1", 2, 2 }, { "0-1", 2, 3 },
	};
	unsigned long mask[1024 / (8 * sizeof(long))] = { 2 };
	pid_t child[2];
	char pid[16];

	if (cpus_of(0) != 3 || !put(ROOT "/cgroup.subtree_control", "+cpuset") || mkdir(GROUP, 0700))
		SKIP(return, "no group with the cpuset controller can be made");
	for (int i = 0; i < 2; i++) {
		child[i] = fork();
		if (child[i] == 0)
			for (;;)
				pause();
	}
	EXPECT_RET(0, raw_syscall(__NR_sched_setaffinity, child[0], sizeof(mask), mask));
	EXPECT_TRUE(put(GROUP "/cpuset.cpus", "0-1"));
	for (int i = 0; i < 2; i++) {
		snprintf(pid, sizeof(pid), "%d", child[i]);
		EXPECT_TRUE(put(GROUP "/cgroup.procs", pid));
	}
	for (unsigned int i = 0; i < ARRAY_SIZE(steps); i++) {
		EXPECT_TRUE(put(GROUP "/cpuset.cpus", steps[i].cpus));
		EXPECT_EQ(steps[i].asked, cpus_of(child[0])) TH_LOG("CPUs %s, step %u", steps[i].cpus, i);
		EXPECT_EQ(steps[i].other, cpus_of(child[1])) TH_LOG("CPUs %s, step %u", steps[i].cpus, i);
	}
	for (int i = 0; i < 2; i++) {
		kill(child[i], SIGKILL);
		EXPECT_EQ(child[i], waitpid(child[i], NULL, 0));
	}
	EXPECT_TRUE(wait_until(rmdir(GROUP) == 0));
}
