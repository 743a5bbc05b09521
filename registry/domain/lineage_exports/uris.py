"""URIs from the addresses that registrations hold, which may be any text."""

from __future__ import annotations

import re
from urllib.parse import quote

_KEPT = "%:/?#@!$&'()*+,;=~"
_STRAY_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_SCP = re.compile(r"(?P<host>[A-Za-z0-9._-]+@[A-Za-z0-9._-]+):(?P<path>[^/\s]\S*)\Z")  # git@host:org/repo.git
_CHARACTER = r"(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})"
_URI = re.compile(  # RFC 3986, section 3, without literal IPv6 addresses
    rf"[A-Za-z][A-Za-z0-9+.-]*:"
    rf"(?://(?:(?:(?!@){_CHARACTER})*@)?(?:(?![:@]){_CHARACTER})*(?::[0-9]*)?(?:/(?:{_CHARACTER}|/)*)?"
    rf"|(?!//)(?:{_CHARACTER}|/)*)"
    rf"(?:\?(?:{_CHARACTER}|[/?])*)?(?:#(?:{_CHARACTER}|[/?])*)?"
)
_HUGGING_FACE = re.compile(r"hf://(?P<owner>[^/@\s]+)/(?P<name>[^/@\s]+)(?:@(?P<revision>\S+))?\Z")
_COMMIT = re.compile(r"[0-9A-Fa-f]{7,64}\Z")


def uri_of(text: str | None) -> str | None:
    """Return *text* as a URI (RFC 3986), other characters percent-encoded; None where it has no form of one."""
    if not text:
        return None
    if scp := _SCP.match(text):
        text = f"ssh://{scp['host']}/{scp['path']}"
    address, mark, fragment = _STRAY_PERCENT.sub("%25", quote(text, safe=_KEPT)).partition("#")
    uri = address + mark + fragment.replace("#", "%23")
    return uri if _URI.fullmatch(uri) else None


def dataset_name(registry: str, name: str, uri: str | None) -> tuple[str, str]:
    """Return the namespace and the name of data in OpenLineage: of its address, otherwise of this registry."""
    scheme, separator, rest = (uri or "").partition("://")
    if not separator:
        return registry, name
    authority, slash, path = rest.partition("/")
    return (f"{scheme}://{authority}", path or "/") if authority else (scheme, slash + path or "/")


def version_purl(registry: str, model: str, number: int) -> str:
    """Return the package URL of a version: this registry has MLflow's protocol, whose type is ``mlflow``."""
    address = quote(f"{registry}/api/2.0/mlflow", safe="/:")
    return f"pkg:mlflow/{quote(model, safe='')}@{number}?repository_url={address}"


def base_model_purl(uri: str | None) -> tuple[str, str | None] | None:
    """Return the package URL and the revision of a model on Hugging Face; None for other addresses."""
    hub = _HUGGING_FACE.match(uri or "")
    if hub is None:
        return None
    revision = hub["revision"]
    version = f"@{revision.lower()}" if revision and _COMMIT.match(revision) else ""
    return f"pkg:huggingface/{quote(hub['owner'], safe='')}/{quote(hub['name'], safe='')}{version}", revision
