"""No answer is larger than its budget, however large its items are; the rest comes with the cursor."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask

from registry.app import create_app
from registry.config import Settings
from registry.db.bulk_insert import insert_rows
from registry.db.models import AliasTenure
from registry.db.queries.pages import BUDGET
from registry.db.session import attach, db, look_up, transaction
from registry.domain import sizes
from registry.domain.errors import Unavailable
from registry.rules.names import TAG_VALUE_LENGTH
from tests.support.api import HOST, Api
from tests.support.databases import Database
from tests.support.mlflow_api import MlflowApi
from tests.support.registry_builder import RegistryBuilder
from tests.support.replies import expect

COUNT = 6
SLACK = 1.1  # for the names of fields, and what every item has


def tags(count: int = 10) -> dict[str, str]:
    """Tags at MLflow's limit for each, which ten of them all but fill."""
    return {f"t{number}": "x" * TAG_VALUE_LENGTH for number in range(count)}


@pytest.fixture
def large(registry: RegistryBuilder) -> RegistryBuilder:
    """Versions and models of which no more than four fit on a page, and their history."""
    for files in registry.different_files(COUNT):
        registry.model("fraud").version(files=files, tags=tags())
    for number in range(COUNT):
        registry.create_model(f"model-{number}", tags=tags())
    return registry


def pages(api: Api, path: str, *, limit: int = 200) -> Iterator[tuple[int, list[Any]]]:
    """Each page's length in bytes, and its items."""
    separator = "&" if "?" in path else "?"
    cursor: str | None = ""
    while cursor is not None:
        response = api.get(f"{path}{separator}limit={limit}" + (f"&cursor={cursor}" if cursor else ""))
        document = expect(200, response)
        yield len(response.data), document["items"]
        cursor = document["next_cursor"]


@pytest.mark.parametrize(
    ("path", "key", "count"),
    [
        ("/models", "name", COUNT + 1),
        ("/models/fraud/versions", "number", COUNT),
        ("/search/models?filter=name LIKE 'model-%25'", "name", COUNT),
        ("/search/versions?filter=tags.t1 != 'x'&order_by=version_number", "number", COUNT),
        ("/models/fraud/history", "seq", COUNT + 1),
        ("/audit?model=fraud", "seq", COUNT + 1),
    ],
)
def test_a_page_ends_where_its_bytes_would_exceed_the_budget(
    large: RegistryBuilder, api: Api, path: str, key: str, count: int
) -> None:
    found = list(pages(api, path))

    assert len(found) > 1
    assert max(length for length, _ in found) <= BUDGET * SLACK
    assert all(items for _, items in found)
    keys = [item[key] for _, items in found for item in items]
    assert len(keys) == len(set(keys)) == count


def test_pages_are_the_same_after_one_that_did_not_fit(registry: RegistryBuilder, api: Api) -> None:
    """From then on, rows are measured before they are built."""
    for number, files in enumerate(registry.different_files(3)):
        registry.model("light").version(files=files, tags={"k": "v"}, metrics={"auc": number / 2} if number else {})
    paths = [
        "/models/light/versions",
        "/models?name=light",
        "/search/versions?filter=name='light'&order_by=metrics.auc DESC",
        "/search/models?filter=name='light'",
    ]

    def read() -> list[list[Any]]:
        return [[item for _, items in pages(api, path, limit=2) for item in items] for path in paths]

    before = read()
    for files in registry.different_files(COUNT):
        registry.model("fraud").version(files=files, tags=tags())
    assert len(list(pages(api, "/models/fraud/versions"))) > 1
    assert len(list(pages(api, "/search/versions?filter=name='fraud'"))) > 1

    assert read() == before
    assert [item["number"] for item in before[2]] == [3, 2, 1]
    assert [len(items) for items in before] == [3, 1, 3, 1]


