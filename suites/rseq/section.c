// SPDX-License-Identifier: GPL-2.0-only
// rseq(2): critical sections are aborted by preemption, migration and signals, and only descriptors that hold are used.
#include "clause.h"
#include "arch_frame.h"
#include "plain_sigaction.h"
#include "rseq.h"
#include "sigaction.h"
#include "worker.h"

#include <sys/resource.h>

static volatile struct rseq *noted_area;
static volatile struct {
	int signals, inside, at_abort, uncleared;
	int nest, nested;
} handled;

static uint32_t some_word;

// Runs the section until its instruction faults: a preemption just before that aborts it without a signal. Returns what
// the last run did.
static long run_into_the_fault(volatile struct rseq *area, const struct rseq_cs *cs)
{
	const int before = handled.signals;
	long result;

	do
		result = arch_rseq_spin(area, cs, forbidden_page(), &some_word);
	while (result == 1 && handled.signals == before);
	return result;
}

// Notes where the thread goes on as the kernel has it. On a kernel that would go on in the section: not there.
static void notes_the_pc(int sig, siginfo_t *info, void *ucontext)
{
	unsigned long pc = UC_PC(ucontext);

	handled.signals++;
	handled.at_abort += pc == (unsigned long)arch_rseq_abort;
	handled.uncleared += noted_area->rseq_cs != 0;
	if (rseq_is_inside(pc)) {
		handled.inside++;
		UC_PC(ucontext) = (unsigned long)arch_rseq_abort;
	}
	if (handled.nest-- > 0) {
		struct rseq_cs cs = rseq_section();

		handled.nested += run_into_the_fault(noted_area, &cs);
	}
}

static int counts_up(void *arg)
{
	struct worker *w = arg;

	rseq_pin(0, w->cpu);
	while (!w->stop) {
		(*w->word)++;
		if (w->request)
			raw_syscall(__NR_sched_yield);
	}
	return 0;
}

CLAUSE(a_section_that_nobody_interrupts_ends,
       "include/uapi/linux/rseq.h struct rseq_cs (5.10, 7.2): a critical section that is not preempted, migrated or "
       "hit by a signal runs "
       "to its end [RSQ-1]", .needs = "cpus=2", .timeout = 30, RSEQ)
{
	AREA_OF_A_FREE_THREAD(area);
	struct rseq_cs cs = rseq_section();
	struct worker counter = { .cpu = rseq_cpu(1), .word = rseq_words() };
	int ended = 0;

	NEEDS_A_SECTION;
	ASSERT_RET(0, rseq_register(area));
	ASSERT_RET(0, rseq_pin(0, rseq_cpu(0)));
	ASSERT_OK(thread_start(&counter.thread, counts_up, &counter));
	EXPECT_TRUE(wait_until((ended += arch_rseq_spin(area, &cs, counter.word + 32, counter.word) == 0) >= 3));
	area->rseq_cs = 0;	// cs is about to go
	counter.stop = 1;
	EXPECT_TRUE(thread_join(&counter.thread));
}

CLAUSE(preemption_aborts_a_section,
       "kernel/rseq.c (5.10, 7.2): a section that was preempted is aborted, also when the thread goes on on the same "
       "CPU: it never sees "
       "what another thread did on this CPU meanwhile [RSQ-1] [incident 32]", RSEQ)
{
	AREA_OF_A_FREE_THREAD(area);
	struct rseq_cs cs = rseq_section();
	struct worker counter = { .cpu = rseq_cpu(0), .word = rseq_words(), .request = 1 };

	NEEDS_A_SECTION;
	ASSERT_RET(0, rseq_register(area));
	ASSERT_RET(0, rseq_pin(0, counter.cpu));
	ASSERT_OK(thread_start(&counter.thread, counts_up, &counter));
	EXPECT_TRUE(wait_until(*counter.word));
	for (int round = 0; round < 5; round++) {
		// The word changes only while the other thread has this CPU.
		EXPECT_EQ(1, arch_rseq_spin(area, &cs, counter.word + 32, counter.word));
		EXPECT_EQ(0, area->rseq_cs);
		EXPECT_EQ(counter.cpu, area->cpu_id);
	}
	counter.stop = 1;
	EXPECT_TRUE(thread_join(&counter.thread));
}

