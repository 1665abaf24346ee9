// SPDX-License-Identifier: GPL-2.0-only
// Which blocking calls on files a signal interrupts and which go on: pipes, terminals, event files, locks.
#include "clause.h"

#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <termios.h>

#include "nameless.h"
#include "restart.h"

static char bytes[1 << 17];

static long read_one(struct stage *s)
{
	char byte;

	return raw_syscall(__NR_read, s->fd[0], &byte, 1);
}

static long readv_one(struct stage *s)
{
	char byte[2];
	struct iovec parts[2] = { { byte, 1 }, { byte + 1, 1 } };

	return raw_syscall(__NR_readv, s->fd[0], parts, 2);
}

RESTART_CLAUSE(read_of_an_empty_pipe_is_restarted, "read(2) of a pipe" AFTER_RESTART,
	       RESTARTS, __NR_read, open_pipe, read_one, write_byte, 1)

RESTART_CLAUSE(readv_of_an_empty_pipe_is_restarted, "readv(2) of a pipe" AFTER_RESTART,
	       RESTARTS, __NR_readv, open_pipe, readv_one, write_byte, 1)

static bool fill_pipe(struct stage *s)
{
	if (!open_pipe(s))
		return false;
	fcntl(s->fd[1], F_SETFL, O_NONBLOCK);
	while (raw_syscall(__NR_write, s->fd[1], bytes, 4096) > 0)
		;
	fcntl(s->fd[1], F_SETFL, 0);
	return true;
}

static long write_one(struct stage *s)
{
	return raw_syscall(__NR_write, s->fd[1], "x", 1);
}

static void empty_pipe(struct stage *s)
{
	raw_syscall(__NR_read, s->fd[0], bytes, sizeof(bytes));
}

RESTART_CLAUSE(write_to_a_full_pipe_is_restarted, "write(2) to a full pipe" AFTER_RESTART,
	       RESTARTS, __NR_write, fill_pipe, write_one, empty_pipe, 1)

static bool open_two_pipes(struct stage *s)
{
	return open_pipe(s) && raw_syscall(__NR_pipe2, s->fd + 2, 0) == 0;
}

static long splice_one(struct stage *s)
{
	return raw_syscall(__NR_splice, s->fd[0], NULL, s->fd[3], NULL, 1, 0);
}

static long tee_one(struct stage *s)
{
	return raw_syscall(__NR_tee, s->fd[0], s->fd[3], 1, 0);
}

RESTART_CLAUSE(splice_from_an_empty_pipe_is_restarted, "splice(2) from a pipe to a pipe" AFTER_RESTART,
	       RESTARTS, __NR_splice, open_two_pipes, splice_one, write_byte, 1)

RESTART_CLAUSE(tee_from_an_empty_pipe_is_restarted, "tee(2)" AFTER_RESTART,
	       RESTARTS, __NR_tee, open_two_pipes, tee_one, write_byte, 1)

static char fifo_path[64];

// A name that is gone as soon as the FIFO is open by another one: /proc/<pid>/fd.
static bool make_fifo(struct stage *s)
{
	char folder[] = "/tmp/osprim-fifo-XXXXXX", path[80];

	if (!mkdtemp(folder))
		return false;
	snprintf(path, sizeof(path), "%s/fifo", folder);
	s->fd[0] = mknod(path, S_IFIFO | 0600, 0) ? -1 : open(path, O_PATH | O_CLOEXEC);
	unlink(path);
	rmdir(folder);
	snprintf(fifo_path, sizeof(fifo_path), "/proc/self/fd/%d", s->fd[0]);
	return s->fd[0] >= 0 && access(fifo_path, F_OK) == 0;
}

static long open_to_read(struct stage *s)
{
	long fd = raw_syscall(__NR_openat, AT_FDCWD, fifo_path, O_RDONLY);

	return is_error(fd) ? fd : 0;
}

static long open_to_write(struct stage *s)
{
	long fd = raw_syscall(__NR_openat, AT_FDCWD, fifo_path, O_WRONLY);

	return is_error(fd) ? fd : 0;
}

static void open_both_ways(struct stage *s)
{
	open(fifo_path, O_RDWR | O_CLOEXEC);
}

RESTART_CLAUSE(open_of_a_fifo_for_reading_is_restarted, "open(2) of a FIFO that nobody writes to" AFTER_RESTART,
	       RESTARTS, __NR_openat, make_fifo, open_to_read, open_both_ways, 0)

