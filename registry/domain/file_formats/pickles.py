"""Pickles of all protocols, found by walking over the opcodes without executing any.

Protocols 0 and 1 have no magic and can look like text. The walk keeps the depth of the stack, as unpicklers do, and
ends at the first opcode that they refuse: whatever was called before has been executed by then. Sources: ``pickle``,
``pickletools`` and ``_pickle.c`` of CPython 3.11.
"""

from __future__ import annotations

import pickletools
from contextlib import suppress
from dataclasses import dataclass, field

from registry.domain.file_formats.reading import Cursor, Reader, Undecidable, Unreadable
from registry.domain.file_formats.recognitions import Execution, Recognition

MOST_OPCODES = 300_000
_AFTER_A_CALL = 5_000  # opcodes that are looked at to name what is imported
_MOST_NAMES = 6
_LONGEST_NAME = 200
_HIGHEST_PROTOCOL = 5
_OPCODES = {ord(opcode.code): opcode for opcode in pickletools.opcodes}
_IMPORTS = frozenset({"GLOBAL", "STACK_GLOBAL", "INST", "EXT1", "EXT2", "EXT4"})
_CALLS = frozenset({"REDUCE", "BUILD", "INST", "OBJ", "NEWOBJ", "NEWOBJ_EX"})
_TWO_LINES = frozenset({"GLOBAL", "INST"})
_PUTS, _GETS = frozenset({"BINPUT", "LONG_BINPUT"}), frozenset({"BINGET", "LONG_BINGET"})
_SIZED = {
    pickletools.TAKEN_FROM_ARGUMENT1: "<B",
    pickletools.TAKEN_FROM_ARGUMENT4: "<i",
    pickletools.TAKEN_FROM_ARGUMENT4U: "<I",
    pickletools.TAKEN_FROM_ARGUMENT8U: "<Q",
}
_SPACE = b" \t\r\n\f\v"


@dataclass
class _Machine:
    """What the walk has seen; ``depth`` and ``marks`` are the stack of the present stream."""

    names: list[str] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    memo: dict[int, str] = field(default_factory=dict)
    calls: bool = False
    imports: bool = False
    has_magic: bool = False  # the file begins as one of protocol 2 or later
    complete: bool = False  # a stream has ended with an object
    depth: int = 0
    marks: list[int] = field(default_factory=list)

    def note_import(self, name: str) -> None:
        """Keep the name of what is imported; the first few are shown."""
        if len(self.names) < _MOST_NAMES:
            self.names.append(name)

    def apply(self, opcode: pickletools.OpcodeInfo) -> bool:
        """Change the stack as the opcode does; return False where it does not hold what the opcode needs."""
        before = opcode.stack_before
        pops = len(before)
        if pickletools.markobject in before:
            if not self.marks:
                return False
            self.depth = self.marks.pop()
            pops = before.index(pickletools.markobject)
        elif opcode.name == "POP" and self.marks and self.marks[-1] == self.depth:
            self.marks.pop()
            pops = 0
        if self.depth - pops < (self.marks[-1] if self.marks else 0):
            return False
        self.depth -= pops
        if pickletools.markobject in opcode.stack_after:
            self.marks.append(self.depth)
        else:
            self.depth += len(opcode.stack_after)
        return True


def recognise(reader: Reader) -> Recognition | None:
    """Return the recognition of a file that unpicklers take, at least as far as to a call. Raises Undecidable."""
    machine, cursor = _Machine(has_magic=reader.read(0, 1) == b"\x80"), Cursor(reader)
    with suppress(Unreadable):  # the file ends within an opcode
        _follow(machine, cursor)
    is_whole = machine.complete and not reader.read(cursor.position, 64).strip(_SPACE)
    ends = machine.complete and (machine.imports or machine.has_magic)
    if not (machine.calls or ends or is_whole or (machine.has_magic and machine.imports)):
        return None
    imported = ", ".join(machine.names) if machine.names else "nothing by name"
    return Recognition.of("pickle", Execution.YES, f"a pickle that imports {imported}")


def _follow(machine: _Machine, cursor: Cursor) -> None:
    """Walk over the streams of a file until an unpickler would stop, or enough is known."""
    after_call = 0
    for _ in range(MOST_OPCODES):
        start = cursor.position
        if not cursor.left:
            return
        opcode = _OPCODES.get(cursor.take(1)[0])
        if opcode is None or not _read_argument(machine, cursor, opcode) or not machine.apply(opcode):
            cursor.position = start
            return
        machine.imports |= opcode.name in _IMPORTS
        machine.calls |= machine.imports and opcode.name in _CALLS
        if opcode.name == "STOP":
            machine.complete, machine.depth, machine.marks = True, 0, []
        after_call += machine.calls
        if after_call > _AFTER_A_CALL or (machine.calls and len(machine.names) >= _MOST_NAMES):
            return
    if not (machine.calls or (machine.imports and machine.has_magic)):
        raise Undecidable("it could be a pickle with more opcodes than are looked at")


def _read_argument(machine: _Machine, cursor: Cursor, opcode: pickletools.OpcodeInfo) -> bool:
    """Move behind the opcode's argument and note the names in it; return False for one that is refused."""
    if opcode.name == "STACK_GLOBAL":
        machine.note_import(".".join(machine.texts[-2:]))
    if opcode.name == "MEMOIZE":
        machine.memo[len(machine.memo)] = machine.texts[-1] if machine.texts else ""
    if opcode.arg is None:
        return True
    if opcode.name in _TWO_LINES:
        module, name = _take_line(cursor), _take_line(cursor)
        machine.note_import(f"{module}.{name}")
        return bool(module and name) and not any(part.isspace() for part in module + name)
    if opcode.arg.n == pickletools.UP_TO_NEWLINE:
        _keep_text(machine, _take_line(cursor))
        return True
    if opcode.arg.n >= 0:
        argument = cursor.take(opcode.arg.n)
        number = int.from_bytes(argument, "little")
        if opcode.name in _PUTS:
            machine.memo[number] = machine.texts[-1] if machine.texts else ""
        elif opcode.name in _GETS:
            _keep_text(machine, machine.memo.get(number, ""))
        return opcode.name != "PROTO" or number <= _HIGHEST_PROTOCOL
    length = cursor.number(_SIZED[opcode.arg.n])
    if 0 < length <= _LONGEST_NAME:
        _keep_text(machine, cursor.take(length).decode("latin-1"))
    else:
        cursor.skip(length)
    return True


def _keep_text(machine: _Machine, text: str) -> None:
    machine.texts = [*machine.texts[-1:], text]


def _take_line(cursor: Cursor) -> str:
    """Move behind the next newline; return what is before it, if it is short."""
    length = cursor.line_length()
    text = cursor.take(min(length, _LONGEST_NAME)).decode("latin-1")
    cursor.skip(length - len(text) + 1)
    return text
