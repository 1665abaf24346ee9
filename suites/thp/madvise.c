// SPDX-License-Identifier: GPL-2.0-only
// madvise(2): MADV_HUGEPAGE and MADV_NOHUGEPAGE: which pages they mark, what they refuse, that they lose nothing.
#include "clause.h"
#include "thp.h"

#define HOLDS_ADVICE THP_ADVICE, .needs = SMAPS

// What smaps tells of the page at an address: MADV_HUGEPAGE, MADV_NOHUGEPAGE, 0 for neither, -1 for both.
static int advice_at(const void *address)
{
	struct mapping m;
	bool huge, small;

	if (!find_mapping(0, address, &m))
		return -1;
	huge = mapping_has_flag(&m, "hg");
	small = mapping_has_flag(&m, "nh");
	return huge && small ? -1 : huge ? MADV_HUGEPAGE : small ? MADV_NOHUGEPAGE : 0;
}

CLAUSE(each_advice_marks_the_mapping_and_replaces_the_other,
       "Documentation/filesystems/proc.rst smaps VmFlags: MADV_HUGEPAGE is shown as hg and MADV_NOHUGEPAGE as nh, a "
       "mapping without advice has neither, and never both [MAD-4]",
       HOLDS_ADVICE)
{
	static const int order[] = { MADV_HUGEPAGE, MADV_NOHUGEPAGE, MADV_NOHUGEPAGE, MADV_HUGEPAGE, MADV_HUGEPAGE };
	struct area a;

	ASSERT_TRUE(area_map(&a, 1));
	EXPECT_EQ(0, advice_at(a.at));
	for (unsigned int i = 0; i < COUNT(order); i++) {
		EXPECT_RET(0, advise(a.at, a.size, order[i]));
		EXPECT_EQ(order[i], advice_at(a.at));
	}
}

CLAUSE(advice_to_read_in_some_order_does_not_undo_it,
       "mm/madvise.c madvise_vma_behavior (5.10..7.2): MADV_NORMAL, MADV_RANDOM and MADV_SEQUENTIAL leave "
       "MADV_HUGEPAGE and MADV_NOHUGEPAGE in force: nothing leads back to a mapping without advice [MAD-4]",
       HOLDS_ADVICE)
{
	static const int kinds[] = { MADV_HUGEPAGE, MADV_NOHUGEPAGE };
	struct area a;

	ASSERT_TRUE(area_map(&a, 1));
	for (unsigned int i = 0; i < COUNT(kinds); i++) {
		EXPECT_RET(0, advise(a.at, a.size, kinds[i]));
		EXPECT_RET(0, advise(a.at, a.size, MADV_RANDOM));
		EXPECT_EQ(kinds[i], advice_at(a.at));
		EXPECT_RET(0, advise(a.at, a.size, MADV_SEQUENTIAL));
		EXPECT_EQ(kinds[i], advice_at(a.at));
		EXPECT_RET(0, advise(a.at, a.size, MADV_NORMAL));
		EXPECT_EQ(kinds[i], advice_at(a.at));
	}
}

CLAUSE(advice_marks_exactly_the_pages_it_names,
       "madvise(2) DESCRIPTION: advice is for the pages from addr up to addr+length, rounded up to a whole page, "
       "and for no other [MAD-3]",
       HOLDS_ADVICE)
{
	const size_t page = page_size(), lengths[] = { 1, page - 1, page, page + 1, 3 * page - 1, 3 * page };

	for (unsigned int i = 0; i < COUNT(lengths); i++) {
		size_t rounded = (lengths[i] + page - 1) & -page;
		struct mapping m;
		struct area a;

		ASSERT_TRUE(area_map(&a, 1));
		EXPECT_RET(0, advise(a.at + page, lengths[i], MADV_NOHUGEPAGE));
		EXPECT_EQ(0, advice_at(a.at));
		ASSERT_TRUE(find_mapping(0, a.at + page, &m));
		EXPECT_TRUE(mapping_has_flag(&m, "nh"));
		EXPECT_EQ((unsigned long)a.at + page, m.start);
		EXPECT_EQ((unsigned long)a.at + page + rounded, m.end)
			TH_LOG("after advice for %zu bytes", lengths[i]);
		EXPECT_EQ(0, advice_at(a.at + page + rounded));
		area_unmap(&a);
	}
}

