// SPDX-License-Identifier: GPL-2.0-only
// What memory a signal stack may lie in, and what happens where a frame cannot be written.
#include "clause.h"

#include "altstack.h"
#include "guard.h"
#include "maps.h"
#include "sync.h"
#include "thread.h"

#define ROUNDS 32

static int times, segv_times, segv_code;
static unsigned long on;

static void note(int sig, siginfo_t *info, void *uc)
{
	times++;
	on = (unsigned long)uc;
}

static void note_segv(int sig, siginfo_t *info, void *uc)
{
	segv_times++;
	segv_code = info->si_code;
}

static char *pages(int protection, int flags, int fd)
{
	char *memory = mmap(NULL, ROOMY, protection, flags, fd, 0);

	return memory == MAP_FAILED ? NULL : memory;
}

static bool is_on(const char *stack)
{
	return on - (unsigned long)stack < ROOMY;
}

CLAUSE(a_signal_stack_need_not_be_resident,
       "sigaltstack(2) NOTES, arch/*/kernel/signal.c: the frame's page faults are taken like any others, for memory"
       " never touched, only read, or given back by madvise(2) [SAS-9] [incident 1]",
       .needed_by = "go:malg jvm:os.Linux rust:stack_overflow")
{
	char *stack = pages(PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1);
	volatile char sum = 0;

	ASSERT_NE(NULL, stack);
	ASSERT_OK(use_stack(stack, ROOMY, 0));
	ASSERT_OK(raw_sigaction(SIGUSR1, note, SA_ONSTACK));
	for (int i = 0; i < ROUNDS; i++) {
		ASSERT_OK(hit(SIGUSR1));
		ASSERT_EQ(i + 1, times);
		EXPECT_TRUE(is_on(stack));
		ASSERT_OK(raw_syscall(__NR_madvise, stack, ROOMY, MADV_DONTNEED));
		for (size_t at = 0; i % 2 && at < ROOMY; at += page_size())
			sum += stack[at];
	}
	EXPECT_EQ(0, sum);
}

CLAUSE(a_signal_stack_may_lie_in_a_file,
       "sigaltstack(2) DESCRIPTION: any memory that can be written will do, a shared mapping of a file whose pages are"
       " holes too [SAS-9]")
{
	int fd = raw_syscall(__NR_memfd_create, "stack", 0);
	char *stack;

	ASSERT_OK(fd);
	ASSERT_EQ(0, ftruncate(fd, ROOMY));
	ASSERT_NE(NULL, stack = pages(PROT_READ | PROT_WRITE, MAP_SHARED, fd));
	ASSERT_OK(use_stack(stack, ROOMY, 0));
	ASSERT_OK(raw_sigaction(SIGUSR1, note, SA_ONSTACK));
	ASSERT_OK(hit(SIGUSR1));
	ASSERT_EQ(1, times);
	EXPECT_TRUE(is_on(stack));
}

static char *readable(void)
{
	return pages(PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1);
}

static char *inaccessible(void)
{
	return pages(PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
}

static char *gone(void)
{
	char *memory = inaccessible();

	munmap(memory, ROOMY);
	return memory;
}

// 32-bit programs may have their own stack right below the last page.
static char *of_the_kernel(void)
{
	return (char *)-(sizeof(long) == 8 ? 2UL * ROOMY : page_size());
}

static char *(*const bad_memory[])(void) = { readable, inaccessible, gone, of_the_kernel };
#define BAD_MEMORY (int)(sizeof(bad_memory) / sizeof(*bad_memory))

// Takes SIGUSR1 on bad memory in a child, SIGSEGV treated so; what killed the child, 0 if it went on, -1 if it hangs.
static int fate(int which, signal_handler *on_segv, unsigned long flags, struct kernel_sigset mask)
{
	int status, pid = fork();

	if (!pid) {
		if (use_stack(bad_memory[which](), ROOMY, 0) || raw_sigaction(SIGUSR1, note, SA_ONSTACK) ||
		    raw_sigaction(SIGSEGV, on_segv, flags) || raw_sigprocmask(SIG_SETMASK, mask))
			_exit(2);
		hit(SIGUSR1);
		_exit(times || segv_times != 1 || segv_code != SI_KERNEL);
	}
	if (pid > 0 && wait_until(waitpid(pid, &status, WNOHANG) == pid))
		return WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status) ? -2 : 0;
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	return -1;
}

