"""Bodies: one complete good one for every operation that takes one, and every way to spoil it."""

from __future__ import annotations

import copy
import gzip
import hashlib
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from typing import Any

from itsdangerous import URLSafeSerializer
from marshmallow import Schema, fields

from registry.api.schemas.aliases import AliasBody
from registry.api.schemas.checks import CheckBody
from registry.api.schemas.evaluations import EvaluationBody
from registry.api.schemas.gates import PolicyTrialBody
from registry.api.schemas.holds import HoldBody, ReleaseBody
from registry.api.schemas.imports import ImportBody
from registry.api.schemas.lineage_edges import DataLineageBody, EdgeStateBody, LineageAdditionBody
from registry.api.schemas.models import ModelBody, ModelPatchBody, ReasonBody
from registry.api.schemas.notes import NoteBody
from registry.api.schemas.pipeline_events import PipelineEventDocument
from registry.api.schemas.policies import PolicyBody, PolicyDocumentField
from registry.api.schemas.requests import DecisionBody, RequestBody, RequestRejectionBody
from registry.api.schemas.search import ModelSearchBody, VersionSearchBody
from registry.api.schemas.stages import AcknowledgementBody, RollbackBody, StageChangeBody
from registry.api.schemas.tokens import TokenBody
from registry.api.schemas.uploads import PartsBody, UploadBatchBody, UploadBody, UploadIdsBody
from registry.api.schemas.versions import PurgeBody, VersionBody, VersionPatchBody
from registry.http.fields import Base64, Flag, Instant, Number, WholeNumber
from registry.services.search.search import fingerprint
from tests.api.hostile.world import CONTENT, LARGE_UPLOAD, PARKED_UPLOAD, SMALL_UPLOAD, STORED
from tests.conftest import SECRET

DIGEST = "sha256:" + "ab" * 32
NIL = "00000000-0000-4000-8000-000000000000"


@dataclass(frozen=True, slots=True)
class Operation:
    """``body`` has every field of ``schema``, and is accepted as it stands. ``values`` and ``size``: its limits.

    ``instead`` has the fields that the service takes only instead of others.
    An open one takes documents of another system: with fields of their own, and integers of 64 bits.
    """

    method: str
    path: str
    schema: type[Schema]
    body: dict[str, Any]
    values: int = 10_000
    size: int = 1024 * 1024
    is_open: bool = False
    instead: dict[str, Any] = dataclass_field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


def cursor_of(path: str, after: list[Any]) -> str:
    """What the page before the position says is next."""
    options = {"digest_method": hashlib.sha256}
    signer = URLSafeSerializer(SECRET, salt=f"cursor:/api/v1{path}", signer_kwargs=options)
    return str(signer.dumps(after))


def search_body(kind: str, order_by: str, after: list[Any], **best: str) -> dict[str, Any]:
    """A search of a model's name that goes on after a position, as a cursor of the page before would say."""
    order = ("best", *best.values()) if best else (order_by,)
    cursor = cursor_of(f"/search/{kind}", [fingerprint("name = 'fraud'", *order), *after])
    return {"filter": "name = 'fraud'", "order_by": order_by, "limit": 5, "cursor": cursor, "fields": ["description"],
            **best}  # fmt: skip


# What a registration says beside its files.
FACTS: dict[str, Any] = {
    "description": "text",
    "tags": {"team": "risk"},
    "params": {"depth": "6"},
    "metrics": {"auc": 0.93},
    "evaluations": [{"metrics": {"auc": 0.9}, "step": 1, "dataset_digest": DIGEST, "dataset_name": "test.csv",
                     "slice": "country=DE"}],
    "framework": "sklearn",
    "signature": {"inputs": []},
    "run": {
        "system": "ci",
        "id": "41",
        "url": "https://ci.test/41",
        "params": {"depth": "6"},
        "metrics": {"loss": 1},
        "unmeasured": {"ratio": "NaN"},
        "tags": {"team": "risk"},
        "triggered_by": "ann",
        "stated_by": "MLmodel",
        "started_at": "2026-11-20T12:00:00Z",
        "finished_at": "2026-11-20T14:00:00.5+01:00",
    },
    "code": {"repo": "https://git.test/fraud", "commit": "c0ffee", "branch": "main", "path": "train.py",
             "dirty": False, "command": "python train.py"},
    "environment": {"python": "3.11.7", "lock_digest": DIGEST, "image_digest": DIGEST},
    "datasets": [{
        "name": "train", "digests": [DIGEST], "uri": "s3://data/train", "role": "train", "rows": 10,
        "schema": {"columns": ["a"]},
    }],
    "parents": [{"model": "fraud", "version": 1, "relation": "finetune"}],
    "base_models": [{"uri": "hf://org/name@0a1b2c", "digests": [DIGEST], "relation": "adapter"}],
    "aliases": ["candidate"],
}  # fmt: skip

