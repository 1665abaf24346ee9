# SPDX-License-Identifier: GPL-2.0-only
"""Whole runs that do not go as planned: executors that die or hang, Ctrl-C, two at once, full disks, repetition."""

import json
import os
import pty
import re
import resource
import signal
import subprocess
import time

import pytest
from conftest import ABI, PYTHON, TARGET, needs_root
from conftest import STEADY_CLAUSES as STEADY

from harness.driver import facts
from harness.driver.targets import host

HELLO = "s = Stream(nonce).say(HELLO)"
PASS_ALL = "\n".join((HELLO, "for n, tests in jobs:", "    s.say(f'begin {n} ms=1').run(n, *tests).end(n)",
                      "send(s.say(f'bye jobs={len(jobs)} ms=9').data)"))


def test_an_executor_that_passes_everything(fake):
    fake.executor(PASS_ALL)
    fake.run("run", "steady", code=0)
    assert set(fake.verdicts().values()) == {"pass"}


@pytest.mark.parametrize("body,said", [
    ("sys.stderr.write('plan line 1: no\\n'); sys.exit(2)", "plan line 1: no"), ("pass", "no hello"),
    ("send(os.urandom(3000))", "no hello"),
    ("os.kill(os.getpid(), 9)", "no hello")], ids=["refuses", "silent", "noise", "killed"])
def test_no_hello_breaks_everything_and_exits_3(fake, body, said):
    fake.executor(body)
    printed = fake.run("run", "steady", "--repeat", "3", code=3)
    assert said in printed and "_pytest" not in printed, "our own words, and no traceback"
    assert set(fake.verdicts().values()) == {"broken"} and "no hello" in fake.records()[0]["why"]
    assert len(fake.records()) == STEADY, "what cannot be started is not repeated"


def test_a_missing_executor_exits_3(fake):
    printed = fake.run("run", "steady", code=3)
    assert f"build/{ABI}/executor is missing: make programs" in printed
    assert not list((fake.path / "results").glob("[0-9]*"))


def test_an_executor_that_goes_away_breaks_what_ran(fake):
    fake.executor(HELLO + """
n, tests = jobs[0]
s.say(f'begin {n} ms=1').run(n, tests[0])
if len(tests) > 2:
    send(s.say(f'line {n} #  RUN           {tests[1]} ...').data)
else:
    send(s.end(n).say('bye jobs=1 ms=9').data)
""")
    fake.run("run", "steady", "-k", "room and not nobody and not exclusive", code=3)
    assert sorted(fake.verdicts().values()) == ["broken", "pass", "pass"]


def test_a_report_of_the_kernel_makes_a_panic(fake):
    fake.executor(HELLO + """
n, tests = jobs[0]
s.say(f'begin {n} ms=1', f'line {n} #  RUN           {tests[0]} ...')
s.say('kmsg WARNING: CPU: 0 PID: 7 at x', 'kmsg CPU: 0 PID: 7 Comm: room Not tainted')
send(s.say(f'line {n} ok 1 {tests[0]}').end(n).say('bye jobs=1 ms=9').data)
""")
    printed = fake.run("run", "-k", "last_one", code=1)
    assert "panic: WARNING: CPU: 0 PID: 7 at x" in printed and "kernel    CPU: 0 PID: 7 Comm: room" in printed
    assert f"PANIC suites/steady/room.c::the_last_one_holds[{TARGET}] - panic: WARNING" in printed
    assert fake.records()[0]["kmsg"][1].endswith("Comm: room Not tainted")


