"""Facts in the files of a model of the Hugging Face Hub: configuration, adapter and model card."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from registry.client.files.formats.bounds import Unreadable

CONFIG, ADAPTER = "config.json", "adapter_config.json"
MOST = 1024 * 1024  # bytes of a configuration
MOST_OF_CARD = 128 * 1024  # bytes of the front matter of a card, which is parsed in Python
LONGEST = 250  # of a fact
MOST_BASES = 20
SCHEME = "hf://"
RELATIONS = {"finetune": "finetune", "adapter": "adapter", "merge": "merge", "quantized": "quantize"}
_ABSENT = frozenset({"null", "~"})  # which stay texts, as all scalars of YAML here
_FENCE = re.compile(rb"^---[ \t]*(?:\r?\n|\Z)", re.MULTILINE)
_NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}\Z", re.ASCII)
_CHECKPOINT = re.compile(r"checkpoint-\d+\Z")
_REVISION = re.compile(r"[A-Za-z0-9][\w./-]{0,99}\Z", re.ASCII)
_HUB = ("huggingface.co", "hf.co")


@dataclass(frozen=True, slots=True)
class Base:
    """A base model as a file names it: ``org/name``, an address or a path. ``relation`` is a derivation or None."""

    name: str
    revision: str | None = None
    relation: str | None = None


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """Facts of one file; None for those that it does not state."""

    framework: str | None = None
    architecture: str | None = None
    dtype: str | None = None
    license: str | None = None
    bases: tuple[Base, ...] = ()


def config(content: bytes) -> ModelFacts:
    """Return the facts of the configuration of a model; none of one that another library wrote. Raises Unreadable."""
    fields = _json(content)
    kind, architectures = _plain_text(fields.get("model_type")), _plain_texts(fields.get("architectures"))
    if not (kind or architectures):
        return ModelFacts()
    name = _plain_text(fields.get("_name_or_path"))
    return ModelFacts(
        framework="transformers" if _plain_text(fields.get("transformers_version")) else None,
        architecture=next(iter(architectures), kind),
        dtype=_dtype(fields.get("dtype")) or _dtype(fields.get("torch_dtype")),
        bases=(Base(name),) if name else (),
    )


def adapter(content: bytes) -> ModelFacts:
    """Return the facts of an ``adapter_config.json`` of PEFT. Raises Unreadable."""
    fields = _json(content)
    name, kind = _plain_text(fields.get("base_model_name_or_path")), _plain_text(fields.get("peft_type"))
    bases = (Base(name, _plain_text(fields.get("revision")), "adapter"),) if name else ()
    return ModelFacts(framework="peft" if kind else None, bases=bases)


def card(content: bytes) -> ModelFacts:
    """Return the facts of the front matter of a model card, whose text may be truncated after it.

    Raises Unreadable.
    """
    fields = _front_matter(content)
    relation = RELATIONS.get(_plain_text(fields.get("base_model_relation")) or "")
    return ModelFacts(
        framework=_plain_text(fields.get("library_name")),
        license=_license(fields),
        bases=tuple(Base(name, relation=relation) for name in _plain_texts(fields.get("base_model"))[:MOST_BASES]),
    )


def uri(base: Base) -> str | None:
    """Return the URI of a base model; None for a path.

    Names and addresses on the Hub have the form ``hf://org/name@revision``.
    """
    name, revision = base.name, base.revision
    if "://" in name:
        try:
            parts = urlsplit(name)
        except ValueError:
            return None
        if parts.scheme == "file":
            return None
        if parts.scheme not in {"http", "https"} or parts.hostname not in _HUB:
            return name
        organisation, _, rest = parts.path.strip("/").partition("/")
        model, _, rest = rest.partition("/")
        name, revision = f"{organisation}/{model}", revision or _revision_of_page(rest)
    if not _NAME.match(name) or _CHECKPOINT.search(name):
        return None
    return f"{SCHEME}{name}@{revision}" if revision and _REVISION.match(revision) else f"{SCHEME}{name}"


def _revision_of_page(rest: str) -> str | None:
    kind, _, revision = rest.partition("/")
    return revision if kind == "tree" and "/" not in revision and revision != "main" else None


def _json(content: bytes) -> Mapping[str, Any]:
    try:
        fields = json.loads(content.decode())
    except (ValueError, RecursionError) as error:
        raise Unreadable("it is not JSON") from error
    if not isinstance(fields, dict):
        raise Unreadable("it is not a JSON object")
    return fields


def _front_matter(content: bytes) -> Mapping[Any, Any]:
    """Return the fields between the first two lines of three hyphens; none of a card that does not begin with them."""
    content = content.removeprefix(codecs.BOM_UTF8)
    first = _FENCE.match(content)
    if first is None:
        return {}
    from registry.rules import yaml_documents  # the parser is slow to import, and most models have no card

    last = _FENCE.search(content, first.end())
    if (last.start() if last else len(content)) > MOST_OF_CARD:
        raise Unreadable(f"its front matter has more than {MOST_OF_CARD} bytes")
    if last is None:
        return {}
    try:
        fields = yaml_documents.load_texts(content[first.end() : last.start()])
    except ValueError as error:
        raise Unreadable(f"its front matter cannot be read: {error}") from error
    if not isinstance(fields, dict):
        raise Unreadable("its front matter is not a mapping")
    return {key: value for key, value in fields.items() if not (isinstance(value, str) and value in _ABSENT)}


def _license(fields: Mapping[Any, Any]) -> str | None:
    names = _plain_texts(fields.get("license"))
    if names == ["other"]:
        names = _plain_texts(fields.get("license_name")) or names
    joined = ", ".join(names)
    return joined if 0 < len(joined) <= LONGEST else None


def _dtype(value: Any) -> str | None:
    name = _plain_text(value)
    return name.removeprefix("torch.") if name and name != "auto" else None


def _plain_texts(value: Any) -> list[str]:
    """Return a text, or the texts of a list."""
    values: Sequence[Any] = value if isinstance(value, list) else [value]
    return [text for one in values[: MOST_BASES * 5] if (text := _plain_text(one)) is not None]


def _plain_text(value: Any) -> str | None:
    """Return a text of one line that can be stored, or None."""
    text = value.strip() if isinstance(value, str) else ""
    return text if 0 < len(text) <= LONGEST and text.isprintable() else None
