// SPDX-License-Identifier: GPL-2.0-only
// pidfd_open(2), pidfd_send_signal(2), pidfd_getfd(2), waitid(2) P_PIDFD: a descriptor that is one process and no other.
#include "clone.h"
#include "guard.h"
#include "sigaction.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/resource.h>

#define USERS "go:pidfd glibc:pidfd_spawn rust:PidFd jvm:ProcessHandle"
#define PIDFD_NONBLOCK_FLAG O_NONBLOCK

static long open_pid(long pid, unsigned int flags)
{
	return raw_syscall(__NR_pidfd_open, pid, flags);
}

static long send(long fd, int sig, siginfo_t *info)
{
	return raw_syscall(__NR_pidfd_send_signal, fd, sig, info, 0);
}

static long waitid_fd(long fd, siginfo_t *info, int options)
{
	return raw_syscall(__NR_waitid, P_PIDFD, fd, info, options, NULL);
}

// A child that runs fn, and its pidfd in *fd.
static long start(int (*fn)(void *), void *arg, int *fd)
{
	*fd = -1;
	return raw_clone(CLONE_PIDFD | SIGCHLD, stack_top(), fn, arg, fd, NULL, NULL);
}

static bool is_readable(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	struct __kernel_timespec now = { 0 };

	return raw_syscall(NR_PPOLL, &p, 1, &now, NULL, 0) == 1 && p.revents & POLLIN;
}

CLAUSE(a_runtime_that_probes_for_pidfds_finds_them,
       "pidfd_open(2), waitid(2), pidfd_send_signal(2): of one's own pidfd waitid is ECHILD and signal 0 is "
       "delivered; a child of CLONE_PIDFD is waited for by its descriptor [PFD-1]",
       .needed_by = USERS)
{
	siginfo_t info = { 0 };
	long own, pid;
	int fd;

	ASSERT_OK(own = open_pid(getpid(), 0));
	EXPECT_ERR(ECHILD, waitid_fd(own, &info, WEXITED));
	EXPECT_RET(0, send(own, 0, NULL));
	ASSERT_OK(pid = raw_clone(CLONE_VM | CLONE_VFORK | CLONE_PIDFD | SIGCHLD, stack_top(), returns_zero, NULL, &fd, NULL, NULL));
	EXPECT_RET(0, waitid_fd(fd, &info, WEXITED | __WCLONE | __WALL));
	EXPECT_EQ(pid, info.si_pid);
}

CLAUSE(a_pidfd_is_close_on_exec_and_knows_its_process,
       "clone(2) CLONE_PIDFD, pidfd_open(2): the close-on-exec flag is set; /proc/self/fdinfo tells the process "
       "ID in Pid: [PFD-2]",
       .needed_by = USERS)
{
	char path[64], text[512], wanted[32];
	int fds[2];
	long pid;

	ASSERT_OK(pid = start(waits_for_ever, NULL, &fds[0]));
	ASSERT_OK(fds[1] = open_pid(pid, 0));
	for (int i = 0; i < 2; i++) {
		EXPECT_EQ(FD_CLOEXEC, fcntl(fds[i], F_GETFD));
		snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fds[i]);
		snprintf(wanted, sizeof(wanted), "Pid:\t%ld\n", pid);
		ASSERT_OK(read_text(path, text, sizeof(text)));
		EXPECT_NE(NULL, strstr(text, wanted));
	}
	kill_and_reap(pid);
}

CLAUSE(a_pidfd_is_readable_from_the_end_on_and_not_before,
       "pidfd_open(2): poll, epoll report the descriptor as readable when the process terminates, and still after"
       " it was waited for; who waits in poll is woken [PFD-2]",
       .needed_by = USERS)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLET }, seen = { 0 };
	int fd, epoll = epoll_create1(EPOLL_CLOEXEC);
	struct __kernel_timespec patience = { .tv_sec = 5 * slowness() };
	struct pollfd p;
	long pid;

	ASSERT_OK(pid = start(waits_for_ever, NULL, &fd));
	ASSERT_EQ(0, epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event));
	EXPECT_FALSE(is_readable(fd));
	EXPECT_EQ(0, epoll_wait(epoll, &seen, 1, 0));
	ASSERT_RET(0, send(fd, SIGKILL, NULL));
	p = (struct pollfd){ .fd = fd, .events = POLLIN };
	EXPECT_RET(1, raw_syscall(NR_PPOLL, &p, 1, &patience, NULL, 0));
	EXPECT_EQ(1, epoll_wait(epoll, &seen, 1, 5000 * slowness()));
	EXPECT_TRUE(seen.events & EPOLLIN);
	EXPECT_EQ('Z', task_state(pid));
	EXPECT_RET(SIGKILL, end_of(pid));
	EXPECT_TRUE(is_readable(fd));
}