def test_escapes_count_among_the_bytes_of_a_page(registry: RegistryBuilder, api: Api) -> None:
    description = "\x01" * sizes.DESCRIPTION_LENGTH
    count = 1 + BUDGET // len(r"\u0001") // sizes.DESCRIPTION_LENGTH
    registry.create_model("light")
    for number, files in enumerate(registry.different_files(count)):
        registry.model("fraud").version(files=files)
        expect(None, api.patch(f"/models/fraud/versions/{number + 1}", {"description": description}))
        registry.create_model(f"model-{number}", description=description)
    mlflow_api = MlflowApi(api.client, api.token)

    for path in ("/models", "/models/fraud/versions", "/search/versions?filter=name='fraud'", "/audit?model=fraud"):
        items = list(pages(api, path))
        assert len(items) > 1
        assert max(length for length, _ in items) <= BUDGET * SLACK
    for path in ("registered-models", "model-versions"):
        response = mlflow_api("GET", f"/{path}/search", max_results="1000", filter="name LIKE '%'")
        assert expect(200, response)["next_page_token"]
        assert len(response.data) <= BUDGET * SLACK


@pytest.mark.parametrize(("path", "count"), [("registered-models", COUNT + 1), ("model-versions", COUNT)])
def test_mlflows_pages_have_the_same_budget(large: RegistryBuilder, api: Api, path: str, count: int) -> None:
    mlflow_api, found, lengths = MlflowApi(api.client, api.token), [], []
    token: str | None = ""

    while token is not None:
        response = mlflow_api("GET", f"/{path}/search", max_results="1000", page_token=token, filter="name LIKE '%'")
        document = expect(200, response)
        found += [item["name"] + item.get("version", "") for item in document[path.replace("-", "_")]]
        lengths.append(len(response.data))
        token = document.get("next_page_token")

    assert len(lengths) > 1
    assert max(lengths) <= BUDGET * SLACK
    assert len(found) == len(set(found)) == count


def test_the_tags_of_a_version_or_a_model_are_bounded_in_total(registry: RegistryBuilder, api: Api) -> None:
    mlflow_api = MlflowApi(api.client, api.token)
    number = registry.model("fraud").version(tags=tags())
    registration = {"files": [registry.file()], "tags": tags(11)}
    last = {"key": "last", "value": "y" * TAG_VALUE_LENGTH}

    refused = [
        api.post("/models/fraud/versions", registration),
        api.patch(f"/models/fraud/versions/{number}", {"tags": {last["key"]: last["value"]}}),
        mlflow_api("POST", "/model-versions/set-tag", name="fraud", version=str(number), **last),
    ]
    api.patch("/models/fraud", {"tags": tags()})
    refused += [
        api.patch("/models/fraud", {"tags": {last["key"]: last["value"]}}),
        mlflow_api("POST", "/registered-models/set-tag", name="fraud", **last),
    ]

    assert [response.status_code for response in refused] == [422, 422, 400, 422, 400]
    assert all(f"{sizes.TAGS_BYTES} bytes in total" in response.get_data(as_text=True) for response in refused)
    expect(200, api.patch(f"/models/fraud/versions/{number}", {"tags": {"t0": None, last["key"]: last["value"]}}))
    quotes = {last["key"]: '"' * TAG_VALUE_LENGTH}
    for response in (
        api.patch(f"/models/fraud/versions/{number}", {"tags": quotes}),
        api.post(
            "/models/fraud/versions",
            {**registration, "tags": {f"t{key}": "x" * TAG_VALUE_LENGTH for key in range(1, 10)} | quotes},
        ),
    ):
        assert "not 1100022;" in expect(422, response)["detail"]


def test_what_a_registration_says_is_bounded_in_total(registry: RegistryBuilder, api: Api) -> None:
    registry.create_model()
    params = {f"p{number}": "x" * 6000 for number in range(200)}
    body = {"files": [registry.file()]}

    for said in ({"params": params}, {"run": {"system": "ci", "id": "1", "params": params}}, {"claimed": params},
                 {"signature": params}, {"datasets": [{"name": "d", "digests": ["sha256:" + "0" * 64],
                                                       "schema": params}]}):  # fmt: skip
        refusal = expect(422, api.post("/models/fraud/versions", {**body, **said}))
        assert f"{sizes.FACTS_BYTES} bytes in total" in refusal["detail"]


