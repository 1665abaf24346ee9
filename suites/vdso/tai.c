// SPDX-License-Identifier: GPL-2.0-only
// CLOCK_TAI: ahead of CLOCK_REALTIME by the offset that adjtimex(2) tells, by the vDSO as by the system call.
#include "clause.h"

#include "calls.h"
#include "timex.h"

#define OTHER_OFFSET 37

static long tai_offset(void)
{
	struct kernel_timex t = { .modes = 0 };
	long result = clock_adjust(CLOCK_REALTIME, &t);

	return is_error(result) ? result : t.tai;
}

static long set_tai_offset(long seconds)
{
	struct kernel_timex t = { .modes = ADJ_TAI, .constant = seconds };

	return clock_adjust(CLOCK_REALTIME, &t);
}

static bool is_ahead(long long real, long long tai, long long real_again, long offset)
{
	return real + offset * SECOND <= tai && tai <= real_again + offset * SECOND;
}

// CLOCK_TAI between two readings of CLOCK_REALTIME: each by the vDSO, or by the system call where f is NULL.
static bool tai_is_real_plus(const void *f_real, const void *f_tai, long offset)
{
	long long real = f_real ? fast_ns(f_real, CLOCK_REALTIME) : slow_ns(CLOCK_REALTIME);
	long long tai = f_tai ? fast_ns(f_tai, CLOCK_TAI) : slow_ns(CLOCK_TAI);

	return is_ahead(real, tai, f_real ? fast_ns(f_real, CLOCK_REALTIME) : slow_ns(CLOCK_REALTIME), offset);
}

CLAUSE(it_is_ahead_by_the_offset_that_adjtimex_tells,
       "clock_gettime(2) CLOCK_TAI, adjtimex(2) tai: TAI is UTC and the offset, by vDSO and system call alike",
       .needed_by = "glibc:clock_gettime")
{
	FUNCTION_OR_ABSENT(f, VDSO_CLOCK_GETTIME);
	long offset = tai_offset();

	ASSERT_LE(-1000, offset);
	EXPECT_TRUE(holds_unless_set(tai_is_real_plus(NULL, NULL, offset)));
	EXPECT_TRUE(holds_unless_set(tai_is_real_plus(f, NULL, offset)));
	EXPECT_TRUE(holds_unless_set(tai_is_real_plus(NULL, f, offset)));
	EXPECT_TRUE(holds_unless_set(tai_is_real_plus(f, f, offset)));
}

// The clock that the offset moves is CLOCK_TAI alone, and only for as long as it takes to read it a few times.
CLAUSE(a_new_offset_is_in_force_at_once_by_vdso_and_system_call,
       "adjtimex(2) ADJ_TAI: the offset that was set is that of the next reading of CLOCK_TAI, and CLOCK_REALTIME does "
       "not change"
       " with it", .needs = "own_machine cap=sys_time", .exclusive = 1, .needed_by = "glibc:clock_gettime")
{
	FUNCTION_OR_ABSENT(f, VDSO_CLOCK_GETTIME);
	long offset = tai_offset(), other = offset == OTHER_OFFSET ? OTHER_OFFSET + 1 : OTHER_OFFSET, set, told, back;
	bool vdso, call, mixed;
	struct sandwich real;
	bool unmoved;

	ASSERT_LE(0, offset);
	set = set_tai_offset(other);
	if (set == -EPERM)
		SKIP(return, "the clock may not be adjusted here");
	told = tai_offset();
	vdso = holds_unless_set(tai_is_real_plus(f, f, other));
	call = holds_unless_set(tai_is_real_plus(NULL, NULL, other));
	mixed = holds_unless_set(tai_is_real_plus(NULL, f, other));
	unmoved = holds_unless_set(is_in_order(f, CLOCK_REALTIME, &real));
	back = set_tai_offset(offset);
	EXPECT_OK(set);
	EXPECT_OK(back);
	EXPECT_EQ(other, told);
	EXPECT_TRUE(call);
	EXPECT_TRUE(vdso);
	EXPECT_TRUE(mixed);
	EXPECT_TRUE(unmoved) LOG_SANDWICH(CLOCK_REALTIME, real);
	EXPECT_EQ(offset, tai_offset());
	EXPECT_TRUE(holds_unless_set(tai_is_real_plus(f, f, offset)));
}
