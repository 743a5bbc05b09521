"""The facts of an evidence archive: one class for each of its documents.

Each document is a JSON lines file, ``facts/<name>.jsonl``, with one fact on a line; :func:`document` gives the JSON
object of a fact, and :func:`fact` the fact of an object. Times are RFC 3339 in UTC, as the audit log has them. An
absent value is null; where a text was erased from the log, ``redacted`` names the member that is therefore null.
"""

from __future__ import annotations

import functools
import types
import typing
from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any, Protocol, TypeVar, cast

from registry.domain.evidence.acts import Act
from registry.domain.evidence.governance import GOVERNANCE, GovernanceFacts
from registry.rules.dataclass_fields import field_names

Kind = TypeVar("Kind")


OMITTED = types.MappingProxyType({"omitted": True})  # of a member that documents leave out at its default


@dataclass(frozen=True, slots=True)
class EvidenceQuery:
    """The request that an archive answers; the facts are those as of ``until`` and of the checkpoint."""

    model: str
    version: int | None = None
    since: str | None = None
    until: str | None = None
    profile: str | None = None


@dataclass(frozen=True, slots=True)
class SealedState:
    """The state of the sealed log that the archive is made from. ``at`` is the time of the latest entry in it."""

    origin: str
    size: int
    root: str
    at: str | None


@dataclass(frozen=True, slots=True)
class EarlierName:
    """A name that a model had until ``until``."""

    name: str
    until: str


@dataclass(frozen=True, slots=True)
class ModelFact:
    """A model that has or had the name. ``entries`` counts those of its chain that the facts are made from."""

    model: str
    name: str
    former_names: tuple[EarlierName, ...]
    created: Act
    deleted: Act | None
    lifecycle: str
    description: str | None
    tags: Mapping[str, str] | None
    protected_aliases: tuple[str, ...]
    versions: int
    entries: int
    redacted: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class VersionFact:
    """A version. ``basis`` has the basis of the members that do not follow from entries alone.

    ``manifest`` is the digest of the version's files, ``lineage`` that of its lineage, ``size`` the sum of its files in
    bytes. ``framework``, ``signature``, the members of the run and ``logged_model`` have one basis, ``frozen``. A
    member is null with the basis ``row`` where its row is not the one that the entries have: it was changed after them.
    """

    model: str
    name: str
    version: int
    registered: Act
    verified: Act | None
    deleted: Act | None
    purged: Act | None
    state: str
    stage: str
    rolled_back: bool
    manifest: str | None
    files: int
    size: int
    lineage: str
    description: str | None
    tags: Mapping[str, str] | None
    source: str | None
    location: str | None
    claimed: Any
    run_state: str | None
    framework: str | None
    signature: Any
    run_id: str | None
    run_key: str | None
    run_link: str | None
    logged_model: str | None
    params: Mapping[str, str] | None
    basis: Mapping[str, str]
    redacted: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FileFact:
    """A file of a version, as the manifest lists it; the version's ``manifest`` is the digest of all of them."""

    model: str
    version: int
    path: str
    size: int
    sha256: str
    media_type: str
    basis: str


@dataclass(frozen=True, slots=True)
class MeasurementFact:
    """A metric of a version. ``value`` is text: JSON has no NaN. ``act`` recorded it; null where no entry has.

    ``slice`` is the part of the data; archives leave it out for the whole data, as those of earlier releases do.
    """

    model: str
    version: int
    key: str
    value: str
    step: int | None
    dataset: str | None
    dataset_digest: str | None
    recorded_at: str
    recorded_by: str
    act: Act | None
    basis: str
    slice: str = field(default="", metadata=OMITTED)


@dataclass(frozen=True, slots=True)
class NoteFact:
    """A comment on a version; ``text`` is null where it was erased."""

    model: str
    version: int
    text: str | None
    written: Act
    redacted: bool


@dataclass(frozen=True, slots=True)
class LineageFact:
    """An edge from a version to what it came from.

    ``kind`` is that of the edge (``produced_by``, ``built_from``, ``ran_in``, ``used``, ``derived_from``), ``role``
    that of a dataset. ``target`` is run, code, environment, dataset or version, ``attributes`` its recorded content.
    """

    model: str
    version: int
    kind: str
    role: str
    target: str
    name: str
    key: str
    digests: tuple[str, ...]
    attributes: Mapping[str, Any]
    basis: str


