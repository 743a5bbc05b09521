"""Files as MLflow's artifact proxy serves them: list, bytes in and out, uploads in parts, signed downloads."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import quote, urlsplit

from flask import Blueprint, Response, jsonify, redirect, request
from flask.blueprints import BlueprintSetupState
from werkzeug import Response as BaseResponse
from werkzeug.routing import BaseConverter

from registry.domain.access import Permission
from registry.domain.errors import Malformed
from registry.http import downloads, files
from registry.http.access import requires
from registry.http.bodies import announced_length, load, takes_file, takes_parts
from registry.http.context import absolute, current_actor, limits, settings, store
from registry.mlflow.parsing import require_json
from registry.rules.manifest import MEDIA_TYPE
from registry.services.artifacts import artifact_files, multipart
from registry.services.artifacts.artifact_files import Signed
from registry.services.usage.downloads import Way
from registry.storage.driver import attachment

View = Callable[..., BaseResponse]
Decorator = Callable[[View], View]
PREFIXES = ("/api", "/ajax-api")
_MEDIA_TYPE = re.compile(r"[A-Za-z0-9!#$&^_.+-]{1,127}/[A-Za-z0-9!#$&^_.+-]{1,127}\Z")
_ETAG_LENGTH = 256

blueprint = Blueprint("mlflow_artifacts", __name__)


class Anything(BaseConverter):
    """The rest of a path, in any spelling; the service reports what is wrong with it."""

    regex = "(?s:.*?)"
    part_isolating = False
    weight = 300


@blueprint.record_once
def _teach(state: BlueprintSetupState) -> None:
    state.app.url_map.converters["anything"] = Anything


def _route(rule: str, *methods: str, version: str = "2.0") -> Decorator:
    """Serve *rule* to clients and, below another prefix, to browsers."""

    def register(view: View) -> View:
        for prefix in PREFIXES:
            blueprint.add_url_rule(f"{prefix}/{version}{rule}", view_func=view, methods=list(methods))
        return view

    return register


@_route("/mlflow-artifacts/artifacts", "GET")
@requires(Permission.FILE_DOWNLOAD)
def list_artifacts() -> BaseResponse:
    """List the direct entries of a folder."""
    entries = artifact_files.entries(_directory(request.args.get("path", "")))
    listing = [
        {"path": entry.name, "is_dir": True}
        if entry.size is None
        else {"path": entry.name, "is_dir": False, "file_size": entry.size}
        for entry in entries
    ]
    return jsonify({"files": listing} if listing else {})


@_route("/mlflow-artifacts/artifacts/<anything:path>", "PUT")
@takes_file
@requires(Permission.FILE_UPLOAD)
def upload(path: str) -> BaseResponse:
    """Store the body under a path, in place of an earlier file."""
    artifact_files.put(
        path,
        request.stream,
        announced=announced_length(request),
        media_type=_media_type(request.mimetype),
        actor=current_actor(),
        store=store(),
        most=limits().size,
        allow_secrets=settings().allow_secrets,
    )
    return jsonify({})


@_route("/mlflow-artifacts/artifacts/<anything:path>", "GET")
@requires(Permission.FILE_DOWNLOAD)
def download(path: str) -> BaseResponse:
    """Send a file; one that another server holds is fetched there, where Range works too."""
    signed = artifact_files.sign(path, store=store(), expires_in=settings().url_expiry)
    if signed.version:
        downloads.note(*signed.version, Way.MLFLOW)
    if signed.url.startswith(files.TRANSFER):
        return files.send(signed.url.removeprefix(files.TRANSFER), fresh=True)
    if signed.is_passing or urlsplit(signed.url).netloc == request.host:
        # An object that is being hashed goes away under its address; and on our own host clients would send their
        # token along, where S3 takes no two credentials.
        return _streamed(signed)
    response = redirect(absolute(signed.url), 302)
    response.headers["Cache-Control"] = "no-store"
    return response


@_route("/mlflow-artifacts/artifacts/<anything:path>", "DELETE")
@requires(Permission.FILE_UPLOAD)
def delete(path: str) -> BaseResponse:
    """Delete a file, or a folder with all that is in it; versions that were made from them keep their bytes."""
    artifact_files.remove(_directory(path), actor=current_actor(), store=store())
    return jsonify({})


@_route("/mlflow-artifacts/presigned/<anything:path>", "GET")
@requires(Permission.FILE_DOWNLOAD)
def presign(path: str) -> BaseResponse:
    """Return a URL of a file that works for a while, and the file's size.

    A file that is yet to be hashed has the service's own URL and no size: its object goes away. Without a size MLflow's
    client downloads it through the service; an error would end its download.
    """
    signed = artifact_files.sign(path, store=store(), expires_in=settings().url_expiry)
    if signed.is_passing:
        return jsonify({"url": absolute(quote(request.path.replace("/presigned/", "/artifacts/", 1))), "headers": {}})
    if signed.version:
        downloads.note(*signed.version, Way.MLFLOW)
    return jsonify({"url": absolute(signed.url), "headers": {}, "file_size": signed.size})


@_route("/mlflow-artifacts/mpu/create", "POST")
@_route("/mlflow-artifacts/mpu/create/<anything:directory>", "POST")
@requires(Permission.FILE_UPLOAD)
def begin_parts(directory: str = "") -> BaseResponse:
    """Begin a file that comes in parts: where each of them goes."""
    body = _json_body()
    begun = multipart.begin(
        _path(directory, body),
        _part_number(body, "num_parts"),
        actor=current_actor(),
        store=store(),
        limits=limits(),
        allow_secrets=settings().allow_secrets,
    )
    credentials = [
        {"url": target.url, "part_number": number, "headers": dict(target.headers)}
        for number, target in enumerate(begun.targets, start=1)
    ]
    return jsonify({"upload_id": begun.id, "credentials": credentials})


@_route("/mlflow-artifacts/mpu/complete", "POST")
@_route("/mlflow-artifacts/mpu/complete/<anything:directory>", "POST")
@takes_parts
@requires(Permission.FILE_UPLOAD)
def complete_parts(directory: str = "") -> BaseResponse:
    """Make the parts a file."""
    body = _json_body()
    multipart.complete(
        _path(directory, body),
        _required_text(body, "upload_id"),
        _etags(body),
        media_type=MEDIA_TYPE,
        actor=current_actor(),
        store=store(),
        limits=limits(),
        allow_secrets=settings().allow_secrets,
    )
    return jsonify({})


@_route("/mlflow-artifacts/mpu/abort", "POST")
@_route("/mlflow-artifacts/mpu/abort/<anything:directory>", "POST")
@requires(Permission.FILE_UPLOAD)
def abort_parts(directory: str = "") -> BaseResponse:
    """Give a file up that was to come in parts."""
    body = _json_body()
    _path(directory, body)
    multipart.abort(_required_text(body, "upload_id"), actor=current_actor(), store=store())
    return jsonify({})


@_route("/mlflow/server-info", "GET", version="3.0")
@requires(Permission.SELF_READ)
def server_info() -> BaseResponse:
    """Return the capabilities of the artifact proxy with this store."""
    return jsonify(
        {
            "store_type": "SqlStore",
            "workspaces_enabled": False,
            "artifact_serving_enabled": True,
            "artifacts_presigned_only": False,
            "multipart_uploads_enabled": store().gathers,
            "multipart_downloads_enabled": store().is_reached_directly,
        }
    )


def _streamed(signed: Signed) -> BaseResponse:
    chunks: Iterator[bytes] = store().read(signed.key)
    response = Response(chunks, content_type=signed.media_type)
    response.content_length = signed.size
    response.headers["Content-Disposition"] = attachment(signed.path)
    response.headers["Accept-Ranges"] = "none"
    return response


def _media_type(content_type: str) -> str:
    """Return the media type, empty for an invalid one: clients guess it by the file's name, and need not send it."""
    return content_type if _MEDIA_TYPE.match(content_type) else MEDIA_TYPE


