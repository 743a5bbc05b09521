"""Addresses that name nothing: 404 and nothing else, whatever stands in them."""

from __future__ import annotations

from typing import Any

from tests.api.conftest import Try
from tests.api.hostile import addresses
from tests.api.hostile.case import UNSENT, Case


def below(what: str, method: str, path: str, tail: str) -> Case:
    body: Any = UNSENT if method in {"GET", "DELETE"} else addresses.BODY.get(tail, {})
    return Case(f"{what}, {method} {tail}", method, path + tail, 404, "not_found", json=body)


def test_a_model_that_there_is_not_is_not_found_at_any_address(attempt: Try) -> None:
    cases = [
        below(what, method, f"/models/{part}", tail)
        for what, part, _ in addresses.MODELS
        for method, tail in addresses.BELOW_A_MODEL
    ]

    assert attempt(cases, one_in=3) == []


def test_a_version_that_there_is_not_is_not_found_at_any_address(attempt: Try) -> None:
    cases = [
        below(what, method, f"/models/fraud/versions/{number}", tail)
        for what, number in addresses.NUMBERS
        for method, tail in addresses.BELOW_A_VERSION
    ]

    assert attempt(cases, one_in=3) == []


def test_a_file_that_there_is_not_is_not_found(attempt: Try) -> None:
    files = "/models/fraud/versions/4/files"

    assert attempt(Case(what, "GET", f"{files}/{path}", 404, "not_found") for what, path in addresses.FILES) == []


def test_an_alias_that_there_is_not_is_not_found(attempt: Try) -> None:
    cases = [
        Case(f"{what}, {method} {tail}", method, f"/models/fraud/aliases/{alias}{tail}", 404, "not_found")
        for what, alias in addresses.ALIASES
        for method, tail in [("GET", ""), ("DELETE", "")]
    ]
    unnameable = [(what, alias) for what, alias in addresses.ALIASES if what not in {"unknown", "another case"}]
    for what, alias in unnameable:
        refusal = (422, "invalid") if what.startswith("stage") else (404, "not_found")  # a prompt may have the alias
        cases.append(Case(f"{what}, PUT", "PUT", f"/models/fraud/aliases/{alias}", *refusal, json={"version": 1}))

    assert attempt(cases) == []


def test_an_upload_an_import_or_a_token_that_there_is_not_is_not_found(attempt: Try) -> None:
    cases = [
        Case(f"{what}, {method} {path}", method, path.replace("*", part), 404, "not_found")
        for what, part in addresses.IDENTIFIERS
        for method, path in [
            ("GET", "/uploads/*"),
            ("DELETE", "/uploads/*"),
            ("POST", "/uploads/*/complete"),
            ("GET", "/imports/*"),
            ("DELETE", "/tokens/*"),
        ]
    ]

    assert attempt(cases) == []


def test_what_is_no_address_or_no_method_of_it_is_a_problem_like_any_other(attempt: Try) -> None:
    assert attempt(addresses.ELSEWHERE) == []
