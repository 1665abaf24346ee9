// SPDX-License-Identifier: GPL-2.0-only
// Filling and comparing registers.
#include <stdio.h>
#include <stdlib.h>

#include "regs.h"

static const char *const names[] = ARCH_REG_NAMES;

void regs_fill(struct arch_regs *regs, unsigned int seed)
{
	uint64_t noise = seed * 0x9e3779b97f4a7c15 + 1;

	for (int i = 0; i < ARCH_REGS; i++) {
		noise = noise * 6364136223846793005 + 1442695040888963407;
		regs->r[i] = noise >> (64 - 8 * sizeof(long)) ^ noise >> 29;
		if (i == ARCH_REG_FLAGS)
			regs->r[i] = (regs->r[i] & ARCH_FLAGS_FREE) | ARCH_FLAGS_FIXED;
	}
}

void regs_set_syscall_(struct arch_regs *regs, const long *words, int count)
{
	regs->r[ARCH_REG_NR] = words[0];
	for (int i = 1; i < count; i++)
		regs->r[ARCH_REG_ARG(i - 1)] = words[i];
}

const char *regs_difference(const struct arch_regs *was, const struct arch_regs *is, unsigned long may_change,
			    char *text)
{
	for (int i = 0; i < ARCH_REGS; i++) {
		unsigned long kept = may_change >> i & 1 ? 0 : i == ARCH_REG_FLAGS ? ARCH_FLAGS_FREE : -1UL;

		if (!((was->r[i] ^ is->r[i]) & kept))
			continue;
		snprintf(text, REGS_TEXT, "%s was 0x%lx and is 0x%lx", names[i], was->r[i] & kept, is->r[i] & kept);
		return text;
	}
	return NULL;
}

static void *new_block(void)
{
	size_t size = (arch_vec_size() + ARCH_VEC_ALIGN - 1) & -ARCH_VEC_ALIGN;

	return size ? aligned_alloc(ARCH_VEC_ALIGN, size) : NULL;
}

void *vec_block(unsigned int seed)
{
	void *block = new_block();

	if (block)
		arch_vec_fill(block, seed);
	return block;
}

void *vec_copy(const void *block)
{
	void *copy = block ? new_block() : NULL;

	return copy ? memcpy(copy, block, arch_vec_size()) : NULL;
}

const char *vec_difference(const void *was, const void *is, bool (*counts)(size_t offset), char *text)
{
	const unsigned char *a = was, *b = is;
	char part[ARCH_VEC_TEXT];

	for (size_t i = 0; a && b && i < arch_vec_size(); i++) {
		if (a[i] == b[i] || !arch_vec_part(i, part) || (counts && !counts(i)))
			continue;
		snprintf(text, REGS_TEXT, "%s was %02x and is %02x at byte %zu", part, a[i], b[i], i);
		return text;
	}
	return NULL;
}
