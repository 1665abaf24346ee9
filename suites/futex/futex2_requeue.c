// SPDX-License-Identifier: GPL-2.0-only
// futex_requeue(2) of Linux 6.7: who is woken and who is moved from one word to another, and what it refuses.
#include "clause.h"
#include "actor.h"
#include "futex.h"
#include "futex2.h"
#include "guard.h"

static const unsigned int both[] = { PRIVATE_U32, SHARED_U32 };

// Two words, and threads that wait on the first.
struct scene {
	uint32_t from, to;
	struct futex_waitv pair[2];
	struct actor *a[5];
};

static void begin(struct __test_metadata *_metadata, struct scene *s, int waiters, unsigned int flags)
{
	s->from = s->to = 0;
	s->pair[0] = entry_of(&s->from, 0, flags);
	s->pair[1] = entry_of(&s->to, 0, flags);
	for (int i = 0; i < waiters; i++) {
		s->a[i] = actor_thread();
		ask(s->a[i], FUTEX2_WAIT(&s->from, 0, ANY, flags));
		ASSERT_TRUE(blocks(s->a[i]));
	}
}

// So many wait on the first word and on the second, and no more.
#define EXPECT_WAITING(on_from, on_to, flags) do {						\
	EXPECT_RET(on_from, raw_syscall(FUTEX2_WAKE(&s.from, ANY, INT_MAX, flags)));		\
	EXPECT_RET(on_to, raw_syscall(FUTEX2_WAKE(&s.to, ANY, INT_MAX, flags)));		\
} while (0)

CLAUSE(waits_are_woken_and_moved_up_to_the_numbers_given,
       "kernel/futex/syscalls.c sys_futex_requeue: like FUTEX_CMP_REQUEUE: wakes up to nr_wake, moves up to "
       "nr_requeue of the rest, returns their sum; the others stay",
       NEEDS_FUTEX2)
{
	static const struct { int wake, move, woken, moved; } cases[] = {
		{ 0, 0, 0, 0 }, { 1, 0, 1, 0 }, { 0, 1, 0, 1 }, { 1, 1, 1, 1 }, { 2, 2, 2, 2 }, { 3, 9, 3, 2 },
		{ 0, INT_MAX, 0, 5 }, { INT_MAX, 0, 5, 0 }, { INT_MAX, INT_MAX, 5, 0 }, { 5, 5, 5, 0 },
	};

	FOR_EACH(i, cases) {
		int woken = cases[i].woken, moved = cases[i].moved;
		unsigned int flags = both[i % 2];
		struct scene s;

		begin(_metadata, &s, 5, flags);
		EXPECT_RET(woken + moved, raw_syscall(FUTEX2_REQUEUE(s.pair, cases[i].wake, cases[i].move)));
		for (int j = 0; j < woken; j++)
			EXPECT_RET(0, answer(s.a[j]));
		for (int j = woken; j < 5; j++)
			EXPECT_TRUE(blocks(s.a[j]));
		EXPECT_WAITING(5 - woken - moved, moved, flags);
		for (int j = woken; j < 5; j++)
			EXPECT_RET(0, answer(s.a[j]));
	}
}

CLAUSE(moved_waits_keep_their_order_and_their_masks,
       "kernel/futex/requeue.c requeue_futex: those who were moved are woken in the order they came, and by their "
       "masks",
       NEEDS_FUTEX2)
{
	struct scene s;

	begin(_metadata, &s, 3, PRIVATE_U32);
	s.a[3] = actor_thread();
	ask(s.a[3], FUTEX2_WAIT(&s.from, 0, 0x8, PRIVATE_U32));
	ASSERT_TRUE(blocks(s.a[3]));
	EXPECT_RET(4, raw_syscall(FUTEX2_REQUEUE(s.pair, 0, 9)));
	for (int i = 0; i < 3; i++) {
		EXPECT_RET(1, raw_syscall(FUTEX2_WAKE(&s.to, 0x4, 1, PRIVATE_U32)));
		EXPECT_RET(0, answer(s.a[i]));
	}
	EXPECT_RET(0, raw_syscall(FUTEX2_WAKE(&s.to, 0x4, 1, PRIVATE_U32)));
	EXPECT_RET(1, raw_syscall(FUTEX2_WAKE(&s.to, 0xc, 1, PRIVATE_U32)));
	EXPECT_RET(0, answer(s.a[3]));
}