CLAUSE(advice_already_given_splits_no_mapping,
       "mm/madvise.c madvise_update_vma (5.10..7.2): advice for a part of a mapping that has it already leaves the "
       "mapping whole: it does not use up vm.max_map_count [incident 89]",
       HOLDS_ADVICE)
{
	static const int kinds[] = { MADV_HUGEPAGE, MADV_NOHUGEPAGE };
	const size_t page = page_size();

	for (unsigned int i = 0; i < COUNT(kinds); i++) {
		struct mapping m;
		struct area a;

		ASSERT_TRUE(area_map(&a, 1));
		EXPECT_RET(0, advise(a.at, a.size, kinds[i]));
		EXPECT_RET(0, advise(a.at + page, page, kinds[i]));
		EXPECT_RET(0, advise(a.at + 3 * page, page, kinds[i]));
		ASSERT_TRUE(find_mapping(0, a.at, &m));
		EXPECT_EQ((unsigned long)a.at, m.start);
		EXPECT_EQ((unsigned long)a.at + a.size, m.end);
		area_unmap(&a);
	}
}

CLAUSE(a_length_of_zero_is_no_error_and_marks_nothing,
       "madvise(2) Linux notes: a length of zero is allowed, and no page is advised [MAD-3]", HOLDS_ADVICE)
{
	struct area a;

	ASSERT_TRUE(area_map(&a, 1));
	EXPECT_RET(0, advise(a.at, 0, MADV_HUGEPAGE));
	EXPECT_EQ(0, advice_at(a.at));
	EXPECT_RET(0, advise(a.at, 0, MADV_NOHUGEPAGE));
	EXPECT_EQ(0, advice_at(a.at));
}

CLAUSE(an_address_inside_a_page_is_refused,
       "madvise(2) ERRORS EINVAL: addr is not page-aligned; nothing is advised [MAD-3]", HOLDS_ADVICE)
{
	const size_t offsets[] = { 1, 8, page_size() / 2, page_size() - 1, page_size() + 1 };
	struct area a;

	ASSERT_TRUE(area_map(&a, 1));
	for (unsigned int i = 0; i < COUNT(offsets); i++) {
		EXPECT_ERR(EINVAL, advise(a.at + offsets[i], page_size(), MADV_HUGEPAGE));
		EXPECT_ERR(EINVAL, advise(a.at + offsets[i], page_size(), MADV_NOHUGEPAGE));
	}
	EXPECT_EQ(0, advice_at(a.at));
	EXPECT_EQ(0, advice_at(a.at + page_size()));
}

CLAUSE(a_length_that_wraps_around_is_refused,
       "madvise(2) ERRORS EINVAL: length is negative: it runs past the end of the address space, or does so when "
       "rounded to whole pages; nothing is advised",
       THP_ADVICE, .needs = "native " SMAPS)
{
	struct area a;

	ASSERT_TRUE(area_map(&a, 1));
	EXPECT_ERR(EINVAL, advise(a.at, -1L, MADV_HUGEPAGE));
	EXPECT_ERR(EINVAL, advise(a.at, 1 - (long)page_size(), MADV_HUGEPAGE));
	EXPECT_ERR(EINVAL, advise(a.at, -(long)page_size(), MADV_HUGEPAGE));
	EXPECT_ERR(EINVAL, advise(a.at, -(unsigned long)a.at, MADV_HUGEPAGE));
	EXPECT_ERR(EINVAL, advise(a.at, -(unsigned long)a.at + page_size(), MADV_NOHUGEPAGE));
	EXPECT_EQ(0, advice_at(a.at));
}

static long probe_madvise(void)
{
	return advise(0, 0, MADV_NORMAL);
}

CLAUSE(unknown_advice_is_refused,
       "madvise(2) ERRORS EINVAL: advice is not valid, whatever the range, even an empty one",
       .config = "ADVISE_SYSCALLS", .probe = probe_madvise)
{
	static const int unknown[] = { -1, 1000, 0x7fffffff, (int)0x80000000, 0x10000 | MADV_HUGEPAGE };
	struct area a;

	ASSERT_TRUE(area_map(&a, 1));
	for (unsigned int i = 0; i < COUNT(unknown); i++) {
		EXPECT_ERR(EINVAL, advise(a.at, a.size, unknown[i]));
		EXPECT_ERR(EINVAL, advise(0, 0, unknown[i]));
	}
}