struct leader {
	volatile int go, tid;
};

static int waits_to_go(void *arg)
{
	return !wait_until(((struct leader *)arg)->go);
}

static int leaves_a_thread(void *arg)
{
	struct thread t;

	((struct leader *)arg)->tid = thread_start(&t, waits_to_go, arg);
	raw_syscall(__NR_exit, 0);
	return 0;
}

CLAUSE(a_process_is_not_at_its_end_while_a_thread_lives,
       "pidfd_open(2), kernel/pid.c, kernel/exit.c (5.10, 7.2): the descriptor is readable when the last thread "
       "has ended, not when the leader has [PFD-2] [EXI-2]",
       .needed_by = USERS)
{
	struct leader *l = shared_memory(sizeof(*l));
	int fd;
	long pid;

	ASSERT_OK(pid = start(leaves_a_thread, l, &fd));
	ASSERT_TRUE(wait_until(task_state(pid) == 'Z'));
	EXPECT_FALSE(is_readable(fd));
	EXPECT_RET(0, send(fd, 0, NULL));
	l->go = 1;
	EXPECT_TRUE(wait_until(is_readable(fd)));
	EXPECT_RET(EXITED(0), end_of(pid));
}

static int exits_with_three(void *unused)
{
	return 3;
}

CLAUSE(waitid_takes_a_pidfd,
       "waitid(2) P_PIDFD: the child that the descriptor refers to is waited for, with the same options and "
       "siginfo as by number; then it is ECHILD [PFD-3]",
       .needed_by = USERS)
{
	siginfo_t info = { 0 };
	int fd, other_fd;
	long pid, other;

	ASSERT_OK(other = start(exits_with_three, NULL, &other_fd));
	ASSERT_OK(pid = start(waits_for_ever, NULL, &fd));
	ASSERT_RET(0, waitid_fd(other_fd, &info, WEXITED | WNOWAIT));
	EXPECT_EQ(other, info.si_pid);
	EXPECT_RET(0, waitid_fd(fd, &info, WEXITED | WNOHANG));
	EXPECT_EQ(0, info.si_pid);
	ASSERT_RET(0, send(fd, SIGSTOP, NULL));
	ASSERT_RET(0, waitid_fd(fd, &info, WSTOPPED));
	EXPECT_EQ(CLD_STOPPED, info.si_code);
	ASSERT_RET(0, send(fd, SIGKILL, NULL));
	ASSERT_RET(0, waitid_fd(fd, &info, WEXITED));
	EXPECT_EQ(pid, info.si_pid);
	EXPECT_EQ(CLD_KILLED, info.si_code);
	EXPECT_EQ(SIGKILL, info.si_status);
	EXPECT_ERR(ECHILD, waitid_fd(fd, &info, WEXITED));
	ASSERT_RET(0, waitid_fd(other_fd, &info, WEXITED));
	EXPECT_EQ(3, info.si_status);
	EXPECT_TRUE(has_no_child());
}

CLAUSE(a_nonblocking_pidfd_does_not_wait,
       "pidfd_open(2) PIDFD_NONBLOCK, waitid(2) ERRORS EAGAIN: waiting by a nonblocking descriptor for a child "
       "that lives is EAGAIN, with WNOHANG 0",
       .needed_by = USERS)
{
	siginfo_t info = { 0 };
	long pid, fd;

	ASSERT_OK(pid = child_of(SIGCHLD, waits_for_ever, NULL));
	ASSERT_OK(fd = open_pid(pid, PIDFD_NONBLOCK_FLAG));
	EXPECT_TRUE(fcntl(fd, F_GETFL) & O_NONBLOCK);
	EXPECT_ERR(EAGAIN, waitid_fd(fd, &info, WEXITED));
	EXPECT_RET(0, waitid_fd(fd, &info, WEXITED | WNOHANG));
	raw_syscall(__NR_kill, pid, SIGKILL);
	ASSERT_TRUE(wait_until(is_readable(fd)));
	EXPECT_RET(0, waitid_fd(fd, &info, WEXITED));
	EXPECT_EQ(pid, info.si_pid);
}

