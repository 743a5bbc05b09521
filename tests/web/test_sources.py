"""What no template, script or style of the pages may have, and the contrast of the colours."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from jinja2 import UndefinedError

import registry.web
from registry.domain import errors
from registry.domain.errors import RegistryError
from registry.web.errors import TITLES
from registry.web.pages import WebPage

ROOT = Path(registry.web.__file__).parent
TEMPLATES = sorted((ROOT / "templates").rglob("*.html"))
SCRIPTS = sorted(path for path in (ROOT / "static").glob("*.js"))
STYLES = (ROOT / "static" / "registry.css").read_text()
REFUSED = re.compile(
    r"""\sstyle=|\son[a-z]+=|hx-on|["'(\s]js:|javascript:|\|\s*safe\b|Markup|<script(?![^>]*\ssrc=)|<style"""
)
TEXT_PAIRS = [
    *(
        (ink, ground)
        for ink in ("text", "quiet", "accent", "good", "waiting", "past", "bad")
        for ground in ("page", "raised")
    ),
    ("bad", "bad-back"),
    ("text", "bad-back"),
    ("text", "good-back"),
    ("on-accent", "accent"),
]
MARK_PAIRS = [
    ("edge", "page"),
    ("edge", "raised"),
    ("accent", "page"),
    ("good", "page"),
    ("waiting", "page"),
    ("bad", "page"),
]


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_templates_have_no_inline_script_or_style_and_trust_no_text(path: Path) -> None:
    assert [line for line in path.read_text().splitlines() if REFUSED.search(line)] == []


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_scripts_evaluate_no_text(path: Path) -> None:
    assert re.findall(r"\beval\(|new Function|document\.write|insertAdjacentHTML|outerHTML", path.read_text()) == []


def test_only_the_renderer_of_markdown_and_kept_rows_of_templates_make_markup() -> None:
    makers = {path.name for path in ROOT.rglob("*.py") if "Markup(" in path.read_text()}

    assert makers == {"markdown.py", "version_rows.py"}


def test_every_refusal_has_words() -> None:
    codes = {kind.code for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, RegistryError)}
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, RegistryError)]

    assert {*TITLES} <= codes
    for kind in kinds:
        assert any(base.code in TITLES for base in kind.__mro__ if issubclass(base, RegistryError)), kind


class _Broken(WebPage):
    """A page with a defect inside a property."""

    @property
    def part(self) -> str:
        return self.title.absent  # type: ignore[attr-defined]  # the defect


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_defect_inside_a_property_is_an_error_and_not_an_empty_block(dev_app: Flask) -> None:
    environment = dev_app.jinja_env

    for text in ("{% if page.part %}a{% endif %}", "{{ page.part }}", "{{ unnamed }}", "{{ ui.unnamed() }}"):
        with pytest.raises((UndefinedError, AttributeError)):
            environment.from_string(text).render(page=_Broken())
    assert environment.from_string("{% if document.branch %}a{% endif %}b").render(document={}) == "b"


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_texts_and_marks_have_the_contrast_of_wcag(theme: int) -> None:
    """WCAG 2.2, 1.4.3 (texts, 4.5) and 1.4.11 (marks and the edges of controls, 3)."""
    colours = {name: pair[theme] for name, pair in _tokens()}

    low = [(pair, _contrast(colours, *pair)) for pair in TEXT_PAIRS if _contrast(colours, *pair) < 4.5]
    low += [(pair, _contrast(colours, *pair)) for pair in MARK_PAIRS if _contrast(colours, *pair) < 3]

    assert low == []


def _tokens() -> Iterator[tuple[str, tuple[str, str]]]:
    for name, light, dark in re.findall(r"--([a-z-]+): light-dark\((#\w{6}), (#\w{6})\)", STYLES):
        yield name, (light, dark)


def _contrast(colours: dict[str, str], ink: str, ground: str) -> float:
    brighter, darker = sorted((_luminance(colours[ink]), _luminance(colours[ground])), reverse=True)
    return (brighter + 0.05) / (darker + 0.05)


def _luminance(colour: str) -> float:
    """The relative luminance of WCAG 2.2 of ``#rrggbb``."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
