"""Credentials that may not list the bucket, for which S3 answers 403 in place of 404, or that lack another right."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from botocore.exceptions import ClientError

from registry.rules.audit_log.checkpoints import read_checkpoint
from registry.services.maintenance import fsck, garbage_collection
from registry.services.monitoring import health
from registry.services.sealed_log.pins import StorePin
from tests.support.damageable_service import MIB, DamageableService, sha256
from tests.support.faulty_store import Fault, FaultyStore, Rule, faulty_store
from tests.support.replies import expect
from tests.support.s3_server import S3Server
from tests.support.sealing import require_whole, seal_all

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
DENIED = Fault(status=403)


def without_list(server: S3Server) -> Rule:
    """Answer as S3 does to credentials without s3:ListBucket and s3:ListBucketMultipartUploads."""

    def rule(method: str, path: str) -> Fault | None:
        address = urlsplit(path)
        bucket, _, key = address.path.lstrip("/").partition("/")
        if method not in {"GET", "HEAD"} or "uploadId" in parse_qs(address.query):
            return None
        return DENIED if not key or not exists(server, bucket, key) else None

    return rule


def exists(server: S3Server, bucket: str, key: str) -> bool:
    with server.client() as client:
        try:
            client.head_object(Bucket=bucket, Key=key)
        except ClientError:
            return False
    return True


def without_get(method: str, path: str) -> Fault | None:
    return DENIED if method in {"GET", "HEAD"} else None


def without_put(method: str, path: str) -> Fault | None:
    return DENIED if method in {"PUT", "POST"} else None


@pytest.fixture
def store(moto_s3: S3Server) -> Iterator[FaultyStore]:
    with faulty_store(moto_s3.endpoint_url) as store:
        store.rule = without_list(moto_s3)
        yield store


@pytest.fixture
def service(open_service: Callable[..., DamageableService], store: FaultyStore, moto_s3: S3Server) -> DamageableService:
    opened = open_service("moto", s3_endpoint_url=store.url, s3_public_endpoint_url=moto_s3.endpoint_url)
    opened.registry.create_model()
    return opened


def ready(service: DamageableService) -> dict[str, Any]:
    document: dict[str, Any] = service.api.client.get("/readyz").get_json()
    return document


def checked(service: DamageableService, *, mark: bool = False) -> dict[str, str]:
    """What fsck finds, by kind."""
    with service.app.app_context():
        problems = list(fsck.check(store=service.store, mark=mark))
    return {
        one.kind: " ".join(f"{item.name} {item.detail}" for item in problems if item.kind == one.kind)
        for one in problems
    }


def test_without_the_right_to_list_all_works_but_the_search_for_what_nothing_refers_to(
    service: DamageableService,
) -> None:
    assert ready(service)["status"] == "ready"
    small, large = service.small, bytes(6 * MIB)
    number = service.registry.model("fraud").version(files=[service.brought(small)], stage="production")
    expect(201, service.register(service.brought(large) and large))
    announced = expect(None, service.api.post("/uploads", {"sha256": sha256(b"never"), "size": 5}))
    assert "no bytes arrived" in expect(409, service.complete(announced))["detail"]
    assert expect(200, service.api.get(f"/models/fraud/versions/{number}"))["state"] == "ready"
    found = checked(service)
    assert set(found) == {"unlisted"}
    assert "ListObjectsV2 is refused (403): the registry's credentials need s3:ListBucket" in found["unlisted"]

    service.damage(small, "deleted")
    service.scrub()
    assert sha256(small) in checked(service, mark=True)["missing"]
    service.brought(small)
    assert set(checked(service)) == {"unlisted"}

    unseen: list[str] = []
    stray = service.brought(b"referred to by nothing")
    with service.app.app_context():
        collect = partial(garbage_collection.collect, store=service.store, grace=timedelta(), unseen=unseen.append)
        waste = [*collect(), *collect()]
    assert f"sha256:{stray['sha256']}" in {one.name for one in waste if one.deleted}
    assert [reason.rpartition(" ")[2] for reason in unseen] == ["s3:ListBucket", "s3:ListBucketMultipartUploads"] * 2
    with service.app.app_context():
        listing = health.examination(service.store, StorePin(service.store), [], seconds=60)["listing"]
    assert listing.ok
    assert "s3:ListBucket;" in listing.detail
    assert "deploy/docs/store.md" in listing.fix


def test_without_the_right_to_list_checkpoints_are_pinned(service: DamageableService) -> None:
    pin = StorePin(service.store)
    assert ready(service)["status"] == "ready"  # the store is claimed

    seal_all(service.app, pin)
    service.registry.create_model("churn")
    seal_all(service.app, pin)

    assert require_whole(service.app).checkpoints[-1] == read_checkpoint(pin.read().note)
    assert len(require_whole(service.app).checkpoints) == 2
    assert ready(service)["checks"]["audit_log"]["ok"] is True


def test_a_right_that_is_refused_is_named_and_nothing_is_taken_for_lost(
    service: DamageableService, store: FaultyStore
) -> None:
    number = service.registry.model("fraud").version(files=[service.brought(service.small)], stage="production")

    store.rule = without_get
    degraded = ready(service)
    with service.app.app_context():
        wrong = health.examination(service.store, StorePin(service.store), [], seconds=60)["storage"]
    service.scrub()
    rolled = service.api.post("/models/fraud/rollback", {"reason": "x", "to": number})
    store.rule = without_put
    area = service.api.client.put(
        "/api/2.0/mlflow-artifacts/artifacts/a", data=b"x", headers={"Authorization": f"Bearer {service.token}"}
    )
    store.recover()

    assert degraded["status"] == "degraded"
    assert "s3:GetObject on models/registry-id" in degraded["checks"]["storage"]["detail"]
    assert "s3:ListBucket" in wrong.detail
    assert rolled.status_code < 500 or rolled.status_code == 503
    assert area.status_code == 503
    assert "PutObject is refused (403): the registry's credentials need s3:PutObject" in area.get_json()["message"]
    assert checked(service) == {}
    assert ready(service)["status"] == "ready"
