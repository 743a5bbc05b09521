"""Declarations of settings: default, limits and description of each variable, in one place.

A declaration is the default of a field of a dataclass; its metadata has how the variable is read and documented.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import MISSING, dataclass, field, fields
from typing import Any

from registry.config.environment import ProcessEnvironment, variable
from registry.rules.units import size

Values = Mapping[str, Any]  # of the settings that are declared before, by name
Read = Callable[[ProcessEnvironment, str, Values], Any]
_KEY = "declaration"


@dataclass(frozen=True, slots=True)
class Declaration:
    """Declaration of a variable: its parser, and its row in the documentation.

    ``is_last`` is set for a variable that is read after all others.
    """

    read: Read | None
    shown_default: str
    about: str
    is_last: bool = False


def setting(read: Read | None, default: Any = MISSING, *, default_text: str, about: str, is_last: bool = False) -> Any:
    """Declare a setting; *default_text* and *about* are its default and description in the documentation (Markdown)."""
    return field(default=default, metadata={_KEY: Declaration(read, default_text, about, is_last)})


def number(
    default: int,
    *,
    least: int,
    most: int,
    about: str,
    default_text: str = "",
    derive: Callable[[Values], int] | None = None,
) -> Any:
    """Declare a whole number from *least* to *most*; *derive* computes the default of a process where it depends."""

    def read(environment: ProcessEnvironment, name: str, values: Values) -> int:
        return environment.number(name, derive(values) if derive else default, least=least, most=most)

    return setting(read, default, default_text=default_text or str(default), about=about)


def byte_count(default: int, *, least: int, most: int, about: str) -> Any:
    """Declare a number of bytes; the documentation has the default in binary units."""
    return number(default, least=least, most=most, about=about, default_text=size(default).replace(".0 ", " "))


def flag(default: bool, *, about: str) -> Any:
    """Declare a switch."""
    return setting(
        lambda environment, name, _: environment.flag(name, default=default),
        default, default_text=f"`{str(default).lower()}`", about=about,
    )  # fmt: skip


def choice(
    default: str,
    choices: tuple[str, ...],
    *,
    about: str,
    default_text: str = "",
    derive: Callable[[Values], str] | None = None,
) -> Any:
    """Declare one of several texts; *derive* computes the default of a process where it depends."""

    def read(environment: ProcessEnvironment, name: str, values: Values) -> str:
        return environment.choice(name, choices, derive(values) if derive else default)

    return setting(read, default, default_text=default_text or f"`{default}`", about=about)


def text(*, about: str, default_text: str) -> Any:
    """Declare a text that may be left out."""
    return setting(lambda environment, name, _: environment.text(name), None, default_text=default_text, about=about)


def url(*, about: str, default_text: str) -> Any:
    """Declare an HTTP URL that may be left out."""
    return setting(lambda environment, name, _: environment.url(name), None, default_text=default_text, about=about)


def texts(rule: Callable[[str], str | None], *, about: str, default_text: str = "none", lower: bool = False) -> Any:
    """Declare a list of texts, separated by commas, that each obey *rule*."""
    return setting(
        lambda environment, name, _: environment.texts(name, rule, lower=lower),
        (),
        default_text=default_text,
        about=about,
    )


def declarations(owner: type) -> Mapping[str, Declaration]:
    """Return the declarations of a dataclass by the names of its fields, in their order."""
    return {item.name: item.metadata[_KEY] for item in fields(owner) if _KEY in item.metadata}


def read_all(declared: Mapping[str, Declaration], environment: ProcessEnvironment, values: Values) -> dict[str, Any]:
    """Read every declared variable; *values* are those that are known before."""
    settings_read = dict(values)
    for is_last in (False, True):
        for name, declaration in declared.items():
            if declaration.read is not None and declaration.is_last is is_last:
                settings_read[name] = declaration.read(environment, name, settings_read)
    return settings_read


def documentation(declared: Mapping[str, Declaration]) -> Collection[str]:
    """Return the rows of the settings in a Markdown table: variable, default, description."""
    return [f"| `{variable(name)}` | {one.shown_default} | {one.about} |" for name, one in declared.items()]
