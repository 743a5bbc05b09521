"""How fast bytes go in and out, beside what does the same work without a registry, in one run on one machine.

    python -m tests.benchmarks.transfer [--pairs 5] [--file-mib 1024] [--files 2000]

Each line is the median of interleaved pairs: ours, then theirs, with fresh bytes, and nothing else running. A ratio of
1.0 is as fast as the other; what each is measured against is in the table. S3 is the suite's real server.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import requests

from registry.client import RegistryClient
from tests.support.polling import eventually
from tests.support.s3_server import S3Server, running_s3

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

MIB = 1024 * 1024
SMALL = 20 * 1024
JOBS = 8
PATIENCE = 600.0
POLL = 0.1  # seconds; more polls would load the service that is measured
ROOT = Path(__file__).parents[2]
CLIENT_ENDS = """
import resource, sys
from registry.client import RegistryClient
with RegistryClient(sys.argv[1]) as registry:
    if sys.argv[2] == "register":
        registry.register(sys.argv[3], sys.argv[4], jobs=int(sys.argv[5]), wait=False)
    else:
        registry.pull(sys.argv[3], sys.argv[4], jobs=int(sys.argv[5]))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
"""


@dataclass
class Comparison:
    """Seconds of each pair, ours and theirs."""

    name: str
    against: str
    goal: float
    ours: list[float] = field(default_factory=list)
    theirs: list[float] = field(default_factory=list)

    @property
    def ratio(self) -> float:
        """How many times as fast as the other: the median over the pairs."""
        return statistics.median(theirs / ours for ours, theirs in zip(self.ours, self.theirs, strict=True))

    def row(self) -> tuple[str, str, str, str, str, str]:
        ours, theirs = statistics.median(self.ours), statistics.median(self.theirs)
        return (self.name, f"{ours:.2f} s", f"{theirs:.2f} s", f"{self.ratio:.2f}", f"{self.goal:g}", self.against)


@dataclass(frozen=True)
class Memory:
    """Bytes: the client's peak, and by how much the server's resident memory grew."""

    name: str
    client: int
    server: int


@dataclass(frozen=True)
class Service:
    """A running registry."""

    url: str
    process: int

    def resident(self) -> int:
        """Resident bytes of the server's processes."""
        children = Path(f"/proc/{self.process}/task/{self.process}/children").read_text().split()
        return sum(_resident(int(process)) for process in [*children, self.process])


def main(arguments: Sequence[str] | None = None) -> int:
    """Run and print everything; the number of goals that were missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--file-mib", type=int, default=1024, help="size of the large file")
    parser.add_argument("--files", type=int, default=2000, help="how many files of 20 KiB the directory has")
    parser.add_argument("--memory-mib", type=int, nargs="*", default=[1024, 4096])
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="transfer-") as name:
        compared, measured = run(
            Path(name), pairs=options.pairs, size=options.file_mib * MIB, files=options.files,
            memory=[mib * MIB for mib in options.memory_mib],
        )  # fmt: skip
    return report(compared, measured)


def run(
    directory: Path, *, pairs: int, size: int, files: int, memory: Sequence[int]
) -> tuple[list[Comparison], list[Memory]]:
    """Measure on S3, then on the local directory."""
    with running_s3() as server, server.client() as s3:
        bucket = f"bench-{uuid.uuid4().hex[:12]}"
        s3.create_bucket(Bucket=bucket)
        with serving(directory / "s3", storage_url=f"s3://{bucket}/registry", server=server) as service:
            compared = [
                *large_file(directory, service, s3, bucket, pairs=pairs, size=size),
                *many_files(directory, service, s3, bucket, pairs=pairs, count=files),
            ]
            measured = [use for some in memory for use in memory_of(directory, service, some)]
    with serving(directory / "local") as service:
        compared.append(local_file(directory, service, pairs=pairs, size=size))
    return compared, measured


def large_file(
    directory: Path, service: Service, s3: S3Client, bucket: str, *, pairs: int, size: int
) -> list[Comparison]:
    """One file up and down, against boto3's managed transfer and one pass of SHA-256 over the file."""
    gib = f"{size / MIB / 1024:g} GiB"
    up = Comparison(f"upload {gib}", "boto3 upload_file + sha256", 0.9)
    down = Comparison(f"download {gib}", "boto3 download_file + sha256", 0.9)
    source, target = directory / "model.bin", directory / "theirs.bin"
    make(source, size)
    for number in range(pairs):
        freshen(source)
        with RegistryClient(service.url) as registry:
            with timed(up.ours):
                registry.register("large", source, jobs=JOBS, wait=False)
            await_ready(registry, "large", number + 1)
            with timed(up.theirs):
                sha256(source)
                s3.upload_file(str(source), bucket, "theirs")
            pulled = directory / "pulled"
            with timed(down.ours):
                registry.pull(f"large:{number + 1}", pulled, jobs=JOBS)
            with timed(down.theirs):
                s3.download_file(bucket, "theirs", str(target))
                sha256(target)
        shutil.rmtree(pulled)
        target.unlink()
        s3.delete_object(Bucket=bucket, Key="theirs")
    source.unlink()
    return [up, down]


