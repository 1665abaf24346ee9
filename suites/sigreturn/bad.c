// SPDX-License-Identifier: GPL-2.0-only
// Frames that no kernel wrote: a return to one ends the process or goes on, and never hangs, leaks or gains a right.
#include "clause.h"

#include "altstack.h"
#include "arch_frame.h"
#include "guard.h"
#include "regs.h"
#include "sync.h"

#define HANGS (-1)
#define LOSES 2		/* what a child says of itself: general registers are not as they were */
#define LEAKS 3		/* vector registers are as another's were */
#define CHANCE 6	/* as many bytes in a row are not equal by chance */

// How the frame of the next trap was spoilt; the child that does it tells its parent.
static struct told {
	const char *way;
	enum arch_frame_fate fate;
} *told;

static int times, spoil_with = -1;
static unsigned long trampoline, put_pc, seen_flags;
static void *junk, *at_entry, *cut_at;
static bool edits_pc, edits_flags;

static void spoil(int sig, siginfo_t *info, void *uc)
{
	times++;
	trampoline = ARCH_ENTRY_RETURN(&arch_handler_regs);
	if (sig == ARCH_TRAP_SIGNAL)
		ARCH_TRAP_SKIP(uc);
	if (edits_pc)
		UC_PC(uc) = put_pc;
	if (edits_flags)
		UC_REG(uc, ARCH_REG_FLAGS) ^= ARCH_FLAGS_PRIVILEGED;
	if (spoil_with >= 0)
		told->way = arch_frame_spoil(uc, spoil_with, &told->fate);
	if (cut_at)
		told->way = arch_uc_vec_cut(uc, cut_at) ? "cut off" : NULL;
	if (junk)
		arch_vec_load(junk);
}

static long handle(int sig)
{
	arch_handler_then = spoil;
	return raw_sigaction(sig, arch_handler, 0);
}

// The signal that ended a child, 0 if it was well, minus what it said if it was not; HANGS if it did not end.
static int end_of(int pid)
{
	int status;

	if (pid > 0 && wait_until(waitpid(pid, &status, WNOHANG) == pid))
		return WIFSIGNALED(status) ? WTERMSIG(status) : -WEXITSTATUS(status);
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	return HANGS;
}

static bool is_fault(int sig)
{
	return sig == SIGSEGV || sig == SIGBUS || sig == SIGILL || sig == SIGTRAP || sig == SIGFPE;
}

static void look_at_entry(int sig, siginfo_t *info, void *uc)
{
	if (at_entry)
		arch_vec_store(at_entry);
	ARCH_TRAP_SKIP(uc);
}

// A trap with every register full and its frame spoilt, in a child; what survived is the child's end.
static int end_of_trap(int which)
{
	int pid = fork();

	if (!pid) {
		unsigned char *was = vec_block(1), *is = vec_copy(was), *theirs, *entry;
		struct arch_regs in, out;
		char text[REGS_TEXT];

		entry = at_entry = vec_block(3);
		raw_sigaction(ARCH_TRAP_SIGNAL, look_at_entry, 0);
		arch_trap();
		theirs = junk = vec_block(2);
		spoil_with = which;
		handle(ARCH_TRAP_SIGNAL);
		regs_fill(&in, 5);
		arch_trap_regs(&in, &out, is);
		if (regs_difference(&in, &out, 0, text))
			_exit(LOSES);
		for (size_t i = 0, run = 0; was && i < arch_vec_size(); i++) {
			bool is_theirs = arch_vec_part(i, text) && is[i] == theirs[i] && theirs[i] != was[i] &&
					 theirs[i] != entry[i] && theirs[i] != 0;

			run = is_theirs ? run + 1 : 0;
			if (run == CHANCE)
				_exit(LEAKS);
		}
		_exit(0);
	}
	return end_of(pid);
}

