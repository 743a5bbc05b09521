"""The result of a verification: what was checked, what is wrong, and what could not be judged."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field

from .checkpoints import Checkpoint

SHOWN = 20


class Outcome(enum.IntEnum):
    """The outcome; its value is the exit code of a command."""

    VERIFIED = 0
    TAMPERED = 1
    UNDECIDED = 2


@dataclass(slots=True)
class Report:
    """``checkpoint`` is None unless a trusted key signed it; ``entries`` and ``chains`` count what was read.

    ``problems`` prove tampering or damage, ``undecided`` could not be judged; each has the first SHOWN.
    ``redacted`` counts the texts that entries record as erased.
    """

    checkpoint: Checkpoint | None = None
    entries: int = 0
    chains: int = 0
    redacted: int = 0
    problems: list[str] = field(default_factory=list)
    undecided: list[str] = field(default_factory=list)

    @property
    def outcome(self) -> Outcome:
        """TAMPERED with any problem, else UNDECIDED with anything that could not be judged, else VERIFIED."""
        if self.problems:
            return Outcome.TAMPERED
        return Outcome.UNDECIDED if self.undecided else Outcome.VERIFIED

    def problem(self, text: str) -> None:
        """Add a problem; of more than SHOWN only that there are more is kept."""
        _add(self.problems, text)

    def undecidable(self, text: str) -> None:
        """Add something that could not be judged, as :meth:`problem` does."""
        _add(self.undecided, text)


def lines(report: Report) -> list[str]:
    """Return the report as lines for people: what is wrong, what is undecided, and the conclusion."""
    texts = [*report.problems, *(f"not decided: {text}" for text in report.undecided)]
    redacted = f", {_counted(report.redacted, 'text', 'texts')} redacted" if report.redacted else ""
    read = f"{_counted(report.entries, 'entry', 'entries')} of {_counted(report.chains, 'chain', 'chains')}"
    if report.checkpoint is None:
        return [*texts, f"{report.outcome.name}: no checkpoint of a trusted key"]
    log = f"{report.checkpoint.origin} at size {report.checkpoint.size}"
    return [*texts, f"{report.outcome.name}: {read}{redacted}; log {log}"]


def _counted(number: int, one: str, several: str) -> str:
    return f"{number} {one if number == 1 else several}"


def _add(texts: list[str], text: str) -> None:
    if len(texts) < SHOWN:
        texts.append(text)
    elif len(texts) == SHOWN:
        texts.append("and more")
