"""Facts that the files of a model state: what it is, what it derives from, its licence and its size."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from registry.client.detect import base_models, recognition
from registry.client.detect.captures import Capture
from registry.client.detect.recognition import Recognized
from registry.client.fields import given
from registry.client.files import scan
from registry.client.files.formats import hugging_face
from registry.client.files.formats.bounds import Unreadable
from registry.client.files.formats.hugging_face import Base, ModelFacts
from registry.client.files.model_card import CARD
from registry.client.files.scan import Hashed
from registry.rules import mlmodel
from registry.rules.listing import listed

LICENSE, ARCHITECTURE, PARAMETERS = "license", "model.architecture", "model.parameters"
DTYPE, FORMAT = "model.dtype", "model.format"
MOST_WARNINGS = 10
_FILES = "the files"


class _Reader(NamedTuple):
    """A kind of file that states facts; of a longer one only the first bytes are read, or else nothing."""

    name: str
    read: Callable[[bytes], ModelFacts]
    most: int
    truncated: bool = False
    anywhere: bool = False  # also in a directory, if there is only one file of this name


_READERS = (
    _Reader(CARD, hugging_face.card, hugging_face.MOST_OF_CARD + 1, truncated=True),
    _Reader(hugging_face.ADAPTER, hugging_face.adapter, hugging_face.MOST, anywhere=True),
    _Reader(hugging_face.CONFIG, hugging_face.config, hugging_face.MOST, anywhere=True),
)


def captures(files: Sequence[Hashed], cwd: Path) -> Iterator[Capture]:
    """Yield what model cards, configurations and headers of weights state, the most reliable first.

    Base models that are paths, in *cwd* or anywhere, are left out. Raises SourceChanged.
    """
    warnings: list[str] = []
    described = list(_read_described(files, warnings))
    recognized, unread = recognition.recognized(files)
    for path, facts in described:
        framework = facts.framework if len(facts.framework or "") <= mlmodel.FRAMEWORK_LENGTH else None
        tags = given(**{LICENSE: facts.license, ARCHITECTURE: facts.architecture})
        yield Capture(path, given(framework=framework, tags=tags))
    yield from _of_weights(recognized, warnings)
    if not any(facts.framework for _, facts in described):
        yield from _of_frameworks(recognized)
    for path, facts in described:  # after the headers of weights, which state what the files have
        yield Capture(path, {"tags": given(**{DTYPE: facts.dtype})})
    yield from base_models.captures(_choices_of_bases(described, recognized), cwd, warnings)
    problems = [*unread, *warnings]
    if len(problems) > MOST_WARNINGS:
        problems[MOST_WARNINGS:] = [f"and {len(problems) - MOST_WARNINGS} more warnings of files"]
    yield Capture(_FILES, warnings=tuple(problems))


def _read_described(files: Sequence[Hashed], warnings: list[str]) -> Iterator[tuple[str, ModelFacts]]:
    for reader in _READERS:
        named = [file for file in files if PurePosixPath(file.path).name == reader.name]
        file = next((one for one in named if one.path == reader.name), None)
        if file is None and reader.anywhere and len(named) == 1:
            (file,) = named
        if file is None:
            continue
        try:
            if file.size > reader.most and not reader.truncated:
                raise Unreadable(f"it has more than {reader.most} bytes")
            yield file.path, reader.read(scan.content(file, reader.most))
        except Unreadable as error:
            warnings.append(f"nothing of {file.path} is recorded: {error}")


def _of_weights(recognized: Sequence[Recognized], warnings: list[str]) -> Iterator[Capture]:
    """Yield the facts of the weights, and the format, unless the files have several."""
    sets = recognition.sets_of_weights(recognized, warnings)
    if len(sets) == 1:
        ((path, weights),) = sets.items()
        tags: dict[str, Any] = {
            PARAMETERS: str(weights.parameters) if weights.parameters else None,
            DTYPE: weights.dtype,
            ARCHITECTURE: weights.architecture,
            LICENSE: weights.license,
        }
        yield Capture(path, {"tags": given(**tags)})
    elif sets:
        warnings.append(f"the number of parameters is not recorded: there are several models, {listed(list(sets))}")
    last_first = recognized[::-1]  # so that the first file of a format has it
    formats = {one.format.name: one.path for one in last_first if one.format.weights}
    formats = formats or {one.format.name: one.path for one in last_first}
    if len(formats) == 1:
        ((name, path),) = formats.items()
        yield Capture(path, {"tags": {FORMAT: name}})


def _of_frameworks(recognized: Sequence[Recognized]) -> Iterator[Capture]:
    """Yield the framework, or that the files have several."""
    frameworks = {one.format.framework: one.path for one in reversed(recognized) if one.format.framework}
    if len(frameworks) == 1:
        ((name, path),) = frameworks.items()
        yield Capture(path, {"framework": name})
    elif frameworks:
        named = listed([f"{name} ({path})" for name, path in sorted(frameworks.items())])
        problem = f"the framework is not recorded from the files, which are of several: {named}"
        yield Capture(_FILES, undecided={"framework": problem})


def _choices_of_bases(
    described: Sequence[tuple[str, ModelFacts]], recognized: Sequence[Recognized]
) -> Sequence[base_models.Named]:
    """Return the base models in the order of how well the files know them.

    A configuration has the name that it was loaded from, which may be that of the model itself.
    """
    stated = [(path, facts.bases) for path, facts in described]
    stated.sort(key=lambda one: not one[0].endswith(hugging_face.ADAPTER))  # it has the revision
    of_config = [one for one in stated if PurePosixPath(one[0]).name == hugging_face.CONFIG]
    of_headers = [
        (path, [Base(url) for url in known.weights.base_models]) for path, known in recognized if known.weights
    ]
    return [one for one in stated if one not in of_config], of_headers, of_config
