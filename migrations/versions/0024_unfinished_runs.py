"""Which runs had not ended when their version was registered, and whether the version has their end by now.

Phase: expand
Safe with the previous release: yes, which neither writes nor reads them. Of two snapshots of a run it shows the first,
    and its ``audit verify`` does not know the action that records the second.
Locks: on PostgreSQL a short one of ``versions``, which gets a column without a default.
Rollback: ``downgrade`` loses which runs are still to be looked at, and which versions lack the end of theirs; what was
    added to versions stays.
"""

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None
works_with = "0006"

INSTANT = sa.DateTime(timezone=True)
WAITING, PARKED = sa.text("state = 'waiting'"), sa.text("parked_at IS NOT NULL")


def upgrade() -> None:
    op.add_column("versions", sa.Column("run_state", sa.String(length=16), nullable=True))
    op.create_table(
        "run_refreshes",
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("model_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("version_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("server", sa.Text(), nullable=False),
        sa.Column("run_id", sa.String(length=255), nullable=False),
        sa.Column("logged_model", sa.String(length=64), nullable=True),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("due_at", INSTANT, nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("created_by", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("finished_at", INSTANT, nullable=True),
        sa.Column("seal", sa.String(length=80), nullable=True),
        sa.Column("lease_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("leased_until", INSTANT, nullable=True),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("parked_at", INSTANT, nullable=True),
        sa.Column("parked_reason", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_run_refreshes"),
        sa.ForeignKeyConstraint(["model_id"], ["models.id"], name="fk_run_refreshes_model_id_models"),
        sa.ForeignKeyConstraint(["version_id"], ["versions.id"], name="fk_run_refreshes_version_id_versions"),
        sa.ForeignKeyConstraint(["created_by"], ["accounts.id"], name="fk_run_refreshes_created_by_accounts"),
        sa.UniqueConstraint("version_id", name="uq_run_refreshes_version_id"),
    )
    for name, column, where in (("waiting", "due_at", WAITING), ("parked", "parked_at", PARKED)):
        op.create_index(
            f"ix_run_refreshes_{name}", "run_refreshes", [column], sqlite_where=where, postgresql_where=where
        )


def downgrade() -> None:
    op.drop_table("run_refreshes")
    op.drop_column("versions", "run_state")