CLAUSE(a_first_word_that_differs_moves_nobody,
       "futex(2) ERRORS EAGAIN: the first word is not equal to its val: nobody is woken or moved; the val of the "
       "second is not compared",
       NEEDS_FUTEX2)
{
	struct scene s;

	begin(_metadata, &s, 2, PRIVATE_U32);
	s.pair[0].val = 1;
	EXPECT_ERR(EAGAIN, raw_syscall(FUTEX2_REQUEUE(s.pair, 1, 9)));
	EXPECT_TRUE(blocks(s.a[0]));
	s.pair[0].val = 0;
	s.pair[1].val = 1;
	EXPECT_RET(2, raw_syscall(FUTEX2_REQUEUE(s.pair, 1, 9)));
	EXPECT_RET(0, answer(s.a[0]));
	EXPECT_WAITING(0, 1, PRIVATE_U32);
	EXPECT_RET(0, answer(s.a[1]));
}

CLAUSE(numbers_and_flags_that_mean_nothing_are_refused,
       "kernel/futex/syscalls.c sys_futex_requeue: flags other than 0, a negative nr_wake or nr_requeue, no array: "
       "EINVAL; an array that cannot be read: EFAULT",
       NEEDS_FUTEX2)
{
	struct futex_waitv *pair = guarded(2 * sizeof(*pair));
	struct scene s;

	begin(_metadata, &s, 1, PRIVATE_U32);
	for (int bit = 0; bit < 32; bit++)
		EXPECT_ERR(EINVAL, raw_syscall(__NR_futex_requeue, s.pair, 1u << bit, 1, 1));
	EXPECT_ERR(EINVAL, raw_syscall(FUTEX2_REQUEUE(s.pair, -1, 1)));
	EXPECT_ERR(EINVAL, raw_syscall(FUTEX2_REQUEUE(s.pair, 1, -1)));
	EXPECT_ERR(EINVAL, raw_syscall(FUTEX2_REQUEUE(s.pair, INT_MIN, INT_MIN)));
	EXPECT_ERR(EINVAL, raw_syscall(FUTEX2_REQUEUE(NULL, 1, 1)));
	EXPECT_ERR(EFAULT, raw_syscall(FUTEX2_REQUEUE(forbidden_page(), 1, 1)));
	pair[0] = s.pair[0];
	pair[1] = s.pair[1];
	EXPECT_ERR(EFAULT, raw_syscall(FUTEX2_REQUEUE(&pair[1], 1, 1)));
	EXPECT_RET(1, raw_syscall(FUTEX2_REQUEUE(pair, 0, 1)));
	EXPECT_WAITING(0, 1, PRIVATE_U32);
}

CLAUSE(both_entries_must_be_good,
       "kernel/futex/syscalls.c futex_parse_waitv: size, flags, __reserved and width of val of both entries are "
       "checked: EINVAL, and nobody is moved",
       NEEDS_FUTEX2)
{
	static const unsigned int bad[] = { FUTEX2_SIZE_U8 | FUTEX2_PRIVATE, FUTEX2_SIZE_U16 | FUTEX2_PRIVATE,
					    FUTEX2_SIZE_U64 | FUTEX2_PRIVATE, PRIVATE_U32 | 0x10, PRIVATE_U32 | 0x20,
					    PRIVATE_U32 | 0x40, PRIVATE_U32 | FUTEX_CLOCK_REALTIME, PRIVATE_U32 | 0x80000000 };
	struct scene s;

	begin(_metadata, &s, 1, PRIVATE_U32);
	for (int i = 0; i < 2; i++) {
		struct futex_waitv good = s.pair[i];

		FOR_EACH(j, bad) {
			s.pair[i].flags = bad[j];
			EXPECT_ERR(EINVAL, raw_syscall(FUTEX2_REQUEUE(s.pair, 1, 1)));
		}
		s.pair[i] = good;
		s.pair[i].__reserved = 1;
		EXPECT_ERR(EINVAL, raw_syscall(FUTEX2_REQUEUE(s.pair, 1, 1)));
		s.pair[i] = good;
		s.pair[i].val = 1ull << 32;
		EXPECT_ERR(EINVAL, raw_syscall(FUTEX2_REQUEUE(s.pair, 1, 1)));
		s.pair[i] = good;
	}
	EXPECT_RET(1, raw_syscall(FUTEX2_REQUEUE(s.pair, 0, 1)));
	EXPECT_WAITING(0, 1, PRIVATE_U32);
}

