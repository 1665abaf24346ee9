// SPDX-License-Identifier: GPL-2.0-only
// F and MSA registers of mips64el. A block is a header (whether there is MSA, FCSR, MSACSR), then w0 to w31, or f0 to f31.
#ifndef ARCH_VEC_H
#define ARCH_VEC_H

#include <stdio.h>

#include "arch.h"

#define ARCH_VEC_ALIGN 64
#define ARCH_VEC_TEXT  32

void arch_vec_load(const void *block);
void arch_vec_store(void *block);
void arch_vec_spin(void *block, volatile int *stop, unsigned long turns);

enum { MIPS_HAS_MSA = 0, MIPS_FCSR = 8, MIPS_MSACSR = 16, MIPS_REGS = 64 };

static inline size_t arch_vec_size(void)
{
	return MIPS_REGS + 32 * (arch_has_cpu_feature("msa") ? 16 : 8);
}

static inline const char *arch_vec_name(void)
{
	return arch_has_cpu_feature("msa") ? "msa" : "fpu";
}

static inline const char *arch_vec_part(size_t offset, char text[ARCH_VEC_TEXT])
{
	bool msa = arch_has_cpu_feature("msa");

	if (offset >= MIPS_FCSR && offset < MIPS_FCSR + 4)
		return strcpy(text, "fcsr");
	if (offset >= MIPS_MSACSR && offset < MIPS_MSACSR + 4)
		return strcpy(text, "msacsr");
	if (offset < MIPS_REGS)
		return NULL;
	snprintf(text, ARCH_VEC_TEXT, msa ? "w%zu" : "f%zu", (offset - MIPS_REGS) / (msa ? 16 : 8));
	return text;
}

// What the CPU fixes of FCSR stays; exceptions stay masked: a rounding mode, conditions, exceptions that happened.
static inline void arch_vec_fill(void *block, unsigned int seed)
{
	unsigned char *bytes = block;
	uint32_t noise = seed * 2654435761u + 1, fcsr;

	memset(bytes, 0, MIPS_REGS);
	for (size_t i = MIPS_REGS; i < arch_vec_size(); i++) {
		noise = noise * 1664525 + 1013904223;
		bytes[i] = noise >> 24;
	}
	__asm__ volatile("cfc1 %0, $31" : "=r"(fcsr));
	*(uint64_t *)(bytes + MIPS_HAS_MSA) = arch_has_cpu_feature("msa");
	*(uint32_t *)(bytes + MIPS_FCSR) = (fcsr & 0x000c0000) | (noise & 0xfe80007c) | (1 + seed % 3);
	if (arch_has_cpu_feature("msa"))
		*(uint32_t *)(bytes + MIPS_MSACSR) = (noise & 0x7c) | (1 + seed % 3);
}

static inline bool arch_vec_survives_syscall(size_t offset)
{
	return true;
}

// All is part of the ucontext, which goes on behind the C library's.
static inline void *arch_uc_vec(void *uc, size_t *size)
{
	return NULL;
}

static inline bool arch_uc_vec_cut(void *uc, void *end)
{
	return false;
}

#endif
