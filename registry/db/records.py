"""Results of queries: plain frozen values, complete and safe to use after the session has ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One page of a list; ``next_after`` is the sort key of the last row, None on the last page.

    ``warnings`` explain values that are easy to misread.
    """

    items: Sequence[T]
    next_after: tuple[Any, ...] | None = None
    warnings: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class ModelRecord:
    id: str
    name: str
    description: str
    tags: Mapping[str, str]
    lifecycle: str
    state: str
    latest_version: int | None
    stages: Mapping[str, Sequence[int]]
    aliases: Mapping[str, int]
    protected_aliases: Sequence[str]
    created_at: datetime
    created_by: str
    updated_at: datetime
    revised_at: datetime
    claimed: Mapping[str, Any] | None
    deleted_at: datetime | None
    row_version: int


@dataclass(frozen=True, slots=True)
class VersionBrief:
    """A version without fields that need further queries: as much as MLflow's protocol shows."""

    model: str
    model_id: str
    number: int
    state: str
    state_reason: str | None
    stage: str
    description: str
    tags: Mapping[str, str]
    aliases: Sequence[str]
    manifest_digest: str | None
    source: str | None
    location: str | None
    run_id: str | None
    run_link: str | None
    logged_model: str | None
    created_at: datetime
    created_by: str
    revised_at: datetime
    claimed: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class ModelBrief:
    """A model, and of each stage in use the newest version: as MLflow's protocol shows it."""

    id: str
    name: str
    description: str
    tags: Mapping[str, str]
    aliases: Mapping[str, int]
    latest: Sequence[VersionBrief]
    created_at: datetime
    revised_at: datetime
    claimed: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class LineageRecord:
    """A version's lineage; each part is the JSON document of its snapshot, the latest where there are two."""

    run: Mapping[str, Any] | None
    code: Mapping[str, Any] | None
    environment: Mapping[str, Any] | None
    datasets: Sequence[Mapping[str, Any]]
    parents: Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class EvaluationRecord:
    """The latest value of a metric on one dataset; on data that was not named where ``dataset_digest`` is None."""

    metric: str
    value: float
    dataset_digest: str | None
    dataset_name: str | None


@dataclass(frozen=True, slots=True)
class VersionRecord:
    """A complete version. ``manifest_digest`` is None while the files are unknown; see ``Version`` for MLflow's fields.

    ``metrics`` has the latest value of each, on any data. ``evaluations`` has those that were measured on a named
    dataset: the latest value on each, the last recorded one last. ``damaged``: bytes of a file are missing or corrupt.
    """

    model: str
    model_id: str
    number: int
    state: str
    state_reason: str | None
    stage: str
    rolled_back: bool
    manifest_digest: str | None
    file_count: int
    size: int
    damaged: bool
    description: str
    tags: Mapping[str, str]
    aliases: Sequence[str]
    params: Mapping[str, str]
    metrics: Mapping[str, float]
    evaluations: Sequence[EvaluationRecord]
    framework: str | None
    signature: Mapping[str, Any] | None
    lineage: LineageRecord
    source: str | None
    location: str | None
    run_id: str | None
    run_link: str | None
    run_state: str | None
    logged_model: str | None
    created_at: datetime
    created_by: str
    updated_at: datetime
    revised_at: datetime
    claimed: Mapping[str, Any] | None
    deleted_at: datetime | None
    purged_at: datetime | None
    row_version: int


@dataclass(frozen=True, slots=True)
class FileRecord:
    """A file of a version; ``damage`` is ``missing`` or ``corrupt`` where its bytes were found to be so."""

    path: str
    size: int
    sha256: str
    media_type: str
    damage: str | None = None


@dataclass(frozen=True, slots=True)
class MetricRecord:
    key: str
    value: float
    step: int | None
    dataset_digest: str | None
    dataset_name: str | None
    recorded_at: datetime
    recorded_by: str


@dataclass(frozen=True, slots=True)
class NoteRecord:
    """A comment on a version. ``id`` is that of its audit entry; ``text`` is None where it was redacted."""

    id: str
    model: str
    version: int
    at: datetime
    author: str
    text: str | None

    @property
    def redacted(self) -> bool:
        return self.text is None


@dataclass(frozen=True, slots=True)
class MetricPointRecord:
    """The latest value of a metric of one version, on any data."""

    key: str
    value: float
    dataset_digest: str | None
    recorded_at: datetime


@dataclass(frozen=True, slots=True)
class MeasuredVersionRecord:
    """A version of a series of metrics; ``points`` has those that it has."""

    number: int
    state: str
    stage: str
    created_at: datetime
    points: list[MetricPointRecord]


@dataclass(frozen=True, slots=True)
class HolderRecord:
    """A version's tenure in a stage, and who put it there why."""

    tenure: int
    model: str
    stage: str
    number: int
    manifest_digest: str | None
    since: datetime
    until: datetime | None
    entry: str
    kind: str
    actor: str
    reason: str | None


