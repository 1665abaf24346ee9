// SPDX-License-Identifier: GPL-2.0-only
// The initial stack that execve(2) builds: argc, argv, envp, the vector, and the strings behind them.
#include "clause.h"

#include <sys/resource.h>

#include "auxv.h"
#include "launch.h"

#define STRING_PAGES 32		/* include/uapi/linux/binfmts.h MAX_ARG_STRLEN */

static char *const no_strings[] = { NULL };

static size_t count(char *const *strings)
{
	size_t n = 0;

	while (strings[n])
		n++;
	return n;
}

// Everything that clauses about order want: counts, pointers, strings, ends.
#define EXPECT_STACK(l, wanted_argv, wanted_envp) do {						\
	const unsigned long *env_ = launch_env(&l);						\
	size_t argc_ = count(wanted_argv), envc_ = count(wanted_envp);				\
												\
	EXPECT_EQ(argc_, launch_argc(&l));							\
	EXPECT_EQ(0, l.words[1 + argc_]);							\
	for (size_t i_ = 0; i_ < argc_; i_++)							\
		EXPECT_STREQ((wanted_argv)[i_], launch_arg(&l, i_));				\
	for (size_t i_ = 0; i_ < envc_; i_++)							\
		EXPECT_STREQ((wanted_envp)[i_], launch_string(&l, env_[i_]));			\
	EXPECT_EQ(0, env_[envc_]);								\
	EXPECT_EQ((const void *)&env_[envc_ + 1], (const void *)l.aux);				\
	EXPECT_LE(aux_pairs(l.aux, 512), AUX_MOST);						\
} while (0)

CLAUSE(the_stack_begins_with_argc_argv_envp_and_the_vector,
       "fs/binfmt_elf.c create_elf_tables (7.2): from sp on argc, argv and NULL, envp and NULL, the vector and"
       " AT_NULL [STK-1]",
       .needed_by = "go:sysargs go:goenvs musl:_start_c")
{
	char *const argv[] = { "a", "", "the third argument", "\xff\x01 any byte\n", NULL };
	char *const envp[] = { "A=1", "", "=", "no equals sign", "A=2", NULL };

	LAUNCH_OR_SKIP(l, .argv = argv, .envp = envp);
	EXPECT_STACK(l, argv, envp);
	launch_end(&l);
}

CLAUSE(an_empty_environment_is_one_null,
       "execve(2) DESCRIPTION: envp is an array of pointers, ended by NULL, which may be the first; NULL itself is"
       " the same [STK-1]")
{
	char *const argv[] = { "a", NULL };

	LAUNCH_OR_SKIP(l, .argv = argv, .envp = no_strings);
	EXPECT_STACK(l, argv, no_strings);
	launch_end(&l);
}

static long empty_argv_probe(void)
{
	struct launch l = launch((struct launch_how){ .argv = no_strings });
	long result = l.status ? l.status : launch_argc(&l) == 0 ? -ENOSYS : 0;

	launch_end(&l);
	return result == -127 ? 0 : result;	// the clause will skip
}

CLAUSE(an_empty_argv_gets_one_empty_string,
       "fs/exec.c do_execveat_common (5.18): a program started without arguments has argc 1 and argv[0] \"\" [STK-2]",
       .since = KERNEL(5, 18), .probe = empty_argv_probe, .needed_by = "go:sysargs",
       .commit = "dcd46d897adb exec: Force single empty string when argv is empty")
{
	char *const wanted[] = { "", NULL }, *const envp[] = { "A=1", "B=2", NULL };

	LAUNCH_OR_SKIP(l, .argv = no_strings, .envp = envp);
	EXPECT_STACK(l, wanted, envp);
	EXPECT_EQ(l.words[1] + 1, launch_env(&l)[0]);
	launch_end(&l);
}

CLAUSE(the_stack_pointer_is_aligned_whatever_is_passed,
       "fs/binfmt_elf.c STACK_ROUND (7.2): sp is a multiple of 16 at the program's entry, for any number and length"
       " of strings [STK-1]", .needed_by = "go:sysargs glibc:_start")
{
	char *const strings[] = { "1", "22", "333", "4444", "55555", "666666", "7777777", "88888888", NULL };

	for (size_t i = 0; i < 8; i++) {
		LAUNCH_OR_SKIP(l, .argv = strings + i, .envp = strings + (i * 5) % 8);
		EXPECT_EQ(0, l.sp % 16);
		EXPECT_EQ(0, l.sp % ARCH_STACK_ALIGN);
		EXPECT_STACK(l, (strings + i), (strings + (i * 5) % 8));
		launch_end(&l);
	}
}

