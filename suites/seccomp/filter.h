// SPDX-License-Identifier: GPL-2.0-only
// seccomp(2) by raw system calls, and classic BPF in a few words. What is loaded stays until the clause's process ends.
#ifndef FILTER_H
#define FILTER_H

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "status.h"
#include "sync.h"
#include "sys.h"

#define SECCOMP_USERS "go:sigFromUser v8:seccomp_sigsys_handler glibc:clone3 musl:time64"

#define raw_seccomp(op, flags, args) raw_syscall(__NR_seccomp, op, flags, args)

// A filter, statement by statement.
#define LOAD(offset)         BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offset)
#define LOAD_NR              LOAD(offsetof(struct seccomp_data, nr))
#define LOAD_ARCH            LOAD(offsetof(struct seccomp_data, arch))
#define RET(verdict)         BPF_STMT(BPF_RET | BPF_K, verdict)
#define UNLESS(value, skip)  BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)(value), 0, skip)
#define ON_CALL(nr, verdict) LOAD_NR, UNLESS(nr, 1), RET(verdict)
#define ALLOW                RET(SECCOMP_RET_ALLOW)
#define FAILS_WITH(error)    (SECCOMP_RET_ERRNO | (error))

// The halves of a 64-bit field.
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define LOW(field)  (offsetof(struct seccomp_data, field))
#define HIGH(field) (offsetof(struct seccomp_data, field) + 4)
#else
#define LOW(field)  (offsetof(struct seccomp_data, field) + 4)
#define HIGH(field) (offsetof(struct seccomp_data, field))
#endif

// Loads a filter; flags and result are those of SECCOMP_SET_MODE_FILTER. no_new_privs comes first, so that anyone may.
#define load_filter(flags, ...) load_filter_(flags, (struct sock_filter[]){ __VA_ARGS__ },	\
	sizeof((struct sock_filter[]){ __VA_ARGS__ }) / sizeof(struct sock_filter))

// Gives one call a verdict and allows the rest.
#define judge(nr_, verdict) load_filter(0, ON_CALL(nr_, verdict), ALLOW)

static inline long no_new_privs(void)
{
	return raw_syscall(__NR_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

static inline long load_program(unsigned int flags, const struct sock_filter *insns, unsigned int length)
{
	struct sock_fprog program = { .len = length, .filter = (struct sock_filter *)insns };

	return raw_seccomp(SECCOMP_SET_MODE_FILTER, flags, &program);
}

static inline long load_filter_(unsigned int flags, const struct sock_filter *insns, unsigned int length)
{
	long result = no_new_privs();

	return is_error(result) ? result : load_program(flags, insns, length);
}

// What the clauses deny: a call that does no harm and that nothing else here makes.
#define CALL __NR_getpgid
#define call(...) raw_syscall(CALL, ##__VA_ARGS__)

// The process's group by another way than CALL, which getpgrp(3) is where there is no such system call.
static inline long call_result(void)
{
	char text[256], *end;
	long group = -1;

	if (read_text("/proc/self/stat", text, sizeof(text)) > 0 && (end = strrchr(text, ')')))
		sscanf(end, ") %*c %*d %ld", &group);
	return group;
}

// Status, as waitpid has it, of a forked child that runs the statement and leaves no core.
#define STATUS_OF(...)					\
({							\
	int status_ = -1;				\
	pid_t child_ = fork();				\
							\
	if (child_ == 0) {				\
		setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });	\
		prctl(PR_SET_DUMPABLE, 0);		\
		__VA_ARGS__;				\
		_exit(0);				\
	}						\
	waitpid(child_, &status_, 0);			\
	status_;					\
})

#define KILLED_BY_SIGSYS(status) (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS)

static inline long seccomp_probe(void)
{
	return raw_seccomp(~0U, 0, NULL);
}

#define SECCOMP .config = "SECCOMP_FILTER", .probe = seccomp_probe, .needed_by = SECCOMP_USERS

#endif