CLAUSE(a_hole_is_reported_and_the_rest_is_advised,
       "madvise(2) ERRORS ENOMEM and NOTES: where parts of the range are not mapped the advice goes to the rest, "
       "and the call returns ENOMEM [MAD-3]",
       HOLDS_ADVICE)
{
	static const char *const rows[] = { "m.m", ".mm", "mm.", "m.m.m", "m..mm" };	// mapped pages and holes
	const size_t page = page_size();

	for (unsigned int i = 0; i < COUNT(rows); i++) {
		const size_t pages = strlen(rows[i]);
		struct area a;

		ASSERT_TRUE(area_map(&a, 1));
		for (size_t p = 0; p < pages; p++) {
			if (rows[i][p] == '.')
				munmap(a.at + p * page, page);
		}
		EXPECT_ERR(ENOMEM, advise(a.at, pages * page, MADV_NOHUGEPAGE))
			TH_LOG("pages %s", rows[i]);
		for (size_t p = 0; p < pages; p++) {
			if (rows[i][p] == '.')
				continue;
			EXPECT_EQ(MADV_NOHUGEPAGE, advice_at(a.at + p * page))
				TH_LOG("page %zu of %s", p, rows[i]);
		}
		EXPECT_EQ(0, advice_at(a.at + pages * page));
		area_unmap(&a);
	}
}

CLAUSE(a_range_without_any_mapping_is_enomem,
       "madvise(2) ERRORS ENOMEM: addresses in the range are not mapped", HOLDS_ADVICE)
{
	char *nothing = unmapped_page();

	EXPECT_ERR(ENOMEM, advise(nothing, page_size(), MADV_HUGEPAGE));
	EXPECT_ERR(ENOMEM, advise(nothing, page_size(), MADV_NOHUGEPAGE));
	EXPECT_RET(0, advise(nothing, 0, MADV_HUGEPAGE));
}

CLAUSE(one_call_advises_several_mappings,
       "madvise(2) DESCRIPTION: the range may span mappings; each of them is advised",
       HOLDS_ADVICE)
{
	const size_t page = page_size();
	struct area a;

	ASSERT_TRUE(area_map(&a, 1));
	ASSERT_EQ(0, mprotect(a.at + page, page, PROT_READ));
	ASSERT_EQ(0, mprotect(a.at + 2 * page, page, PROT_NONE));
	EXPECT_RET(0, advise(a.at, a.size, MADV_HUGEPAGE));
	for (int p = 0; p < 4; p++) {
		EXPECT_EQ(MADV_HUGEPAGE, advice_at(a.at + p * page));
	}
	EXPECT_RET(0, advise(a.at, a.size, MADV_NOHUGEPAGE));
	for (int p = 0; p < 4; p++) {
		EXPECT_EQ(MADV_NOHUGEPAGE, advice_at(a.at + p * page));
	}
}

CLAUSE(memory_that_is_only_reserved_takes_advice_and_keeps_it,
       "mm/khugepaged.c hugepage_madvise (5.10..7.2): a mapping that cannot be accessed takes advice, and has it "
       "still when mprotect(2) makes it accessible [JVM-4]",
       HOLDS_ADVICE, .needed_by = "jvm:os::realign_memory")
{
	struct area a;

	ASSERT_TRUE(area_map(&a, 2));
	ASSERT_EQ(0, mprotect(a.at, a.size, PROT_NONE));
	EXPECT_RET(0, advise(a.at, a.size, MADV_HUGEPAGE));
	ASSERT_EQ(0, mprotect(a.at, a.huge, PROT_READ | PROT_WRITE));
	EXPECT_EQ(MADV_HUGEPAGE, advice_at(a.at));
	EXPECT_EQ(MADV_HUGEPAGE, advice_at(a.at + a.huge));
}

CLAUSE(shared_and_file_mappings_take_advice,
       "madvise(2) MADV_HUGEPAGE: shared memory and file mappings take the advice too [JVM-4]",
       HOLDS_ADVICE, .needed_by = "jvm:ZPhysicalMemoryBacking")
{
	const size_t page = page_size();
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	char *shared = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	char *file = mmap(NULL, page, PROT_READ, MAP_PRIVATE, fd, 0);

	ASSERT_NE(MAP_FAILED, shared);
	ASSERT_NE(MAP_FAILED, file);
	EXPECT_RET(0, advise(shared, page, MADV_HUGEPAGE));
	EXPECT_EQ(MADV_HUGEPAGE, advice_at(shared));
	EXPECT_RET(0, advise(shared, page, MADV_NOHUGEPAGE));
	EXPECT_EQ(MADV_NOHUGEPAGE, advice_at(shared));
	EXPECT_RET(0, advise(file, page, MADV_HUGEPAGE));
	EXPECT_EQ(MADV_HUGEPAGE, advice_at(file));
	EXPECT_RET(0, advise(file, page, MADV_NOHUGEPAGE));
	EXPECT_EQ(MADV_NOHUGEPAGE, advice_at(file));
}

