"""Which registry a store belongs to: the identity that the store carries, and how it compares with the database's.

The store's copy names the registry, its epoch (another one after each restore), and the latest audit entry that the
database had when the copy was written. A database that lacks this entry is an older copy of the one that uses the
store.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from registry.domain import clock

FORMAT = 1
MAX_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Identity:
    """A registry in one of its epochs; *entry* is the uid of an audit entry, None where there was none."""

    registry: str
    epoch: str
    entry: str | None
    written_at: datetime

    def dump(self) -> bytes:
        """Return the identity as the store keeps it."""
        document = {
            "v": FORMAT,
            "registry": self.registry,
            "epoch": self.epoch,
            "entry": self.entry,
            "written_at": clock.wire(self.written_at),
        }
        return json.dumps(document, sort_keys=True).encode()


def parse(content: bytes) -> Identity:
    """Return the identity that a store keeps. Raises ValueError for anything else."""
    try:
        found = json.loads(content)
        if found["v"] != FORMAT:
            raise ValueError(f"format {found['v']!r} is unknown to this release")
        registry, epoch = (str(UUID(found[name])) for name in ("registry", "epoch"))
        entry = None if found["entry"] is None else str(UUID(found["entry"]))
        return Identity(registry, epoch, entry, datetime.fromisoformat(found["written_at"]))
    except (KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError("it is no identity of a registry") from error


def problem(own: Identity, found: Identity, *, has_entry: bool) -> str | None:
    """Return why the store that carries *found* is not this registry's; None when it is.

    *has_entry* says whether the database has the entry that *found* names.
    """
    if found.registry != own.registry:
        return f"the store belongs to another registry: {found.registry}, and this is {own.registry}"
    if found.epoch != own.epoch:
        return (
            f"the store belongs to another epoch of this registry: {found.epoch}, and this database is in "
            f"{own.epoch}, because one of them was restored from a backup"
        )
    if not has_entry:
        return (
            f"the store was used by a newer state of this database: the audit entry {found.entry} is not here, "
            "because this database is an older copy"
        )
    return None
