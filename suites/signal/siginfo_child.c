// SPDX-License-Identifier: GPL-2.0-only
// SIGCHLD: what it says of the child, when it comes and when not, and waitid(2) saying the same.
#include "clause.h"

#include <sys/prctl.h>
#include <sys/ptrace.h>

#include "origin.h"

#define USERS "go:os.Process.Wait libuv:uv__wait_children erlang:forker_driver"
#define TICK_NS (1000000000LL / sysconf(_SC_CLK_TCK))

static long wait_for(int pid, siginfo_t *info, int options)
{
	return raw_syscall(__NR_waitid, 1 /* P_PID */, pid, info, options, NULL);
}

static long send(int pid, int sig)
{
	return raw_syscall(__NR_kill, pid, sig);
}

static __attribute__((noreturn)) void sleep_in_child(void)
{
	raw_sigprocmask(SIG_SETMASK, SIGSET_EMPTY);
	for (;;)
		raw_syscall(NR_PPOLL, NULL, 0, NULL, NULL, 0);
}

// A child that ends or waits; returns its id. The caller holds SIGCHLD back.
static pid_t child_that(bool exits, int status)
{
	pid_t pid = fork();

	if (pid == 0) {
		if (!exits)
			sleep_in_child();
		_exit(status);
	}
	return pid;
}

static siginfo_t info_of_child(int code, pid_t pid, int status)
{
	siginfo_t info = info_from(SIGCHLD, code, pid, getuid());

	info.si_status = status;
	return info;
}

// The times that a child took cannot be foretold; they are compared with what waitid and limits tell elsewhere.
static void take_times(siginfo_t *info, siginfo_t *wanted)
{
	wanted->si_utime = info->si_utime;
	wanted->si_stime = info->si_stime;
}

// The next SIGCHLD by one of the ways, and waitid's view of the same event, which it leaves (WNOWAIT), must say this.
#define EXPECT_CHILD_SAYS(want, option, way) do {					\
	siginfo_t wanted_ = (want), read_as_, *taken_ = guarded(INFO_BYTES), *waited_ = guarded(INFO_BYTES);	\
											\
	ASSERT_TRUE(wait_until(is_pending(SIGCHLD)));					\
	ASSERT_RET(SIGCHLD, take(SIGCHLD, way, taken_));				\
	if ((way) == BY_SIGNALFD) {							\
		struct signalfd_siginfo *r_ = (void *)taken_, want_read_;		\
		wanted_.si_utime = r_->ssi_utime;					\
		wanted_.si_stime = r_->ssi_stime;					\
		want_read_ = as_read(&wanted_, OF_CHILD);				\
		memcpy(&read_as_, &want_read_, INFO_BYTES);				\
	} else {									\
		take_times(taken_, &wanted_);						\
		read_as_ = wanted_;							\
	}										\
	EXPECT_INFO_BYTES(&read_as_, taken_, way_names[way]);				\
	ASSERT_RET(0, wait_for(wanted_.si_pid, waited_, (option) | WNOWAIT | WNOHANG));	\
	EXPECT_EQ(SIGCHLD, waited_->si_signo);						\
	EXPECT_EQ(0, waited_->si_errno);						\
	EXPECT_EQ(wanted_.si_code, waited_->si_code);					\
	EXPECT_EQ(wanted_.si_pid, waited_->si_pid);					\
	EXPECT_EQ(wanted_.si_uid, waited_->si_uid);					\
	EXPECT_EQ(wanted_.si_status, waited_->si_status);				\
	EXPECT_INTACT(taken_);								\
	EXPECT_INTACT(waited_);								\
} while (0)

CLAUSE(a_child_that_exits_says_so_with_its_status,
       "sigaction(2) SIGCHLD: CLD_EXITED, si_status the exit status, si_pid and si_uid the child's; waitid(2) says the "
       "same",
       .needed_by = USERS)
{
	static const int statuses[] = { 0, 1, 7, 127, 255 };

	ASSERT_OK(hold_back(SIGCHLD));
	FOR_EACH(i, statuses)
		for (enum way way = 0; way < WAYS; way++) {
			pid_t pid = child_that(true, statuses[i]);

			EXPECT_CHILD_SAYS(info_of_child(CLD_EXITED, pid, statuses[i]), WEXITED, way);
			ASSERT_RET(0, wait_for(pid, NULL, WEXITED));
		}
}