CLAUSE(a_forked_child_has_the_advice_and_changes_its_own_alone,
       "fork(2) DESCRIPTION: the child has the parent's mappings as they are, advice included; what it advises then "
       "is its own matter",
       HOLDS_ADVICE)
{
	struct area a;

	ASSERT_TRUE(area_map(&a, 2));
	EXPECT_RET(0, advise(a.at, a.huge, MADV_HUGEPAGE));
	EXPECT_RET(0, advise(a.at + a.huge, a.huge, MADV_NOHUGEPAGE));
	IN_CHILD {
		EXPECT_EQ(MADV_HUGEPAGE, advice_at(a.at));
		EXPECT_EQ(MADV_NOHUGEPAGE, advice_at(a.at + a.huge));
		EXPECT_RET(0, advise(a.at, a.huge, MADV_NOHUGEPAGE));
		EXPECT_RET(0, advise(a.at + a.huge, a.huge, MADV_HUGEPAGE));
		EXPECT_EQ(MADV_NOHUGEPAGE, advice_at(a.at));
		EXPECT_EQ(MADV_HUGEPAGE, advice_at(a.at + a.huge));
	}
	EXPECT_EQ(MADV_HUGEPAGE, advice_at(a.at));
	EXPECT_EQ(MADV_NOHUGEPAGE, advice_at(a.at + a.huge));
}

// Each advice, for all of the area and for parts of it that do not fall on huge pages.
static void advise_in_many_ways(struct __test_metadata *_metadata, const struct area *a)
{
	static const int kinds[] = { MADV_HUGEPAGE, MADV_NOHUGEPAGE, MADV_HUGEPAGE };
	const size_t page = page_size();

	for (unsigned int i = 0; i < COUNT(kinds); i++) {
		EXPECT_RET(0, advise(a->at, a->size, kinds[i]));
		EXPECT_RET(0, advise(a->at + page, a->size - 2 * page, kinds[i]));
		EXPECT_RET(0, advise(a->at + a->huge - page, 2 * page, kinds[i]));
		EXPECT_EQ(NOWHERE, wrong_at(a->at, a->size, a->at, 1));
		EXPECT_RET(0, advise(a->at, a->huge + page, MADV_NOHUGEPAGE));
		EXPECT_RET(0, advise(a->at + a->huge - 3 * page, page, MADV_HUGEPAGE));
		EXPECT_EQ(NOWHERE, wrong_at(a->at, a->size, a->at, 1));
	}
}

CLAUSE(advice_keeps_the_contents_of_small_pages,
       "madvise(2) MADV_HUGEPAGE, MADV_NOHUGEPAGE: are about pages to come: contents stay, whatever part of a "
       "mapping is advised",
       THP_ADVICE)
{
	struct area a;

	SKIP_UNLESS_HUGE(small_area(&a, 2));
	advise_in_many_ways(_metadata, &a);
}

CLAUSE(advice_keeps_the_contents_of_huge_pages,
       "madvise(2) MADV_HUGEPAGE, MADV_NOHUGEPAGE: are about pages to come: a huge page that is there keeps its "
       "contents, whatever part of it is advised",
       THP_ADVICE, .needs = SMAPS)
{
	struct area a;

	SKIP_UNLESS_HUGE(huge_area(&a, 2));
	fill(a.at, a.size, a.at, 1);
	advise_in_many_ways(_metadata, &a);
}

CLAUSE(a_kernel_without_huge_pages_refuses_the_advice,
       "madvise(2) MADV_HUGEPAGE, MADV_COLLAPSE: a kernel without CONFIG_TRANSPARENT_HUGEPAGE has no directory in "
       "sysfs and refuses the advice with EINVAL [THP-2] [MAD-4]",
       .needed_by = "go:getHugePageSize")
{
	const long refusal = config_is_set("ADVISE_SYSCALLS") == 0 ? -ENOSYS : -EINVAL;
	struct area a;

	if (config_is_set("TRANSPARENT_HUGEPAGE") != 0)
		SKIP(return, "this kernel has transparent huge pages, or its configuration is unknown");
	EXPECT_ERR(ENOENT, raw_syscall(__NR_faccessat, AT_FDCWD, THP_DIR, F_OK));
	ASSERT_TRUE(area_map(&a, 1));
	EXPECT_RET(refusal, advise(a.at, a.size, MADV_HUGEPAGE));
	EXPECT_RET(refusal, advise(a.at, a.size, MADV_NOHUGEPAGE));
	EXPECT_RET(refusal, advise(a.at, a.size, MADV_COLLAPSE));
	fill(a.at, a.size, a.at, 1);
	EXPECT_EQ(NOWHERE, wrong_at(a.at, a.size, a.at, 1));
}
