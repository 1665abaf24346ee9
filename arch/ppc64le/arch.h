// SPDX-License-Identifier: GPL-2.0-only
// ppc64le: sc with the number in r0, arguments in r3 to r8; cr0.SO says that r3 is an error, as a positive number.
// Volatile are r0, r3 to r12, ctr, xer and cr0 (Documentation/arch/powerpc/syscall64-abi.rst).
#ifndef ARCH_H
#define ARCH_H

#define ARCH_NAME "ppc64le"

static inline long raw_syscall6(long nr, long a, long b, long c, long d, long e, long f)
{
	register long r0 __asm__("r0") = nr;
	register long r3 __asm__("r3") = a;
	register long r4 __asm__("r4") = b;
	register long r5 __asm__("r5") = c;
	register long r6 __asm__("r6") = d;
	register long r7 __asm__("r7") = e;
	register long r8 __asm__("r8") = f;

	__asm__ volatile("sc\n\t"
			 "bns+ 1f\n\t"
			 "neg %1, %1\n"
			 "1:"
			 : "+r"(r0), "+r"(r3), "+r"(r4), "+r"(r5), "+r"(r6), "+r"(r7), "+r"(r8)
			 :
			 : "r9", "r10", "r11", "r12", "ctr", "xer", "cr0", "memory");
	return r3;
}

// The structure has the field, and the vDSO the trampoline.
#define ARCH_SA_RESTORER 0
#define ARCH_AT_MINSIGSTKSZ_SINCE KERNEL(5, 19)
#define ARCH_AUX_MAY_REPEAT(type) ((type) == 1 /* AT_IGNORE */ || (type) == 22 /* AT_IGNOREPPC */)

// As a system call, a function of the vDSO says by cr0.SO that its result is an error.
#define ARCH_VDSO_CALL 1
static inline long arch_vdso_call(const void *fn, long a, long b, long c, long d, long e)
{
	register long r12 __asm__("r12") = (long)fn;
	register long r3 __asm__("r3") = a;
	register long r4 __asm__("r4") = b;
	register long r5 __asm__("r5") = c;
	register long r6 __asm__("r6") = d;
	register long r7 __asm__("r7") = e;

	__asm__ volatile("stdu %%r1, -512(%%r1)\n\t"	/* clear of the red zone, which a leaf may be using */
			 "mtctr %0\n\t"
			 "bctrl\n\t"
			 "addi %%r1, %%r1, 512\n\t"
			 "bns+ 1f\n\t"
			 "neg %1, %1\n"
			 "1:"
			 : "+r"(r12), "+r"(r3), "+r"(r4), "+r"(r5), "+r"(r6), "+r"(r7)
			 :
			 : "r0", "r8", "r9", "r10", "r11", "lr", "ctr", "xer", "cr0", "cr1", "cr5", "cr6", "cr7", "memory",
			   "fr0", "fr1", "fr2", "fr3", "fr4", "fr5", "fr6", "fr7", "fr8", "fr9", "fr10", "fr11", "fr12", "fr13");
	return r3;
}

#define arch_regs_result(regs) \
	((regs)->r[34] & 0x10000000 ? -(long)(regs)->r[3] : (long)(regs)->r[3])

#include "arch_generic.h"

#include <sys/auxv.h>

// xer is among the registers of arch_vec.h.
#define ARCH_REG_NAMES { "r0", "r1", "r2", "r3", "r4", "r5", "r6", "r7", "r8", "r9", "r10", "r11", "r12", "r13", "r14", \
			 "r15", "r16", "r17", "r18", "r19", "r20", "r21", "r22", "r23", "r24", "r25", "r26", "r27", \
			 "r28", "r29", "r30", "r31", "lr", "ctr", "cr" }
#define ARCH_REGS              35
#define ARCH_REG_NR            0
#define ARCH_REG_RET           3
#define ARCH_REG_SP            1
#define ARCH_REG_FLAGS         34
#define ARCH_REG_ARG(i)        (3 + (i))
#define ARCH_SYSCALL_CLOBBERS  (1UL << 0 | 0x3ffUL << 3 | 1UL << 33)
#define ARCH_CALL_CLOBBERS     (ARCH_SYSCALL_CLOBBERS | 1UL << 32 | 1UL << 34)
#define ARCH_FLAGS_FREE        0x0fffffffUL
#define ARCH_FLAGS_FIXED       0UL
#define ARCH_FLAGS_ENTRY_CLEAR 0UL

