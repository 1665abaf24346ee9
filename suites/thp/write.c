// SPDX-License-Identifier: GPL-2.0-only
// Transparent huge pages in sysfs: which texts a setting takes, which it refuses, who may write it.
#include "clause.h"
#include "setting.h"

FIXTURE(settings) {
	struct saved_settings before;
};

FIXTURE_SETUP(settings)
{
	settings_save(&self->before);
}

FIXTURE_TEARDOWN_PARENT(settings)
{
	settings_restore(&self->before);
}

#define TEXTS(...) ((const char *const[]){ __VA_ARGS__, NULL })

// A text is taken whole, with or without a newline, and is then what the file says.
static void expect_taken(struct __test_metadata *_metadata, const char *name, const char *text)
{
	char value[64];

	EXPECT_RET(strlen(text), setting_write(name, text, strlen(text)))
		TH_LOG("writing \"%s\" to %s", text, name);
	EXPECT_STREQ(text, setting_value(name, value));
}

static void expect_all_taken(struct __test_metadata *_metadata, const char *name, const char *const *texts)
{
	char value[64];

	for (int i = 0; texts[i]; i++)
		expect_taken(_metadata, name, texts[i]);
	for (int i = 0; texts[i]; i++) {
		EXPECT_OK(setting_set(name, texts[i]))
			TH_LOG("writing \"%s\\n\" to %s", texts[i], name);
		EXPECT_STREQ(texts[i], setting_value(name, value));
	}
}

// A text is refused with EINVAL, and the value stays.
static void expect_refused(struct __test_metadata *_metadata, const char *name, const char *text)
{
	char before[64], after[64];

	setting_value(name, before);
	EXPECT_ERR(EINVAL, setting_write(name, text, strlen(text)))
		TH_LOG("writing \"%.40s\" to %s", text, name);
	EXPECT_STREQ(before, setting_value(name, after))
		TH_LOG("after writing \"%.40s\" to %s", text, name);
}

static void expect_all_refused(struct __test_metadata *_metadata, const char *name, const char *const *texts)
{
	for (; *texts; texts++)
		expect_refused(_metadata, name, *texts);
}

// What no file of words takes: parts, cases, blanks, brackets, several words, too much.
static void expect_no_junk_taken(struct __test_metadata *_metadata, const char *name)
{
	static char endless[6000];

	memset(endless, 'a', sizeof(endless) - 1);
	expect_all_refused(_metadata, name, TEXTS("\n", "a", "alway", "nev", "neverr", "alwaysalways", "Always"));
	expect_all_refused(_metadata, name, TEXTS(" always", "always ", "never\n\n", "[never]", "always never"));
	expect_all_refused(_metadata, name, TEXTS("madvise,never", "0", "1", "-1", endless));
	memcpy(endless, "never", 5);
	expect_refused(_metadata, name, endless);
}

CLAUSE_F(settings, enabled_takes_each_of_its_words,
	 "Documentation/admin-guide/mm/transhuge.rst enabled: each of the three words can be written, with or "
	 "without a newline, and is the setting then",
	 THP_SYSFS, WRITES_SETTINGS(THP_DIR "/enabled"))
{
	SKIP_UNLESS_WRITABLE("enabled");
	expect_all_taken(_metadata, "enabled", TEXTS("always", "madvise", "never"));
}

CLAUSE_F(settings, enabled_refuses_anything_else_and_stays,
	 "mm/huge_memory.c enabled_store (5.10..7.2): a text that is not one of the words whole gives EINVAL and "
	 "leaves the setting as it was",
	 THP_SYSFS, WRITES_SETTINGS(THP_DIR "/enabled"))
{
	SKIP_UNLESS_WRITABLE("enabled");
	expect_no_junk_taken(_metadata, "enabled");
	expect_all_refused(_metadata, "enabled", TEXTS("inherit", "defer", "advise", "madvis", "force"));
}

