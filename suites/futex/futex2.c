// SPDX-License-Identifier: GPL-2.0-only
// futex_wait(2) and futex_wake(2) of Linux 6.7: waiting, waking by mask and number, deadlines, signals.
#include "clause.h"
#include "actor.h"
#include "deadline.h"
#include "futex.h"
#include "futex2.h"
#include "guard.h"
#include "interrupt.h"

static const unsigned int both[] = { PRIVATE_U32, SHARED_U32 };

// A thread that waits on *word, which is 0.
static struct actor *waits(struct __test_metadata *_metadata, uint32_t *word, unsigned long mask, unsigned int flags)
{
	struct actor *a = actor_thread();

	ask(a, FUTEX2_WAIT(word, 0, mask, flags));
	ASSERT_TRUE(blocks(a));
	return a;
}

CLAUSE(a_wake_ends_a_wait,
       "kernel/futex/syscalls.c sys_futex_wake, sys_futex_wait: identical to FUTEX_WAKE_BITSET and "
       "FUTEX_WAIT_BITSET: the wake returns how many it woke, the wait 0",
       NEEDS_FUTEX2)
{
	uint32_t word = 0;
	struct actor *a;

	FOR_EACH(f, both) {
		EXPECT_RET(0, raw_syscall(FUTEX2_WAKE(&word, ANY, 9, both[f])));
		a = waits(_metadata, &word, ANY, both[f]);
		EXPECT_RET(1, raw_syscall(FUTEX2_WAKE(&word, ANY, 9, both[f])));
		EXPECT_RET(0, answer(a));
		EXPECT_RET(0, raw_syscall(FUTEX2_WAKE(&word, ANY, 9, both[f])));
	}
}

CLAUSE(no_more_waits_are_ended_than_asked_for,
       "kernel/futex/syscalls.c sys_futex_wake: nr is the number of the futexes to wake; those who came first are "
       "woken first",
       NEEDS_FUTEX2)
{
	uint32_t word = 0;
	struct actor *a[6];

	for (int i = 0; i < 6; i++)
		a[i] = waits(_metadata, &word, ANY, PRIVATE_U32);
	EXPECT_RET(1, raw_syscall(FUTEX2_WAKE(&word, ANY, 1, PRIVATE_U32)));
	EXPECT_RET(0, answer(a[0]));
	EXPECT_RET(2, raw_syscall(FUTEX2_WAKE(&word, ANY, 2, PRIVATE_U32)));
	EXPECT_RET(0, answer(a[1]));
	EXPECT_RET(0, answer(a[2]));
	EXPECT_RET(3, raw_syscall(FUTEX2_WAKE(&word, ANY, INT_MAX, PRIVATE_U32)));
	for (int i = 3; i < 6; i++)
		EXPECT_RET(0, answer(a[i]));
}

CLAUSE(a_wake_of_none_wakes_none,
       "kernel/futex/waitwake.c futex_wake FLAGS_STRICT: nr 0 wakes nobody and returns 0, where FUTEX_WAKE would "
       "wake one",
       NEEDS_FUTEX2, .commit = "43adf8449510 futex: FLAGS_STRICT")
{
	uint32_t word = 0;
	struct actor *a;

	FOR_EACH(f, both) {
		a = waits(_metadata, &word, ANY, both[f]);
		EXPECT_RET(0, raw_syscall(FUTEX2_WAKE(&word, ANY, 0, both[f])));
		EXPECT_TRUE(blocks(a));
		EXPECT_RET(1, raw_syscall(FUTEX2_WAKE(&word, ANY, 1, both[f])));
		EXPECT_RET(0, answer(a));
	}
}

CLAUSE(masks_choose_who_is_woken,
       "futex(2) FUTEX_WAKE_BITSET, of which sys_futex_wake is the like: a wait is ended if its mask and that of the "
       "wake have a bit in common",
       NEEDS_FUTEX2)
{
	uint32_t word = 0;

	for (int bit = 0; bit < 32; bit += 31) {
		struct actor *a = waits(_metadata, &word, 1UL << bit, PRIVATE_U32);
		struct actor *b = waits(_metadata, &word, 0x100, PRIVATE_U32);

		EXPECT_RET(0, raw_syscall(FUTEX2_WAKE(&word, ANY & ~(1UL << bit) & ~0x100UL, 9, PRIVATE_U32)));
		EXPECT_RET(1, raw_syscall(FUTEX2_WAKE(&word, ANY & ~0x100UL, 9, PRIVATE_U32)));
		EXPECT_RET(0, answer(a));
		EXPECT_RET(1, raw_syscall(FUTEX2_WAKE(&word, 0x100, 9, PRIVATE_U32)));
		EXPECT_RET(0, answer(b));
	}
}

