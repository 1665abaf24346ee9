# SPDX-License-Identifier: GPL-2.0-only
"""Debian's indexes, sets of targets, shards, merging, and the initramfs: all that needs no virtual machine."""

import gzip
import io
import json
import shutil
import subprocess

import pytest
from conftest import ROOT, TARGET

from harness.driver import abis, apt, cpio, initramfs, kernels, matrix, shard
from harness.driver.nearest import UsageError


def package(name: str, version: str, size: int = 30 << 20) -> str:
    """A paragraph of a Packages file."""
    return f"Package: {name}\nVersion: {version}\nSize: {size}\nSHA256: {name}\nDescription: x\n more\n\n"


PACKAGES = "".join((
    package("bash", "5.2"), package("linux-image-6.1.0-50-cloud-amd64", "6.1.176-1"),
    package("linux-image-6.1.0-50-amd64", "6.1.176-1"), package("linux-image-6.1.0-51-cloud-amd64", "6.1.180-1"),
    package("linux-image-6.1.0-51-cloud-amd64-dbg", "6.1.180-1"), package("linux-image-6.1.0-51-amd64-unsigned", "6.1.180-1"),
    package("linux-image-amd64", "6.1.180-1"), package("linux-image-5.10.0-9-rt-amd64", "5.10.99-1"),
    package("linux-image-5.10.0-9-amd64", "5.10.99-1"),
    package("linux-image-7.2.12+deb13-cloud-amd64", "7.2.12-1~bpo13+1", 2000),
    package("linux-binary-7.2.12+deb13-cloud-amd64", "7.2.12-1~bpo13+1", 13 << 20),
    package("linux-base-7.2.12+deb13-cloud-amd64", "7.2.12-1~bpo13+1", 300 << 10),
    package("linux-binary-unsigned-7.3-rc7-cloud-amd64", "7.3~rc7-1~exp1", 13 << 20),
    package("linux-binary-6.19.9+deb13-cloud-amd64", "6.19.9-1~bpo13+1", 13 << 20)))
FOUND = kernels.read(PACKAGES, "sid", "amd64")
FLAVOURS = ("cloud-amd64", "amd64")


def selected(version: str, flavour: str = "") -> list[str]:
    """The first choice of each series."""
    return [f"{found[0].upstream} {found[0].flavour}" for found in kernels.matching(FOUND, version, flavour, FLAVOURS)]


def test_packages_are_read_as_kernels():
    told = {kernel.release: (kernel.package, kernel.config_package) for kernel in FOUND}
    assert told["7.2.12+deb13-cloud-amd64"] == ("linux-binary-7.2.12+deb13-cloud-amd64", "linux-base-7.2.12+deb13-cloud-amd64")
    assert told["6.19.9+deb13-cloud-amd64"][1] == "", "its linux-base is no longer in the archive"
    assert told["6.1.0-51-amd64"][0] == "linux-image-6.1.0-51-amd64-unsigned", "better unsigned than none"
    assert len(FOUND) == 9 and not any("dbg" in release for release in told)


@pytest.mark.parametrize("version,flavour,wanted", [
    ("6.1", "", ["6.1.180 cloud-amd64"]), ("6.1.176", "", ["6.1.176 cloud-amd64"]), ("6.1.0-50", "", ["6.1.176 cloud-amd64"]),
    ("6.1.176-1", "", ["6.1.176 cloud-amd64"]), ("6.*", "", ["6.1.180 cloud-amd64", "6.19.9 cloud-amd64"]),
    ("oldest", "", ["5.10.99 amd64"]), ("newest", "", ["7.3~rc7 cloud-amd64"]), ("oldest", "rt", ["5.10.99 rt-amd64"]),
    ("all", "", ["5.10.99 amd64", "6.1.180 cloud-amd64", "6.19.9 cloud-amd64", "7.2.12 cloud-amd64", "7.3~rc7 cloud-amd64"]),
    ("6.1", "generic", ["6.1.180 amd64"]), ("5.1", "", []), ("6", "", ["6.1.180 cloud-amd64", "6.19.9 cloud-amd64"])])
def test_globs_select_the_newest_of_each_series(version, flavour, wanted):
    assert selected(version, flavour) == wanted


def test_releases_are_split_into_version_and_flavour():
    for release, flavour in {"6.1.0-50-5kc-malta": "5kc-malta", "6.12.43+deb12-5kc-malta": "5kc-malta", "7.2.12+deb13-rt-amd64": "rt-amd64",
                             "6.1.0-0.deb11.22-686-pae": "686-pae", "7.3-rc7-arm64-16k": "arm64-16k"}.items():
        assert kernels._RELEASE.fullmatch(release)[2] == flavour


