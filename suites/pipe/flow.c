// SPDX-License-Identifier: GPL-2.0-only
// pipe(7): blocking, waking, atomicity and the ends of a pipe, as pollers and job servers use them.
#include "clause.h"
#include "guard.h"
#include "nobody.h"
#include "sigaction.h"
#include "sync.h"
#include "thread.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>

#define USERS "go:pipe2 go:netpollBreak glibc:posix_spawn"
#define READERS 6

struct reader {
	int fd;
	char byte;
	volatile long result;
	volatile int done;
};

static int read_one(void *arg)
{
	struct reader *r = arg;

	r->result = raw_syscall(__NR_read, r->fd, &r->byte, 1);
	r->done = 1;
	return 0;
}

CLAUSE(a_write_wakes_a_blocked_read,
       "pipe(7) I/O: a read of an empty pipe blocks until data is available", .needed_by = USERS)
{
	struct reader r = { 0 };
	struct thread t;
	int ends[2];

	ASSERT_EQ(0, pipe(ends));
	r.fd = ends[0];
	ASSERT_OK(thread_start(&t, read_one, &r));
	ASSERT_TRUE(wait_until_blocked_in(t.known_as, __NR_read));
	EXPECT_RET(1, raw_syscall(__NR_write, ends[1], "x", 1));
	ASSERT_TRUE(thread_join(&t));
	EXPECT_RET(1, r.result);
	EXPECT_EQ('x', r.byte);
}

CLAUSE(closing_the_last_write_end_wakes_every_blocked_reader,
       "pipe(7) I/O: when all descriptors of the write end have been closed, a read sees end-of-file and returns 0, in "
       "whatever "
       "number readers wait [incident "
       "105]", .commit = "6551d5c56eb0 pipe: make sure to wake up everybody when the last reader/writer closes",
       .needed_by = USERS)
{
	struct reader r[READERS] = { 0 };
	struct thread t[READERS];
	int ends[2], spare;

	ASSERT_EQ(0, pipe(ends));
	spare = dup(ends[1]);
	for (int i = 0; i < READERS; i++) {
		r[i].fd = ends[0];
		ASSERT_OK(thread_start(&t[i], read_one, &r[i]));
		ASSERT_TRUE(wait_until_blocked_in(t[i].known_as, __NR_read));
	}
	EXPECT_RET(0, raw_syscall(__NR_close, ends[1]));
	for (int i = 0; i < READERS; i++)
		EXPECT_TRUE(is_blocked_in(t[i].known_as, __NR_read));	// one write end is still open
	EXPECT_RET(0, raw_syscall(__NR_close, spare));
	for (int i = 0; i < READERS; i++) {
		ASSERT_TRUE(thread_join(&t[i]));
		EXPECT_RET(0, r[i].result);
	}
}

CLAUSE(each_byte_written_reaches_exactly_one_reader,
       "pipe(7) I/O: of many readers blocked on one pipe, as many return as there are bytes, and no byte is lost or "
       "doubled",
       .needed_by = USERS)
{
	struct reader r[READERS] = { 0 };
	struct thread t[READERS];
	int ends[2], done, seen = 0;

	ASSERT_EQ(0, pipe(ends));
	for (int i = 0; i < READERS; i++) {
		r[i].fd = ends[0];
		ASSERT_OK(thread_start(&t[i], read_one, &r[i]));
		ASSERT_TRUE(wait_until_blocked_in(t[i].known_as, __NR_read));
	}
	for (char token = 0; token < READERS; token++) {
		ASSERT_RET(1, raw_syscall(__NR_write, ends[1], &token, 1));
		ASSERT_TRUE(wait_until(({ done = 0; for (int i = 0; i < READERS; i++) done += r[i].done; done > token; })));
		EXPECT_EQ(token + 1, done);
	}
	for (int i = 0; i < READERS; i++) {
		ASSERT_TRUE(thread_join(&t[i]));
		EXPECT_RET(1, r[i].result);
		seen |= 1 << r[i].byte;
	}
	EXPECT_EQ((1 << READERS) - 1, seen);
}

