"""The environment of the templates: their filters, macros and functions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Flask, g, request
from jinja2 import StrictUndefined, Undefined
from jinja2.utils import missing

from registry.db import times
from registry.domain import clock
from registry.domain.access import Permission
from registry.http.context import absolute, below_prefix, settings
from registry.web import addresses, assets, csrf, notices, rendering
from registry.web.blueprint import blueprint
from registry.web.text import markdown, stage_words, words

THEME_COOKIE = "registry-theme"
THEMES = ("light", "dark")
TIMES_COOKIE = "registry-times"
blueprint.after_request(notices.remove_shown)


def prepare(app: Flask) -> None:
    """Add the filters, macros and functions of the pages to the templates of *app*."""
    environment = app.jinja_env
    environment.trim_blocks = environment.lstrip_blocks = True
    environment.undefined = _Missing
    environment.filters.update(
        ago=lambda moment: words.ago(moment, now=times.now()),
        utc=words.utc,
        size=words.size,
        number=words.number,
        difference=words.difference,
        stage_kind=words.stage_kind,
        state_kind=words.state_kind,
        stage_text=words.STAGE_TEXTS.get,
        state_text=words.STATE_TEXTS.get,
        short_digest=words.short_digest,
        brief=words.brief,
        clean=words.clean,
        safe_url=words.safe_url,
        folded=words.folded,
        editable=words.editable,
        markdown=markdown.render,
        lead=markdown.lead,
    )
    environment.globals.update(
        url_for=addresses.url_for,
        has_page=addresses.has_page,
        asset=assets.address,
        may=may,
        csrf_token=csrf.token,
        notice=notices.arrived,
        theme=theme,
        now=lambda: clock.wire(clock.now()),
        local_times=lambda: request.cookies.get(TIMES_COOKIE) == "local",
        development=lambda: settings().dev,
        actor=lambda: g.get("actor"),
        here=addresses.here,
        in_dialog=rendering.in_dialog,
        absolute=absolute,
        command_line=addresses.command,
        api_address=lambda path: f"{addresses.API}{path}",
        twin_address=lambda path: below_prefix(f"/json{path}"),
        tenure_words=stage_words.tenure,
        lack=lambda forbidden, act: stage_words.lack(forbidden, g.actor, act),
        is_here=lambda endpoint: request.endpoint == f"web.{endpoint}",
    )
    environment.globals["ui"] = _Macros(app)


def may(permission: str) -> bool:
    """Return whether the caller's roles grant a permission, by its text such as ``model:edit``."""
    actor = g.get("actor")
    return actor is not None and Permission(permission) in actor.permissions


def theme() -> str | None:
    """Return the theme that the browser has chosen; None for that of its system."""
    chosen = request.cookies.get(THEME_COOKIE)
    return chosen if chosen in THEMES else None


class _Missing(StrictUndefined):
    """A name or an attribute that a template uses and that is not there: an error instead of an empty text.

    An AttributeError inside a property of a page is one, too. The keys of documents are optional: one that a document
    lacks is empty.
    """

    def __new__(cls, hint: str | None = None, obj: Any = missing, **named: Any) -> Any:
        if isinstance(obj, Mapping):
            return Undefined(hint, obj, **named)
        return super().__new__(cls)


class _Macros:
    """The macros of ``ui.html``, for every block: one that is rendered alone executes no import."""

    def __init__(self, app: Flask) -> None:
        self._app = app
        self._module: Any = None

    def __getattr__(self, name: str) -> Any:
        if self._module is None:
            self._module = self._app.jinja_env.get_template("ui.html").module
        return getattr(self._module, name)
