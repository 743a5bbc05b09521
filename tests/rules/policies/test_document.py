"""Documents of policies: every mistake at once, each with its place and what to write."""

from __future__ import annotations

from typing import Any

import pytest

from registry.rules.policies import InvalidPolicy, Need, Policy, parse, weaker
from tests.rules.policies.tables import FRAME, HOLDOUT

FULL = """\
policy: 1
description: what risk agreed on
groups: {board: [ann, bo]}
checks:
  bias: {reporters: [ci-bias, role:writer]}
protected_aliases: [champion]
weakening: approvals
staging:
  - {rule: size, at_most: 2 GiB}
production:
  - rule: metric          # agreed with risk
    metric: auc
    at_least: .9
  - {rule: time_window, timezone: Europe/Berlin, from: 18:00, until: 09:00, except: [2026-12-24]}
  - {rule: approvals, from: [group:board]}
"""


def rule(kind: str, **keys: Any) -> dict[str, Any]:
    names = {"from_": "from", "except_": "except"}
    return {**FRAME, "production": [{"rule": kind, **{names.get(key, key): value for key, value in keys.items()}}]}


def mistakes(document: Any, **options: Any) -> dict[str, str]:
    with pytest.raises(InvalidPolicy) as caught:
        parse(document, **options)
    return {problem.path: problem.message for problem in caught.value.problems}


def test_a_text_is_read_without_the_surprises_of_yaml() -> None:
    policy = parse(FULL)

    assert policy.guards == ("staging", "production")
    assert [one.describe() for one in policy.rules("production")] == [
        "auc >= 0.9",
        "every day 18:00-09:00 Europe/Berlin, except 2026-12-24",
        "1 approval from group:board",
    ]
    assert policy.needs("production") == {Need.METRICS, Need.APPROVALS}
    assert policy.needs("staging") == {Need.SIZE}
    assert policy.rules("archived") == ()
    assert (policy.protects("Champion"), policy.protects("latest-ok")) == (True, False)
    reports = [("bias", "ci-bias", []), ("bias", "eve", ["writer"]), ("bias", "eve", ["reader"]), ("x", "ci-bias", [])]
    assert [policy.may_report(check, account=account, roles=roles) for check, account, roles in reports] == [
        True, True, False, False]  # fmt: skip
    assert parse({"policy": 1, "groups": {"no": ["on"]}}).groups == parse("policy: 1\ngroups: {no: [on]}").groups


def test_a_rule_is_described_by_what_it_requires_and_needs_no_other_facts() -> None:
    window: dict[str, Any] = {"timezone": "UTC", "days": ["fri", "mon"]}
    rows: list[tuple[dict[str, Any], str, set[Need]]] = [
        (rule("required", tags={"team": ["risk", "fraud"]}, params=["depth"]),
         "required: tag team=risk or fraud, param depth", {Need.TAGS, Need.PARAMS}),
        (rule("required", owner=True), "required: owner", {Need.TAGS, Need.MODEL_TAGS}),
        (rule("required", description=True), "required: description", set()),
        (rule("lineage", datasets=True), "lineage: datasets with digests", {Need.LINEAGE}),
        (rule("code", refs=["main", "v*"]), "code from any repository at main or v*", {Need.LINEAGE}),
        (rule("code", repository="https://x/y"), "code from https://x/y", {Need.LINEAGE}),
        (rule("time_window", **window, from_="09:00"), "mon, fri 09:00-24:00 UTC", set()),
        (rule("time_window", **window, except_=["2026-12-25", "2026-12-24"]),
         "mon, fri UTC, except 2026-12-24, 2026-12-25", set()),
    ]  # fmt: skip
    for document, words, needs in rows:
        policy = parse(document)
        assert [one.describe() for one in policy.rules("production")] == [words]
        assert policy.needs("production") == needs


def test_all_mistakes_are_listed_with_their_places() -> None:
    assert mistakes({
        "polcy": 1,
        "groups": {"board": [], "a b": ["x"], "risk": ["group:board"]},
        "checks": {"bias": {"reporter": ["x"]}, "other": ["x"]},
        "protected_aliases": ["latest"],
        "weakening": "never",
        "staging": {"rule": "size"},
        "production": [
            {"rule": "metric", "metric": "auc", "at_leats": 0.9},
            {"rule": "metrc"},
            "size",
            {"metric": "auc"},
        ],
    }).keys() == {
        "policy", "polcy", "groups.board", "groups.a b", "groups.risk[0]", "checks.bias.reporters",
        "checks.bias.reporter", "checks.other", "protected_aliases[0]", "weakening", "staging",
        "production[0]", "production[0].at_leats", "production[1].rule", "production[2]", "production[3].rule",
    }  # fmt: skip


