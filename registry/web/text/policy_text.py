"""Documents of policies as YAML, in the order in which people write their keys."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import yaml

from registry.rules.policies import document_texts

_FIRST = ("policy", "description", "groups", "checks", "protected_aliases", "weakening", "staging", "production")
_LAST = ("explanation",)
_WIDTH = 100


def as_yaml(document: Mapping[str, Any]) -> str:
    """Return a text that is read as *document* again: YAML, or JSON where YAML would be read differently."""
    text: str = yaml.safe_dump(_in_reading_order(document), sort_keys=False, allow_unicode=True, width=_WIDTH)
    try:
        is_same = document_texts.load(text)[0] == document
    except ValueError:
        is_same = False
    return text if is_same else json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _in_reading_order(document: Mapping[str, Any]) -> dict[str, Any]:
    values = {key: document[key] for key in sorted(document, key=_key_place)}
    return {
        key: [*map(_rule_in_order, value)] if key in ("staging", "production") else value
        for key, value in values.items()
    }


def _key_place(key: str) -> tuple[int, str]:
    return (_FIRST.index(key) if key in _FIRST else len(_FIRST), key)


def _rule_in_order(rule: Mapping[str, Any]) -> dict[str, Any]:
    return {key: rule[key] for key in sorted(rule, key=lambda key: (key != "rule", key in _LAST, key))}
