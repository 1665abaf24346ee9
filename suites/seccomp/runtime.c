// SPDX-License-Identifier: GPL-2.0-only
// What is left of a runtime's primitives when a sandbox denies the newer system calls: ENOSYS must lead back to the old.
#include "clause.h"
#include "filter.h"
#include "sigaction.h"
#include "sync.h"
#include "thread.h"
#include "vdso.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <linux/sched.h>
#include <poll.h>
#include <sys/stat.h>
#include <time.h>

#define USERS "go:futex glibc:clone3 musl:time64"
#define SANDBOX .config = "SECCOMP_FILTER", .probe = seccomp_probe, .needed_by = USERS

// As a profile that is older than the call.
#define does_not_know(nr) judge(nr, FAILS_WITH(ENOSYS))

static int sets_a_word(void *arg)
{
	*(volatile int *)arg = 42;
	return 0;
}

CLAUSE(without_clone3_threads_come_from_clone,
       "seccomp(2) SECCOMP_RET_ERRNO, clone(2): where a sandbox answers clone3 with ENOSYS, clone makes threads and "
       "processes as ever "
       "[incident 43]", SANDBOX)
{
	struct clone_args args = { .exit_signal = SIGCHLD };
	volatile int word = 0;
	struct thread t;

	ASSERT_RET(0, does_not_know(__NR_clone3));
	EXPECT_ERR(ENOSYS, raw_syscall(__NR_clone3, &args, sizeof(args)));
	ASSERT_OK(thread_start(&t, sets_a_word, (void *)&word));
	EXPECT_TRUE(thread_join(&t));
	EXPECT_EQ(42, word);
	IN_CHILD
		EXPECT_ERR(ENOSYS, raw_syscall(__NR_clone3, &args, sizeof(args)));
}

// A 64-bit ABI has these calls with 64-bit time alone; a 32-bit one has both, but for those made since 5.1.
struct old_time { long sec, nsec; };

static volatile uint32_t word_to_wait_for;

