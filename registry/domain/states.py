"""States of the things that change over time: versions, runs, uploads, imports and background jobs."""

from __future__ import annotations

from enum import StrEnum


class VersionState(StrEnum):
    """A version's life, apart from its stage. ``unverified``: its files are elsewhere and were never read here."""

    UNVERIFIED = "unverified"
    PENDING = "pending"
    READY = "ready"
    FAILED = "failed"
    DELETED = "deleted"


LOADABLE = frozenset({VersionState.READY, VersionState.UNVERIFIED})  # a client can load the files
APPENDABLE = frozenset({VersionState.PENDING, VersionState.READY})  # the end of its run may still be added


class RunState(StrEnum):
    """State of a run in the lineage of a version: the lineage has its end, or not.

    ``unfinished``: the run had not ended as far as is known, and a worker looks again until it has. ``finished``: it
    has ended, and a second snapshot was added. ``abandoned``: the end was not seen; the history has the reason.
    """

    UNFINISHED = "unfinished"
    FINISHED = "finished"
    ABANDONED = "abandoned"


class SealOutcome(StrEnum):
    """How the wait of a write for its seal ended; a *busy* one was answered at once, as too many others waited."""

    SEALED = "sealed"
    TIMEOUT = "timeout"
    BUSY = "busy"


class ReplicaOutcome(StrEnum):
    """Where a read went that may go to the read replica: to it, or to the primary, and why."""

    REPLICA = "replica"
    BEHIND = "behind"  # it lacks what the client has written
    LAGGING = "lagging"
    UNFIT = "unfit"
    FAILED = "failed"


class LoginOutcome(StrEnum):
    """How a login in the web interface ended; a *limited* one came after too many failed ones or too many sessions."""

    OPENED = "opened"
    REFUSED = "refused"
    LIMITED = "limited"
    FAILED = "failed"  # the database could not be reached


class ActOutcome(StrEnum):
    """How a form of the web interface that acts ended; a *repeated* one had been done before, and did nothing."""

    DONE = "done"
    REPEATED = "repeated"
    REFUSED = "refused"
    FAILED = "failed"  # the database or the store could not be reached


class RefreshState(StrEnum):
    """A second snapshot of a run: due, or over."""

    WAITING = "waiting"
    DONE = "done"
    ABANDONED = "abandoned"


class UploadState(StrEnum):
    """An upload of one blob.

    ``uploaded``: the bytes arrived, a worker has to read them. ``joined``: the parts of a file in the artifact area are
    one object, whose digest is not known yet.
    """

    PENDING = "pending"
    UPLOADED = "uploaded"
    JOINED = "joined"
    VERIFIED = "verified"
    FAILED = "failed"
    EXPIRED = "expired"
    ABORTED = "aborted"


ARRIVED = frozenset({UploadState.UPLOADED, UploadState.VERIFIED})  # all bytes of an announced upload are stored


class ImportState(StrEnum):
    """An import of a version from a location."""

    PENDING = "pending"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


class Damage(StrEnum):
    """What was found wrong with stored bytes, and recorded in the audit log."""

    MISSING = "missing"
    CORRUPT = "corrupt"


class JobState(StrEnum):
    """A background job that is not done.

    ``parked``: its attempts are used up; an operator retries it. ``abandoned``: the end of a run was not seen; an
    operator may have the run read again.
    """

    PARKED = "parked"
    RUNNING = "running"
    WAITING = "waiting"
    ABANDONED = "abandoned"


class CheckStatus(StrEnum):
    """Result of a check of a version, as it was reported."""

    PASSED = "passed"
    FAILED = "failed"
    PENDING = "pending"


class EventEffect(StrEnum):
    """What became of an event of a pipeline: it added edges, all of its edges were there, or it states none."""

    RECORDED = "recorded"
    KNOWN = "known"
    IGNORED = "ignored"
