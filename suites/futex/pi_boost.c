// SPDX-License-Identifier: GPL-2.0-only
// futex(2): priority inheritance as /proc shows it: who lends to whom, through which locks, and until when.
#include "clause.h"
#include <limits.h>
#include <sched.h>
#include <sys/resource.h>

#include "actor.h"
#include "deadline.h"
#include "pi.h"

#define NEEDS_RT NEEDS_PI, .needs = "cap=sys_nice"

// proc(5) stat field 18: 0 to 39 for nice -20 to 19; the negated realtime priority minus one under SCHED_FIFO.
static long priority_of(int tid)
{
	char path[64], stat[512], *end;
	long priority = LONG_MIN;

	snprintf(path, sizeof(path), "/proc/%d/stat", tid);
	if (read_text(path, stat, sizeof(stat)) > 0 && (end = strrchr(stat, ')')))
		sscanf(end, ") %*c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %ld", &priority);
	return priority;
}

static long shown_priority(const struct actor *a)
{
	return priority_of(a->tid);
}

#define FIFO(priority) (-(priority) - 1)
#define ORDINARY       priority_of(getpid())	// what threads inherit, be the run niced or not

static long set_fifo(const struct actor *a, int priority)
{
	struct sched_param param = { .sched_priority = priority };

	return raw_syscall(__NR_sched_setscheduler, a->tid, priority ? SCHED_FIFO : SCHED_OTHER, &param);
}

// A thread of SCHED_FIFO, or NULL: a realtime group without a budget lets not even root have one.
static struct actor *fifo_thread(int priority)
{
	struct actor *a = actor_thread();

	return is_error(set_fifo(a, priority)) ? NULL : a;
}

#define FIFO_THREAD(name, priority)							\
	struct actor *name = fifo_thread(priority);					\
	if (!name)									\
		SKIP(return, "SCHED_FIFO is refused here")

CLAUSE(a_waiter_lends_its_priority_to_the_owner,
       "futex(2) FUTEX_LOCK_PI: the owner inherits the waiter's realtime priority while it waits, and falls back to "
       "its own when it unlocks [GLC-5]",
       NEEDS_RT, .needed_by = "glibc:pthread_mutexattr_setprotocol")
{
	struct actor *owner = actor_thread();
	uint32_t word = 0;
	FIFO_THREAD(waiter, 30);

	ASSERT_EQ(FIFO(30), shown_priority(waiter));
	ASSERT_RET(0, call_as(owner, LOCK_PI(&word)));
	EXPECT_EQ(ORDINARY, shown_priority(owner));
	ask(waiter, LOCK_PI(&word));
	ASSERT_TRUE(blocks(waiter));
	EXPECT_EQ(FIFO(30), shown_priority(owner));
	EXPECT_RET(0, call_as(owner, UNLOCK_PI(&word)));
	EXPECT_EQ(ORDINARY, shown_priority(owner));
	EXPECT_RET(0, answer(waiter));
	EXPECT_EQ(FIFO(30), shown_priority(waiter));
}

CLAUSE(the_owner_has_the_highest_priority_of_its_waiters,
       "futex(2) FUTEX_LOCK_PI: of several waiters the highest priority counts, and the next highest when that one "
       "gives up [GLC-5]",
       NEEDS_RT)
{
	static const int priorities[] = { 20, 40, 10 };
	struct __kernel_timespec deadline;
	struct actor *owner = actor_thread();
	uint32_t word = 0;

	ASSERT_RET(0, call_as(owner, LOCK_PI(&word)));
	for (int i = 0; i < 3; i++) {
		FIFO_THREAD(waiter, priorities[i]);

		ask(waiter, LOCK_PI(&word));
		ASSERT_TRUE(blocks(waiter));
		EXPECT_EQ(FIFO(i ? 40 : 20), shown_priority(owner));
	}
	FIFO_THREAD(hasty, 50);

	deadline = deadline_in(CLOCK_REALTIME, 10 * MS);
	ask(hasty, LOCK_PI_UNTIL(&word, &deadline));
	EXPECT_TRUE(wait_until(shown_priority(owner) == FIFO(50) || has_answered(hasty)));
	EXPECT_ERR(ETIMEDOUT, answer(hasty));
	EXPECT_EQ(FIFO(40), shown_priority(owner));
}