static volatile int signals;

static void count_signal(int sig, siginfo_t *info, void *ucontext)
{
	signals++;
}

CLAUSE(a_write_without_a_reader_is_epipe_and_sigpipe,
       "pipe(7) I/O: a write when all read ends are closed causes SIGPIPE; if it is ignored or handled, the write "
       "fails with EPIPE",
       .needed_by = USERS)
{
	int ends[2];

	ASSERT_EQ(0, pipe(ends));
	ASSERT_RET(0, raw_syscall(__NR_close, ends[0]));
	ASSERT_RET(0, raw_sigaction(SIGPIPE, count_signal, 0));
	EXPECT_ERR(EPIPE, raw_syscall(__NR_write, ends[1], "x", 1));
	EXPECT_EQ(1, signals);
	ASSERT_RET(0, raw_sigaction(SIGPIPE, SIGNAL_IGNORE, 0));
	EXPECT_ERR(EPIPE, raw_syscall(__NR_write, ends[1], "x", 1));
	EXPECT_EQ(1, signals);
}

static long poll_now(struct pollfd *p)
{
	struct __kernel_timespec none = { 0 };

	return raw_syscall(NR_PPOLL, p, 1, &none, NULL, 0);
}

CLAUSE(readiness_tells_data_room_and_hangup,
       "poll(2): POLLIN when there is data, POLLOUT when a write does not block, POLLHUP when the writers have gone "
       "and POLLERR "
       "when the readers have", .needed_by = USERS)
{
	struct pollfd in = { .events = POLLIN }, out = { .events = POLLOUT };
	char bytes[PIPE_BUF] = { 0 };
	int ends[2];

	ASSERT_EQ(0, pipe2(ends, O_NONBLOCK));
	in.fd = ends[0];
	out.fd = ends[1];
	EXPECT_RET(0, poll_now(&in));
	EXPECT_RET(1, poll_now(&out));
	EXPECT_EQ(POLLOUT, out.revents);
	ASSERT_RET(1, raw_syscall(__NR_write, ends[1], "x", 1));
	EXPECT_RET(1, poll_now(&in));
	EXPECT_EQ(POLLIN, in.revents);
	while (raw_syscall(__NR_write, ends[1], bytes, sizeof(bytes)) > 0)
		;
	EXPECT_RET(0, poll_now(&out));
	ASSERT_RET(0, raw_syscall(__NR_close, ends[0]));
	EXPECT_RET(1, poll_now(&out));
	EXPECT_EQ(POLLERR, out.revents & (POLLERR | POLLHUP));

	ASSERT_EQ(0, pipe2(ends, O_NONBLOCK));
	in.fd = ends[0];
	ASSERT_RET(1, raw_syscall(__NR_write, ends[1], "x", 1));
	ASSERT_RET(0, raw_syscall(__NR_close, ends[1]));
	EXPECT_RET(1, poll_now(&in));
	EXPECT_EQ(POLLIN | POLLHUP, in.revents);
	EXPECT_RET(1, raw_syscall(__NR_read, ends[0], bytes, sizeof(bytes)));
	EXPECT_RET(1, poll_now(&in));
	EXPECT_EQ(POLLHUP, in.revents);
	EXPECT_RET(0, raw_syscall(__NR_read, ends[0], bytes, sizeof(bytes)));
}

struct writer {
	int fd;
	char fill;
	volatile int failed;
};

#define RECORDS 64

static int write_records(void *arg)
{
	struct writer *w = arg;
	char record[512];

	memset(record, w->fill, sizeof(record));
	for (int i = 0; i < RECORDS; i++)
		if (raw_syscall(__NR_write, w->fd, record, sizeof(record)) != sizeof(record))
			w->failed = 1;
	return 0;
}

