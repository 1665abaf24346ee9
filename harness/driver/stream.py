# SPDX-License-Identifier: GPL-2.0-only
"""The stream's decoder (docs/stream.md): bytes of a console in, checked events out. Never raises on any bytes."""

import re
from typing import NamedTuple
from zlib import crc32

LONGEST_LINE = 8192  # a frame is shorter; what is longer is noise

_FRAME = re.compile(rb"@([0-9a-f]{8}) (0|[1-9][0-9]{0,9}) ([0-9a-f]{8}) (([a-z]{1,16})(?: ([\x20-\x7e\t]*))?)")

_JOB = r"(?P<job>[0-9]{1,9})"
_GRAMMAR = {kind: re.compile(pattern) for kind, pattern in {
    "hello": r"executor=(?P<executor>\d{1,4}) arch=(?P<arch>\S{1,32}) release=(?P<release>\S{1,128})"
             r" cpus=(?P<cpus>\d{1,6}) page=(?P<page>\d{1,9}) uid=(?P<uid>\d{1,10})",
    "begin": _JOB + r" ms=(?P<ms>\d{1,12})",
    "line": _JOB + r"(?: (?P<text>.*))?",
    "kmsg": r"(?P<text>.*)",
    "end": _JOB + r" (?P<how>exit=\d{1,3}|signal=\d{1,3}|limit=\d{1,6}|error=E[A-Z0-9]{1,20}|stopped)"
           r" ms=(?P<ms>\d{1,12}) user=(?P<user>\d{1,12}) sys=(?P<sys>\d{1,12})"
           r" left=(?P<left>\d{1,9}) dropped=(?P<dropped>\d{1,12})",
    "restored": _JOB + r" (?P<text>.+)",
    "waits": r"ms=(?P<ms>\d{1,12})",
    "error": r"(?P<text>.*)",
    "bye": r"jobs=(?P<jobs>\d{1,9}) ms=(?P<ms>\d{1,12})",
}.items()}


class Event(NamedTuple):
    """One checked line. Besides the kinds of docs/stream.md: `noise` (text: a line of the console that is none of the
    stream's), `gap` (lines were lost before the next event), `strange` (a sound line that this driver cannot read)."""

    kind: str
    job: int = -1
    text: str = ""
    values: dict[str, str] = {}


class Decoder:
    """Checks the lines of one stream, in order. Only lines with its nonce, their checksum and the next number count."""

    def __init__(self, nonce: str):
        """nonce: the 8 hex digits that the plan gave the executor."""
        self.nonce = nonce.encode()
        self.due = 0  # the sequence number that comes next

    def feed(self, line: bytes) -> list[Event]:
        """The events that a line (with or without its end) is: none for a repeated one, a gap before a late one."""
        line = line.rstrip(b"\r\n")
        frame = _FRAME.fullmatch(line) if len(line) <= LONGEST_LINE else None
        if not frame or frame[1] != self.nonce or int(frame[3], 16) != crc32(b"%s %s" % (frame[2], frame[4])):
            return [Event("noise", text=printable(line[:1000]))] if line else []
        number = int(frame[2])
        if number < self.due:
            return []
        events = [Event("gap")] if number > self.due else []
        self.due = number + 1
        return events + [_event(frame[5].decode(), (frame[6] or b"").decode())]


def _event(kind: str, rest: str) -> Event:
    grammar = _GRAMMAR.get(kind)
    match = grammar and grammar.fullmatch(rest)
    if not match:
        return Event("strange", text=f"{kind} {rest}"[:200])
    values = match.groupdict()
    return Event(kind, int(values.get("job", -1)), values.get("text") or "", values)


def printable(raw: bytes) -> str:
    """Bytes as text without anything that a terminal, a report or a log could act on."""
    return "".join(chr(byte) if 0x20 <= byte < 0x7f or byte == 9 else f"\\x{byte:02x}" for byte in raw)
