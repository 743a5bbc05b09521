"""Files out of Debian's packages, for tests that need what PyPI has not; nothing is installed."""

from __future__ import annotations

import fcntl
import subprocess
import tempfile
from pathlib import Path

CACHE = Path.home() / ".cache" / "model-registry-tests" / "debian"


def unpacked(package: str) -> Path:
    """The root of an unpacked *package* of this machine's release, fetched once."""
    home = CACHE / package
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / f"{package}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not home.exists():
            _fetch([package], home)
    return home


def unpacked_with_dependencies(package: str) -> Path:
    """The root of a *package* and of all that it needs and this machine has not, unpacked together, fetched once.

    Raises OSError where the packages cannot be had.
    """
    home = CACHE / f"{package}-with-dependencies"
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / f"{package}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not home.exists():
            _fetch(_missing(package) or [package], home)
    return home


def _missing(package: str) -> list[str]:
    """The names of the packages that an installation would add."""
    command = ["apt-get", "install", "--simulate", "--no-install-recommends", "-qq", package]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        subprocess.run(["apt-get", "update", "-q"], capture_output=True, check=False)
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise OSError(done.stderr.strip())
    return [line.split()[1] for line in done.stdout.splitlines() if line.startswith("Inst ")]


def _fetch(packages: list[str], home: Path) -> None:
    with tempfile.TemporaryDirectory(dir=CACHE) as folder:
        download = ["apt-get", "download", "-q", *packages]
        done = subprocess.run(download, cwd=folder, capture_output=True, text=True, check=False)
        if done.returncode:  # the lists may be old, or none
            subprocess.run(["apt-get", "update", "-q"], capture_output=True, check=True)
            subprocess.run(download, cwd=folder, capture_output=True, check=True)
        for archive in Path(folder).glob("*.deb"):
            subprocess.run(["dpkg", "-x", archive, Path(folder, "root")], check=True)
        Path(folder, "root").rename(home)
