"""registry request and registry check, with a service: a promotion that waits for a check and a second person."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from flask import Flask

from registry.domain.access import LOCAL_DEV, Role
from registry.http.context import EXTENSION
from registry.services.accounts import accounts
from tests.cli.conftest import CommandLine, Done, Place
from tests.support.web_server import serving

POLICY = """policy: 1
weakening: approvals
checks: {bias-audit: {reporters: [ci]}}
production:
  - rule: check
    name: bias-audit
  - rule: approvals
    from: [role:approver]
"""
WHY = ("--reason", "AUC +2")
REPORT = "https://ci.example.com/runs/7"

As = Callable[..., Done]


@pytest.fixture
def as_person(app: Flask, run_cli: CommandLine, monkeypatch: pytest.MonkeyPatch) -> Iterator[As]:
    """Run a command line as a person, with a token of the person's account."""
    roles = {"wes": Role.WRITER, "ci": Role.WRITER, "pia": Role.PROMOTER, "ann": Role.APPROVER, "root": Role.ADMIN}
    with app.app_context():
        pepper = app.extensions[EXTENSION].pepper
        tokens = {
            name: str(accounts.create_token(name, [role], actor=LOCAL_DEV, pepper=pepper).token)
            for name, role in roles.items()
        }
    with serving(app) as url:
        monkeypatch.setenv("REGISTRY_URL", url)
        yield lambda name, *arguments: run_cli(*arguments, "--token", tokens[name])


def request_id(done: Done) -> str:
    """The id that ``registry request open`` printed; the server of this process prints its log there, too."""
    assert done.code == 0, done.err
    found = re.search(r"^request ([0-9a-f-]{36}):", done.out, re.MULTILINE)
    assert found
    return found[1]


def test_a_promotion_waits_for_a_check_and_another_person(as_person: As, place: Place) -> None:
    (place.cwd / "policy.yaml").write_text(POLICY)
    (place.cwd / "weights").write_bytes(b"weights")
    as_person("wes", "register", "fraud", "weights")
    as_person("pia", "promote", "fraud:1", "--to", "staging", *WHY)
    as_person("root", "gate", "set", "fraud", "--file", "policy.yaml", *WHY)
    report = ("check", "fraud:1", "--name", "bias-audit", "--url", REPORT)
    first = ("request", "open", "fraud:1", "production", *WHY)

    request = request_id(as_person("pia", *first))
    again, misnamed = as_person("pia", *first), as_person("pia", "request", "open", "production", *WHY)
    waiting = as_person("ann", "request", "list", "--for-me")
    attention = as_person("ann", "attention")
    commented = as_person("wes", "request", "comment", request, "which [red]data[/red]\n is it?\x1b[31m")
    refused = as_person("pia", "request", "approve", request)
    approved = as_person("ann", "request", "approve", request, "--comment", "fine")
    unmet = as_person("pia", "request", "apply", request)
    foreign = as_person("pia", *report, "--status", "passed")
    failed = as_person("ci", *report, "--status", "failed", "--summary", "3 of 40 groups")
    as_person("ci", *report, "--status", "passed", "--summary", "0 of 40 groups")
    latest, every = as_person("ann", "checks", "fraud:1"), as_person("ann", "checks", "fraud:1", "--all")
    withdrawn = as_person("ann", "request", "withdraw", request)
    as_person("ann", "request", "approve", request)
    applied = as_person("pia", "request", "apply", request)
    late = as_person("pia", "request", "apply", request)

    assert (again.code, request in again.err, misnamed.code) == (5, True, 2)
    assert request in waiting.out
    assert "waiting for your approval: 1 request; registry request list --for-me" in attention.err
    assert "waiting for" not in as_person("pia", "attention").err
    assert "commented by wes" in commented.out
    assert ": which [red]data[/red] is it?\\u001b[31m" in commented.out
    assert (refused.code, foreign.code) == (3, 3)
    assert "lets ci report" in foreign.err
    assert "fraud:1 to production, approved\n" in approved.out
    assert "  met      1 approval from role:approver: 1 of 1; ann approved" in approved.out
    assert unmet.code == 6
    assert "  NOT MET  check bias-audit passed" in unmet.err
    assert "fraud:1: bias-audit failed" in failed.out
    assert ("3 of 40" in latest.out, latest.out.count(REPORT)) == (False, 1)
    assert ("3 of 40" in every.out, every.out.count(REPORT)) == (True, 2)
    assert "approval withdrawn by ann" in withdrawn.out
    assert "with a token that neither the requester nor the registrar issued" in withdrawn.out
    assert "fraud:1 to production, applied" in applied.out
    assert "NOT MET" not in applied.out
    assert (late.code, "applied already" in late.err) == (5, True)
    assert as_person("wes", "show", "fraud#production").code == 0


def test_a_weaker_policy_is_requested_shown_and_rejected_or_applied(as_person: As, place: Place) -> None:
    (place.cwd / "policy.yaml").write_text(POLICY)
    (place.cwd / "weaker.yaml").write_text("policy: 1\nproduction: []\n")
    as_person("root", "gate", "set", "--default", "--file", "policy.yaml", *WHY)
    refused = as_person("root", "gate", "set", "--default", "--file", "weaker.yaml", *WHY)
    unclear = as_person("root", "request", "open", "policy", *WHY)

    removal = request_id(as_person("root", "request", "open", "policy", "--remove", *WHY))
    weaker = request_id(
        as_person("root", "request", "open", "policy", "--file", "weaker.yaml", "--expires-in", "12h", *WHY)
    )
    rejected = as_person("ann", "request", "reject", removal, "--comment", "keep some rules")
    final = as_person("ann", "request", "approve", removal)
    shown = as_person("ann", "request", "show", weaker)
    as_person("ann", "request", "approve", weaker)
    applied = as_person("root", "request", "apply", weaker)

    assert (refused.code, unclear.code, final.code) == (5, 2, 5)
    assert "--file or --remove" in unclear.err
    assert "all models to no policy, rejected" in rejected.out
    assert "keep some rules" in rejected.out
    assert '    "production": []' in shown.out.splitlines()  # of the document, a line each
    assert "all models to the policy sha256:" in applied.out
    assert ", applied\n" in applied.out
    assert "policy 2, set" in as_person("wes", "gate", "show", "--default").out
    assert as_person("wes", "request", "show", "nonsense").code == 4
