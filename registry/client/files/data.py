"""Data that a version was made with: a file, a directory, a digest, or an address with a digest."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, cast
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from registry.client.errors import UnfitSource
from registry.client.fields import given
from registry.client.files import pointers, scan
from registry.client.files.scan import Found
from registry.client.files.selection import Selection
from registry.client.types import BaseModel, Dataset
from registry.rules import digests, ignored, lineage_limits, manifest, places
from registry.rules.lineage_kinds import DATASET_ROLES

MOST_FILES = 1_000_000  # of a directory of data
JOBS = 4
_ADDRESS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*://.+?)(?:@([^@/]+))?\Z", re.DOTALL)
_LIKE_A_DIGEST = re.compile(r"[A-Za-z0-9-]+:[0-9A-Fa-f]+(?:\.dir)?\Z")
# What of a query names the data. Everything else may be a signature or a token.
_VERSIONS = {"versionid", "generation", "snapshot", "version", "revision", "ref"}


class LocatedDataset(dict[str, Any]):
    """A dataset that was read from a file or a directory: ``path`` is for those who look for more digests of it."""

    def __init__(self, dataset: Mapping[str, Any], path: Path) -> None:
        super().__init__(dataset)
        self.path = path


def described(text: str) -> Dataset:
    """Return the dataset of ``[ROLE=][NAME=]DATA``; the role is train unless it is named.

    DATA is a file or a directory here, a digest, or an address with a digest, as ``s3://bucket/key@sha256:…``, or with
    the version of a table, as ``s3://bucket/table@version:12``. A pointer of git-lfs or DVC stands for what it points
    at. Raises UnfitSource.
    """
    role, equals, rest = text.partition("=")
    if not equals or role not in DATASET_ROLES or scan.exists(text):
        role, rest = "train", text
    name, equals, place = rest.partition("=")
    if not equals or scan.exists(rest) or "://" in name:
        name, place = "", rest
    return of(place, name=name or None, role=role)


def of(place: str | Path, *, name: str | None = None, role: str = "train") -> Dataset:
    """Return the dataset at *place*, as ``described`` takes it; a LocatedDataset for one here. Raises UnfitSource."""
    is_here = scan.exists(place)
    dataset = _local(Path(place)) if is_here else _elsewhere(str(place))
    dataset["name"] = (name or dataset["name"])[: lineage_limits.DATASET_NAME_LENGTH]
    dataset["role"] = cast(Any, role)
    return cast(Dataset, LocatedDataset(dataset, Path(place))) if is_here else dataset


def base_model(text: str) -> BaseModel:
    """Return the model outside of the registry of ``URI[@DIGEST]`` or of a digest. Raises UnfitSource.

    What follows the last ``@`` is a digest if it names its algorithm, as ``@sha256:…``; otherwise it is a revision and
    belongs to the URI.
    """
    if not (address := _ADDRESS.match(text)):
        return {"digests": [_parse_digest(text)]}
    if address[2] and ":" in address[2]:
        return {"uri": public_address(address[1]), "digests": [_parse_digest(address[2])]}
    revision = f"@{address[2]}" if address[2] else ""
    return {"uri": public_address(address[1]) + revision}


def address_of(text: str) -> str | None:
    """Return the address that a text is, without secrets; None for one with a digest, and for what is here."""
    address = _ADDRESS.match(text)
    return None if address is None or address[2] or scan.exists(text) else public_address(address[1])


def directory_digest(directory: Path) -> str:
    """Return the digest that the files below *directory* have as a version: that of their manifest.

    What a registration leaves out by default is left out here. Links are followed, and pointers of git-lfs count as the
    files that they point at. Paths that a version cannot hold are no obstacle. Raises UnfitSource.
    """
    keep = Selection(default=ignored.PATTERNS).rules()
    files = list(scan.walk(directory, keep, follow_links=True, most=MOST_FILES + 1))
    if not files:
        raise UnfitSource(f"{directory} holds no file.")
    if len(files) > MOST_FILES:
        raise UnfitSource(f"{directory} holds more than {MOST_FILES:,} files. Give a digest: NAME=sha256:…")
    if unread := next((file for file in files if not file.readable), None):
        raise UnfitSource(f"{directory / unread.path}: {unread.problem}.")
    try:
        return manifest.digest(_directory_entries(files))
    except UnicodeEncodeError as error:
        raise UnfitSource(f"{directory} has a file whose name is not UTF-8.") from error


def _directory_entries(found_files: Sequence[Found]) -> list[dict[str, object]]:
    files = scan.hashed(found_files, jobs=JOBS, progress=None)
    entries = []
    for file, hashed in zip(found_files, files, strict=True):
        pointer = None if file.path.endswith(pointers.DVC_SUFFIX) else pointers.of(file)
        size, sha256 = hashed.size, hashed.sha256
        if pointer and pointer.size is not None:
            size, sha256 = pointer.size, pointer.digest.removeprefix("sha256:")
        entries.append({"path": file.path, "size": size, "sha256": sha256, "media_type": manifest.MEDIA_TYPE})
    return entries


def _local(path: Path) -> Dataset:
    name = path.name or path.resolve().name
    file = scan.single(path)
    if path.is_dir():
        return {"name": name, "digests": [directory_digest(path)]}
    if not file.readable:
        raise UnfitSource(f"{path}: {file.problem}.")
    if pointer := pointers.of(file):
        name = PurePosixPath(pointer.path).name if pointer.path else name
        described = given(name=name, digests=[pointer.digest], uri=pointer.uri and public_address(pointer.uri))
        return cast(Dataset, described)
    if name == "dvc.lock":
        raise UnfitSource(f"{path} names many files. Give the digest of one that it holds: NAME=md5:…")
    return {"name": name, "digests": [f"sha256:{scan.digest(path)}"]}


def _elsewhere(text: str) -> Dataset:
    if address := _ADDRESS.match(text):
        if not address[2]:
            raise UnfitSource(f"{text!r} is not read from here. Add the digest of its bytes: {text}@sha256:…")
        uri = public_address(address[1])
        name = PurePosixPath(urlsplit(uri).path).name or urlsplit(uri).netloc
        algorithm, _, version = address[2].partition(":")
        is_version = algorithm == places.VERSION and version
        digest = places.version_digest(uri, version) if is_version else _parse_digest(address[2])
        return {"name": name, "digests": [digest], "uri": uri}
    try:
        digest = digests.stored(text)
    except ValueError as error:
        if _LIKE_A_DIGEST.match(text):
            raise UnfitSource(f"{error}.") from error
        pointer = f"{text}{pointers.DVC_SUFFIX}"
        pointer = f" {pointer} is there: give that." if scan.exists(pointer) else ""
        raise UnfitSource(
            f"{text!r} is not a file or a directory here, nor a digest, nor an address with a digest.{pointer}"
        ) from None
    return {"name": digest, "digests": [digest]}


def _parse_digest(text: str) -> str:
    try:
        return digests.stored(text)
    except ValueError as error:
        raise UnfitSource(f"{error}.") from error


def public_address(uri: str) -> str:
    """Return *uri* without passwords and the parts of its query that do not name a version of the data.

    A user without a password stays but in http: it is the container in Azure's ``abfss://container@account/path``.
    Raises UnfitSource for one that cannot be parsed or is longer than a registry takes.
    """
    try:
        parts = urlsplit(uri)
        _ = parts.port  # raises for one that is no number
    except ValueError as error:
        raise UnfitSource(f"{uri!r} is no address: {error}.") from error
    user, at, host = parts.netloc.rpartition("@")
    if at and parts.scheme not in ("http", "https") and ":" not in user:
        host = f"{user}@{host}"
    query = [(key, value) for key, value in parse_qsl(parts.query) if key.lower() in _VERSIONS]
    public = urlunsplit((parts.scheme, host, parts.path, urlencode(query), ""))
    if len(public) > lineage_limits.URI_LENGTH:
        raise UnfitSource(f"an address of data has at most {lineage_limits.URI_LENGTH} characters.")
    return public
