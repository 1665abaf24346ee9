// SPDX-License-Identifier: GPL-2.0-only
// What a system call takes, gives back and leaves alone, seen from every register.
#include "clause.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <linux/sched.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/uio.h>

#include "regs.h"
#include "sync.h"
#include "thread.h"

#define NO_SUCH_CALL 0x3fff
#define SEEDS        4
#define ANY          LONG_MIN

static unsigned int word;
static const struct __kernel_timespec microsecond = { .tv_nsec = 1000 };

// Calls that end in different ways: at once, in an error, not there, in a fault, after others ran, after a sleep.
static const struct call {
	const char *name;
	long nr, args[4], result;
} calls[] = {
	{ "gettid()", __NR_gettid, { 0 }, ANY },
	{ "close(-1)", __NR_close, { -1 }, -EBADF },
	{ "a call that is not there", NO_SUCH_CALL, { 0 }, -ENOSYS },
	{ "rt_sigprocmask(0, NULL, 1, 8)", __NR_rt_sigprocmask, { 0, 0, 1, ARCH_SIGSET_BYTES }, -EFAULT },
	{ "sched_yield()", __NR_sched_yield, { 0 }, 0 },
	{ "futex(&0, WAIT, 0, 1 us)", NR_FUTEX, { (long)&word, FUTEX_WAIT_PRIVATE, 0, (long)&microsecond }, -ETIMEDOUT },
};

// One system call with every register known; *is is a copy of *was, both NULL where there are no vector registers.
struct shot {
	struct arch_regs in, out;
	void *was, *is;
};

static void load(struct shot *s, unsigned int seed)
{
	regs_fill(&s->in, seed);
	s->was = vec_block(seed);
	s->is = vec_copy(s->was);
}

static void unload(struct shot *s)
{
	free(s->was);
	free(s->is);
}

static struct arch_regs child_out;
static void *child_vec;
static int child_is_done;

static void end_of_child(void)
{
	__atomic_store_n(&child_is_done, 1, __ATOMIC_RELEASE);
	raw_syscall(__NR_exit, 0);
}

CLAUSE(six_arguments_arrive_in_order,
       "syscall(2) Architecture calling conventions: a system call takes six arguments, each from its register",
       .config = "CROSS_MEMORY_ATTACH")
{
	char from[8] = "abcdefg", to[8] = "";
	struct iovec there[] = { { from, 3 }, { from + 4, 3 } }, here[] = { { to, 2 }, { to + 2, 4 } };

	EXPECT_RET(6, raw_syscall(__NR_process_vm_readv, getpid(), here, 2, there, 2, 0));
	EXPECT_STREQ("abcefg", to);
	EXPECT_ERR(EINVAL, raw_syscall(__NR_process_vm_readv, getpid(), here, 2, there, 2, 1));
	EXPECT_RET(3, raw_syscall(__NR_process_vm_readv, getpid(), here, 2, there, 1, 0));
	EXPECT_ERR(EFAULT, raw_syscall(__NR_process_vm_readv, getpid(), here, 2, 1, 2, 0));
	EXPECT_RET(2, raw_syscall(__NR_process_vm_readv, getpid(), here, 1, there, 2, 0));
	EXPECT_ERR(EFAULT, raw_syscall(__NR_process_vm_readv, getpid(), 1, 2, there, 2, 0));
	EXPECT_ERR(ESRCH, raw_syscall(__NR_process_vm_readv, 0x7fffffff, here, 2, there, 2, 0));
}

CLAUSE(an_error_comes_back_as_its_negative_number,
       "intro(2) RETURN VALUE: a failed system call returns the negated value of an errno constant [ABI-6]"
       " [incident 59]",
       .needed_by = "go:futex go:gettid musl:__syscall_ret glibc:INTERNAL_SYSCALL")
{
	EXPECT_ERR(EBADF, raw_syscall(__NR_close, -1));
	EXPECT_ERR(ENOSYS, raw_syscall(NO_SUCH_CALL));
	EXPECT_RET(getpid(), raw_syscall(__NR_getpid));
}

CLAUSE(a_value_just_below_the_error_range_is_a_value,
       "include/linux/err.h MAX_ERRNO: only -4095 to -1 mean an error; -4096 is a result like any other, here a"
       " position in /proc/self/mem (fs/proc/base.c mem_lseek) [ABI-6]",
       .needed_by = "go:futex go:gettid musl:__syscall_ret glibc:INTERNAL_SYSCALL")
{
	int fd = open("/proc/self/mem", O_RDONLY);

	ASSERT_LE(0, fd);
	EXPECT_RET(-4096, raw_syscall(__NR_lseek, fd, -4096L, SEEK_SET));
	EXPECT_OK(raw_syscall(__NR_lseek, fd, -4096L, SEEK_SET));
	EXPECT_RET(-8192, raw_syscall(__NR_lseek, fd, -4096L, SEEK_CUR));
	close(fd);
}

CLAUSE(a_call_changes_no_register_but_those_the_abi_names,
       "syscall(2) Architecture calling conventions, and the ABI supplements (x86-64: A.2.1 \"the kernel destroys"
       " registers %rcx and %r11\"): a system call changes its result register, those that the ABI gives up, and"
       " neither others nor flags [ABI-1] [ABI-2]",
       .needed_by = "go:futex go:gettid glibc:INTERNAL_SYSCALL musl:__syscall")
{
	for (const struct call *c = calls; c < calls + ARRAY_SIZE(calls); c++) {
		for (unsigned int seed = 0; seed < SEEDS; seed++) {
			struct shot s;

			load(&s, seed);
			regs_set_syscall(&s.in, c->nr, c->args[0], c->args[1], c->args[2], c->args[3]);
			arch_syscall_regs(&s.in, &s.out, s.is);
			EXPECT_RET(c->result == ANY ? arch_regs_result(&s.out) : c->result, arch_regs_result(&s.out));
			EXPECT_REGS(&s.in, &s.out, ARCH_SYSCALL_CLOBBERS);
			EXPECT_VEC_AFTER_SYSCALL(s.was, s.is);
			unload(&s);
			if (_metadata->exit_code) {
				TH_LOG("after %s", c->name);
				return;
			}
		}
	}
}

