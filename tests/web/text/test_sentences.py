"""Sentences about audit entries."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.db.records import EntryRecord
from registry.domain.replay.actions import ACTIONS
from registry.web.text.phrase_parts import PhraseReference, short_digest
from registry.web.text.sentences import PHRASES, sentence

DIGEST = f"sha256:{'ab' * 32}"
ENTRY = "4f0c1a2b-0000-4000-8000-000000000001"
MOVED: dict[str, Any] = {"before": {"stage": "staging"}, "after": {"stage": "archived"}}
ROLLED_BACK: dict[str, Any] = {
    "before": {"stage": "archived", "production": 12},
    "after": {"stage": "production", "production": 9},
    "version": 9,
    "related_version": 12,
}

# One entry or more of each action, with the facts that services write, and its sentence.
SENTENCES: list[tuple[str, dict[str, Any], str]] = [
    ("account.erased", {}, "redacted the name of an account"),
    (
        "alias.deleted",
        {"before": {"aliases": {"champion": 9}}, "after": {"aliases": {"champion": None}}},
        "deleted the alias fraud@champion of version 9",
    ),
    ("alias.dropped", {"subject": {"alias": "champion"}}, "did not set the requested alias champion of fraud:12"),
    (
        "alias.protected",
        {"before": {"protected_aliases": ["old"]}, "after": {"protected_aliases": ["old", "champion"]}},
        "protected the alias champion of fraud",
    ),
    (
        "alias.set",
        {"before": {"aliases": {"champion": 9}}, "after": {"aliases": {"champion": 12}}},
        "set fraud@champion to version 12, before 9",
    ),
    (
        "alias.set",
        {"before": {"aliases": {"champion": None}}, "after": {"aliases": {"champion": 12}}},
        "set fraud@champion to version 12",
    ),
    (
        "alias.unprotected",
        {"before": {"protected_aliases": ["champion"]}, "after": {"protected_aliases": []}},
        "removed the protection of the alias champion of fraud",
    ),
    ("artifact.deleted", {"texts": {"path": "1/model.pkl"}}, "deleted the file 1/model.pkl"),
    ("artifact.hashed", {"texts": {"path": "1/model.pkl"}}, "computed the digest of the file 1/model.pkl"),
    ("artifact.lost", {}, "removed the record of the lost file (redacted)"),
    (
        "artifact.parked",
        {"texts": {"path": "1/model.pkl"}},
        "parked the job that computes the digest of the file 1/model.pkl",
    ),
    (
        "artifact.retried",
        {"texts": {"path": "1/model.pkl"}},
        "retried the job that computes the digest of the file 1/model.pkl",
    ),
    ("artifact.written", {"texts": {"path": "1/model.pkl"}}, "wrote the file 1/model.pkl"),
    (
        "artifact.written",
        {"before": {"size": "3"}, "texts": {"path": "1/model.pkl"}},
        "replaced the file 1/model.pkl",
    ),
    ("audit.baselined", {}, "recorded the present state of fraud as the baseline of verification"),
    (
        "audit.baselined",
        {"model": None},
        "recorded the present state of the registry as the baseline of verification",
    ),
    (
        "blob.collected",
        {"before": {"key": "blobs/ab"}, "digests": {"blob": DIGEST}},
        "deleted the unreferenced bytes sha256:abababababab",
    ),
    (
        "blob.corrupt",
        {"digests": {"blob": DIGEST}, "after": {"versions": ["fraud:9", "a:b:2"]}},
        "found wrong bytes in sha256:abababababab of fraud:9, a:b:2",
    ),
    (
        "blob.format_discarded",
        {"digests": {"blob": DIGEST}, "after": {"versions": ["fraud:9"]}},
        "had a worker read again the format of sha256:abababababab of fraud:9",
    ),
    ("blob.missing", {"digests": {"blob": DIGEST}}, "found no bytes of sha256:abababababab"),
    (
        "blob.repaired",
        {"digests": {"blob": DIGEST}, "after": {"versions": ["fraud:9"]}},
        "restored the bytes of sha256:abababababab of fraud:9",
    ),
    ("bootstrap.issued", {}, "issued the token for the first administrator"),
    ("clock.accepted", {"after": {"clock": "2026-01-01T00:00:00Z"}}, "accepted the clock 2026-01-01T00:00:00Z"),
    ("import.failed", {}, "recorded a failed import to fraud"),
    ("import.parked", {}, "parked an import to fraud"),
    (
        "import.requested",
        {"texts": {"source": "s3://bucket/model"}},
        "requested an import to fraud from s3://bucket/model",
    ),
    ("import.retried", {}, "retried an import to fraud"),
    ("log.checkpointed", {"after": {"chains": 1}}, "recorded the heads of 1 chain"),
    ("log.epoch_begun", {"after": {"origin": "registry/2"}}, "began a new epoch of the sealed log, registry/2"),
    ("model.created", {"after": {"lifecycle": "enforced"}}, "created fraud"),
    ("model.deleted", {}, "deleted fraud"),
    (
        "model.edited",
        {
            "before": {"lifecycle": "enforced"},
            "after": {"lifecycle": "open"},
            "texts": {"description": "", "tags": '{"team": "risk", "tier": "1", "old": null}'},
        },
        "edited fraud: lifecycle enforced → open, description, tags team, tier, removed tag old",
    ),
    ("model.edited", {"redacted": ["description", "tags"]}, "edited fraud: description, tags"),
    ("model.renamed", {"before": {"name": "scorer"}, "after": {"name": "fraud"}}, "renamed scorer to fraud"),
    (
        "model.renumbered",
        {"before": {"next_number": 13}, "after": {"next_number": 1013}},
        "continued the version numbers of fraud at 1013",
    ),
    ("model.restored", {}, "restored fraud after its deletion"),
    ("object.collected", {"before": {"key": "incoming/1"}}, "deleted the unreferenced object incoming/1"),
    ("refresh.parked", {}, "parked a refresh of a run of fraud"),
    ("refresh.retried", {}, "retried a refresh of a run of fraud"),
    ("registry.restored", {}, "began a new epoch of the registry after the restore of a backup"),
    ("secret_key.replaced", {}, "replaced the lost secret key"),
    ("secret_key.rotated", {}, "rotated the secret key"),
    ("store.adopted", {}, "took over the artifact store"),
    (
        "text.erased",
        {"before": {"entry": ENTRY, "text": "reason"}},
        "redacted the text reason of entry 4f0c1a2b of fraud:12",
    ),
    (
        "text.erased",
        {"before": {"entry": ENTRY, "text": "reason"}, "version": None},
        "redacted the text reason of entry 4f0c1a2b of fraud",
    ),
    (
        "token.created",
        {"token": "t1", "after": {"roles": ["reader", "writer"]}, "texts": {"owner": "ci"}},
        "created token t1 for ci with the roles reader, writer",
    ),
    ("session.closed", {"after": {"sessions": ["s1"]}}, "logged out"),
    ("session.closed", {"after": {"sessions": ["s1", "s2"]}}, "logged out of 2 sessions"),
    ("session.opened", {"token": "s1", "after": {"parent": "t1"}}, "logged in with token t1"),
    ("token.revoked", {"token": "t1"}, "revoked token t1"),
    ("upload.collected", {"before": {"key": "incoming/1"}}, "deleted the unfinished upload incoming/1"),
    ("upload.parked", {}, "parked the verification of an upload"),
    ("upload.retried", {}, "retried the verification of an upload"),
    ("version.archived", MOVED, "archived fraud:12 from staging"),
    ("version.archived", MOVED | {"related_version": 13}, "archived fraud:12 from staging, replaced by 13"),
    ("version.deleted", {"before": {"state": "ready"}}, "deleted fraud:12"),
    ("version.deleted", {"before": {"stage": "production"}}, "deleted fraud:12, which was in production"),
    (
        "version.demoted",
        {"before": {"stage": "staging"}, "after": {"stage": "none"}},
        "demoted fraud:12 from staging to none",
    ),
    ("version.edited", {"texts": {"tags": '{"ci": "green"}'}}, "edited fraud:12: tag ci"),
    ("version.edited", {"after": {"requested_aliases": ["champion"]}}, "edited fraud:12: requested alias champion"),
    (
        "version.failed",
        {"before": {"aliases": {"champion": 12}}, "after": {"dropped_aliases": ["canary"]}},
        "set fraud:12 to failed: its files could not be verified; it lost the aliases canary, champion",
    ),
    ("version.fetched", {"after": {"files": 1}}, "fetched 1 file of fraud:12"),
    (
        "version.measured",
        {"after": {"metrics": {"auc": "0.9", "p99": "3.0"}, "dataset": DIGEST}},
        "recorded auc, p99 of fraud:12 on the dataset sha256:abababababab",
    ),
    (
        "version.measured",
        {"after": {"metrics": {f"m{number}": "1.0" for number in range(9)}}},
        "recorded m0, m1, m2, m3, m4, m5 and 3 more of fraud:12",
    ),
    ("version.lineage_added", {"after": {"edges": 1}}, "added an edge to the lineage of fraud:12"),
    ("version.lineage_retracted", {"after": {"edges": 2}}, "retracted 2 edges from the lineage of fraud:12"),
    ("version.lineage_reinstated", {"after": {"edges": 1}}, "reinstated an edge in the lineage of fraud:12"),
    ("lineage.added", {"after": {"edges": 3}, "model": None, "version": None}, "added 3 edges to the lineage of data"),
    ("lineage.retracted", {"after": {"edges": 1}}, "retracted an edge from the lineage of data"),
    ("lineage.reinstated", {"after": {"edges": 1}}, "reinstated an edge in the lineage of data"),
    (
        "version.checked",
        {"after": {"check": "bias-audit", "status": "passed"}},
        "reported the check bias-audit of fraud:12 as passed",
    ),
    *(
        (f"request.{kind}", {"after": {"request": "5d4f2f0e-6f0b"}}, f"{words} the request 5d4f2f0e for fraud:12")
        for kind, words in {
            "opened": "opened",
            "commented": "commented on",
            "approved": "approved",
            "rejected": "rejected",
            "approval_withdrawn": "withdrew the approval of",
            "withdrawn": "withdrew",
            "applied": "applied",
        }.items()
    ),
    ("policy.set", {"after": {"policy": DIGEST}}, f"set the policy {short_digest(DIGEST)} of fraud"),
    ("policy.removed", {"before": {"policy": DIGEST}}, f"removed the policy {short_digest(DIGEST)} of fraud"),
    (
        "version.checked",
        {"after": {"check": "bias-audit", "status": "failed"}, "texts": {"url": "https://ci", "summary": "over 65"}},
        "reported the check bias-audit of fraud:12 as failed: over 65",
    ),
    ("hold.placed", {"after": {"hold": {"kind": "version", "target": ""}}}, "placed a hold on fraud:12"),
    (
        "hold.placed",
        {"after": {"hold": {"kind": "data", "target": DIGEST}}, "version": None},
        f"placed a hold on the data {DIGEST[:19]} and every version downstream of it",
    ),
    (
        "hold.placed",
        {"after": {"hold": {"kind": "model", "target": "version 7", "version": "llama:2"}}, "version": None},
        "placed a hold on the base model llama:2 and every version downstream of it",
    ),
    ("hold.released", {"before": {"hold": "5d4f2f0e-6f0b"}}, "released a hold on fraud:12"),
    (
        "hold.released",
        {"before": {"hold": "5d4f2f0e-6f0b"}, "version": None},
        "released the hold of entry 5d4f2f0e",
    ),
    (
        "request.approved",
        {"after": {"request": "0d0ce5ab-3a6c-4c8e-9d10-62a6a1f0b6c4"}},
        "approved the request 0d0ce5ab for fraud:12",
    ),
    (
        "request.opened",
        {"after": {"request": "0d0ce5ab-3a6c-4c8e-9d10-62a6a1f0b6c4", "target": "production"}},
        "opened the request 0d0ce5ab for fraud:12 to move to production",
    ),
    (
        "request.rejected",
        {"after": {"request": "0d0ce5ab-3a6c"}, "texts": {"comment": "not yet"}, "model": None, "version": None},
        "rejected the request 0d0ce5ab for another policy for models without their own: not yet",
    ),
    ("version.noted", {"texts": {"note": "worse\nabroad"}}, "commented on fraud:12: worse abroad"),
    ("version.noted", {"redacted": ["note"]}, "commented on fraud:12: (redacted)"),
    (
        "version.promoted",
        {"after": {"stage": "production"}, "related_version": 9},
        "promoted fraud:12 to production, archived 9",
    ),
    ("version.promoted", {"after": {"stage": "staging"}}, "promoted fraud:12 to staging"),
    (
        "version.promoted_by_break_glass",
        {"before": {"stage": "staging"}, "after": {"stage": "production"}, "related_version": 9},
        "promoted fraud:12 to production, archived 9, past the gates",
    ),
    ("version.break_glass_acknowledged", {}, "acknowledged the move past the gates of fraud:12"),
    (
        "version.purged",
        {"after": {"retention": "skipped"}},
        "purged the files of fraud:12 before their retention had ended",
    ),
    ("version.refresh_retried", {}, "resumed waiting for the end of the run of fraud:12"),
    ("version.refreshed", {"after": {"run_state": "finished"}}, "recorded the end of the run of fraud:12"),
    (
        "version.refreshed",
        {"after": {"run_state": "abandoned"}},
        "stopped waiting for the end of the run of fraud:12",
    ),
    ("version.registered", {"after": {"state": "ready"}}, "registered fraud:12"),
    (
        "version.registered",
        {"after": {"state": "pending", "requested_aliases": ["champion"]}},
        "registered fraud:12, whose files were not verified yet, and requested the alias champion",
    ),
    (
        "version.registered",
        {"after": {"state": "unverified", "aliases": {"canary": 12, "best": 12}}},
        "registered fraud:12, which is unverified, with the aliases best, canary",
    ),
    (
        "version.restored",
        {"before": {"stage": "archived"}, "after": {"stage": "staging"}},
        "restored fraud:12 from archived to staging",
    ),
    ("version.rolled_back", ROLLED_BACK, "rolled fraud back from 12 to 9"),
    ("version.rolled_back", ROLLED_BACK | {"related_version": None}, "rolled fraud back to 9"),
    (
        "version.rolled_back_unchecked",
        ROLLED_BACK,
        "rolled fraud back from 12 to 9; its files could not be checked",
    ),
    ("version.undeleted", {}, "restored fraud:12 after its deletion"),
    ("version.verified", {}, "verified the files of fraud:12"),
]


def entry(action: str, *, subject: dict[str, Any] | None = None, **facts: Any) -> EntryRecord:
    given = {"model": "fraud", "version": 12, "related_version": None, "token": None, "before": {}, "after": {}}
    given |= {"digests": {}, "texts": {}, "redacted": []} | facts
    return EntryRecord(
        id=ENTRY,
        at=datetime(2026, 1, 1, tzinfo=UTC),
        action=action,
        actor={"name": "ana"},
        reason=None,
        request_id=None,
        client_request_id=None,
        aggregate="model:1",
        seq=1,
        position=None,
        previous_hash="",
        leaf_hash="",
        body=json.dumps({"subject": subject or {}}).encode(),
        **given,  # type: ignore[arg-type] # the tests give them in their types
    )


def test_every_action_has_a_sentence() -> None:
    assert PHRASES.keys() == ACTIONS
    assert {action for action, _, _ in SENTENCES} == ACTIONS


@pytest.mark.parametrize(("action", "facts", "expected"), SENTENCES)
def test_an_entry_reads_as_a_sentence(action: str, facts: dict[str, Any], expected: str) -> None:
    made = sentence(entry(action, **facts))

    assert (str(made), made.known) == (expected, True)


def test_versions_in_a_sentence_are_references() -> None:
    made = sentence(entry("version.rolled_back", **ROLLED_BACK))

    assert [part for part in made.parts if isinstance(part, PhraseReference)] == [
        PhraseReference("fraud"),
        PhraseReference("fraud", 12, "12"),
        PhraseReference("fraud", 9, "9"),
    ]


def test_an_unknown_action_is_shown_with_its_facts() -> None:
    made = sentence(entry("gate.opened", before={"b": "é"}, after={"a": 1}))

    assert (str(made), made.known) == ('gate.opened {"after": {"a": 1}, "before": {"b": "é"}}', False)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["stage", "aliases", "metrics", "x"]), inner, max_size=3)
    ),
    max_leaves=6,
)
FACTS = st.dictionaries(
    st.sampled_from(["stage", "aliases", "metrics", "state", "roles", "versions", "entry", "text"]), JSON, max_size=4
)


@given(
    action=st.sampled_from(sorted(ACTIONS)),
    before=FACTS,
    after=FACTS,
    texts=st.dictionaries(st.sampled_from(["tags", "path"]), st.text(max_size=5) | st.just("[1]")),
    version=st.none() | st.integers(),
    model=st.none() | st.text(max_size=5),
)
def test_facts_of_another_release_are_shown_without_a_phrase(
    action: str, before: Any, after: Any, texts: Any, version: Any, model: Any
) -> None:
    made = sentence(entry(action, before=before, after=after, texts=texts, version=version, model=model))

    assert made.known or str(made).startswith(action)
