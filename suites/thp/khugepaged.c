// SPDX-License-Identifier: GPL-2.0-only
// khugepaged: the kernel thread that makes huge pages of small ones behind a process's back, and what it must not do.
// It scans the memory of everybody on the machine at the lowest priority: its rounds have a bound only where nobody else is.
#include "clause.h"

#include "thp.h"
#include "thread.h"

#define KHUGEPAGED "khugepaged/"

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

#define WRITES_KHUGEPAGED .writes = THP_DIR "/enabled," THP_DIR "/khugepaged/max_ptes_none," \
	THP_DIR "/khugepaged/pages_to_scan," THP_DIR "/khugepaged/alloc_sleep_millisecs," \
	THP_DIR "/khugepaged/scan_sleep_millisecs" EACH_SIZE_ "," RESERVE_FILE, .exclusive = 1

// Makes it scan at once and in one go, whatever it has to scan.
static long hurry(const char *max_ptes_none)
{
	return settings_follow_enabled_alone() ?:
	       setting_set("enabled", "madvise") ?:
	       setting_set(KHUGEPAGED "max_ptes_none", max_ptes_none) ?:
	       setting_set(KHUGEPAGED "pages_to_scan", "1000000") ?:
	       setting_set(KHUGEPAGED "alloc_sleep_millisecs", "10") ?:
	       setting_set(KHUGEPAGED "scan_sleep_millisecs", "1");
}

static unsigned long full_scans(void)
{
	char text[SETTING_TEXT];

	return setting_text(KHUGEPAGED "full_scans", text) > 0 ? strtoul(text, NULL, 10) : 0;
}

// Until it has seen all memory that there is now from end to end. False if that takes too long on this machine.
static bool wait_for_a_full_scan(void)
{
	unsigned long before = full_scans();

	return wait_until(full_scans() - before >= 2);
}

#define SKIP_IF_SLOW(done) do {								\
	if (!(done)) {									\
		if (_metadata->exit_code == KSFT_FAIL)					\
			return;								\
		SKIP(return, "khugepaged did not come round in time");			\
	}										\
} while (0)

struct writer {
	uint64_t *word;
	size_t words;
	volatile bool stop;
	volatile unsigned long rounds, lost;
};

static int writer_main(void *arg)
{
	struct writer *w = arg;

	for (uint64_t round = 1; !w->stop; round++) {
		for (size_t i = 0; i < w->words; i++)
			((volatile uint64_t *)w->word)[i] = round + i;
		for (size_t i = 0; i < w->words; i++)
			w->lost += ((volatile uint64_t *)w->word)[i] != round + i;
		w->rounds = round;
		raw_syscall(__NR_sched_yield);	// khugepaged has the lowest priority
	}
	return 0;
}

CLAUSE_F(settings, small_pages_are_collapsed_with_their_contents_while_they_are_written,
	 "Documentation/admin-guide/mm/transhuge.rst: khugepaged scans memory and collapses sequences of basic "
	 "pages into huge pages: contents stay, and no write is lost meanwhile [RSQ-5]",
	 THP_ADVICE, .needs = "own_machine thp root cpus=2 " SMAPS, WRITES_KHUGEPAGED,
	 .needed_by = "jvm:THPSupport tcmalloc:HugePageFiller")
{
	const size_t page = page_size();
	struct writer w = { 0 };
	struct thread t;
	struct area a;
	bool collapsed;

	SKIP_UNLESS_WRITABLE("enabled");
	SKIP_UNLESS_HUGE(small_area(&a, 1));
	w.word = (uint64_t *)(a.at + page);
	w.words = page / sizeof(uint64_t);
	ASSERT_OK(thread_start(&t, writer_main, &w));
	EXPECT_RET(0, advise(a.at, a.size, MADV_HUGEPAGE));
	EXPECT_OK(hurry("0"));
	collapsed = wait_until(huge_bytes(&a) == a.size);
	w.stop = true;
	ASSERT_TRUE(thread_join(&t));
	EXPECT_EQ(0, w.lost);
	EXPECT_EQ(NOWHERE, wrong_at(a.at, page, a.at, 1));
	EXPECT_EQ(NOWHERE, wrong_at(a.at + 2 * page, a.size - 2 * page, a.at, 1));
	SKIP_IF_SLOW(collapsed);
}

