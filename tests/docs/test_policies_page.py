"""The page of policies: its documents are valid, and each rule has a section with all its keys."""

from __future__ import annotations

import re

import yaml

from registry.domain.access import GRANTABLE
from registry.rules import file_format_names as names
from registry.rules.policies import parse
from registry.rules.policies.conditions import KINDS
from registry.rules.policies.reading import DocumentKeys
from tests.docs.pages import DOCS, blocks

PAGE = DOCS / "policies.md"
FRAME = "policy: 1\ngroups: {risk-board: [ann, bo]}\nchecks: {bias-audit: {reporters: [ci-bias]}}\nproduction:\n"


def test_each_document_on_the_page_is_valid() -> None:
    documents = blocks(PAGE, "yaml")
    whole, rules = ([one for one in documents if one.startswith("policy:") is is_whole] for is_whole in (True, False))

    policies = [parse(text, roles=[role.value for role in GRANTABLE]) for text in (*whole, FRAME + "".join(rules))]

    assert len(policies) == 2
    assert {rule.kind for policy in policies for rule in policy.rules("production")} == KINDS.keys()


def test_each_rule_has_a_section_with_its_keys() -> None:
    sections = dict(re.findall(r"^### `(\w+)`\n(.*?)(?=^##)", PAGE.read_text(), re.MULTILINE | re.DOTALL))

    assert list(sections) == list(KINDS)
    for kind, rule in KINDS.items():
        keys = DocumentKeys({}, "", [])
        rule.read(keys, None)
        rows = "\n".join(re.findall(r"^\| (.*?) \|", sections[kind], re.MULTILINE))
        assert sorted(re.findall(r"`(\w+)`", rows)) == sorted(keys.known)
        assert all(one["rule"] == kind for block in re.findall(r"```yaml\n(.*?)```", sections[kind], re.DOTALL)
                   for one in yaml.load(block, yaml.BaseLoader))  # fmt: skip


def test_every_file_format_is_on_the_page() -> None:
    lists = re.findall(r"^- (?!rule)(.*(?:\n  .*)*)", PAGE.read_text().partition("### `file_formats`")[2], re.MULTILINE)

    expected = [names.DATA, names.CONTAINERS, (*names.CODE, *names.UNDECIDED)]
    assert [re.findall(r"`(\w+)`", text) for text in lists[:3]] == [[*one] for one in expected]


def test_the_keys_of_the_document_are_on_the_page() -> None:
    table = PAGE.read_text().partition("## Rules")[0]
    rows = "\n".join(re.findall(r"^\| (`.*?) \|", table, re.MULTILINE))

    assert set(re.findall(r"`(\w+)`", rows)) == {
        "policy", "description", "groups", "checks", "protected_aliases", "weakening", "staging", "production"
    }  # fmt: skip
