"""The receipt of a write: the header that names the audit entry of the request."""

from __future__ import annotations

from http import HTTPStatus

from flask import Request, Response

from registry.http.access import WRITES
from registry.services.audit import receipts

HEADER = "Audit-Event"


def attach(response: Response, request: Request) -> None:
    """Add the receipt to the response of a write that has appended an entry, or repeats one that had."""
    if request.method not in WRITES or response.status_code >= HTTPStatus.BAD_REQUEST:
        return
    receipt = receipts.current()
    if receipt is not None:
        response.headers[HEADER] = f"{receipt.entry}; leaf={receipt.leaf}"
