"""Searches over a database: what is found, in which order, page by page, on both databases alike."""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, update

from registry.db.models import Model, Version
from registry.db.session import transaction
from registry.domain.errors import Invalid, UnknownValue
from registry.domain.filters import keys, native
from registry.domain.filters.terms import Key
from registry.services.search import search
from tests.support.api import Api
from tests.support.filter_reference import Thing, holds, ordered
from tests.support.registry_builder import RegistryBuilder
from tests.support.replies import expect
from tests.support.statement_counting import counting_statements
from tests.support.variants import SomeOf

pytestmark = pytest.mark.share(3)

START = datetime(2026, 1, 1, tzinfo=UTC)
TEXTS = ["x", "X", "100%", "50_50", "a*b?", "[x]", "it's", 'say "x"', "back\\slash", "ünï", "Ünï", "", " ", "🦊",
         "x\ny", "'; DROP TABLE models; --", "x" * 70 + "1", "x" * 70 + "2", "y" * 63, "y" * 64, "y" * 65]  # fmt: skip
PATTERNS = ["%", "_", "x%", "%x", "%_%", "X", "100%", "%\\%", "[x]", "[%", "*", "a*b_", "%?", "%\n%", "%'%", "Ü%",
            "🦊", ""]  # fmt: skip
COMPARED = ("=", "!=", "<", "<=", ">", ">=")
FAR = 99999999999999999999
HERE, THERE = (f"sha256:{digit * 64}" for digit in "ab")


def quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


CONDITIONS = [
    *(f"{key} {operator} {quoted(text)}"
      for key in ("tags.a", "params.p") for operator in COMPARED[:2] for text in TEXTS),
    *(f"tags.a {operator} {quoted(pattern)}"
      for operator in ("LIKE", "ILIKE", "NOT LIKE", "NOT ILIKE") for pattern in PATTERNS),
    "tags.a IN ('x', 'it''s', '')", f"tags.a IN ('x', '{'y' * 64}', '{'y' * 63}')",
    "tags.a NOT IN ('x', 'X')", "tags.a IS NULL", "tags.`any key` = 'x'",
    *(f"metrics.auc {operator} {value}" for operator in COMPARED for value in ("0.5", "-1", "1e300", "0")),
    "metrics.auc IN (0.5, 2)", "metrics.auc NOT IN (0.5, 2)", "metrics.auc IS NULL", "metrics.none IS NOT NULL",
    *(f"metrics.auc ON '{data}' {operator} {value}"
      for data in (HERE, THERE) for operator in COMPARED for value in ("0.5", "1e300", "0")),
    f"metrics.auc ON '{HERE}' IS NULL", f"metrics.auc ON '{THERE}' NOT IN (0.5, 2)", f"metrics.f1 ON '{HERE}' = 0.25",
    *(f"version_number {operator} {value}" for operator in COMPARED for value in (1, -5, FAR, -FAR)),
    f"version IN (1, {FAR})", f"version NOT IN (1, {FAR})", f"version IN ({FAR})", "name IS NULL",
    "name = 'm1'", "name != 'm1'", "name LIKE 'M%'", "name ILIKE 'M%'", "name IN ('m0', 'm2')",
    "stage = 'staging'", "stage != 'none'", "stage IN ('staging', 'archived')", "status = 'ready'", "status != 'ready'",
    "alias = 'champion'", "alias != 'champion'", "alias IS NULL", "alias LIKE 'c%'", "alias NOT IN ('champion')",
    "framework = 'sklearn'", "framework != 'sklearn'", "framework IS NULL", "framework NOT LIKE 'sk%'",
    "run.id = 'r0'", "run_id != 'r0'", "run_id IS NULL", "code.commit = 'c0'", "code.commit != 'c0'",
    "code.commit IS NULL", "code.branch = 'b0'", "run.triggered_by != 'p0'",
    "dataset.name = 'train'", "dataset.name != 'train'", "dataset.name IS NULL",
    f"dataset.digest = 'md5:{'0a' * 16}'", "dataset.digest LIKE 'md5:%'", "created_by = 'all'", "created_by != 'all'",
    "source_path IS NULL", *(f"created_at {operator} '2026-01-01T00:00:05.000007Z'" for operator in COMPARED),
]  # fmt: skip
ORDERS = [
    "", "name", "name DESC", "version", "created_at", "created_at DESC", "stage, name DESC", "metrics.auc",
    "metrics.auc DESC", "tags.a", "tags.a DESC", "params.p DESC, version", "framework", "framework DESC, run.id",
    "run.id DESC", "code.commit", "created_by, tags.a", "status, metrics.auc DESC, name", "source_path DESC",
    f"metrics.auc ON '{HERE}'", f"metrics.auc ON '{HERE}' DESC", f"metrics.auc ON '{THERE}' DESC, tags.a DESC, name",
    f"metrics.f1 ON '{HERE}', metrics.auc DESC", f"stage, metrics.auc ON '{THERE}'",
]  # fmt: skip


