// SPDX-License-Identifier: GPL-2.0-only
// Which stack a signal is delivered on, and what a handler sees of sigaltstack(2) there.
#include "clause.h"

#include <sys/prctl.h>

#include "altstack.h"
#include "guard.h"

#define DEPTH 8

// What a handler saw, in the order in which they started; and what it found changed when it came back from others.
static struct seen {
	int sig;
	unsigned long sp, uc, info, interrupted_sp;
	stack_t now, context;
	long set, disable, arm, same;
	bool clobbered;
} seen[DEPTH + 1];
static int times, depth = 1, ends_detour;
static char *stack;

static bool is_in(unsigned long address, const char *from, size_t size)
{
	return address - (unsigned long)from < size;
}

// A handler that raises the next of `depth` signals, with a copy of its own frame to compare afterwards.
static void note(int sig, siginfo_t *info, void *uc)
{
	struct seen *s = &seen[times++];
	static char other[ROOMY];

	*s = (struct seen){ sig, arch_handler_regs.r[ARCH_REG_SP], (unsigned long)uc, (unsigned long)info, UC_SP(uc),
			    stack_now(), ((ucontext_t *)uc)->uc_stack, 0, 0, 0, 0, false };
	s->set = use_stack(other, sizeof(other), 0);
	s->disable = use_stack(NULL, 0, SS_DISABLE);
	s->arm = use_stack(s->now.ss_sp, s->now.ss_size, SS_AUTODISARM);
	s->same = use_stack(s->now.ss_sp, s->now.ss_size, 0);
	if (times < depth) {
		siginfo_t was_info = *info;
		ucontext_t was = *(ucontext_t *)uc;

		hit(sig + 1);
		s->clobbered = memcmp(&was_info, info, sizeof(was_info)) ||
			       memcmp(&was.uc_mcontext, &((ucontext_t *)uc)->uc_mcontext, sizeof(was.uc_mcontext)) ||
			       memcmp(&was.uc_stack, &((ucontext_t *)uc)->uc_stack, sizeof(was.uc_stack));
	}
	if (ends_detour)
		detour_end(uc);
}

static long handle(int sig, unsigned long flags)
{
	arch_handler_then = note;
	return raw_sigaction(sig, arch_handler, flags);
}

static bool has_stack(int flags)
{
	stack = painted_stack(ROOMY, flags);
	return stack && !use_stack(stack, ROOMY, 0);
}

CLAUSE(a_handler_of_sa_onstack_runs_on_the_signal_stack,
       "sigaction(2) SA_ONSTACK: the handler is called on the alternate signal stack, with its frame, the information"
       " and the context all inside it [SAS-7]",
       .needed_by = "go:setsigstack rust:stack_overflow jvm:os.Linux v8:TrapHandler")
{
	ASSERT_TRUE(has_stack(MAP_PRIVATE));
	ASSERT_OK(handle(SIGUSR1, SA_ONSTACK));
	ASSERT_OK(hit(SIGUSR1));
	ASSERT_EQ(1, times);
	EXPECT_TRUE(is_in(seen[0].sp, stack, ROOMY));
	EXPECT_TRUE(is_in(seen[0].uc, stack, ROOMY - sizeof(long)));
	EXPECT_TRUE(is_in(seen[0].info, stack, ROOMY - sizeof(siginfo_t)));
	EXPECT_FALSE(is_in(seen[0].interrupted_sp, stack, ROOMY));
}

CLAUSE(a_handler_without_sa_onstack_runs_on_the_interrupted_stack,
       "sigaltstack(2) DESCRIPTION, sigaction(2) SA_ONSTACK: a signal stack is used by the actions that ask for it, and"
       " by no other [SAS-7]", .needed_by = "glibc:sigaction")
{
	ASSERT_TRUE(has_stack(MAP_PRIVATE));
	ASSERT_OK(handle(SIGUSR1, 0));
	ASSERT_OK(hit(SIGUSR1));
	EXPECT_FALSE(is_in(seen[0].sp, stack, ROOMY));
	EXPECT_LT(seen[0].sp, seen[0].interrupted_sp);
	EXPECT_EQ(NULL, first_spot(stack, stack + ROOMY));
	EXPECT_EQ(0, seen[0].now.ss_flags);
}

