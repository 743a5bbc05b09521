"""Indexes for lists over all models: who serves and who served, the latest changes, versions that failed.

Phase: expand
Safe with the previous release: yes; it does not use the indexes.
Locks: on PostgreSQL each table takes no writes while its indexes are built. The largest is over ``audit_entries``.
Rollback: ``downgrade`` drops the indexes.
"""

import sqlalchemy as sa
from alembic import op

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None
works_with = "0006"

INDEXES = [
    ("ix_tenures_open", "tenures", ["stage", "model_id"], "ended_at IS NULL"),
    ("ix_tenures_started_at", "tenures", ["stage", "started_at"], None),
    ("ix_tenures_ended_at", "tenures", ["stage", "ended_at"], "ended_at IS NOT NULL"),
    ("ix_models_deleted_at", "models", ["deleted_at"], "deleted_at IS NOT NULL"),
    ("ix_versions_failed", "versions", ["id"], "state = 'failed'"),
    ("ix_audit_entries_of_models", "audit_entries", ["id"], "model_id IS NOT NULL"),
]


def upgrade() -> None:
    for name, table, columns, rows in INDEXES:
        where = None if rows is None else sa.text(rows)
        op.create_index(name, table, columns, sqlite_where=where, postgresql_where=where)


def downgrade() -> None:
    for name, table, _, _ in reversed(INDEXES):
        op.drop_index(name, table_name=table)
