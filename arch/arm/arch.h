// SPDX-License-Identifier: GPL-2.0-only
// arm, EABI with hard floating point: number in r7, arguments in r0 to r5, result in r0; no other register is lost.
#ifndef ARCH_H
#define ARCH_H

#define ARCH_NAME "arm"

// ARM code alone, as arch.S: a context whose pc is changed keeps the instruction set that its cpsr names.
#pragma GCC target("arm")

// r7 is the frame pointer of Thumb code: it is lent for the call, and ip keeps it.
static inline long raw_syscall6(long nr, long a, long b, long c, long d, long e, long f)
{
	register long r0 __asm__("r0") = a;
	register long r1 __asm__("r1") = b;
	register long r2 __asm__("r2") = c;
	register long r3 __asm__("r3") = d;
	register long r4 __asm__("r4") = e;
	register long r5 __asm__("r5") = f;

	__asm__ volatile("mov ip, r7\n\t"
			 "mov r7, %1\n\t"
			 "svc 0\n\t"
			 "mov r7, ip"
			 : "+r"(r0)
			 : "r"(nr), "r"(r1), "r"(r2), "r"(r3), "r"(r4), "r"(r5)
			 : "ip", "memory");
	return r0;
}

// The structure has the field, and a page of the kernel's the trampoline.
#define ARCH_SA_RESTORER 0

#define ARCH_NR_OWN 0xf0000U	/* arch/arm/kernel/traps.c arm_syscall() */

// A function's address says by its lowest bit that it is Thumb code.
#define ARCH_PC_OF(address) ((address) & ~1UL)

#include "arch_generic.h"

#include <sys/auxv.h>

#define ARCH_REG_NAMES { "r0", "r1", "r2", "r3", "r4", "r5", "r6", "r7", "r8", "r9", "r10", "r11", "r12", "sp", "lr", "cpsr" }
#define ARCH_REGS              16
#define ARCH_REG_NR            7
#define ARCH_REG_RET           0
#define ARCH_REG_SP            13
#define ARCH_REG_FLAGS         15
#define ARCH_REG_ARG(i)        (i)
#define ARCH_SYSCALL_CLOBBERS  (1UL << 0)
#define ARCH_CALL_CLOBBERS     (0xfUL | 1UL << 12 | 1UL << 14 | 1UL << 15)

// N Z C V Q and GE are free; the mode is User.
#define ARCH_FLAGS_FREE        0xf80f0000UL
#define ARCH_FLAGS_FIXED       0x10UL
#define ARCH_FLAGS_ENTRY_CLEAR 0UL

struct arch_regs {
	unsigned long r[ARCH_REGS];
};

// The frame of arch.S: a fifth argument, out, vec, no function, a scratch word and one more, r4 to r11, where to go on,
// one more, d8 to d15.
static inline void *arch_regs_stack(void *top, struct arch_regs *out, void *vec, void (*then)(void))
{
	unsigned long *words = (unsigned long *)((unsigned long)top & -8UL) - 32;

	memset(words, 0, 32 * sizeof(*words));
	words[1] = (unsigned long)out;
	words[2] = (unsigned long)vec;
	words[14] = (unsigned long)then;
	return words;
}

// Three words about the trap, r0 to r12, sp, lr, pc, cpsr.
#define UC_WORDS(uc)             ((unsigned long *)((uintptr_t)(uc) + offsetof(ucontext_t, uc_mcontext)))
#define UC_REG(uc, i)            (UC_WORDS(uc)[(i) == ARCH_REG_FLAGS ? 19 : 3 + (i)])
#define UC_PC(uc)                (UC_WORDS(uc)[18])

#define ARCH_STACK_ALIGN         8
#define ARCH_ENTRY_SP_BIAS       0
#define ARCH_ENTRY_ARG(regs, i)  ((regs)->r[i])
#define ARCH_ENTRY_RETURN(regs)  ((regs)->r[14])

#define ARCH_TRAP_LENGTH         4
#define ARCH_TRAP_PC_AFTER       0
#define ARCH_UNDEFINED_LENGTH    4

#define arch_pause() __asm__ volatile("yield")

// FPSCR: round to zero, flush subnormals.
#define ARCH_FP_CONTROL_DEFAULT  0U
#define ARCH_FP_CONTROL_OTHER    0x01c00000U
#define ARCH_HANDLER_FP_DEFAULT  0

static inline unsigned int arch_fp_control(void)
{
	unsigned int fpscr;

	__asm__ volatile("vmrs %0, fpscr" : "=r"(fpscr));
	return fpscr & 0x07f79f00;
}

static inline void arch_fp_control_set(unsigned int control)
{
	__asm__ volatile("vmsr fpscr, %0" : : "r"(control));
}

// HWCAP_NEON, HWCAP_VFPD32
static inline bool arch_has_cpu_feature(const char *name)
{
	return (!strcmp(name, "neon") && getauxval(AT_HWCAP) & 1 << 12) ||
	       (!strcmp(name, "vfpd32") && getauxval(AT_HWCAP) & 1 << 19);
}

struct arch_tls {
	char none;
};

static inline unsigned long arch_tp(void)
{
	unsigned long tp;

	__asm__ volatile("mrc p15, 0, %0, c13, c0, 3" : "=r"(tp));
	return tp;
}

static inline void *arch_tls_arg(struct arch_tls *storage, void *tp)
{
	return tp;
}

#define VDSO_VERSION         "LINUX_2.6"
#define VDSO_CLOCK_GETTIME   "__vdso_clock_gettime64"
#define VDSO_CLOCK_GETTIME32 "__vdso_clock_gettime"
#define VDSO_CLOCK_GETRES    "__vdso_clock_getres_time64"
#define VDSO_GETTIMEOFDAY    "__vdso_gettimeofday"
#define VDSO_TIME            NULL
#define VDSO_GETCPU          NULL
#define VDSO_GETRANDOM       NULL
#define VDSO_HASH_SYSV       1
#define VDSO_HASH_GNU        0

#define ARCH_REDZONE         0
#define ARCH_MINSIGSTKSZ     2048
#define ARCH_AUDIT           0x40000028
#define ARCH_RSEQ_SIG        0xe7f5def3
#define ARCH_ELF_CLASS       1
#define ARCH_ELF_MACHINE     40
#define ARCH_PLATFORM        NULL	/* v7l, v8l and others */

#endif
