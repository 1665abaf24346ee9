// SPDX-License-Identifier: GPL-2.0-only
// futex_waitv(2): what it refuses: counts, flags, entries, addresses; and that a refusal leaves nothing queued.
#include "clause.h"
#include "actor.h"
#include "futex.h"
#include "guard.h"
#include "waitv.h"

#define MAX FUTEX_WAITV_MAX

CLAUSE(from_1_to_128_entries_are_taken,
       "Documentation/userspace-api/futex2.rst: nr_futexes out of the interval [1, 128] is EINVAL; each number in it "
       "is taken",
       NEEDS_WAITV)
{
	static const unsigned int refused[] = { 0, MAX + 1, MAX + 2, 256, 0x10001, INT_MAX, UINT_MAX };
	struct futex_waitv entries[MAX + 2];
	uint32_t words[MAX + 2] = { 0 };

	fill_entries(entries, words, MAX + 2, PRIVATE_U32);
	entries[0].val = 1;
	FOR_EACH(i, refused)
		EXPECT_ERR(EINVAL, raw_syscall(WAITV(entries, refused[i])));
	for (int count = 1; count <= MAX; count++)
		EXPECT_ERR(EAGAIN, raw_syscall(WAITV(entries, count)));
}

CLAUSE(no_more_entries_are_read_than_given,
       "Documentation/userspace-api/futex2.rst: nr_futexes is the size of the array: what lies behind it is not read",
       NEEDS_WAITV)
{
	static const int counts[] = { 1, 2, 5, MAX };

	FOR_EACH(i, counts) {
		struct futex_waitv *entries = guarded(counts[i] * sizeof(*entries));
		uint32_t word = 0;

		for (int j = 0; j < counts[i]; j++)
			entries[j] = entry_of(&word, j == counts[i] - 1, PRIVATE_U32);
		EXPECT_ERR(EAGAIN, raw_syscall(WAITV(entries, counts[i])));
		EXPECT_INTACT(entries);
	}
}

CLAUSE(the_flags_of_the_call_must_be_0,
       "Documentation/userspace-api/futex2.rst: the flags argument of the syscall needs to be 0: each other bit is "
       "EINVAL",
       NEEDS_WAITV)
{
	struct futex_waitv entry;
	uint32_t word = 0;

	entry = entry_of(&word, 1, PRIVATE_U32);
	for (int bit = 0; bit < 32; bit++)
		EXPECT_ERR(EINVAL, raw_syscall(__NR_futex_waitv, &entry, 1, 1u << bit, NULL, 0));
}

CLAUSE(words_of_32_bits_private_or_shared_are_taken,
       "Documentation/userspace-api/futex2.rst Types of futex: the supported size is FUTEX_32, with "
       "FUTEX_PRIVATE_FLAG or without",
       NEEDS_WAITV)
{
	struct futex_waitv entry;
	uint32_t word = 0;

	entry = entry_of(&word, 1, FUTEX_32);
	EXPECT_ERR(EAGAIN, raw_syscall(WAITV(&entry, 1)));
	entry = entry_of(&word, 1, FUTEX_32 | FUTEX_PRIVATE_FLAG);
	EXPECT_ERR(EAGAIN, raw_syscall(WAITV(&entry, 1)));
}

// Puts a bad entry at each place of an array of good ones. The words must have no waiter afterwards.
static void check_refused(struct __test_metadata *_metadata, int error, struct futex_waitv bad)
{
	struct futex_waitv entries[4];
	uint32_t words[4] = { 0 };

	for (int place = 0; place < 4; place++) {
		fill_entries(entries, words, 4, PRIVATE_U32);
		entries[place] = bad;
		RESULT_(raw_syscall(WAITV(entries, 4)), "futex_waitv with one bad entry", result_ == -error,
			error == EINVAL ? "-EINVAL" : "-EFAULT", 0);
		for (int i = 0; i < 4; i++)
			EXPECT_RET(0, futex_wake(&words[i], 9));
	}
}

CLAUSE(words_of_other_sizes_are_refused,
       "Documentation/userspace-api/futex2.rst Types of futex: 8, 16 and 64 bits are not supported: EINVAL, wherever "
       "the entry stands",
       NEEDS_WAITV)
{
	static const unsigned int sizes[] = { FUTEX2_SIZE_U8, FUTEX2_SIZE_U16, FUTEX2_SIZE_U64 };
	uint64_t word = 0;

	FOR_EACH(i, sizes) {
		check_refused(_metadata, EINVAL, entry_of(&word, 0, sizes[i]));
		check_refused(_metadata, EINVAL, entry_of(&word, 0, sizes[i] | FUTEX2_PRIVATE));
	}
}

