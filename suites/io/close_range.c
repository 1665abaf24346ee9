// SPDX-License-Identifier: GPL-2.0-only
// close_range(2): which descriptors it closes or marks, and whose.
#include "io.h"

#include <sched.h>

#include "thread.h"

#ifndef CLOSE_RANGE_UNSHARE
#define CLOSE_RANGE_UNSHARE (1U << 1)
#endif
#ifndef CLOSE_RANGE_CLOEXEC
#define CLOSE_RANGE_CLOEXEC (1U << 2)	// Linux 5.11
#endif
#ifndef __NR_close_range
#define __NR_close_range (__NR_pidfd_open + 2)	// Linux 5.9
#endif

#define USERS "runc:containers glibc:posix_spawn"
#define CLOSE_RANGE .since = KERNEL(5, 9), .needed_by = USERS
#define CLOEXEC     .since = KERNEL(5, 11), .probe = mark_nothing, .absent_errno = EINVAL, .needed_by = USERS

#define close_range_raw(first, last, flags) raw_syscall(__NR_close_range, (unsigned int)(first), (unsigned int)(last), flags)
#define flags_of(fd) raw_syscall(__NR_fcntl, fd, F_GETFD)

#define LOW 40
#define HIGH 300

static long mark_nothing(void)
{
	return close_range_raw(~0U, ~0U, CLOSE_RANGE_CLOEXEC);
}

// Descriptors LOW to HIGH, every third of them, and none above.
static bool is_made(int fd)
{
	return fd >= LOW && fd <= HIGH && (fd - LOW) % 3 == 0;
}

static bool make_descriptors(void)
{
	if (is_error(close_range_raw(LOW, ~0U, 0)))
		return false;
	for (int fd = LOW; fd <= HIGH; fd++)
		if (is_made(fd) && raw_syscall(__NR_dup3, 0, fd, 0) != fd)
			return false;
	return true;
}

CLAUSE(exactly_the_open_ones_of_the_range_are_closed,
       "close_range(2): all open descriptors from first to last, both included, are closed, and no other; gaps are no "
       "error [CLR-1]",
       CLOSE_RANGE)
{
	static const struct { unsigned int first, last; } ranges[] = {
		{ LOW, LOW }, { LOW + 1, LOW + 2 }, { LOW + 1, LOW + 3 }, { 63, 64 }, { 64, 127 }, { LOW + 30, HIGH - 3 }, { HIGH, ~0U },
		{ 1000000, ~0U }, { 255, 256 },
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(ranges); i++) {
		ASSERT_TRUE(make_descriptors());
		EXPECT_RET(0, close_range_raw(ranges[i].first, ranges[i].last, 0));
		for (int fd = LOW; fd <= HIGH + 10; fd++) {
			bool in_range = fd >= ranges[i].first && fd <= ranges[i].last;

			EXPECT_RET(is_made(fd) && !in_range ? 0 : -EBADF, flags_of(fd));
		}
		EXPECT_RET(0, flags_of(0));
	}
}

CLAUSE(a_closed_number_is_the_next_to_be_given,
       "close(2), open(2): a closed descriptor's number is free: the lowest one is given next [CLR-1] "
       "[FD-1]", CLOSE_RANGE)
{
	ASSERT_TRUE(make_descriptors());
	ASSERT_RET(0, close_range_raw(LOW + 60, LOW + 90, 0));
	EXPECT_RET(LOW + 60, raw_syscall(__NR_fcntl, 0, F_DUPFD, LOW + 60));
	EXPECT_RET(LOW + 1, raw_syscall(__NR_fcntl, 0, F_DUPFD, LOW));
}

CLAUSE(cloexec_marks_the_range_and_closes_none,
       "close_range(2) CLOSE_RANGE_CLOEXEC: sets close-on-exec on all open descriptors of the range, on no other, and "
       "closes none [CLR-1]",
       CLOEXEC, .commit = "fec8a6a69103 close_range: unshare all fds for CLOSE_RANGE_UNSHARE | CLOSE_RANGE_CLOEXEC")
{
	static const unsigned int extra[] = { 0, CLOSE_RANGE_UNSHARE };

	for (unsigned int i = 0; i < ARRAY_SIZE(extra); i++) {
		ASSERT_TRUE(make_descriptors());
		EXPECT_RET(0, close_range_raw(LOW + 30, HIGH - 30, CLOSE_RANGE_CLOEXEC | extra[i]));
		for (int fd = LOW; fd <= HIGH; fd++) {
			bool in_range = fd >= LOW + 30 && fd <= HIGH - 30;

			EXPECT_RET(!is_made(fd) ? -EBADF : in_range ? FD_CLOEXEC : 0, flags_of(fd));
		}
	}
}

