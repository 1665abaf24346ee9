// SPDX-License-Identifier: GPL-2.0-only
// Typed raw calls of epoll(7) for this suite; each returns the kernel's value or -errno.
#ifndef EPOLL_H
#define EPOLL_H

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>

#include "sys.h"

// What Go registers each network descriptor for.
#define GO_EVENTS (EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET)
#define EPOLL_USERS "go:netpoll libuv:uv__io_poll erlang:poller rust:mio"

#define new_epoll() raw_syscall(__NR_epoll_create1, EPOLL_CLOEXEC)

// As Go calls it: epoll_pwait with no mask, since Android's filters refuse epoll_wait.
#define epoll_collect(ep, events, max, ms) raw_syscall(__NR_epoll_pwait, ep, events, max, ms, NULL, 0)

static inline long epoll_change(int ep, int op, int fd, uint32_t events, uint64_t data)
{
	struct epoll_event e = { .events = events, .data.u64 = data };

	return raw_syscall(__NR_epoll_ctl, ep, op, fd, &e);
}

// The events that fd's registration reports now, without waiting; 0 if none.
static inline long epoll_now(int ep)
{
	struct epoll_event e[4];
	long n = epoll_collect(ep, e, 4, 0);

	return n == 1 ? (long)e[0].events : n;
}

#endif
