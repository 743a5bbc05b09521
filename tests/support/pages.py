"""Pages as a browser takes them: parsed strictly, and examined for what no page may have."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit
from xml.etree.ElementTree import Element

import html5lib
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

SECONDS_AGO = re.compile(r"\b\d+ seconds ago\b")
SAME_ORIGIN = {"Sec-Fetch-Site": "same-origin"}
_POLICY = frozenset(
    {"default-src 'none'", "script-src 'self'", "style-src 'self'", "frame-ancestors 'none'", "form-action 'self'"}
)


@dataclass(frozen=True)
class Seen:
    """A response that is a page."""

    response: TestResponse

    @cached_property
    def root(self) -> Element:
        """The document, by HTML's own rules; every error of the markup is raised."""
        parser = html5lib.HTMLParser(strict=True, namespaceHTMLElements=False)
        root: Element = parser.parse(self.response.get_data(as_text=True))
        return root

    @cached_property
    def text(self) -> str:
        """The text of the page's content, with single spaces; some seconds ago is "just now", as on a fast machine."""
        return SECONDS_AGO.sub("just now", " ".join("".join(self.one("main").itertext()).split()))

    @cached_property
    def whole_text(self) -> str:
        """The text of all of the page, with single spaces."""
        return " ".join("".join(self.root.itertext()).split())

    def all(self, tag: str, **attributes: str) -> list[Element]:
        """The elements of a tag with these attributes; ``_`` in a name stands for ``-``."""
        wanted = {name.strip("_").replace("_", "-"): value for name, value in attributes.items()}
        return [
            found for found in self.root.iter(tag) if all(found.get(name) == value for name, value in wanted.items())
        ]

    def one(self, tag: str, **attributes: str) -> Element:
        """The only element of a tag with these attributes."""
        found = self.all(tag, **attributes)
        assert len(found) == 1, f"{len(found)} elements {tag} {attributes} in {self.response.request.path}"
        return found[0]

    def hidden_fields(self, action: str | None = None) -> dict[str, str]:
        """The hidden fields of the page's form, or of the one that posts to *action*."""
        forms = [form for form in self.all("form", method="post") if action in (None, form.get("action"))]
        forms = [form for form in forms if not str(form.get("action")).endswith("/logout")] or forms
        assert forms, f"no form posts to {action} in {self.response.request.path}"
        inputs = [field for field in forms[0].iter("input") if field.get("type") == "hidden"]
        return {str(field.get("name")): str(field.get("value", "")) for field in inputs}

    def fields_of_get_form(self, button: str) -> dict[str, str]:
        """The hidden fields of the form that is sent by a button with this text as a query."""
        forms = [form for form in self.all("form", method="get") if button in "".join(form.itertext())]
        assert len(forms) == 1, f"{len(forms)} forms with the button {button!r} in {self.response.request.path}"
        return {str(field.get("name")): str(field.get("value", "")) for field in forms[0].iter("input")}

    @property
    def links(self) -> list[str]:
        """The addresses of this service that the page links to or loads."""
        named = [*self._values("href"), *self._values("src"), *self._values("hx-get"), *self._values("data-live")]
        return [value for value in dict.fromkeys(named) if not urlsplit(value).netloc and urlsplit(value).path]

    def _values(self, attribute: str) -> Iterator[str]:
        return (value for found in self.root.iter() if (value := found.get(attribute)) is not None)


def browse(client: FlaskClient, path: str, *, status: int = 200, **options: Any) -> Seen:
    """Open a page, and assert what holds for every page."""
    response = client.get(path, headers={"Accept": "text/html"}, **options)
    return examined(response, status=status)


def submit(
    client: FlaskClient, path: str, fields: Mapping[str, Any], *, status: int = 303, seen: Seen | None = None
) -> TestResponse:
    """Open the page at *path* (or take *seen*), fill its form in, and send it; assert the status of the response."""
    opened = seen or browse(client, path)
    response = client.post(path, data={**opened.hidden_fields(), **fields}, headers=SAME_ORIGIN)
    assert response.status_code == status, f"{path}: {response.status_code} {Seen(response).text[:500]}"
    return response


def examined(response: TestResponse, *, status: int = 200) -> Seen:
    """Return a page whose status, headers and markup are as those of every page."""
    where = response.request.path
    assert response.status_code == status, f"{where}: {response.status_code} {response.get_data(as_text=True)[:500]}"
    assert response.content_type == "text/html; charset=utf-8", where
    policy = response.headers["Content-Security-Policy"]
    assert {*policy.split("; ")} >= _POLICY, where
    assert "unsafe" not in policy, where
    assert response.headers["Cache-Control"] == "no-store", where
    assert "Cookie" in response.headers["Vary"], where
    seen = Seen(response)
    problems = list(_problems(seen.root))
    assert problems == [], f"{where}: {problems[:5]}"
    assert len(seen.all("h1")) == 1, where
    return seen


def _problems(root: Element) -> Iterator[str]:
    ids: set[str] = set()
    for found in root.iter():
        if callable(found.tag):
            continue  # a comment
        for name, value in found.attrib.items():
            is_inline = name == "style" or (name.startswith("on") and found.tag != "svg") or name.startswith("hx-on")
            # What is copied is text: no browser opens it.
            if is_inline or (name != "data-copy" and str(value).strip().lower().startswith("javascript:")):
                yield f"<{found.tag} {name}={value!r}>"
        if found.tag == "script" and not found.get("src", "").startswith("/static/"):
            yield "a script that is not a file of ours"
        if found.tag in {"iframe", "object", "embed", "base", "style"}:
            yield f"<{found.tag}>"
        if (identifier := found.get("id")) is not None:
            if identifier in ids:
                yield f"two elements with the id {identifier!r}"
            ids.add(identifier)
        if found.tag in {"input", "select", "textarea"} and not _is_labelled(found, root):
            yield f"<{found.tag} name={found.get('name')!r}> without a label"


def _is_labelled(field: Element, root: Element) -> bool:
    if field.get("type") in {"hidden", "submit"} or field.get("aria-label") or field.get("aria-labelledby"):
        return True
    return any(
        label.get("for") == field.get("id") is not None or field in list(label.iter()) for label in root.iter("label")
    )


Browse = Callable[..., Seen]
