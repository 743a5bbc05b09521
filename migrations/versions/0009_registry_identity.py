"""The identity of the registry, which its store carries too, and a chain for what concerns the registry as a whole.

Phase: expand
Safe with the previous release: yes, which does not look at any of it.
Locks: none; it makes one small table.
Rollback: ``downgrade`` loses the identity. A store that carries it is then foreign to what the next upgrade makes:
    run ``registry admin adopt-store``.
"""

import uuid

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None
works_with = "0006"

INSTANT = sa.DateTime(timezone=True)
UUID = sa.Uuid(as_uuid=False)


def upgrade() -> None:
    table = op.create_table(
        "registry",
        sa.Column("key", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("id", UUID, nullable=False),
        sa.Column("epoch", UUID, nullable=False),
        sa.Column("first_number", sa.Integer(), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("restored_at", INSTANT, nullable=True),
        sa.Column("restored_from", sa.String(length=64), nullable=True),
        sa.CheckConstraint("key = 1", name="ck_registry_one_row"),
        sa.PrimaryKeyConstraint("key", name="pk_registry"),
    )
    now = sa.func.current_timestamp()
    row = {"key": 1, "id": str(uuid.uuid4()), "epoch": str(uuid.uuid4()), "first_number": 1, "created_at": now}
    op.execute(table.insert().values(row))
    chains = sa.table(
        "audit_chains", sa.column("aggregate"), sa.column("audit_seq"), sa.column("audit_head"), sa.column("clock_at")
    )
    op.execute(chains.insert().values(aggregate="registry", audit_seq=0, audit_head="", clock_at=now))


def downgrade() -> None:
    op.execute("DELETE FROM audit_chains WHERE aggregate = 'registry' AND audit_seq = 0")
    op.drop_table("registry")
