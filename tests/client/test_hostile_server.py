"""A registry that means harm: it names paths that hurt, lists without an end, and swaps directories for links."""

from __future__ import annotations

import io
import itertools
import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from werkzeug.wrappers import Request, Response

from registry.cli.main import run
from registry.cli.support.exit_codes import Exit
from registry.client import RegistryClient, errors
from registry.client.transfer.ranges import STEP
from registry.rules.manifest import MOST_FILES
from tests.api.hostile import paths
from tests.client.conftest import Answer, FakeRegistry, FakeStore, reply, sha256

LONG = [path for _, path in paths.HARMFUL if max(map(len, path.encode().split(b"/"))) > 255]
WRITABLE = [path for _, path in paths.HARMFUL if path not in LONG]
HARMFUL = {path for _, path in paths.HARMFUL}
NEVER = [path for _, path in paths.REFUSED if isinstance(path, str) and path not in HARMFUL]


def entries(directory: Path) -> set[str]:
    """Everything below *directory*, links and directories too."""
    return {found.relative_to(directory).as_posix() for found in directory.rglob("*")}


def listing(registry: FakeRegistry, store: FakeStore, *names: str) -> None:
    """Let version 1 have files of these names, each with bytes of its own."""
    registry.listed = []
    for index, name in enumerate(names):
        content = str(index).encode()
        store.blobs[sha256(content)] = content
        registry.listed.append({"path": name, "size": len(content), "sha256": sha256(content), "media_type": "a/b"})


def at_files(answer: Any) -> Answer:
    """Answer the list of files with what *answer* makes of the request."""
    return lambda request: answer(request) if request.path.endswith("/files") else None


@pytest.mark.parametrize("path", [path for _, path in paths.HARMFUL], ids=[what for what, _ in paths.HARMFUL])
def test_a_path_that_could_harm_is_not_written(
    registry: FakeRegistry, store: FakeStore, client: RegistryClient, tmp_path: Path, path: str
) -> None:
    listing(registry, store, "model.bin", path)

    with pytest.raises(errors.UnsafePath, match=r"Nothing was written.*allow-unsafe-paths"):
        client.pull("fraud:1", tmp_path / "out")

    with pytest.raises(errors.UnsafePath):
        client.archive("fraud:1", io.BytesIO())
    assert entries(tmp_path) == set()


def test_paths_that_earlier_releases_took_are_written_when_they_are_allowed(
    registry: FakeRegistry, store: FakeStore, client: RegistryClient, tmp_path: Path
) -> None:
    names = [f"d{index}/{path}" for index, path in enumerate(WRITABLE)]
    listing(registry, store, *names)

    pulled = client.pull("fraud:1", tmp_path / "out", allow_unsafe_paths=True)

    assert set(pulled.written) == set(names)
    assert {path for path in entries(tmp_path / "out") if not (tmp_path / "out" / path).is_dir()} == set(names)
    assert entries(tmp_path) - {f"out/{path}" for path in entries(tmp_path / "out")} == {"out"}
    assert client.verify(tmp_path / "out", "fraud:1").extra == ()


