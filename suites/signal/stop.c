// SPDX-License-Identifier: GPL-2.0-only
// Job control: stop signals and SIGCONT, what they take away from each other, and processes while they are stopped.
#include "signals.h"

#define USERS "go:os.Process glibc:system jvm:ProcessHandle criu:freeze"

static const int stops[] = { SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU };
static const int catchable_stops[] = { SIGTSTP, SIGTTIN, SIGTTOU };

static struct process *p;
static volatile int *tid_of_mate;

// With a parent in the same session and another group, so that the group is no orphan; a second thread, asleep.
static bool has_own_group_and_a_thread(void)
{
	static struct mate mate;

	if (!has_own_group() || !mate_sleeps(&mate, SIGSET_FULL))
		return false;
	*tid_of_mate = mate.tid;
	return true;
}

static bool starts(bool (*prepare)(void))
{
	tid_of_mate = shared_memory(4096);
	p = shared_memory(sizeof(*p));
	prctl(PR_SET_PDEATHSIG, SIGKILL);	// in a session of its own it is in no group that is killed with the run
	setsid();
	return process_starts(p, prepare);
}

// The next change of state that waitpid(2) tells.
static long change_of(int pid)
{
	int status = -1;
	long result;

	do
		result = raw_syscall(__NR_wait4, pid, &status, WUNTRACED | WCONTINUED, NULL);
	while (result == -EINTR);
	return result == pid ? status : result;
}

#define STOPPED_BY(sig) ((sig) << 8 | 0x7f)
#define CONTINUED 0xffff

CLAUSE(a_stop_signal_stops_all_threads_and_sigcont_starts_them,
       "signal(7) Standard signals: SIGSTOP, SIGTSTP, SIGTTIN and SIGTTOU stop the process by default, SIGCONT "
       "continues it: all its threads; the parent is told by wait",
       .needed_by = USERS)
{
	IN_CHILD {
		ASSERT_TRUE(starts(has_own_group_and_a_thread));
		FOR_EACH(s, stops) {
			ASSERT_RET(0, raw_kill(p->pid, stops[s]));
			ASSERT_EQ(STOPPED_BY(stops[s]), change_of(p->pid));
			ASSERT_TRUE(wait_until(task_state(p->pid) == 'T'));
			ASSERT_TRUE(wait_until(task_state(*tid_of_mate) == 'T'));
			ASSERT_RET(0, raw_kill(p->pid, SIGCONT));
			ASSERT_EQ(CONTINUED, change_of(p->pid));
			ASSERT_EQ(0, received(p));
			ASSERT_TRUE(wait_until(task_state(*tid_of_mate) == 'S'));
		}
		process_ends(p);
	}
}

CLAUSE(a_stop_or_continue_of_one_thread_is_the_whole_processs,
       "tgkill(2), pthread_kill(3) NOTES: stopping and continuing, as terminating, is done to the whole process, "
       "though the signal is sent to one thread",
       .needed_by = USERS)
{
	IN_CHILD {
		ASSERT_TRUE(starts(has_own_group_and_a_thread));
		for (int i = 0; i < 3; i++) {
			ASSERT_RET(0, raw_tgkill(p->pid, i % 2 ? p->pid : *tid_of_mate, SIGSTOP));
			ASSERT_EQ(STOPPED_BY(SIGSTOP), change_of(p->pid));
			ASSERT_TRUE(wait_until(task_state(p->pid) == 'T' && task_state(*tid_of_mate) == 'T'));
			ASSERT_RET(0, raw_tgkill(p->pid, i % 2 ? *tid_of_mate : p->pid, SIGCONT));
			ASSERT_EQ(CONTINUED, change_of(p->pid));
			ASSERT_EQ(0, received(p));
			ASSERT_TRUE(wait_until(task_state(*tid_of_mate) == 'S'));
		}
		process_ends(p);
	}
}

static bool is_an_orphan_group(void)
{
	return setsid() > 0;
}

