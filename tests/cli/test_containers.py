"""Users as containers have them: without a home, without an entry in passwd, in a directory that was removed."""

from __future__ import annotations

import io
import pwd
from typing import NoReturn

import pytest
import responses

from registry.client import RegistryClient
from tests.cli.conftest import TOKEN, URL, CommandLine, Place
from tests.client.http.test_certificates import ME


@pytest.fixture
def homeless(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """A user whose home neither the environment nor passwd names; the address and the token are in the environment."""

    def unknown(uid: int) -> NoReturn:
        raise KeyError(f"getpwuid(): uid not found: {uid}")

    monkeypatch.delenv("HOME")
    monkeypatch.delenv("XDG_CONFIG_HOME")
    monkeypatch.setattr(pwd, "getpwuid", unknown)
    monkeypatch.setenv("REGISTRY_URL", URL)
    monkeypatch.setenv("REGISTRY_TOKEN", TOKEN)


@pytest.mark.usefixtures("homeless")
def test_a_user_without_a_home_needs_the_environment_alone(
    run_cli: CommandLine, network: responses.RequestsMock, monkeypatch: pytest.MonkeyPatch
) -> None:
    network.get(f"{URL}/api/v1/me", json=ME)

    done = run_cli("whoami", "--json")
    with RegistryClient() as client:
        assert client.me()["name"] == "ci"

    assert (done.code, done.err) == (0, "")
    assert [call.request.headers["Authorization"] for call in network.calls] == [f"Bearer {TOKEN}"] * 2

    monkeypatch.setenv("HOME", "")
    assert run_cli("whoami", "--json").code == 0


@pytest.mark.usefixtures("homeless")
@pytest.mark.parametrize("command", [["login", "--token-stdin"], ["logout"]])
def test_a_login_without_a_home_is_refused_with_what_to_set(run_cli: CommandLine, command: list[str]) -> None:
    done = run_cli(*command)

    assert done.code == 2
    assert "no home directory" in done.err
    assert "REGISTRY_TOKEN" in done.err


def test_a_login_that_cannot_be_kept_says_where_and_what_to_set(
    run_cli: CommandLine, place: Place, network: responses.RequestsMock, monkeypatch: pytest.MonkeyPatch
) -> None:
    (place.cwd / "file").touch()
    monkeypatch.setenv("XDG_CONFIG_HOME", str(place.cwd / "file" / "config"))
    monkeypatch.setattr("sys.stdin", io.StringIO(TOKEN))
    network.get(f"{URL}/api/v1/me", json=ME)

    done = run_cli("login", "--url", URL, "--token-stdin")

    assert done.code == 1
    assert f"cannot be kept in {place.cwd}/file/config/model-registry (Not a directory)" in done.err
    assert "REGISTRY_TOKEN" in done.err


def test_a_removed_working_directory_is_named(
    run_cli: CommandLine, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    (gone := place.cwd / "gone").mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()

    for command in (["serve", "--dev", "--port", "5099"], ["register", "fraud", ".", "--url", "http://127.0.0.1:9"]):
        done = run_cli(*command)
        assert (done.code, "the working directory was removed" in done.err) == (1, True), done.err
