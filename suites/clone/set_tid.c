// SPDX-License-Identifier: GPL-2.0-only
// clone3(2) set_tid: a child with the process ID that was asked for, in one pid namespace or in several.
#include "clone.h"
#include "nobody.h"

#define USERS "criu:restore"
#define AS_ROOT .needs = "root cap=sys_admin", .probe = clone3_probe
#define IN_NAMESPACES .config = "PID_NS", AS_ROOT

struct request {
	int tids[4];
	int size;
	unsigned long flags;
};

static long make(const struct request *r, int (*fn)(void *), void *arg)
{
	struct clone_args args = {
		.flags = r->flags, .exit_signal = SIGCHLD, .set_tid = (uintptr_t)r->tids, .set_tid_size = r->size,
	};

	return raw_clone3(&args, sizeof(args), fn, arg);
}

static int notes_pid(void *pid)
{
	*(volatile long *)pid = raw_syscall(__NR_getpid);
	return 0;
}

static int pid_max(void)
{
	char text[32] = "0";

	read_text("/proc/sys/kernel/pid_max", text, sizeof(text));
	return atoi(text);
}

// A number that nobody has now. Another process may take it before we do: then EEXIST is true, and we try the next.
static long make_with_free_number(struct request *r, int (*fn)(void *), void *arg)
{
	long result = -EEXIST;

	for (int i = 0; i < 50 && result == -EEXIST; i++) {
		r->tids[r->size - 1] = pid_max() - 2 - (getpid() * 7 + i * 11) % 3000;
		result = make(r, fn, arg);
	}
	return result;
}

CLAUSE(a_free_number_is_given_as_asked,
       "clone3(2) The set_tid array: the child has the process ID that was asked for, which the call returns",
       AS_ROOT, .needed_by = USERS)
{
	struct request r = { .size = 1 };
	long *seen = shared_memory(sizeof(*seen)), pid;

	ASSERT_OK(pid = make_with_free_number(&r, notes_pid, seen));
	EXPECT_EQ(r.tids[0], pid);
	EXPECT_RET(EXITED(0), end_of(pid));
	EXPECT_EQ(pid, *seen);
}

CLAUSE(a_number_that_is_taken_is_eexist,
       "clone3(2) ERRORS EEXIST: one or more of the IDs in set_tid exists already, of a process, a thread or a "
       "zombie",
       AS_ROOT, .needed_by = USERS)
{
	struct request r = { .tids = { getpid() }, .size = 1 };
	struct thread t;
	long zombie;

	EXPECT_ERR(EEXIST, make(&r, returns_zero, NULL));
	r.tids[0] = 1;
	EXPECT_ERR(EEXIST, make(&r, returns_zero, NULL));
	ASSERT_OK(thread_start(&t, waits_for_ever, NULL));
	r.tids[0] = t.known_as;
	EXPECT_ERR(EEXIST, make(&r, returns_zero, NULL));
	ASSERT_OK(zombie = child_of(SIGCHLD, returns_zero, NULL));
	ASSERT_TRUE(wait_until(task_state(zombie) == 'Z'));
	r.tids[0] = zombie;
	EXPECT_ERR(EEXIST, make(&r, returns_zero, NULL));
	EXPECT_RET(EXITED(0), end_of(zombie));
	EXPECT_TRUE(has_no_child());
}

CLAUSE(a_number_that_cannot_be_is_einval,
       "clone3(2) ERRORS EINVAL: an ID below 1 or not below pid_max, more IDs than pid namespaces",
       AS_ROOT, .needed_by = USERS)
{
	const int bad[] = { 0, -1, INT32_MIN, pid_max(), pid_max() + 1, INT32_MAX };
	struct request r = { .size = 1 };

	for (int i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		r.tids[0] = bad[i];
		EXPECT_ERR(EINVAL, make(&r, returns_zero, NULL));
	}
	for (int size = 33; size < 36; size++)
		EXPECT_ERR(EINVAL, make(&(struct request){ .tids = { 4000 }, .size = size }, returns_zero, NULL));
	EXPECT_TRUE(has_no_child());
}

