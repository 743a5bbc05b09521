from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest
from werkzeug.wrappers import Request, Response

from registry.client import RegistryClient, errors
from tests.client.conftest import FakeRegistry, FakeStore, once, problem, reply, sha256, upload

PART = 1000
CONTENT = b"".join(bytes([number]) * PART for number in range(40)) + b"the end"
WHOLE = sha256(CONTENT)
PARTS = 41


@pytest.fixture
def large(registry: FakeRegistry, source: Path) -> Path:
    """A model whose weights go in 41 parts."""
    registry.part_size = PART
    (source / "weights" / "model.bin").write_bytes(CONTENT)
    return source


def part(request: Request) -> int:
    """The number of the part that a request sends, else 0."""
    return int(request.path.rpartition("/")[2]) if request.method == "PUT" and request.path.count("/") == 2 else 0


def at(number: int, response: Callable[[], Response]) -> Callable[[Request], Response | None]:
    return lambda request: response() if part(request) == number else None


def sent(store: FakeStore) -> list[int]:
    return sorted(part(request) for request in store.seen if part(request))


def test_a_large_file_arrives_in_parts(
    registry: FakeRegistry, store: FakeStore, client: RegistryClient, large: Path
) -> None:
    registered = client.register("fraud", large, jobs=8)

    assert store.blobs[WHOLE] == CONTENT
    assert sent(store) == list(range(1, PARTS + 1))
    assert registered["uploads"] == {"files": 2, "sent": 2, "sent_bytes": len(CONTENT) + 12}


def test_finished_parts_are_not_sent_again(
    registry: FakeRegistry, store: FakeStore, client: RegistryClient, large: Path
) -> None:
    store.parts[WHOLE] = {number: bytes([number - 1]) * PART for number in range(1, 31)}

    reports: list[tuple[str, int, int]] = []
    registered = client.register("fraud", large, progress=lambda *report: reports.append(report))

    assert store.blobs[WHOLE] == CONTENT
    assert sent(store) == list(range(31, PARTS + 1))
    assert registered["uploads"]["sent_bytes"] == 10 * PART + 7 + 12
    assert reports[-1] == ("upload", 10 * PART + 19, 10 * PART + 19)


def test_a_file_of_which_everything_arrived_is_only_completed(
    registry: FakeRegistry, store: FakeStore, client: RegistryClient, large: Path
) -> None:
    store.parts[WHOLE] = {number: CONTENT[(number - 1) * PART : number * PART] for number in range(1, PARTS + 1)}

    client.register("fraud", large)

    assert sent(store) == []
    assert store.blobs[WHOLE] == CONTENT


@pytest.mark.parametrize("status", [403, 410])
def test_an_expired_part_is_signed_again(store: FakeStore, client: RegistryClient, large: Path, status: int) -> None:
    store.answers.append(
        lambda request: Response(status=status) if part(request) and not request.args.get("fresh") else None
    )

    client.register("fraud", large)

    assert store.blobs[WHOLE] == CONTENT


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_part_that_fails_is_tried_again_while_the_others_go_on(
    store: FakeStore, client: RegistryClient, large: Path, status: int
) -> None:
    store.answers.append(_first(at(7, lambda: Response(status=status))))

    client.register("fraud", large, jobs=3)

    assert store.blobs[WHOLE] == CONTENT
    order = [part(request) for request in store.seen if part(request)]
    assert order.count(7) == 2
    assert len(order) - 1 - order[::-1].index(7) > order.index(7) + 1


def test_a_part_that_never_arrives_is_an_error_that_names_the_file(
    registry: FakeRegistry, store: FakeStore, client: RegistryClient, large: Path
) -> None:
    store.answers.append(at(7, lambda: Response(status=503)))

    with pytest.raises(
        errors.Unavailable, match=r"^weights/model.bin: the store at .* answered 503; nothing was registered"
    ):
        client.register("fraud", large)

    assert registry.registered == {}
    del store.answers[:]
    client.register("fraud", large)
    assert [number for number in sent(store) if number != 7] == [
        number for number in range(1, PARTS + 1) if number != 7
    ]


def test_a_part_that_is_refused_is_an_error_at_once(
    registry: FakeRegistry, store: FakeStore, client: RegistryClient, large: Path
) -> None:
    store.answers.append(at(7, lambda: Response("<Error><Code>BadDigest</Code></Error>", status=400)))

    with pytest.raises(
        errors.UploadRefused, match=r"^weights/model.bin: the store refused the bytes \(400 BadDigest\)"
    ):
        client.register("fraud", large)

    assert sent(store).count(7) == 1


@pytest.mark.parametrize("state", ["verified", "uploaded"])
def test_an_upload_that_another_job_completed_is_complete(
    registry: FakeRegistry, store: FakeStore, client: RegistryClient, large: Path, state: str
) -> None:
    def complete(request: Request) -> Response | None:
        if part(request) == 20:
            registry.known.add(WHOLE)
            store.parts.pop(WHOLE, None)
        return None

    store.answers.append(complete)
    told = reply(upload(WHOLE, state))
    registry.answers.append(lambda request: told if request.path.endswith(f"/uploads/{WHOLE}") else None)

    assert client.register("fraud", large)["created"]


