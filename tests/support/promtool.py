"""promtool, which checks and tests what is written for Prometheus: Debian's binary, unpacked, nothing installed."""

from __future__ import annotations

import fcntl
import shutil
import subprocess
import tempfile
from pathlib import Path

PACKAGE = "prometheus"
CACHE = Path.home() / ".cache" / "model-registry-tests" / "prometheus"
PATIENCE = 300


def promtool() -> Path:
    """One on the PATH, or the one from Debian's package, fetched once."""
    if found := shutil.which("promtool"):
        return Path(found)
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        binary = CACHE / "promtool"
        if not binary.exists():
            _fetch(binary)
        return binary


def _fetch(binary: Path) -> None:
    with tempfile.TemporaryDirectory(dir=CACHE) as place:
        folder = Path(place)
        folder.chmod(0o755)  # apt fetches as a user of its own
        try:
            _run("apt-get", "download", PACKAGE, folder=folder)
        except subprocess.CalledProcessError:
            _run("apt-get", "update", folder=folder)
            _run("apt-get", "download", PACKAGE, folder=folder)
        (package,) = folder.glob("*.deb")
        _run("dpkg", "-x", str(package), "unpacked", folder=folder)
        (folder / "unpacked/usr/bin/promtool").rename(binary)


def _run(*command: str, folder: Path) -> None:
    subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=PATIENCE)
