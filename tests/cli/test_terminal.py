"""On a terminal, nothing that a server, a file or an argument says is obeyed."""

from __future__ import annotations

import json
import os
import pty
import select
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from werkzeug.wrappers import Request, Response

from tests.support import web_server
from tests.support.forked_processes import serving
from tests.support.polling import eventually
from tests.support.ports import free_port
from tests.support.processes import SCRIPTS, environment

HOSTILE = "\x1b]0;owned\x07\x1b[2J\x9b31m\r\x08\x7f\u202e\u200b\u2028[red]evil[/]"
OBEYED = ("\x1b]0", "\x1b[2J", "\x9b", "\x07", "\x08", "\x7f", "\u202e", "\u200b", "\u2028")


def hostile(value: Any) -> Any:
    """*value* with hostile text in place of each empty one."""
    if isinstance(value, dict):
        return {name: hostile(one) for name, one in value.items()}
    if isinstance(value, list):
        return [hostile(one) for one in value]
    return HOSTILE if value == "" else value


MODEL = hostile({
    "id": "", "name": "", "description": "", "tags": {HOSTILE: ""}, "lifecycle": "", "state": "", "latest_version": 1,
    "stages": {HOSTILE: [1], "production": [1]}, "aliases": {HOSTILE: 1}, "claimed": None, "created_at": "",
    "created_by": "", "updated_at": "", "deleted_at": "",
})  # fmt: skip
VERSION = hostile({
    "model": "", "number": 1, "state": "", "state_reason": "", "stage": "", "rolled_back": False, "manifest_digest": "",
    "file_count": 1, "size": 1, "description": "", "tags": {HOSTILE: ""}, "aliases": [""], "params": {HOSTILE: ""},
    "metrics": {HOSTILE: 0.5}, "framework": "", "signature": None, "source": "", "created_at": "", "created_by": "",
    "deleted_at": None, "lineage": {
        "run": {"system": "", "id": "", "url": ""}, "code": {"repo": "", "commit": "", "path": ""},
        "environment": {"python": ""}, "datasets": [{"name": "", "digests": [""], "role": ""}],
        "parents": [{"model": "", "version": 1}]},
})  # fmt: skip
ENTRY = hostile({
    "id": "", "at": "", "action": "", "actor": {"id": "", "name": "", "kind": ""}, "model": "", "version": 1,
    "related_version": None, "token": "", "before": {"stage": "", HOSTILE: ""}, "after": {"stage": "x", HOSTILE: "y"},
    "reason": "", "texts": {},
})  # fmt: skip
FILE = {"path": HOSTILE, "size": 1, "sha256": "0" * 64, "media_type": HOSTILE}
PROBLEM = {"code": "invalid", "detail": HOSTILE, "errors": {HOSTILE: [HOSTILE]}, "allowed": [HOSTILE]}
COMMANDS = [
    ["show", "fraud"],
    ["show", "fraud", "--json"],
    ["show", "fraud:1"],
    ["show", "fraud:2"],
    ["show", "fraud:2", "--json"],
    ["history", "fraud"],
    ["audit"],
    ["audit", "--format", "csv"],
    ["audit", "--format", "jsonl"],
    ["model", "list"],
    ["version", "list", "fraud"],
    ["pull", "fraud:1", "--output", "out"],
    ["show", HOSTILE.replace("\u2028", "")],
    ["show", "fraud", f"--{HOSTILE}"],
    [HOSTILE],
    ["history", "fraud", "--since", HOSTILE],
    ["--debug", "show", "fraud:2"],
]


def answer(request: Request) -> Response:
    path = request.path.removeprefix("/api/v1")
    if request.args.get("format") == "csv":
        return Response(f"at,reason\r\n{HOSTILE},{HOSTILE}\r\n", content_type="text/csv; charset=utf-8")
    if request.args.get("format") == "jsonl":
        return Response(json.dumps(ENTRY, ensure_ascii=False), content_type="application/x-ndjson")
    found: Any = {
        "/models/fraud": MODEL,
        "/models/fraud/versions/1": VERSION,
        "/models/fraud/versions/1/files": {"items": [FILE], "next_cursor": None},
        "/models": {"items": [MODEL], "next_cursor": None},
        "/models/fraud/versions": {"items": [VERSION], "next_cursor": None},
        "/models/fraud/history": {"items": [ENTRY], "next_cursor": None},
        "/audit": {"items": [ENTRY], "next_cursor": None},
    }.get(path)
    if found is None:
        return Response(
            json.dumps(PROBLEM),
            status=422,
            headers={"X-Request-Id": "\x7f\x9b"},
            content_type="application/problem+json",
        )
    return Response(json.dumps(found), content_type="application/json")


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """A registry whose every text is hostile."""
    with web_server.serving(lambda environ, start: answer(Request(environ))(environ, start)) as url:
        yield url


def on_a_terminal(*command: str, cwd: Path, url: str) -> str:
    """What a command writes to a terminal."""
    ours, theirs = pty.openpty()
    env = environment(REGISTRY_URL=url, HOME=str(cwd), XDG_CONFIG_HOME=str(cwd), TERM="xterm", COLUMNS="200")
    with subprocess.Popen([SCRIPTS / "registry", *command], cwd=cwd, env=env, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        written = b""
        while select.select([ours], [], [], 60)[0]:
            try:
                written += os.read(ours, 1 << 16)
            except OSError:  # the other end is closed
                break
    os.close(ours)
    assert process.returncode is not None
    return written.decode(errors="replace")


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: ascii(" ".join(command))[:30])
def test_no_text_is_obeyed(server: str, tmp_path: Path, command: list[str]) -> None:
    written = on_a_terminal(*command, cwd=tmp_path, url=server)

    assert "owned" in written
    assert [sequence for sequence in OBEYED if sequence in written] == []


def test_a_server_that_logs_for_people_writes_out_what_clients_send(tmp_path: Path) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with serving("--dev", "--bind", f"127.0.0.1:{port}", cwd=tmp_path, env=environment(), url=url) as log:
        for path in ("/%1b]0;owned%07", "/api/v1/models/%1b[2J%c2%9bowned"):
            assert requests.get(f"{url}{path}", timeout=60).status_code == 404
        eventually(lambda: log.read_text().count("owned") >= 2, "both requests are in the log")
        written = log.read_text()

    assert "\\u001b]0;owned\\u0007" in written
    assert [sequence for sequence in OBEYED if sequence in written] == []
