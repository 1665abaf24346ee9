// SPDX-License-Identifier: GPL-2.0-only
// arm64 entry points of arch_generic.h's contract. C: x0 to x7; kernel: x0 to x5, number in x8.

#define CLONE_NR   220
#define CLONE3_NR  435
#define EXIT_NR    93
#define MUNMAP_NR  215
#define SIGRETURN_NR 139

// Offsets in struct arch_regs and in arch_vec.h's block.
#define X30    240
#define SP_    248
#define FLAGS  256
#define FPSR   8
#define FPCR   12
#define Z      64

.macro function name
	.text
	.balign	4
	.globl \name
	.type \name, @function
\name:
.endm

// raw_clone(flags, stack, fn, arg, ptid, tls, ctid): x0 to x6
// clone(flags, stack, ptid, tls, ctid):              x0 to x4; the child finds fn in x9, arg in x10
function raw_clone
	mov	x9, x2
	mov	x10, x3
	mov	x2, x4
	mov	x3, x5
	mov	x4, x6
	mov	x8, #CLONE_NR
	svc	#0
	cbz	x0, run_and_exit
	ret

// raw_clone3(args, size, fn, arg): x0 to x3
// clone3(args, size):              x0 x1; the child finds fn in x9, arg in x10
function raw_clone3
	mov	x9, x2
	mov	x10, x3
	mov	x8, #CLONE3_NR
	svc	#0
	cbz	x0, run_and_exit
	ret

run_and_exit:
	mov	x29, #0
	mov	x30, #0
	mov	x11, sp
	and	sp, x11, #-16
	mov	x0, x10
	blr	x9
	mov	x8, #EXIT_NR
	svc	#0
	brk	#1

// raw_unmap_and_exit(stack, size, status): x0 x1 x2
// munmap(stack, size):                     x0 x1; exit(status): x0
function raw_unmap_and_exit
	mov	x8, #MUNMAP_NR
	svc	#0
	mov	x0, x2
	mov	x8, #EXIT_NR
	svc	#0
	brk	#1

