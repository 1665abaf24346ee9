// SPDX-License-Identifier: GPL-2.0-only
// rseq(2): the CPU, node and concurrency ids that the kernel keeps in a registered area.
#include "clause.h"
#include "rseq.h"
#include "sigaction.h"
#include "thread.h"

// Since Linux 6.3, with or without names in the auxiliary vector for an area that is longer.
static long has_node_id(void)
{
	return getauxval(AT_RSEQ_FEATURE_SIZE) >= 28 ? 0 : -ENOSYS;
}

#define NODE_AND_CID .since = KERNEL(6, 3), .config = "RSEQ", .probe = has_node_id, .needed_by = RSEQ_USERS

static int cpu_now(void)
{
	unsigned int cpu = -1;

	raw_syscall(__NR_getcpu, &cpu, NULL, NULL);
	return cpu;
}

CLAUSE(registering_fills_in_the_cpu,
       "include/uapi/linux/rseq.h cpu_id (5.10, 7.2): when rseq(2) returns, cpu_id and cpu_id_start hold the CPU that "
       "the thread runs "
       "on, whatever stood there [GLC-9]", RSEQ)
{
	AREA_OF_A_FREE_THREAD(area);

	for (int n = 0; n < 2 && rseq_cpu(n) >= 0; n++) {
		ASSERT_RET(0, rseq_pin(0, rseq_cpu(n)));
		area->cpu_id = RSEQ_UNINITIALIZED;
		area->cpu_id_start = 4095;
		ASSERT_RET(0, rseq_register(area));
		EXPECT_EQ(rseq_cpu(n), area->cpu_id);
		EXPECT_EQ(rseq_cpu(n), area->cpu_id_start);
		EXPECT_EQ(cpu_now(), area->cpu_id);
		EXPECT_RET(0, rseq_unregister(area));
	}
}

CLAUSE(the_cpu_follows_the_thread,
       "include/uapi/linux/rseq.h cpu_id (5.10, 7.2): whenever the thread returns to user mode on another CPU, cpu_id "
       "and cpu_id_start "
       "are that one [GLC-9] [RSQ-1]", .needs = "cpus=2", RSEQ)
{
	AREA_OF_A_FREE_THREAD(area);
	int cpus[] = { rseq_cpu(0), rseq_cpu(1) };

	ASSERT_RET(0, rseq_register(area));
	for (int round = 0; round < 20; round++) {
		ASSERT_RET(0, rseq_pin(0, cpus[round % 2]));
		EXPECT_EQ(cpus[round % 2], area->cpu_id);
		EXPECT_EQ(cpus[round % 2], area->cpu_id_start);
	}
}

struct stranger {
	volatile struct rseq *area;
	int cpu;
	volatile uint32_t word, stop, seen;
	struct thread thread;
};

// Registers an area of its own and reports the CPU that it shows, over and over.
static int shows_its_cpu(void *arg)
{
	struct stranger *s = arg;

	if (rseq_register(s->area))
		return 1;
	while (!s->stop) {
		s->seen = s->area->cpu_id;
		s->word++;
	}
	return 0;
}

CLAUSE(a_thread_moved_by_another_sees_it,
       "include/uapi/linux/rseq.h cpu_id (5.10, 7.2): a thread that is moved while it runs, by another's "
       "sched_setaffinity(2), goes on "
       "with the new CPU in its area [RSQ-1]", .needs = "cpus=2", RSEQ)
{
	struct stranger s = { .area = rseq_area() };
	int cpus[] = { rseq_cpu(0), rseq_cpu(1) };

	ASSERT_OK(thread_start(&s.thread, shows_its_cpu, &s));
	ASSERT_TRUE(wait_until(s.word));
	for (int round = 0; round < 10; round++) {
		uint32_t before;

		EXPECT_RET(0, rseq_pin(s.thread.known_as, cpus[round % 2]));
		// What it stored last may be from before; the store after that is not.
		before = s.word;
		EXPECT_TRUE(wait_until(s.word - before > 1));
		EXPECT_EQ(cpus[round % 2], s.seen);
	}
	s.stop = 1;
	EXPECT_TRUE(thread_join(&s.thread));
}

