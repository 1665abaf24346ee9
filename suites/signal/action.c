// SPDX-License-Identifier: GPL-2.0-only
// rt_sigaction(2): what it takes and gives back, what it refuses, and the pending signals that it discards.
#include "signals.h"

#define USERS "go:setsig go:sysSigaction glibc:sigaction musl:sigaction"

static void other_handler(int sig, siginfo_t *info, void *ucontext)
{
}

static bool same_action(const struct kernel_sigaction *a, const struct kernel_sigaction *b)
{
#ifdef ARCH_SA_RESTORER
	if (a->restorer != b->restorer)
		return false;
#endif
	return a->handler == b->handler && a->flags == b->flags && same_set(a->mask, b->mask);
}

static struct kernel_sigaction action_now(int sig)
{
	struct kernel_sigaction action;

	memset(&action, 0x77, sizeof(action));
	raw_rt_sigaction(sig, NULL, &action);
	return action;
}

// An action that no other signal has: handler, flags and mask depend on the number.
static struct kernel_sigaction own_action_of(int sig)
{
	struct kernel_sigset mask = sigset_with(SIGSET(sig == 5 ? 6 : 5), sig % 2 ? SIGNALS : SIGNALS - 1);

	for (int bit = 0; bit < 6; bit++)
		if (sig >> bit & 1)
			mask = sigset_with(mask, 20 + bit);
	mask = sigset_without(sigset_without(mask, SIGKILL), SIGSTOP);
	return sigaction_of(sig % 3 ? note : other_handler, sig % 4 ? SA_RESTART : SA_ONSTACK, mask);
}

CLAUSE(every_signal_has_an_action_of_its_own,
       "sigaction(2): each signal but SIGKILL and SIGSTOP takes a handler with flags and mask, and keeps them whatever "
       "the others get, 32 and 33 included [SIG-8] [SIG-13] [incident 16] [SIG-1]",
       .needed_by = USERS)
{
	FOR_EACH_SIGNAL(sig) {
		struct kernel_sigaction wanted = own_action_of(sig);

		ASSERT_RET(0, raw_rt_sigaction(sig, &wanted, NULL));
	}
	FOR_EACH_SIGNAL(sig) {
		struct kernel_sigaction wanted = own_action_of(sig), seen = action_now(sig);

		ASSERT_TRUE(same_action(&wanted, &seen))
			TH_LOG("signal %d", sig);
	}
}

CLAUSE(each_flag_reads_back_as_it_was_set,
       "sigaction(2) oldact: the previous action is returned with the flags that it was set with, alone and together "
       "[SIG-9]",
       .needed_by = USERS)
{
	static const unsigned long flags[] = {
		0, SA_NOCLDSTOP, SA_NOCLDWAIT, SA_ONSTACK, SA_RESTART, SA_NODEFER, SA_RESETHAND,
		SA_NOCLDSTOP | SA_NOCLDWAIT | SA_ONSTACK | SA_RESTART | SA_NODEFER | (unsigned int)SA_RESETHAND,
	};

	FOR_EACH_SIGNAL(sig)
		FOR_EACH(f, flags) {
			struct kernel_sigaction wanted = sigaction_of(note, flags[f], SIGSET_EMPTY), seen;

			ASSERT_RET(0, raw_rt_sigaction(sig, &wanted, NULL));
			seen = action_now(sig);
			ASSERT_EQ(wanted.flags, seen.flags);
		}
}

CLAUSE(each_signal_of_the_mask_reads_back_but_sigkill_and_sigstop,
       "sigaction(2) sa_mask, NOTES: the mask is kept signal by signal; SIGKILL and SIGSTOP in it are silently "
       "ignored [incident 13] [incident 14]",
       .needed_by = USERS)
{
	for (int sig = 1; sig <= SIGNALS; sig++) {
		struct kernel_sigset kept = CATCHABLE(sig) ? SIGSET(sig) : SIGSET_EMPTY;

		ASSERT_RET(0, raw_sigaction_masked(SIGUSR1, note, 0, SIGSET(sig)));
		ASSERT_TRUE(same_set(kept, action_now(SIGUSR1).mask))
			TH_LOG("signal %d", sig);
	}
	ASSERT_RET(0, raw_sigaction_masked(SIGUSR1, note, 0, SIGSET_FULL));
	EXPECT_TRUE(same_set(blockable(), action_now(SIGUSR1).mask));
}

