// SPDX-License-Identifier: GPL-2.0-only
// rt_sigpending(2), and which signals wait while they are blocked.
#include "signals.h"

#define USERS "glibc:sigpending musl:sigpending jvm:os_linux"

static unsigned long long pending_in(int tid, const char *name)
{
	char path[64], text[4096], *line;

	snprintf(path, sizeof(path), "/proc/self/task/%d/status", tid);
	if (read_text(path, text, sizeof(text)) <= 0)
		return ~0ULL;
	line = strstr(text, name);
	return line ? strtoull(line + strlen(name), NULL, 16) : ~0ULL;
}

CLAUSE(a_blocked_signal_is_pending_until_it_is_delivered,
       "sigpending(2): the set of signals that were raised while blocked; each that is delivered is no longer in it, "
       "and no other",
       .needed_by = USERS)
{
	struct kernel_sigset wanted = blockable();

	ASSERT_RET(0, set_mask(SIGSET_FULL));
	EXPECT_TRUE(same_set(SIGSET_EMPTY, pending_now()));
	for (int sig = SIGNALS; sig >= 1; sig--) {
		struct kernel_sigset before = pending_now();

		// A stop signal takes away SIGCONT, and the other way round: they have a clause of their own.
		if (!CATCHABLE(sig) || sig == SIGCONT || sig == SIGTSTP || sig == SIGTTIN || sig == SIGTTOU) {
			wanted = sigset_without(wanted, sig);
			continue;
		}
		ASSERT_RET(0, raw_sigaction(sig, note, 0));
		ASSERT_RET(0, send_myself(sig % WAYS, sig));
		ASSERT_TRUE(same_set(sigset_with(before, sig), pending_now()))
			TH_LOG("signal %d", sig);
	}
	EXPECT_TRUE(same_set(wanted, pending_now()));
	FOR_EACH_SIGNAL(sig) {
		wanted = sigset_without(wanted, sig);
		ASSERT_RET(0, unblock(sig));
		ASSERT_TRUE(same_set(wanted, pending_now()))
			TH_LOG("signal %d", sig);
	}
}

CLAUSE(the_threads_signals_and_its_processs_are_both_pending,
       "sigpending(2) NOTES: the set of a thread is the union of the signals pending for it and for its process",
       .needed_by = USERS)
{
	ASSERT_RET(0, set_mask(SIGSET_FULL));
	ASSERT_RET(0, raw_kill(own_pid(), SIGUSR1));
	EXPECT_TRUE(same_set(SIGSET(SIGUSR1), pending_now()));
	ASSERT_RET(0, raw_tgkill(own_pid(), own_tid(), SIGUSR2));
	EXPECT_TRUE(same_set(sigset_with(SIGSET(SIGUSR1), SIGUSR2), pending_now()));
	ASSERT_RET(0, queue_value(own_pid(), 40, 1));
	ASSERT_RET(0, queue_value_to(own_tid(), 41, 1));
	EXPECT_TRUE(same_set(sigset_with(sigset_with(sigset_with(SIGSET(SIGUSR1), SIGUSR2), 40), 41), pending_now()));
}

static struct kernel_sigset seen_by_mate;

static int looks(void *unused)
{
	seen_by_mate = pending_now();
	return 0;
}

CLAUSE(a_thread_sees_what_is_pending_for_its_process_and_not_for_others,
       "sigpending(2) NOTES, signal(7): signals sent to another thread are pending for that one alone, signals sent to "
       "the process for all of them",
       .needed_by = USERS)
{
	struct mate mate;
	struct thread t;

	ASSERT_RET(0, set_mask(SIGSET_FULL));
	ASSERT_TRUE(mate_sleeps(&mate, SIGSET_FULL));
	ASSERT_RET(0, raw_tgkill(own_pid(), mate.tid, SIGUSR1));
	ASSERT_RET(0, queue_value_to(mate.tid, 40, 1));
	EXPECT_TRUE(same_set(SIGSET_EMPTY, pending_now()));
	ASSERT_RET(0, raw_kill(own_pid(), SIGUSR2));
	ASSERT_RET(0, raw_tgkill(own_pid(), own_tid(), SIGHUP));
	EXPECT_TRUE(same_set(sigset_with(SIGSET(SIGUSR2), SIGHUP), pending_now()));
	ASSERT_OK(thread_start(&t, looks, NULL));
	ASSERT_TRUE(thread_join(&t));
	EXPECT_TRUE(same_set(SIGSET(SIGUSR2), seen_by_mate));
	EXPECT_TRUE(mate_ends(&mate));
}

