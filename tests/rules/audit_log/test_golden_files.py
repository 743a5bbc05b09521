"""Files of a small log that every release must write and verify as they are; ``key`` is the public key."""

from __future__ import annotations

from pathlib import Path

from registry.rules.audit_log.files import CHECKPOINT, ENTRIES, verify_file, write_entries
from registry.rules.audit_log.notes import VerifierKey
from registry.rules.audit_log.reports import Outcome
from registry.rules.audit_log.tlog_proof import TlogProof
from tests.support.sealed_log import KEY, SealedLog

FOLDER = Path(__file__).parent / "vectors" / "log"


def golden_log() -> SealedLog:
    log = SealedLog().fill(5)
    log.add("auth", "token.created", texts={"owner": "bob"})
    log.add("model:1", "version.measured", after={"metrics": {"ö": "0.5", "\U0001f600": "1.0", "\ufb33": "nan"}})
    log.erase(1, "reason")
    return log


def written(log: SealedLog) -> dict[str, bytes]:
    (proved,) = log.selected([6])
    return {
        "key": f"{KEY.verifier}\n".encode(),
        CHECKPOINT: log.note(),
        ENTRIES: b"".join(write_entries(log.entries)),
        "entry-6.tlog-proof": TlogProof(6, tuple(proved.proof or ()), log.note()).dump(),
    }


def test_files_are_written_as_before() -> None:
    assert {path.name: path.read_bytes() for path in FOLDER.iterdir()} == written(golden_log())


def test_files_are_verified_as_before() -> None:
    key = VerifierKey.parse((FOLDER / "key").read_text().strip())
    report, _ = verify_file(FOLDER, [key])
    proof = TlogProof.parse((FOLDER / "entry-6.tlog-proof").read_bytes())

    assert (report.outcome, report.entries, report.redacted) == (Outcome.VERIFIED, 8, 1)
    assert proof.verify(golden_log().leaves[6], [key]).size == 8
