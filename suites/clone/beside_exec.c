// SPDX-License-Identifier: GPL-2.0-only
// clone(2) and execve(2) beside each other: threads made while a sibling executes, and what an exec does to exit signals.
#include "clone.h"
#include "sigaction.h"

#include <fcntl.h>

#define USERS "go:clone go:newosproc glibc:pthread_create"

#define AT_ONCE 500	/* of each side, or so many as a second allows */

static volatile int no_program = -1, execs, other_result, stop;

// An empty file is no program: the call gets as far as looking for its format, and fails.
static long fail_to_execute(void)
{
	static char *const words[] = { "empty", NULL };

	return raw_syscall(__NR_execveat, no_program, "", words, NULL, 0x1000 /* AT_EMPTY_PATH */);
}

static int executes(void *unused)
{
	while (!stop) {
		long result = fail_to_execute();

		if (result != -ENOEXEC)
			other_result = result;
		execs++;
	}
	return 0;
}

// Read only, as a file that is open for writing is not executed but ETXTBSY.
static bool make_no_program(void)
{
	char path[64];
	int fd = raw_syscall(__NR_memfd_create, "empty", 0);

	if (fd < 0)
		return false;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	no_program = raw_syscall(__NR_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
	raw_syscall(__NR_close, fd);
	return no_program >= 0 && fail_to_execute() == -ENOEXEC;
}

CLAUSE(a_thread_made_beside_an_exec_is_made_or_is_eagain,
       "fs/exec.c check_unsafe_exec, kernel/fork.c copy_fs (5.10, 7.2): while a sibling is inside execve a task that "
       "shares its"
       " directory is made, or is EAGAIN and nothing is made; one that does not share it is always made; once the exec "
       "has failed"
       " threads are made as ever [CLN-15]", .needed_by = USERS)
{
	long long until = monotonic_ns() + 1000000000;
	struct thread executor;
	long pid;
	int made;

	if (!make_no_program())
		SKIP(return, "no file here that could be executed if it were a program");
	ASSERT_OK(thread_start(&executor, executes, NULL));
	ASSERT_TRUE(wait_until(execs > 0));
	for (made = 0; (made < AT_ONCE || execs < AT_ONCE) && monotonic_ns() < until; made++) {
		struct thread t;
		long result = thread_start(&t, returns_zero, NULL);

		if (result != -EAGAIN) {
			ASSERT_OK(result);
			ASSERT_TRUE(thread_join(&t));
		}
		if (made % 16 == 0) {
			ASSERT_OK(pid = child_of(SIGCHLD, returns_zero, NULL));
			ASSERT_RET(EXITED(0), end_of(pid));
		}
	}
	stop = 1;
	ASSERT_TRUE(thread_join(&executor));
	EXPECT_EQ(0, other_result);
	for (int i = 0; i < 16; i++) {
		struct thread t;

		ASSERT_OK(thread_start(&t, returns_zero, NULL));
		ASSERT_TRUE(thread_join(&t));
	}
	ASSERT_OK(pid = child_of(CLONE_FS | SIGCHLD, returns_zero, NULL));
	EXPECT_RET(EXITED(0), end_of(pid));
}

AFTER_EXEC(exits_with_7)
{
	return 7;
}

static int executes_and_exits(void *unused)
{
	static char *const words[] = { "osprim", "--after-exec", "exits_with_7", NULL };

	raw_syscall(__NR_execve, "/proc/self/exe", words, environ);
	return 99;
}

// The signals that may tell of a child's end, blocked; the one that came, or -errno.
static struct kernel_sigset tellers(void)
{
	return sigset_with(SIGSET(SIGCHLD), SIGUSR1);
}

static long told_by(void)
{
	struct kernel_sigset set = tellers();
	struct __kernel_timespec none = { 0, 0 };

	return raw_syscall(NR_RT_SIGTIMEDWAIT, &set, NULL, &none, ARCH_SIGSET_BYTES);
}

CLAUSE(a_child_that_executes_ends_with_sigchld,
       "clone(2) The child termination signal, fs/exec.c de_thread (5.10, 7.2): a child that has executed another "
       "program is one"
       " like any other: its parent is sent SIGCHLD, and waits for it without __WCLONE, whatever signal was asked for",
       .needed_by = "glibc:posix_spawn")
{
	static const int asked[] = { SIGUSR1, 0, SIGCHLD };

	ASSERT_OK(raw_sigprocmask(SIG_BLOCK, tellers()));
	for (unsigned int i = 0; i < ARRAY_SIZE(asked); i++) {
		int status = -1;
		long pid = child_of(asked[i], executes_and_exits, NULL);

		ASSERT_OK(pid);
		ASSERT_TRUE(wait_until(task_state(pid) == 'Z'));
		EXPECT_RET(pid, raw_syscall(__NR_wait4, pid, &status, 0, NULL)) TH_LOG("asked for signal %d", asked[i]);
		EXPECT_EQ(EXITED(7), status);
		EXPECT_RET(SIGCHLD, told_by());
		EXPECT_ERR(EAGAIN, told_by());
		if (status == -1)
			kill_and_reap(pid);
	}
}

static int reads_until_the_end(void *ends)
{
	char byte;

	raw_syscall(__NR_close, ((int *)ends)[1]);
	raw_syscall(__NR_read, ((int *)ends)[0], &byte, 1);
	return 3;
}

// argv: the child, and the end of the pipe that keeps it waiting.
AFTER_EXEC(lets_its_child_end)
{
	long pid = atoi(argv[0]), told = -EAGAIN;
	int failed = 0;

	raw_syscall(__NR_close, atoi(argv[1]));
	failed |= 1 * !wait_until(task_state(pid) == 'Z');
	// exit_notify() makes it a zombie, to those who look without a lock, before do_notify_parent() sends the signal.
	failed |= 2 * !(wait_until((told = told_by()) != -EAGAIN) && told == SIGCHLD);
	failed |= 4 * (told_by() != -EAGAIN);
	failed |= 8 * (end_of(pid) != EXITED(3));
	return failed;
}

CLAUSE(a_parent_that_executes_is_told_by_sigchld,
       "kernel/signal.c do_notify_parent parent_exec_id (5.10, 7.2): a program that was executed since the child was "
       "made knows"
       " nothing of the signal that was asked for, and is sent SIGCHLD", .needed_by = "glibc:posix_spawn")
{
	int ends[2], status = -1;
	pid_t parent;

	ASSERT_EQ(0, pipe(ends));
	ASSERT_OK(raw_sigprocmask(SIG_BLOCK, tellers()));
	parent = fork();
	if (parent == 0) {
		char pid[16], end[16];

		snprintf(pid, sizeof(pid), "%ld", child_of(SIGUSR1, reads_until_the_end, ends));
		snprintf(end, sizeof(end), "%d", ends[1]);
		execute_self(lets_its_child_end, pid, end);
		_exit(99);
	}
	close(ends[1]);
	ASSERT_EQ(parent, waitpid(parent, &status, 0));
	EXPECT_EQ(EXITED(0), status);
}
