"""Facts that were found by detection, and how they join those that the caller states."""

from __future__ import annotations

import posixpath
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypedDict

from registry.rules import lineage_limits, names, text
from registry.rules.listing import listed

if TYPE_CHECKING:
    from registry.client.types import DataJob, Dataset

SINGLE = ("run", "framework", "signature", "description")
BY_KEY = ("params", "metrics", "tags", "environment")
_VALUE_LENGTHS = {"params": lineage_limits.PARAM_LENGTH, "tags": names.TAG_VALUE_LENGTH}


@dataclass(frozen=True, slots=True)
class DataOrigin:
    """What a dataset was made from, by which job, and what it is a part of."""

    dataset: Dataset
    transformed_from: tuple[Dataset, ...] = ()
    part_of: tuple[Dataset, ...] = ()
    job: DataJob | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Capture:
    """Facts that one *source* states, in the form of the API; *source* is a file, or a system such as ``git``.

    ``warnings`` name what could not be read, ``undecided`` why a kind of fact is not among the facts: a warning unless
    it is known otherwise. ``origins`` are edges between datasets, stated after the registration.
    """

    source: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    origins: tuple[DataOrigin, ...] = ()
    undecided: Mapping[str, str] = field(default_factory=dict)

    def without(self, kinds: Collection[str]) -> Capture:
        """Return the capture without facts of these kinds."""
        return replace(self, facts={kind: value for kind, value in self.facts.items() if kind not in kinds})

    def in_directory(self, path: str) -> Capture:
        """Return the capture without a command that runs elsewhere than in the directory *path* of the repository."""
        code = self.facts.get("code")
        if code is None or posixpath.normpath(code.get("path") or ".") == posixpath.normpath(path):
            return self
        warning = (
            f"{self.source}: the command {code['command']} is not recorded: it runs in {code.get('path') or '.'}, "
            f"and the code is in {path}"
        )
        return replace(self.without({"code"}), warnings=(*self.warnings, warning))


class FoundFacts(TypedDict):
    """What was found in one source and recorded: texts for people, by the kind of the fact."""

    source: str
    facts: dict[str, list[str]]


@dataclass(frozen=True, slots=True)
class Joined:
    """The facts to register, what of them was found, and what was not taken."""

    facts: dict[str, Any]
    found: list[FoundFacts]
    warnings: list[str]
    origins: list[DataOrigin]


def join(stated: Mapping[str, Any], captures: Sequence[Capture]) -> Joined:
    """Return the *stated* facts, completed by those of the *captures*; the first that names a fact has it.

    Params, metrics, tags and the environment are completed by key, datasets and base models by digest or URI: a dataset
    that is known by one of its digests gets the others. Base models are left out with a warning where others are
    stated. A command or a directory that a capture names without a repository joins the code that is known; a command
    has its directory. The code of a capture joins a command that is stated without a repository. Facts that a registry
    would refuse are left out with a warning.
    """
    facts, found, warnings = dict(stated), dict[str, dict[str, list[str]]](), list[str]()
    for capture in captures:
        taken: dict[str, list[str]] = {}
        warnings += capture.warnings
        warnings += [problem for kind, problem in capture.undecided.items() if facts.get(kind) is None]
        for kind, value in capture.facts.items():
            if value in (None, {}, [], ()):
                continue
            fitting = value
            if kind == "base_models" and (others := _other_base_models(stated, value)):
                names = listed([one.get("uri") or one["digests"][0] for one in others])
                warnings.append(f"{capture.source}: not recorded, as other base models are stated: {names}")
                fitting = [one for one in value if one not in others]
            added, refused = _add_fact(facts, kind, fitting)
            if added:
                taken[kind] = added
            warnings += [f"{capture.source}: {problem}" for problem in refused]
        for kind, texts in taken.items():
            found.setdefault(capture.source, {}).setdefault(kind, []).extend(texts)
    sources: list[FoundFacts] = [{"source": source, "facts": kinds} for source, kinds in found.items()]
    return Joined(facts, sources, warnings, [origin for capture in captures for origin in capture.origins])


