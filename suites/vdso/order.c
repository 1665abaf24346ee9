// SPDX-License-Identifier: GPL-2.0-only
// The order of readings by the vDSO: never back, in a thread, from one thread to another, over CPUs, through updates.
#include "clause.h"

#include "calls.h"
#include "cpus.h"
#include "thread.h"
#include "timex.h"

// How long readings are compared: some ticks of any kernel.
#define WHILE (30 * MS)

static const int steady[] = { CLOCK_MONOTONIC, CLOCK_BOOTTIME, CLOCK_MONOTONIC_RAW };
static const int unsettled[] = { CLOCK_REALTIME, CLOCK_TAI };

// Reads the clocks in turn until the time is up: the first that went back, and by what; 0 if none did.
struct step {
	long clock;
	long long from, to;
};

static void watch(const void *f, const int *clocks, int n, long long until, struct step *back)
{
	long long last[8] = { 0 };

	do {
		for (int turn = 0; turn < 200; turn++) {
			for (int i = 0; i < n; i++) {
				long long now = fast_ns(f, clocks[i]);

				if (now < last[i]) {
					*back = (struct step){ clocks[i], last[i], now };
					return;
				}
				last[i] = now;
			}
		}
	} while (slow_ns(CLOCK_MONOTONIC) < until);
}

#define EXPECT_NO_STEP(step) \
	EXPECT_EQ(0, (step).from) TH_LOG("clock %ld went from %lld to %lld", (step).clock, (step).from, (step).to)

CLAUSE(no_clock_goes_back_in_a_thread,
       "clock_gettime(2) CLOCK_MONOTONIC: consecutive calls never give a time that goes backwards: of no clock that "
       "nobody sets,"
       " through whatever updates of the kernel's timekeeper [VDS-10] [incident 73]", .needed_by = USERS)
{
	FUNCTION_OR_ABSENT(f, VDSO_CLOCK_GETTIME);
	struct step back = { 0 };

	watch(f, steady, ARRAY_SIZE(steady), slow_ns(CLOCK_MONOTONIC) + WHILE, &back);
	EXPECT_NO_STEP(back);
}

// Somebody may set these clocks once; a kernel that tears its updates does so again and again.
CLAUSE(clocks_that_may_be_set_do_not_go_back_by_themselves,
       "clock_gettime(2) CLOCK_REALTIME, CLOCK_TAI: unless somebody sets the clock, its readings by the vDSO never go "
       "back"
       " [VDS-10]", .needed_by = "go:walltime " USERS)
{
	FUNCTION_OR_ABSENT(f, VDSO_CLOCK_GETTIME);
	struct step back = { 0 };

	for (int attempt = 0; attempt < 3 && (attempt == 0 || back.from); attempt++) {
		back.from = 0;
		watch(f, unsettled, ARRAY_SIZE(unsettled), slow_ns(CLOCK_MONOTONIC) + WHILE / 3, &back);
	}
	EXPECT_NO_STEP(back);
}

// Each puts the clock forward by nothing: all clocks read as before, but the timekeeper begins a new interval, as in
// each tick. What an NTP daemon has told the kernel would be lost, so this is not for a clock that somebody keeps.
struct updates {
	long long until;
	volatile long result;
};

static int update_again_and_again(void *arg)
{
	struct updates *u = arg;

	struct kernel_timex t = { .modes = 0 };

	while (slow_ns(CLOCK_MONOTONIC) < u->until && !is_error(u->result)) {
		t.modes = ADJ_SETOFFSET;
		t.sec = t.usec = 0;
		u->result = clock_adjust(CLOCK_REALTIME, &t);
		for (int i = 0; i < 100; i++)
			arch_pause();
	}
	return 0;
}

CLAUSE(no_clock_goes_back_while_the_timekeeper_is_updated,
       "lib/vdso/gettimeofday.c do_hres (5.10): a reading that an update of the timekeeper overlaps is made again: "
       "never half of"
       " the old data and half of the new [VDS-10]",
       .needs = "cap=sys_time cpus=2", .exclusive = 1, .needed_by = USERS)
{
	FUNCTION_OR_ABSENT(f, VDSO_CLOCK_GETTIME);
	struct updates u = { .until = slow_ns(CLOCK_MONOTONIC) + 2 * WHILE };
	struct kernel_timex now = { .modes = 0 };
	struct step back = { 0 };
	struct thread t;
	int cpus[2];

	ASSERT_OK(clock_adjust(CLOCK_REALTIME, &now));
	if (!(now.status & STA_UNSYNC))
		SKIP(return, "somebody keeps this machine's clock");
	ASSERT_EQ(2, allowed_cpus(cpus, 2));
	ASSERT_TRUE(bind_to_cpu(cpus[1]));
	ASSERT_OK(thread_start(&t, update_again_and_again, &u));
	ASSERT_TRUE(bind_to_cpu(cpus[0]));
	watch(f, steady, ARRAY_SIZE(steady), u.until, &back);
	ASSERT_TRUE(thread_join(&t));
	if (u.result == -EPERM)
		SKIP(return, "the clock may not be adjusted here");
	EXPECT_OK(u.result);
	EXPECT_NO_STEP(back);
}

