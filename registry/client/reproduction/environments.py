"""The environment of a run: a new virtual environment, conda's, a container, or that of the caller."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from registry.client.errors import CannotReproduce
from registry.client.files import scan
from registry.client.reproduction import child, project
from registry.client.reproduction.project import Project
from registry.client.reproduction.recipe import LOCK_FILES, Recipe

CWD = "{cwd}"  # stands for the directory of the command in the prefix of a container
_CONDA = ("micromamba", "mamba", "conda")
_RELEASE = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,3}){1,2}\Z")
_IMAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/:@-]{0,500}\Z")
# Written by other tools than pip, which cannot read them.
_OTHER_LOCK_FILES = ("poetry.lock", "pylock.toml", "Pipfile.lock", "pdm.lock", "pixi.lock", "conda-lock.yml")
_LOCK_SUFFIXES = (".txt", ".lock", ".yaml", ".yml", ".toml")
_CONDA_FILES = ("conda.yaml", "conda.yml", "environment.yml", "environment.yaml")


@dataclass(frozen=True, slots=True)
class PreparedEnvironment:
    """How the command is started: the arguments before the shell, and directories before those of PATH.

    ``end`` is the command that ends what the prefix may leave running.
    """

    text: str
    prefix: Sequence[str] = ()
    bin: Path | None = None
    variables: Mapping[str, str] = field(default_factory=dict)
    end: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class EnvironmentOptions:
    """The caller's choice; ``image`` is the name of the container image whose digest is recorded."""

    current: bool = False
    system_site_packages: bool = False
    image: str | None = None
    timeout_seconds: float | None = None


def prepare(
    recipe: Recipe, found: Project | None, checkout: Path, files: Path, target: Path, options: EnvironmentOptions
) -> PreparedEnvironment:
    """Make the environment of the recipe, else that of the project, in *target*; *files* has the version's lock file.

    Raises CannotReproduce where there is none, or where a program that makes it is not installed here.
    """
    if options.current:
        return PreparedEnvironment("the current environment", bin=Path(sys.executable).parent)
    if recipe.image_digest:
        if not options.image:
            raise CannotReproduce(
                "the container image is recorded by its digest alone: give its name, --image NAME, "
                "or use --current-environment."
            )
        return _container(f"{options.image}@{recipe.image_digest}", checkout)
    if recipe.lock_digest:
        return _of_file(_find_lock_file(recipe, checkout, files), recipe.python, target, options)
    if found and found.image:
        return _container(found.image, checkout)
    if found and (name := found.python_file or found.conda_file):
        file = (checkout / name).resolve()
        if not file.is_relative_to(checkout.resolve()) or not file.is_file():
            raise CannotReproduce(f"{project.FILE_NAME} names {name}, which is not in the repository.")
        return _of_file(file, recipe.python, target, options, kind="conda" if found.conda_file else "python_env")
    raise CannotReproduce(
        f"neither a lock file nor a container image of {recipe.reference} is recorded. --current-environment runs the "
        "command with the packages of this one."
    )


def _find_lock_file(recipe: Recipe, checkout: Path, files: Path) -> Path:
    # uv reads uv.lock together with the pyproject.toml of the same directory.
    if recipe.lock_file and PurePosixPath(recipe.lock_file).name != "uv.lock":
        return files / recipe.lock_file
    named = (path for name in LOCK_FILES for path in sorted(checkout.rglob(name)))
    others = (path for suffix in _LOCK_SUFFIXES for path in sorted(checkout.rglob(f"*{suffix}")))
    for path in (*named, *others):
        if path.is_file() and f"sha256:{scan.digest(path)}" == recipe.lock_digest:
            return path
    if recipe.lock_file:
        return files / recipe.lock_file
    raise CannotReproduce(
        f"no lock file with the digest {recipe.lock_digest} is among the files of {recipe.reference} or in the "
        "repository. --current-environment runs the command with the packages of this one."
    )


def _of_file(
    file: Path, python: str | None, target: Path, options: EnvironmentOptions, *, kind: str | None = None
) -> PreparedEnvironment:
    name = PurePosixPath(file.name).name
    if kind == "conda" or (kind is None and name in _CONDA_FILES):
        return _conda(file, target, options)
    if name in _OTHER_LOCK_FILES:
        raise CannotReproduce(f"no environment can be made from {name}. Make it, and use --current-environment.")
    if name == "uv.lock":
        return _uv_project(file, python, target, options)
    if kind == "python_env" or name == "python_env.yaml":
        try:
            described = project.python_environment(_read_file(file))
        except ValueError as error:
            raise CannotReproduce(f"{name} {error}.") from error
        # A line such as -r requirements.txt is relative to the file that has it.
        requirements = file.with_name(f"{file.stem}-{secrets.token_hex(4)}.txt")
        requirements.write_text("".join(f"{line}\n" for line in described.dependencies), encoding="utf-8")
        return _virtual(requirements, file.parent, described.python or python, target, options)
    return _virtual(file, file.parent, python, target, options)