def test_each_mistake_says_what_to_write() -> None:
    rows: list[tuple[Any, str, str]] = [
        ({"policy": 2}, "policy", "must be 1"),
        ({"policy": True}, "policy", "must be 1"),
        ({**FRAME, "produktion": []}, "produktion", "did you mean production?"),
        ({**FRAME, "xyz": []}, "xyz", "known are policy"),
        ({**FRAME, "protected_aliases": ["champion"]}, "protected_aliases", "of which there are none"),
        ({**FRAME, "weakening": "approvals", "production": []}, "weakening", "needs a rule with approvals"),
        ({**FRAME, "production": [{"rule": "not_superseded"}] * 51}, "", "at most 50 rules"),
        ({**FRAME, "description": "x" * 501}, "description", "at most 500 characters"),
        ({**FRAME, "description": "\ud800"}, "description", "lone surrogate"),
        ({**FRAME, "staging": [{"rule": "time_in_staging", "at_least": "1h"}]}, "staging[0].rule", "production only"),
        (rule("metric", metric="auc", at_least="0.9"), "production[0].at_least", "must be a number, not '0.9'"),
        (rule("metric", metric="auc", at_least=True), "production[0].at_least", "must be a number, not true"),
        (rule("metric", metric="auc", at_least=float("nan")), "production[0].at_least", "finite number, not nan"),
        (rule("metric", metric="auc", at_least=2, at_most=1), "production[0].at_least", "must not be above at_most, 1"),
        (rule("metric", at_most=1), "production[0].metric", "is required"),
        (rule("time_in_staging"), "production[0].at_least", "is required"),
        (rule("size"), "production[0].at_most", "is required"),
        (rule("licence"), "production[0].allowed", "is required"),
        (rule("check"), "production[0].name", "is required"),
        (rule("approvals"), "production[0].from", "is required"),
        (rule("required", tags={}), "production[0].tags", "a list of names, or a mapping of names to values"),
        (rule("required", tags=5), "production[0].tags", "a list of names, or a mapping of names to values"),
        (rule("file_formats", except_=["sha256:" + "A" * 64]), "production[0].except[0]", "64 lower-case hex digits"),
        (rule("file_formats", except_=["md5:" + "0" * 67]), "production[0].except[0]", "64 lower-case hex digits"),
        (rule("metric", metric="auc"), "production[0]", "needs at_least or at_most"),
        (rule("metric", metric=5, at_most=1), "production[0].metric", "must be a text, not 5; write it in quotes"),
        (rule("metric", metric="a", at_most=1, slice="x"), "production[0].slice", "must be key=value"),
        (rule("metric", metric="a", at_most=1, dataset=None), "production[0].dataset", "not nothing"),
        (rule("metric_against_production", metric="rows"), "production[0].better", "higher or lower"),
        (rule("metric_against_production", metric="auc", by=-1), "production[0].by", "must not be negative"),
        (rule("metric_against_production", metric="auc", by=1, tolerance=1), "production[0].tolerance", "with by"),
        (rule("required"), "production[0]", "needs one of tags"),
        (rule("required", signature=False), "production[0].signature", "leave the key out"),
        (rule("required", tags={"tier": [1]}), "production[0].tags.tier[0]", "not 1; write it in quotes"),
        (rule("required", tags=["a", "a"]), "production[0].tags[1]", "stands twice"),
        (rule("lineage"), "production[0]", "needs one of datasets"),
        (rule("time_in_staging", at_least=24), "production[0].at_least", "such as 24h"),
        (rule("time_in_staging", at_least="0h"), "production[0].at_least", "such as 24h"),
        (rule("code"), "production[0]", "needs repository or refs"),
        (rule("code", refs="main"), "production[0].refs", "must be a list, not 'main'"),
        (rule("file_formats", except_=["sha256:abc"]), "production[0].except[0]", "64 lower-case hex digits"),
        (rule("file_formats", allowed=["pickle"]), "production[0].allowed[0]", "except a reviewed file by its digest"),
        (rule("file_formats", allowed=["safetensor"]), "production[0].allowed[0]", "did you mean 'safetensors'?"),
        (rule("size", at_most="500 megs"), "production[0].at_most", "500 MB"),
        (rule("size", at_most=1.5), "production[0].at_most", "500 MB"),
        (rule("licence", allowed=["MIT OR BSD"]), "production[0].allowed[0]", "one SPDX identifier"),
        (rule("check", name="bais"), "production[0].name", "did you mean bias?"),
        (rule("check", name="speed"), "production[0].name", "is not under checks"),
        (rule("approvals", from_=["group:bord"]), "production[0].from[0]", "did you mean group:board?"),
        (rule("approvals", from_=["user:ann"]), "production[0].from[0]", "account, role:NAME or group:NAME"),
        (rule("approvals", from_=["group:board"], count=3), "production[0].count", "has 2 accounts only"),
        (rule("approvals", from_=["an/n"]), "production[0].from[0]", "the name of the account must not contain"),
        (rule("approvals", from_=["role:a b"]), "production[0].from[0]", "the name of the role must have"),
        (rule("approvals", from_=["Ann Lee", "ann lee", "ann"], count=4), "production[0].count", "3 accounts only"),
        (rule("approvals", from_=["ann"], count="2"), "production[0].count", "from 1 to 20, not '2'"),
        (rule("time_window", timezone="Europe/Berlni", days=["mon"]), "production[0].timezone", "'Europe/Berlin'?"),
        (rule("time_window", days=["mon"]), "production[0].timezone", "is required"),
        (rule("time_window", timezone="UTC"), "production[0]", "every moment is within it"),
        (rule("time_window", timezone="UTC", days=["mo"]), "production[0].days[0]", "did you mean 'mon'?"),
        (rule("time_window", timezone="UTC", from_=9), "production[0].from", '"00:00" to "24:00"'),
        *((rule("time_window", timezone="UTC", except_=[day]), "production[0].except[0]", "2026-12-24")
          for day in ("24.12.2026", "20261224", 20261224)),
        (rule("time_window", timezone="Factory", days=["mon"]), "production[0].timezone", "not 'Factory'"),
    ]  # fmt: skip

    for document, path, words in rows:
        found = mistakes(document)
        assert words in found.get(path, ""), (document, found)
    undefined = mistakes({"policy": 1, "production": [{"rule": "approvals", "from": ["group:x"]}]})
    assert undefined == {"production[0].from[0]": "there is no group 'x'; add it with its members: groups: {x: […]}"}
    assert "did you mean role:writer?" in mistakes(rule("approvals", from_=["role:writr"]), roles=["writer"])[
        "production[0].from[0]"]  # fmt: skip


