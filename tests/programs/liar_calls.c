// SPDX-License-Identifier: GPL-2.0-only
// A program to lie to: prints what system calls did, "probe value..." a line, for the probes named as arguments.
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sigaction.h"
#include "sync.h"
#include "sys.h"
#include "thread.h"

#define TIMES 6

// A millisecond, between polls.
static void nap(void)
{
	long request[2] = { 0, 1000000 };

	raw_syscall(__NR_nanosleep, request, NULL);
}

static const struct __kernel_timespec tick = { 0, 20000000 };

static void errors(void)
{
	uint32_t word = 1;

	printf("%ld", raw_syscall(NR_FUTEX, &word, FUTEX_WAIT_PRIVATE, 0, NULL));
}

static void wakes(void)
{
	uint32_t word = 1;

	printf("%ld", raw_syscall(NR_FUTEX, &word, FUTEX_WAKE_PRIVATE, 1, NULL));
}

// Whose id each of several calls returned: p(arent's), s(elf), 0.
static void repeats(void)
{
	for (int i = 0; i < TIMES; i++) {
		long id = raw_syscall(__NR_getppid);

		putchar(id == getpid() ? 's' : id == 0 ? '0' : 'p');
	}
}

static int getpgid_of_zero(void *result)
{
	*(volatile long *)result = raw_syscall(__NR_getpgid, 0);
	return 0;
}

// In the first thread, another one, and a child.
static void scopes(void)
{
	struct thread t;
	long in_main = raw_syscall(__NR_getpgid, 0), in_thread = 0;
	int status = 0;
	pid_t child;

	thread_start(&t, getpgid_of_zero, &in_thread);
	thread_join(&t);
	child = fork();
	if (child == 0)
		_exit(raw_syscall(__NR_getpgid, 0) < 0);
	waitpid(child, &status, 0);
	printf("%d %d %d", in_main > 0, in_thread > 0, WEXITSTATUS(status) == 0);
}

static void buffers(void)
{
	unsigned char bytes[8];
	int fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	long n;

	memset(bytes, 0xa5, sizeof(bytes));
	n = raw_syscall(__NR_read, fd, bytes, 4);
	printf("%ld ", n);
	for (int i = 0; i < sizeof(bytes); i++)
		printf("%02x", bytes[i]);
	close(fd);
}

// What a path leads to, and whether the path is still itself.
static void paths(void)
{
	char path[] = "/dev/zero", byte = 'x';
	long fd = raw_syscall(__NR_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);

	raw_syscall(__NR_read, fd, &byte, 1);
	printf("%d %s", byte, path);
	close(fd);
}

static void flags(void)
{
	int fds[2] = { -1, -1 };

	raw_syscall(__NR_pipe2, fds, O_CLOEXEC);
	printf("%d %d", fcntl(fds[0], F_GETFD), fcntl(fds[1], F_GETFD));
	close(fds[0]);
	close(fds[1]);
}

static int leave(void *arg)
{
	return 0;
}

// clone3 with its flags in memory: was the tid stored, and are the flags as they were given?
static void structures(void)
{
	static char stack[16384];
	volatile int tid = 0;
	struct clone_args args = { .flags = THREAD_FLAGS | CLONE_PARENT_SETTID, .parent_tid = (unsigned long)&tid,
				   .stack = (unsigned long)stack, .stack_size = sizeof(stack) };
	long result = raw_clone3(&args, sizeof(args), leave, NULL);

	printf("%d %d", tid == result, args.flags == (THREAD_FLAGS | CLONE_PARENT_SETTID));
}

// The word that the kernel clears and wakes when a thread ends.
static void endings(void)
{
	struct thread t;

	thread_start(&t, leave, NULL);
	thread_join(&t);
	printf("%d", t.tid == 0);
}

static void memory(void)
{
	size_t page = getpagesize();
	volatile char *shared = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	volatile char *own = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int fresh = own[1], status;
	pid_t child;

	own[0] = 1;
	raw_syscall(__NR_madvise, own, page, MADV_DONTNEED);
	child = fork();
	if (child == 0)
		shared[0] = 1, _exit(0);
	waitpid(child, &status, 0);
	printf("%d %d %d", fresh, own[0], shared[0]);
}

struct reader {
	int fds[2];
	volatile long first, result;
};

