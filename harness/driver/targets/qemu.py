# SPDX-License-Identifier: GPL-2.0-only
"""A kernel in QEMU: the executor as its init, its serial console as the stream. No disk, no network, no modules."""

import hashlib
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from math import inf
from pathlib import Path

from harness.driver import abis, accel, catalogue, initramfs, kernelfile, tsc
from harness.driver.abis import Abi
from harness.driver.nearest import UsageError, did_you_mean
from harness.driver.stream import printable
from harness.driver.targets import Machine, Target, file_name, read_lines

BOOT_SECONDS = 90      # for a kernel to say hello; a loaded machine that emulates may need half of it
LOOK_SECONDS = 30      # for a second boot that is to say why the first said nothing
OFF_SECONDS = 1        # for a machine to go off after its executor's last word: it holds nothing that could be lost
LAST_LINES = 6         # of a console, in the reason of a failed boot
KEPT_LINES = 40        # of a console before the first frame
GATHER_SECONDS = 0.005 # between two looks at a console, which QEMU writes byte by byte

# In the gigabyte that QEMU takes for translated code, looking up costs more than translating again what 256 MiB do not hold.
TCG = "tcg,tb-size=256"

# A kernel that has oopsed may hold a lock for ever, one that has found a bad page (taint 5) gives out others' memory: it
# ends, and what is left runs after another boot. What the kernel does not clear for a program must show, and not be hidden
# by clearing all memory whenever it is taken, as Debian's does; that costs a guest a tenth of its time besides.
ALWAYS = "panic=-1 oops=panic panic_on_taint=0x20 init_on_alloc=0"
QUIET = f"{ALWAYS} loglevel=1"   # 0 would hide panics as well; what is not an emergency is read from /dev/kmsg
LOUD = f"{ALWAYS} loglevel=7"


@dataclass(frozen=True)
class Options:
    """What a user may change of every virtual machine of a run."""

    append: str = ""                # kernel parameters, after ours
    cpu: str = ""
    qemu_args: tuple[str, ...] = ()
    config: Path | None = None      # the kernel's configuration, plain text
    memory: str = ""
    smp: int = 0
    accel: str = "auto"             # auto, tcg, kvm
    boot_limit: float = BOOT_SECONDS
    refresh: bool = False           # fetch Debian's indexes anew


def argv(abi: Abi, kernel: Path, initrd: Path, parameters: str, options: Options, accelerator: str) -> list[str]:
    """The whole command line of one boot."""
    machine = list(abi.qemu)
    cpu = options.cpu or ("host" if accelerator == "kvm" else "")
    if cpu and "-cpu" in machine:
        machine[machine.index("-cpu") + 1] = cpu
    elif cpu:
        machine += ["-cpu", cpu]
    words = (f"console={abi.console}", parameters, abi.append, _clock(abi, accelerator), options.append)
    append = " ".join(filter(None, words))
    return [*machine, "-accel", TCG if accelerator == "tcg" else accelerator, "-smp", str(options.smp or abi.cpus),
            "-m", options.memory or _memory(abi, initrd), "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
            "-serial", "stdio", "-kernel", str(kernel), "-initrd", str(initrd), "-append", append, *options.qemu_args]


def _clock(abi: Abi, accelerator: str) -> str:
    """The rate of the counter that a guest trusts for its clocks, where QEMU hands this machine's on."""
    return f"tsc_early_khz={tsc.khz()}" if accelerator == "tcg" and "tsc=reliable" in abi.append and tsc.khz() else ""


def _memory(abi: Abi, initrd: Path) -> str:
    """Room for the archive and for what is unpacked from it, which may take half of all (rootfs is a tmpfs)."""
    size = 3 * initrd.stat().st_size >> 20 if initrd.exists() else 0
    return f"{abi.memory + -(-size // 256) * 256}M"


