"""The open connections of a process: a table by descriptor, the poller that waits for them, and their memory."""

from __future__ import annotations

import select
from collections import Counter
from collections.abc import Callable
from typing import Any

from registry.front.connection import Connection, ConnectionState
from registry.front.limits import BODIES_BYTES, RESPONSES_BYTES
from registry.front.memory_budget import Budget

READ, WRITE = select.EPOLLIN | select.EPOLLONESHOT, select.EPOLLOUT | select.EPOLLONESHOT


class OpenConnections:
    """At most *most* connections; *note_count* is called with their number whenever it has changed.

    A connection is armed in the poller for one event at a time (EPOLLONESHOT). Thus the loop and a thread never have
    it at once, and a thread hands it back without waking the loop.
    """

    def __init__(self, most: int, note_count: Callable[[int], None]) -> None:
        self.poller = select.epoll()
        self.bodies, self.responses = Budget(BODIES_BYTES), Budget(RESPONSES_BYTES)
        self._by_descriptor: dict[int, Connection] = {}
        self._most, self._note_count = most, note_count
        self._ended: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._by_descriptor)

    def all(self) -> list[Connection]:
        """Return the connections of this moment."""
        return list(self._by_descriptor.values())

    def get(self, descriptor: int) -> Connection | None:
        """Return the connection of a descriptor that the poller has named."""
        return self._by_descriptor.get(descriptor)

    @property
    def is_full(self) -> bool:
        """True if the limit of connections is reached."""
        return len(self._by_descriptor) >= self._most

    def add(self, connection: Connection) -> None:
        """Take a new connection, and wait for its first bytes."""
        self._by_descriptor[connection.fd] = connection
        self.poller.register(connection.fd, READ)
        self._note_count(len(self))

    def arm(self, connection: Connection, events: int) -> None:
        """Return the connection to the loop; the caller must not touch it afterwards."""
        self.poller.modify(connection.fd, events)

    def discard(self, connection: Connection) -> None:
        """Close a connection, once."""
        if self._by_descriptor.get(connection.fd) is connection:  # before the number is used again
            del self._by_descriptor[connection.fd]
            self._note_count(len(self))
        connection.give_back(self.bodies, self.responses)
        connection.sock.close()

    def make_room(self) -> bool:
        """Close the connection that is missed least: one that ends, is idle, or has the oldest incomplete request."""
        ranked = [
            (
                connection.state is not ConnectionState.LINGERING,
                bool(connection.received),
                connection.deadline,
                connection.fd,
            )
            for connection in self.all()
            if connection.state in (ConnectionState.LINGERING, ConnectionState.READING)
        ]
        if not ranked:
            return False
        self.count_end("gave way to others")
        self.discard(self._by_descriptor[min(ranked)[-1]])
        return True

    def count_end(self, reason: str) -> None:
        """Count a connection that ends because of what its client did."""
        self._ended[reason] += 1

    def log_ends(self, log: Any) -> None:
        """Log how many connections have ended since the last call, by reason."""
        ended, self._ended = self._ended, Counter()
        for reason, count in list(ended.items()):
            log.info("Closed %d connections: the client %s", count, reason)
