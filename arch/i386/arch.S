// SPDX-License-Identifier: GPL-2.0-only
// i386 entry points of arch_generic.h's contract. C: arguments on the stack; kernel: ebx ecx edx esi edi ebp.

	.text

// raw_clone(flags, stack, fn, arg, ptid, tls, ctid): [esp+4...]; clone(flags, stack, ptid, tls, ctid): ebx ecx edx esi edi
	.globl raw_clone
	.type raw_clone, @function
raw_clone:
	push	%ebx
	push	%esi
	push	%edi
	push	%ebp
	mov	20(%esp), %ebx
	mov	24(%esp), %ecx
	mov	28(%esp), %ebp
	mov	32(%esp), %eax
	mov	36(%esp), %edx
	mov	40(%esp), %esi
	mov	44(%esp), %edi
	and	$-16, %ecx
	sub	$16, %ecx
	mov	%eax, (%ecx)
	mov	%ebp, 4(%ecx)
	mov	$120, %eax
	int	$0x80
	test	%eax, %eax
	jnz	1f
	xor	%ebp, %ebp
	call	*4(%esp)
	mov	%eax, %ebx
	mov	$1, %eax
	int	$0x80
	hlt
1:	pop	%ebp
	pop	%edi
	pop	%esi
	pop	%ebx
	ret
	.size raw_clone, .-raw_clone

// arch_restorer: the handler's return lands here, the frame at esp. Unwinders know it by these very bytes.
	.globl arch_restorer
	.type arch_restorer, @function
arch_restorer:
	mov	$173, %eax
	int	$0x80
	.size arch_restorer, .-arch_restorer

	.section .note.GNU-stack, "", @progbits