DATA: dict[str, Any] = {"name": "test", "digests": ["md5:" + "0f" * 16], "uri": "s3://data/test", "rows": 10,
                        "schema": {"columns": ["a"]}}  # fmt: skip

EVENT_DATA: dict[str, Any] = {"namespace": "s3://data", "name": "raw", "facets": {
    "version": {"datasetVersion": "7"}, "storage": {"storageLayer": "delta"},
    "symlinks": {"identifiers": [{"namespace": "hive://metastore", "name": "raw"}]},
}}  # fmt: skip

DECISIONS = {
    act: (f"00000000-0000-4000-8000-0000000001{place:02}", RequestRejectionBody if is_told else DecisionBody)
    for place, (act, is_told) in enumerate(
        {"approve": False, "reject": True, "comment": True, "apply": False, "withdraw": False}.items()
    )
}
POLICY: dict[str, Any] = {"policy": 1, "staging": [{"rule": "size", "at_most": "5 GB"}]}

OPERATIONS = [
    Operation("POST", "/models", ModelBody,
              {"name": "new", "description": "text", "tags": {"team": "risk"}, "lifecycle": "open",
               "claimed": {"system": "mlflow"}}),
    Operation("PATCH", "/models/fraud", ModelPatchBody,
              {"description": "text", "tags": {"team": "risk", "old": None}, "lifecycle": "enforced", "reason": "why"}),
    Operation("POST", "/models/gone/restore", ReasonBody, {"reason": "why"}),
    Operation("POST", "/models/fraud/versions", VersionBody, {
        "files": [STORED | {"media_type": "application/json"}],
        **FACTS, "source": "runs:/41/model", "run_link": "https://mlflow.test/41", "logged_model": "m-41",
        "anew": True, "update": False, "number": 9, "claimed": {"system": "mlflow"},
        "contents": {STORED["sha256"]: b64encode(CONTENT).decode()}, "uploads": [PARKED_UPLOAD], "create_model": True,
    }, values=100_000, size=8 * 1024 * 1024),
    Operation("PATCH", "/models/fraud/versions/4", VersionPatchBody,
              {"description": "text", "tags": {"team": "risk", "old": None}, "reason": "why"}),
    Operation("POST", "/models/fraud/versions/5/restore", ReasonBody, {"reason": "why"}),
    Operation("POST", "/models/buried/versions/1/purge", PurgeBody, {"reason": "why", "now": False}),
    Operation("POST", "/models/fraud/versions/4/metrics", EvaluationBody,
              {"metrics": {"auc": 0.9}, "step": -3, "dataset_digest": DIGEST, "dataset_name": "test.csv",
               "slice": "country=DE"}),
    Operation("POST", "/models/fraud/versions/4/checks", CheckBody,
              {"name": "bias-audit", "status": "passed", "url": "https://ci.test/41", "summary": "text"}),
    Operation("POST", "/models/fraud/versions/4/notes", NoteBody, {"text": "why"}),
    Operation("POST", "/models/fraud/versions/4/lineage", LineageAdditionBody,
              {"used": FACTS["datasets"], "evaluated_on": [DATA], "parents": FACTS["parents"],
               "base_models": FACTS["base_models"], "reason": "why"}),
    Operation("POST", "/lineage/datasets", DataLineageBody,
              {"dataset": DATA, "part_of": [DATA | {"digests": ["md5:" + "1" * 32]}],
               "transformed_from": [DATA | {"digests": ["md5:" + "2" * 32]}],
               "job": {"namespace": "airflow", "name": "clean", "url": "https://ci.test/clean"}, "reinstate": False,
               "reason": "why"}),
    Operation("POST", "/lineage/events", PipelineEventDocument, {
        "eventType": "COMPLETE", "eventTime": "2026-11-20T12:00:00Z", "producer": "https://ci.test",
        "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json",
        "run": {"runId": NIL, "facets": {"own": [1]}}, "job": {"namespace": "airflow", "name": "clean", "facets": {}},
        "dataset": EVENT_DATA, "inputs": [EVENT_DATA], "outputs": [EVENT_DATA | {"name": "clean"}],
    }, values=100_000, size=8 * 1024 * 1024, is_open=True),
    Operation("POST", "/holds", HoldBody, {"kind": "version", "target": "asked:1", "reason": "why", "rollback": False,
                                           "leave_vacant": False}),
    Operation("POST", "/requests", RequestBody, {"model": "fraud", "version": 4, "target": "production",
                                                 "reason": "why", "apply_when_ready": False, "expires_in": 3600},
              instead={"document": POLICY}),
    *(Operation("POST", f"/requests/{request}/{act}", schema, {"comment": "why"})
      for act, (request, schema) in DECISIONS.items()),
    Operation("POST", "/holds/1/release", ReleaseBody, {"reason": "why"}),
    Operation("PUT", "/lineage/edges/1", EdgeStateBody, {"retracted": True, "reason": "why"}),
    Operation("PUT", "/models/fraud/versions/4/stage", StageChangeBody,
              {"stage": "staging", "reason": "why", "expected_current": 2, "leave_vacant": False, "dry_run": False,
               "break_glass": False}),
    Operation("POST", "/models/fraud/versions/3/break-glass/acknowledge", AcknowledgementBody, {"reason": "why"}),
    Operation("POST", "/models/fraud/rollback", RollbackBody,
              {"reason": "why", "to": 1, "expected_current": 2, "dry_run": False, "without_store_check": False}),
    Operation("PUT", "/models/fraud/aliases/champion", AliasBody,
              {"version": 3, "expected_current": 2, "reason": "why"}),
    Operation("PUT", "/models/empty/policy", PolicyBody, {"document": POLICY, "reason": "why"}, is_open=True),
    Operation("PUT", "/policy", PolicyBody, {"document": "policy: 1", "reason": "why"}),
    Operation("POST", "/policies/test", PolicyTrialBody,
              {"document": "policy: 1", "against": "staging", "model": "fraud", "limit": 5,
               "cursor": cursor_of("/policies/test", [9])}),
    Operation("PUT", "/models/fraud/aliases/stable/protection", ReasonBody, {"reason": "why"}),
    Operation("POST", "/models/fraud/imports", ImportBody,
              {"source": "https://sources.test/models/fraud.bin", **FACTS, "update": True, "create_model": True,
               "allow_secrets": True, "default_ignores": False}),
    Operation("POST", "/search/models", ModelSearchBody, search_body("models", "name", ["a", NIL])),
    Operation("POST", "/search/versions", VersionSearchBody, search_body(
        "versions", "", [1.0, 1], best="auc", on=DIGEST, slice="country=DE", direction="max"
    )),
    Operation("POST", "/uploads", UploadBody, {"sha256": "cd" * 32, "size": 5}),
    Operation("POST", "/uploads/batch", UploadBatchBody, {"uploads": [{"sha256": "ce" * 32, "size": 5}]}),
    Operation("POST", "/uploads/batch/complete", UploadIdsBody, {"ids": [SMALL_UPLOAD]}),
    Operation("POST", f"/uploads/{LARGE_UPLOAD}/parts", PartsBody, {"parts": [{"number": 1, "sha256": "cd" * 32}]}),
    Operation("POST", "/tokens", TokenBody,
              {"owner": "ann", "roles": ["reader"], "name": "laptop", "expires_in_days": 1}),
]  # fmt: skip

