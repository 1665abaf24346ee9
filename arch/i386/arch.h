// SPDX-License-Identifier: GPL-2.0-only
// i386: number in eax, arguments in ebx ecx edx esi edi ebp, result in eax, by the vDSO's entry or by int $0x80.
#ifndef ARCH_H
#define ARCH_H

#define ARCH_NAME "i386"

// Where calls enter the kernel: what AT_SYSINFO names, as from glibc and musl, or int $0x80 if it names nothing. By the
// latter, as Go does it, go arch_syscall_regs and what cannot have a stack: from 6.7 on (and in 6.1.69) it looks into the
// interrupt controller, int80_is_external(), which on a virtual machine takes 20 times as long as a system call.
extern const void *arch_entry, arch_interrupt_entry;
#define arch_leave_vdso() (arch_entry = &arch_interrupt_entry)

// ebx and ebp may be the compiler's own: both are saved by hand, and what would need them goes through memory.
static inline long raw_syscall6(long nr, long a, long b, long c, long d, long e, long f)
{
	long by_memory[3] = { f, a, nr }, result;

	__asm__ volatile("pushl %%ebx; pushl %%ebp; movl (%%eax), %%ebp; movl 4(%%eax), %%ebx;"
			 "movl 8(%%eax), %%eax; call *arch_entry; popl %%ebp; popl %%ebx"
			 : "=a"(result)
			 : "a"(by_memory), "c"(b), "d"(c), "S"(d), "D"(e)
			 : "memory", "cc");
	return result;
}

#define ARCH_SA_RESTORER 0x04000000
#define ARCH_HAS_HWCAP_CHECKS 1
#define ARCH_HAS_RSEQ 1
#define ARCH_HAS_AT_SYSINFO 1
#define ARCH_AT_MINSIGSTKSZ_SINCE KERNEL(5, 14)

#include <asm/ldt.h>

#define ARCH_FLAGS_STRICT 0x40000UL	/* AC */
#define ARCH_FLAG_STEP 0x100UL		/* TF */
#define ARCH_NO_RIGHTS 0xffffffffU
#define ARCH_TRAP_CODE SI_KERNEL
#define ARCH_UNDEFINED_CODE ILL_ILLOPN
#define ARCH_DIVIDE_TRAPS 1
#define ARCH_FP_TRAPS 1
#define ARCH_KERNEL_ADDRESS 0xfffff123UL

#include "arch_generic.h"
#include "../x86_64/x86.h"
#include "../x86_64/x86_hwcap.h"

// In the order of struct sigcontext.
#define ARCH_REG_NAMES { "edi", "esi", "ebp", "esp", "ebx", "edx", "ecx", "eax", "eflags" }
#define ARCH_REGS             9
#define ARCH_REG_NR           7
#define ARCH_REG_RET          7
#define ARCH_REG_SP           3
#define ARCH_REG_FLAGS        8
#define ARCH_REG_ARG(i)       ((const unsigned char[]){ 4, 6, 5, 1, 0, 2 }[i])
#define ARCH_SYSCALL_CLOBBERS (1 << 7)
#define ARCH_CALL_CLOBBERS    (1 << 5 | 1 << 6 | 1 << 7 | 1 << 8)

struct arch_regs {
	unsigned long r[ARCH_REGS];
};

// out, vec, no function, four registers, where to go on: 32 bytes, and a function starts 4 below a multiple of 16.
static inline void *arch_regs_stack(void *top, struct arch_regs *out, void *vec, void (*then)(void))
{
	unsigned long *words = (unsigned long *)((unsigned long)top & -16UL) - 9;

	memset(words, 0, 9 * sizeof(*words));
	words[0] = (unsigned long)out;
	words[1] = (unsigned long)vec;
	words[7] = (unsigned long)then;
	return words;
}

#define UC_GREGS(uc)              ((unsigned long *)((ucontext_t *)(uc))->uc_mcontext.gregs)
#define UC_REG(uc, i)             (UC_GREGS(uc)[(i) == ARCH_REG_FLAGS ? 16 : 4 + (i)])
#define UC_PC(uc)                 (UC_GREGS(uc)[14])
#define ARCH_ENTRY_ARG(regs, i)   (((unsigned long *)(regs)->r[ARCH_REG_SP])[1 + (i)])

struct arch_tls {
	struct user_desc descriptor;
};

// The TLS ABI has the thread pointer in the word that it points at.
static inline unsigned long arch_tp(void)
{
	unsigned long tp;

	__asm__ volatile("mov %%gs:0, %0" : "=r"(tp));
	return tp;
}

// The entry that gs selects already, so that the selector, which the child inherits, need not change.
static inline void *arch_tls_arg(struct arch_tls *storage, void *tp)
{
	unsigned short selector;

	__asm__ volatile("mov %%gs, %0" : "=r"(selector));
	*(void **)tp = tp;
	storage->descriptor = (struct user_desc){
		.entry_number = selector >> 3, .base_addr = (unsigned long)tp, .limit = 0xfffff,
		.seg_32bit = 1, .limit_in_pages = 1, .useable = 1,
	};
	return storage;
}

#define VDSO_VERSION         "LINUX_2.6"
#define VDSO_CLOCK_GETTIME   "__vdso_clock_gettime64"
#define VDSO_CLOCK_GETTIME32 "__vdso_clock_gettime"
#define VDSO_CLOCK_GETRES    "__vdso_clock_getres_time64"
#define VDSO_GETTIMEOFDAY    "__vdso_gettimeofday"
#define VDSO_TIME            "__vdso_time"
#define VDSO_GETCPU          "__vdso_getcpu"
#define VDSO_GETRANDOM       NULL

#define ARCH_REDZONE     0
#define ARCH_AUDIT       0x40000003
#define ARCH_ELF_CLASS   1
#define ARCH_ELF_MACHINE 3
#define ARCH_PLATFORM    "i686"

#endif
