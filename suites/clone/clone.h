// SPDX-License-Identifier: GPL-2.0-only
// What the programs of this suite share: stacks, memory shared with children, and their ends by raw wait4(2).
#ifndef CLONE_H
#define CLONE_H

#include "clause.h"

#include <linux/sched.h>
#include <sys/mman.h>

#include "sync.h"
#include "thread.h"

#ifndef CLONE_CLEAR_SIGHAND
#define CLONE_CLEAR_SIGHAND 0x100000000ULL
#endif
#ifndef CLONE_INTO_CGROUP
#define CLONE_INTO_CGROUP 0x200000000ULL
#endif
#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x00000080
#endif

// What a task can be to its maker.
static const struct task_kind {
	const char *name;
	unsigned long flags;
} task_kinds[] = {
	{ "a copy", SIGCHLD },
	{ "a child with the same memory", CLONE_VM | SIGCHLD },
	{ "a child of vfork", CLONE_VM | CLONE_VFORK | SIGCHLD },
	{ "a thread", THREAD_FLAGS },
};
enum { COPY, VM, VFORK, THREAD, KINDS };

#define STACK (64 * 1024)

// The top of a fresh stack; it lives until the clause ends.
static inline char *stack_top(void)
{
	char *stack = mmap(NULL, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return stack == MAP_FAILED ? NULL : stack + STACK;
}

// Zeroed bytes that children see, whether they share memory or not.
static inline void *shared_memory(size_t size)
{
	return mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
}

// A child that shares nothing but what flags say runs fn(arg) on a stack of its own. Its pid or -errno.
static inline long child_of(unsigned long flags, int (*fn)(void *), void *arg)
{
	return raw_clone(flags, stack_top(), fn, arg, NULL, NULL, NULL);
}

// The wait status of a child of any kind, or -errno.
static inline long end_of(long pid)
{
	int status = -1;
	long result;

	do
		result = raw_syscall(__NR_wait4, pid, &status, __WALL, NULL);
	while (result == -EINTR);
	return result == pid ? status : result;
}

#define EXITED(code) ((code) << 8)

// True once no signal can reach this thread of the process any more. Its clear_child_tid word was dealt with before.
static inline bool is_gone(long tid)
{
	return raw_syscall(__NR_tgkill, getpid(), tid, 0) == -ESRCH;
}

// No child of any kind, alive or dead.
static inline bool has_no_child(void)
{
	return raw_syscall(__NR_wait4, -1, NULL, WNOHANG | __WALL, NULL) == -ECHILD;
}

static inline int returns_zero(void *unused)
{
	return 0;
}

static inline int waits_for_ever(void *unused)
{
	for (;;)
		raw_syscall(NR_PPOLL, NULL, 0, NULL, NULL, 0);
	return 0;
}

// Ends with exit_group(2): what arg points at.
static inline int exits_all(void *status)
{
	raw_syscall(__NR_exit_group, *(int *)status);
	return 0;
}

static inline void kill_and_reap(long pid)
{
	raw_syscall(__NR_kill, pid, SIGKILL);
	end_of(pid);
}

static inline long clone3_probe(void)
{
	return raw_syscall(__NR_clone3, NULL, 0);
}

#endif
