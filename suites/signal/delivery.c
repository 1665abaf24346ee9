// SPDX-License-Identifier: GPL-2.0-only
// Delivery of signals to handlers: when, in which order, with what blocked, and what is as before afterwards.
#include "signals.h"

#define USERS "go:sigtramp go:setsig glibc:sigaction jvm:signalHandler"

// The signals that an instruction can raise go first, whoever sent them.
static bool is_synchronous(int sig)
{
	return sig == SIGSEGV || sig == SIGBUS || sig == SIGILL || sig == SIGTRAP || sig == SIGFPE || sig == SIGSYS;
}

CLAUSE(a_signal_to_oneself_is_handled_before_the_call_returns,
       "kill(2) NOTES, raise(3): a signal that its sender does not block is delivered to it before the call returns "
       "[KIL-1]",
       .needed_by = "go:raise go:raiseproc glibc:raise")
{
	FOR_EACH_SIGNAL(sig)
		for (enum way way = 0; way < WAYS; way++) {
			forget_arrivals();
			ASSERT_RET(0, catch_signal(sig));
			ASSERT_RET(0, send_myself(way, sig));
			ASSERT_EQ(1, arrivals)
				TH_LOG("signal %d, way %d", sig, way);
			ASSERT_EQ(sig, arrival[0].sig);
			ASSERT_EQ(sig, arrival[0].signo);
			ASSERT_EQ(own_tid(), arrival[0].tid);
		}
}

CLAUSE(unblocking_delivers_before_the_call_returns,
       "sigprocmask(2), POSIX: pending signals that the call unblocks are delivered before it returns: all of a "
       "thread's own, whichever way they are unblocked [MSK-4]",
       .needed_by = "go:rtsigprocmask glibc:pthread_sigmask")
{
	for (int how = 0; how < 2; how++) {
		ASSERT_RET(0, set_mask(SIGSET_FULL));
		forget_arrivals();
		for (int i = 0; i < 20; i++) {
			ASSERT_RET(0, catch_signal(40 + i));
			ASSERT_RET(0, send_myself(i % WAYS, 40 + i));
		}
		ASSERT_RET(0, catch_signal(SIGUSR1));
		ASSERT_RET(0, send_myself(KILL, SIGUSR1));
		ASSERT_EQ(0, arrivals);
		ASSERT_RET(0, how ? set_mask(SIGSET_EMPTY) : raw_sigprocmask(SIG_UNBLOCK, SIGSET_FULL));
		ASSERT_EQ(21, arrivals);
	}
}

CLAUSE(unblocking_one_signal_delivers_that_one_alone,
       "sigprocmask(2): what stays blocked stays pending",
       .needed_by = USERS)
{
	ASSERT_RET(0, set_mask(SIGSET_FULL));
	FOR_EACH_SIGNAL(sig) {
		ASSERT_RET(0, raw_sigaction(sig, note, 0));
		if (sig != SIGCONT)	// which takes away the stop signals
			ASSERT_RET(0, send_myself(sig % WAYS, sig));
	}
	FOR_EACH_SIGNAL(sig) {
		if (sig == SIGCONT)
			continue;
		forget_arrivals();
		ASSERT_RET(0, unblock(sig));
		ASSERT_EQ(1, arrivals);
		ASSERT_EQ(sig, arrival[0].sig);
		ASSERT_RET(0, block(sig));
	}
}

CLAUSE(standard_signals_are_delivered_synchronous_ones_first_then_lowest_first,
       "kernel/signal.c next_signal (5.10, 7.2): of pending signals SIGILL, SIGTRAP, SIGBUS, SIGFPE, SIGSEGV and "
       "SIGSYS go first, then the lowest number; realtime signals follow the standard ones",
       .needed_by = USERS)
{
	int wanted[SIGNALS], n = 0;

	for (int sig = 1; sig <= SIGNALS; sig++)
		if (is_synchronous(sig))
			wanted[n++] = sig;
	FOR_EACH_SIGNAL(sig)
		if (!is_synchronous(sig) && sig != SIGCONT)
			wanted[n++] = sig;
	for (enum way way = 0; way < WAYS; way++) {
		forget_arrivals();
		ASSERT_RET(0, set_mask(SIGSET_FULL));
		for (int sig = SIGNALS; sig >= 1; sig--)
			if (CATCHABLE(sig) && sig != SIGCONT) {
				ASSERT_RET(0, catch_signal(sig));
				ASSERT_RET(0, send_myself(way, sig));
			}
		ASSERT_RET(0, set_mask(SIGSET_EMPTY));
		ASSERT_EQ(n, arrivals);
		for (int i = 0; i < n; i++)
			ASSERT_EQ(wanted[i], arrival[i].sig);
	}
}

