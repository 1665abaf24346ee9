// SPDX-License-Identifier: GPL-2.0-only
// Registers across handlers that use them all: nested, forked, on the way out of calls, and while other threads run.
#include "clause.h"

#include <sched.h>

#include "altstack.h"
#include "arch_frame.h"
#include "regs.h"
#include "sync.h"
#include "thread.h"

#define LEVELS 3
#define ROUNDS 24
#define STORMS 6	/* each may cost a time slice or two */
#define MANY   16

static int times, child = -1;
static void *junk, *frame_vec, *put_vec;
static bool has_got, has_put, forks, yields;
static unsigned int fp_control;
static unsigned long entry_flags, handler_tp;
static long double product;
static volatile long double factor = 1.5L;
static struct arch_regs *edit;
static volatile int over;

static bool is_in_spin(void *uc)
{
	return UC_PC(uc) >= (unsigned long)arch_spin && UC_PC(uc) < (unsigned long)arch_spin_end;
}

// A handler that does all to registers that one can do, and what the clause asks for.
static void meddle(int sig, siginfo_t *info, void *uc)
{
	fp_control = arch_fp_control();
	product = factor * factor;
	entry_flags = ARCH_REG_FLAGS < 0 ? 0 : arch_handler_regs.r[ARCH_REG_FLAGS];
	handler_tp = arch_tp();
	if (sig == ARCH_TRAP_SIGNAL)
		ARCH_TRAP_SKIP(uc);
	if (frame_vec)
		has_got = arch_frame_vec_get(uc, frame_vec);
	if (put_vec)
		has_put = arch_frame_vec_put(uc, put_vec);
	if (forks)	// libc's fork may want a thread pointer that the interrupted code has changed
		child = raw_syscall(__NR_clone, ARCH_CLONE_ARGS(SIGCHLD, 0), 0, 0, 0);
	if (edit)
		for (int i = 0; i < ARCH_REGS; i++)
			if (i != ARCH_REG_SP)
				UC_REG(uc, i) = edit->r[i];
	if (yields && (sig == ARCH_TRAP_SIGNAL || is_in_spin(uc)))
		raw_syscall(__NR_sched_yield);
	// The last, as what spins goes on when it is done.
	times++;
	if (is_in_spin(uc))
		UC_PC(uc) = (unsigned long)arch_spin_end;
	if (junk)
		arch_vec_load(junk);
}

static long handle(int sig, unsigned long flags)
{
	arch_handler_then = meddle;
	return raw_sigaction(sig, arch_handler, flags);
}

// One event with every register full, and what it may change.
struct shot {
	struct arch_regs in, out;
	void *was, *is;
};

static void load_shot(struct shot *s, unsigned int seed)
{
	regs_fill(&s->in, seed);
	s->was = vec_block(seed);
	s->is = vec_copy(s->was);
}

static void free_shot(struct shot *s)
{
	free(s->was);
	free(s->is);
}

static const char *damage(const struct shot *s, char *text)
{
	const char *seen = regs_difference(&s->in, &s->out, 0, text);

	return seen ? seen : vec_difference(s->was, s->is, NULL, text);
}

#define EXPECT_WHOLE(shot) EXPECT_SAME_(damage(shot, text_))

static struct shot shots[LEVELS];
static int level;

static void nest(int sig, siginfo_t *info, void *uc)
{
	ARCH_TRAP_SKIP(uc);
	if (++level < LEVELS) {
		struct shot *s = &shots[level];

		arch_trap_regs(&s->in, &s->out, s->is);
	}
	times++;
	arch_vec_load(junk);
}

CLAUSE(nested_handlers_restore_each_others_registers,
       "sigreturn(2) DESCRIPTION: each return restores what its own frame holds: handlers that interrupt handlers,"
       " every register of each in use [SRT-3]", .needed_by = "go:sigreturn__sigaction jvm:safepoints")
{
	char *stack = painted_stack(ROOMY, MAP_PRIVATE);

	ASSERT_NE(NULL, stack);
	junk = vec_block(99);
	for (int on_stack = 0; on_stack < 2; on_stack++) {
		if (on_stack)
			ASSERT_OK(use_stack(stack, ROOMY, 0));
		arch_handler_then = nest;
		ASSERT_OK(raw_sigaction(ARCH_TRAP_SIGNAL, arch_handler, SA_NODEFER | SA_ONSTACK));
		for (int i = 0; i < LEVELS; i++)
			load_shot(&shots[i], 10 * on_stack + i);
		level = times = 0;
		arch_trap_regs(&shots[0].in, &shots[0].out, shots[0].is);
		EXPECT_EQ(LEVELS, times);
		for (int i = 0; i < LEVELS; i++) {
			EXPECT_WHOLE(&shots[i]);
			free_shot(&shots[i]);
		}
	}
}