CLAUSE(a_lent_priority_goes_back_when_the_last_waiter_gives_up,
       "kernel/futex/pi.c futex_lock_pi cleanup: after the waiter's ETIMEDOUT, and after its death, the owner has "
       "its own priority again [GLC-5]",
       NEEDS_RT)
{
	uint32_t *word = shared_memory(sizeof(*word));
	struct actor *owner = actor_thread(), *victim = actor_process();
	struct __kernel_timespec past = timespec_of(0);
	FIFO_THREAD(waiter, 30);

	ASSERT_RET(0, call_as(owner, LOCK_PI_SHARED(word)));
	EXPECT_ERR(ETIMEDOUT, call_as(waiter, PI_CALL_(FUTEX_LOCK_PI, word, &past)));
	EXPECT_EQ(ORDINARY, shown_priority(owner));

	ASSERT_RET(0, set_fifo(victim, 30));
	ask(victim, LOCK_PI_SHARED(word));
	ASSERT_TRUE(blocks(victim));
	EXPECT_EQ(FIFO(30), shown_priority(owner));
	EXPECT_TRUE(is_killed(victim));
	EXPECT_EQ(ORDINARY, shown_priority(owner));
}

CLAUSE(priority_is_inherited_through_a_chain_of_locks,
       "futex(2) Priority-inheritance futexes: inheritance is transitive: all owners of a chain of locks rise to the "
       "priority of the thread at its end, and fall with it [GLC-5]",
       NEEDS_RT)
{
	struct actor *first = actor_thread(), *second = actor_thread(), *third = actor_thread();
	uint32_t words[3] = { 0 };
	FIFO_THREAD(waiter, 30);

	ASSERT_RET(0, call_as(first, LOCK_PI(&words[0])));
	ASSERT_RET(0, call_as(second, LOCK_PI(&words[1])));
	ASSERT_RET(0, call_as(third, LOCK_PI(&words[2])));
	ask(second, LOCK_PI(&words[0]));
	ASSERT_TRUE(blocks(second));
	ask(third, LOCK_PI(&words[1]));
	ASSERT_TRUE(blocks(third));
	EXPECT_EQ(ORDINARY, shown_priority(first));
	ask(waiter, LOCK_PI(&words[2]));
	ASSERT_TRUE(blocks(waiter));
	EXPECT_EQ(FIFO(30), shown_priority(first));
	EXPECT_EQ(FIFO(30), shown_priority(second));
	EXPECT_EQ(FIFO(30), shown_priority(third));

	EXPECT_RET(0, call_as(first, UNLOCK_PI(&words[0])));
	EXPECT_RET(0, answer(second));
	EXPECT_EQ(ORDINARY, shown_priority(first));
	EXPECT_EQ(FIFO(30), shown_priority(second));
	EXPECT_RET(0, call_as(second, UNLOCK_PI(&words[1])));
	EXPECT_RET(0, answer(third));
	EXPECT_EQ(ORDINARY, shown_priority(second));
	EXPECT_EQ(FIFO(30), shown_priority(third));
	EXPECT_RET(0, call_as(third, UNLOCK_PI(&words[2])));
	EXPECT_RET(0, answer(waiter));
	EXPECT_EQ(ORDINARY, shown_priority(third));
}

CLAUSE(a_chain_falls_back_when_its_end_gives_up,
       "Documentation/locking/rt-mutex-design.rst Priority adjustments: when the waiter at the end leaves, every "
       "owner of the chain is lowered again",
       NEEDS_RT)
{
	struct actor *first = actor_thread(), *second = actor_thread();
	uint32_t *words = shared_memory(2 * sizeof(*words));
	struct actor *victim = actor_process();

	if (is_error(set_fifo(victim, 30)))
		SKIP(return, "SCHED_FIFO is refused here");
	ASSERT_RET(0, call_as(first, LOCK_PI_SHARED(&words[0])));
	ASSERT_RET(0, call_as(second, LOCK_PI_SHARED(&words[1])));
	ask(second, LOCK_PI_SHARED(&words[0]));
	ASSERT_TRUE(blocks(second));
	ask(victim, LOCK_PI_SHARED(&words[1]));
	ASSERT_TRUE(blocks(victim));
	EXPECT_EQ(FIFO(30), shown_priority(first));
	EXPECT_TRUE(is_killed(victim));
	EXPECT_EQ(ORDINARY, shown_priority(second));
	EXPECT_EQ(ORDINARY, shown_priority(first));
}

