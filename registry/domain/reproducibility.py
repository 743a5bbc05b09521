"""What a version needs to be built again, and which of it is recorded."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from registry.domain.lineage import DatasetRole, EdgeKind, NodeKind
from registry.domain.states import VersionState
from registry.rules.listing import listed

TRAINING = (DatasetRole.TRAIN, DatasetRole.FINETUNE)
REVISION_MARK = "@"  # before the revision in the URI of a base model, as in hf://org/name@0a1b2c


class Requirement(StrEnum):
    """One of the facts that a version is built again from."""

    CODE = "code"
    CLEAN = "clean"
    ENVIRONMENT = "environment"
    DATA = "data"
    PARAMS = "params"
    COMMAND = "command"
    PARENTS = "parents"


class CheckState(StrEnum):
    MET = "met"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class OriginLink:
    """An edge in force from a version, and the facts of its target that are needed here.

    ``has_digest``: the target is found by a digest. ``state`` is that of a parent version.
    """

    edge: str
    kind: str
    name: str
    role: str = ""
    has_digest: bool = False
    repo: str | None = None
    commit: str | None = None
    dirty: bool | None = None
    command: str | None = None
    uri: str | None = None
    state: str | None = None


@dataclass(frozen=True, slots=True)
class RequirementCheck:
    """A requirement: whether it is met, the facts, and what to do about what is missing."""

    requirement: Requirement
    state: CheckState
    detail: str
    remedy: str | None = None


@dataclass(frozen=True, slots=True)
class ReproducibilityReport:
    """The checks of a version in the order of ``Requirement``."""

    checks: Sequence[RequirementCheck]

    @property
    def missing(self) -> Sequence[Requirement]:
        return [check.requirement for check in self.checks if check.state is CheckState.MISSING]

    @property
    def met(self) -> int:
        return self.total - len(self.missing)

    @property
    def total(self) -> int:
        return len(self.checks)

    @property
    def score(self) -> str:
        """The number of requirements that are met, like ``5 of 7``."""
        return f"{self.met} of {self.total}"


def report(links: Sequence[OriginLink], *, param_count: int) -> ReproducibilityReport:
    """Return the checks of a version with these edges in force and this number of parameters."""
    return ReproducibilityReport([CHECKS[requirement](links, param_count) for requirement in Requirement])


def _code_check(links: Sequence[OriginLink], _: int) -> RequirementCheck:
    code = next((one for one in _of(links, NodeKind.CODE) if one.repo and one.commit), None)
    if code:
        return RequirementCheck(Requirement.CODE, CheckState.MET, f"{code.repo} at {code.commit}")
    return _unmet(
        Requirement.CODE,
        "the repository or its commit is not recorded",
        "register from a git checkout or in CI, or give --repo and --commit",
    )


def _clean_check(links: Sequence[OriginLink], _: int) -> RequirementCheck:
    commits = [one for one in _of(links, NodeKind.CODE) if one.commit]
    if any(one.dirty is False for one in commits):
        return RequirementCheck(Requirement.CLEAN, CheckState.MET, "the checkout had no uncommitted changes")
    is_dirty = any(one.dirty for one in commits)
    return _unmet(
        Requirement.CLEAN,
        "the checkout had uncommitted changes" if is_dirty else "not recorded whether the checkout was clean",
        "commit the changes before training" if is_dirty else "register from the git checkout",
    )


def _environment_check(links: Sequence[OriginLink], _: int) -> RequirementCheck:
    pinned = [one for one in _of(links, NodeKind.ENVIRONMENT) if one.has_digest]
    if pinned:
        return RequirementCheck(Requirement.ENVIRONMENT, CheckState.MET, pinned[0].name)
    return _unmet(
        Requirement.ENVIRONMENT,
        "neither a lock file nor a container image is recorded by digest",
        "register with --lock-file or --image-digest",
    )


def _data_check(links: Sequence[OriginLink], _: int) -> RequirementCheck:
    used = [one for one in _of(links, NodeKind.DATASET) if one.edge == EdgeKind.USED]
    if unpinned := [one.name for one in used if not one.has_digest]:
        return _unmet(
            Requirement.DATA,
            f"without a digest: {listed(unpinned)}",
            "add the data with its digest: registry lineage add --data",
        )
    training = [one.name for one in used if one.role in TRAINING]
    if training:
        return RequirementCheck(Requirement.DATA, CheckState.MET, listed(training))
    return _unmet(
        Requirement.DATA,
        "no training data is recorded",
        "register with --data, or add it later: registry lineage add --data",
    )


def _parameters_check(_: Sequence[OriginLink], param_count: int) -> RequirementCheck:
    if param_count:
        return RequirementCheck(Requirement.PARAMS, CheckState.MET, f"{param_count} recorded")
    return _unmet(Requirement.PARAMS, "none is recorded", "register with --param or --params-file")


def _command_check(links: Sequence[OriginLink], _: int) -> RequirementCheck:
    command = next((one.command for one in _of(links, NodeKind.CODE) if one.command), None)
    if command:
        return RequirementCheck(Requirement.COMMAND, CheckState.MET, command)
    return _unmet(Requirement.COMMAND, "the command that trains the model is not recorded", "register with --command")


def _parents_check(links: Sequence[OriginLink], _: int) -> RequirementCheck:
    derived = [one for one in links if one.edge == EdgeKind.DERIVED_FROM]
    gone = [one.name for one in derived if one.kind == NodeKind.VERSION and one.state != VersionState.READY]
    loose = [one.name for one in derived if one.kind == NodeKind.MODEL and not (one.has_digest or has_revision(one))]
    if gone:
        return _unmet(Requirement.PARENTS, f"not ready: {listed(gone)}", "restore these versions")
    if loose:
        return _unmet(
            Requirement.PARENTS,
            f"without a revision or a digest: {listed(loose)}",
            "add the base model with its revision: registry lineage add --base-model",
        )
    names = listed([one.name for one in derived]) if derived else "derives from no other model"
    return RequirementCheck(Requirement.PARENTS, CheckState.MET, names)


CHECKS: Mapping[Requirement, Callable[[Sequence[OriginLink], int], RequirementCheck]] = {
    Requirement.CODE: _code_check,
    Requirement.CLEAN: _clean_check,
    Requirement.ENVIRONMENT: _environment_check,
    Requirement.DATA: _data_check,
    Requirement.PARAMS: _parameters_check,
    Requirement.COMMAND: _command_check,
    Requirement.PARENTS: _parents_check,
}


def has_revision(base: OriginLink) -> bool:
    """Return whether the URI of a base model names a revision: text after an ``@``."""
    return REVISION_MARK in (base.uri or "")[:-1]


def _of(links: Iterable[OriginLink], kind: NodeKind) -> list[OriginLink]:
    return [one for one in links if one.kind == kind]


def _unmet(requirement: Requirement, detail: str, remedy: str) -> RequirementCheck:
    return RequirementCheck(requirement, CheckState.MISSING, detail, remedy)
