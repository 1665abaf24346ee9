// SPDX-License-Identifier: GPL-2.0-only
// futex(2) FUTEX_WAKE_OP: the operations, the comparisons, their 12-bit arguments, and who is woken.
#include "clause.h"
#include "guard.h"
#include "waiter.h"

#define SHIFT FUTEX_OP_OPARG_SHIFT

// With a comparison about which a clause does not care.
#define CHANGE(op, arg) FUTEX_OP((op), (arg), FUTEX_OP_CMP_EQ, 0x111)

static const int private_or_not[] = { FUTEX_PRIVATE_FLAG, 0 };

static long wake_op(int flag, uint32_t *word, int wake, int wake2, uint32_t *word2, uint32_t operation)
{
	return futex_call(word, FUTEX_WAKE_OP | flag, wake, wake2, word2, operation);
}

struct row {
	int op, arg;
	uint32_t old, new;
};

// Nobody waits: only the word changes, and nothing around it.
static void check_rows(struct __test_metadata *_metadata, const struct row *rows, int n)
{
	for (int i = 0; i < 2 * n; i++) {
		const struct row *r = &rows[i / 2];
		uint32_t word = 0xa5a5a5a5, words[3] = { 0x5a5a5a5a, r->old, 0x5a5a5a5a };

		EXPECT_RET(0, wake_op(private_or_not[i & 1], &word, 1, 1, &words[1], CHANGE(r->op, r->arg)));
		EXPECT_EQ(r->new, words[1]) {
			TH_LOG("op %d, oparg %d on %#x", r->op, r->arg, r->old);
		}
		EXPECT_TRUE(word == 0xa5a5a5a5 && words[0] == 0x5a5a5a5a && words[2] == 0x5a5a5a5a);
	}
}

CLAUSE(wake_op_sets_adds_ors_clears_and_toggles,
       "futex(2) FUTEX_WAKE_OP: op is SET, ADD, OR, ANDN or XOR of oparg to the word at uaddr2",
       .needed_by = "glibc:pthread_cond_signal")
{
	static const struct row rows[] = {
		{ FUTEX_OP_SET,  0,     0xffffffff, 0 },
		{ FUTEX_OP_SET,  5,     0,          5 },
		{ FUTEX_OP_SET,  5,     0xffffffff, 5 },
		{ FUTEX_OP_SET,  0x7ff, 0x80000000, 0x7ff },
		{ FUTEX_OP_ADD,  0,     7,          7 },
		{ FUTEX_OP_ADD,  1,     7,          8 },
		{ FUTEX_OP_ADD,  1,     0xffffffff, 0 },
		{ FUTEX_OP_ADD,  1,     0x7fffffff, 0x80000000 },
		{ FUTEX_OP_ADD,  0x7ff, 0xfffff900, 0x000000ff },
		{ FUTEX_OP_OR,   0x0f0, 0x80000101, 0x800001f1 },
		{ FUTEX_OP_OR,   0x1ff, 0x80000101, 0x800001ff },
		{ FUTEX_OP_OR,   0,     0x80000101, 0x80000101 },
		{ FUTEX_OP_ANDN, 0x0ff, 0xffffffff, 0xffffff00 },
		{ FUTEX_OP_ANDN, 0x101, 0x80000303, 0x80000202 },
		{ FUTEX_OP_ANDN, 0x7ff, 0x12345555, 0x12345000 },
		{ FUTEX_OP_ANDN, 0x0f0, 0x0000030f, 0x0000030f },
		{ FUTEX_OP_ANDN, 0,     0xdeadbeef, 0xdeadbeef },
		{ FUTEX_OP_XOR,  0x0ff, 0xff00ff0f, 0xff00fff0 },
		{ FUTEX_OP_XOR,  0,     0xdeadbeef, 0xdeadbeef },
	};

	check_rows(_metadata, rows, ARRAY_SIZE(rows));
}

