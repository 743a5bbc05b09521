"""What a verifier keeps between two runs: the checkpoint that it saw last, and where each chain stood there.

The file is the verifier's memory and no proof: keep it where the operator of the log cannot write.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path

from .checkpoints import Checkpoint, CheckpointError, open_checkpoint
from .notes import NoteError, VerifierKey, decode64, encode64
from .tree import CompactRange, TreeError

FORMAT = "audit-log-state@1"


class StateError(ValueError):
    """A state file that is damaged or of a later release."""


@dataclass(slots=True)
class State:
    """The verified part of a log.

    ``keys`` are those that were trusted then. ``note`` is its signed checkpoint, ``tree`` the complete subtrees at that
    size, and ``chains`` the number and the hash of each chain's last entry. ``later_release`` has what an entry of a
    later release left unchecked.
    """

    keys: tuple[VerifierKey, ...]
    note: bytes
    checkpoint: Checkpoint
    tree: CompactRange
    chains: dict[str, tuple[int, str]] = field(default_factory=dict)
    later_release: str | None = None

    def dump(self) -> bytes:
        """Return the state as JSON."""
        document = {
            "format": FORMAT,
            "keys": list(map(str, self.keys)),
            "checkpoint": self.note.decode(),
            "tree": list(map(encode64, self.tree.hashes)),
            "chains": self.chains,
            "later_release": self.later_release,
        }
        return json.dumps(document, ensure_ascii=False, indent=1, sort_keys=True).encode() + b"\n"

    @classmethod
    def load(cls, data: bytes) -> State:
        """Return the state. Raises StateError."""
        try:
            document = json.loads(data)
            if document["format"] != FORMAT:
                raise StateError(f"the format {document['format']!r} of the state file is unknown to this release")
            keys = tuple(map(VerifierKey.parse, document["keys"]))
            note = document["checkpoint"].encode()
            checkpoint = open_checkpoint(note, keys)
            tree = CompactRange(checkpoint.size, map(decode64, document["tree"]))
            chains = {str(chain): (int(seq), str(leaf)) for chain, (seq, leaf) in document["chains"].items()}
            later_release = document["later_release"]
        except StateError:
            raise
        except (NoteError, CheckpointError, TreeError) as error:
            raise StateError(f"the state file cannot be used: {error}") from error
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise StateError(f"the state file is damaged: {error}") from error
        if tree.root() != checkpoint.root:
            raise StateError("the state file is damaged: its hashes do not have the root of its checkpoint")
        return cls(keys, note, checkpoint, tree, chains, later_release)

    def write(self, path: Path) -> None:
        """Replace the file as a whole and make it durable: after a crash it has the old state or the new one."""
        replace_file(path, self.dump())


def replace_file(path: Path, data: bytes) -> None:
    """Replace a file as a whole, durably. Raises OSError; then the file is as it was."""
    fresh = path.with_name(f"{path.name}.{os.getpid()}.new")
    with fresh.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
