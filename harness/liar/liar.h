// SPDX-License-Identifier: GPL-2.0-only
// What the files of the liar share: lies as they were read, tasks as they run, and the moment at which one is told.
#ifndef LIAR_H
#define LIAR_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "arch_trace.h"

#define MAX_ACTIVE 16		// lies that concern one system call or one signal at a time
#define MAX_EDITS 16		// edits of a lie
#define MAX_PATCHES 8		// vDSO functions replaced in one image
#define MAX_CALLS 16		// system calls named by a lie
#define VARIABLES 8		// of a task, a process, the run

/* Expressions (expr_parse.c, expr_eval.c) */

enum kind { NUMBER, TEXT, NAME, REGISTER, MEMORY, BYTES, STRING, AUXV, UNARY, BINARY };

struct expr {
	enum kind kind;
	int64_t value;		// of NUMBER
	int which;		// enum name, register, operator
	int index;		// of a name that is one of many: arg3, v0
	unsigned int size;	// of MEMORY: 1 2 4 8, or 0 for a word of the task
	bool is_signed;
	char *text;
	struct expr *a, *b;
};

// The names an expression may use; those of siginfo_t come from a table in expr_eval.c.
enum name {
	ARG, INT, RESULT, CALL_NUMBER, TID, TGID, IS_MAIN, DEPTH, WORD_SIZE, SIGNAL, COUNT, IN_VDSO, INFO, UCONTEXT,
	SIGMASK, TASK_VARIABLE, PROCESS_VARIABLE, RUN_VARIABLE, SIGINFO_FIELD,
};

// Operators of two characters are their characters: TWO('=', '=').
#define TWO(a, b) ((a) << 8 | (b))

// Parses from *text on and leaves *text behind what it took; NULL with *fault set when it cannot.
struct expr *parse_expr(const char **text, const char **fault);
struct expr *parse_target(const char **text, const char **fault);
int find_signal(const char *name);
int find_siginfo_field(const char *name);

/* Lies (lies.c) */

enum trigger { ON_CALL, ON_SIGNAL, ON_START, ON_EXEC };
enum when { BEFORE, AFTER, ENTRY };
enum scope { PER_PROCESS, PER_THREAD, PER_RUN };
enum who { ANY, MAIN, OTHER };

struct edit {
	enum when when;
	bool stays;		// a memory edit that is not put back after the call
	char op;		// = | & ^ + -
	struct expr *target, *value;
};

struct delay {
	long ms;		// -1: none
	char *until;		// or, earlier, when the lie of this id is told
};

struct patch {
	char *symbol;
	struct expr *value;	// what the function returns instead, or NULL:
	int number[TRACE_ABIS];	// the system call it makes
};

struct lie {
	char *id;
	int line;
	enum trigger trigger;
	int number[TRACE_ABIS][MAX_CALLS];	// -1 ends each list
	uint64_t signals;			// bit per signal, signal 1 in bit 0
	bool threads_start, processes_start;
	char *image;				// pattern of ON_EXEC

	unsigned int abis;			// bit per trace_abis entry
	enum who who;
	int depth_from, depth_to;
	struct expr *when, *if_;
	unsigned long nth, from, until, every;
	enum scope count;

	struct edit edits[MAX_EDITS];
	int n_edits;
	struct expr *return_, *answer, *deliver, *duplicate;
	bool converts;				// to_number holds
	int to_number[TRACE_ABIS];
	struct delay hold, hold_return, interrupt, later;
	enum who redirect;			// ANY: nowhere
	int drop[MAX_PATCHES], n_drops;
	struct patch patch[MAX_PATCHES];
	int n_patches;

	unsigned long matched, told, failed, run_count;
};

extern struct lie *lies;
extern int n_lies;

// Reads the lines of a file into lies; ends the liar with a message that names file, line and mend when one is wrong.
void read_lies(const char *path);
bool any_lie_on(enum trigger trigger);
bool lie_has_edits(const struct lie *lie, enum when when);

/* Tasks (tasks.c) */

struct process {
	pid_t tgid;
	int tasks, depth;		// forks below the program
	bool begun;			// it is the program, or descends from it
	unsigned long *counts;		// per lie
	int64_t variables[VARIABLES];
	struct { uint64_t from, to; } stubs[MAX_PATCHES];
	int n_stubs;
};

struct undo {
	struct undo *next;
	uint64_t address;
	size_t size;
	unsigned char *before, *after;
};

struct call {
	bool active;			// an exit stop is awaited, or (in again) a restart
	bool interrupted;
	bool edited;			// number or arguments are not the program's own
	int abi;
	long number;
	int64_t args[6];
	uint64_t pc, sp;
	struct lie *lies[MAX_ACTIVE];
	int n_lies;
	struct undo *undo;		// latest first
};

// PARKED: its first stop came before its creator told of it.
enum state { RUNNING, PARKED, HELD };

