# SPDX-License-Identifier: GPL-2.0-only
"""The lying kernel: each action changes what a small program sees, and nothing else; without a lie nothing changes."""

import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
LIAR = ROOT / "build/x86_64/liar"
ABIS = ("x86_64", "i386")
PROGRAMS = ("liar_calls", "liar_signals", "liar_tasks")
DEADLINE_S = 60

pytestmark = pytest.mark.skipif(os.uname().machine != "x86_64", reason="the liar is built for x86_64 alone so far")

FUTEX = "call=futex,futex_time64"
MMAP = "call=mmap,mmap2"
CLOCK_CALLS = ("abi=x86_64 exec=* patch=__vdso_clock_gettime:call:clock_gettime\n"
               "abi=i386 exec=* patch=__vdso_clock_gettime64:call:clock_gettime64")

# Program, probe, what it prints to the truth.
TRUTH = {
    "liar_calls": {
        "errors": "-11", "wakes": "0", "repeats": "pppppp", "scopes": "1 1 1", "buffers": "4 00000000a5a5a5a5",
        "paths": "0 /dev/zero", "flags": "1 1", "structures": "1 1", "endings": "1", "memory": "0 0 1", "blocks": "1",
        "restarts": "1 1", "interrupts": "-4 1", "restart_blocks": "-110", "order": "0"},
    "liar_signals": {
        "direct": "1 -6 1 1", "value": "1 7", "directed": "t", "moment": "1 1", "fatal": "signal 15", "mask_after": "0",
        "registers": "same same", "entry": "0 0", "stops": "1 1 2"},
    "liar_tasks": {
        "ends": "exit5 exit7 exit7 signal4", "threads": "8", "filters": "exit11", "tracer": "1 exit7 0 1 signal12",
        "vector": "100 1 1", "clocks": "0 1", "starts": "1"},
}
PROGRAM_OF = {probe: program for program, probes in TRUTH.items() for probe in probes}
PROGRAM_OF["traced_vector"] = "liar_tasks"

