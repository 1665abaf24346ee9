// SPDX-License-Identifier: GPL-2.0-only
// poll(2), select(2) and their kin: timeouts, over a stop and a continuation too.
#include "clause.h"

#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>

#include "sync.h"
#include "thread.h"

#define MS     1000000LL
#define SECOND 1000000000LL
#define USERS  "libuv:uv__io_poll jvm:os_poll glibc:poll erlang:poller"

// select(2) with five arguments: where there is another of that name, this one is called new.
#ifdef __NR__newselect
#define NR_SELECT __NR__newselect
#elif defined __NR_select
#define NR_SELECT __NR_select
#endif

// Waits until fd can be read, or so long; *left: what the kernel wrote into the timeout.
typedef long wait_call(int fd, long long ns, long long *left);

static long by_ppoll(int fd, long long ns, long long *left)
{
	struct __kernel_timespec t = { ns / SECOND, ns % SECOND };
	struct pollfd p = { .fd = fd, .events = POLLIN };
	long result = raw_syscall(NR_PPOLL, &p, 1, &t, NULL, 0);

	*left = t.tv_sec * SECOND + t.tv_nsec;
	return result;
}

#define FD_WORDS (FD_SETSIZE / 8 / sizeof(long))

static void set_of(unsigned long *set, int fd)
{
	memset(set, 0, FD_WORDS * sizeof(long));
	set[fd / (8 * sizeof(long))] |= 1UL << fd % (8 * sizeof(long));
}

static long by_pselect6(int fd, long long ns, long long *left)
{
	struct __kernel_timespec t = { ns / SECOND, ns % SECOND };
	unsigned long files[FD_WORDS];
	long result;

	set_of(files, fd);
	result = raw_syscall(NR_PSELECT6, fd + 1, files, NULL, NULL, &t, NULL);
	*left = t.tv_sec * SECOND + t.tv_nsec;
	return result;
}

#ifdef NR_SELECT
static long by_select(int fd, long long ns, long long *left)
{
	struct { long sec, usec; } t = { ns / SECOND, ns % SECOND / 1000 };
	unsigned long files[FD_WORDS];
	long result;

	set_of(files, fd);
	result = raw_syscall(NR_SELECT, fd + 1, files, NULL, NULL, &t);
	*left = t.sec * SECOND + t.usec * 1000LL;
	return result;
}
#endif

#ifdef __NR_poll
static long by_poll(int fd, long long ns, long long *left)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	*left = 0;
	return raw_syscall(__NR_poll, &p, 1, (int)(ns / MS));
}
#endif

static const struct { const char *name; long nr; wait_call *call; bool tells_the_rest; } calls[] = {
	{ "ppoll",    NR_PPOLL,    by_ppoll,    true },
	{ "pselect6", NR_PSELECT6, by_pselect6, true },
#ifdef NR_SELECT
	{ "select",   NR_SELECT,   by_select,   true },
#endif
#ifdef __NR_poll
	{ "poll",     __NR_poll,   by_poll,     false },
#endif
};

struct told {
	volatile long result;
	volatile long long took, left;
};

// A child that waits, and tells how it ended.
static pid_t wait_in_child(unsigned int call, int fd, long long ns, struct told *told)
{
	pid_t child = fork();
	long long began, left;

	if (child == 0) {
		began = monotonic_ns();
		told->result = calls[call].call(fd, ns, &left);
		told->took = monotonic_ns() - began;
		told->left = left;
		_exit(0);
	}
	return child;
}

