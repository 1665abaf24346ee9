// SPDX-License-Identifier: GPL-2.0-only
// time_namespaces(7): what a shifted clock shows, by system call, vDSO, /proc, sleeps and timers; and what is not shifted.
#include "clause.h"

#include <linux/sched.h>
#include <sys/mman.h>
#include <sys/sysinfo.h>
#include <sys/timerfd.h>

#include "timens.h"
#include "vdso.h"

#define USERS "criu:time_ns runc:timeOffsets"
#define NSEC  345678901L

// What each clock shows in a child of the caller; -1 where it could not be read.
struct readings {
	long long slow[12], fast[12];
};

static const int shown[] = {
	CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_MONOTONIC_RAW, CLOCK_REALTIME_COARSE, CLOCK_MONOTONIC_COARSE, CLOCK_BOOTTIME, CLOCK_TAI,
};

static long long fast_ns(const void *f, int clock)
{
	timespec64 t = { -1, -1 };

	return (int)arch_vdso_call(f, clock, (long)&t, 0, 0, 0) || t.tv_nsec < 0 || t.tv_nsec >= SECOND ? -1 : ns_of(t);
}

static struct readings *readings_of_child(void)
{
	struct readings *r = mmap(NULL, sizeof(*r), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct vdso v;
	const void *f = vdso_read(&v, NULL) ? vdso_function(&v, VDSO_CLOCK_GETTIME) : NULL;
	int status;
	pid_t child = r == MAP_FAILED ? -1 : fork();

	if (child == 0) {
		for (unsigned int i = 0; i < ARRAY_SIZE(shown); i++) {
			r->slow[shown[i]] = clock_ns(shown[i]);
			r->fast[shown[i]] = f ? fast_ns(f, shown[i]) : r->slow[shown[i]];
		}
		_exit(0);
	}
	return child > 0 && waitpid(child, &status, 0) == child && status == 0 ? r : NULL;
}

struct shift {
	long long monotonic, boottime;
};

// Ahead by days, and behind by less than the machine has been up.
static struct shift shift_number(int i)
{
	long long up = clock_ns(CLOCK_MONOTONIC) / SECOND;

	return i == 0 ? (struct shift){ 3 * DAY, 5 * DAY } : (struct shift){ -(up / 2) - 1, -(up / 3) - 1 };
}

// The clock of the child less the shift lies between two readings here.
#define EXPECT_SHIFTED(before, child, after, seconds, nsec) do {		\
	EXPECT_GE((child) - (seconds) * SECOND - (nsec), before);		\
	EXPECT_LE((child) - (seconds) * SECOND - (nsec), after);		\
} while (0)

CLAUSE(monotonic_clocks_are_shifted_for_children,
       "time_namespaces(7): CLOCK_MONOTONIC with its coarse and raw kin, and CLOCK_BOOTTIME, are those of the "
       "namespace: the system's"
       " and the offset", TIMENS, .needed_by = USERS)
{
	static const int kin[] = { CLOCK_MONOTONIC, CLOCK_MONOTONIC_RAW, CLOCK_MONOTONIC_COARSE };

	for (int i = 0; i < 2; i++) {
		struct shift s = shift_number(i);
		long long before[12], boot;
		struct readings *r;

		SHIFT_OR_SKIP(s.monotonic, s.boottime, NSEC);
		for (int k = 0; k < 3; k++)
			before[kin[k]] = clock_ns(kin[k]);
		boot = clock_ns(CLOCK_BOOTTIME);
		r = readings_of_child();
		ASSERT_NE(NULL, r);
		for (int k = 0; k < 3; k++) {
			EXPECT_SHIFTED(before[kin[k]], r->slow[kin[k]], clock_ns(kin[k]), s.monotonic, NSEC);
		}
		EXPECT_SHIFTED(boot, r->slow[CLOCK_BOOTTIME], clock_ns(CLOCK_BOOTTIME), s.boottime, NSEC);
	}
}

