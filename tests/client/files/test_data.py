"""Data as a caller names it: what is recorded, and what is refused with which remedy."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import pytest

from registry.client.errors import UnfitSource
from registry.client.files import data, pointers, scan

HEX = "9f" * 32
SHA = f"sha256:{HEX}"
MD5 = "a304afb96060aad90176268345e10355"
LFS = f"version https://git-lfs.github.com/spec/v1\noid sha256:{HEX}\nsize 123456\n"


def digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with data and pointers in it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "train.csv").write_bytes(b"a,b\n")
    (tmp_path / "odd=name.csv").write_bytes(b"odd")
    (tmp_path / "big.parquet").write_text(LFS)
    (tmp_path / "extended.bin").write_text(LFS.replace("oid", f"ext-0-clean sha256:{'0' * 64}\noid", 1))
    (tmp_path / "signed.csv.dvc").write_text(
        "deps:\n- path: https://me:pw@h/from.csv?X-Amz-Signature=s3cret\n"
        + f"outs:\n- md5: {MD5}\n  hash: md5\n  path: from.csv\n"
    )
    (tmp_path / "images.dvc").write_text(
        f"outs:\n- md5: {MD5}.dir\n  size: 9\n  nfiles: 2\n  hash: md5\n  path: images\n"
    )
    (tmp_path / "old.csv.dvc").write_text(f"outs:\n- md5: {MD5}\n  path: raw/old.csv\n")
    (tmp_path / "from.csv.dvc").write_text(
        "deps:\n- etag: x\n  path: s3://bucket/from.csv\n" + f"outs:\n- md5: {MD5}\n  hash: md5\n  path: from.csv\n"
    )
    return tmp_path


@pytest.mark.parametrize(
    ("text", "name", "found", "role", "uri"),
    [
        ("train.csv", "train.csv", digest(b"a,b\n"), "train", None),
        ("test=train.csv", "train.csv", digest(b"a,b\n"), "test", None),
        ("validation=october=train.csv", "october", digest(b"a,b\n"), "validation", None),
        ("october=train.csv", "october", digest(b"a,b\n"), "train", None),
        ("odd=name.csv", "odd=name.csv", digest(b"odd"), "train", None),
        (f"images={SHA}", "images", SHA, "train", None),
        (f"test=images=SHA256:{HEX.upper()}", "images", SHA, "test", None),
        (f"other={HEX}", SHA, SHA, "other", None),
        (f"md5:{MD5}", f"md5:{MD5}", f"md5:{MD5}", "train", None),
        (f"dvc-md5:{MD5}", f"md5:{MD5}", f"md5:{MD5}", "train", None),
        (f"raw={MD5}.dir", "raw", f"md5:{MD5}.dir", "train", None),
        (f"s3://b/dt=2026/train.parquet@{SHA}", "train.parquet", SHA, "train", "s3://b/dt=2026/train.parquet"),
        (f"test=x=s3://b/k@md5:{MD5}", "x", f"md5:{MD5}", "test", "s3://b/k"),
        (f"https://me:pw@h:8443/d.csv?versionId=7&X-Amz-Signature=s3cret#f@{SHA}", "d.csv", SHA, "train",
         "https://h:8443/d.csv?versionId=7"),
        (f"abfss://fs@account.dfs.core.windows.net/d@{SHA}", "d", SHA, "train",
         "abfss://fs@account.dfs.core.windows.net/d"),
        (f"https://h/d.csv?X-Amz-Signature={'0' * 300}@{SHA}", "d.csv", SHA, "train", "https://h/d.csv"),
        (f"https://t0ken@h/d.csv#t0ken@{SHA}", "d.csv", SHA, "train", "https://h/d.csv"),
        (f"s3://key:s3cret@h/d.csv@{SHA}", "d.csv", SHA, "train", "s3://h/d.csv"),
        ("big.parquet", "big.parquet", SHA, "train", None),
        ("images.dvc", "images", f"md5:{MD5}.dir", "train", None),
        ("old.csv.dvc", "old.csv", f"md5-dos2unix:{MD5}", "train", None),
        ("test=from.csv.dvc", "from.csv", f"md5:{MD5}", "test", "s3://bucket/from.csv"),
        ("signed.csv.dvc", "from.csv", f"md5:{MD5}", "train", "https://h/from.csv"),
        ("extended.bin", "extended.bin", SHA, "train", None),
        (f"{'n' * 300}={SHA}", "n" * 255, SHA, "train", None),
    ],
)  # fmt: skip
def test_data_is_described(here: Path, text: str, name: str, found: str, role: str, uri: str | None) -> None:
    expected: dict[str, Any] = {"name": name, "digests": [found], "role": role} | ({"uri": uri} if uri else {})

    assert data.described(text) == expected


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ("s3://b/train.parquet", "Add the digest of its bytes: s3://b/train.parquet@sha256:…"),
        ("x=s3://b/k@latest", "a digest must be <algorithm>:<lower-case hex>"),
        (SHA[:-1], "must have 64 hex digits after sha256:, not"),
        (f"s3://b/k@{SHA[:-1]}", "must have 64 hex digits after sha256:, not"),
        ("images", "images.dvc is there: give that."),
        ("nothing.csv", "is not a file or a directory here, nor a digest, nor an address"),
        ("empty", "empty holds no file"),
        ("piped", "a device, a pipe or a socket"),
        (f"s3://b/{'k' * 2048}@{SHA}", "at most 2048 characters"),
        (f"https://h:port/k@{SHA}", "is no address"),
        ("two.dvc", "NAME=md5:…"),
        ("dvc.lock", "NAME=md5:…"),
        ("/dev/null", "a device, a pipe or a socket"),
    ],
)
def test_what_is_no_data_is_refused_with_the_remedy(here: Path, text: str, remedy: str) -> None:
    (here / "empty").mkdir()
    (here / "piped").mkdir()
    os.mkfifo(here / "piped" / "pipe")
    (here / "two.dvc").write_text(f"outs:\n- md5: {MD5}\n  path: a\n- md5: {MD5}\n  path: b\n")
    (here / "dvc.lock").write_text("schema: '2.0'\n")

    with pytest.raises(UnfitSource) as refused:
        data.described(text)

    assert remedy in str(refused.value)


def test_a_directory_is_its_files_whatever_leads_to_them(here: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    plain, linked = here / "plain", here / "linked"
    for place in (plain, linked):
        (place / "deep").mkdir(parents=True)
        (place / "deep" / "2026-01-01T00:00.csv").write_bytes(b"1")  # no version could hold this path
        (place / "small.bin").write_text(LFS)
    (plain / "far.csv").write_bytes(b"far")
    store = tmp_path_factory.mktemp("cache") / "0a1b"
    store.write_bytes(b"far")
    (linked / "far.csv").symlink_to(store)
    (linked / ".DS_Store").write_bytes(b"x")
    fetched = here / "fetched"
    fetched.mkdir()
    (fetched / "big.bin").write_bytes(b"content")
    pointing = here / "pointing"
    pointing.mkdir()
    oid = hashlib.sha256(b"content").hexdigest()
    (pointing / "big.bin").write_text(f"version https://git-lfs.github.com/spec/v1\noid sha256:{oid}\nsize 7\n")

    same = data.directory_digest(plain)

    assert data.directory_digest(linked) == same
    assert data.directory_digest(pointing) == data.directory_digest(fetched) != same
    (linked / "far.csv").unlink()
    assert data.directory_digest(linked) != same
    assert data.described("plain/")["name"] == "plain"


def test_a_directory_of_data_with_links_in_a_circle_is_refused(here: Path) -> None:
    for one, other in (("left", "right"), ("right", "left")):
        (here / "images" / one).mkdir(parents=True)
        (here / "images" / one / "1.png").write_bytes(b"1")
        (here / "images" / one / "next").symlink_to(f"../{other}")

    with pytest.raises(UnfitSource, match="left/next/next: it is a symbolic link to a directory that it is in"):
        data.described("images")
    (here / "images" / "left" / "next").unlink()
    (here / "images" / "right" / "next").unlink()
    (here / "images" / "self").symlink_to("self")
    with pytest.raises(UnfitSource, match="self: it is a symbolic link that leads nowhere"):
        data.described("images")


def test_pointers_in_place_of_a_models_files_are_refused(here: Path) -> None:
    model = here / "model"
    (model / "raw").mkdir(parents=True)
    (model / "weights.bin").write_text(LFS)
    (model / "gone.pkl.dvc").write_text(f"outs:\n- md5: {MD5}\n  hash: md5\n  path: gone.pkl\n")
    (model / "raw.dvc").write_text(f"outs:\n- md5: {MD5}.dir\n  hash: md5\n  path: raw\n")
    (model / "raw" / "kept.txt").write_text("here")
    (model / "notes.dvc").write_text("no pointer")
    (model / "cloud.dvc").write_text("outs:\n- etag: x\n  path: cloud\n")

    with pytest.raises(UnfitSource) as refused:
        pointers.refuse(scan.scan(model))
    (model / "weights.bin").write_bytes(b"fetched")
    (model / "gone.pkl").write_bytes(b"fetched")
    (model / "cloud.dvc").unlink()

    assert refused.value.extras["files"] == {"cloud.dvc": "DVC", "gone.pkl.dvc": "DVC", "weights.bin": "git-lfs"}
    assert "git lfs pull, dvc pull" in str(refused.value)
    pointers.refuse(scan.scan(model))


@pytest.mark.parametrize(("text", "model"), [
    ("hf://org/name", {"uri": "hf://org/name"}),
    ("hf://org/name@0a1b2c", {"uri": "hf://org/name@0a1b2c"}),
    (f"s3://models/llama@{SHA}", {"uri": "s3://models/llama", "digests": [SHA]}),
    ("https://user:password@host.test/m?token=x", {"uri": "https://host.test/m"}),
    (HEX, {"digests": [SHA]}),
])  # fmt: skip
def test_a_base_model_is_an_address_with_a_revision_or_a_digest(text: str, model: dict[str, Any]) -> None:
    assert data.base_model(text) == model


@pytest.mark.parametrize("text", ["", "llama", "s3://models/llama@sha256:XYZ", "https://[::1/m"])
def test_what_names_no_base_model_is_refused(text: str) -> None:
    with pytest.raises(UnfitSource):
        data.base_model(text)
