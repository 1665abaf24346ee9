// SPDX-License-Identifier: GPL-2.0-only
// The contract of arch_frame.h: signal frames as the port's kernel makes and takes them, and defaults for each item.
#ifndef ARCH_FRAME_GENERIC_H
#define ARCH_FRAME_GENERIC_H

// In the order of the include path: in quotes it would be the one beside this file, which knows no registers.
#include <arch_vec.h>

// The first release that ends in SIGSEGV a frame that would leave the signal stack at its lower end, by KERNEL(): of a
// signal that interrupts a handler there, and of one that enters the stack. No release, unless the port names one.
#ifndef ARCH_NESTED_OVERFLOW_SINCE
#define ARCH_NESTED_OVERFLOW_SINCE KERNEL(0xffff, 0)
#endif
#ifndef ARCH_ENTRY_OVERFLOW_SINCE
#define ARCH_ENTRY_OVERFLOW_SINCE KERNEL(0xffff, 0)
#endif

// 1 where a handler without SA_RESTORER cannot be called; 0 where the kernel has a trampoline for it.
#ifndef ARCH_NEEDS_RESTORER
#define ARCH_NEEDS_RESTORER 0
#endif

// Bits of the flags register that a return from a signal must not change whatever the frame has in them.
#ifndef ARCH_FLAGS_PRIVILEGED
#define ARCH_FLAGS_PRIVILEGED 0UL
#endif

// ARCH_HAS_FRAME_VEC 1: the port reads a frame's vector registers into a block of arch_vec.h, of which the return
// loads what arch_frame_vec_put() wrote there. False if this frame has none.
//	static inline bool arch_frame_vec_get(void *uc, void *block);
//	static inline bool arch_frame_vec_put(void *uc, const void *block);
#ifndef ARCH_HAS_FRAME_VEC
#define ARCH_HAS_FRAME_VEC 0
static inline bool arch_frame_vec_get(void *uc, void *block)
{
	return false;
}

static inline bool arch_frame_vec_put(void *uc, const void *block)
{
	return false;
}
#endif

// Makes a frame one that no kernel wrote, in way number `which`; returns its name, NULL beyond the last. What the
// return from it must do is in *fate; FRAME_UNTOLD also where this machine's frames cannot be spoilt so.
enum arch_frame_fate {
	FRAME_DIES,		// ends in SIGSEGV or SIGBUS
	FRAME_DIES_OR_LIVES,	// or goes on at the frame's pc
	FRAME_LIVES,		// goes on at the frame's pc, as the kernel mends it
	FRAME_RESETS,		// goes on, the vector registers as a handler finds them or as the frame has them
	FRAME_UNTOLD,
};
#ifndef ARCH_HAS_FRAME_SPOIL
#define ARCH_HAS_FRAME_SPOIL 0
static inline const char *arch_frame_spoil(void *uc, int which, enum arch_frame_fate *fate)
{
	return NULL;
}
#endif

// Faults whose context says more than the siginfo_t: arch_fault(which) is number `which`, NULL beyond the last. It is
// caused at the address of the kernel that it names, or at one that the caller may not touch. arch_fault_mismatch()
// says what of its context is not that of this fault, NULL if nothing.
struct arch_fault {
	const char *name;
	void (*cause)(volatile char *address);
	unsigned long of_kernel;
};
#ifndef ARCH_HAS_FRAME_FAULTS
#define ARCH_HAS_FRAME_FAULTS 0
static inline const struct arch_fault *arch_fault(int which)
{
	return NULL;
}

static inline const char *arch_fault_mismatch(void *uc, int which, unsigned long address)
{
	return NULL;
}

// What the words of a frame say that contradicts another one or the interrupted code's mask, NULL if nothing.
static inline const char *arch_frame_mismatch(void *uc, const struct kernel_sigset *mask)
{
	return NULL;
}
#endif

#endif
