// SPDX-License-Identifier: GPL-2.0-only
// A control group of a clause's own, in whichever hierarchy has the controller that it is about.
#ifndef GROUP_H
#define GROUP_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sync.h"

struct group {
	char path[512];		// "" if there is none to be had here
	bool is_v2;
};

static inline bool has_word(char *text, const char *separators, const char *wanted)
{
	for (char *word; (word = strsep(&text, separators));)
		if (!strcmp(word, wanted))
			return true;
	return false;
}

// The mount point of the hierarchy that has the controller, as mountinfo tells it.
static inline bool find_hierarchy(struct group *g, const char *controller)
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
			if (has_word(controllers, " \n", controller))
				return true;
		} else if (!g->is_v2 && options && has_word(options, " ,", controller)) {
			return true;
		}
	}
	return false;
}

// A new group below the hierarchy's root; false where this machine lets nobody make one.
static inline bool make_group(struct group *g, const char *controller)
{
	size_t length;

	if (!find_hierarchy(g, controller))
		return false;
	length = strlen(g->path);
	snprintf(g->path + length, sizeof(g->path) - length, "/osprim.%d", getpid());
	rmdir(g->path);		// of a clause of this pid that was killed
	return mkdir(g->path, 0700) == 0;
}

static inline const char *file_of(const struct group *g, const char *name)
{
	static char path[600];

	snprintf(path, sizeof(path), "%s/%s", g->path, name);
	return path;
}

static inline bool reads(int fd, const char *wanted)
{
	char text[128];
	long n = pread(fd, text, sizeof(text) - 1, 0);

	text[n > 0 ? n : 0] = 0;
	if (strcmp(text, wanted))
		fprintf(stdout, "# it reads: %s, want %s\n", text, wanted);
	return !strcmp(text, wanted);
}

#endif
