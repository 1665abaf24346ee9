// SPDX-License-Identifier: GPL-2.0-only
// AT_MINSIGSTKSZ: how much stack the kernel needs to deliver a signal, against frames that it makes.
#include "clause.h"

#include <signal.h>
#include <sys/mman.h>

#include "auxv.h"
#include "guard.h"
#include "regs.h"
#include "sigaction.h"

#define DOCUMENT "Documentation/arch/x86/elf_auxvec.rst (7.2): "
#define FIX "1c33bb050709 uapi/auxvec: Define the aux vector AT_MINSIGSTKSZ"
#define BELOW (128 * 1024)	/* room under the alternate stack: handlers' own needs are not the subject */
#define TOPS 16			/* places of the stack's end, ARCH_STACK_ALIGN apart: padding differs */
#define GO_STACK (32 * 1024)

static long minsigstksz_probe(void)
{
	return aux_find(aux_on_stack(), AT_MINSIGSTKSZ) ? 0 : -ENOSYS;
}

#define ADVERTISED .since = ARCH_AT_MINSIGSTKSZ_SINCE, .probe = minsigstksz_probe, .commit = FIX, \
		   .needed_by = "glibc:sysconf(_SC_MINSIGSTKSZ) rust:std::sys::stack_overflow"

static volatile int handled;
static unsigned long interrupted_sp;

static void count_signal(int sig, siginfo_t *info, void *uc)
{
	handled++;
	interrupted_sp = UC_SP(uc);
	if (sig == SIGILL)
		ARCH_UNDEFINED_SKIP(uc);
	if (sig == ARCH_TRAP_SIGNAL)
		ARCH_TRAP_SKIP(uc);
}

// Memory under an alternate stack of size bytes that ends `top` steps below the end of the mapping.
struct alternate {
	char *low, *start, *end;
	long result;		// of sigaltstack(2)
};

static struct alternate set_alternate(size_t size, int top)
{
	size_t room = (BELOW + size + 4096 + 0xffff) & -0x10000;
	struct alternate a = { 0 };
	stack_t stack;
	char *arena = mmap(NULL, room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	a.low = arena;
	a.end = arena + room - top * ARCH_STACK_ALIGN;
	a.start = a.end - size;
	stack = (stack_t){ .ss_sp = a.start, .ss_size = size };
	a.result = arena == MAP_FAILED ? -ENOMEM : raw_syscall(__NR_sigaltstack, &stack, NULL);
	return a;
}

static void no_alternate(void)
{
	stack_t none = { .ss_flags = SS_DISABLE };

	raw_syscall(__NR_sigaltstack, &none, NULL);
}

// A signal to this thread while every vector register is in use; what the handler saw is in arch_handler_regs.
static void take_signal(int sig)
{
	struct arch_regs in, out;
	void *block = vec_block(sig);

	handled = 0;
	arch_handler_then = count_signal;
	raw_sigaction(sig, arch_handler, SA_ONSTACK);
	regs_fill(&in, sig);
	if (sig == ARCH_TRAP_SIGNAL) {
		arch_trap_regs(&in, &out, block);
	} else if (sig == SIGILL) {
		arch_undefined();
	} else {
		regs_set_syscall(&in, __NR_tgkill, getpid(), raw_syscall(__NR_gettid), sig);
		arch_syscall_regs(&in, &out, block);
	}
	free(block);
}

// How much of the stack the kernel took for the frame.
static size_t frame_size(const struct alternate *a)
{
	return a->end - (char *)arch_handler_regs.r[ARCH_REG_SP];
}

static bool is_on_stack(const struct alternate *a)
{
	char *sp = (char *)arch_handler_regs.r[ARCH_REG_SP];

	return sp >= a->start && sp < a->end;
}

CLAUSE(minsigstksz_is_in_the_vector,
       "getauxval(3) AT_MINSIGSTKSZ: minimum stack size required by the kernel to deliver a signal [AUX-11]",
       ADVERTISED)
{
	EXPECT_GT(own_aux(AT_MINSIGSTKSZ), 0);
	EXPECT_LT(own_aux(AT_MINSIGSTKSZ), 1 << 20);
}

CLAUSE(minsigstksz_covers_every_frame,
       DOCUMENT "AT_MINSIGSTKSZ comprehends the space consumed by the kernel for the user context of this hardware:"
       " no frame is bigger, wherever the stack ends and with every register in use [AUX-11] [SAS-1] [incident 9]"
       " [incident 11]", ADVERTISED)
{
	size_t most = 0;

	for (int top = 0; top < TOPS; top++) {
		struct alternate a = set_alternate(BELOW, top);

		ASSERT_RET(0, a.result);
		take_signal(SIGUSR1);
		ASSERT_EQ(1, handled);
		ASSERT_TRUE(is_on_stack(&a));
		if (frame_size(&a) > most)
			most = frame_size(&a);
		no_alternate();
		munmap(a.low, a.end - a.low);
	}
	EXPECT_GE(own_aux(AT_MINSIGSTKSZ), most) TH_LOG("a frame of %zu bytes (%s)", most, arch_vec_name());
}

CLAUSE(minsigstksz_covers_the_frames_of_faults,
       DOCUMENT "AT_MINSIGSTKSZ comprehends the space consumed by the kernel: for traps and faults as for signals"
       " sent [AUX-11]",
       ADVERTISED)
{
	const int signals[] = { ARCH_TRAP_SIGNAL, SIGILL, SIGRTMAX, SIGURG };

	for (int i = 0; i < 4; i++) {
		struct alternate a = set_alternate(BELOW, 3);

		ASSERT_RET(0, a.result);
		take_signal(signals[i]);
		ASSERT_EQ(1, handled);
		EXPECT_TRUE(is_on_stack(&a));
		EXPECT_GE(own_aux(AT_MINSIGSTKSZ), frame_size(&a)) TH_LOG("signal %d", signals[i]);
		no_alternate();
		munmap(a.low, a.end - a.low);
	}
}

// sigaltstack(2) itself wants MINSIGSTKSZ, and with strict_sas_size one byte more than the vector says.
static struct alternate smallest_alternate(int top)
{
	size_t size = own_aux(AT_MINSIGSTKSZ) > ARCH_MINSIGSTKSZ ? own_aux(AT_MINSIGSTKSZ) : ARCH_MINSIGSTKSZ;
	struct alternate a = set_alternate(size, top);

