// SPDX-License-Identifier: GPL-2.0-only
// Calls of PI futexes as argument lists, for raw_syscall(), ask() and call_as(); what a lock's word must hold.
#ifndef PI_H
#define PI_H

#include <linux/futex.h>

#include "sys.h"

#define PI_CALL_(op, word, timeout) NR_FUTEX, word, op, 0, timeout, NULL, 0

#define LOCK_PI(word)                 PI_CALL_(FUTEX_LOCK_PI_PRIVATE, word, NULL)
#define LOCK_PI_UNTIL(word, timeout)  PI_CALL_(FUTEX_LOCK_PI_PRIVATE, word, timeout)
#define LOCK_PI2(word)                PI_CALL_(FUTEX_LOCK_PI2_PRIVATE, word, NULL)
#define LOCK_PI2_UNTIL(word, timeout) PI_CALL_(FUTEX_LOCK_PI2_PRIVATE, word, timeout)
#define TRYLOCK_PI(word)              PI_CALL_(FUTEX_TRYLOCK_PI_PRIVATE, word, NULL)
#define UNLOCK_PI(word)               PI_CALL_(FUTEX_UNLOCK_PI_PRIVATE, word, NULL)

#define LOCK_PI_SHARED(word)    PI_CALL_(FUTEX_LOCK_PI, word, NULL)
#define TRYLOCK_PI_SHARED(word) PI_CALL_(FUTEX_TRYLOCK_PI, word, NULL)
#define UNLOCK_PI_SHARED(word)  PI_CALL_(FUTEX_UNLOCK_PI, word, NULL)

#define WAIT_REQUEUE_PI(word, value, lock) \
	NR_FUTEX, word, FUTEX_WAIT_REQUEUE_PI_PRIVATE, value, NULL, lock, 0
#define WAIT_REQUEUE_PI_UNTIL(word, value, timeout, lock) \
	NR_FUTEX, word, FUTEX_WAIT_REQUEUE_PI_PRIVATE, value, timeout, lock, 0
#define CMP_REQUEUE_PI(word, wake, requeue, lock, value) \
	NR_FUTEX, word, FUTEX_CMP_REQUEUE_PI_PRIVATE, wake, requeue, lock, value

#define GETTID() ((uint32_t)raw_syscall(__NR_gettid))

static inline uint32_t load(const uint32_t *word)
{
	return __atomic_load_n(word, __ATOMIC_SEQ_CST);
}

static inline void store(uint32_t *word, uint32_t value)
{
	__atomic_store_n(word, value, __ATOMIC_SEQ_CST);
}

// Compares a word of user space that the kernel writes; on failure prints both in hexadecimal.
#define WORD_(want, word, otherwise) do {						\
	uint32_t want_ = (want), seen_ = load(word);					\
	if (seen_ != want_) {								\
		TH_LOG("*%s = %#x, want %s = %#x", #word, seen_, #want, want_);		\
		_metadata->exit_code = KSFT_FAIL;					\
		otherwise;								\
	}										\
} while (0)
#define EXPECT_WORD(want, word) WORD_(want, word, )
#define ASSERT_WORD(want, word) WORD_(want, word, return)

static inline long pi_probe(void)
{
	uint32_t word = 0;

	return raw_syscall(TRYLOCK_PI(&word));
}

static inline long lock_pi2_probe(void)
{
	uint32_t word = 0;

	return raw_syscall(LOCK_PI2(&word));
}

// Fields of clauses whose calls a kernel without CONFIG_FUTEX_PI answers with ENOSYS.
#define NEEDS_PI      .config = "FUTEX_PI", .probe = pi_probe
#define NEEDS_LOCK_PI2 .since = KERNEL(5, 14), .config = "FUTEX_PI", .probe = lock_pi2_probe

#endif