CLAUSE(without_a_signal_stack_sa_onstack_uses_the_interrupted_one,
       "sigaction(2) SA_ONSTACK: \"if an alternate stack is not available, the default stack will be used\": none set,"
       " or one that SS_DISABLE took away", .needed_by = "go:setsigstack glibc:sigaction")
{
	ASSERT_OK(handle(SIGUSR1, SA_ONSTACK));
	ASSERT_OK(hit(SIGUSR1));
	ASSERT_TRUE(has_stack(MAP_PRIVATE));
	ASSERT_OK(use_stack(NULL, 0, SS_DISABLE));
	ASSERT_OK(hit(SIGUSR1));
	ASSERT_EQ(2, times);
	for (int i = 0; i < 2; i++) {
		EXPECT_LT(seen[i].sp, seen[i].interrupted_sp);
		EXPECT_GT(ROOMY, seen[i].interrupted_sp - seen[i].sp);
		EXPECT_EQ(SS_DISABLE, seen[i].now.ss_flags);
	}
	EXPECT_EQ(NULL, first_spot(stack, stack + ROOMY));
}

CLAUSE(each_delivery_starts_at_the_top_again,
       "sigaltstack(2) DESCRIPTION: a signal that does not find a handler on the stack is delivered at its top, the"
       " same place each time [SAS-7]", .needed_by = "go:setsigstack")
{
	ASSERT_TRUE(has_stack(MAP_PRIVATE));
	ASSERT_OK(handle(SIGUSR1, SA_ONSTACK));
	for (int i = 0; i < DEPTH; i++)
		ASSERT_OK(hit(SIGUSR1));
	ASSERT_EQ(DEPTH, times);
	for (int i = 1; i < DEPTH; i++)
		EXPECT_EQ(seen[0].sp, seen[i].sp);
	if (frame_bound())
		EXPECT_LE((unsigned long)stack + ROOMY - seen[0].sp, frame_bound());
}

CLAUSE(nested_signals_go_on_below_on_the_same_stack,
       "sigaltstack(2) DESCRIPTION, kernel/signal.c sas_ss_flags: a signal that interrupts a handler on the signal"
       " stack is delivered below that handler's frame, not at the top again; the frames above stay whole [SAS-7]",
       .needed_by = "go:setsigstack jvm:os.Linux v8:TrapHandler")
{
	ASSERT_TRUE(has_stack(MAP_PRIVATE));
	depth = 4;
	for (int i = 0; i < depth; i++)
		ASSERT_OK(handle(SIGRTMIN + i, SA_ONSTACK));
	ASSERT_OK(hit(SIGRTMIN));
	ASSERT_EQ(depth, times);
	for (int i = 0; i < depth; i++) {
		EXPECT_TRUE(is_in(seen[i].sp, stack, ROOMY));
		EXPECT_FALSE(seen[i].clobbered);
		if (i == 0)
			continue;
		EXPECT_LT(seen[i].sp, seen[i - 1].sp);
		EXPECT_LT(seen[i].interrupted_sp, seen[i - 1].sp);
		EXPECT_LT(seen[i].sp, seen[i].interrupted_sp);
	}
}

CLAUSE(a_nested_signal_without_sa_onstack_stays_on_the_signal_stack,
       "sigaction(2) SA_ONSTACK: without it the handler runs where the interrupted code ran, which may be the signal"
       " stack [SAS-7]", .needed_by = "glibc:sigaction")
{
	ASSERT_TRUE(has_stack(MAP_PRIVATE));
	depth = 3;
	ASSERT_OK(handle(SIGRTMIN, SA_ONSTACK));
	ASSERT_OK(handle(SIGRTMIN + 1, 0));
	ASSERT_OK(handle(SIGRTMIN + 2, SA_ONSTACK));
	ASSERT_OK(hit(SIGRTMIN));
	ASSERT_EQ(3, times);
	for (int i = 0; i < 3; i++) {
		EXPECT_TRUE(is_in(seen[i].sp, stack, ROOMY));
		EXPECT_LT(seen[i].sp, i ? seen[i].interrupted_sp : -1UL);
		EXPECT_LT(seen[i].sp, i ? seen[i - 1].sp : -1UL);
		EXPECT_FALSE(seen[i].clobbered);
		EXPECT_EQ(SS_ONSTACK, seen[i].now.ss_flags);
	}
}

