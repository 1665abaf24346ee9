# SPDX-License-Identifier: GPL-2.0-only
"""The house rules that a machine can see: sources of clauses, confinement of architectures, sizes, headers."""

import json
import re
import subprocess
from pathlib import Path

import pytest

from harness.driver.targets.host import native_abis

ROOT = Path(__file__).resolve().parent.parent
ABIS = [abi for abi in native_abis(ROOT) if (ROOT / "build" / abi / "suites").is_dir()]

# What is longer, and why one would defend it.
LONGER_ON_PURPOSE: dict[str, str] = {}

NEEDS = re.compile(r"root|own_machine|thp|64bit|32bit|compat|native|cap=[a-z_]+|cpus=[0-9]+|cpu=[a-z0-9_]+|file=/\S+")
USERS = re.compile(r"(go|glibc|musl|jvm|dotnet|v8|rust|tcmalloc|jemalloc|ocaml|erlang|cpython|libuv|criu|runc):[A-Za-z0-9_.:()+-]+")
ARCH_MACRO = re.compile(r"\b__(x86_64|i386|i686|amd64|aarch64|arm|powerpc|powerpc64|ppc|s390x?|riscv|mips|mips64|loongarch)\w*__\b")
SLEEP = re.compile(r"\b(sleep|usleep|nanosleep)\((?!\d\))")


def tracked(*patterns: str) -> list[Path]:
    """The files of the project that match, those not yet committed included."""
    names = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", *patterns],
                           cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    return [ROOT / name for name in names if (ROOT / name).is_file()]


def clauses() -> list[dict]:
    """Every clause of every program as the program itself prints it, with its program's path added."""
    found = []
    for abi in ABIS:
        for source in tracked("suites/*/*.c"):
            program = ROOT / "build" / abi / source.relative_to(ROOT).with_suffix("")
            if program.exists():
                listing = subprocess.run([program, "--clauses=json"], capture_output=True, text=True, check=True).stdout
                found += [json.loads(line) | {"program": f"{source.parent.name}/{source.stem}", "abi": abi}
                          for line in listing.splitlines()]
    return found


CLAUSES = clauses()


def name_of(clause: dict) -> str:
    return f"{clause['abi']}:{clause['program']}/{clause['name']}"


def offenders(good) -> list[str]:
    return [name_of(clause) for clause in CLAUSES if not good(clause)]


def test_there_are_clauses():
    assert len(CLAUSES) > 100


def test_each_clause_has_a_source_and_a_statement():
    source = re.compile(r"(\S+\(\d\w*\)|\S+\.(c|h|S|rst|txt|tbl)\b|POSIX|psABI|System V|commit [0-9a-f]{12}|uapi|ELF|arch/generic)")
    assert not offenders(lambda c: ": " in c["text"] and source.search(c["text"].split(": ", 1)[0])
                         and len(c["text"].split(": ", 1)[1]) > 12)


def test_names_are_sentences():
    assert not offenders(lambda c: c["name"].count("_") >= 2 and len(c["name"]) <= 100)


def test_ids_are_unique():
    names = [name_of(clause) for clause in CLAUSES]
    assert sorted(set(names)) == sorted(names)


def test_needs_are_words_that_need_h_knows():
    assert not offenders(lambda c: all(NEEDS.fullmatch(word) for word in c["needs"].split()))


def test_users_are_runtimes_with_an_item():
    assert not offenders(lambda c: all(USERS.fullmatch(word) for word in c["needed_by"].split()))


def test_commits_are_twelve_digits_and_a_subject():
    assert not offenders(lambda c: not c["commit"] or re.fullmatch(r"[0-9a-f]{12} .{8,}", c["commit"]))


def test_what_changes_the_machine_is_alone_on_it():
    assert not offenders(lambda c: not c["writes"] or c["exclusive"])


def test_file_and_line_point_at_the_clause():
    def points(clause: dict) -> bool:
        lines = (ROOT / clause["file"]).read_text().splitlines()
        return re.match(r"\s*CLAUSE(_F)?\(|[A-Z_]+\(", lines[clause["line"] - 1]) is not None
    assert not offenders(points)


@pytest.mark.parametrize("path", tracked("*.c", "*.h", "*.S", "*.py", "*.sh", "Makefile", ".ci/run"), ids=lambda p: str(p.relative_to(ROOT)))
def test_file_opens_with_its_licence_and_its_purpose(path: Path):
    lines = [line for line in path.read_text().splitlines()[:4] if not line.startswith("#!")]
    assert "SPDX-License-Identifier: GPL-2.0-only" in lines[0]
    assert len(lines[1].strip('/#"* ')) > 15, "the second line says what the file is for"


@pytest.mark.parametrize("path", tracked("*.c", "*.h", "*.S", "*.py"), ids=lambda p: str(p.relative_to(ROOT)))
def test_file_fits_in_a_head(path: Path):
    limit = 400 if path.suffix == ".py" else 600
    assert len(path.read_text().splitlines()) <= limit or str(path.relative_to(ROOT)) in LONGER_ON_PURPOSE


def lines_matching(pattern: re.Pattern, paths: list[Path], pardon: str = "\0") -> list[str]:
    return [f"{path.relative_to(ROOT)}:{number}: {line.strip()}" for path in paths
            for number, line in enumerate(path.read_text().splitlines(), 1)
            if pattern.search(line) and pardon not in line]


def test_architectures_are_named_in_arch_alone():
    assert not lines_matching(ARCH_MACRO, tracked("suites/*.c", "suites/*.h", "harness/*.c", "harness/*.h"))


def test_nothing_sleeps_to_synchronise():
    assert not lines_matching(SLEEP, tracked("suites/*.c", "suites/*.h"), pardon="time is the subject")


def test_no_clause_asks_for_the_kernel_version():
    assert not lines_matching(re.compile(r"kernel_release\(|\buname\("), tracked("suites/*.c", "suites/*.h"), pardon="uname is the subject")


def test_no_path_of_one_machine():
    text = tracked("*.c", "*.h", "*.S", "*.py", "*.sh", "*.md", "*.toml", "*.json", "Makefile")
    assert not lines_matching(re.compile(r"/work/|/root/|/home/\w|/var/tmp/(?!osprim)"), [p for p in text if p != Path(__file__).resolve()])
