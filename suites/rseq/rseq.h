// SPDX-License-Identifier: GPL-2.0-only
// rseq(2) by raw system calls: the area and its descriptor as the kernel has them, free of what libc has registered.
#ifndef RSEQ_H
#define RSEQ_H

#include <stddef.h>
#include <sys/auxv.h>

#include "guard.h"
#include "sync.h"
#include "sys.h"
#include "uapi.h"

#define RSEQ_USERS "tcmalloc:percpu glibc:sched_getcpu"

#define RSEQ_UNREGISTER 1
#define RSEQ_UNINITIALIZED 0xffffffffU
#define RSEQ_OLD_SIZE 32		// what every kernel since 4.18 takes
#define RSEQ_AREA 128			// room for what later ones may take

struct rseq {
	uint32_t cpu_id_start, cpu_id;
	uint64_t rseq_cs;
	uint32_t flags;
	uint32_t node_id, mm_cid;	// Linux 6.3
	uint32_t slice_ctrl;		// Linux 7.0
	uint8_t later[RSEQ_AREA - 32];
} __attribute__((aligned(RSEQ_AREA)));

struct rseq_cs {
	uint32_t version, flags;
	uint64_t start_ip, post_commit_offset, abort_ip;
} __attribute__((aligned(32)));

#define raw_rseq(area, length, flags, signature) raw_syscall(__NR_rseq, area, length, flags, signature)
#define rseq_register(area)   raw_rseq(area, RSEQ_OLD_SIZE, 0, ARCH_RSEQ_SIG)
#define rseq_unregister(area) raw_rseq(area, RSEQ_OLD_SIZE, RSEQ_UNREGISTER, ARCH_RSEQ_SIG)

// The port's critical section.
static inline struct rseq_cs rseq_section(void)
{
	return (struct rseq_cs){
		.start_ip = (unsigned long)arch_rseq_start, .abort_ip = (unsigned long)arch_rseq_abort,
		.post_commit_offset = arch_rseq_end - arch_rseq_start,
	};
}

static inline bool rseq_is_inside(unsigned long pc)
{
	return pc - (unsigned long)arch_rseq_start < (unsigned long)(arch_rseq_end - arch_rseq_start);
}

#define NEEDS_A_SECTION do { if (!ARCH_HAS_RSEQ) SKIP(return, "this port has no critical section"); } while (0)

extern const ptrdiff_t __rseq_offset __attribute__((weak));

// Takes the area of the first thread, which some libcs register, from the kernel. What is left is a thread as
// clone(2) makes it; false if the kernel still has an area of it.
static inline bool rseq_is_free(void)
{
	static struct rseq scratch = { .cpu_id = RSEQ_UNINITIALIZED };
	unsigned int later = (getauxval(AT_RSEQ_FEATURE_SIZE) + 31) & -32;

	if (&__rseq_offset) {
		struct rseq *area = (struct rseq *)(arch_tp() + __rseq_offset);

		if (rseq_unregister(area) && later > RSEQ_OLD_SIZE)
			raw_rseq(area, later, RSEQ_UNREGISTER, ARCH_RSEQ_SIG);
	}
	return rseq_unregister(&scratch) == -EINVAL && !rseq_register(&scratch) && !rseq_unregister(&scratch);
}

// An area that has not been registered; lives on the heap of nobody, until the clause's end.
static inline struct rseq *rseq_area(void)
{
	struct rseq *area = guarded(RSEQ_AREA);

	memset(area, 0, RSEQ_AREA);
	area->cpu_id = RSEQ_UNINITIALIZED;
	return area;
}

#define AREA_OF_A_FREE_THREAD(area)				\
	volatile struct rseq *area = rseq_area();		\
	ASSERT_TRUE(rseq_is_free())

// Runs the calling thread, or thread tid, on one CPU. Returns 0 or -errno.
static inline long rseq_pin(int tid, int cpu)
{
	unsigned long mask[1024 / (8 * sizeof(long))] = { 0 };

	mask[cpu / (8 * sizeof(long))] = 1UL << (cpu % (8 * sizeof(long)));
	return raw_syscall(__NR_sched_setaffinity, tid, sizeof(mask), mask);
}

// The n-th CPU that the process may run on, or -1.
static inline int rseq_cpu(int n)
{
	static unsigned long mask[1024 / (8 * sizeof(long))];
	static long length;

	if (!length)
		length = raw_syscall(__NR_sched_getaffinity, 0, sizeof(mask), mask);
	for (long cpu = 0; cpu < length * 8; cpu++)
		if (mask[cpu / (8 * sizeof(long))] >> (cpu % (8 * sizeof(long))) & 1 && n-- == 0)
			return cpu;
	return -1;
}

// A harmless call: the kernel has rseq(2) unless it says ENOSYS.
static inline long rseq_probe(void)
{
	return raw_rseq(0, 0, ~0, 0);
}

#define RSEQ .config = "RSEQ", .probe = rseq_probe, .needed_by = RSEQ_USERS

#endif