	return a.result == -ENOMEM ? set_alternate(size + 1, top) : a;
}

CLAUSE(signals_are_delivered_on_a_stack_of_just_that_size,
       DOCUMENT "AT_MINSIGSTKSZ denotes the minimum stack size required by the kernel to deliver a signal: with it"
       " the handler is entered on that stack, with less than it maybe not [AUX-11] [SAS-1] [incident 9]", ADVERTISED)
{
	for (int top = 0; top < TOPS; top++) {
		IN_CHILD {
			struct alternate a = smallest_alternate(top);

			ASSERT_RET(0, a.result);
			take_signal(SIGUSR1);
			EXPECT_EQ(1, handled);
			EXPECT_TRUE(is_on_stack(&a)) TH_LOG("the frame takes %zu bytes", frame_size(&a));
			take_signal(ARCH_TRAP_SIGNAL);
			EXPECT_EQ(1, handled);
			EXPECT_TRUE(is_on_stack(&a)) TH_LOG("the frame takes %zu bytes", frame_size(&a));
		}
		if (_metadata->exit_code)
			return;
	}
}

CLAUSE(a_stack_of_32_kibibytes_takes_a_frame_and_its_handler,
       "sigaltstack(2) NOTES: the frame depends on the CPU's registers; a runtime's 32 KiB take it, and leave a"
       " handler 4 KiB [SAS-1]",
       .needed_by = "go:mpreinit")
{
	for (int top = 0; top < TOPS; top += 5) {
		IN_CHILD {
			struct alternate a = set_alternate(GO_STACK, top);

			ASSERT_RET(0, a.result);
			take_signal(SIGURG);
			EXPECT_EQ(1, handled);
			EXPECT_TRUE(is_on_stack(&a));
			EXPECT_GE(GO_STACK - 4096, frame_size(&a));
		}
	}
}

// Runs on the alternate stack and takes another signal there.
static void take_another(int sig, siginfo_t *info, void *uc)
{
	take_signal(SIGUSR2);
}

CLAUSE(minsigstksz_covers_frames_below_others_and_on_the_ordinary_stack,
       DOCUMENT "AT_MINSIGSTKSZ does not comprehend what a handler uses: one that is interrupted needs as much again"
       " below its own frame (and its red zone), as a program does on its ordinary stack [AUX-11] [incident 10]",
       ADVERTISED)
{
	struct alternate a = set_alternate(BELOW, 2);

	ASSERT_RET(0, a.result);
	raw_sigaction(SIGUSR1, arch_handler, SA_ONSTACK);
	arch_handler_then = take_another;
	raw_syscall(__NR_tgkill, getpid(), raw_syscall(__NR_gettid), SIGUSR1);
	ASSERT_EQ(1, handled);
	EXPECT_TRUE(is_on_stack(&a));
	EXPECT_TRUE(interrupted_sp > arch_handler_regs.r[ARCH_REG_SP] && interrupted_sp < (uintptr_t)a.end);
	EXPECT_LE(interrupted_sp - arch_handler_regs.r[ARCH_REG_SP], own_aux(AT_MINSIGSTKSZ) + ARCH_REDZONE);
	no_alternate();
	take_signal(SIGUSR1);
	ASSERT_EQ(1, handled);
	EXPECT_FALSE(is_on_stack(&a));
	EXPECT_LE(interrupted_sp - arch_handler_regs.r[ARCH_REG_SP], own_aux(AT_MINSIGSTKSZ) + ARCH_REDZONE);
}
