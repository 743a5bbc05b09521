"""Search: models and versions by a filter."""

from __future__ import annotations

from collections.abc import Iterator

from registry.client.transport import Transport
from registry.client.types import ModelView, VersionView


class Search:
    """Finds models and versions. The API's document describes the language of *filter* and of *order_by*."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def models(self, filter: str | None = None, *, order_by: str | None = None) -> Iterator[ModelView]:
        """Models such as ``tags.team = 'risk'`` describes, by name; raises Invalid for a filter that is none."""
        return self._transport.pages(ModelView, "/search/models", query={"filter": filter, "order_by": order_by})

    def versions(self, filter: str | None = None, *, order_by: str | None = None) -> Iterator[VersionView]:
        """Versions of all models such as ``metrics.auc > 0.9 AND stage = 'production'`` describes, newest first."""
        return self._transport.pages(VersionView, "/search/versions", query={"filter": filter, "order_by": order_by})
