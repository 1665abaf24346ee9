// SPDX-License-Identifier: GPL-2.0-only
// The bytes that a signal's frame takes: where it begins, what it spares, what happens where it does not fit.
#include "clause.h"

#include "altstack.h"
#include "arch_frame.h"
#include "guard.h"
#include "sync.h"

#define PLACES (2 * ARCH_STACK_ALIGN + 2)	/* distances of sp from a page boundary that are tried */
#define DEEP   (64 * 1024)			/* room under a place for the frame and its handler */

static int times;
static unsigned long entry_sp, context, information;
static const char *where, *spot_above, *spot_in_red_zone;

// Looks at the paint around the interrupted sp, which trap_at() put at `where`; runs wherever it was delivered.
static void look(int sig, siginfo_t *info, void *uc)
{
	times++;
	entry_sp = arch_handler_regs.r[ARCH_REG_SP];
	context = (unsigned long)uc;
	information = (unsigned long)info;
	spot_in_red_zone = first_spot(where - ARCH_REDZONE, where);
	spot_above = first_spot(where, where + STACK_MARGIN / 2);
	if (sig == ARCH_TRAP_SIGNAL)
		detour_end(uc);
}

static long handle(int sig, unsigned long flags)
{
	arch_handler_then = look;
	return raw_sigaction(sig, arch_handler, flags);
}

// Traps at `place`, around which there is paint again: a frame may reach up to the byte below the sp before.
static long trap_on_paint(char *place)
{
	memset(place - DEEP, STACK_PAINT, DEEP + PLACES);
	where = place;
	return trap_at(place);
}

CLAUSE(nothing_at_or_above_the_interrupted_stack_pointer_is_written,
       "sigaction(2), every psABI: what lies at the interrupted stack pointer and above belongs to the interrupted"
       " code, wherever the pointer points", .needed_by = "go:sigtramp jvm:compiled-code glibc:sigaction")
{
	char *stack = painted_stack(ROOMY, MAP_PRIVATE);

	ASSERT_NE(NULL, stack);
	ASSERT_OK(handle(ARCH_TRAP_SIGNAL, 0));
	for (int i = 0; i < PLACES; i++) {
		ASSERT_OK(trap_on_paint(stack + ROOMY - i));
		ASSERT_EQ(i + 1, times);
		EXPECT_EQ(NULL, spot_above);
		EXPECT_EQ(NULL, first_spot(stack + ROOMY - i, stack + ROOMY + STACK_MARGIN));
		EXPECT_LT(entry_sp, (unsigned long)where);
		EXPECT_LT(context, (unsigned long)where);
		EXPECT_LT(information, (unsigned long)where);
	}
}

CLAUSE(the_red_zone_is_spared_wherever_the_stack_pointer_is,
       "x86-64 psABI 3.2.2 and its like: the bytes below the stack pointer that the ABI reserves \"shall not be"
       " modified by signal or interrupt handlers\", on the ordinary stack and on a signal stack that is in use",
       .needed_by = "glibc:sigaction rust:leaf-functions jvm:compiled-code")
{
	char *stack = painted_stack(ROOMY, MAP_PRIVATE);

	if (!ARCH_REDZONE)
		SKIP(return, "the ABI has no red zone");
	ASSERT_NE(NULL, stack);
	ASSERT_OK(handle(ARCH_TRAP_SIGNAL, SA_ONSTACK));
	for (int in_use = 0; in_use < 2; in_use++) {
		if (in_use)
			ASSERT_OK(use_stack(stack, ROOMY, 0));
		for (int i = 0; i < PLACES; i++) {
			ASSERT_OK(trap_on_paint(stack + ROOMY - ARCH_STACK_ALIGN - i));
			EXPECT_EQ(NULL, spot_in_red_zone);
			EXPECT_LT(entry_sp, (unsigned long)where - ARCH_REDZONE);
		}
	}
}

CLAUSE(the_stack_is_aligned_wherever_the_stack_pointer_was,
       "arch/x86/kernel/signal.c get_sigframe and its like: a handler finds the stack aligned as the ABI wants it for a"
       " function, on the interrupted stack and below a handler on the signal stack, whatever the interrupted pointer"
       " was [SIG-2]", .needed_by = "go:sigtramp glibc:sigaction jvm:javaSignalHandler")
{
	char *stack = painted_stack(ROOMY, MAP_PRIVATE);

	ASSERT_NE(NULL, stack);
	ASSERT_OK(handle(ARCH_TRAP_SIGNAL, SA_ONSTACK));
	for (int in_use = 0; in_use < 2; in_use++) {
		if (in_use)
			ASSERT_OK(use_stack(stack, ROOMY, 0));
		for (int i = 0; i < PLACES; i++) {
			ASSERT_OK(trap_on_paint(stack + ROOMY - ARCH_STACK_ALIGN - i));
			EXPECT_EQ(0, (entry_sp + ARCH_ENTRY_SP_BIAS) % ARCH_STACK_ALIGN) {
				TH_LOG("sp is 0x%lx after 0x%lx", entry_sp, (unsigned long)where);
			}
			EXPECT_EQ(0, context % sizeof(long));
			EXPECT_EQ(0, information % sizeof(long));
		}
	}
}

