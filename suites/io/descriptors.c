// SPDX-License-Identifier: GPL-2.0-only
// open(2), fcntl(2), dup3(2): which number a descriptor gets, and what a start-up check of 0, 1 and 2 sees.
#include "io.h"

#include <sys/resource.h>

#define USERS "go:checkfds rust:std::sys::init"

#define flags_of(fd)    raw_syscall(__NR_fcntl, fd, F_GETFD)
#define open_null(mode) raw_syscall(__NR_openat, AT_FDCWD, "/dev/null", mode)

CLAUSE(a_closed_descriptor_is_told_from_an_open_one,
       "fcntl(2) F_GETFD, ERRORS EBADF: a descriptor that is not open; an open one gives its flags, 0 or FD_CLOEXEC "
       "[FD-1]",
       .needed_by = USERS)
{
	static const int closed[] = { -1, -9, 900, 1 << 20, 0x7fffffff };
	long fd = open_null(O_RDWR), marked = open_null(O_RDWR | O_CLOEXEC);

	ASSERT_OK(fd);
	ASSERT_OK(marked);
	EXPECT_RET(0, flags_of(fd));
	EXPECT_RET(FD_CLOEXEC, flags_of(marked));
	ASSERT_RET(0, raw_syscall(__NR_close, fd));
	EXPECT_ERR(EBADF, flags_of(fd));
	EXPECT_ERR(EBADF, raw_syscall(__NR_close, fd));
	for (unsigned int i = 0; i < ARRAY_SIZE(closed); i++)
		EXPECT_ERR(EBADF, flags_of(closed[i]));
}

CLAUSE(the_standard_descriptors_can_be_filled_again,
       "open(2): the lowest number that is free is given: with 0, 1 and 2 closed, three files are 0, 1 and 2 in turn "
       "[FD-1]",
       .needed_by = USERS)
{
	long order[3];
	bool were_closed;

	IN_CHILD {
		long out = raw_syscall(__NR_fcntl, 1, F_DUPFD_CLOEXEC, 100);

		for (int fd = 0; fd < 3; fd++)
			raw_syscall(__NR_close, fd);
		were_closed = flags_of(0) == -EBADF && flags_of(1) == -EBADF && flags_of(2) == -EBADF;
		for (int i = 0; i < 3; i++)
			order[i] = open_null(O_RDWR);
		raw_syscall(__NR_dup3, out, 1, 0);
		EXPECT_TRUE(were_closed);
		for (int i = 0; i < 3; i++)
			EXPECT_RET(i, order[i]);
	}
}

CLAUSE(the_lowest_free_number_is_given_whatever_lies_above,
       "open(2), dup(2), fcntl(2) F_DUPFD: a new descriptor is the lowest free number, F_DUPFD's the lowest from its "
       "argument on [FD-1]",
       .needed_by = USERS)
{
	long fds[6];

	for (int i = 0; i < 6; i++)
		ASSERT_OK(fds[i] = open_null(O_RDONLY));
	for (int i = 1; i < 6; i++)
		EXPECT_RET(fds[0] + i, fds[i]);
	raw_syscall(__NR_close, fds[3]);
	raw_syscall(__NR_close, fds[1]);
	EXPECT_RET(fds[1], raw_syscall(__NR_dup, 0));
	EXPECT_RET(fds[3], raw_syscall(__NR_fcntl, 0, F_DUPFD, fds[0]));
	EXPECT_RET(fds[5] + 1, open_null(O_RDONLY));
	EXPECT_RET(700, raw_syscall(__NR_fcntl, 0, F_DUPFD, 700));
	EXPECT_RET(701, raw_syscall(__NR_fcntl, 0, F_DUPFD_CLOEXEC, 700));
	EXPECT_RET(0, flags_of(700));
	EXPECT_RET(FD_CLOEXEC, flags_of(701));
}

