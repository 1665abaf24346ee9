// SPDX-License-Identifier: GPL-2.0-only
// futex(2): signals during a wait: which waits restart, which return EINTR, and what is left of them.
#include "clause.h"

#include "sigaction.h"
#include "waiter.h"

static const struct __kernel_timespec an_hour = { 3600, 0 };

static const struct kind {
	int op;
	int clock;	// of the absolute timeout; -1 for a relative one
} kinds[] = {
	{ FUTEX_WAIT_PRIVATE,                                -1 },
	{ FUTEX_WAIT,                                        -1 },
	{ FUTEX_WAIT_BITSET_PRIVATE,                         CLOCK_MONOTONIC },
	{ FUTEX_WAIT_BITSET,                                 CLOCK_MONOTONIC },
	{ FUTEX_WAIT_BITSET_PRIVATE | FUTEX_CLOCK_REALTIME,  CLOCK_REALTIME },
	{ FUTEX_WAIT_BITSET | FUTEX_CLOCK_REALTIME,          CLOCK_REALTIME },
};

static uint32_t word, other_word;
static volatile int handled;

static void count(int sig, siginfo_t *info, void *ucontext)
{
	__atomic_add_fetch(&handled, 1, __ATOMIC_SEQ_CST);
}

static void change_the_word(int sig, siginfo_t *info, void *ucontext)
{
	__atomic_add_fetch(&word, 1, __ATOMIC_SEQ_CST);
	count(sig, info, ucontext);
}

static void wait_for_another_word(int sig, siginfo_t *info, void *ucontext)
{
	static const struct __kernel_timespec soon = { 0, 100000 };

	if (futex_wait(&other_word, 0, &soon) == -ETIMEDOUT)
		count(sig, info, ucontext);
}

static long wake_like(const struct waiter *w, int count)
{
	return futex_call(w->word, FUTEX_WAKE | (w->op & FUTEX_PRIVATE_FLAG), count, NULL, NULL, 0);
}

static bool sleeps_for_an_hour(struct waiter *w, const struct kind *k, struct __kernel_timespec *timeout)
{
	*timeout = k->clock < 0 ? an_hour : timespec_of(clock_ns(k->clock) + 3600000000000LL);
	*w = waiter_on(&word, k->op);
	w->timeout = timeout;
	return waiter_sleeps(w);
}

// Sends SIGUSR1 to the waiter; true once its handler has run and the wait is either over or sleeps again.
static bool is_interrupted(struct waiter *w)
{
	int before = handled;

	return raw_syscall(__NR_tgkill, getpid(), w->tid, SIGUSR1) == 0 && wait_until(handled != before) &&
	       wait_until(w->returned || is_asleep(w->tid));
}

CLAUSE(an_untimed_wait_goes_on_after_a_handler_with_sa_restart,
       "signal(7) Interruption of system calls: FUTEX_WAIT is restarted after a handler with SA_RESTART (since "
       "2.6.22) [FUT-5] [incident 26]",
       .needed_by = "go:futexsleep musl:__timedwait")
{
	ASSERT_OK(raw_sigaction(SIGUSR1, count, SA_RESTART));
	FOR_EACH(k, kinds) {
		struct waiter w;

		ASSERT_TRUE(sleeps_on(&w, &word, kinds[k].op));
		for (int i = 0; i < 5; i++) {
			ASSERT_TRUE(is_interrupted(&w));
			ASSERT_FALSE(w.returned);
		}
		EXPECT_RET(1, wake_like(&w, INT_MAX));
		EXPECT_RET(0, waiter_result(&w));
	}
}

CLAUSE(an_untimed_wait_fails_after_a_handler_without_sa_restart,
       "futex(2) ERRORS EINTR: a FUTEX_WAIT or FUTEX_WAIT_BITSET operation was interrupted by a signal [FUT-5]",
       .needed_by = "go:futexsleep glibc:sem_wait")
{
	ASSERT_OK(raw_sigaction(SIGUSR1, count, 0));
	FOR_EACH(k, kinds) {
		struct waiter w;

		ASSERT_TRUE(sleeps_on(&w, &word, kinds[k].op));
		ASSERT_TRUE(is_interrupted(&w));
		EXPECT_RET(1, w.returned);
		EXPECT_RET(-EINTR, waiter_result(&w));
	}
}

CLAUSE(a_timed_wait_fails_after_any_handler,
       "kernel/futex/waitwake.c futex_wait (7.2): a wait with a timeout is never restarted after a handler: EINTR, "
       "with SA_RESTART and without [FUT-5]",
       .needed_by = "go:futexsleep glibc:pthread_cond_timedwait")
{
	static const unsigned long flags[] = { SA_RESTART, 0 };

	FOR_EACH(f, flags) {
		ASSERT_OK(raw_sigaction(SIGUSR1, count, flags[f]));
		FOR_EACH(k, kinds) {
			struct __kernel_timespec timeout;
			struct waiter w;

			ASSERT_TRUE(sleeps_for_an_hour(&w, &kinds[k], &timeout));
			ASSERT_TRUE(is_interrupted(&w));
			ASSERT_EQ(1, w.returned);
			EXPECT_RET(-EINTR, waiter_result(&w));
		}
	}
}

