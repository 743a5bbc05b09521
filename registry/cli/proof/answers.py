"""Comparison of the API's answers about a model and about tokens with the replayed log."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from registry.cli.proof import governance
from registry.client.errors import Conflict, NotFound
from registry.domain import fact_digests
from registry.domain.access import TokenPurpose
from registry.domain.replay.access import Access
from registry.domain.replay.entry import Unknown
from registry.domain.replay.replayed import ReplayedModel, ReplayedVersion
from registry.domain.stages import SERVING

if TYPE_CHECKING:
    from registry.client import RegistryClient

SHOWN = 60
# What is compared of a version. Named fields are always read from the database; a list without them may show what the
# registry has rendered before.
_FIELDS = (
    "number", "state", "state_reason", "run_state", "stage", "rolled_back", "break_glass", "manifest_digest",
    "file_count", "size", "description", "tags", "source", "created_at", "deleted_at", "purged_at", "params",
)  # fmt: skip


def model(registry: RegistryClient, model_id: str, log: ReplayedModel) -> Iterator[str]:
    """Yield each answer that differs. A deleted model whose name another one has now is in no answer."""
    try:
        answer = registry.models.get(log.name)
    except NotFound:
        yield f"the registry has no model {log.name!r}"
        return
    if answer["id"] != model_id:
        if log.deleted_at is None:
            yield f"the name {log.name!r} leads to another model"
        return
    pointing = {alias.alias: alias.number for alias in log.aliases if alias.ended_at is None}
    yield from _unlike(
        "its",
        ("description", answer["description"], log.description),
        ("tags", answer["tags"], log.tags),
        ("lifecycle", answer["lifecycle"], log.lifecycle),
        ("deletion", answer["deleted_at"], log.deleted_at),
        ("creation", answer["created_at"], log.created_at),
        ("latest version", answer["latest_version"], log.latest_number),
        ("protected aliases", answer["protected_aliases"], log.protected_aliases),
        ("aliases", answer["aliases"], pointing),
    )
    if log.deleted_at is None:
        yield from _holders(registry, log)
        yield from _compare_aliases(registry, log)
        if not log.former:  # else other models may have had its name
            yield from _past(registry, log)
        yield from governance.of_model(registry, model_id, log)
    yield from _versions(registry, log)


def _holders(registry: RegistryClient, log: ReplayedModel) -> Iterator[str]:
    serving = {
        (tenure.stage, tenure.number, tenure.started_at, tenure.started_entry)
        for tenure in log.tenures
        if tenure.ended_at is None and tenure.stage in SERVING
    }
    stages: Any = registry.stages.holders(log.name)["stages"]
    answer = {
        (stage, each["number"], each["since"], each["entry"]) for stage, holders in stages.items() for each in holders
    }
    for stage, number, since, _ in sorted(answer - serving):
        yield f"version {number} is shown in {stage} since {since}, and the log has no such change"
    if sum(map(len, stages.values())) < 400:  # the most that the answer has
        for stage, number, since, _ in sorted(serving - answer):
            yield f"version {number} is in {stage} since {since} by the log, and is not shown there"


def _past(registry: RegistryClient, log: ReplayedModel) -> Iterator[str]:
    """Request the holder of each stage at the beginning of each tenure: the latest entrant."""
    entrants = {(tenure.stage, tenure.started_at): tenure for tenure in log.tenures}
    for (stage, at), tenure in entrants.items():
        expected = (tenure.number, tenure.started_at, tenure.ended_at, tenure.started_kind, tenure.started_entry)
        try:
            holder = registry.stages.holder(log.name, stage, as_of=at)
        except NotFound:
            yield f"no version is shown in {stage} at {at}, the log has version {tenure.number}"
        except Conflict:  # the order of what happened then is not known
            continue
        else:
            answer = (holder["number"], holder["since"], holder["until"], holder["kind"], holder["entry"])
            yield from _unlike("the holder of", (f"{stage} at {at}", answer, expected))


def _compare_aliases(registry: RegistryClient, log: ReplayedModel) -> Iterator[str]:
    for name in sorted({alias.alias for alias in log.aliases}):
        spans = {(one.number, one.started_at, one.ended_at) for one in log.aliases if one.alias == name}
        answer = {(one["number"], one["since"], one["until"]) for one in registry.aliases.history(log.name, name)}
        if answer != spans:
            yield (
                f"the history of the alias {name!r} has {len(answer - spans)} spans that the log has not, and lacks "
                f"{len(spans - answer)}"
            )


def _versions(registry: RegistryClient, log: ReplayedModel) -> Iterator[str]:
    seen = set()
    for answer in registry.versions.list(log.name, fields=_FIELDS):
        seen.add(answer["number"])
        if (version := log.versions.get(answer["number"])) is None:
            yield f"version {answer['number']} was never registered"
        else:
            yield from _compare_version(answer, version)
    for number in sorted(log.versions.keys() - seen):
        yield f"version {number} is gone"


def _compare_version(answer: Any, log: ReplayedVersion) -> Iterator[str]:
    return _unlike(
        f"version {log.number}: its",
        ("state", answer["state"], log.state),
        ("reason", answer["state_reason"], log.state_reason),
        ("state of its run", answer.get("run_state"), log.run_state),
        ("stage", answer["stage"], log.stage),
        ("mark of a rollback", answer["rolled_back"], log.rolled_back),
        ("move past the gates", (answer.get("break_glass") or {}).get("entry"), log.broken_glass),
        ("manifest digest", answer["manifest_digest"], log.manifest),
        ("files", (answer["file_count"], str(answer["size"])), (log.files, log.size)),
        ("description", answer["description"], log.description),
        ("tags", answer["tags"], log.tags),
        ("source", answer["source"], log.source),
        ("creation", answer["created_at"], log.created_at),
        ("deletion", answer["deleted_at"], log.deleted_at),
        ("purge", answer["purged_at"], log.purged_at),
        ("params", fact_digests.params(answer["params"]), log.params),
    )


def access(registry: RegistryClient, log: Access) -> Iterator[str]:
    """Yield each token that the API shows otherwise than the log; it shows no sessions of browsers."""
    answer = {token["id"]: token for token in registry.tokens.list()}
    logged = {name: token for name, token in log.tokens.items() if token.purpose is TokenPurpose.API}
    for name in sorted(answer.keys() - logged.keys()):
        yield f"the token {name} is in no entry"
    for name in sorted(logged.keys() - answer.keys()):
        yield f"the token {name} of the log is gone"
    for name in sorted(answer.keys() & logged.keys()):
        token, expected = answer[name], logged[name]
        owner = log.accounts.get(expected.owner)
        yield from _unlike(
            f"token {name}: its",
            ("roles", token["roles"], expected.roles),
            ("creation", token["created_at"], expected.created_at),
            ("expiry", token["expires_at"], expected.expires_at or token["expires_at"]),
            ("revocation", token["revoked_at"], expected.revoked_at),
            ("owner", token["owner"], owner.name if owner else None),
        )


def _unlike(whose: str, *compared: tuple[str, Any, Any]) -> Iterator[str]:
    for what, answer, expected in compared:
        if not isinstance(expected, Unknown) and answer != expected:
            yield f"{whose} {what} is {_short(answer)}, the log has {_short(expected)}"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"
