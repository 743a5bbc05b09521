"""Uploads and downloads by real processes against a real service, with a proxy between them that loses and spoils."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.cli.forward_proxy import ForwardProxy, proxying
from tests.support import forked_processes
from tests.support.forked_processes import serving
from tests.support.git_repositories import checkout
from tests.support.ports import free_port
from tests.support.processes import SCRIPTS, die_with_parent, environment

PART = 5 << 20
PARTS = 7
SIZE = 33 << 20  # seven parts on the way up, three ranges on the way down


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A development server that wants files of more than 5 MiB in parts."""
    url = f"http://127.0.0.1:{free_port()}"
    env = environment(REGISTRY_SINGLE_PUT_BYTES=str(PART), REGISTRY_PART_BYTES=str(PART))
    with serving("--dev", "--bind", url.removeprefix("http://"), cwd=tmp_path_factory.mktemp("s"), env=env, url=url):
        yield url


@pytest.fixture
def proxy() -> Iterator[ForwardProxy]:
    with proxying() as running:
        yield running


class Commands:
    """Runs ``registry`` as a process in *cwd*, through the proxy."""

    def __init__(self, cwd: Path, service: str, proxy: ForwardProxy) -> None:
        self.cwd = cwd
        home = {"HOME": str(cwd), "XDG_CONFIG_HOME": str(cwd / "config"), "GIT_CEILING_DIRECTORIES": str(cwd.parent)}
        self.env = environment(REGISTRY_URL=service, http_proxy=proxy.url, no_proxy="", **home)

    def __call__(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return forked_processes.server().run("registry", *arguments, cwd=self.cwd, env=self.env)

    @contextmanager
    def begun(self, *arguments: str) -> Iterator[subprocess.Popen[str]]:
        with subprocess.Popen(
            [SCRIPTS / "registry", *arguments],
            cwd=self.cwd,
            env=self.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=die_with_parent(),  # noqa: PLW1509 -- one system call, safe beside threads
        ) as process:
            yield process


@pytest.fixture
def run_cli(tmp_path: Path, service: str, proxy: ForwardProxy) -> Commands:
    return Commands(tmp_path, service, proxy)


@pytest.fixture
def model(tmp_path: Path, request: pytest.FixtureRequest) -> str:
    """A model's name of this test's own, and a directory ``model`` with one large file and one small one."""
    checkout(tmp_path)
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "weights.bin").write_bytes(os.urandom(SIZE))
    (tmp_path / "model" / "MLmodel").write_text(f"flavors: {{}} # {request.node.name}")
    return str(request.node.name).translate(str.maketrans("[]", "--"))


def ok(done: subprocess.CompletedProcess[str]) -> Any:
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


def same(left: Path, right: Path) -> bool:
    files = [sorted(file.relative_to(place) for file in place.rglob("*")) for place in (left, right)]
    return files[0] == files[1] and all((left / name).read_bytes() == (right / name).read_bytes() for name in files[0])


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ([800_000, 200_000, 8_000], ["POST versions"]),
        ([1_200_000, 8_000], ["POST uploads/batch", "PUT transfer", "PUT transfer", "POST versions"]),
    ],
    ids=["one MiB", "more"],
)
def test_a_registration_takes_as_few_requests_as_it_can(
    run_cli: Commands, proxy: ForwardProxy, tmp_path: Path, sizes: list[int], expected: list[str]
) -> None:
    checkout(tmp_path)
    (tmp_path / "model").mkdir()
    for number, size in enumerate(sizes):
        (tmp_path / "model" / f"{number}.bin").write_bytes(os.urandom(size))
    name = f"few-{len(expected)}"

    done = ok(run_cli("register", name, "model", "--json"))

    assert done["version"]["state"] == "ready"
    passed = [f"{one.method} {urlsplit(one.path).path}" for one in proxy.passed]
    short = [re.sub(r"/api/v1/(models/[^/]+/)?|/(?=transfer)|(?<=transfer)/.*", "", one) for one in passed]
    assert short == expected


