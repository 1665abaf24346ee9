# SPDX-License-Identifier: GPL-2.0-only
"""What the repetitions of one clause on one target came to. Bounded, however many there are."""

from harness.driver import verdict


class Tally:
    """Keeps counts, and the one record that speaks for all."""

    def __init__(self):
        self.counts = dict.fromkeys(verdict.WORDS, 0)
        self.seconds = 0.0
        self.shown: dict = {}  # the first record that was not expected; without one, the first

    def add(self, record: dict) -> None:
        """Takes the record of one more repetition."""
        self.counts[record["verdict"]] += 1
        self.seconds += record["seconds"]
        if not self.shown or (self.shown["expected"] and not record["expected"]):
            self.shown = record

    @property
    def total(self) -> int:
        """How many repetitions are in."""
        return sum(self.counts.values())

    @property
    def differs(self) -> bool:
        """True if repetitions ended with different verdicts."""
        return sum(map(bool, self.counts.values())) > 1

    def told(self) -> str:
        """"997 pass, 3 fail"."""
        return ", ".join(f"{count} {word}" for word, count in self.counts.items() if count)


def by_target(records: list[dict]) -> dict[str, dict[str, Tally]]:
    """Records tallied by target, then by clause, both in the order of their first record."""
    tallies: dict[str, dict[str, Tally]] = {}
    for record in records:
        tallies.setdefault(record["target"], {}).setdefault(record["clause"], Tally()).add(record)
    return tallies
