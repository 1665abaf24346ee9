// SPDX-License-Identifier: GPL-2.0-only
// Reads the lies file. One lie a line, words KEY=VALUE separated by blanks; # begins a line that says nothing. E.g.
//
//   id=futex.wake.counts-one-more call=futex,futex_time64 when=int1&127==1 after=result+=1
//
// An unknown key, name or call ends the liar (exit 125) with the line and the mend. A blank may stand only in 'text'.
//
// WHERE it is told: exactly one of
//   call=NAME,...        system calls by name or number; an ABI that has none of a name is not lied to by it
//   signal=SIGX,...|any  a signal about to be delivered: handler, default action or ignored alike. Not what
//                        sigtimedwait or a signalfd takes: lie about those calls
//   start=thread|process|any   a task that clone, fork or vfork made, before its first instruction
//   exec=PATTERN         an image, before its first instruction; fnmatch(3) on the base name of its file
// TO WHOM, WHEN: all optional, all must hold
//   abi=NAME,...         the ABI of the call, or of the code that runs
//   thread=main|other    the first thread of its process, or any other
//   depth=N | N- | N-M   forks below the program (whatever is executed on the way)
//   when=EXPR            holds before it happens; memory that cannot be read counts as "does not hold"
//   nth=N from=N until=N every=N    of the times that all else holds (a restarted call is the same call),
//   count=process|thread|run        counted in each process (default, 0 after fork), in each thread, or all together
// WHAT is done: the edits in the order of the words, then the rest
//   before=TARGET OP EXPR   before it happens; arguments, and memory that nobody changed since, are put back after
//                        the call. Edits at signals, starts and execs stay
//   poke=TARGET OP EXPR  the same, and memory stays changed
//   return=EXPR          the call is not made; this is its result (nothing is put back). return=-EAGAIN
//   answer=CONSTANT      the same, 0 or an error, by the seccomp filter itself: the task does not stop, which would
//                        give the CPU away. No other action, depth, thread or count; `when` may only compare argN or
//                        intN, or a mask of them, by == (argN: also !=); nobody sees it told
//   number=NAME          another call is made, of the same arguments
//   if=EXPR              what follows holds only if this holds on return; without it, `after` leaves alone results
//                        that only tell the kernel to restart (-ERESTARTSYS -ERESTARTNOHAND -ERESTART_RESTARTBLOCK
//                        -ERESTARTNOINTR). A lie with `if` and nothing before is counted on return
//   after=TARGET OP EXPR    on return, before the program sees it. Not after a successful exec
//   hold=MS[,ID]         waits before it happens: MS milliseconds, or until lie ID is told if that comes first
//   hold_return=MS[,ID]  the same on return
//   interrupt=MS[,ID]    then makes a blocked call return; `after` says what
//  only with signal=; what the liar itself sends is not lied about again
//   entry=TARGET OP EXPR at the handler's first instruction, the frame built
//   deliver=EXPR         this signal instead; 0: none
//   duplicate=EXPR       so many times more
//   redirect=main|other  to the first thread, or to another one
//   later=MS[,ID]        not now but then
//  only with exec=
//   drop=TYPE            takes an entry out of the auxiliary vector (on the stack; /proc/self/auxv keeps it)
//   patch=SYMBOL:EXPR    a vDSO function does nothing but return a constant
//   patch=SYMBOL:call:NAME  or makes a system call of its first three arguments, about which other lies can lie (vdso
//                        tells it from direct calls)
// A lie with nothing to do marks an event that hold=, interrupt= and later= of other lies wait for.
//
// OP is = |= &= ^= += -=. EXPR has C's operators, + - * / % << >> & ^ | == != < <= > >= && || ~ ! ( ), on signed 64-bit
// numbers; comparisons bind looser than & ^ |, as in Python. Values:
//   arg0..arg5 (a word, without sign), int0..int5 (its low 32 bits, signed: for what is int in C), result, number
//   tid tgid main depth count wordsize; vdso (1: the call is made by a patched vDSO function); EINTR, SIGUSR1 ...
//   u8[A] u16[A] u32[A] u64[A] i8[A] i16[A] i32[A] word[A]     memory of the task
//   sig, si_code, si_pid ... (siginfo_t's names)                of the signal
//   sp pc and registers by name; xmm3 xmm3h ymm3 ymm3h zmm3 himm3 k3 st3 mxcsr pkru (64-bit pieces)
//   sigmask; info, uc (addresses, at a handler's entry); auxv[TYPE] (at exec)
//   v0..v7 of the task, p0..p7 of the process (both handed to children), g0..g7 of the run: 0 at first
//   str[A]=='text' or != : fnmatch(3) on a string of the task
// TARGET is one of arg int result, u8[] .. word[], si_*, registers, sigmask, auxv[], v p g, or bytes[A,LENGTH] (each
// byte); argN='text' points the argument at that text.
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "liar.h"
#include "words.h"

