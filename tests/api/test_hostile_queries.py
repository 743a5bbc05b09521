"""Query arguments that are none, forged or doubled: refused, or compared as the plain text that they are."""

from __future__ import annotations

import re

from tests.api.conftest import Try
from tests.api.hostile import queries
from tests.api.hostile.case import Case
from tests.api.hostile.world import World
from tests.support.api import Api
from tests.support.replies import expect


def asking(path: str, query: str) -> str:
    """The address with a query, after the arguments that it has already."""
    return f"{path}{'&' if '?' in path else '?'}{query}"


def invalid(path: str, token: str = "all") -> Case:
    return Case(path[:80], "GET", path, 422, "invalid", token=token)


def test_the_lists_tried_here_are_all_that_there_are(api: Api) -> None:
    paths = api.get("/openapi.json").get_json()["paths"]
    documented = {
        path
        for path, item in paths.items()
        if any(parameter["name"] == "cursor" for parameter in item.get("get", {}).get("parameters", []))
    }

    found = {
        path
        for path in documented
        for tried in queries.LISTS
        if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", path), f"/api/v1{tried.partition('?')[0]}")
    }

    assert found == documented
    assert len(queries.LISTS) == len(documented)


def test_a_limit_is_a_plain_number_within_its_bounds(attempt: Try) -> None:
    cases = [
        invalid(asking(path, f"limit={limit}"))
        for path in [*queries.LISTS, "/audit/sealed"]
        for limit in queries.LIMITS
    ]
    cases += [invalid(asking(path, "limit=201")) for path in queries.LISTS if "files" not in path]

    assert attempt(cases, one_in=3) == []


def test_a_cursor_that_the_list_did_not_give_out_is_refused(attempt: Try, world: World) -> None:
    cursor = world.parts["cursor"]
    flipped = [cursor[:at] + chr(ord(cursor[at]) ^ 1) + cursor[at + 1 :] for at in range(len(cursor) - 1)]
    plain = [text for text in flipped if re.fullmatch(r"[\w.-]+", text)]
    own = "/models/fraud/versions"
    cases = [
        Case(f"{what}, {path}", "GET", asking(path, f"cursor={text}"), 422 if not text else 400,
             "invalid" if not text else "malformed")
        for path in queries.LISTS
        for what, text in queries.CURSORS
    ]  # fmt: skip
    cases += [Case(f"flipped {text}", "GET", f"{own}?cursor={text}", 400, "malformed") for text in plain]
    cases += [
        Case(f"of another list, {path}", "GET", asking(path, f"cursor={cursor}"), 400, "malformed")
        for path in queries.LISTS
        if path != own
    ]
    others = [Case("cut", "GET", f"{own}?cursor={cursor[:-1]}", 400, "malformed"),
              Case("continued", "GET", f"{own}?cursor={cursor}A", 400, "malformed"),
              invalid(f"{own}?cursor={cursor}%00"),
              invalid(f"{own}?cursor={'a' * 4097}")]  # fmt: skip

    assert len(plain) > 30
    assert attempt(cases, one_in=3) == []
    assert attempt(others) == []


def test_the_cursor_that_the_list_gave_out_is_taken(api: Api, world: World) -> None:
    page = expect(200, api.get(f"/models/fraud/versions?limit=1&cursor={world.parts['cursor']}"))

    assert [item["number"] for item in page["items"]] == [4]


def test_an_argument_that_is_not_asked_for_or_given_twice_is_refused(attempt: Try) -> None:
    cases = []
    for path in [*queries.LISTS, *queries.UNPAGED]:
        unknown = [
            "x=1",
            "Limit=1",
            "sort=hash",
            "order_by=secret",
            "filter=1",
            "q=1",
            "page_size=5",
            "offset=5",
            "=1",
            "limit[]=1",
        ]
        cases += [invalid(asking(path, query)) for query in unknown]
    for path in queries.LISTS:
        cases.append(invalid(asking(path, "limit=1&limit=1")))
        cases.append(invalid(asking(path, "&".join(["limit=1"] * 1000))))
        cases.append(invalid(asking(path, "&".join(f"a{n}=1" for n in range(1000)))))
    for method, path in [("DELETE", "/models/empty"), ("DELETE", "/models/fraud/versions/4"),
                         ("DELETE", "/models/fraud/aliases/champion"), ("DELETE", "/tokens/{reader_id}"),
                         ("DELETE", "/uploads/{upload}"), ("POST", "/uploads/{upload}/complete")]:  # fmt: skip
        for query in ("force=true", "Reason=x", "reason=a&reason=b", "dry_run=true"):
            cases.append(Case(f"{method} {path}?{query}", method, f"{path}?{query}", 422, "invalid"))
    cases.append(Case("on a body", "POST", "/models?name=x", 422, "invalid", json={"name": "y"}))

    assert attempt(cases, one_in=3) == []


