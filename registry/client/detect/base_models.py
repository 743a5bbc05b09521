"""Base models that the files of a model name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from registry.client.detect.captures import Capture
from registry.client.errors import UnfitSource
from registry.client.fields import given
from registry.client.files import data, scan
from registry.client.files.formats import hugging_face
from registry.client.files.formats.hugging_face import Base

Named = Sequence[tuple[str, Sequence[Base]]]
"""Base models by the file that names them."""


@dataclass(slots=True)
class _Known:
    """A base model: the first file that names it, its address without revision, and what files state of it."""

    source: str
    address: str
    revision: str | None
    relation: str | None


def captures(choices: Sequence[Named], cwd: Path, warnings: list[str]) -> Iterator[Capture]:
    """Yield the base models of the first of the *choices* that has any.

    Several files that name the same one complete each other. Paths, also those below *cwd*, are left out with a
    warning.
    """
    for named in choices:
        known: dict[str, _Known] = {}
        for path, bases in named:
            for base in bases:
                _join_base(known, path, base, cwd, warnings)
        for one in known.values():
            uri = f"{one.address}@{one.revision}" if one.revision else one.address
            yield Capture(one.source, {"base_models": [given(uri=uri, relation=one.relation)]})
        if known:
            return


def _join_base(known: dict[str, _Known], path: str, base: Base, cwd: Path, warnings: list[str]) -> None:
    uri = None if scan.exists(cwd / base.name) else hugging_face.uri(base)
    if uri is None:
        warnings.append(
            f"{path}: the base model {base.name} is not recorded, it is neither org/name nor an address (--base-model)"
        )
        return
    address, _, revision = uri.partition("@") if uri.startswith(hugging_face.SCHEME) else (uri, "", "")
    try:
        address = data.public_address(address)
    except UnfitSource as error:
        warnings.append(f"{path}: the base model is not recorded: {error}")
        return
    one = known.setdefault(address, _Known(path, address, None, None))
    one.revision = one.revision or revision or None
    one.relation = one.relation or base.relation
