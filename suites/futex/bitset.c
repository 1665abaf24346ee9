// SPDX-License-Identifier: GPL-2.0-only
// futex(2) FUTEX_WAIT_BITSET and FUTEX_WAKE_BITSET: who is woken by which bits.
#include "clause.h"
#include "waiter.h"

static const struct __kernel_timespec at_once = { 0, 0 };
static const int private_or_not[] = { FUTEX_PRIVATE_FLAG, 0 };

static long wake_bits(uint32_t *word, int flag, int count, uint32_t bits)
{
	return futex_call(word, FUTEX_WAKE_BITSET | flag, count, NULL, NULL, bits);
}

// Starts a waiter with the given bits; true once it is asleep.
static bool sleeps_with(struct waiter *w, uint32_t *word, int flag, uint32_t bits)
{
	*w = waiter_on(word, FUTEX_WAIT_BITSET | flag);
	w->bitset = bits;
	return waiter_sleeps(w);
}

CLAUSE(a_bitset_of_0_is_refused,
       "futex(2) ERRORS EINVAL: FUTEX_WAIT_BITSET, FUTEX_WAKE_BITSET: the bit mask supplied in val3 is zero",
       .needed_by = "glibc:__futex_abstimed_wait64")
{
	uint32_t word = 0;
	struct waiter w;

	ASSERT_TRUE(sleeps_on(&w, &word, FUTEX_WAIT_PRIVATE));
	FOR_EACH(p, private_or_not) {
		EXPECT_ERR(EINVAL, futex_call(&word, FUTEX_WAIT_BITSET | private_or_not[p], 0, &at_once, NULL, 0));
		EXPECT_ERR(EINVAL, futex_call(&word, FUTEX_WAIT_BITSET | private_or_not[p], 0, NULL, NULL, 0));
		EXPECT_ERR(EINVAL, futex_call(&word, FUTEX_WAIT_BITSET | FUTEX_CLOCK_REALTIME | private_or_not[p], 0,
					      &at_once, NULL, 0));
		EXPECT_ERR(EINVAL, wake_bits(&word, private_or_not[p], 1, 0));
		EXPECT_ERR(EINVAL, wake_bits(&word, private_or_not[p], INT_MAX, 0));
	}
	EXPECT_TRUE(is_asleep(w.tid));
	EXPECT_RET(1, futex_wake(&word, INT_MAX));
	EXPECT_RET(0, waiter_result(&w));
}

CLAUSE(a_waiter_is_woken_by_a_bit_in_common,
       "futex(2) FUTEX_WAKE_BITSET: waiters whose bit mask AND the wake's is nonzero are woken, the others left "
       "sleeping",
       .needed_by = "glibc:pthread_rwlock")
{
	static const struct {
		uint32_t wait, wake;
		int woken;
	} rows[] = {
		{ 0x00000001, 0x00000001, 1 },
		{ 0x00000001, 0x00000002, 0 },
		{ 0x00000001, 0xfffffffe, 0 },
		{ 0x00000001, 0xffffffff, 1 },
		{ 0x80000000, 0x80000000, 1 },
		{ 0x80000000, 0x7fffffff, 0 },
		{ 0x80000000, 0xc0000000, 1 },
		{ 0x7fffffff, 0x80000000, 0 },
		{ 0xfffffffe, 0x00000001, 0 },
		{ 0xffffffff, 0x00010000, 1 },
		{ 0x00010000, 0x00008000, 0 },
		{ 0x00010000, 0x0000ffff, 0 },
		{ 0x0000ffff, 0xffff0000, 0 },
		{ 0x55555555, 0xaaaaaaaa, 0 },
		{ 0x55555555, 0xaaaaaaab, 1 },
		{ 0x00000048, 0x00000008, 1 },
	};
	uint32_t word = 0;

	FOR_EACH(p, private_or_not)
		FOR_EACH(i, rows) {
			struct waiter w;
			long woken;

			ASSERT_TRUE(sleeps_with(&w, &word, private_or_not[p], rows[i].wait));
			woken = wake_bits(&word, private_or_not[p], INT_MAX, rows[i].wake);
			EXPECT_EQ(rows[i].woken, woken) {
				TH_LOG("wait %#x, wake %#x", rows[i].wait, rows[i].wake);
			}
			EXPECT_EQ(!rows[i].woken, is_asleep(w.tid));
			EXPECT_RET(!rows[i].woken, wake_bits(&word, private_or_not[p], INT_MAX, ~0U));
			EXPECT_RET(0, waiter_result(&w));
		}
}

CLAUSE(every_single_bit_selects,
       "futex(2) FUTEX_WAKE_BITSET: the bit mask has 32 bits, each of which can tell waiters apart",
       .needed_by = "glibc:pthread_rwlock")
{
	struct waiter w[32];
	uint32_t word = 0;

	for (int bit = 0; bit < 32; bit++)
		ASSERT_TRUE(sleeps_with(&w[bit], &word, FUTEX_PRIVATE_FLAG, 1U << bit));
	for (int i = 0; i < 32; i++) {
		int bit = (i * 13 + 31) % 32;

		EXPECT_RET(1, futex_wake_bitset(&word, INT_MAX, 1U << bit));
		EXPECT_RET(0, waiter_result(&w[bit]));
		EXPECT_EQ(i + 1, count_returned(w, 32));
		EXPECT_RET(0, futex_wake_bitset(&word, INT_MAX, 1U << bit));
	}
}

