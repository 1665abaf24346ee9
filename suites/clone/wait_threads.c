// SPDX-License-Identifier: GPL-2.0-only
// wait4(2) and waitid(2) in a process of several threads: who is woken by which child, and whose children are whose.
#include "clone.h"

#define USERS "go:fork_exec glibc:waitpid jvm:ProcessHandle rust:Command"

static struct shared {
	volatile int go, ready;
	volatile long parent_before, parent_after;
} *shared;

static void begin(void)
{
	shared = shared_memory(sizeof(*shared));
}

static int ends_when_told(void *unused)
{
	return wait_until(shared->go) ? 5 : 6;
}

// Every way to say which child is meant: each of these means the one that there is.
enum who { ANY, CHILD, OWN_GROUP, GROUP };
static const struct way {
	const char *name;
	bool by_waitid;
	int type;
	enum who who;
} ways[] = {
	{ "wait4 of -1",           false, 0,      ANY },
	{ "wait4 of the pid",      false, 0,      CHILD },
	{ "wait4 of 0",            false, 0,      OWN_GROUP },
	{ "wait4 of -group",       false, 0,      GROUP },
	{ "waitid of P_ALL",       true,  P_ALL,  ANY },
	{ "waitid of P_PID",       true,  P_PID,  CHILD },
	{ "waitid of P_PGID 0",    true,  P_PGID, OWN_GROUP },
	{ "waitid of P_PGID",      true,  P_PGID, GROUP },
};

// The child that is told of, 0 or -errno; *code is what is told, as si_code says it.
static long wait_by(const struct way *way, long pid, int options, int *code)
{
	long group = raw_syscall(__NR_getpgid, pid), result;
	siginfo_t info = { 0 };
	int status = 0;

	if (way->by_waitid) {
		const long ids[] = { 0, pid, 0, group };

		result = raw_syscall(__NR_waitid, way->type, ids[way->who], &info, options, NULL);
		*code = info.si_code;
		return result ?: info.si_pid;
	} else {
		const long ids[] = { -1, pid, 0, -group };

		result = raw_syscall(__NR_wait4, ids[way->who], &status, options & ~WEXITED, NULL);
		*code = status == 0xffff ? CLD_CONTINUED : (status & 0xff) == 0x7f ? CLD_STOPPED : CLD_EXITED;
		return result;
	}
}

struct waiter {
	const struct way *way;
	bool makes_it;
	int options;
	volatile long pid;
	volatile int done, code;
	volatile long result;
};

static int waits(void *arg)
{
	struct waiter *w = arg;
	int code = 0;

	if (w->makes_it)
		w->pid = child_of(SIGCHLD, ends_when_told, NULL);
	w->result = wait_by(w->way, w->pid, w->options, &code);
	w->code = code;
	w->done = 1;
	return 0;
}

// A thread that is inside the call, and sleeps there.
static bool start_waiter(struct thread *t, struct waiter *w)
{
	return !is_error(thread_start(t, waits, w)) &&
	       wait_until_blocked_in(t->known_as, w->way->by_waitid ? __NR_waitid : __NR_wait4);
}

CLAUSE(a_blocked_waiter_is_woken_by_the_end_of_a_child_of_any_thread,
       "wait(2) Linux notes, kernel/exit.c child_wait_callback (5.10, 7.2): a thread that blocks in wait4 or waitid, "
       "for any child, for one, or for a process group however named, is woken by the end of a child that it or a "
       "sibling made",
       .needed_by = USERS)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(ways); i++) {
		for (int made_by = 0; made_by < 2; made_by++) {
			struct waiter w = { .way = &ways[i], .makes_it = made_by, .options = WEXITED };
			struct thread t;

			begin();
			if (!w.makes_it)
				ASSERT_OK(w.pid = child_of(SIGCHLD, ends_when_told, NULL));
			ASSERT_TRUE(start_waiter(&t, &w));
			shared->go = 1;
			ASSERT_TRUE(wait_until(w.done))
				TH_LOG("%s, a child of %s", w.way->name, w.makes_it ? "its own" : "a sibling");
			EXPECT_RET(w.pid, w.result);
			EXPECT_EQ(CLD_EXITED, w.code);
			ASSERT_TRUE(thread_join(&t));
		}
	}
}

CLAUSE(a_blocked_waiter_is_woken_by_a_stop_and_a_continue,
       "wait(2) WUNTRACED, WCONTINUED, waitid(2) WSTOPPED: a thread that blocks in either call, for whichever choice "
       "of children, is woken when the child of a sibling stops or goes on",
       .needed_by = USERS)
{
	long pid;

	ASSERT_OK(pid = child_of(SIGCHLD, waits_for_ever, NULL));
	for (unsigned int i = 0; i < ARRAY_SIZE(ways); i++) {
		for (int stops = 1; stops >= 0; stops--) {
			struct waiter w = { .way = &ways[i], .options = stops ? WSTOPPED : WCONTINUED, .pid = pid };
			struct thread t;

			ASSERT_TRUE(start_waiter(&t, &w));
			ASSERT_RET(0, raw_syscall(__NR_kill, pid, stops ? SIGSTOP : SIGCONT));
			ASSERT_TRUE(wait_until(w.done))
				TH_LOG("%s", w.way->name);
			EXPECT_RET(pid, w.result);
			EXPECT_EQ(stops ? CLD_STOPPED : CLD_CONTINUED, w.code);
			ASSERT_TRUE(thread_join(&t));
		}
	}
	kill_and_reap(pid);
}