CLAUSE_F(settings, defrag_takes_each_of_its_words,
	 "Documentation/admin-guide/mm/transhuge.rst defrag: each of the five words can be written, with or without "
	 "a newline, and is the setting then",
	 THP_SYSFS, WRITES_SETTINGS(THP_DIR "/defrag"))
{
	SKIP_UNLESS_WRITABLE("defrag");
	expect_all_taken(_metadata, "defrag", TEXTS("always", "defer", "defer+madvise", "madvise", "never"));
}

CLAUSE_F(settings, defrag_refuses_anything_else_and_stays,
	 "mm/huge_memory.c defrag_store (5.10..7.2): a text that is not one of the words whole gives EINVAL and "
	 "leaves the setting as it was",
	 THP_SYSFS, WRITES_SETTINGS(THP_DIR "/defrag"))
{
	SKIP_UNLESS_WRITABLE("defrag");
	expect_no_junk_taken(_metadata, "defrag");
	expect_all_refused(_metadata, "defrag",
			   TEXTS("defer+", "defer+madvis", "defermadvise", "madvise+defer", "inherit"));
}

// Sizes other than a whole huge page that inherit make shmem_enabled refuse force, and force makes them refuse inherit.
struct inheriting {
	bool small, huge;
};

static void look_for_inherit(const char *directory, void *arg)
{
	struct inheriting *found = arg;
	char name[SETTING_NAME];

	snprintf(name, sizeof(name), "%s/shmem_enabled", directory);
	if (size_of_directory(directory) == huge_page_size())
		found->huge = setting_is(name, "inherit");
	else
		found->small |= setting_is(name, "inherit");
}

CLAUSE_F(settings, shmem_enabled_takes_each_of_its_words,
	 "Documentation/admin-guide/mm/transhuge.rst shmem_enabled: each of the six words can be written, with or "
	 "without a newline, and is the setting then; force may be refused where the setting reaches small sizes",
	 SHMEM_ENABLED, WRITES_SETTINGS(THP_DIR "/shmem_enabled"))
{
	struct inheriting found = { false, true };

	SKIP_UNLESS_WRITABLE("shmem_enabled");
	expect_all_taken(_metadata, "shmem_enabled", TEXTS("always", "within_size", "advise", "never", "deny"));
	each_size(look_for_inherit, &found);
	if (found.huge && !found.small)
		expect_all_taken(_metadata, "shmem_enabled", TEXTS("force", "never", "force"));
}

CLAUSE_F(settings, shmem_enabled_refuses_anything_else_and_stays,
	 "mm/shmem.c shmem_enabled_store (5.10..7.2): a text that is not one of the words whole gives EINVAL and "
	 "leaves the setting as it was",
	 SHMEM_ENABLED, WRITES_SETTINGS(THP_DIR "/shmem_enabled"))
{
	SKIP_UNLESS_WRITABLE("shmem_enabled");
	expect_no_junk_taken(_metadata, "shmem_enabled");
	expect_all_refused(_metadata, "shmem_enabled",
			   TEXTS("madvise", "inherit", "within", "within_sizes", "within_size within_size"));
}

CLAUSE_F(settings, use_zero_page_takes_zero_and_one,
	 "Documentation/admin-guide/mm/transhuge.rst use_zero_page: 0 and 1 can be written and are the setting "
	 "then; other texts give EINVAL and leave it as it was",
	 THP_SYSFS, WRITES_SETTINGS(THP_DIR "/use_zero_page"))
{
	SKIP_UNLESS_WRITABLE("use_zero_page");
	expect_all_taken(_metadata, "use_zero_page", TEXTS("0", "1", "0"));
	expect_all_refused(_metadata, "use_zero_page",
			   TEXTS("2", "-1", "10", "0x1", "1.0", " 1", "1 ", "0 1", "y", "on", "always", "\n"));
}

CLAUSE_F(settings, shrink_underused_takes_zero_and_one,
	 "Documentation/admin-guide/mm/transhuge.rst shrink_underused: 0 and 1 can be written and are the setting "
	 "then; what is no choice gives EINVAL and leaves it as it was",
	 .since = KERNEL(6, 12), .config = "TRANSPARENT_HUGEPAGE SYSFS", .probe = probe_shrink_underused,
	 .absent_errno = ENOENT, WRITES_SETTINGS(THP_DIR "/shrink_underused"))
{
	SKIP_UNLESS_WRITABLE("shrink_underused");
	expect_all_taken(_metadata, "shrink_underused", TEXTS("0", "1", "0"));
	expect_all_refused(_metadata, "shrink_underused", TEXTS("2", "-1", "always", "x", "\n"));
}

