// SPDX-License-Identifier: GPL-2.0-only
// What programs of this suite share: sending, what came in, pending sets, and threads and processes that wait.
#ifndef SIGNALS_H
#define SIGNALS_H

#include "clause.h"

#include <linux/futex.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#include "guard.h"
#include "sigaction.h"
#include "sync.h"
#include "thread.h"

#define FOR_EACH(i, array) for (unsigned int i = 0; i < sizeof(array) / sizeof(*(array)); i++)

// The signals of this ABI are 1 to SIGNALS, those from RT_FIRST on are realtime signals (the kernel's, not libc's).
#define SIGNALS  ((int)(8 * ARCH_SIGSET_BYTES))
#define RT_FIRST 32

#define CATCHABLE(sig) ((sig) != SIGKILL && (sig) != SIGSTOP)
#define FOR_EACH_SIGNAL(sig) for (int sig = 1; sig <= SIGNALS; sig++) if (CATCHABLE(sig))

static const int no_signals[] = { -1, SIGNALS + 1, 1000, 0x10000 + SIGUSR1, (int)0x80000000, 0x7fffffff };

/* ---- Sending ------------------------------------------------------------------------------------------------- */

#define own_pid() ((int)raw_syscall(__NR_getpid))
#define own_tid() ((int)raw_syscall(__NR_gettid))

#define raw_kill(pid, sig)                          raw_syscall(__NR_kill, pid, sig)
#define raw_tkill(tid, sig)                         raw_syscall(__NR_tkill, tid, sig)
#define raw_tgkill(tgid, tid, sig)                  raw_syscall(__NR_tgkill, tgid, tid, sig)
#define raw_rt_sigqueueinfo(pid, sig, info)         raw_syscall(__NR_rt_sigqueueinfo, pid, sig, info)
#define raw_rt_tgsigqueueinfo(tgid, tid, sig, info) raw_syscall(__NR_rt_tgsigqueueinfo, tgid, tid, sig, info)

static inline siginfo_t info_of(int sig, int code, long value)
{
	siginfo_t info;

	memset(&info, 0, sizeof(info));
	info.si_signo = sig;
	info.si_code = code;
	info.si_pid = own_pid();
	info.si_uid = raw_syscall(__NR_getuid);
	info.si_value.sival_ptr = (void *)value;
	return info;
}

// As sigqueue(3): to a process, to a thread of this process.
static inline long queue_value(int pid, int sig, long value)
{
	siginfo_t info = info_of(sig, SI_QUEUE, value);

	return raw_rt_sigqueueinfo(pid, sig, &info);
}

static inline long queue_value_to(int tid, int sig, long value)
{
	siginfo_t info = info_of(sig, SI_QUEUE, value);

	return raw_rt_tgsigqueueinfo(own_pid(), tid, sig, &info);
}

// Every way in which a process can send a signal to itself.
enum way { KILL, TGKILL, TKILL, QUEUE, TGQUEUE, WAYS };

static inline long send_myself(enum way way, int sig)
{
	switch (way) {
	case KILL: return raw_kill(own_pid(), sig);
	case TGKILL: return raw_tgkill(own_pid(), own_tid(), sig);
	case TKILL: return raw_tkill(own_tid(), sig);
	case QUEUE: return queue_value(own_pid(), sig, 0);
	default: return queue_value_to(own_tid(), sig, 0);
	}
}

/* ---- Masks and pending signals ------------------------------------------------------------------------------- */

static inline struct kernel_sigset mask_now(void)
{
	struct kernel_sigset set = SIGSET_EMPTY;

	raw_syscall(__NR_rt_sigprocmask, SIG_BLOCK, NULL, &set, ARCH_SIGSET_BYTES);
	return set;
}

static inline struct kernel_sigset pending_now(void)
{
	struct kernel_sigset set = SIGSET_EMPTY;

	raw_syscall(__NR_rt_sigpending, &set, ARCH_SIGSET_BYTES);
	return set;
}

static inline bool is_pending(int sig)
{
	return sigset_has(pending_now(), sig);
}

static inline bool same_set(struct kernel_sigset a, struct kernel_sigset b)
{
	return !memcmp(&a, &b, sizeof(a));
}

static inline struct kernel_sigset sigset_without(struct kernel_sigset set, int sig)
{
	return sigset_inverted(sigset_with(sigset_inverted(set), sig));
}

// What a mask with everything blocked reads as.
static inline struct kernel_sigset blockable(void)
{
	return sigset_without(sigset_without(SIGSET_FULL, SIGKILL), SIGSTOP);
}

#define block(sig)     raw_sigprocmask(SIG_BLOCK, SIGSET(sig))
#define unblock(sig)   raw_sigprocmask(SIG_UNBLOCK, SIGSET(sig))
#define set_mask(set)  raw_sigprocmask(SIG_SETMASK, set)

/* ---- What came in -------------------------------------------------------------------------------------------- */

struct arrival {
	int sig, signo, error, code, pid, uid, tid;
	long value;
	struct kernel_sigset mask;	// blocked while the handler ran
};

#define ARRIVALS 512
static struct arrival arrival[ARRIVALS];
static volatile int arrivals, begun;

