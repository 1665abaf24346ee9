// SPDX-License-Identifier: GPL-2.0-only
// clock_gettime(2): the clocks there are, what they tell, how they stand to each other, and what is refused.
#include "clause.h"

#include <limits.h>
#include <sys/mman.h>

#include "clock.h"
#include "guard.h"
#include "timex.h"

#define USERS "go:nanotime go:walltime glibc:clock_gettime jvm:os_javaTimeNanos rust:Instant"

static const int clocks[] = {
	CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_PROCESS_CPUTIME_ID, CLOCK_THREAD_CPUTIME_ID, CLOCK_MONOTONIC_RAW,
	CLOCK_REALTIME_COARSE, CLOCK_MONOTONIC_COARSE, CLOCK_BOOTTIME, CLOCK_TAI,
};

CLAUSE(every_clock_is_there_and_tells_a_time,
       "clock_gettime(2) DESCRIPTION: the nine clocks that need no hardware of their own exist on every kernel; "
       "nanoseconds are 0 to"
       " 999999999, and one structure is written [CLK-1] [CLK-2]", .needed_by = USERS)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(clocks); i++) {
		timespec64 *t = guarded(sizeof(*t));

		EXPECT_RET(0, get_time(clocks[i], t)) TH_LOG("clock %d", clocks[i]);
		EXPECT_GE(t->tv_sec, 0) TH_LOG("clock %d", clocks[i]);
		EXPECT_GE(t->tv_nsec, 0) TH_LOG("clock %d", clocks[i]);
		EXPECT_LT(t->tv_nsec, SECOND) TH_LOG("clock %d", clocks[i]);
		EXPECT_GT(ns_of(*t), 0) TH_LOG("clock %d", clocks[i]);
		EXPECT_INTACT(t);
		guard_free(t);
	}
}

CLAUSE(ids_of_no_clock_are_refused,
       "clock_gettime(2) ERRORS EINVAL: an id that names no clock, no process and no clock device; the buffer is not "
       "touched",
       .needed_by = USERS)
{
	static const int bad[] = { 10, 12, 13, 14, 15, 24, 31, 32, 33, 63, 64, 65, 1000, 0x10000, 0x10001, INT_MAX };

	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++) {
		timespec64 *t = guarded(sizeof(*t));

		EXPECT_ERR(EINVAL, get_time(bad[i], t)) TH_LOG("clock %d", bad[i]);
		EXPECT_ERR(EINVAL, get_time(bad[i], NULL)) TH_LOG("clock %d", bad[i]);
		EXPECT_UNTOUCHED(t, 0, sizeof(*t));
		EXPECT_INTACT(t);
		guard_free(t);
	}
}

CLAUSE(a_file_that_is_no_clock_names_no_clock,
       "clock_gettime(2) Dynamic clocks: a file descriptor names a clock only if it is one of a clock device: EINVAL "
       "for any other"
       " file and for none", .needed_by = "glibc:clock_gettime")
{
	int pipes[2];
	timespec64 *t = guarded(sizeof(*t));

	ASSERT_EQ(0, pipe(pipes));
	EXPECT_ERR(EINVAL, get_time((int)(~(unsigned int)pipes[0] << 3 | 3), t));
	EXPECT_ERR(EINVAL, get_resolution((int)(~(unsigned int)pipes[0] << 3 | 3), t));
	EXPECT_ERR(EINVAL, get_time((int)(~(unsigned int)pipes[0] << 3 | 7), t));
	close(pipes[0]);
	EXPECT_ERR(EINVAL, get_time((int)(~(unsigned int)pipes[0] << 3 | 3), t));
	EXPECT_UNTOUCHED(t, 0, sizeof(*t));
}

