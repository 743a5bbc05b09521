"""Markdown of strangers: what a browser makes of it is harmless, and it is made in a bounded time and size."""

from __future__ import annotations

import html5lib
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markupsafe import escape

from registry.web.text.front_matter import LONGEST_NAME, LONGEST_VALUE, MOST_BYTES, MOST_ROWS, read_card
from registry.web.text.markdown import LEAD, MOST, lead, render
from registry.web.text.words import clean

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
    wide = "|a" * 100 + "|\n" + "|-" * 100 + "|\n" + "x\n" * 800  # its table would have 65,536 cells
    assert lead(wide) == "|a" * 99 + "|…"


def test_the_front_matter_of_a_card_is_rows_of_texts() -> None:
    card = read_card("---\r\nlicense: mit\r\ntags: [a, b]\r\nmetrics:\r\n- {name: auc, value: 0.90}\r\n---\r\n# Body")

    assert [(row.name, row.value) for row in card.rows] == [
        ("license", "mit"),
        ("tags", "a, b"),
        ("metrics.1.name", "auc"),
        ("metrics.1.value", "0.90"),
    ]
    assert (card.body, card.problem, card.left_out) == ("# Body", None, 0)
    many = read_card("---\n" + "".join(f"k{number}: v\n" for number in range(500)) + "---\nx")
    assert (len(many.rows), many.left_out) == (MOST_ROWS, 500 - MOST_ROWS)
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


KEY = "k" * 4_000
HOSTILE = {
    "long keys above many": f"? {KEY}\n: {{{','.join(f'a{number}: 1' for number in range(400))}}}",
    "marks": "".join(f"k{number}: {chr(0x202E) * 60}\n" for number in range(100)),
    "quotes": "".join(f"k{number}: |\n  {'&' * 70}\n" for number in range(90)),
    "links": "".join(f"k{number}: https://a.test/{'&' * 60}\n" for number in range(90)),
    "deep": "{a: " * 4 + f"[{{? {KEY} : 1}}, {KEY[:3000]}]" + "}" * 4,
    "one long value": "a: " + "x" * 8_000,
    "empty keys": "[" + "{}," * 2_000 + "]",
    "keys without values": "".join(f"? k{number}\n" for number in range(1_000)),
}


@pytest.mark.parametrize("source", HOSTILE.values(), ids=HOSTILE)
def test_the_table_of_a_front_matter_is_bounded_and_says_what_it_leaves_out(source: str) -> None:
    card = read_card(f"---\n{source}\n---\n# Body")
    texts = [text for row in card.rows for text in (row.name, row.value, row.address or "")]

    assert sum(len(escape(clean(text)).encode()) for text in texts) <= MOST_BYTES
    assert len(card.rows) <= MOST_ROWS
    assert card.body == "# Body"
    for row in card.rows:
        assert len(row.name) <= LONGEST_NAME or "more characters)" in row.name
        assert len(row.name) <= LONGEST_NAME + 30
        assert len(row.value) <= LONGEST_VALUE + 30


def test_names_and_values_are_cut_with_a_statement_and_entries_are_counted() -> None:
    keys = read_card(f"---\n{HOSTILE['long keys above many']}\n---\n")
    value = read_card(f"---\n{HOSTILE['one long value']}\n---\n")
    link = read_card(f"---\na: https://a.test/{'x' * 3000}\nb: https://a.test/y\n---\n")
    marks = read_card(f"---\n{HOSTILE['marks']}\n---\n")

    assert keys.rows[0].name == "k" * 200 + "… (3,803 more characters)"
    assert (len(keys.rows), keys.left_out) == (MOST_ROWS, 300)
    assert value.rows[0].value == "x" * 2_000 + "… (6,000 more characters)"
    assert [row.address for row in link.rows] == [None, "https://a.test/y"]
    assert 0 < len(marks.rows) == 100 - marks.left_out < 100


@pytest.mark.parametrize("columns", [10, 50, 100, 200, 500, 1_000])
@pytest.mark.parametrize("end", ["\n", "\r", "\r\n"], ids=["LF", "CR", "CRLF"])
def test_tables_whose_rows_are_filled_up_make_no_large_page(columns: int, end: str) -> None:
    table = "|a" * columns + f"|{end}" + "|-" * columns + f"|{end}" + f"x{end}" * (65_536 // columns) + end
    text = (table * 30)[:MOST]

    assert len(render(text)) < 5 * MOST


def test_a_table_of_many_rows_stays_a_table() -> None:
    rows = "| a | b | c | d | e |\n| - | - | - | - | - |\n" + "| 1 | 2 | 3 | 4 | 5 |\n" * 500

    assert str(render(f"# Results\n\n{rows}\nScores")).count("<tr>") == 501
