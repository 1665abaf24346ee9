// SPDX-License-Identifier: GPL-2.0-only
// membarrier(2): commands, registration and refusals.
#include "clause.h"
#include "../rseq/rseq.h"
#include "sync.h"
#include "thread.h"

#include <linux/membarrier.h>

#ifndef MEMBARRIER_CMD_GET_REGISTRATIONS
#define MEMBARRIER_CMD_GET_REGISTRATIONS (1 << 9)	// Linux 6.3
#endif

#define USERS "dotnet:FlushProcessWriteBuffers jvm:SystemMemoryBarrier musl:dynamic_tls tcmalloc:rseq_fence"

#define barrier(cmd)             raw_syscall(__NR_membarrier, cmd, 0, 0)
#define barrier_with(cmd, flags) raw_syscall(__NR_membarrier, cmd, flags, 0)

static long query(void)
{
	return barrier(MEMBARRIER_CMD_QUERY);
}

#define MEMBARRIER .config = "MEMBARRIER", .probe = query, .needed_by = USERS

// Each expedited command and what must have been said before it.
static const struct {
	int command, registration;
} expedited[] = {
	{ MEMBARRIER_CMD_PRIVATE_EXPEDITED,           MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED },
	{ MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE },
	{ MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ,      MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_RSEQ },
};

CLAUSE(query_names_the_commands_that_work,
       "membarrier(2) MEMBARRIER_CMD_QUERY: returns a bit mask of the supported commands; the private expedited ones "
       "come with their "
       "registration [NET-1] [MUS-5]", MEMBARRIER)
{
	long mask = query();

	ASSERT_OK(mask);
	EXPECT_NE(0, mask & MEMBARRIER_CMD_PRIVATE_EXPEDITED);
	for (unsigned int i = 0; i < ARRAY_SIZE(expedited); i++)
		EXPECT_EQ(!(mask & expedited[i].command), !(mask & expedited[i].registration));
	EXPECT_EQ(!(mask & MEMBARRIER_CMD_GLOBAL_EXPEDITED), !(mask & MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED));
	EXPECT_EQ(mask, query());
}

CLAUSE(flags_are_refused_but_for_the_one_command_that_takes_one,
       "membarrier(2) ERRORS EINVAL: flags must be 0 for every command but PRIVATE_EXPEDITED_RSEQ, whose one flag is "
       "FLAG_CPU",
       MEMBARRIER)
{
	for (int command = 0; command < 1 << 10; command = command ? command << 1 : 1) {
		for (int bit = 0; bit < 32; bit++) {
			if (command == MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ && 1U << bit == MEMBARRIER_CMD_FLAG_CPU)
				continue;
			EXPECT_ERR(EINVAL, barrier_with(command, 1U << bit)) TH_LOG("command %#x flag %#x", command, 1U << bit);
		}
	}
	EXPECT_ERR(EINVAL, barrier_with(MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ, 3));
}

CLAUSE(unknown_commands_are_refused,
       "membarrier(2) ERRORS EINVAL: cmd is invalid: several commands at once, or a bit that QUERY does not "
       "name", MEMBARRIER)
{
	long mask = query();

	EXPECT_ERR(EINVAL, barrier(-1));
	EXPECT_ERR(EINVAL, barrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED | MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED));
	for (int bit = 10; bit < 32; bit++) {
		if (!(mask & 1L << bit)) {
			EXPECT_ERR(EINVAL, barrier(1U << bit));
		}
	}
}

CLAUSE(an_expedited_barrier_needs_its_registration,
       "membarrier(2) ERRORS EPERM: the process was not registered prior to using private expedited commands; each "
       "kind has its own "
       "registration [NET-1]", MEMBARRIER)
{
	long mask = query();

	for (unsigned int i = 0; i < ARRAY_SIZE(expedited); i++) {
		if (!(mask & expedited[i].command)) {
			EXPECT_ERR(EINVAL, barrier(expedited[i].command));
			EXPECT_ERR(EINVAL, barrier(expedited[i].registration));
			continue;
		}
		IN_CHILD {
			execute_self(registers_one_kind, (char[]){ '0' + i, 0 });
			_exit(126);
		}
	}
}

// A fresh address space: registers the kind given, after which that one works, and sync_core and rseq bring no other.
AFTER_EXEC(registers_one_kind)
{
	unsigned int kind = argv[0][0] - '0';
	long mask = query();

	for (unsigned int i = 0; i < ARRAY_SIZE(expedited); i++)
		if (mask & expedited[i].command && barrier(expedited[i].command) != -EPERM)
			return 10 + i;
	if (barrier(expedited[kind].registration) != 0)
		return 20;
	if (barrier(expedited[kind].registration) != 0)
		return 21;	// a second time is harmless
	if (barrier(expedited[kind].command) != 0)
		return 22;
	for (unsigned int i = 0; i < ARRAY_SIZE(expedited); i++)
		if (i != kind && mask & expedited[i].command && barrier(expedited[i].command) != -EPERM)
			return 30 + i;
	return 0;
}

AFTER_EXEC(exits_with_zero_if_unregistered)
{
	return barrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED) != -EPERM;
}

CLAUSE(execve_forgets_the_registration,
       "kernel/sched/membarrier.c membarrier_exec_mmap (5.10, 7.2): a new program starts unregistered", MEMBARRIER)
{
	ASSERT_RET(0, barrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED));
	IN_CHILD {
		execute_self(exits_with_zero_if_unregistered);
		_exit(126);
	}
}

