// SPDX-License-Identifier: GPL-2.0-only
// cgroup v1 and v2, CPU controller: the quota's files as a runtime reads them again and again.
#include "clause.h"

#include <fcntl.h>
#include <sched.h>

#include "group.h"

#define USERS "go:cgroup_gomaxprocs jvm:container dotnet:GetCpuCount"
#define QUOTA .needs = "root", .config = "CFS_BANDWIDTH", .needed_by = USERS

// The file that holds the quota, open for reading and writing.
static int open_quota(const struct group *g)
{
	return open(file_of(g, g->is_v2 ? "cpu.max" : "cpu.cfs_quota_us"), O_RDWR | O_CLOEXEC);
}

#define MAKE_GROUP(g) do {										\
	if (!make_group(g, "cpu"))										\
		SKIP(return, "no hierarchy with the CPU controller in which a group can be made");	\
} while (0)

CLAUSE(a_new_group_has_no_quota,
       "Documentation/admin-guide/cgroup-v2.rst cpu.max: \"max 100000\" at first; cgroup-v1 cpu.cfs_quota_us: -1 says "
       "that there is none [CGR-1] [CGR-2]",
       QUOTA)
{
	struct group g = { 0 };
	int fd;

	MAKE_GROUP(&g);
	fd = open_quota(&g);
	EXPECT_LE(0, fd);
	EXPECT_TRUE(reads(fd, g.is_v2 ? "max 100000\n" : "-1\n"));
	close(fd);
	rmdir(g.path);
}

CLAUSE(the_same_descriptor_reads_each_new_quota,
       "Documentation/admin-guide/cgroup-v2.rst cpu.max: what pread at offset 0 reads is the quota of now, on a "
       "descriptor that is kept open; one number alone sets the quota and keeps the period [CGR-1] [CGR-3]"
       " [NET-5]",
       QUOTA)
{
	static const struct { const char *v2, *v1, *reads_v2, *reads_v1; } values[] = {
		{ "150000 100000", "150000", "150000 100000\n", "150000\n" }, { "20000", "20000", "20000 100000\n", "20000\n" },
		{ "30000 50000", "30000", "30000 50000\n", "30000\n" },
		{ "10000", "10000", "10000 50000\n", "10000\n" },
		{ "max", "-1", "max 50000\n", "-1\n" }, { "1000 100000", "1000", "1000 100000\n", "1000\n" },
		{ "900000 100000", "900000", "900000 100000\n", "900000\n" },
	};
	struct group g = { 0 };
	int reader, writer;

	MAKE_GROUP(&g);
	reader = open_quota(&g);
	EXPECT_LE(0, reader);
	for (unsigned int i = 0; i < ARRAY_SIZE(values); i++) {
		const char *value = g.is_v2 ? values[i].v2 : values[i].v1;

		writer = open_quota(&g);
		EXPECT_EQ(strlen(value), write(writer, value, strlen(value)));
		close(writer);
		EXPECT_TRUE(reads(reader, g.is_v2 ? values[i].reads_v2 : values[i].reads_v1));
	}
	close(reader);
	rmdir(g.path);
}

CLAUSE(a_quota_out_of_bounds_is_refused,
       "kernel/sched/core.c tg_set_cfs_bandwidth (7.2): a quota or a period below 1 ms and a period above 1 s are "
       "EINVAL and change nothing [CGR-1]", QUOTA)
{
	static const char *const wrong[] = { "999", "0", "-2", "nonsense" };
	struct group g = { 0 };
	int fd;

	MAKE_GROUP(&g);
	fd = open_quota(&g);
	EXPECT_LE(0, fd);
	for (unsigned int i = 0; i < ARRAY_SIZE(wrong); i++) {
		if (!g.is_v2 && wrong[i][0] == '-')
			continue;	// any negative number is "none" there
		EXPECT_EQ(-1, write(fd, wrong[i], strlen(wrong[i])));
		EXPECT_EQ(EINVAL, errno);
	}
	EXPECT_TRUE(reads(fd, g.is_v2 ? "max 100000\n" : "-1\n"));
	close(fd);
	fd = g.is_v2 ? open_quota(&g) : open(file_of(&g, "cpu.cfs_period_us"), O_RDWR | O_CLOEXEC);
	EXPECT_EQ(-1, write(fd, g.is_v2 ? "5000 999" : "999", g.is_v2 ? 8 : 3));
	EXPECT_EQ(-1, write(fd, g.is_v2 ? "5000 1000001" : "1000001", g.is_v2 ? 12 : 7));
	EXPECT_TRUE(reads(fd, g.is_v2 ? "max 100000\n" : "100000\n"));
	close(fd);
	rmdir(g.path);
}

