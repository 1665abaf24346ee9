// SPDX-License-Identifier: GPL-2.0-only
// epoll(7): which changes are events under level and edge triggering: what Go's poller stands on.
#include "clause.h"
#include "epoll.h"
#include "sync.h"
#include "thread.h"

// A stream socket pair, a pipe or an eventfd behind one face: the read side is watched, the write side fed.
FIXTURE(channel) {
	int ep, in, out;
};
FIXTURE_VARIANT(channel) {
	int (*make)(int ends[2]);
};

static int make_pipe(int ends[2])
{
	return pipe2(ends, O_NONBLOCK);
}

static int make_sockets(int ends[2])
{
	return socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends);
}

FIXTURE_VARIANT_ADD(channel, pipe) { .make = make_pipe };
FIXTURE_VARIANT_ADD(channel, socket) { .make = make_sockets };

FIXTURE_SETUP(channel)
{
	int ends[2];

	ASSERT_EQ(0, variant->make(ends));
	self->in = ends[0];
	self->out = ends[1];
	self->ep = new_epoll();
	ASSERT_OK(self->ep);
}

FIXTURE_TEARDOWN(channel)
{
}

#define put(fd) raw_syscall(__NR_write, fd, "x", 1)

static long get(int fd)
{
	char byte;

	return raw_syscall(__NR_read, fd, &byte, 1);
}

CLAUSE_F(channel, level_triggering_repeats_until_drained,
	 "epoll(7) Level-triggered: the event is reported by each wait for as long as the condition "
	 "lasts", .needed_by = EPOLL_USERS)
{
	ASSERT_RET(0, epoll_change(self->ep, EPOLL_CTL_ADD, self->in, EPOLLIN, 0));
	EXPECT_RET(0, epoll_now(self->ep));
	ASSERT_RET(1, put(self->out));
	ASSERT_RET(1, put(self->out));
	for (int i = 0; i < 3; i++)
		EXPECT_RET(EPOLLIN, epoll_now(self->ep));
	ASSERT_RET(1, get(self->in));
	EXPECT_RET(EPOLLIN, epoll_now(self->ep));
	ASSERT_RET(1, get(self->in));
	EXPECT_RET(0, epoll_now(self->ep));
}

CLAUSE_F(channel, edge_triggering_reports_each_write_once,
	 "epoll(7) Edge-triggered: one event for each change; data that arrives is a change, whether or not earlier "
	 "data was read "
	 "[EPL-1] [incident 106]", .commit = "3a34b13a88ca pipe: make pipe writes always wake up readers", .needed_by = EPOLL_USERS)
{
	ASSERT_RET(0, epoll_change(self->ep, EPOLL_CTL_ADD, self->in, EPOLLIN | EPOLLET, 0));
	EXPECT_RET(0, epoll_now(self->ep));
	for (int i = 0; i < 4; i++) {
		ASSERT_RET(1, put(self->out));
		EXPECT_RET(EPOLLIN, epoll_now(self->ep));
		EXPECT_RET(0, epoll_now(self->ep));	// once
	}
	// A partial read is no event, and new data after it is one.
	ASSERT_RET(1, get(self->in));
	EXPECT_RET(0, epoll_now(self->ep));
	ASSERT_RET(1, put(self->out));
	EXPECT_RET(EPOLLIN, epoll_now(self->ep));
}

CLAUSE_F(channel, what_is_ready_when_added_is_reported_at_once,
	 "epoll(7): registering or modifying a descriptor that is ready makes it reported, edge-triggered too [EPL-2]",
	 .needed_by = EPOLL_USERS)
{
	ASSERT_RET(1, put(self->out));
	ASSERT_RET(0, epoll_change(self->ep, EPOLL_CTL_ADD, self->in, EPOLLIN | EPOLLET, 0));
	EXPECT_RET(EPOLLIN, epoll_now(self->ep));
	EXPECT_RET(0, epoll_now(self->ep));
	ASSERT_RET(0, epoll_change(self->ep, EPOLL_CTL_MOD, self->in, EPOLLIN | EPOLLET, 0));
	EXPECT_RET(EPOLLIN, epoll_now(self->ep));
}

