// SPDX-License-Identifier: GPL-2.0-only
// wait4(2) and waitid(2): which children, which options, what is told of them, and the exit signal.
#include "clone.h"
#include "guard.h"
#include "sigaction.h"

#include <sys/resource.h>

#define USERS "go:fork_exec glibc:waitpid jvm:ProcessHandle rust:Command"

static long raw_wait4(long pid, int *status, int options)
{
	return raw_syscall(__NR_wait4, pid, status, options, NULL);
}

static long waitid_of(int type, long id, siginfo_t *info, int options)
{
	return raw_syscall(__NR_waitid, type, id, info, options, NULL);
}

static int sends_itself(void *sig)
{
	if (*(int *)sig)
		raw_syscall(__NR_kill, raw_syscall(__NR_getpid), *(int *)sig);
	return 9;
}

CLAUSE(waitid_tells_who_ended_how,
       "waitid(2): si_pid, si_uid, si_signo SIGCHLD, si_status the exit status or the signal, si_code CLD_EXITED "
       "or CLD_KILLED; wait4 gives the same in its status word [PFD-3]",
       .needed_by = USERS)
{
	static const int sigs[] = { 0, SIGKILL, SIGTERM, SIGHUP, SIGUSR2, 34, 64 };

	for (int i = 0; i < sizeof(sigs) / sizeof(*sigs); i++) {
		siginfo_t *info = guarded(sizeof(*info));
		long pid = child_of(SIGCHLD, sends_itself, (void *)&sigs[i]);

		ASSERT_OK(pid);
		info->si_errno = 77;
		ASSERT_RET(0, waitid_of(P_PID, pid, info, WEXITED | WNOWAIT));
		EXPECT_EQ(SIGCHLD, info->si_signo);
		EXPECT_EQ(0, info->si_errno);
		EXPECT_EQ(pid, info->si_pid);
		EXPECT_EQ(getuid(), info->si_uid);
		EXPECT_EQ(sigs[i] ? CLD_KILLED : CLD_EXITED, info->si_code);
		EXPECT_EQ(sigs[i] ?: 9, info->si_status);
		EXPECT_INTACT(info);
		EXPECT_RET(sigs[i] ?: EXITED(9), end_of(pid));
		guard_free(info);
	}
}

static int dumps(void *unused)
{
	static const uint64_t none[2];

	raw_syscall(__NR_prlimit64, 0, RLIMIT_CORE, none, NULL);
	raw_syscall(__NR_kill, raw_syscall(__NR_getpid), SIGQUIT);
	return 0;
}

CLAUSE(a_signal_that_dumps_core_is_told_as_killed_or_dumped,
       "waitid(2), signal(7): of a child that SIGQUIT ended si_code is CLD_DUMPED where WCOREDUMP of its status "
       "is set, else CLD_KILLED, and the signal the same [PFD-3]",
       .needed_by = USERS)
{
	siginfo_t info = { 0 };
	long pid, end;

	ASSERT_OK(pid = child_of(SIGCHLD, dumps, NULL));
	ASSERT_RET(0, waitid_of(P_PID, pid, &info, WEXITED | WNOWAIT));
	end = end_of(pid);
	EXPECT_EQ(SIGQUIT, end & 0x7f);
	EXPECT_EQ(SIGQUIT, info.si_status);
	EXPECT_EQ(end & 0x80 ? CLD_DUMPED : CLD_KILLED, info.si_code);
}

