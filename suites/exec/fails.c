// SPDX-License-Identifier: GPL-2.0-only
// execve(2), execveat(2): each way to fail, and that the caller lives on as it was.
#include "clause.h"
#include "guard.h"

#include <fcntl.h>
#include <sys/stat.h>

#define USERS "go:fork_exec glibc:posix_spawn rust:Command"

static char *const words[] = { "osprim", "--after-exec", "exits_with_42", NULL };

#define execute(path)                  raw_syscall(__NR_execve, path, words, environ)
#define execute_at(fd, path, flags)    raw_syscall(__NR_execveat, fd, path, words, environ, flags)

AFTER_EXEC(exits_with_42)
{
	return 42;
}

// A copy of this program in the working folder, so that it can be written to; -1 if that cannot be.
static int copy_program(const char *name, mode_t mode)
{
	int from = open("/proc/self/exe", O_RDONLY), to = open(name, O_RDWR | O_CREAT | O_TRUNC, mode);
	char bytes[65536];
	ssize_t n;

	while ((n = read(from, bytes, sizeof(bytes))) > 0)
		if (write(to, bytes, n) != n)
			return -1;
	close(from);
	return n < 0 ? -1 : to;
}

static int status_of(pid_t child)
{
	int status = -1;

	waitpid(child, &status, 0);
	return status;
}

FIXTURE(folder) {
	char path[64];
};

FIXTURE_SETUP(folder)
{
	strcpy(self->path, "osprim-exec-XXXXXX");
	ASSERT_NE(NULL, mkdtemp(self->path));
	ASSERT_EQ(0, chdir(self->path));
}

FIXTURE_TEARDOWN(folder)
{
	static const char *const names[] = { "program", "data", "empty", "script", "loop" };

	for (unsigned int i = 0; i < ARRAY_SIZE(names); i++)
		unlink(names[i]);
	if (chdir("..") == 0)
		rmdir(self->path);
}

static void make_file(const char *name, const char *text, mode_t mode)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, mode);

	if (write(fd, text, strlen(text)) < 0)
		abort();
	fchmod(fd, mode);
	close(fd);
}