def test_a_text_is_bounded_and_plain() -> None:
    rows = {
        "policy: 1\npolicy: 1": ("policy", "stands twice"),
        '{"policy": 1, "policy": 1}': ("policy", "stands twice"),
        "a: &x [1]\nb: *x": ("", "aliases such as *x are refused"),
        "policy: !!int 1": ("", "tags such as"),
        "policy: 1\n---\npolicy: 1": ("", "one document"),
        "policy: 1\n  staging: 1": ("", "; check the indentation, quotes and brackets"),
        "policy: 1\n\tstaging: 1": ("", "; indent with spaces, not with tabs"),
        "policy: 1\ndescription: '" + "x" * 65536: ("", "at most 64 KiB"),
        "policy: [[[[[[[[[1]]]]]]]]]": ("", "at most 8 levels"),
        "1: 2": ("", "keys must be texts"),
        "policy: 1\nproduction:\n- {rule: size, at_most: 99999999999999999}": ("production[0].at_most", "at most"),
        "": ("", "must be a mapping of keys to values, not nothing"),
    }
    for text, (path, words) in rows.items():
        assert words in mistakes(text).get(path, ""), text
    assert mistakes({"policy": 1, "groups": {f"g{index}": ["x" * 128] for index in range(101)}})
    assert mistakes("\n".join(f"k{index}: 1" for index in range(300)))[""] == "and 101 more mistakes"
    with pytest.raises(InvalidPolicy) as caught:
        parse("policy: 1\n\nproduction:\n  - rule: size\n    at_most: 1\n    at_msot: 2\n")
    assert [problem.line for problem in caught.value.problems] == [6]


def changed(**keys: Any) -> Policy:
    return parse({**FRAME, "protected_aliases": ["champion"], "weakening": "approvals", **keys})


