"""Comparison of the API's answers about policies, gates, checks, requests and holds with the replayed log."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from registry.domain.manifest import canonical_digest
from registry.domain.replay.gates import Assigned
from registry.domain.replay.replayed import ReplayedHold, ReplayedModel
from registry.domain.replay.requests import ReplayedAct, ReplayedRequests
from registry.domain.replay.restorations import Restorations
from registry.domain.requests import RequestState

if TYPE_CHECKING:
    from registry.client import RegistryClient

_UNDECIDED = {RequestState.OPEN.value, RequestState.APPROVED.value, RequestState.EXPIRED.value, RequestState.VOID.value}


def of_model(registry: RegistryClient, model_id: str, log: ReplayedModel) -> Iterator[str]:
    """Yield each answer about the governance of a live model that differs.

    Reads each request, and each guarded move of a version that is not deleted.
    """
    yield from _policies(registry, log.name, log.policies)
    yield from _evaluations(registry, log)
    yield from _checks(registry, log)
    yield from _requests(registry, log.name, log.requests)
    listed = [one for one in registry.holds.list(state="all", model=log.name) if one["kind"] == "version"]
    # The list also has holds on deleted models that had the name.
    own = f"model:{model_id}"
    answer = [
        one for one in listed
        if one["entry"] in log.holds or registry.audit.entry(one["entry"])["aggregate"] == own
    ]  # fmt: skip
    yield from _compare_holds(answer, log.holds)


def of_all_models(registry: RegistryClient, log: Restorations) -> Iterator[str]:
    """Yield each answer about default policies, and about holds on data and base models, that differs."""
    yield from _policies(registry, None, log.policies)
    yield from _requests(registry, None, log.requests)
    yield from _compare_holds([one for one in registry.holds.list(state="all") if one["kind"] != "version"], log.holds)


def _policies(registry: RegistryClient, model: str | None, log: list[Assigned]) -> Iterator[str]:
    answer = {}
    for policy in registry.gates.history(model):
        answer[policy["entry"]] = Assigned(policy["number"], policy["digest"], policy["set_at"], policy["entry"])
        if policy["digest"] is not None and canonical_digest(policy["document"]) != policy["digest"]:
            yield f"the document of the policy {policy['digest']} has another digest"
    yield from _unequal("policy", answer, {one.entry: one for one in log})


def _evaluations(registry: RegistryClient, log: ReplayedModel) -> Iterator[str]:
    guarded = {decided.number for decided in log.decisions.values()}
    for number in sorted(number for number in guarded if log.versions[number].deleted_at is None):
        answer = {}
        for move in registry.gates.evaluations(log.name, number):
            stored = registry.gates.evaluation(log.name, number, move["entry"])
            digest = canonical_digest({"facts": stored["facts"], "verdicts": stored["gates"]})
            answer[move["entry"]] = (move["target"], move["policy"], move["at"], digest)
        logged = {
            entry: (decided.target, decided.policy, decided.at, decided.gates)
            for entry, decided in log.decisions.items()
            if decided.number == number
        }
        yield from _unequal("evaluation of the gates by the entry", answer, logged)


def _checks(registry: RegistryClient, log: ReplayedModel) -> Iterator[str]:
    for version in log.versions.values():
        if version.checks and version.deleted_at is None:
            answer = {
                one["id"]: (one["name"], one["status"], one["manifest_digest"], one["at"])
                for one in registry.versions.checks(log.name, version.number, everything=True)
            }
            logged = {one.entry: (one.name, one.status, one.manifest, one.reported_at) for one in version.checks}
            yield from _unequal(f"report of a check of version {version.number} by the entry", answer, logged)


def _requests(registry: RegistryClient, model: str | None, log: ReplayedRequests) -> Iterator[str]:
    """Compare requests; who did what is compared with the actors that the API shows of the entries."""
    acts: dict[str, list[ReplayedAct]] = {request: [] for request in log.opened}
    for act in log.acts:
        acts[act.request].append(act)
    entries = registry.audit.entries(action="request.*", model=model) if log.opened else ()
    names = {one["id"]: one["actor"]["name"] for one in entries}
    answer = {}
    for listed in registry.requests.list(model=model):
        if listed["model"] == model:
            request = registry.requests.get(listed["id"])
            state = "open" if request["state"] in _UNDECIDED else request["state"]
            done = [
                (one["kind"], one["account"], tuple(one["roles"]), one["at"], one["entry"]) for one in request["acts"]
            ]
            answer[request["id"]] = (
                *(
                    request["requester"],
                    request["version"],
                    request["target"],
                    request["policy"],
                    request["manifest_digest"],
                    state,
                ),
                *(request["opened_at"], request["entry"], request["expires_at"], request["closed_at"], done),
            )
    logged = {
        request: (
            *(
                names.get(opened["opened"][1]),
                opened["version"],
                opened["target"],
                opened["policy"],
                opened["manifest"],
                opened["closed"][0],
            ),
            *(*opened["opened"], opened["expires_at"], opened["closed"][1]),
            [(one.kind, names.get(one.entry), one.roles, one.at, one.entry) for one in acts[request]],
        )
        for request, opened in log.opened.items()
    }
    yield from _unequal("request", answer, logged)


def _compare_holds(answer: Iterable[Any], log: Mapping[str, ReplayedHold]) -> Iterator[str]:
    """Compare holds; the API names a version that is a base model, and the log its row."""
    shown = {
        one["entry"]: (
            *(one["kind"], one["number"] if one["kind"] == "version" else None, one["placed_at"], one["released_at"]),
            *(one["release_entry"], one["target"] if one["model"] is None else None),
        )
        for one in answer
    }
    logged = {
        entry: (
            *(hold.kind, hold.number, hold.placed_at, hold.released_at, hold.released_entry),
            None if hold.number is not None or hold.target.startswith("version ") else hold.target,
        )
        for entry, hold in log.items()
    }
    yield from _unequal("hold by the entry", shown, logged)


def _unequal(what: str, answer: Mapping[str, Any], log: Mapping[str, Any]) -> Iterator[str]:
    for key in sorted(answer.keys() | log.keys()):
        if key not in log:
            yield f"the {what} {key} is not in the log"
        elif key not in answer:
            yield f"the {what} {key} of the log is not shown"
        elif answer[key] != log[key]:
            yield f"the {what} {key} is shown otherwise than the log has it"
