// SPDX-License-Identifier: GPL-2.0-only
// RLIMIT_CPU: the timer that every process may have without asking for one. Limits of 0, since others take seconds.
#include "clause.h"

#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "timer.h"

#define USERS "runc:rlimits"

static long limit_cpu(rlim_t soft, rlim_t hard)
{
	struct { uint64_t soft, hard; } limit = { soft == RLIM_INFINITY ? ~0ULL : soft, hard == RLIM_INFINITY ? ~0ULL : hard };

	return raw_syscall(__NR_prlimit64, 0, RLIMIT_CPU, &limit, NULL);
}

// Ends by the limit alone; who watches ends it after a while.
static __attribute__((noreturn)) void burn_for_ever(void)
{
	for (;;)
		burn_user();
}

static bool has_ended(pid_t child)
{
	return task_state(child) == 'Z';
}

static int status_of(pid_t child)
{
	int status = -1;

	wait_until(has_ended(child));
	kill(child, SIGCONT);	// no harm to who has ended; SIGKILL would hide who has not
	if (!has_ended(child))
		kill(child, SIGTERM);
	waitpid(child, &status, 0);
	return status;
}

CLAUSE(the_hard_limit_kills,
       "getrlimit(2) RLIMIT_CPU: when the process has consumed the CPU time of the hard limit it is sent SIGKILL, whether it"
       " handles, blocks or ignores SIGXCPU, and whichever of its timers run", .needed_by = USERS)
{
	for (int way = 0; way < 4; way++) {
		pid_t child = fork();

		if (child == 0) {
			const struct { long interval_sec, interval_usec, sec, usec; } far = { 0, 0, 1000, 0 };

			if (way == 0)
				raw_sigprocmask(SIG_BLOCK, SIGSET(SIGXCPU));
			else
				raw_sigaction(SIGXCPU, way == 1 ? SIGNAL_IGNORE : note_timer_signal, 0);
			if (way == 3)
				raw_syscall(__NR_setitimer, 2 /* ITIMER_PROF */, &far, NULL);
			if (limit_cpu(0, 0))
				_exit(1);
			burn_for_ever();
		}
		ASSERT_EQ(SIGKILL, status_of(child)) TH_LOG("way %d", way);
	}
}

CLAUSE(the_soft_limit_sends_sigxcpu,
       "getrlimit(2) RLIMIT_CPU, signal(7) SIGXCPU: when the process has consumed the CPU time of the soft limit it is sent SIGXCPU,"
       " from the kernel; it can be handled, and ends the process if it is not", .needed_by = USERS)
{
	for (int handled = 0; handled < 2; handled++) {
		pid_t child = fork();
		int status;

		if (child == 0) {
			catch_signal(SIGXCPU);
			if (!handled)
				raw_sigaction(SIGXCPU, SIGNAL_DEFAULT, 0);
			prctl(PR_SET_DUMPABLE, 0);
			if (limit_cpu(0, RLIM_INFINITY))
				_exit(1);
			while (!caught[SIGXCPU].count)
				burn_user();
			_exit(caught[SIGXCPU].code == SI_KERNEL ? 42 : 2);
		}
		status = status_of(child);
		if (handled) {
			EXPECT_EQ(42 << 8, status);
		} else {
			EXPECT_EQ(SIGXCPU, status & 0x7f);
		}
	}
}

CLAUSE(a_child_is_under_the_limit_it_inherits,
       "fork(2), getrlimit(2) RLIMIT_CPU: the limit is inherited and in force in the child, too, which neither sets one nor has a"
       " timer; each process has the time for itself", .needed_by = USERS)
{
	struct wait_until_state patience = { 0 };
	volatile pid_t *told = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int status = -1;
	pid_t ended;

	ASSERT_NE(MAP_FAILED, (void *)told);
	ASSERT_EQ(0, prctl(PR_SET_CHILD_SUBREAPER, 1));
	// The parent is under the limit as well: a tick may end it before it has a child (ECHILD), and it begins again.
	do {
		pid_t parent = fork();

		if (parent == 0) {
			if (limit_cpu(0, 0))
				_exit(1);
			if (fork() == 0) {
				*told = getpid();
				burn_for_ever();
			}
			_exit(0);
		}
		ASSERT_EQ(parent, waitpid(parent, NULL, 0));
		while ((ended = waitpid(-1, &status, WNOHANG)) == 0 && wait_a_little(&patience))
			;
	} while (ended < 0 && wait_a_little(&patience));
	if (!ended)
		kill(*told, SIGTERM);
	EXPECT_LT(0, ended) TH_LOG("it runs for ever");
	EXPECT_EQ(SIGKILL, status);
}
