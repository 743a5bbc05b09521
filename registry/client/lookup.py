"""References to versions, resolved."""

from __future__ import annotations

from registry.client import comparison
from registry.client.comparison import Comparison
from registry.client.connection import Connection
from registry.client.errors import NotFound
from registry.client.types import HeldStage, VersionView
from registry.client.values import When
from registry.rules.references import Reference, parse

_LOADABLE = frozenset({"ready", "unverified"})


class Lookup(Connection):
    """Look-up of versions by reference."""

    def resolve(self, reference: str | Reference, *, as_of: When | None = None) -> VersionView:
        """Return the version that *reference* names, now or at *as_of*. Raises NotFound."""
        named = reference_of(reference)
        return self.versions.get(named.model, self.number(named, as_of=as_of))

    def number(self, reference: str | Reference, *, as_of: When | None = None) -> int:
        """Return the number of the version that *reference* names; a bare model names its latest."""
        named = reference_of(reference)
        if named.version is not None:
            return named.version
        if named.stage is not None:
            return self.stages.holder(named.model, named.stage, as_of=as_of)["number"]
        if named.alias is not None:
            return self.aliases.get(named.model, named.alias, as_of=as_of)["number"]
        latest = self.models.get(named.model)["latest_version"]
        if latest is None:
            raise NotFound(f"{named.model} has no versions yet.", status=404)
        return latest

    def as_of(self, reference: str | Reference, when: When, *, stage: HeldStage = "production") -> VersionView:
        """Return the version that a stage or an alias meant at *when*; a bare model means its *stage*.

        *when* is RFC 3339 or a time with a zone. The version is shown as it is now. Raises NotFound.
        """
        named = reference_of(reference)
        return self.resolve(Reference(named.model, stage=stage) if named.bare else named, as_of=when)

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
        named = reference_of(reference)
        version = self.resolve(named)
        if not named.bare or version["state"] in _LOADABLE:
            return version
        loadable = (one for one in self.versions.list(named.model) if one["state"] in _LOADABLE)
        return next(loadable, version)


def reference_of(reference: str | Reference) -> Reference:
    """Parse a reference unless it is one. Raises ValueError."""
    return parse(reference) if isinstance(reference, str) else reference
