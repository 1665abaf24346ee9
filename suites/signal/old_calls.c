// SPDX-License-Identifier: GPL-2.0-only
// Signal calls from before realtime signals, where the ABI still has them: their sets are one word of signals.
#include "signals.h"

#define USERS "musl:sigaltstack go:sigaction glibc:signal"

// Headers of some 64-bit ABIs have numbers of calls that only 32-bit programs may make.
#ifdef __NR_sigprocmask
#define SKIP_UNLESS_THERE							\
	if (sizeof(long) == 8 && raw_syscall(__NR_sigprocmask, 0, NULL, NULL) == -ENOSYS) \
		SKIP(return, "the calls of one word are those of 32-bit programs")
#else
#define SKIP_UNLESS_THERE
#endif

#define NAMELESS_SKIP(call) SKIP(return, "the ABI has no " call "(2) of one word")

// A signal beyond the word, where there is one; else one within.
#define FAR (SIGNALS > (int)SIGSET_WORD_BITS ? SIGNALS - 1 : RT_FIRST + 2)

#if defined(__NR_sigaction) || defined(__NR_signal)
static volatile int handled;
static struct kernel_sigset mask_inside;

static void look(int sig)
{
	handled++;
	mask_inside = mask_now();
}
#endif

#if defined(__NR_sigprocmask) || defined(__NR_ssetmask)
// The set with another first word.
static struct kernel_sigset with_word(struct kernel_sigset set, unsigned long word)
{
	set.word[0] = word & blockable().word[0];
	return set;
}
#endif

CLAUSE(sigprocmask_of_one_word_leaves_the_other_signals_alone,
       "sigprocmask(2) C library/kernel differences, kernel/signal.c sys_sigprocmask (5.10, 7.2): SIG_BLOCK, "
       "SIG_UNBLOCK and SIG_SETMASK change the signals of the word, and no other; the old word is given back",
       .needed_by = USERS)
{
#ifdef __NR_sigprocmask
	SKIP_UNLESS_THERE;
	static const struct {
		int how;
		unsigned long before, set, after;
	} cases[] = {
		{ SIG_SETMASK,	0,		0x5a5a0a5a,	0x5a5a0a5a },
		{ SIG_SETMASK,	0x00ff00ff,	0,		0 },
		{ SIG_SETMASK,	0x00ff00ff,	0x80000001,	0x80000001 },
		{ SIG_BLOCK,	0x00ff00ff,	0x7f00ff00,	0x7fffffff },
		{ SIG_UNBLOCK,	0x00ff00ff,	0x0ff00ff0,	0x000f000f },
	};

	FOR_EACH(i, cases) {
		for (int far = 0; far < 2; far++) {
			struct kernel_sigset others = far ? sigset_with(SIGSET(FAR), SIGNALS) : SIGSET_EMPTY;
			struct kernel_sigset before = with_word(others, cases[i].before | others.word[0]);
			unsigned long set = cases[i].set, old = 0x77;

			if (SIGNALS <= (int)SIGSET_WORD_BITS && far)
				continue;	// there are no others
			ASSERT_RET(0, set_mask(before));
			ASSERT_RET(0, raw_syscall(__NR_sigprocmask, cases[i].how, &set, &old));
			EXPECT_EQ(before.word[0], old);
			EXPECT_TRUE(same_set(with_word(before, cases[i].after), mask_now()))
				TH_LOG("case %u, %s blocked", i, far ? "others" : "none of the others");
			ASSERT_RET(0, raw_syscall(__NR_sigprocmask, cases[i].how, NULL, &old));
			EXPECT_EQ(mask_now().word[0], old);
		}
	}
#else
	NAMELESS_SKIP("sigprocmask");
#endif
}

