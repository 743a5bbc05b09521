"""Formats of the files of versions by their content: a fact of each blob, made once and sealed.

Contents are read in parts, outside of transactions: by a worker soon after verification, or during the request of a
move that a rule about formats refuses because they are not known yet.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import structlog
from sqlalchemy import and_, bindparam, func, literal_column, or_, select
from sqlalchemy.orm import Session

from registry.db.fixed_statements import FixedStatement
from registry.db.models import Blob, BlobFormat, Model, Version, VersionFile
from registry.db.session import look_up, reading, transaction
from registry.domain import file_formats
from registry.domain.errors import BlobsMissing, Unavailable
from registry.domain.file_formats import Execution, Recognition
from registry.rules.file_format_names import UNREADABLE
from registry.services import leases
from registry.services.audit import row_seals
from registry.storage.checked import Store

log = structlog.get_logger(__name__)
AGAIN = timedelta(minutes=10)  # after a reading that did not come to its end
SECONDS = 5.0  # for all files, during a request
GAVE_UP = Recognition.of(
    UNREADABLE,
    Execution.UNKNOWN,
    f"{leases.MOST_ATTEMPTS} attempts of workers to recognise it ended without a result",
)
NOT_YET = "a worker reads it soon, and a move that needs its format reads it at once"
COLUMNS = (BlobFormat.format, BlobFormat.executes_code, BlobFormat.detail, BlobFormat.recognizer, BlobFormat.seal)


@dataclass(frozen=True, slots=True)
class KnownFormat:
    """The format of a file; all None where the content was not recognised yet."""

    format: str | None = None
    executes_code: str | None = None
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class FileFormat:
    """A file of a version and its format."""

    path: str
    size: int
    sha256: str
    known: KnownFormat


@dataclass(frozen=True, slots=True)
class _Content:
    """A blob whose content is to be recognised."""

    sha256: str
    size: int
    key: str
    etag: str | None


class _TimeIsUp(Exception):
    """The content was not recognised within the time that a request has."""


class _StoredContent:
    """The bytes of a blob, read in parts from the store, until the moment *until* of ``time.monotonic``."""

    def __init__(self, store: Store, content: _Content, until: float | None) -> None:
        self._store, self._key, self._until = store, content.key, until
        self.size = content.size

    def read(self, offset: int, length: int) -> bytes:
        """Return the bytes there. Raises Unavailable, BlobsMissing, or _TimeIsUp."""
        if self._until is not None and time.monotonic() > self._until:
            raise _TimeIsUp
        length = min(length, self.size - offset)
        content = self._store.read_part(self._key, offset, length) if length > 0 else b""
        if len(content) != max(length, 0):
            raise Unavailable("the artifact store returned fewer bytes than were verified; retry the same request")
        return content


def recognise_next(*, store: Store) -> bool:
    """Recognise one blob whose format is not known; return False when there is none, or the store does not answer.

    Any number of workers may do this at once. An attempt is counted before it begins: after ``leases.MOST_ATTEMPTS``
    that ended without a result, as by the death of the worker, the blob counts as unreadable.
    """
    content = _take_content()
    if content is None:
        return False
    if isinstance(content, str):
        _keep(content, GAVE_UP)
        return True
    try:
        recognition = _recognise(content, store)
    except (Unavailable, BlobsMissing) as error:
        log.warning("format_postponed", blob=content.sha256, reason=error.detail)
        _give_back(content.sha256)
        return isinstance(error, BlobsMissing)
    _keep(content.sha256, recognition)
    return True


def recognise(store: Store, model: str, number: int) -> bool:
    """Recognise the files of a version whose formats are not known, for ``SECONDS``; return whether any was recognised.

    Skips files that a worker has tried. Opens transactions, so call it outside of one. Raises Unavailable.
    """
    until, recognised = time.monotonic() + SECONDS, False
    rows = look_up(_LACKING, model=model, number=number, recognizer=file_formats.VERSION)
    for row in rows:
        if row.sha256 is None or row.attempts:
            continue
        content = _Content(row.sha256, row.size, row.key, row.etag)
        try:
            _keep(content.sha256, _recognise(content, store, until=until))
        except _TimeIsUp:
            break
        except BlobsMissing as error:
            log.warning("format_postponed", blob=content.sha256, reason=error.detail)
        else:
            recognised = True
    return recognised


def of_version(rows: Sequence[Any]) -> list[FileFormat]:
    """Return the files and their formats from the rows of ``OF_VERSION``, by path."""
    return [FileFormat(path, size, sha256, known_format(path, sha256, known)) for path, size, sha256, *known in rows]


def known_format(path: str, sha256: str, columns: Sequence[Any]) -> KnownFormat:
    """Return the format of a file from the values of ``COLUMNS``; nothing for a false seal or older rules."""
    format_, executes_code, detail, recognizer, seal = columns
    if format_ is None or recognizer < file_formats.VERSION:
        return KnownFormat()
    if not row_seals.is_true(seal, row_seals.format_leaf(sha256, recognizer, format_, executes_code, detail)):
        return KnownFormat()
    found = file_formats.named(Recognition(format_, Execution(executes_code), detail), path)
    return KnownFormat(found.format, found.executes_code.value, found.detail)


OF_VERSION = FixedStatement(
    select(VersionFile.path, VersionFile.size, VersionFile.sha256, *COLUMNS)
    .outerjoin(BlobFormat, BlobFormat.sha256 == VersionFile.sha256)
    .where(VersionFile.version_id == bindparam("version", type_=Version.id.type))
    .order_by(VersionFile.path)
)
"""Selects the files of a version with their formats, for :func:`of_version`."""

# A literal: a statement whose version is a parameter could be planned without the index.
_WAITING = select(func.count()).where(Blob.recognizer < literal_column(str(file_formats.VERSION)))
_LACKING = FixedStatement(
    select(Blob.sha256, Blob.size, Blob.key, Blob.etag, BlobFormat.attempts)
    .select_from(Version)
    .join(Model, Model.id == Version.model_id)
    .join(VersionFile, VersionFile.version_id == Version.id)
    .outerjoin(Blob, Blob.sha256 == VersionFile.sha256)
    .outerjoin(BlobFormat, BlobFormat.sha256 == VersionFile.sha256)
    .where(
        Model.name == bindparam("model"),
        Version.number == bindparam("number"),
        or_(BlobFormat.format.is_(None), BlobFormat.recognizer < bindparam("recognizer")),
    )
    .distinct()
    .order_by(Blob.size)
)


def waiting(session: Session) -> int:
    """Return the number of verified files whose format was not recognised by the present rules."""
    return session.scalars(_WAITING).one()


def _recognise(content: _Content, store: Store, *, until: float | None = None) -> Recognition:
    """Return the recognition of the bytes that were verified. Raises Unavailable, BlobsMissing, or _TimeIsUp."""
    stat = store.stat(content.key)
    if stat is None or stat.size != content.size or content.etag not in {None, stat.etag}:
        raise BlobsMissing("the stored bytes are not those that were verified", missing=[content.sha256])
    return file_formats.recognise(_StoredContent(store, content, until))


def _take_content() -> _Content | str | None:
    """Count an attempt at a blob and return it; the digest alone of one that had all its attempts."""
    lacking = (
        select(Blob.sha256, Blob.size, Blob.key, Blob.etag)
        .outerjoin(BlobFormat, BlobFormat.sha256 == Blob.sha256)
        .where(Blob.recognizer < file_formats.VERSION)
        .limit(1)
    )
    with reading() as session:  # without locks: mostly there is nothing to do
        if session.execute(lacking).first() is None:
            return None
    with transaction() as session:
        moment = leases.now(session)
        free = or_(BlobFormat.sha256.is_(None), BlobFormat.attempted_at < moment - AGAIN)
        # Rows that earlier rules recognised are free at once.
        old = and_(BlobFormat.recognizer < file_formats.VERSION, BlobFormat.format.is_not(None))
        chosen = session.execute(lacking.where(or_(free, old)).with_for_update(of=Blob, skip_locked=True)).first()
        if chosen is None:
            return None
        row = session.get(BlobFormat, chosen.sha256, populate_existing=True)
        if row is None:
            row = BlobFormat(sha256=chosen.sha256, attempts=0, recognizer=file_formats.VERSION)
            session.add(row)
        elif row.recognizer < file_formats.VERSION:
            row.attempts, row.recognizer, row.format = 0, file_formats.VERSION, None
        row.attempts += 1
        row.attempted_at = moment
        if row.attempts > leases.MOST_ATTEMPTS:
            return str(chosen.sha256)
        return _Content(*chosen)


def _give_back(sha256: str) -> None:
    """Count an attempt as none: the store's failure is not the content's fault. It is made again after ``AGAIN``."""
    with transaction() as session:
        if row := _locked(session, sha256):
            row.attempts = max(0, row.attempts - 1)


def _keep(sha256: str, recognition: Recognition) -> None:
    """Record the format of a blob that is still there, unless later rules have recognised it."""
    with transaction() as session:
        row = _locked(session, sha256)
        blob = session.get(Blob, sha256)
        if blob is None or (row is not None and row.recognizer > file_formats.VERSION):
            return
        moment = leases.now(session)
        if row is None:
            row = BlobFormat(sha256=sha256, attempts=0)
            session.add(row)
        blob.recognizer = row.recognizer = file_formats.VERSION
        row.attempted_at = moment
        row.format, row.executes_code = recognition.format, recognition.executes_code.value
        row.detail = recognition.detail
        row.seal = row_seals.of_format(sha256, row.recognizer, row.format, row.executes_code, row.detail)


def _locked(session: Session, sha256: str) -> BlobFormat | None:
    """Lock the blob, then return the row of its format."""
    session.get(Blob, sha256, with_for_update=True, populate_existing=True)
    return session.get(BlobFormat, sha256, populate_existing=True)
