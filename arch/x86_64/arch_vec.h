// SPDX-License-Identifier: GPL-2.0-only
// x87, SSE, AVX, AVX-512, PKRU of x86_64 and i386. A block is an image of XSAVE, or of FXSAVE where there is no XSAVE.
// AMX is left out: its tiles need a permission, and no kernel promises to hand them on to a child.
#ifndef ARCH_VEC_H
#define ARCH_VEC_H

#include <arch.h>	/* of the ABI that is built, which need not be the one beside this file */
#include <stdio.h>

#define ARCH_VEC_ALIGN 64
#define ARCH_VEC_TEXT  32

void arch_vec_load(const void *block);
void arch_vec_store(void *block);
void arch_vec_spin(void *block, volatile int *stop, unsigned long turns);

enum { X86_FCW = 0, X86_FSW = 2, X86_FTW = 4, X86_MXCSR = 24, X86_MASK = 464, X86_HEADER = 512, X86_LEGACY = 576 };
enum { X86_X87, X86_SSE, X86_YMM, X86_OPMASK = 5, X86_ZMM, X86_ZMM_16, X86_PKRU = 9, X86_COMPONENTS };

// In 32-bit mode the second half of each register file does not exist.
#define X86_SIMD_REGS (sizeof(long) == 8 ? 16 : 8)

// Runs of equal registers: component of XCR0, place in the image or in the component, distance, width, count, number
// of the first, name.
struct x86_run {
	unsigned char component, start, stride, width, count, first;
	const char *name;
};

static const struct x86_run x86_runs[] = {
	{ X86_X87,    X86_FCW,   2,  2,  1,             0,  "x87 control word" },
	{ X86_X87,    X86_FSW,   2,  2,  1,             0,  "x87 status word" },
	{ X86_X87,    X86_FTW,   1,  1,  1,             0,  "x87 tags" },
	{ X86_X87,    32,        16, 10, 8,             0,  "st%u" },
	{ X86_SSE,    X86_MXCSR, 4,  4,  1,             0,  "mxcsr" },
	{ X86_SSE,    160,       16, 16, X86_SIMD_REGS, 0,  "xmm%u" },
	{ X86_YMM,    0,         16, 16, X86_SIMD_REGS, 0,  "upper half of ymm%u" },
	{ X86_OPMASK, 0,         8,  8,  8,             0,  "k%u" },
	{ X86_ZMM,    0,         32, 32, X86_SIMD_REGS, 0,  "upper half of zmm%u" },
	{ X86_ZMM_16, 0,         64, 64, 16,            16, "zmm%u" },
	{ X86_PKRU,   0,         4,  4,  1,             0,  "pkru" },
};

// What a block holds: the components of x86_runs that are enabled, none without XSAVE, and where each begins.
struct x86_layout {
	uint64_t mask;
	size_t size, place[X86_COMPONENTS];
};

// Asked of the CPU once: cpuid is slow in a virtual machine.
static inline const struct x86_layout *x86_layout(void)
{
	static struct x86_layout layout;

	if (layout.size)
		return &layout;
	layout.mask = x86_xcr0() & (sizeof(long) == 8 ? 0xe7 : 0x67);
	if (arch_has_cpu_feature("pku"))	// a 32-bit kernel may enable it in XCR0 alone, and then nobody switches it
		layout.mask |= 1 << X86_PKRU;
	layout.size = X86_LEGACY;
	for (unsigned int i = X86_YMM; i < X86_COMPONENTS; i++) {
		unsigned int size, place, c, d;

		if (!(layout.mask >> i & 1))
			continue;
		__cpuid_count(0xd, i, size, place, c, d);
		layout.place[i] = place;
		if (place + size > layout.size)
			layout.size = place + size;
	}
	return &layout;
}

static inline size_t arch_vec_size(void)
{
	return x86_layout()->size;
}

static inline const char *arch_vec_name(void)
{
	return arch_has_cpu_feature("avx512") ? "avx512" : arch_has_cpu_feature("avx") ? "avx" : "sse";
}

