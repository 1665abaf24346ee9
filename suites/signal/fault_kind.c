// SPDX-License-Identifier: GPL-2.0-only
// SIGFPE, SIGILL and SIGTRAP: what an instruction did wrong, and the pc that the handler sees.
#include "clause.h"

#include <fenv.h>
#include <limits.h>

#include "fault.h"

#define USERS "go:sigpanic jvm:PosixSignals::pd_hotspot_signal_handler"

// An si_code of the kernel itself comes without an address.
static siginfo_t instruction_fault(int sig, int code, const void *pc)
{
	return fault_of(sig, code, code == SI_KERNEL ? NULL : pc);
}

CLAUSE(an_integer_division_that_cannot_be_is_intdiv_at_its_pc,
       "sigaction(2) SIGFPE: FPE_INTDIV, integer divide by zero, or with a quotient that does not fit, with si_addr "
       "and the pc those of the "
       "division [SIGINFO-2]", .needed_by = USERS)
{
	static const struct { int n, d; } divisions[] = { { 1, 0 }, { 0, 0 }, { -7, 0 }, { INT_MIN, -1 } };
	volatile unsigned long pc = 0;

	if (!ARCH_DIVIDE_TRAPS)
		SKIP(return, "the CPU divides by zero without a signal");
	ASSERT_OK(keep_faults());
	EXPECT_EQ(-3, arch_divide(-7, 2, (unsigned long *)&pc));
	EXPECT_FAULT(fault_of(SIGFPE, FPE_INTDIV, (void *)pc), arch_divide(1, 0, (unsigned long *)&pc));
	FOR_EACH(i, divisions) {
		EXPECT_FAULT(fault_of(SIGFPE, FPE_INTDIV, (void *)pc),
			     arch_divide(divisions[i].n, divisions[i].d, (unsigned long *)&pc));
		EXPECT_EQ(pc, fault_pc);
	}
}

static volatile double result, zero = 0.0, one = 1.0, three = 3.0, huge = 1e308, tiny = 1e-308;
static volatile float single;

static void divide_by_zero(void)
{
	result = one / zero;
	result = result + zero;
}

static void make_nan(void)
{
	result = zero / zero;
	result = result + zero;
}

static void overflow(void)
{
	result = huge * huge;
	result = result * huge;
	single = result;
}

static void underflow(void)
{
	result = tiny * tiny;
	result = result * tiny;
	single = result;
}

static void round_off(void)
{
	result = one / three;
	result = result + zero;
}

static const struct float_fault {
	const char *name;
	int exception, code;
	void (*cause)(void);
} float_faults[] = {
	{ "division by zero", FE_DIVBYZERO, FPE_FLTDIV, divide_by_zero },
	{ "invalid",          FE_INVALID,   FPE_FLTINV, make_nan },
	{ "overflow",         FE_OVERFLOW,  FPE_FLTOVF, overflow },
	{ "underflow",        FE_UNDERFLOW, FPE_FLTUND, underflow },
	{ "inexact",          FE_INEXACT,   FPE_FLTRES, round_off },
};

CLAUSE(a_floating_point_exception_has_its_own_code,
       "sigaction(2) SIGFPE: FPE_FLTDIV, FPE_FLTOVF, FPE_FLTUND, FPE_FLTRES and FPE_FLTINV for the exception that was "
       "enabled, with the address "
       "of an instruction", .needed_by = "glibc:feenableexcept")
{
	if (!ARCH_FP_TRAPS)
		SKIP(return, "floating-point exceptions raise no signal on this CPU");
	ASSERT_OK(keep_faults());
	FOR_EACH(i, float_faults) {
		bool faulted = FAULTS({
			arch_fp_traps(float_faults[i].exception);
			float_faults[i].cause();
		});

		arch_fp_control_set(ARCH_FP_CONTROL_DEFAULT);
		if (!faulted)
			SKIP(return, "the CPU does not trap, as emulated ones do not");
		EXPECT_EQ(SIGFPE, kept.si_signo);
		EXPECT_EQ(float_faults[i].code, kept.si_code) {
			TH_LOG("of %s", float_faults[i].name);
		}
		EXPECT_NE(NULL, kept.si_addr);
	}
}

CLAUSE(floating_point_exceptions_raise_nothing_unless_enabled,
       "fenv(3), signal(7): a program starts with floating-point exceptions masked: they give infinities and NaNs and "
       "no signal",
       .needed_by = "go:math")
{
	ASSERT_OK(keep_faults());
	FOR_EACH(i, float_faults)
		EXPECT_FALSE(FAULTS(float_faults[i].cause()));
	EXPECT_EQ(0, times_kept);
}

