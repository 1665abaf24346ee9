// SPDX-License-Identifier: GPL-2.0-only
// What /proc/self tells of memory, as runtimes read it: maps, smaps, status, pagemap, clear_refs.
#include "clause.h"

#include <fcntl.h>

#include "maps.h"
#include "mm.h"

#define MAPS_TEXT (256 * 1024)

// Reads /proc/self/maps by pieces of so many bytes into memory that nobody changes meanwhile; the length.
static long read_maps(char *text, size_t piece)
{
	int fd = raw_syscall(__NR_openat, AT_FDCWD, "/proc/self/maps", O_RDONLY | O_CLOEXEC);
	long length = 0, n;

	while ((n = raw_syscall(__NR_read, fd, text + length, piece)) > 0)
		length += n;
	raw_syscall(__NR_close, fd);
	text[length] = 0;
	return n < 0 ? n : length;
}

static char *maps_buffer(void)
{
	return pages_of(MAPS_TEXT / page_size() + 2, RW);
}

// A "Name: 123 kB" line of /proc/self/status in bytes, or -1.
static long long status_of(const char *name)
{
	char text[4096], *line;

	if (read_text("/proc/self/status", text, sizeof(text)) <= 0 || !(line = strstr(text, name)))
		return -1;
	return 1024 * strtoll(line + strlen(name) + 1, NULL, 10);
}

CLAUSE(maps_are_in_order_and_do_not_overlap,
       "proc(5) /proc/pid/maps: the currently mapped memory regions; Documentation/filesystems/proc.rst: each line an"
       " address range, in ascending order [JVM-5]", .needs = "file=/proc/self/maps",
       .needed_by = "glibc:pthread_getattr_np jvm:os_find_mapping go:debug")
{
	char *text = maps_buffer();
	unsigned long last = 0;
	int lines = 0;

	ASSERT_GT(read_maps(text, 4096), 0);
	for (char *line = text, *end; (end = strchr(line, '\n')); line = end + 1, lines++) {
		char *rest;
		unsigned long from = strtoul(line, &rest, 16), to;

		ASSERT_EQ('-', *rest);
		to = strtoul(rest + 1, &rest, 16);
		EXPECT_GE(from, last);
		EXPECT_LT(from, to);
		EXPECT_EQ(0, (from | to) % 4096);
		ASSERT_EQ(' ', *rest);
		last = to;
	}
	EXPECT_GT(lines, 3);
}

CLAUSE(maps_are_the_same_in_pieces_of_any_size,
       "proc(5) /proc/pid/maps; fs/proc/task_mmu.c (7.2): read piece by piece, every mapping that stays is there once",
       .needs = "file=/proc/self/maps", .needed_by = "go:debug jvm:os_find_mapping")
{
	char *whole = maps_buffer(), *parts = maps_buffer(), *p = pages(200);
	const size_t pieces[] = { 4096, 1024, 333, 100 };

	for (int i = 0; i < 200; i += 2)
		ASSERT_OK(mprotect_raw(p + i * page_size(), page_size(), PROT_READ));
	ASSERT_GT(read_maps(whole, 65536), 0);
	ASSERT_GT(read_maps(whole, 65536), 0);
	for (int i = 0; i < 4; i++) {
		ASSERT_GT(read_maps(parts, pieces[i]), 0);
		EXPECT_EQ(0, strcmp(whole, parts)) TH_LOG("pieces of %zu", pieces[i]);
	}
}

