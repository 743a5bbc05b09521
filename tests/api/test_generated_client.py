"""A Python client that openapi-python-client makes of the OpenAPI document: it compiles, and it does the main tasks."""

from __future__ import annotations

import importlib
import json
import pkgutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from flask import Flask

from registry.api import description, examples
from tests.support import dev_server
from tests.support.databases import Database
from tests.support.web_server import serving

PACKAGE = "generated_registry_client"
# The generator has no name of its own for tar; nothing else of the document needs an adjustment.
SETTINGS = """
post_hooks: []
content_type_overrides:
  application/x-tar: application/octet-stream
"""


@pytest.fixture
def generated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of the generated package, which can be imported until the test ends."""
    (tmp_path / "settings.yml").write_text(SETTINGS)
    (tmp_path / "openapi.json").write_text(json.dumps(description.document()))
    command = [sys.executable, "-m", "openapi_python_client", "generate", "--meta", "none", "--fail-on-warning"]
    files = ["--path", "openapi.json", "--config", "settings.yml", "--output-path", PACKAGE]
    done = subprocess.run([*command, *files], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path / PACKAGE
    for name in [name for name in sys.modules if name.partition(".")[0] == PACKAGE]:
        del sys.modules[name]


def operation(name: str) -> Any:
    """The generated module of an operation."""
    root = importlib.import_module(PACKAGE)
    (found,) = (
        part.name for part in pkgutil.walk_packages(root.__path__, f"{PACKAGE}.") if part.name.endswith(f".{name}")
    )
    return importlib.import_module(found)


def body(name: str, example: object) -> Any:
    models = importlib.import_module(f"{PACKAGE}.models")
    return getattr(models, name).from_dict(example)


def use(client: Any) -> None:
    """Register, promote and search with nothing but generated code, and httpx for the bytes."""

    def send(name: str, *parts: object, schema: str, example: object) -> Any:
        return operation(name).sync(*parts, client=client, body=body(schema, example))

    send("create_model", schema="ModelBody", example=examples.MODEL)
    upload = send("announce_upload", schema="UploadBody", example=examples.UPLOAD)
    target = upload.target
    httpx.put(target.url, content=examples.CONTENT, headers=target.headers.to_dict()).raise_for_status()
    assert operation("complete_upload").sync(upload.id, client=client).state == "verified"
    registered = send("register_version", "fraud", schema="VersionBody", example=examples.REGISTRATION)
    refused = send("change_stage", "fraud", 1, schema="StageChangeBody", example={"stage": "production", "reason": "x"})
    for stage in ("staging", "production"):
        wanted = {"stage": stage, "reason": "arranged"}
        moved = send("change_stage", "fraud", 1, schema="StageChangeBody", example=wanted)
    holder = operation("get_stage_holder").sync("fraud", "production", client=client)
    found = operation("search_versions").sync(client=client, filter_="stage = 'production'", limit=5)
    by_body = send("search_versions_by_body", schema="VersionSearchBody", example={"filter": "params.max_depth = '6'"})
    absent = operation("get_model").sync("nothing", client=client)

    assert (registered.created, registered.version.number, registered.version.state) == (True, 1, "ready")
    assert registered.version.lineage.run.system == "github"
    assert (refused.status, refused.code, refused.allowed) == (409, "illegal_transition", ["archived", "staging"])
    assert (moved.changed, moved.kind, moved.version.stage) == (True, "promote", "production")
    assert (holder.number, holder.until, holder.since.tzinfo is not None) == (1, None, True)
    assert [(item.model, item.number) for item in found.items] == [("fraud", 1)]
    assert [item.manifest_digest for item in by_body.items] == [registered.version.manifest_digest]
    assert (absent.status, absent.code) == (404, "not_found")


def test_a_generated_client_registers_promotes_and_searches(app: Flask, database: Database, generated: Path) -> None:
    client_type = importlib.import_module(PACKAGE).AuthenticatedClient

    with serving(app) as url, client_type(base_url=url, token=database.tokens["all"]) as client:
        use(client)


@pytest.mark.slow
def test_a_generated_client_has_the_right_types_and_serves_with_the_real_server(
    generated: Path, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file=", PACKAGE]
    checked = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    (tmp_path / "server").mkdir()

    with (
        (tmp_path / "log").open("ab") as log,
        dev_server.serving(tmp_path / "server", log.fileno()) as server,
        importlib.import_module(PACKAGE).Client(base_url=server.url) as client,
    ):
        use(client)

    assert checked.returncode == 0, checked.stdout
    for part in pkgutil.walk_packages([str(generated)], f"{PACKAGE}."):
        importlib.import_module(part.name)