CLAUSE(many_signals_at_once_restore_every_register,
       "signal(7) Execution of signal handlers: signals that are unblocked together stack their frames on one another;"
       " the code they interrupted finds its registers when all have returned [SRT-3]",
       .needed_by = "go:sigreturn__sigaction")
{
	struct kernel_sigset none = SIGSET_EMPTY;
	struct shot s;

	junk = vec_block(99);
	for (int i = 0; i < 4; i++) {
		ASSERT_OK(raw_sigprocmask(SIG_SETMASK, SIGSET_FULL));
		for (int k = 0; k < MANY; k++) {
			ASSERT_OK(handle(SIGRTMIN + k, 0));
			ASSERT_OK(hit(SIGRTMIN + k));
		}
		times = 0;
		load_shot(&s, i);
		regs_set_syscall(&s.in, __NR_rt_sigprocmask, SIG_SETMASK, (long)&none, 0, ARCH_SIGSET_BYTES);
		arch_syscall_regs(&s.in, &s.out, s.is);
		EXPECT_EQ(0, arch_regs_result(&s.out));
		EXPECT_EQ(MANY, times);
		EXPECT_REGS(&s.in, &s.out, ARCH_SYSCALL_CLOBBERS);
		EXPECT_VEC_AFTER_SYSCALL(s.was, s.is);
		free_shot(&s);
	}
}

CLAUSE(a_child_that_a_handler_forks_returns_with_every_register,
       "sigreturn(2) DESCRIPTION, fork(2): the child has a copy of the frame and returns from the handler with all"
       " registers of the interrupted code, as the parent does", .needed_by = "glibc:fork")
{
	struct shot s;
	char text[REGS_TEXT];
	int status;

	ASSERT_OK(handle(ARCH_TRAP_SIGNAL, 0));
	junk = vec_block(99);
	forks = true;
	for (int i = 0; i < 3; i++) {
		load_shot(&s, i);
		arch_trap_regs(&s.in, &s.out, s.is);
		if (!child)
			_exit(damage(&s, text) != NULL);
		ASSERT_LT(0, child);
		EXPECT_WHOLE(&s);
		ASSERT_EQ(child, waitpid(child, &status, 0));
		EXPECT_EQ(0, status);
		free_shot(&s);
	}
}

CLAUSE(registers_written_into_a_system_calls_context_take_effect,
       "sigreturn(2) DESCRIPTION: where a signal came on the way out of a system call too, every register comes"
       " from the frame, those that the call's entry uses for itself among them [SRT-4]",
       .needed_by = "go:signalM jvm:os.set_pc")
{
	struct arch_regs other;
	struct shot s;

	ASSERT_OK(handle(SIGUSR2, 0));
	for (int i = 0; i < 4; i++) {
		load_shot(&s, i);
		regs_fill(&other, i + 50);
		edit = &other;
		regs_set_syscall(&s.in, __NR_tgkill, getpid(), raw_syscall(__NR_gettid), SIGUSR2);
		arch_syscall_regs(&s.in, &s.out, s.is);
		edit = NULL;
		ASSERT_EQ(i + 1, times);
		EXPECT_REGS(&other, &s.out, 1ul << ARCH_REG_SP);
		free_shot(&s);
	}
}

static int send_until_over(void *arg)
{
	int pid = raw_syscall(__NR_getpid);

	while (!over) {
		raw_syscall(__NR_tgkill, pid, pid, SIGUSR1);
		raw_syscall(__NR_sched_yield);
	}
	return 0;
}

// Loads other registers into the same CPU, whenever it gets it.
static int compete(void *block)
{
	static volatile int no;

	while (!over) {
		arch_vec_spin(block, &no, 1);
		raw_syscall(__NR_sched_yield);
	}
	return 0;
}

