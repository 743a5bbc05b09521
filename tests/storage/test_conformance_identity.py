"""What every store does with its identity and its pin."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from registry.domain.errors import Unavailable
from tests.support.backends import MOTO, SWIFT, Backend, kinds

every = kinds()


@every
def test_a_store_carries_the_identity_of_the_first_that_claims_it(backend: Backend) -> None:
    before = backend.store.identity()

    backend.store.claim(b"first")
    backend.store.claim(b"second")
    claimed = backend.store.identity()
    backend.store.claim(b"third", replace=True)

    assert (before, claimed, backend.store.identity()) == (None, b"first", b"third")
    assert list(backend.store.objects()) == []


@every
def test_a_pin_is_replaced_only_by_the_one_who_read_it_last(backend: Backend) -> None:
    store = backend.store

    none, first = store.pin(), store.move_pin(b"first", tag=None)
    (content, tag), again = store.pin(), store.move_pin(b"again", tag=None)
    second, stale = store.move_pin(b"second", tag=tag), store.move_pin(b"third", tag=tag)

    assert (none, first, content, again, second, stale) == (None, True, b"first", False, True, False)
    assert store.pin()[0] == b"second"
    assert list(store.objects()) == []


@kinds(lambda kind: kind is not SWIFT)
def test_of_writers_of_one_pin_one_is_first(backend: Backend) -> None:
    store, together = backend.store, Barrier(2)

    def move(number: int) -> bool:
        together.wait()
        return store.move_pin(f"{number}".encode(), tag=tag)

    for turn in range(5):
        tag = (store.pin() or (b"", None))[1]
        with ThreadPoolExecutor(2) as pool:
            written = list(pool.map(move, (2 * turn, 2 * turn + 1)))

        winners = [2 * turn + number for number, won in enumerate(written) if won]
        assert int(store.pin()[0]) in winners
        assert len(winners) == 1 or backend.kind is MOTO  # whose threads may compare before either writes


@every
def test_a_pin_that_was_removed_is_not_replaced(backend: Backend) -> None:
    assert not backend.store.move_pin(b"second", tag='"0123"')
    assert backend.store.pin() is None


@every
def test_a_store_that_cannot_be_used_is_not_one_without_a_pin(backend: Backend) -> None:
    with pytest.raises(Unavailable):
        backend.homeless.pin()
    with pytest.raises(Unavailable):
        backend.homeless.move_pin(b"first", tag=None)


@every
def test_a_store_that_cannot_be_used_is_not_one_without_an_identity(backend: Backend) -> None:
    with pytest.raises(Unavailable):
        backend.homeless.identity()
    with pytest.raises(Unavailable):
        backend.homeless.claim(b"first")
