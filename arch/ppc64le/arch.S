// SPDX-License-Identifier: GPL-2.0-only
// ppc64le entry points of arch_generic.h's contract. C: r3 to r10; kernel: r3 to r8, number in r0, error in cr0.SO.

#define CLONE_NR     120
#define CLONE3_NR    435
#define EXIT_NR      1
#define MUNMAP_NR    91
#define SIGRETURN_NR 172

// Offsets in struct arch_regs and in arch_vec.h's block.
#define R1_    8
#define LR_    256
#define CTR_   264
#define CR_    272
#define FPSCR  8
#define VSCR   16
#define XER_   32
#define REGS   64

	.abiversion 2

// ELFv2: the global entry is where r12 points; none of these needs a TOC.
.macro function name
	.text
	.balign	16
	.globl \name
	.type \name, @function
\name:
.endm

// raw_clone(flags, stack, fn, arg, ptid, tls, ctid): r3 to r9
// clone(flags, stack, ptid, tls, ctid):              r3 to r7; the child finds fn in r30, arg in r31
function raw_clone
	stdu	%r1, -64(%r1)
	std	%r30, 32(%r1)
	std	%r31, 40(%r1)
	mr	%r30, %r5
	mr	%r31, %r6
	mr	%r5, %r7
	mr	%r6, %r8
	mr	%r7, %r9
	li	%r0, CLONE_NR
	sc
	bso	1f
	cmpdi	%r3, 0
	beq	run_and_exit
2:	ld	%r30, 32(%r1)
	ld	%r31, 40(%r1)
	addi	%r1, %r1, 64
	blr
1:	neg	%r3, %r3
	b	2b

// raw_clone3(args, size, fn, arg): r3 to r6
// clone3(args, size):              r3 r4; the child finds fn in r30, arg in r31
function raw_clone3
	stdu	%r1, -64(%r1)
	std	%r30, 32(%r1)
	std	%r31, 40(%r1)
	mr	%r30, %r5
	mr	%r31, %r6
	li	%r0, CLONE3_NR
	sc
	bso	1f
	cmpdi	%r3, 0
	beq	run_and_exit
2:	ld	%r30, 32(%r1)
	ld	%r31, 40(%r1)
	addi	%r1, %r1, 64
	blr
1:	neg	%r3, %r3
	b	2b

run_and_exit:
	clrrdi	%r1, %r1, 4
	li	%r0, 0
	stdu	%r0, -128(%r1)
	mr	%r3, %r31
	mr	%r12, %r30
	mtctr	%r12
	bctrl
	li	%r0, EXIT_NR
	sc
	trap

// raw_unmap_and_exit(stack, size, status): r3 r4 r5
// munmap(stack, size):                     r3 r4; exit(status): r3
function raw_unmap_and_exit
	mr	%r31, %r5
	li	%r0, MUNMAP_NR
	sc
	mr	%r3, %r31
	li	%r0, EXIT_NR
	sc
	trap

// r13 to r31 at [r1+128...], f14 to f31 at [r1+304...], v20 to v31 at [r1+448...]
.macro each_kept instruction
	.irp	i, 13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
	\instruction %r\i, 128+8*(\i-13)(%r1)
	.endr
.endm
.macro each_kept_float instruction
	.irp	i, 14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
	\instruction %f\i, 304+8*(\i-14)(%r1)
	.endr
.endm
.macro each_kept_vector instruction
	.irp	i, 20,21,22,23,24,25,26,27,28,29,30,31
	li	%r0, 448+16*(\i-20)
	\instruction %v\i, %r1, %r0
	.endr
.endm

// every general register but r1 and r31
.macro each instruction base
	.irp	i, 0,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30
	\instruction %r\i, 8*\i(\base)
	.endr
.endm

// event(in, out, vec, fn): r3 to r6
// at the event: a callee's frame head [r1], out [r1+96], vec [r1+104], fn [r1+112], scratch [r1+120], kept registers
// [r1+128...], r2 [r1+280], lr [r1+288], cr [r1+296]
.macro event name:req instruction:vararg
function \name
	mflr	%r0
	stdu	%r1, -640(%r1)
	std	%r0, 288(%r1)
	mfcr	%r0
	std	%r0, 296(%r1)
	std	%r2, 280(%r1)
	std	%r4, 96(%r1)
	std	%r5, 104(%r1)
	std	%r6, 112(%r1)
	each_kept std
	each_kept_float stfd
	each_kept_vector stvx
	mr	%r31, %r3
	cmpdi	%r5, 0
	beq	1f
	mr	%r3, %r5
	bl	arch_vec_load
