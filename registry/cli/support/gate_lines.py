"""Verdicts on gates as people read them, on stdout or, of a refusal, on stderr."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from registry.cli.support import output, version_warnings

if TYPE_CHECKING:
    from registry.client.types import GateEvaluation, GateVerdict, HoldNoticeView

MET, UNMET, HELD = "met    ", "NOT MET", "HELD   "


def summary(evaluation: GateEvaluation, stage: str) -> str:
    """Return how many gates of the stage are met, and of which policy."""
    gates = evaluation["gates"]
    unmet = sum(not gate["passed"] for gate in gates)
    whose = "default policy" if evaluation["is_default"] else "policy"
    met = "all gates are met" if gates else f"the policy has no rules for {stage}"
    if unmet:
        met = f"{unmet} of {output.count(len(gates), 'gate')} not met"
    return f"{met} ({whose} {evaluation['number']}, {evaluation['policy'][:19]})"


def lines(gates: Sequence[GateVerdict]) -> Iterator[str]:
    """Yield each gate with what was found, and below it the remedy and the explanation of one that is not met."""
    for gate in gates:
        yield f"  {MET if gate['passed'] else UNMET}  {gate['description']}: {gate['reason']}"
        if not gate["passed"]:
            for label, text in (("do", gate["remedy"]), ("why", gate["explanation"]), ("from", gate["source"])):
                if text:
                    yield f"           {label + ':':<5} {text}"


def hold_lines(holds: Sequence[HoldNoticeView]) -> Iterator[str]:
    """Yield each hold that keeps a version out, and below it how it is released."""
    for hold in holds:
        yield f"  {HELD}  {version_warnings.hold_text(hold)}"
        yield f"           do:   once the reason is gone, registry hold release {hold['id']} --reason TEXT"
