// SPDX-License-Identifier: GPL-2.0-only
// What the context of a signal says on x86_64 and i386 beside the registers: of faults, and of itself. Part of their
// arch_frame.h.
#ifndef X86_FRAME_H
#define X86_FRAME_H

enum { X86_DE = 0, X86_BP = 3, X86_UD = 6, X86_GP = 13, X86_PF = 14 };
enum { X86_PF_PROT = 1, X86_PF_WRITE = 2, X86_PF_USER = 4, X86_PF_BITS = 6 };

// REG_ERR and REG_TRAPNO of 64 bits; i386 has them the other way round.
static inline unsigned long x86_uc_error(void *uc)
{
	return UC_GREGS(uc)[sizeof(long) == 8 ? 19 : 13];
}

static inline unsigned long x86_uc_trap(void *uc)
{
	return UC_GREGS(uc)[sizeof(long) == 8 ? 20 : 12];
}

// What follows the general registers of i386: fpregs, oldmask, cr2.
static inline unsigned long x86_uc_oldmask(void *uc)
{
	return UC_GREGS(uc)[sizeof(long) == 8 ? 21 : 20];
}

static inline unsigned long x86_uc_cr2(void *uc)
{
	return UC_GREGS(uc)[sizeof(long) == 8 ? 22 : 21];
}

static inline void x86_load(volatile char *address)
{
	(void)*address;
}

static inline void x86_store(volatile char *address)
{
	*address = 1;
}

static inline void x86_jump(volatile char *address)
{
	((void (*)(void))(unsigned long)address)();
}

static inline void x86_halt(volatile char *address)
{
	__asm__ volatile("hlt");
}

static inline void x86_interrupt(volatile char *address)
{
	__asm__ volatile("int $0x21");
}

static inline void x86_divide(volatile char *address)
{
	unsigned long pc;

	arch_divide(1, 0, &pc);
}

static inline void x86_undefined(volatile char *address)
{
	arch_undefined();
}

static inline void x86_trap(volatile char *address)
{
	arch_trap();
}

// Addresses of a 64-bit kernel have the protection bit whether anything is there or not: 2nd place, and a hole. The
// kernel of i386 may be either.
#define X86_KERNEL_BITS  (X86_PF_BITS | (sizeof(long) == 8 ? X86_PF_PROT : 0))
#define X86_KERNEL_HOLE  (sizeof(long) == 8 ? (unsigned long)0xffffffffffe01234ULL : ARCH_KERNEL_ADDRESS)

static const struct x86_fault {
	struct arch_fault fault;
	unsigned long trap, error, error_bits;
} x86_faults[] = {
	{ { "a load", x86_load, 0 },			X86_PF, X86_PF_USER, X86_PF_BITS },
	{ { "a privileged instruction", x86_halt, 0 },	X86_GP, 0, -1UL },
	{ { "a store", x86_store, 0 },			X86_PF, X86_PF_USER | X86_PF_WRITE, X86_PF_BITS },
	{ { "a gate of the kernel's", x86_interrupt, 0 }, X86_GP, 0, 0 },	/* none with FRED, and emulators have it wrong */
	{ { "a jump", x86_jump, 0 },			X86_PF, X86_PF_USER, X86_PF_BITS },
	{ { "an undefined instruction", x86_undefined, 0 }, X86_UD, 0, -1UL },
	{ { "a division by zero", x86_divide, 0 },	X86_DE, 0, -1UL },
	{ { "a breakpoint", x86_trap, 0 },		X86_BP, 0, -1UL },
	{ { "a load from the kernel", x86_load, ARCH_KERNEL_ADDRESS }, X86_PF, X86_PF_USER | X86_PF_PROT, X86_KERNEL_BITS },
	{ { "a store to the kernel", x86_store, ARCH_KERNEL_ADDRESS },
	  X86_PF, X86_PF_USER | X86_PF_WRITE | X86_PF_PROT, X86_KERNEL_BITS },
	{ { "a load from where not even the kernel is", x86_load, X86_KERNEL_HOLE },
	  X86_PF, X86_PF_USER | X86_PF_PROT, X86_KERNEL_BITS },
	{ { "a store to where not even the kernel is", x86_store, X86_KERNEL_HOLE },
	  X86_PF, X86_PF_USER | X86_PF_WRITE | X86_PF_PROT, X86_KERNEL_BITS },
};

static inline const struct arch_fault *arch_fault(int which)
{
	return which < (int)(sizeof(x86_faults) / sizeof(*x86_faults)) ? &x86_faults[which].fault : NULL;
}

static inline const char *arch_fault_mismatch(void *uc, int which, unsigned long address)
{
	const struct x86_fault *f = &x86_faults[which];

	// Where the CPU separates the address spaces (LASS) it does not even try to translate.
	if (f->fault.of_kernel && x86_uc_trap(uc) == X86_GP)
		return x86_uc_error(uc) ? "the error code is not 0" : NULL;
	if (x86_uc_trap(uc) != f->trap)
		return "the number of the trap is another's";
	if ((x86_uc_error(uc) & f->error_bits) != (f->error & f->error_bits))
		return "the error code is not that of what was done";
	if (f->trap == X86_PF && x86_uc_cr2(uc) != address)
		return "cr2 is not the address";
	return NULL;
}

enum { X86_UC_XSTATE = 1, X86_UC_SS = 2, X86_UC_STRICT_SS = 4, X86_FSAVE_MAGIC = 110, X86_FSAVE_SIZE = 112 };

// The size that the frame names for the area reaches to the end of the second magic number.
static inline const char *x86_area_mismatch(const unsigned char *area)
{
	const unsigned char *image = area + X86_FSAVE;
	uint32_t magic, end, size, behind;
	uint64_t features;
	uint16_t old_magic;

	memcpy(&magic, image + X86_NOTE, sizeof(magic));
	memcpy(&end, image + X86_NOTE_END, sizeof(end));
	memcpy(&features, image + X86_NOTE_END + 4, sizeof(features));
	memcpy(&size, image + X86_NOTE_XSAVE, sizeof(size));
	memcpy(&old_magic, area + X86_FSAVE_MAGIC, sizeof(old_magic));
	if (X86_FSAVE && old_magic != 0)
		return "the area does not say that the image of FXSAVE follows";
	if (!x86_layout()->mask)
		return NULL;
	memcpy(&behind, image + size, sizeof(behind));
	if (magic != X86_MAGIC1 || behind != X86_MAGIC2)
		return "the area lacks a magic number";
	if (end != size + sizeof(behind) + X86_FSAVE)
		return "the size of the whole area does not end behind the second magic number";
	if ((features & x86_layout()->mask) != x86_layout()->mask)
		return "the area does not name what it holds";
	return NULL;
}

static inline const char *arch_frame_mismatch(void *uc, const struct kernel_sigset *mask)
{
	unsigned long flags = ((ucontext_t *)uc)->uc_flags;
	unsigned char *area = (unsigned char *)((ucontext_t *)uc)->uc_mcontext.fpregs;

	if (!(flags & X86_UC_XSTATE) != !x86_layout()->mask)
		return "uc_flags does not say whether there is an image of XSAVE";
	if (sizeof(long) == 8 && (flags & (X86_UC_SS | X86_UC_STRICT_SS)) != (X86_UC_SS | X86_UC_STRICT_SS))
		return "uc_flags does not say that the stack segment is there";
	if (x86_uc_oldmask(uc) != mask->word[0])
		return "oldmask is not the first word of the mask";
	return area ? x86_area_mismatch(area) : "there is no floating-point area";
}

#endif