1:	std	%r1, R1_(%r31)
	ld	%r0, LR_(%r31)
	mtlr	%r0
	ld	%r0, CTR_(%r31)
	mtctr	%r0
	ld	%r0, CR_(%r31)
	mtcr	%r0
	each ld, %r31
	ld	%r31, 8*31(%r31)
	\instruction
	std	%r31, 120(%r1)
	ld	%r31, 96(%r1)
	each std, %r31
	ld	%r0, 120(%r1)
	std	%r0, 8*31(%r31)
	std	%r1, R1_(%r31)
	mflr	%r0
	std	%r0, LR_(%r31)
	mfctr	%r0
	std	%r0, CTR_(%r31)
	mfcr	%r0
	std	%r0, CR_(%r31)
	ld	%r3, 104(%r1)
	cmpdi	%r3, 0
	beq	1f
	bl	arch_vec_store
1:	each_kept ld
	each_kept_float lfd
	each_kept_vector lvx
	ld	%r2, 280(%r1)
	ld	%r12, 288(%r1)
	mtlr	%r12
	ld	%r0, 296(%r1)
	mtcr	%r0
	addi	%r1, %r1, 640
	blr
.endm

	event	arch_syscall_regs sc
	event	arch_trap_regs trap
.macro call_it
	ld	%r12, 112(%r1)
	mtctr	%r12
	bctrl
.endm
	event	arch_call_regs call_it

	.globl	arch_spin, arch_spin_end
.macro spin
arch_spin:
	b	arch_spin
arch_spin_end:
.endm
	event	arch_spin_regs spin

	.machine push
	.machine power8
.macro each_vsx instruction
	.irp	i, 1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31,32,33,34,35,36,37,38,39,40,41,42,43,44,45,46,47,48,49,50,51,52,53,54,55,56,57,58,59,60,61,62,63
	li	%r4, REGS+16*\i
	\instruction \i, %r3, %r4
	.endr
.endm

// arch_vec_load(block), arch_vec_store(block): r3; r4 is used
function arch_vec_load
	lfd	%f0, FPSCR(%r3)
	mtfsf	255, %f0
	li	%r4, VSCR
	lvx	%v0, %r3, %r4
	mtvscr	%v0
	each_vsx lxvd2x
	li	%r4, REGS
	lxvd2x	0, %r3, %r4
	ld	%r4, XER_(%r3)
	mtxer	%r4
	blr

function arch_vec_store
	mfxer	%r4
	std	%r4, XER_(%r3)
	li	%r4, REGS
	stxvd2x	0, %r3, %r4
	each_vsx stxvd2x
	mffs	%f0
	stfd	%f0, FPSCR(%r3)
	mfvscr	%v0
	li	%r4, VSCR
	stvx	%v0, %r3, %r4
	li	%r4, 0
	mtxer	%r4
	mtvsrd	0, %r4
	mtfsf	255, %f0
	blr
	.machine pop

// arch_vec_spin(block, stop, turns): r3 r4 r5
function arch_vec_spin
	mflr	%r0
	stdu	%r1, -640(%r1)
	std	%r0, 288(%r1)
	each_kept_float stfd
	each_kept_vector stvx
	mr	%r6, %r4
	mtctr	%r5
	bl	arch_vec_load
1:	lwz	%r7, 0(%r6)
	cmpwi	%r7, 0
	bne	2f
	bdnz	1b
2:	bl	arch_vec_store
	each_kept_float lfd
	each_kept_vector lvx
	ld	%r0, 288(%r1)
	mtlr	%r0
	addi	%r1, %r1, 640
	blr

// arch_handler(sig, info, uc): r3 r4 r5; only a blr leads to the vDSO's trampoline, which called
function arch_handler
	stdu	%r1, -64(%r1)
	std	%r31, 40(%r1)
	lis	%r31, arch_handler_regs@ha
	addi	%r31, %r31, arch_handler_regs@l
	each std, %r31
	ld	%r0, 40(%r1)
	std	%r0, 8*31(%r31)
	addi	%r0, %r1, 64
	std	%r0, R1_(%r31)
	mflr	%r0
	std	%r0, 32(%r1)
	std	%r0, LR_(%r31)
	mfctr	%r0
	std	%r0, CTR_(%r31)
	mfcr	%r0
	std	%r0, CR_(%r31)
	lis	%r12, arch_handler_then@ha
	ld	%r12, arch_handler_then@l(%r12)
	mtctr	%r12
	bctrl
	ld	%r0, 32(%r1)
	mtlr	%r0
	addi	%r1, %r1, 64
	lis	%r0, 0x5c0f
	ori	%r0, %r0, 0x5c0f
	.irp	i, 2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
	mr	%r\i, %r0
	.endr
	mtctr	%r0
	mtcr	%r0
	mtxer	%r0
	blr

// arch_restorer: the handler's return lands here, the frame above the head that r1 points at.
function arch_restorer
	addi	%r1, %r1, 128
	li	%r0, SIGRETURN_NR
	sc

function arch_trap
	trap
	blr

function arch_undefined
	.long	0
	blr

	.comm	arch_handler_regs, 280, 8
	.comm	arch_handler_then, 8, 8

	.section .note.GNU-stack, "", @progbits
