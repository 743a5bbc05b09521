"""Report of an import or export: a table on a terminal, one JSON object for programs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Literal

import click

from registry.cli.support import output, tables
from registry.cli.support.cells import Whole
from registry.cli.support.exit_codes import Exit
from registry.cli.support.session import Session

Outcome = Literal["created", "existing", "changed", "skipped", "noted"]


@dataclass(frozen=True, slots=True)
class Item:
    """One thing. ``changed`` and ``skipped`` make the whole incomplete; ``noted`` is worth knowing only."""

    model: str
    what: str
    outcome: Outcome
    reason: str = ""


@dataclass(slots=True)
class Report:
    """Filled as the work goes on."""

    source: str
    target: str
    dry_run: bool
    items: list[Item] = field(default_factory=list)

    def add(self, model: str, what: str, outcome: Outcome, reason: str = "") -> None:
        self.items.append(Item(model, what, outcome, reason))

    @property
    def complete(self) -> bool:
        return not any(item.outcome in {"changed", "skipped"} for item in self.items)

    def show(self, session: Session) -> None:
        """Print the report, and exit with 1 if it is incomplete."""
        totals = Counter(item.outcome for item in self.items)
        document = {
            "source": self.source,
            "target": self.target,
            "dry_run": self.dry_run,
            "complete": self.complete,
            "totals": dict(totals),
            "items": [asdict(item) for item in self.items],
        }
        session.show(document, lambda: self._say(totals))
        if not self.complete:
            click.get_current_context().exit(Exit.ERROR)

    def _say(self, totals: Counter[Outcome]) -> None:
        rows = [[item.model, item.what, Whole(item.outcome), item.reason] for item in self.items]
        tables.table(("model", "what", "outcome", "reason"), rows, empty="nothing to move")
        counted = ", ".join(f"{number} {outcome}" for outcome, number in sorted(totals.items())) or "nothing to do"
        dry = "dry run, nothing changed: " if self.dry_run else ""
        done = "complete" if self.complete else "incomplete: see above what was left out"
        output.line(f"{dry}{self.source} -> {self.target}: {counted}; {done}")


@contextmanager
def reporting(report: Report, model: str, what: str) -> Iterator[list[bool]]:
    """Report what the registry refuses, and go on; trouble that concerns everything ends the command."""
    from registry.client import errors

    try:
        yield []
    except (errors.Unavailable, errors.Unauthenticated, errors.UnexpectedReply, errors.InsecureConnection):
        raise
    except errors.RegistryError as error:
        report.add(model, what, "skipped", error.detail)
