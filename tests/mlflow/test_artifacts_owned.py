"""A path of the artifact area belongs to who wrote it until they register it; others change nothing of it."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from tests.support.api import Api
from tests.support.artifact_area import ArtifactArea
from tests.support.databases import Database
from tests.support.mlflow_api import MlflowApi
from tests.support.registry_builder import RegistryBuilder
from tests.support.replies import expect

FOLDER = "0/run/artifacts/model"
RUN = "0/ffeeddccbbaa99887766554433221100/artifacts"
LOGGED = "0/models/m-00112233445566778899aabbccddeeff/artifacts"
FILES = {"MLmodel": b"flavors: {}\n", "model.pkl": b"weights"}


@pytest.fixture
def proxy_of(app: Flask, database: Database) -> Callable[[str], ArtifactArea]:
    """A client of the area whose token has one role; each role is another account's."""
    return lambda role: ArtifactArea(app, database.tokens[role])


@pytest.fixture
def alice(proxy_of: Callable[[str], ArtifactArea], registry: RegistryBuilder) -> ArtifactArea:
    """A writer who has sent a model, and not registered it yet."""
    registry.create_model("fraud", lifecycle="open")
    sender = proxy_of("writer")
    send(sender)
    return sender


@pytest.fixture
def mallory(proxy_of: Callable[[str], ArtifactArea]) -> ArtifactArea:
    """Another account that may write."""
    return proxy_of("promoter")


def send(sender: ArtifactArea, folder: str = FOLDER, files: dict[str, bytes] = FILES) -> None:
    for path, content in files.items():
        reply = sender.put(f"{folder}/{path}", content)
        assert reply.status_code == 200, reply.get_data(as_text=True)


def mlflow_api(artifact_area: ArtifactArea) -> MlflowApi:
    return MlflowApi(artifact_area.client, artifact_area.token)


def register(owner: ArtifactArea, folder: str = FOLDER) -> int:
    return int(mlflow_api(owner).registry.model("fraud").register(source=f"mlflow-artifacts:/{folder}")["version"])


def registered(api: Api, number: int) -> dict[str, str]:
    items = expect(200, api.get(f"/models/fraud/versions/{number}/files"))["items"]
    return {item["path"]: item["sha256"] for item in items}


def digests(files: dict[str, bytes]) -> dict[str, str]:
    return {path: hashlib.sha256(content).hexdigest() for path, content in files.items()}


def is_refused(reply: TestResponse, owner: str = "writer") -> bool:
    document = reply.get_json()
    return (reply.status_code, document["error_code"]) == (403, "PERMISSION_DENIED") and (
        f"belongs to {owner}" in document["message"]
    )


def test_another_writer_changes_nothing_between_upload_and_registration(
    alice: ArtifactArea, mallory: ArtifactArea, api: Api, registry: RegistryBuilder
) -> None:
    entries = registry.audit_entry_count()

    replies = [
        mallory.put(f"{FOLDER}/model.pkl", b"evil"),
        mallory.put(f"{FOLDER}/model.pkl", FILES["model.pkl"]),
        mallory.delete(f"{FOLDER}/model.pkl"),
        mallory.delete(FOLDER),
        mallory.delete("0"),
        mallory.parts("create", FOLDER, path="model.pkl", num_parts=2),
    ]

    assert [reply.get_data(as_text=True) for reply in replies if not is_refused(reply)] == []
    assert registry.audit_entry_count() == entries
    assert registered(api, register(alice)) == digests(FILES)


def test_the_owner_may_write_and_delete_as_often_as_they_like(alice: ArtifactArea, api: Api) -> None:
    changed = FILES | {"model.pkl": b"better"}

    send(alice, files=changed)
    deleted = alice.delete(f"{FOLDER}/MLmodel")
    send(alice, files=changed)

    assert deleted.status_code == 200
    assert registered(api, register(alice)) == digests(changed)


def test_registered_paths_are_free_and_the_version_keeps_its_bytes(
    alice: ArtifactArea, mallory: ArtifactArea, api: Api
) -> None:
    number = register(alice)

    send(mallory, files={"model.pkl": b"another", "MLmodel": FILES["MLmodel"]})

    assert registered(api, number) == digests(FILES)
    assert is_refused(alice.put(f"{FOLDER}/model.pkl", b"mine again"), owner="promoter")
    assert is_refused(alice.delete(f"{FOLDER}/MLmodel"), owner="promoter")
    assert registered(api, register(mallory)) == digests(FILES | {"model.pkl": b"another"})


def test_a_registered_path_that_is_written_again_is_its_writers_again(
    alice: ArtifactArea, mallory: ArtifactArea
) -> None:
    register(alice)

    send(alice)  # the same bytes

    assert is_refused(mallory.put(f"{FOLDER}/model.pkl", b"evil"))


def test_a_version_of_another_accounts_files_frees_none_of_them(
    alice: ArtifactArea, mallory: ArtifactArea, api: Api
) -> None:
    number = register(mallory)

    assert registered(api, number) == digests(FILES)
    assert is_refused(mallory.put(f"{FOLDER}/model.pkl", b"evil"))
    assert registered(api, register(alice)) == digests(FILES)


def test_only_the_paths_that_were_registered_are_free(alice: ArtifactArea, mallory: ArtifactArea) -> None:
    alice.put(f"{FOLDER}2/model.pkl", b"other")
    alice.put("0/run/artifacts/plot.png", b"plot")
    register(alice)

    assert is_refused(mallory.put(f"{FOLDER}2/model.pkl", b"evil"))
    assert is_refused(mallory.put("0/run/artifacts/plot.png", b"evil"))
    assert mallory.put(f"{FOLDER}/model.pkl", b"later").status_code == 200