#define KHUGEPAGED_FILES \
	THP_DIR "/khugepaged/defrag," THP_DIR "/khugepaged/pages_to_scan," THP_DIR "/khugepaged/scan_sleep_millisecs," \
	THP_DIR "/khugepaged/alloc_sleep_millisecs," THP_DIR "/khugepaged/max_ptes_none," \
	THP_DIR "/khugepaged/max_ptes_swap," THP_DIR "/khugepaged/max_ptes_shared"

// The most pages that each of these may name: one less than a huge page has.
static const char *const pages_of_a_huge_page[] = { "khugepaged/max_ptes_none", "khugepaged/max_ptes_swap",
	"khugepaged/max_ptes_shared" };

CLAUSE_F(settings, khugepaged_takes_numbers_within_their_bounds,
	 "Documentation/admin-guide/mm/transhuge.rst Khugepaged controls: numbers within their bounds can be "
	 "written and are the setting then [RSQ-5]",
	 THP_SYSFS, WRITES_SETTINGS(KHUGEPAGED_FILES))
{
	char most[32];

	snprintf(most, sizeof(most), "%zu", huge_page_size() / page_size() - 1);
	SKIP_UNLESS_WRITABLE("khugepaged/defrag");
	for (unsigned int i = 0; i < COUNT(pages_of_a_huge_page); i++)
		expect_all_taken(_metadata, pages_of_a_huge_page[i], TEXTS("0", "1", most));
	expect_all_taken(_metadata, "khugepaged/pages_to_scan", TEXTS("1", "4096", "4294967295"));
	expect_all_taken(_metadata, "khugepaged/scan_sleep_millisecs", TEXTS("30000", "4294967295"));
	expect_all_taken(_metadata, "khugepaged/alloc_sleep_millisecs", TEXTS("30000", "4294967295"));
	expect_all_taken(_metadata, "khugepaged/defrag", TEXTS("0", "1", "0"));
}

CLAUSE_F(settings, khugepaged_refuses_numbers_beyond_their_bounds,
	 "mm/khugepaged.c *_store (5.10..7.2): a number beyond its bounds and a text that is no number give EINVAL "
	 "and leave the setting as it was [RSQ-5]",
	 THP_SYSFS, WRITES_SETTINGS(KHUGEPAGED_FILES))
{
	static const char *const numbers[] = { "khugepaged/pages_to_scan", "khugepaged/scan_sleep_millisecs",
		"khugepaged/alloc_sleep_millisecs", "khugepaged/max_ptes_none", "khugepaged/max_ptes_swap",
		"khugepaged/max_ptes_shared" };
	char beyond[32];

	snprintf(beyond, sizeof(beyond), "%zu", huge_page_size() / page_size());
	SKIP_UNLESS_WRITABLE("khugepaged/defrag");
	for (unsigned int i = 0; i < COUNT(pages_of_a_huge_page); i++)
		expect_refused(_metadata, pages_of_a_huge_page[i], beyond);
	for (unsigned int i = 0; i < COUNT(numbers); i++)
		expect_all_refused(_metadata, numbers[i],
				   TEXTS("4294967296", "99999999999999999999999", "-1", "x", "1.5", " 1", "1 2", "\n"));
	expect_refused(_metadata, "khugepaged/pages_to_scan", "0");
	expect_all_refused(_metadata, "khugepaged/defrag", TEXTS("2", "-1", "x", "always", "\n"));
}

// Runs a check for the named file of each size that has it.
struct each_size_arg {
	struct __test_metadata *_metadata;
	const char *file;
	void (*check)(struct __test_metadata *_metadata, const char *name);
};

