# SPDX-License-Identifier: GPL-2.0-only
"""Texts of guests for a report: cut to a bound, made visible; and the pieces of logs that records name."""

import re
from pathlib import Path

MOST_TEXT = 4_000           # characters of one line of a record
MOST_LOG = 16_000           # bytes of one piece of a log
MOST_LOGS = 24_000_000      # bytes of all pieces of a report
MOST_READ = 1_000_000       # bytes of one piece that are looked through for lines of other programs

# A line of the stream that belongs to one program: its number (docs/stream.md).
_OF_A_JOB = re.compile(rb"@[0-9a-f]+ \d+ [0-9a-f]+ (?:begin|line|end) (\d+)\b")

# C0 and C1 controls, what reorders or hides text, lone surrogates; \n and \t stay.
_UNSEEN = re.compile("[\0-\b\v-\x1f\x7f-\x9f\xad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
                     "\ud800-\udfff\U000e0000-\U000e007f]")


def visible(text: object, most: int = MOST_TEXT) -> str:
    """A guest's text, at most `most` characters and a note of what is left out; what cannot be seen is spelt out."""
    text = text if isinstance(text, str) else "" if text is None else str(text)
    if len(text) > most:
        text = f"{text[:most]}... ({len(text) - most} characters more)"
    return _UNSEEN.sub(_spelt, text)


def _spelt(match: re.Match) -> str:
    number = ord(match[0])
    return chr(0x2400 + number) if number < 32 else "\u2421" if number == 127 else f"\\u{{{number:x}}}"


class Logs:
    """Cuts pieces out of the logs of one run. Opens nothing outside the run's folder; close() when done."""

    def __init__(self, folder: Path, spent: int = 0):
        """folder: the run's; spent: bytes that other runs of this report have used."""
        self.folder = folder.resolve()
        self.spent = spent
        self._files: dict[str, object] = {}

    def piece(self, log: object, name: str = "") -> str:
        """The text that a record's `log` names; "" if it names none, or a note why it is not here.

        name: of the clause; what programs beside its own wrote meanwhile is left out."""
        if not isinstance(log, dict) or not isinstance(log.get("file"), str) or not log["file"]:
            return ""
        begin, end = log.get("from"), log.get("to")
        if not isinstance(begin, int) or not isinstance(end, int) or not 0 <= begin < end < 1 << 62:
            return ""
        file = self._file(log["file"])
        if file is None:
            return f"({visible(log['file'], 200)} is not in the run's folder)"
        if self.spent >= MOST_LOGS:
            return f"(left out, the report has enough of them: {visible(log['file'], 200)}, bytes {begin} to {end})"
        unread = max(0, end - begin - MOST_READ)
        data = _cut(_own(_read(file, begin, end, unread), name), unread)
        self.spent += len(data)
        text = re.sub(r"\r+\n", "\n", data.decode(errors="replace"))
        return visible(text, 2 * MOST_LOG)

    def close(self) -> None:
        """Closes the logs."""
        for file in self._files.values():
            if file:
                file.close()
        self._files = {}

    def _file(self, name: str):
        if name not in self._files:
            self._files[name] = None
            try:
                path = (self.folder / name).resolve()
                if path.is_relative_to(self.folder) and path.is_file():
                    self._files[name] = open(path, "rb")
            except (OSError, ValueError):
                pass
        return self._files[name]


def _read(file, begin: int, end: int, unread: int) -> bytes:
    """Bytes begin (included) to end (not included), but for so many in the middle."""
    file.seek(begin)
    if not unread:
        return file.read(end - begin)
    head = file.read(MOST_READ // 2)
    file.seek(end - MOST_READ // 2)
    return head + file.read(MOST_READ // 2)


def _own(data: bytes, name: str) -> bytes:
    """A piece without lines of programs other than the one that names the clause; as it was if none does."""
    lines = data.splitlines(keepends=True)
    jobs = [match[1] if (match := _OF_A_JOB.match(line)) else b"" for line in lines]
    own = next((job for job, line in zip(jobs, lines) if job and name.encode(errors="replace") in line), b"")
    kept = [line for job, line in zip(jobs, lines) if job in (own, b"")] if own else lines
    if len(kept) == len(lines):
        return data
    return b"".join(kept) + f"({len(lines) - len(kept)} lines of programs beside it are left out)\n".encode()


def _cut(data: bytes, unread: int) -> bytes:
    """Of a long piece its beginning and, longer, its end; unread: how many bytes of the log are left out besides."""
    left_out = len(data) - MOST_LOG
    if left_out <= 0 and not unread:
        return data
    tail = MOST_LOG * 3 // 4
    return data[:MOST_LOG - tail] + f"\n... {max(0, left_out) + unread} bytes left out ...\n".encode() + data[-tail:]
