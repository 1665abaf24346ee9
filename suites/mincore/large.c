// SPDX-License-Identifier: GPL-2.0-only
// mincore(2) over ranges of more pages than a page has bytes: the kernel answers them piece by piece.
#include "clause.h"
#include "mincore.h"

// One piece: as many entries as fit the kernel's buffer of one page.
static size_t piece(void)
{
	return page_size();
}

static char *reserve(size_t pages)
{
	return small_pages_of(pages, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
}

static size_t residents(const unsigned char *vec, size_t pages)
{
	size_t n = 0;

	for (size_t i = 0; i < pages; i++)
		n += vec[i] & 1;
	return n;
}

CLAUSE(ranges_of_many_pieces_are_reported_whole,
       "mm/mincore.c sys_mincore (7.2): ranges are answered a page of entries at a time, and none is lost or doubled"
       " at the seams [MINC-2] [MINC-6]")
{
	size_t pages = 3 * piece() + 7;
	const size_t touched[] = { 0, 1, piece() - 2, piece() - 1, piece(), piece() + 1, 2 * piece() - 1, 2 * piece(),
				   3 * piece() - 1, 3 * piece(), 3 * piece() + 5 };
	const size_t n = sizeof(touched) / sizeof(*touched);
	unsigned char *vec = guarded(pages);
	char *p = reserve(pages);

	ASSERT_NE(NULL, p);
	for (size_t i = 0; i < n; i++)
		touch_pages(p + touched[i] * page_size(), "1");
	EXPECT_RET(0, mincore_raw(p, pages * page_size(), vec));
	for (size_t i = 0; i < n; i++)
		EXPECT_EQ(1, vec[touched[i]] & 1);
	EXPECT_EQ(n, residents(vec, pages));
	EXPECT_EQ(NULL, memchr(vec, GUARD_BYTE, pages));
	EXPECT_INTACT(vec);
}

CLAUSE(lengths_around_a_piece_write_as_many_entries,
       "mm/mincore.c sys_mincore (7.2): one page more or less than a page of entries makes one entry more or less"
       " [MINC-2] [MINC-5]")
{
	char *p = reserve(2 * piece() + 2);

	ASSERT_NE(NULL, p);
	for (size_t seam = piece(); seam <= 2 * piece(); seam += piece())
		for (size_t pages = seam - 1; pages <= seam + 1; pages++) {
			unsigned char *vec = guarded(seam + 2);

			EXPECT_RET(0, mincore_raw(p, (pages - 1) * page_size() + 1, vec));
			EXPECT_EQ(NULL, memchr(vec, GUARD_BYTE, pages));
			EXPECT_UNTOUCHED(vec, pages, seam + 2);
			EXPECT_INTACT(vec);
			guard_free(vec);
		}
}

CLAUSE(a_vector_too_short_in_a_later_piece_is_efault,
       "mincore(2) ERRORS EFAULT: vec points to an invalid address, if only with its last byte [MINC-4]")
{
	char *p = reserve(2 * piece() + 1);
	unsigned char *vec = guarded(piece());

	ASSERT_NE(NULL, p);
	touch_pages(p + (piece() - 2) * page_size(), "01");
	EXPECT_RET(0, mincore_raw(p, piece() * page_size(), vec));
	EXPECT_VEC("01", vec + piece() - 2, 2);
	memset(vec, GUARD_BYTE, piece());
	EXPECT_ERR(EFAULT, mincore_raw(p, (piece() + 1) * page_size(), vec));
	EXPECT_VEC("01", vec + piece() - 2, 2);
	EXPECT_ERR(EFAULT, mincore_raw(p, (2 * piece() + 1) * page_size(), vec));
	EXPECT_INTACT(vec);
}

CLAUSE(a_hole_in_a_later_piece_is_enomem_behind_all_entries_before,
       "mm/mincore.c sys_mincore (7.2): entries before the hole are written, in whichever piece it lies [MINC-3]")
{
	size_t pages = 2 * piece() + 4;
	const size_t holes[] = { piece() - 1, piece(), piece() + 1, 2 * piece(), pages - 1 };
	char *p = reserve(pages);

	ASSERT_NE(NULL, p);
	for (int i = sizeof(holes) / sizeof(*holes) - 1; i >= 0; i--) {
		unsigned char *vec = guarded(pages);

		touch_pages(p + (holes[i] - 1) * page_size(), "1");
		munmap(p + holes[i] * page_size(), page_size());
		EXPECT_ERR(ENOMEM, mincore_raw(p, pages * page_size(), vec));
		EXPECT_EQ(NULL, memchr(vec, GUARD_BYTE, holes[i]));
		EXPECT_VEC("1", vec + holes[i] - 1, 1);
		EXPECT_UNTOUCHED(vec, holes[i], pages);
		EXPECT_INTACT(vec);
		guard_free(vec);
		ASSERT_NE(MAP_FAILED, mmap(p + holes[i] * page_size(), page_size(), PROT_READ,
					   MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	}
}

CLAUSE(mappings_whose_ends_are_no_seams_are_reported_whole,
       "mm/mincore.c do_mincore (7.2): a mapping's end ends a piece early, and the next begins there [MINC-2] [MINC-6]")
{
	size_t page = page_size(), pages = 2 * piece() + 9;
	const size_t ends[] = { 5, piece() - 3, piece() + 6, 2 * piece() + 1 };
	unsigned char *vec = guarded(pages);
	char *p = reserve(pages);

	ASSERT_NE(NULL, p);
	for (size_t i = 0; i < 4; i++)
		touch_pages(p + (ends[i] - 1) * page, "10");
	for (size_t i = 0; i < 4; i++)
		ASSERT_OK(raw_syscall(__NR_mprotect, p + ends[i] * page, 2 * page, i % 2 ? PROT_READ : PROT_NONE));
	EXPECT_RET(0, mincore_raw(p, pages * page, vec));
	for (size_t i = 0; i < 4; i++)
		EXPECT_VEC("010", vec + ends[i] - 2, 3);
	EXPECT_EQ(4, residents(vec, pages));
	EXPECT_EQ(NULL, memchr(vec, GUARD_BYTE, pages));
	EXPECT_INTACT(vec);
}

CLAUSE(ranges_beyond_four_gigabytes_are_reported_whole,
       "mincore(2) SYNOPSIS: length is a size_t, all of its bits count [MINC-2] [MINC-5]", .needs = "64bit")
{
	size_t pages = (size_t)(1ULL << 32) / page_size() + 2;
	unsigned char *vec = guarded(pages);
	char *p = reserve(pages);

	if (!p)
		SKIP(return, "four gigabytes of addresses are not to be had");
	touch_pages(p, "1");
	touch_pages(p + (pages - 3) * page_size(), "101");
	EXPECT_RET(0, mincore_raw(p, pages * page_size() - 5, vec));
	EXPECT_VEC("10", vec, 2);
	EXPECT_VEC("101", vec + pages - 3, 3);
	EXPECT_EQ(3, residents(vec, pages));
	EXPECT_EQ(NULL, memchr(vec, GUARD_BYTE, pages));
	EXPECT_INTACT(vec);
}
