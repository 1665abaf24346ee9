// SPDX-License-Identifier: GPL-2.0-only
// pipe2(2): flags, errors and what a failed call leaves behind.
#include "clause.h"
#include "guard.h"

#include <fcntl.h>
#include <sys/resource.h>

#ifndef O_NOTIFICATION_PIPE
#define O_NOTIFICATION_PIPE O_EXCL	// Linux 5.8
#endif

#define USERS "go:pipe2 glibc:posix_spawn rust:Command jvm:ProcessImpl"

#define pipe2_raw(ends, flags) raw_syscall(__NR_pipe2, ends, flags)

// Flags of the open file and of the descriptor, as fcntl(2) tells them.
#define status_flags(fd)     (raw_syscall(__NR_fcntl, fd, F_GETFL) & (O_NONBLOCK | O_DIRECT | O_ACCMODE))
#define descriptor_flags(fd) raw_syscall(__NR_fcntl, fd, F_GETFD)

static long lowest_free(void)
{
	long fd = raw_syscall(__NR_dup, 0);

	raw_syscall(__NR_close, fd);
	return fd;
}

CLAUSE(both_ends_get_exactly_the_flags_asked_for,
       "pipe(2) flags: O_CLOEXEC, O_NONBLOCK and O_DIRECT are set on both new descriptors, alone or together [PIP-1]",
       .needed_by = USERS)
{
	static const int status[] = { 0, O_NONBLOCK, O_DIRECT, O_NONBLOCK | O_DIRECT };

	for (unsigned int i = 0; i < ARRAY_SIZE(status); i++) {
		for (int cloexec = 0; cloexec < 2; cloexec++) {
			int *ends = guarded(2 * sizeof(int));

			ASSERT_RET(0, pipe2_raw(ends, status[i] | (cloexec ? O_CLOEXEC : 0)));
			EXPECT_INTACT(ends);
			// O_DIRECT is a matter of what is written, so the kernel shows it on the write end alone.
			EXPECT_EQ((status[i] & O_NONBLOCK) | O_RDONLY, status_flags(ends[0]));
			EXPECT_EQ(status[i] | O_WRONLY, status_flags(ends[1]));
			EXPECT_EQ(cloexec ? FD_CLOEXEC : 0, descriptor_flags(ends[0]));
			EXPECT_EQ(cloexec ? FD_CLOEXEC : 0, descriptor_flags(ends[1]));
			raw_syscall(__NR_close, ends[0]);
			raw_syscall(__NR_close, ends[1]);
			guard_free(ends);
		}
	}
}

CLAUSE(nonblocking_ends_do_not_block_on_either_side,
       "pipe(7) I/O: with O_NONBLOCK a read of an empty pipe and a write to a full one fail with EAGAIN "
       "[PIP-1]", .needed_by = USERS)
{
	char bytes[4096] = { 0 };
	int ends[2];
	long n;

	ASSERT_RET(0, pipe2_raw(ends, O_NONBLOCK));
	EXPECT_ERR(EAGAIN, raw_syscall(__NR_read, ends[0], bytes, 1));
	while ((n = raw_syscall(__NR_write, ends[1], bytes, sizeof(bytes))) > 0)
		EXPECT_EQ(sizeof(bytes), n);
	EXPECT_ERR(EAGAIN, n);
	EXPECT_RET(1, raw_syscall(__NR_read, ends[0], bytes, 1));
	// One byte of room is less than what must go in whole.
	EXPECT_ERR(EAGAIN, raw_syscall(__NR_write, ends[1], bytes, sizeof(bytes)));
}

CLAUSE(the_lowest_free_descriptors_are_given_read_end_first,
       "pipe(2): pipefd[0] refers to the read end and pipefd[1] to the write end; both are the lowest-numbered free "
       "[PIP-1]",
       .needed_by = USERS)
{
	long first = lowest_free();
	int ends[2], more[2];
	char byte = 0;

	ASSERT_RET(0, pipe2_raw(ends, 0));
	EXPECT_EQ(first, ends[0]);
	EXPECT_EQ(first + 1, ends[1]);
	EXPECT_ERR(EBADF, raw_syscall(__NR_write, ends[0], "x", 1));
	EXPECT_ERR(EBADF, raw_syscall(__NR_read, ends[1], &byte, 1));
	EXPECT_RET(1, raw_syscall(__NR_write, ends[1], "x", 1));
	EXPECT_RET(1, raw_syscall(__NR_read, ends[0], &byte, 1));
	EXPECT_EQ('x', byte);
	EXPECT_RET(0, raw_syscall(__NR_close, ends[0]));
	ASSERT_RET(0, pipe2_raw(more, 0));
	EXPECT_EQ(first, more[0]);
	EXPECT_EQ(first + 2, more[1]);
}

