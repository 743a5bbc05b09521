"""A table for each kind of rule: passes, fails, input missing, not a number, boundary, several datasets."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from registry.rules.policies import (
    ApprovalFacts,
    CheckFact,
    CodeFact,
    DatasetFact,
    DecisionFact,
    EnvironmentFact,
    ExcludedFact,
    FormatFact,
    HolderFacts,
    OriginFacts,
    StagingFacts,
)
from tests.rules.policies.tables import AT, CODE, HOLDOUT, LINEAGE, TRAIN, Row, check, metric

OTHER = f"sha256:{'f' * 64}"


def test_metric() -> None:
    least, named = {"metric": "auc", "at_least": 0.9}, {"metric": "auc", "at_least": 0.9, "dataset": "holdout"}
    sliced = {**named, "slice": "segment=new, region=EU"}
    eu = metric(0.92, slice="region=EU,segment=new")
    on_train = metric(0.5, "train", TRAIN)
    check("metric", [
        Row(named, {}, True, "0.93 on holdout"),
        Row({**named, "dataset": HOLDOUT}, {}, True),
        Row(named, {"metrics": (metric(0.9),)}, True),
        Row(named, {"metrics": (metric(math.nextafter(0.9, 0)),)}, False),
        Row(named, {"metrics": ()}, False, "was not measured"),
        Row(named, {"metrics": None}, False, "cannot be evaluated"),
        Row(named, {"metrics": (on_train,)}, False, "was not measured"),
        Row(named, {"metrics": (metric(math.nan),)}, False, "NaN"),
        Row(named, {"metrics": (metric(math.inf),)}, False, "Infinity"),
        Row({"metric": "auc", "at_most": 5}, {"metrics": (metric(-math.inf),)}, False, "-Infinity"),
        Row({"metric": "auc", "at_most": 1, "at_least": 0.9}, {}, True),
        Row({"metric": "auc", "at_most": 0.93}, {}, True),
        Row({"metric": "auc", "at_most": 0.93, "at_least": 0.93}, {}, True),
        Row({"metric": "auc", "at_most": 0.92}, {}, False),
        # The latest value counts, whichever order they come in.
        Row(named, {"metrics": (metric(0.8, id=2), metric(0.95, id=1))}, False, "0.8 on holdout"),
        Row(named, {"metrics": (metric(0.95, id=2), metric(0.8, id=1))}, True),
        # The value on another dataset is no value on this one; without a dataset all must satisfy the rule.
        Row(named, {"metrics": (metric(0.95), on_train)}, True),
        Row(least, {"metrics": (metric(0.95), on_train)}, False, "0.5 on train"),
        Row(least, {"metrics": (metric(0.95), metric(0.91, "train", TRAIN), metric(0.92, None, None))}, True),
        # Two digests under one name are two datasets.
        Row(named, {"metrics": (metric(0.95), metric(0.8, digest=OTHER))}, False, "0.8"),
        # A slice is not the whole data, in neither direction.
        Row(sliced, {"metrics": (metric(0.95), eu)}, True, "0.92"),
        Row(sliced, {"metrics": (metric(0.95),)}, False, "was not measured"),
        Row(named, {"metrics": (eu,)}, False, "was not measured"),
        Row({"metric": "AUC", "at_least": 0.9}, {}, False, "was not measured"),
    ])  # fmt: skip


def test_metric_against_production() -> None:
    rule = {"metric": "auc", "dataset": "holdout"}
    lower = {"metric": "rmse", "dataset": "holdout"}

    def against(own: float, their: float, name: str = "auc") -> dict[str, Any]:
        return {"metrics": (metric(own, metric=name),), "holder": HolderFacts(2, True, (metric(their, metric=name),))}

    check("metric_against_production", [
        Row(rule, {}, True, "0.93 on holdout against 0.9"),
        Row(rule, against(0.9, 0.9), True),
        Row(rule, against(0.89, 0.9), False),
        # In decimals, as they are written: 0.3 - 0.2 is 0.1.
        Row({**rule, "by": 0.1}, against(0.3, 0.2), True),
        Row({**rule, "by": 0.1}, against(0.2999, 0.2), False),
        Row({**rule, "tolerance": 0.1}, against(0.2, 0.3), True),
        Row({**rule, "tolerance": 0.1}, against(0.1999, 0.3), False),
        Row(lower, against(0.1, 0.2, "rmse"), True),
        Row(lower, against(0.2, 0.1, "rmse"), False),
        Row({"metric": "rows", "better": "lower"}, against(1, 2, "rows"), True),
        Row({**lower, "better": "higher"}, against(0.2, 0.1, "rmse"), True),
        Row(rule, against(math.nan, 0.9), False, "NaN"),
        Row(rule, against(0.9, math.nan), False, "NaN"),
        Row(rule, against(math.inf, 0.9), False, "Infinity"),
        Row(rule, {"metrics": ()}, False, "auc is not measured, against 0.9 on holdout of fraud:2"),
        Row(rule, {"holder": HolderFacts(2, True)}, False, "was not measured on fraud:2"),
        Row(rule, {"holder": None}, False, "without metrics of the version in production"),
        Row(rule, {"holder": HolderFacts(None)}, True, "no version has been in production"),
        Row({**rule, "first_promotion": "refused"}, {"holder": HolderFacts(None)}, False),
        # A model whose production version was archived is compared with it.
        Row(rule, {"holder": HolderFacts(2, False, (metric(0.99),))}, False, "the last one in production"),
        Row(rule, {"holder": HolderFacts(3, True, (metric(0.99),))}, True, "itself"),
        # Values on other data are not comparable, under one name neither.
        Row(rule, {"holder": HolderFacts(2, True, (metric(0.5, digest=OTHER),))}, False, "not measured,"),
        # Without a dataset: on all data that production has a value on.
        Row({"metric": "auc"}, {"holder": HolderFacts(2, True, (metric(0.9), metric(0.5, "train", TRAIN)))}, False,
            "not measured, against 0.5 on train"),
        Row({"metric": "auc"}, {"metrics": (metric(0.93), metric(0.1, "train", TRAIN))}, True),
    ])  # fmt: skip


def test_required() -> None:
    check("required", [
        Row({"tags": ["team"]}, {"has_description": False, "has_signature": False, "model_tags": {}}, True),
        Row({"tags": {"team": "risk"}, "params": {"depth": ["5", "6"]}}, {}, True),
        Row({"tags": {"team": "Risk"}}, {}, False, "'risk', not Risk"),
        Row({"tags": {"team": None}}, {"tags": {"team": " "}}, False, "no tag team"),
        Row({"tags": ["team"]}, {"tags": None}, False, "cannot be evaluated"),
        Row({"tags": ["owner"]}, {}, False, "no tag owner"),
        Row({"params": ["seed", "depth"]}, {}, False, "no param seed"),
        Row({"params": {"depth": "6.0"}}, {}, False),
        Row({"description": True, "signature": True, "owner": True}, {}, True),
        Row({"description": True}, {"has_description": False}, False, "no description"),
        Row({"signature": True}, {"has_signature": False}, False, "no signature"),
        Row({"owner": True}, {"model_tags": {}}, False, "no owner"),
        Row({"owner": True}, {"model_tags": {}, "tags": {"owner": "ann"}}, True),
        Row({"owner": True}, {"tags": {"owner": " "}}, True),
        Row({"tags": ["a", "b"], "signature": True}, {"has_signature": False}, False, "no tag a; no tag b; no sig"),
    ])  # fmt: skip


def test_lineage() -> None:
    every = {"datasets": True, "clean_commit": True, "pinned_environment": True}

    def lineage(**parts: Any) -> dict[str, Any]:
        return {"lineage": replace(LINEAGE, **parts)}

    check("lineage", [
        Row(every, {}, True),
        Row(every, {"lineage": None}, False, "cannot be evaluated"),
        Row(every, {"lineage": OriginFacts()}, False, "no dataset; no repository with a commit; neither"),
        Row({"datasets": True}, {"lineage": OriginFacts(LINEAGE.datasets)}, True),
        Row({"clean_commit": True}, {"lineage": OriginFacts((), (CODE,))}, True),
        Row({"pinned_environment": True}, {"lineage": OriginFacts((), (), LINEAGE.environments)}, True),
        Row(every, lineage(datasets=(*LINEAGE.datasets, DatasetFact("notes"))), False, "without a digest: notes"),
        *(Row(every, lineage(codes=(replace(CODE, **{part: None}),)), False, "no repository with a commit")
          for part in ("commit", "repo")),
        Row(every, lineage(codes=(replace(CODE, dirty=None),)), False, "not recorded whether"),
        Row(every, lineage(codes=(CODE, replace(CODE, dirty=True))), False, "uncommitted changes"),
        Row(every, lineage(environments=(EnvironmentFact("3.12"),)), False, "neither a lock file"),
        Row(every, lineage(environments=(EnvironmentFact(image_digest=OTHER),)), True),
    ])  # fmt: skip


def test_code() -> None:
    repository, main = {"repository": "https://github.com/org/fraud"}, {"refs": ["refs/heads/main"]}

    def code(**fields: Any) -> dict[str, Any]:
        return {"lineage": OriginFacts((), (replace(CODE, **fields),))}

    check("code", [
        Row({**repository, **main}, {}, True),
        Row({"refs": ["main"]}, {}, True),
        Row({"repository": "git@github.com:org/fraud.git"}, {}, True),
        Row(repository, code(repo="https://GitHub.com/org/fraud.git/"), True),
        Row(repository, code(repo="https://github.com/org/fraud2"), False),
        Row(repository, code(repo="https://github.com.evil.example/org/fraud"), False),
        Row(repository, code(repo=None), False, "unknown repository"),
        Row(main, code(branch=None), False, "without a branch"),
        Row(main, code(branch="main2"), False),
        Row(main, code(branch="refs/tags/main"), False, "refs/tags/main"),
        Row({"refs": ["refs/tags/v*"]}, code(branch="refs/tags/v1.2"), True),
        Row({"refs": ["release/*"]}, code(branch="release/1.2"), True),
        Row({"refs": ["release/*"]}, code(branch="release/1/2"), False),
        Row({"refs": ["release/**", "main"]}, code(branch="release/1/2"), True),
        Row(main, {"lineage": OriginFacts()}, False, "no code is recorded"),
        Row(main, {"lineage": OriginFacts((), (CODE, CodeFact("https://github.com/org/fraud", branch="x")))}, False),
        Row(main, {"lineage": None}, False, "cannot be evaluated"),
    ])  # fmt: skip


def test_file_formats() -> None:
    allowed = {"allowed": ["safetensors", "json"]}

    def files(*formats: tuple[str | None, bool | None]) -> dict[str, Any]:
        made = [FormatFact(f"{at}.bin", 1, f"{at}" * 64, *one) for at, one in enumerate(formats)]
        return {"files": tuple(made)}

    check("file_formats", [
        Row(allowed, {}, True),
        Row(allowed, files(("safetensors", False), ("json", False)), True),
        Row(allowed, files(("safetensors", False), ("text", False)), False, "1.bin is text, which is not allowed"),
        Row(allowed, files(("safetensors", True)), False, "can execute code"),
        Row({}, files(("text", False)), True),
        Row({}, files(("pickle", True)), False, "can execute code"),
        Row({}, files(("zstd", None)), False, "not decided"),
        Row({}, files((None, None)), False, "0.bin was not read yet"),
        Row(
            allowed,
            files(("text", False), ("pickle", True), ("text", False)),
            False,
            "0.bin, 2.bin: each is text, which is not allowed; 1.bin is pickle and can execute code",
        ),
        Row({"allowed": ["keras"]}, files(("keras", None)), False, "not decided"),
        Row({}, files(("text", False), ("json", False)), True, "all 2 files are allowed"),
        Row({"except": [f"sha256:{'0' * 64}"]}, files(("pickle", True)), True),
        Row({"except": [f"sha256:{'0' * 64}"]}, files(("pickle", True), ("pickle", True)), False, "1.bin"),
        Row(allowed, {"files": None}, False, "cannot be evaluated"),
    ])  # fmt: skip


def test_size() -> None:
    check("size", [
        Row({"at_most": "500 MB"}, {}, True),
        Row({"at_most": "500MB"}, {"total_size": 500_000_001}, False, "476.8 MiB (500000001 bytes)"),
        Row({"at_most": "0.5 GB"}, {}, True),
        Row({"at_most": 499_999_999}, {}, False),
        Row({"at_most": "476 MiB"}, {}, False),
        Row({"at_most": 0}, {"total_size": 0}, True),
        Row({"at_most": 1}, {"total_size": None}, False, "cannot be evaluated"),
    ])  # fmt: skip


def test_licence() -> None:
    rule = {"allowed": ["mit", "Apache-2.0", "GPL-2.0-only WITH Classpath-exception-2.0"]}

    def licence(text: str) -> dict[str, Any]:
        return {"tags": {"license": text}}

    check("licence", [
        Row(rule, {}, True, "Apache-2.0"),
        Row(rule, licence("apache-2.0"), True),
        Row(rule, licence("GPL-3.0-only"), False, "not allowed"),
        Row(rule, licence("GPL-3.0-only OR MIT"), True),
        Row(rule, licence("GPL-3.0-only AND MIT"), False),
        Row(rule, licence("GPL-3.0-only and MIT or Apache-2.0"), True),
        Row(rule, licence("GPL-3.0-only AND (MIT OR Apache-2.0)"), False),
        Row(rule, licence("GPL-2.0-only WITH Classpath-exception-2.0"), True),
        Row(rule, licence("GPL-2.0-only"), False),
        Row(rule, licence("mit, apache-2.0"), False, "no SPDX expression"),
        Row(rule, licence("(MIT"), False, "a ) is missing"),
        *(Row(rule, licence(text), False, "no SPDX expression")
          for text in ("MIT MIT", "MIT OR", "OR MIT", "MIT AND AND MIT", "MIT WITH", "MIT WITH (MIT)", "MIT WITH OR",
                       "()", ")", "MIT)", "MIT OR )", "MIT/X11")),
        Row(rule, licence("(" * 150 + "MIT" + ")" * 150), False, "200 characters"),
        Row(rule, licence(" "), False, "no tag license"),
        *(Row(rule, {"tags": tags, "model_tags": {"license": "MIT"}}, True, "it is MIT")
          for tags in ({}, {"license": " "})),
        Row(rule, {"tags": {"license": "GPL-3.0-only"}, "model_tags": {"license": "MIT"}}, False),
        Row(rule, {"tags": None}, False, "cannot be evaluated"),
    ])  # fmt: skip


def test_check() -> None:
    def report(status: str, reporter: str = "ci-bias", roles: tuple[str, ...] = ()) -> dict[str, Any]:
        return {"checks": {"bias": CheckFact("7", status, reporter, AT, roles, "https://ci.example/7", "no bias")}}

    rule = {"name": "bias"}
    check("check", [
        Row(rule, report("passed"), True, "no bias (https://ci.example/7)"),
        Row(rule, report("failed"), False, "reported as failed: no bias"),
        Row(rule, report("pending"), False, "reported as pending"),
        Row(rule, report("passed", "eve"), False, "may not report"),
        Row(rule, report("passed", "eve", ("reader", "writer")), True),
        Row(rule, {}, False, "not reported"),
        Row(rule, {"checks": None}, False, "cannot be evaluated"),
    ])  # fmt: skip


def test_approvals() -> None:
    def request(*decisions: str, **fields: Any) -> dict[str, Any]:
        made = [DecisionFact(*one.split(), AT + timedelta(seconds=at), ("approver",))  # type: ignore[arg-type]
                for at, one in enumerate(decisions)]  # fmt: skip
        return {"approvals": ApprovalFacts(**{"request": "12", "decisions": tuple(made), **fields})}

    def reversed_request(*decisions: str) -> dict[str, Any]:
        approvals = request(*decisions)["approvals"]
        return {"approvals": replace(approvals, decisions=approvals.decisions[::-1])}

    board = {"from": ["group:board"], "count": 2}
    check("approvals", [
        Row(board, request("ann approved", "bo approved"), True, "2 of 2"),
        Row(board, request("ann approved"), False, "1 of 2"),
        Row(board, request("ann approved", "ann approved"), False, "1 of 2"),
        Row(board, request("ann approved", "eve approved"), False, "eve is not among them"),
        Row({**board, "from": ["role:approver"]}, request("ann approved", "eve approved"), True),
        Row({"from": ["bo"]}, request("bo approved"), True),
        Row({"from": ["ann", "bo"]}, request("ann approved", "bo approved"), True, "2 of 1"),
        # By time, in whichever order they come.
        Row({"from": ["bo"]}, reversed_request("bo approved", "bo withdrawn"), False, "0 of 1"),
        Row({"from": ["bo"]}, reversed_request("bo withdrawn", "bo approved"), True),
        Row({"from": ["bo"]}, request("bo approved", "bo withdrawn"), False, "0 of 1"),
        Row({"from": ["bo"]}, request("bo withdrawn", "bo approved"), True),
        # A rejection is final, also of an approver that the rule does not name, and after an approval.
        Row(board, request("bo rejected", "ann approved", "bo approved"), False, "a rejection is final"),
        Row({"from": ["bo"]}, request("bo approved", "eve rejected"), False, "eve rejected"),
        Row(board, request(request=None), False, "no request is open"),
        Row(board, request("ann approved", "bo approved", void="the manifest changed"), False, "void: the manifest"),
        Row(board, request("ann approved", excluded=(ExcludedFact("bo", "registered the version"),)), False,
            "bo does not count: registered the version"),
        Row(board, {"approvals": None}, False, "cannot be evaluated"),
    ])  # fmt: skip


def test_time_in_staging_and_not_superseded() -> None:
    def since(**ago: float) -> dict[str, Any]:
        return {"staging": StagingFacts(AT - timedelta(**ago))}

    rule = {"at_least": "24h"}
    check("time_in_staging", [
        Row(rule, {}, True, "1d"),
        Row(rule, since(hours=23, minutes=59, seconds=59), False, "23h 59m"),
        Row({"at_least": "2w"}, since(days=14), True),
        Row(rule, {"staging": StagingFacts(AT - timedelta(days=9), AT - timedelta(days=8, seconds=1))}, False),
        Row(rule, {"staging": StagingFacts(AT + timedelta(days=9))}, False),
        Row(rule, {"staging": StagingFacts()}, False, "not in staging"),
        Row(rule, {"staging": None}, False, "cannot be evaluated"),
    ])  # fmt: skip
    check("not_superseded", [
        Row({}, {}, True),
        Row({}, {"newer": (5, 4)}, False, "fraud:4, fraud:5 are in staging"),
        Row({}, {"newer": (4,)}, False, "fraud:4 is in staging"),
        Row({}, {"newer": None}, False, "cannot be evaluated"),
    ])  # fmt: skip


def test_time_window() -> None:
    work = {"timezone": "Europe/Berlin", "days": ["mon", "fri"], "from": "09:00", "until": "16:00"}
    night = {"timezone": "Europe/Berlin", "days": ["fri"], "from": "22:00", "until": "06:00"}
    freeze = {**work, "except": ["2026-11-30"]}
    friday = {"timezone": "UTC", "days": ["fri"], "from": "15:00", "refuse": True}

    def at(*parts: int) -> dict[str, Any]:
        return {"at": datetime(*parts, tzinfo=UTC)}  # type: ignore[misc,arg-type]

    check("time_window", [
        Row(work, at(2026, 11, 30, 8), True, "mon 2026-11-30 09:00 Europe/Berlin"),
        Row(work, at(2026, 11, 30, 7, 59), False),
        Row(work, at(2026, 11, 30, 14, 59), True),
        Row(work, at(2026, 11, 30, 15), False),
        Row(work, at(2026, 12, 1, 12), False, "tue"),
        Row(work, at(2026, 7, 3, 7), True, "fri 2026-07-03 09:00"),
        Row(freeze, at(2026, 11, 30, 12), False),
        Row({"timezone": "UTC", "except": ["2026-12-24"]}, at(2026, 12, 24), False),
        Row({"timezone": "UTC", "except": ["2026-12-24"]}, at(2026, 12, 25), True),
        # Across midnight the window is that of the day on which it begins.
        Row(night, at(2026, 12, 4, 21), True, "fri"),
        Row(night, at(2026, 12, 5, 4, 59), True, "sat"),
        Row(night, at(2026, 12, 5, 5), False),
        Row(night, at(2026, 12, 4, 4), False),
        Row({**night, "except": ["2026-12-05"]}, at(2026, 12, 5, 4), False),
        Row({**night, "except": ["2026-12-04"]}, at(2026, 12, 5, 4), False),
        # From a time until the same time is a whole day.
        *(Row({**work, "days": ["mon"], "until": "09:00"}, at(2026, *day), within)
          for *day, within in ((11, 30, 7, 59, False), (11, 30, 8, True), (12, 1, 7, 59, True), (12, 1, 8, False))),
        Row(friday, at(2026, 12, 4, 14, 59), True),
        Row(friday, at(2026, 12, 4, 15), False, "fri 2026-12-04 15:00 UTC"),
        Row(friday, at(2026, 12, 5), True),
        Row({**friday, "except": ["2026-12-04"]}, at(2026, 12, 4, 16), True),
        # The hour from 2 to 3 is there twice on 25 October 2026, and not at all on 29 March.
        *(Row({"timezone": "Europe/Berlin", "from": "02:00", "until": "03:00"}, at(2026, 10, 25, hour, 30), within)
          for hour, within in ((23, False), (0, True), (1, True), (2, False))),
        *(Row({"timezone": "Europe/Berlin", "from": "02:00", "until": "03:00"}, at(2026, 3, 29, 0, minute), False)
          for minute in (0, 59)),
        Row({"timezone": "Europe/Berlin", "from": "02:00", "until": "03:00"}, at(2026, 3, 29, 1), False, "03:00"),
    ])  # fmt: skip
