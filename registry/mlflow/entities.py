"""Models and versions as MLflow's entities. Times are milliseconds, numbers are texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from registry.db.records import ModelBrief, ModelRecord, VersionBrief, VersionRecord
from registry.domain.states import VersionState
from registry.mlflow import locations, prompts
from registry.mlflow.validation import STAGES

# Absent or unknown, a client takes the status for pending and polls for minutes.
STATUS: Mapping[str, str] = {
    VersionState.UNVERIFIED: "READY",
    VersionState.PENDING: "PENDING_REGISTRATION",
    VersionState.READY: "READY",
    VersionState.FAILED: "FAILED_REGISTRATION",
}


def model(found: ModelBrief | ModelRecord) -> dict[str, Any]:
    """A RegisteredModel; of a record, which tells of no versions, one without any."""
    latest = found.latest if isinstance(found, ModelBrief) else ()
    return given(
        name=found.name,
        creation_timestamp=milliseconds(found.created_at),
        last_updated_timestamp=milliseconds(found.revised_at),
        description=found.description,
        latest_versions=[version(one) for one in latest],
        tags=_tag_list(found.tags),
        aliases=[{"alias": alias, "version": str(number)} for alias, number in sorted(found.aliases.items())],
    )


def version(found: VersionBrief | VersionRecord, *, hindrance: str | None = None) -> dict[str, Any]:
    """A ModelVersion. *hindrance* is why the last attempt to fetch its files came to nothing."""
    return given(
        name=found.model,
        version=str(found.number),
        creation_timestamp=milliseconds(found.created_at),
        last_updated_timestamp=milliseconds(found.revised_at),
        user_id=found.created_by,
        current_stage=STAGES[found.stage],
        description=found.description,
        source=found.source or locations.download_uri(found),
        run_id=found.run_id,
        run_link=found.run_link,
        status=STATUS[found.state],
        status_message=found.state_reason or _awaited(found, hindrance) or _caution(found),
        tags=_tag_list(found.tags),
        aliases=sorted(found.aliases),
    ) | {"description": found.description}  # MLflow sends it though it is empty: a prompt's message is text


def _awaited(found: VersionBrief | VersionRecord, hindrance: str | None) -> str | None:
    """What a pending version waits for."""
    if found.state != VersionState.PENDING:
        return None
    if found.manifest_digest is not None:
        return "pending: the registry has yet to read and hash files of this version"
    text = f"pending: the registry has yet to fetch and hash the files of {found.source}"
    return f"{text}; the last attempt failed: {hindrance}" if hindrance else text


def _caution(found: VersionBrief | VersionRecord) -> str | None:
    """The warning on a version that is READY to MLflow, is named by an alias, and was never verified here."""
    if found.state != VersionState.UNVERIFIED or not found.aliases or prompts.is_prompt(found.tags):
        return None
    return "unverified: the registry has not seen these files; clients load them from where they were said to be"


def versions(found: Sequence[VersionBrief]) -> dict[str, Any]:
    """A list of them; without any the answer is empty."""
    return given(model_versions=[version(one) for one in found])


def milliseconds(instant: datetime) -> int:
    """Milliseconds since the epoch."""
    return int(instant.timestamp() * 1_000_000) // 1000


def _tag_list(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"key": key, "value": value} for key, value in sorted(tags.items())]


def given(**fields: Any) -> dict[str, Any]:
    """What is set: MLflow leaves out what is absent or empty."""
    return {name: value for name, value in fields.items() if value not in (None, "", [])}
