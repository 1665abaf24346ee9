// SPDX-License-Identifier: GPL-2.0-only
// Where the vDSO writes: the whole structure and no more, at any address that can be written, and a fault at others.
#include "clause.h"

#include "calls.h"
#include "guard.h"

// The fine clocks, the coarse ones, and one that the kernel itself must read.
static const int clocks[] = { CLOCK_MONOTONIC, CLOCK_REALTIME, CLOCK_MONOTONIC_COARSE, CLOCK_MONOTONIC_RAW, CLOCK_THREAD_CPUTIME_ID };

CLAUSE(exactly_one_structure_is_written,
       "clock_gettime(2), gettimeofday(2): the out-parameter is filled from its first byte to its last, and nothing "
       "beside it,"
       " even where the next page may not be touched", .needed_by = USERS)
{
	FUNCTION_OR_ABSENT(f, VDSO_CLOCK_GETTIME);
	const void *day = function_named(VDSO_GETTIMEOFDAY), *time = function_named(VDSO_TIME);
	struct old_timeval *tv = guarded(sizeof(*tv));
	long *seconds = guarded(sizeof(*seconds));

	for (unsigned int i = 0; i < ARRAY_SIZE(clocks); i++) {
		struct { char before[64]; timespec64 t; char after[64]; } whole;
		timespec64 *t = guarded(sizeof(*t));

		EXPECT_EQ(0, fast_gettime(f, clocks[i], t));
		EXPECT_INTACT(t);
		memset(&whole, GUARD_BYTE, sizeof(whole));
		EXPECT_EQ(0, fast_gettime(f, clocks[i], &whole.t));
		EXPECT_TRUE(is_untouched(&whole, 0, offsetof(typeof(whole), t)));
		EXPECT_TRUE(is_untouched(&whole, offsetof(typeof(whole), after), sizeof(whole)));
		// The high bytes too: of the seconds none is 0xa5 before the year 2270, of the nanoseconds never.
		EXPECT_EQ(0, (unsigned long long)whole.t.tv_sec >> 40);
		EXPECT_LT((unsigned long long)whole.t.tv_nsec, SECOND);
		guard_free(t);
	}
	if (day) {
		EXPECT_EQ(0, fast_gettimeofday(day, tv, NULL));
		EXPECT_INTACT(tv);
		EXPECT_LT((unsigned long)tv->usec, 1000000);
	}
	if (time) {
		long result = fast_time(time, seconds);

		EXPECT_EQ(result, *seconds);
		EXPECT_INTACT(seconds);
		EXPECT_FALSE(is_untouched(seconds, 0, sizeof(*seconds)));
	}
}

// What became of a call with this pointer: the result, or 1000 + the signal that ended it.
static int outcome(const void *f, int clock, void *where)
{
	int status;
	pid_t child = fork();

	if (child == 0)
		_exit(-fast_gettime(f, clock, where));
	if (child < 0 || waitpid(child, &status, 0) != child)
		return -EAGAIN;
	return WIFSIGNALED(status) ? 1000 + WTERMSIG(status) : -WEXITSTATUS(status);
}

CLAUSE(a_pointer_that_cannot_be_written_faults_or_is_efault,
       "vdso(7), clock_gettime(2) ERRORS EFAULT: the vDSO writes as the program does: a bad pointer is SIGSEGV, or "
       "EFAULT where"
       " the kernel was asked; never success", .needed_by = USERS)
{
	FUNCTION_OR_ABSENT(f, VDSO_CLOCK_GETTIME);
	void *bad[] = { NULL, forbidden_page(), unmapped_page(), (void *)-16L };

	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++) {
		for (unsigned int c = 0; c < ARRAY_SIZE(clocks); c += 2) {
			int seen = outcome(f, clocks[c], bad[i]);

			// The kernel's own may be none that a program could name: an address error.
			EXPECT_TRUE(seen == -EFAULT || seen == 1000 + SIGSEGV || (seen == 1000 + SIGBUS && i == 3))
				TH_LOG("clock %d to %p: %d", clocks[c], bad[i], seen);
		}
		EXPECT_EQ(-EFAULT, outcome(f, CLOCK_THREAD_CPUTIME_ID, bad[i])) TH_LOG("to %p", bad[i]);
		EXPECT_EQ(-EINVAL, outcome(f, 63, bad[i])) TH_LOG("to %p", bad[i]);
	}
}

CLAUSE(a_page_that_is_read_only_stays_as_it_is,
       "vdso(7), mmap(2) PROT_READ: writing a result into a page that may only be read ends as any such write does, "
       "and the page"
       " is not changed", .needed_by = USERS)
{
	FUNCTION_OR_ABSENT(f, VDSO_CLOCK_GETTIME);
	long *page = mmap(NULL, page_size(), PROT_READ, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	ASSERT_NE(MAP_FAILED, (void *)page);
	for (unsigned int c = 0; c < ARRAY_SIZE(clocks); c++) {
		int seen = outcome(f, clocks[c], page);

		EXPECT_TRUE(seen == -EFAULT || seen == 1000 + SIGSEGV) TH_LOG("clock %d: %d", clocks[c], seen);
		EXPECT_EQ(0, page[0] | page[1]);
	}
}

CLAUSE(a_page_that_was_never_touched_is_given_when_it_is_written,
       "mmap(2), vdso(7): a result may go where the kernel has yet to put a page, or to copy one that fork(2) left "
       "shared; the"
       " other process does not see it", .needed_by = USERS)
{
	FUNCTION_OR_ABSENT(f, VDSO_CLOCK_GETTIME);

	for (unsigned int c = 0; c < ARRAY_SIZE(clocks); c++) {
		timespec64 *t = mmap(NULL, page_size(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), was;

		ASSERT_NE(MAP_FAILED, (void *)t);
		EXPECT_EQ(0, fast_gettime(f, clocks[c], t));
		EXPECT_NE(0, t->tv_sec | t->tv_nsec);
		was = *t;
		IN_CHILD {
			EXPECT_EQ(0, fast_gettime(f, clocks[c], t));
			EXPECT_TRUE(t->tv_sec != was.tv_sec || t->tv_nsec != was.tv_nsec || clocks[c] == CLOCK_MONOTONIC_COARSE);
		}
		EXPECT_EQ(0, memcmp(t, &was, sizeof(was)));
		munmap(t, page_size());
	}
}

CLAUSE(a_structure_need_not_be_aligned,
       "clock_gettime(2): the system call takes any address, and so does the vDSO: a structure at an odd one, or over "
       "two pages,"
       " holds a time between two others", .needed_by = USERS)
{
	FUNCTION_OR_ABSENT(f, VDSO_CLOCK_GETTIME);
	char *pages = mmap(NULL, 2 * page_size(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ASSERT_NE(MAP_FAILED, (void *)pages);
	for (int offset = -15; offset < 16; offset++) {
		char *at = pages + page_size() + offset;
		long long before = slow_ns(CLOCK_MONOTONIC);
		timespec64 t;

		EXPECT_EQ(0, fast_gettime(f, CLOCK_MONOTONIC, at));
		memcpy(&t, at, sizeof(t));
		EXPECT_GE(ns_of(t), before) TH_LOG("at %d from a page", offset);
		EXPECT_LE(ns_of(t), slow_ns(CLOCK_MONOTONIC)) TH_LOG("at %d from a page", offset);
	}
}