CLAUSE(writes_up_to_pipe_buf_are_never_interleaved,
       "pipe(7) PIPE_BUF: writes of up to PIPE_BUF bytes are atomic, the output of several writers is not mixed within "
       "one",
       .needed_by = USERS)
{
	struct writer w[2] = { { .fill = 'a' }, { .fill = 'b' } };
	struct thread t[2];
	char record[512];
	int ends[2], count[2] = { 0 };

	ASSERT_EQ(0, pipe(ends));
	for (int i = 0; i < 2; i++) {
		w[i].fd = ends[1];
		ASSERT_OK(thread_start(&t[i], write_records, &w[i]));
	}
	for (int i = 0; i < 2 * RECORDS; i++) {
		size_t got = 0;

		while (got < sizeof(record)) {
			long n = raw_syscall(__NR_read, ends[0], record + got, sizeof(record) - got);

			ASSERT_GT(n, 0);
			got += n;
		}
		for (size_t at = 1; at < sizeof(record); at++)
			ASSERT_EQ(record[0], record[at]);
		count[record[0] == 'b']++;
	}
	for (int i = 0; i < 2; i++) {
		ASSERT_TRUE(thread_join(&t[i]));
		EXPECT_EQ(0, w[i].failed);
		EXPECT_EQ(RECORDS, count[i]);
	}
}

struct handler_pipe {
	int fd, process;
	volatile int ready, handled;
};

static struct handler_pipe self_pipe;

static void write_from_handler(int sig, siginfo_t *info, void *ucontext)
{
	char byte = sig;

	self_pipe.handled = raw_syscall(__NR_write, self_pipe.fd, &byte, 1);
}

CLAUSE(a_write_from_a_signal_handler_wakes_another_threads_read,
       "signal-safety(7): write(2) may be called from a handler, and what it writes wakes whoever reads: the self-pipe",
       .needed_by = USERS)
{
	struct reader r = { 0 };
	struct thread t;
	int ends[2];

	ASSERT_EQ(0, pipe(ends));
	r.fd = ends[0];
	self_pipe.fd = ends[1];
	ASSERT_RET(0, raw_sigaction(SIGUSR1, write_from_handler, SA_RESTART));
	ASSERT_OK(thread_start(&t, read_one, &r));
	ASSERT_TRUE(wait_until_blocked_in(t.known_as, __NR_read));
	ASSERT_RET(0, raw_syscall(__NR_tgkill, getpid(), raw_syscall(__NR_gettid), SIGUSR1));
	ASSERT_TRUE(thread_join(&t));
	EXPECT_EQ(1, self_pipe.handled);
	EXPECT_EQ(SIGUSR1, r.byte);
}

CLAUSE(capacity_is_told_and_can_be_set,
       "fcntl(2) F_SETPIPE_SZ: the capacity becomes at least the size asked for and is returned; F_GETPIPE_SZ reads "
       "it; "
       "less than what is in the pipe is EBUSY", .needed_by = USERS)
{
	char bytes[4096] = { 0 };
	long page = page_size(), size, filled = 0;
	int ends[2];

	ASSERT_EQ(0, pipe2(ends, O_NONBLOCK));
	size = raw_syscall(__NR_fcntl, ends[0], F_SETPIPE_SZ, 2 * page);
	EXPECT_RET(2 * page, size);
	EXPECT_RET(2 * page, raw_syscall(__NR_fcntl, ends[1], F_GETPIPE_SZ));
	while (raw_syscall(__NR_write, ends[1], bytes, sizeof(bytes)) == sizeof(bytes))
		filled += sizeof(bytes);
	EXPECT_EQ(size, filled);
	EXPECT_ERR(EBUSY, raw_syscall(__NR_fcntl, ends[1], F_SETPIPE_SZ, page));
}

