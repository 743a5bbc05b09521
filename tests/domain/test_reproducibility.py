"""The report about what a version is built again from."""

from __future__ import annotations

import pytest

from registry.domain.reproducibility import OriginLink, Requirement, report

WHOLE = [
    OriginLink("built_from", "code", "r", repo="r", commit="c0ffee", dirty=False, command="make"),
    OriginLink("ran_in", "environment", "sha256:ab", has_digest=True),
    OriginLink("used", "dataset", "train.csv", role="train", has_digest=True),
    OriginLink("derived_from", "version", "base:1", state="ready"),
    OriginLink("derived_from", "model", "hf://org/name@0a1b", uri="hf://org/name@0a1b"),
]


@pytest.mark.parametrize(
    ("link", "missing"),
    [
        (None, []),
        (OriginLink("derived_from", "version", "base:2", state="failed"), [Requirement.PARENTS]),
        (OriginLink("derived_from", "model", "hf://org/name@", uri="hf://org/name@"), [Requirement.PARENTS]),
        (OriginLink("used", "dataset", "test.csv", role="test"), [Requirement.DATA]),
        (OriginLink("evaluated_on", "dataset", "test.csv"), []),
        (OriginLink("built_from", "code", "r", repo="r", commit="c0ffee", dirty=True), []),
    ],
)
def test_a_version_is_whole_or_has_the_names_of_what_is_unmet(
    link: OriginLink | None, missing: list[Requirement]
) -> None:
    found = report([*WHOLE, *([link] if link else [])], param_count=1)

    assert (list(found.missing), found.score) == (missing, f"{7 - len(missing)} of 7")
    assert [check.remedy is not None for check in found.checks] == [one in missing for one in Requirement]


def test_nothing_recorded_is_all_but_parents_unmet() -> None:
    found = report([], param_count=0)

    assert list(found.missing) == [one for one in Requirement if one is not Requirement.PARENTS]
