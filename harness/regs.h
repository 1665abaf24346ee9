// SPDX-License-Identifier: GPL-2.0-only
// Filling and comparing the registers of arch_generic.h and the blocks of arch_vec.h, for clauses on what survives.
#ifndef REGS_H
#define REGS_H

#include "arch_vec.h"

#define REGS_TEXT 128

// Every register gets a word of its own, another one for each seed; what the ABI fixes in the flags stays so.
void regs_fill(struct arch_regs *regs, unsigned int seed);

// Puts the number and up to six arguments of a system call where they belong.
#define regs_set_syscall(regs, ...) \
	regs_set_syscall_(regs, (const long[]){ __VA_ARGS__ }, sizeof((const long[]){ __VA_ARGS__ }) / sizeof(long))
void regs_set_syscall_(struct arch_regs *regs, const long *words, int count);

// NULL if the registers are equal, but for those of may_change (a bit per index) and the flags nobody keeps; else
// the first that differs, with both values, in text[REGS_TEXT].
const char *regs_difference(const struct arch_regs *was, const struct arch_regs *is, unsigned long may_change,
			    char *text);

// A block for arch_vec_load() filled by arch_vec_fill(), or NULL where there are no such registers; free() ends it.
void *vec_block(unsigned int seed);
void *vec_copy(const void *block);

// As regs_difference, of two blocks; NULL equals anything. counts(offset) says which bytes to look at; NULL means all.
const char *vec_difference(const void *was, const void *is, bool (*counts)(size_t offset), char *text);

// Fails the clause, naming the register, unless all is as it was.
#define EXPECT_REGS(was, is, may_change) EXPECT_SAME_(regs_difference(was, is, may_change, text_))
#define EXPECT_VEC(was, is)              EXPECT_SAME_(vec_difference(was, is, NULL, text_))
#define EXPECT_VEC_AFTER_SYSCALL(was, is) EXPECT_SAME_(vec_difference(was, is, arch_vec_survives_syscall, text_))
#define EXPECT_SAME_(difference) do {			\
	char text_[REGS_TEXT];				\
	const char *seen_ = difference;			\
							\
	EXPECT_EQ(NULL, seen_) {			\
		TH_LOG("%s", seen_);			\
	}						\
} while (0)

#endif
