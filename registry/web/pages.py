"""The base of pages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, ClassVar

from werkzeug.datastructures import MultiDict


@dataclass(frozen=True, slots=True)
class Crumb:
    """A step of the breadcrumb; the last one has no address."""

    text: str
    href: str | None = None


@dataclass(frozen=True, slots=True)
class WebRefusal:
    """A refusal with the text of its error; ``title`` is the part before the colon.

    ``uncertain``: it is not known whether the act was done, because the connection to the database was lost.
    ``retry_after`` is the number of seconds after which the same request may succeed.
    """

    code: str
    title: str
    detail: str
    status: int
    extras: Mapping[str, Any]
    uncertain: bool = False
    retry_after: int | None = None


class WebPage:
    """The data of a template. A subclass sets the template, the title, and the API path and command of the page.

    ``api`` is the equivalent path below ``/api/v1``, ``command`` the equivalent command line; "" if there is none. A
    page with a form has the sent fields in ``values``, the errors by field in ``errors``, and the refusal in
    ``refusal``.
    """

    template: ClassVar[str]
    title: str = ""
    crumbs: Sequence[Crumb] = ()
    api: str = ""
    command: str = ""
    key: str = ""
    values: MultiDict[str, str] = MultiDict()
    errors: Mapping[str, Sequence[str]] = {}
    refusal: WebRefusal | None = None

    @property
    def back(self) -> str | None:
        """Return the address of the page above this one."""
        return next((crumb.href for crumb in reversed(self.crumbs) if crumb.href), None)

    @property
    def again(self) -> bool:
        """Return whether the store or the database did not respond, so that the same form can be sent again."""
        return self.refusal is not None and self.refusal.status == HTTPStatus.SERVICE_UNAVAILABLE

    @property
    def missing(self) -> Sequence[str]:
        """Return the SHA-256 of the files that the store lacks, after a refusal for missing bytes."""
        found: Sequence[str] = self.refusal.extras.get("missing", ()) if self.refusal else ()
        return found

    @property
    def refused_gates(self) -> Sequence[Mapping[str, Any]]:
        """Return the verdicts of the policy on the move, after a refusal by it."""
        found: Sequence[Mapping[str, Any]] = self.refusal.extras.get("gates", ()) if self.refusal else ()
        return found

    @property
    def fresh(self) -> bool:
        """Return whether the form keeps the choice: False after another change came first."""
        return self.refusal is None or self.refusal.code != "stale"