CLAUSE(a_signal_stack_is_aligned_whatever_its_end_is,
       "arch/x86/kernel/signal.c get_sigframe and its like: any address and size will do for a signal stack, and the"
       " frame on it is aligned and inside [SIG-2] [SAS-7]", .needed_by = "go:sigtramp rust:stack_overflow")
{
	char *stack = painted_stack(ROOMY, MAP_PRIVATE);

	ASSERT_NE(NULL, stack);
	ASSERT_OK(handle(SIGUSR1, SA_ONSTACK));
	for (int i = 0; i < PLACES; i++) {
		ASSERT_OK(use_stack(stack + i, ROOMY - 3 * i, 0));
		where = stack + ROOMY;
		ASSERT_OK(hit(SIGUSR1));
		EXPECT_EQ(0, (entry_sp + ARCH_ENTRY_SP_BIAS) % ARCH_STACK_ALIGN);
		EXPECT_LE((unsigned long)stack + i, entry_sp);
		EXPECT_GT((unsigned long)stack + ROOMY - 2 * i, context);
		EXPECT_EQ(NULL, first_spot(stack + ROOMY - 2 * i, stack + ROOMY + STACK_MARGIN));
		memset(stack, STACK_PAINT, ROOMY);
	}
}

CLAUSE(nothing_beside_a_signal_stack_is_written,
       "sigaltstack(2) DESCRIPTION: a frame uses the bytes from ss_sp to ss_sp + ss_size and none beside them; the"
       " interrupted stack is left alone [SAS-7]", .needed_by = "go:malg rust:stack_overflow")
{
	char *stack = painted_stack(ROOMY, MAP_PRIVATE), *interrupted = painted_stack(DEEP, MAP_PRIVATE);

	ASSERT_NE(NULL, stack);
	ASSERT_NE(NULL, interrupted);
	ASSERT_OK(handle(ARCH_TRAP_SIGNAL, SA_ONSTACK));
	for (int i = 0; i < PLACES; i++) {
		ASSERT_OK(use_stack(stack + i, ROOMY - 2 * i, 0));
		where = interrupted + DEEP / 2 + i;
		ASSERT_OK(trap_at(where));
		ASSERT_EQ(i + 1, times);
		EXPECT_EQ(NULL, first_spot(interrupted, interrupted + DEEP));
		EXPECT_EQ(NULL, first_spot(stack - STACK_MARGIN, stack + i));
		EXPECT_EQ(NULL, first_spot(stack + ROOMY - i, stack + ROOMY + STACK_MARGIN));
		EXPECT_NE(NULL, first_spot(stack + i, stack + ROOMY - i));
		memset(stack, STACK_PAINT, ROOMY);
	}
}

CLAUSE(the_neighbours_of_a_signal_stack_are_not_the_signal_stack,
       "include/linux/sched/signal.h on_sig_stack: as stacks grow downwards, a pointer equal to ss_sp is that of an"
       " empty stack below, one beyond the end that of a stack above: both enter the signal stack at its top; one"
       " within goes on where it is [SAS-7]", .needed_by = "go:malg rust:thread")
{
	char *stack = painted_stack(ROOMY, MAP_PRIVATE), *end = stack + ROOMY;
	char *const beside[] = { stack, stack - sizeof(long), stack - 1, end + sizeof(long), end + ARCH_STACK_ALIGN,
				 end + ARCH_REDZONE + sizeof(long) };
	unsigned long top;

	ASSERT_NE(NULL, stack);
	ASSERT_OK(handle(SIGUSR1, SA_ONSTACK));
	ASSERT_OK(handle(ARCH_TRAP_SIGNAL, SA_ONSTACK));
	ASSERT_OK(use_stack(stack, ROOMY, 0));
	where = end;
	ASSERT_OK(hit(SIGUSR1));
	top = entry_sp;
	for (unsigned int i = 0; i < sizeof(beside) / sizeof(*beside); i++) {
		if (beside[i] > end && beside[i] - ARCH_REDZONE <= end)
			continue;	// the red zone of such a stack would lie in the signal stack
		ASSERT_OK(trap_at(beside[i]));
		EXPECT_EQ(top, entry_sp) {
			TH_LOG("sp was %td bytes from ss_sp", beside[i] - stack);
		}
	}
	for (int i = 1; i < 4; i++) {
		ASSERT_OK(trap_at(end - ROOMY / 4 * i));
		EXPECT_GT((unsigned long)end - ROOMY / 4 * i, entry_sp);
	}
}

