// SPDX-License-Identifier: GPL-2.0-only
// seccomp_unotify(2) SECCOMP_IOCTL_NOTIF_ADDFD: a supervisor puts descriptors into the process that waits.
#include "clause.h"
#include "target.h"

#include <fcntl.h>
#include <sys/stat.h>

#ifndef SECCOMP_ADDFD_FLAG_SEND
#define SECCOMP_ADDFD_FLAG_SEND (1UL << 1)	// Linux 5.14
#endif

#define add_fd(t, ...) notif_ioctl(t, SECCOMP_IOCTL_NOTIF_ADDFD, (&(struct seccomp_notif_addfd){ __VA_ARGS__ }))

struct supervised {
	struct target t;
	struct seccomp_notif n;
	int pipe[2];
};

// A target that waits for the answer to its call, and a pipe.
static bool waits(struct supervised *s)
{
	if (pipe2(s->pipe, O_CLOEXEC) || !target_start(&s->t, 0))
		return false;
	target_makes(&s->t, CALL, 0);
	return notif_receive(&s->t, &s->n) == 0;
}

// What the target gets of a system call of its own, after its first call was answered.
#define target_gets(s, nr, ...) ({ target_makes(&(s)->t, nr, __VA_ARGS__); target_result(&(s)->t); })

CLAUSE(a_descriptor_can_be_added,
       "seccomp_unotify(2) SECCOMP_IOCTL_NOTIF_ADDFD: the target gets a descriptor of the supervisor's file under the "
       "lowest free number, which "
       "is the result; it is of that very file", SECCOMP)
{
	struct supervised s;
	long fd;
	char byte = 0;

	ASSERT_TRUE(waits(&s));
	fd = add_fd(&s.t, .id = s.n.id, .srcfd = s.pipe[1]);
	ASSERT_OK(fd);
	EXPECT_RET(0, notif_answer(&s.t, s.n.id, fd, 0, 0));
	EXPECT_RET(fd, target_result(&s.t));
	EXPECT_RET(0, target_gets(&s, __NR_fcntl, fd, F_GETFD));
	EXPECT_RET(1, target_gets(&s, __NR_write, fd, (long)"x", 1));
	EXPECT_EQ(1, read(s.pipe[0], &byte, 1));
	EXPECT_EQ('x', byte);
	EXPECT_TRUE(target_ends(&s.t));
}

CLAUSE(a_descriptor_can_be_given_a_number,
       "seccomp_unotify(2) SECCOMP_ADDFD_FLAG_SETFD: newfd is the number, whatever was open there is closed first; "
       "newfd_flags O_CLOEXEC sets "
       "close-on-exec", SECCOMP)
{
	struct supervised s;

	ASSERT_TRUE(waits(&s));
	EXPECT_RET(200, add_fd(&s.t, .id = s.n.id, .flags = SECCOMP_ADDFD_FLAG_SETFD, .srcfd = s.pipe[0], .newfd = 200));
	EXPECT_RET(200, add_fd(&s.t, .id = s.n.id, .flags = SECCOMP_ADDFD_FLAG_SETFD, .srcfd = s.pipe[1], .newfd = 200,
			       .newfd_flags = O_CLOEXEC));
	EXPECT_RET(0, notif_answer(&s.t, s.n.id, 0, 0, 0));
	EXPECT_RET(0, target_result(&s.t));
	EXPECT_RET(FD_CLOEXEC, target_gets(&s, __NR_fcntl, 200, F_GETFD));
	EXPECT_RET(1, target_gets(&s, __NR_write, 200, (long)"x", 1));
	EXPECT_ERR(EBADF, raw_syscall(__NR_fcntl, 200, F_GETFD));
	EXPECT_TRUE(target_ends(&s.t));
}

