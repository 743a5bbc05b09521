"""Search: models and versions by a filter."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import quote

from registry.client.fields import comma_separated
from registry.client.http.transport import Query, Transport, View
from registry.client.types import BestView, CompletionView, ModelView, VersionView

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

    def best(
        self,
        metric: str,
        *,
        on: str,
        slice: str | None = None,
        direction: str | None = None,
        filter: str | None = None,
        fields: Iterable[str] | None = None,
        on_order: Callable[[BestView], None] | None = None,
    ) -> Iterator[VersionView]:
        """Yield the versions that have the *metric* on a dataset, the best first, and the newest of equal ones.

        *on* is a digest of the dataset, or its name in a lineage; *slice* is a part of it, as ``country=DE``. Without a
        *direction*, ``max`` or ``min``, the end of the metric's name decides: raises Invalid where that is not known.
        *on_order* is called with the direction and the digests of the dataset before the first version.
        """
        asked = {"best": metric, "on": on, "slice": slice, "direction": direction, "filter": filter}

        def announce(page: Mapping[str, Any]) -> None:
            if on_order is not None:
                on_order(page["best"])

        return self._pages(VersionView, "/search/versions", asked, fields, on_page=announce)

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
        return self._pages(shape, path, asked, fields, on_warning=on_warning)

    def _pages(
        self,
        shape: type[View],
        path: str,
        asked: Mapping[str, str | None],
        fields: Iterable[str] | None,
        *,
        on_page: Callable[[Mapping[str, Any]], None] | None = None,
        on_warning: Callable[[str], None] | None = None,
    ) -> Iterator[View]:
        names = comma_separated(fields)
        query: Query | None = {**asked, "fields": names}
        body: Query | None = None
        if len(quote(asked["filter"] or "")) > LONGEST_IN_ADDRESS:
            query, body = None, {**asked, "fields": names.split(",") if names else None}
        return self._transport.pages(shape, path, query=query, body=body, on_page=on_page, on_warning=on_warning)
