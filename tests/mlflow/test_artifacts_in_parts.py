"""Files of the artifact area that come in parts, straight to an S3 store, and are hashed by a worker."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import requests
from sqlalchemy import update

from registry.db.models import Artifact, Upload
from registry.db.session import transaction
from registry.services import audit
from registry.services.maintenance import cleanup, fsck, garbage_collection
from tests.support.api import Api
from tests.support.artifact_area import AREA, ArtifactArea
from tests.support.damageable_service import MIB, DamageableService, S3StoreEditor
from tests.support.importer import LONG_AGO, Importer
from tests.support.mlflow_api import MlflowApi
from tests.support.registry_builder import in_process
from tests.support.replies import expect
from tests.support.unknown_values import in_both_forms, store_unknown

pytestmark = pytest.mark.share(4)

SECONDS = 60
PATH = "0/models/m-00112233445566778899aabbccddeeff/artifacts/model.pkl"
FOLDER, NAME = PATH.rsplit("/", 1)
stores = pytest.mark.parametrize("parted", ["moto", "swift"], indirect=True)
moto = pytest.mark.parametrize("parted", ["moto"], indirect=True)
sqlite = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


class Parted(ArtifactArea):
    """A registry over an S3 store, and a client that sends it files in parts."""

    def __init__(self, service: DamageableService) -> None:
        super().__init__(service.app, service.token)
        self.service = service
        self.content = os.urandom(5 * MIB) + os.urandom(5 * MIB) + b"the end"

    def begin(self, count: int = 3, name: str = NAME) -> dict[str, Any]:
        begun: dict[str, Any] = expect(200, self.parts("create", FOLDER, path=name, num_parts=count))
        return begun

    def send(self, begun: dict[str, Any]) -> list[dict[str, Any]]:
        """Send every part as MLflow's clients do; what they tell of them."""
        told = []
        for at, credential in enumerate(begun["credentials"]):
            piece = self.content[at * 5 * MIB : (at + 1) * 5 * MIB]
            reply = requests.put(credential["url"], data=piece, headers=credential["headers"], timeout=SECONDS)
            assert reply.status_code == 200, reply.text
            number, url = credential["part_number"], credential["url"]
            told.append({"part_number": number, "etag": reply.headers["ETag"], "url": url})
        return told

    def complete(self, begun: dict[str, Any], parts: list[dict[str, Any]], name: str = NAME) -> Any:
        return self.parts("complete", FOLDER, path=name, upload_id=begun["upload_id"], parts=parts)

    def sent(self) -> str:
        """Send the file; the key of its object, which nobody has hashed."""
        begun = self.begin()
        expect(200, self.complete(begun, self.send(begun)))
        return f"incoming/{begun['upload_id']}"

    def read(self, path: str = PATH) -> bytes:
        """The file as a client downloads it."""
        reply = self.get(path)
        assert reply.status_code == 302, reply.get_data(as_text=True)
        response = requests.get(reply.headers["Location"], timeout=SECONDS)
        assert response.status_code == 200, response.text
        return response.content

    def row(self) -> Any:
        """What the database has of the path."""
        rows = self.service.audit_reader.rows("SELECT sha256, size, object, logged_model FROM artifacts")
        return rows[0] if rows else None

    def stored(self) -> list[str]:
        """The keys of all objects and uploads in the store."""
        store = self.service.store
        return sorted([*(found.key for found in store.objects()), *(found.key for found in store.unfinished())])

    def wrong(self) -> list[Any]:
        """What fsck finds."""
        with self.app.app_context():
            return list(fsck.check(store=self.service.store, deep=True))

    def collect(self) -> None:
        with self.app.app_context():
            list(garbage_collection.collect(store=self.service.store, grace=timedelta()))

    def forget_leases(self) -> None:
        with self.app.app_context(), transaction() as session:
            session.execute(update(Artifact).values(leased_until=LONG_AGO))


@pytest.fixture
def parted(request: pytest.FixtureRequest, open_service: Callable[..., DamageableService]) -> Parted:
    return Parted(open_service(request.param))


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@stores
def test_a_file_that_comes_in_parts_is_read_before_and_after_a_worker_has_hashed_it(parted: Parted) -> None:
    begun = parted.begin()
    told = parted.send(begun)
    completed = parted.complete(begun, told)

    before, unsigned = parted.get(PATH), parted.presigned(PATH).get_json()
    unhashed = parted.row()
    hashed = [parted.hash(), parted.hash()]

    assert (completed.get_json(), hashed) == ({}, [True, False])
    assert (before.status_code, before.data) == (200, parted.content)  # by the service: its object is about to go
    assert unsigned == {"url": f"http://registry.test{AREA}/artifacts/{PATH}", "headers": {}}  # MLflow needs no more
    assert parted.presigned(PATH).get_json()["file_size"] == len(parted.content)
    assert parted.read() == parted.content
    assert (unhashed.sha256, unhashed.object) == (None, f"incoming/{begun['upload_id']}")
    assert unhashed.logged_model == "m-00112233445566778899aabbccddeeff"
    assert (parted.row().sha256, parted.row().object) == (digest(parted.content), None)
    assert [key.split("/")[:3] for key in parted.stored()] == [
        ["blobs", digest(parted.content)[:2], digest(parted.content)]
    ]
    assert parted.wrong() == []
    parted.service.audit_reader.assert_chains()


