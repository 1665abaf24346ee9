// SPDX-License-Identifier: GPL-2.0-only
// Transparent huge pages in sysfs: what each file may contain, for the parsers of allocators and runtimes.
#include "clause.h"

#include <sys/stat.h>

#include "guard.h"
#include "setting.h"

// A decimal number without ornament and a newline, nothing else; -1 if it is not.
static long long number_in(const char *text)
{
	unsigned long long value;
	char again[32];

	if (sscanf(text, "%20llu", &value) != 1)
		return -1;
	snprintf(again, sizeof(again), "%llu\n", value);
	return strcmp(text, again) ? -1 : (long long)(value & INT64_MAX);
}

static void expect_number(struct __test_metadata *_metadata, const char *file, long long least, long long most)
{
	char text[SETTING_TEXT];
	long long value;

	ASSERT_OK(setting_text(file, text));
	value = number_in(text);
	EXPECT_TRUE(value >= least && value <= most)
		TH_LOG("%s holds \"%s\", want a number from %lld to %lld and a newline", file, text, least, most);
}

// The words in order, one space between, exactly one of them in brackets, a newline.
static bool is_choice(const char *text, const char *const *words)
{
	int chosen = 0;

	for (; *words; words++) {
		bool in_brackets = *text == '[';
		size_t n = strlen(*words);

		text += in_brackets;
		chosen += in_brackets;
		if (strncmp(text, *words, n))
			return false;
		text += n;
		if (in_brackets && *text++ != ']')
			return false;
		if (*text++ != (words[1] ? ' ' : '\n'))
			return false;
	}
	return chosen == 1 && !*text;
}

static void expect_choice(struct __test_metadata *_metadata, const char *file, const char *const *words)
{
	char text[SETTING_TEXT];

	ASSERT_OK(setting_text(file, text));
	EXPECT_TRUE(is_choice(text, words))
		TH_LOG("%s holds \"%s\": not its words in order, one of them in brackets, and a newline", file, text);
}

#define EXPECT_CHOICE(file, ...) \
	expect_choice(_metadata, file, (const char *const[]){ __VA_ARGS__, NULL })

CLAUSE(hpage_pmd_size_is_a_power_of_two_in_decimal,
       "Documentation/admin-guide/mm/transhuge.rst hpage_pmd_size: the size of a huge page in bytes, a power of two "
       "above the page size, in decimal and a newline, no more than 20 characters [THP-1]",
       THP_SYSFS, .needs = "thp",
       .needed_by = "go:sysTHPSizePath go:getHugePageSize glibc:__malloc_default_thp_pagesize")
{
	char text[SETTING_TEXT];
	long long size;

	ASSERT_OK(setting_text("hpage_pmd_size", text));
	size = number_in(text);
	EXPECT_LE(strlen(text), 20);
	EXPECT_GT(size, page_size())
		TH_LOG("it holds \"%s\"", text);
	EXPECT_EQ(0, size & (size - 1));
}

CLAUSE(hpage_pmd_size_is_what_one_page_table_maps,
       "Documentation/admin-guide/mm/transhuge.rst hpage_pmd_size: is the size of a PMD-mapped page, that is of all "
       "pages that one page table of the lowest level maps, whatever the page size and the number of levels [THP-1]",
       THP_SYSFS, .needs = "thp", .needed_by = "go:getHugePageSize glibc:__malloc_default_thp_pagesize")
{
	char text[SETTING_TEXT];
	size_t span = span_of_a_page_table();

	if (!span)
		SKIP(return, "page tables of this process could not be measured");
	ASSERT_OK(setting_text("hpage_pmd_size", text));
	EXPECT_EQ(span, number_in(text));
}

CLAUSE(hpage_pmd_size_is_a_size_of_hugetlb_too,
       "mm/hugetlb.c hugetlb_init (5.10..7.2): where hugetlb pages are compiled in, the size that maps one entry "
       "above the page table is one of theirs [THP-3]",
       THP_SYSFS, .needs = "thp file=/sys/kernel/mm/hugepages", .needed_by = "go:getHugePageSize")
{
	char path[SETTING_PATH];

	snprintf(path, sizeof(path), "/sys/kernel/mm/hugepages/hugepages-%zukB", huge_page_size() / 1024);
	EXPECT_OK(raw_syscall(__NR_faccessat, AT_FDCWD, path, F_OK))
		TH_LOG("%s", path);
}