CLAUSE(the_vdso_shows_the_shifted_clocks,
       "time_namespaces(7), lib/vdso/gettimeofday.c do_hres_timens (5.10): the vDSO of a process in a time namespace "
       "reads the same"
       " shifted clocks as the system calls [VDS-14]", TIMENS, .needed_by = USERS)
{
	static const int kin[] = { CLOCK_MONOTONIC, CLOCK_MONOTONIC_RAW, CLOCK_MONOTONIC_COARSE };

	for (int i = 0; i < 2; i++) {
		struct shift s = shift_number(i);
		long long before[12], boot;
		struct readings *r;

		SHIFT_OR_SKIP(s.monotonic, s.boottime, NSEC);
		for (int k = 0; k < 3; k++)
			before[kin[k]] = clock_ns(kin[k]);
		boot = clock_ns(CLOCK_BOOTTIME);
		r = readings_of_child();
		ASSERT_NE(NULL, r);
		for (int k = 0; k < 3; k++) {
			EXPECT_SHIFTED(before[kin[k]], r->fast[kin[k]], clock_ns(kin[k]), s.monotonic, NSEC);
			EXPECT_GE(r->fast[kin[k]], r->slow[kin[k]]) TH_LOG("clock %d", kin[k]);
		}
		EXPECT_SHIFTED(boot, r->fast[CLOCK_BOOTTIME], clock_ns(CLOCK_BOOTTIME), s.boottime, NSEC);
	}
}

CLAUSE(realtime_knows_no_namespace,
       "time_namespaces(7): CLOCK_REALTIME is not virtualized, and so CLOCK_TAI and the coarse one are not, by system "
       "call or vDSO",
       TIMENS, .needed_by = USERS)
{
	static const int common[] = { CLOCK_REALTIME, CLOCK_REALTIME_COARSE, CLOCK_TAI };

	SHIFT_OR_SKIP(2 * DAY, 2 * DAY, NSEC);
	for (unsigned int i = 0; i < ARRAY_SIZE(common); i++) {
		EXPECT_TRUE(holds_unless_set(({
			long long before = clock_ns(common[i]);
			struct readings *r = readings_of_child();
			long long after = clock_ns(common[i]);

			r && before <= r->slow[common[i]] && r->slow[common[i]] <= after && before <= r->fast[common[i]] &&
				r->fast[common[i]] <= after;
		}))) TH_LOG("clock %d", common[i]);
	}
}

CLAUSE(who_unshares_stays_where_it_is,
       "unshare(2) CLONE_NEWTIME, time_namespaces(7): the caller goes on in its namespace: the new one is for its "
       "children",
       TIMENS, .needed_by = USERS)
{
	long long before = clock_ns(CLOCK_MONOTONIC), boot = clock_ns(CLOCK_BOOTTIME);
	char mine[64] = "", next[64] = "";

	SHIFT_OR_SKIP(7 * DAY, 7 * DAY, 0);
	EXPECT_GE(clock_ns(CLOCK_MONOTONIC), before);
	EXPECT_LT(clock_ns(CLOCK_MONOTONIC), before + 6 * DAY * SECOND);
	EXPECT_LT(clock_ns(CLOCK_BOOTTIME), boot + 6 * DAY * SECOND);
	ASSERT_LT(0, readlink("/proc/self/ns/time", mine, sizeof(mine) - 1));
	ASSERT_LT(0, readlink("/proc/self/ns/time_for_children", next, sizeof(next) - 1));
	EXPECT_STRNE(mine, next);
	IN_CHILD {
		char here[64] = "", after[64] = "";

		ASSERT_LT(0, readlink("/proc/self/ns/time", here, sizeof(here) - 1));
		ASSERT_LT(0, readlink("/proc/self/ns/time_for_children", after, sizeof(after) - 1));
		EXPECT_STREQ(next, here);
		EXPECT_STREQ(next, after);
		EXPECT_GE(clock_ns(CLOCK_MONOTONIC), before + 7 * DAY * SECOND);
		IN_CHILD {
			EXPECT_GE(clock_ns(CLOCK_MONOTONIC), before + 7 * DAY * SECOND);
		}
	}
}

