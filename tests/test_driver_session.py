# SPDX-License-Identifier: GPL-2.0-only
"""Who is blamed when a kernel dies: a guest that plays a script, one line of behaviour for each boot."""

import pytest
from streams import HELLO, Stream, job

from harness.driver.session import Session

A, B = "global.a_holds_so", "global.kills_the_kernel_so"
PANIC = b"[    2.0] Kernel panic - not syncing: sysrq triggered crash\n"
BOOTS = {"dies early": b"[    1.1] Kernel panic - not syncing: No working init found.\n",
         "traps early": b"[    1.0] Oops: int3: 0000 [#1] SMP NOPTI\n[    1.0] Call Trace:\n[    1.1] ---[ end trace 0000000000000000 ]---\n"
                        b"[    1.1] Kernel panic - not syncing: Fatal exception in interrupt\n"}


class Guest:
    """A machine whose every boot does the next thing of a list: dies at boot, or runs its plan as far as it can."""

    name, own_kernel, is_emulated, slow, parallel, config = "guest", True, True, 1, 2, ""

    def __init__(self, boots: list[str], killers: set[str]):
        """boots: "dies early" or "traps early" (no hello), "lags" (dies before it told of what began last), "hangs" (and says
        nothing more, or if it has one clause only, that its limit passed), or "tells"."""
        self.boots, self.killers = list(boots), killers

    def start(self, plan, logs, silence):
        nonce = plan.partition("\nnonce ")[2][:8]
        asked = plan.partition(" tests=")[2].split("\n")[0].split(",")
        manner = self.boots.pop(0)
        if manner in BOOTS:
            yield from BOOTS[manner].splitlines(keepends=True)
            return
        stream = Stream(nonce).say(HELLO, "begin 1 ms=1")
        for number, tap in enumerate(asked, 1):
            if manner == "hangs" and tap in self.killers and len(asked) == 1:
                stream.fail(1, number, tap, f"# {tap.partition('.')[2]}: Test terminated by timeout")
                continue
            if manner == "hangs" and tap in self.killers:
                yield from stream.say(f"line 1 #  RUN           {tap} ...").data.splitlines(keepends=True)
                return
            if tap in self.killers:
                yield from stream.noise(PANIC).data.splitlines(keepends=True)
                return
            if manner == "lags" and number < len(asked) and asked[number] in self.killers:
                stream.say(f"line 1 #  RUN           {tap} ...")
            else:
                stream.run(1, tap, first=number)
        yield from stream.end(1).say("bye jobs=1 ms=9").data.splitlines(keepends=True)

    def stop(self):
        raise AssertionError("nobody asked for an end")

    def last_words(self):
        return "the kernel went away"


def told_by(tmp_path, boots: list[str], killers: set[str]) -> dict[str, str]:
    """Verdicts by name. Every boot of the script must have been used."""
    guest = Guest(boots, killers)
    outcomes = list(Session(guest, tmp_path).rounds(job(1, [A, B]).tasks))
    assert not guest.boots
    assert len(outcomes) == 2
    return {outcome.task.clause.tap: outcome.verdict for outcome in outcomes}


def test_the_clause_that_kills_a_kernel_is_found_though_the_stream_lags(tmp_path):
    assert told_by(tmp_path, ["lags", "tells", "tells"], {B}) == {A: "pass", B: "panic"}


def test_a_boot_that_fails_while_the_culprit_is_sought_blames_nobody(tmp_path):
    assert told_by(tmp_path, ["lags", "tells", "dies early", "tells"], {B}) == {A: "pass", B: "panic"}


def test_a_culprit_that_found_no_kernel_twice_is_still_found(tmp_path):
    assert told_by(tmp_path, ["lags", "tells", "dies early", "dies early", "tells"], {B}) == {A: "pass", B: "panic"}


def test_a_suspect_that_hangs_alone_is_the_culprit(tmp_path):
    assert told_by(tmp_path, ["hangs", "hangs", "tells"], {A}) == {A: "timeout", B: "pass"}


def test_a_guest_that_says_nothing_is_given_up_as_soon_as_the_user_wants(tmp_path):
    silences = []

    class Silent(Guest):
        def start(self, plan, logs, silence):
            silences.append(silence)
            return super().start(plan, logs, silence)

    for patience in (0, 5, 1):
        list(Session(Silent(["tells"], set()), tmp_path, patience=patience).rounds(job(1, [A, B]).tasks))
    assert silences == [50, 5, 4]


def test_an_emulated_kernel_that_traps_at_boot_has_four_tries(tmp_path):
    assert told_by(tmp_path, ["traps early", "traps early", "traps early", "tells"], set()) == {A: "pass", B: "pass"}


@pytest.mark.parametrize("manner,tries", [("dies early", 2), ("traps early", 4)])
def test_a_kernel_that_never_comes_up_breaks_everything_and_says_why(tmp_path, manner, tries):
    guest = Guest([manner] * tries, set())
    session = Session(guest, tmp_path)
    assert [outcome.verdict for outcome in session.rounds(job(1, [A, B]).tasks)] == ["broken", "broken"]
    assert not guest.boots
    assert ("it began with: [    1.0] Oops: int3" in session.faults[0]) == (manner == "traps early")
