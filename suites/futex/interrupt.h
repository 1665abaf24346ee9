// SPDX-License-Identifier: GPL-2.0-only
// Interrupting an actor that is blocked in a call by a signal whose handler only counts.
#ifndef INTERRUPT_H
#define INTERRUPT_H

#include <signal.h>
#include <unistd.h>

#include "actor.h"
#include "sigaction.h"
#include "sync.h"

static volatile int handled;

static void count_signal(int sig, siginfo_t *info, void *ucontext)
{
	handled++;
}

// Installs the handler of SIGUSR1; flags: SA_RESTART or 0.
static inline long on_interrupt(unsigned long flags)
{
	return raw_sigaction(SIGUSR1, count_signal, flags);
}

// Sends the signal to a thread and waits until its handler has begun.
static inline bool is_interrupted(struct actor *a)
{
	int before = handled;

	raw_syscall(__NR_tgkill, getpid(), a->tid, SIGUSR1);
	return wait_until(handled > before);
}

#endif
