// SPDX-License-Identifier: GPL-2.0-only
// How a signal handler starts and what its return restores, seen from every register.
#include "clause.h"

#include <linux/sched.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "regs.h"
#include "sigaction.h"
#include "sync.h"
#include "thread.h"

#define SEEDS    4
#define PATTERN  0x5a
#define ALTSTACK (128 * 1024)

// What note() saw when it last ran.
static struct {
	int times, sig;
	unsigned long args[3], back, sp, pc;
	unsigned int fp_control;
	bool red_zone_was_spared;
	struct arch_regs context;
} seen;

static struct arch_regs *edit;	// what note() puts into the ucontext, but for sp
static void *edit_sp;		// the sp it puts there
static void *junk;		// what it leaves in the vector registers

static void note(int sig, siginfo_t *info, void *uc)
{
	seen.fp_control = arch_fp_control();
	seen.times++;
	seen.sig = info->si_signo;
	for (int i = 0; i < 3; i++)
		seen.args[i] = ARCH_ENTRY_ARG(&arch_handler_regs, i);
	seen.back = ARCH_ENTRY_RETURN(&arch_handler_regs);
	seen.sp = arch_handler_regs.r[ARCH_REG_SP];
	seen.pc = UC_PC(uc);
	seen.red_zone_was_spared = true;
	for (int i = 1; i <= ARCH_REDZONE; i++)
		seen.red_zone_was_spared &= *((unsigned char *)UC_SP(uc) - i) == PATTERN;
	for (int i = 0; i < ARCH_REGS; i++) {
		seen.context.r[i] = UC_REG(uc, i);
		if (edit && i != ARCH_REG_SP)
			UC_REG(uc, i) = edit->r[i];
	}
	if (edit_sp)
		UC_SP(uc) = (unsigned long)edit_sp;
	if (sig == ARCH_TRAP_SIGNAL)
		ARCH_TRAP_SKIP(uc);
	if (sig == SIGILL)
		ARCH_UNDEFINED_SKIP(uc);
	if (sig == SIGUSR1 && seen.pc >= (unsigned long)arch_spin && seen.pc < (unsigned long)arch_spin_end)
		UC_PC(uc) = (unsigned long)arch_spin_end;
	if (junk)
		arch_vec_load(junk);
}

static long handle(int sig, unsigned long flags)
{
	arch_handler_then = note;
	return raw_sigaction(sig, arch_handler, flags);
}

CLAUSE(a_handler_has_signal_information_and_context_as_its_arguments,
       "sigaction(2) The siginfo_t argument to a SA_SIGINFO handler: void handler(int sig, siginfo_t *info, void"
       " *ucontext), passed as the ABI passes a function's arguments [SIG-2] [SIG-3]",
       .needed_by = "go:sigtramp glibc:sigaction jvm:javaSignalHandler")
{
	ASSERT_OK(handle(ARCH_TRAP_SIGNAL, 0));
	arch_trap();
	ASSERT_EQ(1, seen.times);
	EXPECT_EQ(ARCH_TRAP_SIGNAL, (int)seen.args[0]);
	EXPECT_EQ(ARCH_TRAP_SIGNAL, seen.sig);
	EXPECT_LE(seen.sp, seen.args[1]);
	EXPECT_LT(seen.sp, seen.args[2]);
}

