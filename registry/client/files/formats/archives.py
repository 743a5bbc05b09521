"""ZIP files that hold a model: of PyTorch, TorchScript or Keras, known by the names in their list of contents."""

from __future__ import annotations

import struct
import zipfile
from typing import BinaryIO, cast

from registry.client.files.formats.bounds import Budget, Unreadable

MAGIC = b"PK\x03\x04"
MOST = 4 * 1024 * 1024  # bytes of the list of contents
_KERAS = {"config.json", "metadata.json", "model.weights.h5"}


def kind(stream: BinaryIO, size: int) -> tuple[str, str] | None:
    """Return the format and the framework of the archive *stream*, a file of *size* bytes; None for another archive.

    Raises Unreadable.
    """
    try:
        with zipfile.ZipFile(cast(BinaryIO, Budget(stream, size, MOST))) as archive:
            names = set(archive.namelist())
    except Unreadable:
        raise
    except (zipfile.BadZipFile, NotImplementedError, OSError, OverflowError, ValueError, struct.error) as error:
        raise Unreadable("its list of contents cannot be read") from error
    if names >= _KERAS:
        return "keras", "keras"
    folders = {name.partition("/")[0] for name in names if name.count("/") == 1 and name.endswith("/data.pkl")}
    if len(folders) != 1:
        return None
    (folder,) = folders
    return ("torchscript" if f"{folder}/constants.pkl" in names else "pytorch"), "pytorch"
