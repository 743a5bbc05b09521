"""Exported documents: each is valid by the schema of its format, for any lineage."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from packageurl import PackageURL
from prov.model import ProvDocument

from registry.domain import clock
from registry.domain.lineage import (
    BaseModel,
    Code,
    DataJob,
    Dataset,
    EdgeKind,
    Environment,
    NodeKind,
    Run,
    Snapshot,
    job_node,
    nodes,
)
from registry.domain.lineage_exports import cyclonedx, openlineage, prov
from registry.domain.lineage_exports.facts import (
    ExportedEdge,
    ExportedMetric,
    ExportedNode,
    ExportedVersion,
    LineageFacts,
)
from registry.domain.manifest import File
from tests.support import document_validators, openlineage_classes

NOW = datetime(2026, 11, 21, 13, 5, tzinfo=UTC)
SHA = "sha256:" + "ab" * 32
BILLS = ("1.6", "1.7")

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=30)
names = st.text(st.characters(categories=["L", "N", "S", "Pd"]), min_size=1, max_size=30)
addresses = st.none() | texts | st.from_regex(r"(s3|hf|https|git|file)://[a-z@:\[\]#%?/ é]{0,20}", fullmatch=True)
digests = st.lists(
    st.sampled_from([SHA, "md5:" + "c" * 32, "md5:" + "c" * 32 + ".dir", "mlflow:abc", "git:" + "d" * 40]), max_size=3
).map(tuple)
schemas = (
    st.none()
    | st.fixed_dictionaries({"fields": st.lists(st.fixed_dictionaries({"name": texts}))})
    | (st.dictionaries(texts, st.none() | st.integers(0, 9) | texts))
)
values = st.dictionaries(texts, texts, max_size=2)
snapshots = st.builds(
    Snapshot,
    run=st.none() | st.builds(
        Run, texts, texts | st.uuids().map(str), addresses, values,
        st.dictionaries(texts, st.floats(allow_nan=False, allow_infinity=False), max_size=2),
        tags=values | st.just({"mlflow.parentRunId": "p"}), started_at=st.none() | st.just(NOW),
        finished_at=st.none() | st.just(NOW), triggered_by=st.none() | texts),
    code=st.none() | st.builds(Code, addresses, st.none() | texts, texts, st.none() | st.booleans(), st.none() | texts),
    environment=st.none() | st.builds(
        Environment, texts, st.sampled_from([None, SHA]), st.sampled_from([None, SHA])),
    datasets=st.lists(st.builds(Dataset, texts, digests, addresses, rows=st.none() | st.integers(0, 2**40),
                                schema=schemas), max_size=3).map(tuple),
    base_models=st.lists(st.builds(BaseModel, st.just("hf://o/n@0a1b2c3") | texts, digests), max_size=2).map(tuple),
)  # fmt: skip
versions = st.builds(
    ExportedVersion,
    model=names, number=st.integers(1, 10**9), state=st.just("ready"), stage=st.just("none"), is_prompt=st.booleans(),
    manifest_digest=st.sampled_from([None, SHA]), file_count=st.integers(0, 3), size=st.integers(0, 2**40),
    description=st.just("") | texts, framework=st.none() | texts,
    tags=st.dictionaries(
        st.sampled_from(["license", "model.task", "model.approach", "model.architecture", "model.use_cases", "x"]),
        texts | st.sampled_from(["mit", "MIT OR Apache-2.0", "GPL-2.0+", "supervised", "LicenseRef-x"])),
    params=values, metrics=st.lists(st.builds(ExportedMetric, texts, st.floats(allow_nan=False), st.just("") | texts)),
    created_at=st.just(NOW), created_by=texts, deleted_at=st.sampled_from([None, NOW]),
)  # fmt: skip


def facts_of(
    snapshot: Snapshot,
    version: ExportedVersion,
    *,
    evaluated: bool = False,
    files: Sequence[File] = (),
    left_out: int = 0,
) -> LineageFacts:
    """The facts of a version with this snapshot and a parent, whose first data was made from other data by a job."""
    own = ExportedNode(NodeKind.VERSION, "7", f"{version.model}:{version.number}", model=version.model,
                       number=version.number, state=version.state)  # fmt: skip
    parent = ExportedNode(NodeKind.VERSION, "5", "base:1", model="base", number=1, state="deleted")
    direct = [*{(one.kind, one.key): one for one in nodes(snapshot)}.values()]  # a graph has each node once
    raw, job = next(nodes(Snapshot(datasets=(Dataset("raw", (SHA,)),)))), job_node(DataJob("airflow", "clean"))
    found = [own, parent, *(ExportedNode(one.kind, one.key, one.name, one.digests, one.attributes)
                            for one in (*direct, raw, job))]  # fmt: skip
    edges = [(0, 1, EdgeKind.DERIVED_FROM, "finetune")]
    edges += [(0, place, one.edge, one.role) for place, one in enumerate(direct, start=2)]
    if data := [place for place, one in enumerate(direct, start=2) if one.kind == NodeKind.DATASET]:
        origins = [(-2, EdgeKind.TRANSFORMED_FROM), (-2, EdgeKind.PART_OF), (-1, EdgeKind.PRODUCED_BY)]
        edges += [(data[0], len(found) + place, kind, "") for place, kind in origins]
        edges += [(0, data[-1], EdgeKind.EVALUATED_ON, "")] if evaluated else []
    return LineageFacts(
        "https://registry.example", version, found,
        [ExportedEdge(edge if kind != EdgeKind.PART_OF else None, source, target, kind, role or None, "ann",
                      NOW if kind != EdgeKind.PART_OF else None)
         for edge, (source, target, kind, role) in enumerate(edges, start=1)],
        NOW, left_out, [len(found) - 2] if left_out else [], files,
    )  # fmt: skip


def documents(facts: LineageFacts) -> dict[str, Any]:
    """The documents of all formats, as they arrive, each of which its schema allows."""
    made = {
        "openlineage": openlineage.document(facts),
        "prov": prov.document(facts),
        **{form: cyclonedx.document(facts, form) for form in BILLS},
    }
    found = {form: json.loads(json.dumps(document)) for form, document in made.items()}
    openlineage_classes.event(found["openlineage"])
    assert document_validators.faults_of_prov(found["prov"]) == []
    ProvDocument.deserialize(content=json.dumps(found["prov"]), format="json").get_provn()
    assert [document_validators.fault_of_bill(found[form], form) for form in BILLS] == [None, None]
    return found


def references(part: Any) -> list[str]:
    """The ``bom-ref`` of all components."""
    if isinstance(part, dict):
        own = [part["bom-ref"]] if "bom-ref" in part else []
        return own + [one for value in part.values() for one in references(value)]
    return [one for item in part for one in references(item)] if isinstance(part, list) else []


# Without shrinking: each document takes a schema of 300 kB milliseconds.
@settings(max_examples=12, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(snapshots, versions, st.booleans(), st.integers(0, 2))
def test_any_lineage_gives_valid_documents_and_the_same_ones_again(
    snapshot: Snapshot, version: ExportedVersion, evaluated: bool, left_out: int
) -> None:
    files = [File("é\n.bin", 3, "a" * 64, "Any Thing")]
    facts = facts_of(snapshot, version, evaluated=evaluated, files=files, left_out=left_out)

    found = documents(facts)

    assert found == documents(facts)
    bill = found["1.7"]
    assert PackageURL.from_string(bill["metadata"]["component"]["purl"]).name == version.model
    named = references(bill)
    assert len(named) == len(set(named))
    assert {one for line in bill["dependencies"] for one in (line["ref"], *line.get("dependsOn", ()))} <= {*named}
    assert bill["serialNumber"] != found["1.6"]["serialNumber"]


SNAPSHOT = Snapshot(
    run=Run("mlflow", "0b7c1f7e4d3a4c529a552f1d6a8c9e10", "https://ml.example/1", {"lr": "0.1"}, {"auc": 0.9},
            tags={"mlflow.parentRunId": "1b7c1f7e4d3a4c529a552f1d6a8c9e10"}, finished_at=NOW, triggered_by="kim"),
    code=Code("git@git.example:team/fraud.git", "0a1b2c3", "train.py", dirty=True, branch="main"),
    environment=Environment("3.12", SHA, SHA),
    datasets=(Dataset("payments", (SHA,), "s3://data/pay ments.csv", rows=5,
                      schema={"columns": [{"name": "amount", "type": "double"}, "more"]}),),
    base_models=(BaseModel("hf://org/tabular@0A1B2C3"),),
)  # fmt: skip
VERSION = ExportedVersion(
    "fraud", 3, "ready", "production", False, SHA, 2, 10, "Detects fraud", "sklearn",
    {"license": "apache-2.0", "model.task": "classification", "model.approach": "supervised",
     "model.architecture": "GBDT", "model.limitations": "only cards"},
    {"lr": "0.1"}, [ExportedMetric("auc", 0.91, "payments"), ExportedMetric("f1", 1e-07)], NOW, "ci", None,
)  # fmt: skip
FILES = [File("model.bin", 3, "a" * 64, "application/octet-stream"), File("MLmodel", 7, "b" * 64, "Not A Type")]


def test_openlineage_is_an_event_of_the_run_with_inputs_and_the_version() -> None:
    event = documents(facts_of(SNAPSHOT, VERSION, evaluated=True))["openlineage"]

    job, run, (data, *models), (output,) = event["job"], event["run"], event["inputs"], event["outputs"]
    assert (event["eventType"], event["eventTime"]) == ("COMPLETE", clock.wire(NOW))
    assert run["runId"] == "0b7c1f7e-4d3a-4c52-9a55-2f1d6a8c9e10"
    assert run["facets"]["parent"]["run"]["runId"] == "1b7c1f7e-4d3a-4c52-9a55-2f1d6a8c9e10"
    assert (job["namespace"], job["name"]) == ("mlflow", "git@git.example:team/fraud.git/train.py")
    location = job["facets"]["sourceCodeLocation"]
    assert (location["url"], location["version"]) == ("ssh://git@git.example/team/fraud.git", "0a1b2c3")
    assert (data["namespace"], data["name"]) == ("s3://data", "pay ments.csv")
    assert data["facets"]["version"]["datasetVersion"] == SHA
    assert data["facets"]["dataSource"]["uri"] == "s3://data/pay%20ments.csv"
    assert data["facets"]["schema"]["fields"] == [{"name": "amount", "type": "double"}]
    assert data["inputFacets"]["inputStatistics"]["rowCount"] == 5
    assert data["facets"]["modelRegistry_origin"]["assertedBy"] == "ann"
    assert [one["name"] for one in models] == ["base:1", "tabular@0A1B2C3"]
    assert (output["namespace"], output["name"]) == ("https://registry.example", "fraud:3")
    (evaluated,) = output["facets"]["modelRegistry_version"]["evaluatedOn"]
    assert evaluated["name"] == "payments"


def test_a_version_without_a_run_is_an_event_of_its_job_or_of_the_data_itself() -> None:
    by_code = documents(facts_of(Snapshot(code=SNAPSHOT.code), VERSION))["openlineage"]
    alone = documents(replace(facts_of(Snapshot(), VERSION), edges=[]))["openlineage"]

    assert by_code["schemaURL"].endswith("/JobEvent")
    assert by_code["job"]["namespace"] == "https://registry.example"
    assert (alone["schemaURL"].rpartition("/")[2], alone["dataset"]["name"]) == ("DatasetEvent", "fraud:3")


def test_prov_relates_the_version_to_its_run_its_data_and_the_account() -> None:
    deleted = replace(VERSION, deleted_at=NOW)
    found = documents(facts_of(SNAPSHOT, deleted, evaluated=True, left_out=2))["prov"]

    own = "registry:models/fraud/versions/3"
    ((run, activity),) = ((name, one) for name, one in found["activity"].items() if "/run/" in name)
    assert found["prefix"]["registry"] == "https://registry.example/api/v1/"
    assert (found["entity"][own]["terms:stage"], found["entity"][own]["terms:nodesLeftOut"]) == ("production", 2)
    assert activity["prov:endTime"] == clock.wire(NOW)
    assert {"prov:entity": own, "prov:activity": run}.items() <= found["wasGeneratedBy"]["_:generation2"].items()
    assert found["wasAttributedTo"] == {"_:registered": {"prov:entity": own, "prov:agent": "registry:accounts/ci"}}
    association = found["wasAssociatedWith"]["_:association"]
    assert (association["prov:agent"], "/code/" in association["prov:plan"]) == ("registry:lineage/person/kim", True)
    assert found["wasInvalidatedBy"]["_:deleted"]["prov:time"] == clock.wire(NOW)
    by_relation = {one["terms:relation"]: one for one in found["wasDerivedFrom"].values()}
    assert by_relation["derived_from"]["prov:generatedEntity"] == by_relation["used"]["prov:generatedEntity"] == own
    assert by_relation["used"]["prov:activity"] == run
    assert by_relation["transformed_from"]["prov:generatedEntity"] == by_relation["used"]["prov:usedEntity"]
    assert by_relation["used"]["terms:assertedBy"] == "ann"
    evaluated = {one["prov:entity"] for one in found["used"].values() if one["prov:activity"] == f"{own}/evaluation"}
    assert evaluated == {own, by_relation["used"]["prov:usedEntity"]}
    (job,) = (name for name in found["activity"] if "/job/" in name)
    assert job in {one["prov:activity"] for one in found["wasGeneratedBy"].values()}
    ((part,),) = [[one["prov:entity"]] for one in found["hadMember"].values()]
    assert part == by_relation["used"]["prov:usedEntity"]


def test_a_bill_of_materials_has_files_data_ancestors_and_the_card() -> None:
    found = documents(facts_of(SNAPSHOT, VERSION, evaluated=True, files=FILES))
    bill = found["1.7"]

    model, data = bill["metadata"]["component"], {one["name"]: one for one in bill["components"]}
    assert (bill["specVersion"], found["1.6"]["specVersion"]) == ("1.7", "1.6")
    assert bill["metadata"]["timestamp"] == clock.wire(NOW)
    assert (model["type"], model["name"], model["version"]) == ("machine-learning-model", "fraud", "3")
    assert model["licenses"] == [{"license": {"id": "Apache-2.0"}}]
    assert [(one["name"], one["hashes"][0]["content"][0], one.get("mime-type")) for one in model["components"]] == [
        ("model.bin", "a", "application/octet-stream"), ("MLmodel", "b", None)
    ]  # fmt: skip
    assert [one["purl"] for one in model["pedigree"]["ancestors"]] == [
        "pkg:mlflow/base@1?repository_url=https://registry.example/api/2.0/mlflow",
        "pkg:huggingface/org/tabular@0a1b2c3",
    ]  # fmt: skip
    assert model["pedigree"]["commits"] == [{"uid": "0a1b2c3"}]
    assert [one["url"] for one in model["externalReferences"]] == [
        "https://registry.example/api/v1/models/fraud/versions/3/files", "ssh://git@git.example/team/fraud.git",
        "https://ml.example/1",
    ]  # fmt: skip
    assert {one["type"] for one in bill["components"]} == {"data", "container", "framework"}
    assert data["payments"]["hashes"] == [{"alg": "SHA-256", "content": "ab" * 32}]
    assert data["payments"]["data"][0]["contents"] == {"url": "s3://data/pay%20ments.csv"}
    card, limitations = model["modelCard"], {"technicalLimitations": ["only cards"]}
    assert card["modelParameters"] == {
        "approach": {"type": "supervised"}, "task": "classification", "modelArchitecture": "GBDT",
        "datasets": [{"ref": data["payments"]["bom-ref"]}],
    }  # fmt: skip
    assert card["considerations"] == limitations
    assert card["quantitativeAnalysis"]["performanceMetrics"] == [
        {"type": "auc", "value": "0.91", "slice": "payments"}, {"type": "f1", "value": "1e-07"}
    ]  # fmt: skip
    needs = {line["ref"]: line.get("dependsOn", []) for line in bill["dependencies"]}
    assert needs[data["payments"]["bom-ref"]] == [data["raw"]["bom-ref"]]
    assert {"framework", data["payments"]["bom-ref"]} < {*needs[model["bom-ref"]]}
    assert bill["compositions"] == [{"aggregate": "complete", "assemblies": [model["bom-ref"]]}]


def test_a_bill_of_materials_states_what_it_leaves_out() -> None:
    facts = facts_of(SNAPSHOT, replace(VERSION, manifest_digest=None), left_out=7)
    bill = documents(facts)["1.7"]

    own = bill["metadata"]["component"]["bom-ref"]
    properties = {one["name"]: one["value"] for one in bill["metadata"]["component"]["properties"]}
    assert properties["registry:lineage_nodes_left_out"] == "7"
    (cut,) = (one["bom-ref"] for one in bill["components"] if one["name"] == "raw")
    assert bill["compositions"] == [
        {"aggregate": "unknown", "assemblies": [own]}, {"aggregate": "incomplete", "dependencies": [cut]}
    ]  # fmt: skip
    later = documents(replace(facts, changed_at=NOW.replace(year=2027)))["1.7"]
    assert later["serialNumber"] != bill["serialNumber"]


@pytest.mark.parametrize(
    ("tag", "licence"),
    [
        ("mit", {"license": {"id": "MIT"}}),
        ("MIT or apache-2.0", {"expression": "MIT OR Apache-2.0"}),
        ("LicenseRef-Ours", {"expression": "LicenseRef-Ours"}),
        ("llama3.1", {"license": {"name": "llama3.1"}}),
        ("(" * 5000, {"license": {"name": "(" * 5000}}),
    ],
)
def test_a_licence_is_an_identifier_an_expression_or_a_name(tag: str, licence: dict[str, Any]) -> None:
    bill = documents(facts_of(Snapshot(), replace(VERSION, tags={"license": tag})))["1.6"]

    assert bill["metadata"]["component"]["licenses"] == [licence]
