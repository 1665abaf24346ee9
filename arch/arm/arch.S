// SPDX-License-Identifier: GPL-2.0-only
// arm entry points of arch_generic.h's contract, in ARM code. C: r0 to r3 [sp...]; kernel: r0 to r5, number in r7.

#define CLONE_NR     120
#define CLONE3_NR    435
#define EXIT_NR      1
#define MUNMAP_NR    91
#define SIGRETURN_NR 173

// Offsets in struct arch_regs and in arch_vec.h's block.
#define R4_    16
#define SP_    52
#define LR_    56
#define CPSR_  60
#define FPSCR_ 8
#define D_     64

	.syntax	unified
	.arch	armv7-a
	.fpu	neon
	.arm

.macro function name
	.text
	.balign	4
	.globl \name
	.type \name, %function
\name:
.endm

// raw_clone(flags, stack, fn, arg, ptid, tls, ctid): r0 to r3 [sp] [sp+4] [sp+8]
// clone(flags, stack, ptid, tls, ctid):              r0 to r4; the child finds fn in r5, arg in r6
function raw_clone
	push	{r4-r7}
	mov	r5, r2
	mov	r6, r3
	ldr	r2, [sp, #16]
	ldr	r3, [sp, #20]
	ldr	r4, [sp, #24]
	mov	r7, #CLONE_NR
	svc	0
	cmp	r0, #0
	beq	run_and_exit
	pop	{r4-r7}
	bx	lr

// raw_clone3(args, size, fn, arg): r0 to r3
// clone3(args, size):              r0 r1; the child finds fn in r5, arg in r6
function raw_clone3
	push	{r4-r7}
	mov	r5, r2
	mov	r6, r3
	movw	r7, #CLONE3_NR
	svc	0
	cmp	r0, #0
	beq	run_and_exit
	pop	{r4-r7}
	bx	lr

run_and_exit:
	mov	r11, #0
	mov	lr, #0
	bic	sp, sp, #7
	mov	r0, r6
	blx	r5
	mov	r7, #EXIT_NR
	svc	0
	udf	#0

// raw_unmap_and_exit(stack, size, status): r0 r1 r2
// munmap(stack, size):                     r0 r1; exit(status): r0
function raw_unmap_and_exit
	mov	r7, #MUNMAP_NR
	svc	0
	mov	r0, r2
	mov	r7, #EXIT_NR
	svc	0
	udf	#0

// event(in, out, vec, fn): r0 to r3
// at the event: a fifth argument [sp], out [sp+4], vec [sp+8], fn [sp+12], scratch [sp+16], r4 to r11 and lr [sp+24...],
// d8 to d15 [sp+64...]
.macro event name:req instruction:vararg
function \name
	sub	sp, sp, #128
	str	r1, [sp, #4]
	str	r2, [sp, #8]
	str	r3, [sp, #12]
	add	ip, sp, #24
	stmia	ip, {r4-r11, lr}
	add	ip, sp, #64
	vstmia	ip, {d8-d15}
	mov	r4, r0
	movs	r0, r2
	blne	arch_vec_load
	str	sp, [r4, #SP_]
	ldr	r0, [r4, #R4_]
	str	r0, [sp]
	ldr	r0, [r4, #CPSR_]
	msr	cpsr_fs, r0
	mov	lr, r4
	ldmia	lr, {r0-r12}
	ldr	lr, [lr, #LR_]
	\instruction
	str	lr, [sp, #16]
	ldr	lr, [sp, #4]
	stmia	lr, {r0-r12}
	str	sp, [lr, #SP_]
	ldr	r0, [sp, #16]
	str	r0, [lr, #LR_]
	mrs	r0, cpsr
	str	r0, [lr, #CPSR_]
	ldr	r0, [sp, #8]
	cmp	r0, #0
	blne	arch_vec_store
	add	ip, sp, #24
	ldmia	ip, {r4-r11, lr}
	add	ip, sp, #64
	vldmia	ip, {d8-d15}
	add	sp, sp, #128
	bx	lr
.endm

	event	arch_syscall_regs svc 0
	event	arch_trap_regs .inst 0xe7f001f0
.macro call_it
	ldr	lr, [sp, #12]
	blx	lr
.endm
	event	arch_call_regs call_it

	.globl	arch_spin, arch_spin_end
.macro spin
arch_spin:
	b	arch_spin
arch_spin_end:
.endm
	event	arch_spin_regs spin

// arch_vec_load(block), arch_vec_store(block): r0; r1 and r2 are used
function arch_vec_load
	ldr	r1, [r0, #FPSCR_]
	vmsr	fpscr, r1
	ldr	r1, [r0]
	add	r2, r0, #D_
	vldmia	r2!, {d0-d15}
	cmp	r1, #0
	bxeq	lr
	vldmia	r2, {d16-d31}
	bx	lr

function arch_vec_store
	vmrs	r1, fpscr
	str	r1, [r0, #FPSCR_]
	ldr	r1, [r0]
	add	r2, r0, #D_
	vstmia	r2!, {d0-d15}
	cmp	r1, #0
	vstmiane r2, {d16-d31}
	mov	r1, #0
	vmsr	fpscr, r1
	bx	lr

// arch_vec_spin(block, stop, turns): r0 r1 r2
function arch_vec_spin
	push	{r4, r5, r6, lr}
	vpush	{d8-d15}
	mov	r4, r1
	mov	r5, r2
	bl	arch_vec_load
1:	ldr	r3, [r4]
	cmp	r3, #0
	bne	2f
	subs	r5, r5, #1
	bne	1b
2:	bl	arch_vec_store
	vpop	{d8-d15}
	pop	{r4, r5, r6, pc}

// arch_handler(sig, info, uc): r0 r1 r2
function arch_handler
	str	lr, [sp, #-8]!
	movw	lr, #:lower16:arch_handler_regs
	movt	lr, #:upper16:arch_handler_regs
	stmia	lr, {r0-r12}
	add	r3, sp, #8
	str	r3, [lr, #SP_]
	ldr	r3, [sp]
	str	r3, [lr, #LR_]
	mrs	r3, cpsr
	str	r3, [lr, #CPSR_]
	movw	r3, #:lower16:arch_handler_then
	movt	r3, #:upper16:arch_handler_then
	ldr	r3, [r3]
	blx	r3
	ldr	lr, [sp], #8
	movw	r0, #0x5c0f
	movt	r0, #0x5c0f
	.irp	i, 1,2,3,4,5,6,7,8,9,10,11,12
	mov	r\i, r0
	.endr
	cmn	r0, r0
	bx	lr

// arch_restorer: the handler's return lands here, the frame at sp.
function arch_restorer
	mov	r7, #SIGRETURN_NR
	svc	0

function arch_trap
	.inst	0xe7f001f0
	bx	lr

function arch_undefined
	udf	#0
	bx	lr

	.comm	arch_handler_regs, 64, 4
	.comm	arch_handler_then, 4, 4

	.section .note.GNU-stack, "", %progbits
