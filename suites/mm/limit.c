// SPDX-License-Identifier: GPL-2.0-only
// mmap(2) at its limits: ENOMEM and nothing else, and all that was there before still works.
#include "clause.h"
#include "maps.h"
#include "mm.h"

#define MANY_MAPPINGS 70000

// Bytes of address space of this process, by the first field of /proc/self/statm.
static unsigned long mapped_bytes(void)
{
	char text[128];

	if (read_text("/proc/self/statm", text, sizeof(text)) <= 0)
		abort();
	return strtoul(text, NULL, 10) * page_size();
}

CLAUSE(address_space_beyond_rlimit_as_is_enomem,
       "getrlimit(2) RLIMIT_AS: the maximum size of the virtual memory; mmap fails with ENOMEM upon exceeding it, with"
       " whatever protection [MAP-6] [MAP-8] [incident 97]", .needed_by = "go:sysReserve musl:malloc")
{
	const size_t room = 64 * page_size();
	const int protections[] = { PROT_NONE, PROT_READ, RW };

	IN_CHILD {
		ASSERT_TRUE(set_limit(RLIMIT_AS, mapped_bytes() + room));
		for (int i = 0; i < 3; i++) {
			long p = mmap_raw(NULL, room, protections[i], ANONYMOUS, -1, 0);

			EXPECT_ERR(ENOMEM, mmap_raw(NULL, room + page_size(), protections[i], ANONYMOUS, -1, 0));
			ASSERT_OK(p);
			EXPECT_ERR(ENOMEM, mmap_raw(NULL, page_size(), protections[i], ANONYMOUS, -1, 0));
			EXPECT_ERR(ENOMEM, mmap_raw(NULL, 1, protections[i], ANONYMOUS | MAP_NORESERVE, -1, 0));
			EXPECT_OK(munmap_raw(p, room));
		}
	}
}

CLAUSE(what_a_fixed_mapping_replaces_does_not_count_twice,
       "getrlimit(2) RLIMIT_AS; mm/mmap.c mmap_region (5.10), mm/vma.c (7.2): at the limit a range can still be"
       " replaced by as much")
{
	IN_CHILD {
		char *p = pages(8);

		mark_pages(p, 8, 'a');
		ASSERT_TRUE(set_limit(RLIMIT_AS, mapped_bytes()));
		EXPECT_RET(p, mmap_raw(p, 8 * page_size(), RW, ANONYMOUS | MAP_FIXED, -1, 0));
		EXPECT_ERR(ENOMEM, mmap_raw(NULL, page_size(), RW, ANONYMOUS, -1, 0));
		EXPECT_TRUE(are_zero(p, 8));
	}
}

CLAUSE(at_the_limit_of_address_space_memory_still_works,
       "getrlimit(2) RLIMIT_AS: limits what is mapped; protections, advice and faults of what is there go on")
{
	IN_CHILD {
		char *p = pages(8);

		mark_pages(p, 8, 'a');
		ASSERT_TRUE(set_limit(RLIMIT_AS, page_size()));
		EXPECT_ERR(ENOMEM, mmap_raw(NULL, page_size(), PROT_NONE, ANONYMOUS, -1, 0));
		EXPECT_OK(mprotect_raw(p + page_size(), page_size(), PROT_READ));
		EXPECT_OK(madvise_raw(p + 2 * page_size(), page_size(), MADV_DONTNEED));
		EXPECT_TRUE(are_marked(p, 2, 'a'));
		EXPECT_TRUE(are_zero(p + 2 * page_size(), 1));
		EXPECT_OK(munmap_raw(p + 4 * page_size(), page_size()));
	}
}

