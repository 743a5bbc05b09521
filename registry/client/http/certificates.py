"""Certificates that TLS connections trust: the public ones or those of the environment, and a private CA's."""

from __future__ import annotations

import os
import ssl
import threading
from collections.abc import Mapping
from pathlib import Path

import certifi
from urllib3.util.ssl_ import create_urllib3_context

from registry.client import errors

VARIABLE = "REGISTRY_CA_FILE"
_BUNDLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")  # a file or a directory, as requests reads them
_OPENSSL = ("SSL_CERT_FILE", "SSL_CERT_DIR")


class Trust:
    """The certificates for the connections of one client, to the registry and to its store. Threads may share it.

    *ca_file*, or else REGISTRY_CA_FILE, is trusted in addition to the others: a private registry may keep its bytes in
    a public store. The others are those of REQUESTS_CA_BUNDLE or CURL_CA_BUNDLE, else of SSL_CERT_FILE and
    SSL_CERT_DIR, else certifi's.

    Raises CertificatesUnreadable for an unreadable *ca_file*; for the others, the first connection by TLS raises it.
    """

    def __init__(self, ca_file: str | Path | None = None, environ: Mapping[str, str] | None = None) -> None:
        self._environ = os.environ if environ is None else environ
        self._lock = threading.Lock()
        self._context: ssl.SSLContext | None = None
        self.ca_file = ca_file
        named = self._environ.get(VARIABLE)
        self._own = (str(ca_file), "ca_file (--ca-file)") if ca_file else (named, VARIABLE) if named else None
        if self._own:
            _load(create_urllib3_context(), *self._own)

    @property
    def context(self) -> ssl.SSLContext:
        """The context with all certificates; made once, when it is first needed."""
        with self._lock:
            if self._context is None:
                self._context = self._made()
            return self._context

    def _made(self) -> ssl.SSLContext:
        context = create_urllib3_context()
        variables = [name for name in _BUNDLES if self._environ.get(name)][:1]
        for variable in variables or [name for name in _OPENSSL if self._environ.get(name)]:
            _load(context, self._environ[variable], variable)
            variables = variables or [variable]
        if not variables:
            context.load_verify_locations(cafile=certifi.where())
        if self._own:
            _load(context, *self._own)
        return context


def _load(context: ssl.SSLContext, path: str, source: str) -> None:
    """Trust the certificates in a file, or in one or more directories as OpenSSL hashes them."""
    try:
        if source == "SSL_CERT_DIR" or (source in _BUNDLES and Path(path).is_dir()):
            for directory in path.split(os.pathsep):
                if Path(directory).is_dir():
                    context.load_verify_locations(capath=directory)
        else:
            context.load_verify_locations(cafile=path)
    except ssl.SSLError as error:
        raise errors.CertificatesUnreadable(f"{source}: {path} holds no certificates in PEM form.") from error
    except OSError as error:
        raise errors.CertificatesUnreadable(f"{source}: {path}: {error.strerror or error}.") from error
