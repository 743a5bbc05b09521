"""When the account that wrote a file of the artifact area registered it: until then the path is that account's.

Files whose bytes a version already has count as registered, so that their paths stay free as they were.

Phase: expand
Safe with the previous release: yes; it lets every writer replace every file, and leaves the column as it is.
Locks: on PostgreSQL a short one of ``artifacts`` for the column; then the rows that are marked, one look-up each.
Rollback: ``downgrade`` loses the column; paths are nobody's again.
"""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None
works_with = "0006"


def upgrade() -> None:
    op.add_column("artifacts", sa.Column("registered_at", sa.DateTime(timezone=True), nullable=True))
    op.execute(
        "UPDATE artifacts SET registered_at = created_at WHERE sha256 IS NOT NULL AND EXISTS "
        "(SELECT 1 FROM version_files WHERE version_files.sha256 = artifacts.sha256)"
    )


def downgrade() -> None:
    op.drop_column("artifacts", "registered_at")
