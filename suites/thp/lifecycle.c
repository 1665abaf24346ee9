// SPDX-License-Identifier: GPL-2.0-only
// The life of a huge page: parts of it are dropped, unmapped, protected, moved, shared with a child; the rest stays.
#include "clause.h"

#include <sys/resource.h>
#include <sys/uio.h>

#include "thp.h"
#include "thread.h"

#define HUGE_PAGES THP_ADVICE, .needs = "thp " SMAPS

// A filled area of huge pages that khugepaged leaves alone from then on, so that what is dropped stays dropped.
static bool settled_area(struct area *a, unsigned int huge_pages)
{
	if (!huge_area(a, huge_pages))
		return false;
	fill(a->at, a->size, a->at, 1);
	advise(a->at, a->size, MADV_NOHUGEPAGE);
	return true;
}

// [from, from + size) of the area was dropped, and nothing else: zeros, and the rest as it was.
static void expect_dropped(struct __test_metadata *_metadata, const struct area *a, size_t from, size_t size)
{
	EXPECT_EQ(NOWHERE, nonzero_at(a->at + from, size))
		TH_LOG("dropped from %zu on %zu bytes", from, size);
	EXPECT_EQ(NOWHERE, wrong_at(a->at, from, a->at, 1))
		TH_LOG("dropped from %zu on %zu bytes", from, size);
	EXPECT_EQ(NOWHERE, wrong_at(a->at + from + size, a->size - from - size, a->at, 1))
		TH_LOG("dropped from %zu on %zu bytes", from, size);
}

struct part { size_t from, size; };

// Parts of an area of two huge pages: at each end, inside, whole, across both.
#define PARTS(a, page) { { 0, page }, { page, page }, { (a).huge - page, page }, { (a).huge, page }, \
	{ (a).size - page, page }, { 0, (a).huge / 2 }, { (a).huge / 2, (a).huge / 2 }, { page, (a).huge - 2 * page }, \
	{ 0, (a).huge }, { (a).huge, (a).huge }, { (a).huge - page, 2 * page }, { (a).huge / 2, (a).huge }, \
	{ page, (a).size - 2 * page }, { 0, (a).size } }

CLAUSE(a_dropped_part_is_zero_and_the_rest_stays,
       "madvise(2) MADV_DONTNEED: what is read of the dropped pages is zero, whatever part of a huge page they "
       "were; all other pages keep their contents [MAD-1]",
       HUGE_PAGES, .needed_by = "tcmalloc:SystemRelease v8:OS::DiscardSystemPages")
{
	const size_t page = page_size();
	struct area a;

	SKIP_UNLESS_HUGE(huge_area(&a, 2));
	area_unmap(&a);
	const struct part parts[] = PARTS(a, page);
	for (unsigned int i = 0; i < COUNT(parts); i++) {
		SKIP_UNLESS_HUGE(huge_area(&a, 2));
		fill(a.at, a.size, a.at, 1);
		EXPECT_RET(0, advise(a.at + parts[i].from, parts[i].size, MADV_DONTNEED));
		expect_dropped(_metadata, &a, parts[i].from, parts[i].size);
		area_unmap(&a);
	}
}

CLAUSE(dropping_a_part_lowers_the_resident_size_at_once,
       "madvise(2) MADV_DONTNEED: after success the resident size of the range is reduced immediately, by exactly "
       "the pages dropped of a huge page [MAD-1] [incident 92]",
       HUGE_PAGES, .needed_by = "tcmalloc:SystemRelease v8:OS::DiscardSystemPages")
{
	const size_t page = page_size();
	struct area a;

	SKIP_UNLESS_HUGE(settled_area(&a, 2));
	area_unmap(&a);
	const struct part parts[] = PARTS(a, page);
	for (unsigned int i = 0; i < COUNT(parts); i++) {
		SKIP_UNLESS_HUGE(settled_area(&a, 2));
		EXPECT_RET(0, advise(a.at + parts[i].from, parts[i].size, MADV_DONTNEED));
		EXPECT_LE(resident_bytes(a.at, a.size), a.size - parts[i].size)
			TH_LOG("dropped from %zu on %zu bytes", parts[i].from, parts[i].size);
		area_unmap(&a);
	}
}

