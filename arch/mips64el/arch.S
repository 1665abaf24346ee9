// SPDX-License-Identifier: GPL-2.0-only
// mips64el entry points of arch_generic.h's contract. C: $4 to $11, its own address in $25; kernel: $4 to $9, number in
// $2, whether $2 is an error in $7.

#define CLONE_NR     5055
#define CLONE3_NR    5435
#define EXIT_NR      5058
#define MUNMAP_NR    5011

// Offsets in struct arch_regs and in arch_vec.h's block.
#define SP_    208
#define RA_    224
#define HI_    232
#define LO_    240
#define FLAGS  248
#define FCSR   8
#define MSACSR 16
#define REGS   64

	.set	noat
	.set	reorder
	.option	pic0

.macro function name
	.text
	.balign	8
	.globl \name
	.type \name, @function
\name:
.endm

// an address in static code, with no other register
.macro address register name
	lui	\register, %highest(\name)
	daddiu	\register, \register, %higher(\name)
	dsll	\register, \register, 16
	daddiu	\register, \register, %hi(\name)
	dsll	\register, \register, 16
	daddiu	\register, \register, %lo(\name)
.endm

// raw_clone(flags, stack, fn, arg, ptid, tls, ctid): $4 to $10
// clone(flags, stack, ptid, tls, ctid):              $4 to $8; the child finds fn in $16, arg in $17
function raw_clone
	daddiu	$29, $29, -16
	sd	$16, 0($29)
	sd	$17, 8($29)
	move	$16, $6
	move	$17, $7
	move	$6, $8
	move	$7, $9
	move	$8, $10
	li	$2, CLONE_NR
	syscall
	bnez	$7, failed
	beqz	$2, run_and_exit
succeeded:
	ld	$16, 0($29)
	ld	$17, 8($29)
	daddiu	$29, $29, 16
	jr	$31
failed:
	dsubu	$2, $0, $2
	b	succeeded

// raw_clone3(args, size, fn, arg): $4 to $7
// clone3(args, size):              $4 $5; the child finds fn in $16, arg in $17
function raw_clone3
	daddiu	$29, $29, -16
	sd	$16, 0($29)
	sd	$17, 8($29)
	move	$16, $6
	move	$17, $7
	li	$2, CLONE3_NR
	syscall
	bnez	$7, failed
	bnez	$2, succeeded

run_and_exit:
	dsrl	$29, $29, 4
	dsll	$29, $29, 4
	move	$30, $0
	move	$31, $0
	move	$4, $17
	move	$25, $16
	jalr	$25
	move	$4, $2
	li	$2, EXIT_NR
	syscall
	break

// raw_unmap_and_exit(stack, size, status): $4 $5 $6
// munmap(stack, size):                     $4 $5; exit(status): $4
function raw_unmap_and_exit
	move	$16, $6
	li	$2, MUNMAP_NR
	syscall
	move	$4, $16
	li	$2, EXIT_NR
	syscall
	break

// every register of struct arch_regs but sp, ra, hi and lo
.macro each instruction base
	.irp	i, 1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25
	\instruction $\i, 8*(\i-1)(\base)
	.endr
	\instruction $28, 200(\base)
	\instruction $30, 216(\base)
.endm

.macro each_kept instruction
	.irp	i, 16,17,18,19,20,21,22,23
	\instruction $\i, 32+8*(\i-16)($29)
	.endr
	\instruction $28, 96($29)
	\instruction $30, 104($29)
	\instruction $31, 112($29)
.endm
.macro each_kept_float instruction
	.irp	i, 24,25,26,27,28,29,30,31
	\instruction $f\i, 128+8*(\i-24)($29)
	.endr
.endm

// event(in, out, vec, fn): $4 to $7
// at the event: out [$29], vec [$29+8], fn [$29+16], scratch [$29+24], $16 to $23 $28 $30 $31 [$29+32...], f24 to f31
// [$29+128...]
.macro event name:req instruction:vararg
function \name
	daddiu	$29, $29, -192
	sd	$5, 0($29)
	sd	$6, 8($29)
	sd	$7, 16($29)
	each_kept sd
	each_kept_float sdc1
	move	$16, $4
	beqz	$6, 1f
	move	$4, $6
	bal	vec_load
