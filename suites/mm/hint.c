// SPDX-License-Identifier: GPL-2.0-only
// mmap(2): where a mapping comes to lie, by hint, by MAP_FIXED and by MAP_FIXED_NOREPLACE.
#include "clause.h"
#include "mm.h"

// No program of a 64-bit ABI gets an address above this that it did not ask for.
#define DEFAULT_LIMIT ((uint64_t)1 << 48)

// Addresses that were mapped a moment ago and are free now, with room around.
static char *free_pages(size_t n)
{
	char *p = island(n, 1);

	munmap(p, n * page_size());
	return p;
}

CLAUSE(a_free_hint_is_honoured_exactly,
       "mmap(2) addr: the kernel takes it as a hint; mm/mmap.c arch_get_unmapped_area (5.10, 7.2): an aligned one where"
       " the range is free is where the mapping goes [MAP-1]", .needed_by = "go:sysReserve jvm:reserve_memory")
{
	const int protections[] = { PROT_NONE, PROT_READ, RW, PROT_READ | PROT_EXEC };

	for (int i = 0; i < 4; i++) {
		char *p = free_pages(8);

		EXPECT_RET(p, mmap_raw(p, 8 * page_size(), protections[i], ANONYMOUS, -1, 0));
		EXPECT_TRUE(is_mapped(p));
		EXPECT_TRUE(is_mapped(p + 7 * page_size()));
	}
}

CLAUSE(arenas_can_be_laid_side_by_side,
       "mm/mmap.c arch_get_unmapped_area (5.10, 7.2): each reservation whose hint is the end of the last one continues"
       " it, as long as that is free [MAP-1]", .needed_by = "go:sysReserve")
{
	const size_t arena = 1 << 20;
	char *all = (char *)mmap_raw(NULL, 16 * arena, PROT_NONE, ANONYMOUS, -1, 0);

	ASSERT_OK((long)all);
	ASSERT_OK(munmap_raw(all, 16 * arena));
	for (int i = 0; i < 16; i++)
		EXPECT_RET(all + i * arena, mmap_raw(all + i * arena, arena, PROT_NONE, ANONYMOUS, -1, 0));
}

CLAUSE(an_occupied_hint_gives_another_address,
       "mmap(2) addr: if another mapping already exists there, the kernel picks a new address [MAP-3]",
       .needed_by = "go:sysReserve")
{
	char *p = pages(4);

	mark_pages(p, 4, 'a');
	for (int i = 0; i < 4; i++) {
		char *other = (char *)mmap_raw(p + i * page_size(), 2 * page_size(), RW, ANONYMOUS, -1, 0);

		ASSERT_OK((long)other);
		EXPECT_TRUE(other >= p + 4 * page_size() || other + 2 * page_size() <= p);
		EXPECT_TRUE(are_zero(other, 2));
	}
	EXPECT_TRUE(are_marked(p, 4, 'a'));
}

CLAUSE(a_hint_whose_end_is_occupied_gives_another_address,
       "mm/mmap.c arch_get_unmapped_area (5.10, 7.2): the hint must be free for the whole length [MAP-3]")
{
	char *p = island(2, 2), *other;

	mark_pages(p, 2, 'a');
	other = (char *)mmap_raw(p - page_size(), 2 * page_size(), RW, ANONYMOUS, -1, 0);
	ASSERT_OK((long)other);
	EXPECT_NE(p - page_size(), other);
	EXPECT_TRUE(are_marked(p, 2, 'a'));
}

CLAUSE(a_hint_that_cannot_be_is_no_error,
       "mmap(2) addr: it is a hint; one that is unaligned, too low or above the address space changes nothing but the"
       " place [MAP-3] [incident 96]")
{
	const uintptr_t hints[] = {
		1, page_size() - 1, page_size(), SIZE_MAX, SIZE_MAX - page_size() + 1, SIZE_MAX - 3 * page_size() + 1,
		(uintptr_t)pages(4) + 1, sizeof(long) == 8 ? (uintptr_t)1 << (8 * sizeof(long) - 14) : 0xc0000000,
	};

	for (size_t i = 0; i < sizeof(hints) / sizeof(*hints); i++) {
		long at = mmap_raw((void *)hints[i], 2 * page_size(), RW, ANONYMOUS, -1, 0);

		ASSERT_OK(at) TH_LOG("hint %#lx", (unsigned long)hints[i]);
		EXPECT_EQ(0, at % page_size());
		EXPECT_TRUE(are_zero((char *)at, 2));
	}
}

