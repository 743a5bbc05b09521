"""Pulls of some of a version's files, and pulls from the cache."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from registry.client import RegistryClient, errors
from tests.client.conftest import FakeRegistry, FakeStore, sha256
from tests.support.full_disk import small_disk

FILES = {"MLmodel": b"flavors", "onnx/model.onnx": b"onnx" * 100, "weights/a.bin": b"a" * 100, "weights/[b].bin": b"b"}


def held(directory: Path) -> set[str]:
    return {path.relative_to(directory).as_posix() for path in directory.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        ({"only": ["*.onnx"]}, {"onnx/model.onnx"}),
        ({"only": ["weights/"]}, {"weights/a.bin", "weights/[b].bin"}),
        ({"only": ["/MLmodel", "weights/*a*"]}, {"MLmodel", "weights/a.bin"}),
        ({"only": ["weights/[b].bin"]}, {"weights/[b].bin"}),
        ({"exclude": ["weights/", "*.onnx"]}, {"MLmodel"}),
        ({"only": ["weights"], "exclude": ["a.bin"]}, {"weights/[b].bin"}),
    ],
)
def test_patterns_choose_the_files(
    registry: FakeRegistry,
    store: FakeStore,
    client: RegistryClient,
    tmp_path: Path,
    chosen: Any,
    expected: Iterable[str],
) -> None:
    registry.hold(FILES)

    done = client.pull("fraud:1", tmp_path / "out", **chosen)

    assert held(tmp_path / "out") == set(done.written) == expected
    assert len(store.requests("GET")) == len(set(expected))


@pytest.mark.parametrize("chosen", [{"only": ["*.onnx", "*.pt"]}, {"exclude": ["*"]}], ids=["one", "all"])
def test_patterns_that_leave_nothing_are_refused(
    registry: FakeRegistry, store: FakeStore, client: RegistryClient, tmp_path: Path, chosen: Any
) -> None:
    registry.hold(FILES)

    with pytest.raises(errors.NotFound, match=r"'\*\.pt'|leaves none"):
        client.pull("fraud:1", tmp_path / "out", **chosen)

    assert store.seen == []


def test_other_files_of_the_version_may_be_there(
    registry: FakeRegistry, client: RegistryClient, tmp_path: Path
) -> None:
    registry.hold(FILES)

    client.pull("fraud:1", tmp_path / "out", only=["*.onnx"])
    done = client.pull("fraud:1", tmp_path / "out", only=["weights", "MLmodel"])

    assert held(tmp_path / "out") == FILES.keys()
    assert (len(done.written), done.present) == (3, ())


def test_a_cache_spares_the_download(
    registry: FakeRegistry, store: FakeStore, client: RegistryClient, tmp_path: Path
) -> None:
    registry.hold(FILES)
    reports: list[tuple[str, int, int]] = []

    first = client.pull("fraud:1", tmp_path / "one", cache=tmp_path / "cache", only=["weights"])
    before = len(store.seen)
    second = client.pull("fraud:1", tmp_path / "two", cache=tmp_path / "cache", progress=lambda *r: reports.append(r))

    assert (first.cached, set(second.cached)) == ((), {"weights/a.bin", "weights/[b].bin"})
    assert len(store.seen) - before == len(FILES) - 2
    assert {path: (tmp_path / "two" / path).read_bytes() for path in FILES} == FILES
    assert reports[-1] == ("download", sum(map(len, FILES.values())), sum(map(len, FILES.values())))


@pytest.mark.parametrize("spoil", ["changed", "longer", "cut", "a link", "a directory"])
def test_a_cache_that_was_changed_gives_nothing_else_than_the_registered_bytes(
    registry: FakeRegistry, client: RegistryClient, tmp_path: Path, spoil: str
) -> None:
    content = FILES["weights/a.bin"]
    registry.hold({"a.bin": content})
    cache, out = tmp_path / "cache", tmp_path / "two"
    client.pull("fraud:1", tmp_path / "one", cache=cache)
    entry = cache / "sha256" / sha256(content)[:2] / sha256(content)
    spoiled = {"changed": b"b" * 100, "longer": content + b"more", "cut": content[:50]}
    if spoil in spoiled:
        entry.write_bytes(spoiled[spoil])
    else:
        entry.unlink()
        entry.mkdir() if spoil == "a directory" else entry.symlink_to(tmp_path / "one" / "a.bin")

    done = client.pull("fraud:1", out, cache=cache)

    assert (done.cached, held(out), (out / "a.bin").read_bytes()) == ((), {"a.bin"}, content)
    if spoil != "a directory":
        assert entry.read_bytes() == content
        assert not entry.is_symlink()


def test_a_full_disk_is_named_with_what_is_needed_and_what_is_available(
    registry: FakeRegistry, client: RegistryClient, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    content = b"w" * 3_000_000
    registry.hold({"a.bin": content})
    with small_disk(tmp_path / "disk", size="1m") as disk:
        with pytest.raises(OSError, match=r"2.9 MiB needed, [0-9.]+ (MiB|KiB) available") as full:
            client.pull("fraud:1", disk / "out")
        assert full.value.filename == str(disk / "out" / "a.bin")
        assert held(disk / "out") == set()

        client.pull("fraud:1", tmp_path / "out", cache=disk / "cache")  # which is of no consequence

        assert (tmp_path / "out" / "a.bin").read_bytes() == content
        assert "2.9 MiB needed" in caplog.text
        assert [path for path in (disk / "cache").rglob("*") if path.is_file()] == []


def test_a_cache_that_cannot_be_written_is_a_warning(
    registry: FakeRegistry, client: RegistryClient, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    registry.hold(FILES)
    (tmp_path / "cache").write_text("a file")

    done = client.pull("fraud:1", tmp_path / "out", cache=tmp_path / "cache")

    assert held(tmp_path / "out") == set(done.written) == FILES.keys()
    assert [record.getMessage().partition(" cannot")[0] for record in caplog.records if "cache" in record.msg] == [
        f"the cache {tmp_path / 'cache'}"
    ]
