// SPDX-License-Identifier: GPL-2.0-only
// epoll_ctl(2), epoll_create1(2): registration, its errors and its end.
#include "clause.h"
#include "epoll.h"
#include "guard.h"

#include <stdlib.h>

CLAUSE(create_takes_one_flag,
       "epoll_create(2) ERRORS EINVAL: invalid value in flags; EPOLL_CLOEXEC is the only one", .needed_by = EPOLL_USERS)
{
	long plain = raw_syscall(__NR_epoll_create1, 0), ep = new_epoll();

	ASSERT_OK(plain);
	ASSERT_OK(ep);
	EXPECT_EQ(0, raw_syscall(__NR_fcntl, plain, F_GETFD));
	EXPECT_EQ(FD_CLOEXEC, raw_syscall(__NR_fcntl, ep, F_GETFD));
	for (int bit = 0; bit < 32; bit++) {
		if (1U << bit != EPOLL_CLOEXEC) {
			EXPECT_ERR(EINVAL, raw_syscall(__NR_epoll_create1, 1U << bit));
		}
	}
}

CLAUSE(registration_happens_once_and_ends_once,
       "epoll_ctl(2) ERRORS: EEXIST for a descriptor that is registered, ENOENT to modify or delete one that is not "
       "[EPL-6]",
       .needed_by = EPOLL_USERS)
{
	long ep = new_epoll(), fd = raw_syscall(__NR_eventfd2, 0, EFD_NONBLOCK);

	EXPECT_ERR(ENOENT, epoll_change(ep, EPOLL_CTL_MOD, fd, EPOLLIN, 0));
	EXPECT_ERR(ENOENT, epoll_change(ep, EPOLL_CTL_DEL, fd, 0, 0));
	EXPECT_RET(0, epoll_change(ep, EPOLL_CTL_ADD, fd, EPOLLIN, 0));
	EXPECT_ERR(EEXIST, epoll_change(ep, EPOLL_CTL_ADD, fd, EPOLLIN, 0));
	EXPECT_RET(0, epoll_change(ep, EPOLL_CTL_MOD, fd, EPOLLOUT, 0));
	EXPECT_RET(EPOLLOUT, epoll_now(ep));
	EXPECT_RET(0, raw_syscall(__NR_epoll_ctl, ep, EPOLL_CTL_DEL, fd, NULL));
	EXPECT_ERR(ENOENT, epoll_change(ep, EPOLL_CTL_DEL, fd, 0, 0));
	EXPECT_RET(0, epoll_now(ep));
}

CLAUSE(what_cannot_be_polled_is_refused,
       "epoll_ctl(2) ERRORS: EPERM for a regular file or directory, EBADF for what is not open, EINVAL for the "
       "instance itself, "
       "an unknown operation or a descriptor that is no epoll, EFAULT for a bad event "
       "[EPL-6]", .needed_by = EPOLL_USERS)
{
	long ep = new_epoll(), fd = raw_syscall(__NR_eventfd2, 0, EFD_NONBLOCK);
	int file = open("/proc/self/exe", O_RDONLY), folder = open("/", O_RDONLY);

	EXPECT_ERR(EPERM, epoll_change(ep, EPOLL_CTL_ADD, file, EPOLLIN, 0));
	EXPECT_ERR(EPERM, epoll_change(ep, EPOLL_CTL_ADD, folder, EPOLLIN, 0));
	EXPECT_ERR(EBADF, epoll_change(ep, EPOLL_CTL_ADD, 999, EPOLLIN, 0));
	EXPECT_ERR(EBADF, epoll_change(999, EPOLL_CTL_ADD, fd, EPOLLIN, 0));
	EXPECT_ERR(EINVAL, epoll_change(ep, EPOLL_CTL_ADD, ep, EPOLLIN, 0));
	EXPECT_ERR(EINVAL, epoll_change(fd, EPOLL_CTL_ADD, ep, EPOLLIN, 0));
	EXPECT_ERR(EINVAL, epoll_change(ep, 99, fd, EPOLLIN, 0));
	EXPECT_ERR(EFAULT, raw_syscall(__NR_epoll_ctl, ep, EPOLL_CTL_ADD, fd, unmapped_page()));
	EXPECT_ERR(ENOENT, epoll_change(ep, EPOLL_CTL_DEL, fd, 0, 0));
}

