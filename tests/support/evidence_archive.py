"""An evidence archive as a test reads it: its files, and the verdict of an offline verifier."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from registry.rules.audit_log.entries import read_entry
from registry.rules.audit_log.files import CHECKPOINT, ENTRIES, read_entries, verify_file
from registry.rules.audit_log.reports import Report
from registry.services.evidence import checking
from tests.support.sealing import SIGNER


@dataclass(frozen=True)
class Evidence:
    """The archive in *data*; the *directory* takes a copy of it."""

    data: bytes
    directory: Path

    @property
    def archive(self) -> zipfile.ZipFile:
        return zipfile.ZipFile(io.BytesIO(self.data))

    def verify(self, data: bytes | None = None) -> Report:
        """Verify the archive, or other bytes, with the key that signed its log; then compare the facts."""
        path = self.directory / "evidence.zip"
        path.write_bytes(self.data if data is None else data)
        origin = self.archive.read(CHECKPOINT).decode().partition("\n")[0]
        report, _ = verify_file(path, [key.verifier for key in SIGNER.keys(origin)])
        if not report.problems:
            checking.check(path, report)
        return report

    def facts(self, name: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.archive.read(f"facts/{name}.jsonl").splitlines()]

    def table(self, name: str) -> list[dict[str, str]]:
        return list(csv.DictReader(io.StringIO(self.archive.read(f"csv/{name}.csv").decode())))

    def manifest(self) -> Any:
        return json.loads(self.archive.read("manifest.json"))

    def entries(self) -> list[dict[str, Any]]:
        """Return the documents of the entries, in the order of positions."""
        lines = self.archive.read(ENTRIES).splitlines(keepends=True)
        return [read_entry(entry.body) for entry in read_entries(lines)]

    def actions(self) -> list[str]:
        return [entry["action"] for entry in self.entries()]
