"""Values of training scripts as facts: what is sent, and what is refused before any byte is."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, cast

import pytest

from registry.client import RegistryClient, errors, values
from tests.client.conftest import FakeRegistry, reply, sha256


class Kind(Enum):
    LINEAR = "linear"


class Scalar:
    """As numpy's scalars: no number of Python, but with one in it."""

    def __init__(self, value: Any) -> None:
        self._value = value

    def item(self) -> Any:
        return self._value


class Array:
    def item(self) -> Any:
        raise ValueError("can only convert an array of size 1 to a Python scalar")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("rbf", "rbf"),
        (6, "6"),
        (0.1, "0.1"),
        (True, "true"),
        (None, "null"),
        (float("nan"), "NaN"),
        (Decimal("0.10"), "0.10"),
        (Fraction(1, 3), "1/3"),
        (Kind.LINEAR, "linear"),
        (PurePosixPath("a/b"), "a/b"),
        (date(2026, 11, 20), "2026-11-20"),
        (datetime(2026, 11, 20, 13, tzinfo=timezone(timedelta(hours=1))), "2026-11-20T12:00:00.000000Z"),
        (Scalar(3), "3"),
        (Scalar(True), "true"),
    ],
)
def test_a_scalar_is_a_param_as_the_command_line_reads_it(value: Any, expected: str) -> None:
    assert values.texts({"k": value}, "param") == {"k": expected}


@pytest.mark.parametrize(
    ("value", "expected"), [(1, 1), (0.5, 0.5), (Decimal("0.5"), 0.5), (Fraction(1, 2), 0.5), (Scalar(0.5), 0.5)]
)
def test_a_number_of_any_kind_is_a_metric(value: Any, expected: float) -> None:
    assert values.finite({"k": value}) == {"k": expected}


def test_scalars_of_numpy_are_values() -> None:
    numpy = pytest.importorskip("numpy")

    assert values.finite({"a": numpy.float32(0.5), "b": numpy.int64(5)}) == {"a": 0.5, "b": 5}
    assert values.texts({"a": numpy.bool_(True), "b": numpy.array([7])}, "param") == {"a": "true", "b": "7"}


@pytest.mark.parametrize(
    ("facts", "refusal"),
    [
        ({"params": {"layers": [1, 2]}}, "param 'layers' is a list"),
        ({"params": {"layers": Array()}}, "param 'layers' is a Array"),
        ({"tags": {"team": {}}}, "tag 'team' is a dict"),
        ({"metrics": {"auc": "0.9"}}, "metric 'auc' is a str"),
        ({"metrics": {"ok": True}}, "metric 'ok' is a bool"),
        ({"metrics": {"big": 10**400}}, "metric 'big'"),
        ({"metrics": {"loss": float("nan")}}, "metric 'loss' is NaN"),
        ({"evaluations": [{"metrics": {"loss": float("nan")}}]}, "metric 'loss' is NaN"),
        ({"metrics": [0.9]}, "metrics are a list"),
        ({"tags": "risk"}, "tags are a str"),
        ({"run": {"system": "ci", "id": "1", "tags": {"team": [1]}}}, "run's tag 'team' is a list"),
        ({"data": "train.csv"}, r"write data=\['train.csv'\]"),
        ({"data": Path("train.csv")}, "data is a list"),
        ({"aliases": "champion"}, "aliases is a list"),
        ({"include": "*.onnx"}, "include is a list"),
        ({"exclude": "logs/"}, "exclude is a list"),
    ],
)
def test_what_is_no_value_is_refused_before_any_request(
    registry: FakeRegistry, client: RegistryClient, source: Path, facts: Any, refusal: str
) -> None:
    with pytest.raises(ValueError, match=refusal):
        client.register("fraud", source, detect=False, **facts)

    assert registry.seen == []


def test_tags_without_names_are_refused(registry: FakeRegistry, client: RegistryClient) -> None:
    for edit in (partial(client.models.edit, "fraud"), partial(client.versions.edit, "fraud", 1)):
        with pytest.raises(ValueError, match="tags are a str, not values by their names"):
            edit(tags=cast(Any, "team=risk"))

    assert registry.seen == []


