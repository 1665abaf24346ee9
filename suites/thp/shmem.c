// SPDX-License-Identifier: GPL-2.0-only
// Huge pages of shared memory, made by MADV_COLLAPSE or by the setting: contents, aliases, holes, futexes.
#include "clause.h"

#include <linux/memfd.h>

#include "futexes.h"
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

static long probe_memfd(void)
{
	long fd = raw_syscall(__NR_memfd_create, "osprim", MFD_CLOEXEC);

	if (!is_error(fd))
		raw_syscall(__NR_close, fd);
	return fd;
}

// A kernel may lack shmem, or MADV_COLLAPSE for it.
static long probe_shmem_collapse(void)
{
	return is_error(probe_memfd()) ? -EINVAL : probe_collapse();
}

#define SHMEM_COLLAPSE .since = KERNEL(6, 1), .config = "TRANSPARENT_HUGEPAGE ADVISE_SYSCALLS SHMEM MEMFD_CREATE", \
	.probe = probe_shmem_collapse, .absent_errno = EINVAL, .needs = "thp " SMAPS

// The file, mapped shared and aligned, instead of the area's own memory.
static bool map_file(struct area *a, unsigned int huge_pages, int fd)
{
	return area_map(a, huge_pages) &&
	       mmap(a->at, a->size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) == a->at;
}

static int new_file(size_t size)
{
	int fd = raw_syscall(__NR_memfd_create, "osprim", MFD_CLOEXEC);

	if (fd >= 0 && ftruncate(fd, size)) {
		close(fd);
		return -1;
	}
	return fd;
}

static long long shared_huge_bytes(const struct area *a)
{
	return field_of_range(a->at, a->size, "ShmemPmdMapped");
}

// A memfd whose pages, filled, were made huge ones; smaps shows them once they are touched again.
// -1 if none could be had; *result is then what MADV_COLLAPSE said at last.
static int huge_file(struct area *a, unsigned int huge_pages, long *result)
{
	const size_t size = huge_pages * huge_page_size();
	struct patience patience = { 0 };

	allow_huge_pages();
	while (shall_try_again(&patience)) {
		int fd = new_file(size);

		*result = -ENOMEM;
		if (fd < 0 || !map_file(a, huge_pages, fd))
			return -1;
		fill(a->at, a->size, a->at, 1);
		*result = collapse(a->at, a->size);
		for (size_t at = 0; at < a->size; at += a->huge)
			(void)*(volatile char *)(a->at + at);
		if (shared_huge_bytes(a) == (long long)a->size)
			return fd;
		area_unmap(a);
		close(fd);
		if (*result && !is_bad_luck(*result))
			return -1;
	}
	return -1;
}

// Whatever the settings say, with two exceptions: deny, and never for this size, which counts with some kernels
// (mm/shmem.c shmem_allowable_huge_orders of 6.12, not of 7.2).
static bool shmem_may_be_collapsed(void)
{
	char name[SETTING_NAME];

	snprintf(name, sizeof(name), "hugepages-%zukB/shmem_enabled", huge_page_size() / 1024);
	return !setting_is("shmem_enabled", "deny") && (probe_size_directories() != 0 || !setting_is(name, "never"));
}

#define HUGE_FILE_OR_SKIP(fd, area, huge_pages) do {					\
	long result_ = 0;								\
	if (!shmem_may_be_collapsed())							\
		SKIP(return, "the settings forbid huge pages of shared memory altogether"); \
	fd = huge_file(area, huge_pages, &result_);					\
	ASSERT_TRUE(fd >= 0 || is_bad_luck(result_))					\
		TH_LOG("MADV_COLLAPSE of a memfd gave %ld, and made no huge page", result_); \
	SKIP_UNLESS_HUGE(fd >= 0);							\
} while (0)

CLAUSE(shared_memory_is_collapsed_with_its_contents,
       "madvise(2) MADV_COLLAPSE: supports shmem pages, whatever huge= says: contents stay, for the mapping and for "
       "the file [MAD-5] [JVM-4]",
       SHMEM_COLLAPSE, .needed_by = "jvm:ZPhysicalMemoryBacking")
{
	const size_t page = page_size();
	char *copy = guarded(page);
	struct area a;
	int fd;

	HUGE_FILE_OR_SKIP(fd, &a, 2);
	EXPECT_EQ(NOWHERE, wrong_at(a.at, a.size, a.at, 1));
	EXPECT_EQ(page, pread(fd, copy, page, a.huge - page));
	EXPECT_EQ(NOWHERE, wrong_at(copy, page, copy - (a.huge - page), 1));
	EXPECT_INTACT(copy);
}