CLAUSE(writable_memory_beyond_rlimit_data_is_enomem,
       "getrlimit(2) RLIMIT_DATA: since 4.7 it counts private writable mappings; mprotect(2) ERRORS ENOMEM: what cannot"
       " be written does not count until it can")
{
	const size_t large = (size_t)64 << 20;

	IN_CHILD {
		char *p = (char *)mmap_raw(NULL, large, PROT_NONE, ANONYMOUS, -1, 0);

		ASSERT_OK((long)p);
		ASSERT_TRUE(set_limit(RLIMIT_DATA, large / 2));
		EXPECT_ERR(ENOMEM, mmap_raw(NULL, large, RW, ANONYMOUS, -1, 0));
		EXPECT_OK(mmap_raw(NULL, large, PROT_NONE, ANONYMOUS, -1, 0));
		EXPECT_OK(mmap_raw(NULL, large, PROT_READ, ANONYMOUS, -1, 0));
		EXPECT_OK(mmap_raw(NULL, large, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
		EXPECT_ERR(ENOMEM, mprotect_raw(p, large, RW));
		EXPECT_EQ(FORBIDDEN, touch(p, READ));
		EXPECT_OK(mprotect_raw(p, page_size(), RW));
	}
}

CLAUSE(writable_memory_does_not_grow_past_rlimit_data,
       "getrlimit(2) RLIMIT_DATA: the limit affects calls to mmap, mremap and brk: what is private and writable does not"
       " become more than it says however it grows, and what is not of that kind does")
{
	const size_t large = (size_t)64 << 20;

	IN_CHILD {
		char *p = island(4, 16), *end = (char *)raw_syscall(__NR_brk, 0);
		char *shared = (char *)mmap_raw(NULL, page_size(), RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
		char *read_only = pages_of(1, PROT_READ);

		mark_pages(p, 4, 'a');
		ASSERT_TRUE(set_limit(RLIMIT_DATA, large / 2));
		EXPECT_ERR(ENOMEM, mremap_raw(p, 4 * page_size(), large, MREMAP_MAYMOVE, 0));
		EXPECT_RET(p, mremap_raw(p, 4 * page_size(), 8 * page_size(), 0, 0));
		EXPECT_OK(mremap_raw(shared, page_size(), large, MREMAP_MAYMOVE, 0));
		EXPECT_OK(mremap_raw(read_only, page_size(), large, MREMAP_MAYMOVE, 0));
		EXPECT_RET(end, raw_syscall(__NR_brk, end + large));
		ASSERT_TRUE(set_limit(RLIMIT_DATA, page_size()));
		EXPECT_ERR(ENOMEM, mremap_raw(p, 8 * page_size(), 9 * page_size(), MREMAP_MAYMOVE, 0));
		EXPECT_ERR(ENOMEM, mremap_raw(p, 8 * page_size(), 9 * page_size(), 0, 0));
		EXPECT_RET(p, mremap_raw(p, 8 * page_size(), 4 * page_size(), 0, 0));
		EXPECT_RET(end, raw_syscall(__NR_brk, end + 16 * page_size()));
		EXPECT_TRUE(are_marked(p, 4, 'a'));
	}
}

CLAUSE(a_child_does_not_count_what_it_was_not_given,
       "madvise(2) MADV_DONTFORK, getrlimit(2) RLIMIT_AS: the size of a child's address space is that of what it has,"
       " and its limit leaves room for the rest", .needs = "file=/proc/self/statm")
{
	const size_t left_out = 256 * page_size();
	char *p = pages(256);
	unsigned long before;

	ASSERT_RET(0, madvise_raw(p, left_out, MADV_DONTFORK));
	before = mapped_bytes();
	IN_CHILD {
		unsigned long now = mapped_bytes();

		EXPECT_EQ(before - left_out, now);
		ASSERT_TRUE(set_limit(RLIMIT_AS, before));
		EXPECT_OK(mmap_raw(NULL, left_out, RW, ANONYMOUS, -1, 0));
		EXPECT_ERR(ENOMEM, mmap_raw(NULL, page_size(), RW, ANONYMOUS, -1, 0));
	}
	EXPECT_EQ(before, mapped_bytes());
}

CLAUSE(an_exhausted_address_space_is_enomem_for_users,
       "mmap(2) ERRORS ENOMEM: no memory is available; never EPERM for a place that only the kernel would have chosen"
       " [MAP-8] [incident 97]",
       // Older kernels searched below vm.mmap_min_addr on some architectures, and refused what they had found there.
       .since = KERNEL(6, 12), .as_nobody = 1, .needed_by = "musl:expand_heap", .timeout = 20)
{
	IN_CHILD {
		size_t size = SIZE_MAX / 4 / page_size() * page_size() + page_size();
		int taken = 0;

		for (; size >= page_size(); size = size / 2 / page_size() * page_size()) {
			long p = mmap_raw(NULL, size, PROT_NONE, ANONYMOUS | MAP_NORESERVE, -1, 0);

			for (; !is_error(p) && taken < 100000; taken++)
				p = mmap_raw(NULL, size, PROT_NONE, ANONYMOUS | MAP_NORESERVE, -1, 0);
			EXPECT_ERR(ENOMEM, p);
		}
		EXPECT_GT(taken, 0);
		EXPECT_ERR(ENOMEM, mmap_raw(NULL, 1, RW, ANONYMOUS, -1, 0));
	}
}

static long mapping_limit(void)
{
	char text[32];

	return read_text("/proc/sys/vm/max_map_count", text, sizeof(text)) > 0 ? strtol(text, NULL, 10) : 0;
}

// Makes every other page of a range unreadable until the kernel has no mapping left; counts the pages done.
static long split_all(char *p, long n, long *result)
{
	long done = 0;

	for (*result = 0; *result == 0 && done < n; done++)
		*result = mprotect_raw(p + 2 * done * page_size(), page_size(), PROT_NONE);
	return done - (*result != 0);
}

CLAUSE(more_mappings_than_max_map_count_are_enomem,
       "Documentation/admin-guide/sysctl/vm.rst max_map_count: the maximum number of memory map areas a process may"
       " have; mmap(2), munmap(2), mprotect(2) ERRORS ENOMEM [MAP-7]", .needed_by = "go:sysUnused jvm:ZGC",
       .timeout = 60)
{
	const long limit = mapping_limit();

	if (limit < 1000 || limit > MANY_MAPPINGS)
		SKIP(return, "vm.max_map_count is not between 1000 and %d", MANY_MAPPINGS);
	IN_CHILD {
		long n = limit / 2 + 16, result, done, left;
		char *p = pages_of(2 * n, PROT_READ), *spare = pages(3);

		ASSERT_OK(mprotect_raw(spare, 3 * page_size(), PROT_READ));
		done = split_all(p, n, &result);
		EXPECT_RET(-ENOMEM, result);
		EXPECT_GT(2 * done, limit - 400);
		left = mmap_raw(NULL, page_size(), PROT_EXEC, ANONYMOUS, -1, 0);
		for (int i = 0; !is_error(left) && i < 4; i++)
			left = mmap_raw(NULL, page_size(), i % 2 ? RW : PROT_EXEC, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
		EXPECT_RET(-ENOMEM, left);
		EXPECT_ERR(ENOMEM, munmap_raw(spare + page_size(), page_size()));
		EXPECT_ERR(ENOMEM, mprotect_raw(spare + page_size(), page_size(), PROT_NONE));
		EXPECT_EQ(NO_FAULT, touch(spare + page_size(), READ));
		EXPECT_EQ(NO_FAULT, touch(p + page_size(), READ));
		EXPECT_OK(madvise_raw(p + page_size(), page_size(), MADV_DONTNEED));
		EXPECT_EQ(0, p[page_size()]);
		EXPECT_OK(munmap_raw(p, 100 * page_size()));
		EXPECT_OK(mmap_raw(NULL, page_size(), RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
	}
}

CLAUSE(neighbours_of_one_kind_are_one_mapping,
       "mm/mmap.c vma_merge (5.10), mm/vma.c vma_merge_new_range (7.2): private anonymous memory that continues a"
       " mapping of the same kind becomes a part of it, and does not count on its own [MAP-7]",
       .needed_by = "go:sysMap", .needs = "file=/proc/self/smaps")
{
	char *p = pages_of(1000, PROT_NONE);
	struct mapping m;

	for (int i = 0; i < 500; i++)
		ASSERT_RET(p + i * page_size(),
			   mmap_raw(p + i * page_size(), page_size(), RW, ANONYMOUS | MAP_FIXED, -1, 0));
	ASSERT_TRUE(find_mapping(0, p + 250 * page_size(), &m));
	EXPECT_LE(m.start, (unsigned long)p);
	EXPECT_GE(m.end, (unsigned long)p + 500 * page_size());
	EXPECT_NE(NULL, strstr(m.text, " rw-p "));
}
