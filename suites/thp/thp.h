// SPDX-License-Identifier: GPL-2.0-only
// Transparent huge pages: advice, aligned areas with unreachable pages around them, what is behind and in them.
#ifndef THP_H
#define THP_H

#include <fcntl.h>
#include <linux/mman.h>
#include <linux/prctl.h>
#include <string.h>
#include <sys/mman.h>

#include "guard.h"
#include "maps.h"
#include "setting.h"
#include "soil.h"
#include "sys.h"
#include "uapi.h"

#define advise(at, size, advice) raw_syscall(__NR_madvise, at, size, advice)

// madvise(0, 0, advice) tells by 0 or EINVAL whether the kernel knows the advice: madvise(2) NOTES.
// Without CONFIG_ADVISE_SYSCALLS there is no madvise(2) at all; here that is a kernel without the advice.
static inline long probe_advice(int advice)
{
	long result = advise(0, 0, advice);

	return result == -ENOSYS && config_is_set("ADVISE_SYSCALLS") != 1 ? -EINVAL : result;
}

static inline long probe_huge_advice(void)
{
	return probe_advice(MADV_HUGEPAGE);
}

static inline long probe_collapse(void)
{
	return probe_advice(MADV_COLLAPSE);
}

#define THP_ADVICE .config = "TRANSPARENT_HUGEPAGE ADVISE_SYSCALLS", .probe = probe_huge_advice, \
		   .absent_errno = EINVAL
#define THP_COLLAPSE .since = KERNEL(6, 1), .config = "TRANSPARENT_HUGEPAGE ADVISE_SYSCALLS", \
		   .probe = probe_collapse, .absent_errno = EINVAL
#define SMAPS "file=/proc/self/smaps"

// Whole huge pages, aligned, readable and writable, between unreachable pages, so that no neighbour merges with them.
struct area {
	char *at;
	size_t size;		// bytes
	size_t huge;		// bytes of one huge page
	char *mapped;
	size_t mapped_size;
};