CLAUSE(proc_status_tells_what_is_pending_for_thread_and_process,
       "proc_pid_status(5) SigPnd, ShdPnd: signals pending for the thread, and for the process as a whole",
       .needs = "file=/proc/self/status", .needed_by = "musl:__synccall criu:sigqueue")
{
	struct mate mate;

	ASSERT_RET(0, set_mask(SIGSET_FULL));
	ASSERT_TRUE(mate_sleeps(&mate, SIGSET_FULL));
	ASSERT_RET(0, raw_tgkill(own_pid(), mate.tid, SIGUSR1));
	ASSERT_RET(0, raw_tgkill(own_pid(), own_tid(), 64));
	ASSERT_RET(0, raw_kill(own_pid(), SIGUSR2));
	EXPECT_EQ(1ULL << (SIGUSR1 - 1), pending_in(mate.tid, "SigPnd:"));
	EXPECT_EQ(1ULL << 63, pending_in(own_tid(), "SigPnd:"));
	EXPECT_EQ(1ULL << (SIGUSR2 - 1), pending_in(own_tid(), "ShdPnd:"));
	EXPECT_EQ(1ULL << (SIGUSR2 - 1), pending_in(mate.tid, "ShdPnd:"));
	EXPECT_TRUE(mate_ends(&mate));
}

// What ignores the signal: its default, if that does.
static signal_handler *ignoring(int sig)
{
	bool by_default = sig == SIGCHLD || sig == SIGURG || sig == SIGWINCH || sig == SIGCONT;

	return by_default ? SIGNAL_DEFAULT : SIGNAL_IGNORE;
}

CLAUSE(a_blocked_signal_is_pending_even_if_it_is_ignored,
       "kernel/signal.c sig_ignored (5.10, 7.2), sigwait(3): a blocked signal is never dropped, since its action may "
       "change before it is unblocked: ignored by SIG_IGN or by default, it is pending, however it was sent",
       .needed_by = "glibc:sigwait jvm:os_linux go:signal_ignored")
{
	ASSERT_RET(0, set_mask(SIGSET_FULL));
	FOR_EACH_SIGNAL(sig)
		for (enum way way = 0; way < WAYS; way++) {
			ASSERT_RET(0, raw_sigaction(sig, way % 2 ? ignoring(sig) : SIGNAL_IGNORE, 0));
			ASSERT_FALSE(is_pending(sig));
			ASSERT_RET(0, send_myself(way, sig));
			ASSERT_TRUE(is_pending(sig))
				TH_LOG("signal %d, way %d", sig, way);
			ASSERT_RET(0, raw_sigaction(sig, SIGNAL_IGNORE, 0));
		}
}

CLAUSE(an_ignored_signal_that_got_a_handler_while_blocked_is_handled,
       "kernel/signal.c sig_ignored (5.10, 7.2): of a signal that was ignored when it was sent and blocked, the "
       "handler set meanwhile is run when it is unblocked",
       .needed_by = "glibc:sigwait")
{
	FOR_EACH_SIGNAL(sig) {
		forget_arrivals();
		ASSERT_RET(0, raw_sigaction(sig, ignoring(sig), 0));
		ASSERT_RET(0, block(sig));
		ASSERT_RET(0, send_myself(sig % WAYS, sig));
		ASSERT_RET(0, catch_signal(sig));
		ASSERT_EQ(0, arrivals);
		ASSERT_RET(0, unblock(sig));
		ASSERT_EQ(1, arrivals)
			TH_LOG("signal %d", sig);
		ASSERT_EQ(sig, arrival[0].sig);
	}
}

