// SPDX-License-Identifier: GPL-2.0-only
// What a new thread and a new process have of their maker's attributes, and what they start without.
#include "clone.h"
#include "sigaction.h"

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <time.h>

#define USERS "go:newosproc go:fork_exec glibc:create_thread glibc:_Fork"

// Everything a new task can find out about itself by system calls.
static struct seen {
	struct kernel_sigset mask, pending;
	stack_t altstack;
	char name[16];
	cpu_set_t cpus;
	long nice, policy, no_new_privs, seccomp, timerslack, pdeathsig, group, session, keepcaps, fp;
	long remaining, timer, umask, personality, securebits, default_slack, subreaper;
	char oom_score_adj[16];
	volatile int done;
} *seen;

static void begin(void)
{
	seen = shared_memory(sizeof(*seen));
}

static timer_t posix_timer;

static int look(void *unused)
{
	uint64_t times[4] = { 0 };
	char spec[64];
	int reaper = -1;

	raw_syscall(__NR_rt_sigprocmask, SIG_BLOCK, NULL, &seen->mask, ARCH_SIGSET_BYTES);
	raw_syscall(__NR_rt_sigpending, &seen->pending, ARCH_SIGSET_BYTES);
	raw_syscall(__NR_sigaltstack, NULL, &seen->altstack);
	raw_syscall(__NR_prctl, PR_GET_NAME, seen->name, 0, 0, 0);
	raw_syscall(__NR_sched_getaffinity, 0, sizeof(seen->cpus), &seen->cpus);
	seen->nice = raw_syscall(__NR_getpriority, PRIO_PROCESS, 0);
	seen->policy = raw_syscall(__NR_sched_getscheduler, 0);
	seen->no_new_privs = raw_syscall(__NR_prctl, PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0);
	seen->timerslack = raw_syscall(__NR_prctl, PR_GET_TIMERSLACK, 0, 0, 0, 0);
	raw_syscall(__NR_prctl, PR_SET_TIMERSLACK, 0, 0, 0, 0);	// back to its default
	seen->default_slack = raw_syscall(__NR_prctl, PR_GET_TIMERSLACK, 0, 0, 0, 0);
	seen->keepcaps = raw_syscall(__NR_prctl, PR_GET_KEEPCAPS, 0, 0, 0, 0);
	seen->securebits = raw_syscall(__NR_prctl, PR_GET_SECUREBITS, 0, 0, 0, 0);
	raw_syscall(__NR_prctl, PR_GET_CHILD_SUBREAPER, &reaper, 0, 0, 0);
	seen->subreaper = reaper;
	read_text("/proc/thread-self/oom_score_adj", seen->oom_score_adj, sizeof(seen->oom_score_adj));
	seen->seccomp = raw_syscall(__NR_getppid);	// what the filter of one clause refuses
	raw_syscall(__NR_prctl, PR_GET_PDEATHSIG, &seen->pdeathsig, 0, 0, 0);
	seen->group = raw_syscall(__NR_getpgid, 0);
	seen->session = raw_syscall(__NR_getsid, 0);
	seen->personality = raw_syscall(__NR_personality, 0xffffffff);
	seen->fp = arch_fp_control();
	raw_syscall(__NR_getitimer, ITIMER_REAL, times);
	seen->remaining = times[0] || times[1] || times[2] || times[3];
	seen->timer = raw_syscall(NR_TIMER_GETTIME, posix_timer, spec);
	__atomic_store_n(&seen->done, 1, __ATOMIC_RELEASE);
	return 0;
}

// Makes a task of that kind, which looks and ends. False if it did not come to that.
static bool make(int kind)
{
	long pid;

	memset(seen, 0, sizeof(*seen));
	pid = child_of(task_kinds[kind].flags, look, NULL);
	if (is_error(pid))
		return false;
	if (kind == THREAD)
		return wait_until(is_gone(pid)) && seen->done;
	return end_of(pid) == EXITED(0) && seen->done;
}

#define FOR_EACH_KIND(k) for (int k = 0; k < KINDS; k++)

