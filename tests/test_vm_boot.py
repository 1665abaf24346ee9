# SPDX-License-Identifier: GPL-2.0-only
"""Virtual machines with a script in the place of QEMU: boots that fail, kernels that die, what the driver says of them."""

import json
import os
import signal
import struct
import subprocess
import time

import pytest
from conftest import ABI, PYTHON, ROOT
from conftest import STEADY_CLAUSES as STEADY

from harness.driver import abis, kernelfile
from harness.driver.nearest import UsageError
from harness.driver.targets import qemu

HELLO = "s = Stream(nonce).say(HELLO)"
PASS_ALL = "\n".join((HELLO, "for n, tests in jobs:", "    s.say(f'begin {n} ms=1').run(n, *tests).end(n)",
                      "send(s.say(f'bye jobs={len(jobs)} ms=9').data)"))

DIES_OF_TWO = HELLO + """
for n, tests in jobs:
    s.say(f'begin {n} ms=1', f'line {n} #  RUN           {tests[0]} ...')
if len(jobs) == 1:
    s.say(f'line {n} ok 1 {tests[0]}').end(n).say('bye jobs=1 ms=9')
send(s.data)
"""


class Guests:
    """A repository whose virtual machines are scripts."""

    def __init__(self, tree, folder):
        self.tree, self.folder = tree, folder
        self.kernel = folder / "bzImage"
        self.kernel.write_bytes(b"a kernel of the tests")
        self.target = f"qemu:{ABI}:{self.kernel}"
        (tree.path / f"build/{ABI}/executor").write_text("init")
        (folder / "bin").mkdir()

    def emulator(self, body: str) -> None:
        """Puts a script in the place of QEMU: `words` is its command line, the rest as in Tree.executor()."""
        path = self.folder / "bin" / abis.load(ROOT, ABI).qemu_binary
        path.write_text(f"""#!{PYTHON}
import os, re, sys, time
sys.path[:0] = [{str(ROOT)!r}, {str(ROOT / 'tests')!r}]
from streams import *
words = sys.argv[1:]
data = open(words[words.index("-initrd") + 1], "rb").read()
plan = data[data.rindex(b"osprim-plan 1"):].decode("latin-1")
nonce = re.search("nonce (.*)", plan)[1]
jobs = [(int(n), tests.split(",")) for n, tests in re.findall("^job ([0-9]+) .* tests=(.*)", plan, re.M)]
def send(data):
    os.write(1, data)
{body}
""")
        path.chmod(0o755)

    def start(self, *words: str, **options):
        """Starts runner.py with the script on its path."""
        environ = os.environ | {"PATH": f"{self.folder}/bin:/usr/bin:/bin"} | options.pop("env", {})
        return self.tree.start("run", self.target, *words, env=environ, **options)

    def run(self, *words: str, code: int = 0, **options) -> str:
        """Runs it; returns what it printed."""
        process = self.start(*words, **options)
        out, err = process.communicate(timeout=60)
        assert process.returncode == code, f"exit code {process.returncode}, not {code}\n{out}\n{err}"
        return out + err

    def described(self) -> dict:
        """The target in run.json."""
        return json.loads(self.tree.latest("run.json").read_text())["targets"][0]


@pytest.fixture
def guests(fake, tmp_path):
    folder = tmp_path / "guests"
    folder.mkdir()
    return Guests(fake, folder)


def test_a_guest_that_passes_everything(guests):
    guests.emulator(PASS_ALL)
    config = guests.folder / "config"
    config.write_text("CONFIG_SMP=y\n")
    guests.run("steady", "--append", "nosmt quiet", "--cpu", "qemu64", "--qemu-arg=-S", "--smp", "3")
    assert set(guests.tree.verdicts().values()) == {"pass"} and len(guests.tree.records()) == STEADY
    told = guests.described()
    assert told["kernel"]["file"] == str(guests.kernel) and len(told["kernel"]["sha256"]) == 64
    assert told["kernel"]["release"] == "6.12.1" and told["config"]["file"] == "logs/qemu-x86_64-bzImage.config"
    line = told["qemu"]
    assert line[line.index("-cpu") + 1] == "qemu64" and line[line.index("-smp") + 1] == "3" and line[-1] == "-S"
    assert line[line.index("-append") + 1].endswith("nosmt quiet")
    again = guests.tree.records()[0]["command"]
    assert again.endswith(f" {guests.target} --append='nosmt quiet' --cpu=qemu64 --qemu-arg=-S --smp=3")