CLAUSE(an_exit_status_is_its_low_byte,
       "sigaction(2) SIGCHLD, _exit(2): the status that the parent gets is status & 0xff, in si_status, waitid(2) and "
       "wait4(2)", .needed_by = USERS)
{
	siginfo_t info;
	int status;
	pid_t pid;

	ASSERT_OK(hold_back(SIGCHLD));
	pid = child_that(true, 0x12345);
	ASSERT_TRUE(wait_until(is_pending(SIGCHLD)));
	ASSERT_RET(SIGCHLD, take(SIGCHLD, BY_SIGTIMEDWAIT, &info));
	EXPECT_EQ(0x45, info.si_status);
	ASSERT_RET(0, wait_for(pid, &info, WEXITED | WNOWAIT));
	EXPECT_EQ(0x45, info.si_status);
	ASSERT_RET(pid, raw_syscall(__NR_wait4, pid, &status, 0, NULL));
	EXPECT_EQ(0x4500, status);
}

CLAUSE(a_child_that_is_killed_says_by_which_signal,
       "sigaction(2) SIGCHLD: CLD_KILLED, si_status the signal that killed it; waitid(2) says the "
       "same", .needed_by = USERS)
{
	static const int sigs[] = { SIGKILL, SIGTERM, SIGUSR1, 64 };

	ASSERT_OK(hold_back(SIGCHLD));
	FOR_EACH(i, sigs)
		for (enum way way = 0; way < WAYS; way++) {
			pid_t pid = child_that(false, 0);

			ASSERT_TRUE(wait_until_blocked_in(pid, NR_PPOLL));
			ASSERT_OK(send(pid, sigs[i]));
			EXPECT_CHILD_SAYS(info_of_child(CLD_KILLED, pid, sigs[i]), WEXITED, way);
			ASSERT_RET(0, wait_for(pid, NULL, WEXITED));
		}
}

CLAUSE(a_child_that_may_not_dump_core_is_killed_not_dumped,
       "sigaction(2) SIGCHLD, wait(2) WCOREDUMP, prctl(2) PR_SET_DUMPABLE: a signal that dumps core says CLD_KILLED "
       "where no core may be made, and "
       "bit 7 of wait4's status is clear", .needed_by = USERS)
{
	siginfo_t info;
	int status;
	pid_t pid;

	ASSERT_OK(hold_back(SIGCHLD));
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_DUMPABLE, 0);
		raw_sigaction(SIGQUIT, SIGNAL_DEFAULT, 0);
		raw_sigprocmask(SIG_SETMASK, SIGSET_EMPTY);
		raw_syscall(__NR_kill, getpid(), SIGQUIT);
		_exit(2);
	}
	ASSERT_TRUE(wait_until(is_pending(SIGCHLD)));
	ASSERT_RET(SIGCHLD, take(SIGCHLD, BY_SIGTIMEDWAIT, &info));
	ASSERT_RET(pid, raw_syscall(__NR_wait4, pid, &status, 0, NULL));
	EXPECT_EQ(SIGQUIT, status);
	EXPECT_EQ(SIGQUIT, info.si_status);
	EXPECT_EQ(CLD_KILLED, info.si_code);
}

CLAUSE(stop_and_continuation_are_told_with_their_signal,
       "sigaction(2) SIGCHLD: CLD_STOPPED with the signal that stopped it, CLD_CONTINUED with SIGCONT; waitid(2) says "
       "the same",
       .needed_by = USERS)
{
	static const int stops[] = { SIGSTOP, SIGTSTP };

	ASSERT_OK(hold_back(SIGCHLD));
	FOR_EACH(i, stops) {
		for (enum way way = 0; way < WAYS; way++) {
			pid_t pid = child_that(false, 0);

			if (stops[i] == SIGTSTP)	// has no effect on an orphaned process group
				ASSERT_OK(raw_syscall(__NR_setpgid, pid, 0));
			ASSERT_TRUE(wait_until_blocked_in(pid, NR_PPOLL));
			ASSERT_OK(send(pid, stops[i]));
			EXPECT_CHILD_SAYS(info_of_child(CLD_STOPPED, pid, stops[i]), WSTOPPED, way);
			ASSERT_RET(0, wait_for(pid, NULL, WSTOPPED));
			ASSERT_OK(send(pid, SIGCONT));
			EXPECT_CHILD_SAYS(info_of_child(CLD_CONTINUED, pid, SIGCONT), WCONTINUED, way);
			ASSERT_OK(send(pid, SIGKILL));
			ASSERT_RET(0, wait_for(pid, NULL, WEXITED));
			while (is_pending(SIGCHLD))
				ASSERT_RET(SIGCHLD, take(SIGCHLD, BY_SIGNALFD, &kept));
		}
	}
}