CLAUSE(dup3_replaces_and_marks_in_one_step,
       "dup(2) dup3: the new number refers to the old file, with O_CLOEXEC as asked; the same number twice and unknown "
       "flags are EINVAL",
       .needed_by = "go:fork_exec glibc:posix_spawn")
{
	int one = file_of(10), two = file_of(20);

	ASSERT_TRUE(one >= 0 && two >= 0);
	EXPECT_RET(two, raw_syscall(__NR_dup3, one, two, O_CLOEXEC));
	EXPECT_EQ(10, size_of(two));
	EXPECT_RET(FD_CLOEXEC, flags_of(two));
	EXPECT_RET(two, raw_syscall(__NR_dup3, one, two, 0));
	EXPECT_RET(0, flags_of(two));
	EXPECT_ERR(EINVAL, raw_syscall(__NR_dup3, one, one, 0));
	EXPECT_ERR(EINVAL, raw_syscall(__NR_dup3, one, two, O_NONBLOCK));
	EXPECT_ERR(EBADF, raw_syscall(__NR_dup3, 900, two, 0));
	EXPECT_ERR(EBADF, raw_syscall(__NR_dup3, one, -1, 0));
	EXPECT_ERR(EBADF, raw_syscall(__NR_dup3, one, 0x7fffffff, 0));
	EXPECT_EQ(10, size_of(two));
}

CLAUSE(copies_share_position_and_status_and_not_the_mark,
       "dup(2): copies share the position and the status flags of one open file; close-on-exec is each one's own",
       .needed_by = "go:fork_exec")
{
	int fd = file_of(100);
	long copy;

	ASSERT_TRUE(fd >= 0);
	ASSERT_OK(copy = raw_syscall(__NR_dup, fd));
	EXPECT_RET(FD_CLOEXEC, flags_of(fd));
	EXPECT_RET(0, flags_of(copy));
	EXPECT_EQ(30, lseek(fd, 30, SEEK_SET));
	EXPECT_EQ(30, position(copy));
	EXPECT_RET(0, raw_syscall(__NR_fcntl, copy, F_SETFL, O_NONBLOCK));
	EXPECT_EQ(O_NONBLOCK, raw_syscall(__NR_fcntl, fd, F_GETFL) & O_NONBLOCK);
	raw_syscall(__NR_close, copy);
	EXPECT_EQ(30, position(fd));
}

CLAUSE(numbers_at_the_limit_are_refused_apart_from_numbers_used_up,
       "fcntl(2) F_DUPFD, ERRORS EINVAL, EMFILE: a number that is negative or at the limit RLIMIT_NOFILE is EINVAL; "
       "EMFILE says "
       "that all from there up to the limit are in use; dup3(2) to such a number is EBADF [RLM-1]", .needed_by = USERS)
{
	static const int commands[] = { F_DUPFD, F_DUPFD_CLOEXEC };
	struct rlimit limit;

	ASSERT_EQ(0, getrlimit(RLIMIT_NOFILE, &limit));
	limit.rlim_cur = 64;
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &limit));
	for (int i = 0; i < 2; i++) {
		EXPECT_ERR(EINVAL, raw_syscall(__NR_fcntl, 0, commands[i], 64));
		EXPECT_ERR(EINVAL, raw_syscall(__NR_fcntl, 0, commands[i], 65));
		EXPECT_ERR(EINVAL, raw_syscall(__NR_fcntl, 0, commands[i], 1 << 20));
		EXPECT_ERR(EINVAL, raw_syscall(__NR_fcntl, 0, commands[i], 0x7fffffff));
		EXPECT_ERR(EINVAL, raw_syscall(__NR_fcntl, 0, commands[i], -1));
		EXPECT_RET(63 - i, raw_syscall(__NR_fcntl, 0, commands[i], 63 - i));
		EXPECT_ERR(EMFILE, raw_syscall(__NR_fcntl, 0, commands[i], 63 - i));
	}
	EXPECT_ERR(EBADF, raw_syscall(__NR_dup3, 0, 64, 0));
	EXPECT_RET(62, raw_syscall(__NR_dup3, 0, 62, 0));
	for (int fd = 0; fd < 64; fd++)
		if (flags_of(fd) == -EBADF)
			ASSERT_RET(fd, raw_syscall(__NR_dup3, 0, fd, 0));
	EXPECT_ERR(EMFILE, raw_syscall(__NR_dup, 0));
	EXPECT_ERR(EMFILE, open_null(O_RDONLY));
	EXPECT_ERR(EMFILE, raw_syscall(__NR_fcntl, 0, F_DUPFD, 0));
}