@moto
@sqlite
def test_a_small_file_in_parts_is_searched_for_credentials_before_it_has_a_path(parted: Parted) -> None:
    parted.content = b"token: ghp_" + b"a1B2c3" * 6
    begun = parted.begin(1, name="notes.txt")

    refused = parted.complete(begun, parted.send(begun), name="notes.txt")

    assert expect(400, refused)["error_code"] == "INVALID_PARAMETER_VALUE"
    assert "notes.txt' holds credentials: a token of GitHub" in refused.get_json()["message"]
    assert (parted.row(), parted.stored(), parted.wrong()) == (None, [], [])


@stores
@sqlite
def test_an_upload_that_was_completed_names_no_second_path(parted: Parted) -> None:
    begun = parted.begin()
    told = parted.send(begun)
    expect(200, parted.complete(begun, told))

    again, other = parted.complete(begun, told), parted.complete(begun, told, name="other.bin")

    assert (again.status_code, other.status_code) == (200, 409)
    assert parted.get(f"{FOLDER}/other.bin").status_code == 404


@stores
@sqlite
def test_a_version_of_files_that_wait_keeps_the_run_that_its_client_named(parted: Parted) -> None:
    parted.sent()
    registry, mlflow_api = in_process(Api(parted.client, parted.token)), MlflowApi(parted.client, parted.token)
    registry.create_model()
    made = mlflow_api.registry.model("fraud").register(source=f"mlflow-artifacts:/{FOLDER}", run_id="a" * 32)

    parted.hash()
    worked = Importer(parted.app, {"all": parted.token or ""}).work()

    version = registry.client.get("/models/fraud/versions/1").get_json()
    assert (made["status"], worked, version["state"]) == ("PENDING_REGISTRATION", True, "ready")
    assert (version["lineage"]["run"]["system"], version["lineage"]["run"]["id"]) == ("mlflow", "a" * 32)


@stores
@sqlite
def test_a_file_is_fetched_from_the_store_where_a_part_of_it_can_be_asked_for(parted: Parted) -> None:
    parted.put("a/b.txt", b"0123456789", headers={"Content-Type": "text/plain"})

    reply = parted.get("a/b.txt")
    response = requests.get(reply.headers["Location"], headers={"Range": "bytes=2-4"}, timeout=SECONDS)
    signed = parted.presigned("a/b.txt").get_json()

    assert (reply.status_code, reply.headers["Cache-Control"]) == (302, "no-store")
    assert (response.status_code, response.content) == (206, b"234")
    assert response.headers["Content-Disposition"] == 'attachment; filename="b.txt"'
    assert requests.get(signed["url"], timeout=SECONDS).content == b"0123456789"


@stores
@sqlite
def test_a_store_on_the_service_s_own_host_and_port_is_not_sent_two_credentials(parted: Parted) -> None:
    parted.put("a/b.txt", b"0123456789")
    endpoint = parted.service.place["s3_endpoint_url"]

    streamed = parted.get("a/b.txt", base_url=endpoint)

    assert (streamed.status_code, streamed.get_data()) == (200, b"0123456789")
    assert streamed.headers["Content-Disposition"] == 'attachment; filename="b.txt"'


@moto
@sqlite
def test_what_a_client_has_on_its_own_disk_counts_by_its_last_step_only(parted: Parted) -> None:
    for name in (f"/home/me/{NAME}", f"C:\\models\\{NAME}"):
        begun = parted.begin(name=name)
        expect(200, parted.complete(begun, parted.send(begun), name=name))

        assert parted.listed(FOLDER) == {NAME: len(parted.content)}


@stores
def test_completing_twice_is_completing_once(parted: Parted) -> None:
    begun = parted.begin()
    told = parted.send(begun)

    replies = [parted.complete(begun, told) for _ in range(2)]
    parted.hash()
    replies.append(parted.complete(begun, told))

    assert [(reply.status_code, reply.get_json()) for reply in replies] == [(200, {})] * 3
    assert parted.row().sha256 == digest(parted.content)
    assert parted.parts("abort", FOLDER, path=NAME, upload_id=begun["upload_id"]).status_code == 409
    assert parted.read() == parted.content


@stores
def test_parts_that_the_store_does_not_have_are_refused(parted: Parted) -> None:
    begun = parted.begin()
    told = parted.send(begun)
    told[1]["etag"] = '"00000000000000000000000000000000"'

    refused = parted.complete(begun, told)

    assert refused.status_code == 409, refused.get_data(as_text=True)
    assert parted.row() is None


