# SPDX-License-Identifier: GPL-2.0-only
"""Sets of targets, fixtures/targets/*.toml: what `runner.py matrix` runs.

	about = "what the set is for"
	[[row]]
	targets = ["debian:all:x86_64"]         # words as on the command line of `run`
	why = "every version that Debian has"
"""

from pathlib import Path

from harness.driver.nearest import UsageError, did_you_mean

HELP = """\
usage: ./runner.py matrix [SET] [CLAUSE...] [options of run]

  ./runner.py matrix                      the set `default` of fixtures/targets
  ./runner.py matrix quick futex          another set, one suite
  ./runner.py matrix my.toml --vms 8      a set of one's own
  ./runner.py matrix --shard 2/5          the second of five parts, for five machines: then ./runner.py merge
  ./runner.py matrix --list               which targets a set names
"""

KEYS, ROW_KEYS = ("about", "row"), ("targets", "why")


def words_of(argv: list[str], root: Path) -> tuple[list[str], list[str]]:
    """(targets, the rest of the command line). Raises UsageError."""
    words = list(argv)
    name = "default"
    if words and not words[0].startswith("-") and (words[0].endswith(".toml") or words[0] in sets(root)):
        name = words.pop(0)
    elif words and not words[0].startswith("-") and (near := did_you_mean(words[0], sets(root))):
        raise UsageError(f"no set is called {words[0]}{near}")
    path = Path(name) if name.endswith(".toml") else root / "fixtures/targets" / f"{name}.toml"
    return targets_of(path), words


def sets(root: Path) -> list[str]:
    """The sets that there are, by name."""
    return sorted(path.stem for path in (root / "fixtures/targets").glob("*.toml"))


def targets_of(path: Path) -> list[str]:
    """The words of a set's rows, in their order. Raises UsageError that names the file and the mend."""
    import tomllib
    try:
        table = tomllib.loads(path.read_text())
    except OSError as error:
        raise UsageError(f"cannot read the set {path}: {error.strerror}") from None
    except ValueError as error:
        raise UsageError(f"{path}: {error}") from None
    _check(path, table, KEYS)
    words: list[str] = []
    for number, row in enumerate(table.get("row", []), 1):
        _check(f"{path}: row {number}", row, ROW_KEYS)
        named = row.get("targets")
        if not isinstance(named, list) or not all(isinstance(word, str) for word in named):
            raise UsageError(f"{path}: row {number}: targets must be a list of texts")
        words += named
    if not words:
        raise UsageError(f"{path}: names no target: rows begin with [[row]] and have targets = [...]")
    return list(dict.fromkeys(words))


def _check(place, table: dict, known: tuple[str, ...]) -> None:
    for key in table:
        if key not in known:
            raise UsageError(f"{place}: unknown key {key}{did_you_mean(key, known) or '; known are ' + ' '.join(known)}")
