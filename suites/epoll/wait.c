// SPDX-License-Identifier: GPL-2.0-only
// epoll_wait(2), epoll_pwait(2), epoll_pwait2(2): timeouts, limits, signals and many waiters.
#include "clause.h"
#include "epoll.h"
#include "guard.h"
#include "sigaction.h"
#include "sync.h"
#include "thread.h"

#define MS 1000000LL
#define WAITERS 4

struct waiter {
	int ep;
	int ms;
	volatile long result;
	struct epoll_event event;
};

static int wait_in_thread(void *arg)
{
	struct waiter *w = arg;

	w->result = epoll_collect(w->ep, &w->event, 1, w->ms);
	return 0;
}

CLAUSE(a_timeout_of_zero_polls_and_others_do_not_end_early,
       "epoll_wait(2): 0 returns immediately, even if no events are available; a positive timeout blocks for at least "
       "that many "
       "milliseconds of CLOCK_MONOTONIC [EPL-4]", .needed_by = EPOLL_USERS)
{
	static const int timeouts[] = { 1, 2, 5, 20 };
	long ep = new_epoll();
	struct epoll_event *e = guarded(sizeof(*e));

	EXPECT_RET(0, epoll_collect(ep, e, 1, 0));
	for (unsigned int i = 0; i < ARRAY_SIZE(timeouts); i++) {
		long long before = monotonic_ns();

		EXPECT_RET(0, epoll_collect(ep, e, 1, timeouts[i]));
		EXPECT_GE(monotonic_ns() - before, timeouts[i] * MS);
	}
	EXPECT_UNTOUCHED(e, 0, sizeof(*e));
}

CLAUSE(a_negative_timeout_waits_for_the_event,
       "epoll_wait(2), fs/eventpoll.c ep_poll (5.10), ep_timeout_to_timespec (7.2): a timeout of -1, or any other below 0, blocks"
       " indefinitely, until an event; so does, as good as, the largest one, of 24 days [EPL-4]", .needed_by = EPOLL_USERS)
{
	static const int timeouts[] = { -1, -2, -3, -1000, -1001, -0x7fffffff, 0x7fffffff };

	for (unsigned int i = 0; i < ARRAY_SIZE(timeouts); i++) {
		struct waiter w = { .ep = new_epoll(), .ms = timeouts[i] };
		long fd = raw_syscall(__NR_eventfd2, 0, EFD_NONBLOCK);
		uint64_t one = 1;
		struct thread t;

		ASSERT_RET(0, epoll_change(w.ep, EPOLL_CTL_ADD, fd, EPOLLIN, 17));
		ASSERT_OK(thread_start(&t, wait_in_thread, &w));
		ASSERT_TRUE(wait_until_blocked_in(t.known_as, __NR_epoll_pwait)) TH_LOG("timeout %d", timeouts[i]);
		EXPECT_RET(0, epoll_collect(new_epoll(), &w.event, 1, 2));	// not just for the moment it takes to time out
		ASSERT_TRUE(is_blocked_in(t.known_as, __NR_epoll_pwait)) TH_LOG("timeout %d", timeouts[i]);
		ASSERT_RET(8, raw_syscall(__NR_write, fd, &one, 8));
		ASSERT_TRUE(thread_join(&t));
		EXPECT_RET(1, w.result) TH_LOG("timeout %d", timeouts[i]);
		EXPECT_EQ(17, w.event.data.u64);
	}
}

CLAUSE(a_descriptor_added_while_a_thread_waits_wakes_it,
       "epoll_wait(2) NOTES: while one thread is blocked, another may add a descriptor; if it becomes ready the wait "
       "ends [EPL-3]",
       .needed_by = EPOLL_USERS)
{
	struct waiter w = { .ep = new_epoll(), .ms = -1 };
	long fd = raw_syscall(__NR_eventfd2, 1, EFD_NONBLOCK);
	struct thread t;

	ASSERT_OK(thread_start(&t, wait_in_thread, &w));
	ASSERT_TRUE(wait_until_blocked_in(t.known_as, __NR_epoll_pwait));
	ASSERT_RET(0, epoll_change(w.ep, EPOLL_CTL_ADD, fd, EPOLLIN | EPOLLET, 3));
	ASSERT_TRUE(thread_join(&t));
	EXPECT_RET(1, w.result);
}

