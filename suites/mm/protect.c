// SPDX-License-Identifier: GPL-2.0-only
// mprotect(2): what it changes, what it refuses, and that every thread finds the change at once.
#include "clause.h"
#include "maps.h"
#include "mm.h"

#define UNKNOWN_PROTECTION 0x800000

CLAUSE(protection_decides_what_may_be_done,
       "mprotect(2) DESCRIPTION: an access in a manner that violates the protection generates SIGSEGV; sigaction(2)"
       " SEGV_ACCERR [JVM-1]", .needed_by = "jvm:guard_memory go:sysFault v8:SetPermissions")
{
	char *p = pages(1);
	const struct { int protection, reading, writing; } row[] = {
		{ PROT_NONE, FORBIDDEN, FORBIDDEN }, { PROT_READ, NO_FAULT, FORBIDDEN }, { RW, NO_FAULT, NO_FAULT },
		{ PROT_READ | PROT_EXEC, NO_FAULT, FORBIDDEN }, { PROT_NONE, FORBIDDEN, FORBIDDEN },
		{ RW | PROT_EXEC, NO_FAULT, NO_FAULT }, { PROT_READ, NO_FAULT, FORBIDDEN },
	};

	for (size_t i = 0; i < sizeof(row) / sizeof(*row); i++) {
		ASSERT_OK(mprotect_raw(p, page_size(), row[i].protection));
		EXPECT_EQ(row[i].reading, touch(p + 100, READ)) TH_LOG("row %zu", i);
		EXPECT_EQ(row[i].writing, touch(p + 100, WRITE)) TH_LOG("row %zu", i);
	}
}

CLAUSE(contents_survive_every_protection,
       "mprotect(2) DESCRIPTION: changes the access protections, not what is there")
{
	char *p = pages(4);

	mark_pages(p, 4, 'a');
	for (int protection = PROT_NONE; protection <= (RW | PROT_EXEC); protection++)
		ASSERT_OK(mprotect_raw(p, 4 * page_size(), protection));
	ASSERT_OK(mprotect_raw(p, 4 * page_size(), PROT_NONE));
	ASSERT_OK(mprotect_raw(p, 4 * page_size(), RW));
	EXPECT_TRUE(are_marked(p, 4, 'a'));
}

CLAUSE(only_the_pages_named_are_changed,
       "mprotect(2) DESCRIPTION: the pages containing any part of the interval [addr, addr+len-1], and no others")
{
	const struct { size_t length; int pages; } row[] = {
		{ 1, 1 }, { page_size() - 1, 1 }, { page_size(), 1 }, { page_size() + 1, 2 }, { 2 * page_size(), 2 },
	};

	for (size_t i = 0; i < sizeof(row) / sizeof(*row); i++) {
		char *p = pages(5);

		ASSERT_OK(mprotect_raw(p + page_size(), row[i].length, PROT_NONE));
		for (int j = 0; j < 5; j++) {
			bool changed = j >= 1 && j <= row[i].pages;

			EXPECT_EQ(changed ? FORBIDDEN : NO_FAULT, touch(p + j * page_size(), READ));
			EXPECT_EQ(changed ? FORBIDDEN : NO_FAULT, touch(p + (j + 1) * page_size() - 1, WRITE));
		}
	}
}

