"""The history of one model: its replayed entries, and those that attest its facts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from registry.domain.replay import gates, holds, requests, restorations
from registry.domain.replay import model as model_log
from registry.domain.replay.entry import ERASED, Entry
from registry.domain.replay.replayed import ReplayedModel
from registry.domain.replay.restorations import Restorations
from registry.domain.states import VersionState

NOTED = "version.noted"
_ABOUT = {
    "model.created": "created",
    "model.deleted": "deleted",
    "version.registered": "registered",
    "version.deleted": "deleted",
    "version.purged": "purged",
}
_VERIFYING = frozenset({"version.registered", "version.fetched", "version.verified"})
_MEASURING = frozenset({"version.registered", "version.fetched", "version.measured", "version.refreshed"})
_CHECKED, _ACKNOWLEDGED = "version.checked", "version.break_glass_acknowledged"
_OF_CHAINS = frozenset({*gates.OF_POLICIES, *requests.OF_REQUESTS, *holds.ACTIONS})
_GOVERNING = _OF_CHAINS | {_CHECKED, model_log.BREAK_GLASS, _ACKNOWLEDGED}


@dataclass(frozen=True, slots=True)
class Attestation:
    """What of an entry attests a fact. ``redacted`` states that its reason was erased."""

    position: int
    entry: str
    at: str
    action: str
    actor: Mapping[str, str]
    reason: str | None
    redacted: bool


@dataclass(slots=True)
class TokenUse:
    """The entries that were done with a token: their number, and the times of the first and the last."""

    acts: int
    first: str
    last: str


@dataclass(slots=True)
class PastGates:
    """The entry of a move past the gates, and the one that acknowledged it."""

    number: int
    stage: str
    moved: Attestation
    acknowledged: Attestation | None = None


@dataclass(slots=True)
class ModelHistory:
    """A model's replayed chain. ``attested`` has the entries that begin and end periods, by their ids.

    ``about`` has those that created, registered, verified, deleted or purged, by the version's number (0: the model)
    and the fact. ``measured`` has those that recorded metrics, by number and time, ``noted`` the comments with their
    number and text, None where it was erased. ``redacted`` names the erased texts by number. ``uses`` counts the
    entries by token, ``accounts`` are all actors with their kinds. ``texts`` has those of the entries about policies,
    checks, requests and holds, ``requested`` the request that a guarded move was for, by the ids of the entries.
    """

    model: str
    log: ReplayedModel
    entries: int
    attested: dict[str, Attestation]
    about: dict[tuple[int, str], Attestation]
    measured: dict[tuple[int, str], Attestation]
    noted: list[tuple[int, str | None, Attestation]]
    redacted: dict[int, set[str]]
    uses: dict[str, TokenUse]
    accounts: dict[str, str]
    texts: dict[str, Mapping[str, str | None]]
    requested: dict[str, str]
    past_gates: list[PastGates]

    def had(self, name: str) -> bool:
        """Return whether the model has the name, or had it before a rename."""
        return self.log.name == name or any(former == name for former, _, _ in self.log.former)


@dataclass(slots=True)
class RegistryHistory:
    """Default policies, requests for these, and holds on data and models, with members as :class:`ModelHistory`."""

    log: Restorations
    attested: dict[str, Attestation]
    uses: dict[str, TokenUse]
    accounts: dict[str, str]
    texts: dict[str, Mapping[str, str | None]]


def read_registry_history(entries: Iterable[tuple[int, Entry]]) -> RegistryHistory:
    """Return what the chain of the registry records about all models. Raises Unreplayable."""
    observer = _Observer()
    log = restorations.replay(observer.passing(one for one in entries if one[1].action in _OF_CHAINS))
    return RegistryHistory(log, observer.attested, observer.uses, observer.accounts, observer.texts)


def read_history(model: str, entries: Iterable[tuple[int, Entry]]) -> ModelHistory:
    """Return the history that a model's entries, each with its position, lead to. Raises Unreplayable."""
    observer = _Observer()
    log = model_log.replay(observer.passing(entries))
    return ModelHistory(
        model, log, observer.entries, observer.attested, observer.about, observer.measured, observer.noted,
        observer.redacted, observer.uses, observer.accounts, observer.texts, observer.requested, observer.past_gates,
    )  # fmt: skip


@dataclass(slots=True)
class _Observer:
    entries: int = 0
    attested: dict[str, Attestation] = field(default_factory=dict)
    about: dict[tuple[int, str], Attestation] = field(default_factory=dict)
    measured: dict[tuple[int, str], Attestation] = field(default_factory=dict)
    noted: list[tuple[int, str | None, Attestation]] = field(default_factory=list)
    redacted: dict[int, set[str]] = field(default_factory=dict)
    uses: dict[str, TokenUse] = field(default_factory=dict)
    accounts: dict[str, str] = field(default_factory=dict)
    texts: dict[str, Mapping[str, str | None]] = field(default_factory=dict)
    requested: dict[str, str] = field(default_factory=dict)
    past_gates: list[PastGates] = field(default_factory=list)

    def passing(self, entries: Iterable[tuple[int, Entry]]) -> Iterator[Entry]:
        for position, entry in entries:
            self._note(position, entry)
            yield entry

    def _note(self, position: int, entry: Entry) -> None:
        self.entries += 1
        self._note_actor(entry)
        number = entry.subject.get("version") or 0
        if fact := _ABOUT.get(entry.action):
            self.about[number, fact] = attestation(position, entry)
        if entry.action in _VERIFYING and entry.after.get("state") == VersionState.READY:
            self.about[number, "verified"] = attestation(position, entry)
        if entry.action in model_log.KINDS or "aliases" in entry.after or fact == "deleted":
            self.attested[entry.uid] = attestation(position, entry)
        if number and entry.action in _MEASURING:
            self.measured[number, entry.at] = attestation(position, entry)
        if entry.action == NOTED:
            self.noted.append((number, entry.texts.get("note"), attestation(position, entry)))
        if entry.action == ERASED and "text" in entry.before:
            self.redacted.setdefault(number, set()).add(str(entry.before["text"]))
        if entry.action in _GOVERNING:
            self._note_governing(number, attestation(position, entry), entry)
        if "gates" in entry.after and "request" in entry.after:
            self.requested[entry.uid] = entry.after["request"]

    def _note_governing(self, number: int, act: Attestation, entry: Entry) -> None:
        self.attested[entry.uid], self.texts[entry.uid] = act, entry.texts
        if entry.action == model_log.BREAK_GLASS:
            self.past_gates.append(PastGates(number, entry.after["stage"], act))
        if entry.action == _ACKNOWLEDGED:
            for move in self.past_gates:
                if move.number == number and move.acknowledged is None:
                    move.acknowledged = act

    def _note_actor(self, entry: Entry) -> None:
        actor = entry.actor
        self.accounts[actor["id"]] = actor["kind"]
        if token := actor.get("cred"):
            use = self.uses.setdefault(token, TokenUse(0, entry.at, entry.at))
            use.acts, use.last = use.acts + 1, entry.at


def attestation(position: int, entry: Entry) -> Attestation:
    """Return what of an entry attests a fact."""
    reason = entry.text("reason")
    known: Any = reason if isinstance(reason, str) else None
    return Attestation(
        position, entry.uid, entry.at, entry.action, entry.actor, known, entry.texts.get("reason", "") is None
    )
