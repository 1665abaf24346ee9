// SPDX-License-Identifier: GPL-2.0-only
// The jobs that run: their nannies, output and limits, and what is done where a nanny fails.
#include "executor.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum reason { BY_ITSELF, BY_LIMIT, BY_STOP };

static struct slot {
	const struct job *job;	// NULL: free
	pid_t nanny;
	int nanny_status;
	bool nanny_is_reaped, nanny_is_killed;
	enum reason reason;
	long quiet_since, asked, nanny_killed;	// in patient time
	struct output output;
	struct board *board;
} slots[PARALLEL_MAX];

static int running, finished;
static long patient_ms;		// a clock that stands still while the executor does not get to look at its jobs

int jobs_setup(void)
{
	struct board *boards = mmap(NULL, PARALLEL_MAX * sizeof(*boards), PROT_READ | PROT_WRITE,
				    MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (boards == MAP_FAILED)
		return errno;
	for (int i = 0; i < PARALLEL_MAX; i++)
		slots[i].board = &boards[i];
	return 0;
}

bool jobs_are_full(void)
{
	return running == plan.parallel;
}

int jobs_running(void)
{
	return running;
}

int jobs_finished(void)
{
	return finished;
}

// A job with `writes` runs alone as well: two that change one file could not both be undone.
bool job_is_exclusive(const struct job *job)
{
	return job->exclusive || *job->writes;
}

bool jobs_run_alone(void)
{
	for (int i = 0; i < plan.parallel; i++)
		if (slots[i].job && job_is_exclusive(slots[i].job))
			return true;
	return false;
}

static struct slot *free_slot(void)
{
	struct slot *s = slots;

	while (s->job)
		s++;
	return s;
}

static int fork_nanny(struct slot *s, int output)
{
	unsigned char all[_NSIG / 8], before[_NSIG / 8];
	pid_t executor = getpid();
	int error = 0;

	// The nanny waits for its signals and handles none. By system call: libc leaves two out that a program can send.
	memset(all, 0xff, sizeof(all));
	syscall(SYS_rt_sigprocmask, SIG_SETMASK, all, before, sizeof(all));
	s->nanny = fork();
	if (s->nanny == 0)
		nanny_run(s->job, s->board, executor, output);
	if (s->nanny < 0)
		error = errno;
	syscall(SYS_rt_sigprocmask, SIG_SETMASK, before, NULL, sizeof(before));
	return error;
}

static int start(struct slot *s)
{
	int ends[2], error = saved_take(s->job->writes);

	if (error)
		return error;
	if (pipe2(ends, O_CLOEXEC))
		return errno;
	s->output.fd = ends[0];
	fcntl(ends[0], F_SETFL, O_NONBLOCK);
	error = fork_nanny(s, ends[1]);
	close(ends[1]);
	if (error)
		close(ends[0]);
	return error;
}

void jobs_start(const struct job *job)
{
	struct slot *s = free_slot();
	struct board *board = s->board;
	int error;

	memset(board, 0, sizeof(*board));
	memset(s, 0, sizeof(*s));
	s->board = board;
	s->job = job;
	s->quiet_since = patient_ms;
	s->output.job = job->number;
	s->output.tests_count = job->tests_count;
	kmsg_refill_budget();
	stream_line("begin", "%d ms=%ld", job->number, now_ms());
	error = start(s);
	if (!error) {
		running++;
		return;
	}
	stream_line("end", "%d error=%s ms=%ld user=0 sys=0 left=0 dropped=0", job->number, errno_name(error), now_ms());
	finished++;
	s->job = NULL;
}

static void ask_to_end(struct slot *s, enum reason reason)
{
	if (s->reason != BY_ITSELF)
		return;
	s->reason = reason;
	s->asked = patient_ms;
	s->board->command = true;
	if (!s->nanny_is_reaped) {
		kill(s->nanny, SIGTERM);
		kill(s->nanny, SIGCONT);	// the program may have stopped it
	}
}

bool jobs_stop_all(void)
{
	for (int i = 0; i < plan.parallel; i++)
		if (slots[i].job)
			ask_to_end(&slots[i], BY_STOP);
	return running > 0;
}

void jobs_reap(void)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG | __WALL)) > 0) {
		for (int i = 0; i < plan.parallel; i++) {
			struct slot *s = &slots[i];

			if (s->job && s->nanny == pid && !s->nanny_is_reaped && !WIFSTOPPED(status)) {
				s->nanny_is_reaped = true;
				s->nanny_status = status;
			}
		}
	}
}

// Kills the orphans of nannies that died: whatever child of this process is no living nanny.
static struct kin kill_strangers(pid_t uncounted)
{
	static pid_t nannies[PARALLEL_MAX];
	int n = 0;

	for (int i = 0; i < plan.parallel; i++)
		if (slots[i].job && !slots[i].nanny_is_reaped)
			nannies[n++] = slots[i].nanny;
	return kin_kill(nannies, n, uncounted);
}

static void end_strangers(struct board *b)
{
	long until = now_ms() + cleanup_ms();
	struct kin kin;

	while ((kin = kill_strangers(b->program)).present && now_ms() < until) {
		b->left += kin.killed;
		poll(NULL, 0, 1);
		jobs_reap();
	}
	b->left += kin.killed;
	b->unkillable = kin.present;
}

