// SPDX-License-Identifier: GPL-2.0-only
// Flags that a handler writes into the context and that stop the code it returns to: steps, and checks of alignment.
#include "clause.h"

#include <ucontext.h>

#include "regs.h"
#include "sigaction.h"

#define STEPS 6
#define USERS "criu:sigreturn jvm:os.set_pc"

static volatile int steps, nested, other_codes;
static bool steps_nest;
static unsigned long set_pc, step_pc[STEPS], entry_flags, context_flags, put_flags;
static void *step_addr[STEPS];

// The first return steps the code that was interrupted.
static void begin_steps(int sig, siginfo_t *info, void *uc)
{
	set_pc = UC_PC(uc);
	UC_REG(uc, ARCH_REG_FLAGS) |= ARCH_FLAG_STEP;
}

static void note_nested(int sig, siginfo_t *info, void *uc)
{
	nested++;
}

// Takes the flag out again after the last one.
static void step(int sig, siginfo_t *info, void *uc)
{
	if (steps < STEPS) {
		step_pc[steps] = UC_PC(uc);
		step_addr[steps] = info->si_addr;
	}
	entry_flags = arch_handler_regs.r[ARCH_REG_FLAGS];
	context_flags = UC_REG(uc, ARCH_REG_FLAGS);
	other_codes += info->si_code != TRAP_TRACE || info->si_signo != SIGTRAP;
	steps++;
	if (steps_nest)	// not a call of the C library's: what this handler does must not be stepped
		raw_syscall(__NR_tgkill, raw_syscall(__NR_getpid), raw_syscall(__NR_gettid), SIGUSR2);
	if (steps >= STEPS)
		UC_REG(uc, ARCH_REG_FLAGS) &= ~ARCH_FLAG_STEP;
}

static long send(int sig)
{
	return raw_syscall(__NR_tgkill, raw_syscall(__NR_getpid), raw_syscall(__NR_gettid), sig);
}

// Code to be stepped, longer than the steps that are taken.
static __attribute__((noinline)) int work(int n)
{
	volatile int sum = 0;

	for (int i = 0; i < n; i++)
		sum += i;
	return sum;
}

static bool steps_are_set(void)
{
	arch_handler_then = step;
	return !raw_sigaction(SIGTRAP, arch_handler, 0) && !raw_sigaction(SIGUSR1, begin_steps, 0) &&
	       !raw_sigaction(SIGUSR2, note_nested, 0);
}

CLAUSE(a_step_flag_written_into_the_context_steps_one_instruction,
       "sigreturn(2) DESCRIPTION, arch/x86/include/asm/sighandling.h FIX_EFLAGS (5.10, 7.2): flags are restored "
       "from the context as the handler leaves them: with the flag that steps SIGTRAP comes behind the next "
       "instruction, and the next, until it is taken out",
       .needed_by = USERS)
{
	if (!ARCH_FLAG_STEP)
		SKIP(return, "user code cannot set one");
	ASSERT_TRUE(steps_are_set());
	ASSERT_OK(send(SIGUSR1));
	EXPECT_EQ(28, work(8));
	EXPECT_EQ(STEPS, steps);
	EXPECT_NE(set_pc, step_pc[0]);
	for (int i = 1; i < STEPS; i++)
		EXPECT_NE(step_pc[i - 1], step_pc[i]);
	EXPECT_EQ(ARCH_FLAG_STEP, context_flags & ARCH_FLAG_STEP);
}

CLAUSE(a_step_says_trap_trace_and_where,
       "sigaction(2) SIGTRAP: TRAP_TRACE, process trace trap, with si_addr the instruction that comes next, as the "
       "context's pc",
       .needed_by = USERS)
{
	if (!ARCH_FLAG_STEP)
		SKIP(return, "user code cannot set one");
	ASSERT_TRUE(steps_are_set());
	ASSERT_OK(send(SIGUSR1));
	EXPECT_EQ(28, work(8));
	ASSERT_EQ(STEPS, steps);
	EXPECT_EQ(0, other_codes);
	for (int i = 0; i < STEPS; i++)
		EXPECT_EQ(step_pc[i], (unsigned long)step_addr[i]);
}

CLAUSE(a_handler_is_not_stepped_as_the_code_it_interrupts,
       "arch/x86/kernel/signal.c handle_signal (5.10, 7.2) \"Clear TF for the case when it wasn't set by debugger "
       "to avoid the recursive send_sigtrap() in SIGTRAP handler\": a handler starts without it, of SIGTRAP or of "
       "another signal",
       .needed_by = USERS)
{
	if (!ARCH_FLAG_STEP)
		SKIP(return, "user code cannot set one");
	for (int blocks = 0; blocks < 2; blocks++) {
		IN_CHILD {
			steps_nest = true;
			ASSERT_TRUE(steps_are_set());
			if (!blocks)
				ASSERT_OK(raw_sigaction(SIGTRAP, arch_handler, SA_NODEFER));
			ASSERT_OK(send(SIGUSR1));
			EXPECT_EQ(28, work(8));
			EXPECT_EQ(STEPS, steps);
			EXPECT_EQ(STEPS, nested);
			EXPECT_EQ(0, entry_flags & ARCH_FLAG_STEP);
		}
	}
}

static void put(int sig, siginfo_t *info, void *uc)
{
	context_flags = UC_REG(uc, ARCH_REG_FLAGS);
	UC_REG(uc, ARCH_REG_FLAGS) = (context_flags & ~ARCH_FLAGS_STRICT) | put_flags;
}

CLAUSE(flags_that_make_checks_strict_are_restored_from_the_context,
       "sigreturn(2) DESCRIPTION, arch/x86/include/asm/sighandling.h FIX_EFLAGS (5.10, 7.2): the flag for checks of "
       "alignment is in the context as the interrupted code had it, and is taken from there as the handler leaves it",
       .needed_by = USERS)
{
	struct arch_regs in, out;

	if (!ARCH_FLAGS_STRICT)
		SKIP(return, "the ABI has none");
	arch_handler_then = put;
	ASSERT_OK(raw_sigaction(SIGUSR1, arch_handler, 0));
	for (int before = 0; before < 2; before++) {
		for (int after = 0; after < 2; after++) {
			unsigned long flags;

			regs_fill(&in, before);
			regs_set_syscall(&in, __NR_tgkill, getpid(), raw_syscall(__NR_gettid), SIGUSR1);
			in.r[ARCH_REG_FLAGS] &= ~ARCH_FLAGS_STRICT;
			if (before)
				in.r[ARCH_REG_FLAGS] |= ARCH_FLAGS_STRICT;
			put_flags = after ? ARCH_FLAGS_STRICT : 0;
			arch_syscall_regs(&in, &out, NULL);
			flags = out.r[ARCH_REG_FLAGS];
			// Back to what C runs under: another call, which loads other flags.
			put_flags = 0;
			in.r[ARCH_REG_FLAGS] &= ~ARCH_FLAGS_STRICT;
			arch_syscall_regs(&in, &out, NULL);
			EXPECT_EQ(after ? ARCH_FLAGS_STRICT : 0, flags & ARCH_FLAGS_STRICT)
				TH_LOG("from %d to %d", before, after);
			EXPECT_EQ(0, out.r[ARCH_REG_FLAGS] & ARCH_FLAGS_STRICT);
		}
	}
}
