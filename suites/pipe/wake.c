// SPDX-License-Identifier: GPL-2.0-only
// pipe(7): whatever changes a pipe wakes whoever waits for that, in read, write, poll or epoll.
#include "clause.h"
#include "guard.h"
#include "sync.h"
#include "thread.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/uio.h>

#define USERS .needed_by = "go:netpoll go:pipe2 libuv:uv__io_poll rust:mio"

struct pipe {
	int out, in;	// as pipe2 has them: out of the pipe, into it
};

struct waiter {
	struct pipe *pipe;
	long (*waits)(struct waiter *w);
	int events;
	volatile long result;
	volatile unsigned int seen;
	struct thread thread;
};

static bool is_about_room(const struct waiter *w)
{
	return w->events & POLLOUT;
}

static long in_poll(struct waiter *w)
{
	struct pollfd p = { .fd = is_about_room(w) ? w->pipe->in : w->pipe->out, .events = w->events };
	long n = raw_syscall(NR_PPOLL, &p, 1, NULL, NULL, 0);

	w->seen = p.revents;
	return n;
}

static long in_epoll(struct waiter *w, unsigned int flags)
{
	struct epoll_event e = { .events = w->events | flags };
	long ep = raw_syscall(__NR_epoll_create1, 0), n;

	raw_syscall(__NR_epoll_ctl, ep, EPOLL_CTL_ADD, is_about_room(w) ? w->pipe->in : w->pipe->out, &e);
	n = raw_syscall(__NR_epoll_pwait, ep, &e, 1, -1, NULL, 0);
	w->seen = e.events;
	return n;
}

static long in_epoll_for_a_level(struct waiter *w)
{
	return in_epoll(w, 0);
}

static long in_epoll_for_an_edge(struct waiter *w)
{
	return in_epoll(w, EPOLLET);
}

static long in_read_or_write(struct waiter *w)
{
	static char byte[2];

	return is_about_room(w) ? raw_syscall(__NR_write, w->pipe->in, byte, 1) :
				  raw_syscall(__NR_read, w->pipe->out, byte + 1, 1);
}

static const struct {
	const char *name;
	long (*waits)(struct waiter *w);
	long nr[2];	// the call that it blocks in: for data, for room
} ways[] = {
	{ "read or write", in_read_or_write, { __NR_read, __NR_write } },
	{ "poll", in_poll, { NR_PPOLL, NR_PPOLL } },
	{ "epoll, level", in_epoll_for_a_level, { __NR_epoll_pwait, __NR_epoll_pwait } },
	{ "epoll, edge", in_epoll_for_an_edge, { __NR_epoll_pwait, __NR_epoll_pwait } },
};

static char *page;

static long writes(struct pipe *p)         { return raw_syscall(__NR_write, p->in, page, 1); }
static long reads_it_empty(struct pipe *p) { return raw_syscall(__NR_read, p->out, page, page_size()); }
static long closes_in(struct pipe *p)      { return raw_syscall(__NR_close, p->in) + 1; }
static long closes_out(struct pipe *p)     { return raw_syscall(__NR_close, p->out) + 1; }
static long grows(struct pipe *p)          { return raw_syscall(__NR_fcntl, p->in, F_SETPIPE_SZ, 2 * page_size()); }

static long vmsplices(struct pipe *p)
{
	struct iovec part = { page, 1 };

	return raw_syscall(__NR_vmsplice, p->in, &part, 1, 0);
}

static long splices_from_a_file(struct pipe *p)
{
	int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

	return raw_syscall(__NR_splice, file, NULL, p->in, NULL, 1, 0);
}

static long splices_from_a_pipe(struct pipe *p)
{
	int other[2];

	if (pipe(other) || write(other[1], "x", 1) != 1)
		return -EIO;
	return raw_syscall(__NR_splice, other[0], NULL, p->in, NULL, 1, 0);
}