def many_files(
    directory: Path, service: Service, s3: S3Client, bucket: str, *, pairs: int, count: int
) -> list[Comparison]:
    """A directory of small files, against a plain loop of boto3's calls with as many threads."""
    up = Comparison(f"upload {count} x 20 KiB", "boto3 put_object loop", 0.8)
    down = Comparison(f"download {count} x 20 KiB", "boto3 get_object loop", 0.8)
    again = Comparison("register them again", "the first registration", 10)
    source, theirs = directory / "many", directory / "many-theirs"
    for number in range(pairs):
        names = make_many(source, count)
        theirs.mkdir()
        with RegistryClient(service.url) as registry, ThreadPoolExecutor(JOBS) as pool:
            with timed(up.ours):
                registry.register("many", source, jobs=JOBS, wait=False)
            with timed(again.ours):
                registry.register("many", source, jobs=JOBS, wait=False, run={"system": "bench", "id": str(number)})
            again.theirs.append(up.ours[-1])
            with timed(up.theirs):
                list(pool.map(partial(put, s3, bucket), [source / name for name in names]))
            pulled = directory / "pulled"
            with timed(down.ours):
                registry.pull(f"many:{2 * number + 1}", pulled, jobs=JOBS)
            with timed(down.theirs):
                list(pool.map(partial(get, s3, bucket), [theirs / name for name in names]))
        for made in (source, theirs, pulled):
            shutil.rmtree(made)
    return [up, again, down]


def local_file(directory: Path, service: Service, *, pairs: int, size: int) -> Comparison:
    """One file into the local store, against ``cp`` and ``sha256sum``."""
    found = Comparison(f"local upload {size / MIB / 1024:g} GiB", "cp + sha256sum", 0.7)
    source, copy = directory / "model.bin", directory / "copy.bin"
    make(source, size)
    for number in range(pairs):
        freshen(source)
        with RegistryClient(service.url) as registry:
            with timed(found.ours):
                registry.register("local", source, jobs=JOBS, wait=False)
            await_ready(registry, "local", number + 1)
        with timed(found.theirs):
            command("cp", source, copy)
            command("sha256sum", source)
        copy.unlink()
    source.unlink()
    return found


def memory_of(directory: Path, service: Service, size: int) -> Iterator[Memory]:
    """What one upload and one download of a file need, in processes of their own."""
    source, pulled = directory / "model.bin", directory / "pulled"
    make(source, size)
    gib = f"{size / MIB / 1024:g} GiB"
    with RegistryClient(service.url) as registry:
        before = service.resident()
        peak = client_peak(service, "register", f"memory-{size}", source)
        await_ready(registry, f"memory-{size}", 1)
        yield Memory(f"upload {gib}", peak, service.resident() - before)
        before = service.resident()
        peak = client_peak(service, "pull", f"memory-{size}:1", pulled)
        yield Memory(f"download {gib}", peak, service.resident() - before)
    source.unlink()
    shutil.rmtree(pulled)


