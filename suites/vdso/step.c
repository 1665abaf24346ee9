// SPDX-License-Identifier: GPL-2.0-only
// The vDSO one instruction at a time: between any two of them the timekeeper may be updated, or a signal be delivered.
#include "clause.h"

#include <sys/ptrace.h>

#include "calls.h"
#include "cpus.h"
#include "sigaction.h"
#include "timex.h"

#ifndef STA_UNSYNC
#define STA_UNSYNC 0x0040
#endif

// A call of more instructions than this, within one kernel, is a loop that waits for something.
#define MOST_STEPS 400

// What the traced child tells: how many readings it made, and the first that was out of order.
struct told {
	volatile int readings, wrong, handled, out_of_image;
	volatile long long before, seen, after;
};

static struct told *told;
static const void *function;
static int clock_id;
static struct vdso image;

static void note(long long before, long long seen, long long after)
{
	if (told->wrong || (before <= seen && seen <= after))
		return;
	told->before = before;
	told->seen = seen;
	told->after = after;
	told->wrong = 1;
}

static void read_again(int sig, siginfo_t *info, void *ucontext)
{
	long long before = slow_ns(clock_id), seen = fast_ns(function, clock_id);

	note(before, seen, slow_ns(clock_id));
	told->out_of_image += UC_PC(ucontext) < image.code || UC_PC(ucontext) >= image.code_end;
	told->handled++;
}

// Stops in front of each reading; whoever traces it steps from there into the vDSO.
static int read_and_stop(void)
{
	long process = raw_syscall(__NR_getpid);

	if (raw_sigaction(SIGUSR1, read_again, SA_RESTART) || ptrace(PTRACE_TRACEME, 0, NULL, NULL))
		return 1;
	for (;;) {
		long long before = slow_ns(clock_id), seen;

		raw_syscall(__NR_tgkill, process, process, SIGSTOP);
		seen = fast_ns(function, clock_id);
		note(before, seen, slow_ns(clock_id));
		told->readings++;
	}
}

// Where a stopped child is; 0 where the kernel does not tell.
static uintptr_t pc_of(pid_t child)
{
	struct __ptrace_syscall_info info = { .op = 0 };

	return ptrace(PTRACE_GET_SYSCALL_INFO, child, (void *)sizeof(info), &info) > 0 ? info.instruction_pointer : 0;
}

static bool has_stopped(pid_t child, int by)
{
	int status;

	return waitpid(child, &status, 0) == child && WIFSTOPPED(status) && WSTOPSIG(status) == by;
}

static bool is_in_image(uintptr_t pc)
{
	return pc >= image.code && pc < image.code_end;
}

// Steps into the vDSO and so many instructions further: 1 when there, 0 if the call was over before, -1 if it cannot.
static int step_into_call(pid_t child, int further)
{
	int inside = 0;

	for (int steps = 0; steps < MOST_STEPS + further; steps++) {
		if (ptrace(PTRACE_SINGLESTEP, child, NULL, NULL) || !has_stopped(child, SIGTRAP))
			return -1;
		if (is_in_image(pc_of(child))) {
			if (inside++ == further)
				return 1;
		} else if (inside) {
			return 0;
		}
	}
	return -1;
}

enum { UPDATE, SIGNAL };

// Disturbs the call before one of its instructions: 1, 0 if it was over before, -1 if the child cannot be stepped.
static int disturb(pid_t child, int position, int how)
{
	struct kernel_timex t = { .modes = ADJ_SETOFFSET };
	int at = step_into_call(child, position);

	if (at < 0 || (how == UPDATE && is_error(clock_adjust(CLOCK_REALTIME, &t))))
		return -1;
	if (ptrace(PTRACE_CONT, child, NULL, (void *)(long)(how == SIGNAL && at == 1 ? SIGUSR1 : 0)) || !has_stopped(child, SIGSTOP))
		return -1;
	return at;
}

