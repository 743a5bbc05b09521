"""Damage that was recorded is shown with the version and with the file, until the bytes are whole again."""

from __future__ import annotations

import pytest
from flask import Flask
from sqlalchemy import update

from registry.db.models import Blob
from registry.db.session import transaction
from registry.domain.errors import NotFound
from registry.services.integrity import damage
from tests.support.api import Api
from tests.support.registry_builder import RegistryBuilder
from tests.support.replies import expect

VERSION, LIST = "/models/fraud/versions/1", "/models/fraud/versions"


def record(app: Flask, condition: str | None, *sha256s: str) -> None:
    """Mark blobs as a scrubber does."""
    with app.app_context(), transaction() as session:
        session.execute(update(Blob).where(Blob.sha256.in_(sha256s)).values(damage=condition))


def test_damage_is_shown_with_the_version_its_files_and_its_etag(
    app: Flask, api: Api, registry: RegistryBuilder
) -> None:
    whole, lost, other = registry.file(path="a.bin"), registry.file(path="b.bin"), registry.file(path="c.bin")
    registry.model("fraud").version(files=[whole, lost])
    registry.model("fraud").version(files=[whole])
    registry.model("fraud").version(files=[other])

    def shown() -> tuple[bool, list[bool], list[bool], list[str | None]]:
        one = expect(200, api.get(VERSION))
        listed = [item["damaged"] for item in expect(200, api.get(LIST))["items"]]
        named = [item["damaged"] for item in expect(200, api.get(f"{LIST}?fields=damaged"))["items"]]
        files = [
            [file["damage"] for file in expect(200, api.get(f"{VERSION}/files{q}"))["items"]]
            for q in ("", "?signed=true")
        ]
        assert files[0] == files[1]
        return one["damaged"], listed, named, files[0]

    nothing = (False, [False] * 3, [False] * 3, [None, None])
    assert shown() == nothing
    before = api.get(VERSION).headers["ETag"]

    record(app, "missing", lost["sha256"])
    assert shown() == (True, [False, False, True], [False, False, True], [None, "missing"])
    damaged = api.get(VERSION, headers={"If-None-Match": before})
    assert (damaged.status_code, damaged.headers["ETag"]) == (200, f'{before[:-1]}-damaged"')
    assert api.patch(VERSION, {"description": "x"}, headers={"If-Match": before}).status_code == 200

    record(app, "suspect", lost["sha256"], other["sha256"])  # no damage: it is read again first
    assert shown() == nothing
    record(app, "corrupt", whole["sha256"])
    assert shown() == (True, [False, True, True], [False, True, True], ["corrupt", None])


def test_the_damaged_files_of_a_version_are_counted_and_the_first_named(app: Flask, registry: RegistryBuilder) -> None:
    files = [registry.file(path=f"{number}.bin") for number in range(4)]
    registry.model("fraud").version(files=files)
    record(app, "missing", *(file["sha256"] for file in files[1:]))
    with app.app_context():
        found = damage.of_version("fraud", 1, limit=2)
        assert (found.count, [(file.path, file.damage) for file in found.first]) == (
            3,
            [("1.bin", "missing"), ("2.bin", "missing")],
        )
        record(app, None, *(file["sha256"] for file in files))
        assert damage.of_version("fraud", 1).count == 0
        with pytest.raises(NotFound):
            damage.of_version("fraud", 2)