@dataclass(frozen=True, slots=True)
class TenureFact:
    """A period of a version in a stage: from ``since`` up to, and without, ``until``; null while it lasts.

    The kinds are those of transitions: promote, demote, archive, restore, supersede, rollback.
    """

    model: str
    name: str
    version: int
    stage: str
    since: str
    until: str | None
    started_kind: str
    ended_kind: str | None
    started: Act
    ended: Act | None


@dataclass(frozen=True, slots=True)
class AliasFact:
    """A period in which an alias pointed at a version; ``until`` is null while it does."""

    model: str
    name: str
    alias: str
    version: int
    since: str
    until: str | None
    started: Act
    ended: Act | None


@dataclass(frozen=True, slots=True)
class AccountFact:
    """An account that acted on the models, or that gave a role to one which did; null ``name``: it was erased."""

    account: str
    name: str | None
    kind: str
    basis: str


@dataclass(frozen=True, slots=True)
class RoleFact:
    """Roles that an account held through a token: from ``since`` up to, and without, ``until``.

    ``granted`` is the entry that gave them. ``acts`` counts the entries of the models that were done with the token.
    """

    account: str
    name: str | None
    token: str
    roles: tuple[str, ...]
    since: str
    until: str
    granted: Act
    revoked: Act | None
    acts: int
    first_act: str | None
    last_act: str | None


class EvidenceFacts(GovernanceFacts, Protocol):
    """All facts of an archive. Each call begins to read again, and holds one fact at a time.

    Facts stand in the order of their models, which is that of creation; then of versions by number, of periods and
    measurements and notes by time, of files by path, of roles by the time of their grant.
    """

    @property
    def query(self) -> EvidenceQuery: ...
    @property
    def sealed(self) -> SealedState: ...
    def models(self) -> Iterator[ModelFact]: ...
    def versions(self) -> Iterator[VersionFact]: ...
    def files(self) -> Iterator[FileFact]: ...
    def measurements(self) -> Iterator[MeasurementFact]: ...
    def notes(self) -> Iterator[NoteFact]: ...
    def lineage(self) -> Iterator[LineageFact]: ...
    def tenures(self) -> Iterator[TenureFact]: ...
    def aliases(self) -> Iterator[AliasFact]: ...
    def accounts(self) -> Iterator[AccountFact]: ...
    def roles(self) -> Iterator[RoleFact]: ...


DOCUMENTS: Mapping[str, type] = {
    "models": ModelFact,
    "versions": VersionFact,
    "files": FileFact,
    "measurements": MeasurementFact,
    "notes": NoteFact,
    "lineage": LineageFact,
    "tenures": TenureFact,
    "aliases": AliasFact,
    "accounts": AccountFact,
    "roles": RoleFact,
    **GOVERNANCE,
}


def document(value: Any) -> Any:
    """Return a fact as a JSON document."""
    if is_dataclass(value):
        kind: type = type(value)
        omitted = _omitted(cast("Hashable", kind)).items()
        members = {name: getattr(value, name) for name in field_names(kind)}
        return {name: document(own) for name, own in members.items() if (name, own) not in omitted}
    if isinstance(value, tuple):
        return list(map(document, value))
    return value


def fact(kind: type[Kind], read: Mapping[str, Any]) -> Kind:
    """Return the fact of a JSON document. Raises ValueError for a document with other members."""
    converters = _converters(cast("Hashable", kind))
    omitted = _omitted(cast("Hashable", kind)).keys()
    if not (converters.keys() - omitted <= read.keys() <= converters.keys()):
        raise ValueError(f"a {kind.__name__} has other members than {', '.join(sorted(read))}")
    return kind(
        **{
            name: value if (convert := converters[name]) is None or value is None else convert(value)
            for name, value in read.items()
        }
    )


@functools.cache
def _omitted(kind: Any) -> Mapping[str, Any]:
    """Return the default of each member that documents leave out at it."""
    return {one.name: one.default for one in fields(kind) if one.metadata == OMITTED}


@functools.cache
def _converters(kind: Any) -> Mapping[str, Callable[[Any], Any] | None]:
    """Return, by the name of each member, what makes its value of that in a JSON document; None: it is the same."""
    return {name: _converter(hint) for name, hint in typing.get_type_hints(kind).items()}


def _converter(hint: Any) -> Callable[[Any], Any] | None:
    if isinstance(hint, types.UnionType):
        (hint,) = (one for one in typing.get_args(hint) if one is not type(None))
    if is_dataclass(hint):
        return functools.partial(fact, cast("type", hint))
    if typing.get_origin(hint) is tuple:
        convert = _converter(typing.get_args(hint)[0])
        return tuple if convert is None else lambda items: tuple(map(convert, items))
    return None
