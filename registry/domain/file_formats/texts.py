"""Text: UTF-8 without control characters, from the first byte to the last; JSON if it is strict."""

from __future__ import annotations

import codecs
import re
from urllib.parse import unquote

from registry.domain.file_formats.json_tokens import JsonTokens
from registry.domain.file_formats.reading import Reader, Undecidable, chunks
from registry.domain.file_formats.recognitions import Execution, Recognition

LARGEST = 128 * 1024 * 1024
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f]")
_OVERLAP = 4096
_BYTE_ORDER_MARK = "\ufeff"  # json.loads of bytes and loaders of YAML skip it at the beginning
# Tags by which unsafe loaders of YAML construct Python objects; a tag can be percent-encoded.
_TAG = re.compile(r"!(?:![^\s,\[\]{}]{1,2000}|<[^>\s]{1,2000})")
_TAG_DIRECTIVE = re.compile(r"(?:\A|[\r\n\x85\u2028\u2029\ufeff])%TAG\s")  # after a line break of YAML 1.1


def recognise(reader: Reader) -> Recognition | None:
    """Return the recognition of a text, None for anything else. Raises Undecidable for a text that is too long."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    tokens, hazard, before, is_marked = JsonTokens(), None, "", False
    for number, chunk in enumerate(chunks(reader)):
        if number == 1 and reader.size > LARGEST:
            raise Undecidable("a text that is too long to read to its end")
        try:
            text = decoder.decode(chunk)
        except UnicodeDecodeError:
            return None
        if _CONTROL.search(text):
            return None
        if number == 0 and text.startswith(_BYTE_ORDER_MARK):
            is_marked = True
        tokens.feed(text.removeprefix(_BYTE_ORDER_MARK) if number == 0 else text)
        hazard = hazard or _yaml_hazard(before + text)
        before = text[-_OVERLAP:]
    try:
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return None
    tokens.feed("", last=True)
    is_json = not (tokens.failed or is_marked) and tokens.strict and tokens.compound
    hazard = tokens.hazard or (None if is_json else hazard)
    name = "json" if is_json else "text"
    if hazard is not None:
        return Recognition.of(name, Execution.YES, f"it names {hazard}")
    return Recognition.of(name, Execution.NO, "strict JSON" if is_json else "UTF-8 text")


def _yaml_hazard(text: str) -> str | None:
    if "%TAG" in text and _TAG_DIRECTIVE.search(text):
        return "tags of YAML by a %TAG directive"
    for match in _TAG.finditer(text):
        if "python" in unquote(match[0]):
            return f"the tag {match[0]} of YAML"
    return None