CLAUSE(several_mappings_are_changed_together,
       "mprotect(2) DESCRIPTION: the interval may hold mappings of any kind, and of any protection")
{
	char *p = pages(6);

	ASSERT_OK(mprotect_raw(p + page_size(), page_size(), PROT_NONE));
	ASSERT_OK(mmap_raw(p + 2 * page_size(), page_size(), PROT_READ, MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
	ASSERT_OK(mprotect_raw(p + 4 * page_size(), page_size(), PROT_READ));
	ASSERT_OK(mprotect_raw(p, 6 * page_size(), PROT_READ));
	for (int i = 0; i < 6; i++) {
		EXPECT_EQ(NO_FAULT, touch(p + i * page_size(), READ));
		EXPECT_EQ(FORBIDDEN, touch(p + i * page_size(), WRITE));
	}
	ASSERT_OK(mprotect_raw(p, 6 * page_size(), RW));
	mark_pages(p, 6, 'a');
	EXPECT_TRUE(are_marked(p, 6, 'a'));
}

CLAUSE(arguments_that_make_no_sense_are_einval,
       "mprotect(2) ERRORS EINVAL: addr is not a multiple of the page size, flags in prot are invalid, both"
       " PROT_GROWSUP and PROT_GROWSDOWN, or PROT_GROWSDOWN for what does not grow down")
{
	char *p = pages(2);

	mark_pages(p, 2, 'a');
	EXPECT_ERR(EINVAL, mprotect_raw(p + 1, page_size(), PROT_NONE));
	EXPECT_ERR(EINVAL, mprotect_raw(p + page_size() - 1, 1, PROT_NONE));
	EXPECT_ERR(EINVAL, mprotect_raw(p + 8, 0, PROT_NONE));
	EXPECT_ERR(EINVAL, mprotect_raw(p, page_size(), UNKNOWN_PROTECTION));
	EXPECT_ERR(EINVAL, mprotect_raw(p, page_size(), PROT_READ | UNKNOWN_PROTECTION));
	EXPECT_ERR(EINVAL, mprotect_raw(p, page_size(), PROT_READ | PROT_GROWSUP | PROT_GROWSDOWN));
	EXPECT_ERR(EINVAL, mprotect_raw(p, page_size(), PROT_READ | PROT_GROWSDOWN));
	mark_pages(p, 2, 'a');
	EXPECT_TRUE(are_marked(p, 2, 'a'));
}

CLAUSE(length_zero_changes_nothing_and_succeeds,
       "mm/mprotect.c do_mprotect_pkey (5.10, 7.2): a length of 0 is no error, whatever is mapped")
{
	char *p = island(1, 1);

	EXPECT_RET(0, mprotect_raw(p, 0, PROT_NONE));
	EXPECT_RET(0, mprotect_raw(p + page_size(), 0, PROT_NONE));
	EXPECT_EQ(NO_FAULT, touch(p, WRITE));
}

CLAUSE(a_hole_is_enomem_and_what_is_before_it_has_changed,
       "mprotect(2) ERRORS ENOMEM: addresses in the range are not mapped; mm/mprotect.c do_mprotect_pkey (5.10, 7.2):"
       " the walk ends at the first of them")
{
	char *p = pages(5);

	ASSERT_OK(munmap_raw(p + 2 * page_size(), page_size()));
	EXPECT_ERR(ENOMEM, mprotect_raw(p, 5 * page_size(), PROT_READ));
	EXPECT_EQ(FORBIDDEN, touch(p, WRITE));
	EXPECT_EQ(FORBIDDEN, touch(p + page_size(), WRITE));
	EXPECT_EQ(NO_FAULT, touch(p + 3 * page_size(), WRITE));
	EXPECT_ERR(ENOMEM, mprotect_raw(p + 2 * page_size(), 3 * page_size(), PROT_NONE));
	EXPECT_ERR(ENOMEM, mprotect_raw(p + 2 * page_size(), 1, PROT_NONE));
	EXPECT_EQ(NO_FAULT, touch(p + 3 * page_size(), WRITE));
	EXPECT_ERR(ENOMEM, mprotect_raw(p + 2 * page_size(), SIZE_MAX, PROT_NONE));
	EXPECT_EQ(NO_FAULT, touch(p + 3 * page_size(), WRITE));
}

CLAUSE(other_threads_lose_access_before_the_call_returns,
       "mprotect(2) DESCRIPTION: the protection is that of the process's pages: once changed, no thread's CPU goes by"
       " the old one", .needed_by = "jvm:SafepointPolling dotnet:FlushProcessWriteBuffers v8:SetPermissions")
{
	struct toucher t = { 0 };
	char *p = pages(1);

	ASSERT_TRUE(toucher_start(&t));
	for (int i = 0; i < 50; i++) {
		ASSERT_EQ(NO_FAULT, other_touches(&t, p, WRITE));
		ASSERT_OK(mprotect_raw(p, page_size(), PROT_READ));
		ASSERT_EQ(FORBIDDEN, other_touches(&t, p, WRITE));
		ASSERT_EQ(NO_FAULT, other_touches(&t, p, READ));
		ASSERT_OK(mprotect_raw(p, page_size(), PROT_NONE));
		ASSERT_EQ(FORBIDDEN, other_touches(&t, p, READ));
		ASSERT_OK(mprotect_raw(p, page_size(), RW));
	}
	EXPECT_TRUE(toucher_stop(&t));
}

struct counter {
	volatile unsigned long *word;
	volatile int fault, stop;
};

static __attribute__((noipa)) void count(struct counter *c)
{
	while (!c->stop)
		++*c->word;
}

static int count_until_fault(void *arg)
{
	struct counter *c = arg;

	touch_fault = NO_FAULT;
	if (!__builtin_setjmp(touch_again)) {
		touch_armed = 1;
		count(c);
	}
	c->fault = touch_fault;
	return 0;
}

CLAUSE(no_write_of_another_thread_arrives_after_the_call_returned,
       "mprotect(2) DESCRIPTION; mm/mprotect.c (7.2): translations are flushed on all CPUs before the call returns,"
       " so a store that was on its way is done or faults", .needed_by = "jvm:ZGC tcmalloc:Release")
{
	catch_faults();
	for (int i = 0; i < 10; i++) {
		struct counter c = { .word = (void *)pages(1) };
		struct thread thread;
		unsigned long seen;

		ASSERT_OK(thread_start(&thread, count_until_fault, &c));
		ASSERT_TRUE(wait_until(*c.word > 1000));
		ASSERT_OK(mprotect_raw(c.word, page_size(), PROT_READ));
		seen = *c.word;
		EXPECT_TRUE(wait_until(c.fault));
		c.stop = 1;
		EXPECT_TRUE(thread_join(&thread));
		EXPECT_EQ(FORBIDDEN, c.fault);
		EXPECT_EQ(seen, *c.word);
	}
}

CLAUSE(a_mapping_that_was_split_is_one_again,
       "mm/mmap.c vma_merge (5.10), mm/vma.c vma_merge_existing_range (7.2): neighbours that have become alike are"
       " one mapping, so flipping protections does not use mappings up [MAP-7]",
       .needed_by = "jvm:guard_pages v8:CodeRange",
       .needs = "file=/proc/self/smaps")
{
	char *p = island(8, 1);
	struct mapping m;

	for (int i = 0; i < 8; i++)
		ASSERT_OK(mprotect_raw(p + i * page_size(), page_size(), i % 2 ? PROT_NONE : PROT_READ));
	ASSERT_TRUE(find_mapping(0, p + 3 * page_size(), &m));
	EXPECT_EQ((unsigned long)p + 3 * page_size(), m.start);
	EXPECT_EQ((unsigned long)p + 4 * page_size(), m.end);
	for (int i = 0; i < 8; i++)
		ASSERT_OK(mprotect_raw(p + i * page_size(), page_size(), RW));
	ASSERT_TRUE(find_mapping(0, p + 3 * page_size(), &m));
	EXPECT_EQ((unsigned long)p, m.start);
	EXPECT_EQ((unsigned long)p + 8 * page_size(), m.end);
}

CLAUSE(maps_show_the_protection_as_it_is,
       "proc(5) /proc/pid/maps: perms is a set of permissions, r w x, p for private and s for shared",
       .needs = "file=/proc/self/smaps", .needed_by = "jvm:os_print_dll_info v8:GetSharedLibraryAddresses")
{
	const char *const wanted[] = { " ---p ", " r--p ", " -w-p ", " rw-p ", " --xp ", " r-xp ", " -wxp ", " rwxp " };
	char *p = pages(3);
	struct mapping m;

	for (int protection = 0; protection < 8; protection++) {
		ASSERT_OK(mprotect_raw(p + page_size(), page_size(), protection));
		ASSERT_TRUE(find_mapping(0, p + page_size(), &m));
		EXPECT_NE(NULL, strstr(m.text, wanted[protection])) TH_LOG("%s: %.60s", wanted[protection], m.text);
	}
}

static long pkey_probe(void)
{
	return raw_syscall(__NR_pkey_free, 100000);
}

CLAUSE(protection_keys_that_cannot_be_are_einval,
       "pkey_alloc(2), pkey_free(2), mprotect(2) ERRORS EINVAL: flags or access_rights are invalid, pkey was not"
       " allocated",
       .config = "ARCH_HAS_PKEYS", .probe = pkey_probe, .needed_by = "v8:MemoryProtectionKey")
{
	char *p = pages(1);

	EXPECT_ERR(EINVAL, raw_syscall(__NR_pkey_alloc, 1, 0));
	EXPECT_ERR(EINVAL, raw_syscall(__NR_pkey_alloc, 0, 0x1000));
	EXPECT_ERR(EINVAL, raw_syscall(__NR_pkey_free, -1));
	EXPECT_ERR(EINVAL, raw_syscall(__NR_pkey_free, 15));
	EXPECT_ERR(EINVAL, raw_syscall(__NR_pkey_mprotect, p, page_size(), PROT_READ, 15));
	EXPECT_ERR(EINVAL, raw_syscall(__NR_pkey_mprotect, p, page_size(), PROT_READ, 100000));
	EXPECT_EQ(NO_FAULT, touch(p, WRITE));
}

CLAUSE(pkey_mprotect_with_key_minus_one_is_mprotect,
       "pkey_mprotect(2), mprotect(2): if pkey is -1, pkey_mprotect behaves as mprotect", .config = "ARCH_HAS_PKEYS",
       .probe = pkey_probe, .needed_by = "v8:MemoryProtectionKey")
{
	char *p = pages(3);

	EXPECT_RET(0, raw_syscall(__NR_pkey_mprotect, p + page_size(), page_size(), PROT_READ, -1));
	EXPECT_EQ(FORBIDDEN, touch(p + page_size(), WRITE));
	EXPECT_EQ(NO_FAULT, touch(p + page_size(), READ));
	EXPECT_EQ(NO_FAULT, touch(p, WRITE));
	EXPECT_EQ(NO_FAULT, touch(p + 2 * page_size(), WRITE));
}

CLAUSE(a_protection_key_takes_the_access_away_that_it_names,
       "pkeys(7), pkey_alloc(2) PKEY_DISABLE_WRITE, PKEY_DISABLE_ACCESS: the calling thread may not write, may not"
       " access what carries the key; sigaction(2) SEGV_PKUERR [V8-1]", .config = "ARCH_HAS_PKEYS", .probe = pkey_probe,
       .needs = "cpu=pku", .needed_by = "v8:MemoryProtectionKey")
{
	char *p = pages(2);
	long no_write = raw_syscall(__NR_pkey_alloc, 0, PKEY_DISABLE_WRITE);
	long no_access = raw_syscall(__NR_pkey_alloc, 0, PKEY_DISABLE_ACCESS);

	ASSERT_GT(no_write, 0);
	ASSERT_GT(no_access, 0);
	EXPECT_NE(no_write, no_access);
	ASSERT_OK(raw_syscall(__NR_pkey_mprotect, p, page_size(), RW, no_write));
	ASSERT_OK(raw_syscall(__NR_pkey_mprotect, p + page_size(), page_size(), RW, no_access));
	EXPECT_EQ(NO_FAULT, touch(p, READ));
	EXPECT_EQ(FAULT(SIGSEGV, SEGV_PKUERR), touch(p, WRITE));
	EXPECT_EQ(FAULT(SIGSEGV, SEGV_PKUERR), touch(p + page_size(), READ));
	ASSERT_OK(raw_syscall(__NR_pkey_mprotect, p, page_size(), RW, 0));
	EXPECT_EQ(NO_FAULT, touch(p, WRITE));
	EXPECT_RET(0, raw_syscall(__NR_pkey_free, no_write));
	EXPECT_ERR(EINVAL, raw_syscall(__NR_pkey_free, no_write));
}
