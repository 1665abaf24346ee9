// SPDX-License-Identifier: GPL-2.0-only
// exit(2) of one thread, exit_group(2) of all, and what the parent hears of it.
#include "clone.h"
#include "sigaction.h"

#define USERS "go:exit go:exitThread glibc:exit glibc:pthread_exit"

static struct shared {
	volatile int ready, go, started;
	volatile long tid;
} *shared;

static int exits_one(void *status)
{
	raw_syscall(__NR_exit, *(int *)status);
	return 0;
}

static int spins(void *unused)
{
	shared->started = 1;
	for (;;)
		arch_pause();
	return 0;
}

static void begin(void)
{
	shared = shared_memory(sizeof(*shared));
}

// Runs body in a child process, whose wait status it returns.
static long status_of(int (*body)(void *), void *arg)
{
	return end_of(child_of(SIGCHLD, body, arg));
}

static int thread_exits_with(void *code)
{
	int status = *(int *)code;
	struct thread t;

	if (is_error(thread_start(&t, exits_one, &status)) || !thread_join(&t))
		return 99;
	return has_no_child() ? 5 : 98;
}

CLAUSE(the_status_of_a_thread_is_lost_and_its_process_goes_on,
       "_exit(2) C library/kernel differences: exit(2) ends the calling thread alone; it is not waited for, and "
       "its status is not that of its process [CLN-7]",
       .needed_by = USERS)
{
	for (int code = 0; code < 3; code++)
		EXPECT_RET(EXITED(5), status_of(thread_exits_with, &code));
}

static volatile int signals;

static void count_signal(int sig, siginfo_t *info, void *ucontext)
{
	signals++;
}

CLAUSE(the_end_of_a_thread_signals_nobody,
       "clone(2) CLONE_THREAD: when a CLONE_THREAD thread terminates, the thread that created it is not sent a "
       "SIGCHLD or other termination signal, nor can its status be obtained by wait [CLN-7]",
       .needed_by = USERS)
{
	struct thread t;

	for (int sig = 1; sig < 64; sig++)
		if (sig != SIGKILL && sig != SIGSTOP && sig != SIGALRM)
			raw_sigaction(sig, count_signal, 0);
	for (int i = 0; i < 5; i++) {
		ASSERT_OK(thread_start(&t, returns_zero, NULL));
		ASSERT_TRUE(thread_join(&t));
		EXPECT_ERR(ECHILD, raw_syscall(__NR_wait4, t.known_as, NULL, __WALL, NULL));
		EXPECT_ERR(ECHILD, raw_syscall(__NR_waitid, P_ALL, 0, NULL, WEXITED | WNOHANG | __WALL, NULL));
	}
	EXPECT_EQ(0, signals);
}

struct ending {
	int others, code;
	bool by_thread;
};

// Threads in a system call, in a futex, in a loop; then the leader or one of them ends them all.
static int ends_all(void *arg)
{
	struct ending *e = arg;
	struct thread blocked, looping, ender;
	long end = 0;

	thread_start(&blocked, waits_for_ever, NULL);
	thread_start(&looping, spins, NULL);
	if (!wait_until_blocked_in(blocked.known_as, NR_PPOLL) || !wait_until(shared->started))
		return 99;
	if (!e->by_thread)
		exits_all(&e->code);
	end = thread_start(&ender, exits_all, &e->code);
	if (!is_error(end))
		waits_for_ever(NULL);
	return 98;
}

CLAUSE(exit_group_ends_threads_in_any_state_and_gives_its_code,
       "exit_group(2): all threads in the calling process's thread group are terminated, one that sleeps in a "
       "call and one that runs; the status is the argument of the call, whichever thread makes it [EXI-3]",
       .needed_by = USERS)
{
	begin();
	for (int i = 0; i < 2; i++) {
		struct ending e = { .code = 7 + i, .by_thread = i };

		EXPECT_RET(EXITED(7 + i), status_of(ends_all, &e));
	}
}

static int leader_leaves_a_thread_that_ends_all(void *arg)
{
	struct thread t;

	return is_error(thread_start(&t, exits_all, arg)) ? 99 : exits_one(&(int){ 0 });
}

static int waits_for_zombie_and_ends_all(void *arg)
{
	int leader = raw_syscall(__NR_getpid);

	if (!wait_until(task_state(leader) == 'Z'))
		raw_syscall(__NR_exit_group, 97);
	return exits_all(arg);
}

