// SPDX-License-Identifier: GPL-2.0-only
// Programs held at their first instruction: the initial stack as the kernel left it, with no libc in between.
#ifndef LAUNCH_H
#define LAUNCH_H

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#include "auxv.h"
#include "sync.h"

#define SELF "/proc/self/exe"

struct launch {
	pid_t pid;
	unsigned long sp;		// where argc is
	unsigned long top;		// end of the stack's mapping
	const unsigned long *words;	// what sp points at; as an address of here, [sp, top) is readable
	const struct aux *aux;		// the vector in it
	int status;			// -errno if nothing was started
};

struct launch_how {
	const char *path;		// NULL: SELF
	int fd;				// execveat(fd, path) where it is not 0
	char *const *argv, *const *envp;
	unsigned long personality;	// added to the caller's
	bool (*prepare)(void);		// runs in the child in front of execve
};

// A field of /proc/<pid>/stat counted from 1 as proc(5) does, behind the name (from 3 on).
static inline unsigned long long stat_field(int pid, int field)
{
	char path[64], text[1024], *word, *rest;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	if (read_text(path, text, sizeof(text)) <= 0 || !(rest = strrchr(text, ')')))
		return 0;
	strsep(&rest, " ");
	for (int i = 3; (word = strsep(&rest, " ")); i++)
		if (i == field)
			return strtoull(word, NULL, 10);
	return 0;
}

// The end of the mapping of process pid that holds the address, and its name; 0 if there is none.
static inline unsigned long mapping_end(int pid, unsigned long address, unsigned long *start, char name[256])
{
	char path[64], line[512];
	unsigned long from = 0, to = 0, found = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	f = fopen(path, "re");
	while (f && !found && fgets(line, sizeof(line), f)) {
		name[0] = 0;
		if (sscanf(line, "%lx-%lx %*s %*s %*s %*s%*[ ]%255[^\n]", &from, &to, name) >= 2 &&
		    from <= address && address < to)
			found = to;
	}
	if (f)
		fclose(f);
	*start = from;
	return found;
}

// Copies memory of a stopped process; false if not all of it is there.
static inline bool read_memory(pid_t pid, unsigned long from, void *to, size_t size)
{
	char path[64];
	bool done;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	done = fd >= 0 && pread64(fd, to, size, from) == (ssize_t)size;
	if (fd >= 0)
		close(fd);
	return done;
}

// Status 127 - n: the child could not even be traced (n 0) or prepared (1); other statuses are errnos of execve.
static inline void launch_child(const struct launch_how *how)
{
	static char *const none[] = { "osprim", NULL };
	long result;

	if (ptrace(PTRACE_TRACEME, 0, NULL, NULL))
		_exit(127);
	if (how->personality && personality(personality(0xffffffff) | how->personality) < 0)
		_exit(126);
	if (how->prepare && !how->prepare())
		_exit(126);
	if (how->fd)
		result = raw_syscall(__NR_execveat, how->fd, how->path, how->argv ?: none, how->envp ?: none + 1,
				     *how->path ? 0 : AT_EMPTY_PATH);
	else
		result = raw_syscall(__NR_execve, how->path ?: SELF, how->argv ?: none, how->envp ?: none + 1);
	_exit(-result < 126 ? -result : EIO);
}

// Runs execve in a child and holds the new program before its first instruction.
static inline struct launch launch(struct launch_how how)
{
	struct launch l = { .pid = fork() };
	unsigned long start, *words;
	char name[256];
	int status;

	if (l.pid == 0)
		launch_child(&how);
	if (l.pid < 0 || waitpid(l.pid, &status, 0) != l.pid || !WIFSTOPPED(status)) {
		l.status = l.pid < 0 ? -EAGAIN : WIFEXITED(status) ? -WEXITSTATUS(status) : -EIO;
		return l;
	}
	// Else the program would run, and speak the harness's words, if this clause died of what it reads there.
	ptrace(PTRACE_SETOPTIONS, l.pid, NULL, PTRACE_O_EXITKILL);
	l.sp = stat_field(l.pid, 28);
	l.top = mapping_end(l.pid, l.sp, &start, name);
	words = l.top ? malloc(l.top - l.sp) : NULL;
	if (!words || !read_memory(l.pid, l.sp, words, l.top - l.sp)) {
		l.status = -EIO;
		return l;
	}
	l.words = words;
	words += 1 + words[0] + 1;
	while (*words)
		words++;
	l.aux = (const struct aux *)(words + 1);
	return l;
}

static inline void launch_end(struct launch *l)
{
	int status;

	if (l->status == 0 || l->status == -EIO) {
		kill(l->pid, SIGKILL);
		waitpid(l->pid, &status, 0);
	}
	free((void *)l->words);
}

// An address of the held program's stack as one of here; NULL if it is none.
static inline const void *launch_at(const struct launch *l, unsigned long address)
{
	return address >= l->sp && address < l->top ? (const char *)l->words + (address - l->sp) : NULL;
}

static inline const char *launch_string(const struct launch *l, unsigned long address)
{
	const char *s = launch_at(l, address);

	return s && memchr(s, 0, l->top - address) ? s : "(not a string on the stack)";
}

static inline const char *launch_arg(const struct launch *l, size_t i)
{
	return launch_string(l, l->words[1 + i]);
}

static inline size_t launch_argc(const struct launch *l)
{
	return l->words[0];
}

// Addresses of the environment's strings, ended by NULL.
static inline const unsigned long *launch_env(const struct launch *l)
{
	return l->words + 1 + l->words[0] + 1;
}

// Starts a program, or ends the clause: skip where tracing is not allowed, fail where execve says no.
#define LAUNCH_OR_SKIP(l, ...)								\
	struct launch l = launch((struct launch_how){ __VA_ARGS__ });			\
	if (l.status == -127 || l.status == -126)					\
		SKIP(return, l.status == -127 ? "ptrace(2) is not allowed here" :	\
			     "a personality, limit or id cannot be set here");		\
	ASSERT_RET(0, l.status)

#endif