CLAUSE(a_lower_waiter_does_not_lower_the_owner,
       "Documentation/locking/rt-mutex.rst: an owner runs with the priority of its highest waiter or its own, "
       "whichever is higher",
       NEEDS_RT)
{
	struct actor *plain = actor_thread();
	uint32_t word = 0;
	FIFO_THREAD(owner, 30);
	FIFO_THREAD(waiter, 20);

	ASSERT_RET(0, call_as(owner, LOCK_PI(&word)));
	ask(plain, LOCK_PI(&word));
	ASSERT_TRUE(blocks(plain));
	ask(waiter, LOCK_PI(&word));
	ASSERT_TRUE(blocks(waiter));
	EXPECT_EQ(FIFO(30), shown_priority(owner));
	EXPECT_RET(0, call_as(owner, UNLOCK_PI(&word)));
	EXPECT_RET(0, answer(waiter));
	EXPECT_EQ(FIFO(30), shown_priority(owner));
}

CLAUSE(an_owner_of_two_locks_keeps_what_the_other_lends,
       "Documentation/locking/rt-mutex-design.rst: a task's priority is the highest of the top waiters of all locks "
       "it owns; the unlock of one takes only that one's share",
       NEEDS_RT)
{
	struct actor *owner = actor_thread();
	uint32_t words[2] = { 0 };
	FIFO_THREAD(high, 40);
	FIFO_THREAD(low, 20);

	ASSERT_RET(0, call_as(owner, LOCK_PI(&words[0])));
	ASSERT_RET(0, call_as(owner, LOCK_PI(&words[1])));
	ask(low, LOCK_PI(&words[0]));
	ASSERT_TRUE(blocks(low));
	ask(high, LOCK_PI(&words[1]));
	ASSERT_TRUE(blocks(high));
	EXPECT_EQ(FIFO(40), shown_priority(owner));
	EXPECT_RET(0, call_as(owner, UNLOCK_PI(&words[1])));
	EXPECT_EQ(FIFO(20), shown_priority(owner));
	EXPECT_RET(0, call_as(owner, UNLOCK_PI(&words[0])));
	EXPECT_EQ(ORDINARY, shown_priority(owner));
}

CLAUSE(the_lock_goes_to_the_highest_waiter_first,
       "futex(2) FUTEX_UNLOCK_PI: wakes the top priority waiter; waiters are enqueued in descending priority order, "
       "whenever they came [GLC-5]",
       NEEDS_RT, .needed_by = "glibc:pthread_mutex_unlock")
{
	struct actor *owner = actor_thread();
	static const int priorities[] = { 20, 0, 40, 10, 30 }, order[] = { 2, 4, 0, 3, 1 };
	struct actor *waiter[5];
	uint32_t word = 0;

	ASSERT_RET(0, call_as(owner, LOCK_PI(&word)));
	for (int i = 0; i < 5; i++) {
		waiter[i] = fifo_thread(priorities[i]);
		if (!waiter[i])
			SKIP(return, "SCHED_FIFO is refused here");
		ask(waiter[i], LOCK_PI(&word));
		ASSERT_TRUE(blocks(waiter[i]));
	}
	EXPECT_RET(0, call_as(owner, UNLOCK_PI(&word)));
	for (int i = 0; i < 5; i++) {
		struct actor *next = waiter[order[i]];

		EXPECT_RET(0, answer(next));
		EXPECT_WORD(next->tid | FUTEX_WAITERS, &word);
		EXPECT_RET(0, call_as(next, UNLOCK_PI(&word)));
	}
	EXPECT_WORD(0, &word);
}

CLAUSE(a_waiter_that_is_raised_lends_more_and_comes_earlier,
       "kernel/locking/rtmutex.c rt_mutex_adjust_pi: a change of a waiter's priority reaches the owner and the queue",
       NEEDS_RT)
{
	struct actor *owner = actor_thread();
	uint32_t word = 0;
	FIFO_THREAD(first, 20);
	FIFO_THREAD(second, 10);

	ASSERT_RET(0, call_as(owner, LOCK_PI(&word)));
	ask(first, LOCK_PI(&word));
	ASSERT_TRUE(blocks(first));
	ask(second, LOCK_PI(&word));
	ASSERT_TRUE(blocks(second));
	EXPECT_EQ(FIFO(20), shown_priority(owner));
	ASSERT_RET(0, set_fifo(second, 30));
	EXPECT_EQ(FIFO(30), shown_priority(owner));
	EXPECT_RET(0, call_as(owner, UNLOCK_PI(&word)));
	EXPECT_RET(0, answer(second));
	EXPECT_WORD(second->tid | FUTEX_WAITERS, &word);
	EXPECT_TRUE(blocks(first));
}