CLAUSE(a_signal_stack_is_entered_from_a_nested_handler_too,
       "sigaction(2) SA_ONSTACK: a signal that interrupts a handler on the ordinary stack takes the signal stack if its"
       " own action asks for it", .needed_by = "go:setsigstack")
{
	ASSERT_TRUE(has_stack(MAP_PRIVATE));
	depth = 3;
	ASSERT_OK(handle(SIGRTMIN, 0));
	ASSERT_OK(handle(SIGRTMIN + 1, 0));
	ASSERT_OK(handle(SIGRTMIN + 2, SA_ONSTACK));
	ASSERT_OK(hit(SIGRTMIN));
	ASSERT_EQ(3, times);
	EXPECT_FALSE(is_in(seen[0].sp, stack, ROOMY));
	EXPECT_FALSE(is_in(seen[1].sp, stack, ROOMY));
	EXPECT_TRUE(is_in(seen[2].sp, stack, ROOMY));
	EXPECT_FALSE(is_in(seen[2].interrupted_sp, stack, ROOMY));
}

CLAUSE(a_handler_on_the_signal_stack_sees_ss_onstack,
       "sigaltstack(2) DESCRIPTION ss_flags: SS_ONSTACK is told while the thread executes on the alternate stack, with"
       " its address and size, and no longer when the handler has returned [SAS-5]",
       .needed_by = "go:setSignalstackSP rust:stack_overflow")
{
	stack_t after;

	ASSERT_TRUE(has_stack(MAP_PRIVATE));
	ASSERT_OK(handle(SIGUSR1, SA_ONSTACK));
	ASSERT_OK(hit(SIGUSR1));
	EXPECT_EQ(SS_ONSTACK, seen[0].now.ss_flags);
	EXPECT_EQ((void *)stack, seen[0].now.ss_sp);
	EXPECT_EQ(ROOMY, seen[0].now.ss_size);
	after = stack_now();
	EXPECT_EQ(0, after.ss_flags);
	EXPECT_EQ((void *)stack, after.ss_sp);
}

CLAUSE(the_stack_in_use_cannot_be_changed,
       "sigaltstack(2) ERRORS EPERM: an attempt was made to change the alternate stack while it was active: to another"
       " one, to none, to other flags, or to the same [SAS-5]", .needed_by = "go:sigaltstack")
{
	ASSERT_TRUE(has_stack(MAP_PRIVATE));
	depth = 2;
	ASSERT_OK(handle(SIGRTMIN, SA_ONSTACK));
	ASSERT_OK(handle(SIGRTMIN + 1, 0));
	ASSERT_OK(hit(SIGRTMIN));
	for (int i = 0; i < 2; i++) {
		EXPECT_ERR(EPERM, seen[i].set);
		EXPECT_ERR(EPERM, seen[i].disable);
		EXPECT_ERR(EPERM, seen[i].arm);
		EXPECT_ERR(EPERM, seen[i].same);
	}
	EXPECT_EQ((void *)stack, seen[1].now.ss_sp);
	EXPECT_EQ(ROOMY, stack_now().ss_size);
	EXPECT_OK(use_stack(NULL, 0, SS_DISABLE));
}

static long wrong[2];

static void change_wrongly(int sig, siginfo_t *info, void *uc)
{
	wrong[0] = use_stack(stack, ROOMY, 0x40);
	wrong[1] = use_stack(stack, 1, 0);
}

CLAUSE(a_stack_in_use_is_told_before_any_other_error,
       "kernel/signal.c do_sigaltstack: EPERM comes first, before flags and size are looked at [SAS-4]")
{
	ASSERT_TRUE(has_stack(MAP_PRIVATE));
	ASSERT_OK(raw_sigaction(SIGUSR1, change_wrongly, SA_ONSTACK));
	ASSERT_OK(hit(SIGUSR1));
	EXPECT_ERR(EPERM, wrong[0]);
	EXPECT_ERR(EPERM, wrong[1]);
}

CLAUSE(a_handler_elsewhere_may_change_the_stack,
       "sigaltstack(2) ERRORS EPERM: only the stack in use is protected; a handler on the ordinary stack may set, arm"
       " and disable one", .needed_by = "go:minit")
{
	ASSERT_TRUE(has_stack(MAP_PRIVATE));
	ASSERT_OK(handle(SIGUSR1, 0));
	ASSERT_OK(hit(SIGUSR1));
	EXPECT_OK(seen[0].set);
	EXPECT_OK(seen[0].disable);
	EXPECT_OK(seen[0].arm);
	EXPECT_OK(seen[0].same);
}

static void swap_to_smaller(int sig, siginfo_t *info, void *uc)
{
	times++;
	use_stack(stack, ROOMY / 2, 0);
	hit(SIGUSR1);
}