static int waits_for_the_word(void *arg)
{
	while (!word_to_wait_for)
		raw_syscall(NR_FUTEX, &word_to_wait_for, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
	return 0;
}

#if defined(__NR_futex) && defined(__NR_futex_time64)
static int waits_the_old_way(void *arg)
{
	while (!word_to_wait_for)
		raw_syscall(__NR_futex, &word_to_wait_for, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
	return 0;
}
#endif

static long old_time_probe(void)
{
	struct old_time now;

	return raw_syscall(__NR_clock_gettime, CLOCK_MONOTONIC, &now);
}

CLAUSE(without_the_time64_calls_the_old_ones_work,
       "seccomp(2) SECCOMP_RET_ERRNO, futex(2), clock_gettime(2): where a sandbox answers the time64 calls of a 32-bit "
       "ABI with ENOSYS, the "
       "calls of the same name without it wait, time out and tell the time [incident 44] [incident "
       "45]", .needs = "32bit",
       .config = "SECCOMP_FILTER COMPAT_32BIT_TIME", .probe = old_time_probe, .needed_by = USERS)
{
#if defined(__NR_futex) && defined(__NR_futex_time64)
	struct old_time t = { 0, 5000000 }, early, late;
	struct thread waiter;
	uint32_t word = 0;

	ASSERT_RET(0, does_not_know(__NR_futex_time64));
	ASSERT_RET(0, does_not_know(__NR_clock_gettime64));
	ASSERT_RET(0, does_not_know(__NR_clock_nanosleep_time64));
	ASSERT_RET(0, does_not_know(__NR_ppoll_time64));
	EXPECT_ERR(ENOSYS, raw_syscall(__NR_futex_time64, &word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0));
	EXPECT_ERR(ENOSYS, raw_syscall(__NR_clock_gettime64, CLOCK_MONOTONIC, &early));
	EXPECT_RET(0, raw_syscall(__NR_clock_gettime, CLOCK_MONOTONIC, &early));
	EXPECT_ERR(ETIMEDOUT, raw_syscall(__NR_futex, &word, FUTEX_WAIT_PRIVATE, 0, &t, NULL, 0));
	EXPECT_RET(0, raw_syscall(__NR_clock_nanosleep, CLOCK_MONOTONIC, 0, &t, NULL));
	EXPECT_RET(0, raw_syscall(__NR_ppoll, NULL, 0, &t, NULL, 0));
	EXPECT_RET(0, raw_syscall(__NR_clock_gettime, CLOCK_MONOTONIC, &late));
	EXPECT_GE((late.sec - early.sec) * 1000000000LL + late.nsec - early.nsec, 15000000);
	ASSERT_OK(thread_start(&waiter, waits_the_old_way, NULL));
	ASSERT_TRUE(wait_until_blocked_in(waiter.known_as, __NR_futex));
	word_to_wait_for = 1;
	EXPECT_RET(1, raw_syscall(__NR_futex, &word_to_wait_for, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0));
	EXPECT_TRUE(thread_join(&waiter));
#else
	SKIP(return, "this ABI has one set of calls only");
#endif
}

CLAUSE(without_the_newer_file_calls_the_old_ones_work,
       "seccomp(2) SECCOMP_RET_ERRNO: where a sandbox answers statx, openat2, faccessat2 and close_range with ENOSYS, "
       "openat, fstat, faccessat "
       "and close work [incident 45]", SANDBOX)
{
	static const int unknown[] = { __NR_statx, __NR_openat2, __NR_faccessat2, __NR_close_range };
	struct stat st;
	long fd;

	for (unsigned int i = 0; i < ARRAY_SIZE(unknown); i++) {
		ASSERT_RET(0, does_not_know(unknown[i]));
		EXPECT_ERR(ENOSYS, raw_syscall(unknown[i], -1, 0, 0, 0, 0));
	}
	fd = raw_syscall(__NR_openat, AT_FDCWD, "/", O_RDONLY | O_DIRECTORY);
	ASSERT_OK(fd);
	EXPECT_EQ(0, fstat(fd, &st));
	EXPECT_TRUE(S_ISDIR(st.st_mode));
	EXPECT_RET(0, raw_syscall(__NR_faccessat, AT_FDCWD, "/", 1));
	EXPECT_RET(0, raw_syscall(__NR_close, fd));
	EXPECT_ERR(EBADF, raw_syscall(__NR_fcntl, fd, F_GETFD));
}

CLAUSE(what_a_sandbox_forbids_is_refused_by_its_error_alone,
       "seccomp(2) SECCOMP_RET_ERRNO: EPERM for what is forbidden and ENOSYS for what is unknown stay apart under one "
       "filter, as container "
       "profiles have them, and threads and waits go on [incident 43] [incident 44]", SANDBOX)
{
	struct thread t;

	ASSERT_RET(0, load_filter(0, LOAD_NR, UNLESS(__NR_unshare, 1), RET(FAILS_WITH(EPERM)), UNLESS(__NR_clone3, 1), RET(FAILS_WITH(ENOSYS)),
				  UNLESS(__NR_membarrier, 1), RET(FAILS_WITH(ENOSYS)), UNLESS(__NR_setns, 1), RET(FAILS_WITH(EPERM)), ALLOW));
	EXPECT_ERR(EPERM, raw_syscall(__NR_unshare, 0));
	EXPECT_ERR(EPERM, raw_syscall(__NR_setns, -1, 0));
	EXPECT_ERR(ENOSYS, raw_syscall(__NR_clone3, NULL, 0));
	EXPECT_ERR(ENOSYS, raw_syscall(__NR_membarrier, 0, 0, 0));
	ASSERT_OK(thread_start(&t, waits_for_the_word, NULL));
	ASSERT_TRUE(wait_until_blocked_in(t.known_as, NR_FUTEX));
	word_to_wait_for = 1;
	EXPECT_RET(1, raw_syscall(NR_FUTEX, &word_to_wait_for, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0));
	EXPECT_TRUE(thread_join(&t));
}

CLAUSE(the_vdso_tells_the_time_where_the_calls_are_denied,
       "vdso(7): functions of the vDSO make no system call for what they can tell themselves: the coarse clocks, of "
       "any clock source, work "
       "under a filter that kills who asks the kernel [VDS-14] [incident 76]", SANDBOX)
{
	struct __kernel_timespec before = { 0 }, now;
	struct vdso v;
	void *function;
	int status;

	if (!vdso_read(&v, NULL) || !VDSO_CLOCK_GETTIME || !(function = vdso_function(&v, VDSO_CLOCK_GETTIME)))
		SKIP(return, "no vDSO tells the time here");
	ASSERT_RET(0, raw_syscall(NR_CLOCK_GETTIME, CLOCK_MONOTONIC_COARSE, &before));
	status = STATUS_OF(
		if (load_filter(0, LOAD_NR, UNLESS(NR_CLOCK_GETTIME, 1), RET(SECCOMP_RET_KILL_PROCESS), UNLESS(__NR_clock_gettime, 1),
				RET(SECCOMP_RET_KILL_PROCESS), UNLESS(__NR_gettimeofday, 1), RET(SECCOMP_RET_KILL_PROCESS), ALLOW))
			_exit(1);
		if ((int)arch_vdso_call(function, CLOCK_MONOTONIC_COARSE, (long)&now, 0, 0, 0) || now.tv_sec < before.tv_sec)
			_exit(2);
		if ((int)arch_vdso_call(function, CLOCK_REALTIME_COARSE, (long)&now, 0, 0, 0))
			_exit(3));
	EXPECT_EQ(0, status);
}

CLAUSE(a_denied_clock_is_denied_through_the_vdso_too,
       "vdso(7), seccomp(2): a clock that the vDSO must ask the kernel for, such as a CPU clock, gives the filter's "
       "error through the vDSO as "
       "well, and no other [incident 44]", SANDBOX)
{
	struct __kernel_timespec now;
	struct vdso v;
	void *function;

	if (!vdso_read(&v, NULL) || !VDSO_CLOCK_GETTIME || !(function = vdso_function(&v, VDSO_CLOCK_GETTIME)))
		SKIP(return, "no vDSO tells the time here");
	ASSERT_RET(0, judge(NR_CLOCK_GETTIME, FAILS_WITH(EXDEV)));
	EXPECT_ERR(EXDEV, raw_syscall(NR_CLOCK_GETTIME, CLOCK_THREAD_CPUTIME_ID, &now));
	EXPECT_ERR(EXDEV, (int)arch_vdso_call(function, CLOCK_THREAD_CPUTIME_ID, (long)&now, 0, 0, 0));
}

static volatile int handled;

static void counts(int sig, siginfo_t *info, void *ucontext)
{
	handled++;
}

CLAUSE(the_restart_of_a_sleep_passes_the_filter_as_restart_syscall,
       "seccomp(2), restart_syscall(2): a sleep that a stop interrupts goes on as restart_syscall, which the filter "
       "judges: a sandbox must "
       "allow that number as well", SANDBOX)
{
	struct __kernel_timespec hour = { 3600, 0 };
	int status = -1;
	pid_t child = fork();

	if (child == 0) {
		if (judge(__NR_restart_syscall, FAILS_WITH(EXDEV)))
			_exit(1);
		_exit(raw_syscall(NR_CLOCK_NANOSLEEP, CLOCK_MONOTONIC, 0, &hour, NULL) == -EXDEV ? 42 : 2);
	}
	ASSERT_TRUE(wait_until_blocked_in(child, NR_CLOCK_NANOSLEEP));
	ASSERT_EQ(0, kill(child, SIGSTOP));
	ASSERT_TRUE(wait_until(task_state(child) == 'T'));
	ASSERT_EQ(0, kill(child, SIGCONT));
	EXPECT_TRUE(wait_until(waitpid(child, &status, WNOHANG) == child));
	EXPECT_EQ(42 << 8, status);
	kill(child, SIGKILL);
}

CLAUSE(signals_return_under_a_filter,
       "seccomp(2), sigreturn(2): handlers return by rt_sigreturn, whose number the filter sees: one that allows it "
       "changes nothing, one that "
       "kills it ends the process at the first return", SANDBOX)
{
	int status;

	ASSERT_RET(0, raw_sigaction(SIGUSR1, counts, 0));
	status = STATUS_OF(judge(__NR_rt_sigreturn, SECCOMP_RET_KILL_PROCESS); raw_syscall(__NR_tgkill, getpid(), raw_syscall(__NR_gettid), SIGUSR1));
	EXPECT_TRUE(KILLED_BY_SIGSYS(status)) TH_LOG("status %#x", status);
	ASSERT_RET(0, judge(__NR_rt_sigreturn, SECCOMP_RET_LOG));
	for (int round = 1; round <= 3; round++) {
		EXPECT_RET(0, raw_syscall(__NR_tgkill, getpid(), raw_syscall(__NR_gettid), SIGUSR1));
		EXPECT_EQ(round, handled);
	}
}
