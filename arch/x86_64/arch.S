// SPDX-License-Identifier: GPL-2.0-only
// x86_64 entry points of arch_generic.h's contract. C: rdi rsi rdx rcx r8 r9 [rsp+8]; kernel: rdi rsi rdx r10 r8 r9.

#define CLONE_NR   56
#define CLONE3_NR  435
#define EXIT_NR    60
#define MUNMAP_NR  11

// Offsets in struct arch_regs, and in the FXSAVE image where arch_vec.h keeps the mask of what it holds.
#define RDI    64
#define RSP    120
#define FLAGS  128
#define MASK   464

.macro function name
	.text
	.globl \name
	.type \name, @function
\name:
.endm

// raw_clone(flags, stack, fn, arg, ptid, tls, ctid): rdi rsi rdx rcx r8 r9 [rsp+8]
// clone(flags, stack, ptid, ctid, tls):              rdi rsi rdx r10 r8; the child finds fn in r9, arg in r12
function raw_clone
	push	%r12
	mov	%rcx, %r12
	mov	%rdx, %rax
	mov	%r8, %rdx
	mov	16(%rsp), %r10
	mov	%r9, %r8
	mov	%rax, %r9
	mov	$CLONE_NR, %eax
	syscall
	test	%rax, %rax
	jz	run_and_exit
	pop	%r12
	ret

// raw_clone3(args, size, fn, arg): rdi rsi rdx rcx
// clone3(args, size):              rdi rsi; the child finds fn in r9, arg in r12
function raw_clone3
	push	%r12
	mov	%rcx, %r12
	mov	%rdx, %r9
	mov	$CLONE3_NR, %eax
	syscall
	test	%rax, %rax
	jz	run_and_exit
	pop	%r12
	ret

run_and_exit:
	xor	%ebp, %ebp
	and	$-16, %rsp
	mov	%r12, %rdi
	call	*%r9
	mov	%eax, %edi
	mov	$EXIT_NR, %eax
	syscall
	hlt

// raw_unmap_and_exit(stack, size, status): rdi rsi rdx
// munmap(stack, size):                     rdi rsi; exit(status): rdi
function raw_unmap_and_exit
	mov	$MUNMAP_NR, %eax
	syscall
	mov	%edx, %edi
	mov	$EXIT_NR, %eax
	syscall
	hlt

// event(in, out, vec, fn): rdi rsi rdx rcx
// at the event: out [rsp], vec [rsp+8], fn [rsp+16], r15 r14 r13 r12 rbp rbx [rsp+24...], return address [rsp+72]
.macro event name:req instruction:vararg
function \name
	push	%rbx
	push	%rbp
	push	%r12
	push	%r13
	push	%r14
	push	%r15
	push	%rcx
	push	%rdx
	test	%rdx, %rdx
	jz	1f
	mov	%rdi, %rbx
	mov	%rdx, %rdi
	call	arch_vec_load
	mov	%rbx, %rdi
1:	pushq	FLAGS(%rdi)
	popfq
	push	%rsi
	mov	%rsp, RSP(%rdi)
	mov	(%rdi), %r8
	mov	8(%rdi), %r9
	mov	16(%rdi), %r10
	mov	24(%rdi), %r11
	mov	32(%rdi), %r12
	mov	40(%rdi), %r13
	mov	48(%rdi), %r14
	mov	56(%rdi), %r15
	mov	72(%rdi), %rsi
	mov	80(%rdi), %rbp
	mov	88(%rdi), %rbx
	mov	96(%rdi), %rdx
	mov	104(%rdi), %rax
	mov	112(%rdi), %rcx
	mov	RDI(%rdi), %rdi
	\instruction
	push	%rdi
	mov	8(%rsp), %rdi
	mov	%r8, (%rdi)
	mov	%r9, 8(%rdi)
	mov	%r10, 16(%rdi)
	mov	%r11, 24(%rdi)
	mov	%r12, 32(%rdi)
	mov	%r13, 40(%rdi)
	mov	%r14, 48(%rdi)
	mov	%r15, 56(%rdi)
	mov	%rsi, 72(%rdi)
	mov	%rbp, 80(%rdi)
	mov	%rbx, 88(%rdi)
	mov	%rdx, 96(%rdi)
	mov	%rax, 104(%rdi)
	mov	%rcx, 112(%rdi)
	popq	RDI(%rdi)
	mov	%rsp, RSP(%rdi)
	pushfq
	popq	FLAGS(%rdi)
	cld
	mov	8(%rsp), %rdi
	test	%rdi, %rdi
	jz	1f
	call	arch_vec_store
