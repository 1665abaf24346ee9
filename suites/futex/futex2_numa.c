// SPDX-License-Identifier: GPL-2.0-only
// FUTEX2_NUMA and FUTEX2_MPOL (Linux 6.16): words with a node beside them, and with a memory policy.
#include "clause.h"
#include "actor.h"
#include "futex.h"
#include "futex2.h"
#include "guard.h"

#define NUMA_U32 (FUTEX2_SIZE_U32 | FUTEX2_NUMA)

// With FUTEX2_NUMA the word doubles: the second half holds the node.
struct word_and_node {
	uint32_t word;
	int32_t node;
} __attribute__((aligned(8)));

static long numa_probe(void)
{
	struct word_and_node w = { 0, FUTEX_NO_NODE };
	long result = raw_syscall(FUTEX2_WAKE(&w, ANY, 1, NUMA_U32 | FUTEX2_PRIVATE));

	return result == -ENOSYS ? -EINVAL : result;	// before 6.7 there was no such call, then no such flag
}

#define NEEDS_NUMA .since = KERNEL(6, 16), .probe = numa_probe, .absent_errno = EINVAL

static const unsigned int kinds[] = { NUMA_U32, NUMA_U32 | FUTEX2_PRIVATE, NUMA_U32 | FUTEX2_MPOL,
				      NUMA_U32 | FUTEX2_MPOL | FUTEX2_PRIVATE };

CLAUSE(a_word_without_a_node_is_given_one,
       "include/uapi/linux/futex.h FUTEX_NO_NODE: the value -1 means no node: the call chooses one and writes it "
       "beside the word; wait and wake meet by it",
       NEEDS_NUMA)
{
	FOR_EACH(k, kinds) {
		struct word_and_node w = { 0, FUTEX_NO_NODE };
		struct actor *a = actor_thread();

		ask(a, FUTEX2_WAIT(&w, 0, ANY, kinds[k]));
		ASSERT_TRUE(blocks(a));
		EXPECT_GE(w.node, 0);
		EXPECT_EQ(0, w.word);
		EXPECT_RET(1, raw_syscall(FUTEX2_WAKE(&w, ANY, 9, kinds[k])));
		EXPECT_RET(0, answer(a));
	}
}

CLAUSE(a_node_that_was_given_stays,
       "kernel/futex/core.c get_futex_key: a word that has a node already keeps it, and nothing is written: it may "
       "be in read-only memory for a wait",
       NEEDS_NUMA)
{
	struct word_and_node *w = shared_memory(page_size());
	struct actor *a = actor_thread();

	w->node = FUTEX_NO_NODE;
	ASSERT_RET(0, raw_syscall(FUTEX2_WAKE(w, ANY, 9, NUMA_U32)));
	int node = w->node;

	ASSERT_EQ(0, mprotect(w, page_size(), PROT_READ));
	ask(a, FUTEX2_WAIT(w, 0, ANY, NUMA_U32));
	ASSERT_TRUE(blocks(a));
	EXPECT_EQ(node, w->node);
	EXPECT_RET(1, raw_syscall(FUTEX2_WAKE(w, ANY, 9, NUMA_U32)));
	EXPECT_RET(0, answer(a));
}

CLAUSE(a_node_that_cannot_be_written_is_efault,
       "kernel/futex/core.c get_futex_key: FUTEX_NO_NODE in memory that may not be written is EFAULT",
       NEEDS_NUMA)
{
	struct word_and_node *w = shared_memory(page_size());

	w->node = FUTEX_NO_NODE;
	ASSERT_EQ(0, mprotect(w, page_size(), PROT_READ));
	FOR_EACH(k, kinds)
		EXPECT_ERR(EFAULT, raw_syscall(FUTEX2_WAIT(w, 0, ANY, kinds[k])));
	EXPECT_EQ(FUTEX_NO_NODE, w->node);
}

CLAUSE(a_node_that_cannot_be_is_refused,
       "kernel/futex/core.c get_futex_key: a node that is not possible on any machine is EINVAL, and stays",
       NEEDS_NUMA)
{
	static const int32_t nodes[] = { -2, INT32_MIN, INT32_MAX, 4096, 0x10000 };

	FOR_EACH(k, kinds)
		FOR_EACH(i, nodes) {
			struct word_and_node w = { 0, nodes[i] };
			struct futex_waitv entry = entry_of(&w, 0, kinds[k]);

			EXPECT_ERR(EINVAL, raw_syscall(FUTEX2_WAKE(&w, ANY, 1, kinds[k])));
			EXPECT_ERR(EINVAL, raw_syscall(FUTEX2_WAIT(&w, 0, ANY, kinds[k])));
			EXPECT_ERR(EINVAL, raw_syscall(WAITV(&entry, 1)));
			EXPECT_EQ(nodes[i], w.node);
		}
}

