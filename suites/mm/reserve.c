// SPDX-License-Identifier: GPL-2.0-only
// Reservations without access, what is committed in them, and that fresh memory is zero.
#include "clause.h"

#include <sys/sysinfo.h>

#include "maps.h"
#include "mm.h"

// A range as runtimes reserve it at start: far more than they will use.
#define VAST (sizeof(long) == 8 ? (size_t)16 << 30 : (size_t)256 << 20)

static char *vast(void)
{
	return (char *)mmap_raw(NULL, VAST, PROT_NONE, ANONYMOUS, -1, 0);
}

CLAUSE(a_vast_reservation_succeeds_and_holds_no_memory,
       "mmap(2) PROT_NONE: pages may not be accessed; mm/util.c __vm_enough_memory (7.2): private memory that cannot be"
       " written is not accounted [MAP-6]", .needed_by = "go:sysReserve jvm:reserve_memory v8:PartitionAlloc",
       .needs = "file=/proc/self/smaps")
{
	char *p = vast();

	ASSERT_OK((long)p);
	EXPECT_EQ(0, field_of_range(p, VAST, "Rss"));
	EXPECT_EQ(0, field_of_range(p, VAST, "Swap"));
	EXPECT_FALSE(flag_at(p, "ac"));
	EXPECT_EQ(0, munmap_raw(p, VAST));
	EXPECT_FALSE(is_mapped(p));
}

CLAUSE(a_touch_of_a_reservation_is_segv_accerr_at_its_address,
       "sigaction(2) SEGV_ACCERR: invalid permissions for mapped object, si_addr the address of the fault [JVM-1]",
       .needed_by = "jvm:SafepointPolling go:sysFault")
{
	char *p = pages_of(3, PROT_NONE);
	const size_t offsets[] = { 0, 1, 64, page_size() - 1, page_size(), 2 * page_size() + 8, 3 * page_size() - 1 };

	for (size_t i = 0; i < sizeof(offsets) / sizeof(*offsets); i++) {
		EXPECT_EQ(FORBIDDEN, touch(p + offsets[i], READ));
		EXPECT_EQ(FORBIDDEN, touch(p + offsets[i], WRITE));
	}
}

CLAUSE(a_touch_of_what_is_not_mapped_is_segv_maperr_at_its_address,
       "sigaction(2) SEGV_MAPERR: address not mapped to object, si_addr the address of the fault",
       .needed_by = "go:sigpanic")
{
	char *p = island(1, 1);

	EXPECT_EQ(NOT_THERE, touch(p - 1, READ));
	EXPECT_EQ(NOT_THERE, touch(p - 1, WRITE));
	EXPECT_EQ(NOT_THERE, touch(p + page_size(), READ));
	EXPECT_EQ(NOT_THERE, touch(p + 2 * page_size() - 1, WRITE));
	EXPECT_EQ(NO_FAULT, touch(p, WRITE));
}

CLAUSE(system_calls_find_reservations_unreadable_without_a_signal,
       "write(2) ERRORS EFAULT: buf is outside the accessible address space",
       .needed_by = "go:usleep dotnet:safeReadMemory")
{
	char *p = pages_of(2, PROT_NONE);

	EXPECT_ERR(EFAULT, try_read(p));
	EXPECT_ERR(EFAULT, try_read(p + 2 * page_size() - 1));
	ASSERT_OK(mprotect_raw(p, page_size(), PROT_READ));
	EXPECT_RET(1, try_read(p + page_size() - 1));
	EXPECT_ERR(EFAULT, try_read(p + page_size()));
}

CLAUSE(parts_of_a_reservation_are_committed_by_a_fixed_mapping,
       "mmap(2) MAP_FIXED: replaces that part, which is zero and can be written; the rest stays without access [MAP-4]"
       " [MAP-5]", .needed_by = "go:sysMap jvm:commit_memory")
{
	char *p = vast(), *middle;

	ASSERT_OK((long)p);
	middle = p + VAST / 2 / page_size() * page_size();
	EXPECT_RET(middle, mmap_raw(middle, 4 * page_size(), RW, ANONYMOUS | MAP_FIXED, -1, 0));
	EXPECT_TRUE(are_zero(middle, 4));
	mark_pages(middle, 4, 'a');
	EXPECT_TRUE(are_marked(middle, 4, 'a'));
	EXPECT_EQ(FORBIDDEN, touch(middle - 1, READ));
	EXPECT_EQ(FORBIDDEN, touch(middle + 4 * page_size(), READ));
}

CLAUSE(parts_of_a_reservation_are_committed_by_mprotect,
       "mprotect(2) DESCRIPTION: changes the protection of the pages in the interval alone",
       .needed_by = "v8:SetPermissions"
       " glibc:grow_heap musl:expand_heap")
{
	char *p = vast(), *at;

	ASSERT_OK((long)p);
	for (int i = 0; i < 4; i++) {
		at = p + 10 * i * page_size();
		ASSERT_OK(mprotect_raw(at, 2 * page_size(), RW));
		EXPECT_TRUE(are_zero(at, 2));
		mark_pages(at, 2, 'a' + i);
		EXPECT_EQ(FORBIDDEN, touch(at + 2 * page_size(), READ));
	}
	for (int i = 0; i < 4; i++)
		EXPECT_TRUE(are_marked(p + 10 * i * page_size(), 2, 'a' + i));
}