def body(number: int, chosen: random.Random) -> dict[str, Any]:
    """What a version is registered with; some of everything, and nothing of some."""
    facts: dict[str, Any] = {
        "tags": {"a": TEXTS[number % len(TEXTS)]} if number % 4 else {},
        "params": {"p": chosen.choice(TEXTS)} if number % 3 else {},
        "metrics": {"auc": chosen.choice([0.5, -1, 1e300, 0.25, 2])} if number % 5 else {},
        "aliases": [f"c{number}"] + (["champion"] if number % 6 == 0 else []) if number % 2 else [],
    }
    if number % 3 == 0:
        facts["framework"] = chosen.choice(["sklearn", "xgboost"])
        facts["run"] = {"system": "ci", "id": f"r{number % 4}-{number}" if number % 4 else f"r{number}",
                        "triggered_by": f"p{number % 3}" if number % 2 else None}  # fmt: skip
    if number % 4 == 1:
        facts["code"] = {"repo": "https://git.test/x", **({"commit": f"c{number % 3}"} if number % 8 == 1 else {}),
                         "branch": "b0" if number % 8 == 5 else None}  # fmt: skip
        facts["datasets"] = [{"name": name, "digests": [f"md5:{digest * 16}"]}
                             for name, digest in [("train", "0a"), (f"test{number}", "0b")]]  # fmt: skip
    if number % 7 == 0:
        facts["tags"]["any key"] = "x"
    if measured := number % 4:
        facts["evaluations"] = [
            {"metrics": {"auc": chosen.choice([0.5, -1, 1e300, 0.25, 2]), **({"f1": 0.25} if measured == 2 else {})},
             "dataset_digest": data}
            for data in [(HERE,), (HERE, THERE), (THERE, HERE)][measured - 1]
        ]  # fmt: skip
    return facts


@pytest.fixture
def things(app: Flask, api: Api, registry: RegistryBuilder) -> list[Thing]:
    """Thirty versions of three models, and deleted ones that nothing may find."""
    chosen = random.Random(5)
    for number, files in enumerate(registry.different_files(30)):
        stage = ["none", "none", "staging", "archived", "none"][number % 5]
        registry.model(f"m{number % 3}").version(stage=stage, files=files, **body(number, chosen))
    expect(201, api.post("/models/m1/versions/1/metrics", {"metrics": {"auc": 2}}))
    expect(201, api.post("/models/m1/versions/1/metrics", {"metrics": {"auc": 0.5}}))
    for value in (2, 0.5):
        expect(201, api.post("/models/m2/versions/1/metrics", {"metrics": {"auc": value}, "dataset_digest": HERE}))
    registry.model("m0").version(tags={"a": "x"})
    expect(200, api.delete("/models/m0/versions/11"))
    registry.model("gone").version(tags={"a": "x"})
    expect(200, api.delete("/models/gone"))
    with app.app_context(), transaction() as session:
        for version in session.scalars(select(Version).order_by(Version.id)):
            session.execute(
                update(Version).where(Version.id == version.id).values(
                    created_at=START + timedelta(seconds=version.id % 7, microseconds=version.id % 3 + 6))
            )  # fmt: skip
    return [thing(item) for number in range(3) for item in listed(api, f"m{number}")]


