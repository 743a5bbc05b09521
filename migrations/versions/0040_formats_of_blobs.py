"""Formats of blobs by their content, for the rules of policies.

Phase: expand
Safe with the previous release: yes; it does not know the table.
Locks: none but those of a new table.
Rollback: ``downgrade`` drops the table; a worker fills it again.
"""

import sqlalchemy as sa
from alembic import op

revision = "0040"
down_revision = "0039"
branch_labels = None
depends_on = None
works_with = "0006"


def upgrade() -> None:
    op.create_table(
        "blob_formats",
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("recognizer", sa.Integer(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("attempted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("format", sa.String(length=32), nullable=True),
        sa.Column("executes_code", sa.String(length=8), nullable=True),
        sa.Column("detail", sa.String(length=200), nullable=True),
        sa.Column("seal", sa.String(length=80), nullable=True),
        sa.ForeignKeyConstraint(["sha256"], ["blobs.sha256"], name="fk_blob_formats_sha256", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("sha256", name="pk_blob_formats"),
    )


def downgrade() -> None:
    op.drop_table("blob_formats")
