"""A registry with a little of everything in its history, made through its faces and by its worker."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from flask import Flask
from sqlalchemy.orm import Session

from registry import worker
from registry.api import lineage_examples
from registry.app import create_app
from registry.config import Settings
from registry.db import migrate
from registry.db.session import db, transaction
from registry.domain.access import LOCAL_DEV, Role
from registry.http.context import EXTENSION, Adapters
from registry.services import audit
from registry.services.accounts import accounts, sessions
from registry.services.integrity import scrubbing
from registry.services.maintenance import fsck, garbage_collection
from tests.support.api import HOST, Api
from tests.support.artifact_area import ArtifactArea
from tests.support.registry_builder import RegistryBuilder, in_process
from tests.support.replies import expect
from tests.support.sealing import seal_all

MLFLOW = "/api/2.0/mlflow"
SOURCE = "https://sources.test/models"  # a name that no host has
REASON = {"reason": "a reason of some weight"}
DATABASE = "registry.db"
EVERYTHING = ["admin", "auditor", "promoter", "responder", "writer"]


@dataclass(frozen=True, slots=True)
class Installation:
    """An app over a database and a directory of its own. Nothing is kept before it is purged or collected."""

    app: Flask
    root: Path

    @classmethod
    def at(cls, settings: Settings, root: Path) -> Installation:
        made = replace(
            settings,
            storage_url=f"file://{root}/store",
            import_sources=(SOURCE,),
            purge_retention=0,
            gc_grace=0,
        )
        return cls(create_app(made), root)

    @classmethod
    def on_sqlite(cls, make_settings: Callable[..., Settings], root: Path, **settings: Any) -> Installation:
        """One on the database below *root*, which is created if it does not exist."""
        url = f"sqlite:///{root / DATABASE}"
        migrate.upgrade(url)
        return cls.at(make_settings(url, **settings), root)

    @property
    def adapters(self) -> Adapters:
        adapters: Adapters = self.app.extensions[EXTENSION]
        return adapters

    @contextmanager
    def context(self) -> Iterator[None]:
        with self.app.app_context():
            yield
            db.session.remove()
            db.engine.dispose()

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """A transaction on its database: what an attacker writes with SQL."""
        with self.context(), transaction() as session:
            yield session

    def verify(self, model: str | None = None) -> list[audit.ChainReport]:
        with self.context():
            return list(audit.verify(model=model))

    def unlike(self) -> dict[str, Any]:
        """What verification finds wrong or not covered, by chain; model chains by name."""
        return {
            report.label or report.aggregate: (list(report.problems), list(report.uncovered))
            for report in self.verify()
            if not report.is_whole
        }

    def finds(self, problem: str) -> bool:
        """Return whether verification finds *problem* in some chain; stops at the first."""
        with self.context():
            return any(
                problem in str((report.problems, report.uncovered)) for report in audit.verify() if not report.is_whole
            )

    def work(self) -> None:
        """One round of the worker."""
        worker.run(self.app, once=True)

    def token(self, owner: str, roles: list[str]) -> str:
        with self.app.app_context():
            token_roles = [Role(role) for role in roles]
            made = accounts.create_token(
                owner, token_roles, actor=LOCAL_DEV, pepper=self.adapters.pepper, name="a token"
            )
            return made.token or ""

    def checkpoint(self) -> None:
        with self.context():
            audit.checkpoint()

    def seal(self) -> None:
        with self.context():
            seal_all(self.app)


def live(installation: Installation, *, owner: Installation | None = None) -> Api:
    """Live through it; returns a client that may do everything. *owner* is the registry as the owner of its tables."""
    with installation.app.app_context():
        accounts.issue_bootstrap(pepper=installation.adapters.pepper)
        accounts.issue_bootstrap(pepper=installation.adapters.pepper, force=True)
    api = Api(installation.app.test_client(), installation.token("alice", EVERYTHING))
    registry = in_process(api)
    _tokens(api)
    _sessions(installation, api)
    _fraud(api, registry)
    _renamed(api, registry)
    _open(installation, api, registry)
    _guarded(api, registry)
    _artifacts(installation, api)
    _imports(installation, api, registry)
    _bytes(installation, registry)
    _erased(owner or installation, api)
    installation.checkpoint()
    installation.seal()
    return api


def _tokens(api: Api) -> None:
    for owner, roles in (("bob", ["writer"]), ("carol", ["reader"]), ("bob", ["promoter", "writer"])):
        made = expect(201, api.post("/tokens", {"owner": owner, "roles": roles, "name": f"{owner}'s"}))
    expect(None, api.delete(f"/tokens/{made['id']}"))


def _sessions(installation: Installation, api: Api) -> None:
    """One that was closed, one that was closed with the others, and one that is open."""
    authenticator, pepper = installation.adapters.authenticator, installation.adapters.pepper
    with installation.app.app_context():
        actor, _ = authenticator.authenticate(f"Bearer {api.token}", address="192.0.2.1")
        first = sessions.open_session(actor=actor, pepper=pepper)
        in_browser, _ = authenticator.authenticate_session(first.token, address="192.0.2.1")
        sessions.close_session(first.id, actor=in_browser)
        sessions.open_session(actor=actor, pepper=pepper)
        sessions.close_all(actor=actor)
        sessions.open_session(actor=actor, pepper=pepper)


def _fraud(api: Api, registry: RegistryBuilder) -> None:
    """Every move of an enforced lifecycle, with all that a registration can say."""
    path, files = "/models/fraud", registry.different_files(4)
    registry.create_model("fraud", description="finds fraud", tags={"team": "risk"})
    first = registry.model("fraud").version(
        stage="production",
        files=files[0],
        description="the first",
        tags={"tier": "1"},
        params={"depth": "3"},
        metrics={"auc": 0.91, "loss": 1.0},
        framework="sklearn",
        signature={"inputs": [{"name": "x", "rows": 5.0, "big": 1e18}]},
        aliases=["champion", "shadow"],
        run={"system": "ci", "id": "41", "params": {"seed": "7"}, "metrics": {"time": 12.0}},
        code={"repo": "https://git.test/fraud", "commit": "a" * 40},
        environment={"python": "3.11", "lock_digest": "sha256:" + "b" * 64},
        datasets=[{"name": "train", "digests": ["sha256:" + "c" * 64], "role": "train", "rows": 100}],
    )
    second = registry.model("fraud").version(
        stage="production",
        files=files[1],
        parents=[{"model": "fraud", "version": first, "relation": "finetune"}],
        base_models=[{"uri": "hf://org/name@0a1b2c", "digests": ["sha256:" + "d" * 64], "relation": "adapter"}],
        aliases=["champion"],
    )
    registry.model("fraud").version(stage="production", files=files[2])
    registry.model("fraud").rollback()
    registry.model("fraud").rollback(without_store_check=True)
    registry.model("fraud").move(3, "staging")
    registry.model("fraud").move(3, "production")
    registry.model("fraud").move(3, "archived", leave_vacant=True)
    registry.model("fraud").move(second, "staging")
    registry.model("fraud").move(second, "none")
    fourth = registry.model("fraud").version(files=files[3], tags={"a": "1", "b": "2"})
    expect(
        200, api.patch(f"{path}/versions/{fourth}", {"tags": {"a": None, "c": "3"}, "description": "later", **REASON})
    )
    expect(None, api.post(f"{path}/versions/{fourth}/metrics", {"metrics": {"auc": 0.7}, "step": 3}))
    expect(None, api.post(f"{path}/versions/{fourth}/metrics", {"metrics": {"auc": 0.8, "loss": 0.1}}))
    expect(201, api.post(f"{path}/versions/{fourth}/notes", {"text": "worse on payments from abroad"}))
    for status in ("pending", "passed"):
        expect(201, api.post(f"{path}/versions/{fourth}/checks", {"name": "bias-audit", "status": status}))
    on = {"dataset_digest": "sha256:" + "d" * 64, "dataset_name": "test.csv"}
    for part in ({}, {"slice": "country=DE"}):
        expect(None, api.post(f"{path}/versions/{fourth}/metrics", {"metrics": {"auc": 0.9}, **on, **part}))
    expect(200, api.patch(path, {"description": "finds more fraud", "tags": {"team": None, "owner": "bob"}}))
    expect(200, api.put(f"{path}/aliases/champion", {"version": first}))
    expect(200, api.delete(f"{path}/aliases/shadow"))
    expect(200, api.delete(f"{path}/versions/{fourth}"))
    expect(200, api.post(f"{path}/versions/{fourth}/restore", {}))
    _add_lineage(api, f"{path}/versions/{fourth}/lineage")
    _hold(api, fourth)
    gone = registry.model("fraud").version()
    expect(200, api.delete(f"{path}/versions/{gone}"))
    expect(200, api.post(f"{path}/versions/{gone}/purge", REASON))


def _hold(api: Api, number: int) -> None:
    """Holds on a version, on data and on base models; the first is released."""
    targets = {"version": f"fraud:{number}", "data": f"sha256:{'9' * 64}", "base_model": "hf://org/other",
               "base_version": f"fraud:{number}"}  # fmt: skip
    for kind, target in targets.items():
        expect(201, api.post("/holds", {"kind": kind, "target": target, **REASON}))
    expect(200, api.post("/holds/1/release", REASON))
    expect(201, api.post("/holds", {"kind": "version", "target": f"fraud:{number}", **REASON}))


def _add_lineage(api: Api, path: str) -> None:
    """Lineage that is added later: of a version and of data, some of it retracted, some reinstated."""
    raw, clean = ({"name": name, "digests": [f"sha256:{digit * 64}"]} for name, digit in (("raw", "e"), ("clean", "f")))
    added = expect(200, api.post(path, {"used": [{**clean, "role": "train"}], "base_models": [{"uri": "hf://a/b"}]}))
    data = {"dataset": clean, "transformed_from": [raw], "job": {"namespace": "airflow", "name": "clean"}}
    edges = [*added["edges"], *expect(200, api.post("/lineage/datasets", data | REASON))["edges"]]
    placed = [{"namespace": "s3://lake", "name": f"{name}.csv"} for name in ("raw", "clean")]
    expect(200, api.post("/lineage/events", lineage_examples.EVENT | {"inputs": placed[:1], "outputs": placed[1:]}))
    for edge in (edges[0], edges[2]):
        for retracted in (True, False, True):
            expect(200, api.put(f"/lineage/edges/{edge['id']}", {"retracted": retracted, **REASON}))


def _renamed(api: Api, registry: RegistryBuilder) -> None:
    registry.create_model("credit")
    registry.model("credit").version(stage="staging")
    registry.model("credit").move(1, "archived")
    mlflow_api(api, "POST", "/registered-models/rename", name="credit", new_name="loans")
    expect(200, api.delete("/models/loans"))
    registry.create_model("loans")
    registry.model("loans").version()
    expect(200, api.delete("/models/loans"))
    expect(200, api.post("/models/loans/restore", {}))


def _open(installation: Installation, api: Api, registry: RegistryBuilder) -> None:
    """A lifecycle as MLflow's: several productions, deletions of what is in use, and back."""
    registry.create_model("churn", lifecycle="open")
    for files in registry.different_files(3):
        registry.model("churn").version(files=files, aliases=["newest"])
    for number in ("1", "2"):
        mlflow_api(api, "POST", "/model-versions/transition-stage", name="churn", version=number, stage="Production",
             archive_existing_versions=False)  # fmt: skip
    mlflow_api(api, "POST", "/model-versions/transition-stage", name="churn", version="3", stage="Production",
         archive_existing_versions=True)  # fmt: skip
    mlflow_api(api, "POST", "/model-versions/set-tag", name="churn", version="3", key="k", value="v")
    mlflow_api(api, "POST", "/model-versions/create", name="churn", source="s3://elsewhere/m", run_id="d" * 32)
    mlflow_api(api, "DELETE", "/model-versions/delete", name="churn", version="3")
    registry.model("churn").version(stage="production")
    expect(200, api.patch("/models/churn", {"lifecycle": "enforced"}))
    mlflow_api(api, "POST", "/registered-models/create", name="empty", description="by MLflow")