CLAUSE(an_action_written_back_is_the_same_action,
       "sigaction(2) oldact: the action that a query returns can be set again, and then is the same in handler, "
       "flags, mask and restorer [SIG-9]",
       .needed_by = "go:setsigstack glibc:signal")
{
	FOR_EACH_SIGNAL(sig) {
		struct kernel_sigaction set = own_action_of(sig), first, second;

		ASSERT_RET(0, raw_rt_sigaction(sig, &set, NULL));
		ASSERT_RET(0, raw_rt_sigaction(sig, NULL, &first));
		ASSERT_RET(0, raw_rt_sigaction(sig, &first, NULL));
		ASSERT_RET(0, raw_rt_sigaction(sig, NULL, &second));
		ASSERT_TRUE(same_action(&first, &second) && same_action(&set, &second))
			TH_LOG("signal %d", sig);
	}
}

CLAUSE(the_old_action_is_the_one_before_this_call,
       "sigaction(2) oldact: the previous action is saved there, also where act and oldact are the same memory",
       .needed_by = USERS)
{
	struct kernel_sigaction *both = guarded(sizeof(*both)), first = own_action_of(7), second = own_action_of(8);

	ASSERT_RET(0, raw_rt_sigaction(SIGUSR1, &first, NULL));
	*both = second;
	ASSERT_RET(0, raw_rt_sigaction(SIGUSR1, both, both));
	EXPECT_TRUE(same_action(&first, both));
	*both = first;
	ASSERT_RET(0, raw_rt_sigaction(SIGUSR1, &first, both));
	EXPECT_TRUE(same_action(&second, both));
	EXPECT_INTACT(both);
}

CLAUSE(a_query_changes_nothing,
       "sigaction(2) act: if act is NULL no action is installed; with both pointers NULL the call only checks the "
       "number",
       .needed_by = "go:getsig")
{
	FOR_EACH_SIGNAL(sig) {
		struct kernel_sigaction set = own_action_of(sig), seen;

		ASSERT_RET(0, raw_rt_sigaction(sig, &set, NULL));
		for (int i = 0; i < 3; i++) {
			ASSERT_RET(0, raw_rt_sigaction(sig, NULL, NULL));
			seen = action_now(sig);
			ASSERT_TRUE(same_action(&set, &seen));
		}
	}
}

CLAUSE(sigkill_and_sigstop_can_be_asked_for_and_not_set,
       "sigaction(2) ERRORS EINVAL: an attempt to change the action for SIGKILL or SIGSTOP, whatever to; a query "
       "finds the default [SIG-11]",
       .needed_by = "go:getsig")
{
	static const int sigs[] = { SIGKILL, SIGSTOP };
	signal_handler *const handlers[] = { note, SIGNAL_IGNORE, SIGNAL_DEFAULT };

	FOR_EACH(s, sigs) {
		struct kernel_sigaction *old = guarded(sizeof(*old));

		FOR_EACH(h, handlers) {
			struct kernel_sigaction action = sigaction_of(handlers[h], 0, SIGSET_EMPTY);

			ASSERT_ERR(EINVAL, raw_rt_sigaction(sigs[s], &action, NULL));
			ASSERT_ERR(EINVAL, raw_rt_sigaction(sigs[s], &action, old));
		}
		EXPECT_UNTOUCHED(old, 0, sizeof(*old));
		ASSERT_RET(0, raw_rt_sigaction(sigs[s], NULL, old));
		ASSERT_EQ(SIGNAL_DEFAULT, old->handler);
		EXPECT_INTACT(old);
	}
}

CLAUSE(a_number_that_is_no_signal_is_einval,
       "sigaction(2) ERRORS EINVAL: an invalid signal was specified: zero, negative or beyond the last, to set as to "
       "ask [SIG-11]",
       .needed_by = "go:getsig glibc:sigaction")
{
	struct kernel_sigaction *old = guarded(sizeof(*old)), action = sigaction_of(note, 0, SIGSET_EMPTY);

	EXPECT_ERR(EINVAL, raw_rt_sigaction(0, NULL, old));
	EXPECT_ERR(EINVAL, raw_rt_sigaction(0, &action, old));
	FOR_EACH(i, no_signals) {
		ASSERT_ERR(EINVAL, raw_rt_sigaction(no_signals[i], NULL, old));
		ASSERT_ERR(EINVAL, raw_rt_sigaction(no_signals[i], &action, old));
		ASSERT_ERR(EINVAL, raw_rt_sigaction(no_signals[i], NULL, NULL));
	}
	EXPECT_UNTOUCHED(old, 0, sizeof(*old));
	EXPECT_RET(0, raw_rt_sigaction(SIGNALS, &action, NULL));
}