def test_clauses_that_had_not_begun_are_run_until_there_is_no_progress(fake):
    fake.executor(HELLO + """
n, tests = jobs[0]
s.say(f'begin {n} ms=1')
if 'holds_it_as_well' in tests[0]:
    send(s.end(n, 'error=EACCES').say('bye jobs=1 ms=9').data)
else:
    send(s.run(n, tests[0]).end(n, 'exit=1').say('bye jobs=1 ms=9').data)
""")
    fake.run("run", "steady", code=3)
    told = fake.verdicts()
    assert told.pop("nobody_holds_it_as_well") == "broken" and set(told.values()) <= {"pass", "broken"}
    whys = [record["why"] for record in fake.records() if record["verdict"] == "broken"]
    assert whys[0] == "could not be started: EACCES"


def test_terminal_escapes_never_reach_the_terminal(fake):
    fake.executor(HELLO + """
n, tests = jobs[0]
send(b'\\x1b[2J\\x07noise\\n')
s.say(f'begin {n} ms=1').fail(n, 1, tests[0], '# x.c:1:the_last_one_holds:\\\\x1b[31m red').end(n, 'exit=1')
s.data += frame(s.number, f'error \\x1b[2J', nonce)
send(s.data)
""")
    printed = fake.run("run", "-k", "last_one", code=None)
    assert "\\x1b[31m red" in printed and "\x1b" not in printed and "\x07" not in printed


def test_a_stale_hello_of_another_run_is_noise(fake):
    fake.executor("send(Stream('deadbeef').say(HELLO).data)\n" + PASS_ALL)
    fake.run("run", "steady")


def interrupt(tree, number: int, records: int, *words: str) -> tuple[int, str]:
    """Starts a run, sends a signal as a terminal would once some records are there; (exit code, what it printed)."""
    process = tree.start("run", *words, start_new_session=True,
                         preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))  # background jobs ignore it
    deadline = time.monotonic() + 50
    while not any(path.read_text().count("\n") >= records for path in (tree.path / "results").glob("2*/results.jsonl")):
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.01)
    os.killpg(process.pid, number)
    out, err = process.communicate(timeout=50)
    assert subprocess.run(["pgrep", "-f", f"{tree.path}/build/{ABI}/"], capture_output=True, text=True).stdout == ""
    return process.returncode, out + err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "sigterm"])
def test_an_interrupt_ends_the_executor_and_keeps_what_was_done(tree, number):
    code, printed = interrupt(tree, number, 3, "steady", "waits", "-j", "1")
    assert code == 130, printed
    assert set(tree.verdicts().values()) == {"pass"} and len(tree.verdicts()) < STEADY + 1
    assert json.loads(tree.latest("run.json").read_text())["interrupted"] is True
    assert re.search(rf"^{TARGET} +{len(tree.verdicts())} ", printed, re.M) and "results: " in printed


def test_an_interrupt_reaches_the_executor_as_sigterm_alone_and_breaks_no_clause(fake):
    fake.executor(HELLO + """
signal.signal(signal.SIGINT, lambda *_: open(sys.argv[0] + '.sigint', 'w'))
signal.signal(signal.SIGTERM, lambda *_: sys.exit())  # after SIGINT's, if both have come
n, tests = jobs[0]
send(s.say(f'begin {n} ms=1').run(n, tests[0]).say(f'line {n} #  RUN           {tests[1]} ...').data)
time.sleep(60)
""")
    code, _ = interrupt(fake, signal.SIGINT, 1, "steady", "-k", "room and not nobody and not exclusive")
    assert code == 130 and list(fake.verdicts().values()) == ["pass"]
    assert not (fake.path / f"build/{ABI}/executor.sigint").exists()


def test_an_executor_that_ignores_the_interrupt_is_killed(fake, tmp_path, monkeypatch):
    fake.executor(HELLO + """
signal.signal(signal.SIGTERM, signal.SIG_IGN)
send(s.data)
while True:
    time.sleep(0.02)
    try: send(b'still here\\n')
    except OSError: pass
""")
    monkeypatch.setattr(host, "STOP_SECONDS", 0.3)
    machine = host.Host(fake.path, fake.path / f"build/{ABI}/executor")
    lines = machine.start("nonce 1f2e3d4c\n", tmp_path, 60)
    assert next(lines) and next(lines).startswith(b"@1f2e3d4c 0 ")
    machine.stop()
    started = time.monotonic()
    assert set(lines) == {b"still here\n"}
    assert time.monotonic() - started < 10 and machine.last_words() == "the executor was told to stop and did not"
    assert machine._process.returncode == -signal.SIGKILL


