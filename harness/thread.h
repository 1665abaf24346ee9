// SPDX-License-Identifier: GPL-2.0-only
// Raw threads: clone(2) without libc, so that a clause owns everything the kernel knows of the thread.
// No libc function that needs TLS, locks or stdio may be called in one; plain memory functions may.
#ifndef THREAD_H
#define THREAD_H

#include <stdbool.h>
#include <stddef.h>

#define THREAD_FLAGS (0x100 | 0x200 | 0x400 | 0x800 | 0x10000 | 0x40000)	/* VM FS FILES SIGHAND THREAD SYSVSEM */
#define THREAD_STACK (64 * 1024)

struct thread {
	volatile int tid;	// CLONE_PARENT_SETTID; 0 once the kernel has cleared it (CLONE_CHILD_CLEARTID)
	int known_as;		// the tid, kept
	char *stack;		// THREAD_STACK bytes above a guard page; sized for the machine's signal frames
	size_t stack_size;
};

// Starts fn(arg) in a thread of this process; it ends when fn returns, with exit(2). Returns the tid or -errno.
long thread_start(struct thread *t, int (*fn)(void *), void *arg);

// As thread_start, with further CLONE_* flags.
long thread_start_with(struct thread *t, unsigned long flags, int (*fn)(void *), void *arg);

// Waits until the thread is gone and frees its stack; false after wait_until's deadline (the stack is then left).
bool thread_join(struct thread *t);

// True once the thread has ended.
bool thread_is_gone(const struct thread *t);

#endif
