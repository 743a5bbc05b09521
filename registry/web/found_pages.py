"""Pages of the models and of the versions that match a filter, and of the best versions by a metric."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import cached_property
from typing import Any, ClassVar

from werkzeug.datastructures import MultiDict

from registry.db import times
from registry.db.records import EvaluationRecord
from registry.db.records import Page as Listed
from registry.domain.errors import Invalid, Malformed
from registry.domain.filters import keys, search_texts
from registry.domain.filters.search_texts import NamePart
from registry.http import cursors
from registry.rules import slices
from registry.rules.metric_directions import MetricDirection
from registry.services.catalog import models
from registry.services.search import search
from registry.services.search.best import BestQuery
from registry.services.search.search import FoundVersions
from registry.web.addresses import api_path, command, url_for
from registry.web.errors import refusal_of
from registry.web.pages import Crumb, WebPage

ROWS = 50
MODEL_FIELDS = ("name", "tags", "lifecycle", "latest_version", "stages", "updated_at", "deleted_at")
VERSION_FIELDS = (
    "model", "number", "stage", "state", "aliases", "metrics", "evaluations", "manifest_digest", "created_at",
    "created_by",
)  # fmt: skip
BEST = ("best", "on", "slice", "direction")
WEEK = timedelta(days=7)
_COLUMN = re.compile(r"column ([0-9]{1,6}): ")
_DELETED = "deleted models"  # the first member of their positions
_UNFIT = re.compile("[^\t\n -~\xa0-\ud7ff\ue000-\ufdcf\ufdf0-\ufffd\U00010000-\U0010fffd]")


class FoundPage(WebPage):
    """A list of matches of a filter. The error of a refused filter is shown under its field, with the column marked."""

    endpoint: ClassVar[str]
    kind: ClassVar[str]
    fallback: ClassVar[str]
    vocabulary: ClassVar[keys.Vocabulary]

    def __init__(self, query: Mapping[str, Any]) -> None:
        self.query = query
        self.typed = (query["filter"] if query["q"] is None else query["q"]).strip()
        meant = search_texts.meaning(self.typed)
        self.filter = meant.filter if isinstance(meant, NamePart) else self.typed
        self.order_by = query["order_by"].strip()
        self.found = self._read()
        arguments = {"filter": self.filter or None, "order_by": self.order_by or None}
        self.api = api_path("search", self.kind, **arguments)
        if self.refusal is None:
            order = ("--order-by", self.order_by) if self.order_by else ()
            self.command = command(*self._words(), *order, *([self.filter] if self.filter else ()))

    def _words(self) -> Sequence[str]:
        return ("registry", "search")

    def _read(self) -> Listed[Any]:
        try:
            return self._search(cursors.position(self.query["cursor"]))
        except (Invalid, Malformed) as error:
            self.refusal, self.errors = refusal_of(error), error.extras.get("errors", {})
            return Listed([])

    def _search(self, after: tuple[Any, ...] | None) -> Listed[Any]:
        raise NotImplementedError

    @property
    def box(self) -> str:
        """Return the typed text, without characters that HTML forbids."""
        return _UNFIT.sub("\ufffd", self.typed)

    @property
    def order(self) -> str:
        """Return the order, without characters that HTML forbids."""
        return _UNFIT.sub("\ufffd", self.order_by)

    @property
    def is_filter_wrong(self) -> bool:
        """Return whether a refusal is about the filter."""
        return self.refusal is not None

    @property
    def status(self) -> int:
        """Return the status of the response."""
        return self.refusal.status if self.refusal else 200

    @property
    def marked(self) -> tuple[str, str, str] | None:
        """Return the filter in three parts: before, at and after the column of the error; None without one."""
        named = _COLUMN.search(self.refusal.detail) if self.refusal else None
        if named is None or self.filter != self.typed or "order_by" in self.refusal.extras.get("errors", {}):  # type: ignore[union-attr]  # there is one
            return None
        place = min(int(named[1]) - 1, len(self.filter))
        return self.filter[:place], self.filter[place : place + 1] or " ", self.filter[place + 1 :]

    @property
    def keys(self) -> Sequence[tuple[str, str]]:
        """Return the keys of filters, each with the kind of its values or with all of them."""
        fields = sorted(self.vocabulary.fields.items())
        return [
            (f"{name}.<key>" if field.entries else name, ", ".join(field.choices) or field.kind.value)
            for name, field in fields
        ]

    @property
    def following(self) -> str | None:
        """Return the address of the next page of the list."""
        cursor = cursors.of(self.found.next_after)
        return cursor and self._address(cursor=cursor, order_by=self.order_by or None)

    def sort(self, key: str) -> Mapping[str, str | None]:
        """Return the address that sorts by a key or reverses its order, and the present direction."""
        current = self.order_by or self.fallback
        direction = {key: "ascending", f"{key} DESC": "descending"}.get(current)
        order = f"{key} DESC" if direction == "ascending" else key
        return {"href": self._address(order_by=order), "direction": direction}

    def _address(self, **others: Any) -> str:
        return url_for(self.endpoint, filter=self.typed or None, **others)


class ModelsPage(FoundPage):
    """The list of models."""

    template = "models.html"
    title = "Models"
    endpoint, kind, fallback = "models", "models", "name"
    vocabulary = keys.MODELS
    crumbs = (Crumb("Models"),)

    def __init__(self, query: Mapping[str, Any]) -> None:
        self.deleted = query["deleted"] == "true"
        super().__init__(query)
        if self.deleted:
            self.api = api_path("models", deleted="true")
            self.command = command("registry", "model", "list", "--deleted")

    def _words(self) -> Sequence[str]:
        return ("registry", "search", "--models")

    def _search(self, after: tuple[Any, ...] | None) -> Listed[Any]:
        if self.deleted:
            return self._list_deleted(after)
        return search.find_models(
            filter=self.filter, order_by=self.order_by, after=after, limit=ROWS, field_names=MODEL_FIELDS
        )

    def _list_deleted(self, after: tuple[Any, ...] | None) -> Listed[Any]:
        """Return a page of the deleted models. Its cursors are invalid in the list of live models, and the reverse."""
        if self.typed:
            raise Invalid.field(
                "filter", "does not apply to deleted models; remove it, or search the models that are not deleted"
            )
        if after is not None and after[0] != _DELETED:
            raise Malformed("this cursor belongs to another list; open the list of deleted models again")
        found = models.list_(deleted=True, after=after and after[1:], limit=ROWS, field_names=MODEL_FIELDS)
        return Listed(found.items, found.next_after and (_DELETED, *found.next_after))

    def _address(self, **others: Any) -> str:
        return super()._address(deleted="true" if self.deleted else None, **others)

    @cached_property
    def quick(self) -> Sequence[Mapping[str, Any]]:
        """Return the links to filters that are used often."""
        week = f"updated_at >= '{(times.now() - WEEK).date().isoformat()}'"
        filters = {"in production": "stage = 'production'", "nothing in production": "NOT stage = 'production'",
                   "changed this week": week}  # fmt: skip
        links: list[tuple[str, Mapping[str, str], bool]] = [("all", {}, not self.typed and not self.deleted)]
        links += [(text, {"filter": one}, self.typed == one and not self.deleted) for text, one in filters.items()]
        links.append(("deleted", {"deleted": "true"}, self.deleted))
        return [{"text": text, "href": url_for("models", **query), "here": here} for text, query, here in links]


class FoundVersionsPage(FoundPage):
    """The versions of all models that match a filter."""

    template = "versions.html"
    title = "Versions"
    endpoint, kind, fallback = "search_versions", "versions", "created_at DESC"
    vocabulary = keys.VERSIONS

    def __init__(self, query: Mapping[str, Any]) -> None:
        super().__init__(query)
        self.crumbs = (Crumb("Models", url_for("models")), Crumb("Versions"))

    def _search(self, after: tuple[Any, ...] | None) -> Listed[Any]:
        return search.find_versions(
            filter=self.filter, order_by=self.order_by, after=after, limit=ROWS, field_names=VERSION_FIELDS
        )

    @cached_property
    def metrics(self) -> Sequence[str]:
        """Return at most three metrics to show: those that the search names first, then by name."""
        known = sorted({key for version in self.found.items for key in version["metrics"]})
        asked = f"{self.order_by} {self.filter}"
        return sorted(known, key=lambda key: (not _names_metric(asked, key), key))[:3]


class BestVersionsPage(FoundPage):
    """The best versions by a metric on a dataset, or on a slice of it."""

    template = "best.html"
    title = "Best versions"
    endpoint, kind, fallback = "search_versions", "versions", ""
    vocabulary = keys.VERSIONS
    found: FoundVersions

    def __init__(self, query: Mapping[str, Any]) -> None:
        self.values = MultiDict((name, query[name]) for name in BEST)
        super().__init__({**query, "order_by": ""})
        self.crumbs = (Crumb("Models", url_for("models")), Crumb("Best versions"))
        self.api = api_path("search", self.kind, filter=self.filter or None, **self.by_best)
        if self.refusal is None:
            self.command = command(*self._words(), *self._options(), *([self.filter] if self.filter else ()))

    @property
    def by_best(self) -> Mapping[str, str]:
        """Return the options that are not empty, by their names in addresses."""
        return {name: text for name in BEST if (text := self.values[name].strip())}

    @property
    def caption(self) -> str:
        """Return what the versions are ordered by."""
        order = self.found.best
        assert order is not None  # noqa: S101 -- the versions were asked by it
        part = f" on {order.slice}" if order.slice else ""
        best = "highest" if order.direction is MetricDirection.MAX else "lowest"
        return f"{order.metric}{part}, the {best} value first"

    def _options(self) -> Sequence[str]:
        return [word for name, text in self.by_best.items() for word in (f"--{name}", text)]

    def _search(self, after: tuple[Any, ...] | None) -> Listed[Any]:
        asked = BestQuery(**_best_of(self.by_best))
        return search.find_versions(filter=self.filter, best=asked, after=after, limit=ROWS, field_names=VERSION_FIELDS)

    @property
    def is_filter_wrong(self) -> bool:
        return super().is_filter_wrong and not any(name in self.errors for name in BEST)

    def value(self, version: Mapping[str, Any]) -> EvaluationRecord:
        """Return the measurement that decides the place of a version: the latest on the data."""
        order = self.found.best
        assert order is not None  # noqa: S101 -- the versions were asked by it
        data = (order.metric, order.slice)
        measured: list[EvaluationRecord] = [
            one
            for one in version["evaluations"]
            if (one.metric, one.slice) == data and one.dataset_digest in order.digests
        ]
        return measured[-1]

    def _address(self, **others: Any) -> str:
        return super()._address(**self.by_best, **others)


def _best_of(options: Mapping[str, str]) -> Mapping[str, Any]:
    """Return the members of a question for the best versions. Raises Invalid."""
    if "on" not in options:
        raise Invalid.field("on", "must be given: a digest or the name of the dataset")
    try:
        part = slices.canonical(options.get("slice", ""))
    except ValueError as error:
        raise Invalid.field("slice", str(error)) from error
    direction = options.get("direction")
    return {
        "metric": options["best"],
        "on": options["on"],
        "slice": part,
        "direction": MetricDirection(direction) if direction else None,
    }


def _names_metric(text: str, key: str) -> bool:
    return re.search(rf"metrics?\.[`\"]?{re.escape(key)}(?![\w./-])", text) is not None