CLAUSE(a_new_mapping_is_told_exactly,
       "proc(5) /proc/pid/maps: address, perms, offset, dev, inode and pathname of each mapping, as it is now",
       .needs = "file=/proc/self/smaps", .needed_by = "v8:GetSharedLibraryAddresses dotnet:PAL_initialize")
{
	int fd = memfd_create("osprim-mm", MFD_CLOEXEC);
	char *room = island(6, 1), *p = room + page_size(), text[64];
	struct mapping m;

	ASSERT_EQ(0, ftruncate(fd, 8 * page_size()));
	ASSERT_RET(p, mmap_raw(p, 3 * page_size(), PROT_READ, MAP_SHARED | MAP_FIXED, fd, 2 * page_size()));
	ASSERT_TRUE(find_mapping(0, p + page_size(), &m));
	EXPECT_EQ((unsigned long)p, m.start);
	EXPECT_EQ((unsigned long)p + 3 * page_size(), m.end);
	snprintf(text, sizeof(text), " r--s %08lx ", (unsigned long)(2 * page_size()));
	EXPECT_NE(NULL, strstr(m.text, text)) TH_LOG("%.80s", m.text);
	EXPECT_NE(NULL, strstr(m.text, "/memfd:osprim-mm"));
	ASSERT_OK(munmap_raw(p, 3 * page_size()));
	EXPECT_FALSE(find_mapping(0, p + page_size(), &m));
}

CLAUSE(resident_memory_is_counted_page_by_page,
       "proc(5) /proc/pid/smaps Rss: the amount of the mapping that is currently resident in RAM",
       .needs = "file=/proc/self/smaps", .needed_by = "jvm:NMT go:runtime_metrics")
{
	char *p = island(16, 1);

	EXPECT_EQ(0, field_at(p, "Rss"));
	EXPECT_EQ(16 * (long long)page_size(), field_at(p, "Size"));
	for (int i = 1; i <= 10; i++) {
		p[i * page_size()] = 1;
		EXPECT_EQ(i * (long long)page_size(), field_at(p, "Rss"));
		EXPECT_EQ(i * (long long)page_size(), field_at(p, "Private_Dirty"));
	}
	ASSERT_RET(0, madvise_raw(p, 4 * page_size(), MADV_DONTNEED));
	EXPECT_EQ(7 * (long long)page_size(), field_at(p, "Rss"));
}

CLAUSE(the_size_of_the_address_space_is_exact,
       "proc(5) /proc/pid/status VmSize: virtual memory size; VmPeak: the largest it has been",
       .needed_by = "jvm:os_Linux",
       .needs = "file=/proc/self/status")
{
	const size_t size = 100 * page_size();
	long long before, peak;
	char *p;

	IN_CHILD {
		before = status_of("VmSize:");
		ASSERT_GT(before, 0);
		p = (char *)mmap_raw(NULL, size, PROT_NONE, ANONYMOUS, -1, 0);
		ASSERT_OK((long)p);
		EXPECT_EQ(before + (long long)size, status_of("VmSize:"));
		peak = status_of("VmPeak:");
		EXPECT_GE(peak, before + (long long)size);
		ASSERT_OK(munmap_raw(p, size));
		EXPECT_EQ(before, status_of("VmSize:"));
		EXPECT_EQ(peak, status_of("VmPeak:"));
	}
}

CLAUSE(the_high_water_mark_stays_when_memory_goes,
       "proc(5) /proc/pid/status VmHWM: peak resident set size", .needs = "file=/proc/self/status",
       .needed_by = "jvm:os_Linux cpython:resource")
{
	const size_t size = 16 << 20;

	IN_CHILD {
		char *p = pages(size / page_size());

		memset(p, 1, size);
		ASSERT_OK(munmap_raw(p, size));
		// Counts lag behind by a few pages a CPU.
		EXPECT_GE(status_of("VmHWM:"), (long long)size / 2);
		EXPECT_GE(status_of("VmHWM:"), status_of("VmRSS:"));
		EXPECT_LT(status_of("VmRSS:"), (long long)size);
	}
}