CLAUSE(a_heap_dropped_piece_by_piece_ends_empty,
       "madvise(2) MADV_DONTNEED: a heap of huge pages given back in pieces of any order ends with nothing "
       "resident, all zero and usable [MAD-1]",
       HUGE_PAGES, .needed_by = "tcmalloc:SystemRelease v8:OS::DiscardSystemPages")
{
	const size_t pages_in_piece = 16, page = page_size(), piece = pages_in_piece * page;
	int pieces_not_zero = 0;
	struct area a;

	SKIP_UNLESS_HUGE(settled_area(&a, 2));
	for (size_t stride = 0; stride < 4; stride++) {
		for (size_t at = stride * piece; at < a.size; at += 4 * piece) {
			EXPECT_RET(0, advise(a.at + at, piece, MADV_DONTNEED));
			pieces_not_zero += *(volatile uint64_t *)(a.at + at) != 0;
		}
	}
	EXPECT_EQ(0, pieces_not_zero);
	EXPECT_RET(0, advise(a.at, a.size, MADV_DONTNEED));
	EXPECT_EQ(0, resident_bytes(a.at, a.size));
	EXPECT_EQ(NOWHERE, nonzero_at(a.at, a.size));
	fill(a.at, a.size, a.at, 2);
	EXPECT_EQ(NOWHERE, wrong_at(a.at, a.size, a.at, 2));
}

CLAUSE(dropped_small_pages_are_zero_and_not_resident,
       "madvise(2) MADV_DONTNEED: dropped small pages read as zero, are not resident, and the pages around them "
       "stay [MAD-1]",
       THP_ADVICE, .needs = SMAPS, .needed_by = "tcmalloc:SystemRelease v8:OS::DiscardSystemPages")
{
	const size_t page = page_size();
	struct area a;

	ASSERT_TRUE(area_map(&a, 1));
	a.size = 8 * page;
	EXPECT_RET(0, advise(a.at, a.size, MADV_NOHUGEPAGE));
	fill(a.at, a.size, a.at, 1);
	EXPECT_RET(0, advise(a.at + page, 2 * page, MADV_DONTNEED));
	EXPECT_LE(resident_bytes(a.at, a.size), a.size - 2 * page);
	expect_dropped(_metadata, &a, page, 2 * page);
	EXPECT_RET(0, advise(a.at, a.size, MADV_DONTNEED));
	EXPECT_EQ(0, resident_bytes(a.at, a.size));
	EXPECT_EQ(NOWHERE, nonzero_at(a.at, a.size));
}

CLAUSE(freed_pages_are_old_or_zero_until_written,
       "madvise(2) MADV_FREE: a freed page of a huge page reads as before or as zero; what is written to it since "
       "is never lost, and the pages around it stay [MAD-2]",
       HUGE_PAGES, .needed_by = "v8:OS::DiscardSystemPages dotnet:GCToOSInterface::VirtualReset")
{
	const size_t page = page_size();
	struct area a;

	SKIP_UNLESS_HUGE(huge_area(&a, 2));
	fill(a.at, a.size, a.at, 1);
	EXPECT_RET(0, advise(a.at + page, a.huge, MADV_FREE));
	EXPECT_RET(0, advise(a.at + a.size - page, page, MADV_FREE));
	for (size_t at = page; at < a.huge + page; at += page) {
		EXPECT_TRUE(wrong_at(a.at + at, page, a.at, 1) == NOWHERE || nonzero_at(a.at + at, page) == NOWHERE)
			TH_LOG("at %zu", at);
	}
	fill(a.at + 2 * page, page, a.at, 2);
	fill(a.at + a.size - page, page, a.at, 2);
	EXPECT_EQ(NOWHERE, wrong_at(a.at, page, a.at, 1));
	EXPECT_EQ(NOWHERE, wrong_at(a.at + 2 * page, page, a.at, 2));
	EXPECT_EQ(NOWHERE, wrong_at(a.at + a.huge + page, a.huge - 2 * page, a.at, 1));
	EXPECT_EQ(NOWHERE, wrong_at(a.at + a.size - page, page, a.at, 2));
}