// The latest reading that any thread has told; who reads the clock after having seen it cannot be earlier.
struct relay {
	const void *f;
	int clock, cpu[2];
	long long until;
	long long latest;
	struct step back[2];
};

static void pass_on(struct relay *r, int side)
{
	bind_to_cpu(r->cpu[side]);
	while (slow_ns(CLOCK_MONOTONIC) < r->until && !r->back[!side].from) {
		for (int turn = 0; turn < 500; turn++) {
			long long seen = __atomic_load_n(&r->latest, __ATOMIC_SEQ_CST), now = fast_ns(r->f, r->clock);

			if (now < seen) {
				r->back[side] = (struct step){ r->clock, seen, now };
				return;
			}
			while (seen < now && !__atomic_compare_exchange_n(&r->latest, &seen, now, false,
									  __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
				;
		}
	}
}

static int pass_on_too(void *arg)
{
	pass_on(arg, 1);
	return 0;
}

CLAUSE(no_clock_goes_back_from_one_thread_to_another,
       "clock_gettime(2) CLOCK_MONOTONIC: who has seen another thread's reading reads no earlier one, on whatever CPU "
       "either runs"
       " [VDS-10] [CLK-1]", .needs = "cpus=2", .needed_by = USERS)
{
	FUNCTION_OR_ABSENT(f, VDSO_CLOCK_GETTIME);

	for (unsigned int i = 0; i < ARRAY_SIZE(steady); i++) {
		struct relay r = { .f = f, .clock = steady[i], .until = slow_ns(CLOCK_MONOTONIC) + WHILE / 3 };
		struct thread t;

		ASSERT_EQ(2, allowed_cpus(r.cpu, 2) ?: 2);
		IN_CHILD {
			ASSERT_OK(thread_start(&t, pass_on_too, &r));
			pass_on(&r, 0);
			ASSERT_TRUE(thread_join(&t));
			EXPECT_NO_STEP(r.back[0]);
			EXPECT_NO_STEP(r.back[1]);
		}
	}
}

CLAUSE(no_clock_goes_back_when_the_thread_moves_to_another_cpu,
       "sched_setaffinity(2), clock_gettime(2): a thread that is moved between two readings does not go back in time: "
       "the counters"
       " of the CPUs agree, or the vDSO does not use them [VDS-10]", .needs = "cpus=2", .needed_by = USERS)
{
	FUNCTION_OR_ABSENT(f, VDSO_CLOCK_GETTIME);
	long long last[ARRAY_SIZE(steady)] = { 0 };
	int cpus[16], n = allowed_cpus(cpus, 16);

	for (int turn = 0; turn < 60; turn++) {
		ASSERT_TRUE(bind_to_cpu(cpus[turn % n]));
		for (unsigned int i = 0; i < ARRAY_SIZE(steady); i++) {
			long long now = fast_ns(f, steady[i]);

			ASSERT_GE(now, last[i]) TH_LOG("clock %d on CPU %d", steady[i], cpus[turn % n]);
			last[i] = now;
		}
	}
}

CLAUSE(system_calls_and_vdso_on_two_cpus_give_one_order,
       "clock_gettime(2), vdso(7): a system call on one CPU, then the vDSO on another, then a system call there: one "
       "clock, never"
       " back [VDS-10]", .needs = "cpus=2", .needed_by = USERS)
{
	FUNCTION_OR_ABSENT(f, VDSO_CLOCK_GETTIME);
	int cpus[16], n = allowed_cpus(cpus, 16);

	for (int turn = 0; turn < 40; turn++) {
		long long first, second, third;
		int clock = steady[turn % ARRAY_SIZE(steady)];

		ASSERT_TRUE(bind_to_cpu(cpus[turn % n]));
		first = slow_ns(clock);
		ASSERT_TRUE(bind_to_cpu(cpus[(turn + 1) % n]));
		second = fast_ns(f, clock);
		third = slow_ns(clock);
		ASSERT_LE(first, second) TH_LOG("clock %d", clock);
		ASSERT_LE(second, third) TH_LOG("clock %d", clock);
	}
}

// Over some ticks, however late they come: right behind a tick a coarse clock that is ahead cannot hide.
static bool is_coarse_behind(const void *f, int coarse, int fine, long long until)
{
	do {
		for (int turn = 0; turn < 200; turn++) {
			long long first = fast_ns(f, coarse), then = fast_ns(f, fine);

			if (first > then)
				return false;
		}
		for (int way = 0; way < 3; way++) {
			long long first = way == 0 ? fast_ns(f, coarse) : slow_ns(coarse);
			long long then = way == 1 ? fast_ns(f, fine) : slow_ns(fine);

			if (first > then)
				return false;
		}
	} while (slow_ns(CLOCK_MONOTONIC) < until);
	return true;
}

CLAUSE(a_coarse_clock_is_never_ahead_of_its_fine_one,
       "clock_gettime(2) CLOCK_REALTIME_COARSE, CLOCK_MONOTONIC_COARSE: the time of the last tick: read before the "
       "fine clock it is"
       " not later, by vDSO and system call in any combination [VDS-10]",
       .needed_by = "jvm:os_javaTimeMillis glibc:time " USERS)
{
	FUNCTION_OR_ABSENT(f, VDSO_CLOCK_GETTIME);

	EXPECT_TRUE(is_coarse_behind(f, CLOCK_MONOTONIC_COARSE, CLOCK_MONOTONIC, slow_ns(CLOCK_MONOTONIC) + WHILE));
	EXPECT_TRUE(holds_unless_set(is_coarse_behind(f, CLOCK_REALTIME_COARSE, CLOCK_REALTIME,
						      slow_ns(CLOCK_MONOTONIC) + WHILE / 2)));
}

CLAUSE(a_coarse_clock_does_not_go_back_and_does_go_on,
       "clock_gettime(2) CLOCK_MONOTONIC_COARSE: its readings never go back, and reach what the fine clock showed "
       "before",
       .commit = "b71f9804f66c timekeeping: Prevent coarse clocks going backwards", .needed_by = USERS)
{
	FUNCTION_OR_ABSENT(f, VDSO_CLOCK_GETTIME);
	long long start = slow_ns(CLOCK_MONOTONIC), real = slow_ns(CLOCK_REALTIME);
	struct step back = { 0 };

	watch(f, (const int[]){ CLOCK_MONOTONIC_COARSE }, 1, start + WHILE / 3, &back);
	EXPECT_NO_STEP(back);
	EXPECT_TRUE(wait_until(fast_ns(f, CLOCK_MONOTONIC_COARSE) >= start));
	EXPECT_TRUE(wait_until(fast_ns(f, CLOCK_REALTIME_COARSE) >= real));
}

CLAUSE(time_since_boot_is_never_behind_monotonic_time,
       "clock_gettime(2) CLOCK_BOOTTIME: CLOCK_MONOTONIC and the time that the system was suspended: read after it, it "
       "is not"
       " less", .needed_by = "rust:Instant " USERS)
{
	FUNCTION_OR_ABSENT(f, VDSO_CLOCK_GETTIME);

	for (int turn = 0; turn < 200; turn++) {
		long long monotonic = fast_ns(f, CLOCK_MONOTONIC), boot = fast_ns(f, CLOCK_BOOTTIME);

		ASSERT_GT(monotonic, 0);
		ASSERT_LE(monotonic, boot);
		ASSERT_LE(slow_ns(CLOCK_MONOTONIC), fast_ns(f, CLOCK_BOOTTIME));
	}
}

CLAUSE(time_that_passes_for_the_kernel_passes_for_the_vdso,
       "clock_nanosleep(2), vdso(7): behind a sleep until a time of CLOCK_MONOTONIC, CLOCK_BOOTTIME or CLOCK_REALTIME "
       "the vDSO"
       " reads no earlier one", .needed_by = USERS)
{
	static const int clocks[] = { CLOCK_MONOTONIC, CLOCK_BOOTTIME, CLOCK_REALTIME };
	FUNCTION_OR_ABSENT(f, VDSO_CLOCK_GETTIME);

	for (unsigned int i = 0; i < ARRAY_SIZE(clocks); i++) {
		long long until = fast_ns(f, clocks[i]) + 3 * MS;
		timespec64 t = { until / SECOND, until % SECOND };

		ASSERT_RET(0, raw_syscall(NR_CLOCK_NANOSLEEP, clocks[i], TIMER_ABSTIME, &t, NULL));
		if (clocks[i] != CLOCK_REALTIME || slow_ns(clocks[i]) >= until) {
			EXPECT_GE(fast_ns(f, clocks[i]), until) TH_LOG("clock %d", clocks[i]);
		}
	}
}
