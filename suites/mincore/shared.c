// SPDX-License-Identifier: GPL-2.0-only
// mincore(2) on shared memory: what counts is whether the page is in the page cache, not who mapped it.
#include "clause.h"

#include <fcntl.h>
#include <linux/falloc.h>

#include "mincore.h"

// A memfd of so many pages of which those marked with 1 were written with pwrite(2), and nothing mapped.
static int memfd_with(const char *marked)
{
	int fd = memfd_create("osprim-mincore", MFD_CLOEXEC);

	if (fd < 0 || ftruncate(fd, strlen(marked) * page_size()))
		return -1;
	for (size_t i = 0; marked[i]; i++)
		if (marked[i] == '1' && pwrite(fd, marked, 1, i * page_size() + 5) != 1)
			return -1;
	return fd;
}

// Where shmem_enabled makes memfds huge, one written page brings its neighbours; the file itself tells.
static bool memfds_have_small_pages(void)
{
	int fd = memfd_with("0000010000000000");
	off_t at = 5 * page_size();
	bool small = lseek(fd, 0, SEEK_DATA) == at && lseek(fd, at, SEEK_HOLE) == (off_t)(at + page_size());

	close(fd);
	return small;
}

#define MEMFD_OR_SKIP(fd, marked)							\
	int fd = memfd_with(marked);							\
	ASSERT_GE(fd, 0);								\
	if (!memfds_have_small_pages())							\
		SKIP(return, "shmem_enabled makes the pages of a memfd huge")

