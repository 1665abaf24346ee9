// SPDX-License-Identifier: GPL-2.0-only
// Registers of a traced x86_64 or i386 task, from a 64-bit tracer: PTRACE_GETREGS hands both over in one layout.
#ifndef ARCH_TRACE_H
#define ARCH_TRACE_H

#include <cpuid.h>
#include <elf.h>
#include <errno.h>
#include <linux/audit.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>

#include "arch_trace_generic.h"

#define TRACE_REDZONE 128
#define TRACE_ABIS 2
#define TRACE_CS_32 0x23

static const struct trace_abi trace_abis[TRACE_ABIS] = {
	{ "x86_64", AUDIT_ARCH_X86_64, 8 },
	{ "i386", AUDIT_ARCH_I386, 4 },
};

struct trace_regs {
	struct user_regs_struct user;
};

static inline int trace_load(pid_t tid, struct trace_regs *regs)
{
	return ptrace(PTRACE_GETREGS, tid, 0, &regs->user) ? -errno : 0;
}

static inline int trace_store(pid_t tid, const struct trace_regs *regs)
{
	return ptrace(PTRACE_SETREGS, tid, 0, &regs->user) ? -errno : 0;
}

static inline int trace_abi_in_user_mode(const struct trace_regs *regs)
{
	return regs->user.cs == TRACE_CS_32;
}

// x86_64: rdi rsi rdx r10 r8 r9; i386: ebx ecx edx esi edi ebp.
static inline void trace_set_call(struct trace_regs *regs, const struct trace_abi *abi, long number,
				  const int64_t args[6])
{
	struct user_regs_struct *u = &regs->user;
	unsigned long long int *native[6] = { &u->rdi, &u->rsi, &u->rdx, &u->r10, &u->r8, &u->r9 };
	unsigned long long int *compat[6] = { &u->rbx, &u->rcx, &u->rdx, &u->rsi, &u->rdi, &u->rbp };

	u->orig_rax = number;
	for (int i = 0; i < 6; i++) {
		if (abi->word == 8)
			*native[i] = args[i];
		else
			*compat[i] = (uint32_t)args[i];
	}
}

static inline void trace_set_result(struct trace_regs *regs, const struct trace_abi *abi, int64_t result)
{
	regs->user.rax = abi->word == 8 ? result : (int32_t)result;
}

#define TRACE_REG(name, field) { name, offsetof(struct user_regs_struct, field) }
static const struct { const char *name; size_t offset; } trace_regs_by_name[] = {
	TRACE_REG("sp", rsp), TRACE_REG("pc", rip),
	TRACE_REG("rax", rax), TRACE_REG("rbx", rbx), TRACE_REG("rcx", rcx), TRACE_REG("rdx", rdx),
	TRACE_REG("rsi", rsi), TRACE_REG("rdi", rdi), TRACE_REG("rbp", rbp), TRACE_REG("rsp", rsp),
	TRACE_REG("r8", r8), TRACE_REG("r9", r9), TRACE_REG("r10", r10), TRACE_REG("r11", r11),
	TRACE_REG("r12", r12), TRACE_REG("r13", r13), TRACE_REG("r14", r14), TRACE_REG("r15", r15),
	TRACE_REG("rip", rip), TRACE_REG("rflags", eflags), TRACE_REG("orig_rax", orig_rax),
	TRACE_REG("eax", rax), TRACE_REG("ebx", rbx), TRACE_REG("ecx", rcx), TRACE_REG("edx", rdx),
	TRACE_REG("esi", rsi), TRACE_REG("edi", rdi), TRACE_REG("ebp", rbp), TRACE_REG("esp", rsp),
	TRACE_REG("eip", rip), TRACE_REG("eflags", eflags), TRACE_REG("orig_eax", orig_rax),
	TRACE_REG("fs_base", fs_base), TRACE_REG("gs_base", gs_base),
	TRACE_REG("cs", cs), TRACE_REG("ss", ss), TRACE_REG("ds", ds), TRACE_REG("es", es),
	TRACE_REG("fs", fs), TRACE_REG("gs", gs),
};
#define TRACE_GENERAL ((int)(sizeof(trace_regs_by_name) / sizeof(trace_regs_by_name[0])))

// Pieces of the XSAVE image in its standard form: component, where in it register 0 is, bytes between registers.
// "xmm3" is the low 64 bits, "xmm3h" the high ones; "ymm3", "zmm3" begin where the narrower one ends; "himm3" is zmm19.
static const struct { const char *name; int component, offset, stride, count, size; } trace_vectors[] = {
	{ "fcw", 0, 0, 0, 0, 2 }, { "mxcsr", 1, 24, 0, 0, 4 }, { "pkru", 9, 0, 0, 0, 4 },
	{ "st%d%n", 0, 32, 16, 8, 8 }, { "xmm%d%n", 1, 160, 16, 16, 8 }, { "xmm%dh%n", 1, 168, 16, 16, 8 },
	{ "ymm%d%n", 2, 0, 16, 16, 8 }, { "ymm%dh%n", 2, 8, 16, 16, 8 },
	{ "k%d%n", 5, 0, 8, 8, 8 }, { "zmm%d%n", 6, 0, 32, 16, 8 }, { "himm%d%n", 7, 0, 64, 16, 8 },
};
#define TRACE_VECTOR_STEP 64
#define TRACE_XSTATE_MAX 16384
#define TRACE_XSTATE_BV 512