@dataclass
class Boot:
    """What one start of QEMU came to."""

    hello: bool = False
    timed_out: bool = False
    console: list[str] = field(default_factory=list)    # its last lines
    seconds: float = 0.0
    code: int = 0
    stderr: str = ""

    @property
    def said_nothing(self) -> bool:
        """True if it began, and neither kernel nor executor said a word."""
        return not (self.hello or self.console or (self.code > 0 and self.stderr))


class Vm:
    """One kernel. Each round is a boot; the machine is gone when the round's lines have ended."""

    own_kernel = True

    def __init__(self, name: str, root: Path, abi: Abi, tools: dict[str, Abi], kernel: Path, options: Options,
                 facts: dict, config: Path | None):
        """name: of its logs; abi: the kernel's; tools: the architectures it may run; facts: for run.json."""
        self.name, self.root, self.abi, self.tools = name, root, abi, tools
        self.kernel, self.options, self.facts, self.kernel_config = kernel, options, dict(facts), config
        self.config = initramfs.CONFIG if config else ""
        self.accelerator = self._choose_accelerator()
        self.slow = abi.slow if self.accelerator == "tcg" else 1
        self.parallel = 2 * (options.smp or abi.cpus)
        self.booting_since = 0.0    # monotonic; 0 while it does not boot
        self._process: subprocess.Popen | None = None
        self._stopped = False
        self._words = ""

    def start(self, plan: str, logs: Path, silence: float) -> Iterator[bytes]:
        """See Machine. The plan, QEMU's errors and a failed boot's console stay beside the raw log."""
        (logs / f"{self.name}.plan").write_text(plan)
        if self.kernel_config:
            shutil.copyfile(self.kernel_config, logs / f"{self.name}.config")
        nonce = plan.partition("\nnonce ")[2][:8].encode()
        self._words = ""
        with tempfile.NamedTemporaryFile(prefix="osprim-initramfs-") as archive:
            try:
                initramfs.write(archive, self.root, self.root / "build" / self.abi.name / "executor", plan,
                                self.kernel_config, self.tools)
                initramfs.fit(archive, self.abi.initramfs << 20)
                archive.flush()
            except OSError as error:
                raise OSError(error.errno, error.strerror, error.filename or archive.name) from None
            initrd = Path(archive.name)
            boot = Boot()
            limit = min(self.options.boot_limit, accel.PROBE_SECONDS) if self._is_probe else self.options.boot_limit
            yield from self._boot(boot, initrd, QUIET, limit, nonce, silence)
            if self._is_probe and not boot.hello and not self._stopped:
                accel.remember_failure(self.abi)
                self.accelerator, self.slow, boot = "tcg", self.abi.slow, Boot()
                yield from self._boot(boot, initrd, QUIET, self.options.boot_limit, nonce, silence)
            look = Boot()
            if boot.said_nothing and not self._stopped:
                look = self._look_closer(initrd, nonce)
                if look.hello and not self._stopped:    # an emulator may lose a kernel that rewrites its own code
                    boot = Boot()
                    yield from self._boot(boot, initrd, QUIET, self.options.boot_limit, nonce, silence)
            if not self._stopped:
                self._words = self._told(boot, look, logs, silence)

    @property
    def is_emulated(self) -> bool:
        """See Machine."""
        return self.accelerator == "tcg"

    def stop(self) -> None:
        """See Machine: a guest holds nothing that must be put back."""
        self._stopped = True
        if self._process and self._process.poll() is None:
            self._process.kill()

    def last_words(self) -> str:
        """See Machine."""
        return self._words

    def described(self) -> dict:
        """See Machine: the kernel's file, package and hash, and QEMU's command line."""
        config = {"file": "", "source": "", "sha256": ""}
        if self.kernel_config:
            config = {"file": f"logs/{self.name}.config", "source": str(self.kernel_config),
                      "sha256": hash_of(self.kernel_config)}
        return {"kernel": self.facts | {"sha256": hash_of(self.kernel)}, "config": config,
                "qemu": self._argv(Path("INITRAMFS"), QUIET)}

    @property
    def _is_probe(self) -> bool:
        return self.options.accel == "auto" and self.accelerator == "kvm"

    def _choose_accelerator(self) -> str:
        if self.options.accel != "auto":
            return self.options.accel
        return "kvm" if accel.worth_a_probe(self.abi) else "tcg"

    def _argv(self, initrd: Path, parameters: str) -> list[str]:
        return argv(self.abi, self.kernel, initrd, parameters, self.options, self.accelerator)

    def _boot(self, boot: Boot, initrd: Path, parameters: str, limit: float, nonce: bytes,
              silence: float) -> Iterator[bytes]:
        """Runs QEMU until it ends, or says no hello within limit, or nothing more of the stream within silence."""
        begin = self.booting_since = time.monotonic()
        deadline = begin + limit
        mark = b"@" + nonce
        with tempfile.TemporaryFile() as stderr:
            self._process = process = spawn(self._argv(initrd, parameters), stderr)
            try:
                if self._stopped:
                    process.kill()
                for line in read_lines(process.stdout.fileno(), inf, lambda: deadline, GATHER_SECONDS):
                    if line.startswith(mark):
                        self.booting_since = 0.0
                        boot.hello = boot.hello or b" hello " in line
                        deadline = time.monotonic() + (OFF_SECONDS if b" bye " in line else silence)
                    elif text := printable(line.rstrip(b"\r\n")):
                        boot.console = [*boot.console[-KEPT_LINES + 1:], text]
                    yield line
                _wait_for_the_end(process)
            except TimeoutError:
                boot.timed_out = True
            finally:
                self.booting_since = 0.0
                process.kill()
                boot.code = process.wait()
                process.stdout.close()
                boot.seconds = time.monotonic() - begin
                stderr.seek(0)
                boot.stderr = printable(b" / ".join(stderr.read(1500).strip().splitlines()[-3:]))

    # Why a stream ended.

    def _told(self, boot: Boot, look: Boot, logs: Path, silence: float) -> str:
        if boot.code > 0 and boot.stderr:
            return f"{self.abi.qemu_binary} ended with {boot.code}: {boot.stderr}"
        if boot.hello:
            return f"silent for {silence:.0f} s: the kernel hangs" if boot.timed_out else "the kernel went away"
        said = self._verdict_of(boot)
        if not boot.console:
            boot = look
        log = logs / f"{self.name}.boot.log"
        log.write_text("\n".join(boot.console) + "\n")
        if not boot.console:
            return f"{said}; nor with loglevel=7: {self._why_no_console()}"
        return f"{said}; its console ends with: " + " / ".join(boot.console[-LAST_LINES:])[-700:]

    def _verdict_of(self, boot: Boot) -> str:
        panic = next((line for line in boot.console if "Kernel panic" in line), "")
        if panic:
            return f"the kernel died at boot: {panic[panic.index('Kernel panic'):]}"
        if boot.timed_out and not boot.console:
            return f"the kernel said nothing on its console in {boot.seconds:.0f} s"
        if boot.timed_out:
            return f"the kernel did not come as far as its init in {boot.seconds:.0f} s"
        return f"the machine went off after {boot.seconds:.1f} s without the executor's hello"

    def _look_closer(self, initrd: Path, nonce: bytes) -> Boot:
        """A second boot that speaks, up to its hello: the first was silent so that no line of it is torn."""
        boot = Boot()
        with closing(self._boot(boot, initrd, f"{LOUD} {self.abi.early}", min(LOOK_SECONDS, self.options.boot_limit), nonce,
                                LOOK_SECONDS)) as lines:
            for _ in lines:
                if boot.hello:
                    break
        return boot

    def _why_no_console(self) -> str:
        wanted = self.abi.console_config
        if self.kernel_config and wanted and f"\n{wanted}=y" not in self.kernel_config.read_text(errors="replace"):
            return f"it is built without {wanted}, so it has no serial console"
        return f"it needs {wanted or 'a serial console'} ({self.abi.console}) and CONFIG_BLK_DEV_INITRD built in"