// Where the kernel tells no size, one that is good enough for advice. False if the address space is too small.
static inline bool area_map(struct area *a, unsigned int huge_pages)
{
	size_t page = page_size();

	a->huge = huge_page_size() ?: 16 * page;
	a->size = huge_pages * a->huge;
	a->mapped_size = a->size + a->huge + 2 * page;
	a->mapped = mmap(NULL, a->mapped_size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (a->mapped == MAP_FAILED)
		return false;
	a->at = (char *)(((uintptr_t)a->mapped + page + a->huge - 1) & -a->huge);
	return !mprotect(a->at, a->size, PROT_READ | PROT_WRITE);
}

static inline void area_unmap(struct area *a)
{
	munmap(a->mapped, a->mapped_size);
}

// Writes a zero byte into each huge page of the area.
static inline void area_touch(const struct area *a)
{
	for (size_t i = 0; i < a->size; i += a->huge)
		*(volatile char *)(a->at + i) = 0;
}

// Bytes of the area that huge pages back; bytes of a range that are resident.
static inline long long huge_bytes(const struct area *a)
{
	return field_of_range(a->at, a->size, "AnonHugePages");
}

static inline long long resident_bytes(const void *at, size_t size)
{
	return field_of_range(at, size, "Rss");
}

// Contents: a word tells its seed and its place, so that a page that is lost, old or in the wrong place shows.
static inline uint64_t word_for(const void *word, const void *origin, uint64_t seed)
{
	return seed * 0x9e3779b97f4a7c15ULL + ((const char *)word - (const char *)origin) + 1;
}

// Writes [at, at + size) with what belongs at its distance from origin.
static inline void fill(void *at, size_t size, const void *origin, uint64_t seed)
{
	for (uint64_t *word = at; (char *)word < (char *)at + size; word++)
		*word = word_for(word, origin, seed);
}

#define NOWHERE (-1L)

// Offset in [at, at + size) of the first word that is not what fill() put there, or NOWHERE.
static inline long wrong_at(const void *at, size_t size, const void *origin, uint64_t seed)
{
	for (const uint64_t *word = at; (const char *)word < (const char *)at + size; word++)
		if (*word != word_for(word, origin, seed))
			return (const char *)word - (const char *)at;
	return NOWHERE;
}

// Offset of the first word that is not zero, or NOWHERE.
static inline long nonzero_at(const void *at, size_t size)
{
	for (const uint64_t *word = at; (const char *)word < (const char *)at + size; word++)
		if (*word)
			return (const char *)word - (const char *)at;
	return NOWHERE;
}

// Undoes what a parent may have set: PR_SET_THP_DISABLE is inherited.
static inline void allow_huge_pages(void)
{
	raw_syscall(__NR_prctl, PR_SET_THP_DISABLE, 0, 0, 0, 0);
}

// Getting huge pages is an allocation that may fail, or a page may be busy: it is tried several times and for a while.
#define ATTEMPTS 8
#define WHILE_NS 30000000

struct patience {
	struct wait_until_state wait;
	long long began;
	int attempts;
};

static inline bool shall_try_again(struct patience *p)
{
	if (!p->attempts++)
		p->began = monotonic_ns();
	else if (p->attempts > ATTEMPTS && monotonic_ns() - p->began > WHILE_NS)
		return false;
	return p->attempts == 1 || wait_a_little(&p->wait);
}

// Maps an area advised MADV_HUGEPAGE that huge pages back, all zero. Where the setting is never, MADV_COLLAPSE makes
// them. False, and nothing mapped, if none could be had.
static inline bool huge_area(struct area *a, unsigned int huge_pages)
{
	struct patience patience = { 0 };

	if (huge_page_size() > LARGEST_TOUCHED)
		return false;
	soil_before_the_first_read();
	allow_huge_pages();
	while (shall_try_again(&patience)) {
		if (!area_map(a, huge_pages))
			return false;
		advise(a->at, a->size, MADV_HUGEPAGE);
		area_touch(a);
		if (huge_bytes(a) == (long long)a->size)
			return true;
		advise(a->at, a->size, MADV_COLLAPSE);
		if (huge_bytes(a) == (long long)a->size)
			return true;
		area_unmap(a);
	}
	return false;
}

// Memory of small pages without advice, filled: the process goes without huge pages while it touches it.
static inline bool small_area(struct area *a, unsigned int huge_pages)
{
	for (int i = 0; i < ATTEMPTS && huge_page_size() <= LARGEST_TOUCHED; i++) {
		if (!area_map(a, huge_pages))
			return false;
		raw_syscall(__NR_prctl, PR_SET_THP_DISABLE, 1, 0, 0, 0);
		fill(a->at, a->size, a->at, 1);
		allow_huge_pages();
		if (huge_bytes(a) == 0)
			return true;
		area_unmap(a);
	}
	return false;
}

// MADV_COLLAPSE is best effort: EAGAIN, ENOMEM and EBUSY say that it did not work out this time.
static inline bool is_bad_luck(long result)
{
	return result == -EAGAIN || result == -ENOMEM || result == -EBUSY;
}

static inline long collapse(void *at, size_t size)
{
	struct patience patience = { 0 };
	long result = -EAGAIN;

	while (result != 0 && shall_try_again(&patience))
		result = advise(at, size, MADV_COLLAPSE);
	return result;
}

// Memory may be short or in pieces on a correct kernel; but what has failed before stays failed.
#define SKIP_UNLESS_HUGE(got) do {							\
	if (!(got)) {									\
		if (_metadata->exit_code == KSFT_FAIL)					\
			return;								\
		SKIP(return, "no huge page could be had: memory is short or in pieces, THP is set to never, "	\
		     "or huge pages are very large");						\
	}										\
} while (0)

// The address can be read, as write(2) to a pipe finds it; without a signal if not.
static inline bool is_readable(const void *address)
{
	int ends[2];
	long result;

	if (pipe(ends))
		abort();
	result = raw_syscall(__NR_write, ends[1], address, 1);
	close(ends[0]);
	close(ends[1]);
	return result == 1;
}

// An area advised MADV_HUGEPAGE, for a clause that reads it before anything is written there.
// False where huge pages are very large.
static inline bool map_unread(struct area *a, unsigned int huge_pages)
{
	soil_before_the_first_read();
	allow_huge_pages();
	return huge_page_size() <= LARGEST_TOUCHED && area_map(a, huge_pages) &&
	       advise(a->at, a->size, MADV_HUGEPAGE) == 0;
}

#endif
