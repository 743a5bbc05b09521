"""Notices after an act: they arrive whole, or cut to what browsers keep of a cookie, with the link to the entry."""

from __future__ import annotations

from random import Random
from urllib.parse import quote

import pytest
from flask import Flask, Response
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from registry.web import notices
from registry.web.notices import Notice

KEPT_BY_BROWSERS = 4_096  # bytes of a cookie with its attributes
NAMES = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=256)
VARIED = "".join(map(chr, Random(1).choices(range(0x10000, 0x110000), k=1_100)))
"""Characters of four bytes that no compression shortens much."""


def cookie_of(response: Response) -> str:
    (cookie,) = (one for one in response.headers.getlist("Set-Cookie") if one.startswith(f"{notices.COOKIE}="))
    return cookie


def carried(app: Flask, notice: Notice) -> tuple[str, Notice | None]:
    """The cookie of a notice, and the notice that the next page shows."""
    with app.test_request_context(base_url="https://registry.test"):
        response = Response()
        notices.carry(response, notice)
        cookie = cookie_of(response)
    with app.test_request_context(headers={"Cookie": cookie.partition(";")[0]}):
        return cookie, notices.arrived()


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=1_200), NAMES, st.booleans())
@example(VARIED, VARIED[:256], True)
@example(VARIED, VARIED[:256], False)
@example("", "fraud", True)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_browsers_keep_every_notice_and_its_entry(dev_app: Flask, text: str, name: str, goes_back: bool) -> None:
    entry = ("See the entry", f"/models/{quote(name, safe='')}/history#entry-0")
    back = ("Roll back…", f"/models/{quote(name, safe='')}/rollback")

    cookie, shown = carried(dev_app, Notice(text, [entry, back] if goes_back else [entry]))

    assert len(cookie.encode()) <= KEPT_BY_BROWSERS
    assert shown is not None
    assert shown.links[0] == entry
    assert shown.text == text or (shown.text[-1] == "…" and text.startswith(shown.text[:-1]))


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_notice_is_cut_only_as_far_as_it_must_be(dev_app: Flask) -> None:
    short = Notice("é" * 1_000, [("See the entry", "/audit/1"), ("Roll back…", "/models/fraud/rollback")])
    _, whole = carried(dev_app, short)
    cut_cookie, cut = carried(dev_app, Notice(VARIED, short.links))
    _, crowded = carried(dev_app, Notice(VARIED, [("See the entry", "/audit/1"), ("Back", quote(VARIED))]))

    assert whole == short
    assert cut is not None
    assert cut.links == short.links
    assert KEPT_BY_BROWSERS - 16 < len(cut_cookie) <= KEPT_BY_BROWSERS
    assert crowded is not None
    assert crowded.links == [("See the entry", "/audit/1")]
