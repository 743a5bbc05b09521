"""The sealed log: its checkpoint, its tiles, proofs of entries, and the entries by position."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import Response, stream_with_context

from registry.api import audit_examples
from registry.api.blueprint import Blueprint
from registry.api.refusal_docs import refuses
from registry.api.schemas.sealed_log import SealedPage, SealedQuery
from registry.domain.access import Permission
from registry.domain.errors import Conflict, NotFound, NotSealed
from registry.http.access import requires
from registry.rules.audit_log.tiles import WIDTH, Tile
from registry.services import sealed_log
from registry.services.sealed_log import LogPage

blueprint = Blueprint(
    "sealed_log", __name__, url_prefix="/api/v1", description="Audit entries by position, and proofs of them."
)
tiles = Blueprint(
    "tiles", __name__, url_prefix="/audit", description="The sealed audit log in the layout of C2SP tlog-tiles."
)
_TEXT, _BYTES = "text/plain; charset=utf-8", "application/octet-stream"
_IMMUTABLE = "private, max-age=31536000, immutable"


@blueprint.route("/audit/<uuid:entry>/proof")
@refuses(NotSealed, Conflict)
@blueprint.response(
    200,
    description="A proof in the format c2sp.org/tlog-proof@v1.",
    content_type="text/plain",
    example=audit_examples.PROOF,
)
@requires(Permission.AUDIT_READ)
def prove_entry(entry: UUID) -> Response:
    """Prove that an audit entry is in the sealed log, under its latest checkpoint.

    The proof is verified offline, with the bytes of the entry and a public key of the log.
    """
    return _sent(sealed_log.proof(str(entry)), _TEXT, cached="no-store")


@blueprint.route("/audit/sealed")
@blueprint.arguments(SealedQuery, location="query")
@blueprint.response(200, SealedPage)
@requires(Permission.AUDIT_READ)
def list_sealed_entries(query: dict[str, Any]) -> LogPage:
    """List audit entries in the order of their positions, up to the latest checkpoint.

    Without a checkpoint, all entries that have a position are listed.
    """
    return sealed_log.sealed(**query)


@tiles.route("/checkpoint")
@refuses(NotFound)
@tiles.response(
    200,
    description="The latest checkpoint, a signed note (C2SP tlog-checkpoint).",
    content_type="text/plain",
    example=audit_examples.CHECKPOINT,
)
@requires(Permission.AUDIT_READ)
def get_checkpoint() -> Response:
    """Show the latest checkpoint of the sealed log: its origin, size and root, signed."""
    return _sent(sealed_log.checkpoint(), _TEXT, cached="no-store")


@tiles.route("/keys")
@tiles.response(
    200,
    description="The keys, one a line; no line where nothing has signed.",
    content_type="text/plain",
    example=audit_examples.LOG_KEYS,
)
@requires(Permission.AUDIT_READ)
def get_log_keys() -> Response:
    """Show the public keys that sign checkpoints, as verifiers take them (C2SP signed-note)."""
    return _sent("".join(f"{key}\n" for key in sealed_log.public_keys()), _TEXT, cached="no-store")


@tiles.route("/tile/<tile:tile>")
@refuses(Conflict)
@tiles.response(200, description="The hashes of the tile, or the entries of the bundle.", content_type=_BYTES)
@requires(Permission.AUDIT_READ)
def get_tile(tile: Tile) -> Response:
    """Download a tile of hashes, or a bundle of entries, of the sealed log (C2SP tlog-tiles).

    A partial tile, such as `0/000.p/17`, is the beginning of the full one.
    """
    cached = _IMMUTABLE if tile.width == WIDTH else "private, no-cache"
    if tile.level is None:
        return _sent(stream_with_context(sealed_log.bundle(tile)), _BYTES, cached=cached)
    return _sent(sealed_log.tile(tile), _BYTES, cached=cached)


def _sent(content: Any, content_type: str, *, cached: str) -> Response:
    return Response(content, content_type=content_type, headers={"Cache-Control": cached})
