"""Kinds of rules, by their names in a document."""

from __future__ import annotations

from collections.abc import Mapping

from registry.rules.policies.conditions.contents import FileFormatsRule, LicenceRule, SizeRule
from registry.rules.policies.conditions.metrics import MetricRule, ProductionMetricRule
from registry.rules.policies.conditions.people import ApprovalsRule, CheckRule
from registry.rules.policies.conditions.records import CodeRule, LineageRule, RequiredRule
from registry.rules.policies.conditions.times import NotSupersededRule, StagingTimeRule, TimeWindowRule
from registry.rules.policies.rule import Rule

KINDS: Mapping[str, type[Rule]] = {
    kind.kind: kind
    for kind in (
        MetricRule,
        ProductionMetricRule,
        RequiredRule,
        LineageRule,
        StagingTimeRule,
        CodeRule,
        FileFormatsRule,
        SizeRule,
        LicenceRule,
        CheckRule,
        ApprovalsRule,
        NotSupersededRule,
        TimeWindowRule,
    )
}
"""The kinds in the order of the documentation."""

__all__ = ["KINDS", "ApprovalsRule", "CheckRule"]
