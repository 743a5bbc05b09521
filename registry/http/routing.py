"""Rules of addresses that are compiled once in a process, however many apps it makes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from werkzeug.routing import Rule

_Build = Callable[..., tuple[str, str]]
_builders: dict[tuple[str, bool, bool], _Build] = {}


class OnceCompiledRule(Rule):
    """A rule that shares the functions that build its addresses with every rule of the same text.

    Compiling them is most of what creating an app takes. A server creates one before it forks, and one in each worker.
    Werkzeug's functions take all that differs between apps, such as converters, from the rule that they are given.
    """

    def _compile_builder(self, append_unknown: bool = True) -> Any:
        if self.defaults or self.subdomain or self.host:
            return super()._compile_builder(append_unknown)
        key = (self.rule, self.merge_slashes is True, append_unknown)
        if key not in _builders:
            _builders[key] = super()._compile_builder(append_unknown)
        return _builders[key]
