// SPDX-License-Identifier: GPL-2.0-only
// Settings and advice together: which memory huge pages may back, and what really is behind memory that was touched.
#include "clause.h"
#include "thp.h"

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

#define WRITES_ENABLED THP_ADVICE, .needs = "thp root " SMAPS, WRITES_SIZES

static const char *const words[] = { "always", "madvise", "never" };
static const int kinds_of_advice[] = { 0, MADV_HUGEPAGE, MADV_NOHUGEPAGE };

static const char *advice_name(int advice)
{
	return advice == MADV_HUGEPAGE ? "MADV_HUGEPAGE" : advice == MADV_NOHUGEPAGE ? "MADV_NOHUGEPAGE" : "no advice";
}

static bool map_advised(struct area *a, unsigned int huge_pages, int advice)
{
	return area_map(a, huge_pages) && (!advice || advise(a->at, a->size, advice) == 0);
}

enum backing { SMALL, HUGE, SHORT_OF_MEMORY };

// Negative where the kernel does not count them.
static long long faults_that_tried(void)
{
	return vmstat("thp_fault_alloc") + vmstat("thp_fault_fallback");
}

// What is behind areas with this advice once a byte of each is touched: HUGE at the first that a huge page backs, and
// SMALL only if the kernel did not so much as try: it counts each page it got for a fault, and each it could not get.
static enum backing backing_of_touched_area(int advice)
{
	long long tries = faults_that_tried();
	struct patience patience = { 0 };

	while (shall_try_again(&patience)) {
		bool is_huge;
		struct area a;

		if (!map_advised(&a, 1, advice))
			return SHORT_OF_MEMORY;
		area_touch(&a);
		is_huge = huge_bytes(&a) == (long long)a.size;
		area_unmap(&a);
		if (is_huge)
			return HUGE;
	}
	return tries >= 0 && tries == faults_that_tried() ? SMALL : SHORT_OF_MEMORY;
}

// One touched byte of such memory is one page and no more; reclaim may take even that.
static void expect_a_single_page(struct __test_metadata *_metadata, int advice, const char *setting)
{
	struct area a;

	ASSERT_TRUE(map_advised(&a, 1, advice));
	a.at[a.size / 2] = 1;
	EXPECT_EQ(0, huge_bytes(&a))
		TH_LOG("%s, %s", setting, advice_name(advice));
	EXPECT_LE(resident_bytes(a.at, a.size), page_size())
		TH_LOG("%s, %s", setting, advice_name(advice));
	EXPECT_EQ(1, a.at[a.size / 2]);
	area_unmap(&a);
}

// -1 if there is no such field.
static long long eligibility(int advice)
{
	struct area a;
	long long result;

	if (!map_advised(&a, 1, advice))
		return -1;
	result = field_at(a.at, "THPeligible");
	area_unmap(&a);
	return result;
}

CLAUSE(eligibility_is_what_the_present_settings_and_advice_allow,
       "Documentation/filesystems/proc.rst smaps THPeligible: 1 if the mapping may get a huge page of any size "
       "enabled now, else 0",
       THP_ADVICE, .needs = "thp " SMAPS)
{
	for (unsigned int i = 0; i < COUNT(kinds_of_advice); i++) {
		int advice = kinds_of_advice[i];
		bool before, after;
		long long seen;

		allow_huge_pages();
		do {	// the settings are the machine's, and may change meanwhile
			before = advice != MADV_NOHUGEPAGE && any_size_is_allowed(advice == MADV_HUGEPAGE);
			seen = eligibility(advice);
			after = advice != MADV_NOHUGEPAGE && any_size_is_allowed(advice == MADV_HUGEPAGE);
		} while (before != after);
		EXPECT_EQ(before, seen)
			TH_LOG("%s", advice_name(advice));
	}
}

