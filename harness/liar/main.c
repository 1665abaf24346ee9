// SPDX-License-Identifier: GPL-2.0-only
// liar [--lies FILE] [-v] -- PROGRAM ARGS...: runs a program, and all that it starts, under a kernel that lies.
//
//	--lies FILE    what to lie about; the format stands at the top of lies.c. Without it nothing is changed
//	--log FILE     where to say how often each lie was told (else on standard error):
//	               "lie ID matched=N told=N failed=N", or "lie ID told=unseen"; "tracees N" if the program traced N
//	               tasks itself: lies about calls make these calls fail with ENOSYS there (tracees.c)
//	--launcher NAME  the program is started by another one: nothing that is called NAME (fnmatch(3)), nor what that
//	               forks, is lied to, until it executes something else
//	--every-call   stops at each system call and loads no seccomp filter: slow, for lies about seccomp itself
//	-v             says each lie on standard error when it is told
//
// The liar exits as the program did, killed by its signal if it was; with 125 for a fault of its own or of the lies
// file, 126 and 127 when the program cannot be run or found. All that the program left running dies with it.
//
// What programs may notice of the liar although nobody lies: a task cloned with CLONE_UNTRACED, or traced by the
// program itself (tracees.c), is not followed; an ignored signal interrupts calls that are not restarted after one
// (EINTR of epoll_wait(2) and the like); TracerPid is set, and a stopped task is in state t instead of T in /proc; and
// there is a seccomp filter: prctl(PR_GET_SECCOMP) is 2 and strict mode cannot be entered. --every-call has none.
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <sched.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "liar.h"

#define EXIT_LIAR 125
#define EXIT_CANNOT_RUN 126
#define EXIT_NOT_FOUND 127

const char *launcher;

static bool talkative;
static int log_fd = STDERR_FILENO;

static void vsay(int fd, const char *fmt, va_list args)
{
	char text[512];
	int length = vsnprintf(text, sizeof(text), fmt, args);

	if (write(fd, text, length < (int)sizeof(text) ? length : (int)sizeof(text) - 1) < 0)
		return;		// nobody listens
}

void say(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsay(log_fd, fmt, args);
	va_end(args);
}

void whisper(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	if (talkative)
		vsay(STDERR_FILENO, fmt, args);
	va_end(args);
}

void give_up(const char *fmt, ...)
{
	char text[400];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	dprintf(STDERR_FILENO, "liar: %s\n", text);
	_exit(EXIT_LIAR);
}

void *need_memory(size_t size)
{
	void *memory = calloc(1, size ?: 1);

	if (!memory)
		give_up("no memory");
	return memory;
}

void report(void)
{
	for (const struct lie *lie = lies; lie < lies + n_lies; lie++)
		if (lie->answer)
			say("lie %s told=unseen\n", lie->id);
		else
			say("lie %s matched=%lu told=%lu failed=%lu\n", lie->id, lie->matched, lie->told, lie->failed);
	if (count_tracees() && any_lie_on(ON_CALL))
		say("tracees %d\n", count_tracees());
}

// In the child: waits until it is traced, then becomes the program with the mask and SIGCHLD the liar was given.
static void become(char **argv, int traced, int failed, const sigset_t *mask, const struct sigaction *chld)
{
	char c;
	int error;

	if (read(traced, &c, 1) != 1)
		_exit(EXIT_LIAR);
	sigaction(SIGCHLD, chld, NULL);
	load_filter();
	sigprocmask(SIG_SETMASK, mask, NULL);
	execvp(argv[0], argv);
	error = errno;
	if (write(failed, &error, sizeof(error)) < 0)
		_exit(EXIT_LIAR);
	_exit(error == ENOENT ? EXIT_NOT_FOUND : EXIT_CANNOT_RUN);
}

// A real-time program that spins must not keep the liar from letting its other tasks go on. Where it is not allowed to
// the liar does without.
static void take_precedence(void)
{
	struct sched_param first = { .sched_priority = sched_get_priority_max(SCHED_FIFO) };

	sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &first);
}

static pid_t start(char **argv, int *failed)
{
	unsigned long options = PTRACE_O_EXITKILL | PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEEXEC | PTRACE_O_TRACECLONE |
				PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK;
	struct sigaction chld, plain = { .sa_handler = SIG_DFL };
	int traced[2], exec_failed[2];
	sigset_t mask, block;
	pid_t child;

	make_filter();
	if (!every_call)
		options |= PTRACE_O_TRACESECCOMP;
	sigemptyset(&block);
	sigaddset(&block, SIGCHLD);
	sigaddset(&block, SIGTERM);
	sigaddset(&block, SIGINT);
	sigaddset(&block, SIGHUP);
	sigprocmask(SIG_BLOCK, &block, &mask);
	sigaction(SIGCHLD, &plain, &chld);
	if (pipe2(traced, O_CLOEXEC) || pipe2(exec_failed, O_CLOEXEC))
		give_up("pipe: %s", strerror(errno));
	child = fork();
	if (child < 0)
		give_up("fork: %s", strerror(errno));
	if (child == 0)
		become(argv, traced[0], exec_failed[1], &mask, &chld);
	if (ptrace(PTRACE_SEIZE, child, 0, options))
		give_up("ptrace: %s", strerror(errno));
	if (write(traced[1], "", 1) != 1)
		give_up("pipe: %s", strerror(errno));
	close(traced[0]);
	close(traced[1]);
	close(exec_failed[1]);
	*failed = exec_failed[0];
	take_precedence();
	return child;
}

// Ends as the program did, without a second core file.
static void end_like(int status)
{
	struct rlimit no_core = { 0, 0 };
	sigset_t all;

	if (WIFEXITED(status))
		_exit(WEXITSTATUS(status));
	setrlimit(RLIMIT_CORE, &no_core);
	prctl(PR_SET_DUMPABLE, 0);
	signal(WTERMSIG(status), SIG_DFL);
	sigfillset(&all);
	sigprocmask(SIG_UNBLOCK, &all, NULL);
	raise(WTERMSIG(status));
	_exit(128 + WTERMSIG(status));
}

static int usage(void)
{
	dprintf(STDERR_FILENO, "usage: liar [--lies FILE] [--log FILE] [--launcher NAME] [--every-call] [-v] -- "
		"PROGRAM ARGS...\n");
	return EXIT_LIAR;
}

int main(int argc, char **argv)
{
	static const struct option long_options[] = {
		{ "lies", required_argument, NULL, 'l' }, { "log", required_argument, NULL, 'o' },
		{ "launcher", required_argument, NULL, 'r' }, { "every-call", no_argument, NULL, 'e' },
		{ NULL, 0, NULL, 0 },
	};
	int option, status, failed, error;

	while ((option = getopt_long(argc, argv, "+v", long_options, NULL)) >= 0) {
		if (option == 'l')
			read_lies(optarg);
		else if (option == 'o')
			log_fd = open(optarg, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
		else if (option == 'r')
			launcher = optarg;
		else if (option == 'e')
			every_call = true;
		else if (option == 'v')
			talkative = true;
		else
			return usage();
		if (log_fd < 0)
			give_up("%s: %s", optarg, strerror(errno));
	}
	if (optind == argc)
		return usage();
	status = run(start(argv + optind, &failed));
	if (read(failed, &error, sizeof(error)) == sizeof(error))
		dprintf(STDERR_FILENO, "liar: %s: %s\n", argv[optind], strerror(error));
	report();
	end_like(status);
}