CLAUSE(what_is_no_pidfd_is_refused,
       "pidfd_open(2), pidfd_send_signal(2), pidfd_getfd(2), waitid(2) ERRORS: EBADF for a descriptor that is "
       "none or no pidfd, EINVAL for flags, signals and process IDs that do not exist",
       .needed_by = USERS)
{
	int null = open("/dev/null", O_RDONLY);
	siginfo_t info;
	long own;

	EXPECT_ERR(EINVAL, open_pid(0, 0));
	EXPECT_ERR(EINVAL, open_pid(-1, 0));
	EXPECT_ERR(EINVAL, open_pid(getpid(), 1));
	EXPECT_ERR(EINVAL, open_pid(getpid(), 1U << 31));
	EXPECT_ERR(ESRCH, open_pid(INT32_MAX, 0));
	EXPECT_ERR(EBADF, send(-1, 0, NULL));
	EXPECT_ERR(EBADF, send(null, 0, NULL));
	EXPECT_ERR(EBADF, waitid_fd(null, &info, WEXITED));
	EXPECT_ERR(EINVAL, waitid_fd(-1, &info, WEXITED));
	EXPECT_ERR(EBADF, waitid_fd(9999, &info, WEXITED));
	EXPECT_ERR(EBADF, raw_syscall(__NR_pidfd_getfd, null, 0, 0));
	EXPECT_ERR(EBADF, raw_syscall(__NR_pidfd_getfd, -1, 0, 0));
	ASSERT_OK(own = open_pid(getpid(), 0));
	EXPECT_ERR(EINVAL, send(own, 8 * ARCH_SIGSET_BYTES + 1, NULL));
	EXPECT_ERR(EINVAL, raw_syscall(__NR_pidfd_send_signal, own, 0, NULL, 1U << 31));
	EXPECT_ERR(EINVAL, raw_syscall(__NR_pidfd_getfd, own, 0, 1));
	EXPECT_ERR(EBADF, raw_syscall(__NR_pidfd_getfd, own, 9999, 0));
}

static volatile int got, got_pid, got_code, got_value;

static void note_signal(int sig, siginfo_t *info, void *ucontext)
{
	got = sig;
	got_pid = info->si_pid;
	got_code = info->si_code;
	got_value = info->si_value.sival_int;
}

CLAUSE(a_signal_by_pidfd_is_one_by_kill,
       "pidfd_send_signal(2): with a NULL info the signal has the siginfo of kill: SI_USER and the sender; with "
       "info, what that says, its signal number being that of the call",
       .needed_by = USERS)
{
	siginfo_t info = { .si_signo = SIGUSR2, .si_code = SI_QUEUE };
	long own;

	info.si_pid = 4711;
	info.si_value.sival_int = 815;
	ASSERT_RET(0, raw_sigaction(SIGUSR1, note_signal, 0));
	ASSERT_RET(0, raw_sigaction(SIGUSR2, note_signal, 0));
	ASSERT_OK(own = open_pid(getpid(), 0));
	ASSERT_RET(0, send(own, SIGUSR1, NULL));
	EXPECT_EQ(SIGUSR1, got);
	EXPECT_EQ(getpid(), got_pid);
	EXPECT_EQ(SI_USER, got_code);
	ASSERT_RET(0, send(own, SIGUSR2, &info));
	EXPECT_EQ(SIGUSR2, got);
	EXPECT_EQ(4711, got_pid);
	EXPECT_EQ(SI_QUEUE, got_code);
	EXPECT_EQ(815, got_value);
	EXPECT_ERR(EINVAL, send(own, SIGUSR1, &info));
	EXPECT_ERR(EFAULT, send(own, SIGUSR2, forbidden_page()));
}

CLAUSE(nobody_is_told_a_lie_about_the_sender,
       "pidfd_send_signal(2) ERRORS EPERM: to another process a siginfo that says it is from kill or the kernel "
       "is refused",
       .needed_by = USERS)
{
	siginfo_t info = { .si_signo = SIGTERM, .si_code = SI_USER };
	int fd;
	long pid;

	ASSERT_OK(pid = start(waits_for_ever, NULL, &fd));
	EXPECT_ERR(EPERM, send(fd, SIGTERM, &info));
	info.si_code = SI_KERNEL;
	EXPECT_ERR(EPERM, send(fd, SIGTERM, &info));
	info.si_code = SI_TKILL;
	EXPECT_ERR(EPERM, send(fd, SIGTERM, &info));
	info.si_code = SI_QUEUE;
	EXPECT_RET(0, send(fd, SIGTERM, &info));
	EXPECT_RET(SIGTERM, end_of(pid));
}

