// SPDX-License-Identifier: GPL-2.0-only
// The contract of a port, and the defaults for what most ports share; each arch/<abi>/arch.h ends by including this.
//
// A port is a folder: arch.h and arch.S here, arch_vec.h where there are vector registers, target.toml for the driver.
// Where a liar (harness/liar) is built, arch_trace.h knows the registers of traced tasks: arch_trace_generic.h.
// Adding an architecture adds the folder and touches nothing else. Assembly only moves registers from and to memory;
// what can be said in C is said in C. suites/arch checks on the machine itself that a port keeps this contract.
#ifndef ARCH_GENERIC_H
#define ARCH_GENERIC_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* ---- System calls and tasks ---------------------------------------------------------------------------------- */

// Six arguments in, the value or -errno out. Defined inline by each port.
//	static inline long raw_syscall6(long nr, long a, long b, long c, long d, long e, long f);

// From here on no system call of this process goes through the vDSO; nothing to do where none does.
#ifndef arch_leave_vdso
#define arch_leave_vdso() ((void)0)
#endif

// Creates a task that runs fn(arg) on the given stack (its highest address) and ends with exit(2) of fn's result,
// never returning into the caller's frames. With stack NULL it runs below the caller's frame, on what clone(2) left
// there: a copy (without CLONE_VM) or, of a caller that CLONE_VFORK suspends, the stack itself. parent_tid, tls and
// child_tid are passed as they are, whatever flags say; arch_tls_arg() makes a tls. Returns the tid or -errno.
long raw_clone(unsigned long flags, void *stack, int (*fn)(void *), void *arg,
	       int *parent_tid, void *tls, int *child_tid);

// As raw_clone, by clone3(2); the stack is in args.
struct clone_args;
long raw_clone3(struct clone_args *args, size_t size, int (*fn)(void *), void *arg);

// As vfork(2): fn(arg) runs in the caller's memory, on its stack, while the caller waits for its exit(2) or exec.
#define raw_vfork(flags, fn, arg) \
	raw_clone(0x4100 /* VM VFORK */ | SIGCHLD | (flags), NULL, fn, arg, NULL, NULL, NULL)

// Ends the calling thread with exit(2) after unmapping [stack, stack + size), which may be the one it runs on.
void raw_unmap_and_exit(void *stack, size_t size, int status) __attribute__((noreturn));

/* ---- Registers ----------------------------------------------------------------------------------------------- */

// struct arch_regs { unsigned long r[ARCH_REGS]; }: every general register and the flags, in the port's order.
//	ARCH_REG_SP, ARCH_REG_FLAGS, ARCH_REG_NR, ARCH_REG_RET: indices. An ABI without flags has an index for them all
//	the same; nothing is loaded from there, 0 is stored, and UC_REG has *arch_no_flags()
//	ARCH_REG_ARG(i): index of a system call's argument 0 to 5
//	ARCH_REG_NAMES: initialiser of as many strings
//	arch_regs_result(regs): what the system call returned, a value or -errno
//	ARCH_SYSCALL_CLOBBERS, ARCH_CALL_CLOBBERS: bit per index, what a system call, a function may leave changed
//	ARCH_FLAGS_FREE: bits of the flags that user code may set as it likes and that nobody else changes
//	ARCH_FLAGS_FIXED: bits that must be set in what is loaded
//	ARCH_FLAGS_ENTRY_CLEAR: bits that the ABI has clear whenever a function starts
//	ARCH_FLAGS_STRICT: bits that user code may set too and that C cannot run under, as misaligned data then trap
//	ARCH_FLAG_STEP: the bit that raises SIGTRAP, TRAP_TRACE, after each instruction; 0 for none that user code can set
struct arch_regs;

#ifndef ARCH_FLAGS_STRICT
#define ARCH_FLAGS_STRICT 0UL
#endif
#ifndef ARCH_FLAG_STEP
#define ARCH_FLAG_STEP 0UL
#endif

static inline unsigned long *arch_no_flags(void)
{
	static unsigned long none;

	return &none;
}

// Four events, each with every register known before and after it: every register but sp is loaded from *in, the sp
// of the event is noted in *in, the event happens, every register is stored to *out. The red zone below that sp is not
// touched before. With a block of arch_vec.h the vector registers are loaded and stored as well, from and to vec.
void arch_syscall_regs(struct arch_regs *in, struct arch_regs *out, void *vec);
// A trap as arch_trap() raises it; a handler of ARCH_TRAP_SIGNAL must leave UC_PC behind it, by ARCH_TRAP_SKIP.
void arch_trap_regs(struct arch_regs *in, struct arch_regs *out, void *vec);
// A jump to itself, at arch_spin: lasts until a handler sets UC_PC to arch_spin_end.
void arch_spin_regs(struct arch_regs *in, struct arch_regs *out, void *vec);
extern const char arch_spin[], arch_spin_end[];
// A call of fn, its arguments those of ARCH_REG_ARG(i), i < 5, wherever the ABI passes a function's.
void arch_call_regs(struct arch_regs *in, struct arch_regs *out, void *vec, const void *fn);