CLAUSE(a_set_of_another_size_is_einval_and_changes_nothing,
       "sigaction(2) C library/kernel differences: sigsetsize must be the size of the kernel's signal set, else "
       "EINVAL [SIG-14]",
       .needed_by = USERS)
{
	static const unsigned long sizes[] = { 0, 1, 4, 7, 9, 12, 32, 128, 0xffffffff, -1UL };
	struct kernel_sigaction *old = guarded(sizeof(*old)), before = own_action_of(11), seen;
	struct kernel_sigaction action = own_action_of(12);

	ASSERT_RET(0, raw_rt_sigaction(SIGUSR1, &before, NULL));
	FOR_EACH(i, sizes) {
		ASSERT_ERR(EINVAL, raw_syscall(__NR_rt_sigaction, SIGUSR1, &action, old, sizes[i]));
		ASSERT_ERR(EINVAL, raw_syscall(__NR_rt_sigaction, SIGUSR1, NULL, old, sizes[i]));
	}
	EXPECT_UNTOUCHED(old, 0, sizeof(*old));
	seen = action_now(SIGUSR1);
	EXPECT_TRUE(same_action(&before, &seen));
}

CLAUSE(an_action_that_cannot_be_read_is_efault_and_changes_nothing,
       "sigaction(2) ERRORS EFAULT: act points to memory that is not a valid part of the address space, wholly or by "
       "its last byte",
       .needed_by = USERS)
{
	struct kernel_sigaction *old = guarded(sizeof(*old)), *cut = guarded(sizeof(*cut) - 1);
	struct kernel_sigaction before = own_action_of(13), seen;
	void *bad[] = { forbidden_page(), unmapped_page(), (void *)8, (void *)-64L, cut };

	ASSERT_RET(0, raw_rt_sigaction(SIGUSR1, &before, NULL));
	FOR_EACH(i, bad)
		ASSERT_ERR(EFAULT, raw_rt_sigaction(SIGUSR1, bad[i], old));
	EXPECT_UNTOUCHED(old, 0, sizeof(*old));
	seen = action_now(SIGUSR1);
	EXPECT_TRUE(same_action(&before, &seen));
}

CLAUSE(an_old_action_that_cannot_be_written_is_efault,
       "sigaction(2) ERRORS EFAULT: oldact points to memory that is not a valid part of the address space",
       .needed_by = USERS)
{
	void *bad[] = { forbidden_page(), unmapped_page(), (void *)8, (void *)-64L };

	FOR_EACH(i, bad)
		ASSERT_ERR(EFAULT, raw_rt_sigaction(SIGUSR1, NULL, bad[i]));
}

CLAUSE(an_action_can_always_be_replaced,
       "sigaction(2) sa_flags: no flag that a program gives, known or not, makes an action that it can no longer "
       "change",
       .needed_by = USERS)
{
	for (int bit = 0; bit < 32; bit++) {
		struct kernel_sigaction action = sigaction_of(note, 1UL << bit, SIGSET_EMPTY), seen;
		struct kernel_sigaction plain = sigaction_of(other_handler, 0, SIGSET_EMPTY);

		ASSERT_RET(0, raw_rt_sigaction(SIGUSR1, &action, NULL));
		ASSERT_RET(0, raw_rt_sigaction(SIGUSR1, &plain, NULL));
		seen = action_now(SIGUSR1);
		ASSERT_TRUE(same_action(&plain, &seen));
	}
}

#define UNSUPPORTED     0x00000400
#define EXPOSE_TAGBITS  0x00000800

// -ENOSYS where unknown flags come back as they were given.
static long flags_can_be_probed(void)
{
	struct kernel_sigaction action = sigaction_of(note, UNSUPPORTED, SIGSET_EMPTY);

	raw_rt_sigaction(SIGUSR2, &action, NULL);
	raw_rt_sigaction(SIGUSR2, NULL, &action);
	return action.flags & UNSUPPORTED ? -ENOSYS : 0;
}

