"""Browsers that log in with an API token, as people do."""

from __future__ import annotations

from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from registry.http.access import SESSION_COOKIE
from tests.support.pages import SAME_ORIGIN, browse

HOST = "registry.test"


class Browser(FlaskClient):
    """A client that opens one address of the registry."""

    address = f"https://{HOST}"

    def open(self, *args: Any, **options: Any) -> TestResponse:
        return super().open(*args, **{"base_url": self.address, **options})


def browser(app: Flask, address: str = f"https://{HOST}") -> Browser:
    """A browser without a session."""
    client = Browser(app, app.response_class, use_cookies=True)
    client.address = address
    return client


def log_in(client: FlaskClient, token: str, *, to: str | None = None) -> TestResponse:
    """Paste a token into the login, and send the form."""
    opened = browse(client, "/login", query_string={} if to is None else {"next": to})
    fields = {**opened.hidden_fields("/login"), "token": token}
    return client.post("/login", data=fields, headers=SAME_ORIGIN)


def logged_in(app: Flask, token: str) -> FlaskClient:
    """A browser with a session."""
    client = browser(app)
    response = log_in(client, token)
    assert response.status_code == 303, response.get_data(as_text=True)
    return client


def session_cookie(client: FlaskClient) -> str | None:
    """The token of the browser's session."""
    cookie = client.get_cookie(SESSION_COOKIE, domain=HOST)
    return cookie.value if cookie else None


def take_session(client: FlaskClient, text: str) -> None:
    """Let the browser send another session."""
    client.set_cookie(SESSION_COOKIE, text, domain=HOST)


def session_of(app: Flask, token: str) -> tuple[str, str]:
    """Log in with an API token; return the name and the value of the session's cookie."""
    text = session_cookie(logged_in(app, token))
    assert text is not None
    return SESSION_COOKIE, text