1:	sd	$29, SP_($16)
	ld	$2, HI_($16)
	mthi	$2
	ld	$2, LO_($16)
	mtlo	$2
	move	$31, $16
	each ld, $31
	ld	$31, RA_($31)
	\instruction
	sd	$31, 24($29)
	ld	$31, 0($29)
	each sd, $31
	ld	$2, 24($29)
	sd	$2, RA_($31)
	sd	$29, SP_($31)
	mfhi	$2
	sd	$2, HI_($31)
	mflo	$2
	sd	$2, LO_($31)
	sd	$0, FLAGS($31)
	ld	$4, 8($29)
	beqz	$4, 1f
	bal	vec_store
1:	each_kept ld
	each_kept_float ldc1
	daddiu	$29, $29, 192
	move	$25, $31
	jr	$31
.endm

	event	arch_syscall_regs syscall
	event	arch_trap_regs break
.macro call_it
	ld	$25, 16($29)
	jalr	$25
.endm
	event	arch_call_regs call_it

	.globl	arch_spin, arch_spin_end
.macro spin
arch_spin:
	b	arch_spin
arch_spin_end:
.endm
	event	arch_spin_regs spin

// arch_vec_load(block), arch_vec_store(block): $4; $2 and $3 are used
	.set	push
	.set	mips64r5
	.set	msa
.macro each_msa instruction
	.irp	i, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
	\instruction $w\i, REGS+16*\i($4)
	.endr
.endm
.macro each_float instruction
	.irp	i, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
	\instruction $f\i, REGS+8*\i($4)
	.endr
.endm
function arch_vec_load
vec_load:
	lw	$2, FCSR($4)
	ctc1	$2, $31
	ld	$2, 0($4)
	bnez	$2, 1f
	each_float ldc1
	jr	$31
1:	each_msa ld.d
	lw	$2, MSACSR($4)
	ctcmsa	$1, $2
	jr	$31

function arch_vec_store
vec_store:
	cfc1	$2, $31
	sw	$2, FCSR($4)
	ld	$3, 0($4)
	beqz	$3, 1f
	cfcmsa	$3, $1
	sw	$3, MSACSR($4)
	ctcmsa	$1, $0
	each_msa st.d
	b	2f
1:	each_float sdc1
2:	lui	$3, 0x000c
	and	$2, $2, $3
	ctc1	$2, $31
	jr	$31
	.set	pop

// arch_vec_spin(block, stop, turns): $4 $5 $6
function arch_vec_spin
	daddiu	$29, $29, -192
	sd	$31, 112($29)
	each_kept_float sdc1
	bal	vec_load
1:	lw	$2, 0($5)
	bnez	$2, 2f
	daddiu	$6, $6, -1
	bnez	$6, 1b
2:	bal	vec_store
	ld	$31, 112($29)
	each_kept_float ldc1
	daddiu	$29, $29, 192
	jr	$31

// arch_handler(sig, info, uc): $4 $5 $6
function arch_handler
	daddiu	$29, $29, -16
	sd	$31, 0($29)
	address	$31, arch_handler_regs
	each sd, $31
	daddiu	$2, $29, 16
	sd	$2, SP_($31)
	ld	$2, 0($29)
	sd	$2, RA_($31)
	mfhi	$2
	sd	$2, HI_($31)
	mflo	$2
	sd	$2, LO_($31)
	sd	$0, FLAGS($31)
	address	$25, arch_handler_then
	ld	$25, 0($25)
	jalr	$25
	ld	$31, 0($29)
	daddiu	$29, $29, 16
	li	$2, 0x5c0f5c0f
	.irp	i, 1,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,28,30
	move	$\i, $2
	.endr
	mthi	$2
	mtlo	$2
	jr	$31

function arch_trap
	break
	jr	$31

function arch_undefined
	.word	0x00000039
	jr	$31

	.comm	arch_handler_regs, 256, 8
	.comm	arch_handler_then, 8, 8

	.section .note.GNU-stack, "", @progbits