CLAUSE(each_thread_has_its_own_area,
       "kernel/rseq.c sys_rseq (5.10, 7.2): registration is of the calling thread: two threads of a process have areas "
       "of their own, and "
       "each shows its own CPU [GLC-9]", .needs = "cpus=2", RSEQ)
{
	AREA_OF_A_FREE_THREAD(area);
	struct stranger s = { .area = rseq_area() };
	int cpus[] = { rseq_cpu(0), rseq_cpu(1) };
	uint32_t before;

	ASSERT_RET(0, rseq_pin(0, cpus[0]));
	ASSERT_RET(0, rseq_register(area));
	ASSERT_OK(thread_start(&s.thread, shows_its_cpu, &s));
	EXPECT_RET(0, rseq_pin(s.thread.known_as, cpus[1]));
	before = s.word;
	EXPECT_TRUE(wait_until(s.word - before > 1));
	EXPECT_EQ(cpus[1], s.seen);
	EXPECT_EQ(cpus[0], area->cpu_id);
	s.stop = 1;
	EXPECT_TRUE(thread_join(&s.thread));
}

static int counts_up(void *arg)
{
	struct stranger *s = arg;

	if (rseq_pin(0, s->cpu))
		return 1;
	while (!s->stop) {
		s->word++;
		raw_syscall(__NR_sched_yield);
	}
	return 0;
}

CLAUSE(preemption_rewrites_the_ids_of_an_area_of_32_bytes,
       "include/linux/rseq.h rseq_sched_switch_event (7.2): an area of the original length has its ids written after "
       "each context "
       "switch; TCMalloc marks cpu_id_start and waits for that [RSQ-2] [incident 33]", RSEQ)
{
	AREA_OF_A_FREE_THREAD(area);
	struct stranger s = { .cpu = rseq_cpu(0) };

	if (config_is_set("DEBUG_RSEQ") == 1 || config_is_set("RSEQ_DEBUG_DEFAULT_ENABLE") == 1)
		SKIP(return, "a debugging kernel ends who writes to the ids");
	ASSERT_RET(0, rseq_register(area));
	ASSERT_RET(0, rseq_pin(0, s.cpu));
	ASSERT_OK(thread_start(&s.thread, counts_up, &s));
	for (int round = 0; round < 5; round++) {
		uint32_t before;

		// The other thread runs on this CPU only: when it has counted, this one was preempted.
		EXPECT_TRUE(wait_until(s.word > round));
		area->cpu_id_start = s.cpu | 1U << 31;
		before = s.word;
		while (s.word == before && task_state(s.thread.known_as) != 0)
			raw_syscall(__NR_sched_yield);
		EXPECT_EQ(s.cpu, area->cpu_id_start);
	}
	s.stop = 1;
	EXPECT_TRUE(thread_join(&s.thread));
}

static void does_nothing(int sig, siginfo_t *info, void *ucontext)
{
}

CLAUSE(the_end_of_the_original_area_is_left_alone,
       "include/linux/rseq_entry.h (7.2), include/uapi/linux/rseq.h (5.10): in an area of 32 bytes the kernel writes "
       "none of the last four; "
       "allocators keep fields of their own there [RSQ-2]", RSEQ)
{
	AREA_OF_A_FREE_THREAD(area);

	ASSERT_RET(0, rseq_register(area));
	area->slice_ctrl = 0xa5a5a5a5;
	memset((void *)area->later, GUARD_BYTE, sizeof(area->later));
	ASSERT_RET(0, raw_sigaction(SIGUSR1, does_nothing, 0));
	for (int n = 0; n < 4; n++) {
		if (rseq_cpu(n % 2) >= 0)
			rseq_pin(0, rseq_cpu(n % 2));
		raw_syscall(__NR_tgkill, getpid(), raw_syscall(__NR_gettid), SIGUSR1);
		raw_syscall(__NR_sched_yield);
	}
	EXPECT_RET(0, rseq_unregister(area));
	EXPECT_EQ(0xa5a5a5a5, area->slice_ctrl);
	for (unsigned int i = 0; i < sizeof(area->later); i++)
		EXPECT_EQ(GUARD_BYTE, area->later[i]);
}

