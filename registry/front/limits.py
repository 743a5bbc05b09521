"""Limits on a client's use of a worker process: seconds, bytes and threads."""

from __future__ import annotations

import resource
from dataclasses import dataclass

KIB, MIB = 1024, 1024 * 1024

HEAD_BYTES = 64 * KIB  # of a request line and its headers; gunicorn limits each header
REQUEST_LINE_BYTES = 48 * KIB  # MLflow's clients send a filter with 1,000 run ids in it, which has 41 KiB
BODY_BYTES = MIB  # larger request bodies are read by a thread of the transfers' share
BODIES_BYTES = 32 * MIB  # of all request bodies that the loop is receiving
SMALL_RESPONSE_BYTES = 64 * KIB  # always kept in memory until the client has taken it
RESPONSE_BYTES = 4 * MIB  # larger responses are sent by a thread of the transfers' share
RESPONSES_BYTES = 64 * MIB  # of all larger responses that wait in memory for their clients
BYTES_PER_SECOND = KIB  # the least average rate of a body, in both directions
CROWDED_BYTES_PER_SECOND = 64 * KIB  # that of a transfer while others wait for its thread

WAITING_TRANSFERS = 64  # that wait for a thread; more are refused
WAITING_SECONDS = 30.0  # then they are refused
RETRY_AFTER_SECONDS = 5
LINGER_SECONDS = 2.0  # from a last response until the connection is closed (RFC 9112, 9.6)
LINGER_BYTES = 4 * MIB  # that are read and thrown away in that time
WAITING_PROBES = 32
YIELD_SECONDS = 0.004  # for which a process leaves a new connection to another that has fewer
ACCEPTED_AT_ONCE = 64  # connections, where the other did not take them
MOVED_AT_ONCE = 16  # kept connections that end for another process in one tick
SPARE_FILES = 256  # for the database, the store and the interpreter
ORPHAN_SECONDS = 3.0  # for requests under way when the master is gone


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits that an operator may set, see the settings of these names. ``transfers`` is a number of threads."""

    header_seconds: int
    stall_seconds: int
    transfers: int


def most_connections(requested: int) -> int:
    """Return how many connections this process may have open, after raising the limit of files as far as needed."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = requested + SPARE_FILES
    if soft != resource.RLIM_INFINITY and soft < needed:
        soft = needed if hard == resource.RLIM_INFINITY else min(hard, needed)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        return max(1, min(requested, soft - SPARE_FILES))
    return requested
