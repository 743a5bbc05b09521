"""What MLflow's clients say of a source, and where a tracking server's artifacts are: decided without a network."""

from __future__ import annotations

import json
from dataclasses import asdict
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.client import tracked as tracked_by_client
from registry.domain import tracked
from registry.domain.errors import Conflict
from registry.domain.tracked import Subject
from registry.rules import mlmodel, paths
from registry.rules.mlflow_runs import Logged
from registry.tracking import responses, snapshots

RUN, MODEL = "0123456789abcdef" * 2, "m-" + "0123456789abcdef" * 2
URL = "https://mlflow.test/base"


@pytest.mark.parametrize(
    ("source", "run_id", "logged_model", "subject"),
    [
        (f"models:/{MODEL}", None, None, Subject(logged_model=MODEL)),
        (f"models:/{MODEL}", RUN, MODEL, Subject(logged_model=MODEL, run_id=RUN)),
        (f"runs:/{RUN}/a/b", RUN, None, Subject(run_id=RUN, path="a/b")),
        (f"runs:/{RUN}/a/", None, None, Subject(run_id=RUN, path="a")),
        (f"s3://b/0/{RUN}/artifacts/m", RUN, None, Subject(run_id=RUN, location=f"s3://b/0/{RUN}/artifacts/m")),
        (f"mlflow-artifacts:/0/{RUN}/artifacts", RUN, None,
         Subject(run_id=RUN, location=f"mlflow-artifacts:/0/{RUN}/artifacts")),
        (f"gs://b/models/{MODEL}/artifacts", None, MODEL,
         Subject(logged_model=MODEL, location=f"gs://b/models/{MODEL}/artifacts")),
        (f"s3://b/{RUN}/artifacts/m", None, None, None),
        ("s3://b/elsewhere", RUN, None, None),
        (f"/srv/mlruns/0/{RUN}/artifacts/m", RUN, None, None),
        (f"file:///srv/{RUN}/artifacts/m", RUN, None, None),
        (f"c:/srv/{RUN}/artifacts/m", RUN, None, None),
        ("models:/fraud/1", RUN, None, None),
        (f"models:/{MODEL}/x", None, None, None),
        (f"models:/{MODEL}\n", None, None, None),
        (f"models:/{MODEL.upper()}", None, None, None),
        (f"runs:/{RUN}", RUN, None, None),
        (f"runs:/{RUN}/../x", RUN, None, None),
        (f"runs:/{RUN}/a", "f" * 32, None, Subject(run_id=RUN, path="a")),
        ("runs:/../api/x", None, None, None),
        ("runs://profile@host/x", None, None, None),
        ("http://[", RUN, None, None),
        ("", RUN, MODEL, None),
    ],
)  # fmt: skip
def test_a_source_means_something_on_a_tracking_server_or_nothing(
    source: str, run_id: str | None, logged_model: str | None, subject: Subject | None
) -> None:
    if run_id == "f" * 32:
        subject = None  # the run that the source names is not the version's

    assert tracked.subject_of(source, run_id=run_id, logged_model=logged_model) == subject


@given(st.text(), st.text() | st.none(), st.text() | st.none())
def test_no_text_is_taken_for_an_id(source: str, run_id: str | None, logged_model: str | None) -> None:
    for prefix in ("", "models:/", "runs:/", f"runs:/{RUN}/", f"s3://b/{RUN}/artifacts/"):
        found = tracked.subject_of(prefix + source, run_id=run_id, logged_model=logged_model)
        if found:
            assert found.run_id in {None, RUN}
            assert found.logged_model is None
            assert not found.path or paths.containment_problem(found.path) is None


@pytest.mark.parametrize(
    ("location", "path"),
    [
        ("mlflow-artifacts:/1/r/artifacts", "1/r/artifacts"),
        ("mlflow-artifacts:/1/r/artifacts/", "1/r/artifacts"),
        ("mlflow-artifacts://mlflow.test/1/a b", "1/a b"),
        (f"{URL}/api/2.0/mlflow-artifacts/artifacts/1/r", "1/r"),
        ("s3://b/1", None),
        ("/srv/mlruns", None),
        ("gs://b/1", None),
    ],
)
def test_only_the_servers_own_proxy_is_used(location: str, path: str | None) -> None:
    assert tracked.proxied(location, URL) == path


@pytest.mark.parametrize(
    "location",
    ["mlflow-artifacts://other.test/1", "https://other.test/base/api/2.0/mlflow-artifacts/artifacts/1",
     "http://mlflow.test/base/api/2.0/mlflow-artifacts/artifacts/1", "https://mlflow.test/base/api/1",
     "https://mlflow.test:444/base/api/2.0/mlflow-artifacts/artifacts/1", f"{URL}/api/2.0/mlflow-artifacts/artifacts/",
     "mlflow-artifacts:/", "mlflow-artifacts:/a/../b", "mlflow-artifacts:/a/%2e%2e/b", "mlflow-artifacts:/a?b",
     "mlflow-artifacts:/a#b", "mlflow-artifacts:/a\\b", "mlflow-artifacts://u@mlflow.test/1", "mlflow-artifacts:/a//b",
     "https://mlflow.test/base/api/2.0/mlflow-artifacts/artifacts/../../x"],
)  # fmt: skip
def test_a_place_on_another_server_is_refused(location: str) -> None:
    with pytest.raises(ValueError, match=r"it is on another server|it can be read in two ways"):
        tracked.proxied(location, URL)


