"""The REGISTRY_* variables of the environment, with everything that is wrong with them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import environs

from registry.config.rules import http_url_problem

PREFIX = "REGISTRY_"


class ProcessEnvironment:
    """Reads single variables; collects problems by variable instead of stopping at the first one.

    A variable ``REGISTRY_X_FILE`` names a file that holds the value of ``REGISTRY_X``. ``dev`` is set in development
    mode; with ``create`` what the embedded default needs is made where it is missing.
    """

    def __init__(self, *, dev: bool, create: bool, data_dir: Path | str | None) -> None:
        self._variables = environs.FileAwareEnv(prefix=PREFIX, strip_whitespace=True)
        self.problems: dict[str, str] = {}
        self.dev, self.create = dev, create
        self.data_dir = Path(data_dir or self.text("data_dir") or "registry-data").absolute()

    def note(self, name: str, problem: str) -> None:
        """Note what is wrong with the setting *name*."""
        self.problems[variable(name)] = problem

    def text(self, name: str) -> str | None:
        """Return the value of a setting; None where it is empty or not set."""
        return self._read(name, self._variables.str, None) or None

    def number(self, name: str, default: int, *, least: int, most: int) -> int:
        """Return a whole number from *least* to *most*."""
        value = int(self._read(name, self._variables.int, default, form=f"a whole number from {least} to {most}"))
        if not least <= value <= most:
            self.note(name, f"must be {least} to {most}, not {value}")
        return value

    def flag(self, name: str, *, default: bool) -> bool:
        """Return a truth value."""
        return bool(self._read(name, self._variables.bool, default, form="true or false"))

    def texts(self, name: str, rule: Callable[[str], str | None], *, lower: bool = False) -> tuple[str, ...]:
        """Return the values of a list that is separated by commas, each checked by *rule*."""
        text = self.text(name) or ""
        values = (text.lower() if lower else text).split(",")
        return tuple(self.checked(name, value.strip(), rule) for value in values if value.strip())

    def choice(self, name: str, choices: tuple[str, ...], default: str) -> str:
        """Return one of the *choices*."""
        text = f"must be {' or '.join(choices)}"
        return self.checked(name, self.text(name) or default, lambda value: None if value in choices else text)

    def url(self, name: str) -> str | None:
        """Return an HTTP URL without a slash at its end."""
        value = self.text(name)
        return self.checked(name, value.rstrip("/"), http_url_problem) if value else None

    def checked(self, name: str, value: str, rule: Callable[[str], str | None]) -> str:
        """Return *value*; record the problem that *rule* returns."""
        if problem := rule(value):
            quoted = "" if "@" in value else f", not {value!r}"  # before an @ there may be a password
            self.note(name, problem + quoted)
        return value

    def _read(self, name: str, read: Callable[[str, Any], Any], default: Any, *, form: str = "a text") -> Any:
        try:
            return read(name.upper(), default)
        except environs.EnvValidationError:
            self.note(name, f"must be {form}")
            return default
        except (ValueError, environs.EnvError) as error:
            self.note(name, str(error))
            return default


def variable(name: str) -> str:
    """Return the environment variable of a setting."""
    return f"{PREFIX}{name.upper()}"