def test_a_file_that_is_its_own_source_is_freed_too(alice: ArtifactArea, mallory: ArtifactArea, api: Api) -> None:
    number = register(alice, f"{FOLDER}/model.pkl")

    assert registered(api, number) == digests({"model.pkl": FILES["model.pkl"]})
    assert mallory.put(f"{FOLDER}/model.pkl", b"later").status_code == 200
    assert is_refused(mallory.put(f"{FOLDER}/MLmodel", b"evil"))


def test_no_version_is_made_of_files_of_several_accounts(
    alice: ArtifactArea, mallory: ArtifactArea, registry: RegistryBuilder
) -> None:
    assert mallory.put(f"{FOLDER}/code/evil.py", b"import os").status_code == 200

    status, code, message = mlflow_api(alice).refused(
        "POST", "/model-versions/create", name="fraud", source=f"mlflow-artifacts:/{FOLDER}"
    )

    assert (status, code) == (409, "INVALID_STATE") or status in {400, 409}
    assert "written by several accounts (promoter, writer)" in message
    assert registry.model("fraud").stages() == {}


def test_nothing_is_slipped_into_a_folder_that_another_account_logs_to_a_run(
    alice: ArtifactArea, mallory: ArtifactArea, api: Api
) -> None:
    """The registration of files of several accounts is refused: one file more would block that of the others."""
    send(alice, f"{RUN}/model")

    replies = [
        mallory.put(f"{RUN}/model/evil.py", b"import os"),
        mallory.put(f"{RUN}/model/code/evil.py", b"import os"),
        mallory.parts("create", f"{RUN}/model/data", path="evil.bin", num_parts=1),
    ]

    assert [reply.get_data(as_text=True) for reply in replies if not is_refused(reply)] == []
    assert mallory.put(f"{RUN}/plots/roc.png", b"a plot").status_code == 200
    assert mallory.put(f"{RUN}/model2/model.pkl", b"another").status_code == 200
    assert registered(api, register(alice, f"{RUN}/model")) == digests(FILES)
    assert mallory.put(f"{RUN}/model/later.py", b"x").status_code == 200


def test_nothing_is_slipped_into_a_logged_model_of_another_account(
    alice: ArtifactArea, mallory: ArtifactArea, proxy_of: Callable[[str], ArtifactArea], api: Api
) -> None:
    send(alice, LOGGED)

    replies = [
        mallory.put(f"{LOGGED}/evil.py", b"import os"),
        mallory.put(f"elsewhere/{LOGGED}/evil.py", b"import os"),
        mallory.parts("create", f"{LOGGED}/data", path="evil.bin", num_parts=1),
    ]

    assert [reply.get_data(as_text=True) for reply in replies if not is_refused(reply)] == []
    assert registered(api, register(alice, LOGGED)) == digests(FILES)
    assert mallory.put(f"{LOGGED}/later.py", b"x").status_code == 200


def test_an_admin_may_replace_and_delete_what_is_anothers_and_the_log_says_who(
    alice: ArtifactArea, proxy_of: Callable[[str], ArtifactArea], api: Api
) -> None:
    admin = proxy_of("admin")

    replaced = admin.put(f"{FOLDER}/model.pkl", b"mended")
    deleted = admin.delete(f"{FOLDER}/MLmodel")

    assert (replaced.status_code, deleted.status_code) == (200, 200)
    latest = expect(200, api.get("/audit?limit=2"))["items"]
    assert [(entry["action"], entry["actor"]["name"]) for entry in latest] == [
        ("artifact.deleted", "admin"), ("artifact.written", "admin"),
    ]  # fmt: skip
    assert is_refused(alice.put(f"{FOLDER}/model.pkl", b"again"), owner="admin")


def test_reading_and_listing_are_as_they_were(alice: ArtifactArea, mallory: ArtifactArea) -> None:
    assert mallory.listed(FOLDER) == {"MLmodel": 12, "model.pkl": 7}
    assert mallory.get(f"{FOLDER}/model.pkl").data == b"weights"


@pytest.mark.parametrize("attempt", range(3))
def test_of_two_who_write_one_new_path_at_once_one_owns_it(
    app: Flask, proxy_of: Callable[[str], ArtifactArea], attempt: int
) -> None:
    senders = {role: proxy_of(role) for role in ("writer", "promoter")}
    barrier, replies = threading.Barrier(2), dict[str, TestResponse]()

    def write(role: str) -> None:
        barrier.wait(30)
        replies[role] = senders[role].put(f"{FOLDER}/model.pkl", role.encode())

    threads = [threading.Thread(target=write, args=(role,)) for role in senders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    (winner,) = [role for role, reply in replies.items() if reply.status_code == 200]
    (loser,) = set(senders) - {winner}
    assert is_refused(replies[loser], owner=winner)
    assert senders[loser].get(f"{FOLDER}/model.pkl").data == winner.encode()


def test_a_registration_and_another_writer_at_once_make_a_version_of_the_owners_bytes(
    app: Flask, alice: ArtifactArea, mallory: ArtifactArea, api: Api
) -> None:
    barrier, numbers, statuses = threading.Barrier(2), [], []

    def attack() -> None:
        barrier.wait(30)
        statuses.extend(mallory.put(f"{FOLDER}/model.pkl", b"evil").status_code for _ in range(10))

    thread = threading.Thread(target=attack)
    thread.start()
    barrier.wait(30)
    numbers.append(register(alice))
    thread.join(60)

    assert registered(api, numbers[0]) == digests(FILES)
    assert set(statuses) <= {403, 200}
    assert statuses == sorted(statuses, reverse=True)  # refused until it was registered