def _guarded(api: Api, registry: RegistryBuilder) -> None:
    """Promotions under a policy of the model, under the default policy, and past the gates."""
    rules = [{"rule": "size", "at_most": "5 GB"}]
    own = {"document": {"policy": 1, "staging": rules}, **REASON}
    registry.model("guarded").version()
    expect(200, api.put("/models/guarded/policy", own))
    expect(200, api.put("/models/guarded/versions/1/stage", {"stage": "staging", **REASON}))
    expect(200, api.delete("/models/guarded/policy?reason=a+test"))
    expect(200, api.put("/policy", {"document": {"policy": 1, "production": rules}, **REASON}))
    expect(200, api.put("/models/guarded/versions/1/stage", {"stage": "production", **REASON}))
    expect(200, api.delete("/policy?reason=a+test"))
    asked = {"model": "guarded", "version": 1, "target": "@next", **REASON}
    request = expect(201, api.post("/requests", asked))["id"]
    expect(200, api.post(f"/requests/{request}/comment", {"comment": "go"}))
    expect(200, api.post(f"/requests/{request}/apply", {}))
    expect(201, api.post("/requests", {"target": "policy", "document": {"policy": 1}, **REASON}))
    registry.model("urgent").version()
    expect(200, api.put("/models/urgent/versions/1/stage", {"stage": "staging", "break_glass": True, **REASON}))


