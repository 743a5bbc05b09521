"""Policies: documents with the rules that guard the stages of a model."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from registry.rules import names, suggestions
from registry.rules.json_values import LARGEST_INTEGER
from registry.rules.policies import canonical, document_texts
from registry.rules.policies.conditions import KINDS, ApprovalsRule, CheckRule
from registry.rules.policies.facts import Need
from registry.rules.policies.reading import (
    DocumentKeys,
    InvalidPolicy,
    Misread,
    Problem,
    checked,
    choice,
    list_of,
    shown,
    text,
)
from registry.rules.policies.rule import STAGES, Party, Rule, Terms, word_problem
from registry.rules.text import is_storable

FORMAT = 1
MOST_RULES = 50
_MOST_NAMES = 100  # groups, and checks
WEAKENING = ("free", "approvals")


@dataclass(frozen=True, slots=True)
class Policy:
    """A valid document. ``rules`` has those of a stage; ``weakening`` is ``free`` or ``approvals``."""

    document: Mapping[str, Any]
    digest: str = field(compare=False)  # of the RFC 8785 form of the document
    description: str | None = None
    staging: tuple[Rule, ...] = ()
    production: tuple[Rule, ...] = ()
    terms: Terms = field(default_factory=Terms)
    protected_aliases: tuple[str, ...] = ()
    weakening: str = "free"

    def rules(self, stage: str) -> tuple[Rule, ...]:
        """Return the rules of a stage; no stage but staging and production has any."""
        return {"staging": self.staging, "production": self.production}.get(stage, ())

    @property
    def guards(self) -> tuple[str, ...]:
        """The stages that have rules."""
        return tuple(stage for stage in STAGES if self.rules(stage))

    @property
    def groups(self) -> Mapping[str, tuple[str, ...]]:
        """The accounts of each group."""
        return self.terms.groups

    @property
    def checks(self) -> Mapping[str, tuple[Party, ...]]:
        """Those who may report each check."""
        return self.terms.checks

    def needs(self, target: str) -> frozenset[Need]:
        """Return the parts of the facts that the rules of a stage read."""
        return frozenset(need for rule in self.rules(target) for need in rule.needs)

    def protects(self, alias: str) -> bool:
        """Return whether an alias is moved under the rules of production, in any letter case."""
        return names.lists_alias(alias, self.protected_aliases)

    def may_report(self, check: str, *, account: str, roles: Iterable[str]) -> bool:
        """Return whether an account with these roles may report a check; False for one that is not declared."""
        return self.terms.include(self.checks.get(check, ()), account, roles)


def parse(document: Mapping[str, Any] | str, *, roles: Collection[str] | None = None) -> Policy:
    """Return the policy that a document is: a mapping, or its text in YAML or JSON.

    *roles* are the names that ``role:NAME`` may have; None accepts any. Raises InvalidPolicy with all mistakes.
    """
    values, lines = document_texts.load(document) if isinstance(document, str) else (document, {})
    _check_form(values, "", 1)
    if not isinstance(values, Mapping):
        raise InvalidPolicy([Problem("", f"must be a mapping of keys to values, not {shown(values)}")])
    plain = _copied(values)
    problems = list(_value_problems(plain, ""))
    policy = _policy_of(plain, problems, roles)
    if problems:
        raise InvalidPolicy(_located(problems, lines))
    if len(canonical.encoded(plain).encode()) > document_texts.MAX_BYTES:
        raise InvalidPolicy([Problem("", f"must have at most {document_texts.MAX_BYTES // 1024} KiB")])
    return replace(policy, digest=canonical.digest(plain))


def _policy_of(plain: dict[str, Any], problems: list[Problem], roles: Collection[str] | None) -> Policy:
    """Return the policy of plain values, of which some may be wrong, and add all mistakes to *problems*."""
    keys = DocumentKeys(dict(plain), "", problems)
    keys.take("policy", _format, required=True)
    description = keys.take("description", _description)
    groups = keys.take("groups", _by_name(list_of(checked(_member_problem))), {})
    checks = keys.take("checks", _by_name(_reporters), {})
    aliases = keys.take("protected_aliases", list_of(checked(names.alias_problem)), ())
    weakening = keys.take("weakening", choice(*WEAKENING), "free")
    stages = {stage: _rules(keys, stage) for stage in STAGES}
    keys.close()

    terms = Terms(groups, checks)
    every = [(f"{stage}[{index}]", rule) for stage, rules in stages.items() for index, rule in rules.items()]
    if sum(len(plain[stage]) for stage in STAGES if isinstance(plain.get(stage), list)) > MOST_RULES:
        keys.report("", f"must have at most {MOST_RULES} rules")
    if aliases and "production" not in plain:
        keys.report("protected_aliases", "are moved under the rules of production, of which there are none")
    if weakening == "approvals" and not any(isinstance(rule, ApprovalsRule) for _, rule in every):
        keys.report("weakening", "approvals needs a rule with approvals")
    for name, reporters in checks.items():
        _check_parties(keys, f"checks.{name}.reporters", reporters, terms, roles)
    for place, rule in every:
        _check_terms(keys, place, rule, terms, roles)
    return Policy(
        plain,
        "",
        description,
        tuple(stages["staging"].values()),
        tuple(stages["production"].values()),
        terms,
        aliases,
        weakening,
    )


def _rules(keys: DocumentKeys, stage: str) -> dict[int, Rule]:
    """Return the rules of a stage without those that are wrong, by their places in the list."""
    items = keys.take(stage, _list_of_rules, [])
    rules: dict[int, Rule] = {}
    for index, item in enumerate(items[:MOST_RULES]):
        path = f"{stage}[{index}]"
        if not isinstance(item, dict):
            keys.report(path, f"must be a mapping with the key rule, not {shown(item)}")
            continue
        own = DocumentKeys(dict(item), path, keys.problems)
        kind = own.take("rule", choice(*KINDS), required=True)
        if kind is None:
            continue
        before = len(keys.problems)
        rule = KINDS[kind].read(own, own.take("explanation", text))
        own.close()
        if stage not in rule.stages:
            own.report("rule", f"{kind} stands in the rules of {' and '.join(rule.stages)} only")
        if len(keys.problems) == before:
            rules[index] = rule
    return rules


def _check_terms(keys: DocumentKeys, place: str, rule: Rule, terms: Terms, roles: Collection[str] | None) -> None:
    """Report the names of a rule that the document does not define."""
    if isinstance(rule, CheckRule) and rule.name not in terms.checks:
        near = suggestions.nearest(rule.name, terms.checks)
        advice = f"did you mean {near}?" if near else f"add it with its reporters: checks: {{{rule.name}: …}}"
        keys.report(f"{place}.name", f"the check {rule.name!r} is not under checks; {advice}")
    if isinstance(rule, ApprovalsRule):
        _check_parties(keys, f"{place}.from", rule.approvers, terms, roles)
        resolved = terms.resolved(rule.approvers)
        defined = all(party.name in terms.groups for party in rule.approvers if party.form == "group")
        if defined and all(party.form == "account" for party in resolved) and len(resolved) < rule.count:
            keys.report(f"{place}.count", f"is {rule.count}, but from has {len(resolved)} accounts only")


def _check_parties(
    keys: DocumentKeys, place: str, parties: Iterable[Party], terms: Terms, roles: Collection[str] | None
) -> None:
    known = {"group": terms.groups, "role": roles}
    for index, party in enumerate(parties):
        defined = known.get(party.form)
        if defined is not None and party.name not in defined:
            near = suggestions.nearest(party.name, defined)
            if near:
                advice = f"did you mean {party.form}:{near}?"
            elif defined:
                advice = f"known are {', '.join(sorted(defined))}"
            else:
                advice = f"add it with its members: groups: {{{party.name}: […]}}"
            keys.report(f"{place}[{index}]", f"there is no {party.form} {party.name!r}; {advice}")


def _by_name(read: Any) -> Any:
    """Return the reader of a mapping of names to what *read* reads."""

    def read_mapping(value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise ValueError(f"must be a mapping of names, not {shown(value)}")
        if len(value) > _MOST_NAMES:
            raise ValueError(f"must have at most {_MOST_NAMES} names, not {len(value)}")
        result: dict[str, Any] = {}
        inner: list[tuple[str, str]] = []
        for name, item in value.items():
            if wrong := word_problem(name):
                inner.append((f".{name}", f"the name {wrong}"))
            try:
                result[name] = read(item)
            except Misread as error:
                inner += [(f".{name}{place}", message) for place, message in error.inner]
            except ValueError as error:
                inner.append((f".{name}", str(error)))
        if inner:
            raise Misread(inner)
        return result

    return read_mapping


def _reporters(value: Any) -> tuple[Party, ...]:
    if not isinstance(value, dict):
        raise ValueError(f"must be a mapping with the key reporters, not {shown(value)}")
    problems: list[Problem] = []
    keys = DocumentKeys(dict(value), "", problems)
    reporters: tuple[Party, ...] = keys.take("reporters", list_of(Party.read), (), required=True)
    keys.close()
    if problems:
        raise Misread([(f".{one.path}", one.message) for one in problems])
    return reporters


def _list_of_rules(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise ValueError(f"must be a list of rules, not {shown(value)}")
    return value


def _description(value: Any) -> str:
    return text(value)


def _member_problem(name: str) -> str | None:
    return "must be accounts" if ":" in name else names.account_name_problem(name)


def _format(value: Any) -> int:
    if value != FORMAT or isinstance(value, bool):
        raise ValueError(f"must be {FORMAT}, the format of the document, not {shown(value)}")
    return FORMAT


def _check_form(value: Any, path: str, level: int) -> None:
    """Raise InvalidPolicy for deep nesting and for keys that are no texts."""
    if level > document_texts.LEVELS + 1:
        raise InvalidPolicy([Problem(path, f"must have at most {document_texts.LEVELS} levels")])
    if isinstance(value, Mapping):
        for key, item in value.items():
            if not isinstance(key, str) or not key.isprintable():
                raise InvalidPolicy([Problem(path, "keys must be printable texts")])
            _check_form(item, f"{path}.{key}" if path else key, level + 1)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            _check_form(item, f"{path}[{index}]", level + 1)


def _value_problems(value: Any, path: str) -> Iterator[Problem]:
    """Yield what JSON has no form for, or the database cannot store."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _value_problems(item, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _value_problems(item, f"{path}[{index}]")
    elif (wrong := _value_problem(value)) is not None:
        yield Problem(path, wrong)


