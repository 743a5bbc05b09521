"""What other registries said of a model or version, and the numbers that they gave: kept, as claims, by admins."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.registry_builder import RegistryBuilder, in_process
from tests.support.replies import expect

CLAIMED = {"system": "mlflow", "created_at": "2024-02-29T12:00:00Z", "created_by": "ann", "stage": "Production"}


def test_a_version_keeps_what_mlflow_says_of_where_it_came_from(registry: RegistryBuilder) -> None:
    said = {"source": "s3://old/../bucket", "run_link": "https://mlflow.test/41", "logged_model": "m-" + "a" * 32}

    number = registry.model("fraud").version(**said)

    document = expect(200, registry.client.get(f"/models/fraud/versions/{number}"))
    assert document["source"] == said["source"]
    assert document["claimed"] is None


def test_a_model_and_its_versions_keep_the_numbers_and_the_claims_of_another_registry(
    registry: RegistryBuilder,
) -> None:
    made = registry.create_model("fraud", claimed=CLAIMED)
    numbers = [registry.model("fraud").version(number=number, claimed=CLAIMED) for number in (2, 3, 7)]

    after = registry.model("fraud").version()

    assert made["claimed"] == CLAIMED
    assert numbers == [2, 3, 7]
    assert after == 8
    assert expect(200, registry.client.get("/models/fraud/versions/7"))["claimed"] == CLAIMED
    assert expect(404, registry.client.get("/models/fraud/versions/4"))["code"] == "not_found"


def test_a_number_that_was_used_is_refused_and_the_same_request_finds_its_version(registry: RegistryBuilder) -> None:
    file = registry.file()
    registry.model("fraud").version(number=5, files=[file])

    again = registry.client.post("/models/fraud/versions", {"files": [file], "number": 5})
    other = registry.client.post("/models/fraud/versions", {"files": [registry.file()], "number": 5})

    assert expect(200, again)["version"]["number"] == 5
    assert "used up" in expect(409, other)["detail"]


def test_a_number_that_was_left_out_can_be_brought_later_and_the_count_goes_on(registry: RegistryBuilder) -> None:
    registry.model("fraud").version(number=5)

    later = registry.model("fraud").version(number=4)

    assert (later, registry.model("fraud").version()) == (4, 6)
    assert registry.client.get("/models/fraud").get_json()["latest_version"] == 6


def test_a_number_of_a_deleted_model_of_the_name_is_used_up(registry: RegistryBuilder) -> None:
    registry.model("fraud").version(number=3)
    expect(200, registry.client.delete("/models/fraud"))
    registry.create_model("fraud")

    refused = registry.client.post("/models/fraud/versions", {"files": [registry.file()], "number": 3})

    assert "used up" in expect(409, refused)["detail"]


@pytest.mark.parametrize("said", [{"number": 3}, {"claimed": CLAIMED}, {"claimed": {}}])
def test_only_admins_say_what_another_registry_said(
    registry: RegistryBuilder, as_role: Any, said: dict[str, Any]
) -> None:
    registry.create_model()
    callers = [in_process(as_role(role)) for role in ("writer", "promoter")]

    versions = [one.client.post("/models/fraud/versions", {"files": [one.file()], **said}) for one in callers]
    models = [one.client.post("/models", {"name": "new", "claimed": CLAIMED}) for one in callers]

    for reply in versions + models:
        assert expect(403, reply)["permission"] == "version:import"


@pytest.mark.parametrize("number", [0, -1, 10**9 + 1, 2**31 - 1, 2**31, "3", 3.0, True])
def test_a_number_that_no_registry_gives_is_refused(registry: RegistryBuilder, number: Any) -> None:
    registry.create_model()

    refused = registry.client.post("/models/fraud/versions", {"files": [registry.file()], "number": number})

    assert "number" in expect(422, refused)["errors"]


def test_the_same_files_of_the_same_run_get_a_new_number_where_that_is_asked_for(registry: RegistryBuilder) -> None:
    body = {"files": [registry.file()], "run": {"system": "mlflow", "id": "41"}, "anew": True}

    numbers = [registry.model("fraud").version(**body), registry.model("fraud").version(**body)]

    assert numbers == [1, 2]