CLAUSE(flags_that_the_kernel_does_not_know_are_cleared_when_read_back,
       "sigaction(2) Dynamically probing for flag bit support: SA_UNSUPPORTED and other bits that mean nothing are "
       "clear in oldact, and the known ones are not [SIG-10]",
       .since = KERNEL(5, 11), .probe = flags_can_be_probed, .needed_by = "go:setsigstack")
{
	static const unsigned long unknown[] = {
		UNSUPPORTED, 0x00100000, 0x00200000, 0x00400000, 0x00800000, 0x00700400,
	};

	FOR_EACH(i, unknown) {
		struct kernel_sigaction wanted = sigaction_of(note, SA_RESTART | SA_ONSTACK, SIGSET_EMPTY);
		struct kernel_sigaction given = wanted, seen;

		given.flags |= unknown[i];
		ASSERT_RET(0, raw_rt_sigaction(SIGUSR1, &given, NULL));
		seen = action_now(SIGUSR1);
		ASSERT_EQ(wanted.flags, seen.flags);
	}
}

CLAUSE(the_flag_for_tag_bits_is_supported,
       "sigaction(2) SA_EXPOSE_TAGBITS (since Linux 5.11): stays set when it is read back, as a flag that is supported",
       .since = KERNEL(5, 11), .probe = flags_can_be_probed)
{
	struct kernel_sigaction action = sigaction_of(note, EXPOSE_TAGBITS | UNSUPPORTED, SIGSET_EMPTY), seen;

	ASSERT_RET(0, raw_rt_sigaction(SIGSEGV, &action, NULL));
	seen = action_now(SIGSEGV);
	EXPECT_EQ(action.flags & ~(unsigned long)UNSUPPORTED, seen.flags);
}

static int sets_an_action(void *action)
{
	return raw_rt_sigaction(SIGUSR1, action, NULL) != 0;
}

CLAUSE(actions_belong_to_the_process,
       "signal(7) Signal dispositions: the disposition is a per-process attribute: what a thread sets is what all "
       "others see, and what their signals run [SIG-14]",
       .needed_by = USERS)
{
	struct kernel_sigaction ignore = sigaction_of(SIGNAL_IGNORE, 0, SIGSET_EMPTY), seen;
	struct kernel_sigaction action = sigaction_of(note, SA_RESTART, SIGSET(SIGUSR2));
	struct thread t;

	ASSERT_RET(0, raw_rt_sigaction(SIGUSR1, &ignore, NULL));
	ASSERT_OK(thread_start(&t, sets_an_action, &action));
	ASSERT_TRUE(thread_join(&t));
	seen = action_now(SIGUSR1);
	EXPECT_TRUE(same_action(&action, &seen));
	ASSERT_RET(0, raw_kill(own_pid(), SIGUSR1));
	EXPECT_EQ(1, arrivals);
}

static struct kernel_sigaction two_actions[2];
static volatile int torn, over;

static int alternates(void *unused)
{
	for (int i = 0; !over; i++)
		raw_rt_sigaction(SIGUSR1, &two_actions[i % 2], NULL);
	return 0;
}

CLAUSE(an_action_is_set_as_a_whole,
       "sigaction(2), kernel/signal.c do_sigaction (5.10, 7.2): handler, flags and mask change together: another "
       "thread reads all of the old or all of the new [SIG-14]",
       .needed_by = USERS)
{
	struct thread t;

	two_actions[0] = sigaction_of(note, SA_RESTART, SIGSET_EMPTY);
	two_actions[1] = sigaction_of(other_handler, SA_ONSTACK, blockable());
	ASSERT_RET(0, raw_rt_sigaction(SIGUSR1, &two_actions[0], NULL));
	ASSERT_OK(thread_start(&t, alternates, NULL));
	for (int i = 0; i < 5000; i++) {
		struct kernel_sigaction seen = action_now(SIGUSR1);

		torn += !same_action(&seen, &two_actions[0]) && !same_action(&seen, &two_actions[1]);
	}
	over = 1;
	ASSERT_TRUE(thread_join(&t));
	EXPECT_EQ(0, torn);
}

/* ---- What is pending when an action is set -------------------------------------------------------------------- */

// Leaves one pending on this thread and one on the process, two of each for a realtime signal.
static void make_pending(int sig)
{
	block(sig);
	for (int i = 0; i < (sig < RT_FIRST ? 1 : 2); i++) {
		send_myself(KILL, sig);
		send_myself(TGKILL, sig);
	}
}

