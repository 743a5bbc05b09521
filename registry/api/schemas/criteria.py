"""Criteria of the lists that auditors read."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

from marshmallow import post_load

from registry.api.schemas.paging import PageQuery
from registry.http.fields import Instant, Text, about


class CriteriaQuery(PageQuery):
    """A page of what an actor did, at or after ``since`` and before ``until``; the services take ``criteria``."""

    CRITERIA: ClassVar[type]

    actor = Text(most=255, metadata=about("Only of the account with this name."))
    action = Text(most=64, metadata=about("Only this action, like `version.promoted`."))
    since = Instant(metadata=about("Only at or after this time."))
    until = Instant(metadata=about("Only before this time."))

    @post_load
    def _gather(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        names = [field.name for field in dataclasses.fields(self.CRITERIA) if field.name in data]
        return data | {"criteria": self.CRITERIA(**{name: data.pop(name) for name in names})}