static int leader_leaves_first(void *arg)
{
	struct thread t;

	return is_error(thread_start(&t, waits_for_zombie_and_ends_all, arg)) ? 99 : exits_one(&(int){ 3 });
}

static int (*const leaders[])(void *) = { leader_leaves_first, leader_leaves_a_thread_that_ends_all };

CLAUSE(the_status_is_that_of_exit_group_though_the_leader_ended_before,
       "kernel/exit.c wait_task_zombie (5.10, 7.2): the status of a process is the code of exit_group, by "
       "whichever thread, and not what the leader gave to exit; wait4 and waitid agree [EXI-2] [EXI-3]",
       .needed_by = USERS)
{
	int code = 5;

	begin();
	for (int i = 0; i < 2; i++) {
		siginfo_t info = { 0 };
		long pid = child_of(SIGCHLD, leaders[i], &code);

		ASSERT_OK(pid);
		ASSERT_RET(0, raw_syscall(__NR_waitid, P_PID, pid, &info, WEXITED, NULL));
		EXPECT_EQ(5, info.si_status);
		EXPECT_EQ(CLD_EXITED, info.si_code);
		EXPECT_EQ(pid, info.si_pid);
		EXPECT_TRUE(has_no_child());
		EXPECT_RET(EXITED(5), status_of(leaders[i], &code));
	}
}

CLAUSE(a_look_with_wnowait_sees_the_status_of_exit_group_too,
       "waitid(2) WNOWAIT, kernel/exit.c wait_task_zombie (6.1, 7.2): the status that a look without reaping "
       "tells is the one that reaping tells, though the leader had given another to exit [EXI-2]",
       .since = KERNEL(5, 17), .commit = "907c311f37ba exit: Fix the exit_code for wait_task_zombie",
       .needed_by = USERS)
{
	int code = 5;

	begin();
	for (int i = 0; i < 2; i++) {
		siginfo_t info = { 0 };
		long pid = child_of(SIGCHLD, leaders[i], &code);

		ASSERT_OK(pid);
		ASSERT_RET(0, raw_syscall(__NR_waitid, P_PID, pid, &info, WEXITED | WNOWAIT, NULL));
		EXPECT_EQ(5, info.si_status);
		EXPECT_EQ(CLD_EXITED, info.si_code);
		EXPECT_RET(EXITED(5), end_of(pid));
	}
}

static int waits_to_end(void *unused)
{
	wait_until(shared->go);
	return 4;
}

static int leaves_a_thread(void *unused)
{
	struct thread t;

	shared->tid = thread_start(&t, waits_to_end, NULL);
	return exits_one(&(int){ 3 });
}

CLAUSE(a_process_whose_leader_has_ended_lives_until_its_last_thread_does,
       "kernel/exit.c wait_consider_task (5.10, 7.2): a leader that has ended is a zombie that cannot be waited "
       "for while a thread lives; then one SIGCHLD tells of it [EXI-2]",
       .needed_by = USERS)
{
	siginfo_t info = { 0 };
	long pid, end;

	begin();
	ASSERT_RET(0, raw_sigaction(SIGCHLD, count_signal, 0));
	ASSERT_OK(pid = child_of(SIGCHLD, leaves_a_thread, NULL));
	ASSERT_TRUE(wait_until(task_state(pid) == 'Z'));
	EXPECT_RET(0, raw_syscall(__NR_wait4, pid, NULL, WNOHANG, NULL));
	EXPECT_RET(0, raw_syscall(__NR_waitid, P_PID, pid, &info, WEXITED | WNOHANG | WNOWAIT, NULL));
	EXPECT_EQ(0, info.si_pid);
	EXPECT_EQ(0, signals);
	EXPECT_RET(0, raw_syscall(__NR_kill, pid, 0));
	EXPECT_RET(0, raw_syscall(__NR_tgkill, pid, shared->tid, 0));
	shared->go = 1;
	end = end_of(pid);
	EXPECT_TRUE(end == EXITED(3) || end == EXITED(4));	// the leader's until 5.19, since then the last thread's
	EXPECT_TRUE(wait_until(signals == 1));
}

