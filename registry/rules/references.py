"""References to versions: ``fraud:7``, ``fraud@champion``, ``fraud#production``, ``models:/fraud/7``.

A reference is read from the right, and a suffix is a selector only if it can be one: ``team@risk#7`` is a model's
name, because 7 is no stage. A bare name means the model, or its latest version where a version is needed; so does
``fraud:latest``, which also names a model that is itself called ``team@risk``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from registry.rules import names, selectors
from registry.rules.selectors import STAGES

_SCHEME = "models:/"
_FORMS = "write fraud:7, fraud@champion, fraud#production or models:/fraud/7"
_NUMBER = re.compile(r"[1-9][0-9]{0,9}\Z")


@dataclass(frozen=True, slots=True)
class Reference:
    """A model, and at most one way to pick its version; none of them means the latest."""

    model: str
    version: int | None = None
    alias: str | None = None
    stage: str | None = None

    def __str__(self) -> str:
        if self.version is not None:
            return f"{self.model}:{self.version}"
        if self.alias is not None:
            return f"{self.model}@{self.alias}"
        if self.stage is not None:
            return f"{self.model}#{self.stage}"
        return f"{self.model}:{selectors.LATEST}" if selectors.split(self.model) else self.model

    @property
    def bare(self) -> bool:
        """True if the reference names a model without a selector."""
        return self.version is None and self.alias is None and self.stage is None


def parse(text: str) -> Reference:
    """Read a reference; raises ValueError with the sentence to show."""
    reference = _parse_uri(text[len(_SCHEME) :]) if text.startswith(_SCHEME) else _parse_short(text)
    if problem := model_problem(reference.model):
        raise ValueError(f"{text!r} names no model: {problem}; {_FORMS}")
    return reference


def model_problem(name: str) -> str | None:
    """Return why *name* cannot be a model's; the registry checks the other rules."""
    if not name:
        return "the name is empty"
    if name in {".", ".."}:
        return "'.' and '..' are not names"
    if ":" in name or "/" in name:
        return "a name holds no ':' or '/'"
    return None


def _parse_short(text: str) -> Reference:
    if ":" in text:
        name, _, number = text.rpartition(":")
        return Reference(name) if number == selectors.LATEST else Reference(name, version=_version_number(number, text))
    selected = selectors.split(text)
    if selected is None:
        return Reference(text)
    if selected.mark == "#":
        return Reference(selected.model, stage=_parse_stage(selected.selector, text))
    if problem := selectors.alias_problem(selected.selector):
        raise ValueError(f"{text!r}: {problem}")
    return Reference(selected.model, alias=selected.selector)


def _parse_uri(text: str) -> Reference:
    """MLflow's form. Its users write ``Production``: here, and only here, a stage's case does not matter."""
    name, slash, selector = text.partition("/")
    if slash:
        return _parse_selector(name, selector, _SCHEME + text)
    name, at, alias = text.rpartition("@")
    if at and names.alias_problem(alias) is None:
        return Reference(name, alias=alias)
    return Reference(text)


def _parse_selector(name: str, selector: str, text: str) -> Reference:
    if _NUMBER.match(selector):
        return Reference(name, version=int(selector))
    if selector.lower() in STAGES:
        return Reference(name, stage=selector.lower())
    if selector.lower() == "latest":
        return Reference(name)
    raise ValueError(f"{text!r}: {selector!r} is neither a version's number nor one of {', '.join(STAGES)}, latest")


def _version_number(text: str, whole: str) -> int:
    if not _NUMBER.match(text):
        raise ValueError(f"{whole!r}: {text!r} is not a version's number; numbers count from 1")
    return int(text)


def _parse_stage(text: str, whole: str) -> str:
    if text == "none":
        raise ValueError(f"{whole!r}: 'none' is the absence of a stage, no version holds it")
    if text not in STAGES:
        raise ValueError(f"{whole!r}: stages are written in lower case: {text.lower()}")
    return text
