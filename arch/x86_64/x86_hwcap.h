// SPDX-License-Identifier: GPL-2.0-only
// AT_HWCAP is cpuid(1).edx as the kernel left it; AT_HWCAP2 is what the kernel itself enabled (asm/hwcap2.h).
#ifndef X86_HWCAP_H
#define X86_HWCAP_H

#include <cpuid.h>
#include <sys/auxv.h>

#define X86_FPU             (1UL << 0)
#define X86_TSC             (1UL << 4)
#define X86_CLFLUSH         (1UL << 19)
#define X86_HWCAP2_FSGSBASE (1UL << 1)

// What programs may use and no kernel hides from them; a 32-bit kernel may have been told not to trust the TSC.
static inline const char *arch_hwcap_mismatch(unsigned long hwcap, unsigned long hwcap2)
{
	const unsigned long always = X86_FPU | bit_CMPXCHG8B | bit_CMOV | bit_MMX | bit_FXSAVE | bit_SSE | bit_SSE2;
	unsigned int a, b, c, d;

	if (!__get_cpuid(1, &a, &b, &c, &d))
		return NULL;
	if ((hwcap ^ d) & always)
		return "AT_HWCAP is not cpuid(1).edx in what programs may use";
	if (hwcap & ~(unsigned long)d & (X86_TSC | X86_CLFLUSH))
		return "AT_HWCAP names what cpuid(1).edx does not";
	if (hwcap2 & X86_HWCAP2_FSGSBASE && !(__get_cpuid_count(7, 0, &a, &b, &c, &d) && b & 1))
		return "AT_HWCAP2 names FSGSBASE, and cpuid(7).ebx does not";
	return NULL;
}

#define X86_USE(name, ...)									\
	static inline void x86_use_##name(void)							\
	{											\
		char bytes[528], *p = (char *)(((uintptr_t)bytes + 15) & -16UL);		\
												\
		__asm__ volatile(__VA_ARGS__ : "+r"(p) : : "eax", "ecx", "edx", "memory", "cc");	\
	}
X86_USE(fpu, "fnop")
X86_USE(tsc, "rdtsc")
X86_USE(cx8, "mov %%ebx, %%ecx; xor %%eax, %%eax; xor %%edx, %%edx; lock cmpxchg8b (%0)")
X86_USE(cmov, "cmovz %%ecx, %%eax")
X86_USE(clflush, "clflush (%0)")
X86_USE(mmx, "pxor %%mm0, %%mm0; emms")
X86_USE(fxsr, "fxsave (%0)")
X86_USE(sse, "movaps %%xmm0, (%0)")
X86_USE(sse2, "movdqa %%xmm0, (%0)")
#ifdef __x86_64__
X86_USE(fsgsbase, "rdfsbase %%rax")
#endif

static inline const struct arch_hwcap_use *arch_hwcap_uses(void)
{
	static const struct arch_hwcap_use uses[] = {
		{ "fpu", AT_HWCAP, X86_FPU, false, x86_use_fpu },
		{ "tsc", AT_HWCAP, X86_TSC, false, x86_use_tsc },
		{ "cx8", AT_HWCAP, bit_CMPXCHG8B, false, x86_use_cx8 },
		{ "cmov", AT_HWCAP, bit_CMOV, false, x86_use_cmov },
		{ "clflush", AT_HWCAP, X86_CLFLUSH, false, x86_use_clflush },
		{ "mmx", AT_HWCAP, bit_MMX, false, x86_use_mmx },
		{ "fxsr", AT_HWCAP, bit_FXSAVE, false, x86_use_fxsr },
		{ "sse", AT_HWCAP, bit_SSE, false, x86_use_sse },
		{ "sse2", AT_HWCAP, bit_SSE2, false, x86_use_sse2 },
#ifdef __x86_64__
		{ "fsgsbase", AT_HWCAP2, X86_HWCAP2_FSGSBASE, true, x86_use_fsgsbase },
#endif
		{ 0 },
	};

	return uses;
}

#endif
