"""Webhooks: there are none, and creating one is refused as an unsupported feature."""

from __future__ import annotations

from typing import Any, NoReturn

from registry.domain.access import Permission
from registry.domain.errors import Invalid, NotFound, Unsupported
from registry.http.access import requires
from registry.mlflow.endpoint import endpoint
from registry.mlflow.parsing import documents, integer, string

ADVICE = (
    "Webhooks are not supported by this model registry. Poll GET /api/v1/models/<name>/stages/production with "
    "If-None-Match, or read GET /api/v1/audit?since=…, to learn of changes."
)


@endpoint(
    "POST",
    "/webhooks",
    name=string(required=True),
    url=string(required=True),
    events=documents(required=True),
)
@requires(Permission.MODEL_EDIT)
def create_webhook(**_asked: Any) -> dict[str, Any]:
    """Refuse: nothing would be delivered."""
    raise Unsupported(ADVICE)


@endpoint("GET", "/webhooks", max_results=integer(), page_token=string())
@requires(Permission.MODEL_READ)
def list_webhooks(max_results: int = 100, page_token: str = "") -> dict[str, Any]:
    """List none."""
    if not 1 <= max_results <= 1000:
        raise Invalid.whole("max_results must be between 1 and 1000.")
    return {}


@endpoint("GET", "/webhooks/<webhook>")
@requires(Permission.MODEL_READ)
def get_webhook(webhook: str) -> dict[str, Any]:
    """Refuse: there are no webhooks."""
    _not_found(webhook)


@endpoint("PATCH DELETE", "/webhooks/<webhook>")
@requires(Permission.MODEL_EDIT)
def change_webhook(webhook: str) -> dict[str, Any]:
    """Refuse: there are no webhooks."""
    _not_found(webhook)


@endpoint("POST", "/webhooks/<webhook>/test")
@requires(Permission.MODEL_EDIT)
def test_webhook(webhook: str) -> dict[str, Any]:
    """Refuse: there are no webhooks."""
    _not_found(webhook)


def _not_found(webhook: str) -> NoReturn:
    raise NotFound(f"Webhook with ID {webhook[:100]} not found.")
