// SPDX-License-Identifier: GPL-2.0-only
// Registers while other threads use the CPU.
#include "clause.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "regs.h"
#include "sync.h"
#include "thread.h"

#define ROUNDS 24
#define STACK  (64 * 1024)

// One side of a game: reads a byte with every register full, then writes one for the other side.
static struct side {
	int in, out, is_over;
	unsigned long tp[ROUNDS];
	struct shot {
		struct arch_regs was, is;
		void *vec_was, *vec_is;
	} shots[ROUNDS];
} left, right;

static void set_up(struct side *s, int in, int out, unsigned int seed)
{
	s->in = in;
	s->out = out;
	for (int i = 0; i < ROUNDS; i++) {
		regs_fill(&s->shots[i].was, seed + i);
		s->shots[i].vec_was = vec_block(seed + i);
		s->shots[i].vec_is = vec_copy(s->shots[i].vec_was);
	}
}

static int play(void *side)
{
	struct side *s = side;
	char byte;

	for (int i = 0; i < ROUNDS; i++) {
		regs_set_syscall(&s->shots[i].was, __NR_read, s->in, (long)&byte, 1);
		arch_syscall_regs(&s->shots[i].was, &s->shots[i].is, s->shots[i].vec_is);
		s->tp[i] = arch_tp();
		raw_syscall(__NR_write, s->out, &byte, 1);
	}
	__atomic_store_n(&s->is_over, 1, __ATOMIC_RELEASE);
	return 0;
}

// Threads that are started afterwards stay on the CPU as well.
static bool stay_on_this_cpu(void)
{
	cpu_set_t here;

	CPU_ZERO(&here);
	CPU_SET(sched_getcpu(), &here);
	return !sched_setaffinity(0, sizeof(here), &here);
}

CLAUSE(a_sleeping_thread_keeps_its_registers_while_another_uses_them,
       "arch/*/kernel/process.c __switch_to, syscall(2): a system call that sleeps returns the caller's registers and"
       " thread pointer, whatever another thread of the process loads into the same CPU meanwhile [ABI-1] [incident 4]",
       .needed_by = "go:futex jvm:park glibc:INTERNAL_SYSCALL")
{
	char *stack = mmap(NULL, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	unsigned long tls[64] = { 0 }, own = arch_tp();
	struct arch_tls storage;
	int there[2], back[2];

	ASSERT_EQ(0, pipe(there));
	ASSERT_EQ(0, pipe(back));
	ASSERT_TRUE(stay_on_this_cpu());
	set_up(&left, back[0], there[1], 1);
	set_up(&right, there[0], back[1], 1 + ROUNDS);
	ASSERT_OK(raw_clone(THREAD_FLAGS | CLONE_SETTLS, stack + STACK, play, &right, NULL,
			    arch_tls_arg(&storage, tls), NULL));
	ASSERT_EQ(1, write(there[1], "x", 1));
	play(&left);
	ASSERT_TRUE(wait_until(__atomic_load_n(&right.is_over, __ATOMIC_ACQUIRE)));
	for (int i = 0; i < ROUNDS; i++) {
		for (struct side *s = &left; s; s = s == &left ? &right : NULL) {
			EXPECT_EQ(1, arch_regs_result(&s->shots[i].is));
			EXPECT_EQ(s == &left ? own : (unsigned long)tls, s->tp[i]);
			EXPECT_REGS(&s->shots[i].was, &s->shots[i].is, ARCH_SYSCALL_CLOBBERS);
			EXPECT_VEC_AFTER_SYSCALL(s->shots[i].vec_was, s->shots[i].vec_is);
		}
	}
}

static volatile int stop;

static int spin(void *block)
{
	arch_vec_spin(block, &stop, -1);
	return 0;
}

static long preemptions(void)
{
	struct rusage usage;

	return getrusage(RUSAGE_THREAD, &usage) ? 0 : usage.ru_nivcsw;
}

CLAUSE(a_preempted_thread_keeps_its_vector_registers,
       "arch/*/kernel/process.c __switch_to: a thread that is preempted in the midst of a computation finds floating"
       " point and vectors as they were, though others computed with other values [SRT-3] [CPU-1]",
       .needed_by = "go:signalM jvm:compiled-code")
{
	void *was = vec_block(1), *is = vec_copy(was), *other = vec_block(2), *others = vec_copy(other);
	long begun = preemptions();
	struct thread t;

	if (!was)
		SKIP(return, "the ABI has no such registers");
	ASSERT_TRUE(stay_on_this_cpu());
	ASSERT_OK(thread_start(&t, spin, others));
	for (int i = 0; i < 20 && preemptions() == begun; i++) {
		arch_vec_spin(is, &stop, 1000000);
		EXPECT_VEC(was, is);
	}
	stop = 1;
	ASSERT_TRUE(thread_join(&t));
	EXPECT_VEC(other, others);
}
