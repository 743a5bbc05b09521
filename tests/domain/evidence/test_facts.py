"""Facts as JSON documents: what is written is read again as the same fact."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from registry.domain.evidence.facts import (
    Act,
    EarlierName,
    MeasurementFact,
    ModelFact,
    TenureFact,
    document,
    fact,
)

ACT = Act(4, "e-4", "2026-11-21T13:05:02.000000Z", "version.promoted", "a-1", None, "user", "t-1", ("promoter",), None,
          None, True)  # fmt: skip
MODEL = ModelFact("m-1", "fraud", (EarlierName("scam", ACT.at),), ACT, None, "enforced", None, {"team": "a"},
                  ("live",), 2, 9, ("description",))  # fmt: skip
TENURE = TenureFact("m-1", "fraud", 3, "production", ACT.at, None, "promote", None, ACT, None)

MEASURED = MeasurementFact("fraud", 3, "auc", "0.9", None, "test.csv", "sha256:aa", ACT.at, "a-1", ACT, "digest")


@pytest.mark.parametrize("one", [ACT, MODEL, TENURE, MEASURED, replace(MEASURED, slice="country=DE")])
def test_a_fact_is_read_from_its_document_as_it_was(one: object) -> None:
    assert fact(type(one), json.loads(json.dumps(document(one)))) == one


def test_a_measurement_of_whole_data_has_the_document_of_earlier_releases() -> None:
    with_slice = document(replace(MEASURED, slice="country=DE"))

    assert with_slice.keys() - document(MEASURED).keys() == {"slice"}
    with pytest.raises(ValueError, match="MeasurementFact"):
        fact(MeasurementFact, {key: value for key, value in with_slice.items() if key != "basis"})


def test_a_document_with_another_member_is_refused() -> None:
    with pytest.raises(ValueError, match="TenureFact"):
        fact(TenureFact, document(TENURE) | {"approved_by": "stranger"})
