// SPDX-License-Identifier: GPL-2.0-only
// Files without a name in the temporary directory: nothing is left behind, however the clause ends.
#ifndef NAMELESS_H
#define NAMELESS_H

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

// An empty file in $TMPDIR or /tmp, for reading and writing; -1 if there can be none.
static inline int nameless_file(void)
{
	const char *folder = getenv("TMPDIR") ?: "/tmp";
	char path[4096];
	int fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	if (fd >= 0)
		return fd;
	snprintf(path, sizeof(path), "%s/osprim-XXXXXX", folder);
	fd = mkostemp(path, O_CLOEXEC);
	if (fd >= 0)
		unlink(path);
	return fd;
}

// The same file opened for reading only; negative where /proc does not reach a file without a name.
static inline int reopened_read_only(int fd)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return open(path, O_RDONLY | O_CLOEXEC);
}

#endif