// Text may be NULL: then only whether there is a register counts.
static inline const char *arch_vec_part(size_t offset, char text[ARCH_VEC_TEXT])
{
	const struct x86_layout *layout = x86_layout();

	for (const struct x86_run *run = x86_runs; run < x86_runs + sizeof(x86_runs) / sizeof(*run); run++) {
		size_t start = layout->place[run->component] + run->start;

		if (!((layout->mask | 3) >> run->component & 1) || offset < start ||
		    (offset - start) / run->stride >= run->count || (offset - start) % run->stride >= run->width)
			continue;
		if (text)
			snprintf(text, ARCH_VEC_TEXT, run->name, run->first + (unsigned int)((offset - start) / run->stride));
		return text ? text : run->name;
	}
	return NULL;
}

// Where not every value is allowed or harmless: exceptions stay masked, key 0 stays open, no register counts as empty.
static inline void arch_vec_fill(void *block, unsigned int seed)
{
	const struct x86_layout *layout = x86_layout();
	unsigned char *image = block;
	uint32_t noise = seed * 2654435761u + 1;

	memset(image, 0, layout->size);
	for (size_t i = 0; i < layout->size; i++) {
		noise = noise * 1664525 + 1013904223;
		if (arch_vec_part(i, NULL))
			image[i] = noise >> 24;
	}
	*(uint16_t *)(image + X86_FCW) = 0x027f | (1 + seed % 3) << 10;
	*(uint16_t *)(image + X86_FSW) &= 0x7f00;
	image[X86_FTW] = 0xff;
	*(uint32_t *)(image + X86_MXCSR) = 0x9f80 | (1 + seed % 3) << 13 | (noise & 0x3f);
	if (layout->mask >> X86_PKRU & 1)
		*(uint32_t *)(image + layout->place[X86_PKRU]) &= ~3;
	*(uint64_t *)(image + X86_MASK) = layout->mask;
	*(uint64_t *)(image + X86_HEADER) = layout->mask;
}

static inline bool arch_vec_survives_syscall(size_t offset)
{
	return true;
}

// The kernel's note behind the FXSAVE image (struct _fpx_sw_bytes) says how far the area goes. A frame of i386 has the
// old FSAVE image in front of it.
#define X86_FSAVE (sizeof(long) == 8 ? 0 : 112)
enum { X86_MAGIC1 = 0x46505853, X86_MAGIC2 = 0x46505845, X86_NOTE = 464, X86_NOTE_END = 468, X86_NOTE_XSAVE = 480 };

static inline void *arch_uc_vec(void *uc, size_t *size)
{
	unsigned char *area = (unsigned char *)((ucontext_t *)uc)->uc_mcontext.fpregs;
	uint32_t magic, end;

	if (!area)
		return NULL;
	memcpy(&magic, area + X86_FSAVE + X86_NOTE, sizeof(magic));
	memcpy(&end, area + X86_FSAVE + X86_NOTE_END, sizeof(end));
	*size = magic == X86_MAGIC1 ? end : X86_FSAVE + X86_HEADER;
	return area;
}

// The second magic number goes behind the header of XSAVE; the registers that this names lie beyond what is there.
static inline bool arch_uc_vec_cut(void *uc, void *end)
{
	enum { THERE = X86_LEGACY + 64 };
	uint32_t magic = X86_MAGIC2, claimed = X86_LEGACY;
	unsigned char *area, *copy;
	size_t size = 0;

	area = arch_uc_vec(uc, &size);
	if (size <= X86_FSAVE + THERE)
		return false;
	copy = (unsigned char *)end - THERE - X86_FSAVE;
	memcpy(copy, area, X86_FSAVE + THERE);
	memcpy(copy + X86_FSAVE + X86_NOTE_XSAVE, &claimed, sizeof(claimed));
	memcpy(copy + X86_FSAVE + X86_LEGACY, &magic, sizeof(magic));
	((ucontext_t *)uc)->uc_mcontext.fpregs = (void *)copy;
	return true;
}

#endif
