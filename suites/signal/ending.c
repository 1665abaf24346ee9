// SPDX-License-Identifier: GPL-2.0-only
// Threads that end while they are signalled: each signal is theirs or nobody's.
#include "signals.h"

#define USERS "go:signalM go:preemptM jvm:suspend_resume glibc:pthread_kill"

// So many signals a thread, so that no storm of them keeps it from its end; then it is only asked for.
enum { ROUNDS = 200, SIGNALS_EACH = 20, LOSSES = 15 };

static volatile int target, handled, elsewhere, bystander_stops;

static void look(int sig, siginfo_t *info, void *ucontext)
{
	if (own_tid() == target)
		handled++;
	else
		elsewhere++;
}

// Ends at another moment each time, so that the signal meets every part of the end.
static int ends_soon(void *turns)
{
	target = own_tid();
	for (volatile long i = 0; i < (long)turns; i++)
		;
	return 0;
}

static int stands_by(void *unused)
{
	while (!bystander_stops)
		raw_syscall(__NR_sched_yield);
	return 0;
}

CLAUSE(a_signal_to_a_thread_that_is_ending_is_handled_there_or_not_at_all,
       "tgkill(2) ERRORS ESRCH: while a thread ends, a signal to it is taken or is ESRCH, and ESRCH from then on; nobody else handles"
       " it, and the process lives on [KIL-5] [KIL-7]", .needed_by = USERS)
{
	struct thread bystander;
	long sent = 0;

	ASSERT_OK(raw_sigaction(SIGUSR1, look, SA_RESTART));
	ASSERT_OK(thread_start(&bystander, stands_by, NULL));
	for (long round = 0; round < ROUNDS; round++) {
		struct thread t;
		long result, tid;
		int before, sends = 0;

		target = 0;
		ASSERT_OK(tid = thread_start(&t, ends_soon, (void *)(round * 20)));
		ASSERT_TRUE(wait_until(target == tid));
		before = handled;
		while ((result = raw_tgkill(own_pid(), tid, sends++ < SIGNALS_EACH ? SIGUSR1 : 0)) == 0)
			sent += sends <= SIGNALS_EACH;
		ASSERT_RET(-ESRCH, result);
		ASSERT_TRUE(thread_join(&t));
		ASSERT_ERR(ESRCH, raw_tgkill(own_pid(), tid, SIGUSR1));
		ASSERT_LE(before, handled);
	}
	EXPECT_EQ(0, elsewhere);
	EXPECT_LE(handled, sent);
	bystander_stops = 1;
	ASSERT_TRUE(thread_join(&bystander));
}

// Two threads that may handle the signal, the first of which is told to end; the caller may not.
static int one_goes;
static volatile int one_ends;

static void count(int sig, siginfo_t *info, void *ucontext)
{
	__atomic_fetch_add(&handled, 1, __ATOMIC_SEQ_CST);
}

static int ends_when_told(void *unused)
{
	unblock(SIGUSR1);
	one_ends = 0;
	while (!__atomic_load_n(&one_goes, __ATOMIC_SEQ_CST))
		raw_syscall(NR_FUTEX, &one_goes, FUTEX_WAIT_PRIVATE, 0, NULL);
	one_ends = 1;
	return 0;
}

CLAUSE(a_signal_to_the_process_is_not_lost_with_a_thread_that_is_ending,
       "signal(7): a signal for the process may be handled by any thread that does not block it: one that was "
       "chosen and ends before it did so leaves it to another, which is woken", .needed_by = USERS)
{
	struct mate sleeper;

	ASSERT_OK(raw_sigaction(SIGUSR1, count, SA_RESTART));
	ASSERT_OK(block(SIGUSR1));
	handled = 0;
	for (int round = 0; round < LOSSES; round++) {
		struct thread t;

		// The one that ends is the elder: the kernel asks the threads in the order of their age.
		one_goes = 0;
		one_ends = -1;
		ASSERT_OK(thread_start(&t, ends_when_told, NULL));
		ASSERT_TRUE(wait_until(one_ends == 0));
		ASSERT_TRUE(mate_sleeps(&sleeper, SIGSET_EMPTY));
		__atomic_store_n(&one_goes, 1, __ATOMIC_SEQ_CST);
		raw_syscall(NR_FUTEX, &one_goes, FUTEX_WAKE_PRIVATE, 1);
		ASSERT_TRUE(wait_until(one_ends));
		for (volatile int i = 0; i < round * 200; i++)
			;
		ASSERT_RET(0, raw_kill(own_pid(), SIGUSR1));
		ASSERT_TRUE(wait_until(handled == round + 1))
			TH_LOG("in round %d", round);
		ASSERT_TRUE(thread_join(&t));
		ASSERT_TRUE(mate_ends(&sleeper));
	}
}
