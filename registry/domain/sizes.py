"""Limits on the metadata of one model or version in total, in bytes of JSON in UTF-8.

Each single text has a limit as well; without a limit on the sum, one version could be larger than a page.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from registry.domain.errors import Invalid
from registry.rules.byte_sizes import FACTS_BYTES, escaped, octets

Measured = tuple[str, str | None, str]  # the name of a metric, the digest of its dataset, and the slice of it

DESCRIPTION_LENGTH = 65_536  # characters
TAGS_BYTES = 2**20  # keys and values of all tags of one model, or of one version
METRIC_KEYS = 2_000  # of one version; each counts once for each dataset and slice that it was measured on
METRIC_BYTES = 2**20  # names of these metrics, each with its dataset and slice
MEASUREMENTS = 100_000  # of one version
ALIASES = 1_000  # of one model
NOTE_LENGTH = 10_000  # characters
NOTES = 1_000  # of one version
NOTES_AN_HOUR = 100  # of one account
CHECKS = 1_000  # reports about one version
CHECK_URL_LENGTH = 2_000  # characters
CHECK_SUMMARY_LENGTH = 2_000  # characters


def require_metrics(measured: Mapping[Measured, str | None], *, count: int = 0, total: int = 0) -> None:
    """Raise Invalid unless a version may have the metrics *measured*, in addition to *count* others of *total* bytes.

    *measured* has the name of the dataset for each metric, digest and slice.
    """
    if count + len(measured) > METRIC_KEYS:
        raise Invalid.field("metrics", f"must be {METRIC_KEYS} metrics of one version at most, once for each dataset")
    for (key, digest, part), name in measured.items():
        total += sum(escaped(text) for text in (key, digest, name, part) if text)
    if total > METRIC_BYTES:
        text = f"must have {METRIC_BYTES} bytes of metric names, digests and dataset names in one version, not {total}"
        raise Invalid.field("metrics", f"{text}; a name counts once for each dataset: send shorter names")


def require_tags(total: int) -> None:
    """Raise Invalid unless tags of *total* bytes may belong to one model or version."""
    if total > TAGS_BYTES:
        raise Invalid.field(
            "tags", f"must have at most {TAGS_BYTES} bytes in total, not {total}; remove some, or keep them in a file"
        )


def require_facts(*said: Any) -> None:
    """Raise Invalid unless a version may have all of these facts."""
    if (total := octets(said)) > FACTS_BYTES:
        text = (
            f"params, metrics, signature, lineage and description may have {FACTS_BYTES} bytes in total, not {total}; "
            "keep what is larger in a file of the version"
        )
        raise Invalid(text, errors={"_schema": [text]})


def require_description(text: str | None) -> None:
    """Raise Invalid for a description that is too long."""
    if text is not None and len(text) > DESCRIPTION_LENGTH:
        raise Invalid.field("description", f"must have at most {DESCRIPTION_LENGTH} characters")