@pytest.mark.parametrize(
    ("location", "path"),
    [("s3://b/r", ""), ("s3://b/r/", ""), ("s3://b/r/a/b", "a/b"), ("s3://b/ra", None), ("s3://b/r/../x", None),
     ("s3://b/r/%2e%2e/x", None), ("s3://b", None), ("s3://b/r//x", None)],
)  # fmt: skip
def test_a_location_is_below_a_root_or_not(location: str, path: str | None) -> None:
    assert tracked.below(location, "s3://b/r") == path


@given(st.binary() | st.text().map(str.encode))
def test_no_file_that_calls_itself_an_mlmodel_is_a_failure(content: bytes) -> None:
    for prefix in (b"", b"flavors: ", b"flavors:\n  python_function: ", b"signature:\n  inputs: "):
        facts = mlmodel.read(prefix + content)
        assert isinstance(facts.framework, str | None)


def test_the_flavor_that_is_not_generic_is_the_framework() -> None:
    assert mlmodel.read(b"flavors: {python_function: {python_version: 3.10}, xgboost: {}}") == mlmodel.Facts(
        "xgboost", None, "3.10"
    )
    assert mlmodel.read(b"flavors: {python_function: {}}").framework == "python_function"
    assert mlmodel.read(b'a: "\\UFFFFFFFF"').problem
    assert mlmodel.read(b"a: &a [1]\nb: [*a, *a]\nflavors: !!python/object/apply:os.system ['x']").framework is None


def test_the_most_exact_list_of_packages_is_the_lock() -> None:
    digests = {"conda.yaml": "a" * 64, "requirements.txt": "b" * 64, "python_env.yaml": "c" * 64, "x": "d" * 64}
    sizes = dict.fromkeys(digests, 20)

    found = mlmodel.capture(digests, sizes, lambda name: b"python: 3.10.12\n")
    large = mlmodel.capture({"MLmodel": "e" * 64}, {"MLmodel": mlmodel.MOST}, lambda name: b"flavors: {xgboost: {}}")

    assert found == mlmodel.Facts(python="3.10.12", lock_digest="sha256:" + "b" * 64, python_file="python_env.yaml")
    assert large == mlmodel.Facts(problem=f"it has {mlmodel.MOST} bytes, and less than {mlmodel.MOST} are read")


@pytest.mark.parametrize(
    "inputs",
    [
        "[NaN]",
        "[1e999]",
        "[9007199254740992]",
        '["\\u0000"]',
        '["\\ud800"]',
        "[" * 100_000,
        "{}}",
        f"[{'1,' * 100_000}1]",
    ],
)
def test_a_signature_that_cannot_be_stored_is_not_kept(inputs: str) -> None:
    document = f"flavors: {{xgboost: {{}}}}\nsignature:\n  inputs: {json.dumps(inputs)}\n"

    assert mlmodel.read(document.encode()) == mlmodel.Facts("xgboost")


documents = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(["info", "data", "metrics", "params", "tags", "key", "value", "inputs", "dataset_inputs",
                         "dataset", "name", "digest", "schema", "outputs", "model_outputs", "start_time", "run_id",
                         "timestamp"]),
        inner,
        max_size=6,
    ),
    max_leaves=30,
)  # fmt: skip


@given(documents)
def test_whatever_a_server_sends_can_be_stored_or_is_left_out(told: object) -> None:
    run, model = responses.run({"run": told}), responses.logged_model({"model": told})

    for value in (snapshots.run_of(run, None), snapshots.code_of(run), list(snapshots.datasets_of(run)), model):
        assert "\x00" not in json.dumps(repr(value))


def test_more_than_a_version_keeps_is_refused() -> None:
    many = [{"key": str(index), "value": "x"} for index in range(responses.PAIRS + 1)]

    with pytest.raises(Conflict, match="keeps 10000 at most"):
        responses.run({"run": {"data": {"params": many}}})


REPO, COMMIT, NAME = "mlflow.source.git.repoURL", "mlflow.source.git.commit", "mlflow.source.name"