# Probe, lies (one a line, without ids), what it prints then.
LIES = [
    # another result, without the call or behind it
    ("errors", f"{FUTEX} return=-EINTR", "-4"),
    ("errors", f"{FUTEX} if=result==-EAGAIN after=result=0", "0"),
    ("errors", f"{FUTEX} if=result==0 after=result=5", "-11"),
    ("wakes", f"{FUTEX} when=int1&127==1 after=result+=1", "1"),
    ("buffers", "call=read when=arg2==4 return=4", "4 a5a5a5a5a5a5a5a5"),
    # conditions on arguments and on memory
    ("errors", f"{FUTEX} when=u32[arg0]==1 return=0", "0"),
    ("errors", f"{FUTEX} when=u32[arg0]==2||arg0==0||u32[8]==0 return=0", "-11"),
    ("errors", f"{FUTEX} when=int1&127==0&&int2==0&&arg3==0 return=0", "0"),
    ("errors", f"{FUTEX} when=int1>=128&&int2>0 return=0", "-11"),
    # by the filter itself
    ("errors", f"{FUTEX} answer=-EPERM", "-1"),
    ("errors", f"{FUTEX} when=int1&127==0&&int2==0 answer=0", "0"),
    ("errors", f"{FUTEX} when=int1&127==1 answer=0", "-11"),
    # which calls
    ("repeats", "call=getppid number=getpid", "ssssss"),
    ("repeats", "call=110,64 number=getpid", "ssssss"),
    ("repeats", "call=getppid nth=2 number=getpid", "pspppp"),
    ("repeats", "call=getppid every=3 return=0", "pp0pp0"),
    ("repeats", "call=getppid from=2 until=3 return=0", "p00ppp"),
    ("repeats", "call=getppid from=2 until=3 return=0\ncall=getppid nth=5 number=getpid", "p00psp"),
    ("scopes", "call=getpgid thread=main return=-EPERM", "0 1 0"),
    ("scopes", "call=getpgid thread=other return=-EPERM", "1 0 1"),
    ("scopes", "call=getpgid depth=1- return=-EPERM", "1 1 0"),
    ("scopes", "call=getpgid depth=0 return=-EPERM", "0 0 1"),
    ("scopes", "call=getpgid nth=1 count=run return=-EPERM", "0 1 1"),
    ("scopes", "call=getpgid nth=1 return=-EPERM", "0 1 0"),
    ("scopes", "call=getpgid nth=1 count=thread return=-EPERM", "0 0 0"),
    # arguments
    ("buffers", "call=read when=arg2==4 before=arg2=2", "2 0000a5a5a5a5a5a5"),
    ("buffers", "call=read when=arg2==4 before=arg1+=4", "4 a5a5a5a500000000"),
    ("buffers", "call=read when=arg2==4 before=int0=-1", "-9 a5a5a5a5a5a5a5a5"),
    ("flags", "call=pipe2 before=int1&=~0x80000", "0 0"),
    ("memory", f"{MMAP} when=int3&1 before=int3^=3", "0 0 0"),
    ("memory", "call=madvise return=0", "0 1 1"),
    # memory behind the call
    ("buffers", "call=read when=arg2==4 after=u8[arg1+result-1]^=1", "4 00000001a5a5a5a5"),
    ("buffers", "call=read when=arg2==4 after=bytes[arg1+result,2]=0", "4 000000000000a5a5"),
    ("buffers", "call=read when=arg2==4 after=result-=1", "3 00000000a5a5a5a5"),
    ("buffers", "call=read when=arg2==4 poke=bytes[arg1,3]=7 return=3", "3 070707a5a5a5a5a5"),
    ("memory", f"{MMAP} when=int3&2&&int2==3 after=u8[result+1]=9", "9 0 1"),
    # memory in front of it, put back or not; a path
    ("structures", "call=clone3 when=u64[arg0]&0x100000 before=u64[arg0]&=~0x100000", "0 1"),
    ("structures", "call=clone3 when=u64[arg0]&0x100000 poke=u64[arg0]&=~0x100000", "0 0"),
    ("paths", "call=openat when=str[arg1]=='/dev/z*' before=arg1='FILE'", "65 /dev/zero"),
    ("paths", "call=openat when=str[arg1]!='/dev/*' before=arg1='FILE'", "0 /dev/zero"),
    # variables: the thread's word is not cleared by the kernel; then by the liar
    ("endings", "call=clone when=arg0&0x200000 before=arg0&=~0x200000", "0"),
    ("endings", "abi=x86_64 call=clone when=arg0&0x200000 before=v0=arg3 before=arg0&=~0x200000\n"
                "abi=i386 call=clone when=arg0&0x200000 before=v0=arg4 before=arg0&=~0x200000\n"
                "call=exit when=v0!=0 poke=u32[v0]=0", "1"),
    # time and order; restarts
    ("blocks", "call=read thread=other interrupt=5 after=result=-EINTR", "-4"),
    ("order", "call=getsid hold=20000,lie2\ncall=getpgid", "1"),
    ("order", "call=getsid hold_return=1", "0"),
    ("restarts", "call=read thread=other nth=1 after=result=77", "77 77"),
    ("restarts", "call=read thread=other nth=2 after=result=77", "1 1"),
    ("interrupts", "call=read thread=other nth=1 after=result=77", "-4 1"),
    ("interrupts", "call=read thread=other nth=2 after=result=77", "-4 77"),
    ("interrupts", "call=read thread=other if=result==-ERESTARTSYS after=result=-ERESTARTNOINTR", "1 1"),
    ("restarts", "call=read thread=other if=result==-ERESTARTSYS after=result=-EINTR", "-4 1"),
    ("restart_blocks", f"{FUTEX} thread=other nth=1 after=result=5", "5"),
    # signals: delivery
    ("direct", "signal=SIGUSR1 deliver=0", "0 0 0 0"),
    ("direct", "signal=any when=si_code==-6 deliver=0", "0 0 0 0"),
    ("direct", "signal=SIGUSR1 when=si_code==0||!main deliver=0", "1 -6 1 1"),
    ("direct", "signal=SIGUSR1 before=si_code=0", "1 0 1 1"),
    ("direct", "signal=SIGUSR1 before=si_pid+=1", "1 -6 0 1"),
    ("direct", "signal=SIGUSR1 duplicate=1", "2 -6 1 1"),
    ("direct", "signal=SIGUSR1 hold=1", "1 -6 1 1"),
    ("value", "signal=34 before=si_int=8", "1 8"),
    ("value", "signal=34 duplicate=2", "3 7"),
    ("directed", "signal=SIGUSR2 redirect=main", "m"),
    ("directed", "signal=SIGUSR2 thread=other deliver=0", "-"),
    ("moment", "signal=SIGUSR1 later=20000,lie2\ncall=getsid", "0 1"),
    ("moment", "signal=SIGUSR1 later=5", "0 1"),
    ("fatal", "signal=SIGTERM deliver=0", "exit 3"),
    ("fatal", "signal=SIGTERM deliver=SIGINT", "signal 2"),
    # signals: the handler's start and its return
    ("direct", "signal=SIGUSR1 entry=sigmask=0", "1 -6 1 0"),
    ("direct", "signal=SIGUSR1 entry=u32[info+8]=5", "1 5 1 1"),
    ("entry", "signal=SIGTRAP entry=rflags|=0x400", "0 1"),
    ("mask_after", "call=rt_sigreturn after=sigmask|=1<<SIGUSR1-1", "1"),
    ("registers", "call=rt_sigreturn after=rsi^=1", r"[re]si .* same"),
    ("registers", "call=rt_sigreturn after=xmm3^=1", r"same .*xmm3.*"),
    # tasks and images
    ("ends", "call=exit_group depth=1 before=arg0=9", "exit9 exit9 exit9 signal4"),
    ("threads", "start=any hold=1", "8"),
    ("vector", "exec=liar_t* before=auxv[17]=1000", "1000 1 1"),
    ("vector", "exec=other before=auxv[17]=1000", "100 1 1"),
    ("vector", "exec=liar_tasks before=bytes[auxv[25],16]=0", "100 0 1"),
    ("vector", "exec=liar_tasks drop=33", "100 1 0"),
    ("traced_vector", "exec=liar_tasks depth=1 before=auxv[17]=1000", "vector 1000 1 1"),
    ("clocks", "abi=x86_64 exec=* patch=__vdso_clock_gettime:-ENOSYS\nabi=i386 exec=* patch=__vdso_clock_gettime64:-ENOSYS",
     "-38 0"),
    ("clocks", CLOCK_CALLS, "0 1"),
    ("clocks", f"{CLOCK_CALLS}\ncall=clock_gettime,clock_gettime64 when=vdso after=u64[arg1+8]=-1", "0 0"),
]