@pytest.mark.parametrize("body,said", [
    ("time.sleep(60)", "said nothing on its console in 1 s"),
    ("send(b'[ 0.1] Booting\\n'); time.sleep(60)", "did not come as far as its init in 1 s; its console ends with: [ 0.1] Boot"),
    ("send(b'x\\n[ 0.9] Kernel panic - not syncing: No working init found.\\n')",
     "died at boot: Kernel panic - not syncing: No working init found."),
    ("sys.stderr.write('unable to find CPU model'); sys.exit(1)", "ended with 1: unable to find CPU model"),
    ("pass", "without the executor's hello"),
    ("send(b'Initramfs unpacking failed: write error\\n')", "its console ends with: Initramfs unpacking failed: write error"),
    ("if 'loglevel=7' in ' '.join(words): send(b'no filesystem could mount root\\n')", "no filesystem could mount root"),
], ids=["hangs silently", "hangs", "panics", "refuses", "goes off", "has no room", "speaks when asked to"])
def test_a_boot_that_fails_says_why(guests, body, said):
    guests.emulator(body)
    printed = guests.run("steady", "-k", "last_one", "--boot-limit", "1", code=3)
    assert said in printed, printed
    assert set(guests.tree.verdicts().values()) == {"broken"}


def test_a_kernel_that_comes_up_when_it_is_looked_into_has_another_try(guests):
    guests.emulator(f"""
tries = open({str(guests.folder / 'tries')!r}, "a")
tries.write("x")
tries.flush()
if tries.tell() == 1:
    time.sleep(60)
""" + PASS_ALL)
    guests.run("steady", "--boot-limit", "2")
    assert set(guests.tree.verdicts().values()) == {"pass"} and len(guests.tree.records()) == STEADY
    assert (guests.folder / "tries").read_text() == "xxx"


def test_a_kernel_that_dies_costs_the_clause_that_killed_it_and_no_other(guests):
    guests.emulator(HELLO + """
for n, tests in jobs:
    s.say(f'begin {n} ms=1', f'line {n} #  RUN           {tests[0]} ...')
send(s.data)
if any('last_one' in tests[0] or 'nobody' in tests[0] for _, tests in jobs) and 'last_one' in plan:
    sys.exit(0)
s.data = b""
for n, tests in jobs:
    s.say(f'line {n} ok 1 {tests[0]}').run(n, *tests[1:], first=2).end(n)
send(s.say(f'bye jobs={len(jobs)} ms=9').data)
""")
    guests.run("steady", "-k", "last_one or nobody", code=1)
    assert guests.tree.verdicts() == {"the_last_one_holds": "panic", "nobody_holds_it_as_well": "pass"}
    assert len(guests.described()["nonces"]) >= 2, "suspects are run alone"


def test_a_kernel_that_only_clauses_together_can_kill_is_not_green(guests):
    guests.emulator(DIES_OF_TWO)
    guests.run("steady", "-k", "last_one or nobody", code=1)
    assert set(guests.tree.verdicts().values()) == {"panic"}
    assert "no one of them kills it alone" in guests.tree.records()[0]["why"]


def test_a_kernel_that_the_emulator_kills_costs_no_clause_its_verdict(guests):
    guests.emulator(DIES_OF_TWO + """
if len(jobs) > 1:
    send(b"[    4.93] Oops: int3: 0000 [#1] PREEMPT SMP NOPTI\\n[    4.94] RIP: 0010:get_page_from_freelist+0xa1/0x16e0\\n")
    send(b"[    4.95] ---[ end trace 0000000000000000 ]---\\n[    4.96] CR2: 00007ffcef42b8c8 CR3: 000000009ff14000\\n")
    send(b"[    4.97] Kernel panic - not syncing: Fatal exception in interrupt\\n")
""")
    guests.run("steady", "-k", "last_one or nobody")
    assert set(guests.tree.verdicts().values()) == {"pass"}
    assert "ran code of the kernel that had been rewritten" in str(guests.described()["notes"])