def test_two_runs_at_once(fake):
    fake.executor(PASS_ALL)
    runs = [fake.start("run", "steady") for _ in range(2)]
    assert [run.wait(30) for run in runs] == [0, 0]
    folders = sorted((fake.path / "results").glob("[0-9]*"))
    assert [(folder / "results.jsonl").read_text().count("\n") for folder in folders] == [STEADY] * 2
    for run in runs:
        run.communicate()


def test_a_full_disk_is_one_clear_error(tree):
    limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1500, 1500))  # noqa: E731 - no write succeeds beyond it
    process = subprocess.run([PYTHON, tree.path / "runner.py", "run", "steady", "-p", "no:cacheprovider", "-p",
                              "no:junitxml"], cwd=tree.path,
                             preexec_fn=limit, capture_output=True, text=True, timeout=60)
    assert process.returncode == 3, process.stdout
    assert "cannot write" in process.stdout + process.stderr and "File too large" in process.stdout + process.stderr
    assert "Traceback" not in process.stdout + process.stderr and "INTERNALERROR" not in process.stdout + process.stderr


def test_results_that_cannot_be_written(tree):
    printed = tree.run("run", "steady", "--results", "/proc/nowhere", code=3)
    assert "cannot write" in printed and "Traceback" not in printed and "INTERNALERROR" not in printed


def test_results_go_where_they_are_told(tree, tmp_path):
    tree.run("run", "steady", f"--results={tmp_path}/mine")
    assert (tmp_path / "mine/latest/run.json").exists() and not (tree.path / "results").exists()


def known_file(tree, **fields):
    row = {"clause": "*", "expect": "fail", "reason": "that is so", "link": "https://example.org"} | fields
    (tree.path / "fixtures/known/a.toml").write_text("[[known]]\n" + "".join(f'{key} = "{value}"\n' for key,
                                                                             value in row.items()))


def test_a_known_failure_is_expected_and_an_unexpected_pass_is_not(tree):
    known_file(tree, clause="words/all/a_clause_that_does_not_hold_fails", target="host-*")
    printed = tree.run("run", "words", "-k", "not_hold", "-rx", code=0)
    assert "1 xfailed" in printed and "fail: that is so (https://example.org)" in printed
    record = tree.records()[0]
    assert (record["verdict"], record["expected"], record["known"]["reason"]) == ("fail", True, "that is so")
    assert "# XFAIL fail: that is so" in tree.latest(f"{TARGET}.ktap").read_text()
    known_file(tree, clause="steady/*")
    printed = tree.run("run", "steady", "-k", "last_one", code=1)
    assert "unexpected pass: fixtures/known/a.toml expects fail: that is so" in printed
    assert "not ok 1" in tree.latest(f"{TARGET}.ktap").read_text()


def test_a_wrong_known_file_exits_2(tree):
    known_file(tree, kernle="6.1")
    assert "did you mean kernel?" in tree.run("run", "steady", code=2)


FLAKY = """
#include <fcntl.h>
CLAUSE(a_clause_that_flakes, "futex(2) NOTES: every third time it fails")
{
	long before;
	int fd = open("PATH", O_RDWR | O_CREAT | O_APPEND, 0666);

	before = lseek(fd, 0, SEEK_END);
	ASSERT_EQ(1, write(fd, ".", 1));
	close(fd);
	EXPECT_NE(2, before % 3);
}
"""


