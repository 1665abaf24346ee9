// SPDX-License-Identifier: GPL-2.0-only
// AT_SECURE and the ids of the vector: 1 exactly where execve(2) gave the program what its caller does not have.
#include "clause.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>

#include "auxv.h"
#include "nameless.h"
#include "nobody.h"
#include "sync.h"

#define SOMEBODY 65533
#define SECURE_TEXT "getauxval(3) AT_SECURE: nonzero if the executable should be treated securely: "
#define SET_ID "go:sysauxv glibc:__libc_enable_secure musl:libc.secure"

struct ids {
	uid_t uid, euid;
	gid_t gid, egid;
};

#define IDS(user, group) ((struct ids){ user, user, group, group })

// Whom a program is started as and from what file, and what its vector must say.
struct row {
	struct ids caller;
	mode_t mode;
	uid_t owner;
	gid_t group;
	int secure;
	struct ids wanted;
};

// The new program: its arguments are what the vector must say; exits with 10 + the place of the first that differs.
AFTER_EXEC(compare_with_vector)
{
	const unsigned long seen[] = {
		own_aux(AT_SECURE), own_aux(AT_UID), own_aux(AT_EUID), own_aux(AT_GID), own_aux(AT_EGID),
	};
	const unsigned long called[] = {
		seen[0], raw_syscall(NR_GETUID), raw_syscall(NR_GETEUID),
		raw_syscall(NR_GETGID), raw_syscall(NR_GETEGID),
	};

	for (int i = 0; i < 5; i++)
		if (i >= argc || seen[i] != strtoul(argv[i], NULL, 10))
			return 10 + i;
	for (int i = 1; i < 5; i++)
		if (seen[i] != called[i])
			return 20 + i;
	return 0;
}

// A copy of this program without a name, owned as told, open for reading only; -1 where set-id bits would not count.
static int copy_of_self(uid_t owner, gid_t group, mode_t mode)
{
	int from = open("/proc/self/exe", O_RDONLY | O_CLOEXEC), to = nameless_file(), fd = -1;
	struct statvfs fs;
	struct stat st;

	if (from >= 0 && to >= 0 && !fstatvfs(to, &fs) && !(fs.f_flag & (ST_NOSUID | ST_NOEXEC)) && !fstat(from, &st) &&
	    sendfile(to, from, NULL, st.st_size) == st.st_size && !fchown(to, owner, group) && !fchmod(to, mode))
		fd = reopened_read_only(to);
	close(from);
	close(to);
	return fd;
}

static bool become_caller(const struct ids *c)
{
	return !setgroups(0, NULL) && !setresgid(c->gid, c->egid, c->egid) && !setresuid(c->uid, c->euid, c->euid);
}

// Executes the file and compares what its vector says; does not return.
static void run(int fd, int secure, const struct ids *wanted)
{
	char path[64], text[5][16], name[] = "compare_with_vector";
	char *argv[] = { "osprim", "--after-exec", name, text[0], text[1], text[2], text[3], text[4], NULL };
	const unsigned int values[5] = { secure, wanted->uid, wanted->euid, wanted->gid, wanted->egid };

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	for (int i = 0; i < 5; i++)
		snprintf(text[i], sizeof(text[i]), "%u", values[i]);
	execve(path, argv, (char *[]){ NULL });
	_exit(1);
}

// Waits for the program and says what differed.
static void expect_equal_vector(struct __test_metadata *_metadata, pid_t child, const char *what)
{
	const char *const names[] = { "AT_SECURE", "AT_UID", "AT_EUID", "AT_GID", "AT_EGID" };
	int status, code;

	ASSERT_EQ(child, waitpid(child, &status, 0));
	ASSERT_TRUE(WIFEXITED(status));
	code = WEXITSTATUS(status);
	EXPECT_EQ(0, code) {
		if (code >= 10 && code < 15)
			TH_LOG("%s: %s is not what it must be", what, names[code - 10]);
		else if (code > 20 && code < 25)
			TH_LOG("%s: %s is not what the call returns", what, names[code - 20]);
		else
			TH_LOG("%s: the program could not be started", what);
	}
}

