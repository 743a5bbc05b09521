"""The document of a policy as people read it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from registry.cli.support import output

if TYPE_CHECKING:
    from registry.rules.policies import Policy


def of(document: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lines of a document, or the document itself where a later release made it."""
    from registry.rules.policies import InvalidPolicy, parse

    try:
        policy = parse(document)
    except InvalidPolicy:
        yield f"  {output.encoded(document)}"
    else:
        yield from lines(policy)


def lines(policy: Policy) -> Iterator[str]:
    """Yield each rule of a policy, and below them who is meant and what else it protects."""
    for stage in policy.guards:
        for index, rule in enumerate(policy.rules(stage)):
            yield f"  {stage}[{index}]  {rule.describe()}"
    for group, members in policy.groups.items():
        yield f"  group {group}: {', '.join(members)}"
    for check, reporters in policy.checks.items():
        yield f"  check {check}: reported by {', '.join(map(str, reporters))}"
    if policy.protected_aliases:
        yield f"  protected aliases: {', '.join(policy.protected_aliases)}"
    if policy.weakening == "approvals":
        yield "  a weaker policy needs the approvals of this one"
