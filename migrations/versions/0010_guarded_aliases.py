"""Protected aliases of each model, aliases that wait for their version, and what the requester of an import may do.

Phase: expand
Safe with the previous release: yes, but it moves protected aliases as if they were not, and points aliases at pending
    versions: protect aliases when no replica of it serves.
Locks: on PostgreSQL short ones of ``models`` and ``imports``, which get columns without defaults.
Rollback: ``downgrade`` loses the protection and the aliases that wait.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None
works_with = "0006"

INSTANT = sa.DateTime(timezone=True)
UUID = sa.Uuid(as_uuid=False)
SERIAL = sa.BigInteger().with_variant(sa.Integer, "sqlite")
BYTEWISE = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
DOCUMENT = sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql")


def upgrade() -> None:
    op.add_column("models", sa.Column("protected_aliases", DOCUMENT, nullable=True))
    op.add_column("imports", sa.Column("permissions", DOCUMENT, nullable=True))
    op.create_table(
        "alias_requests",
        sa.Column("id", SERIAL, nullable=False),
        sa.Column("version_id", SERIAL, nullable=False),
        sa.Column("alias", BYTEWISE, nullable=False),
        sa.Column("tenure_id", SERIAL, nullable=True),
        sa.Column("may_promote", sa.Boolean(), nullable=False),
        sa.Column("requested_at", INSTANT, nullable=False),
        sa.Column("requested_by", UUID, nullable=False),
        sa.Column("token_id", sa.String(length=12), nullable=True),
        sa.ForeignKeyConstraint(["requested_by"], ["accounts.id"], name="fk_alias_requests_requested_by"),
        sa.ForeignKeyConstraint(["tenure_id"], ["alias_tenures.id"], name="fk_alias_requests_tenure_id"),
        sa.ForeignKeyConstraint(["version_id"], ["versions.id"], name="fk_alias_requests_version_id"),
        sa.PrimaryKeyConstraint("id", name="pk_alias_requests"),
    )
    op.create_index("ix_alias_requests_version_id", "alias_requests", ["version_id"])


def downgrade() -> None:
    op.drop_table("alias_requests")
    op.drop_column("imports", "permissions")
    op.drop_column("models", "protected_aliases")
