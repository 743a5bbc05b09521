"""Notes of versions: their audit entries, found by version and by author.

A note is the entry ``version.noted`` and its text. The indexes contain entries with this action only; at first none.

Phase: expand
Safe with the previous release: yes; it writes no such entries. Its ``registry audit verify --local`` reports a chain
    that has one as undecided.
Locks: on PostgreSQL a lock on ``audit_entries`` against writers, while the table is read twice: seconds for millions.
Rollback: ``downgrade`` drops the indexes; the notes stay in the audit log.
"""

import sqlalchemy as sa
from alembic import op

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None
works_with = "0006"

INDEXES = {"ix_audit_entries_notes": ["version_id", "id"], "ix_audit_entries_noted_by": ["actor_id", "at"]}


def upgrade() -> None:
    noted = sa.text("action = 'version.noted'")
    for name, columns in INDEXES.items():
        op.create_index(name, "audit_entries", columns, sqlite_where=noted, postgresql_where=noted)


def downgrade() -> None:
    for name in INDEXES:
        op.drop_index(name, "audit_entries")
