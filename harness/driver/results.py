# SPDX-License-Identifier: GPL-2.0-only
"""What a run writes: results/<run>/ with run.json, results.jsonl, raw logs and KTAP. results/README.md explains it."""

import gzip
import hashlib
import json
import os
import time
from pathlib import Path

SCHEMA = 1


class ResultsError(Exception):
    """Results cannot be written; the text names the file and the cause."""


class Results:
    """The folder of one run. Whoever makes it owns it: two runs never share one."""

    def __init__(self, base: Path):
        """base: "results". Makes base/<UTC time>-<pid>/. Raises ResultsError."""
        self.base = base
        self._records = None
        stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime()) + f"-{os.getpid()}"
        for name in (stamp, *(f"{stamp}-{again}" for again in range(2, 100))):
            self.folder = base / name
            try:
                base.mkdir(parents=True, exist_ok=True)
                self.folder.mkdir()  # the lock
                (self.folder / "logs").mkdir()
                self.folder.chmod(0o755)  # clauses without privilege read the configuration in it
                self._records = open(self.folder / "results.jsonl", "x", encoding="utf-8")
                _lock(self._records, self.folder)
                return
            except FileExistsError:
                if not base.is_dir():
                    raise ResultsError(f"cannot write results: {base} is no folder") from None
            except OSError as error:
                raise ResultsError(_cannot(error, self.folder)) from None
        raise ResultsError(f"cannot write results: {base} holds a hundred runs of this second")

    @classmethod
    def reopen(cls, folder: Path) -> "Results":
        """A run that was cut short, to go on with; a last record that is not whole goes. Raises ResultsError."""
        self = cls.__new__(cls)
        self.base, self.folder, self._records = folder.parent, folder, None
        try:
            with open(folder / "results.jsonl", "rb+") as file:
                _lock(file, folder)
                data = file.read()
                file.truncate(data.rfind(b"\n") + 1)
            self._records = open(folder / "results.jsonl", "a", encoding="utf-8")
            _lock(self._records, folder)
            (folder / "logs").mkdir(exist_ok=True)
        except OSError as error:
            raise ResultsError(_cannot(error, folder)) from None
        return self

    @property
    def name(self) -> str:
        """The run's name."""
        return self.folder.name

    def add(self, record: dict) -> None:
        """Writes one record, at once. Raises ResultsError."""
        try:
            self._records.write(json.dumps(record) + "\n")
            self._records.flush()
        except OSError as error:
            raise ResultsError(_cannot(error, self.folder / "results.jsonl")) from None

    def write(self, name: str, text: str) -> Path:
        """Writes a whole file of the run, or leaves the one that was there. Raises ResultsError."""
        path = self.folder / name
        scratch = path.with_name(path.name + ".part")
        try:
            scratch.write_text(text, encoding="utf-8")
            scratch.replace(path)
        except OSError as error:
            raise ResultsError(_cannot(error, path)) from None
        return path

    def write_run(self, run: dict) -> None:
        """Writes run.json, whole. Raises ResultsError."""
        self.write("run.json", json.dumps({"schema": SCHEMA, "run": self.name} | run, indent=2) + "\n")

    def point_latest_here(self) -> None:
        """Makes base/latest a link to this run, in one step; a file system without links goes without."""
        scratch = self.base / f".latest-{self.name}"
        try:
            scratch.symlink_to(self.name)
            scratch.replace(self.base / "latest")
        except OSError:
            scratch.unlink(missing_ok=True)

    def close(self) -> None:
        """Ends the records. A second time does nothing."""
        if self._records:
            try:
                self._records.close()
            except OSError:
                pass  # add() has said so already

    def discard(self) -> None:
        """Removes a run in which nothing was started."""
        self.close()
        for path in (self.folder / "results.jsonl", self.folder / "junit.xml", self.folder / "config"):
            path.unlink(missing_ok=True)
        try:
            (self.folder / "logs").rmdir()
            self.folder.rmdir()
        except OSError:
            pass

    def keep_config(self) -> dict:
        """Copies the running kernel's configuration into the run as plain text.

        Returns {"file", "source", "sha256"}, all "" where there is none. Raises ResultsError."""
        for source in ("/proc/config.gz", f"/boot/config-{os.uname().release}"):
            try:
                data = Path(source).read_bytes()
                text = gzip.decompress(data) if source.endswith(".gz") else data
            except (OSError, EOFError):
                continue
            path = self.folder / "config"
            try:
                path.write_bytes(text)
                path.chmod(0o644)
            except OSError as error:
                raise ResultsError(_cannot(error, path)) from None
            return {"file": "config", "source": source, "sha256": hashlib.sha256(text).hexdigest()}
        return {"file": "", "source": "", "sha256": ""}


def read_records(folder: Path) -> list[dict]:
    """The records of a run; a last line that was cut short is left out. Raises OSError."""
    records = []
    for line in (folder / "results.jsonl").read_text(encoding="utf-8").splitlines():
        try:
            records.append(json.loads(line))
        except ValueError:
            pass
    return records


def _lock(file, folder: Path) -> None:
    """Keeps others from going on with a run that is still being written. Raises ResultsError."""
    import fcntl
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise ResultsError(f"{folder} is still being written by another runner.py") from None
    except OSError:
        pass  # a file system without locks


def _cannot(error: OSError, path: Path) -> str:
    return f"cannot write {error.filename or path}: {error.strerror}"
