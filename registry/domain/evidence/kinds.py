"""The kinds of recorded facts that a profile can refer to."""

from __future__ import annotations

from enum import StrEnum


class FactKind(StrEnum):
    MODEL = "model"
    DESCRIPTION = "description"
    TAG = "tag"
    VERSION = "version"
    FILE = "file"
    PARENT = "parent version"
    BASE_MODEL = "base model"
    FRAMEWORK = "framework"
    SIGNATURE = "signature"
    RUN = "run"
    CODE = "code"
    ENVIRONMENT = "environment"
    PARAMETER = "parameter"
    TRAINING_DATA = "training data"
    EVALUATION_DATA = "evaluation data"
    OTHER_DATA = "other data"
    METRIC = "metric"
    PRODUCTION = "period in production"
    DECISION = "stage change"
    CHANGE = "change"
    ROLE = "role"
    ACTOR = "actor"
    REDACTION = "redaction"
    LOG = "sealed log"


DATA = (FactKind.TRAINING_DATA, FactKind.EVALUATION_DATA, FactKind.OTHER_DATA)
ORIGIN = (FactKind.PARENT, FactKind.BASE_MODEL, FactKind.RUN, FactKind.CODE)
RECORDS = (FactKind.DECISION, FactKind.CHANGE, FactKind.REDACTION, FactKind.LOG)
