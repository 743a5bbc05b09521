"""Keys of sealed logs that a verifier trusts: ``--key``, else a variable, else those of an earlier run."""

from __future__ import annotations

import os
from collections.abc import Sequence

import click

from registry.rules.audit_log.notes import NoteError, VerifierKey

VARIABLE = "REGISTRY_LOG_VERIFIER_KEYS"


def keys(given: Sequence[str]) -> tuple[VerifierKey, ...]:
    """Return the keys of ``--key``, else those of the variable, separated by spaces or newlines. Raises UsageError."""
    texts = list(given) or os.environ.get(VARIABLE, "").split()
    try:
        return tuple(map(VerifierKey.parse, texts))
    except NoteError as error:
        raise click.UsageError(
            f"{'--key' if given else VARIABLE}: {error}. A key is one line, name+id+base64, as the operator published."
        ) from error