CLAUSE(sigprocmask_of_one_word_refuses_what_the_other_does,
       "sigprocmask(2) ERRORS EINVAL, EFAULT: how is none of the three, or a set is out of reach; the mask stays",
       .needed_by = USERS)
{
#ifdef __NR_sigprocmask
	SKIP_UNLESS_THERE;
	struct kernel_sigset before = sigset_with(SIGSET(SIGUSR1), FAR);
	unsigned long set = 0;

	ASSERT_RET(0, set_mask(before));
	EXPECT_ERR(EINVAL, raw_syscall(__NR_sigprocmask, 99, &set, NULL));
	EXPECT_ERR(EINVAL, raw_syscall(__NR_sigprocmask, -1, &set, NULL));
	EXPECT_ERR(EFAULT, raw_syscall(__NR_sigprocmask, SIG_SETMASK, unmapped_page(), NULL));
	EXPECT_TRUE(same_set(before, mask_now()));
	EXPECT_ERR(EFAULT, raw_syscall(__NR_sigprocmask, SIG_BLOCK, NULL, forbidden_page()));
#else
	NAMELESS_SKIP("sigprocmask");
#endif
}

CLAUSE(sigpending_of_one_word_tells_of_thread_and_process,
       "sigpending(2) NOTES: the union of the signals pending for the calling thread and for its process, whichever "
       "of the two calls is asked",
       .needed_by = USERS)
{
#ifdef __NR_sigpending
	SKIP_UNLESS_THERE;
	static const int sigs[] = { SIGHUP, SIGUSR1, SIGTERM, SIGCHLD, 31, 32 };
	unsigned long *word = guarded(sizeof(*word)), wanted = 0;

	FOR_EACH(i, sigs)
		ASSERT_RET(0, catch_signal(sigs[i]));
	ASSERT_RET(0, set_mask(SIGSET_FULL));
	FOR_EACH(i, sigs) {
		ASSERT_RET(0, send_myself(i % 2 ? KILL : TGKILL, sigs[i]));
		wanted |= SIGSET(sigs[i]).word[0];
		EXPECT_RET(0, raw_syscall(__NR_sigpending, word));
		EXPECT_EQ(wanted, *word)
			TH_LOG("signal %d is pending for the %s", sigs[i], i % 2 ? "process" : "thread");
	}
	EXPECT_INTACT(word);
	EXPECT_ERR(EFAULT, raw_syscall(__NR_sigpending, forbidden_page()));
	ASSERT_RET(0, set_mask(SIGSET_EMPTY));
	EXPECT_RET(0, raw_syscall(__NR_sigpending, word));
	EXPECT_EQ(0, *word);
#else
	NAMELESS_SKIP("sigpending");
#endif
}

#ifdef __NR_sigaction
struct word_action {
	void (*handler)(int);
	unsigned long mask, flags;
	void (*restorer)(void);
};
#endif

CLAUSE(sigaction_of_one_word_blocks_its_mask_in_the_handler,
       "sigaction(2) sa_mask, C library/kernel differences: the signals of the word are blocked while the handler "
       "runs, with its own unless SA_NODEFER is set, and afterwards the mask is as before, in all signals",
       .needed_by = USERS)
{
#ifdef __NR_sigaction
	SKIP_UNLESS_THERE;
	static const unsigned long masks[] = { 0, 1UL << (SIGTERM - 1), 0xffffffff };
	static const unsigned long flags[] = { 0, SA_NODEFER, SA_RESTART };
	struct kernel_sigset before = sigset_with(SIGSET(SIGWINCH), FAR);

	ASSERT_RET(0, set_mask(before));
	FOR_EACH(m, masks) {
		FOR_EACH(f, flags) {
			struct word_action action = { .handler = look, .mask = masks[m], .flags = flags[f] };
			struct kernel_sigset wanted = before;

			wanted.word[0] |= masks[m] & blockable().word[0];
			if (flags[f] != SA_NODEFER)
				wanted = sigset_with(wanted, SIGUSR1);
			handled = 0;
			ASSERT_RET(0, raw_syscall(__NR_sigaction, SIGUSR1, &action, NULL));
			ASSERT_RET(0, send_myself(TGKILL, SIGUSR1));
			ASSERT_EQ(1, handled);
			EXPECT_TRUE(same_set(wanted, mask_inside))
				TH_LOG("mask 0x%lx, flags 0x%lx", masks[m], flags[f]);
			EXPECT_TRUE(same_set(before, mask_now()));
		}
	}
#else
	NAMELESS_SKIP("sigaction");
#endif
}

