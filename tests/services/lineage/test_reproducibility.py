"""What a version lacks for being built again: the report, and searches that find the same on both databases."""

from __future__ import annotations

from typing import Any

from flask import Flask
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from registry.domain.reproducibility import Requirement
from registry.services.search import search
from tests.support.api import Api
from tests.support.registry_builder import RegistryBuilder
from tests.support.replies import expect

COMMIT, LOCK = "7b1d0f6e2c9a", f"sha256:{'ab' * 32}"
CODE = st.fixed_dictionaries(
    {"command": st.sampled_from([None, "python train.py"]), "path": st.sampled_from(["train.py", None])},
    optional={
        "repo": st.just("https://git.test/fraud"),
        "commit": st.sampled_from([COMMIT, ""]),
        "dirty": st.sampled_from([True, False, None]),
    },
).filter(lambda code: code["command"] or code["path"] or "repo" in code)
ENVIRONMENT = st.sampled_from([{"python": "3.12"}, {"lock_digest": LOCK}, {"python": "3.12", "image_digest": LOCK}])
DATA = st.lists(
    st.builds(
        lambda name, role: {"name": name, "digests": [f"sha256:{name * 64}"], "role": role},
        st.sampled_from("abc"),
        st.sampled_from(["train", "finetune", "test"]),
    ),
    max_size=3,
    unique_by=str,
)
BASES = st.lists(
    st.sampled_from([
        {"uri": "hf://org/name"}, {"uri": "hf://org/name@0a1b"}, {"uri": "hf://org/name@"}, {"digests": [LOCK]},
        {"uri": "hf://org/other", "digests": [LOCK]},
    ]),
    max_size=2,
    unique_by=str,
)  # fmt: skip
FACTS = st.fixed_dictionaries(
    {"params": st.sampled_from([{}, {"depth": "6"}]), "datasets": DATA, "base_models": BASES},
    optional={"code": CODE, "environment": ENVIRONMENT, "parents": st.just([{"model": "base", "version": 1}])},
)
# A version's facts, places of the edges to retract (the last of all edges is 0), and data that is added later.
VERSIONS = st.lists(st.tuples(FACTS, st.sets(st.integers(0, 6), max_size=2), DATA), min_size=6, max_size=6)


def retract(api: Api, model: str, number: int, places: set[int]) -> None:
    path = f"/models/{model}/versions/{number}"
    edges = expect(200, api.get(f"{path}/lineage?depth=1&direction=up"))["graph"]["edges"]
    for place, edge in enumerate(edges):
        if place in places:
            expect(200, api.put(f"/lineage/edges/{edge['edge']}", {"retracted": True, "reason": "wrong"}))


def found(app: Flask, model: str, text: str) -> set[int]:
    with app.app_context():
        items = search.find_versions(filter=f"name = '{model}' AND ({text})", limit=100).items
    return {item.number for item in items}


@settings(
    max_examples=2, deadline=None, derandomize=True, database=None, phases=[Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.large_base_example],
)  # fmt: skip
@given(VERSIONS)
def test_searches_find_what_the_reports_miss(
    app: Flask, api: Api, registry: RegistryBuilder, versions: list[tuple[dict[str, Any], set[int], Any]]
) -> None:
    registry.model("base").version()
    name = f"fraud-{registry.audit_entry_count()}"
    reports = {}
    for number, (files, (facts, retracted, added)) in enumerate(
        zip(registry.different_files(6), versions, strict=True), 1
    ):
        registry.model(name).version(**facts, files=files)
        path = f"/models/{name}/versions/{number}"
        if added:
            expect(200, api.post(f"{path}/lineage", {"used": added}))
        retract(api, name, number, retracted)
        reports[number] = expect(200, api.get(f"{path}/reproducibility"))

    for one in Requirement:
        expected = {number for number, report in reports.items() if one in report["missing"]}
        assert found(app, name, f"lineage.missing = '{one}'") == expected, one
        assert found(app, name, f"NOT lineage.missing = '{one}'") == set(reports) - expected, one
    several = {number for number, report in reports.items() if {"data", "params"} & set(report["missing"])}
    assert found(app, name, "lineage.missing IN ('data', 'params')") == several
    others = {number for number, report in reports.items() if set(report["missing"]) - {"environment"}}
    assert found(app, name, "lineage.missing != 'environment'") == others
    whole = {number for number, report in reports.items() if not report["missing"]}
    assert found(app, name, "lineage.missing IS NULL") == whole
    assert all(report["met"] + len(report["missing"]) == report["total"] == 7 for report in reports.values())
