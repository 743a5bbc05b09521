"""Roles of data, derivations of a version and formats of exports, as the wire has them, for clients and the service."""

from __future__ import annotations

DATASET_ROLES = ("train", "validation", "test", "finetune", "other")
DERIVATIONS = ("finetune", "adapter", "quantize", "distill", "merge", "convert")
EXPORT_FORMATS = ("openlineage", "prov", "cyclonedx-1.6", "cyclonedx-1.7")
