// SPDX-License-Identifier: GPL-2.0-only
// What clock_settime(2), settimeofday(2) and adjtimex(2) change is in force at once for the vDSO as for the system calls.
#include "clause.h"

#include "calls.h"
#include "timex.h"

#ifndef ADJ_SETOFFSET
#define ADJ_SETOFFSET 0x0100
#endif

#define STEP    (50 * MS)
#define CHANGES .needs = "own_machine cap=sys_time", .exclusive = 1, .needed_by = "go:walltime glibc:clock_settime"

static bool clock_is_kept(void)
{
	struct kernel_timex now = { .modes = 0 };

	return is_error(clock_adjust(CLOCK_REALTIME, &now)) || !(now.status & STA_UNSYNC);
}

static long by_clock_settime(long long by)
{
	long long to = slow_ns(CLOCK_REALTIME) + by;
	timespec64 t = { to / SECOND, to % SECOND };

	return raw_syscall(NR_CLOCK_SETTIME, CLOCK_REALTIME, &t);
}

static long by_settimeofday(long long by)
{
	long long to = slow_ns(CLOCK_REALTIME) + by;
	struct old_timeval tv = { to / SECOND, to % SECOND / 1000 };

	return raw_syscall(__NR_settimeofday, &tv, NULL);
}

static long by_adjtimex(long long by)
{
	struct kernel_timex t = { .modes = ADJ_SETOFFSET | ADJ_NANO, .sec = by < 0 ? -1 : 0, .usec = by < 0 ? SECOND + by : by };
	long result = clock_adjust(CLOCK_REALTIME, &t);

	return is_error(result) ? result : 0;
}

static const struct { const char *name; long (*step)(long long by); } ways[] = {
	{ "clock_settime", by_clock_settime },
	{ "settimeofday",  by_settimeofday },
	{ "adjtimex",      by_adjtimex },
};

// The vDSO's reading between two system calls, of each clock that a step moves.
struct seen {
	long long from;		// CLOCK_REALTIME before the step
	struct sandwich real, tai, coarse;
	bool in_order;
};

static void read_all(const void *f, struct seen *s)
{
	bool real = is_in_order(f, CLOCK_REALTIME, &s->real), tai = is_in_order(f, CLOCK_TAI, &s->tai);

	s->in_order = is_in_order(f, CLOCK_REALTIME_COARSE, &s->coarse) && real && tai;
}

#define ROUNDS 8

CLAUSE(a_step_is_seen_by_the_next_reading,
       "clock_settime(2), settimeofday(2), adjtimex(2) ADJ_SETOFFSET, vdso(7): the next reading of CLOCK_REALTIME, its coarse clock"
       " and CLOCK_TAI by the vDSO is of the new time, as that of the system call is: forward and back", CHANGES)
{
	FUNCTION_OR_ABSENT(f, VDSO_CLOCK_GETTIME);
	struct seen forward[ARRAY_SIZE(ways)][ROUNDS], back[ARRAY_SIZE(ways)][ROUNDS];
	long result[ARRAY_SIZE(ways)] = { 0 };

	if (clock_is_kept())
		SKIP(return, "somebody keeps this machine's clock");
	for (unsigned int w = 0; w < ARRAY_SIZE(ways); w++) {
		for (int round = 0; round < ROUNDS; round++) {
			long there, back_again;

			forward[w][round].from = slow_ns(CLOCK_REALTIME);
			there = ways[w].step(STEP);
			read_all(f, &forward[w][round]);
			back_again = ways[w].step(-STEP);
			read_all(f, &back[w][round]);
			result[w] = there ? there : back_again;
		}
	}
	for (unsigned int w = 0; w < ARRAY_SIZE(ways); w++) {
		EXPECT_RET(0, result[w]) TH_LOG("%s", ways[w].name);
		for (int round = 0; round < ROUNDS; round++) {
			// Microseconds are what settimeofday counts.
			EXPECT_GE(forward[w][round].real.fast, forward[w][round].from + STEP - 1000) TH_LOG("%s", ways[w].name);
			for (int forth = 0; forth < 2; forth++) {
				const struct seen *s = forth ? &forward[w][round] : &back[w][round];

				EXPECT_TRUE(s->in_order) {
					TH_LOG("%s %s, round %d", ways[w].name, forth ? "forward" : "back", round);
					LOG_SANDWICH(CLOCK_REALTIME, s->real);
					LOG_SANDWICH(CLOCK_TAI, s->tai);
					LOG_SANDWICH(CLOCK_REALTIME_COARSE, s->coarse);
				}
			}
		}
	}
}

