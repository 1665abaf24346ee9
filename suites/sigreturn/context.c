// SPDX-License-Identifier: GPL-2.0-only
// What a handler's ucontext says and what its edits do when rt_sigreturn(2) takes it.
#include "clause.h"

#include <setjmp.h>

#include "altstack.h"
#include "arch_frame.h"
#include "guard.h"
#include "plain_sigaction.h"

static int times, late_times, late_came_after;
static struct kernel_sigset seen_mask, put_mask;
static stack_t seen_stack, put_stack;
static void *seen_link;
static unsigned long seen_pc, seen_sp, seen_uc;
static bool edits_mask, edits_stack, jumps;
static int raises;
static jmp_buf out;

// Two sets are the same in every signal that exists.
static bool is_equal(struct kernel_sigset a, struct kernel_sigset b)
{
	return !memcmp(&a, &b, ARCH_SIGSET_BYTES);
}

static struct kernel_sigset mask_now(void)
{
	struct kernel_sigset mask = SIGSET_FULL;

	raw_syscall(__NR_rt_sigprocmask, SIG_BLOCK, NULL, &mask, ARCH_SIGSET_BYTES);
	return mask;
}

static void note(int sig, siginfo_t *info, void *uc)
{
	times++;
	memcpy(&seen_mask, &((ucontext_t *)uc)->uc_sigmask, sizeof(seen_mask));
	seen_stack = ((ucontext_t *)uc)->uc_stack;
	seen_link = ((ucontext_t *)uc)->uc_link;
	seen_uc = (unsigned long)uc;
	seen_pc = UC_PC(uc);
	seen_sp = UC_SP(uc);
	if (raises)
		hit(raises);
	if (edits_mask)
		memcpy(&((ucontext_t *)uc)->uc_sigmask, &put_mask, sizeof(put_mask));
	if (edits_stack)
		((ucontext_t *)uc)->uc_stack = put_stack;
	if (sig == ARCH_TRAP_SIGNAL)
		detour_end(uc);
	if (jumps)
		_longjmp(out, 1);
}

static void note_late(int sig, siginfo_t *info, void *uc)
{
	late_times++;
	late_came_after = times;
}

static const int some[] = { SIGHUP, SIGUSR2, SIGTERM, SIGCHLD, 33, 34, 63, 64 };

// Blocks one signal of some[] or all of them.
static struct kernel_sigset some_signals(int which)
{
	struct kernel_sigset set = SIGSET_EMPTY;

	for (int i = 0; i < (int)(sizeof(some) / sizeof(*some)); i++)
		if (which == i || which < 0)
			set = sigset_with(set, some[i]);
	return set;
}

CLAUSE(the_context_holds_the_interrupted_codes_mask,
       "sigaction(2) ucontext, getcontext(3) uc_sigmask: the signals blocked when the handler was called, not those"
       " that it blocks itself", .needed_by = "go:sigtramp jvm:os.Linux glibc:swapcontext")
{
	ASSERT_OK(raw_sigaction_masked(SIGUSR1, note, 0, SIGSET_FULL));
	for (int i = -1; i < 8; i++) {
		ASSERT_OK(raw_sigprocmask(SIG_SETMASK, some_signals(i)));
		ASSERT_OK(hit(SIGUSR1));
		EXPECT_TRUE(is_equal(some_signals(i), seen_mask)) {
			TH_LOG("with %d blocked", i < 0 ? 0 : some[i]);
		}
	}
	ASSERT_OK(raw_sigprocmask(SIG_SETMASK, SIGSET_EMPTY));
	ASSERT_OK(hit(SIGUSR1));
	EXPECT_TRUE(is_equal(SIGSET_EMPTY, seen_mask));
}

static const char *mismatch;

static void look_at_frame(int sig, siginfo_t *info, void *uc)
{
	times++;
	mismatch = arch_frame_mismatch(uc, &put_mask);
	if (sig == ARCH_TRAP_SIGNAL)
		ARCH_TRAP_SKIP(uc);
}

CLAUSE(the_words_of_a_frame_agree_with_each_other,
       "arch/x86/kernel/signal*.c UC_FP_XSTATE, arch/x86/kernel/fpu/signal.c save_sw_bytes (7.2) and their like: "
       "what the frame says of itself - what is in it, how far it goes, its magic numbers, the first word of the "
       "mask - is so", .needed_by = "criu:sigreturn")
{
	if (!ARCH_HAS_FRAME_FAULTS)
		SKIP(return, "the port says nothing of it");
	ASSERT_OK(raw_sigaction(SIGUSR1, look_at_frame, 0));
	ASSERT_OK(raw_sigaction(ARCH_TRAP_SIGNAL, look_at_frame, 0));
	for (int i = -1; i < 8; i++) {
		put_mask = some_signals(i);
		ASSERT_OK(raw_sigprocmask(SIG_SETMASK, put_mask));
		for (int traps = 0; traps < 2; traps++) {
			times = 0;
			if (traps)
				arch_trap();
			else
				ASSERT_OK(hit(SIGUSR1));
			EXPECT_EQ(1, times);
			EXPECT_EQ(NULL, mismatch) {
				TH_LOG("%s", mismatch);
			}
		}
	}
}

