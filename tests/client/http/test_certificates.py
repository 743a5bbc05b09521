"""A registry and a store whose certificates are of a private CA, over real TLS."""

from __future__ import annotations

import io
import json
import shutil
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import trustme

from registry.cli.main import run
from registry.client import RegistryClient, errors
from tests.client.conftest import TOKEN, FakeRegistry, FakeStore, reply
from tests.support.web_server import serving

VARIABLES = ("REGISTRY_CA_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR")
ME: dict[str, Any] = {"name": "ci", "kind": "user", "roles": [], "permissions": [], "token": None, "mode": "production"}


@dataclass
class Private:
    """A CA, its certificate in a file, and sites with certificates of it."""

    ca: trustme.CA
    file: Path
    registry: FakeRegistry

    def tls(self, *names: str, until: datetime | None = None) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.ca.issue_cert(*(names or ("127.0.0.1",)), not_after=until).configure_cert(context)
        return context


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def private(authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Private]:
    """Registry and store behind TLS; no variable names a certificate."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("REGISTRY_RETRY_SECONDS", "0")
    file = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(file))
    store = FakeStore()
    world = Private(authority, file, FakeRegistry(store=store))
    world.registry.answers.append(lambda request: reply(ME) if request.path == "/api/v1/me" else None)
    with ExitStack() as running:
        for site in (store, world.registry):
            site.url = running.enter_context(serving(site, tls=world.tls()))
        yield world


def test_a_private_ca_is_named_in_every_usual_way_for_registry_and_store(
    private: Private, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    private.registry.hold({"model.bin": b"1" * 100})
    hashed = tmp_path / "hashed"
    hashed.mkdir()
    (hashed / "ca.pem").write_bytes(private.file.read_bytes())
    has_openssl = shutil.which("openssl") is not None  # which names the files of a directory
    if has_openssl:
        subprocess.run(["openssl", "rehash", str(hashed)], check=True)

    with RegistryClient(private.registry.url, TOKEN, retries=0, ca_file=private.file) as client:
        assert client.register("fraud", source)["created"]
        assert client.pull("fraud:1", tmp_path / "out").written == ("model.bin",)
    for variable in VARIABLES if has_openssl else VARIABLES[:-1]:
        with monkeypatch.context() as set_only:
            set_only.setenv(variable, str(hashed if variable == "SSL_CERT_DIR" else private.file))
            assert run(["pull", "fraud:1", "-o", str(tmp_path / variable), "--url", private.registry.url]) == 0


def test_a_private_ca_is_trusted_in_addition_to_the_others(
    private: Private, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = trustme.CA()
    other.cert_pem.write_to_path(str(tmp_path / "other.pem"))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(private.file))  # where the store's public CA would be

    with RegistryClient(private.registry.url, ca_file=tmp_path / "other.pem", retries=0) as client:
        assert client.me()["name"] == "ci"


def test_login_keeps_the_ca_file_for_later_commands(
    private: Private, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.stdin", io.StringIO(TOKEN))

    assert run(["login", "--url", private.registry.url, "--token-stdin", "--ca-file", "ca.pem"]) == 0
    monkeypatch.chdir("/")
    assert run(["whoami", "--json"]) == 0
    with RegistryClient() as client:
        assert client.me()["name"] == "ci"
    assert '"name": "ci"' in capfd.readouterr().out


def test_a_certificate_that_is_not_trusted_is_named_with_host_reason_and_remedy(
    private: Private, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    said = {}
    yesterday = datetime.now(UTC) - timedelta(days=1)
    with (
        serving(private.registry, tls=private.tls("other.example")) as other_name,
        serving(private.registry, tls=private.tls(until=yesterday)) as expired,
    ):
        for url, trusted in ((private.registry.url, None), (other_name, private.file), (expired, private.file)):
            with (
                RegistryClient(url, retries=0, ca_file=trusted) as client,
                pytest.raises(errors.Unreachable, match=f"^{url}: the TLS certificate cannot be trusted") as caught,
            ):
                client.me()
            said[url] = caught.value.detail
            named = ["--ca-file", str(trusted)] if trusted else []
            assert run(["doctor", "--url", url, "--json", *named]) == 8
            finding = json.loads(capfd.readouterr().out)["certificate"]
            assert (url in finding["detail"], finding["fix"] in caught.value.detail) == (True, True)

    assert "local issuer" in said[private.registry.url]
    assert "--ca-file FILE, REGISTRY_CA_FILE" in said[private.registry.url]
    assert "Use a name that the certificate has" in said[other_name]
    assert "must renew it" in said[expired]


def test_the_stores_certificate_is_named_too(private: Private, tmp_path: Path) -> None:
    elsewhere = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    elsewhere.issue_cert("127.0.0.1").configure_cert(context)
    private.registry.hold({"model.bin": b"1" * 100})
    with (
        serving(private.registry.store, tls=context) as private.registry.store.url,
        RegistryClient(private.registry.url, retries=0, ca_file=private.file) as client,
        pytest.raises(errors.Unreachable, match=rf"{private.registry.store.url}: the TLS certificate.*--ca-file"),
    ):
        client.pull("fraud:1", tmp_path / "out")


def test_a_file_without_certificates_is_refused_by_its_setting(
    private: Private, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "junk.pem").write_text("junk")
    with pytest.raises(errors.CertificatesUnreadable, match=r"^ca_file.*missing\.pem: No such file"):
        RegistryClient("http://127.0.0.1:9", ca_file=tmp_path / "missing.pem")

    for variable in VARIABLES[:-1]:
        with monkeypatch.context() as set_only:
            set_only.setenv(variable, str(tmp_path / "junk.pem"))
            assert run(["whoami", "--url", private.registry.url]) == 2
        assert f"error: {variable}: {tmp_path}/junk.pem holds no certificates" in capfd.readouterr().err


def test_a_project_does_not_decide_which_certificates_are_trusted(
    private: Private, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".registry.toml").write_text(f'url = "{private.registry.url}"\nca_file = "ca.pem"\n')
    monkeypatch.chdir(tmp_path)

    assert run(["whoami"]) == 2
    assert "ca_file is not a setting" in capfd.readouterr().err
