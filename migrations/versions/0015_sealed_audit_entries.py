"""Audit entries with a seal and the issuer of their credential, checkpoints of all chains, and keys that stay taken.

Phase: expand
Safe with the previous release: yes. It writes entries without a seal; ``registry audit verify --baseline`` covers them.
Locks: on PostgreSQL an exclusive lock on ``audit_entries`` for an instant: both columns may be empty.
Rollback: ``downgrade`` drops the columns, the table and the triggers; entries and their hashes stay.
"""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None
works_with = "0006"

# SQLite replaces a row without its delete trigger, in a connection that did not ask for recursive triggers. A row whose
# key is taken is refused before that. A lineage node with the same content is left out, as the service itself asks for.
# ``lineage_digests`` needs none: its rows are all key.
TAKEN = {
    "audit_entries": "id = NEW.id OR uid = NEW.uid OR (aggregate = NEW.aggregate AND seq = NEW.seq)",
    "audit_texts": "entry_uid = NEW.entry_uid AND field = NEW.field",
    "version_files": "version_id = NEW.version_id AND path = NEW.path",
    "version_metrics": "id = NEW.id",
    "version_params": "version_id = NEW.version_id AND key = NEW.key",
    "lineage_edges": "id = NEW.id OR (source_id = NEW.source_id AND kind = NEW.kind AND role = NEW.role"
    " AND target_id = NEW.target_id)",
    "lineage_nodes": "id = NEW.id OR version_id = NEW.version_id",
}
SAME_NODE = (
    "CREATE TRIGGER lineage_nodes_keep_key BEFORE INSERT ON lineage_nodes "
    "WHEN EXISTS (SELECT 1 FROM lineage_nodes WHERE kind = NEW.kind AND key = NEW.key AND id <> NEW.id) "
    "BEGIN SELECT RAISE(IGNORE); END"
)


def upgrade() -> None:
    op.add_column("audit_entries", sa.Column("issuer_id", sa.Uuid(as_uuid=False), nullable=True))
    op.add_column("audit_entries", sa.Column("seal", sa.String(length=80), nullable=True))
    op.create_table(
        "audit_checkpointed",
        sa.Column("model_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("model_id", name="pk_audit_checkpointed"),
    )
    chains = sa.table(
        "audit_chains", sa.column("aggregate"), sa.column("audit_seq"), sa.column("audit_head"), sa.column("clock_at")
    )
    now = sa.func.current_timestamp()
    op.execute(chains.insert().values(aggregate="log", audit_seq=0, audit_head="", clock_at=now))
    if op.get_bind().dialect.name == "sqlite":
        for table, taken in TAKEN.items():
            op.execute(
                f"CREATE TRIGGER {table}_keep_insert BEFORE INSERT ON {table} "
                f"WHEN EXISTS (SELECT 1 FROM {table} WHERE {taken}) "
                f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
            )
        op.execute(SAME_NODE)


def downgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        op.execute("DROP TRIGGER lineage_nodes_keep_key")
        for table in TAKEN:
            op.execute(f"DROP TRIGGER {table}_keep_insert")
    op.execute("DELETE FROM audit_chains WHERE aggregate = 'log' AND audit_seq = 0")
    op.drop_table("audit_checkpointed")
    op.drop_column("audit_entries", "seal")
    op.drop_column("audit_entries", "issuer_id")
