// SPDX-License-Identifier: GPL-2.0-only
// Where the vDSO may be called: on little stack, in handlers, beside itself, without TLS, where system calls are denied.
#include "clause.h"

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>

#include "calls.h"
#include "guard.h"
#include "regs.h"
#include "sigaction.h"
#include "thread.h"

#ifndef AT_MINSIGSTKSZ
#define AT_MINSIGSTKSZ 51
#endif

// Every function by the port's names, with arguments that it takes.
static const struct function {
	const char *name;
	long first;
	bool writes;
} functions[] = {
	{ VDSO_CLOCK_GETTIME, CLOCK_MONOTONIC, true }, { VDSO_CLOCK_GETTIME, CLOCK_REALTIME, true },
	{ VDSO_CLOCK_GETTIME, CLOCK_REALTIME_COARSE, true }, { VDSO_CLOCK_GETTIME, CLOCK_THREAD_CPUTIME_ID, true },
	{ VDSO_CLOCK_GETTIME, 63, true }, { VDSO_CLOCK_GETTIME32, CLOCK_MONOTONIC, true },
	{ VDSO_CLOCK_GETRES, CLOCK_MONOTONIC, true }, { VDSO_CLOCK_GETRES, 63, true },
	{ VDSO_GETTIMEOFDAY, 0, false }, { VDSO_TIME, 0, false }, { VDSO_GETCPU, 0, false },
};

static const void *address_of(const struct function *function)
{
	return function->name ? function_named(function->name) : NULL;
}

static void call(const struct function *function, const void *f)
{
	long long buffer[4];

	arch_vdso_call(f, function->writes ? function->first : (long)buffer, function->writes ? (long)buffer : 0, 0, 0, 0);
}

// A frame of the caller's, and what the function may touch below it: one page, whatever probes of it the compiler made.
#define FRAME 1024
#define DEPTH 4096

static const struct function *to_call;
static const void *to_call_at;
static volatile int called;

static int call_it(void *arg)
{
	call(to_call, to_call_at);
	called = 1;
	return 0;
}