CLAUSE(uptime_is_the_time_since_boot_of_the_namespace,
       "time_namespaces(7), proc(5) /proc/uptime, sysinfo(2) uptime: shifted as CLOCK_BOOTTIME "
       "is", TIMENS, .needed_by = USERS)
{
	SHIFT_OR_SKIP(0, 11 * DAY, 0);
	IN_CHILD {
		long long before = clock_ns(CLOCK_BOOTTIME) / SECOND, file;
		struct sysinfo info;
		char text[64];

		EXPECT_GE(before, 11 * DAY);
		ASSERT_LT(0, read_text("/proc/uptime", text, sizeof(text)));
		file = atoll(text);
		EXPECT_GE(file, before);
		ASSERT_EQ(0, sysinfo(&info));
		EXPECT_GE(info.uptime, before);
		EXPECT_LE(file, clock_ns(CLOCK_BOOTTIME) / SECOND);
		EXPECT_LE(info.uptime, clock_ns(CLOCK_BOOTTIME) / SECOND + 1);	// rounded up
	}
}

// A deadline that is not shifted back is days away, or days ago.
CLAUSE(absolute_sleeps_are_until_the_namespace_s_time,
       "time_namespaces(7), clock_nanosleep(2) TIMER_ABSTIME: an absolute time is one of the caller's clocks: not "
       "before, and not days"
       " later", TIMENS, .needed_by = USERS)
{
	static const int clocks[] = { CLOCK_MONOTONIC, CLOCK_BOOTTIME };

	for (int i = 0; i < 2; i++) {
		struct shift s = shift_number(i);

		SHIFT_OR_SKIP(s.monotonic, s.boottime, 0);
		IN_CHILD {
			for (int c = 0; c < 2; c++) {
				long long until = clock_ns(clocks[c]) + 4 * MS;
				timespec64 t = timespec_of(until);

				EXPECT_RET(0, raw_syscall(NR_CLOCK_NANOSLEEP, clocks[c], TIMER_ABSTIME, &t, NULL));
				EXPECT_GE(clock_ns(clocks[c]), until) TH_LOG("clock %d", clocks[c]);
			}
		}
	}
}

CLAUSE(absolute_timers_expire_at_the_namespace_s_time,
       "time_namespaces(7), timer_settime(2), timerfd_settime(2): an absolute expiration is one of the caller's clock, "
       "and what is left"
       " is told by it", TIMENS, .needed_by = USERS)
{
	static const int clocks[] = { CLOCK_MONOTONIC, CLOCK_BOOTTIME };

	for (int i = 0; i < 2; i++) {
		struct shift s = shift_number(i);

		SHIFT_OR_SKIP(s.monotonic, s.boottime, 0);
		IN_CHILD {
			for (int c = 0; c < 2; c++) {
				struct { timespec64 interval, value; } far = { { 0, 0 }, timespec_of(clock_ns(clocks[c]) + 3600 * SECOND) };
				struct { timespec64 interval, value; } near = { { 0, 0 }, { 0, 0 } }, left;
				struct sigevent none;
				long long until, expirations = 0;
				int id, fd = raw_syscall(__NR_timerfd_create, clocks[c], TFD_CLOEXEC);

				memset(&none, 0, sizeof(none));
				none.sigev_notify = SIGEV_NONE;
				ASSERT_OK(fd);
				ASSERT_RET(0, raw_syscall(__NR_timer_create, clocks[c], &none, &id));
				ASSERT_RET(0, raw_syscall(NR_TIMER_SETTIME, id, TIMER_ABSTIME, &far, NULL));
				EXPECT_RET(0, raw_syscall(NR_TIMER_GETTIME, id, &left));
				EXPECT_GT(left.value.tv_sec, 1800) TH_LOG("clock %d", clocks[c]);
				EXPECT_LE(ns_of(left.value), 3600 * SECOND) TH_LOG("clock %d", clocks[c]);
				until = clock_ns(clocks[c]) + 4 * MS;
				near.value = timespec_of(until);
				ASSERT_RET(0, raw_syscall(NR_TIMERFD_SETTIME, fd, TFD_TIMER_ABSTIME, &near, NULL));
				EXPECT_RET(8, raw_syscall(__NR_read, fd, &expirations, sizeof(expirations)));
				EXPECT_EQ(1, expirations);
				EXPECT_GE(clock_ns(clocks[c]), until) TH_LOG("clock %d", clocks[c]);
				close(fd);
			}
		}
	}
}

