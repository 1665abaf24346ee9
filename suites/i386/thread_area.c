// SPDX-License-Identifier: GPL-2.0-only
// set_thread_area(2): the segments that carry a thread pointer on 32-bit x86, one set for each thread.
#include "clause.h"

#include <asm/ldt.h>
#include <signal.h>

#include "guard.h"
#include "sigaction.h"
#include "thread.h"

#define USERS "go:set_thread_area glibc:__libc_setup_tls musl:__init_tls"

#define set_area(desc) raw_syscall(__NR_set_thread_area, desc)
#define get_area(desc) raw_syscall(__NR_get_thread_area, desc)

// A 32-bit data segment over one word; entry -1 asks for a free one.
static struct user_desc segment_over(uint32_t *word, int entry)
{
	return (struct user_desc){ .entry_number = entry, .base_addr = (unsigned long)word, .limit = 0xfffff, .seg_32bit = 1,
				   .limit_in_pages = 1, .useable = 1 };
}

// The first word of a segment, through %fs: the C library here uses %gs alone.
static uint32_t word_of(int entry)
{
	uint32_t value, selector = entry << 3 | 3;

	asm volatile("movw %w1, %%fs\n\tmovl %%fs:0, %0" : "=r"(value) : "r"(selector) : "memory");
	return value;
}

// The same, with the selector that %fs holds by now.
static uint32_t word_at_fs(void)
{
	uint32_t value;

	asm volatile("movl %%fs:0, %0" : "=r"(value) : : "memory");
	return value;
}

CLAUSE(a_free_entry_is_found_and_told,
       "set_thread_area(2): entry_number -1 takes a free entry and stores its number; the segment then begins at "
       "base_addr [TLS-1] [incident 61]",
       .needed_by = USERS)
{
	uint32_t word = 0x12345678;
	struct user_desc *desc = guarded(sizeof(*desc)), wanted;

	*desc = segment_over(&word, -1);
	ASSERT_RET(0, set_area(desc));
	EXPECT_INTACT(desc);
	EXPECT_LE(6, desc->entry_number);
	EXPECT_GE(14, desc->entry_number);
	wanted = segment_over(&word, desc->entry_number);
	EXPECT_EQ(0, memcmp(&wanted, desc, sizeof(wanted)));
	EXPECT_EQ(word, word_of(desc->entry_number));
	word = 0x9abcdef0;
	EXPECT_EQ(word, word_at_fs());
}

CLAUSE(what_was_set_is_read_back,
       "get_thread_area(2): gives base, limit and attributes as they were set [TLS-1]", .needed_by = USERS)
{
	uint32_t word = 0;
	struct user_desc desc = segment_over(&word, -1), *seen = guarded(sizeof(*seen));

	ASSERT_RET(0, set_area(&desc));
	seen->entry_number = desc.entry_number;
	EXPECT_RET(0, get_area(seen));
	EXPECT_INTACT(seen);
	EXPECT_EQ(desc.entry_number, seen->entry_number);
	EXPECT_EQ(desc.base_addr, seen->base_addr);
	EXPECT_EQ(desc.limit, seen->limit);
	EXPECT_EQ(1, +seen->seg_32bit);
	EXPECT_EQ(1, +seen->limit_in_pages);
	EXPECT_EQ(0, +seen->seg_not_present);
	EXPECT_EQ(0, +seen->read_exec_only);
	EXPECT_EQ(0, +seen->contents);
}

CLAUSE(an_entry_that_is_set_again_moves_the_segment_at_once,
       "set_thread_area(2): a given entry is changed, and the register that holds its selector sees the new base "
       "[TLS-1]",
       .needed_by = USERS)
{
	uint32_t words[2] = { 0x1111, 0x2222 };
	struct user_desc desc = segment_over(&words[0], -1);
	int entry;

	ASSERT_RET(0, set_area(&desc));
	entry = desc.entry_number;
	ASSERT_EQ(0x1111, word_of(entry));
	desc = segment_over(&words[1], entry);
	ASSERT_RET(0, set_area(&desc));
	EXPECT_EQ(entry, desc.entry_number);
	EXPECT_EQ(0x2222, word_at_fs());
}

CLAUSE(an_emptied_entry_is_free_again,
       "set_thread_area(2): a descriptor that is empty frees its entry, which the next -1 may take", .needed_by = USERS)
{
	uint32_t word = 0;
	struct user_desc desc = segment_over(&word, -1), empty = { .read_exec_only = 1, .seg_not_present = 1 };
	int entry;

	ASSERT_RET(0, set_area(&desc));
	entry = empty.entry_number = desc.entry_number;
	ASSERT_RET(0, set_area(&empty));
	desc = segment_over(&word, -1);
	EXPECT_RET(0, set_area(&desc));
	EXPECT_EQ(entry, desc.entry_number);
}