static long tees_from_a_pipe(struct pipe *p)
{
	int other[2];

	if (pipe(other) || write(other[1], "x", 1) != 1)
		return -EIO;
	return raw_syscall(__NR_tee, other[0], p->in, 1, 0);
}

static long splices_to_a_device(struct pipe *p)
{
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

	return raw_syscall(__NR_splice, p->out, NULL, null, NULL, page_size(), 0);
}

static long splices_to_a_pipe(struct pipe *p)
{
	int other[2];

	return pipe(other) ? -EIO : raw_syscall(__NR_splice, p->out, NULL, other[1], NULL, page_size(), 0);
}

static const struct {
	const char *name;
	long (*happens)(struct pipe *p);
	int events, seen;
} causes[] = {
	{ "a write",                 writes,              POLLIN,  POLLIN },
	{ "a vmsplice",              vmsplices,           POLLIN,  POLLIN },
	{ "a splice of a file",      splices_from_a_file, POLLIN,  POLLIN },
	{ "a splice of a pipe",      splices_from_a_pipe, POLLIN,  POLLIN },
	{ "a tee",                   tees_from_a_pipe,    POLLIN,  POLLIN },
	{ "the end of the writers",  closes_in,           POLLIN,  POLLHUP },
	{ "a read",                  reads_it_empty,      POLLOUT, POLLOUT },
	{ "a splice to a device",    splices_to_a_device, POLLOUT, POLLOUT },
	{ "a splice to a pipe",      splices_to_a_pipe,   POLLOUT, POLLOUT },
	{ "a larger capacity",       grows,               POLLOUT, POLLOUT },
	{ "the end of the readers",  closes_out,          POLLOUT, POLLERR },
};

static int waits_in_thread(void *arg)
{
	struct waiter *w = arg;

	w->result = w->waits(w);
	return 0;
}

// A pipe that is empty, or full of one page.
static bool make_pipe(struct pipe *p, bool full)
{
	int ends[2];

	if (pipe(ends))
		return false;
	*p = (struct pipe){ ends[0], ends[1] };
	return !full || (fcntl(p->in, F_SETPIPE_SZ, page_size()) == (int)page_size() &&
			 write(p->in, page, page_size()) == (ssize_t)page_size());
}

CLAUSE(whatever_changes_a_pipe_wakes_who_waits_for_it,
       "pipe(7) I/O, poll(2), epoll(7), splice(2): data, room and the end of the other side, in whatever way they "
       "come, end the "
       "read, write, poll or epoll_wait that waits for them", .timeout = 30, USERS)
{
	signal(SIGPIPE, SIG_IGN);
	page = mmap(NULL, page_size(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, (void *)page);
	for (unsigned int c = 0; c < ARRAY_SIZE(causes); c++) {
		for (unsigned int how = 0; how < ARRAY_SIZE(ways); how++) {
			bool room = causes[c].events == POLLOUT;
			struct pipe p;
			struct waiter w = { .pipe = &p, .waits = ways[how].waits, .events = causes[c].events };

			ASSERT_TRUE(make_pipe(&p, room));
			ASSERT_OK(thread_start(&w.thread, waits_in_thread, &w));
			ASSERT_TRUE(wait_until_blocked_in(w.thread.known_as, ways[how].nr[room]));
			ASSERT_GT(causes[c].happens(&p), 0) TH_LOG("%s", causes[c].name);
			ASSERT_TRUE(thread_join(&w.thread))
				TH_LOG("%s, who waits in %s", causes[c].name, ways[how].name);
			if (how == 0) {
				long want = causes[c].seen == POLLHUP ? 0 : causes[c].seen == POLLERR ? -EPIPE : 1;

				EXPECT_RET(want, w.result) TH_LOG("%s", causes[c].name);
			} else {
				EXPECT_RET(1, w.result);
				EXPECT_EQ(causes[c].seen, w.seen & causes[c].seen)
					TH_LOG("%s, %s", causes[c].name, ways[how].name);
			}
			raw_syscall(__NR_close, p.in);
			raw_syscall(__NR_close, p.out);
		}
	}
}
