// SPDX-License-Identifier: GPL-2.0-only
// SIGSEGV and SIGBUS of memory: si_code says what was wrong, si_addr where, to the byte.
#include "clause.h"

#include "fault.h"
#include "thread.h"

#define USERS "go:sigpanic jvm:PosixSignals::pd_hotspot_signal_handler ocaml:segv_handler"

#ifndef PKEY_DISABLE_ACCESS
#define PKEY_DISABLE_ACCESS 1
#define PKEY_DISABLE_WRITE 2
#endif

#define AT_OFFSETS(o) for (size_t o = 0; o < page_size(); o += o < 8 ? 1 : o == page_size() - 1 ? 1 : page_size() - 1 - o)

CLAUSE(an_unmapped_address_is_maperr_at_the_very_byte,
       "sigaction(2) SIGSEGV: SEGV_MAPERR, address not mapped to object, and si_addr the address of the fault, for "
       "loads and stores; nothing "
       "else is set [SIGINFO-2]", .needed_by = USERS)
{
	char *page = unmapped_page();

	ASSERT_OK(keep_faults());
	AT_OFFSETS(o) {
		EXPECT_FAULT(page_fault_of(SIGSEGV, SEGV_MAPERR, page + o), load(page + o));
		EXPECT_FAULT(page_fault_of(SIGSEGV, SEGV_MAPERR, page + o), store(page + o));
	}
}

CLAUSE(a_page_without_access_is_accerr_at_the_very_byte,
       "sigaction(2) SIGSEGV: SEGV_ACCERR, invalid permissions for mapped object: PROT_NONE pages, loads and stores "
       "[JVM-1] [SIGINFO-2]",
       .needed_by = USERS)
{
	char *page = map_pages(1, PROT_NONE);

	ASSERT_OK(keep_faults());
	AT_OFFSETS(o) {
		EXPECT_FAULT(page_fault_of(SIGSEGV, SEGV_ACCERR, page + o), load(page + o));
		EXPECT_FAULT(page_fault_of(SIGSEGV, SEGV_ACCERR, page + o), store(page + o));
	}
}

CLAUSE(a_store_to_a_read_only_page_is_accerr,
       "sigaction(2) SIGSEGV: SEGV_ACCERR for a store to a page that may be read alone, untouched, read before, or of "
       "a file; loads go on "
       "[SIGINFO-2]", .needed_by = USERS)
{
	char *fresh = map_pages(1, PROT_READ), *written = map_pages(1, PROT_READ | PROT_WRITE), *file;
	long fd = raw_syscall(__NR_memfd_create, "osprim", 0);

	ASSERT_EQ(0, ftruncate(fd, page_size()));
	file = mmap(NULL, page_size(), PROT_READ, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, file);
	written[5] = 9;
	ASSERT_EQ(0, mprotect(written, page_size(), PROT_READ));
	ASSERT_OK(keep_faults());
	EXPECT_FAULT(page_fault_of(SIGSEGV, SEGV_ACCERR, fresh + 3), store(fresh + 3));
	EXPECT_FALSE(FAULTS(load(fresh)));
	EXPECT_FAULT(page_fault_of(SIGSEGV, SEGV_ACCERR, fresh + 4), store(fresh + 4));
	EXPECT_FAULT(page_fault_of(SIGSEGV, SEGV_ACCERR, written + 5), store(written + 5));
	EXPECT_EQ(9, load(written + 5));
	EXPECT_FAULT(page_fault_of(SIGSEGV, SEGV_ACCERR, file + 6), store(file + 6));
	EXPECT_EQ(0, load(file + 6));
}

CLAUSE(null_and_small_offsets_from_it_are_maperr,
       "sigaction(2) SIGSEGV: the first page is not mapped: a load or store through NULL, and at an offset from it, is "
       "SEGV_MAPERR with the "
       "offset as si_addr [SIGINFO-2]", .needed_by = USERS)
{
	static const unsigned long offsets[] = { 0, 1, 8, 255, 1023, 4095 };

	ASSERT_OK(keep_faults());
	FOR_EACH(i, offsets) {
		char *volatile address = (char *)offsets[i];

		EXPECT_FAULT(page_fault_of(SIGSEGV, SEGV_MAPERR, address), load(address));
		EXPECT_FAULT(page_fault_of(SIGSEGV, SEGV_MAPERR, address), store(address));
	}
}

