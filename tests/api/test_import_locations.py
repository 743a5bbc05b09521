"""Which locations may be imported from."""

from __future__ import annotations

import pytest

from registry.config import Settings
from tests.api.test_imports import Start, fetching, https, importer, start
from tests.support.https_server import HttpsServer, listening
from tests.support.importer import Importer
from tests.support.replies import expect

__all__ = ["fetching", "https", "importer", "start"]  # fixtures

HOSTILE = [
    "https://{other}/models/a.bin", "https://{place}:443/models/a.bin", "https://{place}./models/a.bin",
    "https://user@{place}/models/a.bin", "https://user:pass@{place}/models/a.bin",
    "https://{place}@{other}/models/a.bin", "https://{other}/https://{place}/models/a.bin",
    "https://{other}\\@{place}/models/a.bin", "https://{place}\\.{other}/models/a.bin",
    "https://{place}/modelsx/a.bin", "https://{place}/Models/a.bin", "https://{place}/MODELS/a.bin",
    "https://{place}/models/../secret.bin", "https://{place}/models/%2e%2e/secret.bin",
    "https://{place}/models/.%2E/secret.bin", "https://{place}/models/%252e%252e/secret.bin",
    "https://{place}/models/..%2fsecret.bin", "https://{place}/models/..%5csecret.bin",
    "https://{place}/models/./a.bin", "https://{place}/./models/a.bin", "https://{place}//models/a.bin",
    "https://{place}/%6dodels/a.bin", "https://{place}/secret.bin", "https://{place}/", "https://{place}",
    "https://{place}/models/a.bin?to=x", "https://{place}/models/a.bin?", "https://{place}/models/a.bin#x",
    "https://{place}/models/a.bin#", "https://{place}/models/a b.bin", "https://{place}/models/a.bin\n",
    "https://{place}/models/a.bin\r\nHost: {other}", "\thttps://{place}/models/a.bin", " https://{place}/models/a.bin",
    "https:/{place}/models/a.bin", "https:{place}/models/a.bin", "https:///{place}/models/a.bin",
    "//{place}/models/a.bin", "{place}/models/a.bin", "/models/a.bin", "https://", "https://:443/models/a.bin",
    "http://{place}/models/a.bin", "HTTP://{place}/models/a.bin", "ftp://{place}/models/a.bin",
    "http://169.254.169.254/latest/meta-data/", "https://169.254.169.254/latest/meta-data/",
    "https://[::ffff:127.0.0.1]/models/a.bin", "https://[::1/models/a.bin", "https://2130706433/models/a.bin",
    "https://0x7f.1/models/a.bin", "https://127.1/models/a.bin", "https://localhost/models/a.bin",
    "file:///etc/passwd", "file://{place}/models/a.bin", "data:,bytes", "gopher://{place}/models/a.bin",
    "s3://bucket/ab", "s3://bucket/ab/c", "s3://bucket/A", "s3://bucket", "s3://bucket/", "s3://bucket//a",
    "s3://bucket/a/../b", "s3://bucket/a/%2e%2e/b", "s3://bucket/a/./b", "s3://bucket/%61/b", "s3://bucket:80/a/b",
    "s3://user@bucket/a/b", "s3://Bucket/a/b", "s3://bucketx/a/b", "s3://other/a/b", "s3:///a/b", "s3:/bucket/a/b",
    "S3://bucket/ab", "s3n://bucket/a/b", "s3://bucket/a/b?versionId=1", "s3://bucket/a b",
    "arn:aws:s3:::bucket/a/b", "https://bucket.s3.amazonaws.com/a/b", "", "a", "https://" + "a" * 3000,
]  # fmt: skip


def test_a_location_that_is_not_allowed_is_refused_in_every_spelling_without_a_request(
    start: Start, https: HttpsServer
) -> None:
    with listening() as ear, listening() as other:
        place, elsewhere = (f"127.0.0.1:{one.getsockname()[1]}" for one in (ear, other))
        importer = start(f"https://{place}/models", "s3://bucket/a", s3_endpoint_url=f"http://{elsewhere}")
        importer.registry.create_model()
        before = importer.registry.audit_entry_count()

        problems = {
            source: importer.api.post("/models/fraud/imports", {"source": source}).get_json()
            for source in (text.format(place=place, other=elsewhere) for text in HOSTILE)
        }

        assert {source: problem["status"] for source, problem in problems.items() if problem["status"] != 422} == {}
        assert {source for source, problem in problems.items() if set(problem["errors"]) != {"source"}} == set()
        assert importer.registry.audit_entry_count() == before
        assert not importer.work()
        for listener in (ear, other):
            with pytest.raises(BlockingIOError):
                listener.accept()


def test_the_refusal_does_not_name_the_allowed_locations(importer: Importer, https: HttpsServer) -> None:
    refused = importer.api.post("/models/fraud/imports", {"source": "https://elsewhere.test/a.bin"})

    assert expect(422, refused)["errors"] == {"source": [
        "is not below a location that this registry may fetch from (REGISTRY_IMPORT_SOURCES); "
        "none is allowed by default"
    ]}  # fmt: skip
    assert https.place not in refused.get_data(as_text=True)


def test_no_location_is_allowed_by_default(start: Start) -> None:
    importer = start()
    importer.registry.create_model()

    refused = [importer.api.post("/models/fraud/imports", {"source": source})
               for source in ("https://sources.test/models/a", "s3://bucket/a")]  # fmt: skip

    assert [expect(422, reply)["code"] for reply in refused] == ["invalid"] * 2
    assert Settings.__dataclass_fields__["import_sources"].default == ()


def test_a_location_that_is_allowed_no_more_is_not_opened(start: Start) -> None:
    with listening() as ear:
        place = f"https://127.0.0.1:{ear.getsockname()[1]}"
        generous, strict = start(f"{place}/models"), start(f"{place}/models/public")
        generous.registry.create_model()
        asked = generous.ask(f"{place}/models/secret/a.bin")

        assert strict.work()

        failed = strict.now(asked)
        assert (failed["state"], failed["version"]) == ("failed", None)
        assert "is not below a location" in failed["reason"]
        with pytest.raises(BlockingIOError):
            ear.accept()
