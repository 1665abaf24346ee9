// SPDX-License-Identifier: GPL-2.0-only
// SIGCHLD of a child that has threads, or has computed: it speaks for the whole process, whichever thread it came from.
#include "clause.h"

#include "origin.h"
#include "thread.h"

#define USERS "go:os.Process.Wait libuv:uv__wait_children jvm:ProcessHandle"
#define TICK_NS (1000000000LL / sysconf(_SC_CLK_TCK))
#define TICKS 2
#define THREADS 6
#define ROUNDS 6

static long send(int pid, int sig)
{
	return raw_syscall(__NR_kill, pid, sig);
}

static int sleeps(void *unused)
{
	for (;;)
		raw_syscall(NR_PPOLL, NULL, 0, NULL, NULL, 0);
	return 0;
}

static pid_t child_with_sleeping_threads(volatile int *ready)
{
	static struct thread threads[THREADS];
	pid_t pid;

	*ready = 0;
	pid = fork();
	if (pid)
		return pid;
	raw_syscall(__NR_prctl, 1 /* PR_SET_PDEATHSIG */, SIGKILL, 0, 0, 0);
	FOR_EACH(i, threads)
		if (thread_start(&threads[i], sleeps, NULL) < 0)
			_exit(1);
	*ready = 1;
	_exit(sleeps(NULL));
}

// The next SIGCHLD must be this one, of the process.
#define EXPECT_SAID_OF_PROCESS(pid, code, status) do {					\
	siginfo_t info_;								\
											\
	ASSERT_TRUE(wait_until(is_pending(SIGCHLD)));					\
	ASSERT_RET(SIGCHLD, take(SIGCHLD, BY_SIGTIMEDWAIT, &info_));			\
	EXPECT_EQ(code, info_.si_code);							\
	EXPECT_EQ(status, info_.si_status);						\
	EXPECT_EQ(pid, info_.si_pid);							\
} while (0)

CLAUSE(stop_continuation_and_end_name_the_process_and_not_a_thread,
       "sigaction(2) SIGCHLD si_pid, waitid(2): the child is the process: its ID is told whichever of its threads "
       "was the last to stop, the first to go on, or ended it",
       .needed_by = USERS)
{
	volatile int *ready = common_memory(page_size());
	siginfo_t info;
	pid_t pid;

	ASSERT_OK(hold_back(SIGCHLD));
	pid = child_with_sleeping_threads(ready);
	ASSERT_LT(0, pid);
	ASSERT_TRUE(wait_until(*ready));
	for (int i = 0; i < ROUNDS; i++) {
		ASSERT_OK(send(pid, SIGSTOP));
		EXPECT_SAID_OF_PROCESS(pid, CLD_STOPPED, SIGSTOP);
		ASSERT_RET(0, raw_syscall(__NR_waitid, P_PID, pid, &info, WSTOPPED, NULL));
		EXPECT_EQ(pid, info.si_pid);
		ASSERT_OK(send(pid, SIGCONT));
		EXPECT_SAID_OF_PROCESS(pid, CLD_CONTINUED, SIGCONT);
		ASSERT_RET(0, raw_syscall(__NR_waitid, P_PID, pid, &info, WCONTINUED, NULL));
		EXPECT_EQ(pid, info.si_pid);
	}
	ASSERT_OK(send(pid, SIGKILL));
	EXPECT_SAID_OF_PROCESS(pid, CLD_KILLED, SIGKILL);
	ASSERT_RET(0, raw_syscall(__NR_waitid, P_PID, pid, &info, WEXITED, NULL));
}

// CPU time of the process so far, in nanoseconds, by its clocks: 0 user and system, 1 user alone.
static long long process_time(int of)
{
	struct __kernel_timespec t = { 0 };

	raw_syscall(NR_CLOCK_GETTIME, (int)(~0U << 3 | of), &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

// Until so many ticks more were spent in user code than in the kernel.
static int computes(void *ticks)
{
	long long more = (long)ticks * TICK_NS;

	do
		for (volatile int i = 0; i < 100000; i++)
			;
	while (2 * process_time(1) - process_time(0) < more);
	return 0;
}

CLAUSE(the_times_count_threads_that_have_ended,
       "sigaction(2) SIGCHLD si_utime, kernel/signal.c do_notify_parent (5.10, 7.2): the CPU time is that of the "
       "process: of its threads that ended before as well",
       .needed_by = USERS)
{
	siginfo_t info;
	pid_t pid;

	ASSERT_OK(hold_back(SIGCHLD));
	pid = fork();
	if (pid == 0) {
		struct thread t;

		if (thread_start(&t, computes, (void *)TICKS) < 0)
			_exit(1);
		while (!thread_join(&t))	// a starved machine needs its time for the ticks
			;
		_exit(0);
	}
	ASSERT_RET(0, raw_syscall(__NR_waitid, P_PID, pid, &info, WEXITED | WNOWAIT, NULL));
	ASSERT_RET(SIGCHLD, take(SIGCHLD, BY_SIGTIMEDWAIT, &info));
	EXPECT_EQ(pid, info.si_pid);
	EXPECT_EQ(0, info.si_status);
	EXPECT_GE(info.si_utime, TICKS);
}

// What the end itself takes of the kernel's time is far less than the ticks between the two.
CLAUSE(user_and_system_time_are_told_apart,
       "sigaction(2) SIGCHLD: si_utime is the user CPU time and si_stime the system CPU time of the child: of one "
       "that only computes the first is the greater",
       .needed_by = USERS)
{
	siginfo_t info;
	pid_t pid;

	ASSERT_OK(hold_back(SIGCHLD));
	pid = fork();
	if (pid == 0)
		_exit(computes((void *)TICKS));
	ASSERT_RET(0, raw_syscall(__NR_waitid, P_PID, pid, &info, WEXITED | WNOWAIT, NULL));
	ASSERT_RET(SIGCHLD, take(SIGCHLD, BY_SIGTIMEDWAIT, &info));
	EXPECT_EQ(pid, info.si_pid);
	EXPECT_GE(info.si_utime, TICKS);
	EXPECT_LT(info.si_stime, info.si_utime);
}