struct arch_regs {
	unsigned long r[ARCH_REGS];
};

// The frame of arch.S: a callee's 96 bytes, out, vec, no function, a scratch word, r13 to r31, r2, where to go on, cr,
// f14 to f31, v20 to v31; and the save area of what is gone on in.
static inline void *arch_regs_stack(void *top, struct arch_regs *out, void *vec, void (*then)(void))
{
	unsigned long *words = (unsigned long *)((unsigned long)top & -16UL) - 80 - 14;
	unsigned long toc;

	__asm__("mr %0, %%r2" : "=r"(toc));
	memset(words, 0, (80 + 14) * sizeof(*words));
	words[12] = (unsigned long)out;
	words[13] = (unsigned long)vec;
	words[35] = toc;
	words[36] = (unsigned long)then;
	return words;
}

// r0 to r31, nip, msr, orig_r3, ctr, link, xer, ccr.
#define UC_WORDS(uc)             ((unsigned long *)((uintptr_t)(uc) + offsetof(ucontext_t, uc_mcontext.gp_regs)))
#define UC_REG(uc, i)            (UC_WORDS(uc)[(i) == ARCH_REG_FLAGS ? 38 : (i) == 33 ? 35 : (i) == 32 ? 36 : (i)])
#define UC_PC(uc)                (UC_WORDS(uc)[32])

#define ARCH_STACK_ALIGN         16
#define ARCH_ENTRY_SP_BIAS       0
#define ARCH_ENTRY_ARG(regs, i)  ((regs)->r[3 + (i)])
#define ARCH_ENTRY_RETURN(regs)  ((regs)->r[32])

#define ARCH_TRAP_LENGTH         4
#define ARCH_TRAP_PC_AFTER       0
#define ARCH_UNDEFINED_LENGTH    4

#define arch_pause() __asm__ volatile("or 27, 27, 27")

// FPSCR's enabled exceptions and rounding mode: to nearest, to zero.
#define ARCH_FP_CONTROL_DEFAULT  0U
#define ARCH_FP_CONTROL_OTHER    1U
#define ARCH_HANDLER_FP_DEFAULT  1

static inline unsigned int arch_fp_control(void)
{
	union {
		double d;
		uint64_t bits;
	} fpscr;

	__asm__ volatile("mffs %0" : "=d"(fpscr.d));
	return fpscr.bits & 0xff;
}

static inline void arch_fp_control_set(unsigned int control)
{
	union {
		uint64_t bits;
		double d;
	} fpscr = { .bits = control };

	__asm__ volatile("mtfsf 3, %0" : : "d"(fpscr.d));
}

// PPC_FEATURE_HAS_ALTIVEC, PPC_FEATURE_HAS_VSX
static inline bool arch_has_cpu_feature(const char *name)
{
	return (!strcmp(name, "altivec") && getauxval(AT_HWCAP) & 0x10000000) ||
	       (!strcmp(name, "vsx") && getauxval(AT_HWCAP) & 0x80);
}

struct arch_tls {
	char none;
};

static inline unsigned long arch_tp(void)
{
	unsigned long tp;

	__asm__ volatile("mr %0, %%r13" : "=r"(tp));
	return tp;
}

static inline void *arch_tls_arg(struct arch_tls *storage, void *tp)
{
	return tp;
}

#define VDSO_VERSION         "LINUX_2.6.15"
#define VDSO_CLOCK_GETTIME   "__kernel_clock_gettime"
#define VDSO_CLOCK_GETTIME32 NULL
#define VDSO_CLOCK_GETRES    "__kernel_clock_getres"
#define VDSO_GETTIMEOFDAY    "__kernel_gettimeofday"
#define VDSO_TIME            "__kernel_time"
#define VDSO_GETCPU          "__kernel_getcpu"
#define VDSO_GETRANDOM       "__kernel_getrandom"
#define VDSO_HASH_SYSV       1
#define VDSO_HASH_GNU        1

#define ARCH_REDZONE         288
#define ARCH_MINSIGSTKSZ     8192
#define ARCH_AUDIT           0xc0000015
#define ARCH_RSEQ_SIG        0x0fe5000b
#define ARCH_ELF_CLASS       2
#define ARCH_ELF_MACHINE     21
#define ARCH_PLATFORM        NULL	/* the processor's own name, one of many */

#endif
