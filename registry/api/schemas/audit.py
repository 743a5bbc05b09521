"""History on the wire."""

from __future__ import annotations

import base64
from typing import Any

from marshmallow import Schema, ValidationError, fields, post_load, validates_schema

from registry.api.schemas.criteria import CriteriaQuery
from registry.api.schemas.paging import NEXT_CURSOR, PageQuery, page_of
from registry.domain.access import ActorKind
from registry.domain.errors import Malformed
from registry.http import cursors
from registry.http.fields import Choice, Instant, QueryNumber, Text, View, about, one_of, output
from registry.rules import names
from registry.services.audit import Criteria, FormerPlace, Position, VerificationOutcome

START = "start"
_POSITION = "audit position"
# The first member of what a position holds says what follows it.
_FORMER = 1  # order, id and uid: of releases before the sealed log
_SEALED = 2  # position and uid, and order, id and uid of where a release before the sealed log had been


class HistoryQuery(CriteriaQuery):
    """Filter of entries: those at or after ``since`` and before ``until``."""

    CRITERIA = Criteria

    action = Text(
        most=64, metadata=about("Only this action, like `version.promoted`, or all of a group, like `version.*`.")
    )


class AuditQuery(HistoryQuery):
    """Filter and cursor of entries; ``after`` becomes ``position``, None for the start of the log."""

    model = Text(most=names.MODEL_NAME_LENGTH, metadata=about("Only entries of models that have or had this name."))
    version = QueryNumber(
        metadata=about("Only entries about this version of `model`, and those of others that displaced it.")
    )
    request_id = Text(
        least=1, most=64, metadata=about("Only entries of this request: the `X-Request-Id` of its response.")
    )
    resumed = Text(
        data_key="after",
        least=1,
        most=4096,
        metadata=about(
            "Read incrementally: every sealed entry once, in the order of positions. `start`, or the `next_after` of "
            "an earlier response (of an export: its header X-Audit-Next-After), which may be kept for as long as the "
            "database is."
        ),
    )
    format = fields.String(
        validate=Choice(["jsonl", "csv"]),
        metadata=about("Export every match, oldest first, instead of a page."),
    )

    header = fields.String(
        validate=Choice(["true", "false"]),
        metadata=about(
            'Of an export: whether it begins with its time, filter and checkpoint (`{"export": …}`; in CSV lines '
            "that begin with `# `). By default it does, unless it continues another one (`after` is a position)."
        ),
    )

    @validates_schema
    def _check_cursors(self, data: dict[str, Any], **_: Any) -> None:
        if "resumed" in data and "cursor" in data:
            raise ValidationError("cannot be combined with after: pages after a position follow next_after", "cursor")

    @post_load
    def _open_position(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        if "header" in data:
            data["header"] = data["header"] == "true"
        if (resumed := data.pop("resumed", None)) is None:
            return data
        return data | {"position": None if resumed == START else position_in(resumed)}


class ActorView(View):
    """The account that did something."""

    id = fields.String(**output("The id of the account."))
    name = fields.String(**output("The name of the account, as it is now."))
    kind = fields.String(**output(f"{one_of(ActorKind)}."))
    credential = fields.String(**output("The id of the token with which it was done.", null=True))
    issuer = fields.String(
        **output("The name of the account that created the token, where that is not the actor.", null=True)
    )


class EntryView(View):
    """An entry of the audit log. It never changes; its position is added, and its texts can be redacted."""

    id = fields.String(**output("The id of the entry."))
    at = Instant(**output("When it happened."))
    action = fields.String(**output("The action, for example `version.promoted`."))
    actor = fields.Nested(ActorView, **output("The actor."))
    model = fields.String(**output("The name of the model, as it was then.", null=True))
    version = fields.Integer(**output("The number of the version.", null=True))
    related_version = fields.Integer(**output("The version that was displaced or rolled back.", null=True))
    token = fields.String(**output("The id of the token that was created or revoked.", null=True))
    before = fields.Dict(**output("The changed facts before the change."))
    after = fields.Dict(**output("The changed facts after the change."))
    reason = fields.String(**output("Why it was done.", null=True))
    texts = fields.Dict(
        keys=fields.String(),
        values=fields.String(),
        **output("Free texts of the entry, by name."),
    )
    redacted = fields.List(fields.String(), **output("The names of its texts that are no longer stored."))
    digests = fields.Dict(keys=fields.String(), values=fields.String(), **output("Digests of facts, by name."))
    request_id = fields.String(**output("The `X-Request-Id` of the response.", null=True))
    client_request_id = fields.String(**output("The `X-Request-Id` that the client sent.", null=True))
    aggregate = fields.String(**output("The chain that the entry is part of."))
    seq = fields.Integer(**output("Its place in the chain, counted from 1."))
    position = fields.Integer(
        **output("Its position in the sealed log, counted from 0; null until it is sealed.", null=True)
    )
    previous_hash = fields.String(**output("The leaf hash of the entry before it in the chain."))
    leaf_hash = fields.String(**output("The hash of the entry."))


class AuditEntryView(EntryView):
    """An entry of the audit log, with the bytes that were hashed."""

    body = fields.Function(
        lambda entry: base64.b64encode(entry.body).decode(),
        **output("The bytes that were hashed (RFC 8785), in base 64."),
    )


class ChainTextView(View):
    """A text that the entry commits to by HMAC-SHA256, keyed with the salt."""

    text = fields.String(**output("The text."))
    salt = fields.Function(
        lambda text: base64.b64encode(text.salt).decode(), **output("The key of the HMAC, in base 64.")
    )


class ChainEntryView(View):
    """An entry as it is stored, with all that verification needs but the service's key."""

    chain = fields.String(**output("The chain that the entry is part of."))
    seq = fields.Integer(**output("Its place in the chain, counted from 1."))
    id = fields.String(**output("The id of the entry."))
    action = fields.String(**output("The action."))
    actor = fields.String(**output("The id of the actor's account."))
    leaf_hash = fields.String(**output("The hash of the entry."))
    body = fields.Function(
        lambda entry: base64.b64encode(entry.body).decode(),
        **output("The content: the bytes that were hashed (RFC 8785), in base 64."),
    )
    texts = fields.Dict(
        keys=fields.String(),
        values=fields.Nested(ChainTextView),
        **output("Its texts by name; one that was erased is not among them."),
    )


class HeadView(View):
    """A chain of the audit log and its latest entry."""

    chain = fields.String(**output("The chain, the `aggregate` of its entries."))
    model = fields.String(**output("The name of its model, now.", null=True))
    entries = fields.Integer(**output("How many entries it has."))
    head = fields.String(**output("The leaf hash of the latest entry; empty without entries."))


class VerifiedChainView(View):
    """The result of verifying the chain of one model, and the rows that answers about the model are read from."""

    chain = fields.String(**output("The chain, the `aggregate` of its entries."))
    name = fields.String(**output("The name of its model, now."))
    entries = fields.Integer(**output("How many entries were read."))
    head = fields.String(**output("The leaf hash of the latest entry, as the model has it."))
    published = fields.Integer(
        **output("How many of its entries, from the first one, are covered by the latest published checkpoint.")
    )
    problems = fields.List(fields.String(), **output("Differences from the log."))
    uncovered = fields.List(fields.String(), **output("Facts that entries of other releases or keys leave undecided."))
    redacted = fields.Integer(**output("How many texts were erased, each by an entry."))
    baseline = fields.String(**output("When the latest baseline was recorded.", null=True))


class ModelVerificationView(View):
    """The result of verifying the models that have or had a name.

    It proves that their entries form unbroken chains with this service's seals, and that what is stored of the models
    agrees with them. It does not detect a database that was replaced as a whole: `registry audit verify` does, run
    elsewhere.
    """

    model = fields.String(**output("The name."))
    at = Instant(**output("The time of the snapshot that was read."))
    outcome = fields.String(**output(f"{one_of(VerificationOutcome)}; `too_long`: nothing was verified."))
    detail = fields.String(**output("The result in a sentence, with what to do."))
    entries = fields.Integer(**output("How many entries the chains have."))
    files = fields.Integer(**output("How many files the versions have."))
    chains = fields.List(fields.Nested(VerifiedChainView), **output("The chains, none if it was too long."))


class HeadQuery(PageQuery):
    """Filter of chains."""

    model = Text(most=names.MODEL_NAME_LENGTH, metadata=about("Only the chains of models that have or had this name."))


class ChainQuery(PageQuery):
    """Filter of the entries of a chain."""

    chain = Text(least=1, most=64, metadata=about("Only the entries of this chain."))


HeadPage: type[Schema] = page_of(HeadView, "HeadPage")
ChainEntryPage: type[Schema] = page_of(ChainEntryView, "ChainEntryPage")
EntryPage: type[Schema] = page_of(EntryView, "EntryPage")


class AuditPage(View):
    """A page of the audit log.

    The last three members are there when ``after`` was given; ``next_cursor`` is null then.
    """

    items = fields.List(fields.Nested(AuditEntryView), **output("The entries."))
    next_cursor = fields.String(**NEXT_CURSOR)
    next_after = fields.String(metadata=about("The `after` of the next request."))
    more = fields.Boolean(metadata=about("Whether other entries can be read now."))
    waiting = fields.Boolean(
        metadata=about(
            "Whether committed entries are not sealed yet. Workers seal within seconds; where none runs, it stays true."
        )
    )


def position_text(position: Position | None) -> str:
    """Return the opaque text of a position."""
    if position is None:
        return START
    former = [] if position.former is None else [position.former.order, position.former.id, position.former.uid]
    if position.number is None:
        return cursors.seal(_POSITION, [_FORMER, *former])
    return cursors.seal(_POSITION, [_SEALED, position.number, position.uid, *former])


def position_in(text: str) -> Position:
    """Return the position that *text* stands for. Raises Malformed."""
    match cursors.unseal(_POSITION, text):
        case [form, order, id, uid] if form == _FORMER:
            return Position(None, None, FormerPlace(order, id, uid))
        case [form, number, uid] if form == _SEALED:
            return Position(number, uid)
        case [form, number, uid, *former] if form == _SEALED:
            return Position(number, uid, FormerPlace(*former))
    raise Malformed("this release does not read the form of this audit position; start again with after=start")
