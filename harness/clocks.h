// SPDX-License-Identifier: GPL-2.0-only
// Clocks of the kernel: how those of CPU time are named, and what may be said of one that can be set.
#ifndef CLOCKS_H
#define CLOCKS_H

#include <stdbool.h>

// CPU clocks of a process or thread by its id (0: the caller's): user and system time, user time alone, and scheduled time.
#define CPU_PROF 0
#define CPU_VIRT 1
#define CPU_SCHED 2
#define process_cpu_clock(pid, kind) ((int)(~(unsigned int)(pid) << 3 | (kind)))
#define thread_cpu_clock(tid, kind)  ((int)(~(unsigned int)(tid) << 3 | 4 | (kind)))

// A clock that may be set: somebody else may step it at any time, but not again and again. True if one of some attempts
// holds.
#define holds_unless_set(condition)					\
({									\
	bool held_ = false;						\
	for (int attempt_ = 0; attempt_ < 5 && !held_; attempt_++)	\
		held_ = (condition);					\
	held_;								\
})

#endif