CLAUSE(a_restarted_wait_compares_the_word_again,
       "signal(7) Interruption of system calls: a restarted call is made anew: FUTEX_WAIT finds the word that the "
       "handler has changed, and returns EAGAIN [FUT-5]",
       .needed_by = "go:futexsleep glibc:lll_lock")
{
	ASSERT_OK(raw_sigaction(SIGUSR1, change_the_word, SA_RESTART));
	FOR_EACH(k, kinds) {
		struct waiter w;

		ASSERT_TRUE(sleeps_on(&w, &word, kinds[k].op));
		ASSERT_TRUE(is_interrupted(&w));
		ASSERT_EQ(1, w.returned);
		EXPECT_RET(-EAGAIN, waiter_result(&w));
	}
}

CLAUSE(a_restarted_wait_keeps_its_bitset,
       "signal(7) Interruption of system calls: a restarted FUTEX_WAIT_BITSET has the bit mask it was called with",
       .needed_by = "glibc:pthread_rwlock")
{
	ASSERT_OK(raw_sigaction(SIGUSR1, count, SA_RESTART));
	for (int k = 2; k < 6; k++) {
		int wake = FUTEX_WAKE_BITSET | (kinds[k].op & FUTEX_PRIVATE_FLAG);
		struct waiter w = waiter_on(&word, kinds[k].op);

		w.bitset = 0x00100400;
		ASSERT_TRUE(waiter_sleeps(&w));
		ASSERT_TRUE(is_interrupted(&w));
		ASSERT_FALSE(w.returned);
		EXPECT_RET(0, futex_call(&word, wake, INT_MAX, NULL, NULL, ~w.bitset));
		EXPECT_RET(1, futex_call(&word, wake, INT_MAX, NULL, NULL, 0x00000400));
		EXPECT_RET(0, waiter_result(&w));
	}
}

CLAUSE(an_interrupted_waiter_is_not_counted,
       "futex(2) RETURN VALUE FUTEX_WAKE: counts waiters; one whose wait has ended with EINTR is none, the others "
       "are",
       .needed_by = "glibc:pthread_cond_signal")
{
	struct waiter w[3];

	ASSERT_OK(raw_sigaction(SIGUSR1, count, 0));
	ASSERT_TRUE(all_sleep_on(w, 3, &word, FUTEX_WAIT_PRIVATE));
	ASSERT_TRUE(is_interrupted(&w[1]));
	EXPECT_RET(-EINTR, waiter_result(&w[1]));
	EXPECT_RET(2, futex_wake(&word, INT_MAX));
	EXPECT_RET(0, waiter_result(&w[0]));
	EXPECT_RET(0, waiter_result(&w[2]));
}

CLAUSE(a_signal_interrupts_only_the_thread_it_is_sent_to,
       "tgkill(2), futex(2) ERRORS EINTR: the wait of the thread that handles the signal ends, no other",
       .needed_by = "go:signalM jvm:SuspendResume")
{
	struct waiter w[3];

	ASSERT_OK(raw_sigaction(SIGUSR1, count, 0));
	ASSERT_TRUE(all_sleep_on(w, 3, &word, FUTEX_WAIT_PRIVATE));
	ASSERT_TRUE(is_interrupted(&w[0]));
	EXPECT_RET(-EINTR, waiter_result(&w[0]));
	EXPECT_TRUE(is_asleep(w[1].tid) && is_asleep(w[2].tid));
	ASSERT_TRUE(is_interrupted(&w[2]));
	EXPECT_RET(-EINTR, waiter_result(&w[2]));
	EXPECT_TRUE(is_asleep(w[1].tid));
	EXPECT_RET(1, futex_wake(&word, INT_MAX));
	EXPECT_RET(0, waiter_result(&w[1]));
}

CLAUSE(ignored_signals_do_not_end_a_wait,
       "signal(7) Interruption of system calls: only a handler interrupts; a signal that is ignored, by SIG_IGN or "
       "by default, leaves the wait alone, timed or not",
       .needed_by = "go:futexsleep")
{
	static const int ignored[] = { SIGUSR2, SIGCHLD, SIGURG, SIGWINCH, SIGCONT };
	struct waiter w;

	ASSERT_OK(raw_sigaction(SIGUSR2, SIGNAL_IGNORE, 0));
	FOR_EACH(i, ignored) {
		if (ignored[i] != SIGUSR2)
			ASSERT_OK(raw_sigaction(ignored[i], SIGNAL_DEFAULT, 0));
		for (int timed = 0; timed < 2; timed++) {
			w = waiter_on(&word, FUTEX_WAIT_PRIVATE);
			w.timeout = timed ? &an_hour : NULL;
			ASSERT_TRUE(waiter_sleeps(&w));
			ASSERT_OK(raw_syscall(__NR_tgkill, getpid(), w.tid, ignored[i]));
			ASSERT_OK(raw_syscall(__NR_tgkill, getpid(), w.tid, ignored[i]));
			ASSERT_TRUE(wait_until(is_asleep(w.tid) || w.returned));
			EXPECT_RET(1, futex_wake(&word, INT_MAX));
			EXPECT_RET(0, waiter_result(&w));
		}
	}
}

