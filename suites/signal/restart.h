// SPDX-License-Identifier: GPL-2.0-only
// A call that blocks, and what becomes of it when a signal is handled, ignored, or stops the process: signal(7)'s table.
#ifndef RESTART_H
#define RESTART_H

#include <fcntl.h>
#include <poll.h>

#include "origin.h"

#define MS 1000000LL

enum fate {
	RESTARTS,	// goes on after a handler of SA_RESTART and after a stop; EINTR without the flag
	NOT_AFTER_A_HANDLER,	// goes on after a stop; EINTR after any handler
	NEVER_RESTARTS,	// EINTR after a handler and after a stop
};

// Shared by the process that blocks and the one that looks on; what prepare() opens is open in both.
struct stage {
	int fd[4];
	long id;
	uint32_t word;
	int child;
	volatile int handled, returned;
	volatile long result;
};

struct blocking {
	enum fate fate;
	long nr;
	bool (*prepare)(struct stage *s);	// before the fork; false: the kernel or the machine has no such thing
	long (*call)(struct stage *s);
	void (*finish)(struct stage *s);	// by the onlooker: makes the call return
	long want;				// what then
};

static struct stage *stage;

static void count_in_stage(int sig, siginfo_t *info, void *ucontext)
{
	stage->handled++;
}

enum { HANDLED, HANDLED_AND_RESTARTED, IGNORED, STOPPED, TREATMENTS };

static const char *const treatment_names[] = { "a handler", "a handler of SA_RESTART", "ignored signals", "a stop" };

static void block(const struct blocking *b, int treatment)
{
	raw_sigaction(SIGUSR1, treatment == IGNORED ? SIGNAL_IGNORE : count_in_stage,
		      treatment == HANDLED_AND_RESTARTED ? SA_RESTART : 0);
	stage->result = b->call(stage);
	stage->returned = 1;
	_exit(0);
}

static bool is_waiting(const struct blocking *b)
{
	return is_asleep_in_either(stage->child, b->nr, __NR_restart_syscall);
}

static bool begins(const struct blocking *b, int treatment)
{
	int pid;

	stage->handled = stage->returned = 0;
	stage->result = -EINPROGRESS;
	pid = fork();
	if (pid == 0)
		block(b, treatment);
	stage->child = pid;
	return pid > 0 && wait_until(is_waiting(b) || stage->returned) && !stage->returned;
}

// Does to the process what the treatment says; true once it is seen to go on or to have returned.
static bool is_treated(const struct blocking *b, int treatment)
{
	int status;

	if (treatment == STOPPED) {
		if (kill(stage->child, SIGSTOP) || waitpid(stage->child, &status, WUNTRACED) != stage->child ||
		    !WIFSTOPPED(status) || kill(stage->child, SIGCONT))
			return false;
	} else {
		raw_syscall(__NR_kill, stage->child, SIGUSR1);
		raw_syscall(__NR_kill, stage->child, SIGURG);
		if (treatment != IGNORED && !wait_until(stage->handled))
			return false;
	}
	return wait_until(is_waiting(b) || stage->returned);
}

static bool is_interrupted(const struct blocking *b, int treatment)
{
	return treatment == HANDLED || (treatment == HANDLED_AND_RESTARTED && b->fate != RESTARTS) ||
	       (treatment == STOPPED && b->fate == NEVER_RESTARTS);
}

static bool ends(const struct blocking *b, bool interrupted)
{
	if (!interrupted)
		b->finish(stage);
	if (!wait_until(stage->returned || waitpid(stage->child, NULL, WNOHANG))) {
		kill(stage->child, SIGKILL);
		waitpid(stage->child, NULL, 0);
		return false;
	}
	waitpid(stage->child, NULL, 0);
	return true;
}

// Has the call meet one treatment.
#define MEETS(b, treatment) do {							\
	int t_ = (treatment);								\
	bool prepared_ = !(b)->prepare || (b)->prepare(stage);				\
	bool interrupted_ = is_interrupted(b, t_);					\
											\
	if (!prepared_)									\
		SKIP(return, "this machine has no such thing");				\
	ASSERT_TRUE(begins(b, t_)) {							\
		TH_LOG("does not block: %ld", stage->result);				\
	}										\
	ASSERT_TRUE(is_treated(b, t_));							\
	EXPECT_EQ(interrupted_, stage->returned) {					\
		TH_LOG("after %s", treatment_names[t_]);				\
	}										\
	ASSERT_TRUE(ends(b, stage->returned)) {						\
		TH_LOG("does not end, after %s", treatment_names[t_]);			\
	}										\
	EXPECT_RET(interrupted_ ? -EINTR : (b)->want, stage->result) {			\
		TH_LOG("after %s", treatment_names[t_]);				\
	}										\
} while (0)

// All treatments; the clause's body. What is never restarted meets ignored signals in a clause of its own: a tracer, as the
// liar is one, interrupts it then.
#define GOES_THROUGH(b) do {								\
	stage = common_memory(sizeof(*stage));						\
	for (int treatment_ = 0; treatment_ < TREATMENTS; treatment_++)			\
		if (treatment_ != IGNORED || (b)->fate != NEVER_RESTARTS)		\
			MEETS(b, treatment_);						\
} while (0)

#define USERS_OF_RESTART "go:sigtramp glibc:sigaction libuv:uv_signal_start"

#define RESTART_CLAUSE(clause_name, what, ...)						\
	static const struct blocking clause_name##_row = { __VA_ARGS__ };		\
	CLAUSE(clause_name, "signal(7) Interruption of system calls and library functions: " what " [SIG-7]",	\
	       .needed_by = USERS_OF_RESTART)						\
	{										\
		GOES_THROUGH(&clause_name##_row);					\
	}

#define AFTER_RESTART " is restarted after a handler of SA_RESTART and after a stop, fails with EINTR without the flag, and is left alone by " \
	"ignored signals"
#define EINTR_AFTER_HANDLER " fails with EINTR after any handler, SA_RESTART or not; it goes on after a stop and after ignored signals"
#define EINTR_ALWAYS " fails with EINTR after any handler, SA_RESTART or not, and after a stop"

static inline void write_byte(struct stage *s)
{
	raw_syscall(__NR_write, s->fd[1], "x", 1);
}

static inline bool open_pipe(struct stage *s)
{
	return raw_syscall(__NR_pipe2, s->fd, 0) == 0;
}

#endif
