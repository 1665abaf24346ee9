// SPDX-License-Identifier: GPL-2.0-only
// mincore(2): what its three arguments may be, and which error comes first.
#include "clause.h"
#include "mincore.h"

// The last page of the address space, which no program can map.
#define TOP_PAGE ((char *)-(uintptr_t)page_size())

CLAUSE(unaligned_addresses_are_einval,
       "mincore(2) ERRORS EINVAL: addr is not a multiple of the page size, whichever byte of the page it is [MINC-1]",
       .needed_by = "go:mincore")
{
	unsigned char *vec = guarded(4);
	char *p = small_pages(3);
	size_t offset = 1;

	ASSERT_NE(NULL, p);
	while (offset < page_size() && mincore_raw(p + offset, 1, vec) == -EINVAL)
		offset++;
	EXPECT_EQ(page_size(), offset);
	EXPECT_ERR(EINVAL, mincore_raw(p + 1, page_size(), vec));
	EXPECT_ERR(EINVAL, mincore_raw(p + page_size() / 2, page_size(), vec));
	EXPECT_ERR(EINVAL, mincore_raw(p + 2 * page_size() - 1, 1, vec));
	EXPECT_UNTOUCHED(vec, 0, 4);
	EXPECT_INTACT(vec);
}

CLAUSE(the_page_size_is_the_first_offset_that_is_accepted,
       "mincore(2) ERRORS EINVAL: of the offsets 4K, 8K ... 512K the first that is not refused is the page size, and"
       " all behind it are accepted [MINC-1] [AUX-7]", .needed_by = "go:mincore go:addrspace_vec")
{
	char *p = small_pages((1024 * 1024) / page_size());
	unsigned char entry;
	size_t offset = 1;

	ASSERT_NE(NULL, p);
	while (offset <= 512 * 1024 && mincore_raw(p + offset, 1, &entry) != 0)
		offset *= 2;
	EXPECT_EQ(page_size(), offset);
	for (; offset <= 512 * 1024; offset *= 2)
		EXPECT_RET(0, mincore_raw(p + offset, 1, &entry));
}

CLAUSE(einval_comes_before_every_other_error,
       "mm/mincore.c sys_mincore (7.2): the alignment is checked before length, range and vector [MINC-1]",
       .needed_by = "go:mincore")
{
	char *p = small_pages(1), *hole = unmapped_page();
	unsigned char entry = GUARD_BYTE;

	ASSERT_NE(NULL, p);
	EXPECT_ERR(EINVAL, mincore_raw(p + 1, 0, &entry));
	EXPECT_ERR(EINVAL, mincore_raw(p + 1, SIZE_MAX, &entry));
	EXPECT_ERR(EINVAL, mincore_raw(hole + 1, 1, &entry));
	EXPECT_ERR(EINVAL, mincore_raw(p + 1, 1, forbidden_page()));
	EXPECT_ERR(EINVAL, mincore_raw(p + 1, 1, TOP_PAGE));
	EXPECT_ERR(EINVAL, mincore_raw(hole + 1, 1, NULL));
	EXPECT_ERR(EINVAL, mincore_raw(TOP_PAGE + 1, 1, &entry));
	EXPECT_ERR(EINVAL, mincore_raw((char *)-1, 1, &entry));
	EXPECT_ERR(EINVAL, mincore_raw((char *)1, 1, &entry));
	EXPECT_EQ(GUARD_BYTE, entry);
}

CLAUSE(length_zero_asks_for_nothing_and_succeeds,
       "mm/mincore.c sys_mincore (7.2): a length of 0 gives 0 pages, whatever is mapped and wherever the vector is"
       " [MINC-5]")
{
	char *p = small_pages(1);
	unsigned char *vec = guarded(1);

	ASSERT_NE(NULL, p);
	EXPECT_RET(0, mincore_raw(p, 0, vec));
	EXPECT_RET(0, mincore_raw(unmapped_page(), 0, vec));
	EXPECT_RET(0, mincore_raw(NULL, 0, vec));
	EXPECT_RET(0, mincore_raw(p, 0, forbidden_page()));
	EXPECT_RET(0, mincore_raw(p, 0, NULL));
	EXPECT_UNTOUCHED(vec, 0, 1);
	EXPECT_INTACT(vec);
}

