// SPDX-License-Identifier: GPL-2.0-only
// Signal actions and masks by raw system calls, as the kernel of each ABI wants them; all return a value or -errno.
#ifndef SIGACTION_H
#define SIGACTION_H

#include "sys.h"

typedef void signal_handler(int sig, siginfo_t *info, void *ucontext);

#define SIGNAL_DEFAULT ((signal_handler *)0)
#define SIGNAL_IGNORE  ((signal_handler *)1)

#define SIGSET_EMPTY ((struct kernel_sigset){ { 0 } })
#define SIGSET_FULL  sigset_inverted(SIGSET_EMPTY)
#define SIGSET(sig)  sigset_with(SIGSET_EMPTY, sig)

#define SIGSET_WORD_BITS (8 * sizeof(unsigned long))

static inline struct kernel_sigset sigset_inverted(struct kernel_sigset set)
{
	for (unsigned int i = 0; i < sizeof(set.word) / sizeof(*set.word); i++)
		set.word[i] = ~set.word[i];
	return set;
}

static inline struct kernel_sigset sigset_with(struct kernel_sigset set, int sig)
{
	set.word[(sig - 1) / SIGSET_WORD_BITS] |= 1UL << ((sig - 1) % SIGSET_WORD_BITS);
	return set;
}

static inline bool sigset_has(struct kernel_sigset set, int sig)
{
	return set.word[(sig - 1) / SIGSET_WORD_BITS] >> ((sig - 1) % SIGSET_WORD_BITS) & 1;
}

// An action ready for rt_sigaction(2): SA_SIGINFO is always set, and the restorer where the ABI wants one.
static inline struct kernel_sigaction sigaction_of(signal_handler *handler, unsigned long flags,
						   struct kernel_sigset mask)
{
	struct kernel_sigaction action = { .handler = handler, .flags = flags | SA_SIGINFO, .mask = mask };

#ifdef ARCH_SA_RESTORER
	action.flags |= ARCH_SA_RESTORER;
	action.restorer = arch_restorer;
#endif
	return action;
}

static inline long raw_rt_sigaction(int sig, const struct kernel_sigaction *action, struct kernel_sigaction *old)
{
	return raw_syscall(__NR_rt_sigaction, sig, action, old, ARCH_SIGSET_BYTES);
}

// Sets the handler; while it runs, sig alone is blocked (without SA_NODEFER), or all of mask.
static inline long raw_sigaction(int sig, signal_handler *handler, unsigned long flags)
{
	struct kernel_sigaction action = sigaction_of(handler, flags, SIGSET_EMPTY);

	return raw_rt_sigaction(sig, &action, NULL);
}

static inline long raw_sigaction_masked(int sig, signal_handler *handler, unsigned long flags,
					struct kernel_sigset mask)
{
	struct kernel_sigaction action = sigaction_of(handler, flags, mask);

	return raw_rt_sigaction(sig, &action, NULL);
}

// Changes the calling thread's mask as SIG_BLOCK, SIG_UNBLOCK or SIG_SETMASK says.
static inline long raw_sigprocmask(int how, struct kernel_sigset set)
{
	return raw_syscall(__NR_rt_sigprocmask, how, &set, NULL, ARCH_SIGSET_BYTES);
}

#endif
