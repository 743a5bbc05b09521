"""What the names of models and accounts look like, so that no new one passes for another.

Phase: expand, with its backfill
Safe with the previous release: yes; it writes rows without the columns, which are compared one by one until a worker
    of this release has filled them in.
Locks: on PostgreSQL short ones for the columns, share locks while the indexes are built, and the rows of both tables
    until the migration ends: some seconds for a hundred thousand names.
Rollback: ``downgrade`` loses the columns.
"""

import sqlalchemy as sa
from alembic import op

# The release's own rule, not a copy: what is stored has to be what this release computes.
from registry.domain import confusables

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None
works_with = "0006"

BATCH = 1000
TABLES = ("models", "accounts")


def upgrade() -> None:
    for table in TABLES:
        op.add_column(table, sa.Column("look", sa.String(length=64), nullable=True))
        _backfill(table)
        op.create_index(f"ix_{table}_look", table, ["look"])


def downgrade() -> None:
    for table in TABLES:
        op.drop_index(f"ix_{table}_look", table)
        op.drop_column(table, "look")


def _backfill(name: str) -> None:
    connection, uuid = op.get_bind(), sa.Uuid(as_uuid=False)
    table = sa.table(name, sa.column("id", uuid), sa.column("name", sa.Text()), sa.column("look", sa.String()))
    fill = table.update().where(table.c.id == sa.bindparam("row_id", type_=uuid)).values(look=sa.bindparam("seen"))
    after = None
    while True:
        page = sa.select(table.c.id, table.c.name).order_by(table.c.id).limit(BATCH)
        rows = connection.execute(page if after is None else page.where(table.c.id > after)).all()
        if not rows:
            return
        connection.execute(fill, [{"row_id": row.id, "seen": confusables.look(row.name)} for row in rows])
        after = rows[-1].id
