// SPDX-License-Identifier: GPL-2.0-only
// A thread or a process that waits once on a futex, and keeps what the wait returned.
#ifndef WAITER_H
#define WAITER_H

#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "futex.h"
#include "sync.h"
#include "thread.h"

struct waiter {
	uint32_t *word;
	int op;			// FUTEX_WAIT or FUTEX_WAIT_BITSET, with flags
	uint32_t value;
	uint32_t bitset;
	const struct __kernel_timespec *timeout;
	struct thread thread;
	int tid;		// of the thread, or of the process
	volatile long result;	// of the wait, once it has returned
	volatile int returned;
};

static inline struct waiter waiter_on(uint32_t *word, int op)
{
	return (struct waiter){ .word = word, .op = op, .value = *word, .bitset = FUTEX_BITSET_MATCH_ANY };
}

static inline int waiter_main(void *arg)
{
	struct waiter *w = arg;

	w->result = futex_call(w->word, w->op, w->value, w->timeout, NULL, w->bitset);
	__atomic_store_n(&w->returned, 1, __ATOMIC_RELEASE);
	return 0;
}

// Asleep in futex(2), or in restart_syscall(2) on its behalf. A waiter that a wake, a timeout or a signal has ended is
// runnable from that moment on, whether it has got to run or not: then this is false.
static inline bool is_asleep(int tid)
{
	return is_asleep_in_either(tid, NR_FUTEX, __NR_restart_syscall);
}

static inline bool waiter_start(struct waiter *w)
{
	long tid = thread_start(&w->thread, waiter_main, w);

	w->tid = tid;
	return !is_error(tid);
}

// Starts a thread that waits; true once it is asleep.
static inline bool waiter_sleeps(struct waiter *w)
{
	return waiter_start(w) && wait_until(is_asleep(w->tid) || w->returned) && !w->returned;
}

static inline bool sleeps_on(struct waiter *w, uint32_t *word, int op)
{
	*w = waiter_on(word, op);
	return waiter_sleeps(w);
}

// As waiter_sleeps, in a process of its own; the waiter must be in shared memory.
static inline bool waiter_sleeps_in_child(struct waiter *w)
{
	pid_t pid = fork();

	if (pid == 0) {
		waiter_main(w);
		_exit(0);
	}
	w->tid = pid;
	return pid > 0 && wait_until(is_asleep(w->tid) || w->returned) && !w->returned;
}

// What the wait returned; -EINPROGRESS if the waiter is still asleep after wait_until's deadline.
static inline long waiter_result(struct waiter *w)
{
	if (!wait_until(__atomic_load_n(&w->returned, __ATOMIC_ACQUIRE)))
		return -EINPROGRESS;
	if (w->thread.known_as)
		thread_join(&w->thread);
	else
		waitpid(w->tid, NULL, 0);
	return w->result;
}

// How many of the waiters have returned, or never got to sleep.
static inline int count_returned(const struct waiter *w, int n)
{
	int returned = 0;

	while (n--)
		returned += w[n].returned;
	return returned;
}

// Starts n threads that wait on word, one after the other; true once all are asleep, in the order of the array.
static inline bool all_sleep_on(struct waiter *w, int n, uint32_t *word, int op)
{
	for (int i = 0; i < n; i++)
		if (!sleeps_on(&w[i], word, op))
			return false;
	return true;
}

// True once all n have returned, each with the given result.
static inline bool all_returned(struct waiter *w, int n, long result)
{
	for (int i = 0; i < n; i++)
		if (waiter_result(&w[i]) != result)
			return false;
	return true;
}

// Zeroed memory that stays shared across fork().
static inline void *shared_memory(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		abort();
	return p;
}

// As shared_memory, of this process alone.
static inline void *private_memory(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		abort();
	return p;
}

#endif
