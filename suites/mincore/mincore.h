// SPDX-License-Identifier: GPL-2.0-only
// mincore(2) by its raw call, memory whose pages come one by one, and vectors as readable text.
#ifndef MINCORE_H
#define MINCORE_H

#include <stdint.h>
#include <sys/mman.h>

#include "guard.h"
#include "sys.h"

#define mincore_raw(address, length, vec) raw_syscall(__NR_mincore, address, length, vec)

#define VEC_TEXT 80

// One letter a page: 1 resident, 0 not, . for an entry that still holds the pattern of guarded(). At most VEC_TEXT - 1.
static inline const char *vec_text(const unsigned char *vec, size_t pages, char *text)
{
	for (size_t i = 0; i < pages; i++)
		text[i] = vec[i] == GUARD_BYTE ? '.' : '0' + (vec[i] & 1);
	text[pages] = 0;
	return text;
}

// The first `pages` entries of a vector of guarded(), as text.
#define EXPECT_VEC(wanted, vec, pages) do {			\
	char text_[VEC_TEXT];					\
	EXPECT_STREQ(wanted, vec_text(vec, pages, text_));	\
} while (0)

// Asks for the pages and compares the answer, letter by letter; the vector is exactly as long as it must be.
#define EXPECT_RESIDENT(wanted, address) do {						\
	size_t pages_ = strlen(wanted);							\
	unsigned char *vec_ = guarded(pages_);						\
	EXPECT_RET(0, mincore_raw(address, pages_ * page_size(), vec_));		\
	EXPECT_VEC(wanted, vec_, pages_);						\
	EXPECT_INTACT(vec_);								\
	guard_free(vec_);								\
} while (0)

// Bit 0 of the page's entry, or -errno.
static inline long is_resident(const void *page)
{
	unsigned char entry = GUARD_BYTE;
	long result = mincore_raw(page, 1, &entry);

	return result ? result : entry & 1;
}

// Small pages only: a huge page, or one of the sizes between since 6.8, would bring in neighbours that nobody touched.
static inline char *small_pages_of(size_t pages, int protection, int flags, int fd, off_t offset)
{
	char *p = mmap(NULL, pages * page_size(), protection, flags, fd, offset);

	if (p == MAP_FAILED)
		return NULL;
	madvise(p, pages * page_size(), MADV_NOHUGEPAGE);
	return p;
}

static inline char *small_pages(size_t pages)
{
	return small_pages_of(pages, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

// As small_pages(), with a page in front and one behind that are not mapped, and beyond them two that are and stay so
// (a hole between mappings grows and shrinks with nothing but mmap). Make buffers first: a new mapping may fill a hole.
static inline char *island(size_t pages)
{
	size_t page = page_size();
	char *p = mmap(NULL, (pages + 4) * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return NULL;
	p += 2 * page;
	mprotect(p, pages * page, PROT_READ | PROT_WRITE);
	madvise(p, pages * page, MADV_NOHUGEPAGE);
	munmap(p - page, page);
	munmap(p + pages * page, page);
	return p;
}

// Writes to the pages that the text marks with 1.
static inline void touch_pages(char *p, const char *marked)
{
	for (size_t i = 0; marked[i]; i++)
		if (marked[i] == '1')
			*(volatile char *)(p + i * page_size()) = i + 1;
}

static inline void read_pages(const char *p, const char *marked)
{
	for (size_t i = 0; marked[i]; i++)
		if (marked[i] == '1')
			(void)*(volatile const char *)(p + i * page_size());
}

#endif