// The handler of most clauses: notes what came. Safe in raw threads; entries are whole once `arrivals` counts them.
static inline void note(int sig, siginfo_t *info, void *ucontext)
{
	int i = __atomic_fetch_add(&begun, 1, __ATOMIC_SEQ_CST);

	if (i < ARRIVALS)
		arrival[i] = (struct arrival){
			.sig = sig, .signo = info->si_signo, .error = info->si_errno, .code = info->si_code,
			.pid = info->si_pid, .uid = info->si_uid, .tid = own_tid(),
			.value = (long)info->si_value.sival_ptr, .mask = mask_now(),
		};
	__atomic_fetch_add(&arrivals, 1, __ATOMIC_SEQ_CST);
}

static inline void forget_arrivals(void)
{
	arrivals = begun = 0;
}

// Handlers that run with everything blocked come one after the other, in the order of delivery.
static inline long catch_signal(int sig)
{
	return raw_sigaction_masked(sig, note, 0, SIGSET_FULL);
}

/* ---- Threads that wait --------------------------------------------------------------------------------------- */

struct mate {
	struct thread thread;
	struct kernel_sigset mask;
	int tid;
	volatile int ready;
	int stop;
};

static inline int mate_main(void *arg)
{
	struct mate *m = arg;

	raw_sigprocmask(SIG_SETMASK, m->mask);
	m->ready = 1;
	while (!__atomic_load_n(&m->stop, __ATOMIC_SEQ_CST))
		raw_syscall(NR_FUTEX, &m->stop, FUTEX_WAIT_PRIVATE, 0, NULL);
	return 0;
}

// A thread that blocks mask and sleeps. Started with everything blocked, so that nothing reaches it before.
static inline bool mate_sleeps(struct mate *m, struct kernel_sigset mask)
{
	struct kernel_sigset before = mask_now();

	memset(m, 0, sizeof(*m));
	m->mask = mask;
	raw_sigprocmask(SIG_SETMASK, SIGSET_FULL);
	m->tid = thread_start(&m->thread, mate_main, m);
	raw_sigprocmask(SIG_SETMASK, before);
	return m->tid > 0 && wait_until(m->ready) && wait_until_blocked_in(m->tid, NR_FUTEX);
}

static inline bool mate_ends(struct mate *m)
{
	__atomic_store_n(&m->stop, 1, __ATOMIC_SEQ_CST);
	raw_syscall(NR_FUTEX, &m->stop, FUTEX_WAKE_PRIVATE, 1);
	return thread_join(&m->thread);
}

/* ---- Processes that wait ------------------------------------------------------------------------------------- */

// In memory shared with its maker. Ends with whoever made it. A fence is a realtime signal: all that was sent before
// and can be delivered has been by the time it is.
struct process {
	volatile int pid, ready, count, fences;
	struct arrival last;
};

#define FENCE (RT_FIRST + 31)

static struct process *myself;

static inline void *shared_memory(size_t size)
{
	return mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
}

static inline void report(int sig, siginfo_t *info, void *ucontext)
{
	if (sig == FENCE) {
		__atomic_fetch_add(&myself->fences, 1, __ATOMIC_SEQ_CST);
		return;
	}
	myself->last = (struct arrival){
		.sig = sig, .signo = info->si_signo, .error = info->si_errno, .code = info->si_code,
		.pid = info->si_pid, .uid = info->si_uid, .value = (long)info->si_value.sival_ptr,
	};
	__atomic_fetch_add(&myself->count, 1, __ATOMIC_SEQ_CST);
}

static inline __attribute__((noreturn)) void sleep_for_ever(void)
{
	for (;;)
		raw_syscall(NR_PPOLL, NULL, 0, NULL, NULL, 0);
}

static inline void catch_and_report(void)
{
	raw_sigaction_masked(SIGUSR1, report, 0, SIGSET_FULL);
	raw_sigaction_masked(RT_FIRST + 2, report, 0, SIGSET_FULL);
	raw_sigaction_masked(FENCE, report, 0, SIGSET_FULL);
}

// A child that prepares itself, catches SIGUSR1 and one realtime signal by report(), and sleeps until it is killed.
static inline bool process_starts(struct process *p, bool (*prepare)(void))
{
	int maker = own_pid(), pid;

	memset((void *)p, 0, sizeof(*p));
	pid = fork();
	if (pid == 0) {
		myself = p;
		if (prepare && !prepare())
			_exit(99);
		prctl(PR_SET_PDEATHSIG, SIGKILL);	// after prepare: a change of ids clears it
		if (getppid() != maker && getppid())
			_exit(98);
		catch_and_report();
		p->ready = 1;
		sleep_for_ever();
	}
	p->pid = pid;
	return pid > 0 && wait_until(p->ready);
}

// How many signals it has reported, once all that was sent has been delivered; -1 if it handles none.
static inline int received(struct process *p)
{
	int before = p->fences;

	raw_kill(p->pid, FENCE);
	return wait_until(p->fences > before) ? p->count : -1;
}

// Leaves the group that a killed run is ended by, and so ends with its maker.
static inline bool has_own_group(void)
{
	return prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && setpgid(0, 0) == 0;
}

// The raw wait status, or -errno.
static inline long end_of(int pid)
{
	int status = -1;
	long result;

	do
		result = raw_syscall(__NR_wait4, pid, &status, 0, NULL);
	while (result == -EINTR);
	return result == pid ? status : result;
}

static inline void process_ends(struct process *p)
{
	raw_kill(p->pid, SIGKILL);
	end_of(p->pid);
}

// Waits until the child has ended and is a zombie, not yet waited for.
static inline bool is_zombie(int pid)
{
	siginfo_t info;

	return raw_syscall(__NR_waitid, P_PID, pid, &info, WEXITED | WNOWAIT, NULL) == 0;
}

#endif
