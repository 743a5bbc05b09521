"""What a first visit costs: with an empty cache, few requests and few bytes."""

from __future__ import annotations

from flask import Flask
from playwright.sync_api import Browser, Request

from tests.support.browser import tab
from tests.support.many_versions import repeat_latest_version
from tests.support.registry_builder import RegistryBuilder

MOST_REQUESTS = 6
MOST_BYTES = 200_000


def transferred(request: Request) -> int:
    """The bytes of a response, with its headers."""
    sizes = request.sizes()
    return sizes["responseBodySize"] + sizes["responseHeadersSize"]


def test_a_first_visit_of_a_model_takes_few_requests_and_bytes(
    built: RegistryBuilder, dev_served: Flask, address: str, chromium: Browser
) -> None:
    built.create_model("visited", description="Scores *cards*.")
    built.model("visited").version("production", metrics={"auc": 0.9, "p99_ms": 12.0})
    repeat_latest_version(dev_served, "visited", 1_000)

    with tab(chromium) as opened:
        requests: list[Request] = []

        def note(request: Request) -> None:
            if "hx-request" not in request.headers:  # a live part asks again after ten seconds, on a slow machine too
                requests.append(request)

        opened.page.on("requestfinished", note)
        opened.page.goto(f"{address}/models/visited", wait_until="networkidle")
        sizes = {request.url.removeprefix(address): transferred(request) for request in requests}
        failed = [request.url for request in requests if request.failure]

        assert failed == []
        assert opened.messages == []
        assert {"/models/visited"} < {*sizes}
        assert any(path.endswith("/registry.css") for path in sizes)
        assert len(requests) <= MOST_REQUESTS, sizes
        assert 50_000 < sum(sizes.values()) <= MOST_BYTES, sizes
