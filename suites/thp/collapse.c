// SPDX-License-Identifier: GPL-2.0-only
// madvise(2): MADV_COLLAPSE makes huge pages of the pages that are there, now, whatever the settings say.
#include "clause.h"

#include <sys/uio.h>

#include "thp.h"
#include "thread.h"

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

// Collapses all of it and expects it to be huge; false where that did not work out.
static bool expect_collapsed(struct __test_metadata *_metadata, const struct area *a)
{
	char text[RESULT_TEXT];
	long long huge = 0;
	long result = 0;

	for (int i = 0; i < ATTEMPTS && huge != a->size; i++) {	// reclaim may split one before it is seen
		result = collapse(a->at, a->size);
		if (is_bad_luck(result)) {
			TH_LOG("MADV_COLLAPSE gave %s", result_text(text, result));
			return false;
		}
		huge = huge_bytes(a);
	}
	EXPECT_EQ(0, result)
		TH_LOG("MADV_COLLAPSE gave %s", result_text(text, result));
	EXPECT_EQ(a->size, huge);
	return true;
}

#define COLLAPSE_OR_SKIP(area) SKIP_UNLESS_HUGE(expect_collapsed(_metadata, area))

CLAUSE(small_pages_become_a_huge_page_with_their_contents,
       "madvise(2) MADV_COLLAPSE: collapses the native pages of the range into huge pages, now, and keeps their "
       "contents [MAD-5] [RSQ-5]",
       THP_COLLAPSE, .needs = "thp " SMAPS, .needed_by = "tcmalloc:HugePageFiller")
{
	struct area a;

	SKIP_UNLESS_HUGE(small_area(&a, 1));
	COLLAPSE_OR_SKIP(&a);
	EXPECT_EQ(NOWHERE, wrong_at(a.at, a.size, a.at, 1));
	fill(a.at, a.size, a.at, 2);
	EXPECT_EQ(NOWHERE, wrong_at(a.at, a.size, a.at, 2));
}

CLAUSE(one_call_collapses_several_huge_pages,
       "madvise(2) MADV_COLLAPSE: each aligned part of the range becomes a huge page; success means all of them "
       "[MAD-5]",
       THP_COLLAPSE, .needs = "thp " SMAPS, .needed_by = "tcmalloc:HugePageFiller")
{
	struct area a;

	SKIP_UNLESS_HUGE(small_area(&a, 3));
	COLLAPSE_OR_SKIP(&a);
	EXPECT_EQ(NOWHERE, wrong_at(a.at, a.size, a.at, 1));
}

CLAUSE(one_call_collapses_over_several_mappings,
       "madvise(2) MADV_COLLAPSE: a range of several mappings is collapsed in each of them [MAD-5]",
       THP_COLLAPSE, .needs = "thp " SMAPS)
{
	struct area a;

	SKIP_UNLESS_HUGE(small_area(&a, 2));
	EXPECT_RET(0, advise(a.at + a.huge, a.huge, MADV_HUGEPAGE));
	COLLAPSE_OR_SKIP(&a);
	EXPECT_EQ(NOWHERE, wrong_at(a.at, a.size, a.at, 1));
}

CLAUSE(pages_that_were_never_touched_are_zero_afterwards,
       "madvise(2) MADV_COLLAPSE: one page that is there is enough, unmapped pages become zeros in the huge page "
       "[MAD-5]",
       THP_COLLAPSE, .needs = "thp " SMAPS)
{
	const size_t page = page_size();
	struct area a;

	soil_free_memory();
	ASSERT_TRUE(area_map(&a, 2));
	raw_syscall(__NR_prctl, PR_SET_THP_DISABLE, 1, 0, 0, 0);
	fill(a.at + 3 * page, page, a.at, 1);
	fill(a.at + a.size - page, page, a.at, 1);
	allow_huge_pages();
	COLLAPSE_OR_SKIP(&a);
	EXPECT_EQ(NOWHERE, nonzero_at(a.at, 3 * page));
	EXPECT_EQ(NOWHERE, wrong_at(a.at + 3 * page, page, a.at, 1));
	EXPECT_EQ(NOWHERE, nonzero_at(a.at + 4 * page, a.size - 5 * page));
	EXPECT_EQ(NOWHERE, wrong_at(a.at + a.size - page, page, a.at, 1));
}

