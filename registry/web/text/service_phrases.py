"""Phrases of the entries of accounts, stored bytes, the log and the registry."""

from __future__ import annotations

from registry.db.records import EntryRecord
from registry.domain.holds import HoldKind
from registry.web.text.phrase_parts import (
    Parts,
    Phrase,
    PhraseReference,
    counted,
    edges_of,
    listed,
    model_of,
    short_digest,
    text_of,
    version_of,
)

_ID_PART = 8  # characters of an entry's id


def baselined(entry: EntryRecord) -> Parts:
    yield "recorded the present state of "
    yield "the registry" if entry.model is None else model_of(entry)
    yield " as the baseline of verification"


def redacted(entry: EntryRecord) -> Parts:
    yield f"redacted the text {entry.before['text']} of entry {entry.before['entry'][:_ID_PART]}"
    if entry.version is not None:
        yield from (" of ", version_of(entry))
    elif entry.model is not None:
        yield from (" of ", model_of(entry))


def data_lineage(verb: str, preposition: str) -> Phrase:
    def phrase(entry: EntryRecord) -> Parts:
        yield f"{verb} {edges_of(entry)} {preposition} the lineage of data"

    return phrase


def hold_placed(entry: EntryRecord) -> Parts:
    if entry.version is not None:
        yield from ("placed a hold on ", version_of(entry))
    else:
        hold = entry.after["hold"]
        if hold["kind"] == HoldKind.DATA:
            yield listed("placed a hold on the data ", [short_digest(one) for one in hold["target"].split()])
        else:
            yield f"placed a hold on the base model {hold.get('version') or hold['target']}"
        yield " and every version downstream of it"


def hold_released(entry: EntryRecord) -> Parts:
    if entry.version is not None:
        yield from ("released a hold on ", version_of(entry))
    else:
        yield f"released the hold of entry {entry.before['hold'][:_ID_PART]}"


def fixed(text: str) -> Phrase:
    return lambda _: iter((text,))


def token_created(entry: EntryRecord) -> Parts:
    yield f"created token {entry.token} for {text_of(entry, 'owner')}"
    roles = entry.after["roles"]
    yield listed(counted(roles, " with the role ", " with the roles "), roles)


def session_opened(entry: EntryRecord) -> Parts:
    yield f"logged in with token {entry.after['parent']}"


def sessions_closed(entry: EntryRecord) -> Parts:
    count = len(entry.after["sessions"])
    yield "logged out" if count == 1 else f"logged out of {count} sessions"


def token_revoked(entry: EntryRecord) -> Parts:
    yield f"revoked token {entry.token}"


def artifact_written(entry: EntryRecord) -> Parts:
    yield f"{'replaced' if entry.before else 'wrote'} the file {text_of(entry, 'path')}"


def damage(verb: str) -> Phrase:
    def phrase(entry: EntryRecord) -> Parts:
        yield f"{verb} {short_digest(entry.digests['blob'])}"
        for index, name in enumerate(entry.after.get("versions", ())):
            model, _, number = name.rpartition(":")
            yield " of " if index == 0 else ", "
            yield PhraseReference(model, int(number))

    return phrase


def collected(what: str) -> Phrase:
    def phrase(entry: EntryRecord) -> Parts:
        digest = entry.digests.get("blob")
        yield f"deleted {what} {short_digest(digest) if digest else entry.before['key']}"

    return phrase


def checkpointed(entry: EntryRecord) -> Parts:
    chains = entry.after["chains"]
    yield f"recorded the heads of {chains} {'chain' if chains == 1 else 'chains'}"


def epoch_begun(entry: EntryRecord) -> Parts:
    yield f"began a new epoch of the sealed log, {entry.after['origin']}"


def clock_accepted(entry: EntryRecord) -> Parts:
    yield f"accepted the clock {entry.after['clock']}"


def of_path(verb: str) -> Phrase:
    def phrase(entry: EntryRecord) -> Parts:
        yield f"{verb} {text_of(entry, 'path')}"

    return phrase