struct task {
	struct task *next;
	pid_t tid;
	struct process *process;
	enum state state;
	int signal_due;			// to inject when a held task goes on
	int first_stop;			// signal of its first stop: SIGTRAP, or the one that has stopped its process
	struct call call, again;
	struct lie *entry[MAX_ACTIVE];	// lies for the handler that is about to be entered
	int n_entry, entry_signal;
	bool stops_at_entry;		// of the handler: for the lies above, or to learn whether a call is restarted
	pid_t wanted_by;		// the task that waits to trace this one
	unsigned long *counts;
	int64_t variables[VARIABLES];
};

struct task *find_task(pid_t tid);
struct task *add_task(pid_t tid, const struct task *creator);
void remove_task(struct task *task);
struct task *other_task(const struct task *task, enum who who);
bool is_main(const struct task *task);
void adopt(struct task *task, const struct task *creator);
void forget_siblings(struct task *task);
long status_field(pid_t tid, const char *field, int base);
bool handler_is_set(pid_t tid, int sig);

/* Telling (moment.c) */

struct moment {
	struct task *task;
	int abi;
	long number;
	int64_t args[6], result;
	siginfo_t info;
	uint64_t frame_info, frame_uc;	// of the handler about to run
	uint64_t sigmask;
	struct trace_regs regs;
	unsigned long count;
	uint64_t scratch;		// lowest stack byte used so far
	bool count_matters;		// some lie counted it that is not told each time
	bool stays;			// memory edits are not to be put back
	bool has_regs, regs_changed, args_changed, result_changed, info_changed, has_sigmask, sigmask_changed;
	bool fault;			// memory or registers could not be read or written
};

// Whether the lie is due now: wanted by task, ABI and condition, and at that count, which goes on.
bool is_due(struct lie *lie, struct moment *m);
bool is_wanted(const struct lie *lie, struct moment *m);
bool is_counted(struct lie *lie, struct moment *m);
// Makes the edits of one kind; true if the lie has any and all of them could be made.
bool make_edits(struct lie *lie, struct moment *m, enum when when);
void count_telling(struct lie *lie, struct moment *m, bool told);
void load_regs(struct moment *m);
// Writes what the lies changed of registers, siginfo and mask back to the task.
void commit(struct moment *m);

int64_t evaluate(const struct expr *e, struct moment *m);
void assign(const struct edit *e, struct moment *m);

/* Memory of a task (memory.c): 0 or -errno. Writing goes through write protection, as a debugger's does. */

int read_memory(pid_t tid, uint64_t address, void *buffer, size_t size);
int write_memory(pid_t tid, uint64_t address, const void *buffer, size_t size);
int edit_memory(struct moment *m, uint64_t address, const void *buffer, size_t size);
void put_back(pid_t tid, const struct undo *undo);
void forget_undo(struct call *call);
long read_string(pid_t tid, uint64_t address, char *text, size_t size);

/* Events (calls.c, signals.c, image.c) */

void call_begins(struct task *task);
void call_ends(struct task *task);
void signal_arrives(struct task *task, int sig);
bool handler_begins(struct task *task);
void task_starts(struct task *task, const struct task *creator);	// NULL: unknown
void image_starts(struct task *task);
void lie_about_image(struct moment *m);
bool image_matches(const struct task *task, const char *pattern);
bool find_auxv(struct moment *m, int type, uint64_t *entry_address, int64_t *value);

/* The program's own tracing (tracees.c) */

bool begins_to_trace(struct task *task, const struct moment *m);
void let_go(struct task *task, int sig);
void forget_wanted(const struct task *task);
bool is_wait(const struct moment *m);
int count_tracees(void);
void tell_tracees(struct task *tracer);

/* Later (later.c): what is to happen after a delay, or once a lie has been told */

enum act { RESUME, INTERRUPT, SEND, UNPARK };
void later(enum act act, const struct task *task, struct delay delay, int sig, const siginfo_t *info);
void lie_was_told(const struct lie *lie);
void forget_later(pid_t tid);
void do_what_is_due(void);
// Nanoseconds until something is due, -1 for never.
int64_t time_until_due(void);

void send_as(pid_t tgid, pid_t tid, int sig, const siginfo_t *info);
bool take_sent(const siginfo_t *seen, siginfo_t *real);

/* Engine (engine.c, filter.c, main.c) */

#define FILTER_COOKIE 0x11e

extern bool every_call;		// stop at each system call instead of filtering
extern const char *launcher;	// pattern of what runs first and is not the program, or NULL
extern int64_t run_variables[VARIABLES];

void make_filter(void);
void load_filter(void);
int run(pid_t child);
void resume(struct task *task, int sig);
void hold(struct task *task, struct delay delay, int sig);
void report(void);
void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void whisper(const char *fmt, ...) __attribute__((format(printf, 1, 2)));	// with -v
void give_up(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));
void *need_memory(size_t size);	// zeroed

#endif
