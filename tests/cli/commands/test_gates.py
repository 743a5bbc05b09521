"""registry gates, and the policies that registry gate sets and tries."""

from __future__ import annotations

from tests.cli.conftest import CommandLine, Place, answer, ok

POLICY = """policy: 1
production:
  - rule: metric
    metric: auc
    at_least: 0.9
    explanation: agreed with risk
  - rule: not_superseded
"""
REASON = ("--reason", "agreed")


def test_a_promotion_is_refused_with_its_gates_and_replayed_once_it_was_made(
    run_cli: CommandLine, place: Place, model: str
) -> None:
    (place.cwd / "policy.yaml").write_text(POLICY)
    (place.cwd / "strict.yaml").write_text(POLICY.replace("0.9", "0.99"))
    ok(run_cli("register", model, "model"))
    ok(run_cli("promote", f"{model}:1", "--to", "staging", *REASON))
    promote = ("promote", f"{model}:1", "--to", "production", *REASON)

    shown = ok(run_cli("gate", "set", model, "--file", "policy.yaml", *REASON))
    again = ok(run_cli("gate", "set", model, "--file", "policy.yaml", *REASON))
    unmet, rehearsed, refused = run_cli("gates", f"{model}:1"), run_cli(*promote, "--dry-run"), run_cli(*promote)
    ok(run_cli("version", "measure", f"{model}:1", "auc=0.93"))
    met = ok(run_cli("gates", f"{model}:1"))
    unguarded = ok(run_cli("gates", f"{model}:1", "--stage", "staging"))
    hold = answer(run_cli("hold", "place", f"{model}:1", *REASON, "--json"))["hold"]["id"]
    held = run_cli("gates", f"{model}:1")
    ok(run_cli("hold", "release", str(hold), *REASON))
    tried = answer(run_cli("gate", "test", "--file", "strict.yaml", "--against", "staging", "--model", model, "--json"))
    ok(run_cli(*promote))
    replayed = ok(run_cli("gate", "replay", f"{model}:1"))
    past = answer(run_cli("gate", "test", "--file", "strict.yaml", "--against", "history", "--model", model, "--json"))
    listed = ok(run_cli("gate", "history", model))
    ok(run_cli("gate", "remove", model, *REASON))

    assert "is set: sha256:" in shown.out
    assert "nothing changed" in again.out
    assert unmet.code == rehearsed.code == refused.code == 6
    assert "NOT MET  auc >= 0.9: auc was not measured" in unmet.out
    assert "why:  agreed with risk" in unmet.out
    assert "it would be refused: 1 of 2 gates not met" in rehearsed.out
    assert "NOT MET  auc >= 0.9" in refused.err
    assert refused.err.startswith(f"error: {model}:1 cannot go to production: 1 of 2 gates is not met\n  NOT MET  auc")
    assert refused.err.count("auc was not measured") == 1
    assert "all gates are met" in met.out
    assert (held.code, f"{model}:1 is held" in held.err) == (6, True)
    assert "production: held; all gates are met (policy 1" in held.out
    assert f"\n  HELD     {hold}: agreed\n           do:   once the reason is gone, registry hold rel" in held.out
    assert f"{model}:1 to staging: the policy has no rules for staging (policy 1, sha256:" in unguarded.out
    assert [one["outcome"] for one in tried["items"]] == ["refused"]
    assert "same" in replayed.out
    assert [(one["outcome"], one["is_stored"]) for one in past["items"]] == [("refused", True)]
    assert len(listed.out.splitlines()) == 2
    assert run_cli("gate", "show", model).code == 4
    assert run_cli("gate", "show").code == 2
