// SPDX-License-Identifier: GPL-2.0-only
// Robust lists at every kind of death: the words of the dead are marked, and a waiter elsewhere wakes.
#include "clause.h"
#include "actor.h"
#include "guard.h"
#include "pi.h"
#include "robust.h"

#define THREADS 3

// What a process that is going to die shares with the clause: a list and a lock for each of its threads.
struct stage {
	struct robust_list_head heads[THREADS];
	struct robust_lock locks[THREADS];
	int tids[THREADS];
	volatile int ready;
};

#define WAIT_SHARED(word, value) NR_FUTEX, word, FUTEX_WAIT, value, NULL, NULL, 0

// The actor owns lock i and has it on its list; someone waits for it already.
static bool owns(struct actor *a, struct stage *s, int i)
{
	s->tids[i] = a->tid;
	robust_link(&s->heads[i], &s->locks[i], 1, 0);
	store(&s->locks[i].word, a->tid | FUTEX_WAITERS);
	return call_as(a, SET_ROBUST_LIST(&s->heads[i])) == 0;
}

// A thread of the clause that waits for lock i.
static struct actor *waits(struct stage *s, int i)
{
	struct actor *waiter = actor_thread();

	ask(waiter, WAIT_SHARED(&s->locks[i].word, load(&s->locks[i].word)));
	return waiter;
}

#define EXPECT_INHERITED(waiter, lock) do {				\
	EXPECT_RET(0, answer(waiter));					\
	EXPECT_WORD(FUTEX_WAITERS | FUTEX_OWNER_DIED, &(lock).word);	\
} while (0)

CLAUSE(the_end_of_a_thread_releases_its_locks,
       "Documentation/locking/robust-futexes.rst: at the exit of a thread the kernel marks the locks it owns with "
       "FUTEX_OWNER_DIED and wakes a waiter [GLC-4] [incident 29]",
       .needed_by = "glibc:pthread_mutex_lock musl:pthread_mutex_lock")
{
	struct actor *owner = actor_thread(), *waiter;
	struct stage s = { 0 };

	ASSERT_TRUE(owns(owner, &s, 0));
	waiter = waits(&s, 0);
	ASSERT_TRUE(blocks(waiter));
	ask(owner, __NR_exit, 0);
	EXPECT_INHERITED(waiter, s.locks[0]);
}

// A process with one lock, and a waiter for it in the clause's process.
static void check_process(struct __test_metadata *_metadata, bool (*dies)(struct actor *))
{
	struct stage *s = shared_memory(sizeof(*s));
	struct actor *owner = actor_process(), *waiter;

	ASSERT_TRUE(owns(owner, s, 0));
	waiter = waits(s, 0);
	ASSERT_TRUE(blocks(waiter));
	EXPECT_TRUE(dies(owner));
	EXPECT_INHERITED(waiter, s->locks[0]);
}

static bool by_exit_group(struct actor *a)
{
	ask(a, __NR_exit_group, 0);
	return wait_status(a) == 0;
}

static bool by_signal(struct actor *a)
{
	kill(a->tid, SIGTERM);
	return wait_status(a) == SIGTERM;
}

// A core would be written otherwise.
static bool by_fault(struct actor *a)
{
	if (call_as(a, __NR_prctl, PR_SET_DUMPABLE, 0, 0, 0, 0))
		return false;
	kill(a->tid, SIGSEGV);
	return wait_status(a) == SIGSEGV;
}

CLAUSE(the_end_of_a_process_releases_its_locks,
       "Documentation/locking/robust-futexes.rst: exit_group(2) with a lock in shared memory wakes the waiter in "
       "another process [GLC-4]",
       .needed_by = "glibc:pthread_mutexattr_setrobust")
{
	check_process(_metadata, by_exit_group);
}

CLAUSE(sigkill_releases_the_locks_of_a_process,
       "Documentation/locking/robust-futexes.rst: a process that is kill -9-ed while it holds a lock in shared "
       "memory wakes the waiter in another process [GLC-4]",
       .needed_by = "glibc:pthread_mutexattr_setrobust")
{
	check_process(_metadata, is_killed);
}

