// SPDX-License-Identifier: GPL-2.0-only
// riscv64 entry points of arch_generic.h's contract. C: a0 to a7; kernel: a0 to a5, number in a7.

#define CLONE_NR     220
#define CLONE3_NR    435
#define EXIT_NR      93
#define MUNMAP_NR    215

// Offsets in struct arch_regs and in arch_vec.h's block.
#define SP_    8
#define T0_    32
#define FLAGS  248
#define FCSR   8
#define VL     16
#define VTYPE  24
#define VCSR   32
#define F      64
#define V      320

.macro function name
	.text
	.balign	4
	.globl \name
	.type \name, @function
\name:
.endm

// every register of struct arch_regs but sp and t0
.macro each instruction base
	\instruction ra, 0(\base)
	\instruction gp, 16(\base)
	\instruction tp, 24(\base)
	\instruction t1, 40(\base)
	\instruction t2, 48(\base)
	\instruction s0, 56(\base)
	\instruction s1, 64(\base)
	\instruction a0, 72(\base)
	\instruction a1, 80(\base)
	\instruction a2, 88(\base)
	\instruction a3, 96(\base)
	\instruction a4, 104(\base)
	\instruction a5, 112(\base)
	\instruction a6, 120(\base)
	\instruction a7, 128(\base)
	\instruction s2, 136(\base)
	\instruction s3, 144(\base)
	\instruction s4, 152(\base)
	\instruction s5, 160(\base)
	\instruction s6, 168(\base)
	\instruction s7, 176(\base)
	\instruction s8, 184(\base)
	\instruction s9, 192(\base)
	\instruction s10, 200(\base)
	\instruction s11, 208(\base)
	\instruction t3, 216(\base)
	\instruction t4, 224(\base)
	\instruction t5, 232(\base)
	\instruction t6, 240(\base)
.endm

.macro each_kept_float instruction offset
	\instruction fs0, \offset(sp)
	\instruction fs1, \offset+8(sp)
	\instruction fs2, \offset+16(sp)
	\instruction fs3, \offset+24(sp)
	\instruction fs4, \offset+32(sp)
	\instruction fs5, \offset+40(sp)
	\instruction fs6, \offset+48(sp)
	\instruction fs7, \offset+56(sp)
	\instruction fs8, \offset+64(sp)
	\instruction fs9, \offset+72(sp)
	\instruction fs10, \offset+80(sp)
	\instruction fs11, \offset+88(sp)
.endm

.macro load_gp
	.option	push
	.option	norelax
	la	gp, __global_pointer$
	.option	pop
.endm

// raw_clone(flags, stack, fn, arg, ptid, tls, ctid): a0 to a6
// clone(flags, stack, ptid, tls, ctid):              a0 to a4; the child finds fn in t0, arg in t1
function raw_clone
	mv	t0, a2
	mv	t1, a3
	mv	a2, a4
	mv	a3, a5
	mv	a4, a6
	li	a7, CLONE_NR
	ecall
	beqz	a0, run_and_exit
	ret

// raw_clone3(args, size, fn, arg): a0 to a3
// clone3(args, size):              a0 a1; the child finds fn in t0, arg in t1
function raw_clone3
	mv	t0, a2
	mv	t1, a3
	li	a7, CLONE3_NR
	ecall
	beqz	a0, run_and_exit
	ret

run_and_exit:
	li	s0, 0
	andi	sp, sp, -16
	mv	a0, t1
	jalr	t0
	li	a7, EXIT_NR
	ecall
	ebreak

// raw_unmap_and_exit(stack, size, status): a0 a1 a2
// munmap(stack, size):                     a0 a1; exit(status): a0
function raw_unmap_and_exit
	li	a7, MUNMAP_NR
	ecall
	mv	a0, a2
	li	a7, EXIT_NR
	ecall
	ebreak

// event(in, out, vec, fn): a0 to a3
// at the event: out [sp], vec [sp+8], fn [sp+16], scratch [sp+24], ra tp s0 to s11 [sp+32...], fs0 to fs11 [sp+144...]
.macro each_kept instruction
	\instruction ra, 32(sp)
	\instruction tp, 40(sp)
	\instruction s0, 48(sp)
	\instruction s1, 56(sp)
	\instruction s2, 64(sp)
	\instruction s3, 72(sp)
	\instruction s4, 80(sp)
	\instruction s5, 88(sp)
	\instruction s6, 96(sp)
	\instruction s7, 104(sp)
	\instruction s8, 112(sp)
	\instruction s9, 120(sp)
	\instruction s10, 128(sp)
	\instruction s11, 136(sp)
