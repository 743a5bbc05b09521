"""A registration as requested: plain values, not yet checked against the registry."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from registry.domain.evaluations import Evaluation, unsaid
from registry.domain.lineage import Snapshot
from registry.domain.manifest import File


@dataclass(frozen=True, slots=True)
class Origin:
    """The origin of a version as an MLflow client states it: kept as received, never opened.

    ``location`` is where such a client finds the files when they are not here; None for ``source`` itself.
    """

    source: str | None = None
    run_id: str | None = None
    run_link: str | None = None
    logged_model: str | None = None
    location: str | None = None


@dataclass(frozen=True, slots=True)
class Followed:
    """Run without a recorded end, and its logged model. A worker requests both from the tracking server until the end.

    ``server`` is None where any of those that are configured may have the run.
    """

    server: str | None
    run_id: str
    logged_model: str | None = None


@dataclass(frozen=True, slots=True)
class Delivery:
    """How bytes arrive with a registration; the version is the same for every way.

    ``contents`` has bytes by their SHA-256, in hex; ``uploads`` the ids of uploads to complete. With ``create_model``
    the model is created unless there is one.
    """

    contents: Mapping[str, bytes] = field(default_factory=dict)
    uploads: Sequence[str] = ()
    create_model: bool = False


@dataclass(frozen=True, slots=True)
class Registration:
    """The facts of a new version. A run's params and metrics count as the version's unless given.

    ``metrics`` were measured on data that is not named; ``evaluations`` name theirs.
    ``anew`` requests a new number even where the same files of the same run have one. ``update`` adds to that version
    the facts that may be added. ``number`` and ``claimed`` are for versions that another registry has numbered: the
    number must never have been used under the model's name.
    ``area`` is the path in the artifact area that the files were taken from: registering them frees their paths.
    ``follows`` is the unfinished run that the lineage is a snapshot of.
    ``delivery`` is what is to be done before, and no fact of the version.
    """

    files: Sequence[File]
    description: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    params: Mapping[str, str] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    evaluations: Sequence[Evaluation] = ()
    framework: str | None = None
    signature: Mapping[str, Any] | None = None
    lineage: Snapshot = field(default_factory=Snapshot)
    aliases: Sequence[str] = ()
    origin: Origin = field(default_factory=Origin)
    anew: bool = False
    update: bool = False
    number: int | None = None
    claimed: Mapping[str, Any] | None = None
    area: str | None = None
    follows: Followed | None = None
    delivery: Delivery = field(default_factory=Delivery)

    @property
    def measured(self) -> tuple[Evaluation, ...]:
        """All measurements, with the run's metrics, in the order of recording."""
        run = self.lineage.run
        plain = {**(unsaid(run.metrics, self.evaluations) if run else {}), **self.metrics}
        return (*([Evaluation(plain)] if plain else []), *self.evaluations)