static inline int trace_reg_index(const char *name)
{
	for (int i = 0; i < TRACE_GENERAL; i++)
		if (!strcmp(name, trace_regs_by_name[i].name))
			return i;
	for (unsigned int i = 0; i < sizeof(trace_vectors) / sizeof(trace_vectors[0]); i++) {
		int which = 0, length = 0;

		if (!trace_vectors[i].count && strcmp(name, trace_vectors[i].name))
			continue;
		if (trace_vectors[i].count && (sscanf(name, trace_vectors[i].name, &which, &length) != 1 ||
					       !length || name[length] || which >= trace_vectors[i].count))
			continue;
		return TRACE_GENERAL + i * TRACE_VECTOR_STEP + which;
	}
	return -1;
}

// Reads the image and finds the piece; the offset of a component beyond the legacy area is the CPU's to say.
static inline int trace_xstate(pid_t tid, int index, char image[TRACE_XSTATE_MAX], struct iovec *iov,
			       size_t *offset, int *size)
{
	int vector = (index - TRACE_GENERAL) / TRACE_VECTOR_STEP, which = (index - TRACE_GENERAL) % TRACE_VECTOR_STEP;
	unsigned int a, b = 0, c, d;

	*iov = (struct iovec){ image, TRACE_XSTATE_MAX };
	if (ptrace(PTRACE_GETREGSET, tid, NT_X86_XSTATE, iov))
		return -errno;
	if (trace_vectors[vector].component > 1)
		__cpuid_count(0xd, trace_vectors[vector].component, a, b, c, d);
	*offset = b + trace_vectors[vector].offset + which * trace_vectors[vector].stride;
	*size = trace_vectors[vector].size;
	if ((trace_vectors[vector].component > 1 && !b) || *offset + *size > iov->iov_len)
		return -ENODEV;
	return trace_vectors[vector].component;
}

static inline int trace_reg_get(pid_t tid, const struct trace_regs *regs, int index, int64_t *value)
{
	char image[TRACE_XSTATE_MAX];
	struct iovec iov;
	size_t offset = 0;
	int size = 0, component;

	*value = 0;
	if (index < TRACE_GENERAL) {
		memcpy(value, (const char *)&regs->user + trace_regs_by_name[index].offset, 8);
		return 0;
	}
	component = trace_xstate(tid, index, image, &iov, &offset, &size);
	if (component < 0)
		return component;
	memcpy(value, image + offset, size);
	return 0;
}

static inline int trace_reg_set(pid_t tid, struct trace_regs *regs, int index, int64_t value)
{
	char image[TRACE_XSTATE_MAX];
	struct iovec iov;
	uint64_t in_use;
	size_t offset = 0;
	int size = 0, component;

	if (index < TRACE_GENERAL) {
		memcpy((char *)&regs->user + trace_regs_by_name[index].offset, &value, 8);
		return 0;
	}
	component = trace_xstate(tid, index, image, &iov, &offset, &size);
	if (component < 0)
		return component;
	memcpy(image + offset, &value, size);
	// A component in its initial state is not loaded from the image unless its bit says so.
	memcpy(&in_use, image + TRACE_XSTATE_BV, sizeof(in_use));
	in_use |= 1ULL << component;
	memcpy(image + TRACE_XSTATE_BV, &in_use, sizeof(in_use));
	return ptrace(PTRACE_SETREGSET, tid, NT_X86_XSTATE, &iov) ? -errno : 0;
}

// i386 gets them on the stack and, for regparm handlers, in edx and ecx.
static inline void trace_handler_frame(const struct trace_regs *regs, uint64_t *siginfo, uint64_t *ucontext)
{
	bool compat = trace_abi_in_user_mode(regs);

	*siginfo = compat ? regs->user.rdx : regs->user.rsi;
	*ucontext = compat ? regs->user.rcx : regs->user.rdx;
}

// rip in ucontext_t of x86_64: behind flags, link, stack (40) and sixteen registers; eip in that of i386: behind flags,
// link, stack (20), segments (16), eight registers (32), trap and error.
static inline size_t trace_context_pc(const struct trace_regs *regs)
{
	return trace_abi_in_user_mode(regs) ? 20 + 16 + 32 + 8 : 40 + 16 * 8;
}

static inline size_t trace_stub(unsigned char *code, const unsigned char *bytes, size_t length, size_t at,
				int32_t value)
{
	memcpy(code, bytes, length);
	memcpy(code + at, &value, sizeof(value));
	return length;
}

static inline size_t trace_stub_value(unsigned char *code, const struct trace_abi *abi, int32_t value)
{
	static const unsigned char native[] = {
		0x48, 0xc7, 0xc0, 0, 0, 0, 0,	// mov $value, %rax
		0xc3,				// ret
	};
	static const unsigned char compat[] = {
		0xb8, 0, 0, 0, 0,		// mov $value, %eax
		0xc3,				// ret
	};

	return abi->word == 8 ? trace_stub(code, native, sizeof(native), 3, value)
			      : trace_stub(code, compat, sizeof(compat), 1, value);
}

static inline size_t trace_stub_call(unsigned char *code, const struct trace_abi *abi, int32_t number)
{
	static const unsigned char native[] = {
		0xb8, 0, 0, 0, 0,		// mov $number, %eax
		0x0f, 0x05,			// syscall
		0xc3,				// ret
	};
	static const unsigned char compat[] = {
		0x53,				// push %ebx
		0x8b, 0x5c, 0x24, 0x08,		// mov 8(%esp), %ebx
		0x8b, 0x4c, 0x24, 0x0c,		// mov 12(%esp), %ecx
		0x8b, 0x54, 0x24, 0x10,		// mov 16(%esp), %edx
		0xb8, 0, 0, 0, 0,		// mov $number, %eax
		0xcd, 0x80,			// int $0x80
		0x5b,				// pop %ebx
		0xc3,				// ret
	};

	return abi->word == 8 ? trace_stub(code, native, sizeof(native), 1, number)
			      : trace_stub(code, compat, sizeof(compat), 14, number);
}

#endif
