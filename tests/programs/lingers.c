// SPDX-License-Identifier: GPL-2.0-only
// Programs that do not end, or leave processes behind; -r chooses.
#define _GNU_SOURCE
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void wait_for_ever(void)
{
	for (;;)
		pause();
}

static void ignore_all_signals(void)
{
	for (int i = 1; i < 65; i++)
		signal(i, SIG_IGN);
	wait_for_ever();
}

static void stop(void)
{
	for (;;)
		raise(SIGSTOP);
}

// Three children, each in a session of its own, one of them an orphan's orphan; they keep the pipe open.
static void daemons(void)
{
	int ready[2];
	char c;

	if (pipe(ready))
		_exit(98);
	for (int i = 0; i < 3; i++) {
		if (fork())
			continue;
		setsid();
		if (i == 0 && fork())
			_exit(0);
		if (write(ready[1], "", 1) == 1)
			ignore_all_signals();
	}
	for (int i = 0; i < 3; i++)
		if (read(ready[0], &c, 1) != 1)
			_exit(98);
}

// Nine generations, each process in a group of its own: 511 processes besides this one, all there when it goes on.
static void bomb(void)
{
	pid_t first = getpid();
	int ready[2];
	char c;

	if (pipe(ready))
		_exit(98);
	for (int i = 0; i < 9; i++)
		if (fork() == 0)
			setpgid(0, 0);
	if (getpid() != first && write(ready[1], "", 1) == 1)
		wait_for_ever();
	for (int i = 0; i < 511; i++)
		if (read(ready[0], &c, 1) != 1)
			_exit(98);
}

static void bomb_for_ever(void)
{
	bomb();
	wait_for_ever();
}

// One process that is always another: it forks and ends, again and again, in ever new sessions.
static void runaway(void)
{
	if (fork())
		return;
	for (;;) {
		setsid();
		if (fork() > 0)
			_exit(0);
	}
}

static void stopped_child(void)
{
	int status;
	pid_t child = fork();

	if (child == 0) {
		setsid();
		raise(SIGSTOP);
		wait_for_ever();
	}
	waitpid(child, &status, WUNTRACED);
}

// The child is traced by a sibling in another session, which holds it in its stop.
static void traced_child(void)
{
	int ready[2], status;
	pid_t traced = fork();
	char c;

	if (traced == 0)
		wait_for_ever();
	if (pipe(ready))
		_exit(98);
	if (fork() == 0) {
		setsid();
		if (ptrace(PTRACE_ATTACH, traced, 0, 0) || waitpid(traced, &status, 0) != traced ||
		    write(ready[1], "", 1) != 1)
			_exit(98);
		wait_for_ever();
	}
	if (read(ready[0], &c, 1) != 1)
		_exit(98);
}

static void traced_by_its_parent(void)
{
	ptrace(PTRACE_TRACEME, 0, 0, 0);
	raise(SIGUSR1);		// its tracer is told of it, and must let it go on
	wait_for_ever();
}

static void vfork_for_ever(void)
{
	if (vfork() == 0)
		wait_for_ever();
}

// The first thread of the child has ended; a dead leader has a living thread.
static int second_thread(void *arg)
{
	wait_for_ever();
	return 0;
}

static void dead_leader(void)
{
	static char stack[65536] __attribute__((aligned(64)));
	int ready[2];
	char c;

	if (pipe(ready))
		_exit(98);
	if (fork() == 0) {
		setsid();
		clone(second_thread, stack + sizeof(stack), CLONE_VM | CLONE_SIGHAND | CLONE_THREAD, NULL);
		if (write(ready[1], "", 1) == 1)
			syscall(SYS_exit, 0);
	}
	if (read(ready[0], &c, 1) != 1)
		_exit(98);
}

static const struct {
	const char *name;
	void (*run)(void);
} modes[] = {
	{ "ignores_all_signals", ignore_all_signals },
	{ "stops_itself", stop },
	{ "daemons", daemons },
	{ "bomb", bomb },
	{ "bomb_for_ever", bomb_for_ever },
	{ "runaway", runaway },
	{ "stopped_child", stopped_child },
	{ "traced_child", traced_child },
	{ "traced_by_its_parent", traced_by_its_parent },
	{ "vfork_for_ever", vfork_for_ever },
	{ "dead_leader", dead_leader },
};

int main(int argc, char **argv)
{
	for (size_t i = 0; i < sizeof(modes) / sizeof(*modes); i++)
		if (argc > 2 && !strcmp(argv[2], modes[i].name)) {
			modes[i].run();
			return 5;
		}
	return 99;
}
