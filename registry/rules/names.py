"""Rules for the names of models, accounts, aliases and tags; those of files are in ``registry.rules.paths``.

Each rule returns the problem as a sentence, or None. Names are refused, never repaired: two spellings of
one name would make two clients talk about different things.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Collection

from registry.rules import selectors
from registry.rules.text import unprintable_problem

Rule = Callable[[str], str | None]

MODEL_NAME_LENGTH = 256  # as in MLflow
ACCOUNT_NAME_LENGTH = 128
TAG_KEY_LENGTH = 250
TAG_VALUE_LENGTH = 100_000
STAGE_NAMES = frozenset({*selectors.STAGES, selectors.NO_STAGE})

_ALIAS = re.compile(r"[A-Za-z0-9_-]{1,255}\Z")
_RESERVED_ALIAS = re.compile(r"(?:latest|v?[0-9]+)\Z", re.IGNORECASE)


def model_name_problem(name: str) -> str | None:
    """Return why *name* cannot name a model."""
    return _name_problem(name, MODEL_NAME_LENGTH)


def account_name_problem(name: str) -> str | None:
    """Return why *name* cannot name a new account."""
    return _name_problem(name, ACCOUNT_NAME_LENGTH)


def _name_problem(name: str, longest: int) -> str | None:
    if not 1 <= len(name) <= longest:
        return f"must have 1 to {longest} characters"
    if problem := unprintable_problem(name):
        return problem
    if name != name.strip():
        return "must not begin or end with a space"
    if name in {".", ".."}:
        return "must not be '.' or '..'"
    if not unicodedata.is_normalized("NFC", name):
        return "must be in Unicode form NFC"
    if {"/", ":"} & set(unicodedata.normalize("NFKC", name)):
        return "must not contain '/' or ':'"
    return None


def name_key(name: str) -> str:
    """Return the key that two names must not share: NFKC with case folded, so that ``Fraud`` and ``fraud`` are one."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())


def alias_problem(alias: str) -> str | None:
    """Return why *alias* cannot point at a model's version."""
    return prompt_alias_problem(alias) or ("must not be the name of a stage" if alias.lower() in STAGE_NAMES else None)


def prompt_alias_problem(alias: str) -> str | None:
    """Return why *alias* cannot point at any version. Prompts have no stages, so that their names are free."""
    if not _ALIAS.match(alias):
        return "must have 1 to 255 of the characters A-Z a-z 0-9 _ -"
    if _RESERVED_ALIAS.match(alias):
        return "must not be 'latest', a number or 'v' and a number: these already name versions"
    return None


def lists_alias(alias: str, *lists: Collection[str] | None) -> bool:
    """Return whether one of the *lists* has *alias*, in any case: ``Champion`` shall not pass for ``champion``."""
    return any(alias.lower() == each.lower() for names in lists if names for each in names)


def tag_key_problem(key: str) -> str | None:
    """Return why *key* cannot name a tag, a parameter or a metric."""
    if not 1 <= len(key) <= TAG_KEY_LENGTH:
        return f"must have 1 to {TAG_KEY_LENGTH} characters"
    if problem := unprintable_problem(key):
        return problem
    return "must not begin or end with a space" if key != key.strip() else None
