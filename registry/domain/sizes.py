"""How much may be said of one model or version in total, in bytes of UTF-8.

Each single text has a limit of its own as well; without a limit on the sum, one version could be larger than a page.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from registry.domain.errors import Invalid
from registry.rules.octets import FACTS_BYTES, octets

DESCRIPTION_LENGTH = 65_536  # characters
TAGS_BYTES = 2**20  # keys and values of all tags of one model, or of one version
METRIC_KEYS = 2_000  # of one version; each counts once for each dataset that it was measured on
MEASUREMENTS = 100_000  # of one version
ALIASES = 1_000  # of one model


def require_metrics(evaluated: Collection[Any]) -> None:
    """Raise Invalid unless one registration may have this many metrics with a dataset."""
    if len(evaluated) > METRIC_KEYS:
        raise Invalid.field("evaluations", f"must have {METRIC_KEYS} metrics at most, counted once for each dataset")


def require_tags(total: int) -> None:
    """Raise Invalid unless tags of *total* bytes may belong to one model or version."""
    if total > TAGS_BYTES:
        raise Invalid.field(
            "tags", f"must have at most {TAGS_BYTES} bytes in total, not {total}; remove some, or keep them in a file"
        )


def require_facts(*said: Any) -> None:
    """Raise Invalid unless a version may be described by all of *said*."""
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