struct asker {
	const struct way *way;
	long foreign, not_its_own, own, its_own;
};

static int asks_for_its_own(void *arg)
{
	struct asker *a = arg;
	int code;

	a->not_its_own = wait_by(a->way, a->foreign, WEXITED | WNOHANG | __WNOTHREAD, &code);
	a->own = child_of(SIGCHLD, returns_zero, NULL);
	a->its_own = wait_by(a->way, a->own, WEXITED | __WNOTHREAD, &code);
	return 0;
}

CLAUSE(with_wnothread_a_thread_waits_for_its_own_children_alone,
       "wait(2) __WNOTHREAD: children of other threads of the same group are not waited for, whichever the choice of "
       "children: ECHILD where there is no other; a child that the thread made itself is found",
       .needed_by = USERS)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(ways); i++) {
		struct asker a = { .way = &ways[i], .not_its_own = 1, .its_own = -1 };
		siginfo_t info = { 0 };
		struct thread t;

		ASSERT_OK(a.foreign = child_of(SIGCHLD, returns_zero, NULL));
		ASSERT_RET(0, raw_syscall(__NR_waitid, P_PID, a.foreign, &info, WEXITED | WNOWAIT, NULL));
		ASSERT_OK(thread_start(&t, asks_for_its_own, &a));
		ASSERT_TRUE(thread_join(&t));
		EXPECT_RET(-ECHILD, a.not_its_own)
			TH_LOG("%s", a.way->name);
		EXPECT_RET(a.own, a.its_own);
		EXPECT_RET(EXITED(0), end_of(a.foreign));
	}
}

static int notes_its_parents(void *unused)
{
	shared->parent_before = raw_syscall(__NR_getppid);
	shared->ready = 1;
	wait_until(shared->go);
	shared->parent_after = raw_syscall(__NR_getppid);
	return 5;
}

static int makes_a_child_and_ends(void *pid)
{
	*(volatile long *)pid = child_of(SIGCHLD, notes_its_parents, NULL);
	return 0;
}

CLAUSE(a_child_stays_with_the_process_when_the_thread_that_made_it_ends,
       "kernel/exit.c find_new_reaper (5.10, 7.2): a child whose maker ends while another thread of the process lives "
       "has the same parent as before, and any thread waits for it",
       .needed_by = "go:LockOSThread jvm:ProcessHandle")
{
	volatile long pid = 0;
	struct thread t;

	begin();
	ASSERT_OK(thread_start(&t, makes_a_child_and_ends, (void *)&pid));
	ASSERT_TRUE(wait_until(shared->ready));
	ASSERT_TRUE(thread_join(&t));
	ASSERT_TRUE(wait_until(!task_state(t.known_as)));
	shared->go = 1;
	EXPECT_RET(EXITED(5), end_of(pid));
	EXPECT_EQ(getpid(), shared->parent_before);
	EXPECT_EQ(getpid(), shared->parent_after);
}

static int goes_on_when_told(void *unused)
{
	wait_until(shared->go);
	return 0;
}

static int leaves_a_thread(void *unused)
{
	struct thread t;

	thread_start(&t, goes_on_when_told, NULL);
	raw_syscall(__NR_exit, 3);
	return 0;
}

CLAUSE(a_process_whose_leader_has_ended_stops_and_goes_on_as_any,
       "waitid(2), wait(2), kernel/exit.c wait_consider_task (5.10, 7.2): while a thread is left the process is told "
       "stopped and continued like any other, and not ended [EXI-2]",
       .needed_by = USERS)
{
	long pid;

	begin();
	ASSERT_OK(pid = child_of(SIGCHLD, leaves_a_thread, NULL));
	ASSERT_TRUE(wait_until(task_state(pid) == 'Z'));
	for (unsigned int i = 0; i < ARRAY_SIZE(ways); i++) {
		for (int stops = 1; stops >= 0; stops--) {
			struct waiter w = { .way = &ways[i], .options = stops ? WSTOPPED : WCONTINUED, .pid = pid };
			struct thread t;
			int code;

			EXPECT_RET(0, wait_by(w.way, pid, WEXITED | WNOHANG, &code));
			ASSERT_OK(thread_start(&t, waits, &w));
			ASSERT_RET(0, raw_syscall(__NR_kill, pid, stops ? SIGSTOP : SIGCONT));
			ASSERT_TRUE(wait_until(w.done))
				TH_LOG("%s", w.way->name);
			EXPECT_RET(pid, w.result);
			EXPECT_EQ(stops ? CLD_STOPPED : CLD_CONTINUED, w.code);
			ASSERT_TRUE(thread_join(&t));
		}
	}
	shared->go = 1;
	EXPECT_OK(end_of(pid));
}