CLAUSE(the_file_of_a_group_that_is_gone_gives_enodev,
       "Documentation/filesystems/sysfs.rst, fs/kernfs/file.c kernfs_seq_start (7.2): a descriptor of a removed "
       "group's file reads ENODEV, never stale text [CGR-3]",
       QUOTA)
{
	struct group g = { 0 };
	char text[64];
	int fd;

	MAKE_GROUP(&g);
	fd = open_quota(&g);
	EXPECT_LE(0, fd);
	EXPECT_EQ(0, rmdir(g.path));
	EXPECT_EQ(-1, pread(fd, text, sizeof(text), 0));
	EXPECT_EQ(ENODEV, errno);
	close(fd);
}

CLAUSE(a_quota_leaves_the_affinity_as_it_is,
       "sched(7), sched_getaffinity(2): a CPU quota limits time, not places: a thread of the group may run on every "
       "CPU it could before [AFF-5]", QUOTA)
{
	struct group g = { 0 };
	cpu_set_t before, after;
	int fd;

	MAKE_GROUP(&g);
	fd = open_quota(&g);
	EXPECT_LT(0, write(fd, "50000", 5));
	IN_CHILD {
		char pid[16];
		int procs = open(file_of(&g, "cgroup.procs"), O_WRONLY);

		snprintf(pid, sizeof(pid), "%d", getpid());
		memset(&before, 0, sizeof(before));
		memset(&after, 0, sizeof(after));
		ASSERT_OK(raw_syscall(__NR_sched_getaffinity, 0, sizeof(before), &before));
		ASSERT_EQ(strlen(pid), write(procs, pid, strlen(pid)));
		ASSERT_OK(raw_syscall(__NR_sched_getaffinity, 0, sizeof(after), &after));
		EXPECT_EQ(0, memcmp(&before, &after, sizeof(before)));
		EXPECT_TRUE(reads(fd, g.is_v2 ? "50000 100000\n" : "50000\n"));	// and the quota is seen from within
	}
	close(fd);
	EXPECT_TRUE(wait_until(rmdir(g.path) == 0));	// the child may still be on its way out
}

// A number of the group's cpu.stat; -1 if it has no such line.
static long stat_of(const struct group *g, const char *key)
{
	char text[1024], *line;

	if (read_text(file_of(g, "cpu.stat"), text, sizeof(text)) < 0 || !(line = strstr(text, key)))
		return -1;
	return atol(line + strlen(key));
}

CLAUSE(a_group_that_uses_up_its_quota_is_throttled,
       "Documentation/scheduler/sched-bwc.rst, cgroup-v2.rst cpu.max, cpu.stat: a thread that would run all the time "
       "is held "
       "back once the quota of a period is used up, and nr_throttled counts how often [CGR-1]", QUOTA)
{
	struct group g = { 0 };
	pid_t child;
	long throttled = -1;
	int fd, procs;
	char pid[16];

	MAKE_GROUP(&g);
	fd = g.is_v2 ? open_quota(&g) : open(file_of(&g, "cpu.cfs_period_us"), O_RDWR | O_CLOEXEC);
	EXPECT_LT(0, write(fd, g.is_v2 ? "1000 20000" : "20000", g.is_v2 ? 10 : 5));
	close(fd);
	fd = open_quota(&g);
	EXPECT_TRUE(g.is_v2 || write(fd, "1000", 4) == 4);
	EXPECT_EQ(0, stat_of(&g, "nr_throttled "));
	child = fork();
	if (child == 0)
		for (;;)
			;
	procs = open(file_of(&g, "cgroup.procs"), O_WRONLY | O_CLOEXEC);
	snprintf(pid, sizeof(pid), "%d", child);
	EXPECT_EQ(strlen(pid), write(procs, pid, strlen(pid)));
	EXPECT_TRUE(wait_until((throttled = stat_of(&g, "nr_throttled ")) >= 2));
	EXPECT_LE(throttled, stat_of(&g, "nr_periods "));
	EXPECT_TRUE(wait_until(stat_of(&g, g.is_v2 ? "throttled_usec " : "throttled_time ") > 0));
	kill(child, SIGKILL);
	EXPECT_EQ(child, waitpid(child, NULL, 0));
	close(procs);
	close(fd);
	EXPECT_TRUE(wait_until(rmdir(g.path) == 0));
}
