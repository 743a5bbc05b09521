"""Files under paths: sent, read, listed and deleted as MLflow's clients do it."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from registry.app import create_app
from registry.config import Settings
from registry.db.session import db
from tests.support.api import HOST, Api
from tests.support.artifact_area import AREA, ArtifactArea
from tests.support.databases import Database
from tests.support.registry_builder import RegistryBuilder
from tests.support.replies import expect
from tests.support.statement_counting import counting_statements

RUN = "0/run/artifacts/model"
UNKNOWN_ID = "00000000-0000-4000-8000-000000000000"


def text(response: Any) -> str:
    return str(response.get_data(as_text=True))


def test_a_file_comes_back_as_it_was_sent(artifact_area: ArtifactArea) -> None:
    sent = artifact_area.put("0/run/artifacts/model/MLmodel", b"flavors:", headers={"Content-Type": "text/plain"})

    reply = artifact_area.get("0/run/artifacts/model/MLmodel")

    assert (sent.status_code, sent.get_json()) == (200, {})
    assert (reply.status_code, reply.get_data()) == (200, b"flavors:")
    assert reply.headers["Content-Disposition"] == 'attachment; filename="MLmodel"'
    assert reply.headers["X-Content-Type-Options"] == "nosniff"
    assert reply.headers["Content-Type"].startswith("text/plain")


def test_browsers_find_the_same_files_below_their_own_prefix(artifact_area: ArtifactArea) -> None:
    artifact_area("PUT", "/ajax-api/2.0/mlflow-artifacts/artifacts/a/b", data=b"x")

    reply = artifact_area("GET", "/ajax-api/2.0/mlflow-artifacts/artifacts/a/b")

    assert (reply.get_data(), artifact_area.get("a/b").get_data()) == (b"x", b"x")


def test_a_part_of_a_file_is_sent_where_it_is_asked_for(artifact_area: ArtifactArea) -> None:
    artifact_area.put("a", b"0123456789")

    reply = artifact_area.get("a", headers={"Range": "bytes=2-4"})

    assert (reply.status_code, reply.get_data()) == (206, b"234")
    assert reply.headers["Content-Range"] == "bytes 2-4/10"


@pytest.mark.parametrize("content", [b"", b"x", bytes(3_000_000)], ids=["empty", "small", "large"])
def test_a_body_of_undeclared_length_is_taken(artifact_area: ArtifactArea, content: bytes) -> None:
    environ = {"wsgi.input_terminated": True}
    headers = {"Transfer-Encoding": "chunked"}

    sent = artifact_area.put("a", b"", input_stream=io.BytesIO(content), headers=headers, environ_overrides=environ)

    assert sent.status_code == 200, text(sent)
    assert artifact_area.get("a").get_data() == content
    assert artifact_area.listed() == {"a": len(content)}


def test_a_body_that_is_shorter_than_announced_leaves_what_was_there(
    artifact_area: ArtifactArea, registry: RegistryBuilder
) -> None:
    artifact_area.put("a", b"before")
    entries = registry.audit_entry_count()

    cut = artifact_area("PUT", f"{AREA}/artifacts/a", data=b"after", environ_overrides={"CONTENT_LENGTH": "6"})

    assert cut.status_code in {400, 409}, text(cut)
    assert artifact_area.get("a").get_data() == b"before"
    assert registry.audit_entry_count() == entries


def test_a_file_that_holds_credentials_is_refused_unless_the_operator_allows_it(
    artifact_area: ArtifactArea, registry: RegistryBuilder, database: Database, make_settings: Callable[..., Settings]
) -> None:
    key = b"-----BEGIN RSA " + b"PRIVATE KEY-----\nMIIEpAIBAAKCAQEA7bq5Sg1Xz0c2\n"
    entries = registry.audit_entry_count()

    refused = [artifact_area.put(f"{RUN}/prod.env", b"A=1"), artifact_area.put(f"{RUN}/notes.txt", key)]
    begun = artifact_area.parts("create", RUN, path="/tmp/.npmrc", num_parts=1)

    for reply, name in zip([*refused, begun], ["prod.env", "notes.txt", ".npmrc"], strict=True):
        answer = expect(400, reply)
        assert answer["error_code"] == "INVALID_PARAMETER_VALUE"
        assert f"'{RUN}/{name}' holds credentials: " in answer["message"]
        assert "REGISTRY_ALLOW_SECRETS=true" in answer["message"]
    assert (artifact_area.listed(RUN), registry.audit_entry_count()) == ({}, entries)
    app = create_app(make_settings(database.url, allow_secrets=True))
    allowing = ArtifactArea(app, artifact_area.token)
    for path, content in (("prod.env", b"A=1"), ("notes.txt", key)):
        expect(200, allowing.put(f"{RUN}/{path}", content))
    for path in ("empty.env", "example.env", ".DS_Store"):  # clutter is kept: each file was logged on purpose
        expect(200, artifact_area.put(f"{RUN}/{path}", b"" if path == "empty.env" else b"A="))
    assert set(artifact_area.listed(RUN)) == {"prod.env", "notes.txt", "empty.env", "example.env", ".DS_Store"}
    with app.app_context():
        db.engine.dispose()


def test_what_is_sent_last_counts_and_the_same_again_is_no_change(
    artifact_area: ArtifactArea, registry: RegistryBuilder
) -> None:
    for content in (b"one", b"two!", b"two!"):
        assert artifact_area.put("a/b", content).status_code == 200

    assert artifact_area.get("a/b").get_data() == b"two!"
    assert artifact_area.listed("a") == {"b": 4}
    written = [entry for entry in entries_of(registry.client) if entry["action"] == "artifact.written"]
    assert [entry["texts"] for entry in written] == [{"path": "a/b"}] * 2
    assert written[0]["after"]["sha256"] == f"sha256:{hashlib.sha256(b'two!').hexdigest()}"
    assert written[0]["before"]["sha256"] == f"sha256:{hashlib.sha256(b'one').hexdigest()}"


def entries_of(api: Api) -> list[dict[str, Any]]:
    """The latest entries of the log, newest first."""
    items: list[dict[str, Any]] = expect(200, api.get("/audit?limit=50"))["items"]
    return items


def test_a_folder_shows_files_with_sizes_and_folders_without(artifact_area: ArtifactArea) -> None:
    for path in ("m/MLmodel", "m/data/a.bin", "m/data/deep/b.bin", "m0", "mm/x", "m-/x"):
        artifact_area.put(path, b"12345")

    assert artifact_area.listed() == {"m": None, "m-": None, "m0": 5, "mm": None}
    assert artifact_area.listed("m") == artifact_area.listed("m/") == {"MLmodel": 5, "data": None}
    assert artifact_area.listed("m/data") == {"a.bin": 5, "deep": None}
    assert artifact_area.listed("m/MLmodel") == artifact_area.listed("nowhere") == artifact_area.listed("m/dat") == {}


def test_names_are_sorted_and_compared_byte_by_byte(artifact_area: ArtifactArea) -> None:
    names = ["a", "B", "b", "a.b", "\u00e4", "%", "_", "a b", "\U0001f98a", "\ufffc"]
    for name in names:
        assert artifact_area.put(f"d/{name}", name.encode()).status_code == 200

    assert list(artifact_area.listed("d")) == sorted(names, key=str.encode)
    assert artifact_area.listed("D") == {}
    assert artifact_area.get("d/B").get_data() == b"B"


def test_listing_costs_one_statement_however_many_files_there_are(app: Flask, artifact_area: ArtifactArea) -> None:
    for number in range(30):
        artifact_area.put(f"r/{number % 3}/{number}", b"x")

    with counting_statements(app) as seen:
        found = artifact_area.listed("r")

    assert found == {"0": None, "1": None, "2": None}
    assert len([statement for statement in seen if "artifacts" in statement]) == 1


def test_deleting_a_folder_deletes_its_content_and_nothing_else(
    artifact_area: ArtifactArea, registry: RegistryBuilder
) -> None:
    for path in ("m/a", "m/b/c", "m0", "mm/a", "n"):
        artifact_area.put(path, b"12345")

    deleted = [
        artifact_area.delete("m/"),
        artifact_area.delete("n"),
        artifact_area.delete("m"),
        artifact_area.delete("nowhere"),
    ]

    assert [(reply.status_code, reply.get_json()) for reply in deleted] == [(200, {})] * 4
    assert artifact_area.listed() == {"m0": 5, "mm": None}
    told = [entry["before"] for entry in entries_of(registry.client) if entry["action"] == "artifact.deleted"]
    assert told == [{"files": 1, "size": "5"}, {"files": 2, "size": "10"}]


def test_what_is_not_there_is_404_and_a_folder_is_400(artifact_area: ArtifactArea) -> None:
    artifact_area.put("m/a", b"x")

    missing, folder, signed = artifact_area.get("m/b"), artifact_area.get("m"), artifact_area.presigned("nowhere")

    assert (missing.status_code, folder.status_code, signed.status_code) == (404, 400, 404)
    assert "folder" in text(folder)


def test_a_path_is_a_file_or_a_folder(artifact_area: ArtifactArea) -> None:
    artifact_area.put("m/a/b", b"x")

    above, below = artifact_area.put("m/a", b"y"), artifact_area.put("m/a/b/c", b"y")

    assert (above.status_code, below.status_code) == (409, 409)
    assert "cannot be a file and a folder" in text(above)
    assert artifact_area.listed("m") == {"a": None}


def test_a_signed_address_needs_no_token(artifact_area: ArtifactArea) -> None:
    artifact_area.put("m/a", b"0123456789")

    signed = artifact_area.presigned("m/a").get_json()
    reply = ArtifactArea(artifact_area.app, None)(
        "GET", signed["url"].removeprefix(HOST), headers={"Range": "bytes=5-"}
    )

    assert (signed["headers"], signed["file_size"]) == ({}, 10)
    assert (reply.status_code, reply.get_data()) == (206, b"56789")


def test_a_local_store_takes_no_parts_and_says_so_as_mlflow_does(artifact_area: ArtifactArea) -> None:
    info = artifact_area("GET", "/api/3.0/mlflow/server-info").get_json()
    create = artifact_area.parts("create", "m", path="a", num_parts=2)

    assert (info["multipart_uploads_enabled"], info["multipart_downloads_enabled"]) == (False, False)
    assert info["artifact_serving_enabled"] is True
    assert create.status_code == 501
    said = create.get_json()
    assert (said.get("detail") or said["message"]).startswith(
        "Multipart upload is not supported for the current artifact repository"
    )


@pytest.mark.parametrize(
    ("role", "reading", "writing"), [("reader", 200, 403), ("writer", 200, 200), ("auditor", 403, 403)]
)
def test_who_may_read_and_who_may_write(
    artifact_area: ArtifactArea, artifact_area_as: Callable[[str], ArtifactArea], role: str, reading: int, writing: int
) -> None:
    artifact_area.put("m/a", b"x")
    caller = artifact_area_as(role)

    read = [
        caller.get("m/a"),
        caller.presigned("m/a"),
        caller("GET", f"{AREA}/artifacts", query_string={"path": "m"}),
    ]
    written = [caller.put("m/b", b"y"), caller.delete("m/b")]

    assert {reply.status_code for reply in read} == {reading}
    assert {reply.status_code for reply in written} == {writing}


def test_requests_without_a_token_are_refused(app: Flask) -> None:
    anonymous = ArtifactArea(app, None)

    replies = [
        anonymous.get("a"),
        anonymous.put("a", b"x"),
        anonymous.delete("a"),
        anonymous.presigned("a"),
        anonymous.parts("create", "a", path="b", num_parts=1),
        anonymous("GET", "/api/3.0/mlflow/server-info"),
    ]

    assert {reply.status_code for reply in replies} == {401}


def test_a_body_that_is_larger_than_a_file_may_be_is_refused(
    app: Flask, artifact_area: ArtifactArea, make_small: Callable[[], ArtifactArea]
) -> None:
    small = make_small()

    announced = small.put("a", bytes(1001))
    chunked = small.put(
        "a",
        b"",
        input_stream=io.BytesIO(bytes(1001)),
        headers={"Transfer-Encoding": "chunked"},
        environ_overrides={"wsgi.input_terminated": True},
    )

    assert (announced.status_code, chunked.status_code) == (413, 413)
    assert small.put("a", bytes(1000)).status_code == 200


def test_a_version_is_shown_as_files_that_never_change(
    artifact_area: ArtifactArea, registry: RegistryBuilder, api: Api
) -> None:
    number = registry.model("fraud").version(
        files=[registry.file(b"weights", "model/w.bin"), registry.file(b"flavors:", "MLmodel")]
    )
    model = expect(200, api.get("/models/fraud"))["id"]
    place = f"versions/{model}/{number}"

    assert artifact_area.listed(place) == {"MLmodel": 8, "model": None}
    assert artifact_area.listed(f"{place}/model") == {"w.bin": 7}
    assert (
        artifact_area.listed("versions")
        == artifact_area.listed(f"versions/{model}")
        == artifact_area.listed(f"{place}0")
        == {}
    )
    assert artifact_area.get(f"{place}/model/w.bin").get_data() == b"weights"
    assert artifact_area.get(f"{place}/MLmodel", headers={"Range": "bytes=0-2"}).get_data() == b"fla"
    assert artifact_area.presigned(f"{place}/MLmodel").get_json()["file_size"] == 8
    assert [artifact_area.get(path).status_code for path in (f"{place}/model", place)] == [400, 400]
    assert [artifact_area.get(path).status_code for path in (f"{place}/x", f"{place}0/MLmodel", "versions/x")] == [
        404
    ] * 3

    refused = [
        artifact_area.put(f"{place}/MLmodel", b"x"),
        artifact_area.delete(place),
        artifact_area.delete("versions"),
    ]
    assert [reply.status_code for reply in refused] == [400] * 3
    assert "never change" in text(refused[0])
    assert artifact_area.get(f"{place}/MLmodel").get_data() == b"flavors:"


def test_a_deleted_version_is_not_shown(artifact_area: ArtifactArea, registry: RegistryBuilder, api: Api) -> None:
    number = registry.model("fraud").version(files=[registry.file(b"weights")])
    model = expect(200, api.get("/models/fraud"))["id"]
    expect(200, api.delete(f"/models/fraud/versions/{number}", json={"reason": "x"}))

    read = artifact_area.get(f"versions/{model}/{number}/model.bin")

    assert read.status_code == 409
    assert "deleted" in text(read)


@pytest.mark.parametrize(
    "place", [f"versions/{UNKNOWN_ID}/1/a", f"versions/{UNKNOWN_ID}/99999999999/a", "versions/fraud/1/a"]
)
def test_a_version_that_there_is_not_is_404(artifact_area: ArtifactArea, place: str) -> None:
    assert artifact_area.get(place).status_code == 404
