"""The sealed log: give entries their positions, sign and publish checkpoints (sealer), and read the tree."""

from registry.services.sealed_log.sealer import is_due, seal_next

__all__ = ["is_due", "seal_next"]