CLAUSE(the_operand_is_sign_extended,
       "kernel/futex/waitwake.c futex_atomic_op_inuser (7.2): oparg is a 12-bit number, extended with its sign to 32 "
       "bits",
       .commit = "d70ef22892ed futex: futex_wake_op, fix sign_extend32 sign bits",
       .needed_by = "glibc:lll_cond_trylock")
{
	static const struct row rows[] = {
		{ FUTEX_OP_SET,  -1,     0,          0xffffffff },
		{ FUTEX_OP_SET,  -2048,  0,          0xfffff800 },
		{ FUTEX_OP_SET,  0x800,  0,          0xfffff800 },
		{ FUTEX_OP_SET,  0xfff,  0,          0xffffffff },
		{ FUTEX_OP_SET,  2047,   0,          0x000007ff },
		{ FUTEX_OP_ADD,  -1,     0,          0xffffffff },
		{ FUTEX_OP_ADD,  -1,     1,          0 },
		{ FUTEX_OP_ADD,  -2048,  0x1000,     0x800 },
		{ FUTEX_OP_OR,   -16,    0x00000003, 0xfffffff3 },
		{ FUTEX_OP_ANDN, -1,     0xdeadbeef, 0 },
		{ FUTEX_OP_ANDN, -256,   0xdeadbeef, 0x000000ef },
		{ FUTEX_OP_XOR,  -1,     0xdeadbeef, 0x21524110 },
		{ FUTEX_OP_XOR,  -2048,  0x00000800, 0xfffff000 },
	};

	check_rows(_metadata, rows, ARRAY_SIZE(rows));
}

CLAUSE(a_shifted_operand_is_a_power_of_two,
       "futex(2) FUTEX_WAKE_OP: with FUTEX_OP_ARG_SHIFT in op, 1 << oparg is the operand",
       .needed_by = "glibc:lll_cond_trylock")
{
	struct row rows[5];

	for (int n = 0; n < 32; n++) {
		rows[0] = (struct row){ FUTEX_OP_SET | SHIFT,  n, 0xdeadbeef, 1U << n };
		rows[1] = (struct row){ FUTEX_OP_ADD | SHIFT,  n, 0xdeadbeef, 0xdeadbeef + (1U << n) };
		rows[2] = (struct row){ FUTEX_OP_OR | SHIFT,   n, 0x21524110, 0x21524110 | 1U << n };
		rows[3] = (struct row){ FUTEX_OP_ANDN | SHIFT, n, 0xdeadbeef, 0xdeadbeef & ~(1U << n) };
		rows[4] = (struct row){ FUTEX_OP_XOR | SHIFT,  n, 0xdeadbeef, 0xdeadbeef ^ 1U << n };
		check_rows(_metadata, rows, 5);
	}
}

CLAUSE(a_shift_out_of_range_is_masked,
       "kernel/futex/waitwake.c futex_atomic_op_inuser (7.2): a shift below 0 or above 31 is taken modulo 32 and "
       "logged, not refused",
       .commit = "e78c38f6bdd9 futex: futex_wake_op, do not fail on invalid op")
{
	static const struct row rows[] = {
		{ FUTEX_OP_SET | SHIFT,  32,    0,          0x00000001 },
		{ FUTEX_OP_SET | SHIFT,  33,    0,          0x00000002 },
		{ FUTEX_OP_SET | SHIFT,  63,    0,          0x80000000 },
		{ FUTEX_OP_SET | SHIFT,  2047,  0,          0x80000000 },
		{ FUTEX_OP_SET | SHIFT,  -1,    0,          0x80000000 },
		{ FUTEX_OP_SET | SHIFT,  -31,   0,          0x00000002 },
		{ FUTEX_OP_SET | SHIFT,  -32,   0,          0x00000001 },
		{ FUTEX_OP_OR | SHIFT,   -2048, 0x00000100, 0x00000101 },
		{ FUTEX_OP_ANDN | SHIFT, 40,    0xffffffff, 0xfffffeff },
		{ FUTEX_OP_XOR | SHIFT,  -1,    0xffffffff, 0x7fffffff },
		{ FUTEX_OP_ADD | SHIFT,  36,    1,          17 },
	};

	check_rows(_metadata, rows, ARRAY_SIZE(rows));
}

static const struct comparison {
	const char *name;
	int cmp;
} comparisons[] = {
	{ "EQ", FUTEX_OP_CMP_EQ },
	{ "NE", FUTEX_OP_CMP_NE },
	{ "LT", FUTEX_OP_CMP_LT },
	{ "LE", FUTEX_OP_CMP_LE },
	{ "GT", FUTEX_OP_CMP_GT },
	{ "GE", FUTEX_OP_CMP_GE },
};

