# SPDX-License-Identifier: GPL-2.0-only
"""The executor: whoever dies first, files are put back and no process stays; stream, kernel's log, guest."""

import fcntl
import glob
import os
import pathlib
import re
import shutil
import signal
import subprocess

import pytest

from executor_runs import (COMPLETE, DEADLINE_S, ENVIRONMENT, INCOMPLETE, NONCE, Executor, Stream, built, cwd,
                           directories, executor, files, job, needs_root, plan, run, wait_until)


# ---- files that are put back

def changing(number, how, *changed, limit=60, **options):
    """A job that changes files to "new" and ends as told."""
    return job(number, "changes", how, *[f"{path}=new" for path in changed], writes=changed, limit=limit, **options)


def are_old(files):
    """Whether the files have the contents that the fixture gave them."""
    return all(path.exists() and path.read_text() == f"old {path.name}\n" for path in files)


@pytest.mark.parametrize("how, limit, end", [
    ("exit", 60, "exit=0"), ("crash", 60, "signal=11"), ("hang", 1, "limit=1"), ("kill_parent", 60, "error=ECHILD")])
def test_files_are_put_back(executor, cwd, files, how, limit, end):
    files[1].chmod(0o640)
    stream = run(executor, plan(changing(7, how, *files, limit=limit), job(8, "prints", "one_result")), cwd)
    assert stream.ends() == {7: end, 8: "exit=0"}
    assert stream.of("restored") == [f"7 {path}" for path in files]
    kinds = [kind for kind, _ in stream.events]
    assert kinds.index("restored") < kinds.index("end")
    assert are_old(files)
    assert files[1].stat().st_mode & 0o777 == 0o640


def test_a_file_that_was_not_changed_is_not_touched(executor, cwd, files):
    before = [path.stat().st_mtime_ns for path in files]
    stream = run(executor, plan(job(1, "prints", "one_result", writes=files)), cwd)
    assert (stream.of("restored"), [path.stat().st_mtime_ns for path in files]) == ([], before)


def test_a_removed_file_comes_back_and_a_new_one_goes(executor, cwd, files, tmp_path):
    files[0].chmod(0o666)
    new = tmp_path / "new"
    stream = run(executor, plan(job(1, "changes", "exit", f"{files[0]}=", f"{new}=text", writes=[files[0], new])), cwd)
    assert stream.of("restored") == [f"1 {files[0]}", f"1 {new}"]
    assert (are_old(files), files[0].stat().st_mode & 0o777, new.exists()) == (True, 0o666, False)


def test_a_file_that_cannot_be_saved_keeps_the_job_from_starting(executor, cwd, files):
    files[1].write_bytes(b"x" * 4097)
    stream = run(executor, plan(changing(1, "exit", *files), job(2, "prints", "one_result", writes=["/"])), cwd)
    assert stream.ends() == {1: "error=EFBIG", 2: "error=EISDIR"}
    assert files[0].read_text() == "old one\n"


@needs_root
def test_a_choice_of_the_kernel_is_put_back(executor, cwd):
    choices = sorted(glob.glob("/sys/kernel/mm/transparent_hugepage/hugepages-*kB/shmem_enabled"), key=len)
    if not choices:
        pytest.skip("no file of the kernel to choose in")
    choice = pathlib.Path(choices[0])
    with choice.open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)    # another run of this test may want it too
        before = file.read()
        stream = run(executor, plan(job(1, "changes", "exit", f"{choice}=advise", writes=[choice])), cwd)
        after = choice.read_text()
        choice.write_text(re.search(r"\[(.*)\]", before)[1])
    assert "[advise]" not in before
    assert (stream.of("restored"), after) == ([f"1 {choice}"], before)


# ---- deaths

def pid_of_program(running):
    """Waits for a program of changes.c to have done so; returns its pid."""
    return int(running.read_until(r"changed by (\d+)\n")[1])


def is_clean(running, files):
    """Whether nothing is left of a run."""
    return running.left_behind() == [] and are_old(files) and directories() == []


def test_a_killed_program_leaves_nothing(executor, cwd, files):
    with Executor(executor, plan(changing(1, "hang", *files), job(2, "prints", "one_result"), config="MARKER"),
                  cwd) as running:
        os.kill(pid_of_program(running), signal.SIGKILL)
        stream, code = running.finish()
        assert (code, stream.ends()) == (COMPLETE, {1: "signal=9", 2: "exit=0"})
        assert is_clean(running, files)


