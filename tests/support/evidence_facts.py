"""Facts of evidence in memory: of a model with a rich history, of one with almost none, and hostile ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from registry.domain.evidence.acts import Act
from registry.domain.evidence.facts import (
    AccountFact,
    AliasFact,
    EarlierName,
    EvidenceQuery,
    FileFact,
    LineageFact,
    MeasurementFact,
    ModelFact,
    NoteFact,
    RoleFact,
    SealedState,
    TenureFact,
    VersionFact,
)
from registry.domain.evidence.governance import (
    BreakGlassFact,
    CheckReportFact,
    GateFact,
    HoldFact,
    PolicyFact,
    RequestActFact,
    RequestFact,
)

HOSTILE = "<script>alert(1)</script>\"'&{{7*7}}\u202egnp.exe\x00"
SHA = "sha256:" + "9f86d081884c7d65" * 4
VERDICTS = [{"description": HOSTILE, "passed": passed, "reason": HOSTILE} for passed in (True, False)]


@dataclass(frozen=True)
class MemoryFacts:
    """Facts that are given as tuples."""

    query: EvidenceQuery
    sealed: SealedState
    model_facts: tuple[ModelFact, ...] = ()
    version_facts: tuple[VersionFact, ...] = ()
    file_facts: tuple[FileFact, ...] = ()
    measurement_facts: tuple[MeasurementFact, ...] = ()
    note_facts: tuple[NoteFact, ...] = ()
    lineage_facts: tuple[LineageFact, ...] = ()
    tenure_facts: tuple[TenureFact, ...] = ()
    alias_facts: tuple[AliasFact, ...] = ()
    account_facts: tuple[AccountFact, ...] = ()
    role_facts: tuple[RoleFact, ...] = ()
    policy_facts: tuple[PolicyFact, ...] = ()
    gate_facts: tuple[GateFact, ...] = ()
    check_facts: tuple[CheckReportFact, ...] = ()
    request_facts: tuple[RequestFact, ...] = ()
    request_act_facts: tuple[RequestActFact, ...] = ()
    hold_facts: tuple[HoldFact, ...] = ()
    break_glass_facts: tuple[BreakGlassFact, ...] = ()

    def models(self) -> Iterator[ModelFact]:
        return iter(self.model_facts)

    def versions(self) -> Iterator[VersionFact]:
        return iter(self.version_facts)

    def files(self) -> Iterator[FileFact]:
        return iter(self.file_facts)

    def measurements(self) -> Iterator[MeasurementFact]:
        return iter(self.measurement_facts)

    def notes(self) -> Iterator[NoteFact]:
        return iter(self.note_facts)

    def lineage(self) -> Iterator[LineageFact]:
        return iter(self.lineage_facts)

    def tenures(self) -> Iterator[TenureFact]:
        return iter(self.tenure_facts)

    def aliases(self) -> Iterator[AliasFact]:
        return iter(self.alias_facts)

    def accounts(self) -> Iterator[AccountFact]:
        return iter(self.account_facts)

    def roles(self) -> Iterator[RoleFact]:
        return iter(self.role_facts)

    def policies(self) -> Iterator[PolicyFact]:
        return iter(self.policy_facts)

    def gates(self) -> Iterator[GateFact]:
        return iter(self.gate_facts)

    def checks(self) -> Iterator[CheckReportFact]:
        return iter(self.check_facts)

    def requests(self) -> Iterator[RequestFact]:
        return iter(self.request_facts)

    def request_acts(self) -> Iterator[RequestActFact]:
        return iter(self.request_act_facts)

    def holds(self) -> Iterator[HoldFact]:
        return iter(self.hold_facts)

    def break_glass(self) -> Iterator[BreakGlassFact]:
        return iter(self.break_glass_facts)


def act(position: int, action: str, *, name: str | None = "ana", reason: str | None = None, **more: object) -> Act:
    made = Act(
        position=position,
        entry=f"019aa000-0000-7000-8000-{position:012d}",
        at=f"2026-11-{position // 24 + 1:02d}T{position % 24:02d}:00:00.000000Z",
        action=action,
        account=f"acc-{name}",
        name=name,
        kind="user",
        token="tok-1",
        roles=("promoter",),
        issuer=None,
        reason=reason,
        redacted=False,
    )
    return replace(made, **more)  # type: ignore[arg-type]


def history(text: str = "blocks card payments; not for loans") -> list[Any]:
    """Return the rows of a history whose texts are *text*; the last reason is erased."""
    rows = [(20, "version.promoted", {"stage": "production"}, text), (40, "version.promoted", {text: [text]}, None)]
    return [
        (
            position,
            {
                "id": act(position, "").entry,
                "ts": act(position, "").at,
                "action": action,
                "actor": {"id": "acc-ana", "kind": "user", "cred": "tok-1"},
                "subject": {"model": text, "version": 1},
                "before": {},
                "after": after,
            },
            {"reason": reason},
            text,
        )
        for position, action, after, reason in rows
    ]


def model_fact(**fields: object) -> ModelFact:
    plain = ModelFact(
        model="m-1",
        name="fraud",
        former_names=(),
        created=act(1, "model.created"),
        deleted=None,
        lifecycle="enforced",
        description=None,
        tags={},
        protected_aliases=(),
        versions=1,
        entries=2,
        redacted=(),
    )
    return replace(plain, **fields)  # type: ignore[arg-type]


def version_fact(version: int, position: int, **fields: object) -> VersionFact:
    plain = VersionFact(
        model="m-1",
        name="fraud",
        version=version,
        registered=act(position, "version.registered"),
        verified=None,
        deleted=None,
        purged=None,
        state="ready",
        stage="none",
        rolled_back=False,
        manifest=SHA,
        files=1,
        size=1234,
        lineage=SHA,
        description=None,
        tags={},
        source=None,
        location=None,
        claimed=None,
        run_state=None,
        framework=None,
        signature=None,
        run_id=None,
        run_key=None,
        run_link=None,
        logged_model=None,
        params={},
        basis={"frozen": "digest", "params": "digest"},
        redacted=(),
    )
    return replace(plain, **fields)  # type: ignore[arg-type]


def _edge(version: int, kind: str, target: str, name: str, role: str = "", **attributes: object) -> LineageFact:
    return LineageFact("m-1", version, kind, role, target, name, f"key-{name}", (SHA,), attributes, "digest")


def poor(name: str = "fraud") -> MemoryFacts:
    """Return the facts of a model with one version that was only registered."""
    return MemoryFacts(
        query=EvidenceQuery(name),
        sealed=SealedState("model-registry/0a1b", 2, "q" * 43 + "=", "2026-11-01T02:00:00.000000Z"),
        model_facts=(model_fact(name=name),),
        version_facts=(version_fact(1, 2, name=name),),
    )


def rich(text: str = "blocks card payments; not for loans") -> MemoryFacts:
    """Return the facts of a model with a history; free texts are *text*."""
    promoted, superseding = (
        act(20, "version.promoted", reason=text),
        act(40, "version.promoted", name=None, redacted=True),
    )
    rolled_back = act(50, "version.rolled_back", name=text, reason="latency doubled")
    spans = (
        (1, promoted, superseding, "supersede"),
        (2, superseding, rolled_back, "rollback"),
        (1, rolled_back, None, None),
    )
    return MemoryFacts(
        query=EvidenceQuery(text, version=2, since="2026-11-01T00:00:00Z", until="2026-12-01T00:00:00Z"),
        sealed=SealedState("model-registry/0a1b", 61, "r" * 43 + "=", "2026-11-03T12:00:00.000000Z"),
        model_facts=(
            model_fact(
                name=text,
                former_names=(EarlierName("scam", "2026-11-01T04:00:00.000000Z"),),
                description=f"{text}\nSecond line.",
                tags={"owner": text, text: "value"},
                versions=2,
                entries=30,
                redacted=("description",),
            ),
        ),
        version_facts=(
            version_fact(1, 3, name=text, stage="production", framework="sklearn", params={"depth": "7", "eta": text}),
            version_fact(
                2,
                30,
                name=text,
                stage="archived",
                rolled_back=True,
                description=text,
                tags={"risk": "high"},
                signature={"inputs": [{"name": text, "type": "double"}]},
                redacted=("tags",),
            ),
        ),
        file_facts=(
            FileFact("m-1", 1, "model.joblib", 1234, SHA[7:], "application/octet-stream", "digest"),
            FileFact("m-1", 2, text, 5678, SHA[7:], "application/octet-stream", "digest"),
        ),
        measurement_facts=(
            MeasurementFact("m-1", 1, "auc", "0.93", None, "test.csv", SHA, "2026-11-01T03:00:00.000000Z", "acc-ana",
                            act(3, "version.registered"), "digest"),
            MeasurementFact("m-1", 2, text, "NaN", 4, text, None, "2026-11-02T06:00:00.000000Z", "acc-ana", None,
                            "row"),
        ),
        lineage_facts=(
            _edge(1, "produced_by", "run", "github/8812", system="github", id="8812"),
            _edge(1, "built_from", "code", "https://git.example/fraud", commit="a1b2c3d"),
            _edge(1, "ran_in", "environment", "python 3.12", python="3.12"),
            _edge(1, "used", "dataset", "train.csv", "train", rows=120000),
            _edge(1, "used", "dataset", "test.csv", "test"),
            _edge(2, "used", "dataset", text, "other", uri=text),
            _edge(2, "derived_from", "version", "fraud:1"),
        ),
        tenure_facts=tuple(
            TenureFact("m-1", text, number, "production", began.at, ended.at if ended else None, "promote", kind,
                       began, ended)
            for number, began, ended, kind in spans
        ),
        alias_facts=(
            AliasFact("m-1", text, "champion", 1, promoted.at, None, act(21, "alias.set", reason=text), None),
        ),
        account_facts=(AccountFact("acc-ana", text, "user", "row"), AccountFact("acc-gone", None, "user", "entries")),
        role_facts=(
            RoleFact("acc-ana", text, "tok-1", ("promoter", "writer"), "2026-11-01T00:00:00.000000Z",
                     "2027-11-01T00:00:00.000000Z", act(0, "token.created", name="root"), None, 12, promoted.at,
                     rolled_back.at),
        ),
        policy_facts=(
            PolicyFact("m-1", text, 1, SHA, "2026-11-01T01:00:00.000000Z", None, act(1, "policy.set", reason=text),
                       None, {"policy": 1, "description": text}, "digest"),
        ),
        gate_facts=(
            GateFact("m-1", text, 1, "production", SHA, SHA, "r-1", promoted, VERDICTS, {"description": text},
                     "digest"),
        ),
        check_facts=(
            CheckReportFact("m-1", text, 1, "bias-audit", "passed", SHA, ("writer",), text, text,
                            act(15, "version.checked"), ()),
        ),
        request_facts=(
            RequestFact("r-1", "m-1", text, 1, "production", "applied", act(16, "request.opened", reason=text),
                        act(19, "request.applied"), "2026-11-08T16:00:00.000000Z", False, "acc-ana", None, SHA, None,
                        None, None, None, ()),
        ),
        request_act_facts=(
            RequestActFact("r-1", "m-1", 1, "production", "approved", ("approver",), None, text,
                           act(17, "request.approved", name="eve"), ()),
            RequestActFact("r-1", "m-1", 1, "production", "approved", ("approver",),
                           "the same account opened the request", None, act(18, "request.approved"), ("comment",)),
        ),
        hold_facts=(
            HoldFact(None, None, None, "data", text, "2026-11-03T01:00:00.000000Z", None,
                     act(49, "hold.placed", reason=text), None),
            HoldFact("m-1", text, 2, "version", "", "2026-11-03T01:00:00.000000Z", "2026-11-03T03:00:00.000000Z",
                     act(49, "hold.placed", name=None, redacted=True), act(51, "hold.released", reason=text)),
        ),
        break_glass_facts=(
            BreakGlassFact("m-1", text, 2, "production", act(40, "version.promoted_by_break_glass", reason=text),
                           act(41, "version.break_glass_acknowledged", name="eve")),
        ),
    )  # fmt: skip
