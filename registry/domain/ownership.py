"""Identity of a registry in its store, and its comparison with the database's.

The store's copy names the registry and its epoch, which changes with each restore. It also names the latest audit entry
in the database when the copy was written. A database that lacks this entry is an older copy of the one that uses the
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
        document = json.loads(content)
        if document["v"] != FORMAT:
            raise ValueError(f"format {document['v']!r} is unknown to this release")
        registry, epoch = (str(UUID(document[name])) for name in ("registry", "epoch"))
        entry = None if document["entry"] is None else str(UUID(document["entry"]))
        return Identity(registry, epoch, entry, datetime.fromisoformat(document["written_at"]))
    except (KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError("it is no identity of a registry") from error


def problem(own: Identity, identity: Identity, *, has_entry: bool) -> str | None:
    """Return why the store that carries *identity* is not this registry's; None when it is.

    *has_entry*: the database has the entry that *identity* names.
    """
    if identity.registry != own.registry:
        return f"the store belongs to another registry: {identity.registry}, and this is {own.registry}"
    if identity.epoch != own.epoch:
        return (
            f"the store belongs to another epoch of this registry: {identity.epoch}, and this database is in "
            f"{own.epoch}, because one of them was restored from a backup"
        )
    if not has_entry:
        return (
            f"the store was used by a newer state of this database: the audit entry {identity.entry} is not here, "
            "because this database is an older copy"
        )
    return None