struct lie *lies;
int n_lies;

static const char *file;
static int line_number;

static void refuse(const char *word, const char *why)
{
	give_up("%s:%d: %s: %s", file, line_number, word, why);
}

bool any_lie_on(enum trigger trigger)
{
	for (struct lie *lie = lies; lie < lies + n_lies; lie++)
		if (lie->trigger == trigger)
			return true;
	return false;
}

bool lie_has_edits(const struct lie *lie, enum when when)
{
	for (int i = 0; i < lie->n_edits; i++)
		if (lie->edits[i].when == when)
			return true;
	return false;
}

// Which words a lie has that do not go with its trigger or with each other; NULL if there are none.
static const char *misfit(const struct lie *lie, bool has_trigger)
{
	bool on_return = lie->if_ || lie_has_edits(lie, AFTER) || lie->hold_return.ms >= 0 || lie->interrupt.ms >= 0;
	bool for_calls = lie->return_ || lie->converts || on_return;
	bool for_signals = lie->deliver || lie->duplicate || lie->redirect != ANY || lie->later.ms >= 0 ||
			   lie_has_edits(lie, ENTRY);
	bool selects = lie->who != ANY || lie->depth_from != INT_MIN || lie->nth || lie->from > 1 || lie->until ||
		       lie->every > 1;

	if (!lie->id)
		return "the lie needs id=";
	if (!has_trigger)
		return "the lie needs one of call= signal= start= exec=";
	if (for_signals && lie->trigger != ON_SIGNAL)
		return "entry, deliver, duplicate, redirect and later go with signal= alone";
	if (for_calls && lie->trigger != ON_CALL)
		return "return, number, if, after, hold_return and interrupt go with call= alone";
	if ((lie->n_drops || lie->n_patches) && lie->trigger != ON_EXEC)
		return "drop and patch go with exec= alone";
	if (lie->return_ && on_return)
		return "with return= there is no way out to act on";
	if (lie->answer && (lie->trigger != ON_CALL || for_calls || selects || lie->n_edits || lie->hold.ms >= 0))
		return "answer goes with call=, abi= and when= alone";
	return NULL;
}

static void read_line(char *line)
{
	struct lie lie = {
		.line = line_number, .abis = (1u << TRACE_ABIS) - 1, .depth_from = INT_MIN, .depth_to = INT_MAX,
		.from = 1, .every = 1, .hold.ms = -1, .hold_return.ms = -1, .interrupt.ms = -1, .later.ms = -1,
	};
	const char *why;
	bool has_trigger = false;
	char *word;

	while ((word = next_word(&line))) {
		bool is_trigger = false;

		why = read_word(&lie, word, &is_trigger);
		if (is_trigger && has_trigger)
			why = "one of call= signal= start= exec= is enough";
		if (why)
			refuse(word, why);
		has_trigger |= is_trigger;
	}
	why = misfit(&lie, has_trigger);
	if (why)
		refuse(lie.id ?: "lie", why);
	for (int i = 0; i < n_lies; i++)
		if (!strcmp(lies[i].id, lie.id))
			refuse(lie.id, "another lie has this id");
	for (int i = 0; i < lie.n_edits; i++)
		lie.edits[i].stays |= lie.trigger != ON_CALL || lie.return_;
	lies = realloc(lies, (n_lies + 1) * sizeof(*lies));
	if (!lies)
		give_up("no memory");
	lies[n_lies++] = lie;
}

static void check_references(const struct lie *lie)
{
	const char *ids[] = { lie->hold.until, lie->hold_return.until, lie->interrupt.until, lie->later.until };

	for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
		bool found = !ids[i];

		for (int j = 0; j < n_lies && !found; j++)
			found = !strcmp(ids[i], lies[j].id);
		line_number = lie->line;
		if (!found)
			refuse(ids[i], "no lie has this id");
	}
}

void read_lies(const char *path)
{
	FILE *stream = fopen(path, "re");
	char *line = NULL;
	size_t size = 0;

	if (!stream)
		give_up("%s: %s", path, strerror(errno));
	file = path;
	while (getline(&line, &size, stream) >= 0) {
		char *start = line + strspn(line, " \t\n");

		line_number++;
		if (*start && *start != '#')
			read_line(start);
	}
	free(line);
	fclose(stream);
	for (struct lie *lie = lies; lie < lies + n_lies; lie++)
		check_references(lie);
}
