"""Advice for errors of boto3: the setting, the variable or the program to check."""

from __future__ import annotations

import re

from botocore import exceptions as botocore

_CODES = (
    (r"^(InvalidAccessKeyId|SignatureDoesNotMatch|InvalidToken|ExpiredToken)$",
     "correct AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or the role of this machine"),
    (r"^(403|AccessDenied|AllAccessDisabled|401)$",
     "correct the credentials (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY), or let them use the bucket; "
     "a proxy may refuse too"),
    (r"^(RequestTimeTooSkewed|RequestExpired)$", "set this machine's clock by NTP"),
    (r"^(301|307|PermanentRedirect|AuthorizationHeaderMalformed|IllegalLocationConstraintException)$",
     "correct REGISTRY_S3_REGION, or REGISTRY_S3_ENDPOINT_URL"),
    (r"^407$", "the HTTP proxy requires a login: HTTPS_PROXY or HTTP_PROXY with http://USER:PASSWORD@HOST:PORT"),
    (r"^50[234]$", "look at the store's server and at the proxy before it"),
    (r"^(413|EntityTooLarge)$", "raise the largest body that the store, or a proxy before it, takes"),
)  # fmt: skip
_TLS = (
    (r"hostname .* doesn't match|IP address mismatch|not valid for", "use a name that its certificate has"),
    (r"expired|not yet valid", "its certificate must be renewed, or this machine's clock is wrong"),
    (r"CERTIFICATE_VERIFY_FAILED", "set AWS_CA_BUNDLE to the private CA's certificate: deploy/docs/certificates.md"),
    (r"No such file|PEM lib|no certificate", "correct AWS_CA_BUNDLE, whose file holds no certificates"),
    (r"WRONG_VERSION_NUMBER|RECORD_LAYER", "it does not speak TLS: is REGISTRY_S3_ENDPOINT_URL http:?"),
)  # fmt: skip
_NETWORK = (
    (botocore.ProxyConnectionError, "look at HTTPS_PROXY, HTTP_PROXY and NO_PROXY"),
    (botocore.ConnectTimeoutError, "look at REGISTRY_S3_ENDPOINT_URL, and at firewalls on the way"),
    (botocore.ReadTimeoutError, "look at the load and the log of the store's server"),
    (botocore.ConnectionClosedError, "REGISTRY_S3_ENDPOINT_URL may have to begin with https:"),
    (botocore.EndpointConnectionError, "look at REGISTRY_S3_ENDPOINT_URL: the name, the port, and the network between"),
    (botocore.NoCredentialsError, "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give this machine a role"),
    (botocore.NoRegionError, "set REGISTRY_S3_REGION"),
)


def advised(error: Exception) -> str:
    """Return the error's text with what to do about it, where that is known."""
    text = " ".join(str(error).split())
    if isinstance(error, botocore.ClientError) and not _s3_code(error):
        text = f"{text} HTTP {_status(error)} without an error of S3"
    remedy = _remedy(error, text)
    return f"{text.removesuffix('.')}: {remedy}" if remedy else text


def _remedy(error: Exception, text: str) -> str | None:
    if isinstance(error, botocore.ClientError):
        code = _s3_code(error) or _status(error)
        return next((remedy for pattern, remedy in _CODES if re.search(pattern, code)), None)
    if isinstance(error, botocore.SSLError):
        return next((remedy for pattern, remedy in _TLS if re.search(pattern, text)), None)
    return next((remedy for kind, remedy in _NETWORK if isinstance(error, kind)), None)


def _s3_code(error: botocore.ClientError) -> str:
    """Return S3's code of the error; empty where the body has none, as a page of a proxy."""
    return str(error.response.get("Error", {}).get("Code", ""))


def _status(error: botocore.ClientError) -> str:
    return str(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", ""))
