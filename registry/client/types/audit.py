"""The audit log, and the counts of downloads and refusals."""

from __future__ import annotations

from typing import Any, NotRequired, TypedDict


class Actor(TypedDict):
    id: str
    name: str
    kind: str


class EntryActor(Actor):
    """Actor of an entry: the account, its token, and the token's creator if that is another account."""

    credential: NotRequired[str | None]
    issuer: NotRequired[str | None]


class EntryView(TypedDict):
    """One line of history.

    ``texts`` are the free texts, which are stored apart from the hashed bytes; ``body`` is those bytes in base64, and
    only in the audit log. ``redacted`` names texts that were erased, and ``position`` is the place in the sealed log,
    None until the entry is sealed; an older registry leaves both out.
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
    position: NotRequired[int | None]
    leaf_hash: str
    previous_hash: str
    digests: dict[str, str]
    body: NotRequired[str]


class RefusedActor(TypedDict):
    id: str
    name: str


class HeadView(TypedDict):
    """The latest entry of a chain as its owner's row has it; ``model`` is the model's present name."""

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


class SealedEntryView(TypedDict):
    """An entry with its position in the sealed log; ``body`` is in base 64, and an erased text is None."""

    position: int
    body: str
    texts: dict[str, ChainText | None]


class SealedPage(TypedDict):
    """A page of the sealed log; ``next_after`` is the position where to go on."""

    items: list[SealedEntryView]
    next_after: int | None
    more: bool


class VerifiedChainView(TypedDict):
    """The result for the chain of one model; ``published`` entries are covered by the latest published checkpoint."""

    chain: str
    name: str
    entries: int
    head: str
    published: int
    problems: list[str]
    uncovered: list[str]
    redacted: int
    baseline: str | None


class ModelVerificationView(TypedDict):
    """The registry's verification of the models that have or had a name.

    ``outcome`` is ``verified``, ``differs``, ``undecided`` or, when nothing was verified, ``too_long``.
    """

    model: str
    at: str
    outcome: str
    detail: str
    entries: int
    files: int
    chains: list[VerifiedChainView]


class RefusalView(TypedDict):
    """Count of the refusals of one action to one actor (None: no valid token) at one address in an hour."""

    hour: str
    actor: RefusedActor | None
    address: str
    action: str
    code: str
    count: int
    last_at: str


class DownloadCountView(TypedDict):
    """The number of downloads of one version by one actor at one address in an hour."""

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

    ``more``: others can be read now. ``waiting``: committed entries are not sealed yet.
    """

    items: list[EntryView]
    next_cursor: None
    next_after: str
    more: bool
    waiting: bool