CLAUSE(length_is_rounded_up_to_whole_pages,
       "mincore(2) DESCRIPTION: the vector takes (length + PAGE_SIZE - 1) / PAGE_SIZE bytes [MINC-5]",
       .needed_by = "go:mincore")
{
	size_t page = page_size();
	const struct { size_t length, pages; } row[] = {
		{ 1, 1 }, { 2, 1 }, { page / 2, 1 }, { page - 1, 1 }, { page, 1 },
		{ page + 1, 2 }, { 2 * page - 1, 2 }, { 2 * page, 2 }, { 2 * page + 1, 3 }, { 7 * page + 1, 8 },
	};
	char *p = small_pages(8);

	ASSERT_NE(NULL, p);
	for (size_t i = 0; i < sizeof(row) / sizeof(*row); i++) {
		unsigned char *vec = guarded(10);
		size_t written = 0;

		EXPECT_RET(0, mincore_raw(p, row[i].length, vec));
		while (written < 10 && vec[written] != GUARD_BYTE)
			written++;
		EXPECT_EQ(row[i].pages, written) TH_LOG("length %zu", row[i].length);
		EXPECT_UNTOUCHED(vec, written, 10);
		EXPECT_INTACT(vec);
		guard_free(vec);
	}
}

CLAUSE(exactly_one_byte_a_page_is_written,
       "mincore(2) DESCRIPTION: vec must hold one byte a page, and no byte more is needed or changed [MINC-2]",
       .needed_by = "go:mincore go:addrspace_vec")
{
	char *p = small_pages(70);

	ASSERT_NE(NULL, p);
	for (size_t pages = 1; pages <= 70; pages++) {
		unsigned char *vec = guarded(pages);

		EXPECT_RET(0, mincore_raw(p, pages * page_size(), vec));
		EXPECT_EQ(NULL, memchr(vec, GUARD_BYTE, pages));
		EXPECT_INTACT(vec);
		guard_free(vec);
	}
}

CLAUSE(entries_are_zero_or_one,
       "mm/mincore.c mincore_page, mincore_pte_range (7.2): an entry is 0 or 1; the seven other bits are reserved and"
       " 0 [MINC-2]")
{
	const int flags[] = { MAP_PRIVATE | MAP_ANONYMOUS, MAP_SHARED | MAP_ANONYMOUS, MAP_SHARED, MAP_PRIVATE };
	int fd = memfd_create("osprim-mincore", MFD_CLOEXEC);

	ASSERT_EQ(0, ftruncate(fd, 8 * page_size()));
	ASSERT_EQ(1, pwrite(fd, "x", 1, 3 * page_size()));
	for (int i = 0; i < 4; i++) {
		bool anonymous = flags[i] & MAP_ANONYMOUS;
		char *p = small_pages_of(8, PROT_READ | PROT_WRITE, flags[i], anonymous ? -1 : fd, 0);
		unsigned char vec[8];

		ASSERT_NE(NULL, p);
		if (anonymous)
			touch_pages(p, "01100110");
		memset(vec, GUARD_BYTE, sizeof(vec));
		EXPECT_RET(0, mincore_raw(p, sizeof(vec) * page_size(), vec));
		for (int j = 0; j < 8; j++)
			EXPECT_EQ(0, vec[j] & ~1);
	}
	close(fd);
}

CLAUSE(length_that_leaves_the_address_space_is_enomem,
       "mincore(2) ERRORS ENOMEM: length is greater than (TASK_SIZE - addr), a negative one included [MINC-3]")
{
	unsigned char *vec = guarded(2);
	char *p = island(2);
	const size_t lengths[] = {
		SIZE_MAX, SIZE_MAX - 1, SIZE_MAX / 2, SIZE_MAX / 2 + 1, SIZE_MAX / 2 + page_size(),
		-page_size(), -page_size() + 1, -page_size() - 1,
		-(uintptr_t)p, -(uintptr_t)p + 1, -(uintptr_t)p - 1, -(uintptr_t)p + page_size(),
	};

	ASSERT_NE(NULL, p);
	for (size_t i = 0; i < sizeof(lengths) / sizeof(*lengths); i++) {
		EXPECT_ERR(ENOMEM, mincore_raw(p, lengths[i], vec)) TH_LOG("length %#zx", lengths[i]);
	}
	EXPECT_INTACT(vec);
}

