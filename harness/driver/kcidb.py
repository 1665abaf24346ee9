# SPDX-License-Identifier: GPL-2.0-only
"""`runner.py kcidb RUN`: a run as KernelCI's KCIDB I/O JSON, schema v5.3, to be handed to a client that submits it."""

import hashlib
import json
import re
from pathlib import Path

from harness.driver import markdown, verdict
from harness.driver.nearest import UsageError, did_you_mean
from harness.driver.runs import Kept, one

HELP = """\
usage: ./runner.py kcidb [RUN] [--origin NAME] [--checkout ID] [--build ID] [--log-url URL] [-o FILE]

  ./runner.py kcidb latest --origin mylab -o osprim.json      then: kci-dev submit, or POST it to kcidb-restd-rs

--origin: your registered origin (osprim). --checkout, --build: ids that others gave the kernel under test; without them
the file has a checkout and a build of its own for each kernel. --log-url: where the run's folder is published.
Nothing is sent from here. --checkout and --build need a run of one kernel.
"""

OPTIONS = ("--origin", "--checkout", "--build", "--log-url", "-o", "--output", "--help")
VERSION = {"major": 5, "minor": 3}
# A test that the kernel failed is FAIL however it did; what the harness or the machine spoiled is MISS; ERROR is never said,
# for it means that the test itself is wrong.
STATUS = {"pass": "PASS", "fail": "FAIL", "timeout": "FAIL", "crash": "FAIL", "panic": "FAIL", "absent": "SKIP", "skip": "SKIP",
          "broken": "MISS"}
EXCERPT = 16384     # of a log, the schema's limit


def command(argv: list[str], root: Path) -> int:
    """Prints or writes the JSON."""
    if "-h" in argv or "--help" in argv:
        print(HELP, end="")
        return verdict.EXIT_EXPECTED
    values, left = dict.fromkeys(("--origin", "--checkout", "--build", "--log-url"), ""), list(argv)
    rest = []
    while left:
        name, is_joined, value = (word := left.pop(0)).partition("=")
        if name not in values:
            rest.append(word)
        elif not is_joined and not left:
            raise UsageError(f"{name} takes a value")
        else:
            values[name] = value if is_joined else left.pop(0)
    words, into, unknown = markdown.output_of(rest)
    if unknown or len(words) > 1:
        raise UsageError(f"no option is called {unknown[0]}{did_you_mean(unknown[0], OPTIONS)}" if unknown else "kcidb takes one run")
    kept = one(words[0] if words else "latest", root / "results")
    report = report_of(kept, values["--origin"] or "osprim", values["--checkout"], values["--build"], values["--log-url"])
    markdown.put(json.dumps(report, indent=1, ensure_ascii=False) + "\n", into)
    return verdict.EXIT_EXPECTED


def report_of(kept: Kept, origin: str, checkout: str = "", build: str = "", log_url: str = "") -> dict:
    """The whole report. Raises UsageError for an origin or an id that the schema does not allow."""
    if not re.fullmatch(r"[a-z0-9_]+", origin):
        raise UsageError(f"--origin takes small letters, digits and _, not {origin}")
    for option, given in (("--checkout", checkout), ("--build", build)):
        if given and not re.fullmatch(r"[a-z0-9_]+:[^\0]+", given):
            raise UsageError(f"{option} takes an id as origin:name, not {given}")
    kernels = {_kernel_key(kept, target) for target in kept.targets}
    if (checkout or build) and len(kernels) > 1:
        raise UsageError(f"--checkout and --build need a run of one kernel; {kept.name} has {len(kernels)}")
    checkouts, builds, tests, issues, incidents = {}, {}, [], {}, []
    for number, target in enumerate(kept.targets, 1):
        its_checkout = checkout or f"{origin}:{_digest(_kernel_key(kept, target))}"
        its_build = build or f"{its_checkout.replace(its_checkout.partition(':')[0], origin, 1)}-{kept.about(target).get('abi', '')}"
        if not build:
            if not checkout:
                checkouts[its_checkout] = _checkout(kept, target, its_checkout, origin)
            builds[its_build] = _build(kept, target, its_build, its_checkout, origin)
        place = f"{origin}:{_word(kept.name)}-{number}"
        for order, tally in enumerate(kept.targets[target].values(), 1):
            test = _test(kept, target, tally, f"{place}-{order}", its_build, origin, log_url)
            tests.append(test)
            held = tally.shown["known"]
            if held and tally.shown["expected"] and test["status"] == "FAIL":
                issue = _issue(held, origin)
                issues[issue["id"]] = issue
                incidents.append({"id": f"{place}-{order}-known", "origin": origin, "issue_id": issue["id"],
                                  "issue_version": issue["version"], "test_id": test["id"], "present": True})
    report = {"version": dict(VERSION), "checkouts": list(checkouts.values()), "builds": list(builds.values()), "tests": tests,
              "issues": list(issues.values()), "incidents": incidents}
    return {key: value for key, value in report.items() if value}