CLAUSE(without_a_hint_addresses_fit_into_48_bits,
       "Documentation/arch/x86/x86_64/5level-paging.rst, Documentation/arch/arm64/memory.rst: addresses above the"
       " default limit are given only to those who ask with a hint above it [MAP-2] [incident 96]", .needs = "64bit",
       .needed_by = "go:lfstackPack jvm:ZAddress v8:TaggedPointer")
{
	const size_t sizes[] = { 1, 1 << 16, 1 << 21, (size_t)1 << 30 };
	void *hints[] = { NULL, (void *)(1UL << 30) };
	uint64_t here = (uintptr_t)__builtin_frame_address(0);

	for (int i = 0; i < 8; i++)
		EXPECT_LT((uint64_t)mmap_raw(hints[i % 2], sizes[i / 2], PROT_NONE, ANONYMOUS | MAP_NORESERVE, -1, 0),
			  DEFAULT_LIMIT);
	EXPECT_LT(here, DEFAULT_LIMIT);
}

CLAUSE(mappings_begin_at_a_page_and_do_not_overlap,
       "mmap(2) DESCRIPTION: if addr is NULL, the kernel chooses the page-aligned address; POSIX mmap: and never one at"
       " which there is a mapping")
{
	char *p[12];

	for (int i = 0; i < 12; i++) {
		p[i] = (char *)mmap_raw(NULL, 3 * page_size() - i, RW, ANONYMOUS, -1, 0);
		ASSERT_OK((long)p[i]);
		EXPECT_EQ(0, (uintptr_t)p[i] % page_size());
		EXPECT_NE(NULL, p[i]);
		mark_pages(p[i], 3, 10 * i);
	}
	for (int i = 0; i < 12; i++)
		EXPECT_TRUE(are_marked(p[i], 3, 10 * i));
}

CLAUSE(fixed_replaces_exactly_its_range,
       "mmap(2) MAP_FIXED: if the range overlaps existing mappings, the overlapped part is discarded; its neighbours"
       " stay as they are [MAP-4]", .needed_by = "go:sysMap jvm:commit_memory")
{
	char *p = pages(8);

	mark_pages(p, 8, 'a');
	EXPECT_RET(p + 3 * page_size(),
		   mmap_raw(p + 3 * page_size(), 2 * page_size(), RW, ANONYMOUS | MAP_FIXED, -1, 0));
	EXPECT_TRUE(are_zero(p + 3 * page_size(), 2));
	EXPECT_TRUE(are_marked(p, 3, 'a'));
	EXPECT_TRUE(are_marked(p + 5 * page_size(), 3, 'a' + 5));
}

CLAUSE(fixed_gives_its_range_a_protection_of_its_own,
       "mmap(2) MAP_FIXED, prot: the new mapping has its own protection, the parts left of the old one theirs",
       .needed_by = "go:sysFault go:sysMap")
{
	char *p = pages(3);

	EXPECT_RET(p + page_size(), mmap_raw(p + page_size(), 1, PROT_NONE, ANONYMOUS | MAP_FIXED, -1, 0));
	EXPECT_EQ(NO_FAULT, touch(p + page_size() - 1, WRITE));
	EXPECT_EQ(FORBIDDEN, touch(p + page_size(), READ));
	EXPECT_EQ(FORBIDDEN, touch(p + 2 * page_size() - 1, READ));
	EXPECT_EQ(NO_FAULT, touch(p + 2 * page_size(), WRITE));
}

CLAUSE(fixed_covers_holes_and_several_mappings,
       "mmap(2) MAP_FIXED: all mappings that the range overlaps are discarded, whatever is between them")
{
	char *p = pages(8);

	mark_pages(p, 8, 'a');
	ASSERT_OK(munmap_raw(p + 2 * page_size(), page_size()));
	ASSERT_OK(mprotect_raw(p + 4 * page_size(), page_size(), PROT_READ));
	EXPECT_RET(p + page_size(), mmap_raw(p + page_size(), 5 * page_size(), RW, ANONYMOUS | MAP_FIXED, -1, 0));
	EXPECT_TRUE(are_zero(p + page_size(), 5));
	EXPECT_EQ(NO_FAULT, touch(p + 4 * page_size(), WRITE));
	EXPECT_TRUE(are_marked(p, 1, 'a'));
	EXPECT_TRUE(are_marked(p + 6 * page_size(), 2, 'a' + 6));
}

struct reader {
	const volatile char *page;
	volatile int stop, reads, fault;
};

static int read_on(void *arg)
{
	struct reader *r = arg;

	while (!r->stop && !r->fault) {
		r->fault = touch_caught(r->page, READ);
		r->reads++;
	}
	return 0;
}

