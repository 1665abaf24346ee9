// SPDX-License-Identifier: GPL-2.0-only
// PR_SET_SYSCALL_USER_DISPATCH: SIGSYS instead of a system call, by a byte in memory, for one thread alone.
#include "signals.h"

#define USERS "criu:sigreturn"

#ifndef PR_SET_SYSCALL_USER_DISPATCH
#define PR_SET_SYSCALL_USER_DISPATCH 59
#define PR_SYS_DISPATCH_OFF 0
#define PR_SYS_DISPATCH_ON 1
#endif
#ifndef SYS_USER_DISPATCH
#define SYS_USER_DISPATCH 2
#endif

enum { ALLOW, BLOCK };

static volatile char selector;
static volatile int times;
static siginfo_t seen;
static unsigned long seen_pc;

// Makes no call before it has allowed them: its return is one.
static void allow(int sig, siginfo_t *info, void *ucontext)
{
	selector = ALLOW;
	times++;
	memcpy(&seen, info, sizeof(seen));
	seen_pc = UC_PC(ucontext);
	UC_RET(ucontext) = 12345;
}

static long dispatch(unsigned long mode, unsigned long offset, unsigned long length, const volatile void *by)
{
	return raw_syscall(__NR_prctl, PR_SET_SYSCALL_USER_DISPATCH, mode, offset, length, by);
}

static long turn_off(void)
{
	return dispatch(PR_SYS_DISPATCH_OFF, 0, 0, NULL);
}

// With no code whose calls are always made.
static long turn_on(void)
{
	times = 0;
	selector = ALLOW;
	return raw_sigaction(SIGSYS, allow, 0) ?: dispatch(PR_SYS_DISPATCH_ON, 0, 0, &selector);
}

// An architecture of generic entry code had it before 7.3, and has it since then where it says so (seen without: s390x).
#define DISPATCH \
	.since = KERNEL(5, 11), .config = "GENERIC_ENTRY 7.3:SYSCALL_USER_DISPATCH", .probe = turn_off, \
	.absent_errno = EINVAL, .needed_by = USERS

CLAUSE(a_call_that_the_selector_blocks_is_sigsys_instead,
       "Documentation/admin-guide/syscall-user-dispatch.rst: with SYSCALL_DISPATCH_FILTER_BLOCK a call is not made "
       "but raises SIGSYS, with SYS_USER_DISPATCH, the number, the address behind the call and the architecture",
       DISPATCH)
{
	static volatile int byte;
	long result;

	ASSERT_RET(0, turn_on());
	selector = BLOCK;
	result = raw_syscall(__NR_getrandom, &byte, 1, 0);
	ASSERT_EQ(1, times);
	EXPECT_EQ(ALLOW, selector);
	EXPECT_EQ(12345, result);
	EXPECT_EQ(0, byte);
	EXPECT_EQ(SIGSYS, seen.si_signo);
	EXPECT_EQ(SYS_USER_DISPATCH, seen.si_code);
	EXPECT_EQ(0, seen.si_errno);
	EXPECT_EQ(__NR_getrandom, seen.si_syscall);
	EXPECT_EQ(ARCH_AUDIT, seen.si_arch);
	EXPECT_EQ(seen_pc, (unsigned long)seen.si_call_addr);
	// Another one, as what was left of the first must not be in its way.
	selector = BLOCK;
	EXPECT_RET(12345, raw_syscall(__NR_getpid));
	EXPECT_EQ(2, times);
	EXPECT_EQ(__NR_getpid, seen.si_syscall);
}

