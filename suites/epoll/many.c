// SPDX-License-Identifier: GPL-2.0-only
// epoll(7): several instances on one descriptor, and instances that watch each other: whoever waits is woken.
#include "clause.h"
#include "epoll.h"
#include "sync.h"
#include "thread.h"

#include <poll.h>

struct waiter {
	int ep;
	volatile long result;
	struct epoll_event event;
	struct thread thread;
};

static int waits(void *arg)
{
	struct waiter *w = arg;

	w->result = epoll_collect(w->ep, &w->event, 1, -1);
	return 0;
}

static int polls(void *arg)
{
	struct waiter *w = arg;
	struct pollfd p = { .fd = w->ep, .events = POLLIN };

	w->result = raw_syscall(NR_PPOLL, &p, 1, NULL, NULL, 0);
	return 0;
}

static bool starts(struct waiter *w, int ep, int (*how)(void *))
{
	*w = (struct waiter){ .ep = ep };
	return !is_error(thread_start(&w->thread, how, w)) &&
	       wait_until_blocked_in(w->thread.known_as, how == polls ? NR_PPOLL : __NR_epoll_pwait);
}

#define INSTANCES 4

CLAUSE(an_exclusive_wake_up_reaches_an_instance_with_a_waiter,
       "epoll_ctl(2) EPOLLEXCLUSIVE: one or more of the instances attached receive the event: the one that a thread "
       "waits "
       "on, when no thread waits on the others, in whatever order they were attached", .needed_by = EPOLL_USERS)
{
	uint64_t one = 1;

	for (int who = 0; who < INSTANCES; who++) {
		long fd = raw_syscall(__NR_eventfd2, 0, EFD_NONBLOCK), ep[INSTANCES];
		struct waiter w;

		for (int i = 0; i < INSTANCES; i++) {
			ASSERT_OK(ep[i] = new_epoll());
			ASSERT_RET(0, epoll_change(ep[i], EPOLL_CTL_ADD, fd,
						   EPOLLIN | EPOLLEXCLUSIVE | (i % 2 ? EPOLLET : 0), i));
		}
		ASSERT_TRUE(starts(&w, ep[who], waits));
		ASSERT_RET(8, raw_syscall(__NR_write, fd, &one, 8));
		ASSERT_TRUE(thread_join(&w.thread)) TH_LOG("instance %d", who);
		EXPECT_RET(1, w.result);
		EXPECT_EQ(who, w.event.data.u64);
		for (int i = 0; i < INSTANCES; i++)
			raw_syscall(__NR_close, ep[i]);
		raw_syscall(__NR_close, fd);
	}
}

CLAUSE(an_exclusive_wake_up_is_not_spent_on_who_waits_for_something_else,
       "epoll_ctl(2) EPOLLEXCLUSIVE: an instance that waits for another event of the descriptor does not take the "
       "wake-up "
       "from the one that waits for this", .needed_by = EPOLL_USERS)
{
	static const char bytes[4096];
	struct waiter writer, reader;
	long out = new_epoll(), in = new_epoll();
	char byte[4096];
	int ends[2];

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends));
	while (raw_syscall(__NR_write, ends[0], bytes, sizeof(bytes)) > 0)
		;
	ASSERT_RET(0, epoll_change(out, EPOLL_CTL_ADD, ends[0], EPOLLOUT | EPOLLEXCLUSIVE, 1));
	ASSERT_RET(0, epoll_change(in, EPOLL_CTL_ADD, ends[0], EPOLLIN | EPOLLEXCLUSIVE, 2));
	ASSERT_TRUE(starts(&writer, out, waits));
	ASSERT_TRUE(starts(&reader, in, waits));
	ASSERT_RET(1, raw_syscall(__NR_write, ends[1], "x", 1));
	ASSERT_TRUE(thread_join(&reader.thread));
	EXPECT_RET(1, reader.result);
	EXPECT_EQ(EPOLLIN, reader.event.events);
	EXPECT_TRUE(is_blocked_in(writer.thread.known_as, __NR_epoll_pwait));
	while (raw_syscall(__NR_read, ends[1], byte, sizeof(byte)) > 0)
		;
	ASSERT_TRUE(thread_join(&writer.thread));
	EXPECT_EQ(EPOLLOUT, writer.event.events);
}