static struct told *shared_told(void)
{
	return mmap(NULL, sizeof(struct told), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
}

static bool sleeps(pid_t child, long nr)
{
	return is_asleep_in_either(child, nr, __NR_restart_syscall);
}

static bool has_ended(pid_t child)
{
	return task_state(child) == 'Z';
}

CLAUSE(a_stopped_wait_still_ends_at_its_time,
       "poll(2), select(2), signal(7): a wait with a timeout that SIGSTOP and SIGCONT interrupt goes on, and ends "
       "when the time is"
       " up: not before, and not never", .needed_by = USERS)
{
	struct told *told = shared_told();
	int pipe_[2];

	ASSERT_NE(MAP_FAILED, told);
	ASSERT_EQ(0, pipe(pipe_));
	for (unsigned int i = 0; i < ARRAY_SIZE(calls); i++) {
		pid_t child = wait_in_child(i, pipe_[0], 20 * MS, told);
		int status = -1;

		ASSERT_TRUE(wait_until(sleeps(child, calls[i].nr) || has_ended(child)));
		kill(child, SIGSTOP);
		ASSERT_EQ(child, waitpid(child, &status, WUNTRACED));
		if (WIFSTOPPED(status)) {
			kill(child, SIGCONT);
			EXPECT_TRUE(wait_until(has_ended(child))) TH_LOG("%s goes on for ever", calls[i].name);
			kill(child, SIGKILL);
			ASSERT_EQ(child, waitpid(child, &status, 0));
		}
		EXPECT_EQ(0, status) TH_LOG("%s", calls[i].name);
		EXPECT_RET(0, told->result) TH_LOG("%s", calls[i].name);
		EXPECT_GE(told->took, 20 * MS) TH_LOG("%s", calls[i].name);
		EXPECT_EQ(0, told->left) TH_LOG("%s", calls[i].name);
	}
}

CLAUSE(what_is_left_lacks_the_time_before_a_stop,
       "select(2) NOTES, poll(2) NOTES: Linux writes the time not slept into the timeout of select, and of the raw "
       "ppoll and"
       " pselect6: a wait that was stopped and continued goes on to its first end, and that is what is left of "
       "it", .needed_by = USERS)
{
	struct told *told = shared_told();

	ASSERT_NE(MAP_FAILED, told);
	for (unsigned int i = 0; i < ARRAY_SIZE(calls); i++) {
		int pipe_[2], status = -1;
		long long until;
		pid_t child;

		if (!calls[i].tells_the_rest)
			continue;
		ASSERT_EQ(0, pipe(pipe_));
		child = wait_in_child(i, pipe_[0], 1000 * SECOND, told);
		ASSERT_TRUE(wait_until(sleeps(child, calls[i].nr)));
		for (until = monotonic_ns() + 10 * MS; monotonic_ns() < until; )
			raw_syscall(__NR_sched_yield);
		kill(child, SIGSTOP);
		ASSERT_EQ(child, waitpid(child, &status, WUNTRACED));
		ASSERT_TRUE(WIFSTOPPED(status));
		kill(child, SIGCONT);
		ASSERT_TRUE(wait_until(sleeps(child, calls[i].nr))) TH_LOG("%s", calls[i].name);
		ASSERT_EQ(1, write(pipe_[1], "", 1));
		ASSERT_EQ(child, waitpid(child, &status, 0));
		EXPECT_RET(1, told->result) TH_LOG("%s", calls[i].name);
		EXPECT_LE(told->left, 1000 * SECOND - 10 * MS) TH_LOG("%s", calls[i].name);
		EXPECT_GE(told->left, 1000 * SECOND - told->took - 1000) TH_LOG("%s", calls[i].name);	// microseconds round down
		close(pipe_[0]);
		close(pipe_[1]);
	}
}

#ifdef __NR_poll
static volatile int polled_fd, timeout_ms;

static int poll_in_thread(void *arg)
{
	struct pollfd p = { .fd = polled_fd, .events = POLLIN };

	*(volatile long *)arg = raw_syscall(__NR_poll, &p, 1, timeout_ms);
	return 0;
}

CLAUSE(any_negative_timeout_of_poll_is_infinite,
       "poll(2): specifying a negative value in timeout means an infinite timeout, whatever the "
       "value", .needed_by = USERS)
{
	static const int timeouts[] = { -1, -2, -3, -1000, -1001, INT_MIN };

	for (unsigned int i = 0; i < ARRAY_SIZE(timeouts); i++) {
		volatile long result = -EINPROGRESS;
		struct thread t;
		int pipe_[2];

		ASSERT_EQ(0, pipe(pipe_));
		polled_fd = pipe_[0];
		timeout_ms = timeouts[i];
		ASSERT_OK(thread_start(&t, poll_in_thread, (void *)&result));
		ASSERT_TRUE(wait_until_blocked_in(t.known_as, __NR_poll)) TH_LOG("timeout %d", timeouts[i]);
		ASSERT_RET(0, raw_syscall(__NR_poll, NULL, 0, 2));	// not just for the moment it takes to time out
		ASSERT_TRUE(is_blocked_in(t.known_as, __NR_poll)) TH_LOG("timeout %d", timeouts[i]);
		ASSERT_EQ(1, write(pipe_[1], "", 1));
		ASSERT_TRUE(thread_join(&t));
		EXPECT_RET(1, result) TH_LOG("timeout %d", timeouts[i]);
	}
}
#endif
