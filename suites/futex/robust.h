// SPDX-License-Identifier: GPL-2.0-only
// Robust lists as a libc keeps them: locks with their list entry and their word, linked to the head of a thread.
#ifndef ROBUST_H
#define ROBUST_H

#include <linux/futex.h>
#include <stddef.h>

#include "sys.h"

struct robust_lock {
	struct robust_list entry;
	long padding;
	uint32_t word;
};

// The locks of one thread, whose words lie behind their entries.
#define WORD_OFFSET ((long)offsetof(struct robust_lock, word))

#define PI_ENTRY 1UL	// lowest bit of a pointer to an entry: its word is a PI lock

static inline struct robust_list *tagged(struct robust_lock *lock, unsigned long bits)
{
	return (struct robust_list *)((unsigned long)&lock->entry | bits);
}

static inline void robust_init(struct robust_list_head *head)
{
	head->list.next = &head->list;
	head->futex_offset = WORD_OFFSET;
	head->list_op_pending = NULL;
}

// Links count locks behind the head, in their order; bits go into each pointer to an entry.
static inline void robust_link(struct robust_list_head *head, struct robust_lock *locks, int count, unsigned long bits)
{
	robust_init(head);
	if (count)
		head->list.next = tagged(&locks[0], bits);
	for (int i = 0; i < count; i++)
		locks[i].entry.next = i < count - 1 ? tagged(&locks[i + 1], bits) : &head->list;
}

#define SET_ROBUST_LIST(head) __NR_set_robust_list, head, sizeof(struct robust_list_head)

static inline long robust_probe(void)
{
	struct robust_list_head *head;
	size_t size;

	return raw_syscall(__NR_get_robust_list, 0, &head, &size);
}

#endif