X86_64_LIES = [
    ("entry", "signal=SIGTRAP entry=word[sp-8]=word[sp] entry=sp-=8\ncall=rt_sigreturn before=sp+=8", "8 0"),
    ("starts", "start=thread before=fs_base+=8", "0"),
]

WRONG = [
    ("call=read", "needs id="),
    ("id=a return=0", "needs one of"),
    ("id=a call=nosuch return=0", "no ABI has"),
    ("id=a call=read return=0 nth=0", "number from 1"),
    ("id=a call=read after=tid=5", "cannot be changed"),
    ("id=a call=read when=int1&", "value is missing"),
    ("id=a call=read colour=red", "unknown key"),
    ("id=a signal=SIGNONE deliver=0", "no signal"),
    ("id=a signal=SIGUSR1 return=0", "go with call= alone"),
    ("id=a call=read hold=5,b", "no lie has this id"),
    ("id=a call=read depth=1 answer=0", "alone"),
    ("id=a call=read return=0 after=result=1", "no way out"),
    ("id=a call=read\nid=a call=write", "another lie"),
]


@pytest.fixture(scope="session", autouse=True)
def built():
    """The liar, and its victims for both ABIs."""
    victims = [f"build/{abi}/tests/{program}" for abi in ABIS for program in PROGRAMS]
    subprocess.run(["make", "-s", "-j2", "build/x86_64/liar", *victims], cwd=ROOT, check=True)


