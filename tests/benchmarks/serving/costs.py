"""What a service's processes have used, from /proc."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

TICK = 1 / os.sysconf("SC_CLK_TCK")
MIB = 1024 * 1024


@dataclass(frozen=True)
class Memory:
    """Bytes of all processes: resident, and with shared pages counted once."""

    resident: int = 0
    proportional: int = 0


def tree(root: int) -> list[int]:
    """The process and its descendants."""
    found = [root]
    for process in found:
        with suppress(OSError):
            for children in Path(f"/proc/{process}/task").glob("*/children"):
                found += map(int, children.read_text().split())
    return found


def cpu_seconds(root: int) -> float:
    """User and system time of the tree, of its processes that have ended too."""
    used = 0
    for process in tree(root):
        with suppress(OSError):
            used += sum(int(ticks) for ticks in _stat(process)[11:15])
    return used * TICK


def memory(root: int) -> Memory:
    resident = proportional = 0
    for process in tree(root):
        with suppress(OSError):
            lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
            sizes = {line.split(":")[0]: int(line.split()[1]) * 1024 for line in lines if line.endswith("kB")}
            resident, proportional = resident + sizes["Rss"], proportional + sizes["Pss"]
    return Memory(resident, proportional)


def _stat(process: int) -> list[str]:
    """The fields of ``stat`` after the name, which may hold spaces: state, parent and so on."""
    return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