CLAUSE(an_undefined_instruction_is_sigill_at_its_pc,
       "sigaction(2) SIGILL: a positive ILL_ code, illegal operand or opcode as the CPU tells, with si_addr and the pc "
       "those of the instruction "
       "[SIGINFO-2]", .needed_by = USERS)
{
	ASSERT_OK(keep_faults());
	EXPECT_FAULT(instruction_fault(SIGILL, ARCH_UNDEFINED_CODE, (void *)arch_undefined), arch_undefined());
	EXPECT_EQ((unsigned long)arch_undefined + (ARCH_UNDEFINED_PC_AFTER ? ARCH_UNDEFINED_LENGTH : 0), fault_pc);
}

CLAUSE(a_breakpoint_is_sigtrap_with_the_pc_of_its_abi,
       "sigaction(2) SIGTRAP, arch/x86/kernel/traps.c do_int3_user (7.2): a breakpoint instruction is TRAP_BRKPT with "
       "its address, or SI_KERNEL on "
       "x86; the pc is at it, or behind it on x86 [SIGINFO-2]", .needed_by = "go:breakpoint v8:OS::DebugBreak")
{
	ASSERT_OK(keep_faults());
	EXPECT_FAULT(instruction_fault(ARCH_TRAP_SIGNAL, ARCH_TRAP_CODE, (void *)arch_trap), arch_trap());
	EXPECT_EQ((unsigned long)arch_trap + (ARCH_TRAP_PC_AFTER ? ARCH_TRAP_LENGTH : 0), fault_pc);
}

static volatile int skipped;

static void skip_instruction(int sig, siginfo_t *info, void *ucontext)
{
	skipped++;
	if (sig == ARCH_TRAP_SIGNAL)
		ARCH_TRAP_SKIP(ucontext);
	else
		ARCH_UNDEFINED_SKIP(ucontext);
}

CLAUSE(a_handler_can_go_on_behind_the_instruction,
       "sigaction(2), kernel/signal.c force_sig_fault (7.2): the fault is raised each time the instruction is "
       "executed, once, and a handler "
       "that moves the pc ends it", .needed_by = "jvm:PosixSignals::pd_hotspot_signal_handler")
{
	ASSERT_OK(raw_sigaction(ARCH_TRAP_SIGNAL, skip_instruction, 0));
	ASSERT_OK(raw_sigaction(SIGILL, skip_instruction, 0));
	for (int i = 1; i <= 200; i++) {
		arch_trap();
		arch_undefined();
		ASSERT_EQ(2 * i, skipped);
	}
}

static volatile int deepest;

static void fault_again(int sig, siginfo_t *info, void *ucontext)
{
	if (deepest == 5)
		siglongjmp(behind_the_fault, 1);
	deepest++;
	load(info->si_addr);
}

CLAUSE(with_nodefer_a_handler_can_fault_itself,
       "sigaction(2) SA_NODEFER: the signal is not blocked in its own handler: a fault there is handled like the one "
       "before", .needed_by = USERS)
{
	ASSERT_OK(raw_sigaction(SIGSEGV, fault_again, SA_NODEFER));
	EXPECT_TRUE(FAULTS(load(unmapped_page())));
	EXPECT_EQ(5, deepest);
}

static volatile int order[4], ran;

static void note_order(int sig, siginfo_t *info, void *ucontext)
{
	order[ran++ % 4] = info->si_code > 0 ? sig : -sig;
	if (sig == ARCH_TRAP_SIGNAL && info->si_code > 0)
		ARCH_TRAP_SKIP(ucontext);
}

CLAUSE(a_fault_comes_with_its_own_information_beside_a_sent_signal,
       "sigaction(2) The siginfo_t argument: a fault is told from a signal of the same number that was sent: each has "
       "its own si_code, whichever "
       "comes first [SIGINFO-2]", .needed_by = USERS)
{
	ASSERT_OK(raw_sigaction(ARCH_TRAP_SIGNAL, note_order, 0));
	ASSERT_OK(raw_syscall(__NR_tgkill, getpid(), getpid(), ARCH_TRAP_SIGNAL));
	arch_trap();
	ASSERT_OK(raw_syscall(__NR_tgkill, getpid(), getpid(), ARCH_TRAP_SIGNAL));
	EXPECT_EQ(3, ran);
	EXPECT_EQ(-ARCH_TRAP_SIGNAL, order[0]);
	EXPECT_EQ(ARCH_TRAP_SIGNAL, order[1]);
	EXPECT_EQ(-ARCH_TRAP_SIGNAL, order[2]);
}