CLAUSE(ignoring_a_signal_discards_what_is_pending,
       "sigaction(2) NOTES, POSIX sigaction: setting SIG_IGN discards the signal where it is pending, blocked or not, "
       "on thread and process, every queued instance of it [SIG-14]",
       .needed_by = USERS)
{
	FOR_EACH_SIGNAL(sig) {
		ASSERT_RET(0, catch_signal(sig));
		make_pending(sig);
		ASSERT_TRUE(is_pending(sig));
		ASSERT_RET(0, raw_sigaction(sig, SIGNAL_IGNORE, 0));
		ASSERT_FALSE(is_pending(sig));
		ASSERT_RET(0, catch_signal(sig));
		ASSERT_RET(0, unblock(sig));
		ASSERT_EQ(0, arrivals)
			TH_LOG("signal %d", sig);
	}
}

CLAUSE(ignoring_a_signal_discards_it_for_every_thread,
       "POSIX sigaction, kernel/signal.c do_sigaction (5.10, 7.2): what is pending on other threads is discarded too "
       "[SIG-14]",
       .needed_by = USERS)
{
	static const int sigs[] = { SIGUSR1, RT_FIRST + 2 };
	static struct mate mate;

	FOR_EACH(i, sigs) {
		ASSERT_RET(0, catch_signal(sigs[i]));
		ASSERT_TRUE(mate_sleeps(&mate, SIGSET(sigs[i])));
		ASSERT_RET(0, raw_tgkill(own_pid(), mate.tid, sigs[i]));
		ASSERT_RET(0, raw_sigaction(sigs[i], SIGNAL_IGNORE, 0));
		ASSERT_RET(0, catch_signal(sigs[i]));
		// The mate has no more to say than its own pending set.
		{
			char path[64], text[4096], *line;

			snprintf(path, sizeof(path), "/proc/self/task/%d/status", mate.tid);
			ASSERT_LT(0, read_text(path, text, sizeof(text)));
			line = strstr(text, "SigPnd:");
			ASSERT_NE(NULL, line);
			ASSERT_EQ(0, strtoull(line + 7, NULL, 16));
		}
		ASSERT_TRUE(mate_ends(&mate));
		ASSERT_EQ(0, arrivals);
	}
}

CLAUSE(the_default_of_an_ignored_signal_discards_what_is_pending,
       "POSIX sigaction, kernel/signal.c do_sigaction (5.10, 7.2): setting SIG_DFL for a signal whose default is to be "
       "ignored discards it where it is pending",
       .needed_by = USERS)
{
	static const int sigs[] = { SIGCHLD, SIGURG, SIGWINCH, SIGCONT };

	FOR_EACH(i, sigs) {
		ASSERT_RET(0, catch_signal(sigs[i]));
		make_pending(sigs[i]);
		ASSERT_TRUE(is_pending(sigs[i]));
		ASSERT_RET(0, raw_sigaction(sigs[i], SIGNAL_DEFAULT, 0));
		ASSERT_FALSE(is_pending(sigs[i]));
		ASSERT_RET(0, catch_signal(sigs[i]));
		ASSERT_RET(0, unblock(sigs[i]));
		ASSERT_EQ(0, arrivals);
	}
}

CLAUSE(another_action_keeps_what_is_pending,
       "signal(7) Signal mask and pending signals: a pending signal stays so until it is delivered: a new handler, a "
       "default that is not to ignore it, or the ignoring of other signals leave it",
       .needed_by = USERS)
{
	static const int sigs[] = { SIGHUP, SIGUSR1, SIGTERM, SIGTSTP, SIGSEGV, RT_FIRST, RT_FIRST + 20 };

	FOR_EACH(i, sigs) {
		forget_arrivals();
		ASSERT_RET(0, catch_signal(sigs[i]));
		ASSERT_RET(0, block(sigs[i]));
		ASSERT_RET(0, send_myself(KILL, sigs[i]));
		ASSERT_RET(0, send_myself(TGKILL, sigs[i]));
		ASSERT_RET(0, raw_sigaction(sigs[i], SIGNAL_DEFAULT, 0));
		ASSERT_TRUE(is_pending(sigs[i]));
		FOR_EACH_SIGNAL(other)
			if (other != sigs[i])
				ASSERT_RET(0, raw_sigaction(other, SIGNAL_IGNORE, 0));
		ASSERT_TRUE(is_pending(sigs[i]));
		ASSERT_RET(0, catch_signal(sigs[i]));
		ASSERT_RET(0, unblock(sigs[i]));
		ASSERT_EQ(2, arrivals)
			TH_LOG("signal %d", sigs[i]);
	}
}