CLAUSE(a_buffer_that_cannot_be_written_is_efault,
       "clock_gettime(2) ERRORS EFAULT: tp points outside the accessible address space, for each "
       "clock", .needed_by = USERS)
{
	char *read_only = mmap(NULL, page_size(), PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *edge = guarded(8);

	ASSERT_NE(MAP_FAILED, (void *)read_only);
	for (unsigned int i = 0; i < ARRAY_SIZE(clocks); i++) {
		EXPECT_ERR(EFAULT, get_time(clocks[i], NULL)) TH_LOG("clock %d", clocks[i]);
		EXPECT_ERR(EFAULT, get_time(clocks[i], unmapped_page())) TH_LOG("clock %d", clocks[i]);
		EXPECT_ERR(EFAULT, get_time(clocks[i], forbidden_page())) TH_LOG("clock %d", clocks[i]);
		EXPECT_ERR(EFAULT, get_time(clocks[i], read_only)) TH_LOG("clock %d", clocks[i]);
		EXPECT_ERR(EFAULT, get_time(clocks[i], edge)) TH_LOG("clock %d", clocks[i]);
	}
}

CLAUSE(consecutive_readings_never_go_back,
       "clock_gettime(2) CLOCK_MONOTONIC: consecutive calls do not give a time that goes backwards: of no clock that "
       "nobody sets"
       " [CLK-1]", .needed_by = USERS)
{
	static const int steady[] = { CLOCK_MONOTONIC, CLOCK_MONOTONIC_RAW, CLOCK_BOOTTIME, CLOCK_PROCESS_CPUTIME_ID,
				      CLOCK_THREAD_CPUTIME_ID };
	long long last[ARRAY_SIZE(steady)] = { 0 }, until = clock_ns(CLOCK_MONOTONIC) + 20 * MS;

	do {
		for (unsigned int i = 0; i < ARRAY_SIZE(steady); i++) {
			long long now = clock_ns(steady[i]);

			ASSERT_GE(now, last[i]) TH_LOG("clock %d", steady[i]);
			last[i] = now;
		}
	} while (last[0] < until);
}

CLAUSE(time_since_boot_is_never_behind_monotonic_time,
       "clock_gettime(2) CLOCK_BOOTTIME: CLOCK_MONOTONIC and the time the system was "
       "suspended", .needed_by = "rust:Instant")
{
	for (int turn = 0; turn < 300; turn++) {
		long long monotonic = clock_ns(CLOCK_MONOTONIC);

		ASSERT_GT(monotonic, 0);
		ASSERT_GE(clock_ns(CLOCK_BOOTTIME), monotonic);
	}
}

static bool coarse_is_behind(int coarse, int fine, long long until)
{
	while (clock_ns(CLOCK_MONOTONIC) < until) {
		long long first = clock_ns(coarse);

		if (first > clock_ns(fine) || first < 0)
			return false;
	}
	return true;
}

CLAUSE(a_coarse_clock_is_never_ahead_of_its_fine_one,
       "clock_gettime(2) CLOCK_REALTIME_COARSE, CLOCK_MONOTONIC_COARSE: the time of the last tick, so never later than "
       "the fine clock"
       " read after it; and it reaches what the fine one showed", .needed_by = "jvm:os_javaTimeMillis")
{
	long long monotonic = clock_ns(CLOCK_MONOTONIC), real = clock_ns(CLOCK_REALTIME);

	EXPECT_TRUE(coarse_is_behind(CLOCK_MONOTONIC_COARSE, CLOCK_MONOTONIC, monotonic + 20 * MS));
	EXPECT_TRUE(holds_unless_set(coarse_is_behind(CLOCK_REALTIME_COARSE, CLOCK_REALTIME, clock_ns(CLOCK_MONOTONIC) + 10 * MS)));
	EXPECT_TRUE(wait_until(clock_ns(CLOCK_MONOTONIC_COARSE) >= monotonic));
	EXPECT_TRUE(wait_until(clock_ns(CLOCK_REALTIME_COARSE) >= real));
}

// The raw clock is not steered by NTP, which slows the others by up to a twelfth.
CLAUSE(clocks_of_elapsed_time_pass_while_the_caller_sleeps,
       "clock_gettime(2): CLOCK_MONOTONIC, CLOCK_BOOTTIME, CLOCK_REALTIME and CLOCK_MONOTONIC_RAW count time that "
       "passes, whether the"
       " process runs or not", .needed_by = USERS)
{
	long long raw = clock_ns(CLOCK_MONOTONIC_RAW), boot = clock_ns(CLOCK_BOOTTIME), monotonic = clock_ns(CLOCK_MONOTONIC);

	let_pass(12 * MS);	// time is the subject
	EXPECT_GE(clock_ns(CLOCK_MONOTONIC), monotonic + 12 * MS);
	EXPECT_GE(clock_ns(CLOCK_BOOTTIME), boot + 12 * MS);
	EXPECT_GE(clock_ns(CLOCK_MONOTONIC_RAW), raw + 10 * MS);
	EXPECT_TRUE(holds_unless_set(({
		long long real = clock_ns(CLOCK_REALTIME);

		let_pass(3 * MS);	// time is the subject
		clock_ns(CLOCK_REALTIME) >= real + 3 * MS;
	})));
}

static bool tai_is_ahead_by(long long offset)
{
	long long real = clock_ns(CLOCK_REALTIME), tai = clock_ns(CLOCK_TAI);

	return real + offset * SECOND <= tai && tai <= clock_ns(CLOCK_REALTIME) + offset * SECOND;
}

CLAUSE(international_atomic_time_is_ahead_by_the_offset_of_adjtimex,
       "clock_gettime(2) CLOCK_TAI, adjtimex(2) tai: wall-clock time that counts leap seconds: CLOCK_REALTIME and the "
       "TAI offset",
       .needed_by = "glibc:clock_gettime")
{
	struct kernel_timex t = { .modes = 0 };

	ASSERT_OK(clock_adjust(CLOCK_REALTIME, &t));
	EXPECT_TRUE(holds_unless_set(tai_is_ahead_by(t.tai)));
}

CLAUSE(only_the_low_32_bits_of_an_id_count,
       "uapi/asm-generic/posix_types.h __kernel_clockid_t: the id is an int: whatever stands above it in the register "
       "is not looked"
       " at", .needs = "64bit", .needed_by = "go:nanotime1")
{
	timespec64 t = { -1, -1 };
	unsigned long above = ~0ul << 16 << 16;

	EXPECT_RET(0, get_time(above | CLOCK_MONOTONIC, &t));
	EXPECT_RET(0, get_resolution(above | CLOCK_MONOTONIC, &t));
	EXPECT_ERR(EINVAL, get_time(above | 63, &t));
}

// A kernel with a real-time clock device has them, another one refuses them; either of all alike.
CLAUSE(alarm_clocks_are_their_clocks_or_are_not_there,
       "clock_gettime(2) CLOCK_REALTIME_ALARM, CLOCK_BOOTTIME_ALARM: like CLOCK_REALTIME and CLOCK_BOOTTIME; EINVAL "
       "where there is"
       " no device to wake the system", .needed_by = "glibc:clock_gettime")
{
	long long before = clock_ns(CLOCK_BOOTTIME), real = clock_ns(CLOCK_REALTIME);
	timespec64 boot, wall;
	long result = get_time(CLOCK_BOOTTIME_ALARM, &boot);

	EXPECT_RET(result, get_time(CLOCK_REALTIME_ALARM, &wall));
	if (result) {
		EXPECT_EQ(-EINVAL, result);
		EXPECT_ERR(EINVAL, get_resolution(CLOCK_BOOTTIME_ALARM, &boot));
		EXPECT_ERR(EINVAL, get_resolution(CLOCK_REALTIME_ALARM, &boot));
		return;
	}
	EXPECT_GE(ns_of(boot), before);
	EXPECT_LE(ns_of(boot), clock_ns(CLOCK_BOOTTIME));
	EXPECT_TRUE(holds_unless_set(get_time(CLOCK_REALTIME_ALARM, &wall) == 0 && ns_of(wall) >= real &&
				     ns_of(wall) <= clock_ns(CLOCK_REALTIME)));
}
