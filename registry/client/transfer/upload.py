"""Uploads of files to the registry: announce, PUT to the signed URLs, complete.

Announcements and completions go in groups; the registration may complete the last group. The next group is announced
while half of the present one is still to be sent, so many small files do not wait for round trips. All requests are
made by the same *jobs* threads.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from registry.client import errors, workers
from registry.client.api.uploads import Uploads
from registry.client.files.scan import Hashed
from registry.client.http.transport import Transport
from registry.client.progress import Meter, Progress
from registry.client.transfer.multipart import Parted
from registry.client.transfer.upload_request import Delivery
from registry.client.types import Target, UploadView
from registry.client.workers import Task

FIRST_GROUP = 40
GROUP = 200
COMPLETED = 500
COMPLETED_BYTES = 64 << 20  # the registry may have to read them all back before it answers
_ARRIVED = frozenset({"verified", "uploaded"})


Arrived = Sequence[tuple[str, Hashed]]
"""Uploads whose bytes were sent, by id, with their files."""


@dataclass(frozen=True, slots=True)
class SentFiles:
    """Counts of an upload: files that were sent, and bytes without the parts of an earlier run.

    ``arrived`` are the uploads that are still to be completed, fewer than COMPLETED.
    """

    files: int
    size: int
    arrived: Arrived = ()


def distinct(files: Iterable[Hashed]) -> list[Hashed]:
    """Return one of the files for each content."""
    return list({file.sha256: file for file in files}.values())


def send(transport: Transport, files: Iterable[Hashed], *, jobs: int, progress: Progress | None) -> SentFiles:
    """Upload the bytes of *files*, equal ones once.

    Files that arrived before a failure or Ctrl-C stay, and are not sent again by a later run.
    """
    contents = distinct(files)
    meter = Meter("upload", sum(file.size for file in contents), progress)
    sending = _Sending(transport, meter)
    workers.run([sending.announcement(contents, FIRST_GROUP)], jobs=jobs, meter=meter)
    return SentFiles(len(sending.sent), meter.done, sending.arrived)


def complete(uploads: Uploads, arrived: Arrived) -> None:
    """Complete uploads. Raises why one of them is not complete, with the path of its file."""
    if not arrived:
        return
    done = uploads.complete_many(upload_id for upload_id, _ in arrived)
    for (_, file), upload in zip(arrived, done, strict=True):
        if upload["state"] not in _ARRIVED:
            raise _incomplete(upload).about(file.path)


class _Sending:
    def __init__(self, transport: Transport, meter: Meter) -> None:
        self._uploads = Uploads(transport)
        self._delivery = Delivery(transport, meter)
        self.arrived: list[tuple[str, Hashed]] = []
        self._waiting = 0
        self._lock = threading.Lock()
        self.sent: list[Hashed] = []

    def announcement(self, files: Sequence[Hashed], group: int = GROUP) -> Task:
        """Announce the first *group* of the files, send them, and announce the others in time."""
        return lambda: self._announce(files[:group], files[group:])

    def _announce(self, files: Sequence[Hashed], others: Sequence[Hashed]) -> Iterable[Task]:
        following = [self.announcement(others)] if others else []
        try:
            announced = self._uploads.begin_many({"sha256": file.sha256, "size": file.size} for file in files)
        except (errors.Invalid, errors.TooLarge) as error:
            if len(files) == 1:
                raise error.about(files[0].path) from error
            half = len(files) // 2  # the answer is about one of them: find out which
            return [self.announcement(files[:half]), self.announcement(files[half:]), *following]
        tasks = [task for file, upload in zip(files, announced, strict=True) for task in self._tasks(file, upload)]
        half = len(tasks) // 2
        return [*tasks[:half], *following, *tasks[half:]]

    def _tasks(self, file: Hashed, upload: UploadView) -> Iterable[Task]:
        if upload["id"] is None or upload["state"] in _ARRIVED:
            self._delivery.meter.skip(file.size)
            return []
        self.sent.append(file)
        upload_id, part_size = upload["id"], upload["part_size"]
        if part_size is None:
            return [lambda: self._put_file(file, upload_id, upload["target"])]
        parted = Parted(self._uploads, self._delivery, file, upload_id=upload_id, part_size=part_size)
        return [_about(file, parted.begin)]

    def _put_file(self, file: Hashed, upload_id: str, target: Target | None) -> Iterable[Task]:
        def renew() -> Target | None:
            return self._uploads.get(upload_id)[
                "target"
            ]  # without a target there is nothing to send: completion returns the reason

        with _naming(file):
            target = target or renew()
            if target is None:
                self._delivery.meter.skip(file.size)
            else:
                self._delivery.deliver(file, target, renew)
        with self._lock:
            self.arrived.append((upload_id, file))
            self._waiting += file.size
            if len(self.arrived) < COMPLETED and self._waiting < COMPLETED_BYTES:
                return []
            full, self.arrived, self._waiting = self.arrived, [], 0
            return [lambda: self._complete(full)]  # a store lists many objects in one request

    def _complete(self, arrived: Arrived) -> Iterable[Task]:
        complete(self._uploads, arrived)
        return []


def _about(file: Hashed, task: Task) -> Task:
    """Return the task, whose failures and whose tasks' failures name the file."""

    def named() -> Iterable[Task]:
        with _naming(file):
            return [_about(file, following) for following in task()]

    return named


@contextmanager
def _naming(file: Hashed) -> Iterator[None]:
    try:
        yield
    except errors.UnfitSource:
        raise  # names it already
    except errors.RegistryError as error:
        raise error.about(file.path) from error


def _incomplete(upload: UploadView) -> errors.RegistryError:
    reason = upload["reason"] or f"the upload is {upload['state']}."
    if upload["state"] == "failed":
        return errors.UploadMismatch(reason)
    if upload["state"] == "expired":
        return errors.UploadExpired(reason)
    return errors.UploadRefused(reason)
