// SPDX-License-Identifier: GPL-2.0-only
// /proc/<pid>/auxv of others, and of a process that may not be looked into: who may read it.
#include "clause.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "auxv.h"
#include "launch.h"
#include "nobody.h"

#define SOMEBODY 65533
#define ACCESS_TEXT "proc(5) /proc/pid/auxv: permission to access this file is governed by a ptrace access mode" \
		    " PTRACE_MODE_READ_FSCREDS check: "

// open, read and close of a process's vector; bytes read or -errno.
static long read_vector_of(int pid, struct aux *aux, size_t size)
{
	char path[64];
	long fd, n;

	snprintf(path, sizeof(path), "/proc/%d/auxv", pid);
	fd = raw_syscall(__NR_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
	if (is_error(fd))
		return fd;
	n = raw_syscall(__NR_read, fd, aux, size);
	raw_syscall(__NR_close, fd);
	return n;
}

static bool has_own_vector(int pid)
{
	struct aux aux[2 * AUX_MOST];
	size_t size = aux_pairs(aux_on_stack(), AUX_MOST) * sizeof(*aux);

	return read_vector_of(pid, aux, sizeof(aux)) >= (long)size && !memcmp(aux, aux_on_stack(), size);
}

// A child that waits to be killed, as another user and dumpable or not once the pipe has told so. pid or 0.
static pid_t start_sleeper(uid_t user, int dumpable)
{
	pid_t parent = getpid(), pid;
	int ready[2];
	char byte = 0;

	if (pipe(ready))
		return 0;
	pid = fork();
	if (pid == 0) {
		// Behind become(): a change of credentials clears the signal.
		if ((user && !become(user, user)) || prctl(PR_SET_DUMPABLE, dumpable, 0, 0, 0) ||
		    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) || getppid() != parent)
			_exit(1);
		if (write(ready[1], "r", 1) == 1)
			for (;;)
				pause();
		_exit(1);
	}
	close(ready[1]);
	if (read(ready[0], &byte, 1) != 1)
		byte = 0;
	close(ready[0]);
	return byte ? pid : 0;
}

static void end_sleeper(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static bool hides_processes(int pid)
{
	char path[64];
	struct stat st;

	snprintf(path, sizeof(path), "/proc/%d", pid);
	return stat(path, &st) || access(path, X_OK);
}

#define OTHERS_OR_SKIP()							\
	if (!can_become(NOBODY, NOBODY) || !can_become(SOMEBODY, SOMEBODY))	\
		SKIP(return, "ids cannot be changed here")

CLAUSE(the_vector_can_be_read_by_a_program_without_privilege,
       ACCESS_TEXT "a process may always read its own as long as it is dumpable [AUX-1] [incident 99]",
       .needs = "root", .needed_by = "go:procAuxv")
{
	OTHERS_OR_SKIP();
	IN_CHILD {
		ASSERT_TRUE(become(NOBODY, NOBODY));
		ASSERT_EQ(0, prctl(PR_SET_DUMPABLE, 1, 0, 0, 0));
		EXPECT_TRUE(has_own_vector(getpid()));
	}
}

// The program is readable, or it would not be dumpable.
AFTER_EXEC(read_own_vector)
{
	if (prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) != 1)
		return 0;
	return !has_own_vector(getpid());
}

CLAUSE(a_new_program_without_privilege_can_read_its_vector,
       "execve(2): an ordinary program starts dumpable, whoever its caller was, and so reads its own vector [AUX-1]"
       " [incident 99]",
       .needs = "root", .needed_by = "go:procAuxv")
{
	char *const argv[] = { "osprim", "--after-exec", "read_own_vector", NULL };
	int fd = open("/proc/self/exe", O_RDONLY);
	struct stat st;

	OTHERS_OR_SKIP();
	ASSERT_EQ(0, fstat(fd, &st));
	if ((st.st_mode & 0005) != 0005)
		SKIP(return, "this program may not be run by others");
	IN_CHILD {
		ASSERT_TRUE(become(NOBODY, NOBODY));
		ASSERT_OK(raw_syscall(__NR_execveat, fd, "", argv, environ, AT_EMPTY_PATH));
	}
}