CLAUSE(memory_dropped_before_is_zero_afterwards,
       "madvise(2) MADV_COLLAPSE, MADV_DONTNEED: pages that were given back do not return with the huge page "
       "[MAD-1] [MAD-5]",
       THP_COLLAPSE, .needs = "thp " SMAPS)
{
	const size_t page = page_size();
	struct area a;

	SKIP_UNLESS_HUGE(small_area(&a, 1));
	EXPECT_RET(0, advise(a.at + page, a.size - 2 * page, MADV_DONTNEED));
	COLLAPSE_OR_SKIP(&a);
	EXPECT_EQ(NOWHERE, wrong_at(a.at, page, a.at, 1));
	EXPECT_EQ(NOWHERE, nonzero_at(a.at + page, a.size - 2 * page));
	EXPECT_EQ(NOWHERE, wrong_at(a.at + a.size - page, page, a.at, 1));
}

CLAUSE(huge_pages_are_collapsed_already,
       "madvise(2) MADV_COLLAPSE: where huge pages are there already it succeeds and changes nothing [MAD-5]",
       THP_COLLAPSE, .needs = "thp " SMAPS)
{
	struct area a;

	SKIP_UNLESS_HUGE(small_area(&a, 2));
	COLLAPSE_OR_SKIP(&a);
	COLLAPSE_OR_SKIP(&a);
	EXPECT_EQ(NOWHERE, wrong_at(a.at, a.size, a.at, 1));
}

CLAUSE(a_huge_page_taken_apart_can_be_collapsed_again,
       "madvise(2) MADV_COLLAPSE: small pages of a former huge page become one again, with what was written since "
       "[MAD-5]",
       THP_COLLAPSE, .needs = "thp " SMAPS, .needed_by = "tcmalloc:HugePageFiller")
{
	const size_t page = page_size();
	struct area a;

	SKIP_UNLESS_HUGE(small_area(&a, 1));
	COLLAPSE_OR_SKIP(&a);
	EXPECT_RET(0, advise(a.at + 2 * page, page, MADV_DONTNEED));
	EXPECT_EQ(0, mprotect(a.at + 4 * page, page, PROT_READ));
	EXPECT_EQ(0, huge_bytes(&a));
	EXPECT_EQ(0, mprotect(a.at + 4 * page, page, PROT_READ | PROT_WRITE));
	fill(a.at + 6 * page, page, a.at, 2);
	COLLAPSE_OR_SKIP(&a);
	EXPECT_EQ(NOWHERE, nonzero_at(a.at + 2 * page, page));
	EXPECT_EQ(NOWHERE, wrong_at(a.at + 6 * page, page, a.at, 2));
	EXPECT_EQ(NOWHERE, wrong_at(a.at, 2 * page, a.at, 1));
	EXPECT_EQ(NOWHERE, wrong_at(a.at + 3 * page, 3 * page, a.at, 1));
	EXPECT_EQ(NOWHERE, wrong_at(a.at + 7 * page, a.size - 7 * page, a.at, 1));
}

CLAUSE(the_range_is_narrowed_to_whole_huge_pages,
       "madvise(2) MADV_COLLAPSE: clamps the range to be hugepage-aligned: only whole huge pages inside it are made "
       "[MAD-5]",
       THP_COLLAPSE, .needs = "thp " SMAPS)
{
	const size_t page = page_size();
	struct area a;

	SKIP_UNLESS_HUGE(small_area(&a, 3));
	SKIP_UNLESS_HUGE(!is_bad_luck(collapse(a.at + page, a.size - 2 * page)));
	EXPECT_EQ(a.huge, huge_bytes(&a));
	EXPECT_EQ(NOWHERE, wrong_at(a.at, a.size, a.at, 1));
	EXPECT_RET(0, advise(a.at, a.huge, MADV_DONTNEED));
	EXPECT_RET(0, advise(a.at + 2 * a.huge, a.huge, MADV_DONTNEED));
	EXPECT_EQ(a.huge, huge_bytes(&a));
}

