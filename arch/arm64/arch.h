// SPDX-License-Identifier: GPL-2.0-only
// arm64: number in x8, arguments in x0 to x5, result in x0; no other register is lost.
#ifndef ARCH_H
#define ARCH_H

#define ARCH_NAME "arm64"

static inline long raw_syscall6(long nr, long a, long b, long c, long d, long e, long f)
{
	register long x8 __asm__("x8") = nr;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;
	register long x4 __asm__("x4") = e;
	register long x5 __asm__("x5") = f;

	__asm__ volatile("svc #0"
			 : "+r"(x0)
			 : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
			 : "memory");
	return x0;
}

// The structure has the field, and the vDSO the trampoline.
#define ARCH_SA_RESTORER 0
#define ARCH_AT_MINSIGSTKSZ_SINCE KERNEL(4, 18)
#define ARCH_IGNORES_TOP_BYTE 1
#define ARCH_HAS_HWCAP_CHECKS 1

#include "arch_generic.h"
#include "arm64_hwcap.h"

#define ARCH_REG_NAMES { "x0", "x1", "x2", "x3", "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11", "x12", "x13", "x14", \
			 "x15", "x16", "x17", "x18", "x19", "x20", "x21", "x22", "x23", "x24", "x25", "x26", "x27", \
			 "x28", "x29", "x30", "sp", "nzcv" }
#define ARCH_REGS              33
#define ARCH_REG_NR            8
#define ARCH_REG_RET           0
#define ARCH_REG_SP            31
#define ARCH_REG_FLAGS         32
#define ARCH_REG_ARG(i)        (i)
#define ARCH_SYSCALL_CLOBBERS  (1UL << 0)
#define ARCH_CALL_CLOBBERS     (0x7ffffUL | 1UL << 30 | 1UL << 32)
#define ARCH_FLAGS_FREE        0xf0000000UL
#define ARCH_FLAGS_FIXED       0UL
#define ARCH_FLAGS_ENTRY_CLEAR 0UL

struct arch_regs {
	unsigned long r[ARCH_REGS];
};

// The frame of arch.S: out, vec, no function, a scratch word, x19 to x30 (the last is where to go on), d8 to d15.
static inline void *arch_regs_stack(void *top, struct arch_regs *out, void *vec, void (*then)(void))
{
	unsigned long *words = (unsigned long *)((unsigned long)top & -16UL) - 24;

	memset(words, 0, 24 * sizeof(*words));
	words[0] = (unsigned long)out;
	words[1] = (unsigned long)vec;
	words[15] = (unsigned long)then;
	return words;
}

// The fault address, x0 to x30, sp, pc, pstate.
#define UC_WORDS(uc)             ((unsigned long *)((uintptr_t)(uc) + offsetof(ucontext_t, uc_mcontext)))
#define UC_REG(uc, i)            (UC_WORDS(uc)[(i) == ARCH_REG_FLAGS ? 34 : 1 + (i)])
#define UC_PC(uc)                (UC_WORDS(uc)[33])

#define ARCH_STACK_ALIGN         16
#define ARCH_ENTRY_SP_BIAS       0
#define ARCH_ENTRY_ARG(regs, i)  ((regs)->r[i])
#define ARCH_ENTRY_RETURN(regs)  ((regs)->r[30])

#define ARCH_TRAP_LENGTH         4
#define ARCH_TRAP_PC_AFTER       0
#define ARCH_UNDEFINED_LENGTH    4

#define arch_pause() __asm__ volatile("yield")

// FPCR: round to zero, flush subnormals.
#define ARCH_FP_CONTROL_DEFAULT  0U
#define ARCH_FP_CONTROL_OTHER    0x01c00000U
#define ARCH_HANDLER_FP_DEFAULT  0

static inline unsigned int arch_fp_control(void)
{
	unsigned long fpcr;

	__asm__ volatile("mrs %0, fpcr" : "=r"(fpcr));
	return fpcr;
}

static inline void arch_fp_control_set(unsigned int control)
{
	__asm__ volatile("msr fpcr, %0" : : "r"((unsigned long)control));
}

struct arch_tls {
	char none;
};

static inline unsigned long arch_tp(void)
{
	unsigned long tp;

	__asm__ volatile("mrs %0, tpidr_el0" : "=r"(tp));
	return tp;
}

static inline void *arch_tls_arg(struct arch_tls *storage, void *tp)
{
	return tp;
}

// The hash tables are what the linker makes by default since 6.12; before it was DT_HASH.
#define VDSO_VERSION         "LINUX_2.6.39"
#define VDSO_CLOCK_GETTIME   "__kernel_clock_gettime"
#define VDSO_CLOCK_GETTIME32 NULL
#define VDSO_CLOCK_GETRES    "__kernel_clock_getres"
#define VDSO_GETTIMEOFDAY    "__kernel_gettimeofday"
#define VDSO_TIME            NULL
#define VDSO_GETCPU          NULL
#define VDSO_GETRANDOM       "__kernel_getrandom"
#define VDSO_HASH_SYSV       0
#define VDSO_HASH_GNU        0

#define ARCH_REDZONE         0
#define ARCH_MINSIGSTKSZ     5120
#define ARCH_AUDIT           0xc00000b7
#define ARCH_RSEQ_SIG        0xd428bc00
#define ARCH_ELF_CLASS       2
#define ARCH_ELF_MACHINE     183
#define ARCH_PLATFORM        "aarch64"

#endif
