"""The rules that recognised each blob, so that workers find those to read by an index.

Phase: expand
Safe with the previous release: yes; its inserts leave the column at its default, and a worker reads those blobs.
Locks: on PostgreSQL ``blobs`` takes no writes while its index is built.
Rollback: ``downgrade`` drops the column; a worker reads all blobs again.
"""

import sqlalchemy as sa
from alembic import op

revision = "0042"
down_revision = "0041"
branch_labels = None
depends_on = None
works_with = "0006"


def upgrade() -> None:
    op.add_column("blobs", sa.Column("recognizer", sa.Integer(), nullable=False, server_default="0"))
    op.create_index("ix_blobs_recognizer", "blobs", ["recognizer"])


def downgrade() -> None:
    op.drop_index("ix_blobs_recognizer", "blobs")
    op.drop_column("blobs", "recognizer")
