// SPDX-License-Identifier: GPL-2.0-only
// System calls that are not there answer ENOSYS: what runtimes probe, they fall back from on that error alone.
#include "clause.h"
#include "guard.h"
#include "sys.h"
#include "uapi.h"

#include <fcntl.h>

#define USERS "go:futex glibc:clone3 musl:time64 rust:statx"

// A call that does nothing when it is there: it must then give this error, and ENOSYS when it is not. Anything else
// says that the number means something else here, or that a filter refuses it in a way no runtime expects.
struct probe {
	const char *name;
	long nr;
	long argument[6];
	int error;	// 0: success
};

static long make_call(const struct probe *p)
{
	return raw_syscall6(p->nr, p->argument[0], p->argument[1], p->argument[2], p->argument[3], p->argument[4], p->argument[5]);
}

#define BAD_FD (-1)
#define PROBE(call, error, ...) { #call, __NR_##call, { __VA_ARGS__ }, error }

static const struct probe probes[] = {
	PROBE(clone3,            EINVAL, 0, 0),
	PROBE(close_range,       EINVAL, 2, 1, 0),
	PROBE(copy_file_range,   EBADF,  BAD_FD, 0, BAD_FD, 0, 1, 0),
	PROBE(dup3,              EINVAL, 0, 0, 0),
	PROBE(epoll_create1,     EINVAL, ~0),
	PROBE(epoll_pwait,       EBADF,  BAD_FD, 0, 1, 0, 0, 0),
	PROBE(eventfd2,          EINVAL, 0, ~0),
	PROBE(execveat,          EBADF,  BAD_FD, (long)"", 0, 0, AT_EMPTY_PATH),
	PROBE(faccessat2,        EINVAL, BAD_FD, (long)"x", 0, ~0),
	PROBE(get_robust_list,   EFAULT, 0, 0, 0),
	PROBE(getrandom,         EINVAL, 0, 0, ~0),
	PROBE(membarrier,        EINVAL, ~0, 0, 0),
	PROBE(memfd_create,      EINVAL, (long)"x", ~0),
	PROBE(openat2,           EINVAL, BAD_FD, (long)"x", 0, 0),
	PROBE(pidfd_getfd,       EINVAL, BAD_FD, BAD_FD, ~0),
	PROBE(pidfd_open,        EINVAL, 0, 0),
	PROBE(pidfd_send_signal, EINVAL, BAD_FD, 0, 0, ~0),
	PROBE(pipe2,             EINVAL, 0, ~0),
	PROBE(preadv2,           EBADF,  BAD_FD, 0, 0, 0, 0, 0),
	PROBE(prlimit64,         EINVAL, 0, ~0, 0, 0),
	PROBE(process_madvise,   EINVAL, BAD_FD, 0, 0, 0, ~0),
	PROBE(renameat2,         EINVAL, BAD_FD, (long)"x", BAD_FD, (long)"y", ~0),
	PROBE(rseq,              EINVAL, 0, 0, ~0, 0),
	PROBE(sched_getattr,     EINVAL, 0, 0, 0, 0),
	PROBE(sched_setattr,     EINVAL, 0, 0, 0),
	PROBE(seccomp,           EINVAL, ~0, 0, 0),
	PROBE(set_robust_list,   EINVAL, 0, 0),
	PROBE(signalfd4,         EINVAL, BAD_FD, 0, 0, 0),
	PROBE(statx,             EINVAL, BAD_FD, (long)"x", 0, 1U << 31, 0),
	PROBE(tgkill,            EINVAL, BAD_FD, BAD_FD, 0),
	PROBE(timerfd_create,    EINVAL, ~0, 0),
	PROBE(waitid,            EINVAL, 99, 0, 0, 0, 0),
	{ "cachestat",          451, { BAD_FD, 0, 0, 0 },           EBADF },	// Linux 6.5
	{ "fchmodat2",          452, { BAD_FD, (long)"x", 0, ~0 },  EINVAL },	// Linux 6.6
	{ "futex_waitv",        449, { 0, 0, 0, 0, 0 },             EINVAL },	// Linux 5.16
	{ "futex_wake",         454, { 0, 0, 0, ~0 },               EINVAL },	// Linux 6.7
	{ "futex_wait",         455, { 0, 0, 0, ~0, 0, 0 },         EINVAL },	// Linux 6.7
	{ "futex_requeue",      456, { 0, ~0, 0, 0 },               EINVAL },	// Linux 6.7
	{ "mseal",              462, { 0, 0, ~0 },                  EINVAL },	// Linux 6.10
#ifdef __NR_futex_time64
	PROBE(clock_gettime64,         EINVAL, 63, 0),
	PROBE(clock_getres_time64,     EINVAL, 63, 0),
	PROBE(clock_nanosleep_time64,  EINVAL, 63, 0, 0, 0),
	PROBE(futex_time64,            ENOSYS, 0, 0x7f, 0, 0, 0, 0),
	PROBE(ppoll_time64,            EINVAL, 0, 0, 0, (long)"12345678", 1),
	PROBE(pselect6_time64,         EINVAL, ~0, 0, 0, 0, 0, 0),
	PROBE(recvmmsg_time64,         EBADF,  BAD_FD, 0, 0, 0, 0),
	PROBE(rt_sigtimedwait_time64,  EINVAL, 0, 0, 0, 1),
	PROBE(sched_rr_get_interval_time64, EINVAL, BAD_FD, 0),
	PROBE(semtimedop_time64,       EINVAL, BAD_FD, 0, 0, 0),
	PROBE(timer_gettime64,         EINVAL, ~0, 0),
	PROBE(timer_settime64,         EINVAL, ~0, 0, 0, 0),
	PROBE(timerfd_gettime64,       EBADF,  BAD_FD, 0),
	PROBE(timerfd_settime64,       EFAULT, BAD_FD, 0, 0, 0),
	PROBE(utimensat_time64,        EBADF,  BAD_FD, 0, 0, 0),
#endif
};