def test_the_command_line_pulls_them_only_with_the_option(
    registry: FakeRegistry,
    store: FakeStore,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    listing(registry, store, "model.bin", ".git/config")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    pull = ["pull", "fraud:1", "--output", str(tmp_path / "out"), "--url", registry.url]

    refused = run(pull)

    assert (refused, (tmp_path / "out").exists()) == (Exit.INTEGRITY, False)
    assert "'.git/config' must not have the part '.git'" in capfd.readouterr().err
    assert run([*pull, "--allow-unsafe-paths"]) == Exit.OK
    assert (tmp_path / "out" / ".git" / "config").read_bytes() == b"1"


@pytest.mark.parametrize("allowed", [False, True])
def test_a_path_that_leaves_a_directory_is_never_written(
    registry: FakeRegistry, store: FakeStore, client: RegistryClient, tmp_path: Path, allowed: bool
) -> None:
    for path in NEVER:
        listing(registry, store, "model.bin", path)
        registry.version = lambda: {"model": "fraud", "number": 1, "manifest_digest": "?"}  # type: ignore[method-assign]

        with pytest.raises(errors.UnsafePath):
            client.pull("fraud:1", tmp_path / "out", allow_unsafe_paths=allowed)

    assert entries(tmp_path) == set()


@pytest.mark.parametrize("allowed", [False, True])
@pytest.mark.parametrize("names", [names for what, names in paths.CLASHES if "repository" not in what], ids=str)
def test_nothing_is_written_twice_to_one_place(
    registry: FakeRegistry, store: FakeStore, client: RegistryClient, tmp_path: Path, names: list[str], allowed: bool
) -> None:
    listing(registry, store, *names)

    with pytest.raises(errors.UnsafePath):
        client.pull("fraud:1", tmp_path / "out", allow_unsafe_paths=allowed)

    assert entries(tmp_path) == set()


def test_files_that_make_a_repository_are_not_written(
    registry: FakeRegistry, store: FakeStore, client: RegistryClient, tmp_path: Path
) -> None:
    listing(registry, store, "HEAD", "config", "objects/a", "refs/a")

    with pytest.raises(errors.UnsafePath, match="makes its directory a git repository"):
        client.pull("fraud:1", tmp_path / "out")


@pytest.mark.parametrize("form", ["absolute", "relative"])
def test_a_digest_that_is_a_path_does_not_reach_a_file_outside_of_the_cache(
    registry: FakeRegistry, client: RegistryClient, tmp_path: Path, form: str
) -> None:
    mine, cache = tmp_path / "mine", tmp_path / "cache"
    mine.write_bytes(b"mine")
    (cache / "sha256").mkdir(parents=True)
    named = str(mine) if form == "absolute" else "../mine"
    registry.listed = [{"path": "a", "size": 4, "sha256": named, "media_type": "a/b"}]

    with pytest.raises(errors.UnexpectedReply):
        client.pull("fraud:1", tmp_path / "out", cache=cache)

    assert mine.read_bytes() == b"mine"


def pages(*items: Any) -> Iterator[Response]:
    """Pages for ever, each with a cursor that was never there before."""
    for number in itertools.count():
        yield reply({"items": list(items), "next_cursor": f"c{number}"})


FILE = {"path": "a", "size": 1, "sha256": sha256(b"a"), "media_type": "a/b"}
ENDLESS = {
    "one cursor": lambda: itertools.repeat(reply({"items": [FILE], "next_cursor": "again"})),
    "cursors in a circle": lambda: (
        reply({"items": [FILE], "next_cursor": f"c{number % 3}"}) for number in itertools.count()
    ),
    "empty pages": pages,
    "full pages": lambda: pages(*[FILE] * 1000),
    "large pages": lambda: pages(*[FILE] * (MOST_FILES + 1)),
}


@pytest.mark.parametrize("kind", ENDLESS)
def test_a_list_without_an_end_is_an_error(
    registry: FakeRegistry, client: RegistryClient, tmp_path: Path, kind: str
) -> None:
    registry.hold({"a": b"a"})
    answers = ENDLESS[kind]()
    registry.answers.append(at_files(lambda request: next(answers)))

    with pytest.raises(errors.UnexpectedReply, match=r"has no end|lists more than 10000"):
        client.pull("fraud:1", tmp_path / "out")

    assert len(registry.seen) < 40
    assert entries(tmp_path) == set()


def test_an_answer_without_an_end_is_an_error(registry: FakeRegistry, client: RegistryClient, tmp_path: Path) -> None:
    registry.hold({"a": b"a"})
    body = itertools.chain([b'{"items": ["'], itertools.repeat(b" " * (1 << 20)))
    registry.answers.append(at_files(lambda request: Response(body, content_type="application/json")))

    with pytest.raises(errors.UnexpectedReply, match="more than 64 MiB"):
        client.pull("fraud:1", tmp_path / "out")


def test_a_refusal_without_an_end_is_an_error(registry: FakeRegistry, client: RegistryClient, tmp_path: Path) -> None:
    registry.hold({"a": b"a"})
    registry.signs = False
    body = itertools.repeat(b" " * (1 << 20))
    registry.answers.append(lambda request: Response(body, status=400) if "/files/" in request.path else None)

    with pytest.raises(errors.UnexpectedReply, match="more than 64 MiB"):
        client.pull("fraud:1", tmp_path / "out")


@pytest.mark.parametrize(
    "answer",
    [
        {"items": {"path": "a"}, "next_cursor": None},
        {"items": [FILE], "next_cursor": 5},
        {"items": ["a"]},
        {"items": [None]},
        {"items": [{}]},
        {"items": [{**FILE, "path": 5}]},
        {"items": [{**FILE, "path": None}]},
        {"items": [{**FILE, "size": -1}]},
        {"items": [{**FILE, "size": "1"}]},
        {"items": [{**FILE, "size": True}]},
        {"items": [{**FILE, "size": 1.5}]},
        {"items": [{**FILE, "size": 2**60}]},
        {"items": [{**FILE, "sha256": None}]},
        {"items": [{**FILE, "media_type": ["a"]}]},
        {"items": [{**FILE, "url": 5}]},
        [],
        None,
    ],
    ids=str,
)
def test_a_list_of_something_else_is_an_error(
    registry: FakeRegistry, client: RegistryClient, tmp_path: Path, answer: Any
) -> None:
    registry.hold({"a": b"a"})
    registry.answers.append(at_files(lambda request: reply(answer)))

    with pytest.raises(errors.UnexpectedReply):
        client.pull("fraud:1", tmp_path / "out")

    assert entries(tmp_path) == set()


def test_a_deeply_nested_answer_is_an_error(registry: FakeRegistry, client: RegistryClient) -> None:
    registry.answers.append(lambda request: Response("[" * 100_000, content_type="application/json"))

    with pytest.raises(errors.UnexpectedReply):
        client.models.get("fraud")


def test_a_directory_that_becomes_a_link_on_the_way_is_not_written_through(
    registry: FakeRegistry, store: FakeStore, client: RegistryClient, tmp_path: Path
) -> None:
    registry.hold({"weights/a": b"1", "weights/b": b"2", "weights/c": b"3"})
    (tmp_path / "elsewhere").mkdir()

    def swap(request: Request) -> None:
        if (tmp_path / "out" / "weights").is_dir() and not (tmp_path / "out" / "weights").is_symlink():
            shutil.rmtree(tmp_path / "out" / "weights")
            (tmp_path / "out" / "weights").symlink_to(tmp_path / "elsewhere")

    store.answers.append(swap)

    with pytest.raises((errors.UnsafePath, OSError)):
        client.pull("fraud:1", tmp_path / "out", jobs=1)

    assert entries(tmp_path / "elsewhere") == set()


def test_a_target_that_becomes_a_link_on_the_way_is_not_written_through(
    registry: FakeRegistry, store: FakeStore, client: RegistryClient, tmp_path: Path
) -> None:
    registry.hold({"a": b"1", "deep/b": b"2", "deep/c": b"3"})
    (tmp_path / "elsewhere").mkdir()

    def swap(request: Request) -> None:
        if not (tmp_path / "out").is_symlink():
            (tmp_path / "out").rename(tmp_path / "moved")
            (tmp_path / "out").symlink_to(tmp_path / "elsewhere")

    store.answers.append(swap)

    client.pull("fraud:1", tmp_path / "out", jobs=1)

    assert entries(tmp_path / "elsewhere") == set()
    assert (tmp_path / "moved" / "deep" / "b").read_bytes() == b"2"


@pytest.mark.parametrize("kind", ["link", "hard link", "other file"])
def test_an_unfinished_file_that_is_replaced_on_the_way_gets_no_name(
    registry: FakeRegistry, store: FakeStore, client: RegistryClient, tmp_path: Path, kind: str
) -> None:
    registry.hold({"large": bytes(3 * STEP)})
    (tmp_path / "victim").write_bytes(b"mine")
    replaced = []

    def swap(request: Request) -> None:
        for partial in (tmp_path / "out").glob(".registry-*"):
            if partial.name not in replaced and not partial.name.endswith(".ranges"):
                replaced.append(partial.name)
                partial.unlink()
                if kind == "link":
                    partial.symlink_to(tmp_path / "victim")
                elif kind == "hard link":
                    partial.hardlink_to(tmp_path / "victim")
                else:
                    partial.write_bytes(b"evil")

    store.answers.append(swap)

    with pytest.raises(errors.UnsafePath, match="replaced"):
        client.pull("fraud:1", tmp_path / "out", jobs=1)

    assert not (tmp_path / "out" / "large").exists()
    assert (tmp_path / "victim").read_bytes() == b"mine"


def test_sweeping_leftovers_follows_no_link(registry: FakeRegistry, client: RegistryClient, tmp_path: Path) -> None:
    registry.hold({"a": b"1"})
    leftover = ".registry-" + "0" * 32
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / leftover).write_bytes(b"mine")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "link").symlink_to(tmp_path / "elsewhere")

    client.pull("fraud:1", tmp_path / "out", force=True)

    assert (tmp_path / "elsewhere" / leftover).read_bytes() == b"mine"


