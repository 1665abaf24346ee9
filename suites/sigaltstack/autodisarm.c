// SPDX-License-Identifier: GPL-2.0-only
// SS_AUTODISARM: a signal stack that is taken away while a handler runs, and given back when it returns.
#include "clause.h"

#include <setjmp.h>

#include "altstack.h"

static char *stack, *second;
static struct seen {
	unsigned long on, interrupted_sp;
	stack_t now, context;
	long change;
} seen[4];
static int times, depth = 1;
static jmp_buf out;
static bool jumps, swaps;

static void note(int sig, siginfo_t *info, void *uc)
{
	struct seen *s = &seen[times++];

	s->on = (unsigned long)uc;
	s->interrupted_sp = UC_SP(uc);
	s->now = stack_now();
	s->context = ((ucontext_t *)uc)->uc_stack;
	if (swaps)
		s->change = use_stack(second, ROOMY, 0);
	if (times < depth)
		hit(sig + 1);
	if (jumps)
		_longjmp(out, 1);
}

static bool has_stack(void)
{
	stack = painted_stack(ROOMY, MAP_PRIVATE);
	second = painted_stack(ROOMY, MAP_PRIVATE);
	return stack && second && !use_stack(stack, ROOMY, SS_AUTODISARM);
}

static bool is_armed(stack_t s)
{
	return s.ss_sp == stack && s.ss_size == ROOMY && (unsigned int)s.ss_flags == SS_AUTODISARM;
}

static bool is_none(stack_t s)
{
	return s.ss_sp == NULL && s.ss_size == 0 && s.ss_flags == SS_DISABLE;
}

