"""The examples of the lineage in the OpenAPI document, of the story in ``examples``."""

from __future__ import annotations

import hashlib

from registry.api.examples import CONTENT, TEST, TRAINING

_RAW = f"sha256:{hashlib.sha256(b'payments-raw').hexdigest()}"

ADDITION = {
    "evaluated_on": [{"name": "payments-abroad", "digests": [TEST]}],
    "base_models": [{"uri": "hf://example/tabular-base@0a1b2c", "relation": "finetune"}],
    "reason": "the team of the base model asked who uses it",
}
DATA_LINEAGE = {
    "dataset": {"name": "payments", "digests": [TRAINING]},
    "transformed_from": [{"name": "payments-raw", "digests": [_RAW]}],
    "job": {"namespace": "airflow-production", "name": "clean.payments"},
    "reason": "from the lineage of the data platform",
}
EDGE_RETRACTION = {"retracted": True, "reason": "the data was named by mistake"}
_OF_EDGE = [
    {
        "statement": "added",
        "at": "2026-11-21T13:10:12.637000Z",
        "actor": "ann",
        "entry": "5d4f2f0e-6f0b-4f62-9a55-8f3f4a0d2f11",
    }
]
_EDGE_SOURCE = {"kind": "version", "name": "fraud:2", "model": "fraud", "version": 2, "digests": []}
ADDED = {
    "changed": True,
    "entry": "5d4f2f0e-6f0b-4f62-9a55-8f3f4a0d2f11",
    "edges": [
        {
            "id": 4,
            "kind": "evaluated_on",
            "role": None,
            "source": _EDGE_SOURCE,
            "target": {
                "kind": "dataset",
                "name": "payments-abroad",
                "model": None,
                "version": None,
                "digests": [TEST],
            },
            "retracted": False,
            "statements": _OF_EDGE,
        },
        {
            "id": 5,
            "kind": "derived_from",
            "role": "finetune",
            "source": _EDGE_SOURCE,
            "target": {
                "kind": "model",
                "name": "hf://example/tabular-base@0a1b2c",
                "model": None,
                "version": None,
                "digests": [],
            },
            "retracted": False,
            "statements": _OF_EDGE,
        },
    ],
}
AFFECTED = {
    "model": "fraud",
    "number": 2,
    "stage": "production",
    "state": "ready",
    "uses": [{"dataset": "payments", "role": "train"}],
    "path": [
        {"kind": "dataset", "name": "payments", "relation": None, "role": None},
        {"kind": "version", "name": "fraud:2", "relation": "used", "role": "train"},
    ],
    "production": {"since": "2026-11-21T13:20:00.250000Z", "until": None},
    "tenures": [{"since": "2026-11-21T13:20:00.250000Z", "until": None}],
    "created_at": "2026-11-21T13:05:02.250000Z",
}
IMPACT = {"items": [AFFECTED], "next_cursor": None}
REPRODUCIBILITY = {
    "model": "fraud",
    "number": 2,
    "score": "6 of 7",
    "met": 6,
    "total": 7,
    "missing": ["environment"],
    "checks": [
        {
            "requirement": "code",
            "state": "met",
            "detail": "https://git.example.com/risk/fraud at 7b1d0f6e2c9a",
            "remedy": None,
        },
        {
            "requirement": "clean",
            "state": "met",
            "detail": "the checkout had no uncommitted changes",
            "remedy": None,
        },
        {
            "requirement": "environment",
            "state": "missing",
            "detail": "neither a lock file nor a container image is recorded by digest",
            "remedy": "register with --lock-file or --image-digest",
        },
        {"requirement": "data", "state": "met", "detail": "payments", "remedy": None},
        {"requirement": "params", "state": "met", "detail": "1 recorded", "remedy": None},
        {"requirement": "command", "state": "met", "detail": "python train.py", "remedy": None},
        {"requirement": "parents", "state": "met", "detail": "derives from no other model", "remedy": None},
    ],
}
EVENT = {
    "eventType": "COMPLETE",
    "eventTime": "2026-11-21T12:40:00.120000Z",
    "producer": "https://github.com/OpenLineage/OpenLineage/tree/1.54.0/client/python",
    "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/definitions/RunEvent",
    "run": {"runId": "0193f0c2-4c5e-7a3b-9d1e-2f6a8b7c5d40"},
    "job": {"namespace": "airflow-production", "name": "clean.payments"},
    "inputs": [{"namespace": "s3://example-data", "name": "payments-raw.parquet"}],
    "outputs": [{"namespace": "s3://example-data", "name": "payments.parquet"}],
}
EVENT_RESULT = {
    "outcome": "recorded",
    "entry": "8a1f3c52-7d4e-4b0a-9c6f-1e2d3b4a5c6d",
    "edges": 2,
    "added": 2,
    "notes": [],
}
_MODEL = "models/fraud/versions/2"
_DATA = f"lineage/dataset/{hashlib.sha256(b'node of payments').hexdigest()}"
BILL_OF_MATERIALS = {
    "$schema": "http://cyclonedx.org/schema/bom-1.7.schema.json",
    "bomFormat": "CycloneDX",
    "specVersion": "1.7",
    "version": 1,
    "serialNumber": "urn:uuid:3e671687-395b-51f5-a30f-a58921a69b79",
    "metadata": {
        "timestamp": "2026-11-21T13:05:02.250000Z",
        "tools": {"components": [{"type": "application", "name": "model-registry"}]},
        "component": {
            "type": "machine-learning-model",
            "bom-ref": _MODEL,
            "name": "fraud",
            "version": "2",
            "licenses": [{"license": {"id": "Apache-2.0"}}],
            "purl": "pkg:mlflow/fraud@2?repository_url=https://registry.example.com/api/2.0/mlflow",
            "pedigree": {
                "ancestors": [
                    {
                        "type": "machine-learning-model",
                        "bom-ref": f"lineage/model/{hashlib.sha256(b'node of tabular-base').hexdigest()}",
                        "name": "hf://example/tabular-base@0a1b2c",
                    }
                ]
            },
            "components": [
                {
                    "type": "file",
                    "name": "model.bin",
                    "hashes": [{"alg": "SHA-256", "content": hashlib.sha256(CONTENT).hexdigest()}],
                }
            ],
            "modelCard": {"modelParameters": {"datasets": [{"ref": _DATA}]}},
        },
    },
    "components": [
        {
            "type": "data",
            "bom-ref": _DATA,
            "name": "payments",
            "data": [{"type": "dataset", "name": "payments"}],
            "hashes": [{"alg": "SHA-256", "content": TRAINING.removeprefix("sha256:")}],
        }
    ],
    "dependencies": [{"ref": _MODEL, "dependsOn": [_DATA]}],
    "compositions": [{"aggregate": "complete", "assemblies": [_MODEL]}],
}
