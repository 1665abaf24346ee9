// SPDX-License-Identifier: GPL-2.0-only
// fifo(7): what an open without waiting says, who waits for whom, and when a reader sees a hangup.
#include "clause.h"
#include "sigaction.h"
#include "sync.h"
#include "thread.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/stat.h>

#define USERS .needed_by = "go:kindOpenFile libuv:uv_pipe_open"

FIXTURE(fifo) {
	int handle;		// O_PATH
	char path[64];
};

// Its name is gone as soon as it has another one, /proc/<pid>/fd.
FIXTURE_SETUP(fifo)
{
	char folder[] = "/tmp/osprim-fifo-XXXXXX", path[80];

	ASSERT_NE(NULL, mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/fifo", folder);
	self->handle = mknod(path, S_IFIFO | 0600, 0) ? -1 : open(path, O_PATH | O_CLOEXEC);
	unlink(path);
	rmdir(folder);
	ASSERT_GE(self->handle, 0);
	snprintf(self->path, sizeof(self->path), "/proc/self/fd/%d", self->handle);
}

FIXTURE_TEARDOWN(fifo)
{
}

#define open_fifo(flags) raw_syscall(__NR_openat, AT_FDCWD, self->path, flags)

static long events_of(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN | POLLOUT };
	struct __kernel_timespec none = { 0 };
	long n = raw_syscall(NR_PPOLL, &p, 1, &none, NULL, 0);

	return is_error(n) ? n : p.revents;
}

CLAUSE_F(fifo, a_nonblocking_writer_without_a_reader_is_enxio,
	 "open(2) ERRORS ENXIO, fifo(7): O_NONBLOCK | O_WRONLY of a FIFO that no process has open for reading; with "
	 "a reader "
	 "it opens, and once that has gone no more", USERS)
{
	long reader, writer;

	EXPECT_ERR(ENXIO, open_fifo(O_WRONLY | O_NONBLOCK));
	reader = open_fifo(O_RDONLY | O_NONBLOCK);
	ASSERT_OK(reader);
	writer = open_fifo(O_WRONLY | O_NONBLOCK);
	ASSERT_OK(writer);
	raw_syscall(__NR_close, reader);
	EXPECT_ERR(ENXIO, open_fifo(O_WRONLY | O_NONBLOCK));	// another writer is no reader
	raw_syscall(__NR_close, writer);
	EXPECT_ERR(ENXIO, open_fifo(O_WRONLY | O_NONBLOCK));
}

CLAUSE_F(fifo, a_reader_sees_no_hangup_before_the_first_writer,
	 "poll(2) POLLHUP, fifo(7): a FIFO opened for reading without waiting reports nothing until a writer has "
	 "come; when "
	 "the last has gone it hangs up, and the next writer ends that", USERS)
{
	struct epoll_event e = { .events = EPOLLIN };
	long reader = open_fifo(O_RDONLY | O_NONBLOCK), ep = raw_syscall(__NR_epoll_create1, 0), one, two;
	char byte;

	ASSERT_OK(reader);
	ASSERT_RET(0, raw_syscall(__NR_epoll_ctl, ep, EPOLL_CTL_ADD, reader, &e));
	EXPECT_RET(0, events_of(reader));
	EXPECT_RET(0, raw_syscall(__NR_epoll_pwait, ep, &e, 1, 0, NULL, 0));
	EXPECT_RET(0, raw_syscall(__NR_read, reader, &byte, 1));	// nobody writes: the end
	ASSERT_OK(one = open_fifo(O_WRONLY | O_NONBLOCK));
	ASSERT_OK(two = open_fifo(O_WRONLY | O_NONBLOCK));
	EXPECT_RET(0, events_of(reader));
	EXPECT_ERR(EAGAIN, raw_syscall(__NR_read, reader, &byte, 1));
	raw_syscall(__NR_close, one);
	EXPECT_RET(0, events_of(reader));
	EXPECT_ERR(EAGAIN, raw_syscall(__NR_read, reader, &byte, 1));
	raw_syscall(__NR_close, two);
	EXPECT_RET(POLLHUP, events_of(reader));
	EXPECT_RET(1, raw_syscall(__NR_epoll_pwait, ep, &e, 1, 0, NULL, 0));
	EXPECT_EQ(EPOLLHUP, e.events);
	EXPECT_RET(0, raw_syscall(__NR_read, reader, &byte, 1));
	ASSERT_OK(one = open_fifo(O_WRONLY | O_NONBLOCK));
	EXPECT_RET(0, events_of(reader));
	ASSERT_RET(1, raw_syscall(__NR_write, one, "x", 1));
	EXPECT_RET(POLLIN, events_of(reader));
}

CLAUSE_F(fifo, an_open_for_both_never_waits,
	 "fifo(7): under Linux, opening a FIFO for read and write succeeds at once, and the process can talk to "
	 "itself", USERS)
{
	long both = open_fifo(O_RDWR);
	char byte = 0;

	ASSERT_OK(both);
	EXPECT_RET(POLLOUT, events_of(both));
	EXPECT_RET(1, raw_syscall(__NR_write, both, "x", 1));
	EXPECT_RET(POLLIN | POLLOUT, events_of(both));
	EXPECT_RET(1, raw_syscall(__NR_read, both, &byte, 1));
	EXPECT_EQ('x', byte);
}

struct opener {
	const char *path;
	int flags;
	volatile long result;
};

static int opens(void *arg)
{
	struct opener *o = arg;

	o->result = raw_syscall(__NR_openat, AT_FDCWD, o->path, o->flags);
	return 0;
}

CLAUSE_F(fifo, an_open_waits_for_the_other_end,
	 "fifo(7): opening a FIFO blocks until the other end is opened too: readers for a writer and a writer for "
	 "readers, "
	 "even if that comes and goes at once", USERS)
{
	static const int flags[] = { O_RDONLY, O_WRONLY };

	for (int i = 0; i < 2; i++) {
		struct opener o[3] = { 0 };
		struct thread t[3];
		long other;

		for (int k = 0; k < 3; k++) {
			o[k] = (struct opener){ .path = self->path, .flags = flags[i] };
			ASSERT_OK(thread_start(&t[k], opens, &o[k]));
			ASSERT_TRUE(wait_until_blocked_in(t[k].known_as, __NR_openat));
		}
		other = open_fifo(flags[!i] | (i ? O_NONBLOCK : 0));
		ASSERT_OK(other);
		raw_syscall(__NR_close, other);
		for (int k = 0; k < 3; k++) {
			ASSERT_TRUE(thread_join(&t[k]));
			EXPECT_OK(o[k].result);
			raw_syscall(__NR_close, o[k].result);
		}
	}
}
