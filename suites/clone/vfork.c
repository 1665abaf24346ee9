// SPDX-License-Identifier: GPL-2.0-only
// CLONE_VFORK: who is suspended and until when, and what of the child is its own.
#include "clone.h"
#include "sigaction.h"

#include <fcntl.h>
#include <sys/prctl.h>

#define USERS "go:fork_exec glibc:posix_spawn musl:posix_spawn rust:Command jvm:jspawnhelper"
#define FLAGS (CLONE_VM | CLONE_VFORK | SIGCHLD)

static struct shared {
	volatile int go, ended, parent_went_on, signals;
	volatile long pid, result;
} *shared;

static void begin(void)
{
	shared = shared_memory(sizeof(*shared));
}

static char *const *arguments;
static char *const exits_with_four[] = { "osprim", "--after-exec", "exits_with_its_number", "4", NULL };

AFTER_EXEC(exits_with_its_number)
{
	return atoi(argv[0]);
}

static int naps_and_exits(void *how)
{
	struct __kernel_timespec nap = { .tv_nsec = 10000000 };
	unsigned int word = 0;

	raw_syscall(NR_FUTEX, &word, 0, 0, &nap);	// time is the subject: long enough for a parent that runs on
	shared->ended = 1;
	if (*(int *)how == 1)
		raw_syscall(__NR_exit_group, 4);
	if (*(int *)how == 2)
		raw_syscall(__NR_kill, raw_syscall(__NR_getpid), SIGKILL);
	if (*(int *)how == 3)
		raw_syscall(__NR_execve, "/proc/self/exe", arguments, environ);
	return 4;
}

CLAUSE(the_caller_is_suspended_until_its_child_is_done_with_the_memory,
       "clone(2) CLONE_VFORK: the caller goes on when the child has ended, by exit(2), exit_group(2) or a signal,"
       " or has executed, and not before [VFK-1] [incident 52]",
       .needed_by = USERS)
{
	begin();
	arguments = exits_with_four;
	for (int how = 0; how < 4; how++) {
		for (int copied = 0; copied < 2; copied++) {
			long pid;

			shared->ended = 0;
			pid = raw_clone(FLAGS & ~(copied ? CLONE_VM : 0), stack_top(), naps_and_exits, &how, NULL, NULL, NULL);
			ASSERT_EQ(1, shared->ended);
			ASSERT_OK(pid);
			EXPECT_RET(how == 2 ? SIGKILL : EXITED(4), end_of(pid));
		}
	}
}

static int waits_to_go(void *unused)
{
	shared->pid = raw_syscall(__NR_getpid);
	while (!shared->go)
		raw_syscall(NR_FUTEX, &shared->go, 0, 0, NULL);
	shared->ended = 1;
	return 0;
}

static int forks_and_goes_on(void *flags)
{
	shared->result = raw_clone(*(unsigned long *)flags, stack_top(), waits_to_go, NULL, NULL, NULL, NULL);
	shared->parent_went_on = 1 + shared->ended;
	return 0;
}

static void let_go(void)
{
	shared->go = 1;
	raw_syscall(NR_FUTEX, &shared->go, 1, 100, NULL);
}

CLAUSE(other_threads_of_the_caller_run_on,
       "clone(2) CLONE_VFORK, vfork(2): only the calling thread is suspended; a sibling runs, makes processes, "
       "and can end the wait [VFK-1]",
       .needed_by = USERS)
{
	unsigned long flags = FLAGS;
	struct thread t;
	long other;

	begin();
	ASSERT_OK(thread_start(&t, forks_and_goes_on, &flags));
	ASSERT_TRUE(wait_until(shared->pid));
	ASSERT_OK(other = child_of(SIGCHLD, returns_zero, NULL));	// the caller is held up there, we are not
	EXPECT_RET(EXITED(0), end_of(other));
	ASSERT_TRUE(wait_until_blocked_in(shared->pid, NR_FUTEX));
	EXPECT_TRUE(wait_until(task_state(t.known_as) == 'D' || task_state(t.known_as) == 'S'));
	EXPECT_EQ(0, shared->parent_went_on);
	let_go();
	EXPECT_TRUE(thread_join(&t));
	EXPECT_EQ(2, shared->parent_went_on);
	EXPECT_EQ(shared->pid, shared->result);
	EXPECT_RET(EXITED(0), end_of(shared->pid));
}

static void count_signal(int sig, siginfo_t *info, void *ucontext)
{
	shared->signals++;
}