CLAUSE(a_stack_that_a_handler_sets_is_used_at_once,
       "sigaltstack(2) DESCRIPTION: the setting holds from the call on, for a signal that interrupts that very handler",
       .needed_by = "go:minit")
{
	ASSERT_TRUE(has_stack(MAP_PRIVATE));
	ASSERT_OK(handle(SIGUSR1, SA_ONSTACK));
	ASSERT_OK(raw_sigaction(SIGUSR2, swap_to_smaller, 0));
	ASSERT_OK(hit(SIGUSR2));
	ASSERT_EQ(2, times);
	EXPECT_TRUE(is_in(seen[1].sp, stack, ROOMY / 2));
	EXPECT_EQ(ROOMY / 2, seen[1].now.ss_size);
}

CLAUSE(the_context_names_the_signal_stack,
       "getcontext(3) uc_stack, kernel/signal.c __save_altstack: the context of a handler holds the setting of the"
       " interrupted code, wherever the handler runs", .needed_by = "glibc:getcontext jvm:os.Linux")
{
	ASSERT_TRUE(has_stack(MAP_PRIVATE));
	depth = 2;
	ASSERT_OK(handle(SIGRTMIN, SA_ONSTACK));
	ASSERT_OK(handle(SIGRTMIN + 1, SA_ONSTACK));
	ASSERT_OK(hit(SIGRTMIN));
	ASSERT_OK(handle(SIGUSR1, 0));
	ASSERT_OK(hit(SIGUSR1));
	for (int i = 0; i < 3; i++) {
		EXPECT_EQ((void *)stack, seen[i].context.ss_sp);
		EXPECT_EQ(ROOMY, seen[i].context.ss_size);
		EXPECT_EQ(0, seen[i].context.ss_flags);
	}
	ASSERT_OK(use_stack(NULL, 0, SS_DISABLE));
	ASSERT_OK(hit(SIGUSR1));
	EXPECT_EQ(NULL, seen[3].context.ss_sp);
	EXPECT_EQ(0, seen[3].context.ss_size);
	EXPECT_EQ(SS_DISABLE, seen[3].context.ss_flags);
}

CLAUSE(a_signal_is_delivered_whatever_the_stack_pointer_is,
       "sigaltstack(2) NOTES: the most common use is a signal that finds no room on the ordinary stack: SA_ONSTACK does"
       " not look at it, be it full, unmapped or NULL, and the return puts the pointer back",
       .needed_by = "rust:stack_overflow jvm:os.Linux go:sigtramp")
{
	void *const nowhere[] = { unmapped_page(), (char *)forbidden_page() + 64, (void *)4096, NULL };

	ASSERT_TRUE(has_stack(MAP_PRIVATE));
	ASSERT_OK(handle(ARCH_TRAP_SIGNAL, SA_ONSTACK));
	ends_detour = 1;
	for (int i = 0; i < 4; i++) {
		ASSERT_OK(trap_at(nowhere[i]));
		ASSERT_EQ(i + 1, times);
		EXPECT_TRUE(is_in(seen[i].sp, stack, ROOMY));
		EXPECT_EQ((unsigned long)nowhere[i], seen[i].interrupted_sp);
		EXPECT_EQ(0, seen[i].context.ss_flags);
	}
}

CLAUSE(the_stack_pointer_says_whether_the_stack_is_in_use,
       "kernel/signal.c on_sig_stack: SS_ONSTACK is told by where the stack pointer is, in the stack or not, however it"
       " came there; the boundary is the stack's own", .needed_by = "go:setSignalstackSP")
{
	char *middle;

	ASSERT_TRUE(has_stack(MAP_PRIVATE));
	middle = stack + ROOMY / 2;
	ASSERT_OK(handle(ARCH_TRAP_SIGNAL, 0));
	ends_detour = 1;
	ASSERT_OK(trap_at(middle));
	ASSERT_OK(use_stack(middle, ROOMY / 2, 0));
	ASSERT_OK(trap_at(middle));
	ASSERT_OK(use_stack(stack, ROOMY / 4, 0));
	ASSERT_OK(trap_at(middle));
	ASSERT_EQ(3, times);
	EXPECT_EQ(SS_ONSTACK, seen[0].now.ss_flags);
	EXPECT_EQ(0, seen[1].now.ss_flags);
	EXPECT_EQ(0, seen[2].now.ss_flags);
	EXPECT_ERR(EPERM, seen[0].set);
	EXPECT_OK(seen[1].set);
	EXPECT_OK(seen[2].set);
}