CLAUSE(a_call_through_at_sysinfo_changes_no_register_but_the_result,
       "arch/x86/entry/vdso/vdso32/system_call.S __kernel_vsyscall: the entry that AT_SYSINFO names takes number and"
       " arguments in the registers of a system call and keeps the same ones",
       .needed_by = "glibc:INTERNAL_SYSCALL musl:__vsyscall")
{
	unsigned long entry = getauxval(AT_SYSINFO);

	if (!ARCH_HAS_AT_SYSINFO)
		SKIP(return, "the ABI has no AT_SYSINFO");
	if (!entry)
		ABSENT("no AT_SYSINFO");
	for (const struct call *c = calls; c < calls + ARRAY_SIZE(calls); c++) {
		struct shot s;

		load(&s, c - calls);
		regs_set_syscall(&s.in, c->nr, c->args[0], c->args[1], c->args[2], c->args[3]);
		s.in.r[ARCH_REG_FLAGS] &= ~ARCH_FLAGS_ENTRY_CLEAR;
		arch_call_regs(&s.in, &s.out, s.is, (void *)entry);
		EXPECT_RET(c->result == ANY ? arch_regs_result(&s.out) : c->result, arch_regs_result(&s.out));
		EXPECT_REGS(&s.in, &s.out, ARCH_SYSCALL_CLOBBERS | 1UL << ARCH_REG_FLAGS);
		EXPECT_VEC_AFTER_SYSCALL(s.was, s.is);
		unload(&s);
	}
}

CLAUSE(a_forked_child_has_every_register_of_its_parent,
       "fork(2): the child is a duplicate of the caller; but for the result no register that a system call keeps"
       " differs, floating point and vectors included [ABI-1] [CLN-0]", .needed_by = "go:clone glibc:_Fork")
{
	struct shot *s = mmap(NULL, 2 * sizeof(*s), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	size_t size = (arch_vec_size() + ARCH_VEC_ALIGN - 1) & -ARCH_VEC_ALIGN;
	void *vec = mmap(NULL, 1 + size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	ASSERT_NE(MAP_FAILED, s);
	ASSERT_NE(MAP_FAILED, vec);
	for (unsigned int seed = 0; seed < SEEDS; seed++) {
		struct arch_regs out;

		load(s, seed);
		regs_set_syscall(&s->in, __NR_clone, ARCH_CLONE_ARGS(SIGCHLD, NULL));
		arch_syscall_regs(&s->in, &out, s->is);
		if (arch_regs_result(&out) == 0) {
			s->out = out;
			if (s->is)
				memcpy(vec, s->is, arch_vec_size());
			_exit(0);
		}
		ASSERT_OK(arch_regs_result(&out));
		EXPECT_EQ(arch_regs_result(&out), waitpid(arch_regs_result(&out), NULL, 0));
		EXPECT_REGS(&s->in, &out, ARCH_SYSCALL_CLOBBERS);
		EXPECT_VEC_AFTER_SYSCALL(s->was, s->is);
		EXPECT_EQ(0, arch_regs_result(&s->out));
		EXPECT_REGS(&s->in, &s->out, ARCH_SYSCALL_CLOBBERS);
		EXPECT_VEC_AFTER_SYSCALL(s->was, s->was ? vec : NULL);
		unload(s);
	}
}

CLAUSE(a_thread_has_every_register_of_its_parent_and_the_given_stack_pointer,
       "clone(2) stack, arch/*/kernel/process.c copy_thread: a new thread starts with the registers of the caller, but"
       " for the result and sp, which is the stack argument to the byte [ABI-1] [CLN-0] [CLN-2] [CLN-9]",
       .needed_by = "go:clone glibc:__clone_internal")
{
	for (unsigned int seed = 0; seed < SEEDS; seed++) {
		char *memory = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		void *stack;
		struct shot s;

		ASSERT_NE(MAP_FAILED, memory);
		load(&s, seed);
		child_vec = vec_copy(s.was);
		child_is_done = 0;
		stack = arch_regs_stack(memory + 65536, &child_out, child_vec, end_of_child);
		regs_set_syscall(&s.in, __NR_clone, ARCH_CLONE_ARGS(THREAD_FLAGS, stack));
		arch_syscall_regs(&s.in, &s.out, s.is);
		ASSERT_OK(arch_regs_result(&s.out));
		EXPECT_REGS(&s.in, &s.out, ARCH_SYSCALL_CLOBBERS);
		EXPECT_VEC_AFTER_SYSCALL(s.was, s.is);

		ASSERT_TRUE(wait_until(__atomic_load_n(&child_is_done, __ATOMIC_ACQUIRE)));
		EXPECT_EQ(0, arch_regs_result(&child_out));
		s.in.r[ARCH_REG_SP] = (unsigned long)stack;
		EXPECT_REGS(&s.in, &child_out, ARCH_SYSCALL_CLOBBERS);
		EXPECT_VEC_AFTER_SYSCALL(s.was, child_vec);
		unload(&s);
	}
}
