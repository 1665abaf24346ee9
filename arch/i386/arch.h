// SPDX-License-Identifier: GPL-2.0-only
// i386: number in eax, arguments in ebx ecx edx esi edi ebp, result in eax, by int $0x80 as Go does it.
#ifndef ARCH_H
#define ARCH_H

#define ARCH_NAME "i386"
#define ARCH_SA_RESTORER 0x04000000

// ebx and ebp may be the compiler's own: both are saved by hand, and what would need them goes through memory.
static inline long raw_syscall6(long nr, long a, long b, long c, long d, long e, long f)
{
	long by_memory[3] = { f, a, nr }, result;

	__asm__ volatile("pushl %%ebx; pushl %%ebp; movl (%%eax), %%ebp; movl 4(%%eax), %%ebx;"
			 "movl 8(%%eax), %%eax; int $0x80; popl %%ebp; popl %%ebx"
			 : "=a"(result)
			 : "a"(by_memory), "c"(b), "d"(c), "S"(d), "D"(e)
			 : "memory", "cc");
	return result;
}

#include "arch_generic.h"

static inline bool arch_has_cpu_feature(const char *name)
{
	(void)name;
	return false;
}

#endif
