"""Settings become a store, or a sentence that says what is wrong with them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from registry.storage.factory import open_store
from registry.storage.local import LocalDriver
from registry.storage.s3 import S3Driver

WITHOUT_BOTO3 = """
import sys
sys.modules["boto3"] = None
from types import SimpleNamespace
from registry.storage.factory import open_store
local = {"storage_url": f"file://{sys.argv[1]}", "secret_keys": ["secret"], "inline_verify_bytes": 1}
open_store(SimpleNamespace(**local))
try:
    open_store(SimpleNamespace(storage_url="s3://bucket", s3_checksum_mode="when_required", inline_verify_bytes=1))
except ModuleNotFoundError as error:
    print(error)
"""


@dataclass(frozen=True)
class Settings:
    storage_url: str
    secret_keys: Sequence[str] = ("a secret for tests only",)
    s3_endpoint_url: str | None = None
    s3_public_endpoint_url: str | None = None
    s3_region: str | None = "us-east-1"
    s3_path_style: bool = True
    s3_checksum_mode: str = "when_required"
    inline_verify_bytes: int = 1024


def test_a_file_url_opens_a_directory_and_makes_it(tmp_path: Path) -> None:
    root = tmp_path / "with space" / "store"

    store = open_store(Settings(root.as_uri()))

    assert isinstance(store.driver, LocalDriver)
    assert store.read_at_once == 1024
    assert root.is_dir()
    store.check()


def test_an_s3_url_opens_a_bucket() -> None:
    store = open_store(Settings("s3://bucket/some/prefix"))

    assert isinstance(store.driver, S3Driver)
    assert store.driver.bucket == "bucket"


@pytest.mark.parametrize(
    "url", ["", "/srv/registry", "file://relative/path", "s3:///prefix", "https://bucket", "file:x"]
)
def test_a_url_that_makes_no_sense_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="storage URL"):
        open_store(Settings(url))


def test_a_checksum_mode_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValueError, match="checksum mode"):
        open_store(Settings("s3://bucket", s3_checksum_mode="never"))


def test_without_boto3_only_s3_fails_and_says_what_to_install(tmp_path: Path) -> None:
    command = [sys.executable, "-c", WITHOUT_BOTO3, str(tmp_path)]

    done = subprocess.run(command, capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "s3:// storage needs boto3: in a checkout, pip install '.[s3]'"
