"""Growth of the sealed log: what a batch of entries adds to its tree, and whether the tree continues what was signed.

Pure: the sealer reads and writes the rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from registry.rules.audit_log.checkpoints import NUMBER, Checkpoint
from registry.rules.audit_log.entries import leaf_data
from registry.rules.audit_log.tiles import HEIGHT, WIDTH
from registry.rules.audit_log.tree import CompactRange, Node, leaf_hash, root


class Forked(Exception):
    """The log that is here is not the one that was signed before: a backup was restored, or there are two of it."""


@dataclass(frozen=True, slots=True)
class Growth:
    """The tree after a batch.

    ``leaves`` are the leaf hashes of the batch, from position ``tree.size - len(leaves)`` on. ``hashes`` has what the
    batch appends to the tiles above level 0, by their level and index.
    """

    tree: CompactRange
    leaves: tuple[bytes, ...]
    hashes: Mapping[tuple[int, int], bytes]

    def checkpoint(self, origin: str) -> Checkpoint:
        """Return the checkpoint to sign."""
        return Checkpoint(origin, self.tree.size, self.tree.root())


def grow(tree: CompactRange, bodies: Iterable[bytes]) -> Growth:
    """Return the growth of a tree by entries, given by their bytes; *tree* itself stays as it is."""
    grown = CompactRange(tree.size, tree.hashes)
    leaves: list[bytes] = []
    hashes: dict[tuple[int, int], bytes] = {}

    def note(level: int, index: int, hash_: bytes) -> None:
        if level and level % HEIGHT == 0:
            tile = (level // HEIGHT, index // WIDTH)
            hashes[tile] = hashes.get(tile, b"") + hash_

    for body in bodies:
        leaves.append(leaf_hash(leaf_data(body)))
        grown.append(leaves[-1], note)
    return Growth(grown, tuple(leaves), hashes)


def require_continuation(signed: Checkpoint | None, origin: str, size: int, node: Node) -> None:
    """Check that a tree of *size* leaves continues the checkpoint that was signed last, wherever that was kept.

    *node* returns the nodes of that tree. Raises Forked; then nothing may be signed under this origin.
    """
    if signed is None:
        return
    if signed.origin != origin:
        raise Forked(f"the checkpoint that was signed last is of the log {signed.origin!r}, this log is {origin!r}")
    if size < signed.size:
        raise Forked(
            f"the log has {size} entries, and a checkpoint of {signed.size} was signed: the database is an older state"
        )
    if root(signed.size, node) != signed.root:
        raise Forked(f"the first {signed.size} entries are not those that were signed: the log was forked or changed")


def first_origin(registry: str) -> str:
    """Return the name of the log of a registry, by its id, in the first epoch."""
    return f"model-registry/{registry}"


def next_origin(base: str, *origins: str, mark: str) -> str:
    """Return the name of the log's next epoch: ``<base>/<n>-<mark>``, with a number above that of each of *origins*.

    The *mark* is random: two restored copies of one registry must not sign different logs under one name.
    """
    return f"{base}/{max((_epoch(base, origin) for origin in origins), default=0) + 1}-{mark}"


def _epoch(base: str, origin: str) -> int:
    """Return the number of an epoch: 1 for the first, whose name has none, and 0 for another log."""
    name, _, number = origin.removeprefix(base).partition("/")
    if not origin.startswith(base) or name:
        return 0
    number = number.partition("-")[0]
    return int(number) if NUMBER.fullmatch(number) else 1
