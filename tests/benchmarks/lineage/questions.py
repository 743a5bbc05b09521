"""The questions, each about another part of the catalogue in every round, and what their answers must have."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from flask.testing import FlaskClient

from tests.benchmarks.lineage.catalogue import (
    CHAIN,
    EACH,
    LAKE_MODELS,
    PROJECT,
    Catalogue,
    base_model,
    commit,
    digest_of,
)

LIMIT = 50
PAGE = 100
HELD = 2
MANY = "metrics.auc > 0.7 AND tags.tier = 'gold' AND stage = 'archived'"
BY_METRIC = {"filter": MANY, "order_by": "metrics.auc DESC"}


@dataclass(frozen=True)
class Question:
    """``path`` returns what is asked of a catalogue; ``check`` raises unless the answer has what it must."""

    name: str
    path: Callable[[Catalogue, random.Random], str]
    check: Callable[[Catalogue, Any], None]


class Asker:
    """A client of a service with one catalogue."""

    def __init__(self, client: FlaskClient, token: str, catalogue: Catalogue) -> None:
        self.client, self.token, self.catalogue = client, token, catalogue

    def ask(self, path: str) -> Any:
        """Return the document of the answer, or its text. Raises RuntimeError for a refusal."""
        response = self.client.get(path, headers={"Authorization": f"Bearer {self.token}"})
        if response.status_code != 200:
            raise RuntimeError(f"{path}: {response.status_code} {response.text[:500]}")
        return response.json if response.is_json else response.text

    def hold(self, digest: str) -> None:
        """Place a hold on data. Raises RuntimeError for a refusal."""
        body = {"kind": "data", "target": digest, "reason": "it must be forgotten"}
        response = self.client.post("/api/v1/holds", json=body, headers={"Authorization": f"Bearer {self.token}"})
        if response.status_code != 201:
            raise RuntimeError(f"hold on {digest}: {response.status_code} {response.text[:500]}")

    def late_page(self, query: Mapping[str, str]) -> tuple[int, str]:
        """Return the number of page 100 of a search, or of its last full page, and where the page is."""
        number, path = 0, ""
        following: Mapping[str, str] = {}
        while number < PAGE:
            next_path = _search({**query, **following})
            found = self.ask(next_path)
            if len(found["items"]) < LIMIT:
                break
            number, path = number + 1, next_path
            if found["next_cursor"] is None:
                break
            following = {"cursor": found["next_cursor"]}
        return number, path


def questions(late: Mapping[int, Mapping[str, str]]) -> list[Question]:
    """Return all questions; *late* has the paths of the late pages by the size of the catalogue, and by order."""
    return [
        Question("impact of a digest with 500 dependants", _impact, _has(_dependants)),
        Question("impact, as a file", lambda *about: f"{_impact(*about)}&format=csv", _is_whole_file),
        Question("impact of a version", _impact_of_version, _has(lambda _: CHAIN - 1)),
        Question("impact of a commit", _impact_of_commit, _has(None)),
        Question("impact of a base model", _impact_of_model, _has(None)),
        Question("lineage at depth 10", _lineage, _is_deep),
        Question("comparison of two versions", _comparison, _compares_two),
        Question("search, first page", lambda *_: _search({"filter": MANY}), _has(lambda _: LIMIT)),
        Question(f"search, page {PAGE}", lambda one, _: late[one.versions]["newest"], _has(lambda _: LIMIT)),
        Question("search by metric, first page", lambda *_: _search(BY_METRIC), _has(lambda _: LIMIT)),
        Question(f"search by metric, page {PAGE}", lambda one, _: late[one.versions]["metric"], _has(lambda _: LIMIT)),
        Question("search of one project", _of_project, _has(None)),
        Question("search of one project, by metric", _of_project_by_metric, _has(lambda _: PROJECT)),
        Question("search by a dataset's name", _of_name, _has(lambda _: 1)),
        Question("search by a commit", _of_commit, _has(lambda _: 5)),
        Question("search by a dataset's digest", _of_dataset, _has(lambda _: 1)),
        Question("best on a dataset", _best, _has(lambda _: LIMIT)),
    ]


def questions_about_holds() -> list[Question]:
    """Return the questions that are asked while the first two lakes are held: 500 versions depend on each."""
    return [
        Question("holds", lambda *_: "/api/v1/holds?limit=50", _has(lambda _: HELD)),
        Question("a hold", lambda *_: "/api/v1/holds/1", _is_recall),
        Question("what needs attention", lambda *_: "/api/v1/attention", _has(None)),
        Question("a version in production, while data is held", _in_production, lambda *_: None),
    ]


def _impact(catalogue: Catalogue, chance: random.Random) -> str:
    lake = digest_of("lake", chance.randrange(catalogue.lakes))
    return f"/api/v1/lineage/impact?limit={LIMIT}&digest={lake}"


def _impact_of_version(catalogue: Catalogue, chance: random.Random) -> str:
    model, _ = catalogue.version(chance.randrange(catalogue.versions))
    first = chance.randrange(EACH // CHAIN) * CHAIN + 1
    return f"/api/v1/lineage/impact?limit={LIMIT}&version={model}:{first}"


def _impact_of_commit(catalogue: Catalogue, chance: random.Random) -> str:
    return f"/api/v1/lineage/impact?limit={LIMIT}&code={commit(chance.randrange(catalogue.versions))[:10]}"


def _impact_of_model(catalogue: Catalogue, chance: random.Random) -> str:
    base = base_model(chance.randrange(EACH // CHAIN) * CHAIN * catalogue.models)
    return f"/api/v1/lineage/impact?limit={LIMIT}&model={quote(base.partition('@')[0])}"


def _lineage(catalogue: Catalogue, chance: random.Random) -> str:
    model, _ = catalogue.version(chance.randrange(catalogue.versions))
    last = chance.randrange(1, EACH // CHAIN + 1) * CHAIN
    return f"/api/v1/models/{model}/versions/{last}/lineage?depth=10"


def _comparison(catalogue: Catalogue, chance: random.Random) -> str:
    pair = [catalogue.version(chance.randrange(catalogue.versions)) for _ in range(2)]
    return "/api/v1/compare?" + urlencode([("v", f"{model}:{number}") for model, number in pair])


def _of_project(catalogue: Catalogue, chance: random.Random) -> str:
    project = chance.randrange(catalogue.versions // PROJECT)
    return _search({"filter": f"{MANY} AND tags.project = 'project-{project}'"})


def _of_project_by_metric(catalogue: Catalogue, chance: random.Random) -> str:
    project = chance.randrange(catalogue.versions // PROJECT)
    return _search({"filter": f"tags.project = 'project-{project}'", "order_by": "metrics.auc DESC"})


def _of_name(catalogue: Catalogue, chance: random.Random) -> str:
    return _search({"filter": f"dataset.name = 'clean-{chance.randrange(catalogue.versions)}.parquet'"})


def _of_commit(catalogue: Catalogue, chance: random.Random) -> str:
    return _search({"filter": f"code.commit = '{commit(chance.randrange(catalogue.versions))}'"})


def _of_dataset(catalogue: Catalogue, chance: random.Random) -> str:
    return _search({"filter": f"dataset.digest = '{digest_of('clean', chance.randrange(catalogue.versions))}'"})


def _best(catalogue: Catalogue, chance: random.Random) -> str:
    return _search({"best": "auc", "on": digest_of("test", chance.randrange(catalogue.versions // EACH))})


def _in_production(catalogue: Catalogue, chance: random.Random) -> str:
    return f"/api/v1/models/{catalogue.version(chance.randrange(catalogue.versions))[0]}/stages/production"


def _search(query: Mapping[str, str]) -> str:
    return f"/api/v1/search/versions?{urlencode({'limit': LIMIT, **query})}"


def _dependants(catalogue: Catalogue) -> int:
    return min(LIMIT, catalogue.versions)


def _has(count: Callable[[Catalogue], int] | None) -> Callable[[Catalogue, Any], None]:
    def check(catalogue: Catalogue, answer: Any) -> None:
        assert count is None or len(answer["items"]) == count(catalogue), len(answer["items"])

    return check


def _is_recall(_: Catalogue, answer: Any) -> None:
    assert (answer["downstream"], answer["live"]) == (LAKE_MODELS * EACH, LAKE_MODELS), answer


def _is_whole_file(catalogue: Catalogue, answer: str) -> None:
    assert answer.count("\n") == 1 + min(LAKE_MODELS, catalogue.models) * EACH


def _is_deep(_: Catalogue, answer: Any) -> None:
    found = answer["graph"]["nodes"]
    assert sum(node["kind"] == "version" for node in found) == CHAIN
    assert answer["graph"]["more"] == 0


def _compares_two(_: Catalogue, answer: Any) -> None:
    assert len(answer["versions"]) == 2
