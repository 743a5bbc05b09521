"""The files of a version: by folder, bounded, and previewed without ever becoming a page of their own."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from registry.http.context import EXTENSION
from registry.services.usage.downloads import Way
from registry.storage.checked import Store
from registry.storage.driver import Down
from tests.support.browser_sessions import logged_in
from tests.support.databases import Database
from tests.support.pages import Seen, browse, examined
from tests.support.registry_builder import RegistryBuilder

FILES = "/models/fraud/versions/1/files"
HEADER = json.dumps({"w": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}}).encode()
CONTENTS = {
    "notes.txt": "one\ntwo \u202egnp.exe".encode(),
    "page.html": b"<script>alert(1)</script>",
    "drawing.svg": b"<svg onload=alert(1)>",
    "conf/deep.json": b'{"a":' * 20_000,
    "conf/MLmodel": b"flavors:\n  sklearn: {}\nrun_id: abc\n",
    "weights/a.safetensors": struct.pack("<Q", len(HEADER)) + HEADER + bytes(24),
    "weights/lying.safetensors": struct.pack("<Q", 2**62) + HEADER,
    "weights/broken.txt": b"caf\xe9",
    "empty": b"",
}


@pytest.fixture
def files(site: RegistryBuilder) -> None:
    site.model().version(files=[site.file(content, path) for path, content in CONTENTS.items()])


def cells(seen: Seen) -> list[str]:
    return [" ".join("".join(row.itertext()).split()) for row in seen.one("tbody").iter("tr")]


@pytest.mark.usefixtures("files")
def test_folders_are_folded_and_lead_to_their_files(visitor: FlaskClient) -> None:
    top, conf = browse(visitor, FILES), browse(visitor, f"{FILES}?folder=conf")

    assert [row.split()[0] for row in cells(top)] == [
        "conf/", "drawing.svg", "empty", "notes.txt", "page.html", "weights/",
    ]  # fmt: skip
    assert f"{FILES}?folder=weights" in top.links
    assert "3 files" in cells(top)[-1]
    assert [row.split()[0] for row in cells(conf)] == ["MLmodel", "deep.json"]
    assert f"{FILES}/conf/MLmodel" in conf.links
    assert visitor.get(f"{FILES}/conf").headers["Location"] == f"{FILES}?folder=conf"
    for odd in ("absent", "conf/", "%00", "../x", "conf%2Fdeep.json"):
        status = 422 if odd == "%00" else 404
        assert browse(visitor, f"{FILES}?folder={odd}", status=status).one("h1").text
    assert browse(visitor, f"{FILES}/conf/absent", status=404).one("h1").text
    assert browse(visitor, f"{FILES}?cursor=forged", status=400).one("h1").text


@pytest.mark.usefixtures("files")
def test_files_are_previewed_as_text_tables_or_not_at_all(visitor: FlaskClient, dev_app: Flask) -> None:
    texts = {
        "notes.txt": "one two [U+202E]gnp.exe",
        "page.html": "<script>alert(1)</script>",
        "drawing.svg": "<svg onload=alert(1)>",
        "conf/deep.json": "The first 64.0 KiB of 97.7 KiB.",
        "conf/MLmodel": "sklearnempty run_idabc",
        "weights/a.safetensors": "1 tensor, 6 parameters. Tensors, as the header of the file describes them "
        "NameTypeShapeBytes wF322 × 324 B",
        "weights/lying.safetensors": "Not a safetensors file",
        "weights/broken.txt": "No preview of this type.",
        "empty": "The file is empty.",
    }
    counts = dev_app.extensions[EXTENSION].downloads

    for path, text in texts.items():
        seen = browse(visitor, f"{FILES}/{path}")
        assert text in seen.text, path
        assert not seen.all("svg"), path
    assert {kind.way for kind in counts._waiting} >= {Way.PREVIEW}
    download = visitor.get(f"{FILES}/page.html?download=1")
    assert download.status_code == 302
    with visitor.get(download.headers["Location"]) as sent:
        assert sent.data == CONTENTS["page.html"]
        assert sent.headers["Content-Disposition"].startswith("attachment")
    assert visitor.get(f"{FILES}/absent?download=1", headers={"Accept": "text/html"}).status_code == 404


@pytest.mark.usefixtures("files")
def test_a_store_that_does_not_answer_is_named(visitor: FlaskClient, dev_app: Flask, storage_root: Path) -> None:
    class AwayDriver:
        def read(self, key: str) -> Iterator[bytes]:
            raise Down("no answer")
            yield b""

    kept: Any = dev_app.extensions[EXTENSION]
    dev_app.extensions[EXTENSION] = replace(kept, store=Store(AwayDriver()))  # type: ignore[arg-type]  # it only reads
    try:
        response = visitor.get(f"{FILES}/notes.txt", headers={"Accept": "text/html"})
    finally:
        dev_app.extensions[EXTENSION] = kept

    assert response.headers["Retry-After"]
    assert "No preview: the artifact store" in examined(response, status=503).text


def test_ten_thousand_files_are_shown_in_bounded_pages(site: RegistryBuilder, visitor: FlaskClient) -> None:
    one = site.file()
    paths = [f"flat-{n:04}" for n in range(5000)] + [f"d{n % 50:02}/x{n}" for n in range(5000)]
    site.model().version(files=[one | {"path": path} for path in paths])

    first = browse(visitor, FILES)
    (link,) = [link for link in first.links if "cursor=" in link]
    second = browse(visitor, link)

    names = [row.split()[0] for row in cells(first)] + [row.split()[0] for row in cells(second)]
    assert names[:51] == [*(f"d{n:02}/" for n in range(50)), "flat-0000"]
    assert names == sorted(set(names))
    assert len(names) == 400
    assert len(first.response.data) < 110_000
    assert "100 files" in cells(first)[0]


def test_without_the_permission_a_file_is_described_and_not_given_out(
    app: Flask, registry: RegistryBuilder, database: Database
) -> None:
    registry.model().version(files=[registry.file(b"secret", "notes.txt")])
    auditor = logged_in(app, database.tokens["auditor"])

    seen = browse(auditor, f"{FILES}/notes.txt")

    assert "requires the permission file:download" in seen.text
    assert "secret" not in seen.text
    assert not [link for link in seen.links if "download" in link]
    assert browse(auditor, f"{FILES}/notes.txt?download=1", status=403).one("h1").text
    assert "notes.txt" in browse(auditor, FILES).text
