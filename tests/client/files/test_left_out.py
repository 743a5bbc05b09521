"""What a directory holds besides a model: left out and named, refused, or followed when asked for."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from registry.client import RegistryClient, errors
from registry.rules import credentials
from tests.client.conftest import FakeRegistry

CLUTTER = [
    ".git/config", ".DS_Store", "weights/._model.bin", "code/__pycache__/train.cpython-311.pyc", ".cache/huggingface/x",
    "Thumbs.db",
]  # fmt: skip
# Joined here, so that no scanner takes this file for one that holds secrets.
KEY = b"-----BEGIN RSA " + b"PRIVATE KEY-----\n"
BODY = b"MIIEpAIBAAKCAQEA7bq5Sg1Xz0c2\n"
AWS = b"aws_secret_" + b"access_key = " + b"a1B2" * 10


def put(directory: Path, path: str, content: bytes = b"1") -> None:
    (directory / path).parent.mkdir(parents=True, exist_ok=True)
    (directory / path).write_bytes(content)


def registered(registry: FakeRegistry) -> list[str]:
    return [file["path"] for file in registry.registered["files"]]


def test_clutter_is_left_out_and_named_unless_it_is_asked_for(
    registry: FakeRegistry, client: RegistryClient, source: Path
) -> None:
    for path in CLUTTER:
        put(source, path)

    done = client.register("fraud", source)

    assert registered(registry) == ["MLmodel", "weights/model.bin"]
    assert done["ignored"] == [
        ".DS_Store", ".cache/", ".git/", "Thumbs.db", "code/__pycache__/", "weights/._model.bin",
    ]  # fmt: skip
    put(source, ".registryignore", b".git/\n!.DS_Store\n")
    assert ".git/" not in client.register("fraud", source)["ignored"]  # it is the caller's own rule now
    assert registered(registry) == [".DS_Store", "MLmodel", "weights/model.bin"]
    assert client.register("fraud", source, default_ignores=False)["ignored"] == []
    assert "Thumbs.db" in registered(registry)


@pytest.mark.parametrize(
    ("path", "content"),
    [
        (".env", b"DB_PASSWORD=1"), ("conf/.env.production", b"A=1"), (".netrc", b"machine a"), ("id_ed25519", b"k"),
        (".databrickscfg", b"token = a"),
        ("home/.aws/credentials", b"[default]"), ("certs/server.p12", b"\x30\x82"), ("credentials.json", b"{}"),
        ("server.pem", KEY + BODY), ("key.txt", KEY + b"Proc-Type: 4,ENCRYPTED\n\n" + BODY),
        ("account.json", b'{"private_key": "' + KEY.replace(b"\n", b"\\n") + BODY + b'"}'),
        ("settings.ini", AWS), ("notes.md", b"token: hf_" + b"aBcDeFgHiJkLmNoPqRsTuVwXyZaBcDeFgH"),
        ("ci.yaml", b"GITHUB: ghp_" + b"a1B2c3" * 6),
    ],
)  # fmt: skip
def test_a_file_that_holds_credentials_is_refused_by_name_unless_allowed(
    registry: FakeRegistry, client: RegistryClient, source: Path, path: str, content: bytes
) -> None:
    put(source, path, content)

    with pytest.raises(errors.HoldsCredentials) as refusal:
        client.register("fraud", source)

    assert list(refusal.value.extras["files"]) == [path]
    assert path in refusal.value.detail
    assert registry.seen == []
    client.register("fraud", source, allow_secrets=True)
    assert path in registered(registry)


def test_the_first_ten_files_with_credentials_are_named_and_the_others_counted(
    registry: FakeRegistry, client: RegistryClient, source: Path
) -> None:
    held = [
        "conf/prod.env", ".npmrc", ".s3cfg", "infra/terraform.tfstate", "infra/terraform.tfstate.backup", ".boto",
        "rclone.conf", "kubeconfig", ".pgpass", ".dockercfg", "home/.docker/config.json", ".cargo/credentials.toml",
    ]  # fmt: skip
    for path in held:
        put(source, path)

    with pytest.raises(errors.HoldsCredentials) as refusal:
        client.register("fraud", source)

    assert sorted(refusal.value.extras["files"]) == sorted(held)
    assert "and 2 more. " in refusal.value.detail
    assert registry.seen == []


def test_what_only_looks_like_credentials_is_registered(
    registry: FakeRegistry, client: RegistryClient, source: Path
) -> None:
    harmless = {
        ".env.example": b"DB_PASSWORD=", "example.env": b"A=", "conf/prod.env.template": b"A=", "env.yaml": b"a: 1",
        "docker/config.json": b"{}", "prod.tfvars": b"region = 1",
        "ca.pem": b"-----BEGIN CERTIFICATE-----\nMIIDdzCCAl+gAwIBAgIE\n",
        "README.md": KEY + b"...\n-----END RSA PRIVATE KEY-----", "id_rsa.pub": b"ssh-rsa AAAA",
        "vocab.json": b'{"-----": 1, "BEGIN": 2, "hf_": 3, "ghp_": 4, "AKIA": 5}', "empty/.env": b"",
        "docs.md": b"aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    }  # fmt: skip
    for path, content in harmless.items():
        put(source, path, content)

    client.register("fraud", source)

    assert set(harmless) <= set(registered(registry))


@pytest.mark.parametrize(
    "character",
    [b"PRIVATE KEY", b"-----BEGIN A PRIVATE KEY-----\n", b"aws_secret_access_key=", b"hf_", b"sk-T3BlbkFJ "],
)
def test_the_markers_are_searched_for_in_linear_time(character: bytes) -> None:
    content = (character * credentials.MOST_BYTES)[: credentials.MOST_BYTES]

    assert credentials.by_content(content) is None


def test_links_that_leave_the_directory_are_followed_when_asked_for(
    registry: FakeRegistry, client: RegistryClient, tmp_path: Path
) -> None:
    snapshot = tmp_path / "snapshots" / "abc"
    put(tmp_path, "blobs/aaa", b"{}")
    put(tmp_path, "blobs/parts/one", b"1")
    snapshot.mkdir(parents=True)
    (snapshot / "config.json").symlink_to("../../blobs/aaa")
    (snapshot / "parts").symlink_to("../../blobs/parts")
    (tmp_path / "blobs" / "parts" / "up").symlink_to("../parts")

    with pytest.raises(errors.UnfitSource, match="--follow-links"):
        client.register("fraud", snapshot)
    with pytest.raises(errors.UnfitSource, match="parts/up: it is a symbolic link to a directory that it is in"):
        client.register("fraud", snapshot, follow_links=True)
    (tmp_path / "blobs" / "parts" / "up").unlink()
    client.register("fraud", snapshot, follow_links=True)
    registry.hold({"config.json": b"{}", "parts/one": b"1"})

    assert registered(registry) == ["config.json", "parts/one"]
    assert client.verify(snapshot, "fraud:1", follow_links=True).ok
    assert not client.verify(snapshot, "fraud:1").ok


def test_what_a_version_cannot_hold_is_named(client: RegistryClient, source: Path) -> None:
    (source / "2_Normalize").mkdir()
    put(source, "run.sh")
    (source / "run.sh").chmod(0o755)
    put(source, "a?b")

    dropped = client.register("fraud", source)["dropped"]

    assert dropped == {
        "empty_directories": ["2_Normalize/"], "executable_bits": ["run.sh"], "not_on_windows": ["a?b"],
    }  # fmt: skip


def test_two_forms_of_one_name_are_distinguished(client: RegistryClient, source: Path) -> None:
    put(source, "mod\u00e8le")
    put(source, "mode\u0300le")

    with pytest.raises(errors.UnfitSource, match=r"another Unicode form: 'mod\\xe8le' is not 'mode\\u0300le'"):
        client.register("fraud", source)


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
@pytest.mark.parametrize("path", ["weights", "MLmodel"])
def test_what_cannot_be_read_is_named(client: RegistryClient, source: Path, path: str) -> None:
    (source / path).chmod(0)

    with pytest.raises(errors.UnfitSource, match=f"{path}.*cannot be read"):
        client.register("fraud", source)
    (source / path).chmod(0o700)