CLAUSE(an_ignored_signal_is_gone_once_it_is_unblocked,
       "signal(7) Signal dispositions: a signal that is still ignored when it is unblocked has no effect, and is not "
       "pending any more",
       .needed_by = USERS)
{
	FOR_EACH_SIGNAL(sig) {
		ASSERT_RET(0, raw_sigaction(sig, SIGNAL_IGNORE, 0));
		ASSERT_RET(0, block(sig));
		ASSERT_RET(0, send_myself(sig % WAYS, sig));
		ASSERT_RET(0, unblock(sig));
		ASSERT_RET(0, block(sig));
		ASSERT_FALSE(is_pending(sig));
		ASSERT_RET(0, catch_signal(sig));
		ASSERT_RET(0, unblock(sig));
		ASSERT_EQ(0, arrivals)
			TH_LOG("signal %d", sig);
	}
}

CLAUSE(an_ignored_signal_that_is_not_blocked_does_not_wait,
       "signal(7) Signal dispositions: a signal that is ignored and not blocked is dropped: blocking it, or giving it "
       "a handler, afterwards does not bring it back",
       .needed_by = USERS)
{
	FOR_EACH_SIGNAL(sig)
		for (enum way way = 0; way < WAYS; way++) {
			ASSERT_RET(0, raw_sigaction(sig, ignoring(sig), 0));
			ASSERT_RET(0, send_myself(way, sig));
			ASSERT_RET(0, block(sig));
			ASSERT_FALSE(is_pending(sig));
			ASSERT_RET(0, catch_signal(sig));
			ASSERT_RET(0, unblock(sig));
			ASSERT_EQ(0, arrivals)
				TH_LOG("signal %d, way %d", sig, way);
		}
}

CLAUSE(a_taken_signal_is_no_longer_pending,
       "sigwaitinfo(2): it removes the signal from the set of pending signals, and that one alone",
       .needed_by = "glibc:sigwait")
{
	struct kernel_sigset set = SIGSET(SIGUSR1);
	struct __kernel_timespec at_once = { 0, 0 };

	ASSERT_RET(0, set_mask(SIGSET_FULL));
	ASSERT_RET(0, raw_kill(own_pid(), SIGUSR1));
	ASSERT_RET(0, raw_kill(own_pid(), SIGUSR2));
	ASSERT_RET(SIGUSR1, raw_syscall(NR_RT_SIGTIMEDWAIT, &set, NULL, &at_once, ARCH_SIGSET_BYTES));
	EXPECT_TRUE(same_set(SIGSET(SIGUSR2), pending_now()));
}

CLAUSE(a_longer_set_is_einval_and_a_shorter_one_gets_so_many_bytes,
       "kernel/signal.c rt_sigpending (5.10, 7.2): a size beyond the kernel's set is EINVAL; of a smaller size just so "
       "many bytes are written",
       .needed_by = USERS)
{
	static const unsigned long longer[] = { ARCH_SIGSET_BYTES + 1, ARCH_SIGSET_BYTES + 8, 128, 0xffffffff, -1UL };
	unsigned char *set = guarded(ARCH_SIGSET_BYTES);

	ASSERT_RET(0, set_mask(SIGSET_FULL));
	FOR_EACH(i, longer)
		ASSERT_ERR(EINVAL, raw_syscall(__NR_rt_sigpending, set, longer[i]));
	EXPECT_UNTOUCHED(set, 0, ARCH_SIGSET_BYTES);
	for (unsigned int size = 0; size <= ARCH_SIGSET_BYTES; size++) {
		memset(set, GUARD_BYTE, ARCH_SIGSET_BYTES);
		ASSERT_RET(0, raw_syscall(__NR_rt_sigpending, set, size));
		for (unsigned int i = 0; i < size; i++)
			ASSERT_EQ(0, set[i]);
		EXPECT_UNTOUCHED(set, size, ARCH_SIGSET_BYTES);
	}
	EXPECT_INTACT(set);
}

CLAUSE(a_set_that_cannot_be_written_is_efault,
       "sigpending(2) ERRORS EFAULT: set points to memory that is not a valid part of the address space",
       .needed_by = USERS)
{
	void *bad[] = { NULL, forbidden_page(), unmapped_page(), (void *)8, (void *)-64L };

	FOR_EACH(i, bad)
		ASSERT_ERR(EFAULT, raw_syscall(__NR_rt_sigpending, bad[i], ARCH_SIGSET_BYTES));
}
