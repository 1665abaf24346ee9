// SPDX-License-Identifier: GPL-2.0-only
// i386 entry points of arch_generic.h's contract. C: arguments on the stack; kernel: ebx ecx edx esi edi ebp.

#define CLONE_NR   120
#define CLONE3_NR  435
#define EXIT_NR    1
#define MUNMAP_NR  91
#define AT_SYSINFO 32

// Offsets in struct arch_regs, and in the FXSAVE image where arch_vec.h keeps the mask of what it holds.
#define EDI    0
#define ESP    12
#define FLAGS  32
#define MASK   464

.macro function name
	.text
	.globl \name
	.type \name, @function
\name:
.endm

	.data
	.balign	4
	.globl	arch_entry
arch_entry:
	.long	arch_interrupt_entry

function arch_interrupt_entry
	int	$0x80
	ret

// Before main and before any thread.
function find_entry
	sub	$8, %esp
	push	$AT_SYSINFO
	call	getauxval
	add	$12, %esp
	test	%eax, %eax
	jz	1f
	mov	%eax, arch_entry
1:	ret

	.section .init_array, "aw"
	.balign	4
	.long	find_entry

// raw_clone(flags, stack, fn, arg, ptid, tls, ctid): [esp+4...]
// clone(flags, stack, ptid, tls, ctid):              ebx ecx edx esi edi; the child finds fn [esp], arg [esp+4]
function raw_clone
	push	%ebx
	push	%esi
	push	%edi
	mov	16(%esp), %ebx
	mov	20(%esp), %ecx
	mov	32(%esp), %edx
	mov	36(%esp), %esi
	mov	40(%esp), %edi
	pushl	28(%esp)
	pushl	28(%esp)
	test	%ecx, %ecx
	jz	1f
	and	$-16, %ecx
	sub	$8, %ecx
	mov	(%esp), %eax
	mov	%eax, (%ecx)
	mov	4(%esp), %eax
	mov	%eax, 4(%ecx)
1:	mov	$CLONE_NR, %eax
	int	$0x80
	test	%eax, %eax
	jz	1f
	add	$8, %esp
	pop	%edi
	pop	%esi
	pop	%ebx
	ret
1:	pop	%esi
	pop	%edi
	jmp	run_and_exit

// raw_clone3(args, size, fn, arg): [esp+4...]
// clone3(args, size):              ebx ecx; the child finds fn in esi, arg in edi
function raw_clone3
	push	%ebx
	push	%esi
	push	%edi
	mov	16(%esp), %ebx
	mov	20(%esp), %ecx
	mov	24(%esp), %esi
	mov	28(%esp), %edi
	mov	$CLONE3_NR, %eax
	int	$0x80
	test	%eax, %eax
	jz	run_and_exit
	pop	%edi
	pop	%esi
	pop	%ebx
	ret

run_and_exit:
	xor	%ebp, %ebp
	and	$-16, %esp
	sub	$12, %esp
	push	%edi
	call	*%esi
	mov	%eax, %ebx
	mov	$EXIT_NR, %eax
	int	$0x80
	hlt

// raw_unmap_and_exit(stack, size, status): [esp+4...]
// munmap(stack, size):                     ebx ecx; exit(status): ebx
function raw_unmap_and_exit
	mov	4(%esp), %ebx
	mov	8(%esp), %ecx
	mov	12(%esp), %edx
	mov	$MUNMAP_NR, %eax
	int	$0x80
	mov	%edx, %ebx
	mov	$EXIT_NR, %eax
	int	$0x80
	hlt

// event(in, out, vec, fn): [esp+4...]
// at the event: room for arguments, out [esp+room], vec, fn, ebp edi esi ebx, return address
.macro event name:req room:req instruction:vararg
function \name
	push	%ebx
	push	%esi
	push	%edi
	push	%ebp
	mov	20(%esp), %edi
	mov	24(%esp), %esi
	pushl	32(%esp)
	pushl	32(%esp)
	cmpl	$0, (%esp)
	jz	1f
	pushl	(%esp)
	call	arch_vec_load
	pop	%eax
