// SPDX-License-Identifier: GPL-2.0-only
// What a handler and its return leave alone: the interrupted system call, its restart, what a thread has registered.
#include "clause.h"

#include <linux/futex.h>
#include <time.h>

#include "altstack.h"
#include "regs.h"
#include "sync.h"
#include "thread.h"

// In memory that a child shares with the clause's process.
static struct shared {
	int times, late_times, in_handler;
	unsigned long sp[2];
} *shared;

static char before[4], other[4];
static int pipe_ends[2], forged;

static bool share(void)
{
	shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	return shared != MAP_FAILED && !pipe(pipe_ends);
}

static void count(int sig, siginfo_t *info, void *uc)
{
	shared->times++;
}

// Forks a child that runs `as` and waits until it is asleep in read(2); its pid, or 0 if it does not come to that.
static int start_reader(int (*as)(void))
{
	int pid = fork();

	if (!pid)
		_exit(as());
	return pid > 0 && wait_until_blocked_in(pid, __NR_read) ? pid : 0;
}

static int status_of(int pid)
{
	int status;

	return waitpid(pid, &status, 0) == pid ? status : -1;
}

static void read_elsewhere(int sig, siginfo_t *info, void *uc)
{
	shared->times++;
	UC_ARG(uc, 1) = (unsigned long)other;
}

static int read_with_edits(void)
{
	if (raw_sigaction(SIGUSR1, read_elsewhere, SA_RESTART))
		return 10;
	if (raw_syscall(__NR_read, pipe_ends[0], before, 1) != 1)
		return 11;
	return before[0] != 0 || other[0] != 'x';
}

CLAUSE(a_restarted_call_takes_its_arguments_from_the_context,
       "sigreturn(2) DESCRIPTION, signal(7) Interruption of system calls: a call is restarted with the registers"
       " that the handler left in its context [SRT-4] [SRT-7]", .needed_by = "criu:sigreturn")
{
	int pid;

	ASSERT_TRUE(share());
	ASSERT_NE(0, pid = start_reader(read_with_edits));
	ASSERT_OK(kill(pid, SIGUSR1));
	ASSERT_TRUE(wait_until(shared->times == 1));
	ASSERT_EQ(1, write(pipe_ends[1], "x", 1));
	EXPECT_EQ(0, status_of(pid));
}

static int read_twice(void)
{
	long result;

	if (raw_sigaction(SIGRTMIN, count, SA_RESTART) || raw_sigaction(SIGRTMIN + 1, count, SA_RESTART))
		return 10;
	result = raw_syscall(__NR_read, pipe_ends[0], before, sizeof(before));
	return result != 1 || before[0] != 'x' || shared->times != 2;
}

CLAUSE(two_signals_restart_a_call_once,
       "arch/*/kernel/signal.c handle_signal: the call's restart is prepared for the first of several handlers and not"
       " again for the others, so that pc and result are right when all have returned [SRT-7]",
       .commit = "9a81c16b5275 powerpc: fix double syscall restarts", .needed_by = "go:sigtramp jvm:safepoints")
{
	int pid, status;

	ASSERT_TRUE(share());
	ASSERT_NE(0, pid = start_reader(read_twice));
	ASSERT_OK(kill(pid, SIGSTOP));
	ASSERT_EQ(pid, waitpid(pid, &status, WUNTRACED));
	ASSERT_OK(kill(pid, SIGRTMIN));
	ASSERT_OK(kill(pid, SIGRTMIN + 1));
	ASSERT_OK(kill(pid, SIGCONT));
	ASSERT_TRUE(wait_until(shared->times == 2));
	ASSERT_EQ(1, write(pipe_ends[1], "x", 1));
	EXPECT_EQ(0, status_of(pid));
}

// Makes calls of its own, that succeed and that fail.
static void call_much(int sig, siginfo_t *info, void *uc)
{
	char byte;
	int fds[2];

	shared->times++;
	raw_syscall(__NR_getpid);
	raw_syscall(__NR_read, -1, &byte, 1);
	if (!pipe(fds)) {
		raw_syscall(__NR_write, fds[1], "abc", 3);
		raw_syscall(__NR_read, fds[0], &byte, 1);
		raw_syscall(__NR_close, fds[0]);
		raw_syscall(__NR_close, fds[1]);
	}
	hit(SIGUSR2);
}

static int read_interrupted(void)
{
	if (raw_sigaction(SIGUSR1, call_much, 0) || raw_sigaction(SIGUSR2, count, SA_RESTART))
		return 10;
	return raw_syscall(__NR_read, pipe_ends[0], before, 1) != -EINTR || before[0];
}

CLAUSE(the_result_of_the_interrupted_call_outlives_the_handlers_own,
       "sigreturn(2) DESCRIPTION, signal(7): a call that a handler without SA_RESTART interrupts returns EINTR,"
       " whatever calls the handler makes, and signals it takes, itself [SRT-7]",
       .needed_by = "go:sigtramp glibc:sigaction")
{
	int pid;

	ASSERT_TRUE(share());
	ASSERT_NE(0, pid = start_reader(read_interrupted));
	ASSERT_OK(kill(pid, SIGUSR1));
	EXPECT_EQ(0, status_of(pid));
	EXPECT_EQ(2, shared->times);
}

static int read_restarted(void)
{
	if (raw_sigaction(SIGUSR1, call_much, SA_RESTART) || raw_sigaction(SIGUSR2, count, 0))
		return 10;
	return raw_syscall(__NR_read, pipe_ends[0], before, sizeof(before)) != 1 || before[0] != 'x';
}