CLAUSE(a_traced_child_that_stops_is_trapped,
       "sigaction(2) SIGCHLD, ptrace(2): a traced child that meets a signal stops with CLD_TRAPPED and the signal's "
       "number; waitid(2) says the same",
       .needed_by = "go:syscall.forkExec")
{
	pid_t pid;

	ASSERT_OK(hold_back(SIGCHLD));
	pid = fork();
	if (pid == 0) {
		if (ptrace(PTRACE_TRACEME, 0, 0, 0))
			_exit(77);
		raw_syscall(__NR_tgkill, getpid(), getpid(), SIGUSR2);
		_exit(0);
	}
	ASSERT_TRUE(wait_until(is_pending(SIGCHLD)));
	if (wait_for(pid, &kept, WEXITED | WNOHANG | WNOWAIT) == 0 && kept.si_pid == pid && kept.si_status == 77)
		SKIP(return, "ptrace is not permitted here");
	EXPECT_CHILD_SAYS(info_of_child(CLD_TRAPPED, pid, SIGUSR2), WSTOPPED, BY_SIGTIMEDWAIT);
	ASSERT_OK(send(pid, SIGKILL));
	ASSERT_RET(0, wait_for(pid, NULL, WEXITED));
}

CLAUSE(the_user_is_the_childs,
       "sigaction(2) SIGCHLD: si_uid is the child's real user id, not the parent's; waitid(2) says the "
       "same", .needs = "cap=setuid",
       .needed_by = USERS)
{
	siginfo_t want;
	pid_t pid;

	ASSERT_OK(hold_back(SIGCHLD));
	pid = fork();
	if (pid == 0)
		_exit(setresuid(4711, -1, -1) ? 1 : 0);
	want = info_of_child(CLD_EXITED, pid, 0);
	want.si_uid = 4711;
	ASSERT_TRUE(wait_until(is_pending(SIGCHLD)));
	ASSERT_RET(0, wait_for(pid, &kept, WEXITED | WNOWAIT));
	if (kept.si_status)
		SKIP(return, "no user ids to change between");
	EXPECT_CHILD_SAYS(want, WEXITED, BY_HANDLER);
}

CLAUSE(the_times_are_the_childs_cpu_time,
       "sigaction(2) SIGCHLD: si_utime and si_stime are the CPU time in clock ticks that the child has used, not less "
       "than it saw on its own clock",
       .needed_by = "cpython:signal.sigwaitinfo")
{
	siginfo_t info;
	pid_t pid;

	ASSERT_OK(hold_back(SIGCHLD));
	pid = fork();
	if (pid == 0) {
		struct __kernel_timespec user = { 0 };	// by the process's clock of user time
		int clock = ~0U << 3 | 1;

		while (user.tv_sec == 0 && user.tv_nsec < 2 * TICK_NS) {
			for (volatile int i = 0; i < 100000; i++)
				;
			raw_syscall(NR_CLOCK_GETTIME, clock, &user);
		}
		_exit(0);
	}
	ASSERT_TRUE(wait_until(is_pending(SIGCHLD)));
	ASSERT_RET(SIGCHLD, take(SIGCHLD, BY_SIGTIMEDWAIT, &info));
	EXPECT_EQ(pid, info.si_pid);
	EXPECT_GE(info.si_utime, 2);
	EXPECT_GE(info.si_stime, 0);
}

// The si_code of the next SIGCHLD.
static int next_code(void)
{
	siginfo_t info;

	if (!wait_until(is_pending(SIGCHLD)))
		return -1;
	return take(SIGCHLD, BY_SIGTIMEDWAIT, &info) == SIGCHLD ? info.si_code : -1;
}

