from __future__ import annotations

import io
import stat
from pathlib import Path

import click
import pytest
import responses

from registry.cli.support import config, credentials
from registry.client.http.target import RegistryTarget
from tests.cli.conftest import PROBLEM_TYPE, TOKEN, URL, CommandLine, Place

ME = {
    "id": "1",
    "name": "alice",
    "kind": "user",
    "roles": ["writer"],
    "permissions": [],
    "token": None,
    "mode": "production",
}


def resolve(
    tmp_path: Path, *, url: str | None = None, token: str | None = None, insecure: bool = False, **environ: str
) -> RegistryTarget:
    """The target, with ``home`` and ``work/sub`` below *tmp_path*."""
    cwd = tmp_path / "work" / "sub"
    cwd.mkdir(parents=True, exist_ok=True)
    return config.resolve(url=url, token=token, insecure=insecure, environ=environ, cwd=cwd, home=tmp_path / "home")


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"flag", "environment", "user", "project"}, "https://flag.example"),
        ({"environment", "user", "project"}, "https://environment.example"),
        ({"user", "project"}, "https://user.example"),
        ({"project"}, "https://project.example"),
        (set(), "http://127.0.0.1:5000"),
    ],
    ids=len,
)
def test_the_nearer_configuration_wins(tmp_path: Path, given: set[str], expected: str) -> None:
    if "user" in given:
        write(tmp_path / "home" / "config.toml", 'url = "https://user.example"')
    if "project" in given:
        write(tmp_path / "work" / ".registry.toml", 'url = "https://project.example"')
    environ = {"REGISTRY_URL": "https://environment.example"} if "environment" in given else {}

    target = resolve(tmp_path, url="https://flag.example" if "flag" in given else None, **environ)

    assert target.url == expected


def test_the_nearest_project_file_wins(tmp_path: Path) -> None:
    write(tmp_path / "work" / ".registry.toml", 'url = "https://far.example"')
    write(tmp_path / "work" / "sub" / ".registry.toml", 'url = "https://near.example"')

    assert resolve(tmp_path).url == "https://near.example"


def test_a_removed_working_directory_needs_no_address_from_there(
    run_cli: CommandLine, place: Place, network: responses.RequestsMock
) -> None:
    network.get(f"{URL}/api/v1/me", json=ME)
    place.cwd.rmdir()

    done = run_cli("whoami", "--url", URL, "--token", TOKEN)

    assert (done.code, done.err) == (0, "")


def test_a_tokens_flag_wins_over_its_variable_and_that_over_the_saved_one(tmp_path: Path) -> None:
    credentials.save(tmp_path / "home", "https://a.example", "saved")
    write(tmp_path / "token", "from-file\n")
    url = "https://a.example"

    assert resolve(tmp_path, url=url, token="flag", REGISTRY_TOKEN="variable").token == "flag"
    assert resolve(tmp_path, url=url, REGISTRY_TOKEN="variable").token == "variable"
    assert resolve(tmp_path, url=url, REGISTRY_TOKEN_FILE=str(tmp_path / "token")).token == "from-file"
    assert resolve(tmp_path, url=url).token == "saved"


@pytest.mark.parametrize(
    "url",
    [
        "https://b.example",
        "http://a.example",
        "https://a.example:8443",
        "https://a.example.evil.example",
        "https://A.b",
    ],
)
def test_a_saved_token_is_for_its_origin_alone(tmp_path: Path, url: str) -> None:
    credentials.save(tmp_path / "home", "https://a.example", "saved")

    assert resolve(tmp_path, url=url).token is None
    assert resolve(tmp_path, url="https://A.example:443/").token == "saved"


def test_a_project_file_cannot_send_a_saved_token_elsewhere(tmp_path: Path) -> None:
    credentials.save(tmp_path / "home", "https://a.example", "saved")
    write(tmp_path / "work" / ".registry.toml", 'url = "https://evil.example"')

    assert resolve(tmp_path) == RegistryTarget("https://evil.example", str(tmp_path / "work" / ".registry.toml"), None)


@pytest.mark.parametrize("how", ["flag", "variable", "file"])
def test_a_given_token_is_not_sent_to_a_project_files_address(tmp_path: Path, how: str) -> None:
    write(tmp_path / "work" / ".registry.toml", 'url = "https://evil.example"')
    write(tmp_path / "token", "t")
    environ = {"variable": {"REGISTRY_TOKEN": "t"}, "file": {"REGISTRY_TOKEN_FILE": str(tmp_path / "token")}}

    with pytest.raises(click.UsageError, match="REGISTRY_URL"):
        resolve(tmp_path, token="t" if how == "flag" else None, **environ.get(how, {}))

    named = resolve(tmp_path, REGISTRY_URL="https://evil.example", REGISTRY_TOKEN="t")
    assert named.token == "t"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('token = "mrp_x"', "holds a token"),
        ('[tokens]\n"https://a.example" = "mrp_x"', "holds a token"),
        ('uri = "https://a.example"', "uri is not a setting"),
        ("url = 5", "url must be text"),
        ("url = https://a.example", "config.toml"),
        ('url = "ftp://a.example"', "is no http:// or https:// URL"),
        ('url = "https://me:pw@a.example"', "must not hold credentials"),
    ],
)
def test_a_file_that_cannot_be_meant_is_refused(tmp_path: Path, text: str, says: str) -> None:
    write(tmp_path / "home" / "config.toml", text)

    with pytest.raises(click.UsageError, match=says):
        resolve(tmp_path)


