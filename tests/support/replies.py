"""Check replies, of the app in this process and of servers alike."""

from __future__ import annotations

import json
from typing import Any, Protocol


class Reply(Protocol):
    """The part of a reply that werkzeug's and requests' classes have in common."""

    @property
    def status_code(self) -> int: ...

    @property
    def text(self) -> str: ...


def expect(status: int | None, reply: Reply) -> Any:
    """Return the document of a reply that has *status* (None: any success); without a body, None."""
    code = reply.status_code
    assert code < 400 if status is None else code == status, f"{code} {reply.text}"
    return json.loads(reply.text) if reply.text else None