# Operations that take no body; each is refused as it stands: (method, path, status, code).
BODILESS = [
    ("POST", "/uploads/{upload}/complete", 409, "conflict"),
    ("DELETE", "/models/fraud", 409, "in_use"),
    ("DELETE", "/models/fraud/versions/2", 409, "in_use"),
    ("DELETE", "/models/fraud/aliases/unknown", 404, "not_found"),
    ("DELETE", "/uploads/00000000-0000-0000-0000-000000000000", 404, "not_found"),
    ("DELETE", "/tokens/000000000000", 404, "not_found"),
]

# Bytes that are no document, whatever the operation.
LARGE_INTEGERS: list[tuple[str, bytes]] = [
    ("2^53", b'{"step": 9007199254740992}'),
    ("2^53 + 1", b'{"step": 9007199254740993}'),
    ("-2^53", b'{"step": -9007199254740992}'),
]
MALFORMED: list[tuple[str, bytes]] = [
    ("empty", b""),
    ("spaces", b" \n\t "),
    ("trailing comma", b'{"reason": "a",}'),
    ("trailing comma in a list", b'{"reason": [1,]}'),
    ("garbage after", b'{"reason": "a"} x'),
    ("garbage before", b')]}\',{"reason": "a"}'),
    ("second document", b'{"reason": "a"}{"reason": "b"}'),
    ("second line", b'{"reason": "a"}\n{"reason": "b"}'),
    ("single quotes", b"{'reason': 'a'}"),
    ("comment", b'{"reason": "a" /* b */}'),
    ("bare key", b'{reason: "a"}'),
    ("not closed", b'{"reason": "a"'),
    ("text not closed", b'{"reason": "a'),
    ("raw newline in a text", b'{"reason": "a\nb"}'),
    ("bad escape", rb'{"reason": "\x41"}'),
    ("leading zero", b'{"step": 01}'),
    ("hexadecimal", b'{"step": 0x1}'),
    ("plus sign", b'{"step": +1}'),
    ("form", b"reason=a"),
    ("XML", b'<?xml version="1.0"?><reason>a</reason>'),
    ("Python literal", b'{"dry_run": True}'),
    ("key twice", b'{"reason": "a", "reason": "b"}'),
    ("key twice, once escaped", rb'{"reason": "a", "\u0072eason": "b"}'),
    ("key twice, the same value", b'{"reason": "a", "reason": "a"}'),
    ("key twice below", b'{"tags": {"a": "1", "a": "2"}}'),
    ("key twice in a list", b'{"files": [{"path": "a", "path": "b"}]}'),
    ("not a number", b'{"metrics": {"auc": NaN}}'),
    ("infinite", b'{"metrics": {"auc": Infinity}}'),
    ("negative infinite", b'{"metrics": {"auc": -Infinity}}'),
    ("1e400", b'{"metrics": {"auc": 1e400}}'),
    ("-1e400", b'{"metrics": {"auc": -1e400}}'),
    ("5,000 digits", b'{"step": ' + b"9" * 5000 + b"}"),
    ("5,000 zeros before", b'{"step": -' + b"1" * 5000 + b"}"),
    ("33 lists", b'{"x": ' + b"[" * 32 + b"]" * 32 + b"}"),
    ("33 objects", b'{"x":' * 33 + b"1" + b"}" * 33),
    ("100,000 lists", b"[" * 100_000 + b"]" * 100_000),
    ("100,000 lists, not closed", b"[" * 100_000),
    ("100,000 objects", b'{"x":' * 100_000),
    ("UTF-16", '{"reason": "a"}'.encode("utf-16")),
    ("UTF-16, no mark", '{"reason": "a"}'.encode("utf-16-le")),
    ("UTF-32", '{"reason": "a"}'.encode("utf-32-be")),
    ("byte order mark", b'\xef\xbb\xbf{"reason": "a"}'),
    ("overlong", b'{"reason": "\xc0\xaf"}'),
    ("not UTF-8", b'{"reason": "\xff"}'),
    ("Latin-1", '{"reason": "\u00e9"}'.encode("latin-1")),
    ("cut short", b'{"reason": "\xe2\x82"}'),
    ("NUL", rb'{"reason": "a\u0000b"}'),
    ("NUL in a key", rb'{"tags": {"a\u0000": "b"}}'),
    ("raw NUL", b'{"reason": "a\x00"}'),
    ("half a pair", rb'{"reason": "\ud800"}'),
    ("half a pair in a key", rb'{"tags": {"\udfff": "b"}}'),
    ("gzip, not said", gzip.compress(b'{"reason": "a"}', mtime=0)),
]

