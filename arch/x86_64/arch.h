// SPDX-License-Identifier: GPL-2.0-only
// x86_64: number in rax, arguments in rdi rsi rdx r10 r8 r9, result in rax; rcx and r11 are lost.
#ifndef ARCH_H
#define ARCH_H

#define ARCH_NAME "x86_64"

static inline long raw_syscall6(long nr, long a, long b, long c, long d, long e, long f)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;
	long result;

	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return result;
}

#define ARCH_SA_RESTORER 0x04000000
#define ARCH_HAS_HWCAP_CHECKS 1
#define ARCH_HAS_RSEQ 1
#define ARCH_AT_MINSIGSTKSZ_SINCE KERNEL(5, 14)

#define ARCH_FLAGS_STRICT 0x40000UL	/* AC */
#define ARCH_FLAG_STEP 0x100UL		/* TF */
#define ARCH_NO_RIGHTS 0xffffffffU
#define ARCH_TRAP_CODE SI_KERNEL
#define ARCH_UNDEFINED_CODE ILL_ILLOPN
#define ARCH_DIVIDE_TRAPS 1
#define ARCH_FP_TRAPS 1
#define ARCH_NR_OTHER_ABI 0x40000000U	/* x32 */
#define ARCH_NR_OTHER_ABI_IS_THERE() (config_is_set("X86_X32_ABI") || config_is_set("X86_X32") /* before 5.18 */)
#define ARCH_KERNEL_ADDRESS 0xffff888000001234UL
#define ARCH_NONCANONICAL 0x4141414141414141UL

#include "arch_generic.h"
#include "x86.h"
#include "x86_hwcap.h"

// In the order of struct sigcontext. rcx and r11 may be lost: the CPU puts pc and flags there.
#define ARCH_REG_NAMES { "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", \
			 "rdi", "rsi", "rbp", "rbx", "rdx", "rax", "rcx", "rsp", "rflags" }
#define ARCH_REGS             17
#define ARCH_REG_NR           13
#define ARCH_REG_RET          13
#define ARCH_REG_SP           15
#define ARCH_REG_FLAGS        16
#define ARCH_REG_ARG(i)       ((const unsigned char[]){ 8, 9, 12, 2, 0, 1 }[i])
#define ARCH_SYSCALL_CLOBBERS (1 << 13 | 1 << 14 | 1 << 3)
#define ARCH_CALL_CLOBBERS    (0x00f | 1 << 8 | 1 << 9 | 1 << 12 | 1 << 13 | 1 << 14 | 1 << 16)

struct arch_regs {
	unsigned long r[ARCH_REGS];
};

// out, vec, no function, six registers, where to go on: 80 bytes, and a function starts 8 below a multiple of 16.
static inline void *arch_regs_stack(void *top, struct arch_regs *out, void *vec, void (*then)(void))
{
	unsigned long *words = (unsigned long *)((unsigned long)top & -16UL) - 11;

	memset(words, 0, 11 * sizeof(*words));
	words[0] = (unsigned long)out;
	words[1] = (unsigned long)vec;
	words[9] = (unsigned long)then;
	return words;
}

#define UC_GREGS(uc)              ((unsigned long *)((ucontext_t *)(uc))->uc_mcontext.gregs)
#define UC_REG(uc, i)             (UC_GREGS(uc)[(i) == ARCH_REG_FLAGS ? 17 : (i)])
#define UC_PC(uc)                 (UC_GREGS(uc)[16])
#define ARCH_ENTRY_ARG(regs, i)   ((regs)->r[ARCH_REG_ARG(i)])	/* i < 3 */

struct arch_tls {
	char none;
};

// The TLS ABI has the thread pointer in the word that it points at.
static inline unsigned long arch_tp(void)
{
	unsigned long tp;

	__asm__ volatile("mov %%fs:0, %0" : "=r"(tp));
	return tp;
}

static inline void *arch_tls_arg(struct arch_tls *storage, void *tp)
{
	*(void **)tp = tp;
	return tp;
}

#define VDSO_VERSION         "LINUX_2.6"
#define VDSO_CLOCK_GETTIME   "__vdso_clock_gettime"
#define VDSO_CLOCK_GETTIME32 NULL
#define VDSO_CLOCK_GETRES    "__vdso_clock_getres"
#define VDSO_GETTIMEOFDAY    "__vdso_gettimeofday"
#define VDSO_TIME            "__vdso_time"
#define VDSO_GETCPU          "__vdso_getcpu"
#define VDSO_GETRANDOM       "__vdso_getrandom"

#define ARCH_REDZONE     128
#define ARCH_AUDIT       0xc000003e
#define ARCH_ELF_CLASS   2
#define ARCH_ELF_MACHINE 62
#define ARCH_PLATFORM    "x86_64"

#endif
