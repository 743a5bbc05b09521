"""Values in the words of pages: times, sizes, numbers, digests, and untrusted texts."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

from registry.domain.stages import Stage
from registry.domain.states import VersionState
from registry.rules import units

DIGEST_LENGTH = 12
MOST_TEXT = 2000
# The colour and mark of a stage and of a state; the word itself is always shown. See ``badge`` in ui.html.
STAGE_KINDS: Mapping[str, str] = {
    Stage.NONE: "none",
    Stage.STAGING: "waiting",
    Stage.PRODUCTION: "good",
    Stage.ARCHIVED: "past",
}
STATE_KINDS: Mapping[str, str] = {
    VersionState.UNVERIFIED: "plain",
    VersionState.PENDING: "waiting",
    VersionState.READY: "good",
    VersionState.FAILED: "bad",
    VersionState.DELETED: "past",
}
STAGE_TEXTS: Mapping[str, str] = {
    Stage.NONE: "In no stage. It can move to staging or be archived.",
    Stage.STAGING: "In staging. It can move to production, return to none, or be archived.",
    Stage.PRODUCTION: "In production until another version is promoted, production is rolled back, or it is archived.",
    Stage.ARCHIVED: "Archived. It can return to production by a rollback, or through staging.",
}
STATE_TEXTS: Mapping[str, str] = {
    VersionState.UNVERIFIED: "The registry has not verified its files. It cannot enter staging or production.",
    VersionState.PENDING: "Its files are not verified yet. It cannot be downloaded or moved to a stage.",
    VersionState.READY: "All files are stored and verified.",
    VersionState.FAILED: "Its files could not be verified. Register them again; the number is not used again.",
    VersionState.DELETED: "Deleted. Its manifest, lineage and history are kept.",
}
_STEPS = (
    (timedelta(minutes=1), timedelta(seconds=1), "second"),
    (timedelta(hours=1), timedelta(minutes=1), "minute"),
    (timedelta(days=1), timedelta(hours=1), "hour"),
    (timedelta(days=60), timedelta(days=1), "day"),
    (timedelta(days=730), timedelta(days=30), "month"),
)
_YEAR = timedelta(days=365)
_MARKED = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_PLAIN = frozenset("\n\t")
_DIGESTS = re.compile(rf"\b(sha256:[0-9a-f]{{{DIGEST_LENGTH}}})[0-9a-f]{{{64 - DIGEST_LENGTH}}}\b")
_SCHEMES = frozenset({"http", "https"})


def ago(moment: datetime, *, now: datetime) -> str:
    """Return the distance of *moment* from now: "4 days ago", or "in 2 hours"."""
    distance = abs(now - moment)
    if distance < timedelta(seconds=5):
        return "just now"
    unit, name = next(((unit, name) for limit, unit, name in _STEPS if distance < limit), (_YEAR, "year"))
    count = distance // unit
    text = f"{count} {name}{'' if count == 1 else 's'}"
    return f"{text} ago" if moment <= now else f"in {text}"


def utc(moment: datetime) -> str:
    """Return an instant in UTC, exact to the microsecond: ``2026-11-25 04:23:04.615380 UTC``."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f} UTC"


def size(count: int) -> str:
    """Return a number of bytes with a unit."""
    return units.size(count)


def number(value: float) -> str:
    """Return a measured value with six digits."""
    return f"{value:.6g}"


def difference(value: float) -> str:
    """Return a difference of measured values, with its sign."""
    return f"{value:+.4g}".replace("-", "\u2212")


def stage_kind(stage: str) -> str:
    """Return the kind of badge of a stage."""
    return STAGE_KINDS.get(stage, "none")


def state_kind(state: str) -> str:
    """Return the kind of badge of a version's state."""
    return STATE_KINDS.get(state, "plain")


def short_digest(digest: str) -> str:
    """Return the first twelve digits of ``sha256:<hex>``."""
    return digest.removeprefix("sha256:")[:DIGEST_LENGTH]


def brief(text: object) -> str:
    """Return a text with the first twelve digits of each SHA-256 digest in it."""
    return _DIGESTS.sub(r"\1", str(text))


def clean(text: object) -> str:
    """Return a text with each control and direction character as ``[U+202E]``, so that it cannot rearrange the page."""
    plain = str(text)
    if plain.isascii() and plain.isprintable():
        return plain
    return "".join(f"[U+{ord(one):04X}]" if _is_marked(one) else one for one in plain)


def editable(text: object) -> str:
    """Return a text for a form field: with the line ends of HTML, and without characters that HTML forbids."""
    plain = str(text).replace("\r\n", "\n").replace("\r", "\n")
    if plain.isascii() and plain.isprintable():
        return plain
    return "".join("\ufffd" if _is_forbidden(ord(one)) else one for one in plain)


def folded(text: str) -> tuple[str, str]:
    """Return the part of a text that a page shows, and the folded rest."""
    return text[:MOST_TEXT], text[MOST_TEXT:]


def safe_url(text: object) -> str | None:
    """Return an address that a page may link to; None unless it is one of http or https with a host."""
    try:
        parts = urlsplit(str(text))
        is_safe = parts.scheme in _SCHEMES and bool(parts.hostname)
    except ValueError:
        return None
    return str(text) if is_safe and str(text).isprintable() else None


def _is_marked(character: str) -> bool:
    return character not in _PLAIN and unicodedata.category(character) in _MARKED


def _is_forbidden(code: int) -> bool:
    """Return whether HTML forbids the character: controls except white space, surrogates and noncharacters."""
    if code < 0x20 or 0x7F <= code <= 0x9F:
        return chr(code) not in "\t\n\f"
    return 0xD800 <= code <= 0xDFFF or 0xFDD0 <= code <= 0xFDEF or code & 0xFFFE == 0xFFFE