1:	pushl	FLAGS(%edi)
	popf
	push	%esi
	.if	\room
	lea	-12(%esp), %esp
	pushl	(%edi)
	pushl	4(%edi)
	pushl	20(%edi)
	pushl	24(%edi)
	pushl	16(%edi)
	.endif
	mov	%esp, ESP(%edi)
	mov	4(%edi), %esi
	mov	8(%edi), %ebp
	mov	16(%edi), %ebx
	mov	20(%edi), %edx
	mov	24(%edi), %ecx
	mov	28(%edi), %eax
	mov	EDI(%edi), %edi
	\instruction
	push	%edi
	mov	4+\room(%esp), %edi
	mov	%esi, 4(%edi)
	mov	%ebp, 8(%edi)
	mov	%ebx, 16(%edi)
	mov	%edx, 20(%edi)
	mov	%ecx, 24(%edi)
	mov	%eax, 28(%edi)
	popl	EDI(%edi)
	mov	%esp, ESP(%edi)
	pushf
	popl	FLAGS(%edi)
	cld
	add	$\room+4, %esp
	cmpl	$0, (%esp)
	jz	1f
	pushl	(%esp)
	call	arch_vec_store
	pop	%eax
1:	add	$8, %esp
	pop	%ebp
	pop	%edi
	pop	%esi
	pop	%ebx
	ret
.endm

	event	arch_syscall_regs 0 int $0x80
	event	arch_trap_regs 0 int3
	event	arch_call_regs 32 call *40(%esp)

	.globl	arch_spin, arch_spin_end
.macro spin
arch_spin:
	jmp	arch_spin
arch_spin_end:
.endm
	event	arch_spin_regs 0 spin

// arch_vec_load(block), arch_vec_store(block): [esp+4]; edx:eax is the mask of XRSTOR and XSAVE, 0 with FXSR alone
function arch_vec_load
	mov	4(%esp), %ecx
	mov	MASK(%ecx), %eax
	mov	MASK+4(%ecx), %edx
	test	%eax, %eax
	jz	1f
	xrstor	(%ecx)
	ret
1:	fxrstor	(%ecx)
	ret

function arch_vec_store
	mov	4(%esp), %ecx
	mov	MASK(%ecx), %eax
	mov	MASK+4(%ecx), %edx
	test	%eax, %eax
	jz	1f
	xsave	(%ecx)
	jmp	2f
1:	fxsave	(%ecx)
2:	fninit
	ldmxcsr	mxcsr_default
	ret

// arch_vec_spin(block, stop, turns): [esp+4...]
function arch_vec_spin
	pushl	4(%esp)
	call	arch_vec_load
	pop	%eax
	mov	8(%esp), %eax
	mov	12(%esp), %edx
1:	cmpl	$0, (%eax)
	jne	arch_vec_store
	dec	%edx
	jnz	1b
	jmp	arch_vec_store

// arch_handler(sig, info, uc): [esp+4...]
function arch_handler
	mov	%edi, arch_handler_regs+EDI
	mov	%esi, arch_handler_regs+4
	mov	%ebp, arch_handler_regs+8
	mov	%esp, arch_handler_regs+ESP
	mov	%ebx, arch_handler_regs+16
	mov	%edx, arch_handler_regs+20
	mov	%ecx, arch_handler_regs+24
	mov	%eax, arch_handler_regs+28
	mov	%esp, %ebx
	pushf
	popl	arch_handler_regs+FLAGS
	cld
	and	$-16, %esp
	sub	$4, %esp
	pushl	12(%ebx)
	pushl	8(%ebx)
	pushl	4(%ebx)
	call	*arch_handler_then
	mov	%ebx, %esp
	std
	.irp	r, eax, ebx, ecx, edx, esi, edi, ebp
	mov	$0x5c0f5c0f, %\r
	.endr
	ret

// arch_restorer: the handler's return lands here, the frame at esp. Unwinders know it by these very bytes.
function arch_restorer
	mov	$173, %eax
	int	$0x80

function arch_trap
	int3
	ret

function arch_undefined
	ud2
	ret

// arch_rseq_spin(area, cs, entered, word): [esp+4...]
function arch_rseq_spin
	push	%ebx
	mov	8(%esp), %edx
	mov	12(%esp), %eax
	mov	16(%esp), %ecx
	mov	20(%esp), %ebx
	movl	$0, 12(%edx)
	mov	%eax, 8(%edx)
	.globl	arch_rseq_start, arch_rseq_end, arch_rseq_abort
arch_rseq_start:
	mov	(%ebx), %eax
	incl	(%ecx)
1:	cmp	%eax, (%ebx)
	je	1b
arch_rseq_end:
	xor	%eax, %eax
	pop	%ebx
	ret
	.byte	0x0f, 0xb9, 0x3d
	.long	0x53053053
arch_rseq_abort:
	mov	$1, %eax
	pop	%ebx
	ret

	.section .rodata
	.balign	4
mxcsr_default:
	.long	0x1f80

	.comm	arch_handler_regs, 36, 4
	.comm	arch_handler_then, 4, 4

	.section .note.GNU-stack, "", @progbits
