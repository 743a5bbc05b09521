"""Times, measures and data as they are written on the command line."""

from __future__ import annotations

import hashlib
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from registry.cli.support import version_facts
from registry.cli.support.exit_codes import Exit
from registry.rules.time_texts import read_time
from tests.cli.conftest import CommandLine, Place

NOW = datetime(2026, 11, 21, 13, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-11-20T12:00:00Z", "2026-11-20T12:00:00.000000Z"),
        ("2026-11-20T12:00:00.5+02:00", "2026-11-20T10:00:00.500000Z"),
        ("2026-11-20 12:00:00Z", "2026-11-20T12:00:00.000000Z"),
        ("2026-11-20", "2026-11-20T00:00:00.000000Z"),
        ("2h", "2026-11-21T11:05:00.000000Z"),
        ("7d", "2026-11-14T13:05:00.000000Z"),
        ("7d ago", "2026-11-14T13:05:00.000000Z"),
        (" 90s ", "2026-11-21T13:03:30.000000Z"),
        ("2w", "2026-11-07T13:05:00.000000Z"),
    ],
)
def test_a_time_is_read_as_people_write_it(text: str, moment: str) -> None:
    assert read_time(text, now=NOW) == moment


@pytest.mark.parametrize(
    "text",
    [
        "",
        "now",
        "12:00",
        "2026-11-20T12:00:00",
        "2026-13-01",
        "7y",
        "-2h",
        "999999w",
        "2h\n3",
        "9999-12-31T23:59:59-14:00",
    ],
)
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        read_time(text, now=NOW)


def test_metrics_and_params_come_from_files_and_options_win(tmp_path: Path) -> None:
    (tmp_path / "m.json").write_text('{"auc": 0.9, "f1": 1}')
    (tmp_path / "p.json").write_text('{"depth": 6, "eta": 0.1, "warm": true, "none": null, "kind": "gbm"}')

    assert version_facts.merged_metrics(tmp_path / "m.json", {"auc": 0.95}, has_run=False) == {"auc": 0.95, "f1": 1}
    assert version_facts.merged_params(tmp_path / "p.json", {"depth": "7"}) == {
        "depth": "7",
        "eta": "0.1",
        "warm": "true",
        "none": "null",
        "kind": "gbm",
    }
    assert version_facts.merged_metrics(None, {}, has_run=False) is None


@pytest.mark.parametrize(
    "text", ["[1]", "{", '{"a": "high"}', '{"a": NaN}', '{"a": true}', '{"a": [1]}', "[" * 100_000]
)
def test_a_file_that_holds_no_numbers_is_wrong_usage(run_cli: CommandLine, place: Place, text: str) -> None:
    (place.cwd / "m.json").write_text(text)

    done = run_cli("register", "fraud", ".", "--metrics-file", "m.json")

    assert done.code == 2
    assert "Traceback" not in done.err


MERGED = "\n".join(f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 9)}]}}" for n in range(1, 10))
LISTED = "\n".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 10))
LONG = "\n".join(f"a{n}: &a{n} [*a{n - 1}]" for n in range(1, 2000))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (f"a0: &a0 {{x: 1}}\n{MERGED}\n", "its aliases stand for more than 16 MiB"),
        (f"a0: &a0 [x]\n{LISTED}\n", "its aliases stand for more than 16 MiB"),
        (f"a0: &a0 [x]\n{LONG}\n", "it has more than 64 levels"),
        ("a: &a [*a]\n", "it has more than 64 levels"),
    ],
    ids=["merged", "listed", "long", "circle"],
)
def test_aliases_that_stand_for_too_much_are_wrong_usage(
    run_cli: CommandLine, place: Place, text: str, says: str
) -> None:
    (place.cwd / "p.yaml").write_text(text)

    done = run_cli("register", "fraud", ".", "--params-file", "p.yaml")

    assert done.code == Exit.USAGE
    assert says in " ".join(done.err.split())