CLAUSE(a_range_without_a_whole_huge_page_changes_nothing,
       "madvise(2) MADV_COLLAPSE: a range that holds no whole huge page makes none: it is no error or EINVAL, and "
       "the contents stay [MAD-5]",
       THP_COLLAPSE, .needs = "thp " SMAPS)
{
	const size_t page = page_size();
	struct area a;
	long result;

	SKIP_UNLESS_HUGE(small_area(&a, 2));
	const struct { size_t from, size; } rows[] = {
		{ 0, page }, { page, page }, { page, a.huge - page }, { 0, a.huge - page }, { page, a.huge },
		{ a.huge - page, 2 * page }, { page, a.size - a.huge },
	};
	for (unsigned int i = 0; i < COUNT(rows); i++) {
		result = advise(a.at + rows[i].from, rows[i].size, MADV_COLLAPSE);
		EXPECT_TRUE(result == 0 || result == -EINVAL || is_bad_luck(result))
			TH_LOG("from %zu on %zu bytes: %ld", rows[i].from, rows[i].size, result);
	}
	EXPECT_EQ(0, huge_bytes(&a));
	EXPECT_EQ(NOWHERE, wrong_at(a.at, a.size, a.at, 1));
}

CLAUSE(memory_advised_against_is_refused,
       "madvise(2) MADV_COLLAPSE: respects MADV_NOHUGEPAGE: EINVAL, small pages stay with their contents [MAD-5]",
       THP_COLLAPSE, .needs = "thp " SMAPS)
{
	struct area a;

	SKIP_UNLESS_HUGE(small_area(&a, 1));
	EXPECT_RET(0, advise(a.at, a.size, MADV_NOHUGEPAGE));
	EXPECT_ERR(EINVAL, advise(a.at, a.size, MADV_COLLAPSE));
	EXPECT_EQ(0, huge_bytes(&a));
	EXPECT_EQ(NOWHERE, wrong_at(a.at, a.size, a.at, 1));
}

CLAUSE(a_process_with_huge_pages_disabled_is_refused,
       "Documentation/admin-guide/mm/transhuge.rst process THP controls: PR_SET_THP_DISABLE holds for MADV_COLLAPSE "
       "too: EINVAL, small pages stay with their contents [MAD-5]",
       THP_COLLAPSE, .needs = "thp " SMAPS)
{
	struct area a;

	SKIP_UNLESS_HUGE(small_area(&a, 1));
	ASSERT_RET(0, raw_syscall(__NR_prctl, PR_SET_THP_DISABLE, 1, 0, 0, 0));
	EXPECT_ERR(EINVAL, advise(a.at, a.size, MADV_COLLAPSE));
	EXPECT_EQ(0, huge_bytes(&a));
	EXPECT_EQ(NOWHERE, wrong_at(a.at, a.size, a.at, 1));
	allow_huge_pages();
	COLLAPSE_OR_SKIP(&a);
}

CLAUSE(memory_that_was_never_touched_is_refused,
       "madvise(2) MADV_COLLAPSE: at least one page of a huge page must be there: EINVAL, and nothing becomes "
       "resident [MAD-5]",
       THP_COLLAPSE, .needs = "thp " SMAPS)
{
	struct area a;

	SKIP_UNLESS_HUGE(map_unread(&a, 1));
	EXPECT_ERR(EINVAL, advise(a.at, a.size, MADV_COLLAPSE));
	EXPECT_EQ(0, resident_bytes(a.at, a.size));
	EXPECT_EQ(NOWHERE, nonzero_at(a.at, a.size));
}

CLAUSE(what_is_no_ordinary_memory_is_refused,
       "madvise(2) MADV_COLLAPSE: hugetlb memory gives EINVAL [MAD-5]",
       THP_COLLAPSE, .needs = "thp file=/sys/kernel/mm/hugepages")
{
	const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | MAP_NORESERVE;
	size_t huge = huge_page_size();
	char *at = mmap(NULL, 2 * huge, PROT_READ | PROT_WRITE, flags, -1, 0);

	if (at == MAP_FAILED)
		SKIP(return, "no hugetlb mapping can be made here");
	EXPECT_ERR(EINVAL, advise(at, 2 * huge, MADV_COLLAPSE));
}

CLAUSE(a_wrong_range_is_refused,
       "madvise(2) ERRORS: MADV_COLLAPSE from inside a page is EINVAL, of an unmapped range ENOMEM, of no bytes no "
       "error [MAD-3] [MAD-5]",
       THP_COLLAPSE, .needs = "thp " SMAPS)
{
	struct area a;

	SKIP_UNLESS_HUGE(small_area(&a, 1));
	EXPECT_ERR(EINVAL, advise(a.at + 1, a.size, MADV_COLLAPSE));
	EXPECT_ERR(EINVAL, advise(a.at + a.size / 2 + 8, a.size, MADV_COLLAPSE));
	EXPECT_ERR(ENOMEM, advise(unmapped_page(), page_size(), MADV_COLLAPSE));
	EXPECT_RET(0, advise(a.at, 0, MADV_COLLAPSE));
	EXPECT_RET(0, advise(0, 0, MADV_COLLAPSE));
	EXPECT_EQ(0, huge_bytes(&a));
	EXPECT_EQ(NOWHERE, wrong_at(a.at, a.size, a.at, 1));
}

