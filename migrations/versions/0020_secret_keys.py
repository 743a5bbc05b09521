"""Fingerprints of the secret keys, and the key with which each token was hashed.

Phase: expand
Safe with the previous release: yes, which uses neither.
Locks: on PostgreSQL an exclusive lock on ``registry`` and ``tokens`` for an instant: both columns may be empty.
Rollback: ``downgrade`` drops the columns; the next upgrade records the key with which the service starts.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None
works_with = "0006"


def upgrade() -> None:
    fingerprints = sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql")
    op.add_column("registry", sa.Column("secret_keys", fingerprints, nullable=True))
    op.add_column("tokens", sa.Column("key_id", sa.String(length=16), nullable=True))


def downgrade() -> None:
    op.drop_column("tokens", "key_id")
    op.drop_column("registry", "secret_keys")
