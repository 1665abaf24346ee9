# SPDX-License-Identifier: GPL-2.0-only
"""Hostile streams: whatever bytes come, no exception, one verdict a clause, no pass that the sound stream had not."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from streams import HELLO, NONCE, Stream, frame, golden, golden_names, job, judged, verdicts

from harness.driver import kernellog
from harness.driver.classify import MOST_KMSG, MOST_SEEN
from harness.driver.judge import MOST_FAULTS
from harness.driver.stream import Decoder

thorough = settings(max_examples=150, deadline=None, database=None, suppress_health_check=list(HealthCheck))

LOGS = {name: golden(name) for name in golden_names() if golden(name)[1].get("sound", True)}
TAPS = [f"global.{letter}_holds_so" for letter in "abcdef"]
SCRAPS = st.one_of(
    st.binary(max_size=60),
    st.sampled_from([b"\n", b"\r", b"@", b"@" + NONCE.encode() + b" ", b"\x1b[2J",
                     b"[    1.85] Kernel panic - not syncing: x\r\n", b"ok 1 x\n",
                     frame(3, f"line 1 ok 1 {TAPS[0]}", "deadbeef"), b"BUG: x\nCPU: 0 PID: 1 Comm: wait\n"]))


def passes(data: bytes, jobs, own_kernel: bool) -> set:
    """The planned clauses that pass, after a check that each has one outcome and that nothing grew without bound."""
    told = verdicts(data, jobs, own_kernel)
    outcomes, judge = judged(data, jobs, own_kernel)
    for outcome in outcomes:
        assert len(outcome.seen) <= MOST_SEEN and len(outcome.kmsg) <= MOST_KMSG and len(outcome.why) < 2000
    assert all(line.isprintable() or "\t" in line for outcome in outcomes for line in [outcome.why, *outcome.seen,
                                                                                       *outcome.kmsg])
    assert len(judge.faults) <= MOST_FAULTS and all(fault.isprintable() or "\t" in fault for fault in judge.faults)
    return {key for key, word in told.items() if word == "pass"}


@st.composite
def streams(draw):
    """A sound stream of one to three jobs whose lines are interleaved, with any results."""
    scripts, jobs = [], []
    for number in range(1, draw(st.integers(1, 3)) + 1):
        taps = TAPS[:draw(st.integers(1, 6))]
        jobs.append(job(number, taps, f"s/p{number}"))
        one = Stream().say(f"begin {number} ms=1")
        for place, tap in enumerate(taps, 1):
            word = draw(st.sampled_from(["pass", "pass", "fail", "skip", "stop", "panic", "twice"]))
            if word == "stop":
                one.say(f"line {number} #  RUN           {tap} ...")
                break
            one.say(f"line {number} #  RUN           {tap} ...")
            if word == "panic":
                one.say("kmsg WARNING: CPU: 0 PID: 9 at x", f"kmsg CPU: 0 PID: 9 Comm: p{number} Not tainted")
            result, directive = "not ok" if word == "fail" else "ok", " # SKIP absent: x" if word == "skip" else ""
            one.say(f"line {number} {result} {place} {tap}{directive}")
            if word == "twice":
                one.say(f"line {number} not ok {place} {tap}")
        one.end(number, draw(st.sampled_from(["exit=0", "signal=9", "limit=20", "stopped"])))
        scripts.append([line.split(b" ", 3)[3].decode().rstrip("\n") for line in one.data.splitlines() if line])
    whole = Stream().say(HELLO)
    while any(scripts):
        script = draw(st.sampled_from([script for script in scripts if script]))
        whole.say(script.pop(0))
    if draw(st.booleans()):
        whole.say(f"bye jobs={len(jobs)} ms=9")
    return whole.data, jobs, draw(st.booleans())


@st.composite
def mutations(draw, data: bytes):
    """The same bytes after torn, lost, repeated, moved and foreign ones."""
    for _ in range(draw(st.integers(1, 4))):
        lines = data.splitlines(keepends=True) or [b""]
        at = draw(st.integers(0, len(lines) - 1))
        to = draw(st.integers(0, len(lines) - 1))
        byte = draw(st.integers(0, len(data)))
        what = draw(st.sampled_from(["cut", "lose", "repeat", "move", "swap", "insert", "flip", "join", "behead"]))
        if what == "cut":
            data = data[:byte]
        elif what == "insert":
            data = data[:byte] + draw(SCRAPS) + data[byte:]
        elif what == "flip" and byte < len(data):
            data = data[:byte] + bytes([data[byte] ^ 1 << draw(st.integers(0, 7))]) + data[byte + 1:]
        elif what == "behead":
            data = data[byte:]
        else:
            if what == "lose":
                lines[at:to + 1] = []
            elif what == "repeat":
                lines[to:to] = [lines[at]]
            elif what == "move":
                lines.insert(to, lines.pop(at))
            elif what == "swap":
                lines[at], lines[to] = lines[to], lines[at]
            elif what == "join":
                lines[at] = lines[at].rstrip(b"\n")
            data = b"".join(lines)
    return data


@thorough
@given(st.data(), st.sampled_from(sorted(LOGS)))
def test_a_golden_log_that_is_mutated(draw, name):
    data, told, jobs = LOGS[name]
    assert passes(draw.draw(mutations(data)), jobs, told["own_kernel"]) <= passes(data, jobs, told["own_kernel"])


@thorough
@given(st.data(), streams())
def test_a_sound_stream_that_is_mutated(draw, stream):
    data, jobs, own_kernel = stream
    assert passes(draw.draw(mutations(data)), jobs, own_kernel) <= passes(data, jobs, own_kernel)


@thorough
@given(streams())
def test_a_sound_stream_has_no_broken_clause_but_those_told_twice(stream):
    data, jobs, own_kernel = stream
    broken = [key for key, word in verdicts(data, jobs, own_kernel).items() if word == "broken"]
    assert all(f"not ok {TAPS.index(tap) + 1} {tap}".encode() in data for _, tap in broken)


@thorough
@given(st.binary(max_size=2000))
def test_any_bytes(data):
    assert passes(data, [job(1, TAPS)], False) == set()


@thorough
@given(st.lists(st.one_of(
    st.sampled_from([HELLO, "bye jobs=1 ms=1", "begin 1 ms=1", "begin 2 ms=1",
                     "end 1 exit=0 ms=1 user=1 sys=1 left=0 dropped=0",
                     "end 2 stopped ms=1 user=1 sys=1 left=0 dropped=0"]),
    st.builds("line {} {}".format, st.integers(0, 3), st.one_of(
        st.sampled_from(["", "ok", "ok ", "not ok 1", "ok 1 x", "ok 999999 y",
                         *(f"ok {n} {tap}" for n, tap in enumerate(TAPS, 1)),
                         *(f"not ok {n} {tap} # SKIP" for n, tap in enumerate(TAPS, 1)),
                         *(f"#  RUN           {tap} ..." for tap in TAPS)]),
        st.text(alphabet=st.characters(min_codepoint=0x20, max_codepoint=0x7e), max_size=40))),
    st.text(alphabet=st.characters(min_codepoint=0x20, max_codepoint=0x7e), max_size=40)), max_size=40))
def test_any_sound_lines(bodies):
    jobs = [job(1, TAPS[:3]), job(2, TAPS[3:])]
    for own_kernel in (False, True):
        data = Stream().say(*bodies).data
        claimed = {(number, tap) for number in (1, 2) for tap in TAPS for body in bodies
                   if body.startswith(f"line {number} ok ") and tap in body}
        assert passes(data, jobs, own_kernel) <= claimed


@thorough
@given(st.lists(st.binary(max_size=100), max_size=20))
def test_the_decoder_takes_any_line(lines):
    decoder = Decoder(NONCE)
    for line in lines:
        assert all(event.kind in ("noise",) for event in decoder.feed(line))


@thorough
@given(st.lists(st.text(max_size=80), max_size=120))
def test_the_kernel_log_reader_takes_any_line(lines):
    reader = kernellog.Reader()
    for line in lines:
        report = reader.feed(line)
        assert report is None or len(report.lines) <= kernellog.LONGEST_REPORT
