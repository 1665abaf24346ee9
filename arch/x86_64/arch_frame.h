// SPDX-License-Identifier: GPL-2.0-only
// Signal frames of x86_64 and i386: behind the context, at its fpregs, an image of XSAVE, in front of which a frame of
// i386 has one of FSAVE, from where the return takes x87.
#ifndef ARCH_FRAME_H
#define ARCH_FRAME_H

#include <arch_vec.h>	/* of the ABI that is built, which need not be the one beside this file */

#define ARCH_NESTED_OVERFLOW_SINCE (sizeof(long) == 8 ? 0 : KERNEL(6, 2))
#define ARCH_ENTRY_OVERFLOW_SINCE  (sizeof(long) == 8 ? KERNEL(5, 14) : KERNEL(6, 2))
#define ARCH_NEEDS_RESTORER        (sizeof(long) == 8)
#define ARCH_FLAGS_PRIVILEGED      0x3b7202UL	/* IF IOPL NT VM VIF VIP ID, and the bit that is always set */
#define ARCH_HAS_FRAME_VEC         1
#define ARCH_HAS_FRAME_SPOIL       1
#define ARCH_HAS_FRAME_FAULTS      1

#include "arch_frame_generic.h"
#include "x86_frame.h"

// The XSAVE image, if the frame has all that a block has.
static inline unsigned char *x86_frame_image(void *uc)
{
	size_t size = 0;
	unsigned char *area = arch_uc_vec(uc, &size);
	size_t needed = X86_FSAVE + (x86_layout()->mask ? x86_layout()->size : X86_HEADER);

	return area && size >= needed ? area + X86_FSAVE : NULL;
}

static inline bool arch_frame_vec_get(void *uc, void *block)
{
	unsigned char *image = x86_frame_image(uc), *to = block;

	if (!image)
		return false;
	memcpy(to, image, X86_MASK);
	if (x86_layout()->mask)
		memcpy(to + X86_LEGACY, image + X86_LEGACY, x86_layout()->size - X86_LEGACY);
	return true;
}

// The tags of FSAVE are two bits a register, 0 for one that is in use.
static inline bool arch_frame_vec_put(void *uc, const void *block)
{
	unsigned char *image = x86_frame_image(uc), *x87 = image - X86_FSAVE;
	const unsigned char *from = block;
	uint64_t in_use;

	if (!image)
		return false;
	memcpy(image, from, X86_MASK);
	if (x86_layout()->mask) {
		memcpy(image + X86_LEGACY, from + X86_LEGACY, x86_layout()->size - X86_LEGACY);
		memcpy(&in_use, image + X86_HEADER, sizeof(in_use));
		in_use |= x86_layout()->mask;
		memcpy(image + X86_HEADER, &in_use, sizeof(in_use));
	}
	if (X86_FSAVE) {
		memcpy(x87, from + X86_FCW, 2);
		memcpy(x87 + 4, from + X86_FSW, 2);
		memset(x87 + 8, 0, 2);
		for (int i = 0; i < 8; i++)
			memcpy(x87 + 28 + 10 * i, from + 32 + 16 * i, 10);
	}
	return true;
}

// Code and stack segment of the context: 16 bits each, cs where i386 has it and ss 4 bytes further on than eflags and
// esp; beside each other in one word of x86_64.
static inline unsigned short *x86_uc_segment(void *uc, bool stack)
{
	return sizeof(long) == 8 ? (unsigned short *)&UC_GREGS(uc)[18] + (stack ? 3 : 0)
				 : (unsigned short *)&UC_GREGS(uc)[stack ? 18 : 15];
}

static inline void x86_put32(unsigned char *to, uint32_t value)
{
	memcpy(to, &value, sizeof(value));
}

enum { X86_NOTE_EXTENDED = X86_NOTE_END, X86_XCOMP = X86_HEADER + 8 };

// The kernel checks magic numbers and sizes, and takes what does not fit for an image of FXSAVE alone; the CPU checks
// the rest, and before 5.14 the kernel put some of it right.
static inline const char *arch_frame_spoil(void *uc, int which, enum arch_frame_fate *fate)
{
	static const struct {
		const char *name;
		enum arch_frame_fate fate;
	} ways[] = {
		{ "no floating-point area",			FRAME_RESETS },
		{ "a floating-point area in page 0",		FRAME_DIES },
		{ "a floating-point area of the kernel",	FRAME_DIES },
		{ "a floating-point area off its place",	FRAME_DIES_OR_LIVES },
		{ "reserved bits in mxcsr",			FRAME_DIES_OR_LIVES },
		{ "the kernel's code segment",			FRAME_DIES },
		{ "no code segment",				FRAME_DIES },
		{ "a code segment that does not exist",		FRAME_DIES },
		{ "a stack segment that does not exist",	FRAME_DIES },
		{ "no first magic number",			FRAME_RESETS },
		{ "no second magic number",			FRAME_RESETS },
		{ "a size of nothing",				FRAME_RESETS },
		{ "a size beyond measure",			FRAME_RESETS },
		{ "a size beyond that of the area",		FRAME_RESETS },
		{ "a component that does not exist",		FRAME_DIES },
		{ "the compacted format",			FRAME_DIES_OR_LIVES },
		{ "reserved bytes of the header in use",	FRAME_DIES_OR_LIVES },
		{ "no stack segment, as old programs wrote it",	sizeof(long) == 8 ? FRAME_LIVES : FRAME_UNTOLD },
	};
	size_t size = 0;
	void **fpregs = (void **)&((ucontext_t *)uc)->uc_mcontext.fpregs;
	unsigned char *image = (unsigned char *)arch_uc_vec(uc, &size) + X86_FSAVE;
	uint32_t xsave_size;

	if (which >= (int)(sizeof(ways) / sizeof(*ways)))
		return NULL;
	*fate = ways[which].fate;
	memcpy(&xsave_size, image + X86_NOTE_XSAVE, sizeof(xsave_size));
	if (which == 17) {
		if (sizeof(long) == 8) {
			((ucontext_t *)uc)->uc_flags &= ~(unsigned long)X86_UC_STRICT_SS;
			*x86_uc_segment(uc, true) = 0;
		}
	} else if (which >= 9 && size <= X86_FSAVE + X86_HEADER)
		*fate = FRAME_UNTOLD;
	else if (which < 4)
		*fpregs = (void *)((unsigned long []){ 0, 64, -64UL, (unsigned long)*fpregs + 1 }[which]);
	else if (which == 4)
		x86_put32(image + X86_MXCSR, 0xffffffff);
	else if (which < 9)
		*x86_uc_segment(uc, which == 8) = ((unsigned short []){ 0x10, 0, 0xfff8, 0xfff8 }[which - 5]);
	else if (which == 9)
		x86_put32(image + X86_NOTE, 0);
	else if (which == 10)
		x86_put32(image + xsave_size, 0);
	else if (which < 13)
		x86_put32(image + X86_NOTE_XSAVE, which == 11 ? 0 : 0xfffffff0);
	else if (which == 13)
		x86_put32(image + X86_NOTE_EXTENDED, xsave_size - 1);
	else if (which == 14)
		x86_put32(image + X86_HEADER + 4, 1 << 30);
	else if (which == 15)
		x86_put32(image + X86_XCOMP + 4, 1u << 31);
	else
		x86_put32(image + X86_XCOMP + 8, 1);
	return ways[which].name;
}

#endif
