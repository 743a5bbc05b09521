"""The model card and the licence of a version in CycloneDX, from its tags and its metrics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from registry.domain.lineage_exports.facts import ExportedVersion

LICENCE_TAG = "license"
APPROACH_TAG = "model.approach"
APPROACHES = ("supervised", "unsupervised", "reinforcement-learning", "semi-supervised", "self-supervised")
PARAMETER_TAGS = {
    "task": "model.task",
    "architectureFamily": "model.architecture_family",
    "modelArchitecture": "model.architecture",
}
CONSIDERATION_TAGS = {
    "users": "model.users",
    "useCases": "model.use_cases",
    "technicalLimitations": "model.limitations",
    "performanceTradeoffs": "model.tradeoffs",
}
ETHICS_TAG = "model.ethical_considerations"
_LONGEST_EXPRESSION = 500


def licences(tags: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return the licence that the tag names: an SPDX identifier, an SPDX expression, or any other name."""
    text = tags.get(LICENCE_TAG, "").strip()
    if not text:
        return []
    expression = _expression(text)
    if expression is None:
        return [{"license": {"name": text}}]
    is_identifier = not any(mark in expression for mark in " (+") and not expression.startswith("LicenseRef-")
    return [{"license": {"id": expression}}] if is_identifier else [{"expression": expression}]


def _expression(text: str) -> str | None:
    """Return *text* as an SPDX licence expression; None if it is none."""
    # Imported here: the table of licences takes longer to load than most modules, and few processes need it.
    from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

    if len(text) > _LONGEST_EXPRESSION or not text.isascii():
        return None
    try:
        return canonicalize_license_expression(text)
    except InvalidLicenseExpression:
        return None


def model_card(version: ExportedVersion, datasets: Sequence[str]) -> dict[str, Any]:
    """Return the card with the datasets of these references; empty where nothing is known."""
    tags = version.tags
    parameters: dict[str, Any] = {}
    if (approach := tags.get(APPROACH_TAG)) in APPROACHES:
        parameters["approach"] = {"type": approach}
    parameters |= {name: tags[tag] for name, tag in PARAMETER_TAGS.items() if tags.get(tag)}
    if datasets:
        parameters["datasets"] = [{"ref": reference} for reference in datasets]
    considerations: dict[str, Any] = {name: [tags[tag]] for name, tag in CONSIDERATION_TAGS.items() if tags.get(tag)}
    if ethics := tags.get(ETHICS_TAG):
        considerations["ethicalConsiderations"] = [{"name": ethics}]
    metrics = [
        {"type": one.name, "value": repr(one.value), **({"slice": one.data} if one.data else {})}
        for one in version.metrics
    ]
    card = {
        "modelParameters": parameters,
        "quantitativeAnalysis": {"performanceMetrics": metrics} if metrics else None,
        "considerations": considerations,
    }
    return {name: part for name, part in card.items() if part}