// Compares old with arg in each way: a waiter of word2 is woken where the comparison's name is in holds, always three.
static void check_comparisons(struct __test_metadata *_metadata, int flag, uint32_t old, int arg, const char *holds)
{
	uint32_t word = 0, word2 = 0;
	struct waiter w[3];

	ASSERT_TRUE(all_sleep_on(w, 3, &word2, FUTEX_WAIT | flag));
	FOR_EACH(c, comparisons) {
		bool woken = strstr(holds, comparisons[c].name);
		long result;

		word2 = old;
		result = wake_op(flag, &word, 1, 1, &word2, FUTEX_OP(FUTEX_OP_XOR, 0x7ff, comparisons[c].cmp, arg));
		EXPECT_EQ(woken, result) {
			TH_LOG("%#x %s %d", old, comparisons[c].name, arg);
		}
		EXPECT_EQ(old ^ 0x7ff, word2);
	}
	EXPECT_RET(0, futex_call(&word2, FUTEX_WAKE | flag, INT_MAX, NULL, NULL, 0));
	EXPECT_TRUE(all_returned(w, 3, 0));
}

CLAUSE(the_old_value_decides_about_the_second_word,
       "futex(2) FUTEX_WAKE_OP: the waiters of uaddr2 are woken if oldval cmp cmparg; the six comparisons are "
       "signed, and of the value before the operation [GLC-6]",
       .needed_by = "glibc:pthread_cond_signal")
{
	static const struct {
		uint32_t old;
		int arg;
		const char *holds;
	} rows[] = {
		{ 0,          0,     "EQ LE GE" },
		{ 1,          2,     "NE LT LE" },
		{ 2,          1,     "NE GT GE" },
		{ 2047,       2047,  "EQ LE GE" },
		{ 2048,       2047,  "NE GT GE" },
		{ 0x7fffffff, 0,     "NE GT GE" },
		{ 0x80000000, 0,     "NE LT LE" },
		{ 0x80000001, 1,     "NE LT LE" },
		{ 0xffffffff, 1,     "NE LT LE" },
		{ 0x00010001, 1,     "NE GT GE" },
	};

	FOR_EACH(i, rows)
		check_comparisons(_metadata, private_or_not[i & 1], rows[i].old, rows[i].arg, rows[i].holds);
}

CLAUSE(the_comparand_is_sign_extended,
       "kernel/futex/waitwake.c futex_atomic_op_inuser (7.2): cmparg is a 12-bit number, extended with its sign to "
       "32 bits",
       .commit = "d70ef22892ed futex: futex_wake_op, fix sign_extend32 sign bits",
       .needed_by = "glibc:pthread_cond_signal")
{
	static const struct {
		uint32_t old;
		int arg;
		const char *holds;
	} rows[] = {
		{ 0xffffffff, -1,    "EQ LE GE" },
		{ 0x00000fff, -1,    "NE GT GE" },
		{ 0x000007ff, -1,    "NE GT GE" },
		{ 0,          -1,    "NE GT GE" },
		{ 0xfffffffe, -1,    "NE LT LE" },
		{ 0xfffff800, -2048, "EQ LE GE" },
		{ 0x00000800, -2048, "NE GT GE" },
		{ 0xfffff7ff, -2048, "NE LT LE" },
		{ 0x7fffffff, -1,    "NE GT GE" },
		{ 0x80000000, -2048, "NE LT LE" },
	};

	FOR_EACH(i, rows)
		check_comparisons(_metadata, private_or_not[i & 1], rows[i].old, rows[i].arg, rows[i].holds);
}

