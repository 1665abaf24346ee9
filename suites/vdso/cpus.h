// SPDX-License-Identifier: GPL-2.0-only
// The CPUs that the caller may run on, and binding a thread to one of them, by raw system calls.
#ifndef CPUS_H
#define CPUS_H

#include <stdbool.h>

#include "sys.h"

#define MOST_CPUS 8192
#define CPU_WORD_BITS (8 * (int)sizeof(long))

struct cpu_mask {
	unsigned long word[MOST_CPUS / (8 * sizeof(long))];
};

// The first CPUs of the caller's affinity mask, at most `most`; how many there are of them.
static inline int allowed_cpus(int *cpus, int most)
{
	struct cpu_mask mask = { { 0 } };
	int n = 0;

	if (is_error(raw_syscall(__NR_sched_getaffinity, 0, sizeof(mask), &mask)))
		return 0;
	for (int cpu = 0; cpu < MOST_CPUS && n < most; cpu++)
		if (mask.word[cpu / CPU_WORD_BITS] >> cpu % CPU_WORD_BITS & 1)
			cpus[n++] = cpu;
	return n;
}

// The calling thread runs there alone from now on.
static inline bool bind_to_cpu(int cpu)
{
	struct cpu_mask mask = { { 0 } };

	mask.word[cpu / CPU_WORD_BITS] = 1ul << cpu % CPU_WORD_BITS;
	return raw_syscall(__NR_sched_setaffinity, 0, sizeof(mask), &mask) == 0;
}

#endif