CLAUSE(a_word_that_differs_does_not_block,
       "futex(2) ERRORS EAGAIN: the value pointed to by uaddr is not equal to val, in any of its 32 bits; nothing "
       "stays queued",
       NEEDS_FUTEX2)
{
	uint32_t word = 0xdeadbeef;

	FOR_EACH(f, both)
		for (int bit = 0; bit < 32; bit++) {
			uint32_t other = word ^ (1u << bit);

			EXPECT_ERR(EAGAIN, raw_syscall(FUTEX2_WAIT(&word, (unsigned long)other, ANY, both[f])));
		}
	EXPECT_RET(0, raw_syscall(FUTEX2_WAKE(&word, ANY, 9, PRIVATE_U32)));
}

CLAUSE(private_and_shared_waits_do_not_meet,
       "Documentation/userspace-api/futex2.rst Types of futex: with FUTEX_PRIVATE_FLAG and without it a word is two "
       "futexes",
       NEEDS_FUTEX2)
{
	uint32_t word = 0;

	FOR_EACH(f, both) {
		struct actor *a = waits(_metadata, &word, ANY, both[f]);

		EXPECT_RET(0, raw_syscall(FUTEX2_WAKE(&word, ANY, 9, both[!f])));
		EXPECT_RET(1, raw_syscall(FUTEX2_WAKE(&word, ANY, 9, both[f])));
		EXPECT_RET(0, answer(a));
	}
}

CLAUSE(old_and_new_calls_meet_on_a_word,
       "kernel/futex/syscalls.c: futex_wait and futex_wake are another door to the same futexes: each wakes the "
       "waits of futex(2), and the other way round, masks included",
       NEEDS_FUTEX2)
{
	struct futex_waitv entry;
	uint32_t word = 0;
	struct actor *a;

	FOR_EACH(f, both) {
		int flag = f ? 0 : FUTEX_PRIVATE_FLAG;

		a = waits(_metadata, &word, 0x10, both[f]);
		EXPECT_RET(0, futex_call(&word, FUTEX_WAKE_BITSET | flag, 9, NULL, NULL, 0x20));
		EXPECT_RET(1, futex_call(&word, FUTEX_WAKE_BITSET | flag, 9, NULL, NULL, 0x30));
		EXPECT_RET(0, answer(a));
		a = waits(_metadata, &word, ANY, both[f]);
		EXPECT_RET(1, futex_call(&word, FUTEX_WAKE | flag, 9, NULL, NULL, 0));
		EXPECT_RET(0, answer(a));
		ask(a, NR_FUTEX, &word, FUTEX_WAIT | flag, 0, NULL, NULL, 0);
		ASSERT_TRUE(blocks(a));
		EXPECT_RET(1, raw_syscall(FUTEX2_WAKE(&word, 0x80000000UL, 9, both[f])));
		EXPECT_RET(0, answer(a));
		ask(a, NR_FUTEX, &word, FUTEX_WAIT_BITSET | flag, 0, NULL, NULL, 0x40);
		ASSERT_TRUE(blocks(a));
		EXPECT_RET(0, raw_syscall(FUTEX2_WAKE(&word, 0x80, 9, both[f])));
		EXPECT_RET(1, raw_syscall(FUTEX2_WAKE(&word, 0xc0, 9, both[f])));
		EXPECT_RET(0, answer(a));
		entry = entry_of(&word, 0, both[f]);
		ask(a, WAITV(&entry, 1));
		ASSERT_TRUE(blocks(a));
		EXPECT_RET(1, raw_syscall(FUTEX2_WAKE(&word, 4, 9, both[f])));
		EXPECT_RET(0, answer(a));
	}
}