// sp and pc of a stopped process, the last two words of /proc/<pid>/syscall.
static bool stopped_at(int pid, unsigned long *sp, unsigned long *pc)
{
	char path[64], text[256], *last, *before;

	snprintf(path, sizeof(path), "/proc/%d/syscall", pid);
	if (read_text(path, text, sizeof(text)) <= 0 || !(last = strrchr(text, ' ')))
		return false;
	*pc = strtoul(last + 1, NULL, 16);
	*last = 0;
	before = strrchr(text, ' ');
	*sp = before ? strtoul(before + 1, NULL, 16) : 0;
	return before != NULL;
}

CLAUSE(a_program_begins_at_its_entry_with_sp_at_argc,
       "fs/binfmt_elf.c load_elf_binary (7.2): start_thread at e_entry, which AT_ENTRY names, with sp where argc is"
       " [STK-1]",
       .needed_by = "go:sysargs", .needs = "file=/proc/self/syscall")
{
	unsigned long sp, pc;

	LAUNCH_OR_SKIP(l, .argv = NULL);
	if (!stopped_at(l.pid, &sp, &pc))
		SKIP(return, "/proc/PID/syscall does not tell of a stopped process");
	EXPECT_EQ(l.sp, sp);
	EXPECT_EQ(ARCH_PC_OF(aux_value(l.aux, AT_ENTRY)), ARCH_PC_OF(pc));
	launch_end(&l);
}

CLAUSE(proc_stat_names_the_start_of_the_stack,
       "proc(5) /proc/pid/stat startstack: the address of the start (bottom) of the stack, where argc is [STK-1]",
       .needs = "file=/proc/self/stat")
{
	unsigned long *stack = initial_stack();

	EXPECT_EQ((unsigned long)stack, stat_field(getpid(), 28));
	if (stack[0] != (unsigned long)(stack + 1))
		EXPECT_EQ((char **)(stack + 1 + stack[0] + 1), environ);
	EXPECT_EQ(0, (unsigned long)stack % ARCH_STACK_ALIGN);
}

CLAUSE(strings_stand_directly_one_after_the_other,
       "fs/binfmt_elf.c create_elf_tables (7.2): argv's strings, then envp's, each behind the NUL of the one before"
       " [STK-3]",
       .needed_by = "go:goenvs glibc:program_invocation_name")
{
	char *const argv[] = { "first", "", "third", NULL }, *const envp[] = { "ONE=1", "", "TWO=22", NULL };
	unsigned long at;

	LAUNCH_OR_SKIP(l, .argv = argv, .envp = envp);
	EXPECT_STACK(l, argv, envp);
	at = l.words[1];
	for (size_t i = 0; i < 3; i++) {
		EXPECT_EQ(at, l.words[1 + i]);
		at += strlen(argv[i]) + 1;
	}
	for (size_t i = 0; i < 3; i++) {
		EXPECT_EQ(at, launch_env(&l)[i]);
		at += strlen(envp[i]) + 1;
	}
	EXPECT_EQ(at, aux_value(l.aux, AT_EXECFN));
	EXPECT_STREQ(SELF, launch_string(&l, at));
	launch_end(&l);
}

CLAUSE(nothing_but_zeroes_follow_the_strings,
       "fs/exec.c, begin of the stack (7.2): the last string is AT_EXECFN's, and a word of zeroes ends the stack"
       " [STK-3]")
{
	unsigned long at;
	const char *rest;

	LAUNCH_OR_SKIP(l, .argv = NULL);
	at = aux_value(l.aux, AT_EXECFN) + strlen(SELF) + 1;
	ASSERT_NE(NULL, launch_at(&l, at));
	EXPECT_GE(l.top - at, sizeof(long));
	for (rest = launch_at(&l, at); at < l.top; at++)
		EXPECT_EQ(0, *rest++);
	launch_end(&l);
}

CLAUSE(tables_lie_below_what_they_point_at,
       "fs/binfmt_elf.c create_elf_tables (7.2): the vector ends below AT_RANDOM's bytes, AT_PLATFORM's and all"
       " strings [STK-1]")
{
	unsigned long end, random, platform;

	LAUNCH_OR_SKIP(l, .argv = NULL);
	end = l.sp + (unsigned long)((char *)(l.aux + aux_pairs(l.aux, 512)) - (char *)l.words);
	random = aux_value(l.aux, AT_RANDOM);
	platform = aux_value(l.aux, AT_PLATFORM);
	EXPECT_LE(end, random);
	EXPECT_LE(random + 16, l.words[1]);
	if (platform) {
		EXPECT_LE(end, platform);
		EXPECT_LE(platform + strlen(launch_string(&l, platform)) + 1, l.words[1]);
		EXPECT_TRUE(platform >= random + 16 || platform + strlen(launch_string(&l, platform)) < random);
	}
	launch_end(&l);
}