def test_a_missing_emulator_names_the_one_command_that_mends_it(guests):
    environ = {"PATH": str(guests.folder / "bin")}
    printed = guests.run("steady", code=3, env=environ)
    assert f"is missing: apt-get install -y --no-install-recommends {abis.load(ROOT, ABI).qemu_package}" in printed


def test_an_interrupted_run_leaves_its_results_and_no_machine(guests):
    guests.emulator(HELLO + """
n, tests = jobs[0]
send(s.say(f'begin {n} ms=1').run(n, tests[0]).say(f'line {n} #  RUN           x ...').data)
time.sleep(60)
""")
    process = guests.start("steady", start_new_session=True,
                           preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
    deadline = time.monotonic() + 30
    while not any(path.stat().st_size for path in (guests.tree.path / "results").glob("2*/results.jsonl")):
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGINT)
    process.communicate(timeout=30)
    assert process.returncode == 130 and json.loads(guests.tree.latest("run.json").read_text())["interrupted"]
    assert len(guests.tree.records()) == 1
    left = subprocess.run(["pgrep", "-f", f"{guests.folder}/bin/"], capture_output=True, text=True)
    assert left.stdout == ""


@pytest.mark.parametrize("word,said", [
    ("qemu:x86_64", "it must read qemu:<abi>:<kernel file>"), ("qemu", "it must read qemu:<abi>:<kernel file>"),
    ("qemu:x86_46:bzImage", "did you mean x86_64"), ("qemu:x86_64@i386:bzImage", "a kernel of i386 runs no programs of x86_64"),
    ("qemu:x86_64:bzimage", "did you mean bzImage?"), ("qmeu:x86_64:bzImage", "did you mean"),
    ("debian:6.1", "it must read debian:<version glob>:<abi>")])
def test_wrong_words_are_usage_errors(guests, word, said):
    guests.target = word.replace("bz", f"{guests.folder}/bz")
    assert said in guests.run("steady", code=2)


def bzimage(folder, size: int):
    """An x86 kernel's header that promises 12 KiB, in a file of a given size."""
    data = bytearray(size)
    struct.pack_into("<B", data, 0x1F1, 3)
    struct.pack_into("<I", data, 0x1F4, 10 << 6)
    data[0x202:0x206] = b"HdrS"
    path = folder / "bzImage"
    path.write_bytes(data)
    return path


def test_a_truncated_kernel_is_told_from_a_whole_one(tmp_path):
    kernelfile.check(bzimage(tmp_path, 12 << 10), "x86_64")
    with pytest.raises(UsageError, match="is truncated: 12000 bytes of the 12288 that its header .bzImage. names"):
        kernelfile.check(bzimage(tmp_path, 12000), "x86_64")
    with pytest.raises(UsageError, match="is a bzImage of x86, not of arm64"):
        kernelfile.check(bzimage(tmp_path, 12 << 10), "arm64")


def test_a_kernel_that_falls_silent_after_hello_is_ended(fake, tmp_path, monkeypatch):
    """Bytes that are none of the stream's do not count as life: a kernel can complain for ever."""
    guests = Guests(fake, tmp_path)
    guests.emulator(HELLO + "\nsend(s.data)\nwhile True:\n    send(b'soft lockup\\n')\n    time.sleep(0.05)")
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/bin:/bin")
    abi = abis.load(ROOT, ABI)
    machine = qemu.Vm("guest", fake.path, abi, {}, guests.kernel, qemu.Options(accel="tcg"), {}, None)
    begin = time.monotonic()
    lines = list(machine.start("osprim-plan 1\nnonce 1f2e3d4c\nend\n", tmp_path, 0.5))
    assert time.monotonic() - begin >= 0.5 and b"soft lockup\n" in lines
    assert machine.last_words() == "silent for 0 s: the kernel hangs"
