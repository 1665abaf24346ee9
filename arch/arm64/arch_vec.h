// SPDX-License-Identifier: GPL-2.0-only
// NEON and SVE of arm64. A block is a header (the vector length or 0, FPSR, FPCR), then V0 to V31, or Z0 to Z31, P0 to
// P15 and FFR. SME is left out: a ZA of full size is larger than the signal stacks that runtimes have.
#ifndef ARCH_VEC_H
#define ARCH_VEC_H

#include <stdio.h>

#include "arch.h"

#define ARCH_VEC_ALIGN 64
#define ARCH_VEC_TEXT  32

void arch_vec_load(const void *block);
void arch_vec_store(void *block);
void arch_vec_spin(void *block, volatile int *stop, unsigned long turns);
unsigned long arm64_vector_length(void);

enum { ARM64_VL = 0, ARM64_FPSR = 8, ARM64_FPCR = 12, ARM64_Z = 64, ARM64_REGS = 32, ARM64_PREDICATES = 17 };

static inline unsigned long arm64_vl(void)
{
	return arch_has_cpu_feature("sve") ? arm64_vector_length() : 0;
}

// Bytes of a Z register, or of a V where there is no SVE.
static inline unsigned long arm64_width(void)
{
	return arm64_vl() ?: 16;
}

static inline size_t arch_vec_size(void)
{
	return ARM64_Z + ARM64_REGS * arm64_width() + ARM64_PREDICATES * arm64_vl() / 8;
}

static inline const char *arch_vec_name(void)
{
	return arm64_vl() ? "sve" : "neon";
}

static inline const char *arch_vec_part(size_t offset, char text[ARCH_VEC_TEXT])
{
	unsigned long width = arm64_width(), i;

	if (offset >= ARM64_FPSR && offset < ARM64_FPCR + 4)
		return strcpy(text, offset < ARM64_FPCR ? "fpsr" : "fpcr");
	if (offset < ARM64_Z)
		return NULL;
	i = (offset - ARM64_Z) / width;
	if (i < ARM64_REGS) {
		snprintf(text, ARCH_VEC_TEXT, (offset - ARM64_Z) % width < 16 ? "v%lu" : "z%lu above v%lu", i, i);
		return text;
	}
	i = (offset - ARM64_Z - ARM64_REGS * width) / (width / 8);
	snprintf(text, ARCH_VEC_TEXT, i < ARM64_PREDICATES - 1 ? "p%lu" : "ffr", i);
	return text;
}

// FFR must be ones from the first element on; exceptions stay untrapped.
static inline void arch_vec_fill(void *block, unsigned int seed)
{
	unsigned long vl = arm64_vl();
	unsigned char *bytes = block;
	size_t size = arch_vec_size(), ffr = size - vl / 8;
	uint32_t noise = seed * 2654435761u + 1;

	for (size_t i = ARM64_Z; i < size; i++) {
		noise = noise * 1664525 + 1013904223;
		bytes[i] = noise >> 24;
	}
	memset(bytes, 0, ARM64_Z);
	memcpy(bytes + ARM64_VL, &vl, sizeof(vl));
	*(uint32_t *)(bytes + ARM64_FPSR) = (1 + seed % 7) << 2 | 1u << 27;
	*(uint32_t *)(bytes + ARM64_FPCR) = (1 + seed % 3) << 22 | (seed & 1) << 24;
	if (vl)
		memset(bytes + ffr, 0, vl / 8);
	for (size_t bit = 0; bit < vl && bit < noise % (vl + 1); bit++)
		bytes[ffr + bit / 8] |= 1 << bit % 8;
}

// Documentation/arch/arm64/sve.rst 3: of Z the 128 bits that are V stay, nothing else of SVE.
static inline bool arch_vec_survives_syscall(size_t offset)
{
	unsigned long width = arm64_width();

	return offset < ARM64_Z || (offset < ARM64_Z + ARM64_REGS * width && (offset - ARM64_Z) % width < 16);
}

// Where the records of the frame do not fit into the ucontext, one of them (struct extra_context) says where they go on.
static inline void *arch_uc_vec(void *uc, size_t *size)
{
	mcontext_t *context = &((ucontext_t *)uc)->uc_mcontext;
	unsigned char *record = (void *)context->__reserved, *end = record + sizeof(context->__reserved);
	struct {
		uint32_t magic, bytes;
		uint64_t start;
		uint32_t size;
	} head;

	for (; record + sizeof(head) <= end; record += head.bytes) {
		memcpy(&head, record, sizeof(head));
		if (!head.magic || head.bytes < 8)
			break;
		if (head.magic == 0x45585401) {
			*size = head.size;
			return (void *)head.start;
		}
	}
	return NULL;
}

// They must stay right behind the frame (arch/arm64/kernel/signal.c parse_user_sigframe).
static inline bool arch_uc_vec_cut(void *uc, void *end)
{
	return false;
}

#endif