CLAUSE(all_mappings_of_a_file_agree_before_and_after,
       "mmap(2) MAP_SHARED: updates are visible to all that map the file: three mappings of one memfd, made before "
       "and after its pages became huge, aligned or not, show the same [JVM-4]",
       SHMEM_COLLAPSE, .needed_by = "jvm:ZPhysicalMemoryBacking")
{
	const size_t page = page_size();
	struct area a, b;
	char *shifted;
	int fd;

	HUGE_FILE_OR_SKIP(fd, &a, 1);
	ASSERT_TRUE(map_file(&b, 1, fd));
	shifted = mmap(NULL, a.size - page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, page);
	ASSERT_NE(MAP_FAILED, shifted);
	EXPECT_EQ(NOWHERE, wrong_at(b.at, b.size, b.at, 1));
	EXPECT_EQ(NOWHERE, wrong_at(shifted, a.size - page, shifted - page, 1));
	fill(a.at + 3 * page, page, a.at, 2);
	fill(shifted + 3 * page, page, shifted - page, 3);
	fill(b.at + 5 * page, page, b.at, 4);
	advise(b.at, b.size, MADV_COLLAPSE);
	const char *const views[] = { a.at, b.at, shifted - page };
	for (unsigned int i = 0; i < COUNT(views); i++) {
		EXPECT_EQ(NOWHERE, wrong_at(views[i] + page, 2 * page, views[i], 1));
		EXPECT_EQ(NOWHERE, wrong_at(views[i] + 3 * page, page, views[i], 2));
		EXPECT_EQ(NOWHERE, wrong_at(views[i] + 4 * page, page, views[i], 3));
		EXPECT_EQ(NOWHERE, wrong_at(views[i] + 5 * page, page, views[i], 4));
		EXPECT_EQ(NOWHERE, wrong_at(views[i] + 6 * page, a.size - 6 * page, views[i], 1));
	}
}

CLAUSE(dropping_a_mapping_of_it_keeps_the_file,
       "madvise(2) MADV_DONTNEED: of a shared mapping the pages come back from the object underneath, whatever part "
       "of a huge page they are [MAD-1]",
       SHMEM_COLLAPSE)
{
	const size_t page = page_size();
	struct area a;
	int fd;

	HUGE_FILE_OR_SKIP(fd, &a, 1);
	EXPECT_RET(0, advise(a.at + page, 2 * page, MADV_DONTNEED));
	EXPECT_EQ(NOWHERE, wrong_at(a.at, a.size, a.at, 1));
	EXPECT_RET(0, advise(a.at, a.size, MADV_DONTNEED));
	EXPECT_EQ(NOWHERE, wrong_at(a.at, a.size, a.at, 1));
}

CLAUSE(a_private_mapping_of_it_writes_to_copies,
       "mmap(2) MAP_PRIVATE: updates are not carried through to the file: a private mapping of huge pages of a file "
       "copies the pages it writes",
       SHMEM_COLLAPSE)
{
	const size_t page = page_size();
	struct area a, b;
	int fd;

	HUGE_FILE_OR_SKIP(fd, &a, 1);
	ASSERT_TRUE(area_map(&b, 1));
	ASSERT_EQ(b.at, mmap(b.at, b.size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED, fd, 0));
	EXPECT_EQ(NOWHERE, wrong_at(b.at, b.size, b.at, 1));
	fill(b.at + page, page, b.at, 2);
	EXPECT_EQ(NOWHERE, wrong_at(a.at, a.size, a.at, 1));
	fill(a.at + page, page, a.at, 3);
	EXPECT_EQ(NOWHERE, wrong_at(b.at, page, b.at, 1));
	EXPECT_EQ(NOWHERE, wrong_at(b.at + page, page, b.at, 2));
	EXPECT_EQ(NOWHERE, wrong_at(b.at + 2 * page, b.size - 2 * page, b.at, 1));
}

CLAUSE(a_hole_in_it_reads_as_zero_and_the_rest_stays,
       "madvise(2) MADV_REMOVE: frees the pages of the range and of the file: they read as zero then, whatever part "
       "of a huge page they were, and the rest stays",
       SHMEM_COLLAPSE, .needed_by = "jvm:ZPhysicalMemoryBacking")
{
	const size_t page = page_size();
	struct area a;
	int fd;

	HUGE_FILE_OR_SKIP(fd, &a, 2);
	const struct { size_t from, size; } rows[] = {
		{ 0, page }, { 4 * page, 2 * page }, { a.huge - page, 2 * page }, { a.size - page, page },
	};
	for (unsigned int i = 0; i < COUNT(rows); i++) {
		char *at = a.at + rows[i].from;

		EXPECT_RET(0, advise(at, rows[i].size, MADV_REMOVE));
		EXPECT_EQ(NOWHERE, nonzero_at(at, rows[i].size));
		fill(at, rows[i].size, a.at, 1);
		EXPECT_EQ(NOWHERE, wrong_at(a.at, a.size, a.at, 1));
	}
	EXPECT_RET(0, advise(a.at, a.huge, MADV_REMOVE));
	EXPECT_EQ(NOWHERE, nonzero_at(a.at, a.huge));
	EXPECT_EQ(NOWHERE, wrong_at(a.at + a.huge, a.huge, a.at, 1));
}