CLAUSE(in_an_orphaned_group_only_sigstop_stops,
       "POSIX Orphaned Process Group, kernel/signal.c get_signal (5.10, 7.2): the stop signals of a terminal do "
       "nothing in an orphaned process group; SIGSTOP always works",
       .needed_by = USERS)
{
	p = shared_memory(sizeof(*p));
	ASSERT_TRUE(process_starts(p, is_an_orphan_group));
	FOR_EACH(s, catchable_stops) {
		ASSERT_RET(0, raw_kill(p->pid, catchable_stops[s]));
		ASSERT_EQ(0, received(p));
	}
	ASSERT_RET(0, raw_kill(p->pid, SIGSTOP));
	EXPECT_EQ(STOPPED_BY(SIGSTOP), change_of(p->pid));
	process_ends(p);
}

CLAUSE(sigcont_takes_away_pending_stop_signals,
       "POSIX Signal Generation, kernel/signal.c prepare_signal (5.10, 7.2): when SIGCONT is generated all pending "
       "stop signals are discarded, of the process and of each thread, blocked or not, and nothing else",
       .needed_by = USERS)
{
	static struct mate mate;

	ASSERT_RET(0, set_mask(SIGSET_FULL));
	ASSERT_TRUE(mate_sleeps(&mate, SIGSET_FULL));
	for (int round = 0; round < 3; round++) {
		char path[64], text[4096], *line;

		FOR_EACH(s, catchable_stops) {
			ASSERT_RET(0, send_myself(KILL, catchable_stops[s]));
			ASSERT_RET(0, send_myself(TGKILL, catchable_stops[s]));
			ASSERT_RET(0, raw_tgkill(own_pid(), mate.tid, catchable_stops[s]));
			ASSERT_TRUE(is_pending(catchable_stops[s]));
		}
		ASSERT_RET(0, send_myself(TGKILL, SIGTERM));
		ASSERT_RET(0, round == 2 ? raw_tgkill(own_pid(), mate.tid, SIGCONT) : send_myself(round, SIGCONT));
		ASSERT_TRUE(is_pending(SIGTERM));
		FOR_EACH(s, catchable_stops)
			ASSERT_FALSE(is_pending(catchable_stops[s]));
		snprintf(path, sizeof(path), "/proc/self/task/%d/status", mate.tid);
		ASSERT_LT(0, read_text(path, text, sizeof(text)));
		line = strstr(text, "SigPnd:");
		ASSERT_NE(NULL, line);
		ASSERT_EQ(round == 2 ? 1ULL << (SIGCONT - 1) : 0, strtoull(line + 7, NULL, 16));
	}
	ASSERT_TRUE(mate_ends(&mate));
}

CLAUSE(a_stop_signal_takes_away_a_pending_sigcont,
       "POSIX Signal Generation, kernel/signal.c prepare_signal (5.10, 7.2): when a stop signal is generated a pending "
       "SIGCONT is discarded, of the process and of the thread, and nothing else",
       .needed_by = USERS)
{
	FOR_EACH(s, catchable_stops)
		for (enum way way = 0; way < WAYS; way++) {
			ASSERT_RET(0, set_mask(SIGSET_FULL));
			ASSERT_RET(0, send_myself(KILL, SIGCONT));
			ASSERT_RET(0, send_myself(TGKILL, SIGCONT));
			ASSERT_RET(0, send_myself(KILL, SIGTERM));
			ASSERT_TRUE(is_pending(SIGCONT));
			ASSERT_RET(0, send_myself(way, catchable_stops[s]));
			ASSERT_FALSE(is_pending(SIGCONT));
			ASSERT_TRUE(is_pending(catchable_stops[s]));
			ASSERT_TRUE(is_pending(SIGTERM));
		}
}

static bool blocks_sigcont(void)
{
	return has_own_group() && block(SIGCONT) == 0;
}

static bool ignores_sigcont(void)
{
	return has_own_group() && raw_sigaction(SIGCONT, SIGNAL_IGNORE, 0) == 0;
}

static bool catches_sigcont(void)
{
	return has_own_group() && raw_sigaction_masked(SIGCONT, report, 0, SIGSET_FULL) == 0;
}