def _json_body() -> Mapping[str, Any]:
    require_json(request)
    body = load(request)
    if not isinstance(body, dict):
        raise Malformed("the body must be one JSON object")
    return body


def _directory(path: str) -> str:
    """Return a folder's path without the slash that clients may add."""
    return path[:-1] if len(path) > 1 and path.endswith("/") else path


def _path(directory: str, body: Mapping[str, Any]) -> str:
    """Return the file's path; clients before 3.18 send where it is on their disk: its last step counts."""
    name = _required_text(body, "path").replace("\\", "/").rpartition("/")[2]
    directory = _directory(directory)
    return f"{directory}/{name}" if directory else name


def _etags(body: Mapping[str, Any]) -> dict[int, str]:
    parts = body.get("parts")
    if not isinstance(parts, list) or not parts or not all(isinstance(part, dict) for part in parts):
        raise Malformed("parts must list the parts that were sent, each with its part_number and etag")
    etags = {_part_number(part, "part_number"): _required_text(part, "etag") for part in parts}
    if len(etags) != len(parts):
        raise Malformed("parts names a part_number twice")
    if any(len(etag) > _ETAG_LENGTH for etag in etags.values()):
        raise Malformed(f"an etag has at most {_ETAG_LENGTH} characters")
    return etags


def _required_text(body: Mapping[str, Any], name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str) or not value:
        raise Malformed(_missing(name, "a text"))
    return value


def _part_number(body: Mapping[str, Any], name: str) -> int:
    value = body.get(name)
    if isinstance(value, str) and re.fullmatch("[0-9]{1,5}", value, re.ASCII):
        value = int(value)  # as protobuf's JSON may write it
    if not isinstance(value, int) or isinstance(value, bool):
        raise Malformed(_missing(name, "a whole number"))
    return value


def _missing(name: str, kind: str) -> str:
    return f"Missing value for required parameter '{name}': it must be {kind}"
