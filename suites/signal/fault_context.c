// SPDX-License-Identifier: GPL-2.0-only
// What the context of a fault says beside the siginfo_t: which trap it was and what the instruction did.
#include "clause.h"

#include "arch_frame.h"
#include "fault.h"

#define USERS "jvm:PosixSignals::pd_hotspot_signal_handler go:dumpregs v8:TrapHandler"

static int which;
static unsigned long at;
static const char *mismatch;

static void look(int sig, siginfo_t *info, void *ucontext)
{
	mismatch = arch_fault_mismatch(ucontext, which, at);
	keep_fault(sig, info, ucontext);
}

static long look_at_faults(void)
{
	static const int sigs[] = { SIGSEGV, SIGBUS, SIGILL, SIGTRAP, SIGFPE };
	long result = 0;

	FOR_EACH(i, sigs)
		result = result ? result : raw_sigaction(sigs[i], look, 0);
	return result;
}

// Causes it at `address`, unless it names one; returns what was wrong with the context, NULL if nothing.
static const char *told_of(int fault, void *address)
{
	const struct arch_fault *f = arch_fault(fault);

	which = fault;
	at = f->of_kernel ? f->of_kernel : (unsigned long)address;
	mismatch = "there was no signal";
	if (!FAULTS(f->cause((volatile char *)at)))
		return "there was no fault";
	return mismatch;
}

#define EXPECT_TOLD(fault, address) do {						\
	const char *wrong_ = told_of(fault, address);					\
											\
	ASSERT_EQ(NULL, wrong_)								\
		TH_LOG("%s: %s", arch_fault(fault)->name, wrong_);			\
} while (0)

// Each fault after each other one, so that what is left of the one before shows.
#define EACH_AFTER_EACH(chosen, address) do {						\
	int tried_ = 0;									\
											\
	ASSERT_OK(look_at_faults());							\
	for (int i_ = 0; arch_fault(i_); i_++) {					\
		if ((arch_fault(i_)->of_kernel != 0) != (chosen))			\
			continue;							\
		tried_++;								\
		for (int k_ = 0; arch_fault(k_); k_++) {				\
			told_of(k_, address);						\
			EXPECT_TOLD(i_, address);					\
		}									\
	}										\
	if (!tried_)									\
		SKIP(return, "the port knows of no such words");			\
} while (0)

CLAUSE(the_context_of_a_fault_says_which_it_was,
       "sigaction(2) ucontext, arch/x86/kernel/traps.c, arch/x86/mm/fault.c set_signal_archinfo (5.10, 7.2) "
       "trap_nr, error_code, cr2: number of the trap, what was done (load, store, jump) and the very byte; of this "
       "fault and not of one before",
       .needed_by = USERS)
{
	char *closed = map_pages(1, PROT_NONE);

	EACH_AFTER_EACH(false, closed + 0x123);
	EACH_AFTER_EACH(false, (char *)unmapped_page() + page_size() - 1);
	EACH_AFTER_EACH(false, (char *)map_past_the_end() + 0x321);
}

CLAUSE(the_context_of_a_fault_tells_nothing_of_the_kernels_memory,
       "arch/x86/mm/fault.c sanitize_error_code (7.2) \"To avoid leaking information about the kernel page table "
       "layout\": a user's access to an address of the kernel looks the same whether something is there or not",
       .needed_by = USERS)
{
	EACH_AFTER_EACH(true, unmapped_page());
}