def test_an_index_that_does_not_verify_takes_no_other_with_it(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    def update(self):
        if self.suite == "sid":
            raise apt.AptError("apt-get update: E: Failed to fetch x File has unexpected size (1 != 2) [IP: 1] Hashes of expected file: y")
    monkeypatch.setattr(apt.AptRoot, "update", update)
    monkeypatch.setattr(apt.AptRoot, "packages", lambda self: PACKAGES)
    index = kernels.index("amd64", ("trixie", "sid"))
    assert index.left_out == ["sid/amd64: cannot fetch x File has unexpected size (1 != 2)"]
    assert {kernel.suite for kernel in index.kernels} == {"trixie"}
    monkeypatch.setattr(apt.AptRoot, "packages", lambda self: pytest.fail("fetched a second time"))
    assert len(kernels.index("amd64", ("trixie", "sid")).kernels) == len(index.kernels)


def test_a_package_with_another_hash_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    deb = tmp_path / "a.deb"

    def download(self, name, folder):
        deb.write_bytes(b"something else")
        return deb
    monkeypatch.setattr(apt.AptRoot, "download", download)
    with pytest.raises(apt.AptError, match="a.deb has another hash than the index says"):
        kernels.fetch(FOUND[0])
    assert not kernels.cached("amd64") and not list((tmp_path / "osprim/kernels").glob("*"))


def test_sets_of_targets_are_checked(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text('about = "x"\n[[row]]\ntarget = ["host"]\n')
    with pytest.raises(UsageError, match="row 1: unknown key target; did you mean targets"):
        matrix.targets_of(path)
    path.write_text('[[row]]\ntargets = ["host", "debian:6.1:x86_64", "host"]\n')
    assert matrix.words_of([str(path), "futex", "-x"], ROOT) == (["host", "debian:6.1:x86_64"], ["futex", "-x"])
    with pytest.raises(UsageError, match="no set is called defualt; did you mean default"):
        matrix.words_of(["defualt"], ROOT)


@pytest.mark.parametrize("name", matrix.sets(ROOT))
def test_our_own_sets_name_architectures_that_there_are(name):
    for word in matrix.targets_of(ROOT / f"fixtures/targets/{name}.toml"):
        kind, version, arch, *_ = word.split(":")
        of_programs, _, of_kernel = arch.partition("@")
        assert kind == "debian" and abis.runs(abis.load(ROOT, of_programs), abis.load(ROOT, of_kernel or of_programs))


@pytest.mark.parametrize("name", abis.names(ROOT))
def test_each_architecture_can_be_a_virtual_machine(name):
    abi = abis.load(ROOT, name)
    assert abi.qemu_package and abi.console_config and abi.image and abi.flavours and "-cpu" in abi.qemu


@pytest.mark.parametrize("text", ["0/3", "4/3", "x", "1/0", "1"])
def test_shards_that_are_none_are_usage_errors(text):
    with pytest.raises(UsageError, match="--shard takes i/n"):
        shard.parse(text)


def test_shards_part_a_run_and_merge_joins_it(tree):
    clauses = []
    for number in (1, 2, 3):
        tree.run("run", "steady", "words", "-k", "room or passes or anywhere or minute", "--shard", f"{number}/3",
                 "--results", f"results/{number}", code=0)
        records = (tree.path / f"results/{number}/latest/results.jsonl").read_text().splitlines()
        clauses += [json.loads(record)["clause"] for record in records]
    assert len(clauses) == len(set(clauses)) and clauses
    runs = [f"results/{number}/latest" for number in (1, 2, 3)]
    assert "part 3/3 is missing" in tree.run("merge", *runs[:2], "-o", "results/two", code=3)
    printed = tree.run("merge", *runs, "-o", "results/all")
    assert f"{TARGET}: {len(clauses)} pass" in printed and f"{len(runs)} runs merged" in printed
    merged = json.loads((tree.path / "results/all/run.json").read_text())
    assert merged["targets"][0]["planned"] == len(clauses) == sum(merged["targets"][0]["verdicts"].values())
    record = json.loads((tree.path / "results/all/results.jsonl").read_text().splitlines()[0])
    assert (tree.path / "results/all" / record["log"]["file"]).exists()
    assert "exists: merge makes a folder of its own" in tree.run("merge", *runs, "-o", "results/all", code=2)
    assert "is no run" in tree.run("merge", "results", "-o", "results/more", code=2)


def archive(*names: str) -> bytes:
    """An archive of small files."""
    out = io.BytesIO()
    writer = cpio.Writer(out)
    for name in names:
        writer.file(name, name.encode())
    writer.device("dev/console", cpio.CONSOLE)
    writer.close()
    return out.getvalue()


@pytest.mark.skipif(not shutil.which("cpio"), reason="cpio is missing: apt-get install -y cpio")
def test_archives_are_what_cpio_reads_and_the_same_each_time(tmp_path):
    data = archive("init", "build/a/b", "build/a/c")
    assert data == archive("init", "build/a/b", "build/a/c") and len(data) % 4 == 0 and data[:6] == b"070701"
    listed = subprocess.run(["cpio", "-t", "--quiet"], input=data, capture_output=True).stdout.decode().split()
    assert listed == ["init", "build", "build/a", "build/a/b", "build/a/c", "dev", "dev/console"]


@pytest.mark.parametrize("most, packed", [(0, False), (3 << 20, False), ((3 << 20) - 1, True)])
def test_an_archive_that_a_machine_cannot_load_is_compressed(most, packed):
    data = bytes(range(256)) * (3 << 12)
    out = io.BytesIO(data)
    initramfs.fit(out, most)
    assert len(out.getvalue()) < 1 << 20 if packed else out.getvalue() == data
    assert (gzip.decompress(out.getvalue()) if packed else out.getvalue()) == data