CLAUSE_F(settings, eligibility_follows_each_word_of_enabled,
	 "Documentation/admin-guide/mm/transhuge.rst enabled: always makes all memory eligible but for "
	 "MADV_NOHUGEPAGE, madvise that with MADV_HUGEPAGE alone, never none, at once",
	 WRITES_ENABLED)
{
	static const int expected[COUNT(words)][COUNT(kinds_of_advice)] = { { 1, 1, 0 }, { 0, 1, 0 }, { 0, 0, 0 } };

	SKIP_UNLESS_WRITABLE("enabled");
	ASSERT_OK(settings_follow_enabled_alone());
	for (unsigned int w = 0; w < COUNT(words); w++) {
		ASSERT_OK(setting_set("enabled", words[w]));
		for (unsigned int i = 0; i < COUNT(kinds_of_advice); i++) {
			EXPECT_EQ(expected[w][i], eligibility(kinds_of_advice[i]))
				TH_LOG("%s, %s", words[w], advice_name(kinds_of_advice[i]));
		}
	}
}

CLAUSE_F(settings, a_mapping_without_room_for_a_huge_page_is_not_eligible,
	 "Documentation/admin-guide/mm/transhuge.rst Optimizing the applications: a huge page is naturally aligned: "
	 "a mapping that holds no whole one is not eligible and gets none, however large it is",
	 WRITES_ENABLED)
{
	const size_t page = page_size();
	struct area a;
	char *inner;
	size_t size;

	SKIP_UNLESS_WRITABLE("enabled");
	ASSERT_OK(settings_follow_enabled_alone());
	ASSERT_OK(setting_set("enabled", "always"));
	ASSERT_TRUE(area_map(&a, 2));
	munmap(a.at, page);
	munmap(a.at + a.size - page, page);
	inner = a.at + page;
	size = a.size - 2 * page;
	EXPECT_RET(0, advise(inner, size, MADV_HUGEPAGE));
	EXPECT_EQ(0, field_at(inner, "THPeligible"));
	inner[0] = inner[a.huge / 2] = inner[size / 2] = inner[size - 1] = 1;
	EXPECT_EQ(0, field_at(inner, "AnonHugePages"));
	EXPECT_LE(resident_bytes(inner, size), 4 * page);
}

CLAUSE(memory_advised_against_gets_no_huge_page,
       "madvise(2) MADV_NOHUGEPAGE: the range is not backed by huge pages of any size: one touched byte takes one "
       "page [RSQ-5]",
       THP_ADVICE, .needs = SMAPS, .needed_by = "tcmalloc:HugePageFiller")
{
	allow_huge_pages();
	expect_a_single_page(_metadata, MADV_NOHUGEPAGE, "present settings");
}

CLAUSE(memory_advised_for_gets_a_huge_page_where_the_setting_allows,
       "madvise(2) MADV_HUGEPAGE: at the first touch of an aligned range the kernel tries to back it by a huge page "
       "[incident 90]",
       THP_ADVICE, .needs = "thp " SMAPS, .needed_by = "jvm:THPSupport")
{
	enum backing seen;

	allow_huge_pages();
	if (!huge_page_is_allowed(true))
		SKIP(return, "the present setting forbids huge pages");
	seen = backing_of_touched_area(MADV_HUGEPAGE);
	if (seen == SHORT_OF_MEMORY || !huge_page_is_allowed(true))
		SKIP(return, "no huge page could be had: memory is short or in pieces");
	EXPECT_EQ(HUGE, seen);
}

