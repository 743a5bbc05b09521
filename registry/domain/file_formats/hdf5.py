"""HDF5, as Keras writes it: a Lambda layer in the configuration is code.

The bytes are searched, not the tree: names and texts of attributes are stored as they are, never compressed. Whatever
could be part of a configuration must be within one that was read: a file can have several.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from registry.domain.file_formats.json_tokens import JsonTokens
from registry.domain.file_formats.reading import Reader, ReadingBudget, Undecidable, chunks
from registry.domain.file_formats.recognitions import Execution, Recognition

MAGIC = b"\x89HDF\r\n\x1a\n"
LARGEST = 1024 * 1024 * 1024
_FIRST_USER_BLOCK = 512
_OVERLAP = 64
_MOST_CONFIGURATION = 64 * 1024 * 1024
_PIECE = 64 * 1024
_SIGNS = re.compile(
    rb'(?P<named>model_config)|(?P<code>"(?:Lambda|__lambda__)")|(?P<json>\{\s*"(?:class_name|module)")'
    rb'|(?P<part>"(?:class_name|module)"|\\u00[4-7][0-9a-fA-F])'  # no writer of JSON escapes letters
)


@dataclass
class _Findings:
    named: bool = False
    hazard: str | None = None
    read: int = 0
    unread: bool = False


def offset(reader: Reader) -> int | None:
    """Return where the superblock is: at 0, 512 or a doubling of that, behind a block of the user's."""
    place = 0
    while place < reader.size:
        if reader.read(place, len(MAGIC)) == MAGIC:
            return place
        place = place * 2 or _FIRST_USER_BLOCK
    return None


def recognise(reader: Reader) -> Recognition:
    """Return the recognition of an HDF5 file."""
    if reader.size > LARGEST:
        raise Undecidable("HDF5 that is too large to look for Lambda layers")
    findings, budget = _Findings(), ReadingBudget(_MOST_CONFIGURATION)
    before, behind, start = b"", 0, 0
    for chunk in chunks(reader):
        text = before + chunk
        base = start - len(before)
        for match in _SIGNS.finditer(text):
            if match.end() <= len(before):
                continue  # the last chunk had it
            findings.named |= match["named"] is not None
            if match["code"]:
                findings.hazard = "a Lambda layer of Keras"
            elif match["json"] and base + match.start() >= behind:
                behind = _read_configuration(reader, base + match.start(), findings, budget)
            elif match["part"] and base + match.start() >= behind:
                findings.unread = True
        start += len(chunk)
        before = text[-_OVERLAP:]
    if findings.hazard is not None:
        return Recognition.of("hdf5", Execution.YES, f"it has {findings.hazard}")
    if findings.named and (findings.unread or not findings.read):
        return Recognition.of("hdf5", Execution.YES, "its configuration cannot be read, and may have Lambda layers")
    return Recognition.of("hdf5", Execution.NO, "no Lambda layer" if findings.named else "no configuration of a model")


def _read_configuration(reader: Reader, position: int, findings: _Findings, budget: ReadingBudget) -> int:
    """Read the JSON at *position*; return where it ends, or the position where it is none."""
    tokens, start = JsonTokens(), position
    while position < reader.size and not tokens.done and not tokens.failed:
        budget.spend(_PIECE)
        tokens.feed(reader.read(position, _PIECE).decode("latin-1"), follows=True)
        position += _PIECE
    findings.hazard = findings.hazard or tokens.hazard
    if not tokens.done:
        findings.unread = True
        return start
    findings.read += 1
    return start + tokens.consumed
