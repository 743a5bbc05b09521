"""The supervisory guidance on model risk management, SR 26-2."""

from __future__ import annotations

from registry.domain.evidence.kinds import CONTROLS, DATA, FOUR_EYES, ORIGIN, RECORDS, TESTS, FactKind
from registry.domain.evidence.profiles.clause import Profile, ProfileClause

PROFILE = Profile(
    name="sr-26-2",
    title="SR 26-2: supervisory guidance on model risk management",
    edition=(
        "Federal Reserve SR 26-2 (OCC Bulletin 2026-13, with the FDIC) of 17 April 2026, sections III to VII of "
        "the attachment; it supersedes SR 11-7"
    ),
    scope=(
        "The guidance addresses banking organizations and sets no enforceable standards. It excludes generative and "
        "agentic AI. Sections I and II state introduction and scope, and are not listed."
    ),
    uncertain=(
        "The attachment itself was not available: its sections were compared with secondary sources, which agree. "
        "Headings within sections IV to VI have no numbers here, and rest on fewer sources."
    ),
    clauses=(
        ProfileClause(
            "III",
            "Overview: inherent risk, exposure, purpose, materiality and effective challenge",
            (FactKind.DESCRIPTION, FactKind.TAG, *FOUR_EYES),
            "The materiality of the model, its risk in aggregate, and who challenged it.",
        ),
        ProfileClause(
            "IV (development)",
            "Model development: design, methodology, data and testing",
            (
                *ORIGIN,
                *DATA,
                FactKind.FRAMEWORK,
                FactKind.ENVIRONMENT,
                FactKind.PARAMETER,
                FactKind.METRIC,
                FactKind.CHECK,
            ),
            "Theory, assumptions, limitations, and the quality and relevance of the data.",
        ),
        ProfileClause(
            "IV (use)",
            "Model use",
            (FactKind.PRODUCTION, FactKind.DECISION, FactKind.HOLD),
            "The business use, its limits, and the feedback of users.",
        ),
        ProfileClause(
            "V (conceptual soundness)",
            "Validation: conceptual soundness",
            (FactKind.SIGNATURE, FactKind.PARAMETER),
            "The assessment of design, assumptions and data selection by independent experts.",
        ),
        ProfileClause(
            "V (outcomes analysis)",
            "Validation: outcomes analysis",
            (FactKind.METRIC, FactKind.EVALUATION_DATA, *TESTS),
            "Comparison with outcomes in use, and the thresholds of performance.",
        ),
        ProfileClause(
            "V (ongoing monitoring)",
            "Validation: ongoing model monitoring",
            (FactKind.METRIC, FactKind.PRODUCTION, FactKind.HOLD),
            "The monitoring plan, its frequency, and the response to findings.",
        ),
        ProfileClause(
            "VI (roles and responsibilities)",
            "Governance: roles and responsibilities",
            (FactKind.ROLE, FactKind.ACTOR, *FOUR_EYES),
            "Reporting lines and conflicts of interest. Roles here are permissions in the registry.",
        ),
        ProfileClause(
            "VI (model inventory)",
            "Governance: model inventory",
            (FactKind.MODEL, FactKind.VERSION, FactKind.PARENT, FactKind.PRODUCTION),
            "Models outside of this registry.",
        ),
        ProfileClause(
            "VI (documentation)",
            "Governance: documentation",
            (FactKind.DESCRIPTION, *CONTROLS, *RECORDS),
            "Validation reports, findings and their remediation.",
        ),
        ProfileClause(
            "VII",
            "Vendor and other third-party products",
            missing="Which parts come from a vendor, and their validation.",
        ),
    ),
)
