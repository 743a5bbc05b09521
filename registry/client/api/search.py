"""Search: models and versions by a filter."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator
from urllib.parse import quote

from registry.client.fields import comma_separated
from registry.client.http.transport import Transport, View
from registry.client.types import CompletionView, ModelView, VersionView

LONGEST_IN_ADDRESS = 4000  # many proxies refuse a request line of 8 KiB


class Search:
    """Finds models and versions. The API's document describes the language of *filter* and of *order_by*."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def __call__(
        self, filter: str | None = None, *, order_by: str | None = None, fields: Iterable[str] | None = None
    ) -> Iterator[VersionView]:
        """Yield versions, as ``versions`` does."""
        return self.versions(filter, order_by=order_by, fields=fields)

    def models(
        self, filter: str | None = None, *, order_by: str | None = None, fields: Iterable[str] | None = None
    ) -> Iterator[ModelView]:
        """Yield matching models by name, as for ``tags.team = 'risk'``. Raises Invalid for a malformed filter.

        With *fields*, each has only these.
        """
        return self._find(ModelView, "/search/models", filter, order_by, fields)

    def versions(
        self,
        filter: str | None = None,
        *,
        order_by: str | None = None,
        fields: Iterable[str] | None = None,
        on_warning: Callable[[str], None] = warnings.warn,
    ) -> Iterator[VersionView]:
        """Yield matching versions, newest first, as for ``metrics.auc > 0.9 AND stage = 'production'``.

        The best on one dataset come first with *order_by* ``metrics.auc ON 'sha256:…' DESC``. With *fields*, each
        version has only these. *on_warning* is called when an order without ON compares values on several datasets.
        """
        return self._find(VersionView, "/search/versions", filter, order_by, fields, on_warning)

    def complete(self, q: str, *, of: str = "versions", caret: int | None = None) -> CompletionView:
        """Return what can stand in an unfinished filter *q* of ``versions`` or ``models``.

        The place is *caret*, by default the end.
        """
        query = {"q": q, "of": of, "caret": caret}
        return self._transport.one(CompletionView, "GET", "/search/complete", query=query)

    def _find(
        self,
        shape: type[View],
        path: str,
        filter: str | None,
        order_by: str | None,
        fields: Iterable[str] | None,
        on_warning: Callable[[str], None] | None = None,
    ) -> Iterator[View]:
        asked = {"filter": filter, "order_by": order_by}
        names = comma_separated(fields)
        if len(quote(filter or "")) > LONGEST_IN_ADDRESS:
            body = {**asked, "fields": names.split(",") if names else None}
            return self._transport.pages(shape, path, body=body, on_warning=on_warning)
        return self._transport.pages(shape, path, query={**asked, "fields": names}, on_warning=on_warning)
