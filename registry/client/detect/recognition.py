"""Files of a model that are recognized by their first bytes, and the weights that several of them hold together."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from registry.client.files import scan
from registry.client.files.formats import signatures, weights
from registry.client.files.formats.bounds import Unreadable
from registry.client.files.formats.signatures import Format
from registry.client.files.formats.weights import Weights
from registry.client.files.scan import Hashed

MOST_FILES = 1000  # that are opened
_SHARD = re.compile(r"(.+)-(\d{5})-of-(\d{5})(\.\w+)\Z", re.ASCII)


class Recognized(NamedTuple):
    """A model file and its format."""

    path: str
    format: Format


def recognized(files: Sequence[Hashed]) -> tuple[list[Recognized], list[str]]:
    """Return the files whose format is known, those in the fewest directories first, and why others cannot be read.

    Raises SourceChanged for a file that was written to since it was hashed.
    """
    candidates = [file for file in files if file.size and signatures.may_be_model(file.path)]
    candidates.sort(key=lambda file: file.path.count("/"))
    found, problems = [], []
    if len(candidates) > MOST_FILES:
        problems.append(f"only {MOST_FILES} of {len(candidates)} files are examined for the format of the model")
    for file in candidates[:MOST_FILES]:
        with scan.opened(file) as stream:
            try:
                one = signatures.read(file.path, stream, file.size)
            except Unreadable as error:
                problems.append(f"nothing of {file.path} is recorded: {error}")
                continue
            finally:
                scan.unchanged(file, stream)
        if one:
            found.append(Recognized(file.path, one))
    return found, problems


def sets_of_weights(found: Sequence[Recognized], warnings: list[str]) -> Mapping[str, Weights]:
    """Return the weights by the path of their only file or first shard; those that lack a shard are left out."""
    shards: dict[tuple[str, int], dict[int, tuple[str, Weights]]] = defaultdict(dict)
    for path, known in found:
        if known.weights is None:
            continue
        match = _SHARD.match(path)
        name, number, total = (match[1] + match[4], int(match[2]), int(match[3])) if match else (path, 1, 1)
        shards[name, total][number] = (path, known.weights)
    sets = {}
    for (name, total), files in shards.items():
        if files.keys() == set(range(1, total + 1)) or (len(files) == total and files.keys() == set(range(total))):
            ordered = [files[number] for number in sorted(files)]
            sets[ordered[0][0]] = weights.together(one for _, one in ordered)
        else:
            warnings.append(
                f"the number of parameters is not recorded: {len(files)} of {total} parts of {name} are here"
            )
    return sets
