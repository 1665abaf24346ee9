// SPDX-License-Identifier: GPL-2.0-only
// The other side of an execve(2): functions that a clause's program runs when it executes itself.
#ifndef REEXEC_H
#define REEXEC_H

#include <string.h>
#include <unistd.h>

struct after_exec {
	const char *name;
	int (*run)(int argc, char **argv);
};

extern const struct after_exec *const __start_after_exec[] __attribute__((weak)),
	*const __stop_after_exec[] __attribute__((weak));

// AFTER_EXEC(name) { ... return status; } is run by execute_self(name, ...): argv[0] is the first argument after it.
// It is an ordinary function of a fresh process: no clause is around it, and its result is the exit status.
#define AFTER_EXEC(function)								\
	static int function(int argc, char **argv);					\
	static const struct after_exec function##_after_exec = { #function, function };	\
	static const struct after_exec *const function##_after_exec_entry		\
		__attribute__((used, section("after_exec"))) = &function##_after_exec;	\
	static int function(int argc, char **argv)

// Replaces this process by AFTER_EXEC(name), with up to six string arguments and the present environment.
// Returns -1 with errno if that fails.
#define execute_self(function, ...)							\
	execve("/proc/self/exe", (char *[]){ "osprim", "--after-exec", #function, ##__VA_ARGS__, NULL }, environ)

// Called by main before anything else; returns -1 where the program was not started by execute_self.
static inline int run_after_exec(int argc, char **argv)
{
	if (argc < 3 || strcmp(argv[1], "--after-exec"))
		return -1;
	for (const struct after_exec *const *a = __start_after_exec; a < __stop_after_exec; a++)
		if (!strcmp((*a)->name, argv[2]))
			return (*a)->run(argc - 3, argv + 3);
	return 127;
}

#endif