def listed(api: Api, model: str) -> Iterator[dict[str, Any]]:
    for item in expect(200, api.get(f"/models/{model}/versions?limit=200"))["items"]:
        if item["state"] != "deleted":
            yield item


def thing(item: dict[str, Any]) -> Thing:
    """A version as the API shows it, by the keys of the language."""
    lineage = item["lineage"]
    datasets = lineage["datasets"]
    run, code = lineage["run"] or {}, lineage["code"] or {}
    single = {
        "name": item["model"], "version_number": item["number"], "stage": item["stage"], "status": item["state"],
        "created_at": datetime.fromisoformat(item["created_at"]), "created_by": item["created_by"],
        "framework": item["framework"], "run.id": run.get("id"), "code.commit": code.get("commit"),
        "code.branch": code.get("branch"), "run.triggered_by": run.get("triggered_by"),
        "source_path": item["source"],
    }  # fmt: skip
    values = {Key(name): [value] for name, value in single.items() if value is not None}
    values[Key("alias")] = item["aliases"]
    values[Key("dataset.name")] = [dataset["name"] for dataset in datasets]
    values[Key("dataset.digest")] = [digest for dataset in datasets for digest in dataset["digests"]]
    for field in ("tags", "params", "metrics"):
        values |= {Key(field, key): [value] for key, value in item[field].items()}
    for one in item["evaluations"]:
        if one["dataset_digest"]:
            values[Key("metrics", one["metric"], one["dataset_digest"])] = [one["value"]]
    serial = (item["number"] - 1) * 3 + int(item["model"][1:])
    return Thing(f"{item['model']}:{item['number']}", serial, values)


def found(app: Flask, text: str, order_by: str = "", *, limit: int = 100) -> list[str]:
    """What a search finds, over all its pages."""
    labels: list[str] = []
    after: tuple[Any, ...] | None = None
    with app.app_context():
        while True:
            page = search.find_versions(filter=text, order_by=order_by, after=after, limit=limit)
            labels += [f"{item.model}:{item.number}" for item in page.items]
            if page.next_after is None:
                return labels
            assert len(page.items) == limit
            after = tuple(json.loads(json.dumps(page.next_after)))


def by_reference(things: list[Thing], text: str, order_by: str = "") -> list[str]:
    """What the same search finds by the reference."""
    term = native.parse(keys.VERSIONS, text)
    order = native.parse_order(keys.VERSIONS, order_by) or search.NEWEST_FIRST
    return [one.label for one in ordered([one for one in things if holds(term, one)], order)]


@pytest.mark.share(1)
@pytest.mark.parametrize("one_in", [3, pytest.param(1, marks=pytest.mark.slow)])
def test_both_databases_agree_with_plain_python(app: Flask, things: list[Thing], some_of: SomeOf, one_in: int) -> None:
    """Every condition, the opposite of one in so many, and a hundred pairs with the opposite of about half."""
    chosen = random.Random(6)
    joined = [
        f"{chosen.choice(['', 'NOT '])}({one}) {chosen.choice(['AND', 'OR'])} {chosen.choice(['', 'NOT '])}({other})"
        for one, other in zip(chosen.sample(CONDITIONS, 100), chosen.sample(CONDITIONS, 100), strict=True)
    ]
    asked = ["", *some_of([*CONDITIONS, *(f"NOT {one}" for one in CONDITIONS[::one_in]), *joined], 3)]

    wrong = {text: found(app, text) for text in asked if found(app, text) != by_reference(things, text)}

    assert wrong == {}
    assert sum(0 < len(by_reference(things, text)) < len(things) for text in asked) > len(asked) / 4


@pytest.mark.share(1)
def test_pages_of_any_size_make_up_the_whole_order(app: Flask, things: list[Thing], some_of: SomeOf) -> None:
    pages = [
        (order_by, limit)
        for number, order_by in enumerate(ORDERS)
        for limit in (30, 7, *([100, 1] if number % 3 == 0 else []))
    ]
    wrong = [
        (order_by, limit)
        for order_by, limit in some_of(pages, 2)
        if found(app, "", order_by, limit=limit) != by_reference(things, "", order_by)
    ]

    assert len(things) == 30
    assert wrong == []