.endm
.macro event name:req instruction:vararg
function \name
	addi	sp, sp, -240
	sd	a1, 0(sp)
	sd	a2, 8(sp)
	sd	a3, 16(sp)
	each_kept sd
	each_kept_float fsd, 144
	mv	s0, a0
	beqz	a2, 1f
	mv	a0, a2
	call	arch_vec_load
1:	sd	sp, SP_(s0)
	mv	t0, s0
	each ld, t0
	ld	t0, T0_(t0)
	\instruction
	sd	t0, 24(sp)
	ld	t0, 0(sp)
	each sd, t0
	ld	t1, 24(sp)
	sd	t1, T0_(t0)
	sd	sp, SP_(t0)
	sd	zero, FLAGS(t0)
	load_gp
	ld	a0, 8(sp)
	beqz	a0, 1f
	call	arch_vec_store
1:	each_kept ld
	each_kept_float fld, 144
	addi	sp, sp, 240
	ret
.endm

.macro trap
	.option	push
	.option	norvc
	ebreak
	.option	pop
.endm
.macro call_it
	ld	ra, 16(sp)
	jalr	ra
.endm
	.globl	arch_spin, arch_spin_end
.macro spin
arch_spin:
	j	arch_spin
arch_spin_end:
.endm
	event	arch_syscall_regs ecall
	event	arch_trap_regs trap
	event	arch_call_regs call_it
	event	arch_spin_regs spin

.macro each_float instruction
	.irp	i, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
	\instruction f\i, F+8*\i(a0)
	.endr
.endm

	.option	push
	.option	arch, +v
function riscv_vector_length
	csrr	a0, vlenb
	ret

// arch_vec_load(block), arch_vec_store(block): a0; t0 to t3 are used
function arch_vec_load
	lw	t0, FCSR(a0)
	fscsr	t0
	each_float fld
	ld	t0, (a0)
	beqz	t0, 1f
	slli	t0, t0, 3
	addi	t1, a0, V
	vl8re8.v v0, (t1)
	add	t1, t1, t0
	vl8re8.v v8, (t1)
	add	t1, t1, t0
	vl8re8.v v16, (t1)
	add	t1, t1, t0
	vl8re8.v v24, (t1)
	ld	t1, VL(a0)
	ld	t2, VTYPE(a0)
	ld	t3, VCSR(a0)
	vsetvl	zero, t1, t2
	csrw	vcsr, t3
1:	ret

function arch_vec_store
	frcsr	t0
	sw	t0, FCSR(a0)
	fscsr	zero
	each_float fsd
	ld	t0, (a0)
	beqz	t0, 1f
	csrr	t1, vl
	csrr	t2, vtype
	csrr	t3, vcsr
	sd	t1, VL(a0)
	sd	t2, VTYPE(a0)
	sd	t3, VCSR(a0)
	slli	t0, t0, 3
	addi	t1, a0, V
	vs8r.v	v0, (t1)
	add	t1, t1, t0
	vs8r.v	v8, (t1)
	add	t1, t1, t0
	vs8r.v	v16, (t1)
	add	t1, t1, t0
	vs8r.v	v24, (t1)
	csrw	vcsr, zero
1:	ret
	.option	pop

// arch_vec_spin(block, stop, turns): a0 a1 a2
function arch_vec_spin
	addi	sp, sp, -112
	sd	ra, 0(sp)
	each_kept_float fsd, 16
	call	arch_vec_load
1:	lw	t0, (a1)
	bnez	t0, 2f
	addi	a2, a2, -1
	bnez	a2, 1b
2:	call	arch_vec_store
	ld	ra, 0(sp)
	each_kept_float fld, 16
	addi	sp, sp, 112
	ret

// arch_handler(sig, info, uc): a0 a1 a2; gp may be anything here
function arch_handler
	addi	sp, sp, -16
	sd	t0, 0(sp)
	sd	ra, 8(sp)
	lla	t0, arch_handler_regs
	each sd, t0
	ld	t1, 0(sp)
	sd	t1, T0_(t0)
	addi	t1, sp, 16
	sd	t1, SP_(t0)
	sd	zero, FLAGS(t0)
	load_gp
	lla	t1, arch_handler_then
	ld	t1, (t1)
	jalr	t1
	ld	t0, 8(sp)
	addi	sp, sp, 16
	li	a0, 0x5c0f5c0f
	.irp	r, ra, gp, tp, t1, t2, s0, s1, a1, a2, a3, a4, a5, a6, a7, s2, s3, s4, s5, s6, s7, s8, s9, s10, s11, t3, t4, t5, t6
	mv	\r, a0
	.endr
	jr	t0

function arch_trap
	trap
	ret

function arch_undefined
	.4byte	0xc0001073
	ret

	.comm	arch_handler_regs, 256, 8
	.comm	arch_handler_then, 8, 8

	.section .note.GNU-stack, "", @progbits
