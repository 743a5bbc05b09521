"""The model card of a version: its file ``README.md``, also where it was not among the files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from registry.client.errors import UnfitSource
from registry.client.files import scan
from registry.rules import paths

CARD = "README.md"


def with_card(files: Sequence[scan.Found], card: Path) -> list[scan.Found]:
    """Return the files with *card* as README.md, in the order of their paths; the same content may be there already.

    Raises UnfitSource where there is another README.md, or a file whose name differs from that in case only.
    """
    found = replace(scan.single(card), path=CARD, problem=None)
    if not found.readable:
        raise UnfitSource(f"{card} is a device, a pipe or a socket, not a file.")
    for file in files:
        if file.path == CARD:
            if scan.digest(file.location) == scan.digest(found.location):
                return list(files)
            raise UnfitSource(
                f"{CARD} is among the files, and differs from {card}: leave out --card (card=), or exclude {CARD}."
            )
    together = sorted([*files, found], key=lambda file: file.path.encode())
    if clashing := paths.clashes([file.path for file in together]):
        place, problem = next(iter(clashing.items()))
        raise UnfitSource(f"{together[place].path!r} {problem}. The card is registered as {CARD}.")
    return together