CLAUSE_F(settings, each_word_and_each_advice_decide_what_backs_touched_memory,
	 "Documentation/admin-guide/mm/transhuge.rst enabled: under always a touched aligned range gets a huge page "
	 "but for MADV_NOHUGEPAGE, under madvise with MADV_HUGEPAGE alone, under never none does [MAD-4]",
	 WRITES_ENABLED, .needed_by = "jvm:THPSupport")
{
	static const bool may_be_huge[COUNT(words)][COUNT(kinds_of_advice)] = {
		{ true, true, false }, { false, true, false }, { false, false, false }
	};

	SKIP_UNLESS_WRITABLE("enabled");
	ASSERT_OK(settings_follow_enabled_alone());
	for (unsigned int w = 0; w < COUNT(words); w++) {
		ASSERT_OK(setting_set("enabled", words[w]));
		for (unsigned int i = 0; i < COUNT(kinds_of_advice); i++) {
			if (!may_be_huge[w][i]) {
				expect_a_single_page(_metadata, kinds_of_advice[i], words[w]);
				continue;
			}
			EXPECT_NE(SMALL, backing_of_touched_area(kinds_of_advice[i]))
				TH_LOG("%s, %s: the kernel did not try", words[w], advice_name(kinds_of_advice[i]));
		}
	}
}

CLAUSE(a_huge_page_is_aligned_and_as_long_as_hpage_pmd_size_says,
       "Documentation/admin-guide/mm/transhuge.rst hpage_pmd_size: a touched byte anywhere in an aligned range of "
       "that size makes all of it resident and counts as one huge page, and its neighbours stay untouched [THP-1]",
       THP_ADVICE, .needs = "thp " SMAPS, .needed_by = "glibc:__malloc_default_thp_pagesize")
{
	struct patience patience = { 0 };
	struct area a = { 0 };

	allow_huge_pages();
	while (shall_try_again(&patience)) {
		ASSERT_TRUE(map_advised(&a, 3, MADV_HUGEPAGE));
		a.at[a.huge + a.huge / 2 + 1] = 1;
		if (huge_bytes(&a))
			break;
		area_unmap(&a);
	}
	SKIP_UNLESS_HUGE(huge_bytes(&a));
	EXPECT_EQ(a.huge, huge_bytes(&a));
	EXPECT_EQ(a.huge, resident_bytes(a.at, a.size));
	munmap(a.at + 2 * a.huge, a.huge);
	munmap(a.at, a.huge);
	EXPECT_EQ(a.huge, resident_bytes(a.at, a.size));
	EXPECT_EQ(1, a.at[a.huge + a.huge / 2 + 1]);
}

CLAUSE(each_huge_page_is_counted,
       "Documentation/admin-guide/mm/transhuge.rst Monitoring usage: thp_fault_alloc in /proc/vmstat rises with "
       "each huge page that a fault gets, and so does anon_fault_alloc among the stats of its size",
       SIZE_DIRECTORIES(6, 12), .needs = "thp file=/proc/vmstat " SMAPS)
{
	long long vm_before = vmstat("thp_fault_alloc"), stat_before;
	char name[SETTING_NAME], text[SETTING_TEXT];

	if (!huge_page_is_allowed(true) || vm_before < 0)
		SKIP(return, "the present setting forbids huge pages, or events are not counted");
	snprintf(name, sizeof(name), "hugepages-%zukB/stats/anon_fault_alloc", huge_page_size() / 1024);
	ASSERT_OK(setting_text(name, text));
	stat_before = strtoll(text, NULL, 10);
	allow_huge_pages();
	SKIP_UNLESS_HUGE(backing_of_touched_area(MADV_HUGEPAGE) == HUGE);
	EXPECT_GT(vmstat("thp_fault_alloc"), vm_before);
	ASSERT_OK(setting_text(name, text));
	EXPECT_GT(strtoll(text, NULL, 10), stat_before);
}

CLAUSE_F(settings, reading_untouched_memory_takes_none_with_use_zero_page,
	 "Documentation/admin-guide/mm/transhuge.rst use_zero_page: with 1 a read of untouched memory maps a page "
	 "of zeros that all share, and takes no memory",
	 THP_ADVICE, .needs = "thp root " SMAPS,
	 .writes = THP_DIR "/use_zero_page," THP_DIR "/enabled," RESERVE_FILE, .exclusive = 1)
{
	struct area a;

	SKIP_UNLESS_WRITABLE("use_zero_page");
	ASSERT_OK(setting_set("use_zero_page", "1"));
	ASSERT_OK(setting_set("enabled", "madvise"));
	SKIP_UNLESS_HUGE(map_unread(&a, 2));
	EXPECT_EQ(NOWHERE, nonzero_at(a.at, a.size));
	EXPECT_EQ(0, resident_bytes(a.at, a.size));
	EXPECT_EQ(0, huge_bytes(&a));
}

