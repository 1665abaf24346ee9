// SPDX-License-Identifier: GPL-2.0-only
// The executor: reads a plan, runs its programs, writes one stream (docs/stream.md). What its files share.
//
// It supervises with fork, waitpid, kill, sigtimedwait, poll and pipes alone, and allocates nothing: the kernel below
// may be broken in any of the things that the programs test.
#ifndef EXECUTOR_H
#define EXECUTOR_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define PARALLEL_MAX 1024	// jobs at a time
#define JOBS_MAX 8192		// jobs in a plan
#define TESTS_MAX 1024		// tests of a job
#define WRITES_MAX 64		// files that a job changes; a mask has 64 bits
#define PATH_SIZE 4096

enum { EXIT_COMPLETE = 0, EXIT_BAD_PLAN = 2, EXIT_INCOMPLETE = 3 };

// text.c: formatting without stdio.

// As snprintf for %s %d %u %08x, but returns what was written; always terminated.
size_t text_format(char *to, size_t size, const char *format, ...) __attribute__((format(printf, 3, 4)));
size_t text_vformat(char *to, size_t size, const char *format, __builtin_va_list values);
// Escapes n bytes as docs/stream.md says into at most TEXT_MAX bytes; `more` says that from[] was cut before.
#define TEXT_MAX 1000
#define TEXT_SIZE (TEXT_MAX + 8)
size_t text_escape(char to[TEXT_SIZE], const char *from, size_t n, bool more);
// "ENOENT"; "E999" for a number without a name here.
const char *errno_name(int error);
// One line on standard error.
void complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

// plan.c

struct job {
	int number, limit;
	bool exclusive;
	unsigned int user;
	int tests_count;
	char *program, *writes, *tests;	// writes and tests: words separated by commas, perhaps ""
};

struct plan {
	const char *nonce, *config;	// config: NULL if there is none
	int parallel, slow, patience, jobs_count;	// patience: seconds, 0 if there is no such line
	struct job jobs[JOBS_MAX];
};

extern struct plan plan;

// Reads the plan from a file (NULL: standard input); false after having said on standard error what is wrong with it.
bool plan_load(const char *path);

// executor.c: a signal asked for the end of the run.
bool stop_is_requested(void);

// stream.c

// Every call is one line of the stream and one write(2).
void stream_start(const char *nonce);
void stream_line(const char *kind, const char *format, ...) __attribute__((format(printf, 2, 3)));
// True once the reader is gone or the disk is full: nothing more can be told, and the run ends.
bool stream_is_lost(void);

// clock.c: milliseconds since the first call, by system call: the vDSO is under test.
long now_ms(void);

// An entry of a directory, as getdents64 writes it; opendir() would allocate.
struct listed {
	uint64_t inode;
	int64_t offset;
	unsigned short size;
	unsigned char type;
	char name[];
};

// What a nanny and the executor tell each other, in memory that both share and that no program inherits.
struct board {
	pid_t program;
	int error;		// errno with which the program could not be started
	int status;		// of the program, as waitpid gives it; meaningful if has_ended
	int left, unkillable;
	long user_ms, sys_ms;
	uint64_t restored, unrestored;	// bit i: the i-th file of `writes`
	int restore_error;
	int scratch_error;	// errno with which the private directory could not be removed
	bool has_ended;
	bool command_seen;	// by the nanny
	bool is_done;		// the nanny has cleaned up
	volatile bool command;	// by the executor: end the job now
};

// scratch.c: the private directory of a job, its working directory and TMPDIR.

// Finds out where private directories can be made; "" if nowhere.
void scratch_find_base(void);
// The directory of the job whose nanny is `nanny`; "/" where there can be none.
void scratch_path(char path[PATH_SIZE], pid_t nanny);
int scratch_make(pid_t nanny, uid_t owner);	// 0 or errno; where root calls, the directory is the owner's
int scratch_remove(pid_t nanny);		// 0 or errno; with all that is in it, but no other filesystem

const char *scratch_base(void);

// turns.c: whether a job may start beside the other runs of this machine; asked again until it may. busy: whether
// jobs of this run are under way, which nobody may be alone beside.
bool turn_has_come(bool alone, bool busy);

// saved.c: the files that a job says it changes.

// Reads the files of `writes`; 0 or errno. There is one set: a job with writes runs alone.
int saved_take(const char *writes);
// Puts back those that differ; tells which it changed and which it could not.
void saved_put_back(struct board *board);
// The path of the i-th file.
const char *saved_path(int i);
int saved_count(void);

// kin.c: finding and killing descendants, in whatever session or process group they hide.

struct kin {
	int present;	// processes seen, dead ones that nobody has waited for included
	int killed;	// those of them that were alive, and had not been killed before
};

// Kills all descendants of this process but the children in spare[] and what is below them. `uncounted` is killed as
// well, but no part of `killed`.
struct kin kin_kill(const pid_t *spare, int spares, pid_t uncounted);

// program.c: becomes the program in a defined environment; writes board->error and exits where it cannot.
void program_exec(const struct job *job, struct board *board, const char *directory) __attribute__((noreturn));
extern char program_base[PATH_SIZE];	// the executor's working directory, which `program` is relative to

// nanny.c: one process per job, which runs the program and leaves nothing of it behind; never returns.
void nanny_run(const struct job *job, struct board *board, pid_t executor, int output) __attribute__((noreturn));
long cleanup_ms(void);	// after which a process that SIGKILL does not end is left alone; short if the plan has patience
void close_from(int fd);

// output.c: a program's output, cut into lines and held to its budget.

struct output {
	int job, tests_count;
	int fd;			// -1 once the last writer has closed it
	char line[TEXT_MAX + 1];
	size_t length;		// of the line so far; may exceed what is kept of it
	int lines, results, dropped;
	size_t bytes;
	int last_result;	// number of the last result in sequence
	bool is_progress;	// a new result came; the reader of this resets it
};

// Reads what is there, at most one chunk, and passes it on; false if there was nothing.
bool output_read(struct output *o);
// Passes on an unfinished last line.
void output_end(struct output *o);

// kmsg.c: the kernel's log from the start of the executor on.

void kmsg_open(void);
int kmsg_fd(void);		// -1 if it cannot be read
void kmsg_pass_on(void);
void kmsg_refill_budget(void);	// at each begin and end

// jobs.c: the jobs that run.

bool job_is_exclusive(const struct job *job);
void jobs_start(const struct job *job);
bool jobs_are_full(void);
int jobs_running(void);
int jobs_finished(void);
bool jobs_run_alone(void);	// an exclusive job runs
void jobs_reap(void);		// waits for dead children, nannies and strangers, without blocking
void jobs_look_after(void);	// ends what is over its limit, finishes what has ended
bool jobs_stop_all(void);	// false if none was running
// Fills in the pollfd of each running job, returns how many; and reads from those that are ready.
struct pollfd;
int jobs_poll_prepare(struct pollfd *fds);
void jobs_poll_done(const struct pollfd *fds);
int jobs_setup(void);		// 0 or errno

// guest.c: as PID 1 of a guest, under the name init.

extern bool is_own_machine;	// once guest_prepare() has run
bool guest_is_this(const char *argv0);
void guest_prepare(void);
void guest_power_off(void) __attribute__((noreturn));

#endif