CLAUSE(the_new_owner_inherits_from_those_who_come_later,
       "kernel/futex/pi.c pi_state_update_owner: after the lock was handed over, waiters lend their priority to the "
       "new owner, not to the old one",
       NEEDS_RT)
{
	struct actor *former = actor_thread(), *owner = actor_thread();
	uint32_t word = 0;
	FIFO_THREAD(waiter, 30);

	ASSERT_RET(0, call_as(former, LOCK_PI(&word)));
	ask(owner, LOCK_PI(&word));
	ASSERT_TRUE(blocks(owner));
	ASSERT_RET(0, call_as(former, UNLOCK_PI(&word)));
	ASSERT_RET(0, answer(owner));
	ask(waiter, LOCK_PI(&word));
	ASSERT_TRUE(blocks(waiter));
	EXPECT_EQ(FIFO(30), shown_priority(owner));
	EXPECT_EQ(ORDINARY, shown_priority(former));
}

CLAUSE(a_lent_priority_outlives_the_owners_own_change,
       "Documentation/locking/rt-mutex-design.rst: sched_setscheduler(2) on an owner sets what it falls back to; "
       "what it was lent stays as long as the waiter waits",
       NEEDS_RT)
{
	struct sched_param param = { .sched_priority = -1 };
	struct actor *owner = actor_thread();
	uint32_t word = 0;
	FIFO_THREAD(waiter, 30);

	ASSERT_RET(0, call_as(owner, LOCK_PI(&word)));
	ask(waiter, LOCK_PI(&word));
	ASSERT_TRUE(blocks(waiter));
	EXPECT_RET(SCHED_OTHER, raw_syscall(__NR_sched_getscheduler, owner->tid));
	ASSERT_RET(0, set_fifo(owner, 10));
	EXPECT_EQ(FIFO(30), shown_priority(owner));
	EXPECT_RET(0, raw_syscall(__NR_sched_getparam, owner->tid, &param));
	EXPECT_EQ(10, param.sched_priority);
	EXPECT_RET(0, call_as(owner, UNLOCK_PI(&word)));
	EXPECT_EQ(FIFO(10), shown_priority(owner));
}

CLAUSE(a_requeued_waiter_lends_its_priority,
       "futex(2) FUTEX_CMP_REQUEUE_PI: a waiter that is requeued to a held PI lock lends its priority to the owner "
       "from then on, although it sleeps [GLC-5]",
       NEEDS_RT, .needed_by = "glibc:pthread_cond_wait")
{
	struct actor *owner = actor_thread();
	uint32_t condition = 0, lock = 0;
	FIFO_THREAD(waiter, 30);

	ASSERT_RET(0, call_as(owner, LOCK_PI(&lock)));
	ask(waiter, WAIT_REQUEUE_PI(&condition, 0, &lock));
	ASSERT_TRUE(blocks(waiter));
	EXPECT_EQ(ORDINARY, shown_priority(owner));
	EXPECT_RET(1, raw_syscall(CMP_REQUEUE_PI(&condition, 1, 0, &lock, 0)));
	EXPECT_EQ(FIFO(30), shown_priority(owner));
	EXPECT_RET(0, call_as(owner, UNLOCK_PI(&lock)));
	EXPECT_EQ(ORDINARY, shown_priority(owner));
	EXPECT_RET(0, answer(waiter));
	EXPECT_WORD(waiter->tid | FUTEX_WAITERS, &lock);
}

CLAUSE(a_waiter_that_is_lowered_lends_less_and_comes_later,
       "kernel/locking/rtmutex.c rt_mutex_adjust_pi (5.10 to 7.2): a waiter whose priority is lowered while it "
       "waits lends the lower one from then on, through every lock of the chain, and loses its place to higher "
       "ones",
       NEEDS_RT)
{
	struct actor *owner = actor_thread(), *middle = actor_thread();
	uint32_t words[2] = { 0 };
	FIFO_THREAD(first, 30);
	FIFO_THREAD(second, 20);

	ASSERT_RET(0, call_as(owner, LOCK_PI(&words[0])));
	ASSERT_RET(0, call_as(middle, LOCK_PI(&words[1])));
	ask(middle, LOCK_PI(&words[0]));
	ASSERT_TRUE(blocks(middle));
	ask(first, LOCK_PI(&words[1]));
	ASSERT_TRUE(blocks(first));
	ask(second, LOCK_PI(&words[1]));
	ASSERT_TRUE(blocks(second));
	EXPECT_EQ(FIFO(30), shown_priority(owner));
	ASSERT_RET(0, set_fifo(first, 10));
	EXPECT_EQ(FIFO(20), shown_priority(middle));
	EXPECT_EQ(FIFO(20), shown_priority(owner));
	ASSERT_RET(0, set_fifo(second, 5));
	EXPECT_EQ(FIFO(10), shown_priority(middle));
	EXPECT_EQ(FIFO(10), shown_priority(owner));
	EXPECT_RET(0, call_as(owner, UNLOCK_PI(&words[0])));
	ASSERT_RET(0, answer(middle));
	EXPECT_RET(0, call_as(middle, UNLOCK_PI(&words[1])));
	ASSERT_WORD(first->tid | FUTEX_WAITERS, &words[1]);
	EXPECT_RET(0, call_as(first, UNLOCK_PI(&words[1])));
	EXPECT_RET(0, answer(second));
}