CLAUSE(a_handler_runs_with_its_mask_and_its_signal_blocked_as_well,
       "sigaction(2) sa_mask: signals of sa_mask, the signal itself, and what was blocked before are blocked while the "
       "handler runs, and nothing else [SIG-6] [incident 13] [incident 14]",
       .needed_by = USERS)
{
	struct kernel_sigset before = sigset_with(SIGSET(SIGHUP), 50);

	ASSERT_RET(0, set_mask(before));
	FOR_EACH_SIGNAL(sig)
		for (int other = 1; other <= SIGNALS; other += 7) {
			struct kernel_sigset wanted = sigset_with(before, sig);

			if (sigset_has(before, sig))
				continue;
			forget_arrivals();
			if (CATCHABLE(other))
				wanted = sigset_with(wanted, other);
			ASSERT_RET(0, raw_sigaction_masked(sig, note, 0, SIGSET(other)));
			ASSERT_RET(0, send_myself(TGKILL, sig));
			ASSERT_EQ(1, arrivals);
			ASSERT_TRUE(same_set(wanted, arrival[0].mask))
				TH_LOG("signal %d with %d", sig, other);
			ASSERT_TRUE(same_set(before, mask_now()));
		}
	ASSERT_RET(0, set_mask(SIGSET_EMPTY));
	forget_arrivals();
	ASSERT_RET(0, raw_sigaction_masked(SIGUSR1, note, 0, SIGSET_FULL));
	ASSERT_RET(0, send_myself(KILL, SIGUSR1));
	EXPECT_TRUE(same_set(blockable(), arrival[0].mask));
	EXPECT_TRUE(same_set(SIGSET_EMPTY, mask_now()));
}

CLAUSE(with_sa_nodefer_the_signal_itself_is_not_blocked,
       "sigaction(2) SA_NODEFER: the signal is not added to the mask while its handler runs, unless sa_mask has it",
       .needed_by = USERS)
{
	FOR_EACH_SIGNAL(sig) {
		forget_arrivals();
		ASSERT_RET(0, raw_sigaction_masked(sig, note, SA_NODEFER, SIGSET(SIGHUP)));
		ASSERT_RET(0, send_myself(KILL, sig));
		ASSERT_RET(0, raw_sigaction_masked(sig, note, SA_NODEFER, SIGSET(sig)));
		ASSERT_RET(0, send_myself(KILL, sig));
		ASSERT_EQ(2, arrivals);
		ASSERT_TRUE(same_set(SIGSET(SIGHUP), arrival[0].mask));
		ASSERT_TRUE(same_set(SIGSET(sig), arrival[1].mask));
	}
}

static volatile int depth, deepest, calls;

// Sends itself its own signal twice from within, and notes how deep that led.
static void recurse(int sig, siginfo_t *info, void *ucontext)
{
	if (++depth > deepest)
		deepest = depth;
	if (++calls < 3)
		send_myself(TGKILL, sig);
	depth--;
}

CLAUSE(a_handler_is_interrupted_by_its_own_signal_only_with_sa_nodefer,
       "sigaction(2) SA_NODEFER, sa_mask: a signal sent in its own handler waits for the handler's return, and with "
       "SA_NODEFER does not",
       .needed_by = USERS)
{
	ASSERT_RET(0, raw_sigaction(SIGUSR1, recurse, 0));
	ASSERT_RET(0, send_myself(TGKILL, SIGUSR1));
	EXPECT_EQ(3, calls);
	EXPECT_EQ(1, deepest);
	calls = deepest = 0;
	ASSERT_RET(0, raw_sigaction(SIGUSR1, recurse, SA_NODEFER));
	ASSERT_RET(0, send_myself(TGKILL, SIGUSR1));
	EXPECT_EQ(3, calls);
	EXPECT_EQ(3, deepest);
}

#define RESETHAND ((unsigned int)SA_RESETHAND)

static struct kernel_sigaction action_inside;

static void looks_at_its_action(int sig, siginfo_t *info, void *ucontext)
{
	raw_rt_sigaction(sig, NULL, &action_inside);
	note(sig, info, ucontext);
}

