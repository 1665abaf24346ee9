// SPDX-License-Identifier: GPL-2.0-only
// Job control as a shell's or a runtime's child does it between vfork and exec: groups, sessions, and the terminal's foreground.
#include "clone.h"
#include "sigaction.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>

#define USERS "go:fork_exec glibc:posix_spawn"

static int terminal = -1;

static bool open_terminal(void)
{
	int unlocked = 0, master = raw_syscall(__NR_openat, AT_FDCWD, "/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);

	if (master < 0 || is_error(raw_syscall(__NR_ioctl, master, TIOCSPTLCK, &unlocked)))
		return false;
	terminal = raw_syscall(__NR_ioctl, master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	return terminal >= 0;
}

// Makes the caller, no group's leader, that of a session with the terminal, whose hangup is for others to heed.
static bool take_terminal(void)
{
	raw_sigaction(SIGHUP, SIGNAL_IGNORE, 0);
	return !is_error(raw_syscall(__NR_setsid)) && !is_error(raw_syscall(__NR_ioctl, terminal, TIOCSCTTY, 0));
}

static long foreground(void)
{
	int group = -1;
	long result = raw_syscall(__NR_ioctl, terminal, TIOCGPGRP, &group);

	return is_error(result) ? result : group;
}

static long give_foreground_to(int group)
{
	return raw_syscall(__NR_ioctl, terminal, TIOCSPGRP, &group);
}

struct child {
	volatile long group_result, foreground_result, seen_group, seen_foreground, session;
};

static int leads_the_foreground(void *arg)
{
	struct child *c = arg;

	c->group_result = raw_syscall(__NR_setpgid, 0, 0);
	c->seen_group = raw_syscall(__NR_getpgid, 0);
	c->foreground_result = give_foreground_to(raw_syscall(__NR_getpid));
	c->seen_foreground = foreground();
	c->session = raw_syscall(__NR_getsid, 0);
	return 5;
}

CLAUSE(a_child_of_vfork_can_take_the_terminal,
       "tcsetpgrp(3), ioctl_tty(2) TIOCSPGRP: a child in a group of its own that blocks SIGTTOU makes it the "
       "foreground, between"
       " vfork and exec too, and is not stopped; its parent is in the background then, and can take the terminal back "
       "[VFK-6]",
       .needs = "file=/dev/ptmx", .needed_by = USERS)
{
	if (!open_terminal())
		SKIP(return, "no pseudoterminals here");
	IN_CHILD {
		struct child c = { -1, -1, -1, -1, -1 };
		int self = getpid();
		long pid;

		ASSERT_TRUE(take_terminal());
		ASSERT_EQ(self, foreground());
		ASSERT_OK(raw_sigprocmask(SIG_SETMASK, SIGSET_FULL));
		ASSERT_OK(pid = raw_clone(CLONE_VM | CLONE_VFORK | SIGCHLD, stack_top(), leads_the_foreground, &c, NULL, NULL, NULL));
		EXPECT_RET(0, c.group_result);
		EXPECT_RET(0, c.foreground_result);
		EXPECT_EQ(pid, c.seen_group);
		EXPECT_EQ(pid, c.seen_foreground);
		EXPECT_EQ(self, c.session);
		EXPECT_RET(pid, foreground());
		EXPECT_RET(self, raw_syscall(__NR_getpgid, 0));
		EXPECT_RET(EXITED(5), end_of(pid));
		EXPECT_OK(give_foreground_to(self));
		EXPECT_RET(self, foreground());
	}
}

static volatile int stops_handled;

static void count(int sig, siginfo_t *info, void *ucontext)
{
	stops_handled++;
}

static int takes_it_from_the_background(void *arg)
{
	raw_syscall(__NR_setpgid, 0, 0);
	return give_foreground_to(raw_syscall(__NR_getpid)) == -EINTR && stops_handled == 1 ? 0 : 1;
}

CLAUSE(the_background_is_told_by_sigttou,
       "ioctl_tty(2) TIOCSPGRP, POSIX tcsetpgrp: a group in the background that neither blocks nor ignores SIGTTOU is "
       "sent it"
       " and does not become the foreground; it stops, or its handler runs and the call fails with EINTR",
       .needs = "file=/dev/ptmx", .needed_by = USERS)
{
	if (!open_terminal())
		SKIP(return, "no pseudoterminals here");
	IN_CHILD {
		int self = getpid();
		long pid;

		ASSERT_TRUE(take_terminal());
		ASSERT_OK(raw_sigaction(SIGTTOU, count, 0));
		ASSERT_OK(pid = child_of(SIGCHLD, takes_it_from_the_background, NULL));
		EXPECT_RET(EXITED(0), end_of(pid));
		EXPECT_RET(self, foreground());
	}
}

CLAUSE(the_foreground_is_a_group_of_the_session,
       "ioctl_tty(2) TIOCSPGRP, drivers/tty/tty_jobctrl.c tiocspgrp (5.10, 7.2): ESRCH for a group that does not "
       "exist, EPERM for one of"
       " another session, EINVAL for a number below 0; the foreground stays as it was",
       .needs = "file=/dev/ptmx", .needed_by = USERS)
{
	if (!open_terminal())
		SKIP(return, "no pseudoterminals here");
	IN_CHILD {
		long gone, self = getpid(), elsewhere = getppid();

		ASSERT_TRUE(take_terminal());
		ASSERT_OK(gone = child_of(SIGCHLD, returns_zero, NULL));
		ASSERT_RET(EXITED(0), end_of(gone));
		EXPECT_ERR(ESRCH, give_foreground_to(gone));
		EXPECT_ERR(EPERM, give_foreground_to(raw_syscall(__NR_getpgid, elsewhere)));
		EXPECT_ERR(EINVAL, give_foreground_to(-1));
		EXPECT_RET(self, foreground());
	}
}

static struct shared {
	volatile int ready, over, hangups[2];
	volatile long front, back, reopened;
} *shared;

static volatile int *my_hangups;

static void count_hangup(int sig, siginfo_t *info, void *ucontext)
{
	++*my_hangups;
}

static int heeds_hangup(void *which)
{
	raw_syscall(__NR_setpgid, 0, 0);
	my_hangups = &shared->hangups[*(int *)which];
	raw_sigaction(SIGHUP, count_hangup, 0);
	__atomic_add_fetch(&shared->ready, 1, __ATOMIC_SEQ_CST);
	if (*(int *)which == 1)
		return !wait_until(shared->over);
	if (!wait_until(shared->hangups[0]))
		return 1;
	// The terminal is nobody's after the leader, whose last acts these are.
	wait_until((shared->reopened = raw_syscall(__NR_openat, AT_FDCWD, "/dev/tty", O_RDWR)) == -ENXIO);
	shared->over = 1;
	return 0;
}

static int leads_a_session_and_ends(void *unused)
{
	take_terminal();
	shared->front = child_of(SIGCHLD, heeds_hangup, &(int){ 0 });
	shared->back = child_of(SIGCHLD, heeds_hangup, &(int){ 1 });
	if (!wait_until(shared->ready == 2) || give_foreground_to(shared->front))
		return 1;
	return 0;
}

CLAUSE(the_end_of_a_session_leader_hangs_up,
       "setsid(2) NOTES, _exit(2): when a session leader with a controlling terminal ends, SIGHUP is sent to each process "
       "of the terminal's foreground group, to no other, and the session has the terminal no more",
       .needs = "file=/dev/ptmx file=/dev/tty", .needed_by = USERS)
{
	if (!open_terminal())
		SKIP(return, "no pseudoterminals here");
	IN_CHILD {
		long pid;

		shared = shared_memory(sizeof(*shared));
		ASSERT_RET(0, raw_syscall(__NR_prctl, PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0));
		ASSERT_OK(pid = child_of(SIGCHLD, leads_a_session_and_ends, NULL));
		EXPECT_RET(EXITED(0), end_of(pid));
		EXPECT_RET(EXITED(0), end_of(shared->front));
		EXPECT_RET(EXITED(0), end_of(shared->back));
		EXPECT_EQ(1, shared->hangups[0]);
		EXPECT_EQ(0, shared->hangups[1]);
		EXPECT_RET(-ENXIO, shared->reopened);
	}
}
