// SPDX-License-Identifier: GPL-2.0-only
// x86_64 entry points of arch_generic.h's contract. C: rdi rsi rdx rcx r8 r9 [rsp+8]; kernel: rdi rsi rdx r10 r8 r9.

	.text

// raw_clone(flags, stack, fn, arg, ptid, tls, ctid): rdi rsi rdx rcx r8 r9 [rsp+8]
// clone(flags, stack, ptid, ctid, tls):              rdi rsi rdx r10 r8
	.globl raw_clone
	.type raw_clone, @function
raw_clone:
	mov	$56, %eax
	mov	%rdx, %r11
	mov	%r8, %rdx
	mov	8(%rsp), %r10
	mov	%r9, %r8
	mov	%r11, %r9
	and	$-16, %rsi
	sub	$16, %rsi
	mov	%rcx, (%rsi)
	syscall
	test	%eax, %eax
	jnz	1f
	xor	%ebp, %ebp
	pop	%rdi
	pop	%rax
	call	*%r9
	mov	%eax, %edi
	mov	$60, %eax
	syscall
	hlt
1:	ret
	.size raw_clone, .-raw_clone

// arch_restorer: the handler's return lands here, the frame at rsp. Unwinders know it by these very bytes.
	.globl arch_restorer
	.type arch_restorer, @function
arch_restorer:
	mov	$15, %rax
	syscall
	.size arch_restorer, .-arch_restorer

	.section .note.GNU-stack, "", @progbits
