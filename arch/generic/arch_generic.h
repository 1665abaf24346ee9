// SPDX-License-Identifier: GPL-2.0-only
// The contract of a port, and the defaults for what most ports share; each arch/<abi>/arch.h ends by including this.
//
// A port is a folder of three files: arch.h and arch.S here, target.toml for the driver. Adding an architecture adds
// the folder and touches nothing else. suites/arch checks on the machine itself that a port keeps this contract.
#ifndef ARCH_GENERIC_H
#define ARCH_GENERIC_H

#include <stdbool.h>
#include <stddef.h>
#include <signal.h>

// System calls: six arguments in, the value or -errno out. Defined inline by each port.
//	static inline long raw_syscall6(long nr, long a, long b, long c, long d, long e, long f);

// Creates a task that runs fn(arg) on the given stack (its highest address) and ends with exit(2) of fn's result,
// never returning into the caller's frames. parent_tid, tls and child_tid are passed as they are, whatever flags say.
// tls is what the ABI's CLONE_SETTLS takes; arch_tls_arg() makes one. Returns the tid or -errno.
long raw_clone(unsigned long flags, void *stack, int (*fn)(void *), void *arg,
	       int *parent_tid, void *tls, int *child_tid);

// As raw_clone, by clone3(2); the stack is in args. With no stack given the child runs on a copy of the caller's
// (without CLONE_VM) like fork.
struct clone_args;
long raw_clone3(struct clone_args *args, size_t size, int (*fn)(void *), void *arg);

// clone(CLONE_VM | CLONE_VFORK | flags | SIGCHLD) without a stack of its own: fn(arg) runs on the parent's stack below
// the caller's frame and ends with exit(2); the return address is not kept where the child could overwrite it.
long raw_vfork(unsigned long flags, int (*fn)(void *), void *arg);

// Ends the calling thread with exit(2) after unmapping [stack, stack + size), which may be the one it runs on.
void raw_unmap_and_exit(void *stack, size_t size, int status) __attribute__((noreturn));

// A system call with every general register set from *in and stored to *out afterwards: which ones the ABI lets it
// change is ARCH_SYSCALL_CLOBBERS, a bit per index; arch_reg_name[] names them, ARCH_REGS counts them.
//	struct arch_regs { unsigned long r[ARCH_REGS]; };
//	ARCH_REG_NR, ARCH_REG_ARG(i), ARCH_REG_RET: indices; ARCH_REG_SP is never loaded.
struct arch_regs;
void arch_syscall_regs(const struct arch_regs *in, struct arch_regs *out);

// Vector and floating-point state the CPU has and the kernel has enabled, as one flat block chosen at run time.
// arch_vec_name() names the widest set in use ("avx512"), arch_vec_part(offset) the register that holds a byte of it.
size_t arch_vec_size(void);
void arch_vec_load(const void *block);
void arch_vec_store(void *block);
const char *arch_vec_name(void);
const char *arch_vec_part(size_t offset, char text[32]);

// The same round trip in one breath, with no compiled code between: loads *block, spins until *stop is not zero
// or turns have passed, stores to *block. For signals and context switches that come meanwhile.
void arch_vec_spin(void *block, volatile int *stop, unsigned long turns);

// Register files and instruction sets by name, for .needs = "cpu=...".
//	static inline bool arch_has_cpu_feature(const char *name);

// rt_sigaction(2)'s structures, as the kernel of this ABI has them; a set has signal n in bit (n - 1) of its words.
#ifndef ARCH_SIGSET_BYTES
#define ARCH_SIGSET_BYTES 8
#endif
struct kernel_sigset {
	unsigned long word[ARCH_SIGSET_BYTES / sizeof(unsigned long)];
};
#ifndef ARCH_KERNEL_SIGACTION
struct kernel_sigaction {
	void (*handler)(int, siginfo_t *, void *);
	unsigned long flags;
#ifdef ARCH_SA_RESTORER
	void (*restorer)(void);
#endif
	struct kernel_sigset mask;
};
#endif

// ARCH_SA_RESTORER: SA_RESTORER where a handler of SA_SIGINFO returns through arch_restorer, a bare rt_sigreturn stub;
// 0 where the structure has the field and the kernel its own trampoline; not defined where there is no such field.
#ifdef ARCH_SA_RESTORER
void arch_restorer(void);
#endif

// What a handler may read and edit in its ucontext: lvalues.
//	UC_PC(uc) UC_SP(uc) UC_RET(uc) (result of an interrupted system call), UC_ARG0(uc)

// Thread pointer of the calling thread; the tls argument that makes raw_clone give a thread that pointer.
//	static inline unsigned long arch_tp(void);
//	static inline void *arch_tls_arg(struct arch_tls *storage, void *tp);

// vDSO: VDSO_VERSION "LINUX_2.6", VDSO_CLOCK_GETTIME "__vdso_clock_gettime", VDSO_GETTIMEOFDAY, VDSO_TIME, VDSO_GETCPU,
// VDSO_GETRANDOM: NULL where the ABI has none. VDSO_HASH_GNU, VDSO_HASH_SYSV: which tables it must have.
// arch_vdso_call2() etc. call a function of the vDSO and return -errno as a system call would.

// Traps: arch_trap() raises SIGTRAP, arch_undefined() SIGILL; ARCH_TRAP_LENGTH and ARCH_UNDEFINED_LENGTH are their sizes,
// ARCH_TRAP_PC_AFTER tells whether the reported pc is behind the instruction. arch_pause() is a spin hint.

// Facts: ARCH_STACK_ALIGN, ARCH_REDZONE (bytes below sp that a signal must spare), ARCH_MINSIGSTKSZ (the uapi constant),
// ARCH_AUDIT (AUDIT_ARCH_*), ARCH_NAME (the folder), ARCH_RSEQ_SIG, ARCH_ELF_CLASS, ARCH_ELF_MACHINE,
// ARCH_PLATFORM (what AT_PLATFORM must say, or NULL).

#endif
