// SPDX-License-Identifier: GPL-2.0-only
// /proc/self/cgroup and /proc/self/mountinfo: the lines in which a runtime finds its control group's files.
#include "clause.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sync.h"

#define USERS "go:cgroup_gomaxprocs jvm:container dotnet:GetCpuCount"

// A whole file of /proc, to be freed by nobody; NULL if it cannot be read.
static char *whole(const char *path)
{
	enum { SIZE = 1 << 20 };
	char *text = malloc(SIZE);

	return text && read_text(path, text, SIZE) >= 0 ? text : NULL;
}

// A new folder of this clause's own.
static bool make_folder(char path[128])
{
	snprintf(path, 128, "%s/osprim-XXXXXX", getenv("TMPDIR") ?: "/tmp");
	return mkdtemp(path);
}

CLAUSE(each_line_of_cgroup_has_three_fields,
       "cgroups(7) /proc/[pid]/cgroup: each line is hierarchy-id:controllers:/path; that of cgroup v2 is 0::/path "
       "[CGR-4]"
       " [JVM-5]",
       .config = "CGROUPS", .needed_by = USERS)
{
	char *text = whole("/proc/self/cgroup"), *line;

	ASSERT_NE(NULL, text);
	while ((line = strsep(&text, "\n")) && *line) {
		char *id = strsep(&line, ":"), *controllers = strsep(&line, ":"), *end;
		long number = strtol(id, &end, 10);

		EXPECT_TRUE(end > id && !*end && number >= 0);
		ASSERT_TRUE(controllers && line);
		EXPECT_EQ('/', line[0]);
		EXPECT_EQ(number == 0, !*controllers);
	}
}

CLAUSE(each_mount_has_its_fields_around_a_lone_dash,
       "proc(5) /proc/[pid]/mountinfo: id, parent, major:minor, root, mount point, options, any number of tags, a lone "
       "-, type, source, options [CGR-4]",
       .needed_by = USERS)
{
	char *text = whole("/proc/self/mountinfo"), *line;
	int mounts = 0;

	ASSERT_NE(NULL, text);
	for (; (line = strsep(&text, "\n")) && *line; mounts++) {
		char *words[64], *word;
		int n = 0, dash = -1, major, minor, used = 0;

		while ((word = strsep(&line, " ")) && n < 64) {
			if (dash < 0 && n >= 6 && !strcmp(word, "-"))
				dash = n;
			words[n++] = word;
		}
		ASSERT_TRUE(dash >= 6);
		EXPECT_EQ(dash + 4, n);
		EXPECT_TRUE(strtol(words[0], &word, 10) > 0 && !*word);
		EXPECT_TRUE(strtol(words[1], &word, 10) >= 0 && !*word);
		EXPECT_TRUE(sscanf(words[2], "%d:%d%n", &major, &minor, &used) == 2 && !words[2][used]);
		EXPECT_EQ('/', words[4][0]);
		for (int i = 6; i < dash; i++)
			EXPECT_TRUE(strchr(words[i], ':') || !strcmp(words[i], "unbindable"));
	}
	EXPECT_LT(0, mounts);
}

CLAUSE(blanks_and_backslashes_of_a_mount_point_are_escaped,
       "proc(5) /proc/[pid]/mountinfo: blank, tab, line feed and backslash are written \\040, \\011, \\012 and \\134, "
       "nothing else of a path is changed [CGR-4]",
       .needs = "root cap=sys_admin", .needed_by = USERS)
{
	static const char seen[] = "/a\\040b\\011c\\012d\\134e#f:g,h";
	char base[128], folder[256], *text, wanted[256];

	ASSERT_TRUE(make_folder(base));
	snprintf(folder, sizeof(folder), "%s/a b\tc\nd\\e#f:g,h", base);
	snprintf(wanted, sizeof(wanted), " %s%s ", base, seen);
	ASSERT_EQ(0, mkdir(folder, 0700));
	IN_CHILD {
		ASSERT_EQ(0, unshare(CLONE_NEWNS));
		ASSERT_EQ(0, mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
		ASSERT_EQ(0, mount("none", folder, "tmpfs", 0, NULL));
		text = whole("/proc/self/mountinfo");
		EXPECT_TRUE(text && strstr(text, wanted));
	}
	rmdir(folder);
	rmdir(base);
}

CLAUSE(the_root_of_a_bind_mount_is_where_it_comes_from,
       "proc(5) /proc/[pid]/mountinfo: the fourth field is the path within the file system that the mount point shows "
       "[CGR-4]",
       .needs = "root cap=sys_admin", .needed_by = USERS)
{
	char base[128], from[256], to[256], wanted[512], *text;

	ASSERT_TRUE(make_folder(base));
	IN_CHILD {
		ASSERT_EQ(0, unshare(CLONE_NEWNS));
		ASSERT_EQ(0, mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
		ASSERT_EQ(0, mount("none", base, "tmpfs", 0, NULL));
		snprintf(from, sizeof(from), "%s/from", base);
		snprintf(to, sizeof(to), "%s/to", base);
		ASSERT_EQ(0, mkdir(from, 0700) || mkdir(to, 0700));
		ASSERT_EQ(0, mount(from, to, NULL, MS_BIND, NULL));
		text = whole("/proc/self/mountinfo");
		snprintf(wanted, sizeof(wanted), " /from %s ", to);
		EXPECT_TRUE(text && strstr(text, wanted));
	}
	rmdir(base);
}
