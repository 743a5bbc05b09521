"""Search: models and versions by a filter."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from urllib.parse import quote

from registry.client.http.transport import Transport, View
from registry.client.types import ModelView, VersionView

LONGEST_IN_ADDRESS = 4000  # many proxies refuse a request line of 8 KiB


class Search:
    """Finds models and versions. The API's document describes the language of *filter* and of *order_by*."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def __call__(self, filter: str | None = None, *, order_by: str | None = None) -> Iterator[VersionView]:
        """Yield versions, as ``versions`` does."""
        return self.versions(filter, order_by=order_by)

    def models(self, filter: str | None = None, *, order_by: str | None = None) -> Iterator[ModelView]:
        """Yield matching models by name, as for ``tags.team = 'risk'``. Raises Invalid for a malformed filter."""
        return self._find(ModelView, "/search/models", filter, order_by)

    def versions(
        self,
        filter: str | None = None,
        *,
        order_by: str | None = None,
        on_warning: Callable[[str], None] = warnings.warn,
    ) -> Iterator[VersionView]:
        """Yield matching versions, newest first, as for ``metrics.auc > 0.9 AND stage = 'production'``.

        The best on one dataset come first with *order_by* ``metrics.auc ON 'sha256:…' DESC``. *on_warning* is called
        when an order without ON compares values on several datasets.
        """
        return self._find(VersionView, "/search/versions", filter, order_by, on_warning)

    def _find(
        self,
        shape: type[View],
        path: str,
        filter: str | None,
        order_by: str | None,
        on_warning: Callable[[str], None] | None = None,
    ) -> Iterator[View]:
        asked = {"filter": filter, "order_by": order_by}
        if len(quote(filter or "")) > LONGEST_IN_ADDRESS:
            return self._transport.pages(shape, path, body=asked, on_warning=on_warning)
        return self._transport.pages(shape, path, query=asked, on_warning=on_warning)
