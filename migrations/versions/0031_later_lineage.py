"""Lineage that is added after the registration, retracted and reinstated: statements about edges.

Phase: expand
Safe with the previous release: yes. Its answers contain the edges that were added later, and those that were retracted.
    It cannot verify the entries of such changes, so wait with them until its servers are gone.
Locks: on PostgreSQL ``lineage_nodes`` takes no writes while its index over the commits is built.
Rollback: ``downgrade`` drops the statements; the edges that were added later stay, and verification reports them.
"""

import sqlalchemy as sa
from alembic import op

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None
works_with = "0006"

TABLE = "lineage_statements"
COMMIT = {
    "postgresql": """((attributes ->> 'commit') COLLATE "C")""",
    "sqlite": """json_extract(attributes, '$."commit"')""",
}


def upgrade() -> None:
    op.create_table(
        TABLE,
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("edge_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("verb", sa.String(length=12), nullable=False),
        sa.Column("entry_uid", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["edge_id"], ["lineage_edges.id"], name="fk_lineage_statements_edge_id"),
        sa.PrimaryKeyConstraint("id", name="pk_lineage_statements"),
        sa.UniqueConstraint("edge_id", "entry_uid", name="uq_lineage_statements_edge_id_entry_uid"),
    )
    op.create_index("ix_lineage_statements_entry_uid", TABLE, ["entry_uid"])
    is_postgresql = op.get_bind().dialect.name == "postgresql"
    op.execute(
        f"CREATE INDEX ix_lineage_nodes_commit ON lineage_nodes ({COMMIT[op.get_bind().dialect.name]}) "
        "WHERE kind = 'code'"
    )
    if is_postgresql:
        for change in ("UPDATE", "DELETE", "TRUNCATE"):
            name, level = f"{TABLE}_keep_{change.lower()}", "STATEMENT" if change == "TRUNCATE" else "ROW"
            op.execute(
                f"CREATE TRIGGER {name} BEFORE {change} ON {TABLE} "
                f"FOR EACH {level} EXECUTE FUNCTION registry_refuse_change()"
            )
            op.execute(f"ALTER TABLE {TABLE} ENABLE ALWAYS TRIGGER {name}")
        return
    refuse = f"BEGIN SELECT RAISE(ABORT, '{TABLE} is append-only'); END"
    for change in ("UPDATE", "DELETE"):
        op.execute(f"CREATE TRIGGER {TABLE}_keep_{change.lower()} BEFORE {change} ON {TABLE} {refuse}")
    taken = "id = NEW.id OR (edge_id = NEW.edge_id AND entry_uid = NEW.entry_uid)"
    op.execute(
        f"CREATE TRIGGER {TABLE}_keep_insert BEFORE INSERT ON {TABLE} "
        f"WHEN EXISTS (SELECT 1 FROM {TABLE} WHERE {taken}) {refuse}"
    )


def downgrade() -> None:
    op.drop_index("ix_lineage_nodes_commit", "lineage_nodes")
    op.drop_table(TABLE)