// What a clone that arch_syscall_regs makes needs on its own stack, which ends at top: the child stores its registers
// to *out (and vec) as well and goes on in then(), which must not return. Returns the stack to give to clone, which
// stands in ARCH_CLONE_ARGS, the first two arguments of clone(2) in the ABI's order.
//	static inline void *arch_regs_stack(void *top, struct arch_regs *out, void *vec, void (*then)(void));
#ifndef ARCH_CLONE_ARGS
#define ARCH_CLONE_ARGS(flags, stack) (long)(flags), (long)(stack)
#endif
#ifndef arch_regs_result
#define arch_regs_result(regs) ((long)(regs)->r[ARCH_REG_RET])
#endif
#ifndef arch_call_result	/* of a function of the vDSO that arch_call_regs called */
#define arch_call_result arch_regs_result
#endif

/* ---- Floating point ------------------------------------------------------------------------------------------ */

// Rounding modes, exception masks and the like, as one word.
//	static inline unsigned int arch_fp_control(void);
//	static inline void arch_fp_control_set(unsigned int control);
//	ARCH_FP_CONTROL_DEFAULT; ARCH_FP_CONTROL_OTHER: one that user code may set and that harms no integer code
//	ARCH_HANDLER_FP_DEFAULT: 1 where a signal handler starts with the default, 0 where with the interrupted one

// Vector registers and everything else beside the general ones: arch_vec.h.

// Register files and instruction sets by name, for .needs = "cpu=...".
//	static inline bool arch_has_cpu_feature(const char *name);

/* ---- Signals ------------------------------------------------------------------------------------------------- */

// rt_sigaction(2)'s structures, as the kernel of this ABI has them; a set has signal n in bit (n - 1) of its words.
#ifndef ARCH_SIGSET_BYTES
#define ARCH_SIGSET_BYTES 8
#endif
struct kernel_sigset {
	unsigned long word[ARCH_SIGSET_BYTES / sizeof(unsigned long)];
};
#ifndef ARCH_KERNEL_SIGACTION
struct kernel_sigaction {
	void (*handler)(int, siginfo_t *, void *);
	unsigned long flags;
#ifdef ARCH_SA_RESTORER
	void (*restorer)(void);
#endif
	struct kernel_sigset mask;
};
#endif

// ARCH_SA_RESTORER: SA_RESTORER where a handler of SA_SIGINFO returns through arch_restorer, a bare rt_sigreturn stub;
// 0 where the structure has the field and the kernel its own trampoline; not defined where there is no such field.
#ifdef ARCH_SA_RESTORER
void arch_restorer(void);
#endif

// What a handler may read and edit in its ucontext: lvalues of unsigned long.
//	UC_REG(uc, i): register i of struct arch_regs; UC_PC(uc)
#define UC_SP(uc)      UC_REG(uc, ARCH_REG_SP)
#define UC_RET(uc)     UC_REG(uc, ARCH_REG_RET)		// result of the interrupted system call
#define UC_ARG(uc, i)  UC_REG(uc, ARCH_REG_ARG(i))
#define UC_MASK(uc)    (*(struct kernel_sigset *)&((ucontext_t *)(uc))->uc_sigmask)

// Raises ARCH_TRAP_SIGNAL, as arch_trap(), with the register of rights to memory by protection keys (cpu=pku) at this
// value, of which ARCH_NO_RIGHTS closes every key; nothing but code is touched under it. Returns what it is afterwards.
#ifndef ARCH_NO_RIGHTS
#define ARCH_NO_RIGHTS 0U
static inline unsigned int arch_trap_under_rights(unsigned int rights)
{
	return rights;
}
#endif

// A handler for sigaction(2) that notes in arch_handler_regs every register as the kernel set it, runs
// arch_handler_then with the stack and flags that C needs, and returns with no register but sp as it was. Not for
// two threads at once. On such registers:
//	ARCH_ENTRY_ARG(regs, i), ARCH_ENTRY_RETURN(regs): the arguments and the return address that a function sees
//	ARCH_ENTRY_SP_BIAS: what must be added to sp for a multiple of ARCH_STACK_ALIGN when a function starts
void arch_handler(int sig, siginfo_t *info, void *ucontext);
extern struct arch_regs arch_handler_regs;
extern void (*arch_handler_then)(int sig, siginfo_t *info, void *ucontext);

