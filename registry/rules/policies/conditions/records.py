"""Rules about what is recorded of a version: its facts, its lineage, its code."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from registry.rules import globs, names, repository_addresses
from registry.rules.listing import listed
from registry.rules.policies.facts import CodeFact, DatasetFact, EnvironmentFact, GateFacts, Need, OriginFacts
from registry.rules.policies.reading import DocumentKeys, Misread, checked, list_of, required_flag, shown, text
from registry.rules.policies.rule import Rule, Terms
from registry.rules.policies.verdicts import RuleFinding

OWNER = "owner"  # the tag of a version or of its model
_BRANCHES = "refs/heads/"

Values = Mapping[str, tuple[str, ...]]  # by name, with the accepted values; empty for any that is not blank
Gap = tuple[str, str]  # what is missing, and how to supply it


@dataclass(frozen=True, slots=True, kw_only=True)
class RequiredRule(Rule):
    """Tags, parameters, description, signature or owner are recorded; a blank value counts as none."""

    kind: ClassVar[str] = "required"
    tags: Values
    params: Values
    description: bool = False
    signature: bool = False
    owner: bool = False

    @classmethod
    def read(cls, keys: DocumentKeys, explanation: str | None) -> RequiredRule:
        if not keys.values.keys() & {"tags", "params", "description", "signature", "owner"}:
            keys.report("", "needs one of tags, params, description, signature, owner")
        return cls(
            explanation=explanation,
            tags=keys.take("tags", _read_values, {}),
            params=keys.take("params", _read_values, {}),
            description=keys.take("description", required_flag, False),
            signature=keys.take("signature", required_flag, False),
            owner=keys.take("owner", required_flag, False),
        )

    @property
    def needs(self) -> frozenset[Need]:
        parts = {
            Need.TAGS: bool(self.tags or self.owner),
            Need.MODEL_TAGS: self.owner,
            Need.PARAMS: bool(self.params),
        }
        return frozenset(need for need, is_read in parts.items() if is_read)

    def describe(self) -> str:
        parts = [*_value_texts("tag", self.tags), *_value_texts("param", self.params)]
        parts += [name for name in ("description", "signature", "owner") if getattr(self, name)]
        return f"required: {listed(parts)}"

    def judge(self, facts: GateFacts, terms: Terms) -> RuleFinding:
        reference, tag_command = facts.reference, f"registry tag set {facts.reference}"
        tags = {**(facts.model_tags or {}), **_present(facts.tags)}
        gaps = [
            *_value_gaps("tag", self.tags, facts.tags, lambda key, value: f"{tag_command} {key}={value}"),
            *_value_gaps("param", self.params, facts.params, lambda key, value: (
                f"register the version with --param {key}={value}: parameters do not change later")),
        ]  # fmt: skip
        if self.description and not facts.has_description:
            gaps.append(("no description", f"registry version edit {reference} --description TEXT"))
        if self.signature and not facts.has_signature:
            gaps.append(("no signature", "register the version with its MLmodel or with --signature"))
        if self.owner and not tags.get(OWNER, "").strip():
            gaps.append(("no owner", f"registry tag set {facts.model} {OWNER}=TEAM"))
        return _of_gaps(gaps, "recorded", f"the record of {reference}")

    def implies(self, old: Rule, terms: Terms, old_terms: Terms) -> bool:
        return (
            isinstance(old, RequiredRule)
            and all(getattr(self, name) or not getattr(old, name) for name in ("description", "signature", "owner"))
            and _values_imply(self.tags, old.tags)
            and _values_imply(self.params, old.params)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class LineageRule(Rule):
    """Lineage is recorded so that the version can be traced to bytes: data, commit, environment.

    Every edge in force counts: one dataset without a digest, or one commit of a checkout with changes, fails.
    """

    kind: ClassVar[str] = "lineage"
    datasets: bool = False
    clean_commit: bool = False
    pinned_environment: bool = False

    @classmethod
    def read(cls, keys: DocumentKeys, explanation: str | None) -> LineageRule:
        parts = ("datasets", "clean_commit", "pinned_environment")
        if not keys.values.keys() & set(parts):
            keys.report("", f"needs one of {', '.join(parts)}")
        return cls(explanation=explanation, **{name: keys.take(name, required_flag, False) for name in parts})

    @property
    def needs(self) -> frozenset[Need]:
        return frozenset({Need.LINEAGE})

    def describe(self) -> str:
        parts = {
            "datasets with digests": self.datasets,
            "a clean commit": self.clean_commit,
            "a pinned environment": self.pinned_environment,
        }
        return f"lineage: {', '.join(name for name, is_required in parts.items() if is_required)}"

    def judge(self, facts: GateFacts, terms: Terms) -> RuleFinding:
        lineage = facts.lineage or OriginFacts()
        gaps: list[Gap] = []
        if self.datasets:
            gaps += _data_gaps(lineage.datasets, facts.reference)
        if self.clean_commit:
            gaps += _commit_gaps(lineage.codes)
        if self.pinned_environment:
            gaps += _environment_gaps(lineage.environments)
        return _of_gaps(gaps, "recorded", f"the lineage of {facts.reference}")

    def implies(self, old: Rule, terms: Terms, old_terms: Terms) -> bool:
        flags = ("datasets", "clean_commit", "pinned_environment")
        return isinstance(old, LineageRule) and all(getattr(self, name) or not getattr(old, name) for name in flags)


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeRule(Rule):
    """The version was built from a repository, at one of these references.

    ``main`` and ``refs/heads/main`` are the same branch. ``*`` is any text without ``/``, ``**`` any text.
    """

    kind: ClassVar[str] = "code"
    repository: str | None = None
    refs: tuple[str, ...] = ()

    @classmethod
    def read(cls, keys: DocumentKeys, explanation: str | None) -> CodeRule:
        if not keys.values.keys() & {"repository", "refs"}:
            keys.report("", "needs repository or refs")
        return cls(
            explanation=explanation,
            repository=keys.take("repository", text),
            refs=keys.take("refs", list_of(text), ()),
        )

    @property
    def needs(self) -> frozenset[Need]:
        return frozenset({Need.LINEAGE})

    def describe(self) -> str:
        repository = f"code from {self.repository or 'any repository'}"
        return f"{repository} at {' or '.join(self.refs)}" if self.refs else repository

    def judge(self, facts: GateFacts, terms: Terms) -> RuleFinding:
        codes = (facts.lineage or OriginFacts()).codes
        remedy = f"register a version with {self.describe()}: from CI, or with --repo, --commit and --branch"
        if not codes:
            return RuleFinding(False, "no code is recorded", source=f"the lineage of {facts.reference}", remedy=remedy)
        wrong = [one for one in codes if not self._accepts(one)]
        shown_codes = wrong or list(codes)
        return RuleFinding(
            not wrong,
            f"built from {listed([_code(one) for one in shown_codes])}",
            [{"repo": one.repo, "ref": _full_reference(one), "commit": one.commit} for one in shown_codes],
            f"the lineage of {facts.reference}",
            remedy if wrong else None,
        )

    def _accepts(self, code: CodeFact) -> bool:
        is_there = self.repository is None or (
            code.repo is not None
            and repository_addresses.identity(code.repo) == repository_addresses.identity(self.repository)
        )
        reference = _full_reference(code)
        return is_there and (
            not self.refs or (reference is not None and any(globs.matches(_full(ref), reference) for ref in self.refs))
        )

    def implies(self, old: Rule, terms: Terms, old_terms: Terms) -> bool:
        return (
            isinstance(old, CodeRule)
            and old.repository in {None, self.repository}
            and (not old.refs or (bool(self.refs) and set(map(_full, self.refs)) <= set(map(_full, old.refs))))
        )


def _read_values(value: Any) -> Values:
    """Read names, or a mapping of names to a value or a list of accepted values."""
    read_name, read_texts = checked(names.tag_key_problem), list_of(text)
    if isinstance(value, list):
        return dict.fromkeys(list_of(read_name)(value), ())
    if not isinstance(value, Mapping) or not value:
        raise ValueError(f"must be a list of names, or a mapping of names to values, not {shown(value)}")
    values: dict[str, tuple[str, ...]] = {}
    inner: list[tuple[str, str]] = []
    for name, accepted in value.items():
        try:
            values[read_name(name)] = () if accepted is None else (
                read_texts(accepted) if isinstance(accepted, list) else (text(accepted),))  # fmt: skip
        except Misread as error:
            inner += [(f".{name}{place}", message) for place, message in error.inner]
        except ValueError as error:
            inner.append((f".{name}", str(error)))
    if inner:
        raise Misread(inner)
    return values


def _value_texts(noun: str, values: Values) -> list[str]:
    return [f"{noun} {key}{'=' if accepted else ''}{' or '.join(accepted)}" for key, accepted in values.items()]


def _present(values: Mapping[str, str] | None) -> dict[str, str]:
    return {key: value for key, value in (values or {}).items() if value.strip()}


def _value_gaps(
    noun: str, required: Values, recorded: Mapping[str, str] | None, remedy: Callable[[str, str], str]
) -> Iterable[Gap]:
    present = _present(recorded)
    for key, accepted in required.items():
        value = present.get(key)
        advice = remedy(key, " or ".join(accepted) or "VALUE")
        if value is None:
            yield f"no {noun} {key}", advice
        elif accepted and value not in accepted:
            yield f"{noun} {key} is {value[:60]!r}, not {' or '.join(accepted)}", advice


def _values_imply(values: Values, old: Values) -> bool:
    return all(
        name in values and (not accepted or (bool(values[name]) and set(values[name]) <= set(accepted)))
        for name, accepted in old.items()
    )


def _data_gaps(datasets: Iterable[DatasetFact], reference: str) -> Iterable[Gap]:
    used = list(datasets)
    if not used:
        yield "no dataset", f"registry lineage add {reference} --data DATA"
    if bare := [one.name for one in used if not one.digests]:
        yield f"datasets without a digest: {listed(bare)}", f"registry lineage add {reference} --data NAME=DATA@DIGEST"


def _commit_gaps(codes: Iterable[CodeFact]) -> Iterable[Gap]:
    known = [one for one in codes if one.repo and one.commit]
    if not known:
        yield "no repository with a commit", "register from a git checkout or in CI, or with --repo and --commit"
    if changed := [one for one in known if one.dirty]:
        advice = "commit the changes before training, and register again"
        yield f"uncommitted changes in the checkout of {listed([_code(one) for one in changed])}", advice
    if unknown := [one for one in known if one.dirty is None]:
        advice = "register from the git checkout"
        yield f"not recorded whether the checkout of {listed([_code(one) for one in unknown])} was clean", advice


def _environment_gaps(environments: Iterable[EnvironmentFact]) -> Iterable[Gap]:
    if not any(one.lock_digest or one.image_digest for one in environments):
        yield "neither a lock file nor a container image by digest", "register with --lock-file or --image-digest"


def _code(code: CodeFact) -> str:
    commit = f" at {code.commit[:12]}" if code.commit else ""
    reference = _full_reference(code)
    return f"{code.repo or 'an unknown repository'}{commit}{f' on {reference}' if reference else ' without a branch'}"


def _full_reference(code: CodeFact) -> str | None:
    return _full(code.branch) if code.branch else None


def _full(ref: str) -> str:
    """Return the full form of a reference: a name without ``refs/`` is a branch."""
    return ref if ref.startswith("refs/") else _BRANCHES + ref


def _of_gaps(gaps: Iterable[Gap], met: str, source: str) -> RuleFinding:
    missing = list(gaps)
    if not missing:
        return RuleFinding(True, met, source=source)
    what, remedies = zip(*missing, strict=True)
    return RuleFinding(False, "; ".join(what), list(what), source, "; ".join(dict.fromkeys(remedies)))