CLAUSE(the_return_restores_the_mask,
       "sigreturn(2) DESCRIPTION: \"restores the process's signal mask\", whatever the handler blocked or unblocked",
       .needed_by = "go:sigtramp glibc:sigaction")
{
	ASSERT_OK(raw_sigaction_masked(SIGUSR1, note, 0, SIGSET_FULL));
	for (int i = -1; i < 8; i++) {
		ASSERT_OK(raw_sigprocmask(SIG_SETMASK, some_signals(i)));
		ASSERT_OK(hit(SIGUSR1));
		EXPECT_TRUE(is_equal(some_signals(i), mask_now()));
	}
}

static void is_plain(int sig)
{
	times++;
	raw_sigprocmask(SIG_SETMASK, SIGSET(SIGALRM));
}

CLAUSE(the_return_of_a_plain_handler_restores_the_mask,
       "sigreturn(2) DESCRIPTION: the mask is restored, every signal of it, of a handler without SA_SIGINFO too, "
       "through the old frame where the ABI has one", .needed_by = "glibc:signal musl:signal")
{
	for (int i = -1; i < 8; i++) {
		for (int more = 0; more < 2; more++) {
			struct kernel_sigaction action = plain_sigaction_of(is_plain, more ? SA_ONSTACK | SA_RESTART : 0, SIGSET_FULL);

			ASSERT_OK(raw_rt_sigaction(SIGUSR1, &action, NULL));
			ASSERT_OK(raw_sigprocmask(SIG_SETMASK, some_signals(i)));
			times = 0;
			ASSERT_OK(hit(SIGUSR1));
			EXPECT_EQ(1, times);
			EXPECT_TRUE(is_equal(some_signals(i), mask_now())) {
				TH_LOG("with %d blocked", i < 0 ? 0 : some[i]);
			}
		}
	}
}

CLAUSE(a_mask_written_into_the_context_takes_effect,
       "sigreturn(2) DESCRIPTION, signal(7) Execution of signal handlers: the mask is taken from uc_sigmask as the"
       " handler leaves it, every signal of it", .needed_by = "glibc:sigaction jvm:os.Linux")
{
	ASSERT_OK(raw_sigaction(SIGUSR1, note, 0));
	edits_mask = true;
	for (int i = -1; i < 8; i++) {
		put_mask = some_signals(i);
		ASSERT_OK(hit(SIGUSR1));
		EXPECT_TRUE(is_equal(put_mask, mask_now())) {
			TH_LOG("with %d blocked", i < 0 ? 0 : some[i]);
		}
	}
	put_mask = SIGSET_EMPTY;
	ASSERT_OK(hit(SIGUSR1));
	EXPECT_TRUE(is_equal(SIGSET_EMPTY, mask_now()));
}

CLAUSE(sigkill_and_sigstop_cannot_be_blocked_through_the_context,
       "kernel/signal.c set_current_blocked, sigprocmask(2) NOTES: SIGKILL and SIGSTOP are left out of a mask that a"
       " frame holds, without an error")
{
	struct kernel_sigset now;

	ASSERT_OK(raw_sigaction(SIGUSR1, note, 0));
	edits_mask = true;
	put_mask = SIGSET_FULL;
	ASSERT_OK(hit(SIGUSR1));
	now = mask_now();
	EXPECT_FALSE(sigset_has(now, SIGKILL));
	EXPECT_FALSE(sigset_has(now, SIGSTOP));
	for (int sig = 1; sig <= 64; sig++)
		EXPECT_TRUE(sig == SIGKILL || sig == SIGSTOP || sigset_has(now, sig));
}

CLAUSE(a_signal_that_the_return_unblocks_is_delivered_there,
       "sigreturn(2) DESCRIPTION, signal(7): a signal that became pending while the handler blocked it is delivered"
       " when the mask is restored, before the interrupted code goes on", .needed_by = "go:sigtramp glibc:sigaction")
{
	ASSERT_OK(raw_sigaction_masked(SIGUSR1, note, 0, SIGSET(SIGALRM)));
	ASSERT_OK(raw_sigaction(SIGALRM, note_late, 0));
	raises = SIGALRM;
	for (int i = 1; i <= 3; i++) {
		ASSERT_OK(hit(SIGUSR1));
		EXPECT_EQ(i, late_times);
		EXPECT_EQ(i, late_came_after);
	}
}

