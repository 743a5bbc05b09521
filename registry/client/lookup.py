"""References to versions, resolved."""

from __future__ import annotations

from registry.client import comparison
from registry.client.comparison import Comparison
from registry.client.connection import Connection
from registry.client.errors import NotFound
from registry.client.references import Reference, parse
from registry.client.types import HeldStage, VersionView
from registry.client.values import When

_LOADABLE = frozenset({"ready", "unverified"})


class Lookup(Connection):
    """Finds the version that a reference means."""

    def resolve(self, reference: str | Reference, *, as_of: When | None = None) -> VersionView:
        """The version that *reference* means, now or at *as_of*; raises NotFound."""
        meant = reference_of(reference)
        return self.versions.get(meant.model, self.number(meant, as_of=as_of))

    def number(self, reference: str | Reference, *, as_of: When | None = None) -> int:
        """The number of the version that *reference* means; a bare model means its latest."""
        meant = reference_of(reference)
        if meant.version is not None:
            return meant.version
        if meant.stage is not None:
            return self.stages.holder(meant.model, meant.stage, as_of=as_of)["number"]
        if meant.alias is not None:
            return self.aliases.get(meant.model, meant.alias, as_of=as_of)["number"]
        latest = self.models.get(meant.model)["latest_version"]
        if latest is None:
            raise NotFound(f"{meant.model} has no versions yet.", status=404)
        return latest

    def as_of(self, reference: str | Reference, when: When, *, stage: HeldStage = "production") -> VersionView:
        """Return the version that a stage or an alias meant at *when*; a bare model means its *stage*.

        *when* is RFC 3339 or a time with a zone. The version is shown as it is now. Raises NotFound.
        """
        meant = reference_of(reference)
        return self.resolve(Reference(meant.model, stage=stage) if meant.bare else meant, as_of=when)

    def compare(self, first: str | Reference, second: str | Reference) -> Comparison:
        """Return what differs between two versions, of one model or of two: files, params, metrics, lineage."""
        one, other = self.resolve(first), self.resolve(second)
        return comparison.compare(
            one,
            self.versions.files(one["model"], one["number"]),
            other,
            self.versions.files(other["model"], other["number"]),
        )

    def _loadable(self, reference: str | Reference) -> VersionView:
        """Return the version to load: of a bare model, the newest that is neither pending nor failed nor deleted."""
        meant = reference_of(reference)
        found = self.resolve(meant)
        if not meant.bare or found["state"] in _LOADABLE:
            return found
        loadable = (one for one in self.versions.list(meant.model) if one["state"] in _LOADABLE)
        return next(loadable, found)


def reference_of(reference: str | Reference) -> Reference:
    return parse(reference) if isinstance(reference, str) else reference
