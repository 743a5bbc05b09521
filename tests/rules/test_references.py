from __future__ import annotations

import pytest

from registry.rules.references import Reference, parse


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("fraud", Reference("fraud")),
        ("fraud:7", Reference("fraud", version=7)),
        ("fraud@champion", Reference("fraud", alias="champion")),
        ("fraud#production", Reference("fraud", stage="production")),
        ("fraud#archived", Reference("fraud", stage="archived")),
        ("fraud:latest", Reference("fraud")),
        ("team@risk:latest", Reference("team@risk")),
        ("models:/fraud", Reference("fraud")),
        ("models:/fraud/7", Reference("fraud", version=7)),
        ("models:/fraud@champion", Reference("fraud", alias="champion")),
        ("models:/fraud/Production", Reference("fraud", stage="production")),
        ("models:/fraud/STAGING", Reference("fraud", stage="staging")),
        ("models:/fraud/latest", Reference("fraud")),
        ("team@risk#production", Reference("team@risk", stage="production")),
        ("c#@champion", Reference("c#", alias="champion")),
        ("c#", Reference("c#")),
        ("c#sharp", Reference("c#sharp")),
        ("team@7", Reference("team@7")),
        ("team@v2", Reference("team@v2")),
        ("team@a b", Reference("team@a b")),
        ("Betrug prüfen:12", Reference("Betrug prüfen", version=12)),
        ("models:/a#production", Reference("a#production")),
    ],
)
def test_a_reference_is_read_from_the_right(text: str, meant: Reference) -> None:
    assert parse(text) == meant


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "the name is empty"),
        (":7", "the name is empty"),
        ("@champion", "the name is empty"),
        ("#production", "the name is empty"),
        ("models:/", "the name is empty"),
        ("fraud:", "is not a version's number"),
        ("fraud:0", "numbers count from 1"),
        ("fraud:-1", "is not a version's number"),
        ("fraud:seven", "is not a version's number"),
        ("fraud:٧", "is not a version's number"),
        ("fraud:7\n", "is not a version's number"),
        ("fraud:1:2", "a name holds no ':'"),
        ("fraud#none", "no version holds it"),
        ("fraud#Production", "lower case"),
        ("fraud@latest", "'latest' is no alias; the latest version is MODEL:latest"),
        ("fraud@production", "'production' is a stage, not an alias; write MODEL#production"),
        ("models:/fraud/newest", "neither a version's number nor one of"),
        ("models:/fraud/7/x", "neither a version's number nor one of"),
        ("models:fraud/7", "is not a version's number"),
        ("a/b", "a name holds no ':' or '/'"),
        ("..", "not names"),
        (".:7", "not names"),
    ],
)
def test_what_is_no_reference_is_refused_with_a_reason(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        parse(text)


@pytest.mark.parametrize("text", ["fraud", "fraud:7", "fraud@champion", "fraud#production", "a@b:latest", "a@7"])
def test_a_reference_prints_as_it_was_written(text: str) -> None:
    assert str(parse(text)) == text
