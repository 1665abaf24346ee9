// SPDX-License-Identifier: GPL-2.0-only
// eventfd(2): the counter that wakes a poller.
#include "clause.h"
#include "guard.h"
#include "sync.h"
#include "thread.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#define USERS "go:netpollBreak libuv:uv_async erlang:poller"
#define LARGEST 0xfffffffffffffffeULL

#define new_eventfd(value, flags) raw_syscall(__NR_eventfd2, value, flags)

static long add(int fd, uint64_t value)
{
	return raw_syscall(__NR_write, fd, &value, sizeof(value));
}

static long take(int fd, uint64_t *value)
{
	return raw_syscall(__NR_read, fd, value, sizeof(*value));
}

static long events_of(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN | POLLOUT | POLLPRI | POLLERR };
	struct __kernel_timespec none = { 0 };
	long n = raw_syscall(NR_PPOLL, &p, 1, &none, NULL, 0);

	return is_error(n) ? n : p.revents;
}

CLAUSE(a_read_takes_the_sum_of_the_writes_and_resets_it,
       "eventfd(2): write adds to the counter, read returns it as 8 bytes in host byte order and resets it to zero "
       "[EPL-8]",
       .needed_by = USERS)
{
	uint64_t *value = guarded(sizeof(*value));
	long fd = new_eventfd(5, EFD_NONBLOCK | EFD_CLOEXEC);

	ASSERT_OK(fd);
	EXPECT_RET(8, add(fd, 1));
	EXPECT_RET(8, add(fd, 0x100000000ULL));
	EXPECT_RET(8, take(fd, value));
	EXPECT_EQ(0x100000006ULL, *value);
	EXPECT_INTACT(value);
	EXPECT_ERR(EAGAIN, take(fd, value));
	EXPECT_EQ(0x100000006ULL, *value);
	EXPECT_RET(8, add(fd, 0));
	EXPECT_ERR(EAGAIN, take(fd, value));
}

CLAUSE(a_semaphore_gives_one_at_a_time,
       "eventfd(2) EFD_SEMAPHORE: read returns 1 and decrements the counter by 1", .needed_by = USERS)
{
	uint64_t value = 0;
	long fd = new_eventfd(3, EFD_NONBLOCK | EFD_SEMAPHORE);

	ASSERT_OK(fd);
	for (int i = 0; i < 3; i++) {
		EXPECT_RET(8, take(fd, &value));
		EXPECT_EQ(1, value);
	}
	EXPECT_ERR(EAGAIN, take(fd, &value));
}

CLAUSE(flags_are_those_asked_for_and_no_others_exist,
       "eventfd(2) ERRORS EINVAL: an unsupported value was specified in flags", .needed_by = USERS)
{
	const unsigned int known = EFD_SEMAPHORE | EFD_NONBLOCK | EFD_CLOEXEC;
	long fd = new_eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC), plain = new_eventfd(0, 0);

	EXPECT_EQ(FD_CLOEXEC, raw_syscall(__NR_fcntl, fd, F_GETFD));
	EXPECT_EQ(O_NONBLOCK, raw_syscall(__NR_fcntl, fd, F_GETFL) & O_NONBLOCK);
	EXPECT_EQ(0, raw_syscall(__NR_fcntl, plain, F_GETFD));
	EXPECT_EQ(0, raw_syscall(__NR_fcntl, plain, F_GETFL) & O_NONBLOCK);
	for (int bit = 0; bit < 32; bit++) {
		if (!(known & 1U << bit)) {
			EXPECT_ERR(EINVAL, new_eventfd(0, 1U << bit));
		}
	}
}

CLAUSE(the_counter_stops_one_short_of_its_width,
       "eventfd(2): the maximum value is 2^64-2; a write that would exceed it fails with EAGAIN if nonblocking, and "
       "the value "
       "2^64-1 or fewer than 8 bytes with EINVAL [EPL-8]", .needed_by = USERS)
{
	uint64_t value = 7;
	long fd = new_eventfd(0, EFD_NONBLOCK);

	EXPECT_RET(8, add(fd, LARGEST));
	EXPECT_ERR(EAGAIN, add(fd, 1));
	EXPECT_ERR(EINVAL, add(fd, ~0ULL));
	EXPECT_ERR(EINVAL, raw_syscall(__NR_write, fd, &value, 7));
	EXPECT_ERR(EINVAL, raw_syscall(__NR_read, fd, &value, 7));
	EXPECT_EQ(7, value);
	EXPECT_RET(8, take(fd, &value));
	EXPECT_EQ(LARGEST, value);
	EXPECT_RET(8, add(fd, 1));
	EXPECT_ERR(EFAULT, raw_syscall(__NR_write, fd, unmapped_page(), 8));
	EXPECT_RET(8, take(fd, &value));
	EXPECT_EQ(1, value);
}

