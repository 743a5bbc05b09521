"""Validation of documents by the published schemas of their formats.

jsonschema compiles the grammar of RFC 3987 when it is imported, which takes a second: only tests that
validate import it.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from importlib import resources
from typing import Any


def conforms(text: object, format_: str) -> bool:
    """Return whether a text has a format of JSON Schema, such as ``uri``."""
    from jsonschema import Draft202012Validator

    return bool(Draft202012Validator.FORMAT_CHECKER.conforms(text, format_))


def faults_of_prov(document: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with a document of PROV-JSON."""
    return [error.message for error in _prov_schema().iter_errors(document)]


def fault_of_bill(document: Mapping[str, Any], version: str) -> object:
    """Return what is wrong with a CycloneDX document of a version, None when it is valid."""
    return _bill_schema(version).validate_str(json.dumps(document))


@functools.cache
def _prov_schema() -> Any:
    from jsonschema import Draft4Validator

    schema = json.loads((resources.files("prov") / "tests/schemas/prov-json.schema.json").read_text())
    return Draft4Validator(schema, format_checker=Draft4Validator.FORMAT_CHECKER)


@functools.cache
def _bill_schema(version: str) -> Any:
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    return JsonStrictValidator(SchemaVersion.from_version(version))