CLAUSE(a_mask_in_the_context_holds_a_signal_back,
       "sigreturn(2) DESCRIPTION: a signal that the handler adds to uc_sigmask stays pending after the return, one that"
       " it takes out is delivered", .needed_by = "glibc:sigaction")
{
	ASSERT_OK(raw_sigaction_masked(SIGUSR1, note, 0, SIGSET(SIGALRM)));
	ASSERT_OK(raw_sigaction(SIGALRM, note_late, 0));
	raises = SIGALRM;
	edits_mask = true;
	put_mask = SIGSET(SIGALRM);
	ASSERT_OK(hit(SIGUSR1));
	EXPECT_EQ(0, late_times);
	put_mask = SIGSET_EMPTY;
	ASSERT_OK(hit(SIGUSR1));
	EXPECT_EQ(1, late_times);
}

CLAUSE(the_context_has_no_link,
       "arch/*/kernel/signal.c setup_rt_frame: uc_link of a handler's context is NULL: there is no context to go on"
       " with after it", .needed_by = "glibc:setcontext")
{
	ASSERT_OK(raw_sigaction(SIGUSR1, note, 0));
	seen_link = &out;
	ASSERT_OK(hit(SIGUSR1));
	EXPECT_EQ(NULL, seen_link);
}

static bool is_set_to(stack_t s, void *sp, size_t size, unsigned int flags)
{
	return s.ss_sp == sp && s.ss_size == size && (unsigned int)s.ss_flags == flags;
}

static char first[ROOMY], second[ROOMY];

static void set_second(int sig, siginfo_t *info, void *uc)
{
	times++;
	use_stack(second, sizeof(second), 0);
}

CLAUSE(the_return_restores_the_signal_stack,
       "sigreturn(2) DESCRIPTION, kernel/signal.c restore_altstack: the signal stack is that of uc_stack again, though"
       " the handler has set another one", .needed_by = "glibc:swapcontext")
{
	ASSERT_OK(use_stack(first, sizeof(first), 0));
	ASSERT_OK(raw_sigaction(SIGUSR1, set_second, 0));
	ASSERT_OK(hit(SIGUSR1));
	EXPECT_EQ(1, times);
	EXPECT_TRUE(is_set_to(stack_now(), first, sizeof(first), 0));
}

CLAUSE(a_signal_stack_written_into_the_context_takes_effect,
       "kernel/signal.c restore_altstack: uc_stack as a handler on the ordinary stack leaves it becomes the setting:"
       " another stack, one with SS_AUTODISARM, none", .needed_by = "criu:sigreturn glibc:setcontext")
{
	ASSERT_OK(use_stack(first, sizeof(first), 0));
	ASSERT_OK(raw_sigaction(SIGUSR1, note, 0));
	edits_stack = true;
	put_stack = (stack_t){ .ss_sp = second, .ss_size = sizeof(second) };
	ASSERT_OK(hit(SIGUSR1));
	EXPECT_TRUE(is_set_to(stack_now(), second, sizeof(second), 0));
	put_stack = (stack_t){ .ss_sp = first, .ss_size = sizeof(first), .ss_flags = SS_AUTODISARM };
	ASSERT_OK(hit(SIGUSR1));
	EXPECT_TRUE(is_set_to(stack_now(), first, sizeof(first), SS_AUTODISARM));
	put_stack = (stack_t){ .ss_flags = SS_DISABLE };
	ASSERT_OK(hit(SIGUSR1));
	EXPECT_TRUE(is_set_to(stack_now(), NULL, 0, SS_DISABLE));
}

CLAUSE(a_bad_signal_stack_in_the_context_is_ignored,
       "kernel/signal.c restore_altstack \"squash all but EFAULT\": a uc_stack that sigaltstack(2) would refuse leaves"
       " the setting alone and the return succeeds")
{
	static const stack_t bad[] = { { .ss_sp = second, .ss_size = 1 },
				       { .ss_sp = second, .ss_size = sizeof(second), .ss_flags = 0x40 } };

	ASSERT_OK(use_stack(first, sizeof(first), 0));
	edits_stack = true;
	for (int i = 0; i < 4; i++) {
		ASSERT_OK(raw_sigaction(SIGUSR1, note, i / 2 ? SA_ONSTACK : 0));
		put_stack = bad[i % 2];
		ASSERT_OK(hit(SIGUSR1));
		EXPECT_EQ(i + 1, times);
		EXPECT_TRUE(is_set_to(stack_now(), first, sizeof(first), 0));
	}
}

