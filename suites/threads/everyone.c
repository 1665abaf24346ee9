// SPDX-License-Identifier: GPL-2.0-only
// Reaching every thread of a process by a signal, and making the same system call in each: how runtimes change ids.
#include "clause.h"
#include "hand.h"
#include "sigaction.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <sys/prctl.h>

#define USERS .needed_by = THREADS_USERS

#define SIGSETXID 33	// what glibc and Go use; musl 34
#define THREADS 6

enum role { SPINS, WAITS_FOR_A_WORD, READS_A_PIPE, BLOCKS_ALL_OTHERS, SLEEPS, POLLS, ROLES };

struct member {
	struct thread thread;
	enum role role;
	volatile int ready, stop;
	volatile uint32_t word;
	volatile int calls;		// of the handler in this thread
	volatile long result;		// of the call that the handler made
	volatile long waited;		// what the interrupted call returned in the end
	int pipe[2];
};

static struct member members[THREADS];
static volatile int strangers, last_code;
static long handler_nr, handler_args[3];

static void runs_the_call(int sig, siginfo_t *info, void *ucontext)
{
	long tid = raw_syscall(__NR_gettid);

	last_code = info->si_code;
	for (int i = 0; i < THREADS; i++) {
		if (members[i].thread.known_as != tid)
			continue;
		if (handler_nr)
			members[i].result = raw_syscall(handler_nr, handler_args[0], handler_args[1], handler_args[2]);
		members[i].calls++;
		return;
	}
	strangers++;
}

