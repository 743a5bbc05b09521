"""Indexes for questions about lineage: the tenures of versions, and models outside of the registry by their URI.

Phase: expand
Safe with the previous release: yes; it does not use the indexes.
Locks: on PostgreSQL ``tenures`` and ``lineage_nodes`` take no writes while their indexes are built.
Rollback: ``downgrade`` drops the indexes.
"""

from alembic import op

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None
works_with = "0006"

NAME = {"postgresql": 'name COLLATE "C"', "sqlite": "name"}


def upgrade() -> None:
    op.create_index("ix_tenures_version", "tenures", ["version_id", "stage", "started_at"])
    op.execute(
        f"CREATE INDEX ix_lineage_nodes_uri ON lineage_nodes ({NAME[op.get_bind().dialect.name]}) WHERE kind = 'model'"
    )


def downgrade() -> None:
    op.drop_index("ix_lineage_nodes_uri", "lineage_nodes")
    op.drop_index("ix_tenures_version", "tenures")