static void nest_and_edit(int sig, siginfo_t *info, void *uc)
{
	edits_stack = true;
	put_stack = (stack_t){ .ss_sp = second, .ss_size = sizeof(second) };
	hit(SIGUSR1);
}

CLAUSE(a_return_to_the_signal_stack_does_not_change_it,
       "kernel/signal.c restore_altstack, do_sigaltstack: a nested handler returns to code on the signal stack, whose"
       " setting its uc_stack therefore does not change; the return succeeds all the same", .needed_by = "go:sigtramp")
{
	ASSERT_OK(use_stack(first, sizeof(first), 0));
	ASSERT_OK(raw_sigaction(SIGUSR1, note, SA_ONSTACK));
	ASSERT_OK(raw_sigaction(SIGUSR2, nest_and_edit, SA_ONSTACK));
	ASSERT_OK(hit(SIGUSR2));
	EXPECT_EQ(1, times);
	EXPECT_TRUE(is_set_to(stack_now(), first, sizeof(first), 0));
}

CLAUSE(stack_pointer_and_pc_written_into_the_context_take_effect,
       "sigreturn(2) DESCRIPTION: \"program counter and stack pointer\" come from the context: the thread goes on where"
       " the handler has pointed it, to the byte [SRT-4]"
       " [NET-2]", .needed_by = "go:signalM jvm:os.set_pc v8:TrapHandler")
{
	char *stack = painted_stack(ROOMY, MAP_PRIVATE);

	ASSERT_NE(NULL, stack);
	ASSERT_OK(raw_sigaction(ARCH_TRAP_SIGNAL, note, 0));
	for (int i = 0; i < 32; i++) {
		ASSERT_OK(trap_at(stack + ROOMY - i));
		ASSERT_EQ(i + 1, times);
		EXPECT_EQ((unsigned long)stack + ROOMY - i, seen_sp);
		EXPECT_EQ((unsigned long)arch_trap + (ARCH_TRAP_PC_AFTER ? ARCH_TRAP_LENGTH : 0), seen_pc);
	}
}

// Takes a signal whose handler may jump out. Apart, as some compilers want nothing beside setjmp in a function.
static __attribute__((noinline)) long hit_apart(int sig)
{
	return hit(sig);
}

static __attribute__((noinline)) void hit_and_come_back(int sig)
{
	if (!_setjmp(out))
		hit_apart(sig);
}

CLAUSE(a_handler_that_jumps_away_keeps_its_mask,
       "signal(7), sigaction(2): only the return restores the mask: a handler left by a jump leaves its signal and its"
       " sa_mask blocked until they are unblocked", .needed_by = "glibc:siglongjmp jvm:os.Linux")
{
	ASSERT_OK(raw_sigaction_masked(SIGUSR1, note, 0, SIGSET(SIGALRM)));
	jumps = true;
	hit_and_come_back(SIGUSR1);
	EXPECT_EQ(1, times);
	EXPECT_TRUE(is_equal(sigset_with(SIGSET(SIGUSR1), SIGALRM), mask_now()));
	jumps = false;
	ASSERT_OK(hit(SIGUSR1));
	EXPECT_EQ(1, times);
	ASSERT_OK(raw_sigprocmask(SIG_SETMASK, SIGSET_EMPTY));
	EXPECT_EQ(2, times);
}

CLAUSE(a_handler_that_jumps_off_the_signal_stack_frees_it,
       "sigaltstack(2) NOTES, kernel/signal.c on_sig_stack: as the stack pointer says what is in use, a jump off the"
       " signal stack ends its use: the next signal starts at the top, and the setting may be changed",
       .needed_by = "glibc:siglongjmp jvm:os.Linux rust:stack_overflow")
{
	unsigned long before;

	ASSERT_OK(use_stack(first, sizeof(first), 0));
	ASSERT_OK(raw_sigaction(SIGUSR1, note, SA_ONSTACK | SA_NODEFER));
	ASSERT_OK(hit(SIGUSR1));
	before = seen_uc;
	EXPECT_GT(sizeof(first), before - (unsigned long)first);
	jumps = true;
	for (int i = 0; i < 100; i++) {
		hit_and_come_back(SIGUSR1);
		EXPECT_EQ(before, seen_uc);
	}
	EXPECT_EQ(101, times);
	EXPECT_TRUE(is_set_to(stack_now(), first, sizeof(first), 0));
	EXPECT_OK(use_stack(second, sizeof(second), 0));
}