def _kernel_key(kept: Kept, target: str) -> str:
    kernel = kept.about(target).get("kernel", {})
    return "|".join(str(kernel.get(key, "")) for key in ("release", "version", "package", "sha256"))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:20]


def _checkout(kept: Kept, target: str, name: str, origin: str) -> dict:
    kernel = kept.about(target).get("kernel", {})
    words = [str(kernel.get(key, "")) for key in ("package", "version", "release", "file")]
    return _without_nothing({"id": name, "origin": origin, "valid": True, "start_time": kept.run.get("started", ""),
                             "comment": " ".join(word for word in words if word)[:200],
                             "misc": {"osprim_kernel": {key: value for key, value in kernel.items() if value}}})


def _build(kept: Kept, target: str, name: str, checkout: str, origin: str) -> dict:
    about = kept.about(target)
    machine = str(about.get("hello", {}).get("arch", ""))
    return _without_nothing({"id": name, "origin": origin, "checkout_id": checkout, "status": "PASS",
                             "architecture": machine or str(about.get("abi", "")), "start_time": kept.run.get("started", ""),
                             "comment": f"the kernel that {target} ran; not built by osprim"[:200],
                             "misc": {"osprim_config_sha256": about.get("config", {}).get("sha256", "")}})


def _test(kept: Kept, target: str, tally, name: str, build: str, origin: str, log_url: str) -> dict:
    record = tally.shown
    word = record["verdict"]
    status = STATUS[word]
    if tally.differs and status in ("PASS", "SKIP"):
        status = "FAIL"
    excerpt = "\n".join([record["why"], *record["seen"], *record["kmsg"]]).strip()
    misc = {"osprim_verdict": word, "osprim_clause": record["clause"], "osprim_text": record["text"], "osprim_target": target,
            "osprim_abi": record.get("abi", ""), "osprim_source": f"{record['file']}:{record['line']}",
            "osprim_command": record.get("command", "")}
    if tally.differs:
        misc["osprim_repetitions"] = tally.told()
    if word == "timeout":
        misc["osprim_timeout_seconds"] = round(record["seconds"])
    return _without_nothing({
        "id": name, "origin": origin, "build_id": build, "path": path_of(record["clause"]), "status": status,
        "environment": _without_nothing({"comment": f"{target} on {kept.run.get('host', {}).get('name', '')}"[:200],
                                         "misc": {"osprim_cpus": str(kept.about(target).get("hello", {}).get("cpus", ""))}}),
        "start_time": record["started"], "duration": record["seconds"],
        "log_excerpt": excerpt[:EXCERPT] if status != "PASS" else "",
        "log_url": f"{log_url.rstrip('/')}/{record['log']['file']}" if log_url and record.get("log", {}).get("file") else "",
        "misc": _without_nothing(misc)})


def path_of(clause: str) -> str:
    """"osprim.futex.wait.wake_ends_a_wait": words of letters, digits, _ and -, joined by dots."""
    return ".".join(["osprim", *(_word(part) for part in clause.split("/"))])


def _word(text: str) -> str:
    return re.sub(r"[^a-zA-Z0-9_-]+", "-", text) or "-"


def _issue(held: dict, origin: str) -> dict:
    name = f"{origin}:known-{_digest(held['file'] + held['reason'])}"
    return {"id": name, "version": 1, "origin": origin, "comment": held["reason"][:200], "report_url": held["link"],
            "report_subject": held["reason"][:200], "culprit": {"code": True}, "misc": {"osprim_known": held["file"]}}


def _without_nothing(row: dict) -> dict:
    """Without empty texts and objects: the schema knows no null, and an empty time is none."""
    return {key: value for key, value in row.items() if value not in ("", None, {}, [])}
