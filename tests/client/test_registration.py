from __future__ import annotations

from pathlib import Path

import pytest
from werkzeug.wrappers import Request, Response

from registry.client import RegistryClient, errors
from registry.client.files import scan
from tests.client.conftest import DELIVERY, FakeRegistry, FakeStore, once, problem, reply, sha256, upload

MLMODEL = sha256(b"flavors: {}\n")
WEIGHTS = sha256(b"\x00\x01" * 1000)


def test_the_bytes_arrive_before_the_version(
    registry: FakeRegistry, store: FakeStore, client: RegistryClient, source: Path
) -> None:
    registered = client.register("fraud", source, detect=False, metrics={"auc": 0.93}, tags={"team": "risk"})

    assert store.blobs == {MLMODEL: b"flavors: {}\n", WEIGHTS: b"\x00\x01" * 1000}
    assert registry.registered == {
        "files": [
            {"path": "MLmodel", "size": 12, "sha256": MLMODEL},
            {"path": "weights/model.bin", "size": 2000, "sha256": WEIGHTS},
        ],
        "metrics": {"auc": 0.93},
        "tags": {"team": "risk"},
    }
    assert registered["created"]
    assert registered["uploads"] == {"files": 2, "sent": 2, "sent_bytes": 2012}


def test_a_card_is_registered_as_the_readme_unless_another_one_is_there(
    registry: FakeRegistry, store: FakeStore, client: RegistryClient, source: Path, tmp_path: Path
) -> None:
    card = tmp_path / "card.md"
    card.write_text("# Fraud")

    client.register("fraud", source, card=card, detect=False)

    files = {file["path"]: file["sha256"] for file in registry.registered["files"]}
    assert list(files) == ["MLmodel", "README.md", "weights/model.bin"]
    assert store.blobs[files["README.md"]] == b"# Fraud"
    (source / "README.md").write_text("# Fraud")
    client.register("fraud", source, card=card, detect=False)
    assert {file["path"]: file["sha256"] for file in registry.registered["files"]} == files
    (source / "README.md").write_text("# Another")
    with pytest.raises(errors.UnfitSource, match=r"differs from .*card\.md: leave out --card"):
        client.register("fraud", source, card=card)
    (source / "README.md").rename(source / "readme.md")
    with pytest.raises(errors.UnfitSource, match=r"registered as README\.md"):
        client.register("fraud", source, card=card)


def test_uploads_carry_exactly_the_signed_headers_and_a_length(
    store: FakeStore, registry: FakeRegistry, client: RegistryClient, source: Path
) -> None:
    (source / "empty").write_bytes(b"")

    client.register("fraud", source)

    lengths = {request.headers["X-Signed"]: request.headers.get("Content-Length") for request in store.seen}
    assert lengths == {MLMODEL: "12", WEIGHTS: "2000", sha256(b""): "0"}
    assert all("Transfer-Encoding" not in request.headers for request in store.seen)
    assert all("Content-Type" not in request.headers for request in store.seen)


def test_what_the_registry_has_is_not_sent_again(
    registry: FakeRegistry, store: FakeStore, client: RegistryClient, source: Path
) -> None:
    registry.known.add(WEIGHTS)

    registered = client.register("fraud", source)

    assert [request.path for request in store.seen] == [f"/{MLMODEL}"]
    assert registered["uploads"]["sent"] == 1


def test_equal_files_are_sent_once(
    registry: FakeRegistry, store: FakeStore, client: RegistryClient, source: Path
) -> None:
    (source / "copy.bin").write_bytes(b"\x00\x01" * 1000)

    client.register("fraud", source, jobs=8)

    assert sorted(request.path for request in store.seen) == sorted([f"/{MLMODEL}", f"/{WEIGHTS}"])
    assert len(registry.registered["files"]) == 3


def test_each_call_has_its_own_key_unless_one_is_given(
    registry: FakeRegistry, client: RegistryClient, source: Path
) -> None:
    registry.takes = DELIVERY
    client.register("fraud", source)
    client.register("fraud", source, update=True)
    client.register("fraud", source, new_version=True, idempotency_key="mine")

    sent = registry.requests("POST", "/versions")
    keys = [request.headers["Idempotency-Key"] for request in sent]
    assert len(set(keys)) == 3
    assert keys[2] == "mine"
    options = [{name: request.get_json().get(name) for name in ("update", "anew")} for request in sent]
    assert options == [{"update": None, "anew": None}, {"update": True, "anew": None}, {"update": None, "anew": True}]


