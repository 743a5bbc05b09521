"""How many requests a registration takes, and which: by what its files are, and what the registry accepts."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from pathlib import Path

import pytest
from werkzeug.wrappers import Response

from registry.client import RegistryClient, errors
from registry.rules import inline_bytes
from tests.client.conftest import DELIVERY, FakeRegistry, FakeStore, problem, sha256

MLMODEL, WEIGHTS = b"flavors: {}\n", b"\x00\x01" * 1000
REGISTRATION, ANNOUNCEMENT, COMPLETION = (
    "POST models/fraud/versions",
    "POST uploads/batch",
    "POST uploads/batch/complete",
)
LOOK, CREATION = "GET models/fraud", "POST models"


def calls(registry: FakeRegistry) -> list[str]:
    """Method and path of each request to the API, in their order."""
    return [f"{request.method} {request.path.removeprefix('/api/v1/')}" for request in registry.seen]


def test_few_small_files_are_registered_with_one_request(
    registry: FakeRegistry, store: FakeStore, client: RegistryClient, source: Path
) -> None:
    registry.takes = DELIVERY
    steps = []

    done = client.register("fraud", source, detect=False, progress=lambda *step: steps.append(step))

    assert (calls(registry), store.seen) == ([REGISTRATION], [])
    assert registry.seen[0].get_json()["contents"] == {
        sha256(content): b64encode(content).decode() for content in (MLMODEL, WEIGHTS)
    }
    assert done["uploads"] == {"files": 2, "sent": 2, "sent_bytes": 2012}
    assert [step for step in steps if step[0] == "upload"] == [("upload", 0, 2012), ("upload", 2012, 2012)]
    assert store.blobs == {sha256(MLMODEL): MLMODEL, sha256(WEIGHTS): WEIGHTS}


@pytest.mark.parametrize(
    "sizes",
    [[inline_bytes.MOST_BYTES + 1], [1] * (inline_bytes.MOST_FILES + 1)],
    ids=["too many bytes", "too many files"],
)
def test_other_files_are_announced_sent_and_completed_by_the_registration(
    registry: FakeRegistry, store: FakeStore, client: RegistryClient, tmp_path: Path, sizes: Sequence[int]
) -> None:
    registry.takes = DELIVERY
    (tmp_path / "large").mkdir()
    for number, size in enumerate(sizes):
        (tmp_path / "large" / str(number)).write_bytes(str(number).encode().ljust(size, b"."))

    client.register("fraud", tmp_path / "large")

    assert calls(registry) == [ANNOUNCEMENT, REGISTRATION]
    assert len(store.requests("PUT")) == len(sizes)
    assert sorted(registry.seen[-1].get_json()["uploads"]) == sorted(store.blobs)


def test_an_earlier_release_is_found_out_once_and_called_as_before(
    registry: FakeRegistry, store: FakeStore, client: RegistryClient, source: Path
) -> None:
    registry.takes = frozenset()

    client.register("fraud", source, detect=False, idempotency_key="mine")
    first = calls(registry)
    client.register("fraud", source, detect=False)

    assert first == [REGISTRATION, ANNOUNCEMENT, COMPLETION, LOOK, CREATION, REGISTRATION]
    assert calls(registry)[len(first) :] == [ANNOUNCEMENT, LOOK, REGISTRATION]
    assert registry.seen[5].get_json().keys() == {"files"}
    assert {request.headers["Idempotency-Key"] for request in registry.requests("POST", "/versions")[:2]} == {"mine"}
    assert store.blobs == {sha256(MLMODEL): MLMODEL, sha256(WEIGHTS): WEIGHTS}


@pytest.mark.parametrize(
    "refusal",
    [
        problem(413, "too_large", "The body is too large."),
        Response("<h1>413 Request Entity Too Large</h1>", status=413),
    ],
    ids=["registry", "proxy"],
)
def test_contents_that_are_too_large_for_a_body_are_uploaded(
    registry: FakeRegistry, store: FakeStore, client: RegistryClient, source: Path, refusal: Response
) -> None:
    registry.takes = DELIVERY
    registry.answers.append(lambda request: refusal if b"contents" in request.get_data() else None)

    client.register("fraud", source)

    assert calls(registry) == [REGISTRATION, ANNOUNCEMENT, REGISTRATION]
    assert store.blobs == {sha256(MLMODEL): MLMODEL, sha256(WEIGHTS): WEIGHTS}


def test_a_refusal_for_another_reason_is_final(registry: FakeRegistry, client: RegistryClient, source: Path) -> None:
    registry.takes = DELIVERY
    invalid = problem(422, "invalid", "The alias is none.", errors={"aliases": ["is none"]})
    registry.answers.append(lambda request: invalid)

    with pytest.raises(errors.Invalid, match=r"^The alias is none\.$"):
        client.register("fraud", source)

    assert calls(registry) == [REGISTRATION]


def test_an_upload_that_is_not_complete_is_an_error_that_names_the_file(
    registry: FakeRegistry, store: FakeStore, client: RegistryClient, source: Path
) -> None:
    def lose(request: object) -> Response | None:
        store.blobs.pop(sha256(WEIGHTS), None)
        return None

    registry.answers.append(lose)  # before every answer

    with pytest.raises(errors.UploadRefused, match=r"^weights/model.bin: Nothing has arrived\."):
        client.register("fraud", source)

    assert registry.registered == {}


def test_a_file_that_changes_before_it_is_read_is_an_error(
    registry: FakeRegistry, client: RegistryClient, source: Path
) -> None:
    registry.takes = DELIVERY

    def overwrite(step: str, done: int, total: int) -> None:
        if step == "hash" and done == total:
            (source / "MLmodel").write_bytes(b"flavors: []\n")

    with pytest.raises(errors.SourceChanged, match="MLmodel changed"):
        client.register("fraud", source, progress=overwrite)

    assert calls(registry) == []
