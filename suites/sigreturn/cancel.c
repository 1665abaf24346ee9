// SPDX-License-Identifier: GPL-2.0-only
// Where a handler finds a thread that was in a system call: C libraries tell by the pc whether the call was made.
#include "clause.h"

#include <sys/mman.h>

#include "sigaction.h"
#include "sync.h"

#define USERS "glibc:cancellation musl:__syscall_cp"

// In memory that a child shares with the clause's process.
static struct {
	volatile unsigned long pc, leave_to;
	volatile int times;
} *shared;

static int ends[2];

// The one place where system calls are made: every pc is one of its own.
static __attribute__((noinline, noclone)) long the_call(long nr, long a, long b, long c)
{
	return raw_syscall(nr, a, b, c);
}

static void look(int sig, siginfo_t *info, void *uc)
{
	shared->pc = UC_PC(uc);
	if (shared->leave_to)
		UC_PC(uc) = shared->leave_to;
	shared->times++;
}

static bool share(void)
{
	shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	return shared != MAP_FAILED && !pipe(ends);
}

// A call that has been made: the signal that it sends comes on its way out.
static unsigned long pc_of_a_call_that_was_made(void)
{
	raw_sigaction(SIGUSR1, look, SA_RESTART);
	the_call(__NR_tgkill, getpid(), raw_syscall(__NR_gettid), SIGUSR1);
	return shared->pc;
}

// Forks a child that reads from the empty pipe, and signals it there; its exit status says whether read gave `wanted`.
static pid_t interrupted_reader(unsigned long flags, long wanted)
{
	int before = shared->times;
	pid_t pid = fork();

	if (pid == 0) {
		char byte;

		raw_sigaction(SIGUSR1, look, flags);
		_exit(the_call(__NR_read, ends[0], (long)&byte, 1) != wanted);
	}
	if (!wait_until_blocked_in(pid, __NR_read) || kill(pid, SIGUSR1) || !wait_until(shared->times == before + 1))
		return -1;
	return pid;
}

static int status_of(pid_t pid)
{
	int status = -1;

	return waitpid(pid, &status, 0) == pid ? status : -1;
}

CLAUSE(the_pc_tells_whether_the_call_will_be_made,
       "arch/*/kernel/signal.c handle_signal (5.10, 7.2): in a handler the pc of a call that goes on by itself is in "
       "front of its"
       " instruction, by no more than that; of one that was made, or has failed with EINTR, it is behind it [GLC-14]",
       .needed_by = USERS)
{
	unsigned long made, failed, restarts;
	pid_t pid;

	ASSERT_TRUE(share());
	ASSERT_NE(0, made = pc_of_a_call_that_was_made());
	ASSERT_LT(0, pid = interrupted_reader(0, -EINTR));
	EXPECT_EQ(0, status_of(pid));
	failed = shared->pc;
	ASSERT_LT(0, pid = interrupted_reader(SA_RESTART, 1));
	restarts = shared->pc;
	ASSERT_EQ(1, write(ends[1], "x", 1));
	EXPECT_EQ(0, status_of(pid));
	EXPECT_EQ(made, failed);
	EXPECT_LT(restarts, failed);
	EXPECT_GE(8, failed - restarts);
}

CLAUSE(a_handler_can_leave_a_call_that_would_be_made_again,
       "sigreturn(2) DESCRIPTION: a handler that moves the pc from a call that would go on to behind it ends the call, "
       "which takes"
       " nothing: what comes later is there for another reader [GLC-14]", .needed_by = USERS)
{
	bool has_left;
	char byte = 0;
	pid_t pid;

	ASSERT_TRUE(share());
	ASSERT_NE(0, pc_of_a_call_that_was_made());
	shared->leave_to = shared->pc;
	ASSERT_LT(0, pid = interrupted_reader(SA_RESTART, 1));
	has_left = wait_until(task_state(pid) == 'Z');
	kill(pid, SIGKILL);
	status_of(pid);
	EXPECT_TRUE(has_left);
	ASSERT_EQ(1, write(ends[1], "x", 1));
	EXPECT_EQ(1, read(ends[0], &byte, 1));
	EXPECT_EQ('x', byte);
}
