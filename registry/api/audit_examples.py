"""The examples of the OpenAPI document that show the audit log and the sealed log."""

from __future__ import annotations

from registry.api.examples import MANIFEST, PROMOTION_ENTRY_ID

_CURSOR = ".eJyLjjbUUTKNBQAIGgIe.3f6rVnqk1Z0m…"
_PROMOTION_ENTRY = {
    "id": PROMOTION_ENTRY_ID,
    "at": "2026-11-21T13:20:00.250000Z",
    "action": "version.promoted",
    "actor": {
        "id": "fb8d8a3f-47ee-4cd6-8871-f72ab2e10268",
        "name": "ann",
        "kind": "user",
        "credential": "T54XB17ddu0N",
        "issuer": "root",
    },
    "model": "fraud",
    "version": 2,
    "related_version": 1,
    "token": None,
    "before": {"production": 1, "stage": "staging"},
    "after": {"production": 2, "stage": "production"},
    "reason": "AUC 0.93 on payments-test",
    "texts": {},
    "redacted": [],
    "digests": {"manifest": MANIFEST},
    "request_id": "322f10d335d04da590a2b5038bc95686",
    "client_request_id": None,
    "aggregate": "model:1dc34f19-5f1a-4ef8-9783-ec58c495751d",
    "seq": 9,
    "position": 57,
    "previous_hash": "d3380ae3e875a33acf70fa75618cdf46ffa457eb7ffda9049ea02b381559b4b0",
    "leaf_hash": "46b533adb260c69625fd2edcad145f395c554ea168c719e3545c24b77bdd733b",
}
HISTORY = {"items": [_PROMOTION_ENTRY], "next_cursor": _CURSOR}
CHANGES = HISTORY
AUDIT_ENTRY = _PROMOTION_ENTRY | {"body": "eyJhY3Rpb24iOiJ2ZXJzaW9uLnByb21vdGVkIiwi…"}
AUDIT = {"items": [AUDIT_ENTRY], "next_cursor": _CURSOR}
VERIFIED = {
    "model": "fraud",
    "at": "2026-11-21T16:41:02.104000Z",
    "outcome": "verified",
    "detail": "the history of 'fraud' is unbroken, and what the registry stores agrees with it",
    "entries": 9,
    "files": 4,
    "chains": [
        {
            "chain": "model:1dc34f19-5f1a-4ef8-9783-ec58c495751d",
            "name": "fraud",
            "entries": 9,
            "head": "46b533adb260c69625fd2edcad145f395c554ea168c719e3545c24b77bdd733b",
            "published": 9,
            "problems": [],
            "uncovered": [],
            "redacted": 0,
            "baseline": None,
        }
    ],
}
CHECKPOINT = """\
model-registry/5f2c9d1e-6a0b-4c1d-9d3f-0a7e5c1b2d34
5
fKo0Xb2JKmZFTWxlEuo8PqPw0+whvj/C4jdXBf049nI=

— model-registry/5f2c9d1e-6a0b-4c1d-9d3f-0a7e5c1b2d34 oSdDgsr4X9JdW07fS8YFInfg9GtURnOlfODTyxLFk8Mme8zzvt0UaMzlyEDgyxav\
laYv+PSE1djaeVHk6DkMis4D9A4=
"""
LOG_KEYS = "model-registry/5f2c9d1e-6a0b-4c1d-9d3f-0a7e5c1b2d34+a1274382+AUQpkwZQBKoeTEj03QFYGUwCNJvMZkzZbkAOommRio1R\n"
PROOF = f"""\
c2sp.org/tlog-proof@v1
index 3
V8efTzGuApxdS9MLBzwnyU35NDiytGl+Hh7vW8A5SkE=
WkdmL9ijF9lgSaP59HxV3GfKZgUbqjaD27GbL+CaB7A=
SFM123z+yWXxX/dF/GJcQdXqJkaTaTAWWCj3PdS2iFQ=

{CHECKPOINT}"""
