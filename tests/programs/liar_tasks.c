// SPDX-License-Identifier: GPL-2.0-only
// A program to lie to: prints what became of tasks and images, "probe value..." a line, or ends as its argument says.
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "sync.h"
#include "sys.h"
#include "thread.h"
#include "vdso.h"

#define SELF "/proc/self/exe"

static char *self_argv[] = { "liar_tasks", "exit7", NULL };

static int exec_self(void *arg)
{
	return raw_syscall(__NR_execve, SELF, self_argv, environ);
}

static int wait_forever(void *arg)
{
	unsigned long none[2] = { 0 };

	raw_syscall(__NR_rt_sigsuspend, none, ARCH_SIGSET_BYTES);
	return 0;
}

static void print_end(pid_t child)
{
	int status = 0;

	if (waitpid(child, &status, 0) != child)
		printf("- ");
	else if (WIFSIGNALED(status))
		printf("signal%d ", WTERMSIG(status));
	else
		printf("exit%d ", WEXITSTATUS(status));
}

// fork, vfork and exec, exec by a thread that is not the first while another waits, a crash.
static void ends(void)
{
	struct rlimit no_core = { 0, 0 };
	struct thread a, b;
	pid_t child = fork();

	if (child == 0)
		_exit(5);
	print_end(child);
	print_end(raw_vfork(0, exec_self, NULL));
	child = fork();
	if (child == 0) {
		thread_start(&a, wait_forever, NULL);
		thread_start(&b, exec_self, NULL);
		wait_forever(NULL);
	}
	print_end(child);
	child = fork();
	if (child == 0) {
		setrlimit(RLIMIT_CORE, &no_core);
		arch_undefined();
	}
	print_end(child);
}

static int add_one(void *word)
{
	__atomic_add_fetch((int *)word, 1, __ATOMIC_SEQ_CST);
	return 0;
}

static void threads(void)
{
	struct thread t[8];
	int count = 0;

	for (int i = 0; i < 8; i++)
		thread_start(&t[i], add_one, &count);
	for (int i = 0; i < 8; i++)
		thread_join(&t[i]);
	printf("%d", count);
}

// A seccomp filter of the program's own: one call fails as it says, one asks for a tracer that is not there.
static void filters(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_getsid, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOTTY),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_getpgid, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE | 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { sizeof(code) / sizeof(code[0]), code };
	pid_t child = fork();

	if (child == 0) {
		prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
		if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
			_exit(1);
		_exit(10 * (raw_syscall(__NR_getsid, 0) == -ENOTTY) + (raw_syscall(__NR_getpgid, 0) == -ENOSYS));
	}
	print_end(child);
}

// A child that this program traces itself, by its own wish and by its parent's.
static void tracer(void)
{
	int status = 0;
	pid_t child = fork();

	if (child == 0) {
		ptrace(PTRACE_TRACEME, 0, 0, 0);
		exec_self(NULL);
	}
	waitpid(child, &status, 0);
	printf("%d ", WIFSTOPPED(status) && WSTOPSIG(status) == SIGTRAP);
	ptrace(PTRACE_DETACH, child, 0, 0);
	print_end(child);
	child = fork();
	if (child == 0)
		wait_forever(NULL);
	wait_until_blocked_in(child, __NR_rt_sigsuspend);
	printf("%ld ", ptrace(PTRACE_SEIZE, child, 0, 0));
	kill(child, SIGUSR1);
	waitpid(child, &status, 0);
	printf("%d ", WIFSTOPPED(status) && WSTOPSIG(status) == SIGUSR1);
	ptrace(PTRACE_CONT, child, 0, SIGUSR2);
	print_end(child);
}

// The first stop of a traced child's new image, and what that image finds.
static void traced_vector(void)
{
	char *argv[] = { "liar_tasks", "vector", NULL };
	int status;
	pid_t child = fork();

	if (child == 0) {
		ptrace(PTRACE_TRACEME, 0, 0, 0);
		raw_syscall(__NR_execve, SELF, argv, environ);
	}
	waitpid(child, &status, 0);
	ptrace(PTRACE_DETACH, child, 0, 0);
	waitpid(child, &status, 0);
}

static void forever(void)
{
	printf("%d\n", getpid());
	fflush(stdout);
	wait_forever(NULL);
}

static void vector(void)
{
	unsigned char *random = (void *)getauxval(AT_RANDOM), any = 0;

	for (int i = 0; random && i < 16; i++)
		any |= random[i];
	printf("%lu %d %d", getauxval(AT_CLKTCK), random ? any != 0 : -1, getauxval(AT_SYSINFO_EHDR) != 0);
}

// The vDSO's clock beside the system call's: 1 where it is not behind.
static void clocks(void)
{
	struct vdso v;
	long (*gettime)(int, void *) = NULL;
	struct __kernel_timespec now = { -1, -1 };
	long result = -9999;

	if (vdso_read(&v, NULL))
		gettime = vdso_function(&v, VDSO_CLOCK_GETTIME);
	if (gettime)
		result = gettime(CLOCK_MONOTONIC, &now);
	printf("%ld %d", result, now.tv_sec > 0 && now.tv_nsec >= 0 && now.tv_nsec < 1000000000);
}

static volatile unsigned long pointer_seen;

static int look_at_tp(void *arg)
{
	pointer_seen = arch_tp();
	return 0;
}

// Does a thread find the thread pointer it was given?
static void starts(void)
{
	static unsigned long block[8];
	struct arch_tls tls;
	static char stack[16384];
	pid_t tid = raw_clone(THREAD_FLAGS | 0x80000 /* SETTLS */, stack + sizeof(stack), look_at_tp, NULL, NULL,
			      arch_tls_arg(&tls, block), NULL);

	wait_until(raw_syscall(__NR_tgkill, getpid(), tid, 0) == -ESRCH);
	printf("%d", pointer_seen == (unsigned long)block);
}

static const struct { const char *name; void (*run)(void); } probes[] = {
	{ "ends", ends }, { "threads", threads }, { "filters", filters }, { "tracer", tracer }, { "vector", vector },
	{ "clocks", clocks }, { "starts", starts }, { "traced_vector", traced_vector }, { "forever", forever },
};

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		if (!strncmp(argv[i], "exit", 4))
			return atoi(argv[i] + 4);
		if (!strncmp(argv[i], "kill", 4))
			raw_syscall(__NR_tgkill, getpid(), getpid(), atoi(argv[i] + 4));
		for (size_t j = 0; j < sizeof(probes) / sizeof(probes[0]); j++)
			if (!strcmp(argv[i], probes[j].name)) {
				printf("%s ", argv[i]);
				fflush(stdout);
				probes[j].run();
				printf("\n");
				fflush(stdout);
			}
	}
	return 0;
}