static bool set_nice(const struct actor *a, int nice)
{
	return raw_syscall(__NR_setpriority, PRIO_PROCESS, a->tid, nice) == 0;
}

CLAUSE(nice_values_neither_lend_nor_pass_by,
       "kernel/locking/rtmutex.c __waiter_prio (6.1, 7.2): waiters without realtime priority are served in the "
       "order in which they came, whatever their nice values, and lend none to the owner",
       .since = KERNEL(5, 15), .config = "FUTEX_PI", .needs = "cap=sys_nice",
       .commit = "715f7f9ece46 locking/rtmutex: Squash !RT tasks to DEFAULT_PRIO")
{
	static const int nice[] = { 19, 5, -20, -5, 0 };
	struct actor *owner = actor_thread(), *waiter[5];
	uint32_t word = 0;

	ASSERT_TRUE(set_nice(owner, 10));
	ASSERT_RET(0, call_as(owner, LOCK_PI(&word)));
	for (int i = 0; i < 5; i++) {
		waiter[i] = actor_thread();
		ASSERT_TRUE(set_nice(waiter[i], nice[i]));
		ask(waiter[i], LOCK_PI(&word));
		ASSERT_TRUE(blocks(waiter[i]));
		EXPECT_EQ(30, shown_priority(owner));
	}
	EXPECT_RET(0, call_as(owner, UNLOCK_PI(&word)));
	for (int i = 0; i < 5; i++) {
		ASSERT_WORD(waiter[i]->tid | FUTEX_WAITERS, &word);
		EXPECT_RET(0, answer(waiter[i]));
		EXPECT_RET(0, call_as(waiter[i], UNLOCK_PI(&word)));
	}
}

// A thread that takes a lock, and makes a thread and a process when it is told to; both live until *gate changes.
struct maker {
	uint32_t word, gate;
	char *stacks[2];
	volatile long locked, made[2];
	volatile int go;
};

static int waits_at_gate(void *arg)
{
	struct maker *m = arg;

	while (!load(&m->gate))
		raw_syscall(NR_FUTEX, &m->gate, FUTEX_WAIT, 0, NULL, NULL, 0);
	return 0;
}

static int maker_main(void *arg)
{
	static const unsigned long flags[] = { THREAD_FLAGS, CLONE_VM | SIGCHLD };
	struct maker *m = arg;

	m->locked = raw_syscall(LOCK_PI(&m->word)) == 0 ? 1 : -1;
	if (!wait_until(m->go))
		return 1;
	for (int i = 0; i < 2; i++)
		m->made[i] = raw_clone(flags[i], m->stacks[i], waits_at_gate, m, NULL, NULL, NULL);
	return waits_at_gate(arg);
}

CLAUSE(a_lent_priority_is_not_inherited_by_those_the_owner_makes,
       "kernel/sched/core.c sched_fork (5.10 to 7.2): a thread or a process that an owner makes while it is lent a "
       "priority has the owner's own",
       NEEDS_RT, .needed_by = "glibc:pthread_create")
{
	struct maker m = { 0 };
	struct thread owner;
	FIFO_THREAD(waiter, 30);

	for (int i = 0; i < 2; i++)
		m.stacks[i] = (char *)shared_memory(THREAD_STACK) + THREAD_STACK;
	ASSERT_OK(thread_start(&owner, maker_main, &m));
	ASSERT_TRUE(wait_until(m.locked));
	ask(waiter, LOCK_PI(&m.word));
	ASSERT_TRUE(blocks(waiter));
	ASSERT_EQ(FIFO(30), priority_of(owner.known_as));
	m.go = 1;
	ASSERT_TRUE(wait_until(m.made[1]));
	for (int i = 0; i < 2; i++) {
		ASSERT_OK(m.made[i]);
		EXPECT_EQ(ORDINARY, priority_of(m.made[i]));
	}
	EXPECT_EQ(FIFO(30), priority_of(owner.known_as));
	store(&m.gate, 1);
	raw_syscall(NR_FUTEX, &m.gate, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
	EXPECT_EQ(m.made[1], waitpid(m.made[1], NULL, 0));
	EXPECT_RET(0, answer(waiter));	// the owner has died
}