CLAUSE(what_is_decommitted_by_a_fixed_mapping_is_gone,
       "mmap(2) MAP_FIXED: the overlapped part of the existing mapping is discarded, its memory with it [MAP-5]"
       " [incident 93]",
       .needed_by = "jvm:uncommit_memory go:sysFault", .needs = "file=/proc/self/smaps")
{
	char *p = pages(8);

	mark_pages(p, 8, 'a');
	EXPECT_EQ(8 * (long long)page_size(), field_of_range(p, 8 * page_size(), "Rss"));
	EXPECT_RET(p, mmap_raw(p, 8 * page_size(), PROT_NONE, ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0));
	EXPECT_EQ(0, field_of_range(p, 8 * page_size(), "Rss"));
	EXPECT_EQ(FORBIDDEN, touch(p, READ));
	ASSERT_OK(mprotect_raw(p, 8 * page_size(), RW));
	EXPECT_TRUE(are_zero(p, 8));
}

CLAUSE(fresh_memory_is_zero_though_others_used_it,
       "mmap(2) MAP_ANONYMOUS: the contents are initialized to zero, whoever had the pages before [MAP-5]",
       .needed_by = "go:sysAlloc")
{
	const size_t n = 64;

	for (int round = 0; round < 20; round++) {
		char *p = pages(n);

		EXPECT_TRUE(are_zero(p, n));
		memset(p, 0xa5, n * page_size());
		ASSERT_OK(munmap_raw(p, n * page_size()));
	}
}

CLAUSE(fresh_memory_is_zero_in_every_kind_of_mapping,
       "mmap(2) MAP_ANONYMOUS: the contents are initialized to zero, read or written first, shared or private,"
       " populated or not [MAP-5]")
{
	const int flags[] = {
		ANONYMOUS, ANONYMOUS | MAP_NORESERVE, ANONYMOUS | MAP_POPULATE, MAP_SHARED | MAP_ANONYMOUS,
		MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, ANONYMOUS | MAP_STACK, ANONYMOUS | MAP_GROWSDOWN,
	};

	for (int i = 0; i < 14; i++) {
		char *p = (char *)mmap_raw(NULL, 16 * page_size(), RW, flags[i / 2], -1, 0);

		ASSERT_OK((long)p);
		for (int j = 0; i % 2 && j < 16; j++)
			p[j * page_size() + 1] = 0;
		EXPECT_TRUE(are_zero(p, 16));
	}
}

CLAUSE(memory_that_was_read_first_can_be_written_later,
       "mmap(2) MAP_ANONYMOUS: a page that a read has shown as zeros becomes one of its own by the first write, and no"
       " other page shows what is written")
{
	char *p = pages(16);

	EXPECT_TRUE(are_zero(p, 16));
	mark_pages(p, 8, 'a');
	EXPECT_TRUE(are_marked(p, 8, 'a'));
	EXPECT_TRUE(are_zero(p + 8 * page_size(), 8));
}

// Memory and swap of the machine in bytes. Not from /proc/meminfo, which in a container may be another's.
static unsigned long long physical_memory(void)
{
	struct sysinfo info = { 0 };

	raw_syscall(__NR_sysinfo, &info);
	return (unsigned long long)(info.totalram + info.totalswap) * info.mem_unit;
}

static bool overcommit_is(char mode)
{
	char text[16];

	return read_text("/proc/sys/vm/overcommit_memory", text, sizeof(text)) > 0 && text[0] == mode;
}

CLAUSE(more_than_the_machine_has_can_be_reserved_but_not_committed,
       "Documentation/mm/overcommit-accounting.rst mode 0: obvious overcommits of address space are refused; mappings"
       " without write access cost nothing, and MAP_NORESERVE is not counted [MAP-6]", .needs = "64bit",
       .needed_by = "go:sysReserve jvm:reserve_memory")
{
	size_t size = physical_memory() / page_size() * page_size() + ((size_t)1 << 30);
	char *p;

	if (size == (size_t)1 << 30 || !overcommit_is('0'))
		SKIP(return, "vm.overcommit_memory is not 0");
	p = (char *)mmap_raw(NULL, size, PROT_NONE, ANONYMOUS, -1, 0);
	ASSERT_OK((long)p);
	EXPECT_ERR(ENOMEM, mprotect_raw(p, size, RW));
	EXPECT_EQ(FORBIDDEN, touch(p, READ));
	EXPECT_ERR(ENOMEM, mmap_raw(NULL, size, RW, ANONYMOUS, -1, 0));
	EXPECT_OK(mmap_raw(NULL, size, PROT_READ, ANONYMOUS, -1, 0));
	EXPECT_OK(mmap_raw(NULL, size, RW, ANONYMOUS | MAP_NORESERVE, -1, 0));
	EXPECT_OK(mprotect_raw(p + page_size(), page_size(), RW));
}

CLAUSE(a_protection_of_write_alone_can_be_written,
       "mmap(2) PROT_WRITE: pages may be written, whether or not the hardware then lets them be read")
{
	char *p = pages_of(1, PROT_WRITE);

	EXPECT_EQ(NO_FAULT, touch(p, WRITE));
	ASSERT_OK(mprotect_raw(p, page_size(), PROT_READ));
	EXPECT_EQ('w', *p);
	EXPECT_EQ(FORBIDDEN, touch(p, WRITE));
}
