// SPDX-License-Identifier: GPL-2.0-only
// Futexes in the pages of a huge page; part of a program that includes clause.h.
#ifndef FUTEXES_H
#define FUTEXES_H

#include <linux/futex.h>

#include "guard.h"
#include "sync.h"
#include "sys.h"
#include "thread.h"

struct sleeper {
	uint32_t *word;
	int wait;		// FUTEX_WAIT, private or not
	long result;
};

static inline int sleeper_main(void *arg)
{
	struct sleeper *s = arg;

	s->result = raw_syscall(NR_FUTEX, s->word, s->wait, 0, NULL, NULL, 0);
	return 0;
}

// A waiter on the word at `offset` of one page is not found at the same offset of another, and is found at its own.
static inline void expect_own_futexes(struct __test_metadata *_metadata, char *at, size_t size, bool private)
{
	const int flag = private ? FUTEX_PRIVATE_FLAG : 0;
	const size_t page = page_size(), offset = 64, own = size / 2;
	struct sleeper s = { .word = (uint32_t *)(at + own + offset), .wait = FUTEX_WAIT | flag };
	struct thread t;

	*s.word = 0;
	ASSERT_OK(thread_start(&t, sleeper_main, &s));
	ASSERT_TRUE(wait_until_blocked_in(t.known_as, NR_FUTEX));
	for (size_t other = 0; other < size; other += 16 * page) {
		if (other == own)
			continue;
		EXPECT_RET(0, raw_syscall(NR_FUTEX, at + other + offset, FUTEX_WAKE | flag, 1, NULL, NULL, 0))
			TH_LOG("woken by the word of page %zu, not %zu", other / page, own / page);
	}
	EXPECT_RET(0, raw_syscall(NR_FUTEX, at + own + page + offset, FUTEX_WAKE | flag, 1, NULL, NULL, 0));
	EXPECT_RET(0, raw_syscall(NR_FUTEX, at + own - page + offset, FUTEX_WAKE | flag, 1, NULL, NULL, 0));
	raw_syscall(NR_FUTEX, s.word, FUTEX_WAKE | flag, 1, NULL, NULL, 0);
	ASSERT_TRUE(thread_join(&t));
	EXPECT_RET(0, s.result);
}

#endif