static int read_one(void *arg)
{
	struct reader *r = arg;
	char byte;

	r->result = raw_syscall(__NR_read, r->fds[0], &byte, 1);
	return 0;
}

// A read that blocks until the thread is gone or 100 polls after it was seen asleep have passed; then it is fed.
static void blocks(void)
{
	struct reader r = { .result = 99 };
	struct thread t;

	if (pipe(r.fds))
		return;
	thread_start(&t, read_one, &r);
	wait_until_blocked_in(t.known_as, __NR_read);
	for (int i = 0; i < 100 && r.result == 99; i++)
		nap();
	if (r.result == 99 && write(r.fds[1], "x", 1) < 0)
		return;
	thread_join(&t);
	printf("%ld", r.result);
}

static volatile int handled;

static void handle(int sig, siginfo_t *info, void *uc)
{
	handled = 1;
}

static int read_again(void *arg)
{
	struct reader *r = arg;
	char byte;

	for (int i = 0; i < 2 && (i == 0 || r->first == -EINTR); i++) {
		r->result = raw_syscall(__NR_read, r->fds[0], &byte, 1);
		if (i == 0)
			r->first = r->result;
		if (i == 0 && r->result == -EINTR)
			r->result = 99;
	}
	return 0;
}

// A read that a handler interrupts and that is fed then; made once more if it returned EINTR. First result, last one.
static void interrupt_read(unsigned long flags)
{
	struct reader r = { .result = 99 };
	struct thread t;

	handled = 0;
	if (pipe(r.fds) || raw_sigaction(SIGUSR1, handle, flags))
		return;
	thread_start(&t, read_again, &r);
	wait_until_blocked_in(t.known_as, __NR_read);
	raw_syscall(__NR_tgkill, getpid(), t.known_as, SIGUSR1);
	wait_until(r.result != 99 || (handled && is_blocked_in(t.known_as, __NR_read)));
	if (write(r.fds[1], "x", 1) < 0)
		return;
	thread_join(&t);
	printf("%ld %ld", r.first, r.result);
}

static void restarts(void)
{
	interrupt_read(SA_RESTART);
}

static void interrupts(void)
{
	interrupt_read(0);
}

static int sleep_a_tick(void *result)
{
	long long before = monotonic_ns();
	struct __kernel_timespec request = tick;
	uint32_t word = 0;

	*(volatile long *)result = raw_syscall(NR_FUTEX, &word, FUTEX_WAIT_PRIVATE, 0, &request);
	if (monotonic_ns() - before < tick.tv_nsec)
		*(volatile long *)result = -9999;
	return 0;
}

// A timed wait that an ignored signal makes the kernel restart by restart_syscall(2), under a tracer.
static void restart_blocks(void)
{
	struct thread t;
	long result = 0;

	thread_start(&t, sleep_a_tick, &result);
	wait_until_blocked_in(t.known_as, NR_FUTEX);
	raw_syscall(__NR_tgkill, getpid(), t.known_as, SIGURG);
	thread_join(&t);
	printf("%ld", result);
}

static volatile int flag;

static int getsid_then_look(void *seen)
{
	raw_syscall(__NR_getsid, 0);
	*(volatile int *)seen = flag;
	return 0;
}

// A call that returns while the other thread is between two of its own.
static void order(void)
{
	struct thread t;
	int seen = 0;

	flag = 0;
	thread_start(&t, getsid_then_look, &seen);
	for (int i = 0; i < 50; i++)
		nap();
	flag = 1;
	raw_syscall(__NR_getpgid, 0);
	thread_join(&t);
	printf("%d", seen);
}

static const struct { const char *name; void (*run)(void); } probes[] = {
	{ "errors", errors }, { "wakes", wakes }, { "repeats", repeats }, { "scopes", scopes }, { "buffers", buffers },
	{ "paths", paths }, { "flags", flags }, { "structures", structures }, { "endings", endings },
	{ "memory", memory }, { "blocks", blocks }, { "restarts", restarts }, { "interrupts", interrupts },
	{ "restart_blocks", restart_blocks }, { "order", order },
};

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		for (size_t j = 0; j < sizeof(probes) / sizeof(probes[0]); j++)
			if (!strcmp(argv[i], probes[j].name)) {
				printf("%s ", argv[i]);
				probes[j].run();
				printf("\n");
				fflush(stdout);
			}
	return 0;
}
