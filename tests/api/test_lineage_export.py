"""The lineage of a version as OpenLineage, PROV-JSON and CycloneDX: valid, repeatable, with what was stated since."""

from __future__ import annotations

import json
from typing import Any

import pytest
from prov.model import ProvDocument

from registry.api.lineage_examples import BILL_OF_MATERIALS
from registry.rules.lineage_kinds import EXPORT_FORMATS
from tests.support import document_validators, openlineage_classes
from tests.support.api import Api
from tests.support.registry_builder import RegistryBuilder
from tests.support.replies import expect

VERSION = "/models/fraud/versions/1"
TYPES = {
    "openlineage": "application/json",
    "prov": "application/json",
    "cyclonedx-1.6": "application/vnd.cyclonedx+json; version=1.6",
    "cyclonedx-1.7": "application/vnd.cyclonedx+json; version=1.7",
}
REASON = {"reason": "from the data platform"}


def data(name: str, **facts: Any) -> dict[str, Any]:
    return {"name": name, "digests": [f"sha256:{name[0] * 64}"], **facts}


def export(api: Api, version: str = VERSION) -> dict[str, Any]:
    """The documents of all formats, each of which is valid."""
    found = {}
    for form in EXPORT_FORMATS:
        answer = api.get(f"{version}/lineage/export", query_string={"format": form})
        found[form] = expect(200, answer)
        assert answer.headers["Content-Type"] == TYPES[form]
        assert answer.headers["Content-Disposition"].startswith("attachment; filename=")
        assert api.get(f"{version}/lineage/export?format={form}").get_data() == answer.get_data()
    openlineage_classes.event(found["openlineage"])
    ProvDocument.deserialize(content=json.dumps(found["prov"]), format="json")
    for form in ("1.6", "1.7"):
        assert document_validators.fault_of_bill(found[f"cyclonedx-{form}"], form) is None
    return found


def test_an_export_has_what_is_in_force_and_who_asserted_it(api: Api, registry: RegistryBuilder) -> None:
    registry.model("base").version()
    registry.model("fraud").version(
        files=[registry.file(b"weights")], datasets=[data("a-wrong"), data("b-clean", role="train")],
        run={"system": "ci", "id": "7", "params": {"lr": "0.1"}, "metrics": {"auc": 1.0}},
        code={"repo": "https://git.example/fraud", "commit": "0a1b2c3d"}, tags={"license": "MIT"},
    )  # fmt: skip
    before = export(api)
    added = expect(200, api.post(f"{VERSION}/lineage", {
        "parents": [{"model": "base", "version": 1, "relation": "finetune"}], "evaluated_on": [data("c-test")],
        **REASON,
    }))  # fmt: skip
    expect(
        200, api.post("/lineage/datasets", {"dataset": data("b-clean"), "transformed_from": [data("d-raw")], **REASON})
    )
    wrong = next(one for one in expect(200, api.get(f"{VERSION}/lineage?depth=1"))["graph"]["edges"]
                 if one["kind"] == "used")  # fmt: skip

    expect(200, api.put(f"/lineage/edges/{wrong['edge']}", {"retracted": True, **REASON}))
    after = export(api)

    assert {form: "a-wrong" in str(document) for form, document in before.items()} == dict.fromkeys(TYPES, True)
    assert {form: "a-wrong" in str(document) for form, document in after.items()} == dict.fromkeys(TYPES, False)
    assert [one["name"] for one in after["openlineage"]["inputs"]] == ["b-clean", "base:1"]
    bill = after["cyclonedx-1.7"]
    assert bill["metadata"]["timestamp"] > before["cyclonedx-1.7"]["metadata"]["timestamp"]
    assert bill["serialNumber"] != before["cyclonedx-1.7"]["serialNumber"]
    assert {one["name"] for one in bill["components"]} == {"b-clean", "c-test", "d-raw"}
    (ancestor,) = bill["metadata"]["component"]["pedigree"]["ancestors"]
    stated = {one["name"]: one["value"] for one in ancestor["properties"]}
    edge = next(one for one in added["edges"] if one["kind"] == "derived_from")
    assert stated["registry:asserted"] == f"{edge['statements'][0]['at']} {edge['statements'][0]['actor']}"
    assert stated["registry:relation"] == "fraud:1 derived_from:finetune"
    raw = [one["prov:usedEntity"] for one in after["prov"]["wasDerivedFrom"].values()
           if one["terms:relation"] == "transformed_from"]  # fmt: skip
    assert [after["prov"]["entity"][one]["prov:label"] for one in raw] == ["d-raw"]


def test_deleted_versions_and_those_without_lineage_are_exported(api: Api, registry: RegistryBuilder) -> None:
    name = "Modèle – 模型 " + "x" * 200
    registry.model(name).version()
    place = f"/models/{name}/versions/1"
    alone = export(api, place)
    expect(200, api.delete(place))

    deleted = export(api, place)

    assert alone["openlineage"]["schemaURL"].endswith("DatasetEvent")
    assert "wasInvalidatedBy" not in alone["prov"]
    assert len(deleted["prov"]["wasInvalidatedBy"]) == 1
    properties = {one["name"]: one["value"] for one in deleted["cyclonedx-1.6"]["metadata"]["component"]["properties"]}
    assert properties["registry:state"] == "deleted"
    assert deleted["cyclonedx-1.6"]["metadata"]["component"]["name"] == name


@pytest.mark.parametrize("query", ["", "format=spdx", "format=prov&depth=3"])
def test_other_formats_are_refused(api: Api, registry: RegistryBuilder, query: str) -> None:
    registry.model("fraud").version()

    expect(422, api.get(f"{VERSION}/lineage/export?{query}"))
    expect(404, api.get("/models/fraud/versions/9/lineage/export?format=prov"))


def test_the_documented_example_is_a_bill_of_materials() -> None:
    assert document_validators.fault_of_bill(BILL_OF_MATERIALS, "1.7") is None
