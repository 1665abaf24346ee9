// SPDX-License-Identifier: GPL-2.0-only
// The frame that a signal puts on the stack: how large, where, and what a bad one may do.
#include "clause.h"

#include <sys/auxv.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "guard.h"
#include "regs.h"
#include "sigaction.h"
#include "sync.h"

#ifndef AT_MINSIGSTKSZ
#define AT_MINSIGSTKSZ 51
#endif

#define BELOW  (64 * 1024)	/* for a handler's own frames, under the signal stack */
#define ROUNDS 64

static int times, *was_cut;
static void *junk, *end_of_copy, *sp_of_return;

static void leave(int sig, siginfo_t *info, void *uc)
{
	times++;
	ARCH_TRAP_SKIP(uc);
	if (junk)
		arch_vec_load(junk);
}

static void cut_and_leave(int sig, siginfo_t *info, void *uc)
{
	leave(sig, info, uc);
	*was_cut = arch_uc_vec_cut(uc, end_of_copy) ? 1 : -1;
}

// The return from this handler is to the trampoline, which returns once more.
static void return_twice(int sig, siginfo_t *info, void *uc)
{
	UC_PC(uc) = ARCH_ENTRY_RETURN(&arch_handler_regs);
	UC_SP(uc) = (unsigned long)sp_of_return + page_size() / 2;
}

static char *new_pages(size_t size)
{
	return mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static long use_stack(char *stack, size_t size)
{
	stack_t s = { .ss_sp = stack, .ss_size = size };

	return raw_syscall(__NR_sigaltstack, &s, NULL);
}

// A trap with every register full; what it leaves is for the caller to compare with what it loaded.
static void trap(unsigned int seed, void *vec)
{
	struct arch_regs in, out;

	regs_fill(&in, seed);
	arch_trap_regs(&in, &out, vec);
}

CLAUSE(a_frame_fits_into_the_size_that_the_auxiliary_vector_names,
       "getauxval(3) AT_MINSIGSTKSZ, Documentation/arch/x86/elf_auxvec.rst: a signal stack of that many bytes,"
       " and of MINSIGSTKSZ at least, is enough to deliver a signal wherever it lies, all register files in use",
       .needed_by = "go:sigaltstack glibc:sysconf rust:stack_overflow")
{
	size_t named = getauxval(AT_MINSIGSTKSZ), size = named > ARCH_MINSIGSTKSZ ? named : ARCH_MINSIGSTKSZ;
	char *stack = new_pages(BELOW + size + ROUNDS) + BELOW;

	if (!named)
		ABSENT("no AT_MINSIGSTKSZ");
	arch_handler_then = leave;
	ASSERT_OK(raw_sigaction(ARCH_TRAP_SIGNAL, arch_handler, SA_ONSTACK));
	for (int i = 0; i < ROUNDS; i++) {
		void *vec = vec_block(i);

		if (use_stack(stack + i, size) == -ENOMEM)	// some kernels want one byte more than they name
			ASSERT_OK(use_stack(stack + i, ++size));
		trap(i, vec);
		ASSERT_EQ(i + 1, times);
		EXPECT_LE((unsigned long)stack + i, arch_handler_regs.r[ARCH_REG_SP]);
		EXPECT_GT((unsigned long)stack + i + size, arch_handler_regs.r[ARCH_REG_SP]);
		free(vec);
	}
}

CLAUSE(registers_survive_a_signal_stack_whose_pages_are_not_there,
       "sigreturn(2) DESCRIPTION: floating point and vectors are restored where the kernel must first fault the signal"
       " stack in [SRT-3] [incident 1]", .commit = "59c4bd853abc x86/fpu: Don't cache access to fpu_fpregs_owner_ctx",
       .needed_by = "go:sigreturn__sigaction go:signalM")
{
	char *stack = new_pages(BELOW);

	arch_handler_then = leave;
	junk = vec_block(99);
	ASSERT_OK(raw_sigaction(ARCH_TRAP_SIGNAL, arch_handler, SA_ONSTACK));
	ASSERT_OK(use_stack(stack, BELOW));
	for (int i = 0; i < ROUNDS; i++) {
		void *was = vec_block(i), *is = vec_copy(was);

		ASSERT_OK(raw_syscall(__NR_madvise, stack, BELOW, MADV_DONTNEED));
		trap(i, is);
		EXPECT_VEC(was, is);
		free(was);
		free(is);
	}
}

// Waits for a child that a clause has forked; true once it has exited or was killed by SIGSEGV.
static bool has_ended_well(int pid, int *status)
{
	*status = -1;
	if (wait_until(waitpid(pid, status, WNOHANG) == pid))
		return WIFEXITED(*status) || WTERMSIG(*status) == SIGSEGV;
	kill(pid, SIGKILL);
	return false;
}

CLAUSE(a_frame_whose_vector_area_cannot_be_read_ends_the_process_or_is_ignored,
       "arch/x86/kernel/fpu/signal.c fpu__restore_sig, signal(7): a return to a frame whose floating-point area is cut"
       " off ends in SIGSEGV or in fewer registers restored, and always ends [SRT-5] [incident 8]",
       .commit = "d877550eaf2d x86/fpu: Stop relying on userspace for info to fault in xsave buffer",
       .needed_by = "go:sigreturn__sigaction")
{
	int status, pid;

	was_cut = mmap(NULL, page_size(), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	end_of_copy = (char *)guarded(page_size()) + page_size();
	arch_handler_then = cut_and_leave;
	ASSERT_OK(raw_sigaction(ARCH_TRAP_SIGNAL, arch_handler, 0));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		trap(1, vec_block(1));
		_exit(0);
	}
	EXPECT_TRUE(has_ended_well(pid, &status));
	ASSERT_NE(0, *was_cut);
	if (*was_cut < 0)
		SKIP(return, "the area is part of the context, or nothing but x87 and SSE is in it");
}

CLAUSE(a_return_without_a_frame_ends_in_sigsegv,
       "arch/*/kernel/signal.c rt_sigreturn badframe: a stack pointer that leads to no frame ends the process with"
       " SIGSEGV, and never harms the kernel [SRT-6]", .needed_by = "go:sigreturn__sigaction")
{
	arch_handler_then = return_twice;
	ASSERT_OK(raw_sigaction(ARCH_TRAP_SIGNAL, arch_handler, 0));
	for (int i = 0; i < 2; i++) {
		void *nowhere = i ? forbidden_page() : unmapped_page();
		int status, pid = fork();

		ASSERT_LE(0, pid);
		if (!pid) {
			sp_of_return = nowhere;
			trap(1, NULL);
			_exit(0);
		}
		EXPECT_TRUE(has_ended_well(pid, &status) && WIFSIGNALED(status));
	}
}
