// SPDX-License-Identifier: GPL-2.0-only
// Files in memory with known bytes, and where their positions stand.
#ifndef IO_H
#define IO_H

#include "clause.h"

#include <fcntl.h>
#include <sys/mman.h>

// Byte `at` of a file made here: no two windows of the file are alike.
static inline unsigned char byte_at(unsigned int at)
{
	return at * 7 + at / 251;
}

// A file of so many bytes in memory, position 0; negative errno if there is none to be had.
static inline int file_of(unsigned int bytes)
{
	unsigned char data[4096];
	int fd = memfd_create("osprim", MFD_CLOEXEC);

	if (fd < 0)
		return -errno;
	for (unsigned int at = 0; at < bytes; at += sizeof(data)) {
		unsigned int n = bytes - at < sizeof(data) ? bytes - at : sizeof(data);

		for (unsigned int i = 0; i < n; i++)
			data[i] = byte_at(at + i);
		if (pwrite(fd, data, n, at) != n)
			return -EIO;
	}
	return fd;
}

// True if `count` bytes of a file from `at` on are those that stand at `from` in a file of file_of().
static inline bool holds(int fd, long long at, unsigned int count, unsigned int from)
{
	unsigned char byte;

	for (unsigned int i = 0; i < count; i++)
		if (pread(fd, &byte, 1, at + i) != 1 || byte != byte_at(from + i))
			return false;
	return true;
}

static inline long long position(int fd)
{
	return lseek(fd, 0, SEEK_CUR);
}

static inline long long size_of(int fd)
{
	return lseek(fd, 0, SEEK_END);
}

#endif
