"""Files and archives of a sealed log: any byte that changes is found, with this package alone or another program."""

from __future__ import annotations

import io
import random
import shutil
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

import registry
from registry.domain import canonical_json
from registry.rules.audit_log.archive import write_archive
from registry.rules.audit_log.entries import read_entry
from registry.rules.audit_log.files import CHECKPOINT, ENTRIES, MAX_LINE, verify_file
from registry.rules.audit_log.reports import Outcome
from tests.support.sealed_log import KEY, SealedLog

KEYS = [KEY.verifier]
PACKAGE = Path(registry.__file__).parent / "rules" / "audit_log"
NODE = shutil.which("node")
VERIFIER = Path(__file__).parent / "verifier.mjs"


@pytest.fixture(scope="module")
def log() -> SealedLog:
    sealed = SealedLog().fill(12)
    sealed.erase(3, "reason")
    sealed.add(after={"metrics": {f"größe{number}": "0.25" for number in range(4000)}})
    return sealed


def archived(directory: Path) -> bytes:
    file = io.BytesIO()
    write_archive(file, {path.name: [path.read_bytes()] for path in directory.iterdir()})
    return file.getvalue()


def test_an_archive_is_the_same_bytes_for_the_same_files_and_verifies(tmp_path: Path, log: SealedLog) -> None:
    one, other = archived(log.write(tmp_path / "one")), archived(log.write(tmp_path / "other"))
    (tmp_path / "evidence.zip").write_bytes(one)

    assert one == other
    assert verify_file(tmp_path / "evidence.zip", KEYS)[0].outcome is Outcome.VERIFIED
    with zipfile.ZipFile(tmp_path / "evidence.zip") as archive:
        assert archive.namelist() == [CHECKPOINT, ENTRIES]


@pytest.mark.parametrize("kind", ["whole", "selection"])
def test_a_bit_that_is_flipped_anywhere_in_an_archive_is_found(tmp_path: Path, kind: str) -> None:
    small = SealedLog().fill(4)
    small.erase(1, "reason")
    data = archived(small.write(tmp_path / "files", None if kind == "whole" else small.selected([1, 4])))
    path, draw = tmp_path / "evidence.zip", random.Random(1)
    frame = data.index(b"PK\x01\x02")  # the directory at the end, which no checksum covers
    places = [*draw.sample(range(frame * 8), 150), *draw.sample(range(frame * 8, len(data) * 8), 150)]
    outcomes = set()
    for bit in places:
        changed = bytearray(data)
        changed[bit // 8] ^= 1 << bit % 8
        path.write_bytes(changed)
        outcomes.add(verify_file(path, KEYS)[0].outcome)

    assert outcomes == {Outcome.TAMPERED}


@pytest.mark.parametrize("kind", ["whole", "selection"])
def test_a_bit_that_is_flipped_anywhere_in_the_files_is_found(tmp_path: Path, kind: str) -> None:
    small = SealedLog().fill(4)
    small.erase(1, "reason")
    entries = None if kind == "whole" else small.selected([1, 4])
    directory, draw = small.write(tmp_path / "files", entries), random.Random(2)
    path = directory / ENTRIES
    data = path.read_bytes()
    outcomes = set()
    for bit in draw.sample(range(len(data) * 8), 200):
        changed = bytearray(data)
        changed[bit // 8] ^= 1 << bit % 8
        path.write_bytes(changed)
        outcomes.add(verify_file(directory, KEYS)[0].outcome)

    assert outcomes == {Outcome.TAMPERED}


def test_what_is_no_archive_of_the_registry_is_refused(tmp_path: Path, log: SealedLog) -> None:
    files = log.write(tmp_path / "files")
    good = archived(files)
    compressed, lacking, twice = io.BytesIO(), io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(compressed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(files / CHECKPOINT, CHECKPOINT)
    write_archive(lacking, {CHECKPOINT: [b"x"]})
    with zipfile.ZipFile(twice, "w") as archive:
        archive.writestr(CHECKPOINT, b"one")
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr(CHECKPOINT, b"two")
    wrong = {
        "is compressed": compressed.getvalue(),
        "has no file entries.jsonl": lacking.getvalue(),
        "was changed": b"#!/bin/sh\n" + good,
        "not a zip file": b"nothing",
        "is twice in the archive": twice.getvalue(),
    }

    for text, data in wrong.items():
        (tmp_path / "evidence.zip").write_bytes(data)
        report = verify_file(tmp_path / "evidence.zip", KEYS)[0]
        assert report.outcome is Outcome.TAMPERED
        assert text in report.problems[0]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'{"body"', b'{ "body"'),
        (b'"position":0', b'"position":false'),
        (b'"position":0', b'"position":0.0'),
        (b'"texts":{}', b'"texts":{},"more":1'),
        (b'"texts":{}', b'"text":{}'),
        (b'"salt":', b'"pepper":"","salt":'),
        (b'"text":"Grund 1', b'"text":1,"text":"Grund 1'),
    ],
)
def test_a_line_that_is_spelled_in_another_way_is_refused(
    tmp_path: Path, log: SealedLog, old: bytes, new: bytes
) -> None:
    directory = log.write(tmp_path / "files")
    data = (directory / ENTRIES).read_bytes()
    (directory / ENTRIES).write_bytes(data.replace(old, new, 1))

    assert old in data
    assert "is not an entry" in verify_file(directory, KEYS)[0].problems[0]


