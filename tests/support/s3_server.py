"""Give tests a real S3 server that checks signatures, expiry and checksums.

It is the one at ``TEST_S3_ENDPOINT_URL`` (with the usual ``AWS_…`` variables for its credentials) where that is set,
else a Swift that the first user starts and that all concurrent test processes of this machine share.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import json
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tests.support import openstack_swift

if TYPE_CHECKING:
    import boto3
    from mypy_boto3_s3 import S3Client


@dataclass(frozen=True)
class S3Server:
    """Where an S3 server listens, and who may use it."""

    endpoint_url: str
    access_key: str
    secret_key: str
    region: str

    @property
    def environment(self) -> Mapping[str, str]:
        """The variables from which boto3 takes these credentials."""
        return {
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_DEFAULT_REGION": self.region,
        }

    @contextlib.contextmanager
    def client(self) -> Iterator[S3Client]:
        """Lend a client of our own, to look at the server behind a driver's back."""
        from botocore.config import Config

        client = _session().client(
            "s3",
            endpoint_url=self.endpoint_url,
            region_name=self.region,
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            config=Config(s3={"addressing_style": "path"}, request_checksum_calculation="when_required"),
        )
        try:
            yield client
        finally:
            client.close()

    def new_bucket(self) -> str:
        """Create an empty bucket that no other test knows; return its name."""
        name = f"test-{uuid.uuid4().hex}"
        with self.client() as client:
            client.create_bucket(Bucket=name)
        return name


@contextlib.contextmanager
def running_s3(home: Path | None = None) -> Iterator[S3Server]:
    """Lend a real S3 server for the length of the block.

    Processes that pass the same *home* share one server; without it they share the one of this machine. Pass a
    directory of your own for a server that may be broken.
    """
    if own := os.environ.get("TEST_S3_ENDPOINT_URL"):
        yield _from_environment(own)
        return
    home = home or openstack_swift.cache_directory()
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (home / "users.lock").open("a") as users:
        with _locked(home / "start.lock"):
            fcntl.flock(users, fcntl.LOCK_SH)  # from here on a running server stays; one that is ending has ended
            endpoint_url = _running_at(home) or _start(home)
        yield S3Server(endpoint_url, openstack_swift.ACCESS_KEY, openstack_swift.SECRET_KEY, openstack_swift.REGION)


@functools.cache
def _session() -> boto3.session.Session:
    """One for all clients: each reads the description of S3 anew, which takes longer than most calls."""
    import boto3

    return boto3.session.Session()


def _from_environment(endpoint_url: str) -> S3Server:
    variables = os.environ
    region = variables.get("AWS_DEFAULT_REGION", "us-east-1")
    return S3Server(endpoint_url, variables["AWS_ACCESS_KEY_ID"], variables["AWS_SECRET_ACCESS_KEY"], region)


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _running_at(home: Path) -> str | None:
    try:
        endpoint_url: str = json.loads((home / "server.json").read_text())["endpoint_url"]
    except (FileNotFoundError, ValueError):
        return None
    where = urlsplit(endpoint_url)
    return endpoint_url if openstack_swift.answers(where.hostname or "", where.port or 0) else None


def _start(home: Path) -> str:
    done = subprocess.run(
        [sys.executable, openstack_swift.__file__, str(home)], capture_output=True, text=True, check=False
    )
    endpoint_url = _running_at(home)
    if done.returncode or endpoint_url is None:
        raise openstack_swift.StartFailed(done.stderr)
    return endpoint_url