CLAUSE(a_hole_is_reported_and_the_rest_is_collapsed,
       "madvise(2) ERRORS ENOMEM and NOTES: a hole in the range makes the call return ENOMEM, and what is mapped is "
       "collapsed [MAD-3] [MAD-5]",
       THP_COLLAPSE, .needs = "thp " SMAPS)
{
	bool done = false;

	// Memory may be short for as long as one is patient, and not a moment later; hardly three times.
	for (int i = 0; i < 3 && !done; i++) {
		struct patience patience = { 0 };
		struct area a;

		SKIP_UNLESS_HUGE(small_area(&a, 3));
		ASSERT_EQ(0, munmap(a.at + a.huge, a.huge));
		while (huge_bytes(&a) != 2 * a.huge && shall_try_again(&patience)) {
			long result = advise(a.at, a.size, MADV_COLLAPSE);

			EXPECT_TRUE(is_bad_luck(result))	// ENOMEM for the hole, or for short memory before it
				TH_LOG("it gave %ld", result);
		}
		EXPECT_EQ(NOWHERE, wrong_at(a.at, a.huge, a.at, 1));
		EXPECT_EQ(NOWHERE, wrong_at(a.at + 2 * a.huge, a.huge, a.at, 1));
		done = huge_bytes(&a) == 2 * a.huge;
		if (!done)	// is each of them to be had by itself?
			SKIP_UNLESS_HUGE(!is_bad_luck(collapse(a.at, a.huge) ?: collapse(a.at + 2 * a.huge, a.huge)));
		area_unmap(&a);
	}
	EXPECT_TRUE(done);
}

CLAUSE_F(settings, collapse_works_under_every_setting,
	 "madvise(2) MADV_COLLAPSE: is independent of any setting in sysfs: it works under never, and with defrag "
	 "set to never [MAD-5] [RSQ-5]",
	 THP_COLLAPSE, .needs = "thp root " SMAPS,
	 .writes = THP_DIR "/enabled," THP_DIR "/defrag" EACH_SIZE_ "," RESERVE_FILE, .exclusive = 1,
	 .needed_by = "tcmalloc:HugePageFiller")
{
	static const char *const words[] = { "never", "madvise", "always" };

	SKIP_UNLESS_WRITABLE("enabled");
	ASSERT_OK(settings_follow_enabled_alone());
	ASSERT_OK(setting_set("defrag", "never"));
	for (unsigned int i = 0; i < COUNT(words); i++) {
		struct area a;

		ASSERT_OK(setting_set("enabled", words[i]));
		SKIP_UNLESS_HUGE(small_area(&a, 1));
		COLLAPSE_OR_SKIP(&a);
		EXPECT_EQ(NOWHERE, wrong_at(a.at, a.size, a.at, 1));
		area_unmap(&a);
	}
}

CLAUSE(pages_shared_with_a_child_are_copied_and_stay_apart,
       "fork(2), madvise(2) MADV_COLLAPSE: pages that a child shares until one of them writes are collapsed for the "
       "caller alone: both keep their contents and do not see each other's writes [MAD-5]",
       THP_COLLAPSE, .needs = "thp " SMAPS)
{
	const size_t page = page_size();
	int go[2], status;
	bool collapsed;
	struct area a;
	pid_t child;
	char byte;

	SKIP_UNLESS_HUGE(small_area(&a, 1));
	ASSERT_EQ(0, pipe(go));
	child = fork();
	if (child == 0) {
		close(go[1]);
		if (read(go[0], &byte, 1) != 0)		// until the parent has collapsed and written
			_exit(2);
		_exit(wrong_at(a.at, a.size, a.at, 1) != NOWHERE);
	}
	ASSERT_GT(child, 0);
	close(go[0]);
	fill(a.at + page, page, a.at, 2);		// one page of the parent's own, as older kernels want it
	collapsed = expect_collapsed(_metadata, &a);
	EXPECT_EQ(NOWHERE, wrong_at(a.at, page, a.at, 1));
	EXPECT_EQ(NOWHERE, wrong_at(a.at + page, page, a.at, 2));
	EXPECT_EQ(NOWHERE, wrong_at(a.at + 2 * page, a.size - 2 * page, a.at, 1));
	fill(a.at, a.size, a.at, 3);
	close(go[1]);
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_EQ(0, status);
	SKIP_UNLESS_HUGE(collapsed);
}

