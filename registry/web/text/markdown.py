"""Untrusted Markdown as HTML, without embedded markup, images or scripts, and with marked links.

The only module that returns markup to the templates. The parser writes no HTML of the text, and what it wrote is
cleaned by an independent parser (nh3). A text that would take long to parse is returned as plain text.
"""

from __future__ import annotations

import re
from collections.abc import MutableMapping, Sequence
from functools import cache
from itertools import pairwise
from typing import Any
from urllib.parse import urlsplit

import nh3
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markupsafe import Markup, escape

from registry.web.text.words import clean, safe_url

MOST = 65_536  # characters: of a description, and the bytes that are read of a file
LEAD = 200
# Unclosed brackets and tables make the parser slow, or the page large.
_MOST_BRACKETS, _MOST_BARS = 2_000, 5_000
_MOST_CELLS = 10_000  # the parser fills each row of a table up to the width of its head
_LINE_ENDS, _BLANK_LINES = re.compile(r"\r\n?"), re.compile(r"\n[ \t]*\n")
_LOWERED = 2  # levels: the page has the first heading itself
_TAGS = {
    "a", "blockquote", "br", "code", "del", "em", "h3", "h4", "h5", "h6", "hr", "li", "ol", "p", "pre", "s", "strong",
    "table", "tbody", "td", "th", "thead", "tr", "ul",
}  # fmt: skip
_ATTRIBUTES = {"a": {"href", "title"}, "ol": {"start"}}
_REL = "noopener noreferrer nofollow"


def render(text: str) -> Markup:
    """Return the text as HTML, of at most its first MOST characters. Marks of text direction are shown as marks."""
    shown = text[:MOST].replace("\r\n", "\n")
    if shown.count("[") > _MOST_BRACKETS or shown.count("|") > _MOST_BARS or _cells(shown) > _MOST_CELLS:
        html: str = Markup('<p class="text">{}</p>').format(clean(shown))
    else:
        html = nh3.clean(
            clean(_parser().render(shown)),  # an entity may stand for a mark of text direction
            tags=_TAGS,
            attributes=_ATTRIBUTES,
            url_schemes={"http", "https", "mailto"},
            link_rel=_REL,
        )
    return Markup(html + _rest(text))  # noqa: S704 -- cleaned above


def lead(text: str) -> str:
    """Return the beginning of the first paragraph as plain text, at most LEAD characters."""
    head = text[: 10 * LEAD].replace("\r\n", "\n")
    if _cells(head) > _MOST_CELLS:
        words = clean(" ".join(head.split()))
    else:
        tokens = _parser().parse(head)
        inside = [after for before, after in pairwise(tokens) if before.type == "paragraph_open"]
        words = clean(" ".join(_plain(inside[0]).split())) if inside else ""
    return words if len(words) <= LEAD else f"{words[: LEAD - 1].rstrip()}…"


def _rest(text: str) -> str:
    left = len(text) - MOST
    return Markup('<p class="quiet">{} more characters are not shown.</p>').format(left) if left > 0 else ""


def _cells(text: str) -> int:
    """Return how many cells the tables of a text can have at most: none goes on after an empty line."""
    cells = 0
    for block in _BLANK_LINES.split(_LINE_ENDS.sub("\n", text)):
        widest = max(line.count("|") for line in block.split("\n"))
        cells += (widest + 1) * (block.count("\n") + 1) if widest else 0
    return cells


@cache
def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": False, "maxNesting": 20}).enable(["table", "strikethrough"])
    parser.validateLink = _may_link  # type: ignore[method-assign,assignment]  # the documented way
    parser.core.ruler.push("lower_headings", _lower_headings)
    parser.add_render_rule("image", _alternative)
    return parser


def _may_link(address: str) -> bool:
    """Return whether a link may lead to the address; otherwise its source stays text."""
    if safe_url(address) is not None:
        return True
    try:
        return urlsplit(address).scheme == "mailto"
    except ValueError:
        return False


def _lower_headings(state: Any) -> None:
    for token in state.tokens:
        if token.type in {"heading_open", "heading_close"}:
            token.tag = f"h{min(int(token.tag[1:]) + _LOWERED, 6)}"


def _alternative(
    renderer: RendererHTML, tokens: Sequence[Token], index: int, options: Any, env: MutableMapping[str, Any]
) -> str:
    """Render the alternative text of an image: loading the image would reveal the reader to another server."""
    return str(escape(f"[picture: {tokens[index].content}]"))


def _plain(inline: Token) -> str:
    parts = {"softbreak": " ", "hardbreak": " "}
    return "".join(parts.get(one.type, one.content) for one in inline.children or ())
