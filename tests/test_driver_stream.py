# SPDX-License-Identifier: GPL-2.0-only
"""The stream's decoder and the judge: golden logs of fixtures/ktap, and what they leave out."""

import pytest
from streams import HELLO, NONCE, Stream, frame, golden, golden_names, job, judged, verdicts

from harness.driver.classify import Running
from harness.driver.kernellog import Reader
from harness.driver.stream import LONGEST_LINE, Decoder, printable
from harness.driver.verdict import WORDS

A, B = "global.a_holds_so", "global.b_holds_so"


@pytest.mark.parametrize("name", golden_names())
def test_golden_log(name):
    data, told, jobs = golden(name)
    seen = verdicts(data, jobs, told["own_kernel"])
    assert {f"{number} {tap}": word for (number, tap), word in seen.items()} == told["verdicts"], told["about"]


@pytest.mark.parametrize("name", golden_names())
def test_golden_log_says_why(name):
    data, told, jobs = golden(name)
    outcomes, judge = judged(data, jobs, told["own_kernel"])
    by_task = {id(task): f"{planned.number} {task.clause.tap}" for planned in jobs for task in planned.tasks}
    whys = {by_task[id(outcome.task)]: outcome.why for outcome in outcomes}
    for key, why in told.get("why", {}).items():
        assert why in whys[key]
    assert all(why for key, why in whys.items() if told["verdicts"][key] != "pass"), "whatever did not pass says why"
    assert [by_task[id(task)] for task in judge.suspects] == told.get("suspects", [])
    for fault in told.get("faults", []):
        assert any(fault in seen for seen in judge.faults), judge.faults


def test_a_report_that_begins_within_another_blames_who_runs_then():
    warned = (Stream().say(HELLO).noise(b"[    1.8] Kernel panic - not syncing: x\r\n").say("begin 1 ms=1")
              .run(1, A).say(f"line 1 #  RUN           {B} ...", "kmsg WARNING: CPU: 0 PID: 9 at x",
                             "kmsg CPU: 0 PID: 9 Comm: p Not tainted", f"line 1 ok 2 {B}").end(1))
    assert verdicts(warned.data, [job(1, [A, B])], own_kernel=True) == {(1, A): "pass", (1, B): "panic"}


def test_golden_logs_cover_every_verdict():
    words = {word for name in golden_names() for word in golden(name)[1]["verdicts"].values()}
    assert words >= set(WORDS)


def test_frame_round_trip():
    events = Decoder(NONCE).feed(frame(0, HELLO))
    assert [event.kind for event in events] == ["hello"]
    assert events[0].values["release"] == "6.12.1"


@pytest.mark.parametrize("line", [
    frame(0, HELLO).replace(b"6.12.1", b"6.12.2"), frame(0, HELLO).replace(b"@", b""), frame(0, HELLO, "deadbeef"),
    b" " + frame(0, HELLO),
    frame(0, HELLO)[:-3], frame(0, HELLO).replace(b" 0 ", b" 00 "), b"x" * (LONGEST_LINE * 3), b"\xff\x00\x1b[2J",
    frame(0, "Hello"),
], ids=["checksum", "mark", "nonce", "indent", "cut", "zeros", "long", "binary", "kind"])
def test_what_does_not_match_is_noise(line):
    assert [event.kind for event in Decoder(NONCE).feed(line)] == ["noise"]


@pytest.mark.parametrize("body", ["hello executor=1", "begin x ms=1", "begin 1", "end 1 exit=0",
                                  "end 1 exit=1000 ms=1 user=1 sys=1 left=0 dropped=0",
                                  "bye", "invented 1 2", "line", "restored 1", "begin 9999999999 ms=1"])
def test_a_sound_line_that_is_none_of_the_protocol_is_strange(body):
    assert [event.kind for event in Decoder(NONCE).feed(frame(0, body))] == ["strange"]


def test_an_empty_line_is_nothing():
    assert Decoder(NONCE).feed(b"\r\n") == []


def test_a_lost_line_is_a_gap_and_a_late_one_is_dropped():
    decoder = Decoder(NONCE)
    decoder.feed(frame(0, HELLO))
    assert [event.kind for event in decoder.feed(frame(2, "begin 1 ms=1"))] == ["gap", "begin"]
    assert decoder.feed(frame(1, "begin 2 ms=1")) == []
    assert decoder.feed(frame(2, "begin 1 ms=1")) == []


def test_printable_lets_nothing_through_that_acts():
    assert printable(b"a\x1b[31m\x07\xc3\xa9\x7f\tb") == "a\\x1b[31m\\x07\\xc3\\xa9\\x7f\tb"


RUN_A, RUN_B = f"line 1 #  RUN           {A} ...", f"line 1 #  RUN           {B} ..."


def begun() -> Stream:
    """A stream in which job 1 has begun."""
    return Stream().say(HELLO, "begin 1 ms=1")


def words(stream: Stream, *taps: str, own_kernel: bool = False) -> list[str]:
    """The verdicts of job 1's clauses, which are A and B unless said."""
    return list(verdicts(stream.data, [job(1, list(taps or (A, B)))], own_kernel).values())


