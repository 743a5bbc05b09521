"""What the catalogues hold, as a function of their size alone: the same in our schema and in MLflow's.

Each model has as many versions, all once in staging and production in the order of their numbers: the last is in
staging, the one before is in production, under the alias ``champion``, and the others are archived.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from dataclasses import dataclass

from registry.domain import manifest
from registry.domain.manifest import File, Manifest

ALIAS = "champion"
DESCRIPTION = "Trained by the nightly run"
MODEL_DESCRIPTION = "A model of the benchmark"
REASON = "The evaluation is better than that of the version before"
EACH = 10
ENTRIES = 10
TEAM = 100
TIERS = ("gold", "silver", "bronze")
PREFIX = "model-"
HOT_NAME = "hot-model"
CONFIGS = 10


@dataclass(frozen=True)
class Catalogue:
    """``versions`` in models of ten, and one model of ``hot`` versions beside them."""

    versions: int
    hot: int = 0

    @property
    def models(self) -> int:
        return self.versions // EACH

    @property
    def teams(self) -> int:
        """As many that each has a hundred versions, however many there are."""
        return max(self.versions // TEAM, 1)


def new_name() -> str:
    """The name of a model that does not exist, behind those of the catalogue."""
    return f"{PREFIX}new-{uuid.uuid4().hex}"


def name(ordinal: int) -> str:
    return f"{PREFIX}{ordinal:06}"


def team(ordinal: int, catalogue: Catalogue) -> str:
    """The value of the tag ``team`` of a model's versions."""
    return f"team-{ordinal % catalogue.teams}"


def files(ordinal: int) -> list[File]:
    """A model's manifest: each has weights of its own, and one of ten configurations."""
    return [blob("config", ordinal % CONFIGS), blob("weights", ordinal)]


def blob(kind: str, ordinal: int) -> File:
    size = 4096 if kind == "config" else 50_000_000
    return File(f"{kind}.bin", size, hashlib.sha256(f"{kind}-{ordinal}".encode()).hexdigest())


def sealed(ordinal: int) -> Manifest:
    return manifest.seal(files(ordinal))


def as_json(ordinal: int) -> list[dict[str, object]]:
    return [{"path": file.path, "size": file.size, "sha256": file.sha256} for file in files(ordinal)]


def source(model: str) -> str:
    return f"s3://models/{model}/artifacts"


def dumped(document: object) -> bytes:
    return json.dumps(document).encode()
