// SPDX-License-Identifier: GPL-2.0-only
// Registers beside the general ones: floating point, vectors, masks, protection keys. This is the contract, and the
// default of a port that knows none; a port's own arch_vec.h hides it by include order.
//
// A block holds them all in the form in which arch.S moves them, aligned to ARCH_VEC_ALIGN. Which there are is found
// at run time: what the CPU has and the kernel has enabled.
#ifndef ARCH_VEC_H
#define ARCH_VEC_H

#include "arch.h"

#define ARCH_VEC_ALIGN 64
#define ARCH_VEC_TEXT  32

// Size of a block; 0: there are no such registers, and nothing else here may be called.
static inline size_t arch_vec_size(void)
{
	return 0;
}

// The widest set in use, "avx512".
static inline const char *arch_vec_name(void)
{
	return "none";
}

// Makes a block whose registers differ from each other, for each seed in another way, and harm no integer code.
static inline void arch_vec_fill(void *block, unsigned int seed)
{
}

// Names in text the register that the byte at offset of a block belongs to; NULL if to none that can be compared.
static inline const char *arch_vec_part(size_t offset, char text[ARCH_VEC_TEXT])
{
	return NULL;
}

// Whether a system call, and with it a clone's child, keeps what belongs to the byte at offset.
static inline bool arch_vec_survives_syscall(size_t offset)
{
	return true;
}

// The part of a signal frame that holds these registers, where it is apart from the ucontext: NULL if it is not.
static inline void *arch_uc_vec(void *uc, size_t *size)
{
	return NULL;
}

// Makes the ucontext refer to a copy of that part which says that it is whole, and of which only the beginning can be
// read: it ends at end, in front of an unreachable page. False where that cannot be done.
static inline bool arch_uc_vec_cut(void *uc, void *end)
{
	return false;
}

// Load the registers from a block; store them to one that arch_vec_fill() has made, and leave floating point as a
// function call must find it. In arch.S.
static inline void arch_vec_load(const void *block)
{
}

static inline void arch_vec_store(void *block)
{
}

// Both in one, with no compiled code between: loads, spins until *stop is not zero or turns have passed, stores.
static inline void arch_vec_spin(void *block, volatile int *stop, unsigned long turns)
{
}

#endif
