// SPDX-License-Identifier: GPL-2.0-only
// The private directory of a job: made before the program starts, removed after its last process has died.
#include "executor.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define DEPTH_MAX 64		// of directories that are removed
#define ENTRIES_MAX 100000	// that are removed; a job that leaves more has left them on purpose
#define OPEN_DIRECTORY (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

static char base[PATH_SIZE / 2];
static int entries_left;

void scratch_find_base(void)
{
	const char *places[] = { getenv("TMPDIR"), "/tmp", "/dev/shm" };

	for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
		const char *p = places[i];

		if (p && *p == '/' && strlen(p) < sizeof(base) && !access(p, W_OK | X_OK)) {
			strcpy(base, p);
			return;
		}
	}
}

const char *scratch_base(void)
{
	return base;
}

void scratch_path(char path[PATH_SIZE], pid_t nanny)
{
	if (*base)
		text_format(path, PATH_SIZE, "%s/osprim-%s-%d", base, plan.nonce, nanny);
	else
		strcpy(path, "/");
}

int scratch_make(pid_t nanny, uid_t owner)
{
	char path[PATH_SIZE];

	if (!*base)
		return 0;
	scratch_path(path, nanny);
	if (mkdir(path, 0700))
		return errno;
	return geteuid() == 0 && owner && chown(path, owner, owner) ? errno : 0;
}

static int empty_directory(int fd, int depth);

static int remove_entry(int parent, const char *name, int depth)
{
	int fd, error;

	if (entries_left-- <= 0)
		return E2BIG;
	if (!unlinkat(parent, name, 0))
		return 0;
	if (errno != EISDIR && errno != EPERM)
		return errno;
	if (!unlinkat(parent, name, AT_REMOVEDIR))
		return 0;
	if (errno != ENOTEMPTY && errno != EEXIST)
		return errno;	// EBUSY: a program may have mounted the whole world there; nothing below is touched
	if (depth == DEPTH_MAX)
		return ELOOP;
	fd = openat(parent, name, OPEN_DIRECTORY);
	if (fd < 0 && errno == EACCES && !fchmodat(parent, name, 0700, 0))
		fd = openat(parent, name, OPEN_DIRECTORY);
	if (fd < 0)
		return errno;
	error = empty_directory(fd, depth + 1);
	close(fd);
	if (error)
		return error;
	return unlinkat(parent, name, AT_REMOVEDIR) ? errno : 0;
}

// Removes what a directory holds; goes over it again as long as that made a difference.
static int empty_directory(int fd, int depth)
{
	char entries[2048] __attribute__((aligned(8)));
	int error, removed;
	long n;

	do {
		error = removed = 0;
		lseek(fd, 0, SEEK_SET);
		while ((n = syscall(SYS_getdents64, fd, entries, sizeof(entries))) > 0) {
			for (long at = 0; at < n; at += ((struct listed *)(entries + at))->size) {
				const char *name = ((struct listed *)(entries + at))->name;
				int why;

				if (!strcmp(name, ".") || !strcmp(name, ".."))
					continue;
				why = remove_entry(fd, name, depth);
				removed += !why;
				error = why ?: error;
			}
		}
	} while (removed && !error);
	return error;
}

int scratch_remove(pid_t nanny)
{
	char path[PATH_SIZE];
	int fd, error;

	if (!*base)
		return 0;
	scratch_path(path, nanny);
	if (!rmdir(path) || errno == ENOENT)
		return 0;
	if (errno != ENOTEMPTY && errno != EEXIST)
		return errno;
	entries_left = ENTRIES_MAX;
	fd = open(path, OPEN_DIRECTORY);
	if (fd < 0 && errno == EACCES && !chmod(path, 0700))
		fd = open(path, OPEN_DIRECTORY);
	if (fd < 0)
		return errno;
	error = empty_directory(fd, 0);
	close(fd);
	if (!error && rmdir(path))
		error = errno;
	return error;
}
