"""Models that are Protocol Buffers: ONNX, SentencePiece, and TensorFlow's SavedModel and graph.

A message has no magic: every field from the first byte to the last must be one of the format, with its wire type.
Sources: onnx.proto, sentencepiece_model.proto, saved_model.proto, graph.proto.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from registry.domain.file_formats.reading import Cursor, Reader, Undecidable, Unreadable
from registry.domain.file_formats.recognitions import Execution, Recognition

MOST_FIELDS = 1_000_000
_DEEPEST = 8
_LONGEST_NAME = 1_000
_VARINT, _FIXED_64, _BYTES, _FIXED_32 = 0, 1, 2, 5
_FIXED = {_FIXED_64: 8, _FIXED_32: 4}
_LONGEST_VARINT = 10
_ANY = frozenset({_VARINT, _BYTES, _FIXED_32, _FIXED_64})

_MODEL = {1: _VARINT, 2: _BYTES, 3: _BYTES, 4: _BYTES, 5: _VARINT, 6: _BYTES, 7: _BYTES, 8: _BYTES, 14: _BYTES,
          20: _BYTES, 25: _BYTES, 26: _BYTES}  # fmt: skip
_IR_VERSION, _GRAPH, _OPSETS, _FUNCTIONS = 1, 7, 8, 25
_GRAPH_FIELDS = frozenset({1, 2, 5, 10, 11, 12, 13, 14, 15, 16})
_NODE, _INITIALIZER = 1, 5
_FUNCTION_NODE = 7
_OPERATOR, _ATTRIBUTE = 4, 5
_ATTRIBUTE_TENSORS, _ATTRIBUTE_GRAPHS = frozenset({5, 10}), frozenset({6, 11})
_EXTERNAL = 13
_PYTHON_OPERATORS = frozenset({b"PyOp", b"PyCustomOp", b"PythonOp", b"PythonOpGrad"})
_PIECE = {1: _BYTES, 2: _FIXED_32, 3: _VARINT}
_SENTENCEPIECE = frozenset({1, 2, 3, 4, 5})
_SAVED_MODEL = {1: _VARINT, 2: _BYTES}
_TENSORFLOW_GRAPH = {1: _BYTES, 2: _BYTES, 3: _VARINT, 4: _BYTES}
_NODE_DEFINITION = {1: _BYTES, 2: _BYTES, 3: _BYTES, 4: _BYTES, 5: _BYTES, 6: _BYTES, 7: _BYTES}


@dataclass(slots=True)
class _Message:
    """The fields of a message, one after the other."""

    reader: Reader
    start: int
    end: int
    left: list[int]  # fields that may still be read in the file

    def fields(self) -> Iterator[tuple[int, int, _Message]]:
        """Yield number, wire type and content of each field. Raises Unreadable where there is none."""
        cursor = Cursor(self.reader, self.start, self.end)
        while cursor.left:
            self.left[0] -= 1
            if self.left[0] < 0:
                raise Undecidable("it has more fields than are looked at")
            tag = _varint(cursor)
            number, wire = tag >> 3, tag & 7
            if number == 0 or wire not in _ANY:
                raise Unreadable("it is no Protocol Buffers message")
            start = cursor.position
            if wire == _VARINT:
                _varint(cursor)
            elif wire == _BYTES:
                length = _varint(cursor)
                start = cursor.position
                cursor.skip(length)
            else:
                cursor.skip(_FIXED[wire])
            yield number, wire, _Message(self.reader, start, cursor.position, self.left)

    def content(self) -> bytes:
        """Return the bytes of a name, not all of a long one."""
        return self.reader.read(self.start, min(self.end - self.start, _LONGEST_NAME))


@dataclass
class _Onnx:
    """What matters in an ONNX model."""

    nodes: int = 0
    external: bool = False
    foreign: str | None = None
    wrong: str | None = None


def recognise(reader: Reader) -> Recognition | None:
    """Return the recognition of a file that is one of these messages from its first byte to its last."""
    if reader.read(0, 1) not in {b"\x08", b"\x0a", b"\x12", b"\x3a", b"\x42"}:
        return None
    whole = _Message(reader, 0, reader.size, [MOST_FIELDS])
    try:
        shape: dict[int, set[int]] = {}
        for number, wire, _ in whole.fields():
            shape.setdefault(number, set()).add(wire)
    except Unreadable:
        return None
    if _is_made_of(shape, _MODEL) and {_IR_VERSION, _GRAPH, _OPSETS} <= shape.keys():
        return _recognise_onnx(whole)
    if _is_made_of(shape, _SAVED_MODEL) and len(shape) == len(_SAVED_MODEL):
        return Recognition.of("savedmodel", Execution.YES, "a SavedModel, whose graph is a program")
    if 1 in shape and shape.keys() <= _SENTENCEPIECE and _are_all(whole, _PIECE, required={1, 2}):
        return Recognition.of("sentencepiece", Execution.NO, "pieces with scores")
    if 1 in shape and _is_made_of(shape, _TENSORFLOW_GRAPH) and _are_all(whole, _NODE_DEFINITION, required={1, 2}):
        return Recognition.of("tensorflow_graph", Execution.YES, "a graph, which is a program")
    return None


def _is_made_of(shape: Mapping[int, set[int]], fields: Mapping[int, int]) -> bool:
    return all(number in fields and wires == {fields[number]} for number, wires in shape.items())


def _are_all(whole: _Message, fields: Mapping[int, int], *, required: set[int]) -> bool:
    """Return whether each first field of a message is a message of these fields."""
    try:
        for number, wire, content in whole.fields():
            if number == 1:
                shape = {inner: {kind} for inner, kind, _ in content.fields()}
                if wire != _BYTES or not required <= shape.keys() or not _is_made_of(shape, fields):
                    return False
    except Unreadable:
        return False
    return True


def _recognise_onnx(whole: _Message) -> Recognition:
    model = _Onnx()
    for number, _, content in whole.fields():
        if number == _GRAPH:
            _read_graph(content, model, 0)
        elif number == _FUNCTIONS:
            for inner, wire, node in content.fields():
                if inner == _FUNCTION_NODE and wire == _BYTES:
                    _read_node(node, model, 0)
    if model.foreign is not None:
        return Recognition.of("onnx", Execution.YES, f"it has the operator {model.foreign}, which runs Python")
    if model.wrong is not None:
        return Recognition.of("onnx", Execution.UNKNOWN, f"its external data lie in {model.wrong}")
    detail = f"{model.nodes} nodes" + (", external data in other files" if model.external else "")
    return Recognition.of("onnx", Execution.NO, detail)


def _read_graph(graph: _Message, model: _Onnx, depth: int) -> None:
    if depth > _DEEPEST:
        raise Undecidable("its graphs are nested too deeply")
    for number, wire, content in graph.fields():
        if number not in _GRAPH_FIELDS or wire != _BYTES:
            raise Unreadable(f"its ONNX graph has the unknown field {number}")
        if number == _NODE:
            _read_node(content, model, depth)
        elif number == _INITIALIZER:
            _read_tensor(content, model)


def _read_node(node: _Message, model: _Onnx, depth: int) -> None:
    model.nodes += 1
    for number, wire, content in node.fields():
        if number == _OPERATOR and content.content() in _PYTHON_OPERATORS:
            model.foreign = content.content().decode()
        elif number == _ATTRIBUTE and wire == _BYTES:
            for inner, kind, value in content.fields():
                if kind == _BYTES and inner in _ATTRIBUTE_GRAPHS:
                    _read_graph(value, model, depth + 1)
                elif kind == _BYTES and inner in _ATTRIBUTE_TENSORS:
                    _read_tensor(value, model)


def _read_tensor(tensor: _Message, model: _Onnx) -> None:
    for number, wire, entry in tensor.fields():
        if number == _EXTERNAL and wire == _BYTES:
            model.external = True
            texts = {inner: value.content() for inner, kind, value in entry.fields() if kind == _BYTES}
            if texts.get(1) == b"location" and _is_outside(place := texts.get(2, b"").decode("latin-1")):
                model.wrong = place


def _is_outside(place: str) -> bool:
    return not place or place.startswith(("/", "\\")) or ".." in place or ":" in place


def _varint(cursor: Cursor) -> int:
    value = 0
    for position in range(_LONGEST_VARINT):
        byte = cursor.take(1)[0]
        value |= (byte & 0x7F) << (7 * position)
        if byte < 0x80:
            return value
    raise Unreadable("it has a number that is too long")