def test_a_rule_is_weaker_unless_it_is_known_not_to_be() -> None:
    def window(**keys: Any) -> dict[str, Any]:
        keys = {name.rstrip("_"): value for name, value in keys.items()}
        return {"rule": "time_window", "timezone": "UTC", "days": ["fri"], **keys}

    def code(**keys: Any) -> dict[str, Any]:
        return {"rule": "code", **keys}

    bound, other = {"rule": "metric", "metric": "auc", "at_least": 1}, {"rule": "metric", "metric": "auc", "at_most": 2}
    formats, day = {"rule": "file_formats"}, {"except": ["2026-12-25"]}
    repository, params = {"repository": "https://x/y"}, {"rule": "required", "params": {"depth": "5"}}
    frame = {**FRAME, "checks": {name: {"reporters": ["ci-bias"]} for name in ("bias", "drift")}}
    rows: list[tuple[dict[str, Any], dict[str, Any], bool]] = [
        (window(refuse=True, from_="15:00"), window(refuse=True, from_="14:00"), False),
        (window(refuse=True, from_="15:00"), window(refuse=True, from_="16:00"), True),
        (window(refuse=True), window(refuse=True, **day), True),
        (window(refuse=True, **day), window(refuse=True), False),
        (window(**day), window(), True),
        (window(from_="22:00", until="06:00"), window(from_="22:00", until="06:00", **day), False),
        (window(from_="22:00", until="06:00"), window(from_="22:00", until="05:00"), True),
        (window(from_="22:00", until="06:00"), window(from_="23:00", until="24:00"), True),
        (window(from_="09:00", until="16:00"), window(from_="10:00", until="10:00"), True),  # a whole day
        (code(refs=["main"]), code(**repository, refs=["main"]), False),
        (code(**repository, refs=["main"]), code(refs=["main"]), True),
        (code(**repository), code(**repository, refs=["main"]), False),
        (code(**repository, refs=["main"]), code(**repository), True),
        (formats, {**formats, "allowed": ["json"]}, False),
        ({**formats, "allowed": ["json"]}, formats, True),
        (bound, {**bound, **other}, False),
        ({**bound, **other}, bound, True),
        (other, bound, True),
        (params, {**params, "signature": True}, False),
        (params, {"rule": "required", "params": {"depth": ["5", "6"]}}, True),
        (params, {"rule": "required", "signature": True}, True),
        (params, {"rule": "required", "params": ["depth"]}, True),
        ({"rule": "required", "params": ["depth"]}, params, False),
        ({"rule": "check", "name": "bias"}, {"rule": "check", "name": "drift"}, True),
        ({"rule": "approvals", "from": ["ann", "bo"]}, {"rule": "approvals", "from": ["ann", "bo"], "count": 2}, False),
        (bound, {"rule": "size", "at_most": 1}, True),
    ]
    flags = {
        "required": ("description", "signature", "owner"),
        "lineage": ("datasets", "clean_commit", "pinned_environment"),
    }
    for kind, names in flags.items():
        every = {"rule": kind, **dict.fromkeys(names, True)}
        for name in names:
            fewer = {key: value for key, value in every.items() if key != name}
            rows += [(every, fewer, True), (fewer, every, False)]
    for old, new, is_weaker in rows:
        reasons = weaker(*(parse({**frame, "production": [rule]}) for rule in (old, new)))
        assert bool(reasons) is is_weaker, (old, new, reasons)
        assert not reasons or (" becomes " in reasons[0]) is (old["rule"] == new["rule"])


