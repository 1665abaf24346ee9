// SPDX-License-Identifier: GPL-2.0-only
// Memory mapping by raw calls, memory between holes, and what happens when an address is touched.
#ifndef MM_H
#define MM_H

#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "guard.h"
#include "sigaction.h"
#include "sync.h"
#include "sys.h"
#include "thread.h"

#define RW (PROT_READ | PROT_WRITE)
#define ANONYMOUS (MAP_PRIVATE | MAP_ANONYMOUS)

#define munmap_raw(address, size)              raw_syscall(__NR_munmap, address, size)
#define mprotect_raw(address, size, protection) raw_syscall(__NR_mprotect, address, size, protection)
#define madvise_raw(address, size, advice)     raw_syscall(__NR_madvise, address, size, advice)
#define mremap_raw(address, old, new, flags, to) raw_syscall(__NR_mremap, address, old, new, flags, to)

// NR_MMAP counts its offset in bytes or, where it is mmap2, in units of 4096 of them.
#ifdef __NR_mmap2
#define MMAP_OFFSET_UNIT 4096
#else
#define MMAP_OFFSET_UNIT 1
#endif

static inline long mmap_raw(const void *at, size_t size, int protection, int flags, int fd, uint64_t offset)
{
	return raw_syscall(NR_MMAP, at, size, protection, flags, fd, (unsigned long)(offset / MMAP_OFFSET_UNIT));
}

// Private anonymous memory of small pages; aborts the clause's process when there is none.
static inline char *pages_of(size_t n, int protection)
{
	long at = mmap_raw(NULL, n * page_size(), protection, ANONYMOUS, -1, 0);

	if (is_error(at)) {
		puts("# mm: mmap failed");
		abort();
	}
	madvise((void *)at, n * page_size(), MADV_NOHUGEPAGE);
	return (char *)at;
}

static inline char *pages(size_t n)
{
	return pages_of(n, RW);
}

// As pages(), between two holes of `hole` pages each, beyond which there is a page that is mapped and stays so: nothing
// else grows into them. A later mmap without an address may fill one: make buffers first.
static inline char *island(size_t n, size_t hole)
{
	size_t page = page_size();
	char *p = pages_of(n + 2 * hole + 2, PROT_NONE) + (1 + hole) * page;

	munmap(p - hole * page, hole * page);
	munmap(p + n * page, hole * page);
	mprotect(p, n * page, RW);
	return p;
}

// Page i of n holds first + i in its first and its last byte, or zeros.
static inline void mark_pages(char *p, size_t n, char first)
{
	for (size_t i = 0; i < n; i++, p += page_size())
		p[0] = p[page_size() - 1] = first + i;
}

static inline bool are_marked(const char *p, size_t n, char first)
{
	for (size_t i = 0; i < n; i++, p += page_size())
		if (p[0] != (char)(first + i) || p[page_size() - 1] != (char)(first + i))
			return false;
	return true;
}

static inline bool are_zero(const char *p, size_t n)
{
	const unsigned long *word = (const void *)p, *end = (const void *)(p + n * page_size());

	while (word < end && !*word)
		word++;
	return word == end;
}

// Bytes of a page read one after the other, without a signal where that cannot be: -EFAULT as write(2) says it.
static inline long try_read(const void *address)
{
	int ends[2];
	long result;

	if (pipe(ends))
		abort();
	result = raw_syscall(__NR_write, ends[1], address, 1);
	close(ends[0]);
	close(ends[1]);
	return result;
}

// The address is mapped, with whatever protection.
static inline bool is_mapped(const void *page)
{
	unsigned char entry;

	return raw_syscall(__NR_mincore, page, 1, &entry) == 0;
}

/* ---- Touching ------------------------------------------------------------------------------------------------ */

// WRITE leaves a 'w' at the address.
enum touch { READ, WRITE, EXECUTE };

// What a touch may end in: 0, or signal and si_code.
#define FAULT(sig, code) ((sig) << 16 | (code))
#define NO_FAULT  0
#define NOT_THERE FAULT(SIGSEGV, SEGV_MAPERR)
#define FORBIDDEN FAULT(SIGSEGV, SEGV_ACCERR)
#define NO_FILE   FAULT(SIGBUS, BUS_ADRERR)

// One task at a time touches.
static void *touch_again[5];
static volatile int touch_armed, touch_fault;
static const void *volatile touch_fault_at;