CLAUSE(exclusive_wakeups_are_for_adding_alone,
       "epoll_ctl(2) EPOLLEXCLUSIVE: may be used with EPOLL_CTL_ADD and EPOLLIN, EPOLLOUT, EPOLLERR, EPOLLHUP, "
       "EPOLLWAKEUP and "
       "EPOLLET; otherwise EINVAL", .needed_by = EPOLL_USERS)
{
	long ep = new_epoll(), fd = raw_syscall(__NR_eventfd2, 0, EFD_NONBLOCK), inner = new_epoll();

	EXPECT_ERR(EINVAL, epoll_change(ep, EPOLL_CTL_ADD, fd, EPOLLIN | EPOLLEXCLUSIVE | EPOLLONESHOT, 0));
	EXPECT_ERR(EINVAL, epoll_change(ep, EPOLL_CTL_ADD, inner, EPOLLIN | EPOLLEXCLUSIVE, 0));
	EXPECT_RET(0, epoll_change(ep, EPOLL_CTL_ADD, fd, EPOLLIN | EPOLLEXCLUSIVE | EPOLLET, 0));
	EXPECT_ERR(EINVAL, epoll_change(ep, EPOLL_CTL_MOD, fd, EPOLLIN, 0));
	EXPECT_ERR(EINVAL, epoll_change(ep, EPOLL_CTL_MOD, fd, EPOLLIN | EPOLLEXCLUSIVE, 0));
}

CLAUSE(data_comes_back_bit_for_bit,
       "epoll_ctl(2): the kernel saves the 64 bits of epoll_data and returns them with each event "
       "[EPL-7]", .needed_by = EPOLL_USERS)
{
	static const uint64_t data[] = { 0, ~0ULL, 0x8000000000000001ULL, 0x0123456789abcdefULL };
	long ep = new_epoll(), fd = raw_syscall(__NR_eventfd2, 1, EFD_NONBLOCK);
	struct epoll_event *e = guarded(sizeof(*e));

	ASSERT_RET(0, epoll_change(ep, EPOLL_CTL_ADD, fd, EPOLLIN, 5));
	for (unsigned int i = 0; i < ARRAY_SIZE(data); i++) {
		ASSERT_RET(0, epoll_change(ep, EPOLL_CTL_MOD, fd, EPOLLIN, data[i]));
		EXPECT_RET(1, epoll_collect(ep, e, 1, 0));
		EXPECT_EQ(data[i], e->data.u64);
		EXPECT_EQ(EPOLLIN, e->events);
		EXPECT_INTACT(e);
	}
}

CLAUSE(a_descriptor_is_forgotten_when_its_last_copy_closes,
       "epoll(7) Questions: closing a descriptor removes it from all interest lists once every copy that refers to the "
       "same open "
       "file is closed [EPL-6]", .needed_by = EPOLL_USERS)
{
	long ep = new_epoll(), fd = raw_syscall(__NR_eventfd2, 1, EFD_NONBLOCK), copy = raw_syscall(__NR_dup, fd);

	ASSERT_RET(0, epoll_change(ep, EPOLL_CTL_ADD, fd, EPOLLIN, 0));
	ASSERT_RET(0, raw_syscall(__NR_close, fd));
	EXPECT_RET(EPOLLIN, epoll_now(ep));
	EXPECT_ERR(EBADF, epoll_change(ep, EPOLL_CTL_DEL, fd, 0, 0));
	ASSERT_RET(0, raw_syscall(__NR_close, copy));
	EXPECT_RET(0, epoll_now(ep));
}

CLAUSE(two_copies_of_one_descriptor_are_two_registrations,
       "epoll(7) Questions: the key is the combination of the descriptor number and the open "
       "file", .needed_by = EPOLL_USERS)
{
	long ep = new_epoll(), fd = raw_syscall(__NR_eventfd2, 1, EFD_NONBLOCK), copy = raw_syscall(__NR_dup, fd);
	struct epoll_event e[4];

	EXPECT_RET(0, epoll_change(ep, EPOLL_CTL_ADD, fd, EPOLLIN, 1));
	EXPECT_RET(0, epoll_change(ep, EPOLL_CTL_ADD, copy, EPOLLIN, 2));
	EXPECT_RET(2, epoll_collect(ep, e, 4, 0));
	EXPECT_EQ(3, e[0].data.u64 + e[1].data.u64);
}

CLAUSE(instances_may_watch_each_other_but_not_in_a_circle,
       "epoll_ctl(2) ERRORS ELOOP: adding the instance would make a circular loop of monitoring; an instance is "
       "readable when it has "
       "events", .needed_by = EPOLL_USERS)
{
	long outer = new_epoll(), inner = new_epoll(), fd = raw_syscall(__NR_eventfd2, 0, EFD_NONBLOCK);
	uint64_t one = 1;

	EXPECT_RET(0, epoll_change(inner, EPOLL_CTL_ADD, fd, EPOLLIN, 0));
	EXPECT_RET(0, epoll_change(outer, EPOLL_CTL_ADD, inner, EPOLLIN, 0));
	EXPECT_ERR(ELOOP, epoll_change(inner, EPOLL_CTL_ADD, outer, EPOLLIN, 0));
	EXPECT_RET(0, epoll_now(outer));
	ASSERT_RET(8, raw_syscall(__NR_write, fd, &one, 8));
	EXPECT_RET(EPOLLIN, epoll_now(outer));
}
