// SPDX-License-Identifier: GPL-2.0-only
// copy_file_range(2): how much it says it copied is what it copied, and what it cannot copy it refuses.
#include "io.h"

#define USERS "go:copy_file rust:io_copy"
#define SIZE 10000

#define copy(in, in_at, out, out_at, count, flags) \
	raw_syscall(__NR_copy_file_range, in, in_at, out, out_at, (unsigned long)(count), flags)

CLAUSE(the_count_returned_was_copied_byte_for_byte,
       "copy_file_range(2) RETURN VALUE: the number of bytes copied: as many bytes of the target, from its position "
       "on, are the source's, and none beyond [CFR-2]",
       .needed_by = USERS)
{
	static const unsigned int counts[] = { 1, 511, 4096, 4097, SIZE };

	for (unsigned int i = 0; i < ARRAY_SIZE(counts); i++) {
		int in = file_of(SIZE), out = file_of(0);
		long n;

		ASSERT_TRUE(in >= 0 && out >= 0);
		n = copy(in, NULL, out, NULL, counts[i], 0);
		ASSERT_TRUE(n > 0 && n <= counts[i]);
		EXPECT_EQ(n, size_of(out));
		EXPECT_TRUE(holds(out, 0, n, 0));
		close(in);
		close(out);
	}
}

CLAUSE(repeated_copies_reach_the_end_and_then_copy_nothing,
       "copy_file_range(2): copies from the file's position until its end, where 0 is returned; a count beyond the end "
       "is cut [CFR-2]",
       .needed_by = USERS)
{
	int in = file_of(SIZE), out = file_of(0);
	long n, sum = 0;

	ASSERT_TRUE(in >= 0 && out >= 0);
	while ((n = copy(in, NULL, out, NULL, 3 * SIZE, 0)) > 0)
		sum += n;
	EXPECT_RET(0, n);
	EXPECT_EQ(SIZE, sum);
	EXPECT_EQ(SIZE, size_of(out));
	EXPECT_TRUE(holds(out, 0, SIZE, 0));
}

CLAUSE(without_offsets_both_positions_move_by_the_count,
       "copy_file_range(2): where off_in (off_out) is NULL the file's own position is used, and moved by the bytes "
       "copied [CFR-2]",
       .needed_by = USERS)
{
	int in = file_of(SIZE), out = file_of(50);
	long n;

	ASSERT_TRUE(in >= 0 && out >= 0);
	ASSERT_EQ(100, lseek(in, 100, SEEK_SET));
	ASSERT_EQ(20, lseek(out, 20, SEEK_SET));
	n = copy(in, NULL, out, NULL, 700, 0);
	ASSERT_TRUE(n > 0 && n <= 700);
	EXPECT_EQ(100 + n, position(in));
	EXPECT_EQ(20 + n, position(out));
	EXPECT_TRUE(holds(out, 0, 20, 0));
	EXPECT_TRUE(holds(out, 20, n, 100));
}

CLAUSE(with_offsets_they_move_and_the_positions_stay,
       "copy_file_range(2): where off_in (off_out) is given it is used and moved by the bytes copied, and the file's "
       "position stays [CFR-2]",
       .needed_by = USERS)
{
	int in = file_of(SIZE), out = file_of(50);
	long long from = 4000, to = 10;
	long n;

	ASSERT_TRUE(in >= 0 && out >= 0);
	ASSERT_EQ(7, lseek(in, 7, SEEK_SET));
	ASSERT_EQ(9, lseek(out, 9, SEEK_SET));
	n = copy(in, &from, out, &to, 3000, 0);
	ASSERT_TRUE(n > 0 && n <= 3000);
	EXPECT_EQ(4000 + n, from);
	EXPECT_EQ(10 + n, to);
	EXPECT_EQ(7, position(in));
	EXPECT_EQ(9, position(out));
	EXPECT_TRUE(holds(out, 10, n, 4000));
}

