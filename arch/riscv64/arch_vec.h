// SPDX-License-Identifier: GPL-2.0-only
// F and V registers of riscv64. A block is a header (bytes of a V register or 0, fcsr, vl, vtype, vcsr), then f0 to f31
// and v0 to v31.
#ifndef ARCH_VEC_H
#define ARCH_VEC_H

#include <stdio.h>
#include <sys/prctl.h>

#include "arch.h"

#define ARCH_VEC_ALIGN 64
#define ARCH_VEC_TEXT  32

void arch_vec_load(const void *block);
void arch_vec_store(void *block);
void arch_vec_spin(void *block, volatile int *stop, unsigned long turns);
unsigned long riscv_vector_length(void);

enum {
	RISCV_VLENB = 0, RISCV_FCSR = 8, RISCV_VL = 16, RISCV_VTYPE = 24, RISCV_VCSR = 32, RISCV_F = 64, RISCV_V = 320,
};

// Linux 6.5
#ifndef PR_RISCV_V_GET_CONTROL
#define PR_RISCV_V_GET_CONTROL 70
#endif

// Bytes of a V register; 0 where there are none or this process may not use them.
static inline unsigned long riscv_vlenb(void)
{
	static long vlenb = -1;
	enum { CURRENT = 3, ON = 2 };

	if (vlenb < 0)
		vlenb = arch_has_cpu_feature("v") && (prctl(PR_RISCV_V_GET_CONTROL) & CURRENT) == ON ?
			riscv_vector_length() : 0;
	return vlenb;
}

static inline size_t arch_vec_size(void)
{
	return RISCV_V + 32 * riscv_vlenb();
}

static inline const char *arch_vec_name(void)
{
	return riscv_vlenb() ? "v" : "d";
}

static inline const char *arch_vec_part(size_t offset, char text[ARCH_VEC_TEXT])
{
	static const char *const words[] = { NULL, "fcsr", "vl", "vtype", "vcsr", NULL, NULL, NULL };

	if (offset < RISCV_F) {
		if (words[offset / 8])
			strcpy(text, words[offset / 8]);
		return words[offset / 8] ? text : NULL;
	}
	if (offset < RISCV_V)
		snprintf(text, ARCH_VEC_TEXT, "f%zu", (offset - RISCV_F) / 8);
	else
		snprintf(text, ARCH_VEC_TEXT, "v%zu", (offset - RISCV_V) / riscv_vlenb());
	return text;
}

// A vl that vsetvl keeps for a vtype of bytes or of half words, one register each.
static inline void arch_vec_fill(void *block, unsigned int seed)
{
	unsigned long vlenb = riscv_vlenb(), *words = block;
	unsigned char *bytes = block;
	uint32_t noise = seed * 2654435761u + 1;

	memset(bytes, 0, RISCV_F);
	for (size_t i = RISCV_F; i < arch_vec_size(); i++) {
		noise = noise * 1664525 + 1013904223;
		bytes[i] = noise >> 24;
	}
	words[RISCV_VLENB / 8] = vlenb;
	words[RISCV_FCSR / 8] = (1 + seed % 3) << 5 | (noise & 0x1f);
	if (!vlenb)
		return;
	words[RISCV_VL / 8] = 1 + seed % (vlenb / 2);
	words[RISCV_VTYPE / 8] = 0xc0 | (seed & 1) << 3;
	words[RISCV_VCSR / 8] = 1 + seed % 7;
}

// Documentation/arch/riscv/vector.rst 3: the whole vector state is clobbered, and what vl and vtype are is not said.
static inline bool arch_vec_survives_syscall(size_t offset)
{
	return offset < RISCV_VL || (offset >= RISCV_F && offset < RISCV_V);
}

// Behind the F registers is a record of the V registers: a magic number, its length, five words, and where they are.
enum { RISCV_CONTEXT_F = 256, RISCV_RECORD = RISCV_CONTEXT_F + 520, RISCV_DATA = RISCV_CONTEXT_F + 568 };

static inline void *arch_uc_vec(void *uc, size_t *size)
{
	char *context = (char *)&((ucontext_t *)uc)->uc_mcontext;
	uint32_t magic;
	void *data;

	memcpy(&magic, context + RISCV_RECORD, sizeof(magic));
	if (magic != 0x53465457)
		return NULL;
	memcpy(&data, context + RISCV_DATA, sizeof(data));
	*size = 32 * riscv_vlenb();
	return data;
}

static inline bool arch_uc_vec_cut(void *uc, void *end)
{
	size_t size = 0;
	void *data = arch_uc_vec(uc, &size), *copy = (char *)end - size / 2;

	if (!data)
		return false;
	memcpy(copy, data, size / 2);
	memcpy((char *)&((ucontext_t *)uc)->uc_mcontext + RISCV_DATA, &copy, sizeof(copy));
	return true;
}

#endif
