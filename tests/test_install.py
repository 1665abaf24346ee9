# SPDX-License-Identifier: GPL-2.0-only
"""`make install`: a tree of kselftest's shape whose run_kselftest.sh takes kselftest's options and says what jobs look for."""

import re
import subprocess

import pytest
from conftest import ABI, ROOT


@pytest.fixture(scope="module")
def installed(built, tmp_path_factory):
    """The install tree of a repository with small suites."""
    into = tmp_path_factory.mktemp("installed")
    subprocess.run(["make", "-s", "-C", built.path, f"ABIS={ABI}", f"KSELFTEST={ROOT}/build/kselftest", f"INSTALL_PATH={into}", "install"],
                   check=True, capture_output=True, text=True)
    return into


def run(tree, *words: str, code: int = 0) -> str:
    """Runs run_kselftest.sh; what it printed."""
    done = subprocess.run([tree / "run_kselftest.sh", *words], capture_output=True, text=True, timeout=30, stdin=subprocess.DEVNULL, cwd="/")
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_the_tree_has_kselftests_shape(installed):
    assert (installed / "kselftest-list.txt").read_text().split() == ["osprim-steady:room", "osprim-waits:minute", "osprim-words:all"]
    assert (installed / "osprim-steady/settings").read_text().startswith("timeout=")
    assert run(installed, "--list") == (installed / "kselftest-list.txt").read_text()


def test_two_suites(installed):
    text = run(installed, "-c", "osprim-steady", "-c", "osprim-words", code=1)
    lines = text.splitlines()
    assert lines[:2] == ["TAP version 13", "1..2"] and lines[-1] == "# Totals: pass:1 fail:1 xfail:0 xpass:0 skip:0 error:0"
    assert "ok 1 selftests: osprim-steady: room" in lines and any(line.startswith("not ok 2 selftests: osprim-words: all") for line in lines)
    assert "# # selftests" not in text and "# ok 1 " in text and "# selftests: osprim-steady: room" in lines
    results = [line for line in lines if re.match(r"(not )?ok ", line)]
    assert [line.split(" selftests")[0] for line in results] == ["ok 1", "not ok 2"]


def test_its_options(installed, tmp_path):
    assert "ok 1 selftests: osprim-steady: room" in run(installed, "-t", "osprim-steady:room", "-o", "30")
    assert "1..1" in run(installed, "-f", "-c", "osprim-words") and "not ok 1" in run(installed, "-f", "-t", "osprim-words:all")
    assert "1..2" in run(installed, "-S", "osprim-waits:minute", "-d")
    assert run(installed, "-s", "-t", "osprim-steady:room").count("\n") == 4 and "# ok 1" in (installed / "output.log").read_text()
    run(installed, "-p", str(tmp_path), "-t", "osprim-steady:room")
    assert "# ok 1" in (tmp_path / "room").read_text()


@pytest.mark.parametrize("words,said", [(["-c", "osprim-x"], "No such collection 'osprim-x'"), (["-t", "osprim-steady:x"], "No such test"), (["-z"], "Usage")])
def test_wrong_words(installed, words, said):
    assert said in run(installed, *words, code=1)


def test_a_test_that_hangs_is_ended(installed):
    text = run(installed, "-t", "osprim-waits:minute", "-o", "1", code=1)
    assert "not ok 1 selftests: osprim-waits: minute # TIMEOUT 1 seconds" in text


def test_output_that_goes_to_a_file_is_whole(installed, tmp_path):
    """The kernel's own script loses lines there, for it opens /dev/stdout anew."""
    with open(tmp_path / "log", "w") as log:
        subprocess.run([installed / "run_kselftest.sh", "-c", "osprim-steady"], stdout=log, check=True, timeout=60)
    text = (tmp_path / "log").read_text()
    assert text.startswith("TAP version 13\n1..1\n") and text.rstrip().endswith("error:0") and text.count("# ok ") == 5


def test_without_a_path_the_mend_is_named(built):
    done = subprocess.run(["sh", "harness/kselftest/install.sh", "", ABI], cwd=built.path, capture_output=True, text=True)
    assert done.returncode == 2 and "INSTALL_PATH=DIR" in done.stderr
