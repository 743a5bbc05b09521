"""An auditor reads on while many clients write: every entry comes once, and each model's in its own order."""

from __future__ import annotations

import threading
import uuid
from collections import defaultdict
from typing import Any

import pytest

from registry.client import RegistryClient
from tests.support.audit_reader import AuditReader
from tests.support.registry_builder import named_run
from tests.support.servers import Caller, Fleet

WRITERS = 8
LOGGED = "SELECT uid FROM audit_entries"


class Auditor:
    """A thread that reads the log from its start, and goes on until it is stopped and has all."""

    def __init__(self, fleet: Fleet) -> None:
        self.items: list[dict[str, Any]] = []
        self._fleet, self._stopping = fleet, threading.Event()
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join()

    def _read(self) -> None:
        after = "start"
        with RegistryClient(self._fleet.server.url, self._fleet.token) as client:
            while True:
                last = self._stopping.is_set()
                found = client.audit.changes(after, limit=50)
                self.items += found["items"]  # type: ignore[arg-type]  # a TypedDict is a dict
                after = found["next_after"]
                if last and not found["more"] and not found["waiting"]:
                    return


@pytest.mark.parametrize(
    "each", [pytest.param(3, id="3-each"), pytest.param(100, id="100-each", marks=pytest.mark.slow)]
)
def test_an_incremental_reader_misses_nothing_and_repeats_nothing(
    fleet: Fleet, audit_reader: AuditReader, each: int
) -> None:
    fleet.worker().launch()
    models = [f"model-{uuid.uuid4().hex[:12]}" for _ in range(2)]
    with fleet.caller() as caller:
        for model in models:
            caller.registry.create_model(model)

    def write(caller: Caller) -> None:
        for _ in range(each):
            file = caller.registry.file(uuid.uuid4().bytes)
            number = caller.registry.model(models[0]).version(files=[file], run=named_run(uuid.uuid4().hex))
            caller.stage(models[0], number, "staging")
            caller.make("PATCH", f"/models/{models[1]}", {"description": uuid.uuid4().hex})

    auditor = Auditor(fleet)
    try:
        fleet.at_once([write] * WRITERS)
    finally:
        auditor.stop()

    read = [item["id"] for item in auditor.items]
    assert sorted(read) == sorted(str(uuid.UUID(str(row.uid))) for row in audit_reader.rows(LOGGED))
    orders = defaultdict(list)
    for item in auditor.items:
        orders[item["aggregate"]].append(item["seq"])
    assert all(order == list(range(1, len(order) + 1)) for order in orders.values())