CLAUSE(nocldstop_silences_stops_alone,
       "sigaction(2) SA_NOCLDSTOP: no SIGCHLD when children stop or resume; waitid(2) still tells, and the end of the "
       "child still sends one",
       .needed_by = "erlang:forker_driver cpython:asyncio")
{
	pid_t pid;

	ASSERT_OK(hold_back(SIGCHLD));
	pid = child_that(false, 0);
	ASSERT_TRUE(wait_until_blocked_in(pid, NR_PPOLL));
	for (int silent = 0; silent < 2; silent++) {
		if (silent)
			ASSERT_OK(raw_sigaction(SIGCHLD, keep_info, SA_NOCLDSTOP));
		ASSERT_OK(send(pid, SIGSTOP));
		if (!silent)
			EXPECT_EQ(CLD_STOPPED, next_code());
		ASSERT_RET(0, wait_for(pid, NULL, WSTOPPED));
		ASSERT_OK(send(pid, SIGCONT));
		if (!silent)
			EXPECT_EQ(CLD_CONTINUED, next_code());
		ASSERT_RET(0, wait_for(pid, NULL, WCONTINUED));
	}
	ASSERT_OK(send(pid, SIGKILL));
	EXPECT_EQ(CLD_KILLED, next_code());	// had there been one of a stop, it would still be that one
	ASSERT_RET(0, wait_for(pid, NULL, WEXITED));
}

CLAUSE(nocldwait_leaves_no_zombie_and_still_signals,
       "sigaction(2) SA_NOCLDWAIT: children do not become zombies: wait4(2) blocks until all have ended and fails with "
       "ECHILD; SIGCHLD is sent "
       "all the same, as on Linux", .needed_by = USERS)
{
	siginfo_t info;
	pid_t pid;
	int status = -1;

	ASSERT_OK(hold_back(SIGCHLD));
	ASSERT_OK(raw_sigaction(SIGCHLD, keep_info, SA_NOCLDWAIT));
	pid = child_that(true, 3);
	EXPECT_ERR(ECHILD, raw_syscall(__NR_wait4, -1, &status, 0, NULL));
	EXPECT_EQ(-1, status);
	EXPECT_ERR(ECHILD, wait_for(pid, &info, WEXITED));
	ASSERT_TRUE(wait_until(is_pending(SIGCHLD)));
	ASSERT_RET(SIGCHLD, take(SIGCHLD, BY_SIGTIMEDWAIT, &info));
	EXPECT_EQ(CLD_EXITED, info.si_code);
	EXPECT_EQ(pid, info.si_pid);
	EXPECT_EQ(3, info.si_status);
	EXPECT_TRUE(wait_until(send(pid, 0) == -ESRCH));
}

CLAUSE(ignoring_sigchld_leaves_no_zombie,
       "wait(2) NOTES, sigaction(2) NOTES: with SIGCHLD set to SIG_IGN children do not become zombies and wait fails "
       "with ECHILD when all have "
       "ended; with SIG_DFL they do", .needed_by = USERS)
{
	siginfo_t info;
	int status = -1;
	pid_t pid;

	ASSERT_OK(raw_sigaction(SIGCHLD, SIGNAL_IGNORE, 0));
	pid = child_that(true, 3);
	EXPECT_ERR(ECHILD, raw_syscall(__NR_wait4, pid, &status, 0, NULL));
	EXPECT_EQ(-1, status);
	EXPECT_TRUE(wait_until(send(pid, 0) == -ESRCH));
	ASSERT_OK(raw_sigaction(SIGCHLD, SIGNAL_DEFAULT, 0));
	pid = child_that(true, 3);
	ASSERT_RET(0, wait_for(pid, &info, WEXITED | WNOWAIT));
	EXPECT_EQ(CLD_EXITED, info.si_code);
	EXPECT_RET(0, send(pid, 0));
	ASSERT_RET(pid, raw_syscall(__NR_wait4, pid, &status, 0, NULL));
	EXPECT_EQ(0x300, status);
}