CLAUSE(resolutions_and_cpu_clocks_know_no_namespace,
       "time_namespaces(7): clock_getres(2) and the clocks of CPU time are the same in each time "
       "namespace", TIMENS, .needed_by = USERS)
{
	timespec64 here[12], there[12];

	for (int clock = 0; clock < 12; clock++)
		if (get_resolution(clock, &here[clock]))
			here[clock] = (timespec64){ -1, -1 };
	SHIFT_OR_SKIP(9 * DAY, 9 * DAY, 0);
	IN_CHILD {
		for (int clock = 0; clock < 12; clock++) {
			if (get_resolution(clock, &there[clock]))
				there[clock] = (timespec64){ -1, -1 };
			EXPECT_EQ(0, memcmp(&here[clock], &there[clock], sizeof(here[0]))) TH_LOG("clock %d", clock);
		}
		EXPECT_LT(clock_ns(CLOCK_PROCESS_CPUTIME_ID), DAY * SECOND);
		EXPECT_LT(clock_ns(CLOCK_THREAD_CPUTIME_ID), DAY * SECOND);
		EXPECT_GE(clock_ns(CLOCK_THREAD_CPUTIME_ID), 0);
	}
}

CLAUSE(clone3_makes_a_child_in_a_namespace_of_its_own,
       "clone(2) CLONE_NEWTIME (5.6): clone3(2) alone takes it, for the bit is one of the exit signal's in clone(2): "
       "the child is in a"
       " new namespace, whose offsets are the parent's [incident 54]",
       TIMENS, .needed_by = "runc:cloneFlags criu:time_ns")
{
	struct clone_args args = { .flags = CLONE_NEWTIME, .exit_signal = SIGCHLD };
	char mine[64] = "", its[64] = "";
	volatile long long *told = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	long long before = clock_ns(CLOCK_MONOTONIC);
	int status = -1;
	long child;

	ASSERT_NE(MAP_FAILED, (void *)told);
	ASSERT_LT(0, readlink("/proc/self/ns/time", mine, sizeof(mine) - 1));
	child = raw_syscall(__NR_clone3, &args, sizeof(args));
	if (child == 0) {
		char here[64] = "";
		long n = raw_syscall(__NR_readlinkat, AT_FDCWD, "/proc/self/ns/time", here, sizeof(here) - 1);

		*told = clock_ns(CLOCK_MONOTONIC);
		memcpy((char *)(told + 1), here, sizeof(here));
		raw_syscall(__NR_exit_group, n > 0 ? 0 : 1);
	}
	ASSERT_OK(child);
	ASSERT_RET(child, raw_syscall(__NR_wait4, child, &status, 0, NULL));
	EXPECT_EQ(0, status);
	memcpy(its, (char *)(told + 1), sizeof(its));
	EXPECT_NE(0, *its);
	EXPECT_STRNE(mine, its);
	EXPECT_GE(*told, before);
	EXPECT_LE(*told, clock_ns(CLOCK_MONOTONIC));
}