static void check_row(struct __test_metadata *_metadata, const struct row *row, bool (*prepare)(void))
{
	int fd = copy_of_self(row->owner, row->group, row->mode);
	char what[128];
	pid_t child;

	if (fd < 0)
		SKIP(return, "set-id programs are not honoured in the temporary directory");
	child = fork();
	if (child == 0) {
		if (!become_caller(&row->caller) || (prepare && !prepare()))
			_exit(2);
		run(fd, row->secure, &row->wanted);
	}
	snprintf(what, sizeof(what), "mode %o of %u:%u, started by %u/%u:%u/%u", row->mode, row->owner, row->group,
		 row->caller.uid, row->caller.euid, row->caller.gid, row->caller.egid);
	expect_equal_vector(_metadata, child, what);
	close(fd);
}

#define SET_ID_OR_SKIP()								\
	if (!can_become(NOBODY, NOBODY) || !can_become(SOMEBODY, SOMEBODY))		\
		SKIP(return, "ids cannot be changed here");				\
	if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1)				\
		SKIP(return, "no_new_privs is set, no set-id program is honoured")

#define CHECK_ROWS(rows, prepare) do {							\
	SET_ID_OR_SKIP();								\
	for (size_t i_ = 0; i_ < sizeof(rows) / sizeof(*rows); i_++)			\
		check_row(_metadata, &rows[i_], prepare);				\
} while (0)

CLAUSE(this_program_is_not_secure,
       SECURE_TEXT "0 for one that is started as usual [AUX-8]", .needed_by = SET_ID)
{
	EXPECT_NE(NULL, aux_find(aux_on_stack(), AT_SECURE));
	EXPECT_EQ(0, own_aux(AT_SECURE));
}

CLAUSE(set_user_id_programs_are_secure,
       SECURE_TEXT "1 where a set-user-ID bit changed the effective user [AUX-8]", .needs = "root", .needed_by = SET_ID)
{
	const struct row rows[] = {
		{ IDS(NOBODY, NOBODY), 04755, 0, 0, 1, { NOBODY, 0, NOBODY, NOBODY } },
		{ IDS(NOBODY, NOBODY), 04755, SOMEBODY, 0, 1, { NOBODY, SOMEBODY, NOBODY, NOBODY } },
		{ IDS(NOBODY, NOBODY), 04711, 0, NOBODY, 1, { NOBODY, 0, NOBODY, NOBODY } },
		{ IDS(0, 0), 04755, NOBODY, 0, 1, { 0, NOBODY, 0, 0 } },
	};

	CHECK_ROWS(rows, NULL);
}

CLAUSE(set_group_id_programs_are_secure,
       SECURE_TEXT "1 where a set-group-ID bit changed the effective group [AUX-8]", .needs = "root",
       .needed_by = SET_ID)
{
	const struct row rows[] = {
		{ IDS(NOBODY, NOBODY), 02755, 0, 0, 1, { NOBODY, NOBODY, NOBODY, 0 } },
		{ IDS(NOBODY, NOBODY), 02755, NOBODY, SOMEBODY, 1, { NOBODY, NOBODY, NOBODY, SOMEBODY } },
		{ IDS(NOBODY, NOBODY), 06755, 0, 0, 1, { NOBODY, 0, NOBODY, 0 } },
		{ IDS(0, 0), 02755, 0, NOBODY, 1, { 0, 0, 0, NOBODY } },
	};

	CHECK_ROWS(rows, NULL);
}

CLAUSE(ordinary_programs_are_not_secure,
       SECURE_TEXT "0 where no id changes, whoever owns the file [AUX-8]", .needs = "root", .needed_by = SET_ID)
{
	const struct row rows[] = {
		{ IDS(NOBODY, NOBODY), 00755, 0, 0, 0, IDS(NOBODY, NOBODY) },
		{ IDS(NOBODY, NOBODY), 00755, NOBODY, NOBODY, 0, IDS(NOBODY, NOBODY) },
		{ IDS(SOMEBODY, NOBODY), 00755, 0, 0, 0, IDS(SOMEBODY, NOBODY) },
		{ IDS(0, 0), 00755, NOBODY, NOBODY, 0, IDS(0, 0) },
		{ IDS(0, 0), 00755, 0, 0, 0, IDS(0, 0) },
	};

	CHECK_ROWS(rows, NULL);
}

