"""Policies for promotions: documents, the facts they are evaluated on, and verdicts. Pure, for server and client.

``parse`` reads a document, ``evaluate`` returns the verdicts on a version, ``weaker`` compares two policies.
"""

from __future__ import annotations

from registry.rules.policies.document import FORMAT, MOST_RULES, Policy, parse
from registry.rules.policies.document_texts import MAX_BYTES
from registry.rules.policies.evaluation import evaluate
from registry.rules.policies.facts import (
    ApprovalFacts,
    CheckFact,
    CodeFact,
    DatasetFact,
    DecisionFact,
    EnvironmentFact,
    ExcludedFact,
    FormatFact,
    GateFacts,
    HolderFacts,
    MetricFact,
    Need,
    OriginFacts,
    StagingFacts,
)
from registry.rules.policies.reading import InvalidPolicy, Problem
from registry.rules.policies.rule import STAGES, Party, Rule, Terms, word_problem
from registry.rules.policies.verdicts import GateVerdict, RuleFinding, Verdicts
from registry.rules.policies.weakening import weaker

__all__ = [
    "FORMAT",
    "MAX_BYTES",
    "MOST_RULES",
    "STAGES",
    "ApprovalFacts",
    "CheckFact",
    "CodeFact",
    "DatasetFact",
    "DecisionFact",
    "EnvironmentFact",
    "ExcludedFact",
    "FormatFact",
    "GateFacts",
    "GateVerdict",
    "HolderFacts",
    "InvalidPolicy",
    "MetricFact",
    "Need",
    "OriginFacts",
    "Party",
    "Policy",
    "Problem",
    "Rule",
    "RuleFinding",
    "StagingFacts",
    "Terms",
    "Verdicts",
    "evaluate",
    "parse",
    "weaker",
    "word_problem",
]
