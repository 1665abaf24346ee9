// SPDX-License-Identifier: GPL-2.0-only
// VFP and NEON registers of arm. A block is a header (whether there are 32, FPSCR), then d0 to d31, or d0 to d15.
#ifndef ARCH_VEC_H
#define ARCH_VEC_H

#include <stdio.h>

#include "arch.h"

#define ARCH_VEC_ALIGN 64
#define ARCH_VEC_TEXT  32

void arch_vec_load(const void *block);
void arch_vec_store(void *block);
void arch_vec_spin(void *block, volatile int *stop, unsigned long turns);

enum { ARM_HAS_32 = 0, ARM_FPSCR = 8, ARM_D = 64 };

static inline size_t arch_vec_size(void)
{
	return ARM_D + (arch_has_cpu_feature("vfpd32") ? 32 : 16) * 8;
}

static inline const char *arch_vec_name(void)
{
	return arch_has_cpu_feature("neon") ? "neon" : "vfp";
}

static inline const char *arch_vec_part(size_t offset, char text[ARCH_VEC_TEXT])
{
	if (offset >= ARM_FPSCR && offset < ARM_FPSCR + 4)
		return strcpy(text, "fpscr");
	if (offset < ARM_D)
		return NULL;
	snprintf(text, ARCH_VEC_TEXT, "d%zu", (offset - ARM_D) / 8);
	return text;
}

// A condition, a rounding mode, exceptions that happened; none that traps.
static inline void arch_vec_fill(void *block, unsigned int seed)
{
	unsigned char *bytes = block;
	uint32_t noise = seed * 2654435761u + 1;

	memset(bytes, 0, ARM_D);
	for (size_t i = ARM_D; i < arch_vec_size(); i++) {
		noise = noise * 1664525 + 1013904223;
		bytes[i] = noise >> 24;
	}
	*(uint32_t *)(bytes + ARM_HAS_32) = arch_has_cpu_feature("vfpd32");
	*(uint32_t *)(bytes + ARM_FPSCR) = (noise & 0xf000001f) | (1 + seed % 3) << 22 | (seed & 1) << 24;
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