CLAUSE(a_signal_stack_that_cannot_be_written_ends_in_sigsegv,
       "kernel/signal.c signal_setup_done, sigaltstack(2): where the memory is read-only, inaccessible, unmapped or the"
       " kernel's, the handler is not run and the process ends by SIGSEGV [SAS-8]",
       .needed_by = "go:sigtramp rust:stack_overflow")
{
	for (int i = 0; i < BAD_MEMORY; i++)
		EXPECT_EQ(SIGSEGV, fate(i, SIGNAL_DEFAULT, 0, SIGSET_EMPTY));
}

CLAUSE(sigsegv_for_a_bad_signal_stack_cannot_be_blocked_or_ignored,
       "kernel/signal.c force_sig_info_to_task: a SIGSEGV that the kernel forces ends the process though it is blocked"
       " or ignored: no loop, no way on without a frame [SAS-8]", .needed_by = "go:sigtramp")
{
	for (int i = 0; i < BAD_MEMORY; i++) {
		EXPECT_EQ(SIGSEGV, fate(i, SIGNAL_IGNORE, 0, SIGSET_EMPTY));
		EXPECT_EQ(SIGSEGV, fate(i, note_segv, 0, SIGSET(SIGSEGV)));
	}
}

CLAUSE(a_handler_on_the_ordinary_stack_learns_of_a_bad_signal_stack,
       "kernel/signal.c force_sigsegv: the SIGSEGV for a frame that could not be written is delivered like another one,"
       " from the kernel (SI_KERNEL), to a handler that can be run", .needed_by = "jvm:os.Linux")
{
	for (int i = 0; i < BAD_MEMORY; i++)
		EXPECT_EQ(0, fate(i, note_segv, 0, SIGSET_EMPTY));
}

CLAUSE(a_handler_on_the_bad_signal_stack_does_not_loop,
       "kernel/signal.c force_sigsegv: where the handler of SIGSEGV is for the same bad stack, the process ends by"
       " SIGSEGV at once [SAS-8]", .needed_by = "rust:stack_overflow jvm:os.Linux")
{
	for (int i = 0; i < BAD_MEMORY; i++)
		EXPECT_EQ(SIGSEGV, fate(i, note_segv, SA_ONSTACK, SIGSET_EMPTY));
}

CLAUSE(a_bad_signal_stack_does_not_matter_without_sa_onstack,
       "sigaction(2) SA_ONSTACK: a handler that does not ask for the signal stack runs though that cannot be written")
{
	ASSERT_OK(raw_sigaction(SIGUSR1, note, 0));
	for (int i = 0; i < BAD_MEMORY; i++) {
		ASSERT_OK(use_stack(bad_memory[i](), ROOMY, 0));
		ASSERT_OK(hit(SIGUSR1));
		EXPECT_EQ(i + 1, times);
	}
}

CLAUSE(an_ordinary_stack_that_cannot_be_written_ends_in_sigsegv,
       "kernel/signal.c signal_setup_done: without a signal stack a frame that does not fit on the interrupted one ends"
       " the process by SIGSEGV, handler or not", .needed_by = "rust:stack_overflow")
{
	void *const nowhere[] = { (char *)forbidden_page() + 256, unmapped_page(), NULL };

	for (int i = 0; i < 3; i++) {
		int status, pid = fork();

		ASSERT_LE(0, pid);
		if (!pid) {
			if (raw_sigaction(ARCH_TRAP_SIGNAL, note, 0) || raw_sigaction(SIGSEGV, note_segv, 0))
				_exit(2);
			trap_at(nowhere[i]);
			_exit(3);
		}
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
		EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
	}
}

static void end_trap(int sig, siginfo_t *info, void *uc)
{
	note(sig, info, uc);
	detour_end(uc);
}

CLAUSE(a_frame_makes_the_ordinary_stack_grow,
       "mmap(2) MAP_GROWSDOWN, proc(5) [stack]: the first thread's stack grows for a frame as for the program's own"
       " stores, where the stack pointer is at its present end", .needs = "file=/proc/self/smaps",
       .needed_by = "go:sigtramp jvm:os.Linux")
{
	struct mapping m;
	int here;

	ASSERT_OK(raw_sigaction(ARCH_TRAP_SIGNAL, end_trap, 0));
	for (int i = 0; i < 3; i++) {
		ASSERT_TRUE(find_mapping(0, &here, &m));
		ASSERT_OK(trap_at((char *)m.start + 64 * i));
		ASSERT_EQ(i + 1, times);
		EXPECT_GT(m.start, on);
	}
}

