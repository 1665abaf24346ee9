// SPDX-License-Identifier: GPL-2.0-only
// Lines of /proc/self/task/<tid>/status, for what a thread has and no system call of another thread can ask.
#ifndef STATUS_H
#define STATUS_H

#include <stdio.h>
#include <string.h>

#include "sync.h"

#define STATUS_TEXT 4096

// The value of a line "Key:\tvalue" of thread tid (0: the caller's) into value[STATUS_TEXT]; false if it has none.
static inline bool status_line(int tid, const char *key, char *value)
{
	char path[64], text[STATUS_TEXT];
	size_t length = strlen(key);

	if (tid)
		snprintf(path, sizeof(path), "/proc/self/task/%d/status", tid);
	else
		snprintf(path, sizeof(path), "/proc/thread-self/status");
	if (read_text(path, text, sizeof(text)) <= 0)
		return false;
	for (char *line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, key, length) || line[length] != ':')
			continue;
		line += length + 1;
		line += strspn(line, " \t");
		snprintf(value, STATUS_TEXT, "%.*s", (int)strcspn(line, "\n"), line);
		return true;
	}
	return false;
}

// The first number of that line, or -1.
static inline long status_number(int tid, const char *key)
{
	char value[STATUS_TEXT];
	long number = -1;

	if (status_line(tid, key, value))
		sscanf(value, "%ld", &number);
	return number;
}

#endif