CLAUSE(enabled_is_always_madvise_or_never,
       "Documentation/admin-guide/mm/transhuge.rst enabled: the words always, madvise and never in this order, the "
       "one in force in brackets",
       THP_SYSFS, .needs = "thp", .needed_by = "glibc:__malloc_thp_mode jvm:THPSupport")
{
	EXPECT_CHOICE("enabled", "always", "madvise", "never");
}

CLAUSE(defrag_is_one_of_its_five_words,
       "Documentation/admin-guide/mm/transhuge.rst defrag: the words always, defer, defer+madvise, madvise and "
       "never in this order, the one in force in brackets",
       THP_SYSFS, .needs = "thp", .needed_by = "jvm:THPSupport")
{
	EXPECT_CHOICE("defrag", "always", "defer", "defer+madvise", "madvise", "never");
}

CLAUSE(shmem_enabled_is_one_of_its_six_words,
       "Documentation/admin-guide/mm/transhuge.rst shmem_enabled: the words always, within_size, advise, never, "
       "deny and force in this order, the one in force in brackets [JVM-4]",
       SHMEM_ENABLED, .needs = "thp", .needed_by = "jvm:ShmemTHPSupport")
{
	EXPECT_CHOICE("shmem_enabled", "always", "within_size", "advise", "never", "deny", "force");
}

CLAUSE(use_zero_page_is_zero_or_one,
       "Documentation/admin-guide/mm/transhuge.rst use_zero_page: 0 or 1 and a newline", THP_SYSFS, .needs = "thp")
{
	expect_number(_metadata, "use_zero_page", 0, 1);
}

CLAUSE(shrink_underused_is_zero_or_one,
       "Documentation/admin-guide/mm/transhuge.rst shrink_underused: 0 or 1 and a newline",
       .since = KERNEL(6, 12), .config = "TRANSPARENT_HUGEPAGE SYSFS", .probe = probe_shrink_underused,
       .absent_errno = ENOENT, .needs = "thp")
{
	expect_number(_metadata, "shrink_underused", 0, 1);
}

CLAUSE(khugepaged_numbers_are_within_their_bounds,
       "Documentation/admin-guide/mm/transhuge.rst Khugepaged controls: each file is one decimal number within its "
       "bounds and a newline: what is counted in pages is below the pages of a huge page [RSQ-5]",
       THP_SYSFS, .needs = "thp", .needed_by = "tcmalloc:HugePageFiller")
{
	long long pages = huge_page_size() / page_size();

	expect_number(_metadata, "khugepaged/defrag", 0, 1);
	expect_number(_metadata, "khugepaged/pages_to_scan", 1, UINT32_MAX);
	expect_number(_metadata, "khugepaged/scan_sleep_millisecs", 0, UINT32_MAX);
	expect_number(_metadata, "khugepaged/alloc_sleep_millisecs", 0, UINT32_MAX);
	expect_number(_metadata, "khugepaged/max_ptes_none", 0, pages - 1);
	expect_number(_metadata, "khugepaged/max_ptes_swap", 0, pages - 1);
	expect_number(_metadata, "khugepaged/max_ptes_shared", 0, pages - 1);
	expect_number(_metadata, "khugepaged/pages_collapsed", 0, UINT32_MAX);
	expect_number(_metadata, "khugepaged/full_scans", 0, UINT32_MAX);
}

static void check_size(const char *directory, void *arg)
{
	struct __test_metadata *_metadata = arg;
	unsigned long long size = size_of_directory(directory);

	EXPECT_TRUE(size >= 2 * page_size() && !(size & (size - 1)))
		TH_LOG("a size of %llu bytes: %s", size, directory);
}

