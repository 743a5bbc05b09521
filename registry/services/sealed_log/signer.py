"""The keys that sign checkpoints; only a process that seals has them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from registry.domain import log_keys
from registry.rules.audit_log.notes import SigningKey


@dataclass(frozen=True, slots=True)
class Signer:
    """Ed25519 seeds of 32 bytes: the current one, then those that it replaces, which go on signing with it."""

    seeds: Sequence[bytes] = field(repr=False)

    @classmethod
    def of(cls, texts: Iterable[str]) -> Signer | None:
        """Return the signer with the keys of the settings; None without any. Raises ValueError."""
        seeds = tuple(dict.fromkeys(map(log_keys.seed, texts)))
        return cls(seeds) if seeds else None

    def keys(self, origin: str) -> list[SigningKey]:
        """Return the keys for a log; the name of a key is the log's origin."""
        return [SigningKey(origin, seed) for seed in self.seeds]