# Documents that are no object.
SHAPELESS: list[tuple[str, bytes]] = [
    ("list", b"[]"),
    ("list of an object", b'[{"reason": "a"}]'),
    ("text", b'"reason"'),
    ("empty text", b'""'),
    ("number", b"5"),
    ("zero", b"0"),
    ("true", b"true"),
    ("false", b"false"),
    ("null", b"null"),
]

# Headers that say that the body is something else.
FOREIGN: list[tuple[str, list[tuple[str, str]]]] = [
    ("no type", []),
    ("empty type", [("Content-Type", "")]),
    ("text", [("Content-Type", "text/plain")]),
    ("text that mentions JSON", [("Content-Type", "text/plain; application/json")]),
    ("form", [("Content-Type", "application/x-www-form-urlencoded")]),
    ("parts", [("Content-Type", "multipart/form-data; boundary=x")]),
    ("patch", [("Content-Type", "application/json-patch+json")]),
    ("problem", [("Content-Type", "application/problem+json")]),
    ("lines", [("Content-Type", "application/x-ndjson")]),
    ("nonsense", [("Content-Type", "nonsense")]),
    ("gzip", [("Content-Type", "application/json"), ("Content-Encoding", "gzip")]),
    ("unknown coding", [("Content-Type", "application/json"), ("Content-Encoding", "zip-bomb")]),
]

