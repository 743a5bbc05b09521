"""The permissions that each kept reply needs, checked before it is sent again.

Phase: expand
Safe with the previous release: yes; it keeps replies without them, which are sent again on the permission of the route
    alone, as that release does. Such rows are forgotten after seven days.
Locks: on PostgreSQL a short one of ``idempotency_keys``, which gets a column without a default.
Rollback: ``downgrade`` loses the permissions.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None
works_with = "0006"

DOCUMENT = sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql")


def upgrade() -> None:
    op.add_column("idempotency_keys", sa.Column("permissions", DOCUMENT, nullable=True))


def downgrade() -> None:
    op.drop_column("idempotency_keys", "permissions")
