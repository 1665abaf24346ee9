# SPDX-License-Identifier: GPL-2.0-only
"""The executor: whatever its programs do, the plan goes on, the stream says how each ended, nothing is left."""

import fcntl
import os
import pathlib
import re
import signal
import socket
import time

import pytest

from executor_runs import (COMPLETE, DEADLINE_S, FOLDER, INCOMPLETE, NONCE, Executor, cwd, executor, files, job, needs_root, plan,
                           run)

# ---- misbehaviour: one plan with all of it

MISBEHAVIOUR = [
    # program, what it does, limit in seconds, how it must end, processes left (None: any number)
    ("prints", "one_result", 60, "exit=0", 0),
    ("prints", "flood", 1, "limit=1", 0),
    ("prints", "flood_of_results", 1, "limit=1", 0),
    ("prints", "line_without_end", 1, "limit=1", 0),
    ("prints", "every_byte", 60, "exit=0", 0),
    ("prints", "closed_output", 60, "exit=7", 0),
    ("prints", "same_result_again_and_again", 1, "limit=1", 0),
    ("prints", "results_in_time,2,3,4,5,6,7,8,9", 3, "exit=0", 0),
    ("lingers", "ignores_all_signals", 1, "limit=1", 0),
    ("lingers", "stops_itself", 1, "limit=1", 0),
    ("lingers", "daemons", 60, "exit=5", 3),
    ("lingers", "bomb", 60, "exit=5", 511),
    ("lingers", "bomb_for_ever", 1, "limit=1", None),
    ("lingers", "runaway", 60, "exit=5", None),
    ("lingers", "stopped_child", 60, "exit=5", 1),
    ("lingers", "traced_child", 60, "exit=5", 2),
    ("lingers", "traced_by_its_parent", 1, "limit=1", 0),
    ("lingers", "vfork_for_ever", 3, "limit=3", 1),
    ("lingers", "dead_leader", 60, "exit=5", 1),
    ("attacks", "crash", 60, "signal=11", 0),
    ("attacks", "kill_parent", 60, "error=ECHILD", 1),
    ("attacks", "stop_parent", 1, "limit=1", None),
    ("attacks", "trace_parent", 1, "limit=1", None),
    ("attacks", "signal_parent", 60, "exit=5", 0),
    ("missing", "", 60, "error=ENOENT", 0),
]


@pytest.fixture(scope="module")
def misbehaviour(executor, cwd):
    """The stream of a plan in which every program misbehaves, several at a time, and the last one does not."""
    jobs = [job(i, program, what, limit=limit) for i, (program, what, limit, *_) in enumerate(MISBEHAVIOUR)]
    jobs.append(job(len(jobs), "prints", "one_result"))
    return run(executor, plan(*jobs, parallel=12, config="MARKER"), cwd)


@pytest.mark.parametrize("number", range(len(MISBEHAVIOUR)), ids=[f"{m[0]}-{m[1]}" for m in MISBEHAVIOUR])
def test_misbehaviour_ends_as_it_should(misbehaviour, number):
    *_, how, left = MISBEHAVIOUR[number]
    end = misbehaviour.end(number)
    assert end["how"] == how
    assert left is None or end["left"] == left


def test_the_rest_of_the_plan_runs_beside_misbehaviour(misbehaviour):
    number = len(MISBEHAVIOUR)
    assert misbehaviour.lines(number) == ["ok 1 one_result"]
    assert misbehaviour.end(number)["how"] == "exit=0"
    assert misbehaviour.of("error") == []
    assert misbehaviour.of("bye")[0].startswith(f"jobs={number + 1} ")


def test_misbehaviour_leaves_no_private_directory(misbehaviour):
    assert misbehaviour.directories == []


def job_of(what):
    """The number of a misbehaving program."""
    return [m[1] for m in MISBEHAVIOUR].index(what)


def test_bytes_are_escaped(misbehaviour):
    first, second, last = misbehaviour.lines(job_of("every_byte"))
    assert first == "".join(f"\\x{i:02x}" if i != 9 else "\t" for i in range(10))
    assert second == "".join(chr(i) if 32 <= i < 127 and i != 92 else f"\\x{i:02x}" for i in range(11, 256))
    assert last == "last line without an end"


def test_a_line_without_end_is_cut(misbehaviour):
    text, = misbehaviour.lines(job_of("line_without_end"))
    assert text == ("without end " * 100)[:1000] + "\\..."


def test_a_flood_is_cut(misbehaviour):
    number = job_of("flood")
    assert misbehaviour.lines(number) == ["a line of a flood"] * 512
    assert misbehaviour.end(number)["dropped"] > 512


