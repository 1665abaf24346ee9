// SPDX-License-Identifier: GPL-2.0-only
// F and V registers of s390x. A block is a header (whether there are V registers, FPC), then v0 to v31, or f0 to f15.
#ifndef ARCH_VEC_H
#define ARCH_VEC_H

#include <stdio.h>

#include "arch.h"

#define ARCH_VEC_ALIGN 64
#define ARCH_VEC_TEXT  32

void arch_vec_load(const void *block);
void arch_vec_store(void *block);
void arch_vec_spin(void *block, volatile int *stop, unsigned long turns);

enum { S390_HAS_V = 0, S390_FPC = 8, S390_REGS = 64 };

static inline size_t arch_vec_size(void)
{
	return S390_REGS + (arch_has_cpu_feature("vx") ? 32 * 16 : 16 * 8);
}

static inline const char *arch_vec_name(void)
{
	return arch_has_cpu_feature("vx") ? "vx" : "fp";
}

static inline const char *arch_vec_part(size_t offset, char text[ARCH_VEC_TEXT])
{
	bool vx = arch_has_cpu_feature("vx");

	if (offset >= S390_FPC && offset < S390_FPC + 4)
		return strcpy(text, "fpc");
	if (offset < S390_REGS)
		return NULL;
	snprintf(text, ARCH_VEC_TEXT, vx ? "v%zu" : "f%zu", (offset - S390_REGS) / (vx ? 16 : 8));
	return text;
}

// Exceptions stay masked, the rounding mode one that there is.
static inline void arch_vec_fill(void *block, unsigned int seed)
{
	unsigned char *bytes = block;
	uint32_t noise = seed * 2654435761u + 1;

	memset(bytes, 0, S390_REGS);
	for (size_t i = S390_REGS; i < arch_vec_size(); i++) {
		noise = noise * 1664525 + 1013904223;
		bytes[i] = noise >> 24;
	}
	*(uint64_t *)(bytes + S390_HAS_V) = arch_has_cpu_feature("vx");
	*(uint32_t *)(bytes + S390_FPC) = (noise & 0x00f80000) | (1 + seed % 3);
}

static inline bool arch_vec_survives_syscall(size_t offset)
{
	return true;
}

// All is part of the ucontext.
static inline void *arch_uc_vec(void *uc, size_t *size)
{
	return NULL;
}

static inline bool arch_uc_vec_cut(void *uc, void *end)
{
	return false;
}

#endif