CLAUSE(bad_ranges_and_flags_are_refused,
       "close_range(2) ERRORS EINVAL: first is greater than last, or an unknown flag: nothing is closed or "
       "marked", CLOSE_RANGE)
{
	ASSERT_TRUE(make_descriptors());
	EXPECT_ERR(EINVAL, close_range_raw(LOW + 1, LOW, 0));
	EXPECT_ERR(EINVAL, close_range_raw(~0U, 0, 0));
	EXPECT_ERR(EINVAL, close_range_raw(LOW, HIGH, 1U << 0));
	for (int bit = 3; bit < 32; bit++)
		EXPECT_ERR(EINVAL, close_range_raw(LOW, HIGH, 1U << bit));
	for (int fd = LOW; fd <= HIGH; fd++)
		EXPECT_RET(is_made(fd) ? 0 : -EBADF, flags_of(fd));
}

struct other {
	unsigned int flags;
	long result, own, opened;
};

static int closes_in_a_thread(void *arg)
{
	struct other *o = arg;

	o->result = close_range_raw(LOW, ~0U, o->flags);
	o->own = flags_of(LOW);
	o->opened = raw_syscall(__NR_fcntl, 0, F_DUPFD, HIGH + 1);
	return 0;
}

// What a thread that shares the table did to it, seen from here.
static bool closes(struct other *o, unsigned int flags)
{
	struct thread thread;

	*o = (struct other){ .flags = flags };
	return make_descriptors() && thread_start(&thread, closes_in_a_thread, o) > 0 && thread_join(&thread);
}

CLAUSE(a_shared_table_is_closed_for_all_that_share_it,
       "close_range(2), clone(2) CLONE_FILES: without CLOSE_RANGE_UNSHARE the descriptors of every thread are closed "
       "[CLR-1]", CLOSE_RANGE)
{
	struct other o;

	ASSERT_TRUE(closes(&o, 0));
	EXPECT_RET(0, o.result);
	EXPECT_ERR(EBADF, o.own);
	EXPECT_RET(HIGH + 1, o.opened);
	for (int fd = LOW; fd <= HIGH; fd++)
		EXPECT_ERR(EBADF, flags_of(fd));
	EXPECT_RET(0, flags_of(HIGH + 1));
}

CLAUSE(unshare_leaves_the_others_their_descriptors,
       "close_range(2) CLOSE_RANGE_UNSHARE: the caller gets a table of its own before anything is closed: who shared "
       "it keeps all [CLR-1] [incident 108]",
       CLOSE_RANGE, .commit = "fec8a6a69103 close_range: unshare all fds for CLOSE_RANGE_UNSHARE | CLOSE_RANGE_CLOEXEC")
{
	struct other o;

	ASSERT_TRUE(closes(&o, CLOSE_RANGE_UNSHARE));
	EXPECT_RET(0, o.result);
	EXPECT_ERR(EBADF, o.own);
	EXPECT_RET(HIGH + 1, o.opened);
	for (int fd = LOW; fd <= HIGH; fd++)
		EXPECT_RET(is_made(fd) ? 0 : -EBADF, flags_of(fd));
	EXPECT_ERR(EBADF, flags_of(HIGH + 1));
}

CLAUSE(unshare_and_cloexec_keep_all_in_both_tables,
       "close_range(2) CLOSE_RANGE_UNSHARE | CLOSE_RANGE_CLOEXEC: the caller's own table holds every descriptor, "
       "marked; the shared one none marked [CLR-1] [incident 108]",
       CLOEXEC, .commit = "fec8a6a69103 close_range: unshare all fds for CLOSE_RANGE_UNSHARE | CLOSE_RANGE_CLOEXEC")
{
	struct other o;

	ASSERT_TRUE(closes(&o, CLOSE_RANGE_UNSHARE | CLOSE_RANGE_CLOEXEC));
	EXPECT_RET(0, o.result);
	EXPECT_RET(FD_CLOEXEC, o.own);
	for (int fd = LOW; fd <= HIGH; fd++)
		EXPECT_RET(is_made(fd) ? 0 : -EBADF, flags_of(fd));
}
