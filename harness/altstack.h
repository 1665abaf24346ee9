// SPDX-License-Identifier: GPL-2.0-only
// Signal stacks: sigaltstack(2) by raw call, painted memory for them, and traps with the stack pointer anywhere.
#ifndef ALTSTACK_H
#define ALTSTACK_H

#include <sys/auxv.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "sigaction.h"

#ifndef AT_MINSIGSTKSZ
#define AT_MINSIGSTKSZ 51
#endif
#ifndef SS_AUTODISARM
#define SS_AUTODISARM (1U << 31)
#endif

#define STACK_PAINT  0x5a
#define STACK_MARGIN (32 * 1024)
#define ROOMY        (256 * 1024)	/* for several frames of the largest register files, and their handlers */

static inline long raw_sigaltstack(const stack_t *stack, stack_t *old)
{
	return raw_syscall(__NR_sigaltstack, stack, old);
}

static inline long use_stack(void *memory, size_t size, unsigned int flags)
{
	stack_t stack = { .ss_sp = memory, .ss_size = size, .ss_flags = flags };

	return raw_sigaltstack(&stack, NULL);
}

// The calling thread's setting; what cannot be a setting if the call fails.
static inline stack_t stack_now(void)
{
	stack_t stack;

	memset(&stack, 0x77, sizeof(stack));
	raw_sigaltstack(NULL, &stack);
	return stack;
}

// What the kernel promises to be enough for a frame; 0 where it does not say.
static inline size_t frame_bound(void)
{
	return getauxval(AT_MINSIGSTKSZ);
}

// Memory for a stack of size bytes (any number of them) between painted margins, all painted; flags are mmap's.
static inline char *painted_stack(size_t size, int flags)
{
	size_t all = size + 2 * STACK_MARGIN;
	char *memory = mmap(NULL, all, PROT_READ | PROT_WRITE, MAP_ANONYMOUS | flags, -1, 0);

	if (memory == MAP_FAILED)
		return NULL;
	memset(memory, STACK_PAINT, all);
	return memory + STACK_MARGIN;
}

// The first byte of [from, to) that the paint is gone from; NULL if it is whole.
static inline const char *first_spot(const char *from, const char *to)
{
	for (; from < to; from++)
		if (*from != STACK_PAINT)
			return from;
	return NULL;
}

static inline bool margins_are_painted(const char *stack, size_t size)
{
	return !first_spot(stack - STACK_MARGIN, stack) && !first_spot(stack + size, stack + size + STACK_MARGIN);
}

// Sends sig to the calling thread: it is delivered, unless blocked, before this returns.
static inline long hit(int sig)
{
	return raw_syscall(__NR_tgkill, raw_syscall(__NR_getpid), raw_syscall(__NR_gettid), sig);
}

// Raises ARCH_TRAP_SIGNAL with the stack pointer at sp, wherever that is; nothing runs there but the handler, which the
// caller has set and which ends with detour_end(). Takes SIGUSR2. Not for two threads at once.
static struct {
	unsigned long sp, pc, new_sp, new_pc;
} detour_;

static void detour_begin_(int sig, siginfo_t *info, void *uc)
{
	detour_.sp = UC_SP(uc);
	detour_.pc = UC_PC(uc);
	UC_SP(uc) = detour_.new_sp;
	UC_PC(uc) = detour_.new_pc;
}

static inline void detour_end(void *uc)
{
	UC_SP(uc) = detour_.sp;
	UC_PC(uc) = detour_.pc;
}

// As trap_at, with any code at pc in place of the trap.
static inline long jump_to(const void *pc, const void *sp)
{
	long result = raw_sigaction(SIGUSR2, detour_begin_, 0);

	detour_.new_pc = (unsigned long)pc;
	detour_.new_sp = (unsigned long)sp;
	return result ? result : hit(SIGUSR2);
}

static inline long trap_at(const void *sp)
{
	return jump_to((const void *)arch_trap, sp);
}

#endif
