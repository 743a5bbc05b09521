"""What is known of a file by its content."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

LONGEST_DETAIL = 200


class Execution(StrEnum):
    """Whether loading a file can execute code that the file brings or names."""

    NO = "no"
    UNKNOWN = "unknown"
    YES = "yes"


DANGER = tuple(Execution)  # the least first


@dataclass(frozen=True, slots=True)
class Recognition:
    """The format of a file, whether loading it can execute code, and what shows it, in at most 200 characters."""

    format: str
    executes_code: Execution
    detail: str

    @classmethod
    def of(cls, format_: str, executes_code: Execution, detail: str) -> Recognition:
        """Return a recognition whose detail is printable and short; names out of the file may be in it."""
        printable = re.sub(r"[^\x20-\x7e]", "?", detail)
        short = printable if len(printable) <= LONGEST_DETAIL else printable[: LONGEST_DETAIL - 3] + "..."
        return cls(format_, executes_code, short)


def worst(recognitions: Iterable[Recognition]) -> Recognition:
    """Return the most dangerous one, the latest of several; there is at least one."""
    return max(reversed(list(recognitions)), key=lambda one: DANGER.index(one.executes_code))