@stores
def test_an_upload_that_is_given_up_leaves_nothing(parted: Parted) -> None:
    begun = parted.begin()
    told = parted.send(begun)

    aborted = [parted.parts("abort", FOLDER, path=NAME, upload_id=begun["upload_id"]) for _ in range(2)]

    assert [(reply.status_code, reply.get_json()) for reply in aborted] == [(200, {})] * 2
    assert parted.complete(begun, told).status_code == 409
    assert (parted.stored(), parted.row(), parted.wrong()) == ([], None, [])


@moto
def test_the_collector_spares_uploads_in_progress_and_completed_ones(parted: Parted) -> None:
    begun = parted.begin()
    told = parted.send(begun)

    parted.collect()
    assert parted.wrong() == []
    expect(200, parted.complete(begun, told))
    parted.collect()
    assert parted.wrong() == []
    parted.hash()
    parted.collect()

    assert parted.read() == parted.content
    parted.delete(PATH)
    parted.collect()
    parted.collect()
    assert parted.stored() == []


@moto
def test_an_upload_that_is_not_completed_in_time_is_cleared_away(parted: Parted) -> None:
    begun = parted.begin()
    told = parted.send(begun)
    with parted.app.app_context(), transaction() as session:
        session.execute(update(Upload).values(expires_at=LONG_AGO))

    with parted.app.app_context():
        cleanup.run(store=parted.service.store)

    assert parted.complete(begun, told).status_code == 400
    assert parted.stored() == []


@moto
@sqlite
def test_an_object_without_a_row_is_found_and_collected(parted: Parted) -> None:
    store_editor = parted.service.store_editor
    assert isinstance(store_editor, S3StoreEditor)
    store_editor.write("incoming/0123", b"left behind")

    assert [(finding.kind, finding.name) for finding in parted.wrong()] == [("stray", "incoming/0123")]
    parted.collect()
    parted.collect()
    assert parted.stored() == []


@moto
@pytest.mark.parametrize("how", ["written again", "deleted"])
def test_a_path_that_changes_before_it_was_hashed_keeps_nothing_of_it(parted: Parted, how: str) -> None:
    parted.sent()

    if how == "deleted":
        parted.delete(PATH)
    else:
        parted.put(PATH, b"other")

    assert not parted.hash()
    assert [key for key in parted.stored() if key.startswith("incoming/")] == []
    assert parted.wrong() == []
    assert parted.get(PATH).status_code == (404 if how == "deleted" else 302)


@moto
@sqlite
def test_bytes_that_are_there_already_are_not_written_again(parted: Parted) -> None:
    parted.put("other", parted.content)
    before = parted.stored()

    parted.sent()
    parted.hash()

    assert parted.stored() == before
    assert parted.read() == parted.content


@moto
def test_a_path_whose_bytes_are_lost_before_anybody_hashed_them_is_forgotten_and_said_so(parted: Parted) -> None:
    parted.service.store_editor.remove(parted.sent())
    found = [(finding.kind, finding.harm) for finding in parted.wrong()]

    assert parted.hash()

    assert found == [("missing", True)]
    assert (parted.get(PATH).status_code, parted.hash()) == (404, False)
    lost = expect(200, parted.service.api.get("/audit?action=artifact.lost"))["items"]
    assert [entry["texts"]["path"] for entry in lost] == [PATH]


@moto
@sqlite
def test_what_is_larger_than_a_file_may_be_is_not_kept(
    open_service: Callable[..., DamageableService], parted: Parted
) -> None:
    parted.service.app = open_service("moto", max_upload_bytes=6 * MIB).app
    small = Parted(parted.service)
    begun = small.begin()

    refused = small.complete(begun, small.send(begun))

    assert refused.status_code == 413, refused.get_data(as_text=True)
    assert (small.stored(), small.row()) == ([], None)


@moto
@sqlite
def test_the_native_uploads_do_not_show_them(parted: Parted) -> None:
    begun, api = parted.begin(), parted.service.api
    where = f"/uploads/{begun['upload_id']}"

    replies = [api.get(where), api.post(f"{where}/complete"), api.delete(where)]
    replies.append(api.post("/uploads/batch/complete", {"ids": [begun["upload_id"]]}))

    assert {reply.status_code for reply in replies} == {404}
    assert expect(200, parted.complete(begun, parted.send(begun))) == {}


@moto
@in_both_forms
def test_an_upload_whose_digest_is_unknown_is_completed_and_hashed(parted: Parted, form: str | None) -> None:
    begun = parted.begin(count=1)
    store_unknown(parted.app, Upload.sha256, form)
    native = Api(parted.client, parted.token)
    expect(404, native.get(f"/uploads/{begun['upload_id']}"))

    expect(200, parted.complete(begun, parted.send(begun)))
    store_unknown(parted.app, Upload.sha256, form)

    assert parted.hash()
    assert parted.row().sha256 == digest(parted.content[: 5 * MIB])
    with parted.app.app_context():
        assert [report.problems for report in audit.verify() if not report.is_whole] == []