CLAUSE(untouched_shared_memory_is_not_resident,
       "mincore(2) DESCRIPTION: a page that is in nobody's memory is not resident; shared anonymous memory begins so"
       " [MINC-6]")
{
	char *p = small_pages_of(8, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	ASSERT_NE(NULL, p);
	EXPECT_RESIDENT("00000000", p);
}

CLAUSE(touched_shared_memory_is_resident,
       "mincore(2) DESCRIPTION: the least significant bit of each byte is set if the page is resident [MINC-6]")
{
	char *p = small_pages_of(8, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	ASSERT_NE(NULL, p);
	touch_pages(p, "10010");
	read_pages(p, "000001");
	EXPECT_RESIDENT("10010100", p);
}

CLAUSE(a_page_that_another_process_touched_is_resident,
       "mm/mincore.c mincore_page (7.2): a page that is in the page cache is resident, also where this process never"
       " touched it [MINC-6]")
{
	char *p = small_pages_of(6, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	ASSERT_NE(NULL, p);
	IN_CHILD
		touch_pages(p, "010011");
	EXPECT_RESIDENT("010011", p);
}

CLAUSE(shared_pages_given_back_stay_resident,
       "madvise(2) MADV_DONTNEED: of shared memory only the mapping is dropped, its contents stay in the page cache"
       " [MINC-6]")
{
	char *p = small_pages_of(4, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	ASSERT_NE(NULL, p);
	touch_pages(p, "1101");
	ASSERT_OK(raw_syscall(__NR_madvise, p, 4 * page_size(), MADV_DONTNEED));
	EXPECT_RESIDENT("1101", p);
	EXPECT_EQ(2, p[page_size()]);
}

CLAUSE(shared_pages_removed_are_not_resident,
       "madvise(2) MADV_REMOVE: frees the pages and the storage behind them [MINC-6]")
{
	char *p = small_pages_of(6, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	ASSERT_NE(NULL, p);
	touch_pages(p, "111111");
	ASSERT_OK(raw_syscall(__NR_madvise, p + 2 * page_size(), 3 * page_size(), MADV_REMOVE));
	EXPECT_RESIDENT("110001", p);
}

CLAUSE(pages_in_the_cache_are_resident_in_a_fresh_mapping_of_any_kind,
       "mm/mincore.c __mincore_unmapped_range (7.2): a page of a file that is in the page cache is resident, though"
       " nobody has mapped it yet, in shared and private mappings and under every protection [MINC-6]")
{
	const int flags[] = { MAP_SHARED, MAP_PRIVATE };
	const int protections[] = { PROT_NONE, PROT_READ, PROT_WRITE, PROT_READ | PROT_WRITE };

	MEMFD_OR_SKIP(fd, "0110100111");
	for (int i = 0; i < 8; i++) {
		char *p = small_pages_of(10, protections[i / 2], flags[i % 2], fd, 0);

		ASSERT_NE(NULL, p);
		EXPECT_RESIDENT("0110100111", p);
		munmap(p, 10 * page_size());
	}
}

CLAUSE(pages_of_a_file_never_written_are_not_resident,
       "mm/mincore.c mincore_page (7.2): a page that is not in the page cache is not resident [MINC-6]")
{
	MEMFD_OR_SKIP(fd, "00000000");
	EXPECT_RESIDENT("00000000", small_pages_of(8, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
	EXPECT_RESIDENT("00000000", small_pages_of(8, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0));
}

CLAUSE(the_offset_of_a_mapping_counts,
       "mm/mincore.c __mincore_unmapped_range (7.2): entries are about the file's pages that are mapped there [MINC-2]")
{
	const char written[] = "1001011000";

	MEMFD_OR_SKIP(fd, written);
	for (int flags = MAP_SHARED; flags <= MAP_PRIVATE; flags++)
		for (int offset = 0; offset < 10; offset++) {
			char *p = small_pages_of(10 - offset, PROT_READ, flags, fd, offset * page_size());

			ASSERT_NE(NULL, p);
			EXPECT_RESIDENT(written + offset, p);
			if (offset < 8)
				EXPECT_RESIDENT(written + offset + 2, p + 2 * page_size());
			munmap(p, (10 - offset) * page_size());
		}
}

CLAUSE(a_write_to_one_mapping_shows_in_every_other,
       "mm/mincore.c mincore_page (7.2): the page cache is one, however often the file is mapped [MINC-6]")
{
	char *one, *other;

	MEMFD_OR_SKIP(fd, "000000");
	one = small_pages_of(6, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	other = small_pages_of(4, PROT_READ, MAP_PRIVATE, fd, 2 * page_size());
	ASSERT_NE(NULL, one);
	ASSERT_NE(NULL, other);
	touch_pages(one, "001001");
	EXPECT_RESIDENT("001001", one);
	EXPECT_RESIDENT("1001", other);
}

CLAUSE(a_write_by_system_call_shows_in_a_mapping_made_before,
       "mm/mincore.c mincore_page (7.2): pages enter the page cache by write(2) as by a fault [MINC-6]")
{
	char *p;

	MEMFD_OR_SKIP(fd, "0000");
	p = small_pages_of(4, PROT_READ, MAP_PRIVATE, fd, 0);
	ASSERT_NE(NULL, p);
	EXPECT_RESIDENT("0000", p);
	ASSERT_EQ(1, pwrite(fd, "x", 1, 2 * page_size()));
	EXPECT_RESIDENT("0010", p);
}

CLAUSE(private_copies_are_resident,
       "mm/mincore.c mincore_pte_range (7.2): a page of the process's own is resident, and when it is given back the"
       " page cache behind it counts again [MINC-6]")
{
	char *p;

	MEMFD_OR_SKIP(fd, "1110");
	p = small_pages_of(4, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	ASSERT_NE(NULL, p);
	touch_pages(p, "0110");
	EXPECT_RESIDENT("1110", p);
	ASSERT_EQ(0, ftruncate(fd, 2 * page_size()));
	ASSERT_EQ(0, ftruncate(fd, 4 * page_size()));
	EXPECT_RESIDENT("1100", p);
	ASSERT_OK(raw_syscall(__NR_madvise, p, 4 * page_size(), MADV_DONTNEED));
	EXPECT_RESIDENT("1100", p);
	EXPECT_NE(2, p[page_size()]);
}

CLAUSE(pages_cut_off_a_file_are_not_resident,
       "truncate(2) DESCRIPTION: the extra data is lost; what the file grows again reads as zero bytes and is in no"
       " cache [MINC-6]")
{
	char *p;

	MEMFD_OR_SKIP(fd, "11111111");
	p = small_pages_of(8, PROT_READ, MAP_SHARED, fd, 0);
	ASSERT_NE(NULL, p);
	EXPECT_RESIDENT("11111111", p);
	ASSERT_EQ(0, ftruncate(fd, 3 * page_size()));
	ASSERT_EQ(0, ftruncate(fd, 8 * page_size()));
	EXPECT_RESIDENT("11100000", p);
}

CLAUSE(pages_beyond_the_end_of_a_file_are_mapped_and_not_resident,
       "mincore(2) ERRORS ENOMEM: unmapped memory is an error; pages beyond the end of the file (SIGBUS when touched)"
       " are mapped [MINC-2]")
{
	const int flags[] = { MAP_SHARED, MAP_PRIVATE };
	char *p;

	MEMFD_OR_SKIP(fd, "111111");
	ASSERT_EQ(0, ftruncate(fd, 2 * page_size()));
	for (int i = 0; i < 2; i++) {
		p = small_pages_of(6, PROT_READ, flags[i], fd, 0);
		ASSERT_NE(NULL, p);
		EXPECT_RESIDENT("110000", p);
	}
}

CLAUSE(punched_holes_are_not_resident,
       "fallocate(2) FALLOC_FL_PUNCH_HOLE: whole pages in the range are removed from the file, and from its cache"
       " [MINC-6]")
{
	char *p;

	MEMFD_OR_SKIP(fd, "11111111");
	p = small_pages_of(8, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ASSERT_NE(NULL, p);
	touch_pages(p, "11111111");
	ASSERT_EQ(0, fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 3 * page_size(), 2 * page_size()));
	EXPECT_RESIDENT("11100111", p);
	touch_pages(p, "00001");
	EXPECT_RESIDENT("11101111", p);
}

CLAUSE(populated_shared_memory_is_resident,
       "mmap(2) MAP_POPULATE: populate (prefault) page tables for a mapping")
{
	const int flags = MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE;

	EXPECT_RESIDENT("111111", small_pages_of(6, PROT_READ | PROT_WRITE, flags, -1, 0));
	EXPECT_RESIDENT("111111", small_pages_of(6, PROT_READ, flags, -1, 0));
}