static struct thread deep;
static char *deep_signal_stack;

// The stack is at its end when the handler runs: what is left is to say whether all is as it should be.
static void has_overflowed(int sig, siginfo_t *info, void *uc)
{
	unsigned long past_guard = (unsigned long)info->si_addr - (unsigned long)deep.stack;

	on = (unsigned long)uc;
	raw_syscall(__NR_exit_group, !(sig == SIGSEGV && is_on(deep_signal_stack) && past_guard < page_size() &&
				       stack_now().ss_flags == SS_ONSTACK));
}

static int fall(volatile int *depth)
{
	volatile char frame[256];

	frame[0] = ++*depth;
	return *depth ? fall(depth) + frame[0] : 0;
}

static int overflow(void *depth)
{
	if (use_stack(deep_signal_stack, ROOMY, 0))
		return 1;
	return fall(depth);
}

CLAUSE(a_stack_overflow_is_handled_on_the_signal_stack,
       "sigaltstack(2) NOTES: \"to handle the SIGSEGV signal that is generated if the space available for the standard"
       " stack is exhausted\", with the address of the page that was hit [NET-4]",
       .needed_by = "rust:stack_overflow jvm:os.Linux v8:StackGuard go:sigpanic")
{
	int status, pid = fork();

	ASSERT_LE(0, pid);
	if (!pid) {
		int depth = 0;

		page_size();
		deep_signal_stack = painted_stack(ROOMY, MAP_PRIVATE);
		if (raw_sigaction(SIGSEGV, has_overflowed, SA_ONSTACK) || thread_start(&deep, overflow, &depth) < 0)
			_exit(2);
		for (;;)
			pause();
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
}

static void note_trap(int sig, siginfo_t *info, void *uc)
{
	note(sig, info, uc);
	ARCH_TRAP_SKIP(uc);
}

// What a trap left of these rights, in a thread that has a signal stack or not. In a raw thread, as the C library has
// the kernel write to each of its own (rseq) whenever it goes on.
struct under_rights {
	char *stack;
	unsigned int rights, after;
};

static int traps_under_rights(void *arg)
{
	struct under_rights *u = arg;

	if (u->stack && use_stack(u->stack, ROOMY, 0))
		return 1;
	u->after = arch_trap_under_rights(u->rights);
	return 0;
}

static bool trap_under_rights(struct under_rights *u)
{
	struct thread t;

	return !raw_sigaction(ARCH_TRAP_SIGNAL, note_trap, SA_ONSTACK) &&
	       !is_error(thread_start(&t, traps_under_rights, u)) && thread_join(&t);
}

// Where every key is closed, that of all memory too, nothing but the kernel can write the frame. Of 32 bits its return
// reads uc_stack when the rights are closed again (arch/x86/kernel/signal_32.c, 7.2), so that it dies.
CLAUSE(a_frame_is_written_although_its_protection_key_is_closed,
       "pkeys(7) Signal Handler Behavior, arch/x86/kernel/signal.c sig_prepare_pkru (7.2): the interrupted code's "
       "rights do not keep the kernel from the signal stack, nor from an ordinary one, and it has them again after "
       "the return",
       .since = KERNEL(6, 12), .needs = "cpu=pku 64bit",
       .commit = "70044df250d0 x86/pkeys: Update PKRU to enable all pkeys before XSAVE",
       .needed_by = "v8:ThreadIsolation")
{
	for (int on_stack = 0; on_stack < 2; on_stack++) {
		struct under_rights u = { .rights = ARCH_NO_RIGHTS };

		times = 0;
		if (on_stack)
			u.stack = painted_stack(ROOMY, MAP_PRIVATE);
		ASSERT_TRUE(trap_under_rights(&u));
		EXPECT_EQ(1, times);
		EXPECT_EQ(ARCH_NO_RIGHTS, u.after);
	}
}

CLAUSE(rights_of_the_interrupted_code_are_back_after_a_handler,
       "pkeys(7) Signal Handler Behavior: after the return from a handler the rights are those of the interrupted "
       "code",
       .needs = "cpu=pku", .needed_by = "v8:ThreadIsolation")
{
	for (unsigned int key = 1; key < 16; key++) {
		struct under_rights u = { .rights = ARCH_NO_RIGHTS & ~(3U | 3U << 2 * key) };

		ASSERT_TRUE(trap_under_rights(&u));
		EXPECT_EQ(u.rights, u.after);
	}
	EXPECT_EQ(15, times);
}