READ_ONLY = ["id", "created_by", "created_at", "row_version", "number", "state", "manifest_digest", "actor", "token"]

# Values that no field takes that does not name their kind.
KINDS: dict[str, list[Any]] = {
    "null": [None],
    "truth": [True, False],
    "whole": [7, 0],
    "fraction": [1.5, 2.0],
    "text": ["text", ""],
    "list": [[], ["text"]],
    "object": [{}, {"a": "b"}],
}


def wrong_types(operation: Operation) -> Iterator[tuple[str, dict[str, Any], list[Any]]]:
    """Each field of the body with each value of another type: (what, body, where the error must be)."""
    body = operation.body | operation.instead
    yield from _wrong(operation.schema(), body, body, [])


def missing(operation: Operation) -> set[str]:
    """The fields of the schema that the good body does not have, which no spoiled one would try either."""
    return set(_missing(operation.schema(), operation.body | operation.instead, ""))


def named(schema: Schema) -> Iterator[tuple[str, fields.Field[Any]]]:
    """The fields under the names that they have in documents."""
    return ((field.data_key or name, field) for name, field in schema.fields.items())


def _wrong(schema: Schema, body: Any, whole: dict[str, Any], at: list[Any]) -> Iterator[tuple[str, Any, list[Any]]]:
    for name, field in named(schema):
        yield from _spoil(field, body[name], whole, [*at, name])


def _spoil(
    field: fields.Field[Any], good: Any, whole: dict[str, Any], at: list[Any]
) -> Iterator[tuple[str, Any, list[Any]]]:
    taken = _kinds(field) | ({"null"} if field.allow_none else set())
    for kind, values in KINDS.items():
        if kind not in taken:
            for value in values:
                yield f"{'.'.join(map(str, at))} = {value!r}", _with(whole, at, value), at
    if isinstance(field, fields.Nested):
        yield from _wrong(field.schema, good, whole, at)
    elif isinstance(field, fields.List):
        yield from _spoil(field.inner, good[0], whole, [*at, 0])
    elif isinstance(field, fields.Dict) and field.value_field is not None:
        key = next(iter(good))
        yield from _spoil(field.value_field, good[key], whole, [*at, key])


def _kinds(field: fields.Field[Any]) -> set[str]:
    kinds: list[tuple[type[Any], set[str]]] = [
        (Flag, {"truth"}), (WholeNumber, {"whole"}), (Number, {"fraction", "whole"}), (fields.Nested, {"object"}),
        (fields.Dict, {"object"}), (fields.List, {"list"}), (fields.String, {"text"}), (Base64, {"text"}),
        (Instant, {"text"}), (PolicyDocumentField, {"text", "object"}),
    ]  # fmt: skip
    return next(set(taken) for known, taken in kinds if isinstance(field, known))


def _with(whole: dict[str, Any], at: list[Any], value: Any) -> dict[str, Any]:
    spoiled = copy.deepcopy(whole)
    place: Any = spoiled
    for step in at[:-1]:
        place = place[step]
    place[at[-1]] = value
    return spoiled


def _missing(schema: Schema, body: Any, at: str) -> Iterator[str]:
    for name, field in named(schema):
        if name not in body:
            yield f"{at}{name}"
        elif isinstance(field, fields.Nested):
            yield from _missing(field.schema, body[name], f"{at}{name}.")
        elif isinstance(field, fields.List) and isinstance(field.inner, fields.Nested):
            yield from _missing(field.inner.schema, body[name][0], f"{at}{name}.0.")
