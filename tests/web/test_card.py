"""The page of a model card stays small whatever its front matter holds."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient

from tests.support.pages import browse
from tests.support.registry_builder import RegistryBuilder
from tests.web.text.test_markdown import HOSTILE

MOST_BYTES = 64 * 1024


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_the_page_of_a_hostile_front_matter_is_small_and_has_its_body(
    visitor: FlaskClient, site: RegistryBuilder
) -> None:
    for source in HOSTILE.values():
        site.model("fraud").version(files=[site.file(f"---\n{source}\n---\n# Scores cards".encode(), "README.md")])

    for number, name in enumerate(HOSTILE, start=1):
        seen = browse(visitor, f"/models/fraud/versions/{number}/card")
        assert len(seen.response.data) <= MOST_BYTES, name
        assert [heading.text for heading in seen.all("h3")] == ["Scores cards"], name
        assert ("more characters)" in seen.text) == (name in {"long keys above many", "one long value", "deep"}), name
    assert "the file has 300 more entries" in browse(visitor, "/models/fraud/versions/1/card").text