1:	add	$24, %rsp
	pop	%r15
	pop	%r14
	pop	%r13
	pop	%r12
	pop	%rbp
	pop	%rbx
	ret
.endm

	event	arch_syscall_regs syscall
	event	arch_trap_regs int3
	event	arch_call_regs call *16(%rsp)

	.globl	arch_spin, arch_spin_end
.macro spin
arch_spin:
	jmp	arch_spin
arch_spin_end:
.endm
	event	arch_spin_regs spin

// arch_vec_load(block), arch_vec_store(block): rdi; edx:eax is the mask of XRSTOR and XSAVE, 0 with FXSR alone
function arch_vec_load
	mov	MASK(%rdi), %eax
	mov	MASK+4(%rdi), %edx
	test	%eax, %eax
	jz	1f
	xrstor64 (%rdi)
	ret
1:	fxrstor64 (%rdi)
	ret

function arch_vec_store
	mov	MASK(%rdi), %eax
	mov	MASK+4(%rdi), %edx
	test	%eax, %eax
	jz	1f
	xsave64	(%rdi)
	jmp	2f
1:	fxsave64 (%rdi)
2:	fninit
	ldmxcsr	mxcsr_default(%rip)
	ret

// arch_vec_spin(block, stop, turns): rdi rsi rdx
function arch_vec_spin
	mov	%rdx, %r8
	call	arch_vec_load
1:	cmpl	$0, (%rsi)
	jne	arch_vec_store
	dec	%r8
	jnz	1b
	jmp	arch_vec_store

// arch_handler(sig, info, uc): rdi rsi rdx
function arch_handler
	mov	%r8, arch_handler_regs(%rip)
	mov	%r9, arch_handler_regs+8(%rip)
	mov	%r10, arch_handler_regs+16(%rip)
	mov	%r11, arch_handler_regs+24(%rip)
	mov	%r12, arch_handler_regs+32(%rip)
	mov	%r13, arch_handler_regs+40(%rip)
	mov	%r14, arch_handler_regs+48(%rip)
	mov	%r15, arch_handler_regs+56(%rip)
	mov	%rdi, arch_handler_regs+RDI(%rip)
	mov	%rsi, arch_handler_regs+72(%rip)
	mov	%rbp, arch_handler_regs+80(%rip)
	mov	%rbx, arch_handler_regs+88(%rip)
	mov	%rdx, arch_handler_regs+96(%rip)
	mov	%rax, arch_handler_regs+104(%rip)
	mov	%rcx, arch_handler_regs+112(%rip)
	mov	%rsp, arch_handler_regs+RSP(%rip)
	mov	%rsp, %rbx
	pushfq
	popq	arch_handler_regs+FLAGS(%rip)
	cld
	and	$-16, %rsp
	call	*arch_handler_then(%rip)
	mov	%rbx, %rsp
	std
	.irp	r, rax, rbx, rcx, rdx, rsi, rdi, rbp, r8, r9, r10, r11, r12, r13, r14, r15
	mov	$0x5c0f5c0f, %\r
	.endr
	ret

// arch_restorer: the handler's return lands here, the frame at rsp. Unwinders know it by these very bytes.
function arch_restorer
	mov	$15, %rax
	syscall

function arch_trap
	int3
	ret

function arch_undefined
	ud2
	ret

// arch_rseq_spin(area, cs, entered, word): rdi rsi rdx rcx; the signature in front of the abort is an operand of ud1
function arch_rseq_spin
	mov	%rsi, 8(%rdi)
	.globl	arch_rseq_start, arch_rseq_end, arch_rseq_abort
arch_rseq_start:
	mov	(%rcx), %eax
	incl	(%rdx)
1:	cmp	%eax, (%rcx)
	je	1b
arch_rseq_end:
	xor	%eax, %eax
	ret
	.byte	0x0f, 0xb9, 0x3d
	.long	0x53053053
arch_rseq_abort:
	mov	$1, %eax
	ret

	.section .rodata
	.balign	4
mxcsr_default:
	.long	0x1f80

	.comm	arch_handler_regs, 136, 8
	.comm	arch_handler_then, 8, 8

	.section .note.GNU-stack, "", @progbits