// Functions whose first instruction raises ARCH_TRAP_SIGNAL, SIGILL. The reported pc is that instruction, or, where
// ARCH_TRAP_PC_AFTER or ARCH_UNDEFINED_PC_AFTER is 1, the one behind it; ARCH_TRAP_LENGTH and ARCH_UNDEFINED_LENGTH are
// their sizes.
void arch_trap(void);
void arch_undefined(void);
#define ARCH_TRAP_SKIP(uc)      (UC_PC(uc) += ARCH_TRAP_PC_AFTER ? 0 : ARCH_TRAP_LENGTH)
#define ARCH_UNDEFINED_SKIP(uc) (UC_PC(uc) += ARCH_UNDEFINED_PC_AFTER ? 0 : ARCH_UNDEFINED_LENGTH)
#ifndef ARCH_TRAP_SIGNAL
#define ARCH_TRAP_SIGNAL        SIGTRAP
#endif
#ifndef ARCH_UNDEFINED_PC_AFTER
#define ARCH_UNDEFINED_PC_AFTER 0
#endif

// What faults say, where ports differ: ARCH_TRAP_CODE and ARCH_UNDEFINED_CODE, the si_code of the two above (one from
// the kernel, SI_KERNEL, comes without an address); ARCH_FAULT_GRAIN: si_addr of a page fault is a multiple of it.
#ifndef ARCH_TRAP_CODE
#define ARCH_TRAP_CODE TRAP_BRKPT
#endif
#ifndef ARCH_UNDEFINED_CODE
#define ARCH_UNDEFINED_CODE ILL_ILLOPC
#endif
#ifndef ARCH_FAULT_GRAIN
#define ARCH_FAULT_GRAIN 1
#endif

// Addresses that no process can map: one of the kernel's, and one that the CPU refuses to translate (SI_KERNEL, no
// address); 0 where there is none.
#ifndef ARCH_KERNEL_ADDRESS
#define ARCH_KERNEL_ADDRESS 0UL
#endif
#ifndef ARCH_NONCANONICAL
#define ARCH_NONCANONICAL 0UL
#endif

// ARCH_DIVIDE_TRAPS 1: an integer division by zero, or whose quotient does not fit, raises SIGFPE. arch_divide() is one
// such instruction, whose address it notes in *pc before.
#ifndef ARCH_DIVIDE_TRAPS
#define ARCH_DIVIDE_TRAPS 0
static inline int arch_divide(int n, int d, unsigned long *pc)
{
	return 0;
}
#endif

// ARCH_FP_TRAPS 1: floating-point exceptions can raise SIGFPE: those of the FE_* bits once arch_fp_traps() was called.
#ifndef ARCH_FP_TRAPS
#define ARCH_FP_TRAPS 0
static inline void arch_fp_traps(int exceptions)
{
}
#endif

/* ---- Threads and the vDSO ------------------------------------------------------------------------------------ */

// The thread pointer of the calling thread, as the CPU has it; the tls argument that makes raw_clone give a thread
// that one. What tp points at must have room for a word, which arch_tls_arg() fills where the ABI wants it.
//	struct arch_tls;
//	static inline unsigned long arch_tp(void);
//	static inline void *arch_tls_arg(struct arch_tls *storage, void *tp);

// VDSO_VERSION "LINUX_2.6"; VDSO_CLOCK_GETTIME and VDSO_CLOCK_GETRES (as NR_CLOCK_GETTIME: with 64-bit time),
// VDSO_CLOCK_GETTIME32 (with 32-bit time), VDSO_GETTIMEOFDAY, VDSO_TIME, VDSO_GETCPU, VDSO_GETRANDOM: names, NULL where
// no kernel of the ABI has one. VDSO_HASH_SYSV, VDSO_HASH_GNU: 1 where the table must be there since 5.10.
// ARCH_ELF_HASH_WORD: the type of DT_HASH's entries.
#ifndef ARCH_ELF_HASH_WORD
#define ARCH_ELF_HASH_WORD uint32_t
#endif

// Calls a function of the vDSO; the result is a value or -errno, as a system call's. (int) of it for one that is int.
#ifndef ARCH_VDSO_CALL
static inline long arch_vdso_call(const void *fn, long a, long b, long c, long d, long e)
{
	return ((long (*)(long, long, long, long, long))fn)(a, b, c, d, e);
}
#endif

