"""The sealed log: give entries their positions, sign and publish checkpoints (sealer), and read the tree.

The pin (pins) is a copy of the last published checkpoint outside of the database. ``standing`` compares the two, and
``epochs`` goes on after a fork.
"""

from registry.services.sealed_log import epochs, standing
from registry.services.sealed_log.sealer import is_due, seal_next

__all__ = ["epochs", "is_due", "seal_next", "standing"]
