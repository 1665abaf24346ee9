// SPDX-License-Identifier: GPL-2.0-only
// Guarded buffers: [PROT_NONE | size, canaries ... buffer | PROT_NONE].
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "guard.h"

#define CANARIES 256

// Stands at the start of the writable pages, far in front of the buffer.
struct guard {
	size_t mapped;
	size_t size;
	void *base;
};

size_t page_size(void)
{
	return sysconf(_SC_PAGESIZE);
}

static void *map_or_die(size_t size, int protection)
{
	void *p = mmap(NULL, size, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED) {
		puts("# guard: mmap failed");
		abort();
	}
	return p;
}

static size_t round_up(size_t n)
{
	return (n + page_size() - 1) & -page_size();
}

void *guarded(size_t size)
{
	size_t room = round_up(sizeof(struct guard) + CANARIES + size);
	char *base = map_or_die(room + 2 * page_size(), PROT_NONE);
	struct guard *g = (void *)(base + page_size());

	if (mprotect(g, room, PROT_READ | PROT_WRITE)) {
		puts("# guard: mprotect failed");
		abort();
	}
	memset(g, GUARD_BYTE, room);
	*g = (struct guard){ .mapped = room + 2 * page_size(), .size = size, .base = base };
	return (char *)g + room - size;
}

static const struct guard *guard_of(const void *buffer)
{
	uintptr_t page = ((uintptr_t)buffer - CANARIES - sizeof(struct guard)) & -page_size();
	const struct guard *g = (const void *)page;

	// A buffer of several pages: the header is in the first of them.
	while ((char *)g->base != (char *)g - page_size())
		g = (const void *)((const char *)g - page_size());
	return g;
}

void guard_free(void *buffer)
{
	const struct guard *g = guard_of(buffer);

	munmap(g->base, g->mapped);
}

bool guard_is_intact(const void *buffer)
{
	const unsigned char *from = (const unsigned char *)(guard_of(buffer) + 1), *p = from;

	while (p < (const unsigned char *)buffer && *p == GUARD_BYTE)
		p++;
	return p == buffer;
}

bool is_untouched(const void *buffer, size_t from, size_t to)
{
	const unsigned char *bytes = buffer;

	while (from < to && bytes[from] == GUARD_BYTE)
		from++;
	return from >= to;
}

void *forbidden_page(void)
{
	return map_or_die(page_size(), PROT_NONE);
}

void *unmapped_page(void)
{
	char *p = map_or_die(3 * page_size(), PROT_NONE);

	// Neighbours stay mapped, so that nobody grows into the hole.
	munmap(p + page_size(), page_size());
	return p + page_size();
}