CLAUSE(wake_op_wakes_both_words_by_their_counts,
       "futex(2) FUTEX_WAKE_OP: wakes up to val waiters of uaddr, and up to val2 of uaddr2 if the comparison holds; "
       "returns the sum",
       .needed_by = "glibc:pthread_cond_signal")
{
	static const struct {
		int waiters, waiters2, wake, wake2;
		bool holds;
		int woken, woken2;
	} rows[] = {
		{ 0, 0, 1,       1,       true,  0, 0 },
		{ 2, 2, 1,       1,       true,  1, 1 },
		{ 2, 2, 1,       1,       false, 1, 0 },
		{ 2, 2, INT_MAX, 1,       true,  2, 1 },
		{ 2, 2, 1,       INT_MAX, true,  1, 2 },
		{ 3, 3, 2,       INT_MAX, false, 2, 0 },
		{ 3, 3, INT_MAX, INT_MAX, true,  3, 3 },
		{ 0, 3, 5,       2,       true,  0, 2 },
		{ 3, 0, 2,       5,       true,  2, 0 },
		{ 4, 4, 3,       2,       true,  3, 2 },
	};

	FOR_EACH(p, private_or_not)
		FOR_EACH(i, rows) {
			int flag = private_or_not[p], cmp = rows[i].holds ? FUTEX_OP_CMP_EQ : FUTEX_OP_CMP_NE;
			uint32_t word = 0, word2 = 9;
			struct waiter w[4], w2[4];

			ASSERT_TRUE(all_sleep_on(w, rows[i].waiters, &word, FUTEX_WAIT | flag));
			ASSERT_TRUE(all_sleep_on(w2, rows[i].waiters2, &word2, FUTEX_WAIT | flag));
			EXPECT_RET(rows[i].woken + rows[i].woken2, wake_op(flag, &word, rows[i].wake, rows[i].wake2, &word2,
									   FUTEX_OP(FUTEX_OP_ADD, 1, cmp, 9)));
			EXPECT_EQ(10, word2);
			EXPECT_TRUE(wait_until(count_returned(w, rows[i].waiters) >= rows[i].woken &&
					       count_returned(w2, rows[i].waiters2) >= rows[i].woken2));
			EXPECT_RET(rows[i].waiters - rows[i].woken, futex_call(&word, FUTEX_WAKE | flag, INT_MAX, NULL, NULL, 0));
			EXPECT_RET(rows[i].waiters2 - rows[i].woken2,
				   futex_call(&word2, FUTEX_WAKE | flag, INT_MAX, NULL, NULL, 0));
			EXPECT_TRUE(all_returned(w, rows[i].waiters, 0));
			EXPECT_TRUE(all_returned(w2, rows[i].waiters2, 0));
		}
}

CLAUSE(wake_op_with_counts_of_0_wakes_one_of_each,
       "kernel/futex/waitwake.c futex_wake_op (7.2): as with FUTEX_WAKE, a count of 0 or less still wakes one "
       "[FUT-15]")
{
	static const int counts[] = { 0, -1, INT_MIN };
	struct waiter w[4], w2[4];
	uint32_t word = 0, word2 = 0;

	ASSERT_TRUE(all_sleep_on(w, 3, &word, FUTEX_WAIT_PRIVATE));
	ASSERT_TRUE(all_sleep_on(w2, 3, &word2, FUTEX_WAIT_PRIVATE));
	FOR_EACH(i, counts)
		EXPECT_RET(2, futex_wake_op(&word, counts[i], counts[i], &word2,
					    FUTEX_OP(FUTEX_OP_ADD, 0, FUTEX_OP_CMP_EQ, 0)));
	EXPECT_TRUE(all_returned(w, 3, 0));
	EXPECT_TRUE(all_returned(w2, 3, 0));
}

CLAUSE(wake_op_on_one_word_wakes_twice,
       "futex(2) FUTEX_WAKE_OP: equivalent to a wake of uaddr and, if the comparison holds, one of uaddr2: the two "
       "may be the same word")
{
	FOR_EACH(p, private_or_not) {
		uint32_t word = 0;
		struct waiter w[4];

		ASSERT_TRUE(all_sleep_on(w, 4, &word, FUTEX_WAIT | private_or_not[p]));
		EXPECT_RET(2, wake_op(private_or_not[p], &word, 1, 1, &word, FUTEX_OP(FUTEX_OP_ADD, 1, FUTEX_OP_CMP_EQ, 0)));
		EXPECT_RET(1, wake_op(private_or_not[p], &word, 1, 1, &word, FUTEX_OP(FUTEX_OP_ADD, 1, FUTEX_OP_CMP_EQ, 0)));
		EXPECT_EQ(2, word);
		EXPECT_RET(1, wake_op(private_or_not[p], &word, 9, 9, &word, FUTEX_OP(FUTEX_OP_SET, 0, FUTEX_OP_CMP_GT, 0)));
		EXPECT_TRUE(all_returned(w, 4, 0));
		EXPECT_EQ(0, word);
	}
}