def _virtual(
    requirements: Path, cwd: Path, python: str | None, target: Path, options: EnvironmentOptions
) -> PreparedEnvironment:
    """Return a new virtual environment with the packages of a requirements file, made with uv where it is here."""
    uv = shutil.which("uv")
    has_packages = any(line.strip() and not line.strip().startswith("#") for line in _requirement_lines(requirements))
    site = ["--system-site-packages"] if options.system_site_packages else []
    interpreter = target / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    if uv:
        version = ["--python", python if python and _differs(python) else sys.executable]
        make = [uv, "venv", "--quiet", *version, *site, str(target)]
        install = [uv, "pip", "install", "--quiet", "--python", str(interpreter), "-r", str(requirements)]
    elif _differs(python):
        raise CannotReproduce(f"the version was trained with Python {python}, and this is another one: install uv.")
    else:
        make = [sys.executable, "-m", "venv", *([] if has_packages else ["--without-pip"]), *site, str(target)]
        install = [str(interpreter), "-m", "pip", "install", "--quiet", "-r", str(requirements)]
    child.prepare(make, "making the virtual environment", timeout_seconds=options.timeout_seconds)
    if has_packages:
        child.prepare(install, f"installing {requirements.name}", cwd=cwd, timeout_seconds=options.timeout_seconds)
    return PreparedEnvironment(
        f"a new virtual environment with {requirements.name}", bin=interpreter.parent,
        variables={"VIRTUAL_ENV": str(target)},
    )  # fmt: skip


def _uv_project(lock: Path, python: str | None, target: Path, options: EnvironmentOptions) -> PreparedEnvironment:
    uv = _program("uv", "uv.lock")
    if not (lock.parent / "pyproject.toml").is_file():
        raise CannotReproduce("the directory of uv.lock has no pyproject.toml.")
    version = ["--python", str(python)] if _differs(python) else []
    child.prepare(
        [uv, "sync", "--quiet", "--frozen", *version, "--project", str(lock.parent)], "uv sync",
        timeout_seconds=options.timeout_seconds, extra={"UV_PROJECT_ENVIRONMENT": str(target)},
    )  # fmt: skip
    directory = target / ("Scripts" if sys.platform == "win32" else "bin")
    return PreparedEnvironment("the environment of uv.lock", bin=directory, variables={"VIRTUAL_ENV": str(target)})


def _conda(file: Path, target: Path, options: EnvironmentOptions) -> PreparedEnvironment:
    program = next((found for name in _CONDA if (found := shutil.which(name))), None)
    if program is None:
        raise CannotReproduce(f"{file.name} needs conda, which is not installed here; or use --current-environment.")
    create = [program, "env", "create", "--yes", "--quiet", "--prefix", str(target), "--file", str(file)]
    child.prepare(create, "conda env create", cwd=file.parent, timeout_seconds=options.timeout_seconds)
    return PreparedEnvironment(f"conda's environment of {file.name}", prefix=(program, "run", "--prefix", str(target)))


def _container(image: str, checkout: Path) -> PreparedEnvironment:
    if not _IMAGE.match(image):
        raise CannotReproduce(f"{image[:200]!r} is no name of a container image.")
    docker, root = _program("docker", "the container image"), str(checkout)
    name = f"registry-reproduce-{secrets.token_hex(8)}"
    user = ("--user", f"{os.getuid()}:{os.getgid()}") if hasattr(os, "getuid") else ()
    return PreparedEnvironment(
        f"the container image {image}",
        prefix=(docker, "run", "--rm", "--name", name, "--volume", f"{root}:{root}", "--workdir", CWD, *user,
                "--entrypoint", "", image),
        end=(docker, "rm", "--force", name),
    )  # fmt: skip


def _program(name: str, what: str) -> str:
    if found := shutil.which(name):
        return found
    raise CannotReproduce(f"{what} needs {name}, which is not installed here; or use --current-environment.")


def _differs(python: str | None) -> bool:
    """Return whether the recorded Python is a release of another major or minor version than this one."""
    if python is None or not _RELEASE.match(python):
        return False
    return python.split(".")[:2] != [str(part) for part in sys.version_info[:2]]


def _requirement_lines(file: Path) -> list[str]:
    return _read_file(file).decode("utf-8", "replace").splitlines()


def _read_file(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise CannotReproduce(f"{file.name} cannot be read: {error.strerror}.") from error