// Every position, one in eight at first, then those between: where steps are slow (emulators) the last ones are left
// out. How many there were; -1 if the child cannot be stepped.
static int disturb_each_position(int clock, int how)
{
	static const int offsets[] = { 0, 4, 2, 6, 1, 5, 3, 7 };
	long long until = slow_ns(CLOCK_MONOTONIC) + (how == UPDATE ? 2 : 1) * SECOND;
	int done = 0, at = 1, cpu;
	pid_t child;

	clock_id = clock;
	memset(told, 0, sizeof(*told));
	// Each step is two changes of task, which are cheap on one CPU, and not from one that sleeps to another.
	if (allowed_cpus(&cpu, 1) == 1)
		bind_to_cpu(cpu);
	child = fork();
	if (child == 0)
		_exit(read_and_stop());
	if (child < 0 || !has_stopped(child, SIGSTOP))
		return -1;
	for (unsigned int i = 0; i < ARRAY_SIZE(offsets) && at >= 0; i++) {
		at = 1;
		for (int position = offsets[i]; at == 1 && slow_ns(CLOCK_MONOTONIC) < (i ? until : until + 10 * SECOND);
		     position += 8) {
			at = disturb(child, position, how);
			done += at == 1;
		}
	}
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	return at < 0 ? -1 : done;
}

#define STEPS_OR_SKIP(n, clock, how)							\
	int n = disturb_each_position(clock, how);					\
	if (n < 0)									\
		SKIP(return, "a child cannot be traced step by step here")

#define PREPARE()									\
	FUNCTION_OR_ABSENT(f, VDSO_CLOCK_GETTIME);					\
	function = f;									\
	ASSERT_TRUE(vdso_read(&image, NULL));						\
	told = mmap(NULL, sizeof(*told), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0); \
	ASSERT_NE(MAP_FAILED, (void *)told)

#define EXPECT_ORDER() \
	EXPECT_EQ(0, told->wrong) TH_LOG("system call %lld, vDSO %lld, system call %lld", told->before, told->seen, told->after)

// The child is stopped at each instruction in turn while the clock is put forward by nothing, which begins a new
// interval of the timekeeper; not where somebody keeps the clock, whose NTP state would be lost.
CLAUSE(an_update_between_two_instructions_is_seen_whole_or_not_at_all,
       "lib/vdso/gettimeofday.c do_hres (5.10): a reading that an update of the timekeeper overlaps is made again, "
       "wherever in the"
       " reading it comes: its time lies between the system calls around it [VDS-10]",
       .needs = "cap=sys_time", .exclusive = 1, .timeout = 20, .needed_by = USERS)
{
	struct kernel_timex now = { .modes = 0 };

	PREPARE();
	ASSERT_OK(clock_adjust(CLOCK_REALTIME, &now));
	if (!(now.status & STA_UNSYNC))
		SKIP(return, "somebody keeps this machine's clock");
	STEPS_OR_SKIP(steps, CLOCK_MONOTONIC, UPDATE);
	EXPECT_ORDER();
	EXPECT_GT(steps, 0);
	EXPECT_GE(told->readings, steps);
}

CLAUSE(a_signal_between_two_instructions_finds_a_vdso_that_can_be_called,
       "vdso(7), signal-safety(7): wherever in a reading the signal comes, the pc lies in the loaded segment, the "
       "handler's own reading"
       " is right, and so is the interrupted one [VDS-12] [VDS-16] [incident 67] [incident 69] [incident 68]",
       .timeout = 20, .needed_by = "go:sigprof go:inVDSOPage")
{
	PREPARE();
	STEPS_OR_SKIP(steps, CLOCK_MONOTONIC, SIGNAL);
	EXPECT_ORDER();
	EXPECT_EQ(0, told->out_of_image);
	EXPECT_GT(steps, 0);
	EXPECT_EQ(steps, told->handled);
}