def report(compared: Sequence[Comparison], measured: Sequence[Memory]) -> int:
    """Print the tables; how many goals were missed."""
    table([("what", "ours", "theirs", "ratio", "goal", "theirs is"), *(found.row() for found in compared)])
    if measured:
        rows = [(use.name, f"{use.client / MIB:.0f} MiB", f"{use.server / MIB:+.0f} MiB") for use in measured]
        table([("memory", "client's peak", "server's growth"), *rows])
    return sum(found.ratio < found.goal for found in compared)


@contextmanager
def serving(data: Path, *, storage_url: str | None = None, server: S3Server | None = None) -> Iterator[Service]:
    """``registry serve --dev``, on the local directory unless told otherwise."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        bind = f"127.0.0.1:{free.getsockname()[1]}"
    environment = {**os.environ, "REGISTRY_LOG_LEVEL": os.environ.get("REGISTRY_LOG_LEVEL", "warning")}
    if storage_url and server:
        environment |= {**server.environment, "REGISTRY_STORAGE_URL": storage_url,
                        "REGISTRY_S3_ENDPOINT_URL": server.endpoint_url}  # fmt: skip
    start = [sys.executable, "-m", "registry.cli.main", "serve", "--dev", "--bind", bind, "--data-dir", str(data)]
    with (
        (data.parent / "server.log").open("w") as log,
        subprocess.Popen(start, cwd=ROOT, env=environment, stderr=log) as process,
    ):
        url = f"http://{bind}"
        try:
            eventually(lambda: answers(url), "the service answers", seconds=PATIENCE, interval=POLL)
            yield Service(url, process.pid)
        finally:
            process.terminate()


def client_peak(service: Service, *arguments: str | Path) -> int:
    """The most resident memory of a client that does this, in bytes."""
    done = command(sys.executable, "-c", CLIENT_ENDS, service.url, *arguments, str(JOBS))
    return int(done.split()[-1])


def await_ready(registry: RegistryClient, model: str, number: int) -> None:
    version = partial(registry.versions.get, model, number)
    eventually(lambda: version()["state"] == "ready", "the version is ready", seconds=PATIENCE, interval=POLL)


@contextmanager
def timed(seconds: list[float]) -> Iterator[None]:
    """Append how long the block took."""
    start = time.perf_counter()
    yield
    seconds.append(time.perf_counter() - start)


def answers(url: str) -> bool:
    try:
        return requests.get(f"{url}/readyz", timeout=10).ok
    except requests.ConnectionError:
        return False


def make(path: Path, size: int) -> None:
    """A file that does not compress."""
    block = os.urandom(MIB)
    with path.open("wb") as file:
        for number in range(size // MIB):
            file.write(number.to_bytes(8, "big") + block[8:])


def freshen(path: Path) -> None:
    """Make the file one that nobody has seen."""
    with path.open("r+b") as file:
        file.write(uuid.uuid4().bytes)


def make_many(directory: Path, count: int) -> list[str]:
    directory.mkdir()
    names = [f"{number:05}.bin" for number in range(count)]
    for name in names:
        (directory / name).write_bytes(os.urandom(SMALL))
    return names


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def put(s3: S3Client, bucket: str, path: Path) -> None:
    s3.put_object(Bucket=bucket, Key=f"theirs/{path.name}", Body=path.read_bytes())


def get(s3: S3Client, bucket: str, path: Path) -> None:
    path.write_bytes(s3.get_object(Bucket=bucket, Key=f"theirs/{path.name}")["Body"].read())


def command(*words: str | Path) -> str:
    return subprocess.run([str(word) for word in words], check=True, capture_output=True, text=True, cwd=ROOT).stdout


def table(rows: Sequence[Sequence[str]]) -> None:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        line = "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True))
        sys.stdout.write(line.rstrip() + "\n")
    sys.stdout.write("\n")


def _resident(process: int) -> int:
    status: Mapping[str, Any] = dict(
        line.split(":", 1) for line in Path(f"/proc/{process}/status").read_text().splitlines()
    )
    return int(status["VmRSS"].split()[0]) * 1024


if __name__ == "__main__":
    sys.exit(main())
