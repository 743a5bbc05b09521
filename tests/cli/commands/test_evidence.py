"""``registry evidence``: the archive arrives whole, verifies with the package alone, and is refused with a reason."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from flask import Flask

from registry.client import RegistryClient
from registry.client.errors import NotFound
from registry.domain.evidence.documents import json_document
from registry.domain.evidence.facts import DOCUMENTS
from registry.domain.replay.entry import Entry
from registry.rules.audit_log.archive import write_archive
from registry.rules.audit_log.files import ENTRIES, read_entries
from registry.services import evidence
from registry.services.evidence import EvidenceRequest, checking
from registry.services.evidence.members import Evidence, SignedState
from registry.services.evidence.spool import Spool
from tests.cli.conftest import CommandLine, Place
from tests.support.api import Api
from tests.support.registry_builder import RegistryBuilder
from tests.support.replies import expect
from tests.support.sealing import SIGNER, seal_all
from tests.support.web_server import serving

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


@pytest.fixture
def forge(place: Place) -> Callable[..., Path]:
    """Write an archive again with other files; the manifest has their digests."""

    def forge(archive: Path, **changed: bytes | None) -> Path:
        with zipfile.ZipFile(archive) as files:
            members: dict[str, bytes] = {name: files.read(name) for name in files.namelist()}
        for name, content in changed.items():
            path = next(path for path in members if name in path)
            members[path] = content or b""
        manifest = json.loads(members.pop("manifest.json"))
        manifest["files"] = {
            name: {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
            for name, content in members.items()
        }
        members["manifest.json"] = json_document(manifest)
        forged = place.cwd / "forged.zip"
        with forged.open("wb") as file:
            write_archive(file, {name: [content] for name, content in members.items()})
        return forged

    return forge


def test_facts_that_do_not_follow_from_the_entries_are_found(
    run_cli: CommandLine, place: Place, app: Flask, registry: RegistryBuilder, forge: Callable[..., Path]
) -> None:
    registry.model("fraud").version("production", metrics={"auc": 0.9}, params={"depth": "6"}, tags={"team": "a"},
                                    run={"system": "ci", "id": "7"})  # fmt: skip
    policy = {"policy": 1, "staging": [{"rule": "size", "at_most": "5 GB"}]}
    expect(200, registry.client.put("/models/fraud/policy", {"document": policy, "reason": "agreed"}))
    registry.model("fraud").version("staging")
    held = {"kind": "version", "target": "fraud:2", "reason": "leaks"}
    expect(201, registry.client.post("/holds", held))
    seal_all(app)
    archive = place.cwd / "e.zip"
    with app.app_context(), evidence.archive(EvidenceRequest("fraud", profile="sr-26-2")) as made:
        archive.write_bytes(made.read())
    with zipfile.ZipFile(archive) as files:
        facts = {name: files.read(f"facts/{name}.jsonl") for name in DOCUMENTS}
        page = files.read("index.html")
        origin = files.read("checkpoint").decode().partition("\n")[0]
    key = str(SIGNER.keys(origin)[0].verifier)

    def verdict(path: Path) -> int:
        return run_cli("audit", "verify", "--file", str(path), "--key", key).code

    forgeries = [
        {"facts/tenures": facts["tenures"].replace(b'"arranged"', b'"approved"')},
        {"facts/roles": facts["roles"].replace(b'"writer"', b'"wryter"')},
        {"facts/versions": facts["versions"].replace(b'"depth":"6"', b'"depth":"7"')},
        {"facts/versions": facts["versions"].splitlines(keepends=True)[0]},
        {"facts/files": facts["files"].replace(b"model.bin", b"other.bin")},
        {"facts/files": None},
        {"facts/measurements": facts["measurements"].replace(b'"0.9"', b'"0.99"')},
        {"facts/measurements": None},
        {"facts/lineage": None},
        {"facts/policies": facts["policies"].replace(b"5 GB", b"6 GB")},
        {"facts/policies": None},
        {"facts/gates": facts["gates"].replace(b'"passed":true', b'"passed":false')},
        {"facts/gates": None},
        {"facts/holds": facts["holds"].replace(b"leaks", b"works")},
        {"facts/lineage": facts["lineage"].replace(b"ci/7", b"ci/8")},
        {"index.html": page.replace(b"fraud", b"Fraud")},
        {"csv/tenures": b""},
    ]
    assert [verdict(forge(archive, **changed)) for changed in forgeries] == [1] * len(forgeries)
    assert verdict(archive) == 0
    assert verdict(forge(archive)) == 0


class UncheckedChains(checking.ArchivedChains):
    """The entries of an archive, also where some were left out."""

    def entries(self, aggregate: str) -> Iterator[tuple[int, Entry]]:
        return ((row.position, row.entry) for row in self.merged([aggregate]) if row.entry is not None)


def remade(archive: Path, *, without: str = "", larger: int = 0) -> Path:
    """Make all files again without the entries of an action, or under a state of a larger log than was signed."""
    made = archive.with_name("remade.zip")
    with zipfile.ZipFile(archive) as files:
        members = {name: files.read(name) for name in files.namelist()}
    lines = members[ENTRIES].splitlines(keepends=True)
    kept = [line for line, entry in zip(lines, read_entries(lines), strict=True) if without.encode() not in entry.body]
    members[ENTRIES] = b"".join(kept if without else lines)
    with made.open("wb") as file:
        write_archive(file, {name: [content] for name, content in members.items()})
    manifest = json.loads(members["manifest.json"])
    manifest["log"]["size"] += larger
    with zipfile.ZipFile(made) as files, ExitStack() as stack:
        recorded, chains = checking._recorded(files, manifest), UncheckedChains(files, None)
        state = SignedState(recorded.sealed, members["checkpoint"], manifest["log"]["signed_at"])
        forged = Evidence(recorded.query, state, chains.models(), chains, checking.RecordedRows(recorded))
        content = {name: b"".join(pieces) for name, pieces in forged.members(Spool(stack)).items()}
    with made.open("wb") as file:
        write_archive(file, {name: [data] for name, data in content.items()})
    return made


def test_an_archive_that_agrees_with_itself_must_also_agree_with_the_log(
    run_cli: CommandLine, place: Place, app: Flask, registry: RegistryBuilder
) -> None:
    registry.model("fraud").version("production")
    for name in ("first", "second"):
        policy = {"document": {"policy": 1, "description": name}, "reason": "agreed"}
        expect(200, registry.client.put("/policy", policy))
    expect(200, registry.client.patch("/models/fraud", {"description": "finds fraud"}))
    registry.model("fraud").version("production")
    seal_all(app)
    archive = place.cwd / "e.zip"
    with app.app_context(), evidence.archive(EvidenceRequest("fraud")) as made:
        archive.write_bytes(made.read())
    with zipfile.ZipFile(archive) as files:
        members = {name: [files.read(name)] for name in files.namelist() if name != "manifest.json"}
    members["index.html"] = [b"production since 2020"]
    bare = place.cwd / "bare.zip"
    with bare.open("wb") as file:
        write_archive(file, members)
    origin = members["checkpoint"][0].decode().partition("\n")[0]
    key = str(SIGNER.keys(origin)[0].verifier)

    def verdict(path: Path) -> tuple[int, str]:
        done = run_cli("audit", "verify", "--file", str(path), "--key", key)
        return done.code, done.out

    assert verdict(remade(archive))[0] == 0
    code, out = verdict(bare)
    assert (code, "manifest.json" in out) == (1, True)
    code, out = verdict(remade(archive, larger=1))
    assert (code, "another state of the log than the checkpoint" in out) == (1, True)
    for without in ('"action":"model.edited"', '"after":{"number":1,'):
        code, out = verdict(remade(archive, without=without))
        assert (code, "is missing before it" in out) == (1, True)


def test_an_archive_is_written_and_verifies_with_the_package_alone(
    run_cli: CommandLine, place: Place, app: Flask, api: Api, registry: RegistryBuilder
) -> None:
    registry.model("fraud").version("production")
    seal_all(app)
    command = ("evidence", "fraud", "--version", "1", "--from", "2001-01-01", "--profile", "nist-ai-rmf", "--json")
    with serving(app) as url:
        done = run_cli(*command, "-o", "e.zip", "--url", url, "--token", api.token)
        refused = run_cli("evidence", "churn", "-o", "churn.zip", "--url", url, "--token", api.token)
        with RegistryClient(url, api.token) as client:
            size = client.evidence("fraud", place.cwd / "again.zip", version=1, since="2001-01-01T00:00:00Z",
                                   profile="nist-ai-rmf")  # fmt: skip
            with pytest.raises(NotFound):
                client.evidence("fraud", place.cwd / "none.zip", version=7)

    archive = place.cwd / "e.zip"
    assert (done.code, json.loads(done.out.splitlines()[-1])) == (0, {"file": "e.zip", "size": size})
    assert archive.read_bytes() == (place.cwd / "again.zip").read_bytes()
    assert (refused.code, "churn" in refused.err) == (4, True)
    assert sorted(path.name for path in place.cwd.iterdir()) == ["again.zip", "e.zip"]
    with zipfile.ZipFile(archive) as files:
        origin = files.read("checkpoint").decode().partition("\n")[0]
        guide = files.read("README.txt").decode()
        files.extractall(place.cwd / "unpacked")
    assert f"{origin}+" in guide
    key = str(SIGNER.keys(origin)[0].verifier)
    unpacked = run_cli("audit", "verify", "--file", "unpacked", "--key", key)
    assert (unpacked.code, "Only the entries were verified" in unpacked.err) == (0, True)
    verified = subprocess.run(
        [sys.executable, "-m", "registry.rules.audit_log", "--key", key, str(archive)],
        check=False, capture_output=True, text=True, cwd=Path(__file__).parents[3],
    )  # fmt: skip
    assert (verified.returncode, verified.stderr) == (0, "")
