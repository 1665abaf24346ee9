# SPDX-License-Identifier: GPL-2.0-only
"""The executor's plan parser: what docs/stream.md does not describe is refused, and nothing is run."""

import subprocess

import pytest

from executor_runs import BAD_PLAN, COMPLETE, DEADLINE_S, ENVIRONMENT, NONCE, Stream, cwd, executor, job, plan, run

HEAD = f"osprim-plan 1\nnonce {NONCE}\nparallel 4\nslow 1\n"
JOB = "job 1 limit=20 exclusive=0 user=0 program=prints writes= tests=one_result\n"
GOOD = HEAD + JOB + "end\n"


def jobs_with(old, new):
    """A plan whose job has something else in it."""
    assert old in JOB
    return HEAD + JOB.replace(old, new) + "end\n"


BAD_PLANS = {
    # name: (plan, the number of the wrong line, a word of the cause or the mend)
    "nothing": ("", 1, "truncated"),
    "no_header": (GOOD.replace("osprim-plan 1\n", ""), 1, "begin with: osprim-plan 1"),
    "another_version": (GOOD.replace("osprim-plan 1", "osprim-plan 2"), 1, "version"),
    "no_nonce": (GOOD.replace(f"nonce {NONCE}\n", ""), 2, "order"),
    "short_nonce": (GOOD.replace(NONCE, NONCE[:7]), 2, "8 hex digits"),
    "nonce_in_capitals": (GOOD.replace(NONCE, NONCE.upper()), 2, "8 hex digits"),
    "nonce_with_a_space_behind": (GOOD.replace(NONCE, NONCE + " "), 2, "8 hex digits"),
    "wrong_order": (GOOD.replace("parallel 4\nslow 1\n", "slow 1\nparallel 4\n"), 3, "order"),
    "twice": (GOOD.replace("slow 1\n", "slow 1\nslow 1\n"), 5, "not what comes here"),
    "parallel_0": (GOOD.replace("parallel 4", "parallel 0"), 3, "1 to 1024"),
    "parallel_1025": (GOOD.replace("parallel 4", "parallel 1025"), 3, "1 to 1024"),
    "slow_huge": (GOOD.replace("slow 1", "slow 99999999999999999999"), 4, "1 to 1000"),
    "slow_negative": (GOOD.replace("slow 1", "slow -1"), 4, "1 to 1000"),
    "patience_0": (HEAD + "patience 0\n" + JOB + "end\n", 5, "1 to 86400"),
    "patience_after_config": (HEAD + "config /c\npatience 1\n" + JOB + "end\n", 6, "not what comes here"),
    "config_empty": (HEAD + "config \n" + JOB + "end\n", 5, "not a path"),
    "config_bare": (HEAD + "config\n" + JOB + "end\n", 5, "not what comes here"),
    "config_after_a_job": (HEAD + JOB + "config /c\nend\n", 6, "not what comes here"),
    "unknown_directive": (HEAD + "colour red\n" + JOB + "end\n", 5, "colour"),
    "empty_line": (HEAD + "\n" + JOB + "end\n", 5, "not what comes here"),
    "comment": (HEAD + "# a comment\n" + JOB + "end\n", 5, "not what comes here"),
    "no_end": (HEAD + JOB, 6, "no `end`"),
    "end_with_more": (HEAD + JOB + "end 1\n", 6, "not what comes here"),
    "something_after_the_end": (GOOD + JOB, 7, "last line"),
    "cut_in_a_job": (HEAD + JOB[:40], 5, "truncated"),
    "cut_before_the_last_line_feed": (GOOD[:-1], 6, "truncated"),
    "carriage_return": (GOOD.replace("\n", "\r\n"), 1, "carriage return"),
    "nul": (GOOD.replace("slow 1", "slow\0 1"), 4, "NUL"),
    "tab": (jobs_with(" user", "\tuser"), 5, "control character"),
    "overlong_line": (jobs_with("one_result", "x" * 65537), 5, "65536"),
    "two_spaces": (jobs_with(" user", "  user"), 5, "one space"),
    "space_at_the_end": (jobs_with("one_result", "one_result "), 5, "more than a job has"),
    "job_without_a_number": (jobs_with("job 1 ", "job "), 5, "number of a job"),
    "job_alone": (HEAD + "job\nend\n", 5, "not what comes here"),
    "job_number_huge": (jobs_with("job 1 ", "job 1000000 "), 5, "number of a job"),
    "job_number_with_zeros": (jobs_with("job 1 ", "job 001 "), 5, "number of a job"),
    "job_number_twice": (HEAD + JOB + JOB + "end\n", 6, "used before"),
    "unknown_key": (jobs_with("limit=", "limt="), 5, "limt=20"),
    "unknown_key_behind": (jobs_with("one_result", "one_result colour=red"), 5, "colour=red"),
    "keys_in_wrong_order": (jobs_with("exclusive=0 user=0", "user=0 exclusive=0"), 5, "not in its place"),
    "missing_key": (jobs_with(" writes=", ""), 5, "not in its place"),
    "missing_keys": (jobs_with(" program=prints writes= tests=one_result", ""), 5, "end of line"),
    "limit_0": (jobs_with("limit=20", "limit=0"), 5, "86400"),
    "limit_huge": (jobs_with("limit=20", "limit=86401"), 5, "86400"),
    "limit_of_words": (jobs_with("limit=20", "limit=20s"), 5, "86400"),
    "limit_empty": (jobs_with("limit=20", "limit="), 5, "86400"),
    "exclusive_2": (jobs_with("exclusive=0", "exclusive=2"), 5, "exclusive=1"),
    "user_by_name": (jobs_with("user=0", "user=nobody"), 5, "user=65534"),
    "user_minus_1": (jobs_with("user=0", "user=4294967295"), 5, "user=65534"),
    "no_program": (jobs_with("program=prints", "program="), 5, "name the program"),
    "program_overlong": (jobs_with("program=prints", "program=" + "p" * 1001), 5, "1000 bytes"),
    "writes_relative": (jobs_with("writes=", "writes=sys/a"), 5, "begin it with /"),
    "writes_with_a_hole": (jobs_with("writes=", "writes=/a,,/b"), 5, "one comma"),
    "writes_too_many": (jobs_with("writes=", "writes=" + ",".join(["/a"] * 65)), 5, "up to 64"),
    "tests_with_a_hole": (jobs_with("one_result", "a,"), 5, "one comma"),
    "tests_too_many": (jobs_with("one_result", ",".join(["a"] * 1025)), 5, "up to 1024"),
    "too_many_jobs": (HEAD + "".join(JOB.replace("job 1", f"job {i}") for i in range(8193)) + "end\n", 8197, "8192"),
    "something_hostile": (GOOD.replace("slow 1", "slow \x7f"), 4, "control character"),
}