CLAUSE(unmapping_a_part_leaves_the_rest,
       "munmap(2) DESCRIPTION: the pages of the range are gone and those around them stay, whatever part of a huge "
       "page they were [MAD-1]",
       HUGE_PAGES)
{
	const size_t page = page_size();
	struct area a;

	SKIP_UNLESS_HUGE(huge_area(&a, 2));
	area_unmap(&a);
	const struct part parts[] = PARTS(a, page);
	for (unsigned int i = 0; i < COUNT(parts); i++) {
		const struct part p = parts[i];

		SKIP_UNLESS_HUGE(huge_area(&a, 2));
		fill(a.at, a.size, a.at, 1);
		EXPECT_RET(0, raw_syscall(__NR_munmap, a.at + p.from, p.size));
		EXPECT_FALSE(is_readable(a.at + p.from));
		EXPECT_FALSE(is_readable(a.at + p.from + p.size - 1));
		EXPECT_EQ(NOWHERE, wrong_at(a.at, p.from, a.at, 1));
		EXPECT_EQ(NOWHERE, wrong_at(a.at + p.from + p.size, a.size - p.from - p.size, a.at, 1));
		area_unmap(&a);
	}
}

// Whether the kernel can write to the address, as read(2) of a pipe finds it; writes a byte of 0xee if so.
static bool is_writable(void *address)
{
	unsigned char byte = 0xee;
	int ends[2];
	long result;

	if (pipe(ends) || write(ends[1], &byte, 1) != 1)
		abort();
	result = raw_syscall(__NR_read, ends[0], address, 1);
	close(ends[0]);
	close(ends[1]);
	return result == 1;
}

CLAUSE(protecting_a_part_leaves_the_rest,
       "mprotect(2) DESCRIPTION: protects the pages of the range and no other, whatever part of a huge page they "
       "are, and contents stay",
       HUGE_PAGES)
{
	const size_t page = page_size();
	struct area a;

	SKIP_UNLESS_HUGE(huge_area(&a, 2));
	area_unmap(&a);
	const struct part parts[] = PARTS(a, page);
	for (unsigned int i = 0; i < COUNT(parts); i++) {
		const struct part p = parts[i];

		SKIP_UNLESS_HUGE(huge_area(&a, 2));
		fill(a.at, a.size, a.at, 1);
		EXPECT_RET(0, raw_syscall(__NR_mprotect, a.at + p.from, p.size, PROT_READ));
		EXPECT_FALSE(is_writable(a.at + p.from));
		EXPECT_FALSE(is_writable(a.at + p.from + p.size - 1));
		EXPECT_EQ(NOWHERE, wrong_at(a.at, a.size, a.at, 1));
		EXPECT_RET(0, raw_syscall(__NR_mprotect, a.at + p.from, p.size, PROT_NONE));
		EXPECT_FALSE(is_readable(a.at + p.from));
		EXPECT_FALSE(is_readable(a.at + p.from + p.size - 1));
		if (p.from) {
			EXPECT_TRUE(is_writable(a.at + p.from - 1));
			fill(a.at + p.from - page, page, a.at, 1);
		}
		if (p.from + p.size < a.size) {
			EXPECT_TRUE(is_writable(a.at + p.from + p.size));
			fill(a.at + p.from + p.size, page, a.at, 1);
		}
		EXPECT_RET(0, raw_syscall(__NR_mprotect, a.at + p.from, p.size, PROT_READ | PROT_WRITE));
		EXPECT_EQ(NOWHERE, wrong_at(a.at, a.size, a.at, 1));
		EXPECT_TRUE(is_writable(a.at + p.from));
		area_unmap(&a);
	}
}

