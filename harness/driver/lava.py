# SPDX-License-Identifier: GPL-2.0-only
"""`runner.py lava RUN`: a run as LAVA's signals on standard output: a set a target, a test case a clause."""

import re
from collections.abc import Iterator
from pathlib import Path

from harness.driver import markdown, verdict
from harness.driver.nearest import UsageError, did_you_mean
from harness.driver.runs import Kept, one

HELP = """\
usage: ./runner.py lava [RUN] [-o FILE]

  ./runner.py lava                print it on the console of a LAVA job: docs/ci/lava.yaml
  ./runner.py lava -o /dev/kmsg   where the console is the kernel's log

The reasons of what is no pass stand before its signal as lines of their own. absent and skip are LAVA's skip, broken is its
unknown, and what fixtures/known expects is a fail whose lines say so.
"""

RESULTS = {"pass": "pass", "fail": "fail", "timeout": "fail", "crash": "fail", "panic": "fail", "absent": "skip", "skip": "skip",
           "broken": "unknown"}


def command(argv: list[str], root: Path) -> int:
    """Prints or writes the signals."""
    if "-h" in argv or "--help" in argv:
        print(HELP, end="")
        return verdict.EXIT_EXPECTED
    words, into, options = markdown.output_of(argv)
    if options or len(words) > 1:
        raise UsageError(f"no option is called {options[0]}{did_you_mean(options[0], ('-o', '--output', '--help'))}" if options
                         else "lava takes one run")
    kept = one(words[0] if words else "latest", root / "results")
    if into == "/dev/kmsg":
        with open(into, "w") as log:  # a record a line, at the level that every console shows
            for line in lines_of(kept):
                log.write(f"<0>{line}\n")
                log.flush()
    else:
        markdown.put("".join(f"{line}\n" for line in lines_of(kept)), into)
    return verdict.EXIT_EXPECTED


def lines_of(kept: Kept) -> Iterator[str]:
    """The lines. Names hold no white space and no angle brackets, and neither does anything else begin a signal."""
    for target, tallies in kept.targets.items():
        yield f"<LAVA_SIGNAL_TESTSET START {name_of(target)}>"
        for tally in tallies.values():
            record = tally.shown
            result = RESULTS[record["verdict"]]
            if tally.differs:
                result = "fail"
            if result != "pass" or not record["expected"]:
                for line in _said(tally):
                    yield "# " + re.sub(r"[^\x20-\x7e]", "?", line).replace("<", "(").replace(">", ")")
            yield (f"<LAVA_SIGNAL_TESTCASE TEST_CASE_ID={name_of(record['clause'])} RESULT={result}"
                   f" MEASUREMENT={tally.seconds:.6f} UNITS=seconds>")
        yield f"<LAVA_SIGNAL_TESTSET STOP {name_of(target)}>"


def name_of(text: str) -> str:
    """"futex.wait.wake_ends_a_wait": what LAVA takes as a name."""
    return re.sub(r"[^\w.@+-]+", "-", text.replace("/", "."), flags=re.ASCII)


def _said(tally) -> list[str]:
    record = tally.shown
    lines = [f"{'differs: ' + tally.told() if tally.differs else record['verdict']}: {record['why']}"]
    if record["known"]:
        what = "known" if record["expected"] else "unexpected pass, known"
        lines.append(f"{what}: {record['known']['reason']} ({record['known']['file']})")
    return lines + record["seen"][:10] + record["kmsg"][:10]
