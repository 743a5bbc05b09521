"""Markdown of strangers: what a browser makes of it is harmless, and it is made in a bounded time and size."""

from __future__ import annotations

import html5lib
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from registry.web.text.front_matter import MOST_ROWS, read_card
from registry.web.text.markdown import LEAD, MOST, lead, render

TAGS = {"a", "blockquote", "br", "code", "del", "em", "h3", "h4", "h5", "h6", "hr", "li", "ol", "p", "pre", "s",
        "strong", "table", "tbody", "td", "th", "thead", "tr", "ul"}  # fmt: skip
PIECES = st.sampled_from(
    ["<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "![a](https://evil.test/x.png)", "[a](javascript:x)",
     "[b](http://a.test \"t\")", "[c](/models/x)", "<http://a.test/\"onclick=x>", "[d](data:text/html,x)", "&#x202E;",
     "# h\n", "\n\n", "> ", "- ", "1. ", "```\n", "`", "*", "~~", "|a|b|\n|-|-|\n|1|2|\n", "\u202e", "\x07", "&#0;",
     "[e]: javascript:x\n", "[e]", "[f](mailto:a@b.test)", "<style>*{}</style>", "\\", "    code\n", "<!--", "]]>"]
)  # fmt: skip


@settings(max_examples=60)
@example(["[a](JaVaScRiPt:alert(1)) [b](&#106;avascript:x) [c](\tjavascript:x) [d](//evil.test)"])
@given(st.lists(PIECES | st.text(max_size=5), max_size=30))
def test_a_browser_finds_only_harmless_elements_and_marked_links(pieces: list[str]) -> None:
    html = render("".join(pieces))

    for element in html5lib.parseFragment(str(html), namespaceHTMLElements=False).iter():
        if element.tag == "DOCUMENT_FRAGMENT":
            continue
        assert element.tag in TAGS
        assert set(element.attrib) <= {"href", "title", "rel", "start", "class"}
        if element.tag == "a":
            assert element.get("href", "").lower().startswith(("http://", "https://", "mailto:"))
            assert element.get("rel") == "noopener noreferrer nofollow"
    assert "\u202e" not in html


def test_headings_are_lowered_below_that_of_the_page_and_pictures_are_their_texts() -> None:
    html = render("# One\n\n##### Five\n\n![a chart](https://evil.test/x.png)")

    assert "<h3>One</h3>" in html
    assert "<h6>Five</h6>" in html
    assert "[picture: a chart]" in html
    assert "evil.test" not in html


@pytest.mark.parametrize(
    "hostile",
    ["[" * MOST, "[a](" * (MOST // 4), "![" * (MOST // 2), "> " * 10_000, "a|b\n-|-\n" * (MOST // 8), "*a_ " * 16_000,
     "x" * 2_000_000, "`" * MOST, "- a\n" * 16_000],
)  # fmt: skip
def test_what_is_slow_to_read_or_large_is_bounded(hostile: str) -> None:
    html = render(hostile)

    assert len(html) < 4 * MOST
    assert ("more characters are not shown" in html) == (len(hostile) > MOST)
    assert len(lead(hostile)) <= LEAD


def test_the_lead_is_the_first_paragraph_in_plain_words() -> None:
    assert lead("# Title\n\nScores **card**\n`payments` &amp; [more](http://a.test).\n\nSecond") == (
        "Scores card payments & more."
    )
    assert lead("- only\n- a list") == "only"
    assert lead("") == ""


def test_the_front_matter_of_a_card_is_rows_of_texts() -> None:
    card = read_card("---\r\nlicense: mit\r\ntags: [a, b]\r\nmetrics:\r\n- {name: auc, value: 0.90}\r\n---\r\n# Body")

    assert card.rows == (
        ("license", "mit"),
        ("tags", "a, b"),
        ("metrics.1.name", "auc"),
        ("metrics.1.value", "0.90"),
    )
    assert (card.body, card.problem, card.more) == ("# Body", None, False)
    many = read_card("---\n" + "".join(f"k{number}: v\n" for number in range(500)) + "---\nx")
    assert (len(many.rows), many.more) == (MOST_ROWS, True)
    assert read_card("---\nno end").body == "---\nno end"


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]", "anchors or aliases"),
        ("[" * 5000, "levels deep"),
        ("a: " + "x" * 20_000, "characters"),
        ("a: [", "not YAML"),
        ('a: "\\U99999999"', "not YAML"),
        ("a: !!python/object/apply:os.system [x]\nb: *c", "anchors or aliases"),
    ],
)
def test_a_front_matter_that_could_do_harm_is_refused_and_the_body_is_kept(source: str, problem: str) -> None:
    card = read_card(f"---\n{source}\n---\n# Body")

    assert problem in str(card.problem)
    assert (card.body, card.rows) == ("# Body", ())
