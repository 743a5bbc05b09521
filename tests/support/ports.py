"""Ports for servers of tests."""

from __future__ import annotations

import itertools
import os
import random
import socket

# Below the ports that outgoing connections take, lest one of them has the port when a server starts or comes back.
_PORTS = range(20_000, 32_000)
_BLOCK = 1500  # for each of pytest's processes, so that no two of them choose the same


def _own_ports() -> list[int]:
    worker = os.environ.get("PYTEST_XDIST_WORKER", "").removeprefix("gw")
    if not worker.isdecimal():
        return random.sample(_PORTS, len(_PORTS))
    first = int(worker) * _BLOCK % len(_PORTS)
    block = _PORTS[first : first + _BLOCK]
    return random.sample(block, len(block))


_next = itertools.cycle(_own_ports())


def free_port() -> int:
    """Return a port on which nothing listens; this process does not return it again for a long time."""
    while True:
        port = next(_next)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
