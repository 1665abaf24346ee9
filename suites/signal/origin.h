// SPDX-License-Identifier: GPL-2.0-only
// What a signal says of its origin: all bytes that are handed out, by each of the three ways of taking a signal.
#ifndef ORIGIN_H
#define ORIGIN_H

#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/wait.h>

#include "guard.h"
#include "sigaction.h"
#include "sync.h"

#define FOR_EACH(i, array) for (unsigned int i = 0; i < sizeof(array) / sizeof(*(array)); i++)

#define INFO_BYTES 128
_Static_assert(sizeof(siginfo_t) == INFO_BYTES, "siginfo_t");
_Static_assert(sizeof(struct signalfd_siginfo) == INFO_BYTES, "struct signalfd_siginfo");

enum way { BY_HANDLER, BY_SIGTIMEDWAIT, BY_SIGNALFD, WAYS };

static const char *const way_names[] = { "the handler", "sigtimedwait", "the signalfd" };

// Which fields are defined: siginfo_layout() of kernel/signal.c.
enum layout { OF_KILL, OF_QUEUE, OF_TIMER, OF_POLL, OF_CHILD };

static siginfo_t kept;
static volatile int times_kept;

static inline void keep_info(int sig, siginfo_t *info, void *ucontext)
{
	memcpy(&kept, info, INFO_BYTES);
	times_kept++;
}

// Memory of this process and of those it forks.
static inline void *common_memory(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

static inline bool is_pending(int sig)
{
	struct kernel_sigset set = SIGSET_EMPTY;

	raw_syscall(__NR_rt_sigpending, &set, ARCH_SIGSET_BYTES);
	return sigset_has(set, sig);
}

// Has the signal wait, with a handler, until it is taken.
static inline long hold_back(int sig)
{
	long result = raw_sigprocmask(SIG_BLOCK, SIGSET(sig));

	return result ? result : raw_sigaction(sig, keep_info, 0);
}

// Leaves no zeros where the next signal frame will be.
static __attribute__((noinline, unused)) void soil_the_stack(void)
{
	volatile char soil[24 * 1024];

	for (size_t i = 0; i < sizeof(soil); i++)
		soil[i] = (char)GUARD_BYTE;
}

#define sigtimedwait_raw(set, info, timeout) raw_syscall(NR_RT_SIGTIMEDWAIT, set, info, timeout, ARCH_SIGSET_BYTES)
#define signalfd_raw(fd, set, flags)         raw_syscall(__NR_signalfd4, fd, set, ARCH_SIGSET_BYTES, flags)

// Takes a held back signal that is pending; what is handed out goes to into[INFO_BYTES]. Returns its number or -errno.
static inline long take(int sig, enum way way, void *into)
{
	struct kernel_sigset set = SIGSET(sig);
	struct __kernel_timespec now = { 0 };
	long fd, n;

	if (way == BY_SIGTIMEDWAIT)
		return sigtimedwait_raw(&set, into, &now);
	if (way == BY_SIGNALFD) {
		fd = signalfd_raw(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
		n = raw_syscall(__NR_read, fd, into, INFO_BYTES);
		raw_syscall(__NR_close, fd);
		return n == INFO_BYTES ? (int)((struct signalfd_siginfo *)into)->ssi_signo : n;
	}
	times_kept = 0;
	soil_the_stack();
	raw_sigprocmask(SIG_UNBLOCK, set);
	raw_sigprocmask(SIG_BLOCK, set);
	memcpy(into, &kept, INFO_BYTES);
	return times_kept == 1 ? kept.si_signo : -ENODATA;
}

static inline siginfo_t info_of(int sig, int code)
{
	siginfo_t info;

	memset(&info, 0, sizeof(info));
	info.si_signo = sig;
	info.si_code = code;
	return info;
}

static inline siginfo_t info_from(int sig, int code, pid_t pid, uid_t uid)
{
	siginfo_t info = info_of(sig, code);

	info.si_pid = pid;
	info.si_uid = uid;
	return info;
}

// The same as signalfd(2) tells it.
static inline struct signalfd_siginfo as_read(const siginfo_t *info, enum layout layout)
{
	struct signalfd_siginfo read;

	memset(&read, 0, sizeof(read));
	read.ssi_signo = info->si_signo;
	read.ssi_errno = info->si_errno;
	read.ssi_code = info->si_code;
	if (layout == OF_KILL || layout == OF_QUEUE || layout == OF_CHILD) {
		read.ssi_pid = info->si_pid;
		read.ssi_uid = info->si_uid;
	}
	if (layout == OF_QUEUE || layout == OF_TIMER) {
		read.ssi_ptr = (long)info->si_ptr;
		read.ssi_int = info->si_int;
	}
	if (layout == OF_TIMER) {
		read.ssi_tid = info->si_timerid;
		read.ssi_overrun = info->si_overrun;
	}
	if (layout == OF_POLL) {
		read.ssi_band = info->si_band;
		read.ssi_fd = info->si_fd;
	}
	if (layout == OF_CHILD) {
		read.ssi_status = info->si_status;
		read.ssi_utime = info->si_utime;
		read.ssi_stime = info->si_stime;
	}
	return read;
}

static inline int first_difference(const void *want, const void *got)
{
	for (int i = 0; i < INFO_BYTES; i++)
		if (((const unsigned char *)want)[i] != ((const unsigned char *)got)[i])
			return i;
	return -1;
}

#define EXPECT_INFO_BYTES(want, got, how) do {						\
	const unsigned char *want_ = (const void *)(want), *got_ = (const void *)(got);	\
	int at_ = first_difference(want_, got_);					\
											\
	EXPECT_EQ(-1, at_) {								\
		TH_LOG("byte %d of what %s gives is 0x%02x, want 0x%02x", at_, how,	\
		       got_[at_], want_[at_]);						\
	}										\
} while (0)

// Sends by `send`, which returns an error or not, and takes, by each way: every byte must be as in siginfo_t want.
#define EXPECT_ORIGIN(want, layout, send) do {						\
	siginfo_t wanted_;								\
	struct signalfd_siginfo read_;							\
	void *taken_ = guarded(INFO_BYTES);						\
											\
	for (enum way way_ = 0; way_ < WAYS; way_++) {					\
		int sig_;								\
		memset(taken_, GUARD_BYTE, INFO_BYTES);					\
		wanted_ = (want);							\
		sig_ = wanted_.si_signo;						\
		ASSERT_OK(hold_back(sig_));						\
		ASSERT_OK(send);							\
		wanted_ = (want);							\
		ASSERT_TRUE(wait_until(is_pending(sig_)));				\
		ASSERT_RET(sig_, take(sig_, way_, taken_));				\
		read_ = as_read(&wanted_, layout);					\
		EXPECT_INFO_BYTES(way_ == BY_SIGNALFD ? (void *)&read_ : &wanted_,	\
				  taken_, way_names[way_]);				\
		EXPECT_INTACT(taken_);							\
	}										\
	guard_free(taken_);								\
} while (0)

// A real user id that is not 0, so that it can be told from nothing; returns it.
static inline uid_t become_somebody(void)
{
	if (getuid() == 0 && setresuid(1001, -1, -1))
		return getuid();
	return getuid();
}

#endif
