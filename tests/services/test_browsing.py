"""What surrounds a version: its neighbours, and its files by folder."""

from __future__ import annotations

import pytest
from flask import Flask
from sqlalchemy import update

from registry.db.models import Blob
from registry.db.session import transaction
from registry.domain.errors import NotFound
from registry.services.catalog import browsing
from registry.services.catalog.browsing import Neighbours
from tests.support.api import Api
from tests.support.registry_builder import RegistryBuilder
from tests.support.replies import expect

PATHS = ["B/one.txt", "B/two/deep/x", "B/two/y", "B.txt", "a é/\U0001f600", "a%_", "z"]


def test_folders_are_folded_and_paged_by_the_bytes_of_their_names(app: Flask, registry: RegistryBuilder) -> None:
    lost = registry.file(b"lost")
    files = [registry.file(path.encode(), path) for path in PATHS] + [lost | {"path": "B/two/deep/lost"}]
    registry.model("fraud").version(files=files)
    registry.model("fraud").version()
    with app.app_context():
        with transaction() as session:
            session.execute(update(Blob).where(Blob.sha256 == lost["sha256"]).values(damage="corrupt"))
        top = browsing.folder("fraud", 1, limit=50)
        paged, after = [], None
        for _ in range(5):
            page = browsing.folder("fraud", 1, after=after, limit=1)
            paged += page.items
            after = page.next_after[0] if page.next_after else None
        below = {
            name: browsing.folder("fraud", 1, name, limit=50).items for name in ("B", "B/two", "B/two/deep", "a é")
        }
        for absent in ("b", "B/two/y", "B/", "z"):
            with pytest.raises(NotFound):
                browsing.folder("fraud", 1, absent, limit=50)

    assert [(one.name, one.files, one.damaged) for one in top.items] == [
        ("B.txt", 1, 0), ("B/", 4, 1), ("a é/", 1, 0), ("a%_", 1, 0), ("z", 1, 0),
    ]  # fmt: skip
    assert (top.next_after, after, paged) == (None, None, top.items)
    assert {name: [one.name for one in items] for name, items in below.items()} == {
        "B": ["one.txt", "two/"], "B/two": ["deep/", "y"], "B/two/deep": ["lost", "x"], "a é": ["\U0001f600"],
    }  # fmt: skip
    folder, (lost_file, _) = below["B"][1], below["B/two/deep"]
    assert (folder.size, folder.sha256, folder.media_type, folder.damage) == (4 + 12 + 7, None, None, None)
    assert (lost_file.size, lost_file.sha256, lost_file.damage) == (4, lost["sha256"], "corrupt")


def test_neighbours_skip_numbers_that_no_version_has(app: Flask, api: Api, registry: RegistryBuilder) -> None:
    for _ in range(3):
        registry.model("fraud").version()
    expect(200, api.delete("/models/fraud/versions/2"))
    with app.app_context():
        around = [browsing.neighbours("fraud", number) for number in (1, 2, 3)]
        verified = browsing.verified_files("fraud", 1)
        with pytest.raises(NotFound):
            browsing.neighbours("fraud", 4)

    assert around == [Neighbours(None, 2), Neighbours(1, 3), Neighbours(2, None)]
    assert verified == 1
