// SPDX-License-Identifier: GPL-2.0-only
// prctl(2): PR_SET_THP_DISABLE and PR_GET_THP_DISABLE: a process without huge pages, or with none but advised ones.
#include "clause.h"
#include "thp.h"
#include "thread.h"

FIXTURE(settings) {
	struct saved_settings before;
};

FIXTURE_SETUP(settings)
{
	settings_save(&self->before);
	allow_huge_pages();
}

FIXTURE_TEARDOWN_PARENT(settings)
{
	settings_restore(&self->before);
}

#define EXCEPT_ADVISED PR_THP_DISABLE_EXCEPT_ADVISED
#define set_thp_disable(disable, flags) raw_syscall(__NR_prctl, PR_SET_THP_DISABLE, disable, flags, 0, 0)
#define get_thp_disable() raw_syscall(__NR_prctl, PR_GET_THP_DISABLE, 0, 0, 0, 0)

static long probe_except_advised(void)
{
	long result = set_thp_disable(1, EXCEPT_ADVISED);

	set_thp_disable(0, 0);
	return result;
}

#define SINCE_EXCEPT_ADVISED .since = KERNEL(6, 18), .probe = probe_except_advised, .absent_errno = EINVAL

CLAUSE(get_tells_what_was_set,
       "prctl(2) PR_GET_THP_DISABLE: 1 after PR_SET_THP_DISABLE of any value but zero, 0 after zero",
       .needed_by = "jvm:THPSupport")
{
	static const unsigned long values[] = { 1, 0, 0, 2, 1, 0, ~0UL, 0 };

	for (unsigned int i = 0; i < COUNT(values); i++) {
		EXPECT_RET(0, set_thp_disable(values[i], 0));
		EXPECT_RET(values[i] != 0, get_thp_disable());
	}
}

CLAUSE(set_refuses_unused_arguments_and_changes_nothing,
       "prctl(2) ERRORS EINVAL: PR_SET_THP_DISABLE with a further argument that is not zero (nor, with Linux 6.18, "
       "a flag to disable with) gives EINVAL and leaves the state as it was")
{
	static const unsigned long rows[][4] = {
		{ 1, 1, 0, 0 }, { 1, 0, 1, 0 }, { 1, 0, 0, 1 }, { 1, ~0UL, 0, 0 }, { 1, 0, ~0UL, 0 }, { 1, 0, 0, ~0UL },
		{ 1, 4, 0, 0 }, { 1, EXCEPT_ADVISED, 1, 0 }, { 1, EXCEPT_ADVISED, 0, 1 },
		{ 1, EXCEPT_ADVISED | 1, 0, 0 },
		{ 0, 1, 0, 0 }, { 0, 0, 1, 0 }, { 0, 0, 0, 1 }, { 0, EXCEPT_ADVISED, 0, 0 },
	};

	for (int state = 0; state <= 1; state++) {
		ASSERT_RET(0, set_thp_disable(state, 0));
		for (unsigned int i = 0; i < COUNT(rows); i++) {
			const unsigned long *r = rows[i];

			EXPECT_ERR(EINVAL, raw_syscall(__NR_prctl, PR_SET_THP_DISABLE, r[0], r[1], r[2], r[3]))
				TH_LOG("arguments %lu, %lu, %lu, %lu", r[0], r[1], r[2], r[3]);
			EXPECT_RET(state, get_thp_disable());
		}
	}
}

CLAUSE(get_refuses_any_argument,
       "prctl(2) ERRORS EINVAL: PR_GET_THP_DISABLE with an argument that is not zero gives EINVAL")
{
	static const unsigned long rows[][4] = {
		{ 1, 0, 0, 0 }, { 0, 1, 0, 0 }, { 0, 0, 1, 0 }, { 0, 0, 0, 1 }, { ~0UL, 0, 0, 0 }, { 0, ~0UL, 0, 0 },
		{ 0, 0, ~0UL, 0 }, { 0, 0, 0, ~0UL }, { EXCEPT_ADVISED, 0, 0, 0 }, { 0, EXCEPT_ADVISED, 0, 0 },
	};

	for (unsigned int i = 0; i < COUNT(rows); i++) {
		const unsigned long *r = rows[i];

		EXPECT_ERR(EINVAL, raw_syscall(__NR_prctl, PR_GET_THP_DISABLE, r[0], r[1], r[2], r[3]))
			TH_LOG("arguments %lu, %lu, %lu, %lu", r[0], r[1], r[2], r[3]);
	}
}