CLAUSE(a_file_of_proc_is_not_copied_as_empty,
       "copy_file_range(2) HISTORY (5.19): a source that has bytes to read but no size is refused, never copied as 0 "
       "bytes [CFR-1] [incident 103]",
       .since = KERNEL(5, 19), .commit = "868f9f2f8e00 vfs: fix copy_file_range() regression in cross-fs copies", .needed_by = USERS)
{
	static const char *const sources[] = { "/proc/self/maps", "/proc/version", "/proc/self/status", "/sys/kernel/notes" };

	for (unsigned int i = 0; i < ARRAY_SIZE(sources); i++) {
		int in = open(sources[i], O_RDONLY | O_CLOEXEC), out = file_of(0);
		char byte;
		long n;

		ASSERT_TRUE(out >= 0);
		if (in >= 0 && pread(in, &byte, 1, 0) == 1) {
			n = copy(in, NULL, out, NULL, 4096, 0);
			EXPECT_NE(0, n) { TH_LOG("%s was copied as if it were empty", sources[i]); }
			EXPECT_EQ(n > 0 ? n : 0, size_of(out));
		}
		close(in);
		close(out);
	}
}

CLAUSE(within_one_file_ranges_may_not_overlap,
       "copy_file_range(2) ERRORS EINVAL: source and target are the same file and the ranges overlap; ranges apart are "
       "copied",
       .needed_by = USERS)
{
	int fd = file_of(SIZE);
	long long from = 1000, to = 1500;

	ASSERT_TRUE(fd >= 0);
	EXPECT_ERR(EINVAL, copy(fd, &from, fd, &to, 501, 0));
	from = 1000, to = 1000;
	EXPECT_ERR(EINVAL, copy(fd, &from, fd, &to, 1, 0));
	EXPECT_EQ(1000, from);
	EXPECT_EQ(1000, to);
	EXPECT_TRUE(holds(fd, 0, SIZE, 0));
	from = 1000, to = 1500;
	EXPECT_RET(500, copy(fd, &from, fd, &to, 500, 0));
	EXPECT_TRUE(holds(fd, 1500, 500, 1000));
	EXPECT_TRUE(holds(fd, 2000, SIZE - 2000, 2000));
}

CLAUSE(errors_change_nothing,
       "copy_file_range(2) ERRORS EBADF EINVAL EISDIR EFAULT: refused without a byte copied and without an offset "
       "moved",
       .needed_by = USERS)
{
	int in = file_of(SIZE), out = file_of(0), folder = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC), ends[2];
	int unreadable, unwritable, append;
	char path[64];
	long long from = 5, to = 0;

	ASSERT_TRUE(in >= 0 && out >= 0 && folder >= 0);
	ASSERT_EQ(0, pipe(ends));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", in);
	ASSERT_TRUE((unwritable = open(path, O_RDONLY | O_CLOEXEC)) >= 0);
	ASSERT_TRUE((unreadable = open(path, O_WRONLY | O_CLOEXEC)) >= 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", out);
	ASSERT_TRUE((append = open(path, O_WRONLY | O_APPEND | O_CLOEXEC)) >= 0);
	EXPECT_ERR(EBADF, copy(-1, &from, out, &to, 9, 0));
	EXPECT_ERR(EBADF, copy(in, &from, -1, &to, 9, 0));
	EXPECT_ERR(EBADF, copy(unreadable, &from, out, &to, 9, 0));
	EXPECT_ERR(EBADF, copy(in, &from, unwritable, &to, 9, 0));
	EXPECT_ERR(EBADF, copy(in, &from, append, NULL, 9, 0));
	EXPECT_ERR(EISDIR, copy(folder, &from, out, &to, 9, 0));
	EXPECT_ERR(EINVAL, copy(ends[0], NULL, out, &to, 9, 0));
	EXPECT_ERR(EINVAL, copy(in, &from, ends[1], NULL, 9, 0));
	for (unsigned int flag = 1; flag; flag <<= 1)
		EXPECT_ERR(EINVAL, copy(in, &from, out, &to, 9, flag));
	EXPECT_ERR(EFAULT, copy(in, (void *)16, out, &to, 9, 0));
	EXPECT_ERR(EFAULT, copy(in, &from, out, (void *)16, 9, 0));
	EXPECT_EQ(5, from);
	EXPECT_EQ(0, to);
	EXPECT_EQ(0, size_of(out));
	EXPECT_EQ(0, position(in));
}

CLAUSE(a_count_of_nothing_copies_nothing,
       "copy_file_range(2) RETURN VALUE: a count of 0 returns 0 and moves nothing", .needed_by = USERS)
{
	int in = file_of(SIZE), out = file_of(0);

	ASSERT_TRUE(in >= 0 && out >= 0);
	EXPECT_RET(0, copy(in, NULL, out, NULL, 0, 0));
	EXPECT_EQ(0, position(in));
	EXPECT_EQ(0, size_of(out));
}
