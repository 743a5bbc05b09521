"""Sentences about audit entries: one table with a phrase for every action.

A phrase is a predicate. Its subject is the actor, and the reason follows it; pages show both beside the phrase.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from registry.db.records import EntryRecord
from registry.web.text import model_phrases, service_phrases
from registry.web.text.phrase_parts import Phrase, PhraseReference


@dataclass(frozen=True, slots=True)
class Sentence:
    """The sentence of an entry. ``known`` is False if this release has no phrase for it; the parts are then JSON."""

    parts: tuple[str | PhraseReference, ...]
    known: bool = True

    def __str__(self) -> str:
        return "".join(map(str, self.parts))


def sentence(entry: EntryRecord) -> Sentence:
    """Return the sentence of an entry; for an action or facts without a phrase, the action's name and the JSON."""
    phrase = PHRASES.get(entry.action)
    try:
        parts = tuple(part for part in phrase(entry) if part != "") if phrase else ()
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):  # facts of a later release
        parts = ()
    if parts:
        return Sentence(parts)
    facts = {"before": entry.before, "after": entry.after}
    return Sentence((f"{entry.action} {json.dumps(facts, ensure_ascii=False, sort_keys=True)}",), known=False)


PHRASES: Mapping[str, Phrase] = {
    "account.erased": service_phrases.fixed("redacted the name of an account"),
    "alias.deleted": model_phrases.alias_deleted,
    "alias.dropped": model_phrases.alias_dropped,
    "alias.protected": model_phrases.protection("protected"),
    "alias.set": model_phrases.alias_set,
    "alias.unprotected": model_phrases.protection("removed the protection of"),
    "artifact.deleted": service_phrases.of_path("deleted the file"),
    "artifact.hashed": service_phrases.of_path("computed the digest of the file"),
    "artifact.lost": service_phrases.of_path("removed the record of the lost file"),
    "artifact.parked": service_phrases.of_path("parked the job that computes the digest of the file"),
    "artifact.retried": service_phrases.of_path("retried the job that computes the digest of the file"),
    "artifact.written": service_phrases.artifact_written,
    "audit.baselined": service_phrases.baselined,
    "blob.collected": service_phrases.collected("the unreferenced bytes"),
    "blob.corrupt": service_phrases.damage("found wrong bytes in"),
    "blob.missing": service_phrases.damage("found no bytes of"),
    "blob.format_discarded": service_phrases.damage("had a worker read again the format of"),
    "blob.repaired": service_phrases.damage("restored the bytes of"),
    "bootstrap.issued": service_phrases.fixed("issued the token for the first administrator"),
    "clock.accepted": service_phrases.clock_accepted,
    "hold.placed": service_phrases.hold_placed,
    "hold.released": service_phrases.hold_released,
    "import.failed": model_phrases.of_model("recorded a failed import to"),
    "import.parked": model_phrases.of_model("parked an import to"),
    "import.requested": model_phrases.import_requested,
    "import.retried": model_phrases.of_model("retried an import to"),
    "lineage.added": service_phrases.data_lineage("added", "to"),
    "lineage.reinstated": service_phrases.data_lineage("reinstated", "in"),
    "lineage.retracted": service_phrases.data_lineage("retracted", "from"),
    "log.checkpointed": service_phrases.checkpointed,
    "log.epoch_begun": service_phrases.epoch_begun,
    "model.created": model_phrases.of_model("created"),
    "model.deleted": model_phrases.of_model("deleted"),
    "model.edited": model_phrases.model_edited,
    "model.renamed": model_phrases.model_renamed,
    "model.renumbered": model_phrases.renumbered,
    "model.restored": model_phrases.of_model("restored", " after its deletion"),
    "object.collected": service_phrases.collected("the unreferenced object"),
    **dict.fromkeys(model_phrases.REQUESTS, model_phrases.requested),
    "policy.removed": model_phrases.policy_removed,
    "policy.set": model_phrases.policy_set,
    "refresh.parked": model_phrases.of_model("parked a refresh of a run of"),
    "refresh.retried": model_phrases.of_model("retried a refresh of a run of"),
    "registry.restored": service_phrases.fixed("began a new epoch of the registry after the restore of a backup"),
    "secret_key.replaced": service_phrases.fixed("replaced the lost secret key"),
    "secret_key.rotated": service_phrases.fixed("rotated the secret key"),
    "session.closed": service_phrases.sessions_closed,
    "session.opened": service_phrases.session_opened,
    "store.adopted": service_phrases.fixed("took over the artifact store"),
    "text.erased": service_phrases.redacted,
    "token.created": service_phrases.token_created,
    "token.revoked": service_phrases.token_revoked,
    "upload.collected": service_phrases.collected("the unfinished upload"),
    "upload.parked": service_phrases.fixed("parked the verification of an upload"),
    "upload.retried": service_phrases.fixed("retried the verification of an upload"),
    "version.archived": model_phrases.moved("archived"),
    "version.break_glass_acknowledged": model_phrases.of_version("acknowledged the move past the gates of"),
    "version.deleted": model_phrases.version_deleted,
    "version.demoted": model_phrases.moved("demoted"),
    "version.edited": model_phrases.version_edited,
    "version.failed": model_phrases.failed,
    "version.fetched": model_phrases.fetched,
    "version.lineage_added": model_phrases.lineage_of("added", "to"),
    "version.lineage_reinstated": model_phrases.lineage_of("reinstated", "in"),
    "version.lineage_retracted": model_phrases.lineage_of("retracted", "from"),
    "version.measured": model_phrases.measured,
    "version.checked": model_phrases.checked,
    "version.noted": model_phrases.noted,
    "version.promoted": model_phrases.promoted,
    "version.promoted_by_break_glass": model_phrases.promoted_past_gates,
    "version.purged": model_phrases.version_purged,
    "version.refresh_retried": model_phrases.of_version("resumed waiting for the end of the run of"),
    "version.refreshed": model_phrases.refreshed,
    "version.registered": model_phrases.registered,
    "version.restored": model_phrases.moved("restored"),
    "version.rolled_back": model_phrases.rolled_back,
    "version.rolled_back_unchecked": model_phrases.rolled_back_unchecked,
    "version.undeleted": model_phrases.of_version("restored", " after its deletion"),
    "version.verified": model_phrases.of_version("verified the files of"),
}
