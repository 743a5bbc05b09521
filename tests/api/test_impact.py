"""Impact of data, and the graph around a version, on both databases."""

from __future__ import annotations

import csv
import io
from typing import Any

from flask import Flask

from registry.db.bulk_insert import insert_rows
from registry.db.models import LineageEdge, LineageNode
from registry.db.session import transaction
from tests.api.test_metrics import counted
from tests.support.api import Api
from tests.support.registry_builder import RegistryBuilder
from tests.support.replies import expect
from tests.support.statement_counting import counting_statements

DIGEST, OTHER = f"sha256:{'ab' * 32}", "md5:" + "0f" * 16
TRAIN = {"name": "train.csv", "digests": [DIGEST, OTHER], "role": "train", "uri": "s3://data/train", "rows": 7}
SAME = {"name": "=cmd|' /C calc'!A0", "digests": [DIGEST], "role": "test"}


def impact(api: Api, digest: str = DIGEST, **query: Any) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    while True:
        page = expect(200, api.get("/lineage/impact", query_string={"digest": digest, **query, **cursor}))
        items += page["items"]
        if page["next_cursor"] is None:
            return items
        cursor = {"cursor": page["next_cursor"]}


def labels(items: list[dict[str, Any]]) -> list[str]:
    return [f"{item['model']}:{item['number']} {item['stage']}" for item in items]


def use(registry: RegistryBuilder, api: Api) -> None:
    fraud, pricing = registry.model("fraud"), registry.model("pricing")
    fraud.version(stage="production", datasets=[TRAIN])
    fraud.version(stage="production", datasets=[TRAIN, SAME])  # version 1 is archived
    fraud.version(stage="staging", datasets=[SAME])
    fraud.version(datasets=[{"name": "other", "digests": [f"sha256:{'cd' * 32}"]}])
    pricing.version(stage="production", datasets=[TRAIN])
    pricing.version(datasets=[TRAIN])
    expect(200, api.delete("/models/pricing/versions/2"))


def test_the_versions_that_used_data_are_listed_with_those_that_serve_first(
    registry: RegistryBuilder, api: Api
) -> None:
    use(registry, api)
    everything = ["pricing:1 production", "fraud:2 production", "fraud:3 staging", "pricing:2 none",
                  "fraud:1 archived"]  # fmt: skip

    found = impact(api)

    assert labels(found) == everything
    assert labels(impact(api, limit=1)) == labels(impact(api, limit=2)) == everything
    assert labels(impact(api, OTHER.upper())) == everything  # the data of both digests is the same
    assert labels(impact(api, f"md5:{'0' * 32} {OTHER}")) == everything  # one of them is unknown
    assert labels(impact(api, stage="production")) == everything[:2]
    assert found[1]["uses"] == [{"dataset": "train.csv", "role": "train"}, {"dataset": SAME["name"], "role": "test"}]
    assert [one["state"] for one in found] == ["ready", "ready", "ready", "deleted", "ready"]
    assert found[0]["production"]["until"] is None
    assert found[4]["production"]["until"] == found[1]["production"]["since"]
    assert found[2]["production"] is None

    with api.get("/lineage/impact", query_string={"digest": DIGEST, "format": "csv"}) as response:
        rows = list(csv.DictReader(io.StringIO(response.text)))
    assert response.headers["Content-Disposition"] == 'attachment; filename="impact.csv"'
    assert [f"{row['model']}:{row['version']} {row['stage']}" for row in rows] == everything
    assert rows[2]["uses"] == f"'{SAME['name']} (test)"  # no spreadsheet takes it for a formula


def test_a_digest_that_no_lineage_names_is_not_found_and_a_text_that_is_none_is_refused(api: Api) -> None:
    for form in ({}, {"format": "csv"}):
        unknown = expect(404, api.get("/lineage/impact", query_string={"digest": f"sha256:{'00' * 32}", **form}))
        assert unknown["detail"] == f"no lineage names the digest sha256:{'00' * 32}"

    malformed = ("", " ", "x", "sha256:", "sha256:XYZ", "\xff", "a\x00", "sha256:" + "a" * 4000, "' OR 1=1 --")
    for digest in (*malformed, f"{'a' * 64} x", " ".join(["a" * 64] * 6)):
        for form in ({}, {"format": "csv"}):
            expect(422, api.get("/lineage/impact", query_string={"digest": digest, **form}))


def graph(api: Api, path: str, depth: int) -> dict[str, Any]:
    document: dict[str, Any] = expect(200, api.get(f"/models/{path}/lineage?depth={depth}"))
    return document["graph"]


def edges(found: dict[str, Any]) -> set[str]:
    names = {node["id"]: node["name"] for node in found["nodes"]}
    return {f"{names[edge['source']]} {edge['kind']} {names[edge['target']]}" for edge in found["edges"]}


OTHER_DATA = {"name": "other.csv", "digests": [f"sha256:{'cd' * 32}"]}


