"""The listening sockets of a process: it accepts connections in turn with the other processes of the server."""

from __future__ import annotations

import errno
import math
import select
import socket
import time
from collections.abc import Callable, Iterable
from typing import Any

from registry.front.connection import Connection
from registry.front.connection_counts import Shares
from registry.front.limits import ACCEPTED_AT_ONCE, MOVED_AT_ONCE, YIELD_SECONDS
from registry.front.open_connections import OpenConnections

_NO_FILES = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}
Open = Callable[[socket.socket, Any, Any], Connection]  # of a socket, the client's address and the listener's


class Acceptor:
    """Accepts on the *sockets* of gunicorn; *process* is the number of this process among the *shares*.

    A new connection goes to the process that has the fewest: another one yields for a moment, and takes all that waits
    when the process with the fewest has not taken it by then.
    """

    def __init__(
        self, sockets: Iterable[Any], connections: OpenConnections, open_: Open, *, shares: Shares, process: int
    ) -> None:
        self._sockets = list(sockets)
        self._listeners: dict[int, socket.socket] = {sock.fileno(): sock.sock for sock in self._sockets}
        self._connections, self._open = connections, open_
        self._shares, self._process = shares, process
        self._is_enabled = False
        self._yielding: tuple[float, int] | None = None  # until when, and the least share of the others then

    def has(self, descriptor: int) -> bool:
        """Return whether a descriptor that the poller has named is one of the listeners."""
        return descriptor in self._listeners

    def enable(self) -> None:
        """Accept connections while there are places, unless the process yields to another one."""
        if self._yielding is None:
            self._accept_connections(not self._connections.is_full)

    def accept_in_turn(self, descriptor: int) -> None:
        """Accept a connection, unless another process has fewer: then leave it to that one for a moment."""
        least = self._shares.least_of_others(self._process)
        if least is None or len(self._connections) <= least:
            self._accept(self._listeners[descriptor])
        else:
            self._yielding = (time.monotonic() + YIELD_SECONDS, least)
            self._accept_connections(False)

    def seconds_of_yielding(self, now: float) -> float:
        """Return the seconds until the process accepts again; infinity where it does not yield.

        When the moment is over, all that waits is accepted where no other process has accepted any of it.
        """
        if self._yielding is None:
            return math.inf
        until, least = self._yielding
        if now < until:
            return until - now
        self._yielding = None
        if self._shares.least_of_others(self._process) == least:
            for listener in self._listeners.values():
                for _ in range(ACCEPTED_AT_ONCE):
                    if not self._accept(listener):
                        break
        self.enable()
        return math.inf

    @property
    def surplus(self) -> int:
        """Return how many connections this process has too many: their clients would be served sooner by another.

        After a process was replaced, clients that keep their connections would stay with the others.
        """
        least = self._shares.least_of_others(self._process)
        return 0 if least is None else min(max(0, len(self._connections) - least) // 2, MOVED_AT_ONCE)

    def stop(self, backlog: int) -> None:
        """Close the listeners: connections that nothing accepts would hang, and the next server needs the port.

        Connections that the kernel has completed are accepted first; the last process to close would reset them.
        """
        self._yielding = None
        self._accept_connections(False)
        for listener in self._listeners.values():
            for _ in range(backlog):
                if not self._accept(listener):
                    break
        self._listeners.clear()
        for sock in self._sockets:
            sock.close()

    def _accept_connections(self, is_enabled: bool) -> None:
        if is_enabled == self._is_enabled:
            return
        for descriptor, listener in self._listeners.items():
            if is_enabled:
                listener.setblocking(False)
                self._connections.poller.register(descriptor, select.EPOLLIN)
            else:
                self._connections.poller.unregister(descriptor)
        self._is_enabled = is_enabled

    def _accept(self, listener: socket.socket) -> bool:
        """Accept a connection; return whether there was one, and a place for it."""
        if self._connections.is_full and not self._connections.make_room():
            self._accept_connections(False)  # until the next tick
            return False
        try:
            sock, client = listener.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return False  # another worker was faster, or the client is gone
        except OSError as error:
            if error.errno not in _NO_FILES:
                raise
            if not self._connections.make_room():
                self._accept_connections(False)
            return False
        sock.setblocking(False)
        self._connections.add(self._open(sock, client, listener.getsockname()))
        return True