static void check_file_of_size(const char *directory, void *arg)
{
	struct each_size_arg *a = arg;
	char name[SETTING_NAME], path[SETTING_PATH];

	snprintf(name, sizeof(name), "%s/%s", directory, a->file);
	if (!access(setting_path(name, path), F_OK))
		a->check(a->_metadata, name);
}

static void check_enabled_of_size(struct __test_metadata *_metadata, const char *name)
{
	expect_all_taken(_metadata, name, TEXTS("always", "inherit", "madvise", "never"));
	expect_no_junk_taken(_metadata, name);
	expect_all_refused(_metadata, name, TEXTS("inherited", "inheri", "advise", "within_size", "defer"));
}

CLAUSE_F(settings, enabled_of_each_size_takes_its_words_alone,
	 "Documentation/admin-guide/mm/transhuge.rst hugepages-<size>kB/enabled: always, inherit, madvise and never "
	 "can be written and are the setting then; other texts give EINVAL and leave it as it was",
	 SIZE_DIRECTORIES(6, 8), .needs = "thp root", WRITES_SIZES)
{
	struct each_size_arg arg = { _metadata, "enabled", check_enabled_of_size };

	SKIP_UNLESS_WRITABLE("enabled");
	each_size(check_file_of_size, &arg);
}

static void check_shmem_enabled_of_size(struct __test_metadata *_metadata, const char *name)
{
	expect_all_taken(_metadata, name, TEXTS("always", "inherit", "within_size", "advise", "never"));
	expect_no_junk_taken(_metadata, name);
	expect_all_refused(_metadata, name, TEXTS("inherited", "madvise", "within", "deny", "force"));
}

CLAUSE_F(settings, shmem_enabled_of_each_size_takes_its_words_alone,
	 "Documentation/admin-guide/mm/transhuge.rst hugepages-<size>kB/shmem_enabled: always, inherit, "
	 "within_size, advise and never can be written and are the setting then; other texts give EINVAL and leave "
	 "it as it was",
	 SIZE_DIRECTORIES(6, 11), .needs = "thp root", WRITES_SIZES)
{
	struct each_size_arg arg = { _metadata, "shmem_enabled", check_shmem_enabled_of_size };

	SKIP_UNLESS_WRITABLE("enabled");
	if (setting_is("shmem_enabled", "force"))
		ASSERT_OK(setting_set("shmem_enabled", "never"));
	each_size(check_file_of_size, &arg);
}

CLAUSE_F(settings, an_empty_write_changes_nothing,
	 "fs/sysfs/file.c sysfs_kf_write (5.10..7.2): a write of no bytes returns 0 and leaves the setting as it "
	 "was",
	 THP_SYSFS, WRITES_SETTINGS(THP_DIR "/enabled," THP_DIR "/use_zero_page"))
{
	static const char *const names[] = { "enabled", "use_zero_page" };
	char before[64], after[64];

	SKIP_UNLESS_WRITABLE("enabled");
	for (unsigned int i = 0; i < COUNT(names); i++) {
		setting_value(names[i], before);
		EXPECT_RET(0, setting_write(names[i], "", 0));
		EXPECT_STREQ(before, setting_value(names[i], after));
	}
}

CLAUSE(a_process_without_privilege_may_not_write,
       "path_resolution(7) Permissions: a process without privilege that opens a setting for writing gets EACCES",
       THP_SYSFS, .needs = "thp", .as_nobody = 1)
{
	static const char *const names[] = { "enabled", "defrag", "use_zero_page", "khugepaged/defrag",
		"khugepaged/pages_to_scan", "khugepaged/scan_sleep_millisecs", "khugepaged/alloc_sleep_millisecs",
		"khugepaged/max_ptes_none", "khugepaged/max_ptes_swap", "khugepaged/max_ptes_shared" };
	char path[SETTING_PATH];

	if (!drop_privilege())
		SKIP(return, "this process cannot become another user");
	for (unsigned int i = 0; i < COUNT(names); i++) {
		setting_path(names[i], path);
		EXPECT_ERR(EACCES, raw_syscall(__NR_openat, AT_FDCWD, path, O_WRONLY | O_CLOEXEC))
			TH_LOG("%s", path);
	}
}
