"""Which programs make an environment, from which file, and what ends a container."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from registry.client.errors import CannotReproduce
from registry.client.reproduction import environments, run
from registry.client.reproduction.environments import EnvironmentOptions
from registry.client.reproduction.recipe import Recipe
from registry.client.reproduction.run import PreparedRun, RunOptions

RECIPE = Recipe("fraud:1", "/r", "7b1d0f6e2c9a", None, False, "train", None, None, None, None, [], {}, {}, {})


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file with the arguments of each call of uv and docker; docker run fails."""
    calls = tmp_path / "calls"
    for name in ("uv", "docker"):
        program = tmp_path / "bin" / name
        program.parent.mkdir(exist_ok=True)
        program.write_text(f'#!/bin/sh\necho {name} "$@" >> {calls}\n[ "$1" != run ]\n')
        program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    return calls


@pytest.mark.parametrize(
    ("name", "lock_file", "content", "called"),
    [
        ("jobs/requirements-train.txt", None, "a==1", "-r {checkout}/jobs/requirements-train.txt"),
        ("uv.lock", "uv.lock", "version = 1", "uv sync --quiet --frozen --project {checkout}\n"),
        ("jobs/python_env.yaml", None, "dependencies: [-r requirements.txt]", "-r {checkout}/jobs/python_env-"),
    ],
)
def test_a_lock_file_of_the_repository_is_installed_where_it_is(
    tmp_path: Path, programs: Path, name: str, lock_file: str | None, content: str, called: str
) -> None:
    checkout = tmp_path / "checkout"
    (checkout / "jobs").mkdir(parents=True)
    (checkout / "pyproject.toml").touch()
    (checkout / name).write_text(content)
    digest = f"sha256:{hashlib.sha256(content.encode()).hexdigest()}"
    recipe = replace(RECIPE, lock_digest=digest, lock_file=lock_file)

    environments.prepare(recipe, None, checkout, tmp_path / "files", tmp_path / "env", EnvironmentOptions())

    assert called.format(checkout=checkout) in programs.read_text()


def test_a_lock_file_of_another_tool_is_refused_by_its_name(tmp_path: Path) -> None:
    recipe = replace(RECIPE, lock_digest="sha256:" + "0" * 64, lock_file="poetry.lock")

    with pytest.raises(CannotReproduce, match=r"from poetry\.lock.*--current-environment"):
        environments.prepare(recipe, None, tmp_path, tmp_path, tmp_path / "env", EnvironmentOptions())


def test_a_container_is_ended_with_its_client(tmp_path: Path, programs: Path) -> None:
    recipe = replace(RECIPE, image_digest="sha256:" + "0" * 64)
    (tmp_path / "checkout").mkdir()
    prepared = PreparedRun(recipe, "train", None, tmp_path, tmp_path / "checkout", tmp_path / "checkout", [])

    with pytest.raises(CannotReproduce, match="exit code 1"):
        run.execute(prepared, RunOptions(EnvironmentOptions(image="team/train")), lambda file, directory: None)

    begun, ended = programs.read_text().splitlines()
    assert begun.startswith("docker run --rm --name registry-reproduce-")
    assert ended == f"docker rm --force {begun.split()[4]}"
