"""The sealed log: give entries their positions, sign and publish checkpoints (sealer), and read it (log_reading).

The pin (pins) is a copy of the last published checkpoint outside of the database. ``standing`` compares the two, and
``epochs`` goes on after a fork.
"""

from registry.services.sealed_log import epochs, pins, signer, standing, tree_rows
from registry.services.sealed_log.log_reading import (
    LogPage,
    LogState,
    SealedRecord,
    SealStatus,
    bundle,
    checkpoint,
    log_state,
    proof,
    public_keys,
    sealed,
    tile,
)
from registry.services.sealed_log.sealer import is_due, seal_next
from registry.services.sealed_log.waiting import wait_until_sealed

__all__ = [
    "LogPage",
    "LogState",
    "SealStatus",
    "SealedRecord",
    "bundle",
    "checkpoint",
    "epochs",
    "is_due",
    "log_state",
    "pins",
    "proof",
    "public_keys",
    "seal_next",
    "sealed",
    "signer",
    "standing",
    "tile",
    "tree_rows",
    "wait_until_sealed",
]
