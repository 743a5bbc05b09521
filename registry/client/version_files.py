"""Registration, download and verification of a version's files."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO, Unpack

from registry.client import registration
from registry.client.api import polling
from registry.client.detect import Detection
from registry.client.fields import several
from registry.client.files import verify
from registry.client.files.selection import Selection
from registry.client.files.verify import Verification
from registry.client.lookup import Lookup
from registry.client.progress import Progress
from registry.client.registration import Facts, Registered
from registry.client.transfer import archive, download
from registry.client.transfer.download import Pulled
from registry.client.transfer.download_cache import DownloadCache
from registry.client.types import ImportView, VersionView
from registry.rules import ignored
from registry.rules.references import Reference

JOBS = 4

log = logging.getLogger("registry.client")


class VersionFiles(Lookup):
    """Registration, import, download and verification of versions."""

    def register(  # noqa: PLR0913 -- options of one command, all of them named
        self,
        model: str,
        source: str | Path,
        *,
        include: Sequence[str] = (),
        exclude: Sequence[str] = (),
        default_ignores: bool = True,
        card: str | Path | None = None,
        allow_secrets: bool = False,
        follow_links: bool = False,
        update: bool = False,
        new_version: bool = False,
        wait: bool = False,
        detect: Detection = True,
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
        directory, as those of a Hugging Face cache do. *card* is the file of a model card, which is registered as
        ``README.md``; pages show that file of a version as its card.

        The run and the code are detected from the CI system or git around this process; ``run`` and ``code`` replace
        them. Where ``dvc.lock`` names the model with its digest, data, params, metrics and the command come from the
        stages that made it, and edges between their data are added to the lineage. Framework, signature, Python and run
        are read from an ``MLmodel`` file. Model cards, configurations and headers of weights give base models, and the
        tags ``license``, ``model.architecture``, ``model.parameters``, ``model.dtype`` and ``model.format``. The digest
        of ``uv.lock``, or of another file that pins packages, is recorded. Arguments win. ``found`` in the answer has
        what was detected, and ``warnings`` what could not be read, which are logged too. *detect* False turns this off;
        ``"files"`` reads ``MLmodel`` and what pins the environment in the files, and a ``Detected`` is in place of the
        run and the code.

        *progress* is called with what is done (``hash``, ``upload``) and with how many of how many bytes. Values that
        cannot be a fact, such as a list as a param, are a ValueError. The Python that runs this is not recorded.

        The same files from the same ``run`` return the existing version; without a run, the same files with the same
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
            card=None if card is None else Path(card),
            allow_secrets=allow_secrets,
            follow_links=follow_links,
            detection=detect,
            update=update,
            new_version=new_version,
            jobs=jobs,
            idempotency_key=idempotency_key,
            progress=progress,
        )
        if detect is True:  # others show them themselves
            for warning in done["warnings"]:
                log.warning("%s", warning)
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

        Raises TargetOccupied when the directory has other files; *force* overwrites files with a registered path and
        leaves the rest. Raises IntegrityError when other bytes than the registered ones arrive, and UnsafePath for
        paths that could harm this machine. Earlier releases took some of those: *allow_unsafe_paths* writes them, never
        outside of the directory nor through a link.
        """
        version = self._loadable(reference)
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
        version = self._loadable(reference)
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

        All files in the directory count, also those in its ``.registryignore``: a file there must not be able to hide
        others. Only *exclude*, patterns as in ``.gitignore``, leaves files out, on both sides. *follow_links* follows
        symbolic links that leave the directory. Modes and empty directories are not compared.
        """
        version = self._loadable(reference)
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