CLAUSE(sigaction_of_one_word_and_the_other_set_the_same_action,
       "sigaction(2) C library/kernel differences: what one call sets the other gives back: handler, flags and "
       "mask, without signals beyond the word; a number that is no signal, SIGKILL and SIGSTOP are EINVAL",
       .needed_by = USERS)
{
#ifdef __NR_sigaction
	SKIP_UNLESS_THERE;
	struct word_action set = { .handler = look, .mask = 0x1234500, .flags = SA_RESTART | SA_NODEFER }, old;
	struct kernel_sigset wanted = SIGSET_EMPTY;
	struct kernel_sigaction seen;

	wanted.word[0] = set.mask & blockable().word[0];
	ASSERT_RET(0, raw_sigaction_masked(SIGUSR1, note, SA_RESETHAND, sigset_with(SIGSET(SIGHUP), FAR)));
	ASSERT_RET(0, raw_syscall(__NR_sigaction, SIGUSR1, &set, &old));
	EXPECT_EQ((void *)note, (void *)old.handler);
	EXPECT_EQ(SA_RESETHAND | SA_SIGINFO, old.flags & (SA_RESETHAND | SA_SIGINFO | SA_RESTART | SA_NODEFER));
	EXPECT_EQ(sigset_with(SIGSET(SIGHUP), FAR).word[0], old.mask);
	ASSERT_RET(0, raw_rt_sigaction(SIGUSR1, NULL, &seen));
	EXPECT_EQ((void *)look, (void *)seen.handler);
	EXPECT_EQ(SA_RESTART | SA_NODEFER, seen.flags & (SA_RESETHAND | SA_SIGINFO | SA_RESTART | SA_NODEFER));
	EXPECT_TRUE(same_set(wanted, seen.mask));
	EXPECT_ERR(EINVAL, raw_syscall(__NR_sigaction, SIGKILL, &set, NULL));
	EXPECT_ERR(EINVAL, raw_syscall(__NR_sigaction, SIGSTOP, &set, NULL));
	FOR_EACH(i, no_signals)
		EXPECT_ERR(EINVAL, raw_syscall(__NR_sigaction, no_signals[i], &set, &old));
	EXPECT_ERR(EFAULT, raw_syscall(__NR_sigaction, SIGUSR1, forbidden_page(), NULL));
#else
	NAMELESS_SKIP("sigaction");
#endif
}

#ifdef __NR_signal
static volatile int nested;

static void nest(int sig)
{
	struct kernel_sigset mask = mask_now();

	handled++;
	nested += sigset_has(mask, SIGUSR1);
	if (handled == 1) {
		raw_syscall(__NR_signal, SIGUSR1, nest);
		send_myself(TGKILL, SIGUSR1);
	}
}
#endif

