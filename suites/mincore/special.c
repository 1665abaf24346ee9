// SPDX-License-Identifier: GPL-2.0-only
// mincore(2) on what the kernel mapped itself, and against /proc/self/maps as the second witness.
#include "clause.h"
#include "mincore.h"
#include "sync.h"

#define MAPS_TEXT (64 * 1024)
#define MOST_PAGES 4096

struct line {
	uintptr_t start, end;
	char name[64];
};

// One line of /proc/self/maps; NULL at the end, else where the next begins.
static const char *next_line(const char *text, struct line *line)
{
	const char *end = strchr(text, '\n');
	unsigned long start, stop;

	line->name[0] = 0;
	if (!end || sscanf(text, "%lx-%lx %*s %*s %*s %*s%*[ ]%63[^\n]", &start, &stop, line->name) < 2)
		return NULL;
	line->start = start;
	line->end = stop;
	return end + 1;
}

static char maps[MAPS_TEXT];
static unsigned char vec[MOST_PAGES];

static long read_maps(void)
{
	return read_text("/proc/self/maps", maps, sizeof(maps));
}

static bool find_line(const char *name, struct line *line)
{
	for (const char *at = maps; (at = next_line(at, line));)
		if (!strcmp(line->name, name))
			return true;
	return false;
}

// The page that programs of x86-64 and of arm see above the end of their address space is in no mapping of theirs.
static bool is_of_this_process(const struct line *line)
{
	return strcmp(line->name, "[vsyscall]") && strcmp(line->name, "[vectors]");
}

CLAUSE(every_line_of_proc_maps_is_mapped,
       "proc(5) /proc/pid/maps: the currently mapped memory regions; mincore(2): only unmapped memory is ENOMEM"
       " [MINC-2]",
       .needs = "file=/proc/self/maps", .needed_by = "go:mincore")
{
	struct line line;
	int lines = 0;

	ASSERT_GT(read_maps(), 0);
	for (const char *at = maps; (at = next_line(at, &line)); lines++) {
		size_t size = line.end - line.start;

		if (!is_of_this_process(&line))
			continue;
		if (size > MOST_PAGES * page_size())
			size = MOST_PAGES * page_size();
		EXPECT_RET(0, mincore_raw(line.start, size, vec)) TH_LOG("%lx %s", (long)line.start, line.name);
		EXPECT_RET(0, mincore_raw(line.end - page_size(), 1, vec)) TH_LOG("%lx %s", (long)line.end, line.name);
	}
	EXPECT_GT(lines, 3);
}

CLAUSE(every_gap_of_proc_maps_is_a_hole,
       "proc(5) /proc/pid/maps: the currently mapped memory regions; mincore(2) ERRORS ENOMEM: what lies between is"
       " not [MINC-3]",
       .needs = "file=/proc/self/maps", .needed_by = "go:mincore")
{
	uintptr_t page = page_size(), behind = page;
	struct line line;

	ASSERT_GT(read_maps(), 0);
	for (const char *at = maps; (at = next_line(at, &line)) && is_of_this_process(&line); behind = line.end) {
		if (line.start <= behind || !strcmp(line.name, "[stack]"))
			continue;
		EXPECT_ERR(ENOMEM, mincore_raw(behind, page, vec)) TH_LOG("%lx", (long)behind);
		EXPECT_ERR(ENOMEM, mincore_raw(line.start - page, page, vec)) TH_LOG("%lx", (long)line.start);
		EXPECT_ERR(ENOMEM, mincore_raw(line.start - page, 2 * page, vec)) TH_LOG("%lx", (long)line.start);
	}
	EXPECT_ERR(ENOMEM, mincore_raw(NULL, page, vec));
}

CLAUSE(the_stack_in_use_is_resident,
       "mincore(2) DESCRIPTION: a page that would cause no fault is resident; the one under the stack pointer is just"
       " used [MINC-6]")
{
	volatile char here = 1;

	EXPECT_RET(1, is_resident((void *)((uintptr_t)&here & -page_size())));
}

CLAUSE(the_vdso_is_mapped_and_reported_resident,
       "mm/mincore.c can_do_mincore (7.2): a mapping that is neither anonymous nor of a file is reported resident in"
       " every page",
       .needs = "file=/proc/self/maps")
{
	const char *const names[] = { "[vdso]", "[vvar]" };
	struct line line;
	int found = 0;

	ASSERT_GT(read_maps(), 0);
	for (int i = 0; i < 2; i++) {
		size_t pages;

		if (!find_line(names[i], &line))
			continue;
		found++;
		pages = (line.end - line.start) / page_size();
		ASSERT_LT(pages, VEC_TEXT);
		for (size_t page = 0; page < pages; page++) {
			EXPECT_RET(1, is_resident((void *)(line.start + page * page_size()))) TH_LOG("%s", names[i]);
		}
	}
	if (!found)
		SKIP(return, "this process has no vDSO");
}

CLAUSE(the_heap_grows_by_pages_that_are_not_resident,
       "brk(2) DESCRIPTION: increasing the program break allocates memory; it is there on first use [MINC-6]")
{
	size_t page = page_size();
	uintptr_t old = raw_syscall(__NR_brk, 0), start = (old + page - 1) & -page;

	if ((uintptr_t)raw_syscall(__NR_brk, start + 4 * page) != start + 4 * page)
		SKIP(return, "the program break cannot be moved here");
	madvise((void *)start, 4 * page, MADV_NOHUGEPAGE);
	EXPECT_RESIDENT("0000", (char *)start);
	touch_pages((char *)start, "0010");
	EXPECT_RESIDENT("0010", (char *)start);
	ASSERT_RET(start + 2 * page, raw_syscall(__NR_brk, start + 2 * page));
	EXPECT_ERR(ENOMEM, mincore_raw(start + 2 * page, page, vec));
	EXPECT_RET(0, mincore_raw(start, 2 * page, vec));
	ASSERT_RET(old, raw_syscall(__NR_brk, old));
}
