"""Moves, rollbacks and edits that the state of things does not allow.

In the world ``fraud`` has version 1 archived, 2 in production, 3 in staging, 4 fresh and 5 deleted.
"""

from __future__ import annotations

from typing import Any

from tests.api.hostile.case import Case
from tests.api.hostile.world import STORED

STALE = [("If-Match", '"r999"')]


def _move(id: str, number: int | str, stage: Any, status: int, code: str, **more: Any) -> Case:
    headers, token = more.pop("headers", ()), more.pop("token", "all")
    body = {"stage": stage, "reason": "why not"} | more
    path = f"/models/fraud/versions/{number}/stage"
    return Case(id, "PUT", path, status, code, json=body, headers=headers, token=token)


def _rollback(id: str, status: int, code: str, *, model: str = "fraud", **more: Any) -> Case:
    token = more.pop("token", "all")
    return Case(id, "POST", f"/models/{model}/rollback", status, code, json={"reason": "why not"} | more, token=token)


CASES = [
    _move("none to production", 4, "production", 409, "illegal_transition"),
    _move("none to production, rehearsed", 4, "production", 409, "illegal_transition", dry_run=True),
    _move("production to staging", 2, "staging", 409, "illegal_transition"),
    _move("production to none", 2, "none", 409, "illegal_transition"),
    _move("production left vacant", 2, "archived", 409, "illegal_transition"),
    _move("production to none, vacant", 2, "none", 409, "illegal_transition", leave_vacant=True),
    _move("archived to production", 1, "production", 409, "illegal_transition"),
    _move("archived to none", 1, "none", 409, "illegal_transition"),
    _move("unknown", 4, "canary", 422, "invalid"),
    _move("case", 4, "Staging", 422, "invalid"),
    _move("upper case", 4, "PRODUCTION", 422, "invalid"),
    _move("space", 4, "staging ", 422, "invalid"),
    _move("newline", 4, "staging\n", 422, "invalid"),
    _move("full-width", 4, "\uff53taging", 422, "invalid"),
    _move("empty", 4, "", 422, "invalid"),
    _move("a list", 4, ["staging"], 422, "invalid"),
    _move("holder is another", 3, "production", 409, "stale", expected_current=1),
    _move("holder is not nobody", 3, "production", 409, "stale", expected_current=None),
    _move("holder never was", 3, "production", 409, "stale", expected_current=2**31 - 1),
    _move("holder beyond all numbers", 3, "production", 422, "invalid", expected_current=2**31),
    _move("holder is zero", 3, "production", 422, "invalid", expected_current=0),
    _move("stale row", 3, "production", 412, "precondition_failed", headers=STALE),
    _move("weak tag", 3, "production", 412, "precondition_failed", headers=[("If-Match", 'W/"r1"')]),
    _move("tag of a tenure", 3, "production", 412, "precondition_failed", headers=[("If-Match", '"t1"')]),
    _move("nonsense", 3, "production", 412, "precondition_failed", headers=[("If-Match", "nonsense")]),
    _move("empty", 3, "production", 412, "precondition_failed", headers=[("If-Match", "")]),
    _move("huge", 3, "production", 412, "precondition_failed", headers=[("If-Match", f'"r{"9" * 4000}"')]),
    _move("several", 3, "production", 400, "malformed", headers=[("If-Match", '"r1", "r2"')]),
    _move("deleted to staging", 5, "staging", 409, "not_ready"),
    _move("deleted to production", 5, "production", 409, "not_ready"),
    _move("no reason", 4, "staging", 422, "invalid", reason=""),
    _move("blank reason", 4, "staging", 422, "invalid", reason=" \t\n"),
    _move("null reason", 4, "staging", 422, "invalid", reason=None),
    _move("long reason", 4, "staging", 422, "invalid", reason="a" * 2001),
    _move("no such version", 99, "staging", 404, "not_found"),
    _move("writer to production", 3, "production", 403, "forbidden", token="writer"),
    _move("writer out of production", 2, "archived", 403, "forbidden", token="writer", leave_vacant=True),
    _move("admin to production", 3, "production", 403, "forbidden", token="admin"),
    _move("reader to staging", 4, "staging", 403, "forbidden", token="reader"),
    _move("reader to production, rehearsed", 3, "production", 403, "forbidden", token="reader", dry_run=True),
    _rollback("to one that never held it", 409, "no_previous", to=4),
    _rollback("to one that there is not", 409, "no_previous", to=99),
    _rollback("to one in staging", 409, "no_previous", to=3),
    _rollback("no version ever", 409, "no_previous", model="empty"),
    _rollback("to zero", 422, "invalid", to=0),
    _rollback("beyond all numbers", 422, "invalid", to=2**31),
    _rollback("deleted model", 409, "conflict", model="gone"),
    _rollback("no model", 404, "not_found", model="nobody"),
    _rollback("holder is another", 409, "stale", expected_current=1),
    _rollback("holder is not nobody", 409, "stale", expected_current=None),
    _rollback("blank reason", 422, "invalid", reason=" "),
    _rollback("no reason", 422, "invalid", reason=None),
    _rollback("writer", 403, "forbidden", token="writer"),
    _rollback("admin", 403, "forbidden", token="admin"),
    _rollback("promoter without the store", 403, "forbidden", token="promoter", without_store_check=True),
    Case("alias elsewhere", "PUT", "/models/fraud/aliases/champion", 409, "stale",
         json={"version": 3, "expected_current": 1}),
    Case("alias exists", "PUT", "/models/fraud/aliases/champion", 409, "stale",
         json={"version": 3, "expected_current": None}),
    Case("alias does not", "PUT", "/models/fraud/aliases/fresh", 409, "stale",
         json={"version": 3, "expected_current": 3}),
    Case("alias to a deleted version", "PUT", "/models/fraud/aliases/champion", 409, "conflict",
         json={"version": 5}),
    Case("alias to no version", "PUT", "/models/fraud/aliases/champion", 404, "not_found", json={"version": 99}),
    Case("alias of a deleted model", "PUT", "/models/gone/aliases/champion", 409, "conflict", json={"version": 1}),
    Case("edit of a stale model", "PATCH", "/models/fraud", 412, "precondition_failed",
         json={"description": "x"}, headers=STALE),
    Case("edit of a stale version", "PATCH", "/models/fraud/versions/4", 412, "precondition_failed",
         json={"description": "x"}, headers=STALE),
    Case("deletion of a stale model", "DELETE", "/models/empty", 412, "precondition_failed", headers=STALE),
    Case("deletion of a stale version", "DELETE", "/models/fraud/versions/4", 412, "precondition_failed",
         headers=STALE),
    Case("deletion of what serves", "DELETE", "/models/fraud/versions/3", 409, "in_use"),
    Case("deletion of a model that serves", "DELETE", "/models/fraud", 409, "in_use"),
    Case("deletion twice", "DELETE", "/models/fraud/versions/5", 409, "conflict"),
    Case("deletion of a model twice", "DELETE", "/models/gone", 409, "conflict"),
    Case("edit of what is deleted", "PATCH", "/models/fraud/versions/5", 409, "conflict", json={"description": "x"}),
    Case("measuring what is deleted", "POST", "/models/fraud/versions/5/metrics", 409, "conflict",
         json={"metrics": {"a": 1}}),
    Case("restoring what is not deleted", "POST", "/models/fraud/versions/4/restore", 409, "conflict", json={}),
    Case("restoring a live model", "POST", "/models/fraud/restore", 409, "conflict", json={}),
    Case("file of a deleted version", "GET", "/models/fraud/versions/5/files/model.bin", 409, "conflict"),
    Case("parent that is not there", "POST", "/models/fraud/versions", 422, "invalid",
         json={"files": [STORED], "parents": [{"model": "fraud", "version": 99}]}),
    Case("writer opens the lifecycle", "PATCH", "/models/fraud", 403, "forbidden",
         json={"lifecycle": "open"}, token="writer"),
    Case("promoter opens the lifecycle", "PATCH", "/models/fraud", 403, "forbidden",
         json={"lifecycle": "open"}, token="promoter"),
    Case("writer makes an open model", "POST", "/models", 403, "forbidden",
         json={"name": "loose", "lifecycle": "open"}, token="writer"),
]  # fmt: skip