def test_two_tokens_in_the_environment_are_one_too_many(tmp_path: Path) -> None:
    with pytest.raises(click.UsageError, match="both set"):
        resolve(tmp_path, REGISTRY_TOKEN="a", REGISTRY_TOKEN_FILE="b")


def test_a_token_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(click.UsageError, match="No such file"):
        resolve(tmp_path, REGISTRY_TOKEN_FILE=str(tmp_path / "missing"))


def test_saved_tokens_are_readable_by_their_owner_only(tmp_path: Path) -> None:
    path = credentials.save(tmp_path, "https://a.example", "saved")

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.chmod(0o644)
    with pytest.raises(click.UsageError, match="can be read by others"):
        credentials.load(tmp_path)


@pytest.mark.parametrize("text", ["{", "[]", '{"https://a.example": 5}', '"x"'])
def test_a_damaged_file_of_tokens_is_an_error_and_no_crash(tmp_path: Path, text: str) -> None:
    write(tmp_path / "credentials.json", text).chmod(0o600)

    with pytest.raises(click.UsageError, match="log in again"):
        credentials.load(tmp_path)


def test_a_token_does_not_show_itself() -> None:
    assert "secret" not in repr(RegistryTarget("https://a.example", "--url", "secret"))


def test_login_tries_the_token_and_keeps_it_for_this_registry(
    run_cli: CommandLine, place: Place, network: responses.RequestsMock, monkeypatch: pytest.MonkeyPatch
) -> None:
    network.get("https://r.example/api/v1/me", json=ME)
    write(place.config / "config.toml", '# mine\nurl = "https://old.example"\n')
    monkeypatch.setattr("sys.stdin", io.StringIO(TOKEN + "\n"))

    done = run_cli("login", "--url", "https://r.example", "--token-stdin")

    assert (done.code, TOKEN in done.out + done.err) == (0, False)
    assert "as alice (writer)" in done.out
    assert network.calls[0].request.headers["Authorization"] == f"Bearer {TOKEN}"
    assert (place.config / "config.toml").read_text() == '# mine\nurl = "https://r.example"\n'
    assert credentials.load(place.config) == {"https://r.example": TOKEN}

    assert run_cli("whoami").code == 0
    assert network.calls[1].request.headers["Authorization"] == f"Bearer {TOKEN}"

    assert run_cli("logout").code == 0
    assert credentials.load(place.config) == {}


def test_a_token_that_does_not_work_is_not_kept(
    run_cli: CommandLine, place: Place, network: responses.RequestsMock, monkeypatch: pytest.MonkeyPatch
) -> None:
    refusal = {"code": "unauthenticated", "detail": "no such token"}
    network.get("https://r.example/api/v1/me", status=401, json=refusal, content_type=PROBLEM_TYPE)
    monkeypatch.setattr("sys.stdin", io.StringIO(TOKEN))

    done = run_cli("login", "--url", "https://r.example", "--token-stdin")

    assert done.code == 3
    assert credentials.load(place.config) == {}


def test_login_does_not_take_its_address_from_a_project_file(run_cli: CommandLine, place: Place) -> None:
    write(place.cwd / ".registry.toml", 'url = "https://evil.example"')

    done = run_cli("login", "--token-stdin")

    assert done.code == 2
    assert "--url https://evil.example" in done.err


def test_a_token_is_not_sent_over_plain_http(
    run_cli: CommandLine, network: responses.RequestsMock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REGISTRY_TOKEN", TOKEN)
    network.get("http://r.example/api/v1/me", json=ME)

    refused = run_cli("whoami", "--url", "http://r.example")
    assert (refused.code, len(network.calls)) == (2, 0)
    assert "Use https" in refused.err

    assert run_cli("whoami", "--url", "http://r.example", "--insecure").code == 0
    monkeypatch.setenv("REGISTRY_INSECURE", "1")
    assert run_cli("whoami", "--url", "http://r.example").code == 0


def test_this_machine_needs_no_https(
    run_cli: CommandLine, network: responses.RequestsMock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REGISTRY_TOKEN", TOKEN)
    network.get(f"{URL}/api/v1/me", json=ME)

    assert run_cli("whoami").code == 0
