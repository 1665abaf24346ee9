// SPDX-License-Identifier: GPL-2.0-only
// Threads that end while they are signalled: each signal is theirs or nobody's.
#include "signals.h"

#define USERS "go:signalM go:preemptM jvm:suspend_resume glibc:pthread_kill"

// So many signals a thread, so that no storm of them keeps it from its end; then it is only asked for.
enum { ROUNDS = 200, SIGNALS_EACH = 20 };

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
