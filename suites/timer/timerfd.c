// SPDX-License-Identifier: GPL-2.0-only
// timerfd_create(2), timerfd_settime(2): timers that are read from a descriptor.
#include "clause.h"
#include "guard.h"
#include "thread.h"
#include "timer.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/timerfd.h>

#define USERS "erlang:poller rust:tokio libuv:uv_timer"

static const int clocks[] = { CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME };

#define new_timerfd(clock, flags)   raw_syscall(__NR_timerfd_create, clock, flags)
#define timerfd_left(fd, setting)   raw_syscall(NR_TIMERFD_GETTIME, fd, setting)

static long arm_fd(int fd, int flags, long long value, long long interval, struct timer_setting *old)
{
	struct timer_setting s = { timespec_of(interval), timespec_of(value) };

	return raw_syscall(NR_TIMERFD_SETTIME, fd, flags, &s, old);
}

static long expirations(int fd, uint64_t *count)
{
	return raw_syscall(__NR_read, fd, count, sizeof(*count));
}

static long readiness(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN | POLLOUT };
	struct __kernel_timespec none = { 0 };
	long n = raw_syscall(NR_PPOLL, &p, 1, &none, NULL, 0);

	return is_error(n) ? n : p.revents;
}

CLAUSE(a_read_returns_the_number_of_expirations_and_not_early,
       "timerfd_create(2) read: blocks until the timer has expired, and returns as 8 bytes how often since the last "
       "read",
       .needed_by = USERS)
{
	for (unsigned int c = 0; c < ARRAY_SIZE(clocks); c++) {
		uint64_t *count = guarded(sizeof(*count));
		long fd = new_timerfd(clocks[c], 0);
		long long before;

		ASSERT_OK(fd);
		before = clock_ns(CLOCK_MONOTONIC);
		ASSERT_RET(0, arm_fd(fd, 0, 4 * MS, 0, NULL));
		ASSERT_RET(8, expirations(fd, count));
		EXPECT_GE(clock_ns(CLOCK_MONOTONIC) - before, 4 * MS);
		EXPECT_EQ(1, *count);
		EXPECT_INTACT(count);
	}
}

CLAUSE(intervals_are_counted_while_nobody_reads,
       "timerfd_settime(2): with an interval the timer expires again each time it has passed; the count is what the "
       "clock says",
       .needed_by = USERS)
{
	for (unsigned int c = 0; c < ARRAY_SIZE(clocks); c++) {
		long fd = new_timerfd(clocks[c], TFD_NONBLOCK);
		long long armed[2], taken[2];
		uint64_t count = 0;

		armed[0] = clock_ns(CLOCK_MONOTONIC);
		ASSERT_RET(0, arm_fd(fd, 0, MS, MS, NULL));
		armed[1] = clock_ns(CLOCK_MONOTONIC);
		let_pass(7 * MS);
		taken[0] = clock_ns(CLOCK_MONOTONIC);
		ASSERT_RET(8, expirations(fd, &count));
		taken[1] = clock_ns(CLOCK_MONOTONIC);
		EXPECT_GE((long long)count, (taken[0] - armed[1]) / MS - 1);
		EXPECT_LE((long long)count, (taken[1] - armed[0]) / MS);
		ASSERT_RET(0, arm_fd(fd, 0, 300 * SECOND, 0, NULL));
		EXPECT_ERR(EAGAIN, expirations(fd, &count));	// arming anew forgets what had expired
	}
}

CLAUSE(asking_what_is_left_takes_no_expiration_away,
       "timerfd_gettime(2): returns the current setting, and changes nothing: a read that follows returns all expirations since"
       " the last one", .needed_by = USERS)
{
	for (unsigned int c = 0; c < ARRAY_SIZE(clocks); c++) {
		long fd = new_timerfd(clocks[c], TFD_NONBLOCK);
		struct timer_setting left;
		long long armed[2], taken[2];
		uint64_t count = 0;

		ASSERT_OK(fd);
		armed[0] = clock_ns(CLOCK_MONOTONIC);
		ASSERT_RET(0, arm_fd(fd, 0, MS, MS, NULL));
		armed[1] = clock_ns(CLOCK_MONOTONIC);
		for (int i = 0; i < 2; i++) {
			let_pass(4 * MS);
			ASSERT_RET(0, timerfd_left(fd, &left));
			EXPECT_LE(ns_of(left.value), MS);
			EXPECT_EQ(MS, ns_of(left.interval));
		}
		taken[0] = clock_ns(CLOCK_MONOTONIC);
		ASSERT_RET(8, expirations(fd, &count));
		taken[1] = clock_ns(CLOCK_MONOTONIC);
		EXPECT_GE((long long)count, (taken[0] - armed[1]) / MS - 1) TH_LOG("clock %d", clocks[c]);
		EXPECT_LE((long long)count, (taken[1] - armed[0]) / MS) TH_LOG("clock %d", clocks[c]);
		ASSERT_RET(0, raw_syscall(__NR_close, fd));
	}
}

