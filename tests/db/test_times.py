"""A pause of the virtual machine stops its steady clock: no set clock, where NTP has put the machine's own right."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from registry.db.times import DatabaseClock, steady

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


class Machine:
    """A database's clock, and this machine's as far as NTP keeps it (None: it does not)."""

    def __init__(self, *, is_local: bool = False) -> None:
        self.synchronised: datetime | None = NOW
        self.clock = DatabaseClock("postgresql://", is_local=is_local, reference=lambda: self.synchronised)
        self.clock.guard()
        self.show(NOW)

    def show(self, moment: datetime) -> timedelta:
        """Let a statement find *moment*; by how much the clock is taken to be wrong then."""
        self.clock.observe(moment, asked_at=steady())
        return self.clock.step


@pytest.mark.parametrize("length", [timedelta(minutes=1), HOUR, timedelta(days=30)])
def test_after_a_pause_the_time_goes_on_once_ntp_confirms_it(length: timedelta) -> None:
    machine = Machine()

    assert machine.show(NOW + length) > length / 2  # NTP has not put this machine's clock right yet
    machine.synchronised = NOW + length
    assert machine.show(NOW + length) == timedelta()
    assert machine.clock.now() - (NOW + length) < timedelta(minutes=1)
    assert machine.show(NOW + length + HOUR) > timedelta()  # the next jump needs a witness, too


@pytest.mark.parametrize(
    ("shown", "synchronised"),
    [(NOW + HOUR, NOW), (NOW + HOUR, None), (NOW + HOUR, NOW + 2 * HOUR), (NOW - HOUR, NOW - HOUR), (NOW - HOUR, NOW)],
    ids=["set", "set, no NTP", "set, and paused", "set back, both", "set back"],
)
def test_a_clock_that_was_set_is_no_pause(shown: datetime, synchronised: datetime | None) -> None:
    machine = Machine()
    machine.synchronised = synchronised

    assert abs(machine.show(shown)) > HOUR / 2
    assert abs(machine.clock.now() - NOW) < timedelta(minutes=1)