def test_the_graph_has_inputs_parents_and_derived_versions_step_by_step(registry: RegistryBuilder, api: Api) -> None:
    registry.model("base").version(datasets=[TRAIN], code={"repo": "https://git.test/base", "commit": "c0ffee"})
    fraud = registry.model("fraud")
    fraud.version(
        parents=[{"model": "base", "version": 1}],
        run={"system": "ci", "id": "41", "url": "https://ci.test/41", "params": {"seed": "7"}},
        environment={"python": "3.12", "lock_digest": DIGEST},
        datasets=[OTHER_DATA],
    )
    fraud.version(parents=[{"model": "fraud", "version": 1}])
    fraud.version(parents=[{"model": "fraud", "version": 2}], datasets=[TRAIN])

    near, far, whole = (graph(api, "fraud/versions/1", depth) for depth in (1, 2, 3))

    direct = {"fraud:1 used other.csv", "fraud:1 produced_by ci/41", f"fraud:1 ran_in {DIGEST}",
              "fraud:1 derived_from base:1", "fraud:2 derived_from fraud:1"}  # fmt: skip
    inputs = {"base:1 used train.csv", "base:1 built_from https://git.test/base"}
    assert edges(near) == direct
    assert edges(far) == direct | inputs | {"fraud:3 derived_from fraud:2"}
    assert edges(whole) == edges(far)
    assert [node["id"] for node in far["nodes"]] == list(range(len(far["nodes"])))
    by_name = {node["name"]: node for node in far["nodes"]}
    assert near["nodes"][0] == {"id": 0, "kind": "version", "name": "fraud:1", "model": "fraud", "version": 1,
                                "stage": "none", "state": "ready", "digests": [], "facts": {}}  # fmt: skip
    assert by_name["ci/41"]["facts"] == {"url": "https://ci.test/41"}
    assert by_name["train.csv"]["digests"] == [OTHER, DIGEST]
    assert by_name["train.csv"]["facts"] == {"uri": "s3://data/train", "rows": 7}
    assert by_name["https://git.test/base"]["facts"] == {"repo": "https://git.test/base", "commit": "c0ffee"}
    assert far["more"] == 0


def test_a_graph_has_a_thousand_nodes_and_counts_the_others_and_ends_in_a_circle(
    app: Flask, registry: RegistryBuilder, api: Api
) -> None:
    fraud = registry.model("fraud")
    fraud.version()
    fraud.version(parents=[{"model": "fraud", "version": 1}])
    with app.app_context(), transaction() as session:
        first, second = session.query(LineageNode).order_by(LineageNode.id)
        at = first.created_at
        nodes = [{"kind": "dataset", "key": str(number), "name": f"d{number}", "attributes": {}, "created_at": at}
                 for number in range(1020)]  # fmt: skip
        insert_rows(session, LineageNode, nodes)
        drawn = session.query(LineageNode.id).where(LineageNode.kind == "dataset")
        insert_rows(
            session, LineageEdge,
            [{"source_id": first.id, "target_id": target, "kind": "used", "role": "", "created_at": at}
             for (target,) in drawn] +
            [{"source_id": first.id, "target_id": second.id, "kind": "derived_from", "role": "", "created_at": at}],
        )  # fmt: skip

    with counted(api) as grown, counting_statements(app) as statements:
        found = graph(api, "fraud/versions/1", 3)

    assert grown["registry_lineage_cut_total:graph"] == 1
    assert grown["registry_lineage_nodes_sum:graph"] == 1022
    assert len(found["nodes"]) == 1000
    assert (found["more"], found["cut"]) == (22, [0])
    assert len(statements) <= 27


def test_a_graph_names_the_nodes_of_which_not_every_edge_was_read(
    app: Flask, registry: RegistryBuilder, api: Api
) -> None:
    registry.model("fraud").version()
    with app.app_context(), transaction() as session:
        version = session.query(LineageNode).one()
        at = version.created_at
        nodes = [{"kind": "dataset", "key": str(number), "name": f"d{number}", "attributes": {}, "created_at": at}
                 for number in range(203)]  # fmt: skip
        insert_rows(session, LineageNode, nodes)
        drawn = session.query(LineageNode.id).where(LineageNode.kind == "dataset").order_by(LineageNode.id)
        data = [node for (node,) in drawn]
        read, sources, alone = data[:101], data[101:202], data[202]
        pairs = [(version.id, node) for node in read] + [(one, other) for one in read[:50] for other in sources]
        insert_rows(
            session, LineageEdge,
            [{"source_id": source, "target_id": target, "kind": "transformed_from", "role": "", "created_at": at}
             for source, target in [*pairs, (read[50], alone)]],
        )  # fmt: skip

    found = graph(api, "fraud/versions/1", 2)

    names = [node["name"] for node in found["nodes"]]
    assert len(found["edges"]) == 101 + 5000
    assert (names[0], len(names), found["more"]) == ("fraud:1", 203, 0)
    assert {names[place] for place in found["cut"]} == {f"d{number}" for number in range(49, 101)}


def test_md5_of_dvc_is_md5(registry: RegistryBuilder, api: Api) -> None:
    digest = "ab" * 16
    registry.model("fraud").version(datasets=[{"name": "d", "digests": [f"dvc-md5:{digest}"]}])

    for algorithm in ("md5", "dvc-md5", "DVC-MD5"):
        found = expect(200, api.get("/lineage/impact", query_string={"digest": f"{algorithm}:{digest}"}))
        assert [item["number"] for item in found["items"]] == [1]
    refused = expect(422, api.get("/lineage/impact", query_string={"digest": f"md5:{digest}0"}))
    assert "32 hex digits after md5:" in refused["detail"]


def test_without_a_depth_the_lineage_is_as_before_and_has_an_etag(registry: RegistryBuilder, api: Api) -> None:
    registry.model("fraud").version()
    for depth in ("0", "51", "-1", "x", "9999999999", "1.0", ""):
        expect(422, api.get(f"/models/fraud/versions/1/lineage?depth={depth}"))

    with (
        api.get("/models/fraud/versions/1/lineage") as plain,
        api.get("/models/fraud/versions/1/lineage?depth=1") as deep,
    ):
        assert (plain.json or {}).keys() == {"model", "number", "lineage"}
        assert "ETag" in plain.headers
        assert "ETag" not in deep.headers