CLAUSE(a_stop_and_a_continue_are_told_once_each,
       "waitid(2), wait(2): WSTOPPED tells CLD_STOPPED with the signal, WCONTINUED CLD_CONTINUED with SIGCONT; "
       "wait4 the same with WUNTRACED; each is told once, again and again with WNOWAIT",
       .needed_by = USERS)
{
	siginfo_t info = { 0 };
	int status = -1;
	long pid;

	ASSERT_OK(pid = child_of(SIGCHLD, waits_for_ever, NULL));
	for (int round = 0; round < 2; round++) {
		ASSERT_RET(0, raw_syscall(__NR_kill, pid, round ? SIGTSTP : SIGSTOP));
		ASSERT_RET(0, waitid_of(P_PID, pid, &info, WSTOPPED | WNOWAIT));
		EXPECT_EQ(CLD_STOPPED, info.si_code);
		EXPECT_EQ(round ? SIGTSTP : SIGSTOP, info.si_status);
		EXPECT_EQ(pid, info.si_pid);
		EXPECT_RET(pid, raw_wait4(pid, &status, WUNTRACED));
		EXPECT_EQ((round ? SIGTSTP : SIGSTOP) << 8 | 0x7f, status);
		EXPECT_RET(0, raw_wait4(pid, &status, WUNTRACED | WNOHANG));
		ASSERT_RET(0, raw_syscall(__NR_kill, pid, SIGCONT));
		ASSERT_RET(0, waitid_of(P_PID, pid, &info, WCONTINUED | WNOWAIT));
		EXPECT_EQ(CLD_CONTINUED, info.si_code);
		EXPECT_EQ(SIGCONT, info.si_status);
		EXPECT_RET(pid, raw_wait4(pid, &status, WCONTINUED));
		EXPECT_EQ(0xffff, status);
		EXPECT_RET(0, raw_wait4(pid, &status, WCONTINUED | WUNTRACED | WNOHANG));
	}
	kill_and_reap(pid);
}

CLAUSE(a_child_that_lives_is_nothing_to_tell_with_wnohang,
       "wait4(2), waitid(2) WNOHANG: with children in no state that is asked for the call returns 0 at once; "
       "waitid then has si_signo and si_pid 0, and wait4 leaves the status",
       .needed_by = USERS)
{
	siginfo_t info;
	int status = 0x5a5a;
	long pid;

	memset(&info, 0xff, sizeof(info));
	ASSERT_OK(pid = child_of(SIGCHLD, waits_for_ever, NULL));
	EXPECT_RET(0, raw_wait4(pid, &status, WNOHANG));
	EXPECT_RET(0, raw_wait4(-1, &status, WNOHANG));
	EXPECT_EQ(0x5a5a, status);
	EXPECT_RET(0, waitid_of(P_ALL, 0, &info, WEXITED | WNOHANG));
	EXPECT_EQ(0, info.si_signo);
	EXPECT_EQ(0, info.si_pid);
	kill_and_reap(pid);
}

CLAUSE(a_zombie_is_told_until_someone_reaps_it_and_then_never,
       "waitid(2) WNOWAIT: the child is left in a waitable state; without it, it is gone, its ID no longer one of"
       " a child: ECHILD",
       .needed_by = USERS)
{
	siginfo_t info = { 0 };
	long pid;

	ASSERT_OK(pid = child_of(SIGCHLD, returns_zero, NULL));
	for (int i = 0; i < 3; i++) {
		ASSERT_RET(0, waitid_of(P_ALL, 0, &info, WEXITED | WNOWAIT));
		EXPECT_EQ(pid, info.si_pid);
		EXPECT_EQ('Z', task_state(pid));
		EXPECT_RET(0, raw_syscall(__NR_kill, pid, 0));
	}
	ASSERT_RET(0, waitid_of(P_PID, pid, &info, WEXITED));
	EXPECT_ERR(ECHILD, waitid_of(P_PID, pid, &info, WEXITED | WNOHANG));
	EXPECT_ERR(ECHILD, raw_wait4(pid, NULL, 0));
	EXPECT_ERR(ECHILD, raw_wait4(-1, NULL, 0));
	EXPECT_ERR(ESRCH, raw_syscall(__NR_kill, pid, 0));
}

static int is_in_its_own_group(void *unused)
{
	raw_syscall(__NR_setpgid, 0, 0);
	return 3;
}

