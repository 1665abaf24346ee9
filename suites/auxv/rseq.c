// SPDX-License-Identifier: GPL-2.0-only
// AT_RSEQ_FEATURE_SIZE and AT_RSEQ_ALIGN, against what rseq(2) takes.
#include "clause.h"

#include <sys/mman.h>

#include "auxv.h"
#include "guard.h"
#include "thread.h"

#define ORIGINAL_SIZE 32	/* the size and alignment that every kernel with rseq takes */
#define ORIGINAL_FEATURES 20
#define UNREGISTER 1

enum { CPU_ID_START, CPU_ID, NODE_ID = 5, MM_CID };	// words of struct rseq

#define FEATURE_FIX "317c8194e6ae rseq: Introduce feature size and alignment ELF auxiliary vector entries"

static long rseq_vector_probe(void)
{
	return aux_find(aux_on_stack(), AT_RSEQ_FEATURE_SIZE) ? 0 : -ENOSYS;
}

#define RSEQ_VECTOR .since = KERNEL(6, 3), .config = "RSEQ", .probe = rseq_vector_probe, .commit = FEATURE_FIX

// A new thread has no area registered yet: it registers one, looks, and unregisters.
struct registration {
	char *area;
	unsigned long size;
	long registered, again, unregistered;
	unsigned int words[8];		// of the area, once registered
};

static int register_area(void *arg)
{
	struct registration *r = arg;

	r->registered = raw_syscall(__NR_rseq, r->area, r->size, 0, ARCH_RSEQ_SIG);
	if (r->registered)
		return 0;
	memcpy(r->words, r->area, sizeof(r->words));
	r->again = raw_syscall(__NR_rseq, r->area, r->size, 0, ARCH_RSEQ_SIG);
	r->unregistered = raw_syscall(__NR_rseq, r->area, r->size, UNREGISTER, ARCH_RSEQ_SIG);
	return 0;
}

static char *areas(void)
{
	return mmap(NULL, 2 * page_size(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static struct registration registration_of(char *area, unsigned long size)
{
	struct registration r = { .area = area, .size = size, .registered = -ECHILD };
	struct thread t;

	if (is_error(thread_start(&t, register_area, &r)) || !thread_join(&t))
		r.registered = -ECHILD;
	return r;
}

CLAUSE(rseq_feature_size_covers_the_first_features,
       "include/uapi/linux/rseq.h struct rseq (7.2): AT_RSEQ_FEATURE_SIZE is where the last supported field ends: at"
       " least the 20 bytes of 4.18, and in few cache lines", RSEQ_VECTOR, .needed_by = "glibc:_dl_rseq_feature_size")
{
	EXPECT_GE(own_aux(AT_RSEQ_FEATURE_SIZE), ORIGINAL_FEATURES);
	EXPECT_LE(own_aux(AT_RSEQ_FEATURE_SIZE), page_size());
}

CLAUSE(rseq_align_is_a_power_of_two_of_at_least_32,
       "fs/binfmt_elf.c AT_RSEQ_ALIGN (7.2): the alignment for the area, never less than the original 32 bytes",
       RSEQ_VECTOR, .needed_by = "glibc:_dl_rseq_align")
{
	unsigned long align = own_aux(AT_RSEQ_ALIGN);

	EXPECT_GE(align, ORIGINAL_SIZE);
	EXPECT_EQ(0, align & (align - 1));
	EXPECT_LE(align, page_size());
}

CLAUSE(an_area_of_the_advertised_size_and_alignment_is_taken,
       "kernel/rseq.c sys_rseq (7.2): an area as AT_RSEQ_FEATURE_SIZE and AT_RSEQ_ALIGN say, and of 32 bytes at"
       " least, can be registered", RSEQ_VECTOR, .needed_by = "glibc:rseq_register_current_thread")
{
	unsigned long align = own_aux(AT_RSEQ_ALIGN), features = own_aux(AT_RSEQ_FEATURE_SIZE);
	unsigned long size = features > ORIGINAL_SIZE ? features : ORIGINAL_SIZE;
	struct registration r = registration_of(areas() + align, size);

	EXPECT_RET(0, r.registered);
	EXPECT_LT(r.words[CPU_ID_START], 0x80000000);
	EXPECT_LT(r.words[CPU_ID], 0x80000000);
	EXPECT_ERR(EBUSY, r.again);
	EXPECT_RET(0, r.unregistered);
	r = registration_of(areas() + align, (size + align - 1) & -align);
	EXPECT_RET(0, r.registered);
	EXPECT_RET(0, r.unregistered);
}

CLAUSE(features_that_the_size_covers_are_filled,
       "include/uapi/linux/rseq.h struct rseq (7.2): node_id and mm_cid are updated by the kernel, if"
       " AT_RSEQ_FEATURE_SIZE reaches beyond them", RSEQ_VECTOR)
{
	unsigned long features = own_aux(AT_RSEQ_FEATURE_SIZE);
	char *area = areas();
	struct registration r;

	((unsigned int *)area)[NODE_ID] = ((unsigned int *)area)[MM_CID] = 0x80000000;
	r = registration_of(area, ORIGINAL_SIZE);
	ASSERT_RET(0, r.registered);
	if (features >= (NODE_ID + 1) * sizeof(int))
		EXPECT_LT(r.words[NODE_ID], 0x80000000);
	if (features >= (MM_CID + 1) * sizeof(int))
		EXPECT_LT(r.words[MM_CID], 0x80000000);
}

static long rseq_probe(void)
{
	// Nothing is registered by an area that is not aligned.
	long result = raw_syscall(__NR_rseq, 1, ORIGINAL_SIZE, 0, ARCH_RSEQ_SIG);

	return result == -ENOSYS ? result : 0;
}

CLAUSE(an_area_of_the_original_size_is_taken,
       "kernel/rseq.c sys_rseq (7.2): an area of 32 bytes at 32 bytes' alignment can be registered, whatever has been"
       " added since",
       .config = "RSEQ", .probe = rseq_probe, .needed_by = "glibc:rseq_register_current_thread tcmalloc:percpu")
{
	struct registration r = registration_of(areas(), ORIGINAL_SIZE);

	EXPECT_RET(0, r.registered);
	EXPECT_LT(r.words[CPU_ID_START], 0x80000000);
	EXPECT_LT(r.words[CPU_ID], 0x80000000);
	EXPECT_ERR(EBUSY, r.again);
	EXPECT_RET(0, r.unregistered);
}

CLAUSE(an_area_that_is_smaller_or_crooked_is_refused,
       "kernel/rseq.c sys_rseq (7.2): EINVAL for less than 32 bytes, and for an area of 32 bytes that is not aligned"
       " to 32",
       .config = "RSEQ", .probe = rseq_probe)
{
	char *area = areas();

	EXPECT_ERR(EINVAL, registration_of(area, 0).registered);
	EXPECT_ERR(EINVAL, registration_of(area, ORIGINAL_FEATURES).registered);
	EXPECT_ERR(EINVAL, registration_of(area, ORIGINAL_SIZE - 1).registered);
	for (int offset = 1; offset < ORIGINAL_SIZE; offset *= 2)
		EXPECT_ERR(EINVAL, registration_of(area + offset, ORIGINAL_SIZE).registered);
}
