// SPDX-License-Identifier: GPL-2.0-only
// VSX registers of ppc64le, which are f0 to f31 and v0 to v31, with FPSCR, VSCR and XER. A block is a header (what there
// is, FPSCR, VSCR, XER), then vs0 to vs63.
#ifndef ARCH_VEC_H
#define ARCH_VEC_H

#include <stdio.h>

#include "arch.h"

#define ARCH_VEC_ALIGN 64
#define ARCH_VEC_TEXT  32

void arch_vec_load(const void *block);
void arch_vec_store(void *block);
void arch_vec_spin(void *block, volatile int *stop, unsigned long turns);

enum { PPC_FPSCR = 8, PPC_VSCR = 16, PPC_XER = 32, PPC_REGS = 64 };

// The ABI of ppc64le takes VSX for granted.
static inline size_t arch_vec_size(void)
{
	return PPC_REGS + 64 * 16;
}

static inline const char *arch_vec_name(void)
{
	return "vsx";
}

static inline const char *arch_vec_part(size_t offset, char text[ARCH_VEC_TEXT])
{
	static const char *const words[] = { NULL, "fpscr", "vscr", NULL, "xer", NULL, NULL, NULL };

	if (offset < PPC_REGS) {
		if (words[offset / 8])
			strcpy(text, words[offset / 8]);
		return words[offset / 8] ? text : NULL;
	}
	offset = (offset - PPC_REGS) / 16;
	snprintf(text, ARCH_VEC_TEXT, offset < 32 ? "vs%zu" : "v%zu", offset % 32);
	return text;
}

// Exceptions stay masked: a rounding mode, one that happened and the summary; saturation; overflow and carry.
static inline void arch_vec_fill(void *block, unsigned int seed)
{
	unsigned char *bytes = block;
	uint32_t noise = seed * 2654435761u + 1;

	memset(bytes, 0, PPC_REGS);
	for (size_t i = PPC_REGS; i < arch_vec_size(); i++) {
		noise = noise * 1664525 + 1013904223;
		bytes[i] = noise >> 24;
	}
	*(uint64_t *)(bytes + PPC_FPSCR) = 0x80000000 | 0x2000000u << seed % 4 | (1 + seed % 3);
	*(uint32_t *)(bytes + PPC_VSCR) = 1;
	*(uint64_t *)(bytes + PPC_XER) = (uint64_t)(1 + seed % 7) << 29;
}

// XER alone is volatile.
static inline bool arch_vec_survives_syscall(size_t offset)
{
	return offset < PPC_XER || offset >= PPC_REGS;
}

// All is part of the ucontext, which is larger than the C library's.
static inline void *arch_uc_vec(void *uc, size_t *size)
{
	return NULL;
}

static inline bool arch_uc_vec_cut(void *uc, void *end)
{
	return false;
}

#endif