/* ---- Restartable sequences ----------------------------------------------------------------------------------- */

// ARCH_HAS_RSEQ 1: the port has a critical section of rseq(2), and what is between the three labels is that of all
// clauses; they make its descriptor themselves. Its last act before arch_rseq_start is the store of cs to
// area->rseq_cs (all 64 bits of it). In it: reads *word, counts up *entered, and loops until *word differs from what
// was read; then it has reached arch_rseq_end and arch_rseq_spin returns 0. At arch_rseq_abort, with ARCH_RSEQ_SIG as
// a 32-bit word (of data) in front, it returns 1. No memory but these two words is touched between start and end.
struct rseq;
struct rseq_cs;
#ifndef ARCH_HAS_RSEQ
#define ARCH_HAS_RSEQ 0
#define arch_rseq_start ((const char *)0)
#define arch_rseq_end   ((const char *)0)
#define arch_rseq_abort ((const char *)0)
static inline int arch_rseq_spin(volatile struct rseq *area, const struct rseq_cs *cs, volatile uint32_t *entered, volatile uint32_t *word)
{
	return -1;
}
#else
int arch_rseq_spin(volatile struct rseq *area, const struct rseq_cs *cs, volatile uint32_t *entered, volatile uint32_t *word);
extern const char arch_rseq_start[], arch_rseq_end[], arch_rseq_abort[];
#endif

/* ---- Facts --------------------------------------------------------------------------------------------------- */

// ARCH_NAME (the folder), ARCH_STACK_ALIGN, ARCH_REDZONE (bytes below sp that a signal must spare), ARCH_MINSIGSTKSZ
// (the uapi constant), ARCH_AUDIT (AUDIT_ARCH_*), ARCH_RSEQ_SIG, ARCH_ELF_CLASS, ARCH_ELF_MACHINE, ARCH_PLATFORM (what
// AT_PLATFORM must say, or NULL). arch_pause() is a hint for loops that wait.

// The pc at the first instruction of a function, of its address.
#ifndef ARCH_PC_OF
#define ARCH_PC_OF(address) (address)
#endif

// 1 where the ABI lets an address given to a system call hold a tag in its top byte.
#ifndef ARCH_IGNORES_TOP_BYTE
#define ARCH_IGNORES_TOP_BYTE 0
#endif

// Bits of a system call's number, of the low 32, that the kernel does not look at; one that calls another ABI of the
// machine, and whether (true also where that is not known) the kernel has it.
#ifndef ARCH_NR_IGNORED_BITS
#define ARCH_NR_IGNORED_BITS 0U
#endif
#ifndef ARCH_NR_OTHER_ABI
#define ARCH_NR_OTHER_ABI 0U
#define ARCH_NR_OTHER_ABI_IS_THERE() false
#endif

// The first number of those that are no system calls but the port's own, unsigned: what is not there may be SIGILL.
#ifndef ARCH_NR_OWN
#define ARCH_NR_OWN 0xffffffffU
#endif

// Types of the auxiliary vector that are padding and may come more than once.
#ifndef ARCH_AUX_MAY_REPEAT
#define ARCH_AUX_MAY_REPEAT(type) ((type) == 1 /* AT_IGNORE */)
#endif

// ARCH_HAS_HWCAP_CHECKS 1: the port can compare AT_HWCAP and AT_HWCAP2 with the CPU's own word (NULL if they fit, else
// what does not), and has functions that use what a bit of them names; only_if_named: that end in SIGILL without it.
struct arch_hwcap_use {
	const char *name;
	unsigned long type, bits;
	bool only_if_named;
	void (*use)(void);
};
#ifndef ARCH_HAS_HWCAP_CHECKS
#define ARCH_HAS_HWCAP_CHECKS 0
static inline const char *arch_hwcap_mismatch(unsigned long hwcap, unsigned long hwcap2)
{
	return NULL;
}

static inline const struct arch_hwcap_use *arch_hwcap_uses(void)
{
	static const struct arch_hwcap_use none;

	return &none;
}
#endif

// 1 where programs get AT_SYSINFO, a system call entry in the vDSO.
#ifndef ARCH_HAS_AT_SYSINFO
#define ARCH_HAS_AT_SYSINFO 0
#endif

// The first release whose programs get AT_MINSIGSTKSZ, by KERNEL(); none of this ABI promises it unless its port says so.
#ifndef ARCH_AT_MINSIGSTKSZ_SINCE
#define ARCH_AT_MINSIGSTKSZ_SINCE KERNEL(0xffff, 0)
#endif

#endif
