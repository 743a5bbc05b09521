"""Phrases of the entries of models and their versions."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator, Mapping

from registry.db.records import EntryRecord
from registry.domain.stages import Stage
from registry.domain.states import RunState, VersionState
from registry.web.text.phrase_parts import (
    Parts,
    Phrase,
    PhraseReference,
    counted,
    edges_of,
    listed,
    model_of,
    number_of,
    related_to,
    short_digest,
    text_of,
    version_of,
)

SHOWN_NOTE = 120  # characters of a note in a sentence


def of_model(verb: str, rest: str = "") -> Phrase:
    def phrase(entry: EntryRecord) -> Parts:
        yield from (f"{verb} ", model_of(entry), rest)

    return phrase


def of_version(verb: str, rest: str = "") -> Phrase:
    def phrase(entry: EntryRecord) -> Parts:
        yield from (f"{verb} ", version_of(entry), rest)

    return phrase


def model_edited(entry: EntryRecord) -> Parts:
    yield from ("edited ", model_of(entry))
    changed = []
    if "lifecycle" in entry.after:
        changed.append(f"lifecycle {entry.before.get('lifecycle')} → {entry.after['lifecycle']}")
    yield listed(": ", [*changed, *_edited_texts(entry)])


def model_renamed(entry: EntryRecord) -> Parts:
    yield from (f"renamed {entry.before['name']} to ", model_of(entry))


def renumbered(entry: EntryRecord) -> Parts:
    yield from ("continued the version numbers of ", model_of(entry), f" at {entry.after['next_number']}")


def registered(entry: EntryRecord) -> Parts:
    yield from ("registered ", version_of(entry))
    state = entry.after["state"]
    if state == VersionState.PENDING:
        yield ", whose files were not verified yet"
    elif state != VersionState.READY:
        yield f", which is {state}"
    if aliases := [*entry.after.get("aliases", {})]:
        yield listed(counted(aliases, ", with the alias ", ", with the aliases "), sorted(aliases))
    if asked := entry.after.get("requested_aliases"):
        yield listed(counted(asked, ", and requested the alias ", ", and requested the aliases "), asked)


def fetched(entry: EntryRecord) -> Parts:
    files = entry.after["files"]
    yield from (f"fetched {files} {'file' if files == 1 else 'files'} of ", version_of(entry))


def failed(entry: EntryRecord) -> Parts:
    yield from ("set ", version_of(entry), " to failed: its files could not be verified")
    lost = {*entry.after.get("dropped_aliases", ()), *entry.before.get("aliases", {})}
    yield listed(counted(lost, "; it lost the alias ", "; it lost the aliases "), sorted(lost))


def version_deleted(entry: EntryRecord) -> Parts:
    yield from ("deleted ", version_of(entry))
    if (stage := entry.before.get("stage", Stage.NONE)) != Stage.NONE:
        yield f", which was in {stage}"


def version_edited(entry: EntryRecord) -> Parts:
    yield from ("edited ", version_of(entry))
    asked = entry.after.get("requested_aliases") or []
    yield listed(": ", [*_edited_texts(entry), *(f"requested alias {alias}" for alias in asked)])


def measured(entry: EntryRecord) -> Parts:
    yield from (listed("recorded ", sorted(entry.after["metrics"])), " of ", version_of(entry))
    if dataset := entry.after.get("dataset"):
        yield f" on the dataset {short_digest(dataset)}"
    if part := entry.after.get("slice"):
        yield f", slice {part}"


def lineage_of(verb: str, preposition: str) -> Phrase:
    def phrase(entry: EntryRecord) -> Parts:
        yield f"{verb} {edges_of(entry)} {preposition} the lineage of "
        yield version_of(entry)

    return phrase


def checked(entry: EntryRecord) -> Parts:
    yield from (f"reported the check {entry.after['check']} of ", version_of(entry), f" as {entry.after['status']}")
    yield _ending(entry, "summary")


def noted(entry: EntryRecord) -> Parts:
    yield from ("commented on ", version_of(entry), _ending(entry, "note"))


def _ending(entry: EntryRecord, name: str) -> str:
    """Return a text for the end of a sentence; nothing where the entry has none."""
    text = " ".join(text_of(entry, name, "(redacted)" if name in entry.redacted else "").split())
    return f": {textwrap.shorten(text, SHOWN_NOTE, placeholder=' …')}" if text else ""


def refreshed(entry: EntryRecord) -> Parts:
    if entry.after["run_state"] == RunState.ABANDONED:
        yield from ("stopped waiting for the end of the run of ", version_of(entry))
    else:
        yield from ("recorded the end of the run of ", version_of(entry))


def promoted(entry: EntryRecord) -> Parts:
    yield from ("promoted ", version_of(entry), f" to {entry.after['stage']}")
    if entry.related_version is not None:
        yield from (", archived ", related_to(entry))


def promoted_past_gates(entry: EntryRecord) -> Parts:
    yield from promoted(entry)
    yield ", past the gates"


def moved(verb: str) -> Phrase:
    def phrase(entry: EntryRecord) -> Parts:
        before, after = entry.before["stage"], entry.after["stage"]
        yield from (f"{verb} ", version_of(entry))
        if before != Stage.NONE:
            yield f" from {before}"
        if after != Stage.ARCHIVED:
            yield f" to {after}"
        if entry.related_version is not None:
            yield from (", replaced by ", related_to(entry))

    return phrase


def rolled_back(entry: EntryRecord) -> Parts:
    yield from ("rolled ", model_of(entry), " back")
    if entry.related_version is not None:
        yield from (" from ", related_to(entry))
    yield from (" to ", number_of(entry))


def rolled_back_unchecked(entry: EntryRecord) -> Parts:
    yield from rolled_back(entry)
    yield "; its files could not be checked"


def version_purged(entry: EntryRecord) -> Parts:
    yield from ("purged the files of ", version_of(entry))
    if entry.after.get("retention"):
        yield " before their retention had ended"


def alias_set(entry: EntryRecord) -> Parts:
    ((alias, number),) = entry.after["aliases"].items()
    before = entry.before.get("aliases", {}).get(alias)
    yield from ("set ", PhraseReference(model_of(entry).model, shown=f"{entry.model}@{alias}"), " to ")
    yield PhraseReference(model_of(entry).model, number, f"version {number}")
    if before is not None:
        yield f", before {before}"


def alias_deleted(entry: EntryRecord) -> Parts:
    ((alias, number),) = entry.before["aliases"].items()
    yield from ("deleted the alias ", PhraseReference(model_of(entry).model, shown=f"{entry.model}@{alias}"))
    yield from (" of ", PhraseReference(model_of(entry).model, number, f"version {number}"))


def alias_dropped(entry: EntryRecord) -> Parts:
    alias = json.loads(entry.body)["subject"]["alias"]  # EntryRecord has no alias
    yield from (f"did not set the requested alias {alias} of ", version_of(entry))


def protection(verb: str) -> Phrase:
    def phrase(entry: EntryRecord) -> Parts:
        changed = {*entry.before["protected_aliases"]} ^ {*entry.after["protected_aliases"]}
        yield from (listed(f"{verb} the alias ", sorted(changed)), " of ", model_of(entry))

    return phrase


REQUESTS: Mapping[str, str] = {
    "request.opened": "opened",
    "request.commented": "commented on",
    "request.approved": "approved",
    "request.approval_withdrawn": "withdrew the approval of",
    "request.rejected": "rejected",
    "request.withdrawn": "withdrew",
    "request.applied": "applied",
}


def requested(entry: EntryRecord) -> Parts:
    request = entry.after["request"][:8]
    what = version_of(entry) if entry.version is not None else "another policy"
    yield from (f"{REQUESTS[entry.action]} the request {request} for ", what)
    if entry.version is None:
        yield from (" ", *_guarded(entry))
    elif target := entry.after.get("target"):
        yield f" to move to {target}"
    yield _ending(entry, "comment")


def policy_set(entry: EntryRecord) -> Parts:
    yield from (f"set the policy {short_digest(entry.after['policy'])} ", *_guarded(entry))


def policy_removed(entry: EntryRecord) -> Parts:
    yield from (f"removed the policy {short_digest(entry.before['policy'])} ", *_guarded(entry))


def _guarded(entry: EntryRecord) -> Parts:
    yield from ("of ", model_of(entry)) if entry.model else ("for models without their own",)


def import_requested(entry: EntryRecord) -> Parts:
    yield from ("requested an import to ", model_of(entry))
    if source := text_of(entry, "source", ""):
        yield f" from {source}"


def _edited_texts(entry: EntryRecord) -> Iterator[str]:
    """Return the names of the description and the tags that an edit set or removed."""
    if "description" in entry.texts or "description" in entry.redacted:
        yield "description"
    if "tags" in entry.redacted:
        yield "tags"
    elif changes := json.loads(entry.texts.get("tags", "{}")):
        removed = sorted(key for key, value in changes.items() if value is None)
        if kept := sorted(changes.keys() - removed):
            yield listed(counted(kept, "tag ", "tags "), kept)
        if removed:
            yield listed(counted(removed, "removed tag ", "removed tags "), removed)