CLAUSE(an_access_across_an_edge_names_the_page_it_cannot_have,
       "sigaction(2) SIGSEGV: si_addr of an access of several bytes is one that it cannot have: on the second page "
       "where the first is there",
       .needed_by = USERS)
{
	char *pages = map_pages(3, PROT_READ | PROT_WRITE), *edge = pages + page_size();

	ASSERT_EQ(0, mprotect(edge, page_size(), PROT_NONE));
	ASSERT_OK(keep_faults());
	EXPECT_FALSE(FAULTS(load(edge - 1)));
	EXPECT_FAULT(page_fault_of(SIGSEGV, SEGV_ACCERR, edge), load(edge));
	EXPECT_FAULT(page_fault_of(SIGSEGV, SEGV_ACCERR, edge + page_size() - 1), load(edge + page_size() - 1));
	EXPECT_FALSE(FAULTS(load(edge + page_size())));
	// A word: of two, gcc 12 leaves out a volatile load whose value nobody wants (arm).
	for (size_t inside = 1; inside < sizeof(long); inside++) {
		volatile char *at = edge - inside;

		ASSERT_TRUE(FAULTS((void)*(volatile unsigned long *)at));
		if (kept.si_signo == SIGBUS)
			SKIP(return, "the CPU has no misaligned accesses");
		EXPECT_EQ(SEGV_ACCERR, kept.si_code);
		EXPECT_GE((char *)kept.si_addr, edge - ARCH_FAULT_GRAIN + 1);
		EXPECT_LT((char *)kept.si_addr, edge + 8);
	}
}

CLAUSE(the_code_follows_the_mapping,
       "sigaction(2) SIGSEGV, mprotect(2), munmap(2): one address gives ACCERR, no fault and MAPERR as its page is "
       "protected, opened and "
       "unmapped", .needed_by = USERS)
{
	char *page = map_pages(1, PROT_READ | PROT_WRITE);

	ASSERT_OK(keep_faults());
	for (int i = 0; i < 3; i++) {
		store(page);
		ASSERT_EQ(0, mprotect(page, page_size(), PROT_NONE));
		EXPECT_FAULT(page_fault_of(SIGSEGV, SEGV_ACCERR, page), load(page));
		ASSERT_EQ(0, mprotect(page, page_size(), PROT_READ));
		EXPECT_EQ(1, load(page));
		EXPECT_FAULT(page_fault_of(SIGSEGV, SEGV_ACCERR, page), store(page));
		ASSERT_EQ(0, mprotect(page, page_size(), PROT_READ | PROT_WRITE));
	}
	ASSERT_EQ(0, munmap(page, page_size()));
	EXPECT_FAULT(page_fault_of(SIGSEGV, SEGV_MAPERR, page), load(page));
}

CLAUSE(a_jump_to_where_no_code_is_faults_there,
       "sigaction(2) SIGSEGV: an instruction that cannot be fetched has SEGV_MAPERR or SEGV_ACCERR, and both si_addr "
       "and the pc are where the "
       "jump went [SIGINFO-2] [incident 22]", .needed_by = USERS)
{
	char *closed = map_pages(1, PROT_NONE), *data = map_pages(1, PROT_READ | PROT_WRITE), *none = unmapped_page();

	ASSERT_OK(keep_faults());
	EXPECT_FAULT(page_fault_of(SIGSEGV, SEGV_MAPERR, none + 16), execute(none + 16));
	EXPECT_EQ((unsigned long)none + 16, fault_pc);
	EXPECT_FAULT(page_fault_of(SIGSEGV, SEGV_ACCERR, closed + 16), execute(closed + 16));
	EXPECT_EQ((unsigned long)closed + 16, fault_pc);
	EXPECT_FAULT(page_fault_of(SIGSEGV, SEGV_MAPERR, NULL), execute(NULL));
	EXPECT_EQ(0, fault_pc);
	memcpy(data + 16, (void *)arch_undefined, ARCH_UNDEFINED_LENGTH);
	ASSERT_TRUE(FAULTS(execute(data + 16)));
	if (kept.si_signo == SIGILL)
		SKIP(return, "the CPU executes whatever can be read");
	EXPECT_FAULT(page_fault_of(SIGSEGV, SEGV_ACCERR, data + 16), execute(data + 16));
	EXPECT_EQ((unsigned long)data + 16, fault_pc);
}

