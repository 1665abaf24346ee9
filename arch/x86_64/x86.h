// SPDX-License-Identifier: GPL-2.0-only
// What x86_64 and i386 have in common; part of their arch.h.
#ifndef X86_H
#define X86_H

#include <cpuid.h>
#include <sys/auxv.h>

// CF PF AF ZF SF DF OF: what sigreturn takes from the frame, without AC, which makes misaligned C code fault.
#define ARCH_FLAGS_FREE        0xcd5UL
#define ARCH_FLAGS_FIXED       0x202UL
#define ARCH_FLAGS_ENTRY_CLEAR 0x400UL

#define ARCH_STACK_ALIGN       16
#define ARCH_ENTRY_SP_BIAS     sizeof(long)
#define ARCH_ENTRY_RETURN(regs) (*(unsigned long *)(regs)->r[ARCH_REG_SP])

#define ARCH_TRAP_LENGTH       1
#define ARCH_TRAP_PC_AFTER     1
#define ARCH_UNDEFINED_LENGTH  2

#define VDSO_HASH_SYSV         1
#define VDSO_HASH_GNU          1

#define ARCH_MINSIGSTKSZ       2048
#define ARCH_RSEQ_SIG          0x53053053

#define arch_pause() __builtin_ia32_pause()

// x87 control word below, MXCSR without its sticky flags above.
#define ARCH_FP_CONTROL_DEFAULT 0x1f80037fU
#define ARCH_FP_CONTROL_OTHER   0xff800e7fU	/* rounds to zero, to double; subnormals flushed */
#define ARCH_HANDLER_FP_DEFAULT 1

static inline unsigned int arch_fp_control(void)
{
	unsigned short x87;
	unsigned int mxcsr;

	__asm__ volatile("fnstcw %0; stmxcsr %1" : "=m"(x87), "=m"(mxcsr));
	return (mxcsr & 0xffc0) << 16 | x87;
}

static inline void arch_fp_control_set(unsigned int control)
{
	unsigned short x87 = control;
	unsigned int mxcsr = control >> 16;

	__asm__ volatile("fldcw %0; ldmxcsr %1" : : "m"(x87), "m"(mxcsr));
}

// The masks of both units have the exceptions in the order of FE_*.
static inline void arch_fp_traps(int exceptions)
{
	arch_fp_control_set(ARCH_FP_CONTROL_DEFAULT & ~((unsigned int)exceptions << 7 << 16) & ~(unsigned int)exceptions);
}

static inline int arch_divide(int n, int d, unsigned long *pc)
{
	int high = n < 0 ? -1 : 0;
	unsigned long at;

	__asm__ volatile("mov $1f, %[at]; mov %[at], (%[pc]); 1: idivl %[d]"
			 : "+a"(n), "+d"(high), [at] "=&r"(at)
			 : [d] "r"(d), [pc] "r"(pc)
			 : "memory", "cc");
	return n;
}

static inline unsigned int arch_trap_under_rights(unsigned int rights)
{
	unsigned int before, after;

	// rdpkru is 0f 01 ee, wrpkru 0f 01 ef: not every assembler knows them.
	__asm__ volatile("xor %%ecx, %%ecx; .byte 0x0f, 0x01, 0xee; mov %%eax, %[before];"
			 "mov %[rights], %%eax; xor %%edx, %%edx; .byte 0x0f, 0x01, 0xef;"
			 "int3; xor %%ecx, %%ecx; .byte 0x0f, 0x01, 0xee; mov %%eax, %[after];"
			 "mov %[before], %%eax; xor %%edx, %%edx; .byte 0x0f, 0x01, 0xef"
			 : [before] "=&r"(before), [after] "=&r"(after)
			 : [rights] "r"(rights)
			 : "eax", "ecx", "edx", "memory", "cc");
	return after;
}

// The register files that the kernel has enabled; 0 without XSAVE.
static inline uint64_t x86_xcr0(void)
{
	unsigned int a, b, c, d;

	if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_OSXSAVE))
		return 0;
	__asm__ volatile("xgetbv" : "=a"(a), "=d"(d) : "c"(0));
	return (uint64_t)d << 32 | a;
}

// A feature is there if cpuid names it and the kernel has enabled the registers it needs.
static inline bool arch_has_cpu_feature(const char *name)
{
	enum { A, B, C, D };
	static const struct {
		const char *name;
		unsigned int leaf, word, bit;
		uint64_t xcr0;
	} features[] = {
		{ "sse2",   1, D, bit_SSE2,     0 },
		{ "xsave",  1, C, bit_OSXSAVE,  0 },
		{ "avx",    1, C, bit_AVX,      0x6 },
		{ "avx512", 7, B, bit_AVX512F,  0xe6 },
		{ "pku",    7, C, bit_OSPKE,    0x200 },
		{ "amx",    7, D, bit_AMX_TILE, 0x60000 },
		{ "nx",     0x80000001, D, 1 << 20, 0 },
	};
	unsigned int r[4];

	for (unsigned int i = 0; i < sizeof(features) / sizeof(*features); i++)
		if (!strcmp(name, features[i].name))
			return __get_cpuid_count(features[i].leaf, 0, &r[A], &r[B], &r[C], &r[D]) &&
			       r[features[i].word] & features[i].bit &&
			       (x86_xcr0() & features[i].xcr0) == features[i].xcr0;
	if (!strcmp(name, "fsgsbase"))
		return getauxval(AT_HWCAP2) & 2;	// the kernel's word that it has enabled it, since 5.9
	return false;
}

#endif