def test_a_flood_of_results_is_cut(misbehaviour):
    number = job_of("flood_of_results")
    assert misbehaviour.lines(number) == ["ok 1 flood_of_results"] * 4096
    assert misbehaviour.end(number)["dropped"] > 4096


def test_results_pass_a_spent_budget(executor, cwd):
    stream = run(executor, plan(job(1, "prints", "more_than_its_budget")), cwd)
    lines = stream.lines(1)
    assert lines[0] == "0" * 1000 + "\\..."
    assert lines[1:] == [f"line {i}" for i in range(1, 512)] + [
        "ok 1 after_the_budget", "#  RUN           global.next ...", "not ok 2 next"]
    assert stream.end(1)["dropped"] == 599 - 511


def test_bytes_have_a_budget_too(executor, cwd):
    stream = run(executor, plan(job(1, "prints", "long_lines")), cwd)
    assert len(stream.lines(1)) == 131
    assert stream.end(1)["dropped"] == 300 - 131


# ---- order and parallelism

def test_an_exclusive_job_runs_alone(executor, cwd):
    jobs = [job(i, "prints", "one_result", exclusive=int(i == 3)) for i in (1, 2, 3, 4, 5)]
    order = run(executor, plan(*jobs, parallel=4), cwd).order()
    assert order[:2] == ["begin 1", "begin 2"]
    assert sorted(order[2:4]) == ["end 1", "end 2"]
    assert order[4:8] == ["begin 3", "end 3", "begin 4", "begin 5"]


def test_a_job_that_writes_runs_alone(executor, cwd, files):
    jobs = [job(i, "prints", "one_result", writes=[files[0]] if i == 2 else []) for i in (1, 2, 3)]
    assert run(executor, plan(*jobs, parallel=4), cwd).order() == [
        "begin 1", "end 1", "begin 2", "end 2", "begin 3", "end 3"]


def test_as_many_jobs_run_as_the_plan_says(executor, cwd):
    running = most = 0
    for event in run(executor, plan(*[job(i, "prints", "one_result") for i in range(9)], parallel=3), cwd).order():
        running += 1 if event.startswith("begin") else -1
        most = max(most, running)
    assert most == 3


@pytest.fixture
def folder():
    """The folder on which runs take turns, open."""
    fd = os.open(FOLDER, os.O_RDONLY)
    yield fd
    os.close(fd)


@pytest.mark.parametrize("other, exclusive", [(fcntl.LOCK_EX, 0), (fcntl.LOCK_SH, 1)])
def test_a_job_waits_for_what_another_run_is_at(executor, cwd, folder, other, exclusive):
    fcntl.flock(folder, other)
    with Executor(executor, plan(job(1, "prints", "one_result", exclusive=exclusive)), cwd) as running:
        running.read_until("hello")
        time.sleep(0.3)     # time is the subject: the job must not begin before that
        fcntl.flock(folder, fcntl.LOCK_UN)
        stream, code = running.finish()
    assert (code, stream.ends()) == (COMPLETE, {1: "exit=0"})
    assert int(stream.of("begin")[0].split("ms=")[1]) >= 290


def test_who_waits_to_be_alone_is_not_passed_by_others(executor, cwd, folder):
    with gate_of(folder), Executor(executor, plan(job(1, "prints", "one_result")), cwd) as running:
        running.read_until("hello")
        running.read_until("waits ms=")
        running.process.terminate()
        stream, code = running.finish()
    assert (code, stream.order()) == (INCOMPLETE, [])


def test_where_patience_is_short_each_second_has_a_sign_of_life(executor, cwd):
    with Executor(executor, plan(job(1, "lingers", "stops_itself"), patience=60), cwd) as running:
        running.read_until("begin")
        for _ in range(3):
            running.read_until("waits ms=")
        running.process.terminate()
        stream, code = running.finish()
    signs = [int(sign.split("ms=")[1]) for sign in stream.of("waits")]
    assert (code, stream.ends()) == (INCOMPLETE, {1: "stopped"})
    assert all(later - sign >= 1000 for sign, later in zip(signs, signs[1:]))


def gate_of(folder):
    """What a run holds that waits to be alone, of this folder; other runs of this machine may want it too."""
    info = os.fstat(folder)
    gate = socket.socket(socket.AF_UNIX)
    deadline = time.monotonic() + DEADLINE_S
    while True:
        try:
            gate.bind(f"\0osprim-alone-in-{info.st_dev}-{info.st_ino}")
            return gate
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.01)


