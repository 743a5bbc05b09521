"""A strict JSON reader in constant memory, which notes what makes loaders of JSON execute code.

Keras imports the class of a ``module`` and runs Lambda layers; jsonpickle calls what ``py/`` keys name; transformers
fetches the code of another repository that an ``auto_map`` names.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field

from registry.domain.file_formats.reading import Undecidable

LONGEST_TOKEN = 16 * 1024 * 1024
DEEPEST = 1_000
_GOES_ON = 3  # characters of a number behind which it can go on: "1e+"
_LONGEST_FACT = 300
_LONG = '"-0123456789'  # what a token of any length begins with
_TOKEN = re.compile(
    r"""[ \t\n\r]*+(?:([\[\]{},:])
    |("[^"\\\x00-\x1f]*+(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})[^"\\\x00-\x1f]*+)*+")
    |(-?(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?(?:[eE][+-]?[0-9]++)?|true|false|null)
    |(NaN|-?Infinity))""",
    re.VERBOSE,
)
_NAMED = frozenset({"class_name", "module"})
_LAMBDAS = frozenset({"Lambda", "__lambda__"})
# Of Keras, the modules of layers and what belongs to them; keras.utils, for one, has functions that fetch and write.
_KERAS = re.compile(
    r"(?:tf_keras|keras)(?:\.(?:layers|models|initializers|optimizers(?:\.schedules)?|losses|metrics|regularizers"
    r"|constraints|activations|dtype_policies|src\.models\.(?:functional|sequential|model)))?"
)


@dataclass
class _Level:
    """An object or array that is open; ``facts`` are the values of its keys that matter."""

    closing: str
    name: str
    key: str = ""
    facts: dict[str, str] = field(default_factory=dict)


class JsonTokens:
    """Feed it text; ``done`` once one value has ended, ``failed`` when it is none, ``hazard`` if it can execute code.

    ``strict`` is False for NaN and infinities, which Python reads. ``compound`` is whether it is an object or an array,
    ``consumed`` how many characters were read.
    """

    def __init__(self) -> None:
        self.done = self.failed = self.compound = False
        self.strict, self.consumed = True, 0
        self.hazard: str | None = None
        self._rest = ""
        self._levels: list[_Level] = []
        self._expected = "value"

    def feed(self, text: str, *, last: bool = False, follows: bool = False) -> None:
        """Read on. With *follows* anything may follow the value, else only blanks. Raises Undecidable."""
        if self.failed or (self.done and follows):
            return
        text = self._rest + text
        position, end = 0, len(text)
        while match := _TOKEN.match(text, position):
            if match[3] and end - match.end() < _GOES_ON and not last:
                break  # it may go on
            position = match.end()
            if not self._take(match):
                self.failed = True
                return
            if self.done and follows:
                self.consumed += position
                return
        self._rest = text[position:].lstrip(" \t\n\r")
        self.consumed += end - len(self._rest)
        if len(self._rest) > LONGEST_TOKEN and self._rest[0] in _LONG:
            raise Undecidable("JSON with a text that is too long to look at")
        is_wrong = bool(self._rest) and (last or (len(self._rest) > _LONGEST_FACT and self._rest[0] not in _LONG))
        self.failed = is_wrong or (last and not self.done)

    def _take(self, match: re.Match[str]) -> bool:
        """Apply a token; return False where it must not stand."""
        mark, string, _, constant = match.groups()
        if constant:
            self.strict = False
        if mark in {"{", "["} and self._expects_value:
            return self._open(mark)
        if mark in {"}", "]"}:
            return self._close(mark)
        if mark == ",":
            return self._expect_after("comma", "key" if self._levels and self._levels[-1].closing == "}" else "value")
        if mark == ":":
            return self._expect_after("colon", "value")
        if string and self._expected in {"key", "key or end"}:
            return self._take_key(_decoded(string))
        if mark or not self._expects_value:
            return False
        if string and self._levels:
            self._note_value(string)
        return self._end_value()

    @property
    def _expects_value(self) -> bool:
        return self._expected in {"value", "value or end"}

    def _expect_after(self, present: str, following: str) -> bool:
        if self._expected != present:
            return False
        self._expected = following
        return True

    def _open(self, mark: str) -> bool:
        above = self._levels[-1] if self._levels else None
        name = "" if above is None else above.key if above.closing == "}" else above.name
        self._levels.append(_Level("}" if mark == "{" else "]", name))
        self._expected = "key or end" if mark == "{" else "value or end"
        self.compound = True
        if len(self._levels) > DEEPEST:
            raise Undecidable("JSON that is nested too deeply to look through")
        return True

    def _close(self, mark: str) -> bool:
        ends = {"comma", "key or end" if mark == "}" else "value or end"}
        if not self._levels or self._levels[-1].closing != mark or self._expected not in ends:
            return False
        facts = self._levels.pop().facts
        if facts.get("class_name") in _LAMBDAS:
            self.hazard = "a Lambda layer of Keras"
        elif len(facts) == len(_NAMED) and not _KERAS.fullmatch(facts["module"]):
            self.hazard = f"the class {facts['class_name']} of the module {facts['module']}"
        return self._end_value()

    def _take_key(self, key: str) -> bool:
        self._levels[-1].key = key
        if key.startswith("py/"):
            self.hazard = f"the key {key} of jsonpickle"
        self._expected = "colon"
        return True

    def _note_value(self, string: str) -> None:
        level = self._levels[-1]
        if level.closing == "}" and level.key in _NAMED:
            level.facts[level.key] = _decoded(string)
        if level.name == "auto_map" and "--" in _decoded(string):
            self.hazard = f"code of another repository: {_decoded(string)}"

    def _end_value(self) -> bool:
        if not self._levels:
            if self.done:
                return False
            self.done = True
        self._expected = "comma" if self._levels else "nothing"
        return True


def _decoded(string: str) -> str:
    """Return the text of a string token; of a very long one, which is no name, its beginning."""
    if "\\" not in string:
        return string[1 : _LONGEST_FACT + 1].removesuffix('"')
    text: str = json.loads(string)
    return text[:_LONGEST_FACT]