CLAUSE(a_process_whose_leader_has_ended_can_be_killed,
       "kill(2), kernel/signal.c complete_signal (5.10, 7.2): a signal to a process whose leader has ended goes "
       "to a thread that lives, and a fatal one ends them all and is the status [EXI-2]",
       .needed_by = USERS)
{
	long pid;

	begin();
	ASSERT_OK(pid = child_of(SIGCHLD, leaves_a_thread, NULL));
	ASSERT_TRUE(wait_until(task_state(pid) == 'Z'));
	EXPECT_RET(0, raw_syscall(__NR_kill, pid, SIGTERM));
	EXPECT_RET(SIGTERM, end_of(pid));
}

static char *const *arguments;

AFTER_EXEC(exits_with_eleven)
{
	return getpid() == raw_syscall(__NR_gettid) && getpid() == atoi(argv[0]) ? 11 : 12;
}

static int executes(void *unused)
{
	if (wait_until(task_state(raw_syscall(__NR_getpid)) == 'Z'))
		raw_syscall(__NR_execve, "/proc/thread-self/exe", arguments, environ);	// a zombie leader has no exe
	raw_syscall(__NR_exit_group, 96);
	return 0;
}

static int leader_leaves_and_thread_executes(void *unused)
{
	static char pid[24];
	struct thread t;

	snprintf(pid, sizeof(pid), "%d", getpid());
	arguments = (char *[]){ "osprim", "--after-exec", "exits_with_eleven", pid, NULL };
	thread_start(&t, executes, NULL);
	return exits_one(&(int){ 3 });
}

CLAUSE(a_thread_may_execute_after_the_leader_has_ended,
       "execve(2) Effect on a process's attributes: the thread that executes takes the ID of the leader, though "
       "the leader is a zombie, and the parent waits for one process with one status [EXI-2]",
       .needed_by = USERS)
{
	long pid;

	ASSERT_OK(pid = child_of(SIGCHLD, leader_leaves_and_thread_executes, NULL));
	EXPECT_RET(EXITED(11), end_of(pid));
	EXPECT_TRUE(has_no_child());
}

static int exits_with(void *status)
{
	return exits_all(status);
}

CLAUSE(the_status_is_the_lowest_byte_of_what_exit_gets,
       "_exit(2), wait(2): the value status & 0xff is returned to the parent as the exit status",
       .needed_by = USERS)
{
	static const int codes[] = { 0, 1, 127, 128, 255, 256, 257, -1, 0x7fffff00, 0x12345678 };

	for (int i = 0; i < sizeof(codes) / sizeof(*codes); i++) {
		EXPECT_RET(EXITED(codes[i] & 0xff), status_of(exits_with, (void *)&codes[i]));
		EXPECT_RET(EXITED(codes[i] & 0xff), status_of(exits_one, (void *)&codes[i]));
	}
}

static int ends_in_a_race(void *arg)
{
	struct thread t[2];

	thread_start(&t[0], exits_all, arg);
	thread_start(&t[1], exits_all, arg + sizeof(int));
	return waits_for_ever(NULL);
}

CLAUSE(of_two_calls_of_exit_group_one_gives_the_code,
       "kernel/exit.c do_group_exit (5.10, 7.2): the first exit_group sets the code, later ones take it; the "
       "status is one of them whole and the process ends once [EXI-3]",
       .needed_by = USERS)
{
	int codes[2] = { 0x15, 0x2a };

	for (int i = 0; i < 20; i++) {
		long end = status_of(ends_in_a_race, codes);

		EXPECT_TRUE(end == EXITED(0x15) || end == EXITED(0x2a));
	}
}

static int sends_itself(void *sig)
{
	raw_syscall(__NR_tgkill, raw_syscall(__NR_getpid), raw_syscall(__NR_gettid), *(int *)sig);
	return 0;
}

static int has_a_thread_that_dies_of(void *sig)
{
	struct thread t;

	thread_start(&t, sends_itself, sig);
	return waits_for_ever(NULL);
}

CLAUSE(a_fatal_signal_of_one_thread_ends_all_and_is_the_status,
       "signal(7) Signal dispositions, clone(2) CLONE_THREAD: the default action of a signal sent to one thread "
       "is done to the whole process",
       .needed_by = USERS)
{
	static const int fatal[] = { SIGTERM, SIGKILL, SIGUSR1, SIGALRM, SIGPIPE, 40 };

	for (int i = 0; i < sizeof(fatal) / sizeof(*fatal); i++)
		EXPECT_RET(fatal[i], status_of(has_a_thread_that_dies_of, (void *)&fatal[i]));
}
