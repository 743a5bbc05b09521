"""The page of an evidence archive, ``index.html``: for a person, on a screen or on paper.

It has no script and loads nothing. Every value is escaped by the template engine; before that, characters that would
hide or reorder text are written as ``\\uXXXX``. The same facts give the same bytes.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from registry.domain import canonical_json
from registry.domain.evidence.documents import HistoryLine
from registry.domain.evidence.facts import EvidenceFacts
from registry.domain.evidence.kinds import FactKind
from registry.domain.evidence.ordered import NOTICE, OrderedProfile
from registry.domain.evidence.statements import StatementsOfKind
from registry.domain.stages import Stage
from registry.rules.text import escape

MOST_ROWS = 1_000
"""The rows of a table on the page; the documents of the facts have the others, which are not read for the page."""
MOST_LABELS = 50
"""The tags, and the parameters, of a version on the page."""
MOST_FACTS = 20
"""The facts of a clause on the page; ``csv/profile.csv`` has the others."""
LONGEST = 2_000
"""The characters of a value on the page."""
BRIEF = 200
"""The characters of a recorded document on the page."""
_PIECE = 64  # parts of the template that are encoded together


def render(
    facts: EvidenceFacts,
    statements: Mapping[FactKind, StatementsOfKind],
    ordered: OrderedProfile | None,
    history: Iterable[HistoryLine],
) -> Iterator[bytes]:
    """Yield the page in pieces. Holds no more than the rows of one table; *statements* are those of the facts."""
    stream = _template().stream(
        query=facts.query,
        sealed=facts.sealed,
        facts=_Limited(facts, history),
        brief=_brief,
        redactions=statements[FactKind.REDACTION].statements if FactKind.REDACTION in statements else (),
        ordered=ordered,
        notice=NOTICE,
        most_facts=MOST_FACTS,
        most_labels=MOST_LABELS,
    )
    stream.enable_buffering(_PIECE)
    for piece in stream:
        yield piece.encode()


@dataclass(frozen=True, slots=True)
class _Rows:
    """The rows of a table, and whether there are more."""

    shown: list[Any]
    are_more: bool


class _Limited:
    """The facts as the tables of the page take them."""

    def __init__(self, facts: EvidenceFacts, history: Iterable[HistoryLine]) -> None:
        self._facts = facts
        self._history = history

    @property
    def history(self) -> _Rows:
        return _rows(self._history)

    @property
    def models(self) -> _Rows:
        return _rows(self._facts.models())

    @property
    def production(self) -> _Rows:
        return _rows(tenure for tenure in self._facts.tenures() if tenure.stage == Stage.PRODUCTION)

    @property
    def stages(self) -> _Rows:
        return _rows(self._facts.tenures())

    @property
    def versions(self) -> _Rows:
        return _rows(self._facts.versions())

    @property
    def files(self) -> _Rows:
        return _rows(self._facts.files())

    @property
    def measurements(self) -> _Rows:
        return _rows(self._facts.measurements())

    @property
    def lineage(self) -> _Rows:
        return _rows(self._facts.lineage())

    @property
    def aliases(self) -> _Rows:
        return _rows(self._facts.aliases())

    @property
    def roles(self) -> _Rows:
        return _rows(self._facts.roles())

    @property
    def accounts(self) -> _Rows:
        return _rows(self._facts.accounts())

    @property
    def policies(self) -> _Rows:
        return _rows(self._facts.policies())

    @property
    def gates(self) -> _Rows:
        return _rows(self._facts.gates())

    @property
    def checks(self) -> _Rows:
        return _rows(self._facts.checks())

    @property
    def requests(self) -> _Rows:
        return _rows(self._facts.requests())

    @property
    def request_acts(self) -> _Rows:
        return _rows(self._facts.request_acts())

    @property
    def holds(self) -> _Rows:
        return _rows(self._facts.holds())

    @property
    def break_glass(self) -> _Rows:
        return _rows(self._facts.break_glass())


def _rows(facts: Iterable[Any]) -> _Rows:
    rows = list(islice(facts, MOST_ROWS + 1))
    return _Rows(rows[:MOST_ROWS], len(rows) > MOST_ROWS)


@functools.cache
def _template() -> Any:
    environment = Environment(
        loader=PackageLoader("registry.services.evidence"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_visible,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template("index.html")


def _brief(value: Any) -> str:
    text = value if isinstance(value, str) else canonical_json.dumps(value).decode()
    return text if len(text) <= BRIEF else f"{text[:BRIEF]}…"


def _visible(value: Any) -> Any:
    """Return a text cut to what the page shows, with no character that hides or reorders others."""
    if value is None:
        return ""
    if not isinstance(value, str) or hasattr(value, "__html__"):  # numbers, and what the template itself has rendered
        return value
    cut = value if len(value) <= LONGEST else f"{value[:LONGEST]}… ({len(value):,} characters)"
    return "\n".join(map(escape, cut.split("\n")))