CLAUSE(addresses_above_user_space_are_enomem,
       "mincore(2) ERRORS ENOMEM: addr to addr + length contained unmapped memory; the kernel's own is none of the"
       " caller's [MINC-3]")
{
	const uintptr_t high = sizeof(long) == 8 ? (uintptr_t)1 << (8 * sizeof(long) - 1) : (uintptr_t)TOP_PAGE;
	const uintptr_t top = (uintptr_t)TOP_PAGE, addresses[] = { top, top - page_size(), high, high | high >> 1 };
	unsigned char *vec = guarded(2);

	for (size_t i = 0; i < sizeof(addresses) / sizeof(*addresses); i++) {
		uintptr_t page = addresses[i] & -(uintptr_t)page_size();

		EXPECT_ERR(ENOMEM, mincore_raw(page, 1, vec)) TH_LOG("address %#lx", (unsigned long)page);
		EXPECT_ERR(ENOMEM, mincore_raw(page, page_size(), vec)) TH_LOG("address %#lx", (unsigned long)page);
	}
	EXPECT_ERR(ENOMEM, mincore_raw(TOP_PAGE, 2 * page_size(), vec));
	EXPECT_ERR(ENOMEM, mincore_raw(TOP_PAGE, SIZE_MAX, vec));
	EXPECT_UNTOUCHED(vec, 0, 2);
	EXPECT_INTACT(vec);
}

