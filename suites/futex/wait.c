// SPDX-License-Identifier: GPL-2.0-only
// futex(2) FUTEX_WAIT: the comparison with the word, and what a sleeping waiter does and leaves alone.
#include "clause.h"
#include "guard.h"
#include "waiter.h"

static const struct __kernel_timespec at_once = { 0, 0 };
static const int wait_ops[] = { FUTEX_WAIT_PRIVATE, FUTEX_WAIT, FUTEX_WAIT_BITSET_PRIVATE, FUTEX_WAIT_BITSET };

CLAUSE(wait_returns_eagain_when_the_word_differs,
       "futex(2) ERRORS EAGAIN: a wait whose word is not the expected value returns at once [FUT-1]",
       .needed_by = "go:futexsleep glibc:lll_lock musl:__wait rust:futex_wait")
{
	uint32_t word = 1;

	FOR_EACH(i, wait_ops)
		EXPECT_ERR(EAGAIN, futex_call(&word, wait_ops[i], 0, NULL, NULL, FUTEX_BITSET_MATCH_ANY));
	EXPECT_ERR(EAGAIN, futex_wait(&word, 0, &at_once));
}

// A wait that sees the expected value and may not sleep answers ETIMEDOUT; any other answers EAGAIN.
CLAUSE(wait_compares_every_bit_of_the_word,
       "futex(2) Arguments: futexes are four-byte integers on all platforms, compared whole [FUT-1]",
       .needed_by = "go:futexsleep glibc:lll_lock glibc:pthread_cond_wait")
{
	static const uint32_t values[] = { 0, 1, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff, 0x00010000, 0xdeadbeef };

	FOR_EACH(v, values) {
		uint32_t word = values[v];

		EXPECT_ERR(ETIMEDOUT, futex_wait(&word, values[v], &at_once));
		for (int bit = 0; bit < 32; bit++)
			EXPECT_ERR(EAGAIN, futex_wait(&word, values[v] ^ 1U << bit, &at_once));
	}
}

CLAUSE(wait_compares_one_word_and_not_its_neighbours,
       "futex(2) Arguments: the futex word is the four bytes at uaddr",
       .needed_by = "go:futexsleep glibc:lll_lock")
{
	uint32_t words[4] = { 1, 2, 3, 4 };

	for (unsigned int i = 0; i < 4; i++)
		for (unsigned int value = 0; value < 6; value++)
			EXPECT_RET(value == words[i] ? -ETIMEDOUT : -EAGAIN, futex_wait(&words[i], value, &at_once));
}

CLAUSE(wait_sleeps_until_a_wake,
       "futex(2) FUTEX_WAIT: if the word is val the caller sleeps until a FUTEX_WAKE, and then returns 0 [FUT-2]",
       .needed_by = "go:futexsleep go:futexwakeup glibc:lll_lock")
{
	FOR_EACH(i, wait_ops) {
		uint32_t word = 0;
		struct waiter w;

		ASSERT_TRUE(sleeps_on(&w, &word, wait_ops[i]));
		EXPECT_RET(1, futex_call(&word, FUTEX_WAKE | (wait_ops[i] & FUTEX_PRIVATE_FLAG), 1, NULL, NULL, 0));
		EXPECT_RET(0, waiter_result(&w));
	}
}

CLAUSE(a_changed_word_without_a_wake_leaves_the_waiter_asleep,
       "futex(2) FUTEX_WAIT: a waiter sleeps waiting for a FUTEX_WAKE; the store to the word alone ends no wait",
       .needed_by = "go:futexsleep")
{
	volatile uint32_t word = 0;
	struct waiter w;

	ASSERT_TRUE(sleeps_on(&w, (uint32_t *)&word, FUTEX_WAIT_PRIVATE));
	word = 1;
	EXPECT_RET(1, futex_wake((uint32_t *)&word, 1));
	EXPECT_RET(0, waiter_result(&w));
}

