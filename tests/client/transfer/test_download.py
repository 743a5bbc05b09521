from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from werkzeug.wrappers import Response

from registry.client import RegistryClient, errors
from registry.client.files.directory import Directory
from registry.rules.manifest import digest
from tests.client.conftest import FakeRegistry, FakeStore, Site, once, reply, sha256

FILES = {"MLmodel": b"flavors: {}\n", "weights/model.bin": b"\x00\x01" * 1000, "empty": b""}


def contents(directory: Path) -> dict[str, bytes]:
    """Every regular file below *directory*, by path."""
    return {
        file.relative_to(directory).as_posix(): file.read_bytes() for file in directory.rglob("*") if file.is_file()
    }


def test_a_version_arrives_as_it_was_registered(registry: FakeRegistry, client: RegistryClient, tmp_path: Path) -> None:
    registry.hold(FILES)

    pulled = client.pull("fraud:1", tmp_path / "deep" / "out")

    assert contents(tmp_path / "deep" / "out") == FILES
    assert pulled.written == ("MLmodel", "empty", "weights/model.bin")


def test_files_that_are_there_are_not_fetched_again(
    registry: FakeRegistry, store: FakeStore, client: RegistryClient, tmp_path: Path
) -> None:
    registry.hold(FILES)
    client.pull("fraud:1", tmp_path)
    (tmp_path / "MLmodel").unlink()
    store.seen.clear()

    pulled = client.pull("fraud:1", tmp_path)

    assert contents(tmp_path) == FILES
    assert (pulled.written, pulled.present) == (("MLmodel",), ("empty", "weights/model.bin"))
    assert len(store.seen) == 1


@pytest.mark.parametrize("name", ["notes.txt", "MLmodel", "weights/other.bin"])
def test_a_directory_with_other_files_is_left_alone(
    registry: FakeRegistry, store: FakeStore, client: RegistryClient, tmp_path: Path, name: str
) -> None:
    registry.hold(FILES)
    (tmp_path / "weights").mkdir()
    (tmp_path / name).write_bytes(b"mine")

    with pytest.raises(errors.TargetOccupied, match=name):
        client.pull("fraud:1", tmp_path)

    assert contents(tmp_path) == {name: b"mine"}
    assert store.seen == []


def test_force_overwrites_registered_paths_and_leaves_the_rest(
    registry: FakeRegistry, client: RegistryClient, tmp_path: Path
) -> None:
    registry.hold(FILES)
    (tmp_path / "MLmodel").write_bytes(b"mine")
    (tmp_path / "notes.txt").write_bytes(b"mine")

    client.pull("fraud:1", tmp_path, force=True)

    assert contents(tmp_path) == {**FILES, "notes.txt": b"mine"}


def test_a_file_in_place_of_the_directory_is_left_alone(
    registry: FakeRegistry, client: RegistryClient, tmp_path: Path
) -> None:
    registry.hold(FILES)
    (tmp_path / "out").write_bytes(b"mine")

    with pytest.raises(errors.TargetOccupied, match="is a file"):
        client.pull("fraud:1", tmp_path / "out")


def test_a_directory_in_place_of_a_file_is_left_alone(
    registry: FakeRegistry, client: RegistryClient, tmp_path: Path
) -> None:
    registry.hold(FILES)
    (tmp_path / "MLmodel").mkdir()

    with pytest.raises(errors.TargetOccupied, match="MLmodel is a directory"):
        client.pull("fraud:1", tmp_path, force=True)


@pytest.mark.parametrize(
    "path",
    [
        "../outside",
        "a/../../outside",
        "/tmp/outside",
        "..",
        ".",
        "a//b",
        "a/",
        "a\\..\\b",
        "C:\\windows",
        "a\x00b",
        "a\nb",
        "\u202eexe.txt",
    ],
)
def test_a_path_that_could_leave_the_directory_writes_nothing(
    registry: FakeRegistry, store: FakeStore, client: RegistryClient, tmp_path: Path, path: str
) -> None:
    content = b"evil"
    registry.listed = [{"path": path, "size": 4, "sha256": sha256(content), "media_type": "text/plain"}]
    store.blobs[sha256(content)] = content

    with pytest.raises(errors.UnsafePath):
        client.pull("fraud:1", tmp_path / "out")

    assert contents(tmp_path) == {}


def test_two_paths_that_are_one_file_where_case_does_not_count_write_nothing(
    registry: FakeRegistry, client: RegistryClient, tmp_path: Path
) -> None:
    registry.hold({"model": b"1", "MODEL": b"2"})

    with pytest.raises(errors.UnsafePath, match="where case does not count"):
        client.pull("fraud:1", tmp_path / "out")


@pytest.mark.parametrize("force", [False, True])
def test_a_link_on_the_way_is_not_followed(
    registry: FakeRegistry, client: RegistryClient, tmp_path: Path, force: bool
) -> None:
    registry.hold(FILES)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "weights").symlink_to(tmp_path / "elsewhere")

    with pytest.raises((errors.UnsafePath, errors.TargetOccupied)):
        client.pull("fraud:1", tmp_path / "out", force=force)

    assert contents(tmp_path / "elsewhere") == {}