@pytest.mark.parametrize(
    ("tags", "code"),
    [
        ({NAME: "/home/ann/train.py"}, {"path": "/home/ann/train.py"}),
        ({NAME: "train.py", COMMIT: "c0ffee"}, {"path": "train.py", "commit": "c0ffee"}),
        ({NAME: "train.py", REPO: "https://git.test/r"}, {"repo": "https://git.test/r", "path": "train.py"}),
        ({REPO: "https://git.test/r", COMMIT: "c" * 256}, {"repo": "https://git.test/r"}),
        ({NAME: "p" * 1024, REPO: "r" * 513}, {"path": "p" * 1024}),
        ({NAME: "p" * 1025}, None),
        ({COMMIT: "c0ffee"}, None),
        ({}, None),
    ],
)
def test_the_source_of_a_run_is_a_repository_or_a_path(tags: dict[str, str], code: dict[str, str] | None) -> None:
    run = responses.TrackedRun(RUN, "0", "", Logged(tags=tags))

    fetched = snapshots.code_of(run)
    uploaded = tracked_by_client.code(SimpleNamespace(data=SimpleNamespace(tags=tags)))

    assert uploaded == code
    assert ({part: text for part, text in asdict(fetched).items() if text} if fetched else None) == code


def test_the_client_and_the_service_read_the_same_facts_of_a_logged_model_and_its_run() -> None:
    whole = "sha256:" + "ab" * 32
    logged = [
        ("auc", 0.6, 1, "test", "c1"), ("auc", 0.9, 3, "test", "c1"), ("auc", 0.8, 2, "test", "c1"),
        ("auc", 0.7, 2, "", ""), ("loss", 0.0, 1, "", ""), ("f1", 0.5, 1, "train", "ab" * 18), (" ", 1.0, 1, "", ""),
    ]  # fmt: skip
    names = ("key", "value", "timestamp", "dataset_name", "dataset_digest")
    metrics = [dict(zip(names, values, strict=True)) for values in logged]
    tags, params = {f"registry.dataset.{'ab' * 18}": whole}, {"depth": "6", "broken": "\ud800"}
    dataset = {"name": "claims", "digest": "77", "source": '{"uri": "s3://me:secret@b/claims"}',
               "schema": '{"columns": [1e999]}', "profile": '{"num_rows": 12}'}  # fmt: skip
    run_tags = {"mlflow.source.name": "train.py"}

    def pairs(values: dict[str, str]) -> list[dict[str, str]]:
        return [{"key": key, "value": value} for key, value in values.items()]

    model = responses.logged_model({"model": {
        "info": {"tags": pairs(tags)}, "data": {"params": pairs(params), "metrics": metrics},
    }}).logged  # fmt: skip
    run = responses.run({"run": {
        "info": {"run_id": RUN, "start_time": 1000}, "inputs": {"dataset_inputs": [
            {"dataset": dataset, "tags": pairs({"mlflow.data.context": "Training"})}]},
        "data": {"metrics": [{"key": "loss", "value": "NaN"}], "tags": pairs(run_tags)},
    }})  # fmt: skip
    entities = tracked_by_client.facts(
        SimpleNamespace(
            info=SimpleNamespace(run_id=RUN, start_time=1000, end_time=None),
            data=SimpleNamespace(metrics={"loss": float("nan")}, params={}, tags=run_tags),
            inputs=SimpleNamespace(dataset_inputs=[SimpleNamespace(
                dataset=SimpleNamespace(**dataset),
                tags=[SimpleNamespace(key="mlflow.data.context", value="Training")],
            )]),
        ),
        SimpleNamespace(metrics=[SimpleNamespace(**one, step=0) for one in metrics], params=params, tags=tags),
        run_id=RUN, url=None,
    )  # fmt: skip

    model = model.without(run.logged.unmeasured)
    evaluations = [
        {"metrics": one.metrics, "dataset_digest": one.dataset_digest, "dataset_name": one.dataset_name}
        for one in snapshots.evaluations_of(model)
    ]
    (data,) = snapshots.datasets_of(run)
    assert entities == {
        "params": model.params == {"depth": "6"} and model.params,
        "metrics": model.metrics == {"auc": 0.7} and model.metrics,
        "evaluations": evaluations,
        "run": {"system": "mlflow", "id": RUN, "unmeasured": {"loss": "NaN"}, "tags": run_tags,
                "started_at": "1970-01-01T00:00:01Z"},
        "code": {"path": "train.py"},
        "datasets": [{"name": "claims", "digests": ["mlflow:77"], "uri": "s3://b/claims", "role": "train", "rows": 12}],
    }  # fmt: skip
    assert [one["dataset_digest"] for one in evaluations] == [whole, "mlflow:c1"]
    assert (data.uri, data.role, data.rows, data.schema) == ("s3://b/claims", "train", 12, None)
    assert snapshots.run_of(run, None).unmeasured == {"loss": "NaN"}


def test_no_password_of_a_run_is_shown() -> None:
    address = "https://ann:hunter2@git.test/fraud"
    named = dict.fromkeys(("mlflow.source.git.repoURL", "mlflow.gitRepoURL", "mlflow.source.name"), address)
    tags = [{"key": key, "value": value} for key, value in {**named, "team": "a b"}.items()]
    run = responses.run({"run": {"data": {"tags": tags}}})

    told = f"{snapshots.run_of(run, None)} {snapshots.code_of(run)}"

    assert "hunter2" not in told
    assert "https://git.test/fraud" in told
    assert snapshots.run_of(run, None).tags["team"] == "a b"
