"""Roles of data and derivations of a version, as the wire has them, for clients and the service."""

from __future__ import annotations

DATASET_ROLES = ("train", "validation", "test", "finetune", "other")
DERIVATIONS = ("finetune", "adapter", "quantize", "distill", "merge", "convert")
