"""Formats of files that no worker has recognised yet, when a rule about them refuses a move."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from registry.domain.errors import GatesUnmet
from registry.rules.policies.conditions.contents import FileFormatsRule
from registry.services.integrity import file_formats
from registry.storage.checked import Store

T = TypeVar("T")


def with_known_formats(store: Store, model: str, number: int, move: Callable[[], T]) -> T:
    """Return the result of *move*; call it a second time if it was refused and formats of files became known since.

    The contents are read outside of transactions. Without a refusal this costs nothing.
    """
    try:
        return move()
    except GatesUnmet as refusal:
        unmet = [
            gate for gate in refusal.extras["gates"] if gate["kind"] == FileFormatsRule.kind and not gate["passed"]
        ]
        if not unmet or not file_formats.recognise(store, model, number):
            raise
    return move()
