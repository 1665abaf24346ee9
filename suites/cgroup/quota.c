// SPDX-License-Identifier: GPL-2.0-only
// cgroup v1 and v2, CPU controller: the quota's files as a runtime reads them again and again.
#include "clause.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sync.h"

#define USERS "go:cgroup_gomaxprocs jvm:container dotnet:GetCpuCount"
#define QUOTA .needs = "root", .config = "CFS_BANDWIDTH", .needed_by = USERS

// The quota as Go reads it: one file of two words, or a file for each.
struct group {
	char path[512];		// "" if there is none to be had here
	bool is_v2;
};

// The mount point of the hierarchy that has the CPU controller, as mountinfo tells it.
static bool find_hierarchy(struct group *g)
{
	enum { SIZE = 1 << 20 };
	char *text = malloc(SIZE), *line, controllers[4096], path[600];

	if (!text || read_text("/proc/self/mountinfo", text, SIZE) < 0)
		return false;
	while ((line = strsep(&text, "\n")) && *line) {
		char *kind = strstr(line, " - cgroup"), *options, point[400];

		if (!kind || sscanf(line, "%*s %*s %*s %*s %399s", point) != 1)
			continue;
		options = strrchr(line, ' ');
		g->is_v2 = !strncmp(kind, " - cgroup2 ", 11);
		snprintf(g->path, sizeof(g->path), "%s", point);
		snprintf(path, sizeof(path), "%s/cgroup.subtree_control", point);
		if (g->is_v2 && read_text(path, controllers, sizeof(controllers)) >= 0) {
			for (char *rest = controllers, *word; (word = strsep(&rest, " \n"));)
				if (!strcmp(word, "cpu"))
					return true;
		} else if (!g->is_v2 && options) {
			for (char *rest = options, *word; (word = strsep(&rest, " ,"));)
				if (!strcmp(word, "cpu"))
					return true;
		}
	}
	return false;
}

// A new group below the hierarchy's root; false where this machine lets nobody make one.
static bool make_group(struct group *g)
{
	size_t length;

	if (!find_hierarchy(g))
		return false;
	length = strlen(g->path);
	snprintf(g->path + length, sizeof(g->path) - length, "/osprim.%d", getpid());
	rmdir(g->path);		// of a clause of this pid that was killed
	return mkdir(g->path, 0700) == 0;
}

static const char *file_of(const struct group *g, const char *name)
{
	static char path[600];

	snprintf(path, sizeof(path), "%s/%s", g->path, name);
	return path;
}

// The file that holds the quota, open for reading and writing.
static int open_quota(const struct group *g)
{
	return open(file_of(g, g->is_v2 ? "cpu.max" : "cpu.cfs_quota_us"), O_RDWR | O_CLOEXEC);
}

static bool reads(int fd, const char *wanted)
{
	char text[128];
	long n = pread(fd, text, sizeof(text) - 1, 0);

	text[n > 0 ? n : 0] = 0;
	if (strcmp(text, wanted))
		fprintf(stdout, "# it reads: %s, want %s\n", text, wanted);
	return !strcmp(text, wanted);
}

#define MAKE_GROUP(g) do {										\
	if (!make_group(g))										\
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
       "descriptor that is kept open [CGR-1] [CGR-3]"
       " [NET-5]",
       QUOTA)
{
	static const struct { const char *v2, *v1, *reads_v2, *reads_v1; } values[] = {
		{ "150000 100000", "150000", "150000 100000\n", "150000\n" }, { "20000", "20000", "20000 100000\n", "20000\n" },
		{ "max", "-1", "max 100000\n", "-1\n" }, { "1000 100000", "1000", "1000 100000\n", "1000\n" },
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