CLAUSE(with_sa_resethand_the_action_is_the_default_once_the_handler_runs,
       "sigaction(2) SA_RESETHAND: the action is restored to the default upon entry to the handler, and nothing else "
       "of it; the signal is blocked meanwhile as ever",
       .needed_by = USERS)
{
	FOR_EACH_SIGNAL(sig) {
		struct kernel_sigaction after;

		forget_arrivals();
		ASSERT_RET(0, raw_sigaction_masked(sig, looks_at_its_action, RESETHAND, SIGSET(SIGHUP)));
		ASSERT_RET(0, send_myself(KILL, sig));
		ASSERT_EQ(1, arrivals);
		ASSERT_EQ(SIGNAL_DEFAULT, action_inside.handler);
		ASSERT_TRUE(same_set(sigset_with(SIGSET(SIGHUP), sig), arrival[0].mask));
		ASSERT_RET(0, raw_rt_sigaction(sig, NULL, &after));
		ASSERT_EQ(SIGNAL_DEFAULT, after.handler);
		ASSERT_NE(0, after.flags & RESETHAND);
	}
}

CLAUSE(without_sa_resethand_the_handler_stays,
       "signal(7), sigaction(2): a handler stays installed: it runs for each of many signals",
       .needed_by = USERS)
{
	ASSERT_RET(0, raw_sigaction(SIGUSR1, looks_at_its_action, 0));
	for (int i = 0; i < 300; i++) {
		ASSERT_RET(0, send_myself(i % WAYS, SIGUSR1));
		ASSERT_EQ(i + 1, arrivals);
		ASSERT_TRUE(action_inside.handler == looks_at_its_action);
	}
}

static volatile bool handler_returned;
static volatile int inner_seen;

static void sends_another(int sig, siginfo_t *info, void *ucontext)
{
	send_myself(TGKILL, SIGUSR2);
	inner_seen = arrivals;
	handler_returned = true;
}

CLAUSE(a_handler_is_interrupted_by_signals_that_its_mask_lacks,
       "sigaction(2) sa_mask: a signal that is not blocked while a handler runs interrupts it; one that is comes after "
       "its return [SIG-6]",
       .needed_by = USERS)
{
	ASSERT_RET(0, catch_signal(SIGUSR2));
	ASSERT_RET(0, raw_sigaction(SIGUSR1, sends_another, 0));
	ASSERT_RET(0, send_myself(KILL, SIGUSR1));
	EXPECT_EQ(1, inner_seen);
	EXPECT_EQ(1, arrivals);
	EXPECT_TRUE(handler_returned);
	forget_arrivals();
	ASSERT_RET(0, raw_sigaction_masked(SIGUSR1, sends_another, 0, SIGSET(SIGUSR2)));
	ASSERT_RET(0, send_myself(KILL, SIGUSR1));
	EXPECT_EQ(0, inner_seen);
	EXPECT_EQ(1, arrivals);
}

static struct kernel_sigset mask_before_inner, mask_after_inner;

static void looks_around_another(int sig, siginfo_t *info, void *ucontext)
{
	mask_before_inner = mask_now();
	send_myself(TGKILL, SIGUSR2);
	mask_after_inner = mask_now();
}

CLAUSE(an_interrupted_handler_goes_on_with_its_own_mask,
       "sigaction(2) sa_mask, signal(7) Execution of signal handlers: masks of nested handlers add up, and the "
       "return of the inner one restores that of the outer one [SIG-6]",
       .needed_by = USERS)
{
	struct kernel_sigset outer = sigset_with(SIGSET(SIGUSR1), 40);

	ASSERT_RET(0, raw_sigaction_masked(SIGUSR1, looks_around_another, 0, SIGSET(40)));
	ASSERT_RET(0, raw_sigaction_masked(SIGUSR2, note, 0, SIGSET(50)));
	ASSERT_RET(0, send_myself(KILL, SIGUSR1));
	EXPECT_TRUE(same_set(outer, mask_before_inner));
	ASSERT_EQ(1, arrivals);
	EXPECT_TRUE(same_set(sigset_with(sigset_with(outer, SIGUSR2), 50), arrival[0].mask));
	EXPECT_TRUE(same_set(outer, mask_after_inner));
	EXPECT_TRUE(same_set(SIGSET_EMPTY, mask_now()));
}

static void unblocks_itself(int sig, siginfo_t *info, void *ucontext)
{
	if (++depth > deepest)
		deepest = depth;
	if (++calls < 3) {
		send_myself(TGKILL, sig);
		unblock(sig);
	}
	depth--;
}

CLAUSE(a_handler_may_unblock_its_own_signal,
       "sigprocmask(2), sigaction(2): a handler that unblocks its signal is interrupted by the one that waits, "
       "before the call returns [MSK-4]",
       .needed_by = "go:sigpanic glibc:pthread_sigmask ocaml:signals")
{
	ASSERT_RET(0, raw_sigaction(SIGUSR1, unblocks_itself, 0));
	ASSERT_RET(0, send_myself(KILL, SIGUSR1));
	EXPECT_EQ(3, calls);
	EXPECT_EQ(3, deepest);
	EXPECT_TRUE(same_set(SIGSET_EMPTY, mask_now()));
}

