"""MLflow Projects: the file ``MLproject`` with entry points, parameters and an environment.

Source: mlflow.org/docs/latest/ml/projects. Nothing of a project is executed or imported here.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

FILE_NAME = "MLproject"
MAIN = "main"
MOST_BYTES = 64 << 10
MOST_ENTRIES = 1000  # of a list or a mapping
_PLACE = re.compile(r"\{([A-Za-z_][\w-]*)\}")


@dataclass(frozen=True, slots=True)
class EntryPoint:
    """A command with places for parameters, and the defaults of these; a parameter without one is required."""

    command: str
    parameters: Mapping[str, str | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Project:
    """A project; at most one of the paths and the image is its environment."""

    entry_points: Mapping[str, EntryPoint]
    name: str | None = None
    conda_file: str | None = None
    python_file: str | None = None
    image: str | None = None


@dataclass(frozen=True, slots=True)
class PythonEnvironment:
    """The content of ``python_env.yaml``; dependencies are lines of a requirements file."""

    python: str | None
    dependencies: Sequence[str]


def parse(content: bytes) -> Project:
    """Return the project that a file ``MLproject`` describes. Raises ValueError."""
    document = _require_mapping(_parse_yaml(content), FILE_NAME)
    points = _require_mapping(document.get("entry_points") or {}, "entry_points")
    docker = _require_mapping(document.get("docker_env") or {}, "docker_env")
    project = Project(
        {_require_text(name, "an entry point"): _entry_point(name, point) for name, point in points.items()},
        name=_optional_text(document.get("name"), "name"),
        conda_file=_optional_text(document.get("conda_env"), "conda_env"),
        python_file=_optional_text(document.get("python_env"), "python_env"),
        image=_optional_text(docker.get("image"), "docker_env.image"),
    )
    if sum(bool(one) for one in (project.conda_file, project.python_file, project.image)) > 1:
        raise ValueError("has more than one of conda_env, python_env and docker_env")
    return project


def command(project: Project, params: Mapping[str, str], entry_point: str = MAIN) -> str:
    """Return the command of an entry point with these parameters. Raises ValueError where it lacks one."""
    point = project.entry_points.get(entry_point)
    if point is None:
        known = ", ".join(project.entry_points) or "none"
        raise ValueError(f"has no entry point {entry_point!r}; it has {known}")
    values = {name: params.get(name, default) for name, default in point.parameters.items()}
    names = dict.fromkeys(_PLACE.findall(point.command))
    missing = [name for name in names if values.get(name, params.get(name)) is None]
    if missing:
        raise ValueError(f"the entry point {entry_point!r} needs parameters without a value: {', '.join(missing)}")
    return _PLACE.sub(lambda place: shlex.quote(values.get(place[1]) or params[place[1]]), point.command)


def python_environment(content: bytes) -> PythonEnvironment:
    """Return the environment that a file ``python_env.yaml`` describes. Raises ValueError."""
    document = _require_mapping(_parse_yaml(content), "python_env")
    lines = [
        _require_text(one, name)
        for name in ("build_dependencies", "dependencies")
        for one in _require_list(document.get(name) or [], name)
    ]
    return PythonEnvironment(_optional_text(document.get("python"), "python"), lines)


def _entry_point(name: Any, value: Any) -> EntryPoint:
    point = _require_mapping(value, f"entry_points.{name}")
    parameters = _require_mapping(point.get("parameters") or {}, f"entry_points.{name}.parameters")
    command = " ".join(_require_text(point.get("command"), f"entry_points.{name}.command").split())
    return EntryPoint(
        command, {_require_text(key, "a parameter"): _default(key, one) for key, one in parameters.items()}
    )


def _default(name: Any, value: Any) -> str | None:
    """Return the default of a parameter: ``{type: float, default: 0.1}``, or the type alone.

    Any type is accepted, such as int: MLflow does not limit them.
    """
    if isinstance(value, Mapping):
        kind, default = value.get("type", "string"), value.get("default")
    else:
        kind, default = value, None
    _require_text(kind, f"the type of {name}")
    if kind == "float" and default is not None:
        float(_require_text(default, f"the default of {name}"))
    return None if default is None else _require_text(default, f"the default of {name}")


def _parse_yaml(content: bytes) -> Any:
    from registry.rules import yaml_documents  # the parser is slow to import

    if len(content) > MOST_BYTES:
        raise ValueError(f"has more than {MOST_BYTES >> 10} KiB")
    try:
        return yaml_documents.load(content, lambda _: None)
    except RecursionError as error:
        raise ValueError("is nested too deep") from error


def _require_mapping(value: Any, name: str) -> Mapping[Any, Any]:
    if not isinstance(value, Mapping) or len(value) > MOST_ENTRIES:
        raise ValueError(f"{name} is no mapping of at most {MOST_ENTRIES} entries")
    return value


def _require_list(value: Any, name: str) -> Sequence[Any]:
    if not isinstance(value, list) or len(value) > MOST_ENTRIES:
        raise ValueError(f"{name} is no list of at most {MOST_ENTRIES} entries")
    return value


def _require_text(value: Any, name: str) -> str:
    if isinstance(value, bool | int | float):
        value = str(value)
    if not isinstance(value, str) or not value.strip() or "\x00" in value:
        raise ValueError(f"{name} is no text")
    return value


def _optional_text(value: Any, name: str) -> str | None:
    return None if value is None else _require_text(value, name)