CLAUSE(a_word_with_its_node_is_aligned_to_both,
       "kernel/futex/core.c get_futex_key: with FUTEX2_NUMA the word is twice as large, and must be aligned to its "
       "size: EINVAL",
       NEEDS_NUMA)
{
	struct word_and_node w[2] = { { 0, FUTEX_NO_NODE }, { 0, FUTEX_NO_NODE } };

	FOR_EACH(k, kinds)
		for (int offset = 1; offset < 8; offset++) {
			EXPECT_ERR(EINVAL, raw_syscall(FUTEX2_WAKE((char *)w + offset, ANY, 1, kinds[k])));
			EXPECT_ERR(EINVAL, raw_syscall(FUTEX2_WAIT((char *)w + offset, 0, ANY, kinds[k])));
		}
}

CLAUSE(other_sizes_are_refused_with_a_node_too,
       "kernel/futex/futex.h futex_flags_valid: FUTEX2_NUMA and FUTEX2_MPOL do not make another size than 32 bits "
       "valid",
       NEEDS_NUMA)
{
	static const unsigned int sizes[] = { FUTEX2_SIZE_U8, FUTEX2_SIZE_U16, FUTEX2_SIZE_U64 };
	struct word_and_node w[2] = { { 0, FUTEX_NO_NODE }, { 0, FUTEX_NO_NODE } };

	FOR_EACH(i, sizes)
		for (unsigned int more = 4; more <= 12; more += 4) {
			EXPECT_ERR(EINVAL, raw_syscall(FUTEX2_WAKE(w, 1, 1, sizes[i] | more)));
			EXPECT_ERR(EINVAL, raw_syscall(FUTEX2_WAIT(w, 1, 1, sizes[i] | more)));
		}
	EXPECT_EQ(FUTEX_NO_NODE, w[0].node);
}

CLAUSE(without_the_flag_what_stands_beside_the_word_is_not_touched,
       "include/uapi/linux/futex.h FUTEX2_NUMA: only with it the second word is a node",
       NEEDS_NUMA)
{
	struct word_and_node w = { 0, FUTEX_NO_NODE };

	EXPECT_RET(0, raw_syscall(FUTEX2_WAKE(&w, ANY, 1, PRIVATE_U32)));
	EXPECT_ERR(EAGAIN, raw_syscall(FUTEX2_WAIT(&w, 1, ANY, SHARED_U32)));
	EXPECT_RET(0, raw_syscall(FUTEX2_WAKE(&w, ANY, 1, PRIVATE_U32 | FUTEX2_MPOL)));
	EXPECT_EQ(FUTEX_NO_NODE, w.node);
	w.node = 4096;
	EXPECT_RET(0, raw_syscall(FUTEX2_WAKE(&w, ANY, 1, PRIVATE_U32)));
	EXPECT_RET(0, raw_syscall(FUTEX2_WAKE(&w.node, ANY, 1, PRIVATE_U32)));
}

CLAUSE(waits_whose_node_the_memory_policy_chooses_meet_their_wakes,
       "include/uapi/linux/futex.h FUTEX2_MPOL: the node is that of the memory's policy, if it has one: wait and "
       "wake with the flag meet",
       NEEDS_NUMA)
{
	static const unsigned int flags[] = { SHARED_U32 | FUTEX2_MPOL, PRIVATE_U32 | FUTEX2_MPOL };
	uint32_t *word = shared_memory(page_size());
	unsigned long node_0[16] = { 1 };

	for (int bound = 0; bound < 2; bound++) {
		if (bound && is_error(raw_syscall(__NR_mbind, word, page_size(), 2 /* MPOL_BIND */, node_0, 8 * sizeof(long), 0)))
			break;	// no NUMA in this kernel
		FOR_EACH(f, flags) {
			struct actor *a = actor_thread();

			ask(a, FUTEX2_WAIT(word, 0, ANY, flags[f]));
			ASSERT_TRUE(blocks(a));
			EXPECT_RET(1, raw_syscall(FUTEX2_WAKE(word, ANY, 9, flags[f])));
			EXPECT_RET(0, answer(a));
		}
	}
}

CLAUSE(words_with_nodes_are_waited_on_and_moved_together,
       "kernel/futex/syscalls.c futex_parse_waitv: futex_waitv and futex_requeue take entries with FUTEX2_NUMA",
       NEEDS_NUMA)
{
	struct word_and_node w[2] = { { 0, FUTEX_NO_NODE }, { 0, FUTEX_NO_NODE } };
	struct futex_waitv pair[2] = { entry_of(&w[0], 0, kinds[1]), entry_of(&w[1], 0, kinds[1]) };
	struct actor *a = actor_thread();

	ask(a, WAITV(pair, 2));
	ASSERT_TRUE(blocks(a));
	EXPECT_RET(1, raw_syscall(FUTEX2_WAKE(&w[1], ANY, 9, kinds[1])));
	EXPECT_RET(1, answer(a));
	ask(a, FUTEX2_WAIT(&w[0], 0, ANY, kinds[1]));
	ASSERT_TRUE(blocks(a));
	EXPECT_RET(1, raw_syscall(FUTEX2_REQUEUE(pair, 0, 9)));
	EXPECT_RET(0, raw_syscall(FUTEX2_WAKE(&w[0], ANY, 9, kinds[1])));
	EXPECT_RET(1, raw_syscall(FUTEX2_WAKE(&w[1], ANY, 9, kinds[1])));
	EXPECT_RET(0, answer(a));
}