CLAUSE(what_runtimes_probe_is_there_or_is_enosys,
       "syscalls(2), errno(3) ENOSYS: a call that the kernel lacks fails with ENOSYS and with no other error, least of "
       "all EPERM, and "
       "one that it has refuses senseless arguments as documented [incident 40] [incident 43] [incident 44] [MUS-4]",
       .needed_by = USERS)
{
	char text[RESULT_TEXT];

	for (unsigned int i = 0; i < ARRAY_SIZE(probes); i++) {
		long result = make_call(&probes[i]);

		EXPECT_TRUE(result == -ENOSYS || result == -probes[i].error)
			TH_LOG("%s = %s, want -%s or -ENOSYS", probes[i].name, result_text(text, result),
			       strerrorname_np(probes[i].error));
	}
}

CLAUSE(no_probe_kills_the_process,
       "seccomp(2), syscalls(2): a probe of a call that may be missing ends in an error, not in SIGSYS [incident 45]"
       " [incident 48]",
       .needed_by = USERS)
{
	int status;
	pid_t child;

	for (unsigned int i = 0; i < ARRAY_SIZE(probes); i++) {
		child = fork();
		if (child == 0) {
			make_call(&probes[i]);
			_exit(0);
		}
		ASSERT_EQ(child, waitpid(child, &status, 0));
		EXPECT_EQ(0, status) TH_LOG("%s ended the process: status %#x", probes[i].name, status);
	}
}

CLAUSE(numbers_beyond_the_table_are_enosys,
       "errno(3) ENOSYS: function not implemented: so are all numbers that no system call has"
       " [incident 39]", .needed_by = USERS)
{
	static const unsigned int numbers[] = { 0xeffff, 0x3fffffff, 0x7fffffff, -2U, -1U };

	for (int beyond = 3000; beyond < 3100; beyond++)
		EXPECT_ERR(ENOSYS, raw_syscall(__NR_gettid + beyond));
	for (unsigned int i = 0; i < ARRAY_SIZE(numbers); i++) {
		if (numbers[i] >= ARCH_NR_OWN && ARCH_NR_OWN != -1U)
			continue;
		EXPECT_ERR(ENOSYS, raw_syscall((int)numbers[i])) TH_LOG("number %#x", numbers[i]);
	}
}

CLAUSE(a_number_with_a_bit_more_is_another_number,
       "errno(3) ENOSYS, syscalls(2): every bit of a number counts: with one more set it is no system call's, or "
       "that of another "
       "ABI that the kernel has; it does not make the call without the bit, which filters would then not see",
       .needed_by = USERS)
{
	for (int bit = 14; bit < 32; bit++) {
		unsigned int more = 1U << bit;

		if (more & ARCH_NR_IGNORED_BITS || more >= ARCH_NR_OWN || (more == ARCH_NR_OTHER_ABI && ARCH_NR_OTHER_ABI_IS_THERE()))
			continue;
		EXPECT_ERR(ENOSYS, raw_syscall(__NR_gettid | more)) TH_LOG("bit %d", bit);
		EXPECT_ERR(ENOSYS, raw_syscall(__NR_read | more, -1, 0, 0)) TH_LOG("bit %d", bit);
	}
}

CLAUSE(a_call_that_is_not_there_touches_nothing,
       "errno(3) ENOSYS: a call that is not implemented has no effect on the memory its arguments point at [incident "
       "41]",
       .needed_by = USERS)
{
	unsigned char *memory = guarded(4096);

	for (int beyond = 3000; beyond < 3100; beyond++)
		EXPECT_ERR(ENOSYS, raw_syscall(__NR_gettid + beyond, memory, 4096, memory, 4096, memory, 4096));
	EXPECT_UNTOUCHED(memory, 0, 4096);
	EXPECT_INTACT(memory);
}
