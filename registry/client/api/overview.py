"""All models: versions in a stage, changes, and versions that need attention."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator

from registry.client.http.transport import Transport
from registry.client.types import AttentionView, EntryView, ServingView, Stage
from registry.client.values import When


class Overview:
    """What every reader may know of all models."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def inventory(
        self,
        *,
        stage: Stage = "production",
        as_of: When | None = None,
        filter: str | None = None,
        on_warning: Callable[[str], None] = warnings.warn,
    ) -> Iterator[ServingView]:
        """Yield the versions that hold *stage*, or held it at *as_of* (RFC 3339), by model.

        *filter* describes the models, as they are now. *on_warning* is called when nothing held the stage then, and
        when the past of some models is not certain. Raises Invalid for a time to come or a malformed filter.
        """
        query = {"stage": stage, "as_of": as_of, "filter": filter}
        return self._transport.pages(ServingView, "/inventory", query=query, on_warning=on_warning)

    def changes(
        self,
        *,
        actor: str | None = None,
        action: str | None = None,
        model: str | None = None,
        since: When | None = None,
        until: When | None = None,
    ) -> Iterator[EntryView]:
        """Yield the entries about models, newest first: at or after *since*, before *until*."""
        query = {"actor": actor, "action": action, "model": model, "since": since, "until": until}
        return self._transport.pages(EntryView, "/changes", query=query)

    def attention(self) -> AttentionView:
        """Return the versions that are damaged or unrecorded in production, pending for long, or failed recently."""
        return self._transport.one(AttentionView, "GET", "/attention")
