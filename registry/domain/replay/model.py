"""Replay of one model's chain: its row, versions, stage and alias tenures, tags, and digests of all that is frozen."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from registry.domain.lineage import LINEAGE_OF_VERSIONS
from registry.domain.replay import gates, holds
from registry.domain.replay.entry import BASELINE, CLEARED, ERASED, UNKNOWN, Entry, Unknown, Unreplayable
from registry.domain.replay.replayed import (
    Alias,
    Blobs,
    ReplayedCheck,
    ReplayedModel,
    ReplayedTenure,
    ReplayedVersion,
    Tags,
)
from registry.domain.replay.requests import OF_REQUESTS
from registry.domain.stages import SERVING, Lifecycle, Stage, TransitionKind, kind_of
from registry.domain.states import VersionState

# What a registration, or a baseline after it, records of a version's rows.
RECORDED = ("frozen", "params", "metrics", "edges")
CLEARABLE = frozenset({"description", "claimed", "source", "location"})
KINDS = {
    "version.promoted": TransitionKind.PROMOTE,
    "version.demoted": TransitionKind.DEMOTE,
    "version.archived": TransitionKind.ARCHIVE,
    "version.restored": TransitionKind.RESTORE,
    "version.rolled_back": TransitionKind.ROLLBACK,
    "version.rolled_back_unchecked": TransitionKind.ROLLBACK,
}

BREAK_GLASS = "version.promoted_by_break_glass"


def replay(entries: Iterable[Entry]) -> ReplayedModel:
    """Return the state that a model's entries, in their order, lead to.

    Raises Unreplayable for an unknown action and for an entry that contradicts those before it.
    """
    replayed = _Replay()
    for entry in entries:
        replayed.apply(entry)
    return replayed.model


class _Replay:
    def __init__(self) -> None:
        self._model: ReplayedModel | None = None
        self._open: dict[int, ReplayedTenure] = {}
        self._pointing: dict[str, Alias] = {}

    @property
    def model(self) -> ReplayedModel:
        if self._model is None:
            raise Unreplayable("it does not begin with the creation of its model")
        return self._model

    def apply(self, entry: Entry) -> None:
        action = ACTIONS.get(entry.action)
        if action is None:
            raise Unreplayable(f"this release cannot replay the action {entry.action!r}")
        try:
            action(self, entry)
            if (found := gates.decided(entry)) is not None:
                self.model.decisions[entry.uid] = found
        except (KeyError, TypeError, AttributeError) as error:
            raise Unreplayable(f"the {entry.action} lacks {error}") from error

    def created(self, entry: Entry) -> None:
        if self._model is not None:
            raise Unreplayable("its model is created a second time")
        self._model = ReplayedModel(
            name=entry.subject["model"],
            created_at=entry.at,
            created_by=entry.actor["id"],
            lifecycle=entry.after["lifecycle"],
            next_number=entry.after["first_number"],
            description=entry.text("description", ""),
            tags=entry.document("tags", {}),
            claimed=entry.document("claimed", None),
        )

    def edited(self, entry: Entry) -> None:
        model = self.model
        if "lifecycle" in entry.after:
            model.lifecycle = entry.after["lifecycle"]
            for tenure in self._open.values():
                if tenure.stage == Stage.PRODUCTION:
                    tenure.exclusive = model.lifecycle == Lifecycle.ENFORCED
        if "description" in entry.texts:
            model.description = entry.text("description")
        model.tags = _retagged(model.tags, entry.document("tags", {}))

    def deleted(self, entry: Entry) -> None:
        self.model.deleted_at = entry.at

    def restored(self, entry: Entry) -> None:
        model = self.model
        model.deleted_at = None
        model.numbers_known = "next_number" in entry.facts
        model.next_number = entry.facts.get("next_number", model.next_number)

    def renamed(self, entry: Entry) -> None:
        model = self.model
        model.former.append((model.name, model.next_number, entry.at))
        model.name = entry.after["name"]

    def registered(self, entry: Entry) -> None:
        model, number = self.model, entry.subject["version"]
        if number in model.versions:
            raise Unreplayable(f"version {number} is registered a second time")
        version = model.versions[number] = ReplayedVersion(
            number=number,
            state=entry.after["state"],
            created_at=entry.at,
            created_by=entry.actor["id"],
            manifest=entry.digests.get("manifest"),
            lineage=entry.digests["lineage"],
            files=entry.after["files"],
            size=entry.after["size"],
            description=entry.text("description", ""),
            source=entry.text("source"),
            location=entry.text("location"),
            tags=entry.document("tags", {}),
            claimed=entry.document("claimed", None),
        )
        _keep_facts(version, entry)
        model.latest_number = max(model.latest_number or 0, number)
        model.next_number = max(model.next_number, number + 1)
        self._move_aliases(entry)

    def fetched(self, entry: Entry) -> None:
        version = self._version(entry)
        version.state, version.files, version.size = entry.after["state"], entry.after["files"], entry.after["size"]
        version.manifest, version.lineage = entry.digests["manifest"], entry.digests["lineage"]
        _keep_facts(version, entry)

    def settled(self, entry: Entry) -> None:
        version = self._version(entry)
        version.state, version.state_reason = entry.after["state"], entry.text("reason")
        _keep_blobs(version, entry)
        self._move_aliases(entry)

    def version_edited(self, entry: Entry) -> None:
        version = self._version(entry)
        if "description" in entry.texts:
            version.description = entry.text("description")
        version.tags = _retagged(version.tags, entry.document("tags", {}))

    def measured(self, entry: Entry) -> None:
        self._version(entry).metrics[entry.at] = entry.facts.get("metrics", dict(entry.after["metrics"]))

    def checked(self, entry: Entry) -> None:
        after, manifest = entry.after, entry.digests["manifest"]
        report = ReplayedCheck(
            after["check"], after["status"], manifest, after["roles"], entry.at, entry.actor["id"], entry.uid
        )
        self._version(entry).checks.append(report)

    def noted(self, entry: Entry) -> None:
        """Change nothing but require that the version exists: a note is its entry, and stored nowhere else."""
        self._version(entry)

    def related(self, entry: Entry) -> None:
        """Change nothing but require that the version exists: lineage that is added later is compared by its entry."""
        self._version(entry)

    def refreshed(self, entry: Entry) -> None:
        """Apply a later snapshot of the run, by the digests in the entry; without any the end was not seen."""
        version = self._version(entry)
        version.run_state = entry.after["run_state"]
        if entry.facts:
            version.params, version.edges = entry.facts["params"], entry.facts["edges"]
            version.metrics[entry.at] = entry.facts["metrics"]

    def version_deleted(self, entry: Entry) -> None:
        version = self._version(entry)
        if entry.before.get("stage") in SERVING:
            stage = Stage(entry.before["stage"])
            self._enter(version, Stage.NONE, kind_of(stage, Stage.NONE), entry)
        version.state, version.deleted_at = VersionState.DELETED.value, entry.at
        self._move_aliases(entry)

    def undeleted(self, entry: Entry) -> None:
        version = self._version(entry)
        version.state, version.deleted_at = entry.after["state"], None
        _keep_blobs(version, entry)

    def purged(self, entry: Entry) -> None:
        version = self._version(entry)
        if entry.before["state"] != VersionState.DELETED:
            version.deleted_at = entry.at
        version.state, version.purged_at = entry.after["state"], entry.at

    def moved(self, entry: Entry) -> None:
        version, target = self._version(entry), Stage(entry.after["stage"])
        kind = KINDS.get(entry.action) or kind_of(Stage(entry.before["stage"]), target)
        related = self._related(entry)
        if version.stage != entry.before["stage"]:
            raise Unreplayable(f"version {version.number} was in {version.stage}, not in {entry.before['stage']}")
        if kind is TransitionKind.ROLLBACK:
            if related:
                self._enter(related, Stage.ARCHIVED, TransitionKind.ROLLBACK, entry)
                related.rolled_back = True
            self._enter(version, target, kind, entry, origin=entry.facts.get("origin", UNKNOWN))
            return
        if related and target is Stage.PRODUCTION:
            self._enter(related, Stage.ARCHIVED, TransitionKind.SUPERSEDE, entry)
        elif related and entry.before["stage"] == Stage.PRODUCTION:
            kind = TransitionKind.SUPERSEDE  # another version took the stage for itself in an open lifecycle
        self._enter(version, target, kind, entry)
        if target is Stage.PRODUCTION:
            version.rolled_back = False
        if entry.action == BREAK_GLASS:
            version.broken_glass = entry.uid

    def acknowledged(self, entry: Entry) -> None:
        self._version(entry).broken_glass = None

    def held(self, entry: Entry) -> None:
        self._version(entry)
        holds.apply(self.model.holds, entry)

    def aliased(self, entry: Entry) -> None:
        self._move_aliases(entry)

    def renumbered(self, entry: Entry) -> None:
        """Continue the numbering later, under former names too: the registry was restored from a backup."""
        model = self.model
        skipped = entry.after["next_number"] - entry.before["next_number"]
        model.next_number += skipped
        model.former = [(name, number + skipped, at) for name, number, at in model.former]

    def protected(self, entry: Entry) -> None:
        self.model.protected_aliases = entry.after["protected_aliases"]

    def requested(self, entry: Entry) -> None:
        self.model.requests.apply(entry)

    def governed(self, entry: Entry) -> None:
        self.model.policies.append(gates.assigned(entry))

    def baselined(self, entry: Entry) -> None:
        model = self.model
        for name, facts in entry.facts.get("versions", {}).items():
            version = model.versions[int(name)]
            version.frozen, version.params, version.edges = facts["frozen"], facts["params"], facts["edges"]
            version.measured_before, version.measured_until = facts["metrics"], entry.at
            version.metrics = {}
            if "blobs" in facts:
                version.blobs = Blobs(facts["blobs"], entry.id)
        model.origins |= {int(row): origin for row, origin in entry.facts.get("origins", {}).items()}
        if "next_number" in entry.facts:
            model.next_number, model.numbers_known = entry.facts["next_number"], True
        model.baseline = entry.at

    def unchanged(self, entry: Entry) -> None:
        """Change nothing: the entry is about an import, or an alias that was not set."""

    def erased(self, entry: Entry) -> None:
        """Apply what went with a text: columns were cleared, and the tags that are left are stated again."""
        owner = self._version(entry) if "version" in entry.subject else self.model
        for name in entry.facts.get(CLEARED, ()):  # an earlier release cleared nothing
            if name not in CLEARABLE:
                raise Unreplayable(f"the {name} of {entry.subject} cannot be cleared")
            setattr(owner, name, "" if name == "description" else None)
        if "tags" in entry.texts:
            owner.tags = entry.document("tags", {})

    def _version(self, entry: Entry) -> ReplayedVersion:
        return self._numbered(entry.subject["version"])

    def _related(self, entry: Entry) -> ReplayedVersion | None:
        number = entry.subject.get("related_version")
        return None if number is None else self._numbered(number)

    def _numbered(self, number: int) -> ReplayedVersion:
        version = self.model.versions.get(number)
        if version is None:
            raise Unreplayable(f"version {number} was never registered")
        return version

    def _enter(
        self,
        version: ReplayedVersion,
        stage: Stage,
        kind: TransitionKind,
        entry: Entry,
        *,
        origin: int | Unknown | None = None,
    ) -> None:
        if ended := self._open.pop(version.number, None):
            ended.ended_at, ended.ended_kind, ended.ended_entry = entry.at, kind.value, entry.uid
        if stage is not Stage.NONE:
            begun = ReplayedTenure(
                version.number,
                stage.value,
                self.model.lifecycle == Lifecycle.ENFORCED,
                entry.at,
                kind.value,
                entry.uid,
                origin,
            )
            self._open[version.number] = begun
            self.model.tenures.append(begun)
        version.stage = stage.value

    def _move_aliases(self, entry: Entry) -> None:
        before: Mapping[str, int | None] = entry.before.get("aliases", {})
        for alias, number in sorted(entry.after.get("aliases", {}).items()):
            left = self._pointing.pop(alias, None)
            if (left.number if left else None) != before.get(alias):
                raise Unreplayable(f"the alias {alias!r} did not point at version {before.get(alias)}")
            if left:
                left.ended_at, left.ended_entry = entry.at, entry.uid
            if number is not None:
                self._numbered(number)
                pointing = self._pointing[alias] = Alias(alias, number, entry.at, entry.uid)
                self.model.aliases.append(pointing)


def _keep_facts(version: ReplayedVersion, entry: Entry) -> None:
    version.run_state = entry.after.get("run_state")
    version.frozen = entry.facts.get("frozen", UNKNOWN)
    version.params = entry.facts.get("params", UNKNOWN)
    version.edges = entry.facts.get("edges", UNKNOWN)
    version.metrics[entry.at] = entry.facts.get("metrics", UNKNOWN)
    _keep_blobs(version, entry)


def _keep_blobs(version: ReplayedVersion, entry: Entry) -> None:
    if "blobs" in entry.facts:
        version.blobs = Blobs(entry.facts["blobs"], entry.id)


def _retagged(tags: Tags, changes: Any) -> Tags:
    if isinstance(tags, Unknown) or isinstance(changes, Unknown):
        return UNKNOWN
    return {key: value for key, value in {**tags, **changes}.items() if value is not None}


ACTIONS: Mapping[str, Callable[[_Replay, Entry], None]] = {
    "model.created": _Replay.created,
    "model.edited": _Replay.edited,
    "model.deleted": _Replay.deleted,
    "model.restored": _Replay.restored,
    "model.renamed": _Replay.renamed,
    "model.renumbered": _Replay.renumbered,
    "version.registered": _Replay.registered,
    "version.fetched": _Replay.fetched,
    "version.verified": _Replay.settled,
    "version.failed": _Replay.settled,
    "version.edited": _Replay.version_edited,
    "version.measured": _Replay.measured,
    "version.checked": _Replay.checked,
    **dict.fromkeys(LINEAGE_OF_VERSIONS, _Replay.related),
    "version.noted": _Replay.noted,
    "version.refreshed": _Replay.refreshed,
    "version.refresh_retried": _Replay.refreshed,
    "version.deleted": _Replay.version_deleted,
    "version.undeleted": _Replay.undeleted,
    "version.purged": _Replay.purged,
    **dict.fromkeys((*KINDS, BREAK_GLASS), _Replay.moved),
    "version.break_glass_acknowledged": _Replay.acknowledged,
    **dict.fromkeys(holds.ACTIONS, _Replay.held),
    "alias.set": _Replay.aliased,
    "alias.deleted": _Replay.aliased,
    "alias.dropped": _Replay.unchanged,
    "alias.protected": _Replay.protected,
    "alias.unprotected": _Replay.protected,
    **dict.fromkeys(gates.OF_POLICIES, _Replay.governed),
    **dict.fromkeys(OF_REQUESTS, _Replay.requested),
    "import.requested": _Replay.unchanged,
    "import.failed": _Replay.unchanged,
    "import.parked": _Replay.unchanged,
    "import.retried": _Replay.unchanged,
    "refresh.parked": _Replay.unchanged,
    "refresh.retried": _Replay.unchanged,
    BASELINE: _Replay.baselined,
    ERASED: _Replay.erased,
}
