"""Clients whose store answers with errors, not at all, or with other bytes: they send and fetch again."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from registry.client import RegistryClient, errors
from tests.faults.between import BUSY, KINDS, Between, always
from tests.support.damageable_service import MIB
from tests.support.faulty_store import Fault, first

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
PUT_FAULTS = {
    "500": Fault(status=500),
    "503": BUSY,
    "closed": Fault(close=True),
    "answer lost": Fault(lose=True),
    "hanging": Fault(hang=True),
    "slow": Fault(slow=0.5),
}


@pytest.mark.parametrize("fault", PUT_FAULTS)
@pytest.mark.parametrize(
    ("between", "size"),
    [("moto", 2000), ("swift", 2000), ("moto", 5 * MIB + 1), ("swift", 5 * MIB + 1)],
    indirect=["between"],
    ids=["moto-whole", "swift-whole", "moto-parts", "swift-parts"],
)
def test_a_client_sends_again_what_the_store_did_not_take(
    between: Between, size: int, fault: str, tmp_path: Path
) -> None:
    service = between.service
    (tmp_path / "model.bin").write_bytes(os.urandom(size))
    between.outside.rule = first(PUT_FAULTS[fault], "PUT")

    with service.online() as url, RegistryClient(url, service.token, timeout=5) as client:
        done = client.register("fraud", tmp_path / "model.bin", jobs=1)
    service.work()

    assert done["version"]["number"] == 1
    assert between.outside.faults() == 1
    between.recover()
    assert between.invariants.assert_sound() == {"fraud:1": "ready"}


@KINDS
@pytest.mark.parametrize("size", [2000, 5 * MIB + 1], ids=["whole", "parts"])
def test_a_client_that_the_store_never_lets_send_registers_nothing_and_can_be_run_again(
    between: Between, size: int, tmp_path: Path
) -> None:
    service = between.service
    (tmp_path / "model.bin").write_bytes(os.urandom(size))
    between.outside.rule = always(Fault(status=503))

    with service.online() as url, RegistryClient(url, service.token, retries=1, retry_seconds=0) as client:
        with pytest.raises(errors.Unavailable, match=r"^model.bin: the store at \S+ answered 503; nothing was"):
            client.register("fraud", tmp_path / "model.bin")
        assert service.registry.model("fraud").stages() == {}
        between.recover()
        client.register("fraud", tmp_path / "model.bin")
    service.work()

    assert between.invariants.assert_sound() == {"fraud:1": "ready"}


@pytest.mark.fault("F31")
@pytest.mark.parametrize("fault", [Fault(cut=1000), Fault(close=True), BUSY], ids=["cut", "closed", "503"])
def test_a_download_that_breaks_off_is_fetched_again(between: Between, fault: Fault, tmp_path: Path) -> None:
    service, content = between.service, between.service.small
    service.registry.model("fraud").version(files=[service.brought(content)])
    between.outside.rule = first(fault, "GET")

    with service.online() as url, RegistryClient(url, service.token) as client:
        client.pull("fraud:1", tmp_path / "out")

    assert between.outside.faults() == 1
    assert (tmp_path / "out" / "model.bin").read_bytes() == content


@pytest.mark.fault("F30", "F31")
@pytest.mark.parametrize("fault", [Fault(shorten=True), Fault(flip=True)], ids=["shortened", "flipped"])
def test_other_bytes_than_the_registered_ones_are_not_kept_by_a_download(
    between: Between, fault: Fault, tmp_path: Path
) -> None:
    service = between.service
    service.registry.model("fraud").version(files=[service.brought(service.small)])
    between.outside.rule = always(fault)

    damaged = pytest.raises(errors.IntegrityError, match=r"^model.bin")
    with service.online() as url, RegistryClient(url, service.token) as client, damaged:
        client.pull("fraud:1", tmp_path / "out")

    assert [path for path in (tmp_path / "out").rglob("*") if path.is_file()] == []
