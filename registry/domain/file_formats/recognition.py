"""Recognition of a file by its content, within bounds on time and memory.

No name and no extension has a part in it, except that Python source is text which its name makes loaders execute.
A file that is valid as two formats counts as the more dangerous one.
"""

from __future__ import annotations

from collections.abc import Callable

from registry.domain.file_formats import (
    archives,
    compressed,
    gguf,
    hdf5,
    media,
    numpy_arrays,
    pickles,
    protobuf_models,
    safetensors,
    texts,
    ubjson,
)
from registry.domain.file_formats.reading import Buffered, Reader, ReadingBudget, Undecidable, Unreadable
from registry.domain.file_formats.recognitions import Execution, Recognition, worst

VERSION = 2  # of the rules: what an earlier one recognised is recognised again
MOST_READ = 1280 * 1024 * 1024
MOST_INFLATED = 256 * 1024 * 1024
DEEPEST = 4
_BY_FRAME: tuple[Callable[[Reader], Recognition | None], ...] = (
    safetensors.recognise,
    gguf.recognise,
    numpy_arrays.recognise,
    media.recognise,
)
_BY_STRUCTURE: tuple[Callable[[Reader], Recognition | None], ...] = (protobuf_models.recognise, ubjson.recognise)


def recognise(reader: Reader) -> Recognition:
    """Return the format of a file; ``unknown`` or ``unreadable`` where it is none that can be relied on.

    Raises what *reader* raises, and nothing else.
    """
    return _recognise(Buffered(reader, ReadingBudget(MOST_READ)), "", 0, ReadingBudget(MOST_INFLATED))


def named(recognition: Recognition, path: str) -> Recognition:
    """Return the recognition of a file under its path: text that is named as Python source is ``python``."""
    if recognition.format in {"text", "json"} and path.lower().endswith(".py"):
        return Recognition.of("python", Execution.YES, "source that loaders of models import")
    return recognition


def _recognise(reader: Reader, name: str, depth: int, inflated: ReadingBudget) -> Recognition:
    """Return the recognition of a file or a member, which is *depth* archives deep."""
    if depth > DEEPEST:
        return Recognition.of("unknown", Execution.UNKNOWN, "archives in archives are not looked into that deep")

    def recognise_member(member: Reader, member_name: str = "") -> Recognition:
        return _recognise(member, member_name, depth + 1, inflated)

    first = _tried(lambda: _by_content(reader, inflated, recognise_member))
    if first.executes_code is Execution.YES or first.format in {"text", "json"}:
        return named(first, name)
    try:
        return worst([first, *_hidden(reader, first, inflated, recognise_member)])
    except Undecidable as error:
        # Of a member that is too large to inflate only the beginning is there, and no loader looks for its end.
        return first if depth else Recognition.of("unknown", Execution.UNKNOWN, str(error))


def _hidden(
    reader: Reader, first: Recognition, inflated: ReadingBudget, recognise_member: archives.Recognise
) -> list[Recognition]:
    """Return what else the file is for readers that skip its beginning, or take it for a name. Raises Undecidable."""
    found = []
    if not _begins_as_zip(reader) and archives.ends_as_zip(reader):
        found.append(_tried(lambda: archives.recognise_zip(reader, inflated, recognise_member)))
    if first.format != "tar" and archives.begins_as_tar(reader):
        found.append(_tried(lambda: archives.recognise_tar(reader, recognise_member)))
    if first.format != "hdf5" and hdf5.offset(reader) is not None:
        found.append(_tried(lambda: hdf5.recognise(reader)))
    return [
        Recognition.of(one.format, one.executes_code, f"{one.detail}; it begins as {first.format}") for one in found
    ]


def _tried(recognise_it: Callable[[], Recognition]) -> Recognition:
    try:
        return recognise_it()
    except Undecidable as error:
        return Recognition.of("unknown", Execution.UNKNOWN, str(error))
    except Unreadable as error:
        return Recognition.of("unreadable", Execution.UNKNOWN, str(error))


def _by_content(reader: Reader, inflated: ReadingBudget, recognise_member: archives.Recognise) -> Recognition:
    if reader.size == 0:
        return Recognition.of("text", Execution.NO, "empty")
    if (found := pickles.recognise(reader) or texts.recognise(reader)) is not None:
        return found
    for recognise_format in _BY_FRAME:
        if (found := recognise_format(reader)) is not None:
            return found
    if reader.read(0, len(hdf5.MAGIC)) == hdf5.MAGIC:
        return hdf5.recognise(reader)
    if _begins_as_zip(reader):
        return archives.recognise_zip(reader, inflated, recognise_member)
    found = compressed.recognise(reader, inflated, lambda content: recognise_member(content, ""))
    if found is None and archives.begins_as_tar(reader):
        found = archives.recognise_tar(reader, recognise_member)
    for recognise_format in _BY_STRUCTURE:
        found = found or recognise_format(reader)
    return found or Recognition.of("unknown", Execution.UNKNOWN, "none of the formats that are recognised")


def _begins_as_zip(reader: Reader) -> bool:
    return reader.read(0, 4) in {b"PK\x03\x04", b"PK\x05\x06"}