CLAUSE(a_fault_in_a_section_aborts_it,
       "kernel/rseq.c rseq_signal_deliver (5.10, 7.2): a signal whose cause is an instruction of the section aborts "
       "it: the handler is "
       "entered as from abort_ip, rseq_cs is NULL by then, and its return goes to the abort [RSQ-1]", RSEQ)
{
	AREA_OF_A_FREE_THREAD(area);
	struct rseq_cs cs = rseq_section();

	NEEDS_A_SECTION;
	noted_area = area;
	ASSERT_RET(0, rseq_register(area));
	ASSERT_RET(0, raw_sigaction(SIGSEGV, notes_the_pc, 0));
	for (int round = 1; round <= 20; round++) {
		EXPECT_EQ(1, run_into_the_fault(area, &cs));
		EXPECT_EQ(round, handled.signals);
		EXPECT_EQ(round, handled.at_abort);
		EXPECT_EQ(0, area->rseq_cs);
	}
	EXPECT_EQ(0, handled.inside);
	EXPECT_EQ(0, handled.uncleared);
}

CLAUSE(a_signal_from_another_thread_aborts_a_section,
       "kernel/rseq.c rseq_signal_deliver (5.10, 7.2): a thread that is hit by a signal in a section never goes on in "
       "it: what its handler "
       "sees as interrupted lies outside [RSQ-1]", .timeout = 30, RSEQ)
{
	struct worker w;

	NEEDS_A_SECTION;
	ASSERT_RET(0, raw_sigaction(SIGUSR1, notes_the_pc, 0));
	ASSERT_TRUE(worker_start(&w, rseq_cpu(1) < 0 ? 0 : 1));
	noted_area = w.area;
	for (int round = 0; round < 8; round++) {
		worker_enters(&w);
		EXPECT_RET(0, raw_syscall(__NR_tgkill, getpid(), w.thread.known_as, SIGUSR1));
		EXPECT_TRUE(wait_until(handled.signals == round + 1));
		(*w.word)++;
		EXPECT_EQ(1, worker_result(&w));
	}
	EXPECT_EQ(0, handled.inside);
	EXPECT_EQ(0, handled.uncleared);
	EXPECT_TRUE(worker_stop(&w));
}

CLAUSE(a_handler_may_have_sections_of_its_own,
       "kernel/rseq.c (5.10, 7.2): a signal handler that interrupted a section may enter one itself, which may be "
       "aborted as well; the outer "
       "one goes to its own abort after that [RSQ-1]", RSEQ)
{
	AREA_OF_A_FREE_THREAD(area);
	struct rseq_cs cs = rseq_section();

	NEEDS_A_SECTION;
	noted_area = area;
	ASSERT_RET(0, rseq_register(area));
	ASSERT_RET(0, raw_sigaction(SIGSEGV, notes_the_pc, SA_NODEFER));
	handled.nest = 3;
	EXPECT_EQ(1, run_into_the_fault(area, &cs));
	EXPECT_EQ(4, handled.signals);
	EXPECT_EQ(4, handled.at_abort);
	EXPECT_EQ(3, handled.nested);
	EXPECT_EQ(0, handled.inside);
}

CLAUSE(migration_aborts_a_section,
       "kernel/rseq.c rseq_migrate (5.10, 7.2): a thread that is moved to another CPU in a section is aborted there, "
       "and finds the new CPU "
       "in its area [RSQ-1]", .needs = "cpus=2", RSEQ)
{
	struct worker w;

	NEEDS_A_SECTION;
	ASSERT_TRUE(worker_start(&w, 0));
	for (int round = 0; round < 10; round++) {
		int cpu = rseq_cpu(!(round % 2));

		worker_enters(&w);
		EXPECT_RET(0, rseq_pin(w.thread.known_as, cpu));
		(*w.word)++;	// only an aborted section can have missed this
		EXPECT_EQ(1, worker_result(&w));
		EXPECT_TRUE(wait_until(w.area->cpu_id == cpu));
	}
	EXPECT_TRUE(worker_stop(&w));
}

CLAUSE(a_signal_outside_of_the_section_forgets_it,
       "kernel/rseq.c rseq_ip_fixup (5.10), rseq_update_user_cs (7.2): when a signal arrives while rseq_cs names a "
       "section that the thread "
       "is not in, rseq_cs becomes NULL and the thread goes on where it was [RSQ-1]", RSEQ)
{
	AREA_OF_A_FREE_THREAD(area);
	struct rseq_cs cs = rseq_section();

	NEEDS_A_SECTION;
	noted_area = area;
	ASSERT_RET(0, rseq_register(area));
	ASSERT_RET(0, raw_sigaction(SIGUSR1, notes_the_pc, 0));
	for (int round = 1; round <= 3; round++) {
		area->rseq_cs = (unsigned long)&cs;
		ASSERT_RET(0, raw_syscall(__NR_tgkill, getpid(), raw_syscall(__NR_gettid), SIGUSR1));
		EXPECT_EQ(round, handled.signals);
		EXPECT_EQ(0, area->rseq_cs);
	}
	EXPECT_EQ(0, handled.at_abort);
	EXPECT_EQ(0, handled.uncleared);
}