@dataclass(frozen=True, slots=True)
class TenureRecord(HolderRecord):
    """A tenure, and who ended it why; the fields ``ended_…`` are None while it lasts.

    ``successor`` is the version that took its place, None where it left without one. ``state`` and ``rolled_back`` are
    those of its version now. ``origin`` is the tenure that a rollback brought back, None for another one.
    """

    ended_kind: str | None
    ended_entry: str | None
    ended_by: str | None
    ended_reason: str | None
    successor: int | None
    state: str
    rolled_back: bool
    origin: int | None


@dataclass(frozen=True, slots=True)
class ServingRecord:
    """A version that holds a stage, or held it at an instant, and who put it there why.

    ``named`` is the name of the model at that instant. ``now`` is the version that holds the stage now, and ``staged``
    the one that entered staging last; None where none does. ``damaged``: its bytes are known to be missing or wrong
    now. ``uncertain``: a wrong clock dated entries of the model, so at that instant another version may have held it.
    """

    tenure: int
    model: str
    named: str
    stage: str
    number: int
    manifest_digest: str | None
    since: datetime
    until: datetime | None
    entry: str
    kind: str
    actor: str
    reason: str | None
    now: int | None
    staged: int | None
    damaged: bool
    uncertain: bool


@dataclass(frozen=True, slots=True)
class AliasRecord:
    """Target of an alias, now or at a time; ``created`` in the reply to the call that created the alias.

    ``state`` is that of the version, and ``protected`` that of the alias, as they are now.
    """

    tenure: int
    model: str
    alias: str
    number: int
    manifest_digest: str | None
    since: datetime
    until: datetime | None
    entry: str
    actor: str
    reason: str | None
    state: str
    protected: bool
    created: bool = False

    @property
    def facts(self) -> list[str]:
        """Return the fields of the alias that may change while it stays where it is."""
        return [self.state, *(["protected"] if self.protected else [])]


@dataclass(frozen=True, slots=True)
class EntryRecord:
    """One audit entry, opened: ``body`` holds the hashed bytes, the other fields are read from it.

    ``position`` is its place in the sealed log, None until it is sealed.
    """

    id: str
    at: datetime
    action: str
    actor: Mapping[str, str | None]
    model: str | None
    version: int | None
    related_version: int | None
    token: str | None
    before: Mapping[str, Any]
    after: Mapping[str, Any]
    digests: Mapping[str, str]
    reason: str | None
    texts: Mapping[str, str]
    redacted: Sequence[str]
    request_id: str | None
    client_request_id: str | None
    aggregate: str
    seq: int
    position: int | None
    previous_hash: str
    leaf_hash: str
    body: bytes


@dataclass(frozen=True, slots=True)
class UploadRecord:
    """An upload. ``part_size`` is None for bytes in one request; ``reason`` is why they were refused."""

    id: str | None
    state: str
    sha256: str
    size: int
    expires_at: datetime | None
    part_size: int | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class ImportRecord:
    """``version`` is the number of what was made of it; ``reason`` what is in its way, or was in the end.

    ``ignored`` are the first of the ``ignored_count`` files and directories that were left out by default.
    """

    id: str
    model: str
    source: str
    state: str
    reason: str | None
    files: int
    bytes: int
    version: int | None
    created_at: datetime
    created_by: str
    finished_at: datetime | None
    ignored: Sequence[str]
    ignored_count: int


@dataclass(frozen=True, slots=True)
class JobRecord:
    """A background job. ``kind``: import, upload (to be verified), artifact (to be hashed) or refresh (of a run).

    ``subject`` is the import's source, the upload's digest, the file's path or the run's id. ``state``: parked, running
    or waiting.
    """

    id: str
    kind: str
    state: str
    subject: str
    model: str | None
    version: int | None
    attempts: int
    reason: str | None
    created_at: datetime
    created_by: str
    parked_at: datetime | None


@dataclass(frozen=True, slots=True)
class TokenRecord:
    """An API token; ``token`` is its text in the one reply that shows it."""

    id: str
    owner: str
    name: str
    roles: Sequence[str]
    created_at: datetime
    created_by: str
    expires_at: datetime
    last_used_on: date | None
    revoked_at: datetime | None
    token: str | None = None


@dataclass(frozen=True, slots=True)
class SessionRecord:
    """A browser session; ``token`` is its text in the one reply that sets the cookie."""

    id: str
    parent_id: str
    parent_name: str
    roles: Sequence[str]
    created_at: datetime
    expires_at: datetime
    last_used_on: date | None
    token: str | None = None


@dataclass(frozen=True, slots=True)
class EntryOfDirectory:
    """A file or a directory as a listing shows it; ``size``, in bytes, is None for a directory."""

    name: str
    size: int | None