def test_a_text_in_place_of_a_list_is_refused(client: RegistryClient, registry: FakeRegistry, tmp_path: Path) -> None:
    registry.hold({"a.bin": b"1"})
    calls: list[Any] = [
        lambda: client.pull("fraud:1", tmp_path / "out", only="a.bin"),
        lambda: client.pull("fraud:1", tmp_path / "out", exclude="a.bin"),
        lambda: client.verify(tmp_path, "fraud:1", exclude="a.bin"),
        lambda: client.tokens.create("ann", roles="admin"),
    ]

    for call in calls:
        with pytest.raises(ValueError, match="is a list: write"):
            call()

    assert not (tmp_path / "out").exists()


def test_facts_are_sent_as_the_api_takes_them(
    registry: FakeRegistry, client: RegistryClient, source: Path, tmp_path: Path
) -> None:
    (tmp_path / "train.csv").write_bytes(b"a,b\n")
    other: Any = {"name": "live", "digests": ["sha256:" + "1" * 64], "role": "test"}

    client.register(
        "fraud",
        source,
        detect=False,
        params={"depth": 6, "early": True},
        metrics={"auc": Decimal("0.93"), "loss": float("inf")},
        run={
            "system": "manual",
            "id": "1",
            "tags": {"gpu": True},
            "metrics": {"f1": Scalar(0.5), "kl": float("-inf")},
            "params": {"lr": 0.1},
            "unmeasured": {"mse": "NaN"},
        },  # type: ignore[typeddict-item] -- values of other types
        data=[tmp_path / "train.csv", other],
        code={"repo": "r"},
        command="make",
    )

    sent = registry.registered
    assert sent["code"] == {"repo": "r", "command": "make"}
    assert (sent["params"], sent["metrics"]) == ({"depth": "6", "early": "true"}, {"auc": 0.93})
    assert sent["run"] == {
        "system": "manual", "id": "1", "params": {"lr": "0.1"}, "tags": {"gpu": "true"}, "metrics": {"f1": 0.5},
        "unmeasured": {"mse": "NaN", "kl": "-Infinity", "loss": "Infinity"},
    }  # fmt: skip
    train = {"name": "train.csv", "digests": [f"sha256:{sha256(b'a,b' + bytes([10]))}"], "role": "train"}
    assert sent["datasets"] == [train, other]


def test_data_that_is_not_there_is_refused(registry: FakeRegistry, client: RegistryClient, source: Path) -> None:
    with pytest.raises(ValueError, match="the command must be one line"):
        client.register("fraud", source, detect=False, command="make\nmake")
    with pytest.raises(errors.UnfitSource, match=r"'missing\.csv' is not a file"):
        client.register("fraud", source, detect=False, data=["missing.csv"])

    assert registry.seen == []


def test_later_values_and_tags_are_converted_too(registry: FakeRegistry, client: RegistryClient) -> None:
    registry.answers.append(lambda request: reply({"name": "fraud", "number": 1}))

    client.models.edit("fraud", tags={"tier": 1})
    client.versions.edit("fraud", 1, tags={"reviewed": True, "old": None})
    client.versions.measure("fraud", 1, {"auc": Scalar(0.5)})

    assert [request.get_json() for request in registry.seen] == [
        {"tags": {"tier": "1"}},
        {"tags": {"reviewed": "true", "old": None}},
        {"metrics": {"auc": 0.5}},
    ]


def test_a_time_needs_a_zone(registry: FakeRegistry, client: RegistryClient) -> None:
    with pytest.raises(errors.NotFound):
        client.as_of("fraud", datetime(2026, 11, 20, 13, tzinfo=UTC))
    with pytest.raises(ValueError, match="has no time zone"):
        client.as_of("fraud", datetime(2026, 11, 20, 13))  # noqa: DTZ001 -- what is refused

    (asked,) = registry.seen
    assert (asked.path, asked.args["as_of"]) == (
        "/api/v1/models/fraud/stages/production",
        "2026-11-20T13:00:00.000000Z",
    )


def test_the_run_and_the_code_of_a_ci_job_are_found(
    registry: FakeRegistry, client: RegistryClient, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "GITHUB_ACTIONS": "true",
        "GITHUB_REPOSITORY": "team/fraud",
        "GITHUB_RUN_ID": "7",
        "GITHUB_SHA": "a" * 40,
    }.items():
        monkeypatch.setenv(name, value)

    client.register("fraud", source)
    found = registry.registered
    client.register("fraud", source, run={"system": "mine", "id": "1"})

    assert (found["run"]["id"], found["code"]["commit"]) == ("7", "a" * 40)
    assert registry.registered["run"] == {"system": "mine", "id": "1"}