def start(executor, cwd, text, *arguments):
    """Runs a plan; bytes are not translated."""
    return subprocess.run([executor, *arguments], cwd=cwd, input=text.encode("latin-1"), capture_output=True,
                          env=ENVIRONMENT, timeout=DEADLINE_S)


@pytest.mark.parametrize("name", BAD_PLANS)
def test_a_bad_plan_is_refused(executor, cwd, name):
    text, line, word = BAD_PLANS[name]
    done = start(executor, cwd, text)
    assert (done.returncode, done.stdout) == (BAD_PLAN, b"")
    message = done.stderr.decode("ascii")
    assert message.startswith(f"executor: plan line {line}: ") and word in message and ";" in message
    assert message.count("\n") == 1 and message.endswith("\n") and len(message) < 300


def test_what_is_wrong_is_shown_escaped(executor, cwd):
    done = start(executor, cwd, GOOD.replace("slow 1", "slow \xff\\" + "x" * 100))
    assert b'"\\xff\\x5c' + b"x" * 58 + b'\\..."' in done.stderr


def test_a_plan_larger_than_its_limit_is_refused(executor, cwd):
    done = start(executor, cwd, HEAD + JOB * 70000)
    assert (done.returncode, done.stdout) == (BAD_PLAN, b"")
    assert b"larger than 4 MiB" in done.stderr


@pytest.mark.parametrize("arguments", [["--help"], ["a", "b"], ["/nonexistent/plan"], ["/"]])
def test_wrong_usage_is_refused(executor, cwd, arguments):
    done = start(executor, cwd, GOOD, *arguments)
    assert (done.returncode, done.stdout, done.stderr.count(b"\n")) == (BAD_PLAN, b"", 1)


def test_a_plan_can_be_a_file(executor, cwd, tmp_path):
    (tmp_path / "plan").write_text(GOOD)
    done = start(executor, cwd, "", tmp_path / "plan")
    assert (done.returncode, Stream(done.stdout).ends()) == (COMPLETE, {1: "exit=0"})


def test_a_plan_without_jobs_says_hello_and_bye(executor, cwd):
    stream = run(executor, plan(), cwd)
    assert [kind for kind, _ in stream.events if kind != "kmsg"] == ["hello", "bye"]


def test_limits_of_a_plan_can_be_used_to_the_full(executor, cwd):
    tests = ["one_result"] + ["x" * 40] * 1023
    jobs = [job(999999, "prints", *tests, limit=86400, writes=[f"/nonexistent/{i}" for i in range(64)]),
            job(0, "prints", "one_result", user=0)]
    assert run(executor, plan(*jobs, parallel=1024), cwd).ends() == {999999: "exit=0", 0: "exit=0"}