def _artifacts(installation: Installation, api: Api) -> None:
    """The artifact area, and a version that is filled from it."""
    artifact_area = ArtifactArea(installation.app, api.token)
    model = "1/run/artifacts/m"
    for path in (f"{model}/model.pkl", f"{model}/MLmodel", "1/other", "1/other", "2/gone/a", "2/gone/b"):
        assert artifact_area.put(path, uuid.uuid4().bytes).status_code < 300
    assert artifact_area.delete("2/gone").status_code < 300
    mlflow_api(api, "POST", "/model-versions/create", name="empty", source="mlflow-artifacts:/1/run/artifacts/m")
    installation.work()


def _imports(installation: Installation, api: Api, registry: RegistryBuilder) -> None:
    """An import that fails, for its model is deleted meanwhile."""
    registry.create_model("doomed")
    expect(202, api.post("/models/doomed/imports", {"source": f"{SOURCE}/m", "params": {"p": "1"}}))
    expect(200, api.delete("/models/doomed"))
    installation.work()


def _bytes(installation: Installation, registry: RegistryBuilder) -> None:
    """Bytes that are lost and sent again, and bytes that are collected."""
    content = b"precious"
    registry.model("loans").version(files=[registry.file(content)])
    (stored,) = (installation.root / "store" / "blobs").glob(f"*/{hashlib.sha256(content).hexdigest()}/*")
    stored.unlink()
    store = installation.adapters.store
    with installation.context():
        list(fsck.check(store=store, deep=False, mark=True))
        while scrubbing.scrub_next(store=store, interval=timedelta(days=1)):
            pass
    registry.blob(content)
    with installation.context():
        for _ in range(2):
            list(garbage_collection.collect(store=store, grace=timedelta(0)))


def _erased(installation: Installation, api: Api) -> None:
    """A reason and a name that were erased. On PostgreSQL only the owner may."""
    entry = expect(200, api.get("/models/fraud/history?action=version.rolled_back"))["items"][0]
    made = expect(201, api.post("/tokens", {"owner": "dave", "roles": ["reader"]}))
    expect(None, api.delete(f"/tokens/{made['id']}"))
    with installation.context():
        audit.erase_text(entry["id"], "reason", reason="request 41")
        audit.erase_account("dave", reason="left")


def mlflow_api(api: Api, method: str, path: str, **body: Any) -> dict[str, Any]:
    """A request of MLflow's protocol that must succeed."""
    headers = {"Authorization": f"Bearer {api.token}"}
    return expect(200, api.client.open(f"{MLFLOW}{path}", method=method, base_url=HOST, json=body, headers=headers))