static int plays_its_role(void *arg)
{
	struct member *m = arg;
	struct __kernel_timespec hour = { 3600, 0 };
	char byte;

	if (m->role == BLOCKS_ALL_OTHERS)
		raw_sigprocmask(SIG_SETMASK, sigset_inverted(SIGSET(SIGSETXID)));
	m->ready = 1;
	while (!m->stop) {
		switch (m->role) {
		case WAITS_FOR_A_WORD:
		case BLOCKS_ALL_OTHERS:
			m->waited = raw_syscall(NR_FUTEX, &m->word, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
			break;
		case READS_A_PIPE:
			m->waited = raw_syscall(__NR_read, m->pipe[0], &byte, 1);
			break;
		case SLEEPS:
			m->waited = raw_syscall(NR_CLOCK_NANOSLEEP, 1 /* CLOCK_MONOTONIC */, 0, &hour, NULL);
			break;
		case POLLS:
			m->waited = raw_syscall(NR_PPOLL, NULL, 0, NULL, NULL, 0);
			break;
		default:
			raw_syscall(__NR_sched_yield);
		}
	}
	return 0;
}

static long call_of(enum role role)
{
	static const long calls[ROLES] = {
		[WAITS_FOR_A_WORD] = NR_FUTEX, [BLOCKS_ALL_OTHERS] = NR_FUTEX, [READS_A_PIPE] = __NR_read,
		[SLEEPS] = NR_CLOCK_NANOSLEEP, [POLLS] = NR_PPOLL,
	};

	return calls[role];
}

static bool is_in_place(struct member *m)
{
	return m->role == SPINS ? m->ready : is_blocked_in(m->thread.known_as, call_of(m->role));
}

// Starts one thread for each role, each where it blocks; the handler runs with SA_RESTART.
static bool everyone_starts(int sig)
{
	if (raw_sigaction(sig, runs_the_call, SA_RESTART))
		return false;
	for (int i = 0; i < THREADS; i++) {
		struct member *m = &members[i];

		m->role = i % ROLES;
		if (pipe2(m->pipe, O_CLOEXEC) || is_error(thread_start(&m->thread, plays_its_role, m)))
			return false;
	}
	for (int i = 0; i < THREADS; i++)
		if (!wait_until(is_in_place(&members[i])))
			return false;
	return true;
}

static bool everyone_ends(int sig)
{
	bool ended = true;

	handler_nr = 0;
	for (int i = 0; i < THREADS; i++) {
		struct member *m = &members[i];

		m->stop = m->word = 1;
		raw_syscall(NR_FUTEX, &m->word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
		raw_syscall(__NR_write, m->pipe[1], "x", 1);
		// Again and again: a signal that comes just before the call does not end it.
		if (m->role == SLEEPS || m->role == POLLS)
			ended &= wait_until(raw_syscall(__NR_tgkill, getpid(), m->thread.known_as, sig) == -ESRCH);
		ended &= thread_join(&m->thread);
	}
	return ended;
}

// Once to every thread, one after the other, as a runtime does it.
#define EXPECT_TOLD(sig) do {								\
	for (int i_ = 0; i_ < THREADS; i_++) {						\
		int before_ = members[i_].calls;					\
											\
		EXPECT_RET(0, raw_syscall(__NR_tgkill, getpid(), members[i_].thread.known_as, sig));	\
		EXPECT_TRUE(wait_until(members[i_].calls != before_)) TH_LOG("thread %d", i_);	\
	}										\
} while (0)

CLAUSE(a_signal_reaches_every_thread_once,
       "tgkill(2), signal(7): a signal of the runtime (32 to 34) sent to each thread's id runs its handler in each "
       "thread once, those that are "
       "blocked in a system call, spin, or block all other signals included [ATS-3] [GLC-8] [MUS-1]"
       " [NET-2]", .timeout = 40, USERS)
{
	for (int sig = 32; sig <= 34; sig++) {
		IN_CHILD {
			for (int i = 0; i < THREADS; i++)
				members[i] = (struct member){ 0 };
			ASSERT_RET(0, raw_sigprocmask(SIG_SETMASK, SIGSET_EMPTY));
			if (sig != SIGSETXID)
				ASSERT_RET(0, raw_sigaction(SIGSETXID, runs_the_call, SA_RESTART));
			ASSERT_TRUE(everyone_starts(sig));
			for (int i = 0; i < THREADS; i++) {
				if (sig != SIGSETXID && members[i].role == BLOCKS_ALL_OTHERS)
					continue;
				EXPECT_RET(0, raw_syscall(__NR_tgkill, getpid(), members[i].thread.known_as, sig));
				EXPECT_TRUE(wait_until(members[i].calls)) TH_LOG("signal %d, role %d", sig, members[i].role);
			}
			for (int i = 0; i < THREADS; i++)
				EXPECT_EQ(sig == SIGSETXID || members[i].role != BLOCKS_ALL_OTHERS, members[i].calls);
			EXPECT_EQ(0, strangers);
			EXPECT_EQ(SI_TKILL, last_code);
			EXPECT_TRUE(everyone_ends(sig));
		}
	}
}

CLAUSE(interrupted_calls_go_on_after_the_handler,
       "signal(7) Interruption of system calls: with SA_RESTART a futex wait and a read of a pipe are not ended by the "
       "handler: they wait on and "
       "end by what they wait for [ATS-3]", USERS)
{
	ASSERT_TRUE(everyone_starts(SIGSETXID));
	for (int i = 0; i < THREADS; i++)
		members[i].waited = -4000;
	for (int round = 0; round < 3; round++)
		EXPECT_TOLD(SIGSETXID);
	for (int i = 0; i < THREADS; i++) {
		if (members[i].role == WAITS_FOR_A_WORD || members[i].role == BLOCKS_ALL_OTHERS || members[i].role == READS_A_PIPE) {
			EXPECT_TRUE(wait_until(is_in_place(&members[i])));
			EXPECT_RET(-4000, members[i].waited) TH_LOG("role %d", members[i].role);
		}
	}
	EXPECT_TRUE(everyone_ends(SIGSETXID));
}

CLAUSE(each_thread_makes_the_call_in_its_handler,
       "signal-safety(7), prctl(2): system calls work in a handler, whatever the thread was interrupted in: each "
       "thread changes its own "
       "attribute there with the same result, and all have it then [ATS-4] [ATS-1]", USERS)
{
	ASSERT_TRUE(everyone_starts(SIGSETXID));
	handler_nr = __NR_prctl;
	handler_args[0] = PR_SET_NO_NEW_PRIVS;
	handler_args[1] = 1;
	EXPECT_EQ(0, strangers);
	EXPECT_TOLD(SIGSETXID);
	for (int i = 0; i < THREADS; i++) {
		EXPECT_RET(0, members[i].result);
		EXPECT_EQ(1, status_number(members[i].thread.known_as, "NoNewPrivs"));
	}
	handler_args[1] = 2;
	EXPECT_TOLD(SIGSETXID);
	for (int i = 0; i < THREADS; i++)
		EXPECT_RET(-EINVAL, members[i].result);
	EXPECT_TRUE(everyone_ends(SIGSETXID));
}

CLAUSE(ids_can_be_changed_thread_by_thread,
       "nptl(7), setresuid(2): told in its handler, each thread changes its own user ids with the same result, until "
       "the process is of one "
       "user again [ATS-1] [ATS-4] [GLC-8] [MUS-1]", .needs = "cap=setuid", USERS)
{
	ASSERT_TRUE(everyone_starts(SIGSETXID));
	handler_nr = NR_SETRESUID;
	handler_args[0] = handler_args[1] = handler_args[2] = 31337;
	for (int i = 0; i < THREADS; i++) {
		EXPECT_RET(0, raw_syscall(__NR_tgkill, getpid(), members[i].thread.known_as, SIGSETXID));
		EXPECT_TRUE(wait_until(members[i].calls));
		for (int j = 0; j < THREADS; j++)
			EXPECT_EQ(j <= i, status_number(members[j].thread.known_as, "Uid") == 31337);
	}
	EXPECT_NE(31337, status_number(0, "Uid"));
	for (int i = 0; i < THREADS; i++)
		EXPECT_RET(0, members[i].result);
	EXPECT_RET(0, raw_syscall(NR_SETRESUID, 31337, 31337, 31337));
	// The same user's threads may signal each other still.
	EXPECT_TOLD(SIGSETXID);
	EXPECT_TRUE(everyone_ends(SIGSETXID));
}

// Threads of this process as /proc has them; all of known[] must be among them.
static int threads_in_proc(const int *known, int count)
{
	DIR *dir = opendir("/proc/self/task");
	struct dirent *e;
	int all = 0, found = 0;

	while (dir && (e = readdir(dir))) {
		int tid = atoi(e->d_name);

		all += tid != 0;
		for (int i = 0; i < count; i++)
			found += known[i] == tid;
	}
	if (dir)
		closedir(dir);
	return found == count ? all : -1;
}

CLAUSE(proc_lists_every_thread,
       "proc(5) /proc/[pid]/task: one directory for each thread, named by its id, from its creation to its end, and as "
       "many as Threads in "
       "/proc/self/status says [ATS-5] [MUS-1]", USERS)
{
	enum { MANY = 12 };
	static struct hand h[MANY];
	int known[MANY + 1] = { getpid() };

	EXPECT_EQ(1, threads_in_proc(known, 1));
	for (int i = 0; i < MANY; i++) {
		ASSERT_TRUE(hand_start(&h[i]));
		known[i + 1] = h[i].thread.known_as;
	}
	EXPECT_EQ(MANY + 1, threads_in_proc(known, MANY + 1));
	EXPECT_EQ(MANY + 1, status_number(0, "Threads"));
	for (int i = 0; i < MANY; i++)
		ASSERT_TRUE(hand_ends(&h[i]));
	EXPECT_TRUE(wait_until(threads_in_proc(known, 1) == 1));
	EXPECT_EQ(1, status_number(0, "Threads"));
}

CLAUSE(a_thread_that_has_ended_is_not_found,
       "tgkill(2) ERRORS ESRCH: the id of a thread that has ended, or of another process, is not found: who walks a "
       "list of threads can tell",
       USERS)
{
	struct hand h;

	ASSERT_TRUE(hand_start(&h));
	EXPECT_RET(0, raw_syscall(__NR_tgkill, getpid(), h.thread.known_as, 0));
	EXPECT_ERR(ESRCH, raw_syscall(__NR_tgkill, getppid(), h.thread.known_as, 0));
	EXPECT_ERR(ESRCH, raw_syscall(__NR_tgkill, h.thread.known_as, h.thread.known_as, 0));
	ASSERT_TRUE(hand_ends(&h));
	EXPECT_TRUE(wait_until(raw_syscall(__NR_tgkill, getpid(), h.thread.known_as, SIGSETXID) == -ESRCH));
}

CLAUSE(a_blocked_signal_waits_for_its_thread,
       "signal(7) Signal mask and pending signals, Real-time signals: sent to a thread that blocks it, the signal "
       "stays pending there alone, as "
       "often as it was sent, and runs once it is unblocked [GLC-8]", USERS)
{
	struct kernel_sigset blocked = SIGSET(SIGSETXID), none = SIGSET_EMPTY;
	struct hand a, b;

	ASSERT_RET(0, raw_sigaction(SIGSETXID, runs_the_call, SA_RESTART));
	ASSERT_TRUE(hand_start(&a) && hand_start(&b));
	EXPECT_RET(0, hand_does(&a, __NR_rt_sigprocmask, SIG_SETMASK, (long)&blocked, 0, ARCH_SIGSET_BYTES));
	EXPECT_RET(0, raw_syscall(__NR_tgkill, getpid(), a.thread.known_as, SIGSETXID));
	EXPECT_RET(0, raw_syscall(__NR_tgkill, getpid(), a.thread.known_as, SIGSETXID));
	EXPECT_RET(a.thread.known_as, hand_does(&a, __NR_gettid));
	EXPECT_RET(b.thread.known_as, hand_does(&b, __NR_gettid));
	EXPECT_EQ(0, strangers);
	EXPECT_RET(0, hand_does(&a, __NR_rt_sigprocmask, SIG_SETMASK, (long)&none, 0, ARCH_SIGSET_BYTES));
	EXPECT_EQ(2, strangers);
	EXPECT_TRUE(hand_ends(&a));
	EXPECT_TRUE(hand_ends(&b));
}