CLAUSE(the_mask_is_inherited,
       "sigprocmask(2), pthread_create(3), kernel/fork.c dup_task_struct: a new thread or process starts with its"
       " maker's signal mask: with all blocked nothing but SIGKILL and SIGSTOP can reach it before it says so "
       "[CLN-5]",
       .needed_by = USERS)
{
	begin();
	FOR_EACH_KIND(k) {
		ASSERT_RET(0, raw_sigprocmask(SIG_SETMASK, SIGSET_FULL));
		ASSERT_TRUE(make(k));
		for (int sig = 1; sig <= 64; sig++)
			EXPECT_EQ(sig != SIGKILL && sig != SIGSTOP, sigset_has(seen->mask, sig));
		ASSERT_RET(0, raw_sigprocmask(SIG_SETMASK, SIGSET(SIGUSR2)));
		ASSERT_TRUE(make(k));
		for (int sig = 1; sig <= 64; sig++)
			EXPECT_EQ(sig == SIGUSR2, sigset_has(seen->mask, sig));
	}
}

CLAUSE(pending_signals_are_not_inherited,
       "signal(7), fork(2): a child starts with an empty set of pending signals; a thread sees those of its "
       "process and not those of the thread that made it [CLN-5]",
       .needed_by = USERS)
{
	begin();
	ASSERT_RET(0, raw_sigprocmask(SIG_SETMASK, sigset_with(sigset_with(SIGSET(SIGUSR1), SIGUSR2), 40)));
	ASSERT_RET(0, raw_syscall(__NR_tgkill, getpid(), raw_syscall(__NR_gettid), SIGUSR1));
	ASSERT_RET(0, raw_syscall(__NR_tgkill, getpid(), raw_syscall(__NR_gettid), 40));
	ASSERT_RET(0, raw_syscall(__NR_kill, getpid(), SIGUSR2));
	FOR_EACH_KIND(k) {
		ASSERT_TRUE(make(k));
		EXPECT_FALSE(sigset_has(seen->pending, SIGUSR1));
		EXPECT_FALSE(sigset_has(seen->pending, 40));
		EXPECT_EQ(k == THREAD, sigset_has(seen->pending, SIGUSR2));
	}
}

CLAUSE(the_alternate_stack_is_cleared_where_memory_is_shared_and_kept_in_a_copy,
       "sigaltstack(2) NOTES, kernel/fork.c copy_process (5.10, 7.2): with CLONE_VM and without CLONE_VFORK the "
       "new task has no alternate stack; a copy and a child of vfork keep their maker's [CLN-6]",
       .needed_by = USERS)
{
	stack_t stack = { .ss_sp = stack_top() - STACK, .ss_size = STACK };

	begin();
	ASSERT_RET(0, raw_syscall(__NR_sigaltstack, &stack, NULL));
	FOR_EACH_KIND(k) {
		bool kept = k == COPY || k == VFORK;

		ASSERT_TRUE(make(k));
		EXPECT_EQ(kept ? 0 : SS_DISABLE, seen->altstack.ss_flags);
		EXPECT_EQ(kept ? stack.ss_sp : NULL, seen->altstack.ss_sp);
		EXPECT_EQ(kept ? stack.ss_size : 0, seen->altstack.ss_size);
	}
}

CLAUSE(name_nice_value_and_timer_slack_are_inherited,
       "prctl(2) PR_SET_NAME, PR_SET_TIMERSLACK, setpriority(2): a new task has the name and nice value of its "
       "maker, and as its slack, current and default, the current slack of its maker [CLN-10]",
       .needed_by = USERS)
{
	begin();
	ASSERT_RET(0, raw_syscall(__NR_prctl, PR_SET_NAME, "maker", 0, 0, 0));
	ASSERT_RET(0, raw_syscall(__NR_setpriority, PRIO_PROCESS, 0, 3));
	ASSERT_RET(0, raw_syscall(__NR_prctl, PR_SET_TIMERSLACK, 54321, 0, 0, 0));
	FOR_EACH_KIND(k) {
		ASSERT_TRUE(make(k));
		EXPECT_STREQ("maker", seen->name);
		EXPECT_EQ(20 - 3, seen->nice);
		EXPECT_EQ(54321, seen->timerslack);
		EXPECT_EQ(54321, seen->default_slack);
	}
}

