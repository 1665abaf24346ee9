// SPDX-License-Identifier: GPL-2.0-only
// mips64el, the n64 ABI: number in v0, arguments in a0 to a5; a3 says whether v0 is an error, as a positive number. Lost
// are at, v1, a3, a6, a7, t0 to t3, t8, t9, hi and lo.
#ifndef ARCH_H
#define ARCH_H

#define ARCH_NAME "mips64el"

static inline long raw_syscall6(long nr, long a, long b, long c, long d, long e, long f)
{
	register long v0 __asm__("$2") = nr;
	register long a0 __asm__("$4") = a;
	register long a1 __asm__("$5") = b;
	register long a2 __asm__("$6") = c;
	register long a3 __asm__("$7") = d;
	register long a4 __asm__("$8") = e;
	register long a5 __asm__("$9") = f;

	__asm__ volatile("syscall"
			 : "+r"(v0), "+r"(a3)
			 : "r"(a0), "r"(a1), "r"(a2), "r"(a4), "r"(a5)
			 : "$1", "$3", "$10", "$11", "$12", "$13", "$14", "$15", "$24", "$25", "hi", "lo", "memory");
	return a3 ? -v0 : v0;
}

#define ARCH_SIGSET_BYTES 16
#define ARCH_KERNEL_SIGACTION 1
#define ARCH_UNDEFINED_CODE SI_KERNEL

#define arch_regs_result(regs) ((regs)->r[6] ? -(long)(regs)->r[1] : (long)(regs)->r[1])
#define arch_call_result(regs) ((long)(regs)->r[1])

#include "arch_generic.h"

#include <sys/auxv.h>

// The flags come first, and there is no restorer.
struct kernel_sigaction {
	unsigned int flags;
	void (*handler)(int, siginfo_t *, void *);
	struct kernel_sigset mask;
};

// $1 to $25, and from $28 on; k0 and k1 between them are the kernel's.
#define ARCH_REG_NAMES { "at", "v0", "v1", "a0", "a1", "a2", "a3", "a4", "a5", "a6", "a7", "t0", "t1", "t2", "t3", "s0", \
			 "s1", "s2", "s3", "s4", "s5", "s6", "s7", "t8", "t9", "gp", "sp", "fp", "ra", "hi", "lo", \
			 "no flags" }
#define ARCH_REGS              32
#define ARCH_REG_NR            1
#define ARCH_REG_RET           1
#define ARCH_REG_SP            26
#define ARCH_REG_FLAGS         31
#define ARCH_REG_ARG(i)        (3 + (i))
#define ARCH_SYSCALL_CLOBBERS  (0x7UL | 1UL << 6 | 0x3fUL << 9 | 0x3UL << 23 | 0x3UL << 29)
#define ARCH_CALL_CLOBBERS     (0x7fffUL | 0x3UL << 23 | 0x7UL << 28)
#define ARCH_FLAGS_FREE        0UL
#define ARCH_FLAGS_FIXED       0UL
#define ARCH_FLAGS_ENTRY_CLEAR 0UL

struct arch_regs {
	unsigned long r[ARCH_REGS];
};

// The frame of arch.S: out, vec, no function, a scratch word, s0 to s7, gp, fp, where to go on, one more, f24 to f31.
static inline void *arch_regs_stack(void *top, struct arch_regs *out, void *vec, void (*then)(void))
{
	unsigned long *words = (unsigned long *)((unsigned long)top & -16UL) - 24;

	memset(words, 0, 24 * sizeof(*words));
	words[0] = (unsigned long)out;
	words[1] = (unsigned long)vec;
	words[14] = (unsigned long)then;
	return words;
}

// $0 to $31, f0 to f31, hi and three more, lo and three more, pc.
#define UC_WORDS(uc)             ((unsigned long *)((uintptr_t)(uc) + offsetof(ucontext_t, uc_mcontext)))
#define UC_REG(uc, i) \
	(*((i) == ARCH_REG_FLAGS ? arch_no_flags() : \
	   &UC_WORDS(uc)[(i) == 30 ? 68 : (i) == 29 ? 64 : (i) < 25 ? 1 + (i) : 3 + (i)]))
#define UC_PC(uc)                (UC_WORDS(uc)[72])

#define ARCH_STACK_ALIGN         16
#define ARCH_ENTRY_SP_BIAS       0
#define ARCH_ENTRY_ARG(regs, i)  ((regs)->r[3 + (i)])
#define ARCH_ENTRY_RETURN(regs)  ((regs)->r[28])

#define ARCH_TRAP_LENGTH         4
#define ARCH_TRAP_PC_AFTER       0
#define ARCH_UNDEFINED_LENGTH    4

#define arch_pause() __asm__ volatile("" : : : "memory")

// FCSR's rounding mode, enabled exceptions and flushing of subnormals: to nearest; to zero, flushed.
#define ARCH_FP_CONTROL_DEFAULT  0U
#define ARCH_FP_CONTROL_OTHER    0x01000001U
#define ARCH_HANDLER_FP_DEFAULT  0

static inline unsigned int arch_fp_control(void)
{
	unsigned int fcsr;

	__asm__ volatile("cfc1 %0, $31" : "=r"(fcsr));
	return fcsr & 0x01000f83;
}

static inline void arch_fp_control_set(unsigned int control)
{
	unsigned int fcsr;

	__asm__ volatile("cfc1 %0, $31" : "=r"(fcsr));
	__asm__ volatile("ctc1 %0, $31" : : "r"((fcsr & ~0x0103ff83) | control));
}

// HWCAP_MIPS_MSA
static inline bool arch_has_cpu_feature(const char *name)
{
	return !strcmp(name, "msa") && getauxval(AT_HWCAP) & 1 << 1;
}

struct arch_tls {
	char none;
};

static inline unsigned long arch_tp(void)
{
	register unsigned long tp __asm__("$3");	/* the one that emulating kernels are quick with */

	__asm__ volatile("rdhwr %0, $29" : "=r"(tp));
	return tp;
}

static inline void *arch_tls_arg(struct arch_tls *storage, void *tp)
{
	return tp;
}

#define VDSO_VERSION         "LINUX_2.6"
#define VDSO_CLOCK_GETTIME   "__vdso_clock_gettime"
#define VDSO_CLOCK_GETTIME32 NULL
#define VDSO_CLOCK_GETRES    "__vdso_clock_getres"
#define VDSO_GETTIMEOFDAY    "__vdso_gettimeofday"
#define VDSO_TIME            NULL
#define VDSO_GETCPU          NULL
#define VDSO_GETRANDOM       NULL
#define VDSO_HASH_SYSV       1
#define VDSO_HASH_GNU        0

#define ARCH_REDZONE         0
#define ARCH_MINSIGSTKSZ     2048
#define ARCH_AUDIT           0xc0000008
#define ARCH_RSEQ_SIG        0x0350000d
#define ARCH_ELF_CLASS       2
#define ARCH_ELF_MACHINE     8
#define ARCH_PLATFORM        NULL

#endif
