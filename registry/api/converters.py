"""Parts of addresses that can name something; anything else is an address that does not exist."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, ClassVar

from flask import Flask, Request, current_app
from werkzeug.exceptions import MethodNotAllowed, NotFound
from werkzeug.routing import BaseConverter, PathConverter, ValidationError

from registry.rules import names, paths
from registry.rules.audit_log.tiles import Tile, TileError
from registry.rules.names import Rule

if TYPE_CHECKING:
    from flask_smorest import Api

LARGEST_NUMBER = 2**31 - 1
_NUMBER = re.compile(r"[1-9][0-9]{0,9}\Z", re.ASCII)
TILE_PATTERN = r"^([0-7]|entries)/(x[0-9]{3}/)*[0-9]{3}(\.p/[1-9][0-9]{0,2})?$"
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}\Z")
_TOKEN_ID = re.compile(r"[0-9A-Za-z]{12}\Z")


class Named(BaseConverter):
    """A part that obeys ``rule``."""

    rule: ClassVar[tuple[Rule]]  # in a tuple: a bare function would become a method

    def to_python(self, value: str) -> str:
        if self.rule[0](value) is not None:
            raise ValidationError
        return value


class ModelName(Named):
    rule = (names.model_name_problem,)


class AliasName(Named):
    rule = (names.prompt_alias_problem,)


class ManifestPath(PathConverter):
    """The path of a registered file, also of one that earlier releases took."""

    def to_python(self, value: str) -> str:
        if paths.containment_problem(value) is not None:
            raise ValidationError
        return value


class NumberConverter(BaseConverter):
    """A version's number: decimal, without sign or leading zero, within a 32-bit integer."""

    def to_python(self, value: str) -> int:
        if not _NUMBER.match(value) or int(value) > LARGEST_NUMBER:
            raise ValidationError
        return int(value)


class TilePath(PathConverter):
    """The path of a tile, or of a bundle of entries, in its one spelling (C2SP tlog-tiles)."""

    def to_python(self, value: str) -> Tile:
        try:
            return Tile.parse(value)
        except TileError:
            raise ValidationError from None


class DigestConverter(BaseConverter):
    """A digest, as ``sha256:`` and 64 hexadecimal digits in lower case."""

    def to_python(self, value: str) -> str:
        if not _DIGEST.match(value):
            raise ValidationError
        return value


class TokenId(BaseConverter):
    def to_python(self, value: str) -> str:
        if not _TOKEN_ID.match(value):
            raise ValidationError
        return value


def register(app: Flask) -> None:
    """Teach *app* the parts, and to take each address as it is written."""
    app.url_map.converters |= {
        "model": ModelName,
        "alias": AliasName,
        "manifest_path": ManifestPath,
        "number": NumberConverter,
        "digest": DigestConverter,
        "tile": TilePath,
        "token": TokenId,
    }
    app.url_map.merge_slashes = False


def refuse_unnameable(request: Request) -> None:
    """Answer 404, before each request, to a URL with a part that can name nothing, for any method.

    Werkzeug answers 405 there when it has passed a rule of another method before it checks the part.
    """
    refused = request.routing_exception
    if not isinstance(refused, MethodNotAllowed):
        return
    adapter = current_app.create_url_adapter(request)
    if adapter is not None and not any(adapter.test(method=method) for method in refused.valid_methods or ()):
        raise NotFound


def document(api: Api) -> None:
    """Describe the URL parts in the OpenAPI document."""
    text = {"type": "string"}
    api.register_converter(ModelName, lambda _: text | {"minLength": 1, "maxLength": names.MODEL_NAME_LENGTH})
    api.register_converter(AliasName, lambda _: text | {"pattern": "^[A-Za-z0-9_-]{1,255}$"})
    api.register_converter(ManifestPath, lambda _: text | {"minLength": 1, "maxLength": paths.PATH_BYTES})
    api.register_converter(NumberConverter, lambda _: {"type": "integer", "minimum": 1, "maximum": LARGEST_NUMBER})
    api.register_converter(DigestConverter, lambda _: text | {"pattern": "^sha256:[0-9a-f]{64}$"})
    api.register_converter(TilePath, lambda _: text | {"pattern": TILE_PATTERN})
    api.register_converter(TokenId, lambda _: text | {"pattern": "^[0-9A-Za-z]{12}$"})
