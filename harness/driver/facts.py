# SPDX-License-Identifier: GPL-2.0-only
"""What a run notes about this machine and this repository."""

import os
import time
from pathlib import Path


def now() -> str:
    """This moment, UTC, to the millisecond."""
    return stamp(time.time())


def stamp(seconds: float) -> str:
    """Seconds since the epoch as "2026-11-21T10:14:32.123Z"."""
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{int(seconds % 1 * 1000):03d}Z"


def host() -> dict:
    """The machine that the driver runs on."""
    uname = os.uname()
    return {"name": uname.nodename, "machine": uname.machine, "release": uname.release, "version": uname.version,
            "cpus": len(os.sched_getaffinity(0)), "page": os.sysconf("SC_PAGE_SIZE")}


def user() -> dict:
    """Who runs the driver."""
    import pwd
    uid = os.geteuid()
    try:
        return {"uid": uid, "name": pwd.getpwuid(uid).pw_name}
    except KeyError:
        return {"uid": uid, "name": ""}


def closed_to_others(root: Path) -> str:
    """For root: the topmost folder that keeps users without privilege out of the repository, "" if there is none."""
    if os.geteuid() == 0:
        for folder in [*reversed(root.parents), root]:
            if not folder.stat().st_mode & 0o001:
                return str(folder)
    return ""


class Git:
    """The repository's commit and whether it is as committed; asked in the background, for it takes its time."""

    def __init__(self, root: Path):
        import subprocess
        self._asked = []
        if (root / ".git").exists():
            for words in (["rev-parse", "HEAD"], ["status", "--porcelain"]):
                argv = ["git", "-C", root, *words]
                try:
                    self._asked.append(subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                                        stderr=subprocess.DEVNULL, text=True))
                except OSError:
                    pass

    def answer(self) -> dict:
        """{"commit", "dirty"}; commit "" where there is no repository or no git. Asks once."""
        said = []
        for process in self._asked:
            out = process.communicate()[0]
            said.append(out if process.returncode == 0 else "")
        self._asked = []
        return {"commit": said[0].strip(), "dirty": bool(said[1])} if len(said) == 2 else {"commit": "", "dirty": False}
