"""The client itself: one object, one registry."""

from __future__ import annotations

from pathlib import Path

from registry.client.progress import Progress
from registry.client.promotion import Promotion
from registry.client.transfer import evidence
from registry.client.types import MeView
from registry.client.values import When
from registry.client.version_files import VersionFiles


class RegistryClient(Promotion, VersionFiles):
    """A registry at *url*. Use it as a context manager, or close it; threads may share it.

    Without *url* the registry is that of the ``registry`` command: of REGISTRY_URL, of the user's login, or of
    ``.registry.toml`` here or above. So is the token: REGISTRY_TOKEN, REGISTRY_TOKEN_FILE or the saved one. With
    *url* only *token* is sent.

    Every call raises RegistryError or a subclass (see ``errors``), after *retries* attempts where a retry can help.
    Connections that fail, and 502 and 503, are retried for *retry_seconds*: by default REGISTRY_RETRY_SECONDS, or
    60 in CI and 10 elsewhere; 0, or no *retries*: not at all. *on_retry* gets a sentence about such an outage;
    by default it is logged as a warning of ``registry.client``. Every write is repeated with its Idempotency-Key.

    *timeout* is in seconds, to connect and between two bytes of an answer. The token is sent to the registry's origin
    only, and over plain http only to this machine unless *insecure*. An invalid URL is a ValueError.

    *ca_file*, or REGISTRY_CA_FILE, has the certificates of a private CA, trusted for the registry and its store. They
    add to the public ones, or to those of REQUESTS_CA_BUNDLE, SSL_CERT_FILE and SSL_CERT_DIR. Raises
    CertificatesUnreadable for a file without any.

    Methods that take a reference accept ``fraud:7``, ``fraud@champion``, ``fraud#production``, ``models:/fraud/7``
    or a Reference; text that is no reference is a ValueError.
    """

    def me(self) -> MeView:
        """Return the account and the permissions of the caller."""
        return self._transport.one(MeView, "GET", "/me")

    def evidence(
        self,
        model: str,
        file: str | Path,
        *,
        version: int | None = None,
        since: When | None = None,
        until: When | None = None,
        profile: str | None = None,
        checkpoint: int | None = None,
        progress: Progress | None = None,
    ) -> int:
        """Write an archive with all that is recorded of a model to *file*; return its size. Needs the role auditor.

        It holds the audit entries with proofs, and the facts that follow from them, as they were before *until*. Facts
        that ended before *since* are left out, as are those of other versions than *version*. *profile* orders them by
        the clauses of a text: ``eu-ai-act-annex-iv``, ``iso-42001``, ``nist-ai-rmf`` or ``sr-26-2``. *checkpoint* is
        the size of the log in an earlier archive, to get that again. A file at *file* is replaced when the archive has
        arrived whole.

        Raises NotFound; NotSealed while no published checkpoint covers the entries of the model; or Conflict when the
        log was changed.
        """
        query = {"version": version, "from": since, "to": until, "profile": profile, "checkpoint": checkpoint}
        return evidence.download(self._transport, model, Path(file), query=query, progress=progress)