CLAUSE(groups_and_single_children_are_chosen_by_number,
       "wait4(2), waitid(2): pid > 0 or P_PID is that child, -1 or P_ALL any, 0 or P_PGID with 0 any of the "
       "caller's group, below -1 or P_PGID any of that group",
       .needed_by = USERS)
{
	siginfo_t info = { 0 };
	int status = -1;
	long here, there;

	ASSERT_OK(here = child_of(SIGCHLD, returns_zero, NULL));
	ASSERT_OK(there = child_of(SIGCHLD, is_in_its_own_group, NULL));
	ASSERT_RET(0, waitid_of(P_PID, there, &info, WEXITED | WNOWAIT));
	ASSERT_RET(0, waitid_of(P_PGID, there, &info, WEXITED | WNOWAIT));
	EXPECT_EQ(there, info.si_pid);
	ASSERT_RET(0, waitid_of(P_PGID, 0, &info, WEXITED | WNOWAIT));
	EXPECT_EQ(here, info.si_pid);
	ASSERT_RET(0, waitid_of(P_PGID, getpgrp(), &info, WEXITED | WNOWAIT));
	EXPECT_EQ(here, info.si_pid);
	EXPECT_RET(there, raw_wait4(-there, &status, 0));
	EXPECT_EQ(EXITED(3), status);
	EXPECT_ERR(ECHILD, raw_wait4(-there, &status, 0));
	EXPECT_RET(here, raw_wait4(0, &status, 0));
	EXPECT_ERR(ECHILD, raw_wait4(0, &status, 0));
}

CLAUSE(what_makes_no_sense_is_refused,
       "wait4(2), waitid(2) ERRORS: EINVAL for options or an ID type that do not exist, for waitid without a "
       "state to wait for, for P_PID of no process ID; ECHILD for who is no child; EFAULT for results that cannot"
       " be written; ESRCH for INT_MIN",
       .needed_by = USERS)
{
	siginfo_t info;
	long pid;

	EXPECT_ERR(EINVAL, raw_wait4(-1, NULL, 0x10));
	EXPECT_ERR(EINVAL, raw_wait4(-1, NULL, WEXITED));
	EXPECT_ERR(EINVAL, raw_wait4(-1, NULL, WNOWAIT));
	EXPECT_ERR(ESRCH, raw_wait4(INT32_MIN, NULL, 0));
	EXPECT_ERR(EINVAL, waitid_of(P_ALL, 0, &info, 0));
	EXPECT_ERR(EINVAL, waitid_of(P_ALL, 0, &info, WNOHANG | WNOWAIT));
	EXPECT_ERR(EINVAL, waitid_of(P_ALL, 0, &info, WEXITED | 0x10));
	EXPECT_ERR(EINVAL, waitid_of(99, 0, &info, WEXITED));
	EXPECT_ERR(EINVAL, waitid_of(P_PID, 0, &info, WEXITED));
	EXPECT_ERR(EINVAL, waitid_of(P_PID, -1, &info, WEXITED));
	EXPECT_ERR(EINVAL, waitid_of(P_PGID, -1, &info, WEXITED));
	EXPECT_ERR(ECHILD, waitid_of(P_PID, getpid(), &info, WEXITED));
	EXPECT_ERR(ECHILD, raw_wait4(getppid(), NULL, 0));
	EXPECT_ERR(ECHILD, raw_wait4(-1, NULL, WNOHANG));
	ASSERT_OK(pid = child_of(SIGCHLD, returns_zero, NULL));
	EXPECT_ERR(EFAULT, waitid_of(P_PID, pid, forbidden_page(), WEXITED | WNOWAIT));
	EXPECT_ERR(EFAULT, raw_wait4(pid, forbidden_page(), 0));
	EXPECT_TRUE(has_no_child());	// gone, though nobody was told
}

