// SPDX-License-Identifier: GPL-2.0-only
// How long a huge page is: what the kernel says of it, and what its page tables show.
#ifndef SIZE_H
#define SIZE_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "guard.h"
#include "sync.h"
#include "sys.h"

#define THP_DIR "/sys/kernel/mm/transparent_hugepage"

#define LARGEST_SPAN ((size_t)1 << (sizeof(long) == 8 ? 30 : 26))

// Bytes of page tables of this process, or -1.
static inline long long table_bytes(void)
{
	static char status[8192];
	char *line;

	if (read_text("/proc/self/status", status, sizeof(status)) <= 0 || !(line = strstr(status, "VmPTE:")))
		return -1;
	return strtoll(line + 6, NULL, 10) * 1024;
}

// Tables that are made at a time: the smallest have 256 bytes (ppc64le, 64 KiB pages), and VmPTE counts whole KiB.
#define TABLES_PER_KIB 4

static inline void touch_in_each(volatile char *base, size_t offset)
{
	for (int i = 0; i < TABLES_PER_KIB; i++)
		(void)base[2 * i * LARGEST_SPAN + offset];
}

// Bytes that one page table of the lowest level maps, found by touching pages further and further from aligned
// addresses until other tables are needed. 0 if no size up to LARGEST_SPAN needs one.
static inline size_t span_of_a_page_table(void)
{
	const size_t size = (2 * TABLES_PER_KIB + 1) * LARGEST_SPAN;
	char *mapped = mmap(NULL, size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	volatile char *base = (char *)(((uintptr_t)mapped + LARGEST_SPAN - 1) & -LARGEST_SPAN);
	size_t span;

	if (mapped == MAP_FAILED || table_bytes() < 0)
		return 0;
	raw_syscall(__NR_madvise, base, 2 * TABLES_PER_KIB * LARGEST_SPAN, MADV_NOHUGEPAGE);
	touch_in_each(base, 0);
	for (span = 2 * page_size(); span <= LARGEST_SPAN; span *= 2) {
		long long before = table_bytes();

		touch_in_each(base, span);
		if (table_bytes() > before)
			break;
	}
	munmap(mapped, size);
	return span <= LARGEST_SPAN ? span : 0;
}

// Huge pages that are larger take too long to fill, and a machine hardly has any (arm64 with 64 KiB pages: 512 MiB).
#define LARGEST_TOUCHED (64UL << 20)

// Bytes of a huge page as hpage_pmd_size says; where it says none that can be, as page tables have it, or 0.
// The clauses about that file are the ones to fail then, not all others.
static inline size_t huge_page_size(void)
{
	static size_t known;
	char text[64];
	size_t told;

	if (known || read_text(THP_DIR "/hpage_pmd_size", text, sizeof(text)) <= 0)
		return known;
	told = strtoul(text, NULL, 10);
	known = told >= 8 * page_size() && !(told & (told - 1)) ? told : span_of_a_page_table();
	return known;
}

#endif