CLAUSE(readiness_follows_the_counter,
       "eventfd(2): POLLIN while the counter is greater than 0, POLLOUT while 1 can be written without blocking "
       "[EPL-8]",
       .needed_by = USERS)
{
	uint64_t value;
	long fd = new_eventfd(0, EFD_NONBLOCK);

	EXPECT_RET(POLLOUT, events_of(fd));
	ASSERT_RET(8, add(fd, 1));
	EXPECT_RET(POLLIN | POLLOUT, events_of(fd));
	ASSERT_RET(8, add(fd, LARGEST - 1));
	EXPECT_RET(POLLIN, events_of(fd));
	ASSERT_RET(8, take(fd, &value));
	EXPECT_RET(POLLOUT, events_of(fd));
}

struct blocked {
	int fd;
	uint64_t value;
	long result;
};

static int take_blocking(void *arg)
{
	struct blocked *b = arg;

	b->result = raw_syscall(__NR_read, b->fd, &b->value, 8);
	return 0;
}

static int add_blocking(void *arg)
{
	struct blocked *b = arg;

	b->result = raw_syscall(__NR_write, b->fd, &b->value, 8);
	return 0;
}

CLAUSE(a_blocked_read_and_a_blocked_write_wake_each_other,
       "eventfd(2): without EFD_NONBLOCK a read blocks until the counter is nonzero and a write until it has room",
       .needed_by = USERS)
{
	struct blocked b = { .fd = new_eventfd(0, 0) };
	struct thread t;
	uint64_t value;

	ASSERT_OK(thread_start(&t, take_blocking, &b));
	ASSERT_TRUE(wait_until_blocked_in(t.known_as, __NR_read));
	EXPECT_RET(8, add(b.fd, 9));
	ASSERT_TRUE(thread_join(&t));
	EXPECT_RET(8, b.result);
	EXPECT_EQ(9, b.value);

	ASSERT_RET(8, add(b.fd, LARGEST));
	b.value = 4;
	ASSERT_OK(thread_start(&t, add_blocking, &b));
	ASSERT_TRUE(wait_until_blocked_in(t.known_as, __NR_write));
	EXPECT_RET(8, take(b.fd, &value));
	ASSERT_TRUE(thread_join(&t));
	EXPECT_RET(8, b.result);
	EXPECT_RET(8, take(b.fd, &value));
	EXPECT_EQ(4, value);
}

CLAUSE(a_semaphore_wakes_writers_with_each_read_and_readers_with_each_write,
       "eventfd(2) EFD_SEMAPHORE: a read that takes 1 makes room: a write that waits goes on and pollers see "
       "EPOLLOUT anew, "
       "though the counter is not 0; one write lets as many reads go on as it adds", .needed_by = USERS)
{
	struct epoll_event e = { .events = EPOLLOUT | EPOLLET };
	struct blocked b[4] = { { 0 } };
	struct thread t[4];
	uint64_t value;
	long fd = new_eventfd(0, EFD_SEMAPHORE), ep = raw_syscall(__NR_epoll_create1, 0);

	for (int i = 0; i < 4; i++) {
		b[i].fd = fd;
		ASSERT_OK(thread_start(&t[i], take_blocking, &b[i]));
		ASSERT_TRUE(wait_until_blocked_in(t[i].known_as, __NR_read));
	}
	ASSERT_RET(8, add(fd, 4));
	for (int i = 0; i < 4; i++) {
		ASSERT_TRUE(thread_join(&t[i]));
		EXPECT_RET(8, b[i].result);
		EXPECT_EQ(1, b[i].value);
	}

	ASSERT_RET(8, add(fd, LARGEST));
	ASSERT_RET(0, raw_syscall(__NR_epoll_ctl, ep, EPOLL_CTL_ADD, fd, &e));
	EXPECT_RET(0, raw_syscall(__NR_epoll_pwait, ep, &e, 1, 0, NULL, 0));
	EXPECT_RET(8, take(fd, &value));
	EXPECT_RET(1, raw_syscall(__NR_epoll_pwait, ep, &e, 1, 0, NULL, 0));
	ASSERT_RET(8, add(fd, 1));
	b[0].value = 1;
	ASSERT_OK(thread_start(&t[0], add_blocking, &b[0]));
	ASSERT_TRUE(wait_until_blocked_in(t[0].known_as, __NR_write));
	EXPECT_RET(8, take(fd, &value));
	EXPECT_EQ(1, value);
	ASSERT_TRUE(thread_join(&t[0]));
	EXPECT_RET(8, b[0].result);
}
