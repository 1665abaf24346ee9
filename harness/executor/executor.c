// SPDX-License-Identifier: GPL-2.0-only
// Runs the programs of a plan and writes one stream; docs/stream.md says what goes in and what comes out.
#include "executor.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

static volatile sig_atomic_t is_stopped;
static int wake_up[2];		// a pipe from the signal handlers to poll()

bool stop_is_requested(void)
{
	return is_stopped;
}

static void on_signal(int signal)
{
	int error = errno;

	if (signal != SIGCHLD)
		is_stopped = true;
	if (write(wake_up[1], "", 1) < 0)
		error = error;	// the pipe is full: poll() wakes up all the same
	errno = error;
}

static int prepare_signals(void)
{
	static const int handled[] = { SIGCHLD, SIGTERM, SIGINT, SIGHUP };
	struct sigaction action = { .sa_handler = on_signal };
	sigset_t none;

	if (pipe2(wake_up, O_CLOEXEC | O_NONBLOCK))
		return errno;
	for (size_t i = 0; i < sizeof(handled) / sizeof(*handled); i++)
		sigaction(handled[i], &action, NULL);
	action.sa_handler = SIG_IGN;
	sigaction(SIGPIPE, &action, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	return 0;
}

// Standard input becomes /dev/null, for the programs; or the end of an empty pipe, where there is no /dev.
static int prepare_input(void)
{
	int empty[2], fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd < 3);	// and so becomes what else is closed
	if (fd < 0) {
		if (pipe(empty))
			return errno;
		close(empty[1]);
		fd = empty[0];
	}
	return dup2(fd, 0) < 0 ? errno : 0;
}

// /proc must be there, and of this PID namespace, for descendants to be found.
static bool has_proc(void)
{
	char self[16], number[16];
	ssize_t n = readlink("/proc/self", self, sizeof(self) - 1);

	text_format(number, sizeof(number), "%d", getpid());
	self[n > 0 ? n : 0] = 0;
	return !strcmp(self, number);
}

// CPUs that programs may run on.
static int count_cpus(void)
{
	static unsigned long mask[1024];
	long size = syscall(SYS_sched_getaffinity, 0, sizeof(mask), mask);
	int n = 0;

	for (long i = 0; i < size / (long)sizeof(*mask); i++)
		n += __builtin_popcountl(mask[i]);
	return n;
}

static void say_hello(void)
{
	char arch[TEXT_SIZE] = "unknown", release[TEXT_SIZE] = "unknown";
	struct utsname u;

	if (!uname(&u)) {
		text_escape(arch, u.machine, strlen(u.machine), false);
		text_escape(release, u.release, strcspn(u.release, " "), false);
	}
	stream_line("hello", "executor=1 arch=%s release=%s cpus=%d page=%ld uid=%u", arch, release, count_cpus(),
		    sysconf(_SC_PAGESIZE), (unsigned int)geteuid());
	if (!has_proc())
		stream_line("error", "no /proc of this PID namespace: processes that outlive a job are not found");
}

// Returns whether a job waits for other runs.
static bool start_what_is_due(int *next)
{
	while (*next < plan.jobs_count && !jobs_are_full() && !jobs_run_alone()) {
		const struct job *job = &plan.jobs[*next];

		if (job_is_exclusive(job) && jobs_running())
			return false;
		if (!turn_has_come(job_is_exclusive(job), jobs_running()))
			return true;
		jobs_start(job);
		++*next;
	}
	return false;
}

static void wait_for_events(void)
{
	static struct pollfd fds[PARALLEL_MAX + 3];
	char bytes[64];
	int n;

	fds[0] = (struct pollfd){ .fd = wake_up[0], .events = POLLIN };
	fds[1] = (struct pollfd){ .fd = 1 };	// tells by POLLERR that its reader is gone
	fds[2] = (struct pollfd){ .fd = kmsg_fd(), .events = POLLIN };
	n = 3 + jobs_poll_prepare(fds + 3);
	if (poll(fds, n, 250) <= 0)
		return;
	// Once, and only if there is something: a kernel whose O_NONBLOCK does not hold must fail a clause, not stop this.
	if (fds[0].revents && read(wake_up[0], bytes, sizeof(bytes)) < 0)
		complain("cannot read a pipe: %s", errno_name(errno));
	if (fds[1].revents)
		is_stopped = true;
	if (fds[2].revents)
		kmsg_pass_on();
	jobs_poll_done(fds + 3);
}

// A reader takes silence for death, and one with little patience soon.
static void give_sign_of_life(void)
{
	static long last = -10000;
	long now = now_ms();

	if (now - last < (plan.patience ? 1000 : 10000))
		return;
	stream_line("waits", "ms=%ld", now);
	last = now;
}

// Returns whether every job of the plan ran.
static bool run_plan(void)
{
	bool is_complete = true, waits;
	int next = 0;

	for (;;) {
		waits = false;
		if (is_stopped || stream_is_lost())
			is_complete &= !jobs_stop_all();
		else
			waits = start_what_is_due(&next);
		if (!jobs_running() && !waits)
			return is_complete && next == plan.jobs_count;
		if (waits || plan.patience)
			give_sign_of_life();
		wait_for_events();
		jobs_reap();
		jobs_look_after();
	}
}

static int prepare(void)
{
	int error = prepare_input();

	close_from(3);
	umask(0);	// a file that is put back gets the mode it had
	if (!error)
		error = prepare_signals();
	if (!error)
		error = jobs_setup();
	if (!error && !getcwd(program_base, sizeof(program_base)))
		error = errno;
	if (program_base[0] && !program_base[1])
		program_base[0] = 0;	// "/": paths are joined with one
	scratch_find_base();
	prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	return error;
}

static int run(const char *plan_path)
{
	bool is_complete;
	int error;

	if (!plan_load(plan_path))
		return EXIT_BAD_PLAN;
	error = prepare();
	if (error) {
		complain("cannot start: %s", errno_name(error));
		return EXIT_INCOMPLETE;
	}
	now_ms();
	kmsg_open();
	stream_start(plan.nonce);
	say_hello();
	is_complete = run_plan();
	stream_line("bye", "jobs=%d ms=%ld", jobs_finished(), now_ms());
	return is_complete && !stream_is_lost() ? EXIT_COMPLETE : EXIT_INCOMPLETE;
}

int main(int argc, char **argv)
{
	if (guest_is_this(argv[0])) {
		guest_prepare();
		run("/plan");
		guest_power_off();
	}
	if (argc > 2 || (argc == 2 && *argv[1] == '-')) {
		complain("usage: executor [PLAN]; without a file, the plan is read from standard input");
		return EXIT_BAD_PLAN;
	}
	if (fcntl(1, F_GETFD) < 0) {
		complain("standard output is closed: there is nowhere to write the stream");
		return EXIT_INCOMPLETE;
	}
	return run(argc == 2 ? argv[1] : NULL);
}