CLAUSE(securebits_and_keepcaps_are_inherited,
       "capabilities(7) The securebits flags: inherited by child processes and threads, SECBIT_KEEP_CAPS among them: "
       "what a thread may keep over a change of user it may for its children",
       .needs = "cap=setpcap", .needed_by = "glibc:setxid runc:containers")
{
	long bits = raw_syscall(__NR_prctl, PR_GET_SECUREBITS, 0, 0, 0, 0) | 0x4 /* no setuid fixup */ | 0x10 /* keep caps */;

	begin();
	ASSERT_RET(0, raw_syscall(__NR_prctl, PR_SET_SECUREBITS, bits, 0, 0, 0));
	FOR_EACH_KIND(k) {
		ASSERT_TRUE(make(k));
		EXPECT_EQ(bits, seen->securebits);
		EXPECT_EQ(1, seen->keepcaps);
	}
}

CLAUSE(the_score_of_the_oom_killer_is_inherited,
       "proc_pid_oom_score_adj(5): a child has its parent's value, by whatever call it is made",
       .needed_by = "v8:zygote runc:containers")
{
	static const char *const values[] = { "999", "1000" };	// upwards, which is for everyone

	begin();
	for (unsigned int i = 0; i < ARRAY_SIZE(values); i++) {
		int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

		ASSERT_LE(0, fd);
		ASSERT_EQ(strlen(values[i]), write(fd, values[i], strlen(values[i])));
		close(fd);
		FOR_EACH_KIND(k) {
			ASSERT_TRUE(make(k));
			EXPECT_EQ(atoi(values[i]), atoi(seen->oom_score_adj));
		}
	}
}

CLAUSE(a_subreaper_is_the_process_that_asked_for_it,
       "prctl(2) PR_SET_CHILD_SUBREAPER: the setting is not inherited by children created by fork(2) and clone(2), and "
       "holds for every thread",
       .needed_by = USERS)
{
	begin();
	ASSERT_RET(0, raw_syscall(__NR_prctl, PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0));
	FOR_EACH_KIND(k) {
		ASSERT_TRUE(make(k));
		EXPECT_EQ(k == THREAD, seen->subreaper);
	}
}

CLAUSE(the_policy_is_inherited_unless_it_is_reset_on_fork,
       "sched(7): a child inherits the policy and parameters of its maker; with SCHED_RESET_ON_FORK it starts as "
       "SCHED_OTHER [CLN-10]",
       .needed_by = "jvm:os_create_thread")
{
	static const int policies[] = { SCHED_BATCH, SCHED_OTHER };
	struct sched_param none = { 0 };

	begin();
	FOR_EACH_KIND(k) {
		for (int i = 0; i < 2; i++) {
			ASSERT_RET(0, raw_syscall(__NR_sched_setscheduler, 0, policies[i], &none));
			ASSERT_TRUE(make(k));
			EXPECT_EQ(policies[i], seen->policy);
		}
	}
}

CLAUSE(a_realtime_policy_is_inherited_unless_it_is_reset_on_fork,
       "sched(7): a child inherits the policy of its maker; with SCHED_RESET_ON_FORK a real-time one becomes "
       "SCHED_OTHER [CLN-10]",
       .needs = "root cap=sys_nice", .needed_by = "jvm:os_create_thread")
{
	struct sched_param one = { .sched_priority = 1 };

	begin();
	for (int reset = 0; reset < 2; reset++) {
		long result = raw_syscall(__NR_sched_setscheduler, 0, SCHED_RR | (reset ? SCHED_RESET_ON_FORK : 0), &one);

		if (result == -EPERM)
			SKIP(return, "this control group has no real-time budget");
		ASSERT_RET(0, result);
		FOR_EACH_KIND(k) {
			ASSERT_TRUE(make(k));
			EXPECT_EQ(reset ? SCHED_OTHER : SCHED_RR, seen->policy);
		}
	}
}

CLAUSE(cpus_are_inherited,
       "sched_setaffinity(2): a child or thread inherits the affinity mask of its maker [CLN-10]",
       .needed_by = USERS)
{
	cpu_set_t all, one;
	int cpu = CPU_SETSIZE - 1;

	begin();
	CPU_ZERO(&all);
	ASSERT_OK(raw_syscall(__NR_sched_getaffinity, 0, sizeof(all), &all));
	while (!CPU_ISSET(cpu, &all))
		cpu--;
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	ASSERT_RET(0, raw_syscall(__NR_sched_setaffinity, 0, sizeof(one), &one));
	FOR_EACH_KIND(k) {
		ASSERT_TRUE(make(k));
		EXPECT_TRUE(CPU_EQUAL(&one, &seen->cpus));
	}
}

