// SPDX-License-Identifier: GPL-2.0-only
// The files that a job says it changes: read before it starts, put back after it, however it ended.
#include "executor.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#define CONTENTS_SIZE 4096	// a page: sysfs files are no longer

static struct saved {
	char path[1024];
	char contents[CONTENTS_SIZE + 1];
	long size;		// -1: there was no such file
	mode_t mode;
	bool has_choice;	// a file of the kernel that reads "always [madvise] never" and takes "madvise"
} files[WRITES_MAX];
static int files_count;

int saved_count(void)
{
	return files_count;
}

const char *saved_path(int i)
{
	return files[i].path;
}

// Reads a file of up to CONTENTS_SIZE bytes; returns its size, -1 if there is none, or sets *error.
static long read_file(const char *path, char contents[CONTENTS_SIZE + 1], int *error)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	long size = 0, n = 0;

	*error = 0;
	if (fd < 0) {
		if (errno != ENOENT && errno != ENOTDIR)
			*error = errno;
		return -1;
	}
	while (size <= CONTENTS_SIZE && (n = read(fd, contents + size, CONTENTS_SIZE + 1 - size)) > 0)
		size += n;
	if (n < 0 && errno == EOPNOTSUPP)	// a setting of what this machine lacks
		size = -1;
	else if (n < 0)
		*error = errno;
	else if (size > CONTENTS_SIZE)
		*error = EFBIG;
	close(fd);
	return size;
}

static bool is_of_the_kernel(const char *path)
{
	struct statfs s;

	return !statfs(path, &s) && (s.f_type == SYSFS_MAGIC || s.f_type == PROC_SUPER_MAGIC ||
				     s.f_type == DEBUGFS_MAGIC || s.f_type == TRACEFS_MAGIC);
}

static int save_one(struct saved *file, const char *path, size_t n)
{
	struct stat s;
	int error;

	if (n >= sizeof(file->path))
		return ENAMETOOLONG;
	memcpy(file->path, path, n);
	file->path[n] = 0;
	file->size = read_file(file->path, file->contents, &error);
	if (error || file->size < 0)
		return error;
	if (stat(file->path, &s))
		return errno;
	file->mode = s.st_mode & 07777;
	file->contents[file->size] = 0;
	file->has_choice = is_of_the_kernel(file->path) && strchr(file->contents, '[') &&
			   strchr(strchr(file->contents, '['), ']');
	return 0;
}

int saved_take(const char *writes)
{
	files_count = 0;
	while (*writes) {
		size_t n = strcspn(writes, ",");
		int error = save_one(&files[files_count], writes, n);

		if (error)
			return error;
		files_count++;
		writes += n + (writes[n] == ',');
	}
	return 0;
}

static bool is_unchanged(const struct saved *file)
{
	static char contents[CONTENTS_SIZE + 1];
	int error;
	long size = read_file(file->path, contents, &error);

	return !error && size == file->size && (size < 0 || !memcmp(contents, file->contents, size));
}

// One write(2): the kernel's files take a value whole.
static int write_back(const struct saved *file)
{
	const char *value = file->contents;
	size_t size = file->size;
	ssize_t written;
	int fd, error;

	if (file->size < 0)
		return unlink(file->path) ? errno : 0;
	if (file->has_choice) {
		value = strchr(value, '[') + 1;
		size = strcspn(value, "]");
	}
	fd = open(file->path, O_WRONLY | O_TRUNC | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0 && errno == ENOENT)
		fd = open(file->path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, file->mode);
	if (fd < 0)
		return errno;
	written = write(fd, value, size);
	error = written < 0 ? errno : written < size ? ENOSPC : 0;
	close(fd);
	return error;
}

void saved_put_back(struct board *board)
{
	// Twice, because one file may take its old value only once another has it.
	for (int round = 0; round < 2; round++) {
		board->unrestored = 0;
		for (int i = 0; i < files_count; i++) {
			int error;

			if (is_unchanged(&files[i]))
				continue;
			error = write_back(&files[i]);
			if (!error && !is_unchanged(&files[i]))
				error = EIO;
			if (!error) {
				board->restored |= UINT64_C(1) << i;
			} else {
				board->unrestored |= UINT64_C(1) << i;
				board->restore_error = error;
			}
		}
		if (!board->unrestored)
			return;
	}
}