def described(kind: str, value: Any) -> list[str]:
    """Return the texts for people that describe a fact."""
    if kind == "run":
        return [f"{value['system']} {value['id']}"]
    if kind == "code":
        return list(_described_code(value))
    if kind in BY_KEY:
        return [f"{key} {one}" for key, one in value.items()] if kind in ("environment", "tags") else list(value)
    if kind == "signature":
        return list(value)
    return [value]


def _add_fact(facts: dict[str, Any], kind: str, value: Any) -> tuple[list[str], list[str]]:
    """Add a fact to *facts* unless they have it. Return what was added, and problems of what cannot be."""
    if kind in BY_KEY:
        return _add_by_key(facts, kind, value)
    if kind in ("datasets", "base_models"):
        return _add_to_list(facts, kind, value)
    if kind == "code":
        known = facts.get("code") or {}
        if known.keys() - {"command"} and "repo" in value:  # the code that is stated may be another
            return [], []
        if known.get("command") and "command" in value:
            return [], []
        facts["code"] = {**known, **value}
        return described("code", value), []
    if facts.get(kind) is not None:
        return [], []
    facts[kind] = value
    return described(kind, value), []


def _add_by_key(facts: dict[str, Any], kind: str, value: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    known = facts.get(kind) or {}
    measured = {key for one in facts.get("evaluations") or () for key in one["metrics"]} if kind == "metrics" else set()
    new: dict[str, Any] = {}
    problems = []
    for key, one in value.items():
        if key in known or key in measured:
            continue
        if problem := _problem(kind, key, one):
            problems.append(f"{kind[:-1]} {key[:50]!r} {problem}, and is left out")
        elif len(known) + len(new) == lineage_limits.ENTRIES:
            problems.append(f"only the first {lineage_limits.ENTRIES} {kind} are recorded")
            break
        else:
            new[key] = one
    if new:
        facts[kind] = {**known, **new}
    return described(kind, new), problems


def _problem(kind: str, key: str, value: Any) -> str | None:
    if kind == "environment":
        return None
    if problem := names.tag_key_problem(key):
        return problem
    if isinstance(value, str) and len(value) > _VALUE_LENGTHS.get(kind, 0):
        return f"has more than {_VALUE_LENGTHS[kind]:,} characters"
    return "has characters that cannot be stored" if isinstance(value, str) and not text.is_storable(value) else None


def _add_to_list(facts: dict[str, Any], kind: str, value: Sequence[Mapping[str, Any]]) -> tuple[list[str], list[str]]:
    known = [dict(one) for one in facts.get(kind) or ()]
    added, problems = [], []
    for one in value:
        same = next((other for other in known if _is_same_thing(one, other)), None)
        if same is None:
            known.append(dict(one))
        elif further := [digest for digest in one.get("digests") or () if digest not in same.get("digests", ())]:
            same["digests"] = [*same.get("digests", ()), *further][: lineage_limits.DIGESTS]
        else:
            continue
        added.append(one.get("name") or one.get("uri") or one["digests"][0])
    if len(known) > lineage_limits.DATASETS:
        left = added[lineage_limits.DATASETS - len(known) :]
        problems.append(f"a version has at most {lineage_limits.DATASETS} {kind}; left out: {listed(left)}")
        known, added = known[: lineage_limits.DATASETS], added[: len(added) - len(left)]
    if added:
        facts[kind] = known
    return added, problems


def _other_base_models(stated: Mapping[str, Any], value: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return those of a capture's base models that are not among the stated ones; none where none is stated."""
    known = stated.get("base_models") or ()
    return [one for one in value if known and not any(_is_same_thing(one, other) for other in known)]


def _is_same_thing(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Return whether two are the same dataset or base model: by a digest, or by the URI where one has no digest."""
    digests = set(one.get("digests") or ())
    return not digests.isdisjoint(other.get("digests") or ()) if digests else one.get("uri") == other.get("uri")


def _described_code(code: Mapping[str, Any]) -> Iterator[str]:
    if commit := code.get("commit"):
        branch = f" on {code['branch']}" if code.get("branch") else ""
        yield f"commit {commit[:12]}{branch}{' with changes' if code.get('dirty') else ''}"
    elif repo := code.get("repo"):
        yield f"repository {repo}"
    elif (path := code.get("path")) and "command" not in code:
        yield f"directory {path}"
    if command := code.get("command"):
        yield f"command {command}"
