"""Which registrations are the same version."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.test_versions import register
from tests.support.api import Api
from tests.support.registry_builder import RegistryBuilder
from tests.support.replies import expect


def test_the_same_files_without_a_run_are_the_same_version(api: Api, registry: RegistryBuilder) -> None:
    registry.create_model()
    files = [registry.file(path="b"), registry.file(path="a")]
    first = register(api, files)
    before = registry.audit_entry_count()

    again = api.post("/models/fraud/versions", {"files": files[::-1]})

    assert again.status_code == 200
    assert again.get_json() == {"created": False, "updated": [], "version": first["version"]}
    assert registry.audit_entry_count() == before


@pytest.mark.parametrize(
    ("first", "second", "created"),
    [
        (None, None, False),
        ({"system": "ci", "id": "1"}, {"system": "ci", "id": "1"}, False),
        ({"system": "ci", "id": "1"}, {"system": "ci", "id": "1", "url": "https://ci.test/2"}, False),
        ({"system": "ci", "id": "1"}, {"system": "ci", "id": "2"}, True),
        ({"system": "ci", "id": "1"}, {"system": "other", "id": "1"}, True),
        (None, {"system": "ci", "id": "1"}, True),
        ({"system": "ci", "id": "1"}, None, True),
    ],
)
def test_files_and_run_together_identify_a_version(
    api: Api, registry: RegistryBuilder, first: dict[str, Any] | None, second: dict[str, Any] | None, created: bool
) -> None:
    registry.create_model()
    files = [registry.file()]
    register(api, files, run=first)

    again = register(api, files, run=second)

    assert (again["created"], again["version"]["number"]) == (created, 2 if created else 1)


@pytest.mark.parametrize("change", [{"path": "other"}, {"media_type": "text/plain"}])
def test_other_names_for_the_same_bytes_are_another_version(
    api: Api, registry: RegistryBuilder, change: dict[str, str]
) -> None:
    registry.create_model()
    file = registry.file()
    register(api, [file])

    again = register(api, [{**file, **change}])

    assert again["created"] is True


def test_the_same_files_in_another_model_are_another_version(api: Api, registry: RegistryBuilder) -> None:
    registry.create_model()
    files = [registry.file()]
    first = register(api, files)["version"]

    registry.model("other").version(files=files)

    assert expect(200, api.get("/models/other/versions/1"))["manifest_digest"] == first["manifest_digest"]


def test_a_deleted_twin_is_not_revived_by_registering_it_again(api: Api, registry: RegistryBuilder) -> None:
    registry.create_model()
    files = [registry.file()]
    register(api, files)
    expect(200, api.delete("/models/fraud/versions/1"))

    again = register(api, files)

    assert (again["created"], again["version"]["number"]) == (True, 2)
    assert expect(200, api.get("/models/fraud/versions/1"))["state"] == "deleted"