def test_a_killed_executor_leaves_nothing(executor, cwd, files):
    with Executor(executor, plan(changing(1, "hang", *files), config="MARKER"), cwd) as running:
        program = pid_of_program(running)
        assert not are_old(files)
        assert len(running.left_behind()) == 2 and program in running.left_behind()
        running.process.kill()
        wait_until(lambda: is_clean(running, files))


def test_a_killed_executor_leaves_no_daemon(executor, cwd, files):
    with Executor(executor, plan(job(1, "lingers", "bomb_for_ever"), config="MARKER"), cwd) as running:
        wait_until(lambda: len(running.left_behind()) == 1 + 512)
        running.process.kill()
        wait_until(lambda: is_clean(running, files))


def test_a_killed_reader_leaves_nothing(executor, cwd, files):
    with Executor(executor, plan(changing(1, "hang", *files), job(2, "prints", "one_result"), config="MARKER"),
                  cwd) as running:
        pid_of_program(running)
        running.process.stdout.close()
        assert running.process.wait(DEADLINE_S) == INCOMPLETE
        assert is_clean(running, files)
        assert b"EPIPE" in running.process.stderr.read()


def test_a_full_disk_ends_the_run(executor, cwd, files):
    with open("/dev/full", "wb") as full, Executor(executor, plan(changing(1, "hang", *files), config="MARKER"), cwd,
                                                   stdout=full) as running:
        assert running.process.wait(DEADLINE_S) == INCOMPLETE
        assert is_clean(running, files)
        assert running.process.stderr.read() == b"executor: cannot write the stream: ENOSPC\n"


def test_a_closed_output_is_refused(executor, cwd):
    done = subprocess.run(["sh", "-c", 'exec "$0" >&-', executor], cwd=cwd, input=plan().encode(), capture_output=True)
    assert (done.returncode, done.stderr.count(b"\n")) == (INCOMPLETE, 1)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_stops_the_run(executor, cwd, files, number):
    with Executor(executor, plan(changing(2, "hang", *files), job(3, "prints", "one_result"), config="MARKER"),
                  cwd) as running:
        pid_of_program(running)
        running.process.send_signal(number)
        stream, code = running.finish()
        assert (code, stream.ends(), stream.is_complete()) == (INCOMPLETE, {2: "stopped"}, True)
        assert is_clean(running, files)


def test_a_stop_ends_all_jobs_that_run(executor, cwd):
    jobs = [job(i, "lingers", "ignores_all_signals") for i in range(4)] + [job(9, "prints", "one_result")]
    with Executor(executor, plan(*jobs, parallel=4, config="MARKER"), cwd) as running:
        running.read_until("begin 3")
        running.process.terminate()
        stream, code = running.finish()
        assert (code, stream.ends(), running.left_behind()) == (INCOMPLETE, {i: "stopped" for i in range(4)}, [])


def test_a_reader_that_stands_still_does_not_hold_up_a_stop(executor, cwd, files):
    jobs = [job(1, "prints", "flood"), job(2, "prints", "flood")]
    read_end, write_end = os.pipe()
    fcntl.fcntl(write_end, fcntl.F_SETPIPE_SZ, 4096)
    with Executor(executor, plan(*jobs, parallel=2, config="MARKER"), cwd, stdout=write_end) as running:
        os.close(write_end)
        wait_until(lambda: fionread(read_end) > 0)
        running.process.terminate()
        assert running.process.wait(DEADLINE_S) == INCOMPLETE
        assert is_clean(running, files)
    os.close(read_end)


# ---- the stream

@pytest.mark.parametrize("abi", ["x86_64", "i386"])
def test_the_stream_says_who_speaks(cwd, abi):
    stream = run(built(abi), plan(job(5, "prints", "one_result", "global.b"), config="MARKER"), cwd)
    hello, = stream.of("hello")
    assert hello == (f"executor=1 arch={os.uname().machine} release={os.uname().release} "
                     f"cpus={len(os.sched_getaffinity(0))} page={os.sysconf('SC_PAGESIZE')} uid={os.geteuid()}")
    assert [kind for kind, _ in stream.events if kind != "kmsg"] == ["hello", "begin", "line", "end", "bye"]
    assert set(stream.end(5)) == {"how", "ms", "user", "sys", "left", "dropped"}