def hash_of(path: Path) -> str:
    """SHA-256 of a file, "" if it is not there."""
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else ""


def spawn(command: list[str], stderr) -> subprocess.Popen:
    """Starts QEMU so that it dies with the calling thread, hears no terminal and writes its console to a pipe."""
    tied = ["setpriv", "--pdeathsig", "KILL"] if shutil.which("setpriv") else []
    return subprocess.Popen([*tied, *command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=stderr,
                            start_new_session=True)


def _wait_for_the_end(process: subprocess.Popen) -> None:
    """Gives a machine that has closed its console the time to end by itself, as it does after a power-off."""
    try:
        process.wait(OFF_SECONDS)
    except subprocess.TimeoutExpired:
        pass


# The words of a command line.

def resolve(root: Path, word: str, options: Options, machines: dict[str, Machine]) -> list[Target]:
    """The target that "qemu:<abi>:<kernel file>" names. Raises UsageError."""
    parts = word.split(":", 2)
    if len(parts) != 3 or not all(parts):
        raise UsageError(f"{word} is no target: it must read qemu:<abi>:<kernel file>, as in qemu:x86_64:bzImage")
    programs, abi = abis_of(root, parts[1])
    kernel = Path(parts[2]).expanduser()
    if not kernel.is_file():
        raise UsageError(f"no kernel file {kernel}{did_you_mean(kernel.name, _files_beside(kernel))}")
    kernelfile.check(kernel, abi.name)
    facts = {"file": str(kernel.resolve())}
    machine = machine_for(machines, f"qemu-{abi.name}-{kernel.name}", root, abi, kernel, options, facts)
    return [Target(word, "qemu", programs.name, machine, lacking(root, abi, programs))]


def abis_of(root: Path, word: str) -> tuple[Abi, Abi]:
    """(programs', kernel's) of "x86_64" or "i386@x86_64". Raises UsageError."""
    programs, _, kernel = word.partition("@")
    of_programs, of_kernel = abis.load(root, programs), abis.load(root, kernel or programs)
    if not abis.runs(of_programs, of_kernel):
        raise UsageError(f"{word}: a kernel of {kernel} runs no programs of {programs}")
    return of_programs, of_kernel


def machine_for(machines: dict[str, Machine], name: str, root: Path, abi: Abi, kernel: Path, options: Options,
                facts: dict, config: Path | None = None) -> Machine:
    """The machine of a kernel file: the one that another target has already, or a new one under a name of its own."""
    for known in machines.values():
        if isinstance(known, Vm) and known.kernel == kernel and known.abi == abi:
            return known
    name = file_name(name)
    while name in machines:
        name += "+"
    config = options.config or config or kernelfile.config_of(kernel)
    tools = {other.name: other for other in map(lambda one: abis.load(root, one), abis.names(root))
             if abis.runs(other, abi)}
    machines[name] = Vm(name, root, abi, tools, kernel, options, facts, config)
    return machines[name]


def lacking(root: Path, abi: Abi, programs: Abi) -> str:
    """What is missing before programs of an ABI can run on a kernel of an ABI, with the mend; "" if nothing is."""
    if not shutil.which(abi.qemu_binary):
        return f"{abi.qemu_binary} is missing: apt-get install -y --no-install-recommends {abi.qemu_package}"
    for needed, of in ((f"build/{abi.name}/executor", abi), (f"build/{programs.name}/suites", programs)):
        if not (root / needed).exists():
            return f"{needed} is missing: make ABIS={of.name} programs"
    return catalogue.launcher_of(root, programs.name)[1]


def _files_beside(path: Path) -> list[str]:
    try:
        return os.listdir(path.parent)
    except OSError:
        return []
