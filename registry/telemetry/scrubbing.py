"""Removal of secrets from text that leaves the process: log lines, tracebacks, error messages.

The second wall. The first one is that no line contains the values of local variables or of SQL parameters. Standard
library only: gunicorn's master uses it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

HIDDEN = "****"
# A shorter secret may be an ordinary word, and hiding it would garble every line.
LEAST_LITERAL = 12
LONGEST_TEXT = 8192
MOST_SCANNED = 65_536
_API_TOKEN = re.compile(r"(mr[psb]_[0-9A-Za-z]{0,12})[0-9A-Za-z]*")
# https://user:password@host; a password may contain any character but a quote or a space. Every repetition that could
# begin again at many places is bounded: clients choose the text of a path.
_USER_INFORMATION = (
    (re.compile(r"(://[^\s:/@'\"]{0,128}):[^\s'\"]{0,256}@"), rf"\1:{HIDDEN}@"),
    (re.compile(r"(://)[^\s:/@'\"]{16,256}@"), rf"\1{HIDDEN}@"),
)
_FORMS: tuple[tuple[re.Pattern[str], str], ...] = (
    # The lookup id in front of the secret is public: the audit log names it.
    (_API_TOKEN, rf"\1{HIDDEN}"),
    (re.compile(r"(?i)(authorization['\"]?\s*[:=]\s*['\"]?)(?:(\w+)\s+)?[^\s'\"]+"), rf"\1\2 {HIDDEN}"),
    (re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{16,}"), rf"\1 {HIDDEN}"),
    *_USER_INFORMATION,
    # Presigned URLs of S3, Google and Azure, and tokens in query strings.
    (
        re.compile(
            r"(?i)([?&;](?:[\w-]*(?:signature|credential|security-token|accesskeyid)|sig|token|[\w-]*_token|api_?key"
            r"|password|secret)=)[^&;\s'\"]+"
        ),
        rf"\1{HIDDEN}",
    ),
    (re.compile(r"(/transfer/)[A-Za-z0-9_.-]+"), r"\1…"),
    (
        re.compile(
            r"(?i)((?:passw(?:or)?d|passphrase|secret(?:_access)?_key|pepper)(?:=|['\"]\s*:\s*)b?['\"]?)[^\s'\",;&)]+"
        ),
        rf"\1{HIDDEN}",
    ),
    # Values of rows: SQLAlchemy's and PostgreSQL's messages.
    (re.compile(r"(?s)\[parameters: .*"), f"[parameters: {HIDDEN}]"),
    (re.compile(r"(?m)^((?:DETAIL|CONTEXT|QUERY|STATEMENT):).*$"), rf"\1 {HIDDEN}"),
)


class _Literals:
    """The secrets of this process's own configuration, in each form in which a text may contain them."""

    found: tuple[str, ...] = ()


def protect(secrets: Iterable[str]) -> None:
    """Hide these texts from now on, wherever they appear; those under 12 characters only where their form is known."""
    forms = {
        form
        for secret in secrets
        if len(secret) >= LEAST_LITERAL
        for form in (secret, quote(secret, safe=""), json.dumps(secret)[1:-1], repr(secret)[1:-1])
    }
    _Literals.found = tuple(sorted(forms.union(_Literals.found), key=len, reverse=True))


def scrub(text: str) -> str:
    """Return *text* without secrets; of one over 8 KiB, the middle is left out."""
    length = len(text)
    if length > MOST_SCANNED:
        text = text[:MOST_SCANNED].rpartition(" ")[0]  # never a part of a secret whose end gives its form
    text = _without_literals(text)
    for form, replacement in _FORMS:
        text = form.sub(replacement, text)
    if len(text) > LONGEST_TEXT:
        text = f"{text[: LONGEST_TEXT // 2]} … ({length} characters) … {text[-LONGEST_TEXT // 2 :]}"
    return text


def scrub_line(line: str) -> str:
    """Return a rendered line of the access log without secrets; cheap where there is no trace of one."""
    line = _without_literals(line)
    if "mr" in line:
        line = _API_TOKEN.sub(rf"\1{HIDDEN}", line)
    if "://" in line:
        for form, replacement in _USER_INFORMATION:
            line = form.sub(replacement, line)
    return line


def scrub_value(value: Any) -> Any:
    """Return *value* with every text in it scrubbed; what is no JSON value becomes text."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, str):
        return scrub(value)
    if isinstance(value, Mapping):
        return {scrub(str(name)): scrub_value(item) for name, item in value.items()}
    if isinstance(value, Sequence | set | frozenset) and not isinstance(value, bytes | bytearray | memoryview):
        return [scrub_value(item) for item in value]
    if isinstance(value, bytes | bytearray | memoryview):
        return f"({len(value)} bytes)"
    return scrub(str(value))


def _without_literals(text: str) -> str:
    for literal in _Literals.found:
        if literal in text:
            text = text.replace(literal, HIDDEN)
    return text