CLAUSE(signals_wait_until_the_caller_goes_on,
       "vfork(2) Linux description: the caller is not woken by a signal that it handles; the handler runs once "
       "the child has released the memory",
       .needed_by = USERS)
{
	unsigned long flags = FLAGS;
	struct thread t;

	begin();
	ASSERT_RET(0, raw_sigaction(SIGUSR1, count_signal, SA_RESTART));
	ASSERT_OK(thread_start(&t, forks_and_goes_on, &flags));
	ASSERT_TRUE(wait_until(shared->pid));
	ASSERT_TRUE(wait_until_blocked_in(shared->pid, NR_FUTEX));
	ASSERT_RET(0, raw_syscall(__NR_tgkill, getpid(), t.known_as, SIGUSR1));
	for (int i = 0; i < 50; i++)
		raw_syscall(__NR_sched_yield);
	EXPECT_EQ(0, shared->signals);
	EXPECT_EQ(0, shared->parent_went_on);
	let_go();
	EXPECT_TRUE(thread_join(&t));
	EXPECT_EQ(1, shared->signals);
	EXPECT_EQ(2, shared->parent_went_on);
	EXPECT_RET(EXITED(0), end_of(shared->pid));
}

static int forks_and_waits(void *unused)
{
	unsigned long flags = FLAGS;

	return forks_and_goes_on(&flags);
}