CLAUSE(what_cannot_be_added_is_refused,
       "seccomp_unotify(2) SECCOMP_IOCTL_NOTIF_ADDFD ERRORS: EBADF for a bad srcfd, ENOENT for an unknown id, EINVAL "
       "for unknown flags or newfd "
       "without SETFD; the call still waits", SECCOMP)
{
	struct supervised s;

	ASSERT_TRUE(waits(&s));
	EXPECT_ERR(EBADF, add_fd(&s.t, .id = s.n.id, .srcfd = -1));
	EXPECT_ERR(ENOENT, add_fd(&s.t, .id = s.n.id + 1, .srcfd = s.pipe[0]));
	EXPECT_ERR(EINVAL, add_fd(&s.t, .id = s.n.id, .srcfd = s.pipe[0], .newfd = 200));
	EXPECT_ERR(EINVAL, add_fd(&s.t, .id = s.n.id, .srcfd = s.pipe[0], .newfd_flags = O_NONBLOCK));
	for (int bit = 2; bit < 32; bit++)
		EXPECT_ERR(EINVAL, add_fd(&s.t, .id = s.n.id, .srcfd = s.pipe[0], .flags = 1U << bit));
	EXPECT_ERR(EINVAL, notif_ioctl(&s.t, _IOC(_IOC_WRITE, '!', 3, 8), &s.n));
	EXPECT_RET(0, notif_ioctl(&s.t, SECCOMP_IOCTL_NOTIF_ID_VALID, &s.n.id));
	EXPECT_RET(0, notif_answer(&s.t, s.n.id, 3, 0, 0));
	EXPECT_RET(3, target_result(&s.t));
	EXPECT_TRUE(target_ends(&s.t));
}

CLAUSE(nothing_can_be_added_before_it_was_received,
       "seccomp_unotify(2) ERRORS ENOENT, EINPROGRESS: a descriptor or answer is refused unless the notification has "
       "been received and not "
       "answered", SECCOMP)
{
	struct supervised s;
	long added, answered;

	ASSERT_TRUE(waits(&s));
	EXPECT_RET(0, notif_answer(&s.t, s.n.id, 1, 0, 0));
	EXPECT_RET(1, target_result(&s.t));
	EXPECT_ERR(ENOENT, add_fd(&s.t, .id = s.n.id, .srcfd = s.pipe[0]));
	// Ids follow one another in each kernel so far: this is the next call's before it is received.
	target_makes(&s.t, CALL, 0);
	ASSERT_TRUE(wait_until_blocked_in(s.t.pid, CALL));
	added = add_fd(&s.t, .id = s.n.id + 1, .srcfd = s.pipe[0]);
	EXPECT_TRUE(added == -EINPROGRESS || added == -ENOENT) TH_LOG("ADDFD = %ld", added);
	answered = notif_answer(&s.t, s.n.id + 1, 1, 0, 0);
	EXPECT_TRUE(answered == -EINPROGRESS || answered == -ENOENT) TH_LOG("SEND = %ld", answered);
	ASSERT_RET(0, notif_receive(&s.t, &s.n));
	EXPECT_RET(0, notif_answer(&s.t, s.n.id, 2, 0, 0));
	EXPECT_RET(2, target_result(&s.t));
	EXPECT_TRUE(target_ends(&s.t));
}

CLAUSE(a_descriptor_can_be_the_answer,
       "seccomp_unotify(2) SECCOMP_ADDFD_FLAG_SEND: adds the descriptor and answers the call with its number in one "
       "step",
       .since = KERNEL(5, 14), .config = "SECCOMP_FILTER", .needed_by = SECCOMP_USERS)
{
	struct supervised s;
	long fd;

	ASSERT_TRUE(waits(&s));
	fd = add_fd(&s.t, .id = s.n.id, .flags = SECCOMP_ADDFD_FLAG_SEND, .srcfd = s.pipe[1]);
	ASSERT_OK(fd);
	EXPECT_RET(fd, target_result(&s.t));
	EXPECT_RET(1, target_gets(&s, __NR_write, fd, (long)"x", 1));
	EXPECT_ERR(ENOENT, notif_answer(&s.t, s.n.id, 0, 0, 0));
	EXPECT_TRUE(target_ends(&s.t));
}
