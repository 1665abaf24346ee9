// SPDX-License-Identifier: GPL-2.0-only
// splice(2) and sendfile(2): bytes between pipes, sockets and files, as io.Copy moves them.
#include "io.h"

#include <sys/socket.h>

#define USERS "go:copy_file rust:io_copy"
#define SIZE 9000

#define splice_raw(in, in_at, out, out_at, count, flags) \
	raw_syscall(__NR_splice, in, in_at, out, out_at, (unsigned long)(count), flags)
#ifdef __NR_sendfile64
#define sendfile_raw(out, in, at, count) raw_syscall(__NR_sendfile64, out, in, at, (unsigned long)(count))
#else
#define sendfile_raw(out, in, at, count) raw_syscall(__NR_sendfile, out, in, at, (unsigned long)(count))
#endif

// True if these are the next bytes to be read, and stand so from `from` on in a file of file_of().
static bool delivers(int fd, unsigned int count, unsigned int from)
{
	unsigned char byte;

	for (unsigned int i = 0; i < count; i++)
		if (read(fd, &byte, 1) != 1 || byte != byte_at(from + i))
			return false;
	return true;
}

CLAUSE(a_closed_socket_is_the_end_and_not_eagain,
       "splice(2) RETURN VALUE: 0 is the end of input: a socket whose other end is closed, once it is empty, gives 0, "
       "never EAGAIN [SPL-1] [incident 104]",
       .needed_by = USERS)
{
	static const int types[] = { SOCK_STREAM, SOCK_STREAM | SOCK_NONBLOCK };

	for (unsigned int i = 0; i < ARRAY_SIZE(types); i++) {
		for (unsigned int flags = 0; flags <= SPLICE_F_NONBLOCK; flags += SPLICE_F_NONBLOCK) {
			int pair[2], ends[2];

			ASSERT_EQ(0, socketpair(AF_UNIX, types[i] | SOCK_CLOEXEC, 0, pair));
			ASSERT_EQ(0, pipe(ends));
			ASSERT_EQ(3, write(pair[1], "abc", 3));
			close(pair[1]);
			EXPECT_RET(3, splice_raw(pair[0], NULL, ends[1], NULL, 4096, flags));
			EXPECT_RET(0, splice_raw(pair[0], NULL, ends[1], NULL, 4096, flags));
			EXPECT_RET(0, splice_raw(pair[0], NULL, ends[1], NULL, 4096, flags));
			close(pair[0]);
			close(ends[0]);
			close(ends[1]);
		}
	}
}

CLAUSE(an_empty_socket_that_is_open_gives_eagain,
       "splice(2) ERRORS EAGAIN: a descriptor is nonblocking and has nothing to read: the end is told from a pause",
       .needed_by = USERS)
{
	int pair[2], ends[2];

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair));
	ASSERT_EQ(0, pipe(ends));
	EXPECT_ERR(EAGAIN, splice_raw(pair[0], NULL, ends[1], NULL, 4096, SPLICE_F_NONBLOCK));
}

CLAUSE(bytes_reach_a_pipe_and_leave_it_in_order,
       "splice(2): moves up to the count of bytes from file to pipe and from pipe to file, and returns how many",
       .needed_by = USERS)
{
	int in = file_of(SIZE), out = file_of(0), ends[2];
	long n, m;

	ASSERT_TRUE(in >= 0 && out >= 0);
	ASSERT_EQ(0, pipe(ends));
	for (long done = 0; done < SIZE; done += n) {
		n = splice_raw(in, NULL, ends[1], NULL, 3000, 0);
		ASSERT_TRUE(n > 0 && n <= 3000);
		for (long left = n; left; left -= m) {
			m = splice_raw(ends[0], NULL, out, NULL, left, 0);
			ASSERT_TRUE(m > 0 && m <= left);
		}
	}
	EXPECT_RET(0, splice_raw(in, NULL, ends[1], NULL, 3000, 0));
	EXPECT_EQ(SIZE, size_of(out));
	EXPECT_TRUE(holds(out, 0, SIZE, 0));
}

CLAUSE(an_offset_moves_and_the_position_stays,
       "splice(2): with off_in the file is read from there, the offset is moved by the count, and the file's position "
       "stays",
       .needed_by = USERS)
{
	int in = file_of(SIZE), ends[2];
	long long at = 500;
	long n;

	ASSERT_TRUE(in >= 0);
	ASSERT_EQ(0, pipe(ends));
	n = splice_raw(in, &at, ends[1], NULL, 1000, 0);
	ASSERT_TRUE(n > 0 && n <= 1000);
	EXPECT_EQ(500 + n, at);
	EXPECT_EQ(0, position(in));
	EXPECT_TRUE(delivers(ends[0], n, 500));
}