CLAUSE(each_instance_attached_without_exclusion_is_woken,
       "epoll(7) Questions: a descriptor may be in several instances: events are reported to all of them, and with "
       "EPOLLEXCLUSIVE on some, to those without it still", .needed_by = EPOLL_USERS)
{
	for (int exclusive = 0; exclusive < 2; exclusive++) {
		long fd = raw_syscall(__NR_eventfd2, 0, EFD_NONBLOCK);
		struct waiter w[INSTANCES];
		uint64_t one = 1;

		for (int i = 0; i < INSTANCES; i++) {
			long ep = new_epoll(), other = new_epoll();

			ASSERT_RET(0, epoll_change(other, EPOLL_CTL_ADD, fd,
						   exclusive ? EPOLLIN | EPOLLEXCLUSIVE : EPOLLIN, 0));
			ASSERT_RET(0, epoll_change(ep, EPOLL_CTL_ADD, fd, EPOLLIN, i));
			ASSERT_TRUE(starts(&w[i], ep, waits));
		}
		ASSERT_RET(8, raw_syscall(__NR_write, fd, &one, 8));
		for (int i = 0; i < INSTANCES; i++) {
			ASSERT_TRUE(thread_join(&w[i].thread));
			EXPECT_RET(1, w[i].result);
			EXPECT_EQ(i, w[i].event.data.u64);
		}
	}
}

// Ways in which an instance gets an event.
static long adds_what_is_ready(int inner, int fd)
{
	return epoll_change(inner, EPOLL_CTL_ADD, fd, EPOLLOUT, 0);
}

static long rearms_what_is_ready(int inner, int fd)
{
	return epoll_change(inner, EPOLL_CTL_ADD, fd, EPOLLIN, 0) ?:
	       epoll_change(inner, EPOLL_CTL_MOD, fd, EPOLLOUT, 0);
}

static long makes_it_ready(int inner, int fd)
{
	static const uint64_t one = 1;

	return epoll_change(inner, EPOLL_CTL_ADD, fd, EPOLLIN | EPOLLET, 0) ?:
	       raw_syscall(__NR_write, fd, &one, 8) - 8;
}

static const struct {
	const char *what;
	long (*happens)(int inner, int fd);
} causes[] = {
	{ "a ready descriptor is added", adds_what_is_ready },
	{ "a registration is changed to what is ready", rearms_what_is_ready },
	{ "a descriptor becomes ready", makes_it_ready },
};

CLAUSE(an_instance_that_gets_an_event_wakes_who_watches_it,
       "epoll(7) Questions: an epoll descriptor is itself poll/epoll/selectable: if it has events waiting it "
       "indicates as "
       "being readable, to who waits for that already, however the event came about", .needed_by = EPOLL_USERS)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(causes); i++) {
		for (int depth = 0; depth < 4; depth++) {
			long fd = raw_syscall(__NR_eventfd2, 0, EFD_NONBLOCK), inner = new_epoll(), outer = inner;
			struct waiter w;

			// 0: poll(2) watches it; else so many instances, one within the other.
			for (int level = 0; level < depth; level++) {
				long next = new_epoll();

				ASSERT_RET(0, epoll_change(next, EPOLL_CTL_ADD, outer,
							   level ? EPOLLIN | EPOLLET : EPOLLIN, 0));
				outer = next;
			}
			ASSERT_TRUE(starts(&w, outer, depth ? waits : polls));
			ASSERT_RET(0, causes[i].happens(inner, fd));
			ASSERT_TRUE(thread_join(&w.thread)) TH_LOG("%s, depth %d", causes[i].what, depth);
			EXPECT_RET(1, w.result);
		}
	}
}
