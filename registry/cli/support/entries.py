"""Entries of the audit log and refusals as people read them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from registry.cli.support import output
from registry.cli.support.cells import Moment, Whole, plain

if TYPE_CHECKING:
    from registry.client.types import DownloadCountView, EntryActor, EntryView, RefusalView

ENTRY_COLUMNS = ("time", ("actor", "credential"), ("action", "version"), "change", "reason")
REFUSAL_COLUMNS = ("hour", ("code", "action"), ("actor", "address"), "count", "last")
DOWNLOAD_COLUMNS = ("hour", ("version", "way"), ("actor", "address"), "count", "last")
NO_ENTRIES, NO_REFUSALS, NO_DOWNLOADS = "no entries match", "no refusals match", "no downloads match"
_MOST_PARTS = 6
_LONGEST = 40
# By the first word of actions, shown of an entry in full only: what a request is bound to, roles, digests of verdicts.
_DETAILS = {
    "alias": {"gates"},
    "request": {"apply_when_ready", "entry", "holder_entry", "policy_entry", "registrar_id", "registrar_issuer_id",
                "roles", "token_id"},
    "version": {"gates", "roles"},
}  # fmt: skip
_ID_PART = 8  # of an entry, as much as a column holds; --json has all of it


def entry_row(entry: EntryView) -> list[object]:
    """Return one line of history."""
    model, number = entry["model"] or "", entry["version"]
    subject = f"{model}:{number}" if number is not None else model
    actor, reason = entry["actor"], entry["reason"] or ""
    who = [actor["name"], _credential(actor)]
    return [Moment(entry["at"]), *who, Whole(entry["action"]), Whole(subject), change(entry), reason]


def describe_entry(entry: EntryView) -> None:
    """Print an entry in full, with its place in its chain and in the sealed log."""
    columns = ("time", "actor", "credential", "action", "version", "change", "reason")
    position = entry.get("position")
    output.line(f"entry {entry['id']}")
    output.pairs(
        [
            *zip(columns, entry_row(entry), strict=True),
            *(("before " + key, plain(value)) for key, value in sorted(entry["before"].items())),
            *(("after " + key, plain(value)) for key, value in sorted(entry["after"].items())),
            *sorted(entry["digests"].items()),
            ("request", entry["request_id"]),
            ("client's request", entry["client_request_id"]),
            ("chain", f"{entry['aggregate']}, entry {entry['seq']}"),
            ("hash", entry["leaf_hash"]),
            ("follows", entry["previous_hash"]),
            ("position", "none yet: it is not sealed" if position is None else position),
        ]
    )


def refusal_row(refusal: RefusalView) -> list[object]:
    """Return one line of refusals."""
    actor = refusal["actor"]["name"] if refusal["actor"] else ""
    what = [Whole(refusal["code"]), Whole(refusal["action"]), actor, Whole(refusal["address"])]
    return [Moment(refusal["hour"]), *what, refusal["count"], Moment(refusal["last_at"])]


def download_row(download: DownloadCountView) -> list[object]:
    """Return one line of downloads."""
    version = "others" if download["model"] is None else f"{download['model']}:{download['number']}"
    actor = download["actor"]["name"] if download["actor"] else ""
    what = [Whole(version), Whole(download["way"]), actor, Whole(download["address"])]
    return [Moment(download["hour"]), *what, download["count"], Moment(download["last_at"])]


def change(entry: EntryView) -> str:
    """Return what an entry changed: the move, or each field with its new value."""
    parts = [*_describe_move(entry), *_fields(entry), *_describe_texts(entry)]
    return ", ".join(parts) if len(parts) <= _MOST_PARTS else f"{', '.join(parts[:_MOST_PARTS])}, …"


def _credential(actor: EntryActor) -> str:
    """Return the token's id, and its issuer where that is another account; an older server omits it."""
    token, issuer = actor.get("credential") or "", actor.get("issuer")
    return f"{token} by {issuer}" if issuer else token


def _describe_move(entry: EntryView) -> Iterator[str]:
    """Return the move between stages, and the version that it displaced."""
    other, number = entry["related_version"], entry["version"]
    if entry["action"] == "version.rolled_back":
        yield f"rolled back from {other} to {number}" if other is not None else f"rolled back to {number}"
        return
    before, after = entry["before"].get("stage"), entry["after"].get("stage")
    if before != after:
        yield f"{before or '-'} -> {after or '-'}"
    if other is not None:
        yield f"replacing {other}"


def _fields(entry: EntryView) -> Iterator[str]:
    """Return the other fields that differ; the holder of production follows from the move."""
    if entry["action"] == "text.erased":
        redacted = entry["before"]
        yield f"{redacted.get('text')} of entry {str(redacted.get('entry'))[:_ID_PART]} redacted"
        return
    if entry["action"] == "hold.released":
        yield f"hold of entry {str(entry['before'].get('hold'))[:_ID_PART]} released"
        return
    before, after, owner = entry["before"], entry["after"], entry["texts"].get("owner")
    left_out = {"stage", "production", *_DETAILS.get(entry["action"].partition(".")[0], ())}
    for key in sorted({*before, *after} - left_out):
        if key == "owner" and owner:
            continue  # an account's id; its name is among the texts
        yield from _differences(key, before.get(key), after.get(key))


def _differences(key: str, before: Any, after: Any) -> Iterator[str]:
    if before == after:
        return
    if isinstance(before or after, Mapping) and isinstance(before or {}, Mapping) and isinstance(after or {}, Mapping):
        old, new = before or {}, after or {}
        for name in sorted({*old, *new}):
            yield from _differences(name, old.get(name), new.get(name))
    elif isinstance(before, list) and isinstance(after, list):
        signs = [f"+{_short(item)}" for item in after if item not in before]
        signs += [f"-{_short(item)}" for item in before if item not in after]
        yield f"{key}: {' '.join(signs)}"
    elif before is None:
        if after != "":
            yield f"{key}={_short(after)}"
    else:
        yield f"{key}: {_short(before)} -> {_short(after) if after is not None else '-'}"


def _describe_texts(entry: EntryView) -> Iterator[str]:
    """Return the texts that were set, and the names of those that were redacted since."""
    for key, value in sorted(entry["texts"].items()):
        if key == "tags" and (tags := _tag_items(value)) is not None:
            yield from (f"tag {name} removed" if text is None else f"tag {name}={_short(text)}" for name, text in tags)
        elif key != "claimed":
            yield f"{key}={_short(value)}"
    yield from (f"{key} redacted" for key in entry.get("redacted", ()))


def _tag_items(text: str) -> list[tuple[str, Any]] | None:
    try:
        tags = json.loads(text)
    except ValueError:
        return None
    return sorted(tags.items()) if isinstance(tags, dict) else None


def _short(value: Any) -> str:
    if isinstance(value, list):
        return " ".join(map(_short, value)) or "none"
    text = plain(value)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