CLAUSE(arguments_that_make_no_sense_are_refused,
       "epoll_wait(2) ERRORS: EINVAL for maxevents not greater than zero or a descriptor that is no epoll, EBADF, "
       "EFAULT when the "
       "events cannot be written", .needed_by = EPOLL_USERS)
{
	long ep = new_epoll(), fd = raw_syscall(__NR_eventfd2, 1, EFD_NONBLOCK);
	struct epoll_event e;

	ASSERT_RET(0, epoll_change(ep, EPOLL_CTL_ADD, fd, EPOLLIN | EPOLLET, 0));
	EXPECT_ERR(EINVAL, epoll_collect(ep, &e, 0, 0));
	EXPECT_ERR(EINVAL, epoll_collect(ep, &e, -1, 0));
	EXPECT_ERR(EINVAL, epoll_collect(ep, &e, 0x7fffffff, 0));
	EXPECT_ERR(EINVAL, epoll_collect(fd, &e, 1, 0));
	EXPECT_ERR(EBADF, epoll_collect(999, &e, 1, 0));
	EXPECT_ERR(EFAULT, epoll_collect(ep, unmapped_page(), 1, 0));
	EXPECT_RET(1, epoll_collect(ep, &e, 1, 0));	// what could not be handed out is not lost
}

CLAUSE(at_most_maxevents_are_given_and_the_rest_have_their_turn,
       "epoll_wait(2) NOTES: if more than maxevents descriptors are ready, successive calls go round the set of them",
       .needed_by = EPOLL_USERS)
{
	struct epoll_event *e = guarded(2 * sizeof(*e));
	long ep = new_epoll();
	int seen[6] = { 0 };

	for (int i = 0; i < 6; i++)
		ASSERT_RET(0, epoll_change(ep, EPOLL_CTL_ADD, raw_syscall(__NR_eventfd2, 1, EFD_NONBLOCK), EPOLLIN, i));
	for (int round = 0; round < 3; round++) {
		ASSERT_RET(2, epoll_collect(ep, e, 2, 0));
		EXPECT_INTACT(e);
		seen[e[0].data.u64]++;
		seen[e[1].data.u64]++;
	}
	for (int i = 0; i < 6; i++)
		EXPECT_EQ(1, seen[i]);
}

static volatile int handled;

static void note_signal(int sig, siginfo_t *info, void *ucontext)
{
	handled++;
}

CLAUSE(a_handled_signal_interrupts_whether_or_not_it_restarts_calls,
       "signal(7): epoll_wait and epoll_pwait are never restarted after a handler, regardless of SA_RESTART [EPL-5] "
       "[SIG-7]",
       .needed_by = EPOLL_USERS)
{
	static const unsigned long flags[] = { 0, SA_RESTART };

	for (unsigned int i = 0; i < ARRAY_SIZE(flags); i++) {
		for (int ms = -1; ms < 100000; ms += 100000) {
			struct waiter w = { .ep = new_epoll(), .ms = ms };
			struct thread t;

			ASSERT_RET(0, raw_sigaction(SIGUSR1, note_signal, flags[i]));
			ASSERT_OK(thread_start(&t, wait_in_thread, &w));
			ASSERT_TRUE(wait_until_blocked_in(t.known_as, __NR_epoll_pwait));
			ASSERT_RET(0, raw_syscall(__NR_tgkill, getpid(), t.known_as, SIGUSR1));
			ASSERT_TRUE(thread_join(&t));
			EXPECT_ERR(EINTR, w.result);
		}
	}
	EXPECT_EQ(4, handled);
}

