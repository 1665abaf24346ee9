// SPDX-License-Identifier: GPL-2.0-only
// Causing faults and looking at the signal: the handler keeps it and jumps out of what caused it.
#ifndef FAULT_H
#define FAULT_H

#include <setjmp.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "origin.h"

// No statement given to FAULTS() changes a local variable that is read after it.
#pragma GCC diagnostic ignored "-Wclobbered"

static sigjmp_buf behind_the_fault;
static volatile unsigned long fault_pc;

static inline void keep_fault(int sig, siginfo_t *info, void *ucontext)
{
	keep_info(sig, info, ucontext);
	fault_pc = UC_PC(ucontext);
	siglongjmp(behind_the_fault, 1);
}

// Runs the statement; true if it ended in a signal that keep_fault() handles.
#define FAULTS(statement)						\
({									\
	volatile bool faulted_ = true;					\
									\
	times_kept = 0;							\
	soil_the_stack();						\
	if (!sigsetjmp(behind_the_fault, 1)) {				\
		statement;						\
		faulted_ = false;					\
	}								\
	faulted_;							\
})

static inline long keep_faults(void)
{
	static const int sigs[] = { SIGSEGV, SIGBUS, SIGILL, SIGTRAP, SIGFPE };
	long result = 0;

	FOR_EACH(i, sigs)
		result = result ? result : raw_sigaction(sigs[i], keep_fault, 0);
	return result;
}

static inline siginfo_t fault_of(int sig, int code, const volatile void *address)
{
	siginfo_t info = info_of(sig, code);

	info.si_addr = (void *)address;
	return info;
}

// What a page fault at this address says.
static inline siginfo_t page_fault_of(int sig, int code, const volatile void *address)
{
	return fault_of(sig, code, (void *)((unsigned long)address & -ARCH_FAULT_GRAIN));
}

#define EXPECT_FAULT(want, statement) do {						\
	siginfo_t want_fault_;								\
											\
	EXPECT_TRUE(FAULTS(statement)) {						\
		TH_LOG("%s raises no signal", #statement);				\
	}										\
	want_fault_ = (want);								\
	if (times_kept)									\
		EXPECT_INFO_BYTES(&want_fault_, &kept, #statement);			\
} while (0)

static inline char load(const volatile void *address)
{
	return *(const volatile char *)address;
}

static inline void store(volatile void *address)
{
	*(volatile char *)address = 1;
}

static inline void execute(const volatile void *address)
{
	((void (*volatile)(void))address)();
}

static inline void *map_pages(int pages, int protection)
{
	void *p = mmap(NULL, pages * page_size(), protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED) {
		puts("# fault: mmap failed");
		abort();
	}
	return p;
}

// One page of a file of no bytes: mapped, and beyond its end.
static inline void *map_past_the_end(void)
{
	long fd = raw_syscall(__NR_memfd_create, "osprim", 0);
	void *p = mmap(NULL, page_size(), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	close(fd);
	return p;
}

// What raises a signal by itself; the number it raises.
static inline void raise_segv(void)
{
	load(unmapped_page());
}

static inline void raise_bus(void)
{
	load(map_past_the_end());
}

static inline void raise_ill(void)
{
	arch_undefined();
}

static inline void raise_trap(void)
{
	arch_trap();
}

static inline void raise_fpe(void)
{
	unsigned long pc;

	arch_divide(1, 0, &pc);
}

static const struct raiser {
	int sig;
	void (*raise)(void);
} raisers[] = {
	{ SIGSEGV, raise_segv },
	{ SIGBUS,  raise_bus },
	{ SIGILL,  raise_ill },
	{ ARCH_TRAP_SIGNAL, raise_trap },
#if ARCH_DIVIDE_TRAPS
	{ SIGFPE,  raise_fpe },
#endif
};

// A process that is to die leaves no core file.
static inline void leave_no_core(void)
{
	static const struct rlimit none;

	setrlimit(RLIMIT_CORE, &none);
	prctl(PR_SET_DUMPABLE, 0);
}

#endif