CLAUSE(unknown_flags_are_refused_and_open_nothing,
       "pipe(2) ERRORS EINVAL: invalid value in flags; the array is left as it was [PIP-1] [PIP-2]", .needed_by = USERS)
{
	const int known = O_CLOEXEC | O_NONBLOCK | O_DIRECT | O_NOTIFICATION_PIPE;
	int *ends = guarded(2 * sizeof(int));
	long free_before = lowest_free();

	for (int bit = 0; bit < 32; bit++) {
		if (known & 1U << bit)
			continue;
		EXPECT_ERR(EINVAL, pipe2_raw(ends, 1U << bit)) TH_LOG("flag %#x", 1U << bit);
	}
	EXPECT_UNTOUCHED(ends, 0, sizeof(int) * 2);
	EXPECT_INTACT(ends);
	EXPECT_EQ(free_before, lowest_free());
}

CLAUSE(an_array_that_cannot_be_written_is_efault_and_leaks_nothing,
       "pipe(2) ERRORS EFAULT: pipefd is not valid; no descriptor stays open", .needed_by = USERS)
{
	long free_before = lowest_free();
	int *half = guarded(sizeof(int));	// room for one descriptor of the two

	for (int i = 0; i < 8; i++) {
		EXPECT_ERR(EFAULT, pipe2_raw(NULL, 0));
		EXPECT_ERR(EFAULT, pipe2_raw(forbidden_page(), 0));
		EXPECT_ERR(EFAULT, pipe2_raw(unmapped_page(), O_CLOEXEC));
		EXPECT_ERR(EFAULT, pipe2_raw(half, 0));
	}
	EXPECT_EQ(free_before, lowest_free());
}

CLAUSE(without_room_for_two_descriptors_there_is_none,
       "pipe(2) ERRORS EMFILE: the per-process limit on the number of open file descriptors has been reached; the "
       "array is left "
       "as it was [PIP-2]", .needed_by = USERS)
{
	int *ends = guarded(2 * sizeof(int));
	struct rlimit limit;
	long first;

	ASSERT_EQ(0, getrlimit(RLIMIT_NOFILE, &limit));
	first = lowest_free();
	for (int room = 0; room < 2; room++) {
		limit.rlim_cur = first + room;
		ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &limit));
		EXPECT_ERR(EMFILE, pipe2_raw(ends, 0));
	}
	EXPECT_UNTOUCHED(ends, 0, sizeof(int) * 2);
	limit.rlim_cur = first + 2;
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &limit));
	EXPECT_RET(0, pipe2_raw(ends, 0));
}

CLAUSE(packet_mode_keeps_the_boundaries_of_writes,
       "pipe(2) O_DIRECT: each write(2) of up to PIPE_BUF bytes is a separate packet, each read(2) takes one, and what "
       "does not "
       "fit the reader's buffer is discarded", .needed_by = USERS)
{
	char *bytes = guarded(64);
	int ends[2];

	ASSERT_RET(0, pipe2_raw(ends, O_DIRECT | O_NONBLOCK));
	EXPECT_RET(5, raw_syscall(__NR_write, ends[1], "first", 5));
	EXPECT_RET(6, raw_syscall(__NR_write, ends[1], "second", 6));
	EXPECT_RET(5, raw_syscall(__NR_write, ends[1], "third", 5));
	EXPECT_RET(5, raw_syscall(__NR_read, ends[0], bytes, 64));
	EXPECT_EQ(0, memcmp(bytes, "first", 5));
	EXPECT_UNTOUCHED(bytes, 5, 64);
	EXPECT_RET(3, raw_syscall(__NR_read, ends[0], bytes, 3));
	EXPECT_EQ(0, memcmp(bytes, "sec", 3));
	EXPECT_RET(5, raw_syscall(__NR_read, ends[0], bytes, 64));
	EXPECT_EQ(0, memcmp(bytes, "third", 5));
	EXPECT_ERR(EAGAIN, raw_syscall(__NR_read, ends[0], bytes, 64));
}

AFTER_EXEC(exits_with_the_number_of_descriptors_open)
{
	int open = 0;

	for (int i = 0; i < argc; i++)
		open += raw_syscall(__NR_fcntl, atoi(argv[i]), F_GETFD) >= 0;
	return open;
}

CLAUSE(close_on_exec_ends_are_closed_by_execve_and_others_kept,
       "fcntl(2) FD_CLOEXEC: the descriptor is closed by a successful execve(2), and otherwise remains open [VFK-3]",
       .needed_by = USERS)
{
	int kept[2], closed[2], status;
	char text[4][16];
	pid_t child;

	ASSERT_RET(0, pipe2_raw(kept, 0));
	ASSERT_RET(0, pipe2_raw(closed, O_CLOEXEC));
	for (int i = 0; i < 2; i++) {
		snprintf(text[i], sizeof(text[i]), "%d", kept[i]);
		snprintf(text[2 + i], sizeof(text[i]), "%d", closed[i]);
	}
	for (int pair = 0; pair < 2; pair++) {
		child = fork();
		if (child == 0) {
			execute_self(exits_with_the_number_of_descriptors_open, text[2 * pair], text[2 * pair + 1]);
			_exit(126);
		}
		ASSERT_EQ(child, waitpid(child, &status, 0));
		EXPECT_TRUE(WIFEXITED(status));
		EXPECT_EQ(pair == 0 ? 2 : 0, WEXITSTATUS(status));
	}
}