def test_an_instant_has_a_date_a_time_and_a_zone(attempt: Try) -> None:
    asked = ["/models/fraud/stages/production?as_of=", "/models/fraud/aliases/champion?as_of="]
    asked += [f"{path}?{bound}=" for path in queries.HISTORIES for bound in ("since", "until")]
    cases = [invalid(path + instant) for path in asked for _, instant in queries.INSTANTS]
    cases.append(invalid("/models/fraud/stages/production?as_of=9999-12-31T23:59:59Z"))

    assert attempt(cases, one_in=3) == []


def test_an_instant_before_everything_finds_no_holder(attempt: Try, api: Api, world: World) -> None:
    asked = ["/models/fraud/stages/production?as_of=", "/models/fraud/aliases/champion?as_of="]

    assert (
        attempt(
            Case(f"as of {instant}", "GET", path + instant, 404, "not_found")
            for path in asked
            for instant in queries.FAR
        )
        == []
    )
    for path in queries.HISTORIES:
        for instant in queries.FAR:
            assert expect(200, api.get(f"{path}?until={instant}"))["items"] == []
            assert expect(200, api.get(f"{path}?since={instant}"))["items"] != []
        assert expect(200, api.get(f"{path}?since=9999-12-31T23:59:59.999999Z"))["items"] == []


def test_a_filter_is_compared_as_it_is(api: Api, world: World, attempt: Try) -> None:
    asked = ["/models?name=", "/audit?actor=", "/audit?action=", "/audit?model="]
    request = "/audit?request_id="
    cases = [Case(what, "GET", path + text, 400, "unknown_value") for path in asked for what, text in queries.LITERAL]

    assert attempt(cases, one_in=3) == []
    assert expect(200, api.get("/models"))["items"] != expect(200, api.get("/audit"))["items"] != []
    assert attempt(invalid(path + text) for path in [*asked, request] for text in ("a%00", "a" * 1001)) == []
    assert [expect(200, api.get(request + text))["items"] for _, text in queries.LITERAL] == [[]] * len(queries.LITERAL)
    numbers = [number for number in queries.LIMITS if number not in {"1001", "1000000000", "0"}]
    assert attempt(invalid(f"/audit?model=fraud&version={number}") for number in numbers) == []


def test_a_choice_is_one_of_those_that_there_are(attempt: Try) -> None:
    wrong = ["x", "", "Staging", "production,staging", "%00", "production%0a", "'", "9" * 3000]
    asked = ["/models/fraud/versions?stage=", "/models/fraud/versions?state=", "/audit?format=", "/models?deleted="]
    cases = [invalid(path + text) for path in asked for text in wrong]
    cases += [invalid(f"/models?deleted={text}") for text in ("1", "yes", "True", "null")]
    cases += [invalid(f"/audit?format={text}") for text in ("JSONL", "xml", "json")]

    assert attempt(cases, one_in=3) == []


def test_a_reason_in_the_address_obeys_the_rule_for_reasons(attempt: Try) -> None:
    cases = [
        Case(f"{method} {path} {text[:9]}", method, f"{path}?reason={text}", 422, "invalid")
        for method, path in [("DELETE", "/models/empty"), ("DELETE", "/models/fraud/versions/4"),
                             ("DELETE", "/models/fraud/aliases/champion"), ("DELETE", "/tokens/{reader_id}")]
        for text in ("", "%00", "a%00b", "a" * 2001)
    ]  # fmt: skip

    assert attempt(cases) == []