def test_a_policy_is_weaker_unless_it_is_known_not_to_be() -> None:
    rules: dict[str, dict[str, Any]] = {
        "metric": {"rule": "metric", "metric": "auc", "at_least": 0.9},
        "rmse": {"rule": "metric", "metric": "rmse", "at_most": 5},
        "better": {"rule": "metric_against_production", "metric": "auc", "by": 0.01},
        "tags": {"rule": "required", "tags": {"team": ["risk", "fraud"]}},
        "lineage": {"rule": "lineage", "datasets": True},
        "wait": {"rule": "time_in_staging", "at_least": "24h"},
        "code": {"rule": "code", "repository": "https://x/y", "refs": ["main", "release/*"]},
        "formats": {"rule": "file_formats", "allowed": ["json", "text"], "except": [HOLDOUT]},
        "size": {"rule": "size", "at_most": "1 GB"},
        "licence": {"rule": "licence", "allowed": ["MIT", "BSD-3-Clause"]},
        "check": {"rule": "check", "name": "bias"},
        "approvals": {"rule": "approvals", "from": ["group:board"], "count": 2},
        "window": {"rule": "time_window", "timezone": "UTC", "days": ["mon", "tue"], "from": "09:00", "until": "16:00"},
    }
    old = changed(production=list(rules.values()))

    def with_rule(name: str, **keys: Any) -> list[str]:
        return weaker(old, changed(production=list({**rules, name: {**rules[name], **keys}}.values())))

    stricter = [
        with_rule("metric", at_least=0.91), with_rule("metric", at_most=1), with_rule("rmse", at_most=4),
        with_rule("better", by=0.02), with_rule("better", first_promotion="refused"),
        with_rule("tags", tags={"team": "risk", "tier": "gold"}), with_rule("lineage", clean_commit=True),
        with_rule("wait", at_least="2d"), with_rule("code", refs=["refs/heads/main"]),
        with_rule("formats", allowed=["json"]), with_rule("size", at_most="1 MB"),
        with_rule("licence", allowed=["mit"]),
        with_rule("approvals", **{"from": ["ann", "bo"]}), with_rule("window", days=["mon"], until="15:00"),
        with_rule("window", **{"from": "10:00"}), with_rule("tags", tags=rules["tags"]["tags"], signature=True),
        with_rule("window", **{"except": ["2026-12-24"]}), with_rule("metric", explanation="another text"),
    ]  # fmt: skip
    looser = [
        with_rule("metric", at_least=0.89), with_rule("metric", metric="auc2"), with_rule("metric", dataset="holdout"),
        with_rule("metric", slice="a=b"), with_rule("rmse", at_most=6), with_rule("better", by=0),
        with_rule("better", better="lower"), with_rule("better", metric="auc2", better="higher"),
        with_rule("better", dataset="holdout"), with_rule("better", slice="a=b"),
        with_rule("tags", tags=["team"]), with_rule("tags", tags=["tier"]),
        with_rule("wait", at_least="1h"), with_rule("code", refs=["main", "*"]),
        with_rule("code", repository="https://x/z"), with_rule("formats", allowed=["json", "text", "npy"]),
        with_rule("formats", **{"except": [HOLDOUT, f"sha256:{'0' * 64}"]}), with_rule("size", at_most="2 GB"),
        with_rule("licence", allowed=["MIT", "GPL-3.0-only"]), with_rule("approvals", count=1),
        with_rule("approvals", **{"from": ["group:board", "eve"]}), with_rule("window", days=["mon", "wed"]),
        with_rule("window", until="17:00"), with_rule("window", timezone="Europe/Berlin"),
        with_rule("window", refuse=True),
        weaker(old, changed(production=list(rules.values()), groups={"board": ["ann", "bo", "eve"]})),
        weaker(old, changed(production=list(rules.values()), checks={"bias": {"reporters": ["ci-bias", "eve"]}})),
        weaker(old, changed(production=list(rules.values()), weakening="free")),
        weaker(old, changed(production=list(rules.values()), protected_aliases=["other"])),
        weaker(old, changed(staging=[rules["approvals"]], production=[])),
        weaker(
            parse({**FRAME, "production": [{**rules["better"], "first_promotion": "refused"}]}),
            parse({**FRAME, "production": [rules["better"]]}),
        ),
        weaker(
            parse({**FRAME, "production": [{"rule": "required", "signature": True, "owner": True}]}),
            parse({**FRAME, "production": [{"rule": "required", "description": True, "owner": True}]}),
        ),
        weaker(
            parse({**FRAME, "production": [{"rule": "lineage", "datasets": True, "clean_commit": True}]}),
            parse({**FRAME, "production": [{"rule": "lineage", "datasets": True, "pinned_environment": True}]}),
        ),
    ]  # fmt: skip

    assert [(index, one) for index, one in enumerate(stricter) if one] == []
    assert [index for index, one in enumerate(looser) if not one] == []
    assert with_rule("metric", at_least=0.8) == ["production: auc >= 0.9 becomes auc >= 0.8"]
    assert weaker(old, changed(production=list(rules.values()), groups={"board": ["ann", "eve"]})) == [
        "production: other accounts can satisfy 2 approvals from group:board"
    ]
    for name in rules.keys() - {"approvals"}:  # which the document needs
        (reason,) = weaker(old, changed(production=[one for other, one in rules.items() if other != name]))
        assert reason.startswith("production: ")
        assert reason.endswith("is not required any more")