CLAUSE_F(channel, one_shot_is_disarmed_by_its_event_until_modified,
	 "epoll_ctl(2) EPOLLONESHOT: after an event the descriptor is disabled, hangups included, and must be "
	 "rearmed with "
	 "EPOLL_CTL_MOD",
	 .needed_by = EPOLL_USERS)
{
	ASSERT_RET(0, epoll_change(self->ep, EPOLL_CTL_ADD, self->in, EPOLLIN | EPOLLONESHOT, 0));
	ASSERT_RET(1, put(self->out));
	EXPECT_RET(EPOLLIN, epoll_now(self->ep));
	ASSERT_RET(1, put(self->out));
	EXPECT_RET(0, epoll_now(self->ep));
	ASSERT_RET(0, epoll_change(self->ep, EPOLL_CTL_MOD, self->in, EPOLLIN | EPOLLONESHOT, 0));
	EXPECT_RET(EPOLLIN, epoll_now(self->ep));
	ASSERT_RET(0, raw_syscall(__NR_close, self->out));
	EXPECT_RET(0, epoll_now(self->ep));
	ASSERT_RET(0, epoll_change(self->ep, EPOLL_CTL_MOD, self->in, EPOLLIN | EPOLLONESHOT, 0));
	EXPECT_RET(EPOLLIN | EPOLLHUP, epoll_now(self->ep));
	EXPECT_RET(0, epoll_now(self->ep));
}

CLAUSE_F(channel, a_hangup_is_reported_unasked,
	 "epoll_ctl(2): EPOLLERR and EPOLLHUP are always reported and need not be set "
	 "[EPL-9]", .needed_by = EPOLL_USERS)
{
	ASSERT_RET(0, epoll_change(self->ep, EPOLL_CTL_ADD, self->in, EPOLLET, 0));
	EXPECT_RET(0, epoll_now(self->ep));
	ASSERT_RET(0, raw_syscall(__NR_close, self->out));
	EXPECT_EQ(EPOLLHUP, epoll_now(self->ep) & (EPOLLHUP | EPOLLERR));
}

CLAUSE_F(channel, room_that_returns_is_an_edge_for_the_writer,
	 "epoll(7) Edge-triggered: when a full pipe or socket has been drained its write side reports EPOLLOUT again "
	 "[EPL-1]",
	 .needed_by = EPOLL_USERS)
{
	static char bytes[4096];
	long n;

	ASSERT_RET(0, epoll_change(self->ep, EPOLL_CTL_ADD, self->out, EPOLLOUT | EPOLLET, 0));
	EXPECT_RET(EPOLLOUT, epoll_now(self->ep));
	while ((n = raw_syscall(__NR_write, self->out, bytes, sizeof(bytes))) > 0)
		;
	ASSERT_ERR(EAGAIN, n);
	EXPECT_RET(0, epoll_now(self->ep));
	while ((n = raw_syscall(__NR_read, self->in, bytes, sizeof(bytes))) > 0)
		;
	ASSERT_ERR(EAGAIN, n);
	EXPECT_RET(EPOLLOUT, epoll_now(self->ep));
}

CLAUSE(a_socket_tells_that_its_peer_stopped_writing,
       "epoll_ctl(2) EPOLLRDHUP: stream socket peer closed connection, or shut down the writing half [EPL-9]",
       .needed_by = EPOLL_USERS)
{
	int ends[2];
	long ep = new_epoll();

	ASSERT_EQ(0, make_sockets(ends));
	ASSERT_RET(0, epoll_change(ep, EPOLL_CTL_ADD, ends[0], GO_EVENTS, 0));
	EXPECT_RET(EPOLLOUT, epoll_now(ep));
	ASSERT_EQ(0, shutdown(ends[1], SHUT_WR));
	EXPECT_RET(EPOLLIN | EPOLLOUT | EPOLLRDHUP, epoll_now(ep));
	ASSERT_RET(0, raw_syscall(__NR_close, ends[1]));
	EXPECT_RET(EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLHUP, epoll_now(ep));
}

CLAUSE(an_eventfd_reports_each_write_under_edge_triggering,
       "epoll(7) Edge-triggered, eventfd(2): each write is a change, even if the counter was not read between [EPL-8]",
       .needed_by = EPOLL_USERS)
{
	long ep = new_epoll(), fd = raw_syscall(__NR_eventfd2, 0, EFD_NONBLOCK);
	uint64_t one = 1;

	ASSERT_RET(0, epoll_change(ep, EPOLL_CTL_ADD, fd, EPOLLIN | EPOLLET, 0));
	for (int i = 0; i < 3; i++) {
		ASSERT_RET(8, raw_syscall(__NR_write, fd, &one, 8));
		EXPECT_RET(EPOLLIN, epoll_now(ep));
		EXPECT_RET(0, epoll_now(ep));
	}
}