// With the time beside it: a first time zone without one moves the clock (kernel/time/time.c, since 2.6).
static long set_zone(struct time_zone zone)
{
	long long now = slow_ns(CLOCK_REALTIME);
	struct old_timeval tv = { now / SECOND, now % SECOND / 1000 };

	return raw_syscall(__NR_settimeofday, &tv, &zone);
}

CLAUSE(a_time_zone_is_seen_by_the_next_call,
       "settimeofday(2), gettimeofday(2) tz, vdso(7): the kernel's time zone is that which was set last, by the vDSO as by the"
       " system call", CHANGES)
{
	FUNCTION_OR_ABSENT(f, VDSO_GETTIMEOFDAY);
	static const struct time_zone zones[] = { { -330, 1 }, { 480, 0 }, { 0, 3 }, { 900, 0 } };
	struct time_zone was = { 0 }, slow[ARRAY_SIZE(zones)], fast[ARRAY_SIZE(zones)];
	long set[ARRAY_SIZE(zones)], told[ARRAY_SIZE(zones)], reset;

	if (clock_is_kept())
		SKIP(return, "somebody keeps this machine's clock");
	ASSERT_RET(0, raw_syscall(__NR_gettimeofday, NULL, &was));
	for (unsigned int i = 0; i < ARRAY_SIZE(zones); i++) {
		set[i] = set_zone(zones[i]);
		slow[i] = fast[i] = (struct time_zone){ 77, 77 };
		raw_syscall(__NR_gettimeofday, NULL, &slow[i]);
		told[i] = fast_gettimeofday(f, NULL, &fast[i]);
	}
	reset = set_zone(was);
	EXPECT_RET(0, reset);
	for (unsigned int i = 0; i < ARRAY_SIZE(zones); i++) {
		EXPECT_RET(0, set[i]);
		EXPECT_RET(0, told[i]);
		EXPECT_EQ(0, memcmp(&zones[i], &slow[i], sizeof(zones[i]))) TH_LOG("row %u", i);
		EXPECT_EQ(0, memcmp(&zones[i], &fast[i], sizeof(zones[i]))) TH_LOG("row %u: %d minutes", i, fast[i].minutes_west);
	}
}

CLAUSE(a_steered_clock_is_the_same_by_both_ways,
       "adjtimex(2) ADJ_TICK, clock_gettime(2) CLOCK_MONOTONIC_RAW, vdso(7): while the clock is made to run a tenth fast or slow the"
       " vDSO's readings lie between the system calls' around them: of the clocks that are steered, and of the raw one that is not",
       CHANGES)
{
	FUNCTION_OR_ABSENT(f, VDSO_CLOCK_GETTIME);
	static const int clocks[] = { CLOCK_MONOTONIC_RAW, CLOCK_MONOTONIC, CLOCK_BOOTTIME, CLOCK_REALTIME };
	struct sandwich bad = { 0 };
	struct kernel_timex t = { .modes = 0 };
	long tick, result[2], reset;
	int clock = -1;

	if (clock_is_kept())
		SKIP(return, "somebody keeps this machine's clock");
	clock_adjust(CLOCK_REALTIME, &t);
	tick = t.tick;
	for (int fast = 0; fast < 2; fast++) {
		long long until = slow_ns(CLOCK_MONOTONIC) + 30 * MS;

		t = (struct kernel_timex){ .modes = ADJ_TICK, .tick = fast ? tick + tick / 11 : tick - tick / 11 };
		result[fast] = clock_adjust(CLOCK_REALTIME, &t);
		while (clock < 0 && slow_ns(CLOCK_MONOTONIC) < until)
			for (unsigned int c = 0; c < ARRAY_SIZE(clocks) && clock < 0; c++)
				if (!is_in_order(f, clocks[c], &bad))
					clock = clocks[c];
	}
	t = (struct kernel_timex){ .modes = ADJ_TICK, .tick = tick };
	reset = clock_adjust(CLOCK_REALTIME, &t);
	EXPECT_OK(reset);
	EXPECT_OK(result[0]);
	EXPECT_OK(result[1]);
	EXPECT_EQ(-1, clock) LOG_SANDWICH(clock, bad);
}