CLAUSE(users_read_the_vectors_of_their_own_processes,
       ACCESS_TEXT "another process of the same user may be read [AUX-1]", .needs = "root")
{
	pid_t sleeper;

	OTHERS_OR_SKIP();
	sleeper = start_sleeper(NOBODY, 1);
	ASSERT_NE(0, sleeper);
	IN_CHILD {
		ASSERT_TRUE(become(NOBODY, NOBODY));
		EXPECT_TRUE(has_own_vector(sleeper));
	}
	end_sleeper(sleeper);
}

CLAUSE(users_do_not_read_the_vectors_of_others,
       ACCESS_TEXT "EACCES for the process of another user", .needs = "root")
{
	struct aux aux[AUX_MOST] = { 0 };
	pid_t mine, others;

	OTHERS_OR_SKIP();
	mine = start_sleeper(0, 1);
	others = start_sleeper(SOMEBODY, 1);
	ASSERT_TRUE(mine && others);
	IN_CHILD {
		ASSERT_TRUE(become(NOBODY, NOBODY));
		EXPECT_ERR(hides_processes(mine) ? ENOENT : EACCES, read_vector_of(mine, aux, sizeof(aux)));
		EXPECT_ERR(hides_processes(others) ? ENOENT : EACCES, read_vector_of(others, aux, sizeof(aux)));
		EXPECT_EQ(0, aux[0].type);
	}
	end_sleeper(mine);
	end_sleeper(others);
}

CLAUSE(root_reads_every_vector,
       ACCESS_TEXT "who may trace every process reads every vector", .needs = "root cap=sys_ptrace")
{
	OTHERS_OR_SKIP();
	for (int dumpable = 0; dumpable <= 1; dumpable++) {
		pid_t sleeper = start_sleeper(NOBODY, dumpable);

		ASSERT_NE(0, sleeper);
		EXPECT_TRUE(has_own_vector(sleeper));
		end_sleeper(sleeper);
	}
}

CLAUSE(a_process_that_is_not_dumpable_is_closed_to_its_user,
       "prctl(2) PR_SET_DUMPABLE: a process that is not dumpable cannot be looked into, and its files in /proc are"
       " root's",
       .needs = "root")
{
	struct aux aux[AUX_MOST];
	pid_t sleeper;

	OTHERS_OR_SKIP();
	sleeper = start_sleeper(NOBODY, 0);
	ASSERT_NE(0, sleeper);
	IN_CHILD {
		ASSERT_TRUE(become(NOBODY, NOBODY));
		ASSERT_EQ(0, prctl(PR_SET_DUMPABLE, 1, 0, 0, 0));
		EXPECT_ERR(hides_processes(sleeper) ? ENOENT : EACCES, read_vector_of(sleeper, aux, sizeof(aux)));
	}
	end_sleeper(sleeper);
}

CLAUSE(a_process_that_is_not_dumpable_cannot_open_its_own_vector,
       "fs/proc/base.c task_dump_owner (7.2): the file is root's, mode 0400, where the process is not dumpable; a"
       " runtime must have read the stack instead [incident 99]", .needs = "root", .needed_by = "go:procAuxv")
{
	struct aux aux[AUX_MOST];

	OTHERS_OR_SKIP();
	IN_CHILD {
		ASSERT_TRUE(become(NOBODY, NOBODY));
		ASSERT_EQ(0, prctl(PR_SET_DUMPABLE, 1, 0, 0, 0));
		EXPECT_TRUE(has_own_vector(getpid()));
		ASSERT_EQ(0, prctl(PR_SET_DUMPABLE, 0, 0, 0, 0));
		EXPECT_ERR(EACCES, read_vector_of(getpid(), aux, sizeof(aux)));
		ASSERT_EQ(0, prctl(PR_SET_DUMPABLE, 1, 0, 0, 0));
		EXPECT_TRUE(has_own_vector(getpid()));
	}
}

