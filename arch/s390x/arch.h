// SPDX-License-Identifier: GPL-2.0-only
// s390x: number in r1, arguments in r2 to r7, result in r2; no other register is lost.
#ifndef ARCH_H
#define ARCH_H

#define ARCH_NAME "s390x"

// mmap(2) alone takes its arguments as a block in memory.
static inline long raw_syscall6(long nr, long a, long b, long c, long d, long e, long f)
{
	enum { MMAP = 90 };
	long block[] = { a, b, c, d, e, f };
	register long r1 __asm__("1") = nr;
	register long r2 __asm__("2") = nr == MMAP ? (long)block : a;
	register long r3 __asm__("3") = b;
	register long r4 __asm__("4") = c;
	register long r5 __asm__("5") = d;
	register long r6 __asm__("6") = e;
	register long r7 __asm__("7") = f;

	__asm__ volatile("svc 0"
			 : "+d"(r2)
			 : "d"(r1), "d"(r3), "d"(r4), "d"(r5), "d"(r6), "d"(r7)
			 : "memory");
	return r2;
}

// The structure has the field, and the vDSO the trampoline.
#define ARCH_SA_RESTORER 0
#define ARCH_CLONE_ARGS(flags, stack) (long)(stack), (long)(flags)
#define ARCH_ELF_HASH_WORD uint64_t

// A breakpoint is an operation exception, and SIGTRAP for a tracer alone.
#define ARCH_TRAP_SIGNAL SIGILL
#define ARCH_TRAP_CODE   ILL_ILLOPC
#define ARCH_UNDEFINED_PC_AFTER 1

// The CPU names the page of a fault.
#define ARCH_FAULT_GRAIN 4096
#define ARCH_NR_IGNORED_BITS 0xffff0000U

#include "arch_generic.h"

#include <sys/auxv.h>

#define ARCH_REG_NAMES { "r0", "r1", "r2", "r3", "r4", "r5", "r6", "r7", "r8", "r9", "r10", "r11", "r12", "r13", "r14", \
			 "r15", "condition code" }
#define ARCH_REGS              17
#define ARCH_REG_NR            1
#define ARCH_REG_RET           2
#define ARCH_REG_SP            15
#define ARCH_REG_FLAGS         16
#define ARCH_REG_ARG(i)        (2 + (i))
#define ARCH_SYSCALL_CLOBBERS  (1UL << 2)
#define ARCH_CALL_CLOBBERS     (0x3fUL | 1UL << 14 | 1UL << 16)

// The flags are the mask of the PSW: the condition code is free, 64-bit addressing is not.
#define ARCH_FLAGS_FREE        0x0000300000000000UL
#define ARCH_FLAGS_FIXED       0x0000000180000000UL
#define ARCH_FLAGS_ENTRY_CLEAR 0UL

struct arch_regs {
	unsigned long r[ARCH_REGS];
};

// The frame of arch.S: a callee's save area, out, vec, no function, a scratch word, r6 to r14 (the last is where to go
// on), f8 to f15; and the save area of what is gone on in.
static inline void *arch_regs_stack(void *top, struct arch_regs *out, void *vec, void (*then)(void))
{
	unsigned long *words = (unsigned long *)((unsigned long)top & -8UL) - 41 - 20;

	memset(words, 0, (41 + 20) * sizeof(*words));
	words[20] = (unsigned long)out;
	words[21] = (unsigned long)vec;
	words[32] = (unsigned long)then;
	return words;
}

// The PSW's mask and address, r0 to r15.
#define UC_WORDS(uc)             ((unsigned long *)((uintptr_t)(uc) + offsetof(ucontext_t, uc_mcontext)))
#define UC_REG(uc, i)            (UC_WORDS(uc)[(i) == ARCH_REG_FLAGS ? 0 : 2 + (i)])
#define UC_PC(uc)                (UC_WORDS(uc)[1])

#define ARCH_STACK_ALIGN         8
#define ARCH_ENTRY_SP_BIAS       0
#define ARCH_ENTRY_ARG(regs, i)  ((regs)->r[2 + (i)])
#define ARCH_ENTRY_RETURN(regs)  ((regs)->r[14])

// The PSW is behind the instruction after every exception of a program.
#define ARCH_TRAP_LENGTH         2
#define ARCH_TRAP_PC_AFTER       1
#define ARCH_UNDEFINED_LENGTH    2

#define arch_pause() __asm__ volatile("" : : : "memory")

// The rounding mode in FPC: to nearest, to zero.
#define ARCH_FP_CONTROL_DEFAULT  0U
#define ARCH_FP_CONTROL_OTHER    1U
#define ARCH_HANDLER_FP_DEFAULT  0

static inline unsigned int arch_fp_control(void)
{
	unsigned int fpc;

	__asm__ volatile("efpc %0" : "=d"(fpc));
	return fpc & 0xff0000ff;
}

static inline void arch_fp_control_set(unsigned int control)
{
	__asm__ volatile("sfpc %0" : : "d"(control));
}

// HWCAP_S390_VXRS
static inline bool arch_has_cpu_feature(const char *name)
{
	return !strcmp(name, "vx") && getauxval(AT_HWCAP) & 1 << 11;
}

struct arch_tls {
	char none;
};

static inline unsigned long arch_tp(void)
{
	unsigned long tp;

	__asm__ volatile("ear %0, %%a0; sllg %0, %0, 32; ear %0, %%a1" : "=d"(tp));
	return tp;
}

static inline void *arch_tls_arg(struct arch_tls *storage, void *tp)
{
	return tp;
}

#define VDSO_VERSION         "LINUX_2.6.29"
#define VDSO_CLOCK_GETTIME   "__kernel_clock_gettime"
#define VDSO_CLOCK_GETTIME32 NULL
#define VDSO_CLOCK_GETRES    "__kernel_clock_getres"
#define VDSO_GETTIMEOFDAY    "__kernel_gettimeofday"
#define VDSO_TIME            NULL
#define VDSO_GETCPU          "__kernel_getcpu"
#define VDSO_GETRANDOM       "__kernel_getrandom"
#define VDSO_HASH_SYSV       1
#define VDSO_HASH_GNU        1

#define ARCH_REDZONE         0
#define ARCH_MINSIGSTKSZ     2048
#define ARCH_AUDIT           0x80000016
#define ARCH_RSEQ_SIG        0xb2ff0fff
#define ARCH_ELF_CLASS       2
#define ARCH_ELF_MACHINE     22
#define ARCH_PLATFORM        NULL	/* the machine's own name, one of many */

#endif
