"""The order in which audit entries became readable, for readers that go on where they stopped.

On PostgreSQL an entry's id is taken before its commit, so a smaller id may become visible after a larger one. A
trigger stores the id of the writing transaction, but never less than the entry before it in the same chain has.
``audit_commit_base`` is added to it: a dump that is restored into a younger cluster raises the base.

Phase: expand
Safe with the previous release: yes; the trigger fills the column for its entries too, and it reads none of this.
Locks: on PostgreSQL an exclusive lock on ``audit_entries`` while its index is built: seconds for a million.
    Writers that hold uncommitted entries are waited for; so every earlier entry can share the order 0.
Rollback: ``downgrade`` drops the column; cursors of incremental readers are refused afterwards.
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None
works_with = "0006"

FUNCTION = """
CREATE FUNCTION registry_commit_order() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.commit_order := greatest(
        (SELECT base FROM audit_commit_base) + pg_current_xact_id()::text::bigint,
        (SELECT commit_order FROM audit_entries
         WHERE aggregate = NEW.aggregate AND seq < NEW.seq ORDER BY seq DESC LIMIT 1));
    RETURN NEW;
END $$
"""


def upgrade() -> None:
    base = op.create_table(
        "audit_commit_base",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("base", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_audit_commit_base"),
    )
    op.execute(base.insert().values(id=1, base=0))
    op.add_column("audit_entries", sa.Column("commit_order", sa.BigInteger(), nullable=False, server_default="0"))
    op.create_index("ix_audit_entries_commit_order", "audit_entries", ["commit_order", "id"])
    if op.get_bind().dialect.name == "postgresql":
        op.execute(FUNCTION)
        op.execute(
            "CREATE TRIGGER audit_entries_commit_order BEFORE INSERT ON audit_entries "
            "FOR EACH ROW EXECUTE FUNCTION registry_commit_order()"
        )
        # ALWAYS: also in a session that calls itself a replica.
        op.execute("ALTER TABLE audit_entries ENABLE ALWAYS TRIGGER audit_entries_commit_order")


def downgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP TRIGGER audit_entries_commit_order ON audit_entries")
        op.execute("DROP FUNCTION registry_commit_order()")
    op.drop_index("ix_audit_entries_commit_order", "audit_entries")
    op.drop_column("audit_entries", "commit_order")
    op.drop_table("audit_commit_base")
