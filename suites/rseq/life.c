// SPDX-License-Identifier: GPL-2.0-only
// rseq(2): what becomes of a registration in fork, clone, vfork, exec and exit.
#include "clause.h"
#include "rseq.h"
#include "thread.h"

#include <linux/sched.h>
#include <stdlib.h>

CLAUSE(fork_hands_the_registration_on,
       "include/linux/rseq.h rseq_fork (5.10, 7.2): a child with memory of its own has the parent's area registered, "
       "and the kernel keeps "
       "the CPU in the child's copy up to date [RSQ-1]", RSEQ)
{
	AREA_OF_A_FREE_THREAD(area);

	ASSERT_RET(0, rseq_register(area));
	IN_CHILD {
		EXPECT_ERR(EBUSY, rseq_register(area));
		for (int n = 0; n < 2 && rseq_cpu(n) >= 0; n++) {
			ASSERT_RET(0, rseq_pin(0, rseq_cpu(n)));
			EXPECT_EQ(rseq_cpu(n), area->cpu_id);
			EXPECT_EQ(rseq_cpu(n), area->cpu_id_start);
		}
		EXPECT_RET(0, rseq_unregister(area));
	}
	EXPECT_NE(RSEQ_UNINITIALIZED, area->cpu_id);
	EXPECT_ERR(EBUSY, rseq_register(area));
}

struct newcomer {
	volatile struct rseq *inherited, *own;
	long unregister, registered, again;
};

static int tries_both(void *arg)
{
	struct newcomer *n = arg;

	n->unregister = rseq_unregister(n->inherited);
	n->registered = rseq_register(n->own);
	n->again = rseq_register(n->own);
	rseq_unregister(n->own);
	return 0;
}

CLAUSE(a_new_thread_has_no_area,
       "include/linux/rseq.h rseq_fork (5.10, 7.2): a thread (CLONE_VM) starts unregistered, with rseq(2) free to take "
       "an area of its own, "
       "and the creator keeps his [CLN-8] [RSQ-2] [GLC-9]", RSEQ)
{
	AREA_OF_A_FREE_THREAD(area);
	struct newcomer n = { area, rseq_area(), 1, 1, 1 };
	struct thread t;

	ASSERT_RET(0, rseq_register(area));
	ASSERT_OK(thread_start(&t, tries_both, &n));
	ASSERT_TRUE(thread_join(&t));
	EXPECT_ERR(EINVAL, n.unregister);
	EXPECT_RET(0, n.registered);
	EXPECT_ERR(EBUSY, n.again);
	EXPECT_NE(RSEQ_UNINITIALIZED, area->cpu_id);
	EXPECT_RET(0, rseq_unregister(area));
}

CLAUSE(a_vfork_child_has_no_area,
       "include/linux/rseq.h rseq_fork (5.10, 7.2): a child that borrows the parent's memory (CLONE_VM, no thread) "
       "starts unregistered and "
       "leaves the parent's area alone [CLN-8] [GLC-13]", RSEQ)
{
	AREA_OF_A_FREE_THREAD(area);
	struct newcomer n = { area, rseq_area(), 1, 1, 1 };
	long child;

	ASSERT_RET(0, rseq_register(area));
	child = raw_vfork(0, tries_both, &n);
	ASSERT_OK(child);
	ASSERT_RET(child, raw_syscall(__NR_wait4, child, NULL, 0, NULL));
	EXPECT_ERR(EINVAL, n.unregister);
	EXPECT_RET(0, n.registered);
	EXPECT_ERR(EBUSY, n.again);
	EXPECT_ERR(EBUSY, rseq_register(area));
	EXPECT_RET(0, rseq_unregister(area));
}

AFTER_EXEC(registers_again)
{
	volatile struct rseq *area = rseq_area();

	if (rseq_register(area) != 0)
		return 1;
	if (area->cpu_id == RSEQ_UNINITIALIZED)
		return 2;
	return 0;
}

CLAUSE(exec_forgets_the_area,
       "include/linux/rseq.h rseq_execve (5.10, 7.2): a new program starts unregistered [CLN-8] [GLC-9]", RSEQ)
{
	AREA_OF_A_FREE_THREAD(area);

	IN_CHILD {
		// glibc, told so, leaves rseq(2) to the program.
		setenv("GLIBC_TUNABLES", "glibc.pthread.rseq=0", 1);
		ASSERT_RET(0, rseq_register(area));
		execute_self(registers_again);
		_exit(126);
	}
}

CLAUSE(an_exec_that_fails_keeps_the_area,
       "fs/exec.c bprm_execve (5.10, 7.2): after an execve(2) that fails the area is registered as before and its CPU "
       "right",
       RSEQ)
{
	AREA_OF_A_FREE_THREAD(area);
	char *nothing[] = { NULL };

	ASSERT_RET(0, rseq_register(area));
	ASSERT_RET(0, rseq_pin(0, rseq_cpu(0)));
	EXPECT_ERR(ENOENT, raw_syscall(__NR_execve, "/nowhere/at/all", nothing, nothing));
	EXPECT_ERR(EACCES, raw_syscall(__NR_execve, "/proc", nothing, nothing));
	EXPECT_EQ(rseq_cpu(0), area->cpu_id);
	EXPECT_ERR(EBUSY, rseq_register(area));
	for (int n = 0; n < 2 && rseq_cpu(n) >= 0; n++) {
		ASSERT_RET(0, rseq_pin(0, rseq_cpu(n)));
		EXPECT_EQ(rseq_cpu(n), area->cpu_id);
	}
}

static int registers_and_ends(void *arg)
{
	struct newcomer *n = arg;

	n->registered = rseq_register(n->own);
	return 0;
}

CLAUSE(the_end_of_a_thread_ends_its_registration,
       "kernel/rseq.c (5.10, 7.2): a thread may end with its area registered; nothing is written there afterwards, and "
       "another thread may "
       "register it at once [GLC-9]", RSEQ)
{
	struct newcomer n = { .own = rseq_area() };
	struct thread t;

	for (int round = 0; round < 3; round++) {
		n.registered = 1;
		ASSERT_OK(thread_start(&t, registers_and_ends, &n));
		ASSERT_TRUE(thread_join(&t));
		EXPECT_RET(0, n.registered);
	}
	n.own->cpu_id = n.own->cpu_id_start = 4095;
	ASSERT_TRUE(rseq_is_free());
	for (int m = 0; m < 2 && rseq_cpu(m) >= 0; m++)
		ASSERT_RET(0, rseq_pin(0, rseq_cpu(m)));
	EXPECT_EQ(4095, n.own->cpu_id);
	EXPECT_EQ(4095, n.own->cpu_id_start);
}