CLAUSE(a_call_needs_less_than_a_page_of_stack,
       "vdso(7): a function of the vDSO stays within 4096 bytes below its caller, and does not even"
       " probe the page behind: runtimes call it on the stacks of their threads and handlers [VDS-11] [incident 66]",
       .needed_by = "go:vdsoClockgettimeSym go:nanotime1")
{
	char *room = mmap(NULL, page_size() + FRAME + DEPTH + page_size(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *end = room + page_size() + FRAME + DEPTH;

	ASSERT_NE(MAP_FAILED, (void *)room);
	ASSERT_EQ(0, mprotect(room, page_size(), PROT_NONE));
	if (!function_named(VDSO_CLOCK_GETTIME))
		ABSENT("this kernel gives the program no vDSO");
	for (unsigned int i = 0; i < ARRAY_SIZE(functions); i++) {
		to_call = &functions[i];
		to_call_at = address_of(to_call);
		if (!to_call_at)
			continue;
		IN_CHILD {
			volatile int tid = 0;

			called = 0;
			ASSERT_OK(raw_clone(THREAD_FLAGS | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID, end, call_it, NULL, (int *)&tid, NULL,
					    (int *)&tid));
			EXPECT_TRUE(wait_until(tid == 0) && called) TH_LOG("%s", to_call->name);
		}
	}
}

CLAUSE(a_call_leaves_alone_what_lies_above_its_stack_pointer,
       "vdso(7): a function changes nothing of its caller's frame, and of the memory below it less than a page: "
       "measured on a"
       " stack that was painted [VDS-11] [incident 66]", .needed_by = "go:vdsoClockgettimeSym")
{
	static char painted[DEPTH * 4] __attribute__((aligned(64)));
	unsigned long deepest = 0;

	if (!function_named(VDSO_CLOCK_GETTIME))
		ABSENT("this kernel gives the program no vDSO");
	for (unsigned int i = 0; i < ARRAY_SIZE(functions); i++) {
		unsigned long low = 0;
		volatile int tid = 0;

		to_call = &functions[i];
		to_call_at = address_of(to_call);
		if (!to_call_at)
			continue;
		memset(painted, GUARD_BYTE, sizeof(painted));
		called = 0;
		ASSERT_OK(raw_clone(THREAD_FLAGS | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID, painted + 3 * DEPTH, call_it, NULL, (int *)&tid,
				    NULL, (int *)&tid));
		ASSERT_TRUE(wait_until(tid == 0) && called);
		while (low < 3 * DEPTH && painted[low] == (char)GUARD_BYTE)
			low++;
		deepest = 3 * DEPTH - low > deepest ? 3 * DEPTH - low : deepest;
		EXPECT_TRUE(is_untouched(painted, 3 * DEPTH, 4 * DEPTH)) TH_LOG("%s", to_call->name);
	}
	EXPECT_LT(deepest, FRAME + DEPTH);
}

CLAUSE(no_function_changes_a_register_that_functions_keep,
       "vdso(7) DESCRIPTION: each function is called as any C function: callee-saved registers, stack pointer, "
       "direction flag"
       " and floating-point control are as before [VDS-13]", .needed_by = "go:vdsoauxv glibc:INLINE_VSYSCALL")
{
	if (!function_named(VDSO_CLOCK_GETTIME))
		ABSENT("this kernel gives the program no vDSO");
	for (unsigned int i = 0; i < ARRAY_SIZE(functions); i++) {
		const void *f = address_of(&functions[i]);
		long long buffer[4];
		struct arch_regs in, out;
		unsigned int control;

		if (!f)
			continue;
		regs_fill(&in, i);
		in.r[ARCH_REG_ARG(0)] = functions[i].writes ? functions[i].first : (long)buffer;
		in.r[ARCH_REG_ARG(1)] = functions[i].writes ? (long)buffer : 0;
		in.r[ARCH_REG_ARG(2)] = 0;
		in.r[ARCH_REG_FLAGS] &= ~ARCH_FLAGS_ENTRY_CLEAR;
		arch_fp_control_set(ARCH_FP_CONTROL_OTHER);
		arch_call_regs(&in, &out, NULL, f);
		control = arch_fp_control();
		arch_fp_control_set(ARCH_FP_CONTROL_DEFAULT);
		EXPECT_REGS(&in, &out, ARCH_CALL_CLOBBERS);
		EXPECT_EQ(0, out.r[ARCH_REG_FLAGS] & ARCH_FLAGS_ENTRY_CLEAR) TH_LOG("%s", functions[i].name);
		EXPECT_EQ(ARCH_FP_CONTROL_OTHER, control) TH_LOG("%s", functions[i].name);
	}
}

CLAUSE(errors_are_in_the_result_and_errno_is_not_known,
       "vdso(7): a function returns 0 or a negative error number, as the system call does, and no library's errno "
       "changes"
       " [VDS-9] [incident 70]", .needed_by = "glibc:INLINE_VSYSCALL go:walltime musl:clock_gettime")
{
	FUNCTION_OR_ABSENT(f, VDSO_CLOCK_GETTIME);
	const void *getres = function_named(VDSO_CLOCK_GETRES);
	timespec64 t;

	errno = 12345;
	EXPECT_EQ(-EINVAL, fast_gettime(f, 63, &t));
	EXPECT_EQ(-EINVAL, fast_gettime(f, -1, &t));
	EXPECT_EQ(0, fast_gettime(f, CLOCK_MONOTONIC, &t));
	EXPECT_TRUE(!getres || fast_getres(getres, 63, &t) == -EINVAL);
	EXPECT_EQ(12345, errno);
}

static const void *in_handler;
static volatile int handled, out_of_order, inside;
static volatile unsigned long low_pc, high_pc;
static volatile long long last_seen;

// The vDSO once more, by the code that a signal put in the middle of it.
static void call_again(int sig, siginfo_t *info, void *ucontext)
{
	unsigned long pc = UC_PC(ucontext);
	long long now = fast_ns(in_handler, CLOCK_MONOTONIC);

	inside += pc >= low_pc && pc < high_pc;
	out_of_order += now < last_seen || now > slow_ns(CLOCK_MONOTONIC);
	last_seen = now;
	handled++;
}

static int send_signals(void *stop)
{
	long process = raw_syscall(__NR_getpid);

	while (!*(volatile int *)stop) {
		raw_syscall(__NR_tgkill, process, process, SIGUSR1);
		for (int i = 0; i < 50; i++)
			arch_pause();
	}
	return 0;
}

// The pc in the image is also what makes the clause end: a run without any such signal has shown nothing.
CLAUSE(a_handler_may_call_what_it_interrupted,
       "vdso(7), signal-safety(7) clock_gettime: a signal in the middle of the vDSO may call it again: the handler's "
       "reading, the"
       " interrupted one and later ones are in order; the pc it sees there lies in the loaded segment [VDS-12] [VDS-16]"
       " [incident 67]", .needs = "cpus=2", .needed_by = "go:sigprof go:inVDSOPage jvm:AsyncGetCallTrace")
{
	long long until = monotonic_ns() + within_patience(5 * slowness()) * SECOND;
	volatile int stop = 0;
	struct thread t;
	VDSO_OR_ABSENT(v);

	in_handler = vdso_function(&v, VDSO_CLOCK_GETTIME);
	ASSERT_NE(NULL, in_handler);
	low_pc = v.code;
	high_pc = v.code_end;
	last_seen = 0;
	ASSERT_RET(0, raw_sigaction(SIGUSR1, call_again, SA_RESTART));
	ASSERT_OK(thread_start(&t, send_signals, (void *)&stop));
	do {	// without a pause, which is where the signals of a busy machine would come
		for (int turn = 0; turn < 10000; turn++) {
			long long before = __atomic_load_n(&last_seen, __ATOMIC_RELAXED);
			long long now = fast_ns(in_handler, CLOCK_MONOTONIC);

			if (now < before)
				out_of_order++;
		}
	} while ((inside < 5 || handled < 50) && monotonic_ns() < until);
	stop = 1;
	ASSERT_TRUE(thread_join(&t));
	EXPECT_EQ(0, out_of_order);
	EXPECT_GE(inside, 1) TH_LOG("%d signals, %d of them in the vDSO", handled, inside);
}

static volatile int right_on_altstack;

static void call_all(int sig, siginfo_t *info, void *ucontext)
{
	right_on_altstack = 1;
	for (unsigned int i = 0; i < ARRAY_SIZE(functions); i++) {
		const void *f = address_of(&functions[i]);

		if (f)
			call(&functions[i], f);
	}
	right_on_altstack++;
}

CLAUSE(a_small_alternate_stack_is_enough,
       "sigaltstack(2), vdso(7): a handler on an alternate stack that has room for the kernel's frame and a page and a "
       "half for"
       " itself can call every function [VDS-11]", .needed_by = "go:sigprof rust:stack_overflow")
{
	size_t frame = getauxval(AT_MINSIGSTKSZ) > ARCH_MINSIGSTKSZ ? getauxval(AT_MINSIGSTKSZ) : ARCH_MINSIGSTKSZ;
	size_t size = (frame + 4096 + 2048 + 63) & -64ul;
	stack_t stack = { .ss_sp = guarded(size), .ss_size = size };

	if (!function_named(VDSO_CLOCK_GETTIME))
		ABSENT("this kernel gives the program no vDSO");
	ASSERT_RET(0, raw_syscall(__NR_sigaltstack, &stack, NULL));
	ASSERT_RET(0, raw_sigaction(SIGUSR1, call_all, SA_ONSTACK));
	ASSERT_RET(0, raw_syscall(__NR_tgkill, getpid(), raw_syscall(__NR_gettid), SIGUSR1));
	EXPECT_EQ(2, right_on_altstack);
	EXPECT_INTACT(stack.ss_sp);
}

static volatile int alone;

static int call_without_tls(void *arg)
{
	long long before = slow_ns(CLOCK_MONOTONIC), now = fast_ns(arg, CLOCK_MONOTONIC);

	alone = before <= now && now <= slow_ns(CLOCK_MONOTONIC) && fast_ns(arg, CLOCK_REALTIME) > 0 ? 1 : -1;
	return 0;
}

CLAUSE(a_thread_needs_no_thread_pointer_to_call_it,
       "vdso(7): the vDSO belongs to no library and knows none's thread-local storage: a thread whose thread pointer "
       "leads to one"
       " word calls it as any other [VDS-15]", .needed_by = "go:nanotime1")
{
	static unsigned long word[8] __attribute__((aligned(16)));
	static struct arch_tls storage;
	FUNCTION_OR_ABSENT(f, VDSO_CLOCK_GETTIME);
	size_t size = 64 * 1024;
	char *stack = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ASSERT_NE(MAP_FAILED, (void *)stack);
	ASSERT_OK(raw_clone(THREAD_FLAGS | CLONE_SETTLS, stack + size, call_without_tls, (void *)f, NULL, arch_tls_arg(&storage, word), NULL));
	EXPECT_TRUE(wait_until(alone));
	EXPECT_EQ(1, alone);
}

// Denies each of these calls, with an error that no kernel gives by itself.
#define DENIED 133

static bool deny(const int *numbers, int n)
{
	struct sock_filter code[32];
	struct sock_fprog program = { .filter = code };
	int length = 0;

	code[length++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
	for (int i = 0; i < n; i++) {
		code[length++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, numbers[i], 0, 1);
		code[length++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | DENIED);
	}
	code[length++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	program.len = length;
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

static const int clock_calls[] = {
	__NR_clock_gettime, __NR_clock_getres, __NR_gettimeofday,
#ifdef __NR_time
	__NR_time,
#endif
#ifdef __NR_clock_gettime64
	__NR_clock_gettime64, __NR_clock_getres_time64,
#endif
};

#define DENY_OR_SKIP() \
	if (!deny(clock_calls, ARRAY_SIZE(clock_calls))) \
		SKIP(return, "there is no seccomp filter here")

// Counters that the vDSO of their architecture always can read.
static bool vdso_can_read_the_clocksource(void)
{
	static const char *const readable[] = { "tsc", "timebase", "tod", "riscv_clocksource" };
	char name[64] = "";

	read_text("/sys/devices/system/clocksource/clocksource0/current_clocksource", name, sizeof(name));
	name[strcspn(name, "\n")] = 0;
	for (unsigned int i = 0; i < ARRAY_SIZE(readable); i++)
		if (!strcmp(name, readable[i]))
			return true;
	return false;
}

CLAUSE(coarse_clocks_make_no_system_call,
       "vdso(7): reading a coarse clock, a resolution or the time of the last tick takes no counter and so no system "
       "call: it works"
       " where a filter denies them [VDS-14] [incident 76]", .needed_by = USERS)
{
	FUNCTION_OR_ABSENT(f, VDSO_CLOCK_GETTIME);
	const void *getres = function_named(VDSO_CLOCK_GETRES), *time = function_named(VDSO_TIME);
	timespec64 t;

	DENY_OR_SKIP();
	EXPECT_EQ(0, fast_gettime(f, CLOCK_MONOTONIC_COARSE, &t));
	EXPECT_EQ(0, fast_gettime(f, CLOCK_REALTIME_COARSE, &t));
	EXPECT_TRUE(!getres || fast_getres(getres, CLOCK_MONOTONIC, &t) == 0);
	EXPECT_TRUE(!getres || fast_getres(getres, CLOCK_REALTIME_COARSE, &t) == 0);
	EXPECT_TRUE(!time || fast_time(time, NULL) > 0);
}

CLAUSE(fine_clocks_make_no_system_call_where_the_counter_can_be_read,
       "vdso(7) DESCRIPTION: the point of the vDSO is that frequent calls need not enter the kernel: with a "
       "clocksource that user"
       " code can read it works where a filter denies the system calls [VDS-14] [incident 76]", .needed_by = USERS)
{
	static const int clocks[] = { CLOCK_MONOTONIC, CLOCK_REALTIME, CLOCK_BOOTTIME, CLOCK_TAI, CLOCK_MONOTONIC_RAW };
	FUNCTION_OR_ABSENT(f, VDSO_CLOCK_GETTIME);
	const void *day = function_named(VDSO_GETTIMEOFDAY);
	struct old_timeval tv;
	timespec64 t;

	if (!vdso_can_read_the_clocksource())
		SKIP(return, "the vDSO may have no way to read this machine's clocksource");
	DENY_OR_SKIP();
	for (unsigned int i = 0; i < ARRAY_SIZE(clocks); i++) {
		EXPECT_EQ(0, fast_gettime(f, clocks[i], &t)) TH_LOG("clock %d", clocks[i]);
	}
	EXPECT_TRUE(!day || fast_gettimeofday(day, &tv, NULL) == 0);
}

CLAUSE(what_the_vdso_cannot_tell_it_asks_the_kernel_and_hands_on,
       "vdso(7), lib/vdso/gettimeofday.c clock_gettime_fallback (5.10): for a clock that it does not know the vDSO "
       "makes the system"
       " call; its error, whatever it is, is the result [VDS-9] [incident 70] [incident 71]", .needed_by = USERS)
{
	FUNCTION_OR_ABSENT(f, VDSO_CLOCK_GETTIME);
	const void *old = function_named(VDSO_CLOCK_GETTIME32), *getres = function_named(VDSO_CLOCK_GETRES);
	timespec64 *t = guarded(sizeof(*t));

	DENY_OR_SKIP();
	EXPECT_EQ(-DENIED, fast_gettime(f, CLOCK_THREAD_CPUTIME_ID, t));
	EXPECT_EQ(-DENIED, fast_gettime(f, 63, t));
	EXPECT_TRUE(!old || fast_gettime(old, CLOCK_PROCESS_CPUTIME_ID, t) == -DENIED);
	EXPECT_TRUE(!getres || fast_getres(getres, CLOCK_THREAD_CPUTIME_ID, t) == -DENIED);
	EXPECT_UNTOUCHED(t, 0, sizeof(*t));
}