CLAUSE(waitid_without_a_place_for_the_result_reaps_all_the_same,
       "waitid(2) C library/kernel differences: a NULL infop is accepted by the raw call",
       .needed_by = "go:fork_exec")
{
	long pid;

	ASSERT_OK(pid = child_of(SIGCHLD, returns_zero, NULL));
	EXPECT_RET(0, waitid_of(P_PID, pid, NULL, WEXITED | WNOWAIT));
	EXPECT_RET(0, waitid_of(P_PID, pid, NULL, WEXITED));
	EXPECT_TRUE(has_no_child());
}

CLAUSE(the_kind_of_a_child_is_chosen_by_its_exit_signal,
       "wait(2) __WCLONE, __WALL: a child that delivers another signal than SIGCHLD, or none, is a clone child: "
       "waited for with __WCLONE or __WALL only; one of SIGCHLD without __WCLONE or with __WALL; the same in "
       "waitid",
       .needed_by = USERS)
{
	static const int signals[] = { 0, SIGUSR1, SIGCHLD, 34 };

	ASSERT_RET(0, raw_sigaction(SIGUSR1, SIGNAL_IGNORE, 0));
	ASSERT_RET(0, raw_sigaction(34, SIGNAL_IGNORE, 0));
	for (int i = 0; i < sizeof(signals) / sizeof(*signals); i++) {
		int matching = signals[i] == SIGCHLD ? 0 : __WCLONE, other = __WCLONE - matching, status = -1;
		siginfo_t info = { 0 };
		long pid = child_of(signals[i], returns_zero, NULL);

		ASSERT_OK(pid);
		ASSERT_RET(0, waitid_of(P_PID, pid, &info, WEXITED | WNOWAIT | __WALL));
		EXPECT_EQ(SIGCHLD, info.si_signo);	// whatever its exit signal
		EXPECT_EQ(pid, info.si_pid);
		EXPECT_ERR(ECHILD, raw_wait4(pid, &status, other));
		EXPECT_ERR(ECHILD, raw_wait4(-1, &status, other | WNOHANG));
		EXPECT_ERR(ECHILD, waitid_of(P_PID, pid, &info, WEXITED | other));
		EXPECT_RET(0, waitid_of(P_PID, pid, &info, WEXITED | WNOWAIT | matching));
		EXPECT_RET(pid, raw_wait4(-1, &status, matching));
		EXPECT_EQ(EXITED(0), status);
	}
}

static volatile int got[65];
static volatile long got_pid, got_code, got_status;

static void note_signal(int sig, siginfo_t *info, void *ucontext)
{
	got[sig]++;
	got_pid = info->si_pid;
	got_code = info->si_code;
	got_status = info->si_status;
}

CLAUSE(the_exit_signal_is_the_one_that_was_asked_for,
       "clone(2) The child termination signal: the low byte of flags is the signal sent to the parent when the "
       "child terminates; SIGCHLD tells how it ended; 0 sends none",
       .needed_by = USERS)
{
	static const int signals[] = { SIGCHLD, SIGUSR1, SIGWINCH, SIGIO, 34, 64 };
	long pid;

	for (int i = 0; i < sizeof(signals) / sizeof(*signals); i++)
		ASSERT_RET(0, raw_sigaction(signals[i], note_signal, 0));
	for (int i = 0; i < sizeof(signals) / sizeof(*signals); i++) {
		memset((void *)got, 0, sizeof(got));
		ASSERT_OK(pid = child_of(signals[i], sends_itself, &(int){ 0 }));
		EXPECT_RET(EXITED(9), end_of(pid));
		ASSERT_TRUE(wait_until(got[signals[i]] == 1));
		EXPECT_EQ(CLD_EXITED, got_code);
		if (signals[i] == SIGCHLD) {	// 32-bit programs of 64-bit kernels get the fields of this signal alone
			EXPECT_EQ(pid, got_pid);
			EXPECT_EQ(9, got_status);
		}
		for (int sig = 1; sig <= 64; sig++)
			EXPECT_EQ(sig == signals[i], got[sig]);
	}
	memset((void *)got, 0, sizeof(got));
	ASSERT_OK(pid = child_of(0, returns_zero, NULL));
	EXPECT_RET(EXITED(0), end_of(pid));
	for (int sig = 1; sig <= 64; sig++)
		EXPECT_EQ(0, got[sig]);
}