CLAUSE(an_address_of_the_kernel_is_maperr,
       "sigaction(2) SIGSEGV, arch/x86/mm/fault.c (7.2) \"User-mode accesses just cause a SIGSEGV\": nothing tells "
       "whether the kernel has the "
       "address mapped: SEGV_MAPERR", .needed_by = USERS)
{
	char *address = (char *)ARCH_KERNEL_ADDRESS;

	if (!address)
		SKIP(return, "the ABI has no such address");
	ASSERT_OK(keep_faults());
	EXPECT_FAULT(page_fault_of(SIGSEGV, SEGV_MAPERR, address), load(address));
	EXPECT_FAULT(page_fault_of(SIGSEGV, SEGV_MAPERR, address), store(address));
	EXPECT_FAULT(page_fault_of(SIGSEGV, SEGV_MAPERR, address), execute(address));
}

CLAUSE(an_address_that_cannot_be_translated_has_no_address,
       "sigaction(2) SIGSEGV, arch/x86/kernel/traps.c exc_general_protection (7.2): a non-canonical address raises "
       "SIGSEGV with SI_KERNEL and "
       "si_addr 0 [SIGINFO-2]", .needed_by = USERS)
{
	char *address = (char *)ARCH_NONCANONICAL;

	if (!address)
		SKIP(return, "the ABI has no such address");
	ASSERT_OK(keep_faults());
	EXPECT_FAULT(fault_of(SIGSEGV, SI_KERNEL, NULL), load(address));
	EXPECT_FAULT(fault_of(SIGSEGV, SI_KERNEL, NULL), store(address));
}

CLAUSE(a_page_past_the_end_of_its_file_is_bus_adrerr,
       "mmap(2) SIGBUS: an access to a page of the mapping behind the end of the file is BUS_ADRERR at the very byte; "
       "the rest of the last "
       "page reads as 0 [SIGINFO-2]", .needed_by = USERS)
{
	long fd = raw_syscall(__NR_memfd_create, "osprim", 0);
	char *pages, *behind;

	ASSERT_OK(fd);
	ASSERT_EQ(0, ftruncate(fd, 100));
	pages = mmap(NULL, 2 * page_size(), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, pages);
	behind = pages + page_size();
	ASSERT_OK(keep_faults());
	EXPECT_EQ(0, load(behind - 1));
	AT_OFFSETS(o) {
		EXPECT_FAULT(page_fault_of(SIGBUS, BUS_ADRERR, behind + o), load(behind + o));
		EXPECT_FAULT(page_fault_of(SIGBUS, BUS_ADRERR, behind + o), store(behind + o));
	}
	ASSERT_EQ(0, ftruncate(fd, 2 * page_size()));
	EXPECT_FALSE(FAULTS(load(behind)));
	ASSERT_EQ(0, ftruncate(fd, 0));
	EXPECT_FAULT(page_fault_of(SIGBUS, BUS_ADRERR, behind), load(behind));
	EXPECT_FAULT(page_fault_of(SIGBUS, BUS_ADRERR, pages + 50), store(pages + 50));
}