CLAUSE(the_node_is_that_of_the_cpu,
       "include/uapi/linux/rseq.h node_id (6.3, 7.2): holds the NUMA node of the current CPU, and 0 once the area is "
       "given back",
       NODE_AND_CID)
{
	AREA_OF_A_FREE_THREAD(area);
	unsigned int cpu, node = -1;

	for (int n = 0; n < 2 && rseq_cpu(n) >= 0; n++) {
		ASSERT_RET(0, rseq_pin(0, rseq_cpu(n)));
		area->node_id = 4095;
		ASSERT_RET(0, rseq_register(area));
		ASSERT_RET(0, raw_syscall(__NR_getcpu, &cpu, &node, NULL));
		EXPECT_EQ(node, area->node_id);
		EXPECT_RET(0, rseq_unregister(area));
		EXPECT_EQ(0, area->node_id);
	}
}

CLAUSE(an_area_that_is_given_back_has_no_ids,
       "kernel/rseq.c rseq_reset_rseq_cpu_node_id (6.3), rseq_reset_ids (7.2): node_id and mm_cid are 0 once the "
       "area is "
       "given back, whatever they were", NODE_AND_CID)
{
	AREA_OF_A_FREE_THREAD(area);

	for (int round = 0; round < 4; round++) {
		ASSERT_RET(0, rseq_register(area));
		area->node_id = 4095;
		area->mm_cid = 4095;
		EXPECT_RET(0, rseq_unregister(area));
		EXPECT_EQ(0, area->node_id);
		EXPECT_EQ(0, area->mm_cid);
	}
}

struct runner {
	volatile struct rseq *area;
	volatile uint32_t *after, *entered, *word;
	volatile int is_ready;
	int cpu, cid;
	struct thread thread;
};

// One section; cid is -1 unless the thread was in it from beginning to end under one id. A preemption may abort it before it
// says that it has begun, and nobody waits for that for ever.
static void run_section(struct runner *r)
{
	static struct rseq_cs cs;	// after its end the area still names it
	int before = r->area->mm_cid;

	cs = rseq_section();
	r->cid = arch_rseq_spin(r->area, &cs, r->entered, r->word) == 0 && before == (int)r->area->mm_cid ? before : -1;
	++*r->entered;
}

static int runs_section(void *arg)
{
	struct runner *r = arg;

	if (rseq_register(r->area) || rseq_pin(0, r->cpu))
		return 1;
	r->is_ready = 1;
	while (!*r->after)
		arch_pause();
	run_section(r);
	return 0;
}

// This thread's section ends when the other's has begun, that one's after the end of this one: true if there was a
// moment when both were inside, which a preemption of either spoils.
static bool both_at_once(struct runner *mine, struct runner *other)
{
	volatile uint32_t *words = guarded(512);
	bool started;

	memset((void *)words, 0, 512);
	mine->entered = other->after = words;
	mine->word = other->entered = words + 32;
	other->word = words + 64;
	other->cid = -1;
	other->is_ready = 0;
	started = !is_error(thread_start(&other->thread, runs_section, other));
	while (started && !thread_is_gone(&other->thread) && !other->is_ready)
		raw_syscall(__NR_sched_yield);
	run_section(mine);
	while (started && !thread_is_gone(&other->thread)) {
		words[64]++;
		raw_syscall(__NR_sched_yield);
	}
	started = started && thread_join(&other->thread);
	guard_free((void *)words);
	return started && mine->cid >= 0 && other->cid >= 0;
}

CLAUSE(threads_that_run_at_once_have_concurrency_ids_of_their_own,
       "include/uapi/linux/rseq.h mm_cid (6.3, 7.2): a concurrency id belongs to one running thread of an address "
       "space at a time, and is "
       "less than the number of possible CPUs", .needs = "cpus=2", .timeout = 30, NODE_AND_CID)
{
	AREA_OF_A_FREE_THREAD(area);
	struct runner mine = { .area = area }, other = { .area = rseq_area(), .cpu = rseq_cpu(1) };
	int shown = 0;

	NEEDS_A_SECTION;
	ASSERT_RET(0, rseq_register(area));
	ASSERT_RET(0, rseq_pin(0, rseq_cpu(0)));
	for (int tries = 0; tries < 40 && shown < 2; tries++) {
		if (!both_at_once(&mine, &other))
			continue;
		shown++;
		EXPECT_NE(mine.cid, other.cid);
		EXPECT_LT(mine.cid, sysconf(_SC_NPROCESSORS_CONF));
		EXPECT_LT(other.cid, sysconf(_SC_NPROCESSORS_CONF));
	}
	if (!shown)
		SKIP(return, "this machine never ran two threads at once for long enough");
}
