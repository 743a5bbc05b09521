"""A witness: remember the last checkpoint of a registry, and require a proof that each later one continues it.

Needs tiles and no entries, so it can run where the contents of the log must not be known.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from registry.client.errors import NotFound
from registry.client.sealed_log.source import Source, absence, signers
from registry.rules.audit_log.checkpoints import Checkpoint, CheckpointError, open_checkpoint, read_checkpoint
from registry.rules.audit_log.notes import NoteError, VerifierKey
from registry.rules.audit_log.proofs import consistency_proof
from registry.rules.audit_log.reports import Report
from registry.rules.audit_log.state import StateError, replace_file
from registry.rules.audit_log.tiles import TileError, TileNodes
from registry.rules.audit_log.verification import verify_checkpoint

FORMAT = "audit-log-witness@1"


@dataclass(frozen=True, slots=True)
class Sighting:
    """The last checkpoint that was verified, with the keys that were trusted then."""

    keys: tuple[VerifierKey, ...]
    note: bytes
    checkpoint: Checkpoint

    @classmethod
    def load(cls, data: bytes) -> Sighting:
        """Return what :meth:`write` wrote. Raises StateError."""
        try:
            document = json.loads(data)
            if document["format"] != FORMAT:
                raise StateError(f"{document['format']!r} is not the format of a witness ({FORMAT})")
            keys = tuple(map(VerifierKey.parse, document["keys"]))
            note = document["checkpoint"].encode()
            return cls(keys, note, open_checkpoint(note, keys))
        except StateError:
            raise
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise StateError(f"the state file of the witness is damaged: {error}") from error

    def write(self, path: Path) -> None:
        """Replace the file as a whole, durably. Raises OSError."""
        document = {"format": FORMAT, "keys": list(map(str, self.keys)), "checkpoint": self.note.decode()}
        replace_file(path, json.dumps(document, ensure_ascii=False, indent=1, sort_keys=True).encode() + b"\n")


@dataclass(frozen=True, slots=True)
class Look:
    """What one look at a registry found. ``sighting`` is the one to keep, ``note`` the checkpoint that was shown."""

    report: Report
    sighting: Sighting | None
    note: bytes | None = None
    first_use: bool = False


def look(source: Source, *, keys: Sequence[VerifierKey] = (), seen: Sighting | None = None) -> Look:
    """Compare the latest checkpoint with the one that was *seen*. Raises RegistryError when there is no answer."""
    report = Report()
    try:
        note = source.checkpoint(at_least=seen.checkpoint.size if seen else 0)
    except NotFound as error:
        absence(report, error, seen.checkpoint if seen else None)
        return Look(report, seen)
    trusted = tuple(keys) or (seen.keys if seen else ())
    first_use = not trusted
    try:
        trusted = trusted or signers(source, note)
        proof = _proof(source, note, seen)
    except (NoteError, CheckpointError) as error:
        report.problem(f"the checkpoint: {error}")
        return Look(report, seen, note)
    except (NotFound, TileError) as error:
        report = verify_checkpoint(note, trusted, seen=None)
        report.undecidable(f"the registry does not show what proves that the log was continued: {error}")
        return Look(report, seen, note)
    report = verify_checkpoint(note, trusted, seen=seen.checkpoint if seen else None, consistency=proof)
    if report.problems or report.checkpoint is None:
        return Look(report, seen, note)
    return Look(report, Sighting(trusted, note, report.checkpoint), note, first_use)


def _proof(source: Source, note: bytes, seen: Sighting | None) -> list[bytes] | None:
    """Make the consistency proof from tiles; None where none is needed. Raises NotFound or TileError."""
    checkpoint = read_checkpoint(note)
    old = seen.checkpoint.size if seen else 0
    if not 0 < old < checkpoint.size:
        return None
    nodes = TileNodes(checkpoint.size, lambda tile: source.audit.tile(tile.path))
    return consistency_proof(old, checkpoint.size, nodes)
