"""MLflow's rules for names, keys and numbers, with its texts.

They come before the registry's own rules, which are stricter and have their own texts: a client that MLflow would
refuse is refused as there.
"""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Mapping
from urllib.parse import unquote_plus, urlsplit

from registry.domain.errors import Invalid, NotFound
from registry.domain.stages import Stage
from registry.rules.names import TAG_KEY_LENGTH, TAG_VALUE_LENGTH

LARGEST_NUMBER = 2**31 - 1
PROMPT_TEXT = "mlflow.prompt.text"
STAGES = {"none": "None", "staging": "Staging", "production": "Production", "archived": "Archived"}
ACTIVE = {Stage.STAGING, Stage.PRODUCTION}
_KEY = re.compile(r"[/\w.\- :]*\Z")
_ALIAS = re.compile(r"[\w\-]*\Z")
_VERSION_ALIAS = re.compile(r"[vV]\d+\Z")
_INTEGER = re.compile(r"\s*[+-]?\d{1,4000}\s*\Z")  # Python reads no longer ones
_MISNAMED = (
    "Names may only contain alphanumerics, underscores (_), dashes (-), periods (.), spaces ( ), colon(:) and slashes "
    "(/)."
)


def model_name(name: str, parameter: str = "name") -> str:
    """Return *name*, or raise Invalid as MLflow does."""
    if not name.strip():
        raise Invalid.whole(f"Missing value for required parameter '{parameter}'.")
    if "/" in name or ":" in name:
        raise Invalid.whole(f"Invalid model name '{name}'. Names cannot contain '/' or ':'.")
    _require_plain("name", name)
    return name


def version_number(text: str, name: str) -> int:
    """Return the number that *text* stands for. Raises Invalid, or NotFound for one that no version can have."""
    if not _INTEGER.match(text):
        raise Invalid.whole(f"Parameter 'version' must be an integer, got '{text}'.")
    number = int(text)
    if not 1 <= number <= LARGEST_NUMBER:
        raise NotFound(no_version(name, text))
    return number


def no_model(name: str) -> str:
    return f"Registered Model with name={name} not found"


def no_version(name: str, number: int | str) -> str:
    return f"Model Version (name={name}, version={number}) not found"


def alias(text: str) -> str:
    """Return the alias, or raise Invalid for one that cannot exist."""
    if not text:
        raise Invalid.whole("Registered model alias name cannot be empty.")
    if not _ALIAS.match(text):
        raise Invalid.whole(
            f"Invalid alias name: '{text}'. Names may only contain alphanumerics, underscores (_), and dashes (-)."
        )
    if len(text) > 255:
        raise Invalid.whole("'Registered model alias name' exceeds the maximum length of 255 characters")
    return text


def settable_alias(text: str) -> str:
    """Return the alias, or raise Invalid for what cannot be set."""
    alias(text)
    if text.lower() == "latest":
        raise Invalid.whole("'latest' alias name (case insensitive) is reserved.")
    if _VERSION_ALIAS.match(text):
        raise Invalid.whole(f"Version alias name '{text}' is reserved.")
    return text


def tags(pairs: Mapping[str, str]) -> Mapping[str, str]:
    """Return the tags, or raise Invalid."""
    for key, value in pairs.items():
        tag_key(key)
        if len(key) > TAG_KEY_LENGTH:
            raise Invalid.whole(f"'key' exceeds the maximum length of {TAG_KEY_LENGTH} characters")
        if len(value) > TAG_VALUE_LENGTH:
            if key == PROMPT_TEXT:
                raise Invalid.whole(f"Prompt text exceeds max length of {TAG_VALUE_LENGTH} characters.")
            raise Invalid.whole(f"'value' exceeds the maximum length of {TAG_VALUE_LENGTH} characters")
    return pairs


def tag_key(key: str) -> str:
    """Return the key of a tag to set or to remove, or raise Invalid. The length matters to one that is set."""
    if not key:
        raise Invalid.whole("Missing value for required parameter 'key'.")
    if not _KEY.match(key):
        raise Invalid.whole(f"Invalid value {json.dumps(key)} for parameter 'key' supplied: {_MISNAMED}")
    _require_plain("key", key)
    return key


def stage(text: str) -> Stage:
    """Return the stage of that name, in any case. Raises Invalid."""
    if text.lower() not in STAGES:
        listed = ", ".join(STAGES.values())
        raise Invalid.whole(f"Invalid Model Version stage: {text}. Value must be one of {listed}.")
    return Stage(text.lower())


def archivable(target: Stage) -> None:
    """Raise Invalid where the others in the target stage cannot be archived."""
    if target not in ACTIVE:
        raise Invalid.whole(
            "Model version transition cannot archive existing model versions because "
            f"'{STAGES[target]}' is not an Active stage. Valid stages are ['Staging', 'Production']"
        )


def source(text: str) -> str:
    """Return the source, which is never opened, or raise Invalid for one that leaves its own path."""
    plain = text
    while (unquoted := unquote_plus(plain)) != plain:
        plain = unquoted
    steps = plain.replace("\\", "/").split("/")
    if "\x00" in plain or ".." in steps or "." in _path(plain).split("/"):
        raise Invalid.whole(
            f"Invalid model version source: '{text}'. If supplying a source as an http, https, local file path, ftp, "
            "objectstore, or mlflow-artifacts uri, an absolute path must be provided without relative path references "
            "present. Please provide an absolute path."
        )
    return text


def _path(text: str) -> str:
    try:
        return urlsplit(text).path
    except ValueError:
        return text


def _require_plain(parameter: str, name: str) -> None:
    if name != posixpath.normpath(name) or name == "." or name.startswith(("/", "..")):
        raise Invalid.whole(
            f"Invalid value {json.dumps(name)} for parameter '{parameter}' supplied: Names may be treated as files in "
            "certain cases, and must not resolve to other names when treated as such. This name would resolve to "
            f"{posixpath.normpath(name)!r}"
        )