// Does what the nanny has not done. Where no job runs, no child should be left: one that is was orphaned on a kernel
// that does not know, or breaks, child subreapers, or by a nanny that was killed at its end.
static void stand_in_for_nanny(struct slot *s)
{
	struct board *b = s->board;

	jobs_reap();
	if (!b->is_done || (!b->unkillable && running == 1 && waitpid(-1, NULL, WNOHANG | __WALL) == 0))
		end_strangers(b);
	if (!b->is_done) {
		saved_put_back(b);
		b->scratch_error = scratch_remove(s->nanny);
	}
}

static void report_cleaning(const struct slot *s)
{
	const struct board *b = s->board;
	int job = s->job->number;
	char path[TEXT_SIZE];

	for (int i = 0; *s->job->writes && i < saved_count(); i++) {
		text_escape(path, saved_path(i), strlen(saved_path(i)), false);
		if (b->unrestored >> i & 1)
			stream_line("error", "job %d: cannot put back %s: %s", job, path, errno_name(b->restore_error));
		else if (b->restored >> i & 1)
			stream_line("restored", "%d %s", job, path);
	}
	if (b->unkillable)
		stream_line("error", "job %d: %d processes cannot be killed", job, b->unkillable);
	if (b->scratch_error)
		stream_line("error", "job %d: cannot remove its directory: %s", job, errno_name(b->scratch_error));
}

static const char *how_it_ended(const struct slot *s)
{
	static char how[64];
	const struct board *b = s->board;
	bool was_killed = !b->has_ended || (WIFSIGNALED(b->status) && WTERMSIG(b->status) == SIGKILL);

	if (b->error)
		text_format(how, sizeof(how), "error=%s", errno_name(b->error));
	else if (s->reason == BY_STOP && was_killed)
		return "stopped";
	else if (s->reason == BY_LIMIT && was_killed)
		text_format(how, sizeof(how), "limit=%d", s->job->limit);
	else if (!b->has_ended)
		return "error=ECHILD";	// the nanny is dead, and with it the knowledge
	else if (WIFSIGNALED(b->status))
		text_format(how, sizeof(how), "signal=%d", WTERMSIG(b->status));
	else
		text_format(how, sizeof(how), "exit=%d", WEXITSTATUS(b->status));
	return how;
}

static void finish(struct slot *s)
{
	const struct board *b = s->board;

	stand_in_for_nanny(s);
	// What is still in the pipe, but no more than a pipe can hold: someone may have been handed its other end.
	for (int i = 0; i < 20 && s->output.fd >= 0 && output_read(&s->output); i++)
		;
	if (s->output.fd >= 0)
		close(s->output.fd);
	output_end(&s->output);
	kmsg_pass_on();
	report_cleaning(s);
	stream_line("end", "%d %s ms=%ld user=%ld sys=%ld left=%d dropped=%d", s->job->number, how_it_ended(s), now_ms(),
		    b->user_ms, b->sys_ms, b->left, s->output.dropped);
	kmsg_refill_budget();
	s->job = NULL;
	running--;
	finished++;
}

// A nanny that does not answer was stopped, traced or worse: it is killed, and the executor stands in for it.
static void check_nanny(struct slot *s)
{
	long patience = s->board->command_seen ? 3 * cleanup_ms() : 1000L * plan.slow;

	if (s->reason == BY_ITSELF || patient_ms - s->asked < patience)
		return;
	if (!s->nanny_is_killed) {
		s->nanny_is_killed = true;
		s->nanny_killed = patient_ms;
	}
	kill(s->nanny, SIGKILL);
	s->board->left += kill_strangers(s->board->program).killed;	// one may trace it, and hold back its death
	if (patient_ms - s->nanny_killed > cleanup_ms()) {
		stream_line("error", "job %d: its nanny cannot be killed", s->job->number);
		s->nanny_is_reaped = true;
	}
}

void jobs_look_after(void)
{
	static long last;
	long now = now_ms(), step = now - last;

	last = now;
	patient_ms += step < 0 ? 0 : step > 500 ? 500 : step;	// it looks every 250 ms
	for (int i = 0; i < plan.parallel; i++) {
		struct slot *s = &slots[i];

		if (!s->job)
			continue;
		if (s->output.is_progress)
			s->quiet_since = patient_ms;
		s->output.is_progress = false;
		if (!s->nanny_is_reaped && patient_ms - s->quiet_since >= s->job->limit * 1000L)
			ask_to_end(s, BY_LIMIT);
		if (!s->nanny_is_reaped)
			check_nanny(s);
		if (s->nanny_is_reaped)
			finish(s);
	}
}

int jobs_poll_prepare(struct pollfd *fds)
{
	int n = 0;

	for (int i = 0; i < plan.parallel; i++)
		if (slots[i].job && slots[i].output.fd >= 0)
			fds[n++] = (struct pollfd){ .fd = slots[i].output.fd, .events = POLLIN };
	return n;
}

void jobs_poll_done(const struct pollfd *fds)
{
	for (int i = 0; i < plan.parallel; i++)
		if (slots[i].job && slots[i].output.fd >= 0 && (fds++)->revents)
			output_read(&slots[i].output);
}
