"""The client itself: one object, one registry."""

from __future__ import annotations

from pathlib import Path
from typing import Self, Unpack

from registry.client import downloads, registration, verification
from registry.client.access import Tokens
from registry.client.catalog import Models, Versions
from registry.client.downloads import Pulled
from registry.client.errors import NotFound
from registry.client.governance import Aliases, Audit, Stages
from registry.client.progress import Progress
from registry.client.references import Reference, parse
from registry.client.registration import Facts, Registered
from registry.client.transport import Timeout, Transport
from registry.client.types import MeView, VersionView
from registry.client.uploads import Uploads
from registry.client.verification import Verification

TIMEOUT: Timeout = (5.0, 60.0)
RETRIES = 4
JOBS = 4


class RegistryClient:
    """A registry at *url*. Use it as a context manager, or close it; threads may share it.

    Every call raises RegistryError or a subclass (see ``errors``), after *retries* attempts where trying again can
    help. *timeout* is seconds to connect and seconds between two bytes of an answer. The token is sent to the
    registry's own origin only, and over plain http only to this machine unless *insecure*. A URL that is none is a
    ValueError.

    Methods that take a reference accept ``fraud:7``, ``fraud@champion``, ``fraud#production``, ``models:/fraud/7``
    or a Reference; text that is no reference is a ValueError.
    """

    def __init__(
        self,
        url: str,
        token: str | None = None,
        *,
        timeout: float | Timeout = TIMEOUT,
        retries: int = RETRIES,
        insecure: bool = False,
    ) -> None:
        limits = timeout if isinstance(timeout, tuple) else (min(timeout, TIMEOUT[0]), timeout)
        self._transport = Transport(url, token=token, timeout=limits, retries=retries, insecure=insecure)
        self.models = Models(self._transport)
        self.versions = Versions(self._transport)
        self.uploads = Uploads(self._transport)
        self.stages = Stages(self._transport)
        self.aliases = Aliases(self._transport)
        self.audit = Audit(self._transport)
        self.tokens = Tokens(self._transport)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    @property
    def url(self) -> str:
        return self._transport.url

    def me(self) -> MeView:
        """Who the caller is, and what they may do."""
        return self._transport.one(MeView, "GET", "/me")

    def register(
        self,
        model: str,
        source: str | Path,
        *,
        idempotency_key: str | None = None,
        jobs: int = JOBS,
        progress: Progress | None = None,
        **facts: Unpack[Facts],
    ) -> Registered:
        """Register the files of a directory, or one file under its own name, as a new version of *model*.

        Files are hashed and uploaded in *jobs* threads; what the registry has already is not sent. The same files
        from the same ``run`` give the version that there is. Raises UnfitSource for files that cannot be registered.
        """
        return registration.register(
            self._transport,
            model,
            Path(source),
            facts,
            jobs=jobs,
            idempotency_key=idempotency_key,
            progress=progress,
        )

    def resolve(self, reference: str | Reference, *, as_of: str | None = None) -> VersionView:
        """The version that *reference* means, now or at *as_of*; raises NotFound."""
        meant = _reference(reference)
        return self.versions.get(meant.model, self.number(meant, as_of=as_of))

    def number(self, reference: str | Reference, *, as_of: str | None = None) -> int:
        """The number of the version that *reference* means; a bare model means its latest."""
        meant = _reference(reference)
        if meant.version is not None:
            return meant.version
        if meant.stage is not None:
            return self.stages.holder(meant.model, meant.stage, as_of=as_of)["number"]
        if meant.alias is not None:
            return self.aliases.get(meant.model, meant.alias, as_of=as_of)["number"]
        latest = self.models.get(meant.model)["latest_version"]
        if latest is None:
            raise NotFound(f"{meant.model} has no versions yet.", status=404)
        return latest

    def pull(
        self,
        reference: str | Reference,
        directory: str | Path,
        *,
        jobs: int = JOBS,
        force: bool = False,
        progress: Progress | None = None,
    ) -> Pulled:
        """Download a version's files into *directory*, verified; files that are there already are not fetched again.

        Raises TargetOccupied when the directory holds anything else (*force* overwrites what has a registered path
        and leaves the rest), IntegrityError when other bytes than the registered ones arrive.
        """
        version = self.resolve(reference)
        return downloads.pull(self._transport, version, Path(directory), jobs=jobs, force=force, progress=progress)

    def verify(
        self, directory: str | Path, reference: str | Reference, *, jobs: int = JOBS, progress: Progress | None = None
    ) -> Verification:
        """Compare a directory with a version: names, sizes and digests of all files."""
        version = self.resolve(reference)
        files = downloads.manifest(self.versions, version)
        return verification.compare(Path(directory), version, files, jobs=jobs, progress=progress)


def _reference(reference: str | Reference) -> Reference:
    return parse(reference) if isinstance(reference, str) else reference
