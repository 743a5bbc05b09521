"""Versions whose files are unknown, in both forms that the database has for them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from sqlalchemy import update

from registry.db.models import Version
from registry.db.session import transaction
from registry.http.context import EXTENSION
from registry.services.monitoring import health
from tests.services.imports.test_run_refreshes import problems
from tests.services.imports.test_upstream import SOURCE, importer, server, start, upstream
from tests.support.fake_tracking_server import FakeTrackingServer
from tests.support.importer import LONG_AGO, Importer
from tests.support.mlflow_api import MlflowApi
from tests.support.replies import expect
from tests.support.unknown_values import in_both_forms, store_unknown

__all__ = ["importer", "server", "start", "upstream"]  # fixtures

NOT_OVER = datetime(2999, 1, 1, tzinfo=UTC)


@in_both_forms
def test_a_version_that_waits_for_its_files_is_filled(
    importer: Importer, upstream: FakeTrackingServer, form: str | None
) -> None:
    importer.reserve(SOURCE)
    store_unknown(importer.app, Version.manifest_digest, form)
    with importer.app.app_context(), transaction() as session:
        session.execute(update(Version).values(created_at=LONG_AGO))

    importer.change(leased_until=NOT_OVER)

    assert is_well(importer)
    importer.end_leases()
    assert not is_well(importer)
    assert importer.version(1)["manifest_digest"] is None
    mlflow_api = MlflowApi(importer.api.client, importer.api.token)
    (latest,) = mlflow_api.make("GET", "/registered-models/get", name="fraud")["registered_model"]["latest_versions"]
    assert "has yet to fetch" in latest["status_message"] == mlflow_api.get(1)["status_message"]
    assert importer.work()
    filled = importer.version(1)
    assert (filled["state"], filled["manifest_digest"][:7]) == ("ready", "sha256:")


def is_well(importer: Importer) -> bool:
    """Return whether the doctor has no pending version to report."""
    with importer.app.app_context():
        adapters = importer.app.extensions[EXTENSION]
        return health.examination(adapters.store, adapters.pin, [], seconds=60)["versions"].ok


@pytest.mark.usefixtures("upstream")
@in_both_forms
def test_a_version_whose_files_are_elsewhere_is_read_moved_and_verified(importer: Importer, form: str | None) -> None:
    mlflow_api = MlflowApi(importer.api.client, importer.api.token)
    mlflow_api.registry.model("fraud").register(source="s3://elsewhere/model", run_id="0" * 32)
    store_unknown(importer.app, Version.manifest_digest, form)
    importer.registry.model("fraud").move(1, "archived")
    expect(201, importer.api.put("/models/fraud/aliases/champion", {"version": 1}))

    native, alias = importer.version(1), expect(200, importer.api.get("/models/fraud/aliases/champion"))

    assert (native["state"], native["manifest_digest"], alias["manifest_digest"]) == ("unverified", None, None)
    assert [tag["key"] for tag in mlflow_api.get(1).get("tags", [])] == []
    check = {"name": "bias-audit", "status": "passed"}
    assert expect(409, importer.api.post("/models/fraud/versions/1/checks", check))["code"] == "not_ready"
    entries = expect(200, importer.api.get("/models/fraud/history"))["items"]
    assert [entry["digests"]["manifest"] for entry in entries if "manifest" in entry["digests"]] == [""]
    assert problems(importer) == []