CLAUSE(wait_and_wake_never_write_the_word,
       "futex(2) DESCRIPTION: the kernel never writes the word for FUTEX_WAIT and FUTEX_WAKE, whatever the outcome",
       .needed_by = "go:futex")
{
	uint32_t *word = guarded(sizeof(*word));
	struct __kernel_timespec soon = timespec_of(1000000);
	struct waiter w;

	EXPECT_ERR(EAGAIN, futex_wait(word, 0, NULL));
	EXPECT_UNTOUCHED(word, 0, sizeof(*word));
	EXPECT_ERR(ETIMEDOUT, futex_wait(word, *word, &soon));
	EXPECT_UNTOUCHED(word, 0, sizeof(*word));
	EXPECT_RET(0, futex_wake(word, 1));
	EXPECT_UNTOUCHED(word, 0, sizeof(*word));

	ASSERT_TRUE(sleeps_on(&w, word, FUTEX_WAIT_PRIVATE));
	EXPECT_UNTOUCHED(word, 0, sizeof(*word));
	EXPECT_RET(1, futex_wake(word, 1));
	EXPECT_RET(0, waiter_result(&w));
	EXPECT_UNTOUCHED(word, 0, sizeof(*word));
	EXPECT_INTACT(word);
}

CLAUSE(a_private_word_need_not_be_writable,
       "kernel/futex/waitwake.c futex_wait_setup, futex_wake (7.2): a private wait reads the word, a wake not even "
       "that",
       .needed_by = "rust:futex_wait")
{
	uint32_t *word = private_memory(page_size());
	struct waiter w;

	*word = 7;
	ASSERT_EQ(0, mprotect(word, page_size(), PROT_READ));
	EXPECT_ERR(EAGAIN, futex_wait(word, 8, NULL));
	ASSERT_TRUE(sleeps_on(&w, word, FUTEX_WAIT_PRIVATE));
	EXPECT_RET(1, futex_wake(word, 1));
	EXPECT_RET(0, waiter_result(&w));
}

CLAUSE(wait_ignores_uaddr2_and_val3,
       "futex(2) FUTEX_WAIT: the arguments uaddr2 and val3 are ignored; FUTEX_WAIT_BITSET: uaddr2 is",
       .needed_by = "go:futexsleep musl:__timedwait")
{
	uint32_t word = 0;

	EXPECT_ERR(ETIMEDOUT, futex_call(&word, FUTEX_WAIT_PRIVATE, 0, &at_once, forbidden_page(), 0));
	EXPECT_ERR(ETIMEDOUT, futex_call(&word, FUTEX_WAIT_PRIVATE, 0, &at_once, 1L, 0xffffffff));
	EXPECT_ERR(ETIMEDOUT, futex_call(&word, FUTEX_WAIT, 0, &at_once, -1L, 0));
	EXPECT_ERR(ETIMEDOUT, futex_call(&word, FUTEX_WAIT_BITSET_PRIVATE, 0, &at_once, -1L, 1));
	EXPECT_ERR(EAGAIN, futex_call(&word, FUTEX_WAIT_PRIVATE, 1, NULL, -1L, 0));
}

CLAUSE(the_last_word_of_a_page_can_be_waited_on,
       "futex(2) Arguments: the wait reads four bytes at uaddr and nothing behind them",
       .needed_by = "go:futexsleep")
{
	uint32_t *word = guarded(sizeof(*word));
	struct waiter w;

	FOR_EACH(i, wait_ops) {
		ASSERT_TRUE(sleeps_on(&w, word, wait_ops[i]));
		EXPECT_RET(1, futex_call(word, FUTEX_WAKE | (wait_ops[i] & FUTEX_PRIVATE_FLAG), 1, NULL, NULL, 0));
		EXPECT_RET(0, waiter_result(&w));
	}
}

// Whole pages of it hold nothing else, whatever the page size.
static char never_touched[12 * 65536];

CLAUSE(memory_never_touched_before_can_be_waited_on,
       "kernel/futex/waitwake.c futex_wait_setup (7.2): a word that is not in memory is faulted in, and reads as 0",
       .needed_by = "glibc:pthread_mutex_lock")
{
	char *fresh[] = {
		private_memory(10 * page_size()),
		shared_memory(10 * page_size()),
		never_touched + page_size(),
	};
	struct waiter w;

	FOR_EACH(m, fresh)
		FOR_EACH(i, wait_ops) {
			uint32_t *word = (void *)(fresh[m] + 2 * i * page_size());
			uint32_t *other = (void *)(fresh[m] + (2 * i + 1) * page_size());

			EXPECT_ERR(EAGAIN, futex_call(other, wait_ops[i], 1, NULL, NULL, FUTEX_BITSET_MATCH_ANY));
			w = (struct waiter){ .word = word, .op = wait_ops[i], .bitset = FUTEX_BITSET_MATCH_ANY };
			ASSERT_TRUE(waiter_sleeps(&w));
			EXPECT_RET(1, futex_call(word, FUTEX_WAKE | (wait_ops[i] & FUTEX_PRIVATE_FLAG), 1, NULL, NULL, 0));
			EXPECT_RET(0, waiter_result(&w));
		}
}

