# SPDX-License-Identifier: GPL-2.0-only
"""`runner.py doctor`: what this machine can run, what is missing, and the one command that mends it."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from harness.driver import facts, verdict
from harness.driver.targets import find_all


def examine(root: Path) -> int:
    """Prints a line per finding; returns 0 if every target of this host is ready, 3 otherwise."""
    packages: list[str] = []
    ready = True
    uname = os.uname()
    print(f"kernel    {uname.release} {uname.machine}, {len(os.sched_getaffinity(0))} CPUs, {_config()}")
    print(f"user      uid {os.geteuid()}{'' if os.geteuid() == 0 else ': clauses that need root are skipped'}")
    print(f"kmsg      {_kmsg()}")
    if closed := facts.closed_to_others(root):
        print(f"place     clauses without privilege cannot be started, {closed} is closed to them: chmod o+x {closed}")
    for tool, package, why in (("make", "make", "builds the programs"), ("gcc", "gcc", "builds the programs")):
        _say(tool, shutil.which(tool) or "", package, why, packages)
    compiles32 = uname.machine != "x86_64" or not shutil.which("gcc") or _compiles("-m32")
    _say("gcc -m32", "works" if compiles32 else "", _multilib(), "builds the 32-bit programs", packages)
    _say("pytest", _module("pytest"), "python3-pytest", "runs the clauses", packages)
    _say("hypothesis", _module("hypothesis"), "python3-hypothesis", "runs osprim's own tests: make check", packages)
    _say("jinja2", _module("jinja2"), "python3-jinja2", "writes the HTML page: ./runner.py report", packages)
    for target in find_all(root).values():
        lacks = target.lacks or _cannot_execute(root / "build" / target.abi / "executor")
        print(f"target    {target.name}: {lacks or 'ready'}")
        ready = ready and not lacks
    more = _machines(root)
    if more:
        print(f"more      apt-get install -y --no-install-recommends {' '.join(more)}")
    if packages:
        print(f"mend      apt-get install -y --no-install-recommends {' '.join(packages)}")
    return verdict.EXIT_EXPECTED if ready and _module("pytest") else verdict.EXIT_UNTESTED


def _multilib() -> str:
    """Debian's package of the 32-bit half of the compiler. gcc-multilib is it too, but bars every cross compiler."""
    import subprocess
    try:
        version = subprocess.run(["gcc", "-dumpversion"], capture_output=True, text=True).stdout
    except OSError:
        version = ""
    return f"gcc-{version.partition('.')[0].strip() or '12'}-multilib"


def _machines(root: Path) -> list[str]:
    """Tells of each architecture what `run debian:...` on it lacks; returns the packages that mend it."""
    from harness.driver import abis
    wanted: list[str] = []
    for name in abis.names(root):
        abi = abis.load(root, name)
        native = os.uname().machine in abi.runs_on
        compiler, emulator = f"{abi.triplet}-gcc", f"{abi.qemu_user}-static"
        missing = [] if shutil.which(abi.qemu_binary) else [(abi.qemu_binary, [abi.qemu_package])]
        if not native and not shutil.which(compiler):
            packages = [f"gcc-{abi.triplet.replace('_', '-')}", f"libc6-dev-{abi.debian}-cross"]
            missing.append((compiler, packages))
        if not native and not shutil.which(emulator) and not shutil.which(abi.qemu_user):
            missing.append((emulator, ["qemu-user-static"]))
        told = f"missing {' '.join(tool for tool, _ in missing)}" if missing else "ready"
        if not missing and not (root / "build" / name / "suites").is_dir():
            told = f"not built: make ABIS={name} programs"
        print(f"in QEMU   {name}: {told} (debian:VERSION:{name}, ./runner.py kernels --abi {name})")
        wanted += [package for _, packages in missing for package in packages if package not in wanted]
    return wanted


def _say(name: str, found: str, package: str, why: str, packages: list[str]) -> None:
    print(f"{name:<9} {found or f'missing: {why}'}")
    if not found:
        packages.append(package)


def _config() -> str:
    for path in ("/proc/config.gz", f"/boot/config-{os.uname().release}"):
        if os.access(path, os.R_OK):
            return f"configuration {path}"
    return "no configuration at hand: clauses that depend on one are absent"


def _kmsg() -> str:
    try:
        os.close(os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK))
        return "readable: reports of the kernel count as panic"
    except OSError as error:
        return f"not readable ({error.strerror}): reports of the kernel go unseen"


def _module(name: str) -> str:
    from importlib.util import find_spec
    spec = find_spec(name)
    return str(spec.origin) if spec else ""


def _compiles(flag: str) -> bool:
    with tempfile.TemporaryDirectory() as scratch:
        source = Path(scratch, "a.c")
        source.write_text("#include <stdio.h>\nint main(void) { return 0; }\n")
        argv = ["gcc", flag, "-static", "-o", f"{scratch}/a", source]
        return subprocess.run(argv, capture_output=True).returncode == 0


def _cannot_execute(executor: Path) -> str:
    """Why this kernel does not run a built executor, "" if it does or if there is none to try."""
    if not executor.exists():
        return ""
    try:
        subprocess.run([executor, "/dev/null"], capture_output=True, timeout=10)
        return ""
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{executor.name} does not run: {getattr(error, 'strerror', error)}"