CLAUSE(a_call_is_restarted_whatever_calls_the_handler_makes,
       "signal(7) Interruption of system calls: with SA_RESTART the call goes on after the handler, though that"
       " made calls and took signals that are not restarted, again and again [SRT-7] [incident 19]",
       .needed_by = "go:sigtramp glibc:sigaction")
{
	int pid;

	ASSERT_TRUE(share());
	ASSERT_NE(0, pid = start_reader(read_restarted));
	for (int i = 1; i <= 8; i++) {
		ASSERT_OK(kill(pid, SIGUSR1));
		ASSERT_TRUE(wait_until(shared->times == 2 * i));
	}
	ASSERT_EQ(1, write(pipe_ends[1], "x", 1));
	EXPECT_EQ(0, status_of(pid));
}

static void forge(int sig, siginfo_t *info, void *uc)
{
	shared->times++;
	if (sig == SIGUSR2)
		return;
	ARCH_TRAP_SKIP(uc);
	UC_RET(uc) = -(long)forged;
	if (shared->in_handler)
		hit(SIGUSR2);
}

// The results with which the kernel tells itself to restart a call; no program ever gets one from a call.
static const int restarts[] = { 512, 513, 514, 516 };

CLAUSE(a_forged_result_is_no_restart,
       "arch/*/kernel/signal.c rt_sigreturn \"disable syscall checks\": a context whose result register looks like"
       " -ERESTARTSYS is not an interrupted call: the thread goes on at its pc with that value, with or without another"
       " signal pending at the return [SRT-7]", .needed_by = "criu:sigreturn")
{
	ASSERT_TRUE(share());
	arch_handler_then = forge;
	ASSERT_OK(raw_sigaction_masked(ARCH_TRAP_SIGNAL, arch_handler, 0, SIGSET(SIGUSR2)));
	ASSERT_OK(raw_sigaction(SIGUSR2, arch_handler, SA_RESTART));
	for (int pending = 0; pending < 2; pending++) {
		for (int i = 0; i < 4; i++) {
			struct arch_regs in, out;

			shared->in_handler = pending;
			shared->times = 0;
			forged = restarts[i];
			regs_fill(&in, i);
			arch_trap_regs(&in, &out, NULL);
			EXPECT_EQ(1 + pending, shared->times);
			EXPECT_EQ(-(long)forged, (long)out.r[ARCH_REG_RET]);
			EXPECT_REGS(&in, &out, 1ul << ARCH_REG_RET);
		}
	}
}

static int sleep_and_restart(void)
{
	struct __kernel_timespec long_time = { .tv_sec = 1000 };

	if (raw_sigaction(SIGUSR1, count, SA_RESTART))
		return 10;
	if (raw_syscall(NR_CLOCK_NANOSLEEP, CLOCK_MONOTONIC, 0, &long_time, NULL) != -EINTR)
		return 11;
	return raw_syscall(__NR_restart_syscall) != -EINTR;
}

CLAUSE(a_return_ends_what_restart_syscall_would_go_on_with,
       "restart_syscall(2), arch/*/kernel/signal.c restore_sigcontext \"Always make any pending restarted system"
       " calls return -EINTR\": after the return from a handler that interrupted a sleep, restart_syscall(2) has"
       " nothing to go on with", .needed_by = "criu:sigreturn")
{
	int pid;

	EXPECT_ERR(EINTR, raw_syscall(__NR_restart_syscall));
	ASSERT_TRUE(share());
	ASSERT_LE(0, pid = fork());
	if (!pid)
		_exit(sleep_and_restart());
	ASSERT_TRUE(wait_until_blocked_in(pid, NR_CLOCK_NANOSLEEP));
	ASSERT_OK(kill(pid, SIGUSR1));
	if (!wait_until(task_state(pid) == 'Z')) {
		kill(pid, SIGKILL);
		TH_LOG("restart_syscall(2) went on with the sleep");
	}
	EXPECT_EQ(0, status_of(pid));
	EXPECT_EQ(1, shared->times);
}

static void *head_in_handler, *head_after;
static size_t length;
static struct robust_list_head head = { { &head.list }, 0, NULL };

static void look_at_head(int sig, siginfo_t *info, void *uc)
{
	raw_syscall(__NR_get_robust_list, 0, &head_in_handler, &length);
}

static int look_from_thread(void *arg)
{
	raw_syscall(__NR_set_robust_list, &head, sizeof(head));
	hit(SIGUSR1);
	raw_syscall(__NR_get_robust_list, 0, &head_after, &length);
	return 0;
}

CLAUSE(a_handler_finds_and_leaves_the_robust_list,
       "get_robust_list(2), sigreturn(2): the list that a thread has registered is the same in a handler and after its"
       " return", .needed_by = "glibc:pthread_mutex_lock go:cgo")
{
	struct thread t;

	ASSERT_OK(raw_sigaction(SIGUSR1, look_at_head, 0));
	ASSERT_OK(thread_start(&t, look_from_thread, NULL));
	ASSERT_TRUE(thread_join(&t));
	EXPECT_EQ((void *)&head, head_in_handler);
	EXPECT_EQ((void *)&head, head_after);
	EXPECT_EQ(sizeof(head), length);
}

static struct robust_list_head second = { { &second.list }, 0, NULL };

static void register_second(int sig, siginfo_t *info, void *uc)
{
	raw_syscall(__NR_set_robust_list, &second, sizeof(second));
}

CLAUSE(the_return_undoes_nothing_but_the_context,
       "sigreturn(2) DESCRIPTION: registers, mask and signal stack are restored, nothing else: what a handler registers"
       " stays registered, what it opens stays open", .needed_by = "glibc:sigaction")
{
	struct thread t;

	ASSERT_OK(raw_sigaction(SIGUSR1, register_second, 0));
	ASSERT_OK(thread_start(&t, look_from_thread, NULL));
	ASSERT_TRUE(thread_join(&t));
	EXPECT_EQ((void *)&second, head_after);
}
