"""Index over the addresses of data, which connects data with a digest to events that name it by its address.

Phase: expand
Safe with the previous release: yes; it writes no other rows. Its answers do not contain what follows from addresses.
Locks: on PostgreSQL ``lineage_nodes`` takes no writes while the index is built.
Rollback: ``downgrade`` drops the index; the edges that events added stay.
"""

from alembic import op

revision = "0034"
down_revision = "0032"
branch_labels = None
depends_on = None
works_with = "0006"

_SQLITE = "json_extract(attributes, '$.\"uri\"')"
URI = {
    "postgresql": "split_part((attributes ->> 'uri'), '?', 1)",
    "sqlite": f"substr({_SQLITE}, 1, instr({_SQLITE} || '?', '?') - 1)",
}


def upgrade() -> None:
    uri = URI[op.get_bind().dialect.name]
    place = f"substr(rtrim(replace(replace({uri}, 's3a://', 's3://'), 's3n://', 's3://'), '/'), 1, 512)"
    op.execute(f"CREATE INDEX ix_lineage_nodes_place ON lineage_nodes (({place})) WHERE kind = 'dataset'")


def downgrade() -> None:
    op.drop_index("ix_lineage_nodes_place", "lineage_nodes")
