"""What the registry answers, as typed dictionaries: the JSON itself, with names.

Timestamps are RFC 3339 text in UTC. Digests are ``sha256:<hex>``, except under the key ``sha256``: the hex alone.
"""

from __future__ import annotations

from typing import Any, Literal, NotRequired, TypedDict

Stage = Literal["none", "staging", "production", "archived"]
HeldStage = Literal["staging", "production", "archived"]
Lifecycle = Literal["enforced", "open"]
Role = Literal["reader", "writer", "promoter", "admin", "auditor", "responder"]


class ModelView(TypedDict):
    id: str
    name: str
    description: str
    tags: dict[str, str]
    lifecycle: Lifecycle
    state: Literal["active", "deleted"]
    latest_version: int | None
    stages: dict[str, list[int]]
    aliases: dict[str, int]
    protected_aliases: list[str]
    claimed: dict[str, Any] | None
    created_at: str
    created_by: str
    updated_at: str
    deleted_at: str | None


class Target(TypedDict):
    """Where the bytes go: PUT them to ``url`` with exactly ``headers``."""

    method: str
    url: str
    headers: dict[str, str]
    expires_at: str


class UploadView(TypedDict):
    """Bytes on their way: to ``target`` in one PUT, or in parts of ``part_size`` bytes when that is not None."""

    id: str | None
    state: Literal["pending", "uploaded", "verified", "failed", "expired", "aborted"]
    sha256: str
    size: int
    expires_at: str | None
    reason: str | None
    part_size: int | None
    target: Target | None


class PartView(TypedDict):
    """``target`` is None when the answer repeats an earlier request's."""

    number: int
    size: int
    target: Target | None


class PartsView(TypedDict):
    part_size: int
    part_count: int
    finished: list[int]


class FileView(TypedDict):
    """``url`` is there when signed URLs were asked for: where the bytes are, for some minutes."""

    path: str
    size: int
    sha256: str
    media_type: str
    url: NotRequired[str]


class Run(TypedDict):
    system: str
    id: str
    url: NotRequired[str | None]
    params: NotRequired[dict[str, str]]
    metrics: NotRequired[dict[str, float]]
    unmeasured: NotRequired[dict[str, str]]
    tags: NotRequired[dict[str, str]]
    triggered_by: NotRequired[str | None]
    stated_by: NotRequired[str]
    started_at: NotRequired[str | None]
    finished_at: NotRequired[str | None]


class Code(TypedDict):
    """A repository, or a script at a ``path`` whose repository is not known."""

    repo: NotRequired[str | None]
    commit: NotRequired[str | None]
    branch: NotRequired[str | None]
    path: NotRequired[str | None]
    dirty: NotRequired[bool | None]


class Environment(TypedDict):
    python: NotRequired[str | None]
    lock_digest: NotRequired[str | None]
    image_digest: NotRequired[str | None]


class Dataset(TypedDict):
    name: str
    digests: list[str]
    uri: NotRequired[str | None]
    role: NotRequired[Literal["train", "validation", "test", "other"]]
    rows: NotRequired[int | None]
    schema: NotRequired[dict[str, Any] | None]


class Parent(TypedDict):
    model: str
    version: int


class LineageView(TypedDict):
    run: Run | None
    code: Code | None
    environment: Environment | None
    datasets: list[Dataset]
    parents: list[Parent]


class VersionLineageView(TypedDict):
    model: str
    number: int
    lineage: LineageView


class EvaluationView(TypedDict):
    """The latest value of a metric on one dataset; on data that was not named where ``dataset_digest`` is None."""

    metric: str
    value: float
    dataset_digest: str | None
    dataset_name: str | None


class Evaluation(TypedDict):
    """Values that were measured together. A name without a digest is that of a dataset registered with the version."""

    metrics: dict[str, float]
    step: NotRequired[int | None]
    dataset_digest: NotRequired[str | None]
    dataset_name: NotRequired[str | None]


class VersionView(TypedDict):
    """``metrics`` has the latest value of each, whatever the data; ``evaluations`` those on named datasets."""

    model: str
    number: int
    state: Literal["unverified", "pending", "ready", "failed", "deleted"]
    state_reason: str | None
    stage: Stage
    rolled_back: bool
    manifest_digest: str | None
    file_count: int
    size: int
    description: str
    tags: dict[str, str]
    aliases: list[str]
    params: dict[str, str]
    metrics: dict[str, float]
    evaluations: list[EvaluationView]
    framework: str | None
    signature: dict[str, Any] | None
    lineage: LineageView
    run_state: NotRequired[Literal["unfinished", "finished", "abandoned"] | None]
    source: str | None
    claimed: dict[str, Any] | None
    created_at: str
    created_by: str
    updated_at: str
    deleted_at: str | None
    purged_at: str | None


class RegisteredView(TypedDict):
    """``created`` is False when the same files from the same run were registered before.

    ``updated`` names the facts that were added to that version.
    """

    created: bool
    version: VersionView
    updated: list[str]