CLAUSE(moving_keeps_the_contents,
       "mremap(2) DESCRIPTION: contents move along, for whole huge pages and parts of them, to aligned and "
       "unaligned places, and the old place is unmapped",
       HUGE_PAGES)
{
	const int flags = MREMAP_MAYMOVE | MREMAP_FIXED;
	const size_t page = page_size();
	struct area a, to;

	SKIP_UNLESS_HUGE(huge_area(&a, 2));
	area_unmap(&a);
	const struct { size_t from, size, to; } rows[] = {
		{ 0, a.huge, 0 }, { 0, a.size, 0 }, { 0, a.size, page }, { page, page, 0 },
		{ a.huge - page, 2 * page, 5 * page }, { page, a.huge, a.huge },
		{ a.huge / 2, a.huge, a.huge / 2 }, { 0, a.huge, a.huge - page },
	};
	for (unsigned int i = 0; i < COUNT(rows); i++) {
		size_t from = rows[i].from, size = rows[i].size;
		char *target;

		SKIP_UNLESS_HUGE(huge_area(&a, 2));
		ASSERT_TRUE(area_map(&to, 3));
		fill(a.at, a.size, a.at, 1);
		target = to.at + rows[i].to;
		EXPECT_RET(target, raw_syscall(__NR_mremap, a.at + from, size, size, flags, target));
		EXPECT_EQ(NOWHERE, wrong_at(target, size, target - from, 1))
			TH_LOG("row %u", i);
		EXPECT_FALSE(is_readable(a.at + from));
		EXPECT_FALSE(is_readable(a.at + from + size - 1));
		EXPECT_EQ(NOWHERE, wrong_at(a.at, from, a.at, 1));
		EXPECT_EQ(NOWHERE, wrong_at(a.at + from + size, a.size - from - size, a.at, 1));
		area_unmap(&a);
		area_unmap(&to);
	}
}

CLAUSE(shrinking_keeps_what_is_left,
       "mremap(2) DESCRIPTION: a mapping that shrinks in the middle of a huge page keeps what is left of it",
       HUGE_PAGES)
{
	const size_t page = page_size();
	struct area a;

	SKIP_UNLESS_HUGE(huge_area(&a, 2));
	fill(a.at, a.size, a.at, 1);
	EXPECT_RET(a.at, raw_syscall(__NR_mremap, a.at, a.size, a.huge + 3 * page, 0));
	EXPECT_EQ(NOWHERE, wrong_at(a.at, a.huge + 3 * page, a.at, 1));
	EXPECT_FALSE(is_readable(a.at + a.huge + 3 * page));
	EXPECT_RET(a.at, raw_syscall(__NR_mremap, a.at, a.huge + 3 * page, page, 0));
	EXPECT_EQ(NOWHERE, wrong_at(a.at, page, a.at, 1));
	EXPECT_FALSE(is_readable(a.at + page));
}

CLAUSE(parent_and_child_see_no_write_of_each_other,
       "fork(2) NOTES: copy-on-write: a huge page that parent and child share stays as it was for the one when the "
       "other writes or drops a part of it",
       HUGE_PAGES)
{
	const size_t page = page_size();
	int go[2], status;
	struct area a;
	pid_t child;
	char byte;

	SKIP_UNLESS_HUGE(huge_area(&a, 2));
	fill(a.at, a.size, a.at, 1);
	IN_CHILD {	// the child writes and drops, the parent looks
		EXPECT_EQ(NOWHERE, wrong_at(a.at, a.size, a.at, 1));
		fill(a.at + page, page, a.at, 2);
		EXPECT_RET(0, advise(a.at + 3 * page, page, MADV_DONTNEED));
		fill(a.at + a.huge, a.huge, a.at, 2);
		EXPECT_EQ(NOWHERE, wrong_at(a.at, page, a.at, 1));
		EXPECT_EQ(NOWHERE, wrong_at(a.at + page, page, a.at, 2));
		EXPECT_EQ(NOWHERE, wrong_at(a.at + 2 * page, page, a.at, 1));
		EXPECT_EQ(NOWHERE, nonzero_at(a.at + 3 * page, page));
		EXPECT_EQ(NOWHERE, wrong_at(a.at + 4 * page, a.huge - 4 * page, a.at, 1));
		EXPECT_EQ(NOWHERE, wrong_at(a.at + a.huge, a.huge, a.at, 2));
	}
	EXPECT_EQ(NOWHERE, wrong_at(a.at, a.size, a.at, 1));

	ASSERT_EQ(0, pipe(go));
	child = fork();
	if (child == 0) {	// the parent writes and drops, the child looks
		close(go[1]);
		_exit(read(go[0], &byte, 1) != 0 || wrong_at(a.at, a.size, a.at, 1) != NOWHERE);
	}
	ASSERT_GT(child, 0);
	fill(a.at, a.size / 2 + page, a.at, 3);
	EXPECT_RET(0, advise(a.at + a.size - page, page, MADV_DONTNEED));
	close(go[0]);
	close(go[1]);
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_EQ(0, status);
}

