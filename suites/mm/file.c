// SPDX-License-Identifier: GPL-2.0-only
// Memory of files: who sees what is written, the end of the file, msync(2).
#include "clause.h"

#include <fcntl.h>

#include "maps.h"
#include "mm.h"

#define msync_raw(address, size, flags) raw_syscall(__NR_msync, address, size, flags)

static char *map_file(int fd, size_t n, int flags)
{
	return (char *)mmap_raw(NULL, n * page_size(), RW, flags, fd, 0);
}

static char byte_at(int fd, off_t offset)
{
	char byte = 0;

	return pread(fd, &byte, 1, offset) == 1 ? byte : 0;
}

CLAUSE(aliases_of_one_file_are_one_memory,
       "mmap(2) MAP_SHARED: updates to the mapping are visible to all that map the same region, at whatever address"
       " [JVM-4]", .needed_by = "jvm:ZGC dotnet:ExecutableAllocator")
{
	int fd = file_of_pages(4, 'f');
	char *view[3] = { map_file(fd, 4, MAP_SHARED), map_file(fd, 4, MAP_SHARED), map_file(fd, 4, MAP_SHARED) };

	for (int i = 0; i < 3; i++) {
		mark_pages(view[i], 4, 10 * i);
		for (int j = 0; j < 3; j++)
			EXPECT_TRUE(are_marked(view[j], 4, 10 * i));
	}
}

CLAUSE(a_mapping_at_an_offset_shows_that_part,
       "mmap(2) offset: the contents are initialized starting at offset in the file")
{
	int fd = file_of_pages(8, 'f');

	for (int i = 0; i < 8; i++) {
		char *p = (char *)mmap_raw(NULL, page_size(), RW, MAP_SHARED, fd, i * page_size());

		ASSERT_OK((long)p);
		EXPECT_TRUE(are_marked(p, 1, 'f' + i));
		p[1] = i;
		EXPECT_EQ(i, byte_at(fd, i * page_size() + 1));
	}
}

CLAUSE(reads_and_writes_of_the_file_are_those_of_the_mapping,
       "mmap(2) MAP_SHARED: updates are carried through to the file, and what is written to the file is in the"
       " mapping at once")
{
	int fd = file_of_pages(2, 'f');
	char *p = map_file(fd, 2, MAP_SHARED);

	p[5] = 'm';
	EXPECT_EQ('m', byte_at(fd, 5));
	ASSERT_EQ(3, pwrite(fd, "xyz", 3, page_size() - 1));
	EXPECT_EQ('x', p[page_size() - 1]);
	EXPECT_EQ('y', p[page_size()]);
}

CLAUSE(private_writes_stay_private,
       "mmap(2) MAP_PRIVATE: updates are not visible to other processes mapping the same file, and not carried"
       " through to it")
{
	int fd = file_of_pages(3, 'f');
	char *p = map_file(fd, 3, MAP_PRIVATE), *other = map_file(fd, 3, MAP_PRIVATE);
	char *shared = map_file(fd, 3, MAP_SHARED);

	p[page_size()] = 'p';
	EXPECT_EQ('g', other[page_size()]);
	EXPECT_EQ('g', shared[page_size()]);
	EXPECT_EQ('g', byte_at(fd, page_size()));
	shared[page_size()] = 's';
	EXPECT_EQ('p', p[page_size()]);
	EXPECT_EQ('g', p[2 * page_size() - 1]);
}

CLAUSE(behind_the_end_of_the_file_is_sigbus,
       "mmap(2) SIGBUS: attempted access to a page that lies beyond the end of the mapped file; sigaction(2)"
       " BUS_ADRERR",
       .needed_by = "jvm:Unsafe_CopyMemory go:sigpanic")
{
	int fd = file_of_pages(1, 'f');
	char *shared = map_file(fd, 3, MAP_SHARED), *private = map_file(fd, 3, MAP_PRIVATE);

	EXPECT_EQ(NO_FAULT, touch(shared + page_size() - 1, READ));
	EXPECT_EQ(NO_FILE, touch(shared + page_size(), READ));
	EXPECT_EQ(NO_FILE, touch(shared + 2 * page_size(), WRITE));
	EXPECT_EQ(NO_FILE, touch(private + page_size() + 7, READ));
	EXPECT_EQ(NO_FILE, touch(private + page_size() + 7, WRITE));
	EXPECT_ERR(EFAULT, try_read(shared + page_size()));
}

CLAUSE(the_last_page_of_a_file_is_filled_with_zeros,
       "mmap(2) NOTES: for a file whose size is no multiple of the page size the remaining bytes are zeroed when"
       " mapped, and modifications to them are not written out")
{
	int fd = memfd_create("osprim-mm", MFD_CLOEXEC);
	char *p;

	ASSERT_EQ(5, pwrite(fd, "short", 5, 0));
	p = map_file(fd, 1, MAP_SHARED);
	ASSERT_OK((long)p);
	EXPECT_EQ('t', p[4]);
	for (size_t i = 5; i < page_size(); i++)
		EXPECT_EQ(0, p[i]);
	p[5] = 'x';
	EXPECT_EQ(5, lseek(fd, 0, SEEK_END));
	EXPECT_EQ(0, byte_at(fd, 5));
}

CLAUSE(a_file_that_grows_fills_its_mapping,
       "mmap(2) NOTES; mm/filemap.c, mm/shmem.c (7.2): what was beyond the end can be accessed once the file reaches"
       " there")
{
	int fd = file_of_pages(1, 'f');
	char *p = map_file(fd, 3, MAP_SHARED);

	EXPECT_EQ(NO_FILE, touch(p + page_size(), READ));
	ASSERT_EQ(0, ftruncate(fd, 3 * page_size()));
	EXPECT_TRUE(are_zero(p + page_size(), 2));
	p[2 * page_size()] = 'n';
	EXPECT_EQ('n', byte_at(fd, 2 * page_size()));
}