CLAUSE(a_larger_buffer_gets_eight_bytes,
       "timerfd_create(2) read: returns an unsigned 8-byte integer, into a buffer of 8 bytes or more", .needed_by = USERS)
{
	static const size_t sizes[] = { 8, 9, 15, 16, 4096 };
	long fd = new_timerfd(CLOCK_MONOTONIC, 0);

	for (unsigned int i = 0; i < ARRAY_SIZE(sizes); i++) {
		unsigned char buffer[4096];
		uint64_t count;

		memset(buffer, 0xa5, sizeof(buffer));
		ASSERT_RET(0, arm_fd(fd, 0, 1, 0, NULL));
		EXPECT_RET(8, raw_syscall(__NR_read, fd, buffer, sizes[i])) TH_LOG("%zu bytes", sizes[i]);
		memcpy(&count, buffer, sizeof(count));
		EXPECT_EQ(1, count);
		EXPECT_EQ(0xa5, buffer[8]);
	}
}

CLAUSE(a_time_too_far_to_count_is_the_farthest_there_is,
       "timerfd_settime(2), include/linux/ktime.h KTIME_MAX (5.10, 7.2): any number of seconds is taken; a time beyond the 292"
       " years that the kernel counts does not come round and expire", .needed_by = USERS)
{
	static const long long far[] = { 0x7fffffffffffffffLL, 0x7fffffffffffffffLL / SECOND, 9223372035LL, 0x100000000LL };

	for (unsigned int c = 0; c < ARRAY_SIZE(clocks); c++) {
		long fd = new_timerfd(clocks[c], TFD_NONBLOCK);

		for (unsigned int i = 0; i < 2 * ARRAY_SIZE(far); i++) {
			struct timer_setting left, s = { { 0, 0 }, { far[i / 2], 999999999 } };
			uint64_t count;

			ASSERT_RET(0, raw_syscall(NR_TIMERFD_SETTIME, fd, i % 2 ? TFD_TIMER_ABSTIME : 0, &s, NULL));
			let_pass(500000);
			EXPECT_ERR(EAGAIN, expirations(fd, &count)) TH_LOG("clock %d, %lld s", clocks[c], far[i / 2]);
			ASSERT_RET(0, timerfd_left(fd, &left));
			EXPECT_GT(left.value.tv_sec, 1000000000) TH_LOG("clock %d, %lld s", clocks[c], far[i / 2]);
		}
		ASSERT_RET(0, raw_syscall(__NR_close, fd));
	}
}

CLAUSE(absolute_times_are_of_the_timers_clock,
       "timerfd_settime(2) TFD_TIMER_ABSTIME: the value is a reading of the clock; one that has passed expires at "
       "once", .needed_by = USERS)
{
	for (unsigned int c = 0; c < ARRAY_SIZE(clocks); c++) {
		long fd = new_timerfd(clocks[c], 0);
		long long at = clock_ns(clocks[c]) + 5 * MS;
		uint64_t count = 0;

		ASSERT_RET(0, arm_fd(fd, TFD_TIMER_ABSTIME, at, 0, NULL));
		ASSERT_RET(8, expirations(fd, &count));
		EXPECT_GE(clock_ns(clocks[c]), at);
		ASSERT_RET(0, arm_fd(fd, TFD_TIMER_ABSTIME, at - 4 * MS, 0, NULL));
		ASSERT_RET(8, expirations(fd, &count));
		EXPECT_EQ(1, count);
	}
}