// Tries each way of spoiling a frame; false where the port knows none.
static bool try_way(int which, int *end)
{
	if (!told)
		told = mmap(NULL, page_size(), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	told->way = NULL;
	*end = end_of_trap(which);
	return told->way;
}

CLAUSE(a_frame_that_cannot_be_right_ends_in_sigsegv,
       "arch/*/kernel/signal.c rt_sigreturn badframe: a context whose segments or floating-point area cannot be loaded"
       " ends the process by SIGSEGV (SIGBUS for a stack segment; SIGILL where the return itself is refused,"
       " arch/*/kernel/traps.c iret_error of 32-bit kernels) [SRT-5]",
       .needed_by = "go:sigreturn__sigaction glibc:__restore_rt")
{
	int end, tried = 0;

	for (int i = 0; try_way(i, &end); i++) {
		if (told->fate != FRAME_DIES)
			continue;
		tried++;
		EXPECT_TRUE(end == SIGSEGV || end == SIGBUS || end == SIGILL) {
			TH_LOG("%s: %d", told->way, end);
		}
	}
	if (!tried)
		SKIP(return, "the port knows no such frame");
}

static void expect_to_live(struct __test_metadata *_metadata, int fate)
{
	int end, tried = 0;

	for (int i = 0; try_way(i, &end); i++) {
		if (told->fate != fate)
			continue;
		tried++;
		EXPECT_EQ(0, end) {
			TH_LOG("%s", told->way);
		}
	}
	if (!tried)
		SKIP(return, "the port knows no such frame");
}

CLAUSE(a_frame_without_valid_vector_registers_resets_them,
       "arch/x86/kernel/fpu/signal.c check_xstate_in_sigframe and its like: a frame that has none, or whose magic"
       " numbers or sizes do not fit, is taken with fewer registers; the others start anew, and no one else's are"
       " left in them [SRT-5] [incident 6]", .needed_by = "go:sigreturn__sigaction criu:sigreturn")
{
	expect_to_live(_metadata, FRAME_RESETS);
}

CLAUSE(a_frame_of_an_old_program_is_mended,
       "arch/x86/kernel/signal_64.c force_valid_ss (5.10, 7.2): a frame that says nothing of what later kernels "
       "restore is taken with what 64-bit code needs there; every register is as the frame has it",
       .commit = "6c25da5ad55d x86/signal/64: Re-add support for SS in the 64-bit signal context",
       .needed_by = "criu:sigreturn")
{
	expect_to_live(_metadata, FRAME_LIVES);
}

CLAUSE(a_frame_that_the_cpu_refuses_never_leaks_or_hangs,
       "arch/x86/kernel/fpu/signal.c restore_fpregs_from_user and its like: reserved bits in the floating-point"
       " area end in SIGSEGV or are put right, and the return comes to an end [SRT-5] [incident 6] [incident 8]",
       .commit = "814fb7bb7db5 x86/fpu: Don't let userspace set bogus xcomp_bv", .needed_by = "go:sigreturn__sigaction")
{
	int end, tried = 0;

	for (int i = 0; try_way(i, &end); i++) {
		if (told->fate != FRAME_DIES_OR_LIVES)
			continue;
		tried++;
		EXPECT_TRUE(end == 0 || end == SIGSEGV || end == SIGBUS) {
			TH_LOG("%s: %d", told->way, end);
		}
	}
	if (!tried)
		SKIP(return, "the port knows no such frame");
}

CLAUSE(a_vector_area_that_is_cut_off_comes_to_an_end,
       "arch/x86/kernel/fpu/signal.c restore_fpregs_from_user: a floating-point area whose first bytes say that it"
       " is whole and whose last ones cannot be read ends in SIGSEGV, or is taken as far as it goes; the kernel"
       " does not try for ever [SRT-5] [incident 8]",
       .commit = "d877550eaf2d x86/fpu: Stop relying on userspace for info to fault in xsave buffer",
       .needed_by = "go:sigreturn__sigaction")
{
	char *mapped = (char *)guarded(page_size()) + page_size();
	char *alone = mmap(NULL, 2 * page_size(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int end;

	ASSERT_NE(MAP_FAILED, alone);
	ASSERT_EQ(0, munmap(alone + page_size(), page_size()));
	for (int i = 0; i < 2; i++) {
		cut_at = i ? alone + page_size() : mapped;
		if (!try_way(-1, &end))
			SKIP(return, "the area is part of the context, or nothing but x87 and SSE is in it");
		EXPECT_TRUE(end == 0 || end == SIGSEGV || end == SIGBUS) {
			TH_LOG("the end is %d", end);
		}
	}
}

// Returns from no signal, with the stack pointer at sp, in a child.
static int end_of_return_at(const void *sp, signal_handler *on_segv, struct kernel_sigset mask)
{
	int pid = fork();

	if (!pid) {
		handle(SIGUSR1);
		hit(SIGUSR1);
		raw_sigaction(SIGSEGV, on_segv, SA_ONSTACK);
		use_stack(painted_stack(ROOMY, MAP_PRIVATE), ROOMY, 0);
		raw_sigprocmask(SIG_SETMASK, mask);
		jump_to((void *)trampoline, sp);
		_exit(1);
	}
	return end_of(pid);
}

CLAUSE(a_return_without_a_frame_ends_in_sigsegv,
       "sigreturn(2) NOTES, arch/*/kernel/signal.c rt_sigreturn badframe: called with a stack pointer that leads to no"
       " frame - unmapped, inaccessible, off its alignment, the kernel's - it ends the process by SIGSEGV [SRT-6]",
       .needed_by = "go:sigreturn__sigaction")
{
	void *const nowhere[] = { NULL, (void *)4096, (void *)4097, (char *)unmapped_page() + 8, forbidden_page(),
				  (char *)forbidden_page() + 1, (void *)-4096UL, (void *)-1UL, (void *)(-1UL / 2),
				  (void *)(-1UL / 2 + 1), (void *)-(1UL << (8 * sizeof(long) - 5)) };

	for (unsigned int i = 0; i < sizeof(nowhere) / sizeof(*nowhere); i++) {
		int end = end_of_return_at(nowhere[i], SIGNAL_DEFAULT, SIGSET_EMPTY);

		EXPECT_TRUE(end == SIGSEGV || end == SIGBUS) {
			TH_LOG("sp was %p, the end %d", nowhere[i], end);
		}
	}
}

CLAUSE(a_return_to_rubbish_ends_in_a_fault,
       "arch/*/kernel/signal.c rt_sigreturn: a frame of equal bytes, zero or not, leads to a fault of the process,"
       " at once or at the pc that it names, and never on [SRT-6]", .needed_by = "go:sigreturn__sigaction")
{
	static const unsigned char bytes[] = { 0x00, 0xff, 0x5a, 0x80, 0x7f, 0xfe };
	char *memory = painted_stack(ROOMY, MAP_PRIVATE);

	ASSERT_NE(NULL, memory);
	for (unsigned int i = 0; i < sizeof(bytes); i++) {
		int end;

		memset(memory, bytes[i], ROOMY);
		end = end_of_return_at(memory + ROOMY / 2, SIGNAL_DEFAULT, SIGSET_EMPTY);
		EXPECT_TRUE(is_fault(end)) {
			TH_LOG("of bytes 0x%02x: %d", bytes[i], end);
		}
	}
}

CLAUSE(a_frame_that_ends_at_an_unreadable_page_ends_in_sigsegv,
       "arch/*/kernel/signal.c rt_sigreturn badframe: a frame of which only the first bytes can be read is a bad one,"
       " wherever it is cut [SRT-6]", .needed_by = "go:sigreturn__sigaction")
{
	static const int there[] = { 1, 4, 8, 16, 32, 64, 96 };
	char *end_of_page = (char *)guarded(page_size()) + page_size();

	memset(end_of_page - 128, 0, 128);
	for (unsigned int i = 0; i < sizeof(there) / sizeof(*there); i++) {
		int end = end_of_return_at(end_of_page - there[i], SIGNAL_DEFAULT, SIGSET_EMPTY);

		EXPECT_TRUE(end == SIGSEGV || end == SIGBUS) {
			TH_LOG("%d bytes are there: %d", there[i], end);
		}
	}
}

static void take_segv(int sig, siginfo_t *info, void *uc)
{
	raw_syscall(__NR_exit_group, sig == SIGSEGV ? 77 : 1);
}

CLAUSE(a_bad_frame_is_a_sigsegv_that_can_be_handled,
       "arch/*/kernel/signal.c signal_fault: SIGSEGV for a bad frame goes to its handler, on the signal stack if"
       " that asks for it", .needed_by = "jvm:os.Linux rust:stack_overflow")
{
	EXPECT_EQ(-77, end_of_return_at(unmapped_page(), take_segv, SIGSET_EMPTY));
	EXPECT_EQ(-77, end_of_return_at(forbidden_page(), take_segv, SIGSET_EMPTY));
}

CLAUSE(sigsegv_for_a_bad_frame_cannot_be_blocked_or_ignored,
       "kernel/signal.c force_sig_info_to_task: a bad frame ends the process although SIGSEGV is ignored or blocked;"
       " nothing else can follow [SRT-6]", .needed_by = "go:sigreturn__sigaction")
{
	EXPECT_EQ(SIGSEGV, end_of_return_at(unmapped_page(), SIGNAL_IGNORE, SIGSET_EMPTY));
	EXPECT_EQ(SIGSEGV, end_of_return_at(unmapped_page(), SIGNAL_IGNORE, SIGSET(SIGSEGV)));
	EXPECT_EQ(SIGSEGV, end_of_return_at(unmapped_page(), take_segv, SIGSET(SIGSEGV)));
}

CLAUSE(a_return_to_a_pc_that_is_no_users_ends_in_sigsegv,
       "arch/x86/entry/entry_64.S sysret and iret, arch/*/kernel/signal.c: a pc of the kernel, or one that is no"
       " address at all, faults in the process: SIGSEGV or SIGBUS, and nothing runs there [SRT-4]",
       .commit = "66eb02d87bdc fix fault in sysret to a non-canonical address", .needed_by = "jvm:os.set_pc")
{
	const unsigned long pcs[] = { 0, 4096, -4096UL, -2 * 65536UL, -1UL - 7, 1UL << (8 * sizeof(long) - 1),
				      (unsigned long)forbidden_page(), -1UL << (8 * sizeof(long) - 8),
				      sizeof(long) == 8 ? 1UL << (47 % (8 * sizeof(long))) : 0,
				      sizeof(long) == 8 ? (1UL << (47 % (8 * sizeof(long)))) - 64 : 0 };

	for (unsigned int i = 0; i < sizeof(pcs) / sizeof(*pcs); i++) {
		int end, pid = fork();

		ASSERT_LE(0, pid);
		if (!pid) {
			edits_pc = true;
			put_pc = pcs[i];
			handle(SIGUSR1);
			hit(SIGUSR1);
			_exit(1);
		}
		end = end_of(pid);
		EXPECT_TRUE(end == SIGSEGV || end == SIGBUS) {
			TH_LOG("pc was 0x%lx, the end %d", pcs[i], end);
		}
	}
}

static void note_flags(int sig, siginfo_t *info, void *uc)
{
	seen_flags = UC_REG(uc, ARCH_REG_FLAGS);
	ARCH_TRAP_SKIP(uc);
}

CLAUSE(privileged_flags_cannot_be_changed_through_the_context,
       "arch/x86/kernel/signal.c FIX_EFLAGS, arch/arm64/kernel/ptrace.c valid_user_regs and their like: of the"
       " flags in a frame the return takes those that user code may set, and keeps the others as they are",
       .needed_by = "go:sigreturn__sigaction")
{
	unsigned long before;

	if (!ARCH_FLAGS_PRIVILEGED)
		SKIP(return, "the port names no such flag");
	ASSERT_OK(raw_sigaction(ARCH_TRAP_SIGNAL, note_flags, 0));
	arch_trap();
	before = seen_flags;
	edits_flags = true;
	ASSERT_OK(handle(SIGUSR1));
	for (int i = 0; i < 2; i++) {
		ASSERT_OK(hit(SIGUSR1));
		ASSERT_EQ(i + 1, times);
		ASSERT_OK(raw_sigaction(ARCH_TRAP_SIGNAL, note_flags, 0));
		arch_trap();
		EXPECT_EQ(before & ARCH_FLAGS_PRIVILEGED, seen_flags & ARCH_FLAGS_PRIVILEGED);
	}
}

CLAUSE(a_handler_without_a_restorer_returns_or_ends_in_sigsegv,
       "sigreturn(2) NOTES, arch/x86/kernel/signal_64.c \"x86-64 should always use SA_RESTORER\": the kernel has a"
       " trampoline of its own where an action needs none to be named, and else calls no handler but ends in SIGSEGV"
       " [SRT-1] [SRT-2]", .needed_by = "go:sigreturn__sigaction musl:sigaction")
{
	int end, pid = fork();

	ASSERT_LE(0, pid);
	if (!pid) {
		struct kernel_sigaction action = { .handler = arch_handler, .flags = SA_SIGINFO };

		arch_handler_then = spoil;
		if (raw_rt_sigaction(SIGUSR1, &action, NULL) || hit(SIGUSR1))
			_exit(1);
		_exit(times == 1 ? 0 : 2);
	}
	end = end_of(pid);
	EXPECT_EQ(ARCH_NEEDS_RESTORER ? SIGSEGV : 0, end);
}