CLAUSE(a_file_that_shrinks_takes_its_pages_away,
       "mmap(2) NOTES, ftruncate(2): pages beyond the new end are SIGBUS, private copies among them, and zero when the"
       " file grows again")
{
	int fd = file_of_pages(3, 'f');
	char *shared = map_file(fd, 3, MAP_SHARED), *private = map_file(fd, 3, MAP_PRIVATE);

	shared[2 * page_size()] = 's';
	private[2 * page_size()] = 'p';
	ASSERT_EQ(0, ftruncate(fd, page_size()));
	EXPECT_EQ(NO_FILE, touch(shared + 2 * page_size(), READ));
	EXPECT_EQ(NO_FILE, touch(private + 2 * page_size(), READ));
	EXPECT_EQ('f', *shared);
	ASSERT_EQ(0, ftruncate(fd, 3 * page_size()));
	EXPECT_TRUE(are_zero(shared + page_size(), 2));
	EXPECT_TRUE(are_zero(private + page_size(), 2));
}

CLAUSE(another_process_sees_what_is_written,
       "mmap(2) MAP_SHARED: updates are visible to other processes mapping the same region")
{
	int fd = file_of_pages(2, 'f');
	char *p = map_file(fd, 2, MAP_SHARED);

	IN_CHILD {
		char *own = map_file(fd, 2, MAP_SHARED);

		EXPECT_TRUE(are_marked(own, 2, 'f'));
		own[1] = 'c';
		p[page_size() + 1] = 'd';
		EXPECT_EQ('d', own[page_size() + 1]);
	}
	EXPECT_EQ('c', p[1]);
	EXPECT_EQ('d', p[page_size() + 1]);
}

CLAUSE(msync_takes_one_way_of_writing_and_whole_pages,
       "msync(2) ERRORS EINVAL: addr is not a multiple of the page size, unknown flags, both MS_SYNC and MS_ASYNC")
{
	char *p = map_file(file_of_pages(2, 'f'), 2, MAP_SHARED);

	EXPECT_RET(0, msync_raw(p, 2 * page_size(), MS_SYNC));
	EXPECT_RET(0, msync_raw(p, 2 * page_size(), MS_ASYNC));
	EXPECT_RET(0, msync_raw(p, 1, MS_SYNC | MS_INVALIDATE));
	EXPECT_RET(0, msync_raw(p, 0, MS_SYNC));
	EXPECT_RET(0, msync_raw(pages(1), page_size(), MS_SYNC));
	EXPECT_ERR(EINVAL, msync_raw(p + 1, page_size(), MS_SYNC));
	EXPECT_ERR(EINVAL, msync_raw(p, page_size(), MS_SYNC | MS_ASYNC));
	EXPECT_ERR(EINVAL, msync_raw(p, page_size(), 0x100 | MS_SYNC));
	EXPECT_TRUE(are_marked(p, 2, 'f'));
}

CLAUSE(msync_of_what_is_not_mapped_is_enomem,
       "msync(2) ERRORS ENOMEM: the indicated memory, or part of it, was not mapped")
{
	char *p = island(2, 1);

	EXPECT_RET(0, msync_raw(p, 2 * page_size(), MS_SYNC));
	EXPECT_ERR(ENOMEM, msync_raw(p + 2 * page_size(), page_size(), MS_SYNC));
	EXPECT_ERR(ENOMEM, msync_raw(p, 3 * page_size(), MS_SYNC));
	EXPECT_ERR(ENOMEM, msync_raw(p - page_size(), 2 * page_size(), MS_ASYNC));
}

CLAUSE(msync_cannot_invalidate_what_is_locked,
       "msync(2) ERRORS EBUSY: MS_INVALIDATE was specified, and a memory lock exists for the range",
       .needs = "cap=ipc_lock")
{
	char *p = map_file(file_of_pages(1, 'f'), 1, MAP_SHARED);

	ASSERT_OK(raw_syscall(__NR_mlock, p, page_size()));
	EXPECT_ERR(EBUSY, msync_raw(p, page_size(), MS_SYNC | MS_INVALIDATE));
	EXPECT_RET(0, msync_raw(p, page_size(), MS_SYNC));
	ASSERT_OK(raw_syscall(__NR_munlock, p, page_size()));
	EXPECT_RET(0, msync_raw(p, page_size(), MS_SYNC | MS_INVALIDATE));
}

CLAUSE(dev_zero_is_anonymous_memory,
       "mem(4), zero(4); drivers/char/mem.c mmap_zero (5.10, 7.2): mapped, it is memory that begins as zeros, and"
       " nothing of what is written reaches the device", .needs = "file=/dev/zero", .needed_by = "jvm:mmap_fallback")
{
	const int flags[] = { MAP_PRIVATE, MAP_SHARED };

	for (int i = 0; i < 2; i++) {
		int fd = open("/dev/zero", O_RDWR | O_CLOEXEC);
		char *p = map_file(fd, 3, flags[i]);

		ASSERT_OK((long)p);
		EXPECT_TRUE(are_zero(p, 3));
		mark_pages(p, 3, 'a');
		EXPECT_TRUE(are_marked(p, 3, 'a'));
		EXPECT_TRUE(are_zero(map_file(fd, 3, flags[i]), 3));
		close(fd);
	}
}