CLAUSE(signal_is_reset_and_not_blocked_once_its_handler_runs,
       "signal(2) Portability, C library/kernel differences: the kernel's signal() has System V semantics: "
       "SA_RESETHAND | SA_NODEFER; the previous handler is returned",
       .needed_by = "musl:signal")
{
#ifdef __NR_signal
	SKIP_UNLESS_THERE;
	struct kernel_sigaction seen;

	ASSERT_RET(0, raw_sigaction(SIGUSR1, note, SA_RESTART));
	EXPECT_RET((long)note, raw_syscall(__NR_signal, SIGUSR1, nest));
	ASSERT_RET(0, raw_rt_sigaction(SIGUSR1, NULL, &seen));
	EXPECT_EQ(SA_RESETHAND | SA_NODEFER, seen.flags & (SA_RESETHAND | SA_SIGINFO | SA_RESTART | SA_NODEFER));
	EXPECT_TRUE(same_set(SIGSET_EMPTY, seen.mask));
	ASSERT_RET(0, send_myself(TGKILL, SIGUSR1));
	EXPECT_EQ(2, handled);
	EXPECT_EQ(0, nested);
	EXPECT_RET((long)SIGNAL_DEFAULT, raw_syscall(__NR_signal, SIGUSR1, SIGNAL_IGNORE));
	EXPECT_RET((long)SIGNAL_IGNORE, raw_syscall(__NR_signal, SIGUSR1, SIGNAL_DEFAULT));
	EXPECT_ERR(EINVAL, raw_syscall(__NR_signal, SIGKILL, look));
	EXPECT_ERR(EINVAL, raw_syscall(__NR_signal, SIGNALS + 1, look));
#else
	SKIP(return, "the ABI has no signal(2)");
#endif
}

#ifdef __NR_sigsuspend
static int sends_when_it_sleeps(void *unused)
{
	if (!wait_until_blocked_in(own_pid(), __NR_sigsuspend))
		return 1;
	return raw_tgkill(own_pid(), own_pid(), SIGUSR1) != 0;
}
#endif

CLAUSE(sigsuspend_of_one_word_waits_with_it_and_restores_all_signals,
       "sigsuspend(2): the word is the mask during the wait; a handler ends it with EINTR and the mask is then what "
       "it was, in all signals",
       .needed_by = USERS)
{
#ifdef __NR_sigsuspend
	SKIP_UNLESS_THERE;
	struct kernel_sigset before = sigset_with(SIGSET(SIGUSR1), FAR);
	unsigned long word = SIGSET(SIGTERM).word[0];
	struct thread t;

	ASSERT_RET(0, raw_sigaction(SIGUSR1, note, SA_RESTART));
	ASSERT_RET(0, set_mask(before));
	ASSERT_OK(thread_start(&t, sends_when_it_sleeps, NULL));
	// The word is the first argument or the last of three.
	EXPECT_ERR(EINTR, raw_syscall(__NR_sigsuspend, word, word, word));
	ASSERT_TRUE(thread_join(&t));
	ASSERT_EQ(1, arrivals);
	EXPECT_TRUE(same_set(sigset_with(SIGSET(SIGTERM), SIGUSR1), arrival[0].mask));
	EXPECT_TRUE(same_set(before, mask_now()));
#else
	NAMELESS_SKIP("sigsuspend");
#endif
}

CLAUSE(ssetmask_and_sgetmask_have_the_first_word,
       "sgetmask(2): sgetmask() returns the mask of the calling thread, ssetmask() sets it and returns the old one, "
       "as one word",
       .needed_by = USERS)
{
#if defined(__NR_ssetmask) && defined(__NR_sgetmask)
	SKIP_UNLESS_THERE;
	ASSERT_RET(0, set_mask(SIGSET(SIGTERM)));
	if (raw_syscall(__NR_sgetmask) == -ENOSYS)
		ABSENT("CONFIG_SGETMASK_SYSCALL is not set");
	EXPECT_RET(SIGSET(SIGTERM).word[0], raw_syscall(__NR_sgetmask));
	EXPECT_RET(SIGSET(SIGTERM).word[0], raw_syscall(__NR_ssetmask, 0x7ffffff));
	EXPECT_TRUE(same_set(with_word(SIGSET_EMPTY, 0x7ffffff), mask_now()));
	EXPECT_RET(mask_now().word[0], raw_syscall(__NR_sgetmask));
#else
	SKIP(return, "the ABI has no sgetmask(2)");
#endif
}