static bool context_switches(int tid, unsigned long *count)
{
	char path[64], text[4096], *line;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/status", getpid(), tid);
	if (read_text(path, text, sizeof(text)) <= 0 || !(line = strstr(text, "\nvoluntary_ctxt_switches:")))
		return false;
	*count = strtoul(strchr(line, ':') + 1, NULL, 10);
	return true;
}

// A waiter shows as asleep an instant before it has switched away; its count rests from then on.
CLAUSE(a_waiter_does_not_wake_up_now_and_then,
       "futex(2) FUTEX_WAIT: with no timeout the call blocks; a parked thread is not scheduled to look again "
       "[FUT-13]",
       .needed_by = "go:futexsleep")
{
	const struct __kernel_timespec pause = timespec_of(20000000);	// time is the subject
	unsigned long before, after;
	uint32_t word = 0;
	struct waiter w;

	ASSERT_TRUE(sleeps_on(&w, &word, FUTEX_WAIT_PRIVATE));
	if (!context_switches(w.tid, &before))
		SKIP(return, "no voluntary_ctxt_switches in /proc/<pid>/task/<tid>/status");
	EXPECT_ERR(ETIMEDOUT, futex_wait((uint32_t *)&(uint32_t){ 0 }, 0, &pause));
	ASSERT_TRUE(context_switches(w.tid, &after));
	EXPECT_LE(after - before, 2);
	EXPECT_RET(1, futex_wake(&word, 1));
	EXPECT_RET(0, waiter_result(&w));
}

// The clock of another thread's CPU time, as clock_gettime(2) takes it.
#define THREAD_CPU_CLOCK(tid) ((int)(~(unsigned int)(tid) << 3 | 6))

CLAUSE(a_waiter_uses_no_cpu_time,
       "futex(2) DESCRIPTION: a waiting thread is blocked in the kernel and does not spin [FUT-13]",
       .needed_by = "go:futexsleep jvm:Parker")
{
	const struct __kernel_timespec pause = timespec_of(20000000);	// time is the subject
	uint32_t word = 0, other = 0;
	long long before, used;
	struct waiter w;

	ASSERT_TRUE(sleeps_on(&w, &word, FUTEX_WAIT_PRIVATE));
	before = clock_ns(THREAD_CPU_CLOCK(w.tid));
	EXPECT_ERR(ETIMEDOUT, futex_wait(&other, 0, &pause));
	used = clock_ns(THREAD_CPU_CLOCK(w.tid)) - before;
	EXPECT_GE(used, 0);
	EXPECT_LT(used, 5000000);
	EXPECT_RET(1, futex_wake(&word, 1));
	EXPECT_RET(0, waiter_result(&w));
}

CLAUSE(only_the_calling_thread_waits,
       "futex(2) FUTEX_WAIT: the calling thread is the waiter; the others of its process go on",
       .needed_by = "go:futexsleep")
{
	uint32_t word = 0;
	struct waiter w;

	ASSERT_TRUE(sleeps_on(&w, &word, FUTEX_WAIT_PRIVATE));
	EXPECT_EQ('R', task_state(getpid()));
	EXPECT_ERR(ETIMEDOUT, futex_wait(&word, 0, &at_once));
	EXPECT_RET(1, futex_wake(&word, INT_MAX));
	EXPECT_RET(0, waiter_result(&w));
}

CLAUSE(a_thread_can_wait_again_and_again,
       "futex(2) FUTEX_WAIT: each call is a wait of its own; no wake is left over from an earlier one [FUT-2]",
       .needed_by = "go:futexsleep")
{
	uint32_t word = 0;
	struct waiter w;

	for (int i = 0; i < 20; i++) {
		EXPECT_ERR(ETIMEDOUT, futex_wait(&word, 0, &at_once));
		EXPECT_RET(0, futex_wake(&word, 1));
		ASSERT_TRUE(sleeps_on(&w, &word, FUTEX_WAIT_PRIVATE));
		EXPECT_RET(1, futex_wake(&word, 1));
		EXPECT_RET(0, waiter_result(&w));
		EXPECT_RET(0, futex_wake(&word, 1));
	}
}
