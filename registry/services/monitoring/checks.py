"""The result of a check."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Check:
    """The result of one check; ``detail`` is what was found, ``fix`` what to do.

    One that is ``ok`` and has a fix is a warning.
    """

    ok: bool
    detail: str
    fix: str = ""
