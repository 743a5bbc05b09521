"""promtool, which checks and tests what is written for Prometheus: one on the PATH, or Debian's."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.support.debian_packages import unpacked


def promtool() -> Path:
    if found := shutil.which("promtool"):
        return Path(found)
    return unpacked("prometheus") / "usr" / "bin" / "promtool"