def test_a_line_that_is_too_long_is_not_read(tmp_path: Path, log: SealedLog) -> None:
    directory = log.write(tmp_path / "files")
    with (directory / ENTRIES).open("wb") as file:
        file.truncate(MAX_LINE + 2)

    report = verify_file(directory, KEYS)[0]
    assert f"a line of {ENTRIES} has more than {MAX_LINE} bytes" in report.problems[0]


def _alone(tmp_path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a copy of the package where nothing else of the registry can be imported."""
    if not (tmp_path / "audit_log").exists():
        shutil.copytree(PACKAGE, tmp_path / "audit_log", ignore=shutil.ignore_patterns("__pycache__"))
        (tmp_path / "sitecustomize.py").write_text(
            "import sys\n"
            "class Refuse:\n"
            "    def find_spec(self, name, path=None, target=None):\n"
            "        if name.partition('.')[0] not in {*sys.stdlib_module_names, 'cryptography', '_cffi_backend', "
            "'audit_log'}:\n"
            "            raise ImportError(f'{name} is not for this program')\n"
            "sys.meta_path.insert(0, Refuse())\n"
        )
    return subprocess.run(
        [sys.executable, "-m", "audit_log", *arguments],
        cwd=tmp_path, env={"PYTHONPATH": str(tmp_path)}, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip


def test_a_copy_of_the_package_verifies_with_cryptography_only(tmp_path: Path, log: SealedLog) -> None:
    log.write(tmp_path / "files")
    whole = _alone(tmp_path, "--key", str(KEY.verifier), "--state", "state.json", "files")
    (tmp_path / "files" / CHECKPOINT).write_bytes(log.note(5))
    restored = _alone(tmp_path, "--state", "state.json", "files")

    assert (whole.returncode, whole.stderr) == (0, "")
    assert whole.stdout == (
        "VERIFIED: 14 entries of 3 chains, 1 text redacted; log registry.example/audit at size 14\n"
    )
    assert restored.returncode == 1
    assert "it was cut, or a backup was restored" in restored.stdout
    assert _alone(tmp_path, "files").returncode == 2


@pytest.mark.skipif(NODE is None, reason="node is not installed: the second implementation of the verifier needs it")
def test_a_second_implementation_comes_to_the_same_outcomes(tmp_path: Path, log: SealedLog) -> None:
    chain = [entry.position for entry in log.entries if b'"agg":"model:0"' in entry.body]
    unknown = SealedLog().fill(3)
    unknown.add("model:1", "version.blessed")
    later = SealedLog().fill(6)
    document = read_entry(later.entries[3].body)
    later.entries[3] = replace(later.entries[3], body=canonical_json.dumps({**document, "v": 2}))
    changed = log.write(tmp_path / "changed")
    data = (changed / ENTRIES).read_bytes()
    (changed / ENTRIES).write_bytes(data.replace(b"Grund 5", b"Grund 6"))
    cases = {
        log.write(tmp_path / "whole"): 0,
        log.write(tmp_path / "selection", log.selected(chain)): 0,
        unknown.write(tmp_path / "unknown"): 2,
        later.write(tmp_path / "later"): 2,
        log.write(tmp_path / "withheld", log.selected([3])): 2,
        changed: 1,
        log.write(tmp_path / "cut", log.entries[:-1]): 1,
        log.write(tmp_path / "other-note", note=SealedLog().fill(14).note()): 1,
        log.write(tmp_path / "moved", log.selected([0, 1])[::-1]): 1,
    }

    ours = {path.name: int(verify_file(path, KEYS)[0].outcome) for path in cases}
    command = [str(NODE), str(VERIFIER), str(KEY.verifier), *map(str, cases)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    theirs = dict(line.split(" ", 1) for line in done.stdout.splitlines())

    assert ours == {path.name: outcome for path, outcome in cases.items()}
    assert {name: int(line[0]) for name, line in theirs.items()} == ours, done.stdout + done.stderr