CLAUSE(sigcont_continues_whether_blocked_ignored_or_caught,
       "POSIX Signal Generation, kernel/signal.c prepare_signal (5.10, 7.2): the process continues when SIGCONT is "
       "generated, even if it is blocked or ignored; a handler runs as well",
       .needed_by = USERS)
{
	bool (*const kinds[])(void) = { blocks_sigcont, ignores_sigcont, catches_sigcont };

	IN_CHILD
		FOR_EACH(k, kinds) {
			ASSERT_TRUE(starts(kinds[k]));
			ASSERT_RET(0, raw_kill(p->pid, SIGSTOP));
			ASSERT_EQ(STOPPED_BY(SIGSTOP), change_of(p->pid));
			ASSERT_RET(0, raw_kill(p->pid, SIGCONT));
			ASSERT_EQ(CONTINUED, change_of(p->pid));
			ASSERT_EQ(kinds[k] == catches_sigcont, received(p));
			process_ends(p);
		}
}

CLAUSE(a_stopped_process_handles_signals_once_it_continues,
       "signal(7), kernel/signal.c get_signal (5.10, 7.2): signals sent to a stopped process are pending until it is "
       "continued, and then are handled",
       .needed_by = USERS)
{
	IN_CHILD {
		ASSERT_TRUE(starts(has_own_group));
		ASSERT_RET(0, raw_kill(p->pid, SIGSTOP));
		ASSERT_EQ(STOPPED_BY(SIGSTOP), change_of(p->pid));
		ASSERT_RET(0, raw_kill(p->pid, SIGUSR1));
		for (int i = 0; i < 5; i++)
			ASSERT_RET(0, queue_value(p->pid, RT_FIRST + 2, i));
		ASSERT_TRUE(wait_until(task_state(p->pid) == 'T'));
		ASSERT_EQ(0, p->count);
		ASSERT_RET(0, raw_kill(p->pid, SIGCONT));
		ASSERT_EQ(CONTINUED, change_of(p->pid));
		ASSERT_EQ(6, received(p));
		process_ends(p);
	}
}

CLAUSE(sigkill_ends_a_stopped_process_and_no_other_signal_does,
       "signal(7), kill(2): SIGKILL ends a process that is stopped; another fatal signal ends it when it continues",
       .needed_by = USERS)
{
	IN_CHILD {
		ASSERT_TRUE(starts(has_own_group));
		ASSERT_RET(0, raw_kill(p->pid, SIGSTOP));
		ASSERT_EQ(STOPPED_BY(SIGSTOP), change_of(p->pid));
		ASSERT_RET(0, raw_kill(p->pid, SIGKILL));
		ASSERT_EQ(SIGKILL, end_of(p->pid));
		ASSERT_TRUE(starts(has_own_group));
		ASSERT_RET(0, raw_kill(p->pid, SIGSTOP));
		ASSERT_EQ(STOPPED_BY(SIGSTOP), change_of(p->pid));
		ASSERT_RET(0, block(SIGCHLD));
		ASSERT_RET(0, raw_kill(p->pid, SIGHUP));
		ASSERT_TRUE(wait_until(task_state(p->pid) != 'R'));
		ASSERT_EQ('T', task_state(p->pid));
		ASSERT_RET(0, raw_kill(p->pid, SIGCONT));
		ASSERT_EQ(SIGHUP, end_of(p->pid));
	}
}

static bool catches_stops(void)
{
	FOR_EACH(s, catchable_stops)
		raw_sigaction_masked(catchable_stops[s], report, 0, SIGSET_FULL);
	return has_own_group();
}

static bool ignores_stops(void)
{
	FOR_EACH(s, catchable_stops)
		raw_sigaction(catchable_stops[s], SIGNAL_IGNORE, 0);
	return has_own_group();
}

CLAUSE(a_stop_signal_that_is_caught_or_ignored_does_not_stop,
       "signal(7) Signal dispositions: SIGTSTP, SIGTTIN and SIGTTOU may be caught or ignored; SIGSTOP may not, and "
       "stops",
       .needed_by = USERS)
{
	bool (*const kinds[])(void) = { catches_stops, ignores_stops };

	IN_CHILD
		FOR_EACH(k, kinds) {
			ASSERT_TRUE(starts(kinds[k]));
			FOR_EACH(s, catchable_stops) {
				ASSERT_RET(0, raw_kill(p->pid, catchable_stops[s]));
				ASSERT_EQ(k ? 0 : s + 1, received(p));
			}
			ASSERT_RET(0, raw_kill(p->pid, SIGSTOP));
			ASSERT_EQ(STOPPED_BY(SIGSTOP), change_of(p->pid));
			process_ends(p);
		}
}