static bool stay_on_this_cpu(void)
{
	cpu_set_t here;

	CPU_ZERO(&here);
	CPU_SET(sched_getcpu(), &here);
	return !sched_setaffinity(0, sizeof(here), &here);
}

CLAUSE(a_handler_that_gives_the_cpu_away_restores_every_register,
       "sigreturn(2) DESCRIPTION, arch/*/kernel/process.c __switch_to: another thread that uses the same CPU's"
       " registers while the handler runs leaves no trace in the interrupted code, nor it in the other [SRT-3]"
       " [incident 4]",
       .needed_by = "go:sigreturn__sigaction jvm:safepoints")
{
	void *was, *is;
	struct thread t;
	struct shot s;

	was = vec_block(7);
	is = vec_copy(was);
	ASSERT_TRUE(stay_on_this_cpu());
	ASSERT_OK(handle(ARCH_TRAP_SIGNAL, 0));
	ASSERT_OK(thread_start(&t, compete, is));
	yields = true;
	junk = vec_block(99);
	for (int i = 0; i < ROUNDS; i++) {
		load_shot(&s, i);
		arch_trap_regs(&s.in, &s.out, s.is);
		EXPECT_WHOLE(&s);
		free_shot(&s);
	}
	over = 1;
	ASSERT_TRUE(thread_join(&t));
	EXPECT_VEC(was, is);
}

