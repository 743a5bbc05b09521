"""Warnings about a version that a command shows or uses: it is held, or was moved past the gates."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from registry.cli.support.output import when
from registry.domain.holds import short

if TYPE_CHECKING:
    from registry.client.types import HoldNoticeView, VersionView


def warnings(answer: Any) -> Iterator[str]:
    """Yield what warns of the version that is the answer, or is in it."""
    if not isinstance(answer, Mapping):
        return
    version = answer.get("version")
    view: Any = version if isinstance(version, Mapping) else answer
    if not {"model", "number"} <= view.keys():
        return
    name = f"{view['model']}:{view['number']}"
    if held := holds(view):
        yield f"{name} is held ({held})"
    if glass := past_gates(view):
        yield f"{name} was moved past the gates {glass}"


def holds(view: VersionView) -> str | None:
    """Return the active holds on the version; None without any, or from an older registry."""
    return "; ".join(map(hold_text, view.get("holds", ()))) or None


def hold_text(hold: HoldNoticeView) -> str:
    """Return the hold in a line: its id, what it is on where that is not the version, and its reason."""
    on = "" if hold["kind"] == "version" else f" on {short(hold['kind'], hold['target'])}"
    return f"{hold['id']}{on}: {hold['reason'] or 'redacted'}"


def past_gates(view: VersionView) -> str | None:
    """Return who moved the version past the gates; None where an approver has acknowledged it, or none did."""
    if (glass := view.get("break_glass")) is None:  # an older registry omits it
        return None
    return f"by {glass['by']} {when(glass['at'])}, not acknowledged: {glass['reason'] or 'redacted'}"
