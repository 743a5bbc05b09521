"""Entries and a checkpoint as files: a directory, or the archive that holds the same files.

``checkpoint`` is the signed note. Each line of ``entries.jsonl`` is one entry, in the order of positions. It is a JSON
object with ``position``, ``body`` (base 64), ``texts`` (each with ``text`` and ``salt``, or null) and, in a selection,
``proof``.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from .archive import ArchiveError, require_canonical
from .chains import Text
from .checkpoints import read_checkpoint
from .entries import MALFORMED, MAX_BODY
from .notes import MAX_NOTE, VerifierKey, decode64, encode64
from .reports import Report
from .state import State
from .tree import MAX_PROOF
from .verification import SealedEntry, verify_log, verify_selection

CHECKPOINT, ENTRIES = "checkpoint", "entries.jsonl"
MAX_LINE = 4 * MAX_BODY
_FIELDS = ({"position", "body", "texts"}, {"position", "body", "texts", "proof"})


class FileError(ValueError):
    """A file that is no checkpoint, no list of entries, or no archive of both."""


def verify_file(path: Path, keys: Sequence[VerifierKey], *, state: State | None = None) -> tuple[Report, State | None]:
    """Verify a directory or an archive offline; return the report and the state to keep.

    A selection needs *state* only to compare its checkpoint, and leaves it as it is. Raises OSError.
    """
    try:
        with _opened(path) as (note, lines):
            entries = read_entries(lines)
            first = next(entries, None)
            everything = _chained(first, entries)
            if first is not None and first.proof is not None:
                seen = state.checkpoint if state else None
                return verify_selection(note, everything, keys, seen=seen), state
            return verify_log(note, everything, keys, state)
    except (FileError, ArchiveError) as error:
        report = Report()
        report.problem(f"{path.name}: {error}")
        return report, state


def read_origin(path: Path) -> str:
    """Return the origin of the log of a directory or an archive, not verified; to look up the keys to verify it with.

    Raises FileError, ArchiveError, NoteError, CheckpointError or OSError.
    """
    with _opened(path) as (note, _):
        return read_checkpoint(note).origin


def write_entries(entries: Iterable[SealedEntry]) -> Iterator[bytes]:
    """Yield the lines of ``entries.jsonl``."""
    for entry in entries:
        document: dict[str, Any] = {
            "position": entry.position,
            "body": encode64(entry.body),
            "texts": {
                name: None if text is None else {"salt": encode64(text[0]), "text": text[1]}
                for name, text in entry.texts.items()
            },
        }
        if entry.proof is not None:
            document["proof"] = list(map(encode64, entry.proof))
        yield json.dumps(document, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode() + b"\n"


def read_entries(lines: Iterable[bytes]) -> Iterator[SealedEntry]:
    """Yield the entries of ``entries.jsonl``. Raises FileError for a line that :func:`write_entries` does not write."""
    fields = None
    for number, line in enumerate(lines, start=1):
        try:
            document = json.loads(line)
            fields = fields or document.keys()
            if document.keys() != fields or fields not in _FIELDS:
                raise ValueError("it has other members than position, body, texts and proof, or than the first line")
            entry = read_document(document)
            if next(write_entries([entry])) != line:
                raise ValueError("it is not spelled as the registry writes it")
        except MALFORMED as error:
            raise FileError(f"line {number} of {ENTRIES} is not an entry: {error}") from error
        yield entry


def read_document(document: Mapping[str, Any]) -> SealedEntry:
    """Return the entry of one line, or of one item of the API. Raises one of MALFORMED."""
    if type(document["position"]) is not int:
        raise ValueError("its position is not an integer")
    return SealedEntry(
        position=document["position"],
        body=decode64(document["body"]),
        texts={name: _text(stored) for name, stored in document["texts"].items()},
        proof=_proof(document["proof"]) if "proof" in document else None,
    )


def _text(stored: Any) -> Text | None:
    if stored is None:
        return None
    if not isinstance(stored["text"], str):
        raise ValueError("a text is not a string")
    return decode64(stored["salt"]), stored["text"]


def _proof(hashes: list[str]) -> list[bytes]:
    if len(hashes) > MAX_PROOF:
        raise ValueError(f"a proof has at most {MAX_PROOF} hashes")
    return list(map(decode64, hashes))


def _chained(first: SealedEntry | None, rest: Iterator[SealedEntry]) -> Iterator[SealedEntry]:
    if first is not None:
        yield first
    yield from rest


@contextmanager
def _opened(path: Path) -> Iterator[tuple[bytes, Iterator[bytes]]]:
    """Open the checkpoint and the lines of the entries. Raises FileError, ArchiveError or OSError."""
    if path.is_dir():
        with (path / CHECKPOINT).open("rb") as note, (path / ENTRIES).open("rb") as entries:
            yield _read_note(note), _lines(entries)
        return
    require_canonical(path)
    with zipfile.ZipFile(path) as archive:
        if lacking := {CHECKPOINT, ENTRIES} - set(archive.namelist()):
            raise FileError(f"the archive has no file {min(lacking)}")
        with archive.open(CHECKPOINT) as note, archive.open(ENTRIES) as entries:
            yield _read_note(note), _lines(entries)


def _read_note(file: IO[bytes]) -> bytes:
    note = file.read(MAX_NOTE + 1)
    if len(note) > MAX_NOTE:
        raise FileError(f"the checkpoint has more than {MAX_NOTE} bytes")
    return note


def _lines(file: IO[bytes]) -> Iterator[bytes]:
    while line := file.readline(MAX_LINE + 1):
        if len(line) > MAX_LINE:
            raise FileError(f"a line of {ENTRIES} has more than {MAX_LINE} bytes")
        yield line