class ImportView(TypedDict):
    """A version in the making, from bytes elsewhere; ``version`` is its number once it is there."""

    id: str
    model: str
    source: str
    state: Literal["pending", "running", "parked", "done", "failed"]
    reason: str | None
    files: int
    bytes: int
    version: int | None
    created_at: str
    created_by: str
    finished_at: str | None
    ignored: list[str]
    ignored_count: int


JobState = Literal["parked", "running", "waiting", "abandoned"]


class JobView(TypedDict):
    """Background work that is not done; ``reason`` is what was last in its way."""

    id: str
    kind: Literal["import", "upload", "artifact", "refresh"]
    state: JobState
    subject: str
    model: str | None
    version: int | None
    attempts: int
    reason: str | None
    created_at: str
    created_by: str
    parked_at: str | None


class MetricView(TypedDict):
    key: str
    value: float
    step: int | None
    dataset_digest: str | None
    dataset_name: str | None
    recorded_at: str
    recorded_by: str


class MovedView(TypedDict):
    """One move; ``displaced`` is the version that had to leave, ``changed`` is False when nothing was to be done.

    ``warnings`` say what was not checked.
    """

    model: str
    number: int
    kind: str | None
    source: Stage
    target: Stage
    changed: bool
    dry_run: bool
    displaced: int | None
    at: str | None
    version: VersionView
    warnings: list[str]


class HolderView(TypedDict):
    model: str
    stage: Stage
    number: int
    manifest_digest: str | None
    since: str
    until: str | None
    entry: str
    kind: str
    actor: str
    reason: str | None


class StagesView(TypedDict):
    model: str
    stages: dict[str, list[HolderView]]


class AliasView(TypedDict):
    """``state`` is that of the version now: ``unverified`` when the registry has never seen its files."""

    model: str
    alias: str
    number: int
    manifest_digest: str | None
    since: str
    until: str | None
    entry: str
    actor: str
    reason: str | None
    state: Literal["unverified", "pending", "ready", "failed", "deleted"]
    protected: bool


class ProtectionView(TypedDict):
    model: str
    alias: str
    protected: bool
    changed: bool


class Actor(TypedDict):
    id: str
    name: str
    kind: str


class EntryActor(Actor):
    """Who did it: with which token, and who created that where it was another account."""

    credential: NotRequired[str | None]
    issuer: NotRequired[str | None]


class EntryView(TypedDict):
    """One line of history.

    ``texts`` are the free texts, which are kept beside the hashed bytes; ``body`` is those bytes in base64, and only in
    the audit log. ``redacted`` names texts that were erased; an older registry does not say.
    """

    id: str
    at: str
    action: str
    actor: EntryActor
    model: str | None
    version: int | None
    related_version: int | None
    token: str | None
    before: dict[str, Any]
    after: dict[str, Any]
    reason: str | None
    texts: dict[str, Any]
    redacted: NotRequired[list[str]]
    request_id: str | None
    client_request_id: str | None
    aggregate: str
    seq: int
    leaf_hash: str
    previous_hash: str
    digests: dict[str, str]
    body: NotRequired[str]


class RefusedActor(TypedDict):
    id: str
    name: str


class HeadView(TypedDict):
    """What the owner of a chain says of its latest entry; ``model`` is the model's name now."""

    chain: str
    model: str | None
    entries: int
    head: str


class ChainText(TypedDict):
    """A text that an entry commits to by HMAC-SHA256, keyed with the salt (base 64)."""

    text: str
    salt: str


class ChainEntryView(TypedDict):
    """An entry as it is stored; its content is in ``body``: the bytes that were hashed, in base 64."""

    chain: str
    seq: int
    id: str
    action: str
    actor: str
    leaf_hash: str
    body: str
    texts: dict[str, ChainText]


class RefusalView(TypedDict):
    """How often one actor (None: without a valid token) at one address was refused one action in an hour."""

    hour: str
    actor: RefusedActor | None
    address: str
    action: str
    code: str
    count: int
    last_at: str


class DownloadCountView(TypedDict):
    """How often one actor at one address asked for the bytes of one version in an hour."""

    hour: str
    actor: RefusedActor | None
    address: str
    model: str | None
    number: int | None
    way: str
    count: int
    last_at: str


class ChangesView(TypedDict):
    """Entries after a position; ``next_after`` is where to go on.

    ``more``: others can be read now. ``waiting``: committed entries are held back until earlier transactions end.
    """

    items: list[EntryView]
    next_cursor: None
    next_after: str
    more: bool
    waiting: bool


class UsedToken(TypedDict):
    id: str
    name: str
    expires_at: str
    issued_by: str


class MeView(TypedDict):
    id: str
    name: str
    kind: str
    roles: list[str]
    permissions: list[str]
    token: UsedToken | None
    foreign_tokens: int
    mode: Literal["dev", "production"]


class TokenView(TypedDict):
    id: str
    owner: str
    name: str
    roles: list[str]
    created_at: str
    created_by: str
    expires_at: str
    last_used_on: str | None
    revoked_at: str | None


class CreatedTokenView(TokenView):
    """``token`` is shown this once and stored nowhere: None when the answer repeats an earlier request's."""

    token: str | None
