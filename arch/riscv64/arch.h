// SPDX-License-Identifier: GPL-2.0-only
// riscv64: number in a7, arguments in a0 to a5, result in a0; of the general registers no other is lost.
#ifndef ARCH_H
#define ARCH_H

#define ARCH_NAME "riscv64"

// gcc takes the registers below for variables that a setjmp around an inlined call might lose.
#pragma GCC diagnostic ignored "-Wclobbered"

static inline long raw_syscall6(long nr, long a, long b, long c, long d, long e, long f)
{
	register long a7 __asm__("a7") = nr;
	register long a0 __asm__("a0") = a;
	register long a1 __asm__("a1") = b;
	register long a2 __asm__("a2") = c;
	register long a3 __asm__("a3") = d;
	register long a4 __asm__("a4") = e;
	register long a5 __asm__("a5") = f;

	__asm__ volatile("ecall"
			 : "+r"(a0)
			 : "r"(a7), "r"(a1), "r"(a2), "r"(a3), "r"(a4), "r"(a5)
			 : "memory");
	return a0;
}

#define ARCH_AT_MINSIGSTKSZ_SINCE KERNEL(6, 5)

#include "arch_generic.h"

#include <sys/auxv.h>

#define ARCH_REG_NAMES { "ra", "sp", "gp", "tp", "t0", "t1", "t2", "s0", "s1", "a0", "a1", "a2", "a3", "a4", "a5", "a6", \
			 "a7", "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9", "s10", "s11", "t3", "t4", "t5", "t6", \
			 "no flags" }
#define ARCH_REGS              32
#define ARCH_REG_NR            16
#define ARCH_REG_RET           9
#define ARCH_REG_SP            1
#define ARCH_REG_FLAGS         31
#define ARCH_REG_ARG(i)        (9 + (i))
#define ARCH_SYSCALL_CLOBBERS  (1UL << 9)
#define ARCH_CALL_CLOBBERS     (1UL << 0 | 0x7UL << 4 | 0xffUL << 9 | 0xfUL << 27)
#define ARCH_FLAGS_FREE        0UL
#define ARCH_FLAGS_FIXED       0UL
#define ARCH_FLAGS_ENTRY_CLEAR 0UL

struct arch_regs {
	unsigned long r[ARCH_REGS];
};

// The frame of arch.S: out, vec, no function, a scratch word, where to go on, tp, s0 to s11, fs0 to fs11.
static inline void *arch_regs_stack(void *top, struct arch_regs *out, void *vec, void (*then)(void))
{
	unsigned long *words = (unsigned long *)((unsigned long)top & -16UL) - 30;

	memset(words, 0, 30 * sizeof(*words));
	words[0] = (unsigned long)out;
	words[1] = (unsigned long)vec;
	words[4] = (unsigned long)then;
	return words;
}

// pc, then the registers from ra on.
#define UC_WORDS(uc)             ((unsigned long *)((uintptr_t)(uc) + offsetof(ucontext_t, uc_mcontext)))
#define UC_REG(uc, i)            (*((i) == ARCH_REG_FLAGS ? arch_no_flags() : &UC_WORDS(uc)[1 + (i)]))
#define UC_PC(uc)                (UC_WORDS(uc)[0])

#define ARCH_STACK_ALIGN         16
#define ARCH_ENTRY_SP_BIAS       0
#define ARCH_ENTRY_ARG(regs, i)  ((regs)->r[9 + (i)])
#define ARCH_ENTRY_RETURN(regs)  ((regs)->r[0])

#define ARCH_TRAP_LENGTH         4
#define ARCH_TRAP_PC_AFTER       0
#define ARCH_UNDEFINED_LENGTH    4

#define arch_pause() __asm__ volatile(".4byte 0x0100000f")	/* a hint that older assemblers do not know by name */

// The rounding mode: to nearest, to zero.
#define ARCH_FP_CONTROL_DEFAULT  0U
#define ARCH_FP_CONTROL_OTHER    1U
#define ARCH_HANDLER_FP_DEFAULT  0

static inline unsigned int arch_fp_control(void)
{
	unsigned int mode;

	__asm__ volatile("frrm %0" : "=r"(mode));
	return mode;
}

static inline void arch_fp_control_set(unsigned int control)
{
	__asm__ volatile("fsrm %0" : : "r"(control));
}

// Single letters of the ISA string, as AT_HWCAP has them.
static inline bool arch_has_cpu_feature(const char *name)
{
	return name[0] >= 'a' && name[0] <= 'z' && !name[1] && getauxval(AT_HWCAP) >> (name[0] - 'a') & 1;
}

struct arch_tls {
	char none;
};

static inline unsigned long arch_tp(void)
{
	unsigned long tp;

	__asm__ volatile("mv %0, tp" : "=r"(tp));
	return tp;
}

static inline void *arch_tls_arg(struct arch_tls *storage, void *tp)
{
	return tp;
}

// The hash tables are what the linker makes by default since 5.18; before it was both.
#define VDSO_VERSION         "LINUX_4.15"
#define VDSO_CLOCK_GETTIME   "__vdso_clock_gettime"
#define VDSO_CLOCK_GETTIME32 NULL
#define VDSO_CLOCK_GETRES    "__vdso_clock_getres"
#define VDSO_GETTIMEOFDAY    "__vdso_gettimeofday"
#define VDSO_TIME            NULL
#define VDSO_GETCPU          "__vdso_getcpu"
#define VDSO_GETRANDOM       "__vdso_getrandom"
#define VDSO_HASH_SYSV       0
#define VDSO_HASH_GNU        0

#define ARCH_REDZONE         0
#define ARCH_MINSIGSTKSZ     2048
#define ARCH_AUDIT           0xc00000f3
#define ARCH_RSEQ_SIG        0xf1401073
#define ARCH_ELF_CLASS       2
#define ARCH_ELF_MACHINE     243
#define ARCH_PLATFORM        NULL

#endif