// event(in, out, vec, fn): x0 to x3
// at the event: out [sp], vec [sp+8], fn [sp+16], scratch [sp+24], x19 to x30 [sp+32...], d8 to d15 [sp+128...]
.macro event name:req instruction:vararg
function \name
	sub	sp, sp, #192
	stp	x1, x2, [sp]
	str	x3, [sp, #16]
	stp	x19, x20, [sp, #32]
	stp	x21, x22, [sp, #48]
	stp	x23, x24, [sp, #64]
	stp	x25, x26, [sp, #80]
	stp	x27, x28, [sp, #96]
	stp	x29, x30, [sp, #112]
	stp	d8, d9, [sp, #128]
	stp	d10, d11, [sp, #144]
	stp	d12, d13, [sp, #160]
	stp	d14, d15, [sp, #176]
	mov	x19, x0
	cbz	x2, 1f
	mov	x0, x2
	bl	arch_vec_load
1:	mov	x0, sp
	str	x0, [x19, #SP_]
	ldr	x0, [x19, #FLAGS]
	msr	nzcv, x0
	mov	x30, x19
	ldp	x0, x1, [x30]
	ldp	x2, x3, [x30, #16]
	ldp	x4, x5, [x30, #32]
	ldp	x6, x7, [x30, #48]
	ldp	x8, x9, [x30, #64]
	ldp	x10, x11, [x30, #80]
	ldp	x12, x13, [x30, #96]
	ldp	x14, x15, [x30, #112]
	ldp	x16, x17, [x30, #128]
	ldp	x18, x19, [x30, #144]
	ldp	x20, x21, [x30, #160]
	ldp	x22, x23, [x30, #176]
	ldp	x24, x25, [x30, #192]
	ldp	x26, x27, [x30, #208]
	ldp	x28, x29, [x30, #224]
	ldr	x30, [x30, #X30]
	\instruction
	str	x30, [sp, #24]
	ldr	x30, [sp]
	stp	x0, x1, [x30]
	stp	x2, x3, [x30, #16]
	stp	x4, x5, [x30, #32]
	stp	x6, x7, [x30, #48]
	stp	x8, x9, [x30, #64]
	stp	x10, x11, [x30, #80]
	stp	x12, x13, [x30, #96]
	stp	x14, x15, [x30, #112]
	stp	x16, x17, [x30, #128]
	stp	x18, x19, [x30, #144]
	stp	x20, x21, [x30, #160]
	stp	x22, x23, [x30, #176]
	stp	x24, x25, [x30, #192]
	stp	x26, x27, [x30, #208]
	stp	x28, x29, [x30, #224]
	ldr	x0, [sp, #24]
	str	x0, [x30, #X30]
	mov	x0, sp
	str	x0, [x30, #SP_]
	mrs	x0, nzcv
	str	x0, [x30, #FLAGS]
	ldr	x0, [sp, #8]
	cbz	x0, 1f
	bl	arch_vec_store
1:	ldp	x19, x20, [sp, #32]
	ldp	x21, x22, [sp, #48]
	ldp	x23, x24, [sp, #64]
	ldp	x25, x26, [sp, #80]
	ldp	x27, x28, [sp, #96]
	ldp	x29, x30, [sp, #112]
	ldp	d8, d9, [sp, #128]
	ldp	d10, d11, [sp, #144]
	ldp	d12, d13, [sp, #160]
	ldp	d14, d15, [sp, #176]
	add	sp, sp, #192
	ret
.endm

	event	arch_syscall_regs svc #0
	event	arch_trap_regs brk #0

.macro call
	ldr	x30, [sp, #16]
	blr	x30
.endm
	event	arch_call_regs call

	.globl	arch_spin, arch_spin_end
.macro spin
arch_spin:
	b	arch_spin
arch_spin_end:
.endm
	event	arch_spin_regs spin

	.arch_extension sve
function arm64_vector_length
	rdvl	x0, #1
	ret

// v0 to v31, or z0 to z31, at [x2]
.macro each_vector instruction name
	.irp	i, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
	.ifc	\name, z
	\instruction z\i, [x2, #\i, mul vl]
	.else
	\instruction q\i, [x2, #16*\i]
	.endif
	.endr
.endm
.macro each_predicate instruction
	.irp	i, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15
	\instruction p\i, [x2, #\i, mul vl]
	.endr
.endm

// arch_vec_load(block), arch_vec_store(block): x0; x1 and x2 are used
function arch_vec_load
	ldr	w1, [x0, #FPSR]
	msr	fpsr, x1
	ldr	w1, [x0, #FPCR]
	msr	fpcr, x1
	ldr	x1, [x0]
	add	x2, x0, #Z
	cbnz	x1, 1f
	each_vector ldr, v
	ret
1:	each_vector ldr, z
	addvl	x2, x2, #16
	addvl	x2, x2, #16
	ldr	p0, [x2, #16, mul vl]
	wrffr	p0.b
	each_predicate ldr
	ret

function arch_vec_store
	mrs	x1, fpsr
	str	w1, [x0, #FPSR]
	mrs	x1, fpcr
	str	w1, [x0, #FPCR]
	msr	fpcr, xzr
	msr	fpsr, xzr
	ldr	x1, [x0]
	add	x2, x0, #Z
	cbnz	x1, 1f
	each_vector str, v
	ret
1:	each_vector str, z
	addvl	x2, x2, #16
	addvl	x2, x2, #16
	each_predicate str
	rdffr	p0.b
	str	p0, [x2, #16, mul vl]
	ret

// arch_vec_spin(block, stop, turns): x0 x1 x2
function arch_vec_spin
	sub	sp, sp, #80
	str	x30, [sp]
	stp	d8, d9, [sp, #16]
	stp	d10, d11, [sp, #32]
	stp	d12, d13, [sp, #48]
	stp	d14, d15, [sp, #64]
	mov	x3, x1
	mov	x4, x2
	bl	arch_vec_load
1:	ldr	w5, [x3]
	cbnz	w5, 2f
	subs	x4, x4, #1
	b.ne	1b
2:	bl	arch_vec_store
	ldr	x30, [sp]
	ldp	d8, d9, [sp, #16]
	ldp	d10, d11, [sp, #32]
	ldp	d12, d13, [sp, #48]
	ldp	d14, d15, [sp, #64]
	add	sp, sp, #80
	ret

// arch_handler(sig, info, uc): x0 x1 x2; only a ret may lead to the vDSO's trampoline, which has no BTI
function arch_handler
	stp	x29, x30, [sp, #-16]!
	adrp	x30, arch_handler_regs
	add	x30, x30, :lo12:arch_handler_regs
	stp	x0, x1, [x30]
	stp	x2, x3, [x30, #16]
	stp	x4, x5, [x30, #32]
	stp	x6, x7, [x30, #48]
	stp	x8, x9, [x30, #64]
	stp	x10, x11, [x30, #80]
	stp	x12, x13, [x30, #96]
	stp	x14, x15, [x30, #112]
	stp	x16, x17, [x30, #128]
	stp	x18, x19, [x30, #144]
	stp	x20, x21, [x30, #160]
	stp	x22, x23, [x30, #176]
	stp	x24, x25, [x30, #192]
	stp	x26, x27, [x30, #208]
	stp	x28, x29, [x30, #224]
	ldr	x9, [sp, #8]
	str	x9, [x30, #X30]
	add	x9, sp, #16
	str	x9, [x30, #SP_]
	mrs	x9, nzcv
	str	x9, [x30, #FLAGS]
	adrp	x9, arch_handler_then
	ldr	x9, [x9, :lo12:arch_handler_then]
	blr	x9
	ldr	x0, [sp, #8]
	add	sp, sp, #16
	movz	x1, #0x5c0f, lsl #16
	movk	x1, #0x5c0f
	.irp	i, 2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30
	mov	x\i, x1
	.endr
	cmn	x1, x1
	ret	x0

// arch_restorer: the handler's return lands here, the frame at sp.
function arch_restorer
	mov	x8, #SIGRETURN_NR
	svc	#0

function arch_trap
	brk	#0
	ret

function arch_undefined
	udf	#0
	ret

	.comm	arch_handler_regs, 264, 8
	.comm	arch_handler_then, 8, 8

	.section .note.GNU-stack, "", @progbits