def test_a_commit_that_is_not_found_is_a_warning(
    client: RegistryClient, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    monkeypatch.chdir(tmp_path)

    client.register("fraud", source)
    client.register("fraud", source, detect=False)

    assert [record.getMessage() for record in caplog.records if record.name == "registry.client"] == [
        f"the commit is not recorded: no git checkout is around {source}: "
        "give it with --repo and --commit (code= in Python)"
    ]


def test_the_client_needs_neither_numpy_nor_pandas() -> None:
    script = "import sys, registry.client; sys.exit(any(name in sys.modules for name in ('numpy', 'pandas')))"

    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


NESTED = {"auc": 0.9, "val": {"loss": float("nan"), "top": {"5": 1}}, "lr": "1e-3"}


def test_files_of_values_are_read_as_training_scripts_write_them(
    registry: FakeRegistry, client: RegistryClient, source: Path, tmp_path: Path
) -> None:
    text = json.dumps(NESTED)
    written = {
        "bom.json": text.encode("utf-8-sig"), "powershell.json": text.encode("utf-16"), "plain.json": text.encode(),
        "m.yaml": b"\xef\xbb\xbfauc: 0.9\nval:\n  loss: .nan\n  top: {5: 1}\nlr: 1e-3\n",
        "m.YML": b"base: &b {auc: 0.9}\nval: {<<: *b, loss: NaN, top: {5: 1}}\nauc: 0.9\nlr: 1e-3\n",
    }  # fmt: skip
    for name, content in written.items():
        path = tmp_path / name
        path.write_bytes(content)
        client.register("fraud", source, metrics=path, params=path, run={"system": "manual", "id": "1"})
        extra = {"val.auc": 0.9, "base.auc": 0.9} if name == "m.YML" else {}
        assert registry.registered["metrics"] == {"auc": 0.9, "val.top.5": 1, "lr": 0.001, **extra}, name
        assert registry.registered["run"]["unmeasured"] == {"val.loss": "NaN"}, name
        found = registry.registered["params"]
        assert {"auc": "0.9", "val.top.5": "1", "lr": "1e-3", "val.loss": "NaN"}.items() <= found.items(), name

    (tmp_path / "p.json").write_text('{"layers": [1, 2], "opt": {"betas": [0.9], "none": {}}, "last": null}')
    client.register("fraud", source, params=tmp_path / "p.json")
    assert registry.registered["params"] == {
        "layers": "[1, 2]", "opt.betas": "[0.9]", "opt.none": "{}", "last": "null",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("m.json", '{"val": {"cm": [[1, 2]]}}', "'val.cm' is '[[1, 2]]', not a number"),
        ("m.json", '{"a.b": 1, "a": {"b": 2}}', "'a.b' is there twice, once of them nested"),
        ("m.json", '{"a": 1, "a": 2}', "the key a is there twice"),
        ("m.yaml", "a: 1\na: 2", "the key 'a' is there twice"),
        ("m.yaml", "a: &a\n  b: *a", "more than 64 levels"),
        ("m.json", '{"a": ' * 33 + "1" + "}" * 33, "more than 32 levels"),
        ("m.yaml", "a: high", "'a' is 'high', not a number"),
        ("m.yaml", "- 1", "holds no YAML object"),
        ("m.yaml", "a: !!python/object:os.x 1", "is not YAML"),
        ("m.txt", "a: 1", "is not JSON"),
        ("m.json", '{"a": true}', "'a' is 'True', not a number"),
        ("m.json", '{"a": {}}', "'a' is '{}', not a number"),
    ],
)
def test_a_file_that_cannot_be_read_as_values_is_refused_by_the_name_of_the_value(
    client: RegistryClient, source: Path, tmp_path: Path, name: str, text: str, said: str
) -> None:
    (tmp_path / name).write_text(text)

    with pytest.raises(errors.UnfitSource, match=re.escape(said)):
        client.register("fraud", source, metrics=tmp_path / name)