CLAUSE(when_no_entry_is_free_it_is_esrch,
       "set_thread_area(2) ERRORS ESRCH: no free entry could be found; the structure is left alone", .needed_by = USERS)
{
	uint32_t word = 0;
	struct user_desc desc;
	long result = 0;
	int taken = 0;

	for (; taken < 4 && result == 0; taken++) {
		desc = segment_over(&word, -1);
		result = set_area(&desc);
	}
	EXPECT_RET(-ESRCH, result);
	EXPECT_EQ(-1, (int)desc.entry_number);
}

CLAUSE(what_cannot_be_a_thread_pointer_is_refused,
       "set_thread_area(2) ERRORS EINVAL EFAULT: an entry out of bounds, a segment of code or of 16 bits, a bad "
       "pointer; nothing is changed",
       .needed_by = USERS)
{
	static const int entries[] = { 0, 1, 5, 15, 31, -2, 100000 };
	uint32_t word = 0x77;
	struct user_desc desc = segment_over(&word, -1), bad;
	int entry;

	ASSERT_RET(0, set_area(&desc));
	entry = desc.entry_number;
	for (unsigned int i = 0; i < ARRAY_SIZE(entries); i++) {
		bad = segment_over(&word, entries[i]);
		EXPECT_ERR(EINVAL, set_area(&bad));
		EXPECT_ERR(EINVAL, get_area(&bad));
	}
	bad = segment_over(&word, entry);
	bad.contents = 2;
	EXPECT_ERR(EINVAL, set_area(&bad));
	bad = segment_over(&word, entry);
	bad.seg_32bit = 0;
	EXPECT_ERR(EINVAL, set_area(&bad));
	bad = segment_over(&word, entry);
	bad.seg_not_present = 1;
	EXPECT_ERR(EINVAL, set_area(&bad));
	EXPECT_ERR(EFAULT, set_area((void *)16));
	EXPECT_ERR(EFAULT, get_area((void *)16));
	EXPECT_EQ(0x77, word_of(entry));
}

static int entry_shared;
static volatile int turn;

struct peer {
	uint32_t word, seen_first, seen_last;
	long result;
};

static int sets_its_own(void *arg)
{
	struct peer *peer = arg;
	struct user_desc desc = segment_over(&peer->word, entry_shared);

	peer->result = set_area(&desc);
	peer->seen_first = word_of(entry_shared);
	turn = 1;
	while (turn != 2)
		raw_syscall(__NR_sched_yield);
	peer->seen_last = word_at_fs();
	return 0;
}

CLAUSE(one_entry_is_another_segment_in_each_thread,
       "set_thread_area(2): entries belong to the thread: each thread sets the same number to a base of its own, and "
       "keeps it while others run [TLS-1]",
       .needed_by = USERS)
{
	uint32_t word = 0xaaaa;
	struct user_desc desc = segment_over(&word, -1);
	struct peer peer = { .word = 0xbbbb };
	struct thread thread;

	ASSERT_RET(0, set_area(&desc));
	entry_shared = desc.entry_number;
	ASSERT_EQ(0xaaaa, word_of(entry_shared));
	turn = 0;
	ASSERT_LT(0, thread_start(&thread, sets_its_own, &peer));
	while (turn != 1)
		raw_syscall(__NR_sched_yield);
	EXPECT_EQ(0xaaaa, word_at_fs());
	turn = 2;
	ASSERT_TRUE(thread_join(&thread));
	EXPECT_RET(0, peer.result);
	EXPECT_EQ(0xbbbb, peer.seen_first);
	EXPECT_EQ(0xbbbb, peer.seen_last);
	EXPECT_EQ(0xaaaa, word_at_fs());
}

static uint32_t seen_in_handler, other_word = 0xdddd;

static void points_elsewhere(int sig, siginfo_t *info, void *context)
{
	struct user_desc desc = segment_over(&other_word, -1);

	seen_in_handler = word_of(entry_shared);
	if (set_area(&desc) == 0)
		word_of(desc.entry_number);	// %fs holds another selector now
}

CLAUSE(a_signal_leaves_segment_and_selector_as_they_were,
       "sigreturn(2): the handler finds the thread's segments, and the interrupted code the selector it had "
       "[TLS-1]", .needed_by = USERS)
{
	uint32_t word = 0xcccc;
	struct user_desc desc = segment_over(&word, -1);

	ASSERT_RET(0, set_area(&desc));
	entry_shared = desc.entry_number;
	ASSERT_OK(raw_sigaction(SIGUSR1, points_elsewhere, 0));
	ASSERT_EQ(0xcccc, word_of(entry_shared));
	ASSERT_OK(raw_syscall(__NR_tgkill, getpid(), raw_syscall(__NR_gettid), SIGUSR1));
	EXPECT_EQ(0xcccc, word_at_fs());
	EXPECT_EQ(0xcccc, seen_in_handler);
}