CLAUSE(each_size_from_four_pages_up_has_a_directory,
       "Documentation/admin-guide/mm/transhuge.rst hugepages-<size>kB: sizes are powers of two of at least two "
       "pages; each from four pages to a PMD-mapped page has its directory with enabled in it",
       SIZE_DIRECTORIES(6, 8), .needs = "thp")
{
	size_t huge = huge_page_size();

	EXPECT_GT(each_size(check_size, _metadata), 0);
	for (size_t size = 4 * page_size(); size <= huge; size *= 2) {
		char path[SETTING_PATH];

		snprintf(path, sizeof(path), THP_DIR "/hugepages-%zukB/enabled", size / 1024);
		EXPECT_OK(raw_syscall(__NR_faccessat, AT_FDCWD, path, R_OK))
			TH_LOG("%s", path);
	}
}

// Where the directory has the file, it must hold the words.
static void check_enabled(const char *directory, void *arg)
{
	struct __test_metadata *_metadata = arg;
	char file[SETTING_NAME], path[SETTING_PATH];

	snprintf(file, sizeof(file), "%s/enabled", directory);
	if (!access(setting_path(file, path), F_OK))
		EXPECT_CHOICE(file, "always", "inherit", "madvise", "never");
}

CLAUSE(enabled_of_each_size_is_one_of_its_four_words,
       "Documentation/admin-guide/mm/transhuge.rst hugepages-<size>kB/enabled: the words always, inherit, madvise "
       "and never in this order, the one in force in brackets",
       SIZE_DIRECTORIES(6, 8), .needs = "thp")
{
	each_size(check_enabled, _metadata);
}

static void check_shmem_enabled(const char *directory, void *arg)
{
	struct __test_metadata *_metadata = arg;
	char file[SETTING_NAME], path[SETTING_PATH];

	snprintf(file, sizeof(file), "%s/shmem_enabled", directory);
	if (!access(setting_path(file, path), F_OK))
		EXPECT_CHOICE(file, "always", "inherit", "within_size", "advise", "never");
}

CLAUSE(shmem_enabled_of_each_size_is_one_of_its_five_words,
       "Documentation/admin-guide/mm/transhuge.rst hugepages-<size>kB/shmem_enabled: the words always, inherit, "
       "within_size, advise and never in this order, the one in force in brackets",
       SIZE_DIRECTORIES(6, 11), .needs = "thp")
{
	each_size(check_shmem_enabled, _metadata);
}

static void check_stats(const char *directory, void *arg)
{
	struct __test_metadata *_metadata = arg;
	char path[SETTING_PATH], file[SETTING_NAME], text[SETTING_TEXT];
	struct dirent *entry;
	DIR *dir;

	snprintf(path, sizeof(path), THP_DIR "/%s/stats", directory);
	dir = opendir(path);
	EXPECT_NE(NULL, dir)
		TH_LOG("no %s", path);
	while (dir && (entry = readdir(dir))) {
		if (*entry->d_name == '.')
			continue;
		snprintf(file, sizeof(file), "%s/stats/%s", directory, entry->d_name);
		EXPECT_OK(setting_text(file, text));
		EXPECT_GE(number_in(text), 0)
			TH_LOG("%s holds \"%s\"", file, text);
	}
	if (dir)
		closedir(dir);
}

CLAUSE(stats_of_each_size_are_decimal_numbers,
       "Documentation/admin-guide/mm/transhuge.rst hugepages-<size>kB/stats: each file is a counter, one decimal "
       "number and a newline; those of a PMD-mapped page tell at least of faults, splits and how many there are",
       SIZE_DIRECTORIES(6, 12), .needs = "thp")
{
	static const char *const documented[] = {
		"anon_fault_alloc", "anon_fault_fallback", "anon_fault_fallback_charge", "nr_anon",
		"nr_anon_partially_mapped", "split", "split_deferred", "split_failed", "swpout", "swpout_fallback",
	};

	const size_t kilobytes = huge_page_size() / 1024;

	each_size(check_stats, _metadata);
	for (unsigned int i = 0; i < COUNT(documented); i++) {
		char path[SETTING_PATH];

		snprintf(path, sizeof(path), THP_DIR "/hugepages-%zukB/stats/%s", kilobytes, documented[i]);
		EXPECT_OK(raw_syscall(__NR_faccessat, AT_FDCWD, path, R_OK))
			TH_LOG("%s", path);
	}
}