def member(name: str, content: bytes = b"", **fields: Any) -> bytes:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for field, value in fields.items():
        setattr(info, field, value)
    padding = bytes(-len(content) % 512)
    return info.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape") + content + padding


GOOD = member("MLmodel", b"flavors")
PAX = tarfile.TarInfo("x")
PAX.type, PAX.size = tarfile.XHDTYPE, 512
ARCHIVES: dict[str, bytes] = {
    "link": member("MLmodel", type=tarfile.SYMTYPE, linkname="/etc/passwd") + GOOD,
    "hard link": member("MLmodel", type=tarfile.LNKTYPE, linkname="../../victim") + GOOD,
    "link first": member("x", type=tarfile.SYMTYPE, linkname="/") + member("x/MLmodel", b"flavors"),
    "device": member("MLmodel", type=tarfile.CHRTYPE) + GOOD,
    "pipe": member("MLmodel", type=tarfile.FIFOTYPE),
    "directory": member("MLmodel", type=tarfile.DIRTYPE) + GOOD,
    "absolute": member("/MLmodel", b"flavors"),
    "parent": member("../MLmodel", b"flavors") + GOOD,
    "repository first": member(".git/config", b"[core]") + GOOD,
    "twice": GOOD + GOOD,
    "other size": member("MLmodel", b"flavors\0"),
    "sparse": member("MLmodel", b"flavors", type=tarfile.GNUTYPE_SPARSE),
    "headers in headers": PAX.tobuf(tarfile.USTAR_FORMAT) * 5,
    "long header": member("././@LongLink", bytes(20_000), type=tarfile.GNUTYPE_LONGNAME) + GOOD,
    "broken numbers": member("MLmodel", b"flavors", pax_headers={"GNU.sparse.map": "x", "GNU.sparse.major": "0"}),
}