def only(stream: Stream):
    """The outcome of A, the one clause of job 1."""
    return judged(stream.data, [job(1, [A])])[0][0]


def test_seconds_and_bytes_are_the_clauses_own():
    data = begun().run(1, A, B).end(1).say("bye jobs=1 ms=2").data
    first, second = judged(data, [job(1, [A, B])])[0]
    assert data[slice(*first.log)].startswith(b"@") and RUN_A.encode() in data[slice(*first.log)]
    assert data[slice(*first.log)].endswith(f"ok 1 {A}\n".encode())
    assert second.log[0] == first.log[1] and second.seconds > 0


def test_an_assertion_is_shown_and_bounded():
    lines = [f"# suites/s/p.c:{n}:a_holds_so:Expected {n}" for n in range(100)] + ["# a_holds_so: Test failed"]
    outcome = only(begun().fail(1, 1, A, *lines).end(1, "exit=1"))
    assert outcome.verdict == "fail" and outcome.seen[0] == "suites/s/p.c:0: Expected 0" and len(outcome.seen) == 20


@pytest.mark.parametrize("said", ["Test terminated by timeout", "Test terminated unexpectedly by signal 9"])
def test_words_about_another_clause_are_no_reason(said):
    assert only(begun().fail(1, 1, A, f"# b_holds_so: {said}").end(1, "exit=1")).verdict == "fail"


def test_an_assertion_of_another_clause_is_none_of_this_one():
    stream = begun().fail(1, 1, A, "# s/p.c:3:b_holds_so:no", "# a_holds_so: Test terminated by assertion")
    assert only(stream.end(1, "exit=1")).verdict == "crash"


def test_a_result_with_the_right_number_and_another_name_counts_for_nobody():
    assert words(begun().say(RUN_A, f"line 1 ok 1 {B}").run(1, B, first=2).end(1)) == ["broken", "pass"]


def test_after_a_lost_line_order_is_demanded_again():
    assert words(Stream().say(HELLO).lose().say("begin 1 ms=1").run(1, B, first=2).end(1)) == ["", ""]
    c = "global.c_holds_so"
    assert words(begun().lose().run(1, A).run(1, c, first=3).end(1), A, B, c) == ["pass", "", ""]


def test_nothing_counts_after_bye():
    assert words(begun().run(1, A).say("bye jobs=1 ms=2").run(1, B, first=2).end(1)) == ["pass", ""]


def test_a_pipes_noise_is_no_kernel_log():
    stream = begun().say(RUN_A).noise(b"BUG: x\nCPU: 0 PID: 1 Comm: p\n").say(f"line 1 ok 1 {A}").end(1)
    assert words(stream, A) == ["pass"] and words(stream, A, own_kernel=True) == ["panic"]


def test_what_a_clause_says_is_kept_within_bounds():
    running = Running(job(1, [A]).tasks[0], 0.0, 0)
    for number in range(1000):
        running.hear(f"# s/p.c:{number}:a_holds_so:x")
        running.hear(f"# a_holds_so: {number}")
        running.hear(f"line {number}")
    assert max(len(running.asserted), len(running.said), len(running.other)) == 20


def test_a_report_ends():
    reader = Reader()
    assert [reader.feed(line) is not None for line in ["BUG: x"] + ["y"] * 79 + ["z"]] == [True] * 80 + [False]
    reader = Reader()
    assert [reader.feed(line) is not None for line in ["BUG: x", "---[ end trace 0 ]---", "z"]] == [True, True, False]


def test_a_report_of_one_clause_does_not_reach_the_next_of_the_same_name():
    lockup = ["kmsg BUG: soft lockup - CPU#1 stuck for 22s! [p:42]", "kmsg CPU: 1 PID: 42 Comm: p Not tainted"]
    stream = begun().say(RUN_A, *lockup, f"line 1 ok 1 {A}", RUN_B, "kmsg usb 1-1: new device", f"line 1 ok 2 {B}")
    assert words(stream.end(1)) == ["panic", "pass"], "the report has no end mark"


def test_a_message_about_a_crashed_program_is_kept_with_its_clause():
    segfault = "kmsg p[42]: segfault at 0 ip 401000 sp 7ffe error 4 in p[400000+1]"
    outcome = only(begun().say(RUN_A, segfault, "kmsg usb 1-1: new device",
                               "line 1 # a_holds_so: Test terminated unexpectedly by signal 11",
                               f"line 1 not ok 1 {A}").end(1, "exit=1"))
    assert outcome.verdict == "crash" and [line[:5] for line in outcome.kmsg] == ["p[42]"]


def test_a_clause_that_kills_its_nanny_crashed():
    assert words(begun().run(1, A).say(RUN_B).end(1, "error=ECHILD")) == ["pass", "crash"]


def test_what_the_executor_mended_is_noted():
    end = "end 1 exit=0 ms=1 user=1 sys=1 left=2 dropped=0"
    notes = judged(begun().run(1, A).say("restored 1 /sys/kernel/mm/a", end).data, [job(1, [A])])[1].notes
    assert any("/sys/kernel/mm/a" in note for note in notes) and any("left 2 processes" in note for note in notes)