CLAUSE(the_high_water_mark_can_be_set_anew,
       "Documentation/filesystems/proc.rst clear_refs: to reset the peak resident set size (high water mark) to the"
       " process's current value, 5 is written", .needs = "file=/proc/self/clear_refs", .needed_by = "jvm:NMT")
{
	const size_t size = 32 << 20;

	IN_CHILD {
		char *p = pages(size / page_size());
		int fd = open("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC);

		ASSERT_GE(fd, 0);
		memset(p, 1, size);
		ASSERT_OK(munmap_raw(p, size));
		// Counts lag behind by a few pages a CPU.
		EXPECT_GE(status_of("VmHWM:"), (long long)size / 2);
		ASSERT_EQ(2, write(fd, "5\n", 2));
		EXPECT_LT(status_of("VmHWM:"), (long long)size / 2);
		EXPECT_GE(status_of("VmHWM:"), status_of("VmRSS:"));
	}
}

CLAUSE(the_largest_resident_set_is_told_in_kilobytes,
       "getrusage(2) ru_maxrss: the maximum resident set size used (in kilobytes); for RUSAGE_CHILDREN that of the"
       " largest child, as wait4(2) tells it of the one that ended", .needed_by = "cpython:resource go:syscall.Rusage")
{
	const size_t size = 16 << 20;
	struct rusage usage = { 0 };
	int status;
	pid_t child = fork();

	ASSERT_GE(child, 0);
	if (child == 0) {
		char *p = pages(size / page_size());

		memset(p, 1, size);
		_exit(raw_syscall(__NR_getrusage, RUSAGE_SELF, &usage) || usage.ru_maxrss < (long)size / 2048 ||
		      usage.ru_maxrss > 2 * status_of("VmHWM:") / 1024);
	}
	ASSERT_RET(child, raw_syscall(__NR_wait4, child, &status, 0, &usage));
	EXPECT_EQ(0, status);
	EXPECT_GE(usage.ru_maxrss, (long)size / 2048);
	memset(&usage, 0, sizeof(usage));
	ASSERT_RET(0, raw_syscall(__NR_getrusage, RUSAGE_CHILDREN, &usage));
	EXPECT_GE(usage.ru_maxrss, (long)size / 2048);
}

CLAUSE(resident_memory_is_told_by_its_kind,
       "Documentation/filesystems/proc.rst VmRSS: the sum of RssAnon, size of resident anonymous memory, RssFile,"
       " resident file mappings, and RssShmem, resident shmem memory: tmpfs and shared anonymous mappings",
       .needs = "file=/proc/self/status", .needed_by = "jvm:os_Linux criu:pagemap")
{
	const size_t size = 16 << 20;
	const struct { int flags; const char *kind; const char *others[2]; } row[] = {
		{ MAP_PRIVATE | MAP_ANONYMOUS, "RssAnon:", { "RssFile:", "RssShmem:" } },
		{ MAP_SHARED | MAP_ANONYMOUS, "RssShmem:", { "RssFile:", "RssAnon:" } },
		{ MAP_SHARED, "RssShmem:", { "RssFile:", "RssAnon:" } },
	};

	for (int i = 0; i < 3; i++) {
		int fd = row[i].flags & MAP_ANONYMOUS ? -1 : file_of_pages(size / page_size(), 'f');

		IN_CHILD {
			long long before = status_of(row[i].kind), others[2];
			char *p = (char *)mmap_raw(NULL, size, RW, row[i].flags, fd, 0);

			ASSERT_GE(before, 0);
			ASSERT_OK((long)p);
			for (int k = 0; k < 2; k++)
				others[k] = status_of(row[i].others[k]);
			for (size_t at = 0; at < size; at += page_size())
				p[at] = 1;
			// Counts lag behind by a few pages a CPU.
			EXPECT_GE(status_of(row[i].kind), before + (long long)size / 2);
			for (int k = 0; k < 2; k++) {
				EXPECT_LT(status_of(row[i].others[k]), others[k] + (long long)size / 2)
					TH_LOG("%s of row %d", row[i].others[k], i);
			}
			ASSERT_OK(munmap_raw(p, size));
			EXPECT_LT(status_of(row[i].kind), before + (long long)size / 2);
		}
		close(fd);
	}
}

CLAUSE(a_page_that_several_map_counts_in_parts,
       "Documentation/filesystems/proc.rst smaps Pss: each page is divided by the number of processes sharing it; Rss"
       " counts it whole, Shared and Private tell which of both it is", .needs = "file=/proc/self/smaps",
       .needed_by = "jvm:NMT")
{
	const long long size = 64 * page_size();
	char *p = island(64, 1);
	int ends[2], go[2];
	char byte;

	mark_pages(p, 64, 'a');
	ASSERT_EQ(0, pipe(ends));
	ASSERT_EQ(0, pipe(go));
	EXPECT_EQ(size, field_at(p, "Pss"));
	EXPECT_EQ(size, field_at(p, "Private_Dirty"));
	for (int n = 2; n <= 4; n++) {
		if (fork() == 0) {
			close(go[1]);
			_exit(write(ends[1], "r", 1) != 1 || read(go[0], &byte, 1));
		}
		ASSERT_EQ(1, read(ends[0], &byte, 1));
		if (n == 3)
			continue;
		EXPECT_EQ(size / n, field_at(p, "Pss")) TH_LOG("%d processes", n);
		EXPECT_EQ(size, field_at(p, "Rss"));
		EXPECT_EQ(size, field_at(p, "Shared_Dirty"));
		EXPECT_EQ(0, field_at(p, "Private_Dirty"));
	}
	close(go[0]);
	close(go[1]);
	for (int n = 2; n <= 4; n++)
		EXPECT_GT(wait(NULL), 0);
	EXPECT_EQ(size, field_at(p, "Pss"));
	EXPECT_EQ(size, field_at(p, "Private_Dirty"));
}

CLAUSE(flags_of_a_mapping_tell_what_it_was_advised,
       "Documentation/filesystems/proc.rst VmFlags: dc do not copy on fork, wf wipe on fork, dd do not dump, lo"
       " locked, nr no swap reservation; they go as they came",
       .needs = "file=/proc/self/smaps cap=ipc_lock", .needed_by = "criu:vma")
{
	const struct { int set, clear; const char *flag; } row[] = {
		{ MADV_DONTFORK, MADV_DOFORK, "dc" }, { MADV_WIPEONFORK, MADV_KEEPONFORK, "wf" },
		{ MADV_DONTDUMP, MADV_DODUMP, "dd" }, { MADV_SEQUENTIAL, MADV_NORMAL, "sr" },
		{ MADV_RANDOM, MADV_NORMAL, "rr" },
	};
	char *p = island(3, 1);

	for (size_t i = 0; i < sizeof(row) / sizeof(*row); i++) {
		EXPECT_FALSE(flag_at(p + page_size(), row[i].flag));
		ASSERT_RET(0, madvise_raw(p + page_size(), page_size(), row[i].set));
		EXPECT_TRUE(flag_at(p + page_size(), row[i].flag)) TH_LOG("%s", row[i].flag);
		EXPECT_FALSE(flag_at(p, row[i].flag));
		EXPECT_FALSE(flag_at(p + 2 * page_size(), row[i].flag));
		ASSERT_RET(0, madvise_raw(p + page_size(), page_size(), row[i].clear));
		EXPECT_FALSE(flag_at(p + page_size(), row[i].flag));
	}
	ASSERT_OK(raw_syscall(__NR_mlock, p, page_size()));
	EXPECT_TRUE(flag_at(p, "lo"));
	EXPECT_FALSE(flag_at(p + page_size(), "lo"));
}

static uint64_t pagemap_of(const void *page)
{
	uint64_t entry = 0;
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);

	if (fd < 0 || pread64(fd, &entry, 8, (uintptr_t)page / page_size() * 8) != 8)
		abort();
	close(fd);
	return entry;
}

