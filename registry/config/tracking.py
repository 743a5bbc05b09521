"""Upstream MLflow tracking servers, as REGISTRY_MLFLOW_TRACKING names them."""

from __future__ import annotations

import json
from base64 import b64encode
from dataclasses import dataclass, fields
from typing import Any
from urllib.parse import urlsplit

from registry.config.rules import http_url_problem
from registry.config.secret import Secret
from registry.domain import locations


@dataclass(frozen=True, slots=True, kw_only=True)
class Tracking:
    """An upstream MLflow tracking server: its address and our credentials there.

    ``artifact_roots`` are the ``s3://`` locations of its artifacts that are read directly.
    """

    url: str
    token: Secret | None = None
    username: str | None = None
    password: Secret | None = None
    artifact_roots: tuple[str, ...] = ()

    def authorization(self) -> str | None:
        """Return the header that the server wants; it is made each time, so that it is kept nowhere."""
        if self.token:
            return f"Bearer {self.token.reveal()}"
        if self.username and self.password:
            return "Basic " + b64encode(f"{self.username}:{self.password.reveal()}".encode()).decode()
        return None


def parse(text: str) -> tuple[Tracking, ...]:
    """Return the tracking servers of a JSON object or list.

    Raises ValueError with the mistake, but never with the text: it contains passwords.
    """
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        raise ValueError("must be JSON: an object with a url, or a list of them") from None
    items = document if isinstance(document, list) else [document]
    servers = tuple(_one_tracking(item) for item in items)
    if len({one.url for one in servers}) < len(servers):
        raise ValueError("names one url twice")
    return servers


def _one_tracking(document: Any) -> Tracking:
    known = {item.name for item in fields(Tracking)}
    if not isinstance(document, dict) or not document.keys() <= known:
        raise ValueError(f"must have objects with no other keys than {', '.join(sorted(known))}")
    roots = document.get("artifact_roots", [])
    texts = {name: value for name, value in document.items() if name != "artifact_roots"}
    if not all(isinstance(value, str) and value.isprintable() for value in texts.values()) or "url" not in document:
        raise ValueError("must have a url, and a text for each other key but artifact_roots")
    if problem := http_url_problem(url := document["url"].rstrip("/")):
        raise ValueError(f"url {problem}: the credentials have separate keys")
    parts = urlsplit(url)
    url = parts._replace(netloc=parts.netloc.lower()).geturl()
    if not isinstance(roots, list) or not all(isinstance(root, str) and _s3_problem(root) is None for root in roots):
        raise ValueError("artifact_roots must be a list of s3://bucket/prefix")
    if ("username" in texts) != ("password" in texts) or ("token" in texts and "username" in texts):
        raise ValueError("must have a token, or a username and a password, or none of them")
    if ":" in texts.get("username", "") or not texts.get("token", "").isascii() or not all(texts.values()):
        raise ValueError("must have no empty text, no colon in a username, and a token of ASCII characters")
    secret = {name: Secret(texts[name]) for name in ("token", "password") if name in texts}
    return Tracking(url=url, username=texts.get("username"), artifact_roots=tuple(roots), **secret)


def _s3_problem(text: str) -> str | None:
    return locations.problem(text) if text.startswith("s3://") else "must be s3://bucket/prefix"