CLAUSE(proc_stat_names_the_bounds_of_the_strings,
       "proc(5) /proc/pid/stat arg_start, arg_end, env_start, env_end: the addresses of the command line and the"
       " environment [STK-3]",
       .needs = "file=/proc/self/stat")
{
	char *const argv[] = { "one", "two", NULL }, *const envp[] = { "A=b", "C=d", NULL };

	LAUNCH_OR_SKIP(l, .argv = argv, .envp = envp);
	EXPECT_EQ(l.words[1], stat_field(l.pid, 48));
	EXPECT_EQ(l.words[1] + 8, stat_field(l.pid, 49));
	EXPECT_EQ(launch_env(&l)[0], stat_field(l.pid, 50));
	EXPECT_EQ(launch_env(&l)[0] + 8, stat_field(l.pid, 51));
	launch_end(&l);
}

CLAUSE(proc_cmdline_and_environ_hold_the_strings,
       "proc(5) /proc/pid/cmdline, /proc/pid/environ: the strings of argv, of the initial environment, each with its"
       " NUL [STK-3]",
       .needs = "file=/proc/self/cmdline")
{
	char *const argv[] = { "one", "", "three", NULL }, *const envp[] = { "A=b", "C=dd", NULL };
	char path[64], text[64];

	LAUNCH_OR_SKIP(l, .argv = argv, .envp = envp);
	snprintf(path, sizeof(path), "/proc/%d/cmdline", l.pid);
	EXPECT_RET(11, read_text(path, text, sizeof(text)));
	EXPECT_EQ(0, memcmp(text, "one\0\0three", 11));
	snprintf(path, sizeof(path), "/proc/%d/environ", l.pid);
	EXPECT_RET(9, read_text(path, text, sizeof(text)));
	EXPECT_EQ(0, memcmp(text, "A=b\0C=dd", 9));
	launch_end(&l);
}

CLAUSE(many_strings_arrive_in_order,
       "execve(2) Limits on size of arguments and environment: thousands of strings are no special case [STK-1]"
       " [STK-3]",
       .needed_by = "go:goenvs")
{
	enum { MANY = 3000 };
	static char text[2 * MANY][12], *argv[MANY + 1], *envp[MANY + 1];

	for (int i = 0; i < MANY; i++) {
		argv[i] = text[i];
		envp[i] = text[MANY + i];
		snprintf(argv[i], sizeof(text[0]), "arg%d", i);
		snprintf(envp[i], sizeof(text[0]), "E%d=%d", i, i);
	}
	LAUNCH_OR_SKIP(l, .argv = argv, .envp = envp);
	EXPECT_STACK(l, argv, envp);
	EXPECT_EQ(0, l.sp % 16);
	launch_end(&l);
}

// Strings may take a quarter of the stack's limit, at most 6 MiB of them; a string of 64 KiB pages needs more than 2.
static bool raise_stack_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_STACK, &limit) || limit.rlim_max < (24 << 20))
		return false;
	limit.rlim_cur = 24 << 20;
	return !setrlimit(RLIMIT_STACK, &limit);
}

CLAUSE(a_string_may_be_32_pages_long_and_no_longer,
       "execve(2) Limits: the limit per string is 32 pages (MAX_ARG_STRLEN), its NUL counted; beyond it E2BIG [STK-3]")
{
	size_t most = STRING_PAGES * sysconf(_SC_PAGESIZE);
	char *string = malloc(most + 1), *argv[] = { "a", string, "b", NULL };
	struct launch long_one;

	ASSERT_NE(NULL, string);
	memset(string, 'x', most);
	string[most] = 0;
	long_one = launch((struct launch_how){ .argv = argv, .prepare = raise_stack_limit });
	if (long_one.status == -127 || long_one.status == -126)
		SKIP(return, "no tracing, or no bigger stack, is allowed here");
	EXPECT_RET(-E2BIG, long_one.status);
	launch_end(&long_one);
	string[most - 1] = 0;
	LAUNCH_OR_SKIP(l, .argv = argv, .prepare = raise_stack_limit);
	EXPECT_STACK(l, argv, no_strings);
	launch_end(&l);
}