def test_a_new_file_in_suites_runs_by_itself_and_repetition_finds_its_flakes(tree, tmp_path):
    tree.suite("added/flaky", FLAKY.replace("PATH", str(tmp_path / "counter")))
    assert "1 programs not built" in tree.run("run", "--co", "-q", "steady") + tree.run("run", "--co", "steady")
    tree.build()
    try:
        tree.run("run", "added")
        printed = tree.run("run", "added", "steady", "--repeat", "4", code=1)
        assert f"differs: added/flaky/a_clause_that_flakes {TARGET}: 3 pass, 1 fail" in printed
        records = [record for record in tree.records() if "flakes" in record["clause"]]
        assert sorted(record["repeat"] for record in records) == [1, 2, 3, 4] and len(tree.records()) == 4 * 6
        assert re.search(r"^its verdicts differ: \d pass, 1 fail$", printed, re.M)
    finally:
        (tree.path / "suites/added/flaky.c").unlink()


@needs_root
def test_a_user_can_be_named(tree):
    tree.run("run", "steady", "--user", "nobody")
    plan = tree.latest("logs/host.plan").read_text()
    assert "user=65534" in plan and "user=0" not in plan
    assert "did you mean nobody?" in tree.run("run", "--user", "nobdoy", code=2)


@needs_root
def test_clauses_without_privilege_can_read_the_configuration_of_a_closed_run(tree, tmp_path):
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    tree.run("run", "steady", "--results", str(closed))
    config = re.search("^config (.*)$", (closed / "latest/logs/host.plan").read_text(), re.M)
    assert facts.closed_to_others(closed) and not facts.closed_to_others(tree.path)
    assert config is None or (str(closed) not in config[1] and not os.path.exists(config[1]))


def test_a_run_describes_itself(tree):
    tree.run("run", "steady")
    run = json.loads(tree.latest("run.json").read_text())
    target = run["targets"][0]
    assert run["schema"] == 1 and run["command"] == ["./runner.py", "run",
                                                     "steady"] and run["started"] < run["finished"]
    assert target["kernel"]["release"] == os.uname().release and target["verdicts"]["pass"] == STEADY
    assert len(target["nonces"][0]) == 8
    assert target["config"]["file"] == "" or len(target["config"]["sha256"]) == 64


def test_a_record_points_into_the_raw_log(tree):
    tree.run("run", "words", "-k", "not_hold", code=1)
    record = tree.records()[0]
    log = tree.latest(record["log"]["file"]).read_bytes()[record["log"]["from"]:record["log"]["to"]]
    for said in (b"#  RUN           global.a_clause_that_does", b"not ok 1 global.a_clause_that_does_not_hold"):
        assert said in log
    assert 0 < record["seconds"] < 5 and record["needed_by"] == ""


def test_a_terminal_has_one_live_line_per_target_that_goes_away(fake):
    fake.executor(HELLO + """
n, tests = jobs[0]
send(s.say(f'begin {n} ms=1', f'line {n} #  RUN           {tests[0]} ...').data)
s.data = b''
time.sleep(0.4)
send(s.say(f'line {n} ok 1 {tests[0]}').end(n).say('bye jobs=1 ms=9').data)
""")
    ours, theirs = pty.openpty()
    process = subprocess.Popen([PYTHON, fake.path / "runner.py", "run", "-k", "last_one"], cwd=fake.path, stdin=theirs,
                               stdout=theirs, stderr=theirs,
                               env=os.environ | {"TERM": "xterm"})
    os.close(theirs)
    printed = b""
    while chunk := _read(ours):
        printed += chunk
    assert process.wait() == 0
    live, rest = printed.decode().rsplit("\x1b[J", 1)
    assert f"\x1b[2K{TARGET}  0/1     steady/room/the_last_one_holds\r\n" in live and "\x1b[1A\r" in live
    assert "\x1b[2K" not in rest and f"{TARGET}        1" in rest and "100%" not in printed.decode()


def _read(fd: int) -> bytes:
    try:
        return os.read(fd, 65536)
    except OSError:  # the other end is closed
        return b""