CLAUSE(a_fatal_signal_releases_the_locks_of_a_process,
       "Documentation/locking/robust-futexes.rst: a process that a signal or a fault ends while it holds a lock "
       "wakes the waiter in another process [GLC-4]",
       .needed_by = "glibc:pthread_mutexattr_setrobust")
{
	check_process(_metadata, by_signal);
	check_process(_metadata, by_fault);
}

CLAUSE(execve_releases_the_locks_of_a_process,
       "get_robust_list(2) NOTES: the waiter is notified also when the owner performs an execve(2), and not only "
       "when the new program ends [GLC-4]",
       .needed_by = "glibc:pthread_mutexattr_setrobust")
{
	struct stage *s = shared_memory(sizeof(*s));
	struct actor *owner = actor_process(), *waiter;

	ASSERT_TRUE(owns(owner, s, 0));
	waiter = waits(s, 0);
	ASSERT_TRUE(blocks(waiter));
	ASSERT_TRUE(execs(owner));
	EXPECT_INHERITED(waiter, s->locks[0]);
	EXPECT_TRUE(is_killed(owner));
}

enum death { BY_EXIT_GROUP, BY_SIGKILL, BY_EXEC };

// A process of three threads, each with a lock, that dies as a whole once *ready is 2. The leader does the deed.
static void stage_main(struct stage *s, enum death death)
{
	int never[2];
	char byte;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	s->tids[0] = getpid();
	robust_link(&s->heads[0], &s->locks[0], 1, 0);
	store(&s->locks[0].word, getpid() | FUTEX_WAITERS);
	if (pipe(never) || raw_syscall(SET_ROBUST_LIST(&s->heads[0])))
		_exit(1);
	for (int i = 1; i < THREADS; i++)
		if (!owns(actor_thread(), s, i))
			_exit(1);
	s->ready = 1;
	if (!wait_until(s->ready == 2))
		_exit(1);
	if (death == BY_EXIT_GROUP)
		raw_syscall(__NR_exit_group, 0);
	if (death == BY_EXEC)
		execute_self(live_on);
	read(never[0], &byte, 1);
	_exit(1);
}

static void check_threads(struct __test_metadata *_metadata, enum death death)
{
	struct stage *s = shared_memory(sizeof(*s));
	struct actor *waiters[THREADS];
	int status = 0;
	pid_t child = fork();

	if (child == 0)
		stage_main(s, death);
	ASSERT_TRUE(wait_until(s->ready || waitpid(child, &status, WNOHANG) == child));
	ASSERT_EQ(0, status);
	for (int i = 0; i < THREADS; i++) {
		waiters[i] = waits(s, i);
		ASSERT_TRUE(blocks(waiters[i]));
	}
	s->ready = 2;
	if (death == BY_SIGKILL)
		kill(child, SIGKILL);
	for (int i = 0; i < THREADS; i++)
		EXPECT_INHERITED(waiters[i], s->locks[i]);
	if (death == BY_EXEC) {
		EXPECT_TRUE(lives_on(child));
		kill(child, SIGKILL);
	}
	EXPECT_EQ(child, waitpid(child, &status, 0));
}

CLAUSE(the_locks_of_all_threads_of_a_process_are_released,
       "Documentation/locking/robust-futex-ABI.rst: each thread has its own list: exit_group(2) and SIGKILL mark and "
       "wake for every thread of the process [GLC-4]",
       .needed_by = "glibc:pthread_mutexattr_setrobust")
{
	check_threads(_metadata, BY_EXIT_GROUP);
	check_threads(_metadata, BY_SIGKILL);
}

CLAUSE(execve_releases_the_locks_of_the_other_threads_too,
       "execve(2): all threads other than the calling one are destroyed: their locks are released like the caller's, "
       "while the process lives on [GLC-4]")
{
	check_threads(_metadata, BY_EXEC);
}