// Status of a child that faults in a section of this descriptor, its area registered with this signature.
static int status_of_a_fault_in(const struct rseq_cs *cs, uint32_t signature)
{
	volatile struct rseq *area = rseq_area();
	int status = -1;
	pid_t child = fork();

	if (child == 0) {
		setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
		noted_area = area;
		raw_sigaction(SIGSEGV, notes_the_pc, 0);
		if (!rseq_is_free() || raw_rseq(area, RSEQ_OLD_SIZE, 0, signature))
			_exit(99);
		_exit(arch_rseq_spin(area, cs, forbidden_page(), &some_word));
	}
	waitpid(child, &status, 0);
	return status;
}

CLAUSE(an_abort_without_the_signature_is_fatal,
       "kernel/rseq.c rseq_get_rseq_cs (5.10), rseq_update_user_cs (7.2): the four bytes in front of abort_ip must be "
       "the registered "
       "signature, else the thread gets SIGSEGV, which no handler catches; nobody is sent to arbitrary code "
       "[RSQ-1]", RSEQ)
{
	struct rseq_cs cs = rseq_section(), elsewhere = cs;

	NEEDS_A_SECTION;
	elsewhere.abort_ip = (unsigned long)&arch_rseq_spin;
	EXPECT_EQ(1 << 8, status_of_a_fault_in(&cs, ARCH_RSEQ_SIG));
	EXPECT_EQ(SIGSEGV, status_of_a_fault_in(&cs, ARCH_RSEQ_SIG ^ 1) & 0x7f);
	EXPECT_EQ(SIGSEGV, status_of_a_fault_in(&cs, ARCH_RSEQ_SIG ^ 1U << 31) & 0x7f);
	EXPECT_EQ(SIGSEGV, status_of_a_fault_in(&elsewhere, ARCH_RSEQ_SIG) & 0x7f);
}

CLAUSE(a_descriptor_that_cannot_be_is_fatal,
       "kernel/rseq.c rseq_get_rseq_cs (5.10), rseq_update_user_cs (7.2): a descriptor that cannot be read, or whose "
       "abort_ip is not in "
       "user space, ends in SIGSEGV [RSQ-1]", RSEQ)
{
	struct rseq_cs cs = rseq_section();

	NEEDS_A_SECTION;
	EXPECT_EQ(SIGSEGV, status_of_a_fault_in(unmapped_page(), ARCH_RSEQ_SIG) & 0x7f);
	EXPECT_EQ(SIGSEGV, status_of_a_fault_in(forbidden_page(), ARCH_RSEQ_SIG) & 0x7f);
	cs.abort_ip = ~0ULL;
	EXPECT_EQ(SIGSEGV, status_of_a_fault_in(&cs, ARCH_RSEQ_SIG) & 0x7f);
	cs.abort_ip = 1ULL << 63;
	EXPECT_EQ(SIGSEGV, status_of_a_fault_in(&cs, ARCH_RSEQ_SIG) & 0x7f);
}

static volatile unsigned long interrupted_at;

// Notes where the thread was, which is a section's fault or, if the kernel aborted it, its abort; then ends it.
static void notes_and_aborts(int sig, siginfo_t *info, void *ucontext)
{
	handled.signals++;
	interrupted_at = UC_PC(ucontext);
	handled.uncleared += noted_area->rseq_cs != 0;
	UC_PC(ucontext) = (unsigned long)arch_rseq_abort;
}