def test_the_model_is_made_when_there_is_none(registry: FakeRegistry, client: RegistryClient, source: Path) -> None:
    registry.takes = frozenset()
    client.register("fraud", source)
    client.register("fraud", source)

    assert [
        request.get_json() for request in registry.requests("POST", "/models") if "versions" not in request.path
    ] == [{"name": "fraud"}]


def test_another_job_may_make_the_model_first(registry: FakeRegistry, client: RegistryClient, source: Path) -> None:
    taken = problem(409, "already_exists", "There is a model fraud.")
    registry.answers.append(lambda request: taken if request.path == "/api/v1/models" else None)
    registry.takes = frozenset()

    assert client.register("fraud", source)["created"]


def test_a_deleted_model_is_not_brought_back(registry: FakeRegistry, client: RegistryClient, source: Path) -> None:
    registry.model = {"name": "fraud", "state": "deleted"}
    registry.takes = frozenset()

    client.register("fraud", source)

    assert {request.path for request in registry.requests("POST", "/models")} == {"/api/v1/models/fraud/versions"}


@pytest.mark.parametrize("status", [403, 410])
def test_an_expired_url_is_signed_again(
    registry: FakeRegistry, store: FakeStore, client: RegistryClient, source: Path, status: int
) -> None:
    store.answers.append(lambda request: None if request.args.get("fresh") else Response(status=status))

    client.register("fraud", source)

    assert store.blobs.keys() == {MLMODEL, WEIGHTS}
    assert store.blobs[WEIGHTS] == b"\x00\x01" * 1000


def test_an_url_that_is_refused_again_is_an_error_that_names_the_file(
    store: FakeStore, client: RegistryClient, source: Path
) -> None:
    store.answers.append(lambda request: Response("<Error><Code>SignatureDoesNotMatch</Code></Error>", status=403))

    with pytest.raises(
        errors.UnexpectedReply,
        match=rf"^(MLmodel|weights/model.bin): {store.url} refused the bytes \(403 SignatureDoesNotMatch\)\. .*clocks",
    ):
        client.register("fraud", source)


@pytest.mark.parametrize(
    ("status", "body", "advice"),
    [
        (404, "<html><title>404 nginx</title></html>", "REGISTRY_PUBLIC_URL"),
        (407, "", "HTTPS_PROXY"),
        (413, "<h1>413 Request Entity Too Large</h1>", "largest body"),
    ],
)
def test_what_answers_in_place_of_the_store_is_named_with_the_remedy(
    store: FakeStore, client: RegistryClient, source: Path, status: int, body: str, advice: str
) -> None:
    store.answers.append(lambda request: Response(body, status=status, content_type="text/html"))

    with pytest.raises(errors.UnexpectedReply, match=rf": {store.url} refused the bytes \({status}.*{advice}"):
        client.register("fraud", source)


def test_an_error_page_that_repeats_a_signed_url_is_not_shown(
    store: FakeStore, client: RegistryClient, source: Path
) -> None:
    page = "<p>denied: https://s3.test/a?X-Amz-Signature=0123 and /transfer/secret here</p>"
    store.answers.append(lambda request: Response(page, status=403, content_type="text/html"))

    with pytest.raises(errors.UnexpectedReply, match=r"\(403 denied: … and … here\)"):
        client.register("fraud", source)


def test_bytes_that_the_store_finds_wrong_are_refused_bytes(
    store: FakeStore, client: RegistryClient, source: Path
) -> None:
    store.answers.append(lambda request: Response("<Error><Code>BadDigest</Code></Error>", status=400))

    with pytest.raises(errors.UploadRefused, match=r"the store refused the bytes \(400 BadDigest\)"):
        client.register("fraud", source)


def test_bytes_that_are_there_already_are_completed(
    registry: FakeRegistry, store: FakeStore, client: RegistryClient, source: Path
) -> None:
    store.blobs |= {MLMODEL: b"flavors: {}\n", WEIGHTS: b"\x00\x01" * 1000}
    store.answers.append(lambda request: Response(status=412))

    client.register("fraud", source)

    assert registry.known == {MLMODEL, WEIGHTS}


def test_a_store_that_hiccups_gets_the_whole_file_again(store: FakeStore, client: RegistryClient, source: Path) -> None:
    reports: list[tuple[str, int, int]] = []
    store.answers.append(once(Response(status=503)))

    client.register("fraud", source, jobs=1, progress=lambda *report: reports.append(report))

    assert store.blobs[WEIGHTS] == b"\x00\x01" * 1000
    assert reports[-1] == ("upload", 2012, 2012)


