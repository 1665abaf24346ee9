// SPDX-License-Identifier: GPL-2.0-only
// Actors: threads and processes that make the system calls they are asked for, one after another, so that a clause
// can say who does what in which order. An actor waits for its next request in read(2) and touches nothing else.
#ifndef ACTOR_H
#define ACTOR_H

#include <errno.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "reexec.h"
#include "sigaction.h"
#include "sync.h"
#include "sys.h"
#include "thread.h"

struct request {
	long nr;
	long argument[6];
};

struct actor {
	int tid;
	bool is_process;
	volatile unsigned int asked;
	volatile unsigned int answered;
	volatile long result;	// of the last request answered
	volatile long nr;	// of the last request
	int inbox[2];
	struct thread thread;
};

// What answer() says while the call has not returned: no call of this suite returns it.
#define NO_ANSWER (-EINPROGRESS)

static inline __attribute__((noreturn)) void actor_die(const char *what, long error)
{
	char text[RESULT_TEXT];

	printf("# %s: %s\n", what, result_text(text, error));
	fflush(stdout);
	abort();
}

static inline int actor_main(void *arg)
{
	struct actor *a = arg;
	struct request r;
	long n;

	if (a->is_process) {
		raw_syscall(__NR_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
		raw_syscall(__NR_close, a->inbox[1]);
	}
	while ((n = raw_syscall(__NR_read, a->inbox[0], &r, sizeof(r))) == sizeof(r) || n == -EINTR) {
		if (n == -EINTR)
			continue;
		a->result = raw_syscall6(r.nr, r.argument[0], r.argument[1], r.argument[2], r.argument[3],
					 r.argument[4], r.argument[5]);
		__atomic_add_fetch(&a->answered, 1, __ATOMIC_RELEASE);
	}
	return 0;
}

// Zeroed memory, of whole pages, that the processes started afterwards share; lives until the clause ends.
static inline void *shared_memory(size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		actor_die("mmap", -errno);
	return memory;
}

static inline struct actor *actor_new(bool is_process)
{
	struct actor *a = shared_memory(sizeof(*a));

	a->is_process = is_process;
	if (pipe(a->inbox))
		actor_die("pipe", -errno);
	return a;
}

// A thread of this process. It lives until it is asked to exit or the clause ends.
static inline struct actor *actor_thread(void)
{
	struct actor *a = actor_new(false);
	long tid = thread_start(&a->thread, actor_main, a);

	if (is_error(tid))
		actor_die("cannot start a thread", tid);
	a->tid = tid;
	return a;
}

// A process with a copy of this one's memory, and nothing that libc would register for it. flags: further CLONE_*.
// NULL if the kernel does not let us have one.
static inline struct actor *actor_process_with(unsigned long flags)
{
	struct actor *a = actor_new(true);
	char *stack = mmap(NULL, THREAD_STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	long tid;

	if (stack == MAP_FAILED)
		actor_die("mmap", -errno);
	tid = raw_clone(SIGCHLD | flags, stack + THREAD_STACK, actor_main, a, NULL, NULL, NULL);
	a->tid = tid;
	return is_error(tid) ? NULL : a;
}

static inline struct actor *actor_process(void)
{
	struct actor *a = actor_process_with(0);

	if (!a)
		actor_die("cannot start a process", 0);
	return a;
}

// ask(actor, nr, arguments...): the actor begins the call; the clause goes on.
#define ask(who, ...) ASK_N_(__VA_ARGS__, 6, 5, 4, 3, 2, 1, 0)(who, __VA_ARGS__)
#define ASK_N_(nr, a, b, c, d, e, f, n, ...) ask_##n##_
#define ask_0_(who, nr) actor_ask(who, nr, 0, 0, 0, 0, 0, 0)
#define ask_1_(who, nr, a) actor_ask(who, nr, (long)(a), 0, 0, 0, 0, 0)
#define ask_2_(who, nr, a, b) actor_ask(who, nr, (long)(a), (long)(b), 0, 0, 0, 0)
#define ask_3_(who, nr, a, b, c) actor_ask(who, nr, (long)(a), (long)(b), (long)(c), 0, 0, 0)
#define ask_4_(who, nr, a, b, c, d) actor_ask(who, nr, (long)(a), (long)(b), (long)(c), (long)(d), 0, 0)
#define ask_5_(who, nr, a, b, c, d, e) \
	actor_ask(who, nr, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), 0)
#define ask_6_(who, nr, a, b, c, d, e, f) \
	actor_ask(who, nr, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))

static inline struct actor *actor_ask(struct actor *a, long nr, long b, long c, long d, long e, long f, long g)
{
	struct request r = { nr, { b, c, d, e, f, g } };

	a->nr = nr;
	a->asked++;
	if (write(a->inbox[1], &r, sizeof(r)) != sizeof(r))
		actor_die("write to an actor", -errno);
	return a;
}

static inline bool has_answered(const struct actor *a)
{
	return __atomic_load_n(&a->answered, __ATOMIC_ACQUIRE) == a->asked;
}

// Waits for the result of what the actor was asked last.
static inline long answer(struct actor *a)
{
	return wait_until(has_answered(a)) ? a->result : NO_ANSWER;
}

// call_as(actor, nr, arguments...): asks and waits for the result.
#define call_as(who, ...) answer(ask(who, __VA_ARGS__))

// Waits until the actor sleeps inside the call it was asked for; false if that returns instead.
static inline bool blocks(struct actor *a)
{
	return wait_until(has_answered(a) || is_blocked_in(a->tid, a->nr)) && !has_answered(a);
}

// The program that execs() and others become: it lives until it is killed.
AFTER_EXEC(live_on)
{
	struct kernel_sigset none = SIGSET_EMPTY;

	return raw_syscall(__NR_rt_sigsuspend, &none, ARCH_SIGSET_BYTES);
}

static inline bool lives_on(int pid)
{
	return wait_until_blocked_in(pid, __NR_rt_sigsuspend);
}

// Makes a process execute this very program anew, as live_on. False if execve(2) failed.
static inline bool execs(struct actor *a)
{
	static char *const argv[] = { "osprim", "--after-exec", "live_on", NULL }, *const envp[] = { NULL };

	ask(a, __NR_execve, "/proc/self/exe", argv, envp);
	return wait_until(has_answered(a) || is_blocked_in(a->tid, __NR_rt_sigsuspend)) && !has_answered(a);
}

// Waits until a thread that was asked to exit is gone.
static inline bool is_gone(struct actor *a)
{
	return wait_until(thread_is_gone(&a->thread));
}

// Asks a thread to end with exit(2), and waits until it has.
static inline bool ends(struct actor *a)
{
	ask(a, __NR_exit, 0);
	return is_gone(a);
}

// Waits for the end of a process and returns its wait status, or NO_ANSWER.
static inline long wait_status(struct actor *a)
{
	int status = 0;
	bool ended = wait_until(waitpid(a->tid, &status, WNOHANG) == a->tid);

	return ended ? status : NO_ANSWER;
}

// Kills a process with SIGKILL and waits for its end.
static inline bool is_killed(struct actor *a)
{
	kill(a->tid, SIGKILL);
	return wait_status(a) == SIGKILL;
}

#endif
