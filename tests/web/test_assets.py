"""The files of pages: those of other projects are what their entry says, and addresses change with the content."""

from __future__ import annotations

import hashlib
import tomllib

import pytest
from flask.testing import FlaskClient

from registry.web import assets

VENDOR = assets.FOLDER / "vendor"
ENTRIES = tomllib.loads((VENDOR / "vendor.toml").read_text())


def test_every_file_of_another_project_has_an_entry_and_a_licence() -> None:
    files = {path.name for path in VENDOR.iterdir() if path.suffix in {".js", ".css"}}

    assert files == {*ENTRIES}
    assert {entry["licence_file"] for entry in ENTRIES.values()} == {path.name for path in VENDOR.glob("*.LICENSE")}


@pytest.mark.parametrize("name", ENTRIES)
def test_a_file_of_another_project_is_unchanged(name: str) -> None:
    assert hashlib.sha256((VENDOR / name).read_bytes()).hexdigest() == ENTRIES[name]["sha256"]


def test_a_file_is_kept_for_a_year_at_its_own_address_only(visitor: FlaskClient) -> None:
    file = assets.files()["registry.css"]

    own = visitor.get(f"/static/{file.tag}/registry.css")
    other = visitor.get("/static/000000000000/registry.css")

    assert own.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert other.headers["Cache-Control"] == "no-store"
    assert own.data == other.data == file.body
    assert own.headers["Content-Type"] == "text/css; charset=utf-8"


@pytest.mark.parametrize(
    "name", ["vendor/vendor.toml", "../blueprint.py", "%2e%2e/blueprint.py", "absent.js", "vendor"]
)
def test_nothing_else_is_sent(name: str, visitor: FlaskClient) -> None:
    assert visitor.get(f"/static/000000000000/{name}").status_code == 404