def test_a_part_that_another_job_is_just_completing_need_not_be_sent(
    registry: FakeRegistry, store: FakeStore, client: RegistryClient, large: Path
) -> None:
    """The store has joined the parts already, and the registry does not know that yet."""
    joined = reply({"part_size": PART, "part_count": PARTS, "finished": list(range(1, PARTS + 1))})

    def complete(request: Request) -> Response | None:
        if part(request) != 20:
            return None
        registry.answers.append(
            lambda request: joined if request.method == "GET" and request.path.endswith("/parts") else None
        )
        return Response(status=404)

    store.answers.append(complete)
    done = reply(upload(WHOLE, "verified"))
    registry.answers.append(lambda request: done if request.path.endswith(f"{WHOLE}/complete") else None)

    assert client.register("fraud", large)["created"]
    assert [part(request) for request in store.seen].count(20) == 2


def test_an_upload_that_is_gone_is_an_error(
    registry: FakeRegistry, store: FakeStore, client: RegistryClient, large: Path
) -> None:
    gone = upload(WHOLE, "aborted")
    registry.answers += [
        lambda request: problem(409, "conflict", "It was aborted.") if request.path.endswith("/parts") else None,
        lambda request: reply(gone) if request.path.endswith(f"/uploads/{WHOLE}") else None,
    ]

    with pytest.raises(errors.Conflict, match=r"^weights/model.bin: It was aborted"):
        client.register("fraud", large)


def test_parts_that_the_store_lost_are_sent_again(
    registry: FakeRegistry, store: FakeStore, client: RegistryClient, large: Path
) -> None:
    def lose(request: Request) -> Response | None:
        if request.path.endswith(f"{WHOLE}/complete") and len(registry.requests("POST", f"{WHOLE}/complete")) == 1:
            store.parts[WHOLE].pop(3)
        return None

    registry.answers.append(lose)

    client.register("fraud", large)

    assert store.blobs[WHOLE] == CONTENT
    assert sent(store).count(3) == 2


def test_targets_that_a_repeated_answer_leaves_out_are_asked_for_again(
    registry: FakeRegistry, store: FakeStore, client: RegistryClient, large: Path
) -> None:
    emptied = reply({"items": [{"number": number, "size": PART, "target": None} for number in range(1, 17)]})
    first = once(emptied)
    registry.answers.append(
        lambda request: first(request) if request.method == "POST" and request.path.endswith("/parts") else None
    )

    client.register("fraud", large)

    assert store.blobs[WHOLE] == CONTENT


def test_a_file_that_changes_between_its_parts_is_an_error(
    registry: FakeRegistry, store: FakeStore, client: RegistryClient, large: Path
) -> None:
    def overwrite(request: Request) -> Response | None:
        if part(request) == 5:
            (large / "weights" / "model.bin").write_bytes(CONTENT[::-1])
        return None

    store.answers.append(overwrite)

    with pytest.raises(errors.SourceChanged, match=r"weights/model.bin changed"):
        client.register("fraud", large, jobs=2)

    assert registry.registered == {}


def test_what_becomes_verified_later_is_sent(registry: FakeRegistry, client: RegistryClient, large: Path) -> None:
    done = reply(upload(WHOLE, "uploaded"))
    registry.answers.append(lambda request: done if request.path.endswith(f"{WHOLE}/complete") else None)

    assert client.register("fraud", large)["created"]


def test_many_small_files_are_announced_and_completed_in_groups(
    registry: FakeRegistry, store: FakeStore, client: RegistryClient, tmp_path: Path
) -> None:
    for number in range(450):
        (tmp_path / f"{number:03}.bin").write_bytes(number.to_bytes(2))

    registered = client.register("fraud", tmp_path, jobs=8)

    assert registered["uploads"] == {"files": 450, "sent": 450, "sent_bytes": 900}
    assert len(store.blobs) == 450
    groups = [request for request in registry.requests("POST", "/uploads/batch") if request.path.endswith("/batch")]
    announced = [len(request.get_json()["uploads"]) for request in groups]
    assert announced == [40, 200, 200, 10]
    assert len(registry.requests("POST", "/batch/complete")) < 20


def test_a_file_that_is_too_large_is_named(registry: FakeRegistry, client: RegistryClient, source: Path) -> None:
    big = hashlib.sha256(b"\x00\x01" * 1000).hexdigest()

    def refuse(request: Request) -> Response | None:
        if request.path.endswith("/batch") and big in request.get_data(as_text=True):
            return problem(413, "too_large", "One upload takes at most 1000 bytes.")
        return None

    registry.answers.append(refuse)

    with pytest.raises(errors.TooLarge, match=r"^weights/model.bin: One upload takes at most 1000 bytes"):
        client.register("fraud", source)


def _first(answer: Callable[[Request], Response | None]) -> Callable[[Request], Response | None]:
    """Answer only the first time that *answer* would."""
    given: list[Response] = []

    def only(request: Request) -> Response | None:
        response = None if given else answer(request)
        if response:
            given.append(response)
        return response

    return only