def _value_problem(value: Any) -> str | None:
    if isinstance(value, str):
        return None if is_storable(value) else "must not have NUL or a lone surrogate"
    if isinstance(value, float):
        return None if math.isfinite(value) else f"must be a finite number, not {value}"
    if isinstance(value, int):
        return None if abs(value) <= LARGEST_INTEGER else f"must be at most {LARGEST_INTEGER}"
    return None if value is None else f"must be a value of JSON, not a {type(value).__name__}"


def _copied(value: Any) -> Any:
    """Return checked values as plain dictionaries and lists."""
    if isinstance(value, Mapping):
        return {key: _copied(item) for key, item in value.items()}
    return [_copied(item) for item in value] if isinstance(value, list) else value


def _located(problems: Iterable[Problem], lines: Mapping[str, int]) -> list[Problem]:
    """Return the problems with the lines of their places, in the order of the lines."""
    first = {one.path: one for one in reversed(list(problems))}  # of several at a place
    return sorted(
        (one._replace(line=one.line or _nearest_line(one.path, lines)) for one in first.values()), key=_position
    )


def _nearest_line(path: str, lines: Mapping[str, int]) -> int | None:
    """Return the line of the nearest place that has one."""
    while path and path not in lines:
        path = path[: max(path.rfind("."), path.rfind("["), 0)]
    return lines.get(path)


def _position(problem: Problem) -> tuple[int, str]:
    return problem.line or 0, problem.path