CLAUSE(ids_beyond_16_bits_are_told_whole,
       "getauxval(3) AT_UID, AT_EUID, AT_GID, AT_EGID: the real and effective ids of the thread, which are of 32 bits"
       " in every ABI; only calls of old have shorter ones (getuid(2) C library/kernel differences)",
       .needs = "root", .needed_by = SET_ID)
{
	const struct row rows[] = {
		{ IDS(70000, 80000), 00755, 0, 0, 0, IDS(70000, 80000) },
		{ IDS(0x7fffffff, 0xfffffffe), 00755, 0, 0, 0, IDS(0x7fffffff, 0xfffffffe) },
		{ { 70000, 70001, 80000, 80001 }, 00755, 0, 0, 1, { 70000, 70001, 80000, 80001 } },
		{ IDS(70000, 80000), 06755, 90000, 100000, 1, { 70000, 90000, 80000, 100000 } },
	};

	if (!can_become(0x7fffffff, 0xfffffffe))
		SKIP(return, "such ids have no name in this user namespace");
	CHECK_ROWS(rows, NULL);
}

CLAUSE(set_id_bits_that_change_nothing_do_not_make_secure,
       SECURE_TEXT "0 where the set-id bits name the ids that the caller has; execve(2): and a set-group-ID bit"
       " without group execute is none [AUX-8]", .needs = "root", .needed_by = SET_ID)
{
	const struct row rows[] = {
		{ IDS(NOBODY, NOBODY), 04755, NOBODY, 0, 0, IDS(NOBODY, NOBODY) },
		{ IDS(NOBODY, NOBODY), 02755, 0, NOBODY, 0, IDS(NOBODY, NOBODY) },
		{ IDS(NOBODY, NOBODY), 06755, NOBODY, NOBODY, 0, IDS(NOBODY, NOBODY) },
		{ IDS(NOBODY, NOBODY), 02745, 0, 0, 0, IDS(NOBODY, NOBODY) },
		{ IDS(0, 0), 06755, 0, 0, 0, IDS(0, 0) },
	};

	CHECK_ROWS(rows, NULL);
}

CLAUSE(callers_with_two_ids_start_secure_programs,
       SECURE_TEXT "the process's real and effective ids differ, also without a set-id bit [AUX-8]",
       .needs = "root", .needed_by = SET_ID)
{
	const struct row rows[] = {
		{ { NOBODY, 0, 0, 0 }, 00755, 0, 0, 1, { NOBODY, 0, 0, 0 } },
		{ { 0, NOBODY, 0, 0 }, 00755, 0, 0, 1, { 0, NOBODY, 0, 0 } },
		{ { NOBODY, SOMEBODY, 0, 0 }, 00755, 0, 0, 1, { NOBODY, SOMEBODY, 0, 0 } },
		{ { 0, 0, NOBODY, 0 }, 00755, 0, 0, 1, { 0, 0, NOBODY, 0 } },
		{ { NOBODY, NOBODY, NOBODY, SOMEBODY }, 00755, 0, 0, 1, { NOBODY, NOBODY, NOBODY, SOMEBODY } },
	};

	CHECK_ROWS(rows, NULL);
}

