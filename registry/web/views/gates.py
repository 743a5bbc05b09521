"""Gates of a version: what the policy says of it now, its checks, and the moves that a policy guarded."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cached_property
from uuid import UUID

from flask import Response
from marshmallow import fields

from registry.db.records import CheckRecord, VersionRecord
from registry.db.records import Page as Listed
from registry.domain.access import Permission
from registry.domain.stages import Stage
from registry.domain.states import CheckStatus
from registry.http import cursors
from registry.http.access import requires
from registry.rules.policies import replaying
from registry.services.catalog import versions
from registry.services.gates import checks, evaluations, policies, verdicts
from registry.services.gates.evaluations import PastEvaluation, StoredEvaluation
from registry.services.gates.verdicts import StageGates
from registry.web import forms
from registry.web.addresses import api_path, command, url_for
from registry.web.blueprint import blueprint
from registry.web.entry_links import entry_address
from registry.web.pages import Crumb
from registry.web.rendering import page
from registry.web.views.version_acts import VERSION
from registry.web.views.versions import VersionTab

ROWS = 50
BADGES = {CheckStatus.PASSED.value: "good", CheckStatus.FAILED.value: "bad", CheckStatus.PENDING.value: "waiting"}


class PastQuery(forms.WebQuery):
    """The page of the past moves."""

    cursor = fields.String(load_default=None)


class ChecksQuery(PastQuery):
    """Whether every report is listed, or the latest of each check."""

    all = fields.String(load_default="")


class GatesPage(VersionTab):
    """The verdicts of the policy in force, the latest reports of checks, and the guarded moves."""

    template = "gates.html"
    tab = "gates"
    check_badges = BADGES

    def __init__(self, version: VersionRecord, cursor: str | None) -> None:
        super().__init__(version, Crumb("Gates"))
        self.cursor = cursor
        if self.is_judged:
            self.command = command("registry", "gates", self.reference)
            self.api = api_path("models", version.model, "versions", version.number, "gates")

    @property
    def is_judged(self) -> bool:
        """Return whether the version can move, so that the policy in force says something of it."""
        return self.is_changeable and self.version.deleted_at is None

    @cached_property
    def stages(self) -> Sequence[StageGates]:
        """Return the verdicts for each guarded stage, production first."""
        if not self.is_judged:
            return ()
        model, number = self.version.model, self.version.number
        return [verdicts.show(model, number, stage) for stage in (Stage.PRODUCTION, Stage.STAGING)]

    @cached_property
    def checks(self) -> Sequence[CheckRecord]:
        return checks.checks(self.version.model, self.version.number, limit=ROWS).items

    @cached_property
    def moves(self) -> Listed[PastEvaluation]:
        after = cursors.position(self.cursor)
        return evaluations.history(self.version.model, self.version.number, after=after, limit=ROWS)

    @property
    def older(self) -> str | None:
        """Return the address of the next page of the guarded moves."""
        cursor = cursors.of(self.moves.next_after)
        return cursor and url_for("gates", **self.place, cursor=cursor)


class EvaluationPage(VersionTab):
    """What a guarded move rests on, and whether the rules say the same of the stored facts again."""

    template = "evaluation.html"
    tab = "gates"

    def __init__(self, version: VersionRecord, stored: StoredEvaluation) -> None:
        super().__init__(version, Crumb("Gates", url_for("gates", model=version.model, number=version.number)),
                         Crumb(stored.move.target))  # fmt: skip
        self.stored, self.move = stored, stored.move
        self.facts = json.dumps(stored.facts, indent=2, ensure_ascii=False, sort_keys=True)
        self.entry = entry_address(version.model, stored.move.entry)
        self.command = command("registry", "gate", "replay", self.reference)
        self.api = api_path("models", version.model, "versions", version.number, "gates", "history", stored.move.entry)

    @cached_property
    def differences(self) -> Sequence[str]:
        """Return how the evaluation differs when it is done again; nothing if it does not."""
        document = policies.document(self.move.policy).document
        found = replaying.differences(
            document,
            self.stored.facts,
            self.stored.gates,
            target=self.move.target,
            policy=self.move.policy,
            digest=self.stored.digest,
        )
        return list(found)


class ChecksPage(VersionTab):
    """Reports of checks: all, or the latest of each."""

    template = "checks.html"
    tab = "gates"
    check_badges = BADGES

    def __init__(self, version: VersionRecord, *, history: bool, cursor: str | None) -> None:
        gates = url_for("gates", model=version.model, number=version.number)
        super().__init__(version, Crumb("Gates", gates), Crumb("Checks"))
        self.history, self.cursor = history, cursor
        self.command = command("registry", "checks", self.reference, *(["--all"] if history else []))
        self.api = api_path(
            "models", version.model, "versions", version.number, "checks", all="true" if history else None
        )

    @cached_property
    def checks(self) -> Listed[CheckRecord]:
        after = cursors.position(self.cursor)
        model, number = self.version.model, self.version.number
        return checks.checks(model, number, history=self.history, after=after, limit=ROWS)

    @property
    def older(self) -> str | None:
        """Return the address of the next page."""
        cursor = cursors.of(self.checks.next_after)
        return cursor and url_for("checks", **self.place, all="1" if self.history else None, cursor=cursor)


@blueprint.get(f"{VERSION}/gates")
@requires(Permission.MODEL_READ)
def gates(model: str, number: int) -> Response:
    return page(GatesPage(versions.describe(model, number), forms.query(PastQuery)["cursor"]))


@blueprint.get(f"{VERSION}/gates/history/<uuid:entry>", endpoint="evaluation")
@requires(Permission.MODEL_READ)
def evaluation_page(model: str, number: int, entry: UUID) -> Response:
    version = versions.describe(model, number)
    return page(EvaluationPage(version, evaluations.stored(model, number, str(entry))))


@blueprint.get(f"{VERSION}/checks", endpoint="checks")
@requires(Permission.MODEL_READ)
def checks_page(model: str, number: int) -> Response:
    query = forms.query(ChecksQuery)
    return page(ChecksPage(versions.describe(model, number), history=query["all"] != "", cursor=query["cursor"]))