CLAUSE(a_stopped_child_is_not_lost_when_sigchld_is_ignored,
       "wait(2) NOTES, sigaction(2) SA_NOCLDWAIT: stops are still told by waitid(2) where ends are "
       "not", .needed_by = USERS)
{
	siginfo_t info;
	pid_t pid;

	ASSERT_OK(raw_sigaction(SIGCHLD, SIGNAL_IGNORE, 0));
	pid = child_that(false, 0);
	ASSERT_OK(send(pid, SIGSTOP));
	ASSERT_RET(0, wait_for(pid, &info, WSTOPPED | WEXITED));
	EXPECT_EQ(CLD_STOPPED, info.si_code);
	EXPECT_EQ(SIGSTOP, info.si_status);
	ASSERT_OK(send(pid, SIGKILL));
	EXPECT_ERR(ECHILD, wait_for(pid, &info, WEXITED));
}

CLAUSE(many_children_may_share_one_signal,
       "signal(7) Queueing: SIGCHLD is a standard signal: of several children that ended while it was blocked one is "
       "told, the first; waiting "
       "finds them all", .needed_by = USERS)
{
	siginfo_t info;
	pid_t first;

	ASSERT_OK(hold_back(SIGCHLD));
	first = child_that(true, 1);
	ASSERT_TRUE(wait_until(is_pending(SIGCHLD)));
	for (int i = 2; i <= 5; i++) {
		pid_t pid = child_that(true, i);

		ASSERT_RET(0, wait_for(pid, &info, WEXITED | WNOWAIT));
	}
	ASSERT_RET(SIGCHLD, take(SIGCHLD, BY_SIGTIMEDWAIT, &info));
	EXPECT_EQ(first, info.si_pid);
	EXPECT_EQ(1, info.si_status);
	EXPECT_FALSE(is_pending(SIGCHLD));
	for (int i = 1; i <= 5; i++)
		ASSERT_OK(raw_syscall(__NR_wait4, -1, NULL, 0, NULL));
	EXPECT_ERR(ECHILD, raw_syscall(__NR_wait4, -1, NULL, WNOHANG, NULL));
}

CLAUSE(the_signal_is_pending_when_a_wait_returns,
       "kernel/exit.c exit_notify, do_notify_parent (7.2): the signal is sent before the child can be waited for: "
       "whoever reaps it has it pending or "
       "handled", .needed_by = "go:os.signal.Notify")
{
	siginfo_t info;

	ASSERT_OK(hold_back(SIGCHLD));
	for (int i = 0; i < 20; i++) {
		pid_t pid = child_that(true, i);

		ASSERT_RET(pid, raw_syscall(__NR_wait4, pid, NULL, 0, NULL));
		ASSERT_TRUE(is_pending(SIGCHLD));
		ASSERT_RET(SIGCHLD, take(SIGCHLD, BY_SIGTIMEDWAIT, &info));
		ASSERT_EQ(pid, info.si_pid);
	}
}

struct orphan {
	volatile int ready, parent, taken;
	siginfo_t info;
};

static void ask_for_a_death_signal(struct orphan *o)
{
	hold_back(SIGUSR1);
	raw_syscall(__NR_prctl, PR_SET_PDEATHSIG, SIGUSR1, 0, 0, 0);
	o->ready = 1;
	wait_until(is_pending(SIGUSR1));
	o->taken = take(SIGUSR1, BY_SIGTIMEDWAIT, &o->info);
	_exit(0);
}

CLAUSE(the_death_signal_names_the_parent_that_died,
       "prctl(2) PR_SET_PDEATHSIG: upon its parent's death the child gets the signal, with SI_USER and si_pid of the "
       "parent", .needed_by = "go:syscall.forkAndExecInChild")
{
	struct orphan *o = common_memory(sizeof(*o));
	siginfo_t want;
	pid_t parent = fork();

	if (parent == 0) {
		if (fork() == 0)
			ask_for_a_death_signal(o);
		_exit(!wait_until(o->ready));
	}
	ASSERT_EQ(parent, waitpid(parent, NULL, 0));
	ASSERT_TRUE(wait_until(o->taken));
	want = info_from(SIGUSR1, SI_USER, parent, getuid());
	EXPECT_RET(SIGUSR1, o->taken);
	EXPECT_INFO_BYTES(&want, &o->info, "sigtimedwait");
}