CLAUSE(the_pagemap_tells_which_pages_there_are,
       "Documentation/admin-guide/mm/pagemap.rst: bit 63 of a page's entry says that it is present, and 0 stands for"
       " what is not mapped", .needs = "file=/proc/self/pagemap", .needed_by = "criu:pagemap")
{
	char *p = island(6, 1);

	for (int i = 0; i < 6; i += 2)
		p[i * page_size()] = 1;
	for (int i = 0; i < 6; i++)
		EXPECT_EQ(i % 2 == 0, pagemap_of(p + i * page_size()) >> 63);
	EXPECT_EQ(0, pagemap_of(p - page_size()) >> 62);
	ASSERT_RET(0, madvise_raw(p, page_size(), MADV_DONTNEED));
	EXPECT_EQ(0, pagemap_of(p) >> 62);
}

CLAUSE(the_pagemap_tells_pages_of_files_from_those_of_nobody_else,
       "Documentation/admin-guide/mm/pagemap.rst: bit 61, page is file-page or shared-anon; bit 56, page exclusively"
       " mapped (since 4.2)", .needs = "file=/proc/self/pagemap", .needed_by = "criu:pagemap")
{
	int fd = file_of_pages(4, 'f'), ends[2];
	char *private = (char *)mmap_raw(NULL, 2 * page_size(), RW, MAP_PRIVATE, fd, 0), *own = pages(1), byte;
	const struct { char *at; int of_file, exclusive; } row[] = {
		{ own, 0, 1 },
		{ (char *)mmap_raw(NULL, page_size(), RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0), 1, 1 },
		{ (char *)mmap_raw(NULL, page_size(), RW, MAP_SHARED, fd, 3 * page_size()), 1, 1 },
		{ private, 1, 1 },			// only read
		{ private + page_size(), 0, 1 },	// a copy, written
	};
	pid_t child;

	for (int i = 0; i < 5; i++) {
		if (row[i].at != private)
			*row[i].at = 'w';
		ASSERT_EQ(row[i].at == private ? 'f' : 'w', *(volatile char *)row[i].at);
		EXPECT_EQ(1, pagemap_of(row[i].at) >> 63);
		EXPECT_EQ(row[i].of_file, pagemap_of(row[i].at) >> 61 & 1) TH_LOG("row %d", i);
		EXPECT_EQ(row[i].exclusive, pagemap_of(row[i].at) >> 56 & 1) TH_LOG("row %d", i);
	}
	ASSERT_EQ(0, pipe(ends));
	child = fork();
	if (child == 0) {
		close(ends[1]);
		_exit(read(ends[0], &byte, 1));
	}
	EXPECT_EQ(0, pagemap_of(own) >> 56 & 1);
	EXPECT_EQ(0, pagemap_of(own) >> 61 & 1);
	close(ends[1]);
	EXPECT_EQ(child, waitpid(child, NULL, 0));
	EXPECT_EQ(1, pagemap_of(own) >> 56 & 1);
}