CLAUSE(unknown_flags_of_an_entry_are_refused,
       "kernel/futex/syscalls.c futex_parse_waitv: an entry with a flag that means nothing is EINVAL, "
       "FUTEX_CLOCK_REALTIME too",
       NEEDS_WAITV)
{
	uint64_t word = 0;

	for (int bit = 4; bit < 32; bit++)
		if (1u << bit != FUTEX_PRIVATE_FLAG)
			check_refused(_metadata, EINVAL, entry_of(&word, 0, PRIVATE_U32 | 1u << bit));
}

CLAUSE(the_reserved_member_must_be_0,
       "Documentation/userspace-api/futex2.rst: __reserved needs to be 0: each other value is EINVAL",
       NEEDS_WAITV)
{
	uint32_t word = 0;

	for (int bit = 0; bit < 32; bit++) {
		struct futex_waitv entry = entry_of(&word, 0, PRIVATE_U32);

		entry.__reserved = 1u << bit;
		check_refused(_metadata, EINVAL, entry);
	}
}

CLAUSE(a_value_wider_than_the_word_is_refused,
       "kernel/futex/syscalls.c futex_validate_input: a val that does not fit into the 32 bits of the word is EINVAL",
       .since = KERNEL(6, 7))
{
	uint32_t word = 0;

	if (waitv_probe() == -ENOSYS)
		ABSENT("no futex_waitv");
	for (int bit = 32; bit < 64; bit++)
		check_refused(_metadata, EINVAL, entry_of(&word, 1ull << bit, PRIVATE_U32));
}

CLAUSE(no_array_is_einval_and_an_unreadable_one_efault,
       "kernel/futex/syscalls.c sys_futex_waitv: waiters NULL is EINVAL; futex2.rst: an invalid address for waiters "
       "returns EFAULT, be it that of a later entry",
       NEEDS_WAITV)
{
	struct futex_waitv *entries = guarded(3 * sizeof(*entries));
	uint32_t word = 0;

	for (int i = 0; i < 3; i++)
		entries[i] = entry_of(&word, 0, PRIVATE_U32);
	EXPECT_ERR(EINVAL, raw_syscall(WAITV(NULL, 1)));
	EXPECT_ERR(EFAULT, raw_syscall(WAITV(forbidden_page(), 1)));
	EXPECT_ERR(EFAULT, raw_syscall(WAITV(unmapped_page(), MAX)));
	EXPECT_ERR(EFAULT, raw_syscall(WAITV(entries, 4)));
	EXPECT_RET(0, futex_wake(&word, 9));
}

CLAUSE(an_unreachable_word_is_efault,
       "Documentation/userspace-api/futex2.rst: an invalid address for any uaddr returns EFAULT, wherever the entry "
       "stands, and nothing stays queued",
       NEEDS_WAITV)
{
	void *bad[] = { NULL, unmapped_page(), forbidden_page(), (void *)-4096L };

	FOR_EACH(i, bad) {
		check_refused(_metadata, EFAULT, entry_of(bad[i], 0, PRIVATE_U32));
		check_refused(_metadata, EFAULT, entry_of(bad[i], 0, SHARED_U32));
	}
}

CLAUSE(a_misaligned_word_is_einval,
       "futex(2) ERRORS EINVAL: the address of a word is not four-byte-aligned, wherever the entry stands; nothing "
       "stays queued",
       NEEDS_WAITV)
{
	uint32_t words[2] = { 0 };

	for (int offset = 1; offset < 4; offset++) {
		check_refused(_metadata, EINVAL, entry_of((char *)words + offset, 0, PRIVATE_U32));
		check_refused(_metadata, EINVAL, entry_of((char *)words + offset, 0, SHARED_U32));
	}
}

CLAUSE(words_and_entries_may_be_read_only,
       "kernel/futex/waitwake.c futex_wait_multiple_setup: waiting reads the words and the array and writes neither: "
       "both may lie in read-only memory",
       NEEDS_WAITV)
{
	char *pages = shared_memory(2 * page_size());
	struct futex_waitv *entries = (struct futex_waitv *)pages;
	uint32_t *words = (uint32_t *)(pages + page_size());
	struct actor *a = actor_thread();

	entries[0] = entry_of(&words[0], 0, PRIVATE_U32);
	entries[1] = entry_of(&words[1], 0, SHARED_U32);
	ASSERT_EQ(0, mprotect(pages, 2 * page_size(), PROT_READ));
	ask(a, WAITV(entries, 2));
	ASSERT_TRUE(blocks(a));
	EXPECT_RET(1, futex_wake_shared(&words[1], 9));
	EXPECT_RET(1, answer(a));
	ask(a, WAITV(entries, 2));
	ASSERT_TRUE(blocks(a));
	EXPECT_RET(1, futex_wake(&words[0], 9));
	EXPECT_RET(0, answer(a));
}
