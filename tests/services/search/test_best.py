"""The best versions by a metric on one dataset."""

from __future__ import annotations

import random
from typing import Any

from flask import Flask

from tests.support.api import Api
from tests.support.registry_builder import RegistryBuilder
from tests.support.replies import expect
from tests.support.statement_counting import counting_statements

ONE, SAME, LAST, OTHER, LONE = (f"sha256:{digit * 64}" for digit in "abcde")
SLICE = "country=DE"


def best(api: Api, **query: Any) -> dict[str, Any]:
    page: dict[str, Any] = expect(200, api.get("/search/versions", query_string={"on": ONE, **query}))
    return page


def names(items: list[dict[str, Any]]) -> list[str]:
    return [f"{one['model']}:{one['number']}" for one in items]


def test_the_best_versions_come_first_page_by_page(app: Flask, api: Api, registry: RegistryBuilder) -> None:
    chosen, latest = random.Random(4), dict[str, tuple[float, int]]()
    for place, files in enumerate(registry.different_files(14)):
        model, data = ("a", "b")[place % 2], (ONE, SAME, LAST)[place % 3]
        # The three digests are of one dataset only by way of each other.
        digests = [[ONE, SAME], [SAME, LAST], [LAST]][place % 3]
        datasets, tags = [{"name": "test.csv", "digests": digests, "role": "test"}], {"odd": str(place % 2)}
        number = registry.model(model).version(files=files, datasets=datasets, tags=tags)
        for value in chosen.choices([0.5, 0.7, 0.7, -1.0], k=place % 3):
            for on, part, shift in ((data, "", 0), (data, SLICE, -5), (OTHER, "", 9), (data, "country=FR", 9)):
                body = {"metrics": {"auc": value + shift}, "dataset_digest": on, "slice": part}
                expect(201, api.post(f"/models/{model}/versions/{number}/metrics", body))
            latest[f"{model}:{number}"] = (value, place)
    expect(201, api.post("/models/a/versions/1/metrics", {"metrics": {"auc": 8}}))
    registry.model("c").version(evaluations=[{"metrics": {"auc": 0.1}, "dataset_digest": LONE}])
    highest = sorted(latest, key=lambda name: (-latest[name][0], -latest[name][1]))
    lowest = sorted(latest, key=lambda name: (latest[name][0], -latest[name][1]))

    def paged(**query: Any) -> list[str]:
        found, cursor = list[str](), None
        while cursor is not None or not found:
            page = best(api, best="auc", limit=3, **query, **({"cursor": cursor} if cursor else {}))
            found, cursor = [*found, *names(page["items"])], page["next_cursor"]
            if cursor is None:
                return found
        return found

    assert paged() == paged(on=LAST) == paged(on="test.csv") == highest
    assert paged(direction="min") == paged(slice=SLICE, direction="min") == lowest
    assert paged(filter="name = 'a' AND tags.odd = '0'") == [one for one in highest if one.startswith("a")]
    page = best(api, best="auc", limit=1, slice=f" {SLICE}")
    assert page["best"] == {"metric": "auc", "direction": "max", "digests": [SAME, LAST], "slice": SLICE}
    assert names(best(api, best="auc", on=LONE)["items"]) == ["c:1"]
    body = {"best": "auc", "on": ONE, "fields": ["model", "number"], "limit": 2}
    assert names(expect(200, api.post("/search/versions", body))["items"]) == highest[:2]
    wrong = {"cursor": page["next_cursor"], "best": "auc", "direction": "min"}
    expect(400, api.get("/search/versions", query_string={"on": ONE, **wrong}))
    for on, statements in ((LONE, 3), (ONE, 9), ("test.csv", 6)):
        best(api, best="auc", on=on)
        with counting_statements(app) as counted:
            best(api, best="auc", on=on)
        assert sum(not text.startswith("BEGIN") for text in counted) == statements, (on, counted)


def test_a_question_for_the_best_that_has_no_answer_is_refused(api: Api, registry: RegistryBuilder) -> None:
    data = [{"name": "test.csv", "digests": [one]} for one in (ONE, OTHER)]
    for files, dataset in zip(registry.different_files(2), data, strict=True):
        on = {"dataset_digest": dataset["digests"][0]}
        registry.model("a").version(
            files=files, datasets=[dataset],
            evaluations=[{"metrics": {"auc": 0.5, "ks": 1}, **on}, {"metrics": {"f1": 1}, **on, "slice": SLICE}],
        )  # fmt: skip
    refusals = {
        (422, "direction"): {"best": "ks"},
        (422, "on"): {"best": "auc", "on": "test.csv"},
        (422, "order_by"): {"best": "auc", "order_by": "name"},
        (422, "slice"): {"best": "auc", "slice": "country"},
        (400, "did you mean 'auc'"): {"best": "aucc"},
        (400, "measured on this dataset"): {"best": "auc", "on": LAST},
        (400, "only on slices"): {"best": "f1"},
        (400, "did you mean 'country=DE'"): {"best": "f1", "slice": "country=DK"},
        (400, "it is no digest"): {"best": "f1", "on": "tset.csv"},
    }  # fmt: skip

    for (status, text), query in refusals.items():
        problem = expect(status, api.get("/search/versions", query_string={"on": ONE, **query}))
        assert text in (problem["errors"] if status == 422 else problem["detail"]), query
    for alone in ({"on": ONE}, {"slice": SLICE}, {"direction": "max"}, {"best": "auc"}):
        expect(422, api.get("/search/versions", query_string=alone))
    assert names(best(api, best="ks", direction="min")["items"]) == ["a:1"]
    assert best(api, best="auc", filter="stage = 'production'")["items"] == []