CLAUSE_F(folder, a_path_that_is_no_program_says_why,
	 "execve(2) ERRORS: ENOENT, ENOTDIR, EACCES for a folder or a file without the execute bit, ENOEXEC for what "
	 "no format knows, "
	 "ENAMETOOLONG, ELOOP, EFAULT", .needed_by = USERS)
{
	char longest[4200];

	memset(longest, 'x', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = 0;
	make_file("data", "no program\n", 0644);
	make_file("empty", "", 0755);
	ASSERT_EQ(0, symlink("loop", "loop"));
	EXPECT_ERR(ENOENT, execute("absent"));
	EXPECT_ERR(ENOENT, execute(""));
	EXPECT_ERR(ENOTDIR, execute("data/program"));
	EXPECT_ERR(EACCES, execute("/proc"));
	EXPECT_ERR(EACCES, execute("data"));
	EXPECT_ERR(ENOEXEC, execute("empty"));
	EXPECT_ERR(ENAMETOOLONG, execute(longest));
	EXPECT_ERR(ELOOP, execute("loop"));
	EXPECT_ERR(EFAULT, execute(NULL));
	EXPECT_ERR(EFAULT, execute(unmapped_page()));
	EXPECT_ERR(EFAULT, raw_syscall(__NR_execve, "/proc/self/exe", unmapped_page(), environ));
	EXPECT_ERR(EFAULT, raw_syscall(__NR_execve, "/proc/self/exe", words, unmapped_page()));
	make_file("data", "no program\n", 0755);
	EXPECT_ERR(ENOEXEC, execute("data"));
}

CLAUSE_F(folder, a_program_that_is_open_for_writing_is_busy,
	 "execve(2) ERRORS ETXTBSY: the file was open for writing by one or more processes [incident 53] [VFK-8]",
	 .commit = "3b832035387f Revert \"fs: don't block i_writecount during exec\"", .needed_by = USERS)
{
	int fd = copy_program("program", 0755), reader;
	pid_t child;

	ASSERT_GE(fd, 0);
	EXPECT_ERR(ETXTBSY, execute("program"));
	reader = open("program", O_RDONLY);
	close(fd);
	child = fork();
	if (child == 0) {
		execute("program");
		_exit(1);
	}
	EXPECT_EQ(42 << 8, status_of(child));
	close(reader);
}

CLAUSE_F(folder, a_running_program_cannot_be_opened_for_writing,
	 "open(2) ERRORS ETXTBSY: the file is an executable image which is currently being executed and write access "
	 "was requested",
	 .needed_by = USERS)
{
	int fd = copy_program("program", 0755), ends[2], back[2];
	char byte;
	pid_t child;

	ASSERT_GE(fd, 0);
	close(fd);
	ASSERT_EQ(0, pipe(ends));
	ASSERT_EQ(0, pipe(back));
	child = fork();
	if (child == 0) {
		dup2(ends[0], 0);
		dup2(back[1], 1);
		close(ends[1]);
		raw_syscall(__NR_execve, "program", ((char *[]){ "osprim", "--after-exec", "echoes_until_closed", NULL }), environ);
		_exit(1);
	}
	close(back[1]);
	ASSERT_EQ(1, read(back[0], &byte, 1));
	EXPECT_EQ(-1, open("program", O_WRONLY));
	EXPECT_EQ(ETXTBSY, errno);
	close(ends[1]);
	EXPECT_EQ(0, status_of(child));
	EXPECT_GE(open("program", O_WRONLY), 0);
}

AFTER_EXEC(echoes_until_closed)
{
	char byte = 'r';

	if (write(1, &byte, 1) != 1)
		return 1;
	return read(0, &byte, 1) != 0;
}

CLAUSE(arguments_that_do_not_fit_are_e2big,
       "execve(2) ERRORS E2BIG: a single string longer than MAX_ARG_STRLEN (32 pages), or too much in "
       "all", .needed_by = USERS)
{
	size_t longest = 32 * page_size();
	char *text = malloc(longest + 1), **many = calloc(100000, sizeof(char *));

	memset(text, 'x', longest);
	text[longest] = 0;
	EXPECT_ERR(E2BIG, raw_syscall(__NR_execve, "/proc/self/exe", ((char *[]){ "osprim", text, NULL }), environ));
	EXPECT_ERR(E2BIG, raw_syscall(__NR_execve, "/proc/self/exe", words, ((char *[]){ text, NULL })));
	text[longest - 1] = 0;
	for (int i = 0; i < 2000; i++)	// some 250 MB and more, in whatever page size
		many[i] = text;
	EXPECT_ERR(E2BIG, raw_syscall(__NR_execve, "/proc/self/exe", many, environ));
}

CLAUSE(a_script_runs_through_its_interpreter,
       "execve(2) Interpreter scripts: the interpreter gets its optional argument and the script's path, then the "
       "caller's arguments",
       .needed_by = USERS)
{
	char line[600], name[] = "osprim-script-XXXXXX";
	int fd = mkstemp(name);
	pid_t child;
	ssize_t n = readlink("/proc/self/exe", line + 2, 400);

	ASSERT_GT(n, 0);
	if (n > 200 || memchr(line + 2, ' ', n))
		SKIP(return, "the path of this program does not fit a #! line");
	memcpy(line, "#!", 2);
	// One argument is all that a #! line carries; it is one of the harness's own here, for a program that lists itself.
	strcpy(line + 2 + n, " --help-of-a-script\n");
	ASSERT_EQ(strlen(line), write(fd, line, strlen(line)));
	fchmod(fd, 0755);
	close(fd);
	child = fork();
	if (child == 0) {
		int null = open("/dev/null", O_WRONLY);

		dup2(null, 1);
		dup2(null, 2);
		raw_syscall(__NR_execve, name, words, environ);
		_exit(99);
	}
	n = status_of(child);
	unlink(name);
	// The harness knows no such option and says so by its own failure status: it was started, and with that argument.
	EXPECT_EQ(KSFT_FAIL << 8, n);
}

CLAUSE(a_descriptor_names_the_program,
       "execveat(2): with AT_EMPTY_PATH the program is the one that dirfd refers to; a path is taken relative to dirfd",
       .needed_by = USERS)
{
	int self = open("/proc/self/exe", O_PATH | O_CLOEXEC), folder = open("/proc/self", O_RDONLY | O_DIRECTORY);
	pid_t child = fork();

	if (child == 0) {
		_exit(-execute_at(self, "", AT_EMPTY_PATH));
	}
	EXPECT_EQ(42 << 8, status_of(child));
	child = fork();
	if (child == 0) {
		// The folder is the parent's /proc/self, whose exe is this program as well.
		_exit(-execute_at(folder, "exe", 0));
	}
	EXPECT_EQ(42 << 8, status_of(child));
	EXPECT_ERR(EBADF, execute_at(999, "exe", 0));
	EXPECT_ERR(EBADF, execute_at(999, "", AT_EMPTY_PATH));
	EXPECT_ERR(ENOENT, execute_at(self, "", 0));
	EXPECT_ERR(ELOOP, execute_at(folder, "exe", AT_SYMLINK_NOFOLLOW));
	EXPECT_ERR(EINVAL, execute_at(self, "", AT_EMPTY_PATH | 0x40000000));
}

CLAUSE(a_failed_call_leaves_the_process_as_it_was,
       "execve(2) RETURN VALUE: on error -1 is returned, and the caller's memory, handlers and descriptors are its own "
       "as before",
       .needed_by = USERS)
{
	static volatile int in_memory = 5;
	int marked = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	pid_t self = getpid();

	for (int i = 0; i < 20; i++)
		EXPECT_ERR(ENOENT, execute("/proc/self/absent"));
	EXPECT_ERR(EACCES, execute("/proc"));
	EXPECT_EQ(5, in_memory);
	EXPECT_EQ(FD_CLOEXEC, fcntl(marked, F_GETFD));
	EXPECT_EQ(self, getpid());
}