CLAUSE(fixed_replaces_while_others_read_and_they_never_fault,
       "mmap(2) MAP_FIXED; mm/mmap.c mmap_region (5.10), mm/vma.c (7.2): the old mapping gives way to the new one"
       " without a moment in which a thread finds neither [MAP-4]", .needed_by = "go:sysMap")
{
	struct reader reader = { .page = pages(2) };
	struct thread thread;

	catch_faults();
	ASSERT_OK(thread_start(&thread, read_on, &reader));
	EXPECT_TRUE(wait_until(reader.reads > 0));
	for (int i = 0; i < 400 && !reader.fault; i++)
		EXPECT_RET(reader.page, mmap_raw((void *)reader.page, page_size(), RW, ANONYMOUS | MAP_FIXED, -1, 0));
	reader.stop = 1;
	EXPECT_TRUE(thread_join(&thread));
	EXPECT_EQ(NO_FAULT, reader.fault);
}

CLAUSE(fixed_noreplace_takes_a_free_place_exactly,
       "mmap(2) MAP_FIXED_NOREPLACE: enforces the placement as MAP_FIXED does",
       .needed_by = "v8:AddressSpaceReservation")
{
	char *p = free_pages(4);

	EXPECT_RET(p, mmap_raw(p, 4 * page_size(), RW, ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0));
	EXPECT_TRUE(are_zero(p, 4));
}

CLAUSE(fixed_noreplace_never_replaces,
       "mmap(2) ERRORS EEXIST: MAP_FIXED_NOREPLACE, and the range clashes with an existing mapping, be it by one page",
       .needed_by = "v8:AddressSpaceReservation")
{
	char *p = island(3, 2);
	const struct { int from, pages; } row[] = {
		{ 0, 3 }, { 0, 1 }, { 1, 1 }, { 2, 1 }, { -1, 2 }, { 2, 2 }, { -1, 5 }, { -2, 7 },
	};

	mark_pages(p, 3, 'a');
	for (size_t i = 0; i < sizeof(row) / sizeof(*row); i++) {
		EXPECT_ERR(EEXIST, mmap_raw(p + row[i].from * (long)page_size(), row[i].pages * page_size(), RW,
					    ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0)) TH_LOG("row %zu", i);
	}
	EXPECT_TRUE(are_marked(p, 3, 'a'));
	EXPECT_FALSE(is_mapped(p - page_size()));
	EXPECT_FALSE(is_mapped(p + 3 * page_size()));
}

CLAUSE(fixed_noreplace_finds_reservations_too,
       "mmap(2) ERRORS EEXIST: a mapping that cannot be accessed is a mapping")
{
	char *p = pages_of(2, PROT_NONE);

	EXPECT_ERR(EEXIST, mmap_raw(p, page_size(), RW, ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0));
	EXPECT_ERR(EEXIST, mmap_raw(p + page_size(), page_size(), RW, ANONYMOUS | MAP_FIXED | MAP_FIXED_NOREPLACE,
				    -1, 0));
	EXPECT_EQ(FORBIDDEN, touch(p, READ));
}

CLAUSE(a_fixed_mapping_that_leaves_the_address_space_is_enomem,
       "mm/mmap.c __get_unmapped_area (7.2), get_unmapped_area (5.10): ENOMEM if the range ends above the task's last"
       " address; nothing is replaced [MAP-8]")
{
	char *top = (char *)-(uintptr_t)page_size(), *p = pages(2);

	mark_pages(p, 2, 'a');
	EXPECT_ERR(ENOMEM, mmap_raw(top, page_size(), RW, ANONYMOUS | MAP_FIXED, -1, 0));
	EXPECT_ERR(ENOMEM, mmap_raw(top - page_size(), 2 * page_size(), RW, ANONYMOUS | MAP_FIXED, -1, 0));
	EXPECT_ERR(ENOMEM, mmap_raw(p, -(uintptr_t)p, RW, ANONYMOUS | MAP_FIXED, -1, 0));
	EXPECT_TRUE(are_marked(p, 2, 'a'));
}

#ifdef MAP_32BIT
CLAUSE(an_address_of_31_bits_is_one_where_that_was_asked,
       "mmap(2) MAP_32BIT: put the mapping into the first 2 Gigabytes of the process address space; ignored when"
       " MAP_FIXED is set", .needs = "64bit", .needed_by = "v8:CodeRange")
{
	const unsigned long end = 0x80000000ul;
	const size_t sizes[] = { 1, 3, 500 };
	char *high = island(4, 1);

	for (int i = 0; i < 3; i++) {
		const void *const hints[] = { NULL, high, high - page_size() };

		for (int k = 0; k < 3; k++) {
			size_t size = sizes[i] * page_size();
			long at = mmap_raw(hints[k], size, RW, ANONYMOUS | MAP_32BIT, -1, 0);

			ASSERT_OK(at);
			EXPECT_LE(at + size, end) TH_LOG("%zu pages, hint %d", sizes[i], k);
			EXPECT_TRUE(are_zero((char *)at, sizes[i]));
		}
	}
	EXPECT_RET(high, mmap_raw(high, page_size(), RW, ANONYMOUS | MAP_FIXED | MAP_32BIT, -1, 0));
}
#endif