CLAUSE(a_pidfd_of_who_was_reaped_is_esrch_though_the_number_lives_again,
       "pidfd_send_signal(2) ERRORS ESRCH: the process has terminated and been waited for; a zombie still takes "
       "signals; the descriptor never comes to mean another process with the same ID [PFD-2]",
       .needs = "root cap=sys_admin", .probe = clone3_probe, .needed_by = USERS)
{
	int fd, tid;
	struct clone_args args = { .exit_signal = SIGCHLD, .set_tid = (uintptr_t)&tid, .set_tid_size = 1 };
	siginfo_t info;
	long pid, again;

	ASSERT_OK(pid = start(returns_zero, NULL, &fd));
	ASSERT_TRUE(wait_until(is_readable(fd)));
	EXPECT_RET(0, send(fd, SIGUSR1, NULL));
	EXPECT_RET(EXITED(0), end_of(pid));
	EXPECT_ERR(ESRCH, send(fd, 0, NULL));
	EXPECT_ERR(ESRCH, send(fd, SIGKILL, NULL));
	tid = pid;
	again = raw_clone3(&args, sizeof(args), waits_for_ever, NULL);
	if (again == -EEXIST)
		return;		// someone else has it by now
	ASSERT_EQ(pid, again);
	EXPECT_ERR(ESRCH, send(fd, SIGKILL, NULL));
	EXPECT_ERR(ECHILD, waitid_fd(fd, &info, WEXITED | WNOHANG));
	EXPECT_RET(0, raw_syscall(__NR_wait4, again, NULL, WNOHANG, NULL));
	kill_and_reap(again);
}

static int opens_something(void *slot)
{
	*(volatile int *)slot = raw_syscall(__NR_openat, AT_FDCWD, "/proc/self/exe", O_RDONLY);
	return waits_for_ever(NULL);
}

CLAUSE(a_descriptor_of_another_process_can_be_taken_over,
       "pidfd_getfd(2): the descriptor obtained refers to the same open file and its offset, and is close-on-exec",
       .needed_by = "v8:sandbox")
{
	volatile int *theirs = shared_memory(sizeof(*theirs));
	int fd;
	long pid, ours;

	*theirs = -1;
	ASSERT_OK(pid = start(opens_something, (void *)theirs, &fd));
	ASSERT_TRUE(wait_until(*theirs >= 0));
	ours = raw_syscall(__NR_pidfd_getfd, fd, *theirs, 0);
	if (ours == -EPERM)
		TH_LOG("a parent may not look at its child here");
	ASSERT_OK(ours);
	EXPECT_EQ(FD_CLOEXEC, fcntl(ours, F_GETFD));
	EXPECT_RET(0, raw_syscall(__NR_lseek, ours, 0, SEEK_CUR));
	kill_and_reap(pid);
	EXPECT_ERR(ESRCH, raw_syscall(__NR_pidfd_getfd, fd, *theirs, 0));
}

CLAUSE(a_pidfd_that_cannot_be_stored_makes_no_child,
       "kernel/fork.c copy_process (5.10, 7.2): an address for the descriptor that cannot be written is EFAULT, a"
       " full table EMFILE; no child is made and no descriptor left [CLN-13]",
       .needed_by = USERS)
{
	uint64_t limit[2], none[2];
	int fd, first = open("/dev/null", O_RDONLY);
	long pid;

	EXPECT_ERR(EFAULT, raw_clone(CLONE_PIDFD | SIGCHLD, stack_top(), returns_zero, NULL, forbidden_page(), NULL, NULL));
	EXPECT_ERR(EFAULT, raw_clone(CLONE_PIDFD | SIGCHLD, stack_top(), returns_zero, NULL, NULL, NULL, NULL));
	EXPECT_TRUE(has_no_child());
	ASSERT_RET(0, raw_syscall(__NR_prlimit64, 0, RLIMIT_NOFILE, NULL, limit));
	none[0] = first + 1;
	none[1] = limit[1];
	ASSERT_RET(0, raw_syscall(__NR_prlimit64, 0, RLIMIT_NOFILE, none, NULL));
	fd = 77;
	EXPECT_ERR(EMFILE, raw_clone(CLONE_PIDFD | SIGCHLD, stack_top(), returns_zero, NULL, &fd, NULL, NULL));
	EXPECT_EQ(77, fd);
	EXPECT_TRUE(has_no_child());
	ASSERT_RET(0, raw_syscall(__NR_prlimit64, 0, RLIMIT_NOFILE, limit, NULL));
	ASSERT_OK(pid = start(returns_zero, NULL, &fd));
	EXPECT_EQ(first + 1, fd);
	end_of(pid);
}