CLAUSE(a_section_is_from_its_start_up_to_its_end,
       "include/uapi/linux/rseq.h struct rseq_cs (5.10, 7.2): a thread is in the section at start_ip and later, but "
       "no more at "
       "start_ip + post_commit_offset: what has committed is not aborted [RSQ-1]", RSEQ)
{
	AREA_OF_A_FREE_THREAD(area);
	unsigned long start = (unsigned long)arch_rseq_start, abort = (unsigned long)arch_rseq_abort, fault;
	struct rseq_cs cs = rseq_section();

	NEEDS_A_SECTION;
	noted_area = area;
	ASSERT_RET(0, rseq_register(area));
	ASSERT_RET(0, raw_sigaction(SIGSEGV, notes_and_aborts, 0));
	cs.post_commit_offset = 0;	// a section of nothing
	EXPECT_EQ(1, run_into_the_fault(area, &cs));
	fault = interrupted_at;
	ASSERT_TRUE(rseq_is_inside(fault)) TH_LOG("%#lx, and the section begins at %#lx", fault, start);

	const struct { unsigned long start, end, seen_at; } edges[] = {
		{ start,     fault,     fault }, { start,     fault + 1, abort }, { fault,     fault + 1, abort },
		{ fault,     fault,     fault }, { fault + 1, fault + 2, fault }, { fault - 1, fault,     fault },
	};
	for (unsigned int i = 0; i < ARRAY_SIZE(edges); i++) {
		cs.start_ip = edges[i].start;
		cs.post_commit_offset = edges[i].end - edges[i].start;
		EXPECT_EQ(1, run_into_the_fault(area, &cs));
		EXPECT_EQ(edges[i].seen_at, interrupted_at) TH_LOG("edge %d of a fault at %#lx", i, fault);
		EXPECT_EQ(0, area->rseq_cs);
	}
	EXPECT_EQ(0, handled.uncleared);
}

CLAUSE(no_flag_of_a_descriptor_keeps_a_section_going,
       "include/uapi/linux/rseq.h RSEQ_CS_FLAG_NO_RESTART_ON_SIGNAL (6.0, 7.2): the flags of a descriptor are out of "
       "use: a "
       "section that has any is aborted, or the thread ends by SIGSEGV; it does not go on "
       "[RSQ-1]", .since = KERNEL(6, 0),
       .config = "RSEQ", .commit = "0190e4198e47 rseq: Deprecate RSEQ_CS_FLAG_NO_RESTART_ON_* flags",
       .needed_by = RSEQ_USERS)
{
	static const uint32_t flags[] = { 1, 2, 4, 3, 5, 6, 7, 8, 1U << 31 };
	struct rseq_cs cs = rseq_section();

	NEEDS_A_SECTION;
	ASSERT_EQ(1 << 8, status_of_a_fault_in(&cs, ARCH_RSEQ_SIG));
	for (unsigned int i = 0; i < ARRAY_SIZE(flags); i++) {
		int status = -1;
		pid_t child;

		cs.flags = flags[i];
		child = fork();
		if (child == 0) {
			setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
			noted_area = rseq_area();
			raw_sigaction(SIGSEGV, notes_and_aborts, 0);
			if (!rseq_is_free() || rseq_register(noted_area))
				_exit(99);
			run_into_the_fault(noted_area, &cs);
			_exit(interrupted_at == (unsigned long)arch_rseq_abort ? 42 : 98);
		}
		ASSERT_EQ(child, waitpid(child, &status, 0));
		EXPECT_TRUE(status == 42 << 8 || (status & 0x7f) == SIGSEGV)
			TH_LOG("flags %#x: status %#x", cs.flags, status);
	}
}

static volatile uint32_t *word_of_worker;

static void changes_the_word(int sig)
{
	(*word_of_worker)++;
	handled.signals++;
}

static struct kernel_sigaction changing_action(unsigned long flags)
{
	if (flags & SA_SIGINFO)
		return sigaction_of((signal_handler *)(void *)changes_the_word, flags, SIGSET_EMPTY);
	return plain_sigaction_of(changes_the_word, flags, SIGSET_EMPTY);
}

CLAUSE(a_handler_of_either_kind_aborts_a_section,
       "kernel/rseq.c rseq_signal_deliver (5.10, 7.2): a section that a signal interrupts is aborted whatever the "
       "flags of "
       "the handler, without SA_SIGINFO too, where some ABIs have another frame [RSQ-1]", RSEQ)
{
	static const unsigned long flags[] = { 0, SA_RESTART, SA_NODEFER, SA_SIGINFO };
	struct worker w;

	NEEDS_A_SECTION;
	ASSERT_TRUE(worker_start(&w, rseq_cpu(1) < 0 ? 0 : 1));
	word_of_worker = w.word;
	for (unsigned int i = 0; i < ARRAY_SIZE(flags); i++) {
		struct kernel_sigaction action = changing_action(flags[i]);

		ASSERT_RET(0, raw_rt_sigaction(SIGUSR1, &action, NULL));
		for (int round = 1; round <= 4; round++) {
			worker_enters(&w);
			EXPECT_RET(0, raw_syscall(__NR_tgkill, getpid(), w.thread.known_as, SIGUSR1));
			EXPECT_TRUE(wait_until(handled.signals == 4 * i + round));
			EXPECT_EQ(1, worker_result(&w)) TH_LOG("flags %#lx", flags[i]);
		}
	}
	EXPECT_TRUE(worker_stop(&w));
}