CLAUSE(a_descriptor_opened_before_goes_on_reading,
       "fs/proc/base.c auxv_open (7.2): access is checked when the file is opened [AUX-1]", .needs = "root")
{
	OTHERS_OR_SKIP();
	IN_CHILD {
		struct aux aux = { 0 };
		int fd;

		ASSERT_TRUE(become(NOBODY, NOBODY));
		ASSERT_EQ(0, prctl(PR_SET_DUMPABLE, 1, 0, 0, 0));
		fd = open("/proc/self/auxv", O_RDONLY);
		ASSERT_GE(fd, 0);
		ASSERT_EQ(0, prctl(PR_SET_DUMPABLE, 0, 0, 0, 0));
		EXPECT_RET(sizeof(aux), raw_syscall(__NR_read, fd, &aux, sizeof(aux)));
		EXPECT_EQ(aux_on_stack()->type, aux.type);
		EXPECT_EQ(aux_on_stack()->value, aux.value);
	}
}

static long get_auxv_probe(void)
{
	return raw_syscall(__NR_prctl, PR_GET_AUXV, NULL, 0, 0, 0);
}

CLAUSE(pr_get_auxv_needs_neither_proc_nor_dumpability,
       "kernel/sys.c prctl_get_auxv (6.4): the vector of the caller, where /proc is not mounted or not open to it"
       " [AUX-1] [incident 99]", .since = KERNEL(6, 4), .probe = get_auxv_probe, .absent_errno = EINVAL,
       .needs = "root")
{
	struct aux aux[AUX_MOST] = { 0 };

	OTHERS_OR_SKIP();
	IN_CHILD {
		ASSERT_TRUE(become(NOBODY, NOBODY));
		ASSERT_EQ(0, prctl(PR_SET_DUMPABLE, 0, 0, 0, 0));
		EXPECT_OK(raw_syscall(__NR_prctl, PR_GET_AUXV, aux, sizeof(aux), 0, 0));
		EXPECT_EQ(0, memcmp(aux, aux_on_stack(), aux_pairs(aux_on_stack(), AUX_MOST) * sizeof(*aux)));
	}
}

CLAUSE(the_file_is_for_reading_by_its_owner_alone,
       "proc(5), fs/proc/base.c REG(\"auxv\") (7.2): a regular file of mode 0400 that belongs to the process's user",
       .needs = "file=/proc/self/auxv")
{
	struct stat st;
	long fd;

	ASSERT_EQ(0, stat("/proc/self/auxv", &st));
	EXPECT_EQ(S_IFREG | 0400, st.st_mode);
	if (prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 1)
		EXPECT_EQ(geteuid(), st.st_uid);
	fd = raw_syscall(__NR_openat, AT_FDCWD, "/proc/self/auxv", O_WRONLY);
	if (is_error(fd)) {
		EXPECT_ERR(EACCES, fd);
	} else {
		EXPECT_ERR(EINVAL, raw_syscall(__NR_write, fd, "x", 1));
	}
}

CLAUSE(after_exec_the_vector_is_the_new_programs,
       "proc(5) /proc/pid/auxv: the vector passed to the process at exec time, by the last one [AUX-1] [AUX-6]")
{
	struct aux aux[2 * AUX_MOST];
	size_t size;
	long n;

	LAUNCH_OR_SKIP(l, .argv = NULL);
	size = aux_pairs(l.aux, AUX_MOST) * sizeof(*aux);
	n = read_vector_of(l.pid, aux, sizeof(aux));
	ASSERT_GE(n, (long)size);
	EXPECT_EQ(0, memcmp(aux, l.aux, size));
	EXPECT_NE(0, memcmp(aux, aux_on_stack(), size));
	launch_end(&l);
}

CLAUSE(a_process_that_is_gone_has_no_vector,
       "proc(5) /proc/pid: the folder is there as long as the process; an ended one has no vector, a reaped one no"
       " folder")
{
	pid_t sleeper = start_sleeper(0, 1);
	struct aux aux[AUX_MOST];
	long n;

	ASSERT_NE(0, sleeper);
	kill(sleeper, SIGKILL);
	ASSERT_TRUE(wait_until(task_state(sleeper) == 'Z'));
	n = read_vector_of(sleeper, aux, sizeof(aux));
	EXPECT_TRUE(n <= 0) TH_LOG("%ld bytes", n);
	ASSERT_EQ(sleeper, waitpid(sleeper, NULL, 0));
	EXPECT_ERR(ENOENT, read_vector_of(sleeper, aux, sizeof(aux)));
}