static long refuse_getppid(void)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_getppid, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EDOM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { .len = sizeof(filter) / sizeof(*filter), .filter = filter };

	return raw_syscall(__NR_prctl, PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0);
}

CLAUSE(no_new_privs_and_filters_are_inherited,
       "prctl(2) PR_SET_NO_NEW_PRIVS, seccomp(2): the bit and the filters of the maker hold for every child and "
       "thread it makes from then on [CLN-10]",
       .config = "SECCOMP_FILTER", .needed_by = "go:newosproc glibc:create_thread v8:sandbox")
{
	begin();
	ASSERT_TRUE(make(THREAD));
	EXPECT_EQ(0, seen->no_new_privs);
	EXPECT_EQ(getppid(), seen->seccomp);
	ASSERT_RET(0, raw_syscall(__NR_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	ASSERT_RET(0, refuse_getppid());
	FOR_EACH_KIND(k) {
		ASSERT_TRUE(make(k));
		EXPECT_EQ(1, seen->no_new_privs);
		EXPECT_EQ(-EDOM, seen->seccomp);
	}
}

CLAUSE(a_parent_death_signal_is_not_inherited,
       "prctl(2) PR_SET_PDEATHSIG: the value is cleared for the child of a fork, and for a thread",
       .needed_by = USERS)
{
	begin();
	ASSERT_RET(0, raw_syscall(__NR_prctl, PR_SET_PDEATHSIG, SIGUSR1, 0, 0, 0));
	FOR_EACH_KIND(k) {
		ASSERT_TRUE(make(k));
		EXPECT_EQ(0, seen->pdeathsig);
	}
}

CLAUSE(timers_are_the_makers_own,
       "fork(2): a child inherits neither interval timers nor those of timer_create; a thread has its process's",
       .needed_by = USERS)
{
	struct itimerval far = { .it_value = { .tv_sec = 1000 } };
	struct sigevent none = { .sigev_notify = SIGEV_NONE };
	int id = -1;

	begin();
	ASSERT_RET(0, raw_syscall(__NR_timer_create, CLOCK_MONOTONIC, &none, &id));
	posix_timer = (timer_t)(intptr_t)id;
	ASSERT_EQ(0, setitimer(ITIMER_REAL, &far, NULL));
	FOR_EACH_KIND(k) {
		ASSERT_TRUE(make(k));
		EXPECT_EQ(k == THREAD, seen->remaining);
		EXPECT_EQ(k == THREAD ? 0 : -EINVAL, seen->timer);
	}
}

CLAUSE(group_session_and_personality_are_inherited,
       "fork(2), setpgid(2), setsid(2), personality(2): a child is in its parent's process group and session, and"
       " has its execution domain",
       .needed_by = USERS)
{
	begin();
	ASSERT_OK(raw_syscall(__NR_personality, raw_syscall(__NR_personality, 0xffffffff) | 0x0100000 /* WHOLE_SECONDS */));
	FOR_EACH_KIND(k) {
		ASSERT_TRUE(make(k));
		EXPECT_EQ(getpgrp(), seen->group);
		EXPECT_EQ(getsid(0), seen->session);
		EXPECT_EQ(raw_syscall(__NR_personality, 0xffffffff), seen->personality);
	}
}

CLAUSE(floating_point_control_is_inherited,
       "arch/*/kernel/process.c copy_thread: rounding modes and exception masks of the maker are the new task's "
       "[CLN-9]",
       .needed_by = "go:newosproc")
{
	unsigned int own = arch_fp_control();

	begin();
	FOR_EACH_KIND(k) {
		bool made;

		arch_fp_control_set(ARCH_FP_CONTROL_OTHER);
		made = make(k);
		arch_fp_control_set(own);
		ASSERT_TRUE(made);
		EXPECT_EQ(ARCH_FP_CONTROL_OTHER, (unsigned int)seen->fp);
	}
}

CLAUSE(locks_on_memory_are_not_inherited,
       "fork(2): the child does not inherit its parent's memory locks",
       .needed_by = USERS)
{
	char *page = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (raw_syscall(__NR_mlock, page, 65536))
		SKIP(return, "no page may be locked here");
	IN_CHILD {
		char line[256];
		FILE *f = fopen("/proc/self/status", "re");
		long locked = -1;

		while (f && fgets(line, sizeof(line), f))
			sscanf(line, "VmLck: %ld", &locked);
		EXPECT_EQ(0, locked);
	}
}
