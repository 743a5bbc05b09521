"""The first bytes of a file: no more than asked for, those of the file, or a refusal that names the reason."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask

from registry.domain.errors import BlobsMissing, Conflict, NotFound, NotReady, RegistryError, Unavailable
from registry.services.downloads.heads import Head, head
from registry.storage.checked import Store
from registry.storage.driver import Down
from tests.support.api import Api
from tests.support.databases import Database
from tests.support.registry_builder import RegistryBuilder
from tests.support.replies import expect
from tests.support.store_maintenance import StoreMaintenance

LONG = bytes(range(256)) * 8192  # 2 MiB: more than a chunk of the store


@pytest.fixture
def maintenance(app: Flask, database: Database, storage_root: Any) -> StoreMaintenance:
    return StoreMaintenance(app, database, storage_root)


@pytest.fixture
def read(app: Flask, maintenance: StoreMaintenance) -> Callable[..., Head]:
    def read_head(path: str, number: int = 1, **options: Any) -> Head:
        with app.app_context():
            return head("fraud", number, path, store=options.pop("store", maintenance.store), **options)

    return read_head


def refused(read: Callable[[], object]) -> RegistryError:
    with pytest.raises(RegistryError) as refusal:
        read()
    return refusal.value


def test_the_first_bytes_of_a_file_are_read_and_no_others(registry: RegistryBuilder, read: Callable[..., Head]) -> None:
    contents = {"empty": b"", "small": b"abc", "long": LONG}
    registry.model("fraud").version(files=[registry.file(content, path) for path, content in sorted(contents.items())])

    whole = {path: read(path) for path in contents}
    part = read("small", most=2)

    assert {path: one.content for path, one in whole.items()} == contents | {"long": LONG[: 64 * 1024]}
    assert {path: one.is_whole for path, one in whole.items()} == {"empty": True, "small": True, "long": False}
    assert (part.content, part.is_whole, part.file.size) == (b"ab", False, 3)


def test_bytes_that_are_not_those_of_the_file_are_refused(
    registry: RegistryBuilder, read: Callable[..., Head], maintenance: StoreMaintenance
) -> None:
    files = [registry.file(content, path) for path, content in (("flipped", b"abc"), ("gone", b"def"), ("short", LONG))]
    registry.model("fraud").version(files=files)
    flipped, gone, short = (maintenance.object(file["sha256"]) for file in files)
    maintenance.flip(files[0]["sha256"])
    gone.unlink()
    maintenance.put(short, LONG[:1000])

    for file in files:
        error = refused(lambda path=file["path"]: read(path))  # type: ignore[misc]  # the loop's value, kept
        assert isinstance(error, BlobsMissing)
        assert error.extras["missing"] == [file["sha256"]]
    assert flipped.exists()


def test_only_files_of_versions_whose_bytes_may_be_read_have_a_head(
    api: Api, registry: RegistryBuilder, read: Callable[..., Head], maintenance: StoreMaintenance
) -> None:
    registry.model("fraud").version()
    expect(200, api.delete(f"/models/fraud/versions/{registry.model('fraud').version()}"))
    with_upload = registry.model("fraud").version()

    class AwayDriver:
        def read(self, key: str) -> Iterator[bytes]:
            raise Down("no answer")
            yield b""

    away = Store(AwayDriver())  # type: ignore[arg-type]  # nothing else is asked of it
    assert isinstance(refused(lambda: read("nothing")), NotFound)
    assert isinstance(refused(lambda: read("model.bin", 2)), Conflict)
    assert isinstance(refused(lambda: read("model.bin", 9)), NotFound)
    down = refused(lambda: read("model.bin", with_upload, store=away))
    assert isinstance(down, Unavailable)
    assert "store" in down.detail
    assert not isinstance(down, NotReady)
