"""Files that pin the packages of an environment: among the files of a model, or in the checkout around it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from registry.client.detect.captures import Capture
from registry.client.errors import RegistryError
from registry.client.files import scan
from registry.client.files.scan import Hashed
from registry.rules import mlmodel

# From the one that names most exactly what was installed to the one that names least.
NAMES = ("uv.lock", "poetry.lock", "pdm.lock", "pylock.toml", "Pipfile.lock", *mlmodel.PINS)
MOST = 64 * 1024 * 1024  # bytes of one in the checkout
_MOST_DIRECTORIES = 50


def among(files: Sequence[Hashed]) -> Iterator[Capture]:
    """Yield the best one of the model's files, if there is one."""
    digests = {file.path: file.sha256 for file in files}
    if name := next((name for name in NAMES if name in digests), None):
        yield _capture(name, digests[name])


def around(source: Path, cwd: Path) -> Iterator[Capture]:
    """Yield the best one in the checkout around *source*, or else around *cwd*.

    The first directory that has one counts: *cwd*, then those above it up to the top of the checkout; outside of a
    checkout only *cwd*.
    """
    for directory in _directories(source, cwd):
        for name in NAMES:
            place = directory / name
            if not scan.exists(place):
                continue
            try:
                file = scan.single(place)
                if not file.readable or file.size > MOST:
                    reason = file.problem or f"it has more than {MOST} bytes"
                    yield Capture(str(place), warnings=(f"{place} is not recorded: {reason}",))
                    return
                yield _capture(str(place), scan.digest(file.location))
            except RegistryError as error:
                yield Capture(str(place), warnings=(f"{place} is not recorded: {error}",))
            return


def _capture(source: str, sha256: str) -> Capture:
    return Capture(source, {"environment": {"lock_digest": f"sha256:{sha256}"}})


def _directories(source: Path, cwd: Path) -> Iterator[Path]:
    top = _top(source.resolve()) or _top(cwd)
    if top is None or not cwd.is_relative_to(top):
        yield top or cwd
        return
    for directory in (cwd, *cwd.parents)[:_MOST_DIRECTORIES]:
        yield directory
        if directory == top:
            return


def _top(place: Path) -> Path | None:
    """Return the top of the checkout around *place*."""
    return next((directory for directory in (place, *place.parents) if scan.exists(directory / ".git")), None)
