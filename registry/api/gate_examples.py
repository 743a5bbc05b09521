"""Examples of policies in the OpenAPI document, for the story of ``examples``."""

from __future__ import annotations

from typing import Any

from registry.api.examples import MANIFEST
from registry.rules.policies import parse

_TEXT = """\
policy: 1
description: agreed with the risk team
production:
  - rule: metric
    metric: auc
    at_least: 0.9
    dataset: payments-test
"""
_POLICY = parse(_TEXT)
POLICY = {"document": _TEXT, "reason": "agreed with the risk team"}
POLICY_SET: dict[str, Any] = {
    "model": "fraud",
    "number": 1,
    "digest": _POLICY.digest,
    "document": dict(_POLICY.document),
    "set_at": "2026-11-21T12:00:00.412000Z",
    "set_by": "root",
    "reason": "agreed with the risk team",
    "entry": "5fbb0b1c-6a0d-4d6c-8f4b-9c7f0f5f2b31",
    "changed": True,
}
EVALUATION: dict[str, Any] = {
    "policy": _POLICY.digest,
    "number": 1,
    "is_default": False,
    "passed": False,
    "gates": [
        {
            "rule": 0,
            "kind": "metric",
            "description": "auc >= 0.9 on payments-test",
            "passed": False,
            "reason": "auc on payments-test was not measured",
            "input": None,
            "source": None,
            "remedy": "record an evaluation with auc >= 0.9 on payments-test: "
            "registry version measure fraud:2 auc=VALUE --data payments-test",
            "explanation": None,
        }
    ],
}
GATES: dict[str, Any] = {
    "model": "fraud",
    "number": 2,
    "stage": "production",
    "at": "2026-11-21T13:06:11.070000Z",
    "passed": False,
    "holds": [],
    "evaluation": EVALUATION,
}
TRIAL = {"document": _TEXT, "against": "staging"}
REQUEST = {"model": "fraud", "version": 2, "target": "production", "reason": "AUC 0.93 on payments-test"}
APPROVAL = {"comment": "the report of the bias audit is fine"}
REQUESTED: dict[str, Any] = {
    "id": "0d0ce5ab-3a6c-4c8e-9d10-62a6a1f0b6c4",
    **REQUEST,
    "policy": None,
    "state": "open",
    "void": None,
    "requester": "ann",
    "manifest_digest": MANIFEST,
    "apply_when_ready": False,
    "last_refusal": None,
    "opened_at": "2026-11-21T13:08:04.530000Z",
    "expires_at": "2026-11-28T13:08:04.530000Z",
    "closed_at": None,
    "entry": "a5e8f2a2-0f55-4a2e-8d1f-9f0e6a3d7b11",
    "approved_by": [],
    "acts": [],
    "excluded": [],
    "gates": [],
    "document": None,
}