CLAUSE(match_any_is_plain_wait_and_wake,
       "futex(2) FUTEX_WAKE_BITSET: FUTEX_WAIT and FUTEX_WAKE are FUTEX_WAIT_BITSET and FUTEX_WAKE_BITSET with "
       "FUTEX_BITSET_MATCH_ANY",
       .needed_by = "rust:futex_wait glibc:pthread_cond_signal")
{
	static const struct {
		int wait;
		uint32_t wait_bits;
		int wake;
		uint32_t wake_bits;
	} rows[] = {
		{ FUTEX_WAIT,        0,          FUTEX_WAKE_BITSET, 0x00000001 },
		{ FUTEX_WAIT,        0x00000001, FUTEX_WAKE_BITSET, 0x80000000 },
		{ FUTEX_WAIT_BITSET, 0x00000001, FUTEX_WAKE,        0 },
		{ FUTEX_WAIT_BITSET, 0x80000000, FUTEX_WAKE,        0x00000001 },
		{ FUTEX_WAIT_BITSET, 0x00400000, FUTEX_WAKE_BITSET, FUTEX_BITSET_MATCH_ANY },
		{ FUTEX_WAIT_BITSET, 0xffffffff, FUTEX_WAKE_BITSET, 0x00400000 },
	};
	uint32_t word = 0;

	FOR_EACH(p, private_or_not)
		FOR_EACH(i, rows) {
			struct waiter w = waiter_on(&word, rows[i].wait | private_or_not[p]);

			w.bitset = rows[i].wait_bits;
			ASSERT_TRUE(waiter_sleeps(&w));
			EXPECT_RET(1, futex_call(&word, rows[i].wake | private_or_not[p], 1, NULL, NULL, rows[i].wake_bits));
			EXPECT_RET(0, waiter_result(&w));
		}
}

CLAUSE(waiters_without_a_bit_in_common_are_passed_over,
       "futex(2) FUTEX_WAKE_BITSET: at most val of the waiters that the bits select are woken; the others are "
       "neither woken nor counted, and do not stand in the way",
       .needed_by = "glibc:pthread_rwlock")
{
	static const uint32_t bits[] = { 2, 1, 2, 3, 1, 2, 1 };	// of the waiters, in the order in which they came
	uint32_t word = 0;

	FOR_EACH(p, private_or_not) {
		struct waiter w[ARRAY_SIZE(bits)];

		FOR_EACH(i, bits)
			ASSERT_TRUE(sleeps_with(&w[i], &word, private_or_not[p], bits[i]));
		EXPECT_RET(2, wake_bits(&word, private_or_not[p], 2, 1));
		EXPECT_TRUE(wait_until(count_returned(w, ARRAY_SIZE(bits)) >= 2));
		EXPECT_TRUE(is_asleep(w[0].tid) && is_asleep(w[2].tid) && is_asleep(w[5].tid));
		EXPECT_RET(2, wake_bits(&word, private_or_not[p], INT_MAX, 1));
		EXPECT_RET(0, waiter_result(&w[1]));
		EXPECT_RET(0, waiter_result(&w[3]));
		EXPECT_RET(0, waiter_result(&w[4]));
		EXPECT_RET(0, waiter_result(&w[6]));
		EXPECT_EQ(4, count_returned(w, ARRAY_SIZE(bits)));
		EXPECT_TRUE(is_asleep(w[0].tid) && is_asleep(w[2].tid) && is_asleep(w[5].tid));
		EXPECT_RET(1, wake_bits(&word, private_or_not[p], 1, 2));
		EXPECT_RET(2, futex_call(&word, FUTEX_WAKE | private_or_not[p], INT_MAX, NULL, NULL, 0));
		EXPECT_TRUE(all_returned(w, ARRAY_SIZE(bits), 0));
	}
}

CLAUSE(a_requeued_waiter_keeps_its_bitset,
       "kernel/futex/requeue.c requeue_futex (7.2): a requeue changes the word a waiter waits on, and nothing else",
       .needed_by = "glibc:pthread_cond_broadcast")
{
	uint32_t word = 0, word2 = 0;
	struct waiter w[2];

	ASSERT_TRUE(sleeps_with(&w[0], &word, FUTEX_PRIVATE_FLAG, 0x10));
	ASSERT_TRUE(sleeps_with(&w[1], &word, FUTEX_PRIVATE_FLAG, 0x20));
	EXPECT_RET(2, futex_requeue(&word, 0, INT_MAX, &word2));
	EXPECT_RET(0, futex_wake_bitset(&word2, INT_MAX, ~0x30U));
	EXPECT_RET(1, futex_wake_bitset(&word2, INT_MAX, 0x20));
	EXPECT_RET(0, waiter_result(&w[1]));
	EXPECT_TRUE(is_asleep(w[0].tid));
	EXPECT_RET(1, futex_wake_bitset(&word2, INT_MAX, 0x10));
	EXPECT_RET(0, waiter_result(&w[0]));
}