// A process whose leader ends while its two other threads live on; they end when *ready is 2.
static int survivor_main(void *arg)
{
	struct stage *s = arg;

	return !wait_until(s->ready == 2);
}

static void leader_main(struct stage *s)
{
	struct thread threads[THREADS];

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (int i = 1; i < THREADS; i++) {
		s->tids[i] = thread_start(&threads[i], survivor_main, s);
		store(&s->locks[i].word, s->tids[i] | FUTEX_WAITERS);
	}
	s->tids[0] = getpid();
	robust_link(&s->heads[0], s->locks, THREADS, 0);	// all locks on the list, but only the first is its own
	store(&s->locks[0].word, getpid() | FUTEX_WAITERS);
	s->ready = 1;
	if (raw_syscall(SET_ROBUST_LIST(&s->heads[0])))
		_exit(1);
	raw_syscall(__NR_exit, 0);
}

CLAUSE(the_end_of_the_leader_releases_its_locks_and_no_others,
       "Documentation/locking/robust-futexes.rst: the first thread's exit(2) releases what it owns at once, although "
       "the process lives on in its other threads, which keep theirs [GLC-4]")
{
	struct stage *s = shared_memory(sizeof(*s));
	int status = 0;
	pid_t child = fork();

	if (child == 0)
		leader_main(s);
	ASSERT_TRUE(wait_until(s->ready));
	EXPECT_TRUE(wait_until(load(&s->locks[0].word) == (FUTEX_WAITERS | FUTEX_OWNER_DIED)));
	for (int i = 1; i < THREADS; i++)
		EXPECT_WORD(s->tids[i] | FUTEX_WAITERS, &s->locks[i].word);
	EXPECT_EQ(0, kill(child, 0));
	s->ready = 2;
	EXPECT_EQ(child, waitpid(child, &status, 0));
	EXPECT_EQ(0, status);
}

CLAUSE(a_waiter_at_another_address_is_woken,
       "Documentation/locking/robust-futex-ABI.rst: the wake of the dead owner's word is that of a shared futex: it "
       "reaches a process that has mapped it elsewhere [GLC-4]",
       .needed_by = "glibc:pthread_mutexattr_setpshared")
{
	int fd = raw_syscall(__NR_memfd_create, "lock", 0);
	struct stage *here, *there;
	struct actor *owner, *waiter;

	ASSERT_EQ(0, ftruncate(fd, page_size()));
	here = mmap(NULL, page_size(), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	there = mmap(NULL, page_size(), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, (void *)here);
	ASSERT_NE(MAP_FAILED, (void *)there);
	owner = actor_process();
	waiter = actor_process();
	ASSERT_TRUE(owns(owner, here, 0));
	ask(waiter, WAIT_SHARED(&there->locks[0].word, load(&there->locks[0].word)));
	ASSERT_TRUE(blocks(waiter));
	EXPECT_TRUE(is_killed(owner));
	EXPECT_INHERITED(waiter, there->locks[0]);
	EXPECT_TRUE(is_killed(waiter));
}

CLAUSE(an_owner_that_is_killed_in_a_system_call_releases_its_locks,
       "Documentation/locking/robust-futexes.rst: a thread that is blocked in a system call when its process is "
       "killed releases what it owns as others do [GLC-4]")
{
	struct stage *s = shared_memory(sizeof(*s));
	uint32_t *word = shared_memory(sizeof(*word));
	struct actor *owner = actor_process(), *waiter;

	ASSERT_TRUE(owns(owner, s, 0));
	waiter = waits(s, 0);
	ASSERT_TRUE(blocks(waiter));
	ask(owner, WAIT_SHARED(word, 0));
	ASSERT_TRUE(blocks(owner));
	EXPECT_TRUE(is_killed(owner));
	EXPECT_INHERITED(waiter, s->locks[0]);
	EXPECT_RET(0, raw_syscall(NR_FUTEX, word, FUTEX_WAKE, 9, NULL, NULL, 0));
}
