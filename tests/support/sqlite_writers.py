"""Children that write to one SQLite through the whole service, each while a system call of its own goes wrong.

Called as a program: it imports the service once and forks a child for each line that it reads. The child says that it
is there, waits for a line of its own (by then it is traced), and registers versions until it is done or dead; the
number of each that was acknowledged is in its file before it goes on.
"""

from __future__ import annotations

import hashlib
import os
import sys
import uuid
from io import FileIO
from pathlib import Path
from typing import Any

WRITES = 4
MODEL = "fraud"


def main(url: str, folder: Path, token: str, secret: str) -> None:
    """Fork as lines come in; each names the file of its child."""
    from registry.app import create_app
    from registry.config import Secret, Settings
    from registry.db.session import db

    answers, sys.stdout = sys.stdout, sys.stderr  # where the log goes
    settings = Settings(
        database_url=Secret(url), storage_url=f"file://{folder / 'store'}", secret_key=Secret(secret), data_dir=folder
    )
    app = create_app(settings)
    client = app.test_client()
    _write(client, token, Path(os.devnull).open("wb", buffering=0))  # noqa: SIM115 -- what is loaded late is loaded now
    with app.app_context():
        db.engine.dispose()
    while line := sys.stdin.readline():
        with Path(line.strip()).open("wb", buffering=0) as told:
            if (process := os.fork()) == 0:
                try:
                    sys.stdin.readline()
                    _write(client, token, told)
                finally:
                    os._exit(0)
        answers.write(f"{process}\n")
        answers.flush()
        _, status = os.waitpid(process, 0)
        answers.write(f"{os.waitstatus_to_exitcode(status)}\n")
        answers.flush()


def _write(client: Any, token: str, told: FileIO) -> None:
    headers = {"Authorization": f"Bearer {token}"}
    for _ in range(WRITES):
        key = uuid.uuid4().hex
        line = {"path": "model.bin", "size": 14, "sha256": hashlib.sha256(b"the same bytes").hexdigest()}
        body = {"files": [line], "run": {"system": "test", "id": key}}
        answer = client.post(f"/api/v1/models/{MODEL}/versions", json=body, headers=headers)
        number = answer.get_json()["version"]["number"] if answer.status_code == 201 else 0
        told.write(f"{answer.status_code} {number}\n".encode())


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3], sys.argv[4])