static long children_vanish(signal_handler *action, unsigned long flags)
{
	long pid, result = raw_sigaction(SIGCHLD, action, flags);
	int status = -1;

	if (is_error(result))
		return result;
	for (int i = 0; i < 3; i++) {
		pid = child_of(SIGCHLD, returns_zero, NULL);
		result = raw_wait4(pid, &status, 0);
		if (result != -ECHILD || status != -1)
			return result ?: -EINVAL;
		if (!wait_until(!task_state(pid)))	// no longer a child, it may take a moment to be gone
			return -EBUSY;
	}
	return 0;
}

CLAUSE(children_of_who_does_not_care_leave_no_zombie,
       "wait(2) NOTES, sigaction(2) SA_NOCLDWAIT: with SIGCHLD ignored or SA_NOCLDWAIT children do not become "
       "zombies, and a wait blocks until all are gone and is then ECHILD",
       .needed_by = USERS)
{
	EXPECT_RET(0, children_vanish(SIGNAL_IGNORE, 0));
	EXPECT_RET(0, children_vanish(SIGNAL_DEFAULT, SA_NOCLDWAIT));
	EXPECT_RET(0, children_vanish(note_signal, SA_NOCLDWAIT | SA_RESTART));
	EXPECT_TRUE(wait_until(got[SIGCHLD] == 3));	// Linux tells of them all the same
	EXPECT_TRUE(has_no_child());
}

CLAUSE(children_of_the_default_action_do_become_zombies,
       "wait(2) NOTES: the default disposition of SIGCHLD, which is to ignore it, is not that of SIG_IGN; nor are"
       " children with another exit signal reaped",
       .needed_by = USERS)
{
	long pid;

	ASSERT_RET(0, raw_sigaction(SIGCHLD, SIGNAL_DEFAULT, 0));
	ASSERT_OK(pid = child_of(SIGCHLD, returns_zero, NULL));
	ASSERT_RET(0, waitid_of(P_PID, pid, NULL, WEXITED | WNOWAIT));
	ASSERT_RET(0, raw_sigaction(SIGCHLD, SIGNAL_IGNORE, 0));	// too late for the one that has ended
	EXPECT_RET(EXITED(0), end_of(pid));
	ASSERT_OK(pid = child_of(0, returns_zero, NULL));
	EXPECT_RET(EXITED(0), end_of(pid));
}

CLAUSE(a_stop_is_not_signalled_to_who_does_not_want_it,
       "sigaction(2) SA_NOCLDSTOP: no SIGCHLD when children stop or resume, but when they end; without it, "
       "CLD_STOPPED and CLD_CONTINUED",
       .needed_by = USERS)
{
	long pid;

	for (int quiet = 0; quiet < 2; quiet++) {
		got[SIGCHLD] = 0;
		ASSERT_RET(0, raw_sigaction(SIGCHLD, note_signal, SA_RESTART | (quiet ? SA_NOCLDSTOP : 0)));
		ASSERT_OK(pid = child_of(SIGCHLD, waits_for_ever, NULL));
		ASSERT_RET(0, raw_syscall(__NR_kill, pid, SIGSTOP));
		// The signal before the wait: do_notify_parent_cldstop() reads the status that a wait in between has taken away.
		if (!quiet) {
			EXPECT_TRUE(wait_until(got[SIGCHLD] && got_code == CLD_STOPPED));
			EXPECT_EQ(1, got[SIGCHLD]);
			EXPECT_EQ(SIGSTOP, got_status);
		}
		ASSERT_RET(pid, raw_wait4(pid, NULL, WUNTRACED));
		ASSERT_RET(0, raw_syscall(__NR_kill, pid, SIGCONT));
		if (!quiet) {
			EXPECT_TRUE(wait_until(got[SIGCHLD] > 1 && got_code == CLD_CONTINUED));
			EXPECT_EQ(2, got[SIGCHLD]);
			EXPECT_EQ(SIGCONT, got_status);
		}
		ASSERT_RET(pid, raw_wait4(pid, NULL, WCONTINUED));
		EXPECT_EQ(quiet ? 0 : 2, got[SIGCHLD]);
		kill_and_reap(pid);
		EXPECT_TRUE(wait_until(got[SIGCHLD] == (quiet ? 1 : 3)));
	}
}