CLAUSE(both_entries_must_be_of_one_kind,
       "kernel/futex/syscalls.c sys_futex_requeue: the flags of both entries must be identical: from private to "
       "shared, or back, nobody is moved: EINVAL",
       .since = KERNEL(7, 0), .probe = futex2_probe,
       .commit = "19f94b390586 futex: Require sys_futex_requeue() to have identical flags")
{
	FOR_EACH(f, both)
		for (int i = 0; i < 2; i++) {
			struct scene s;

			begin(_metadata, &s, 1, both[f]);
			s.pair[i].flags = both[!f];
			EXPECT_ERR(EINVAL, raw_syscall(FUTEX2_REQUEUE(s.pair, 0, 9)));
			EXPECT_WAITING(1, 0, both[f]);
		}
}

CLAUSE(unreachable_and_misaligned_words_are_refused,
       "futex(2) ERRORS EFAULT, EINVAL: either word is not in memory of the caller, or not four-byte-aligned",
       NEEDS_FUTEX2)
{
	void *bad[] = { NULL, unmapped_page(), forbidden_page() };
	struct scene s;

	begin(_metadata, &s, 0, SHARED_U32);
	for (int i = 0; i < 2; i++) {
		struct futex_waitv good = s.pair[i];

		FOR_EACH(j, bad) {
			s.pair[i].uaddr = (uintptr_t)bad[j];
			EXPECT_ERR(EFAULT, raw_syscall(FUTEX2_REQUEUE(s.pair, 1, 1)));
		}
		for (int offset = 1; offset < 4; offset++) {
			s.pair[i].uaddr = good.uaddr + offset;
			EXPECT_ERR(EINVAL, raw_syscall(FUTEX2_REQUEUE(s.pair, 1, 1)));
		}
		s.pair[i] = good;
	}
}

CLAUSE(waits_by_the_old_calls_are_moved_too,
       "kernel/futex/syscalls.c sys_futex_requeue: waits by FUTEX_WAIT and futex_waitv are moved like others, and "
       "woken by the old calls at the new word",
       NEEDS_FUTEX2)
{
	struct futex_waitv entry;
	struct scene s;

	begin(_metadata, &s, 0, PRIVATE_U32);
	for (int i = 0; i < 2; i++)
		s.a[i] = actor_thread();
	entry = s.pair[0];
	ask(s.a[0], NR_FUTEX, &s.from, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
	ASSERT_TRUE(blocks(s.a[0]));
	ask(s.a[1], WAITV(&entry, 1));
	ASSERT_TRUE(blocks(s.a[1]));
	EXPECT_RET(2, raw_syscall(FUTEX2_REQUEUE(s.pair, 0, 9)));
	EXPECT_RET(0, futex_wake(&s.from, 9));
	EXPECT_RET(2, futex_wake(&s.to, 9));
	EXPECT_RET(0, answer(s.a[0]));
	EXPECT_RET(0, answer(s.a[1]));
}

CLAUSE(a_word_requeued_to_itself_keeps_its_waits,
       "kernel/futex/requeue.c futex_requeue: source and target may be the same word: nobody is lost",
       NEEDS_FUTEX2)
{
	struct scene s;

	begin(_metadata, &s, 3, PRIVATE_U32);
	s.pair[1] = s.pair[0];
	EXPECT_RET(3, raw_syscall(FUTEX2_REQUEUE(s.pair, 1, 9)));
	EXPECT_RET(0, answer(s.a[0]));
	EXPECT_WAITING(2, 0, PRIVATE_U32);
	EXPECT_RET(0, answer(s.a[1]));
	EXPECT_RET(0, answer(s.a[2]));
}
