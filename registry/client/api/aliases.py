"""Aliases: movable names for versions."""

from __future__ import annotations

from collections.abc import Iterator

from registry.client.fields import UNSET, Expected, expecting, given
from registry.client.http.transport import Transport, path
from registry.client.types import (
    AliasView,
    ProtectionView,
)
from registry.client.values import When


class Aliases:
    """Movable unique names for versions."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def set(
        self,
        model: str,
        alias: str,
        version: int,
        *,
        expected_current: Expected = UNSET,
        reason: str | None = None,
        idempotency_key: str | None = None,
    ) -> AliasView:
        """Point *alias* at a version.

        Raises Stale when it does not point at *expected_current*, and NotReady for a version that it may not point at.
        Raises Forbidden for a protected alias without ``version:promote``.
        """
        body = expecting(expected_current, version=version, reason=reason)
        return self._transport.one(
            AliasView, "PUT", path("models", model, "aliases", alias), body=body, key=idempotency_key
        )

    def get(self, model: str, alias: str, *, as_of: When | None = None) -> AliasView:
        """Return the version that *alias* points at, now or at *as_of* (RFC 3339)."""
        return self._transport.one(AliasView, "GET", path("models", model, "aliases", alias), query={"as_of": as_of})

    def list(self, model: str) -> Iterator[AliasView]:
        """Yield the model's aliases."""
        return self._transport.pages(AliasView, path("models", model, "aliases"))

    def delete(self, model: str, alias: str, *, reason: str | None = None) -> AliasView:
        """Remove an alias; its history stays."""
        return self._transport.one(
            AliasView, "DELETE", path("models", model, "aliases", alias), query={"reason": reason}
        )

    def protect(self, model: str, alias: str, *, reason: str | None = None) -> ProtectionView:
        """Protect *alias*: it points at ready versions and moves with ``version:promote`` only. It need not exist."""
        where = path("models", model, "aliases", alias, "protection")
        return self._transport.one(ProtectionView, "PUT", where, body=given(reason=reason))

    def unprotect(self, model: str, alias: str, *, reason: str | None = None) -> ProtectionView:
        """Stop protecting *alias*. Raises Conflict where the registry protects it in every model."""
        where = path("models", model, "aliases", alias, "protection")
        return self._transport.one(ProtectionView, "DELETE", where, query={"reason": reason})

    def history(self, model: str, alias: str) -> Iterator[AliasView]:
        """Yield each version that *alias* pointed at, newest first."""
        return self._transport.pages(AliasView, path("models", model, "aliases", alias, "history"))
