"""The secret key and the log key: made once on a single node, given elsewhere, and refused where they are no keys."""

from __future__ import annotations

import base64
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from registry.config import Secret, Settings
from registry.domain import log_keys
from tests.support.wrong_settings import KEY, LOG_KEY, POSTGRES, problems


def test_postgresql_needs_a_key_that_every_replica_shares(load: Callable[..., Settings], tmp_path: Path) -> None:
    assert problems(load, {"REGISTRY_DATABASE_URL": POSTGRES}).keys() == {"REGISTRY_SECRET_KEY"}
    assert not (tmp_path / "data" / "secret-key").exists()


@pytest.mark.parametrize(("name", "file"), [("secret_key", "secret-key"), ("log_key", "log-key")])
def test_the_keys_of_a_single_node_are_made_once_and_private(
    load: Callable[..., Settings], tmp_path: Path, name: str, file: str
) -> None:
    first, second = load(), load()
    path = tmp_path / "data" / file

    assert getattr(first, name) == getattr(second, name) == Secret(path.read_text())
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert sorted(other.name for other in path.parent.iterdir()) == ["log-key", "secret-key"]
    assert getattr(load(data_dir=tmp_path / "other"), name) != getattr(first, name)


@pytest.mark.parametrize("left", ["", "\n", "short", "a" * 31])
@pytest.mark.parametrize(("variable", "file"), [("REGISTRY_SECRET_KEY", "secret-key"), ("REGISTRY_LOG_KEY", "log-key")])
def test_a_key_file_that_lost_its_key_is_refused(
    load: Callable[..., Settings], tmp_path: Path, variable: str, file: str, left: str
) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / file).write_text(left)

    found = problems(load, {})

    assert found.keys() == {variable}
    assert str(tmp_path / "data" / file) in found[variable]


def test_a_log_key_has_one_meaning_as_hex_digits_and_in_base_64(load: Callable[..., Settings], tmp_path: Path) -> None:
    encoded = base64.b64encode(bytes.fromhex(LOG_KEY)).decode()
    (tmp_path / "log-key").write_text(f"{encoded}\n")
    keys = [
        load({name: value}).log_keys
        for name, value in {"REGISTRY_LOG_KEY": LOG_KEY, "REGISTRY_LOG_KEY_FILE": str(tmp_path / "log-key")}.items()
    ]

    assert [log_keys.seed(key.reveal()).hex() for key_texts in keys for key in key_texts] == [LOG_KEY, LOG_KEY]


def test_a_wrong_log_key_is_refused_with_what_makes_one(load: Callable[..., Settings]) -> None:
    found = problems(load, {"REGISTRY_LOG_KEY": "0" * 64, "REGISTRY_LOG_KEY_PREVIOUS": LOG_KEY[2:]})

    assert "32 random bytes, as 64 hex digits or in base 64" in found["REGISTRY_LOG_KEY"]
    assert "secrets.token_hex(32)" in found["REGISTRY_LOG_KEY"]
    assert "earlier log keys" in found["REGISTRY_LOG_KEY_PREVIOUS"]


def test_a_service_on_postgresql_makes_no_log_key(load: Callable[..., Settings], tmp_path: Path) -> None:
    settings = load({"REGISTRY_DATABASE_URL": POSTGRES, "REGISTRY_SECRET_KEY": KEY})

    assert settings.log_keys == []
    assert not (tmp_path / "data").exists()


def test_a_command_makes_no_log_key(load: Callable[..., Settings], tmp_path: Path) -> None:
    load()
    (tmp_path / "data" / "registry.db").touch()
    (tmp_path / "data" / "log-key").unlink()

    assert load(create=False).log_keys == []
    assert not (tmp_path / "data" / "log-key").exists()


def test_a_log_key_is_no_other_key(load: Callable[..., Settings]) -> None:
    variables = {"REGISTRY_DATABASE_URL": POSTGRES, "REGISTRY_SECRET_KEY": KEY, "REGISTRY_SECRET_KEY_PREVIOUS": LOG_KEY}
    without = {"REGISTRY_DATABASE_URL": POSTGRES, "REGISTRY_SECRET_KEY": KEY, "REGISTRY_SECRET_KEY_PREVIOUS": ""}

    assert "secret key" in problems(load, variables | {"REGISTRY_LOG_KEY": LOG_KEY})["REGISTRY_LOG_KEY"]
    assert problems(load, without | {"REGISTRY_LOG_KEY": "", "REGISTRY_LOG_KEY_PREVIOUS": LOG_KEY}).keys() == {
        "REGISTRY_LOG_KEY_PREVIOUS"
    }


def test_earlier_log_keys_follow_the_present_one_and_none_of_them_is_logged(load: Callable[..., Settings]) -> None:
    old, older = bytes(range(1, 33)).hex(), bytes(range(2, 34)).hex()

    settings = load({"REGISTRY_LOG_KEY": LOG_KEY, "REGISTRY_LOG_KEY_PREVIOUS": f"{old}\n{older} {old}"})

    assert [key.reveal() for key in settings.log_keys] == [LOG_KEY, old, older]
    assert {LOG_KEY, old, older} <= set(settings.secrets())
    assert all(seed not in repr(settings) for seed in (LOG_KEY, old, older))


def test_a_mistake_leaves_no_key_behind(load: Callable[..., Settings], tmp_path: Path) -> None:
    problems(load, {"REGISTRY_WORKERS": "0"})

    assert not (tmp_path / "data").exists()
