"""A real PgBouncer in transaction mode before a database: one on the PATH, or Debian's."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy.engine import URL, make_url

from tests.support.debian_packages import unpacked
from tests.support.polling import eventually
from tests.support.ports import free_port
from tests.support.processes import die_with_parent

LIBRARIES = ("libc-ares2", "libevent-2.1-7")
POOL_SIZE = 5
TERMS = {
    "pool_mode": "transaction",
    "default_pool_size": POOL_SIZE,
    "ignore_startup_parameters": "options",
    "auth_type": "any",
    "max_client_conn": 200,
    "unix_socket_dir": "",
    "listen_addr": "127.0.0.1",
}


@contextmanager
def pooled(url: str, **terms: str | int) -> Iterator[str]:
    """Yield the URL of the database behind a pooler; *terms* replace what it is configured with, "" leaves one out."""
    base, port, target = Path(tempfile.mkdtemp(prefix="pooler-", dir="/tmp")), free_port(), make_url(url)
    found = {name: value for name, value in {**TERMS, "listen_port": port, **terms}.items() if value != ""}
    host = str(target.query.get("host", target.host))
    where = f"host={host} port={target.port or 5432} dbname={target.database}"
    lines = [f"pooled = {where} user={target.username or 'postgres'}"]
    if target.password:
        lines[0] += f" password={target.password}"
    text = "\n".join(["[databases]", *lines, "[pgbouncer]", *(f"{name} = {value}" for name, value in found.items())])
    (base / "pgbouncer.ini").write_text(f"{text}\n")
    owner = _owner(host)
    for path in (base, base / "pgbouncer.ini"):
        os.chown(path, owner.get("user", -1), owner.get("group", -1))
    program = _program(base)
    log = base / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [program, base / "pgbouncer.ini"],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=base,
            env={"LD_LIBRARY_PATH": str(base), "PATH": os.environ.get("PATH", "")},
            preexec_fn=die_with_parent(),  # noqa: PLW1509 -- one system call, safe beside threads
            **owner,
        )
    try:
        eventually(lambda: process.poll() is not None or "process up" in log.read_text(), "PgBouncer is up")
        assert process.poll() is None, log.read_text()
        pooler = URL.create("postgresql", username=target.username or "postgres", host="127.0.0.1", port=port)
        yield pooler.set(database="pooled").render_as_string(hide_password=False)
    finally:
        process.terminate()
        process.wait(30)
        shutil.rmtree(base, ignore_errors=True)


def _program(base: Path) -> Path:
    """Return the program; Debian's is copied to *base* with what it needs, as others may not read this user's cache."""
    if found := shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin"):
        return Path(found)
    for package in LIBRARIES:
        for library in (unpacked(package) / "usr" / "lib").glob("*-linux-gnu/*.so.*"):
            shutil.copy(library, base)
    return Path(shutil.copy(unpacked("pgbouncer") / "usr" / "sbin" / "pgbouncer", base))


def _owner(place: str | None) -> dict[str, Any]:
    """Return whose process it is to be: it refuses to be root's, and is to reach the socket in *place*."""
    if os.geteuid() != 0:
        return {}
    if place and place.startswith("/"):
        found = Path(place).stat()
        return {"user": found.st_uid, "group": found.st_gid, "extra_groups": []}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