def test_what_is_added_between_pages_repeats_nothing_and_hides_nothing(app: Flask, registry: RegistryBuilder) -> None:
    for number in range(9):
        registry.model("fraud").version(tags={"number": str(number)})
    seen: list[int] = []
    after: tuple[Any, ...] | None = None
    for added in range(20):
        with app.app_context():
            page = search.find_versions(order_by="tags.number", after=after, limit=2)
        seen += [item.number for item in page.items]
        after = page.next_after
        if after is None:
            break
        if added < 4:
            registry.model("fraud").version(tags={"number": str(added * 2)})

    assert len(seen) == len(set(seen))
    assert [number for number in seen if number <= 9] == list(range(1, 10))


@pytest.mark.parametrize("kind", ["models", "versions"])
def test_mlflows_pages_make_up_the_whole_and_the_last_has_no_token(
    app: Flask, registry: RegistryBuilder, kind: str
) -> None:
    for number in range(6):
        registry.model(f"m{number % 3}" if kind == "versions" else f"m{number}").version()
    find: Any = search.find_models_mlflow if kind == "models" else search.find_versions_mlflow

    for order_by in ([], ["name DESC"], ["last_updated_timestamp"]):
        with app.app_context():
            whole = find(None, order_by=order_by, limit=100, token=None)
            pages = [find(None, order_by=order_by, limit=3, token=None)]
            pages.append(find(None, order_by=order_by, limit=3, token=pages[0].next_page_token))

        assert whole.next_page_token is pages[1].next_page_token is None
        assert [item for page in pages for item in page.items] == list(whole.items)
        assert len(whole.items) == 6


def forged(after: Any, **changes: Any) -> str:
    return base64.b64encode(json.dumps({"query": search.fingerprint(""), "after": after, **changes}).encode()).decode()


@pytest.mark.parametrize(
    ("token", "says"),
    [
        ("evilhax", "Invalid page token, could not base64-decode"),
        ("é", "Invalid page token, could not base64-decode"),
        ("AAAA", "Invalid page token, decoded value=b'\\x00\\x00\\x00'"),
        (base64.b64encode(b'{"offset": 5}').decode(), "Invalid page token, parsed value={'offset': 5}"),
        (base64.b64encode(b"[" * 50_000).decode(), "Invalid page token, decoded value="),
        (base64.b64encode(b"5").decode(), "Invalid page token, parsed value=5"),
        (forged([], query="x"), "Invalid page token, it belongs to another filter or order_by"),
        (forged([]), "Invalid page token, another number of values"),
        (forged([1, 2, 3, 4]), "Invalid page token, a value of another kind"),
        (forged([None, None, None, None]), "Invalid page token, a value of another kind"),
        (forged(["2026-01-01 00:00:00.000", "m", 10**30, 1]), "Invalid page token, a value of another kind"),
        (forged(["2026-01-01 00:00:00.000", "m\x00", 1, 1]), "Invalid page token, a value of another kind"),
        (forged(["2026-01-01 00:00:00.000", "\ud800", 1, 1]), "Invalid page token, "),
        (forged(["2026-01-01 00:00:00.000", "m", True, 1]), "Invalid page token, a value of another kind"),
        (forged(["2026-01-01 00:00:00.000Z", "m", 1, 1]), "Invalid page token, a time of another kind"),
        (forged(["' OR 1=1", "m", 1, 1]), "Invalid page token, "),
        (forged([{"a": 1}, "m", 1, 1]), "Invalid page token, a value of another kind"),
    ],
)  # fmt: skip
def test_a_token_that_no_search_gave_out_is_refused(app: Flask, token: str, says: str) -> None:
    with app.app_context(), pytest.raises(Invalid) as refused:
        search.find_versions_mlflow(None, order_by=[], limit=10, token=token)

    assert refused.value.detail.startswith(says)


def test_a_token_belongs_to_its_search(app: Flask, registry: RegistryBuilder) -> None:
    for number in range(3):
        registry.create_model(f"m{number}")

    with app.app_context():
        token = search.find_models_mlflow(None, order_by=[], limit=1, token=None).next_page_token
        for text, order_by in (("name != 'x'", []), (None, ["name"])):
            with pytest.raises(Invalid, match="Invalid page token, it belongs to another filter or order_by"):
                search.find_models_mlflow(text, order_by=order_by, limit=1, token=token)
        assert search.find_models_mlflow("", order_by=[], limit=1, token=token).items[0].name == "m1"