class Lied:
    """One run under the liar: what was printed, the exit status, and how often each lie was told."""

    def __init__(self, tmp_path, abi, program, probe, lies, *options):
        (tmp_path / "file").write_text("A")
        lines = [f"id=lie{number} {line}" for number, line in enumerate(lies.splitlines(), 1)]
        (tmp_path / "lies").write_text("\n".join(lines).replace("FILE", str(tmp_path / "file")))
        command = [LIAR, "--lies", tmp_path / "lies", "--log", tmp_path / "log", *options, "--",
                   ROOT / "build" / abi / "tests" / program, probe]
        done = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE_S, check=False)
        self.status, self.errors = done.returncode, done.stderr
        self.printed = done.stdout.removeprefix(f"{probe} ").strip()
        self.told = [int(n) for n in re.findall(r"^lie \S+ .*told=(\d+) failed=\d+$", (tmp_path / "log").read_text(), re.M)]
        self.failed = [int(n) for n in re.findall(r"failed=(\d+)$", (tmp_path / "log").read_text(), re.M)]


@pytest.mark.parametrize("abi", ABIS)
@pytest.mark.parametrize("option", [(), ("--every-call",)], ids=["filter", "every-call"])
@pytest.mark.parametrize("program", PROGRAMS)
def test_without_a_lie_nothing_changes(abi, option, program):
    command = [ROOT / "build" / abi / "tests" / program, *TRUTH[program]]
    alone = subprocess.run(command, capture_output=True, text=True, check=True, timeout=DEADLINE_S).stdout
    traced = subprocess.run([LIAR, *option, "--", *command], capture_output=True, text=True, check=True, timeout=DEADLINE_S).stdout
    assert alone.splitlines() == [f"{probe} {truth}" for probe, truth in TRUTH[program].items()] or alone == traced
    assert [line.rstrip() for line in traced.splitlines()] == [f"{probe} {truth}" for probe, truth in TRUTH[program].items()]


def check_lie(tmp_path, abi, probe, lies, expected, *options):
    program = PROGRAM_OF[probe]
    lied = Lied(tmp_path, abi, program, probe, lies, *options)
    assert re.fullmatch(expected, lied.printed), f"printed {lied.printed}; {lied.errors}"
    assert lied.status == 0
    changes = expected != TRUTH[program].get(probe)
    assert not changes or any(lied.told) or "answer=" in lies
    assert not any(lied.failed)


@pytest.mark.parametrize("abi", ABIS)
@pytest.mark.parametrize(("probe", "lies", "expected"), LIES, ids=[f"{probe}:{lies}" for probe, lies, _ in LIES])
def test_a_lie_changes_what_it_says(tmp_path, abi, probe, lies, expected):
    check_lie(tmp_path, abi, probe, lies, expected)


@pytest.mark.parametrize(("probe", "lies", "expected"), X86_64_LIES, ids=[f"{probe}:{lies}" for probe, lies, _ in X86_64_LIES])
def test_a_lie_about_registers_of_x86_64(tmp_path, probe, lies, expected):
    check_lie(tmp_path, "x86_64", probe, lies, expected)


@pytest.mark.parametrize("abi", ABIS)
@pytest.mark.parametrize("number", range(0, len(LIES), 7))
def test_a_lie_needs_no_filter(tmp_path, abi, number):
    check_lie(tmp_path, abi, *LIES[number], "--every-call")