CLAUSE(one_write_serves_as_many_readers_as_it_has_bytes,
       "pipe(7) I/O: of readers that wait for one byte each, one write of as many bytes lets all go on: who is woken "
       "and "
       "leaves data behind wakes the next, as job servers need",
       .commit = "0ddad21d3e99 pipe: use exclusive waits when reading or writing", .needed_by = USERS)
{
	struct reader r[READERS] = { 0 };
	struct thread t[READERS];
	int ends[2], seen = 0;

	ASSERT_EQ(0, pipe(ends));
	for (int i = 0; i < READERS; i++) {
		r[i].fd = ends[0];
		ASSERT_OK(thread_start(&t[i], read_one, &r[i]));
		ASSERT_TRUE(wait_until_blocked_in(t[i].known_as, __NR_read));
	}
	ASSERT_RET(READERS, raw_syscall(__NR_write, ends[1], "\0\1\2\3\4\5", READERS));
	for (int i = 0; i < READERS; i++) {
		ASSERT_TRUE(thread_join(&t[i]));
		EXPECT_RET(1, r[i].result);
		seen |= 1 << r[i].byte;
	}
	EXPECT_EQ((1 << READERS) - 1, seen);
}

static int write_one(void *arg)
{
	struct reader *w = arg;

	w->result = raw_syscall(__NR_write, w->fd, &w->byte, 1);
	w->done = 1;
	return 0;
}

// A pipe of so many pages without room for a byte more. False if it cannot be had.
static bool full_pipe(int ends[2], int pages)
{
	size_t size = pages * page_size();
	char *bytes = guarded(size);

	return !pipe(ends) && raw_syscall(__NR_fcntl, ends[1], F_SETPIPE_SZ, size) == (long)size &&
	       raw_syscall(__NR_write, ends[1], bytes, size) == (long)size;
}

#define WRITERS 6

static bool writers_wait(struct reader *w, struct thread *t, int fd)
{
	for (int i = 0; i < WRITERS; i++) {
		w[i] = (struct reader){ .fd = fd, .byte = i };
		if (is_error(thread_start(&t[i], write_one, &w[i])) ||
		    !wait_until_blocked_in(t[i].known_as, __NR_write))
			return false;
	}
	return true;
}

CLAUSE(every_writer_goes_on_when_a_full_pipe_is_drained,
       "pipe(7) I/O: a write to a full pipe blocks until there is room: one read that empties it lets all go on that "
       "wait, in whatever number",
       .commit = "0ddad21d3e99 pipe: use exclusive waits when reading or writing", .needed_by = USERS)
{
	struct reader w[WRITERS];
	struct thread t[WRITERS];
	size_t size = 8 * page_size();
	char *bytes = guarded(size);
	int ends[2], seen = 0;

	ASSERT_TRUE(full_pipe(ends, 8));
	ASSERT_TRUE(writers_wait(w, t, ends[1]));
	EXPECT_RET(size, raw_syscall(__NR_read, ends[0], bytes, size));
	for (int i = 0; i < WRITERS; i++) {
		char byte = 31;

		ASSERT_TRUE(thread_join(&t[i]));
		EXPECT_RET(1, w[i].result);
		EXPECT_RET(1, raw_syscall(__NR_read, ends[0], &byte, 1));
		seen |= 1 << byte;
	}
	EXPECT_EQ((1 << WRITERS) - 1, seen);
}

CLAUSE(every_writer_goes_on_when_a_full_pipe_grows,
       "fcntl(2) F_SETPIPE_SZ, pipe(7) I/O: a capacity that makes room lets the writes go on that wait for it",
       .commit = "e95aada4cb93 pipe: wakeup wr_wait after setting max_usage", .needed_by = USERS)
{
	struct reader w[WRITERS];
	struct thread t[WRITERS];
	int ends[2];

	ASSERT_TRUE(full_pipe(ends, 1));
	ASSERT_TRUE(writers_wait(w, t, ends[1]));
	EXPECT_RET(8 * page_size(), raw_syscall(__NR_fcntl, ends[0], F_SETPIPE_SZ, 8 * page_size()));
	for (int i = 0; i < WRITERS; i++) {
		ASSERT_TRUE(thread_join(&t[i]));
		EXPECT_RET(1, w[i].result);
	}
}

