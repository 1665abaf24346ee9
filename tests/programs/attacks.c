// SPDX-License-Identifier: GPL-2.0-only
// Programs that crash or turn on the process that watches them; -r chooses.
#define _GNU_SOURCE
#include <signal.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

static void wait_for_ever(void)
{
	for (;;)
		pause();
}

static void daemonise(void)
{
	if (fork() == 0) {
		setsid();
		wait_for_ever();
	}
}

static void crash(void)
{
	*(volatile int *)16 = 1;
}

static void kill_parent(void)
{
	daemonise();
	kill(getppid(), SIGKILL);
	wait_for_ever();
}

static void stop_parent(void)
{
	daemonise();
	kill(getppid(), SIGSTOP);
	wait_for_ever();
}

static void trace_parent(void)
{
	pid_t parent = getppid();

	if (ptrace(PTRACE_ATTACH, parent, 0, 0) || waitpid(parent, NULL, __WALL) != parent)
		_exit(98);
	wait_for_ever();
}

// None of these is a reason to end the job.
static void signal_parent(void)
{
	for (int i = 1; i < 65; i++)
		if (i != SIGKILL && i != SIGSTOP)
			kill(getppid(), i);
}

static const struct {
	const char *name;
	void (*run)(void);
} modes[] = {
	{ "crash", crash },
	{ "kill_parent", kill_parent },
	{ "stop_parent", stop_parent },
	{ "trace_parent", trace_parent },
	{ "signal_parent", signal_parent },
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
