// SPDX-License-Identifier: GPL-2.0-only
// Typed calls of the vDSO's functions beside the system calls they stand for; results are values or -errno.
#ifndef CALLS_H
#define CALLS_H

#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <time.h>

#include "clocks.h"
#include "sync.h"
#include "sys.h"
#include "vdso.h"

#define SECOND 1000000000LL
#define MS     1000000LL

#define USERS "go:nanotime glibc:clock_gettime musl:clock_gettime jvm:os_javaTimeNanos rust:Instant"

// The vDSO, or the end of the clause: a kernel may be built or booted without.
#define VDSO_OR_ABSENT(v)						\
	struct vdso v;							\
	if (!getauxval(AT_SYSINFO_EHDR))				\
		ABSENT("this kernel gives the program no vDSO");	\
	ASSERT_TRUE(vdso_read(&v, NULL)) TH_LOG("the vDSO is %s", v.fault)

// A function of it, by the port's name. suites/arch knows which of them may not be missing.
#define FUNCTION_OR_ABSENT(f, name)							\
	const void *f = function_named(name);						\
	if (!f)										\
		ABSENT("no vDSO, or none with %s here", (const char *)(name) ?: "such a function")

static inline const void *function_named(const char *name)
{
	struct vdso v;

	return vdso_read(&v, NULL) ? vdso_function(&v, name) : NULL;
}

typedef struct __kernel_timespec timespec64;

struct old_timespec { long sec, nsec; };
struct old_timeval { long sec, usec; };
struct time_zone { int minutes_west, dst; };

#define fast_gettime(f, clock, t)      ((int)arch_vdso_call(f, clock, (long)(t), 0, 0, 0))
#define fast_getres(f, clock, t)       ((int)arch_vdso_call(f, clock, (long)(t), 0, 0, 0))
#define fast_gettimeofday(f, tv, zone) ((int)arch_vdso_call(f, (long)(tv), (long)(zone), 0, 0, 0))
#define fast_time(f, t)                arch_vdso_call(f, (long)(t), 0, 0, 0, 0)
#define fast_getcpu(f, cpu, node, old) ((int)arch_vdso_call(f, (long)(cpu), (long)(node), (long)(old), 0, 0))
#define slow_gettime(clock, t)         ((int)raw_syscall(NR_CLOCK_GETTIME, clock, t))
#define slow_getres(clock, t)          ((int)raw_syscall(NR_CLOCK_GETRES, clock, t))

static inline long long ns_of(timespec64 t)
{
	return t.tv_sec * SECOND + t.tv_nsec;
}

// What a clock reads, by either way; -1 if it cannot be read or its nanoseconds are out of range.
static inline long long slow_ns(int clock)
{
	timespec64 t = { -1, -1 };

	if (slow_gettime(clock, &t) || t.tv_nsec < 0 || t.tv_nsec >= SECOND)
		return -1;
	return ns_of(t);
}

static inline long long fast_ns(const void *f, int clock)
{
	timespec64 t = { -1, -1 };

	if (fast_gettime(f, clock, &t) || t.tv_nsec < 0 || t.tv_nsec >= SECOND)
		return -1;
	return ns_of(t);
}

// One reading of the vDSO between two system calls; true if they come in this order.
struct sandwich {
	long long before, fast, after;
};

static inline bool is_in_order(const void *f, int clock, struct sandwich *s)
{
	s->before = slow_ns(clock);
	s->fast = fast_ns(f, clock);
	s->after = slow_ns(clock);
	return s->before >= 0 && s->before <= s->fast && s->fast <= s->after;
}

#define LOG_SANDWICH(clock, s) \
	TH_LOG("clock %d: system call %lld, vDSO %lld, system call %lld", clock, (s).before, (s).fast, (s).after)

#endif
