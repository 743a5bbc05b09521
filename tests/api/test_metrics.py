"""Numbers for a monitor: the same from every replica, and without names."""

from __future__ import annotations

from flask import Flask
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import update

from registry.db.models import Blob
from registry.db.session import transaction
from tests.support.api import Api, Given


def scrape(api: Api) -> dict[str, float]:
    """Samples by name and label's value."""
    response = api.client.get("/metrics")
    assert response.status_code == 200
    families = text_string_to_metric_families(response.get_data(as_text=True))
    samples = [sample for family in families for sample in family.samples]
    return {":".join([sample.name, *sample.labels.values()]): sample.value for sample in samples}


def test_a_new_registry_counts_nothing(anonymous: Api) -> None:
    assert set(scrape(anonymous).values()) == {0}


def test_what_there_is_is_counted(anonymous: Api, given: Given) -> None:
    given.version("fraud")
    given.version("fraud")

    found = scrape(anonymous)

    assert (found["registry_versions:ready"], found["registry_blobs"], found["registry_blob_bytes"]) == (2, 2, 32)


def test_damage_is_counted(app: Flask, anonymous: Api, given: Given) -> None:
    given.version("fraud")
    with app.app_context(), transaction() as session:
        session.execute(update(Blob).values(damage="corrupt"))

    found = scrape(anonymous)

    assert (found["registry_blobs_damaged:corrupt"], found["registry_blobs_damaged:missing"]) == (1, 0)


def test_no_name_is_told(anonymous: Api, given: Given) -> None:
    given.version("fraud-detection")

    assert "fraud" not in anonymous.client.get("/metrics").get_data(as_text=True)
