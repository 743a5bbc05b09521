"""Examples of policies in the OpenAPI document, for the story of ``examples``."""

from __future__ import annotations

from typing import Any

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