// The handler is entered with nothing blocked (SA_NODEFER), so there is no mask to put back. A fault that no touch
// made happens again, and kills.
static inline void touch_failed(int sig, siginfo_t *info, void *ucontext)
{
	if (!touch_armed) {
		raw_sigaction(sig, SIGNAL_DEFAULT, 0);
		return;
	}
	touch_armed = 0;
	touch_fault = FAULT(sig, info->si_code & 0xffff);
	touch_fault_at = info->si_addr;
	__builtin_longjmp(touch_again, 1);
}

static inline void catch_faults(void)
{
	const int signals[] = { SIGSEGV, SIGBUS, SIGILL, SIGTRAP };

	for (int i = 0; i < 4; i++)
		raw_sigaction(signals[i], touch_failed, SA_NODEFER);
}

// A call that the compiler knows nothing of: only from such a one it expects a jump back.
static __attribute__((noipa)) void touch_bare(const volatile void *address, enum touch how)
{
	if (how == READ)
		(void)*(const volatile char *)address;
	else if (how == WRITE)
		*(volatile char *)address = 'w';
	else
		((void (*)(void))address)();
}

// Usable in a raw thread, once catch_faults() was called.
static __attribute__((noipa)) int touch_caught(const volatile void *address, enum touch how)
{
	touch_fault = NO_FAULT;
	touch_fault_at = NULL;
	if (__builtin_setjmp(touch_again))
		return touch_fault;
	touch_armed = 1;
	touch_bare(address, how);
	touch_armed = 0;
	return NO_FAULT;
}

// Reads, writes or executes at an address: NO_FAULT, or what came of it. Some CPUs tell the page of a fault alone, and
// a fault that tells another page is none that a runtime would know: 1.
static inline int touch(const volatile void *address, enum touch how)
{
	int fault;

	catch_faults();
	fault = touch_caught(address, how);
	if ((fault >> 16 == SIGSEGV || fault >> 16 == SIGBUS) &&
	    ((uintptr_t)touch_fault_at ^ (uintptr_t)address) / page_size())
		return 1;
	return fault;
}

/* ---- Another thread ------------------------------------------------------------------------------------------ */

// A thread that touches what it is asked to, and spins between: it stays on its CPU and keeps its translations.
struct toucher {
	struct thread thread;
	const volatile void *at;
	enum touch how;
	int fault;
	char byte;		// what was read
	volatile int asked, answered, stop;
};

static int toucher_run(void *arg)
{
	struct toucher *t = arg;
	int spins = 0;

	while (!__atomic_load_n(&t->stop, __ATOMIC_ACQUIRE)) {
		if (__atomic_load_n(&t->asked, __ATOMIC_ACQUIRE) == t->answered) {
			if (++spins % 256 == 0)
				raw_syscall(__NR_sched_yield);
			arch_pause();
			continue;
		}
		t->fault = touch_caught(t->at, t->how);
		if (t->how == READ && !t->fault)
			t->byte = *(const volatile char *)t->at;
		__atomic_store_n(&t->answered, t->asked, __ATOMIC_RELEASE);
	}
	return 0;
}

static inline bool toucher_start(struct toucher *t)
{
	catch_faults();
	return !is_error(thread_start(&t->thread, toucher_run, t));
}

// What comes of a touch by the other thread; -1 if it does not answer.
static inline int other_touches(struct toucher *t, const volatile void *at, enum touch how)
{
	t->at = at;
	t->how = how;
	__atomic_store_n(&t->asked, t->asked + 1, __ATOMIC_RELEASE);
	return wait_until(__atomic_load_n(&t->answered, __ATOMIC_ACQUIRE) == t->asked) ? t->fault : -1;
}

static inline bool toucher_stop(struct toucher *t)
{
	__atomic_store_n(&t->stop, 1, __ATOMIC_RELEASE);
	return thread_join(&t->thread);
}

/* ---- Limits -------------------------------------------------------------------------------------------------- */

// Lowers a soft limit of this process, which is to be a child of its own.
static inline bool set_limit(int resource, unsigned long value)
{
	struct rlimit limit;

	if (getrlimit(resource, &limit))
		return false;
	limit.rlim_cur = value;
	return !setrlimit(resource, &limit);
}

// A memfd of n pages, each marked from `first` on.
static inline int file_of_pages(size_t n, char first)
{
	int fd = memfd_create("osprim-mm", MFD_CLOEXEC);
	char *p;

	if (ftruncate(fd, n * page_size()))
		abort();
	p = (char *)mmap_raw(NULL, n * page_size(), RW, MAP_SHARED, fd, 0);
	mark_pages(p, n, first);
	munmap(p, n * page_size());
	return fd;
}

#endif
