"""Models: names with versions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from registry.client.fields import comma_separated, given, labels
from registry.client.http.transport import Transport, path
from registry.client.types import (
    EntryView,
    Lifecycle,
    MeasuredVersionView,
    ModelView,
)
from registry.client.values import When


class Models:
    """Names with versions."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def create(
        self,
        name: str,
        *,
        description: str | None = None,
        tags: Mapping[str, Any] | None = None,
        lifecycle: Lifecycle | None = None,
        claimed: Mapping[str, Any] | None = None,
        idempotency_key: str | None = None,
    ) -> ModelView:
        """Create a model; raises AlreadyExists. *claimed* has the facts of another registry, for imports."""
        body = given(name=name, description=description, tags=labels(tags), lifecycle=lifecycle, claimed=claimed)
        return self._transport.one(ModelView, "POST", "/models", body=body, key=idempotency_key)

    def list(
        self, *, name: str | None = None, deleted: bool | None = None, fields: Iterable[str] | None = None
    ) -> Iterator[ModelView]:
        """Yield models by name; deleted ones only on request. With *fields*, each has only these."""
        query = {"name": name, "deleted": deleted, "fields": comma_separated(fields)}
        return self._transport.pages(ModelView, "/models", query=query)

    def get(self, name: str) -> ModelView:
        """Return one model, also a deleted one."""
        return self._transport.one(ModelView, "GET", path("models", name))

    def metrics(
        self, name: str, keys: Iterable[str] = (), *, dataset: str | None = None, slice: str | None = None
    ) -> Iterator[MeasuredVersionView]:
        """Yield the versions, newest first, each with the latest value of the metrics *keys*, at most 10.

        Without keys they are the first ten of ``metric_keys``. With the digest of a *dataset*, the values are the
        latest on it; with a *slice* such as ``country=DE``, on that part of the data.
        """
        query = {"key": list(keys) or None, "dataset": dataset, "slice": slice}
        return self._transport.pages(MeasuredVersionView, path("models", name, "metrics"), query=query)

    def metric_keys(self, name: str) -> Sequence[str]:
        """Return the names of the metrics of the model's latest versions."""
        page = self._transport.one(dict, "GET", path("models", name, "metrics"), query={"limit": 1})
        return [str(key) for key in page["keys"]]

    def edit(
        self,
        name: str,
        *,
        description: str | None = None,
        tags: Mapping[str, Any] | None = None,
        lifecycle: Lifecycle | None = None,
        reason: str | None = None,
        if_match: str | None = None,
        idempotency_key: str | None = None,
    ) -> ModelView:
        """Change what is given; a tag whose value is None is removed."""
        body = given(description=description, tags=labels(tags), lifecycle=lifecycle, reason=reason)
        return self._transport.one(
            ModelView, "PATCH", path("models", name), body=body, if_match=if_match, key=idempotency_key
        )

    def delete(self, name: str, *, reason: str | None = None, if_match: str | None = None) -> ModelView:
        """Put a tombstone on a model; raises InUse while a version serves."""
        return self._transport.one(
            ModelView, "DELETE", path("models", name), query={"reason": reason}, if_match=if_match
        )

    def restore(self, name: str, *, reason: str | None = None, idempotency_key: str | None = None) -> ModelView:
        """Take the tombstone away again."""
        return self._transport.one(
            ModelView, "POST", path("models", name, "restore"), body=given(reason=reason), key=idempotency_key
        )

    def history(
        self,
        name: str,
        *,
        action: str | None = None,
        actor: str | None = None,
        since: When | None = None,
        until: When | None = None,
    ) -> Iterator[EntryView]:
        """Yield the history of a model and its versions, newest first."""
        query = {"action": action, "actor": actor, "since": since, "until": until}
        return self._transport.pages(EntryView, path("models", name, "history"), query=query)

    def etag(self, name: str) -> str | None:
        """Return the model's current ETag, for ``if_match``."""
        with self._transport.send("GET", path("models", name)) as response:
            return response.headers.get("ETag")
