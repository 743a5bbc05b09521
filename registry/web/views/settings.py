"""The settings of a browser: its theme, and how times are shown. They are cookies that the templates read."""

from __future__ import annotations

from http import HTTPStatus

from flask import Response, redirect, request
from marshmallow import fields, validate

from registry.domain.access import Permission
from registry.http.access import requires
from registry.http.context import current_request
from registry.web import forms, notices
from registry.web.addresses import url_for
from registry.web.blueprint import blueprint
from registry.web.environment import THEME_COOKIE, THEMES, TIMES_COOKIE
from registry.web.notices import Notice
from registry.web.pages import Crumb, WebPage
from registry.web.rendering import page

SYSTEM, LOCAL, UTC = "system", "local", "utc"
YEAR = 365 * 86_400


class SettingsForm(forms.WebForm):
    """The chosen settings; an unknown choice is refused."""

    theme = fields.String(load_default=SYSTEM, validate=validate.OneOf([SYSTEM, *THEMES]))
    times = fields.String(load_default=UTC, validate=validate.OneOf([UTC, LOCAL]))


class SettingsPage(WebPage):
    """The choices of this browser."""

    template = "settings.html"
    title = "Settings"
    crumbs = (Crumb("Settings"),)

    def __init__(self) -> None:
        self.theme = request.cookies.get(THEME_COOKIE, SYSTEM)
        self.times = request.cookies.get(TIMES_COOKIE, UTC)


@blueprint.route("/settings", methods=["GET", "POST"])
@requires(Permission.SELF_READ)
def settings() -> Response:
    if request.method != "POST":
        return page(SettingsPage())
    chosen = forms.load(SettingsForm, forms.sent(current_request()))
    response: Response = redirect(url_for("settings"), HTTPStatus.SEE_OTHER, Response=Response)  # type: ignore[assignment]
    for cookie, value, usual in ((THEME_COOKIE, chosen["theme"], SYSTEM), (TIMES_COOKIE, chosen["times"], UTC)):
        if value == usual:
            response.delete_cookie(cookie, path="/")
        else:
            response.set_cookie(
                cookie, value, max_age=YEAR, httponly=True, samesite="Lax", secure=request.is_secure, path="/"
            )
    notices.carry(response, Notice("The settings were saved in this browser."))
    return response