CLAUSE(an_unknown_operation_is_not_done,
       "kernel/futex/waitwake.c futex_atomic_op_inuser (7.2): an op or a comparison that does not exist is ENOSYS "
       "and wakes nobody; an unknown op leaves the word alone")
{
	uint32_t word = 0, word2 = 1;
	struct waiter w, w2;

	ASSERT_TRUE(sleeps_on(&w, &word, FUTEX_WAIT_PRIVATE));
	ASSERT_TRUE(sleeps_on(&w2, &word2, FUTEX_WAIT_PRIVATE));
	for (int op = 5; op < 8; op++) {
		EXPECT_ERR(ENOSYS, futex_wake_op(&word, 1, 1, &word2, FUTEX_OP(op, 1, FUTEX_OP_CMP_EQ, 1)));
		EXPECT_ERR(ENOSYS, futex_wake_op(&word, 1, 1, &word2, FUTEX_OP((op | SHIFT), 1, FUTEX_OP_CMP_EQ, 1)));
		EXPECT_EQ(1, word2);
	}
	for (int cmp = 6; cmp < 16; cmp++)
		EXPECT_ERR(ENOSYS, futex_wake_op(&word, 1, 1, &word2, FUTEX_OP(FUTEX_OP_ADD, 0, cmp, 1)));
	EXPECT_TRUE(is_asleep(w.tid) && is_asleep(w2.tid));
	EXPECT_RET(1, futex_wake(&word, 1));
	EXPECT_RET(1, futex_wake(&word2, 1));
	EXPECT_TRUE(waiter_result(&w) == 0 && waiter_result(&w2) == 0);
}

CLAUSE(the_word_is_faulted_in_for_writing,
       "kernel/futex/core.c fault_in_user_writeable (7.2): a word2 that is not in memory, or shared copy-on-write "
       "with a child, is made writable first; the child's copy keeps its value")
{
	uint32_t *untouched = private_memory(2 * page_size()), *copied = private_memory(page_size());
	volatile int *done = shared_memory(sizeof(*done));
	uint32_t word = 0;
	int status;
	pid_t child;

	*copied = 7;
	child = fork();
	if (child == 0) {
		wait_until(*done);
		_exit(*copied);
	}
	FOR_EACH(p, private_or_not) {
		uint32_t *fresh = untouched + p * page_size() / sizeof(*untouched);

		EXPECT_RET(0, wake_op(private_or_not[p], &word, 1, 1, fresh, CHANGE(FUTEX_OP_ADD, 3)));
		EXPECT_EQ(3, *fresh);
		EXPECT_RET(0, wake_op(private_or_not[p], &word, 1, 1, copied, CHANGE(FUTEX_OP_ADD, 1)));
	}
	EXPECT_EQ(9, *copied);
	*done = 1;
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 7);
}

struct hammer {
	struct thread thread;
	uint32_t word;			// the upper half counts the hammer's blows, the lower is the kernel's
	uint32_t blows;
	volatile int began, over;
};

static int hammer_main(void *arg)
{
	struct hammer *h = arg;

	for (h->began = 1; !h->over; h->blows++)
		__atomic_add_fetch(&h->word, 0x10000, __ATOMIC_RELAXED);
	return 0;
}

CLAUSE(wake_op_is_atomic,
       "futex(2) FUTEX_WAKE_OP: an atomic read-modify-write of the word at uaddr2: no instruction of another thread "
       "falls between its load and its store",
       .needed_by = "glibc:pthread_cond_signal")
{
	static const int ops[] = { FUTEX_OP_ADD, FUTEX_OP_OR, FUTEX_OP_ANDN, FUTEX_OP_XOR };
	uint32_t nobody = 0;

	for (unsigned int i = 0; i < 2 * ARRAY_SIZE(ops); i++) {
		long long until;
		uint32_t n = 0, together = 0, seen = 0, after;
		struct hammer h = { 0 };

		ASSERT_OK(thread_start(&h.thread, hammer_main, &h));
		ASSERT_TRUE(wait_until(h.began));
		until = monotonic_ns() + 5000000LL * slowness();
		// Calls count for something only while the hammer runs beside them.
		for (; together < 1000 && n < 60000 && (n % 64 || !n || monotonic_ns() < until); n++) {
			uint32_t now = __atomic_load_n(&h.word, __ATOMIC_RELAXED) >> 16;

			together += now != seen;
			seen = now;
			EXPECT_RET(0, wake_op(private_or_not[i & 1], &nobody, 1, 1, &h.word, CHANGE(ops[i / 2], 1)));
		}
		h.over = 1;
		ASSERT_TRUE(thread_join(&h.thread));
		after = ops[i / 2] == FUTEX_OP_ADD ? n : ops[i / 2] == FUTEX_OP_OR ? n > 0 : ops[i / 2] == FUTEX_OP_XOR ? n & 1 : 0;
		EXPECT_EQ((h.blows << 16) + after, h.word) {
			TH_LOG("op %d, %u times against %u atomic additions", ops[i / 2], n, h.blows);
		}
	}
}