static bool set_no_new_privs(void)
{
	return !prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

CLAUSE(no_new_privs_makes_set_id_programs_ordinary,
       "prctl(2) PR_SET_NO_NEW_PRIVS: execve promises not to grant privileges: set-id bits do nothing, and AT_SECURE"
       " stays 0 [AUX-8]",
       .needs = "root", .needed_by = SET_ID)
{
	const struct row rows[] = {
		{ IDS(NOBODY, NOBODY), 04755, 0, 0, 0, IDS(NOBODY, NOBODY) },
		{ IDS(NOBODY, NOBODY), 02755, 0, 0, 0, IDS(NOBODY, NOBODY) },
		{ IDS(0, 0), 04755, NOBODY, 0, 0, IDS(0, 0) },
	};

	CHECK_ROWS(rows, set_no_new_privs);
}

// Gives the file capabilities; false where the file system keeps none.
static bool set_file_capability(int fd, unsigned int permitted, unsigned int inheritable, bool effective)
{
	struct vfs_cap_data data = {
		.magic_etc = htole32(VFS_CAP_REVISION_2 | (effective ? VFS_CAP_FLAGS_EFFECTIVE : 0)),
		.data[0] = { .permitted = htole32(permitted), .inheritable = htole32(inheritable) },
	};
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return !setxattr(path, "security.capability", &data, XATTR_CAPS_SZ_2, 0);
}

CLAUSE(programs_with_file_capabilities_are_secure,
       SECURE_TEXT "1 where file capabilities gave the program some that its caller has not; not for root, and not"
       " for such as give none [AUX-8]", .needs = "root cap=setfcap cap=net_bind_service", .needed_by = SET_ID)
{
	const unsigned int bind = 1 << CAP_NET_BIND_SERVICE;
	const struct { unsigned int permitted, inheritable; bool effective; uid_t user; int secure; } rows[] = {
		{ bind, 0, true, NOBODY, 1 },
		{ bind, 0, false, NOBODY, 1 },
		{ 0, bind, false, NOBODY, 0 },
		{ 0, 0, false, NOBODY, 0 },
		{ bind, 0, true, 0, 0 },
	};

	SET_ID_OR_SKIP();
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		int fd = copy_of_self(0, 0, 0755);
		const struct ids ids = IDS(rows[i].user, rows[i].user);
		char what[64];
		pid_t child;

		if (fd < 0 || !set_file_capability(fd, rows[i].permitted, rows[i].inheritable, rows[i].effective))
			SKIP(return, "the temporary directory keeps no file capabilities");
		child = fork();
		if (child == 0) {
			if (!become_caller(&ids))
				_exit(2);
			run(fd, rows[i].secure, &ids);
		}
		snprintf(what, sizeof(what), "row %zu", i);
		expect_equal_vector(_metadata, child, what);
		close(fd);
	}
}

// One capability that is kept across execve without the file's doing.
static bool keep_ambient_capability(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { { 1 << CAP_NET_BIND_SERVICE, 1 << CAP_NET_BIND_SERVICE,
						    1 << CAP_NET_BIND_SERVICE } };

	return !raw_syscall(__NR_capset, &header, data) &&
	       !prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_NET_BIND_SERVICE, 0, 0);
}

CLAUSE(ambient_capabilities_do_not_make_secure,
       "capabilities(7) Ambient: a program that keeps its caller's ambient capabilities gains nothing; AT_SECURE"
       " stays 0 [AUX-8]",
       .needs = "root cap=net_bind_service", .needed_by = SET_ID)
{
	const struct ids nobody = IDS(NOBODY, NOBODY);
	int fd = copy_of_self(0, 0, 0755);
	pid_t child;

	SET_ID_OR_SKIP();
	if (fd < 0)
		SKIP(return, "programs cannot be run in the temporary directory");
	child = fork();
	if (child == 0) {
		if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) || !become_caller(&nobody) || !keep_ambient_capability())
			_exit(2);
		run(fd, 0, &nobody);
	}
	expect_equal_vector(_metadata, child, "ambient");
	close(fd);
}

// What ids without a name are given as: 65534 unless the administrator chose another number.
static void overflow_id(const char *path, char text[16])
{
	if (read_text(path, text, 16) <= 0)
		strcpy(text, "65534");
}

CLAUSE(ids_are_those_of_the_user_namespace,
       "user_namespaces(7) User and group ID mappings: a process sees its ids as its namespace names them, those"
       " without a name as the overflow id; fs/binfmt_elf.c (7.2): AT_UID and its kin too", .config = "USER_NS")
{
	char user[16], group[16];
	pid_t child = fork();
	int status;

	if (child == 0) {
		overflow_id("/proc/sys/kernel/overflowuid", user);
		overflow_id("/proc/sys/kernel/overflowgid", group);
		if (raw_syscall(__NR_unshare, 0x10000000 /* CLONE_NEWUSER */))
			_exit(99);
		execute_self(compare_with_vector, "0", user, user, group, group);
		_exit(1);
	}
	ASSERT_EQ(child, waitpid(child, &status, 0));
	if (WIFEXITED(status) && WEXITSTATUS(status) == 99)
		SKIP(return, "no user namespace can be made here");
	EXPECT_EQ(0, status);
}