CLAUSE(settings_come_back_and_zero_disarms,
       "timerfd_settime(2), timerfd_gettime(2): the old setting and the current one: time left, relative always, and "
       "interval",
       .needed_by = USERS)
{
	struct timer_setting *old = guarded(sizeof(*old)), left;
	long fd = new_timerfd(CLOCK_MONOTONIC, TFD_NONBLOCK);
	uint64_t count;

	ASSERT_RET(0, arm_fd(fd, TFD_TIMER_ABSTIME, clock_ns(CLOCK_MONOTONIC) + 500 * SECOND, 7 * SECOND, NULL));
	ASSERT_RET(0, timerfd_left(fd, &left));
	EXPECT_LE(ns_of(left.value), 500 * SECOND);
	EXPECT_GT(ns_of(left.value), 400 * SECOND);
	EXPECT_EQ(7 * SECOND, ns_of(left.interval));
	ASSERT_RET(0, arm_fd(fd, 0, 0, 9 * SECOND, old));
	EXPECT_INTACT(old);
	EXPECT_LE(ns_of(old->value), ns_of(left.value));
	EXPECT_EQ(7 * SECOND, ns_of(old->interval));
	ASSERT_RET(0, timerfd_left(fd, &left));
	EXPECT_EQ(0, ns_of(left.value));
	EXPECT_ERR(EAGAIN, expirations(fd, &count));
}

CLAUSE(arguments_that_make_no_sense_are_refused,
       "timerfd_create(2) ERRORS: EINVAL for unknown clocks, flags and times, a buffer of fewer than 8 bytes, or a "
       "descriptor that is no "
       "timer; EBADF; EFAULT", .needed_by = USERS)
{
	static const struct timer_setting bad[] = { { { 0, 0 }, { 0, 1000000000 } }, { { 0, -1 }, { 1, 0 } }, { { 0, 0 }, { -1, 0 } } };
	long fd = new_timerfd(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC), plain = new_timerfd(CLOCK_MONOTONIC, 0);
	const unsigned int flags = TFD_NONBLOCK | TFD_CLOEXEC;
	struct timer_setting left;
	uint64_t count = 5;

	EXPECT_EQ(FD_CLOEXEC, raw_syscall(__NR_fcntl, fd, F_GETFD));
	EXPECT_EQ(0, raw_syscall(__NR_fcntl, plain, F_GETFD));
	EXPECT_ERR(EINVAL, new_timerfd(CLOCK_THREAD_CPUTIME_ID, 0));
	EXPECT_ERR(EINVAL, new_timerfd(63, 0));
	EXPECT_ERR(EINVAL, new_timerfd(-1, 0));
	for (int bit = 0; bit < 32; bit++) {
		if (!(flags & 1U << bit)) {
			EXPECT_ERR(EINVAL, new_timerfd(CLOCK_MONOTONIC, 1U << bit));
		}
		if (bit > 1) {
			EXPECT_ERR(EINVAL, arm_fd(fd, 1U << bit, SECOND, 0, NULL));
		}
	}
	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++)
		EXPECT_ERR(EINVAL, raw_syscall(NR_TIMERFD_SETTIME, fd, 0, &bad[i], NULL));
	EXPECT_ERR(EFAULT, raw_syscall(NR_TIMERFD_SETTIME, fd, 0, unmapped_page(), NULL));
	EXPECT_ERR(EFAULT, timerfd_left(fd, forbidden_page()));
	EXPECT_ERR(EINVAL, timerfd_left(0, &left));
	EXPECT_ERR(EBADF, timerfd_left(999, &left));
	EXPECT_ERR(EINVAL, raw_syscall(__NR_read, fd, &count, 7));
	EXPECT_EQ(5, count);
}

CLAUSE(readiness_is_an_expiration_unread,
       "timerfd_create(2) poll: the descriptor is readable if one or more expirations have occurred, and never "
       "writable",
       .needed_by = USERS)
{
	long fd = new_timerfd(CLOCK_MONOTONIC, TFD_NONBLOCK);
	uint64_t count;

	EXPECT_RET(0, readiness(fd));
	ASSERT_RET(0, arm_fd(fd, 0, 1, 0, NULL));
	EXPECT_TRUE(wait_until(readiness(fd) == POLLIN));
	ASSERT_RET(8, expirations(fd, &count));
	EXPECT_RET(0, readiness(fd));
}

CLAUSE(a_copy_and_a_child_share_the_timer,
       "timerfd_create(2) fork: a child inherits a copy of the descriptor, which refers to the same timer and its "
       "expirations",
       .needed_by = USERS)
{
	long fd = new_timerfd(CLOCK_MONOTONIC, TFD_NONBLOCK);
	uint64_t count;

	ASSERT_RET(0, arm_fd(fd, 0, 1, 0, NULL));
	EXPECT_TRUE(wait_until(readiness(fd) == POLLIN));
	IN_CHILD {
		EXPECT_RET(8, expirations(fd, &count));
		EXPECT_EQ(1, count);
	}
	EXPECT_ERR(EAGAIN, expirations(fd, &count));
}
