"""The move of a version past the gates that no approver has acknowledged.

Phase: expand
Safe with the previous release: yes; it does not know the column, and makes no such move.
Locks: on PostgreSQL an exclusive lock on ``versions`` for an instant, for a column without a default; a share lock
    while the index is built, which holds no rows at first.
Rollback: ``downgrade`` loses the marks; the audit log keeps the moves, and ``audit verify`` of the previous release
    does not know their action.
"""

import sqlalchemy as sa
from alembic import op

revision = "0038"
down_revision = "0037"
branch_labels = None
depends_on = None
works_with = "0006"

INDEX = "ix_versions_broken_glass"
BROKEN = sa.text("broken_glass_entry IS NOT NULL")


def upgrade() -> None:
    op.add_column("versions", sa.Column("broken_glass_entry", sa.Uuid(as_uuid=False), nullable=True))
    op.create_index(INDEX, "versions", ["id"], sqlite_where=BROKEN, postgresql_where=BROKEN)


def downgrade() -> None:
    op.drop_index(INDEX, "versions")
    op.drop_column("versions", "broken_glass_entry")