CLAUSE(a_storm_on_a_signal_stack_that_is_not_there_restores_every_register,
       "sigreturn(2) DESCRIPTION, arch/x86/kernel/fpu/signal.c copy_fpstate_to_sigframe: signals at any"
       " instruction, on a signal stack that must be faulted in each time, beside a thread that uses the same CPU"
       " [SRT-3] [incident 1]",
       .commit = "59c4bd853abc x86/fpu: Don't cache access to fpu_fpregs_owner_ctx",
       .needed_by = "go:sigreturn__sigaction go:signalM")
{
	void *was = vec_block(7), *is = vec_copy(was);
	char *stack = mmap(NULL, ROOMY, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct thread sender, competitor;
	struct shot s;

	ASSERT_NE(MAP_FAILED, stack);
	ASSERT_OK(handle(SIGUSR1, SA_ONSTACK));
	ASSERT_OK(use_stack(stack, ROOMY, 0));
	ASSERT_OK(thread_start(&sender, send_until_over, NULL));
	ASSERT_TRUE(stay_on_this_cpu());
	ASSERT_OK(thread_start(&competitor, compete, is));
	yields = true;
	junk = vec_block(99);
	for (int i = 0; i < STORMS; i++) {
		load_shot(&s, i);
		raw_syscall(__NR_sched_yield);
		ASSERT_OK(raw_syscall(__NR_madvise, stack, ROOMY, MADV_DONTNEED));
		arch_spin_regs(&s.in, &s.out, s.is);
		EXPECT_WHOLE(&s);
		free_shot(&s);
	}
	over = 1;
	ASSERT_TRUE(thread_join(&sender));
	ASSERT_TRUE(thread_join(&competitor));
	EXPECT_VEC(was, is);
}

CLAUSE(the_frame_holds_the_vector_registers_of_the_interrupted_code,
       "sigaction(2) ucontext, arch/x86/include/uapi/asm/sigcontext.h \"struct _xstate\" and their like: the"
       " context has the floating-point and vector registers as they were [SIG-4] [CPU-1]",
       .needed_by = "jvm:os.Linux criu:sigreturn")
{
	struct shot s;

	if (!ARCH_HAS_FRAME_VEC || !(frame_vec = vec_block(1)))
		SKIP(return, "the port does not read them");
	ASSERT_OK(handle(ARCH_TRAP_SIGNAL, 0));
	for (int i = 0; i < 4; i++) {
		load_shot(&s, i);
		arch_trap_regs(&s.in, &s.out, s.is);
		ASSERT_TRUE(has_got);
		EXPECT_VEC(s.was, frame_vec);
		free_shot(&s);
	}
}

CLAUSE(vector_registers_written_into_the_frame_take_effect,
       "sigreturn(2) DESCRIPTION: floating-point and vector registers are restored from the frame as the handler leaves"
       " it, all of them [SRT-4]", .needed_by = "criu:sigreturn jvm:os.Linux")
{
	struct shot s;

	if (!ARCH_HAS_FRAME_VEC || !(put_vec = vec_block(77)))
		SKIP(return, "the port does not write them");
	ASSERT_OK(handle(ARCH_TRAP_SIGNAL, 0));
	junk = vec_block(99);
	for (int i = 0; i < 4; i++) {
		load_shot(&s, i);
		arch_vec_fill(put_vec, 77 + i);
		arch_trap_regs(&s.in, &s.out, s.is);
		ASSERT_TRUE(has_put);
		EXPECT_REGS(&s.in, &s.out, 0);
		EXPECT_VEC(put_vec, s.is);
		free_shot(&s);
	}
}

// Raises a signal in one of three ways with every register full: a trap, a system call, another thread.
static void raise_fully(int how, struct shot *s)
{
	struct thread t;

	if (how == 0) {
		arch_trap_regs(&s->in, &s->out, s->is);
	} else if (how == 1) {
		regs_set_syscall(&s->in, __NR_tgkill, getpid(), raw_syscall(__NR_gettid), SIGUSR2);
		arch_syscall_regs(&s->in, &s->out, s->is);
	} else {
		over = 0;
		thread_start(&t, send_until_over, NULL);
		arch_spin_regs(&s->in, &s->out, s->is);
		over = 1;
		thread_join(&t);
	}
}

static long handle_all(unsigned long flags)
{
	return handle(ARCH_TRAP_SIGNAL, flags) ?: handle(SIGUSR1, flags) ?: handle(SIGUSR2, flags);
}

CLAUSE(a_handler_starts_with_a_functions_flags_wherever_it_interrupts,
       "arch/x86/kernel/signal.c handle_signal \"Clear the direction flag as per the ABI for function entry\": of a"
       " trap, a system call, any instruction; and the code gets its own flags back [SIG-2]",
       .commit = "e40cd10ccff3 x86: clear DF before calling signal handler", .needed_by = "go:sigtramp glibc:sigaction")
{
	if (!ARCH_FLAGS_ENTRY_CLEAR)
		SKIP(return, "the ABI has no such flag");
	ASSERT_OK(handle_all(0));
	for (int how = 0; how < 3; how++) {
		struct shot s;

		load_shot(&s, how);
		s.in.r[ARCH_REG_FLAGS] |= ARCH_FLAGS_ENTRY_CLEAR;
		entry_flags = -1UL;
		raise_fully(how, &s);
		EXPECT_EQ(0, entry_flags & ARCH_FLAGS_ENTRY_CLEAR);
		EXPECT_EQ(s.in.r[ARCH_REG_FLAGS] & ARCH_FLAGS_FREE, s.out.r[ARCH_REG_FLAGS] & ARCH_FLAGS_FREE);
		free_shot(&s);
	}
}

CLAUSE(a_handler_computes_whatever_the_interrupted_code_was_at,
       "arch/x86/kernel/signal.c handle_signal \"Ensure the signal handler starts with the new fpu state\" and its"
       " like: a handler that uses floating point gets right results though every register, and the x87 stack, was"
       " in use [SIG-5]",
       .commit = "66463db4fc56 x86, fpu: shift drop_init_fpu() from save_xstate_sig() to handle_signal()",
       .needed_by = "jvm:javaSignalHandler glibc:sigaction")
{
	ASSERT_OK(handle_all(0));
	for (int how = 0; how < 3; how++) {
		struct shot s;

		load_shot(&s, how);
		product = 0;
		raise_fully(how, &s);
		EXPECT_TRUE(product == 2.25L);
		if (ARCH_HANDLER_FP_DEFAULT)
			EXPECT_EQ(ARCH_FP_CONTROL_DEFAULT, fp_control);
		EXPECT_VEC_AFTER_SYSCALL(s.was, s.is);
		free_shot(&s);
	}
}

static char *shared_stack;

// The frame stays in the file, but no page table has it any more.
static void drop_frame(int sig, siginfo_t *info, void *uc)
{
	times++;
	ARCH_TRAP_SKIP(uc);
	raw_syscall(__NR_madvise, shared_stack, ROOMY, MADV_DONTNEED);
	arch_vec_load(junk);
}

CLAUSE(a_frame_that_must_be_faulted_in_again_restores_every_register,
       "sigreturn(2) DESCRIPTION, arch/x86/kernel/fpu/signal.c restore_fpregs_from_user: where the signal stack's"
       " pages are gone from the page tables when the handler returns, the return faults them in, and no register"
       " is lost [SRT-3] [SRT-6]", .needed_by = "go:sigreturn__sigaction")
{
	int fd = raw_syscall(__NR_memfd_create, "stack", 0);

	ASSERT_OK(fd);
	ASSERT_EQ(0, ftruncate(fd, ROOMY));
	shared_stack = mmap(NULL, ROOMY, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, shared_stack);
	ASSERT_OK(use_stack(shared_stack, ROOMY, 0));
	arch_handler_then = drop_frame;
	ASSERT_OK(raw_sigaction(ARCH_TRAP_SIGNAL, arch_handler, SA_ONSTACK));
	junk = vec_block(99);
	for (int i = 0; i < ROUNDS; i++) {
		struct shot s;

		load_shot(&s, i);
		arch_trap_regs(&s.in, &s.out, s.is);
		EXPECT_EQ(i + 1, times);
		EXPECT_WHOLE(&s);
		free_shot(&s);
	}
}

static void take_one_argument(int sig, siginfo_t *no_info, void *no_context)
{
	times += sig == SIGUSR2;
	arch_vec_load(junk);
}

CLAUSE(a_handler_without_sa_siginfo_restores_every_register,
       "sigaction(2) sa_handler, sigreturn(2) NOTES: a handler of one argument has a frame too, another one on some"
       " architectures, and its return restores the same registers [SRT-3]", .needed_by = "musl:sigaction glibc:signal")
{
	struct kernel_sigaction action = { .handler = arch_handler };

#ifdef ARCH_SA_RESTORER
	// Elsewhere the kernel's own trampoline knows which of its frames this is.
	if (ARCH_NEEDS_RESTORER)
		action = (struct kernel_sigaction){ .handler = action.handler, .flags = ARCH_SA_RESTORER,
						    .restorer = arch_restorer };
#endif
	arch_handler_then = take_one_argument;
	ASSERT_OK(raw_rt_sigaction(SIGUSR2, &action, NULL));
	junk = vec_block(99);
	for (int i = 0; i < 4; i++) {
		struct shot s;

		load_shot(&s, i);
		regs_set_syscall(&s.in, __NR_tgkill, getpid(), raw_syscall(__NR_gettid), SIGUSR2);
		arch_syscall_regs(&s.in, &s.out, s.is);
		EXPECT_EQ(i + 1, times);
		EXPECT_EQ(0, arch_regs_result(&s.out));
		EXPECT_REGS(&s.in, &s.out, ARCH_SYSCALL_CLOBBERS);
		EXPECT_VEC_AFTER_SYSCALL(s.was, s.is);
		free_shot(&s);
	}
}

static unsigned long thread_tp, tp_after;

static int take_signal(void *arg)
{
	thread_tp = arch_tp();
	hit(SIGUSR1);
	tp_after = arch_tp();
	return 0;
}

CLAUSE(a_handler_has_the_thread_pointer_of_its_thread,
       "arch/x86/kernel/signal.c, every TLS ABI: the thread pointer is neither changed for a handler nor by its"
       " return, in a thread with a TLS of its own and in the first one [SRT-3] [incident 18]",
       .needed_by = "go:sigtramp glibc:pthread_self")
{
	static unsigned long tls[64];
	struct arch_tls storage;
	char *stack = painted_stack(ROOMY, MAP_PRIVATE);
	long tid;

	ASSERT_NE(NULL, stack);
	ASSERT_OK(handle(SIGUSR1, 0));
	take_signal(NULL);
	EXPECT_EQ(thread_tp, handler_tp);
	EXPECT_EQ(thread_tp, tp_after);
	ASSERT_OK(tid = raw_clone(THREAD_FLAGS | 0x80000 /* SETTLS */, stack + ROOMY, take_signal, NULL, NULL,
				  arch_tls_arg(&storage, tls), NULL));
	ASSERT_TRUE(wait_until(raw_syscall(__NR_tgkill, getpid(), tid, 0) == -ESRCH));
	ASSERT_EQ(2, times);
	EXPECT_EQ((unsigned long)tls, thread_tp);
	EXPECT_EQ((unsigned long)tls, handler_tp);
	EXPECT_EQ((unsigned long)tls, tp_after);
}
