"""Imports whose source refuses, changes, or cannot be reached."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from flask import Flask

from registry.rules.credentials import MOST_BYTES
from registry.services.imports.import_jobs import GIVEN_UP_AFTER
from tests.api.test_imports import fetching, https, importer, some_bytes
from tests.support.backdating import backdate
from tests.support.https_server import HttpsServer, Reply
from tests.support.importer import Importer
from tests.support.replies import expect

__all__ = ["fetching", "https", "importer"]  # fixtures


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (Reply(status=302, headers={"Location": "https://elsewhere.test/a.bin"}), "(302), which is not followed"),
        (Reply(status=301, headers={"Location": "/models/other.bin"}), "(301), which is not followed"),
        (Reply(status=308, headers={"Location": "other.bin"}), "(308), which is not followed"),
        (Reply(status=404), "is not there (404)"),
        (Reply(status=401), "does not let this registry read it (401)"),
        (Reply(status=403), "does not let this registry read it (403)"),
        (Reply(b"some", status=206), "cannot be fetched (206)"),
        (Reply(status=204), "cannot be fetched (204)"),
        (Reply(b"some", headers={"Content-Encoding": "gzip"}), "comes encoded"),
        (Reply([b"x" * 100_000] * 50), "is larger than 4000000 bytes"),
    ],
    ids=["redirect", "to an allowed place", "relative", "404", "401", "403", "206", "204", "encoded", "huge"],
)
def test_what_a_source_refuses_is_refused_for_good_and_said(
    importer: Importer, https: HttpsServer, reply: Reply, reason: str
) -> None:
    https.serve("/models/other.bin", Reply(b"other"))

    failed = importer.done(https.serve("/models/a.bin", reply))

    assert (failed["state"], failed["version"]) == ("failed", None)
    assert reason in failed["reason"]
    assert (https.count("/models/a.bin"), https.count("/models/other.bin")) == (1, 0)
    assert importer.registry.model("fraud").actions() == ["model.created", "import.requested", "import.failed"]
    entry = expect(200, importer.api.get("/audit?action=import.failed"))["items"][0]
    assert (entry["actor"]["name"], entry["reason"]) == ("system", failed["reason"])
    assert not importer.work()


@pytest.mark.parametrize("name", ["", "a%2Fb.bin", "%00.bin", "%ff.bin", "%0a.bin", "%E2%80%AE.bin", "%5C"])
def test_a_last_step_that_can_be_no_file_name_is_refused_and_not_asked_for(
    importer: Importer, https: HttpsServer, name: str
) -> None:
    failed = importer.done(https.serve(f"/models/{name}", Reply(b"some")))

    assert (failed["state"], https.seen) == ("failed", [])


@pytest.mark.parametrize(
    "trouble",
    [Reply(status=503), Reply(status=500), Reply(status=429), Reply(b"only a part", announced=300_000)],
    ids=["503", "500", "429", "a body that breaks off"],
)
def test_a_temporary_error_is_shown_and_the_import_is_tried_again_later(
    importer: Importer, https: HttpsServer, trouble: Reply
) -> None:
    content = some_bytes()
    waiting = importer.done(https.serve("/models/a.bin", trouble, Reply(content)))

    assert waiting["state"] == "running"
    assert waiting["reason"].endswith("/models/a.bin cannot be read at the moment")
    assert not importer.work()
    importer.end_leases()
    assert importer.work()
    done = importer.now(waiting)
    assert (done["state"], done["reason"], importer.files(1)) == ("done", None, {"a.bin": content})


def test_a_server_that_is_untrusted_or_unreachable_is_not_read(
    importer: Importer, https: HttpsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = importer.ask(https.serve("/models/a.bin", Reply(b"some")))
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")

    assert importer.work()

    assert (importer.now(asked)["state"], https.seen) == ("running", [])


def test_trouble_that_does_not_pass_in_a_day_ends_the_import(
    importer: Importer, https: HttpsServer, app: Flask
) -> None:
    asked = importer.ask(https.serve("/models/a.bin", Reply(status=503)))
    assert importer.work()
    importer.end_leases()

    backdate(app, GIVEN_UP_AFTER)
    importer.work()

    failed = importer.now(asked)
    assert failed["state"] == "failed"
    assert failed["reason"].startswith("it could not be done within 24 hours: https://")


def test_bytes_that_change_between_the_two_looks_are_not_taken(
    importer: Importer, https: HttpsServer, storage_root: Path
) -> None:
    first, second = some_bytes(MOST_BYTES + 16), some_bytes(MOST_BYTES + 16)  # smaller files are read once

    for other in (second, first[:-1], first + b"!"):
        failed = importer.done(https.serve("/models/a.bin", Reply(first), Reply(other)))
        https.seen.clear()

        assert failed["state"] == "failed"
        assert failed["reason"].startswith("a.bin changed while it was read: ")
    assert importer.registry.model("fraud").stages() == {}
    for content in (first, second):
        assert list(storage_root.glob(f"blobs/*/{hashlib.sha256(content).hexdigest()}/*")) == []
