"""What an operator reads when the S3 store cannot be used: the component, its address and the remedy."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest
import trustme
from werkzeug.wrappers import Response

from registry.domain.errors import Unavailable
from registry.storage.checked import Store
from tests.support.backends import s3_driver
from tests.support.web_server import serving

PAGE = Response("<h1>Sign in</h1>", status=407, content_type="text/html")
VARIABLES = ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Check a store at an address with variables set; return why it cannot be used, empty when it can."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "anyone")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "anything")
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)

    def check(endpoint_url: str, variables: Mapping[str, str] | None = None) -> str:
        with monkeypatch.context() as environment, ExitStack() as opened:
            for name, value in (variables or {}).items():
                environment.setenv(name, value)
            driver = s3_driver("bucket", endpoint_url=endpoint_url, region="us-east-1")
            opened.callback(driver.close)
            try:
                Store(driver).check()
            except Unavailable as error:
                return error.detail
            return ""

    return check


def test_a_store_with_a_private_ca_needs_the_variable_that_its_refusal_names(
    said: Callable[..., str], tmp_path: Path
) -> None:
    ca, others = trustme.CA(), trustme.CA()
    ca.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    trusting = {"AWS_CA_BUNDLE": str(tmp_path / "ca.pem")}
    contexts = []
    for issuer, name in ((ca, "127.0.0.1"), (others, "127.0.0.1"), (ca, "other.example")):
        contexts.append(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
        issuer.issue_cert(name).configure_cert(contexts[-1])

    with ExitStack() as running:
        private, foreign, misnamed = (running.enter_context(serving(Response(), tls=context)) for context in contexts)
        assert said(private, trusting) == ""
        for url in (private, foreign):
            refusal = said(url) if url == private else said(url, trusting)
            assert f"bucket bucket at {url}" in refusal
            assert "local issuer" in refusal
            assert "set AWS_CA_BUNDLE to the private CA" in refusal
        assert "use a name that its certificate has" in said(misnamed, trusting)
        assert "correct AWS_CA_BUNDLE" in said(private, {"AWS_CA_BUNDLE": str(tmp_path / "missing.pem")})


def test_what_answers_in_place_of_the_store_is_named_with_its_address_and_the_remedy(said: Callable[..., str]) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))  # and does not listen
        refused = f"http://127.0.0.1:{probe.getsockname()[1]}"
        assert f"at {refused}: Could not connect" in said(refused)
        assert "the network between" in said(refused)
        assert "look at HTTPS_PROXY" in said("https://s3.test", {"HTTPS_PROXY": refused})
    statuses = {
        403: "correct the credentials",
        404: "make it, or correct REGISTRY_STORAGE_URL",
        301: "REGISTRY_S3_REGION",
    }
    for status, remedy in statuses.items():
        with serving(Response("<h1>No</h1>", status=status, content_type="text/html")) as url:
            refusal = said(url)
        assert f"bucket bucket at {url}" in refusal
        assert remedy in refusal
    with serving(PAGE) as url:
        refusal = said("http://s3.test", {"HTTP_PROXY": url.replace("//", "//me:password@")})
        plain = said(url.replace("http:", "https:"))
    assert "HTTPS_PROXY or HTTP_PROXY with http://USER:PASSWORD@HOST:PORT" in refusal
    assert "password@" not in refusal
    assert "does not speak TLS" in plain