CLAUSE(splice_refuses_what_it_cannot_do,
       "splice(2) ERRORS EBADF EINVAL ESPIPE: neither end is a pipe; a bad descriptor or one of the wrong mode; an "
       "offset for a pipe; a pipe to itself",
       .needed_by = USERS)
{
	int in = file_of(SIZE), out = file_of(0), ends[2];
	long long at = 0;

	ASSERT_TRUE(in >= 0 && out >= 0);
	ASSERT_EQ(0, pipe(ends));
	EXPECT_ERR(EINVAL, splice_raw(in, NULL, out, NULL, 100, 0));
	EXPECT_ERR(EBADF, splice_raw(-1, NULL, ends[1], NULL, 100, 0));
	EXPECT_ERR(EBADF, splice_raw(in, NULL, -1, NULL, 100, 0));
	EXPECT_ERR(EBADF, splice_raw(in, NULL, ends[0], NULL, 100, 0));
	EXPECT_ERR(EBADF, splice_raw(ends[1], NULL, out, NULL, 100, 0));
	EXPECT_ERR(ESPIPE, splice_raw(in, NULL, ends[1], &at, 100, 0));
	EXPECT_ERR(ESPIPE, splice_raw(ends[0], &at, out, NULL, 100, 0));
	EXPECT_ERR(EINVAL, splice_raw(ends[0], NULL, ends[1], NULL, 100, 0));
	EXPECT_EQ(0, size_of(out));
	EXPECT_EQ(0, position(in));
}

CLAUSE(sendfile_moves_the_offset_or_the_position,
       "sendfile(2): with an offset it is moved and the position stays, without one the position is moved; the count "
       "returned was sent",
       .needed_by = USERS)
{
	int in = file_of(SIZE), out = file_of(0), pair[2];
	long long at = 1234;
	long n;

	ASSERT_TRUE(in >= 0 && out >= 0);
	n = sendfile_raw(out, in, &at, 2000);
	ASSERT_TRUE(n > 0 && n <= 2000);
	EXPECT_EQ(1234 + n, at);
	EXPECT_EQ(0, position(in));
	EXPECT_EQ(n, size_of(out));
	EXPECT_TRUE(holds(out, 0, n, 1234));
	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair));
	n = sendfile_raw(pair[0], in, NULL, 2000);
	ASSERT_TRUE(n > 0 && n <= 2000);
	EXPECT_EQ(n, position(in));
	EXPECT_TRUE(delivers(pair[1], n, 0));
}

CLAUSE(sendfile_ends_at_the_end_of_the_file,
       "sendfile(2) RETURN VALUE: fewer bytes than asked for at the end of the file, then 0", .needed_by = USERS)
{
	int in = file_of(100), out = file_of(0);

	ASSERT_TRUE(in >= 0 && out >= 0);
	EXPECT_RET(100, sendfile_raw(out, in, NULL, 5000));
	EXPECT_RET(0, sendfile_raw(out, in, NULL, 5000));
	EXPECT_EQ(100, size_of(out));
	EXPECT_TRUE(holds(out, 0, 100, 0));
}

CLAUSE(sendfile_refuses_what_it_cannot_do,
       "sendfile(2) ERRORS EBADF EFAULT EINVAL: a bad descriptor or one of the wrong mode, a bad offset, a target that "
       "appends, a source that cannot be seeked",
       .needed_by = USERS)
{
	int in = file_of(SIZE), out = file_of(0), append, ends[2];
	long long negative = -1;
	char path[64];

	ASSERT_TRUE(in >= 0 && out >= 0);
	ASSERT_EQ(0, pipe(ends));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", out);
	ASSERT_TRUE((append = open(path, O_WRONLY | O_APPEND | O_CLOEXEC)) >= 0);
	EXPECT_ERR(EBADF, sendfile_raw(out, -1, NULL, 9));
	EXPECT_ERR(EBADF, sendfile_raw(-1, in, NULL, 9));
	EXPECT_ERR(EBADF, sendfile_raw(ends[0], in, NULL, 9));
	EXPECT_ERR(EBADF, sendfile_raw(out, ends[1], NULL, 9));
	EXPECT_ERR(EFAULT, sendfile_raw(out, in, (void *)16, 9));
	EXPECT_ERR(EINVAL, sendfile_raw(out, in, &negative, 9));
	EXPECT_ERR(EINVAL, sendfile_raw(append, in, NULL, 9));
	EXPECT_EQ(0, size_of(out));
	EXPECT_EQ(0, position(in));
}