CLAUSE_F(settings, memory_advised_against_or_of_a_disabled_process_stays_small,
	 "madvise(2) MADV_NOHUGEPAGE, transhuge.rst process THP controls: khugepaged collapses neither memory "
	 "advised against nor any of a process with PR_SET_THP_DISABLE [RSQ-5] [incident 89]",
	 THP_ADVICE, .needs = "own_machine thp root " SMAPS, WRITES_KHUGEPAGED, .needed_by = "tcmalloc:HugePageFiller")
{
	struct area advised, against;
	bool scanned;

	SKIP_UNLESS_WRITABLE("enabled");
	// Both are memory that khugepaged looks at: it may come before it is told not to, but not again and again.
	for (int attempt = 0; attempt < 10; attempt++) {
		ASSERT_RET(0, raw_syscall(__NR_prctl, PR_SET_THP_DISABLE, 0, 0, 0, 0));
		SKIP_UNLESS_HUGE(small_area(&against, 1));
		SKIP_UNLESS_HUGE(small_area(&advised, 1));
		EXPECT_RET(0, advise(against.at, against.size, MADV_HUGEPAGE));
		EXPECT_RET(0, advise(against.at, against.size, MADV_NOHUGEPAGE));
		EXPECT_RET(0, advise(advised.at, advised.size, MADV_HUGEPAGE));
		ASSERT_RET(0, raw_syscall(__NR_prctl, PR_SET_THP_DISABLE, 1, 0, 0, 0));
		if (!huge_bytes(&against) && !huge_bytes(&advised))
			break;
	}
	EXPECT_OK(hurry("0"));
	scanned = wait_for_a_full_scan();
	EXPECT_EQ(0, huge_bytes(&against));
	EXPECT_EQ(0, huge_bytes(&advised));
	EXPECT_OK(setting_set("enabled", "always"));	// under madvise it is safe without the advice
	allow_huge_pages();
	scanned = scanned && wait_for_a_full_scan();
	EXPECT_EQ(0, huge_bytes(&against));
	EXPECT_EQ(NOWHERE, wrong_at(against.at, against.size, against.at, 1));
	EXPECT_EQ(NOWHERE, wrong_at(advised.at, advised.size, advised.at, 1));
	SKIP_IF_SLOW(scanned);
}

CLAUSE_F(settings, dropped_pages_stay_dropped_where_max_ptes_none_is_zero,
	 "Documentation/admin-guide/mm/transhuge.rst max_ptes_none: with 0 khugepaged makes no huge page of a range "
	 "from which pages were dropped: it does not take up the memory again [MAD-1] [incident 89]",
	 THP_ADVICE, .needs = "own_machine thp root " SMAPS, WRITES_KHUGEPAGED,
	 .needed_by = "tcmalloc:SystemRelease v8:OS::DiscardSystemPages")
{
	const size_t page = page_size();
	struct area a;
	bool scanned;

	SKIP_UNLESS_WRITABLE("enabled");
	SKIP_UNLESS_HUGE(small_area(&a, 1));
	EXPECT_RET(0, advise(a.at + page, page, MADV_DONTNEED));
	EXPECT_OK(hurry("0"));
	EXPECT_RET(0, advise(a.at, a.size, MADV_HUGEPAGE));
	scanned = wait_for_a_full_scan();
	EXPECT_EQ(0, huge_bytes(&a));
	EXPECT_LE(resident_bytes(a.at, a.size), a.size - page);
	EXPECT_EQ(NOWHERE, nonzero_at(a.at + page, page));
	EXPECT_EQ(NOWHERE, wrong_at(a.at, page, a.at, 1));
	EXPECT_EQ(NOWHERE, wrong_at(a.at + 2 * page, a.size - 2 * page, a.at, 1));
	SKIP_IF_SLOW(scanned);
}