CLAUSE(a_file_cut_inside_of_it_keeps_what_is_before_and_loses_what_is_behind,
       "ftruncate(2) DESCRIPTION: a file cut inside a huge page keeps the pages before the cut; what is behind "
       "cannot be accessed, and is zero when the file grows again",
       SHMEM_COLLAPSE)
{
	const size_t page = page_size();
	struct area a;
	int fd;

	HUGE_FILE_OR_SKIP(fd, &a, 1);
	ASSERT_EQ(0, ftruncate(fd, 3 * page));
	EXPECT_FALSE(is_readable(a.at + 3 * page));
	EXPECT_FALSE(is_readable(a.at + a.size - 1));
	EXPECT_EQ(NOWHERE, wrong_at(a.at, 3 * page, a.at, 1));
	ASSERT_EQ(0, ftruncate(fd, a.size));
	EXPECT_EQ(NOWHERE, wrong_at(a.at, 3 * page, a.at, 1));
	EXPECT_EQ(NOWHERE, nonzero_at(a.at + 3 * page, a.size - 3 * page));
}

CLAUSE(words_of_its_pages_are_futexes_of_their_own,
       "futex(2) DESCRIPTION: a futex of shared memory is known by its place in the file: words at the same offset "
       "of different pages of a huge page are different futexes",
       SHMEM_COLLAPSE, .commit = "13d60f4b6ab5 futex: Take hugepages into account when generating futex_key")
{
	struct area a;
	int fd;

	HUGE_FILE_OR_SKIP(fd, &a, 1);
	expect_own_futexes(_metadata, a.at, a.size, false);
}

CLAUSE(a_child_shares_it,
       "fork(2), mmap(2) MAP_SHARED: parent and child see each other's writes to shared huge pages",
       SHMEM_COLLAPSE)
{
	struct area a;
	int fd;

	HUGE_FILE_OR_SKIP(fd, &a, 1);
	IN_CHILD {
		EXPECT_EQ(NOWHERE, wrong_at(a.at, a.size, a.at, 1));
		fill(a.at, a.size, a.at, 2);
	}
	EXPECT_EQ(NOWHERE, wrong_at(a.at, a.size, a.at, 2));
}

// Bytes that one write to shared anonymous memory with this advice takes; 0 where reclaim was quicker.
static long long taken_by_one_byte(struct __test_metadata *_metadata, int advice)
{
	long long resident;
	struct area a;

	if (!area_map(&a, 1))
		return -1;
	EXPECT_EQ(a.at, mmap(a.at, a.size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
	if (advice)
		advise(a.at, a.size, advice);
	a.at[a.size / 2] = 1;
	resident = resident_bytes(a.at, a.size);
	EXPECT_EQ(1, a.at[a.size / 2]);
	a.at[a.size / 2] = 0;
	EXPECT_EQ(NOWHERE, nonzero_at(a.at, a.size));
	area_unmap(&a);
	return resident;
}

CLAUSE_F(settings, shmem_enabled_decides_what_one_byte_takes,
	 "Documentation/admin-guide/mm/transhuge.rst shmem_enabled: under never and deny one written byte of shared "
	 "anonymous memory takes one page; under advise too, unless it was advised; always spares what was advised "
	 "against",
	 SHMEM_ENABLED, .needs = "thp root " SMAPS, WRITES_SIZES)
{
	static const struct {
		const char *word;
		int advice;
	} one_page[] = {
		{ "never", 0 }, { "never", MADV_HUGEPAGE }, { "deny", 0 }, { "deny", MADV_HUGEPAGE }, { "advise", 0 },
		{ "advise", MADV_NOHUGEPAGE }, { "within_size", MADV_NOHUGEPAGE }, { "always", MADV_NOHUGEPAGE },
	}, may_be_more[] = { { "advise", MADV_HUGEPAGE }, { "within_size", 0 }, { "always", 0 } };

	SKIP_UNLESS_WRITABLE("shmem_enabled");
	ASSERT_OK(shmem_settings_follow_global_alone());
	for (unsigned int i = 0; i < COUNT(one_page); i++) {
		ASSERT_OK(setting_set("shmem_enabled", one_page[i].word));
		EXPECT_LE(taken_by_one_byte(_metadata, one_page[i].advice), page_size())
			TH_LOG("%s, advice %d", one_page[i].word, one_page[i].advice);
	}
	for (unsigned int i = 0; i < COUNT(may_be_more); i++) {
		ASSERT_OK(setting_set("shmem_enabled", may_be_more[i].word));
		EXPECT_LE(taken_by_one_byte(_metadata, may_be_more[i].advice), huge_page_size())
			TH_LOG("%s, advice %d", may_be_more[i].word, may_be_more[i].advice);
	}
}
