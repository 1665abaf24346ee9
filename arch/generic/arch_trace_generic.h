// SPDX-License-Identifier: GPL-2.0-only
// The contract of arch/<abi>/arch_trace.h: registers of a traced task, for harness/liar. Only where a liar is built.
//
// One liar lies to every ABI its kernel runs: the 64-bit port's header serves the 32-bit tasks too. What the kernel
// tells alike on every architecture (PTRACE_GET_SYSCALL_INFO: number, arguments, result, pc, sp) is not asked here.
#ifndef ARCH_TRACE_GENERIC_H
#define ARCH_TRACE_GENERIC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct trace_abi {
	const char *name;	// the folder of arch/
	uint32_t audit;		// AUDIT_ARCH_*, which is libseccomp's SCMP_ARCH_* too
	unsigned int word;	// bytes of a long and of a pointer
};

// struct trace_regs: the general registers of a stopped task, as the port's ptrace request hands them over.
// static const struct trace_abi trace_abis[TRACE_ABIS]: the native one first.
// TRACE_REDZONE: bytes below sp that user code may be using.
//
//	int trace_load(pid_t tid, struct trace_regs *);			0 or -errno, as all that return int
//	int trace_store(pid_t tid, const struct trace_regs *);
//	int trace_abi_in_user_mode(const struct trace_regs *);		index in trace_abis of the code it runs
//	void trace_set_call(struct trace_regs *, const struct trace_abi *, long number, const int64_t args[6]);
//		at system call entry; number -1 skips the call, whose result is then what trace_set_result() says
//	void trace_set_result(struct trace_regs *, const struct trace_abi *, int64_t value_or_minus_errno);
//
// Registers by name, "sp" and "pc" among them; vector registers as 64-bit pieces. An index or -1; never loaded ones
// are read and written by tid, the general ones in *regs, which the caller stores.
//	int trace_reg_index(const char *name);
//	int trace_reg_get(pid_t tid, const struct trace_regs *, int index, int64_t *value);
//	int trace_reg_set(pid_t tid, struct trace_regs *, int index, int64_t value);
//
//	void trace_handler_frame(const struct trace_regs *, uint64_t *siginfo, uint64_t *ucontext);
//		at a handler's first instruction: the addresses that SA_SIGINFO hands over; 0 where there are none
//	size_t trace_context_pc(const struct trace_regs *);		where that ucontext has the interrupted pc
//
// Machine code that replaces a function: returns a constant, or makes a system call of the function's own first
// three arguments. Returns the length, at most TRACE_STUB.
//	size_t trace_stub_value(unsigned char *code, const struct trace_abi *, int32_t value);
//	size_t trace_stub_call(unsigned char *code, const struct trace_abi *, int32_t number);
#define TRACE_STUB 32

#endif
