"""``registry audit --state``: each run writes what is new, and nothing twice."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator

import pytest

from tests.cli.conftest import CommandLine, Place
from tests.support.forked_processes import serving
from tests.support.ports import free_port
from tests.support.processes import environment


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a development server that nothing was written to."""
    url = f"http://127.0.0.1:{(port := free_port())}"
    with serving("--dev", "--bind", f"127.0.0.1:{port}", cwd=tmp_path_factory.mktemp("s"), env=environment(), url=url):
        yield url


def test_each_export_goes_on_where_the_one_before_ended(run_cli: CommandLine, place: Place, service: str) -> None:
    def create(name: str) -> None:
        assert run_cli("model", "create", name, "--url", service).code == 0

    def export() -> list[str]:
        done = run_cli("audit", "--state", "position", "--wait", "60", "--url", service)
        assert (done.code, done.err) == (0, "")
        lines = [json.loads(line) for line in done.out.splitlines()]
        return [line.get("model", "header") for line in lines]

    create("a")
    create("b")
    first, position = export(), (place.cwd / "position").read_text()
    create("c")
    shown = run_cli("audit", "--after", position.strip(), "--json", "--wait", "60", "--url", service)
    second, third = export(), export()

    assert (first, second, third) == (["header", "a", "b"], ["c"], [])
    answer = json.loads(shown.out)
    assert [item["model"] for item in answer["items"]] == ["c"]
    assert answer["next_after"] == (place.cwd / "position").read_text().strip()
    assert (answer["more"], answer["waiting"]) == (False, False)


def test_exports_in_csv_that_are_appended_have_one_header(run_cli: CommandLine, place: Place, service: str) -> None:
    def export() -> str:
        done = run_cli("audit", "--state", "csv-position", "--format", "csv", "--wait", "60", "--url", service)
        assert (done.code, done.err) == (0, "")
        return done.out

    first = export()
    assert run_cli("model", "create", "csv", "--url", service).code == 0
    appended = (first + export() + export()).splitlines(keepends=True)

    comments = [place for place, line in enumerate(appended) if line.startswith("# ")]
    assert comments == list(range(len(comments))) != []
    rows = list(csv.DictReader(appended[len(comments) :]))
    assert [row["model"] for row in rows if row["action"] in {"action", "model.created"}][-1:] == ["csv"]
    assert "action" not in {row["action"] for row in rows}


def test_a_position_of_another_registry_is_a_conflict_and_is_kept(
    run_cli: CommandLine, place: Place, service: str
) -> None:
    (place.cwd / "position").write_text("nonsense")

    done = run_cli("audit", "--state", "position", "--url", service)

    assert done.code == 2
    assert "position" in done.err
    assert (place.cwd / "position").read_text() == "nonsense"
    assert run_cli("audit", "--state", "position", "--after", "start", "--url", service).code == 2


def test_a_position_that_cannot_be_kept_is_refused_before_the_export(run_cli: CommandLine) -> None:
    done = run_cli("audit", "--state", "nowhere/audit.position")

    assert (done.code, done.out) == (2, "")
    assert "there is no directory nowhere" in done.err
