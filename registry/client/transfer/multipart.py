"""One file that goes in parts: what the store has of it, what is left, and where each part goes."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice

from registry.client import errors
from registry.client.api.uploads import Uploads
from registry.client.files import scan
from registry.client.files.scan import Hashed
from registry.client.transfer.upload_request import Delivery
from registry.client.types import Target
from registry.client.workers import Task
from registry.rules import part_sizes

BATCH = 16
HEALINGS = 2
ASKED = 3
_ARRIVED = frozenset({"verified", "uploaded"})


class Parted:
    """Sends one file in parts. ``begin`` is the first task; the last to end calls for completion."""

    def __init__(self, uploads: Uploads, delivery: Delivery, file: Hashed, *, upload_id: str, part_size: int) -> None:
        self._uploads, self._delivery, self._file = uploads, delivery, file
        self._id, self._part_size = upload_id, part_size
        self._left: Iterator[int] = iter(())
        self._open = 0
        self._healings = 0
        self._over = False
        self._lock = threading.Lock()

    def begin(self) -> Iterable[Task]:
        """Request the parts that the store has, and continue from there."""
        try:
            known = self._uploads.parts(self._id)
        except errors.Conflict:
            if not self._arrived():
                raise
            # An earlier run, or another job of the same owner, has completed the upload.
            self._delivery.meter.skip(self._file.size)
            return []
        finished = set(known["finished"])
        self._delivery.meter.skip(sum(self._size(number) for number in finished))
        return self._send([number for number in self._numbers() if number not in finished])

    def _send(self, numbers: Sequence[int]) -> Iterable[Task]:
        self._left, self._open = iter(numbers), len(numbers)
        return [self._sign] if numbers else [self._complete]

    def _sign(self) -> Iterable[Task]:
        """Have the next parts signed; those after them when half of these are sent."""
        numbers = list(islice(self._left, BATCH))
        signed = self._signed(numbers) if numbers and not self._over else []
        if self._over:
            self._delivery.meter.skip(sum(self._size(number) for number in chain(numbers, self._left)))
            return []
        tasks = [self._part_task(number, target) for number, target in signed]
        if not tasks:
            return []
        half = len(tasks) // 2
        return [*tasks[:half], self._sign, *tasks[half:]]

    def _part_task(self, number: int, target: Target) -> Task:
        return lambda: self._put_part(number, target)

    def _put_part(self, number: int, target: Target) -> Iterable[Task]:
        size = self._size(number)
        if self._over:
            self._delivery.meter.skip(size)
        else:
            self._deliver(number, target, size)
        with self._lock:
            self._open -= 1
            return [] if self._open else [self._complete]

    def _deliver(self, number: int, target: Target, size: int) -> None:
        start = (number - 1) * self._part_size
        try:
            self._delivery.deliver(self._file, target, lambda: self._renew(number), start=start, size=size)
        except (errors.UploadRefused, errors.UnexpectedReply):
            if not self._is_there(number):
                raise
            self._delivery.meter.skip(size)

    def _is_there(self, number: int) -> bool:
        """Return whether the store has a part that it refuses.

        Another job of the same owner is completing the upload then.
        """
        try:
            return number in self._uploads.parts(self._id)["finished"]
        except errors.Conflict:
            return self._arrived()

    def _renew(self, number: int) -> Target | None:
        return next((target for _, target in self._signed([number])), None)

    def _signed(self, numbers: Iterable[int]) -> list[tuple[int, Target]]:
        """Return targets of the parts; none when another job of the same owner has completed the upload."""
        parts = [{"number": number, "sha256": self._digest(number)} for number in numbers]
        try:
            for _ in range(ASKED):  # a lost answer is repeated without its targets, which are credentials
                views = self._uploads.sign_parts(self._id, parts)
                signed = [(part["number"], part["target"]) for part in views if part["target"]]
                if len(signed) == len(parts):
                    return signed
        except (errors.Conflict, errors.NotFound):
            if not self._arrived():
                raise
            self._over = True
            return []
        raise errors.UnexpectedReply("the registry returned no targets for the parts.")

    def _complete(self) -> Iterable[Task]:
        try:
            done = self._uploads.complete(self._id)
        except errors.UploadMismatch:
            raise
        except errors.Conflict as error:
            missing = error.extras.get("missing_parts")
            # The store has lost parts since, for example by a lifecycle rule: send those again, a few times.
            if not missing or self._healings == HEALINGS:
                raise
            self._healings += 1
            self._delivery.meter.skip(-sum(self._size(number) for number in missing))
            return self._send(list(missing))
        if done["state"] not in _ARRIVED:
            raise errors.UploadRefused(f"the upload is {done['state']}. {done['reason'] or ''}".strip())
        return []

    def _arrived(self) -> bool:
        return self._uploads.get(self._id)["state"] in _ARRIVED

    def _digest(self, number: int) -> str:
        if self._file.parts and self._part_size == scan.PART:
            return self._file.parts[number - 1]
        sha256, left = hashlib.sha256(), self._size(number)
        with scan.opened(self._file) as stream:
            stream.seek((number - 1) * self._part_size)
            while left and (chunk := stream.read(min(scan.CHUNK, left))):
                sha256.update(chunk)
                left -= len(chunk)
                self._delivery.meter.advance(0)
            scan.unchanged(self._file, stream)
        return sha256.hexdigest()

    def _numbers(self) -> range:
        return range(1, part_sizes.part_count(self._file.size, self._part_size) + 1)

    def _size(self, number: int) -> int:
        return part_sizes.part_length(number, self._file.size, self._part_size)