static bool is_on(unsigned long address, const char *memory)
{
	return address - (unsigned long)memory < ROOMY;
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

CLAUSE(the_flag_is_told_with_the_stack,
       "sigaltstack(2) DESCRIPTION SS_AUTODISARM (4.7): the flag is accepted, with SS_ONSTACK beside it or not, and a"
       " query returns it", .needed_by = "rust:stack_overflow criu:sigaltstack")
{
	ASSERT_TRUE(has_stack());
	EXPECT_TRUE(is_armed(stack_now()));
	EXPECT_OK(use_stack(stack, ROOMY, 0));
	EXPECT_EQ(0, stack_now().ss_flags);
	EXPECT_OK(use_stack(stack, ROOMY, SS_ONSTACK | SS_AUTODISARM));
	EXPECT_TRUE(is_armed(stack_now()));
}

CLAUSE(the_flag_may_come_with_ss_disable,
       "kernel/signal.c do_sigaltstack: SS_DISABLE turns the stack off with the flag beside it as well")
{
	ASSERT_TRUE(has_stack());
	EXPECT_OK(use_stack(stack, 1, SS_DISABLE | SS_AUTODISARM));
	EXPECT_EQ(NULL, stack_now().ss_sp);
	EXPECT_EQ(0, stack_now().ss_size);
	EXPECT_EQ(SS_DISABLE, stack_now().ss_flags & SS_DISABLE);
}

CLAUSE(the_setting_is_gone_while_the_handler_runs,
       "sigaltstack(2) DESCRIPTION SS_AUTODISARM: \"clear the alternate signal stack settings on entry to the signal"
       " handler\", which runs on that stack", .needed_by = "glibc:swapcontext criu:sigaltstack")
{
	ASSERT_TRUE(has_stack());
	ASSERT_OK(raw_sigaction(SIGUSR1, note, SA_ONSTACK));
	ASSERT_OK(hit(SIGUSR1));
	ASSERT_EQ(1, times);
	EXPECT_TRUE(is_on(seen[0].on, stack));
	EXPECT_TRUE(is_none(seen[0].now));
}

CLAUSE(the_setting_is_back_when_the_handler_has_returned,
       "sigaltstack(2) DESCRIPTION SS_AUTODISARM: \"when the signal handler returns, the previous alternate signal"
       " stack settings are restored\", the flag among them, each time", .needed_by = "glibc:swapcontext")
{
	ASSERT_TRUE(has_stack());
	ASSERT_OK(raw_sigaction(SIGUSR1, note, SA_ONSTACK));
	for (int i = 0; i < 3; i++) {
		ASSERT_OK(hit(SIGUSR1));
		EXPECT_TRUE(is_armed(stack_now()));
		EXPECT_TRUE(is_on(seen[i].on, stack));
		EXPECT_EQ(seen[0].on, seen[i].on);
	}
	EXPECT_EQ(3, times);
}

CLAUSE(the_context_keeps_the_setting_and_the_flag,
       "kernel/signal.c __save_altstack: uc_stack of the handler's context has address, size and SS_AUTODISARM, from"
       " where the return takes them", .needed_by = "criu:sigaltstack")
{
	ASSERT_TRUE(has_stack());
	ASSERT_OK(raw_sigaction(SIGUSR1, note, SA_ONSTACK));
	ASSERT_OK(hit(SIGUSR1));
	EXPECT_TRUE(is_armed(seen[0].context));
}

CLAUSE(a_handler_elsewhere_disarms_as_well,
       "sigaltstack(2) DESCRIPTION SS_AUTODISARM, kernel/signal.c signal_delivered: any handler's entry clears the"
       " setting, one without SA_ONSTACK too, and its return restores it")
{
	ASSERT_TRUE(has_stack());
	ASSERT_OK(raw_sigaction(SIGUSR1, note, 0));
	ASSERT_OK(hit(SIGUSR1));
	EXPECT_FALSE(is_on(seen[0].on, stack));
	EXPECT_TRUE(is_none(seen[0].now));
	EXPECT_TRUE(is_armed(stack_now()));
}

CLAUSE(a_nested_signal_goes_on_below,
       "sigaltstack(2) DESCRIPTION SS_AUTODISARM: as there is no setting then, a signal that interrupts the handler"
       " uses the stack it runs on, and does not start at the top again", .needed_by = "glibc:swapcontext")
{
	ASSERT_TRUE(has_stack());
	depth = 3;
	for (int i = 0; i < depth; i++)
		ASSERT_OK(raw_sigaction(SIGRTMIN + i, note, SA_ONSTACK));
	ASSERT_OK(hit(SIGRTMIN));
	ASSERT_EQ(3, times);
	for (int i = 1; i < 3; i++) {
		EXPECT_TRUE(is_on(seen[i].on, stack));
		EXPECT_LT(seen[i].on, seen[i].interrupted_sp);
		EXPECT_LT(seen[i].interrupted_sp, seen[i - 1].on);
		EXPECT_TRUE(is_none(seen[i].now));
	}
	EXPECT_TRUE(is_armed(stack_now()));
}

CLAUSE(the_handler_may_set_another_stack,
       "sigaltstack(2) DESCRIPTION SS_AUTODISARM: a handler on a disarmed stack is not refused with EPERM; the one that"
       " it sets is used by the next signal, and its return restores the first", .needed_by = "glibc:swapcontext")
{
	ASSERT_TRUE(has_stack());
	depth = 2;
	swaps = true;
	for (int i = 0; i < depth; i++)
		ASSERT_OK(raw_sigaction(SIGRTMIN + i, note, SA_ONSTACK));
	ASSERT_OK(hit(SIGRTMIN));
	ASSERT_EQ(2, times);
	EXPECT_OK(seen[0].change);
	EXPECT_TRUE(is_on(seen[0].on, stack));
	EXPECT_TRUE(is_on(seen[1].on, second));
	EXPECT_TRUE(is_armed(stack_now()));
}

CLAUSE(a_handler_that_jumps_away_leaves_the_stack_disarmed,
       "sigaltstack(2) DESCRIPTION SS_AUTODISARM: only the handler's return restores the setting; code that leaves"
       " it by a jump has none until it sets one, and may set one at once", .needed_by = "glibc:swapcontext")
{
	ASSERT_TRUE(has_stack());
	jumps = true;
	ASSERT_OK(raw_sigaction(SIGUSR1, note, SA_ONSTACK | SA_NODEFER));
	hit_and_come_back(SIGUSR1);
	ASSERT_EQ(1, times);
	EXPECT_TRUE(is_none(stack_now()));
	EXPECT_OK(use_stack(second, ROOMY, SS_AUTODISARM));
	jumps = false;
	ASSERT_OK(hit(SIGUSR1));
	EXPECT_TRUE(is_on(seen[1].on, second));
}

CLAUSE(an_ordinary_signal_stack_stays_set_while_the_handler_runs,
       "sigaltstack(2) DESCRIPTION: without SS_AUTODISARM the setting stays in place for the time of the handler",
       .needed_by = "go:setSignalstackSP")
{
	ASSERT_TRUE(has_stack());
	ASSERT_OK(use_stack(stack, ROOMY, 0));
	ASSERT_OK(raw_sigaction(SIGUSR1, note, SA_ONSTACK));
	ASSERT_OK(hit(SIGUSR1));
	EXPECT_EQ((void *)stack, seen[0].now.ss_sp);
	EXPECT_EQ(SS_ONSTACK, seen[0].now.ss_flags);
}

static void fork_and_return(int sig, siginfo_t *info, void *uc)
{
	times = fork();
	seen[0].now = stack_now();
}

CLAUSE(a_child_that_the_handler_forks_gets_the_setting_back_too,
       "sigaltstack(2) NOTES, DESCRIPTION SS_AUTODISARM: a child forked by the handler has no signal stack there"
       " either, and its return from the handler restores it as the parent's does")
{
	int status, pid;

	ASSERT_TRUE(has_stack());
	ASSERT_OK(raw_sigaction(SIGUSR1, fork_and_return, SA_ONSTACK));
	ASSERT_OK(hit(SIGUSR1));
	pid = times;
	ASSERT_LE(0, pid);
	if (!pid)
		_exit(!(is_none(seen[0].now) && is_armed(stack_now())));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_TRUE(is_armed(stack_now()));
}
