// SPDX-License-Identifier: GPL-2.0-only
// pidfds and threads: descriptors of one thread (6.9), what poll tells of each kind and when, and what is left after the end.
#include "clone.h"
#include "guard.h"
#include "sigaction.h"

#include <fcntl.h>
#include <poll.h>

#define USERS "go:pidfd glibc:pidfd_spawn rust:PidFd jvm:ProcessHandle"
#define PIDFD_THREAD_FLAG O_EXCL

static struct shared {
	volatile int go, ready, tid;
} *shared;

static void begin(void)
{
	shared = shared_memory(sizeof(*shared));
}

static long open_pid(long pid, unsigned int flags)
{
	return raw_syscall(__NR_pidfd_open, pid, flags);
}

static long thread_probe(void)
{
	long fd = open_pid(raw_syscall(__NR_gettid), PIDFD_THREAD_FLAG);

	if (fd >= 0)
		raw_syscall(__NR_close, fd);
	return fd;
}

// What poll says now.
static int events_of(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	struct __kernel_timespec now = { 0 };
	long n = raw_syscall(NR_PPOLL, &p, 1, &now, NULL, 0);

	return is_error(n) ? n : p.revents;
}

struct poller {
	int fd;
	volatile int done, events;
};

static int polls(void *arg)
{
	struct poller *p = arg;
	struct pollfd one = { .fd = p->fd, .events = POLLIN };

	raw_syscall(NR_PPOLL, &one, 1, NULL, NULL, 0);
	p->events = one.revents;
	p->done = 1;
	return 0;
}

// A thread that sleeps in poll(2) of the descriptor, for as long as nobody wakes it.
static bool start_poller(struct thread *t, struct poller *p)
{
	return !is_error(thread_start(t, polls, p)) && wait_until_blocked_in(t->known_as, NR_PPOLL);
}

static int goes_on_when_told(void *unused)
{
	wait_until(shared->go);
	return 0;
}

static int leaves_a_thread(void *unused)
{
	struct thread t;

	shared->tid = thread_start(&t, goes_on_when_told, NULL);
	raw_syscall(__NR_exit, 3);
	return 0;
}

static int ends_when_told(void *unused)
{
	return !wait_until(shared->go);
}

static int keeps_a_thread_and_ends_all(void *unused)
{
	struct thread t;

	shared->tid = thread_start(&t, waits_for_ever, NULL);
	wait_until(shared->go);
	raw_syscall(__NR_exit_group, 0);
	return 0;
}

CLAUSE(who_polls_is_woken_when_the_whole_process_has_ended,
       "pidfd_open(2), kernel/signal.c do_notify_pidfd (5.10, 7.2): a caller that sleeps in poll is woken when the "
       "process ends: by its only thread, by exit_group of several, or by the last thread after the leader [PFD-2]",
       .needed_by = USERS)
{
	static int (*const bodies[])(void *) = { ends_when_told, keeps_a_thread_and_ends_all, leaves_a_thread };

	for (unsigned int i = 0; i < ARRAY_SIZE(bodies); i++) {
		struct poller p = { .fd = -1 };
		struct thread t;
		long pid;

		begin();
		ASSERT_OK(pid = raw_clone(CLONE_PIDFD | SIGCHLD, stack_top(), bodies[i], NULL, &p.fd, NULL, NULL));
		if (i == 2)
			ASSERT_TRUE(wait_until(task_state(pid) == 'Z'));
		ASSERT_TRUE(start_poller(&t, &p));
		EXPECT_EQ(0, p.done);
		shared->go = 1;
		ASSERT_TRUE(wait_until(p.done))
			TH_LOG("case %u", i);
		EXPECT_EQ(POLLIN, p.events & POLLIN);
		ASSERT_TRUE(thread_join(&t));
		EXPECT_OK(end_of(pid));
		close(p.fd);
	}
}

CLAUSE(poll_tells_the_hangup_once_the_process_is_reaped,
       "pidfd_open(2), fs/pidfs.c pidfd_poll (6.12, 7.2): a zombie's descriptor is readable, one of a process that was "
       "waited for has hung up as well",
       .since = KERNEL(6, 9), .probe = thread_probe, .absent_errno = EINVAL, .needed_by = USERS)
{
	int fd = -1;
	long pid;

	ASSERT_OK(pid = raw_clone(CLONE_PIDFD | SIGCHLD, stack_top(), returns_zero, NULL, &fd, NULL, NULL));
	ASSERT_TRUE(wait_until(events_of(fd)));
	EXPECT_EQ(POLLIN, events_of(fd));
	EXPECT_RET(EXITED(0), end_of(pid));
	EXPECT_EQ(POLLIN | POLLHUP, events_of(fd));
}

static bool fdinfo_says(int fd, const char *line)
{
	char path[64], text[1024];

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	return read_text(path, text, sizeof(text)) > 0 && strstr(text, line);
}