CLAUSE(the_mask_given_holds_for_the_wait_alone,
       "epoll_wait(2) epoll_pwait: the signal mask is set and the wait begun as one step; the former mask is back at "
       "return, and a "
       "pending signal that the new one lets through ends the wait with EINTR [incident 65]", .needed_by = EPOLL_USERS)
{
	struct kernel_sigset none = SIGSET_EMPTY, mask = SIGSET_EMPTY;
	struct epoll_event e;
	long ep = new_epoll();

	ASSERT_RET(0, raw_sigaction(SIGUSR1, note_signal, SA_RESTART));
	ASSERT_RET(0, raw_sigprocmask(SIG_BLOCK, SIGSET(SIGUSR1)));
	ASSERT_RET(0, raw_syscall(__NR_tgkill, getpid(), raw_syscall(__NR_gettid), SIGUSR1));
	EXPECT_RET(0, epoll_collect(ep, &e, 1, 1));
	EXPECT_EQ(0, handled);
	EXPECT_ERR(EINTR, raw_syscall(__NR_epoll_pwait, ep, &e, 1, -1, &none, ARCH_SIGSET_BYTES));
	EXPECT_EQ(1, handled);
	ASSERT_RET(0, raw_syscall(__NR_rt_sigprocmask, SIG_BLOCK, NULL, &mask, ARCH_SIGSET_BYTES));
	EXPECT_TRUE(sigset_has(mask, SIGUSR1));
	EXPECT_ERR(EINVAL, raw_syscall(__NR_epoll_pwait, ep, &e, 1, 0, &none, ARCH_SIGSET_BYTES - 1));
	EXPECT_ERR(EFAULT, raw_syscall(__NR_epoll_pwait, ep, &e, 1, 0, unmapped_page(), ARCH_SIGSET_BYTES));
}

struct taker {
	int ep, fd;
	volatile int taken;
	volatile int *stop;
};

// Takes one token of a semaphore for each edge or level it is woken for, as poller threads do.
static int take_tokens(void *arg)
{
	struct taker *k = arg;
	struct epoll_event e;
	unsigned long long value;

	while (!*k->stop)
		if (epoll_collect(k->ep, &e, 1, -1) == 1)
			while (raw_syscall(__NR_read, k->fd, &value, 8) == 8)
				k->taken++;
	return 0;
}

CLAUSE(no_event_is_lost_among_many_waiters,
       "epoll(7): each event wakes a waiter; tokens that are written while threads come and go are all taken [EPL-3] "
       "[incident 107]",
       .commit = "65759097d804 epoll: call final ep_events_available() check under the lock", .needed_by = EPOLL_USERS)
{
	struct taker k[WAITERS];
	struct thread t[WAITERS];
	volatile int stop = 0;
	long ep = new_epoll(), fd = raw_syscall(__NR_eventfd2, 0, EFD_NONBLOCK | EFD_SEMAPHORE);
	uint64_t one = 1;
	int sent = 0, taken;

	ASSERT_RET(0, epoll_change(ep, EPOLL_CTL_ADD, fd, EPOLLIN | EPOLLET, 0));
	for (int i = 0; i < WAITERS; i++) {
		k[i] = (struct taker){ .ep = ep, .fd = fd, .stop = &stop };
		ASSERT_OK(thread_start(&t[i], take_tokens, &k[i]));
	}
	// Each round waits until its token is taken: a lost wake-up leaves it lying.
	for (int round = 0; round < 500; round++) {
		ASSERT_RET(8, raw_syscall(__NR_write, fd, &one, 8));
		sent++;
		ASSERT_TRUE(wait_until(({ taken = 0; for (int i = 0; i < WAITERS; i++) taken += k[i].taken; taken == sent; })));
	}
	stop = 1;
	ASSERT_RET(0, epoll_change(ep, EPOLL_CTL_MOD, fd, EPOLLIN | EPOLLOUT, 0));	// ready for all from here on
	for (int i = 0; i < WAITERS; i++)
		ASSERT_TRUE(thread_join(&t[i]));
}