#define LOCK_OR_SKIP(at, size) do {							\
	long locked_ = raw_syscall(__NR_mlock, at, size);				\
	if (locked_ == -ENOMEM || locked_ == -EPERM)					\
		SKIP(return, "RLIMIT_MEMLOCK does not allow to lock a huge page");	\
	ASSERT_RET(0, locked_);								\
} while (0)

CLAUSE(locked_huge_pages_are_not_dropped,
       "madvise(2) ERRORS EINVAL: MADV_DONTNEED and MADV_FREE of locked pages give EINVAL and change nothing, until "
       "munlock(2), for a whole huge page and a part of one",
       HUGE_PAGES)
{
	const size_t page = page_size();
	struct area a;

	SKIP_UNLESS_HUGE(huge_area(&a, 2));
	fill(a.at, a.size, a.at, 1);
	LOCK_OR_SKIP(a.at, a.huge + page);
	EXPECT_ERR(EINVAL, advise(a.at, a.huge, MADV_DONTNEED));
	EXPECT_ERR(EINVAL, advise(a.at + page, page, MADV_DONTNEED));
	EXPECT_ERR(EINVAL, advise(a.at + a.huge, page, MADV_DONTNEED));
	EXPECT_ERR(EINVAL, advise(a.at + page, page, MADV_FREE));
	EXPECT_EQ(NOWHERE, wrong_at(a.at, a.size, a.at, 1));
	EXPECT_RET(0, advise(a.at + a.huge + page, page, MADV_DONTNEED));
	expect_dropped(_metadata, &a, a.huge + page, page);
	EXPECT_RET(0, raw_syscall(__NR_munlock, a.at, a.huge + page));
	EXPECT_RET(0, advise(a.at, a.huge + page, MADV_DONTNEED));
	EXPECT_EQ(NOWHERE, nonzero_at(a.at, a.huge + 2 * page));
}

static long probe_dontneed_locked(void)
{
	return probe_advice(MADV_DONTNEED_LOCKED);
}

CLAUSE(dontneed_locked_drops_parts_of_locked_huge_pages,
       "mm/madvise.c madvise_dontneed_free_valid_vma (7.2): MADV_DONTNEED_LOCKED drops pages of a locked huge page "
       "as MADV_DONTNEED does those of one that is not locked",
       .since = KERNEL(5, 18), .config = "ADVISE_SYSCALLS", .probe = probe_dontneed_locked, .absent_errno = EINVAL,
       .needs = "thp " SMAPS)
{
	const size_t page = page_size();
	struct area a;

	SKIP_UNLESS_HUGE(huge_area(&a, 1));
	fill(a.at, a.size, a.at, 1);
	LOCK_OR_SKIP(a.at, a.size);
	EXPECT_RET(0, advise(a.at + 2 * page, 3 * page, MADV_DONTNEED_LOCKED));
	expect_dropped(_metadata, &a, 2 * page, 3 * page);
	EXPECT_RET(0, advise(a.at, a.size, MADV_DONTNEED_LOCKED));
	EXPECT_EQ(NOWHERE, nonzero_at(a.at, a.size));
}
