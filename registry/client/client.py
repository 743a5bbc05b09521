"""The client itself: one object, one registry."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, Self, Unpack

from registry.client import comparison, registration
from registry.client.api import polling
from registry.client.api.catalog import Models, Versions
from registry.client.api.fields import UNSET, Expected, several
from registry.client.api.governance import Aliases, Audit, Stages
from registry.client.api.imports import Imports
from registry.client.api.jobs import Jobs
from registry.client.api.search import Search
from registry.client.api.tokens import Tokens
from registry.client.api.uploads import Uploads
from registry.client.comparison import Comparison
from registry.client.errors import NotFound
from registry.client.files import verify
from registry.client.files.selection import Selection
from registry.client.files.verify import Verification
from registry.client.http import credentials, retry, target
from registry.client.http.certificates import Trust
from registry.client.http.retry import Announce
from registry.client.http.transport import Timeout, Transport
from registry.client.references import Reference, parse
from registry.client.registration import Facts, Registered
from registry.client.transfer import archive, download
from registry.client.transfer.download import Pulled
from registry.client.transfer.download_cache import DownloadCache
from registry.client.transfer.progress import Progress
from registry.client.types import HeldStage, ImportView, MeView, MovedView, Stage, VersionView
from registry.client.values import When
from registry.rules import ignored

TIMEOUT: Timeout = (5.0, 60.0)
RETRIES = 4
JOBS = 4
_LOADABLE = frozenset({"ready", "unverified"})

log = logging.getLogger("registry.client")


class RegistryClient:
    """A registry at *url*. Use it as a context manager, or close it; threads may share it.

    Without *url* the registry is the one of the ``registry`` command: of REGISTRY_URL, of the user's login, or of
    ``.registry.toml`` here or above; and so is the token: REGISTRY_TOKEN, REGISTRY_TOKEN_FILE or the saved one. With
    *url* only *token* is sent.

    Every call raises RegistryError or a subclass (see ``errors``), after *retries* attempts where trying again can
    help. Connections that fail, and 502 and 503, are retried for *retry_seconds*: by default REGISTRY_RETRY_SECONDS, or
    60 in CI and 10 elsewhere; 0, or no *retries*: not at all. *on_retry* gets a sentence about such an outage;
    by default it is logged as a warning of ``registry.client``. Every write is repeated with its own Idempotency-Key.

    *timeout* is seconds to connect and seconds between two bytes of an answer. The token is sent to the
    registry's own origin only, and over plain http only to this machine unless *insecure*. A URL that is none is a
    ValueError.

    *ca_file*, or REGISTRY_CA_FILE, has the certificates of a private CA, which are trusted for the registry and its
    store in addition to the public ones, or to those of REQUESTS_CA_BUNDLE, SSL_CERT_FILE and SSL_CERT_DIR. Raises
    CertificatesUnreadable for a file without any.

    Methods that take a reference accept ``fraud:7``, ``fraud@champion``, ``fraud#production``, ``models:/fraud/7``
    or a Reference; text that is no reference is a ValueError.
    """

    def __init__(
        self,
        url: str | None = None,
        token: str | None = None,
        *,
        timeout: float | Timeout = TIMEOUT,
        retries: int = RETRIES,
        retry_seconds: float | None = None,
        on_retry: Announce | None = None,
        insecure: bool = False,
        ca_file: str | Path | None = None,
    ) -> None:
        if url is None:
            found = target.resolve(
                url=None,
                token=token,
                insecure=insecure,
                environ=os.environ,
                cwd=target.working_directory(),
                home=credentials.user_directory(),
            )
            url, token, insecure = found.url, found.token, found.insecure
            ca_file = ca_file or found.ca_file
        limits = timeout if isinstance(timeout, tuple) else (min(timeout, TIMEOUT[0]), timeout)
        if retry_seconds is None:
            retry_seconds = retry.seconds(os.environ) if retries else 0
        self._transport = Transport(
            url,
            token=token,
            timeout=limits,
            retries=retries,
            insecure=insecure,
            retry_seconds=retry_seconds,
            announce=on_retry or log.warning,
            trust=Trust(ca_file),
        )
        self.models = Models(self._transport)
        self.versions = Versions(self._transport)
        self.uploads = Uploads(self._transport)
        self.imports = Imports(self._transport)
        self.jobs = Jobs(self._transport)
        self.stages = Stages(self._transport)
        self.aliases = Aliases(self._transport)
        self.audit = Audit(self._transport)
        self.search = Search(self._transport)
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

    @property
    def token_expires_at(self) -> datetime | None:
        """When the token ends, if a response has warned of it: in its last 14 days, or the last fifth of its life.

        The first warning is also logged, by ``registry.client.http.token_expiry``.
        """
        return self._transport.expiry.at

    def me(self) -> MeView:
        """Who the caller is, and what they may do."""
        return self._transport.one(MeView, "GET", "/me")

    def register(  # noqa: PLR0913 -- options of one command, all of them named
        self,
        model: str,
        source: str | Path,
        *,
        include: Sequence[str] = (),
        exclude: Sequence[str] = (),
        default_ignores: bool = True,
        allow_secrets: bool = False,
        follow_links: bool = False,
        update: bool = False,
        new_version: bool = False,
        wait: bool = False,
        detect: bool = True,
        idempotency_key: str | None = None,
        jobs: int = JOBS,
        progress: Progress | None = None,
        **facts: Unpack[Facts],
    ) -> Registered:
        """Register the files of a directory, or one file under its own name, as a new version of *model*.

        Files are hashed and uploaded with *jobs* requests at once; what the registry has already is not sent, also of
        a file whose upload was interrupted. *include* and *exclude* are patterns as in ``.gitignore``, and so are the
        lines of the directory's ``.registryignore``. With *default_ignores* the files of version control, caches and
        operating systems are left out, too; ``ignored`` in the answer names them. Files that hold credentials are
        refused with HoldsCredentials unless *allow_secrets*. *follow_links* follows symbolic links that leave the
        directory, as those of a Hugging Face cache do.

        The run and the code are those of the CI system or git around this process, unless ``run`` or ``code`` are
        given, or *detect* is False. *progress* is called with what is done (``hash``, ``upload``) and with how many of
        how many bytes. Values that cannot be a fact, such as a list as a param, are a ValueError.

        Framework, signature and Python are read from an ``MLmodel`` file, and the digest of ``requirements.txt``, or of
        another file that pins packages, is recorded. Arguments win. The Python that runs this is not recorded.

        The same files from the same ``run`` give the version that there is; without a run, the same files with the same
        lineage. Raises FactsDiffer when it has other facts than those given here. *update* adds metrics, tags, aliases
        and the description to it; *new_version* makes another version.

        The version is ``pending`` while the registry still reads large files back; *wait* returns when it is
        ``ready``, or raises IntegrityError. Raises UnfitSource for files that cannot be registered.
        """
        done = registration.register(
            self._transport,
            model,
            Path(source),
            facts,
            selection=Selection(
                tuple(several(include, "include")),
                tuple(several(exclude, "exclude")),
                ignored.PATTERNS if default_ignores else (),
            ),
            allow_secrets=allow_secrets,
            follow_links=follow_links,
            detect_origin=detect,
            update=update,
            new_version=new_version,
            jobs=jobs,
            idempotency_key=idempotency_key,
            progress=progress,
        )
        if wait:
            done["version"] = self.wait(done["version"])
        return done

    def wait(self, version: VersionView) -> VersionView:
        """Return when a registered version's bytes are verified; raises IntegrityError when they are not its own."""
        return polling.verified(self._transport, version)

    def import_version(
        self,
        model: str,
        source: str,
        *,
        default_ignores: bool = True,
        allow_secrets: bool = False,
        update: bool = False,
        idempotency_key: str | None = None,
        **facts: Unpack[Facts],
    ) -> ImportView:
        """Have the registry itself copy a version's files from ``s3://bucket/prefix`` or ``https://…``.

        It does so only from places that its settings allow. ``imports.wait`` returns when the version is there.
        *default_ignores* and *allow_secrets* are as in ``register``; ``ignored`` in the answer of ``imports.wait``
        names what was left out. *update* is as in ``register``; without it the import fails when the version that there
        is has other facts. A model that is made for an import which fails is deleted again.
        """
        return registration.import_from(
            self._transport,
            model,
            source,
            facts,
            default_ignores=default_ignores,
            allow_secrets=allow_secrets,
            update=update,
            idempotency_key=idempotency_key,
        )

    def resolve(self, reference: str | Reference, *, as_of: When | None = None) -> VersionView:
        """The version that *reference* means, now or at *as_of*; raises NotFound."""
        meant = _reference(reference)
        return self.versions.get(meant.model, self.number(meant, as_of=as_of))

    def number(self, reference: str | Reference, *, as_of: When | None = None) -> int:
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

    def as_of(self, reference: str | Reference, when: When, *, stage: HeldStage = "production") -> VersionView:
        """Return the version that a stage or an alias meant at *when*; a bare model means its *stage*.

        *when* is RFC 3339 or a time with a zone. The version is shown as it is now. Raises NotFound.
        """
        meant = _reference(reference)
        return self.resolve(Reference(meant.model, stage=stage) if meant.bare else meant, as_of=when)

    def move(
        self,
        reference: str | Reference,
        stage: Stage,
        *,
        reason: str,
        expected_current: Expected = UNSET,
        leave_vacant: bool = False,
        dry_run: bool = False,
        idempotency_key: str | None = None,
    ) -> MovedView:
        """Move the version that *reference* means to *stage*; see ``stages.move``.

        A bare model is a ValueError: a change says which version.
        """
        meant = _reference(reference)
        if meant.bare:
            raise ValueError(f"say which version: {meant}:1, {meant}@alias or {meant}#staging")
        return self.stages.move(
            meant.model,
            self.number(meant),
            stage,
            reason=reason,
            expected_current=expected_current,
            leave_vacant=leave_vacant,
            dry_run=dry_run,
            idempotency_key=idempotency_key,
        )

    def promote(
        self,
        reference: str | Reference,
        to: Stage = "production",
        *,
        reason: str,
        expected_current: Expected = UNSET,
        dry_run: bool = False,
        idempotency_key: str | None = None,
    ) -> MovedView:
        """Move a version to staging or production (*to*); the version that holds production is archived.

        *expected_current* refuses with Stale when another version holds it. Raises IllegalTransition, GatesUnmet,
        NotReady or BlobsMissing.
        """
        return self.move(
            reference,
            to,
            reason=reason,
            expected_current=expected_current,
            dry_run=dry_run,
            idempotency_key=idempotency_key,
        )

    def rollback(
        self,
        model: str,
        *,
        reason: str,
        to: int | None = None,
        expected_current: Expected = UNSET,
        dry_run: bool = False,
        without_store_check: bool = False,
        idempotency_key: str | None = None,
    ) -> MovedView:
        """Return production to its previous good holder, or to version *to*; see ``stages.roll_back``."""
        return self.stages.roll_back(
            model,
            reason=reason,
            to=to,
            expected_current=expected_current,
            dry_run=dry_run,
            without_store_check=without_store_check,
            idempotency_key=idempotency_key,
        )

    def compare(self, first: str | Reference, second: str | Reference) -> Comparison:
        """Return what differs between two versions, of one model or of two: files, params, metrics, lineage."""
        one, other = self.resolve(first), self.resolve(second)
        return comparison.compare(
            one,
            self.versions.files(one["model"], one["number"]),
            other,
            self.versions.files(other["model"], other["number"]),
        )

    def pull(
        self,
        reference: str | Reference,
        directory: str | Path,
        *,
        jobs: int = JOBS,
        force: bool = False,
        only: Sequence[str] = (),
        exclude: Sequence[str] = (),
        cache: str | Path | None = None,
        allow_unsafe_paths: bool = False,
        progress: Progress | None = None,
    ) -> Pulled:
        """Download a version's files into *directory*, verified; files that are there already are not fetched again,
        nor what an interrupted pull left of large ones.
        *only* has files and folders of the version, or patterns as in ``.gitignore``, such as ``*.onnx``; each must
        match. *exclude* has patterns of files to leave out. *cache* is a directory that keeps the downloaded files by
        their digest, for later pulls; what comes from there is verified as well.

        Raises TargetOccupied when the directory holds anything else (*force* overwrites what has a registered path
        and leaves the rest), IntegrityError when other bytes than the registered ones arrive, and UnsafePath for paths
        that could harm this machine. Earlier releases took some of those: *allow_unsafe_paths* writes them, never
        outside of the directory nor through a link.
        """
        version = self._to_load(reference)
        return download.pull(
            self._transport,
            version,
            Path(directory),
            only=several(only, "only"),
            exclude=several(exclude, "exclude"),
            cache=DownloadCache(Path(cache)) if cache is not None else None,
            jobs=jobs,
            force=force,
            allow_unsafe_paths=allow_unsafe_paths,
            progress=progress,
        )

    def archive(
        self,
        reference: str | Reference,
        out: BinaryIO,
        *,
        allow_unsafe_paths: bool = False,
        progress: Progress | None = None,
    ) -> tuple[VersionView, int]:
        """Write a version to *out* as one uncompressed tar file, verified; the version, and the size in bytes.

        Raises IntegrityError when other bytes than the registered ones arrive: *out* is then to be thrown away.
        Raises UnsafePath as ``pull`` does.
        """
        version = self._to_load(reference)
        files = download.manifest(self.versions, version, allow_unsafe_paths=allow_unsafe_paths)
        return version, archive.download(self._transport, version, files, out, progress=progress)

    def verify(
        self,
        directory: str | Path,
        reference: str | Reference,
        *,
        exclude: Sequence[str] = (),
        follow_links: bool = False,
        jobs: int = JOBS,
        progress: Progress | None = None,
    ) -> Verification:
        """Compare a directory with a version: names, sizes and digests of all files.

        Everything counts that is in the directory, whatever its ``.registryignore`` says: a file there must not be
        able to hide others. Only *exclude*, patterns as in ``.gitignore``, leaves something out, on both sides.
        *follow_links* follows symbolic links that leave the directory. Modes and empty directories are not compared.
        """
        version = self._to_load(reference)
        files = download.manifest(self.versions, version, allow_unsafe_paths=True)  # nothing is written
        return verify.compare(
            Path(directory),
            version,
            files,
            exclude=several(exclude, "exclude"),
            follow_links=follow_links,
            jobs=jobs,
            progress=progress,
        )

    def _to_load(self, reference: str | Reference) -> VersionView:
        """Return the version to load: of a bare model, the newest that is neither pending nor failed nor deleted."""
        meant = _reference(reference)
        found = self.resolve(meant)
        if not meant.bare or found["state"] in _LOADABLE:
            return found
        loadable = (one for one in self.versions.list(meant.model) if one["state"] in _LOADABLE)
        return next(loadable, found)


def _reference(reference: str | Reference) -> Reference:
    return parse(reference) if isinstance(reference, str) else reference