#ifdef __NR_epoll_pwait2
static long probe_epoll_pwait2(void)
{
	return raw_syscall(__NR_epoll_pwait2, -1, NULL, 1, NULL, NULL, 0);
}

CLAUSE(nanosecond_timeouts_end_and_do_not_end_early,
       "epoll_wait(2) epoll_pwait2: the timeout is a timespec of nanosecond resolution; NULL waits for ever, and an "
       "invalid one is "
       "EINVAL [EPL-4] [incident 88]", .since = KERNEL(5, 11), .probe = probe_epoll_pwait2,
       .commit = "d9ec73301099 fs/eventpoll: fix endless busy loop after timeout has expired", .needed_by = EPOLL_USERS)
{
	static const long long timeouts[] = { 0, 1, 999, 100000, 3 * MS };
	struct __kernel_timespec bad[] = { { 0, 1000000000 }, { 0, -1 }, { -1, 0 } };
	long ep = new_epoll();
	struct epoll_event e;

	for (unsigned int i = 0; i < ARRAY_SIZE(timeouts); i++) {
		struct __kernel_timespec timeout = { 0, timeouts[i] };
		long long before = monotonic_ns();

		EXPECT_RET(0, raw_syscall(__NR_epoll_pwait2, ep, &e, 1, &timeout, NULL, 0));
		EXPECT_GE(monotonic_ns() - before, timeouts[i]);
	}
	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++)
		EXPECT_ERR(EINVAL, raw_syscall(__NR_epoll_pwait2, ep, &e, 1, &bad[i], NULL, 0));
	EXPECT_ERR(EFAULT, raw_syscall(__NR_epoll_pwait2, ep, &e, 1, unmapped_page(), NULL, 0));
}

CLAUSE(the_mask_given_holds_for_the_nanosecond_wait_too,
       "epoll_wait(2) epoll_pwait2: sets the signal mask for the wait as epoll_pwait does: what the new mask lets "
       "through "
       "ends the wait with EINTR, what it blocks does not, and the former mask is back at return",
       .since = KERNEL(5, 11), .probe = probe_epoll_pwait2, .needed_by = EPOLL_USERS)
{
	struct __kernel_timespec hour = { 3600, 0 }, moment = { 0, MS };
	struct kernel_sigset none = SIGSET_EMPTY, both = sigset_with(SIGSET(SIGUSR1), SIGUSR2), mask = SIGSET_EMPTY;
	struct epoll_event e;
	long ep = new_epoll();

	ASSERT_RET(0, raw_sigaction(SIGUSR1, note_signal, SA_RESTART));
	ASSERT_RET(0, raw_sigprocmask(SIG_BLOCK, SIGSET(SIGUSR1)));
	ASSERT_RET(0, raw_syscall(__NR_tgkill, getpid(), raw_syscall(__NR_gettid), SIGUSR1));
	EXPECT_RET(0, raw_syscall(__NR_epoll_pwait2, ep, &e, 1, &moment, NULL, 0));
	EXPECT_RET(0, raw_syscall(__NR_epoll_pwait2, ep, &e, 1, &moment, &both, ARCH_SIGSET_BYTES));
	EXPECT_EQ(0, handled);
	EXPECT_ERR(EINTR, raw_syscall(__NR_epoll_pwait2, ep, &e, 1, &hour, &none, ARCH_SIGSET_BYTES));
	EXPECT_EQ(1, handled);
	ASSERT_RET(0, raw_syscall(__NR_rt_sigprocmask, SIG_BLOCK, NULL, &mask, ARCH_SIGSET_BYTES));
	EXPECT_TRUE(sigset_has(mask, SIGUSR1));
	EXPECT_FALSE(sigset_has(mask, SIGUSR2));
	EXPECT_ERR(EINVAL, raw_syscall(__NR_epoll_pwait2, ep, &e, 1, &moment, &none, ARCH_SIGSET_BYTES - 1));
	EXPECT_ERR(EFAULT, raw_syscall(__NR_epoll_pwait2, ep, &e, 1, &moment, unmapped_page(), ARCH_SIGSET_BYTES));
}
#endif
