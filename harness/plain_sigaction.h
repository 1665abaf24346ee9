// SPDX-License-Identifier: GPL-2.0-only
// Handlers that want nothing but the number of the signal: some ABIs have another frame and another return for them.
#ifndef PLAIN_SIGACTION_H
#define PLAIN_SIGACTION_H

#include "arch_frame.h"
#include "sigaction.h"

// An action as sigaction_of() makes it, but without SA_SIGINFO, and with a restorer only where the ABI cannot do without.
static inline struct kernel_sigaction plain_sigaction_of(void (*handler)(int), unsigned long flags, struct kernel_sigset mask)
{
	struct kernel_sigaction action = sigaction_of((signal_handler *)(void *)handler, flags, mask);

	action.flags &= ~(unsigned long)SA_SIGINFO;
#ifdef ARCH_SA_RESTORER
	if (!ARCH_NEEDS_RESTORER) {
		action.flags &= ~(unsigned long)ARCH_SA_RESTORER;
		action.restorer = NULL;
	}
#endif
	return action;
}

#endif
