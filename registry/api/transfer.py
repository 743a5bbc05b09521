"""The signed addresses of the local store: what a presigned URL is to S3."""

from __future__ import annotations

from flask import Blueprint, Response, request

from registry.http import files
from registry.http.access import public
from registry.http.bodies import announced_length, takes_file
from registry.http.context import store
from registry.services.uploads import announcement

blueprint = Blueprint("transfer", __name__)


@blueprint.put("/transfer/<token>")
@takes_file
@public("the address is the credential: signed by us for one object, one size and a short time")
def receive(token: str) -> Response:
    """Store the body under the key that the address was signed for."""
    announcement.require_open(store().key_of(token))
    store().receive(token, request.stream, announced_length(request))
    return Response(status=204)


@blueprint.get("/transfer/<token>")
@public("the address is the credential: signed by us for one object and a short time")
def serve(token: str) -> Response:
    """Send the object that the address was signed for; Range works."""
    return files.send(token)