def test_the_names_of_metrics_are_bounded_in_number(registry: RegistryBuilder, api: Api) -> None:
    number = registry.model("fraud").version(metrics={f"a{key}": 1.0 for key in range(1000)})
    path = f"/models/fraud/versions/{number}/metrics"
    expect(None, api.post(path, {"metrics": {f"b{key}": 1.0 for key in range(1000)}}))

    refusal = expect(422, api.post(path, {"metrics": {"c": 1.0}}))

    assert f"{sizes.METRIC_KEYS} metrics" in refusal["errors"]["metrics"][0]
    expect(None, api.post(path, {"metrics": {"a1": 2.0}}))


def test_the_names_of_metrics_and_their_datasets_are_bounded_in_total(registry: RegistryBuilder, api: Api) -> None:
    """Each name of a dataset counts for each metric that was measured on it, as a response repeats it."""
    number = registry.model("fraud").version(metrics={f"a{key}": 1.0 for key in range(10)})
    path = f"/models/fraud/versions/{number}/metrics"
    named = {"dataset_digest": "sha256:" + "0" * 64, "dataset_name": "\N{CJK UNIFIED IDEOGRAPH-4E00}" * 500}
    larger = {"metrics": {f"b{key}": 1.0 for key in range(sizes.METRIC_BYTES // 1500)}, **named}
    half = {"metrics": {f"c{key}": 1.0 for key in range(sizes.METRIC_BYTES // 3000)}, **named}

    refusals = [
        api.post("/models/fraud/versions", {"files": [registry.file()], "evaluations": [larger]}),
        api.post(path, larger),
    ]
    expect(None, api.post(path, half))
    expect(None, api.post(path, half))
    refusals.append(api.post(path, {**half, "dataset_digest": "sha256:" + "1" * 64}))

    for response in refusals:
        assert f"{sizes.METRIC_BYTES} bytes" in expect(422, response)["errors"]["metrics"][0]
    expect(None, api.post(path, {"metrics": {"a1": 2.0}}))
    assert len(api.get(f"/models/fraud/versions/{number}").data) <= BUDGET


def test_a_description_is_bounded_for_mlflows_clients_too(registry: RegistryBuilder, api: Api) -> None:
    mlflow_api, long = MlflowApi(api.client, api.token), "x" * (sizes.DESCRIPTION_LENGTH + 1)
    number = registry.model("fraud").version()

    for call, path, said in (
        ("POST", "/registered-models/create", {"name": "other"}),
        ("PATCH", "/registered-models/update", {"name": "fraud"}),
        ("POST", "/model-versions/create", {"name": "fraud", "source": "s3://elsewhere/model"}),
        ("PATCH", "/model-versions/update", {"name": "fraud", "version": str(number)}),
    ):
        status, code, message = mlflow_api.refused(call, path, description=long, **said)
        assert (status, code) == (400, "INVALID_PARAMETER_VALUE")
        assert "description" in message


def test_the_aliases_of_a_model_are_bounded_in_number(registry: RegistryBuilder, api: Api, app: Flask) -> None:
    registry.model("fraud").version(aliases=["a"])
    with app.app_context(), transaction() as session:  # by SQL: a thousand requests would take longer than all others
        columns = [column for column in AliasTenure.__table__.columns if column.name != "id"]
        row = session.execute(sa.select(*columns)).mappings().one()
        insert_rows(session, AliasTenure, [{**row, "alias": f"b{number}"} for number in range(sizes.ALIASES - 1)])

    refusal = expect(409, api.put("/models/fraud/aliases/c", {"version": 1}))

    assert "1000 aliases" in refusal["detail"]
    expect(200, api.put("/models/fraud/aliases/a", {"version": 1, "expected_current": 1}))


@pytest.mark.parametrize(
    ("pattern", "says"),
    [("%" + "a%" * 8, "9 wildcards"), ("a" * 256, "256 characters"), ("%a" * 9, "9 wildcards")],
)
@pytest.mark.parametrize("operator", ["LIKE", "ILIKE"])
def test_a_pattern_that_costs_too_much_is_refused_in_both_dialects(
    api: Api, pattern: str, says: str, operator: str
) -> None:
    mlflow_api, wanted = MlflowApi(api.client, api.token), f"name {operator} '{pattern}'"

    native = [
        expect(422, api.get(f"/search/{kind}", query_string={"filter": wanted})) for kind in ("models", "versions")
    ]
    mlflow = [
        mlflow_api.refused("GET", f"/{kind}/search", filter=wanted) for kind in ("registered-models", "model-versions")
    ]

    assert all(says in refusal["detail"] for refusal in native)
    assert all(status == 400 and says in message for status, _, message in mlflow)


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_statement_of_a_request_ends_at_its_limit(database: Database) -> None:
    """As PostgreSQL's statement_timeout; ten seconds of a test would show no more than a tenth of one."""
    app = Flask("limited")
    attach(app, database.url, pool_size=1, statement_seconds=0.1)
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"

    with app.test_request_context(base_url=HOST):
        with pytest.raises(Unavailable, match="takes too long"):
            look_up(sa.text(endless))
        assert look_up(sa.text("SELECT 1")) == [(1,)]
        db.engine.dispose()


def test_the_open_uploads_of_an_account_are_bounded(database: Database, make_settings: Callable[..., Settings]) -> None:
    app = create_app(make_settings(database.url, open_uploads=3, open_upload_bytes=1000))
    writer, other = (Api(app.test_client(), database.tokens[role]) for role in ("writer", "promoter"))
    sizes = [{"sha256": f"{number:064x}", "size": 100} for number in range(9)]
    first = expect(None, writer.post("/uploads", sizes[0]))
    expect(None, writer.post("/uploads/batch", {"uploads": sizes[1:3]}))

    many = expect(409, writer.post("/uploads", sizes[3]))
    large = expect(409, other.post("/uploads", {**sizes[3], "size": 1001}))
    expect(200, writer.delete(f"/uploads/{first['id']}"))

    assert "REGISTRY_OPEN_UPLOADS" in many["detail"]
    assert "REGISTRY_OPEN_UPLOAD_BYTES" in large["detail"]
    expect(None, writer.post("/uploads", sizes[3]))
    with app.app_context():
        db.engine.dispose()


@pytest.mark.parametrize("headers", [{"Content-Type": "text/plain"}, {"Content-Type": "application/json",
                                                                      "Content-Encoding": "gzip"}])  # fmt: skip
def test_every_mlflow_endpoint_checks_what_a_body_says_that_it_is(
    app: Flask, api: Api, headers: dict[str, str]
) -> None:
    headers = {**headers, "Authorization": f"Bearer {api.token}"}
    wrong = {}
    for rule in app.url_map.iter_rules():
        for method in (rule.methods or set()) & {"POST", "PATCH", "DELETE"}:
            if not rule.endpoint.startswith("mlflow") or rule.endpoint in TAKE_NO_JSON:
                continue
            path = re.sub("<[^>]+>", "x", rule.rule)
            reply = api.client.open(path, method=method, data=b'{"a": 1}', headers=headers, base_url=HOST)
            if reply.status_code != 400 or "Content-Type must be" not in reply.get_data(as_text=True):
                wrong[method, rule.rule] = reply.get_data(as_text=True)

    assert wrong == {}


TAKE_NO_JSON = {"mlflow.unknown", "mlflow_artifacts.delete", "mlflow_artifacts.upload"}


def test_an_upload_in_more_parts_than_one_answer_has_room_for_is_refused(api: Api) -> None:
    headers = {"Authorization": f"Bearer {api.token}"}

    body = {"path": "model.bin", "num_parts": 10_000}
    refused = api.client.post("/api/2.0/mlflow-artifacts/mpu/create/x", json=body, headers=headers, base_url=HOST)

    assert "MLFLOW_MULTIPART_UPLOAD_CHUNK_SIZE" in expect(400, refused)["message"]
