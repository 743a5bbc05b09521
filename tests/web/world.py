"""A registry whose every text is hostile, and what no page may make of it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from urllib.parse import quote

from tests.support.registry_builder import RegistryBuilder, named_run
from tests.support.replies import expect

MODEL = '50% "off" #1?'
DATA = hashlib.sha256(b"train").hexdigest()
MARKUP = "<script>alert('owned')</script><img src=x onerror=alert(1)>"
ADDRESS = "javascript:alert('owned')"
TEXT = f"{MARKUP} [x]({ADDRESS}) ![x](https://evil.test/x.png) \u202egnp.exe {{{{ 7*7 }}}} ]]> --> '\""


@dataclass(frozen=True)
class World:
    """What the addresses of pages are filled with."""

    model: str
    digest: str
    token: str = ""
    entry: str = "00000000-0000-0000-0000-000000000000"
    edge: int = 1
    policy: str = ""
    hold: int = 1
    move: str = ""
    request: str = ""

    def fill(self, address: str) -> str:
        parts = {"digest": f"sha256:{self.digest}", "token": self.token, "entry": self.entry, "edge": self.edge,
                 "policy": self.policy, "hold": self.hold, "move": self.move, "request": self.request}  # fmt: skip
        return address.format(model=quote(self.model, safe=""), **parts)


def build(site: RegistryBuilder) -> World:
    """Create the model: version 1 was in production, 2 is, 3 is in staging."""
    site.create_model(MODEL, description=TEXT, tags={"<b>team</b>": TEXT, "tier": "1"})
    model = site.model(MODEL)
    for number, stage in enumerate(("production", "production", "staging"), start=1):
        model.version(
            stage,
            description=TEXT,
            tags={"note": TEXT},
            params={"depth": str(number), "<i>": TEXT},
            metrics={"auc": 0.9 + number / 100, "<b>": 1.0},
            files=[site.file(f"{number}".encode(), "model.bin"), site.file(TEXT.encode(), "README.md")],
            run=named_run(f"run {number} {MARKUP}") | {"url": ADDRESS},
            code={"repo": ADDRESS, "commit": "17ba0791" * 5},
            datasets=[{"name": MARKUP, "digests": [f"sha256:{DATA}"], "role": "train", "uri": ADDRESS}],
        )
    expect(201, site.client.put(f"/models/{quote(MODEL, safe='')}/aliases/champion", {"version": 2, "reason": TEXT}))
    expect(201, site.client.post(f"/models/{quote(MODEL, safe='')}/versions/2/notes", {"text": TEXT}))
    lineage = f"/models/{quote(MODEL, safe='')}/versions/3/lineage"
    added = {"base_models": [{"uri": TEXT}, {"uri": ADDRESS}], "reason": TEXT}
    edge, other = (one["id"] for one in expect(200, site.client.post(lineage, added))["edges"])
    for changed, is_retracted in ((edge, True), (edge, False), (other, True)):
        expect(200, site.client.put(f"/lineage/edges/{changed}", {"retracted": is_retracted, "reason": TEXT}))
    token = expect(
        201, site.transport.call("POST", "/tokens", {"owner": "<b>&amp;'", "roles": ["reader"], "name": TEXT})
    )
    own = f"/models/{quote(MODEL, safe='')}/policy"
    check = {"name": "bias", "status": "failed", "url": "https://ci.test/1", "summary": TEXT}
    free = {"policy": 1, "staging": [{"rule": "required", "description": True}]}
    expect(200, site.client.put(own, {"document": free, "reason": TEXT}))
    expect(201, site.client.post(f"/models/{quote(MODEL, safe='')}/versions/3/checks", check))
    model.version("staging", description=TEXT)
    (move,) = expect(200, site.client.get(f"/models/{quote(MODEL, safe='')}/versions/4/gates/history"))["items"]
    policy = {"policy": 1, "description": TEXT, "production": [
        {"rule": "metric", "metric": "auc", "at_least": 0.99, "explanation": TEXT},
        {"rule": "required", "tags": {"<b>": TEXT}},
        {"rule": "lineage", "datasets": True},
    ]}  # fmt: skip
    expect(200, site.client.put("/policy", {"document": {"policy": 1, "staging": []}, "reason": TEXT}))
    digest = expect(200, site.client.put(own, {"document": policy, "reason": TEXT}))["digest"]
    asked = {"model": MODEL, "version": 4, "target": "production", "reason": TEXT}
    request = expect(201, site.client.post("/requests", asked))["id"]
    expect(200, site.client.post(f"/requests/{request}/comment", {"comment": TEXT}))
    hold = expect(201, site.client.post("/holds", {"kind": "data", "target": f"sha256:{DATA}", "reason": TEXT}))[
        "hold"
    ]["id"]
    expect(201, site.client.post("/holds", {"kind": "version", "target": f"{MODEL}:3", "reason": TEXT}))
    (latest,) = expect(200, site.client.get("/audit?limit=1"))["items"]
    return World(MODEL, DATA, token["id"], latest["id"], edge, digest, hold, move["entry"], request)