CLAUSE(closing_the_last_read_end_wakes_every_blocked_writer,
       "pipe(7) I/O: when all descriptors of the read end have been closed, every write that waits for room ends with "
       "EPIPE", .commit = "6551d5c56eb0 pipe: make sure to wake up everybody when the last reader/writer closes",
       .needed_by = USERS)
{
	struct reader w[WRITERS];
	struct thread t[WRITERS];
	int ends[2];

	ASSERT_RET(0, raw_sigaction(SIGPIPE, SIGNAL_IGNORE, 0));
	ASSERT_TRUE(full_pipe(ends, 1));
	ASSERT_TRUE(writers_wait(w, t, ends[1]));
	EXPECT_RET(0, raw_syscall(__NR_close, ends[0]));
	for (int i = 0; i < WRITERS; i++) {
		ASSERT_TRUE(thread_join(&t[i]));
		EXPECT_ERR(EPIPE, w[i].result);
	}
}

CLAUSE(a_nonblocking_write_up_to_pipe_buf_is_whole_or_not_at_all,
       "pipe(7) PIPE_BUF: with O_NONBLOCK, a write of up to PIPE_BUF bytes succeeds whole when there is room for all "
       "of it, "
       "else fails with EAGAIN: never in part", .needed_by = USERS)
{
	static const int sizes[] = { 1, 7, 100, 1000, 1365, 2047, 2049, 3000, PIPE_BUF - 1, PIPE_BUF };
	char record[PIPE_BUF], seen[PIPE_BUF];
	int ends[2];

	for (unsigned int i = 0; i < ARRAY_SIZE(sizes); i++) {
		long size = sizes[i], n;
		int written = 0;

		ASSERT_EQ(0, pipe2(ends, O_NONBLOCK));
		ASSERT_RET(2 * page_size(), raw_syscall(__NR_fcntl, ends[1], F_SETPIPE_SZ, 2 * page_size()));
		do {
			memset(record, written, size);
			n = raw_syscall(__NR_write, ends[1], record, size);
			written += n == size;
		} while (n == size);
		EXPECT_ERR(EAGAIN, n) TH_LOG("record %d of %ld bytes", written, size);
		EXPECT_GT(written, 0);
		for (int k = 0; k < written; k++) {
			memset(record, k, size);
			ASSERT_RET(size, raw_syscall(__NR_read, ends[0], seen, size));
			ASSERT_EQ(0, memcmp(record, seen, size));
		}
		EXPECT_ERR(EAGAIN, raw_syscall(__NR_read, ends[0], seen, 1));
		raw_syscall(__NR_close, ends[0]);
		raw_syscall(__NR_close, ends[1]);
	}
}

CLAUSE(the_largest_capacity_holds_for_those_without_privilege,
       "pipe(7) /proc/sys/fs/pipe-max-size, fcntl(2) ERRORS EPERM: who lacks CAP_SYS_RESOURCE can set no larger "
       "capacity, "
       "and the pipe keeps the one it has", .needed_by = USERS)
{
	char text[32];
	long largest, before;
	int ends[2];

	if (read_text("/proc/sys/fs/pipe-max-size", text, sizeof(text)) <= 0)
		SKIP(return, "no /proc/sys/fs/pipe-max-size");
	largest = atol(text);
	ASSERT_GT(largest, 0);
	if (largest > 1 << 29 || (geteuid() == 0 && !can_become(NOBODY, NOBODY)))
		SKIP(return, "no capacity is too large here, or nobody is without privilege");
	IN_CHILD {
		if (geteuid() == 0)
			ASSERT_TRUE(become(NOBODY, NOBODY));
		ASSERT_EQ(0, pipe(ends));
		before = raw_syscall(__NR_fcntl, ends[0], F_GETPIPE_SZ);
		EXPECT_ERR(EPERM, raw_syscall(__NR_fcntl, ends[0], F_SETPIPE_SZ, largest + 1));
		EXPECT_ERR(EPERM, raw_syscall(__NR_fcntl, ends[1], F_SETPIPE_SZ, 2 * largest));
		EXPECT_RET(before, raw_syscall(__NR_fcntl, ends[0], F_GETPIPE_SZ));
	}
}
