// SPDX-License-Identifier: GPL-2.0-only
// x86_64: number in rax, arguments in rdi rsi rdx r10 r8 r9, result in rax; rcx and r11 are lost.
#ifndef ARCH_H
#define ARCH_H

#define ARCH_NAME "x86_64"
#define ARCH_SA_RESTORER 0x04000000

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

#include "arch_generic.h"

static inline bool arch_has_cpu_feature(const char *name)
{
	(void)name;
	return false;
}

#endif