static const char *const settings[] = { "enabled", "defrag", "use_zero_page", "khugepaged/defrag",
	"khugepaged/pages_to_scan", "khugepaged/scan_sleep_millisecs", "khugepaged/alloc_sleep_millisecs",
	"khugepaged/max_ptes_none", "khugepaged/max_ptes_swap", "khugepaged/max_ptes_shared" };
static const char *const facts[] = { "hpage_pmd_size", "khugepaged/pages_collapsed", "khugepaged/full_scans" };

static void expect_mode(struct __test_metadata *_metadata, const char *name, unsigned int mode)
{
	char path[SETTING_PATH];
	struct stat s;

	ASSERT_EQ(0, stat(setting_path(name, path), &s));
	EXPECT_EQ(mode, s.st_mode & 07777)
		TH_LOG("%s is of mode %o, not %o", path, s.st_mode & 07777, mode);
	EXPECT_EQ(0, s.st_uid);
}

CLAUSE(everybody_may_read_and_root_alone_may_write,
       "mm/huge_memory.c hugepage_attr, mm/khugepaged.c khugepaged_attr (5.10..7.2): settings are of mode 0644 and "
       "facts of mode 0444, and all belong to root",
       THP_SYSFS, .needs = "thp", .needed_by = "go:getHugePageSize glibc:__malloc_default_thp_pagesize")
{
	for (unsigned int i = 0; i < COUNT(settings); i++)
		expect_mode(_metadata, settings[i], 0644);
	for (unsigned int i = 0; i < COUNT(facts); i++)
		expect_mode(_metadata, facts[i], 0444);
}

CLAUSE(a_process_without_privilege_reads_them,
       "mm/huge_memory.c hugepage_attr (5.10..7.2): a process without privilege reads each file",
       THP_SYSFS, .needs = "thp", .as_nobody = 1, .needed_by = "go:getHugePageSize glibc:__malloc_default_thp_pagesize")
{
	char text[SETTING_TEXT];

	if (!drop_privilege())
		SKIP(return, "this process cannot become another user");
	for (unsigned int i = 0; i < COUNT(settings); i++)
		EXPECT_GT(setting_text(settings[i], text), 1);
	for (unsigned int i = 0; i < COUNT(facts); i++)
		EXPECT_GT(setting_text(facts[i], text), 1);
}

CLAUSE(facts_cannot_be_opened_for_writing_even_by_root,
       "fs/kernfs/file.c kernfs_fop_open (5.10..7.2): a sysfs file that nobody may write is refused with EACCES "
       "whoever opens it for writing",
       THP_SYSFS, .needs = "thp")
{
	for (unsigned int i = 0; i < COUNT(facts); i++) {
		char path[SETTING_PATH];
		long result = raw_syscall(__NR_openat, AT_FDCWD, setting_path(facts[i], path), O_WRONLY | O_CLOEXEC);

		if (result == -EROFS)
			SKIP(return, "sysfs is mounted read-only");
		EXPECT_ERR(EACCES, result)
			TH_LOG("%s", path);
	}
}

CLAUSE(a_file_read_byte_by_byte_gives_the_same_text,
       "Documentation/filesystems/sysfs.rst Reading/Writing: a reader that takes a file in pieces gets the same "
       "text, and then the end",
       THP_SYSFS, .needs = "thp")
{
	static const char *const files[] = { "enabled", "defrag", "hpage_pmd_size" };

	for (unsigned int i = 0; i < COUNT(files); i++) {
		char text[SETTING_TEXT], path[SETTING_PATH], *piece = guarded(1);
		long length = setting_text(files[i], text);
		long fd = raw_syscall(__NR_openat, AT_FDCWD, setting_path(files[i], path), O_RDONLY | O_CLOEXEC);

		ASSERT_OK(fd);
		for (long at = 0; at < length; at++) {
			ASSERT_RET(1, raw_syscall(__NR_read, fd, piece, 1));
			EXPECT_EQ(text[at], *piece);
		}
		EXPECT_RET(0, raw_syscall(__NR_read, fd, piece, 1));
		EXPECT_INTACT(piece);
		close(fd);
	}
}