CLAUSE(blocked_signals_do_not_end_a_wait,
       "signal(7) Signal mask and pending signals: a blocked signal stays pending and interrupts nothing",
       .needed_by = "go:futexsleep glibc:pthread_sigmask")
{
	struct kernel_sigset pending = SIGSET_EMPTY;

	ASSERT_OK(raw_sigaction(SIGUSR1, count, 0));
	ASSERT_OK(raw_sigprocmask(SIG_BLOCK, SIGSET(SIGUSR1)));
	for (int timed = 0; timed < 2; timed++) {
		struct waiter w = waiter_on(&word, FUTEX_WAIT_PRIVATE);

		w.timeout = timed ? &an_hour : NULL;
		ASSERT_TRUE(waiter_sleeps(&w));
		ASSERT_OK(raw_syscall(__NR_tgkill, getpid(), w.tid, SIGUSR1));
		ASSERT_OK(raw_syscall(__NR_kill, getpid(), SIGUSR1));
		ASSERT_OK(raw_syscall(__NR_rt_sigpending, &pending, ARCH_SIGSET_BYTES));
		EXPECT_TRUE(sigset_has(pending, SIGUSR1));
		ASSERT_TRUE(wait_until(is_asleep(w.tid) || w.returned));
		EXPECT_RET(1, futex_wake(&word, INT_MAX));
		EXPECT_RET(0, waiter_result(&w));
	}
	EXPECT_EQ(0, handled);
}

CLAUSE(a_signal_pending_before_the_wait_interrupts_it,
       "signal(7) Interruption of system calls: a wait does not begin to sleep while a signal can be delivered",
       .needed_by = "glibc:sem_wait")
{
	long long until = monotonic_ns() + 500000000LL;
	struct waiter w;
	bool slept;

	ASSERT_OK(raw_sigaction(SIGUSR1, count, 0));
	// On a slow machine fewer moments, spread over all.
	for (int i = 0; i < 200 && (i < 40 || monotonic_ns() < until); i++) {
		w = waiter_on(&word, FUTEX_WAIT_PRIVATE);
		ASSERT_TRUE(waiter_start(&w));
		for (int spin = 0; spin < i * 77 % 200 * 20; spin++)
			__asm__ volatile("");
		handled = 0;
		ASSERT_OK(raw_syscall(__NR_tgkill, getpid(), w.tid, SIGUSR1));
		ASSERT_TRUE(wait_until(handled && (w.returned || is_asleep(w.tid))));
		slept = !w.returned;	// the handler ran before the call did
		if (slept)
			EXPECT_RET(1, futex_wake(&word, 1));
		ASSERT_EQ(slept ? 0 : -EINTR, waiter_result(&w));
	}
}

CLAUSE(a_handler_may_wait_too,
       "signal-safety(7), signal(7) Interruption of system calls: a wait in a handler is a wait of its own; the one "
       "that it interrupted is restarted afterwards",
       .needed_by = "go:sigtramp")
{
	struct waiter w;

	ASSERT_OK(raw_sigaction(SIGUSR1, wait_for_another_word, SA_RESTART));
	ASSERT_TRUE(sleeps_on(&w, &word, FUTEX_WAIT_PRIVATE));
	for (int i = 0; i < 5; i++) {
		ASSERT_TRUE(is_interrupted(&w));
		ASSERT_FALSE(w.returned);
	}
	EXPECT_RET(0, futex_wake(&other_word, 1));
	EXPECT_RET(1, futex_wake(&word, 1));
	EXPECT_RET(0, waiter_result(&w));
}

CLAUSE(a_fatal_signal_ends_a_waiting_process,
       "signal(7): the default action of SIGTERM terminates the process, in a wait with or without a timeout as "
       "anywhere",
       .needed_by = "go:dieFromSignal")
{
	static const int fatal[] = { SIGTERM, SIGKILL };

	FOR_EACH(f, fatal)
		for (int timed = 0; timed < 2; timed++) {
			struct waiter *w = shared_memory(sizeof(*w));
			int status;

			*w = waiter_on(&word, FUTEX_WAIT_PRIVATE);
			w->timeout = timed ? &an_hour : NULL;
			ASSERT_TRUE(waiter_sleeps_in_child(w));
			ASSERT_EQ(0, kill(w->tid, fatal[f]));
			ASSERT_EQ(w->tid, waitpid(w->tid, &status, 0));
			EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == fatal[f]);
			EXPECT_EQ(0, w->returned);
		}
}