CLAUSE(a_frame_is_no_larger_than_the_kernel_says,
       "getauxval(3) AT_MINSIGSTKSZ, Documentation/arch/x86/elf_auxvec.rst: no frame takes more than that many"
       " bytes, on a signal stack or on the ordinary one (there with the red zone above it) [SAS-1] [incident 11]",
       .needed_by = "go:sigaltstack glibc:sysconf rust:stack_overflow")
{
	char *stack = painted_stack(ROOMY, MAP_PRIVATE);
	size_t bound = frame_bound();

	if (!bound)
		ABSENT("no AT_MINSIGSTKSZ");
	ASSERT_NE(NULL, stack);
	ASSERT_OK(handle(ARCH_TRAP_SIGNAL, SA_ONSTACK));
	for (int in_use = 0; in_use < 2; in_use++) {
		if (in_use)
			ASSERT_OK(use_stack(stack, ROOMY, 0));
		for (int i = 0; i < PLACES; i++) {
			ASSERT_OK(trap_on_paint(stack + ROOMY - ARCH_STACK_ALIGN - i));
			EXPECT_LE((unsigned long)where - entry_sp, bound + ARCH_REDZONE);
		}
	}
	for (int i = 0; i < PLACES; i++) {
		ASSERT_OK(use_stack(stack, ROOMY - i, 0));
		where = stack + ROOMY;
		ASSERT_OK(trap_at(forbidden_page()));
		EXPECT_LE((unsigned long)stack + ROOMY - i - entry_sp, bound);
	}
}

// Bytes from the top of a signal stack to the handler's sp.
static size_t frame_size(void)
{
	char *stack = painted_stack(ROOMY, MAP_PRIVATE);

	where = stack;
	if (!stack || use_stack(stack, ROOMY, 0) || handle(SIGUSR1, SA_ONSTACK) || hit(SIGUSR1))
		return 0;
	return (unsigned long)stack + ROOMY - entry_sp;
}

// What became of a child that ran: the signal that killed it, 0 if none, -1 if it did not end.
static int fate_of(int pid)
{
	int status;

	if (wait_until(waitpid(pid, &status, WNOHANG) == pid))
		return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	return -1;
}

// A handler that touches no stack but its frame: nothing runs in it.
static void leave_at_once(int sig, siginfo_t *info, void *uc)
{
	raw_syscall(__NR_exit_group, 0);
}

CLAUSE(a_nested_frame_that_does_not_fit_ends_in_sigsegv,
       "arch/x86/kernel/signal.c get_sigframe \"If we are on the alternate signal stack and would overflow it, don't\""
       " and its like: SIGSEGV instead of a frame across the lower end of the signal stack, and nothing is written"
       " there [SAS-8]", .since = ARCH_NESTED_OVERFLOW_SINCE,
       .commit = "2beb4a53fc3f x86/signal: Detect and prevent an alternate signal stack overflow",
       .needed_by = "go:sigtramp rust:stack_overflow")
{
	size_t frame = frame_size(), size = 4 * frame;
	char *stack = painted_stack(size, MAP_SHARED);

	ASSERT_LT(2 * ARCH_REDZONE + 256, frame);
	ASSERT_NE(NULL, stack);
	ASSERT_OK(raw_sigaction(ARCH_TRAP_SIGNAL, leave_at_once, SA_ONSTACK));
	ASSERT_OK(use_stack(stack, size, 0));
	for (size_t room = 2 * ARCH_REDZONE + 64; room < frame - 128; room += (frame - 128) / 6) {
		int pid = fork();

		ASSERT_LE(0, pid);
		if (!pid)
			_exit(trap_at(stack + room) ? 2 : 1);
		EXPECT_EQ(SIGSEGV, fate_of(pid)) {
			TH_LOG("%zu of %zu bytes were left", room, frame);
		}
		EXPECT_TRUE(margins_are_painted(stack, size));
	}
}

