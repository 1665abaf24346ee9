// SPDX-License-Identifier: GPL-2.0-only
// AT_EXECFN: the name by which the program was started, as it was given.
#include "clause.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>

#include "auxv.h"
#include "launch.h"

static int own_file(void)
{
	return open(SELF, O_RDONLY | O_CLOEXEC);
}

static const char *execfn(const struct launch *l)
{
	return launch_string(l, aux_value(l->aux, AT_EXECFN));
}

CLAUSE(execfn_is_the_path_given_to_execve,
       "getauxval(3) AT_EXECFN: a string containing the pathname used to execute the program; argv[0] has no part in"
       " it",
       .needed_by = "rust:std::env glibc:_dl_execfn")
{
	char *const argv[] = { "another-name", NULL };

	LAUNCH_OR_SKIP(l, .argv = argv);
	EXPECT_STREQ(SELF, execfn(&l));
	EXPECT_STREQ("another-name", launch_arg(&l, 0));
	launch_end(&l);
}

CLAUSE(execfn_is_not_resolved,
       "fs/exec.c alloc_bprm (7.2): the name is kept as it was given, links, dots and doubled slashes included")
{
	LAUNCH_OR_SKIP(l, .path = "/proc/./self//exe");
	EXPECT_STREQ("/proc/./self//exe", execfn(&l));
	launch_end(&l);
}

static bool go_to_proc_self(void)
{
	return chdir("/proc/self") == 0;
}

CLAUSE(execfn_stays_relative,
       "fs/exec.c alloc_bprm (7.2): a name relative to the working directory stays so")
{
	LAUNCH_OR_SKIP(l, .path = "./exe", .prepare = go_to_proc_self);
	EXPECT_STREQ("./exe", execfn(&l));
	launch_end(&l);
}

CLAUSE(execfn_may_be_as_long_as_a_path,
       "limits.h PATH_MAX, fs/exec.c (7.2): the longest name that execve takes has 4095 bytes, and arrives whole")
{
	char path[PATH_MAX];

	memset(path, '/', sizeof(path));
	memcpy(path + sizeof(path) - sizeof(SELF), SELF, sizeof(SELF));
	LAUNCH_OR_SKIP(l, .path = path);
	EXPECT_STREQ(path, execfn(&l));
	launch_end(&l);
}

CLAUSE(execfn_of_a_descriptor_is_its_name_in_dev_fd,
       "fs/exec.c alloc_bprm (7.2): with AT_EMPTY_PATH the name is /dev/fd/N")
{
	char wanted[32];
	int fd = own_file();

	ASSERT_GE(fd, 0);
	snprintf(wanted, sizeof(wanted), "/dev/fd/%d", fd);
	LAUNCH_OR_SKIP(l, .fd = fd, .path = "");
	EXPECT_STREQ(wanted, execfn(&l));
	launch_end(&l);
	close(fd);
}

CLAUSE(execfn_below_a_descriptor_names_both,
       "fs/exec.c alloc_bprm (7.2): a name relative to a directory's descriptor is /dev/fd/N/name, an absolute one"
       " stays alone")
{
	char wanted[32];
	int fd = open("/proc/self", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	ASSERT_GE(fd, 0);
	snprintf(wanted, sizeof(wanted), "/dev/fd/%d/exe", fd);
	LAUNCH_OR_SKIP(l, .fd = fd, .path = "exe");
	EXPECT_STREQ(wanted, execfn(&l));
	launch_end(&l);
	LAUNCH_OR_SKIP(m, .fd = fd, .path = SELF);
	EXPECT_STREQ(SELF, execfn(&m));
	launch_end(&m);
	close(fd);
}

// A script in a memory file, run by this program; its name is in path. Negative if there can be none.
static int script_of(const char *argument, char path[64])
{
	char self[PATH_MAX], text[PATH_MAX + 64];
	ssize_t n = readlink(SELF, self, sizeof(self) - 1);
	int fd = memfd_create("osprim-script", 0), length;

	if (n <= 0 || n > 200 || fd < 0)	// the kernel reads 256 bytes of the first line
		return -1;
	self[n] = 0;
	length = snprintf(text, sizeof(text), "#!%s %s\n", self, argument);
	snprintf(path, 64, "/proc/self/fd/%d", fd);
	return write(fd, text, length) == length && !fchmod(fd, 0755) ? fd : -1;
}

CLAUSE(execfn_of_a_script_is_the_script,
       "fs/binfmt_script.c load_script (7.2): the interpreter gets its own name, the script's one argument and the"
       " script's name; and AT_EXECFN stays the name given to execve", .config = "BINFMT_SCRIPT")
{
	char *const argv[] = { "replaced", "kept", NULL };
	char path[64], self[PATH_MAX] = "";
	int fd = script_of("one argument", path);
	struct launch l;

	if (fd < 0)
		SKIP(return, "no script that this program can run");
	ASSERT_GT(readlink(SELF, self, sizeof(self) - 1), 0);
	l = launch((struct launch_how){ .path = path, .argv = argv });
	if (l.status)
		SKIP(return, "a script in a memory file cannot be run here (error %d)", -l.status);
	EXPECT_STREQ(path, execfn(&l));
	EXPECT_EQ(4, launch_argc(&l));
	EXPECT_STREQ(self, launch_arg(&l, 0));
	EXPECT_STREQ("one argument", launch_arg(&l, 1));
	EXPECT_STREQ(path, launch_arg(&l, 2));
	EXPECT_STREQ("kept", launch_arg(&l, 3));
	EXPECT_EQ(__ehdr_start.e_entry, aux_value(l.aux, AT_ENTRY));
	EXPECT_EQ(0, aux_value(l.aux, AT_BASE));
	launch_end(&l);
	close(fd);
}

CLAUSE(execfn_of_this_program_is_a_string_on_its_stack,
       "getauxval(3) AT_EXECFN: a pointer to a string, which stands behind those of the environment",
       .needs = "file=/proc/self/maps")
{
	unsigned long at = own_aux(AT_EXECFN), start, end;
	char name[256];

	ASSERT_NE(0, at);
	end = mapping_end(getpid(), at, &start, name);
	EXPECT_STREQ("[stack]", name);
	EXPECT_NE(NULL, memchr((void *)at, 0, end - at));
	EXPECT_GT(at, own_aux(AT_RANDOM));
}
