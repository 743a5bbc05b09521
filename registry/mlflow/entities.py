"""Models and versions as MLflow's entities. Times are milliseconds, numbers are texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from registry.db.item_cache import Rendering
from registry.db.records import ModelBrief, ModelRecord, VersionBrief, VersionRecord
from registry.domain.states import VersionState
from registry.http import strict_json
from registry.http.context import absolute
from registry.mlflow import locations, prompts
from registry.mlflow.validation import STAGES

# Absent or unknown, a client takes the status for pending and polls for minutes.
STATUS: Mapping[str, str] = {
    VersionState.UNVERIFIED: "READY",
    VersionState.PENDING: "PENDING_REGISTRATION",
    VersionState.READY: "READY",
    VersionState.FAILED: "FAILED_REGISTRATION",
}


def model(brief: ModelBrief | ModelRecord) -> dict[str, Any]:
    """Return a RegisteredModel; for a record, which has no versions, one without any."""
    latest = brief.latest if isinstance(brief, ModelBrief) else ()
    return given(
        name=brief.name,
        creation_timestamp=milliseconds(brief.created_at),
        last_updated_timestamp=milliseconds(brief.revised_at),
        description=brief.description,
        latest_versions=[version(one) for one in latest],
        tags=_tag_list(brief.tags),
        aliases=[{"alias": alias, "version": str(number)} for alias, number in sorted(brief.aliases.items())],
    )


def version(record: VersionBrief | VersionRecord, *, hindrance: str | None = None) -> dict[str, Any]:
    """Return a ModelVersion. *hindrance* is why the last attempt to fetch its files came to nothing."""
    return given(
        name=record.model,
        version=str(record.number),
        creation_timestamp=milliseconds(record.created_at),
        last_updated_timestamp=milliseconds(record.revised_at),
        user_id=record.created_by,
        current_stage=STAGES[record.stage],
        description=record.description,
        source=record.source or locations.download_uri(record),
        run_id=record.run_id,
        run_link=record.run_link,
        status=STATUS[record.state],
        status_message=_message(record, hindrance),
        tags=_tag_list(record.tags),
        aliases=sorted(record.aliases),
    ) | {"description": record.description}  # MLflow sends it though it is empty: a prompt's message is text


def rendering() -> Rendering:
    """Return what renders ModelVersions to JSON, with addresses as the current request has them."""
    return Rendering(f"ModelVersion at {absolute('/')}", lambda brief: strict_json.dumps(version(brief)))


def _message(record: VersionBrief | VersionRecord, hindrance: str | None) -> str | None:
    """Return why a version is not ready, or the warnings on it: a client reads that of a READY version as text."""
    if reason := record.state_reason or _awaited(record, hindrance):
        return reason
    return "; ".join(filter(None, (_held(record), _caution(record), _past_gates(record)))) or None


def _awaited(record: VersionBrief | VersionRecord, hindrance: str | None) -> str | None:
    """Return what a pending version waits for."""
    if record.state != VersionState.PENDING:
        return None
    if record.manifest_digest is not None:
        return "pending: the registry has yet to read and hash files of this version"
    text = f"pending: the registry has yet to fetch and hash the files of {record.source}"
    return f"{text}; the last attempt failed: {hindrance}" if hindrance else text


def _held(record: VersionBrief | VersionRecord) -> str | None:
    """Return the warning on a version with active holds."""
    return f"held: {'; '.join(hold.text for hold in record.holds)}" if record.holds else None


def _caution(record: VersionBrief | VersionRecord) -> str | None:
    """Return the warning on a version that is READY to MLflow, is named by an alias, and was never verified here."""
    if record.state != VersionState.UNVERIFIED or not record.aliases or prompts.is_prompt(record.tags):
        return None
    return "unverified: the registry has not read these files; clients load them from the stated location"


def _past_gates(record: VersionBrief | VersionRecord) -> str | None:
    """Return the warning on a version that was moved past the gates."""
    if (glass := record.break_glass) is None:
        return None
    return f"{glass.by} moved it past the gates, which no approver has acknowledged: {glass.reason or 'redacted'}"


def versions(briefs: Sequence[VersionBrief]) -> dict[str, Any]:
    """Return a list of them; without any the answer is empty."""
    return given(model_versions=[version(one) for one in briefs])


def milliseconds(instant: datetime) -> int:
    """Return milliseconds since the epoch."""
    return int(instant.timestamp() * 1_000_000) // 1000


def _tag_list(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"key": key, "value": value} for key, value in sorted(tags.items())]


def given(**fields: Any) -> dict[str, Any]:
    """Return the fields that are set: MLflow leaves out absent and empty ones."""
    return {name: value for name, value in fields.items() if value or value == 0}
