// SPDX-License-Identifier: GPL-2.0-only
// futex_waitv(2) as argument lists for raw_syscall(), ask() and call_as(), and arrays of its entries.
#ifndef WAITV_H
#define WAITV_H

#include <linux/futex.h>

#include "sys.h"
#include "uapi.h"

#define PRIVATE_U32 (FUTEX2_SIZE_U32 | FUTEX2_PRIVATE)
#define SHARED_U32  FUTEX2_SIZE_U32

#define WAITV(entries, count)                        __NR_futex_waitv, entries, count, 0, NULL, 0
#define WAITV_UNTIL(entries, count, deadline, clock) __NR_futex_waitv, entries, count, 0, deadline, clock

static inline struct futex_waitv entry_of(const void *word, uint64_t value, unsigned int flags)
{
	return (struct futex_waitv){ .uaddr = (uintptr_t)word, .val = value, .flags = flags };
}

// Entries for count words that follow each other, with the values they have now.
static inline void fill_entries(struct futex_waitv *entries, const uint32_t *words, int count, unsigned int flags)
{
	for (int i = 0; i < count; i++)
		entries[i] = entry_of(&words[i], words[i], flags);
}

static inline long waitv_probe(void)
{
	return raw_syscall(__NR_futex_waitv, NULL, 0, 0, NULL, 0);
}

#define NEEDS_WAITV .since = KERNEL(5, 16), .probe = waitv_probe

#endif