CLAUSE(vector_that_cannot_be_written_is_efault,
       "mincore(2) ERRORS EFAULT: vec points to an invalid address [MINC-4]")
{
	char *p = small_pages(2), *read_only = small_pages_of(1, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ASSERT_NE(NULL, p);
	ASSERT_NE(NULL, read_only);
	EXPECT_ERR(EFAULT, mincore_raw(p, page_size(), forbidden_page()));
	EXPECT_ERR(EFAULT, mincore_raw(p, page_size(), unmapped_page()));
	EXPECT_ERR(EFAULT, mincore_raw(p, page_size(), read_only));
	EXPECT_ERR(EFAULT, mincore_raw(p, page_size(), TOP_PAGE));
	EXPECT_ERR(EFAULT, mincore_raw(p, page_size(), (char *)-1));
	EXPECT_ERR(EFAULT, mincore_raw(p, 1, forbidden_page()));
	EXPECT_EQ(0, *read_only);
}

CLAUSE(vector_one_byte_too_short_is_efault,
       "mincore(2) ERRORS EFAULT: every byte of the vector must be writable, the last too [MINC-4]")
{
	char *p = small_pages(64);

	ASSERT_NE(NULL, p);
	for (size_t pages = 2; pages <= 64; pages *= 2) {
		unsigned char *vec = guarded(pages - 1);

		EXPECT_ERR(EFAULT, mincore_raw(p, pages * page_size(), vec));
		EXPECT_INTACT(vec);
		guard_free(vec);
	}
}

CLAUSE(enomem_comes_before_efault,
       "mm/mincore.c sys_mincore, do_mincore (7.2): the range is looked at before the vector is written")
{
	char *bad = forbidden_page(), *p = small_pages(1), *hole = unmapped_page();

	ASSERT_NE(NULL, p);
	EXPECT_ERR(ENOMEM, mincore_raw(hole, 1, bad));
	EXPECT_ERR(ENOMEM, mincore_raw(hole, page_size(), hole));
	EXPECT_ERR(ENOMEM, mincore_raw(TOP_PAGE, 1, bad));
	EXPECT_ERR(ENOMEM, mincore_raw(hole, SIZE_MAX, NULL));
}

CLAUSE(efault_of_a_vector_in_use_comes_before_a_later_hole,
       "mm/mincore.c sys_mincore (7.2): entries are copied out mapping by mapping, so a bad vector is met before a"
       " hole behind the first mapping")
{
	char *bad = forbidden_page(), *p = island(2);

	ASSERT_NE(NULL, p);
	EXPECT_ERR(EFAULT, mincore_raw(p, 3 * page_size(), bad));
}

CLAUSE(vector_need_not_be_resident,
       "mm/mincore.c sys_mincore (7.2): the vector is written with no lock held, so it may be in pages never touched")
{
	char *p = small_pages(16);
	unsigned char *vec = (unsigned char *)small_pages(3) + page_size() - 8;

	ASSERT_NE(NULL, p);
	touch_pages(p, "1");
	EXPECT_RET(0, mincore_raw(p, 16 * page_size(), vec));
	EXPECT_EQ(1, vec[0] & 1);
	EXPECT_EQ(0, vec[15] & 1);
}

CLAUSE(vector_may_lie_in_the_range_itself,
       "mm/mincore.c sys_mincore (7.2): pages are looked at before their entries are written, and the vector may be"
       " among them")
{
	char *p = small_pages(4);

	ASSERT_NE(NULL, p);
	touch_pages(p, "1");
	EXPECT_RET(0, mincore_raw(p, 4 * page_size(), p + 2 * page_size()));
	EXPECT_EQ(1, p[2 * page_size() + 0] & 1);
	EXPECT_EQ(0, p[2 * page_size() + 1] & 1);
	EXPECT_EQ(0, p[2 * page_size() + 2] & 1);
	EXPECT_EQ(0, p[2 * page_size() + 3] & 1);
	EXPECT_RESIDENT("1010", p);
}

CLAUSE(vector_at_any_alignment_is_filled,
       "mincore(2) DESCRIPTION: vec is an array of bytes, with no alignment asked for [MINC-2]")
{
	char *p = small_pages(5);
	unsigned char vec[16 + 5];

	ASSERT_NE(NULL, p);
	touch_pages(p, "10110");
	for (int offset = 0; offset < 16; offset++) {
		memset(vec, GUARD_BYTE, sizeof(vec));
		EXPECT_RET(0, mincore_raw(p, 5 * page_size(), vec + offset));
		EXPECT_VEC("10110", vec + offset, 5);
		for (int i = 0; i < (int)sizeof(vec); i++)
			EXPECT_TRUE((vec[i] == GUARD_BYTE) == (i < offset || i >= offset + 5));
	}
}

CLAUSE(errors_are_negative_and_small,
       "intro(2) RETURN VALUE: a failing call gives a negated error number, and mincore(2): success is exactly 0"
       " [MINC-8]", .needed_by = "go:mincore")
{
	char *p = small_pages(1);
	unsigned char entry;
	long result;

	ASSERT_NE(NULL, p);
	EXPECT_RET(0, mincore_raw(p, page_size(), &entry));
	result = mincore_raw(p + 1, 1, &entry);
	EXPECT_TRUE(result < 0 && result >= -4095);
	result = mincore_raw(unmapped_page(), 1, &entry);
	EXPECT_TRUE(result < 0 && result >= -4095);
}

CLAUSE(the_top_byte_of_an_address_counts_unless_the_abi_ignores_it,
       "Documentation/arch/arm64/tagged-address-abi.rst: where tags are part of the ABI mincore takes tagged"
       " addresses, elsewhere such an address is one that is not mapped [MINC-5]", .needs = "64bit")
{
	char *p = small_pages(1);
	uintptr_t tagged = (uintptr_t)p | (uintptr_t)0x35 << (8 * sizeof(long) - 8);
	unsigned char entry = GUARD_BYTE;

	ASSERT_NE(NULL, p);
	EXPECT_RET(ARCH_IGNORES_TOP_BYTE ? 0 : -ENOMEM, mincore_raw(tagged, 1, &entry));
	EXPECT_RET(0, mincore_raw(p, 1, &entry));
}