def test_jobs_that_need_not_be_alone_run_beside_another_run(executor, cwd, folder):
    fcntl.flock(folder, fcntl.LOCK_SH)
    assert run(executor, plan(job(1, "prints", "one_result")), cwd).ends() == {1: "exit=0"}


def test_a_run_that_waits_for_another_one_can_be_stopped(executor, cwd, folder):
    fcntl.flock(folder, fcntl.LOCK_EX)
    with Executor(executor, plan(job(1, "prints", "one_result")), cwd) as running:
        running.read_until("hello")
        running.process.terminate()
        stream, code = running.finish()
    assert (code, stream.order(), stream.is_complete()) == (INCOMPLETE, [], True)


# ---- what a program finds

def facts(stream, number=1):
    """What inspects.c printed: name to value, lists for names that come more than once."""
    pairs = [re.split(r":\s*", line, maxsplit=1) for line in stream.lines(number)]
    return {name: [v for n, v in pairs if n == name] for name, _ in pairs}


def test_a_program_has_a_defined_environment(executor, cwd):
    def spoil():
        os.umask(0)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGUSR2, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1, signal.SIGCHLD, signal.SIGTERM])
        os.dup2(1, 77)

    stream = run(executor, plan(job(1, "inspects", "global.a", "global.b"), config="some/config"), cwd,
                 preexec_fn=spoil, close_fds=False)
    found = facts(stream)
    directory = found["directory"][0]
    assert re.fullmatch(rf"{FOLDER}/osprim-{NONCE}-\d+", directory)
    assert found["arguments"] == ["inspects -r global.a -r global.b"]
    assert found["environment"] == [
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "OSPRIM_SLOW=1", f"TMPDIR={directory}",
        f"OSPRIM_CONFIG={cwd}/some/config"]
    assert found["directory_mode"] == [f"700 owner {os.geteuid()}"]
    assert found["input"] == ["/dev/null reads 0"]
    assert found["outputs_are_one_pipe"] == ["1"]
    assert found["umask"] == ["22"]
    assert found["core"] == ["0 0"]
    assert found["leads"] == ["1 1"]
    assert found["fds"] == ["0 1 2"]
    for mask in ("SigQ", "SigPnd", "SigBlk", "SigIgn", "SigCgt"):
        assert mask == "SigQ" or int(found[mask][0], 16) == 0, mask
    assert not os.path.exists(directory)


@needs_root
def test_a_program_of_another_user_has_no_privilege(executor, cwd):
    found = facts(run(executor, plan(job(1, "inspects", user=65534)), cwd, extra_groups=[0, 27]))
    assert found["Uid"] == found["Gid"] == ["\t".join(["65534"] * 4)]
    assert found["Groups"] in ([""], [" "])
    assert found["directory_mode"] == ["700 owner 65534"]
    for kind in ("Inh", "Prm", "Eff", "Amb"):
        assert int(found[f"Cap{kind}"][0], 16) == 0, kind


@needs_root
def test_a_program_of_root_keeps_its_privilege(executor, cwd):
    found = facts(run(executor, plan(job(1, "inspects")), cwd))
    own = re.search(r"CapEff:\s*(\w+)", pathlib.Path("/proc/self/status").read_text())[1]
    assert found["CapEff"] == [own]
    assert found["Uid"] == ["\t".join(["0"] * 4)]


@needs_root
def test_user_is_without_effect_where_the_executor_is_not_root(executor, cwd):
    found = facts(run(executor, plan(job(1, "inspects")), cwd, user=65534, group=65534, extra_groups=[]))
    assert found["Uid"] == ["\t".join(["65534"] * 4)]


def test_a_private_directory_is_removed_with_all_that_is_in_it(executor, cwd, tmp_path):
    kept = tmp_path / "kept"
    kept.write_text("outside")
    stream = run(executor, plan(job(1, "changes", "mess", tmp_path)), cwd)
    assert stream.ends() == {1: "exit=0"}
    assert (stream.of("error"), stream.directories, kept.read_text()) == ([], [], "outside")


@needs_root
def test_what_is_mounted_in_a_private_directory_is_not_removed(executor, cwd, tmp_path):
    kept = tmp_path / "kept"
    kept.write_text("outside")
    stream = run(executor, plan(job(1, "changes", "mount", tmp_path), job(2, "prints", "one_result")), cwd)
    assert len(stream.directories) == 1
    assert stream.of("error") == ["job 1: cannot remove its directory: EBUSY"]
    assert (stream.ends(), kept.read_text()) == ({1: "exit=0", 2: "exit=0"}, "outside")