def test_a_link_in_place_of_a_file_is_replaced_and_not_written_through(
    registry: FakeRegistry, client: RegistryClient, tmp_path: Path
) -> None:
    registry.hold(FILES)
    (tmp_path / "victim").write_bytes(b"mine")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "MLmodel").symlink_to(tmp_path / "victim")

    client.pull("fraud:1", tmp_path / "out", force=True)

    assert (tmp_path / "victim").read_bytes() == b"mine"
    assert not (tmp_path / "out" / "MLmodel").is_symlink()
    assert contents(tmp_path / "out") == FILES


def test_a_link_to_the_right_bytes_is_not_taken_for_the_file(
    registry: FakeRegistry, client: RegistryClient, tmp_path: Path
) -> None:
    registry.hold(FILES)
    (tmp_path / "elsewhere").write_bytes(FILES["MLmodel"])
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "MLmodel").symlink_to(tmp_path / "elsewhere")

    with pytest.raises(errors.TargetOccupied, match="MLmodel"):
        client.pull("fraud:1", tmp_path / "out")


@pytest.mark.parametrize(
    ("served", "says"),
    [
        (b"flavors: []\n", "not the registered ones"),
        (b"flavors: {}\n\n", "12 bytes, but more arrived"),
        (b"flavors", "12 bytes, but 7 arrived"),
        (b"", "12 bytes, but 0 arrived"),
        (b"x" * 10_000_000, "12 bytes, but more arrived"),
    ],
)
def test_other_bytes_than_the_registered_ones_are_not_kept(
    registry: FakeRegistry, store: FakeStore, client: RegistryClient, tmp_path: Path, served: bytes, says: str
) -> None:
    registry.hold({"MLmodel": FILES["MLmodel"]})
    store.blobs[sha256(FILES["MLmodel"])] = served

    with pytest.raises(errors.IntegrityError, match=f"MLmodel.*{says}"):
        client.pull("fraud:1", tmp_path)

    assert contents(tmp_path) == {}


def test_a_list_of_files_that_is_not_the_registered_one_writes_nothing(
    registry: FakeRegistry, store: FakeStore, client: RegistryClient, tmp_path: Path
) -> None:
    registry.hold(FILES)
    version = registry.version()
    registry.hold({**FILES, "extra.py": b"import os"})
    registry.answers.append(lambda request: reply(version) if request.path.endswith("/versions/1") else None)

    with pytest.raises(errors.IntegrityError, match="list of files is not the registered one"):
        client.pull("fraud:1", tmp_path / "out")

    assert not (tmp_path / "out").exists()


def test_bytes_that_are_gone_from_the_store_are_an_integrity_error(
    registry: FakeRegistry, store: FakeStore, client: RegistryClient, tmp_path: Path
) -> None:
    registry.hold(FILES)
    store.blobs.clear()

    with pytest.raises(errors.IntegrityError, match="not in the store"):
        client.pull("fraud:1", tmp_path)


def test_another_server_in_place_of_the_store_is_no_loss_of_bytes(
    registry: FakeRegistry, store: FakeStore, client: RegistryClient, tmp_path: Path
) -> None:
    registry.hold({"MLmodel": FILES["MLmodel"]})
    store.answers.append(lambda request: Response("<h1>404 nginx</h1>", status=404))

    with pytest.raises(errors.UnexpectedReply, match=rf"^MLmodel: {store.url} sent no bytes \(404 nginx\)\. .*address"):
        client.pull("fraud:1", tmp_path)


def test_an_expired_url_is_asked_for_again(
    registry: FakeRegistry, store: FakeStore, client: RegistryClient, tmp_path: Path
) -> None:
    registry.hold({"MLmodel": FILES["MLmodel"]})
    store.answers.append(once(Response(status=403)))

    client.pull("fraud:1", tmp_path)

    assert contents(tmp_path) == {"MLmodel": FILES["MLmodel"]}
    assert len(registry.requests("GET", "/files/MLmodel")) == 1


def test_a_connection_that_breaks_is_tried_again(
    registry: FakeRegistry, store: FakeStore, client: RegistryClient, tmp_path: Path
) -> None:
    registry.hold({"weights": b"x" * 100_000})
    broken = Response(iter([b"x" * 50_000]), headers={"Content-Length": "100000"})
    store.answers.append(once(broken))

    client.pull("fraud:1", tmp_path)

    assert contents(tmp_path) == {"weights": b"x" * 100_000}


def test_a_store_that_stays_down_is_unavailable(
    registry: FakeRegistry, store: FakeStore, client: RegistryClient, tmp_path: Path
) -> None:
    registry.hold({"MLmodel": FILES["MLmodel"]})
    store.answers.append(lambda request: Response(status=503))

    with pytest.raises(errors.Unavailable, match=r"MLmodel: the store at .* answered 503"):
        client.pull("fraud:1", tmp_path)


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://x/y", "gopher://x", "http://"])
def test_a_redirect_to_something_else_than_http_is_refused(
    registry: FakeRegistry, client: RegistryClient, tmp_path: Path, url: str
) -> None:
    registry.hold({"MLmodel": FILES["MLmodel"]})
    registry.signs = False
    registry.answers.append(
        lambda request: Response(status=302, headers={"Location": url}) if "/files/MLmodel" in request.path else None
    )

    with pytest.raises(errors.UnexpectedReply):
        client.pull("fraud:1", tmp_path)