def test_a_call_unknown_to_the_library_can_be_lied_about(tmp_path):
    check_lie(tmp_path, "i386", "errors", f"{FUTEX} return=0\ncall=4000 return=0", "0")


def test_the_log_counts_what_was_told(tmp_path):
    lied = Lied(tmp_path, "x86_64", "liar_calls", "repeats", "call=getppid every=2 return=0\ncall=getppid poke=u8[8]=0")
    assert (lied.told, lied.failed) == ([3, 0], [0, 6])


def test_the_log_tells_of_tasks_that_the_program_traced(tmp_path):
    Lied(tmp_path, "x86_64", "liar_tasks", "tracer", "call=getsid return=0")
    assert "tracees 2\n" in (tmp_path / "log").read_text()


@pytest.mark.parametrize(("launcher", "expected"), [("*sh", "0 0 1"), ("nosuch", "1 1 0")])
def test_depth_counts_from_what_the_launcher_executes(tmp_path, launcher, expected):
    victim = ROOT / "build/x86_64/tests/liar_calls"
    (tmp_path / "lies").write_text("id=a depth=0 call=getpgid return=-EPERM\n" if launcher == "*sh" else
                                   "id=a depth=2- call=getpgid return=-EPERM\n")
    done = subprocess.run([LIAR, "--lies", tmp_path / "lies", "--log", "/dev/null", "--launcher", launcher, "--",
                           "/bin/sh", "-c", f"{victim} scopes; true"], capture_output=True, text=True, check=True)
    assert done.stdout == f"scopes {expected}\n"


@pytest.mark.parametrize(("lies", "complaint"), WRONG, ids=[lies for lies, _ in WRONG])
def test_a_wrong_lie_is_refused_with_its_line(tmp_path, lies, complaint):
    (tmp_path / "lies").write_text(f"# a comment\n{lies}\n")
    done = subprocess.run([LIAR, "--lies", tmp_path / "lies", "--", "/bin/true"], capture_output=True, text=True, check=False)
    assert done.returncode == 125
    assert re.search(rf"lies:[23]: .*{complaint}", done.stderr)


@pytest.mark.parametrize(("argument", "status"), [("exit0", 0), ("exit42", 42), ("kill15", -15), ("kill9", -9)])
def test_the_liar_ends_as_the_program(argument, status):
    done = subprocess.run([LIAR, "--", ROOT / "build/i386/tests/liar_tasks", argument], capture_output=True, check=False)
    assert done.returncode == status


@pytest.mark.parametrize(("command", "status"), [("/nonexistent", 127), ("/etc/passwd", 126)])
def test_what_cannot_run_is_said(command, status):
    done = subprocess.run([LIAR, "--", command], capture_output=True, text=True, check=False)
    assert done.returncode == status
    assert command in done.stderr


def is_gone(pid):
    """Whether no such process is left, or only its corpse."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1][0] in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return True


@pytest.mark.parametrize(("how", "status"), [(signal.SIGKILL, -9), (signal.SIGTERM, 125)])
def test_the_program_dies_with_the_liar(tmp_path, how, status):
    (tmp_path / "lies").write_text("id=a call=getppid return=0\n")
    command = [LIAR, "--lies", tmp_path / "lies", "--log", tmp_path / "log", "--",
               ROOT / "build/x86_64/tests/liar_tasks", "forever"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as liar:
        pid = int(liar.stdout.readline().split()[1])
        liar.send_signal(how)
        assert liar.wait(DEADLINE_S) == status
    deadline = time.monotonic() + DEADLINE_S
    while not is_gone(pid) and time.monotonic() < deadline:
        time.sleep(0.001)
    assert is_gone(pid)
    assert how == signal.SIGKILL or "lie a matched=0 told=0" in (tmp_path / "log").read_text()