static long probe_remote_collapse(void)
{
	return is_error(raw_syscall(__NR_process_madvise, -1, NULL, 0, MADV_COLLAPSE, 0)) ? probe_collapse() : 0;
}

CLAUSE(another_process_can_be_collapsed,
       "process_madvise(2), mm/madvise.c process_madvise_remote_valid (7.2): MADV_COLLAPSE of another process's "
       "memory makes its pages huge, keeps their contents and returns the bytes advised [MAD-5] [RSQ-5]",
       .since = KERNEL(6, 1), .config = "TRANSPARENT_HUGEPAGE ADVISE_SYSCALLS", .probe = probe_remote_collapse,
       .absent_errno = EINVAL, .needs = "thp cap=sys_nice " SMAPS, .needed_by = "tcmalloc:HugePageFiller")
{
	struct patience patience = { 0 };
	long result = -EAGAIN, pidfd;
	int go[2], status;
	struct mapping m;
	struct iovec range;
	struct area a;
	pid_t child;
	char byte;

	SKIP_UNLESS_HUGE(small_area(&a, 1));
	ASSERT_EQ(0, pipe(go));
	child = fork();
	if (child == 0) {
		close(go[1]);
		fill(a.at, page_size(), a.at, 1);	// a page of its own, as older kernels want it
		_exit(read(go[0], &byte, 1) != 0 || wrong_at(a.at, a.size, a.at, 1) != NOWHERE);
	}
	ASSERT_GT(child, 0);
	close(go[0]);
	ASSERT_TRUE(wait_until_blocked_in(child, __NR_read));
	pidfd = raw_syscall(__NR_pidfd_open, child, 0);
	ASSERT_OK(pidfd);
	range = (struct iovec){ a.at, a.size };
	area_unmap(&a);
	memset(&m, 0, sizeof(m));
	while (result != a.size && shall_try_again(&patience))
		result = raw_syscall(__NR_process_madvise, pidfd, &range, 1, MADV_COLLAPSE, 0);
	EXPECT_TRUE(find_mapping(child, a.at, &m));
	if (result == a.size) {
		EXPECT_EQ(a.huge, mapping_field(&m, "AnonHugePages"));
	} else {
		EXPECT_TRUE(is_bad_luck(result))
			TH_LOG("it gave %ld", result);
	}
	close(go[1]);
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_EQ(0, status);
	SKIP_UNLESS_HUGE(result == a.size);
}

// Writes its part of the area over and over while the other part is collapsed, and looks for lost writes.
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
			w->word[i] = round + i;
		for (size_t i = 0; i < w->words; i++)
			w->lost += ((volatile uint64_t *)w->word)[i] != round + i;
		w->rounds = round;
	}
	return 0;
}

CLAUSE(no_write_is_lost_while_pages_are_collapsed,
       "madvise(2) MADV_COLLAPSE: keeps contents also while another thread writes to them [MAD-5]",
       THP_COLLAPSE, .needs = "thp cpus=2 " SMAPS)
{
	const size_t page = page_size();
	struct writer w;
	struct thread t;
	struct area a;

	SKIP_UNLESS_HUGE(small_area(&a, 1));
	w = (struct writer){ .word = (uint64_t *)(a.at + page), .words = page / sizeof(uint64_t) };
	ASSERT_OK(thread_start(&t, writer_main, &w));
	for (int i = 0; i < 10; i++) {
		unsigned long seen = w.rounds;

		advise(a.at, a.size, MADV_COLLAPSE);
		mprotect(a.at + 4 * page, page, i % 2 ? PROT_READ : PROT_READ | PROT_WRITE);	// takes it apart
		ASSERT_TRUE(wait_until(w.rounds > seen + 1));
	}
	w.stop = true;
	ASSERT_TRUE(thread_join(&t));
	EXPECT_EQ(0, w.lost);
	EXPECT_EQ(NOWHERE, wrong_at(a.at, page, a.at, 1));
	EXPECT_EQ(NOWHERE, wrong_at(a.at + 2 * page, a.size - 2 * page, a.at, 1));
}
