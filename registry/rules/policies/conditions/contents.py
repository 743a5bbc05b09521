"""Rules about the content of a version: formats of its files, their total size, its licence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from registry.rules import digests, file_format_names
from registry.rules.listing import listed
from registry.rules.policies import spdx
from registry.rules.policies.facts import FormatFact, GateFacts, Need
from registry.rules.policies.quantities import read_size, size_text
from registry.rules.policies.reading import DocumentKeys, checked, choice, list_of
from registry.rules.policies.rule import Rule, Terms
from registry.rules.policies.verdicts import RuleFinding

LICENCE_TAG = "license"
_NEVER_ALLOWED = (*file_format_names.CODE, *file_format_names.UNDECIDED)  # loading can execute code, or it is unknown
_known_format = choice(*file_format_names.DATA, *file_format_names.CONTAINERS)
_MOST = 100  # files in an input


@dataclass(frozen=True, slots=True, kw_only=True)
class FileFormatsRule(Rule):
    """Each file has an allowed format by its content, and none executes code when it is loaded.

    A file is excepted by its digest. Without ``allowed``, each known format passes that executes no code.
    """

    kind: ClassVar[str] = "file_formats"
    allowed: tuple[str, ...] | None = None
    excepted: tuple[str, ...] = ()

    @classmethod
    def read(cls, keys: DocumentKeys, explanation: str | None) -> FileFormatsRule:
        return cls(
            explanation=explanation,
            allowed=keys.take("allowed", list_of(_read_format)),
            excepted=keys.take("except", list_of(checked(_digest_problem), most=1000), ()),
        )

    @property
    def needs(self) -> frozenset[Need]:
        return frozenset({Need.FILES})

    def describe(self) -> str:
        formats = listed(self.allowed) if self.allowed is not None else "all that execute no code when loaded"
        excepted = len(self.excepted)
        files = f", except {excepted} {'file' if excepted == 1 else 'files'}" if excepted else ""
        return f"file formats: {formats}{files}"

    def judge(self, facts: GateFacts, terms: Terms) -> RuleFinding:
        wrong = [(one, why) for one in facts.files or () if (why := self._problem(one))]
        source = "the content of the files"
        if not wrong:
            number = len(facts.files or ())
            reason = "the one file is allowed" if number == 1 else f"all {number} files are allowed"
            return RuleFinding(True, reason, source=source)
        formats = " or ".join(self.allowed) if self.allowed is not None else "a format without code"
        remedy = (
            f"save the model as {formats} and register it again, or except a reviewed file by its digest in the policy"
        )
        if all(one.format is None for one, _ in wrong):
            remedy = "make the move, which reads them, or wait until a worker has read them"
        return RuleFinding(
            False,
            _grouped([(one.path, why) for one, why in wrong]),
            [{"path": one.path, "sha256": one.sha256, "format": one.format} for one, _ in wrong[:_MOST]],
            source,
            remedy,
        )

    def _problem(self, file: FormatFact) -> str | None:
        if f"sha256:{file.sha256.removeprefix('sha256:')}" in self.excepted:
            return None
        detail = f" ({file.detail})" if file.detail else ""
        if file.format is None:
            return f"was not read yet{detail}"
        if file.executes_code:
            return f"is {file.format} and can execute code when it is loaded{detail}"
        if self.allowed is not None and file.format not in self.allowed:
            return f"is {file.format}, which is not allowed{detail}"
        if file.executes_code is None:
            return f"is {file.format}; what it executes when it is loaded is not decided{detail}"
        return None

    def implies(self, old: Rule, terms: Terms, old_terms: Terms) -> bool:
        return (
            isinstance(old, FileFormatsRule)
            and set(self.excepted) <= set(old.excepted)
            and (old.allowed is None or (self.allowed is not None and set(self.allowed) <= set(old.allowed)))
        )


def _grouped(findings: Sequence[tuple[str, str]]) -> str:
    """Return the findings as text; files of which the same is found are listed together."""
    paths: dict[str, list[str]] = {}
    for path, why in findings:
        paths.setdefault(why, []).append(path)
    return listed([f"{listed(of)}: each {why}" if len(of) > 1 else f"{of[0]} {why}" for why, of in paths.items()], "; ")


@dataclass(frozen=True, slots=True, kw_only=True)
class SizeRule(Rule):
    """All files together have at most this many bytes."""

    kind: ClassVar[str] = "size"
    at_most: int

    @classmethod
    def read(cls, keys: DocumentKeys, explanation: str | None) -> SizeRule:
        return cls(explanation=explanation, at_most=keys.take("at_most", read_size, 0, required=True))

    @property
    def needs(self) -> frozenset[Need]:
        return frozenset({Need.SIZE})

    def describe(self) -> str:
        return f"size <= {size_text(self.at_most)}"

    def judge(self, facts: GateFacts, terms: Terms) -> RuleFinding:
        size = facts.total_size or 0
        passed = size <= self.at_most
        remedy = f"register a version of at most {size_text(self.at_most)}: fewer files, or quantized weights"
        return RuleFinding(passed, f"{size_text(size)} in total", size, "the manifest", None if passed else remedy)

    def implies(self, old: Rule, terms: Terms, old_terms: Terms) -> bool:
        return isinstance(old, SizeRule) and self.at_most <= old.at_most


@dataclass(frozen=True, slots=True, kw_only=True)
class LicenceRule(Rule):
    """The tag ``license`` of the version, or else of its model, allows use under a licence of the list.

    It is compared as an SPDX expression, in any letter case: of ``A OR B`` one must be allowed, of ``A AND B`` both.
    """

    kind: ClassVar[str] = "licence"
    allowed: tuple[str, ...]

    @classmethod
    def read(cls, keys: DocumentKeys, explanation: str | None) -> LicenceRule:
        allowed = keys.take("allowed", list_of(checked(spdx.licence_problem)), (), required=True)
        return cls(explanation=explanation, allowed=allowed)

    @property
    def needs(self) -> frozenset[Need]:
        return frozenset({Need.TAGS, Need.MODEL_TAGS})

    def describe(self) -> str:
        return f"licence: {' or '.join(self.allowed)}"

    def judge(self, facts: GateFacts, terms: Terms) -> RuleFinding:
        own, model = (facts.tags or {}).get(LICENCE_TAG, ""), (facts.model_tags or {}).get(LICENCE_TAG, "")
        licence = own if own.strip() else model
        whose = facts.reference if own.strip() else facts.model
        remedy = f"use a model under {' or '.join(self.allowed)}, or correct the tag: "
        remedy += f"registry tag set {facts.reference} {LICENCE_TAG}=ID"
        if not licence.strip():
            return RuleFinding(False, f"no tag {LICENCE_TAG}", source=f"the tags of {facts.reference}", remedy=remedy)
        source = f"tag {LICENCE_TAG} of {whose}"
        try:
            passed = spdx.is_allowed(licence, self.allowed)
        except ValueError as error:
            return RuleFinding(False, f"{licence[:200]!r} is no SPDX expression: {error}", licence, source, remedy)
        reason = f"it is {licence}" + ("" if passed else ", which is not allowed")
        return RuleFinding(passed, reason, licence, source, None if passed else remedy)

    def implies(self, old: Rule, terms: Terms, old_terms: Terms) -> bool:
        return isinstance(old, LicenceRule) and _folded(self.allowed) <= _folded(old.allowed)


def _folded(licences: Any) -> set[str]:
    return {one.casefold() for one in licences}


def _read_format(value: Any) -> str:
    if value in _NEVER_ALLOWED:
        raise ValueError(f"{value} is never allowed as a format: except a reviewed file by its digest")
    return _known_format(value)


def _digest_problem(digest: str) -> str | None:
    is_sha256 = digest.startswith("sha256:") and len(digest) == 71
    return None if is_sha256 and digests.problem(digest) is None else "must be sha256: and 64 lower-case hex digits"
