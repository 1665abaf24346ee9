// SPDX-License-Identifier: GPL-2.0-only
// s390x entry points of arch_generic.h's contract. C: r2 to r6 [r15+160...]; kernel: r2 to r7, number in r1.

#define CLONE_NR     120
#define CLONE3_NR    435
#define EXIT_NR      1
#define MUNMAP_NR    91
#define SIGRETURN_NR 173

// Offsets in struct arch_regs and in arch_vec.h's block.
#define R14_   112
#define R15_   120
#define FLAGS  128
#define FPC    8
#define REGS   64

.macro function name
	.text
	.balign	8
	.globl \name
	.type \name, @function
\name:
.endm

// raw_clone(flags, stack, fn, arg, ptid, tls, ctid): r2 to r6 [r15+160] [r15+168]
// clone(stack, flags, ptid, ctid, tls):              r2 to r6; the child finds fn in r7, arg in r8
function raw_clone
	stmg	%r6, %r8, 48(%r15)
	lgr	%r7, %r4
	lgr	%r8, %r5
	lgr	%r0, %r2
	lgr	%r2, %r3
	lgr	%r3, %r0
	lgr	%r4, %r6
	lg	%r5, 168(%r15)
	lg	%r6, 160(%r15)
	lghi	%r1, CLONE_NR
	svc	0
	ltgr	%r2, %r2
	jz	run_and_exit
	lmg	%r6, %r8, 48(%r15)
	br	%r14

// raw_clone3(args, size, fn, arg): r2 to r5
// clone3(args, size):              r2 r3; the child finds fn in r7, arg in r8
function raw_clone3
	stmg	%r6, %r8, 48(%r15)
	lgr	%r7, %r4
	lgr	%r8, %r5
	lghi	%r1, CLONE3_NR
	svc	0
	ltgr	%r2, %r2
	jz	run_and_exit
	lmg	%r6, %r8, 48(%r15)
	br	%r14

run_and_exit:
	lghi	%r0, -8
	ngr	%r15, %r0
	aghi	%r15, -160
	lghi	%r0, 0
	stg	%r0, 0(%r15)
	lgr	%r2, %r8
	basr	%r14, %r7
	lghi	%r1, EXIT_NR
	svc	0
	.short	0

// raw_unmap_and_exit(stack, size, status): r2 r3 r4
// munmap(stack, size):                     r2 r3; exit(status): r2
function raw_unmap_and_exit
	lghi	%r1, MUNMAP_NR
	svc	0
	lgr	%r2, %r4
	lghi	%r1, EXIT_NR
	svc	0
	.short	0

// event(in, out, vec, fn): r2 to r5
// at the event: a save area [r15], out [r15+160], vec [r15+168], fn [r15+176], scratch [r15+184], r6 to r14 [r15+192...],
// f8 to f15 [r15+264...]
.macro each_kept_float instruction offset
	\instruction %f8, \offset(%r15)
	\instruction %f9, \offset+8(%r15)
	\instruction %f10, \offset+16(%r15)
	\instruction %f11, \offset+24(%r15)
	\instruction %f12, \offset+32(%r15)
	\instruction %f13, \offset+40(%r15)
	\instruction %f14, \offset+48(%r15)
	\instruction %f15, \offset+56(%r15)
.endm
.macro event name:req instruction:vararg
function \name
	aghi	%r15, -328
	stg	%r3, 160(%r15)
	stg	%r4, 168(%r15)
	stg	%r5, 176(%r15)
	stmg	%r6, %r14, 192(%r15)
	each_kept_float std, 264
	lgr	%r6, %r2
	ltgr	%r2, %r4
	jz	1f
	brasl	%r14, arch_vec_load
1:	stg	%r15, R15_(%r6)
	lg	%r1, FLAGS(%r6)
	srlg	%r1, %r1, 16
	spm	%r1
	lmg	%r0, %r14, 0(%r6)
	\instruction
	stg	%r14, 184(%r15)
	lg	%r14, 160(%r15)
	stmg	%r0, %r13, 0(%r14)
	lg	%r1, 184(%r15)
	stg	%r1, R14_(%r14)
	stg	%r15, R15_(%r14)
	lghi	%r1, 0
	ipm	%r1
	sllg	%r1, %r1, 16
	stg	%r1, FLAGS(%r14)
	ltg	%r2, 168(%r15)
	jz	1f
	brasl	%r14, arch_vec_store
1:	lmg	%r6, %r14, 192(%r15)
	each_kept_float ld, 264
	aghi	%r15, 328
	br	%r14
.endm

	event	arch_syscall_regs svc 0
	event	arch_trap_regs .short 1
.macro call_it
	lg	%r14, 176(%r15)
	basr	%r14, %r14
.endm
	event	arch_call_regs call_it

	.globl	arch_spin, arch_spin_end
.macro spin
arch_spin:
	j	arch_spin
arch_spin_end:
.endm
	event	arch_spin_regs spin

.macro each_float instruction
	.irp	i, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15
	\instruction %f\i, REGS+8*\i(%r2)
	.endr
.endm

// arch_vec_load(block), arch_vec_store(block): r2; r0 is used
	.machine push
	.machine z13
function arch_vec_load
	lfpc	FPC(%r2)
	ltg	%r0, 0(%r2)
	jz	1f
	vlm	%v0, %v15, REGS(%r2)
	vlm	%v16, %v31, REGS+256(%r2)
	br	%r14
1:	each_float ld
	br	%r14

function arch_vec_store
	stfpc	FPC(%r2)
	lghi	%r0, 0
	sfpc	%r0
	ltg	%r0, 0(%r2)
	jz	1f
	vstm	%v0, %v15, REGS(%r2)
	vstm	%v16, %v31, REGS+256(%r2)
	br	%r14
1:	each_float std
	br	%r14
	.machine pop

// arch_vec_spin(block, stop, turns): r2 r3 r4
function arch_vec_spin
	stg	%r14, 112(%r15)
	aghi	%r15, -224
	each_kept_float std, 160
	brasl	%r14, arch_vec_load
1:	lt	%r0, 0(%r3)
	jnz	2f
	brctg	%r4, 1b
2:	brasl	%r14, arch_vec_store
	each_kept_float ld, 160
	aghi	%r15, 224
	lg	%r14, 112(%r15)
	br	%r14

// arch_handler(sig, info, uc): r2 r3 r4; the save area takes the registers
function arch_handler
	stmg	%r0, %r15, 0(%r15)
	larl	%r1, arch_handler_regs
	mvc	0(128, %r1), 0(%r15)
	lghi	%r0, 0
	ipm	%r0
	sllg	%r0, %r0, 16
	stg	%r0, FLAGS(%r1)
	larl	%r1, arch_handler_then
	lg	%r1, 0(%r1)
	aghi	%r15, -160
	basr	%r14, %r1
	aghi	%r15, 160
	lg	%r14, R14_(%r15)
	llilf	%r0, 0x5c0f5c0f
	.irp	i, 1,2,3,4,5,6,7,8,9,10,11,12,13
	lgr	%r\i, %r0
	.endr
	br	%r14

// arch_restorer: the handler's return lands here, the frame at r15.
function arch_restorer
	svc	SIGRETURN_NR

function arch_trap
	.short	1
	br	%r14

function arch_undefined
	.short	0
	br	%r14

	.comm	arch_handler_regs, 136, 8
	.comm	arch_handler_then, 8, 8

	.section .note.GNU-stack, "", @progbits
