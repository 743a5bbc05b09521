"""The registry that the states are of, with what several of them start from."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from flask import Flask

from tests.support.many_versions import repeat_latest_version
from tests.support.mlflow_api import MlflowApi
from tests.support.registry_builder import ModelBuilder, RegistryBuilder, named_run, over_mlflow
from tests.support.replies import expect
from tests.support.worker_results import change_version, find_damage
from tests.web.world import World, build

FACTS: dict[str, Any] = {
    "code": {"repo": "https://github.com/acme/fraud", "commit": "17ba0791" * 5, "branch": "main", "dirty": False},
    "datasets": [
        {"name": "payments", "digests": [f"sha256:{'ab' * 32}"], "role": "train", "uri": "s3://data/payments"},
        {"name": "holdout", "digests": [f"sha256:{'ba' * 32}"], "role": "test"},
    ],
    "framework": "sklearn",
    "description": "Trained on *November*.",
}


class Site:
    """One database behind two addresses: ``address`` needs no login, ``guarded`` does.

    What is cached is only read by the states; a state that changes something makes its own model.
    """

    def __init__(
        self,
        builder: RegistryBuilder,
        address: str,
        guarded: str,
        *,
        dev_app: Flask,
        app: Flask,
        tokens: Mapping[str, str],
        storage_root: Path,
        away: Callable[[], str],
    ) -> None:
        self.builder, self.address, self.guarded = builder, address, guarded
        self.dev_app, self.app, self.tokens = dev_app, app, tokens
        self.storage_root, self.away = storage_root, away
        self._numbers = itertools.count(1)

    def new_number(self) -> int:
        return next(self._numbers)

    def model(self, *stages: str, **fields: Any) -> ModelBuilder:
        """Return a new model with a version in each of *stages*."""
        model = self.builder.model(f"model-{self.new_number()}")
        for place, stage in enumerate(stages):
            own = {"metrics": {"auc": 0.9 + place / 100}, "params": {"depth": str(place)}, "run": named_run(f"{place}")}
            model.version(stage, **{**FACTS, "files": [self.file], **own, **fields})
        return model

    def served(self) -> ModelBuilder:
        """Return a new model: version 1 in production, 2 and 3 in staging."""
        return self.model("production", "staging", "staging")

    def stored(self, sha256: str) -> Path:
        """Return the file that has the bytes of a digest."""
        (found,) = (self.storage_root / "blobs" / sha256[:2] / sha256).iterdir()
        return found

    @cached_property
    def file(self) -> dict[str, Any]:
        """The file of most versions."""
        return self.builder.file()

    @cached_property
    def read(self) -> ModelBuilder:
        """A model to read: 1 is archived, 2 in production, 3 and 4 in staging, 5 in none."""
        model = self.model("production", "production", "staging", "staging", "none")
        model.move(1, "staging", reason="once more")
        return model

    @cached_property
    def hostile(self) -> World:
        return build(self.builder)

    @cached_property
    def unusual(self) -> ModelBuilder:
        """A model whose versions are 1 ready, 2 pending, 3 failed, 4 unverified, 5 imported, 6 damaged."""
        model = self.model("production", "none", "none")
        over_mlflow(MlflowApi(self.app.test_client(), self.tokens["all"])).model(model.name).version(
            source="s3://elsewhere/model"
        )
        model.version()
        files = [self.builder.file(b"kept", "kept.bin"), self.builder.file(path="weights/lost.bin")]
        model.version(files=files)
        for number, values in {
            2: {"state": "pending"},
            3: {"state": "failed", "state_reason": "the bytes of model.bin differ"},
            5: {"claimed": {"stage": "Production", "tags": {"by": "mlflow"}}},
        }.items():
            change_version(self.dev_app, model.name, number, **values)
        find_damage(self.dev_app, files[1]["sha256"])
        return model

    @cached_property
    def learned(self) -> ModelBuilder:
        """A model of one version whose lineage was added to; an edge of it was retracted."""
        model = self.model("production")
        clean, raw = (
            {"name": name, "digests": [f"sha256:{hashlib.sha256(f'{model.name} {name}'.encode()).hexdigest()}"]}
            for name in ("clean.csv", "raw.csv")
        )
        client, lineage = self.builder.client, f"{model.path}/versions/1/lineage"
        base = {"uri": f"hf://a-long-name-of-an-organisation/{'and-of-a-model-' * 6}@0a1b2c", "relation": "finetune"}
        expect(200, client.post(lineage, {"base_models": [base], "used": [clean], "reason": "the team says so"}))
        expect(200, client.post("/lineage/datasets", {"dataset": clean, "transformed_from": [raw]}))
        wrong = expect(200, client.post(lineage, {"evaluated_on": [raw]}))["edges"][0]["id"]
        expect(200, client.put(f"/lineage/edges/{wrong}", {"retracted": True, "reason": "named by mistake"}))
        return model

    @cached_property
    def thousand(self) -> ModelBuilder:
        """A model with 1,000 versions."""
        model = self.model("production")
        repeat_latest_version(self.dev_app, model.name, 999)
        return model
