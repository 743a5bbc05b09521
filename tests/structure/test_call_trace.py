"""How much code a promotion and a registration run through. The limits fall when code gets simpler.

They rose when ``registry.db`` took over the execution of these statements from SQLAlchemy and psycopg, and
``registry.http.loading`` the loading of bodies from marshmallow: libraries are not counted. That of a registration rose
by one when it could bring its bytes, both by two for the position that a read replica needs, and by two,
in one file, for the receipt of a write.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import flask
import pytest

import registry
from tests.support.api import Api
from tests.support.registry_builder import RegistryBuilder
from tests.support.replies import expect

PACKAGE = str(Path(registry.__file__).parent)
DISPATCH = flask.Flask.dispatch_request.__code__


@contextmanager
def tracing() -> Iterator[set[CodeType]]:
    """Yield the set that takes the functions of ``registry`` that the endpoint enters, in this thread.

    It begins where Flask calls the endpoint and ends with its response: what runs before and after every request
    (authentication, access log) does not count. Nor do lambdas and comprehensions, which belong to their function.
    """
    entered: set[CodeType] = set()
    depth = 0

    def note(frame: FrameType, event: str, _argument: Any) -> None:
        nonlocal depth
        code = frame.f_code
        if code is DISPATCH:
            depth += {"call": 1, "return": -1}.get(event, 0)
        elif event == "call" and depth and code.co_filename.startswith(PACKAGE) and not code.co_name.startswith("<"):
            entered.add(code)

    sys.setprofile(note)
    try:
        yield entered
    finally:
        sys.setprofile(None)


def measured(call: Callable[[str], Any]) -> tuple[int, int]:
    """Return the number of functions and files that *call* enters; it gets an idempotency key, and is warmed up."""
    call("first")
    with tracing() as entered:
        call("second")
    return len(entered), len({code.co_filename for code in entered})


@pytest.fixture
def register(api: Api, registry: RegistryBuilder) -> Callable[[str], int]:
    """Register a version with an idempotency key, and return its number."""
    registry.create_model()
    files = {key: [registry.file()] for key in ("first", "second")}

    def call(key: str) -> int:
        body = {
            "files": files[key],
            "run": {"system": "ci", "id": key},
            "metrics": {"auc": 0.9},
            "params": {"depth": "6"},
        }
        response = api.post("/models/fraud/versions", body, headers={"Idempotency-Key": f"register-{key}"})
        number: int = expect(201, response)["version"]["number"]
        return number

    return call


def test_a_promotion_that_displaces_another_version_runs_through_little_code(
    api: Api, registry: RegistryBuilder
) -> None:
    registry.model("fraud").version(stage="production")
    waiting = {key: registry.model("fraud").version(stage="staging") for key in ("first", "second")}

    def promote(key: str) -> None:
        body, headers = {"stage": "production", "reason": "better"}, {"Idempotency-Key": f"promote-{key}"}
        moved = expect(200, api.put(f"/models/fraud/versions/{waiting[key]}/stage", body, headers=headers))
        assert moved["displaced"] is not None

    functions, files = measured(promote)

    assert functions <= 198
    assert files <= 59


def test_a_registration_runs_through_little_code(register: Callable[[str], int]) -> None:
    functions, files = measured(register)

    assert functions <= 245
    assert files <= 71