def test_a_large_file_goes_up_in_parts_and_comes_back_in_ranges(
    run_cli: Commands, proxy: ForwardProxy, model: str, tmp_path: Path
) -> None:
    done = ok(run_cli("register", model, "model", "--wait", "--json"))
    ok(run_cli("pull", model, "-o", "out", "--json"))

    assert done["version"]["state"] == "ready"
    assert len(proxy.transfers("PUT")) == PARTS + 1
    assert len([one for one in proxy.transfers("GET") if one.range]) == 3
    assert not [one for one in proxy.passed if "/files/weights.bin" in one.path]
    assert same(tmp_path / "model", tmp_path / "out")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_an_upload_that_was_ended_is_gone_on_from(
    run_cli: Commands, proxy: ForwardProxy, model: str, tmp_path: Path, number: signal.Signals
) -> None:
    proxy.hold("PUT", 4)
    with run_cli.begun("register", model, "model", "--jobs", "2") as process:
        proxy.await_full()
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    proxy.release()
    proxy.passed.clear()

    ok(run_cli("register", model, "model", "--json"))

    told = "Interrupted. Run the same command again to resume.\n"
    assert (process.returncode, out, err) == ((130, "", told) if number == signal.SIGINT else (-9, "", ""))
    assert len(proxy.transfers("PUT")) == PARTS - 3 + 1  # of the four that passed one was the small file
    ok(run_cli("pull", model, "-o", "out", "--json"))
    assert same(tmp_path / "model", tmp_path / "out")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_download_that_was_ended_is_gone_on_from(
    run_cli: Commands, proxy: ForwardProxy, model: str, tmp_path: Path, number: signal.Signals
) -> None:
    ok(run_cli("register", model, "model", "--json"))
    (tmp_path / "model" / "MLmodel").unlink()
    version = ok(run_cli("register", model, "model", "--json"))["version"]["number"]
    proxy.hold("GET", 2)
    with run_cli.begun("pull", f"{model}:{version}", "-o", "out", "--jobs", "1") as process:
        proxy.await_full()
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    proxy.release()
    proxy.passed.clear()
    assert not (tmp_path / "out" / "weights.bin").exists()

    ok(run_cli("pull", f"{model}:{version}", "-o", "out", "--json"))

    told = "Interrupted. Run the same command again to resume.\n"
    assert (process.returncode, out, err) == ((130, "", told) if number == signal.SIGINT else (-9, "", ""))
    assert [one.range for one in proxy.transfers("GET")] == [f"bytes={32 << 20}-{SIZE - 1}"]
    assert same(tmp_path / "model", tmp_path / "out")


def test_a_flipped_byte_on_the_way_ends_with_7_and_keeps_nothing(
    run_cli: Commands, proxy: ForwardProxy, model: str, tmp_path: Path
) -> None:
    ok(run_cli("register", model, "model", "--json"))
    proxy.spoil = lambda body: body[:-1] + bytes([body[-1] ^ 1]) if len(body) > PART else body

    done = run_cli("pull", model, "-o", "out")

    assert (done.returncode, done.stdout) == (7, "")
    assert done.stderr.startswith("error: weights.bin: the bytes are not the registered ones")
    assert {file.name for file in (tmp_path / "out").rglob("*")} <= {"MLmodel"}


@pytest.mark.parametrize("method", ["PUT", "GET"])
def test_a_store_that_fails_now_and_then_costs_nothing_but_time(
    run_cli: Commands, proxy: ForwardProxy, model: str, tmp_path: Path, method: str
) -> None:
    seen: list[str] = []

    def refuse(called: str, path: str) -> int | None:
        if called != method or "/transfer/" not in path:
            return None
        seen.append(path)
        return 503 if len(seen) % 3 == 0 else None

    proxy.refuse = refuse

    ok(run_cli("register", model, "model", "--json"))
    ok(run_cli("pull", model, "-o", "out", "--json"))

    assert len(seen) > 3
    assert same(tmp_path / "model", tmp_path / "out")


def test_what_the_directory_ignores_is_not_registered(run_cli: Commands, model: str, tmp_path: Path) -> None:
    (tmp_path / "model" / ".registryignore").write_text("# not the model\n*.tmp\nlogs/\n")
    (tmp_path / "model" / "logs").mkdir()
    for name in ("scratch.tmp", "logs/today", "notes.txt"):
        (tmp_path / "model" / name).write_text(name)

    done = ok(run_cli("register", model, "model", "--exclude", "weights.bin", "--json"))

    reference = f"{model}:{done['version']['number']}"
    listed = ok(run_cli("version", "files", reference, "--json"))["items"]
    assert [file["path"] for file in listed] == ["MLmodel", "notes.txt"]
    compared = run_cli("verify", "model", "--against", reference, "--json")
    assert compared.returncode == 7
    assert json.loads(compared.stdout)["extra"] == [".registryignore", "logs/today", "scratch.tmp", "weights.bin"]
    left_out = [f"--exclude={pattern}" for pattern in (".registryignore", "*.tmp", "logs/", "weights.bin")]
    assert ok(run_cli("verify", "model", "--against", reference, *left_out, "--json"))["ok"]
