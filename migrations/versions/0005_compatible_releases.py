"""Which releases work with the schema, for those that are older than it to read.

Phase: expand
Safe with the previous release: it runs on, but starts no more: it takes any schema but its own for a wrong one. Every
    release from this one on reads the table.
Locks: none; it makes one small table.
Rollback: ``downgrade`` drops the table.
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "compatible_releases",
        sa.Column("revision", sa.String(length=32), nullable=False),
        sa.PrimaryKeyConstraint("revision", name="pk_compatible_releases"),
    )


def downgrade() -> None:
    op.drop_table("compatible_releases")
