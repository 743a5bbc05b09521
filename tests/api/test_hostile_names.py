"""Names that somebody might try: refused with a reason, or taken exactly as they are."""

from __future__ import annotations

import json
from urllib.parse import quote

from tests.api.conftest import Try
from tests.api.hostile import names
from tests.api.hostile.case import Case
from tests.support.api import Api, expect


def test_a_name_against_the_rule_is_refused_and_makes_no_model(attempt: Try) -> None:
    cases = [Case(what, "POST", "/models", 422, "invalid", json={"name": name}) for what, name in names.REFUSED]

    assert attempt(cases) == []


def test_a_name_that_cannot_be_stored_is_malformed(attempt: Try) -> None:
    headers = [("Content-Type", "application/json")]
    cases = [Case(what, "POST", "/models", 400, "malformed", raw=raw, headers=headers) for what, raw in names.MALFORMED]

    assert attempt(cases) == []


def test_another_spelling_of_a_model_makes_no_second_one(attempt: Try) -> None:
    cases = [Case(what, "POST", "/models", 409, "already_exists", json={"name": name}) for what, name in names.TAKEN]

    assert attempt(cases) == []


def test_a_legal_name_is_found_again_under_the_address_that_its_creation_gave(api: Api, world: object) -> None:
    wrong = []
    for what, name in names.LEGAL:
        created = api.post("/models", {"name": name})
        found = api.client.get(created.headers.get("Location", "/"), headers={"Authorization": f"Bearer {api.token}"})
        listed = api.get(f"/models?name={quote(name, safe='')}")
        told = [
            (reply.get_json() or {}).get("name") if reply.status_code in {200, 201} else reply.get_data(as_text=True)
            for reply in (created, found)
        ]
        if told != [name, name] or [item["name"] for item in listed.get_json()["items"]] != [name]:
            wrong.append(f"{what}: {told} {json.dumps(listed.get_json())[:200]}")

    assert wrong == []


def test_a_refused_name_says_which_field_and_why(api: Api) -> None:
    problem = expect(422, api.post("/models", {"name": "a\u200bb"}))

    assert "U+200B" in problem["errors"]["name"][0]