@pytest.mark.parametrize("kind", ARCHIVES)
def test_nothing_that_a_server_puts_into_an_archive_reaches_a_program_that_unpacks_it(
    registry: FakeRegistry, client: RegistryClient, kind: str
) -> None:
    registry.hold({"MLmodel": b"flavors"})
    sent = ARCHIVES[kind] + bytes(1024)
    registry.answers.append(lambda request: Response(sent) if request.path.endswith("/archive") else None)
    out = io.BytesIO()

    with pytest.raises(errors.IntegrityError):
        client.archive("fraud:1", out)

    out.seek(0)
    try:
        with tarfile.open(fileobj=out, mode="r|") as received:
            names = {found.name for found in received if found.type != tarfile.REGTYPE or found.name != "MLmodel"}
    except tarfile.ReadError:
        names = set()
    assert names == set()


def test_an_archive_without_an_end_is_an_error(registry: FakeRegistry, client: RegistryClient) -> None:
    registry.hold({"MLmodel": b"flavors"})
    endless = itertools.chain([GOOD, bytes(1024)], itertools.repeat(bytes(1 << 16)))
    registry.answers.append(lambda request: Response(endless) if request.path.endswith("/archive") else None)

    with pytest.raises(errors.IntegrityError, match="more bytes"):
        client.archive("fraud:1", io.BytesIO())


def test_an_archive_is_the_same_whatever_its_server_calls_the_owner(
    registry: FakeRegistry, client: RegistryClient
) -> None:
    registry.hold({"MLmodel": b"flavors"})
    sent = member("MLmodel", b"flavors", uname="root", mode=0o4777, mtime=7) + bytes(1024)
    registry.answers.append(lambda request: Response(sent) if request.path.endswith("/archive") else None)
    out = io.BytesIO()

    client.archive("fraud:1", out)

    out.seek(0)
    with tarfile.open(fileobj=out) as received:
        (found,) = received.getmembers()
    assert (found.name, found.mode, found.uname, found.mtime) == ("MLmodel", 0o644, "", 7)