static int barrier_in_thread(void *arg)
{
	*(long *)arg = raw_syscall(__NR_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0);
	return 0;
}

CLAUSE(one_threads_registration_serves_all,
       "membarrier(2): registration is of the process: threads made before and after it may issue the barrier "
       "[MUS-5]", MEMBARRIER)
{
	struct thread t;
	long result = -1;

	ASSERT_RET(0, barrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED));
	ASSERT_OK(thread_start(&t, barrier_in_thread, &result));
	ASSERT_TRUE(thread_join(&t));
	EXPECT_RET(0, result);
}

CLAUSE(global_barriers_end,
       "membarrier(2) MEMBARRIER_CMD_GLOBAL: returns 0 once all running threads have passed through a barrier; "
       "GLOBAL_EXPEDITED "
       "needs no registration of the caller", MEMBARRIER)
{
	long mask = query();

	if (mask & MEMBARRIER_CMD_GLOBAL)
		EXPECT_RET(0, barrier(MEMBARRIER_CMD_GLOBAL));
	if (mask & MEMBARRIER_CMD_GLOBAL_EXPEDITED) {
		EXPECT_RET(0, barrier(MEMBARRIER_CMD_GLOBAL_EXPEDITED));
		EXPECT_RET(0, barrier(MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED));
		EXPECT_RET(0, barrier(MEMBARRIER_CMD_GLOBAL_EXPEDITED));
	}
}

static long probe_registrations(void)
{
	return barrier(MEMBARRIER_CMD_GET_REGISTRATIONS);
}

CLAUSE(registrations_can_be_read_back,
       "membarrier(2) MEMBARRIER_CMD_GET_REGISTRATIONS: returns a bit mask of the registration commands issued",
       .since = KERNEL(6, 3), .config = "MEMBARRIER", .probe = probe_registrations, .absent_errno = EINVAL, .needed_by = USERS)
{
	long mask = query();

	long issued = barrier(MEMBARRIER_CMD_GET_REGISTRATIONS);

	EXPECT_EQ(0, issued & ~mask);
	EXPECT_RET(0, barrier(MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED));
	issued |= MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED;
	EXPECT_RET(issued, barrier(MEMBARRIER_CMD_GET_REGISTRATIONS));
	for (unsigned int i = 0; i < ARRAY_SIZE(expedited); i++) {
		if (!(mask & expedited[i].registration))
			continue;
		EXPECT_RET(0, barrier(expedited[i].registration));
		issued |= expedited[i].registration;
		EXPECT_RET(issued, barrier(MEMBARRIER_CMD_GET_REGISTRATIONS));
	}
}

// Store buffering: each side writes its own word and reads the other's. Without a barrier both may read the old value; the fast
// side has none but the compiler's, and the slow side's membarrier(2) stands for both.
//
//	fast: a = 1; (compiler barrier); r1 = b        slow: b = 1; membarrier(); r2 = a        forbidden: r1 == 0 && r2 == 0
struct litmus {
	volatile int a __attribute__((aligned(128)));
	volatile int b __attribute__((aligned(128)));
	volatile int round __attribute__((aligned(128)));
	volatile int fast_done __attribute__((aligned(128)));
	volatile int r1;
};

#define ROUNDS 500
#define SURE_ROUNDS 50			// on a machine so slow that all of them take more than ENOUGH_NS
#define ENOUGH_NS 1000000000LL

static int fast_side(void *arg)
{
	struct litmus *l = arg;

	rseq_pin(0, rseq_cpu(1));
	for (int round = 1; round <= ROUNDS; round++) {
		// Spins, to meet the other side's store at once; yields in the end, in case both share a CPU.
		for (int spins = 0; l->round != round; spins++)
			if (l->round < 0)
				return 0;
			else if (spins > 1000)
				raw_syscall(__NR_sched_yield);
		l->a = 1;
		__asm__ volatile("" ::: "memory");
		l->r1 = l->b;
		__atomic_store_n(&l->fast_done, round, __ATOMIC_RELEASE);
	}
	return 0;
}

CLAUSE(the_callers_barrier_orders_the_other_threads_accesses,
       "membarrier(2): the call makes the accesses of every running thread of the process ordered against the "
       "caller's, as if each "
       "had executed a full barrier meanwhile", .needs = "cpus=2", .timeout = 40, MEMBARRIER)
{
	long long until = monotonic_ns() + ENOUGH_NS;
	struct litmus l = { 0 };
	struct thread t;

	ASSERT_RET(0, barrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED));
	ASSERT_RET(0, rseq_pin(0, rseq_cpu(0)));
	ASSERT_OK(thread_start(&t, fast_side, &l));
	for (int round = 1; round <= ROUNDS && (round <= SURE_ROUNDS || monotonic_ns() < until); round++) {
		int r2;

		l.a = 0;
		l.b = 0;
		__sync_synchronize();
		l.round = round;
		// The other side takes its time to see the round: both must act at about the same moment.
		for (volatile int delay = round % 300; delay > 0; delay--)
			;
		l.b = 1;
		ASSERT_RET(0, barrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED));
		r2 = l.a;
		while (__atomic_load_n(&l.fast_done, __ATOMIC_ACQUIRE) != round)
			raw_syscall(__NR_sched_yield);
		ASSERT_TRUE(l.r1 || r2);
	}
	l.round = -1;
	ASSERT_TRUE(thread_join(&t));
}
