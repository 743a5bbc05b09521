"""Holds on versions, data and base models.

Phase: expand
Safe with the previous release: yes; it does not know the table, and moves versions that are held.
Locks: none but those of a new table.
Rollback: ``downgrade`` drops the table with the holds; the audit log keeps when they were placed and released.
"""

import sqlalchemy as sa
from alembic import op

revision = "0039"
down_revision = "0038"
branch_labels = None
depends_on = None
works_with = "0006"

SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "holds",
        sa.Column("id", SERIAL, nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("version_id", SERIAL, nullable=True),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("placed_at", INSTANT, nullable=False),
        sa.Column("placed_entry", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("released_at", INSTANT, nullable=True),
        sa.Column("released_entry", sa.Uuid(as_uuid=False), nullable=True),
        sa.ForeignKeyConstraint(["version_id"], ["versions.id"], name="fk_holds_version_id"),
        sa.PrimaryKeyConstraint("id", name="pk_holds"),
        sa.UniqueConstraint("placed_entry", name="uq_holds_placed_entry"),
    )
    op.create_index("ix_holds_version_id", "holds", ["version_id"])
    for name, column, condition in (
        ("ix_holds_on_version", "version_id", "released_at IS NULL AND kind = 'version'"),
        ("ix_holds_upstream", "kind", "released_at IS NULL AND kind <> 'version'"),
    ):
        where = sa.text(condition)
        op.create_index(name, "holds", [column], sqlite_where=where, postgresql_where=where)


def downgrade() -> None:
    op.drop_table("holds")