@pytest.mark.parametrize(("limit", "says"), [(0, "must be a positive integer, but got 0"), (-1, "but got -1")])
def test_mlflows_pages_have_an_item_at_least(app: Flask, limit: int, says: str) -> None:
    for find in (search.find_models_mlflow, search.find_versions_mlflow):
        with app.app_context(), pytest.raises(Invalid, match=says):
            find(None, order_by=[], limit=limit, token=None)


def test_mlflows_pages_have_their_most(app: Flask) -> None:
    says = "Invalid value for request parameter max_results. It must be at most {}, but got value {}"
    with app.app_context():
        search.find_models_mlflow(None, order_by=[], limit=1000, token=None)
        search.find_versions_mlflow(None, order_by=[], limit=200_000, token=None)
        for find, most in ((search.find_models_mlflow, 1000), (search.find_versions_mlflow, 200_000)):
            with pytest.raises(Invalid) as refused:
                find(None, order_by=[], limit=most + 1, token=None)
            assert refused.value.detail == says.format(most, most + 1)


@pytest.mark.parametrize("kind", ["models", "versions"])
def test_a_longer_page_of_mlflows_needs_no_more_statements(app: Flask, registry: RegistryBuilder, kind: str) -> None:
    for number in range(12):
        registry.model(f"m{number % 6}").version(tags={"a": str(number)}, aliases=[f"c{number}"], stage="staging")
    find: Any = search.find_models_mlflow if kind == "models" else search.find_versions_mlflow

    counts = []
    for limit in (1, 6):
        with counting_statements(app) as statements, app.app_context():
            assert len(find("name LIKE 'm%' AND tags.a != 'no'" if kind == "versions" else "name LIKE 'm%'",
                            order_by=[], limit=limit, token=None).items) == limit  # fmt: skip
        counts.append(sum(one.startswith(("SELECT", "WITH")) for one in statements))

    assert counts[0] == counts[1] == 1


def test_deleted_models_are_found_by_no_search(app: Flask, api: Api, registry: RegistryBuilder) -> None:
    for name in ("kept", "gone"):
        registry.model(name).version()
        registry.model(name).version()
    expect(200, api.delete("/models/kept/versions/1"))
    expect(200, api.delete("/models/gone"))

    with app.app_context():
        models = search.find_models_mlflow(None, order_by=[], limit=10, token=None).items
        versions = search.find_versions_mlflow(None, order_by=[], limit=10, token=None).items
        assert [model.name for model in models] == ["kept"]
        assert [(version.model, version.number) for version in versions] == [("kept", 2)]
        assert [model.name for model in search.find_models(limit=10).items] == ["kept"]


@pytest.mark.share(1)
@pytest.mark.parametrize(
    "attack", ["' OR '1'='1", "x'); DROP TABLE models; --", "%", "_", "\\", "${x}", "%s", ":x", "{0}"]
)
def test_a_value_is_data_whatever_it_looks_like(app: Flask, registry: RegistryBuilder, attack: str) -> None:
    registry.model("plain").version(tags={"a": "1"})
    registry.model("odd").version(tags={"a": attack, attack: "here"})
    text = quoted(attack)

    assert found(app, f"tags.a = {text}") == ["odd:1"]
    assert found(app, f"tags.`{attack}` = 'here'") == ["odd:1"]
    with pytest.raises(UnknownValue, match="no model has this name"):
        found(app, f"tags.a = 'x' OR name = {text}")
    with app.app_context():
        for filter_ in (f'tags.a = "{attack}"', f"tags.`{attack}` = 'here'"):
            items = search.find_versions_mlflow(filter_, order_by=[], limit=10, token=None).items
            assert [item.model for item in items] == ["odd"]
        assert session_counts() == (2, 2)


def session_counts() -> tuple[int, int]:
    with transaction() as session:
        return len(session.scalars(select(Model.id)).all()), len(session.scalars(select(Version.id)).all())
