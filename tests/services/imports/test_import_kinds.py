"""Versions filled from locations, from artifact roots and from the artifact area."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from registry.config import Tracking
from registry.domain.errors import Unavailable
from registry.domain.manifest import File
from registry.domain.registrations import Origin, Registration
from registry.services.catalog import registration
from registry.services.imports import import_jobs, import_kinds
from tests.services.imports.test_upstream import SOURCE, Start, importer, refusal, server, start, upstream
from tests.support.fake_tracking_server import (
    MODEL,
    RUN,
    FakeTrackingServer,
)
from tests.support.importer import Importer
from tests.support.s3_server import S3Server

__all__ = ["importer", "server", "start", "upstream"]  # fixtures

pytestmark = pytest.mark.share(3)


def test_a_location_that_may_be_imported_from_fills_a_version_too(
    start: Start, upstream: FakeTrackingServer, moto_s3: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in moto_s3.environment.items():
        monkeypatch.setenv(name, value)
    bucket = moto_s3.new_bucket()
    source = f"s3://{bucket}/0/{RUN[::-1]}/artifacts/model"
    with moto_s3.client() as client:
        client.put_object(Bucket=bucket, Key=f"0/{RUN[::-1]}/artifacts/model/MLmodel", Body=b"flavors: {xgboost: {}}")
    terms = {"s3_endpoint_url": moto_s3.endpoint_url, "s3_region": moto_s3.region}
    importer = start(Tracking(url=upstream.url), import_sources=(f"s3://{bucket}",), **terms)

    unknown_run, no_run = importer.filled(source, run_id=RUN[::-1]), importer.filled(source)

    assert [(found["state"], found["framework"]) for found in (unknown_run, no_run)] == [("ready", "xgboost")] * 2
    assert "there are no files" in refusal(importer, f"s3://{bucket}/nothing")


def test_objects_below_the_artifact_roots_are_read_directly_and_no_others(
    start: Start, upstream: FakeTrackingServer, moto_s3: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in moto_s3.environment.items():
        monkeypatch.setenv(name, value)
    bucket = moto_s3.new_bucket()
    with moto_s3.client() as client:
        client.put_object(Bucket=bucket, Key=f"art/1/models/{MODEL}/artifacts/MLmodel", Body=b"flavors: {xgboost: {}}")
        client.put_object(Bucket=bucket, Key="secret/MLmodel", Body=b"secret")
    importer = start(
        Tracking(url=upstream.url, artifact_roots=(f"s3://{bucket}/art",)),
        s3_endpoint_url=moto_s3.endpoint_url,
        s3_region=moto_s3.region,
    )
    upstream.model["info"]["artifact_uri"] = f"s3://{bucket}/art/1/models/{MODEL}/artifacts"

    version = importer.filled(SOURCE)

    assert (version["state"], version["framework"]) == ("ready", "xgboost")
    upstream.model["info"]["artifact_uri"] = f"s3://{bucket}/secret"
    assert "is not below a location that this registry may fetch from" in refusal(importer)
    assert not [seen for seen in upstream.seen if "artifacts" in seen]


def test_files_in_the_registrys_own_area_are_taken_over_once_they_are_hashed(
    importer: Importer,
) -> None:
    content = uuid.uuid4().bytes
    line = importer.registry.file(content, "MLmodel")
    hashed: list[File] = []

    def files_for(facts: Any) -> list[File]:
        if not hashed:
            raise Unavailable(f"{facts['path']} is being hashed")
        return hashed

    with importer.app.app_context():
        origin = Origin(source="models:/m-own")
        facts = {"kind": "artifacts", "path": "1/x"}
        registration.reserve("fraud", Registration(files=(), origin=origin), actor=importer.actor, fetch=facts)
    work(importer, artifacts=import_kinds.from_artifacts(files_for))
    assert importer.reason() == "1/x is being hashed"
    hashed.append(File("MLmodel", len(content), line["sha256"]))
    importer.end_leases()

    work(importer, artifacts=import_kinds.from_artifacts(files_for))

    assert importer.version(1)["state"] == "ready"
    assert importer.files(1) == {"MLmodel": content}


def test_facts_of_a_kind_that_is_not_known_fail_the_version(importer: Importer) -> None:
    importer.reserve(SOURCE)

    work(importer)

    assert "cannot fetch files from" in importer.version(1)["state_reason"]


def work(importer: Importer, **kinds: Any) -> None:
    adapters = importer.app.extensions["model-registry"]
    with importer.app.app_context():
        assert import_jobs.run_next(
            store=adapters.store, sources=adapters.sources, make=nothing, kinds=kinds, protected=()
        )


def nothing(*_: Any) -> Registration:
    raise AssertionError("no import registers a version here")