CLAUSE(system_calls_say_efault_instead,
       "errno(3) EFAULT, signal(7): the kernel's own access to memory that a call names raises no signal, be it "
       "unmapped, closed, read-only "
       "or past the end of a file", .needed_by = USERS)
{
	void *bad[] = { forbidden_page(), map_past_the_end(), NULL, (void *)ARCH_KERNEL_ADDRESS, NULL };
	int fds[2];

	ASSERT_EQ(0, pipe(fds));
	ASSERT_OK(keep_faults());
	bad[4] = unmapped_page();
	FOR_EACH(i, bad) {
		EXPECT_FALSE(FAULTS(EXPECT_ERR(EFAULT, raw_syscall(__NR_write, fds[1], bad[i], 1))));
		EXPECT_FALSE(FAULTS(EXPECT_ERR(EFAULT, raw_syscall(__NR_pipe2, bad[i] ? bad[i] : (void *)8, 0))));
	}
	EXPECT_FALSE(FAULTS(EXPECT_ERR(EFAULT, raw_syscall(__NR_pipe2, map_pages(1, PROT_READ), 0))));
	EXPECT_EQ(0, times_kept);
}

CLAUSE(a_protection_key_that_forbids_is_pkuerr,
       "pkeys(7), sigaction(2) SIGSEGV: SEGV_PKUERR, access was denied by memory protection keys, with si_addr, and "
       "si_pkey the key [incident 20]",
       .needed_by = "v8:ThreadIsolation")
{
	static const struct { int rights; bool loads; } keys[] = { { PKEY_DISABLE_ACCESS, false }, { PKEY_DISABLE_WRITE, true } };

	ASSERT_OK(keep_faults());
	FOR_EACH(i, keys) {
		char *page = map_pages(1, PROT_READ | PROT_WRITE);
		long key = raw_syscall(__NR_pkey_alloc, 0, keys[i].rights);
		siginfo_t want = page_fault_of(SIGSEGV, SEGV_PKUERR, page + 7);

		if (is_error(key))
			SKIP(return, "no protection keys on this machine");
		want.si_pkey = key;
		ASSERT_OK(raw_syscall(__NR_pkey_mprotect, page, page_size(), PROT_READ | PROT_WRITE, key));
		if (keys[i].loads)
			EXPECT_FALSE(FAULTS(load(page + 7)));
		EXPECT_FAULT(want, store(page + 7));
		if (i == 0)	// the handler starts with the rights of a new process, which the jump out of it leaves
			EXPECT_FALSE(is_error(raw_syscall(__NR_pkey_free, key)));
	}
}

static volatile int handled_in[2];
static char *mended;

static void mend(int sig, siginfo_t *info, void *ucontext)
{
	handled_in[raw_syscall(__NR_gettid) == getpid() ? 0 : 1]++;
	raw_syscall(__NR_mprotect, mended, page_size(), PROT_READ | PROT_WRITE);
}

static int store_in_thread(void *arg)
{
	store(arg);
	return 0;
}

CLAUSE(a_fault_is_handled_by_the_thread_that_caused_it,
       "signal(7) Execution of signal handlers: a signal generated by a fault is directed to the thread that executed "
       "the instruction",
       .needed_by = USERS)
{
	struct thread t;

	mended = map_pages(1, PROT_NONE);
	ASSERT_OK(raw_sigaction(SIGSEGV, mend, 0));
	ASSERT_OK(thread_start(&t, store_in_thread, mended));
	ASSERT_TRUE(thread_join(&t));
	EXPECT_EQ(0, handled_in[0]);
	EXPECT_EQ(1, handled_in[1]);
	EXPECT_EQ(1, load(mended));
}

CLAUSE(a_handler_can_mend_the_page_and_go_on,
       "sigaction(2) SIGSEGV, mprotect(2) EXAMPLES: the pc is that of the instruction that faulted: after the handler "
       "has made the access legal "
       "it is executed again, once [JVM-1]", .needed_by = "go:sigpanic jvm:SafepointMechanism ocaml:segv_handler")
{
	mended = map_pages(1, PROT_READ | PROT_WRITE);
	ASSERT_OK(raw_sigaction(SIGSEGV, mend, 0));
	for (int i = 1; i <= 500; i++) {
		ASSERT_EQ(0, mprotect(mended, page_size(), i & 1 ? PROT_NONE : PROT_READ));
		__atomic_add_fetch((int *)(mended + 64), 1, __ATOMIC_SEQ_CST);
		ASSERT_EQ(i, handled_in[0]);
		ASSERT_EQ(i, *(int *)(mended + 64));
	}
}