static void blocks_more(int sig, siginfo_t *info, void *ucontext)
{
	raw_sigprocmask(SIG_SETMASK, sigset_with(SIGSET(SIGTERM), 60));
	note(sig, info, ucontext);
}

CLAUSE(what_a_handler_changes_of_the_mask_ends_with_it,
       "signal(7) Execution of signal handlers: on return the mask is that of the interrupted code, whatever the "
       "handler set [SRT-3]",
       .needed_by = USERS)
{
	struct kernel_sigset before = sigset_with(SIGSET(SIGHUP), 40);

	ASSERT_RET(0, set_mask(before));
	ASSERT_RET(0, raw_sigaction(SIGUSR1, blocks_more, 0));
	ASSERT_RET(0, send_myself(KILL, SIGUSR1));
	ASSERT_EQ(1, arrivals);
	EXPECT_TRUE(same_set(sigset_with(SIGSET(SIGTERM), 60), arrival[0].mask));
	EXPECT_TRUE(same_set(before, mask_now()));
}

static struct kernel_sigset context_mask, wanted_mask;

static void rewrites_the_mask(int sig, siginfo_t *info, void *ucontext)
{
	sigset_t *mask = &((ucontext_t *)ucontext)->uc_sigmask;

	memcpy(&context_mask, mask, sizeof(context_mask));
	memcpy(mask, &wanted_mask, sizeof(wanted_mask));
}

CLAUSE(the_context_holds_the_mask_to_return_to,
       "sigreturn(2), getcontext(3) uc_sigmask: a handler finds there the mask of the interrupted code; what it writes "
       "becomes the mask, but for SIGKILL and SIGSTOP [SRT-4]",
       .needed_by = "go:sighandler jvm:signalHandler")
{
	struct kernel_sigset before = sigset_with(SIGSET(SIGHUP), 40);

	ASSERT_RET(0, set_mask(before));
	ASSERT_RET(0, raw_sigaction_masked(SIGUSR1, rewrites_the_mask, 0, SIGSET(SIGTERM)));
	wanted_mask = sigset_with(SIGSET(SIGINT), 64);
	ASSERT_RET(0, send_myself(KILL, SIGUSR1));
	EXPECT_TRUE(same_set(before, context_mask));
	EXPECT_TRUE(same_set(wanted_mask, mask_now()));
	ASSERT_RET(0, set_mask(before));
	wanted_mask = SIGSET_FULL;
	ASSERT_RET(0, send_myself(KILL, SIGUSR1));
	EXPECT_TRUE(same_set(blockable(), mask_now()));
}

CLAUSE(the_action_at_delivery_counts_and_not_that_at_sending,
       "signal(7) Signal dispositions: a signal that was pending runs the handler, with the mask and flags, that is "
       "set when it is delivered",
       .needed_by = USERS)
{
	ASSERT_RET(0, raw_sigaction(SIGUSR1, sends_another, SA_NODEFER));
	ASSERT_RET(0, block(SIGUSR1));
	ASSERT_RET(0, send_myself(KILL, SIGUSR1));
	ASSERT_RET(0, raw_sigaction_masked(SIGUSR1, note, 0, SIGSET(SIGHUP)));
	ASSERT_RET(0, unblock(SIGUSR1));
	EXPECT_FALSE(handler_returned);
	ASSERT_EQ(1, arrivals);
	EXPECT_TRUE(same_set(sigset_with(SIGSET(SIGHUP), SIGUSR1), arrival[0].mask));
}

static volatile int spinning, seen_in_loop;

static int signals_the_spinner(void *tid)
{
	if (!wait_until(spinning))
		return 1;
	raw_tgkill(own_pid(), (long)tid, SIGUSR1);
	return 0;
}

CLAUSE(a_thread_that_makes_no_system_call_is_interrupted,
       "signal(7) Execution of signal handlers: the kernel delivers on any return to user mode: code that loops "
       "without a system call is interrupted too [KIL-7] [KIL-8]",
       .needed_by = "go:signalM go:preemptM jvm:SuspendResume dotnet:PAL")
{
	struct thread t;

	ASSERT_RET(0, catch_signal(SIGUSR1));
	for (int i = 0; i < 20; i++) {
		forget_arrivals();
		spinning = 0;
		ASSERT_OK(thread_start(&t, signals_the_spinner, (void *)(long)own_tid()));
		spinning = 1;
		while (!arrivals)	// the clause's own limit ends it otherwise
			arch_pause();
		ASSERT_TRUE(thread_join(&t));
		ASSERT_EQ(1, arrivals);
	}
}