CLAUSE(a_caller_that_is_killed_does_not_wait,
       "kernel/fork.c wait_for_vfork_done (5.10, 7.2): SIGKILL ends a caller that is suspended, and its child "
       "goes on",
       .needed_by = USERS)
{
	long pid, child;

	begin();
	raw_syscall(__NR_prctl, PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	ASSERT_OK(pid = child_of(SIGCHLD, forks_and_waits, NULL));
	ASSERT_TRUE(wait_until(shared->pid));
	ASSERT_TRUE(wait_until_blocked_in(shared->pid, NR_FUTEX));
	raw_syscall(__NR_kill, pid, SIGKILL);
	EXPECT_RET(SIGKILL, end_of(pid));
	EXPECT_EQ(0, shared->parent_went_on);
	child = shared->pid;
	EXPECT_RET(0, raw_syscall(__NR_kill, child, 0));
	let_go();
	EXPECT_RET(EXITED(0), end_of(child));
	EXPECT_EQ(1, shared->ended);
}

static int local;

static int changes_everything(void *fd)
{
	raw_sigaction(SIGUSR1, SIGNAL_IGNORE, 0);
	raw_sigaction(SIGUSR2, SIGNAL_DEFAULT, 0);
	raw_syscall(__NR_close, *(int *)fd);
	raw_syscall(__NR_chdir, "/proc");
	raw_syscall(__NR_umask, 0777);
	raw_syscall(__NR_setpgid, 0, 0);
	raw_sigprocmask(SIG_SETMASK, SIGSET_FULL);
	local = 99;
	return raw_syscall(__NR_getpid) != raw_syscall(__NR_gettid);
}

CLAUSE(the_child_shares_memory_and_nothing_else,
       "clone(2) CLONE_VM without CLONE_SIGHAND, CLONE_FILES, CLONE_FS: what the child does to handlers, "
       "descriptors, directory, umask, mask and group stays its own, what it writes does not [VFK-2]",
       .needed_by = USERS)
{
	struct kernel_sigaction action = { 0 };
	struct kernel_sigset mask = SIGSET_FULL;
	int fd = open("/dev/null", O_RDONLY);
	char before[256] = "", after[256] = "";
	long pid, umask;

	ASSERT_RET(0, raw_sigaction(SIGUSR1, count_signal, 0));
	ASSERT_RET(0, raw_sigaction(SIGUSR2, count_signal, 0));
	ASSERT_OK(raw_syscall(__NR_getcwd, before, sizeof(before)));
	umask = raw_syscall(__NR_umask, 022);
	raw_syscall(__NR_umask, umask);
	ASSERT_OK(pid = raw_clone(FLAGS, stack_top(), changes_everything, &fd, NULL, NULL, NULL));
	EXPECT_EQ(99, local);
	EXPECT_RET(0, raw_rt_sigaction(SIGUSR1, NULL, &action));
	EXPECT_EQ(&count_signal, action.handler);
	EXPECT_RET(0, raw_rt_sigaction(SIGUSR2, NULL, &action));
	EXPECT_EQ(&count_signal, action.handler);
	EXPECT_OK(fcntl(fd, F_GETFD));
	EXPECT_OK(raw_syscall(__NR_getcwd, after, sizeof(after)));
	EXPECT_STREQ(before, after);
	EXPECT_RET(umask, raw_syscall(__NR_umask, umask));
	EXPECT_RET(0, raw_syscall(__NR_rt_sigprocmask, SIG_BLOCK, NULL, &mask, ARCH_SIGSET_BYTES));
	EXPECT_FALSE(sigset_has(mask, SIGUSR1));
	EXPECT_RET(EXITED(0), end_of(pid));
}

static int fails_to_execute(void *unused)
{
	shared->result = raw_syscall(__NR_execve, "/nonexistent/program", arguments, environ);
	shared->ended = !shared->parent_went_on;
	local = shared->result;
	return 5;
}

CLAUSE(a_child_whose_exec_fails_goes_on_in_the_shared_memory,
       "execve(2) ERRORS, clone(2) CLONE_VFORK: a failed exec returns to the child, which tells its parent by the"
       " memory they share; the parent still waits [VFK-4]",
       .needed_by = USERS)
{
	long pid;

	begin();
	local = 0;
	arguments = exits_with_four;
	ASSERT_OK(pid = raw_clone(FLAGS, stack_top(), fails_to_execute, NULL, NULL, NULL, NULL));
	shared->parent_went_on = 1;
	EXPECT_RET(-ENOENT, shared->result);
	EXPECT_EQ(-ENOENT, local);
	EXPECT_EQ(1, shared->ended);
	EXPECT_RET(EXITED(5), end_of(pid));
}

struct spawned {
	int pipe[2];
	const char *path;
};

static int executes_or_tells(void *arg)
{
	struct spawned *s = arg;
	char error;

	raw_syscall(__NR_execve, s->path, arguments, environ);
	error = ENOENT;
	raw_syscall(__NR_write, s->pipe[1], &error, 1);
	return 127;
}

CLAUSE(the_parent_learns_of_exec_by_a_pipe_that_closes,
       "execve(2), pipe(7): a pipe's close-on-exec end that only the child has left closes at a successful exec, "
       "and carries the error of one that fails [VFK-3]",
       .needed_by = USERS)
{
	struct spawned s = { .path = "/proc/self/exe" };
	char error = 77;
	long pid;

	arguments = exits_with_four;
	for (int i = 0; i < 2; i++) {
		ASSERT_RET(0, raw_syscall(__NR_pipe2, s.pipe, O_CLOEXEC));
		ASSERT_OK(pid = raw_clone(FLAGS, stack_top(), executes_or_tells, &s, NULL, NULL, NULL));
		raw_syscall(__NR_close, s.pipe[1]);
		EXPECT_RET(i, raw_syscall(__NR_read, s.pipe[0], &error, 1));
		EXPECT_EQ(i ? ENOENT : 77, error);
		EXPECT_RET(EXITED(i ? 127 : 4), end_of(pid));
		raw_syscall(__NR_close, s.pipe[0]);
		s.path = "/nonexistent/program";
	}
}

static int checks_pidfd(void *fd)
{
	return *(volatile int *)fd < 0 || raw_syscall(__NR_getpid) <= 0;
}

CLAUSE(the_pidfd_is_stored_before_the_child_runs,
       "clone(2) CLONE_PIDFD: the descriptor is stored at parent_tid when the child starts, under CLONE_VFORK "
       "too, and is of that child: WEXITED with P_PIDFD waits for it [VFK-5] [incident 51]",
       .needed_by = "go:fork_exec glibc:pidfd_spawn")
{
	siginfo_t info = { 0 };
	int fd = -1;
	long pid;

	ASSERT_OK(pid = raw_clone(FLAGS | CLONE_PIDFD, stack_top(), checks_pidfd, &fd, &fd, NULL, NULL));
	ASSERT_LE(0, fd);
	EXPECT_EQ(FD_CLOEXEC, fcntl(fd, F_GETFD));
	ASSERT_RET(0, raw_syscall(__NR_waitid, P_PIDFD, fd, &info, WEXITED | __WCLONE | __WALL, NULL));
	EXPECT_EQ(pid, info.si_pid);
	EXPECT_EQ(0, info.si_status);
	EXPECT_TRUE(has_no_child());
}

static int forks_again(void *depth)
{
	int next = *(int *)depth - 1;
	long pid;

	if (next < 0)
		return 1;
	pid = raw_clone(FLAGS, stack_top(), forks_again, &next, NULL, NULL, NULL);
	local++;
	return is_error(pid) ? 100 : (end_of(pid) >> 8) + 1;
}

CLAUSE(a_child_of_vfork_may_vfork,
       "clone(2) CLONE_VFORK: a child that shares memory may make one of its own, and each caller goes on when "
       "its own is done",
       .needed_by = USERS)
{
	int depth = 5;
	long pid;

	local = 0;
	ASSERT_OK(pid = raw_clone(FLAGS, stack_top(), forks_again, &depth, NULL, NULL, NULL));
	EXPECT_EQ(5, local);
	EXPECT_RET(EXITED(6), end_of(pid));
}
