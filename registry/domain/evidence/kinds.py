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
    POLICY = "policy"
    GATE = "gates of a move"
    CHECK = "check"
    REQUEST = "request"
    APPROVAL = "approval"
    HOLD = "hold"
    BREAK_GLASS = "move past the gates"


DATA = (FactKind.TRAINING_DATA, FactKind.EVALUATION_DATA, FactKind.OTHER_DATA)
ORIGIN = (FactKind.PARENT, FactKind.BASE_MODEL, FactKind.RUN, FactKind.CODE)
RECORDS = (FactKind.DECISION, FactKind.CHANGE, FactKind.REDACTION, FactKind.LOG)
TESTS = (FactKind.CHECK, FactKind.GATE)
FOUR_EYES = (FactKind.REQUEST, FactKind.APPROVAL)
CONTROLS = (FactKind.POLICY, FactKind.GATE, *FOUR_EYES, FactKind.BREAK_GLASS)