def test_a_store_that_stays_down_registers_nothing(
    registry: FakeRegistry, store: FakeStore, client: RegistryClient, source: Path
) -> None:
    store.answers.append(lambda request: Response(status=503))

    with pytest.raises(errors.Unavailable, match="nothing was registered"):
        client.register("fraud", source)

    assert registry.registered == {}


def test_other_bytes_than_announced_are_refused_with_the_files_name(
    registry: FakeRegistry, client: RegistryClient, source: Path
) -> None:
    refused = [upload(digest, "failed", reason="The bytes have another digest.") for digest in (MLMODEL, WEIGHTS)]
    incomplete, answer = problem(409, "upload_mismatch", "The upload failed."), reply({"items": refused})
    registry.answers += [
        lambda request: answer if request.path.endswith("/complete") else None,
        lambda request: (
            incomplete if "uploads" in (request.get_json(silent=True) or {}) and "/versions" in request.path else None
        ),
    ]

    with pytest.raises(errors.UploadMismatch, match=r"^(MLmodel|weights/model.bin): The bytes have another digest"):
        client.register("fraud", source)

    assert registry.registered == {}


def test_a_file_that_changes_between_hashing_and_upload_is_an_error(
    registry: FakeRegistry, store: FakeStore, client: RegistryClient, source: Path
) -> None:
    def overwrite(step: str, done: int, total: int) -> None:
        if step == "upload" and done == 0:
            (source / "MLmodel").write_bytes(b"flavors: []\n")

    with pytest.raises(errors.SourceChanged, match="MLmodel changed"):
        client.register("fraud", source, progress=overwrite)

    assert MLMODEL not in store.blobs
    assert registry.registered == {}


def test_a_file_that_grows_during_the_upload_is_an_error(
    registry: FakeRegistry, client: RegistryClient, source: Path
) -> None:
    big = source / "weights" / "model.bin"
    big.write_bytes(b"x" * (4 * scan.CHUNK))

    def grow(step: str, done: int, total: int) -> None:
        if step == "upload" and done > scan.CHUNK:
            with big.open("ab") as file:
                file.write(b"y")

    with pytest.raises(errors.SourceChanged, match=r"weights/model.bin changed"):
        client.register("fraud", source, jobs=1, progress=grow)

    assert registry.registered == {}


def test_a_lost_answer_is_asked_for_again_and_makes_one_version(
    registry: FakeRegistry, client: RegistryClient, source: Path
) -> None:
    lost = [True]

    def lose(request: Request) -> Response | None:
        if request.path.endswith("/versions") and lost.pop() if lost else False:
            return problem(503, "unavailable", "Try again.")
        return None

    registry.answers.append(lose)
    registry.takes = DELIVERY

    assert client.register("fraud", source)["version"]["number"] == 1
    first, second = registry.requests("POST", "/versions")
    assert first.headers["Idempotency-Key"] == second.headers["Idempotency-Key"]
    assert first.get_data() == second.get_data()


def test_a_retried_job_learns_that_its_version_was_there(
    registry: FakeRegistry, client: RegistryClient, source: Path
) -> None:
    existing = reply({"created": False, "version": registry.version()})
    registry.answers.append(lambda request: existing if request.path.endswith("/versions") else None)

    assert client.register("fraud", source)["created"] is False


def test_the_answer_to_an_earlier_call_shows_the_version_as_it_is_now(
    registry: FakeRegistry, client: RegistryClient, source: Path
) -> None:
    made, now = (
        {**registry.version(), "state": "ready"},
        {**registry.version(), "state": "ready", "stage": "production"},
    )
    repeated = reply({"created": True, "version": made}, status=201, headers={"Idempotency-Replayed": "true"})
    registry.answers.append(lambda request: repeated if request.path.endswith("/versions") else None)
    registry.answers.append(lambda request: reply(now) if request.path.endswith("/versions/1") else None)

    with_its_key, retried = client.register("fraud", source, idempotency_key="mine"), client.register("fraud", source)
    now["state"] = "deleted"

    assert (with_its_key["created"], with_its_key["version"]["stage"]) == (False, "production")
    assert retried["created"]  # within one call a repeated answer is the answer that was lost
    with pytest.raises(errors.Conflict, match="fraud:1 was registered with this idempotency key and is deleted now"):
        client.register("fraud", source, idempotency_key="mine")
