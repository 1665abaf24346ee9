// SPDX-License-Identifier: GPL-2.0-only
// Waiting for events without sleeping for time: the condition is polled, and only its absence takes long.
#ifndef SYNC_H
#define SYNC_H

#include <stdbool.h>

// Polls until the condition holds, and reads what comes after it only then. False if it still does not after a generous
// deadline, which is scaled by slowness() and counts only while this process gets to run (a paused machine is not a
// broken promise).
#define wait_until(condition)						\
({									\
	struct wait_until_state wait_ = { 0 };				\
	bool held_;							\
	while (!(held_ = (condition)) && wait_a_little(&wait_))		\
		;							\
	__atomic_thread_fence(__ATOMIC_ACQUIRE);			\
	held_;								\
})

struct wait_until_state {
	long long started_ns;
	int polls;
};

// One step of wait_until: yields at first, then naps for up to a millisecond. False when the deadline has passed.
bool wait_a_little(struct wait_until_state *state);

// CLOCK_MONOTONIC in nanoseconds by system call; never by the vDSO, which may be under test.
long long monotonic_ns(void);

// True while thread tid of this process (or process tid, for a child) is blocked inside system call nr:
// asleep in /proc/<tid>/stat and in that call in /proc/<tid>/syscall, where that file exists. NO_CALL: in a page fault.
#define NO_CALL -1L
bool is_blocked_in(int tid, long nr);

// True while it sleeps, and can be interrupted, in one of two system calls; the other is mostly restart_syscall(2).
bool is_asleep_in_either(int tid, long nr, long other);

// Waits until it is; false after wait_until's deadline.
bool wait_until_blocked_in(int tid, long nr);

// State letter of a task (R S D T Z X ...; T whether a signal or a tracer stopped it), or 0 if there is no such task.
char task_state(int tid);

// Reads a small file into text[size], always terminated; returns the length or -errno. No stdio: safe in raw threads.
long read_text(const char *path, char *text, unsigned long size);

#endif