CLAUSE(what_the_selector_allows_and_what_is_in_the_region_is_done,
       "Documentation/admin-guide/syscall-user-dispatch.rst: calls go on with SYSCALL_DISPATCH_FILTER_ALLOW, from "
       "the region that was named whatever the selector says, and all of them once it is off", DISPATCH)
{
	int pid = own_pid();

	ASSERT_RET(0, turn_on());
	for (int i = 0; i < 3; i++)
		EXPECT_RET(pid, raw_syscall(__NR_getpid));
	ASSERT_RET(0, turn_off());
	selector = BLOCK;
	EXPECT_RET(pid, raw_syscall(__NR_getpid));
	ASSERT_RET(0, dispatch(PR_SYS_DISPATCH_ON, 1, -3UL, &selector));
	EXPECT_RET(pid, raw_syscall(__NR_getpid));
	ASSERT_RET(0, turn_off());
	EXPECT_EQ(0, times);
}

static volatile int goes, went;

static int calls_when_told(void *unused)
{
	long pid = raw_syscall(__NR_getpid);

	while (!goes)
		raw_syscall(__NR_sched_yield);
	went = raw_syscall(__NR_getpid) == pid ? 1 : -1;
	return 0;
}

CLAUSE(new_threads_and_children_start_without_it,
       "prctl(2) PR_SET_SYSCALL_USER_DISPATCH: it is of the calling thread: threads and processes that are made "
       "while it is on do not inherit it", DISPATCH)
{
	struct thread t;

	ASSERT_RET(0, turn_on());
	ASSERT_OK(thread_start(&t, calls_when_told, NULL));
	IN_CHILD {
		long pid;

		selector = BLOCK;
		pid = raw_syscall(__NR_getppid);
		selector = ALLOW;
		EXPECT_EQ(0, times);
		EXPECT_NE(12345, pid);
	}
	ASSERT_RET(0, turn_off());	// of the caller; the thread would still have its own
	selector = BLOCK;
	goes = 1;
	EXPECT_TRUE(wait_until(went));
	EXPECT_EQ(1, went);
	ASSERT_TRUE(thread_join(&t));
	EXPECT_EQ(0, times);
}

CLAUSE(a_selector_that_says_neither_ends_the_process,
       "Documentation/admin-guide/syscall-user-dispatch.rst: any other value of the selector ends the process by "
       "SIGSYS, one that cannot be read by SIGSEGV", DISPATCH)
{
	for (int unreadable = 0; unreadable < 2; unreadable++) {
		int status, pid = fork();

		if (pid == 0) {
			if (turn_on() || (unreadable && dispatch(PR_SYS_DISPATCH_ON, 0, 0, unmapped_page())))
				_exit(1);
			selector = 2;
			raw_syscall(__NR_getpid);
			selector = ALLOW;
			_exit(2);
		}
		status = end_of(pid);
		EXPECT_EQ(unreadable ? SIGSEGV : SIGSYS, WTERMSIG(status));
		EXPECT_TRUE(WIFSIGNALED(status));
	}
}

CLAUSE(what_makes_no_sense_is_refused,
       "prctl(2) PR_SET_SYSCALL_USER_DISPATCH ERRORS EINVAL, EFAULT: a mode that does not exist, arguments to turn "
       "it off with, a region that wraps around, a selector that is no address of the user's; nothing changes",
       .needs = "native", DISPATCH)
{
	EXPECT_ERR(EINVAL, dispatch(99, 0, 0, NULL));
	EXPECT_ERR(EINVAL, dispatch(PR_SYS_DISPATCH_OFF, 1, 0, NULL));
	EXPECT_ERR(EINVAL, dispatch(PR_SYS_DISPATCH_OFF, 0, 1, NULL));
	EXPECT_ERR(EINVAL, dispatch(PR_SYS_DISPATCH_OFF, 0, 0, &selector));
	EXPECT_ERR(EINVAL, dispatch(PR_SYS_DISPATCH_ON, 4096, -1UL, &selector));
	EXPECT_ERR(EINVAL, dispatch(PR_SYS_DISPATCH_ON, 4096, 0, &selector));
	EXPECT_ERR(EFAULT, dispatch(PR_SYS_DISPATCH_ON, 0, 0, (void *)-1UL));
	selector = BLOCK;
	EXPECT_OK(raw_syscall(__NR_getpid));
	EXPECT_EQ(0, times);
}
