"""The progress of a client that sends or takes a body."""

from __future__ import annotations

from registry.front.limits import BYTES_PER_SECOND, CROWDED_BYTES_PER_SECOND


class Pace:
    """Seconds for which the service still waits for a client; each byte that the client moves earns some back.

    Waiting longer than *seconds* without a byte, or moving fewer than BYTES_PER_SECOND for a longer time, exhausts it;
    while others wait for the same thread, CROWDED_BYTES_PER_SECOND. Only the time spent waiting for the client counts.
    """

    __slots__ = ("_most", "seconds_left")

    def __init__(self, seconds: float) -> None:
        self._most = self.seconds_left = seconds

    def add(self, *, waited: float, moved: int, crowded: bool = False) -> None:
        """Account for *waited* seconds in which *moved* bytes went through."""
        rate = CROWDED_BYTES_PER_SECOND if crowded else BYTES_PER_SECOND
        self.seconds_left = min(self._most, self.seconds_left - waited + moved / rate)

    def reset(self) -> None:
        """Begin again, for another request."""
        self.seconds_left = self._most

    @property
    def is_exhausted(self) -> bool:
        return self.seconds_left <= 0
