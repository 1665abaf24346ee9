// SPDX-License-Identifier: GPL-2.0-only
// The port's ways to make a task: stack, argument, thread pointer, and an end without a stack.
#include "clause.h"

#include <linux/sched.h>
#include <sys/mman.h>

#include "guard.h"
#include "sync.h"
#include "thread.h"

#define STACK   (64 * 1024)
#define FRAMES  4096	/* the frames of a clause and of the first function of a task are smaller */

// What a task of this program finds out about itself; shared with processes that do not share memory.
static struct seen {
	void *arg, *frame;
	unsigned long tp;
	int tid, done;
} *seen;

static char *new_stack(void)
{
	return mmap(NULL, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static void begin(void)
{
	seen = mmap(NULL, sizeof(*seen), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
}

static int look(void *arg)
{
	seen->arg = arg;
	seen->frame = __builtin_frame_address(0);
	seen->tp = arch_tp();
	__atomic_store_n(&seen->done, 1, __ATOMIC_RELEASE);
	return 7;
}

static int nap_and_look(void *arg)
{
	struct __kernel_timespec nap = { .tv_nsec = 10000000 };
	unsigned int word = 0;

	raw_syscall(NR_FUTEX, &word, 0, 0, &nap);	// time is the subject: long enough for a parent that runs on
	return look(arg);
}

static int unmap_and_exit(void *stack)
{
	__atomic_store_n(&seen->done, 1, __ATOMIC_RELEASE);
	raw_unmap_and_exit(stack, STACK, 0);
}

static bool is_done(void)
{
	return __atomic_load_n(&seen->done, __ATOMIC_ACQUIRE);
}

static bool ran_just_below(const void *top)
{
	return (uintptr_t)top - (uintptr_t)seen->frame < FRAMES;
}

static int exit_status(long pid)
{
	int status = -1;

	return waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

CLAUSE(a_child_runs_at_the_top_of_the_stack_it_is_given,
       "clone(2) DESCRIPTION: the stack argument is the topmost address of the child's stack, and the exit status what"
       " its function returns [CLN-2]", .needed_by = "go:newosproc glibc:__clone_internal musl:__clone")
{
	char *stack = new_stack();
	long pid;

	begin();
	ASSERT_OK(pid = raw_clone(CLONE_VM | SIGCHLD, stack + STACK, look, stack, NULL, NULL, NULL));
	EXPECT_EQ(7, exit_status(pid));
	EXPECT_EQ(stack, seen->arg);
	EXPECT_TRUE(ran_just_below(stack + STACK));
}

CLAUSE(a_child_without_a_stack_runs_on_a_copy_of_its_parents,
       "clone(2) C library/kernel differences: with a stack of NULL the child uses the parent's, or its copy-on-write"
       " duplicate", .needed_by = "go:clone glibc:_Fork")
{
	char mark = 1;
	long pid;

	begin();
	ASSERT_OK(pid = raw_clone(SIGCHLD, NULL, look, &mark, NULL, NULL, NULL));
	EXPECT_EQ(7, exit_status(pid));
	EXPECT_EQ(&mark, seen->arg);
	EXPECT_TRUE(ran_just_below(__builtin_frame_address(0)));
}

static long clone3_probe(void)
{
	return raw_syscall(__NR_clone3, NULL, 0);
}

CLAUSE(a_child_of_clone3_runs_at_the_end_of_the_stack_it_is_given,
       "clone3(2) Equivalence between clone() and clone3() arguments: stack is the lowest byte, stack_size the bytes"
       " from there to where the child begins", .probe = clone3_probe, .needed_by = "glibc:__clone_internal")
{
	char *stack = new_stack();
	struct clone_args args = {
		.flags = CLONE_VM, .exit_signal = SIGCHLD, .stack = (uintptr_t)stack, .stack_size = STACK,
	};
	long pid;

	begin();
	ASSERT_OK(pid = raw_clone3(&args, sizeof(args), look, stack));
	EXPECT_EQ(7, exit_status(pid));
	EXPECT_EQ(stack, seen->arg);
	EXPECT_TRUE(ran_just_below(stack + STACK));

	memset(seen, 0, sizeof(*seen));
	args = (struct clone_args){ .exit_signal = SIGCHLD };
	ASSERT_OK(pid = raw_clone3(&args, sizeof(args), look, stack));
	EXPECT_EQ(7, exit_status(pid));
	EXPECT_EQ(stack, seen->arg);
}

CLAUSE(a_caller_of_vfork_waits_until_its_child_has_exited,
       "clone(2) CLONE_VFORK: the execution of the calling process is suspended until the child releases its memory by"
       " exit or execve", .needed_by = "go:clone glibc:__spawnix musl:posix_spawn")
{
	char *stack = new_stack();
	long pid;

	begin();
	ASSERT_OK(pid = raw_clone(CLONE_VM | CLONE_VFORK | SIGCHLD, stack + STACK, nap_and_look, NULL, NULL, NULL, NULL));
	ASSERT_TRUE(is_done());
	EXPECT_EQ(7, exit_status(pid));

	memset(seen, 0, sizeof(*seen));
	ASSERT_OK(pid = raw_vfork(0, nap_and_look, stack));
	EXPECT_TRUE(is_done());
	EXPECT_EQ(stack, seen->arg);
	EXPECT_EQ(7, exit_status(pid));
}

static int write_byte(void *where)
{
	*(volatile char *)where = 9;
	return 0;
}

CLAUSE(a_child_of_vfork_writes_its_parents_memory,
       "vfork(2) Linux description: parent and child share all memory, the stack included",
       .needed_by = "go:clone glibc:__spawnix")
{
	volatile char byte = 1;
	long pid;

	ASSERT_OK(pid = raw_vfork(0, write_byte, (char *)&byte));
	EXPECT_EQ(9, byte);
	EXPECT_EQ(0, exit_status(pid));
}

CLAUSE(a_thread_without_settls_has_its_parents_thread_pointer,
       "arch/*/kernel/process.c copy_thread: without CLONE_SETTLS the thread pointer is the caller's [CLN-9] [CLN-14]",
       .needed_by = "go:newosproc")
{
	struct thread t;

	begin();
	ASSERT_OK(thread_start(&t, look, NULL));
	ASSERT_TRUE(thread_join(&t));
	EXPECT_EQ(arch_tp(), seen->tp);
}

CLAUSE(a_thread_has_the_thread_pointer_that_settls_gives_it,
       "clone(2) CLONE_SETTLS: the thread-local storage descriptor is set to tls, the caller's stays [CLN-9]",
       .needed_by = "go:newosproc glibc:create_thread musl:__pthread_create")
{
	unsigned long tls[2][64] = { { 0 } }, own = arch_tp();
	struct arch_tls storage[2];

	begin();
	for (int i = 0; i < 2; i++) {
		char *stack = new_stack();

		memset(seen, 0, sizeof(*seen));
		ASSERT_OK(raw_clone(THREAD_FLAGS | CLONE_SETTLS, stack + STACK, look, NULL, NULL,
				    arch_tls_arg(&storage[i], tls[i]), NULL));
		ASSERT_TRUE(wait_until(is_done()));
		EXPECT_EQ((unsigned long)tls[i], seen->tp);
		EXPECT_EQ(own, arch_tp());
	}
}

CLAUSE(a_thread_of_clone3_has_the_thread_pointer_that_settls_gives_it,
       "clone3(2) Equivalence between clone() and clone3() arguments: the field tls is the argument tls",
       .probe = clone3_probe, .needed_by = "glibc:create_thread")
{
	unsigned long tls[64] = { 0 }, own = arch_tp();
	struct arch_tls storage;
	struct clone_args args = {
		.flags = THREAD_FLAGS | CLONE_SETTLS, .stack = (uintptr_t)new_stack(), .stack_size = STACK,
		.tls = (uintptr_t)arch_tls_arg(&storage, tls),
	};

	begin();
	ASSERT_OK(raw_clone3(&args, sizeof(args), look, NULL));
	ASSERT_TRUE(wait_until(is_done()));
	EXPECT_EQ((unsigned long)tls, seen->tp);
	EXPECT_EQ(own, arch_tp());
}

CLAUSE(a_thread_may_unmap_its_own_stack_and_exit,
       "_exit(2) C library/kernel differences, munmap(2): exit(2) needs no stack; it ends the calling thread, with no"
       " signal and no other thread touched [EXI-1] [CLN-7] [MUS-3]"
       " [incident 58]", .needed_by = "go:newosproc musl:__unmapself")
{
	char *stack = new_stack();
	unsigned char resident;
	long tid;

	begin();
	IN_CHILD {
		ASSERT_OK(tid = raw_clone(THREAD_FLAGS, stack + STACK, unmap_and_exit, stack, NULL, NULL, NULL));
		ASSERT_TRUE(wait_until(is_done()));
		ASSERT_TRUE(wait_until(raw_syscall(__NR_tgkill, getpid(), tid, 0) == -ESRCH));
		EXPECT_ERR(ENOMEM, raw_syscall(__NR_mincore, stack, 1, &resident));
		EXPECT_ERR(ECHILD, raw_syscall(__NR_wait4, -1, NULL, WNOHANG | __WALL, NULL));
	}
}
