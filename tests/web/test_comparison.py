"""Versions side by side, the choice of them, and metrics: as pages."""

from __future__ import annotations

import json
from urllib.parse import quote

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.support.many_versions import repeat_latest_version
from tests.support.pages import Seen, browse
from tests.support.registry_builder import RegistryBuilder
from tests.support.replies import expect

MODEL = '50% "off" #1?'
COMMITS = ("0ade7c2c" * 5, "17ba0791" * 5)
SVG = "{http://www.w3.org/2000/svg}"
ON_SQLITE = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


def arrange(site: RegistryBuilder, name: str = "fraud") -> None:
    """Register two versions that differ: 1 is in production, 2 in staging."""
    for place, stage in enumerate(("production", "staging")):
        site.model(name).version(
            stage,
            files=[site.file(f"a==1.{place}\n".encode(), "requirements.txt"), site.file(b"same", "same.bin")],
            params={"depth": str(place), "seed": "7"},
            metrics={"auc": 0.9 - place / 10} | ({"f1": 0.5} if place else {}),
            code={"repo": "https://github.com/example/fraud.git", "commit": COMMITS[place]},
            tags={"team": "risk"},
        )


def cells(seen: Seen, name: str) -> list[str]:
    """Return the texts of the cells of a row."""
    (row,) = (row for row in seen.all("tr") if "".join(next(iter(row), row).itertext()).split()[:1] == [name])
    return [" ".join("".join(cell.itertext()).split()) for cell in row][1:]


def led(seen: Seen, text: str) -> list[str | None]:
    """Return where the links with this text lead."""
    return [link.get("href") for link in seen.all("a") if link.text == text]


def test_a_comparison_shows_what_differs_and_says_what_does_not(site: RegistryBuilder, visitor: FlaskClient) -> None:
    arrange(site)
    site.model(MODEL).version()

    seen = browse(visitor, "/compare?v=fraud:1&v=fraud%23staging&utm_source=x")
    whole = browse(visitor, "/compare?v=fraud:1&v=fraud:2&all")
    others = browse(visitor, f"/compare?v=fraud:1&v={quote(MODEL)}&v=fraud:2")
    same = browse(visitor, "/compare?v=fraud:1&v=fraud:1")

    assert "".join(seen.one("h1").itertext()) == "fraud: v1 → v2"
    assert cells(seen, "auc") == ["0.9", "≠ 0.8 −0.1 (−11.1 %) worse"]
    assert cells(seen, "f1") == ["absent", "+ 0.5"]
    assert cells(seen, "commit") == [COMMITS[0][:12], f"≠ {COMMITS[1][:12]} commits"]
    assert f"https://github.com/example/fraud/compare/{COMMITS[0]}...{COMMITS[1]}" in {
        a.get("href") for a in seen.all("a")
    }
    assert "seed" not in seen.text
    assert "same.bin" not in seen.text
    assert "Equal: Tags." in seen.text
    assert "environment lock file" in seen.text
    assert cells(whole, "seed") == ["7", "7"]
    assert [a.get("href") for a in seen.all("a") if a.text == "make baseline"] == [
        "/compare?v=fraud%23staging&v=fraud:1"
    ]
    assert {a.get("href") for a in others.all("a") if a.text == "remove"} >= {"/compare?v=fraud:1&v=fraud:2"}
    assert "The files and all recorded facts are the same." in same.text
    assert "auc" in browse(visitor, "/models/fraud/versions/1/metrics").text
    (address,) = led(seen, "changes")
    file = browse(visitor, str(address))
    assert cells(file, "a") == ["1.0", "≠ 1.1"]
    assert "−a==1.0" in file.text
    assert "+a==1.1" in file.text


def test_packages_of_a_large_lock_file_are_compared_and_its_lines_are_not(
    site: RegistryBuilder, visitor: FlaskClient
) -> None:
    for number in (1, 2):
        lock = f'[[package]]\nname = "numpy"\nversion = "{number}"\n'.ljust(70_000, "#").encode()
        site.model("fraud").version(files=[site.file(lock, "uv.lock"), site.file(lock, "notes.txt")])

    both = browse(visitor, "/compare?v=fraud:1&v=fraud:2")
    (changes,) = led(both, "changes")
    seen = browse(visitor, changes or "")

    assert cells(seen, "numpy") == cells(both, "numpy") == ["1", "≠ 2"]
    assert "Packages of uv.lock" in both.text
    assert "Packages of" not in browse(visitor, "/compare?v=fraud:1&v=fraud:2&v=fraud:1").text
    assert "more than 64 KiB; its lines are not compared here" in seen.text


def test_versions_are_chosen_from_a_model_or_by_reference(site: RegistryBuilder, visitor: FlaskClient) -> None:
    arrange(site, MODEL)
    two = f"{quote(MODEL)}:2"

    empty = browse(visitor, "/compare")
    chosen = browse(visitor, f"/compare?v={two}")
    page = browse(visitor, f"/models/{quote(MODEL, safe='')}?metric=f1&last=20")
    refused = {
        query: browse(visitor, f"/compare?{query}", status=status)
        for query, status in [
            ("v=fraud:0&v=fraud:1", 422),
            (f"v={two}&v={two}0", 404),
            ("&".join([f"v={two}"] * 7), 422),
        ]
    }

    assert "Choose versions to compare" in empty.text
    assert len(empty.all("input", name="v")) == 2
    boxes = {box.get("value"): box.get("checked") for box in chosen.all("input", name="v")}
    assert boxes == {f"{MODEL}:2": "", f"{MODEL}:1": None}
    assert {box.get("value") for box in page.all("input", name="v")} == {f"{MODEL}:1", f"{MODEL}:2"}
    assert "f1 over 2 versions: 0.5; 1 without a value." in page.text
    assert "numbers count from 1" in refused["v=fraud:0&v=fraud:1"].text
    assert [field.get("value") for field in refused["v=fraud:0&v=fraud:1"].all("input", name="v")] == [
        "fraud:0",
        "fraud:1",
    ]