CLAUSE(pages_written_since_they_were_cleared_are_soft_dirty,
       "Documentation/admin-guide/mm/soft-dirty.rst: after 4 was written to clear_refs, bit 55 of a page's entry"
       " tells that it was written since", .config = "MEM_SOFT_DIRTY",
       .needs = "file=/proc/self/pagemap file=/proc/self/smaps", .needed_by = "criu:pagemap")
{
	char *p = pages(6);
	int fd = open("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC);

	mark_pages(p, 6, 'a');
	ASSERT_GE(fd, 0);
	if (config_is_set("MEM_SOFT_DIRTY") != 1)
		ABSENT("CONFIG_MEM_SOFT_DIRTY is off");
	// What is new is dirty, unless the CPU has no bit for it (pgtable_supports_soft_dirty(), 7.2).
	if (!flag_at(p, "sd"))
		ABSENT("page tables of this CPU have no bit for it");
	ASSERT_EQ(2, write(fd, "4\n", 2));
	for (int i = 0; i < 6; i++)
		EXPECT_EQ(0, pagemap_of(p + i * page_size()) >> 55 & 1);
	p[page_size()] = 'x';
	p[4 * page_size()] = 'x';
	(void)*(volatile char *)p;
	for (int i = 0; i < 6; i++)
		EXPECT_EQ(i == 1 || i == 4, pagemap_of(p + i * page_size()) >> 55 & 1);
}
