// SPDX-License-Identifier: GPL-2.0-only
// A sparse file of the caller's in the temporary directory, of which no page is in the page cache.
#ifndef OWN_FILE_H
#define OWN_FILE_H

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "guard.h"
#include "nameless.h"

// File systems whose reads and writes go through the kernel's page cache; elsewhere mincore may have nothing to tell.
static inline bool is_cached_by_the_kernel(int fd)
{
	const unsigned int magic[] = {
		0xef53 /* ext4 */, 0x58465342 /* xfs */, 0x9123683e /* btrfs */, 0x01021994 /* tmpfs */,
		0x858458f6 /* ramfs */, 0xf2f52010 /* f2fs */, 0x794c7630 /* overlay */, 0xca451a4e /* bcachefs */,
	};
	struct statx stx;
	struct statfs fs;

	if (fstatfs(fd, &fs) || (!statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &stx) &&
				 (stx.stx_attributes & STATX_ATTR_DAX)))
		return false;
	for (size_t i = 0; i < sizeof(magic) / sizeof(*magic); i++)
		if ((unsigned int)fs.f_type == magic[i])
			return true;
	return false;
}

// Writable, sparse, without a name, in $TMPDIR or /tmp; -1 if there can be none.
static inline int own_file(size_t pages)
{
	int fd = nameless_file();

	return fd < 0 || ftruncate(fd, pages * page_size()) || !is_cached_by_the_kernel(fd) ? -1 : fd;
}

#define FILE_OR_SKIP(fd, pages)									\
	int fd = own_file(pages);								\
	if (fd < 0)										\
		SKIP(return, "no file that goes through the page cache can be made in the temporary directory")

#endif