def test_merge_keys_of_a_file_of_params_are_taken(tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text("base: &base {depth: 6, eta: 0.1}\nown: {<<: *base, eta: 0.2}\n")

    params = version_facts.merged_params(tmp_path / "p.yaml", {})

    assert params == {"base.depth": "6", "base.eta": "0.1", "own.eta": "0.2", "own.depth": "6"}


@pytest.mark.parametrize(
    ("text", "name", "role"),
    [
        ("train.csv", "train.csv", "train"),
        ("test=train.csv", "train.csv", "test"),
        ("validation=train.csv", "train.csv", "validation"),
        ("a=b.csv", "a=b.csv", "train"),
    ],
)
def test_data_is_named_after_its_file(place: Place, text: str, name: str, role: str) -> None:
    for file in ("train.csv", "a=b.csv"):
        (place.cwd / file).write_bytes(b"a,b")

    digest = f"sha256:{hashlib.sha256(b'a,b').hexdigest()}"
    assert version_facts.dataset(text) == {"name": name, "digests": [digest], "role": role}


@pytest.mark.parametrize("options", [("--data", "big.csv"), ("--lock-file", "big.csv"), ("--data", ".")])
def test_a_file_that_changes_while_it_is_hashed_is_a_conflict(
    run_cli: CommandLine, place: Place, monkeypatch: pytest.MonkeyPatch, options: tuple[str, str]
) -> None:
    big = place.cwd / "big.csv"
    big.write_bytes(b"a,b")
    # The kernel's advice about a file is asked for between its opening and its end.
    monkeypatch.setattr(os, "posix_fadvise", lambda *_: big.write_bytes(b"longer"))

    done = run_cli("register", "fraud", ".", *options)

    assert done.code == Exit.CONFLICT
    assert "big.csv changed while it was being read" in done.err


@pytest.mark.parametrize(
    ("found", "given", "expected"),
    [
        (None, {}, None),
        (None, {"id": "ci-41"}, {"system": "manual", "id": "ci-41"}),
        (None, {"id": "ci-41", "system": "airflow"}, {"system": "airflow", "id": "ci-41"}),
        ({"system": "gitlab_ci", "id": "1", "url": "u"}, {}, {"system": "gitlab_ci", "id": "1", "url": "u"}),
        ({"system": "gitlab_ci", "id": "1", "url": "u"}, {"id": "2"}, {"system": "gitlab_ci", "id": "2", "url": "u"}),
        ({"system": "gitlab_ci", "id": "1"}, {"url": "v"}, {"system": "gitlab_ci", "id": "1", "url": "v"}),
        (
            {"system": "gitlab_ci", "id": "1", "url": "u", "triggered_by": "ann"},
            {"id": "2", "system": "airflow"},
            {"system": "airflow", "id": "2"},
        ),
    ],
)
def test_options_stand_in_for_what_was_detected(
    found: dict[str, str] | None, given: dict[str, str], expected: dict[str, str] | None
) -> None:
    options: dict[str, Any] = {"id": None, "url": None, "system": None, "actor": None, **given}

    assert version_facts.run(found, **options) == expected


FOUND = {"repo": "https://h/fraud", "commit": "c0ffee", "branch": "main", "path": "jobs", "dirty": True}


@pytest.mark.parametrize(
    ("found", "given", "expected"),
    [
        (FOUND, {}, FOUND),
        (FOUND, {"repo": "https://me:pw@h/fraud", "commit": "c0ffee"}, FOUND),
        (FOUND, {"branch": "topic"}, FOUND | {"branch": "topic"}),
        (FOUND | {"command": "dvc repro"}, {"command": "make"}, FOUND | {"command": "make"}),
        (None, {"command": "make"}, {"command": "make"}),
        (FOUND, {"commit": "decade"}, {"repo": "https://h/fraud", "commit": "decade"}),
        (FOUND, {"repo": "https://h/other"}, {"repo": "https://h/other"}),
        (FOUND, {"repo": "https://h/other", "commit": "c0ffee"}, {"repo": "https://h/other", "commit": "c0ffee"}),
        (None, {"repo": "git@h:fraud", "commit": "c0ffee"}, {"repo": "git@h:fraud", "commit": "c0ffee"}),
    ],
)
def test_what_was_detected_of_other_code_is_left_out(found: Any, given: dict[str, str], expected: Any) -> None:
    assert (
        version_facts.code(found, **{"repo": None, "commit": None, "branch": None, "command": None, **given})
        == expected
    )


def test_a_name_that_two_datasets_have_identifies_none(run_cli: CommandLine, place: Place) -> None:
    for name in ("a", "b"):
        (place.cwd / name).mkdir()
        (place.cwd / name / "test.csv").write_text(name)

    done = run_cli("register", "fraud", "a", "--data", "a/test.csv", "--data", "b/test.csv", "--metric",
                    "auc=1@test.csv")  # fmt: skip

    assert (done.code, "'test.csv' is no dataset of --data" in done.err) == (2, True)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--commit", "c0ffee"], "name it with --repo"),
        (["--repo", "https://h:port/r"], "'https://h:port/r' is no address of a repository"),
        (["--triggered-by", "ann"], "name it with --run-id"),
    ],
)
def test_facts_of_nothing_are_wrong_usage(run_cli: CommandLine, place: Place, options: list[str], says: str) -> None:
    (place.cwd / "model").write_text("x")

    done = run_cli("register", "fraud", "model", "--no-detect", *options)

    assert (done.code, says in done.err.replace("\n", " ")) == (2, True)