CLAUSE(numbers_that_cannot_be_read_are_efault,
       "clone3(2), kernel/fork.c copy_clone_args_from_user (5.10, 7.2): a set_tid array that cannot be read is "
       "EFAULT",
       .probe = clone3_probe, .needed_by = USERS)
{
	struct clone_args args = { .exit_signal = SIGCHLD, .set_tid = 1, .set_tid_size = 1 };

	EXPECT_ERR(EFAULT, raw_clone3(&args, sizeof(args), returns_zero, NULL));
}

static int is_refused(void *unused)
{
	struct request r = { .tids = { pid_max() - 2 }, .size = 1 };

	return make(&r, returns_zero, NULL) != -EPERM;
}

CLAUSE(a_number_is_not_for_everyone,
       "clone3(2) ERRORS EPERM: set_tid needs CAP_SYS_ADMIN or CAP_CHECKPOINT_RESTORE in the namespace's user "
       "namespace",
       .needs = "root", .probe = clone3_probe, .needed_by = USERS)
{
	if (!can_become(NOBODY, NOBODY))
		SKIP(return, "no other user to become here");
	IN_CHILD {
		ASSERT_TRUE(become(NOBODY, NOBODY));
		EXPECT_EQ(0, is_refused(NULL));
	}
}

struct nested {
	long first, second, inside;
	struct request r;
};

static int makes_a_second(void *arg)
{
	struct nested *n = arg;

	n->first = raw_syscall(__NR_getpid);
	n->second = make(&n->r, notes_pid, &n->inside);
	return is_error(n->second) || end_of(n->second) != 0;
}

CLAUSE(the_first_of_a_new_namespace_can_only_be_one,
       "clone3(2) ERRORS EINVAL, pid_namespaces(7): with CLONE_NEWPID the first ID is that in the new namespace, "
       "and only 1 is possible there; the next is that outside",
       IN_NAMESPACES, .needed_by = USERS)
{
	struct request r = { .tids = { 2 }, .size = 1, .flags = CLONE_NEWPID };
	long *seen = shared_memory(sizeof(*seen)), pid;

	EXPECT_ERR(EINVAL, make(&r, returns_zero, NULL));
	r.tids[0] = 1;
	ASSERT_OK(pid = make(&r, notes_pid, seen));
	EXPECT_RET(EXITED(0), end_of(pid));
	EXPECT_EQ(1, *seen);
	r.size = 2;
	ASSERT_OK(pid = make_with_free_number(&r, notes_pid, seen));
	EXPECT_EQ(r.tids[1], pid);
	EXPECT_RET(EXITED(0), end_of(pid));
	EXPECT_EQ(1, *seen);
}

CLAUSE(numbers_go_from_the_innermost_namespace_outwards,
       "clone3(2) The set_tid array: the first element is the ID in the most nested namespace; namespaces without"
       " one number as they like",
       IN_NAMESPACES, .needed_by = USERS)
{
	struct nested *n = shared_memory(sizeof(*n));
	long pid;

	n->r = (struct request){ .tids = { 42 }, .size = 1 };
	ASSERT_OK(pid = child_of(CLONE_NEWPID | SIGCHLD, makes_a_second, n));
	EXPECT_RET(EXITED(0), end_of(pid));
	EXPECT_EQ(1, n->first);
	EXPECT_EQ(42, n->second);
	EXPECT_EQ(42, n->inside);
	// The second element is the ID out here, which is ours.
	n->r = (struct request){ .tids = { 43, getpid() }, .size = 2 };
	ASSERT_OK(pid = child_of(CLONE_NEWPID | SIGCHLD, makes_a_second, n));
	EXPECT_RET(EXITED(1), end_of(pid));
	EXPECT_RET(-EEXIST, n->second);
}