CLAUSE_F(settings, reading_untouched_memory_gives_zeros_without_use_zero_page,
	 "Documentation/admin-guide/mm/transhuge.rst use_zero_page: with 0 a read of untouched memory gets pages of "
	 "its own, all zero, and what is written to one area shows in no other",
	 THP_ADVICE, .needs = "thp root " SMAPS,
	 .writes = THP_DIR "/use_zero_page," THP_DIR "/enabled," RESERVE_FILE, .exclusive = 1)
{
	struct area a, b;

	SKIP_UNLESS_WRITABLE("use_zero_page");
	ASSERT_OK(setting_set("use_zero_page", "0"));
	ASSERT_OK(setting_set("enabled", "madvise"));
	SKIP_UNLESS_HUGE(map_unread(&a, 1));
	SKIP_UNLESS_HUGE(map_unread(&b, 1));
	EXPECT_EQ(NOWHERE, nonzero_at(a.at, a.size));
	EXPECT_EQ(NOWHERE, nonzero_at(b.at, b.size));
	fill(a.at, a.size, a.at, 1);
	EXPECT_EQ(NOWHERE, nonzero_at(b.at, b.size));
	EXPECT_EQ(NOWHERE, wrong_at(a.at, a.size, a.at, 1));
}

static void always_this_size(const char *directory, void *arg)
{
	struct __test_metadata *_metadata = arg;
	char name[SETTING_NAME], path[SETTING_PATH];
	size_t size = size_of_directory(directory), filled;
	struct area a;

	snprintf(name, sizeof(name), "%s/enabled", directory);
	if (access(setting_path(name, path), F_OK))
		return;
	ASSERT_OK(setting_set(name, "always"));
	EXPECT_EQ(1, eligibility(0))
		TH_LOG("%s", directory);
	expect_a_single_page(_metadata, MADV_NOHUGEPAGE, directory);
	ASSERT_TRUE(area_map(&a, 1));
	a.at[a.size / 2] = 1;
	EXPECT_LE(resident_bytes(a.at, a.size), size)
		TH_LOG("one byte was touched with %s", name);
	a.at[a.size / 2] = 0;
	EXPECT_EQ(NOWHERE, nonzero_at(a.at, a.size));
	filled = a.size <= LARGEST_TOUCHED ? a.size : LARGEST_TOUCHED;
	fill(a.at, filled, a.at, size);
	EXPECT_EQ(NOWHERE, wrong_at(a.at, filled, a.at, size));
	area_unmap(&a);
	EXPECT_OK(setting_set(name, "never"));
}

static void never_this_size(const char *directory, void *arg)
{
	char name[SETTING_NAME], path[SETTING_PATH];

	snprintf(name, sizeof(name), "%s/enabled", directory);
	if (!access(setting_path(name, path), F_OK))
		setting_set(name, "never");
}

CLAUSE_F(settings, each_size_can_be_the_only_one,
	 "Documentation/admin-guide/mm/transhuge.rst hugepages-<size>kB/enabled: with one size set to always and "
	 "all others to never, memory is eligible, a touched byte takes no more than this size, and MADV_NOHUGEPAGE "
	 "holds for it too",
	 SIZE_DIRECTORIES(6, 8), .needs = "thp root " SMAPS, WRITES_SIZES)
{
	SKIP_UNLESS_WRITABLE("enabled");
	ASSERT_OK(setting_set("enabled", "never"));
	each_size(never_this_size, NULL);
	each_size(always_this_size, _metadata);
}