CLAUSE(a_forked_child_inherits_and_changes_its_own_alone,
       "prctl(2) PR_SET_THP_DISABLE: is inherited by a child created with fork(2); parent and child change their "
       "own state then")
{
	for (int state = 0; state <= 1; state++) {
		ASSERT_RET(0, set_thp_disable(state, 0));
		IN_CHILD {
			EXPECT_RET(state, get_thp_disable());
			EXPECT_RET(0, set_thp_disable(!state, 0));
			EXPECT_RET(!state, get_thp_disable());
			IN_CHILD {
				EXPECT_RET(!state, get_thp_disable());
			}
		}
		EXPECT_RET(state, get_thp_disable());
	}
}

// The state in the new program as its exit status.
AFTER_EXEC(exit_with_state)
{
	return get_thp_disable() & 127;
}

static int state_after_exec(void)
{
	int status;
	pid_t child = fork();

	if (child == 0) {
		execute_self(exit_with_state);
		_exit(126);
	}
	return child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

CLAUSE(execve_keeps_it,
       "prctl(2) PR_SET_THP_DISABLE: is preserved across execve(2)")
{
	for (int state = 1; state >= 0; state--) {
		ASSERT_RET(0, set_thp_disable(state, 0));
		EXPECT_EQ(state, state_after_exec());
	}
}

static int set_in_thread(void *disable)
{
	set_thp_disable((unsigned long)disable, 0);
	return 0;
}

CLAUSE(threads_share_it,
       "Documentation/admin-guide/mm/transhuge.rst process THP controls: are of the process: what one thread sets "
       "is the state of all")
{
	for (unsigned long state = 1; state != -1UL; state--) {
		struct thread t;

		ASSERT_RET(0, set_thp_disable(!state, 0));
		ASSERT_OK(thread_start(&t, set_in_thread, (void *)state));
		ASSERT_TRUE(thread_join(&t));
		EXPECT_RET(state, get_thp_disable());
	}
}

// THP_enabled of /proc/self/status, or -1.
static int thp_enabled_in_status(void)
{
	static char status[8192];
	char *line;

	if (read_text("/proc/self/status", status, sizeof(status)) <= 0 || !(line = strstr(status, "\nTHP_enabled:\t")))
		return -1;
	return atoi(line + 14);
}

CLAUSE(status_tells_whether_a_process_may_have_huge_pages,
       "Documentation/filesystems/proc.rst status THP_enabled: 0 when PR_SET_THP_DISABLE is set on the process, "
       "else 1",
       THP_ADVICE, .needs = "file=/proc/self/status")
{
	for (int state = 1; state >= 0; state--) {
		ASSERT_RET(0, set_thp_disable(state, 0));
		EXPECT_EQ(!state, thp_enabled_in_status());
		IN_CHILD {
			EXPECT_EQ(!state, thp_enabled_in_status());
		}
	}
}

static long long eligibility(int advice)
{
	struct area a;
	long long result;

	if (!area_map(&a, 1) || (advice && advise(a.at, a.size, advice) != 0))
		return -1;
	result = field_at(a.at, "THPeligible");
	area_unmap(&a);
	return result;
}

CLAUSE(no_memory_of_a_disabled_process_is_eligible,
       "Documentation/admin-guide/mm/transhuge.rst process THP controls: PR_SET_THP_DISABLE disables huge pages for "
       "the process whatever the settings and the advice, for memory it has already too; clearing it takes that "
       "back",
       THP_ADVICE, .needs = "thp " SMAPS)
{
	long long allowed, seen;
	struct area a;

	ASSERT_RET(0, set_thp_disable(0, 0));
	ASSERT_TRUE(area_map(&a, 1));
	EXPECT_RET(0, advise(a.at, a.size, MADV_HUGEPAGE));
	ASSERT_RET(0, set_thp_disable(1, 0));
	EXPECT_EQ(0, field_at(a.at, "THPeligible"));
	EXPECT_EQ(0, eligibility(MADV_HUGEPAGE));
	EXPECT_EQ(0, eligibility(0));
	ASSERT_RET(0, set_thp_disable(0, 0));
	do {	// the settings are the machine's, and may change meanwhile
		allowed = any_size_is_allowed(true);
		seen = field_at(a.at, "THPeligible");
	} while (allowed != any_size_is_allowed(true));
	EXPECT_EQ(allowed, seen);
}

// One touched byte is one page, with any advice; reclaim may take even that.
static void expect_a_single_page(struct __test_metadata *_metadata, int advice)
{
	struct area a;

	ASSERT_TRUE(area_map(&a, 1));
	if (advice)
		advise(a.at, a.size, advice);
	a.at[a.size / 2] = 1;
	EXPECT_EQ(0, huge_bytes(&a));
	EXPECT_LE(resident_bytes(a.at, a.size), page_size());
	area_unmap(&a);
}

CLAUSE(memory_of_a_disabled_process_gets_no_huge_page,
       "Documentation/admin-guide/mm/transhuge.rst process THP controls: with PR_SET_THP_DISABLE one touched byte "
       "takes one page, MADV_HUGEPAGE or not",
       THP_ADVICE, .needs = SMAPS)
{
	ASSERT_RET(0, set_thp_disable(1, 0));
	expect_a_single_page(_metadata, 0);
	expect_a_single_page(_metadata, MADV_HUGEPAGE);
}

CLAUSE(huge_pages_that_are_there_keep_their_contents,
       "prctl(2) PR_SET_THP_DISABLE: is about memory to come: setting and clearing it leaves the contents of huge "
       "pages that are there alone",
       THP_ADVICE, .needs = "thp " SMAPS)
{
	struct area a;

	SKIP_UNLESS_HUGE(huge_area(&a, 2));
	fill(a.at, a.size, a.at, 1);
	EXPECT_RET(0, set_thp_disable(1, 0));
	EXPECT_EQ(NOWHERE, wrong_at(a.at, a.size, a.at, 1));
	fill(a.at + a.huge, a.huge, a.at, 2);
	EXPECT_RET(0, set_thp_disable(0, 0));
	EXPECT_EQ(NOWHERE, wrong_at(a.at, a.huge, a.at, 1));
	EXPECT_EQ(NOWHERE, wrong_at(a.at + a.huge, a.huge, a.at, 2));
}

CLAUSE_F(settings, always_does_not_reach_a_disabled_process,
	 "Documentation/admin-guide/mm/transhuge.rst process THP controls: PR_SET_THP_DISABLE holds under always "
	 "too, for a huge page and for each smaller size",
	 THP_ADVICE, .needs = "thp root " SMAPS, WRITES_SIZES)
{
	SKIP_UNLESS_WRITABLE("enabled");
	ASSERT_RET(0, set_thp_disable(1, 0));
	ASSERT_OK(setting_set("enabled", "always"));
	settings_let_every_size_inherit();
	EXPECT_EQ(0, eligibility(0));
	EXPECT_EQ(0, eligibility(MADV_HUGEPAGE));
	expect_a_single_page(_metadata, 0);
	expect_a_single_page(_metadata, MADV_HUGEPAGE);
	ASSERT_RET(0, set_thp_disable(0, 0));
	EXPECT_EQ(1, eligibility(0));
}

CLAUSE(except_advised_is_told_by_get,
       "Documentation/admin-guide/mm/transhuge.rst PR_GET_THP_DISABLE: 3 when advised memory is excepted, 1 when "
       "huge pages are disabled altogether, 0 when they are not; each state can follow each",
       SINCE_EXCEPT_ADVISED)
{
	static const struct {
		unsigned long disable, flags;
		long told;
	} states[] = { { 0, 0, 0 }, { 1, 0, 1 }, { 1, EXCEPT_ADVISED, 3 } };

	for (unsigned int from = 0; from < COUNT(states); from++) {
		for (unsigned int to = 0; to < COUNT(states); to++) {
			EXPECT_RET(0, set_thp_disable(states[from].disable, states[from].flags));
			EXPECT_RET(0, set_thp_disable(states[to].disable, states[to].flags));
			EXPECT_RET(states[to].told, get_thp_disable());
		}
	}
}

CLAUSE(except_advised_is_inherited,
       "Documentation/admin-guide/mm/transhuge.rst process THP controls: the state with "
       "PR_THP_DISABLE_EXCEPT_ADVISED is inherited across fork(2) and execve(2)",
       SINCE_EXCEPT_ADVISED)
{
	ASSERT_RET(0, set_thp_disable(1, EXCEPT_ADVISED));
	IN_CHILD {
		EXPECT_RET(3, get_thp_disable());
	}
	EXPECT_EQ(3, state_after_exec());
	EXPECT_RET(3, get_thp_disable());
}

CLAUSE(except_advised_is_refused_with_anything_else,
       "kernel/sys.c prctl_set_thp_disable (7.2): flags are for disabling alone and an unknown flag gives EINVAL; "
       "the state stays as it was",
       SINCE_EXCEPT_ADVISED)
{
	ASSERT_RET(0, set_thp_disable(1, EXCEPT_ADVISED));
	EXPECT_ERR(EINVAL, set_thp_disable(0, EXCEPT_ADVISED));
	EXPECT_ERR(EINVAL, set_thp_disable(1, EXCEPT_ADVISED | 1));
	EXPECT_ERR(EINVAL, set_thp_disable(1, EXCEPT_ADVISED | 4));
	EXPECT_ERR(EINVAL, raw_syscall(__NR_prctl, PR_SET_THP_DISABLE, 1, EXCEPT_ADVISED, 1, 0));
	EXPECT_ERR(EINVAL, raw_syscall(__NR_prctl, PR_SET_THP_DISABLE, 1, EXCEPT_ADVISED, 0, 1));
	EXPECT_RET(3, get_thp_disable());
}

CLAUSE_F(settings, except_advised_leaves_advised_memory_alone,
	 "Documentation/admin-guide/mm/transhuge.rst PR_THP_DISABLE_EXCEPT_ADVISED: under always and madvise memory "
	 "with MADV_HUGEPAGE is eligible and no other; under never none is",
	 SINCE_EXCEPT_ADVISED, .config = "TRANSPARENT_HUGEPAGE", .needs = "thp root " SMAPS, WRITES_SIZES)
{
	static const char *const words[] = { "always", "madvise", "never" };

	SKIP_UNLESS_WRITABLE("enabled");
	ASSERT_OK(settings_follow_enabled_alone());
	ASSERT_RET(0, set_thp_disable(1, EXCEPT_ADVISED));
	for (unsigned int i = 0; i < COUNT(words); i++) {
		ASSERT_OK(setting_set("enabled", words[i]));
		EXPECT_EQ(0, eligibility(0))
			TH_LOG("%s", words[i]);
		EXPECT_EQ(0, eligibility(MADV_NOHUGEPAGE))
			TH_LOG("%s", words[i]);
		EXPECT_EQ(strcmp(words[i], "never") != 0, eligibility(MADV_HUGEPAGE))
			TH_LOG("%s", words[i]);
		expect_a_single_page(_metadata, 0);
		expect_a_single_page(_metadata, MADV_NOHUGEPAGE);
	}
}

CLAUSE(except_advised_lets_memory_be_collapsed,
       "Documentation/admin-guide/mm/transhuge.rst PR_THP_DISABLE_EXCEPT_ADVISED: MADV_COLLAPSE is advice enough, "
       "but not where MADV_NOHUGEPAGE was given [MAD-5]",
       SINCE_EXCEPT_ADVISED, .config = "TRANSPARENT_HUGEPAGE ADVISE_SYSCALLS", .needs = "thp " SMAPS)
{
	struct area a;
	long result;

	if (access(THP_DIR, F_OK))
		SKIP(return, "this kernel has no transparent huge pages");
	SKIP_UNLESS_HUGE(small_area(&a, 1));
	ASSERT_RET(0, set_thp_disable(1, EXCEPT_ADVISED));
	result = collapse(a.at, a.size);
	EXPECT_TRUE(result == 0 || is_bad_luck(result))
		TH_LOG("MADV_COLLAPSE gave %ld", result);
	EXPECT_EQ(NOWHERE, wrong_at(a.at, a.size, a.at, 1));
	area_unmap(&a);
	SKIP_UNLESS_HUGE(small_area(&a, 1));
	ASSERT_RET(0, set_thp_disable(1, EXCEPT_ADVISED));
	EXPECT_RET(0, advise(a.at, a.size, MADV_NOHUGEPAGE));
	EXPECT_ERR(EINVAL, advise(a.at, a.size, MADV_COLLAPSE));
	EXPECT_EQ(0, huge_bytes(&a));
	EXPECT_EQ(NOWHERE, wrong_at(a.at, a.size, a.at, 1));
}
