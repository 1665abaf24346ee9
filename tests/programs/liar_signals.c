// SPDX-License-Identifier: GPL-2.0-only
// A program to lie to: prints what signals did, "probe value..." a line, for the probes named as arguments.
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "arch_vec.h"
#include "regs.h"
#include "sigaction.h"
#include "sync.h"
#include "sys.h"
#include "thread.h"

// A millisecond, between polls.
static void nap(void)
{
	long request[2] = { 0, 1000000 };

	raw_syscall(__NR_nanosleep, request, NULL);
}

static struct {
	volatile int times;
	int tid, code, pid, value, sig, blocked;
} seen;

static void note(int sig, siginfo_t *info, void *uc)
{
	struct kernel_sigset mask;

	raw_syscall(__NR_rt_sigprocmask, 0, NULL, &mask, ARCH_SIGSET_BYTES);
	seen.sig = sig;
	seen.tid = raw_syscall(__NR_gettid);
	seen.code = info->si_code;
	seen.pid = info->si_pid;
	seen.value = info->si_value.sival_int;
	seen.blocked = sigset_has(mask, sig);
	seen.times++;
}

static void expect(int sig)
{
	memset((void *)&seen, 0, sizeof(seen));
	raw_sigaction(sig, note, 0);
}

static void direct(void)
{
	expect(SIGUSR1);
	raw_syscall(__NR_tgkill, getpid(), getpid(), SIGUSR1);
	printf("%d %d %d %d", seen.times, seen.code, seen.pid == getpid(), seen.blocked);
}

static void value(void)
{
	siginfo_t info = { .si_code = SI_QUEUE, .si_value.sival_int = 7 };

	expect(SIGRTMIN);
	raw_syscall(__NR_rt_sigqueueinfo, getpid(), SIGRTMIN, &info);
	printf("%d %d", seen.times, seen.value);
}

static volatile int stop;

static int spin_until_told(void *arg)
{
	while (!stop)
		raw_syscall(__NR_sched_yield);
	return 0;
}

// Sent to a thread: who handled it? t(hat thread), m(ain), -
static void directed(void)
{
	struct thread t;

	stop = 0;
	expect(SIGUSR2);
	thread_start(&t, spin_until_told, NULL);
	raw_syscall(__NR_tgkill, getpid(), t.known_as, SIGUSR2);
	for (int i = 0; i < 200 && !seen.times; i++)
		nap();
	printf("%c", !seen.times ? '-' : seen.tid == t.known_as ? 't' : seen.tid == getpid() ? 'm' : '?');
	stop = 1;
	thread_join(&t);
}

// How often it came before and after a call that the liar may wait for.
static void moment(void)
{
	int before;

	expect(SIGUSR1);
	raw_syscall(__NR_tgkill, getpid(), getpid(), SIGUSR1);
	before = seen.times;
	raw_syscall(__NR_getsid, 0);
	for (int i = 0; i < 100 && !seen.times; i++)
		nap();
	printf("%d %d", before, seen.times);
}

// How a child ends that kills itself.
static void fatal(void)
{
	pid_t child = fork();
	int status = 0;

	if (child == 0) {
		signal(SIGINT, SIG_DFL);	// a shell's background jobs inherit that it is ignored
		raw_syscall(__NR_tgkill, getpid(), getpid(), SIGTERM);
		_exit(3);
	}
	waitpid(child, &status, 0);
	if (WIFSIGNALED(status))
		printf("signal %d", WTERMSIG(status));
	else
		printf("exit %d", WEXITSTATUS(status));
}

static void mask_after(void)
{
	struct kernel_sigset mask;

	expect(SIGUSR1);
	raw_syscall(__NR_tgkill, getpid(), getpid(), SIGUSR1);
	raw_syscall(__NR_rt_sigprocmask, 0, NULL, &mask, ARCH_SIGSET_BYTES);
	printf("%d", sigset_has(mask, SIGUSR1));
	raw_sigprocmask(SIG_SETMASK, SIGSET_EMPTY);
}

static void skip_trap(int sig, siginfo_t *info, void *uc)
{
	ARCH_TRAP_SKIP(uc);
}

// What a trap and its handler left changed.
static void registers(void)
{
	char text[REGS_TEXT];
	struct arch_regs in, out;
	void *vec = vec_block(1), *was = vec ? vec_copy(vec) : NULL;
	const char *difference;

	arch_handler_then = skip_trap;
	raw_sigaction(SIGTRAP, arch_handler, 0);
	regs_fill(&in, 1);
	arch_trap_regs(&in, &out, vec);
	difference = regs_difference(&in, &out, 0, text);
	printf("%s", difference ? difference : "same");
	difference = vec ? vec_difference(was, vec, NULL, text) : NULL;
	printf(" %s", difference ? difference : "same");
}

static void entry(void)
{
	struct arch_regs in, out;

	arch_handler_then = skip_trap;
	raw_sigaction(SIGTRAP, arch_handler, 0);
	regs_fill(&in, 1);
	arch_trap_regs(&in, &out, NULL);
	printf("%ld %d", (arch_handler_regs.r[ARCH_REG_SP] + ARCH_ENTRY_SP_BIAS) % ARCH_STACK_ALIGN,
	       ARCH_REG_FLAGS >= 0 ? (arch_handler_regs.r[ARCH_REG_FLAGS] & ARCH_FLAGS_ENTRY_CLEAR) != 0 : 0);
}

// Stop and continue as a parent sees them; a handler of SIGCONT runs.
static void stops(void)
{
	int status = 0;
	pid_t child;

	expect(SIGUSR1);
	expect(SIGCONT);
	child = fork();
	if (child == 0) {
		while (seen.times < 2)
			raw_syscall(__NR_sched_yield);
		_exit(seen.times);
	}
	kill(child, SIGSTOP);
	waitpid(child, &status, WUNTRACED);
	printf("%d ", WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP);
	kill(child, SIGCONT);
	waitpid(child, &status, WCONTINUED);
	printf("%d ", WIFCONTINUED(status));
	kill(child, SIGUSR1);
	waitpid(child, &status, 0);
	printf("%d", WIFEXITED(status) ? WEXITSTATUS(status) : -1);
}

static const struct { const char *name; void (*run)(void); } probes[] = {
	{ "direct", direct }, { "value", value }, { "directed", directed }, { "moment", moment }, { "fatal", fatal },
	{ "mask_after", mask_after }, { "registers", registers }, { "entry", entry }, { "stops", stops },
};

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		for (size_t j = 0; j < sizeof(probes) / sizeof(probes[0]); j++)
			if (!strcmp(argv[i], probes[j].name)) {
				printf("%s ", argv[i]);
				fflush(stdout);
				probes[j].run();
				printf("\n");
				fflush(stdout);
			}
	return 0;
}