CLAUSE(a_handler_starts_with_the_stack_aligned,
       "arch/x86/kernel/signal.c get_sigframe \"align the stack pointer according to the ABI\" and its like, e.g."
       " x86-64 psABI 3.2.2: a handler finds the stack aligned as every function does, wherever the signal stack ends"
       " [SIG-2]", .needed_by = "go:sigtramp glibc:sigaction jvm:javaSignalHandler")
{
	char *memory = mmap(NULL, ALTSTACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ASSERT_NE(MAP_FAILED, memory);
	ASSERT_OK(handle(ARCH_TRAP_SIGNAL, SA_ONSTACK));
	for (int i = 0; i <= 2 * ARCH_STACK_ALIGN; i++) {
		stack_t stack = { .ss_sp = memory, .ss_size = ALTSTACK - i };

		if (i)
			ASSERT_OK(raw_syscall(__NR_sigaltstack, &stack, NULL));
		arch_trap();
		EXPECT_EQ(0, (seen.sp + ARCH_ENTRY_SP_BIAS) % ARCH_STACK_ALIGN) {
			TH_LOG("sp is 0x%lx, and %d bytes were left free", seen.sp, i);
		}
	}
}

CLAUSE(a_handler_starts_with_the_flags_of_a_function_call,
       "arch/x86/kernel/signal.c handle_signal \"Clear the direction flag as per the ABI for function entry\":"
       " whatever the interrupted code had set, and the code gets it back [SIG-2]",
       .needed_by = "go:sigtramp glibc:sigaction")
{
	if (!ARCH_FLAGS_ENTRY_CLEAR)
		SKIP(return, "the ABI has no such flag");
	ASSERT_OK(handle(ARCH_TRAP_SIGNAL, 0));
	for (unsigned int seed = 0; seed < SEEDS; seed++) {
		struct arch_regs in, out;

		regs_fill(&in, seed);
		in.r[ARCH_REG_FLAGS] |= ARCH_FLAGS_ENTRY_CLEAR;
		arch_trap_regs(&in, &out, NULL);
		EXPECT_EQ(0, arch_handler_regs.r[ARCH_REG_FLAGS] & ARCH_FLAGS_ENTRY_CLEAR);
		EXPECT_EQ(ARCH_FLAGS_ENTRY_CLEAR, out.r[ARCH_REG_FLAGS] & ARCH_FLAGS_ENTRY_CLEAR);
	}
}

CLAUSE(a_handler_starts_with_default_floating_point_control,
       "arch/x86/kernel/signal.c handle_signal \"Ensure the signal handler starts with the new fpu state\": rounding"
       " and exception masks are those a program starts with, and the interrupted code gets its own back [SIG-5]",
       .commit = "66463db4fc56 x86, fpu: shift drop_init_fpu() from save_xstate_sig() to handle_signal()",
       .needed_by = "jvm:javaSignalHandler glibc:sigaction")
{
	unsigned int control;

	if (!ARCH_HANDLER_FP_DEFAULT)
		SKIP(return, "the ABI hands the interrupted code's control on");
	ASSERT_OK(handle(ARCH_TRAP_SIGNAL, 0));
	EXPECT_EQ(ARCH_FP_CONTROL_DEFAULT, arch_fp_control());
	arch_fp_control_set(ARCH_FP_CONTROL_OTHER);
	arch_trap();
	control = arch_fp_control();
	arch_fp_control_set(ARCH_FP_CONTROL_DEFAULT);
	EXPECT_EQ(ARCH_FP_CONTROL_DEFAULT, seen.fp_control);
	EXPECT_EQ(ARCH_FP_CONTROL_OTHER, control);
}

static int trap_in_thread(void *arg)
{
	struct arch_regs in = { { [ARCH_REG_FLAGS] = ARCH_FLAGS_FIXED } }, out;

	arch_trap_regs(&in, &out, NULL);
	return 0;
}

CLAUSE(a_signal_spares_the_red_zone,
       "x86-64 psABI 3.2.2: the area beyond the stack pointer \"is considered to be reserved and shall not be modified"
       " by signal or interrupt handlers\"", .needed_by = "glibc:sigaction rust:leaf-functions jvm:compiled-code")
{
	char *stack = mmap(NULL, ALTSTACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	long tid;

	if (!ARCH_REDZONE)
		SKIP(return, "the ABI has no red zone");
	ASSERT_NE(MAP_FAILED, stack);
	memset(stack, PATTERN, ALTSTACK);
	ASSERT_OK(handle(ARCH_TRAP_SIGNAL, 0));
	ASSERT_OK(tid = raw_clone(THREAD_FLAGS, stack + ALTSTACK, trap_in_thread, NULL, NULL, NULL, NULL));
	ASSERT_TRUE(wait_until(raw_syscall(__NR_tgkill, getpid(), tid, 0) == -ESRCH));
	EXPECT_EQ(1, seen.times);
	EXPECT_TRUE(seen.red_zone_was_spared);
}

CLAUSE(a_handler_returns_through_the_restorer_it_was_given,
       "sigreturn(2): the kernel arranges that the handler's return goes to the trampoline, the SA_RESTORER of the"
       " action where the ABI has one [SIG-2]",
       .needed_by = "go:sigreturn__sigaction glibc:__restore_rt musl:__restore_rt")
{
#ifdef ARCH_SA_RESTORER
	ASSERT_OK(handle(ARCH_TRAP_SIGNAL, 0));
	arch_trap();
	EXPECT_TRUE(!ARCH_SA_RESTORER || seen.back == (unsigned long)arch_restorer);
#else
	SKIP(return, "the ABI has no restorer");
#endif
}

CLAUSE(the_context_says_where_the_code_was_interrupted,
       "sigaction(2) ucontext and the processor manuals: pc is the instruction that faulted, or the one behind a trap"
       " [SIG-4]", .needed_by = "go:sigtramp jvm:ucontext_get_pc v8:TrapHandler")
{
	ASSERT_OK(handle(ARCH_TRAP_SIGNAL, 0));
	ASSERT_OK(handle(SIGILL, 0));
	arch_trap();
	EXPECT_EQ(ARCH_TRAP_SIGNAL, seen.sig);
	EXPECT_EQ((unsigned long)arch_trap + (ARCH_TRAP_PC_AFTER ? ARCH_TRAP_LENGTH : 0), seen.pc);
	arch_undefined();
	EXPECT_EQ(SIGILL, seen.sig);
	EXPECT_EQ((unsigned long)arch_undefined + (ARCH_UNDEFINED_PC_AFTER ? ARCH_UNDEFINED_LENGTH : 0), seen.pc);
	EXPECT_EQ(2, seen.times);
}

CLAUSE(the_context_holds_every_register_of_the_interrupted_code,
       "sigaction(2) ucontext, getcontext(3) uc_mcontext: the machine-specific representation of the saved context,"
       " every general register and the flags [SIG-4]",
       .needed_by = "go:sigtramp jvm:os.fetch_frame_from_context v8:RegisterState")
{
	ASSERT_OK(handle(ARCH_TRAP_SIGNAL, 0));
	for (unsigned int seed = 0; seed < SEEDS; seed++) {
		struct arch_regs in, out;

		regs_fill(&in, seed);
		arch_trap_regs(&in, &out, NULL);
		EXPECT_REGS(&in, &seen.context, 0);
	}
}

CLAUSE(the_return_restores_every_register,
       "sigreturn(2) DESCRIPTION: the process's context - processor flags and registers, stack pointer, floating point"
       " and vectors - is as it was, whatever the handler did to it [SRT-3] [incident 1] [CPU-1] [incident 5]"
       " [incident 3]",
       .needed_by = "go:sigreturn__sigaction jvm:safepoints")
{
	ASSERT_OK(handle(ARCH_TRAP_SIGNAL, 0));
	junk = vec_block(99);
	for (unsigned int seed = 0; seed < SEEDS; seed++) {
		void *was = vec_block(seed), *is = vec_copy(was);
		struct arch_regs in, out;

		regs_fill(&in, seed);
		arch_trap_regs(&in, &out, is);
		EXPECT_REGS(&in, &out, 0);
		EXPECT_VEC(was, is);
		free(was);
		free(is);
	}
}

CLAUSE(the_return_into_a_system_calls_end_restores_every_register,
       "sigreturn(2) DESCRIPTION: a signal taken on the way out of a system call leaves it with its result and with"
       " the registers that a system call keeps [SIG-5] [ABI-1]", .needed_by = "go:raiseproc go:signalM glibc:raise")
{
	ASSERT_OK(handle(SIGUSR2, 0));
	junk = vec_block(99);
	for (unsigned int seed = 0; seed < SEEDS; seed++) {
		void *was = vec_block(seed), *is = vec_copy(was);
		struct arch_regs in, out;

		regs_fill(&in, seed);
		regs_set_syscall(&in, __NR_tgkill, getpid(), raw_syscall(__NR_gettid), SIGUSR2);
		arch_syscall_regs(&in, &out, is);
		EXPECT_EQ(seed + 1, seen.times);
		EXPECT_EQ(0, arch_regs_result(&out));
		EXPECT_REGS(&in, &out, ARCH_SYSCALL_CLOBBERS);
		EXPECT_VEC_AFTER_SYSCALL(was, is);
		free(was);
		free(is);
	}
}

static int send_until_told(void *over)
{
	int pid = raw_syscall(__NR_getpid);

	while (!__atomic_load_n((int *)over, __ATOMIC_ACQUIRE)) {
		raw_syscall(__NR_tgkill, pid, pid, SIGUSR1);
		raw_syscall(__NR_sched_yield);
	}
	return 0;
}

CLAUSE(a_signal_at_any_instruction_restores_every_register,
       "sigreturn(2) DESCRIPTION: a signal that comes from another thread in the midst of a computation leaves no"
       " trace in the registers [SIG-5]", .needed_by = "go:signalM go:setThreadCPUProfiler jvm:SuspendedThreadTask")
{
	ASSERT_OK(handle(SIGUSR1, 0));
	junk = vec_block(99);
	for (unsigned int seed = 0; seed < SEEDS; seed++) {
		void *was = vec_block(seed), *is = vec_copy(was);
		struct arch_regs in, out;
		struct thread t;
		int over = 0;

		regs_fill(&in, seed);
		ASSERT_OK(thread_start(&t, send_until_told, &over));
		arch_spin_regs(&in, &out, is);
		__atomic_store_n(&over, 1, __ATOMIC_RELEASE);
		ASSERT_TRUE(thread_join(&t));
		EXPECT_REGS(&in, &out, 0);
		EXPECT_VEC(was, is);
		free(was);
		free(is);
	}
}

CLAUSE(what_a_handler_writes_into_the_context_takes_effect,
       "sigreturn(2) DESCRIPTION: the context is restored from the frame on the stack, as the handler leaves it: every"
       " general register and the flags", .needed_by = "go:signalM jvm:os.set_pc v8:TrapHandler")
{
	ASSERT_OK(handle(ARCH_TRAP_SIGNAL, 0));
	for (unsigned int seed = 0; seed < SEEDS; seed++) {
		struct arch_regs in, out, other;

		regs_fill(&in, seed);
		regs_fill(&other, seed + SEEDS);
		edit = &other;
		arch_trap_regs(&in, &out, NULL);
		EXPECT_REGS(&other, &out, 1ul << ARCH_REG_SP);
	}
}

static struct arch_regs elsewhere;
static int has_moved;

static void end_elsewhere(void)
{
	__atomic_store_n(&has_moved, 1, __ATOMIC_RELEASE);
	raw_syscall(__NR_exit, 0);
}

CLAUSE(a_stack_pointer_written_into_the_context_takes_effect,
       "sigreturn(2) DESCRIPTION: the stack pointer comes from the frame as well: a handler may move a thread to"
       " another stack", .needed_by = "go:signalM jvm:os.set_pc")
{
	char *stack = mmap(NULL, ALTSTACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct thread t;

	ASSERT_NE(MAP_FAILED, stack);
	edit_sp = arch_regs_stack(stack + ALTSTACK, &elsewhere, NULL, end_elsewhere);
	ASSERT_OK(handle(ARCH_TRAP_SIGNAL, 0));
	ASSERT_OK(thread_start(&t, trap_in_thread, NULL));
	ASSERT_TRUE(thread_join(&t));
	EXPECT_EQ(1, has_moved);
	EXPECT_EQ((unsigned long)edit_sp, elsewhere.r[ARCH_REG_SP]);
}
