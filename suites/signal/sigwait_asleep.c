// SPDX-License-Identifier: GPL-2.0-only
// rt_sigtimedwait(2) asleep: the signal that it waits for is taken, whatever its action would have done.
#include "signals.h"

#define USERS "glibc:sigwait cpython:signal.sigwait jvm:jdk.internal.misc.Signal"

static const struct __kernel_timespec an_hour = { 3600, 0 };

// A child whose main thread waits for one signal that it has blocked; all others are as they were.
struct taker {
	int sig;
	signal_handler *action;
	const struct __kernel_timespec *timeout;
	volatile long result;
	siginfo_t info;
};

static struct taker *taker;

static void is_not_called(int sig, siginfo_t *info, void *ucontext)
{
	raw_syscall(__NR_exit_group, 3);
}

static int take_and_end(void)
{
	struct kernel_sigset set = SIGSET(taker->sig);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (block(taker->sig) || raw_sigaction(taker->sig, taker->action, 0))
		return 1;
	taker->result = raw_syscall(NR_RT_SIGTIMEDWAIT, &set, &taker->info, taker->timeout, ARCH_SIGSET_BYTES);
	// What was taken is not left for the action as well.
	return unblock(taker->sig) ? 2 : 0;
}

// Has a child wait, sends it the signal and returns its raw wait status; -1 if it does not come to wait.
static long taken_by_child(int sig, signal_handler *action, bool timed, bool to_thread)
{
	int pid;

	memset(taker, 0, sizeof(*taker));
	taker->sig = sig;
	taker->action = action;
	taker->timeout = timed ? &an_hour : NULL;
	pid = fork();
	if (pid == 0)
		_exit(take_and_end());
	if (pid < 0 || !wait_until(is_blocked_in(pid, NR_RT_SIGTIMEDWAIT) || task_state(pid) == 'Z'))
		return -1;
	if (to_thread)
		raw_tgkill(pid, pid, sig);
	else
		raw_kill(pid, sig);
	if (!wait_until(task_state(pid) == 'Z'))
		raw_kill(pid, SIGKILL);
	return end_of(pid);
}

// Signals of every kind of default action: ends, dumps core, stops, continues, is ignored.
static const int kinds[] = {
	SIGHUP, SIGINT, SIGTERM, SIGALRM, SIGUSR1, SIGPIPE, SIGQUIT, SIGSEGV, SIGABRT, SIGSYS, SIGTSTP, SIGTTIN, SIGCONT, SIGCHLD,
	SIGURG, SIGWINCH, RT_FIRST, RT_FIRST + 2, SIGNALS,
};

#define EXPECT_TAKEN(action) do {								\
	taker = shared_memory(sizeof(*taker));							\
	FOR_EACH(i, kinds) {									\
		for (int to_thread = 0; to_thread < 2; to_thread++) {				\
			long status_ = taken_by_child(kinds[i], action, i & 1, to_thread);	\
												\
			ASSERT_EQ(0, status_)							\
				TH_LOG("signal %d ended the child with status 0x%lx", kinds[i], status_);	\
			EXPECT_EQ(kinds[i], taker->result)					\
				TH_LOG("of signal %d", kinds[i]);				\
			EXPECT_EQ(kinds[i], taker->info.si_signo);				\
			EXPECT_EQ(to_thread ? SI_TKILL : SI_USER, taker->info.si_code);		\
			EXPECT_EQ(own_pid(), taker->info.si_pid);				\
		}										\
	}											\
} while (0)

CLAUSE(a_waiter_asleep_takes_what_by_default_would_end_or_stop_it,
       "sigtimedwait(2) DESCRIPTION, NOTES, kernel/signal.c complete_signal (5.10, 7.2) real_blocked: a blocked "
       "signal that arrives while its waiter sleeps is returned, and its default action is not taken: nobody is "
       "killed, dumped or stopped",
       .needed_by = USERS)
{
	EXPECT_TAKEN(SIGNAL_DEFAULT);
}

CLAUSE(a_waiter_asleep_takes_what_is_ignored,
       "kernel/signal.c sig_ignored (5.10, 7.2) \"blocked signals are never ignored\": also where the waiter for a "
       "signal sleeps and, to be woken, has it unblocked for that time",
       .needed_by = USERS)
{
	EXPECT_TAKEN(SIGNAL_IGNORE);
}

CLAUSE(a_waiter_asleep_takes_what_has_a_handler,
       "sigtimedwait(2) NOTES: what is waited for is taken and no handler runs for it, be it sent to the waiter or "
       "to its process",
       .needed_by = USERS)
{
	EXPECT_TAKEN(is_not_called);
}