CLAUSE(the_descriptor_of_who_was_reaped_names_nobody,
       "pidfd_open(2), kernel/fork.c pidfd_show_fdinfo (5.10), fs/pidfs.c (7.2): fdinfo has the process's number until "
       "it was waited for, and -1 from then on",
       .needed_by = USERS)
{
	char wanted[32];
	int fd = -1;
	long pid;

	ASSERT_OK(pid = raw_clone(CLONE_PIDFD | SIGCHLD, stack_top(), returns_zero, NULL, &fd, NULL, NULL));
	ASSERT_TRUE(wait_until(task_state(pid) == 'Z'));
	snprintf(wanted, sizeof(wanted), "Pid:\t%ld\n", pid);
	EXPECT_TRUE(fdinfo_says(fd, wanted));
	EXPECT_RET(EXITED(0), end_of(pid));
	EXPECT_TRUE(fdinfo_says(fd, "Pid:\t-1\n"));
}

CLAUSE(a_thread_that_leads_no_process_has_no_descriptor_of_a_process,
       "pidfd_open(2) ERRORS EINVAL, kernel/fork.c pidfd_prepare (7.2): the ID of a thread other than the leader is "
       "refused, with EINVAL or, in later kernels, ENOENT, and opens nothing",
       .needed_by = USERS)
{
	long pid, result;
	struct thread t;

	begin();
	ASSERT_OK(thread_start(&t, goes_on_when_told, NULL));
	result = open_pid(t.known_as, 0);
	EXPECT_TRUE(result == -EINVAL || result == -ENOENT)
		TH_LOG("it is %ld", result);
	shared->go = 1;
	ASSERT_TRUE(thread_join(&t));
	begin();	// and so of the last thread of a process whose leader has ended
	ASSERT_OK(pid = child_of(SIGCHLD, leaves_a_thread, NULL));
	ASSERT_TRUE(wait_until(task_state(pid) == 'Z'));
	result = open_pid(shared->tid, 0);
	EXPECT_TRUE(result == -EINVAL || result == -ENOENT)
		TH_LOG("it is %ld", result);
	EXPECT_OK(open_pid(pid, 0));
	shared->go = 1;
	EXPECT_OK(end_of(pid));
}

static volatile int caught_by;

static void note_thread(int sig, siginfo_t *info, void *ucontext)
{
	__atomic_store_n(&caught_by, raw_syscall(__NR_gettid), __ATOMIC_RELEASE);
}

// Holds the signal off until it is told to go on, and takes it then.
static int takes_its_signal(void *unused)
{
	raw_sigprocmask(SIG_BLOCK, SIGSET(SIGUSR1));
	shared->ready = 1;
	wait_until(shared->go >= 1);
	raw_sigprocmask(SIG_UNBLOCK, SIGSET(SIGUSR1));
	return !wait_until(shared->go == 2);
}

CLAUSE(a_descriptor_of_a_thread_is_that_threads,
       "pidfd_open(2) PIDFD_THREAD, clone(2) CLONE_PIDFD with CLONE_THREAD, pidfd_send_signal(2) (6.9): a signal "
       "reaches that thread alone; the descriptor is not readable while it lives, and is once it has ended, though its "
       "process lives; who polls is woken",
       .since = KERNEL(6, 9), .probe = thread_probe, .absent_errno = EINVAL, .needed_by = USERS)
{
	ASSERT_RET(0, raw_sigaction(SIGUSR1, note_thread, SA_RESTART));
	for (int opened = 0; opened < 2; opened++) {
		struct poller p;
		struct thread t, poller;
		int fd = -1;
		long tid;

		begin();
		caught_by = 0;
		if (opened) {
			ASSERT_OK(tid = thread_start(&t, takes_its_signal, NULL));
			ASSERT_OK(fd = open_pid(tid, PIDFD_THREAD_FLAG));
		} else {
			ASSERT_OK(tid = raw_clone(THREAD_FLAGS | CLONE_PIDFD, stack_top(), takes_its_signal, NULL, &fd, NULL, NULL));
		}
		EXPECT_EQ(FD_CLOEXEC, fcntl(fd, F_GETFD));
		ASSERT_TRUE(wait_until(shared->ready));
		ASSERT_RET(0, raw_syscall(__NR_pidfd_send_signal, fd, SIGUSR1, NULL, 0));
		EXPECT_EQ(0, caught_by);	// not by this thread, which could
		shared->go = 1;
		EXPECT_TRUE(wait_until(caught_by));
		EXPECT_EQ(tid, caught_by);
		EXPECT_EQ(0, events_of(fd));
		p = (struct poller){ .fd = fd };
		ASSERT_TRUE(start_poller(&poller, &p));
		shared->go = 2;
		ASSERT_TRUE(wait_until(p.done))
			TH_LOG("%s", opened ? "pidfd_open" : "clone");
		EXPECT_TRUE(p.events & POLLIN);
		ASSERT_TRUE(thread_join(&poller));
		EXPECT_TRUE(wait_until(raw_syscall(__NR_pidfd_send_signal, fd, 0, NULL, 0) == -ESRCH));
		EXPECT_EQ(POLLIN | POLLHUP, events_of(fd));
		close(fd);
		if (opened)
			ASSERT_TRUE(thread_join(&t));
	}
}