CLAUSE(a_wake_reaches_a_process_that_maps_the_word_elsewhere,
       "Documentation/userspace-api/futex2.rst: processes may have different virtual addresses for the same futex",
       NEEDS_FUTEX2)
{
	int fd = raw_syscall(__NR_memfd_create, "word", 0);
	struct actor *other;
	uint32_t *here, *there;

	ASSERT_EQ(0, ftruncate(fd, page_size()));
	here = mmap(NULL, page_size(), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	there = mmap(NULL, page_size(), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, (void *)here);
	ASSERT_NE(MAP_FAILED, (void *)there);
	other = actor_process();
	ask(other, FUTEX2_WAIT(&there[5], 0, ANY, SHARED_U32));
	ASSERT_TRUE(blocks(other));
	EXPECT_RET(0, raw_syscall(FUTEX2_WAKE(&here[4], ANY, 9, SHARED_U32)));
	EXPECT_RET(1, raw_syscall(FUTEX2_WAKE(&here[5], ANY, 9, SHARED_U32)));
	EXPECT_RET(0, answer(other));
	EXPECT_TRUE(is_killed(other));
}

static void check_deadline(struct __test_metadata *_metadata, int clock)
{
	struct actor *a = actor_thread();
	struct __kernel_timespec deadline;
	uint32_t word = 0;

	FOR_EACH(f, both) {
		deadline = deadline_in(clock, 8 * MS);
		EXPECT_ERR(ETIMEDOUT, call_as(a, FUTEX2_WAIT_UNTIL(&word, 0, ANY, both[f], &deadline, clock)));
		EXPECT_TRUE(has_passed(clock, &deadline));
		deadline = deadline_in(clock, -1);
		EXPECT_ERR(ETIMEDOUT, call_as(a, FUTEX2_WAIT_UNTIL(&word, 0, ANY, both[f], &deadline, clock)));
		EXPECT_RET(0, raw_syscall(FUTEX2_WAKE(&word, ANY, 9, both[f])));
	}
	deadline = deadline_in(clock, 3600 * SECOND);
	ask(a, FUTEX2_WAIT_UNTIL(&word, 0, ANY, PRIVATE_U32, &deadline, clock));
	ASSERT_TRUE(blocks(a));
	EXPECT_RET(1, raw_syscall(FUTEX2_WAKE(&word, ANY, 9, PRIVATE_U32)));
	EXPECT_RET(0, answer(a));
}

CLAUSE(the_wait_ends_at_a_moment_of_the_monotonic_clock,
       "kernel/futex/syscalls.c sys_futex_wait: an optional absolute timeout on CLOCK_MONOTONIC: ETIMEDOUT, not "
       "before it, at once when it has passed, and nothing stays queued",
       NEEDS_FUTEX2)
{
	check_deadline(_metadata, CLOCK_MONOTONIC);
}

CLAUSE(the_wait_ends_at_a_moment_of_the_realtime_clock,
       "kernel/futex/syscalls.c sys_futex_wait: an optional absolute timeout on CLOCK_REALTIME: ETIMEDOUT, not "
       "before it, at once when it has passed, and nothing stays queued",
       NEEDS_FUTEX2)
{
	check_deadline(_metadata, CLOCK_REALTIME);
}

CLAUSE(a_handler_without_sa_restart_ends_the_wait,
       "signal(7): a handler without SA_RESTART interrupts futex_wait, with a deadline or without: EINTR, and "
       "nothing stays queued",
       NEEDS_FUTEX2)
{
	struct __kernel_timespec deadline = deadline_in(CLOCK_MONOTONIC, 3600 * SECOND);
	struct actor *a = actor_thread();
	uint32_t word = 0;

	ASSERT_OK(on_interrupt(0));
	for (int timed = 0; timed < 2; timed++) {
		ask(a, FUTEX2_WAIT_UNTIL(&word, 0, ANY, PRIVATE_U32, timed ? &deadline : NULL, CLOCK_MONOTONIC));
		ASSERT_TRUE(blocks(a));
		EXPECT_TRUE(is_interrupted(a));
		EXPECT_ERR(EINTR, answer(a));
		EXPECT_RET(0, raw_syscall(FUTEX2_WAKE(&word, ANY, 9, PRIVATE_U32)));
	}
}

CLAUSE(a_handler_with_sa_restart_lets_the_wait_go_on,
       "kernel/futex/waitwake.c __futex_wait: -ERESTARTSYS: with SA_RESTART the wait goes on after the handler, with "
       "a deadline too, as it is absolute; it compares the word anew",
       NEEDS_FUTEX2)
{
	struct __kernel_timespec deadline = deadline_in(CLOCK_MONOTONIC, 3600 * SECOND);
	struct actor *a = actor_thread();
	uint32_t word = 0;

	ASSERT_OK(on_interrupt(SA_RESTART));
	for (int timed = 0; timed < 2; timed++) {
		ask(a, FUTEX2_WAIT_UNTIL(&word, 0, 0x2, PRIVATE_U32, timed ? &deadline : NULL, CLOCK_MONOTONIC));
		ASSERT_TRUE(blocks(a));
		EXPECT_TRUE(is_interrupted(a));
		EXPECT_TRUE(blocks(a));
		EXPECT_RET(0, raw_syscall(FUTEX2_WAKE(&word, 0x1, 9, PRIVATE_U32)));
		EXPECT_RET(1, raw_syscall(FUTEX2_WAKE(&word, 0x3, 9, PRIVATE_U32)));
		EXPECT_RET(0, answer(a));
	}
	ask(a, FUTEX2_WAIT(&word, 0, ANY, PRIVATE_U32));
	ASSERT_TRUE(blocks(a));
	__atomic_store_n(&word, 1, __ATOMIC_SEQ_CST);
	EXPECT_TRUE(is_interrupted(a));
	EXPECT_ERR(EAGAIN, answer(a));
}

CLAUSE(a_word_may_lie_in_a_page_that_must_be_faulted_in,
       "kernel/futex/waitwake.c futex_wait_setup: a word whose page is not present is faulted in, and the wait "
       "begins anew",
       NEEDS_FUTEX2)
{
	uint32_t *words = mmap(NULL, 2 * page_size(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ASSERT_NE(MAP_FAILED, (void *)words);
	FOR_EACH(f, both) {
		uint32_t *word = words + f * page_size() / sizeof(*words);
		struct actor *a = waits(_metadata, word, ANY, both[f]);

		EXPECT_RET(1, raw_syscall(FUTEX2_WAKE(word, ANY, 9, both[f])));
		EXPECT_RET(0, answer(a));
	}
}