RESTART_CLAUSE(open_of_a_fifo_for_writing_is_restarted, "open(2) of a FIFO that nobody reads from" AFTER_RESTART,
	       RESTARTS, __NR_openat, make_fifo, open_to_write, open_both_ways, 0)

static bool open_terminal(struct stage *s)
{
	struct termios t;
	int unlocked = 0;

	s->fd[1] = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (s->fd[1] < 0 || ioctl(s->fd[1], TIOCSPTLCK, &unlocked))
		return false;
	s->fd[0] = ioctl(s->fd[1], TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (s->fd[0] < 0 || tcgetattr(s->fd[0], &t))
		return false;
	t.c_lflag &= ~(ICANON | ECHO);
	return tcsetattr(s->fd[0], TCSANOW, &t) == 0;
}

RESTART_CLAUSE(read_of_a_terminal_is_restarted, "read(2) of a terminal" AFTER_RESTART,
	       RESTARTS, __NR_read, open_terminal, read_one, write_byte, 1)

static bool open_eventfd(struct stage *s)
{
	s->fd[0] = s->fd[1] = raw_syscall(__NR_eventfd2, 0, 0);
	return s->fd[0] >= 0;
}

static bool open_full_eventfd(struct stage *s)
{
	uint64_t most = -2ULL;

	return open_eventfd(s) && raw_syscall(__NR_write, s->fd[1], &most, 8) == 8;
}

static long read_eight(struct stage *s)
{
	uint64_t n;

	return raw_syscall(__NR_read, s->fd[0], &n, 8);
}

static long write_eight(struct stage *s)
{
	uint64_t n = 1;

	return raw_syscall(__NR_write, s->fd[1], &n, 8);
}

static void write_to_eventfd(struct stage *s)
{
	write_eight(s);
}

static void read_from_eventfd(struct stage *s)
{
	read_eight(s);
}

RESTART_CLAUSE(read_of_an_eventfd_is_restarted, "read(2) of an eventfd" AFTER_RESTART,
	       RESTARTS, __NR_read, open_eventfd, read_eight, write_to_eventfd, 8)

RESTART_CLAUSE(write_to_a_full_eventfd_is_restarted, "write(2) to an eventfd whose counter has no room" AFTER_RESTART,
	       RESTARTS, __NR_write, open_full_eventfd, write_eight, read_from_eventfd, 8)

static bool open_timerfd(struct stage *s)
{
	s->fd[0] = timerfd_create(CLOCK_MONOTONIC, 0);
	return s->fd[0] >= 0;
}

static void fire_timerfd(struct stage *s)
{
	struct { struct __kernel_timespec interval, value; } soon = { .value = { 0, 1 } };

	raw_syscall(NR_TIMERFD_SETTIME, s->fd[0], 0, &soon, NULL);
}

RESTART_CLAUSE(read_of_a_timerfd_is_restarted, "read(2) of a timerfd" AFTER_RESTART,
	       RESTARTS, __NR_read, open_timerfd, read_eight, fire_timerfd, 8)

static bool open_signalfd(struct stage *s)
{
	struct kernel_sigset set = SIGSET(SIGUSR2);

	raw_sigprocmask(SIG_BLOCK, set);
	s->fd[0] = signalfd_raw(-1, &set, 0);
	return s->fd[0] >= 0;
}

static long read_info(struct stage *s)
{
	char info[INFO_BYTES];

	return raw_syscall(__NR_read, s->fd[0], info, sizeof(info));
}

static void send_usr2(struct stage *s)
{
	kill(s->child, SIGUSR2);
}

RESTART_CLAUSE(read_of_a_signalfd_is_restarted, "read(2) of a signalfd" AFTER_RESTART,
	       RESTARTS, __NR_read, open_signalfd, read_info, send_usr2, INFO_BYTES)

static bool open_inotify(struct stage *s)
{
	s->fd[0] = inotify_init1(IN_CLOEXEC);
	s->fd[1] = nameless_file();
	snprintf(bytes, sizeof(bytes), "/proc/self/fd/%d", s->fd[1]);
	return s->fd[0] >= 0 && s->fd[1] >= 0 && inotify_add_watch(s->fd[0], bytes, IN_MODIFY) >= 0;
}

static long read_events(struct stage *s)
{
	char event[256];

	return raw_syscall(__NR_read, s->fd[0], event, sizeof(event));
}

RESTART_CLAUSE(read_of_an_inotify_file_is_restarted, "read(2) of an inotify descriptor (since 3.8)" AFTER_RESTART,
	       RESTARTS, __NR_read, open_inotify, read_events, write_byte, sizeof(struct inotify_event))

// The onlooker holds the lock: through another open file, and as another process.
static bool lock_file(struct stage *s)
{
	struct flock whole = { .l_type = F_WRLCK };
	char path[64];

	s->fd[0] = nameless_file();
	snprintf(path, sizeof(path), "/proc/self/fd/%d", s->fd[0]);
	s->fd[1] = open(path, O_RDWR | O_CLOEXEC);
	return s->fd[1] >= 0 && flock(s->fd[1], LOCK_EX) == 0 && fcntl(s->fd[1], F_SETLK, &whole) == 0;
}

static bool lock_open_file(struct stage *s)
{
	struct flock whole = { .l_type = F_WRLCK };

	if (!lock_file(s))
		return false;
	fcntl(s->fd[1], F_SETLK, &(struct flock){ .l_type = F_UNLCK });
	return fcntl(s->fd[1], F_OFD_SETLK, &whole) == 0;
}

static long lock_by_flock(struct stage *s)
{
	return raw_syscall(__NR_flock, s->fd[0], LOCK_EX);
}

// Without fcntl64 there may still be an F_SETLKW64: a number that is the C library's own (glibc on ppc64le).
#ifdef __NR_fcntl64
#define NR_FCNTL __NR_fcntl64
#define NR_SETLKW F_SETLKW64
#else
#define NR_FCNTL __NR_fcntl
#define NR_SETLKW F_SETLKW
#endif

static long lock_by_fcntl(struct stage *s)
{
	struct flock64 whole = { .l_type = F_WRLCK };

	return raw_syscall(NR_FCNTL, s->fd[0], NR_SETLKW, &whole);
}

static long lock_by_ofd(struct stage *s)
{
	struct flock64 whole = { .l_type = F_WRLCK };

	return raw_syscall(NR_FCNTL, s->fd[0], F_OFD_SETLKW, &whole);
}

static void unlock(struct stage *s)
{
	struct flock whole = { .l_type = F_UNLCK };

	flock(s->fd[1], LOCK_UN);
	fcntl(s->fd[1], F_SETLK, &whole);
	fcntl(s->fd[1], F_OFD_SETLK, &whole);
}

RESTART_CLAUSE(flock_is_restarted, "flock(2)" AFTER_RESTART,
	       RESTARTS, __NR_flock, lock_file, lock_by_flock, unlock, 0)

RESTART_CLAUSE(record_lock_with_wait_is_restarted, "fcntl(2) F_SETLKW" AFTER_RESTART,
	       RESTARTS, NR_FCNTL, lock_file, lock_by_fcntl, unlock, 0)

RESTART_CLAUSE(open_file_lock_with_wait_is_restarted, "fcntl(2) F_OFD_SETLKW" AFTER_RESTART,
	       RESTARTS, NR_FCNTL, lock_open_file, lock_by_ofd, unlock, 0)

static long write_more_than_fits(struct stage *s)
{
	return raw_syscall(__NR_write, s->fd[1], bytes, sizeof(bytes));
}

CLAUSE(a_write_that_was_interrupted_midway_returns_the_count,
       "signal(7), write(2) NOTES: a call that has transferred data when a handler interrupts it returns the number of "
       "bytes so far, with SA_RESTART "
       "and without [SIG-7]", .needed_by = USERS_OF_RESTART)
{
	static const struct blocking row = { RESTARTS, __NR_write, NULL, write_more_than_fits, NULL, 0 };

	stage = common_memory(sizeof(*stage));
	for (int treatment = HANDLED; treatment <= HANDLED_AND_RESTARTED; treatment++) {
		int there = 0;

		ASSERT_TRUE(open_pipe(stage));
		fcntl(stage->fd[1], F_SETPIPE_SZ, sizeof(bytes) / 2);	// 16 of the largest pages are 1 MiB
		ASSERT_TRUE(begins(&row, treatment));
		ASSERT_TRUE(is_treated(&row, treatment));
		ASSERT_TRUE(wait_until(stage->returned));
		ASSERT_EQ(0, ioctl(stage->fd[0], FIONREAD, &there));
		EXPECT_RET(there, stage->result);
		EXPECT_GT(there, 0);
		EXPECT_LT(there, sizeof(bytes));
		ASSERT_TRUE(ends(&row, true));
	}
}