CLAUSE(a_first_frame_that_does_not_fit_ends_in_sigsegv,
       "arch/x86/kernel/signal.c get_sigframe \"overflowed sigaltstack\": a signal stack too small for one frame is"
       " SIGSEGV, not a frame that goes on below it; one that is large enough holds it whole [SAS-8] [incident 9]",
       .since = ARCH_ENTRY_OVERFLOW_SINCE,
       .commit = "2beb4a53fc3f x86/signal: Detect and prevent an alternate signal stack overflow",
       .needed_by = "go:sigtramp rust:stack_overflow glibc:sysconf")
{
	size_t frame = frame_size();
	char *stack;

	ASSERT_OK(raw_sigaction(SIGUSR1, leave_at_once, SA_ONSTACK));
	for (size_t size = ARCH_MINSIGSTKSZ; size < frame - 128; size += frame / 8) {
		int pid;

		stack = painted_stack(size, MAP_SHARED);
		ASSERT_NE(NULL, stack);
		if (use_stack(stack, size, 0))
			continue;	// a kernel that is strict says so at once
		ASSERT_LE(0, pid = fork());
		if (!pid)
			_exit(hit(SIGUSR1) ? 2 : 1);
		EXPECT_EQ(SIGSEGV, fate_of(pid)) {
			TH_LOG("%zu bytes for a frame of %zu", size, frame);
		}
		EXPECT_TRUE(margins_are_painted(stack, size));
	}
	if (frame - 128 <= ARCH_MINSIGSTKSZ)
		SKIP(return, "a frame of this machine fits into the smallest stack");
}

// A handler that leaves the stack by itself enters it anew, from its top: that is no frame without room.
static void grow(int sig, siginfo_t *info, void *uc)
{
	hit(sig == SIGSEGV && info->si_code == SEGV_ACCERR ? SIGKILL : SIGUSR1);
}

static int fate_of_growing(size_t size)
{
	int pid = fork();

	if (!pid) {
		char *stack = mmap(NULL, ROOMY + page_size(), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		stack += page_size();
		if (mprotect(stack, ROOMY, PROT_READ | PROT_WRITE) || use_stack(stack, size, 0) ||
		    raw_sigaction(SIGUSR1, grow, SA_ONSTACK | SA_NODEFER) ||
		    raw_sigaction(SIGSEGV, grow, SA_ONSTACK | SA_NODEFER))
			_exit(2);
		hit(SIGUSR1);
		_exit(1);
	}
	return fate_of(pid);
}

CLAUSE(signals_without_end_on_a_signal_stack_end_in_sigsegv,
       "sigaltstack(2) NOTES: when handlers that interrupt each other have filled the signal stack, the next one"
       " ends the process by SIGSEGV, although that one has a handler too, and the kernel is not harmed [SAS-8]",
       .needed_by = "rust:stack_overflow jvm:os.Linux")
{
	int fate = SIGKILL;

	// Of the first sizes one lets the frame be what finds no room, rather than the handler.
	for (size_t less = 0; fate == SIGKILL && less < 4096; less += 64)
		fate = fate_of_growing(ROOMY - less);
	EXPECT_EQ(SIGSEGV, fate);
}

CLAUSE(a_stack_of_the_named_size_holds_a_frame_wherever_it_lies,
       "getauxval(3) AT_MINSIGSTKSZ: that many bytes are enough for one frame, at any address, and the frame stays in"
       " them [SAS-1] [incident 10] [NET-4]", .since = ARCH_AT_MINSIGSTKSZ_SINCE,
       .needed_by = "go:sigaltstack glibc:sysconf rust:stack_overflow")
{
	size_t size = frame_bound();

	ASSERT_NE(0, size);
	if (size < ARCH_MINSIGSTKSZ)
		size = ARCH_MINSIGSTKSZ;
	for (int i = 0; i < 65; i += 3) {
		char *stack = painted_stack(size + 64, MAP_SHARED);
		int pid;

		ASSERT_NE(NULL, stack);
		ASSERT_OK(raw_sigaction(SIGUSR1, leave_at_once, SA_ONSTACK));
		if (use_stack(stack + i, size, 0))
			SKIP(return, "this kernel was told to ask for more");
		ASSERT_LE(0, pid = fork());
		if (!pid)
			_exit(hit(SIGUSR1) ? 2 : 1);
		EXPECT_EQ(0, fate_of(pid));
		EXPECT_EQ(NULL, first_spot(stack + i + size, stack + size + 64 + STACK_MARGIN));
		munmap(stack - STACK_MARGIN, size + 64 + 2 * STACK_MARGIN);
	}
}
