"""The releases before and after this one: the former out of the history, the latter made of this one.

The next one is a copy of the code with one more migration, whose column the copy uses.
"""

from __future__ import annotations

import io
import os
import runpy
import shutil
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path

from registry.db import schema
from tests.support import forked_processes

ROOT = Path(__file__).parents[2]
PARTS = ("registry", "migrations", "deploy", "tests/__init__.py", "tests/support")
REVISION = "9000"
MIGRATION = '''"""Where a model is shown.

Phase: expand
Safe with the previous release: yes.
Locks: short ones. Rollback: loses the column and the table.
"""

import sqlalchemy as sa
from alembic import op

revision = "{revision}"
down_revision = "{previous}"
branch_labels = None
depends_on = None
works_with = down_revision


def upgrade() -> None:
    op.add_column("models", sa.Column("shown_at", sa.Text(), nullable=True))
    op.create_table("screens", sa.Column("id", sa.Integer(), nullable=False), sa.PrimaryKeyConstraint("id"))
    op.create_index("ix_models_shown_at", "models", ["shown_at"])


def downgrade() -> None:
    op.drop_index("ix_models_shown_at", "models")
    op.drop_table("screens")
    op.drop_column("models", "shown_at")
'''
# Every statement of the copy that reads or makes a model names the column.
COLUMN = """
from sqlalchemy import Text as _Text

Model.shown_at = mapped_column(_Text, default="the front page")
"""


@dataclass(frozen=True)
class Release:
    """Code in *root*, from where its processes import the package; its commands keep to *data*."""

    root: Path
    data: Path

    def registry(self, *arguments: str, database_url: str, secret: str = "x" * 32) -> subprocess.CompletedProcess[str]:
        """Run the release's ``registry`` command; that of this release is forked."""
        settings = {"REGISTRY_DATABASE_URL": database_url, "REGISTRY_SECRET_KEY": secret}
        settings |= {"REGISTRY_DATA_DIR": str(self.data), "REGISTRY_STORAGE_URL": f"file://{self.data}"}
        environment = {"PATH": os.environ["PATH"], **settings}
        if self.root == ROOT:
            return forked_processes.server().run("registry", *arguments, cwd=self.root, env=environment)
        program = [sys.executable, "-m", "registry.cli.main", *arguments]
        return subprocess.run(program, cwd=self.root, env=environment, capture_output=True, text=True, check=False)

    def roles(self) -> list[str]:
        """Return the roles that the release can grant."""
        program = "from registry.domain.access import GRANTABLE; print(*sorted(GRANTABLE))"
        command = [sys.executable, "-c", program]
        return subprocess.run(command, cwd=self.root, capture_output=True, text=True, check=True).stdout.split()


class NoPreviousRelease(Exception):
    """Why there is none that could serve beside this one."""


def this_release(data: Path) -> Release:
    return Release(ROOT, data)


def previous_release(folder: Path) -> Release:
    """The oldest release that may serve beside this one, in *folder*: the last commit before the first migration that
    it does not have. Raises NoPreviousRelease.
    """
    scripts = [runpy.run_path(str(path)) | {"path": path} for path in (schema.migrations() / "versions").glob("*.py")]
    newest = next(script for script in scripts if script["revision"] == schema.head())
    if newest["works_with"] == schema.head():
        raise NoPreviousRelease(f"{newest['path'].name} contracts: no release before it works beside this one")
    return _release_before(
        next(script["path"] for script in scripts if script["down_revision"] == newest["works_with"]), folder
    )


def release_before(revision: str, folder: Path) -> Release:
    """The last commit before a migration, in *folder*. Raises NoPreviousRelease."""
    (migration,) = (schema.migrations() / "versions").glob(f"{revision}_*.py")
    return _release_before(migration, folder)


def _release_before(migration: Path, folder: Path) -> Release:
    try:
        added = _git("log", "-1", "--format=%H", "--diff-filter=AR", "--", str(migration)).decode().strip()
        archive = _git("archive", f"{added}^" if added else "HEAD", *PARTS)
    except (OSError, subprocess.CalledProcessError) as error:
        raise NoPreviousRelease(f"the history here does not go back before {migration.name}") from error
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        files.extractall(folder, filter="data")
    return Release(folder, folder / "data")


def _git(*arguments: str) -> bytes:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, check=True).stdout


def next_release(folder: Path) -> Release:
    """The release after this one, in *folder*: its migration expands."""
    for part in PARTS:
        source, target = ROOT / part, folder / part
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target)  # compiled files too, which saves seconds
        else:
            shutil.copyfile(source, target)
    text = MIGRATION.format(revision=REVISION, previous=schema.head())
    (folder / "migrations" / "versions" / f"{REVISION}_next.py").write_text(text)
    with (folder / "registry" / "db" / "models" / "catalog.py").open("a") as catalog:
        catalog.write(COLUMN)
    return Release(folder, folder / "data")