def test_a_line_is_one_write(executor, cwd):
    read_end, write_end = os.pipe2(os.O_DIRECT)     # a pipe of packets: a read returns what one write wrote
    with Executor(executor, plan(job(1, "prints", "long_lines"), job(2, "prints", "every_byte")), cwd,
                  stdout=write_end):
        os.close(write_end)
        packets = [os.read(read_end, 65536)]
        while packets[-1]:
            packets.append(os.read(read_end, 65536))
        assert packets.pop(0) == b"\n" and packets.pop() == b""
        assert len(packets) > 131
        assert all(packet.startswith(b"@") and packet.index(b"\n") == len(packet) - 1 for packet in packets)
        assert Stream(b"\n" + b"".join(packets)).ends() == {1: "exit=0", 2: "exit=0"}
    os.close(read_end)


def test_a_reader_that_does_not_keep_up_loses_nothing(executor, cwd):
    read_end, write_end = os.pipe()
    fcntl.fcntl(write_end, fcntl.F_SETPIPE_SZ, 16384)
    os.set_blocking(write_end, False)
    with Executor(executor, plan(job(1, "prints", "long_lines")), cwd, stdout=write_end) as running:
        os.close(write_end)
        wait_until(lambda: fionread(read_end) > 9000)   # three lines fit into a page, and there are four pages
        with open(read_end, "rb") as stream:
            assert len(Stream(stream.read()).lines(1)) == 131
        assert running.process.wait(DEADLINE_S) == COMPLETE


def fionread(fd):
    """Bytes that can be read from a pipe."""
    return int.from_bytes(fcntl.ioctl(fd, 0x541B, b"\0" * 4), "little")


@needs_root
def test_the_kernel_is_heard_and_programs_that_speak_for_it_are_not(executor, cwd):
    stream = run(executor, plan(job(1, "prints", "kernel_speaks")), cwd)
    assert stream.lines(1) == ["after the kernel"]
    kinds = [kind for kind, rest in stream.events if kind == "line" or "osprim_words_of_the_kernel" in rest]
    assert kinds == ["kmsg", "line"]
    assert not [rest for rest in stream.of("kmsg") if "words of a program" in rest]


# ---- the guest

@needs_root
def test_as_init_it_mounts_what_is_missing_and_powers_off(executor, cwd, tmp_path):
    root = tmp_path / "root"
    root.mkdir()
    shutil.copy(executor, root / "init")
    for name in ("inspects", "lingers"):
        shutil.copy(cwd / name, root)
    (root / "plan").write_text(plan(job(1, "inspects"), job(2, "lingers", "daemons"), job(3, "lingers", "runaway")))
    done = subprocess.run(["unshare", "--pid", "--mount", "--fork", "chroot", root, "/init", "ignored"],
                          capture_output=True, timeout=DEADLINE_S)
    stream = Stream(done.stdout)
    assert done.stderr == b""
    assert stream.is_complete() and stream.ends() == {1: "exit=0", 2: "exit=5", 3: "exit=5"}
    assert (stream.end(2)["left"], stream.of("error")) == (3, [])
    assert "input: /dev/null reads 0" in stream.lines(1)
    assert any(line.startswith(f"directory: /tmp/osprim-{NONCE}-") for line in stream.lines(1))
    assert done.returncode != 0, "the end of PID 1 is the end of its machine: killed, not ended"
    assert [p.name for p in root.iterdir() if p.name in ("proc", "sys", "dev", "tmp") and any(p.iterdir())] == []


@needs_root
def test_as_init_it_powers_off_after_a_bad_plan(executor, tmp_path):
    shutil.copy(executor, tmp_path / "init")
    (tmp_path / "plan").write_text("rubbish\n")
    done = subprocess.run(["unshare", "--pid", "--mount", "--fork", "chroot", tmp_path, "/init"],
                          capture_output=True, timeout=DEADLINE_S)
    assert done.stdout == b"" and b"plan line 1" in done.stderr and b"cannot power off" not in done.stderr


@needs_root
def test_as_another_first_process_it_is_a_plain_command(executor, cwd):
    done = subprocess.run(["unshare", "--pid", "--mount-proc", "--fork", executor], cwd=cwd, capture_output=True,
                          input=plan(job(1, "lingers", "daemons")).encode(), env=ENVIRONMENT, timeout=DEADLINE_S)
    assert (done.returncode, Stream(done.stdout).end(1)["left"]) == (COMPLETE, 3)