def test_a_name_from_the_store_is_not_used(
    registry: FakeRegistry, store: FakeStore, client: RegistryClient, tmp_path: Path
) -> None:
    registry.hold({"MLmodel": b"1"})
    store.answers.append(once(Response(b"1", headers={"Content-Disposition": "attachment; filename=../../.bashrc"})))

    client.pull("fraud:1", tmp_path / "out")

    assert contents(tmp_path) == {"out/MLmodel": b"1"}


def test_what_a_killed_download_left_is_swept_away(
    registry: FakeRegistry, client: RegistryClient, tmp_path: Path
) -> None:
    registry.hold(FILES)
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / (".registry-" + "0" * 32)).write_bytes(b"half")

    client.pull("fraud:1", tmp_path)

    assert contents(tmp_path) == FILES


def test_a_write_that_fails_leaves_what_was_there(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"old")

    def fail(stream: object) -> None:
        raise RuntimeError

    with pytest.raises(RuntimeError):
        Directory(tmp_path).write("a", fail)

    assert contents(tmp_path) == {"a": b"old"}


def test_a_verified_directory_has_the_same_files(
    registry: FakeRegistry, client: RegistryClient, tmp_path: Path
) -> None:
    registry.hold(FILES)
    client.pull("fraud:1", tmp_path)

    assert client.verify(tmp_path, "fraud:1").ok


def test_every_difference_is_reported(registry: FakeRegistry, client: RegistryClient, tmp_path: Path) -> None:
    registry.hold({**FILES, "a": b"1", "b": b"2"})
    client.pull("fraud:1", tmp_path)
    (tmp_path / "empty").unlink()
    (tmp_path / "notes.txt").write_bytes(b"mine")
    (tmp_path / "MLmodel").write_bytes(b"flavors: []\n")
    (tmp_path / "a").write_bytes(b"11")
    (tmp_path / "b").unlink()
    (tmp_path / "b").symlink_to("/etc/passwd")

    found = client.verify(tmp_path, "fraud:1")

    assert (found.ok, found.missing, found.extra) == (False, ("empty",), ("notes.txt",))
    assert list(found.changed) == ["MLmodel", "a", "b"]
    assert "sha256 is" in found.changed["MLmodel"]
    assert found.changed["a"] == "has 2 bytes, registered are 1"
    assert "symbolic link that leaves" in found.changed["b"]


def test_the_digest_of_a_list_is_the_registrys() -> None:
    from registry.domain import manifest

    files = [("weights/model.bin", b"1"), ("MLmodel", b"2"), ("modèle", b""), ("a b", b"")]
    sealed = manifest.seal([manifest.File(path, len(content), sha256(content)) for path, content in files])

    listed = [
        {"path": file.path, "size": file.size, "sha256": file.sha256, "media_type": file.media_type}
        for file in sealed.files
    ]
    assert digest(reversed(listed)) == sealed.digest


def test_a_reference_without_a_version_is_the_latest(registry: FakeRegistry, client: RegistryClient) -> None:
    registry.hold(FILES)
    registry.model = {"name": "fraud", "latest_version": 1}

    assert client.resolve("fraud")["number"] == 1


@pytest.mark.parametrize("state", ["pending", "failed", "deleted"])
def test_the_latest_version_of_a_download_is_one_that_can_be_loaded(
    registry: FakeRegistry, client: RegistryClient, tmp_path: Path, state: str
) -> None:
    registry.hold(FILES)
    registry.model = {"name": "fraud", "latest_version": 2}
    registry.later = [{**registry.version(), "number": 2, "state": state}]

    pulled = client.pull("fraud", tmp_path)

    assert pulled.version["number"] == 1
    assert client.verify(tmp_path, "fraud").version["number"] == 1
    assert client.resolve("fraud")["number"] == 2


def test_a_model_without_versions_has_no_latest(
    registry: FakeRegistry, client: RegistryClient, online: Callable[[Site], Site]
) -> None:
    registry.model = {"name": "fraud", "latest_version": None}

    with pytest.raises(errors.NotFound, match="no versions yet"):
        client.resolve("fraud")


def test_only_named_files_and_folders_are_fetched(
    registry: FakeRegistry, store: FakeStore, client: RegistryClient, tmp_path: Path
) -> None:
    registry.hold(FILES)

    pulled = client.pull("fraud:1", tmp_path, only=["weights"])

    assert pulled.written == ("weights/model.bin",)
    assert len(store.seen) == 1
    with pytest.raises(errors.NotFound, match="no file 'weight'"):
        client.pull("fraud:1", tmp_path, only=["weight"], force=True)
