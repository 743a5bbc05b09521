"""Limits of a registration's facts, in characters and entries, for the API and its client."""

from __future__ import annotations

ENTRIES = 1000  # params, metrics or tags
EVALUATIONS = 100
DATASETS = 100
DIGESTS = 8  # of a dataset
SOUGHT_DIGESTS = 5  # of the data that a question is about
PARAM_LENGTH = 6000  # as in MLflow
RUN_TAG_LENGTH = 8000  # as in MLflow
URI_LENGTH = 2048
DATASET_NAME_LENGTH = 255
ID_LENGTH = 255  # of a run, a commit, a branch or a person
REPO_LENGTH, PATH_LENGTH, COMMAND_LENGTH = 512, 1024, 4096