def test_the_explorer_has_the_values_as_pictures_as_a_table_and_for_its_script(
    site: RegistryBuilder, visitor: FlaskClient
) -> None:
    arrange(site)

    seen = browse(visitor, "/models/fraud/metrics?key=f1&key=auc&last=20")
    unknown = browse(visitor, "/models/fraud/metrics?key=none")
    browse(visitor, "/models/fraud/metrics?last=21", status=422)
    for odd in ("a%00b", "x" * 300):
        for address in ("/models/fraud/metrics?key=", "/models/fraud?metric=", "/compare?model="):
            browse(visitor, address + odd, status=422)
    site.create_model("empty")
    empty = browse(visitor, "/models/empty/metrics")

    assert len(seen.all("select", name="dataset")) == 0
    assert json.loads(seen.one("div", id="chart").get("data-series", "")) == {
        "versions": [1, 2],
        "series": [
            {"label": "f1", "scale": 0, "values": [None, 0.5]},
            {"label": "auc", "scale": 1, "values": [0.9, 0.8]},
        ],
    }
    assert len(seen.all(f"{SVG}svg")) == 2
    assert {"".join(title.itertext()) for title in seen.all(f"{SVG}title")} >= {
        "v1: 0.9, production",
        "v2: 0.8, staging",
    }
    assert "none: none of these versions has a value." in unknown.text
    assert "No metrics are recorded" in empty.text


def test_metrics_on_different_data_are_told_apart_and_chosen(site: RegistryBuilder, visitor: FlaskClient) -> None:
    digests = [f"sha256:{digit * 64}" for digit in "12"]
    names = [f"train {'1' * 12}", f"test {'2' * 12}"]
    for number, datasets in enumerate((("train",), ("train",), ("train", "test"), ()), start=1):
        site.model("fraud").version(metrics={} if datasets else {"auc": 0.1})
        for place, name in enumerate(datasets):
            measured = {"metrics": {"auc": number + place / 10}, "dataset_digest": digests[place], "dataset_name": name}
            expect(201, site.client.post(f"/models/fraud/versions/{number}/metrics", measured))

    model = browse(visitor, "/models/fraud")
    seen = browse(visitor, "/models/fraud/metrics?key=auc")
    train = browse(visitor, f"/models/fraud/metrics?key=auc&dataset={digests[0]}")

    for shown in (model, seen):
        assert f"Measured on {names[0]}, {names[1]}, data without a name; values on different data" in shown.text
        assert [len({*str(line.get("points")).split()}) for line in shown.all(f"{SVG}polyline")] == [2, 1, 1]
    assert json.loads(seen.one("div", id="chart").get("data-series", ""))["series"] == [
        {"label": f"auc on {names[0]}", "scale": 0, "values": [1.0, 2.0, None, None]},
        {"label": f"auc on {names[1]}", "scale": 0, "values": [None, None, 3.1, None]},
        {"label": "auc on data without a name", "scale": 0, "values": [None, None, None, 0.1]},
    ]
    assert json.loads(train.one("div", id="chart").get("data-series", ""))["series"] == [
        {"label": "auc", "scale": 0, "values": [1.0, 2.0, 3.0, None]}
    ]
    assert cells(seen, "v3")[-1] == f"3.1 on {names[1]}"
    assert cells(train, "v3")[-1] == "3"
    assert "Measured on" not in train.text
    assert [option.get("value") for option in train.all("option", selected="")] == ["200", digests[0]]
    (link,) = led(model, names[0])
    assert "Measured on" not in browse(visitor, str(link)).text


@ON_SQLITE
def test_pages_stay_small_however_much_there_is(site: RegistryBuilder, visitor: FlaskClient, dev_app: Flask) -> None:
    arrange(site)
    names = "&".join(f"v=fraud:{number}" for number in (1, 2, 3, 4, 5, 6))
    for number in range(3, 7):
        site.model("fraud").version(
            files=[site.file(b"x", f"{number}/{place}.bin") for place in range(10)],
            params={f"p{place}": f"{number}" for place in range(30)},
            metrics={f"m{place}": number / 7 for place in range(10)},
        )
    compared = browse(visitor, f"/compare?{names}")
    repeat_latest_version(dev_app, "fraud", 994)
    pages = {last: browse(visitor, f"/models/fraud?metric=auc&last={last}") for last in (20, 200, 1000)}

    sizes = {last: len(page.response.data) for last, page in pages.items()}
    assert max(sizes.values()) <= 110_000, sizes
    assert len(compared.response.data) <= 50_000, len(compared.response.data)
    assert "auc over 1000 versions" in pages[1000].text
    assert len(pages[20].all(f"{SVG}circle")) == 20
    assert len(pages[1000].all(f"{SVG}circle")) == 2
    browse(visitor, "/models/fraud/metrics?last=1000&key=auc&key=p99_ms")