static int waits_for_the_child(void *pid)
{
	return raw_wait4(*(long *)pid, NULL, __WNOTHREAD | __WALL) != -ECHILD ||
	       raw_wait4(*(long *)pid, NULL, __WALL) != *(long *)pid;
}

CLAUSE(a_child_is_that_of_every_thread_unless_wnothread,
       "wait(2) __WNOTHREAD, Linux notes: a thread can wait for children of other threads of its group, and with "
       "__WNOTHREAD for its own only",
       .needed_by = USERS)
{
	struct thread t;
	long pid;

	ASSERT_OK(pid = child_of(SIGCHLD, returns_zero, NULL));
	ASSERT_OK(thread_start(&t, waits_for_the_child, &pid));
	ASSERT_TRUE(thread_join(&t));
	EXPECT_TRUE(has_no_child());
}

static int burns(void *unused)
{
	struct __kernel_timespec now = { 0 };
	long long begun;

	raw_syscall(NR_CLOCK_GETTIME, 2 /* CLOCK_PROCESS_CPUTIME_ID */, &now);
	begun = now.tv_sec * 1000000000LL + now.tv_nsec;
	do
		raw_syscall(NR_CLOCK_GETTIME, 2, &now);
	while (now.tv_sec * 1000000000LL + now.tv_nsec < begun + 10000000);
	return 0;
}

CLAUSE(the_usage_of_a_child_is_told_with_its_end,
       "wait4(2), waitid(2): the rusage holds the CPU time of the child that ended and its children; "
       "RUSAGE_CHILDREN grows by it once it is waited for [PFD-3]",
       .needed_by = USERS)
{
	long usage[64], again[64], pid;	// two timevals of longs, of an ABI with 32-bit time too, and fourteen longs
	long long begun = monotonic_ns();
	struct rusage children;
	int status = -1;

	memset(usage, 0xff, sizeof(usage));
	ASSERT_OK(pid = child_of(SIGCHLD, burns, NULL));
	ASSERT_RET(0, raw_syscall(__NR_waitid, P_PID, pid, NULL, WEXITED | WNOWAIT, usage));
	EXPECT_LE(9000, (usage[0] + usage[2]) * 1000000 + usage[1] + usage[3]);
	ASSERT_EQ(0, getrusage(RUSAGE_CHILDREN, &children));
	EXPECT_EQ(0, children.ru_utime.tv_sec + children.ru_utime.tv_usec + children.ru_stime.tv_sec + children.ru_stime.tv_usec);
	ASSERT_RET(pid, raw_syscall(__NR_wait4, pid, &status, 0, again));
	// The end is told before the child has left its CPU for good: a little more may be counted by the second look, never less.
	EXPECT_LE(usage[0] * 1000000 + usage[1], again[0] * 1000000 + again[1]);
	EXPECT_LE(usage[2] * 1000000 + usage[3], again[2] * 1000000 + again[3]);
	EXPECT_LE((again[0] + again[2]) * 1000000 + again[1] + again[3], 2 * (monotonic_ns() - begun) / 1000);
	ASSERT_EQ(0, getrusage(RUSAGE_CHILDREN, &children));
	EXPECT_LE(9000, children.ru_utime.tv_usec + children.ru_stime.tv_usec + 1000000 * (children.ru_utime.tv_sec + children.ru_stime.tv_sec));
	EXPECT_EQ(-1L, usage[63]);
}
