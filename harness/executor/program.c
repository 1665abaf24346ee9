// SPDX-License-Identifier: GPL-2.0-only
// From a fork of the nanny to the program: session, signals, environment, user.
#include "executor.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

char program_base[PATH_SIZE];

static void fail(struct board *board, int error)
{
	board->error = error;
	_exit(127);
}

// By system call: libc keeps two signals to itself, which the parent may have ignored.
static void reset_signals(void)
{
	static const char all_default[128] __attribute__((aligned(8)));	// a struct sigaction of any architecture
	sigset_t none;

	for (int i = 1; i < _NSIG; i++)
		syscall(SYS_rt_sigaction, i, all_default, NULL, _NSIG / 8);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static int drop_capabilities(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[2] = { 0 };

	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	return syscall(SYS_capset, &header, none) ? errno : 0;
}

// Without effect but for root, who alone can; user 0 keeps all that root has.
static int become_user(uid_t user)
{
	if (geteuid() != 0 || user == 0)
		return 0;
	if (setgroups(0, NULL) || setresgid(user, user, user) || setresuid(user, user, user))
		return errno;
	return drop_capabilities();
}

// "NAME=value", with the value made absolute where it is a relative path.
static char *variable(char *to, size_t size, const char *name, const char *base, const char *value)
{
	bool is_relative = base && *value != '/';

	text_format(to, size, "%s=%s%s%s", name, is_relative ? base : "", is_relative ? "/" : "", value);
	return to;
}

static char **environment(const char *directory)
{
	static char path[] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
	static char tmpdir[PATH_SIZE + 16], slow[32], patience[32], config[2 * PATH_SIZE], *all[8];
	char number[16], **next = all;

	text_format(number, sizeof(number), "%d", plan.slow);
	*next++ = path;
	if (is_own_machine)
		*next++ = "OSPRIM_OWN_MACHINE=1";
	*next++ = variable(slow, sizeof(slow), "OSPRIM_SLOW", NULL, number);
	if (plan.patience) {
		text_format(number, sizeof(number), "%d", plan.patience);
		*next++ = variable(patience, sizeof(patience), "OSPRIM_PATIENCE", NULL, number);
	}
	if (strcmp(directory, "/"))
		*next++ = variable(tmpdir, sizeof(tmpdir), "TMPDIR", NULL, directory);
	if (plan.config)
		*next++ = variable(config, sizeof(config), "OSPRIM_CONFIG", program_base, plan.config);
	*next = NULL;
	return all;
}

static char **arguments(const struct job *job)
{
	static char *all[2 * TESTS_MAX + 2], option[] = "-r";
	char **next = all, *rest = job->tests, *test;

	*next++ = job->program;
	while (*job->tests && (test = strsep(&rest, ","))) {
		*next++ = option;
		*next++ = test;
	}
	*next = NULL;
	return all;
}

static int open_folder_of(const char *path)
{
	char folder[2 * PATH_SIZE];

	text_format(folder, sizeof(folder), "%s", path);
	strrchr(folder, '/')[1] = 0;
	return open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

void program_exec(const struct job *job, struct board *board, const char *directory)
{
	static char path[2 * PATH_SIZE];
	struct rlimit no_core = { 0, 0 };
	bool is_relative = *job->program != '/';
	int error, folder;

	board->program = getpid();	// the nanny may be dead before it can note it
	setsid();
	reset_signals();
	umask(022);
	setrlimit(RLIMIT_CORE, &no_core);
	if (chdir(directory))
		fail(board, errno);
	text_format(path, sizeof(path), "%s%s%s", is_relative ? program_base : "", is_relative ? "/" : "", job->program);
	folder = open_folder_of(path);
	error = become_user(job->user);
	if (error)
		fail(board, error);
	execve(path, arguments(job), environment(directory));
	// A checkout below a closed folder, as /root is: the user that the job asks for cannot walk there from /.
	error = errno;
	if (error == EACCES && job->user)
		syscall(SYS_execveat, folder, strrchr(path, '/') + 1, arguments(job), environment(directory), 0);
	fail(board, error);
	__builtin_unreachable();
}
