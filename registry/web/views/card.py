"""The model card of a version: its file README.md, rendered, or the reason why it is not shown."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

from flask import Response

from registry.domain.access import Permission
from registry.domain.errors import RegistryError
from registry.http.access import requires
from registry.http.context import current_actor, store
from registry.services.catalog import browsing, versions
from registry.services.downloads import heads
from registry.web.addresses import api_path, command
from registry.web.blueprint import blueprint
from registry.web.pages import WebPage
from registry.web.rendering import page
from registry.web.text.front_matter import ModelCard, read_card
from registry.web.views.version_acts import VERSION, way_to

CARD = "README.md"


class CardPage(WebPage):
    """The card, read from the store when the block is shown. ``why`` is None if the card is shown."""

    template = "card.html"

    def __init__(self, model: str, number: int) -> None:
        versions.describe(model, number)
        self.place: Mapping[str, Any] = {"model": model, "number": number}
        self.title = f"Model card of {model} v{number}"
        self.crumbs = way_to(model, number, "Model card")
        self.command = command("registry", "pull", f"{model}:{number}", "--include", CARD, "-o", "card")
        self.api = api_path("models", model, "versions", number)
        self.file = browsing.file_at(model, number, CARD)

    @cached_property
    def _read(self) -> tuple[ModelCard | None, str | None]:
        if self.file is None:
            return None, "This version has no model card: none of its files is README.md."
        if Permission.FILE_DOWNLOAD not in current_actor().permissions:
            roles = ", ".join(sorted(current_actor().roles))
            return None, (
                "This version has a model card, the file README.md. Reading files requires the permission "
                f"file:download; {current_actor().name} has the roles: {roles}."
            )
        current_actor().require(Permission.FILE_DOWNLOAD)
        try:
            head = heads.head(self.place["model"], self.place["number"], CARD, store=store())
        except RegistryError as error:
            return None, f"The model card cannot be shown: {error.detail}."
        return read_card(head.content.decode(errors="replace")), None

    @property
    def card(self) -> ModelCard | None:
        return self._read[0]

    @property
    def why(self) -> str | None:
        return self._read[1]

    @property
    def is_cut(self) -> bool:
        return self.file is not None and self.file.size > heads.MOST


@blueprint.get(f"{VERSION}/card")
@requires(Permission.MODEL_READ, surely=True)
def card(model: str, number: int) -> Response:
    return page(CardPage(model, number))
